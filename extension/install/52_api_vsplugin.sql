-- The vsplugin API: a session token for a known user, and counters of prompts and model tokens.
--
-- Lanes: /trackUsage writes. /signup is in the write lane too: with the policy strict it writes (the
-- code's row, the outbox, a code used up), and a code is used up once, so that the gateway must not
-- send such a call again by itself after a lost connection, as it may in the fast lane. With the
-- policy documented it costs that lane one look-up and one signature.

INSERT INTO authmeter_http.route (api, method, path, function, lane, body, body_bytes_max, limited, headers, limit_group) VALUES
	('vsplugin', 'POST', '/signup', 'vsplugin_signup', 'write', 'json', 102400, true, '{x-service-token}', 'signup'),
	('vsplugin', 'POST', '/trackUsage', 'vsplugin_track_usage', 'write', 'json', 102400, false, '{idempotency-key}', 'usage'),
	('vsplugin', 'GET', '/health', 'vsplugin_health', 'fast', 'none', 102400, false, '{}', ''),
	('vsplugin', 'GET', '/', 'vsplugin_root', 'fast', 'none', 102400, false, '{}', '');

INSERT INTO authmeter_http.refusal (api, reason, path, status, body) VALUES
	('vsplugin', 'bad_request', '', 400, '{"error":"Bad request"}'),
	('vsplugin', 'body_invalid', '', 400, '{"error":"Invalid request body"}'),
	('vsplugin', 'body_too_large', '', 413, '{"error":"Request body too large"}'),
	('vsplugin', 'not_found', '', 404, '{"error":"Not found"}'),
	('vsplugin', 'method_not_allowed', '', 405, '{"error":"Method not allowed"}'),
	('vsplugin', 'fault', '', 500, '{"error":"Internal server error"}'),
	('vsplugin', 'fault', '/trackUsage', 500, '{"error":"Failed to track usage"}'),
	('vsplugin', 'unavailable', '', 503, '{"error":"Service unavailable"}');

INSERT INTO authmeter_http.deployment (api, name, ring) VALUES
	('vsplugin', 'JWT_SECRET', 'vsplugin'),
	('vsplugin', 'API_KEY', NULL);

INSERT INTO authmeter.meter (id, name, unit, builtin) VALUES
	(1, 'vsplugin.prompt', 'prompt', true),
	(2, 'vsplugin.token', 'token', true);

-- Users of this API ---------------------------------------------------------------------------

CREATE TABLE authmeter.vsplugin_profile (
	user_id uuid PRIMARY KEY REFERENCES authmeter.user (id) ON DELETE CASCADE,
	api_key bytea NOT NULL,
	api_key_handle text NOT NULL
);
COMMENT ON TABLE authmeter.vsplugin_profile IS
	'API keys of users, sealed under the master key, each with the handle that may be shown in its place.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.vsplugin_profile', '');

CREATE VIEW authmeter.vsplugin_users AS
	SELECT u.email, coalesce(t.value, 0) AS token_count, coalesce(p.value, 0) AS prompt_count,
		u.created_at, k.api_key_handle
	FROM authmeter.user u
	LEFT JOIN authmeter.usage_counter p ON p.user_id = u.id AND p.meter_id = 1
	LEFT JOIN authmeter.usage_counter t ON t.user_id = u.id AND t.meter_id = 2
	LEFT JOIN authmeter.vsplugin_profile k ON k.user_id = u.id;
COMMENT ON VIEW authmeter.vsplugin_users IS
	'All users as the vsplugin API sees them. api_key_handle stands for a stored API key, which is never shown; NULL: none is stored.';

CREATE FUNCTION authmeter.vsplugin_api_key_handle(user_id uuid, api_key text) RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
RETURN 'akh_' || authmeter.secret_handle('vsplugin-api-key', user_id::text, coalesce(api_key, ''));
COMMENT ON FUNCTION authmeter.vsplugin_api_key_handle(uuid, text) IS
	'The handle of a user''s API key (NULL: of having none): akh_ and 24 base64url characters of a keyed hash. For authmeter''s own functions.';

CREATE FUNCTION authmeter.vsplugin_user_key_set(user_id uuid, api_key text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF octet_length(api_key) NOT BETWEEN 1 AND 1024 OR api_key ~ '[\x01-\x1f\x7f]' THEN
		RAISE EXCEPTION 'API key must have 1 to 1024 bytes and no control characters' USING ERRCODE = 'MA007',
			HINT = 'Pass NULL for a user without an API key.';
	END IF;
	PERFORM FROM authmeter.user u WHERE u.id = vsplugin_user_key_set.user_id FOR KEY SHARE;
	IF NOT FOUND THEN
		RETURN 'not_found';
	END IF;
	IF api_key IS NULL THEN
		DELETE FROM authmeter.vsplugin_profile p WHERE p.user_id = vsplugin_user_key_set.user_id;
	ELSE
		INSERT INTO authmeter.vsplugin_profile AS p (user_id, api_key, api_key_handle)
		VALUES (vsplugin_user_key_set.user_id,
			authmeter.secret_seal('vsplugin-api-key', vsplugin_user_key_set.user_id::text, 'api_key',
				vsplugin_user_key_set.api_key),
			authmeter.vsplugin_api_key_handle(vsplugin_user_key_set.user_id, vsplugin_user_key_set.api_key))
		ON CONFLICT ON CONSTRAINT vsplugin_profile_pkey DO UPDATE
			SET api_key = EXCLUDED.api_key, api_key_handle = EXCLUDED.api_key_handle;
	END IF;
	PERFORM authmeter.audit_append('vsplugin_user_key_set', vsplugin_user_key_set.user_id,
		CASE WHEN api_key IS NULL THEN 'removed' ELSE 'set' END);
	RETURN CASE WHEN api_key IS NULL THEN 'removed' ELSE 'set' END;
END
$$;
COMMENT ON FUNCTION authmeter.vsplugin_user_key_set(uuid, text) IS
	'Gives a user an API key (1 to 1024 bytes without control characters; pass it by bind parameter) or takes it away (NULL). Returns set, removed or not_found. Audited. Raises MA007 (argument_invalid), MA010 (master_key_missing).';

CREATE FUNCTION authmeter.vsplugin_create_user(email text, api_key text) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	made authmeter.user_result := authmeter.user_create(email);
BEGIN
	IF made.outcome = 'email_taken' THEN
		RAISE EXCEPTION 'a user with this e-mail address exists' USING ERRCODE = 'unique_violation';
	ELSIF made.outcome <> 'created' THEN
		RAISE EXCEPTION 'invalid e-mail address of a user' USING ERRCODE = 'MA032';
	END IF;
	IF api_key IS NOT NULL THEN
		PERFORM authmeter.vsplugin_user_key_set(made.user_id, api_key);
	END IF;
	RETURN made.user_id;
END
$$;
COMMENT ON FUNCTION authmeter.vsplugin_create_user(text, text) IS
	'Makes a user of the pool without a password and returns its id; api_key (1 to 1024 bytes, NULL for none) is stored sealed. Raises unique_violation when the address has a user, MA032 (user_field_invalid) when it is no address, MA007 (argument_invalid).';

-- The deployment's own API key, for SQL callers only ----------------------------------------------

CREATE FUNCTION authmeter.vsplugin_api_key() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT authmeter.secret_open('deployment', s.api, s.name, s.sealed)
	FROM authmeter.deployment_secret s WHERE s.api = 'vsplugin' AND s.name = 'API_KEY';
END;
COMMENT ON FUNCTION authmeter.vsplugin_api_key() IS
	'The server-wide API key that vsplugin was deployed with (API_KEY), in clear; NULL without one. It is never placed in a token or an answer.';

CREATE FUNCTION authmeter.vsplugin_api_key_set(api_key text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	DELETE FROM authmeter.deployment_secret s WHERE s.api = 'vsplugin' AND s.name = 'API_KEY';
	IF api_key IS NOT NULL THEN
		PERFORM authmeter_http.secret_import('vsplugin', 'API_KEY', api_key);
	END IF;
	PERFORM authmeter.audit_append('vsplugin_api_key_set', NULL,
		CASE WHEN api_key IS NULL THEN 'removed' ELSE 'set' END);
	RETURN CASE WHEN api_key IS NULL THEN 'removed' ELSE 'set' END;
END
$$;
COMMENT ON FUNCTION authmeter.vsplugin_api_key_set(text) IS
	'Replaces the server-wide API key (pass it by bind parameter; NULL removes it). Returns set or removed. Audited.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'vsplugin_create_user'),
	('service', 'function', 'authmeter', 'vsplugin_user_key_set'),
	('service', 'function', 'authmeter', 'vsplugin_api_key'),
	('admin', 'function', 'authmeter', 'vsplugin_api_key_set'),
	('reader', 'view', 'authmeter', 'vsplugin_users');

-- Endpoints ---------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.vsplugin_error(status integer, message text)
RETURNS authmeter_http.response
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN ROW(status, NULL, '{"error":' || to_json(message) || '}')::authmeter_http.response;
COMMENT ON FUNCTION authmeter_http.vsplugin_error(integer, text) IS
	'A refusal in the style of the vsplugin API.';

CREATE FUNCTION authmeter_http.vsplugin_api_key_claim(user_id uuid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	profile authmeter.vsplugin_profile;
BEGIN
	SELECT p.* INTO profile FROM authmeter.vsplugin_profile p
	WHERE p.user_id = vsplugin_api_key_claim.user_id;
	IF NOT FOUND THEN
		RETURN authmeter.vsplugin_api_key_handle(user_id, NULL);
	ELSIF authmeter_http.policy_strict('vsplugin.api_key_claim') THEN
		RETURN profile.api_key_handle;
	END IF;
	RETURN authmeter.secret_open('vsplugin-api-key', user_id::text, 'api_key', profile.api_key);
END
$$;
COMMENT ON FUNCTION authmeter_http.vsplugin_api_key_claim(uuid) IS
	'The claim apiKey of a user''s session token: with the policy vsplugin.api_key_claim documented the user''s own key, else, or without one, the handle.';

CREATE FUNCTION authmeter_http.vsplugin_audit(request jsonb, user_id uuid, outcome text, email text)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT authmeter.audit_append('vsplugin_signup', user_id, outcome, request->>'ip', request->>'id',
		jsonb_build_object('email', email));
END;
COMMENT ON FUNCTION authmeter_http.vsplugin_audit(jsonb, uuid, text, text) IS
	'Writes the true outcome of a sign-up call to the audit trail.';

CREATE FUNCTION authmeter_http.vsplugin_session(request jsonb, account authmeter.user_info)
RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	token text;
BEGIN
	-- By seconds: a day of an interval may have 23 or 25 hours.
	token := authmeter.token_issue(account.user_id, 'vsplugin', 'access',
		jsonb_build_object('apiKey', authmeter_http.vsplugin_api_key_claim(account.user_id)),
		make_interval(secs => extract(epoch FROM authmeter.setting_get('vsplugin.token_ttl')::interval)));
	IF token IS NULL THEN
		RETURN authmeter_http.vsplugin_error(404, 'User not found');
	END IF;
	PERFORM authmeter_http.vsplugin_audit(request, account.user_id, 'ok', account.email);
	RETURN ROW(201, NULL::jsonb,
		'{"message":"User signed up successfully","sessionToken":' || to_json(token) || '}');
END
$$;
COMMENT ON FUNCTION authmeter_http.vsplugin_session(jsonb, authmeter.user_info) IS
	'Issues a session token for a user who has proved what the policy asks for.';

-- What the two functions below do must not depend on whether there is a user: the same statements, the
-- same rows written, and no index that holds the one and not the other.
CREATE FUNCTION authmeter_http.vsplugin_code_send(request jsonb, account authmeter.user_info, email text)
RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	-- A text that is no address is nobody's, and everybody can see that.
	IF email IS NOT NULL THEN
		PERFORM authmeter.otp_issue('vsplugin-signup', email, account.user_id,
			decoy => account.user_id IS NULL);
	END IF;
	PERFORM authmeter_http.vsplugin_audit(request, NULL, 'proof_missing', email);
	RETURN authmeter_http.vsplugin_error(401, 'Verification required');
END
$$;
COMMENT ON FUNCTION authmeter_http.vsplugin_code_send(jsonb, authmeter.user_info, text) IS
	'A sign-up call without proof: mails the user a code, at most 5 an hour; to an unknown address it only looks so.';

CREATE FUNCTION authmeter_http.vsplugin_code_try(request jsonb, account authmeter.user_info, email text)
RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	verdict record;
BEGIN
	-- The user's row before the code's, as a change of the password locks them.
	PERFORM FROM authmeter.user u
	WHERE u.email = vsplugin_code_try.email AND u.email_verified_at IS NULL FOR NO KEY UPDATE;
	verdict := authmeter.otp_verify('vsplugin-signup', email, authmeter_http.body_text(request, 'otp'));
	IF verdict.outcome = 'ok' AND account.user_id IS NOT NULL THEN
		PERFORM authmeter.user_email_prove(account.user_id);
		RETURN authmeter_http.vsplugin_session(request, account);
	END IF;
	PERFORM authmeter_http.vsplugin_audit(request, NULL, 'code_' || verdict.reason, email);
	RETURN authmeter_http.vsplugin_error(401, 'Invalid or expired code');
END
$$;
COMMENT ON FUNCTION authmeter_http.vsplugin_code_try(jsonb, authmeter.user_info, text) IS
	'A sign-up call with a code: once a good one gives a session token, and proves the address.';

CREATE FUNCTION authmeter_http.vsplugin_signup_decide(request jsonb, given text, proof_wanted boolean)
RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	email_canonical text := authmeter.user_email_canonical(given);
	account authmeter.user_info;
BEGIN
	SELECT i.* INTO account FROM authmeter.user_info i
	WHERE i.email = email_canonical AND i.disabled_at IS NULL;

	IF NOT proof_wanted
		OR authmeter.service_token_allows(request#>>'{headers,x-service-token}', 'vsplugin:signup')
		OR authmeter_http.network_trusted('vsplugin.trusted_networks', request->>'ip')
	THEN
		IF account.user_id IS NULL THEN
			PERFORM authmeter_http.vsplugin_audit(request, NULL, 'user_unknown', email_canonical);
			RETURN authmeter_http.vsplugin_error(404, 'User not found');
		END IF;
		RETURN authmeter_http.vsplugin_session(request, account);
	ELSIF coalesce(jsonb_typeof(request#>'{body,otp}'), 'null') = 'null' THEN
		RETURN authmeter_http.vsplugin_code_send(request, account, email_canonical);
	END IF;
	RETURN authmeter_http.vsplugin_code_try(request, account, email_canonical);
END
$$;
COMMENT ON FUNCTION authmeter_http.vsplugin_signup_decide(jsonb, text, boolean) IS
	'A sign-up call that is within its limits and names an address.';

CREATE FUNCTION authmeter_http.vsplugin_signup(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	proof_wanted boolean := authmeter_http.policy_strict('vsplugin.signup_proof');
	given text := authmeter_http.body_filled(request, 'email');
	by_address record;
	by_email record;
	reply authmeter_http.response;
BEGIN
	by_address := authmeter_http.limit_take(request, 'vsplugin', 'signup', 'vsplugin.signup_limit',
		CASE WHEN proof_wanted THEN '30/15m' END);
	IF by_address.retry_after_s IS NOT NULL THEN
		reply := authmeter_http.vsplugin_error(429, 'Too many requests');
	ELSIF request ? 'fault' THEN
		reply := authmeter_http.fault_reply('vsplugin', request->>'fault');
	ELSIF given IS NULL THEN
		reply := authmeter_http.vsplugin_error(400, 'Email is required');
	ELSE
		by_email := authmeter_http.limit_take(request, 'vsplugin', 'signup', email => given);
		IF by_email.retry_after_s IS NOT NULL THEN
			RETURN authmeter_http.response_with(authmeter_http.vsplugin_error(429, 'Too many requests'),
				by_email.headers);
		END IF;
		reply := authmeter_http.vsplugin_signup_decide(request, given, proof_wanted);
	END IF;
	RETURN authmeter_http.response_with(reply, by_address.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.vsplugin_signup(jsonb) IS
	'POST /signup: a session token for a known user. Strict mode looks like this from outside: without proof 401, with a wrong code 401, the same for known and unknown addresses, at the same cost; audit_list has the true reason.';

CREATE FUNCTION authmeter_http.vsplugin_track_usage(request jsonb) RETURNS authmeter_http.response
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_http_vsplugin_track_usage';
COMMENT ON FUNCTION authmeter_http.vsplugin_track_usage(jsonb) IS
	'POST /trackUsage: adds usage and tokenCount to the totals of the session token''s user and answers with them. In C, because it is the hottest call there is. With the header Idempotency-Key (1 to 255 bytes) a repeat adds nothing and gets the first answer; the same key with other numbers is refused with 409.';

CREATE FUNCTION authmeter_http.vsplugin_health(request jsonb) RETURNS authmeter_http.response
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 200, NULL::jsonb, format('{"status":"OK","timestamp":%s,"environment":%s}',
		to_json(authmeter_http.time_text(authmeter.clock())),
		to_json(authmeter.setting_get('authmeter.environment')));
END;
COMMENT ON FUNCTION authmeter_http.vsplugin_health(jsonb) IS
	'GET /health: that the database answers, its time and the environment.';

CREATE FUNCTION authmeter_http.vsplugin_root(request jsonb) RETURNS authmeter_http.response
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 200, NULL::jsonb, format('{"status":"OK","service":"vsplugin","timestamp":%s}',
		to_json(authmeter_http.time_text(authmeter.clock())));
END;
COMMENT ON FUNCTION authmeter_http.vsplugin_root(jsonb) IS 'GET /: what is served here.';

INSERT INTO authmeter.access_rule VALUES
	('gateway', 'function', 'authmeter_http', 'vsplugin_signup'),
	('gateway', 'function', 'authmeter_http', 'vsplugin_track_usage'),
	('gateway', 'function', 'authmeter_http', 'vsplugin_health'),
	('gateway', 'function', 'authmeter_http', 'vsplugin_root');
