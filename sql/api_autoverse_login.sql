-- The autoverse API: codes, registration in all orders, login, and the life of a session. Whoever
-- else registers an address earlier or later gets nothing of it.
SET search_path = test_autoverse, public;
CREATE FUNCTION test_register(email text, rest jsonb DEFAULT '{}', password text DEFAULT 'Tulip-42?x') RETURNS SETOF authmeter_http.response
LANGUAGE sql AS $$ SELECT * FROM test_post('register', (jsonb_build_object('email', email, 'password', password, 'name', ' Ana Ruiz ') || rest)::text) $$;
CREATE FUNCTION test_login(email text, password text DEFAULT 'Tulip-42?x', rest jsonb DEFAULT '{}') RETURNS SETOF authmeter_http.response
LANGUAGE sql AS $$ SELECT * FROM test_post('login', (jsonb_build_object('email', email, 'password', password) || rest)::text, '{"headers":{"user-agent":"Test/1.0"}}') $$;
CREATE FUNCTION test_pending(email text) RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM authmeter.registration r WHERE r.email = test_pending.email $$;
CREATE FUNCTION test_users(email text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s %s %s', u.email, u.name, CASE WHEN u.email_verified_at IS NOT NULL THEN 'verified' ELSE 'unverified' END), ',')
	FROM authmeter.user u WHERE u.email = test_users.email $$;

-- Register first: pending until the code that was mailed for it ------------------------------------
SELECT * FROM test_register(' AV-Ana@Example.com ');
SELECT test_last('{user,id}') AS ana \gset
SELECT test_users('av-ana@example.com'), test_pending('av-ana@example.com');
SELECT * FROM test_login('av-ana@example.com');
SELECT * FROM test_login('av-ana@example.com', 'Tulip-42?y');
SELECT test_code('av-ana@example.com', 'account-verification') AS code \gset
SELECT * FROM test_post('verify_otp', test_body('email', 'av-ana@example.com', 'otp', test_other(:'code')));
SELECT * FROM test_post('verify_otp', test_body('email', 'av-ana@example.com', 'otp', :'code', 'purpose', 'password-reset'));
SELECT * FROM test_post('verify_otp', test_body('email', 'av-bob@example.com', 'otp', :'code'));
SELECT * FROM test_post('verify_otp', test_body('email', 'AV-ana@example.com', 'otp', :'code'));
SELECT test_last('{verificationToken}') = test_last('{token}') AS same, c - 'jti' - 'iat' - 'exp' - 'timestamp' - 'ver' AS claims,
	(c->>'exp')::bigint - (c->>'iat')::bigint AS seconds, abs((c->>'timestamp')::bigint - extract(epoch FROM clock_timestamp()) * 1000) < 60000 AS now_ms
FROM test_claims(test_last('{token}')) c;
SELECT test_users('av-ana@example.com'), test_pending('av-ana@example.com');
SELECT id = :'ana' AS same_id, name, plan_type, credits_remaining, has_password, email_enabled, two_factor_enabled FROM authmeter.autoverse_users WHERE email = 'av-ana@example.com';
-- Once.
SELECT * FROM test_post('verify_otp', test_body('email', 'av-ana@example.com', 'otp', :'code'));
SELECT * FROM test_register('av-ana@example.com');
SELECT count(*) FROM authmeter.autoverse_profile WHERE user_id = :'ana';
-- By any of the three purposes.
SELECT r.status FROM unnest(ARRAY['av-p1@example.com', 'av-p2@example.com']) e, test_register(e) r;
SELECT r.status, r.body FROM (VALUES ('verification', 'av-p1@example.com'), ('account-verification', 'av-p2@example.com')) p (purpose, email),
	test_post('verify_otp', test_body('email', p.email, 'otp', test_code(p.email, 'account-verification'), 'purpose', p.purpose)) r;
SELECT test_users('av-p1@example.com'), test_users('av-p2@example.com');

-- Token first: active at once; the token is good once, for its address and purpose ------------------
SELECT * FROM test_post('send_otp', '{"email":"av-tom@example.com","purpose":"account-verification"}');
SELECT * FROM test_post('verify_otp', test_body('email', 'av-tom@example.com', 'purpose', 'account-verification', 'otp', test_code('av-tom@example.com', 'account-verification')));
SELECT test_last('{verificationToken}') AS token \gset
SELECT * FROM test_register('av-tim@example.com', jsonb_build_object('verificationToken', :'token'));
SELECT * FROM test_register('av-tom@example.com', '{"verificationToken":"nonsense"}');
SELECT test_users('av-tom@example.com'), test_pending('av-tom@example.com');
SELECT * FROM test_register('av-tom@example.com', jsonb_build_object('verificationToken', :'token', 'otp', '000000', 'id', 'x', 'role', 'admin', 'planType', 'pro', 'creditsRemaining', 100));
SELECT test_users('av-tom@example.com'), test_pending('av-tom@example.com');
SELECT * FROM test_register('av-tom@example.com', jsonb_build_object('verificationToken', :'token'));
SELECT status, body FROM test_login('av-tom@example.com');
-- Of another purpose.
SELECT * FROM test_post('send_otp', '{"email":"av-tia@example.com"}');
SELECT * FROM test_post('verify_otp', test_body('email', 'av-tia@example.com', 'otp', test_code('av-tia@example.com', 'verification')));
SELECT * FROM test_register('av-tia@example.com', jsonb_build_object('verificationToken', test_last('{token}')));
-- Expired: known by its signature.
SELECT authmeter.one_time_token_issue('autoverse', 'account-verification', 'av-tia@example.com', NULL, '1 second', 'jwt') AS token \gset
SET authmeter.clock_offset_s = 3700;
SELECT * FROM test_register('av-tia@example.com', jsonb_build_object('verificationToken', :'token'));
RESET authmeter.clock_offset_s;
SELECT test_users('av-tia@example.com');

-- Code first ------------------------------------------------------------------------------------------
SELECT * FROM test_post('send_otp', '{"email":"av-cid@example.com","purpose":"account-verification"}');
SELECT test_code('av-cid@example.com', 'account-verification') AS code \gset
SELECT * FROM test_register('av-cid@example.com', jsonb_build_object('otp', test_other(:'code')));
SELECT test_users('av-cid@example.com');
SELECT * FROM test_register('av-cid@example.com', jsonb_build_object('otp', :'code'));
SELECT test_users('av-cid@example.com');
SELECT * FROM test_register('av-cid@example.com', jsonb_build_object('otp', :'code'));
-- A proof is used up only when the operation succeeds: the address has a user meanwhile.
SELECT status FROM test_post('send_otp', '{"email":"av-cam@example.com","purpose":"account-verification"}');
SELECT test_code('av-cam@example.com', 'account-verification') AS code, (authmeter.user_create('av-cam@example.com')).user_id AS cam \gset
SELECT * FROM test_register('av-cam@example.com', jsonb_build_object('otp', :'code'));
SELECT (authmeter.user_delete(:'cam')).outcome;
SELECT status FROM test_register('av-cam@example.com', jsonb_build_object('otp', :'code'));

-- Somebody else's registrations -------------------------------------------------------------------
-- Earlier, with another password: her code activates hers, and his is dropped.
SELECT status FROM test_register('av-eva@example.com', '{"name":"Mallory"}', 'Evil-Pass-1!');
SELECT test_code('av-eva@example.com', 'account-verification') AS his \gset
SELECT status FROM test_register('av-eva@example.com');
SELECT test_code('av-eva@example.com', 'account-verification') AS hers \gset
SELECT * FROM test_post('verify_otp', test_body('email', 'av-eva@example.com', 'otp', :'his')) WHERE :'his' <> :'hers';
SELECT status FROM test_post('verify_otp', test_body('email', 'av-eva@example.com', 'otp', :'hers'));
SELECT test_users('av-eva@example.com'), test_pending('av-eva@example.com');
SELECT status FROM test_login('av-eva@example.com', 'Evil-Pass-1!');
SELECT status FROM test_login('av-eva@example.com');
-- Later: the code that she gets last is for his registration, and hers of before is dead; but a code that
-- she asks for proves her mailbox and activates nothing.
SELECT status FROM test_register('av-ella@example.com');
SELECT status FROM test_register('av-ella@example.com', '{"name":"Mallory"}', 'Evil-Pass-1!');
SELECT status FROM test_post('send_otp', '{"email":"av-ella@example.com","purpose":"account-verification"}');
SELECT status, body FROM test_post('verify_otp', test_body('email', 'av-ella@example.com', 'otp', test_code('av-ella@example.com', 'account-verification')));
SELECT test_users('av-ella@example.com'), test_pending('av-ella@example.com');
SELECT status, body FROM test_register('av-ella@example.com', jsonb_build_object('verificationToken', test_last('{token}')), 'Tulip-43?x');
SELECT test_users('av-ella@example.com'), test_pending('av-ella@example.com');
SELECT status FROM test_login('av-ella@example.com', 'Evil-Pass-1!');
SELECT status FROM test_login('av-ella@example.com', 'Tulip-43?x');
-- She enters his code: he has the account until she resets its password, which no code of his survives.
SELECT status FROM test_register('av-elsa@example.com');
SELECT status FROM test_register('av-elsa@example.com', '{"name":"Mallory"}', 'Evil-Pass-1!');
SELECT status FROM test_post('verify_otp', test_body('email', 'av-elsa@example.com', 'otp', test_code('av-elsa@example.com', 'account-verification')));
SELECT status FROM test_login('av-elsa@example.com');
SELECT status FROM test_login('av-elsa@example.com', 'Evil-Pass-1!');
SELECT test_jar() AS jar \gset
SELECT status FROM test_post('send_otp', '{"email":"av-elsa@example.com","purpose":"password-reset"}');
SELECT status FROM test_post('reset_password', test_body('email', 'av-elsa@example.com', 'newPassword', 'Tulip-42?x', 'otp', test_code('av-elsa@example.com', 'password-reset')));
SELECT f, r.status FROM unnest(ARRAY['me', 'refresh']) f, test_call(f, :'jar'::jsonb || '{"method":"GET"}') r;
SELECT p, r.status FROM unnest(ARRAY['Evil-Pass-1!', 'Tulip-42?x']) p, test_login('av-elsa@example.com', p) r;
-- Overtaken by another API: 409, and the code is not used up.
SELECT status FROM test_register('av-otto@example.com');
SELECT test_code('av-otto@example.com', 'account-verification') AS code, (authmeter.user_create('av-otto@example.com', 'other password')).user_id AS otto \gset
SELECT * FROM test_post('verify_otp', test_body('email', 'av-otto@example.com', 'otp', :'code'));
SELECT status FROM test_login('av-otto@example.com', 'other password');
-- He registered her address through an API that does not verify: the reset gives her control.
SELECT test_jar() AS jar \gset
SELECT status FROM test_post('send_otp', '{"email":"av-otto@example.com","purpose":"password-reset"}');
SELECT * FROM test_post('reset_password', test_body('email', 'av-otto@example.com', 'newPassword', 'Tulip-44?x', 'otp', test_code('av-otto@example.com', 'password-reset')));
SELECT test_users('av-otto@example.com');
SELECT status FROM test_login('av-otto@example.com', 'other password');
SELECT status, body FROM test_call('me', :'jar'::jsonb || '{"method":"GET"}');
SELECT status, body FROM test_call('refresh', :'jar');
SELECT status FROM test_login('av-otto@example.com', 'Tulip-44?x');
-- A day later a registration is gone.
SELECT status FROM test_register('av-old@example.com');
SET authmeter.clock_offset_s = 86401;
SELECT * FROM test_login('av-old@example.com');
RESET authmeter.clock_offset_s;

-- POST /send-otp -------------------------------------------------------------------------------------
-- For purposes that concern an account nobody learns whether there is one.
SELECT e, p, r.* FROM unnest(ARRAY['av-ana@example.com', 'av-no@example.com']) e, unnest(ARRAY['password-reset', 'account-deletion']) p,
	test_post('send_otp', test_body('email', e, 'purpose', p)) r;
SELECT recipient, template, state, user_id IS NOT NULL AS user_known, authmeter.mail_params(id)->'code' IS NOT NULL AS code FROM authmeter.mail_outbox
WHERE recipient IN ('av-ana@example.com', 'av-no@example.com') AND template IN ('password-reset', 'account-deletion') ORDER BY 1, 2;
SELECT test_code('av-no@example.com', 'password-reset') AS decoy \gset
SELECT e, r.* FROM unnest(ARRAY['av-ana@example.com', 'av-no@example.com']) e, test_post('verify_otp', test_body('email', e, 'otp', '000000', 'purpose', 'account-deletion')) r;
SELECT e, r.* FROM unnest(ARRAY['av-ana@example.com', 'av-no@example.com', 'av-nn@example.com']) e,
	test_post('reset_password', test_body('email', e, 'otp', '000000', 'newPassword', 'Tulip-42?x')) r;
-- The limit: with registrations without proof, equally for unknown addresses, before it is looked whether there is a user.
SELECT authmeter.setting_set('autoverse.otp_limit', '2/1h');
SELECT n, r.status, r.headers->>'Retry-After' ~ '^(3600|35[0-9][0-9])$' AS retry_after, r.body FROM (VALUES (1, 'send_otp', 'av-lim@example.com'), (2, 'register', 'av-lim@example.com'),
	(3, 'send_otp', 'AV-LIM@example.com'), (4, 'register', 'av-lim@example.com'), (5, 'send_otp', 'av-lam@example.com')) t (n, f, e),
	test_post(f, test_body('email', e, 'password', 'Tulip-42?x', 'name', 'Ana Ruiz')) r ORDER BY n;
SELECT * FROM test_times(3, 'register', '{"email":"av-tom@example.com","password":"Tulip-42?x","name":"Tom Roe"}');
-- A registration with a proof is not counted, nor refused.
SELECT status, body FROM test_register('av-lim@example.com', jsonb_build_object('otp', test_code('av-lim@example.com', 'account-verification')));
SELECT authmeter.setting_set('autoverse.otp_limit', NULL);

-- POST /verify-otp -----------------------------------------------------------------------------------
SELECT status FROM test_post('send_otp', '{"email":"av-vic@example.com"}');
SELECT test_code('av-vic@example.com', 'verification') AS code \gset
SELECT * FROM test_times(6, 'verify_otp', test_body('email', 'av-vic@example.com', 'otp', test_other(:'code')));
SELECT * FROM test_post('verify_otp', test_body('email', 'av-vic@example.com', 'otp', :'code'));
-- A new code replaces the old one.
SELECT status FROM test_post('send_otp', '{"email":"av-vic@example.com"}');
SELECT status FROM test_post('verify_otp', test_body('email', 'av-vic@example.com', 'otp', :'code')) WHERE :'code' <> test_code('av-vic@example.com', 'verification');
SELECT status, body FROM test_post('verify_otp', test_body('email', 'av-vic@example.com', 'otp', test_code('av-vic@example.com', 'verification')));
SELECT status FROM test_post('send_otp', '{"email":"av-vic@example.com"}');
SET authmeter.clock_offset_s = 601;
SELECT * FROM test_post('verify_otp', test_body('email', 'av-vic@example.com', 'otp', test_code('av-vic@example.com', 'verification')));
RESET authmeter.clock_offset_s;
SELECT test_users('av-vic@example.com');

-- POST /login ----------------------------------------------------------------------------------------
SELECT * FROM test_login(' AV-ANA@example.com ');
SELECT test_last('{accessToken}') AS token, test_jar() AS jar, test_last('{user,id}') = :'ana' AS ana_id \gset
SELECT :'ana_id' AS same_id;
-- The tokens: these claims and no others.
SELECT string_agg(k, ' ' ORDER BY k COLLATE "C") AS access FROM jsonb_object_keys(test_claims(:'token')) k;
SELECT string_agg(k, ' ' ORDER BY k COLLATE "C") AS refresh FROM jsonb_object_keys(test_claims(:'jar'::jsonb#>>'{cookies,refreshToken,0}')) k;
SELECT c->>'userId' = :'ana' AS user_id, c->>'email' AS email, c->>'api' AS api, c->>'use' AS use, (c->>'exp')::bigint - (c->>'iat')::bigint AS seconds,
	c->>'sid' = r->>'sid' AS same_session, r->>'userId' = :'ana' AS refresh_user_id, r->>'use' AS refresh_use, (r->>'exp')::bigint - (r->>'iat')::bigint AS refresh_seconds
FROM test_claims(:'token') c, test_claims(:'jar'::jsonb#>>'{cookies,refreshToken,0}') r;
SELECT api, device, address, state FROM authmeter.session_list(:'ana') WHERE session_id = (test_claims(:'token')->>'sid')::uuid;
-- Refused alike: unknown, wrong, without a password, disabled.
SELECT (authmeter.user_create('av-nopw@example.com')).outcome, (authmeter.user_create('av-off@example.com', 'Tulip-42?x')).user_id AS off \gset
SELECT (authmeter.user_disable(:'off')).outcome;
SELECT r.* FROM (VALUES ('av-nobody@example.com', 'Tulip-42?x'), ('av-ana@example.com', 'tulip-42?x'), ('av-nopw@example.com', 'Tulip-42?x'), ('av-off@example.com', 'Tulip-42?x')) t (e, p),
	test_login(e, p) r;
-- By address: every request counts, before the body is looked at; the right password does not help.
SELECT authmeter.setting_set('autoverse.login_limit', '3/1h');
SELECT n, r.status, r.body FROM (VALUES (1, '{"fault":"body_invalid"}'), (2, '{"body":{}}'), (3, '{"body":{"email":"av-ana@example.com","password":"Tulip-42?x"}}'),
	(4, '{"body":{"email":"av-ana@example.com","password":"Tulip-42?x"}}'), (5, '{"fault":"body_too_large"}')) t (n, request),
	test_call('login', request::jsonb || '{"ip":"192.0.2.7"}') r ORDER BY n;
SELECT status FROM test_call('login', '{"ip":"192.0.2.8","body":{}}');
SELECT authmeter.setting_set('autoverse.login_limit', 'off');
-- By account and address.
SELECT authmeter.setting_set('authmeter.login_failures', '2/1h');
SELECT * FROM test_times(3, 'login', '{"email":"av-ana@example.com","password":"wrong"}');
SELECT status FROM test_login('av-ana@example.com');
SELECT authmeter.setting_set('authmeter.login_failures', 'off');

-- Cookies --------------------------------------------------------------------------------------------
CREATE FUNCTION test_cookies(rest jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT test_hide(r.headers#>>'{Set-Cookie,0}') FROM test_post('login', '{"email":"av-ana@example.com","password":"Tulip-42?x"}', rest) r $$;
SELECT test_cookies('{"prefix":"/s/autoverse"}');
SELECT authmeter.setting_set('authmeter.cookie_secure', 'off'), authmeter.setting_set('autoverse.cookie_samesite', 'strict'), authmeter.setting_set('autoverse.cookie_domain', 'app.example');
SELECT test_cookies('{"headers":{"host":"api.app.example:3000"}}');
SELECT h, test_cookies(jsonb_build_object('headers', jsonb_build_object('host', h))) FROM unnest(ARRAY['localhost:3000', 'LOCALHOST', '127.0.0.1:3000', '[::1]:3000']) h;
SELECT authmeter.setting_set('autoverse.cookie_samesite', 'none'), authmeter.setting_set('autoverse.cookie_domain', 'localhost');
SELECT test_cookies('{"headers":{"host":"api.app.example"}}');
SELECT authmeter.setting_set('autoverse.access_ttl', '90s'), authmeter.setting_set('autoverse.cookie_samesite', NULL), authmeter.setting_set('autoverse.cookie_domain', NULL);
SELECT test_cookies('{}');
SELECT (c->>'exp')::bigint - (c->>'iat')::bigint AS seconds FROM test_claims(test_last('{accessToken}')) c;
SELECT authmeter.setting_set('autoverse.access_ttl', NULL), authmeter.setting_set('authmeter.cookie_secure', NULL);
