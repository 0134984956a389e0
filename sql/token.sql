-- Session tokens: good for one user, one API and one use, until they expire or are revoked.
SELECT authmeter.key_import('tokentest', 'AEy4EWWiENKploddAxayXs6gxvxQ8K6JyRaxcDxFQPNba/4y') IS NOT NULL;
SELECT authmeter.key_import('tokenother', 'bc7pZo8ot65QxF96D621LPRAra7oczJuZqHjL3jlPALw0ylO') IS NOT NULL;
SELECT authmeter.key_import('tokentest-refresh', 'sN5e1tqLZQ0aOe3jv9rX2b1uU7JmKpTgWc4yHhVxA6E8BfDo') IS NOT NULL;
SELECT (authmeter.user_create('token-ana@example.com')).user_id AS ana \gset
SELECT (authmeter.user_create('token-bob@example.com')).user_id AS bob \gset
\set nobody '''00000000-0000-7000-8000-000000000000'''

-- The claims of contract I6, in a token that any JOSE library can read.
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access', '{"apiKey": "akh_x"}', '30 days') AS token \gset
SELECT header::text, claims - '{userId,jti,iat,exp}'::text[] AS claims, claims ->> 'userId' = :'ana' AS user_id,
	claims ->> 'jti' ~ '^[A-Za-z0-9_-]{22}$' AS jti, (claims ->> 'exp')::bigint - (claims ->> 'iat')::bigint AS lifetime_s,
	abs((claims ->> 'iat')::bigint - extract(epoch FROM authmeter.clock())) < 60 AS now
FROM authmeter.jwt_decode(:'token');
SELECT split_part(:'token', '.', 1);
SELECT translate(encode(hmac(substring(:'token' FROM '^[^.]+\.[^.]+'), 'AEy4EWWiENKploddAxayXs6gxvxQ8K6JyRaxcDxFQPNba/4y', 'sha256'), 'base64'), '+/=' || chr(10), '-_')
	= split_part(:'token', '.', 3) AS signed_as_anybody_would;
SELECT (authmeter.jwt_decode(authmeter.token_issue(:'ana', 'tokentest', 'access'))).claims ->> 'jti'
	<> (authmeter.jwt_decode(authmeter.token_issue(:'ana', 'tokentest', 'access'))).claims ->> 'jti' AS jti_differ;
-- Another name of the user in userId: the id goes to uid, which is what counts.
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access', '{"userId": "42", "email": "shown@example.com"}') AS named \gset
SELECT claims ->> 'userId' AS user_id, claims ->> 'uid' = :'ana' AS uid, claims ->> 'email' AS email
FROM authmeter.jwt_decode(:'named');
SELECT outcome, user_id = :'ana' AS ana FROM authmeter.token_verify(:'named', 'tokentest', 'access');
-- Escaped where JSON needs it, letter by letter what was given.
SELECT v.claims -> 'note' FROM authmeter.token_verify(authmeter.token_issue(:'ana', 'tokentest', 'access',
	jsonb_build_object('note', E'"\\/ \u0001 é 😀')), 'tokentest', 'access') v;

-- Good for this API and this use only.
SELECT v.outcome, v.user_id = :'ana' AS ana, v.claims ->> 'apiKey' AS api_key, v.reason
FROM authmeter.token_verify(:'token', 'tokentest', 'access') v;
SELECT u.outcome, u.user_id = :'ana' AS ana FROM authmeter.token_user(:'token', 'tokentest', 'access') u;
SELECT use, v.* FROM unnest('{refresh,verify}'::text[]) use, authmeter.token_verify(:'token', 'tokentest', use) v;
SELECT * FROM authmeter.token_verify(authmeter.token_issue(:'ana', 'tokentest', 'refresh'), 'tokentest', 'access');
SELECT * FROM authmeter.token_verify(:'token', 'tokenother', 'access');
SELECT * FROM authmeter.token_user(:'token', 'tokenother', 'access');
SELECT * FROM authmeter.token_verify(:'token', 'tokennone', 'access');
-- A refresh token is signed by a ring of its own, and is silent about the address.
SELECT authmeter.token_issue(:'ana', 'tokentest', 'refresh') AS refresh \gset
SELECT claims ? 'email' AS email, claims ->> 'userId' = :'ana' AS user_id FROM authmeter.jwt_decode(:'refresh');
SELECT own.outcome AS own_ring, other.outcome AS access_ring, t.outcome FROM authmeter.jws_verify(:'refresh', 'tokentest-refresh') own,
	authmeter.jws_verify(:'refresh', 'tokentest') other, authmeter.token_user(:'refresh', 'tokentest', 'refresh') t;
SELECT authmeter.token_issue(:'ana', 'tokenother', 'refresh');
-- Stateless: what the token says, whatever has become of its user.
SELECT v.outcome, v.user_id = :'ana' AS ana, v.reason FROM authmeter.token_verify(:'token', 'tokentest', 'access', true) v;
SELECT outcome, reason FROM authmeter.token_verify(:'token', 'tokentest', 'verify', true);
-- An API that shares its secret with another still refuses the other's tokens.
SELECT authmeter.key_import('tokentwin', 'AEy4EWWiENKploddAxayXs6gxvxQ8K6JyRaxcDxFQPNba/4y') IS NOT NULL;
SELECT * FROM authmeter.token_verify(:'token', 'tokentwin', 'access');

-- Expiry to the second, without leeway, also inside a transaction that began before it.
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access', lifetime => '100 seconds') AS short \gset
BEGIN;
SELECT outcome FROM authmeter.token_verify(:'short', 'tokentest', 'access');
SET LOCAL authmeter.clock_offset_s = 95;
SELECT outcome FROM authmeter.token_verify(:'short', 'tokentest', 'access');
SET LOCAL authmeter.clock_offset_s = 100;
SELECT * FROM authmeter.token_verify(:'short', 'tokentest', 'access');
COMMIT;

-- Forged and foreign tokens. What the secret's other holders sign counts only with all our claims.
CREATE FUNCTION pg_temp.forge(header text, claims text, secret text DEFAULT 'AEy4EWWiENKploddAxayXs6gxvxQ8K6JyRaxcDxFQPNba/4y')
RETURNS text LANGUAGE sql AS $$
	WITH part AS (SELECT translate(encode(convert_to(header, 'UTF8'), 'base64') || '.' || encode(convert_to(claims, 'UTF8'), 'base64'),
		'+/=' || chr(10), '-_') AS input)
	SELECT input || '.' || translate(encode(hmac(input, secret, 'sha256'), 'base64'), '+/=' || chr(10), '-_') FROM part $$;
CREATE FUNCTION pg_temp.try(header text, claims text) RETURNS text LANGUAGE sql AS
	$$ SELECT outcome || ' ' || reason FROM authmeter.token_verify(pg_temp.forge(header, claims), 'tokentest', 'access') $$;
\set hs '''{"alg":"HS256","typ":"JWT"}'''
SELECT format('{"userId":"%s","api":"tokentest","use":"access","ver":1,"exp":4102444800}', :'ana') AS good \gset
SELECT pg_temp.try(:hs, :'good');
SELECT change, pg_temp.try(:hs, replace(:'good', change[1], change[2])) FROM (VALUES
	(ARRAY['"ver":1', '"ver":0']), (ARRAY['"ver":1', '"ver":2']), (ARRAY['"ver":1', '"ver":"1"']), (ARRAY['"ver":1', '"ver":1.5']),
	(ARRAY['"ver":1', '"ver":18446744073709551617']), (ARRAY['"ver":1', '"ver":null']), (ARRAY['"ver":1,', '']), (ARRAY['"ver":1', '"ver":1e0']),
	(ARRAY['"api":"tokentest"', '"api":"tokenTest"']), (ARRAY['"api":"tokentest"', '"api":["tokentest"]']), (ARRAY['"api":"tokentest",', '']),
	(ARRAY['"api":"tokentest"', '"api":"tokentest\u0000"']), (ARRAY['"api":"tokentest"', '"api":"\u0074okentest"']),
	(ARRAY['"use":"access"', '"use":"Access"']), (ARRAY['"use":"access"', '"use":true']), (ARRAY['"use":"access",', '']),
	(ARRAY['"exp":4102444800', '"exp":"4102444800"']), (ARRAY['"exp":4102444800', '"exp":4102444800.5']),
	(ARRAY['"exp":4102444800', '"exp":1e308']), (ARRAY['"exp":4102444800', '"exp":-1']), (ARRAY['"exp":4102444800', '"exp":1']),
	(ARRAY['"exp":4102444800', '"exp":9223372036854775808']), (ARRAY[',"exp":4102444800', '']),
	(ARRAY['"ver":1', '"ver":1,"ver":1']), (ARRAY['"ver":1', '"ver":1,"aud":"x"']), (ARRAY['"ver":1', '"ver":1,"nbf":4102444799']),
	(ARRAY['"userId":"', '"userId":"x']), (ARRAY['"userId":', '"userID":']), (ARRAY['"userId":', '"userId":5,"user":']),
	(ARRAY['"userId":', '"uid":"42","userId":']), (ARRAY['"userId":', '"sid":"42","userId":']), (ARRAY['"userId":', '"sid":null,"userId":']),
	(ARRAY['"userId":', '"sid":"00000000-0000-7000-8000-000000000000","userId":'])) c(change);
SELECT pg_temp.try(:hs, '[' || :'good' || ']'), pg_temp.try(:hs, ''), pg_temp.try(:hs, 'null');
SELECT header, pg_temp.try(header, :'good') FROM unnest(ARRAY['{"alg":"none"}', '{"alg":"NONE","typ":"JWT"}', '{"alg":"HS384","typ":"JWT"}',
	'{"alg":"RS256","typ":"JWT"}', '{"alg":"hs256"}', '{"typ":"JWT"}', '{"alg":"HS256","crit":["b64"],"b64":false}', '{"alg":"HS256","kid":"nobody"}',
	'{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}', '{"alg":["HS256"]}']) header;
SELECT outcome, reason FROM authmeter.token_verify(pg_temp.forge(:hs, :'good', 'another secret'), 'tokentest', 'access');
SELECT what, v.outcome, v.user_id, v.claims, v.reason FROM (VALUES
	('null', NULL), ('empty', ''), ('dots', '..'), ('two segments', substring(:'token' FROM '^[^.]+\.[^.]+')),
	('no signature', substring(:'token' FROM '^[^.]+\.[^.]+\.')), ('four segments', :'token' || '.x'), ('padding', :'token' || '='),
	('blank', ' ' || :'token'), ('newline', :'token' || E'\n'), ('not ASCII', :'token' || 'é'), ('short signature', left(:'token', -2)),
	('other claims', split_part(:'token', '.', 1) || '.' || split_part(:'named', '.', 2) || '.' || split_part(:'token', '.', 3)),
	('4097 characters', rpad(:'token', 4097, 'x')), ('a megabyte', repeat('x', 1048576))) t(what, token),
	authmeter.token_verify(token, 'tokentest', 'access') v;
-- 4096 characters are still a token: 3011 bytes of claims.
SELECT 3011 - length(split_part(authmeter.token_issue(:'ana', 'tokentest', 'access', '{"pad": ""}'), '.', 2)) * 3 / 4 AS pad \gset
SELECT length(t), outcome FROM authmeter.token_issue(:'ana', 'tokentest', 'access', jsonb_build_object('pad', repeat('x', :pad))) t,
	authmeter.token_user(t, 'tokentest', 'access');
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access', jsonb_build_object('pad', repeat('x', :pad + 1)));

-- Revoked for all APIs at once by a new version; the new tokens work.
SELECT authmeter.token_issue(:'ana', 'tokenother', 'access') AS other \gset
SELECT outcome FROM authmeter.revoke_user_tokens(:'ana');
SELECT outcome, user_id, claims, reason FROM authmeter.token_verify(:'token', 'tokentest', 'access');
SELECT outcome FROM authmeter.token_user(:'other', 'tokenother', 'access');
SELECT outcome, claims ->> 'apiKey' AS api_key, reason FROM authmeter.token_verify(:'token', 'tokentest', 'access', stateless => true);
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access') AS token \gset
SELECT outcome FROM authmeter.token_user(:'token', 'tokentest', 'access');
-- A revocation that is rolled back has not happened.
BEGIN;
SELECT outcome FROM authmeter.revoke_user_tokens(:'ana');
SELECT outcome FROM authmeter.token_user(:'token', 'tokentest', 'access');
ROLLBACK;
SELECT outcome FROM authmeter.token_user(:'token', 'tokentest', 'access');
-- A disabled user's token, and after the user is enabled again: it stays dead.
SELECT outcome FROM authmeter.user_disable(:'ana');
SELECT outcome, user_id = :'ana' AS ana, claims, reason FROM authmeter.token_verify(:'token', 'tokentest', 'access');
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access');
SELECT outcome FROM authmeter.user_enable(:'ana');
SELECT outcome, reason FROM authmeter.token_verify(:'token', 'tokentest', 'access');
-- A new password ends all tokens, a deleted user is nobody.
SELECT authmeter.token_issue(:'bob', 'tokentest', 'access') AS bobs \gset
SELECT authmeter.setting_set('authmeter.environment', 'development'), authmeter.setting_set('authmeter.bcrypt_cost', '4');
SELECT outcome FROM authmeter.user_password_set(:'bob', 'another horse');
SELECT authmeter.setting_set('authmeter.bcrypt_cost', NULL), authmeter.setting_set('authmeter.environment', NULL);
SELECT outcome, reason FROM authmeter.token_verify(:'bobs', 'tokentest', 'access');
SELECT authmeter.token_issue(:'bob', 'tokentest', 'access') AS bobs \gset
SELECT outcome FROM authmeter.user_delete(:'bob');
SELECT outcome, user_id = :'bob' AS bob, claims, reason FROM authmeter.token_verify(:'bobs', 'tokentest', 'access');
SELECT authmeter.token_issue(:'bob', 'tokentest', 'access');

-- What cannot be asked for.
SELECT authmeter.token_issue(:nobody, 'tokentest', 'access');
SELECT authmeter.token_issue(NULL, 'tokentest', 'access');
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access', '{"aud": "x"}');
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access', '{"sub": "x"}');
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access', '{"nbf": 1}');
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access', '{"exp": 4102444800}');
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access', '{"ver": 99}');
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access', '{"uid": "x"}');
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access', '{"sid": "x"}');
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access', '["x"]');
SELECT authmeter.token_issue(:'ana', 'tokentest', 'session');
SELECT authmeter.token_issue(:'ana', 'tokentest', NULL);
SELECT authmeter.token_issue(:'ana', NULL, 'access');
SELECT authmeter.token_issue(:'ana', 'tokennone', 'access');
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access', lifetime => '0');
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access', lifetime => '-1 day');
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access', lifetime => '11 years');
SELECT authmeter.token_issue(:'ana', 'tokentest', 'access', lifetime => NULL);
-- Keys that do not make exactly our header, or another algorithm.
SELECT authmeter.key_generate('tokenkid') IS NOT NULL, authmeter.key_generate('tokenes', 'ES256', false) IS NOT NULL;
SELECT authmeter.token_issue(:'ana', 'tokenkid', 'access');
SELECT authmeter.token_issue(:'ana', 'tokenes', 'access');
SELECT outcome, reason FROM authmeter.token_verify(authmeter.jwt_sign(format('{"userId":"%s","api":"tokenes","use":"access","ver":%s}', :'ana',
	(SELECT token_version FROM authmeter.user_get(:'ana')))::jsonb, 'tokenes', '1 hour'), 'tokenes', 'access');

SELECT outcome FROM authmeter.user_delete(:'ana');
SELECT count(authmeter.key_retire(kid, ring)) FROM authmeter.key_list() WHERE ring LIKE 'token%';
-- An interval beyond any calendar is refused like any other.
SELECT authmeter.token_issue('018f0000-0000-7000-8000-000000000000', 'tokentest', 'access', lifetime => '290000 years');
