-- The endpoints of the quizzer API. Each counts its request first, and gives every answer the header
-- fields of that count; what is decided behind it is a function of its own, named _decide.

-- Fields ------------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.quizzer_username_problem(username text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE
	WHEN coalesce(username, '') = '' THEN 'Username is required'
	WHEN char_length(username) < 3 THEN 'Username must be at least 3 characters long'
	WHEN char_length(username) > 30 THEN 'Username cannot exceed 30 characters'
	WHEN username !~ '^[A-Za-z0-9_]+$' THEN 'Username may only contain letters, numbers and underscores' END;
COMMENT ON FUNCTION authmeter_http.quizzer_username_problem(text) IS
	'What is wrong with a user name (trimmed; NULL: no string), or NULL.';

CREATE FUNCTION authmeter_http.quizzer_email_problem(email text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN CASE
	WHEN coalesce(email, '') = '' THEN 'Email is required'
	WHEN authmeter.user_email_canonical(email) IS NULL THEN 'Please provide a valid email address' END;
COMMENT ON FUNCTION authmeter_http.quizzer_email_problem(text) IS
	'What is wrong with an e-mail address (trimmed; NULL: no string), or NULL.';

CREATE FUNCTION authmeter_http.quizzer_password_problem(password text, length_min integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE
	WHEN coalesce(password, '') = '' THEN 'Password is required'
	WHEN char_length(password) < length_min THEN format('Password must be at least %s characters long', length_min)
	WHEN char_length(password) > 100 THEN 'Password cannot exceed 100 characters'
	WHEN octet_length(password) > 72 THEN 'Password must be at most 72 bytes long' END;
COMMENT ON FUNCTION authmeter_http.quizzer_password_problem(text, integer) IS
	'What is wrong with a password (NULL: no string), or NULL.';

CREATE FUNCTION authmeter_http.quizzer_trimmed(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN authmeter_http.body_trimmed(jsonb_build_object('body', jsonb_build_object('value', value)), 'value');
COMMENT ON FUNCTION authmeter_http.quizzer_trimmed(jsonb) IS
	'A JSON string without white space at its ends; NULL for anything else.';

CREATE FUNCTION authmeter_http.quizzer_trimmed_list(list jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN ARRAY(SELECT authmeter_http.quizzer_trimmed(e.value)
	FROM jsonb_array_elements(CASE WHEN jsonb_typeof(list) = 'array' AND jsonb_array_length(list) <= 100 THEN list END)
		WITH ORDINALITY e (value, place) ORDER BY e.place);
COMMENT ON FUNCTION authmeter_http.quizzer_trimmed_list(jsonb) IS
	'The elements of a JSON array of at most 100, each as by quizzer_trimmed; empty for anything else.';

CREATE FUNCTION authmeter_http.quizzer_profile_problems(profile jsonb) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	problems text[] := '{}';
	grade numeric;
	subjects jsonb := profile->'preferredSubjects';
BEGIN
	IF profile IS NULL THEN
		RETURN problems;
	ELSIF jsonb_typeof(profile) <> 'object' THEN
		RETURN ARRAY['Profile must be an object'];
	END IF;
	IF profile ? 'firstName' AND (char_length(authmeter_http.quizzer_trimmed(profile->'firstName')) <= 50) IS NOT TRUE THEN
		problems := problems || 'First name cannot exceed 50 characters'::text;
	END IF;
	IF profile ? 'lastName' AND (char_length(authmeter_http.quizzer_trimmed(profile->'lastName')) <= 50) IS NOT TRUE THEN
		problems := problems || 'Last name cannot exceed 50 characters'::text;
	END IF;
	IF jsonb_typeof(profile->'grade') = 'number' THEN
		grade := (profile->>'grade')::numeric;
		problems := problems || CASE WHEN grade <> trunc(grade) THEN ARRAY['Grade must be an integer']
			WHEN grade < 1 THEN ARRAY['Grade must be at least 1']
			WHEN grade > 12 THEN ARRAY['Grade cannot exceed 12'] ELSE '{}' END;
	ELSIF jsonb_typeof(profile->'grade') <> 'null' THEN
		problems := problems || 'Grade must be a number'::text;
	END IF;
	IF subjects IS NOT NULL AND (jsonb_typeof(subjects) <> 'array' OR jsonb_array_length(subjects) > 100
		OR NOT authmeter.quizzer_subjects_check(authmeter_http.quizzer_trimmed_list(subjects)))
	THEN
		problems := problems || 'Preferred subjects must be an array'::text;
	END IF;
	RETURN problems;
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_profile_problems(jsonb) IS
	'What is wrong with the profile of a body (NULL: it has none), one message a field.';

CREATE FUNCTION authmeter_http.quizzer_preferences_problems(preferences jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE
	WHEN preferences IS NULL THEN '{}'
	WHEN jsonb_typeof(preferences) <> 'object' THEN ARRAY['Preferences must be an object']
	ELSE array_remove(ARRAY[
		CASE WHEN preferences->'emailNotifications' NOT IN ('true', 'false', '"true"', '"false"')
			THEN 'Email notifications must be a boolean' END,
		CASE WHEN preferences->'difficulty' NOT IN ('"easy"', '"medium"', '"hard"', '"adaptive"')
			THEN 'Difficulty must be easy, medium, hard, or adaptive' END], NULL) END;
COMMENT ON FUNCTION authmeter_http.quizzer_preferences_problems(jsonb) IS
	'What is wrong with the preferences of a body (NULL: it has none), one message a field.';

-- A statement of its own on the profile: keys that are not sent keep what another call has written.
CREATE FUNCTION authmeter_http.quizzer_details_store(user_id uuid, body jsonb, at timestamptz) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	profile jsonb := body->'profile';
	preferences jsonb := body->'preferences';
BEGIN
	UPDATE authmeter.quizzer_profile p SET
		first_name = CASE WHEN profile ? 'firstName'
			THEN nullif(authmeter_http.quizzer_trimmed(profile->'firstName'), '') ELSE p.first_name END,
		last_name = CASE WHEN profile ? 'lastName'
			THEN nullif(authmeter_http.quizzer_trimmed(profile->'lastName'), '') ELSE p.last_name END,
		grade = CASE WHEN profile ? 'grade' THEN (profile->>'grade')::numeric::smallint ELSE p.grade END,
		preferred_subjects = CASE WHEN profile ? 'preferredSubjects'
			THEN authmeter_http.quizzer_trimmed_list(profile->'preferredSubjects') ELSE p.preferred_subjects END,
		email_notifications = coalesce((preferences->>'emailNotifications')::boolean, p.email_notifications),
		difficulty = coalesce(preferences->>'difficulty', p.difficulty),
		updated_at = at
	WHERE p.user_id = quizzer_details_store.user_id;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_details_store(uuid, jsonb, timestamptz) IS
	'Merges the profile and the preferences of a checked body into a user''s profile; false without one.';

CREATE FUNCTION authmeter_http.quizzer_name(user_id uuid) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(nullif(concat_ws(' ', p.first_name, p.last_name), ''), p.username)
	FROM authmeter.quizzer_profile p WHERE p.user_id = quizzer_name.user_id;
END;
COMMENT ON FUNCTION authmeter_http.quizzer_name(uuid) IS
	'The name that the other APIs show of a user who gave none: first and last name, else the user name.';

-- Tokens ------------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.quizzer_profile_text(user_id uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	shown text := authmeter_http.quizzer_user(user_id);
BEGIN
	IF shown IS NULL AND authmeter.quizzer_profile_make(user_id) IS NOT NULL THEN
		shown := authmeter_http.quizzer_user(user_id);
	END IF;
	RETURN shown;
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_profile_text(uuid) IS
	'The user object, with a profile made for a user who has none; NULL when the user is gone.';

CREATE FUNCTION authmeter_http.quizzer_session(status integer, message text, user_id uuid)
RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	ttl text := authmeter.setting_get('quizzer.token_ttl');
	claims jsonb;
	token text;
BEGIN
	SELECT jsonb_build_object('userId', p.object_id, 'username', p.username) INTO claims
	FROM authmeter.quizzer_profile p WHERE p.user_id = quizzer_session.user_id;
	-- By seconds: a day of an interval may have 23 or 25 hours.
	token := authmeter.token_issue(user_id, 'quizzer', 'access', claims,
		make_interval(secs => extract(epoch FROM ttl::interval)));
	RETURN authmeter_http.quizzer_ok(status, message, format('"user":%s,"token":%s,"expiresIn":%s',
		authmeter_http.quizzer_user(user_id), to_json(token), to_json(ttl)));
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_session(integer, text, uuid) IS
	'The answer of a registration or a login: the user object and a new token.';

CREATE FUNCTION authmeter_http.quizzer_authenticate(
	request jsonb, route_group text, OUT user_id uuid, OUT reply authmeter_http.response)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	verified authmeter.user_result;
	taken record;
BEGIN
	IF coalesce(request->>'bearer', '') = '' THEN
		reply := authmeter_http.quizzer_error(401, 'Access token required', 'authenticateToken');
		RETURN;
	END IF;
	verified := authmeter.token_user(request->>'bearer', 'quizzer', 'access');
	IF verified.outcome <> 'ok' THEN
		reply := authmeter_http.quizzer_error(401, CASE verified.outcome WHEN 'expired' THEN 'Token expired'
			WHEN 'invalid' THEN 'Invalid token' ELSE 'User not found' END, 'authenticateToken');
		RETURN;
	END IF;
	user_id := verified.user_id;
	taken := authmeter_http.limit_take(request, 'quizzer', route_group, user_id => quizzer_authenticate.user_id);
	IF taken.retry_after_s IS NOT NULL THEN
		reply := authmeter_http.quizzer_too_many(route_group, taken.retry_after_s);
	END IF;
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_authenticate(jsonb, text) IS
	'The user of the bearer token, or the refusal of a call without a good one. Counts the call against the rate policies by user.';

-- Endpoints ---------------------------------------------------------------------------------------

CREATE FUNCTION authmeter_http.quizzer_account(username text, OUT user_id uuid, OUT email text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT p.user_id, u.email FROM authmeter.quizzer_profile p JOIN authmeter.user u ON u.id = p.user_id
	WHERE lower(p.username) = lower(quizzer_account.username COLLATE "C");
END;
COMMENT ON FUNCTION authmeter_http.quizzer_account(text) IS
	'Who has this user name, in whatever case; NULLs when nobody has.';

CREATE FUNCTION authmeter_http.quizzer_taken(field text) RETURNS authmeter_http.response
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN authmeter_http.quizzer_error(409, 'Username or email already exists', 'register',
	format('{"field":"%s","message":"%s already exists"}', field, field));
COMMENT ON FUNCTION authmeter_http.quizzer_taken(text) IS
	'The answer to a registration whose user name or e-mail address (field: username or email) somebody has.';

CREATE FUNCTION authmeter_http.quizzer_user_make(request jsonb, username text, OUT outcome text, OUT user_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	made authmeter.user_result;
	taken text;
BEGIN
	made := authmeter.user_create(authmeter_http.body_text(request, 'email'),
		authmeter_http.body_text(request, 'password'),
		password_length_min => authmeter.setting_get('quizzer.password_min_length')::integer,
		bcrypt_cost => authmeter.setting_get('quizzer.bcrypt_rounds')::integer);
	outcome := made.outcome;
	IF outcome = 'created' THEN
		user_id := made.user_id;
		PERFORM authmeter.quizzer_profile_make(made.user_id, quizzer_user_make.username),
			authmeter_http.quizzer_details_store(made.user_id, request->'body', u.created_at)
		FROM authmeter.user u WHERE u.id = made.user_id;
		UPDATE authmeter.user u SET name = authmeter_http.quizzer_name(u.id) WHERE u.id = made.user_id;
	END IF;
EXCEPTION WHEN unique_violation THEN
	GET STACKED DIAGNOSTICS taken = CONSTRAINT_NAME;
	IF taken <> 'quizzer_profile_username_idx' THEN
		RAISE;
	END IF;
	outcome := 'username_taken';
	user_id := NULL;
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_user_make(jsonb, text) IS
	'Makes the user of a checked registration with its profile: created, email_taken, or username_taken, which leaves nothing behind.';

CREATE FUNCTION authmeter_http.quizzer_register_decide(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	wanted text := authmeter_http.body_trimmed(request, 'username');
	email text := authmeter_http.body_trimmed(request, 'email');
	problems text[] := array_remove(ARRAY[authmeter_http.quizzer_username_problem(wanted),
			authmeter_http.quizzer_email_problem(email),
			authmeter_http.quizzer_password_problem(authmeter_http.body_text(request, 'password'),
				authmeter.setting_get('quizzer.password_min_length')::integer)], NULL)
		|| authmeter_http.quizzer_profile_problems(request#>'{body,profile}')
		|| authmeter_http.quizzer_preferences_problems(request#>'{body,preferences}');
	taken record;
	outcome text := 'username_taken';
	made_id uuid;
BEGIN
	IF problems <> '{}' THEN
		RETURN authmeter_http.quizzer_invalid(problems);
	END IF;
	taken := authmeter_http.limit_take(request, 'quizzer', 'auth', email => email);
	IF taken.retry_after_s IS NOT NULL THEN
		RETURN authmeter_http.quizzer_too_many('auth', taken.retry_after_s);
	END IF;
	-- Saves the hash where the end is clear already; the index decides.
	IF (authmeter_http.quizzer_account(wanted)).user_id IS NULL THEN
		SELECT m.outcome, m.user_id INTO outcome, made_id FROM authmeter_http.quizzer_user_make(request, wanted) m;
	END IF;
	PERFORM authmeter.audit_append('quizzer_register', made_id, outcome, request->>'ip', request->>'id',
		jsonb_build_object('username', wanted));
	-- Of two that are taken the user name is told, also when it went to somebody meanwhile.
	IF outcome = 'email_taken' AND (authmeter_http.quizzer_account(wanted)).user_id IS NULL THEN
		RETURN authmeter_http.quizzer_taken('email');
	ELSIF outcome IN ('email_taken', 'username_taken') THEN
		RETURN authmeter_http.quizzer_taken('username');
	ELSIF outcome <> 'created' THEN
		RETURN authmeter_http.quizzer_invalid(ARRAY['Password is required']);
	END IF;
	RETURN authmeter_http.quizzer_session(201, 'Registration successful', made_id);
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_register_decide(jsonb) IS
	'A registration within its limits.';

CREATE FUNCTION authmeter_http.quizzer_register(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	counted record := authmeter_http.quizzer_limit(request, 'auth');
BEGIN
	RETURN authmeter_http.response_with(CASE WHEN (counted.reply).status IS NOT NULL THEN counted.reply
		ELSE authmeter_http.quizzer_register_decide(request) END, counted.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_register(jsonb) IS
	'POST /api/auth/register: makes a user of the pool with a user name, a password and a profile, and logs it in.';

CREATE FUNCTION authmeter_http.quizzer_login_decide(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	wanted text := authmeter_http.body_trimmed(request, 'username');
	password text := authmeter_http.body_text(request, 'password');
	-- A longer minimum for new passwords must not lock out those who have an older one.
	length_min integer := least(6, authmeter.setting_get('quizzer.password_min_length')::integer);
	problems text[] := array_remove(ARRAY[authmeter_http.quizzer_username_problem(wanted),
		authmeter_http.quizzer_password_problem(password, length_min)], NULL);
	account record;
	taken record;
	login authmeter.login_result;
	now timestamptz;
BEGIN
	IF problems <> '{}' THEN
		RETURN authmeter_http.quizzer_invalid(problems);
	END IF;
	taken := authmeter_http.limit_take(request, 'quizzer', 'auth', email => lower(wanted COLLATE "C"));
	IF taken.retry_after_s IS NOT NULL THEN
		RETURN authmeter_http.quizzer_too_many('auth', taken.retry_after_s);
	END IF;
	SELECT a.* INTO account FROM authmeter_http.quizzer_account(wanted) a;
	login := authmeter.user_login(account.email, password, request->>'ip', request->>'id', lower(wanted COLLATE "C"));
	IF login.outcome = 'rate_limited' THEN
		RETURN authmeter_http.quizzer_too_many('auth', login.retry_after_s);
	-- The address may have gone to another user since it was looked up.
	ELSIF login.outcome <> 'ok' OR login.user_id IS DISTINCT FROM account.user_id THEN
		RETURN authmeter_http.quizzer_error(401, 'Invalid username or password', 'login');
	END IF;
	now := authmeter.clock();
	UPDATE authmeter.quizzer_profile p SET last_login_at = now, updated_at = now WHERE p.user_id = login.user_id;
	RETURN authmeter_http.quizzer_session(200, 'Login successful', login.user_id);
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_login_decide(jsonb) IS
	'A login within its limits. A user name that nobody has is refused in the same words, after the same work and with the same count of failures as a wrong password.';

CREATE FUNCTION authmeter_http.quizzer_login(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	counted record := authmeter_http.quizzer_limit(request, 'auth');
BEGIN
	RETURN authmeter_http.response_with(CASE WHEN (counted.reply).status IS NOT NULL THEN counted.reply
		ELSE authmeter_http.quizzer_login_decide(request) END, counted.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_login(jsonb) IS
	'POST /api/auth/login: a token for a user name and its password.';

CREATE FUNCTION authmeter_http.quizzer_validate_decide(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller record := authmeter_http.quizzer_authenticate(request, 'general');
	shown text;
BEGIN
	IF (caller.reply).status IS NOT NULL THEN
		RETURN caller.reply;
	END IF;
	shown := authmeter_http.quizzer_profile_text(caller.user_id);
	IF shown IS NULL THEN
		RETURN authmeter_http.quizzer_error(401, 'User not found', 'authenticateToken');
	END IF;
	RETURN authmeter_http.quizzer_ok(200, 'Token is valid', '"user":' || shown || ',"isValid":true');
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_validate_decide(jsonb) IS 'A call of validate within its limits.';

CREATE FUNCTION authmeter_http.quizzer_validate(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	counted record;
BEGIN
	IF authmeter.service_token_allows(request#>>'{headers,x-service-token}', 'quizzer:validate') THEN
		RETURN CASE WHEN request ? 'fault' THEN authmeter_http.quizzer_fault(request)
			ELSE authmeter_http.quizzer_validate_decide(request) END;
	END IF;
	counted := authmeter_http.quizzer_limit(request, 'general');
	RETURN authmeter_http.response_with(CASE WHEN (counted.reply).status IS NOT NULL THEN counted.reply
		ELSE authmeter_http.quizzer_validate_decide(request) END, counted.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_validate(jsonb) IS
	'POST /api/auth/validate: whose token it is, for sibling services; those with a service token quizzer:validate are not limited by address.';

CREATE FUNCTION authmeter_http.quizzer_get_profile_decide(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller record := authmeter_http.quizzer_authenticate(request, 'general');
	shown text;
BEGIN
	IF (caller.reply).status IS NOT NULL THEN
		RETURN caller.reply;
	END IF;
	shown := authmeter_http.quizzer_profile_text(caller.user_id);
	IF shown IS NULL THEN
		RETURN authmeter_http.quizzer_error(404, 'User not found', 'getProfile');
	END IF;
	RETURN authmeter_http.quizzer_ok(200, 'Profile retrieved successfully', '"user":' || shown);
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_get_profile_decide(jsonb) IS 'A call for the profile within its limits.';

CREATE FUNCTION authmeter_http.quizzer_get_profile(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	counted record := authmeter_http.quizzer_limit(request, 'general');
BEGIN
	RETURN authmeter_http.response_with(CASE WHEN (counted.reply).status IS NOT NULL THEN counted.reply
		ELSE authmeter_http.quizzer_get_profile_decide(request) END, counted.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_get_profile(jsonb) IS
	'GET /api/auth/profile and /api/user/profile: the user object of the token''s user.';

CREATE FUNCTION authmeter_http.quizzer_update_profile_decide(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller record := authmeter_http.quizzer_authenticate(request, 'update');
	body jsonb := coalesce(request->'body', '{}');
	problems text[] := CASE WHEN body ?| ARRAY['profile', 'preferences']
		THEN authmeter_http.quizzer_profile_problems(body->'profile')
			|| authmeter_http.quizzer_preferences_problems(body->'preferences')
		ELSE ARRAY['At least one field (profile or preferences) must be provided'] END;
	name_before text;
BEGIN
	IF (caller.reply).status IS NOT NULL THEN
		RETURN caller.reply;
	ELSIF problems <> '{}' THEN
		RETURN authmeter_http.quizzer_invalid(problems);
	END IF;
	PERFORM FROM authmeter.user u WHERE u.id = caller.user_id FOR NO KEY UPDATE;
	PERFORM authmeter.quizzer_profile_make(caller.user_id);
	name_before := authmeter_http.quizzer_name(caller.user_id);
	IF NOT authmeter_http.quizzer_details_store(caller.user_id, body, authmeter.clock()) THEN
		RETURN authmeter_http.quizzer_error(404, 'User not found', 'updateProfile');
	END IF;
	-- The name that other APIs show follows, unless the user has given them another.
	UPDATE authmeter.user u SET name = authmeter_http.quizzer_name(u.id), updated_at = authmeter.clock()
	WHERE u.id = caller.user_id AND u.name = name_before AND u.name <> authmeter_http.quizzer_name(u.id);
	RETURN authmeter_http.quizzer_ok(200, 'Profile updated successfully',
		'"user":' || authmeter_http.quizzer_user(caller.user_id));
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_update_profile_decide(jsonb) IS 'A profile update within its limits.';

CREATE FUNCTION authmeter_http.quizzer_update_profile(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	counted record := authmeter_http.quizzer_limit(request, 'update');
BEGIN
	RETURN authmeter_http.response_with(CASE WHEN (counted.reply).status IS NOT NULL THEN counted.reply
		ELSE authmeter_http.quizzer_update_profile_decide(request) END, counted.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_update_profile(jsonb) IS
	'PUT /api/auth/profile and /api/user/profile: merges profile and preferences field by field; what is not sent stays, arrays are replaced, "" and null remove. Everything else of the body has no effect.';

CREATE FUNCTION authmeter_http.quizzer_delete_confirm(request jsonb, email text) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	password text := authmeter_http.body_text(request, 'password');
	login authmeter.login_result;
BEGIN
	IF coalesce(password, '') = '' THEN
		RETURN authmeter_http.quizzer_invalid(ARRAY['Password is required']);
	END IF;
	login := authmeter.user_login(email, password, request->>'ip', request->>'id');
	RETURN CASE login.outcome
		WHEN 'ok' THEN NULL
		WHEN 'rate_limited' THEN authmeter_http.quizzer_too_many('auth', login.retry_after_s)
		WHEN 'password_too_long' THEN authmeter_http.quizzer_invalid(ARRAY['Password must be at most 72 bytes long'])
		ELSE authmeter_http.quizzer_error(401, 'Invalid password', 'deleteAccount') END;
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_delete_confirm(jsonb, text) IS
	'The refusal of a deletion whose body has not the user''s password; NULL when it has. A wrong one counts as a failed login.';

CREATE FUNCTION authmeter_http.quizzer_delete_account_decide(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	caller record := authmeter_http.quizzer_authenticate(request, 'general');
	account record;
	refused authmeter_http.response;
BEGIN
	IF (caller.reply).status IS NOT NULL THEN
		RETURN caller.reply;
	END IF;
	-- As the deletion will lock it: of two calls at once the second must not hold a lesser lock by then.
	PERFORM FROM authmeter.user u WHERE u.id = caller.user_id FOR UPDATE;
	PERFORM authmeter.quizzer_profile_make(caller.user_id);
	SELECT q.email, q._id INTO account FROM authmeter.quizzer_users q WHERE q.user_id = caller.user_id;
	IF account._id IS NULL THEN
		RETURN authmeter_http.quizzer_error(401, 'User not found', 'authenticateToken');
	END IF;
	IF authmeter_http.policy_strict('quizzer.delete_account') THEN
		refused := authmeter_http.quizzer_delete_confirm(request, account.email);
		IF refused.status IS NOT NULL THEN
			RETURN refused;
		END IF;
	END IF;
	PERFORM authmeter.user_delete(caller.user_id);
	PERFORM authmeter.audit_append('quizzer_delete_account', caller.user_id, 'deleted', request->>'ip', request->>'id');
	RETURN authmeter_http.quizzer_ok(200, 'Account deleted successfully', '"userId":' || to_json(account._id));
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_delete_account_decide(jsonb) IS 'A deletion within its limits.';

CREATE FUNCTION authmeter_http.quizzer_delete_account(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	counted record := authmeter_http.quizzer_limit(request, 'general');
BEGIN
	RETURN authmeter_http.response_with(CASE WHEN (counted.reply).status IS NOT NULL THEN counted.reply
		ELSE authmeter_http.quizzer_delete_account_decide(request) END, counted.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_delete_account(jsonb) IS
	'DELETE /api/user/account: deletes the user from the pool. With the policy quizzer.delete_account strict the body must have its password.';

CREATE FUNCTION authmeter_http.quizzer_health(request jsonb) RETURNS authmeter_http.response
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 200, NULL::jsonb, format('{"success":true,"service":"auth-service","status":"healthy","timestamp":%s}',
		to_json(authmeter_http.time_text(authmeter.clock())));
END;
COMMENT ON FUNCTION authmeter_http.quizzer_health(jsonb) IS
	'GET /health: that the database answers. Without it the gateway answers by itself.';

CREATE FUNCTION authmeter_http.quizzer_root(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	counted record := authmeter_http.quizzer_limit(request, 'general');
	description text := '{"success":true,"message":"Auth Service API","version":"1.0.0",'
		'"endpoints":{"health":"/health","auth":"/api/auth","user":"/api/user"}}';
BEGIN
	RETURN authmeter_http.response_with(CASE WHEN (counted.reply).status IS NOT NULL THEN counted.reply
		ELSE ROW(200, NULL, description)::authmeter_http.response END, counted.headers);
END
$$;
COMMENT ON FUNCTION authmeter_http.quizzer_root(jsonb) IS 'GET /: what is served here.';

INSERT INTO authmeter.access_rule VALUES
	('gateway', 'function', 'authmeter_http', 'quizzer_register'),
	('gateway', 'function', 'authmeter_http', 'quizzer_login'),
	('gateway', 'function', 'authmeter_http', 'quizzer_validate'),
	('gateway', 'function', 'authmeter_http', 'quizzer_get_profile'),
	('gateway', 'function', 'authmeter_http', 'quizzer_update_profile'),
	('gateway', 'function', 'authmeter_http', 'quizzer_delete_account'),
	('gateway', 'function', 'authmeter_http', 'quizzer_health'),
	('gateway', 'function', 'authmeter_http', 'quizzer_root');
