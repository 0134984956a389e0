-- Mail outbox (contract I11). Open to no level of grant_access: it is for the program that sends.

CREATE TABLE authmeter.mail_outbox (
	id uuid PRIMARY KEY,
	user_id uuid,
	recipient text NOT NULL,
	template text NOT NULL,
	params bytea NOT NULL,
	state text NOT NULL CHECK (state IN ('queued', 'decoy', 'sending', 'sent', 'failed')),
	attempts integer NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	next_attempt_at timestamptz NOT NULL,
	error text
);
CREATE INDEX mail_outbox_state_idx ON authmeter.mail_outbox (state, next_attempt_at);
CREATE INDEX mail_outbox_expires_at_idx ON authmeter.mail_outbox (expires_at);
COMMENT ON TABLE authmeter.mail_outbox IS
	'Mail to be sent, claimed in the order of next_attempt_at. params holds codes and links, sealed; authmeter.mail_params opens it. state decoy: written only so that an unknown address costs the same work, never sent. After expires_at a mail is not worth sending; an hour later its row is removed as new ones come.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.mail_outbox', '');

CREATE FUNCTION authmeter.mail_params(id uuid) RETURNS jsonb
LANGUAGE c STABLE STRICT SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_mail_params';
COMMENT ON FUNCTION authmeter.mail_params(uuid) IS
	'What a mail of the outbox says beyond its template, such as {"code": "123456", "minutes": 10}; NULL when there is no such mail. For the program that sends: open to no level of grant_access. Raises MA012 (seal_broken) when the master key is another one.';
