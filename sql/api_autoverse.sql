-- The autoverse API, row by row of its contract and in both policies: status, headers, body, and the
-- state left behind; called by the gateway's role, which can do nothing else.
CREATE ROLE regress_autoverse_gateway;
SELECT authmeter.grant_access('regress_autoverse_gateway', 'gateway') > 0 AS granted;
SELECT authmeter.setting_set('authmeter.environment', 'development'), authmeter.setting_set('authmeter.bcrypt_cost', '4'),
	authmeter.setting_set('autoverse.login_limit', 'off'), authmeter.setting_set('authmeter.login_failures', 'off');

-- Secrets of the deployment: two, and they must differ.
SELECT * FROM authmeter_http.deployment_list('{autoverse}');
SELECT severity, message, hint FROM authmeter_http.start_check('{autoverse}') WHERE message LIKE 'autoverse%' ORDER BY 2, 3;
SET ROLE regress_autoverse_gateway;
SELECT authmeter_http.deployment_import('autoverse', 'JWT_SECRET', 'kT9vN2qLrW8yUe4sDf6gHj1kPz3xCb5m-autoverse'),
	authmeter_http.deployment_import('autoverse', 'JWT_REFRESH_SECRET', 'kT9vN2qLrW8yUe4sDf6gHj1kPz3xCb5m-autoverse');
SELECT severity FROM authmeter_http.start_check('{autoverse}') WHERE message ~ 'autoverse';
RESET ROLE;
SELECT authmeter.key_retire(kid, ring) IS NOT NULL AS retired FROM authmeter.key_list() WHERE ring = 'autoverse-refresh';
SET ROLE regress_autoverse_gateway;
SELECT authmeter_http.deployment_import('autoverse', 'JWT_REFRESH_SECRET', 'pR8vTz3kQw6yLn1cXb5d-Hj1kPz3xCb5m-refresh');
SELECT severity, message FROM authmeter_http.start_check('{autoverse}') WHERE message ~ 'autoverse';

-- What the gateway reads at its start.
SELECT method, path, function, lane, body, body_bytes_max, limited, headers, cookies FROM authmeter_http.route_list('{autoverse}');
SELECT reason, path, status, body FROM authmeter_http.refusal_list('{autoverse}');
SELECT policy, consequence FROM authmeter_http.weak_behaviour_list('{autoverse}');
SELECT authmeter_http.gateway_config('{autoverse}')->'cors' AS cors;
RESET ROLE;
-- Every route has its function, open to the gateway; both prefixes have the same routes.
SELECT r.function FROM authmeter_http.route r WHERE r.api = 'autoverse' AND (to_regprocedure(format('authmeter_http.%I(jsonb)', r.function)) IS NULL
	OR NOT has_function_privilege('regress_autoverse_gateway', format('authmeter_http.%I(jsonb)', r.function), 'EXECUTE'));
SELECT count(*) AS routes, count(DISTINCT (method, replace(path, '/api/auth', '/auth'), function, lane, body, limited, headers, cookies, limit_group)) AS different
FROM authmeter_http.route WHERE api = 'autoverse' AND path LIKE '%/auth/%';

-- One call of an endpoint, as the gateway makes it. What is random is not shown, but kept. The schema
-- is there until the last test of this API has run.
CREATE SCHEMA test_autoverse;
SET search_path = test_autoverse, public;
CREATE TABLE test_reply (n serial, status integer, headers jsonb, body text);
CREATE FUNCTION test_hide(value text) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(regexp_replace(regexp_replace(value, ';t=[0-9]+', ';t=<s>', 'g'), 'eyJ[\w-]+\.[\w-]+\.[\w-]{43}', '<jwt>', 'g'),
		'[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}', '<uuid>', 'g'), '[0-9a-f]{64}', '<hex>', 'g') $$;
CREATE FUNCTION test_call(function text, request jsonb) RETURNS SETOF authmeter_http.response LANGUAGE plpgsql AS $$
DECLARE
	reply authmeter_http.response;
BEGIN
	SET LOCAL ROLE regress_autoverse_gateway;
	EXECUTE format('SELECT r.* FROM authmeter_http.autoverse_%I($1) r', function) INTO reply
		USING '{"id":"r-1","api":"autoverse","method":"POST","ip":"192.0.2.1"}' || request;
	RESET ROLE;
	INSERT INTO test_reply (status, headers, body) VALUES (reply.status, reply.headers, reply.body);
	PERFORM reply.body::jsonb;
	RETURN QUERY SELECT reply.status, test_hide(reply.headers::text)::jsonb, test_hide(reply.body);
END
$$;
CREATE FUNCTION test_times(times integer, function text, body text, rest jsonb DEFAULT '{}') RETURNS TABLE (n integer, status integer, retry_after text, answer text)
LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN 1 .. times LOOP
		RETURN QUERY SELECT n, r.status, CASE WHEN r.headers->>'Retry-After' ~ '^[1-9][0-9]{0,3}$' THEN 'seconds' ELSE r.headers->>'Retry-After' END, r.body
		FROM test_call(function, jsonb_build_object('body', test_times.body::jsonb) || rest) r;
	END LOOP;
END
$$;
CREATE FUNCTION test_post(function text, body text, rest jsonb DEFAULT '{}') RETURNS SETOF authmeter_http.response LANGUAGE sql AS $$
	SELECT * FROM test_call(function, jsonb_build_object('body', body::jsonb) || rest) $$;
-- The last reply, a value of its body, and its cookies as a browser sends them back.
CREATE FUNCTION test_last(path text) RETURNS text LANGUAGE sql AS $$
	SELECT r.body::jsonb #>> path::text[] FROM test_reply r ORDER BY n DESC LIMIT 1 $$;
CREATE FUNCTION test_jar() RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('cookies', jsonb_object_agg(split_part(c, '=', 1), jsonb_build_array(split_part(split_part(c, ';', 1), '=', 2))))
	FROM (SELECT r.headers FROM test_reply r ORDER BY n DESC LIMIT 1) l, jsonb_array_elements_text(l.headers->'Set-Cookie') c $$;
CREATE FUNCTION test_code(address text, template text) RETURNS text LANGUAGE sql AS $$
	SELECT authmeter.mail_params(m.id)->>'code' FROM authmeter.mail_outbox m
	WHERE m.recipient = address AND m.template = test_code.template ORDER BY m.created_at DESC LIMIT 1 $$;
CREATE FUNCTION test_other(code text) RETURNS text LANGUAGE sql AS $$
	SELECT lpad(((code::integer + 1) % 1000000)::text, 6, '0') $$;
CREATE FUNCTION test_body(VARIADIC items text[]) RETURNS text LANGUAGE sql AS $$ SELECT jsonb_object(items)::text $$;
CREATE FUNCTION test_claims(token text) RETURNS jsonb LANGUAGE sql AS $$ SELECT d.claims FROM authmeter.jwt_decode(token) d $$;

-- Field rules: all failing fields, with all their messages ---------------------------------------
CREATE FUNCTION test_details(function text, body text, rest jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN r.body LIKE '{"error":"Validation failed","details":%,"code":"VALIDATION_ERROR"}' AND r.status = 400
		THEN substr(r.body, 40, length(r.body) - 66) ELSE r.status || ' ' || r.body END FROM test_post(function, body, rest) r $$;
SELECT * FROM test_post('register', '{}');
SELECT b AS given, test_details('send_otp', b) FROM unnest(ARRAY['{"email":null}', '{"email":""}', '{"email":" \u3000"}', '{"email":1}', '{"email":["a@b.cd"]}',
	'{"email":"nope"}', '{"email":"a@b"}', '{"email":"a b@c.de"}', '{"email":"a@@b.cd"}', '{"Email":"a@b.cd"}']) b;
SELECT test_details('send_otp', test_body('email', repeat('x', 250) || '@example.com')), test_details('send_otp', test_body('email', repeat('x', 100000) || '@example.com'));
SELECT v AS purpose, test_details('send_otp', format('{"email":"nope","purpose":%s}', v)) FROM unnest(ARRAY['null', '""', '1', '"two-factor"', '"Verification"', '"vsplugin-signup"']) v;
SELECT v AS otp, test_details('verify_otp', format('{"email":"av@example.com","otp":%s}', v))
FROM unnest(ARRAY['null', '""', '123456', '"12345"', '"1234567"', '"12345x"', '" 12345"', '"１２３４５６"', 'true', '[1]']) v;
SELECT p AS password, test_details('register', test_body('email', 'nope', 'name', 'Ana Ruiz', 'password', p)) FROM unnest(ARRAY[
	'', 'Aa1?', 'tulip-42', 'TULIP-42?X', 'Tulip-xy?x', 'Tulip-42xx', 'Tulip42xÄ', 'password', 'PASSWORD123', 'Welcome123', 'Tülip42?', 'Tülip4?']) p;
SELECT octets, test_details('register', test_body('email', 'nope', 'name', 'Ana', 'password', 'Aa1?' || repeat('x', octets - 4)))
FROM unnest(ARRAY[72, 73, 128, 129]) octets;
-- 72 bytes end within a letter.
SELECT test_details('register', test_body('email', 'nope', 'name', 'Ana', 'password', 'Aa1?' || repeat('é', 34))),
	test_details('register', test_body('email', 'nope', 'name', 'Ana', 'password', 'Aa1?x' || repeat('é', 34)));
SELECT n AS name, test_details('register', test_body('email', 'nope', 'password', 'Tulip-42?x', 'name', n)) FROM unnest(ARRAY['', '  ', 'A', ' A ', 'Al', 'Ana R0iz', 'Ana_R', 'Ana.R',
	'<b>Ana</b>', 'O''Brien-Ñandú', 'Ána María', 'नमस्ते', '山田 太郎', 'Анна', 'مريم', 'Ana😀', E'Ana\tRuiz', '--']) n;
SELECT length, test_details('register', test_body('email', 'nope', 'password', 'Tulip-42?x', 'name', repeat('é', length))) FROM unnest(ARRAY[50, 51]) length;
SELECT b AS given, test_details('register', b) FROM unnest(ARRAY['{"email":1,"password":2,"name":3,"otp":4,"verificationToken":5}', '{"email":null,"password":null,"name":null,"otp":null,"verificationToken":null}',
	'{"email":"av@example.com","password":"Tulip-42?x","name":"Ana","verificationToken":""}', '{"email":"av@example.com","password":"Tulip-42?x","name":"Ana","otp":""}',
	'{"email":"av@example.com","password":"Tulip-42?x","name":"Ana","otp":"12345"}']) b;
SELECT b AS given, test_details('login', b) FROM unnest(ARRAY['{}', '{"email":"nope","password":""}', '{"email":7,"password":8,"otp":9}', '{"email":"av@example.com"}']) b;
SELECT test_details('login', test_body('email', 'av@example.com', 'password', repeat('x', 73))), test_details('login', test_body('email', 'av@example.com', 'password', repeat('é', 37)));
SELECT b AS given, test_details('reset_password', b) FROM unnest(ARRAY['{}', '{"email":"nope","otp":"1","newPassword":"x"}', '{"token":5}', '{"verificationToken":5,"token":"x"}', '{"token":"x"}', '{"token":"x","email":"nope","newPassword":"Tulip-42?x"}']) b;
-- Bodies that are none, and what the gateway found.
SELECT r.* FROM unnest(ARRAY['register', 'login', 'send_otp', 'verify_otp', 'reset_password', 'verify_session', 'notifications', 'delete_account']) f,
	test_call(f, '{"fault":"body_invalid"}') r;
SELECT r.* FROM test_call('login', '{"fault":"body_too_large"}') r;
SELECT r.* FROM test_call('login', '{"body":[1]}') r;
SELECT count(*) AS codes FROM authmeter.otp WHERE address LIKE 'av%';
