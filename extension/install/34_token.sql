-- Session tokens of the HTTP APIs: JWT HS256 under the ring that has the API's name, refresh tokens
-- under the ring <api>-refresh.

CREATE TYPE authmeter.token_verification AS (outcome text, user_id uuid, claims jsonb, reason text);
COMMENT ON TYPE authmeter.token_verification IS
	'What token_verify answers: outcome; user_id unless invalid or expired; claims with ok only; reason, finer than the outcome and for logs only.';

CREATE FUNCTION authmeter.token_issue(
	user_id uuid, api text, use text, claims jsonb DEFAULT '{}', lifetime interval DEFAULT '15 minutes',
	session_id uuid DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_token_issue';
COMMENT ON FUNCTION authmeter.token_issue(uuid, text, text, jsonb, interval, uuid) IS
	'A session token of a user for one API and one use (access, refresh or verify), signed HS256 by the ring named like the API, a refresh token by the ring <api>-refresh; NULL when the user does not exist or is disabled, or when a session is given that the user has not, or that has ended. Claims: userId and email (or those in claims; then the user''s id is in uid; no email in a refresh token), the members of claims, iat, exp, jti (random), api, use, ver and, with a session, sid; never aud, sub or nbf. lifetime: 1 second to 3650 days. The token is at most 4096 bytes long and dies when the user''s token version is raised or its session ends. Tokens that can be refreshed are made by session_start. Raises MA007 (argument_invalid), MA023 (claims_invalid), MA006 (limit_exceeded), MA020 (key_unknown), MA022 (key_state: the ring''s key is not HS256 without kid).';

CREATE FUNCTION authmeter.token_verify(token text, api text, use text, stateless boolean DEFAULT false)
RETURNS authmeter.token_verification
LANGUAGE c STABLE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_token_verify';
COMMENT ON FUNCTION authmeter.token_verify(text, text, text, boolean) IS
	'Verifies a session token for one API and one use, by the real clock and without leeway, and looks its user and, if it has a sid, its session up as they are committed now, whatever the isolation level. Outcomes: ok, invalid (form, over 4096 bytes, algorithm, signature, claims, another API or use, revoked, session unknown or ended), expired, user_unknown (deleted), user_disabled. NULL is an invalid token. stateless = true looks nothing up: ok then says only that we made the token and that it has not expired, so a revocation, deletion or logout is not seen before the token''s exp. Whether a refresh token is its session''s current one is the business of session_check. Raises MA007 (argument_invalid) for another use, MA020 (key_unknown) when the API has no key.';

CREATE FUNCTION authmeter.token_user(token text, api text, use text)
RETURNS authmeter.user_result
LANGUAGE c STABLE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_token_user';
COMMENT ON FUNCTION authmeter.token_user(text, text, text) IS
	'The same as token_verify without the claims, for who needs only the user: outcome and user_id.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'token_issue'),
	('service', 'function', 'authmeter', 'token_verify'),
	('service', 'function', 'authmeter', 'token_user');
