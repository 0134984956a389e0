-- The login: every refusal looks the same, guesses are bounded, and only the right password opens.
SELECT authmeter.setting_set('authmeter.environment', 'development');
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '5');
SELECT authmeter.setting_set('authmeter.login_failures', 'off');
SELECT (authmeter.user_create('login-ana@example.com', 'correct horse')).user_id AS ana \gset

-- The audit trail alone has the reason of a refusal.
SELECT authmeter.user_create('login-bare@example.com') IS NOT NULL;
SELECT (authmeter.user_create('login-off@example.com', 'correct horse')).user_id AS off \gset
SELECT outcome FROM authmeter.user_disable(:'off');
SELECT l.outcome, l.user_id = :'ana' AS is_ana, l.retry_after_s
FROM authmeter.user_login(' LOGIN-ana@Example.com', 'correct horse', '192.0.2.7', 'request-1') l;
SELECT e, p, l.* FROM (VALUES
	('login-ana@example.com', 'correct horsf'), ('login-ana@example.com', ''), ('login-ana@example.com', NULL),
	('login-ana@example.com', 'correct horse '), ('login-nobody@example.com', 'correct horse'),
	('no address', 'correct horse'), (NULL, 'correct horse'), ('login-bare@example.com', 'correct horse'),
	('login-bare@example.com', ''), ('login-off@example.com', 'correct horse')) v(e, p),
	authmeter.user_login(e, p, '192.0.2.7') l;
SELECT * FROM authmeter.user_login('login-ana@example.com', repeat('é', 35) || 'xé', '192.0.2.7');
SELECT * FROM authmeter.user_login('login-nobody@example.com', repeat('x', 1048576), 'no address', repeat('é', 100));
SELECT outcome, user_id IS NOT NULL AS known, detail, address, octet_length(request_id) AS request_id_bytes
FROM authmeter.audit_list() WHERE action = 'user_login' ORDER BY at DESC LIMIT 13;

-- A cheaper hash is renewed after a success only, and for good; a dearer one is left.
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '6');
SELECT (authmeter.user_login('login-ana@example.com', 'wrong horse')).outcome,
	(SELECT left(password_hash, 7) FROM authmeter.user WHERE id = :'ana');
SELECT (authmeter.user_login('login-ana@example.com', 'correct horse')).outcome;
SELECT left(password_hash, 7), token_version FROM authmeter.user WHERE id = :'ana';
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '4');
SELECT (authmeter.user_login('login-ana@example.com', 'correct horse')).outcome;
SELECT left(password_hash, 7) FROM authmeter.user WHERE id = :'ana';

-- A damaged stored hash opens nothing and is no error for the client.
UPDATE authmeter.user SET password_hash = '$2b$06$damaged' WHERE email = 'login-bare@example.com';
SELECT * FROM authmeter.user_login('login-bare@example.com', 'damaged');

-- Failures are counted for (account, client address); the limit reached, even the right password is
-- refused, until the window has ended. Nothing else counts, and nobody else is locked out.
SELECT authmeter.setting_set('authmeter.login_failures', '3/15m');
CREATE FUNCTION pg_temp.login(email text, password text, address text) RETURNS text LANGUAGE sql AS
	$$ SELECT outcome || CASE WHEN retry_after_s BETWEEN 1 AND 900 THEN ' for a while' ELSE '' END
		FROM authmeter.user_login(email, password, address) $$;
SELECT n, pg_temp.login('login-ana@example.com', 'correct horse', '2001:db8:1:2::1') AS success
FROM generate_series(1, 5) n;
SELECT pg_temp.login('login-ana@example.com', 'wrong horse', '2001:db8:1:2::1');
SELECT pg_temp.login('Login-Ana@Example.com', 'wrong horse', '2001:db8:1:2:3::1');
SELECT pg_temp.login('login-ana@example.com', repeat('x', 73), '2001:db8:1:2:3::1');
SELECT pg_temp.login(' login-ana@example.com', 'wrong horse', '2001:DB8:1:2:ffff::1');
SELECT pg_temp.login('login-ana@example.com', 'wrong horse', '2001:db8:1:2::1');
SELECT pg_temp.login('login-ana@example.com', 'correct horse', '2001:db8:1:2::2');
SELECT pg_temp.login('login-ana@example.com', 'correct horse', '2001:db8:1:3::1');
SELECT pg_temp.login('login-bob@example.com', 'wrong horse', '2001:db8:1:2::1');
-- An unknown account is limited like a known one, and callers without an address share one bucket.
SELECT n, pg_temp.login('login-nobody@example.com', 'wrong horse', NULL) FROM generate_series(1, 4) n;
SELECT pg_temp.login('login-nobody@example.com', 'wrong horse', 'not an address');
SELECT pg_temp.login('login-nobody@example.com', 'wrong horse', '192.0.2.9');
-- The window ends 15 minutes after its first failure.
SET authmeter.clock_offset_s = 890;
SELECT pg_temp.login('login-ana@example.com', 'correct horse', '2001:db8:1:2::1');
SET authmeter.clock_offset_s = 901;
SELECT pg_temp.login('login-ana@example.com', 'correct horse', '2001:db8:1:2::1');
RESET authmeter.clock_offset_s;

SELECT count(*) FROM authmeter.user_list(page_size => 1000) i, authmeter.user_delete(i.user_id)
WHERE i.email LIKE 'login-%';
SELECT authmeter.setting_set(name, NULL) FROM unnest('{authmeter.login_failures,authmeter.bcrypt_cost}'::text[]) name;
SELECT authmeter.setting_set('authmeter.environment', NULL);
