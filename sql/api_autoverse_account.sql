-- The autoverse API: passwords, switches, the second factor, deletion, and sessions handed over, in both
-- policies.
SET search_path = test_autoverse, public;
SELECT (authmeter.user_create('av-kim@example.com', 'Tulip-42?x', 'Kim Lee')).user_id AS kim \gset
SELECT test_session('av-kim@example.com') AS jar, test_session('av-kim@example.com') AS other \gset
CREATE FUNCTION test_proof(email text, purpose text) RETURNS text LANGUAGE sql AS $$
	SELECT authmeter.one_time_token_issue('autoverse', purpose, email, (SELECT u.id FROM authmeter.user u WHERE u.email = test_proof.email), '1 hour', 'jwt') $$;

-- POST /change-password ------------------------------------------------------------------------------
SELECT * FROM test_post('change_password', '{"currentPassword":"Tulip-42?x","newPassword":"Tulip-43?x"}');
SELECT b AS given, test_details('change_password', b, :'jar') FROM unnest(ARRAY['{}', '{"newPassword":"Tulip-43?x"}', '{"currentPassword":"x"}', '{"currentPassword":1,"newPassword":2}',
	'{"verificationToken":1,"newPassword":"password"}', '{"verificationToken":"","newPassword":"Tulip-43?x"}']) b;
SELECT * FROM test_post('change_password', '{"currentPassword":"Tulip-42?y","newPassword":"Tulip-43?x"}', :'jar');
SELECT p, r.* FROM (VALUES ('none', 'nonsense'), ('purpose', test_proof('av-kim@example.com', 'account-deletion')), ('other', test_proof('av-ana@example.com', 'verification'))) t (p, token),
	test_post('change_password', test_body('verificationToken', token, 'newPassword', 'Tulip-43?x'), :'jar') r;
SELECT authmeter.one_time_token_issue('autoverse', 'verification', 'av-kim@example.com', :'kim', '1 second', 'jwt') AS old \gset
SET authmeter.clock_offset_s = 2;
SELECT * FROM test_post('change_password', test_body('verificationToken', :'old', 'newPassword', 'Tulip-43?x'), :'jar');
RESET authmeter.clock_offset_s;
SELECT * FROM test_post('change_password', '{"currentPassword":"Tulip-42?x","newPassword":"Tulip-43?x"}', :'jar');
SELECT test_jar() AS fresh \gset
-- The caller goes on with the fresh cookies, nobody else; the same session.
SELECT status FROM test_call('me', :'fresh'::jsonb || '{"method":"GET"}');
SELECT test_claims(:'fresh'::jsonb#>>'{cookies,accessToken,0}')->>'sid' = test_claims(:'jar'::jsonb#>>'{cookies,accessToken,0}')->>'sid' AS same_session;
SELECT j, f, r.status FROM (VALUES ('old', :'jar'::jsonb), ('other', :'other')) t (j, jar), unnest(ARRAY['me', 'refresh']) f, test_get(f, jar) r;
SELECT status FROM test_login('av-kim@example.com', 'Tulip-42?x');
SELECT status FROM test_login('av-kim@example.com', 'Tulip-43?x');
SELECT status FROM test_call('refresh', :'fresh');
SELECT test_jar() AS jar \gset
-- By a verification token of either purpose, once.
SELECT test_proof('av-kim@example.com', 'verification') AS token \gset
SELECT * FROM test_post('change_password', test_body('verificationToken', :'token', 'newPassword', 'Tulip-44?x'), :'jar');
SELECT test_jar() AS jar \gset
SELECT * FROM test_post('change_password', test_body('verificationToken', :'token', 'newPassword', 'Tulip-45?x'), :'jar');
SELECT status FROM test_post('change_password', test_body('verificationToken', test_proof('av-kim@example.com', 'password-reset'), 'newPassword', 'Tulip-42?x'), :'jar');
SELECT test_jar() AS jar \gset
-- Guesses of the current password count as those of the login.
SELECT authmeter.setting_set('authmeter.login_failures', '2/1h');
SELECT * FROM test_times(3, 'change_password', '{"currentPassword":"wrong","newPassword":"Tulip-43?x"}', :'jar'::jsonb || '{"ip":"192.0.2.9"}');
SELECT authmeter.setting_set('authmeter.login_failures', 'off');
-- Without a session in the token a new one begins.
SELECT status FROM test_post('change_password', '{"currentPassword":"Tulip-42?x","newPassword":"Tulip-43?x"}', jsonb_build_object('bearer', authmeter.token_issue(:'kim', 'autoverse', 'access')));
SELECT test_jar() AS jar \gset
SELECT status FROM test_get('me', :'jar');

-- POST /reset-password -------------------------------------------------------------------------------
SELECT p, r.* FROM (VALUES ('none', 'nonsense', NULL), ('purpose', test_proof('av-kim@example.com', 'verification'), NULL), ('mismatch', test_proof('av-kim@example.com', 'password-reset'), 'av-ana@example.com')) t (p, token, email),
	test_post('reset_password', jsonb_strip_nulls(jsonb_build_object('token', token, 'email', email, 'newPassword', 'Tulip-45?x'))::text) r;
SELECT authmeter.one_time_token_issue('autoverse', 'password-reset', 'av-kim@example.com', :'kim', '1 second', 'jwt') AS old \gset
SET authmeter.clock_offset_s = 2;
SELECT * FROM test_post('reset_password', test_body('token', :'old', 'newPassword', 'Tulip-45?x'));
RESET authmeter.clock_offset_s;
SELECT status FROM test_get('me', :'jar');
SELECT status FROM test_post('send_otp', '{"email":"av-kim@example.com","purpose":"password-reset"}');
SELECT test_code('av-kim@example.com', 'password-reset') AS code \gset
SELECT * FROM test_post('reset_password', test_body('email', 'av-kim@example.com', 'otp', test_other(:'code'), 'newPassword', 'Tulip-45?x'));
SELECT * FROM test_post('reset_password', test_body('email', ' AV-Kim@example.com', 'otp', :'code', 'newPassword', 'Tulip-45?x'));
SELECT * FROM test_post('reset_password', test_body('email', 'av-kim@example.com', 'otp', :'code', 'newPassword', 'Tulip-46?x'));
-- Every session has ended, every other code and token of the address too.
SELECT f, r.status FROM unnest(ARRAY['me', 'refresh']) f, test_get(f, :'jar') r;
SELECT test_users('av-kim@example.com'), (SELECT count(*) FROM authmeter.otp WHERE address = 'av-kim@example.com' AND used_at IS NULL) AS codes,
	(SELECT count(*) FROM authmeter.one_time_token WHERE address = 'av-kim@example.com' AND used_at IS NULL) AS tokens;
SELECT p, r.status FROM unnest(ARRAY['Tulip-43?x', 'Tulip-45?x']) p, test_login('av-kim@example.com', p) r;
-- Through send-otp, verify-otp and the token, under either name, with the address or without.
CREATE FUNCTION test_reset_token(email text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM test_post('send_otp', test_body('email', email, 'purpose', 'password-reset'));
	PERFORM test_post('verify_otp', test_body('email', email, 'purpose', 'password-reset', 'otp', test_code(email, 'password-reset')));
	RETURN test_last('{token}');
END
$$;
SELECT status, body FROM test_post('reset_password', test_body('token', test_reset_token('av-kim@example.com'), 'newPassword', 'Tulip-41?x'));
SELECT test_reset_token('av-kim@example.com') AS token \gset
SELECT status, body FROM test_post('reset_password', test_body('verificationToken', :'token', 'email', ' AV-kim@example.com ', 'newPassword', 'Tulip-42?x'));
SELECT status, body FROM test_post('reset_password', test_body('verificationToken', :'token', 'newPassword', 'Tulip-43?x'));
SELECT status FROM test_login('av-kim@example.com');
SELECT test_jar() AS jar \gset
-- The user is gone, or locked, after the code was mailed.
SELECT (authmeter.user_create('av-lea@example.com')).user_id AS lea \gset
SELECT status FROM test_post('send_otp', '{"email":"av-lea@example.com","purpose":"password-reset"}');
SELECT test_code('av-lea@example.com', 'password-reset') AS code \gset
DELETE FROM authmeter.user WHERE id = :'lea';
SELECT * FROM test_post('reset_password', test_body('email', 'av-lea@example.com', 'otp', :'code', 'newPassword', 'Tulip-46?x'));
SELECT test_users('av-lea@example.com');

-- POST /notifications, /two-factor --------------------------------------------------------------------
SELECT f, v, r.status, r.body FROM (VALUES ('notifications', 'emailEnabled'), ('two_factor', 'enabled')) t (f, k), unnest(ARRAY['null', '"true"', '1', '0', '[]', 'true', 'false']) v,
	test_post(f, format('{"%s":%s}', k, v), :'jar') r ORDER BY 1, 3 DESC, 2;
SELECT r.status, r.body FROM unnest(ARRAY['notifications', 'two_factor']) f, test_post(f, '{}', :'jar') r;
SELECT r.status, r.body FROM unnest(ARRAY['notifications', 'two_factor']) f, test_post(f, '{"emailEnabled":true,"enabled":true}') r;
SELECT email_enabled, two_factor_enabled FROM authmeter.autoverse_users WHERE id = :'kim';
SELECT status FROM test_post('two_factor', '{"enabled":true,"emailEnabled":true,"userId":"x"}', :'jar');
SELECT email_enabled, two_factor_enabled FROM authmeter.autoverse_users WHERE id = :'kim';
SELECT count(*) AS profiles FROM authmeter.autoverse_profile p JOIN authmeter.user u ON u.id = p.user_id WHERE u.email LIKE 'av-%';

-- Two factors, documented: the switch is stored; strict: a code by mail, which its own login tells.
SELECT status FROM test_login('av-kim@example.com');
SELECT authmeter.setting_set('autoverse.two_factor', 'strict');
SELECT * FROM test_login('av-kim@example.com', 'wrong');
SELECT count(*) AS mailed FROM authmeter.mail_outbox WHERE recipient = 'av-kim@example.com' AND template = 'two-factor';
SELECT * FROM test_login('av-kim@example.com');
SELECT test_code('av-kim@example.com', 'two-factor') AS code \gset
SELECT * FROM test_post('login', test_body('email', 'av-kim@example.com', 'password', 'Tulip-42?x', 'otp', test_other(:'code')));
SELECT status, body FROM test_post('login', test_body('email', 'av-kim@example.com', 'password', 'Tulip-42?y', 'otp', :'code'));
SELECT status, body FROM test_post('login', test_body('email', 'av-kim@example.com', 'password', 'Tulip-42?x', 'otp', ''));
SELECT status, body FROM test_post('verify_otp', test_body('email', 'av-kim@example.com', 'otp', :'code'));
SELECT * FROM test_post('login', test_body('email', 'av-kim@example.com', 'password', 'Tulip-42?x', 'otp', :'code'));
SELECT status, body FROM test_post('login', test_body('email', 'av-kim@example.com', 'password', 'Tulip-42?x', 'otp', :'code'));
-- Who has not switched it on needs none; a code that is not asked for is not looked at.
SELECT status FROM test_post('login', test_body('email', 'av-ana@example.com', 'password', 'Tulip-42?x', 'otp', 'x'));

-- An authenticator ------------------------------------------------------------------------------------
CREATE FUNCTION test_base32(value text) RETURNS bytea LANGUAGE sql AS $$
	SELECT string_agg(set_byte('\x00', 0, substr(b.bits, n * 8 + 1, 8)::bit(8)::integer), '' ORDER BY n)
	FROM (SELECT string_agg((strpos('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', c.c) - 1)::bit(5)::text, '' ORDER BY c.n) AS bits
		FROM regexp_split_to_table(value, '') WITH ORDINALITY c (c, n)) b, generate_series(0, length(b.bits) / 8 - 1) n $$;
CREATE FUNCTION test_totp(secret text) RETURNS text LANGUAGE sql AS $$
	SELECT authmeter.hotp(test_base32(secret), floor(extract(epoch FROM authmeter.clock()) / 30)::bigint) $$;
SELECT r.status, r.body FROM unnest(ARRAY['totp_enroll', 'totp_confirm', 'totp_disable']) f, test_post(f, '{"code":"123456"}') r;
SELECT r.status, r.body FROM unnest(ARRAY['totp_confirm', 'totp_disable']) f, test_post(f, '{"code":"123456"}', :'jar') r;
SELECT test_details('totp_confirm', '{}', :'jar'), test_details('totp_confirm', '{"code":123456}', :'jar');
SELECT status, regexp_replace(body, '[A-Z2-7]{32}', '<secret>', 'g') FROM test_call('totp_enroll', :'jar');
SELECT test_last('{secret}') AS secret \gset
-- Until it is confirmed it counts nothing.
SELECT status, body FROM test_login('av-kim@example.com');
SELECT test_totp(:'secret') AS first \gset
SELECT status, body FROM test_post('totp_confirm', test_body('code', test_other(:'first')), :'jar');
SELECT status, regexp_replace(body, '"[^",\]]{8,40}"(?=[,\]])', '<code>', 'g') FROM test_post('totp_confirm', test_body('code', :'first'), :'jar');
SELECT test_last('{recoveryCodes,0}') AS recovery_1, test_last('{recoveryCodes,1}') AS recovery_2, test_last('{recoveryCodes,2}') AS recovery_3 \gset
SELECT status, body FROM test_call('totp_enroll', :'jar');
SELECT two_factor_enabled FROM authmeter.autoverse_users WHERE id = :'kim';
-- Nothing is mailed; the code of the confirmation is used up, the next is good once; in both policies.
SELECT count(*) AS mailed FROM authmeter.mail_outbox WHERE recipient = 'av-kim@example.com' AND template = 'two-factor' \gset
SELECT authmeter.setting_set('autoverse.two_factor', 'documented');
SELECT * FROM test_login('av-kim@example.com');
SELECT count(*) - :mailed AS mailed_now FROM authmeter.mail_outbox WHERE recipient = 'av-kim@example.com' AND template = 'two-factor';
SELECT status, body FROM test_post('login', test_body('email', 'av-kim@example.com', 'password', 'Tulip-42?x', 'otp', :'first'));
SET authmeter.clock_offset_s = 60;
SELECT test_totp(:'secret') AS code \gset
SELECT n, status FROM test_times(2, 'login', test_body('email', 'av-kim@example.com', 'password', 'Tulip-42?x', 'otp', :'code'));
RESET authmeter.clock_offset_s;
SELECT n, status FROM test_times(2, 'login', test_body('email', 'av-kim@example.com', 'password', 'Tulip-42?x', 'otp', :'recovery_1'));
-- Wrong codes are counted for the user, whoever sends them.
SELECT authmeter.setting_set('authmeter.two_factor_failures', '2/1h');
SELECT * FROM test_times(2, 'login', test_body('email', 'av-kim@example.com', 'password', 'Tulip-42?x', 'otp', '000000'));
SELECT status, headers ? 'Retry-After' AS retry_after, body FROM test_post('totp_disable', '{"code":"000000"}', :'jar'::jsonb || '{"ip":"192.0.2.10"}');
SELECT authmeter.setting_set('authmeter.two_factor_failures', NULL);
-- Planted by who had registered her address without a proof: the reset takes his authenticator away too.
SELECT (authmeter.user_create('av-pia@example.com', 'Evil-Pass-1!')).outcome;
SELECT status FROM test_login('av-pia@example.com', 'Evil-Pass-1!');
SELECT test_jar() AS his \gset
SELECT status FROM test_call('totp_enroll', :'his');
SELECT status FROM test_post('totp_confirm', test_body('code', test_totp(test_last('{secret}'))), :'his');
SELECT status FROM test_login('av-pia@example.com', 'Evil-Pass-1!');
SELECT status FROM test_post('reset_password', test_body('token', test_reset_token('av-pia@example.com'), 'newPassword', 'Tulip-42?x'));
SELECT status FROM test_login('av-pia@example.com');
-- A proven owner's own stays.
SELECT status FROM test_post('reset_password', test_body('token', test_reset_token('av-kim@example.com'), 'newPassword', 'Tulip-42?x'));
SELECT status FROM test_login('av-kim@example.com');
SELECT status FROM test_post('login', test_body('email', 'av-kim@example.com', 'password', 'Tulip-42?x', 'otp', :'recovery_3'));
SELECT test_jar() AS jar \gset
-- An access token alone does not take it away, neither here nor by the switch.
SELECT f, b, r.status, r.body FROM (VALUES ('totp_disable', '{}'), ('totp_disable', '{"code":"000000"}'), ('totp_disable', '{"password":"wrong"}'), ('two_factor', '{"enabled":false}'), ('two_factor', '{"enabled":false,"password":"wrong"}')) t (f, b),
	test_post(f, b, :'jar') r;
SELECT status, body FROM test_post('two_factor', test_body('code', :'recovery_2'), :'jar');
SELECT status, body FROM test_post('two_factor', (jsonb_build_object('enabled', false, 'otp', :'recovery_2'))::text, :'jar');
SELECT authmeter.totp_enabled(:'kim'), two_factor_enabled FROM authmeter.autoverse_users WHERE id = :'kim';
SELECT status FROM test_login('av-kim@example.com');
-- Again, and away by the password: the switch stays, and strict means a code by mail again.
SELECT status FROM test_call('totp_enroll', :'jar');
SELECT status FROM test_post('totp_confirm', test_body('code', test_totp(test_last('{secret}'))), :'jar');
SELECT * FROM test_post('totp_disable', '{"password":"Tulip-42?x"}', :'jar');
SELECT authmeter.totp_enabled(:'kim'), two_factor_enabled FROM authmeter.autoverse_users WHERE id = :'kim';
SELECT status FROM test_login('av-kim@example.com');
SELECT authmeter.setting_set('autoverse.two_factor', 'strict');
SELECT body FROM test_login('av-kim@example.com');
SELECT authmeter.setting_set('autoverse.two_factor', NULL);

-- POST /generate-secure-session, /verify-session --------------------------------------------------------
SELECT b, r.* FROM unnest(ARRAY['{}', '{"redirectUrl":""}', '{"redirectUrl":" "}', '{"redirectUrl":5}', '{"redirectUrl":null}']) b, test_post('secure_session', b, :'jar') r;
SELECT left(u, 60) AS url, r.status FROM unnest(ARRAY['/relative', '//other.example/x', 'ftp://a.example/', 'javascript:alert(1)', 'https://', 'https:///x', 'https://user@a.example/', 'https://a.example\@b.example/', 'https://a b.example/', 'data:text/html,x',
	' https://a.example', E'https://a.example/\nx', 'https://a.example:port/', 'httpsx://a.example', 'https://a.example' || repeat('/x', 1024), 'https://bücher.example/']) u,
	test_post('secure_session', test_body('redirectUrl', u), :'jar') r;
SELECT u, r.status, r.body FROM unnest(ARRAY['https://shop.example/welcome?x=1#y', 'HTTP://Shop.Example:80', 'https://shop.example:443/', 'http://localhost:5173/x', 'https://[2001:db8::1]:8443/x', 'https://shop.example?x']) u,
	test_post('secure_session', test_body('redirectUrl', u), :'jar') r;
SELECT status, body FROM test_post('secure_session', '{"redirectUrl":"https://shop.example/"}');
SELECT authmeter.setting_set('autoverse.session_redirect', 'strict');
SELECT status, body FROM test_post('secure_session', '{"redirectUrl":"https://shop.example/"}', :'jar');
SELECT authmeter.setting_set('autoverse.redirect_origins', 'https://shop.example, https://b.example');
SELECT u, r.status, r.body FROM unnest(ARRAY['https://shop.example/a', 'https://b.example', 'http://shop.example/', 'https://shop.example.evil/', 'https://shop.example:8443/', 'https://x.shop.example/']) u,
	test_post('secure_session', test_body('redirectUrl', u), :'jar') r;
SELECT b, r.* FROM unnest(ARRAY['{}', '{"sessionId":""}', '{"sessionId":5}', '{"sessionId":"x"}', test_body('sessionId', repeat('0', 64))]) b, test_post('verify_session', b) r;
SELECT status FROM test_post('secure_session', '{"redirectUrl":"https://shop.example/"}', :'jar');
SELECT test_last('{sessionId}') AS id \gset
SELECT encode(token_hash, 'hex') = :'id' AS stored_in_clear, encode(token_hash, 'hex') = encode(sha256(:'id'), 'hex') AS stored_hashed, detail FROM authmeter.one_time_token WHERE purpose = 'secure-session' AND used_at IS NULL ORDER BY created_at DESC LIMIT 1;
SELECT * FROM test_post('verify_session', test_body('sessionId', :'id'));
SELECT * FROM test_post('verify_session', test_body('sessionId', :'id'));
-- A token of another purpose is none, and stays good for its own.
SELECT test_proof('av-kim@example.com', 'verification') AS token \gset
SELECT status, body FROM test_post('verify_session', test_body('sessionId', :'token'));
SELECT status FROM test_post('change_password', test_body('verificationToken', :'token', 'newPassword', 'Tulip-42?x'), :'jar');
SELECT test_jar() AS jar \gset
SELECT status FROM test_post('secure_session', '{"redirectUrl":"https://shop.example/"}', :'jar');
SET authmeter.clock_offset_s = 301;
SELECT * FROM test_post('verify_session', test_body('sessionId', test_last('{sessionId}')));
RESET authmeter.clock_offset_s;
SELECT authmeter.setting_set('autoverse.session_redirect', NULL), authmeter.setting_set('autoverse.redirect_origins', NULL);

-- DELETE /delete-account ---------------------------------------------------------------------------------
CREATE FUNCTION test_delete(body text, jar jsonb) RETURNS SETOF authmeter_http.response LANGUAGE sql AS $$
	SELECT * FROM test_post('delete_account', body, jar || '{"method":"DELETE"}') $$;
SELECT * FROM test_delete('{}', '{}');
SELECT authmeter.setting_set('autoverse.delete_account', 'strict');
SELECT test_hide(b) AS given, r.* FROM unnest(ARRAY['{}', '{"otp":"000000"}', '{"otp":5}', '{"password":"wrong"}', '{"verificationToken":"x"}', test_body('verificationToken', test_proof('av-kim@example.com', 'verification')),
	test_body('verificationToken', test_proof('av-ana@example.com', 'account-deletion'))]) b, test_delete(b, :'jar') r;
SELECT test_users('av-kim@example.com');
SELECT status FROM test_post('send_otp', '{"email":"av-kim@example.com","purpose":"account-deletion"}');
SELECT * FROM test_delete(test_body('otp', test_code('av-kim@example.com', 'account-deletion')), :'jar');
SELECT test_users('av-kim@example.com'), (SELECT count(*) FROM authmeter.autoverse_profile WHERE user_id = :'kim') AS profiles, (SELECT count(*) FROM authmeter.otp WHERE address = 'av-kim@example.com') AS codes,
	(SELECT count(*) FROM authmeter.one_time_token WHERE address = 'av-kim@example.com') AS tokens;
SELECT f, r.status, r.body FROM unnest(ARRAY['me', 'refresh']) f, test_get(f, :'jar') r;
SELECT (authmeter.user_create(e, 'Tulip-42?x')).outcome FROM unnest(ARRAY['av-d1@example.com', 'av-d2@example.com', 'av-d3@example.com']) e;
SELECT status FROM test_delete('{"password":"Tulip-42?x"}', test_session('av-d1@example.com'));
SELECT status FROM test_delete(test_body('verificationToken', test_proof('av-d2@example.com', 'account-deletion')), test_session('av-d2@example.com'));
SELECT count(*) FROM authmeter.user WHERE email IN ('av-d1@example.com', 'av-d2@example.com');
SELECT authmeter.setting_set('autoverse.delete_account', 'documented');
SELECT test_session('av-d3@example.com') AS jar \gset
SELECT * FROM test_delete('{"password":"wrong"}', :'jar');
SELECT * FROM test_delete('{}', :'jar');
SELECT test_users('av-d3@example.com');
SELECT authmeter.setting_set('autoverse.delete_account', NULL);

-- GET / and /health.
SELECT r.status, r.headers, regexp_replace(r.body, '"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"', '<time>') FROM unnest(ARRAY['health', 'root']) f, test_get(f, '{}') r;

-- What the trail knows; nothing secret is in it.
SELECT DISTINCT action, outcome FROM authmeter.audit_event WHERE action LIKE 'autoverse%' ORDER BY 1, 2;
SELECT count(*) FROM authmeter.audit_event WHERE detail::text ~ 'Tulip|Evil-Pass|eyJ|otpauth';

-- Nothing of the API is found by search_path.
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA test_autoverse CASCADE;
RESET client_min_messages;
SELECT authmeter.setting_set(name, NULL) FROM unnest(ARRAY['authmeter.bcrypt_cost', 'authmeter.environment', 'autoverse.login_limit', 'authmeter.login_failures']) name;
DELETE FROM authmeter.user WHERE email LIKE 'av-%';
DROP OWNED BY regress_autoverse_gateway;
DROP ROLE regress_autoverse_gateway;
