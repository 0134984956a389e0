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
	user_id uuid DEFAULT NULL, before uuid DEFAULT NULL, page_size integer DEFAULT 100)
RETURNS SETOF authmeter.audit_event
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	start uuid := coalesce(audit_list.before, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
BEGIN
	IF page_size IS NULL OR page_size NOT BETWEEN 1 AND 1000 THEN
		RAISE EXCEPTION 'page size is out of range'
			USING ERRCODE = 'MA006', HINT = 'Ask for 1 to 1000 rows and continue with the last id as "before".';
	END IF;
	IF audit_list.user_id IS NULL THEN
		RETURN QUERY SELECT e.* FROM authmeter.audit_event e
			WHERE e.id < start ORDER BY e.id DESC LIMIT page_size;
	ELSE
		RETURN QUERY SELECT e.* FROM authmeter.audit_event e
			WHERE e.user_id = audit_list.user_id AND e.id < start ORDER BY e.id DESC LIMIT page_size;
	END IF;
END
$$;
COMMENT ON FUNCTION authmeter.audit_list(uuid, uuid, integer) IS
	'One page of the audit trail, newest first, of one user or of all (NULL). page_size is 1 to 1000; the next page starts before the last id of this one. Raises MA006 (limit_exceeded).';

INSERT INTO authmeter.access_rule VALUES
	('admin', 'function', 'authmeter', 'audit_list');
