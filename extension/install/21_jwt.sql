-- JSON Web Tokens, and below them signatures over bytes.

CREATE TYPE authmeter.jwt_verification AS (outcome text, claims jsonb, kid text);
COMMENT ON TYPE authmeter.jwt_verification IS
	'What jwt_verify answers: the outcome, and when it is ok the claims and the id of the key that signed; else both NULL.';

CREATE FUNCTION authmeter.jwt_sign(
	claims jsonb, ring text DEFAULT 'default', lifetime interval DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_jwt_sign';
COMMENT ON FUNCTION authmeter.jwt_sign(jsonb, text, interval) IS
	'Signs claims with the ring''s signing key and returns the token (compact JWS, header alg, typ JWT and, for generated keys, kid). lifetime: adds iat (now) and exp (iat + lifetime; at least 1 second, up to year 9999); without it the claims must have exp. Raises MA023 (claims_invalid: no object, a registered claim of the wrong type, exp missing, or iat or exp given together with lifetime), MA020 (key_unknown), MA006 (limit_exceeded: token above 16384 bytes), MA010 to MA012 (master key).';

CREATE FUNCTION authmeter.jwt_verify(
	token text, ring text DEFAULT 'default', leeway interval DEFAULT '0',
	issuer text DEFAULT NULL, audience text DEFAULT NULL)
RETURNS authmeter.jwt_verification
LANGUAGE c STABLE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_jwt_verify';
COMMENT ON FUNCTION authmeter.jwt_verify(text, text, interval, text, text) IS
	'Verifies a token (RFC 7519, RFC 8725) by the real clock. Outcomes: ok, too_long (above 16384 bytes), malformed (also NULL), algorithm_refused, key_unknown, signature_invalid, claims_invalid (exp is required), expired, not_yet_valid, issuer_mismatch, audience_mismatch (a token with aud needs audience to be asked for). leeway: 0 to 1 hour, for exp and nbf. Write SELECT v.outcome, v.claims FROM authmeter.jwt_verify($1) v. No token makes it fail; raises MA020 (key_unknown) for a ring that does not exist, MA007 (argument_invalid), MA010 to MA012 (master key).';

CREATE FUNCTION authmeter.jwt_decode(token text, OUT header jsonb, OUT claims jsonb)
RETURNS record
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_jwt_decode';
COMMENT ON FUNCTION authmeter.jwt_decode(text) IS
	'Header and claims of a token WITHOUT any verification: for looking at, never for deciding. Both NULL unless it is a compact JWS of at most 16384 bytes whose header and payload are strict JSON objects.';

CREATE FUNCTION authmeter.jws_sign(payload bytea, ring text DEFAULT 'default') RETURNS text
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_jws_sign';
COMMENT ON FUNCTION authmeter.jws_sign(bytea, text) IS
	'Signs bytes (at least 1) with the ring''s signing key and returns a compact JWS (RFC 7515) with alg and, for generated keys, kid in its header. Raises MA020 (key_unknown), MA006 (limit_exceeded), MA007 (argument_invalid), MA010 to MA012 (master key).';

CREATE FUNCTION authmeter.jws_verify(
	token text, ring text DEFAULT 'default', OUT outcome text, OUT payload bytea, OUT kid text)
RETURNS record
LANGUAGE c STABLE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_jws_verify';
COMMENT ON FUNCTION authmeter.jws_verify(text, text) IS
	'Verifies the signature of a compact JWS and returns its payload; no claims are looked at. Outcomes: ok, too_long, malformed, algorithm_refused, key_unknown, signature_invalid; payload and kid are NULL unless ok. Raises as jwt_verify does.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'jwt_sign'),
	('service', 'function', 'authmeter', 'jwt_verify'),
	('service', 'function', 'authmeter', 'jwt_decode'),
	('service', 'function', 'authmeter', 'jws_sign'),
	('service', 'function', 'authmeter', 'jws_verify');
