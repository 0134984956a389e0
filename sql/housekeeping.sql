-- Housekeeping removes what is over and nothing else, in bounded steps; a task that fails keeps no other
-- from running, and is told.
SET authmeter.clock_offset_s = -20000000;
SELECT authmeter.key_generate('keeptest', 'HS256', false) IS NOT NULL, authmeter.key_generate('keeptest-refresh', 'HS256', false) IS NOT NULL;
RESET authmeter.clock_offset_s;
SELECT authmeter.setting_set('authmeter.environment', 'development'), authmeter.setting_set('authmeter.bcrypt_cost', '4');
SELECT (authmeter.user_create('keep-ana@example.com')).user_id AS ana \gset
SELECT count(*) >= 10 AS tasks, count(*) FILTER (WHERE problem IS NOT NULL) AS problems FROM authmeter.housekeeping(100000);
SELECT task, more, problem FROM authmeter.housekeeping(100000);
SELECT task, purpose, ran_at <= authmeter.clock() AS ran, problem FROM authmeter.housekeeping_list();
SELECT component, state, detail LIKE 'last round at %' AS told, hint FROM authmeter.status() WHERE component = 'housekeeping';

-- Three of each kind, made in the past, and one of each that lives.
CREATE FUNCTION pg_temp.make(n integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	who uuid := (SELECT id FROM authmeter.user WHERE email = 'keep-ana@example.com');
	enrolled uuid := (authmeter.user_create(format('keep-%s-%s@example.com', n, authmeter.clock()::date))).user_id;
BEGIN
	PERFORM authmeter.session_start(who, 'keeptest');
	INSERT INTO authmeter.otp (purpose, address, id, code_hash, attempts, created_at, expires_at)
		VALUES ('keep-' || n, 'keep@example.com', authmeter.id_new(), '', 0, authmeter.clock(), authmeter.clock() + interval '10 minutes');
	PERFORM authmeter.one_time_token_issue('keeptest', 'keep', 'keep@example.com');
	PERFORM authmeter.registration_start(format('keep-%s@example.org', n), 'correct horse battery', 'Keep', 'keeptest');
	PERFORM authmeter.totp_enroll(enrolled);
	PERFORM authmeter.mail_enqueue('verification', 'keep@example.com', '{"code": "123456", "minutes": 10}', lifetime => '1 hour');
	PERFORM authmeter.usage_add(who, 'vsplugin.prompt', 1, format('keep %s %s', n, authmeter.clock()::date));
	INSERT INTO authmeter.rate_window VALUES (sha256(format('%s %s', n, authmeter.clock()::date)::bytea), 0,
		extract(epoch FROM authmeter.clock()) * 1000 + 1000000, 0);
	PERFORM authmeter.audit_append('keep_test', who, n::text);
	PERFORM authmeter.audit_chain_extend(100000);
END $$;
CREATE FUNCTION pg_temp.alive() RETURNS TABLE (kind text, rows bigint) LANGUAGE sql AS $$
	SELECT 'session', count(*) FROM authmeter.session WHERE api = 'keeptest'
	UNION ALL SELECT 'otp', count(*) FROM authmeter.otp WHERE purpose LIKE 'keep-%'
	UNION ALL SELECT 'one_time_token', count(*) FROM authmeter.one_time_token WHERE api = 'keeptest'
	UNION ALL SELECT 'registration', count(*) FROM authmeter.registration WHERE email LIKE 'keep-%'
	UNION ALL SELECT 'totp', count(*) FROM authmeter.totp t JOIN authmeter.user u ON u.id = t.user_id WHERE u.email LIKE 'keep-%'
	UNION ALL SELECT 'mail', count(*) FROM authmeter.mail_outbox WHERE recipient = 'keep@example.com' AND template = 'verification'
	UNION ALL SELECT 'rate_window', count(*) FROM authmeter.rate_window WHERE since_ns = 0
	UNION ALL SELECT 'idempotency', count(*) FROM authmeter.idempotency WHERE key LIKE 'keep %'
	UNION ALL SELECT 'audit', count(*) FROM authmeter.audit_event WHERE action = 'keep_test' $$;
BEGIN;
SET LOCAL authmeter.clock_offset_s = -10000000;
SELECT pg_temp.make(n) FROM generate_series(1, 3) n;
SET LOCAL authmeter.clock_offset_s = 0;
SELECT pg_temp.make(4);
SELECT authmeter.setting_set('authmeter.audit_retention_months', '1');
SELECT authmeter.audit_chain_extend(100000) > 0 AS chained;
-- What functions remove in passing is gone already; the rest goes in steps.
SELECT kind, rows BETWEEN 2 AND 4 AS there FROM pg_temp.alive();
SELECT task, rows, more FROM authmeter.housekeeping(1) WHERE task IN ('idempotency', 'session');
SELECT task, rows > 0 AS removed, more, problem FROM authmeter.housekeeping(100000) WHERE task IN ('idempotency', 'session');
SELECT sum(rows) AS left FROM authmeter.housekeeping(100000);
SELECT * FROM pg_temp.alive() WHERE kind <> 'audit';
-- In the end the rest goes too.
SET LOCAL authmeter.clock_offset_s = 1000000000;
SELECT count(*) AS problems FROM authmeter.housekeeping(100000) WHERE problem IS NOT NULL;
SELECT kind FROM pg_temp.alive() WHERE rows > 0;
SELECT kind FROM authmeter.audit_verify() WHERE kind <> 'summary';
ROLLBACK;

-- A task that fails: the others run, and everybody is told; then it is well again.
BEGIN;
SELECT authmeter.audit_append('keep_test', NULL, 'waiting');
ALTER TABLE authmeter.otp RENAME COLUMN expires_at TO moved;
ALTER TABLE authmeter.audit_head DISABLE TRIGGER audit_guard;
UPDATE authmeter.audit_head SET mac = hash;
SELECT task, problem FROM authmeter.housekeeping() WHERE problem IS NOT NULL;
SELECT task, problem FROM authmeter.housekeeping_list() WHERE problem IS NOT NULL;
SELECT count(*) AS tasks_that_ran FROM authmeter.housekeeping_state WHERE ran_at > authmeter.clock() - interval '1 minute';
SELECT component, state, regexp_replace(detail, 'last round at [-0-9:.+ ]+', 'last round: ') AS detail, hint FROM authmeter.status() WHERE component = 'housekeeping';
ALTER TABLE authmeter.otp RENAME COLUMN moved TO expires_at;
SELECT task FROM authmeter.housekeeping() WHERE problem IS NOT NULL;
ROLLBACK;
SELECT task FROM authmeter.housekeeping() WHERE problem IS NOT NULL;
SELECT state FROM authmeter.status() WHERE component = 'housekeeping';
-- Late: not for an hour.
BEGIN;
SET LOCAL authmeter.clock_offset_s = 3500;
SELECT state FROM authmeter.status() WHERE component = 'housekeeping';
SET LOCAL authmeter.clock_offset_s = 3700;
SELECT state, hint FROM authmeter.status() WHERE component = 'housekeeping';
ROLLBACK;
-- A cancel is no problem of a task: it ends the statement.
CREATE FUNCTION pg_temp.cancelled() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE query_canceled USING MESSAGE = 'cancelled'; END $$;
BEGIN;
CREATE TRIGGER cancelled BEFORE DELETE ON authmeter.otp FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.cancelled();
\set SHOW_CONTEXT never
SELECT authmeter.housekeeping();
\set SHOW_CONTEXT errors
ROLLBACK;

SELECT authmeter.housekeeping(0);
SELECT authmeter.housekeeping(100001);
SELECT authmeter.housekeeping(NULL);
CREATE ROLE regress_keep_service;
CREATE ROLE regress_keep_admin;
SELECT authmeter.grant_access('regress_keep_service', 'service') > 0, authmeter.grant_access('regress_keep_admin', 'admin') > 0;
SET ROLE regress_keep_service;
SELECT authmeter.housekeeping();
SET ROLE regress_keep_admin;
SELECT count(*) FROM authmeter.housekeeping() WHERE problem IS NULL;
RESET ROLE;
DROP OWNED BY regress_keep_service, regress_keep_admin;
DROP ROLE regress_keep_service, regress_keep_admin;
SELECT authmeter.setting_set('authmeter.bcrypt_cost', NULL), authmeter.setting_set('authmeter.environment', NULL);
