-- How long a refused login takes, by its true reason. All medians must lie within 2 % of one bcrypt.
-- Run in a scratch database with authmeter:  psql -v rounds=21 -v cost=12 -f extension/bench/login_timing.sql
-- It leaves the database as it was, but for the audit trail.
\set QUIET on
\if :{?rounds} \else \set rounds 21 \endif
\if :{?cost} \else \set cost 12 \endif
SELECT set_config('login_timing.rounds', :'rounds', false) \g /dev/null
BEGIN;
SELECT authmeter.setting_set('authmeter.environment', 'development'),
	authmeter.setting_set('authmeter.bcrypt_cost', '8'),
	authmeter.setting_set('authmeter.login_failures', 'off') \g /dev/null
SELECT authmeter.user_create('timing-cheap@example.com', 'correct horse'),
	authmeter.setting_set('authmeter.bcrypt_cost', :'cost') \g /dev/null
SELECT authmeter.user_create('timing-right@example.com', 'correct horse'),
	authmeter.user_create('timing-bare@example.com'),
	authmeter.user_disable((authmeter.user_create('timing-off@example.com', 'correct horse')).user_id) \g /dev/null

CREATE TEMPORARY TABLE timing (reason text, ms float8) ON COMMIT DROP;
-- One after the other in each round, so that a slow spell of the machine meets all of them.
DO $$
DECLARE
	attempt record;
	began timestamptz;
	outcome text;
BEGIN
	FOR round IN 0 .. current_setting('login_timing.rounds')::int LOOP
		FOR attempt IN SELECT * FROM (VALUES
			('one bcrypt', NULL, NULL),
			('password_wrong', 'timing-right@example.com', 'wrong horse'),
			('user_unknown', 'timing-nobody@example.com', 'correct horse'),
			('no address', 'timing', 'correct horse'),
			('password_unset', 'timing-bare@example.com', 'correct horse'),
			('user_disabled', 'timing-off@example.com', 'correct horse'),
			('password_wrong, stored hash of cost 8', 'timing-cheap@example.com', 'wrong horse')) v(reason, email, password)
		LOOP
			began := clock_timestamp();
			IF attempt.email IS NULL THEN
				PERFORM authmeter.password_hash('correct horse');
			ELSE
				outcome := (authmeter.user_login(attempt.email, attempt.password)).outcome;
				ASSERT outcome = 'refused', attempt.reason;
			END IF;
			-- The first round only warms up.
			IF round > 0 THEN
				INSERT INTO timing VALUES (attempt.reason, extract(epoch FROM clock_timestamp() - began) * 1000);
			END IF;
		END LOOP;
	END LOOP;
END
$$;

SELECT reason, round(median::numeric, 2) AS median_ms,
	round((100 * (median / max(median) FILTER (WHERE reason = 'one bcrypt') OVER () - 1))::numeric, 2) AS "off one bcrypt %"
FROM (SELECT reason, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS median FROM timing GROUP BY reason) m
ORDER BY reason <> 'one bcrypt', reason;
ROLLBACK;
