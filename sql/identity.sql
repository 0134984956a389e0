-- The identity of a transaction: bound by a verified access token only, read by uid() and claims(),
-- gone with the transaction.
SELECT authmeter.key_import('identitytest', 'Iq4yEWWiENKploddAxayXs6gxvxQ8K6JyRaxcDxFQPNba/4y') IS NOT NULL;
SELECT authmeter.key_generate('identitytest-refresh', 'HS256', false) IS NOT NULL;
SELECT authmeter.key_import('identityother', 'Iz7pZo8ot65QxF96D621LPRAra7oczJuZqHjL3jlPALw0ylO') IS NOT NULL;
SELECT (authmeter.user_create('identity-ana@example.com')).user_id AS ana \gset
SELECT (authmeter.user_create('identity-bob@example.com')).user_id AS bob \gset
SELECT authmeter.token_issue(:'ana', 'identitytest', 'access', '{"role": "editor"}') AS ana_token,
	authmeter.token_issue(:'bob', 'identitytest', 'access') AS bob_token,
	authmeter.token_issue(:'ana', 'identitytest', 'refresh') AS refresh_token \gset
CREATE FUNCTION pg_temp.who() RETURNS text LANGUAGE sql AS
	$$ SELECT coalesce((SELECT split_part(email, '@', 1) FROM authmeter.user WHERE id = authmeter.uid()), 'nobody') $$;

-- Bound to the transaction, and to no other. The claims are the token's.
SELECT authmeter.uid(), authmeter.claims();
BEGIN;
SELECT outcome, user_id = :'ana' AS ana FROM authmeter.authenticate(:'ana_token', 'identitytest');
SELECT authmeter.uid() = :'ana' AS ana, authmeter.claims() ->> 'role' AS role,
	authmeter.claims() = (authmeter.token_verify(:'ana_token', 'identitytest', 'access')).claims AS claims;
COMMIT;
SELECT authmeter.uid(), authmeter.claims();
-- In autocommit the statement is the transaction. Within one query each call tells what holds then.
SELECT a.outcome, pg_temp.who() FROM authmeter.authenticate(:'ana_token', 'identitytest') a;
SELECT pg_temp.who();
SELECT ARRAY[(authmeter.authenticate(:'ana_token', 'identitytest')).user_id, authmeter.uid(),
	(authmeter.authenticate(:'bob_token', 'identitytest')).user_id, authmeter.uid()]
	= ARRAY[:'ana', :'ana', :'bob', :'bob']::uuid[] AS each_its_own;
BEGIN;
SELECT (authmeter.authenticate(:'ana_token', 'identitytest')).outcome, pg_temp.who();
ROLLBACK AND CHAIN;
SELECT pg_temp.who();
SELECT (authmeter.authenticate(:'ana_token', 'identitytest')).outcome;
COMMIT AND CHAIN;
SELECT pg_temp.who();
COMMIT;

-- Whatever is not a good access token of the API binds nobody, and ends what was bound before.
CREATE FUNCTION pg_temp.after(token text, api text DEFAULT 'identitytest') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	ana text := current_setting('identitytest.ana');
	was text;
	verdict record;
BEGIN
	PERFORM authmeter.authenticate(ana, 'identitytest');
	was := pg_temp.who();
	verdict := authmeter.authenticate(token, api);
	RETURN format('%s, then %s: %s (%s), claims %s', was, verdict.outcome, pg_temp.who(),
		coalesce(verdict.user_id::text, 'no id'), authmeter.claims() IS NOT NULL);
END $$;
SELECT set_config('identitytest.ana', :'ana_token', false) IS NOT NULL;
SELECT what, pg_temp.after(token) FROM (VALUES ('null', NULL), ('empty', ''), ('refresh', :'refresh_token'), ('forged', :'ana_token' || 'x'),
	('unsigned', 'eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.' || split_part(:'ana_token', '.', 2) || '.'),
	('too long', rpad(:'ana_token', 4097, 'x')), ('the uuid', :'ana')) t(what, token);
SELECT pg_temp.after(:'ana_token', 'identityother');
BEGIN;
SET LOCAL authmeter.clock_offset_s = 3600;
SELECT outcome, user_id FROM authmeter.authenticate(:'ana_token', 'identitytest');
ROLLBACK;
-- An error is no way to keep it: the caller that catches it goes on as nobody.
CREATE FUNCTION pg_temp.caught(api text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM authmeter.authenticate(current_setting('identitytest.ana'), 'identitytest');
	BEGIN
		PERFORM authmeter.authenticate('x', api);
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE || ' ' || pg_temp.who();
	END;
	RETURN 'no error';
END $$;
SELECT pg_temp.caught(NULL), pg_temp.caught('identitynone');
-- Revoked, disabled, deleted: from then on nobody.
BEGIN;
SELECT outcome FROM authmeter.authenticate(:'bob_token', 'identitytest');
SELECT outcome FROM authmeter.user_disable(:'bob');
SELECT outcome, user_id, pg_temp.who() FROM authmeter.authenticate(:'bob_token', 'identitytest');
SELECT outcome FROM authmeter.user_delete(:'bob');
SELECT outcome, user_id, pg_temp.who() FROM authmeter.authenticate(:'bob_token', 'identitytest');
ROLLBACK;
BEGIN READ ONLY;
SELECT outcome, pg_temp.who() FROM authmeter.authenticate(:'bob_token', 'identitytest');
COMMIT;

-- Savepoints: a rollback ends what was bound after the savepoint and revives nothing; a binding from
-- before it stays.
BEGIN;
SELECT (authmeter.authenticate(:'ana_token', 'identitytest')).outcome;
SAVEPOINT one;
SELECT 1 / 0;
ROLLBACK TO one;
SELECT pg_temp.who() AS still_ana;
SELECT (authmeter.authenticate(:'bob_token', 'identitytest')).outcome;
ROLLBACK TO one;
SELECT pg_temp.who() AS bob_undone;
SELECT (authmeter.authenticate(:'ana_token', 'identitytest')).outcome;
SAVEPOINT two;
SELECT authmeter.identity_clear();
ROLLBACK TO two;
SELECT pg_temp.who() AS clear_stays;
SAVEPOINT three;
SAVEPOINT four;
SELECT (authmeter.authenticate(:'bob_token', 'identitytest')).outcome;
RELEASE four;
SELECT pg_temp.who() AS released_bob;
SAVEPOINT five;
ROLLBACK TO five;
SELECT pg_temp.who() AS older_than_five;
ROLLBACK TO three;
SELECT pg_temp.who() AS younger_than_three;
SELECT (authmeter.authenticate(:'ana_token', 'identitytest')).outcome;
SAVEPOINT six;
SELECT (authmeter.authenticate('forged', 'identitytest')).outcome;
ROLLBACK TO six;
SELECT pg_temp.who() AS refusal_stays;
COMMIT;
-- The same by an exception block.
CREATE FUNCTION pg_temp.excepted(token text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM authmeter.authenticate(token, 'identitytest');
		RAISE EXCEPTION 'undone';
	EXCEPTION WHEN raise_exception THEN
		RETURN pg_temp.who();
	END;
END $$;
BEGIN;
SELECT pg_temp.excepted(:'ana_token');
SELECT (authmeter.authenticate(:'ana_token', 'identitytest')).outcome;
SELECT pg_temp.excepted(:'bob_token');
COMMIT;
-- A procedure's COMMIT ends it; a deferred trigger still acts for the user.
CREATE PROCEDURE pg_temp.two_transactions(token text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM authmeter.authenticate(token, 'identitytest');
	RAISE NOTICE 'first: %', pg_temp.who();
	COMMIT;
	RAISE NOTICE 'second: %', pg_temp.who();
END $$;
CALL pg_temp.two_transactions(:'ana_token');
CREATE TEMP TABLE deferred (n integer);
CREATE FUNCTION pg_temp.deferred() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN RAISE NOTICE 'at commit: %', pg_temp.who(); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON deferred DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION pg_temp.deferred();
BEGIN;
SELECT (authmeter.authenticate(:'ana_token', 'identitytest')).outcome;
INSERT INTO deferred VALUES (1);
COMMIT;

-- Nothing that SQL can set makes an identity.
BEGIN;
SELECT set_config('authmeter.uid', :'ana', true);
SELECT set_config('authmeter_uid.x', :'ana', true) IS NOT NULL, pg_temp.who();
ROLLBACK;
SET authmeter.identity = 'x';
SELECT set_config('request.jwt.claims', format('{"userId":"%s","sub":"%s"}', :'ana', :'ana'), false) IS NOT NULL, pg_temp.who();
CREATE SCHEMA identity_evil;
CREATE FUNCTION identity_evil.uid() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid';
SET search_path = identity_evil, pg_catalog;
SELECT authmeter.uid();
RESET search_path;
DROP SCHEMA identity_evil CASCADE;

-- Row-level security, as a role that can do nothing but show a token.
CREATE ROLE regress_identity_web;
SELECT authmeter.grant_access('regress_identity_web', 'identity');
CREATE TABLE identity_note (id integer PRIMARY KEY, owner uuid NOT NULL DEFAULT authmeter.uid(), team text, body text);
INSERT INTO identity_note SELECT n, CASE n % 2 WHEN 0 THEN :'ana' ELSE :'bob' END::uuid, 'red', 'note ' || n FROM generate_series(1, 10) n;
ALTER TABLE identity_note ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON identity_note USING (owner = authmeter.uid()) WITH CHECK (owner = authmeter.uid());
GRANT ALL ON identity_note TO regress_identity_web;
SET ROLE regress_identity_web;
SELECT count(*) AS nobodys FROM identity_note;
INSERT INTO identity_note VALUES (11, :'ana');
INSERT INTO identity_note (id) VALUES (11);
BEGIN;
SELECT outcome FROM authmeter.authenticate(:'ana_token', 'identitytest');
SELECT array_agg(id ORDER BY id) AS anas FROM identity_note;
INSERT INTO identity_note (id, body) VALUES (12, 'new') RETURNING owner = authmeter.uid() AS mine;
INSERT INTO identity_note (id, body) SELECT id + 100, 'copy' FROM identity_note RETURNING id;
UPDATE identity_note SET body = 'changed' WHERE id IN (1, 2) RETURNING id;
DELETE FROM identity_note WHERE id IN (3, 4) RETURNING id;
INSERT INTO identity_note (id, body) VALUES (6, 'x') ON CONFLICT (id) DO UPDATE SET body = 'merged' WHERE identity_note.owner = authmeter.uid() RETURNING id, body;
MERGE INTO identity_note t USING (VALUES (8, 'eight'), (200, 'two hundred')) s(id, body) ON t.id = s.id
	WHEN MATCHED THEN UPDATE SET body = s.body WHEN NOT MATCHED THEN INSERT (id, body) VALUES (s.id, s.body);
SELECT id, body FROM identity_note WHERE id IN (6, 8, 200) ORDER BY id;
SAVEPOINT s;
UPDATE identity_note SET owner = :'bob' WHERE id = 12;
ROLLBACK TO s;
SELECT outcome FROM authmeter.authenticate(:'bob_token', 'identitytest');
SELECT array_agg(id ORDER BY id) AS bobs FROM identity_note;
ROLLBACK;
-- What it may not: everything else.
SELECT authmeter.token_issue(:'ana', 'identitytest', 'access');
SELECT count(*) FROM authmeter.user;
RESET ROLE;

-- Cached plans act for whoever is bound when they run.
GRANT EXECUTE ON FUNCTION authmeter.uid() TO regress_identity_web;
PREPARE mine AS SELECT count(*) FILTER (WHERE owner = $1) AS anas, count(*) AS all FROM identity_note;
CREATE FUNCTION public.identity_count() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM identity_note); END $$;
SET ROLE regress_identity_web;
SET plan_cache_mode = force_generic_plan;
EXECUTE mine(:'ana');
BEGIN;
SELECT outcome FROM authmeter.authenticate(:'ana_token', 'identitytest');
EXECUTE mine(:'ana');
SELECT public.identity_count();
SELECT outcome FROM authmeter.authenticate(:'bob_token', 'identitytest');
EXECUTE mine(:'ana');
SELECT authmeter.identity_clear();
EXECUTE mine(:'ana');
SELECT public.identity_count();
COMMIT;
EXECUTE mine(:'ana');
RESET plan_cache_mode;
-- A cursor keeps the user it began with, a held one too; one that has not begun has none.
BEGIN;
SELECT outcome FROM authmeter.authenticate(:'ana_token', 'identitytest');
DECLARE begun CURSOR WITH HOLD FOR SELECT id FROM identity_note ORDER BY id;
DECLARE waiting CURSOR FOR SELECT id FROM identity_note ORDER BY id;
FETCH 2 FROM begun;
SELECT authmeter.identity_clear();
FETCH 1 FROM begun;
FETCH 1 FROM waiting;
COMMIT;
FETCH 1 FROM begun;
CLOSE begun;
RESET ROLE;

-- Once an execution: a subselect of the leader's, wherever a table is scanned, in parallel too.
BEGIN;
SELECT outcome FROM authmeter.authenticate(:'ana_token', 'identitytest');
SET LOCAL enable_indexscan = off;
SET LOCAL enable_bitmapscan = off;
EXPLAIN (COSTS off) SELECT * FROM identity_note WHERE owner = authmeter.uid() OR team = authmeter.claims() ->> 'team';
EXPLAIN (COSTS off) SELECT authmeter.uid();
EXPLAIN (COSTS off) INSERT INTO identity_note (id) VALUES (1);
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
EXPLAIN (COSTS off) SELECT count(*) FROM identity_note WHERE owner = authmeter.uid();
SELECT count(*) FROM identity_note WHERE owner = authmeter.uid();
SET LOCAL force_parallel_mode = on;
SELECT count(*) FROM identity_note WHERE owner = authmeter.uid();
ROLLBACK;
-- Where the call stands makes no difference to what comes out: the same as by a function that is called
-- for each row.
CREATE FUNCTION public.identity_bare() RETURNS uuid LANGUAGE c STABLE PARALLEL RESTRICTED AS '$libdir/authmeter', 'authmeter_uid';
CREATE TABLE identity_team (name text, member uuid);
INSERT INTO identity_team VALUES ('red', :'ana'), ('blue', :'bob');
CREATE FUNCTION public.identity_is_me(u uuid) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT u = authmeter.uid() AND u IS NOT NULL $$;
CREATE FUNCTION public.identity_mine(u uuid) RETURNS SETOF identity_note LANGUAGE sql STABLE AS $$ SELECT * FROM identity_note WHERE owner = u $$;
CREATE FUNCTION public.identity_plain() RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	me uuid := authmeter.uid();
	seen bigint := 0;
	row record;
BEGIN
	FOR row IN SELECT owner FROM identity_note LOOP
		IF row.owner = authmeter.uid() THEN seen := seen + 1; END IF;
	END LOOP;
	ASSERT seen = 5;
	RETURN CASE WHEN me = authmeter.uid() THEN me END;
END $$;
CREATE FUNCTION pg_temp.each_place() RETURNS TABLE (place text, rows bigint, bare_rows bigint) LANGUAGE plpgsql AS $$
DECLARE
	query text;
BEGIN
	FOREACH query IN ARRAY ARRAY[
		'SELECT 1 FROM identity_note WHERE owner = authmeter.uid()',
		'SELECT 1 FROM identity_note WHERE owner = authmeter.uid() OR id = 1',
		'SELECT 1 FROM identity_note n WHERE EXISTS (SELECT 1 FROM identity_team t WHERE t.name = n.team AND t.member = n.owner AND t.member = authmeter.uid())',
		'SELECT 1 FROM identity_note n WHERE id = 1 OR EXISTS (SELECT 1 FROM identity_team t WHERE t.name = n.team AND t.member = n.owner AND t.member = authmeter.uid())',
		'SELECT 1 FROM identity_note n WHERE id = 1 OR (owner = authmeter.uid() AND EXISTS (SELECT 1 FROM identity_team t WHERE t.name = n.team AND t.member = authmeter.uid()))',
		'SELECT 1 FROM identity_note n WHERE EXISTS (SELECT 1 FROM identity_team t WHERE t.member = authmeter.uid() LIMIT CASE WHEN authmeter.uid() IS NULL THEN 0 ELSE 1 END)',
		'SELECT 1 FROM identity_note n WHERE id = 1 OR EXISTS (SELECT 1 FROM identity_team t WHERE t.name = n.team LIMIT CASE WHEN authmeter.uid() IS NULL THEN 0 ELSE 1 END)',
		'SELECT 1 FROM (SELECT * FROM identity_note n WHERE n.id = 1 OR EXISTS (SELECT 1 FROM identity_team t WHERE t.name = n.team AND t.member = authmeter.uid()) UNION ALL SELECT * FROM identity_note WHERE owner = authmeter.uid()) x WHERE x.id > 0',
		'SELECT 1 FROM (SELECT n.id = 1 OR EXISTS (SELECT 1 FROM identity_team t WHERE t.name = n.team AND t.member = authmeter.uid()) AS ok FROM identity_note n UNION ALL SELECT owner = authmeter.uid() FROM identity_note) x WHERE ok',
		'SELECT 1 FROM identity_note WHERE owner IN (SELECT member FROM identity_team WHERE member = authmeter.uid())',
		'SELECT 1 FROM identity_note WHERE owner NOT IN (SELECT member FROM identity_team WHERE member = authmeter.uid())',
		'SELECT 1 FROM identity_note WHERE owner = (SELECT authmeter.uid())',
		'SELECT 1 FROM identity_note WHERE owner = ANY (ARRAY[authmeter.uid()])',
		'SELECT 1 FROM identity_note n LEFT JOIN identity_team t ON t.member = authmeter.uid() AND t.name = n.team WHERE t.member IS NOT NULL',
		'SELECT 1 FROM identity_note WHERE public.identity_is_me(owner)',
		'SELECT 1 FROM identity_team, public.identity_mine(authmeter.uid())',
		'SELECT 1 FROM (SELECT m.* FROM identity_team, public.identity_mine(authmeter.uid()) m) x',
		'SELECT 1 FROM identity_team t, LATERAL (SELECT 1 FROM identity_note WHERE owner = authmeter.uid() AND owner = t.member OFFSET 0) x',
		'WITH me AS MATERIALIZED (SELECT authmeter.uid() AS id) SELECT 1 FROM identity_note, me WHERE owner = me.id',
		'WITH RECURSIVE r AS (SELECT id, owner FROM identity_note WHERE owner = authmeter.uid() UNION SELECT r.id, authmeter.uid() FROM r JOIN identity_note n ON n.owner = authmeter.uid() AND n.id = r.id) SELECT 1 FROM r',
		'SELECT authmeter.uid() = owner FROM identity_note GROUP BY authmeter.uid() = owner HAVING bool_and(owner = authmeter.uid())',
		'SELECT coalesce(owner = authmeter.uid(), true), count(*) FROM identity_note GROUP BY owner = authmeter.uid()',
		'SELECT 1 FROM (SELECT authmeter.uid() IS NULL AS sum, count(*) FROM identity_note GROUP BY ROLLUP (authmeter.uid())) x WHERE sum',
		'SELECT 1 FROM (SELECT coalesce(authmeter.uid() = owner, owner IS NULL) AS sum, count(*) FROM identity_note GROUP BY ROLLUP (owner, authmeter.uid() = owner)) x WHERE sum',
		'SELECT DISTINCT authmeter.uid() FROM identity_note ORDER BY authmeter.uid()',
		'SELECT row_number() OVER (PARTITION BY owner = authmeter.uid() ORDER BY authmeter.uid()) FROM identity_note WHERE owner = authmeter.uid() LIMIT CASE WHEN authmeter.uid() IS NULL THEN 0 ELSE 4 END',
		'SELECT 1 FROM identity_note WHERE owner = authmeter.uid() FOR UPDATE',
		'SELECT 1 FROM identity_note WHERE (CASE WHEN id > 5 THEN authmeter.claims() ->> ''role'' END) = ''editor''',
		'SELECT 1 FROM (VALUES (authmeter.uid()), (NULL)) v(u), identity_note WHERE owner = u',
		'SELECT authmeter.uid() WHERE authmeter.uid() IS NOT NULL',
		'SELECT public.identity_plain() FROM identity_team'] LOOP
		place := left(query, 110);
		EXECUTE 'SELECT count(*) FROM (' || query || ') q' INTO rows;
		EXECUTE 'SELECT count(*) FROM (' || replace(query, 'authmeter.uid()', 'public.identity_bare()') || ') q' INTO bare_rows;
		RETURN NEXT;
	END LOOP;
END $$;
BEGIN;
SELECT outcome FROM authmeter.authenticate(:'ana_token', 'identitytest');
SELECT rows, rows = bare_rows AS same, place FROM pg_temp.each_place();
ROLLBACK;

-- No endpoint uses it: calls of several clients share a transaction there.
SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'authmeter_http'::regnamespace
	AND (p.prosrc ~ 'authmeter\.(authenticate|uid|claims|identity_clear)' OR pg_get_functiondef(p.oid) ~ 'authmeter\.(authenticate|uid|claims|identity_clear)\(');

DROP FUNCTION public.identity_bare(), public.identity_count(), public.identity_is_me(uuid), public.identity_mine(uuid), public.identity_plain();
DROP TABLE identity_note, identity_team;
DROP OWNED BY regress_identity_web;
DROP ROLE regress_identity_web;
