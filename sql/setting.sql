-- Settings: typed, range-checked, in force from the commit on, changed by admins only.
\set VERBOSITY verbose
\set ECHO all
SELECT authmeter.setting_get('vsplugin.threshold');
SELECT authmeter.setting_set('vsplugin.threshold', '25');
SELECT authmeter.setting_get('vsplugin.threshold');
SELECT name, value FROM authmeter.setting;
-- NULL restores the default and leaves no row.
SELECT authmeter.setting_set('vsplugin.threshold', NULL);
SELECT count(*) FROM authmeter.setting;

\set VERBOSITY default
-- A rolled back change is not in force.
BEGIN;
SELECT authmeter.setting_set('vsplugin.threshold', '26');
ROLLBACK;
SELECT authmeter.setting_get('vsplugin.threshold');

-- Wrong values: one of each type, each refused with a hint and nothing stored.
SELECT authmeter.setting_set('vsplugin.threshold', 'ten');
SELECT authmeter.setting_set('vsplugin.threshold', '1.5');
SELECT authmeter.setting_set('vsplugin.threshold', '-1');
SELECT authmeter.setting_set('vsplugin.threshold', '9223372036854775808');
SELECT authmeter.setting_set('vsplugin.threshold', '');
SELECT authmeter.setting_set('vsplugin.token_ttl', '30');
SELECT authmeter.setting_set('vsplugin.token_ttl', '1ms');
SELECT authmeter.setting_set('vsplugin.signup_limit', '10');
SELECT authmeter.setting_set('authmeter.login_failures', 'auto');
SELECT authmeter.setting_set('vsplugin.signup_proof', 'Strict');
SELECT authmeter.setting_set('authmeter.environment', 'staging');
SELECT authmeter.setting_set('authmeter.trusted_proxies', '10.0.0.0/8, 10.0.0.256');
SELECT authmeter.setting_set('vsplugin.cors_origins', '*');
SELECT authmeter.setting_set('vsplugin.cors_origins', 'https://a.example/path');
SELECT authmeter.setting_set('vsplugin.cors_origins', 'https://A.example');
SELECT authmeter.setting_set('vsplugin.cors_origins', 'https://a.example,,https://b.example');
SELECT authmeter.setting_set('vsplugin.treshold', '1');
SELECT authmeter.setting_set('nothing like it', '1');
SELECT authmeter.setting_set(NULL, '1');
SELECT authmeter.setting_set('authmeter.master_key_file', '/tmp/x');
SELECT count(*) FROM authmeter.setting;

-- Right values.
SELECT authmeter.setting_set('authmeter.trusted_proxies', '10.0.0.0/8, 2001:db8::/32');
SELECT authmeter.setting_set('vsplugin.cors_origins', 'https://a.example, http://localhost:3000');
SELECT authmeter.setting_set('vsplugin.signup_limit', 'off');
SELECT authmeter.setting_set('vsplugin.signup_limit', 'auto');
SELECT authmeter.setting_set('vsplugin.token_ttl', '90m');

-- Cheap bcrypt is for development, whichever of the two settings comes first.
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '4');
SELECT authmeter.setting_set('authmeter.environment', 'development');
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '4');
SELECT authmeter.setting_set('authmeter.environment', 'production');
SELECT authmeter.setting_set('authmeter.environment', NULL);
SELECT authmeter.setting_set('authmeter.bcrypt_cost', NULL);
SELECT authmeter.setting_set('authmeter.environment', NULL);

-- A stored value that this version cannot read is ignored with a warning, not an error.
INSERT INTO authmeter.setting VALUES ('vsplugin.threshold', 'soon', '2026-01-01Z', 'nobody');
SELECT authmeter.setting_get('vsplugin.threshold');
DELETE FROM authmeter.setting WHERE value = 'soon';

-- Every change is in the audit trail.
SELECT action, outcome, detail FROM authmeter.audit_event
WHERE action = 'setting_set' AND detail ->> 'name' = 'vsplugin.token_ttl';

-- Nobody without a grant reads or changes a setting, by function, table or SET.
CREATE ROLE regress_authmeter_nobody;
SET ROLE regress_authmeter_nobody;
SELECT authmeter.setting_set('vsplugin.threshold', '1');
SELECT * FROM authmeter.setting;
RESET ROLE;
CREATE ROLE regress_authmeter_plain;
SELECT authmeter.grant_access('regress_authmeter_plain', 'service') > 0 AS granted;
SET ROLE regress_authmeter_plain;
SELECT authmeter.setting_set('vsplugin.threshold', '1');
SET authmeter.environment = 'development';
SET authmeter.clock_offset_s = 1;
SET authmeter.master_key_file = '/tmp/x';
RESET ROLE;
SELECT authmeter.grant_access('regress_authmeter_plain', 'root');
DROP OWNED BY regress_authmeter_plain;
DROP ROLE regress_authmeter_plain, regress_authmeter_nobody;

SELECT authmeter.setting_set(name, NULL) IS NOT NULL AS reset FROM authmeter.setting;
-- The whole table: a change of a default or a meaning must be meant.
SELECT name, type, default_value, development_value, minimum, maximum, source
FROM authmeter.setting_list() WHERE name !~ 'master_key_file';
