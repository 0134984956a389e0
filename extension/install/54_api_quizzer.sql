-- The quizzer API: accounts that log in by user name, with a profile and preferences, and one bearer
-- token of seven days. This part has its tables, the functions for services, and its answers; the
-- endpoints are in 54_api_quizzer_endpoint.sql.
--
-- Lanes: what may hash a password is slow, a profile update writes, the rest reads. Reading may give a
-- user of another API its profile; a call that does so may be sent twice without harm.
--
-- Locks: the user's row first, then the profile's. A login holds the user's row from the password's
-- check on, so an update takes that row too before it touches the profile.

INSERT INTO authmeter_http.route (api, method, path, function, lane, body, body_bytes_max, limited, headers, limit_group) VALUES
	('quizzer', 'POST', '/api/auth/register', 'quizzer_register', 'slow', 'json', 10485760, true, '{}', 'auth'),
	('quizzer', 'POST', '/api/auth/login', 'quizzer_login', 'slow', 'json', 10485760, true, '{}', 'auth'),
	('quizzer', 'POST', '/api/auth/validate', 'quizzer_validate', 'fast', 'none', 10485760, true, '{x-service-token}', 'general'),
	('quizzer', 'GET', '/api/auth/profile', 'quizzer_get_profile', 'fast', 'none', 10485760, true, '{}', 'general'),
	('quizzer', 'GET', '/api/user/profile', 'quizzer_get_profile', 'fast', 'none', 10485760, true, '{}', 'general'),
	('quizzer', 'PUT', '/api/auth/profile', 'quizzer_update_profile', 'write', 'json', 10485760, true, '{}', 'update'),
	('quizzer', 'PUT', '/api/user/profile', 'quizzer_update_profile', 'write', 'json', 10485760, true, '{}', 'update'),
	('quizzer', 'DELETE', '/api/user/account', 'quizzer_delete_account', 'slow', 'json', 10485760, true, '{}', 'general'),
	('quizzer', 'GET', '/health', 'quizzer_health', 'fast', 'none', 10485760, false, '{}', ''),
	('quizzer', 'GET', '/', 'quizzer_root', 'fast', 'none', 10485760, true, '{}', 'general');

INSERT INTO authmeter_http.refusal (api, reason, path, status, body) VALUES
	('quizzer', 'bad_request', '', 400,
		'{"success":false,"error":{"message":"Bad request","timestamp":"{{timestamp}}","functionName":"router"}}'),
	('quizzer', 'body_invalid', '', 400,
		'{"success":false,"error":{"message":"Invalid request body","timestamp":"{{timestamp}}","functionName":"validateRequest"}}'),
	('quizzer', 'body_too_large', '', 413,
		'{"success":false,"error":{"message":"Request body too large","code":"PAYLOAD_TOO_LARGE","timestamp":"{{timestamp}}","functionName":"router"}}'),
	('quizzer', 'not_found', '', 404,
		'{"success":false,"error":{"message":"Route {{path}} not found","code":"ROUTE_NOT_FOUND","timestamp":"{{timestamp}}","functionName":"router"}}'),
	('quizzer', 'method_not_allowed', '', 405,
		'{"success":false,"error":{"message":"Method not allowed","code":"METHOD_NOT_ALLOWED","timestamp":"{{timestamp}}","functionName":"router"}}'),
	('quizzer', 'fault', '', 500,
		'{"success":false,"error":{"message":"Internal Server Error","timestamp":"{{timestamp}}","functionName":"router"}}'),
	('quizzer', 'unavailable', '', 503,
		'{"success":false,"error":{"message":"Service unavailable","code":"SERVICE_UNAVAILABLE","timestamp":"{{timestamp}}","functionName":"router"}}'),
	('quizzer', 'unavailable', '/health', 503,
		'{"success":false,"service":"auth-service","status":"unhealthy","timestamp":"{{timestamp}}"}');

INSERT INTO authmeter_http.deployment (api, name, ring) VALUES
	('quizzer', 'JWT_SECRET', 'quizzer');

-- Users of this API ---------------------------------------------------------------------------

CREATE TABLE authmeter.quizzer_profile (
	user_id uuid PRIMARY KEY REFERENCES authmeter.user (id) ON DELETE CASCADE,
	object_id text COLLATE "C" NOT NULL UNIQUE CHECK (object_id OPERATOR(pg_catalog.~) '^[0-9a-f]{24}$'),
	username text COLLATE "C" CHECK (username OPERATOR(pg_catalog.~) '^[A-Za-z0-9_]{3,30}$'),
	first_name text CHECK (pg_catalog.char_length(first_name) BETWEEN 1 AND 50),
	last_name text CHECK (pg_catalog.char_length(last_name) BETWEEN 1 AND 50),
	grade smallint CHECK (grade BETWEEN 1 AND 12),
	preferred_subjects text[] NOT NULL DEFAULT '{}',
	email_notifications boolean NOT NULL DEFAULT true,
	difficulty text NOT NULL DEFAULT 'adaptive' CHECK (difficulty IN ('easy', 'medium', 'hard', 'adaptive')),
	quizzes_taken bigint NOT NULL DEFAULT 0 CHECK (quizzes_taken OPERATOR(pg_catalog.>=) 0),
	average_score numeric(13, 10) NOT NULL DEFAULT 0 CHECK (average_score BETWEEN 0 AND 100),
	strong_subjects text[] NOT NULL DEFAULT '{}',
	weak_subjects text[] NOT NULL DEFAULT '{}',
	last_login_at timestamptz,
	updated_at timestamptz NOT NULL
) WITH (fillfactor = 80);
-- Under the collation "C" lower() touches A to Z only, which is all that a user name may hold.
CREATE UNIQUE INDEX quizzer_profile_username_idx ON authmeter.quizzer_profile (pg_catalog.lower(username));
COMMENT ON TABLE authmeter.quizzer_profile IS
	'What the quizzer API adds to a user. object_id is its id there, and never changes; username is unique ignoring case; updated_at is the time of the last login or profile update, at first that of the user''s creation. A user made through another API gets its row when it is first needed, and cannot log in until authmeter.quizzer_username_set.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.quizzer_profile', '');

CREATE VIEW authmeter.quizzer_users AS
	SELECT i.user_id, p.object_id AS _id, p.username, i.email, p.first_name, p.last_name, p.grade,
		coalesce(p.preferred_subjects, '{}') AS preferred_subjects,
		coalesce(p.email_notifications, true) AS email_notifications,
		coalesce(p.difficulty, 'adaptive') AS difficulty,
		coalesce(p.quizzes_taken, 0) AS total_quizzes_taken, coalesce(p.average_score, 0) AS average_score,
		coalesce(p.strong_subjects, '{}') AS strong_subjects, coalesce(p.weak_subjects, '{}') AS weak_subjects,
		i.created_at, coalesce(p.updated_at, i.created_at) AS updated_at, p.last_login_at, i.disabled_at
	FROM authmeter.user_info i
	LEFT JOIN authmeter.quizzer_profile p ON p.user_id = i.user_id;
COMMENT ON VIEW authmeter.quizzer_users IS
	'All users as the quizzer API sees them. _id is NULL until the user has used the API, username as long as it has none.';

CREATE FUNCTION authmeter.quizzer_object_id_new(user_id uuid) RETURNS text
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT right('0000000' || to_hex(extract(epoch FROM authmeter.clock())::bigint), 8)
		|| substr(user_id::text, 16, 3) || right(gen_random_uuid()::text, 12)
		|| substr(gen_random_uuid()::text, 1, 1);
END;
COMMENT ON FUNCTION authmeter.quizzer_object_id_new(uuid) IS
	'An id of 24 hexadecimal digits for a user: 8 of the time in seconds, 3 of the partition that the user''s own id carries, 13 random.';

CREATE FUNCTION authmeter.quizzer_profile_make(user_id uuid, username text DEFAULT NULL, object_id text DEFAULT NULL)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO authmeter.quizzer_profile (user_id, object_id, username, updated_at)
	SELECT u.id, coalesce(quizzer_profile_make.object_id, authmeter.quizzer_object_id_new(u.id)),
		quizzer_profile_make.username, u.created_at
	FROM authmeter.user u WHERE u.id = quizzer_profile_make.user_id FOR KEY SHARE
	ON CONFLICT ON CONSTRAINT quizzer_profile_pkey DO NOTHING;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION authmeter.quizzer_profile_make(uuid, text, text) IS
	'Makes a user''s row of authmeter.quizzer_profile unless there is one, and says whether it did. Raises unique_violation for a user name or an object id that is taken. For authmeter''s own functions.';

CREATE FUNCTION authmeter.quizzer_username_set(user_id uuid, username text, object_id text DEFAULT NULL)
RETURNS authmeter.user_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	stored text;
	taken text;
BEGIN
	IF username ~ '^[A-Za-z0-9_]{3,30}$' IS NOT TRUE THEN
		RETURN ('username_invalid', user_id)::authmeter.user_result;
	ELSIF object_id !~ '^[0-9a-f]{24}$' THEN
		RETURN ('object_id_invalid', user_id)::authmeter.user_result;
	END IF;
	PERFORM FROM authmeter.user u WHERE u.id = quizzer_username_set.user_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN ('not_found', NULL)::authmeter.user_result;
	END IF;
	BEGIN
		PERFORM authmeter.quizzer_profile_make(user_id, object_id => quizzer_username_set.object_id);
		UPDATE authmeter.quizzer_profile p SET username = quizzer_username_set.username
		WHERE p.user_id = quizzer_username_set.user_id RETURNING p.object_id INTO stored;
		IF stored <> quizzer_username_set.object_id THEN
			RAISE unique_violation USING CONSTRAINT = 'quizzer_profile_object_id_key';
		END IF;
	EXCEPTION WHEN unique_violation THEN
		GET STACKED DIAGNOSTICS taken = CONSTRAINT_NAME;
		RETURN (CASE taken WHEN 'quizzer_profile_username_idx' THEN 'username_taken' ELSE 'object_id_taken' END,
			user_id)::authmeter.user_result;
	END;
	PERFORM authmeter.audit_append('quizzer_username_set', quizzer_username_set.user_id, 'username_set',
		detail => jsonb_build_object('username', quizzer_username_set.username));
	RETURN ('username_set', user_id)::authmeter.user_result;
END
$$;
COMMENT ON FUNCTION authmeter.quizzer_username_set(uuid, text, text) IS
	'Gives a user the name it logs in by at quizzer: 3 to 30 of A-Z a-z 0-9 _, unique ignoring case. object_id is for accounts moved here: the 24 lower-case hexadecimal digits that other services know the user by; NULL keeps the present one or makes one. Outcomes: username_set, username_invalid, username_taken, object_id_invalid, object_id_taken (another user has it, or this one has another, which never changes), not_found. Audited.';

CREATE FUNCTION authmeter.quizzer_user_id(object_id text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT p.user_id FROM authmeter.quizzer_profile p WHERE p.object_id = quizzer_user_id.object_id;
END;
COMMENT ON FUNCTION authmeter.quizzer_user_id(text) IS
	'The user that quizzer knows by this _id; NULL when there is none.';

CREATE FUNCTION authmeter.quizzer_subjects_check(subjects text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN coalesce(array_ndims(subjects), 1) = 1 AND cardinality(subjects) <= 100
	AND NOT EXISTS (SELECT FROM unnest(subjects) s WHERE s IS NULL OR char_length(s) > 100);
COMMENT ON FUNCTION authmeter.quizzer_subjects_check(text[]) IS
	'Whether these may be the subjects of a user: at most 100 texts of at most 100 characters. NULL for NULL.';

CREATE FUNCTION authmeter.quizzer_set_performance(
	user_id uuid, total_quizzes_taken bigint DEFAULT NULL, average_score numeric DEFAULT NULL,
	strong_subjects text[] DEFAULT NULL, weak_subjects text[] DEFAULT NULL)
RETURNS authmeter.user_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF total_quizzes_taken < 0 OR total_quizzes_taken > 9007199254740991 OR average_score NOT BETWEEN 0 AND 100
		OR NOT authmeter.quizzer_subjects_check(strong_subjects) OR NOT authmeter.quizzer_subjects_check(weak_subjects)
	THEN
		RAISE EXCEPTION 'invalid performance of a user' USING ERRCODE = 'MA007',
			HINT = 'A count from 0 to 2^53 - 1, a score from 0 to 100, at most 100 subjects of at most 100 characters.';
	END IF;
	PERFORM authmeter.quizzer_profile_make(user_id);
	UPDATE authmeter.quizzer_profile p SET
		quizzes_taken = coalesce(quizzer_set_performance.total_quizzes_taken, p.quizzes_taken),
		average_score = coalesce(quizzer_set_performance.average_score, p.average_score),
		strong_subjects = coalesce(quizzer_set_performance.strong_subjects, p.strong_subjects),
		weak_subjects = coalesce(quizzer_set_performance.weak_subjects, p.weak_subjects)
	WHERE p.user_id = quizzer_set_performance.user_id;
	IF NOT FOUND THEN
		RETURN ('not_found', NULL)::authmeter.user_result;
	END IF;
	RETURN ('performance_set', user_id)::authmeter.user_result;
END
$$;
COMMENT ON FUNCTION authmeter.quizzer_set_performance(uuid, bigint, numeric, text[], text[]) IS
	'Sets the performance that quizzer shows of a user; NULL leaves a part as it is. The only way to change it: no HTTP call can. average_score (0 to 100) is kept to 10 decimal places. Outcomes: performance_set, not_found. Raises MA007 (argument_invalid).';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'quizzer_set_performance'),
	('service', 'function', 'authmeter', 'quizzer_username_set'),
	('service', 'function', 'authmeter', 'quizzer_user_id'),
	('reader', 'view', 'authmeter', 'quizzer_users');

-- Answers -----------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.quizzer_user(user_id uuid) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT format('{"_id":%s%s,"email":%s,"profile":{%s%s%s"preferredSubjects":%s},'
			'"preferences":{"emailNotifications":%s,"difficulty":%s},'
			'"performance":{"totalQuizzesTaken":%s,"averageScore":%s,"strongSubjects":%s,"weakSubjects":%s},'
			'"createdAt":%s,"updatedAt":%s%s}',
		to_json(q._id), ',"username":' || to_json(q.username), to_json(q.email),
		'"firstName":' || to_json(q.first_name) || ',', '"lastName":' || to_json(q.last_name) || ',',
		'"grade":' || q.grade || ',', to_json(q.preferred_subjects),
		to_json(q.email_notifications), to_json(q.difficulty),
		q.total_quizzes_taken, trim_scale(q.average_score), to_json(q.strong_subjects), to_json(q.weak_subjects),
		to_json(authmeter_http.time_text(q.created_at)), to_json(authmeter_http.time_text(q.updated_at)),
		',"lastLoginAt":' || to_json(authmeter_http.time_text(q.last_login_at)))
	FROM authmeter.quizzer_users q WHERE q.user_id = quizzer_user.user_id AND q._id IS NOT NULL;
END;
COMMENT ON FUNCTION authmeter_http.quizzer_user(uuid) IS
	'The user object of contract section 3 as compact JSON, absent parts left out; NULL for a user without a profile.';

CREATE FUNCTION authmeter_http.quizzer_ok(status integer, message text, data text) RETURNS authmeter_http.response
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN ROW(status, NULL, format('{"success":true,"message":%s,"data":{%s}}', to_json(message), data))::authmeter_http.response;
COMMENT ON FUNCTION authmeter_http.quizzer_ok(integer, text, text) IS
	'An answer of success; data are the members of its object, as JSON text.';

CREATE FUNCTION authmeter_http.quizzer_error(
	status integer, message text, function_name text, details text DEFAULT NULL)
RETURNS authmeter_http.response
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN ROW(status, NULL, format('{"success":false,"error":{"message":%s,"timestamp":%s,"functionName":%s%s}}',
	to_json(message), to_json(authmeter_http.time_text(authmeter.clock())), to_json(function_name),
	',"details":' || details))::authmeter_http.response;
COMMENT ON FUNCTION authmeter_http.quizzer_error(integer, text, text, text) IS
	'A refusal in the style of the quizzer API; details is JSON text or NULL.';

CREATE FUNCTION authmeter_http.quizzer_invalid(problems text[]) RETURNS authmeter_http.response
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN authmeter_http.quizzer_error(400, 'Validation failed: Body: ' || array_to_string(problems, ', '),
	'validateRequest');
COMMENT ON FUNCTION authmeter_http.quizzer_invalid(text[]) IS 'The answer to fields that break their rules.';

CREATE FUNCTION authmeter_http.quizzer_too_many(route_group text, retry_after_s bigint)
RETURNS authmeter_http.response
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN ROW(429, jsonb_build_object('Retry-After', retry_after_s::text),
	format('{"success":false,"error":{"message":%s,"code":%s,"retryAfter":%s}}',
		to_json(CASE route_group WHEN 'auth' THEN 'Too many authentication attempts, please try again later.'
			ELSE 'Too many requests from this IP, please try again later.' END),
		to_json(CASE route_group WHEN 'auth' THEN 'AUTH_RATE_LIMIT_EXCEEDED' ELSE 'RATE_LIMIT_EXCEEDED' END),
		retry_after_s))::authmeter_http.response;
COMMENT ON FUNCTION authmeter_http.quizzer_too_many(text, bigint) IS
	'The answer to a call beyond a limit of a group of routes.';

CREATE FUNCTION authmeter_http.quizzer_fault(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	reply authmeter_http.response := authmeter_http.fault_reply('quizzer', request->>'fault');
BEGIN
	reply.body := replace(reply.body, '{{timestamp}}', authmeter_http.time_text(authmeter.clock()));
	RETURN reply;
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_fault(jsonb) IS
	'The answer to a body that the gateway found faulty.';

CREATE FUNCTION authmeter_http.quizzer_limit(
	request jsonb, route_group text, OUT headers jsonb, OUT reply authmeter_http.response)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	taken record := authmeter_http.limit_take(request, 'quizzer', route_group, 'quizzer.' || route_group || '_limit');
BEGIN
	headers := taken.headers;
	IF taken.quota IS NOT NULL THEN
		headers := jsonb_build_object(
			'RateLimit-Policy', format('%s;w=%s', taken.quota, taken.window_s),
			'RateLimit-Limit', taken.quota::text,
			'RateLimit-Remaining', taken.remaining::text,
			'RateLimit-Reset', taken.reset_s::text,
			'X-RateLimit-Limit', taken.quota::text,
			'X-RateLimit-Remaining', taken.remaining::text,
			'X-RateLimit-Reset', (floor(extract(epoch FROM authmeter.clock()))::bigint + taken.reset_s)::text);
	END IF;
	IF taken.retry_after_s IS NOT NULL THEN
		reply := authmeter_http.quizzer_too_many(route_group, taken.retry_after_s);
	ELSIF request ? 'fault' THEN
		reply := authmeter_http.quizzer_fault(request);
	END IF;
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_limit(jsonb, text) IS
	'Counts a request against the limits of its group of routes by client address. headers: what every answer to it must carry (contract section 7; where only a rate policy limits, its own fields); reply: the refusal of a call that may not go on, beyond a limit or with a faulty body.';
