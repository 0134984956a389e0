-- The autoverse API: who calls, by access token or refresh cookie; rotation; logout; and that a foreign
-- web page cannot use a user's cookies.
SET search_path = test_autoverse, public;
SELECT (authmeter.user_create('av-sam@example.com', 'Tulip-42?x', 'Sam Roe')).user_id AS sam \gset
CREATE FUNCTION test_session(email text DEFAULT 'av-sam@example.com') RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM test_login(email);
	RETURN test_jar();
END
$$;
CREATE FUNCTION test_get(function text, rest jsonb) RETURNS SETOF authmeter_http.response LANGUAGE sql AS $$
	SELECT * FROM test_call(function, '{"method":"GET"}' || rest) $$;
CREATE FUNCTION test_refresh_only(jar jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT jar #- '{cookies,accessToken}' $$;
CREATE FUNCTION test_bearer(jar jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('bearer', jar#>'{cookies,accessToken,0}') $$;
SELECT test_session() AS jar \gset

-- GET /me and /verify-token: by cookie, by header ------------------------------------------------------
SELECT * FROM test_get('me', :'jar');
SELECT * FROM test_get('verify_token', :'jar');
SELECT status, headers FROM test_get('me', test_bearer(:'jar'));
SELECT f, r.* FROM unnest(ARRAY['me', 'verify_token', 'sessions']) f, test_get(f, '{}') r;
-- Identity comes from the token alone.
SELECT r.body::jsonb#>>'{user,email}' AS me FROM test_get('me', test_bearer(:'jar') || jsonb_build_object('query', '{"userId":"x"}'::jsonb, 'body', '{"email":"av-ana@example.com"}'::jsonb)) r;
-- Of several cookies, and of cookie and header, the first that is good; at most four are looked at.
SELECT :'jar'::jsonb#>>'{cookies,accessToken,0}' AS token \gset
SELECT n, r.status FROM generate_series(0, 4) n, test_get('me', jsonb_build_object('cookies', jsonb_build_object('accessToken',
	to_jsonb(array_fill('x'::text, ARRAY[n]) || :'token'::text)))) r;
SELECT status FROM test_get('me', jsonb_build_object('cookies', '{"accessToken":["x"]}'::jsonb, 'bearer', :'token'));
SELECT r.* FROM unnest(ARRAY['{"cookies":{"accessToken":[""]}}', '{"cookies":{"accessToken":"x"}}', '{"bearer":""}', '{"bearer":5}', '{"cookies":{"accessToken":["x"]}}', '{"bearer":"x"}']) q, test_get('me', q::jsonb) r;
-- Tokens that are none here: of another use, another API, another secret.
SELECT count(i.kid) AS made FROM (SELECT authmeter.key_import('vsplugin', 'kT9vN2qLrW8yUe4sDf6gHj1kPz3xCb5m-vsplugin') AS kid
	WHERE NOT EXISTS (SELECT FROM authmeter.key_list() WHERE ring = 'vsplugin' AND state = 'active')) i \gset
SELECT k, r.status, r.body FROM (VALUES ('refresh', :'jar'::jsonb#>>'{cookies,refreshToken,0}'),
	('verification', authmeter.one_time_token_issue('autoverse', 'verification', 'av-sam@example.com', :'sam', '1 hour', 'jwt')),
	('other api', authmeter.token_issue(:'sam', 'vsplugin', 'access')), ('tampered', left(:'token', -2) || 'xx'), ('none', 'a.b.c'),
	('verify', authmeter.token_issue(:'sam', 'autoverse', 'verify'))) t (k, v), test_get('me', jsonb_build_object('bearer', v)) r;
-- A token that the administrator made, without a session.
SELECT status FROM test_get('me', jsonb_build_object('bearer', authmeter.token_issue(:'sam', 'autoverse', 'access')));

-- Expired access token: silently a new one by the refresh cookie, which is not rotated -----------------
SET authmeter.clock_offset_s = 901;
SELECT * FROM test_get('me', test_bearer(:'jar'));
SELECT * FROM test_get('me', :'jar');
SELECT test_jar() AS fresh \gset
SELECT jsonb_object_keys(:'fresh'::jsonb->'cookies') AS cookies, test_claims(:'fresh'::jsonb#>>'{cookies,accessToken,0}')->>'sid' = test_claims(:'token')->>'sid' AS same_session;
SELECT status, headers FROM test_get('me', :'fresh');
SELECT status, headers FROM test_get('me', test_refresh_only(:'jar'));
SELECT status, headers FROM test_call('notifications', :'jar'::jsonb || '{"body":{"emailEnabled":"x"}}');
-- Not for a token that is wrong rather than old, nor with a refresh token that is.
SELECT status, body FROM test_get('me', jsonb_set(:'jar', '{cookies,accessToken}', '["x"]'));
SELECT status, body FROM test_get('me', jsonb_set(:'jar', '{cookies,refreshToken}', '["x"]'));
SELECT status FROM test_get('me', jsonb_set(:'jar', '{cookies,refreshToken}', to_jsonb(ARRAY['x', :'jar'::jsonb#>>'{cookies,refreshToken,0}'])));
SELECT authmeter.setting_set('autoverse.silent_refresh', 'off');
SELECT status, body FROM test_get('me', :'jar');
SELECT status, body FROM test_get('me', test_refresh_only(:'jar'));
SELECT authmeter.setting_set('autoverse.silent_refresh', NULL);
RESET authmeter.clock_offset_s;

-- Origin: a state change by cookie -----------------------------------------------------------------
SELECT authmeter.setting_set('autoverse.cors_origins', 'https://app.example, https://b.example');
SELECT h, r.status, r.body FROM unnest(ARRAY['{}', '{"host":"api.example"}', '{"origin":"https://app.example","host":"api.example"}', '{"origin":"https://b.example","host":"api.example"}',
	'{"origin":"https://api.example","host":"api.example"}', '{"origin":"https://api.example","host":"API.example:443"}', '{"origin":"http://localhost:3000","host":"localhost:3000"}',
	'{"origin":"http://localhost:3001","host":"localhost:3000"}', '{"origin":"https://evil.example","host":"api.example"}', '{"origin":"null","host":"api.example"}', '{"origin":"","host":"api.example"}',
	'{"origin":"https://app.example.evil","host":"api.example"}', '{"origin":"https://app.example,https://b.example","host":"api.example"}', '{"origin":"http://app.example","host":"api.example"}', '{"origin":"https://evil.example"}']) h,
	test_call('notifications', :'jar'::jsonb || jsonb_build_object('headers', h::jsonb, 'body', '{"emailEnabled":false}'::jsonb)) r;
SELECT c, f, r.status, r.body FROM (VALUES ('access', :'jar'::jsonb), ('refresh', test_refresh_only(:'jar')), ('bearer', test_bearer(:'jar'))) j (c, jar),
	unnest(ARRAY['me', 'refresh', 'logout', 'two_factor', 'delete_account', 'sessions_end']) f,
	test_call(f, jar || jsonb_build_object('method', CASE f WHEN 'me' THEN 'GET' WHEN 'delete_account' THEN 'DELETE' ELSE 'POST' END,
		'headers', '{"origin":"https://evil.example","host":"api.example"}'::jsonb, 'body', '{"x":1}'::jsonb)) r
WHERE NOT (c = 'bearer' AND f IN ('logout', 'delete_account', 'sessions_end'));
-- Nothing has changed by that.
SELECT email_enabled, two_factor_enabled FROM authmeter.autoverse_users WHERE id = :'sam';
SELECT status FROM test_get('me', :'jar');
SELECT authmeter.setting_set('autoverse.cors_origins', NULL);

-- POST /refresh --------------------------------------------------------------------------------------
SELECT * FROM test_call('refresh', '{}');
SELECT * FROM test_call('refresh', '{"cookies":{"accessToken":["x"]},"bearer":"x","body":{"refreshToken":"x"}}');
SELECT * FROM test_call('refresh', '{"cookies":{"refreshToken":["x"]}}');
SELECT status FROM test_call('refresh', jsonb_build_object('cookies', jsonb_build_object('refreshToken', jsonb_build_array(:'token'))));
SELECT * FROM test_call('refresh', :'jar');
SELECT test_jar() AS second \gset
-- The old one within ten seconds: refused, and the cookies stay; the session goes on.
SELECT * FROM test_call('refresh', :'jar');
SELECT status, headers FROM test_get('me', test_refresh_only(:'jar'));
SELECT status FROM test_get('me', :'second');
-- A second cookie of the name, of another service on this host.
SELECT status FROM test_call('refresh', jsonb_set(:'second', '{cookies,refreshToken}', to_jsonb(ARRAY['x', :'second'::jsonb#>>'{cookies,refreshToken,0}'])));
SELECT test_jar() AS third \gset
-- Later: somebody has stolen it, and the whole session ends.
SET authmeter.clock_offset_s = 11;
SELECT * FROM test_call('refresh', :'jar');
SELECT f, r.status, r.body FROM unnest(ARRAY['me', 'refresh']) f, test_get(f, :'third') r;
RESET authmeter.clock_offset_s;
-- Other sessions are not touched.
SELECT test_session() AS jar \gset
SELECT test_session() AS other \gset
SELECT status FROM test_call('refresh', :'jar');
SET authmeter.clock_offset_s = 11;
SELECT status FROM test_call('refresh', :'jar');
SELECT status FROM test_get('me', :'other');
RESET authmeter.clock_offset_s;
SET authmeter.clock_offset_s = 604801;
SELECT * FROM test_call('refresh', :'other');
RESET authmeter.clock_offset_s;

-- POST /logout ---------------------------------------------------------------------------------------
SELECT * FROM test_call('logout', '{}');
SELECT * FROM test_call('logout', '{"cookies":{"accessToken":["x"],"refreshToken":["y"]},"headers":{"origin":"https://evil.example","host":"api.example"}}');
SELECT test_session() AS jar, test_session() AS other \gset
SELECT * FROM test_call('logout', :'other');
SELECT f, r.status, r.body FROM unnest(ARRAY['me', 'refresh']) f, test_get(f, :'other') r;
SELECT status FROM test_get('me', :'jar');
-- By refresh cookie alone, by header alone.
SELECT status FROM test_call('logout', test_refresh_only(:'jar'));
SELECT status FROM test_get('me', test_bearer(:'jar'));
SELECT test_session() AS jar \gset
SELECT status FROM test_call('logout', test_bearer(:'jar'));
SELECT r.status FROM unnest(ARRAY['me', 'refresh']) f, test_get(f, :'jar') r;

-- Sessions of a user ---------------------------------------------------------------------------------
SELECT authmeter.session_end_all(:'sam') >= 0 AS ended;
SELECT test_session() AS one, test_session() AS two, test_session() AS three, test_session('av-ana@example.com') AS ana_jar \gset
SELECT regexp_replace(body, '"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"', '<time>', 'g') AS body FROM test_get('sessions', :'one');
SELECT test_hide(i) AS id, r.* FROM unnest(ARRAY['x', '', '00000000-0000-7000-8000-000000000000', test_claims(:'ana_jar'::jsonb#>>'{cookies,accessToken,0}')->>'sid']) i,
	test_call('session_end', :'one'::jsonb || jsonb_build_object('method', 'DELETE', 'path', jsonb_build_object('id', i))) r;
SELECT * FROM test_call('session_end', :'one'::jsonb || '{"method":"DELETE"}');
SELECT * FROM test_call('session_end', :'one'::jsonb || jsonb_build_object('method', 'DELETE', 'path', jsonb_build_object('id', test_claims(:'two'::jsonb#>>'{cookies,accessToken,0}')->>'sid')));
SELECT status, body FROM test_get('me', :'two');
SELECT * FROM test_call('sessions_end', :'one'::jsonb || '{"method":"DELETE"}');
SELECT j, r.status FROM (VALUES (1, :'one'::jsonb), (2, :'two'), (3, :'three'), (4, :'ana_jar')) t (j, jar), test_get('me', jar) r ORDER BY 1;
SELECT * FROM test_call('session_end', :'one'::jsonb || jsonb_build_object('method', 'DELETE', 'path', jsonb_build_object('id', test_claims(:'one'::jsonb#>>'{cookies,accessToken,0}')->>'sid')));
SELECT status, body FROM test_get('me', :'one');

-- A user who is gone, and one who is locked out.
SELECT (authmeter.user_create('av-gone@example.com', 'Tulip-42?x')).user_id AS gone \gset
SELECT test_session('av-gone@example.com') AS jar \gset
SELECT (authmeter.user_delete(:'gone')).outcome;
SELECT * FROM test_get('me', :'jar');
SELECT * FROM test_call('refresh', :'jar');
SELECT status, body FROM test_get('me', test_refresh_only(:'jar'));
SELECT status FROM test_call('logout', :'jar');
SELECT test_session() AS jar \gset
SELECT (authmeter.user_disable(:'sam')).outcome;
SELECT * FROM test_get('me', :'jar');
SELECT * FROM test_call('refresh', :'jar');
SELECT (authmeter.user_enable(:'sam')).outcome;
SELECT status FROM test_get('me', :'jar');
