-- Rate limits: counters in shared memory, or rows when the library is not preloaded.

CREATE TABLE authmeter.rate_window (
	key_hash bytea PRIMARY KEY,
	since_ns bigint NOT NULL,
	end_ms bigint NOT NULL,
	level bigint NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX rate_window_end_ms_idx ON authmeter.rate_window (end_ms);
COMMENT ON TABLE authmeter.rate_window IS
	'Counters of rate limits on a server that did not preload the library; else they are in shared memory and this stays empty. The key is a hash of the limit''s name and of what is limited; level is what is counted, in 2^-32 units; since_ns (nanoseconds since 1970) the start of the window, or for GCRA the time of the level; at end_ms (milliseconds) nothing is counted any more, and from then on the row is removed as new ones come. State, not data: it is not dumped.';

CREATE FUNCTION authmeter.rate_take(
	policy text, key text, rate text, cost bigint DEFAULT 1,
	OUT allowed boolean, OUT remaining bigint, OUT retry_after_ms bigint, OUT reset_ms bigint)
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_rate_take';
COMMENT ON FUNCTION authmeter.rate_take(text, text, text, bigint) IS
	'Counts cost units (1 or more) against a limit if they fit into its window, and says so. policy is the limit''s name (1 to 63 bytes), key what is limited (1 to 512 bytes: an e-mail, a user, the result of rate_address_key), rate count/window such as 10/15m, or off. The window is fixed and starts with the first counted call; a refused call counts nothing and does not extend it; a cost above the count can never fit. remaining: units left (NULL: off); retry_after_ms: 0, or the time until the window ends; reset_ms: the time until the window ends, 0 when none is open (NULL: off). With the library preloaded the count survives the caller''s rollback and is exact across connections; without, the call raises MA008 (transaction_block) inside an explicit transaction block or a subtransaction. Raises MA006 (limit_exceeded), MA007 (argument_invalid).';

CREATE FUNCTION authmeter.rate_peek(
	policy text, key text, rate text,
	OUT allowed boolean, OUT remaining bigint, OUT retry_after_ms bigint, OUT reset_ms bigint)
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_rate_peek';
COMMENT ON FUNCTION authmeter.rate_peek(text, text, text) IS
	'What rate_take would answer for one unit, without counting it. Allowed in any transaction. A promise to nobody: the next caller may take the unit.';

CREATE FUNCTION authmeter.gcra_take(
	policy text, key text, rate text, burst bigint, cost bigint DEFAULT 1,
	OUT allowed boolean, OUT remaining bigint, OUT retry_after_ms bigint, OUT reset_ms bigint)
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_gcra_take';
COMMENT ON FUNCTION authmeter.gcra_take(text, text, text, bigint, bigint) IS
	'Counts cost units (1 or more) against a limit without windows (GCRA): units come back steadily, count a window, and at most burst of them (1 to 1,000,000,000) can be taken at once. In any stretch w of time at most count * w / window + burst units are granted, in nanosecond arithmetic. policy, key, rate, what survives a rollback and what is raised are as in rate_take; one name counts apart in the two kinds of limit. A refused call counts nothing. remaining: whole units that could be taken now (NULL: off); retry_after_ms: 0, or the time until this call would be granted, or NULL when the cost is above the burst and never will be; reset_ms: the time until everything has come back (NULL: off). A changed rate or burst acts at once.';

CREATE FUNCTION authmeter.gcra_peek(
	policy text, key text, rate text, burst bigint,
	OUT allowed boolean, OUT remaining bigint, OUT retry_after_ms bigint, OUT reset_ms bigint)
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_gcra_peek';
COMMENT ON FUNCTION authmeter.gcra_peek(text, text, text, bigint) IS
	'What gcra_take would answer for one unit, without counting it. Allowed in any transaction. A promise to nobody: the next caller may take the unit.';

CREATE FUNCTION authmeter.rate_address_key(address text) RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_rate_address_key';
COMMENT ON FUNCTION authmeter.rate_address_key(text) IS
	'The key under which a client address is counted: an IPv4 address itself, an IPv6 address by its /64, and the one word unknown for NULL or anything that is no address.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'rate_take'),
	('service', 'function', 'authmeter', 'rate_peek'),
	('service', 'function', 'authmeter', 'gcra_take'),
	('service', 'function', 'authmeter', 'gcra_peek'),
	('service', 'function', 'authmeter', 'rate_address_key');

-- Policies: limits that an administrator adds at run time ----------------------------------------

CREATE TABLE authmeter.rate_policy (
	name text PRIMARY KEY CHECK (name OPERATOR(pg_catalog.~) '^[a-z0-9][a-z0-9._-]{0,39}$'),
	api text NOT NULL CHECK (api OPERATOR(pg_catalog.~) '^([a-z0-9][a-z0-9_-]{0,39}|[*])$'),
	route_group text NOT NULL
		CHECK (route_group OPERATOR(pg_catalog.~) '^([a-z0-9][a-z0-9_-]{0,39}|[*])$'),
	key text NOT NULL CHECK (key IN ('address', 'email', 'user')),
	algorithm text NOT NULL CHECK (algorithm IN ('window', 'gcra')),
	rate text NOT NULL,
	burst bigint CHECK (burst BETWEEN 1 AND 1000000000),
	updated_at timestamptz NOT NULL,
	updated_by name NOT NULL,
	CHECK ((algorithm OPERATOR(pg_catalog.=) 'gcra') OPERATOR(pg_catalog.=) (burst IS NOT NULL))
);
COMMENT ON TABLE authmeter.rate_policy IS
	'Rate limits in addition to those that the settings give: each for one API (or *), one group of its routes (or *), counted by client address, e-mail address or user. Change them with authmeter.rate_policy_set and rate_policy_drop only; a change is in force from its commit on. What was counted is kept elsewhere, under the policy''s name.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.rate_policy', '');

CREATE TRIGGER cache_invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON authmeter.rate_policy
	FOR EACH STATEMENT EXECUTE FUNCTION authmeter.cache_invalidate();

CREATE FUNCTION authmeter.rate_policy_check(
	name text, api text, route_group text, key text, algorithm text, rate text, burst bigint)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE
	WHEN name ~ '^[a-z0-9][a-z0-9._-]{0,39}$' IS NOT TRUE
		THEN 'The name has 1 to 40 of the characters a-z 0-9 . _ - and begins with a letter or digit.'
	WHEN api ~ '^([a-z0-9][a-z0-9_-]{0,39}|[*])$' IS NOT TRUE THEN 'Name an API, such as quizzer, or * for all.'
	WHEN route_group ~ '^([a-z0-9][a-z0-9_-]{0,39}|[*])$' IS NOT TRUE
		THEN 'Name a group of routes (column limit_group of the route table), or * for all.'
	WHEN (key IN ('address', 'email', 'user')) IS NOT TRUE THEN 'The keys are address, email and user.'
	WHEN (algorithm IN ('window', 'gcra')) IS NOT TRUE THEN 'The algorithms are window and gcra.'
	WHEN algorithm = 'window' AND burst IS NOT NULL THEN 'Only the algorithm gcra has a burst.'
	WHEN burst NOT BETWEEN 1 AND 1000000000 THEN 'The burst is from 1 to 1000000000.' END;
COMMENT ON FUNCTION authmeter.rate_policy_check(text, text, text, text, text, text, bigint) IS
	'What is wrong with a policy, as a hint for its author; NULL: nothing, but that the rate may be malformed. For authmeter''s own functions.';

CREATE FUNCTION authmeter.rate_policy_set(
	name text, api text, route_group text, key text, algorithm text, rate text,
	burst bigint DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	problem text := authmeter.rate_policy_check(name, api, route_group, key, algorithm, rate, burst);
	made boolean;
BEGIN
	IF problem IS NOT NULL THEN
		RAISE EXCEPTION 'invalid rate policy' USING ERRCODE = 'MA007', HINT = problem;
	END IF;
	PERFORM authmeter.rate_peek('rate_policy', 'rate', rate_policy_set.rate);
	IF algorithm = 'gcra' AND burst IS NULL THEN
		burst := CASE WHEN rate = 'off' THEN 1 ELSE split_part(rate, '/', 1)::bigint END;
	END IF;
	IF (SELECT count(*) FROM authmeter.rate_policy p WHERE p.name <> rate_policy_set.name) >= 256 THEN
		RAISE EXCEPTION 'too many rate policies' USING ERRCODE = 'MA006',
			HINT = 'There may be 256; drop some with authmeter.rate_policy_drop.';
	END IF;
	INSERT INTO authmeter.rate_policy AS p
	VALUES (name, api, route_group, key, algorithm, rate, burst, authmeter.clock(), session_user)
	ON CONFLICT ON CONSTRAINT rate_policy_pkey DO UPDATE
		SET api = EXCLUDED.api, route_group = EXCLUDED.route_group, key = EXCLUDED.key,
			algorithm = EXCLUDED.algorithm, rate = EXCLUDED.rate, burst = EXCLUDED.burst,
			updated_at = EXCLUDED.updated_at, updated_by = EXCLUDED.updated_by
	RETURNING p.xmax = 0 INTO made;
	PERFORM authmeter.audit_append('rate_policy_set', NULL, CASE WHEN made THEN 'made' ELSE 'changed' END,
		detail => jsonb_build_object('name', name, 'api', api, 'route_group', route_group, 'key', key,
			'algorithm', algorithm, 'rate', rate, 'burst', burst));
	RETURN CASE WHEN made THEN 'made' ELSE 'changed' END;
END
$$;
COMMENT ON FUNCTION authmeter.rate_policy_set(text, text, text, text, text, text, bigint) IS
	'Makes or changes a rate limit of HTTP routes and returns made or changed. api: an API or *; route_group: a group of its routes (column limit_group of the route table) or *; key: address, email or user; algorithm: window or gcra; rate: count/window such as 100/15m, or off; burst (gcra only): what may be taken at once, NULL for the count. A policy with * counts all that it covers together. Where several limits cover a request all of them must have room, and only then it is counted. Audited, in force from the commit on; the same name and kind of limit goes on with what it has counted. Raises MA007 (argument_invalid), MA006 (limit_exceeded) beyond 256 policies.';

CREATE FUNCTION authmeter.rate_policy_drop(name text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	DELETE FROM authmeter.rate_policy p WHERE p.name = rate_policy_drop.name;
	IF NOT FOUND THEN
		RETURN 'not_found';
	END IF;
	PERFORM authmeter.audit_append('rate_policy_drop', NULL, 'dropped',
		detail => jsonb_build_object('name', name));
	RETURN 'dropped';
END
$$;
COMMENT ON FUNCTION authmeter.rate_policy_drop(text) IS
	'Removes a policy: dropped or not_found. Audited, in force from the commit on.';

CREATE FUNCTION authmeter.rate_policy_list() RETURNS SETOF authmeter.rate_policy
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT * FROM authmeter.rate_policy p ORDER BY p.name COLLATE "C";
END;
COMMENT ON FUNCTION authmeter.rate_policy_list() IS 'All policies, in the order of their names.';

INSERT INTO authmeter.access_rule VALUES
	('admin', 'function', 'authmeter', 'rate_policy_set'),
	('admin', 'function', 'authmeter', 'rate_policy_drop'),
	('admin', 'function', 'authmeter', 'rate_policy_list');
