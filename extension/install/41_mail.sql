-- Mail: the outbox (contract I11) and what sends from it.
--
-- States: queued (to be sent now or, after a deferral, at next_attempt_at), sending (claimed until
-- next_attempt_at, when the claim runs out), sent, failed (refused for good: a dead letter), expired
-- (not sent in time: a dead letter, too), decoy (never sent). params is NULL as soon as nobody needs
-- what the mail said. Rows are reached by the functions below only; authmeter.mail_done alone ends a
-- claim.

CREATE TABLE authmeter.mail_outbox (
	id uuid PRIMARY KEY,
	user_id uuid,
	recipient text NOT NULL,
	template text NOT NULL,
	params bytea,
	state text NOT NULL
		CHECK (state IN ('queued', 'sending', 'sent', 'failed', 'expired', 'decoy')),
	attempts integer NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	purge_at timestamptz NOT NULL,
	next_attempt_at timestamptz NOT NULL,
	claim uuid,
	sent_at timestamptz,
	error text
);
CREATE INDEX mail_outbox_due_idx ON authmeter.mail_outbox (next_attempt_at)
	WHERE state IN ('queued', 'sending');
CREATE INDEX mail_outbox_expires_at_idx ON authmeter.mail_outbox (expires_at)
	WHERE params IS NOT NULL AND state <> 'decoy';
CREATE INDEX mail_outbox_purge_at_idx ON authmeter.mail_outbox (purge_at);
COMMENT ON TABLE authmeter.mail_outbox IS
	'Mail to be sent, claimed in the order of next_attempt_at. params holds codes and links, sealed, until the mail is sent or expired; authmeter.mail_params opens it. state decoy: written only so that an unknown address costs the same work, never sent. After expires_at a mail is not worth sending. A row is removed at purge_at: an hour after its expiry when it was sent, after authmeter.mail_retention when it was not.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.mail_outbox', '');

CREATE FUNCTION authmeter.mail_enqueue(
	template text, recipient text, params jsonb DEFAULT '{}', user_id uuid DEFAULT NULL,
	lifetime interval DEFAULT '1 day', decoy boolean DEFAULT false)
RETURNS uuid
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_mail_enqueue';
COMMENT ON FUNCTION authmeter.mail_enqueue(text, text, jsonb, uuid, interval, boolean) IS
	'Queues a mail in this transaction and returns its id: it is sent when the transaction commits, and not at all when it does not. template: one of authmeter.mail_template_list(); params: a flat object of strings and numbers named app, code, email, link, minutes, name or token, at most 4096 bytes, sealed at rest (pass it by bind parameter); link must be http or https; lifetime: 1 minute to 30 days, after which the mail is not sent any more. decoy = true does the same work and never sends. Raises MA090 (mail_invalid), MA006 (limit_exceeded), MA010 (master_key_missing).';

CREATE FUNCTION authmeter.mail_params(id uuid) RETURNS jsonb
LANGUAGE c STABLE STRICT SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_mail_params';
COMMENT ON FUNCTION authmeter.mail_params(uuid) IS
	'What a mail of the outbox says beyond its template, such as {"code": "123456", "minutes": 10}; NULL when there is no such mail, or when it was sent or has expired. For authmeter''s own functions: open to no level of grant_access. Raises MA012 (seal_broken) when the master key is another one.';

CREATE FUNCTION authmeter.mail_render(id uuid, OUT subject text, OUT text text, OUT html text)
LANGUAGE c STABLE STRICT SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_mail_render';
COMMENT ON FUNCTION authmeter.mail_render(uuid) IS
	'How a mail of the outbox reads; html is NULL for a template without HTML, all is NULL for a mail that says nothing any more. For authmeter.mail_claim: open to no level of grant_access. Raises MA012 (seal_broken), MA090 (mail_invalid).';

CREATE FUNCTION authmeter.mail_error_text(id uuid, error text) RETURNS text
LANGUAGE c STABLE STRICT SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_mail_error_text';
COMMENT ON FUNCTION authmeter.mail_error_text(uuid, text) IS
	'What may be kept of an error about a mail: one line of at most 500 bytes, in which the code, token and link of the mail are hidden, because servers quote what they refuse. NULL when the mail says nothing any more. For authmeter.mail_done: open to no level of grant_access.';

CREATE FUNCTION authmeter.mail_purge(rows_max integer DEFAULT 1000) RETURNS bigint
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_mail_purge';
COMMENT ON FUNCTION authmeter.mail_purge(integer) IS
	'Housekeeping of the outbox, at most rows_max (1 to 100000) rows of each kind: mails that expired unsent become dead letters and forget what they said, rows past their time are removed. Returns the rows touched. Each new mail and each claim does a little of it, too. Raises MA006 (limit_exceeded).';

-- ---- for the program that sends ------------------------------------------------------------------

CREATE FUNCTION authmeter.mail_claim(
	batch integer DEFAULT 10, lease interval DEFAULT '5 minutes', OUT id uuid, OUT claim uuid,
	OUT recipient text, OUT subject text, OUT text text, OUT html text, OUT attempt integer,
	OUT created_at timestamptz, OUT good_for_ms bigint)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	at timestamptz := authmeter.clock();
	due uuid[];
	item record;
BEGIN
	IF batch IS NULL OR batch NOT BETWEEN 1 AND 100
		OR lease IS NULL OR lease NOT BETWEEN '1 second' AND '1 hour' THEN
		RAISE EXCEPTION 'batch or lease is out of range'
			USING ERRCODE = 'MA006', HINT = 'Claim 1 to 100 mails for 1 second to 1 hour.';
	END IF;
	-- What expired is closed first, so that it is seen as expired and not claimed.
	PERFORM authmeter.mail_purge(100);
	due := ARRAY(SELECT o.id FROM authmeter.mail_outbox o
		WHERE o.state IN ('queued', 'sending') AND o.next_attempt_at <= at AND o.expires_at > at
		ORDER BY o.next_attempt_at LIMIT batch FOR UPDATE SKIP LOCKED);
	FOR item IN
		WITH claimed AS (
			UPDATE authmeter.mail_outbox m SET state = 'sending', claim = gen_random_uuid(),
				attempts = m.attempts + 1, next_attempt_at = at + lease
			WHERE m.id = ANY (due) RETURNING m.*)
		SELECT c.* FROM claimed c ORDER BY array_position(due, c.id)
	LOOP
		BEGIN
			SELECT item.id, item.claim, item.recipient, r.subject, r.text, r.html, item.attempts,
				item.created_at, ceil(extract(epoch FROM item.expires_at - at) * 1000)
			INTO STRICT mail_claim.id, mail_claim.claim, mail_claim.recipient, mail_claim.subject,
				mail_claim.text, mail_claim.html, mail_claim.attempt, mail_claim.created_at,
				mail_claim.good_for_ms
			FROM authmeter.mail_render(item.id) r WHERE r.subject IS NOT NULL;
			RETURN NEXT;
		EXCEPTION WHEN OTHERS THEN
			-- The server's trouble, not the mail's: nothing is claimed, and all can be claimed again.
			IF left(SQLSTATE, 2) IN ('40', '53', '57', '58') OR SQLSTATE IN ('MA010', 'MA011', 'MA013') THEN
				RAISE;
			END IF;
			UPDATE authmeter.mail_outbox m SET state = 'failed', claim = NULL,
				error = format('could not be rendered (%s)', SQLSTATE)
			WHERE m.id = item.id;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION authmeter.mail_claim(integer, interval) IS
	'Takes 1 to 100 mails that are due, oldest first, for a lease of 1 second to 1 hour: nobody else gets them meanwhile, and after it they are due again unless authmeter.mail_done ended the claim. A mail is rendered here; one that cannot be becomes a dead letter. Mails that expired are never returned; good_for_ms says how long from now the others are worth sending. Call it in a transaction of its own, in READ COMMITTED; LISTEN authmeter_mail tells when there is something new. Raises MA006 (limit_exceeded), MA010 (master_key_missing).';

CREATE FUNCTION authmeter.mail_done(id uuid, claim uuid, outcome text, error text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	at timestamptz := authmeter.clock();
	mail authmeter.mail_outbox;
	pause interval;
BEGIN
	IF outcome IS NULL OR outcome NOT IN ('sent', 'deferred', 'rejected', 'released') THEN
		RAISE EXCEPTION 'unknown outcome of a mail'
			USING ERRCODE = 'MA007', HINT = 'The outcomes are sent, deferred, rejected and released.';
	END IF;
	SELECT * INTO mail FROM authmeter.mail_outbox o WHERE o.id = mail_done.id FOR UPDATE;
	IF NOT FOUND OR mail.state = 'decoy' THEN
		RETURN 'not_found';
	END IF;
	-- Delivered is delivered: also when the claim ran out meanwhile, and when it is said twice.
	IF outcome = 'sent' THEN
		UPDATE authmeter.mail_outbox o SET state = 'sent', sent_at = coalesce(o.sent_at, at),
			params = NULL, claim = NULL, error = NULL, purge_at = o.expires_at + interval '1 hour'
		WHERE o.id = mail_done.id;
		RETURN 'sent';
	END IF;
	IF mail.state <> 'sending' OR mail.claim IS DISTINCT FROM mail_done.claim THEN
		RETURN 'stale';
	END IF;
	pause := CASE outcome WHEN 'deferred' THEN
		least(authmeter.setting_get('authmeter.mail_retry_max')::interval,
			authmeter.setting_get('authmeter.mail_retry_min')::interval * 2 ^ least(mail.attempts - 1, 20))
		* (0.5 + random() / 2) ELSE interval '0' END;
	UPDATE authmeter.mail_outbox o SET
		state = CASE outcome WHEN 'rejected' THEN 'failed' ELSE 'queued' END,
		attempts = o.attempts - CASE outcome WHEN 'released' THEN 1 ELSE 0 END,
		claim = NULL,
		next_attempt_at = at + pause,
		error = CASE outcome WHEN 'released' THEN o.error
			ELSE authmeter.mail_error_text(o.id, coalesce(mail_done.error, 'no reason given')) END
	WHERE o.id = mail_done.id;
	RETURN CASE outcome WHEN 'rejected' THEN 'failed' ELSE 'queued' END;
END
$$;
COMMENT ON FUNCTION authmeter.mail_done(uuid, uuid, text, text) IS
	'Ends a claim. outcome: sent (the server took responsibility; may be repeated, and counts also when the claim has run out), deferred (try again after a pause that doubles with each attempt, see authmeter.mail_retry_min, unless the mail expires before), rejected (refused for good: a dead letter), released (not tried: due again at once, no attempt counted). error is kept without the mail''s code, token or link. Returns the new state (sent, queued or failed), stale when the claim is not the mail''s any more, or not_found. Raises MA007 (argument_invalid).';

-- ---- for people ----------------------------------------------------------------------------------

CREATE VIEW authmeter.mail_info AS
	SELECT m.id, m.recipient, m.template, m.user_id,
		CASE WHEN m.state IN ('queued', 'sending') AND m.expires_at <= authmeter.clock() THEN 'expired'
			WHEN m.state = 'queued' AND m.attempts > 0 THEN 'deferred' ELSE m.state END AS state,
		m.attempts, m.created_at, m.expires_at,
		CASE WHEN m.state IN ('queued', 'sending') AND m.expires_at > authmeter.clock()
			THEN m.next_attempt_at END AS next_attempt_at,
		m.sent_at, m.error
	FROM authmeter.mail_outbox m;
COMMENT ON VIEW authmeter.mail_info IS
	'The outbox without what its mails say. state: queued, sending, deferred (an attempt failed, the next is at next_attempt_at), sent, failed, expired, or decoy. error is what the last attempt met.';

CREATE FUNCTION authmeter.mail_list(
	state text DEFAULT NULL, before uuid DEFAULT NULL, page_size integer DEFAULT 100)
RETURNS SETOF authmeter.mail_info
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF page_size IS NULL OR page_size NOT BETWEEN 1 AND 1000 THEN
		RAISE EXCEPTION 'page size is out of range'
			USING ERRCODE = 'MA006', HINT = 'Ask for 1 to 1000 rows and continue with the last id as "before".';
	END IF;
	RETURN QUERY SELECT i.* FROM authmeter.mail_info i
		WHERE i.id < coalesce(before, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
			AND (mail_list.state IS NULL OR i.state = mail_list.state)
		ORDER BY i.id DESC LIMIT page_size;
END
$$;
COMMENT ON FUNCTION authmeter.mail_list(text, uuid, integer) IS
	'One page of the outbox, newest first, of one state or of all (NULL), without what the mails say. page_size is 1 to 1000; the next page starts before the last id of this one. Raises MA006 (limit_exceeded).';

CREATE FUNCTION authmeter.mail_dead_list(before uuid DEFAULT NULL, page_size integer DEFAULT 100)
RETURNS SETOF authmeter.mail_info
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF page_size IS NULL OR page_size NOT BETWEEN 1 AND 1000 THEN
		RAISE EXCEPTION 'page size is out of range'
			USING ERRCODE = 'MA006', HINT = 'Ask for 1 to 1000 rows and continue with the last id as "before".';
	END IF;
	RETURN QUERY SELECT i.* FROM authmeter.mail_info i
		WHERE i.id < coalesce(before, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
			AND i.state IN ('failed', 'expired')
		ORDER BY i.id DESC LIMIT page_size;
END
$$;
COMMENT ON FUNCTION authmeter.mail_dead_list(uuid, integer) IS
	'One page of the dead letters, newest first: mails that a server refused for good (failed), that could not be rendered (failed), or that nobody delivered in time (expired), with the last error. They stay for authmeter.mail_retention. page_size is 1 to 1000; the next page starts before the last id of this one. Raises MA006 (limit_exceeded).';

CREATE FUNCTION authmeter.mail_retry(id uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	at timestamptz := authmeter.clock();
	mail authmeter.mail_outbox;
BEGIN
	SELECT * INTO mail FROM authmeter.mail_outbox o WHERE o.id = mail_retry.id FOR UPDATE;
	IF NOT FOUND OR mail.state = 'decoy' THEN
		RETURN 'not_found';
	ELSIF mail.state = 'sent' THEN
		RETURN 'sent';
	ELSIF mail.params IS NULL OR mail.expires_at <= at THEN
		RETURN 'expired';
	ELSIF mail.state = 'sending' AND mail.next_attempt_at > at THEN
		RETURN 'sending';
	END IF;
	UPDATE authmeter.mail_outbox o SET state = 'queued', claim = NULL, attempts = 0,
		next_attempt_at = at
	WHERE o.id = mail_retry.id;
	PERFORM pg_notify('authmeter_mail', '');
	PERFORM authmeter.audit_append('mail_retry', mail.user_id, 'queued',
		detail => jsonb_build_object('id', mail.id));
	RETURN 'queued';
END
$$;
COMMENT ON FUNCTION authmeter.mail_retry(uuid) IS
	'Makes a mail that failed, or is waiting for its next attempt, due at once. Returns queued, or, with nothing changed: expired (what it says is of no use any more), sending, sent or not_found. Audited.';

CREATE FUNCTION authmeter.mail_status(OUT state text, OUT mails bigint, OUT oldest_at timestamptz)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT i.state, count(*), min(i.created_at) FROM authmeter.mail_info i
	WHERE i.state <> 'decoy' GROUP BY i.state ORDER BY i.state;
END;
COMMENT ON FUNCTION authmeter.mail_status() IS
	'How many mails the outbox holds in each state (queued, deferred, sending, sent, failed, expired), and since when the oldest of them is there. Old queued mails mean that nobody sends.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'mail_enqueue'),
	('mailer', 'function', 'authmeter', 'mail_claim'),
	('mailer', 'function', 'authmeter', 'mail_done'),
	('mailer', 'function', 'authmeter', 'mail_status'),
	('reader', 'function', 'authmeter', 'mail_status'),
	('admin', 'function', 'authmeter', 'mail_list'),
	('admin', 'function', 'authmeter', 'mail_dead_list'),
	('admin', 'function', 'authmeter', 'mail_retry'),
	('admin', 'view', 'authmeter', 'mail_info');
