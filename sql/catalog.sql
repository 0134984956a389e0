-- The golden catalog: every function with its access, security, volatility and parallel label, and
-- the rules that all objects keep. A change here must be meant.

-- Everything says what it is.
SELECT c.classid::regclass, pg_describe_object(c.classid, c.objid, 0) AS without_comment
FROM pg_depend c JOIN pg_extension e ON c.refclassid = 'pg_extension'::regclass AND c.refobjid = e.oid
LEFT JOIN pg_class r ON c.classid = 'pg_class'::regclass AND r.oid = c.objid
LEFT JOIN pg_type t ON c.classid = 'pg_type'::regclass AND t.oid = c.objid
WHERE e.extname = 'authmeter' AND c.deptype = 'e'
	AND (c.classid IN ('pg_proc'::regclass, 'pg_namespace'::regclass)
		OR (c.classid = 'pg_class'::regclass AND r.relkind IN ('r', 'p', 'v'))
		OR (c.classid = 'pg_type'::regclass AND t.typrelid = 0 AND t.typelem = 0))
	AND obj_description(c.objid, c.classid::regclass::name) IS NULL
ORDER BY 2;
SELECT t.typname AS composite_without_comment
FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
WHERE t.typnamespace IN ('authmeter'::regnamespace, 'authmeter_http'::regnamespace)
	AND obj_description(t.oid, 'pg_type') IS NULL;

-- PUBLIC may do nothing.
SELECT p.oid::regprocedure AS open_to_public
FROM pg_proc p
WHERE p.pronamespace IN ('authmeter'::regnamespace, 'authmeter_http'::regnamespace)
	AND has_function_privilege('public', p.oid, 'EXECUTE');
SELECT c.oid::regclass AS open_to_public
FROM pg_class c, aclexplode(c.relacl) a
WHERE c.relnamespace IN ('authmeter'::regnamespace, 'authmeter_http'::regnamespace) AND a.grantee = 0;
SELECT nspname AS open_to_public FROM pg_namespace, aclexplode(nspacl) a
WHERE nspname LIKE 'authmeter%' AND a.grantee = 0;

-- A function pins search_path, with pg_temp last, or is C, or has a body bound when it was made.
SELECT p.oid::regprocedure AS unpinned
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace IN ('authmeter'::regnamespace, 'authmeter_http'::regnamespace)
	AND l.lanname <> 'c' AND p.prosqlbody IS NULL AND p.proconfig IS DISTINCT FROM ARRAY['search_path=pg_catalog, pg_temp'];

-- No function says LEAKPROOF; every argument has a name.
SELECT p.oid::regprocedure AS leakproof_or_unnamed
FROM pg_proc p
WHERE p.pronamespace IN ('authmeter'::regnamespace, 'authmeter_http'::regnamespace)
	AND (p.proleakproof OR (p.pronargs > 0 AND (p.proargnames IS NULL OR '' = ANY (p.proargnames))));

-- Data tables and their sequences are dumped; static ones are not.
SELECT c.relname, c.oid = ANY (e.extconfig) AS dumped
FROM pg_class c, pg_extension e
WHERE e.extname = 'authmeter' AND c.relkind IN ('r', 'p', 'S')
	AND c.relnamespace IN ('authmeter'::regnamespace, 'authmeter_http'::regnamespace)
ORDER BY c.relname COLLATE "C";

-- Access rules name what exists.
SELECT r.* FROM authmeter.access_rule r
WHERE NOT EXISTS (
	SELECT FROM pg_proc p WHERE r.kind = 'function' AND p.proname = r.object_name
		AND p.pronamespace = r.schema_name::text::regnamespace)
	AND NOT EXISTS (
	SELECT FROM pg_class c WHERE r.kind = 'view' AND c.relname = r.object_name
		AND c.relnamespace = r.schema_name::text::regnamespace);

-- The list.
SELECT p.oid::regprocedure AS function,
	CASE WHEN p.prosecdef THEN 'definer' ELSE 'invoker' END AS security,
	CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
	CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END AS parallel,
	(SELECT string_agg(r.level, ' ' ORDER BY r.level) FROM authmeter.access_rule r
		WHERE r.kind = 'function' AND r.object_name = p.proname
			AND r.schema_name = p.pronamespace::regnamespace::name) AS levels
FROM pg_proc p
WHERE p.pronamespace IN ('authmeter'::regnamespace, 'authmeter_http'::regnamespace)
ORDER BY p.oid::regprocedure::text COLLATE "C";
