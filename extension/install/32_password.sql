-- Passwords: bcrypt through pgcrypto. Pass a password by bind parameter, never as a literal: a
-- literal is part of the query text, which PostgreSQL logs and shows.

CREATE FUNCTION authmeter.password_check(password text, length_min integer DEFAULT 8) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_password_check';
COMMENT ON FUNCTION authmeter.password_check(text, integer) IS
	'Whether a password may be set: ok, too_short (fewer than length_min characters), too_long (more than the 72 bytes of UTF-8 that bcrypt reads) or invalid (NUL or malformed UTF-8). Nothing is trimmed or normalised.';

CREATE FUNCTION authmeter.password_hash(password text) RETURNS text
LANGUAGE c VOLATILE STRICT SECURITY DEFINER PARALLEL UNSAFE COST 100000
AS 'MODULE_PATHNAME', 'authmeter_password_hash';
COMMENT ON FUNCTION authmeter.password_hash(text) IS
	'bcrypt hash ($2b$, random salt) with the cost of the setting authmeter.bcrypt_cost; about 0.2 s at 12. Raises MA031 (password_invalid) for an empty password and for one above 72 bytes, which is never truncated.';

CREATE FUNCTION authmeter.password_verify(password text, hash text) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE COST 100000
AS 'MODULE_PATHNAME', 'authmeter_password_verify';
COMMENT ON FUNCTION authmeter.password_verify(text, text) IS
	'Whether a password belongs to a bcrypt hash ($2a$, $2b$ or $2y$, cost 4 to 15), compared in constant time. False without any work for a password above 72 bytes. Raises MA030 (password_hash_invalid) for everything else, $2x$ included, so that no hash is ever taken for traditional DES. Logins use user_login, which also hides whether the user exists.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'password_check'),
	('service', 'function', 'authmeter', 'password_hash'),
	('service', 'function', 'authmeter', 'password_verify');
