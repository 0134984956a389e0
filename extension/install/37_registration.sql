-- Pending registrations: accounts that wait for the proof of their mailbox, outside the user pool.

CREATE TABLE authmeter.registration (
	id uuid PRIMARY KEY,
	email text COLLATE "C" NOT NULL,
	api text NOT NULL,
	password_hash text COLLATE "C" NOT NULL,
	name text,
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL
);
CREATE INDEX registration_email_idx ON authmeter.registration (email, created_at);
CREATE INDEX registration_expires_at_idx ON authmeter.registration (expires_at);
-- The cost of the dearest stored hash, which decides the work of a refused login.
CREATE INDEX registration_password_cost_idx ON authmeter.registration (pg_catalog.substr(password_hash, 5, 2));
COMMENT ON TABLE authmeter.registration IS
	'Registrations whose mailbox is not proven yet: at most 10 of one address, each for 24 hours; they block nobody. State, not data: it is not dumped, as the codes that confirm them are not.';

CREATE FUNCTION authmeter.registration_start(
	email text, password text, name text, api text, password_length_min integer DEFAULT 8,
	OUT outcome text, OUT registration_id uuid)
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE COST 100000
AS 'MODULE_PATHNAME', 'authmeter_registration_start';
COMMENT ON FUNCTION authmeter.registration_start(text, text, text, text, integer) IS
	'Keeps a registration for 24 hours until its mailbox is proven; others may be pending for the same address, of which the newest 10 are kept. registration_id is the id that the user will have, and what a one-time code is to be about (subject of otp_issue). Outcomes: created, email_taken (there is a user), email_invalid, password_too_short, password_too_long (over 72 bytes of UTF-8), password_invalid. Raises MA032 (user_field_invalid) for a name that has not 1 to 255 characters, MA007 (argument_invalid).';

CREATE FUNCTION authmeter.registration_confirm(registration_id uuid) RETURNS authmeter.user_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_registration_confirm';
COMMENT ON FUNCTION authmeter.registration_confirm(uuid) IS
	'Makes the user of a pending registration, with a verified address, and drops all others of that address. Outcomes: created (for one of parallel calls), email_taken (a user with this address was made meanwhile), not_found (confirmed, dropped or expired).';

CREATE FUNCTION authmeter.registration_find(
	email text, OUT registration_id uuid, OUT name text, OUT api text, OUT created_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.id, r.name, r.api, r.created_at FROM authmeter.registration r
	WHERE r.email = authmeter.user_email_canonical($1) AND r.expires_at > authmeter.clock()
	ORDER BY r.created_at DESC, r.id DESC LIMIT 1
$$;
COMMENT ON FUNCTION authmeter.registration_find(text) IS
	'The newest pending registration of an e-mail address, for which a code can be sent once more; NULL when there is none.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'registration_start'),
	('service', 'function', 'authmeter', 'registration_confirm'),
	('service', 'function', 'authmeter', 'registration_find');
