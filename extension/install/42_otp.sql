-- One-time codes (contract I10).

CREATE TABLE authmeter.otp (
	purpose text NOT NULL,
	address text NOT NULL,
	id uuid NOT NULL,
	subject uuid,
	code_hash bytea NOT NULL,
	attempts integer NOT NULL,
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	used_at timestamptz,
	PRIMARY KEY (purpose, address)
);
CREATE INDEX otp_address_idx ON authmeter.otp (address);
CREATE INDEX otp_expires_at_idx ON authmeter.otp (expires_at);
COMMENT ON TABLE authmeter.otp IS
	'The one code a purpose and address may have: its keyed hash, what it is about (subject) and the durable count of tries. Addresses without a user have rows too, whose hash is of nothing. Expired rows are removed as new ones come. State, not data: it is not dumped.';

CREATE FUNCTION authmeter.digest_equal(a bytea, b bytea) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_digest_equal';
COMMENT ON FUNCTION authmeter.digest_equal(bytea, bytea) IS
	'Whether two digests are equal, in a time that does not tell where they differ. For authmeter''s own statements.';

CREATE FUNCTION authmeter.otp_issue(
	purpose text, address text, user_id uuid DEFAULT NULL, decoy boolean DEFAULT false,
	rate text DEFAULT '5/1h', subject uuid DEFAULT NULL, template text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_otp_issue';
COMMENT ON FUNCTION authmeter.otp_issue(text, text, uuid, boolean, text, uuid, text) IS
	'Makes a code of 6 digits for a purpose (1 to 40 characters a-z 0-9 -) and an e-mail address, valid 10 minutes, and queues the mail (template NULL: named like the purpose); the code is returned to nobody. A new code replaces the former one of the same purpose and address. subject is what the code is about, such as a pending registration; otp_verify tells it. Returns issued, or limited when rate (codes per purpose and address) is used up: then the former code stays. decoy = true does the same work, for an address that must not learn that nobody is there: no code is good and nothing is sent. Without preloading it raises MA008 (transaction_block) inside an explicit transaction block. Raises MA070 (otp_invalid), MA007 (argument_invalid).';

CREATE FUNCTION authmeter.otp_verify(
	purpose text, address text, code text, consume boolean DEFAULT true,
	OUT outcome text, OUT reason text, OUT subject uuid)
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_otp_verify';
COMMENT ON FUNCTION authmeter.otp_verify(text, text, text, boolean) IS
	'Tries a code; pass it by bind parameter. outcome is ok, once a code, or refused; subject is the code''s, with ok only. reason (none, expired, used, spent, wrong, or replaced by another code meanwhile) is for the audit trail only: a client must not see it. 5 tries kill a code, malformed ones and NULL included; the count survives the caller''s rollback. consume = false counts the try and leaves a right code alive, but locked until the transaction ends (the user with this address is locked first): call otp_use in the same transaction once the operation has succeeded. Without preloading it raises MA008 (transaction_block) inside an explicit transaction block. Raises MA070 (otp_invalid) for a malformed purpose.';

CREATE FUNCTION authmeter.otp_use(purpose text, address text) RETURNS boolean
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_otp_use';
COMMENT ON FUNCTION authmeter.otp_use(text, text) IS
	'Marks the live code of a purpose and address used, after otp_verify(..., consume => false) said ok in the same transaction; false when there is none. Raises MA070 (otp_invalid) for a malformed purpose.';

CREATE FUNCTION authmeter.otp_drop(address text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$ DELETE FROM authmeter.otp o WHERE o.address = authmeter.user_email_canonical($1) $$;
COMMENT ON FUNCTION authmeter.otp_drop(text) IS
	'Kills every pending code of an e-mail address.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'otp_issue'),
	('service', 'function', 'authmeter', 'otp_verify'),
	('service', 'function', 'authmeter', 'otp_use'),
	('service', 'function', 'authmeter', 'otp_drop');
