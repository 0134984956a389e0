-- Usage: exact totals, one effect a key, every refusal a value.
\set SHOW_CONTEXT never
SELECT (authmeter.user_create('usage-a@example.com')).user_id AS a \gset
SELECT (authmeter.user_create('usage-b@example.com')).user_id AS b \gset
\set nobody '''018f0000-0000-7000-8000-000000000000'''
SELECT authmeter.meter_create('usage.words', 'word', '{10,20}');
SELECT authmeter.meter_create('usage.words', 'letter', '{5}');
SELECT authmeter.meter_create('usage.pages');
SELECT name, unit, thresholds, builtin FROM authmeter.meter_list() WHERE name LIKE 'usage.%';

-- Definitions that break a rule.
SELECT authmeter.meter_create('Upper');
SELECT authmeter.meter_create(repeat('x', 64));
SELECT authmeter.meter_create(NULL);
SELECT authmeter.meter_create('usage.bad', 'x', '{2,1}');
SELECT authmeter.meter_create('usage.bad', 'x', '{1,1}');
SELECT authmeter.meter_create('usage.bad', 'x', '{0}');
SELECT authmeter.meter_create('usage.bad', 'x', NULL);
SELECT authmeter.meter_thresholds_set('usage.none', '{1}');

-- Totals, and each threshold reported by the one call that reaches it.
SELECT * FROM authmeter.usage_add(:'a', 'usage.words', 9);
SELECT * FROM authmeter.usage_add(:'a', 'usage.words');
SELECT * FROM authmeter.usage_add(:'a', 'usage.words', 30);
SELECT * FROM authmeter.usage_add(:'a', 'usage.words', 0);
SELECT * FROM authmeter.usage_add(:'b', 'usage.words', 0);
SELECT meter_name, value FROM authmeter.usage_get(:'a');
SELECT meter_name, value FROM authmeter.usage_get(:'b');
SELECT meter_name, value FROM authmeter.usage_get(:'a', 'usage.pages');

-- Refusals leave the totals as they are.
SELECT * FROM authmeter.usage_add(:'a', 'usage.words', -1);
SELECT * FROM authmeter.usage_add(:'a', 'usage.words', NULL);
SELECT * FROM authmeter.usage_add(:'a', 'usage.nothing', 1);
SELECT * FROM authmeter.usage_add(:'a', NULL, 1);
SELECT * FROM authmeter.usage_add(:nobody, 'usage.words', 1);
SELECT * FROM authmeter.usage_add(:nobody, 'usage.words', 0);
SELECT * FROM authmeter.usage_add(NULL, 'usage.words', 1);
SELECT * FROM authmeter.usage_add(:'a', 'usage.words', 9223372036854775807);
SELECT * FROM authmeter.usage_add(:'a', 'usage.pages', 9223372036854775807);
SELECT * FROM authmeter.usage_add(:'a', 'usage.pages', 1);
SELECT meter_name, value FROM authmeter.usage_get(:'a');
SELECT count(*) FROM authmeter.usage_counter WHERE user_id = :nobody;

-- A key has one effect and one answer; another request under it is refused.
SELECT * FROM authmeter.usage_add(:'b', 'usage.words', 12, 'k1');
SELECT * FROM authmeter.usage_add(:'b', 'usage.words', 5);
SELECT * FROM authmeter.usage_add(:'b', 'usage.words', 12, 'k1');
SELECT * FROM authmeter.usage_add(:'b', 'usage.words', 13, 'k1');
SELECT * FROM authmeter.usage_add(:'b', 'usage.pages', 12, 'k1');
SELECT * FROM authmeter.usage_reset(:'b', 'usage.words', 'k1');
SELECT * FROM authmeter.usage_add(:'a', 'usage.words', 1, 'k1');
SELECT * FROM authmeter.usage_add(:'b', 'usage.words', 1, '');
SELECT * FROM authmeter.usage_add(:'b', 'usage.words', 1, repeat('k', 256));
SELECT * FROM authmeter.usage_add(:'b', 'usage.words', 1, repeat('k', 255));
SELECT * FROM authmeter.usage_add(:nobody, 'usage.words', 1, 'k1');
-- A refusal is remembered too.
SELECT * FROM authmeter.usage_add(:'a', 'usage.pages', 1, 'full');
SELECT * FROM authmeter.usage_reset(:'a', 'usage.pages');
SELECT * FROM authmeter.usage_add(:'a', 'usage.pages', 1, 'full');
-- A rolled back call has not happened, and its key is free again.
BEGIN;
SELECT * FROM authmeter.usage_add(:'b', 'usage.words', 100, 'k2');
ROLLBACK;
SELECT * FROM authmeter.usage_add(:'b', 'usage.words', 1, 'k2');

-- Reset returns what it cleared, once a key.
SELECT * FROM authmeter.usage_reset(:'b', 'usage.words', 'r1');
SELECT * FROM authmeter.usage_add(:'b', 'usage.words', 3);
SELECT * FROM authmeter.usage_reset(:'b', 'usage.words', 'r1');
SELECT * FROM authmeter.usage_reset(:'b', 'usage.pages');
SELECT * FROM authmeter.usage_reset(:'b', 'usage.nothing');
SELECT * FROM authmeter.usage_reset(:nobody, 'usage.words');
SELECT meter_name, value FROM authmeter.usage_get(:'b');

-- Many items: one row each, in order, as if added one after the other.
SELECT authmeter.usage_reset(:'a', 'usage.words');
SELECT * FROM authmeter.usage_add_many(
	ARRAY[:'a', :'b', :'a', :nobody, :'a', :'a', NULL, :'b']::uuid[],
	ARRAY['usage.words', 'usage.words', 'usage.words', 'usage.words', 'usage.nothing', 'usage.pages', 'usage.words', 'usage.words'],
	ARRAY[9, 1, 2, 1, 1, 5, 1, -4]);
-- Keys inside one call: the second item of a key repeats the first, or conflicts with it.
SELECT * FROM authmeter.usage_add_many(
	ARRAY[:'a', :'a', :'a', :'b', :'a']::uuid[],
	ARRAY['usage.words', 'usage.words', 'usage.words', 'usage.words', 'usage.words'],
	ARRAY[4, 4, 5, 4, 1], ARRAY['m1', 'm1', 'm1', 'm1', NULL]);
SELECT * FROM authmeter.usage_add_many(
	ARRAY[:'a', :'b']::uuid[], ARRAY['usage.words', 'usage.words'], ARRAY[4, 4], ARRAY['m1', 'm1']);
-- Items of one counter whose sum would overflow are decided one by one.
SELECT * FROM authmeter.usage_add_many(
	ARRAY[:'b', :'b', :'b']::uuid[], ARRAY['usage.pages', 'usage.pages', 'usage.pages'],
	ARRAY[9223372036854775800, 100, 7]);
SELECT meter_name, value FROM authmeter.usage_get(:'a');
SELECT meter_name, value FROM authmeter.usage_get(:'b');
SELECT count(*) FROM authmeter.usage_add_many('{}', '{}', '{}');
SELECT count(*) FROM authmeter.usage_add_many(NULL, '{}', '{}');
SELECT * FROM authmeter.usage_add_many(ARRAY[:'a']::uuid[], '{}', '{1}');
SELECT * FROM authmeter.usage_add_many('{{00000000-0000-0000-0000-000000000000}}', '{{x}}', '{{1}}');
SELECT count(*) FROM authmeter.usage_add_many(
	array_fill(:'a'::uuid, ARRAY[10001]), array_fill('x'::text, ARRAY[10001]), array_fill(1::bigint, ARRAY[10001]));
SELECT min(value), max(value), count(DISTINCT value) FROM authmeter.usage_add_many(
	array_fill(:'a'::uuid, ARRAY[10000]), array_fill('usage.words'::text, ARRAY[10000]), array_fill(1::bigint, ARRAY[10000]));

-- A changed threshold is in force at once.
SELECT authmeter.meter_thresholds_set('usage.pages', '{6}');
SELECT * FROM authmeter.usage_add(:'a', 'usage.pages', 1);

-- Old keys are purged, young ones stay.
SELECT authmeter.idempotency_purge();
SET authmeter.clock_offset_s = 2678400;
SELECT authmeter.idempotency_purge(1);
SELECT authmeter.idempotency_purge() > 5 AS purged_rest;
RESET authmeter.clock_offset_s;
SELECT count(*) FROM authmeter.idempotency;

-- Counters and keys go with their user.
SELECT authmeter.usage_add(:'a', 'usage.words', 1, 'last') IS NOT NULL AS used;
SELECT (authmeter.user_delete(:'a')).outcome;
SELECT count(*) FROM authmeter.usage_counter WHERE user_id = :'a';
SELECT count(*) FROM authmeter.idempotency WHERE user_id = :'a';
SELECT * FROM authmeter.usage_add(:'a', 'usage.words', 1);
SELECT (authmeter.user_delete(:'b')).outcome;

-- A service role counts, reads, and touches no table.
CREATE ROLE regress_authmeter_service;
SELECT authmeter.grant_access('regress_authmeter_service', 'service') > 0 AS granted;
SELECT (authmeter.user_create('usage-c@example.com')).user_id AS c \gset
SET ROLE regress_authmeter_service;
SELECT * FROM authmeter.usage_add(:'c', 'usage.words', 2);
SELECT meter_name, value FROM authmeter.usage_get(:'c');
SELECT * FROM authmeter.usage_counter;
SELECT authmeter.meter_create('usage.mine');
RESET ROLE;
DROP OWNED BY regress_authmeter_service;
DROP ROLE regress_authmeter_service;
SELECT (authmeter.user_delete(:'c')).outcome;
DELETE FROM authmeter.meter WHERE name LIKE 'usage.%';
