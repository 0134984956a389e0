-- The second factor: time-based one-time passwords (RFC 6238) and recovery codes.

CREATE TABLE authmeter.totp (
	user_id uuid PRIMARY KEY REFERENCES authmeter.user (id) ON DELETE CASCADE,
	secret bytea,
	pending bytea,
	pending_expires_at timestamptz,
	last_step bigint NOT NULL DEFAULT -1,
	recovery bytea[] NOT NULL DEFAULT '{}',
	recovery_key integer NOT NULL DEFAULT 0,
	confirmed_at timestamptz
);
CREATE INDEX totp_pending_idx ON authmeter.totp (pending_expires_at) WHERE secret IS NULL;
COMMENT ON TABLE authmeter.totp IS
	'The second factor of users who have one. secret: sealed, NULL until the first enrolment is confirmed; pending: the sealed secret of an enrolment under way; last_step: the time step of the last good code, no earlier one is good again; recovery: keyed hashes of the recovery codes not used yet, under version recovery_key of the master key.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.totp', '');

CREATE FUNCTION authmeter.hotp(secret bytea, counter bigint, digits integer DEFAULT 6) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_hotp';
COMMENT ON FUNCTION authmeter.hotp(bytea, bigint, integer) IS
	'The one-time password of a counter (RFC 4226; for RFC 6238 the counter is the time step), 6 to 8 digits. For tests: open to no level. Raises MA007 (argument_invalid).';

CREATE FUNCTION authmeter.totp_enroll(
	user_id uuid, issuer text DEFAULT 'authmeter', OUT secret text, OUT uri text)
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_totp_enroll';
COMMENT ON FUNCTION authmeter.totp_enroll(uuid, text) IS
	'Begins an enrolment: a secret of 160 bits in base32 and as an otpauth:// URI for a QR code, told this once. It counts from totp_confirm on, within an hour; until then a factor that is active stays so, so ask who has one to prove it first. issuer: the name of the service, 1 to 64 bytes without a colon. Both are NULL when there is no such user. Raises MA007 (argument_invalid).';

CREATE FUNCTION authmeter.totp_confirm(
	user_id uuid, code text, OUT outcome text, OUT recovery_codes text[])
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_totp_confirm';
COMMENT ON FUNCTION authmeter.totp_confirm(uuid, text) IS
	'Ends an enrolment with its first code and makes the factor active, in place of a former one. Outcomes: ok, with 10 recovery codes of 80 bits, told this once; refused (wrong code, or no enrolment under way); rate_limited after authmeter.two_factor_failures wrong ones. Of parallel calls one is ok. Raises MA008 (transaction_block) inside a transaction block when the library is not preloaded.';

CREATE FUNCTION authmeter.totp_verify(
	user_id uuid, code text, address text DEFAULT NULL, request_id text DEFAULT NULL,
	OUT outcome text, OUT reason text, OUT retry_after_s bigint)
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_totp_verify';
COMMENT ON FUNCTION authmeter.totp_verify(uuid, text, text, text) IS
	'Tries a code of the authenticator (6 digits, of this time step, the one before or the one after) or a recovery code; blanks, hyphens and the case of letters do not count. Outcomes: ok; refused; rate_limited after authmeter.two_factor_failures wrong ones of this user, with retry_after_s. Each time step and each recovery code is good once, and no step before the last good one. reason (totp, recovery; wrong, replayed, not_enabled) is for the audit trail only. Counts survive the caller''s rollback. Raises MA008 (transaction_block) inside a transaction block when the library is not preloaded.';

CREATE FUNCTION authmeter.totp_recovery_renew(user_id uuid) RETURNS text[]
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_totp_recovery_renew';
COMMENT ON FUNCTION authmeter.totp_recovery_renew(uuid) IS
	'Makes 10 new recovery codes, told this once, and ends the former ones; NULL when the user has no active factor.';

CREATE FUNCTION authmeter.totp_enabled(user_id uuid) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT EXISTS (SELECT FROM authmeter.totp t WHERE t.user_id = $1 AND t.secret IS NOT NULL) $$;
COMMENT ON FUNCTION authmeter.totp_enabled(uuid) IS
	'Whether a user has an active second factor.';

CREATE FUNCTION authmeter.totp_recovery_left(user_id uuid) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT cardinality(t.recovery) FROM authmeter.totp t WHERE t.user_id = $1 AND t.secret IS NOT NULL $$;
COMMENT ON FUNCTION authmeter.totp_recovery_left(uuid) IS
	'How many recovery codes a user has left; NULL without an active second factor.';

CREATE FUNCTION authmeter.totp_disable(user_id uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	was_active boolean;
BEGIN
	DELETE FROM authmeter.totp t WHERE t.user_id = totp_disable.user_id
	RETURNING t.secret IS NOT NULL INTO was_active;
	IF was_active IS NOT TRUE THEN
		RETURN 'not_found';
	END IF;
	PERFORM authmeter.audit_append('totp_disable', totp_disable.user_id, 'disabled');
	RETURN 'disabled';
END
$$;
COMMENT ON FUNCTION authmeter.totp_disable(uuid) IS
	'Ends the second factor of a user, its recovery codes and an enrolment under way. Outcomes: disabled, not_found (no active factor).';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'totp_enroll'),
	('service', 'function', 'authmeter', 'totp_confirm'),
	('service', 'function', 'authmeter', 'totp_verify'),
	('service', 'function', 'authmeter', 'totp_recovery_renew'),
	('service', 'function', 'authmeter', 'totp_enabled'),
	('service', 'function', 'authmeter', 'totp_recovery_left'),
	('service', 'function', 'authmeter', 'totp_disable');
