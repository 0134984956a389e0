-- The audit trail. It is append-only: no role is ever granted more than reading it, and that only
-- through audit_list. A user's rows stay when the user is deleted, hence no foreign key.

CREATE TABLE authmeter.audit_event (
	id uuid PRIMARY KEY,
	at timestamptz NOT NULL,
	action text NOT NULL,
	actor text NOT NULL,
	user_id uuid,
	outcome text NOT NULL,
	address text,
	request_id text,
	detail jsonb
);
COMMENT ON TABLE authmeter.audit_event IS
	'Who did what to whom, with the true reason of every refusal; never a secret. id is a UUIDv7, so its order is the order of time to the millisecond; actor is the role that logged in (the gateway''s role for HTTP calls); address is the client''s, request_id the gateway''s.';
CREATE INDEX audit_event_user_id_idx ON authmeter.audit_event (user_id, id) WHERE user_id IS NOT NULL;
SELECT pg_catalog.pg_extension_config_dump('authmeter.audit_event', '');

CREATE FUNCTION authmeter.audit_append(
	action text, user_id uuid, outcome text, address text DEFAULT NULL, request_id text DEFAULT NULL,
	detail jsonb DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_audit_append';
COMMENT ON FUNCTION authmeter.audit_append(text, uuid, text, text, text, jsonb) IS
	'Appends an event to the audit trail; for authmeter''s own functions, open to no access level. A malformed address counts as unknown, a request id is cut at 128 bytes. Raises MA007 (argument_invalid) without action or outcome.';

CREATE FUNCTION authmeter.audit_list(
	user_id uuid DEFAULT NULL, before uuid DEFAULT NULL, page_size integer DEFAULT 100,
	action text DEFAULT NULL, outcome text DEFAULT NULL,
	since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
RETURNS SETOF authmeter.audit_event
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	-- An id carries the time at which it was made, a moment before the event's.
	first uuid := authmeter.id_from(since, -1000);
	last uuid := least(audit_list.before, authmeter.id_from(until, 1000), 'ffffffff-ffff-ffff-ffff-ffffffffffff');
BEGIN
	IF page_size IS NULL OR page_size NOT BETWEEN 1 AND 1000 THEN
		RAISE EXCEPTION 'page size is out of range'
			USING ERRCODE = 'MA006', HINT = 'Ask for 1 to 1000 rows and continue with the last id as "before".';
	END IF;
	IF audit_list.user_id IS NULL THEN
		RETURN QUERY SELECT e.* FROM authmeter.audit_event e
			WHERE e.id >= coalesce(first, '00000000-0000-0000-0000-000000000000') AND e.id < last
				AND (audit_list.action IS NULL OR e.action = audit_list.action)
				AND (audit_list.outcome IS NULL OR e.outcome = audit_list.outcome)
				AND (since IS NULL OR e.at >= since) AND (until IS NULL OR e.at < until)
			ORDER BY e.id DESC LIMIT page_size;
	ELSE
		RETURN QUERY SELECT e.* FROM authmeter.audit_event e
			WHERE e.user_id = audit_list.user_id
				AND e.id >= coalesce(first, '00000000-0000-0000-0000-000000000000') AND e.id < last
				AND (audit_list.action IS NULL OR e.action = audit_list.action)
				AND (audit_list.outcome IS NULL OR e.outcome = audit_list.outcome)
				AND (since IS NULL OR e.at >= since) AND (until IS NULL OR e.at < until)
			ORDER BY e.id DESC LIMIT page_size;
	END IF;
END
$$;
COMMENT ON FUNCTION authmeter.audit_list(uuid, uuid, integer, text, text, timestamptz, timestamptz) IS
	'One page of the audit trail, newest first, of one user or of all (NULL), and of these only the given action, outcome and time (since inclusive, until exclusive). page_size is 1 to 1000; the next page starts before the last id of this one. Raises MA006 (limit_exceeded).';

-- The chain over the trail. Events are chained after their commit, so that appending one waits for
-- nobody: extension/audit_chain.c tells how.

CREATE TABLE authmeter.audit_pending (
	event_id uuid PRIMARY KEY
);
COMMENT ON TABLE authmeter.audit_pending IS
	'Events that are not chained yet.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.audit_pending', '');

CREATE TABLE authmeter.audit_chain (
	seq bigint PRIMARY KEY,
	event_id uuid NOT NULL UNIQUE,
	key_version integer NOT NULL,
	hash bytea NOT NULL
);
COMMENT ON TABLE authmeter.audit_chain IS
	'One link an event, numbered without a gap: hash is the HMAC-SHA256, under a key derived from version key_version of the master key, of the hash before, seq, and every column of the event. seq is the order of chaining, not exactly that of time.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.audit_chain', '');

CREATE TABLE authmeter.audit_head (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	seq bigint NOT NULL,
	hash bytea NOT NULL,
	key_version integer NOT NULL,
	mac bytea NOT NULL
);
COMMENT ON TABLE authmeter.audit_head IS
	'The newest link, with a mac of its own: links cut off at the end are missed. Its row lock is held by who extends or purges the chain.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.audit_head', '');

CREATE TABLE authmeter.audit_checkpoint (
	month date PRIMARY KEY,
	seq bigint NOT NULL,
	hash bytea NOT NULL,
	events bigint NOT NULL,
	key_version integer NOT NULL,
	mac bytea NOT NULL
);
COMMENT ON TABLE authmeter.audit_checkpoint IS
	'What audit_purge left of a month: the last link removed, the number of events removed, and a mac over both and the month before. The chain begins behind the newest.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.audit_checkpoint', '');

CREATE FUNCTION authmeter.audit_guard() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authmeter_audit_guard';
COMMENT ON FUNCTION authmeter.audit_guard() IS
	'Trigger of the tables of the audit trail: raises MA100 (audit_append_only), for superusers too, unless the chainer or the purge is at work.';
CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON authmeter.audit_event
	FOR EACH STATEMENT EXECUTE FUNCTION authmeter.audit_guard();
CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON authmeter.audit_pending
	FOR EACH STATEMENT EXECUTE FUNCTION authmeter.audit_guard();
CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON authmeter.audit_chain
	FOR EACH STATEMENT EXECUTE FUNCTION authmeter.audit_guard();
CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON authmeter.audit_head
	FOR EACH STATEMENT EXECUTE FUNCTION authmeter.audit_guard();
CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON authmeter.audit_checkpoint
	FOR EACH STATEMENT EXECUTE FUNCTION authmeter.audit_guard();
-- Whatever session_replication_role says.
ALTER TABLE authmeter.audit_event ENABLE ALWAYS TRIGGER audit_guard;
ALTER TABLE authmeter.audit_pending ENABLE ALWAYS TRIGGER audit_guard;
ALTER TABLE authmeter.audit_chain ENABLE ALWAYS TRIGGER audit_guard;
ALTER TABLE authmeter.audit_head ENABLE ALWAYS TRIGGER audit_guard;
ALTER TABLE authmeter.audit_checkpoint ENABLE ALWAYS TRIGGER audit_guard;

CREATE FUNCTION authmeter.audit_chain_extend(rows_max integer DEFAULT 10000, repair boolean DEFAULT false)
RETURNS bigint
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_audit_chain_extend';
COMMENT ON FUNCTION authmeter.audit_chain_extend(integer, boolean) IS
	'Chains up to rows_max (1 to 100000) events that are not chained yet and returns their number; 0 when there are none, or another transaction is at it. housekeeping() calls it. repair = true makes the head of the chain anew when it is missing or invalid (after a restore under another master key), which is audited. Raises MA101 (audit_broken) for such a head without repair, MA006 (limit_exceeded), MA010, MA011 (master key).';

CREATE FUNCTION authmeter.audit_verify(
	after_seq bigint DEFAULT NULL, after_hash bytea DEFAULT NULL,
	OUT kind text, OUT seq bigint, OUT event_id uuid, OUT detail jsonb)
RETURNS SETOF record
LANGUAGE c STABLE SECURITY DEFINER PARALLEL UNSAFE ROWS 10 COST 100000
AS 'MODULE_PATHNAME', 'authmeter_audit_verify';
COMMENT ON FUNCTION authmeter.audit_verify(bigint, bytea) IS
	'Checks the audit trail against its chain and returns one row a violation, at most 1000, and last a summary (links checked, events purged, events waiting, violations, seq and hash of the newest link). Violations: event_changed; event_missing (its link or its note is there); event_unchained (for more than an hour); event_foreign (not appended by authmeter); gap (links are missing up to "to"); link_changed; checkpoint_changed; head_changed; head_missing; key_missing (the master key file lacks a version: those links are not checked); anchor_missed. after_seq and after_hash, the newest link of an earlier summary kept elsewhere, tell whether the trail still goes through it, and check only what follows. Raises MA007 (argument_invalid), MA010, MA011 (master key).';

CREATE FUNCTION authmeter.audit_purge(rows_max integer DEFAULT 10000, unverified boolean DEFAULT false)
RETURNS bigint
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_audit_purge';
COMMENT ON FUNCTION authmeter.audit_purge(integer, boolean) IS
	'Removes up to rows_max (1 to 100000) of the oldest events, as far as they belong to months (by UTC) past authmeter.audit_retention_months, and returns their number; a checkpoint of each month stays, from which the rest verifies. housekeeping() calls it. What does not verify is kept, unless unverified = true, which is audited. Raises MA101 (audit_broken) when that is the oldest part, MA006 (limit_exceeded), MA010, MA011 (master key).';

INSERT INTO authmeter.access_rule VALUES
	('admin', 'function', 'authmeter', 'audit_list'),
	('admin', 'function', 'authmeter', 'audit_verify'),
	('reader', 'function', 'authmeter', 'audit_verify'),
	('admin', 'function', 'authmeter', 'audit_chain_extend'),
	('admin', 'function', 'authmeter', 'audit_purge');
