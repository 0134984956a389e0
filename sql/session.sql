-- Login sessions: one refresh token at a time, a lost reply can be had again, an older token ends the
-- session, and what ends a session ends its access tokens too.
SELECT authmeter.setting_set('authmeter.environment', 'development'), authmeter.setting_set('authmeter.bcrypt_cost', '4');
SELECT authmeter.key_import('sestest', 'Xk3u9wQmB7tLr0ZpVdE5yCj2NfHs8GaWo1TiRbUqM6KxYvPz') IS NOT NULL,
	authmeter.key_import('sestest-refresh', 'p0LmNb4VcXz9aSdFgH7jKqWeRt3yUiOo2ZxCvBn5MlKjHgFd') IS NOT NULL;
SELECT authmeter.key_import('sesother', 'w1QaZxSwEdCvFrTgB8nHyUjMkIl0oPpL6qAzXsW2eDcVfRtG') IS NOT NULL,
	authmeter.key_import('sesother-refresh', 'b9YhNuJmIkOlPzAqWsXeDcRfVtGb7HnJmKi3OlPaQwSxEdCr') IS NOT NULL;
SELECT (authmeter.user_create('session-ana@example.com', 'correct horse')).user_id AS ana \gset
SELECT (authmeter.user_create('session-bob@example.com', 'correct horse')).user_id AS bob \gset
\set nobody '''00000000-0000-7000-8000-000000000000'''

-- What a call does, without what is random; the tokens go to a table by name.
CREATE TEMP TABLE token (name text PRIMARY KEY, session_id uuid, access text, refresh text);
CREATE FUNCTION pg_temp.keep(name text, r authmeter.session_result) RETURNS text LANGUAGE sql AS $$
	INSERT INTO token SELECT $1, $2.session_id, $2.access_token, $2.refresh_token WHERE $2.outcome = 'ok'
	ON CONFLICT (name) DO UPDATE SET session_id = EXCLUDED.session_id, access = EXCLUDED.access, refresh = EXCLUDED.refresh;
	SELECT concat_ws(' ', $2.outcome, $2.reason, CASE WHEN $2.replayed THEN 'again' END) $$;
CREATE FUNCTION pg_temp.start(name text, u uuid, single boolean DEFAULT false) RETURNS text LANGUAGE sql AS
	$$ SELECT pg_temp.keep($1, authmeter.session_start($2, 'sestest', '{"userId": "7"}', single => $3)) $$;
CREATE FUNCTION pg_temp.refresh(name text, into_name text, reuse text DEFAULT 'end', grace interval DEFAULT '10 seconds',
	tolerance interval DEFAULT '0') RETURNS text LANGUAGE sql AS
	$$ SELECT pg_temp.keep($2, authmeter.session_refresh((SELECT t.refresh FROM token t WHERE t.name = $1), 'sestest',
		reuse => $3, grace => $4, tolerance => $5)) $$;
CREATE FUNCTION pg_temp.try(name text) RETURNS text LANGUAGE sql AS
	$$ SELECT concat_ws(' ', v.outcome, v.reason) FROM token t, authmeter.token_verify(t.access, 'sestest', 'access') v WHERE t.name = $1 $$;
CREATE FUNCTION pg_temp.look(name text, api text DEFAULT 'sestest') RETURNS text LANGUAGE sql AS
	$$ SELECT concat_ws(' ', c.outcome, c.reason) FROM token t, authmeter.session_check(t.refresh, $2) c WHERE t.name = $1 $$;
CREATE FUNCTION pg_temp.state(name text) RETURNS text LANGUAGE sql AS
	$$ SELECT concat_ws(' ', l.state, s.end_reason) FROM token t JOIN authmeter.session s ON s.id = t.session_id,
		authmeter.session_list(s.user_id) l WHERE t.name = $1 AND l.session_id = s.id $$;

-- What is in the tokens, and at rest.
SELECT pg_temp.keep('a1', authmeter.session_start(:'ana', 'sestest', '{"userId": "7"}', '15 minutes', '7 days',
	'Firefox ' || repeat('é', 200), '::ffff:192.0.2.1', 'request-1'));
SELECT d.header::text, d.claims - '{uid,jti,iat,exp,sid}'::text[] AS claims, d.claims ->> 'uid' = :'ana' AS uid,
	(d.claims ->> 'sid')::uuid = t.session_id AS sid, length(d.claims ->> 'jti') AS jti,
	(d.claims ->> 'exp')::bigint - (d.claims ->> 'iat')::bigint AS lifetime_s
FROM token t, unnest(ARRAY[t.access, t.refresh]) j, authmeter.jwt_decode(j) d ORDER BY d.claims ->> 'use';
SELECT s.user_id = :'ana' AS ana, s.api, s.generation, s.refresh_hash = sha256(t.refresh::bytea) AS hashed, s.claims, s.token_version,
	s.expires_at - s.rotated_at BETWEEN '6 days 23:59:59' AND '7 days' AS expires, length(s.device) AS device, s.address, s.ended_at,
	position(split_part(t.refresh, '.', 3) IN s::text) + position(split_part(t.access, '.', 3) IN s::text) AS shown
FROM authmeter.session s JOIN token t ON t.session_id = s.id;
SELECT api, left(device, 8), address, created_at = last_used_at AS used, state FROM authmeter.session_list(:'ana');
SELECT pg_temp.try('a1');
SELECT v.outcome, v.claims ->> 'email' FROM token t, authmeter.token_verify(t.refresh, 'sestest', 'refresh') v;
SELECT c.outcome, c.reason, c.user_id = :'ana' AS ana, c.session_id = t.session_id AS sid, c.access_token, c.refresh_token
FROM token t, authmeter.session_check(t.refresh, 'sestest') c;

-- A refresh replaces the token; its repetition gives the same one, byte by byte, with a new access token.
SELECT pg_temp.refresh('a1', 'a2');
SELECT pg_temp.refresh('a1', 'a2 again');
SELECT a.refresh = b.refresh AS same, a.access = b.access AS same_access, a.session_id = b.session_id AS same_session
FROM token a, token b WHERE a.name = 'a2' AND b.name = 'a2 again';
SELECT pg_temp.try('a1'), pg_temp.try('a2'), pg_temp.try('a2 again');
-- The clock may go on or step back. Outside the grace the session ends, and that stays although the call
-- is refused.
BEGIN;
SET LOCAL authmeter.clock_offset_s = 100;
SELECT pg_temp.refresh('a2', 'a3');
SET LOCAL authmeter.clock_offset_s = 109;
SELECT pg_temp.refresh('a2', 'a3 late');
SET LOCAL authmeter.clock_offset_s = 91;
SELECT pg_temp.refresh('a2', 'a3 early');
SELECT count(DISTINCT refresh) FROM token WHERE name LIKE 'a3%';
SAVEPOINT s;
SET LOCAL authmeter.clock_offset_s = 89;
SELECT pg_temp.refresh('a2', 'x'), pg_temp.state('a2');
ROLLBACK TO s;
SET LOCAL authmeter.clock_offset_s = 111;
SELECT pg_temp.refresh('a2', 'x'), pg_temp.state('a2');
COMMIT;
SELECT pg_temp.try('a3'), pg_temp.refresh('a3', 'x'), pg_temp.refresh('a2', 'x');

-- Once the successor was used its parent is old, also within the grace.
SELECT pg_temp.start('b1', :'ana'), pg_temp.refresh('b1', 'b2'), pg_temp.refresh('b2', 'b3'), pg_temp.refresh('b1', 'x'), pg_temp.try('b3');
SELECT pg_temp.start('c1', :'ana'), pg_temp.refresh('c1', 'c2'), pg_temp.look('c1'), pg_temp.look('c2'),
	pg_temp.refresh('c1', 'x'), pg_temp.try('c2');
-- Without a grace the parent is old at once. The policies: end, close, refuse; and the tolerance.
SELECT pg_temp.start('d1', :'ana'), pg_temp.refresh('d1', 'd2', grace => '0'), pg_temp.refresh('d1', 'x', 'refuse', '0'), pg_temp.refresh('d1', 'x', 'end', '0', '10 seconds'),
	pg_temp.refresh('d2', 'd3', grace => '0'), pg_temp.refresh('d1', 'x', 'end', '0', '10 seconds'), pg_temp.refresh('d2', 'x', 'end', '0', '10 seconds'), pg_temp.state('d3');
BEGIN;
SET LOCAL authmeter.clock_offset_s = 11;
SELECT pg_temp.refresh('d1', 'x', 'close', '0', '10 seconds'), pg_temp.state('d3'), pg_temp.try('d3'), pg_temp.refresh('d3', 'x');
COMMIT;
SELECT pg_temp.start('e1', :'ana'), pg_temp.refresh('e1', 'e2', grace => '0'), pg_temp.refresh('e1', 'x', 'end', '0'), pg_temp.state('e2');
-- Three generations within the tolerance: the oldest is not known to have been replaced just now.
SELECT pg_temp.start('f1', :'ana'), pg_temp.refresh('f1', 'f2', grace => '0'), pg_temp.refresh('f2', 'f3', grace => '0'), pg_temp.refresh('f3', 'f4', grace => '0'),
	pg_temp.refresh('f1', 'x', 'end', '0', '10 seconds'), pg_temp.state('f4');

-- A call that is rolled back has not happened; the token that it gave away is nobody's.
SELECT pg_temp.start('g1', :'ana');
BEGIN;
SET LOCAL authmeter.clock_offset_s = 5;
SELECT refresh_token AS undone FROM authmeter.session_refresh((SELECT refresh FROM token WHERE name = 'g1'), 'sestest') \gset
ROLLBACK;
SELECT reason FROM authmeter.session_refresh(:'undone', 'sestest');
SELECT pg_temp.refresh('g1', 'g2');
SELECT reason FROM authmeter.session_refresh(:'undone', 'sestest', grace => '0');

-- What was never issued changes nothing, even signed with our secret; nor does what is not a refresh token.
CREATE FUNCTION pg_temp.forge(token text, change jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT authmeter.jwt_sign(d.claims || change, 'sestest-refresh') FROM authmeter.jwt_decode(token) d $$;
CREATE TEMP TABLE before AS SELECT * FROM authmeter.session;
SELECT refresh AS g2, access AS g2_access FROM token WHERE name = 'g2' \gset
SELECT split_part(authmeter.jwt_sign('{"exp":4102444800}', 'sestest-refresh'), '.', 1) = split_part(:'g2', '.', 1) AS same_header;
SELECT what, r.outcome, r.reason, r.user_id IS NOT NULL AS user_named, r.session_id IS NOT NULL AS session_named FROM (VALUES
	('null', NULL), ('empty', ''), ('garbage', 'x.y.z'), ('access', :'g2_access'), ('a megabyte', repeat('x', 1048576)),
	('no sid', authmeter.token_issue(:'ana', 'sestest', 'refresh')),
	('sid, no generation', authmeter.token_issue(:'ana', 'sestest', 'refresh', session_id => (SELECT session_id FROM token WHERE name = 'g2'))),
	('another jti', pg_temp.forge(:'g2', '{"jti": "AAEAAAAAAAEAAAAAAAAAAAAAAAAAAAAA"}')),
	('no version', pg_temp.forge(:'g2', '{"jti": "__8AAAAAAAEAAAAAAAAAAAAAAAAAAAAA"}')),
	('short jti', pg_temp.forge(:'g2', '{"jti": "AAEAAAAAAAE"}')),
	('another session''s jti', pg_temp.forge(:'g2', jsonb_build_object('sid', (SELECT session_id FROM token WHERE name = 'f4')))),
	('another user', pg_temp.forge(:'g2', jsonb_build_object('uid', :'bob'))),
	('longer', pg_temp.forge(:'g2', '{"exp": 4102444800}')),
	('another signature', overlay(:'g2' PLACING 'AAAA' FROM length(:'g2') - 9)),
	('expired', pg_temp.forge(:'g2', '{"exp": 1}'))) t (what, token),
	authmeter.session_refresh(token, 'sestest', grace => '0') r;
SELECT r.outcome, r.reason FROM authmeter.session_refresh(:'g2', 'sesother') r;
SELECT count(*) AS changed FROM authmeter.session s FULL JOIN before b ON b.id = s.id WHERE s::text IS DISTINCT FROM b::text;
SELECT pg_temp.refresh('g2', 'g3');

-- Expiry of the refresh token, and no access token beyond it.
SELECT pg_temp.keep('h1', authmeter.session_start(:'ana', 'sestest', access_lifetime => '1 hour', refresh_lifetime => '100 seconds'));
SELECT d.claims ->> 'use' AS use, (d.claims ->> 'exp')::bigint - (d.claims ->> 'iat')::bigint AS lifetime_s
FROM token t, unnest(ARRAY[t.access, t.refresh]) j, authmeter.jwt_decode(j) d WHERE t.name = 'h1' ORDER BY 1;
BEGIN;
SET LOCAL authmeter.clock_offset_s = 95;
SELECT pg_temp.look('h1');
SET LOCAL authmeter.clock_offset_s = 100;
SELECT pg_temp.refresh('h1', 'x'), pg_temp.state('h1'), pg_temp.try('h1');
SET LOCAL authmeter.clock_offset_s = 1;
SELECT pg_temp.refresh('h1', 'h2');
COMMIT;
-- A day has 24 hours, also where the clock is changed.
SET timezone = 'Europe/Berlin';
SELECT (authmeter.jwt_decode(r.refresh_token)).claims ->> 'exp' = ((authmeter.jwt_decode(r.refresh_token)).claims ->> 'iat')::bigint + 31536000 || '' AS year
FROM authmeter.session_start(:'ana', 'sestest', refresh_lifetime => '365 days') r;
RESET timezone;

-- Ends: one session, by its owner only; closed; all but one; all.
SELECT authmeter.session_end_all(:'ana');
SELECT pg_temp.start('i1', :'ana'), pg_temp.start('i2', :'ana'), pg_temp.start('i3', :'ana'), pg_temp.start('i4', :'bob');
SELECT session_id AS i1 FROM token WHERE name = 'i1' \gset
SELECT session_id AS i2, refresh AS i2_refresh FROM token WHERE name = 'i2' \gset
SELECT session_id AS i3 FROM token WHERE name = 'i3' \gset
SELECT authmeter.session_end(:'bob', :'i1'), authmeter.session_end(:'ana', :nobody), authmeter.session_end(NULL, NULL);
SELECT authmeter.session_end(:'ana', :'i1'), authmeter.session_end(:'ana', :'i1'), pg_temp.try('i1'), pg_temp.refresh('i1', 'x'), pg_temp.state('i1');
SELECT authmeter.session_close(:'ana', :'i2', 'x'), authmeter.session_close(:'bob', :'i2'), authmeter.session_close(:'ana', :'i2', :'i2_refresh'),
	authmeter.session_close(:'ana', :'i2'), pg_temp.try('i2'), pg_temp.refresh('i2', 'x'), pg_temp.state('i2');
SELECT authmeter.session_end_all(:'ana', :'i3', 'others'), pg_temp.try('i2'), pg_temp.try('i3'), pg_temp.try('i4');
SELECT authmeter.session_end_all(:'ana'), pg_temp.try('i3'), pg_temp.refresh('i3', 'x');
SELECT authmeter.session_end_all(NULL), authmeter.session_end_all(:nobody);
-- The newest only: the others are closed, not ended, and those of another API not touched.
SELECT outcome, refresh_token AS other FROM authmeter.session_start(:'ana', 'sesother') \gset
SELECT pg_temp.start('j1', :'ana'), pg_temp.start('j2', :'ana', single => true), pg_temp.try('j1'), pg_temp.refresh('j1', 'x'), pg_temp.refresh('j2', 'j3');
SELECT outcome FROM authmeter.session_check(:'other', 'sesother');

-- A new password ends the sessions of all APIs, but for the one that is kept, and takes the codes back.
SELECT pg_temp.start('k1', :'ana'), pg_temp.start('k2', :'ana');
SELECT session_id AS k1, refresh AS k1_refresh FROM token WHERE name = 'k1' \gset
SELECT authmeter.otp_issue('password-reset', 'session-ana@example.com');
SELECT authmeter.one_time_token_issue('sestest', 'reset', 'session-ana@example.com', :'ana') IS NOT NULL AS issued;
SELECT outcome FROM authmeter.user_password_set(:'ana', 'another horse', keep_session => :'k1');
SELECT pg_temp.try('k1'), pg_temp.try('k2'), pg_temp.refresh('k2', 'x'), (SELECT reason FROM authmeter.session_check(:'other', 'sesother'));
SELECT (SELECT count(*) FROM authmeter.otp WHERE address = 'session-ana@example.com') AS codes,
	(SELECT count(*) FROM authmeter.one_time_token WHERE address = 'session-ana@example.com') AS tokens;
SELECT outcome FROM token, authmeter.token_verify(refresh, 'sestest', 'refresh') WHERE name = 'k1';
SELECT pg_temp.refresh('k1', 'k3'), pg_temp.try('k3');
-- Renewed for the caller: the former token is old, and not replayed.
SELECT pg_temp.keep('k4', authmeter.session_renew(:'ana', :'k1')), pg_temp.try('k4'), pg_temp.refresh('k3', 'x', tolerance => '1 minute');
SELECT pg_temp.refresh('k4', 'k5'), pg_temp.refresh('k4', 'k5'), pg_temp.refresh('k3', 'x'), pg_temp.try('k5');
SELECT (authmeter.session_renew(:'ana', :'k1')).reason, (authmeter.session_renew(:'bob', :'k1')).reason, (authmeter.session_renew(:nobody, :'k1')).reason,
	(authmeter.session_renew(NULL, NULL)).reason;
-- The one access token that changed the password stays good, until the next change.
SELECT pg_temp.start('l1', :'ana'), pg_temp.refresh('l1', 'l2');
SELECT session_id AS l_sid, (authmeter.jwt_decode(access)).claims ->> 'jti' AS jti FROM token WHERE name = 'l1' \gset
SELECT outcome FROM authmeter.user_password_set(:'ana', 'third horse', keep_session => :'l_sid');
SELECT authmeter.session_close(:'ana', :'l_sid'), authmeter.session_spare(:'ana', :'l_sid', :'jti');
SELECT pg_temp.try('l1'), pg_temp.try('l2'), pg_temp.refresh('l2', 'x');
SELECT outcome FROM authmeter.user_password_set(:'ana', 'fourth horse', keep_session => :'l_sid');
SELECT pg_temp.try('l1'), pg_temp.try('l2');
SELECT authmeter.session_spare(:'ana', :'l_sid', NULL);
SELECT authmeter.session_spare(:'ana', :'l_sid', repeat('x', 65));
-- A version raised by hand revokes the session too.
SELECT pg_temp.start('m1', :'ana');
UPDATE authmeter.user SET token_version = token_version + 1 WHERE id = :'ana';
SELECT pg_temp.try('m1'), pg_temp.refresh('m1', 'x');
-- Revocation, disabling, deletion.
SELECT pg_temp.start('n1', :'ana');
SELECT outcome, pg_temp.try('n1'), pg_temp.refresh('n1', 'x') FROM authmeter.revoke_user_tokens(:'ana');
SELECT pg_temp.start('o1', :'ana');
SELECT outcome, pg_temp.try('o1'), pg_temp.refresh('o1', 'x'), pg_temp.start('x', :'ana') FROM authmeter.user_disable(:'ana');
SELECT outcome, pg_temp.try('o1'), pg_temp.refresh('o1', 'x'), pg_temp.start('p1', :'ana') FROM authmeter.user_enable(:'ana');
SELECT session_id AS p1 FROM token WHERE name = 'p1' \gset
SELECT authmeter.token_issue(:'ana', 'sestest', 'access', session_id => :'p1') IS NOT NULL AS live,
	authmeter.token_issue(:'bob', 'sestest', 'access', session_id => :'p1') AS of_another, authmeter.session_end(:'ana', :'p1'),
	authmeter.token_issue(:'ana', 'sestest', 'access', session_id => :'p1') AS ended;
SELECT pg_temp.start('q1', :'bob');
SELECT outcome, pg_temp.try('q1'), pg_temp.refresh('q1', 'x'), pg_temp.start('x', :'bob') FROM authmeter.user_delete(:'bob');
SELECT count(*) FROM authmeter.session WHERE user_id = :'bob';

-- Proof of the mailbox drops what somebody else may have planted, once.
SELECT outcome, user_id AS eve FROM authmeter.user_create('session-eve@example.com', 'planted horse') \gset
SELECT authmeter.vsplugin_user_key_set(:'eve', 'planted key'), pg_temp.start('r1', :'eve');
SELECT secret FROM authmeter.totp_enroll(:'eve') \gset
SELECT count(*) FROM authmeter.totp WHERE user_id = :'eve';
SELECT authmeter.user_email_prove(:'eve'), authmeter.user_email_prove(:nobody), authmeter.user_email_prove(NULL);
SELECT email_verified_at IS NOT NULL AS verified, has_password, token_version, pg_temp.try('r1'), pg_temp.refresh('r1', 'x'),
	(SELECT count(*) FROM authmeter.vsplugin_profile p WHERE p.user_id = i.user_id) AS keys,
	(SELECT count(*) FROM authmeter.totp p WHERE p.user_id = i.user_id) AS factors FROM authmeter.user_get(:'eve') i;
SELECT outcome FROM authmeter.user_password_set(:'eve', 'my own horse');
SELECT pg_temp.start('r2', :'eve'), authmeter.user_email_prove(:'eve'), pg_temp.try('r2');
SELECT has_password, token_version FROM authmeter.user_get(:'eve');
SELECT (authmeter.user_delete(:'eve')).outcome;

-- Cost of a hash.
SELECT outcome FROM authmeter.user_create('session-cost@example.com', 'correct horse', bcrypt_cost => 5);
SELECT left(password_hash, 7) FROM authmeter.user WHERE email = 'session-cost@example.com';
SELECT r.outcome FROM authmeter.user_find('session-cost@example.com') f, authmeter.user_password_set(f.user_id, 'another horse', bcrypt_cost => 6) r;
SELECT left(password_hash, 7) FROM authmeter.user WHERE email = 'session-cost@example.com';
SELECT authmeter.user_create('session-cost2@example.com', 'correct horse', bcrypt_cost => 3);
SELECT authmeter.user_create('session-cost2@example.com', 'correct horse', bcrypt_cost => 16);
SELECT authmeter.setting_set('authmeter.bcrypt_cost', NULL), authmeter.setting_set('authmeter.environment', NULL);
SELECT authmeter.user_password_set(:'ana', 'correct horse', bcrypt_cost => 9);
SELECT authmeter.user_delete(user_id) IS NOT NULL FROM authmeter.user_find('session-cost@example.com');

-- What cannot be asked for.
SELECT authmeter.session_start(NULL, 'sestest');
SELECT authmeter.session_start(:'ana', NULL);
SELECT authmeter.session_start(:'ana', '');
SELECT authmeter.session_start(:'ana', 'sestest', NULL);
SELECT authmeter.session_start(:'ana', 'sestest', '{"sid": "x"}');
SELECT authmeter.session_start(:'ana', 'sestest', '[]');
SELECT authmeter.session_start(:'ana', 'sestest', access_lifetime => '0');
SELECT authmeter.session_start(:'ana', 'sestest', refresh_lifetime => '11 years');
SELECT authmeter.session_start(:'ana', 'sesnone');
SELECT authmeter.session_refresh('x', 'sestest', grace => '-1 second');
SELECT authmeter.session_refresh('x', 'sestest', grace => '2 days');
SELECT authmeter.session_refresh('x', 'sestest', reuse => 'forgive');
SELECT authmeter.session_refresh('x', 'sesnone');
SELECT authmeter.session_end(:'ana', :'p1', 'Lost!');
SELECT authmeter.session_purge(0);

-- The audit trail has the true reason of every refusal and replay, and nothing secret.
SELECT action, outcome, count(*) FROM authmeter.audit_event e WHERE e.action LIKE 'session%' AND e.user_id = :'ana' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT outcome, address, request_id, detail - 'session' AS detail, detail ? 'session' AS session FROM authmeter.audit_event
WHERE request_id = 'request-1' AND action = 'session_start';
SELECT count(*) AS found FROM authmeter.audit_event e, token t WHERE position(t.refresh IN e::text) + position(t.access IN e::text) > 0;
-- A session is forgotten a day after it is over.
SELECT count(*) > 10 AS ended, count(*) FILTER (WHERE ended_at IS NULL) AS live FROM authmeter.session s WHERE s.user_id = :'ana';
SELECT authmeter.session_purge();
BEGIN;
SET LOCAL authmeter.clock_offset_s = 87000;
SELECT authmeter.session_purge(3);
SELECT authmeter.session_purge() > 10;
SELECT count(*) FILTER (WHERE ended_at IS NOT NULL) AS ended, count(*) FILTER (WHERE ended_at IS NULL) AS live FROM authmeter.session s WHERE s.user_id = :'ana';
SELECT pg_temp.refresh('a1', 'x');
ROLLBACK;

-- Access and refresh tokens must not be signed with one secret.
INSERT INTO authmeter_http.deployment VALUES ('sestest', 'JWT_SECRET', 'sestest'), ('sestest', 'JWT_REFRESH_SECRET', 'sestest-refresh'),
	('sestwin', 'JWT_SECRET', 'sestwin'), ('sestwin', 'JWT_REFRESH_SECRET', 'sestwin-refresh');
SELECT authmeter.key_import('sestwin', 'Xk3u9wQmB7tLr0ZpVdE5yCj2NfHs8GaWo1TiRbUqM6KxYvPz') IS NOT NULL,
	authmeter.key_import('sestwin-refresh', 'Xk3u9wQmB7tLr0ZpVdE5yCj2NfHs8GaWo1TiRbUqM6KxYvPz') IS NOT NULL;
SELECT c.* FROM authmeter_http.start_check('{sestest,sestwin}') c WHERE severity = 'error';
DELETE FROM authmeter_http.deployment WHERE api LIKE 'ses%';
SELECT authmeter_http.ring_shared('sestest', 'none'), authmeter_http.ring_shared('sestest', 'sestwin'), authmeter_http.ring_shared('sestest', 'sestest-refresh');

SELECT (authmeter.user_delete(:'ana')).outcome;
SELECT count(authmeter.key_retire(kid, ring)) FROM authmeter.key_list() WHERE ring LIKE 'ses%';
