-- The extension installs into a database that knows nothing of it, with pgcrypto by CASCADE, into
-- schemas of its own that belong to it.
SET client_min_messages = warning;
CREATE EXTENSION authmeter CASCADE;
SELECT extname, extversion, extrelocatable FROM pg_extension
WHERE extname IN ('authmeter', 'pgcrypto') ORDER BY 1;
SELECT n.nspname, e.extname FROM pg_namespace n
JOIN pg_depend d ON d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid ORDER BY 1;
-- It is not there twice, and it does not move.
CREATE EXTENSION authmeter;
ALTER EXTENSION authmeter SET SCHEMA public;
