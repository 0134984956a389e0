-- The vsplugin API, row by row of its contract and in both policies: status, headers, body, and the
-- state left behind; called by the gateway's role, which can do nothing else.
CREATE ROLE regress_vsplugin_gateway;
CREATE ROLE regress_vsplugin_service;
SELECT authmeter.grant_access('regress_vsplugin_gateway', 'gateway') > 0 AS granted;
SELECT authmeter.grant_access('regress_vsplugin_service', 'service') > 0 AS granted;
SELECT authmeter.setting_set('authmeter.environment', 'development');
-- Without a key the gateway must not start.
SELECT severity, message FROM authmeter_http.start_check('{vsplugin}') WHERE message LIKE 'vsplugin%';
SELECT severity FROM authmeter_http.start_check('{nosuch}') WHERE message LIKE '%sign%';

-- Secrets of the deployment: imported once, then compared; published examples are refused.
SELECT * FROM authmeter_http.deployment_list('{vsplugin}');
SELECT * FROM authmeter_http.deployment_list('{nosuch}');
SET ROLE regress_vsplugin_gateway;
SELECT authmeter_http.deployment_import('vsplugin', 'MONGO_URI', 'x'), authmeter_http.deployment_import('nosuch', 'JWT_SECRET', 'x'),
	authmeter_http.deployment_import('vsplugin', 'JWT_SECRET', ''), authmeter_http.deployment_import('vsplugin', 'JWT_SECRET', NULL);
SELECT authmeter_http.deployment_import('vsplugin', 'JWT_SECRET', 'your-256-bit-secret');
-- A short secret is for development only: a warning there, and production does not start with it.
SELECT authmeter_http.deployment_import('vsplugin', 'JWT_SECRET', 'pR8vTz3kQw6yLn1cXb5d');
SELECT severity, message FROM authmeter_http.start_check('{vsplugin}') WHERE message ~ 'vsplugin';
RESET ROLE;
SELECT authmeter.setting_set('authmeter.environment', 'production');
SET ROLE regress_vsplugin_gateway;
SELECT severity, message FROM authmeter_http.start_check('{vsplugin}') WHERE message ~ 'vsplugin';
SELECT authmeter_http.deployment_import('vsplugin', 'JWT_SECRET', 'pR8vTz3kQw6yLn1cXb5e');
RESET ROLE;
SELECT authmeter.key_retire(kid, ring) FROM authmeter.key_list() WHERE ring = 'vsplugin';
SET ROLE regress_vsplugin_gateway;
SELECT authmeter_http.deployment_import('vsplugin', 'JWT_SECRET', 'pR8vTz3kQw6yLn1cXb5e');
RESET ROLE;
SELECT authmeter.setting_set('authmeter.environment', 'development');
SET ROLE regress_vsplugin_gateway;
SELECT authmeter_http.deployment_import('vsplugin', 'JWT_SECRET', 'kT9vN2qLrW8yUe4sDf6gHj1kPz3xCb5m-vsplugin');
SELECT authmeter_http.deployment_import('vsplugin', 'JWT_SECRET', 'kT9vN2qLrW8yUe4sDf6gHj1kPz3xCb5m-vsplugin');
SELECT authmeter_http.deployment_import('vsplugin', 'JWT_SECRET', 'kT9vN2qLrW8yUe4sDf6gHj1kPz3xCb5m-another');
SELECT authmeter_http.deployment_import('vsplugin', 'API_KEY', 'sk-server-wide');
SELECT authmeter_http.deployment_import('vsplugin', 'API_KEY', 'sk-server-wide');
SELECT authmeter_http.deployment_import('vsplugin', 'API_KEY', 'sk-another');
RESET ROLE;
SELECT action, outcome, detail FROM authmeter.audit_event WHERE action = 'deployment_import' ORDER BY at;
SELECT severity, message FROM authmeter_http.start_check('{vsplugin}') WHERE message LIKE 'vsplugin%';

-- What the gateway reads at its start.
SET ROLE regress_vsplugin_gateway;
SELECT * FROM authmeter_http.route_list('{vsplugin}');
SELECT count(*) FROM authmeter_http.route_list('{nosuch}');
SELECT reason, path, status, body FROM authmeter_http.refusal_list('{vsplugin}');
SELECT authmeter_http.gateway_config('{vsplugin,none}');
SELECT * FROM authmeter_http.weak_behaviour_list('{vsplugin}');
SELECT count(*) FROM authmeter_http.weak_behaviour_list('{nosuch}');
RESET ROLE;
SELECT authmeter.setting_set('vsplugin.cors_origins', 'https://b.example, https://a.example'),
	authmeter.setting_set('authmeter.trusted_proxies', '10.0.0.0/8,2001:db8::/32'),
	authmeter.setting_set('vsplugin.api_key_claim', 'strict');
SET ROLE regress_vsplugin_gateway;
SELECT authmeter_http.gateway_config('{vsplugin}');
SELECT policy FROM authmeter_http.weak_behaviour_list('{vsplugin}');
RESET ROLE;
SELECT authmeter.setting_set(name, NULL) FROM unnest(ARRAY['vsplugin.cors_origins', 'authmeter.trusted_proxies', 'vsplugin.api_key_claim']) name;
-- Every route has its function, open to the gateway; nothing else of the schema is.
SELECT r.function FROM authmeter_http.route r
WHERE to_regprocedure(format('authmeter_http.%I(jsonb)', r.function)) IS NULL
	OR NOT has_function_privilege('regress_vsplugin_gateway', format('authmeter_http.%I(jsonb)', r.function), 'EXECUTE');
SELECT p.oid::regprocedure AS open_to_the_gateway FROM pg_proc p
WHERE p.pronamespace IN ('authmeter_http'::regnamespace, 'authmeter'::regnamespace)
	AND has_function_privilege('regress_vsplugin_gateway', p.oid, 'EXECUTE')
	AND NOT EXISTS (SELECT FROM authmeter_http.route r WHERE r.function = p.proname) ORDER BY 1;

-- Users are made out of band.
SET ROLE regress_vsplugin_service;
SELECT authmeter.vsplugin_create_user(' VSP-Ana@Example.com ', 'sk-ana-1') AS ana \gset
SELECT authmeter.vsplugin_create_user('vsp-bob@example.com', NULL) AS bob \gset
\set VERBOSITY sqlstate
SELECT authmeter.vsplugin_create_user('VSP-ana@example.com', 'sk-other');
SELECT authmeter.vsplugin_create_user('nobody', 'sk-other');
SELECT authmeter.vsplugin_create_user('vsp-eve@example.com', '');
SELECT authmeter.vsplugin_create_user('vsp-eve@example.com', repeat('x', 1025));
SELECT authmeter.vsplugin_create_user('vsp-eve@example.com', E'a\nb');
\set VERBOSITY default
SELECT authmeter.vsplugin_api_key();
RESET ROLE;
SELECT count(*) AS made FROM authmeter.user WHERE email = 'vsp-eve@example.com';
SELECT email, token_count, prompt_count, created_at IS NOT NULL AS created, api_key_handle ~ '^akh_[A-Za-z0-9_-]{24}$' AS handle
FROM authmeter.vsplugin_users WHERE email LIKE 'vsp-%' ORDER BY 1;
SELECT count(*) AS found FROM authmeter.vsplugin_profile p, authmeter.deployment_secret d
WHERE position('sk-ana-1'::bytea IN p.api_key) > 0 OR position('sk-server-wide'::bytea IN d.sealed) > 0;

-- One call of an endpoint, as the gateway makes it; tokens are not shown.
CREATE FUNCTION test_call(function text, request jsonb) RETURNS SETOF authmeter_http.response LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL ROLE regress_vsplugin_gateway;
	RETURN QUERY EXECUTE format('SELECT r.status, r.headers, regexp_replace(r.body, %L, %L) FROM authmeter_http.%I($1) r',
		'"sessionToken":"[^".]+\.[^".]+\.[^".]+"', '"sessionToken":"<jwt>"', function) USING request;
	RESET ROLE;
END
$$;
CREATE FUNCTION test_signup(body jsonb, rest jsonb DEFAULT '{}') RETURNS SETOF authmeter_http.response LANGUAGE sql AS $$
	SELECT * FROM test_call('vsplugin_signup', jsonb_build_object('id', 'r-1', 'api', 'vsplugin', 'method', 'POST',
		'ip', '192.0.2.1', 'body', body) || rest) $$;
CREATE FUNCTION test_track(token text, body jsonb, rest jsonb DEFAULT '{}') RETURNS SETOF authmeter_http.response LANGUAGE sql AS $$
	SELECT * FROM test_call('vsplugin_track_usage', jsonb_build_object('id', 'r-1', 'api', 'vsplugin', 'method', 'POST',
		'ip', '192.0.2.1', 'bearer', token, 'body', body) || rest) $$;
CREATE FUNCTION test_claims(email text, rest jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT d.claims FROM authmeter_http.vsplugin_signup(jsonb_build_object('ip', '192.0.2.1', 'body',
		jsonb_build_object('email', email)) || rest) r, authmeter.jwt_decode(r.body::jsonb->>'sessionToken') d $$;
CREATE FUNCTION test_code(address text) RETURNS text LANGUAGE sql AS $$
	SELECT authmeter.mail_params(m.id)->>'code' FROM authmeter.mail_outbox m
	WHERE m.recipient = address AND m.template = 'vsplugin-signup' ORDER BY m.created_at DESC LIMIT 1 $$;
CREATE FUNCTION test_other(code text) RETURNS text LANGUAGE sql AS $$
	SELECT lpad(((code::integer + 1) % 1000000)::text, 6, '0') $$;

-- POST /signup, documented -----------------------------------------------------------------------
SELECT * FROM test_signup('{"email":" VSP-Ana@Example.com "}');
SELECT * FROM test_signup('{"email":"vsp-no@example.com"}');
SELECT * FROM test_signup('{"email":"nobody"}');
SELECT b AS given, r.* FROM unnest(ARRAY['{}', '{"email":null}', '{"email":""}', '{"email":" \t"}', '{"email":"\u3000\u00a0\ufeff"}',
	'{"email":1}', '{"email":true}', '{"email":["vsp-ana@example.com"]}', '{"email":{"a":1}}', '{"Email":"vsp-ana@example.com"}']) b,
	test_signup(b::jsonb) r;
SELECT r.* FROM test_call('vsplugin_signup', '{"ip":"192.0.2.1"}') r;
SELECT r.* FROM test_call('vsplugin_signup', '{"ip":"192.0.2.1","body":["email"]}') r;
SELECT r.* FROM test_call('vsplugin_signup', '{"ip":"192.0.2.1","fault":"body_invalid"}') r;
SELECT r.* FROM test_call('vsplugin_signup', '{"ip":"192.0.2.1","fault":"body_too_large"}') r;
SELECT * FROM test_signup(jsonb_build_object('email', repeat('x', 100000) || '@example.com'));
-- The code is not looked at; server-owned fields have no effect; no user is made.
SELECT * FROM test_signup('{"email":"vsp-ana@example.com","otp":"wrong","id":1,"ver":9,"promptCount":5,"userId":"x","role":"admin"}');
SELECT count(*) FROM authmeter.user WHERE email LIKE 'vsp-%';
SELECT count(*) FROM authmeter.otp WHERE purpose = 'vsplugin-signup';
-- The token: these claims and no others, for thirty days.
SELECT test_claims('vsp-ana@example.com') AS claims \gset
SELECT string_agg(k, ' ' ORDER BY k COLLATE "C") FROM jsonb_object_keys(:'claims') k;
SELECT c->>'userId' = :'ana' AS user_id, c->>'email' AS email, c->>'apiKey' AS api_key, c->>'api' AS api, c->>'use' AS use,
	c->>'ver' AS ver, (c->>'exp')::bigint - (c->>'iat')::bigint AS seconds,
	abs((c->>'iat')::bigint - extract(epoch FROM clock_timestamp())) < 60 AS now, length(c->>'jti') AS jti
FROM (SELECT :'claims'::jsonb AS c) t;
SELECT test_claims('vsp-ana@example.com')->>'jti' <> test_claims('vsp-ana@example.com')->>'jti' AS random;
SELECT authmeter.setting_set('vsplugin.token_ttl', '90m');
SELECT (c->>'exp')::bigint - (c->>'iat')::bigint AS seconds FROM test_claims('vsp-ana@example.com') c;
SELECT authmeter.setting_set('vsplugin.token_ttl', NULL);
-- Whose key is in it: the own one, or a handle; never the server's, and with strict never a key.
SELECT test_claims('vsp-bob@example.com')->>'apiKey' AS bob_handle \gset
SELECT :'bob_handle' ~ '^akh_[A-Za-z0-9_-]{24}$' AS handle,
	:'bob_handle' = test_claims('vsp-bob@example.com')->>'apiKey' AS stable;
SELECT authmeter.setting_set('vsplugin.api_key_claim', 'strict');
SELECT test_claims('vsp-ana@example.com')->>'apiKey' AS ana_handle \gset
SELECT :'ana_handle' ~ '^akh_[A-Za-z0-9_-]{24}$' AS handle, :'ana_handle' <> :'bob_handle' AS differ,
	:'ana_handle' = (SELECT api_key_handle FROM authmeter.vsplugin_users WHERE email = 'vsp-ana@example.com') AS as_operators_see_it;
SELECT authmeter.vsplugin_user_key_set(:'bob', 'sk-ana-1');
SELECT test_claims('vsp-bob@example.com')->>'apiKey' NOT IN (:'bob_handle', :'ana_handle') AS changed_with_the_key;
SELECT authmeter.vsplugin_user_key_set(:'bob', NULL), authmeter.vsplugin_user_key_set('00000000-0000-0000-0000-000000000000', 'x');
SELECT test_claims('vsp-bob@example.com')->>'apiKey' = :'bob_handle' AS back;
SELECT authmeter.setting_set('vsplugin.api_key_claim', NULL);
-- A disabled user is not there.
SELECT (authmeter.user_disable(:'bob')).outcome;
SELECT * FROM test_signup('{"email":"vsp-bob@example.com"}');
SELECT (authmeter.user_enable(:'bob')).outcome;

-- The limit, off unless set: by address (IPv6 by its /64), before the body is looked at.
SELECT authmeter.setting_set('vsplugin.signup_limit', '2/1h');
SELECT n, r.status, r.headers ? 'Retry-After' AS retry_after, r.body FROM (VALUES
	(1, '{"ip":"2001:db8::1","fault":"body_invalid"}'), (2, '{"ip":"2001:db8::2"}'), (3, '{"ip":"2001:db8::3","fault":"body_invalid"}'),
	(4, '{"ip":"2001:db8:0:1::1"}'), (5, '{}'), (6, '{"ip":"unknown"}'), (7, '{"ip":7}')) t (n, rest),
	test_call('vsplugin_signup', rest::jsonb) r ORDER BY n;
SELECT r.headers->>'Retry-After' ~ '^(3600|35[0-9][0-9])$' AS seconds FROM test_call('vsplugin_signup', '{"ip":"2001:db8::4"}') r;
SELECT authmeter.setting_set('vsplugin.signup_limit', NULL);

-- POST /trackUsage -------------------------------------------------------------------------------
SELECT authmeter_http.vsplugin_signup('{"body":{"email":"vsp-ana@example.com"}}') AS r \gset
SELECT (:'r'::authmeter_http.response).body::jsonb->>'sessionToken' AS token \gset
SELECT * FROM test_track(:'token', '{"usage":1,"tokenCount":250}');
SELECT * FROM test_track(:'token', '{"usage":-5,"tokenCount":"12"}');
SELECT v AS given, r.status, r.body::jsonb - 'message' AS body FROM unnest(ARRAY['"1"', 'true', 'null', '1.5', '0.9', '0', '-0', '-1', '2147483648',
	'1e400', '-1e400', '1e-400', '99999999999999999999', '1e130000', '[1]', '{"a":1}']) v,
	test_track(:'token', format('{"usage":%s,"tokenCount":%s}', v, v)::jsonb) r;
SELECT v AS given, r.body::jsonb - 'message' AS body FROM unnest(ARRAY['1.0', '1e3', '1200e-2', '2147483647', '2147483647.000']) v,
	test_track(:'token', format('{"usage":%s,"tokenCount":%s}', v, v)::jsonb) r;
SELECT * FROM test_track(:'token', NULL);
SELECT r.* FROM test_call('vsplugin_track_usage', jsonb_build_object('bearer', :'token')) r;
SELECT r.* FROM test_call('vsplugin_track_usage', jsonb_build_object('bearer', :'token', 'body', '[]'::jsonb)) r;
-- Nothing in the body selects a user or sets a total.
SELECT r.body FROM test_track(:'token', jsonb_build_object('usage', 1, 'userId', :'bob', 'email', 'vsp-bob@example.com',
	'promptCount', 7, 'currentPromptCount', 7, 'threshold', 7)) r;
SELECT email, prompt_count, token_count FROM authmeter.vsplugin_users WHERE email LIKE 'vsp-%' ORDER BY 1;
-- Settings in force at once; totals have 64 bits, and beyond them is a fault that adds nothing.
SELECT authmeter.setting_set('vsplugin.threshold', '3'), authmeter.setting_set('vsplugin.max_increment', '9007199254740991');
SELECT r.body FROM test_track(:'token', '{"usage":9007199254740991,"tokenCount":9007199254740992}') r;
UPDATE authmeter.usage_counter SET value = 9223372036854775807 WHERE user_id = :'ana' AND meter_id = 2;
SELECT * FROM test_track(:'token', '{"usage":1,"tokenCount":1}');
SELECT r.body FROM test_track(:'token', '{"usage":1}') r;
UPDATE authmeter.usage_counter SET value = 0 WHERE user_id = :'ana';
SELECT authmeter.setting_set('vsplugin.threshold', NULL), authmeter.setting_set('vsplugin.max_increment', NULL);

-- No token, and tokens that are none.
SELECT r.* FROM test_track('', '{"usage":1}') r;
SELECT r.* FROM test_call('vsplugin_track_usage', '{"body":{"usage":1}}') r;
SELECT r.* FROM test_call('vsplugin_track_usage', '{"bearer":5,"body":{"usage":1}}') r;
CREATE FUNCTION test_token(claims jsonb, secret text DEFAULT 'kT9vN2qLrW8yUe4sDf6gHj1kPz3xCb5m-vsplugin',
	header text DEFAULT '{"alg":"HS256","typ":"JWT"}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	input text := translate(encode(header::bytea, 'base64'), E'+/=\n', '-_') || '.'
		|| translate(encode(convert_to(claims::text, 'UTF8'), 'base64'), E'+/=\n', '-_');
BEGIN
	RETURN input || '.' || translate(encode(hmac(input, secret, 'sha256'), 'base64'), E'+/=\n', '-_');
END
$$;
SELECT (authmeter.jwt_decode(:'token')).claims AS good \gset
SELECT r.status, r.body FROM test_track(test_token(:'good'), '{}') r;
SELECT n, r.status, r.body FROM (VALUES ('abc', 'abc'),
	('other secret', test_token(:'good', repeat('x', 40))),
	('expired', test_token(:'good'::jsonb || '{"exp":1}')), ('no exp', test_token(:'good'::jsonb - 'exp')),
	('exp as text', test_token(:'good'::jsonb || '{"exp":"9999999999"}')),
	('other api', test_token(:'good'::jsonb || '{"api":"quizzer"}')), ('no api', test_token(:'good'::jsonb - 'api')),
	('other use', test_token(:'good'::jsonb || '{"use":"refresh"}')),
	('older version', test_token(:'good'::jsonb || '{"ver":0}')), ('later version', test_token(:'good'::jsonb || '{"ver":2}')),
	('no user', test_token(:'good'::jsonb - 'userId')), ('user as text', test_token(:'good'::jsonb || '{"userId":"ana"}')),
	('alg none', test_token(:'good', header => '{"alg":"none"}')), ('alg HS512', test_token(:'good', header => '{"alg":"HS512"}')),
	('too long', test_token(:'good'::jsonb || jsonb_build_object('pad', repeat('x', 4096)))),
	('blank', :'token' || ' ')) t (n, token), test_track(token, '{"usage":1}') r;
SELECT prompt_count, token_count FROM authmeter.vsplugin_users WHERE email = 'vsp-ana@example.com';

-- With an idempotency key a repeat adds nothing; the key is the user's own.
SELECT n, r.status, r.body FROM (VALUES (1, '{"usage":1,"tokenCount":5}', 'k-1'), (2, '{"tokenCount":5.0,"usage":1}', 'k-1'),
	(3, '{"usage":2,"tokenCount":5}', 'k-1'), (4, '{"usage":2,"tokenCount":5}', 'k-2'), (5, '{"usage":1,"tokenCount":5}', 'k-1'),
	(6, '{"usage":1}', ''), (7, '{"usage":1}', repeat('x', 256))) t (n, body, key),
	test_track(:'token', body::jsonb, jsonb_build_object('headers', jsonb_build_object('idempotency-key', key))) r ORDER BY n;
SELECT r.status, r.body FROM test_track(authmeter.token_issue(:'bob', 'vsplugin', 'access'), '{"usage":3}', '{"headers":{"idempotency-key":"k-1"}}') r;

-- Revoked, and deleted, are in force at once.
SELECT (authmeter.revoke_user_tokens(:'ana')).outcome;
SELECT r.* FROM test_track(:'token', '{"usage":1}') r;
SELECT authmeter.token_issue(:'bob', 'vsplugin', 'access') AS bob_token \gset
SELECT (authmeter.user_disable(:'bob')).outcome;
SELECT r.* FROM test_track(:'bob_token', '{"usage":1}') r;
SELECT (authmeter.user_enable(:'bob')).outcome;
SELECT authmeter.token_issue(:'bob', 'vsplugin', 'access') AS bob_token \gset
SELECT (authmeter.user_delete(:'bob')).outcome;
SELECT r.* FROM test_track(:'bob_token', '{"usage":1}') r;

-- GET /health, GET / ------------------------------------------------------------------------------
SELECT r.status, r.headers, regexp_replace(r.body, '\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z', '<time>')
FROM unnest(ARRAY['vsplugin_health', 'vsplugin_root']) f, test_call(f, '{}') r;

-- POST /signup, strict ------------------------------------------------------------------------------
SELECT authmeter.setting_set('vsplugin.signup_proof', 'strict'), authmeter.setting_set('vsplugin.signup_limit', 'off');
SELECT authmeter.vsplugin_create_user('vsp-dan@example.com', 'sk-dan') AS dan \gset
-- Without proof the same for known, unknown and disabled users and for what is no address; a code is
-- mailed to the known one alone.
SELECT authmeter.vsplugin_create_user('vsp-off@example.com', NULL) AS off \gset
SELECT (authmeter.user_disable(:'off')).outcome;
SELECT e AS email, r.* FROM unnest(ARRAY['vsp-dan@example.com', 'vsp-no@example.com', 'vsp-off@example.com', 'nobody']) e,
	test_signup(jsonb_build_object('email', e)) r;
SELECT recipient, template, state, user_id = :'dan' AS dan FROM authmeter.mail_outbox WHERE template = 'vsplugin-signup' ORDER BY 1;
SELECT address, octet_length(code_hash) AS hash_bytes FROM authmeter.otp WHERE purpose = 'vsplugin-signup' ORDER BY 1;
SELECT * FROM test_signup('{"email":null}');
-- With a code.
SELECT test_code('vsp-dan@example.com') AS code \gset
SELECT * FROM test_signup(jsonb_build_object('email', 'vsp-dan@example.com', 'otp', test_other(:'code')));
SELECT * FROM test_signup(jsonb_build_object('email', 'vsp-ana@example.com', 'otp', :'code'));
SELECT * FROM test_signup(jsonb_build_object('email', ' VSP-Dan@example.com', 'otp', :'code'));
SELECT * FROM test_signup(jsonb_build_object('email', 'vsp-dan@example.com', 'otp', :'code'));
SELECT o AS otp, r.status, r.body FROM unnest(ARRAY['"123456"', '""', '"12345"', '123456', 'true', '["123456"]', 'null']) o,
	test_signup(format('{"email":"vsp-no@example.com","otp":%s}', o)::jsonb) r;
SELECT r.* FROM test_signup('{"email":"nobody","otp":"123456"}') r;
-- A code as a JSON number is no string, hence wrong, although its digits are right.
SELECT test_signup('{"email":"vsp-dan@example.com"}');
SELECT test_code('vsp-dan@example.com') AS code \gset
SELECT r.* FROM test_signup(format('{"email":"vsp-dan@example.com","otp":%s}', ltrim(:'code', '0') || '')::jsonb) r WHERE :'code' <> '000000';
SELECT r.* FROM test_signup(jsonb_build_object('email', 'vsp-dan@example.com', 'otp', :'code')) r;
-- At most five codes an hour, and nobody can tell.
SELECT n, r.status, r.body FROM generate_series(1, 5) n, test_signup(jsonb_build_object('email', left('vsp-dan@example.com' || n, 19))) r;
SELECT count(*) FROM authmeter.mail_outbox WHERE recipient = 'vsp-dan@example.com';
-- Five wrong codes kill the right one.
SELECT test_code('vsp-dan@example.com') AS code \gset
SELECT n, r.status, r.body FROM generate_series(1, 6) n, test_signup(jsonb_build_object('email', 'vsp-dan@example.com',
	'otp', CASE WHEN n < 6 THEN test_other(:'code') ELSE :'code' END)) r ORDER BY n;
-- Other proofs: a service token with the scope, or a trusted network; then unknown users are told.
SELECT authmeter.create_service_token('vsp-test', '{vsplugin:signup}', '1 hour') AS service \gset
SELECT authmeter.create_service_token('vsp-other', '{jobpsych:reset}', '1 hour') AS foreign \gset
SELECT n, r.status, r.body FROM (VALUES (1, 'vsp-dan@example.com', :'service'), (2, 'vsp-no@example.com', :'service'),
	(3, 'vsp-ana@example.com', :'foreign'), (4, 'vsp-ana@example.com', 'amst_x'), (5, 'vsp-ana@example.com', '')) t (n, email, token),
	test_signup(jsonb_build_object('email', email), jsonb_build_object('headers', jsonb_build_object('x-service-token', token))) r;
SELECT authmeter.setting_set('vsplugin.trusted_networks', '192.0.2.0/28, 2001:db8::/32');
SELECT ip, r.status, r.body FROM unnest(ARRAY['"192.0.2.1"', '"::ffff:192.0.2.15"', '"2001:db8::1"', '"192.0.2.16"', '"2001:db9::1"', '"x"', 'null', '7']) ip,
	test_signup('{"email":"vsp-no@example.com"}', format('{"ip":%s}', ip)::jsonb) r;
SELECT authmeter.setting_set('vsplugin.trusted_networks', NULL);
-- In strict mode the limit is 30 in 15 minutes unless set.
SELECT authmeter.setting_set('vsplugin.signup_limit', NULL);
SELECT r.status, count(*) FROM generate_series(1, 32) n, test_call('vsplugin_signup', jsonb_build_object('ip', left('198.51.100.7' || n, 12))) r
GROUP BY 1 ORDER BY 1;
-- In production both policies are strict, and there is nothing to warn of.
SELECT authmeter.setting_set('vsplugin.signup_proof', NULL), authmeter.setting_set('authmeter.environment', NULL);
SELECT count(*) FROM authmeter_http.weak_behaviour_list('{vsplugin}');
SELECT * FROM test_signup('{"email":"vsp-ana@example.com"}');

-- What really happened is in the audit trail, and nothing secret.
SELECT outcome, count(*) FROM authmeter.audit_event WHERE action = 'vsplugin_signup' GROUP BY 1 ORDER BY 1;
SELECT DISTINCT address, request_id FROM authmeter.audit_event WHERE action = 'vsplugin_signup' AND outcome = 'user_unknown'
	AND address = '192.0.2.1';
SELECT count(*) AS found FROM authmeter.audit_event e WHERE position(:'service' IN e::text) > 0 OR position(:'code' IN e.detail::text) > 0
	OR e::text LIKE '%sk-%' OR e::text LIKE '%eyJ%';

-- The gateway's role reads no table and no other function; objects planted in its way change nothing.
CREATE SCHEMA regress_vsplugin_evil;
CREATE FUNCTION regress_vsplugin_evil.evil(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR regress_vsplugin_evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = regress_vsplugin_evil.evil);
CREATE FUNCTION regress_vsplugin_evil.to_json(text) RETURNS text LANGUAGE sql AS $$ SELECT '"evil"' $$;
GRANT USAGE ON SCHEMA regress_vsplugin_evil TO PUBLIC;
SELECT authmeter.setting_set('authmeter.environment', 'development');
SET ROLE regress_vsplugin_gateway;
SET search_path = regress_vsplugin_evil, pg_catalog, pg_temp;
SELECT status, body FROM authmeter_http.vsplugin_signup('{"body":{"email":"vsp-no@example.com"}}');
SELECT status, body FROM authmeter_http.vsplugin_track_usage('{"bearer":"x"}');
SELECT email FROM authmeter.vsplugin_users;
SELECT authmeter.vsplugin_api_key();
SELECT authmeter_http.vsplugin_session('{}', NULL);
RESET search_path;
RESET ROLE;
DROP SCHEMA regress_vsplugin_evil CASCADE;

-- Everything of a user goes with the user.
SELECT (authmeter.user_delete(:'ana')).outcome, (authmeter.user_delete(:'dan')).outcome, (authmeter.user_delete(:'off')).outcome;
SELECT count(*) FROM authmeter.vsplugin_profile;
SELECT authmeter.vsplugin_api_key_set('sk-new'), authmeter.vsplugin_api_key_set(NULL);
SELECT authmeter.setting_set('authmeter.environment', NULL);
DROP FUNCTION test_call(text, jsonb), test_signup(jsonb, jsonb), test_track(text, jsonb, jsonb), test_claims(text, jsonb), test_code(text),
	test_other(text), test_token(jsonb, text, text);
DROP OWNED BY regress_vsplugin_gateway, regress_vsplugin_service;
DROP ROLE regress_vsplugin_gateway, regress_vsplugin_service;
