-- The second factor: codes of RFC 6238, each time step and each recovery code good once, guesses
-- limited for the user wherever they come from, and at rest nothing that makes a code.

-- RFC 4226 appendix D.
SELECT count, authmeter.hotp('12345678901234567890', count) FROM generate_series(0, 9) count;
-- RFC 6238 appendix B, SHA-1.
SELECT at, authmeter.hotp('12345678901234567890', at / 30, 8)
FROM unnest('{59,1111111109,1111111111,1234567890,2000000000,20000000000}'::bigint[]) at;
SELECT authmeter.hotp('', 0);
SELECT authmeter.hotp('x', -1);
SELECT authmeter.hotp('x', 0, 5);
SELECT authmeter.hotp('x', 0, 9);

CREATE FUNCTION test_base32(secret text) RETURNS bytea LANGUAGE sql AS $$
	WITH bits AS (SELECT string_agg((strpos('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', c) - 1)::bit(5)::text, '' ORDER BY n) AS b
		FROM regexp_split_to_table(secret, '') WITH ORDINALITY t (c, n))
	SELECT decode(string_agg(lpad(to_hex(substr(b, 8 * i + 1, 8)::bit(8)::integer), 2, '0'), '' ORDER BY i), 'hex')
	FROM bits, generate_series(0, length(secret) * 5 / 8 - 1) i $$;
SELECT convert_from(test_base32('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'), 'UTF8');
-- The clock stands still enough: this is the middle of a step.
CREATE FUNCTION test_clock(steps integer) RETURNS void LANGUAGE sql AS $$
	SELECT set_config('authmeter.clock_offset_s',
		(30 * steps + 40 - mod(extract(epoch FROM clock_timestamp())::bigint, 30))::text, false) $$;
CREATE FUNCTION test_step() RETURNS bigint LANGUAGE sql AS $$ SELECT floor(extract(epoch FROM authmeter.clock()) / 30)::bigint $$;
CREATE FUNCTION test_code(secret text, steps integer DEFAULT 0) RETURNS text LANGUAGE sql AS $$
	SELECT authmeter.hotp(test_base32(secret), test_step() + steps) $$;
-- A code that is none of the window.
CREATE FUNCTION test_wrong(secret text) RETURNS text LANGUAGE sql AS $$
	SELECT lpad(n::text, 6, '0') FROM generate_series(0, 9) n
	WHERE lpad(n::text, 6, '0') NOT IN (test_code(secret, -1), test_code(secret), test_code(secret, 1)) LIMIT 1 $$;
SELECT FROM test_clock(0);

-- Enrolment.
SELECT (authmeter.user_create('totp.Änne+x@example.com')).user_id AS ana \gset
SELECT * FROM authmeter.totp_verify(:'ana', '000000');
SELECT * FROM authmeter.totp_confirm(:'ana', '000000');
SELECT secret, uri FROM authmeter.totp_enroll(:'ana', 'Änne & Co') \gset
SELECT :'secret' ~ '^[A-Z2-7]{32}$' AS base32, replace(:'uri', :'secret', 'SECRET') AS uri;
SELECT authmeter.totp_enabled(:'ana'), authmeter.totp_recovery_left(:'ana'), authmeter.totp_recovery_renew(:'ana'), authmeter.totp_disable(:'ana');
SELECT secret FROM authmeter.totp_enroll(:'ana') \gset
SELECT * FROM authmeter.totp_verify(:'ana', test_code(:'secret'));
SELECT * FROM authmeter.totp_confirm(:'ana', test_wrong(:'secret'));
SELECT outcome, recovery_codes::text AS codes FROM authmeter.totp_confirm(:'ana', test_code(:'secret')) \gset
SELECT :'outcome' AS outcome, count(*), count(DISTINCT c), bool_and(c ~ '^([a-z2-7]{4}-){3}[a-z2-7]{4}$') AS form FROM unnest(:'codes'::text[]) c;
SELECT authmeter.totp_enabled(:'ana'), authmeter.totp_recovery_left(:'ana');
SELECT * FROM authmeter.totp_confirm(:'ana', test_code(:'secret', 1));

-- One step before to one step after, and none twice, nor one from before the last.
SELECT s, v.* FROM unnest('{0,-1,-2,2,1,1,0}'::integer[]) s, authmeter.totp_verify(:'ana', test_code(:'secret', s)) v;
SELECT FROM test_clock(2);
SELECT s, v.* FROM unnest('{-1,0,0}'::integer[]) s, authmeter.totp_verify(:'ana', test_code(:'secret', s)) v;
SELECT FROM test_clock(4);
SELECT c, v.outcome, v.reason FROM unnest(ARRAY[left(test_code(:'secret'), 5), test_code(:'secret') || '0', '٠١٢٣٤٥', '', NULL, repeat('1', 1000000)]) WITH ORDINALITY t (try, c),
	authmeter.totp_verify(:'ana', try) v;
-- Two wrong ones above and these six: two of ten are left.
SELECT remaining FROM authmeter.rate_peek('authmeter.two_factor_failures', :'ana', '10/15m');
SELECT v.outcome FROM authmeter.totp_verify(:'ana', ' ' || left(test_code(:'secret'), 3) || '-' || right(test_code(:'secret'), 3)) v;

-- Recovery codes: once each, however they are typed; of this user only.
SELECT (:'codes'::text[])[1] AS one, (:'codes'::text[])[2] AS two \gset
SELECT c, v.* FROM unnest(ARRAY[:'one', :'one', upper(replace(:'two', '-', ' '))]) WITH ORDINALITY t (try, c), authmeter.totp_verify(:'ana', try) v;
SELECT authmeter.totp_recovery_left(:'ana');
SELECT (authmeter.user_create('totp-bob@example.com')).user_id AS bob \gset
SELECT secret AS bob_secret FROM authmeter.totp_enroll(:'bob') \gset
SELECT outcome, recovery_codes::text AS bob_codes FROM authmeter.totp_confirm(:'bob', test_code(:'bob_secret')) \gset
SELECT v.* FROM authmeter.totp_verify(:'bob', (:'codes'::text[])[3]) v;
SELECT v.* FROM authmeter.totp_verify(:'bob', test_code(:'secret', 1)) v;
-- A row's secret or recovery hashes moved to another user fit nothing there.
UPDATE authmeter.totp t SET recovery = o.recovery FROM authmeter.totp o WHERE t.user_id = :'bob' AND o.user_id = :'ana';
SELECT v.* FROM authmeter.totp_verify(:'bob', (:'codes'::text[])[3]) v;
UPDATE authmeter.totp t SET secret = o.secret FROM authmeter.totp o WHERE t.user_id = :'bob' AND o.user_id = :'ana';
\set VERBOSITY sqlstate
SELECT v.* FROM authmeter.totp_verify(:'bob', '123456') v;
\set VERBOSITY default
-- New codes end the old ones.
SELECT authmeter.totp_recovery_renew(:'ana')::text AS renewed \gset
SELECT cardinality(:'renewed'::text[]), :'renewed'::text[] && :'codes'::text[] AS common, authmeter.totp_recovery_left(:'ana');
SELECT v.* FROM authmeter.totp_verify(:'ana', (:'renewed'::text[])[10]) v;
SELECT FROM test_clock(100);
SELECT v.* FROM authmeter.totp_verify(:'ana', (:'codes'::text[])[4]) v;

-- An enrolment under way leaves the active factor alone; confirmed, it takes its place.
SELECT secret AS second FROM authmeter.totp_enroll(:'ana') \gset
SELECT v.outcome FROM authmeter.totp_verify(:'ana', test_code(:'second')) v;
SELECT v.outcome FROM authmeter.totp_verify(:'ana', test_code(:'secret')) v;
SELECT FROM test_clock(102);
SELECT outcome, recovery_codes::text AS codes FROM authmeter.totp_confirm(:'ana', test_code(:'second')) \gset
SELECT :'outcome' AS outcome, authmeter.totp_recovery_left(:'ana');
SELECT v.outcome FROM unnest(ARRAY[test_code(:'secret', 1), (:'renewed'::text[])[9], test_code(:'second', 1), (:'codes'::text[])[9]]) try,
	authmeter.totp_verify(:'ana', try) v;
-- An enrolment that is not confirmed within an hour is over, and goes in time.
SELECT (authmeter.user_create('totp-eve@example.com')).user_id AS eve \gset
SELECT secret AS eve_secret FROM authmeter.totp_enroll(:'eve') \gset
SELECT FROM test_clock(102 + 121);
SELECT outcome FROM authmeter.totp_confirm(:'eve', test_code(:'eve_secret'));

-- Ten wrong ones, then nothing is told, not even of the right one, until the window has ended. Who
-- replays a code that was good is refused and has guessed nothing.
SELECT FROM test_clock(300);
SELECT v.outcome FROM authmeter.totp_verify(:'ana', test_code(:'second')) v;
SELECT count(*) FILTER (WHERE v.reason = 'replayed') AS replayed FROM generate_series(1, 20) n, authmeter.totp_verify(:'ana', left(test_code(:'second') || n, 6)) v;
SELECT v.outcome, v.reason, v.retry_after_s BETWEEN 1 AND 900 AS wait, count(*)
FROM generate_series(1, 12) n, authmeter.totp_verify(:'ana', left(test_wrong(:'second') || n, 6)) v GROUP BY 1, 2, 3 ORDER BY 4 DESC;
SELECT v.outcome, v.reason FROM unnest(ARRAY[test_code(:'second', 1), (:'codes'::text[])[8], '']) try, authmeter.totp_verify(:'ana', try) v;
SELECT authmeter.totp_recovery_left(:'ana');
SELECT FROM test_clock(331);
SELECT v.outcome FROM authmeter.totp_verify(:'ana', test_code(:'second')) v;
-- A rollback gives no guess back: it survives, or (library not preloaded) was refused.
CREATE FUNCTION test_undone(id uuid, try text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM authmeter.totp_verify(id, try);
	RAISE EXCEPTION 'undo';
EXCEPTION
	WHEN raise_exception THEN RETURN 'undone';
	WHEN SQLSTATE 'MA008' THEN RETURN 'refused';
END
$$;
SELECT (SELECT remaining FROM authmeter.rate_peek('authmeter.two_factor_failures', :'ana', '10/15m')) AS before \gset
SELECT CASE test_undone(:'ana', test_wrong(:'second')) WHEN 'undone' THEN
	(SELECT remaining FROM authmeter.rate_peek('authmeter.two_factor_failures', :'ana', '10/15m')) = :before - 1
	WHEN 'refused' THEN true END AS safe;
-- Wrong codes of an enrolment are counted apart.
SELECT secret AS third FROM authmeter.totp_enroll(:'ana') \gset
SELECT c.outcome, count(*) FROM generate_series(1, 12) n, authmeter.totp_confirm(:'ana', left(test_wrong(:'third') || n, 6)) c GROUP BY 1 ORDER BY 2 DESC;
SELECT FROM test_clock(333);
SELECT v.outcome FROM authmeter.totp_verify(:'ana', test_code(:'second')) v;
SELECT count(*) AS never_confirmed FROM authmeter.totp WHERE user_id = :'eve';
-- The limit is a setting.
SELECT authmeter.setting_set('authmeter.two_factor_failures', 'off');
SELECT v.outcome, count(*) FROM generate_series(1, 20) n, authmeter.totp_verify(:'ana', left(test_wrong(:'second') || n, 6)) v GROUP BY 1;
SELECT authmeter.setting_set('authmeter.two_factor_failures', NULL);

-- At rest: sealed and keyed, nothing that makes a code.
SELECT octet_length(secret) AS secret_bytes, position(test_base32(:'second') IN secret) AS found, cardinality(recovery) AS recovery,
	(SELECT bool_and(octet_length(r) = 32) FROM unnest(recovery) r) AS hashes,
	(SELECT count(*) FROM unnest(recovery) r, unnest(:'codes'::text[]) c
		WHERE r IN (sha256(convert_to(c, 'UTF8')), sha256(test_base32(upper(replace(c, '-', '')))))) AS plain
FROM authmeter.totp WHERE user_id = :'ana';
-- The audit trail has the true reasons, and no code.
SELECT action, outcome, count(*) FROM authmeter.audit_event WHERE user_id = :'ana' AND action LIKE 'totp%' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT v.outcome FROM authmeter.totp_verify(:'bob', (:'bob_codes'::text[])[1], '192.0.2.1', 'request-1') v;
SELECT outcome, host(address::inet) AS address, request_id, detail FROM authmeter.audit_event WHERE user_id = :'bob' AND request_id IS NOT NULL;

-- Switched off, and gone with the user.
SELECT authmeter.totp_disable(:'ana'), authmeter.totp_disable(:'ana'), authmeter.totp_enabled(:'ana');
SELECT v.outcome, v.reason FROM unnest(ARRAY[test_code(:'second'), (:'codes'::text[])[8]]) try, authmeter.totp_verify(:'ana', try) v;
SELECT (authmeter.user_delete(:'bob')).outcome;
SELECT count(*) AS left_over FROM authmeter.totp WHERE user_id = :'bob';
-- Nobody.
SELECT * FROM authmeter.totp_enroll(gen_random_uuid());
SELECT * FROM authmeter.totp_enroll(NULL);
SELECT * FROM authmeter.totp_confirm(NULL, '123456');
SELECT * FROM authmeter.totp_verify(NULL, '123456');
SELECT authmeter.totp_disable(NULL), authmeter.totp_enabled(NULL), authmeter.totp_recovery_renew(NULL), authmeter.totp_recovery_left(NULL);
-- Misuse.
SELECT authmeter.totp_enroll(:'ana', '');
SELECT authmeter.totp_enroll(:'ana', 'a:b');
SELECT authmeter.totp_enroll(:'ana', repeat('x', 65));
CREATE ROLE regress_totp_admin;
SELECT authmeter.grant_access('regress_totp_admin', 'admin') > 0 AS granted;
SET ROLE regress_totp_admin;
SELECT authmeter.totp_enabled(:'ana');
SELECT secret FROM authmeter.totp;
SELECT authmeter.hotp('x', 1);
RESET ROLE;
DROP OWNED BY regress_totp_admin;
DROP ROLE regress_totp_admin;
RESET authmeter.clock_offset_s;
SELECT count(*) FROM authmeter.user_list(page_size => 1000) i, authmeter.user_delete(i.user_id)
WHERE i.email LIKE 'totp%';
DROP FUNCTION test_base32(text), test_clock(integer), test_step(), test_code(text, integer), test_wrong(text), test_undone(uuid, text);
