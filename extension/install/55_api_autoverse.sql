-- The autoverse API: accounts with codes by mail, sessions in cookies, a second factor. This part has
-- its routes, what its endpoints share (who calls, cookies, refusals) and those that only read; 56 has
-- registration and login, 57 what a user does with the account.
--
-- Every path stands under /api/auth and, as an alias, under /auth.
--
-- Lanes: whatever may compute a bcrypt is slow; what writes is in the write lane, whose calls the
-- gateway never sends again by itself after a lost connection; the fast lane only reads, and may issue
-- a token, which writes nothing.

INSERT INTO authmeter_http.route
	(api, method, path, function, lane, body, body_bytes_max, limited, headers, cookies, limit_group)
SELECT 'autoverse', r.method, p.prefix || r.path, r.function, r.lane,
	r.body, 10485760, r.body <> 'none',
	CASE WHEN r.cookies THEN ARRAY['origin', 'host', 'user-agent'] ELSE '{}' END, r.cookies, r.limit_group
FROM (VALUES ('/api/auth'), ('/auth')) p (prefix), (VALUES
	('POST', '/register', 'autoverse_register', 'slow', 'json', false, 'register'),
	('POST', '/login', 'autoverse_login', 'slow', 'json', true, 'login'),
	('POST', '/logout', 'autoverse_logout', 'write', 'none', true, 'session'),
	('POST', '/refresh', 'autoverse_refresh', 'write', 'none', true, 'session'),
	('POST', '/send-otp', 'autoverse_send_otp', 'write', 'json', false, 'otp'),
	('POST', '/verify-otp', 'autoverse_verify_otp', 'write', 'json', false, 'otp_verify'),
	('POST', '/change-password', 'autoverse_change_password', 'slow', 'json', true, 'password'),
	('POST', '/reset-password', 'autoverse_reset_password', 'slow', 'json', false, 'password'),
	('GET', '/verify-token', 'autoverse_verify_token', 'fast', 'none', true, 'account'),
	('GET', '/me', 'autoverse_me', 'fast', 'none', true, 'account'),
	('POST', '/notifications', 'autoverse_notifications', 'write', 'json', true, 'account'),
	('POST', '/two-factor', 'autoverse_two_factor', 'slow', 'json', true, 'account'),
	('POST', '/two-factor/totp', 'autoverse_totp_enroll', 'write', 'none', true, 'account'),
	('POST', '/two-factor/totp/confirm', 'autoverse_totp_confirm', 'write', 'json', true, 'account'),
	('DELETE', '/two-factor/totp', 'autoverse_totp_disable', 'slow', 'json', true, 'account'),
	('DELETE', '/delete-account', 'autoverse_delete_account', 'slow', 'json', true, 'account'),
	('POST', '/generate-secure-session', 'autoverse_secure_session', 'write', 'json', true, 'secure_session'),
	('POST', '/verify-session', 'autoverse_verify_session', 'write', 'json', false, 'secure_session'),
	('GET', '/sessions', 'autoverse_sessions', 'fast', 'none', true, 'session'),
	('DELETE', '/sessions', 'autoverse_sessions_end', 'write', 'none', true, 'session'),
	('DELETE', '/sessions/:id', 'autoverse_session_end', 'write', 'none', true, 'session')
) r (method, path, function, lane, body, cookies, limit_group);
INSERT INTO authmeter_http.route (api, method, path, function, lane, body, body_bytes_max) VALUES
	('autoverse', 'GET', '/health', 'autoverse_health', 'fast', 'none', 10485760),
	('autoverse', 'GET', '/', 'autoverse_root', 'fast', 'none', 10485760);

INSERT INTO authmeter_http.refusal (api, reason, path, status, body) VALUES
	('autoverse', 'bad_request', '', 400, '{"error":"Bad request","code":"BAD_REQUEST"}'),
	('autoverse', 'body_invalid', '', 400, '{"error":"Invalid request body","code":"VALIDATION_ERROR"}'),
	('autoverse', 'body_too_large', '', 413, '{"error":"Request body too large","code":"PAYLOAD_TOO_LARGE"}'),
	('autoverse', 'not_found', '', 404, '{"error":"Route not found","path":"{{path}}","code":"ROUTE_NOT_FOUND"}'),
	('autoverse', 'method_not_allowed', '', 405, '{"error":"Method not allowed","code":"METHOD_NOT_ALLOWED"}'),
	('autoverse', 'fault', '', 500, '{"error":"Internal server error","code":"SERVER_ERROR"}'),
	('autoverse', 'unavailable', '', 503, '{"error":"Service unavailable","code":"SERVICE_UNAVAILABLE"}');
INSERT INTO authmeter_http.refusal (api, reason, path, status, body)
SELECT 'autoverse', 'fault', p.prefix || f.path, 500,
	format('{"error":%s,"code":%s}', to_json(f.message), to_json(f.area || '_ERROR'))
FROM (VALUES ('/api/auth'), ('/auth')) p (prefix), (VALUES
	('/register', 'REGISTRATION', 'Registration failed'),
	('/login', 'LOGIN', 'Login failed'),
	('/logout', 'LOGIN', 'Logout failed'),
	('/refresh', 'LOGIN', 'Token refresh failed'),
	('/send-otp', 'OTP', 'Failed to send OTP'),
	('/verify-otp', 'OTP', 'Failed to verify OTP'),
	('/change-password', 'PASSWORD_CHANGE', 'Failed to change password'),
	('/reset-password', 'RESET_PASSWORD', 'Failed to reset password'),
	('/verify-token', 'VERIFY', 'Failed to verify token'),
	('/me', 'USER_INFO', 'Failed to get user info'),
	('/notifications', 'NOTIFICATION_UPDATE', 'Failed to update notification preferences'),
	('/two-factor', 'TWO_FACTOR_UPDATE', 'Failed to update two-factor authentication'),
	('/two-factor/totp', 'TWO_FACTOR_UPDATE', 'Failed to update two-factor authentication'),
	('/two-factor/totp/confirm', 'TWO_FACTOR_UPDATE', 'Failed to update two-factor authentication'),
	('/delete-account', 'ACCOUNT_DELETION', 'Failed to delete account'),
	('/generate-secure-session', 'SECURE_SESSION', 'Failed to create secure session'),
	('/verify-session', 'SECURE_SESSION', 'Failed to verify session'),
	('/sessions', 'SESSION', 'Failed to process sessions'),
	('/sessions/:id', 'SESSION', 'Failed to process sessions')
) f (path, area, message);

INSERT INTO authmeter_http.deployment (api, name, ring) VALUES
	('autoverse', 'JWT_SECRET', 'autoverse'),
	('autoverse', 'JWT_REFRESH_SECRET', 'autoverse-refresh');

-- Users of this API ---------------------------------------------------------------------------

CREATE TABLE authmeter.autoverse_profile (
	user_id uuid PRIMARY KEY REFERENCES authmeter.user (id) ON DELETE CASCADE,
	email_enabled boolean NOT NULL DEFAULT true,
	two_factor_enabled boolean NOT NULL DEFAULT false,
	plan_type text NOT NULL DEFAULT 'free' CHECK (length(plan_type) BETWEEN 1 AND 50)
);
COMMENT ON TABLE authmeter.autoverse_profile IS
	'What the autoverse API keeps of a user beyond the pool. A user without a row has the defaults: rows are made by the first change.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.autoverse_profile', '');

CREATE VIEW authmeter.autoverse_users AS
	SELECT u.user_id AS id, u.email, u.has_password, u.name, coalesce(p.plan_type, 'free') AS plan_type,
		0::numeric(10, 2) AS credits_remaining, coalesce(p.email_enabled, true) AS email_enabled,
		coalesce(p.two_factor_enabled, false) AS two_factor_enabled, u.created_at, u.updated_at
	FROM authmeter.user_info u
	LEFT JOIN authmeter.autoverse_profile p ON p.user_id = u.user_id;
COMMENT ON VIEW authmeter.autoverse_users IS
	'All users as the autoverse API sees them; has_password stands for the password hash, which is never shown.';

INSERT INTO authmeter.access_rule VALUES
	('reader', 'view', 'authmeter', 'autoverse_users');

-- Answers -----------------------------------------------------------------------------------------

CREATE TABLE authmeter_http.autoverse_message (
	cause text PRIMARY KEY,
	status integer NOT NULL,
	code text NOT NULL,
	message text NOT NULL
);
COMMENT ON TABLE authmeter_http.autoverse_message IS
	'The refusals of the autoverse endpoints, but those of fields. Part of the extension, not of the data.';
INSERT INTO authmeter_http.autoverse_message (cause, status, code, message) VALUES
	('access_missing', 401, 'TOKEN_MISSING', 'Access token required'),
	('access_expired', 401, 'TOKEN_EXPIRED', 'Token expired'),
	('access_invalid', 401, 'INVALID_TOKEN', 'Invalid token'),
	('user_unknown', 401, 'USER_NOT_FOUND', 'User not found'),
	('origin', 403, 'ORIGIN_NOT_ALLOWED', 'Origin not allowed'),
	('limit', 429, 'RATE_LIMITED', 'Too many requests. Please try again later.'),
	('limit_login', 429, 'RATE_LIMITED', 'Too many login attempts. Please try again later.'),
	('limit_otp', 429, 'RATE_LIMITED', 'Too many OTP requests. Please try again later.'),
	('user_exists', 409, 'USER_EXISTS', 'User with this email already exists'),
	('register_token', 400, 'INVALID_TOKEN', 'Invalid verification token'),
	('register_token_expired', 400, 'TOKEN_EXPIRED',
		'Invalid or expired verification token. Please verify your email again.'),
	('otp_refused', 400, 'INVALID_OTP', 'Invalid or expired OTP'),
	('otp_wrong', 400, 'INVALID_OTP', 'Invalid OTP'),
	('otp_expired', 400, 'OTP_EXPIRED', 'OTP expired or not found. Please request a new one.'),
	('login_refused', 401, 'INVALID_CREDENTIALS', 'Invalid email or password'),
	('login_unverified', 403, 'EMAIL_NOT_VERIFIED', 'Please verify your email before logging in'),
	('second_factor', 401, 'TWO_FACTOR_REQUIRED', 'Two-factor code required'),
	('refresh_missing', 401, 'REFRESH_TOKEN_MISSING', 'Refresh token required'),
	('refresh_refused', 401, 'INVALID_REFRESH_TOKEN', 'Invalid refresh token'),
	('token_refused', 400, 'INVALID_VERIFICATION_TOKEN', 'Invalid or expired verification token'),
	('token_purpose', 400, 'INVALID_TOKEN_PURPOSE', 'Invalid verification token purpose'),
	('token_email', 400, 'TOKEN_EMAIL_MISMATCH', 'Verification token does not match authenticated user'),
	('token_expired', 400, 'TOKEN_EXPIRED', 'Verification token has expired'),
	('password_wrong', 400, 'INVALID_CURRENT_PASSWORD', 'Current password is incorrect'),
	('reset_user_unknown', 404, 'USER_NOT_FOUND', 'User not found'),
	('proof_missing', 400, 'VERIFICATION_REQUIRED', 'Verification required'),
	('redirect_missing', 400, 'MISSING_REDIRECT_URL', 'Redirect URL is required'),
	('redirect_refused', 400, 'REDIRECT_NOT_ALLOWED', 'Redirect URL not allowed'),
	('session_unknown', 404, 'SESSION_NOT_FOUND', 'Session not found'),
	('totp_enabled', 409, 'TOTP_ALREADY_ENABLED', 'Authenticator is already enabled'),
	('totp_missing', 400, 'TOTP_NOT_ENROLLED', 'Authenticator is not set up');

CREATE FUNCTION authmeter_http.autoverse_reply(
	status integer, body text, headers jsonb DEFAULT NULL, cookies text[] DEFAULT NULL)
RETURNS authmeter_http.response
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN ROW(status,
	CASE WHEN cookies IS NULL THEN headers
		ELSE coalesce(headers, '{}') || jsonb_build_object('Set-Cookie', to_jsonb(cookies)) END,
	body)::authmeter_http.response;
COMMENT ON FUNCTION authmeter_http.autoverse_reply(integer, text, jsonb, text[]) IS
	'An answer of the autoverse API, with the headers that the call has gathered; cookies stand in the place of those among them.';

CREATE FUNCTION authmeter_http.autoverse_error(cause text, headers jsonb DEFAULT NULL, cookies text[] DEFAULT NULL)
RETURNS authmeter_http.response
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	refusal authmeter_http.autoverse_message;
BEGIN
	SELECT m.* INTO refusal FROM authmeter_http.autoverse_message m
	WHERE m.cause = autoverse_error.cause;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'unknown cause of a refusal' USING ERRCODE = 'MA080';
	END IF;
	RETURN authmeter_http.autoverse_reply(refusal.status,
		format('{"error":%s,"code":%s}', to_json(refusal.message), to_json(refusal.code)), headers, cookies);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_error(text, jsonb, text[]) IS
	'The refusal of authmeter_http.autoverse_message with this cause.';

CREATE FUNCTION authmeter_http.autoverse_invalid(details text, headers jsonb DEFAULT NULL)
RETURNS authmeter_http.response
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN authmeter_http.autoverse_reply(400,
	format('{"error":"Validation failed","details":%s,"code":"VALIDATION_ERROR"}', details), headers);
COMMENT ON FUNCTION authmeter_http.autoverse_invalid(text, jsonb) IS
	'The refusal of fields, with what autoverse_field_errors found.';

CREATE FUNCTION authmeter_http.autoverse_retry_after(headers jsonb, retry_after_s bigint) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN retry_after_s IS NULL THEN headers
	ELSE coalesce(headers, '{}') || jsonb_build_object('Retry-After', retry_after_s::text) END;
COMMENT ON FUNCTION authmeter_http.autoverse_retry_after(jsonb, bigint) IS
	'Headers with the seconds after which to try again (NULL: as they are).';

CREATE FUNCTION authmeter_http.autoverse_field_errors(request jsonb, VARIADIC rules text[]) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_http_autoverse_field_errors';
COMMENT ON FUNCTION authmeter_http.autoverse_field_errors(jsonb, text[]) IS
	'Checks fields of a request''s body and returns the object details of the refusal, with every field that breaks a rule, or NULL. rules: email, password, newPassword, login.password, currentPassword, name, otp, login.otp, code, purpose, verificationToken, token, emailEnabled, enabled; with ? behind it the field may be missing or null. Raises MA007 (argument_invalid) for another rule.';

CREATE FUNCTION authmeter_http.autoverse_audit(
	request jsonb, action text, user_id uuid, outcome text, email text DEFAULT NULL)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT authmeter.audit_append('autoverse_' || action, user_id, outcome, request->>'ip', request->>'id',
		CASE WHEN email IS NOT NULL THEN jsonb_build_object('email', email) END);
END;
COMMENT ON FUNCTION authmeter_http.autoverse_audit(jsonb, text, uuid, text, text) IS
	'Writes the true outcome of a call to the audit trail.';

-- Cookies -----------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.autoverse_lifetime(setting text) RETURNS interval
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	-- By seconds: a day of an interval may have 23 or 25 hours.
	SELECT make_interval(secs => extract(epoch FROM authmeter.setting_get(setting)::interval)::double precision);
END;
COMMENT ON FUNCTION authmeter_http.autoverse_lifetime(text) IS
	'A setting that is a duration, in seconds.';

CREATE FUNCTION authmeter_http.autoverse_cookie(request jsonb, name text, value text, lifetime interval)
RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	same_site text := initcap(authmeter.setting_get('autoverse.cookie_samesite'));
	domain text := authmeter.setting_get('autoverse.cookie_domain');
	own_host text := lower(split_part(request#>>'{headers,host}', ':', 1));
	secure boolean := same_site = 'None' OR authmeter.setting_get('authmeter.cookie_secure') = 'on'
		OR authmeter.setting_get('authmeter.environment') = 'production';
BEGIN
	-- A browser takes no Domain for this name, and none from a server that it knows by it.
	IF 'localhost' IN (domain, own_host) OR own_host IN ('127.0.0.1', '[') THEN
		domain := '';
	END IF;
	RETURN format('%s=%s; HttpOnly%s; SameSite=%s; Path=%s; Max-Age=%s%s', name, value,
		CASE WHEN secure THEN '; Secure' ELSE '' END, same_site, coalesce(request->>'prefix', '/'),
		extract(epoch FROM lifetime)::bigint, CASE WHEN domain <> '' THEN '; Domain=' || domain ELSE '' END);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_cookie(jsonb, text, text, interval) IS
	'A Set-Cookie value of the autoverse API, in the order of its contract and by its settings of SameSite and Domain; SameSite=None is always Secure.';

CREATE FUNCTION authmeter_http.autoverse_access_cookie(request jsonb, token text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT authmeter_http.autoverse_cookie(request, 'accessToken', token,
		authmeter_http.autoverse_lifetime('autoverse.access_ttl'));
END;
COMMENT ON FUNCTION authmeter_http.autoverse_access_cookie(jsonb, text) IS 'The cookie with an access token.';

CREATE FUNCTION authmeter_http.autoverse_session_cookies(request jsonb, access_token text, refresh_token text)
RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT ARRAY[authmeter_http.autoverse_access_cookie(request, access_token),
		authmeter_http.autoverse_cookie(request, 'refreshToken', refresh_token,
			authmeter_http.autoverse_lifetime('autoverse.refresh_ttl'))];
END;
COMMENT ON FUNCTION authmeter_http.autoverse_session_cookies(jsonb, text, text) IS 'The two cookies of a session.';

CREATE FUNCTION authmeter_http.autoverse_cookies_clear(request jsonb) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT ARRAY[authmeter_http.autoverse_cookie(request, 'accessToken', '', '0'),
		authmeter_http.autoverse_cookie(request, 'refreshToken', '', '0')];
END;
COMMENT ON FUNCTION authmeter_http.autoverse_cookies_clear(jsonb) IS
	'What takes both cookies away from the browser.';

CREATE FUNCTION authmeter_http.autoverse_cookie_values(request jsonb, name text) RETURNS text[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_http_autoverse_cookie_values';
COMMENT ON FUNCTION authmeter_http.autoverse_cookie_values(jsonb, text) IS
	'The values of the cookies of this name, in their order, of the first 4 those that are not empty. Cookies know no ports: another service of the host may have set one of the same name (contract R11).';

CREATE FUNCTION authmeter_http.autoverse_origin_allowed(request jsonb) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	-- A browser leaves the default port out of the Origin, a proxy may have put it into the Host.
	SELECT o.origin IS NULL
		OR o.origin IN ('http://' || o.host, 'https://' || o.host,
			'http://' || regexp_replace(o.host, ':80$', ''), 'https://' || regexp_replace(o.host, ':443$', ''))
		OR o.origin = ANY (regexp_split_to_array(authmeter.setting_get('autoverse.cors_origins'), '[[:space:],]+'))
	FROM (SELECT lower(request#>>'{headers,origin}') AS origin,
		coalesce(lower(request#>>'{headers,host}'), '') AS host) o;
END;
COMMENT ON FUNCTION authmeter_http.autoverse_origin_allowed(jsonb) IS
	'Whether a request that is authenticated by cookie may change something: its Origin is absent, the own host or in autoverse.cors_origins.';

-- Who calls -----------------------------------------------------------------------------------

CREATE TYPE authmeter_http.autoverse_caller AS (
	user_id uuid, session_id uuid, email text, headers jsonb, refusal authmeter_http.response);
COMMENT ON TYPE authmeter_http.autoverse_caller IS
	'A call that has begun: user, login session and address, where it must be authenticated; the headers that its answer must have; and, with a status, the refusal to answer with.';

CREATE FUNCTION authmeter_http.autoverse_access(
	request jsonb, OUT outcome text, OUT user_id uuid, OUT session_id uuid, OUT by_cookie boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	from_cookies constant text[] := authmeter_http.autoverse_cookie_values(request, 'accessToken');
	given text;
	tried integer := 0;
	verified record;
	ranks constant text[] := '{access_missing,access_invalid,user_unknown,access_expired}';
	refusal text;
BEGIN
	outcome := 'access_missing';
	FOREACH given IN ARRAY from_cookies || nullif(request->>'bearer', '') LOOP
		CONTINUE WHEN given IS NULL;
		tried := tried + 1;
		verified := authmeter.token_verify(given, 'autoverse', 'access');
		IF verified.outcome = 'ok' THEN
			outcome := 'ok';
			user_id := verified.user_id;
			session_id := (verified.claims->>'sid')::uuid;
			by_cookie := tried <= cardinality(from_cookies);
			RETURN;
		END IF;
		refusal := CASE verified.outcome WHEN 'user_unknown' THEN 'user_unknown'
			WHEN 'expired' THEN 'access_expired' ELSE 'access_invalid' END;
		IF array_position(ranks, refusal) > array_position(ranks, outcome) THEN
			outcome := refusal;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_access(jsonb) IS
	'The first access token of a request, cookies before the Authorization header, that is good now. outcome: ok, or the cause of the refusal that tells most of those that are not.';

CREATE FUNCTION authmeter_http.autoverse_silent(request jsonb, OUT user_id uuid, OUT session_id uuid, OUT token text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	given text;
	checked record;
BEGIN
	IF authmeter.setting_get('autoverse.silent_refresh') <> 'on' THEN
		RETURN;
	END IF;
	FOREACH given IN ARRAY authmeter_http.autoverse_cookie_values(request, 'refreshToken') LOOP
		checked := authmeter.session_check(given, 'autoverse');
		CONTINUE WHEN checked.outcome <> 'ok';
		token := authmeter.token_issue(checked.user_id, 'autoverse', 'access', '{}',
			authmeter_http.autoverse_lifetime('autoverse.access_ttl'), checked.session_id);
		IF token IS NOT NULL THEN
			user_id := checked.user_id;
			session_id := checked.session_id;
			RETURN;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_silent(jsonb) IS
	'A new access token for the session of the request''s refresh cookie, which is not rotated; all NULL without a good one, or when autoverse.silent_refresh is off.';

CREATE FUNCTION authmeter_http.autoverse_identify(request jsonb, INOUT caller authmeter_http.autoverse_caller)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	access record := authmeter_http.autoverse_access(request);
	silent record;
	fresh_token text;
BEGIN
	IF access.outcome IN ('access_missing', 'access_expired') THEN
		silent := authmeter_http.autoverse_silent(request);
		IF silent.user_id IS NOT NULL THEN
			access.outcome := 'ok';
			access.user_id := silent.user_id;
			access.session_id := silent.session_id;
			access.by_cookie := true;
			fresh_token := silent.token;
		END IF;
	END IF;
	IF access.outcome <> 'ok' THEN
		caller.refusal := authmeter_http.autoverse_error(access.outcome, caller.headers);
	ELSIF access.by_cookie AND request->>'method' IS DISTINCT FROM 'GET' AND NOT authmeter_http.autoverse_origin_allowed(request) THEN
		caller.refusal := authmeter_http.autoverse_error('origin', caller.headers);
	ELSE
		SELECT u.id, access.session_id, u.email INTO caller.user_id, caller.session_id, caller.email
		FROM authmeter.user u WHERE u.id = access.user_id;
		IF NOT FOUND THEN
			caller.refusal := authmeter_http.autoverse_error('user_unknown', caller.headers);
		ELSIF fresh_token IS NOT NULL THEN
			caller.headers := coalesce(caller.headers, '{}') || jsonb_build_object('Set-Cookie',
				jsonb_build_array(authmeter_http.autoverse_access_cookie(request, fresh_token)));
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_identify(jsonb, authmeter_http.autoverse_caller) IS
	'Who calls, by access token or, where that is missing or expired, by the refresh cookie; and that a state change by cookie comes from an allowed origin.';

CREATE FUNCTION authmeter_http.autoverse_limit(
	request jsonb, route_group text, INOUT caller authmeter_http.autoverse_caller, setting text DEFAULT NULL,
	email text DEFAULT NULL, user_id uuid DEFAULT NULL)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	taken record := authmeter_http.limit_take(request, 'autoverse', route_group, setting, NULL, email, user_id,
		CASE WHEN email IS NULL THEN 'address' ELSE 'email' END);
BEGIN
	IF taken.retry_after_s IS NOT NULL THEN
		caller.refusal := authmeter_http.autoverse_error(
			CASE WHEN setting = 'autoverse.otp_limit' THEN 'limit_otp' WHEN route_group = 'login' THEN 'limit_login'
				ELSE 'limit' END,
			coalesce(caller.headers, '{}') || taken.headers);
	-- How much is left for an e-mail address would tell strangers what its owner does.
	ELSIF taken.headers IS NOT NULL AND email IS NULL THEN
		caller.headers := coalesce(caller.headers, '{}') || taken.headers;
	END IF;
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_limit(jsonb, text, authmeter_http.autoverse_caller, text, text, uuid) IS
	'Counts a call against the limits of its group of routes: by client address, or later, once they are known, by e-mail address or user. setting: the limit of the contract.';

CREATE FUNCTION authmeter_http.autoverse_begin(request jsonb, route_group text, setting text DEFAULT NULL)
RETURNS authmeter_http.autoverse_caller
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_limit(request, route_group, NULL, setting);
BEGIN
	IF (caller.refusal).status IS NULL AND request ? 'fault' THEN
		caller.refusal := authmeter_http.fault_reply('autoverse', request->>'fault');
	END IF;
	RETURN caller;
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_begin(jsonb, text, text) IS
	'What comes first in every call: the limits by client address, then the fault that the gateway found in the body.';

CREATE FUNCTION authmeter_http.autoverse_authenticate(request jsonb, route_group text)
RETURNS authmeter_http.autoverse_caller
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_begin(request, route_group);
BEGIN
	IF (caller.refusal).status IS NULL THEN
		caller := authmeter_http.autoverse_identify(request, caller);
	END IF;
	IF (caller.refusal).status IS NULL THEN
		caller := authmeter_http.autoverse_limit(request, route_group, caller, user_id => caller.user_id);
	END IF;
	RETURN caller;
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_authenticate(jsonb, text) IS
	'What comes first in every call of a user: limits, faults of the body, who calls, and the limits by user.';

CREATE FUNCTION authmeter_http.autoverse_user(user_id uuid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN (SELECT format('{"id":%s,"email":%s,"name":%s,"planType":%s,"creditsRemaining":%s}', to_json(u.id),
			to_json(u.email), to_json(u.name), to_json(u.plan_type), trim_scale(u.credits_remaining))
		FROM authmeter.autoverse_users u WHERE u.id = autoverse_user.user_id);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_user(uuid) IS 'The user object of answers.';

-- Endpoints that only read -------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.autoverse_me(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_authenticate(request, 'account');
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	END IF;
	RETURN authmeter_http.autoverse_reply(200,
		'{"success":true,"user":' || authmeter_http.autoverse_user(caller.user_id) || '}', caller.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_me(jsonb) IS 'GET /me: the user who calls.';

CREATE FUNCTION authmeter_http.autoverse_verify_token(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_authenticate(request, 'account');
	account authmeter.autoverse_users;
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	END IF;
	SELECT u.* INTO account FROM authmeter.autoverse_users u WHERE u.id = caller.user_id;
	RETURN authmeter_http.autoverse_reply(200,
		format('{"valid":true,"user":{"id":%s,"email":%s,"planType":%s,"creditsRemaining":%s}}', to_json(account.id),
			to_json(account.email), to_json(account.plan_type), trim_scale(account.credits_remaining)),
		caller.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_verify_token(jsonb) IS
	'GET /verify-token: that the caller''s token is good, and whose it is.';

CREATE FUNCTION authmeter_http.autoverse_health(request jsonb) RETURNS authmeter_http.response
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 200, NULL::jsonb, format('{"status":"OK","timestamp":%s,"environment":%s}',
		to_json(authmeter_http.time_text(authmeter.clock())),
		to_json(authmeter.setting_get('authmeter.environment')));
END;
COMMENT ON FUNCTION authmeter_http.autoverse_health(jsonb) IS
	'GET /health: that the database answers, its time and the environment.';

CREATE FUNCTION authmeter_http.autoverse_root(request jsonb) RETURNS authmeter_http.response
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 200, NULL::jsonb, format('{"status":"OK","timestamp":%s,"environment":%s,"message":"Autoverse Hub API is running"}',
		to_json(authmeter_http.time_text(authmeter.clock())),
		to_json(authmeter.setting_get('authmeter.environment')));
END;
COMMENT ON FUNCTION authmeter_http.autoverse_root(jsonb) IS 'GET /: what is served here.';

INSERT INTO authmeter.access_rule
SELECT DISTINCT 'gateway', 'function', 'authmeter_http'::name, r.function
FROM authmeter_http.route r WHERE r.api = 'autoverse';
