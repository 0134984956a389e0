-- Session tokens of the HTTP APIs: JWT HS256 under the ring that has the API's name.

CREATE TYPE authmeter.token_verification AS (outcome text, user_id uuid, claims jsonb, reason text);
COMMENT ON TYPE authmeter.token_verification IS
	'What token_verify answers: outcome; user_id unless invalid or expired; claims with ok only; reason, finer than the outcome and for logs only.';

CREATE FUNCTION authmeter.token_issue(
	user_id uuid, api text, use text, claims jsonb DEFAULT '{}', lifetime interval DEFAULT '15 minutes')
RETURNS text
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_token_issue';
COMMENT ON FUNCTION authmeter.token_issue(uuid, text, text, jsonb, interval) IS
	'A session token of a user for one API and one use (access, refresh or verify), signed HS256 by the ring named like the API; NULL when the user does not exist or is disabled. Claims: userId and email (or those in claims; then the user''s id is in uid), the members of claims, iat, exp, jti (random), api, use, ver; never aud, sub or nbf. lifetime: 1 second to 3650 days. The token is at most 4096 bytes long and dies when the user''s token version is raised. Raises MA007 (argument_invalid), MA023 (claims_invalid), MA006 (limit_exceeded), MA020 (key_unknown), MA022 (key_state: the ring''s key is not HS256 without kid).';

CREATE FUNCTION authmeter.token_verify(token text, api text, use text)
RETURNS authmeter.token_verification
LANGUAGE c STABLE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_token_verify';
COMMENT ON FUNCTION authmeter.token_verify(text, text, text) IS
	'Verifies a session token for one API and one use, by the real clock and without leeway, and looks its user up as it is committed now, whatever the isolation level. Outcomes: ok, invalid (form, over 4096 bytes, algorithm, signature, claims, another API or use, revoked), expired, user_unknown (deleted), user_disabled. NULL is an invalid token. Raises MA007 (argument_invalid) for another use, MA020 (key_unknown) when the API has no key.';

CREATE FUNCTION authmeter.token_user(token text, api text, use text)
RETURNS authmeter.user_result
LANGUAGE c STABLE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_token_user';
COMMENT ON FUNCTION authmeter.token_user(text, text, text) IS
	'The same as token_verify without the claims, for who needs only the user: outcome and user_id.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'token_issue'),
	('service', 'function', 'authmeter', 'token_verify'),
	('service', 'function', 'authmeter', 'token_user');
