-- Service tokens: how a backend service proves itself to an endpoint (contract I12).

CREATE TABLE authmeter.service_token (
	id uuid PRIMARY KEY,
	name text NOT NULL,
	scopes text[] NOT NULL,
	token_hash bytea NOT NULL UNIQUE,
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	revoked_at timestamptz
);
CREATE UNIQUE INDEX service_token_name_idx ON authmeter.service_token (name) WHERE revoked_at IS NULL;
COMMENT ON TABLE authmeter.service_token IS
	'Service tokens by the SHA-256 of the token; the token itself is shown once, when it is made. A name belongs to one token that is not revoked.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.service_token', '');

CREATE FUNCTION authmeter.create_service_token(name text, scopes text[], lifetime interval) RETURNS text
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_create_service_token';
COMMENT ON FUNCTION authmeter.create_service_token(text, text[], interval) IS
	'Makes a service token and returns it; it cannot be shown again. name: 1 to 63 letters, digits, . _ -, not that of a live token; scopes: one or more of vsplugin:signup, autoverse:credits, autoverse:payments, autoverse:byok, jobpsych:uploads, jobpsych:reset, quizzer:validate; lifetime: 1 second to 3650 days. Audited. Raises MA071 (service_token_invalid).';

CREATE FUNCTION authmeter.revoke_service_token(name text) RETURNS text
LANGUAGE c VOLATILE STRICT SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_revoke_service_token';
COMMENT ON FUNCTION authmeter.revoke_service_token(text) IS
	'Ends the live service token of that name, from the commit on, and frees the name. Returns revoked or unknown. Audited. Raises MA071 (service_token_invalid) for a text that can be no name.';

CREATE FUNCTION authmeter.service_token_allows(token text, scope text) RETURNS boolean
LANGUAGE c STABLE SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_service_token_allows';
COMMENT ON FUNCTION authmeter.service_token_allows(text, text) IS
	'Whether the text is a service token that is neither expired nor revoked and has the scope. NULL, unknown and malformed tokens are all just false. Pass the token by bind parameter.';

CREATE FUNCTION authmeter.service_token_list()
RETURNS TABLE (name text, scopes text[], state text, created_at timestamptz, expires_at timestamptz, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT t.name, t.scopes,
		CASE WHEN t.revoked_at IS NOT NULL THEN 'revoked'
			WHEN t.expires_at <= authmeter.clock() THEN 'expired' ELSE 'live' END,
		t.created_at, t.expires_at, t.revoked_at
	FROM authmeter.service_token t ORDER BY t.name, t.created_at;
END;
COMMENT ON FUNCTION authmeter.service_token_list() IS
	'All service tokens by name, with their state: live, expired or revoked. The token itself is not stored and cannot be shown.';

INSERT INTO authmeter.access_rule VALUES
	('admin', 'function', 'authmeter', 'create_service_token'),
	('admin', 'function', 'authmeter', 'revoke_service_token'),
	('admin', 'function', 'authmeter', 'service_token_list'),
	('service', 'function', 'authmeter', 'service_token_allows');
