-- The jobpsych API, row by row of its contract, in both policies and both error styles: status,
-- headers, body, and the state left behind; called by the gateway's role, which can do nothing else.
CREATE ROLE regress_jobpsych_gateway;
SELECT authmeter.grant_access('regress_jobpsych_gateway', 'gateway') > 0 AS granted;
SELECT authmeter.setting_set('authmeter.environment', 'development'), authmeter.setting_set('authmeter.bcrypt_cost', '4');
SELECT severity, message FROM authmeter_http.start_check('{jobpsych}') WHERE message LIKE 'jobpsych%' ORDER BY 2;
SET ROLE regress_jobpsych_gateway;
SELECT * FROM authmeter_http.deployment_list('{jobpsych}');
SELECT authmeter_http.deployment_import('jobpsych', 'JWT_ACCESS_SECRET', 'kT9vN2qLrW8yUe4sDf6gHj1kPz3xCb5m-jobpsych-access'),
	authmeter_http.deployment_import('jobpsych', 'JWT_REFRESH_SECRET', 'pQ4mX7wErT1yUi9oPa2sDf5gHj8kLz3xC-jobpsych-refresh'),
	authmeter_http.deployment_import('jobpsych', 'JWT_SECRET', 'zX8cV3bNm1aSd6fGh2jKl9qWe4rTy7uI-jobpsych-other');
RESET ROLE;
SELECT severity, message FROM authmeter_http.start_check('{jobpsych}') WHERE message LIKE 'jobpsych%' ORDER BY 2;

-- What the gateway reads at its start.
SET ROLE regress_jobpsych_gateway;
SELECT method, path, function, lane, body, body_bytes_max, limited, headers, cookies FROM authmeter_http.route_list('{jobpsych}');
SELECT reason, path, status, body FROM authmeter_http.refusal_list('{jobpsych}');
SELECT policy, consequence FROM authmeter_http.weak_behaviour_list('{jobpsych}');
RESET ROLE;
SELECT authmeter.setting_set('jobpsych.error_style', 'text');
SELECT reason, body FROM authmeter_http.refusal_list('{jobpsych}') WHERE reason IN ('fault', 'unavailable') ORDER BY 1, 2;
SELECT authmeter.setting_set('jobpsych.error_style', NULL);
-- Every route has its function, open to the gateway; the description has every route and no other.
SELECT r.function FROM authmeter_http.route r WHERE r.api = 'jobpsych'
	AND NOT coalesce(has_function_privilege('regress_jobpsych_gateway', to_regprocedure(format('authmeter_http.%I(jsonb)', r.function)), 'EXECUTE'), false);
SELECT coalesce(r.path, e.path) FROM (SELECT * FROM authmeter_http.route WHERE api = 'jobpsych') r
	FULL JOIN authmeter_http.jobpsych_endpoint e USING (method, path) WHERE r.path IS NULL OR e.path IS NULL;

-- One call of an endpoint, as the gateway makes it; tokens, times and hashes are not shown.
CREATE FUNCTION test_mask(value text) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(regexp_replace(value, '[\w-]{8,}\.[\w-]{8,}\.[\w-]{20,}', '<jwt>', 'g'),
		'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z', '<time>', 'g'), '"uptime":\d+(\.\d+)?', '"uptime":<s>') $$;
CREATE FUNCTION test_raw(function text, request jsonb) RETURNS SETOF authmeter_http.response LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL ROLE regress_jobpsych_gateway;
	RETURN QUERY EXECUTE format('SELECT r.* FROM authmeter_http.%I($1) r', function)
		USING '{"id":"r-1","api":"jobpsych","ip":"192.0.2.1"}'::jsonb || request;
	RESET ROLE;
END
$$;
CREATE FUNCTION test_call(function text, request jsonb) RETURNS TABLE (status integer, headers text, body text) LANGUAGE sql AS $$
	SELECT r.status, test_mask(r.headers::text), test_mask(r.body) FROM test_raw(function, request) r $$;
CREATE FUNCTION test_body(function text, body jsonb, bearer text DEFAULT NULL) RETURNS TABLE (status integer, headers text, body text) LANGUAGE sql AS $$
	SELECT * FROM test_call(function, jsonb_build_object('body', body) || CASE WHEN bearer IS NULL THEN '{}' ELSE jsonb_build_object('bearer', bearer) END) $$;
-- Every body of a list, in both styles: error is shown, message and code must not depend on the style.
CREATE FUNCTION test_styles(function text, bodies text[], bearer text DEFAULT NULL) RETURNS TABLE (given text, status integer, message text, code text, sentence text)
LANGUAGE plpgsql AS $$
DECLARE
	one text;
	code_style jsonb;
	text_style jsonb;
BEGIN
	FOREACH one IN ARRAY bodies LOOP
		PERFORM authmeter.setting_set('jobpsych.error_style', 'code');
		SELECT jsonb_build_object('status', c.status) || c.body::jsonb INTO code_style FROM test_body(function, one::jsonb, bearer) c;
		PERFORM authmeter.setting_set('jobpsych.error_style', 'text');
		SELECT jsonb_build_object('status', c.status) || c.body::jsonb INTO text_style FROM test_body(function, one::jsonb, bearer) c;
		PERFORM authmeter.setting_set('jobpsych.error_style', NULL);
		IF code_style - 'error' <> text_style - 'error' OR code_style->>'error' <> code_style->>'code' THEN
			RAISE EXCEPTION 'styles differ: % %', code_style, text_style;
		END IF;
		RETURN QUERY SELECT test_mask(regexp_replace(one, '(.)\1{20,}', '\1..\1', 'g')), (code_style->>'status')::integer,
			code_style->>'message', code_style->>'code', text_style->>'error';
	END LOOP;
END
$$;
-- The tokens of a reply.
CREATE FUNCTION test_access(reply authmeter_http.response) RETURNS text LANGUAGE sql AS $$ SELECT reply.body::jsonb->>'accessToken' $$;
CREATE FUNCTION test_cookie(reply authmeter_http.response) RETURNS text LANGUAGE sql AS $$
	SELECT substring(reply.headers#>>'{Set-Cookie,0}' FROM '^refreshToken=([^;]*)') $$;
CREATE FUNCTION test_sign_in(email text, password text) RETURNS authmeter_http.response LANGUAGE sql AS $$
	SELECT r FROM test_raw('jobpsych_login', jsonb_build_object('body', jsonb_build_object('email', email, 'password', password))) r $$;

-- POST /api/auth/register ------------------------------------------------------------------------
SELECT * FROM test_body('jobpsych_register', '{"name":"Ana Ruiz","email":"Ana@Example.com","password":"abcde","company_name":"Acme"}');
SELECT * FROM test_body('jobpsych_register', '{"name":"é ü © ™ 😀 \"q\" ''; --","email":"bob@example.com","password":"x","companyName":"Bob & Söhne"}');
SELECT * FROM test_body('jobpsych_register', '{"name":" Cy ","email":"cy@example.com","password":" ","company_name":"Wins","companyName":"Loses",
	"id":"99","filesUploaded":7,"role":"admin","verified":true,"created_at":"2000-01-01"}');
SELECT * FROM test_styles('jobpsych_register', ARRAY['{}', '{"name":"N","email":"n@example.com","password":"p"}',
	'{"name":"N","email":"n@example.com","company_name":"C"}', '{"name":"N","password":"p","company_name":"C"}',
	'{"email":"n@example.com","password":"p","company_name":"C"}', '{"name":"","email":"n@example.com","password":"p","company_name":"C"}',
	'{"name":"N","email":"n@example.com","password":"p","company_name":"","companyName":"C"}',
	'{"name":5,"email":"n@example.com","password":"p","company_name":"C"}', '{"name":"N","email":["n@example.com"],"password":"p","company_name":"C"}',
	'{"name":"N","email":"n@example.com","password":12345678,"company_name":"C"}', '{"name":"N","email":"n@example.com","password":"p","company_name":true}',
	format('{"name":"%s","email":"n@example.com","password":"p","company_name":"C"}', repeat('n', 256)),
	format('{"name":"N","email":"%s@example.com","password":"p","company_name":"C"}', repeat('n', 245)),
	format('{"name":"N","email":"n@example.com","password":"%s","company_name":"C"}', repeat('p', 256)),
	format('{"name":"N","email":"n@example.com","password":"p","company_name":"%s"}', repeat('c', 256)),
	'{"name":"N","email":"n@example","password":"p","company_name":"C"}', '{"name":"N","email":"n example@x.com","password":"p","company_name":"C"}',
	'{"name":"N","email":" ","password":"p","company_name":"C"}',
	format('{"name":"N","email":"n@example.com","password":"%s","company_name":"C"}', repeat('p', 73)),
	format('{"name":"N","email":"n@example.com","password":"%s","company_name":"C"}', repeat('é', 37)),
	'{"name":"N","email":" ANA@example.COM ","password":"p","company_name":"C"}']);
SELECT * FROM test_call('jobpsych_register', '{}');
SELECT * FROM test_call('jobpsych_register', '{"fault":"body_invalid"}');
SELECT * FROM test_call('jobpsych_register', '{"fault":"body_too_large"}');
SELECT r.status FROM test_body('jobpsych_register', jsonb_build_object('name', repeat('ü', 255), 'email', 'long@example.com',
	'password', repeat('p', 72), 'company_name', repeat('😀', 255))) r;
SELECT authmeter.setting_set('jobpsych.password_min_length', '6');
SELECT * FROM test_styles('jobpsych_register', ARRAY['{"name":"N","email":"n@example.com","password":"äöü12","company_name":"C"}']);
SELECT authmeter.setting_set('jobpsych.password_min_length', NULL);
SELECT number, name, email, company_name, files_uploaded, disabled_at FROM authmeter.jobpsych_user_info WHERE number IS NOT NULL AND email <> 'long@example.com' ORDER BY 1;
SELECT count(*) AS made FROM authmeter.user WHERE email LIKE 'n%@example.com';
-- The limit, off unless set, comes before the body is looked at.
SELECT authmeter.setting_set('jobpsych.register_limit', '1/1h');
SELECT r.status, r.headers ~ '"Retry-After": "(3600|35\d\d)"' AS retry_after, r.body FROM generate_series(1, 2) n, test_call('jobpsych_register', jsonb_build_object('ip', '198.51.100.1', 'fault', 'body_invalid', 'n', n)) r;
SELECT authmeter.setting_set('jobpsych.register_limit', NULL);

-- POST /api/auth/login ---------------------------------------------------------------------------
SELECT * FROM test_body('jobpsych_login', '{"email":" ANA@example.com","password":"abcde"}');
SELECT * FROM test_styles('jobpsych_login', ARRAY['{}', '{"email":"ana@example.com"}', '{"password":"abcde"}', '{"email":"","password":"abcde"}',
	'{"email":"ana@example.com","password":""}', '{"email":7,"password":"abcde"}', '{"email":"ana@example.com","password":["abcde"]}',
	'{"email":"ana@example.com","password":"wrong"}', '{"email":"nobody@example.com","password":"abcde"}', '{"email":"no address","password":"abcde"}',
	format('{"email":"ana@example.com","password":"%s"}', repeat('p', 73))]);
-- A user of another API gets its profile at the first login; one without a password cannot log in.
SELECT (authmeter.user_create('dora@example.com', 'correct horse', 'Dora')).outcome, (authmeter.user_create('eve@example.com')).outcome;
SELECT * FROM test_body('jobpsych_login', '{"email":"dora@example.com","password":"correct horse"}');
SELECT * FROM test_body('jobpsych_login', '{"email":"eve@example.com","password":"correct horse"}');
SELECT (authmeter.user_disable(user_id)).outcome FROM authmeter.user_find('dora@example.com');
SELECT * FROM test_body('jobpsych_login', '{"email":"dora@example.com","password":"correct horse"}');
SELECT (authmeter.user_enable(user_id)).outcome FROM authmeter.user_find('dora@example.com');
SELECT authmeter.setting_set('jobpsych.login_limit', '1/1h'), authmeter.setting_set('authmeter.login_failures', '2/1h');
SELECT r.status, r.body FROM generate_series(1, 2) n, test_call('jobpsych_login', jsonb_build_object('ip', '198.51.100.2', 'n', n)) r;
SELECT authmeter.setting_set('jobpsych.login_limit', NULL);
SELECT r.status, r.headers ~ '"Retry-After": "\d+"' AS retry_after, r.body FROM generate_series(1, 3) n, test_call('jobpsych_login', jsonb_build_object('ip', '198.51.100.3', 'n', n, 'body', '{"email":"bob@example.com","password":"wrong"}'::jsonb)) r;
SELECT authmeter.setting_set('authmeter.login_failures', NULL);

-- The tokens: these claims and no others, signed by the two secrets.
SELECT test_sign_in('ana@example.com', 'abcde') AS reply \gset
SELECT test_access(:'reply') AS access, test_cookie(:'reply') AS refresh \gset
SELECT u.use, string_agg(k, ' ' ORDER BY k COLLATE "C") AS claims FROM (VALUES ('access', :'access'), ('refresh', :'refresh')) u (use, token),
	authmeter.jwt_decode(u.token) d, jsonb_object_keys(d.claims) k GROUP BY u.use ORDER BY 1;
SELECT d.claims->>'userId' AS "userId", jsonb_typeof(d.claims->'userId') AS type, d.claims->>'email' AS email, d.claims->>'api' AS api,
	d.claims->>'use' AS use, (d.claims->>'exp')::bigint - (d.claims->>'iat')::bigint AS seconds
FROM unnest(ARRAY[:'access', :'refresh']) t (token), authmeter.jwt_decode(t.token) d;
SELECT (test_sign_in('ana@example.com', 'abcde')).headers->'Set-Cookie'->>0 ~ '^refreshToken=[\w.-]+; HttpOnly; Secure; SameSite=Strict; Max-Age=604800; Path=/api/auth$' AS cookie;
SELECT r.headers->'Set-Cookie'->>0 ~ '^refreshToken=[\w.-]+; HttpOnly; Secure; SameSite=Strict; Max-Age=604800; Path=/s/jobpsych/api/auth$' AS below_the_prefix
FROM test_raw('jobpsych_login', '{"prefix":"/s/jobpsych","body":{"email":"ana@example.com","password":"abcde"}}') r;

-- POST /api/auth/refresh, /api/auth/logout ---------------------------------------------------------
CREATE FUNCTION test_refresh(VARIADIC tokens text[]) RETURNS SETOF authmeter_http.response LANGUAGE sql AS $$
	SELECT r.* FROM test_raw('jobpsych_refresh', jsonb_build_object('cookies', jsonb_build_object('refreshToken', to_jsonb(tokens)))) r $$;
CREATE FUNCTION test_refreshed(VARIADIC tokens text[]) RETURNS TABLE (status integer, headers text, body text) LANGUAGE sql AS $$
	SELECT r.status, test_mask(r.headers::text), test_mask(r.body) FROM test_refresh(VARIADIC tokens) r $$;
SELECT * FROM test_styles('jobpsych_refresh', ARRAY['{}']);
SELECT * FROM test_call('jobpsych_refresh', '{"cookies":{"other":["x"]}}');
SELECT * FROM test_call('jobpsych_refresh', '{"cookies":{"refreshToken":[""]}}');
SELECT * FROM test_call('jobpsych_refresh', '{"cookies":{"refreshToken":["abc"]}}');
SELECT authmeter.setting_set('jobpsych.error_style', 'text');
SELECT * FROM test_call('jobpsych_refresh', '{"cookies":{"refreshToken":["abc"]}}');
SELECT authmeter.setting_set('jobpsych.error_style', NULL);
-- The newest login wins; the token before it is dead.
SELECT * FROM test_refreshed(:'refresh');
SELECT test_sign_in('ana@example.com', 'abcde') AS reply \gset
SELECT test_access(:'reply') AS access, test_cookie(:'reply') AS refresh \gset
SELECT * FROM test_refreshed(:'access');
SELECT r AS reply FROM test_refresh(:'refresh') r \gset
SELECT (r.reply).status, test_mask((r.reply).headers::text) AS headers, test_mask((r.reply).body) AS body FROM (SELECT :'reply'::authmeter_http.response AS reply) r;
SELECT test_cookie(:'reply') AS second \gset
SELECT * FROM test_refreshed(:'refresh');
SELECT encode(sha256(:'second'), 'hex') = u.refresh_token AS stored_as_sha256 FROM authmeter.jobpsych_users u WHERE u.email = 'ana@example.com';
-- Several cookies of one name: the current one is found, whatever stands before it.
SELECT r.status, test_cookie(r) AS third FROM test_refresh('abc', :'refresh', :'second') r \gset
SELECT :status AS status;
SELECT r.status FROM test_refresh('abc', 'def', 'ghi', 'jkl', :'third') r;
-- Documented: the reuse above ended nothing. Strict: it does, but never a newer login.
SELECT r.status, test_cookie(r) AS fourth FROM test_refresh(:'third') r \gset
SELECT authmeter.setting_set('jobpsych.refresh_reuse', 'strict');
SELECT * FROM test_refreshed(:'third');
SELECT * FROM test_refreshed(:'fourth');
SELECT refresh_token IS NULL AS closed FROM authmeter.jobpsych_users WHERE email = 'ana@example.com';
SELECT r.status FROM test_raw('jobpsych_profile', jsonb_build_object('bearer', :'access')) r;
SELECT test_sign_in('ana@example.com', 'abcde') AS reply \gset
SELECT test_access(:'reply') AS access, test_cookie(:'reply') AS refresh \gset
SELECT r.status FROM test_refresh(:'fourth') r;
SELECT r.status, test_cookie(r) AS refresh FROM test_refresh(:'refresh') r \gset
SELECT :status AS newer_login_lives;
SELECT authmeter.setting_set('jobpsych.refresh_reuse', NULL);
-- Logout: 200 whatever comes, and the token is revoked if it is the current one.
SELECT * FROM test_call('jobpsych_logout', '{}');
SELECT r.status FROM test_call('jobpsych_logout', '{"cookies":{"refreshToken":["abc"]}}') r;
SELECT r.status FROM test_call('jobpsych_logout', jsonb_build_object('cookies', jsonb_build_object('refreshToken', jsonb_build_array(:'fourth')))) r;
SELECT refresh_token IS NULL AS closed FROM authmeter.jobpsych_users WHERE email = 'ana@example.com';
SELECT * FROM test_call('jobpsych_logout', jsonb_build_object('prefix', '/p', 'cookies', jsonb_build_object('refreshToken', jsonb_build_array('abc', :'refresh'))));
SELECT refresh_token IS NULL AS closed FROM authmeter.jobpsych_users WHERE email = 'ana@example.com';
SELECT * FROM test_refreshed(:'refresh');
SELECT r.status AS access_token_lives FROM test_raw('jobpsych_profile', jsonb_build_object('bearer', :'access')) r;

-- Bearer failures, on every route that asks for the token -----------------------------------------
SELECT f.function, t.what, r.status, r.body FROM unnest(ARRAY['jobpsych_profile', 'jobpsych_change_password', 'jobpsych_update_profile',
	'jobpsych_upload_stats', 'jobpsych_file_upload', 'jobpsych_file_stats']) f (function),
	(VALUES (1, 'none', '{}'::jsonb), (2, 'empty', '{"bearer":""}'), (3, 'bad', '{"bearer":"abc"}'), (4, 'refresh', jsonb_build_object('bearer', :'refresh'))) t (n, what, request),
	test_call(f.function, t.request || '{"body":{}}') r ORDER BY f.function, t.n;
SELECT authmeter.setting_set('jobpsych.error_style', 'text');
SELECT r.status, r.body FROM test_call('jobpsych_profile', '{}') r;
SELECT r.status, r.body FROM test_call('jobpsych_profile', '{"bearer":"abc"}') r;
SELECT authmeter.setting_set('jobpsych.error_style', NULL);
SELECT test_sign_in('cy@example.com', ' ') AS reply \gset
SELECT test_access(:'reply') AS cy \gset
SELECT (authmeter.user_disable(user_id)).outcome FROM authmeter.user_find('cy@example.com');
SELECT r.status, r.body FROM test_call('jobpsych_profile', jsonb_build_object('bearer', :'cy')) r;
SELECT (authmeter.user_delete(user_id)).outcome FROM authmeter.user_find('cy@example.com');
SELECT f.function, r.status, r.body FROM unnest(ARRAY['jobpsych_profile', 'jobpsych_change_password', 'jobpsych_update_profile',
	'jobpsych_upload_stats', 'jobpsych_file_upload', 'jobpsych_file_stats']) f (function),
	test_call(f.function, jsonb_build_object('bearer', :'cy')) r ORDER BY f.function;
SELECT authmeter.setting_set('jobpsych.error_style', 'text');
SELECT f.function, r.body::jsonb->>'error' AS error FROM unnest(ARRAY['jobpsych_profile', 'jobpsych_upload_stats']) f (function),
	test_call(f.function, jsonb_build_object('bearer', :'cy')) r ORDER BY f.function;
SELECT authmeter.setting_set('jobpsych.error_style', NULL);

-- GET /api/auth/profile, PUT /api/auth/update-profile ------------------------------------------------
SELECT * FROM test_call('jobpsych_profile', jsonb_build_object('bearer', :'access'));
SELECT * FROM test_body('jobpsych_update_profile', '{"name":" \u3000Ana María ","company_name":"Other","email":"x@example.com","filesUploaded":5,"id":"9"}', :'access');
SELECT * FROM test_styles('jobpsych_update_profile', ARRAY['{}', '{"name":null,"newPassword":null}', '{"company_name":"Other"}', '{"name":""}', '{"name":" \u00a0\t"}', '{"name":5}',
	format('{"name":"%s"}', repeat('n', 256)), '{"newPassword":"new password"}', '{"newPassword":"new password","currentPassword":"abcde"}',
	'{"newPassword":"new password","confirmPassword":"new password"}', '{"newPassword":"new password","currentPassword":5,"confirmPassword":"new password"}',
	'{"newPassword":"new password","currentPassword":"abcde","confirmPassword":"another one"}',
	'{"newPassword":"seven77","currentPassword":"abcde","confirmPassword":"seven77"}', '{"newPassword":12345678,"currentPassword":"abcde","confirmPassword":"12345678"}',
	format('{"newPassword":"%s","currentPassword":"abcde","confirmPassword":"%1$s"}', repeat('p', 73)),
	format('{"newPassword":"new password","currentPassword":"%s","confirmPassword":"new password"}', repeat('p', 73)),
	'{"name":"Kept","newPassword":"new password","currentPassword":"wrong","confirmPassword":"new password"}'], :'access');
SELECT number, name, email, company_name, files_uploaded FROM authmeter.jobpsych_user_info WHERE email = 'ana@example.com';
-- A new password: everything older is refused but this token; the session cannot be refreshed.
SELECT test_sign_in('ana@example.com', 'abcde') AS reply \gset
SELECT test_access(:'reply') AS older \gset
SELECT test_sign_in('ana@example.com', 'abcde') AS reply \gset
SELECT test_access(:'reply') AS access, test_cookie(:'reply') AS refresh \gset
SELECT * FROM test_body('jobpsych_update_profile', '{"name":"Ana","newPassword":"second secret","currentPassword":"abcde","confirmPassword":"second secret"}', :'access');
SELECT r.status AS own, (SELECT o.status FROM test_raw('jobpsych_profile', jsonb_build_object('bearer', :'older')) o) AS older,
	(SELECT c.status FROM test_refresh(:'refresh') c) AS refresh FROM test_raw('jobpsych_profile', jsonb_build_object('bearer', :'access')) r;
SELECT refresh_token IS NULL AS closed FROM authmeter.jobpsych_users WHERE email = 'ana@example.com';
SELECT (test_sign_in('ana@example.com', 'abcde')).status AS old_password;

-- POST /api/auth/change-password --------------------------------------------------------------------
SELECT * FROM test_styles('jobpsych_change_password', ARRAY['{}', '{"currentPassword":"second secret","newPassword":"third secret"}',
	'{"currentPassword":"second secret","confirmPassword":"third secret"}', '{"newPassword":"third secret","confirmPassword":"third secret"}',
	'{"currentPassword":"","newPassword":"third secret","confirmPassword":"third secret"}', '{"currentPassword":1,"newPassword":"third secret","confirmPassword":"third secret"}',
	'{"currentPassword":"second secret","newPassword":"third secret","confirmPassword":"another"}',
	'{"currentPassword":"second secret","newPassword":"seven77","confirmPassword":"seven77"}',
	format('{"currentPassword":"second secret","newPassword":"%s","confirmPassword":"%1$s"}', repeat('é', 37)),
	'{"currentPassword":"wrong","newPassword":"third secret","confirmPassword":"third secret"}'], :'access');
SELECT test_sign_in('ana@example.com', 'second secret') AS reply \gset
SELECT test_access(:'reply') AS other, test_cookie(:'reply') AS refresh \gset
SELECT * FROM test_body('jobpsych_change_password', '{"currentPassword":"second secret","newPassword":"third secret","confirmPassword":"third secret"}', :'access');
SELECT r.status AS own, (SELECT o.status FROM test_raw('jobpsych_profile', jsonb_build_object('bearer', :'other')) o) AS other,
	(SELECT c.status FROM test_refresh(:'refresh') c) AS refresh FROM test_raw('jobpsych_profile', jsonb_build_object('bearer', :'access')) r;
-- Guesses of the current password are counted like failed logins.
SELECT authmeter.setting_set('authmeter.login_failures', '2/1h');
SELECT r.status, r.headers ~ '"Retry-After": "\d+"' AS retry_after, r.body FROM generate_series(1, 3) n, test_call('jobpsych_change_password', jsonb_build_object('ip', '198.51.100.4', 'n', n, 'bearer', :'access',
	'body', '{"currentPassword":"wrong","newPassword":"fourth secret","confirmPassword":"fourth secret"}'::jsonb)) r;
SELECT authmeter.setting_set('authmeter.login_failures', NULL);
SELECT (test_sign_in('ana@example.com', 'third secret')).status AS third_password;

-- POST /api/auth/reset-password, documented -----------------------------------------------------------
SELECT authmeter.setting_set('jobpsych.reset_password', 'documented');
SELECT * FROM test_styles('jobpsych_reset_password', ARRAY['{}', '{"email":"bob@example.com"}', '{"newPassword":"fresh secret"}', '{"email":"","newPassword":"fresh secret"}',
	'{"email":"bob@example.com","newPassword":""}', '{"email":5,"newPassword":"fresh secret"}', '{"email":"bob@example.com","newPassword":12345678}',
	'{"email":"bob@example.com","newPassword":"seven77"}', format('{"email":"bob@example.com","newPassword":"%s"}', repeat('p', 73)),
	'{"email":"nobody@example.com","newPassword":"fresh secret"}', '{"email":"no address","newPassword":"fresh secret"}']);
SELECT test_sign_in('bob@example.com', 'x') AS reply \gset
SELECT test_access(:'reply') AS access, test_cookie(:'reply') AS refresh \gset
SELECT * FROM test_body('jobpsych_reset_password', '{"email":" BOB@example.com","newPassword":"fresh secret","token":"ignored"}');
SELECT r.status AS access, (SELECT c.status FROM test_refresh(:'refresh') c) AS refresh, (test_sign_in('bob@example.com', 'x')).status AS old,
	(test_sign_in('bob@example.com', 'fresh secret')).status AS new FROM test_raw('jobpsych_profile', jsonb_build_object('bearer', :'access')) r;

-- Strict, and POST /api/auth/forgot-password -----------------------------------------------------------
SELECT authmeter.setting_set('jobpsych.reset_password', 'strict');
SELECT * FROM test_styles('jobpsych_reset_password', ARRAY['{}', '{"email":"bob@example.com","newPassword":"seven77","token":"x"}',
	'{"email":"bob@example.com","newPassword":"other secret"}', '{"email":"nobody@example.com","newPassword":"other secret"}',
	'{"email":"bob@example.com","newPassword":"other secret","token":null}', '{"email":"bob@example.com","newPassword":"other secret","token":""}',
	'{"email":"bob@example.com","newPassword":"other secret","token":5}', '{"email":"bob@example.com","newPassword":"other secret","token":"wrong"}',
	'{"email":"nobody@example.com","newPassword":"other secret","token":"wrong"}', '{"email":"no address","newPassword":"other secret","token":"wrong"}']);
SELECT authmeter.create_service_token('jobpsych-regress', '{jobpsych:reset}', '1 hour') AS service \gset
SELECT authmeter.create_service_token('jobpsych-foreign', '{jobpsych:uploads}', '1 hour') AS foreign \gset
SELECT t.what, r.status, r.body FROM (VALUES (1, 'reset', :'service', 'bob@example.com'), (2, 'unknown user', :'service', 'nobody@example.com'), (3, 'other scope', :'foreign', 'bob@example.com')) t (n, what, token, email),
	test_call('jobpsych_reset_password', jsonb_build_object('headers', jsonb_build_object('x-service-token', t.token),
		'body', jsonb_build_object('email', t.email, 'newPassword', 'service secret'))) r ORDER BY t.n;
SELECT * FROM test_styles('jobpsych_forgot_password', ARRAY['{}', '{"email":null}', '{"email":5}', '{"email":""}', '{"email":"no address"}']);
SELECT * FROM test_body('jobpsych_forgot_password', '{"email":" BOB@example.com"}');
SELECT * FROM test_body('jobpsych_forgot_password', '{"email":"nobody@example.com"}');
SELECT recipient, template, state FROM authmeter.mail_outbox WHERE template = 'jobpsych-reset' ORDER BY recipient;
SELECT authmeter.mail_params(id)->>'token' AS token FROM authmeter.mail_outbox WHERE template = 'jobpsych-reset' AND recipient = 'bob@example.com' \gset
SELECT length(:'token') AS characters, (SELECT count(*) FROM authmeter.one_time_token WHERE token_hash = sha256(:'token')) AS as_sha256;
SELECT test_sign_in('bob@example.com', 'service secret') AS reply \gset
SELECT test_access(:'reply') AS access, test_cookie(:'reply') AS refresh \gset
SELECT t.n, r.status, r.body FROM (VALUES (1, 'ana@example.com', 'mailed secret'), (2, 'bob@example.com', 'short'), (3, 'BOB@example.com', 'mailed secret'), (4, 'bob@example.com', 'mailed again')) t (n, email, password),
	test_body('jobpsych_reset_password', jsonb_build_object('email', t.email, 'newPassword', t.password, 'token', :'token')) r ORDER BY t.n;
SELECT r.status AS access, (SELECT c.status FROM test_refresh(:'refresh') c) AS refresh, (test_sign_in('bob@example.com', 'service secret')).status AS old,
	(test_sign_in('bob@example.com', 'mailed secret')).status AS new, (SELECT email_verified_at IS NOT NULL FROM authmeter.user_find('bob@example.com')) AS proved
FROM test_raw('jobpsych_profile', jsonb_build_object('bearer', :'access')) r;
-- A password changed meanwhile kills the token, and so does time.
SELECT count(*) FROM test_body('jobpsych_forgot_password', '{"email":"bob@example.com"}');
SELECT authmeter.mail_params(id)->>'token' AS token FROM authmeter.mail_outbox WHERE template = 'jobpsych-reset' AND recipient = 'bob@example.com' ORDER BY created_at DESC LIMIT 1 \gset
SELECT (authmeter.user_password_set(user_id, 'changed meanwhile')).outcome FROM authmeter.user_find('bob@example.com');
SELECT r.status, r.body FROM test_body('jobpsych_reset_password', jsonb_build_object('email', 'bob@example.com', 'newPassword', 'mailed secret', 'token', :'token')) r;
SELECT count(*) FROM test_body('jobpsych_forgot_password', '{"email":"bob@example.com"}');
SELECT authmeter.mail_params(id)->>'token' AS token FROM authmeter.mail_outbox WHERE template = 'jobpsych-reset' AND recipient = 'bob@example.com' ORDER BY created_at DESC LIMIT 1 \gset
SET authmeter.clock_offset_s = 1800;
SELECT r.status, r.body FROM test_body('jobpsych_reset_password', jsonb_build_object('email', 'bob@example.com', 'newPassword', 'mailed secret', 'token', :'token')) r;
RESET authmeter.clock_offset_s;
-- At most five an hour and address; from outside nothing is seen.
SELECT r.status, r.body, count(*) FROM generate_series(1, 7) n, test_body('jobpsych_forgot_password', jsonb_build_object('email', 'ana@example.com', 'n', n)) r GROUP BY 1, 2;
SELECT count(*) FROM authmeter.mail_outbox WHERE template = 'jobpsych-reset' AND recipient = 'ana@example.com';
-- What a known and an unknown address leave behind differs in nothing that takes time: the same rows in the same tables.
CREATE FUNCTION test_rows(function text, address text) RETURNS TABLE (what text, status integer, rows bigint[]) LANGUAGE plpgsql AS $$
DECLARE
	counts text := 'SELECT ARRAY[(SELECT count(*) FROM authmeter.audit_event WHERE user_id IS NULL), (SELECT count(*) FROM authmeter.audit_event), (SELECT count(*) FROM authmeter.one_time_token), (SELECT count(*) FROM authmeter.mail_outbox)]';
	before bigint[];
	after bigint[];
	answered integer;
BEGIN
	EXECUTE counts INTO before;
	SELECT r.status INTO answered FROM test_body(function, jsonb_build_object('email', address, 'newPassword', 'other secret', 'token', 'wrong')) r;
	EXECUTE counts INTO after;
	RETURN QUERY SELECT function, answered, ARRAY(SELECT a - b FROM unnest(after, before) t (a, b));
END
$$;
SELECT r.what, r.status, r.rows, count(*) AS addresses FROM unnest(ARRAY['jobpsych_forgot_password', 'jobpsych_reset_password']) f,
	unnest(ARRAY['dora@example.com', 'eve@example.com', 'no-one@example.com']) e, test_rows(f, e) r GROUP BY 1, 2, 3 ORDER BY 1;
SELECT authmeter.setting_set('jobpsych.reset_password', NULL);

-- Upload quota, documented -----------------------------------------------------------------------------
CREATE FUNCTION test_uploads(email text, rest jsonb DEFAULT '{}') RETURNS TABLE (status integer, headers text, body text) LANGUAGE sql AS $$
	SELECT * FROM test_call('jobpsych_user_uploads', jsonb_build_object('path', jsonb_build_object('email', email)) || rest) $$;
CREATE FUNCTION test_increment(email text, rest jsonb DEFAULT '{}') RETURNS TABLE (status integer, headers text, body text) LANGUAGE sql AS $$
	SELECT * FROM test_call('jobpsych_increment_upload', jsonb_build_object('body', jsonb_build_object('email', email)) || rest) $$;
SELECT * FROM test_uploads(' ANA@example.com ');
SELECT * FROM test_uploads('nobody@example.com');
SELECT r.* FROM unnest(ARRAY['nobody', '', 'a b@example.com']) e, test_uploads(e) r;
SELECT * FROM test_call('jobpsych_user_uploads', '{}');
SELECT * FROM test_increment('Ana@example.com');
SELECT * FROM test_styles('jobpsych_increment_upload', ARRAY['{}', '{"email":null}', '{"email":""}', '{"email":5}', '{"email":["ana@example.com"]}', '{"email":"nobody"}', '{"email":" "}', '{"email":"nobody@example.com"}']);
-- Past the limit by default; not with the setting on; a user of another API is counted too.
SELECT r.body FROM generate_series(2, 12) n, test_increment('ana@example.com', jsonb_build_object('n', n)) r;
SELECT * FROM test_uploads('ana@example.com');
SELECT authmeter.setting_set('jobpsych.enforce_upload_limit', 'on');
SELECT * FROM test_increment('ana@example.com');
SELECT * FROM test_increment('eve@example.com');
SELECT number IS NOT NULL AS numbered, files_uploaded FROM authmeter.jobpsych_user_info WHERE email = 'eve@example.com';
SELECT authmeter.setting_set('jobpsych.upload_limit', '1');
SELECT * FROM test_increment('eve@example.com');
SELECT authmeter.setting_set('jobpsych.enforce_upload_limit', NULL), authmeter.setting_set('jobpsych.upload_limit', NULL);
SELECT (authmeter.jobpsych_upload_add('00000000-0000-0000-0000-000000000000')).outcome;
SELECT authmeter.jobpsych_upload_add(user_id) FROM authmeter.user_find('ana@example.com');

-- GET /api/auth/upload-stats
SELECT test_sign_in('dora@example.com', 'correct horse') AS reply \gset
SELECT test_access(:'reply') AS dora \gset
SELECT * FROM test_call('jobpsych_upload_stats', jsonb_build_object('bearer', :'dora'));
SELECT authmeter.setting_set('jobpsych.upload_limit', '3');
SELECT r.body, s.body FROM generate_series(1, 4) n, LATERAL (SELECT body FROM test_increment('dora@example.com', jsonb_build_object('n', n))) r,
	LATERAL (SELECT body FROM test_call('jobpsych_upload_stats', jsonb_build_object('bearer', :'dora', 'n', r.body))) s;
SELECT authmeter.setting_set('jobpsych.upload_limit', '0');
SELECT body FROM test_call('jobpsych_upload_stats', jsonb_build_object('bearer', :'dora'));
SELECT authmeter.setting_set('jobpsych.upload_limit', NULL);

-- Strict: a service token, a trusted network, or the user's own token
SELECT authmeter.setting_set('jobpsych.upload_routes', 'strict');
SELECT severity, message FROM authmeter_http.start_check('{jobpsych}') WHERE message LIKE 'jobpsych.%';
SELECT authmeter.revoke_service_token('jobpsych-foreign');
SELECT severity, message, hint FROM authmeter_http.start_check('{jobpsych}') WHERE message LIKE 'jobpsych.%';
SELECT authmeter.create_service_token('jobpsych-uploads', '{jobpsych:uploads}', '1 hour') AS uploads \gset
SELECT t.what, e.email, r.status, r.body, i.status, i.body FROM (VALUES (1, 'nothing', '{}'::jsonb), (2, 'bad bearer', '{"bearer":"abc"}'), (3, 'own bearer', jsonb_build_object('bearer', :'dora')),
	(4, 'service token', jsonb_build_object('headers', jsonb_build_object('x-service-token', :'uploads'))),
	(5, 'foreign service token', jsonb_build_object('headers', jsonb_build_object('x-service-token', :'service')))) t (n, what, rest),
	unnest(ARRAY['dora@example.com', 'bob@example.com', 'nobody@example.com', 'nobody']) e (email),
	test_uploads(e.email, t.rest) r, test_increment(e.email, t.rest) i ORDER BY t.n, e.email COLLATE "C";
SELECT authmeter.setting_set('jobpsych.trusted_networks', '192.0.2.0/24'), authmeter.revoke_service_token('jobpsych-uploads');
SELECT severity, message FROM authmeter_http.start_check('{jobpsych}') WHERE message LIKE 'jobpsych.%';
SELECT r.status FROM test_uploads('bob@example.com') r;
SELECT r.status FROM test_uploads('bob@example.com', '{"ip":"198.51.100.9"}') r;
SELECT r.status FROM test_uploads('bob@example.com', '{"ip":"nonsense"}') r;
SELECT authmeter.setting_set('jobpsych.trusted_networks', NULL);
SELECT (authmeter.user_create('gone@example.com', 'correct horse')).outcome;
SELECT test_access(test_sign_in('gone@example.com', 'correct horse')) AS gone \gset
SELECT (authmeter.user_delete(user_id)).outcome FROM authmeter.user_find('gone@example.com');
SELECT * FROM test_uploads('gone@example.com', jsonb_build_object('bearer', :'gone'));
SELECT authmeter.setting_set('jobpsych.upload_routes', NULL);

-- POST /api/auth/verify-token, GET /api/auth/jwt-info ---------------------------------------------------
SELECT r.given, r.status, r.message, r.code, r.sentence FROM test_styles('jobpsych_verify_token', ARRAY['{}', '{"token":null}', '{"token":""}', '{"token":false}', '{"token":0}', '{"token":0.0}', '{"token":-0}',
	'{"token":true}', '{"token":1}', '{"token":[]}', '{"token":{}}', '{"token":" "}', '{"token":"abc"}', format('{"token":"%s"}', test_cookie(test_sign_in('bob@example.com', 'changed meanwhile')))]) r;
SELECT r.status, (r.body::jsonb)->'decoded' = jsonb_build_object('userId', c.claims->'userId', 'email', c.claims->'email', 'iat', c.claims->'iat', 'exp', c.claims->'exp') AS decoded,
	regexp_replace(r.body, '\d{10}', '<time>', 'g') AS body
FROM test_body('jobpsych_verify_token', jsonb_build_object('token', :'dora')) r, authmeter.jwt_decode(:'dora') c;
SELECT * FROM test_call('jobpsych_jwt_info', '{}');
SELECT authmeter.setting_set('jobpsych.jwt_info', 'strict'), authmeter.setting_set('jobpsych.verify_token', 'strict'), authmeter.setting_set('jobpsych.access_ttl', '20m');
SELECT (r.body::jsonb->'jwtInfo') - 'timestamp'::text AS info, encode(hmac('authmeter jwt-info', 'kT9vN2qLrW8yUe4sDf6gHj1kPz3xCb5m-jobpsych-access', 'sha256'), 'hex') ~ format('^%s.{44}%s$',
	r.body::jsonb#>>'{jwtInfo,secretFirstChars}', r.body::jsonb#>>'{jwtInfo,secretLastChars}') AS fingerprint FROM test_call('jobpsych_jwt_info', '{}') r;
SELECT r.body::jsonb->'tokenInfo' AS info FROM test_body('jobpsych_verify_token', jsonb_build_object('token', :'dora')) r;
SELECT r.status, count(*), bool_and(r.headers ~ '"Retry-After": "\d+"') AS retry_after, min(r.body) FROM generate_series(1, 123) n, test_call('jobpsych_verify_token', jsonb_build_object('ip', '198.51.100.5', 'n', n)) r GROUP BY 1 ORDER BY 1;
SELECT authmeter.setting_set('jobpsych.jwt_info', NULL), authmeter.setting_set('jobpsych.verify_token', NULL), authmeter.setting_set('jobpsych.access_ttl', NULL);
-- A secret of fewer than 40 characters is never shown, nor are bytes that are no text.
SELECT authmeter.key_rotate('jobpsych', secret => 'bN5mK8jH2gF6dS9aP3oI7uY1tR4eWq-äöü') IS NOT NULL AS rotated;
SELECT authmeter_http.jobpsych_secret_length(false) AS length, s.length = 64 AND s.first_chars ~ '^[0-9a-f]{10}$' AND s.last_chars ~ '^[0-9a-f]{10}$' AS masked FROM authmeter_http.jobpsych_secret(false) s;
SELECT authmeter.key_retire(kid, ring) FROM authmeter.key_list() WHERE ring = 'jobpsych' AND signs;
SELECT authmeter.key_rotate('jobpsych', secret => 'äN5mK8jH2gF6dS9aP3oI7uY1tR4eWq-0123456789-öü') IS NOT NULL AS rotated;
SELECT * FROM authmeter_http.jobpsych_secret(false);
SELECT authmeter.key_retire(kid, ring) FROM authmeter.key_list() WHERE ring = 'jobpsych' AND signs;

-- POST /api/files/upload, GET /api/files/stats ------------------------------------------------------------
CREATE FUNCTION test_upload(token text, parts text, rest jsonb DEFAULT '{}') RETURNS TABLE (status integer, headers text, body text) LANGUAGE sql AS $$
	SELECT * FROM test_call('jobpsych_file_upload', jsonb_build_object('bearer', token, 'multipart', 'ok', 'parts', parts::jsonb) || rest) $$;
SELECT test_access(test_sign_in('bob@example.com', 'changed meanwhile')) AS bob \gset
SELECT * FROM test_call('jobpsych_file_stats', jsonb_build_object('bearer', :'bob'));
SELECT * FROM test_upload(:'bob', '[{"name":"file","filename":"cv.txt","type":"text/plain","size":120,"text":{"words":20,"lines":3,"characters":118},"utf8":true}]');
SELECT t.what, r.status, r.body FROM (VALUES (1, 'not multipart', '{"multipart":null}'::jsonb, '[]'), (2, 'malformed', '{"multipart":"malformed"}', '[{"name":"file","filename":"a.txt","type":"text/plain","size":1}]'),
	(3, 'no part', '{}', '[]'), (4, 'other part', '{}', '[{"name":"doc","filename":"a.txt","type":"text/plain","size":1}]'), (5, 'two parts', '{}', '[{"name":"file","filename":"a.txt","type":"text/plain","size":1},{"name":"file","filename":"b.txt","type":"text/plain","size":1}]'),
	(6, 'no file name', '{}', '[{"name":"file","type":"text/plain","size":1}]'), (7, 'empty file name', '{}', '[{"name":"file","filename":"","type":"text/plain","size":0}]'),
	(8, 'type', '{}', '[{"name":"file","filename":"a.zip","type":"application/zip","size":1}]'), (9, 'size', '{}', '[{"name":"file","filename":"a.pdf","type":"application/pdf","size":10485761}]'),
	(10, 'too large', '{"fault":"body_too_large"}', '[]'), (11, 'fault', '{"fault":"body_invalid"}', '[]')) t (n, what, rest, parts), test_upload(:'bob', t.parts, t.rest) r ORDER BY t.n;
SELECT authmeter.setting_set('jobpsych.error_style', 'text');
SELECT r.body::jsonb->>'error' AS error FROM unnest(ARRAY['[]', '[{"name":"file","filename":"a.zip","type":"application/zip","size":1}]', '[{"name":"file","filename":"a.pdf","type":"application/pdf","size":10485761}]']) p, test_upload(:'bob', p) r;
SELECT authmeter.setting_set('jobpsych.error_style', NULL);
SELECT u.files_uploaded, (SELECT count(*) FROM authmeter.jobpsych_file f WHERE f.user_id = u.user_id) AS files FROM authmeter.jobpsych_user_info u WHERE email = 'bob@example.com';
SELECT r.status, r.body FROM unnest(ARRAY['[{"name":"other","filename":null,"size":3},{"name":"file","filename":"C:\\dir\\..\\résumé\u0001\u0085\n.PDF","type":"Application/PDF; name=x","size":10485760,"text":null}]',
	'[{"name":"file","filename":"a/b/","size":2,"text":{"words":1,"lines":1,"characters":2}}]', format('[{"name":"file","filename":"%s","type":"image/png","size":2,"text":{"words":9,"lines":9,"characters":9}}]', repeat('n', 300))]) p,
	LATERAL (SELECT r.status, regexp_replace(r.body, 'n{250,}', 'n..n') AS body FROM test_upload(:'bob', p) r) r;
SELECT id, user_id, left(filename, 12) AS filename, char_length(filename) AS length, left(original_name, 20) AS original_name, mime_type, size, word_count, line_count, char_count FROM authmeter.jobpsych_files ORDER BY 2, 1;
SELECT authmeter.setting_set('jobpsych.upload_limit', '5');
SELECT r.status, r.body FROM generate_series(1, 3) n, test_upload(:'bob', '[{"name":"file","filename":"x.gif","type":"image/gif","size":7}]', jsonb_build_object('n', n)) r;
SELECT u.files_uploaded, (SELECT count(*) FROM authmeter.jobpsych_file f WHERE f.user_id = u.user_id) AS files FROM authmeter.jobpsych_user_info u WHERE email = 'bob@example.com';
SELECT authmeter.setting_set('jobpsych.upload_limit', '20');
SELECT count(*) FROM generate_series(1, 8) n, test_upload(:'bob', '[{"name":"file","filename":"y.gif","type":"image/gif","size":7}]', jsonb_build_object('n', n)) r;
SELECT r.body FROM test_increment('bob@example.com') r;
SELECT regexp_replace(r.body, 'n{250,}', 'n..n') AS body FROM test_call('jobpsych_file_stats', jsonb_build_object('bearer', :'bob')) r;
SELECT jsonb_array_length(r.body::jsonb#>'{data,recentFiles}') AS recent FROM test_call('jobpsych_file_stats', jsonb_build_object('bearer', :'bob')) r;
SELECT * FROM test_call('jobpsych_file_stats', jsonb_build_object('bearer', :'dora'));
SELECT authmeter.setting_set('jobpsych.upload_limit', NULL);

-- Limits as rows: by address, by e-mail and by user, with the header fields of the limit -------------------------
CREATE FUNCTION test_limits(key text, function text, requests jsonb[]) RETURNS TABLE (status integer, headers text, body text) LANGUAGE plpgsql AS $$
DECLARE
	one jsonb;
	name text := replace(function, '_', '-');
	grouped text := (SELECT r.limit_group FROM authmeter_http.route r WHERE r.function = test_limits.function LIMIT 1);
BEGIN
	PERFORM authmeter.rate_policy_set(name, 'jobpsych', grouped, key, 'window', '1/1h');
	FOREACH one IN ARRAY requests LOOP
		RETURN QUERY SELECT r.status, regexp_replace(regexp_replace(r.headers, ';t=\d+', ';t=<s>'), '"Retry-After": "\d+"', '"Retry-After": "<s>"'), left(r.body, 60)
			FROM test_call(function, one) r;
	END LOOP;
	PERFORM authmeter.rate_policy_drop(name);
END
$$;
SELECT l.* FROM test_limits('address', 'jobpsych_user_uploads', ARRAY['{"ip":"203.0.113.1","path":{"email":"dora@example.com"}}', '{"ip":"203.0.113.1"}', '{"ip":"203.0.113.2"}']::jsonb[]) l;
SELECT f, l.status, l.headers FROM unnest(ARRAY['jobpsych_register', 'jobpsych_login', 'jobpsych_reset_password', 'jobpsych_forgot_password', 'jobpsych_increment_upload']) f,
	test_limits('email', f, ARRAY(SELECT jsonb_build_object('body', jsonb_build_object('name', 'N', 'company_name', 'C', 'email', e, 'password', 'p', 'newPassword', 'not so short'))
		FROM unnest(ARRAY['no1@example.com', 'NO1@example.com ', 'no2@example.com']) e)) l WHERE f <> 'jobpsych_register' OR l.headers IS NULL OR l.headers !~ 'Set-Cookie';
SELECT f, l.status, l.headers FROM unnest(ARRAY['jobpsych_profile', 'jobpsych_update_profile', 'jobpsych_change_password', 'jobpsych_upload_stats', 'jobpsych_file_stats', 'jobpsych_file_upload']) f,
	test_limits('user', f, ARRAY(SELECT jsonb_build_object('bearer', t.token, 'body', '{"name":"Same","currentPassword":"wrong","newPassword":"not so short","confirmPassword":"not so short"}'::jsonb
			- CASE f WHEN 'jobpsych_update_profile' THEN 'newPassword' ELSE '' END,
		'multipart', 'ok', 'parts', '[{"name":"file","filename":"a.txt","type":"text/plain","size":1}]'::jsonb)
		FROM unnest(ARRAY[:'dora', :'dora', :'bob']) WITH ORDINALITY t (token, n) ORDER BY t.n)) l;

-- System routes -------------------------------------------------------------------------------------------
SELECT f, r.status, r.headers, r.body FROM unnest(ARRAY['jobpsych_health', 'jobpsych_info', 'jobpsych_rate_limit_info']) f, test_call(f, '{}') r;
SELECT r.status, r.body::jsonb - 'endpoints' AS body, jsonb_array_length(r.body::jsonb->'endpoints') AS endpoints, r.body::jsonb#>'{endpoints,0}' AS first
FROM (SELECT c.status, replace(c.body, '<s>', '0') AS body FROM test_call('jobpsych_root', '{}') c) r;
SELECT regexp_replace(r.body, '"[^"]*"', '', 'g') ~ '\s' AS blanks FROM test_call('jobpsych_root', '{}') r;

-- The views hold no more than they say; the hashes are for nobody but the owner.
CREATE ROLE regress_jobpsych_admin;
SELECT authmeter.grant_access('regress_jobpsych_admin', 'admin') > 0 AS granted;
SELECT v, has_table_privilege('regress_jobpsych_admin', v, 'SELECT') AS admin, has_table_privilege('regress_jobpsych_gateway', v, 'SELECT') AS gateway
FROM unnest(ARRAY['authmeter.jobpsych_user_info', 'authmeter.jobpsych_files', 'authmeter.jobpsych_users', 'authmeter.jobpsych_profile', 'authmeter.jobpsych_file']) v;
SELECT id, name, email, company_name, password ~ '^\$2b\$04\$' AS hashed, files_uploaded FROM authmeter.jobpsych_users WHERE email IN ('ana@example.com', 'eve@example.com') ORDER BY 1;
-- What the endpoints said they did, with the true reason.
SELECT action, outcome, detail->>'email' AS email, count(*) FROM authmeter.audit_event WHERE action LIKE 'jobpsych%' AND detail->>'email' ~ '^(bob|nobody|ana)@' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
-- A deleted user takes everything along.
SELECT (authmeter.user_delete(user_id)).outcome FROM authmeter.jobpsych_user_info WHERE number IS NOT NULL;
SELECT (SELECT count(*) FROM authmeter.jobpsych_profile) AS profiles, (SELECT count(*) FROM authmeter.jobpsych_file) AS files;
DO $$ BEGIN PERFORM authmeter.key_retire(kid, ring) FROM authmeter.key_list() WHERE ring LIKE 'jobpsych%' AND state <> 'retired'; END $$;
SELECT authmeter.setting_set('authmeter.bcrypt_cost', NULL), authmeter.setting_set('authmeter.environment', NULL);
DROP FUNCTION test_mask, test_raw, test_call, test_body, test_styles, test_access, test_cookie, test_sign_in, test_refresh, test_refreshed, test_uploads, test_increment, test_upload, test_limits, test_rows;
DO $$ DECLARE one text; BEGIN FOREACH one IN ARRAY ARRAY['gateway', 'admin'] LOOP EXECUTE format('DROP OWNED BY regress_jobpsych_%s; DROP ROLE regress_jobpsych_%1$s', one); END LOOP; END $$;
