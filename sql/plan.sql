-- Plans and subscriptions: what was published stays, subscriptions of a user never overlap, and time
-- alone says which one is in force.
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SELECT (authmeter.user_create('plan-a@example.com')).user_id AS a \gset
SELECT authmeter.meter_create('plan.words', 'word');
\set nobody '''018f0000-0000-7000-8000-000000000000'''

-- Periods count from the anchor: month ends, leap days, before the anchor.
SELECT at::date, p.* FROM (VALUES
	('2024-01-31 13:00'::timestamptz), ('2024-02-29 12:59:59.999999'), ('2024-02-29 13:00'), ('2024-03-31 13:00'),
	('2023-12-31 12:59'), ('2025-02-28 13:00')) v (at),
	authmeter.period_at('month', '2024-01-31 13:00', at) p;
SELECT * FROM authmeter.period_at('year', '2024-02-29', '2027-02-28');
SELECT * FROM authmeter.period_at('week', '2024-01-01', '2024-01-07 23:59:59');
SELECT * FROM authmeter.period_at('day', '2024-01-01 06:00', '2024-03-31 05:59:59');
SELECT * FROM authmeter.period_at('hour', '2024-01-01 06:30', '2024-01-01 07:29:59');
SELECT * FROM authmeter.period_at('lifetime', '2024-01-01', '2030-01-01');
-- The session's time zone and its daylight saving change nothing.
SET timezone = 'Europe/Berlin';
SELECT p.starts_at AT TIME ZONE 'UTC' AS starts_at, p.ends_at AT TIME ZONE 'UTC' AS ends_at
FROM authmeter.period_at('day', '2024-03-01 00:00Z', '2024-03-31 12:00Z') p;
SET timezone = 'UTC';
SELECT * FROM authmeter.period_at('months', '2024-01-01', '2024-01-07');
SELECT * FROM authmeter.period_at('month', '2024-01-01', 'infinity');
SELECT * FROM authmeter.period_at('month', '-infinity', '2024-01-01');

-- Definitions that break a rule.
\set VERBOSITY terse
SELECT * FROM authmeter.plan_publish('Plan', '[]');
SELECT * FROM authmeter.plan_publish('plan-bad', '{}');
SELECT * FROM authmeter.plan_publish('plan-bad', NULL);
SELECT * FROM authmeter.plan_publish('plan-bad', '[]', 'decade');
SELECT f, authmeter.plan_feature_problem(f) FROM (VALUES
	('1'::jsonb), ('{"kind": "boolean"}'), ('{"feature": "X", "kind": "boolean"}'),
	('{"feature": "x", "kind": "magic"}'), ('{"feature": "x", "kind": "boolean", "limit": 1}'),
	('{"feature": "x", "kind": "boolean", "enabled": 1}'), ('{"feature": "x", "kind": "static"}'),
	('{"feature": "x", "kind": "metered", "limit": 1}'),
	('{"feature": "x", "kind": "metered", "meter": "plan.none", "limit": 1}'),
	('{"feature": "x", "kind": "metered", "meter": "plan.words"}'),
	('{"feature": "x", "kind": "metered", "meter": "plan.words", "limit": -1}'),
	('{"feature": "x", "kind": "metered", "meter": "plan.words", "limit": 1.5}'),
	('{"feature": "x", "kind": "metered", "meter": "plan.words", "limit": "1"}'),
	('{"feature": "x", "kind": "metered", "meter": "plan.words", "limit": 4611686018427387904}'),
	('{"feature": "x", "kind": "metered", "meter": "plan.words", "limit": 4611686018427387903}'),
	('{"feature": "x", "kind": "metered", "meter": "plan.words", "limit": 1, "enforcement": "firm"}'),
	('{"feature": "x", "kind": "metered", "meter": "plan.words", "limit": 1, "period": null}'),
	('{"feature": "x", "kind": "metered", "meter": "plan.words", "limit": null, "rollover_max": 1}'),
	('{"feature": "x", "kind": "metered", "meter": "plan.words", "limit": 1, "period": "lifetime", "rollover_max": 1}'),
	('{"feature": "x", "kind": "metered", "meter": "plan.words", "limit": 1, "rollover_max": -1}'),
	('{"feature": "x", "kind": "metered", "meter": "plan.words", "limit": 1, "thresholds": 80}'),
	('{"feature": "x", "kind": "metered", "meter": "plan.words", "limit": 1, "thresholds": [80, 80]}'),
	('{"feature": "x", "kind": "metered", "meter": "plan.words", "limit": 1, "thresholds": [0]}'),
	('{"feature": "x", "kind": "metered", "meter": "plan.words", "limit": 1, "thresholds": [50, 1001]}'),
	('{"feature": "x", "kind": "metered", "meter": "plan.words", "limit": 1, "thresholds": [50, 1000]}')) v (f);
SELECT * FROM authmeter.plan_publish('plan-bad', '[{"feature": "x", "kind": "boolean"}, {"feature": "x", "kind": "boolean"}]');
SELECT * FROM authmeter.plan_publish('plan-bad', '[{"feature": "x", "kind": "metered", "meter": "plan.words", "limit": 1}, {"feature": "y", "kind": "metered", "meter": "plan.words", "limit": 2, "period": "month"}]');
SELECT * FROM authmeter.plan_publish('plan-bad', '[{"feature": "x", "kind": "metered", "meter": "plan.words", "limit": 1, "rollover_max": 1}]', 'lifetime');
SELECT count(*) FROM authmeter.plan_list() WHERE plan = 'plan-bad';

-- A version is written once; the same again is no new one.
SELECT * FROM authmeter.plan_publish('plan-free', '[{"feature": "words", "kind": "metered", "meter": "plan.words", "limit": 100}, {"feature": "export", "kind": "boolean", "enabled": false}, {"feature": "seats", "kind": "static", "value": 1}]');
SELECT * FROM authmeter.plan_publish('plan-free', '[{"feature": "seats", "kind": "static", "value": 1}, {"feature": "export", "kind": "boolean", "enabled": false}, {"feature": "words", "kind": "metered", "meter": "plan.words", "limit": 100, "enforcement": "hard"}]');
SELECT * FROM authmeter.plan_publish('plan-free', '[{"feature": "words", "kind": "metered", "meter": "plan.words", "limit": 200}]');
SELECT * FROM authmeter.plan_publish('plan-pro', '[{"feature": "words", "kind": "metered", "meter": "plan.words", "limit": 1000, "rollover_max": 500, "thresholds": [80, 100]}, {"feature": "export", "kind": "boolean"}]');
SELECT plan, version, period, jsonb_pretty(features) FROM authmeter.plan_list() WHERE plan LIKE 'plan-%';
UPDATE authmeter.plan_feature SET quota = 5;
DELETE FROM authmeter.plan_feature;
TRUNCATE authmeter.plan_feature;
UPDATE authmeter.plan_version SET period = 'day';

-- Subscriptions.
SELECT outcome, plan, version, ends_at, replayed FROM authmeter.subscription_start(:'a', 'plan-none');
SELECT outcome, plan, version, ends_at, replayed FROM authmeter.subscription_start(:'a', 'plan-free', 9);
SELECT outcome, plan, version, ends_at, replayed FROM authmeter.subscription_start(:nobody, 'plan-free');
SELECT outcome, plan, version, ends_at, replayed FROM authmeter.subscription_start(NULL, 'plan-free', idempotency_key => 'k');
SELECT * FROM authmeter.subscription_start(:'a', 'plan-free', ends_at => '2001-01-01');
SELECT * FROM authmeter.subscription_start(:'a', 'plan-free', anchor => '1900-01-01');
SELECT * FROM authmeter.subscription_change(:'a', 'plan-pro');
SELECT * FROM authmeter.subscription_end(:'a');
SELECT outcome, kind, value FROM authmeter.feature_check(:'a', 'export');
SELECT * FROM authmeter.subscription_start(:'a', 'plan-free', 1, '2024-01-31', '2024-01-31 12:00', idempotency_key => 's1');
SELECT * FROM authmeter.subscription_start(:'a', 'plan-free', 1, '2024-01-31', '2024-01-31 12:00', idempotency_key => 's1');
SELECT * FROM authmeter.subscription_start(:'a', 'plan-free', 2, '2024-01-31', '2024-01-31 12:00', idempotency_key => 's1');
SELECT * FROM authmeter.subscription_start(:'a', 'plan-pro');
SELECT * FROM authmeter.subscription_get(:'a', '2024-03-01');
SELECT * FROM authmeter.subscription_get(:'a', '2024-01-31 11:59:59');
SELECT f AS feature, c.* FROM unnest(ARRAY['export', 'seats', 'words', 'none', NULL]) f, authmeter.feature_check(:'a', f) c;
SELECT * FROM authmeter.feature_check(:nobody, 'export');
SELECT * FROM authmeter.feature_check(NULL, 'export');

-- Changes: the row in force is cut, the next one adjoins; what was ordered is replaced.
SELECT extract(epoch FROM timestamptz '2024-03-10' - authmeter.clock()) AS offset \gset
SET authmeter.clock_offset_s = :offset;
SELECT * FROM authmeter.subscription_change(:'a', 'plan-pro', at => 'soon');
SELECT * FROM authmeter.subscription_change(:'a', 'plan-none');
SELECT * FROM authmeter.subscription_change(:'a', 'plan-free', 1);
SELECT * FROM authmeter.subscription_change(:'a', 'plan-pro', at => 'period_end', idempotency_key => 'c1');
SELECT * FROM authmeter.subscription_change(:'a', 'plan-pro', at => 'period_end', idempotency_key => 'c1');
SELECT plan, version, started_at, ends_at, period_starts_at, period_ends_at, next_plan, next_version FROM authmeter.subscription_get(:'a');
SELECT plan, version, started_at, ends_at, period_starts_at, period_ends_at, next_plan, next_version FROM authmeter.subscription_get(:'a', '2024-03-31');
SELECT * FROM authmeter.subscription_change(:'a', 'plan-free', at => 'period_end', anchor => 'reset');
SELECT * FROM authmeter.subscription_list(:'a');
SELECT * FROM authmeter.subscription_change(:'a', 'plan-free', 1);
SELECT * FROM authmeter.subscription_list(:'a');
SELECT outcome, plan, version, ends_at, started_at::date FROM authmeter.subscription_change(:'a', 'plan-pro');
SELECT outcome, value FROM authmeter.feature_check(:'a', 'export');
SELECT plan, started_at::date, ends_at::date FROM authmeter.subscription_list(:'a');
SELECT outcome, plan, ends_at FROM authmeter.subscription_end(:'a');
SELECT outcome, plan, ends_at FROM authmeter.subscription_change(:'a', 'plan-free', at => 'period_end');
SELECT outcome, plan, ends_at FROM authmeter.subscription_end(:'a', 'never');
SELECT outcome, plan, ends_at::date FROM authmeter.subscription_end(:'a', 'now');
SELECT outcome FROM authmeter.subscription_end(:'a', 'now');
SELECT * FROM authmeter.subscription_end(:'a', 'later');
SELECT outcome, kind, value FROM authmeter.feature_check(:'a', 'export');
SELECT outcome FROM authmeter.subscription_start(:'a', 'plan-pro');
-- No two rows of a user overlap, and each is found at every time of it.
SELECT count(*) FROM authmeter.subscription s JOIN authmeter.subscription o
	ON o.user_id = s.user_id AND o.started_at > s.started_at AND o.started_at < s.ends_at;

-- A retired plan takes nobody new, and keeps who has it.
SELECT authmeter.plan_retire('plan-pro'), authmeter.plan_retire('plan-none');
SELECT outcome FROM authmeter.subscription_change(:'a', 'plan-pro', 1);
SELECT outcome FROM authmeter.feature_check(:'a', 'export');
SELECT * FROM authmeter.plan_publish('plan-pro', '[]');
SELECT outcome, version FROM authmeter.subscription_change(:'a', 'plan-pro');
SELECT outcome FROM authmeter.feature_check(:'a', 'export');
RESET authmeter.clock_offset_s;

-- Subscriptions go with their user.
SELECT (authmeter.user_delete(:'a')).outcome;
SELECT count(*) FROM authmeter.subscription WHERE user_id = :'a';
