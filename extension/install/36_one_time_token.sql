-- One-time tokens: what a link or a body carries once (reset tokens, proofs of a mailbox, sessions
-- handed over).

CREATE TABLE authmeter.one_time_token (
	token_hash bytea PRIMARY KEY,
	api text NOT NULL,
	purpose text NOT NULL,
	address text COLLATE "C" NOT NULL,
	user_id uuid,
	detail jsonb,
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	used_at timestamptz
);
CREATE INDEX one_time_token_address_idx ON authmeter.one_time_token (address);
CREATE INDEX one_time_token_expires_at_idx ON authmeter.one_time_token (expires_at);
COMMENT ON TABLE authmeter.one_time_token IS
	'Tokens that are good once. token_hash is the SHA-256 of the whole token, or random for a decoy. Rows are removed an hour after their end as new ones come. State, not data: it is not dumped.';

CREATE FUNCTION authmeter.one_time_token_issue(
	api text, purpose text, address text, user_id uuid DEFAULT NULL,
	lifetime interval DEFAULT '30 minutes', form text DEFAULT 'base64url', detail jsonb DEFAULT NULL,
	decoy boolean DEFAULT false)
RETURNS text
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_one_time_token_issue';
COMMENT ON FUNCTION authmeter.one_time_token_issue(text, text, text, uuid, interval, text, jsonb, boolean) IS
	'Makes a token for one API, purpose (1 to 40 characters a-z 0-9 -) and e-mail address, and returns it; only its SHA-256 is kept. form: base64url (43 characters) or hex (64 digits) of 256 random bits, or jwt: HS256 under the ring named like the API, with the claims email, purpose, verified, timestamp (ms), iat, exp, jti, api, use (verify), ver (0 without user). With user_id it is good only while that user is enabled and has this address. lifetime: 1 second to 30 days; detail: up to 8192 bytes. decoy = true does the same work for a token that is never good. Raises MA070 (otp_invalid), MA007 (argument_invalid), MA006 (limit_exceeded), MA020 (key_unknown).';

CREATE FUNCTION authmeter.one_time_token_check(
	token text, api text,
	OUT outcome text, OUT purpose text, OUT address text, OUT user_id uuid, OUT detail jsonb)
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_one_time_token_check';
COMMENT ON FUNCTION authmeter.one_time_token_check(text, text) IS
	'Looks a token up without consuming it; pass it by bind parameter. Outcomes: ok, expired, used, unknown (also NULL, of another API, of a user who is gone, disabled or has another address, and a jwt whose key is retired). The other columns are told with ok only. A token that is there is locked until the transaction ends, after its user: do what it is for, then call one_time_token_use in the same transaction. Raises MA007 (argument_invalid), MA020 (key_unknown).';

CREATE FUNCTION authmeter.one_time_token_use(token text) RETURNS boolean
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_one_time_token_use';
COMMENT ON FUNCTION authmeter.one_time_token_use(text) IS
	'Marks a token used: true for exactly one caller, false when it is used, expired or unknown.';

CREATE FUNCTION authmeter.one_time_token_drop(address text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$ DELETE FROM authmeter.one_time_token t WHERE t.address = authmeter.user_email_canonical($1) $$;
COMMENT ON FUNCTION authmeter.one_time_token_drop(text) IS
	'Ends all tokens of an e-mail address.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'one_time_token_issue'),
	('service', 'function', 'authmeter', 'one_time_token_check'),
	('service', 'function', 'authmeter', 'one_time_token_use'),
	('service', 'function', 'authmeter', 'one_time_token_drop');
