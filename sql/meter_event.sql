-- Events: each counts once, in the minute, day and month of its own time, and queries answer by any
-- recorded dimension as the meter's kind says.
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SELECT (authmeter.user_create('event-a@example.com')).user_id AS a \gset
SELECT (authmeter.user_create('event-b@example.com')).user_id AS b \gset
\set nobody '''018f0000-0000-7000-8000-000000000000'''
SELECT authmeter.meter_create('event.tokens', 'token', '{100}', 'sum', '{model,kind}', true, '40 days');
SELECT authmeter.meter_create('event.' || k, k, kind => k, dimensions => '{model}') FROM unnest('{count,max,unique,latest}'::text[]) k;
SELECT authmeter.meter_create('event.bad', kind => 'median');
SELECT authmeter.meter_create('event.bad', dimensions => '{a,a}');
SELECT authmeter.meter_create('event.bad', dimensions => '{A}');
SELECT authmeter.meter_create('event.bad', dimensions => '{a,b,c,d,e,f,g,h,i}');
SELECT authmeter.meter_create('event.bad', retention => '1 minute');
SELECT name, kind, dimensions, event_log, retention FROM authmeter.meter_list() WHERE name LIKE 'event.%';
SELECT extract(epoch FROM timestamptz '2030-03-15 12:00:30' - authmeter.clock()) AS march \gset
SET authmeter.clock_offset_s = :march;

-- Refusals leave nothing behind.
SELECT * FROM authmeter.event_record(:'a', 'event.none');
SELECT * FROM authmeter.event_record(:nobody, 'event.tokens');
SELECT * FROM authmeter.event_record(NULL, 'event.tokens');
SELECT * FROM authmeter.event_record(:'a', 'event.tokens', NULL);
SELECT v, (authmeter.event_record(:'a', 'event.tokens', v)).outcome FROM unnest(ARRAY[0, -1]) v;
SELECT t, (authmeter.event_record(:'a', 'event.tokens', 1, t)).outcome
FROM unnest(ARRAY['infinity', '-infinity', '2030-03-15 12:06', '2030-02-03']::timestamptz[]) t;
SELECT d, (authmeter.event_record(:'a', 'event.tokens', 1, NULL, d)).outcome
FROM unnest(ARRAY['1', '[]', 'null', NULL, '{"colour": "red"}', '{"model": 1}', '{"model": null}', jsonb_build_object('model', repeat('x', 129))]::jsonb[]) d;
SELECT s, (authmeter.event_record(:'a', 'event.unique', 1, NULL, '{}', s)).outcome FROM unnest(ARRAY[NULL, '', repeat('x', 256)]) s;
SELECT (SELECT count(*) FROM authmeter.meter_rollup) + (SELECT count(*) FROM authmeter.meter_unique)
	+ (SELECT count(*) FROM authmeter.meter_event) + (SELECT count(*) FROM authmeter.usage_get(:'a')) AS left_behind;

-- Sums: on time and late, by dimension; the total is that of usage_add.
SELECT * FROM authmeter.event_record(:'a', 'event.tokens', 60, NULL, '{"model": "m1", "kind": "input"}');
SELECT * FROM authmeter.event_record(:'a', 'event.tokens', 50, NULL, '{"kind": "output", "model": "m1"}', idempotency_key => 'e1');
SELECT * FROM authmeter.event_record(:'a', 'event.tokens', 50, NULL, '{"model": "m1", "kind": "output"}', idempotency_key => 'e1');
SELECT * FROM authmeter.event_record(:'a', 'event.tokens', 50, NULL, '{"model": "m2", "kind": "output"}', idempotency_key => 'e1');
SELECT * FROM authmeter.event_record(:'a', 'event.tokens', 7, '2030-02-28 23:59:59.999999', '{"model": "m2"}', 'late');
SELECT * FROM authmeter.event_record(:'a', 'event.tokens', 5, '2030-03-15 11:59:59');
SELECT * FROM authmeter.event_record(:'b', 'event.tokens', 1000, '2030-03-15 11:59:59', '{"model": "m1"}');
SELECT * FROM authmeter.usage_add(:'a', 'event.tokens', 0);
SELECT * FROM authmeter.event_query('event.tokens', '2030-02-01', '2030-04-01', 'month', :'a');
SELECT * FROM authmeter.event_query('event.tokens', '2030-02-01', '2030-04-01', 'week', :'a');
SELECT * FROM authmeter.event_query('event.tokens', '2030-02-28', '2030-03-16', 'day', :'a', '{model}');
SELECT * FROM authmeter.event_query('event.tokens', '2030-03-15 11:30', '2030-03-15 12:30', 'hour', :'a', '{kind}');
SELECT * FROM authmeter.event_query('event.tokens', '2030-03-15 11:59', '2030-03-15 12:00', 'minute', :'a');
SELECT * FROM authmeter.event_query('event.tokens', '2030-03-01', '2030-04-01', 'month', NULL, '{model,kind}');
SELECT * FROM authmeter.event_query('event.tokens', '2030-03-01', '2030-04-01', 'month', NULL, '{}', '{"model": "m1"}');
SELECT count(*) FROM authmeter.event_query('event.tokens', '2030-03-01', '2030-03-01');
-- Minutes and days say the same as the log.
SELECT r.grain, sum(r.sum), sum(r.events) FROM authmeter.meter_rollup r WHERE r.user_id = :'a' GROUP BY 1
UNION ALL SELECT NULL, sum(value), count(*) FROM authmeter.meter_event WHERE user_id = :'a' ORDER BY 1;
SELECT meter_name, date_trunc('second', event_at) AS event_at, ingested_at - event_at < '1 minute' AS on_time, value, subject, dimensions FROM authmeter.event_list(:'a');
SELECT event_at, value FROM authmeter.event_list(:'a', 'event.tokens', '2030-03-15 12:00', 1);

-- The other kinds.
SELECT (authmeter.event_record(:'a', 'event.' || k, v, t, jsonb_build_object('model', m), s)).outcome, count(*)
FROM (VALUES (5, '2030-03-14 10:00'::timestamptz, 'm1', 'ana'), (9, '2030-03-14 12:00', 'm1', 'ana'), (-7, '2030-03-14 11:00', 'm2', 'bob'),
	(3, '2030-03-15 09:00', 'm1', 'ana')) e (v, t, m, s), unnest('{count,max,unique,latest}'::text[]) k GROUP BY 1;
SELECT k, q.* FROM unnest('{count,max,unique,latest}'::text[]) k, authmeter.event_query('event.' || k, '2030-03-14', '2030-03-16', 'day', :'a') q;
SELECT k, q.* FROM unnest('{count,max,unique,latest}'::text[]) k, authmeter.event_query('event.' || k, '2030-03-01', '2030-04-01', 'month', :'a', '{model}') q;
SELECT k, q.* FROM unnest('{count,max,unique,latest}'::text[]) k, authmeter.event_query('event.' || k, '2030-03-14 10:00', '2030-03-14 12:00', 'hour') q;
SELECT meter_name, value FROM authmeter.usage_get(:'a') WHERE meter_name LIKE 'event.%';

-- Nothing wraps: what overflows is refused and counts nowhere.
SELECT * FROM authmeter.event_record(:'b', 'event.tokens', 9223372036854775807);
SELECT * FROM authmeter.usage_reset(:'b', 'event.tokens');
SELECT * FROM authmeter.event_record(:'b', 'event.tokens', 9223372036854775807, NULL, '{"model": "m1"}');
SELECT * FROM authmeter.usage_add(:'b', 'event.tokens', 0);
SELECT * FROM authmeter.event_query('event.tokens', '2030-03-01', '2030-04-01', 'month', :'b');

-- Queries that break a rule.
SELECT * FROM authmeter.event_query('event.none', '2030-03-01', '2030-04-01');
SELECT * FROM authmeter.event_query('event.tokens', '2030-03-01', '2030-04-01', 'year');
SELECT * FROM authmeter.event_query('event.tokens', '2030-03-01', '2030-04-01', group_by => '{colour}');
SELECT * FROM authmeter.event_query('event.tokens', '2030-03-01', 'infinity');
SELECT * FROM authmeter.event_query('event.tokens', '2030-01-01', '2030-03-01', 'minute');
SELECT * FROM authmeter.event_list(:'a', page_size => 0);

-- Partitions: what was there moves in, what comes goes there; retention.
SELECT authmeter.event_partition_make('2030-02-14'), authmeter.event_partition_make('2030-02-01'), authmeter.event_partition_make('2030-03-31');
SELECT authmeter.event_partition_make(NULL);
SELECT (authmeter.event_record(:'a', 'event.tokens', 1, '2030-02-20')).outcome;
SELECT tableoid::regclass, count(*) FROM authmeter.meter_event GROUP BY tableoid ORDER BY tableoid::regclass::text;
SELECT authmeter.event_partition_drop('2030-02-01'), authmeter.event_partition_drop('2029-02-01');
SELECT :march + 86400 * 35 AS later \gset
SET authmeter.clock_offset_s = :later;
SELECT authmeter.event_purge(1), authmeter.event_purge();
SELECT grain, count(*) FROM authmeter.meter_rollup r JOIN authmeter.meter m ON m.id = r.meter_id WHERE m.name = 'event.tokens' GROUP BY 1 ORDER BY 1;
SELECT authmeter.event_partition_drop('2030-02-01'), authmeter.event_partition_drop('2030-03-01');
SELECT authmeter.event_purge(0);
RESET authmeter.clock_offset_s;

-- Events go with their user.
SELECT (authmeter.user_delete(:'a')).outcome, (authmeter.user_delete(:'b')).outcome;
SELECT (SELECT count(*) FROM authmeter.meter_rollup) + (SELECT count(*) FROM authmeter.meter_unique)
	+ (SELECT count(*) FROM authmeter.meter_event) AS left_behind;
SELECT authmeter.event_partition_drop('2030-03-01');
DELETE FROM authmeter.meter WHERE name LIKE 'event.%';
