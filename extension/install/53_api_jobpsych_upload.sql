-- The jobpsych API: the upload quota, token checks, files and system routes (contract sections 5 to 8).

-- Upload quota ------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.jobpsych_quota(email text, files_uploaded integer) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	most bigint := authmeter.setting_get('jobpsych.upload_limit')::bigint;
BEGIN
	RETURN format(',"email":%s,"filesUploaded":%s,"limit":%s,"remaining":%s', to_json(email), files_uploaded, most,
		greatest(0, most - files_uploaded));
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_quota(text, integer) IS
	'What the quota routes tell of a user, as JSON members after a comma.';

CREATE FUNCTION authmeter_http.jobpsych_quota_problem(request jsonb, email text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.jobpsych_caller;
BEGIN
	IF NOT authmeter_http.policy_strict('jobpsych.upload_routes')
		OR authmeter.service_token_allows(request#>>'{headers,x-service-token}', 'jobpsych:uploads')
		OR authmeter_http.network_trusted('jobpsych.trusted_networks', request->>'ip')
	THEN
		RETURN NULL;
	END IF;
	caller := authmeter_http.jobpsych_authenticate(request);
	IF caller.problem = 'user_missing' THEN
		RETURN 'quota_user_other';
	ELSIF caller.problem IS NULL
		AND NOT EXISTS (SELECT FROM authmeter.user_info i WHERE i.user_id = caller.user_id
			AND i.email = jobpsych_quota_problem.email)
	THEN
		RETURN 'quota_user_other';
	END IF;
	RETURN caller.problem;
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_quota_problem(jsonb, text) IS
	'Whether the caller may see and count this address''s uploads (policy jobpsych.upload_routes): NULL, or the cause of the refusal. To a user every other address looks unknown.';

CREATE FUNCTION authmeter_http.jobpsych_quota_refusal(request jsonb, email text) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	refusal authmeter_http.response := authmeter_http.jobpsych_person_gate(request, 'uploads', email);
	problem text;
BEGIN
	IF refusal.status IS NULL THEN
		problem := authmeter_http.jobpsych_quota_problem(request, email);
	END IF;
	RETURN CASE WHEN problem IS NULL THEN refusal ELSE authmeter_http.jobpsych_error(problem) END;
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_quota_refusal(jsonb, text) IS
	'What stands against a call about this address: a limit by address, or the policy; NULL: nothing.';

CREATE FUNCTION authmeter_http.jobpsych_user_uploads_answer(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	canonical text := authmeter.user_email_canonical(request#>>'{path,email}');
	refusal authmeter_http.response;
	account authmeter.jobpsych_user_info;
BEGIN
	refusal := CASE WHEN canonical IS NULL THEN authmeter_http.jobpsych_error('quota_email_invalid')
		ELSE authmeter_http.jobpsych_quota_refusal(request, canonical) END;
	IF refusal.status IS NOT NULL THEN
		RETURN refusal;
	END IF;
	SELECT i.* INTO account FROM authmeter.jobpsych_user_info i
	WHERE i.email = canonical AND i.disabled_at IS NULL;
	IF NOT FOUND THEN
		RETURN authmeter_http.jobpsych_error('quota_user_other');
	END IF;
	RETURN ROW(200, NULL::jsonb, format('{"success":true%s,"message":"Upload statistics retrieved successfully"}',
		authmeter_http.jobpsych_quota(account.email, account.files_uploaded)));
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_user_uploads_answer(jsonb) IS
	'How many files the user with the address of the path has uploaded.';

CREATE FUNCTION authmeter_http.jobpsych_user_uploads(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate authmeter_http.response := authmeter_http.jobpsych_gate(request, 'uploads');
BEGIN
	IF gate.status IS NOT NULL THEN
		RETURN gate;
	END IF;
	RETURN authmeter_http.response_with(authmeter_http.jobpsych_user_uploads_answer(request), gate.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_user_uploads(jsonb) IS
	'GET /api/auth/user-uploads/:email: a user''s upload count, for the service that processes files.';

CREATE FUNCTION authmeter_http.jobpsych_increment(email text) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	account authmeter.user_info;
	added authmeter.jobpsych_upload_result;
BEGIN
	SELECT i.* INTO account FROM authmeter.user_info i
	WHERE i.email = jobpsych_increment.email AND i.disabled_at IS NULL;
	IF FOUND THEN
		added := authmeter.jobpsych_upload_add(account.user_id,
			authmeter.setting_get('jobpsych.enforce_upload_limit') = 'on');
	END IF;
	RETURN CASE added.outcome
		WHEN 'counted' THEN authmeter_http.jobpsych_ok('Upload count incremented successfully',
			authmeter_http.jobpsych_quota(email, added.files_uploaded))
		WHEN 'limit_reached' THEN authmeter_http.jobpsych_error('upload_limit',
			authmeter_http.jobpsych_quota(email, added.files_uploaded))
		ELSE authmeter_http.jobpsych_error('quota_user_missing') END;
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_increment(text) IS
	'Counts one upload of the user with this address, past the limit unless jobpsych.enforce_upload_limit is on.';

CREATE FUNCTION authmeter_http.jobpsych_increment_upload_answer(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	given text := authmeter_http.body_text(request, 'email');
	canonical text := authmeter.user_email_canonical(given);
	refusal authmeter_http.response;
BEGIN
	refusal := CASE WHEN coalesce(given, '') = '' THEN authmeter_http.jobpsych_error('quota_email_missing')
		WHEN canonical IS NULL THEN authmeter_http.jobpsych_error('quota_email_invalid')
		ELSE authmeter_http.jobpsych_quota_refusal(request, canonical) END;
	IF refusal.status IS NOT NULL THEN
		RETURN refusal;
	END IF;
	RETURN authmeter_http.jobpsych_increment(canonical);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_increment_upload_answer(jsonb) IS
	'Looks at the address and the caller, and counts.';

CREATE FUNCTION authmeter_http.jobpsych_increment_upload(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate authmeter_http.response := authmeter_http.jobpsych_gate(request, 'uploads');
BEGIN
	IF gate.status IS NOT NULL THEN
		RETURN gate;
	END IF;
	RETURN authmeter_http.response_with(authmeter_http.jobpsych_increment_upload_answer(request), gate.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_increment_upload(jsonb) IS
	'POST /api/auth/increment-upload: counts an upload, for the service that processes files.';

CREATE FUNCTION authmeter_http.jobpsych_upload_stats_answer(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.jobpsych_caller := authmeter_http.jobpsych_authenticate(request);
	refusal authmeter_http.response;
	account authmeter.jobpsych_user_info;
	most bigint := authmeter.setting_get('jobpsych.upload_limit')::bigint;
BEGIN
	-- The quota routes keep the code in every error style.
	caller.problem := CASE caller.problem WHEN 'user_missing' THEN 'quota_user_missing' ELSE caller.problem END;
	refusal := authmeter_http.jobpsych_caller_gate(request, caller, 'uploads');
	IF refusal.status IS NOT NULL THEN
		RETURN refusal;
	END IF;
	account := authmeter_http.jobpsych_account(caller.user_id);
	RETURN ROW(200, NULL::jsonb, format('{"success":true,"stats":{"email":%s,"name":%s,"totalUploads":%s,"limit":%s,'
		'"remaining":%s,"percentage":%s,"canUpload":%s}}', to_json(account.email), to_json(account.name),
		account.files_uploaded, most, greatest(0, most - account.files_uploaded),
		trim_scale(round(least(100, coalesce(100.0 * account.files_uploaded / nullif(most, 0), 100)), 2)),
		to_json(account.files_uploaded < most)));
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_upload_stats_answer(jsonb) IS
	'The caller''s own upload count. With a limit of 0 all of it is used.';

CREATE FUNCTION authmeter_http.jobpsych_upload_stats(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate authmeter_http.response := authmeter_http.jobpsych_gate(request, 'uploads');
BEGIN
	IF gate.status IS NOT NULL THEN
		RETURN gate;
	END IF;
	RETURN authmeter_http.response_with(authmeter_http.jobpsych_upload_stats_answer(request), gate.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_upload_stats(jsonb) IS
	'GET /api/auth/upload-stats: how much of its quota the caller has used.';

CREATE FUNCTION authmeter_http.jobpsych_start_check() RETURNS TABLE (severity text, message text, hint text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF authmeter_http.policy_strict('jobpsych.upload_routes')
		AND authmeter.setting_get('jobpsych.trusted_networks') = ''
		AND NOT EXISTS (SELECT FROM authmeter.service_token_list() t
			WHERE t.state = 'live' AND 'jobpsych:uploads' = ANY (t.scopes))
	THEN
		RETURN QUERY SELECT 'warning',
			'jobpsych.upload_routes is strict, but no service can count uploads',
			'Put the service''s address into jobpsych.trusted_networks, or make it a token with authmeter.create_service_token(name, ''{jobpsych:uploads}'', lifetime).';
	END IF;
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_start_check() IS
	'What authmeter_http.start_check adds for the jobpsych API.';

-- Token checks ------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.jobpsych_secret(
	masked boolean, OUT length integer, OUT first_chars text, OUT last_chars text)
LANGUAGE c STABLE STRICT SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_http_jobpsych_secret';
COMMENT ON FUNCTION authmeter_http.jobpsych_secret(boolean) IS
	'Length, first and last 10 characters of the secret that signs access tokens; masked, or when it has fewer than 40 characters, those of its fingerprint: the 64 lower-case hex digits of HMAC-SHA-256 with the secret as key and "authmeter jwt-info" as message. Raises MA020 (key_unknown).';

CREATE FUNCTION authmeter_http.jobpsych_secret_length(masked boolean) RETURNS integer
LANGUAGE c STABLE STRICT SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_http_jobpsych_secret_length';
COMMENT ON FUNCTION authmeter_http.jobpsych_secret_length(boolean) IS
	'Characters of the secret that signs access tokens; masked: always 64. Raises MA020 (key_unknown).';

CREATE FUNCTION authmeter_http.jobpsych_falsy(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE jsonb_typeof(value)
	WHEN 'string' THEN value = '""'
	WHEN 'number' THEN value = '0'
	WHEN 'boolean' THEN value = 'false'
	WHEN 'array' THEN false
	WHEN 'object' THEN false
	ELSE true END;
COMMENT ON FUNCTION authmeter_http.jobpsych_falsy(jsonb) IS
	'Whether a value is missing, null, "", false or 0.';

CREATE FUNCTION authmeter_http.jobpsych_verify_token_answer(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	verdict authmeter.token_verification;
BEGIN
	IF authmeter_http.jobpsych_falsy(request#>'{body,token}') THEN
		RETURN authmeter_http.jobpsych_error('token_missing');
	END IF;
	verdict := authmeter.token_verify(authmeter_http.body_text(request, 'token'), 'jobpsych', 'access');
	IF verdict.outcome <> 'ok' THEN
		RETURN authmeter_http.jobpsych_error('token_refused');
	END IF;
	RETURN authmeter_http.jobpsych_ok('Token is valid', format(',"decoded":{"userId":%s,"email":%s,"iat":%s,"exp":%s},'
		'"tokenInfo":{"algorithm":"HS256","expiresIn":%s,"secretLength":%s}',
		verdict.claims->'userId', verdict.claims->'email', verdict.claims->'iat', verdict.claims->'exp',
		to_json(authmeter.setting_get('jobpsych.access_ttl')),
		authmeter_http.jobpsych_secret_length(authmeter_http.policy_strict('jobpsych.verify_token'))));
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_verify_token_answer(jsonb) IS
	'Verifies the access token in the body.';

CREATE FUNCTION authmeter_http.jobpsych_verify_token(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	verdict record;
	gate authmeter_http.response;
BEGIN
	IF authmeter_http.policy_strict('jobpsych.verify_token') THEN
		verdict := authmeter.rate_take('jobpsych.verify_token', authmeter.rate_address_key(request->>'ip'), '120/1m');
		IF NOT verdict.allowed THEN
			RETURN authmeter_http.jobpsych_limited(greatest(1, (verdict.retry_after_ms + 999) / 1000));
		END IF;
	END IF;
	gate := authmeter_http.jobpsych_gate(request, 'token');
	IF gate.status IS NOT NULL THEN
		RETURN gate;
	END IF;
	RETURN authmeter_http.response_with(authmeter_http.jobpsych_verify_token_answer(request), gate.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_verify_token(jsonb) IS
	'POST /api/auth/verify-token: whether a token is a valid access token, for services that have not the secret.';

CREATE FUNCTION authmeter_http.jobpsych_jwt_info(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate authmeter_http.response := authmeter_http.jobpsych_gate(request, 'token');
	secret record;
BEGIN
	IF gate.status IS NOT NULL THEN
		RETURN gate;
	END IF;
	secret := authmeter_http.jobpsych_secret(authmeter_http.policy_strict('jobpsych.jwt_info'));
	RETURN authmeter_http.response_with(authmeter_http.jobpsych_ok('JWT configuration information',
		format(',"jwtInfo":{"algorithm":"HS256","accessTokenExpiry":%s,"refreshTokenExpiry":%s,"secretLength":%s,'
			'"secretFirstChars":%s,"secretLastChars":%s,"environment":%s%s},'
			'"note":"Share this info with FastAPI team to ensure JWT secrets match"',
			to_json(authmeter.setting_get('jobpsych.access_ttl')), to_json(authmeter.setting_get('jobpsych.refresh_ttl')),
			secret.length, to_json(secret.first_chars), to_json(secret.last_chars),
			to_json(authmeter.setting_get('authmeter.environment')),
			authmeter_http.jobpsych_time_member('timestamp', authmeter.clock()))), gate.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_jwt_info(jsonb) IS
	'GET /api/auth/jwt-info: enough of the access secret, or of its fingerprint, to see whether two services share it.';

-- Files -------------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.jobpsych_file_name(given text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN left(regexp_replace(given, '[\u0001-\u001f\u007f-\u009f]', '', 'g'), 255);
COMMENT ON FUNCTION authmeter_http.jobpsych_file_name(text) IS
	'The name of a file without control characters, at most 255 characters.';

CREATE FUNCTION authmeter_http.jobpsych_file_type(part jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN lower(btrim(split_part(coalesce(nullif(part->>'type', ''), 'text/plain'), ';', 1), E' \t'));
COMMENT ON FUNCTION authmeter_http.jobpsych_file_type(jsonb) IS
	'The media type of a part without parameters; a part without one is text/plain (RFC 7578 section 4.4).';

CREATE FUNCTION authmeter_http.jobpsych_file_find(request jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found jsonb;
	count integer;
BEGIN
	IF request->>'multipart' = 'ok' AND jsonb_typeof(request->'parts') = 'array' THEN
		SELECT count(*), (array_agg(p.part))[1] INTO count, found
		FROM jsonb_array_elements(request->'parts') p (part) WHERE p.part->>'name' = 'file';
	END IF;
	RETURN CASE WHEN count = 1 AND coalesce(found->>'filename', '') <> '' THEN found END;
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_file_find(jsonb) IS
	'The one part named file of a multipart body, if it is a file (has a file name); NULL when there is none, or more.';

CREATE FUNCTION authmeter_http.jobpsych_file_problem(part jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE
	WHEN part IS NULL THEN 'file_missing'
	WHEN authmeter_http.jobpsych_file_type(part) <> ALL (ARRAY['application/pdf', 'application/msword',
		'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
		'text/plain', 'image/jpeg', 'image/png', 'image/gif']) THEN 'file_type'
	WHEN (part->>'size')::bigint > 10485760 THEN 'file_large' END;
COMMENT ON FUNCTION authmeter_http.jobpsych_file_problem(jsonb) IS 'What is wrong with an uploaded file.';

CREATE FUNCTION authmeter_http.jobpsych_file_store(user_id uuid, file_id integer, part jsonb)
RETURNS authmeter.jobpsych_file
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	type text := authmeter_http.jobpsych_file_type(part);
	counts jsonb := CASE WHEN type = 'text/plain' THEN part->'text' END;
	stored authmeter.jobpsych_file;
BEGIN
	INSERT INTO authmeter.jobpsych_file AS f (user_id, id, filename, original_name, mime_type, size_bytes,
		word_count, line_count, char_count, uploaded_at)
	VALUES (jobpsych_file_store.user_id, file_id,
		coalesce(nullif(authmeter_http.jobpsych_file_name(regexp_replace(part->>'filename', '^.*[/\\]', '')), ''), 'file'),
		authmeter_http.jobpsych_file_name(part->>'filename'), type, (part->>'size')::bigint,
		coalesce((counts->>'words')::bigint, 0), coalesce((counts->>'lines')::bigint, 0),
		coalesce((counts->>'characters')::bigint, 0), authmeter.clock())
	RETURNING f.* INTO stored;
	RETURN stored;
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_file_store(uuid, integer, jsonb) IS
	'Stores what is kept of a file: the last component of its name, type, size and, of plain text, the counts.';

CREATE FUNCTION authmeter_http.jobpsych_file_statistics(file authmeter.jobpsych_file, members text DEFAULT '')
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN format('"statistics":{"words":%s,"lines":%s,"characters":%s%s}', (file).word_count, (file).line_count,
	(file).char_count, members);
COMMENT ON FUNCTION authmeter_http.jobpsych_file_statistics(authmeter.jobpsych_file, text) IS
	'The counts of a file as a JSON member, with further members within, each after a comma.';

CREATE FUNCTION authmeter_http.jobpsych_file_upload_answer(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.jobpsych_caller := authmeter_http.jobpsych_authenticate(request);
	part jsonb := authmeter_http.jobpsych_file_find(request);
	problem text := coalesce(caller.problem, authmeter_http.jobpsych_file_problem(part));
	refusal authmeter_http.response;
	added authmeter.jobpsych_upload_result;
	stored authmeter.jobpsych_file;
BEGIN
	IF problem IS NULL THEN
		refusal := authmeter_http.jobpsych_person_gate(request, 'files', user_id => caller.user_id);
		IF refusal.status IS NOT NULL THEN
			RETURN refusal;
		END IF;
		added := authmeter.jobpsych_upload_add(caller.user_id, true, true);
		problem := CASE added.outcome WHEN 'limit_reached' THEN 'upload_limit' WHEN 'not_found' THEN 'user_missing' END;
	END IF;
	IF problem IS NOT NULL THEN
		RETURN authmeter_http.jobpsych_error(problem);
	END IF;
	stored := authmeter_http.jobpsych_file_store(caller.user_id, added.file_id, part);
	RETURN authmeter_http.jobpsych_ok('File processed successfully',
		format(',"data":{"fileId":%s,"filename":%s,"size":%s,"mimeType":%s,%s}', stored.id, to_json(stored.filename),
			stored.size_bytes, to_json(stored.mime_type), authmeter_http.jobpsych_file_statistics(stored)));
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_file_upload_answer(jsonb) IS
	'Counts the upload, at most jobpsych.upload_limit of them, and stores the file''s row, both or neither.';

CREATE FUNCTION authmeter_http.jobpsych_file_upload(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate authmeter_http.response := authmeter_http.jobpsych_gate(
		CASE WHEN request->>'fault' = 'body_too_large' THEN request - 'fault' ELSE request END, 'files');
BEGIN
	IF gate.status IS NOT NULL THEN
		RETURN gate;
	ELSIF request ? 'fault' THEN
		RETURN authmeter_http.response_with(authmeter_http.jobpsych_error('file_large'), gate.headers);
	END IF;
	RETURN authmeter_http.response_with(authmeter_http.jobpsych_file_upload_answer(request), gate.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_file_upload(jsonb) IS
	'POST /api/files/upload and /api/files/count: takes one file and counts its words.';

CREATE FUNCTION authmeter_http.jobpsych_recent_files(user_id uuid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN (SELECT coalesce(string_agg(format('{"id":%s,"filename":%s%s,%s}', (r.file).id, to_json((r.file).filename),
			authmeter_http.jobpsych_time_member('uploadedAt', (r.file).uploaded_at),
			authmeter_http.jobpsych_file_statistics(r.file, format(',"size":%s', (r.file).size_bytes))),
			',' ORDER BY (r.file).id DESC), '')
		FROM (SELECT f AS file FROM authmeter.jobpsych_file f WHERE f.user_id = jobpsych_recent_files.user_id
			ORDER BY f.id DESC LIMIT 10) r);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_recent_files(uuid) IS
	'A user''s last 10 files, newest first, as the inside of a JSON array.';

CREATE FUNCTION authmeter_http.jobpsych_file_stats_answer(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.jobpsych_caller := authmeter_http.jobpsych_authenticate(request);
	refusal authmeter_http.response := authmeter_http.jobpsych_caller_gate(request, caller, 'files');
	total record;
BEGIN
	IF refusal.status IS NOT NULL THEN
		RETURN refusal;
	END IF;
	SELECT coalesce(sum(f.word_count), 0) AS words, coalesce(sum(f.line_count), 0) AS lines,
		coalesce(sum(f.char_count), 0) AS characters, coalesce(sum(f.size_bytes), 0) AS size INTO total
	FROM authmeter.jobpsych_file f WHERE f.user_id = caller.user_id;
	RETURN authmeter_http.jobpsych_ok('Upload statistics retrieved successfully', format(
		',"data":{"totalFiles":%s,"totalWords":%s,"totalLines":%s,"totalCharacters":%s,"totalSize":%s,"recentFiles":[%s]}',
		(authmeter_http.jobpsych_account(caller.user_id)).files_uploaded, total.words, total.lines, total.characters,
		total.size, authmeter_http.jobpsych_recent_files(caller.user_id)));
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_file_stats_answer(jsonb) IS
	'The caller''s files in numbers, and the last 10.';

CREATE FUNCTION authmeter_http.jobpsych_file_stats(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate authmeter_http.response := authmeter_http.jobpsych_gate(request, 'files');
BEGIN
	IF gate.status IS NOT NULL THEN
		RETURN gate;
	END IF;
	RETURN authmeter_http.response_with(authmeter_http.jobpsych_file_stats_answer(request), gate.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_file_stats(jsonb) IS
	'GET /api/files/stats: what the caller has uploaded.';

-- System routes -----------------------------------------------------------------------------------

CREATE TABLE authmeter_http.jobpsych_endpoint (
	place integer PRIMARY KEY,
	category text NOT NULL,
	method text NOT NULL,
	path text NOT NULL,
	description text NOT NULL,
	authentication text NOT NULL
);
COMMENT ON TABLE authmeter_http.jobpsych_endpoint IS
	'What GET / of the jobpsych API says about its routes. Part of the extension, not of the data.';
INSERT INTO authmeter_http.jobpsych_endpoint VALUES
	(1, 'Authentication', 'POST', '/api/auth/register', 'Register a user and log in', 'None'),
	(2, 'Authentication', 'POST', '/api/auth/login', 'Log in with e-mail and password', 'None'),
	(3, 'Authentication', 'POST', '/api/auth/refresh', 'Renew the access token', 'Refresh token cookie'),
	(4, 'Authentication', 'POST', '/api/auth/logout', 'Log out', 'Refresh token cookie (optional)'),
	(5, 'Password', 'POST', '/api/auth/reset-password', 'Set a new password', 'Policy'),
	(6, 'Password', 'POST', '/api/auth/forgot-password', 'Mail a reset token', 'None'),
	(7, 'Password', 'POST', '/api/auth/change-password', 'Change the password', 'Bearer token'),
	(8, 'Profile', 'GET', '/api/auth/profile', 'Show the account', 'Bearer token'),
	(9, 'Profile', 'PUT', '/api/auth/update-profile', 'Change name or password', 'Bearer token'),
	(10, 'Upload quota', 'GET', '/api/auth/user-uploads/:email', 'Show the upload count of a user', 'Policy'),
	(11, 'Upload quota', 'POST', '/api/auth/increment-upload', 'Count an upload of a user', 'Policy'),
	(12, 'Upload quota', 'GET', '/api/auth/upload-stats', 'Show the own upload quota', 'Bearer token'),
	(13, 'Token', 'POST', '/api/auth/verify-token', 'Verify an access token', 'None'),
	(14, 'Token', 'GET', '/api/auth/jwt-info', 'Show how tokens are signed', 'None'),
	(15, 'Files', 'POST', '/api/files/upload', 'Upload a file and count its words', 'Bearer token'),
	(16, 'Files', 'POST', '/api/files/count', 'The same as /api/files/upload', 'Bearer token'),
	(17, 'Files', 'GET', '/api/files/stats', 'Show the uploaded files', 'Bearer token'),
	(18, 'System', 'GET', '/api/auth/info', 'Show name and version', 'None'),
	(19, 'System', 'GET', '/api/auth/rate-limit-info', 'Show the upload limit', 'None'),
	(20, 'System', 'GET', '/health', 'Show whether the service works', 'None'),
	(21, 'System', 'GET', '/', 'This description', 'None');

CREATE FUNCTION authmeter_http.jobpsych_uptime_s() RETURNS numeric
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN trim_scale(round(extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::numeric, 3));
COMMENT ON FUNCTION authmeter_http.jobpsych_uptime_s() IS
	'Seconds since the database server started.';

CREATE FUNCTION authmeter_http.jobpsych_state() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN format('"status":"Server is running"%s,"environment":%s,"uptime":%s',
		authmeter_http.jobpsych_time_member('timestamp', authmeter.clock()),
		to_json(authmeter.setting_get('authmeter.environment')), authmeter_http.jobpsych_uptime_s());
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_state() IS
	'The members that GET / and /api/auth/info share.';

CREATE FUNCTION authmeter_http.jobpsych_info(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN ROW(200, NULL::jsonb,
		format('{"api":"JobPsych Auth API","version":"2.0.0",%s}', authmeter_http.jobpsych_state()));
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_info(jsonb) IS 'GET /api/auth/info: name, version and state.';

CREATE FUNCTION authmeter_http.jobpsych_rate_limit_info(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN ROW(200, NULL::jsonb, format('{"success":true,"uploadLimit":%s,"message":"Rate limit info endpoint"%s,'
		'"features":{"userUploadTracking":true,"rateLimiting":true,"fastapiIntegration":true}}',
		authmeter.setting_get('jobpsych.upload_limit'),
		authmeter_http.jobpsych_time_member('timestamp', authmeter.clock())));
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_rate_limit_info(jsonb) IS
	'GET /api/auth/rate-limit-info: the upload limit.';

CREATE FUNCTION authmeter_http.jobpsych_health(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN ROW(200, NULL::jsonb, format('{"status":"OK","service":"jobpsych-auth-api","uptime":%s%s,"version":"2.0.0",'
		'"environment":%s,"database":"connected","features":{"authentication":"active","rateLimiting":"active",'
		'"fileUploads":"active","fastapiIntegration":"active"}}', authmeter_http.jobpsych_uptime_s(),
		authmeter_http.jobpsych_time_member('timestamp', authmeter.clock()),
		to_json(authmeter.setting_get('authmeter.environment'))));
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_health(jsonb) IS
	'GET /health: that the database answers. When it does not, the gateway answers in its place.';

CREATE FUNCTION authmeter_http.jobpsych_root(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN ROW(200, NULL::jsonb, format('{"api":"JobPsych Auth API","version":"2.0.0",'
		'"description":"Accounts, sessions, upload quota and token checks",%s,'
		'"features":["User accounts","Rotating refresh tokens","Upload quota","Token verification","File statistics"],'
		'"endpoints":[%s]}', authmeter_http.jobpsych_state(),
		(SELECT string_agg(row_to_json(l)::text, ',' ORDER BY e.place) FROM authmeter_http.jobpsych_endpoint e,
			LATERAL (SELECT e.category, e.method, e.path, e.description, e.authentication) l)));
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_root(jsonb) IS 'GET /: what is served here.';

INSERT INTO authmeter.access_rule VALUES
	('gateway', 'function', 'authmeter_http', 'jobpsych_user_uploads'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_increment_upload'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_upload_stats'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_verify_token'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_jwt_info'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_file_upload'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_file_stats'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_info'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_rate_limit_info'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_health'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_root');
