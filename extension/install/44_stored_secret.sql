-- Sealed secrets of the API files. Nothing here is open to a level of grant_access: each API file
-- has functions of its own that say who may see what.

CREATE TABLE authmeter.deployment_secret (
	api text NOT NULL,
	name text NOT NULL,
	sealed bytea NOT NULL,
	created_at timestamptz NOT NULL,
	PRIMARY KEY (api, name)
);
COMMENT ON TABLE authmeter.deployment_secret IS
	'Secrets that an API was deployed with and that are no signing keys, such as API_KEY of vsplugin; sealed under the master key.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.deployment_secret', '');

CREATE FUNCTION authmeter.secret_seal(purpose text, owner text, object text, secret text) RETURNS bytea
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_secret_seal';
COMMENT ON FUNCTION authmeter.secret_seal(text, text, text, text) IS
	'Seals a text of up to 65536 bytes (AES-256-GCM under the master key), bound to purpose, owner and object. For authmeter''s own functions. Raises MA010, MA011 (master key) and MA006 (limit_exceeded).';

CREATE FUNCTION authmeter.secret_open(purpose text, owner text, object text, sealed bytea) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_secret_open';
COMMENT ON FUNCTION authmeter.secret_open(text, text, text, bytea) IS
	'Opens what secret_seal sealed for the same purpose, owner and object. For authmeter''s own functions. Raises MA012 (seal_broken) for anything else.';

CREATE FUNCTION authmeter.secret_handle(purpose text, owner text, secret text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_secret_handle';
COMMENT ON FUNCTION authmeter.secret_handle(text, text, text) IS
	'24 base64url characters that stand for a secret of an owner: a keyed hash, useless as the secret and the same as long as it and the oldest version of the master key stay. For authmeter''s own functions.';
