-- The mail outbox: a mail goes with the transaction that wanted it, what it says is sealed with it and
-- forgotten when nobody needs it any more, each claim is one sender's alone, and whatever becomes of a
-- mail can be seen without its secrets.
DELETE FROM authmeter.mail_outbox;
SELECT authmeter.otp_issue('test-mail', 'mail-ana@example.com');
SELECT authmeter.otp_issue('test-mail', 'mail-bob@example.com', decoy => true);
SELECT recipient, template, state, attempts, user_id, next_attempt_at = created_at AS due, error
FROM authmeter.mail_outbox ORDER BY recipient;
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
SELECT authmeter.mail_enqueue('code', 'mail-never@example.com', '{"code": "111111"}') IS NOT NULL AS queued;
ROLLBACK;
SELECT count(*) FROM authmeter.mail_outbox WHERE recipient = 'mail-never@example.com';

-- ---- mail by services ----
SELECT authmeter.mail_enqueue('code', ' Mail-Eve@Example.com ', '{"code": "271828", "minutes": 5, "name": "Eve"}',
	lifetime => '5 minutes') AS eve \gset
SELECT recipient, template, state, expires_at - created_at AS life, purge_at - expires_at AS stays
FROM authmeter.mail_outbox WHERE id = :'eve';
SELECT authmeter.mail_enqueue('code', 'mail-decoy@example.com', decoy => true) IS NOT NULL AS queued;
SELECT state, purge_at - expires_at AS stays FROM authmeter.mail_outbox WHERE recipient = 'mail-decoy@example.com';
-- Refused, and nothing queued.
\set VERBOSITY terse
SELECT authmeter.mail_enqueue('no-such-template', 'mail-x@example.com');
SELECT authmeter.mail_enqueue(NULL, 'mail-x@example.com');
SELECT authmeter.mail_enqueue('code', 'nobody');
SELECT authmeter.mail_enqueue('code', E'mail-x@example.com\nBcc: mail-y@example.com');
SELECT authmeter.mail_enqueue('code', E'mail-x@example.com>,<mail-y@example.com');
SELECT authmeter.mail_enqueue('code', NULL);
SELECT authmeter.mail_enqueue('code', 'mail-x@example.com', '[]');
SELECT authmeter.mail_enqueue('code', 'mail-x@example.com', '"code"');
SELECT authmeter.mail_enqueue('code', 'mail-x@example.com', '{"codes": "1"}');
SELECT authmeter.mail_enqueue('code', 'mail-x@example.com', '{"code": {"a": 1}}');
SELECT authmeter.mail_enqueue('code', 'mail-x@example.com', '{"code": null}');
SELECT authmeter.mail_enqueue('code', 'mail-x@example.com', '{"code": true}');
SELECT authmeter.mail_enqueue('code', 'mail-x@example.com', '{"link": "javascript:alert(1)"}');
SELECT authmeter.mail_enqueue('code', 'mail-x@example.com', '{"link": "https://"}');
SELECT authmeter.mail_enqueue('code', 'mail-x@example.com', jsonb_build_object('name', repeat('x', 4097)));
SELECT authmeter.mail_enqueue('code', 'mail-x@example.com', lifetime => '59 seconds');
SELECT authmeter.mail_enqueue('code', 'mail-x@example.com', lifetime => '31 days');
SELECT authmeter.mail_enqueue('code', 'mail-x@example.com', lifetime => NULL);
\set VERBOSITY default
SELECT authmeter.mail_enqueue('code', 'mail-x@example.com', '{"codes": "1"}');
SELECT count(*) FROM authmeter.mail_outbox WHERE recipient LIKE 'mail-x%';

-- ---- claims ----
\set VERBOSITY terse
SELECT authmeter.mail_claim(0);
SELECT authmeter.mail_claim(101);
SELECT authmeter.mail_claim(NULL);
SELECT authmeter.mail_claim(1, '999 milliseconds');
SELECT authmeter.mail_claim(1, '61 minutes');
SELECT authmeter.mail_claim(1, NULL);
\set VERBOSITY default
-- The oldest first, decoys never; it reads as it will be sent.
SELECT id = :'ana' AS is_ana, claim AS ana_claim, recipient, subject, text ~ '[0-9]{6}' AS code, html LIKE '<!DOCTYPE html>%' AS html,
	attempt, good_for_ms BETWEEN 500000 AND 600000 AS good_for, clock_timestamp() - created_at < '1 minute' AS fresh
FROM authmeter.mail_claim(1) \gset
\echo :is_ana :recipient :subject :code :html :attempt :good_for :fresh
SELECT claim AS eve_claim, * FROM authmeter.mail_claim(100, '1 minute') \gset
SELECT :'id' = :'eve' AS eve, :'recipient' AS recipient, :attempt AS attempt;
\echo :text
-- Nothing is left, and the states show it.
SELECT count(*) FROM authmeter.mail_claim();
SELECT recipient, state, attempts, next_attempt_at > authmeter.clock() + '50 seconds' AS leased FROM authmeter.mail_info ORDER BY 1;
-- A lease that has run out makes the mail due again, under another claim.
SET authmeter.clock_offset_s = 70;
SELECT id = :'eve' AS eve, claim <> :'eve_claim' AS other_claim, attempt FROM authmeter.mail_claim();
-- The first claim is stale now: it can end nothing but by telling that the mail was delivered.
SELECT authmeter.mail_done(:'eve', :'eve_claim', 'deferred', 'late');
SELECT authmeter.mail_done(:'eve', :'eve_claim', 'rejected', 'late');
SELECT authmeter.mail_done(:'eve', :'eve_claim', 'released');
SELECT state, attempts, error FROM authmeter.mail_outbox WHERE id = :'eve';
SELECT authmeter.mail_done(:'eve', :'eve_claim', 'sent');
SELECT state, sent_at IS NOT NULL AS sent_at, params, claim, error, purge_at - expires_at AS stays FROM authmeter.mail_outbox
WHERE id = :'eve';
-- Delivered once, delivered for good.
SELECT authmeter.mail_done(:'eve', :'eve_claim', 'sent');
SELECT authmeter.mail_done(:'eve', :'eve_claim', 'deferred', 'again');
SELECT authmeter.mail_retry(:'eve');
SELECT authmeter.mail_params(:'eve');
RESET authmeter.clock_offset_s;
SELECT state, error FROM authmeter.mail_outbox WHERE id = :'eve';

-- ---- deferral, with back-off ----
SELECT authmeter.setting_set('authmeter.mail_retry_min', '8s'), authmeter.setting_set('authmeter.mail_retry_max', '1m');
CREATE FUNCTION test_pause(id uuid) RETURNS numeric LANGUAGE sql AS $$
	SELECT extract(epoch FROM next_attempt_at - authmeter.clock()) FROM authmeter.mail_outbox m WHERE m.id = $1 $$;
SELECT authmeter.mail_done(:'ana', :'ana_claim', 'deferred', 'smtp 451: try again later');
SELECT state, attempts, error, test_pause(id) BETWEEN 3.5 AND 8 AS pause FROM authmeter.mail_info WHERE id = :'ana';
SELECT count(*) FROM authmeter.mail_claim();
-- It doubles up to the most.
CREATE FUNCTION test_deferred(mail uuid, times integer) RETURNS TABLE (n integer, attempt integer, within boolean) LANGUAGE plpgsql AS $$
DECLARE
	got record;
BEGIN
	FOR i IN 1..times LOOP
		UPDATE authmeter.mail_outbox m SET next_attempt_at = authmeter.clock() WHERE m.id = mail;
		SELECT c.* INTO got FROM authmeter.mail_claim(100) c WHERE c.id = mail;
		PERFORM authmeter.mail_done(mail, got.claim, 'deferred', 'again');
		RETURN QUERY SELECT i, got.attempt, test_pause(mail) BETWEEN least(60, 8 * 2 ^ (got.attempt - 1)) / 2 - 0.5
			AND least(60, 8 * 2 ^ (got.attempt - 1));
	END LOOP;
END
$$;
SELECT * FROM test_deferred(:'ana', 5);
-- Pauses of one length are spread.
SELECT count(DISTINCT round(test_pause(:'ana'), 2)) > 5 AS spread
FROM (SELECT test_deferred(:'ana', 1) FROM generate_series(1, 12)) d;
UPDATE authmeter.mail_outbox m SET next_attempt_at = authmeter.clock() WHERE m.id = :'ana';
SELECT claim AS ana_claim, attempt AS before FROM authmeter.mail_claim() \gset
-- Giving back counts nothing.
SELECT authmeter.mail_done(:'ana', :'ana_claim', 'released');
SELECT state, attempts = :before - 1 AS attempts, error, next_attempt_at <= authmeter.clock() AS due
FROM authmeter.mail_info WHERE id = :'ana';
SELECT authmeter.setting_set('authmeter.mail_retry_min', NULL), authmeter.setting_set('authmeter.mail_retry_max', NULL);

-- ---- dead letters ----
SELECT claim AS ana_claim FROM authmeter.mail_claim() \gset
SELECT authmeter.mail_params(:'ana')->>'code' AS code \gset
-- What a server quotes of the mail is not kept, nor anything beyond one line of 500 bytes.
SELECT authmeter.mail_done(:'ana', :'ana_claim', 'rejected',
	E'smtp 550: no "' || :'code' || E'" (' || :'code' || E')\r\nhere\x01' || repeat('é', 600));
SELECT left(error, 32) AS error, octet_length(error) <= 500 AS bounded, error !~ '[0-9]{6}' AS secret_hidden,
	error ~ '[[:cntrl:]]' AS control, purge_at - expires_at AS stays FROM authmeter.mail_outbox WHERE id = :'ana';
SELECT recipient, state, left(error, 10) AS error FROM authmeter.mail_dead_list();
-- Another try.
SELECT authmeter.mail_retry(:'ana');
SELECT state, attempts, next_attempt_at <= authmeter.clock() AS due FROM authmeter.mail_info WHERE id = :'ana';
SELECT count(*) FROM authmeter.mail_dead_list();
SELECT authmeter.mail_retry('00000000-0000-0000-0000-000000000000'), authmeter.mail_retry(:'bob') AS decoy;
SELECT claim AS ana_claim FROM authmeter.mail_claim() \gset
SELECT authmeter.mail_retry(:'ana');
SELECT authmeter.mail_done(:'ana', :'ana_claim', 'rejected');
SELECT error FROM authmeter.mail_info WHERE id = :'ana';
SELECT authmeter.mail_done(:'ana', :'ana_claim', 'lost');
SELECT authmeter.mail_done(:'bob', NULL, 'sent'), authmeter.mail_done('00000000-0000-0000-0000-000000000000', NULL, 'sent');
-- A mail that does not open goes nowhere, and does not stop the others.
SELECT authmeter.mail_enqueue('code', 'mail-broken@example.com', '{"code": "314159"}') AS broken \gset
SELECT authmeter.mail_enqueue('code', 'mail-whole@example.com', '{"code": "314159"}') AS whole \gset
UPDATE authmeter.mail_outbox SET params = set_byte(params, octet_length(params) - 1, get_byte(params, octet_length(params) - 1) # 1)
WHERE id = :'broken';
SELECT id = :'whole' AS is_whole, claim FROM authmeter.mail_claim() \gset
\echo :is_whole
SELECT recipient, state, attempts, error FROM authmeter.mail_dead_list() WHERE id = :'broken';

-- ---- expiry ----
-- After its end a mail is not sent any more, and is a dead letter at once; what it said is forgotten.
SELECT authmeter.mail_enqueue('code', 'mail-late@example.com', '{"code": "141421"}', lifetime => '1 minute') AS late \gset
SELECT claim AS late_claim FROM authmeter.mail_claim(1, '1 minute') \gset
SET authmeter.clock_offset_s = 61;
SELECT recipient, state FROM authmeter.mail_dead_list() WHERE id = :'late';
SELECT count(*) FROM authmeter.mail_claim() WHERE id = :'late';
SELECT state, params IS NULL AS forgotten FROM authmeter.mail_outbox WHERE id = :'late';
SELECT authmeter.mail_retry(:'late');
SELECT authmeter.mail_done(:'late', :'late_claim', 'deferred', 'too late');
-- It was on its way, though.
SELECT authmeter.mail_done(:'late', :'late_claim', 'sent');
RESET authmeter.clock_offset_s;
-- A failed one is forgotten too, and stays failed.
SET authmeter.clock_offset_s = 700;
SELECT authmeter.mail_purge() > 0 AS purged;
SELECT state, params IS NULL AS forgotten FROM authmeter.mail_outbox WHERE id = :'ana';
SELECT authmeter.mail_retry(:'ana');
RESET authmeter.clock_offset_s;

-- ---- what people see ----
SELECT recipient, state, attempts, error FROM authmeter.mail_list() ORDER BY recipient;
SELECT recipient FROM authmeter.mail_list('sent') ORDER BY recipient;
SELECT count(*) FROM authmeter.mail_list(before => (SELECT l.id FROM authmeter.mail_list(page_size => 1) l));
SELECT * FROM authmeter.mail_list(page_size => 0);
SELECT * FROM authmeter.mail_dead_list(page_size => 1001);
SELECT state, mails, oldest_at <= authmeter.clock() AS oldest FROM authmeter.mail_status();

-- ---- the end of a row ----
-- Sent and decoy: an hour after the expiry; dead letters: authmeter.mail_retention. Two for each new one.
SELECT authmeter.mail_done(:'whole', :'claim', 'sent');
SET authmeter.clock_offset_s = 90061;
SELECT authmeter.otp_issue('test-mail', 'mail-two@example.com');
SELECT count(*) FROM authmeter.mail_outbox;
SELECT authmeter.mail_purge(100) > 0 AS purged;
SELECT recipient, state FROM authmeter.mail_outbox ORDER BY recipient;
SET authmeter.clock_offset_s = 900000;
SELECT authmeter.mail_purge(1), authmeter.mail_purge(100) > 0 AS purged;
SELECT count(*) FROM authmeter.mail_outbox;
RESET authmeter.clock_offset_s;
SELECT authmeter.mail_purge(0);
SELECT authmeter.mail_purge(NULL);

-- ---- who may ----
-- No level opens the outbox itself. The sender claims and reports; people look without secrets.
CREATE ROLE regress_mail;
SELECT l, authmeter.grant_access('regress_mail', l) > 0 AS granted FROM unnest(ARRAY['gateway', 'reader', 'service', 'admin', 'mailer']) l;
SET ROLE regress_mail;
SELECT recipient FROM authmeter.mail_outbox;
SELECT subject FROM authmeter.mail_template;
SELECT authmeter.mail_params('00000000-0000-0000-0000-000000000000');
SELECT authmeter.mail_render('00000000-0000-0000-0000-000000000000');
RESET ROLE;
DROP OWNED BY regress_mail;
SELECT authmeter.grant_access('regress_mail', 'mailer');
SELECT p.proname FROM pg_proc p WHERE p.pronamespace::regnamespace::text LIKE 'authmeter%'
	AND has_function_privilege('regress_mail', p.oid, 'EXECUTE') ORDER BY 1;
SELECT unnest(rolconfig) FROM pg_roles WHERE rolname = 'regress_mail' ORDER BY 1;
DROP OWNED BY regress_mail;
SELECT l, string_agg(p.proname, ' ' ORDER BY p.proname) FROM unnest(ARRAY['gateway', 'service', 'reader', 'admin']) l,
	authmeter.access_rule r JOIN pg_proc p ON p.proname = r.object_name AND p.proname LIKE 'mail%' WHERE r.level = l GROUP BY l ORDER BY l;
DROP ROLE regress_mail;
DROP FUNCTION test_pause, test_deferred;
DELETE FROM authmeter.mail_outbox;
