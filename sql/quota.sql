-- Quotas: never more than the plan allows in a period, whatever rolls over is what was unused, every
-- refusal is a value, and nothing is ever reset.
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SELECT (authmeter.user_create('quota-a@example.com')).user_id AS a \gset
SELECT (authmeter.user_create('quota-b@example.com')).user_id AS b \gset
SELECT (authmeter.user_create('quota-c@example.com')).user_id AS c \gset
\set nobody '''018f0000-0000-7000-8000-000000000000'''
SELECT authmeter.meter_create(m) FROM unnest(ARRAY['quota.words', 'quota.calls', 'quota.files']) m;
SELECT * FROM authmeter.plan_publish('quota-basic', '[
	{"feature": "words", "kind": "metered", "meter": "quota.words", "limit": 100, "rollover_max": 150},
	{"feature": "words-a-day", "kind": "metered", "meter": "quota.words", "limit": 30, "period": "day"},
	{"feature": "calls", "kind": "metered", "meter": "quota.calls", "limit": 10, "enforcement": "soft"},
	{"feature": "files", "kind": "metered", "meter": "quota.files", "limit": null, "period": "lifetime"},
	{"feature": "none", "kind": "metered", "meter": "quota.files", "limit": 0},
	{"feature": "export", "kind": "boolean"}]');

-- Whatever is not granted is refused.
SELECT * FROM authmeter.quota_consume(:'a', 'words');
SELECT outcome FROM authmeter.subscription_start(:'a', 'quota-basic', anchor => '2030-01-31', started_at => '2030-01-31');
SELECT outcome FROM authmeter.quota_consume(:'a', 'words');
SELECT extract(epoch FROM timestamptz '2030-01-31' - authmeter.clock()) AS january,
	extract(epoch FROM timestamptz '2030-03-01' - authmeter.clock()) AS march,
	extract(epoch FROM timestamptz '2030-04-02' - authmeter.clock()) AS april,
	extract(epoch FROM timestamptz '2030-09-10' - authmeter.clock()) AS september \gset
SET authmeter.clock_offset_s = :january;
SELECT * FROM authmeter.quota_consume(:'a', 'nothing');
SELECT * FROM authmeter.quota_consume(:'a', 'export');
SELECT * FROM authmeter.quota_consume(:'a', NULL);
SELECT * FROM authmeter.quota_consume(:'a', '');
SELECT * FROM authmeter.quota_consume(:'a', repeat('x', 100));
SELECT * FROM authmeter.quota_consume(:'a', 'words', -1);
SELECT * FROM authmeter.quota_consume(:'a', 'words', NULL);
SELECT * FROM authmeter.quota_consume(:nobody, 'words');
SELECT * FROM authmeter.quota_consume(NULL, 'words');
SELECT * FROM authmeter.quota_peek(:nobody, 'words');
SELECT count(*) FROM authmeter.quota_counter WHERE user_id IN (:'a', :nobody);

-- Hard: what does not fit consumes nothing.
SELECT * FROM authmeter.quota_peek(:'a', 'words');
SELECT * FROM authmeter.quota_consume(:'a', 'words', 101);
SELECT * FROM authmeter.quota_consume(:'a', 'words', 60);
SELECT * FROM authmeter.quota_consume(:'a', 'words', 41);
SELECT * FROM authmeter.quota_peek(:'a', 'words', 41);
SELECT * FROM authmeter.quota_consume(:'a', 'words', 40);
SELECT * FROM authmeter.quota_consume(:'a', 'words');
SELECT * FROM authmeter.quota_consume(:'a', 'words', 0);
SELECT * FROM authmeter.quota_consume(:'a', 'words', 9223372036854775807);
SELECT * FROM authmeter.quota_consume(:'a', 'none');
SELECT * FROM authmeter.quota_consume(:'a', 'none', 0);
-- Another period of the same meter counts for itself.
SELECT * FROM authmeter.quota_consume(:'a', 'words-a-day', 30);
SELECT * FROM authmeter.quota_consume(:'a', 'words-a-day');
-- Soft: counted, and said.
SELECT * FROM authmeter.quota_consume(:'a', 'calls', 10);
SELECT * FROM authmeter.quota_consume(:'a', 'calls', 2);
SELECT * FROM authmeter.quota_consume(:'a', 'calls', 9223372036854775807);
-- Unlimited.
SELECT * FROM authmeter.quota_consume(:'a', 'files', 9223372036854775807);
SELECT * FROM authmeter.quota_consume(:'a', 'files');
SELECT * FROM authmeter.quota_list(:'a');
SELECT * FROM authmeter.quota_list(:nobody);

-- Giving back, never more than was used.
SELECT * FROM authmeter.quota_release(:'a', 'words', 101);
SELECT * FROM authmeter.quota_release(:'a', 'words', 30, 'r1');
SELECT * FROM authmeter.quota_release(:'a', 'words', 30, 'r1');
SELECT * FROM authmeter.quota_release(:'a', 'words', 30, 'r1', authmeter.clock());
SELECT * FROM authmeter.quota_release(:'a', 'words', -1);
SELECT * FROM authmeter.quota_release(:'b', 'words');
SELECT * FROM authmeter.quota_release(:'a', 'none');

-- A key has one effect and one answer, refusals too.
SELECT * FROM authmeter.quota_consume(:'a', 'words', 20, 'k1');
SELECT * FROM authmeter.quota_consume(:'a', 'words', 5);
SELECT * FROM authmeter.quota_consume(:'a', 'words', 20, 'k1');
SELECT * FROM authmeter.quota_consume(:'a', 'words', 21, 'k1');
SELECT * FROM authmeter.quota_consume(:'a', 'calls', 20, 'k1');
SELECT * FROM authmeter.quota_consume(:'a', 'words', 99, 'k2');
SELECT * FROM authmeter.quota_consume(:'a', 'words', 99, 'k2');
SELECT * FROM authmeter.quota_consume(:'a', 'files', 1, 'k3');
SELECT * FROM authmeter.quota_consume(:'a', 'files', 1, 'k3');
SELECT * FROM authmeter.quota_consume(:'a', 'nothing', 1, 'k4');
SELECT * FROM authmeter.quota_consume(:'a', 'nothing', 1, 'k4');
SELECT * FROM authmeter.quota_consume(:'a', 'words', 1, '');
SELECT * FROM authmeter.quota_consume(:nobody, 'words', 1, 'k1');
SELECT * FROM authmeter.quota_consume(NULL, 'words', 1, 'k1');
-- A rolled back call has not happened.
BEGIN;
SELECT * FROM authmeter.quota_consume(:'a', 'words', 5, 'k5');
ROLLBACK;
SELECT * FROM authmeter.quota_consume(:'a', 'words', 1, 'k5');

-- The next period begins by itself: 4 units were left, and roll over.
SET authmeter.clock_offset_s = :march;
SELECT * FROM authmeter.quota_peek(:'a', 'words');
SELECT * FROM authmeter.quota_consume(:'a', 'words', 104);
SELECT * FROM authmeter.quota_consume(:'a', 'words', 1);
SELECT * FROM authmeter.quota_consume(:'a', 'words-a-day', 1);
SELECT * FROM authmeter.quota_consume(:'a', 'calls', 1);
SELECT outcome, used, resets_at FROM authmeter.quota_peek(:'a', 'files');
-- The period before is closed: nothing comes back into it.
SELECT * FROM authmeter.quota_release(:'a', 'words', 1, NULL, '2030-02-01');
SELECT outcome, used FROM authmeter.quota_release(:'a', 'calls', 2, NULL, '2030-02-01');
-- A clock that runs back grants nothing: the closed period stays closed.
SET authmeter.clock_offset_s = :january;
SELECT * FROM authmeter.quota_consume(:'a', 'words', 1);
-- One untouched period rolls over whole, many up to the bound.
SET authmeter.clock_offset_s = :april;
SELECT outcome, used, allowance FROM authmeter.quota_peek(:'a', 'words');
SET authmeter.clock_offset_s = :september;
SELECT outcome, used, allowance FROM authmeter.quota_peek(:'a', 'words');
SELECT outcome, used, allowance, remaining, resets_at FROM authmeter.quota_consume(:'a', 'words', 10);
SELECT outcome, used, allowance FROM authmeter.quota_peek(:'a', 'words');
SELECT p.name AS meter, c.period, c.period_start, c.used, c.quota, c.carried, c.closed
FROM authmeter.quota_counter c JOIN authmeter.meter p ON p.id = c.meter_id WHERE c.user_id = :'a' ORDER BY 1, 2, 3;

-- A subscriber who never touched it: periods count from the start, the first brings nothing.
SELECT outcome FROM authmeter.subscription_start(:'b', 'quota-basic', anchor => '2030-01-15', started_at => '2030-08-20');
SELECT outcome, used, allowance FROM authmeter.quota_peek(:'b', 'words');
SET authmeter.clock_offset_s = :april;
SELECT outcome FROM authmeter.quota_peek(:'b', 'words');
SET authmeter.clock_offset_s = :september;
SELECT extract(epoch FROM timestamptz '2030-09-16' - authmeter.clock()) + :september AS later \gset
SET authmeter.clock_offset_s = :later;
SELECT outcome, used, allowance FROM authmeter.quota_consume(:'b', 'words', 200);
SELECT outcome, used, allowance FROM authmeter.quota_consume(:'b', 'words', 201);

-- A change of plan: what was consumed counts against the new limits, what rolled over stays.
SELECT * FROM authmeter.plan_publish('quota-big', '[
	{"feature": "words", "kind": "metered", "meter": "quota.words", "limit": 1000, "rollover_max": 150}]');
SELECT outcome FROM authmeter.subscription_change(:'b', 'quota-big');
SELECT outcome, used, allowance FROM authmeter.quota_consume(:'b', 'words', 100);
SELECT outcome FROM authmeter.quota_consume(:'b', 'calls');
SELECT outcome FROM authmeter.subscription_change(:'b', 'quota-basic');
SELECT outcome, used, allowance, remaining FROM authmeter.quota_consume(:'b', 'words');
SELECT outcome, used, allowance, remaining FROM authmeter.quota_consume(:'b', 'words', 0);
-- With a new anchor everything begins anew, and nothing rolls over.
SELECT outcome FROM authmeter.subscription_change(:'b', 'quota-big', anchor => 'reset');
SELECT outcome, used, allowance, remaining FROM authmeter.quota_consume(:'b', 'words', 1);
-- The end of a subscription ends its quotas.
SELECT outcome FROM authmeter.subscription_end(:'b', 'now');
SELECT * FROM authmeter.quota_consume(:'b', 'words', 1);
RESET authmeter.clock_offset_s;

-- Counters go with their user; a service role consumes and touches no table.
SELECT (authmeter.user_delete(:'b')).outcome;
SELECT count(*) FROM authmeter.quota_counter WHERE user_id = :'b';
SELECT outcome FROM authmeter.subscription_start(:'c', 'quota-basic');
CREATE ROLE regress_authmeter_service;
SELECT authmeter.grant_access('regress_authmeter_service', 'service') > 0 AS granted;
SET ROLE regress_authmeter_service;
SELECT outcome, used, remaining FROM authmeter.quota_consume(:'c', 'words', 2);
SELECT outcome, used, remaining FROM authmeter.quota_release(:'c', 'words', 1);
SELECT feature, used FROM authmeter.quota_list(:'c');
SELECT * FROM authmeter.quota_counter;
SELECT authmeter.plan_publish('quota-mine', '[]');
RESET ROLE;
DROP OWNED BY regress_authmeter_service;
DROP ROLE regress_authmeter_service;
SELECT (authmeter.user_delete(:'a')).outcome, (authmeter.user_delete(:'c')).outcome;
