-- The chain of the audit trail: every kind of tampering is found and told for what it is, nothing but
-- the purge removes events, and what a purge leaves still verifies.

-- What other tests appended is chained first. Each test below happens in a transaction that is rolled
-- back; tampering takes a superuser who takes the guard away.
SELECT authmeter.audit_chain_extend(100000) >= 0 AS chained, authmeter.audit_chain_extend();
SELECT count(*) FILTER (WHERE kind <> 'summary') AS violations, (max(detail ->> 'waiting')) AS waiting FROM authmeter.audit_verify();
SELECT seq AS base, hash AS base_hash FROM authmeter.audit_head \gset
CREATE FUNCTION pg_temp.guard(state text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY '{event,pending,chain,head,checkpoint}'::text[] LOOP
		EXECUTE format('ALTER TABLE authmeter.audit_%s %s TRIGGER audit_guard', t, state);
	END LOOP;
END $$;
-- Ten milliseconds apart, so that the order of their ids is known.
CREATE FUNCTION pg_temp.append(outcomes text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	o text;
	-- What SHOW tells of the clock's offset is rounded.
	offset_s numeric := coalesce(nullif(current_setting('chaintest.offset_s', true), ''), '0');
	n integer := 0;
BEGIN
	FOREACH o IN ARRAY string_to_array(outcomes, ' ') LOOP
		n := n + 1;
		PERFORM set_config('authmeter.clock_offset_s', (offset_s + 0.01 * n)::text, true);
		PERFORM authmeter.audit_append('chain_test', authmeter.id_new(), o, '192.0.2.1', 'request ' || o, jsonb_build_object('n', o, 'é', 1.50));
	END LOOP;
	PERFORM set_config('authmeter.clock_offset_s', offset_s::text, true);
END $$;
-- The violations, with numbers and events as the test knows them.
CREATE FUNCTION pg_temp.verify() RETURNS TABLE (kind text, n bigint, event text, detail text) LANGUAGE sql AS $$
	SELECT v.kind, v.seq - current_setting('chaintest.base')::bigint, (SELECT e.outcome FROM authmeter.audit_event e WHERE e.id = v.event_id),
		CASE v.kind WHEN 'gap' THEN ((v.detail ->> 'to')::bigint - current_setting('chaintest.base')::bigint)::text ELSE v.detail::text END
	FROM authmeter.audit_verify() v WHERE v.kind <> 'summary' $$;
SELECT set_config('chaintest.base', :'base', false) = :'base';

-- Ten events, chained in the order of time, with one link each.
SELECT pg_temp.append('a b c d e f g h i j');
SELECT count(*) FROM authmeter.audit_pending;
SELECT authmeter.audit_chain_extend(3), authmeter.audit_chain_extend(7), authmeter.audit_chain_extend();
SELECT count(*) FROM authmeter.audit_pending;
SELECT seq - :base AS n, e.outcome, octet_length(hash), key_version FROM authmeter.audit_chain c JOIN authmeter.audit_event e ON e.id = c.event_id
WHERE seq > :base ORDER BY seq LIMIT 3;
SELECT count(DISTINCT hash) = count(*) AS hashes_differ, max(seq) - :base AS newest, (SELECT seq FROM authmeter.audit_head) - :base AS head
FROM authmeter.audit_chain;
SELECT * FROM pg_temp.verify();
SELECT kind, seq - :base AS n, event_id, detail - '{checked,hash}'::text[] AS detail, (detail ->> 'checked')::bigint = seq AS all_checked,
	decode(detail ->> 'hash', 'hex') = (SELECT hash FROM authmeter.audit_head) AS head FROM authmeter.audit_verify();
-- What a rollback takes back was never chained; the number is given again.
BEGIN;
SELECT pg_temp.append('gone');
SELECT authmeter.audit_chain_extend();
ROLLBACK;
SELECT authmeter.audit_chain_extend();

-- Append-only for the owner, a superuser, and a replication role.
UPDATE authmeter.audit_event SET outcome = 'forged';
DELETE FROM authmeter.audit_event WHERE false;
TRUNCATE authmeter.audit_event;
UPDATE authmeter.audit_chain SET hash = '';
DELETE FROM authmeter.audit_chain;
TRUNCATE authmeter.audit_chain, authmeter.audit_event;
DELETE FROM authmeter.audit_pending;
UPDATE authmeter.audit_head SET seq = 0;
DELETE FROM authmeter.audit_checkpoint;
INSERT INTO authmeter.audit_head SELECT * FROM authmeter.audit_head ON CONFLICT (one) DO UPDATE SET seq = 0;
SET session_replication_role = replica;
DELETE FROM authmeter.audit_event;
RESET session_replication_role;
-- An error behind the open door closes it.
BEGIN;
SELECT pg_temp.guard('DISABLE');
INSERT INTO authmeter.audit_chain SELECT seq + 1, 'ffffffff-ffff-ffff-ffff-ffffffffffff', 1, hash FROM authmeter.audit_head;
SELECT pg_temp.guard('ENABLE ALWAYS');
SELECT pg_temp.append('x');
SAVEPOINT s;
\set VERBOSITY sqlstate
SELECT authmeter.audit_chain_extend();
\set VERBOSITY default
ROLLBACK TO s;
DELETE FROM authmeter.audit_event;
ROLLBACK;

-- Every column of an event counts.
CREATE FUNCTION pg_temp.tamper(statement text) RETURNS TABLE (kind text, n bigint, event text, detail text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.guard('DISABLE');
	EXECUTE replace(statement, '$base', current_setting('chaintest.base'));
	RETURN QUERY SELECT * FROM pg_temp.verify();
	RAISE EXCEPTION 'undo' USING ERRCODE = 'UNDO0';
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
	RETURN;
END $$;
SELECT what, t.kind, t.n, t.event FROM (VALUES
	('id', $$id = gen_random_uuid()$$), ('at', $$at = at + interval '1 us'$$), ('action', $$action = 'Chain_test'$$), ('actor', $$actor = actor || ' '$$),
	('user_id', $$user_id = NULL$$), ('user_id', $$user_id = authmeter.id_new()$$), ('outcome', $$outcome = ''$$), ('address', $$address = '192.0.2.2'$$),
	('address', $$address = NULL$$), ('request_id', $$request_id = ''$$), ('request_id', $$request_id = NULL$$), ('detail', $$detail = NULL$$),
	('detail', $$detail = detail || '{"x": null}'$$), ('detail', $$detail = jsonb_set(detail, '{é}', '1.5')$$),
	('moved', $$address = request_id, request_id = address$$), ('glued', $$action = action || actor, actor = ''$$)) c(what, change),
	pg_temp.tamper('UPDATE authmeter.audit_event SET ' || change || ' WHERE action = ''chain_test'' AND outcome = ''d''') t;
-- Back as it was is no change.
SELECT * FROM pg_temp.tamper('UPDATE authmeter.audit_event SET outcome = outcome, detail = ''{"é": 1.50, "n": "d"}'' WHERE action = ''chain_test'' AND outcome = ''d''');
-- Links, events, both; the first, the middle, the newest.
SELECT t.*, left(statement, 100) AS statement FROM unnest(ARRAY[
	$$UPDATE authmeter.audit_chain SET hash = sha256('x') WHERE seq = $base + 1$$,
	$$UPDATE authmeter.audit_chain SET hash = sha256('x') WHERE seq = $base + 4$$,
	$$UPDATE authmeter.audit_chain SET hash = sha256('x') WHERE seq = $base + 10$$,
	$$UPDATE authmeter.audit_chain SET hash = substr(hash, 2) WHERE seq = $base + 4$$,
	$$UPDATE authmeter.audit_chain SET hash = sha256('x') WHERE seq IN ($base + 4, $base + 5)$$,
	$$UPDATE authmeter.audit_event SET outcome = 'J' WHERE action = 'chain_test' AND outcome = 'j'$$,
	$$UPDATE authmeter.audit_event SET outcome = upper(outcome) WHERE action = 'chain_test' AND outcome IN ('d', 'e', 'g')$$,
	$$WITH l AS (UPDATE authmeter.audit_chain SET hash = sha256('x') WHERE seq = $base + 4) UPDATE authmeter.audit_event SET outcome = 'D' WHERE action = 'chain_test' AND outcome = 'd'$$,
	$$DELETE FROM authmeter.audit_event WHERE action = 'chain_test' AND outcome = 'd'$$,
	$$DELETE FROM authmeter.audit_event WHERE action = 'chain_test' AND outcome IN ('d', 'e', 'j')$$,
	$$DELETE FROM authmeter.audit_chain WHERE seq = $base + 4$$,
	$$WITH l AS (DELETE FROM authmeter.audit_chain WHERE seq BETWEEN $base + 4 AND $base + 6 RETURNING event_id) DELETE FROM authmeter.audit_event e USING l WHERE e.id = l.event_id$$,
	$$WITH l AS (DELETE FROM authmeter.audit_chain WHERE seq > $base + 7 RETURNING event_id) DELETE FROM authmeter.audit_event e USING l WHERE e.id = l.event_id$$,
	$$WITH l AS (DELETE FROM authmeter.audit_chain WHERE seq > $base + 7 RETURNING event_id), h AS (UPDATE authmeter.audit_head SET seq = $base + 7,
		hash = (SELECT hash FROM authmeter.audit_chain WHERE seq = $base + 7)) DELETE FROM authmeter.audit_event e USING l WHERE e.id = l.event_id$$,
	$$DELETE FROM authmeter.audit_head$$,
	$$UPDATE authmeter.audit_head SET mac = hash$$,
	$$UPDATE authmeter.audit_head SET hash = sha256('x')$$,
	$$UPDATE authmeter.audit_head SET key_version = 777$$,
	$$UPDATE authmeter.audit_chain SET key_version = 777 WHERE seq IN ($base + 4, $base + 5)$$,
	$$INSERT INTO authmeter.audit_chain SELECT seq + 1, authmeter.id_new(), key_version, sha256('x') FROM authmeter.audit_head$$,
	$$WITH gone AS (DELETE FROM authmeter.audit_chain WHERE seq = $base + 2 RETURNING event_id) UPDATE authmeter.audit_chain c SET event_id = gone.event_id FROM gone WHERE c.seq = $base + 5$$,
	$$UPDATE authmeter.audit_chain SET seq = CASE seq WHEN $base + 4 THEN -1 ELSE seq END$$,
	$$INSERT INTO authmeter.audit_event (id, at, action, actor, outcome) VALUES (authmeter.id_new(), authmeter.clock(), 'user_login', 'postgres', 'planted')$$,
	$$INSERT INTO authmeter.audit_checkpoint SELECT '2020-01-01', seq, hash, seq, key_version, hash FROM authmeter.audit_chain WHERE seq = $base + 4$$
	]) statement, pg_temp.tamper(statement) t;
-- Two links exchanged.
SELECT * FROM pg_temp.tamper($$DO $x$ DECLARE h bytea; k bytea; BEGIN
	SELECT hash INTO h FROM authmeter.audit_chain WHERE seq = $base + 4; SELECT hash INTO k FROM authmeter.audit_chain WHERE seq = $base + 7;
	UPDATE authmeter.audit_chain SET hash = CASE seq WHEN $base + 4 THEN k ELSE h END WHERE seq IN ($base + 4, $base + 7); END $x$ $$);
-- Before they are chained: an event removed, an event that waits too long; its note removed.
SELECT set_config('chaintest.offset_s', '10', false);
SELECT pg_temp.append('k l m');
SELECT * FROM pg_temp.verify();
SELECT * FROM pg_temp.tamper($$DELETE FROM authmeter.audit_event WHERE action = 'chain_test' AND outcome = 'k'$$);
SELECT * FROM pg_temp.tamper($$DELETE FROM authmeter.audit_pending p USING authmeter.audit_event e WHERE e.id = p.event_id AND e.action = 'chain_test' AND e.outcome = 'k'$$);
BEGIN;
SET LOCAL authmeter.clock_offset_s = 3590;
SELECT * FROM pg_temp.verify();
SET LOCAL authmeter.clock_offset_s = 3700;
SELECT kind, event FROM pg_temp.verify();
ROLLBACK;
SELECT authmeter.audit_chain_extend();
-- What was removed before it was chained stays told, and holds up nobody.
BEGIN;
SELECT pg_temp.append('n o');
SELECT pg_temp.guard('DISABLE');
DELETE FROM authmeter.audit_event WHERE action = 'chain_test' AND outcome = 'n';
SELECT authmeter.audit_chain_extend();
SELECT kind, n FROM pg_temp.verify();
ROLLBACK;

-- The whole put back to what it was, with its head: only a place kept elsewhere tells.
SELECT seq AS kept, hash AS kept_hash FROM authmeter.audit_head \gset
BEGIN;
SELECT pg_temp.append('p q');
SELECT authmeter.audit_chain_extend();
SELECT seq AS now, hash AS now_hash FROM authmeter.audit_head \gset
SELECT kind, seq - :now AS n, detail - '{hash,violations}'::text[] AS detail FROM authmeter.audit_verify(:kept, :'kept_hash');
SELECT kind FROM authmeter.audit_verify(:now, :'now_hash');
ROLLBACK;
SELECT kind, seq - :kept AS n FROM authmeter.audit_verify(:now, :'now_hash');
SELECT kind, seq - :kept AS n FROM authmeter.audit_verify(:kept, :'now_hash');
SELECT authmeter.audit_verify(1, NULL);
SELECT authmeter.audit_verify(NULL, sha256(''));
SELECT authmeter.audit_verify(0, sha256(''));
SELECT authmeter.audit_verify(1, 'short');

-- A head that is gone or forged stops the chaining; repair makes it anew, and says so.
BEGIN;
SELECT pg_temp.append('r');
SELECT pg_temp.guard('DISABLE');
SAVEPOINT s;
DELETE FROM authmeter.audit_head;
SELECT authmeter.audit_chain_extend();
ROLLBACK TO s;
UPDATE authmeter.audit_head SET seq = seq - 1;
SELECT authmeter.audit_chain_extend();
ROLLBACK TO s;
UPDATE authmeter.audit_head SET key_version = 777;
SELECT authmeter.audit_chain_extend();
ROLLBACK TO s;
\set VERBOSITY sqlstate
DELETE FROM authmeter.audit_head;
SELECT authmeter.audit_chain_extend();
\set VERBOSITY default
ROLLBACK TO s;
SELECT authmeter.audit_purge();
DELETE FROM authmeter.audit_head;
SELECT authmeter.audit_chain_extend(repair => true), authmeter.audit_chain_extend(repair => true);
SELECT action, outcome, detail FROM authmeter.audit_event WHERE action = 'audit_repair';
SELECT * FROM pg_temp.verify();
UPDATE authmeter.audit_head SET hash = sha256('x');
SELECT authmeter.audit_chain_extend(repair => true);
SELECT action, outcome, detail FROM authmeter.audit_event WHERE action = 'audit_repair' ORDER BY at DESC LIMIT 1;
SELECT * FROM pg_temp.verify();
ROLLBACK;
SELECT authmeter.audit_chain_extend(0);
SELECT authmeter.audit_chain_extend(100001);
SELECT authmeter.audit_chain_extend(NULL);

-- Retention. Events of four months, chained as they came; all is rolled back.
CREATE FUNCTION pg_temp.months() RETURNS TABLE (month text, events bigint, checkpoint bigint) LANGUAGE sql AS $$
	SELECT to_char(coalesce(e.m, c.month), 'YYYY-MM'), coalesce(e.n, 0), c.events FROM (SELECT date_trunc('month', at AT TIME ZONE 'UTC')::date AS m, count(*) AS n
		FROM authmeter.audit_event WHERE at > '2090-01-01' AND action = 'chain_test' GROUP BY 1) e FULL JOIN authmeter.audit_checkpoint c ON c.month = e.m
	WHERE coalesce(e.m, c.month) >= '2090-01-01' ORDER BY 1 $$;
CREATE FUNCTION pg_temp.go(t timestamptz) RETURNS void LANGUAGE sql AS $$
	SELECT set_config(name, extract(epoch FROM t - clock_timestamp())::text, true)
	FROM unnest('{authmeter.clock_offset_s,chaintest.offset_s}'::text[]) name $$;
SET TIME ZONE 'Pacific/Auckland';
BEGIN;
SELECT pg_temp.go('2090-01-15Z'), pg_temp.append('a b c'), authmeter.audit_chain_extend();
SELECT pg_temp.go('2090-01-31 23:59:50Z'), pg_temp.append('late');
SELECT pg_temp.go('2090-02-01 00:00:10Z'), pg_temp.append('d e');
-- The late one is chained behind February's first.
SELECT pg_temp.guard('DISABLE');
DELETE FROM authmeter.audit_pending p USING authmeter.audit_event e WHERE e.id = p.event_id AND e.outcome = 'late';
SELECT authmeter.audit_chain_extend();
INSERT INTO authmeter.audit_pending SELECT id FROM authmeter.audit_event WHERE outcome = 'late';
SELECT authmeter.audit_chain_extend();
SELECT pg_temp.guard('ENABLE ALWAYS');
SELECT pg_temp.go('2090-03-10Z'), pg_temp.append('f g h'), authmeter.audit_chain_extend();
SELECT pg_temp.go('2090-04-30 23:59:00Z'), pg_temp.append('i'), authmeter.audit_chain_extend();
SELECT * FROM pg_temp.months();
SELECT authmeter.setting_set('authmeter.audit_retention_months', '0');
SELECT authmeter.audit_purge();
-- Two whole months are kept, beside the current one: nothing of these goes on 31 March, January's on 1 April.
SELECT authmeter.setting_set('authmeter.audit_retention_months', '2') AS months, authmeter.audit_chain_extend() AS chained;
SELECT pg_temp.go('2090-03-31 23:59:59Z');
SELECT authmeter.audit_purge(100000) > 0 AS the_past;
SELECT * FROM pg_temp.months();
SELECT * FROM pg_temp.verify();
SELECT pg_temp.go('2090-04-01 00:00:01Z');
SELECT authmeter.audit_purge(2), authmeter.audit_purge(2), authmeter.audit_purge(2);
SELECT * FROM pg_temp.months();
SELECT * FROM pg_temp.verify();
SELECT pg_temp.go('2090-06-01Z');
SELECT authmeter.audit_purge(), authmeter.audit_purge();
SELECT * FROM pg_temp.months();
SELECT kind, detail -> 'violations' AS violations, (detail ->> 'purged')::bigint = (SELECT sum(events) FROM authmeter.audit_checkpoint) AS purged,
	(detail ->> 'purged')::bigint + (detail ->> 'checked')::bigint = seq AS sum FROM authmeter.audit_verify();
-- The trail goes on behind it, from a known place that is gone or is the checkpoint too.
SELECT pg_temp.append('s'), authmeter.audit_chain_extend();
SELECT seq AS point, hash AS point_hash FROM authmeter.audit_checkpoint ORDER BY month DESC LIMIT 1 \gset
SELECT kind FROM authmeter.audit_verify(:point, :'point_hash') UNION ALL SELECT kind FROM authmeter.audit_verify(:kept, :'kept_hash');
SELECT kind FROM authmeter.audit_verify(:point, :'kept_hash');
-- A checkpoint moved, changed or removed, and a prefix cut off with a checkpoint written for it.
SELECT t.*, left(statement, 100) AS statement FROM unnest(ARRAY[
	$$UPDATE authmeter.audit_checkpoint SET month = month + 31 WHERE month = (SELECT max(month) FROM authmeter.audit_checkpoint)$$,
	$$UPDATE authmeter.audit_checkpoint SET events = events + 1 WHERE month = '2090-01-01'$$,
	$$UPDATE authmeter.audit_checkpoint SET hash = sha256('x') WHERE month = '2090-02-01'$$,
	$$DELETE FROM authmeter.audit_checkpoint WHERE month = '2090-01-01'$$,
	$$WITH l AS (DELETE FROM authmeter.audit_chain c USING (SELECT seq + 1 AS first FROM authmeter.audit_checkpoint WHERE month = '2090-03-01') f WHERE c.seq <= f.first RETURNING c.*),
		e AS (DELETE FROM authmeter.audit_event USING l WHERE id = l.event_id)
		UPDATE authmeter.audit_checkpoint SET seq = l.seq, hash = l.hash, events = events + 1 FROM l WHERE month = '2090-03-01'$$
	]) statement, LATERAL (SELECT kind FROM pg_temp.tamper(statement)) t;
-- The purge makes no good checkpoint of such a one.
SELECT pg_temp.guard('DISABLE');
UPDATE authmeter.audit_checkpoint SET events = events + 1 WHERE month = '2090-03-01';
SELECT pg_temp.go('2090-08-01Z');
SAVEPOINT s;
SELECT authmeter.audit_purge();
ROLLBACK TO s;
SELECT kind FROM authmeter.audit_verify();
ROLLBACK;
-- Events that a wrong clock has put into the future keep nothing back, and are not taken for old.
BEGIN;
SELECT authmeter.setting_set('authmeter.audit_retention_months', '1') AS months;
SELECT pg_temp.go('2090-01-15Z'), pg_temp.append('a b'), authmeter.audit_chain_extend() > 0 AS chained;
SELECT pg_temp.go('2099-01-15Z'), pg_temp.append('c d'), authmeter.audit_chain_extend();
SELECT pg_temp.go('2090-01-16Z'), pg_temp.append('e'), authmeter.audit_chain_extend();
SELECT pg_temp.go('2099-01-16Z'), pg_temp.append('f'), authmeter.audit_chain_extend();
SELECT pg_temp.go('2090-02-20Z'), pg_temp.append('g'), authmeter.audit_chain_extend();
SELECT pg_temp.go('2090-03-01 00:00:01Z'), authmeter.audit_purge(100000) > 0 AS purged;
SELECT string_agg(outcome, ' ' ORDER BY seq) AS left, min(seq) - 1 = max(p.last) AS behind FROM authmeter.audit_chain c JOIN authmeter.audit_event e ON e.id = c.event_id,
	(SELECT max(seq) AS last FROM authmeter.audit_checkpoint) p WHERE at > '2090-01-01';
SELECT * FROM pg_temp.months();
SELECT * FROM pg_temp.verify();
SELECT pg_temp.go('2090-04-01 00:00:01Z'), authmeter.audit_purge(1), authmeter.audit_purge(1);
SELECT string_agg(outcome, ' ' ORDER BY seq) AS left FROM authmeter.audit_chain c JOIN authmeter.audit_event e ON e.id = c.event_id;
SELECT * FROM pg_temp.verify();
ROLLBACK;
-- What does not verify is not purged but on request, which is audited.
BEGIN;
SELECT authmeter.setting_set('authmeter.audit_retention_months', '1') AS months;
SELECT pg_temp.go('2090-01-15Z'), pg_temp.append('a b c d'), authmeter.audit_chain_extend();
SELECT pg_temp.guard('DISABLE');
UPDATE authmeter.audit_event SET outcome = 'C' WHERE outcome = 'c' AND at > '2090-01-01';
SELECT pg_temp.guard('ENABLE ALWAYS');
SELECT pg_temp.go('2090-03-01 00:00:01Z');
SELECT authmeter.audit_purge(100000) > 0 AS the_past;
SELECT * FROM pg_temp.months();
SAVEPOINT s;
SELECT authmeter.audit_purge();
ROLLBACK TO s;
SELECT kind, event FROM pg_temp.verify();
SELECT authmeter.audit_purge(unverified => true);
SELECT * FROM pg_temp.months();
SELECT action, outcome FROM authmeter.audit_event WHERE action = 'audit_purge';
SELECT * FROM pg_temp.verify();
ROLLBACK;
RESET TIME ZONE;
RESET authmeter.clock_offset_s;

-- The filters of the list.
SELECT at AS third FROM authmeter.audit_event WHERE action = 'chain_test' AND outcome = 'c' \gset
SELECT string_agg(outcome, ' ') FROM authmeter.audit_list(action => 'chain_test');
SELECT string_agg(outcome, ' ') FROM authmeter.audit_list(action => 'chain_test', outcome => 'd');
SELECT string_agg(outcome, ' ') FROM authmeter.audit_list(action => 'chain_test', since => :'third');
SELECT string_agg(outcome, ' ') FROM authmeter.audit_list(action => 'chain_test', until => :'third');
SELECT string_agg(outcome, ' ') FROM authmeter.audit_list(action => 'chain_test', since => :'third', until => :'third');
SELECT string_agg(outcome, ' ') FROM authmeter.audit_list(action => 'chain_test', since => '-infinity', until => 'infinity', page_size => 2);
SELECT string_agg(outcome, ' ') FROM authmeter.audit_list((SELECT user_id FROM authmeter.audit_event WHERE action = 'chain_test' AND outcome = 'c'), since => :'third');
SELECT t, authmeter.id_from(t) FROM unnest('{-infinity,1969-01-01Z,1970-01-01 00:00:00.001Z,2026-01-01Z,10889-08-02 05:31:50.655Z,infinity}'::timestamptz[]) t;
SELECT authmeter.id_from(authmeter.clock(), 1) > authmeter.id_new() AND authmeter.id_new() >= authmeter.id_from(authmeter.clock(), -1000) AS ordered;

-- Chained for good, for the tests that follow.
SELECT authmeter.audit_chain_extend(100000) >= 0 AS chained;
SELECT count(*) FROM authmeter.audit_verify() WHERE kind <> 'summary';
