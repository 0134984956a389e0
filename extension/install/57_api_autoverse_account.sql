-- The autoverse API: what a user does with the account: passwords, switches, the authenticator,
-- deletion, sessions, and sessions handed over to another web site.

-- Passwords ---------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.autoverse_password_refusal(
	request jsonb, caller authmeter_http.autoverse_caller, password text, INOUT headers jsonb, OUT refusal text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	login authmeter.login_result;
BEGIN
	-- What follows writes the row: two such calls that both held it shared would wait for each other.
	PERFORM FROM authmeter.user u WHERE u.id = caller.user_id FOR UPDATE;
	login := authmeter.user_login(caller.email, password, request->>'ip', request->>'id');
	headers := authmeter_http.autoverse_retry_after(headers, login.retry_after_s);
	IF login.outcome = 'rate_limited' THEN
		refusal := 'limit_login';
	ELSIF login.outcome <> 'ok' OR login.user_id <> caller.user_id THEN
		refusal := 'password_wrong';
	END IF;
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_password_refusal(jsonb, authmeter_http.autoverse_caller, text, jsonb) IS
	'Whether a password is the caller''s, guessed as often as at the login. refusal NULL: it is; else the cause, with the headers that belong to it.';

CREATE FUNCTION authmeter_http.autoverse_token_refusal(
	token text, email text, purposes text[], OUT refusal text, OUT address text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	proof record := authmeter.one_time_token_check(token, 'autoverse');
BEGIN
	address := proof.address;
	refusal := CASE
		WHEN proof.outcome = 'expired' THEN 'token_expired'
		WHEN proof.outcome <> 'ok' THEN 'token_refused'
		WHEN proof.purpose <> ALL (purposes) THEN 'token_purpose'
		WHEN proof.address <> email THEN 'token_email' END;
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_token_refusal(text, text, text[]) IS
	'Looks at a verification token without using it up; email NULL: of any address. refusal NULL: it is good, for the address; else the cause.';

CREATE FUNCTION authmeter_http.autoverse_change_password(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_authenticate(request, 'password');
	token text := authmeter_http.body_text(request, 'verificationToken');
	by_token boolean := coalesce(jsonb_typeof(request#>'{body,verificationToken}'), 'null') <> 'null';
	details text := authmeter_http.autoverse_field_errors(request,
		CASE WHEN by_token THEN 'verificationToken' ELSE 'currentPassword' END, 'newPassword');
	by_password record;
	refusal text;
	set_outcome text;
	session authmeter.session_result;
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	ELSIF details IS NOT NULL THEN
		RETURN authmeter_http.autoverse_invalid(details, caller.headers);
	ELSIF by_token THEN
		refusal := (authmeter_http.autoverse_token_refusal(token, caller.email, '{verification,password-reset}')).refusal;
	ELSE
		by_password := authmeter_http.autoverse_password_refusal(request, caller,
			authmeter_http.body_text(request, 'currentPassword'), caller.headers);
		refusal := by_password.refusal;
		caller.headers := by_password.headers;
	END IF;
	IF refusal IS NOT NULL THEN
		PERFORM authmeter_http.autoverse_audit(request, 'change_password', caller.user_id, refusal);
		RETURN authmeter_http.autoverse_error(refusal, caller.headers);
	END IF;
	IF by_token THEN
		PERFORM authmeter.one_time_token_use(token);
	END IF;
	set_outcome := (authmeter.user_password_set(caller.user_id, authmeter_http.body_text(request, 'newPassword'), 8,
		keep_session => caller.session_id)).outcome;
	IF set_outcome = 'not_found' THEN
		RETURN authmeter_http.autoverse_error('user_unknown', caller.headers);
	ELSIF set_outcome <> 'password_set' THEN
		RAISE EXCEPTION 'change of a password ended with outcome %', set_outcome USING ERRCODE = 'MA080';
	END IF;
	session := authmeter_http.autoverse_session_renew(request, caller);
	PERFORM authmeter_http.autoverse_audit(request, 'change_password', caller.user_id, 'ok');
	RETURN authmeter_http.autoverse_reply(200,
		format('{"message":"Password updated successfully","email":%s,"accessToken":%s}', to_json(caller.email),
			to_json(session.access_token)),
		caller.headers, authmeter_http.autoverse_session_cookies(request, session.access_token, session.refresh_token));
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_change_password(jsonb) IS
	'POST /change-password: with the current password or a verification token. All other sessions end; the caller''s goes on with new tokens.';

CREATE FUNCTION authmeter_http.autoverse_session_renew(request jsonb, caller authmeter_http.autoverse_caller)
RETURNS authmeter.session_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	session authmeter.session_result;
BEGIN
	IF caller.session_id IS NOT NULL THEN
		session := authmeter.session_renew(caller.user_id, caller.session_id,
			authmeter_http.autoverse_lifetime('autoverse.access_ttl'),
			authmeter_http.autoverse_lifetime('autoverse.refresh_ttl'));
	END IF;
	IF session.outcome IS DISTINCT FROM 'ok' THEN
		session := authmeter_http.autoverse_session_start(request, caller.user_id);
	END IF;
	RETURN session;
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_session_renew(jsonb, authmeter_http.autoverse_caller) IS
	'New tokens for the session of a caller who has just set a password; a new session for one whose token has none.';

CREATE FUNCTION authmeter_http.autoverse_reset_proof(request jsonb, OUT refusal text, OUT address text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	token text := coalesce(authmeter_http.body_text(request, 'verificationToken'), authmeter_http.body_text(request, 'token'));
	email text := authmeter.user_email_canonical(authmeter_http.body_text(request, 'email'));
	by_token record;
BEGIN
	IF token IS NULL THEN
		refusal := CASE WHEN (authmeter.otp_verify('password-reset', email, authmeter_http.body_text(request, 'otp'),
			false)).outcome <> 'ok' THEN 'otp_refused' END;
		address := email;
	ELSE
		by_token := authmeter_http.autoverse_token_refusal(token, email, '{password-reset}');
		refusal := CASE by_token.refusal WHEN 'token_expired' THEN 'token_refused' ELSE by_token.refusal END;
		address := coalesce(by_token.address, email);
	END IF;
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_reset_proof(jsonb) IS
	'Looks at the proof of a password reset without using it up. refusal NULL: it is good, for the address; else the cause.';

CREATE FUNCTION authmeter_http.autoverse_reset_rules(request jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE
	WHEN coalesce(jsonb_typeof(request#>'{body,verificationToken}'), 'null') <> 'null'
		THEN '{email?,verificationToken,newPassword}'::text[]
	WHEN coalesce(jsonb_typeof(request#>'{body,token}'), 'null') <> 'null' THEN '{email?,token,newPassword}'
	ELSE '{email,otp,newPassword}' END;
COMMENT ON FUNCTION authmeter_http.autoverse_reset_rules(jsonb) IS
	'Which fields a password reset must have, by the proof that comes with it.';

CREATE FUNCTION authmeter_http.autoverse_reset_password(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_begin(request, 'password');
	details text := authmeter_http.autoverse_field_errors(request,
		VARIADIC authmeter_http.autoverse_reset_rules(request));
	token text := coalesce(authmeter_http.body_text(request, 'verificationToken'), authmeter_http.body_text(request, 'token'));
	proof record;
	account_id uuid;
	set_outcome text := 'not_found';
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	ELSIF details IS NOT NULL THEN
		RETURN authmeter_http.autoverse_invalid(details, caller.headers);
	END IF;
	caller := authmeter_http.autoverse_limit(request, 'password', caller,
		email => authmeter.user_email_canonical(authmeter_http.body_text(request, 'email')));
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	END IF;
	proof := authmeter_http.autoverse_reset_proof(request);
	account_id := authmeter_http.autoverse_account(proof.address);
	IF proof.refusal IS NULL AND account_id IS NOT NULL THEN
		-- The proof is used up first: a new password drops every code and token of the address.
		PERFORM CASE WHEN token IS NULL THEN authmeter.otp_use('password-reset', proof.address)
			ELSE authmeter.one_time_token_use(token) END;
		PERFORM authmeter.user_email_prove(account_id);
		set_outcome := (authmeter.user_password_set(account_id, authmeter_http.body_text(request, 'newPassword'), 8)).outcome;
	END IF;
	PERFORM authmeter_http.autoverse_audit(request, 'reset_password', account_id,
		coalesce(proof.refusal, set_outcome), proof.address);
	IF proof.refusal IS NOT NULL THEN
		RETURN authmeter_http.autoverse_error(proof.refusal, caller.headers);
	ELSIF set_outcome = 'not_found' THEN
		RETURN authmeter_http.autoverse_error('reset_user_unknown', caller.headers);
	ELSIF set_outcome <> 'password_set' THEN
		RAISE EXCEPTION 'reset of a password ended with outcome %', set_outcome USING ERRCODE = 'MA080';
	END IF;
	RETURN authmeter_http.autoverse_reply(200, '{"message":"Password reset successfully!"}', caller.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_reset_password(jsonb) IS
	'POST /reset-password: a new password for who proves the mailbox, by a code or a verification token. All sessions end.';

-- Switches ------------------------------------------------------------------------------------------

CREATE FUNCTION authmeter.autoverse_profile_set(
	user_id uuid, email_enabled boolean DEFAULT NULL, two_factor_enabled boolean DEFAULT NULL)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO authmeter.autoverse_profile AS p (user_id, email_enabled, two_factor_enabled)
	SELECT u.id, coalesce(autoverse_profile_set.email_enabled, true),
		coalesce(autoverse_profile_set.two_factor_enabled, false)
	FROM authmeter.user u WHERE u.id = autoverse_profile_set.user_id FOR KEY SHARE
	ON CONFLICT ON CONSTRAINT autoverse_profile_pkey DO UPDATE SET
		email_enabled = coalesce(autoverse_profile_set.email_enabled, p.email_enabled),
		two_factor_enabled = coalesce(autoverse_profile_set.two_factor_enabled, p.two_factor_enabled);
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION authmeter.autoverse_profile_set(uuid, boolean, boolean) IS
	'Sets switches of a user of the autoverse API; NULL leaves one as it is. False when there is no such user. For authmeter''s own functions.';

CREATE FUNCTION authmeter_http.autoverse_notifications(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_authenticate(request, 'account');
	details text := authmeter_http.autoverse_field_errors(request, 'emailEnabled');
	enabled boolean;
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	ELSIF details IS NOT NULL THEN
		RETURN authmeter_http.autoverse_invalid(details, caller.headers);
	END IF;
	enabled := (request#>'{body,emailEnabled}')::boolean;
	IF NOT authmeter.autoverse_profile_set(caller.user_id, email_enabled => enabled) THEN
		RETURN authmeter_http.autoverse_error('user_unknown', caller.headers);
	END IF;
	RETURN authmeter_http.autoverse_reply(200,
		format('{"message":"Notification preferences updated successfully","preferences":{"emailEnabled":%s}}',
			to_json(enabled)), caller.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_notifications(jsonb) IS
	'POST /notifications: whether the user wants mail that is not necessary.';

CREATE FUNCTION authmeter_http.autoverse_two_factor(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_authenticate(request, 'account');
	details text := authmeter_http.autoverse_field_errors(request, 'enabled');
	enabled boolean;
	proof record;
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	ELSIF details IS NOT NULL THEN
		RETURN authmeter_http.autoverse_invalid(details, caller.headers);
	END IF;
	enabled := (request#>'{body,enabled}')::boolean;
	-- A stolen access token must not be enough to take an authenticator away.
	IF NOT enabled AND authmeter.totp_enabled(caller.user_id) THEN
		proof := authmeter_http.autoverse_totp_proof(request, caller);
		IF proof.refusal IS NOT NULL THEN
			RETURN authmeter_http.autoverse_error(proof.refusal, proof.headers);
		END IF;
		PERFORM authmeter.totp_disable(caller.user_id);
	END IF;
	IF NOT authmeter.autoverse_profile_set(caller.user_id, two_factor_enabled => enabled) THEN
		RETURN authmeter_http.autoverse_error('user_unknown', caller.headers);
	END IF;
	PERFORM authmeter_http.autoverse_audit(request, 'two_factor', caller.user_id,
		CASE WHEN enabled THEN 'enabled' ELSE 'disabled' END);
	RETURN authmeter_http.autoverse_reply(200,
		format('{"message":"Two-factor authentication %s successfully","twoFactorEnabled":%s}',
			CASE WHEN enabled THEN 'enabled' ELSE 'disabled' END, to_json(enabled)), caller.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_two_factor(jsonb) IS
	'POST /two-factor: the switch of the second factor. Switching it off takes an authenticator away, which needs its code (field otp) or the password.';

-- The authenticator -----------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.autoverse_totp_proof(
	request jsonb, caller authmeter_http.autoverse_caller, OUT refusal text, OUT headers jsonb)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	code text := coalesce(authmeter_http.body_filled(request, 'otp'), authmeter_http.body_filled(request, 'code'));
	password text := authmeter_http.body_filled(request, 'password');
	by_code record;
	by_password record;
BEGIN
	headers := caller.headers;
	IF code IS NOT NULL THEN
		by_code := authmeter.totp_verify(caller.user_id, code, request->>'ip', request->>'id');
		refusal := CASE by_code.outcome WHEN 'ok' THEN NULL WHEN 'rate_limited' THEN 'limit_login' ELSE 'otp_refused' END;
		headers := authmeter_http.autoverse_retry_after(headers, by_code.retry_after_s);
	ELSIF password IS NOT NULL THEN
		by_password := authmeter_http.autoverse_password_refusal(request, caller, password, caller.headers);
		refusal := by_password.refusal;
		headers := by_password.headers;
	ELSE
		refusal := 'proof_missing';
	END IF;
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_totp_proof(jsonb, authmeter_http.autoverse_caller) IS
	'What takes an authenticator away: a code of it or a recovery code (field otp or code), or the password. refusal NULL: it is proved; else the cause, with the headers that belong to it.';

CREATE FUNCTION authmeter_http.autoverse_totp_enroll(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_authenticate(request, 'account');
	enrolled record;
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	ELSIF authmeter.totp_enabled(caller.user_id) THEN
		RETURN authmeter_http.autoverse_error('totp_enabled', caller.headers);
	END IF;
	enrolled := authmeter.totp_enroll(caller.user_id, 'Autoverse Hub');
	RETURN authmeter_http.autoverse_reply(200, format('{"secret":%s,"otpauthUrl":%s}', to_json(enrolled.secret),
		to_json(enrolled.uri)), caller.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_totp_enroll(jsonb) IS
	'POST /two-factor/totp: a secret for an authenticator, which counts only once a code of it was confirmed.';

CREATE FUNCTION authmeter_http.autoverse_totp_confirm(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_authenticate(request, 'account');
	details text := authmeter_http.autoverse_field_errors(request, 'code');
	confirmed record;
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	ELSIF details IS NOT NULL THEN
		RETURN authmeter_http.autoverse_invalid(details, caller.headers);
	END IF;
	confirmed := authmeter.totp_confirm(caller.user_id, authmeter_http.body_text(request, 'code'));
	PERFORM authmeter_http.autoverse_audit(request, 'totp_confirm', caller.user_id, confirmed.outcome);
	IF confirmed.outcome = 'ok' THEN
		PERFORM authmeter.autoverse_profile_set(caller.user_id, two_factor_enabled => true);
		RETURN authmeter_http.autoverse_reply(200,
			format('{"recoveryCodes":%s}', array_to_json(confirmed.recovery_codes)), caller.headers);
	END IF;
	IF confirmed.outcome = 'rate_limited' THEN
		RETURN authmeter_http.autoverse_error('limit_login', authmeter_http.autoverse_retry_after(caller.headers, 60));
	END IF;
	RETURN authmeter_http.autoverse_error('otp_refused', caller.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_totp_confirm(jsonb) IS
	'POST /two-factor/totp/confirm: switches the authenticator and the second factor on, and shows the recovery codes once.';

CREATE FUNCTION authmeter_http.autoverse_totp_disable(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_authenticate(request, 'account');
	proof record;
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	ELSIF NOT authmeter.totp_enabled(caller.user_id) THEN
		RETURN authmeter_http.autoverse_error('totp_missing', caller.headers);
	END IF;
	proof := authmeter_http.autoverse_totp_proof(request, caller);
	PERFORM authmeter_http.autoverse_audit(request, 'totp_disable', caller.user_id, coalesce(proof.refusal, 'ok'));
	IF proof.refusal IS NOT NULL THEN
		RETURN authmeter_http.autoverse_error(proof.refusal, proof.headers);
	END IF;
	PERFORM authmeter.totp_disable(caller.user_id);
	RETURN authmeter_http.autoverse_reply(200, '{"message":"Authenticator removed successfully"}', caller.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_totp_disable(jsonb) IS
	'DELETE /two-factor/totp: takes the authenticator away, with a code of it or the password. The switch of the second factor stays.';

-- Deletion --------------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.autoverse_deletion_refusal(
	request jsonb, caller authmeter_http.autoverse_caller, OUT refusal text, OUT headers jsonb)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	token text := authmeter_http.body_filled(request, 'verificationToken');
	code text := authmeter_http.body_filled(request, 'otp');
	password text := authmeter_http.body_filled(request, 'password');
	by_password record;
BEGIN
	headers := caller.headers;
	refusal := 'proof_missing';
	IF token IS NOT NULL THEN
		refusal := CASE WHEN (authmeter_http.autoverse_token_refusal(token, caller.email, '{account-deletion}')).refusal
			IS NOT NULL THEN 'proof_missing' END;
	ELSIF code IS NOT NULL THEN
		refusal := CASE WHEN (authmeter.otp_verify('account-deletion', caller.email, code, false)).outcome <> 'ok'
			THEN 'proof_missing' END;
	ELSIF password IS NOT NULL THEN
		by_password := authmeter_http.autoverse_password_refusal(request, caller, password, caller.headers);
		refusal := CASE by_password.refusal WHEN 'password_wrong' THEN 'proof_missing' ELSE by_password.refusal END;
		headers := by_password.headers;
	END IF;
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_deletion_refusal(jsonb, authmeter_http.autoverse_caller) IS
	'The proof that the policy autoverse.delete_account asks for when strict: a code, a verification token or the password. refusal NULL: it is good; else the cause, with the headers that belong to it.';

CREATE FUNCTION authmeter_http.autoverse_delete_account(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_authenticate(request, 'account');
	proof record;
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	ELSIF authmeter_http.policy_strict('autoverse.delete_account') THEN
		proof := authmeter_http.autoverse_deletion_refusal(request, caller);
		IF proof.refusal IS NOT NULL THEN
			PERFORM authmeter_http.autoverse_audit(request, 'delete_account', caller.user_id, proof.refusal);
			RETURN authmeter_http.autoverse_error(proof.refusal, proof.headers);
		END IF;
	END IF;
	IF (authmeter.user_delete(caller.user_id)).outcome <> 'deleted' THEN
		RETURN authmeter_http.autoverse_error('user_unknown', caller.headers);
	END IF;
	PERFORM authmeter.otp_drop(caller.email), authmeter.one_time_token_drop(caller.email);
	PERFORM authmeter_http.autoverse_audit(request, 'delete_account', caller.user_id, 'ok');
	RETURN authmeter_http.autoverse_reply(200, '{"message":"Account deleted successfully","deleted":true}',
		caller.headers, authmeter_http.autoverse_cookies_clear(request));
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_delete_account(jsonb) IS
	'DELETE /delete-account: deletes the user from the pool, with every session, code and token; strict: with a proof.';

-- Sessions of the user --------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.autoverse_sessions(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_authenticate(request, 'session');
	listed text;
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	END IF;
	SELECT string_agg(format(
			'{"id":%s,"api":%s,"device":%s,"address":%s,"createdAt":%s,"lastUsedAt":%s,"expiresAt":%s,"current":%s}',
			to_json(s.session_id), to_json(s.api), coalesce(to_json(s.device), 'null'), coalesce(to_json(s.address), 'null'),
			to_json(authmeter_http.time_text(s.created_at)), to_json(authmeter_http.time_text(s.last_used_at)),
			to_json(authmeter_http.time_text(s.expires_at)), to_json(s.session_id IS NOT DISTINCT FROM caller.session_id)),
			',' ORDER BY s.last_used_at DESC, s.session_id DESC)
		INTO listed FROM authmeter.session_list(caller.user_id) s WHERE s.state IN ('open', 'closed');
	RETURN authmeter_http.autoverse_reply(200, format('{"success":true,"sessions":[%s]}', listed), caller.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_sessions(jsonb) IS
	'GET /sessions: the live sessions of the user, of all APIs, last used first.';

CREATE FUNCTION authmeter_http.autoverse_session_end(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_authenticate(request, 'session');
	wanted text := request#>>'{path,id}';
	ended text := 'not_found';
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	ELSIF wanted ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' THEN
		ended := authmeter.session_end(caller.user_id, wanted::uuid, 'logout');
	END IF;
	IF ended <> 'ended' THEN
		RETURN authmeter_http.autoverse_error('session_unknown', caller.headers);
	END IF;
	RETURN authmeter_http.autoverse_reply(200, '{"message":"Session ended successfully"}', caller.headers,
		CASE WHEN wanted = caller.session_id::text THEN authmeter_http.autoverse_cookies_clear(request) END);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_session_end(jsonb) IS
	'DELETE /sessions/:id: ends one session of the user; the own one as a logout does.';

CREATE FUNCTION authmeter_http.autoverse_sessions_end(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_authenticate(request, 'session');
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	END IF;
	RETURN authmeter_http.autoverse_reply(200, format('{"message":"Other sessions ended successfully","ended":%s}',
		authmeter.session_end_all(caller.user_id, caller.session_id, 'logout')), caller.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_sessions_end(jsonb) IS
	'DELETE /sessions: ends all sessions of the user but the one that calls.';

-- Sessions handed over --------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.autoverse_url_origin(url text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN octet_length(url) <= 2048 AND url !~ '[\x01-\x20\\\x7f]'
	THEN regexp_replace(regexp_replace(lower(substring(url COLLATE "C" FROM
		'^([hH][tT][tT][pP][sS]?://(?:[0-9A-Za-z.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)(?:[/?#]|$)')),
		'^(http://.*):80$', '\1'), '^(https://.*):443$', '\1') END;
COMMENT ON FUNCTION authmeter_http.autoverse_url_origin(text) IS
	'The origin of an absolute http or https URL, as a browser writes it; NULL for anything else, for user information, blanks, backslashes and control characters in it, and for more than 2048 bytes.';

CREATE FUNCTION authmeter_http.autoverse_secure_session(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_authenticate(request, 'secure_session');
	url text := authmeter_http.body_filled(request, 'redirectUrl');
	origin text := authmeter_http.autoverse_url_origin(url);
	session_id text;
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	ELSIF url IS NULL THEN
		RETURN authmeter_http.autoverse_error('redirect_missing', caller.headers);
	ELSIF origin IS NULL OR (authmeter_http.policy_strict('autoverse.session_redirect') AND origin <> ALL (
		regexp_split_to_array(authmeter.setting_get('autoverse.redirect_origins'), '[[:space:],]+')))
	THEN
		PERFORM authmeter_http.autoverse_audit(request, 'secure_session', caller.user_id, 'redirect_refused');
		RETURN authmeter_http.autoverse_error('redirect_refused', caller.headers);
	END IF;
	session_id := authmeter.one_time_token_issue('autoverse', 'secure-session', caller.email, caller.user_id,
		'5 minutes', 'hex', jsonb_build_object('redirectUrl', url));
	PERFORM authmeter_http.autoverse_audit(request, 'secure_session', caller.user_id, 'ok');
	RETURN authmeter_http.autoverse_reply(200, format('{"success":true,"sessionId":%s,"postUrl":%s}',
		to_json(session_id), to_json(origin || '/api/auth/secure-login')), caller.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_secure_session(jsonb) IS
	'POST /generate-secure-session: a secret that another web site may exchange once, within 5 minutes, for who the user is.';

CREATE FUNCTION authmeter_http.autoverse_verify_session(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_begin(request, 'secure_session');
	session_id text := authmeter_http.body_filled(request, 'sessionId');
	handed record;
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	ELSIF session_id IS NULL THEN
		RETURN authmeter_http.autoverse_reply(400, '{"error":"Session ID required","success":false}', caller.headers);
	END IF;
	handed := authmeter.one_time_token_check(session_id, 'autoverse');
	IF handed.outcome = 'ok' AND handed.purpose = 'secure-session' AND authmeter.one_time_token_use(session_id) THEN
		PERFORM authmeter_http.autoverse_audit(request, 'verify_session', handed.user_id, 'ok');
		RETURN authmeter_http.autoverse_reply(200, format('{"success":true,"user":{"userId":%s,"email":%s}}',
			to_json(handed.user_id), to_json(handed.address)), caller.headers);
	END IF;
	PERFORM authmeter_http.autoverse_audit(request, 'verify_session', NULL, handed.outcome);
	RETURN authmeter_http.autoverse_reply(401, CASE handed.outcome
		WHEN 'expired' THEN '{"error":"Session expired","success":false}'
		ELSE '{"error":"Session not found","success":false}' END, caller.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_verify_session(jsonb) IS
	'POST /verify-session: exchanges the secret of a session that is handed over for its user, once.';
