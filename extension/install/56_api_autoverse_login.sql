-- The autoverse API: codes by mail, registration, login, and the life of a session.
--
-- Proofs. A code or a verification token is looked at first, which locks its row until the end of the
-- transaction, and used up only when the operation has succeeded: of many calls with one proof one
-- wins, and a refusal costs nothing but the try.
--
-- Registration. Who registers without a proof gets a pending registration, outside the pool, and the
-- code that is mailed for it (the code's subject) activates that registration and no other. A code
-- asked for by send-otp has no subject: it proves the mailbox and activates nothing, because the
-- registration that waits may be somebody else's, with somebody else's password. Who has lost the mail
-- registers again.

-- Codes -------------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.autoverse_account(email text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT u.id FROM authmeter.user u WHERE u.email = autoverse_account.email AND u.disabled_at IS NULL;
END;
COMMENT ON FUNCTION authmeter_http.autoverse_account(text) IS
	'The user of a canonical address; NULL when there is none, or it is disabled.';

CREATE FUNCTION authmeter_http.autoverse_send_otp(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_begin(request, 'otp');
	details text := authmeter_http.autoverse_field_errors(request, 'email', 'purpose?');
	email text := authmeter.user_email_canonical(authmeter_http.body_text(request, 'email'));
	purpose text := coalesce(authmeter_http.body_text(request, 'purpose'), 'verification');
	for_users_only boolean := purpose IN ('password-reset', 'account-deletion');
	account_id uuid := authmeter_http.autoverse_account(email);
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	ELSIF details IS NOT NULL THEN
		RETURN authmeter_http.autoverse_invalid(details, caller.headers);
	END IF;
	caller := authmeter_http.autoverse_limit(request, 'otp', caller, 'autoverse.otp_limit', email);
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	END IF;
	-- The same statements and rows for everybody: nobody learns who has an account.
	PERFORM authmeter.otp_issue(purpose, email, account_id,
		decoy => for_users_only AND account_id IS NULL, rate => 'off');
	PERFORM authmeter_http.autoverse_audit(request, 'send_otp', NULL,
		CASE WHEN for_users_only AND account_id IS NULL THEN 'user_unknown' ELSE 'ok' END, email);
	RETURN authmeter_http.autoverse_reply(200, format('{"message":%s,"purpose":%s,"expiresIn":600}',
		to_json(CASE WHEN for_users_only THEN 'If this email exists, an OTP has been sent'
			ELSE 'OTP sent successfully' END), to_json(purpose)), caller.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_send_otp(jsonb) IS
	'POST /send-otp: mails a code. For purposes that concern an account an unknown address only looks as if it got one.';

CREATE FUNCTION authmeter_http.autoverse_otp_try(
	email text, code text, wanted text, OUT purpose text, OUT reason text, OUT subject uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	candidate text;
	verdict record;
BEGIN
	FOREACH candidate IN ARRAY CASE wanted WHEN 'verification' THEN '{verification,account-verification}'::text[]
		ELSE ARRAY[wanted] END
	LOOP
		verdict := authmeter.otp_verify(candidate, email, code, false);
		IF verdict.outcome = 'ok' THEN
			purpose := candidate;
			reason := 'ok';
			subject := verdict.subject;
			RETURN;
		ELSIF reason IS NULL OR verdict.reason = 'wrong' THEN
			reason := verdict.reason;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_otp_try(text, text, text) IS
	'Tries a code without using it up; for the purpose verification the one of account-verification is good too. purpose is that of the code, NULL when it is not good; reason is ok, wrong, or why there is no live code.';

CREATE FUNCTION authmeter_http.autoverse_activate(request jsonb, email text, registration_id uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	made authmeter.user_result := authmeter.registration_confirm(registration_id);
BEGIN
	PERFORM authmeter_http.autoverse_audit(request, 'activate', made.user_id, made.outcome, email);
	IF made.outcome = 'created' THEN
		RETURN NULL;
	ELSIF made.outcome = 'email_taken'
		OR EXISTS (SELECT FROM authmeter.user u WHERE u.email = autoverse_activate.email)
	THEN
		RETURN 'user_exists';
	END IF;
	RETURN 'otp_expired';
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_activate(jsonb, text, uuid) IS
	'Makes the user of a pending registration whose code has proved the mailbox. NULL: done; else the cause of the refusal.';

CREATE FUNCTION authmeter_http.autoverse_verify_otp(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_begin(request, 'otp_verify');
	details text := authmeter_http.autoverse_field_errors(request, 'email', 'otp', 'purpose?');
	email text := authmeter.user_email_canonical(authmeter_http.body_text(request, 'email'));
	tried record;
	refusal text;
	account_id uuid;
	token text;
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	ELSIF details IS NOT NULL THEN
		RETURN authmeter_http.autoverse_invalid(details, caller.headers);
	END IF;
	caller := authmeter_http.autoverse_limit(request, 'otp_verify', caller, email => email);
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	END IF;
	tried := authmeter_http.autoverse_otp_try(email, authmeter_http.body_text(request, 'otp'),
		coalesce(authmeter_http.body_text(request, 'purpose'), 'verification'));
	IF tried.purpose IS NULL THEN
		PERFORM authmeter_http.autoverse_audit(request, 'verify_otp', NULL, 'code_' || tried.reason, email);
		RETURN authmeter_http.autoverse_error(CASE tried.reason WHEN 'wrong' THEN 'otp_wrong' ELSE 'otp_expired' END,
			caller.headers);
	ELSIF tried.subject IS NOT NULL THEN
		refusal := authmeter_http.autoverse_activate(request, email, tried.subject);
		IF refusal IS NOT NULL THEN
			RETURN authmeter_http.autoverse_error(refusal, caller.headers);
		END IF;
	END IF;
	PERFORM authmeter.otp_use(tried.purpose, email);
	account_id := authmeter_http.autoverse_account(email);
	token := authmeter.one_time_token_issue('autoverse', tried.purpose, email, account_id, '1 hour', 'jwt');
	PERFORM authmeter_http.autoverse_audit(request, 'verify_otp', account_id, 'ok', email);
	RETURN authmeter_http.autoverse_reply(200, format(
		'{"message":"OTP verified successfully","verified":true,"email":%s,"purpose":%s,"verificationToken":%s,"token":%3$s}',
		to_json(email), to_json(tried.purpose), to_json(token)), caller.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_verify_otp(jsonb) IS
	'POST /verify-otp: turns a code into a verification token, and activates the registration that the code was mailed for.';

-- Registration ------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.autoverse_registered(
	caller authmeter_http.autoverse_caller, user_json text, message text, more text DEFAULT '')
RETURNS authmeter_http.response
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN authmeter_http.autoverse_reply(201, format('{"message":%s,"user":%s%s}', to_json(message), user_json, more),
	(caller).headers);
COMMENT ON FUNCTION authmeter_http.autoverse_registered(authmeter_http.autoverse_caller, text, text, text) IS
	'The answer to a registration; more: JSON members to add, each after a comma.';

CREATE FUNCTION authmeter_http.autoverse_register_pending(
	request jsonb, caller authmeter_http.autoverse_caller, email text)
RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	name text := authmeter_http.body_trimmed(request, 'name');
	started record;
BEGIN
	started := authmeter.registration_start(email, authmeter_http.body_text(request, 'password'), name, 'autoverse', 8);
	PERFORM authmeter_http.autoverse_audit(request, 'register', NULL,
		CASE started.outcome WHEN 'created' THEN 'pending' ELSE started.outcome END, email);
	IF started.outcome = 'email_taken' THEN
		RETURN authmeter_http.autoverse_error('user_exists', caller.headers);
	ELSIF started.outcome <> 'created' THEN
		RAISE EXCEPTION 'registration ended with outcome %', started.outcome USING ERRCODE = 'MA080';
	END IF;
	PERFORM authmeter.otp_issue('account-verification', email, rate => 'off', subject => started.registration_id);
	RETURN authmeter_http.autoverse_registered(caller,
		format('{"id":%s,"email":%s,"name":%s,"planType":"free","creditsRemaining":0}',
			to_json(started.registration_id), to_json(email), to_json(name)),
		'Verification code sent. Please verify your email to activate your account.', ',"verificationRequired":true');
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_register_pending(jsonb, authmeter_http.autoverse_caller, text) IS
	'A registration without a proof: it waits for the code that is mailed.';

CREATE FUNCTION authmeter_http.autoverse_register_refusal(request jsonb, email text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	token text := authmeter_http.body_text(request, 'verificationToken');
	proof record;
BEGIN
	IF token IS NULL THEN
		RETURN CASE WHEN (authmeter.otp_verify('account-verification', email, authmeter_http.body_text(request, 'otp'),
			false)).outcome <> 'ok' THEN 'otp_refused' END;
	END IF;
	proof := authmeter.one_time_token_check(token, 'autoverse');
	RETURN CASE WHEN proof.outcome <> 'ok' THEN 'register_token_expired'
		WHEN (proof.purpose, proof.address) <> ('account-verification', email) THEN 'register_token' END;
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_register_refusal(jsonb, text) IS
	'Looks at the proof of a registration without using it up. NULL: it is good; else the cause of the refusal.';

CREATE FUNCTION authmeter_http.autoverse_register_active(
	request jsonb, caller authmeter_http.autoverse_caller, email text)
RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	token text := authmeter_http.body_text(request, 'verificationToken');
	refusal text := authmeter_http.autoverse_register_refusal(request, email);
	made authmeter.user_result;
BEGIN
	IF refusal IS NOT NULL THEN
		PERFORM authmeter_http.autoverse_audit(request, 'register', NULL, refusal, email);
		RETURN authmeter_http.autoverse_error(refusal, caller.headers);
	END IF;
	made := authmeter.user_create(email, authmeter_http.body_text(request, 'password'),
		authmeter_http.body_trimmed(request, 'name'), true);
	PERFORM authmeter_http.autoverse_audit(request, 'register', made.user_id, made.outcome, email);
	IF made.outcome = 'email_taken' THEN
		RETURN authmeter_http.autoverse_error('user_exists', caller.headers);
	ELSIF made.outcome <> 'created' THEN
		RAISE EXCEPTION 'registration ended with outcome %', made.outcome USING ERRCODE = 'MA080';
	END IF;
	PERFORM CASE WHEN token IS NULL THEN authmeter.otp_use('account-verification', email)
		ELSE authmeter.one_time_token_use(token) END;
	-- Whoever else has registered this address has lost it.
	DELETE FROM authmeter.registration r WHERE r.email = autoverse_register_active.email;
	RETURN authmeter_http.autoverse_registered(caller, authmeter_http.autoverse_user(made.user_id),
		'Account created successfully. Please login to continue.');
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_register_active(jsonb, authmeter_http.autoverse_caller, text) IS
	'A registration with a proof of the mailbox, a code or a verification token: active at once, and the proof is used up.';

CREATE FUNCTION authmeter_http.autoverse_register(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_begin(request, 'register');
	details text := authmeter_http.autoverse_field_errors(request, 'email', 'password', 'name', 'verificationToken?', 'otp?');
	email text := authmeter.user_email_canonical(authmeter_http.body_text(request, 'email'));
	proved boolean := coalesce(authmeter_http.body_text(request, 'verificationToken'),
		authmeter_http.body_text(request, 'otp')) IS NOT NULL;
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	ELSIF details IS NOT NULL THEN
		RETURN authmeter_http.autoverse_invalid(details, caller.headers);
	END IF;
	caller := authmeter_http.autoverse_limit(request, 'register', caller,
		CASE WHEN NOT proved THEN 'autoverse.otp_limit' END, email);
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	ELSIF proved THEN
		RETURN authmeter_http.autoverse_register_active(request, caller, email);
	END IF;
	RETURN authmeter_http.autoverse_register_pending(request, caller, email);
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_register(jsonb) IS
	'POST /register: a new account, active at once with a proof of the mailbox, else waiting for the code that is mailed.';

-- Login ---------------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.autoverse_second_factor(
	request jsonb, user_id uuid, email text, OUT refusal text, OUT retry_after_s bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	by_totp boolean := authmeter.totp_enabled(user_id);
	code text := authmeter_http.body_text(request, 'otp');
	outcome text;
BEGIN
	IF NOT by_totp AND NOT (authmeter_http.policy_strict('autoverse.two_factor') AND EXISTS (
		SELECT FROM authmeter.autoverse_profile p
		WHERE p.user_id = autoverse_second_factor.user_id AND p.two_factor_enabled))
	THEN
		RETURN;
	ELSIF code IS NOT NULL AND by_totp THEN
		SELECT t.outcome, t.retry_after_s INTO outcome, retry_after_s
		FROM authmeter.totp_verify(user_id, code, request->>'ip', request->>'id') t;
	ELSIF code IS NOT NULL THEN
		outcome := (authmeter.otp_verify('two-factor', email, code)).outcome;
	ELSIF NOT by_totp THEN
		PERFORM authmeter.otp_issue('two-factor', email, user_id, rate => authmeter.setting_get('autoverse.otp_limit'));
	END IF;
	refusal := CASE WHEN code IS NULL THEN 'second_factor' WHEN outcome = 'rate_limited' THEN 'limit_login'
		WHEN outcome <> 'ok' THEN 'otp_refused' END;
	PERFORM authmeter_http.autoverse_audit(request, 'second_factor', user_id, coalesce(refusal, 'ok'));
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_second_factor(jsonb, uuid, text) IS
	'The second factor of a login whose password was right: of an authenticator where the user has confirmed one, else, with the policy autoverse.two_factor strict and the switch on, a code by mail. refusal NULL: go on; else the cause, with limit_login the seconds to wait.';

CREATE FUNCTION authmeter_http.autoverse_session_start(request jsonb, user_id uuid)
RETURNS authmeter.session_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN authmeter.session_start(user_id, 'autoverse', '{}',
		authmeter_http.autoverse_lifetime('autoverse.access_ttl'),
		authmeter_http.autoverse_lifetime('autoverse.refresh_ttl'),
		request#>>'{headers,user-agent}', request->>'ip', request->>'id');
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_session_start(jsonb, uuid) IS
	'Starts a login session of a user.';

CREATE FUNCTION authmeter_http.autoverse_login(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_begin(request, 'login', 'autoverse.login_limit');
	details text := authmeter_http.autoverse_field_errors(request, 'email', 'login.password', 'login.otp?');
	email text := authmeter.user_email_canonical(authmeter_http.body_text(request, 'email'));
	login authmeter.login_result;
	session authmeter.session_result;
	second record;
	refusal text;
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	ELSIF details IS NOT NULL THEN
		RETURN authmeter_http.autoverse_invalid(details, caller.headers);
	END IF;
	caller := authmeter_http.autoverse_limit(request, 'login', caller, email => email);
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	END IF;
	login := authmeter.user_login(email, authmeter_http.body_text(request, 'password'), request->>'ip', request->>'id');
	IF login.outcome = 'ok' THEN
		second := authmeter_http.autoverse_second_factor(request, login.user_id, email);
		refusal := second.refusal;
		login.retry_after_s := second.retry_after_s;
	ELSE
		refusal := CASE login.outcome WHEN 'unverified' THEN 'login_unverified' WHEN 'rate_limited' THEN 'limit_login'
			ELSE 'login_refused' END;
	END IF;
	IF refusal IS NOT NULL THEN
		RETURN authmeter_http.autoverse_error(refusal,
			authmeter_http.autoverse_retry_after(caller.headers, login.retry_after_s));
	END IF;
	session := authmeter_http.autoverse_session_start(request, login.user_id);
	RETURN authmeter_http.autoverse_reply(200,
		format('{"message":"Login successful","accessToken":%s,"user":%s}', to_json(session.access_token),
			authmeter_http.autoverse_user(login.user_id)),
		caller.headers, authmeter_http.autoverse_session_cookies(request, session.access_token, session.refresh_token));
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_login(jsonb) IS
	'POST /login: a session for the right password and, where the user has one, the second factor.';

-- Sessions --------------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.autoverse_refresh(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_begin(request, 'session');
	given text;
	session authmeter.session_result;
	reason text;
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	END IF;
	FOREACH given IN ARRAY authmeter_http.autoverse_cookie_values(request, 'refreshToken') LOOP
		IF NOT authmeter_http.autoverse_origin_allowed(request) THEN
			RETURN authmeter_http.autoverse_error('origin', caller.headers);
		END IF;
		session := authmeter.session_refresh(given, 'autoverse', authmeter_http.autoverse_lifetime('autoverse.access_ttl'),
			authmeter_http.autoverse_lifetime('autoverse.refresh_ttl'), grace => '0', reuse => 'end',
			tolerance => '10 seconds', address => request->>'ip', request_id => request->>'id');
		IF session.outcome = 'ok' THEN
			RETURN authmeter_http.autoverse_reply(200,
				format('{"message":"Token refreshed successfully","accessToken":%s,"user":{"id":%s,"email":%s}}',
					to_json(session.access_token), to_json(session.user_id),
					(SELECT to_json(u.email) FROM authmeter.user u WHERE u.id = session.user_id)), caller.headers,
				authmeter_http.autoverse_session_cookies(request, session.access_token, session.refresh_token));
		END IF;
		-- What tells most of several cookies: that another call has the successor, then that the user is gone.
		IF session.reason = 'superseded' OR reason IS NULL OR (session.reason = 'user_unknown' AND reason <> 'superseded') THEN
			reason := session.reason;
		END IF;
	END LOOP;
	IF reason IS NULL THEN
		RETURN authmeter_http.autoverse_error('refresh_missing', caller.headers);
	ELSIF reason = 'superseded' THEN
		RETURN authmeter_http.autoverse_error('refresh_refused', caller.headers);
	END IF;
	RETURN authmeter_http.autoverse_error(CASE reason WHEN 'user_unknown' THEN reason ELSE 'refresh_refused' END,
		caller.headers, authmeter_http.autoverse_cookies_clear(request));
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_refresh(jsonb) IS
	'POST /refresh: rotates the refresh token of the cookie. A token that was rotated more than 10 s ago ends its session; before that it is only refused, and the cookies, which may already hold its successor, stay.';

CREATE FUNCTION authmeter_http.autoverse_logout(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.autoverse_caller := authmeter_http.autoverse_begin(request, 'session');
	access record := authmeter_http.autoverse_access(request);
	by_cookie boolean := access.outcome = 'ok' AND access.by_cookie;
	given text;
	checked record;
	owners uuid[] := ARRAY[access.user_id];
	sessions uuid[] := ARRAY[access.session_id];
	target record;
BEGIN
	IF (caller.refusal).status IS NOT NULL THEN
		RETURN caller.refusal;
	END IF;
	FOREACH given IN ARRAY authmeter_http.autoverse_cookie_values(request, 'refreshToken') LOOP
		checked := authmeter.session_check(given, 'autoverse');
		IF checked.outcome = 'ok' THEN
			owners := owners || checked.user_id;
			sessions := sessions || checked.session_id;
			by_cookie := true;
		END IF;
	END LOOP;
	IF by_cookie AND NOT authmeter_http.autoverse_origin_allowed(request) THEN
		RETURN authmeter_http.autoverse_error('origin', caller.headers);
	END IF;
	FOR target IN SELECT DISTINCT s.owner, s.id FROM unnest(owners, sessions) s (owner, id) WHERE s.id IS NOT NULL LOOP
		PERFORM authmeter.session_end(target.owner, target.id, 'logout');
	END LOOP;
	RETURN authmeter_http.autoverse_reply(200, '{"message":"Logged out successfully"}', caller.headers,
		authmeter_http.autoverse_cookies_clear(request));
END
$$;
COMMENT ON FUNCTION authmeter_http.autoverse_logout(jsonb) IS
	'POST /logout: ends the sessions of the access token and of the refresh cookie, if any, and clears both cookies.';
