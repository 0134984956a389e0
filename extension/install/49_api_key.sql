-- API keys of users and of services: shown once, kept as SHA-256, with scopes, expiry, a limit of
-- their own, and replacement with overlap. What happens at every request is api_key.c.
--
-- Lock order: the user's row, then its keys. Making, replacing and ending all of a user's keys lock
-- the user first, so that none slips through while all are ended.

CREATE TABLE authmeter.api_key (
	id uuid PRIMARY KEY,
	family_id uuid NOT NULL,
	user_id uuid REFERENCES authmeter.user (id) ON DELETE CASCADE,
	service text,
	name text NOT NULL,
	prefix text NOT NULL,
	key_hash bytea NOT NULL UNIQUE,
	scopes text[] NOT NULL,
	rate text,
	burst bigint,
	lifetime interval,
	created_at timestamptz NOT NULL,
	expires_at timestamptz,
	replaced_by uuid,
	revoked_at timestamptz,
	CHECK ((user_id IS NULL) OPERATOR(pg_catalog.<>) (service IS NULL)),
	CHECK ((rate IS NULL) OPERATOR(pg_catalog.=) (burst IS NULL))
);
CREATE INDEX api_key_user_id_idx ON authmeter.api_key (user_id, id);
COMMENT ON TABLE authmeter.api_key IS
	'API keys by the SHA-256 of the key, each of a user or of a service. family_id is the id of the first key of a chain of replacements, under which limits count. Changed by the functions of authmeter only.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.api_key', '');

CREATE TABLE authmeter.api_key_use (
	key_id uuid PRIMARY KEY REFERENCES authmeter.api_key (id) ON DELETE CASCADE,
	last_used_at timestamptz
) WITH (fillfactor = 70);
COMMENT ON TABLE authmeter.api_key_use IS
	'When each API key was last accepted, written at most once a minute: apart from the key, so that a transaction in which a key was used keeps nobody from revoking it.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.api_key_use', '');

CREATE TYPE authmeter.api_key_result AS (
	outcome text,
	key_id uuid,
	key text,
	prefix text,
	expires_at timestamptz
);
COMMENT ON TYPE authmeter.api_key_result IS
	'Answer of the functions that make API keys. outcome: created or rotated, and then key is the key itself, which cannot be shown again; or a refusal: user_unknown, user_disabled, limit_reached (100 live keys of one user), not_found, ended (revoked or expired), replaced (it was rotated already).';

-- Making one --------------------------------------------------------------------------------------

CREATE FUNCTION authmeter.api_key_make(
	user_id uuid, OUT key_id uuid, OUT key text, OUT prefix text, OUT key_hash bytea)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_api_key_make';
COMMENT ON FUNCTION authmeter.api_key_make(uuid) IS
	'A new key that is stored nowhere yet: am_, 8 hexadecimal digits (the first 3 are the partition of the user, or random for NULL) which are shown in lists, _ and 256 random bits. For authmeter''s own functions.';

CREATE FUNCTION authmeter.api_key_problem(
	service text, name text, scopes text[], lifetime interval)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE
	WHEN service !~ '^[A-Za-z0-9._-]{1,63}$'
		THEN 'A service has 1 to 63 letters, digits, dots, hyphens and underscores.'
	WHEN (length(name) BETWEEN 1 AND 100 AND name !~ '[[:cntrl:]]') IS NOT TRUE
		THEN 'The name has 1 to 100 characters and no control characters.'
	WHEN scopes IS NULL OR cardinality(scopes) > 64 OR array_ndims(scopes) > 1
		OR EXISTS (SELECT FROM unnest(scopes) s WHERE s ~ '^[a-z0-9][a-z0-9._:/-]{0,63}$' IS NOT TRUE)
		THEN 'Scopes are up to 64 texts of 1 to 64 characters a-z 0-9 . _ : / - each, beginning with a letter or digit.'
	WHEN lifetime < '1 second' OR lifetime > '3650 days'
		THEN 'The lifetime is from 1 second to 3650 days, or NULL for a key without end.' END;
COMMENT ON FUNCTION authmeter.api_key_problem(text, text, text[], interval) IS
	'What is wrong with the fields of an API key, as a hint for its author; NULL: nothing. For authmeter''s own functions.';

CREATE FUNCTION authmeter.api_key_store(
	user_id uuid, service text, name text, scopes text[], lifetime interval, rate text, burst bigint,
	family_id uuid)
RETURNS authmeter.api_key_result
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	made record := authmeter.api_key_make(user_id);
	now timestamptz := authmeter.clock();
	answer authmeter.api_key_result;
BEGIN
	answer := ('created', made.key_id, made.key, made.prefix, now + lifetime);
	INSERT INTO authmeter.api_key (id, family_id, user_id, service, name, prefix, key_hash, scopes, rate,
		burst, lifetime, created_at, expires_at)
	VALUES (made.key_id, coalesce(api_key_store.family_id, made.key_id), api_key_store.user_id,
		api_key_store.service, api_key_store.name, made.prefix, made.key_hash, api_key_store.scopes,
		api_key_store.rate, api_key_store.burst, api_key_store.lifetime, now, answer.expires_at);
	INSERT INTO authmeter.api_key_use (key_id) VALUES (made.key_id);
	-- Ended long ago: a few go for each one made.
	DELETE FROM authmeter.api_key k WHERE k.id IN (
		SELECT o.id FROM authmeter.api_key o
		WHERE o.user_id IS NOT DISTINCT FROM api_key_store.user_id
			AND o.service IS NOT DISTINCT FROM api_key_store.service
			AND least(o.revoked_at, o.expires_at) < now - interval '90 days'
		LIMIT 10 FOR UPDATE SKIP LOCKED);
	RETURN answer;
END
$$;
COMMENT ON FUNCTION authmeter.api_key_store(uuid, text, text, text[], interval, text, bigint, uuid) IS
	'Makes and stores a key of checked fields, and removes up to 10 of the owner''s keys that ended over 90 days ago. For authmeter''s own functions.';

CREATE FUNCTION authmeter.api_key_add(
	user_id uuid, service text, name text, scopes text[], lifetime interval, rate text, burst bigint)
RETURNS authmeter.api_key_result
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	problem text := authmeter.api_key_problem(service, name, scopes, lifetime);
	answer authmeter.api_key_result;
BEGIN
	IF problem IS NOT NULL THEN
		RAISE EXCEPTION 'invalid API key' USING ERRCODE = 'MA072', HINT = problem;
	END IF;
	IF burst IS NOT NULL AND rate IS NULL THEN
		RAISE EXCEPTION 'invalid API key' USING ERRCODE = 'MA072', HINT = 'A burst needs a rate.';
	END IF;
	rate := nullif(rate, 'off');
	IF rate IS NULL THEN
		burst := NULL;
	ELSE
		PERFORM authmeter.rate_peek('api_key', 'rate', rate);
		burst := coalesce(burst, split_part(rate, '/', 1)::bigint);
		PERFORM authmeter.gcra_peek('api_key', 'rate', rate, burst);
	END IF;
	answer := authmeter.api_key_store(user_id, service, name, scopes, lifetime, rate, burst, NULL);
	PERFORM authmeter.audit_append('api_key_create', user_id, 'created', detail => jsonb_build_object(
		'key_id', answer.key_id, 'prefix', answer.prefix, 'service', service, 'name', name,
		'scopes', to_jsonb(scopes), 'expires_at', answer.expires_at, 'rate', rate, 'burst', burst));
	RETURN answer;
END
$$;
COMMENT ON FUNCTION authmeter.api_key_add(uuid, text, text, text[], interval, text, bigint) IS
	'Checks the fields of a key, stores it and audits that. For authmeter''s own functions.';

CREATE FUNCTION authmeter.api_key_create(
	user_id uuid, name text, scopes text[] DEFAULT '{}', lifetime interval DEFAULT NULL,
	rate text DEFAULT NULL, burst bigint DEFAULT NULL)
RETURNS authmeter.api_key_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	disabled boolean;
BEGIN
	SELECT u.disabled_at IS NOT NULL INTO disabled FROM authmeter.user u
	WHERE u.id = api_key_create.user_id FOR NO KEY UPDATE;
	IF disabled IS NOT FALSE THEN
		RETURN (CASE WHEN disabled THEN 'user_disabled' ELSE 'user_unknown' END, NULL, NULL, NULL,
			NULL)::authmeter.api_key_result;
	END IF;
	IF (SELECT count(*) FROM authmeter.api_key k WHERE k.user_id = api_key_create.user_id
			AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > authmeter.clock())) >= 100 THEN
		RETURN ('limit_reached', NULL, NULL, NULL, NULL)::authmeter.api_key_result;
	END IF;
	RETURN authmeter.api_key_add(user_id, NULL, name, scopes, lifetime, rate, burst);
END
$$;
COMMENT ON FUNCTION authmeter.api_key_create(uuid, text, text[], interval, text, bigint) IS
	'Makes an API key of a user and returns it, once. name: 1 to 100 characters, for people; scopes: up to 64 texts of 1 to 64 characters a-z 0-9 . _ : / -, compared as a whole; lifetime: 1 second to 3650 days, NULL for no end; rate and burst: a limit of this key alone, as in gcra_take (burst NULL: the count of the rate). Outcomes: created, user_unknown, user_disabled, limit_reached (100 live keys), see authmeter.api_key_result. Audited without the key. Raises MA072 (api_key_invalid), MA007 (argument_invalid: rate or burst).';

CREATE FUNCTION authmeter.service_key_create(
	service text, name text, scopes text[] DEFAULT '{}', lifetime interval DEFAULT NULL,
	rate text DEFAULT NULL, burst bigint DEFAULT NULL)
RETURNS authmeter.api_key_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN authmeter.api_key_add(NULL, coalesce(service, ''), name, scopes, lifetime, rate, burst);
END
$$;
COMMENT ON FUNCTION authmeter.service_key_create(text, text, text[], interval, text, bigint) IS
	'Makes an API key of a service (1 to 63 letters, digits, . _ -), which belongs to no user, and returns it, once. The rest as in api_key_create, without a bound on their number. Outcome: created.';

-- Replacing and ending ----------------------------------------------------------------------------

CREATE FUNCTION authmeter.api_key_turn(user_id uuid, key_id uuid, overlap interval)
RETURNS authmeter.api_key_result
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	old authmeter.api_key;
	now timestamptz := authmeter.clock();
	answer authmeter.api_key_result;
BEGIN
	IF (overlap BETWEEN '0' AND '90 days') IS NOT TRUE THEN
		RAISE EXCEPTION 'invalid overlap of API keys'
			USING ERRCODE = 'MA072', HINT = 'The overlap is from 0 to 90 days.';
	END IF;
	PERFORM FROM authmeter.user u WHERE u.id = api_key_turn.user_id FOR NO KEY UPDATE;
	SELECT k.* INTO old FROM authmeter.api_key k
	WHERE k.id = api_key_turn.key_id AND k.user_id IS NOT DISTINCT FROM api_key_turn.user_id
	FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		answer.outcome := 'not_found';
	ELSIF old.replaced_by IS NOT NULL THEN
		answer.outcome := 'replaced';
	ELSIF old.revoked_at IS NOT NULL OR old.expires_at <= now THEN
		answer.outcome := 'ended';
	ELSE
		answer := authmeter.api_key_store(user_id, old.service, old.name, old.scopes, old.lifetime,
			old.rate, old.burst, old.family_id);
		answer.outcome := 'rotated';
		UPDATE authmeter.api_key k
		SET replaced_by = answer.key_id, expires_at = least(k.expires_at, now + overlap)
		WHERE k.id = old.id;
		PERFORM authmeter.audit_append('api_key_rotate', user_id, 'rotated', detail => jsonb_build_object(
			'key_id', old.id, 'prefix', old.prefix, 'replaced_by', answer.key_id,
			'new_prefix', answer.prefix, 'service', old.service));
	END IF;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION authmeter.api_key_turn(uuid, uuid, interval) IS
	'api_key_rotate and service_key_rotate. For authmeter''s own functions.';

CREATE FUNCTION authmeter.api_key_rotate(
	user_id uuid, key_id uuid, overlap interval DEFAULT '1 day')
RETURNS authmeter.api_key_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF user_id IS NULL THEN
		RETURN ('not_found', NULL, NULL, NULL, NULL)::authmeter.api_key_result;
	END IF;
	RETURN authmeter.api_key_turn(user_id, key_id, overlap);
END
$$;
COMMENT ON FUNCTION authmeter.api_key_rotate(uuid, uuid, interval) IS
	'Replaces a live key of a user by a new one with the same name, scopes, lifetime and limit, and returns that, once. The old one stays good for the overlap (0 to 90 days), or until its own end if that is sooner; both count against one limit. A key is replaced once. Outcomes: rotated, not_found (also the key of another), ended, replaced. Audited. Raises MA072 (api_key_invalid).';

CREATE FUNCTION authmeter.service_key_rotate(key_id uuid, overlap interval DEFAULT '1 day')
RETURNS authmeter.api_key_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN authmeter.api_key_turn(NULL, key_id, overlap);
END
$$;
COMMENT ON FUNCTION authmeter.service_key_rotate(uuid, interval) IS
	'api_key_rotate for the key of a service.';

CREATE FUNCTION authmeter.api_key_end(user_id uuid, key_id uuid) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	UPDATE authmeter.api_key k SET revoked_at = authmeter.clock()
	WHERE k.id = api_key_end.key_id AND k.user_id IS NOT DISTINCT FROM api_key_end.user_id
		AND k.revoked_at IS NULL;
	IF NOT FOUND THEN
		RETURN 'not_found';
	END IF;
	PERFORM authmeter.audit_append('api_key_revoke', user_id, 'revoked',
		detail => jsonb_build_object('key_id', key_id));
	RETURN 'revoked';
END
$$;
COMMENT ON FUNCTION authmeter.api_key_end(uuid, uuid) IS
	'api_key_revoke and service_key_revoke. For authmeter''s own functions.';

CREATE FUNCTION authmeter.api_key_revoke(user_id uuid, key_id uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN CASE WHEN user_id IS NULL THEN 'not_found' ELSE authmeter.api_key_end(user_id, key_id) END;
END
$$;
COMMENT ON FUNCTION authmeter.api_key_revoke(uuid, uuid) IS
	'Ends one key of a user, from the commit on; keys that it replaced or that replaced it stay. Returns revoked, or not_found (also the key of another, and a key revoked already). Audited.';

CREATE FUNCTION authmeter.service_key_revoke(key_id uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN authmeter.api_key_end(NULL, key_id);
END
$$;
COMMENT ON FUNCTION authmeter.service_key_revoke(uuid) IS 'api_key_revoke for the key of a service.';

CREATE FUNCTION authmeter.api_key_revoke_all(user_id uuid) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	ended bigint;
BEGIN
	PERFORM FROM authmeter.user u WHERE u.id = api_key_revoke_all.user_id FOR NO KEY UPDATE;
	UPDATE authmeter.api_key k SET revoked_at = authmeter.clock()
	WHERE k.user_id = api_key_revoke_all.user_id AND k.revoked_at IS NULL;
	GET DIAGNOSTICS ended = ROW_COUNT;
	IF ended > 0 THEN
		PERFORM authmeter.audit_append('api_key_revoke_all', user_id, 'revoked',
			detail => jsonb_build_object('keys', ended));
	END IF;
	RETURN ended;
END
$$;
COMMENT ON FUNCTION authmeter.api_key_revoke_all(uuid) IS
	'Ends every key of a user, from the commit on, and returns how many that were. Audited.';

-- Showing one at every request --------------------------------------------------------------------

CREATE FUNCTION authmeter.api_key_verify(
	key text, scope text DEFAULT NULL, cost bigint DEFAULT 1,
	OUT outcome text, OUT reason text, OUT key_id uuid, OUT family_id uuid, OUT user_id uuid,
	OUT service text, OUT scopes text[], OUT remaining bigint, OUT retry_after_ms bigint)
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_api_key_verify';
COMMENT ON FUNCTION authmeter.api_key_verify(text, text, bigint) IS
	'Whose key it is, and whether it is good now: as of what is committed, whatever the snapshot. scope: the key must have it (NULL: any key will do); cost: units that count against the key''s own limit, 0 only looks whether one would fit. Pass the key by bind parameter. outcome: ok; rate_limited (retry_after_ms says when, NULL: a cost above the burst, never); refused with reason unknown (also NULL and malformed), revoked, expired, user_disabled, scope_missing, for the caller''s log. What is refused counts nothing. Unless refused: key_id; family_id, the id under which this key and its replacements are limited; user_id or service; its scopes; remaining: what the limit has left (NULL without one). The time of the last use is noted, at most once a minute and never by waiting; not in a read-only transaction or above READ COMMITTED. Raises MA072 (api_key_invalid: cost), and MA008 (transaction_block) for a key with a limit where the library is not preloaded, see rate_take.';

CREATE FUNCTION authmeter.api_key_show(user_id uuid, service text)
RETURNS TABLE (
	key_id uuid, service_name text, name text, prefix text, scopes text[], state text, rate text,
	burst bigint, created_at timestamptz, expires_at timestamptz, revoked_at timestamptz,
	last_used_at timestamptz, replaced_by uuid)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT k.id, k.service, k.name, k.prefix, k.scopes,
		CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.expires_at <= authmeter.clock() THEN 'expired'
			WHEN k.replaced_by IS NOT NULL THEN 'replaced' ELSE 'live' END,
		k.rate, k.burst, k.created_at, k.expires_at, k.revoked_at, w.last_used_at, k.replaced_by
	FROM authmeter.api_key k LEFT JOIN authmeter.api_key_use w ON w.key_id = k.id
	WHERE CASE WHEN api_key_show.user_id IS NOT NULL THEN k.user_id = api_key_show.user_id
		ELSE k.user_id IS NULL AND (api_key_show.service IS NULL OR k.service = api_key_show.service) END
	ORDER BY k.created_at DESC, k.id DESC LIMIT 1000;
END;
COMMENT ON FUNCTION authmeter.api_key_show(uuid, text) IS
	'api_key_list and service_key_list. For authmeter''s own functions.';

CREATE FUNCTION authmeter.api_key_list(user_id uuid)
RETURNS TABLE (
	key_id uuid, name text, prefix text, scopes text[], state text, rate text, burst bigint,
	created_at timestamptz, expires_at timestamptz, revoked_at timestamptz, last_used_at timestamptz,
	replaced_by uuid)
LANGUAGE sql STABLE STRICT SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT s.key_id, s.name, s.prefix, s.scopes, s.state, s.rate, s.burst, s.created_at, s.expires_at,
		s.revoked_at, s.last_used_at, s.replaced_by
	FROM authmeter.api_key_show(api_key_list.user_id, NULL) s;
END;
COMMENT ON FUNCTION authmeter.api_key_list(uuid) IS
	'The keys of a user, newest first, at most 1000, with their state: live, replaced (still good for its overlap), expired or revoked. prefix is how the key begins; the rest is not stored.';

CREATE FUNCTION authmeter.service_key_list(service text DEFAULT NULL)
RETURNS TABLE (
	key_id uuid, service_name text, name text, prefix text, scopes text[], state text, rate text,
	burst bigint, created_at timestamptz, expires_at timestamptz, revoked_at timestamptz,
	last_used_at timestamptz, replaced_by uuid)
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT * FROM authmeter.api_key_show(NULL, service_key_list.service) s;
END;
COMMENT ON FUNCTION authmeter.service_key_list(text) IS
	'The keys of one service, or of all: otherwise as api_key_list.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'api_key_create'),
	('service', 'function', 'authmeter', 'api_key_rotate'),
	('service', 'function', 'authmeter', 'api_key_revoke'),
	('service', 'function', 'authmeter', 'api_key_revoke_all'),
	('service', 'function', 'authmeter', 'api_key_verify'),
	('service', 'function', 'authmeter', 'api_key_list'),
	('admin', 'function', 'authmeter', 'service_key_create'),
	('admin', 'function', 'authmeter', 'service_key_rotate'),
	('admin', 'function', 'authmeter', 'service_key_revoke'),
	('admin', 'function', 'authmeter', 'service_key_list');
