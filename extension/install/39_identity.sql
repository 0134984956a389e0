-- Identity: the user that the current transaction acts for. docs/identity.md has the recipes.

CREATE FUNCTION authmeter.authenticate(token text, api text, OUT outcome text, OUT user_id uuid)
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_authenticate';
COMMENT ON FUNCTION authmeter.authenticate(text, text) IS
	'Verifies an access token of an API as token_verify does (user and session as committed now) and binds its user to the current transaction, for uid() and claims(). Pass the token by bind parameter. outcome as of token_verify; user_id with ok only. From the first step on nobody is bound any more, so after any other outcome, or an error, uid() is NULL. The binding ends with the transaction (of a statement outside a block: with the statement), with identity_clear(), and when a savepoint is rolled back that is older than the binding; what was bound before that does not come back. Never a setting: SQL cannot forge it. Raises MA007 (argument_invalid) for a null api, MA020 (key_unknown) when the API has no key.';

CREATE FUNCTION authmeter.identity_clear() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_identity_clear';
COMMENT ON FUNCTION authmeter.identity_clear() IS
	'Nobody is bound to the current transaction any more. No rollback brings the binding back.';

CREATE FUNCTION authmeter.once_support(request internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_once_support';
COMMENT ON FUNCTION authmeter.once_support(internal) IS
	'For the planner: evaluates uid() and claims() once an execution instead of once a row.';

-- Not SECURITY DEFINER, which would cost more than the call: they read nothing but the binding.
CREATE FUNCTION authmeter.uid() RETURNS uuid
LANGUAGE c STABLE PARALLEL RESTRICTED SUPPORT authmeter.once_support
AS 'MODULE_PATHNAME', 'authmeter_uid';
COMMENT ON FUNCTION authmeter.uid() IS
	'The user bound to the current transaction by authenticate(), or NULL. For row-level security: USING (owner = authmeter.uid()). Evaluated once an execution, also with a cached plan; a cursor keeps the user it began with.';

CREATE FUNCTION authmeter.claims() RETURNS jsonb
LANGUAGE c STABLE PARALLEL RESTRICTED SUPPORT authmeter.once_support
AS 'MODULE_PATHNAME', 'authmeter_claims';
COMMENT ON FUNCTION authmeter.claims() IS
	'All claims of the token that authenticate() has bound to the current transaction, or NULL.';

-- identity is for the roles that row-level security restricts: they can only show a token.
INSERT INTO authmeter.access_rule
SELECT level, 'function', 'authmeter', name
FROM pg_catalog.unnest('{service,identity}'::text[]) level,
	pg_catalog.unnest('{authenticate,identity_clear,uid,claims}'::name[]) name;
