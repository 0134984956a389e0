-- Subscriptions: which version of which plan a user has, from when until when. See 47_plan.sql.

CREATE TABLE authmeter.subscription (
	user_id uuid NOT NULL REFERENCES authmeter.user ON DELETE CASCADE,
	started_at timestamptz NOT NULL,
	ends_at timestamptz NOT NULL,
	plan_version_id integer NOT NULL REFERENCES authmeter.plan_version,
	anchor timestamptz NOT NULL,
	since timestamptz NOT NULL,
	created_at timestamptz NOT NULL,
	PRIMARY KEY (user_id, started_at),
	CHECK (started_at OPERATOR(pg_catalog.<) ends_at),
	CHECK (since OPERATOR(pg_catalog.<=) started_at)
);
COMMENT ON TABLE authmeter.subscription IS
	'Plan versions that users have, from started_at until ends_at (excluded; infinity: no end). Rows of a user never overlap. anchor: where periods count from; since: start of the first of the adjoining rows with this anchor, before which nothing rolls over. The row in force is found by the time alone.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.subscription', '');

CREATE TYPE authmeter.subscription_result AS (
	outcome text,
	plan text,
	version integer,
	started_at timestamptz,
	ends_at timestamptz,
	replayed boolean
);
COMMENT ON TYPE authmeter.subscription_result IS
	'Answer of subscription_start, subscription_change and subscription_end: the outcome, and the row of the subscription that the call made or left (NULL when there is none to name). replayed: this is the answer of an earlier call with the same key.';

-- ---- one key, one effect, for functions in PL/pgSQL ---------------------------------------------

CREATE FUNCTION authmeter.idempotency_claim(user_id uuid, key text, request text, OUT state text, OUT reply jsonb)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_idempotency_claim';
COMMENT ON FUNCTION authmeter.idempotency_claim(uuid, text, text) IS
	'Claims an idempotency key of a user for a request, given as text that is equal exactly when the request is; do it before anything else, in the transaction of the effect. state: new (do the work, then idempotency_store), none (the key is NULL: do the work), replay (reply is the stored answer), key_conflict (the key was used for another request), key_invalid (empty or over 255 bytes), user_unknown. For authmeter''s own functions.';

CREATE FUNCTION authmeter.idempotency_store(user_id uuid, key text, reply jsonb) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_idempotency_store';
COMMENT ON FUNCTION authmeter.idempotency_store(uuid, text, jsonb) IS
	'Stores the answer of a key that idempotency_claim called new; nothing when the key is NULL. For authmeter''s own functions.';

-- ---- reading -------------------------------------------------------------------------------------

CREATE FUNCTION authmeter.subscription_get(
	user_id uuid, at timestamptz DEFAULT NULL,
	OUT plan text, OUT version integer, OUT anchor timestamptz, OUT started_at timestamptz,
	OUT ends_at timestamptz, OUT period text, OUT period_starts_at timestamptz,
	OUT period_ends_at timestamptz, OUT next_plan text, OUT next_version integer)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT v.plan, v.version, s.anchor, s.started_at, s.ends_at, v.period, p.starts_at, p.ends_at,
		nv.plan, nv.version
	FROM coalesce(subscription_get.at, authmeter.clock()) t
	JOIN authmeter.subscription s ON s.started_at <= t AND s.ends_at > t
	JOIN authmeter.plan_version v ON v.id = s.plan_version_id
	CROSS JOIN LATERAL authmeter.period_at(v.period, s.anchor, t) p
	LEFT JOIN authmeter.subscription n ON n.user_id = s.user_id AND n.started_at = s.ends_at
	LEFT JOIN authmeter.plan_version nv ON nv.id = n.plan_version_id
	WHERE s.user_id = subscription_get.user_id;
END;
COMMENT ON FUNCTION authmeter.subscription_get(uuid, timestamptz) IS
	'The subscription of a user now, or at a time; no row when there is none. ends_at is infinity when no end or change is ordered; next_plan and next_version: what follows then, NULL: nothing. The period is that of the plan.';

CREATE FUNCTION authmeter.subscription_list(
	user_id uuid, OUT plan text, OUT version integer, OUT anchor timestamptz, OUT started_at timestamptz,
	OUT ends_at timestamptz)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT v.plan, v.version, s.anchor, s.started_at, s.ends_at
	FROM authmeter.subscription s JOIN authmeter.plan_version v ON v.id = s.plan_version_id
	WHERE s.user_id = subscription_list.user_id ORDER BY s.started_at;
END;
COMMENT ON FUNCTION authmeter.subscription_list(uuid) IS
	'All subscriptions of a user, past, present and ordered, oldest first.';

-- ---- writing -------------------------------------------------------------------------------------

CREATE FUNCTION authmeter.subscription_answer(
	outcome text, user_id uuid, started_at timestamptz, key text)
RETURNS authmeter.subscription_result
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	answer authmeter.subscription_result;
BEGIN
	SELECT v.plan, v.version, s.started_at, s.ends_at
	INTO answer.plan, answer.version, answer.started_at, answer.ends_at
	FROM authmeter.subscription s JOIN authmeter.plan_version v ON v.id = s.plan_version_id
	WHERE s.user_id = subscription_answer.user_id AND s.started_at = subscription_answer.started_at;
	answer.outcome := subscription_answer.outcome;
	answer.replayed := false;
	PERFORM authmeter.idempotency_store(subscription_answer.user_id, key, to_jsonb(answer));
	RETURN answer;
END
$$;
COMMENT ON FUNCTION authmeter.subscription_answer(text, uuid, timestamptz, text) IS
	'The answer about one row of a subscription, stored under the call''s idempotency key. For authmeter''s own functions.';

CREATE FUNCTION authmeter.subscription_claim(
	user_id uuid, key text, request text, OUT answer authmeter.subscription_result)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	claim record;
BEGIN
	SELECT * INTO claim FROM authmeter.idempotency_claim(user_id, key, request);
	IF claim.state = 'replay' THEN
		answer := jsonb_populate_record(NULL::authmeter.subscription_result, claim.reply);
		answer.replayed := true;
	ELSIF claim.state NOT IN ('new', 'none') THEN
		answer.outcome := claim.state;
		answer.replayed := false;
	ELSE
		-- From here on nobody else writes subscriptions of this user.
		PERFORM FROM authmeter.user u WHERE u.id = subscription_claim.user_id FOR NO KEY UPDATE;
		IF NOT FOUND THEN
			answer.outcome := 'user_unknown';
			answer.replayed := false;
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION authmeter.subscription_claim(uuid, text, text) IS
	'Begins a change of a user''s subscriptions: claims the key, locks the user''s row. answer.outcome is NULL: go on; else it is the answer. For authmeter''s own functions.';

CREATE FUNCTION authmeter.plan_version_find(plan text, version integer) RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN (SELECT v.id FROM authmeter.plan_version v JOIN authmeter.plan p ON p.name = v.plan
	WHERE v.plan = plan_version_find.plan AND p.retired_at IS NULL
		AND (plan_version_find.version IS NULL OR v.version = plan_version_find.version)
	ORDER BY v.version DESC LIMIT 1);
COMMENT ON FUNCTION authmeter.plan_version_find(text, integer) IS
	'The id of a plan''s version, NULL: the newest; NULL when there is none or the plan is retired. For authmeter''s own functions.';

CREATE FUNCTION authmeter.subscription_start(
	user_id uuid, plan text, version integer DEFAULT NULL, anchor timestamptz DEFAULT NULL,
	started_at timestamptz DEFAULT NULL, ends_at timestamptz DEFAULT 'infinity',
	idempotency_key text DEFAULT NULL)
RETURNS authmeter.subscription_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	answer authmeter.subscription_result;
	version_id integer;
	other timestamptz;
BEGIN
	IF ends_at IS NULL OR ends_at <= coalesce(started_at, authmeter.clock())
		OR coalesce(started_at, '2000-01-01') NOT BETWEEN '1970-01-01' AND '9000-01-01'
		OR coalesce(anchor, '2000-01-01') NOT BETWEEN '1970-01-01' AND '9000-01-01' THEN
		RAISE EXCEPTION 'invalid time of a subscription' USING ERRCODE = 'MA007',
			HINT = 'Start and anchor lie in the years 1970 to 8999, and the end after the start.';
	END IF;
	answer := authmeter.subscription_claim(user_id, idempotency_key, concat_ws(' ', 'subscription_start',
		plan, coalesce(version::text, '-'), coalesce(extract(epoch FROM anchor)::text, '-'),
		coalesce(extract(epoch FROM started_at)::text, '-'), extract(epoch FROM ends_at)));
	IF answer.outcome IS NOT NULL THEN
		RETURN answer;
	END IF;
	started_at := coalesce(started_at, authmeter.clock());
	version_id := authmeter.plan_version_find(plan, version);
	IF version_id IS NULL THEN
		RETURN authmeter.subscription_answer('plan_unknown', user_id, NULL, idempotency_key);
	END IF;
	SELECT s.started_at INTO other FROM authmeter.subscription s
	WHERE s.user_id = subscription_start.user_id AND s.started_at < subscription_start.ends_at
		AND s.ends_at > subscription_start.started_at
	ORDER BY s.started_at LIMIT 1;
	IF FOUND THEN
		RETURN authmeter.subscription_answer('exists', user_id, other, idempotency_key);
	END IF;
	INSERT INTO authmeter.subscription
	VALUES (user_id, started_at, ends_at, version_id, coalesce(anchor, started_at), started_at, authmeter.clock());
	PERFORM authmeter.audit_append('subscription_start', user_id, 'created',
		detail => jsonb_build_object('plan', plan, 'plan_version_id', version_id));
	RETURN authmeter.subscription_answer('created', user_id, started_at, idempotency_key);
END
$$;
COMMENT ON FUNCTION authmeter.subscription_start(uuid, text, integer, timestamptz, timestamptz, timestamptz, text) IS
	'Subscribes a user to a plan: version NULL is the newest; started_at (NULL: now; it may lie in the past or the future) and ends_at (excluded) bound it; anchor (NULL: the start) is where the periods of its quotas count from. Outcomes: created; exists (a subscription of the user overlaps: that is the one named, and nothing changes); plan_unknown (no such version, or retired); user_unknown; key_invalid; key_conflict. Audited. Raises MA007 (argument_invalid).';

CREATE FUNCTION authmeter.subscription_cut(user_id uuid, at timestamptz, OUT ends_at timestamptz)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	step timestamptz := at;
BEGIN
	-- The end of the rows that adjoin: an ordered change is replaced, the end stays.
	LOOP
		SELECT s.ends_at INTO step FROM authmeter.subscription s
		WHERE s.user_id = subscription_cut.user_id AND s.started_at <= step AND s.ends_at > step;
		EXIT WHEN NOT FOUND;
		subscription_cut.ends_at := step;
	END LOOP;
	DELETE FROM authmeter.subscription s WHERE s.user_id = subscription_cut.user_id
		AND s.started_at > at AND s.started_at < subscription_cut.ends_at;
END
$$;
COMMENT ON FUNCTION authmeter.subscription_cut(uuid, timestamptz) IS
	'Takes back what was ordered to follow the subscription in force at a time, and returns when all of it would have ended. For authmeter''s own functions.';

CREATE FUNCTION authmeter.subscription_change(
	user_id uuid, plan text, version integer DEFAULT NULL, at text DEFAULT 'now',
	anchor text DEFAULT 'keep', idempotency_key text DEFAULT NULL)
RETURNS authmeter.subscription_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	now timestamptz := authmeter.clock();
	answer authmeter.subscription_result;
	version_id integer;
	current record;
	last_end timestamptz;
	start timestamptz;
BEGIN
	IF (at IN ('now', 'period_end')) IS NOT TRUE OR (anchor IN ('keep', 'reset')) IS NOT TRUE THEN
		RAISE EXCEPTION 'invalid change of a subscription' USING ERRCODE = 'MA007',
			HINT = 'A change happens at now or period_end, and the anchor is to keep or reset.';
	END IF;
	answer := authmeter.subscription_claim(user_id, idempotency_key, concat_ws(' ', 'subscription_change',
		plan, coalesce(version::text, '-'), at, anchor));
	IF answer.outcome IS NOT NULL THEN
		RETURN answer;
	END IF;
	version_id := authmeter.plan_version_find(plan, version);
	IF version_id IS NULL THEN
		RETURN authmeter.subscription_answer('plan_unknown', user_id, NULL, idempotency_key);
	END IF;
	SELECT s.*, p.ends_at AS period_end INTO current
	FROM authmeter.subscription s JOIN authmeter.plan_version v ON v.id = s.plan_version_id
	CROSS JOIN LATERAL authmeter.period_at(v.period, s.anchor, now) p
	WHERE s.user_id = subscription_change.user_id AND s.started_at <= now AND s.ends_at > now;
	IF NOT FOUND THEN
		RETURN authmeter.subscription_answer('no_subscription', user_id, NULL, idempotency_key);
	END IF;
	last_end := (SELECT c.ends_at FROM authmeter.subscription_cut(user_id, now) c);
	start := CASE at WHEN 'now' THEN greatest(now, current.started_at) ELSE current.period_end END;
	IF start >= last_end OR (version_id = current.plan_version_id AND anchor = 'keep') THEN
		UPDATE authmeter.subscription s SET ends_at = last_end
		WHERE s.user_id = subscription_change.user_id AND s.started_at = current.started_at;
		RETURN authmeter.subscription_answer('unchanged', user_id, current.started_at, idempotency_key);
	ELSIF start = current.started_at THEN
		UPDATE authmeter.subscription s SET plan_version_id = version_id, ends_at = last_end
		WHERE s.user_id = subscription_change.user_id AND s.started_at = current.started_at;
	ELSE
		UPDATE authmeter.subscription s SET ends_at = start
		WHERE s.user_id = subscription_change.user_id AND s.started_at = current.started_at;
		INSERT INTO authmeter.subscription VALUES (user_id, start, last_end, version_id,
			CASE anchor WHEN 'keep' THEN current.anchor ELSE start END,
			CASE anchor WHEN 'keep' THEN current.since ELSE start END, now);
	END IF;
	PERFORM authmeter.audit_append('subscription_change', user_id, at,
		detail => jsonb_build_object('plan', plan, 'plan_version_id', version_id));
	RETURN authmeter.subscription_answer(CASE at WHEN 'now' THEN 'changed' ELSE 'ordered' END, user_id,
		start, idempotency_key);
END
$$;
COMMENT ON FUNCTION authmeter.subscription_change(uuid, text, integer, text, text, text) IS
	'Changes the plan of a user''s subscription: at now, or at period_end, the end of the plan''s period. It replaces a change ordered before; an end that stands, stands for the new plan too (subscription_end takes it back). anchor keep: periods go on, so what was consumed in the running one counts against the new limits; reset: periods count anew from the change, unused units do not roll over. Outcomes: changed (the row named is the new one); ordered (for the end of the period); unchanged (it is that plan already, and what was ordered is taken back; or the subscription ends before its period does); no_subscription; plan_unknown; user_unknown; key_invalid; key_conflict. Audited. Raises MA007 (argument_invalid).';

CREATE FUNCTION authmeter.subscription_end(
	user_id uuid, at text DEFAULT 'period_end', idempotency_key text DEFAULT NULL)
RETURNS authmeter.subscription_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	now timestamptz := authmeter.clock();
	answer authmeter.subscription_result;
	current record;
	finish timestamptz;
BEGIN
	IF (at IN ('now', 'period_end', 'never')) IS NOT TRUE THEN
		RAISE EXCEPTION 'invalid end of a subscription' USING ERRCODE = 'MA007',
			HINT = 'A subscription ends now, at period_end or never.';
	END IF;
	answer := authmeter.subscription_claim(user_id, idempotency_key, concat_ws(' ', 'subscription_end', at));
	IF answer.outcome IS NOT NULL THEN
		RETURN answer;
	END IF;
	SELECT s.*, p.ends_at AS period_end INTO current
	FROM authmeter.subscription s JOIN authmeter.plan_version v ON v.id = s.plan_version_id
	CROSS JOIN LATERAL authmeter.period_at(v.period, s.anchor, now) p
	WHERE s.user_id = subscription_end.user_id AND s.started_at <= now AND s.ends_at > now;
	IF NOT FOUND THEN
		RETURN authmeter.subscription_answer('no_subscription', user_id, NULL, idempotency_key);
	END IF;
	PERFORM authmeter.subscription_cut(user_id, now);
	-- An end in the row's first microsecond leaves it one, because a row is never empty.
	finish := CASE at WHEN 'now' THEN greatest(now, current.started_at + interval '1 microsecond')
		WHEN 'never' THEN 'infinity' ELSE current.period_end END;
	finish := least(finish, coalesce((SELECT min(s.started_at) FROM authmeter.subscription s
		WHERE s.user_id = subscription_end.user_id AND s.started_at > current.started_at), 'infinity'));
	UPDATE authmeter.subscription s SET ends_at = finish
	WHERE s.user_id = subscription_end.user_id AND s.started_at = current.started_at;
	PERFORM authmeter.audit_append('subscription_end', user_id, at);
	RETURN authmeter.subscription_answer(
		CASE at WHEN 'now' THEN 'ended' WHEN 'never' THEN 'kept' ELSE 'ordered' END, user_id,
		current.started_at, idempotency_key);
END
$$;
COMMENT ON FUNCTION authmeter.subscription_end(uuid, text, text) IS
	'Ends a user''s subscription now or at the end of the plan''s period (period_end), or lets it go on without any end (never: takes back an end or change). It replaces what was ordered before. Outcomes: ended, ordered, kept; no_subscription; user_unknown; key_invalid; key_conflict. Audited. Raises MA007 (argument_invalid).';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'subscription_get'),
	('service', 'function', 'authmeter', 'subscription_list'),
	('service', 'function', 'authmeter', 'subscription_start'),
	('service', 'function', 'authmeter', 'subscription_change'),
	('service', 'function', 'authmeter', 'subscription_end');
