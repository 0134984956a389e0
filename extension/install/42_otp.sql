-- One-time codes (contract I10).

CREATE TABLE authmeter.otp (
	purpose text NOT NULL,
	address text NOT NULL,
	id uuid NOT NULL,
	code_hash bytea NOT NULL,
	attempts integer NOT NULL,
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	used_at timestamptz,
	PRIMARY KEY (purpose, address)
);
CREATE INDEX otp_expires_at_idx ON authmeter.otp (expires_at);
COMMENT ON TABLE authmeter.otp IS
	'The one code a purpose and address may have: its keyed hash and the durable count of tries. Addresses without a user have rows too, whose hash is of nothing. Expired rows are removed as new ones come. State, not data: it is not dumped.';

CREATE FUNCTION authmeter.digest_equal(a bytea, b bytea) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_digest_equal';
COMMENT ON FUNCTION authmeter.digest_equal(bytea, bytea) IS
	'Whether two digests are equal, in a time that does not tell where they differ. For authmeter''s own statements.';

CREATE FUNCTION authmeter.otp_issue(
	purpose text, address text, user_id uuid DEFAULT NULL, decoy boolean DEFAULT false,
	rate text DEFAULT '5/1h')
RETURNS text
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_otp_issue';
COMMENT ON FUNCTION authmeter.otp_issue(text, text, uuid, boolean, text) IS
	'Makes a code of 6 digits for a purpose (1 to 40 characters a-z 0-9 -) and an e-mail address, valid 10 minutes, and queues the mail; the code is returned to nobody. A new code replaces the former one of the same purpose and address. Returns issued, or limited when rate (codes per purpose and address) is used up: then the former code stays. decoy = true does the same work, for an address that must not learn that nobody is there: no code is good and nothing is sent. Without preloading it raises MA008 (transaction_block) inside an explicit transaction block. Raises MA070 (otp_invalid), MA007 (argument_invalid).';

CREATE FUNCTION authmeter.otp_verify(
	purpose text, address text, code text, OUT outcome text, OUT reason text)
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_otp_verify';
COMMENT ON FUNCTION authmeter.otp_verify(text, text, text) IS
	'Tries a code; pass it by bind parameter. outcome is ok, once a code, or refused. reason (none, expired, used, spent, wrong) is for the audit trail only: a client must not see it. 5 tries kill a code, malformed ones and NULL included; the count survives the caller''s rollback. Without preloading it raises MA008 (transaction_block) inside an explicit transaction block. Raises MA070 (otp_invalid) for a malformed purpose.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'otp_issue'),
	('service', 'function', 'authmeter', 'otp_verify');
