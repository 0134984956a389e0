-- The audit trail: true reasons, no secrets, and nobody changes what is written.
SELECT authmeter.id_new() AS who \gset
SELECT authmeter.audit_append('audit_test', :'who', 'first', '::FFFF:192.0.2.33', 'request-1', '{"n": 1}');
SELECT authmeter.audit_append('audit_test', :'who', 'second', '2001:DB8:0:0::1', repeat('é', 64) || 'x');
SELECT authmeter.audit_append('audit_test', :'who', 'third', 'x''; DROP TABLE authmeter.audit_event; --', 'a' || repeat('é', 64));
SELECT authmeter.audit_append('audit_test', NULL, 'without user');
SELECT authmeter.audit_append(NULL, :'who', 'x');
SELECT authmeter.audit_append('audit_test', :'who', NULL);
SELECT outcome, actor = session_user AS actor, address, octet_length(request_id) AS request_id_bytes, detail,
	authmeter.id_partition(id) = authmeter.id_partition(user_id) AS partition_of_user
FROM authmeter.audit_list() WHERE action = 'audit_test' ORDER BY at;

-- Pages by id, newest first; of one user.
SELECT authmeter.audit_append('audit_test', :'who', 'later') FROM generate_series(1, 7);
SELECT count(*) FROM authmeter.audit_list(:'who');
WITH RECURSIVE page AS (
	SELECT 1 AS n, (SELECT array_agg(id ORDER BY id DESC) FROM authmeter.audit_list(:'who', page_size => 4)) AS ids
	UNION ALL
	SELECT n + 1, (SELECT array_agg(id ORDER BY id DESC) FROM authmeter.audit_list(:'who', ids[4], 4)) FROM page
	WHERE n < 3
)
SELECT n, cardinality(ids) FROM page ORDER BY n;
SELECT count(*) FROM authmeter.audit_list('00000000-0000-7000-8000-000000000000');
SELECT authmeter.audit_list(page_size => 0);
SELECT authmeter.audit_list(page_size => 1001);

-- Append-only for every level of access, and the actor is who logged in, whatever role is set.
CREATE ROLE regress_audit_admin;
CREATE ROLE regress_audit_service;
SELECT authmeter.grant_access('regress_audit_admin', 'admin') > 0, authmeter.grant_access('regress_audit_service', 'service') > 0;
SET ROLE regress_audit_admin;
SELECT count(*) FROM authmeter.audit_list(:'who');
SELECT count(*) FROM authmeter.audit_event;
UPDATE authmeter.audit_event SET outcome = 'forged';
DELETE FROM authmeter.audit_event;
TRUNCATE authmeter.audit_event;
INSERT INTO authmeter.audit_event SELECT * FROM authmeter.audit_list(:'who', page_size => 1);
SELECT authmeter.audit_append('audit_test', :'who', 'forged');
SELECT authmeter.setting_set('vsplugin.threshold', '11');
SET ROLE regress_audit_service;
SELECT count(*) FROM authmeter.audit_list();
SELECT authmeter.audit_append('audit_test', :'who', 'forged');
RESET ROLE;
SELECT action, outcome, actor = session_user AS actor, detail FROM authmeter.audit_list()
WHERE action = 'setting_set' ORDER BY at DESC LIMIT 1;
SELECT authmeter.setting_set('vsplugin.threshold', NULL);
DROP OWNED BY regress_audit_admin, regress_audit_service;
DROP ROLE regress_audit_admin, regress_audit_service;

-- No secret: neither password nor hash, also when a password was typed into the wrong field.
SELECT authmeter.setting_set('authmeter.environment', 'development');
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '4');
SELECT (authmeter.user_create('audit-ana@example.com', 'audit secret 1')).user_id AS ana \gset
SELECT outcome FROM authmeter.user_password_set(:'ana', 'audit secret 2');
SELECT (authmeter.user_login('audit-ana@example.com', 'audit secret 2')).outcome,
	(authmeter.user_login('audit-ana@example.com', 'audit secret 3')).outcome,
	(authmeter.user_login('audit secret 4', 'audit-ana@example.com')).outcome;
SELECT outcome FROM authmeter.user_delete(:'ana');
SELECT count(*) FROM authmeter.audit_event e WHERE e::text LIKE '%audit secret%' OR e::text LIKE '%$2_$%';
-- A deleted user's trail stays.
SELECT action, outcome FROM authmeter.audit_list(:'ana') ORDER BY at;
SELECT authmeter.setting_set('authmeter.bcrypt_cost', NULL);
SELECT authmeter.setting_set('authmeter.environment', NULL);
