-- Users: one address is one user, and every refusal is a value.
SELECT authmeter.setting_set('authmeter.environment', 'development');
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '5');
SELECT authmeter.setting_set('authmeter.login_failures', 'off');

-- All spellings of one address are one user.
SELECT (authmeter.user_create('user-ana@example.com', 'correct horse', 'Ana')).user_id AS ana \gset
SELECT spelling, authmeter.user_email_canonical(spelling), (authmeter.user_create(spelling)).outcome
FROM unnest(ARRAY['user-ana@example.com', '  User-ANA@Example.COM	', E'\u00a0user-ana@example.com\u2003',
	'ｕｓｅｒ－ａｎａ@ｅｘａｍｐｌｅ.com', 'user-ana@example。com', U&'USER-AN\0041@EXAMPLE.COM']) spelling;
-- Lower case knows no locale: a Turkish capital dotted i stays apart from i.
SELECT authmeter.user_email_canonical('USER-I@EXAMPLE.COM'),
	authmeter.user_email_canonical('user-İ@example.com') = 'user-i@example.com' AS dotted_is_i;
SELECT authmeter.user_email_canonical('ana@bücher.example'), authmeter.user_email_canonical('ana@XN--BCHER-KVA.example');
-- No address.
SELECT spelling, (authmeter.user_create(spelling)).*
FROM unnest(ARRAY['', '   ', 'ana', 'ana@', '@example.com', 'ana@example', 'a na@example.com', 'ana@@example.com',
	E'ana\u200b@', E'a\nb@example.com', NULL]) spelling;
SELECT (authmeter.user_create(repeat('x', 250) || '@example.com')).outcome;
SELECT (authmeter.user_create(repeat('x', 1048576) || '@example.com')).outcome;

-- Passwords that may not be set, before anything is hashed or stored.
SELECT authmeter.user_create('user-short@example.com', 'seven77');
SELECT authmeter.user_create('user-long@example.com', repeat('é', 35) || 'xé');
SELECT authmeter.user_create('user-huge@example.com', repeat('x', 1048576));
SELECT (authmeter.user_create('user-min@example.com', '123456', password_length_min => 6)).outcome;
SELECT authmeter.user_create('user-null@example.com', '12345678', password_length_min => NULL);
SELECT authmeter.user_create('user-name@example.com', name => '');
SELECT authmeter.user_create('user-name@example.com', name => repeat('é', 256));
SELECT email FROM authmeter.user_list() WHERE email LIKE 'user-%' ORDER BY email;

-- What is stored: the canonical address, every letter of the name, $2b$, and the address's partition.
SELECT (authmeter.user_create('User-Zoë@Example.com', 'correct horse', '  O''Zoë ™ 😀', true)).outcome;
SELECT email, name, left(password_hash, 7), token_version, email_verified_at IS NOT NULL AS verified,
	created_at = updated_at AS new, authmeter.id_partition(id)
FROM authmeter.user WHERE email LIKE 'user-zo%';
SELECT authmeter.id_partition(authmeter.id_new(:'ana')) = authmeter.id_partition(:'ana') AS same_partition,
	authmeter.id_new(:'ana') <> authmeter.id_new(:'ana') AS differ, authmeter.id_new() IS NOT NULL AS without_user,
	authmeter.id_partition('00000000-0000-4000-8000-000000000000');
-- Shown without the hash; without a name by the part before the @.
SELECT name, has_password, disabled_at FROM authmeter.user_find(' USER-min@example.com');
SELECT name, has_password FROM authmeter.user_get(:'ana');
SELECT count(*) FROM authmeter.user_find('nobody@example.com');
SELECT count(*) FROM authmeter.user_find('no address');
SELECT count(*) FROM authmeter.user_get('00000000-0000-0000-0000-000000000000');

-- Pages.
SELECT count(*) FROM authmeter.user_list(page_size => 2);
SELECT count(*) = (SELECT count(*) FROM authmeter.user_info) - 2 AS rest
FROM authmeter.user_list((SELECT max(user_id::text)::uuid FROM authmeter.user_list(page_size => 2)), 1000);
SELECT authmeter.user_list(page_size => 0);
SELECT authmeter.user_list(page_size => 1001);
SELECT authmeter.user_list(page_size => NULL);

-- Imported hashes; what is no bcrypt hash is refused.
\set h $06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i
SELECT letter, (authmeter.user_import('user-import-' || letter || '@example.com', '$2' || letter || :'h')).outcome,
	(authmeter.user_login('user-import-' || letter || '@example.com', 'abc')).outcome
FROM unnest('{a,b,y,x}'::text[]) letter;
SELECT (authmeter.user_import('user-import-c@example.com', '$2a$31' || substr(:'h', 4))).outcome;
SELECT (authmeter.user_import('user-import-c@example.com', '$2a$16' || substr(:'h', 4))).outcome;
SELECT (authmeter.user_import('user-import-c@example.com', 'rl.3StKT.4T8M')).outcome;
SELECT (authmeter.user_import('User-Import-A@example.com', '$2a' || :'h')).outcome;
SELECT (authmeter.user_import('user-import-old@example.com', NULL, 'Old', true, '2001-02-03 04:05:06Z')).outcome;
SELECT authmeter.user_import('user-import-inf@example.com', NULL, created_at => 'infinity');
SELECT email, left(password_hash, 7), created_at < '2002-01-01' AS kept_age FROM authmeter.user
WHERE email LIKE 'user-import%' ORDER BY email;

SELECT (authmeter.user_create('user-off@example.com', 'correct horse')).user_id AS off \gset

-- Changing a user. Each new password, disabling and revocation raises the token version.
SELECT outcome FROM authmeter.user_password_set(:'ana', 'another horse');
SELECT token_version, (authmeter.user_login('user-ana@example.com', 'correct horse')).outcome AS old,
	(authmeter.user_login('user-ana@example.com', 'another horse')).outcome AS new
FROM authmeter.user_get(:'ana');
SELECT outcome FROM authmeter.user_password_set(:'ana', 'short');
SELECT outcome FROM authmeter.user_password_set(:'ana', repeat('x', 73));
SELECT outcome FROM authmeter.user_password_set(:'ana', NULL);
SELECT outcome FROM authmeter.revoke_user_tokens(:'ana');
SELECT outcome FROM authmeter.user_disable(:'ana');
SELECT token_version, disabled_at IS NOT NULL AS disabled FROM authmeter.user_get(:'ana');
SELECT outcome FROM authmeter.user_enable(:'ana');
SELECT token_version, disabled_at,
	(authmeter.user_login('user-ana@example.com', 'another horse')).outcome FROM authmeter.user_get(:'ana');
SELECT outcome FROM authmeter.user_update(:'ana', 'user-min@example.com');
SELECT outcome FROM authmeter.user_update(:'ana', 'no address');
SELECT outcome FROM authmeter.user_update(:'ana', name => '');
SELECT outcome FROM authmeter.user_update(:'off', email => ' User-Moved@example.com');
SELECT outcome FROM authmeter.user_update(:'off', name => 'Ömer');
SELECT email, name, authmeter.id_partition(user_id) = authmeter.id_partition(:'off') AS partition_kept
FROM authmeter.user_get(:'off');
-- A verified address stays verified, a new one is not.
SELECT user_id AS zoe FROM authmeter.user_find('user-zoë@example.com') \gset
SELECT outcome FROM authmeter.user_update(:'zoe', 'USER-ZOË@example.com', 'Zoe');
SELECT email_verified_at IS NOT NULL AS verified FROM authmeter.user_get(:'zoe');
SELECT outcome FROM authmeter.user_update(:'zoe', 'user-zoe@example.com');
SELECT email_verified_at IS NOT NULL AS verified FROM authmeter.user_get(:'zoe');

-- An id of nobody.
\set nobody '''00000000-0000-7000-8000-000000000000'''
SELECT authmeter.user_update(:nobody, 'user-x@example.com'), authmeter.user_update(NULL);
SELECT authmeter.user_disable(:nobody), authmeter.user_enable(:nobody), authmeter.user_delete(:nobody),
	authmeter.revoke_user_tokens(:nobody), authmeter.user_password_set(:nobody, 'another horse');
SELECT authmeter.user_disable(NULL), authmeter.user_password_set(NULL, 'another horse');
SELECT outcome FROM authmeter.user_delete(:'off');
SELECT outcome FROM authmeter.user_delete(:'off');
SELECT (authmeter.user_login('user-moved@example.com', 'correct horse')).outcome;

-- Nobody but the owner reads hashes or changes users, whatever the access level.
CREATE ROLE regress_user_service;
CREATE ROLE regress_user_admin;
SELECT authmeter.grant_access('regress_user_service', 'service') > 0, authmeter.grant_access('regress_user_admin', 'admin') > 0;
SET ROLE regress_user_admin;
SELECT password_hash FROM authmeter.user;
UPDATE authmeter.user SET disabled_at = NULL;
SELECT count(*) > 0 AS listed FROM authmeter.user_info;
SELECT count(*) > 0 AS listed FROM authmeter.user_list();
SET ROLE regress_user_service;
SELECT (authmeter.user_login('user-zoe@example.com', 'correct horse')).outcome;
SELECT count(*) FROM authmeter.user_info;
SELECT authmeter.user_list();
SELECT authmeter.user_delete(:'ana');
SELECT authmeter.user_password_set(:'ana', 'planted horse');
-- A planted operator or function in pg_temp decides nothing.
CREATE FUNCTION pg_temp.always(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR pg_temp.= (FUNCTION = pg_temp.always, LEFTARG = text, RIGHTARG = text);
SET search_path = pg_temp, public;
SELECT (authmeter.user_login('user-nobody@example.com', 'correct horse')).outcome;
SELECT count(*) FROM authmeter.user_find('user-nobody@example.com');
RESET search_path;
RESET ROLE;
DROP OWNED BY regress_user_service, regress_user_admin;
DROP ROLE regress_user_service, regress_user_admin;

SELECT count(*) FROM authmeter.user_list(page_size => 1000) i, authmeter.user_delete(i.user_id)
WHERE i.email LIKE 'user-%';
SELECT authmeter.setting_set(name, NULL) FROM unnest('{authmeter.login_failures,authmeter.bcrypt_cost}'::text[]) name;
SELECT authmeter.setting_set('authmeter.environment', NULL);
