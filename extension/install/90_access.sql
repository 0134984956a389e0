-- Access: nothing of authmeter is open to PUBLIC, and grant_access is the one way to open it.

CREATE FUNCTION authmeter.grant_access(role regrole, level text) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	wanted text[] := CASE level
		WHEN 'gateway' THEN ARRAY['gateway']
		WHEN 'reader' THEN ARRAY['reader']
		WHEN 'service' THEN ARRAY['service']
		WHEN 'mailer' THEN ARRAY['mailer']
		WHEN 'identity' THEN ARRAY['identity']
		WHEN 'admin' THEN ARRAY['admin', 'service', 'reader'] END;
	item record;
	granted integer := 0;
BEGIN
	IF role IS NULL OR wanted IS NULL THEN
		RAISE EXCEPTION 'access level "%" does not exist', level
			USING ERRCODE = 'MA005', HINT = 'The levels are gateway, service, mailer, reader, identity and admin.';
	END IF;
	FOR item IN
		SELECT DISTINCT r.schema_name, r.kind,
			CASE r.kind WHEN 'view' THEN format('%I.%I', r.schema_name, r.object_name)
				ELSE p.oid::regprocedure::text END AS target
		FROM authmeter.access_rule r
		JOIN pg_namespace n ON n.nspname = r.schema_name
		LEFT JOIN pg_proc p ON r.kind = 'function' AND p.proname = r.object_name AND p.pronamespace = n.oid
		WHERE r.level = ANY (wanted) AND (r.kind = 'view' OR p.oid IS NOT NULL)
		ORDER BY 1, 2, 3
	LOOP
		EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', item.schema_name, role);
		EXECUTE format('GRANT %s %s TO %s',
			CASE item.kind WHEN 'view' THEN 'SELECT ON' ELSE 'EXECUTE ON FUNCTION' END, item.target, role);
		granted := granted + 1;
	END LOOP;
	-- A gateway's calls carry tokens and passwords as binds, a mailer's what servers quote of a mail:
	-- neither the server's log nor the custom plans that auto_explain prints may show them.
	IF level IN ('gateway', 'mailer') THEN
		EXECUTE format('ALTER ROLE %s SET log_parameter_max_length = 0', role);
		EXECUTE format('ALTER ROLE %s SET log_parameter_max_length_on_error = 0', role);
		EXECUTE format('ALTER ROLE %s SET plan_cache_mode = force_generic_plan', role);
	END IF;
	RETURN granted;
END
$$;
COMMENT ON FUNCTION authmeter.grant_access(regrole, text) IS
	'Lets a role use authmeter at one level and returns the number of objects granted: gateway (the HTTP shim: endpoint functions only), mailer (the program that sends mail: claims and reports only), service (what a backend service calls), reader (views and reports), identity (what a role under row-level security calls: authenticate, uid, claims), admin (everything a person administers, service and reader included). gateway and mailer also switch the logging of bind values off for the role, which takes a superuser. Safe to repeat; repeat it after ALTER EXTENSION UPDATE. Raises MA005 (access_level_unknown).';

-- Last of all: PostgreSQL lets PUBLIC execute every new function, so take that back for all of them.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA authmeter FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA authmeter_http FROM PUBLIC;
