-- Settings: rows that differ from their default. Names, types, ranges and defaults stand in the
-- library (authmeter.setting_list() shows them).

CREATE TABLE authmeter.setting (
	name text PRIMARY KEY,
	value text NOT NULL,
	updated_at timestamptz NOT NULL,
	updated_by name NOT NULL
);
COMMENT ON TABLE authmeter.setting IS
	'Settings that differ from their default. Change them with authmeter.setting_set only; a change is in force from its commit on.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.setting', '');

CREATE TRIGGER cache_invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON authmeter.setting
	FOR EACH STATEMENT EXECUTE FUNCTION authmeter.cache_invalidate();

CREATE FUNCTION authmeter.setting_list(
	OUT name text, OUT type text, OUT value text, OUT default_value text, OUT development_value text,
	OUT minimum bigint, OUT maximum bigint, OUT source text, OUT meaning text)
RETURNS SETOF record
LANGUAGE c STABLE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_setting_list';
COMMENT ON FUNCTION authmeter.setting_list() IS
	'Every setting, alphabetical: type, value in force, default (and the default in development where it differs), range of integers (milliseconds for durations), source (default, table or server) and meaning.';

CREATE FUNCTION authmeter.setting_get(name text) RETURNS text
LANGUAGE c STABLE STRICT SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_setting_get';
COMMENT ON FUNCTION authmeter.setting_get(text) IS
	'The value in force of a setting. Raises MA002 (setting_unknown) with the nearest name as a hint.';

CREATE FUNCTION authmeter.setting_set(name text, value text) RETURNS text
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_setting_set';
COMMENT ON FUNCTION authmeter.setting_set(text, text) IS
	'Sets a setting for the whole database and returns the value in force; NULL as value restores the default. Checked by type and range, audited, in force from the commit on, announced to the HTTP shim. Raises MA002 (setting_unknown), MA003 (setting_invalid), MA004 (setting_fixed: a server setting, to be changed in postgresql.conf).';

INSERT INTO authmeter.access_rule VALUES
	('admin', 'function', 'authmeter', 'setting_set'),
	('admin', 'function', 'authmeter', 'setting_get'),
	('admin', 'function', 'authmeter', 'setting_list');
