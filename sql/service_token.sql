-- Service tokens: shown once, good for their scopes until they end, and otherwise as if absent.
SELECT authmeter.create_service_token('test-a', '{vsplugin:signup,autoverse:credits}', '1 hour') AS a \gset
SELECT authmeter.create_service_token('test-b', '{vsplugin:signup}', '1 hour') AS b \gset
SELECT :'a' ~ '^amst_[A-Za-z0-9_-]{43}$' AS form, :'a' <> :'b' AS differ;
SELECT scope, authmeter.service_token_allows(:'a', scope) AS a, authmeter.service_token_allows(:'b', scope) AS b
FROM unnest(ARRAY['vsplugin:signup', 'autoverse:credits', 'autoverse:byok', 'vsplugin:*', '', NULL]) scope;
-- As if absent.
SELECT n, authmeter.service_token_allows(t, 'vsplugin:signup') FROM (VALUES (1, NULL), (2, ''), (3, left(:'b', 47)), (4, :'b' || 'x'),
	(5, upper(:'b')), (6, 'amst_' || repeat('A', 43)), (7, ' ' || :'b'), (8, repeat('x', 1000000)),
	(9, encode((SELECT token_hash FROM authmeter.service_token WHERE name = 'test-b'), 'hex'))) v (n, t);
-- At rest only the digest.
SELECT count(*) AS found FROM authmeter.service_token s WHERE s::text LIKE '%' || substr(:'a', 6) || '%';
SELECT token_hash = sha256(convert_to(:'a', 'UTF8')) AS digest FROM authmeter.service_token WHERE name = 'test-a';

-- It ends by itself, and by revocation, which frees the name.
SET authmeter.clock_offset_s = 3595;
SELECT authmeter.service_token_allows(:'a', 'vsplugin:signup');
SET authmeter.clock_offset_s = 3605;
SELECT authmeter.service_token_allows(:'a', 'vsplugin:signup');
SELECT name, state FROM authmeter.service_token_list() WHERE name LIKE 'test-%';
RESET authmeter.clock_offset_s;
SELECT authmeter.create_service_token('test-b', '{vsplugin:signup}', '1 hour');
SELECT authmeter.revoke_service_token('test-b');
SELECT authmeter.service_token_allows(:'b', 'vsplugin:signup');
SELECT authmeter.revoke_service_token('test-b');
SELECT authmeter.revoke_service_token('test-none');
SELECT authmeter.create_service_token('test-b', '{vsplugin:signup}', '1 hour') <> :'b' AS another;
SELECT name, scopes, state, expires_at - created_at AS life FROM authmeter.service_token_list() WHERE name LIKE 'test-%' ORDER BY name, state;
-- A revocation is in force also for a transaction that began before it.
SELECT authmeter.create_service_token('test-c', '{vsplugin:signup}', '1 hour') AS c \gset
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT authmeter.service_token_allows(:'c', 'vsplugin:signup');
SELECT authmeter.revoke_service_token('test-c');
SELECT authmeter.service_token_allows(:'c', 'vsplugin:signup');
COMMIT;

-- What was done, and by whom; never the token.
SELECT action, outcome, detail FROM authmeter.audit_event WHERE action LIKE '%service_token' AND detail->>'name' LIKE 'test-%' ORDER BY at;

-- Misuse.
SELECT authmeter.create_service_token(NULL, '{vsplugin:signup}', '1 hour');
SELECT authmeter.create_service_token('', '{vsplugin:signup}', '1 hour');
SELECT authmeter.create_service_token('a b', '{vsplugin:signup}', '1 hour');
SELECT authmeter.create_service_token(repeat('x', 64), '{vsplugin:signup}', '1 hour');
SELECT authmeter.create_service_token('test-x', NULL, '1 hour');
SELECT authmeter.create_service_token('test-x', '{}', '1 hour');
SELECT authmeter.create_service_token('test-x', '{vsplugin:other}', '1 hour');
SELECT authmeter.create_service_token('test-x', '{vsplugin:signup,NULL}', '1 hour');
SELECT authmeter.create_service_token('test-x', '{{vsplugin:signup},{vsplugin:signup}}', '1 hour');
SELECT authmeter.create_service_token('test-x', '{vsplugin:signup}', NULL);
SELECT authmeter.create_service_token('test-x', '{vsplugin:signup}', '0');
SELECT authmeter.create_service_token('test-x', '{vsplugin:signup}', '-1 hour');
SELECT authmeter.create_service_token('test-x', '{vsplugin:signup}', '3651 days');
SELECT authmeter.create_service_token('test-x', '{vsplugin:signup}', '178000000 years');
SELECT authmeter.revoke_service_token('a b');

-- Only an administrator makes and ends them.
CREATE ROLE regress_service_token_service;
CREATE ROLE regress_service_token_admin;
SELECT authmeter.grant_access('regress_service_token_service', 'service') > 0 AS granted;
SELECT authmeter.grant_access('regress_service_token_admin', 'admin') > 0 AS granted;
SET ROLE regress_service_token_service;
SELECT authmeter.service_token_allows(:'a', 'vsplugin:signup');
SELECT authmeter.create_service_token('test-role', '{vsplugin:signup}', '1 hour');
SET ROLE regress_service_token_admin;
SELECT length(authmeter.create_service_token('test-role', '{vsplugin:signup}', '1 hour'));
SELECT authmeter.revoke_service_token('test-role');
SELECT token_hash FROM authmeter.service_token;
RESET ROLE;
DROP OWNED BY regress_service_token_service, regress_service_token_admin;
DROP ROLE regress_service_token_service, regress_service_token_admin;
