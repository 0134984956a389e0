-- status() names each component once and tells a degraded one from a healthy one.
SELECT component, state, hint FROM authmeter.status() WHERE component IN ('version', 'master_key', 'encoding', 'clock');
SELECT detail LIKE extversion || ' on PostgreSQL %' AS library_matches
FROM authmeter.status(), pg_extension WHERE component = 'version' AND extname = 'authmeter';
SET authmeter.clock_offset_s = 1.5;
SELECT * FROM authmeter.status() WHERE component = 'clock';
RESET authmeter.clock_offset_s;
SELECT * FROM authmeter.status() WHERE component = 'environment';
BEGIN;
SELECT authmeter.setting_set('authmeter.environment', 'development');
SELECT * FROM authmeter.status() WHERE component = 'environment';
ROLLBACK;
SELECT string_agg(component, ' ') FROM authmeter.status();
