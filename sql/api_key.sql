-- API keys: shown once, good for their scopes until they end, limited by themselves, replaced with overlap.
SELECT user_id AS ana FROM authmeter.user_create('api-key-ana@example.com', 'correct horse battery') \gset
SELECT user_id AS bob FROM authmeter.user_create('api-key-bob@example.com', 'correct horse battery') \gset

SELECT outcome, key_id AS a_id, key AS a, prefix AS a_prefix, expires_at IS NULL AS endless
FROM authmeter.api_key_create(:'ana', 'laptop', '{usage:read,usage:write}') \gset
SELECT :'outcome' AS outcome, :'endless' AS endless, :'a' ~ '^am_[0-9a-f]{8}_[A-Za-z0-9_-]{43}$' AS form,
	left(:'a', 11) = :'a_prefix' AS prefix,
	('x' || substr(:'a', 4, 3))::bit(12)::int = authmeter.id_partition(:'ana') AS partition,
	authmeter.id_partition(:'a_id') = authmeter.id_partition(:'ana') AS id_partition;
SELECT outcome, reason, key_id = :'a_id' AS key, family_id = :'a_id' AS family, user_id = :'ana' AS ana, service, scopes,
	remaining, retry_after_ms FROM authmeter.api_key_verify(:'a');
SELECT scope, outcome, reason, user_id IS NOT NULL AS told
FROM unnest(ARRAY['usage:read', 'usage:write', 'usage', 'usage:rea', 'usage:*', '', NULL]) WITH ORDINALITY s (scope, n),
	authmeter.api_key_verify(:'a', scope) ORDER BY n;
-- As if absent.
SELECT n, v.* FROM (VALUES (1, NULL), (2, ''), (3, left(:'a', 54)), (4, :'a' || 'x'), (5, upper(:'a')), (6, ' ' || left(:'a', 54)),
	(7, 'am_' || repeat('A', 52)), (8, repeat('x', 1000000)), (9, repeat('x', 55)),
	(10, encode((SELECT key_hash FROM authmeter.api_key WHERE id = :'a_id'), 'hex')), (11, :'a_prefix')) t (n, key),
	authmeter.api_key_verify(key) v ORDER BY n;
-- At rest only the digest.
SELECT count(*) AS found FROM authmeter.api_key k WHERE k::text LIKE '%' || substr(:'a', 13) || '%';
SELECT key_hash = sha256(convert_to(:'a', 'UTF8')) AS digest FROM authmeter.api_key WHERE id = :'a_id';
SELECT count(*) AS found FROM authmeter.audit_event e WHERE e::text LIKE '%' || substr(:'a', 13) || '%';

-- The last use is written once a minute, from the first use on, and only by what was accepted.
SELECT last_used_at AS first FROM authmeter.api_key_list(:'ana') \gset
SET authmeter.clock_offset_s = 30;
SELECT outcome FROM authmeter.api_key_verify(:'a');
SELECT last_used_at = :'first' AS unchanged FROM authmeter.api_key_list(:'ana');
SET authmeter.clock_offset_s = 61;
SELECT reason FROM authmeter.api_key_verify(:'a', 'other');
SELECT last_used_at = :'first' AS unchanged FROM authmeter.api_key_list(:'ana');
BEGIN READ ONLY;
SELECT outcome FROM authmeter.api_key_verify(:'a');
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT outcome FROM authmeter.api_key_verify(:'a');
COMMIT;
SELECT last_used_at = :'first' AS unchanged FROM authmeter.api_key_list(:'ana');
SELECT outcome FROM authmeter.api_key_verify(:'a');
SELECT last_used_at - :'first' BETWEEN '60 s' AND '70 s' AS written FROM authmeter.api_key_list(:'ana');
RESET authmeter.clock_offset_s;

-- A key ends by itself.
SELECT key_id AS b_id, key AS b FROM authmeter.api_key_create(:'bob', 'script', lifetime => '1 hour') \gset
SET authmeter.clock_offset_s = 3590;
SELECT outcome, reason FROM authmeter.api_key_verify(:'b');
SET authmeter.clock_offset_s = 3605;
SELECT outcome, reason, key_id, user_id FROM authmeter.api_key_verify(:'b');
SELECT name, state FROM authmeter.api_key_list(:'bob');
SELECT outcome, key FROM authmeter.api_key_rotate(:'bob', :'b_id');
RESET authmeter.clock_offset_s;

-- Its own limit: 3 at once, one back each 20 minutes; refused calls and looks count nothing, a cost above the burst never fits.
SELECT key_id AS l_id, key AS l FROM authmeter.api_key_create(:'bob', 'limited', '{x}', rate => '3/1h') \gset
SELECT outcome, remaining, retry_after_ms FROM authmeter.api_key_verify(:'l', 'x', 0);
SELECT outcome, remaining, retry_after_ms FROM authmeter.api_key_verify(:'l', 'x', 2);
SELECT outcome, reason FROM authmeter.api_key_verify(:'l', 'y');
SELECT outcome, reason, remaining, retry_after_ms BETWEEN 1190000 AND 1200000 AS later, user_id = :'bob' AS bob
FROM authmeter.api_key_verify(:'l', 'x', 2);
SELECT outcome, remaining, retry_after_ms FROM authmeter.api_key_verify(:'l', 'x', 4);
SELECT outcome, remaining FROM authmeter.api_key_verify(:'l');
SELECT outcome, reason, remaining FROM authmeter.api_key_verify(:'l');
-- What a rollback takes back, the count of a limit is not.
SELECT key AS m FROM authmeter.api_key_create(:'bob', 'limited too', rate => '100/1h', burst => 2) \gset
BEGIN;
SELECT outcome, remaining FROM authmeter.api_key_verify(:'m');
ROLLBACK;
SELECT outcome, remaining FROM authmeter.api_key_verify(:'m');

-- Rotation: the old one stays good for the overlap, both under one limit; once.
SELECT outcome, key_id AS l2_id, key AS l2 FROM authmeter.api_key_rotate(:'bob', :'l_id', '1 hour') \gset
SELECT :'outcome' AS outcome, :'l2' <> :'l' AS another;
SELECT outcome, reason, family_id = :'l_id' AS family, scopes FROM authmeter.api_key_verify(:'l2', 'x');
SELECT outcome, key FROM authmeter.api_key_rotate(:'bob', :'l_id');
SET authmeter.clock_offset_s = 1210;
SELECT outcome, remaining FROM authmeter.api_key_verify(:'l', 'x');
SELECT outcome, remaining FROM authmeter.api_key_verify(:'l2', 'x');
SELECT name, state, expires_at - created_at BETWEEN '1 hour' AND '61 min' AS hour, replaced_by = :'l2_id' AS replaced
FROM authmeter.api_key_list(:'bob') WHERE name = 'limited';
SET authmeter.clock_offset_s = 3605;
SELECT outcome, reason FROM authmeter.api_key_verify(:'l', 'x');
SELECT outcome FROM authmeter.api_key_verify(:'l2', 'x');
RESET authmeter.clock_offset_s;
-- The overlap makes no key live longer; 0 ends it at once; the lifetime begins anew.
SELECT key_id AS s_id, key AS s FROM authmeter.api_key_create(:'bob', 'short', lifetime => '10 min') \gset
SET authmeter.clock_offset_s = 300;
SELECT key_id AS s2_id, key AS s2, expires_at > authmeter.clock() + interval '590 s' AS anew FROM authmeter.api_key_rotate(:'bob', :'s_id') \gset
SELECT :'anew' AS anew, expires_at - created_at AS life FROM authmeter.api_key WHERE id = :'s_id';
SELECT outcome, key AS s3 FROM authmeter.api_key_rotate(:'bob', :'s2_id', '0') \gset
SELECT reason FROM authmeter.api_key_verify(:'s2');
SELECT outcome FROM authmeter.api_key_verify(:'s3');
RESET authmeter.clock_offset_s;

-- Somebody else's key is no key.
SELECT authmeter.api_key_revoke(:'ana', :'l2_id'), authmeter.api_key_revoke(NULL, :'l2_id');
SELECT outcome, key FROM authmeter.api_key_rotate(:'ana', :'l2_id');
SELECT outcome, key FROM authmeter.api_key_rotate(NULL, :'l2_id');
SELECT outcome, key FROM authmeter.service_key_rotate(:'l2_id');
SELECT authmeter.service_key_revoke(:'l2_id');

-- Revocation, in force also for a transaction that began before it.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT outcome FROM authmeter.api_key_verify(:'m', cost => 0);
SELECT authmeter.api_key_revoke(:'bob', (SELECT k.id FROM authmeter.api_key k WHERE k.name = 'limited too'));
SELECT outcome, reason FROM authmeter.api_key_verify(:'m');
COMMIT;
SELECT authmeter.api_key_revoke(:'bob', :'l2_id'), authmeter.api_key_revoke(:'bob', :'l2_id');
SELECT outcome, key FROM authmeter.api_key_rotate(:'bob', :'l2_id');
SELECT authmeter.api_key_revoke_all(:'bob');
SELECT outcome, reason FROM authmeter.api_key_verify(:'s3');
SELECT state, count(*) FROM authmeter.api_key_list(:'bob') GROUP BY 1 ORDER BY 1;

-- A disabled user's keys rest; a deleted user's are gone; a mailbox proven by another ends what was planted.
SELECT authmeter.user_disable(:'ana') IS NOT NULL AS disabled;
SELECT outcome, reason FROM authmeter.api_key_verify(:'a');
SELECT outcome, key FROM authmeter.api_key_create(:'ana', 'more');
SELECT authmeter.user_enable(:'ana') IS NOT NULL AS enabled;
SELECT outcome, reason FROM authmeter.api_key_verify(:'a');
SELECT authmeter.user_email_prove(:'ana');
SELECT outcome, reason FROM authmeter.api_key_verify(:'a');
SELECT key AS p FROM authmeter.api_key_create(:'bob', 'last') \gset
DELETE FROM authmeter.user WHERE id = :'bob';
SELECT outcome, reason FROM authmeter.api_key_verify(:'p');
SELECT count(*) AS keys FROM authmeter.api_key WHERE user_id = :'bob';
SELECT count(*) AS orphans FROM authmeter.api_key_use w WHERE NOT EXISTS (SELECT FROM authmeter.api_key k WHERE k.id = w.key_id);

-- At most 100 live ones; ended ones are removed after 90 days.
SELECT count(*) FILTER (WHERE outcome = 'created') AS made, count(*) FILTER (WHERE outcome = 'limit_reached') AS refused
FROM generate_series(1, 101) g, LATERAL authmeter.api_key_create(:'ana', 'k' || g, lifetime => '1 day');
SET authmeter.clock_offset_s = 7948800;
SELECT outcome FROM authmeter.api_key_create(:'ana', 'later');
SELECT count(*) AS kept FROM authmeter.api_key_list(:'ana');
RESET authmeter.clock_offset_s;

-- Keys of services.
SELECT outcome, key_id AS v_id, key AS v FROM authmeter.service_key_create('worker.eu', 'night job', '{jobs}', rate => 'off') \gset
SELECT outcome, user_id, service, scopes, remaining FROM authmeter.api_key_verify(:'v', 'jobs');
SELECT outcome, key_id AS v2_id, key AS v2 FROM authmeter.service_key_rotate(:'v_id') \gset
SELECT outcome, service, family_id = :'v_id' AS family FROM authmeter.api_key_verify(:'v2');
SELECT authmeter.service_key_revoke(:'v_id');
SELECT service_name, name, state FROM authmeter.service_key_list('worker.eu');
SELECT count(*) AS others FROM authmeter.service_key_list('worker') ;

-- What was done; never the key.
SELECT action, outcome, detail - ARRAY['key_id', 'prefix', 'replaced_by', 'new_prefix', 'expires_at'] AS detail
FROM authmeter.audit_event WHERE action LIKE 'api_key%' AND detail->>'name' IS DISTINCT FROM NULL AND detail->>'name' NOT LIKE 'k%' ORDER BY at;
SELECT action, outcome, count(*) FROM authmeter.audit_event WHERE action LIKE 'api_key%' GROUP BY 1, 2 ORDER BY 1;

-- Misuse.
\set SHOW_CONTEXT never
SELECT authmeter.api_key_create(NULL, 'x'), authmeter.api_key_create('00000000-0000-7000-8000-000000000000', 'x');
SELECT authmeter.api_key_create(:'ana', NULL);
SELECT authmeter.api_key_create(:'ana', '');
SELECT authmeter.api_key_create(:'ana', E'a\nb');
SELECT authmeter.api_key_create(:'ana', repeat('x', 101));
SELECT authmeter.api_key_create(:'ana', 'x', NULL);
SELECT authmeter.api_key_create(:'ana', 'x', '{a,NULL}');
SELECT authmeter.api_key_create(:'ana', 'x', '{{a},{b}}');
SELECT authmeter.api_key_create(:'ana', 'x', '{"a b"}');
SELECT authmeter.api_key_create(:'ana', 'x', array_fill('a'::text, ARRAY[65]));
SELECT authmeter.api_key_create(:'ana', 'x', lifetime => '0');
SELECT authmeter.api_key_create(:'ana', 'x', lifetime => '3651 days');
SELECT authmeter.api_key_create(:'ana', 'x', rate => '10');
SELECT authmeter.api_key_create(:'ana', 'x', rate => '10/1m', burst => 0);
SELECT authmeter.api_key_create(:'ana', 'x', burst => 5);
SELECT authmeter.api_key_rotate(:'ana', :'a_id', NULL);
SELECT authmeter.api_key_rotate(:'ana', :'a_id', '91 days');
SELECT authmeter.service_key_create(NULL, 'x');
SELECT authmeter.service_key_create('a b', 'x');
SELECT authmeter.api_key_verify(:'v2', cost => -1);
SELECT authmeter.api_key_verify(:'v2', cost => NULL);

-- A service makes keys for users, an administrator for services.
CREATE ROLE regress_api_key_service;
CREATE ROLE regress_api_key_admin;
SELECT authmeter.grant_access('regress_api_key_service', 'service') > 0 AS granted;
SELECT authmeter.grant_access('regress_api_key_admin', 'admin') > 0 AS granted;
SET ROLE regress_api_key_service;
SELECT outcome FROM authmeter.api_key_verify(:'v2');
SELECT outcome FROM authmeter.api_key_create(:'ana', 'by service');
SELECT authmeter.service_key_create('x', 'x');
SELECT authmeter.service_key_rotate(:'v2_id');
SELECT authmeter.api_key_add(NULL, 'x', 'x', '{}', NULL, NULL, NULL);
SELECT key_hash FROM authmeter.api_key;
SET ROLE regress_api_key_admin;
SELECT outcome FROM authmeter.service_key_create('admins', 'x');
SELECT key_hash FROM authmeter.api_key;
RESET ROLE;
DROP OWNED BY regress_api_key_service, regress_api_key_admin;
DROP ROLE regress_api_key_service, regress_api_key_admin;
DELETE FROM authmeter.api_key;
