\echo Use "CREATE EXTENSION authmeter CASCADE" to load this file. \quit

-- PostgreSQL puts the schemas of required extensions (pgcrypto's) into the search_path of this script,
-- and the bodies of some functions are bound to what is found while it runs: nobody who may create
-- objects there shall be found.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Schemas and the rules of access. CREATE only, never OR REPLACE or IF NOT EXISTS: an object that
-- somebody planted under one of these names makes the installation fail instead of being adopted.

CREATE SCHEMA authmeter;
COMMENT ON SCHEMA authmeter IS
	'authmeter: tables, and the functions that services and operators call.';
CREATE SCHEMA authmeter_http;
COMMENT ON SCHEMA authmeter_http IS
	'authmeter: one function an HTTP endpoint, for the HTTP shim only.';

-- Which level may call what. Each part of this script adds its own rows beside its functions, and
-- grant_access turns them into GRANTs. Functions without a row stay with the owner.
CREATE TABLE authmeter.access_rule (
	level text NOT NULL CHECK (level IN ('gateway', 'service', 'admin', 'reader', 'mailer', 'identity')),
	kind text NOT NULL CHECK (kind IN ('function', 'view')),
	schema_name name NOT NULL DEFAULT 'authmeter',
	object_name name NOT NULL,
	PRIMARY KEY (level, kind, schema_name, object_name)
);
COMMENT ON TABLE authmeter.access_rule IS
	'What each level of authmeter.grant_access may call (kind function: all overloads of the name) or select (kind view). Part of the extension, not of the data.';

CREATE FUNCTION authmeter.cache_invalidate() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authmeter_cache_invalidate';
COMMENT ON FUNCTION authmeter.cache_invalidate() IS
	'Statement trigger of the tables that backends keep copies of: tells every backend at commit to read the table anew.';

CREATE FUNCTION authmeter.clock() RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'authmeter_clock';
COMMENT ON FUNCTION authmeter.clock() IS
	'The time by which every function of authmeter decides: the real clock (not the start of the transaction) plus the superuser-only setting authmeter.clock_offset_s.';
INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'clock'),
	('reader', 'function', 'authmeter', 'clock');
