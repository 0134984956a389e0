-- The jobpsych API: accounts, sessions and passwords (contract section 3).
--
-- An endpoint is two functions: jobpsych_<name> counts the call against its limits, and
-- jobpsych_<name>_answer does the rest. A function that ends in _problem looks at the fields of the
-- body and returns the cause of the refusal, or NULL.
--
-- Locks: who changes a password locks the user's row first, before the current password is compared,
-- so that of two calls the second compares with what the first has set.

CREATE FUNCTION authmeter_http.jobpsych_long(password text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN octet_length(convert_to(password, 'UTF8')) > 72;
COMMENT ON FUNCTION authmeter_http.jobpsych_long(text) IS
	'Whether a password is longer than bcrypt reads: over 72 bytes of UTF-8 (contract I3).';

CREATE FUNCTION authmeter_http.jobpsych_lifetime(setting text) RETURNS interval
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN make_interval(secs => extract(epoch FROM authmeter.setting_get(setting)::interval)::float8);
COMMENT ON FUNCTION authmeter_http.jobpsych_lifetime(text) IS
	'A duration setting as an interval of seconds: a day of an interval may have 23 or 25 hours.';

-- Sessions ----------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.jobpsych_cookie(request jsonb, token text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('Set-Cookie', jsonb_build_array(authmeter_http.cookie(request, 'refreshToken',
	coalesce(token, ''),
	CASE WHEN token IS NULL THEN 0
		ELSE extract(epoch FROM authmeter_http.jobpsych_lifetime('jobpsych.refresh_ttl'))::bigint END,
	'/api/auth', 'Strict')));
COMMENT ON FUNCTION authmeter_http.jobpsych_cookie(jsonb, text) IS
	'The headers that set the refresh cookie (contract section 4), or clear it: token NULL.';

CREATE FUNCTION authmeter_http.jobpsych_session(request jsonb, user_id uuid, status integer, message text)
RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	account authmeter.jobpsych_user_info := authmeter_http.jobpsych_account(user_id);
	started authmeter.session_result;
	members text;
BEGIN
	started := authmeter.session_start(user_id, 'jobpsych', jsonb_build_object('userId', account.number::text),
		authmeter_http.jobpsych_lifetime('jobpsych.access_ttl'),
		authmeter_http.jobpsych_lifetime('jobpsych.refresh_ttl'),
		left(request#>>'{headers,user-agent}', 255), request->>'ip', request->>'id', single => true);
	IF started.outcome <> 'ok' THEN
		RETURN authmeter_http.jobpsych_error('login_refused');
	END IF;
	members := format('"accessToken":%s,"user":%s', to_json(started.access_token),
		authmeter_http.jobpsych_user(account));
	RETURN authmeter_http.jobpsych_ok(message, format(',%s,"data":{%s}', members, members),
		authmeter_http.jobpsych_cookie(request, started.refresh_token), status);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_session(jsonb, uuid, integer, text) IS
	'Starts the one session of a user who has proved itself, and answers with access token, user and cookie.';

CREATE FUNCTION authmeter_http.jobpsych_register_problem(request jsonb, company text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	name text := authmeter_http.body_text(request, 'name');
	email text := authmeter_http.body_text(request, 'email');
	password text := authmeter_http.body_text(request, 'password');
BEGIN
	IF coalesce(name, '') = '' OR coalesce(email, '') = '' OR coalesce(password, '') = ''
		OR coalesce(company, '') = ''
	THEN
		RETURN 'register_missing';
	ELSIF greatest(char_length(name), char_length(email), char_length(password), char_length(company)) > 255 THEN
		RETURN 'register_long';
	ELSIF authmeter.user_email_canonical(email) IS NULL THEN
		RETURN 'register_email';
	ELSIF char_length(password) < authmeter.setting_get('jobpsych.password_min_length')::integer THEN
		RETURN 'register_password';
	ELSIF authmeter_http.jobpsych_long(password) THEN
		RETURN 'password_long';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_register_problem(jsonb, text) IS
	'What is wrong with the fields of a registration.';

CREATE FUNCTION authmeter_http.jobpsych_register_answer(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	company text := authmeter_http.body_text(request,
		CASE WHEN coalesce(jsonb_typeof(request#>'{body,company_name}'), 'null') = 'null' THEN 'companyName'
			ELSE 'company_name' END);
	problem text := authmeter_http.jobpsych_register_problem(request, company);
	canonical text := authmeter.user_email_canonical(authmeter_http.body_text(request, 'email'));
	refusal authmeter_http.response;
	made authmeter.user_result;
BEGIN
	refusal := CASE WHEN problem IS NULL THEN authmeter_http.jobpsych_person_gate(request, 'register', canonical)
		ELSE authmeter_http.jobpsych_error(problem) END;
	IF refusal.status IS NOT NULL THEN
		RETURN refusal;
	END IF;
	made := authmeter.user_create(canonical, authmeter_http.body_text(request, 'password'),
		authmeter_http.body_text(request, 'name'), password_length_min => 1);
	PERFORM authmeter_http.jobpsych_audit(request, 'register', made.user_id, made.outcome, canonical);
	IF made.outcome = 'email_taken' THEN
		RETURN authmeter_http.jobpsych_error('email_taken');
	ELSIF made.outcome <> 'created' THEN
		RETURN authmeter_http.jobpsych_error('register_password');
	END IF;
	PERFORM authmeter.jobpsych_profile_make(made.user_id, company);
	RETURN authmeter_http.jobpsych_session(request, made.user_id, 201, 'User registered successfully');
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_register_answer(jsonb) IS
	'Makes a user of the pool and logs it in; of parallel calls for one address one does.';

CREATE FUNCTION authmeter_http.jobpsych_register(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate authmeter_http.response := authmeter_http.jobpsych_gate(request, 'register', 'jobpsych.register_limit');
BEGIN
	IF gate.status IS NOT NULL THEN
		RETURN gate;
	END IF;
	RETURN authmeter_http.response_with(authmeter_http.jobpsych_register_answer(request), gate.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_register(jsonb) IS
	'POST /api/auth/register: a new account, logged in at once.';

CREATE FUNCTION authmeter_http.jobpsych_login_refusal(outcome text, retry_after_s bigint, refused text)
RETURNS authmeter_http.response
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN CASE outcome
		WHEN 'rate_limited' THEN authmeter_http.jobpsych_limited(retry_after_s)
		WHEN 'password_too_long' THEN authmeter_http.jobpsych_error('password_long')
		ELSE authmeter_http.jobpsych_error(refused) END;
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_login_refusal(text, bigint, text) IS
	'The answer to a password that authmeter.user_login did not take; refused is the cause of an ordinary refusal.';

CREATE FUNCTION authmeter_http.jobpsych_login_answer(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	email text := authmeter_http.body_text(request, 'email');
	password text := authmeter_http.body_text(request, 'password');
	refusal authmeter_http.response;
	login authmeter.login_result;
BEGIN
	refusal := CASE WHEN coalesce(email, '') = '' OR coalesce(password, '') = ''
			THEN authmeter_http.jobpsych_error('login_missing')
		ELSE authmeter_http.jobpsych_person_gate(request, 'login', email) END;
	IF refusal.status IS NOT NULL THEN
		RETURN refusal;
	END IF;
	login := authmeter.user_login(email, password, request->>'ip', request->>'id');
	IF login.outcome <> 'ok' THEN
		RETURN authmeter_http.jobpsych_login_refusal(login.outcome, login.retry_after_s, 'login_refused');
	END IF;
	PERFORM authmeter.jobpsych_profile_make(login.user_id);
	RETURN authmeter_http.jobpsych_session(request, login.user_id, 200, 'Login successful');
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_login_answer(jsonb) IS
	'Compares the password and starts the session that replaces the one before.';

CREATE FUNCTION authmeter_http.jobpsych_login(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate authmeter_http.response := authmeter_http.jobpsych_gate(request, 'login', 'jobpsych.login_limit');
BEGIN
	IF gate.status IS NOT NULL THEN
		RETURN gate;
	END IF;
	RETURN authmeter_http.response_with(authmeter_http.jobpsych_login_answer(request), gate.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_login(jsonb) IS
	'POST /api/auth/login: a session for an e-mail address and password; the newest login wins.';

-- Several cookies of one name may arrive (contract R11): the one that is current, else the first that
-- was ours once, so that its reuse is noticed, else the first.
CREATE FUNCTION authmeter_http.jobpsych_cookie_token(request jsonb) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	tokens text[] := ARRAY(SELECT t.token FROM jsonb_array_elements_text(
		CASE jsonb_typeof(request#>'{cookies,refreshToken}') WHEN 'array' THEN request#>'{cookies,refreshToken}'
			ELSE '[]' END) WITH ORDINALITY t (token, place)
		WHERE t.token <> '' ORDER BY t.place LIMIT 4);
	checked authmeter.session_result;
	former text;
	candidate text;
BEGIN
	IF cardinality(tokens) < 2 THEN
		RETURN tokens[1];
	END IF;
	FOREACH candidate IN ARRAY tokens LOOP
		checked := authmeter.session_check(candidate, 'jobpsych');
		IF checked.outcome = 'ok' THEN
			RETURN candidate;
		ELSIF former IS NULL AND checked.reason NOT IN ('invalid', 'expired') THEN
			former := candidate;
		END IF;
	END LOOP;
	RETURN coalesce(former, tokens[1]);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_cookie_token(jsonb) IS
	'The refresh token of a call''s cookies; NULL without one.';

CREATE FUNCTION authmeter_http.jobpsych_refresh_answer(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	token text := authmeter_http.jobpsych_cookie_token(request);
	renewed authmeter.session_result;
	member text;
BEGIN
	IF token IS NULL THEN
		RETURN authmeter_http.jobpsych_error('cookie_missing');
	END IF;
	renewed := authmeter.session_refresh(token, 'jobpsych',
		authmeter_http.jobpsych_lifetime('jobpsych.access_ttl'),
		authmeter_http.jobpsych_lifetime('jobpsych.refresh_ttl'), grace => '0',
		reuse => CASE WHEN authmeter_http.policy_strict('jobpsych.refresh_reuse') THEN 'close' ELSE 'refuse' END,
		address => request->>'ip', request_id => request->>'id');
	IF renewed.outcome <> 'ok' THEN
		RETURN authmeter_http.jobpsych_error('refresh_refused');
	END IF;
	member := '"accessToken":' || to_json(renewed.access_token);
	RETURN authmeter_http.jobpsych_ok('Token refreshed successfully', format(',%s,"data":{%s}', member, member),
		authmeter_http.jobpsych_cookie(request, renewed.refresh_token));
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_refresh_answer(jsonb) IS
	'Rotates the session of the refresh cookie. There is no grace: of two calls with one token one gets the successor.';

CREATE FUNCTION authmeter_http.jobpsych_refresh(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate authmeter_http.response := authmeter_http.jobpsych_gate(request, 'refresh');
BEGIN
	IF gate.status IS NOT NULL THEN
		RETURN gate;
	END IF;
	RETURN authmeter_http.response_with(authmeter_http.jobpsych_refresh_answer(request), gate.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_refresh(jsonb) IS
	'POST /api/auth/refresh: a new access token and a new refresh cookie for the old one.';

CREATE FUNCTION authmeter_http.jobpsych_logout(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate authmeter_http.response := authmeter_http.jobpsych_gate(request, 'logout');
	token text;
	current authmeter.session_result;
BEGIN
	IF gate.status IS NOT NULL THEN
		RETURN gate;
	END IF;
	token := authmeter_http.jobpsych_cookie_token(request);
	IF token IS NOT NULL THEN
		current := authmeter.session_check(token, 'jobpsych');
		IF current.outcome = 'ok' THEN
			PERFORM authmeter.session_close(current.user_id, current.session_id, token);
		END IF;
	END IF;
	RETURN authmeter_http.response_with(authmeter_http.jobpsych_ok('Logged out successfully',
		headers => authmeter_http.jobpsych_cookie(request, NULL)), gate.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_logout(jsonb) IS
	'POST /api/auth/logout: closes the session of the refresh cookie if that is the current one, and clears the cookie whatever it is. The access token stays good until it expires.';

-- Passwords ---------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.jobpsych_password_problem(request jsonb) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	current text := authmeter_http.body_text(request, 'currentPassword');
	wanted text := authmeter_http.body_text(request, 'newPassword');
BEGIN
	IF wanted IS DISTINCT FROM authmeter_http.body_text(request, 'confirmPassword') THEN
		RETURN 'password_differs';
	ELSIF wanted IS NULL OR char_length(wanted) < 8 THEN
		RETURN 'new_password_short';
	ELSIF authmeter_http.jobpsych_long(wanted) OR authmeter_http.jobpsych_long(current) THEN
		RETURN 'new_password_long';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_password_problem(jsonb) IS
	'What is wrong with a new password beyond a missing field.';

CREATE FUNCTION authmeter_http.jobpsych_password_change(request jsonb, caller authmeter_http.jobpsych_caller)
RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	email text;
	login authmeter.login_result;
	changed authmeter.user_result;
BEGIN
	SELECT u.email INTO email FROM authmeter.user u WHERE u.id = caller.user_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN authmeter_http.jobpsych_error('user_missing');
	END IF;
	login := authmeter.user_login(email, authmeter_http.body_text(request, 'currentPassword'),
		request->>'ip', request->>'id');
	IF login.outcome <> 'ok' THEN
		RETURN authmeter_http.jobpsych_login_refusal(login.outcome, login.retry_after_s, 'current_wrong');
	END IF;
	changed := authmeter.user_password_set(caller.user_id, authmeter_http.body_text(request, 'newPassword'),
		keep_session => caller.session_id);
	IF changed.outcome <> 'password_set' THEN
		RETURN authmeter_http.jobpsych_error('new_password_short');
	END IF;
	-- The session cannot be refreshed any more, but the token of this very call stays good.
	PERFORM authmeter.session_close(caller.user_id, caller.session_id);
	PERFORM authmeter.session_spare(caller.user_id, caller.session_id, caller.token_id);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_password_change(jsonb, authmeter_http.jobpsych_caller) IS
	'Changes the caller''s password if the current one is right: NULL, or the refusal. Wrong ones count as failed logins.';

CREATE FUNCTION authmeter_http.jobpsych_change_password_answer(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.jobpsych_caller := authmeter_http.jobpsych_authenticate(request);
	problem text := caller.problem;
	refusal authmeter_http.response;
BEGIN
	IF problem IS NULL AND EXISTS (SELECT FROM unnest(ARRAY['currentPassword', 'newPassword', 'confirmPassword']) f (field)
		WHERE coalesce(authmeter_http.body_text(request, f.field), '') = '')
	THEN
		problem := 'change_missing';
	END IF;
	problem := coalesce(problem, authmeter_http.jobpsych_password_problem(request));
	refusal := CASE WHEN problem IS NULL THEN authmeter_http.jobpsych_person_gate(request, 'password', user_id => caller.user_id)
		ELSE authmeter_http.jobpsych_error(problem) END;
	IF refusal.status IS NULL THEN
		refusal := authmeter_http.jobpsych_password_change(request, caller);
	END IF;
	IF refusal.status IS NOT NULL THEN
		RETURN refusal;
	END IF;
	RETURN authmeter_http.jobpsych_ok('Password changed successfully',
		',"data":{"message":"Password has been changed. You have been logged out from other devices."}');
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_change_password_answer(jsonb) IS
	'Looks at the three fields and changes the password.';

CREATE FUNCTION authmeter_http.jobpsych_change_password(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate authmeter_http.response := authmeter_http.jobpsych_gate(request, 'password');
BEGIN
	IF gate.status IS NOT NULL THEN
		RETURN gate;
	END IF;
	RETURN authmeter_http.response_with(authmeter_http.jobpsych_change_password_answer(request), gate.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_change_password(jsonb) IS
	'POST /api/auth/change-password: a new password for the caller; all sessions end, and all access tokens but the one of this call.';

CREATE FUNCTION authmeter_http.jobpsych_reset_problem(request jsonb) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	wanted text := authmeter_http.body_text(request, 'newPassword');
BEGIN
	IF coalesce(authmeter_http.body_text(request, 'email'), '') = '' OR coalesce(wanted, '') = '' THEN
		RETURN 'reset_missing';
	ELSIF char_length(wanted) < 8 THEN
		RETURN 'new_password_short';
	ELSIF authmeter_http.jobpsych_long(wanted) THEN
		RETURN 'new_password_long';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_reset_problem(jsonb) IS
	'What is wrong with the fields of a password reset.';

CREATE FUNCTION authmeter_http.jobpsych_reset_done(request jsonb, user_id uuid, proof text)
RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	changed authmeter.user_result := authmeter.user_password_set(user_id, authmeter_http.body_text(request, 'newPassword'));
BEGIN
	PERFORM authmeter_http.jobpsych_audit(request, 'reset_password', user_id,
		CASE changed.outcome WHEN 'password_set' THEN proof ELSE changed.outcome END);
	IF changed.outcome = 'not_found' THEN
		RETURN authmeter_http.jobpsych_error('reset_unknown');
	ELSIF changed.outcome <> 'password_set' THEN
		RETURN authmeter_http.jobpsych_error('new_password_short');
	END IF;
	RETURN authmeter_http.jobpsych_ok('Password reset successfully',
		',"data":{"message":"Password has been reset. Please login with your new password."}');
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_reset_done(jsonb, uuid, text) IS
	'Sets the new password, which ends all sessions, tokens and pending codes of the user. proof: what the call had shown, for the audit trail.';

CREATE FUNCTION authmeter_http.jobpsych_reset_by_email(request jsonb, proof text) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	canonical text := authmeter.user_email_canonical(authmeter_http.body_text(request, 'email'));
	account authmeter.user_info;
BEGIN
	SELECT i.* INTO account FROM authmeter.user_info i
	WHERE i.email = canonical AND i.disabled_at IS NULL;
	IF NOT FOUND THEN
		PERFORM authmeter_http.jobpsych_audit(request, 'reset_password', NULL, 'user_unknown', canonical);
		RETURN authmeter_http.jobpsych_error('reset_unknown');
	END IF;
	RETURN authmeter_http.jobpsych_reset_done(request, account.user_id, proof);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_reset_by_email(jsonb, text) IS
	'A reset for whoever has the e-mail address: policy documented, or a service token.';

-- The token is looked up first, by itself: nothing here depends on whether the address has a user.
CREATE FUNCTION authmeter_http.jobpsych_reset_by_token(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	canonical text := authmeter.user_email_canonical(authmeter_http.body_text(request, 'email'));
	token text := authmeter_http.body_text(request, 'token');
	verdict record := authmeter.one_time_token_check(token, 'jobpsych');
BEGIN
	IF verdict.outcome = 'ok' AND verdict.purpose = 'jobpsych-reset' AND verdict.address = canonical
		AND authmeter.one_time_token_use(token)
	THEN
		PERFORM authmeter.user_email_prove(verdict.user_id);
		RETURN authmeter_http.jobpsych_reset_done(request, verdict.user_id, 'ok');
	END IF;
	PERFORM authmeter_http.jobpsych_audit(request, 'reset_password', NULL, 'token_refused', canonical);
	RETURN authmeter_http.jobpsych_error('reset_token_refused');
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_reset_by_token(jsonb) IS
	'A reset with the token of a mail, once. It proves the mailbox too.';

CREATE FUNCTION authmeter_http.jobpsych_reset_password_answer(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	problem text := authmeter_http.jobpsych_reset_problem(request);
	refusal authmeter_http.response;
BEGIN
	refusal := CASE WHEN problem IS NULL
			THEN authmeter_http.jobpsych_person_gate(request, 'password', authmeter_http.body_text(request, 'email'))
		ELSE authmeter_http.jobpsych_error(problem) END;
	IF refusal.status IS NOT NULL THEN
		RETURN refusal;
	ELSIF NOT authmeter_http.policy_strict('jobpsych.reset_password') THEN
		RETURN authmeter_http.jobpsych_reset_by_email(request, 'unproved');
	ELSIF authmeter.service_token_allows(request#>>'{headers,x-service-token}', 'jobpsych:reset') THEN
		RETURN authmeter_http.jobpsych_reset_by_email(request, 'service_token');
	ELSIF coalesce(request#>'{body,token}', 'null') IN ('null', '""') THEN
		RETURN authmeter_http.jobpsych_error('reset_token_missing');
	END IF;
	RETURN authmeter_http.jobpsych_reset_by_token(request);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_reset_password_answer(jsonb) IS
	'Looks at the fields, then asks for what jobpsych.reset_password demands.';

CREATE FUNCTION authmeter_http.jobpsych_reset_password(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate authmeter_http.response := authmeter_http.jobpsych_gate(request, 'password');
BEGIN
	IF gate.status IS NOT NULL THEN
		RETURN gate;
	END IF;
	RETURN authmeter_http.response_with(authmeter_http.jobpsych_reset_password_answer(request), gate.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_reset_password(jsonb) IS
	'POST /api/auth/reset-password: a new password without the old one. Strict mode looks the same from outside for known and unknown addresses; audit_list has the true reason.';

-- Known or not, an address gets the same statements and the same rows.
CREATE FUNCTION authmeter_http.jobpsych_reset_mail(request jsonb, email text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	account authmeter.user_info;
	token text;
BEGIN
	IF NOT (authmeter.rate_take('jobpsych.reset_mail', email, '5/1h')).allowed THEN
		RETURN 'limited';
	END IF;
	SELECT i.* INTO account FROM authmeter.user_info i
	WHERE i.email = jobpsych_reset_mail.email AND i.disabled_at IS NULL;
	token := authmeter.one_time_token_issue('jobpsych', 'jobpsych-reset', email, account.user_id, '30 minutes',
		decoy => account.user_id IS NULL);
	PERFORM authmeter.mail_enqueue('jobpsych-reset', email, jsonb_build_object('token', token, 'minutes', 30),
		account.user_id, '30 minutes', account.user_id IS NULL);
	RETURN 'queued';
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_reset_mail(jsonb, text) IS
	'Mails a reset token, at most 5 an hour and address: queued or limited. To an unknown address it only looks so.';

CREATE FUNCTION authmeter_http.jobpsych_forgot_password_answer(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	canonical text := authmeter.user_email_canonical(authmeter_http.body_text(request, 'email'));
	refusal authmeter_http.response;
BEGIN
	refusal := CASE WHEN canonical IS NULL THEN authmeter_http.jobpsych_error('forgot_email')
		ELSE authmeter_http.jobpsych_person_gate(request, 'password', canonical) END;
	IF refusal.status IS NOT NULL THEN
		RETURN refusal;
	END IF;
	PERFORM authmeter_http.jobpsych_audit(request, 'forgot_password', NULL,
		authmeter_http.jobpsych_reset_mail(request, canonical), canonical);
	RETURN authmeter_http.jobpsych_ok('If this email exists, a reset token has been sent');
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_forgot_password_answer(jsonb) IS
	'Looks at the address and mails a reset token.';

CREATE FUNCTION authmeter_http.jobpsych_forgot_password(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate authmeter_http.response := authmeter_http.jobpsych_gate(request, 'password');
BEGIN
	IF gate.status IS NOT NULL THEN
		RETURN gate;
	END IF;
	RETURN authmeter_http.response_with(authmeter_http.jobpsych_forgot_password_answer(request), gate.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_forgot_password(jsonb) IS
	'POST /api/auth/forgot-password: mails a reset token; 200 whether the address is known or not, at the same cost.';

-- Profile -----------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.jobpsych_profile_answer(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.jobpsych_caller := authmeter_http.jobpsych_authenticate(request);
	refusal authmeter_http.response := authmeter_http.jobpsych_caller_gate(request, caller, 'profile');
	account authmeter.jobpsych_user_info;
	json text;
BEGIN
	IF refusal.status IS NOT NULL THEN
		RETURN refusal;
	END IF;
	account := authmeter_http.jobpsych_account(caller.user_id);
	json := authmeter_http.jobpsych_user(account,
		authmeter_http.jobpsych_time_member('createdAt', account.created_at));
	RETURN authmeter_http.jobpsych_ok('Profile retrieved successfully', format(',"data":%s,"user":%s', json, json));
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_profile_answer(jsonb) IS 'The caller''s own user object.';

CREATE FUNCTION authmeter_http.jobpsych_profile(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate authmeter_http.response := authmeter_http.jobpsych_gate(request, 'profile');
BEGIN
	IF gate.status IS NOT NULL THEN
		RETURN gate;
	END IF;
	RETURN authmeter_http.response_with(authmeter_http.jobpsych_profile_answer(request), gate.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_profile(jsonb) IS 'GET /api/auth/profile: the caller''s account.';

CREATE FUNCTION authmeter_http.jobpsych_given(request jsonb, field text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN coalesce(jsonb_typeof(request->'body'->field), 'null') <> 'null';
COMMENT ON FUNCTION authmeter_http.jobpsych_given(jsonb, text) IS
	'Whether the body has the field with any value but null.';

CREATE FUNCTION authmeter_http.jobpsych_update_problem(request jsonb) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	name text := authmeter_http.body_trimmed(request, 'name');
	name_given boolean := authmeter_http.jobpsych_given(request, 'name');
	password_given boolean := authmeter_http.jobpsych_given(request, 'newPassword');
BEGIN
	IF NOT name_given AND NOT password_given THEN
		RETURN 'update_nothing';
	ELSIF name_given AND coalesce(name, '') = '' THEN
		RETURN 'update_name_empty';
	ELSIF char_length(name) > 255 THEN
		RETURN 'update_name_long';
	ELSIF NOT password_given THEN
		RETURN NULL;
	ELSIF coalesce(authmeter_http.body_text(request, 'currentPassword'), '') = '' THEN
		RETURN 'update_current';
	ELSIF coalesce(authmeter_http.body_text(request, 'confirmPassword'), '') = '' THEN
		RETURN 'update_confirm';
	END IF;
	RETURN authmeter_http.jobpsych_password_problem(request);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_update_problem(jsonb) IS
	'What is wrong with the fields of a profile update.';

CREATE FUNCTION authmeter_http.jobpsych_updated(account authmeter.jobpsych_user_info, with_password boolean)
RETURNS authmeter_http.response
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	changed text := authmeter_http.jobpsych_time_member('updatedAt', account.updated_at);
	note text := CASE WHEN with_password
		THEN ',"securityNote":"Password has been changed. You have been logged out from other devices."' ELSE '' END;
BEGIN
	RETURN authmeter_http.jobpsych_ok('Profile updated successfully', format(',"data":%s,"user":%s',
		authmeter_http.jobpsych_user(account, changed || note), authmeter_http.jobpsych_user(account, changed)));
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_updated(authmeter.jobpsych_user_info, boolean) IS
	'The answer to a profile update.';

CREATE FUNCTION authmeter_http.jobpsych_update_profile_answer(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller authmeter_http.jobpsych_caller := authmeter_http.jobpsych_authenticate(request);
	problem text := coalesce(caller.problem, authmeter_http.jobpsych_update_problem(request));
	with_password boolean := authmeter_http.jobpsych_given(request, 'newPassword');
	refusal authmeter_http.response;
	updated authmeter.user_result;
BEGIN
	refusal := CASE WHEN problem IS NULL THEN authmeter_http.jobpsych_person_gate(request, 'profile', user_id => caller.user_id)
		ELSE authmeter_http.jobpsych_error(problem) END;
	IF refusal.status IS NULL AND with_password THEN
		refusal := authmeter_http.jobpsych_password_change(request, caller);
	END IF;
	IF refusal.status IS NOT NULL THEN
		RETURN refusal;
	END IF;
	IF authmeter_http.jobpsych_given(request, 'name') THEN
		updated := authmeter.user_update(caller.user_id, name => authmeter_http.body_trimmed(request, 'name'));
		IF updated.outcome = 'not_found' THEN
			RETURN authmeter_http.jobpsych_error('user_missing');
		END IF;
	END IF;
	RETURN authmeter_http.jobpsych_updated(authmeter_http.jobpsych_account(caller.user_id), with_password);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_update_profile_answer(jsonb) IS
	'Changes the caller''s name, password or both; the password first, so that a wrong one changes nothing.';

CREATE FUNCTION authmeter_http.jobpsych_update_profile(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate authmeter_http.response := authmeter_http.jobpsych_gate(request, 'profile');
BEGIN
	IF gate.status IS NOT NULL THEN
		RETURN gate;
	END IF;
	RETURN authmeter_http.response_with(authmeter_http.jobpsych_update_profile_answer(request), gate.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.jobpsych_update_profile(jsonb) IS
	'PUT /api/auth/update-profile: a new name, a new password, or both. Nothing else can be changed.';

INSERT INTO authmeter.access_rule VALUES
	('gateway', 'function', 'authmeter_http', 'jobpsych_register'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_login'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_refresh'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_logout'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_reset_password'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_forgot_password'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_change_password'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_profile'),
	('gateway', 'function', 'authmeter_http', 'jobpsych_update_profile');
