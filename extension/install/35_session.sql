-- Login sessions: what a refresh token stands for, and what an access token with a sid dies with.

CREATE TABLE authmeter.session (
	user_id uuid NOT NULL REFERENCES authmeter.user (id) ON DELETE CASCADE,
	id uuid NOT NULL,
	api text NOT NULL,
	generation bigint NOT NULL,
	refresh_hash bytea CHECK (pg_catalog.octet_length(refresh_hash) OPERATOR(pg_catalog.=) 32),
	claims jsonb NOT NULL,
	token_version integer NOT NULL,
	good_version integer NOT NULL,
	replayable boolean NOT NULL,
	created_at timestamptz NOT NULL,
	rotated_at timestamptz NOT NULL,
	parent_at timestamptz,
	last_used_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	ended_at timestamptz,
	end_reason text,
	device text,
	address text,
	spared_jti text,
	PRIMARY KEY (user_id, id)
) WITH (fillfactor = 80);
CREATE INDEX session_expires_at_idx ON authmeter.session (expires_at);
COMMENT ON TABLE authmeter.session IS
	'Login sessions. refresh_hash is the SHA-256 of the one refresh token that is good, whose number is generation; NULL: none is (closed), access tokens live on until ended_at is set. The token itself can be made again from claims, token_version, rotated_at, expires_at and the master key. parent_at is rotated_at of the generation before; replayable: the parent may be answered with the current token, nobody has used that yet. good_version is the user''s token version that the session is good for; the access token spared_jti is good for it too. Rows are removed a day after they expired or ended.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.session', '');

CREATE TYPE authmeter.session_result AS (
	outcome text, reason text, user_id uuid, session_id uuid, access_token text, refresh_token text,
	replayed boolean);
COMMENT ON TYPE authmeter.session_result IS
	'How a call about one session ended: outcome ok or refused; reason, which is for the audit trail and not for clients; user and session as far as they are known; with ok the tokens; replayed when the refresh token was given out before.';

CREATE FUNCTION authmeter.session_start(
	user_id uuid, api text, claims jsonb DEFAULT '{}', access_lifetime interval DEFAULT '15 minutes',
	refresh_lifetime interval DEFAULT '7 days', device text DEFAULT NULL, address text DEFAULT NULL,
	request_id text DEFAULT NULL, single boolean DEFAULT false)
RETURNS authmeter.session_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_session_start';
COMMENT ON FUNCTION authmeter.session_start(uuid, text, jsonb, interval, interval, text, text, text, boolean) IS
	'Starts a session of a user with one API and gives its access token and its first refresh token; whoever calls has proved who the user is. claims (an object) go into both tokens, as token_issue says. Lifetimes: 1 second to 3650 days, a day being 24 hours; no access token outlives its session. device (cut at 255 bytes) and address are for session_list. single = true closes the user''s other sessions with the API: of parallel starts the last one to commit is left. Until the transaction ends the user can be neither disabled nor given another password. outcome refused: reason user_unknown or user_disabled. Audited. Raises MA007 (argument_invalid) and what token_issue raises.';

CREATE FUNCTION authmeter.session_refresh(
	refresh_token text, api text, access_lifetime interval DEFAULT '15 minutes',
	refresh_lifetime interval DEFAULT '7 days', grace interval DEFAULT '10 seconds',
	reuse text DEFAULT 'end', tolerance interval DEFAULT '0', address text DEFAULT NULL,
	request_id text DEFAULT NULL)
RETURNS authmeter.session_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_session_refresh';
COMMENT ON FUNCTION authmeter.session_refresh(text, text, interval, interval, interval, text, interval, text, text) IS
	'Exchanges a refresh token for the next one and a new access token; of parallel calls one does. Within grace (0 to 1 day) after that the replaced token gets the same refresh token once more (replayed), unless it has been used by then. Any other older token is refused, and by reuse the session ends (end), can no longer be refreshed (close) or stays as it is (refuse), although the call is refused; not within tolerance (0 to 1 day) after the token was replaced, as far as the last two replacements are known. A token that was never issued changes nothing. reason: ok, replayed; invalid, expired, session_unknown, session_ended, session_closed, reused, superseded, revoked, user_unknown, user_disabled. Refusals and replays are audited. Raises MA007 (argument_invalid), MA020 (key_unknown), and 40001 (serialization_failure) when the transaction''s snapshot is too old.';

CREATE FUNCTION authmeter.session_check(refresh_token text, api text) RETURNS authmeter.session_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_session_check';
COMMENT ON FUNCTION authmeter.session_check(text, text) IS
	'Whether this is the current refresh token of a live session, with the reasons of session_refresh; gives no tokens and replaces none. Counts as a use of the token; last_used_at is noted once a minute at most, and not in a read-only transaction. Raises MA007 (argument_invalid), MA020 (key_unknown).';

CREATE FUNCTION authmeter.session_renew(
	user_id uuid, session_id uuid, access_lifetime interval DEFAULT '15 minutes',
	refresh_lifetime interval DEFAULT '7 days')
RETURNS authmeter.session_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_session_renew';
COMMENT ON FUNCTION authmeter.session_renew(uuid, uuid, interval, interval) IS
	'New tokens for a session that is open, without its refresh token: for who has just proved the user in another way, such as by changing the password with keep_session. The former refresh token is an older one from then on and is not replayable. reason as of session_refresh. Raises MA007 (argument_invalid), 40001 (serialization_failure).';

CREATE FUNCTION authmeter.session_end(user_id uuid, session_id uuid, reason text DEFAULT 'logout') RETURNS text
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_session_end';
COMMENT ON FUNCTION authmeter.session_end(uuid, uuid, text) IS
	'Ends a session: its refresh token and all its access tokens are refused from the commit on. reason: 1 to 40 characters a-z and underscores. Returns ended, or not_found when the user has no such session that has not ended. Audited. Raises MA007 (argument_invalid).';

CREATE FUNCTION authmeter.session_close(user_id uuid, session_id uuid, refresh_token text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_session_close';
COMMENT ON FUNCTION authmeter.session_close(uuid, uuid, text) IS
	'Takes a session its refresh token; access tokens live on until they expire. With a token only if that is the current one. Returns closed or not_found. Audited.';

CREATE FUNCTION authmeter.session_end_all(
	user_id uuid, except_session uuid DEFAULT NULL, reason text DEFAULT 'revoked')
RETURNS bigint
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_session_end_all';
COMMENT ON FUNCTION authmeter.session_end_all(uuid, uuid, text) IS
	'Ends all sessions of a user with all APIs, or all but one, and returns how many. Tokens without a session are the business of revoke_user_tokens. Audited. Raises MA007 (argument_invalid), 40001 (serialization_failure) when the transaction''s snapshot is too old to see one of them.';

CREATE FUNCTION authmeter.session_list(user_id uuid)
RETURNS TABLE (session_id uuid, api text, device text, address text, created_at timestamptz,
	last_used_at timestamptz, expires_at timestamptz, state text)
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT s.id, s.api, s.device, s.address, s.created_at, s.last_used_at, s.expires_at,
		CASE WHEN s.ended_at IS NOT NULL THEN 'ended' WHEN s.expires_at <= authmeter.clock() THEN 'expired'
			WHEN s.refresh_hash IS NULL THEN 'closed' ELSE 'open' END
	FROM authmeter.session s WHERE s.user_id = session_list.user_id
	ORDER BY s.created_at DESC, s.id DESC LIMIT 1000;
END;
COMMENT ON FUNCTION authmeter.session_list(uuid) IS
	'The newest 1000 sessions of a user, newest first. state: open, closed (no refresh token is good, access tokens are until they expire), expired, ended; the latter two for a day. last_used_at is the last refresh, or a check of the refresh token up to a minute ago; address that of the last refresh.';

CREATE FUNCTION authmeter.session_spare(user_id uuid, session_id uuid, jti text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	version integer;
BEGIN
	IF session_spare.jti IS NULL OR octet_length(session_spare.jti) NOT BETWEEN 1 AND 64 THEN
		RAISE EXCEPTION 'invalid jti of an access token' USING ERRCODE = 'MA007',
			HINT = 'Give the claim jti of the token that is to stay good.';
	END IF;
	SELECT u.token_version INTO version FROM authmeter.user u
	WHERE u.id = session_spare.user_id FOR NO KEY UPDATE;
	UPDATE authmeter.session s SET spared_jti = session_spare.jti, good_version = version
	WHERE s.user_id = session_spare.user_id AND s.id = session_spare.session_id AND s.ended_at IS NULL;
END
$$;
COMMENT ON FUNCTION authmeter.session_spare(uuid, uuid, text) IS
	'Lets one access token of a session that has not ended, named by its jti (1 to 64 bytes), stay good although the user''s token version was raised just now, until it expires, the session ends or the version is raised again. For the transaction that changes the password. Raises MA007 (argument_invalid).';

CREATE FUNCTION authmeter.session_purge(row_limit integer DEFAULT 1000) RETURNS bigint
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_session_purge';
COMMENT ON FUNCTION authmeter.session_purge(integer) IS
	'Removes up to row_limit (1 to 100000) rows of sessions that expired or ended a day ago or earlier and returns how many. For housekeeping. Raises MA006 (limit_exceeded).';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'session_start'),
	('service', 'function', 'authmeter', 'session_refresh'),
	('service', 'function', 'authmeter', 'session_check'),
	('service', 'function', 'authmeter', 'session_renew'),
	('service', 'function', 'authmeter', 'session_end'),
	('service', 'function', 'authmeter', 'session_close'),
	('service', 'function', 'authmeter', 'session_end_all'),
	('service', 'function', 'authmeter', 'session_list'),
	('service', 'function', 'authmeter', 'session_spare');
