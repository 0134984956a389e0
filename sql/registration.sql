-- Pending registrations: outside the user pool until their mailbox is proven; exactly the one that is
-- confirmed becomes the user. A login tells the right password of the newest, and nothing else.
SELECT authmeter.setting_set('authmeter.environment', 'development');
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '5');
SELECT authmeter.setting_set('authmeter.login_failures', 'off');
CREATE FUNCTION pg_temp.login(email text, password text) RETURNS text LANGUAGE sql AS
	$$ SELECT outcome || coalesce(' as ' || (SELECT u.email FROM authmeter.user u WHERE u.id = user_id), '')
		FROM authmeter.user_login(email, password, '192.0.2.8') $$;

-- Two people claim one address; the newest is told to verify, and both are nobody yet.
SELECT outcome, registration_id AS first FROM authmeter.registration_start(' Pending-Ana@Example.com', 'correct horse', 'Ana', 'autoverse') \gset
SELECT outcome, registration_id AS second FROM authmeter.registration_start('pending-ana@example.com', 'another horse', NULL, 'autoverse') \gset
SELECT :'outcome' AS outcome, :'first' <> :'second' AS two;
SELECT count(*) AS users FROM authmeter.user_find('pending-ana@example.com');
SELECT p, pg_temp.login('pending-ANA@example.com', p) FROM unnest(ARRAY['correct horse', 'another horse', 'third horse', '', NULL]) p;
SELECT outcome, user_id, detail FROM authmeter.audit_list() WHERE action = 'user_login' AND detail->>'email' = 'pending-ana@example.com'
ORDER BY at DESC LIMIT 5;
SELECT registration_id = :'second' AS newest, name, api, authmeter.clock() - created_at < '1 minute' AS now
FROM authmeter.registration_find('Pending-ana@example.com');
SELECT * FROM authmeter.registration_find('pending-nobody@example.com');
SELECT * FROM authmeter.registration_find('nobody');
SELECT id = :'first' AS first, email, api, left(password_hash, 7) AS hash, name, expires_at - created_at AS life
FROM authmeter.registration ORDER BY created_at;

-- Confirming one makes that one the user, verified, and drops the other.
SELECT outcome, user_id AS ana FROM authmeter.registration_confirm(:'first') \gset
SELECT :'outcome' AS outcome;
SELECT email, name, email_verified_at = created_at AS verified, token_version, disabled_at FROM authmeter.user_get(:'ana');
SELECT p, pg_temp.login('pending-ana@example.com', p) FROM unnest(ARRAY['correct horse', 'another horse']) p;
SELECT * FROM unnest(ARRAY[:'first', :'second', gen_random_uuid(), NULL]::uuid[]) r, authmeter.registration_confirm(r) WHERE r IS NULL OR outcome <> 'not_found';
SELECT count(*) FROM authmeter.registration WHERE email = 'pending-ana@example.com';
SELECT * FROM authmeter.registration_start('pending-ana@example.com', 'correct horse', 'Ana', 'autoverse');
SELECT action, outcome, user_id = :'ana' AS ana, detail FROM authmeter.audit_list() WHERE action LIKE 'registration%' ORDER BY at DESC LIMIT 3;

-- Overtaken by a user of another API: told each time, and the user stays as it is.
SELECT registration_id AS bob FROM authmeter.registration_start('pending-bob@example.com', 'correct horse', 'Bob', 'autoverse') \gset
SELECT (authmeter.user_create('pending-bob@example.com', 'users horse', 'Bert')).outcome;
SELECT outcome, user_id FROM generate_series(1, 2), authmeter.registration_confirm(:'bob');
SELECT name, email_verified_at FROM authmeter.user_find('pending-bob@example.com');
SELECT p, pg_temp.login('pending-bob@example.com', p) FROM unnest(ARRAY['correct horse', 'users horse']) p;
-- A user without a password or disabled is not taken for a pending one.
SELECT registration_id IS NOT NULL AS started FROM authmeter.registration_start('pending-bare@example.com', 'correct horse', 'Bare', 'autoverse');
SELECT (authmeter.user_create('pending-bare@example.com')).outcome, pg_temp.login('pending-bare@example.com', 'correct horse');

-- 24 hours; the newest 10 of an address.
SELECT registration_id AS old FROM authmeter.registration_start('pending-old@example.com', 'correct horse', 'Old', 'autoverse') \gset
SET authmeter.clock_offset_s = 86390;
SELECT pg_temp.login('pending-old@example.com', 'correct horse');
SET authmeter.clock_offset_s = 86405;
SELECT pg_temp.login('pending-old@example.com', 'correct horse'), (authmeter.registration_confirm(:'old')).outcome,
	(authmeter.registration_find('pending-old@example.com')).registration_id;
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '4');
SELECT count(*) FILTER (WHERE outcome = 'created') AS created FROM generate_series(1, 15) n,
	authmeter.registration_start('pending-many@example.com', 'correct horse ' || n, n::text, 'autoverse');
SELECT string_agg(name, ',' ORDER BY created_at) AS kept FROM authmeter.registration WHERE email = 'pending-many@example.com';
SELECT count(*) AS left_over FROM authmeter.registration WHERE expires_at <= authmeter.clock();
RESET authmeter.clock_offset_s;

-- Refusals of a login cost one bcrypt of the dearest stored hash, a pending one included.
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '9');
SELECT outcome FROM authmeter.registration_start('pending-dear@example.com', 'correct horse', NULL, 'autoverse');
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '4');
CREATE FUNCTION pg_temp.slow(email text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz := clock_timestamp();
BEGIN
	PERFORM authmeter.user_login(email, 'wrong horse', '192.0.2.8');
	RETURN clock_timestamp() - start > interval '10 ms';
END
$$;
SELECT pg_temp.slow('pending-nobody@example.com'), pg_temp.slow('pending-ana@example.com'), pg_temp.slow('pending-dear@example.com');

-- Failures of a pending one are limited as everybody's, and its right password counts nothing.
SELECT authmeter.setting_set('authmeter.login_failures', '3/15m');
SELECT n, pg_temp.login('pending-many@example.com', CASE WHEN n IN (4, 7) THEN 'correct horse 15' ELSE 'wrong horse' END)
FROM generate_series(2, 7) n;
SELECT remaining FROM authmeter.rate_peek('authmeter.login_failures', '192.0.2.8 pending-dear@example.com', '3/15m');
SELECT pg_temp.login('pending-dear@example.com', 'correct horse') FROM generate_series(1, 4);

-- Refusals.
SELECT e, p, r.* FROM (VALUES ('nobody', 'correct horse'), (NULL, 'correct horse'), ('pending-eve@example.com', 'short'),
	('pending-eve@example.com', repeat('x', 73)), ('pending-eve@example.com', '')) v (e, p), authmeter.registration_start(e, p, 'Eve', 'autoverse') r;
SELECT outcome FROM authmeter.registration_start('pending-eve@example.com', 'x', 'Eve', 'autoverse', 1);
-- Misuse.
SELECT authmeter.registration_start('pending-eve@example.com', NULL, 'Eve', 'autoverse');
SELECT authmeter.registration_start('pending-eve@example.com', 'correct horse', '', 'autoverse');
SELECT authmeter.registration_start('pending-eve@example.com', 'correct horse', 'Eve', '');
SELECT authmeter.registration_start('pending-eve@example.com', 'correct horse', 'Eve', 'autoverse', NULL);
CREATE ROLE regress_registration_admin;
SELECT authmeter.grant_access('regress_registration_admin', 'admin') > 0 AS granted;
SET ROLE regress_registration_admin;
SELECT outcome FROM authmeter.registration_confirm(gen_random_uuid());
SELECT password_hash FROM authmeter.registration;
RESET ROLE;
DROP OWNED BY regress_registration_admin;
DROP ROLE regress_registration_admin;

DELETE FROM authmeter.registration;
SELECT count(*) FROM authmeter.user_list(page_size => 1000) i, authmeter.user_delete(i.user_id)
WHERE i.email LIKE 'pending-%';
SELECT authmeter.setting_set(name, NULL) FROM unnest('{authmeter.login_failures,authmeter.bcrypt_cost}'::text[]) name;
SELECT authmeter.setting_set('authmeter.environment', NULL);
