-- Quotas: how much of a metered feature was consumed in each period.

CREATE TABLE authmeter.quota_counter (
	user_id uuid NOT NULL,
	meter_id integer NOT NULL,
	period smallint NOT NULL,
	period_start timestamptz NOT NULL,
	used bigint NOT NULL,
	quota bigint,
	carried bigint NOT NULL,
	closed boolean NOT NULL,
	crossed smallint NOT NULL,
	updated_at timestamptz NOT NULL,
	PRIMARY KEY (user_id, meter_id, period, period_start)
) WITH (fillfactor = 70);
COMMENT ON TABLE authmeter.quota_counter IS
	'What each user consumed of each meter in each period (0 hour, 1 day, 2 week, 3 month, 4 year, 5 lifetime), a row from its first touch on; nothing is ever reset. quota: the limit in force at the last consumption (NULL: unlimited); carried: unused units of the period before, fixed at the first touch; closed: what is left has rolled over, nothing is counted here any more; crossed: the highest threshold recorded, in percent. No index covers a changing column, so consumption is a heap-only update; no foreign key or check is evaluated again at each, see authmeter.user_forget.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.quota_counter', '');

CREATE TYPE authmeter.quota_result AS (
	outcome text,
	used bigint,
	allowance bigint,
	remaining bigint,
	resets_at timestamptz,
	replayed boolean,
	crossed integer[]
);
COMMENT ON TYPE authmeter.quota_result IS
	'Answer about a quota. outcome: ok; over (hard limit: nothing was consumed); soft_over (soft limit: consumed, and above the allowance); overflow (the counter would pass 2^63 - 1); no_subscription; feature_unknown (the plan version does not have it); not_metered (the feature is boolean or static, see feature_check); user_unknown; amount_invalid (negative or NULL); key_invalid (idempotency key empty or over 255 bytes); key_conflict (the key was used for another request); of quota_release also not_consumed and period_over. used: units of the period after the call; allowance: the limit and what rolled over; remaining: allowance less used, 0 or more; both NULL when unlimited. resets_at: the end of the period, infinity for lifetime. All figures are NULL when no counter was reached. replayed: this is the answer of an earlier call with the same key. crossed: thresholds, in percent of the allowance, that this very call was the first to reach in the period.';

CREATE FUNCTION authmeter.quota_consume(
	user_id uuid, feature text, amount bigint DEFAULT 1, idempotency_key text DEFAULT NULL)
RETURNS authmeter.quota_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_quota_consume';
COMMENT ON FUNCTION authmeter.quota_consume(uuid, text, bigint, text) IS
	'Checks and consumes amount units (0 or more; 0 only reads) of a feature of the user''s plan in one atomic step, in the caller''s transaction. The period is computed from the subscription''s anchor; a new one begins by itself, with unused units of the one before as far as the plan lets them roll over. A refused call consumes nothing. Exact under any number of parallel callers. With an idempotency key (1 to 255 bytes, unique per user) a repeat changes nothing and returns the first answer. Every refusal is an outcome, see type authmeter.quota_result.';

CREATE FUNCTION authmeter.quota_peek(user_id uuid, feature text, amount bigint DEFAULT 1)
RETURNS authmeter.quota_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_quota_peek';
COMMENT ON FUNCTION authmeter.quota_peek(uuid, text, bigint) IS
	'What quota_consume would answer, with the figures as they are now; consumes nothing. A promise to nobody: the next caller may take the units.';

CREATE FUNCTION authmeter.quota_release(
	user_id uuid, feature text, amount bigint DEFAULT 1, idempotency_key text DEFAULT NULL,
	consumed_at timestamptz DEFAULT NULL)
RETURNS authmeter.quota_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_quota_release';
COMMENT ON FUNCTION authmeter.quota_release(uuid, text, bigint, text, timestamptz) IS
	'Gives units back that were consumed and not needed, into the period of consumed_at (NULL: the present one). Outcomes as of quota_consume, and not_consumed (more than the period has used: nothing changes), period_over (what the period left has rolled over already: nothing changes). A threshold that was reached is not recorded again when it is reached again.';

CREATE FUNCTION authmeter.feature_check(
	user_id uuid, feature text, OUT outcome text, OUT kind text, OUT value jsonb)
LANGUAGE sql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN u.id IS NULL THEN 'user_unknown' WHEN s.user_id IS NULL THEN 'no_subscription'
			WHEN f.feature IS NULL THEN 'feature_unknown' WHEN NOT f.enabled THEN 'off' ELSE 'ok' END,
		f.kind, CASE f.kind WHEN 'boolean' THEN to_jsonb(f.enabled) WHEN 'static' THEN f.value END
	FROM authmeter.clock() t
	LEFT JOIN authmeter.user u ON u.id = feature_check.user_id
	LEFT JOIN authmeter.subscription s ON s.user_id = u.id AND s.started_at <= t AND s.ends_at > t
	LEFT JOIN authmeter.plan_feature f
		ON f.plan_version_id = s.plan_version_id AND f.feature = feature_check.feature;
END;
COMMENT ON FUNCTION authmeter.feature_check(uuid, text) IS
	'What the user''s plan says of a feature. outcome: ok, off (a boolean feature that is switched off), no_subscription, feature_unknown, user_unknown: only ok is a grant. kind: boolean, static or metered; value: true or false, or the value of a static feature; of a metered one see quota_peek.';

CREATE FUNCTION authmeter.quota_list(
	user_id uuid, OUT feature text, OUT meter text, OUT period text, OUT enforcement text, OUT used bigint,
	OUT allowance bigint, OUT remaining bigint, OUT resets_at timestamptz)
RETURNS SETOF record
LANGUAGE sql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT f.feature, m.name, f.period, f.enforcement, q.used, q.allowance, q.remaining, q.resets_at
	FROM authmeter.clock() t
	JOIN authmeter.subscription s ON s.started_at <= t AND s.ends_at > t
	JOIN authmeter.plan_feature f ON f.plan_version_id = s.plan_version_id AND f.kind = 'metered'
	JOIN authmeter.meter m ON m.id = f.meter_id
	CROSS JOIN LATERAL authmeter.quota_peek(s.user_id, f.feature, 0) q
	WHERE s.user_id = quota_list.user_id
	ORDER BY f.feature;
END;
COMMENT ON FUNCTION authmeter.quota_list(uuid) IS
	'The metered features of the user''s plan with the figures of the present periods, by name. No rows without a subscription.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'quota_consume'),
	('service', 'function', 'authmeter', 'quota_peek'),
	('service', 'function', 'authmeter', 'quota_release'),
	('service', 'function', 'authmeter', 'quota_list'),
	('service', 'function', 'authmeter', 'feature_check');
