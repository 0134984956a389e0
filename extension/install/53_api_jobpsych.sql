-- The jobpsych API (version 2.0.0): its tables, its refusals, and what its endpoints share. The
-- endpoints are in the files that follow: 53_api_jobpsych_account.sql and 53_api_jobpsych_upload.sql.
--
-- Lanes: what hashes a password is slow; what changes a row writes; the rest is fast, and may be sent
-- again by the gateway after a lost connection.

INSERT INTO authmeter_http.route
	(api, method, path, function, lane, body, body_bytes_max, limited, headers, cookies, limit_group) VALUES
	('jobpsych', 'POST', '/api/auth/register', 'jobpsych_register', 'slow', 'json', 102400, true, '{user-agent}', true, 'register'),
	('jobpsych', 'POST', '/api/auth/login', 'jobpsych_login', 'slow', 'json', 102400, true, '{user-agent}', true, 'login'),
	('jobpsych', 'POST', '/api/auth/refresh', 'jobpsych_refresh', 'write', 'none', 102400, true, '{}', true, 'refresh'),
	('jobpsych', 'POST', '/api/auth/logout', 'jobpsych_logout', 'write', 'none', 102400, true, '{}', true, 'logout'),
	('jobpsych', 'POST', '/api/auth/reset-password', 'jobpsych_reset_password', 'slow', 'json', 102400, true,
		'{x-service-token}', false, 'password'),
	('jobpsych', 'POST', '/api/auth/forgot-password', 'jobpsych_forgot_password', 'write', 'json', 102400, true, '{}', false, 'password'),
	('jobpsych', 'POST', '/api/auth/change-password', 'jobpsych_change_password', 'slow', 'json', 102400, true, '{}', false, 'password'),
	('jobpsych', 'GET', '/api/auth/profile', 'jobpsych_profile', 'fast', 'none', 102400, true, '{}', false, 'profile'),
	('jobpsych', 'PUT', '/api/auth/update-profile', 'jobpsych_update_profile', 'slow', 'json', 102400, true, '{}', false, 'profile'),
	('jobpsych', 'GET', '/api/auth/user-uploads/:email', 'jobpsych_user_uploads', 'fast', 'none', 102400, true,
		'{x-service-token}', false, 'uploads'),
	('jobpsych', 'POST', '/api/auth/increment-upload', 'jobpsych_increment_upload', 'write', 'json', 102400, true,
		'{x-service-token}', false, 'uploads'),
	('jobpsych', 'GET', '/api/auth/upload-stats', 'jobpsych_upload_stats', 'fast', 'none', 102400, true, '{}', false, 'uploads'),
	('jobpsych', 'POST', '/api/auth/verify-token', 'jobpsych_verify_token', 'fast', 'json', 102400, true, '{}', false, 'token'),
	('jobpsych', 'GET', '/api/auth/jwt-info', 'jobpsych_jwt_info', 'fast', 'none', 102400, true, '{}', false, 'token'),
	('jobpsych', 'GET', '/api/auth/info', 'jobpsych_info', 'fast', 'none', 102400, false, '{}', false, ''),
	('jobpsych', 'GET', '/api/auth/rate-limit-info', 'jobpsych_rate_limit_info', 'fast', 'none', 102400, false, '{}', false, ''),
	('jobpsych', 'POST', '/api/files/upload', 'jobpsych_file_upload', 'write', 'multipart', 10551296, true, '{}', false, 'files'),
	('jobpsych', 'POST', '/api/files/count', 'jobpsych_file_upload', 'write', 'multipart', 10551296, true, '{}', false, 'files'),
	('jobpsych', 'GET', '/api/files/stats', 'jobpsych_file_stats', 'fast', 'none', 102400, true, '{}', false, 'files'),
	('jobpsych', 'GET', '/health', 'jobpsych_health', 'fast', 'none', 102400, false, '{}', false, ''),
	('jobpsych', 'GET', '/', 'jobpsych_root', 'fast', 'none', 102400, false, '{}', false, '');

INSERT INTO authmeter_http.refusal (api, reason, path, status, body) VALUES
	('jobpsych', 'bad_request', '', 400,
		'{"success":false,"message":"Bad request","error":"VALIDATION_ERROR","code":"VALIDATION_ERROR"}'),
	('jobpsych', 'body_invalid', '', 400,
		'{"success":false,"message":"Validation Error","error":"VALIDATION_ERROR","code":"VALIDATION_ERROR"}'),
	('jobpsych', 'body_too_large', '', 413,
		'{"success":false,"message":"Request body too large","error":"PAYLOAD_TOO_LARGE","code":"PAYLOAD_TOO_LARGE"}'),
	('jobpsych', 'body_too_large', '/api/files/upload', 413,
		'{"success":false,"message":"File too large","error":"PAYLOAD_TOO_LARGE","code":"PAYLOAD_TOO_LARGE"}'),
	('jobpsych', 'body_too_large', '/api/files/count', 413,
		'{"success":false,"message":"File too large","error":"PAYLOAD_TOO_LARGE","code":"PAYLOAD_TOO_LARGE"}'),
	('jobpsych', 'not_found', '', 404,
		'{"success":false,"message":"Route {{path}} not found","error":"Not Found","code":"ROUTE_NOT_FOUND"}'),
	('jobpsych', 'method_not_allowed', '', 405,
		'{"success":false,"message":"Method not allowed","error":"METHOD_NOT_ALLOWED","code":"METHOD_NOT_ALLOWED"}'),
	('jobpsych', 'fault', '', 500,
		'{"success":false,"message":"Internal Server Error","error":"SERVER_ERROR","code":"SERVER_ERROR"}'),
	('jobpsych', 'unavailable', '', 503,
		'{"success":false,"message":"Service unavailable","error":"SERVICE_UNAVAILABLE","code":"SERVICE_UNAVAILABLE"}'),
	('jobpsych', 'unavailable', '/health', 503,
		'{"status":"ERROR","service":"jobpsych-auth-api","uptime":0,"timestamp":"{{timestamp}}","version":"2.0.0","environment":"{{environment}}","database":"disconnected","features":{"authentication":"inactive","rateLimiting":"inactive","fileUploads":"inactive","fastapiIntegration":"inactive"}}');
INSERT INTO authmeter_http.refusal (api, reason, style, status, body) VALUES
	('jobpsych', 'fault', 'text', 500,
		'{"success":false,"message":"Internal Server Error","error":"An unexpected error occurred","code":"SERVER_ERROR"}');

INSERT INTO authmeter_http.deployment (api, name, ring, fallback) VALUES
	('jobpsych', 'JWT_ACCESS_SECRET', 'jobpsych', false),
	('jobpsych', 'JWT_SECRET', 'jobpsych', true),
	('jobpsych', 'JWT_REFRESH_SECRET', 'jobpsych-refresh', false);

-- Users and files of this API --------------------------------------------------------------------

CREATE TABLE authmeter.jobpsych_profile (
	user_id uuid PRIMARY KEY REFERENCES authmeter.user (id) ON DELETE CASCADE,
	number bigint GENERATED BY DEFAULT AS IDENTITY UNIQUE,
	company_name text CHECK (pg_catalog.char_length(company_name) BETWEEN 1 AND 255),
	files_uploaded integer NOT NULL DEFAULT 0 CHECK (files_uploaded OPERATOR(pg_catalog.>=) 0),
	files_stored integer NOT NULL DEFAULT 0 CHECK (files_stored OPERATOR(pg_catalog.>=) 0),
	updated_at timestamptz NOT NULL
) WITH (fillfactor = 90);
-- The contract asks for this index (section 10); it costs each count a new index entry.
CREATE INDEX jobpsych_profile_files_uploaded_idx ON authmeter.jobpsych_profile (files_uploaded);
COMMENT ON TABLE authmeter.jobpsych_profile IS
	'What the jobpsych API adds to a user: the serial number that is its id there, the company, the uploads counted (by this API''s file upload and by services) and the files among them. A user made through another API gets its row at the first log-in or upload here.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.jobpsych_profile', '');
SELECT pg_catalog.pg_extension_config_dump(
	pg_catalog.pg_get_serial_sequence('authmeter.jobpsych_profile', 'number')::pg_catalog.regclass, '');

CREATE TABLE authmeter.jobpsych_file (
	user_id uuid NOT NULL REFERENCES authmeter.jobpsych_profile (user_id) ON DELETE CASCADE,
	id integer NOT NULL,
	filename text NOT NULL CHECK (pg_catalog.char_length(filename) BETWEEN 1 AND 255),
	original_name text NOT NULL CHECK (pg_catalog.char_length(original_name) OPERATOR(pg_catalog.<=) 255),
	mime_type text NOT NULL CHECK (pg_catalog.char_length(mime_type) OPERATOR(pg_catalog.<=) 100),
	size_bytes bigint NOT NULL,
	word_count bigint NOT NULL,
	line_count bigint NOT NULL,
	char_count bigint NOT NULL,
	uploaded_at timestamptz NOT NULL,
	PRIMARY KEY (user_id, id)
);
COMMENT ON TABLE authmeter.jobpsych_file IS
	'Files uploaded to the jobpsych API, numbered from 1 for each user: name, size and, of plain text, the counts. Their content is not kept.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.jobpsych_file', '');

CREATE VIEW authmeter.jobpsych_user_info AS
	SELECT u.user_id, p.number, u.name, u.email, coalesce(p.company_name, '') AS company_name,
		coalesce(p.files_uploaded, 0) AS files_uploaded, u.created_at,
		GREATEST(u.updated_at, p.updated_at) AS updated_at, u.disabled_at
	FROM authmeter.user_info u
	LEFT JOIN authmeter.jobpsych_profile p ON p.user_id = u.user_id;
COMMENT ON VIEW authmeter.jobpsych_user_info IS
	'All users as the jobpsych API sees them. number is the id there; NULL until the user has used the API.';

CREATE VIEW authmeter.jobpsych_users AS
	SELECT i.number AS id, i.name, i.email, i.company_name, coalesce(u.password_hash, '') AS password,
		(SELECT pg_catalog.encode(s.refresh_hash, 'hex') FROM authmeter.session s
			WHERE s.user_id = i.user_id AND s.api = 'jobpsych' AND s.refresh_hash IS NOT NULL AND s.ended_at IS NULL
			ORDER BY s.created_at DESC, s.id DESC LIMIT 1) AS refresh_token,
		i.files_uploaded, i.created_at, i.updated_at
	FROM authmeter.jobpsych_user_info i
	JOIN authmeter.user u ON u.id = i.user_id;
COMMENT ON VIEW authmeter.jobpsych_users IS
	'All users in the columns of contract section 10: password is the bcrypt hash (empty without one), refresh_token the SHA-256 of the current refresh token in hex. For moving data only: open to no level of grant_access; jobpsych_user_info shows the rest.';

CREATE VIEW authmeter.jobpsych_files AS
	SELECT f.id, p.number AS user_id, f.filename, f.original_name, f.mime_type, f.size_bytes AS size,
		f.word_count, f.line_count, f.char_count, f.uploaded_at
	FROM authmeter.jobpsych_file f
	JOIN authmeter.jobpsych_profile p ON p.user_id = f.user_id;
COMMENT ON VIEW authmeter.jobpsych_files IS
	'Uploaded files in the columns of contract section 10. user_id is the user''s number; id counts from 1 for each user.';

CREATE FUNCTION authmeter.jobpsych_profile_make(user_id uuid, company_name text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	-- Looked for first: an insert that finds its row there has used up a number all the same.
	PERFORM FROM authmeter.jobpsych_profile p WHERE p.user_id = jobpsych_profile_make.user_id;
	IF FOUND THEN
		RETURN false;
	END IF;
	INSERT INTO authmeter.jobpsych_profile (user_id, company_name, updated_at)
	SELECT u.id, jobpsych_profile_make.company_name, authmeter.clock()
	FROM authmeter.user u WHERE u.id = jobpsych_profile_make.user_id FOR KEY SHARE
	ON CONFLICT DO NOTHING;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION authmeter.jobpsych_profile_make(uuid, text) IS
	'Makes a user''s row of authmeter.jobpsych_profile unless there is one, and says whether it did. For authmeter''s own functions.';

CREATE TYPE authmeter.jobpsych_upload_result AS (outcome text, files_uploaded integer, file_id integer);
COMMENT ON TYPE authmeter.jobpsych_upload_result IS
	'How counting an upload ended: the count after it, and the number of the file if one is stored.';

CREATE FUNCTION authmeter.jobpsych_upload_step(user_id uuid, enforce boolean, stored boolean)
RETURNS authmeter.jobpsych_upload_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	most integer := CASE WHEN enforce THEN authmeter.setting_get('jobpsych.upload_limit')::integer END;
	result authmeter.jobpsych_upload_result;
BEGIN
	UPDATE authmeter.jobpsych_profile p SET
		files_uploaded = p.files_uploaded + 1,
		files_stored = p.files_stored + stored::integer,
		updated_at = authmeter.clock()
	WHERE p.user_id = jobpsych_upload_step.user_id AND (most IS NULL OR p.files_uploaded < most)
	RETURNING 'counted', p.files_uploaded, CASE WHEN stored THEN p.files_stored END INTO result;
	IF NOT FOUND THEN
		SELECT 'limit_reached', p.files_uploaded, NULL INTO result FROM authmeter.jobpsych_profile p
		WHERE p.user_id = jobpsych_upload_step.user_id;
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION authmeter.jobpsych_upload_step(uuid, boolean, boolean) IS
	'The one statement that counts an upload of a user who has a profile: counted or limit_reached; NULLs without a profile. For authmeter''s own functions.';

CREATE FUNCTION authmeter.jobpsych_upload_add(user_id uuid, enforce boolean DEFAULT true, stored boolean DEFAULT false)
RETURNS authmeter.jobpsych_upload_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	result authmeter.jobpsych_upload_result := authmeter.jobpsych_upload_step(user_id, enforce, stored);
BEGIN
	IF result.outcome IS NULL THEN
		PERFORM authmeter.jobpsych_profile_make(user_id);
		result := authmeter.jobpsych_upload_step(user_id, enforce, stored);
	END IF;
	IF result.outcome IS NULL THEN
		result.outcome := 'not_found';
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION authmeter.jobpsych_upload_add(uuid, boolean, boolean) IS
	'Counts an upload of a user. Outcomes: counted; limit_reached, with enforce and jobpsych.upload_limit uploads counted before, however many calls run in parallel; not_found. stored: a file is stored too, and gets the next number.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'jobpsych_upload_add'),
	('reader', 'view', 'authmeter', 'jobpsych_user_info'),
	('reader', 'view', 'authmeter', 'jobpsych_files');

-- Answers -----------------------------------------------------------------------------------------

CREATE TABLE authmeter_http.jobpsych_message (
	cause text PRIMARY KEY,
	status integer NOT NULL,
	message text NOT NULL,
	code text NOT NULL,
	sentence text,
	members text NOT NULL DEFAULT ''
);
COMMENT ON TABLE authmeter_http.jobpsych_message IS
	'The refusals of the jobpsych endpoints. sentence is what error says with jobpsych.error_style text (contract section 9; {{min}} is replaced); NULL: the code. members: further members of the body. Part of the extension, not of the data.';
INSERT INTO authmeter_http.jobpsych_message (cause, status, message, code, sentence) VALUES
	('register_missing', 400, 'Validation Error', 'VALIDATION_ERROR', 'Name, email, password, and company name are required'),
	('register_long', 400, 'Validation Error', 'VALIDATION_ERROR', 'Input data exceeds maximum allowed length'),
	('register_email', 400, 'Validation Error', 'VALIDATION_ERROR', 'Invalid email format'),
	('register_password', 400, 'Validation Error', 'VALIDATION_ERROR', 'Password must be at least {{min}} characters long'),
	('password_long', 400, 'Validation Error', 'VALIDATION_ERROR', 'Password must be at most 72 bytes long'),
	('email_taken', 409, 'User already exists', 'USER_EXISTS', 'A user with this email already exists'),
	('login_missing', 400, 'Validation Error', 'VALIDATION_ERROR', 'Email and password are required'),
	('login_refused', 401, 'Invalid credentials', 'INVALID_CREDENTIALS', 'Invalid email or password'),
	('cookie_missing', 401, 'Refresh token required', 'UNAUTHORIZED', 'No refresh token provided'),
	('refresh_refused', 401, 'Invalid refresh token', 'TOKEN_VERIFICATION_FAILED', 'Refresh token is invalid or expired'),
	('reset_missing', 400, 'Validation Error', 'VALIDATION_ERROR', 'Email and new password are required'),
	('reset_unknown', 404, 'User not found', 'USER_NOT_FOUND', 'No user found with this email address'),
	('reset_token_missing', 401, 'Reset token required', 'RESET_TOKEN_REQUIRED', NULL),
	('reset_token_refused', 401, 'Invalid or expired reset token', 'INVALID_RESET_TOKEN', NULL),
	('forgot_email', 400, 'Validation Error', 'VALIDATION_ERROR', NULL),
	('change_missing', 400, 'Validation error', 'VALIDATION_ERROR', 'All password fields are required'),
	('password_differs', 400, 'Validation error', 'VALIDATION_ERROR', 'New password and confirm password do not match'),
	('new_password_short', 400, 'Validation error', 'VALIDATION_ERROR', 'New password must be at least 8 characters long'),
	('new_password_long', 400, 'Validation error', 'VALIDATION_ERROR', 'Password must be at most 72 bytes long'),
	('current_wrong', 400, 'Invalid current password', 'INVALID_CREDENTIALS', 'Current password is incorrect'),
	('update_nothing', 400, 'Validation error', 'VALIDATION_ERROR', 'At least one field (name or newPassword) must be provided'),
	('update_name_empty', 400, 'Validation error', 'VALIDATION_ERROR', 'Name must be a non-empty string'),
	('update_name_long', 400, 'Validation error', 'VALIDATION_ERROR', 'Name must be less than 255 characters'),
	('update_current', 400, 'Validation error', 'VALIDATION_ERROR', 'Current password is required when changing password'),
	('update_confirm', 400, 'Validation error', 'VALIDATION_ERROR', 'Confirm password is required when changing password'),
	('bearer_missing', 401, 'Access token is required', 'UNAUTHORIZED', NULL),
	('bearer_refused', 401, 'Invalid or expired access token', 'TOKEN_VERIFICATION_FAILED', NULL),
	('user_missing', 404, 'User not found', 'USER_NOT_FOUND', 'User account not found'),
	('quota_email_missing', 400, 'Email is required', 'VALIDATION_ERROR', NULL),
	('quota_email_invalid', 400, 'Invalid email format', 'VALIDATION_ERROR', NULL),
	('quota_user_missing', 404, 'User not found', 'USER_NOT_FOUND', NULL),
	('upload_limit', 429, 'Upload limit reached', 'UPLOAD_LIMIT_REACHED', NULL),
	('token_missing', 400, 'Token is required', 'VALIDATION_ERROR', NULL),
	('token_refused', 401, 'Invalid or expired token', 'TOKEN_VERIFICATION_FAILED', NULL),
	('file_missing', 400, 'No file provided', 'VALIDATION_ERROR', 'Please provide a file to count'),
	('file_type', 400, 'Invalid file type. Only PDF, DOC, DOCX, TXT, and image files are allowed.', 'VALIDATION_ERROR',
		'Invalid file type. Only PDF, DOC, DOCX, TXT, and image files are allowed.'),
	('file_large', 413, 'File too large', 'PAYLOAD_TOO_LARGE', NULL),
	('rate_limited', 429, 'Too many requests', 'RATE_LIMITED', NULL);
INSERT INTO authmeter_http.jobpsych_message (cause, status, message, code, members) VALUES
	('quota_user_other', 404, 'User not found', 'USER_NOT_FOUND', ',"filesUploaded":0');

CREATE FUNCTION authmeter_http.jobpsych_error(cause text, members text DEFAULT '', headers jsonb DEFAULT NULL)
RETURNS authmeter_http.response
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	refusal authmeter_http.jobpsych_message;
	error text;
BEGIN
	SELECT m.* INTO refusal FROM authmeter_http.jobpsych_message m
	WHERE m.cause = jobpsych_error.cause;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'unknown cause of a refusal' USING ERRCODE = 'MA080';
	END IF;
	error := refusal.code;
	IF refusal.sentence IS NOT NULL AND authmeter.setting_get('jobpsych.error_style') = 'text' THEN
		error := replace(refusal.sentence, '{{min}}', authmeter.setting_get('jobpsych.password_min_length'));
	END IF;
	RETURN ROW(refusal.status, headers, format('{"success":false,"message":%s,"error":%s,"code":%s%s%s}',
		to_json(refusal.message), to_json(error), to_json(refusal.code), refusal.members, members));
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_error(text, text, jsonb) IS
	'The refusal of authmeter_http.jobpsych_message with this cause, in the style that jobpsych.error_style asks for. members: JSON members to add, each after a comma.';

CREATE FUNCTION authmeter_http.jobpsych_ok(
	message text, members text DEFAULT '', headers jsonb DEFAULT NULL, status integer DEFAULT 200)
RETURNS authmeter_http.response
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN ROW(status, headers, '{"success":true,"message":' || to_json(message) || members || '}')::authmeter_http.response;
COMMENT ON FUNCTION authmeter_http.jobpsych_ok(text, text, jsonb, integer) IS
	'A success in the style of the jobpsych API. members: JSON members to add, each after a comma.';

CREATE FUNCTION authmeter_http.jobpsych_user(account authmeter.jobpsych_user_info, members text DEFAULT '')
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN format('{"id":%s,"name":%s,"email":%s,"company_name":%s,"filesUploaded":%s%s}',
	to_json((account).number::text), to_json((account).name), to_json((account).email),
	to_json((account).company_name), (account).files_uploaded, members);
COMMENT ON FUNCTION authmeter_http.jobpsych_user(authmeter.jobpsych_user_info, text) IS
	'The user object of the jobpsych API as JSON text, with further members, each after a comma.';

CREATE FUNCTION authmeter_http.jobpsych_time_member(name text, at timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN format(',"%s":%s', name, to_json(authmeter_http.time_text(at)));
COMMENT ON FUNCTION authmeter_http.jobpsych_time_member(text, timestamptz) IS
	'A time as a JSON member, after a comma.';

CREATE FUNCTION authmeter_http.jobpsych_audit(
	request jsonb, action text, user_id uuid, outcome text, email text DEFAULT NULL)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT authmeter.audit_append('jobpsych_' || action, user_id, outcome, request->>'ip', request->>'id',
		CASE WHEN email IS NOT NULL THEN jsonb_build_object('email', email) END);
END;
COMMENT ON FUNCTION authmeter_http.jobpsych_audit(jsonb, text, uuid, text, text) IS
	'Writes the true outcome of a call to the audit trail.';

-- What comes before every endpoint's own work ----------------------------------------------------

CREATE FUNCTION authmeter_http.jobpsych_limited(retry_after_s bigint, headers jsonb DEFAULT NULL)
RETURNS authmeter_http.response
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN authmeter_http.jobpsych_error('rate_limited',
	headers => coalesce(headers, '{}') || jsonb_build_object('Retry-After', retry_after_s::text));
COMMENT ON FUNCTION authmeter_http.jobpsych_limited(bigint, jsonb) IS
	'The refusal of a call above a limit.';

CREATE FUNCTION authmeter_http.jobpsych_gate(request jsonb, route_group text, setting text DEFAULT NULL)
RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	verdict record := authmeter_http.limit_take(request, 'jobpsych', route_group, setting);
BEGIN
	IF verdict.retry_after_s IS NOT NULL THEN
		RETURN authmeter_http.jobpsych_limited(verdict.retry_after_s, verdict.headers);
	ELSIF request ? 'fault' THEN
		RETURN authmeter_http.response_with(authmeter_http.fault_reply('jobpsych', request->>'fault'), verdict.headers);
	END IF;
	RETURN ROW(NULL, verdict.headers, NULL)::authmeter_http.response;
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_gate(jsonb, text, text) IS
	'Counts a call against its limits (that of the setting, and those of authmeter.rate_policy for the group of routes), then looks at the fault that the gateway found: the refusal, or status NULL to go on, with the headers that tell of the limit.';

CREATE FUNCTION authmeter_http.jobpsych_person_gate(
	request jsonb, route_group text, email text DEFAULT NULL, user_id uuid DEFAULT NULL)
RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	verdict record := authmeter_http.limit_take(request, 'jobpsych', route_group, email => email, user_id => user_id);
BEGIN
	IF verdict.retry_after_s IS NOT NULL THEN
		RETURN authmeter_http.jobpsych_limited(verdict.retry_after_s, verdict.headers);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_person_gate(jsonb, text, text, uuid) IS
	'Counts a call against the policies of authmeter.rate_policy by e-mail address or by user, once its fields are known to be good: the refusal, or NULL to go on.';

CREATE TYPE authmeter_http.jobpsych_caller AS (problem text, user_id uuid, session_id uuid, token_id text);
COMMENT ON TYPE authmeter_http.jobpsych_caller IS
	'Who calls, by the access token: problem is NULL, or the cause of the refusal.';

CREATE FUNCTION authmeter_http.jobpsych_authenticate(request jsonb) RETURNS authmeter_http.jobpsych_caller
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	verdict authmeter.token_verification;
BEGIN
	IF coalesce(jsonb_typeof(request->'bearer'), '') <> 'string' OR request->>'bearer' = '' THEN
		RETURN ROW('bearer_missing', NULL, NULL, NULL)::authmeter_http.jobpsych_caller;
	END IF;
	verdict := authmeter.token_verify(request->>'bearer', 'jobpsych', 'access');
	IF verdict.outcome = 'user_unknown' THEN
		RETURN ROW('user_missing', NULL, NULL, NULL)::authmeter_http.jobpsych_caller;
	ELSIF verdict.outcome <> 'ok' THEN
		RETURN ROW('bearer_refused', NULL, NULL, NULL)::authmeter_http.jobpsych_caller;
	END IF;
	RETURN ROW(NULL, verdict.user_id, verdict.claims->>'sid', verdict.claims->>'jti')::authmeter_http.jobpsych_caller;
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_authenticate(jsonb) IS
	'Verifies the access token of a call, its session and its user (contract section 2).';

CREATE FUNCTION authmeter_http.jobpsych_caller_gate(
	request jsonb, caller authmeter_http.jobpsych_caller, route_group text)
RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF caller.problem IS NOT NULL THEN
		RETURN authmeter_http.jobpsych_error(caller.problem);
	END IF;
	RETURN authmeter_http.jobpsych_person_gate(request, route_group, user_id => caller.user_id);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_caller_gate(jsonb, authmeter_http.jobpsych_caller, text) IS
	'For routes that look at nothing but the caller: its problem, or the limits by user: the refusal, or NULL to go on.';

CREATE FUNCTION authmeter_http.jobpsych_account(user_id uuid) RETURNS authmeter.jobpsych_user_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	account authmeter.jobpsych_user_info;
BEGIN
	SELECT i.* INTO account FROM authmeter.jobpsych_user_info i WHERE i.user_id = jobpsych_account.user_id;
	RETURN account;
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_account(uuid) IS 'A user as the jobpsych API sees it; NULLs when there is none.';
