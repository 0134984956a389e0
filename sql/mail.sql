-- The mail outbox: what a mail says is sealed with the mail, nobody but its sender may read it, and
-- what is past its use goes.
SELECT authmeter.otp_issue('test-mail', 'mail-ana@example.com');
SELECT authmeter.otp_issue('test-mail', 'mail-bob@example.com', decoy => true);
SELECT recipient, template, state, attempts, user_id, next_attempt_at = created_at AS due, error
FROM authmeter.mail_outbox WHERE template = 'test-mail' ORDER BY recipient;
SELECT (SELECT string_agg(k, ',' ORDER BY k) FROM jsonb_object_keys(p) k) AS keys, p->>'code' ~ '^[0-9]{6}$' AS code,
	p->'minutes' AS minutes
FROM authmeter.mail_outbox m, authmeter.mail_params(m.id) p WHERE m.template = 'test-mail';
SELECT authmeter.mail_params('00000000-0000-0000-0000-000000000000');
-- The id carries the partition of the recipient's address, as a user's id would.
SELECT authmeter.id_partition(m.id) = authmeter.id_partition((SELECT o.id FROM authmeter.otp o WHERE o.address = m.recipient
	AND o.purpose = 'test-mail')) AS same_partition
FROM authmeter.mail_outbox m WHERE m.template = 'test-mail';

-- Sealed bytes of one mail do not open in another, and altered ones not at all.
SELECT id AS ana FROM authmeter.mail_outbox WHERE recipient = 'mail-ana@example.com' \gset
SELECT id AS bob FROM authmeter.mail_outbox WHERE recipient = 'mail-bob@example.com' \gset
\set VERBOSITY sqlstate
BEGIN;
UPDATE authmeter.mail_outbox SET params = (SELECT params FROM authmeter.mail_outbox WHERE id = :'ana') WHERE id = :'bob';
SELECT authmeter.mail_params(:'bob');
ROLLBACK;
BEGIN;
UPDATE authmeter.mail_outbox SET params = set_byte(params, octet_length(params) - 1, get_byte(params, octet_length(params) - 1) # 1)
WHERE id = :'ana';
SELECT authmeter.mail_params(:'ana');
ROLLBACK;
\set VERBOSITY default

-- A mail goes with the transaction that wanted it.
BEGIN;
SAVEPOINT here;
DELETE FROM authmeter.mail_outbox WHERE id = :'ana';
ROLLBACK TO here;
COMMIT;
SELECT count(*) FROM authmeter.mail_outbox WHERE id = :'ana';

-- An hour after its end a mail goes, whatever became of it, two for each new one.
SET authmeter.clock_offset_s = 4000;
SELECT authmeter.otp_issue('test-mail', 'mail-eve@example.com');
SELECT recipient FROM authmeter.mail_outbox WHERE template = 'test-mail' ORDER BY recipient;
SET authmeter.clock_offset_s = 4300;
SELECT count(*) FROM generate_series(1, (SELECT count(*) FROM authmeter.mail_outbox)) n,
	authmeter.otp_issue('test-mail', 'mail-' || n || '@example.com') i WHERE i <> 'issued';
SELECT recipient FROM authmeter.mail_outbox WHERE template = 'test-mail' AND recipient ~ 'ana|bob|eve' ORDER BY recipient;
RESET authmeter.clock_offset_s;

-- No level of access opens it.
CREATE ROLE regress_mail;
SELECT authmeter.grant_access('regress_mail', l) > 0 AS granted FROM unnest(ARRAY['gateway', 'reader', 'service', 'admin']) l;
SET ROLE regress_mail;
SELECT recipient FROM authmeter.mail_outbox;
SELECT authmeter.mail_params('00000000-0000-0000-0000-000000000000');
RESET ROLE;
DROP OWNED BY regress_mail;
DROP ROLE regress_mail;
