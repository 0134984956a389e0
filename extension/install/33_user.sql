-- Users: the pool that all APIs share. A person is one row, found by canonical e-mail address.

CREATE TABLE authmeter.user (
	id uuid PRIMARY KEY,
	email text COLLATE "C" NOT NULL UNIQUE,
	email_verified_at timestamptz,
	password_hash text COLLATE "C",
	name text,
	token_version integer NOT NULL DEFAULT 1,
	disabled_at timestamptz,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL
) WITH (fillfactor = 90);
COMMENT ON TABLE authmeter.user IS
	'The users of all APIs. id is a UUIDv7 with the partition of the address at creation; email is the canonical form; password_hash is bcrypt ($2b$) or NULL; tokens of a version below token_version are revoked. Changed by the functions of authmeter only.';
-- The cost of the dearest stored hash, which decides the work of a refused login.
CREATE INDEX user_password_cost_idx ON authmeter.user (pg_catalog.substr(password_hash, 5, 2))
	WHERE password_hash IS NOT NULL;
SELECT pg_catalog.pg_extension_config_dump('authmeter.user', '');

CREATE VIEW authmeter.user_info AS
	SELECT u.id AS user_id, u.email, u.email_verified_at,
		coalesce(u.name, pg_catalog.split_part(u.email, '@', 1)) AS name,
		u.password_hash IS NOT NULL AS has_password, u.token_version, u.disabled_at, u.created_at,
		u.updated_at
	FROM authmeter.user u;
COMMENT ON VIEW authmeter.user_info IS
	'Users without their password hashes. name is the part of the address before the @ when none was given.';

CREATE TYPE authmeter.user_result AS (outcome text, user_id uuid);
COMMENT ON TYPE authmeter.user_result IS
	'How a call about one user ended, and the user; user_id is NULL when there is none to name.';
CREATE TYPE authmeter.login_result AS (outcome text, user_id uuid, retry_after_s bigint);
COMMENT ON TYPE authmeter.login_result IS
	'How a login ended: user_id with outcome ok only, retry_after_s (whole seconds) with rate_limited only.';

CREATE FUNCTION authmeter.user_email_canonical(email text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authmeter_user_email_canonical';
COMMENT ON FUNCTION authmeter.user_email_canonical(text) IS
	'The form under which an e-mail address is stored, looked up and unique: trimmed, NFKC, lower case, Unicode domain labels. NULL when the text is no address (one @, a dot in the domain, no blanks, at most 254 bytes).';

CREATE FUNCTION authmeter.user_create(
	email text, password text DEFAULT NULL, name text DEFAULT NULL,
	email_verified boolean DEFAULT false, password_length_min integer DEFAULT 8,
	bcrypt_cost integer DEFAULT NULL)
RETURNS authmeter.user_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE COST 100000
AS 'MODULE_PATHNAME', 'authmeter_user_create';
COMMENT ON FUNCTION authmeter.user_create(text, text, text, boolean, integer, integer) IS
	'Makes a user; without a password nobody can log in as it by password. Outcomes: created, email_taken (of parallel calls for one address exactly one creates), email_invalid, password_too_short (in characters), password_too_long (over 72 bytes of UTF-8), password_invalid. bcrypt_cost is 10 to 15 (from 4 in development), NULL: as authmeter.bcrypt_cost says. Raises MA032 (user_field_invalid) for a name that has not 1 to 255 characters, MA007 (argument_invalid).';

CREATE FUNCTION authmeter.user_import(
	email text, password_hash text, name text DEFAULT NULL, email_verified boolean DEFAULT false,
	created_at timestamptz DEFAULT NULL)
RETURNS authmeter.user_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_user_import';
COMMENT ON FUNCTION authmeter.user_import(text, text, text, boolean, timestamptz) IS
	'Makes a user with a bcrypt hash from another system: $2a$, $2b$ or $2y$, cost 4 to 15, or NULL for none; $2x$ is refused. A hash cheaper than authmeter.bcrypt_cost is renewed at the first login; a dearer one raises the work of every refused login to its own. Outcomes: created, email_taken, email_invalid, password_hash_invalid. Raises MA032 (user_field_invalid).';

CREATE FUNCTION authmeter.user_password_set(
	user_id uuid, password text, password_length_min integer DEFAULT 8, keep_session uuid DEFAULT NULL,
	bcrypt_cost integer DEFAULT NULL)
RETURNS authmeter.user_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE COST 100000
AS 'MODULE_PATHNAME', 'authmeter_user_password_set';
COMMENT ON FUNCTION authmeter.user_password_set(uuid, text, integer, uuid, integer) IS
	'Gives a user a new password, revokes all its tokens, ends its sessions with all APIs and kills its pending one-time codes and tokens: use up the one that proves the caller first. The session keep_session stays: its access tokens are revoked, its refresh token is good; session_renew replaces it. bcrypt_cost is 10 to 15 (from 4 in development), NULL: as authmeter.bcrypt_cost says. Outcomes: password_set, not_found, password_too_short, password_too_long, password_invalid. Raises MA007 (argument_invalid).';

CREATE FUNCTION authmeter.user_login(
	email text, password text, address text DEFAULT NULL, request_id text DEFAULT NULL,
	name text DEFAULT NULL)
RETURNS authmeter.login_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE COST 100000
AS 'MODULE_PATHNAME', 'authmeter_user_login';
COMMENT ON FUNCTION authmeter.user_login(text, text, text, text, text) IS
	'Checks a password. Outcomes: ok; refused, which takes the same time and shows the same for an unknown address, a wrong password, no password and a disabled user (audit_list has the true reason); unverified, for the right password of the newest pending registration of an address without a user; password_too_long (over 72 bytes, found before anything else); rate_limited after authmeter.login_failures failures of this account from this client address (NULL: one bucket for all unknown addresses). name is for logins by another name than the address: when nobody has it, pass it (1 to 255 bytes) with email NULL, so that it is refused and counted as an account''s would be. A hash cheaper than authmeter.bcrypt_cost is renewed on success. Until the transaction ends the user can be neither disabled nor given another password. Raises MA008 (transaction_block) inside a transaction block when the library is not preloaded.';

CREATE FUNCTION authmeter.user_find(email text) RETURNS SETOF authmeter.user_info
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL UNSAFE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$ SELECT i.* FROM authmeter.user_info i WHERE i.email = authmeter.user_email_canonical($1) $$;
COMMENT ON FUNCTION authmeter.user_find(text) IS
	'The user with this e-mail address in any spelling; no row when there is none.';

CREATE FUNCTION authmeter.user_get(user_id uuid) RETURNS SETOF authmeter.user_info
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL UNSAFE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$ SELECT i.* FROM authmeter.user_info i WHERE i.user_id = $1 $$;
COMMENT ON FUNCTION authmeter.user_get(uuid) IS
	'The user with this id; no row when there is none.';

CREATE FUNCTION authmeter.user_list(after uuid DEFAULT NULL, page_size integer DEFAULT 100)
RETURNS SETOF authmeter.user_info
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF page_size IS NULL OR page_size NOT BETWEEN 1 AND 1000 THEN
		RAISE EXCEPTION 'page size is out of range'
			USING ERRCODE = 'MA006', HINT = 'Ask for 1 to 1000 rows and continue with the last user_id as "after".';
	END IF;
	RETURN QUERY SELECT i.* FROM authmeter.user_info i
		WHERE i.user_id > coalesce(after, '00000000-0000-0000-0000-000000000000')
		ORDER BY i.user_id LIMIT page_size;
END
$$;
COMMENT ON FUNCTION authmeter.user_list(uuid, integer) IS
	'One page of the users, oldest first. page_size is 1 to 1000; the next page starts after the last user_id of this one. Raises MA006 (limit_exceeded).';

CREATE FUNCTION authmeter.user_update(user_id uuid, email text DEFAULT NULL, name text DEFAULT NULL)
RETURNS authmeter.user_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	canonical text := authmeter.user_email_canonical(user_update.email);
	updated boolean;
BEGIN
	IF char_length(user_update.name) NOT BETWEEN 1 AND 255 THEN
		RAISE EXCEPTION 'name of a user must have 1 to 255 characters'
			USING ERRCODE = 'MA032', HINT = 'Pass NULL to leave the name as it is.';
	END IF;
	IF user_update.email IS NOT NULL AND canonical IS NULL THEN
		RETURN ('email_invalid', user_update.user_id)::authmeter.user_result;
	END IF;
	BEGIN
		UPDATE authmeter.user u SET
			email = coalesce(canonical, u.email),
			email_verified_at = CASE WHEN coalesce(canonical, u.email) = u.email THEN u.email_verified_at END,
			name = coalesce(user_update.name, u.name),
			updated_at = authmeter.clock()
		WHERE u.id = user_update.user_id;
		updated := FOUND;
	EXCEPTION WHEN unique_violation THEN
		RETURN ('email_taken', user_update.user_id)::authmeter.user_result;
	END;
	IF NOT updated THEN
		RETURN ('not_found', NULL)::authmeter.user_result;
	END IF;
	PERFORM authmeter.audit_append('user_update', user_update.user_id, 'updated');
	RETURN ('updated', user_update.user_id)::authmeter.user_result;
END
$$;
COMMENT ON FUNCTION authmeter.user_update(uuid, text, text) IS
	'Changes the e-mail address or the name; NULL leaves it as it is. A new address is not verified, and the id keeps its partition. Outcomes: updated, not_found, email_invalid, email_taken. Raises MA032 (user_field_invalid).';

CREATE FUNCTION authmeter.user_disable(user_id uuid) RETURNS authmeter.user_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	UPDATE authmeter.user u SET
		disabled_at = coalesce(u.disabled_at, authmeter.clock()),
		token_version = u.token_version + 1,
		updated_at = authmeter.clock()
	WHERE u.id = user_disable.user_id;
	IF NOT FOUND THEN
		RETURN ('not_found', NULL)::authmeter.user_result;
	END IF;
	PERFORM authmeter.session_end_all(user_disable.user_id, reason => 'disabled');
	PERFORM authmeter.audit_append('user_disable', user_disable.user_id, 'disabled');
	RETURN ('disabled', user_disable.user_id)::authmeter.user_result;
END
$$;
COMMENT ON FUNCTION authmeter.user_disable(uuid) IS
	'Locks a user out: logins are refused, all tokens revoked and all sessions ended, for good, also when the user is enabled again. Outcomes: disabled, not_found.';

CREATE FUNCTION authmeter.user_enable(user_id uuid) RETURNS authmeter.user_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	UPDATE authmeter.user u SET disabled_at = NULL, updated_at = authmeter.clock()
	WHERE u.id = user_enable.user_id;
	IF NOT FOUND THEN
		RETURN ('not_found', NULL)::authmeter.user_result;
	END IF;
	PERFORM authmeter.audit_append('user_enable', user_enable.user_id, 'enabled');
	RETURN ('enabled', user_enable.user_id)::authmeter.user_result;
END
$$;
COMMENT ON FUNCTION authmeter.user_enable(uuid) IS
	'Lets a disabled user log in again. Outcomes: enabled, not_found.';

CREATE FUNCTION authmeter.user_delete(user_id uuid) RETURNS authmeter.user_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	DELETE FROM authmeter.user u WHERE u.id = user_delete.user_id;
	IF NOT FOUND THEN
		RETURN ('not_found', NULL)::authmeter.user_result;
	END IF;
	PERFORM authmeter.audit_append('user_delete', user_delete.user_id, 'deleted');
	RETURN ('deleted', user_delete.user_id)::authmeter.user_result;
END
$$;
COMMENT ON FUNCTION authmeter.user_delete(uuid) IS
	'Deletes a user from the pool with everything that belongs to it, except its rows of the audit trail. Outcomes: deleted, not_found.';

CREATE FUNCTION authmeter.revoke_user_tokens(user_id uuid) RETURNS authmeter.user_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	UPDATE authmeter.user u SET token_version = u.token_version + 1, updated_at = authmeter.clock()
	WHERE u.id = revoke_user_tokens.user_id;
	IF NOT FOUND THEN
		RETURN ('not_found', NULL)::authmeter.user_result;
	END IF;
	PERFORM authmeter.session_end_all(revoke_user_tokens.user_id);
	PERFORM authmeter.audit_append('revoke_user_tokens', revoke_user_tokens.user_id, 'revoked');
	RETURN ('revoked', revoke_user_tokens.user_id)::authmeter.user_result;
END
$$;
COMMENT ON FUNCTION authmeter.revoke_user_tokens(uuid) IS
	'Revokes every token of a user, of all APIs, and ends its sessions, from the commit on. Outcomes: revoked, not_found.';

CREATE FUNCTION authmeter.user_email_prove(user_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	registered boolean;
BEGIN
	SELECT u.password_hash IS NOT NULL INTO registered FROM authmeter.user u
	WHERE u.id = user_email_prove.user_id AND u.email_verified_at IS NULL FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	UPDATE authmeter.user u SET email_verified_at = authmeter.clock(), password_hash = NULL,
		token_version = u.token_version + 1, updated_at = authmeter.clock()
	WHERE u.id = user_email_prove.user_id;
	PERFORM authmeter.session_end_all(user_email_prove.user_id, reason => 'email_proved');
	PERFORM authmeter.totp_disable(user_email_prove.user_id);
	-- Without a password nobody but the operator's services can have put it there.
	IF registered THEN
		DELETE FROM authmeter.vsplugin_profile p WHERE p.user_id = user_email_prove.user_id;
		PERFORM authmeter.api_key_revoke_all(user_email_prove.user_id);
	END IF;
	PERFORM authmeter.audit_append('user_email_prove', user_email_prove.user_id, 'proved');
END
$$;
COMMENT ON FUNCTION authmeter.user_email_prove(uuid) IS
	'For who has seen proof that the user reads the mail of its address. The first time the address becomes verified, and what somebody else may have planted before is dropped: the password, the second factor, all tokens and sessions, and the API keys of an account that had a password. Does nothing for a verified address or an unknown user.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'user_email_canonical'),
	('service', 'function', 'authmeter', 'user_create'),
	('service', 'function', 'authmeter', 'user_login'),
	('service', 'function', 'authmeter', 'user_find'),
	('service', 'function', 'authmeter', 'user_get'),
	('service', 'function', 'authmeter', 'revoke_user_tokens'),
	('service', 'function', 'authmeter', 'user_email_prove'),
	('admin', 'function', 'authmeter', 'user_import'),
	('admin', 'function', 'authmeter', 'user_password_set'),
	('admin', 'function', 'authmeter', 'user_list'),
	('admin', 'function', 'authmeter', 'user_update'),
	('admin', 'function', 'authmeter', 'user_disable'),
	('admin', 'function', 'authmeter', 'user_enable'),
	('admin', 'function', 'authmeter', 'user_delete'),
	('admin', 'view', 'authmeter', 'user_info');
