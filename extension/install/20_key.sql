-- Signing keys. A ring is a named set of keys with one purpose ('default', 'vsplugin'); its newest
-- activated key signs, every key verifies until retires_at. States follow from the times alone.

CREATE TABLE authmeter.signing_key (
	ring text NOT NULL CHECK (ring ~ '^[a-z0-9][a-z0-9_.:-]{0,62}$'),
	kid text NOT NULL CHECK (pg_catalog.octet_length(kid) BETWEEN 1 AND 256),
	alg text NOT NULL CHECK (alg IN ('HS256', 'RS256', 'ES256', 'EdDSA')),
	secret bytea,
	public_jwk jsonb CHECK ((public_jwk IS NULL) = (alg = 'HS256')),
	kid_in_header boolean NOT NULL,
	verify_only boolean NOT NULL,
	created_at timestamptz NOT NULL,
	activates_at timestamptz NOT NULL,
	retires_at timestamptz,
	PRIMARY KEY (ring, kid),
	CHECK (secret IS NOT NULL OR (verify_only AND public_jwk IS NOT NULL))
);
COMMENT ON TABLE authmeter.signing_key IS
	'Signing keys. Change it with the key_ functions only.';
COMMENT ON COLUMN authmeter.signing_key.secret IS
	'HS256: the shared secret; else the private key (PKCS#8). Sealed under the master key (AES-256-GCM), bound to ring, kid and alg. NULL: only the public key is known.';
COMMENT ON COLUMN authmeter.signing_key.kid_in_header IS
	'Whether tokens of this key carry "kid" in their header.';
COMMENT ON COLUMN authmeter.signing_key.verify_only IS
	'The key verifies tokens of somebody else and never signs.';
COMMENT ON COLUMN authmeter.signing_key.retires_at IS
	'From this time on nothing verifies with the key; NULL: no end set.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.signing_key', '');

CREATE TRIGGER cache_invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON authmeter.signing_key
	FOR EACH STATEMENT EXECUTE FUNCTION authmeter.cache_invalidate();

CREATE FUNCTION authmeter.key_import(
	ring text, secret text, alg text DEFAULT 'HS256', kid text DEFAULT NULL,
	kid_in_header boolean DEFAULT NULL, verify_only boolean DEFAULT false)
RETURNS text
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_key_import';
COMMENT ON FUNCTION authmeter.key_import(text, text, text, text, boolean, boolean) IS
	'Puts an existing key into a ring and returns its kid. HS256: the secret as other services use it, taken byte for byte in UTF-8 (or a JWK of kty oct); RS256, ES256, EdDSA: private or public key as PEM or JWK. kid: that of the JWK, else the RFC 7638 thumbprint, HS256: random. kid_in_header: default false for HS256, else true. verify_only: never signs; always so for a public key. A key the ring holds already is not added again. Raises MA021 (key_refused: under 32 bytes, published example, placeholder, weak or malformed key), MA022 (key_state: the ring has another signing key, rotate it instead), MA007 (argument_invalid), MA006 (limit_exceeded: 8 keys a ring), MA010 and MA011 (master key). Pass the secret as a bind parameter, so that it is not logged with the statement.';

CREATE FUNCTION authmeter.key_import(
	ring text, secret bytea, alg text DEFAULT 'HS256', kid text DEFAULT NULL,
	kid_in_header boolean DEFAULT NULL, verify_only boolean DEFAULT false)
RETURNS text
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_key_import';
COMMENT ON FUNCTION authmeter.key_import(text, bytea, text, text, boolean, boolean) IS
	'The same for a secret of any bytes.';

CREATE FUNCTION authmeter.key_generate(
	ring text DEFAULT 'default', alg text DEFAULT 'HS256', kid_in_header boolean DEFAULT true)
RETURNS text
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_key_generate';
COMMENT ON FUNCTION authmeter.key_generate(text, text, boolean) IS
	'Makes the first signing key of a ring and returns its kid. alg: HS256 (256 random bits), RS256 (2048 bits), ES256 (P-256) or EdDSA (Ed25519). Raises MA022 (key_state) when the ring has a signing key already: use key_rotate.';

CREATE FUNCTION authmeter.key_rotate(
	ring text DEFAULT 'default', overlap interval DEFAULT '30 days', alg text DEFAULT NULL,
	secret text DEFAULT NULL, activates_at timestamptz DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_key_rotate';
COMMENT ON FUNCTION authmeter.key_rotate(text, interval, text, text, timestamptz) IS
	'Brings a new signing key into a ring and returns its kid: it signs from the commit on (or from activates_at on, so that others can fetch the public key first), and the keys before it verify until overlap has passed after that. overlap: 0 to 10 years, at least the lifetime of the tokens. alg: default that of the key replaced. secret: an existing key instead of a new one, as in key_import. Whether tokens carry kid is taken over. Raises MA020 (key_unknown), MA021 (key_refused), MA022 (key_state: a rotation is pending), MA006, MA007.';

CREATE FUNCTION authmeter.key_retire(kid text, ring text DEFAULT NULL) RETURNS void
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_key_retire';
COMMENT ON FUNCTION authmeter.key_retire(text, text) IS
	'Ends a key at once: from the commit on no token of it verifies. If it was the signing key, the newest remaining one of the ring signs; if none remains, signing raises MA020. ring: needed when several rings hold the kid. Raises MA020 (key_unknown), MA022 (key_state: retired already), MA007 (argument_invalid: ambiguous).';

CREATE FUNCTION authmeter.key_reseal() RETURNS integer
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_key_reseal';
COMMENT ON FUNCTION authmeter.key_reseal() IS
	'Seals every signing key anew that an older version of the master key sealed, and returns their number. Run it after a new version was added to the master key file and before an old one is removed. Raises MA012 (seal_broken), naming the key that does not open.';

CREATE FUNCTION authmeter.key_compare(ring text, secret text, alg text DEFAULT 'HS256') RETURNS text
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_key_compare';
COMMENT ON FUNCTION authmeter.key_compare(text, text, text) IS
	'Whether a ring holds this key: absent (the ring has no key in force), present, or differs. Raises MA021 when the text is no key of that algorithm.';

CREATE FUNCTION authmeter.key_list(
	OUT ring text, OUT kid text, OUT alg text, OUT state text, OUT signs boolean,
	OUT kid_in_header boolean, OUT verify_only boolean, OUT created_at timestamptz,
	OUT activates_at timestamptz, OUT retires_at timestamptz, OUT master_key_version integer)
RETURNS SETOF record
LANGUAGE c STABLE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_key_list';
COMMENT ON FUNCTION authmeter.key_list() IS
	'Every signing key, newest first in each ring: state (pending, active, retiring, retired), whether it is the one that signs now, and the version of the master key it is sealed under. No secret.';

CREATE FUNCTION authmeter.jwks(ring text DEFAULT NULL) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT jsonb_build_object('keys', coalesce(
		jsonb_agg(k.public_jwk ORDER BY k.ring, k.activates_at DESC, k.kid), '[]'))
	FROM authmeter.signing_key k
	WHERE k.public_jwk IS NOT NULL AND NOT k.verify_only
		AND (k.retires_at IS NULL OR k.retires_at > authmeter.clock())
		AND (jwks.ring IS NULL OR k.ring = jwks.ring)
$$;
COMMENT ON FUNCTION authmeter.jwks(text) IS
	'The public keys that verify our tokens, as a JWK set (RFC 7517 section 5): of one ring or of all. Pending keys are in it, retired ones and those of others are not; a shared secret never is.';

INSERT INTO authmeter.access_rule VALUES
	('admin', 'function', 'authmeter', 'key_import'),
	('admin', 'function', 'authmeter', 'key_generate'),
	('admin', 'function', 'authmeter', 'key_rotate'),
	('admin', 'function', 'authmeter', 'key_retire'),
	('admin', 'function', 'authmeter', 'key_reseal'),
	('admin', 'function', 'authmeter', 'key_list'),
	('service', 'function', 'authmeter', 'jwks'),
	('reader', 'function', 'authmeter', 'jwks');
