-- Policies of rate limits are rows: made, changed and dropped at run time, in force at commit, audited;
-- a request counts against all that cover it, or against none.
CREATE ROLE regress_rate_policy_gateway;
CREATE ROLE regress_rate_policy_admin;
SELECT authmeter.grant_access('regress_rate_policy_gateway', 'gateway') > 0 AS granted;
SELECT authmeter.grant_access('regress_rate_policy_admin', 'admin') > 0 AS granted;

SET ROLE regress_rate_policy_admin;
SELECT authmeter.rate_policy_set('test-flood', '*', '*', 'address', 'gcra', '100/1h');
SELECT authmeter.rate_policy_set('test-signup', 'vsplugin', 'signup', 'email', 'window', '3/1h');
SELECT authmeter.rate_policy_set('test-signup', 'vsplugin', 'signup', 'email', 'window', '2/1h');
SELECT authmeter.rate_policy_set('test-usage', 'vsplugin', 'usage', 'user', 'gcra', '60/1h', 2);
SELECT authmeter.rate_policy_drop('test-none');
SELECT name, api, route_group, key, algorithm, rate, burst, updated_by = session_user AS by_me FROM authmeter.rate_policy_list();
RESET ROLE;
SELECT action, outcome, detail FROM authmeter.audit_event WHERE action LIKE 'rate_policy%' ORDER BY at;

-- What is covered: the API, the group and what is known of the caller.
CREATE FUNCTION test_limit(api text, route_group text, address text, email text DEFAULT NULL, user_id uuid DEFAULT NULL,
	setting text DEFAULT NULL, automatic text DEFAULT NULL, setting_key text DEFAULT 'address')
RETURNS TABLE (refused boolean, policy text, "limit" text, own text) LANGUAGE sql AS $$
	SELECT CASE WHEN l.retry_after_s IS NULL THEN l.headers ? 'Retry-After'
			ELSE l.headers->>'Retry-After' = l.retry_after_s::text AND l.headers->>'RateLimit' LIKE '%;t=' || l.retry_after_s
				AND l.retry_after_s BETWEEN 3500 AND 3600 END,
		l.headers->>'RateLimit-Policy', regexp_replace(l.headers->>'RateLimit', ';t=[0-9]+$', ';t=s'),
		concat_ws(' ', l.quota, l.window_s, l.remaining, CASE WHEN l.reset_s BETWEEN l.window_s - 60 AND l.window_s THEN 's' END)
	FROM authmeter_http.limit_take(jsonb_build_object('ip', address), api, route_group, setting, automatic, email, user_id, setting_key) l $$;
SELECT headers FROM authmeter_http.limit_take('{"ip":"192.0.2.1"}', 'vsplugin', 'signup');
SELECT * FROM test_limit('quizzer', 'auth', '192.0.2.1');
SELECT * FROM test_limit('quizzer', 'auth', '192.0.2.2');
-- A later call of the same request does not count the address again; the spelling of an address does not matter.
SELECT l.* FROM unnest(ARRAY['Ana@Example.com', ' ana@example.COM ', 'ana@example.com']) e, test_limit('vsplugin', 'signup', '192.0.2.1', e) l;
SELECT * FROM test_limit('vsplugin', 'signup', '192.0.2.1', 'bob@example.com');
SELECT * FROM test_limit('vsplugin', 'signup', '192.0.2.1', repeat('no address ', 1000));
SELECT * FROM test_limit('quizzer', 'auth', '192.0.2.1', 'ana@example.com');
SELECT * FROM test_limit('vsplugin', 'usage', '192.0.2.1', user_id => '0190a1b2-0000-7000-8000-000000000001');
SELECT * FROM test_limit('quizzer', 'auth', '192.0.2.1');
-- IPv6 by its /64, and one bucket for what is no address.
SELECT a, l."limit" FROM unnest(ARRAY['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', '2001:db8:1:3::1', '::ffff:192.0.2.2', 'unknown', '', NULL]) a,
	test_limit('vsplugin', 'signup', a) l;

-- With a setting: its own figures besides; the header tells of the limit that is nearest to its end.
SELECT * FROM test_limit('quizzer', 'auth', '192.0.2.3', setting => 'quizzer.auth_limit');
SELECT * FROM test_limit('vsplugin', 'signup', '192.0.2.3', setting => 'vsplugin.signup_limit', automatic => '200/15m');
SELECT * FROM test_limit('vsplugin', 'signup', '192.0.2.3', setting => 'vsplugin.signup_limit');
SELECT * FROM test_limit('autoverse', 'otp', '192.0.2.3', 'ana@example.com', setting => 'autoverse.otp_limit', setting_key => 'email');
-- Refused by one: the others are not used up, and it is the one that is told of.
SELECT authmeter.rate_policy_set('test-few', 'quizzer', 'auth', 'address', 'window', '1/1h');
SELECT * FROM generate_series(1, 3) n, test_limit('quizzer', 'auth', left('192.0.2.4' || n, 9), setting => 'quizzer.auth_limit');
SELECT l.remaining FROM authmeter.rate_peek('quizzer.auth_limit', '192.0.2.4', '10/15m') l;
SELECT l.remaining FROM authmeter.gcra_peek('policy/test-flood', '192.0.2.4', '100/1h', 100) l;
-- The longer wait is told.
SELECT allowed FROM authmeter.rate_take('quizzer.auth_limit', '192.0.2.4', '10/15m', 9);
SELECT * FROM test_limit('quizzer', 'auth', '192.0.2.4', setting => 'quizzer.auth_limit');

-- A change is in force at once; dropped or off is no limit; an order rolled back is none.
SELECT authmeter.rate_policy_set('test-few', 'quizzer', 'auth', 'address', 'window', '5/1h');
SELECT * FROM test_limit('quizzer', 'auth', '192.0.2.5');
BEGIN;
SELECT authmeter.rate_policy_drop('test-few');
ROLLBACK;
SELECT "limit" FROM test_limit('quizzer', 'auth', '192.0.2.5');
SELECT authmeter.rate_policy_set('test-few', 'quizzer', 'auth', 'address', 'window', 'off');
SELECT "limit" FROM test_limit('quizzer', 'auth', '192.0.2.5');
SELECT authmeter.rate_policy_drop('test-few'), authmeter.rate_policy_drop('test-flood');
SELECT * FROM test_limit('quizzer', 'auth', '192.0.2.5');

-- At the endpoints: by e-mail at /signup, by user at /trackUsage; the answers else are as ever.
SELECT authmeter.setting_set('authmeter.environment', 'development');
SELECT authmeter.key_import('vsplugin', 'hV7pLs2xQm9dKe4tRw6yBn1cZf8gUj3a-policy') IS NOT NULL AS imported WHERE NOT EXISTS (SELECT FROM authmeter.key_list() WHERE ring = 'vsplugin');
SELECT authmeter.vsplugin_create_user('rate-policy@example.com', NULL) AS id \gset
SELECT authmeter.token_issue(:'id', 'vsplugin', 'access') AS token \gset
SET ROLE regress_rate_policy_gateway;
SELECT r.status, r.headers->>'RateLimit-Policy' AS policy, r.headers ? 'Retry-After' AS retry, left(r.body, 42) AS body FROM generate_series(1, 3) n,
	authmeter_http.vsplugin_signup(jsonb_build_object('ip', '192.0.2.6', 'id', n, 'body', '{"email":"rate-policy@example.com"}'::jsonb)) r;
SELECT r.status, r.body FROM authmeter_http.vsplugin_signup('{"ip":"192.0.2.6","body":{"email":"rate-other@example.com"}}') r;
SELECT n, r.status, r.headers->>'RateLimit-Policy' AS policy, r.headers ? 'Retry-After' AS retry, r.body FROM generate_series(1, 3) n,
	authmeter_http.vsplugin_track_usage(jsonb_build_object('ip', '192.0.2.6', 'id', n, 'bearer', :'token', 'body', '{"usage":1}'::jsonb)) r;
RESET ROLE;
SELECT prompt_count FROM authmeter.vsplugin_users WHERE email = 'rate-policy@example.com';
SELECT authmeter.user_delete(:'id') IS NOT NULL AS deleted;
-- Every group that a route names is one that its function asks for.
SELECT r.api, r.function, r.limit_group FROM authmeter_http.route r JOIN pg_proc p ON p.proname = r.function AND p.pronamespace = 'authmeter_http'::regnamespace
WHERE r.limit_group <> '' AND p.prosrc NOT LIKE '%''' || r.limit_group || '''%' AND r.function <> 'vsplugin_track_usage';

-- Misuse.
\set SHOW_CONTEXT never
SELECT authmeter.rate_policy_check(n, a, g, k, al, '5/1h', b) FROM (VALUES
	(NULL, 'quizzer', 'auth', 'address', 'window', NULL::bigint), ('Upper', 'quizzer', 'auth', 'address', 'window', NULL),
	(repeat('x', 41), 'quizzer', 'auth', 'address', 'window', NULL), ('a"b', 'quizzer', 'auth', 'address', 'window', NULL),
	('x', '', 'auth', 'address', 'window', NULL), ('x', 'quizzer', NULL, 'address', 'window', NULL), ('x', 'quizzer', 'a b', 'address', 'window', NULL),
	('x', 'quizzer', 'auth', 'ip', 'window', NULL), ('x', 'quizzer', 'auth', 'address', 'bucket', NULL), ('x', 'quizzer', 'auth', 'address', 'window', 5),
	('x', 'quizzer', 'auth', 'address', 'gcra', 0), ('x', 'quizzer', 'auth', 'address', 'gcra', 5)) v (n, a, g, k, al, b);
SELECT authmeter.rate_policy_set('x', 'quizzer', 'auth', 'address', 'window', '5/1h', 5);
SELECT authmeter.rate_policy_set('x', 'quizzer', 'auth', 'address', 'window', '5');
SELECT authmeter.rate_policy_set('x', 'quizzer', 'auth', 'address', 'gcra', NULL);
SELECT authmeter_http.limit_take('{}', 'quizzer', 'auth', 'no.setting');
SELECT authmeter_http.limit_take('{}', 'quizzer', 'auth', 'quizzer.token_ttl');
SELECT authmeter_http.limit_take('{}', 'vsplugin', 'signup', 'vsplugin.signup_limit', '5');
SELECT authmeter_http.limit_take('{}', NULL, 'auth');
SELECT authmeter_http.limit_take('{}', 'quizzer', 'auth', setting_key => 'name');
SELECT count(*) FROM generate_series(1, 300) n, authmeter.rate_policy_set('many-' || n, 'quizzer', 'auth', 'address', 'window', '5/1h');
SELECT count(*) FROM authmeter.rate_policy_list();

-- The gateway may not even look at them.
SET ROLE regress_rate_policy_gateway;
SELECT authmeter.rate_policy_set('x', 'quizzer', 'auth', 'address', 'window', '5/1h');
SELECT * FROM authmeter.rate_policy;
SELECT authmeter_http.limit_take('{}', 'quizzer', 'auth');
RESET ROLE;
DROP FUNCTION test_limit(text, text, text, text, uuid, text, text, text);
SELECT authmeter.rate_policy_drop(name) FROM authmeter.rate_policy_list() WHERE name LIKE 'test-%' ORDER BY name;
SELECT authmeter.setting_set('authmeter.environment', NULL);
DROP OWNED BY regress_rate_policy_gateway, regress_rate_policy_admin;
DROP ROLE regress_rate_policy_gateway, regress_rate_policy_admin;
