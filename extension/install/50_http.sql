-- What the HTTP gateway needs of every API: request and response values, the tables of routes and
-- refusals, its configuration and its checks at start. The API files (5x_api_<name>.sql) add rows to
-- the tables and one function an endpoint.
--
-- An endpoint takes one jsonb and returns one authmeter_http.response. Members of the request, left
-- out when empty: id, api, method, ip (the client's address); path, query, headers, cookies (objects;
-- only what the route asks for); bearer (the token); prefix (of the mount); body (an object, checked
-- JSON); fault (body_invalid or body_too_large, on routes with limited = true: the function counts
-- its address limit first, then refuses by authmeter_http.fault_reply). A route with body multipart
-- gets multipart (ok, malformed or absent: no multipart/form-data) and, with ok, parts: an array of
-- {name, filename, type, size, text: {words, lines, characters}}, counted as the body streams by.
-- filename is as the client sent it, or missing; text is null for bytes that are no UTF-8.

CREATE TYPE authmeter_http.response AS (status integer, headers jsonb, body text);
COMMENT ON TYPE authmeter_http.response IS
	'Answer of an endpoint: HTTP status, headers (NULL, or an object of strings or arrays of strings) and the body as compact JSON text.';

CREATE TABLE authmeter_http.route (
	api text NOT NULL,
	method text NOT NULL CHECK (method IN ('GET', 'POST', 'PUT', 'PATCH', 'DELETE')),
	path text NOT NULL CHECK (path OPERATOR(pg_catalog.~) '^/'),
	function name NOT NULL,
	lane text NOT NULL CHECK (lane IN ('fast', 'write', 'slow')),
	body text NOT NULL CHECK (body IN ('none', 'json', 'raw', 'multipart')),
	body_bytes_max integer NOT NULL CHECK (body_bytes_max OPERATOR(pg_catalog.>) 0),
	limited boolean NOT NULL DEFAULT false,
	headers text[] NOT NULL DEFAULT '{}',
	cookies boolean NOT NULL DEFAULT false,
	limit_group text NOT NULL DEFAULT '',
	PRIMARY KEY (api, method, path)
);
COMMENT ON TABLE authmeter_http.route IS
	'The routes of every API: one endpoint, one function of authmeter_http. limit_group is the group that rate policies cover the route by; empty: it is never limited. Part of the extension, not of the data.';

CREATE TABLE authmeter_http.refusal (
	api text NOT NULL,
	reason text NOT NULL CHECK (reason IN ('bad_request', 'body_invalid', 'body_too_large', 'not_found',
		'method_not_allowed', 'fault', 'unavailable')),
	path text NOT NULL DEFAULT '',
	style text NOT NULL DEFAULT 'code' CHECK (style IN ('code', 'text')),
	status integer NOT NULL CHECK (status BETWEEN 400 AND 599),
	body text NOT NULL,
	PRIMARY KEY (api, reason, path, style)
);
COMMENT ON TABLE authmeter_http.refusal IS
	'Answers that the gateway gives by itself, in the style of each API; path is empty for the whole API, or a route''s path; style text stands in the place of code when the API''s setting error_style says so. {{path}}, {{timestamp}} and {{environment}} in the body are replaced. Part of the extension, not of the data.';

CREATE TABLE authmeter_http.deployment (
	api text NOT NULL,
	name text NOT NULL CHECK (name OPERATOR(pg_catalog.~) '^[A-Z][A-Z0-9_]*$'),
	ring text,
	fallback boolean NOT NULL DEFAULT false,
	setting text CHECK (ring IS NULL OR setting IS NULL),
	PRIMARY KEY (api, name)
);
COMMENT ON TABLE authmeter_http.deployment IS
	'Variables that the APIs have been deployed with, and what becomes of them: a secret is imported into its ring of signing keys, or, without a ring, sealed in authmeter.deployment_secret; others give a setting its first value. A fallback counts only while its ring has no key. Part of the extension, not of the data.';

CREATE FUNCTION authmeter_http.body_text(request jsonb, field text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_http_body_text';
COMMENT ON FUNCTION authmeter_http.body_text(jsonb, text) IS
	'The field of a request''s body if it is a JSON string, else NULL.';

CREATE FUNCTION authmeter_http.body_filled(request jsonb, field text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_http_body_filled';
COMMENT ON FUNCTION authmeter_http.body_filled(jsonb, text) IS
	'The field of a request''s body if it is a JSON string with more than white space in it, else NULL. It is not trimmed.';

CREATE FUNCTION authmeter_http.body_trimmed(request jsonb, field text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_http_body_trimmed';
COMMENT ON FUNCTION authmeter_http.body_trimmed(jsonb, text) IS
	'The field of a request''s body if it is a JSON string, without white space at its ends, else NULL.';

CREATE FUNCTION authmeter_http.body_count(request jsonb, field text, minimum bigint, maximum bigint)
RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_http_body_count';
COMMENT ON FUNCTION authmeter_http.body_count(jsonb, text, bigint, bigint) IS
	'The field of a request''s body if it is a JSON number and an integer (1.0 and 1e3 are) from minimum to maximum, else 0.';

CREATE FUNCTION authmeter_http.policy_strict(policy text) RETURNS boolean
LANGUAGE c STABLE STRICT SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_http_policy_strict';
COMMENT ON FUNCTION authmeter_http.policy_strict(text) IS
	'Whether a policy is strict: as set, or, with auto, by authmeter.environment. Raises MA002 (setting_unknown).';

CREATE FUNCTION authmeter_http.network_trusted(setting text, address text) RETURNS boolean
LANGUAGE c STABLE SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_http_network_trusted';
COMMENT ON FUNCTION authmeter_http.network_trusted(text, text) IS
	'Whether a setting that is a list of networks holds the address; false for NULL and for anything that is no address. Raises MA002 (setting_unknown).';

CREATE FUNCTION authmeter_http.time_text(at timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
COMMENT ON FUNCTION authmeter_http.time_text(timestamptz) IS
	'A time as answers show it: UTC with milliseconds, such as 2026-01-31T09:15:00.123Z.';

CREATE FUNCTION authmeter_http.cookie(
	request jsonb, name text, value text, max_age_s bigint, path text, same_site text, domain text DEFAULT '')
RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT format('%s=%s; HttpOnly%s; SameSite=%s; Max-Age=%s; Path=%s%s', name, value,
		CASE WHEN authmeter.setting_get('authmeter.cookie_secure') = 'on'
			OR authmeter.setting_get('authmeter.environment') = 'production' THEN '; Secure' ELSE '' END,
		same_site, max_age_s,
		CASE WHEN path = '/' THEN coalesce(request->>'prefix', '/') ELSE coalesce(request->>'prefix', '') || path END,
		CASE WHEN domain <> '' THEN '; Domain=' || domain ELSE '' END);
END;
COMMENT ON FUNCTION authmeter_http.cookie(jsonb, text, text, bigint, text, text, text) IS
	'A Set-Cookie value: HttpOnly, Secure (unless development switched authmeter.cookie_secure off), its path below the prefix of the mount. value and domain are taken as they are.';

CREATE FUNCTION authmeter_http.fault_reply(api text, fault text) RETURNS authmeter_http.response
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	reply authmeter_http.response;
BEGIN
	SELECT r.status, NULL, r.body INTO reply FROM authmeter_http.refusal r
	WHERE r.api = fault_reply.api AND r.reason = fault_reply.fault AND r.path = '' AND r.style = 'code';
	IF NOT FOUND THEN
		RAISE EXCEPTION 'unknown fault of a request' USING ERRCODE = 'MA080';
	END IF;
	RETURN reply;
END
$$;
COMMENT ON FUNCTION authmeter_http.fault_reply(text, text) IS
	'The answer to a body that the gateway found faulty (body_invalid, body_too_large), for endpoints that count their address limit first. Raises MA080 (request_invalid).';

CREATE FUNCTION authmeter_http.address_retry_after(request jsonb, setting text, automatic text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	rate text := authmeter.setting_get(setting);
	verdict record;
BEGIN
	IF rate = 'auto' THEN
		rate := automatic;
	END IF;
	IF rate = 'off' THEN
		RETURN NULL;
	END IF;
	verdict := authmeter.rate_take(setting, authmeter.rate_address_key(request->>'ip'), rate);
	RETURN CASE WHEN NOT verdict.allowed THEN greatest(1, (verdict.retry_after_ms + 999) / 1000) END;
END
$$;
COMMENT ON FUNCTION authmeter_http.address_retry_after(jsonb, text, text) IS
	'Counts a request against the limit per client address that a setting gives (automatic stands for its value auto). NULL: go on; else the whole seconds for Retry-After.';

CREATE FUNCTION authmeter_http.limit_take(
	request jsonb, api text, route_group text, setting text DEFAULT NULL, automatic text DEFAULT NULL,
	email text DEFAULT NULL, user_id uuid DEFAULT NULL, setting_key text DEFAULT 'address',
	OUT retry_after_s bigint, OUT headers jsonb,
	OUT quota bigint, OUT window_s bigint, OUT remaining bigint, OUT reset_s bigint)
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_http_limit_take';
COMMENT ON FUNCTION authmeter_http.limit_take(jsonb, text, text, text, text, text, uuid, text) IS
	'Counts a request against the limit that a setting gives (NULL: none; automatic stands for its value auto, NULL there for off; setting_key: what it counts by: address, email or user) and against every policy of authmeter.rate_policy that covers the API and the group of routes: those by e-mail if email is given, those by user if user_id is, those by address unless this is a later call for the same request, with email or user_id and without a setting by address. First looks at all of them, and counts only if none refuses, so that a refused request does not use up another limit; parallel calls may still do that with a last unit. retry_after_s: NULL to go on, else the whole seconds for Retry-After. headers: RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10) of the limit that is nearest to its end, with Retry-After when refused; NULL when nothing is limited. quota, window_s, remaining, reset_s: the setting''s own limit, for APIs with header fields of their own; NULL without one. Raises MA002 (setting_unknown), MA007 (argument_invalid), MA008 (transaction_block).';

CREATE FUNCTION authmeter_http.response_with(reply authmeter_http.response, headers jsonb)
RETURNS authmeter_http.response
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN ROW((reply).status,
	CASE WHEN (reply).headers IS NULL THEN headers ELSE (reply).headers || coalesce(headers, '{}') END,
	(reply).body)::authmeter_http.response;
COMMENT ON FUNCTION authmeter_http.response_with(authmeter_http.response, jsonb) IS
	'An answer with further headers (NULL: none).';

CREATE FUNCTION authmeter_http.route_list(apis text[])
RETURNS TABLE (api text, method text, path text, function text, lane text, body text,
	body_bytes_max integer, limited boolean, headers text[], cookies boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT r.api, r.method, r.path, r.function::text, r.lane, r.body, r.body_bytes_max, r.limited,
		r.headers, r.cookies
	FROM authmeter_http.route r WHERE r.api = ANY (apis) ORDER BY r.api, r.path, r.method;
END;
COMMENT ON FUNCTION authmeter_http.route_list(text[]) IS 'The routes of these APIs, for the gateway.';

CREATE FUNCTION authmeter_http.refusal_list(apis text[])
RETURNS TABLE (api text, reason text, path text, status integer, body text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT DISTINCT ON (r.api, r.reason, r.path) r.api, r.reason, r.path, r.status,
		replace(r.body, '{{environment}}', authmeter.setting_get('authmeter.environment'))
	FROM authmeter_http.refusal r
	LEFT JOIN authmeter.setting_list() s ON s.name = r.api || '.error_style'
	WHERE r.api = ANY (apis) AND r.style IN ('code', s.value)
	ORDER BY r.api, r.reason, r.path, r.style DESC;
END;
COMMENT ON FUNCTION authmeter_http.refusal_list(text[]) IS
	'The answers that the gateway gives by itself for these APIs.';

CREATE FUNCTION authmeter_http.setting_words(setting text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(jsonb_agg(w.word ORDER BY w.place) FILTER (WHERE w.word <> ''), '[]')
	FROM authmeter.setting_list() s,
		regexp_split_to_table(s.value, '[[:space:],]+') WITH ORDINALITY w (word, place)
	WHERE s.name = setting;
END;
COMMENT ON FUNCTION authmeter_http.setting_words(text) IS
	'The entries of a list setting as a JSON array; empty for a setting that does not exist.';

CREATE FUNCTION authmeter_http.gateway_config(apis text[]) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT jsonb_build_object(
		'environment', authmeter.setting_get('authmeter.environment'),
		'trusted_proxies', authmeter_http.setting_words('authmeter.trusted_proxies'),
		'cors', coalesce((SELECT jsonb_object_agg(a.api, authmeter_http.setting_words(a.api || '.cors_origins'))
			FROM unnest(apis) a (api) WHERE a.api IS NOT NULL), '{}'));
END;
COMMENT ON FUNCTION authmeter_http.gateway_config(text[]) IS
	'What the gateway must know of the settings: environment, trusted_proxies, and cors: for each API the origins that may call it.';

CREATE FUNCTION authmeter_http.weak_behaviour_list(apis text[])
RETURNS TABLE (policy text, value text, consequence text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT s.name, 'documented', s.meaning
	FROM authmeter.setting_list() s
	WHERE CASE WHEN s.type = 'policy' AND split_part(s.name, '.', 1) = ANY (apis)
		THEN NOT authmeter_http.policy_strict(s.name) END
	ORDER BY s.name;
END;
COMMENT ON FUNCTION authmeter_http.weak_behaviour_list(text[]) IS
	'The policies of these APIs that are not strict, with the consequence; the gateway logs each at its start.';

CREATE FUNCTION authmeter_http.deployment_list(apis text[]) RETURNS TABLE (api text, name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT d.api, d.name FROM authmeter_http.deployment d WHERE d.api = ANY (apis)
	ORDER BY d.api, d.fallback, d.name;
END;
COMMENT ON FUNCTION authmeter_http.deployment_list(text[]) IS
	'The deployment variables of these APIs, without the prefix of the API, in the order in which they are to be imported.';

CREATE FUNCTION authmeter_http.gateway_notify() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM pg_notify('authmeter_gateway', '');
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authmeter_http.gateway_notify() IS
	'Statement trigger of the tables that the gateway''s configuration comes from: tells it to read anew.';

CREATE TRIGGER gateway_notify AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON authmeter.setting
	FOR EACH STATEMENT EXECUTE FUNCTION authmeter_http.gateway_notify();
CREATE TRIGGER gateway_notify AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON authmeter.signing_key
	FOR EACH STATEMENT EXECUTE FUNCTION authmeter_http.gateway_notify();

CREATE FUNCTION authmeter_http.signing_key_import(ring text, secret text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	outcome text;
	reason text;
BEGIN
	outcome := authmeter.key_compare(ring, secret);
	IF outcome = 'absent' THEN
		PERFORM authmeter.key_import(ring, secret);
		outcome := 'imported';
	END IF;
	RETURN outcome;
EXCEPTION
	WHEN SQLSTATE 'MA021' OR SQLSTATE 'MA006' OR SQLSTATE 'MA007' THEN
		GET STACKED DIAGNOSTICS reason = PG_EXCEPTION_DETAIL;
		RETURN 'refused:' || coalesce(nullif(reason, ''), SQLERRM);
	WHEN SQLSTATE 'MA022' THEN
		RETURN 'differs';
END
$$;
COMMENT ON FUNCTION authmeter_http.signing_key_import(text, text) IS
	'Puts a deployment''s signing secret into a ring that has none: imported, present, differs, or refused: and why.';

CREATE FUNCTION authmeter_http.secret_import(api text, name text, secret text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	stored bytea;
BEGIN
	INSERT INTO authmeter.deployment_secret (api, name, sealed, created_at)
	VALUES (secret_import.api, secret_import.name,
		authmeter.secret_seal('deployment', secret_import.api, secret_import.name, secret), authmeter.clock())
	ON CONFLICT DO NOTHING;
	IF FOUND THEN
		RETURN 'imported';
	END IF;
	SELECT s.sealed INTO stored FROM authmeter.deployment_secret s
	WHERE s.api = secret_import.api AND s.name = secret_import.name;
	RETURN CASE WHEN authmeter.secret_open('deployment', api, name, stored) = secret THEN 'present'
		ELSE 'differs' END;
EXCEPTION WHEN SQLSTATE 'MA006' THEN
	RETURN 'refused:' || SQLERRM;
END
$$;
COMMENT ON FUNCTION authmeter_http.secret_import(text, text, text) IS
	'Seals a deployment''s secret unless there is one: imported, present, differs, or refused: and why.';

CREATE FUNCTION authmeter_http.setting_import(setting text, value text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	present text;
BEGIN
	SELECT s.value INTO present FROM authmeter.setting s WHERE s.name = setting_import.setting;
	IF NOT FOUND THEN
		PERFORM authmeter.setting_set(setting, value);
		RETURN 'imported';
	END IF;
	-- lists may be written with blanks or without
	RETURN CASE WHEN regexp_replace(present, '\s', '', 'g') = regexp_replace(value, '\s', '', 'g')
		THEN 'present' ELSE 'differs' END;
EXCEPTION WHEN SQLSTATE 'MA003' THEN
	RETURN 'refused:' || SQLERRM;
END
$$;
COMMENT ON FUNCTION authmeter_http.setting_import(text, text) IS
	'Gives a setting the value of a deployment unless it has one: imported, present, differs, or refused: and why.';

CREATE FUNCTION authmeter_http.deployment_import(api text, name text, value text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	variable authmeter_http.deployment;
	outcome text;
BEGIN
	SELECT d.* INTO variable FROM authmeter_http.deployment d
	WHERE d.api = deployment_import.api AND d.name = deployment_import.name;
	IF NOT FOUND OR value IS NULL OR value = '' THEN
		RETURN 'ignored';
	END IF;
	IF variable.setting IS NOT NULL THEN
		outcome := authmeter_http.setting_import(variable.setting, value);
	ELSIF variable.ring IS NULL THEN
		outcome := authmeter_http.secret_import(api, name, value);
	ELSE
		outcome := authmeter_http.signing_key_import(variable.ring, value);
		IF variable.fallback AND outcome = 'differs' THEN
			RETURN 'ignored';
		END IF;
	END IF;
	PERFORM authmeter.audit_append('deployment_import', NULL, split_part(outcome, ':', 1),
		detail => jsonb_build_object('api', api, 'name', name));
	RETURN outcome;
END
$$;
COMMENT ON FUNCTION authmeter_http.deployment_import(text, text, text) IS
	'Takes a variable that an API was deployed with (see deployment_list); pass it by bind parameter, most are secrets. Returns imported (there was none), present (the same), differs (another is in force and stays: rotate or set it in the database), refused: with the reason (the gateway must not start), or ignored (no such variable, empty, or a fallback that is not needed). Audited without the value.';

CREATE FUNCTION authmeter_http.ring_problem(ring text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM authmeter.jws_sign('\x00', ring);
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END
$$;
COMMENT ON FUNCTION authmeter_http.ring_problem(text) IS
	'NULL when the ring can sign now (a byte is signed, and the signature thrown away), else the reason why it cannot.';

CREATE FUNCTION authmeter_http.ring_weak(ring text) RETURNS boolean
LANGUAGE c STABLE STRICT SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_http_ring_weak';
COMMENT ON FUNCTION authmeter_http.ring_weak(text) IS
	'Whether the signing secret of a ring is shorter than the 32 bytes that production demands (contract I13); false without one.';

CREATE FUNCTION authmeter_http.ring_shared(ring text, other text) RETURNS boolean
LANGUAGE c STABLE STRICT SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_http_ring_shared';
COMMENT ON FUNCTION authmeter_http.ring_shared(text, text) IS
	'Whether a secret (HS256) of one ring that has not retired is one of the other''s, too; false when a ring does not exist.';

CREATE FUNCTION authmeter_http.start_check(apis text[])
RETURNS TABLE (severity text, message text, hint text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	component record;
	variable authmeter_http.deployment;
	problem text;
	own regprocedure;
BEGIN
	FOR component IN SELECT * FROM authmeter.status() s WHERE s.state <> 'ok' LOOP
		CONTINUE WHEN component.component NOT IN ('version', 'preload', 'master_key', 'clock');
		RETURN QUERY SELECT CASE WHEN component.component IN ('version', 'master_key') THEN 'error'
			ELSE 'warning' END, component.component || ': ' || component.detail, component.hint;
	END LOOP;
	FOR variable IN SELECT DISTINCT ON (d.ring) d.* FROM authmeter_http.deployment d
		WHERE d.api = ANY (apis) ORDER BY d.ring, d.fallback
	LOOP
		CONTINUE WHEN variable.ring IS NULL;
		problem := authmeter_http.ring_problem(variable.ring);
		IF problem IS NOT NULL THEN
			RETURN QUERY SELECT 'error', format('%s cannot sign tokens: %s', variable.api, problem),
				format('Set %s_%s for the gateway''s first start, or call authmeter.key_import(''%s'', ...).',
					upper(variable.api), variable.name, variable.ring);
		ELSIF authmeter_http.ring_weak(variable.ring) THEN
			RETURN QUERY SELECT 'warning',
				format('the signing secret of %s is shorter than 32 bytes', variable.ring),
				'Production refuses it; rotate it with authmeter.key_rotate.';
		END IF;
		IF variable.ring = variable.api || '-refresh'
			AND authmeter_http.ring_shared(variable.api, variable.ring)
		THEN
			RETURN QUERY SELECT 'error',
				format('access and refresh tokens of %s are signed with the same secret', variable.api),
				format('Give the gateway another %s_%s, or rotate one of the rings with authmeter.key_rotate.',
					upper(variable.api), variable.name);
		END IF;
	END LOOP;
	FOR own IN SELECT p.oid::regprocedure FROM unnest(apis) a (api)
		JOIN pg_proc p ON p.proname = a.api || '_start_check' AND p.pronamespace = 'authmeter_http'::regnamespace
		ORDER BY a.api
	LOOP
		RETURN QUERY EXECUTE format('SELECT * FROM %s', own);
	END LOOP;
END
$$;
COMMENT ON FUNCTION authmeter_http.start_check(text[]) IS
	'What speaks against serving these APIs: severity error (the gateway must not start) or warning, message and hint. An API adds its own by a function authmeter_http.<api>_start_check(). No row: all is well.';

CREATE FUNCTION authmeter_http.lane_enter(lane text) RETURNS integer
LANGUAGE c VOLATILE STRICT SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_http_lane_enter';
COMMENT ON FUNCTION authmeter_http.lane_enter(text) IS
	'Tells which lane of the gateway this session serves. slow: the backend lowers its processor priority to authmeter.slow_lane_nice for the rest of its life, in its autogroup too where Linux has those; fast and write: nothing. Returns the nice value in force. Raises MA007 (argument_invalid) for another lane.';

INSERT INTO authmeter.access_rule VALUES
	('gateway', 'function', 'authmeter_http', 'lane_enter'),
	('gateway', 'function', 'authmeter_http', 'route_list'),
	('gateway', 'function', 'authmeter_http', 'refusal_list'),
	('gateway', 'function', 'authmeter_http', 'gateway_config'),
	('gateway', 'function', 'authmeter_http', 'weak_behaviour_list'),
	('gateway', 'function', 'authmeter_http', 'deployment_list'),
	('gateway', 'function', 'authmeter_http', 'deployment_import'),
	('gateway', 'function', 'authmeter_http', 'start_check');
