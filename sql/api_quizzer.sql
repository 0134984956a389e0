-- The quizzer API, row by row of its contract and in both policies: status, headers, body, and the
-- state left behind; called by the gateway's role, which can do nothing else.
CREATE ROLE regress_quizzer_gateway;
CREATE ROLE regress_quizzer_service;
SELECT authmeter.grant_access('regress_quizzer_gateway', 'gateway') > 0 AS granted;
SELECT authmeter.grant_access('regress_quizzer_service', 'service') > 0 AS granted;
SELECT authmeter.setting_set('authmeter.environment', 'development');
SELECT authmeter.setting_set('quizzer.bcrypt_rounds', '4'), authmeter.setting_set('authmeter.bcrypt_cost', '4');

-- Without a key the gateway must not start; the deployment's secret is imported once.
SELECT severity, message FROM authmeter_http.start_check('{quizzer}') WHERE message LIKE 'quizzer%';
SELECT * FROM authmeter_http.deployment_list('{quizzer}');
SET ROLE regress_quizzer_gateway;
SELECT authmeter_http.deployment_import('quizzer', 'JWT_SECRET', 'kT9vN2qLrW8yUe4sDf6gHj1kPz3xCb5m-quizzer'),
	authmeter_http.deployment_import('quizzer', 'JWT_SECRET', 'kT9vN2qLrW8yUe4sDf6gHj1kPz3xCb5m-quizzer'),
	authmeter_http.deployment_import('quizzer', 'MONGODB_URI', 'mongodb://x'), authmeter_http.deployment_import('quizzer', 'JWT_SECRET', 'your-256-bit-secret');
SELECT * FROM authmeter_http.route_list('{quizzer}');
SELECT reason, path, status, body FROM authmeter_http.refusal_list('{quizzer}');
SELECT authmeter_http.gateway_config('{quizzer}')->'cors' AS cors;
SELECT * FROM authmeter_http.weak_behaviour_list('{quizzer}');
RESET ROLE;
SELECT severity, message FROM authmeter_http.start_check('{quizzer}') WHERE message LIKE 'quizzer%';
SELECT r.function FROM authmeter_http.route r
WHERE to_regprocedure(format('authmeter_http.%I(jsonb)', r.function)) IS NULL
	OR NOT has_function_privilege('regress_quizzer_gateway', format('authmeter_http.%I(jsonb)', r.function), 'EXECUTE');
SELECT p.oid::regprocedure AS open_to_the_gateway FROM pg_proc p
WHERE p.proname LIKE 'quizzer%' AND has_function_privilege('regress_quizzer_gateway', p.oid, 'EXECUTE')
	AND NOT EXISTS (SELECT FROM authmeter_http.route r WHERE r.function = p.proname) ORDER BY 1;
-- Cheap hashes are for development only, whichever setting comes first.
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '10');
SELECT authmeter.setting_set('authmeter.environment', 'production');
SELECT authmeter.setting_set('quizzer.bcrypt_rounds', '10');
SELECT authmeter.setting_set('authmeter.environment', 'production');
SELECT authmeter.setting_set('quizzer.bcrypt_rounds', '9');
SELECT authmeter_http.gateway_config('{quizzer}')->'cors' AS cors;
SELECT * FROM authmeter_http.weak_behaviour_list('{quizzer}');
SELECT authmeter.setting_set('authmeter.environment', 'development');
SELECT authmeter.setting_set('quizzer.bcrypt_rounds', '4'), authmeter.setting_set('authmeter.bcrypt_cost', '4');

-- One call of an endpoint, as the gateway makes it: what differs from run to run is named, not shown.
CREATE FUNCTION test_call(function text, request jsonb) RETURNS authmeter_http.response LANGUAGE plpgsql AS $$
DECLARE
	reply authmeter_http.response;
BEGIN
	SET LOCAL ROLE regress_quizzer_gateway;
	EXECUTE format('SELECT r.* FROM authmeter_http.quizzer_%s($1) r', function) USING request INTO reply;
	RESET ROLE;
	RETURN reply;
END
$$;
CREATE FUNCTION test_shown(body text) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(regexp_replace(regexp_replace(body, '"[0-9a-f]{24}"', '"<id>"', 'g'),
		'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"', '"<time>"', 'g'), '"token":"[^".]+\.[^".]+\.[^".]+"', '"token":"<jwt>"'),
		'"retryAfter":\d+', '"retryAfter":<s>') $$;
-- Each call from an address of its own, unless one is given: no limit is in the way.
CREATE SEQUENCE test_address;
CREATE FUNCTION test_quizzer(function text, body jsonb, token text DEFAULT NULL, rest jsonb DEFAULT '{}', OUT status integer, OUT body text)
LANGUAGE sql AS $$
	SELECT r.status, test_shown(r.body) FROM test_call(function, jsonb_strip_nulls(jsonb_build_object('id', 'r-1', 'api', 'quizzer',
		'ip', format('10.1.%s.%s', nextval('test_address') / 250, currval('test_address') % 250), 'bearer', token)) || jsonb_build_object('body', test_quizzer.body) || rest) r $$;
CREATE FUNCTION test_token(username text, password text) RETURNS text LANGUAGE sql AS $$
	SELECT r.body::jsonb#>>'{data,token}' FROM test_call('login', jsonb_build_object('ip', format('10.2.%s.%s', nextval('test_address') / 250, currval('test_address') % 250),
		'body', jsonb_build_object('username', username, 'password', password))) r $$;

-- POST /api/auth/register --------------------------------------------------------------------------
SELECT * FROM test_quizzer('register', '{"username":"Qz_Ana","email":" QZ-Ana@Example.com","password":"quiz12","profile":{"firstName":" Ana ","lastName":"Ruiz","grade":8,"preferredSubjects":[" Math ","Ünï ©"]},"preferences":{"emailNotifications":"false","difficulty":"hard"}}');
SELECT * FROM test_quizzer('register', '{"username":" qz_bob ","email":"qz-bob@example.com","password":"      "}');
SELECT * FROM test_quizzer('register', '{"username":"qz_cyd","email":"qz-cyd@example.com","password":"quiz12","profile":{"firstName":"","lastName":" ","grade":null},"preferences":{},"role":"admin","_id":"000000000000000000000000","performance":{"averageScore":99},"createdAt":"2001-01-01T00:00:00.000Z","lastLoginAt":"2001-01-01T00:00:00.000Z"}');
SELECT username, email, first_name, last_name, grade, preferred_subjects, email_notifications, difficulty, total_quizzes_taken, average_score,
	updated_at = created_at AS fresh, created_at > now() - interval '1 hour' AS now, last_login_at FROM authmeter.quizzer_users WHERE email LIKE 'qz-%' ORDER BY email;
-- The other APIs know them by their names; the hash is bcrypt of the cost set.
SELECT u.email, u.name, left(u.password_hash, 7) AS hash, u.email_verified_at FROM authmeter.user u WHERE u.email LIKE 'qz-%' ORDER BY 1;
-- The id: of the time, with the partition of the user's own id.
SELECT bool_and(p.object_id ~ '^[0-9a-f]{24}$') AS formed, bool_and(substr(p.object_id, 9, 3) = substr(p.user_id::text, 16, 3)) AS routed,
	count(DISTINCT p.object_id) AS different FROM authmeter.quizzer_profile p;
-- Taken, whatever the case; of both the user name is told. Nothing is left behind.
SELECT r.* FROM unnest(ARRAY['{"username":"qz_ana","email":"qz-new@example.com","password":"quiz12"}', '{"username":"QZ_ANA","email":"qz-ana@example.com","password":"quiz12"}',
	'{"username":"qz_new","email":"QZ-ANA@example.com","password":"quiz12"}']) b, test_quizzer('register', b::jsonb) r;
SELECT (authmeter.user_create('qz-other@example.com', 'other pass', 'Other')).user_id AS other \gset
SELECT * FROM test_quizzer('register', '{"username":"qz_other","email":"qz-other@example.com","password":"quiz12"}');
SELECT count(*) FROM authmeter.user WHERE email IN ('qz-new@example.com');
SELECT count(*) FROM authmeter.quizzer_profile WHERE username IN ('qz_new', 'qz_other');
-- The fields, one message each.
SELECT b->>'username' AS username, b->>'email' AS email, left(b->>'password', 12) AS password, r.body FROM (SELECT '{"username":"qz_x","email":"qz-x@example.com","password":"quiz12"}'::jsonb || v::jsonb FROM unnest(ARRAY[
	'{"username":null}', '{"username":""}', '{"username":" \t\u3000"}', '{"username":5}', '{"username":["qz_x"]}', '{"username":"qz"}', '{"username":" q "}',
	'{"username":"qz_xxxxxxxxxxxxxxxxxxxxxxxxxxxx"}', '{"username":"q z"}', '{"username":"qz-x"}', '{"username":"qzß"}', '{"username":"qz.x"}',
	'{"email":null}', '{"email":""}', '{"email":5}', '{"email":"qz"}', '{"email":"qz@x"}', '{"email":"a b@example.com"}',
	'{"password":null}', '{"password":""}', '{"password":123456}', '{"password":"quiz1"}', '{"password":"äöüäö"}', '{"password":"12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901"}',
	'{"password":"1234567890123456789012345678901234567890123456789012345678901234567890123"}', '{"password":"ääääääääääääääääääääääääääääääääääääax"}', '{"username":"a!","email":"b","password":"c"}']) v) t (b), test_quizzer('register', b) r;
SELECT v AS details, r.body FROM unnest(ARRAY['{"profile":null}', '{"profile":[]}', '{"profile":"x"}', '{"profile":{"firstName":5}}', '{"profile":{"firstName":null}}',
	'{"profile":{"firstName":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}', '{"profile":{"lastName":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}', '{"profile":{"lastName":[]}}',
	'{"profile":{"grade":"8"}}', '{"profile":{"grade":true}}', '{"profile":{"grade":8.5}}', '{"profile":{"grade":0}}', '{"profile":{"grade":-1}}', '{"profile":{"grade":13}}', '{"profile":{"grade":1e400}}',
	'{"profile":{"preferredSubjects":"Math"}}', '{"profile":{"preferredSubjects":null}}', '{"profile":{"preferredSubjects":[1]}}', '{"profile":{"preferredSubjects":[null]}}', '{"profile":{"preferredSubjects":["a",["b"]]}}',
	'{"preferences":null}', '{"preferences":[]}', '{"preferences":{"emailNotifications":1}}', '{"preferences":{"emailNotifications":"TRUE"}}', '{"preferences":{"emailNotifications":null}}',
	'{"preferences":{"difficulty":"Easy"}}', '{"preferences":{"difficulty":null}}', '{"profile":{"firstName":1,"lastName":1,"grade":99,"preferredSubjects":{}},"preferences":{"emailNotifications":0,"difficulty":0}}']) v,
	test_quizzer('register', '{"username":"qz_x","email":"qz-x@example.com","password":"quiz12"}'::jsonb || v::jsonb) r;
SELECT r.status, length(r.body) FROM test_quizzer('register', jsonb_build_object('username', 'qz_x', 'email', 'qz-x@example.com', 'password', 'quiz12',
	'profile', jsonb_build_object('preferredSubjects', (SELECT jsonb_agg('s'::text) FROM generate_series(1, 101))))) r;
SELECT r.status, length(r.body) FROM test_quizzer('register', jsonb_build_object('username', 'qz_x', 'email', repeat('x', 250) || '@example.com', 'password', repeat('x', 1000000))) r;
SELECT b, r.* FROM unnest(ARRAY['{}', '[]', '"x"', 'null']) b, test_quizzer('register', b::jsonb) r;
SELECT r.status, test_shown(r.body) FROM test_call('register', '{"ip":"10.3.0.1"}') r;
SELECT count(*) FROM authmeter.user WHERE email LIKE 'qz-x%';
-- The shortest password is a setting; 72 bytes, and letters of any script, are good.
SELECT authmeter.setting_set('quizzer.password_min_length', '8');
SELECT * FROM test_quizzer('register', '{"username":"qz_x","email":"qz-x@example.com","password":"quiz123"}');
SELECT authmeter.setting_set('quizzer.password_min_length', NULL);
SELECT r.status FROM test_quizzer('register', jsonb_build_object('username', 'qz_long', 'email', 'qz-long@example.com', 'password', repeat('ä', 36))) r;
SELECT length(test_token('qz_long', repeat('ä', 36))) > 100 AS logs_in;

-- The token: these claims and no others, for seven days.
SELECT d.claims FROM test_call('login', '{"ip":"10.3.0.2","body":{"username":"qz_ana","password":"quiz12"}}') r, authmeter.jwt_decode(r.body::jsonb#>>'{data,token}') d \gset
SELECT string_agg(k, ' ' ORDER BY k COLLATE "C") FROM jsonb_object_keys(:'claims') k;
SELECT c->>'userId' = q._id AS id, c->>'uid' = q.user_id::text AS uid, c->>'username' AS username, c->>'email' AS email, c->>'api' AS api, c->>'use' AS use,
	(c->>'exp')::bigint - (c->>'iat')::bigint AS lifetime FROM (SELECT :'claims'::jsonb) x (c), authmeter.quizzer_users q WHERE q.username = 'Qz_Ana';

-- POST /api/auth/login -----------------------------------------------------------------------------
SELECT * FROM test_quizzer('login', '{"username":" QZ_ana ","password":"quiz12"}');
SELECT last_login_at = updated_at AS at_once, last_login_at > created_at AS later FROM authmeter.quizzer_users WHERE username = 'Qz_Ana';
SELECT b, r.* FROM unnest(ARRAY['{"username":"qz_ana","password":"quiz13"}', '{"username":"qz_nobody","password":"quiz12"}', '{"username":"qz_other","password":"other pass"}',
	'{"username":"qz-other@example.com","password":"other pass"}', '{"username":"qz_ana","password":"QUIZ12"}', '{"username":"qz_ana","password":" quiz12"}', '{"username":"qz","password":"quiz12"}', '{"username":"qz_ana","password":"quiz1"}', '{"username":"qz_ana"}', '{}', '{"username":{"a":1},"password":["x"]}']) b,
	test_quizzer('login', b::jsonb) r;
-- A longer minimum for new passwords does not lock out who has an older one.
SELECT authmeter.setting_set('quizzer.password_min_length', '8');
SELECT status FROM test_quizzer('login', '{"username":"qz_ana","password":"quiz12"}');
SELECT authmeter.setting_set('quizzer.password_min_length', NULL);
-- Failures are counted by account and address, those of a name that nobody has likewise; then even the right password is refused, here and only here.
SELECT authmeter.setting_set('authmeter.login_failures', '3/15m'), authmeter.setting_set('quizzer.auth_limit', 'off');
SELECT n, a.username, r.status, r.headers ? 'Retry-After' AS retry, r.headers ? 'RateLimit-Limit' AS limited, test_shown(r.body) AS body
FROM unnest(ARRAY['qz_bob', 'QZ_NoBody']) a (username), generate_series(1, 5) n, test_call('login', jsonb_build_object('ip', '10.3.0.3', 'body',
	jsonb_build_object('username', CASE n WHEN 3 THEN upper(a.username) ELSE a.username END, 'password', 'wrong ' || n))) r ORDER BY 2, 1;
SELECT r.status FROM test_call('login', '{"ip":"10.3.0.3","body":{"username":"qz_bob","password":"      "}}') r;
SELECT r.status FROM test_call('login', '{"ip":"10.3.0.4","body":{"username":"qz_bob","password":"      "}}') r;
SELECT authmeter.setting_set('authmeter.login_failures', NULL), authmeter.setting_set('quizzer.auth_limit', NULL);
-- A disabled user is refused like a wrong password, and its token is none.
SELECT test_token('qz_bob', '      ') AS bob_token \gset
SELECT (authmeter.user_disable(user_id)).outcome FROM authmeter.quizzer_users WHERE username = 'qz_bob';
SELECT * FROM test_quizzer('login', '{"username":"qz_bob","password":"      "}');
SELECT * FROM test_quizzer('validate', '{}', :'bob_token');

-- Bearer failures, the same on all four routes -----------------------------------------------------
SELECT test_token('qz_ana', 'quiz12') AS token \gset
SELECT user_id AS ana FROM authmeter.quizzer_users WHERE username = 'Qz_Ana' \gset
SELECT authmeter.token_issue(:'ana', 'quizzer', 'verify') AS verify \gset
SELECT f.f AS function, t.what, r.* FROM unnest(ARRAY['validate', 'get_profile', 'update_profile', 'delete_account']) f,
	(VALUES ('none', NULL), ('empty', ''), ('no token', 'abc'), ('tampered', :'token' || 'x'), ('use', :'verify')) t (what, token),
	test_quizzer(f.f, '{"profile":{}}', t.token) r;
SET authmeter.clock_offset_s = 604801;
SELECT f.f AS function, r.* FROM unnest(ARRAY['validate', 'get_profile', 'update_profile', 'delete_account']) f, test_quizzer(f.f, '{"profile":{}}', :'token') r;
RESET authmeter.clock_offset_s;
SELECT (authmeter.revoke_user_tokens(:'ana')).outcome;
SELECT * FROM test_quizzer('get_profile', '{}', :'token');
SELECT test_token('qz_ana', 'quiz12') AS token \gset

-- validate, get profile ----------------------------------------------------------------------------
SELECT * FROM test_quizzer('validate', '{}', :'token');
SELECT * FROM test_quizzer('get_profile', '{}', :'token');
-- Performance is written by SQL only, and shown.
SET ROLE regress_quizzer_service;
SELECT (authmeter.quizzer_set_performance(authmeter.quizzer_user_id('000000000000000000000000'), 1)).outcome;
SELECT (authmeter.quizzer_set_performance(:'ana', 12, 87.5, ARRAY['Math', 'a "quoted" one'], ARRAY['History'])).outcome;
SELECT (authmeter.quizzer_set_performance(:'ana', average_score => 99.99999999999)).outcome;
\set VERBOSITY sqlstate
SELECT authmeter.quizzer_set_performance(:'ana', -1);
SELECT authmeter.quizzer_set_performance(:'ana', 9007199254740992);
SELECT authmeter.quizzer_set_performance(:'ana', 1, 100.1);
SELECT authmeter.quizzer_set_performance(:'ana', 1, 'NaN');
SELECT authmeter.quizzer_set_performance(:'ana', 1, 1, ARRAY[NULL]);
SELECT authmeter.quizzer_set_performance(:'ana', 1, 1, ARRAY[['a'], ['b']]);
SELECT authmeter.quizzer_set_performance(:'ana', 1, 1, NULL, ARRAY[repeat('x', 101)]);
\set VERBOSITY default
RESET ROLE;
SELECT r.body::jsonb#>'{data,user,performance}' AS performance FROM test_quizzer('validate', '{}', :'token') r;
SELECT authmeter.quizzer_user_id((SELECT _id FROM authmeter.quizzer_users WHERE username = 'Qz_Ana')) = :'ana' AS found;

-- PUT profile --------------------------------------------------------------------------------------
SELECT * FROM test_quizzer('update_profile', '{"preferences":{"emailNotifications":"true"},"profile":{"grade":null},"performance":{"averageScore":1},"username":"evil","email":"evil@example.com","password":"evil123","_id":"0","role":"admin","createdAt":"x","lastLoginAt":"x"}', :'token');
SELECT * FROM test_quizzer('update_profile', '{"profile":{"firstName":"","preferredSubjects":[]}}', :'token');
SELECT * FROM test_quizzer('update_profile', '{"profile":{"firstName":"Anna","grade":12.0,"preferredSubjects":["a"," a ","\u2003b"],"username":"evil"},"preferences":{"difficulty":"easy","x":1}}', :'token');
SELECT name FROM authmeter.user_get(:'ana');
SELECT updated_at AS before FROM authmeter.quizzer_users WHERE username = 'Qz_Ana' \gset
SELECT status FROM test_quizzer('update_profile', '{"profile":{}}', :'token');
SELECT status FROM test_quizzer('update_profile', '{"preferences":{}}', :'token');
SELECT updated_at > :'before' AS updated, first_name, grade, preferred_subjects, difficulty, email_notifications FROM authmeter.quizzer_users WHERE username = 'Qz_Ana';
SELECT b, r.* FROM unnest(ARRAY['{}', '{"performance":{}}', '{"profile":null}', '{"preferences":null}', '{"profile":[],"preferences":1}', '{"profile":{"grade":1.5},"preferences":{"difficulty":"no"}}', '[]', 'null']) b,
	test_quizzer('update_profile', b::jsonb, :'token') r;
SELECT r.status, test_shown(r.body) FROM test_call('update_profile', jsonb_build_object('ip', '10.3.0.5', 'bearer', :'token')) r;
-- A name of her own in the pool is not overwritten.
SELECT (authmeter.user_update(:'ana', name => 'A. Ruiz')).outcome;
SELECT status FROM test_quizzer('update_profile', '{"profile":{"firstName":"Ann"}}', :'token');
SELECT name FROM authmeter.user_get(:'ana');

-- A user of another API: cannot log in without a user name; gets its profile when it is first needed.
SELECT authmeter.token_issue(:'other', 'quizzer', 'access') AS other_token \gset
SELECT * FROM test_quizzer('get_profile', '{}', :'other_token');
SELECT count(*) FROM authmeter.quizzer_profile WHERE user_id = :'other';
SET ROLE regress_quizzer_service;
SELECT (authmeter.quizzer_username_set(:'other', u, o)).outcome FROM (VALUES (NULL, NULL), ('a', NULL), ('a-b-c', NULL), ('QZ_ANA', NULL), ('qz_o', 'XX'),
	('qz_o', '0123456789abcdef01234567'), ('Qz_Other', NULL)) v (u, o);
SELECT (authmeter.quizzer_username_set('00000000-0000-7000-8000-000000000000', 'qz_none')).outcome;
SELECT (authmeter.quizzer_username_set((authmeter.user_create('qz-moved@example.com', 'moved pass')).user_id, 'qz_moved', '0123456789abcdef01234567')).outcome;
SELECT authmeter.quizzer_user_id('0123456789abcdef01234567') IS NOT NULL AS moved;
SELECT (authmeter.quizzer_username_set((authmeter.user_create('qz-again@example.com', 'moved pass')).user_id, 'qz_again', '0123456789abcdef01234567')).outcome;
RESET ROLE;
SELECT status FROM test_quizzer('login', '{"username":"qz_other","password":"other pass"}');
SELECT count(*) FROM authmeter.quizzer_users WHERE username = 'qz_again';

-- Limits -------------------------------------------------------------------------------------------
-- register and login share one counter; what is refused with 400 or 401 counts; faulty bodies count.
SELECT authmeter.setting_set('quizzer.auth_limit', '4/15m'), authmeter.setting_set('quizzer.general_limit', '3/15m'), authmeter.setting_set('quizzer.update_limit', '2/15m');
CREATE FUNCTION test_limited(function text, request jsonb, OUT status integer, OUT headers text, OUT resets boolean, OUT body text) LANGUAGE sql AS $$
	SELECT r.status, (SELECT string_agg(h.key || ': ' || CASE WHEN h.key ~ 'Reset|Retry' THEN '<s>' ELSE h.value END, ', ' ORDER BY h.key COLLATE "C") FROM jsonb_each_text(r.headers) h),
		(r.headers->>'RateLimit-Reset')::integer BETWEEN 890 AND 900
			AND abs((r.headers->>'X-RateLimit-Reset')::bigint - (r.headers->>'RateLimit-Reset')::bigint - extract(epoch FROM authmeter.clock())) < 3
			AND (r.status <> 429 OR r.body LIKE '%"retryAfter":' || (r.headers->>'Retry-After') || '}}' AND (r.headers->>'Retry-After')::integer BETWEEN 890 AND 900),
		test_shown(r.body)
	FROM test_call(function, jsonb_build_object('ip', '10.4.0.1') || request) r $$;
SELECT l.* FROM unnest(ARRAY['{"body":{}}', '{"fault":"body_invalid"}', '{"fault":"body_too_large"}']) WITH ORDINALITY q (q, n), test_limited('register', q.q::jsonb) l;
SELECT l.* FROM unnest(ARRAY['{"body":{"username":"qz_ana","password":"wrong1"}}', '{"body":{"username":"qz_ana","password":"quiz12"}}', '{"fault":"body_invalid"}']) q, test_limited('login', q::jsonb) l;
-- All other routes but PUT share another, PUT has its own, and the two paths are one.
SELECT l.* FROM unnest(ARRAY['root', 'validate', 'get_profile', 'delete_account']) f, test_limited(f, '{}') l;
SELECT l.* FROM generate_series(1, 3) n, test_limited('update_profile', jsonb_build_object('id', n)) l;
SELECT l.* FROM test_limited('health', '{}') l;
-- A service token lifts it from validate only; a wrong one does not.
SELECT authmeter.create_service_token('regress-quizzer', ARRAY['quizzer:validate'], '1 hour') AS good \gset
SELECT authmeter.create_service_token('regress-quizzer-2', ARRAY['jobpsych:reset'], '1 hour') AS foreign \gset
SELECT l.* FROM (VALUES ('validate', :'good'), ('validate', :'foreign'), ('get_profile', :'good')) v (f, t),
	test_limited(f, jsonb_build_object('bearer', :'token', 'headers', jsonb_build_object('x-service-token', t))) l;
SELECT l.* FROM test_limited('validate', jsonb_build_object('fault', 'body_too_large', 'headers', jsonb_build_object('x-service-token', :'good'))) l;
-- Off: no field of it; a policy then has its own, by address, user name and user.
SELECT authmeter.setting_set('quizzer.auth_limit', 'off'), authmeter.setting_set('quizzer.general_limit', 'off'), authmeter.setting_set('quizzer.update_limit', 'off');
SELECT l.* FROM test_limited('root', '{}') l;
SELECT authmeter.rate_policy_set('qz-name', 'quizzer', 'auth', 'email', 'window', '2/15m'), authmeter.rate_policy_set('qz-user', 'quizzer', 'general', 'user', 'gcra', '3/15m', 1),
	authmeter.rate_policy_set('qz-address', 'quizzer', 'update', 'address', 'window', '1/15m');
SELECT r.status, r.headers ? 'Retry-After' AS retry, test_shown(r.body) AS body FROM unnest(ARRAY['qz_ana', 'QZ_ANA', 'Qz_ana']) WITH ORDINALITY u (u, n),
	test_call('login', jsonb_build_object('ip', '10.5.0.' || u.n, 'body', jsonb_build_object('username', u.u, 'password', 'wrong1'))) r;
SELECT r.status, r.headers ? 'Retry-After' AS retry FROM generate_series(1, 2) n, test_call('get_profile', jsonb_build_object('ip', '10.5.0.' || n, 'bearer', :'token')) r;
SELECT r.status, r.headers->>'RateLimit-Policy' AS policy, r.headers ? 'Retry-After' AS retry FROM generate_series(1, 2) n, test_call('update_profile', jsonb_build_object('ip', '10.5.0.9', 'id', n)) r;
SELECT authmeter.rate_policy_drop(p) FROM unnest(ARRAY['qz-name', 'qz-user', 'qz-address']) p;
SELECT authmeter.setting_set(s, NULL) FROM unnest(ARRAY['quizzer.auth_limit', 'quizzer.general_limit', 'quizzer.update_limit']) s;

-- DELETE account -----------------------------------------------------------------------------------
SELECT authmeter.setting_set('quizzer.delete_account', 'strict');
SELECT * FROM authmeter_http.weak_behaviour_list('{quizzer}');
SELECT b, r.* FROM unnest(ARRAY['{}', '{"password":""}', '{"password":null}', '{"password":6}', '{"password":"x"}', '{"password":"quiz13"}',
	'{"password":"1234567890123456789012345678901234567890123456789012345678901234567890123"}']) b, test_quizzer('delete_account', b::jsonb, :'token') r;
SELECT * FROM test_quizzer('delete_account', '{"password":"quiz12"}');
SELECT count(*) FROM authmeter.user WHERE id = :'ana';
-- Wrong passwords here count as failed logins.
SELECT authmeter.setting_set('authmeter.login_failures', '2/15m');
SELECT r.status, test_shown(r.body) FROM generate_series(1, 4) n, test_call('delete_account', jsonb_build_object('ip', '10.3.0.6', 'bearer', :'token', 'body', jsonb_build_object('password', CASE n WHEN 4 THEN 'quiz12' ELSE 'wrong' || n END))) r;
SELECT authmeter.setting_set('authmeter.login_failures', NULL);
SELECT * FROM test_quizzer('delete_account', '{"password":"quiz12"}', :'token');
SELECT count(*) FROM authmeter.user WHERE id = :'ana';
SELECT count(*) FROM authmeter.quizzer_profile WHERE user_id = :'ana';
SELECT r.f, r.r FROM (SELECT f, test_quizzer(f, '{"profile":{}}', :'token') FROM unnest(ARRAY['validate', 'get_profile', 'update_profile', 'delete_account']) f) r (f, r);
-- Documented: the token is enough. A name that is free again may be taken.
SELECT authmeter.setting_set('quizzer.delete_account', 'documented');
SELECT test_token('qz_cyd', 'quiz12') AS cyd \gset
SELECT * FROM test_quizzer('delete_account', '{}', :'cyd');
SELECT * FROM test_quizzer('delete_account', '{}', :'cyd');
SELECT status FROM test_quizzer('register', '{"username":"QZ_CYD","email":"qz-cyd@example.com","password":"quiz12"}');
SELECT authmeter.setting_set('quizzer.delete_account', NULL);
-- The audit trail has the true reasons, and no secret.
SELECT action, outcome, count(*), count(address) AS addresses FROM authmeter.audit_event WHERE action LIKE 'quizzer%' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) FROM authmeter.audit_event e WHERE e::text ~ 'quiz12|wrong [0-9]|wrong[0-9]|eyJ|moved pass' AND e.action ~ 'quizzer|login';

-- GET /health, GET / -------------------------------------------------------------------------------
SELECT * FROM test_quizzer('health', '{}');
SELECT * FROM test_quizzer('root', '{}');

-- Nothing planted in the caller's path is used.
CREATE SCHEMA regress_quizzer_evil;
CREATE FUNCTION regress_quizzer_evil.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'qz_moved' $$;
CREATE FUNCTION regress_quizzer_evil.format(text, json, text) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$;
GRANT USAGE ON SCHEMA regress_quizzer_evil TO PUBLIC;
SET search_path = regress_quizzer_evil, pg_catalog, public;
SELECT status, body FROM public.test_quizzer('login', '{"username":"qz_nobody","password":"moved pass"}');
RESET search_path;
DROP SCHEMA regress_quizzer_evil CASCADE;

SELECT count(authmeter.user_delete(id)) FROM authmeter.user WHERE email LIKE 'qz-%';
SELECT count(*) FROM authmeter.quizzer_profile;
SELECT authmeter.revoke_service_token(t) FROM unnest(ARRAY['regress-quizzer', 'regress-quizzer-2']) t;
SELECT authmeter.setting_set(s, NULL) FROM unnest(ARRAY['quizzer.bcrypt_rounds', 'authmeter.bcrypt_cost', 'authmeter.environment']) s;
DROP FUNCTION test_call(text, jsonb), test_shown(text), test_quizzer(text, jsonb, text, jsonb), test_token(text, text), test_limited(text, jsonb);
DROP SEQUENCE test_address;
DROP OWNED BY regress_quizzer_gateway, regress_quizzer_service;
DROP ROLE regress_quizzer_gateway, regress_quizzer_service;
