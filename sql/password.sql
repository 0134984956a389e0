-- Passwords: a hash is evaluated whole or not at all, and no password is ever truncated.

-- Known answers: the test vectors of OpenBSD, jBCrypt and crypt_blowfish.
SELECT authmeter.password_verify('a', '$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe');
SELECT authmeter.password_verify('abc', '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i');
SELECT authmeter.password_verify('U*U*U', '$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a');
SELECT authmeter.password_verify('abd', '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i');

-- 8-bit letters, in all three spellings of the correct variant.
SELECT letter, authmeter.password_verify('Äpfel und Ünïcødé 😀',
	'$2' || letter || '$05$abcdefghijklmnopqrstuu0a83XKt3PUtBvt3Wk49oSsYIuyuOKF6')
FROM unnest('{a,b,y}'::text[]) letter;
-- Neither trimmed nor normalised: composed and decomposed letters differ.
SELECT authmeter.password_verify(normalize('Äpfel und Ünïcødé 😀', NFD),
	'$2b$05$abcdefghijklmnopqrstuu0a83XKt3PUtBvt3Wk49oSsYIuyuOKF6');
SELECT authmeter.password_verify('Äpfel und Ünïcødé 😀 ',
	'$2b$05$abcdefghijklmnopqrstuu0a83XKt3PUtBvt3Wk49oSsYIuyuOKF6');
-- Unused bits in the salt's last character change nothing.
SELECT authmeter.password_verify('Äpfel und Ünïcødé 😀',
	'$2b$05$abcdefghijklmnopqrstuv0a83XKt3PUtBvt3Wk49oSsYIuyuOKF6');

-- 72 bytes are read, 73 are refused although bcrypt would take them for the same password.
\set p72 abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars' 'afte
\set h72 $2a$05$abcdefghijklmnopqrstuufhiKzQe4fZSCd9h5Wjw6x.PUEjIjSuG
SELECT octet_length(:'p72'), authmeter.password_verify(:'p72', :'h72'),
	authmeter.password_verify(:'p72' || 'r', :'h72'), authmeter.password_verify(left(:'p72', 71), :'h72');
-- A letter of two bytes across byte 72.
SELECT authmeter.password_verify(repeat('é', 36), '$2b$05$abcdefghijklmnopqrstuu9CyuiEyTnupb4rnoYIlshaDzoYa6ZaS'),
	authmeter.password_verify(repeat('é', 35) || 'x', '$2b$05$abcdefghijklmnopqrstuua308340S70AVGbzGl/qAsmoD2gc6iae'),
	authmeter.password_verify(repeat('é', 35) || 'xé', '$2b$05$abcdefghijklmnopqrstuuKLY9VCz8GmCE0DuwoWy4OcsiE80VFJa');
-- A megabyte is refused before it is read.
SELECT authmeter.password_verify(repeat('x', 1048576), :'h72');
-- An imported hash of the empty password opens nothing.
SELECT authmeter.password_verify('', '$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.');

-- Never handed to crypt(), which would take them for DES or a broken variant.
SELECT authmeter.password_verify('abc', '$2x$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i');
SELECT authmeter.password_verify('abc', '$2$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0ixx');
SELECT authmeter.password_verify('abc', '$2c$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i');
SELECT authmeter.password_verify('abc', '$2a$31$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i');
SELECT authmeter.password_verify('abc', '$2a$16$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i');
SELECT authmeter.password_verify('abc', '$2a$03$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i');
SELECT authmeter.password_verify('abc', '$2a$6$xIf6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i');
SELECT authmeter.password_verify('abc', '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0');
SELECT authmeter.password_verify('abc', '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i ');
SELECT authmeter.password_verify('abc', '$2a$06$If6bvum7DFjUnE9p2uDe+u0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i');
SELECT authmeter.password_verify('abc', 'rl.3StKT.4T8M');
SELECT authmeter.password_verify('abc', '$1$abcdefgh$irWbblnpmw.5z7wgBnprh0');
SELECT authmeter.password_verify('abc', '$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo');
SELECT authmeter.password_verify('abc', '');
SELECT authmeter.password_verify(NULL, 'x') IS NULL, authmeter.password_verify('x', NULL) IS NULL;

-- A new hash: $2b$, the configured cost, another salt each time, and the right answer.
SELECT authmeter.setting_set('authmeter.environment', 'development');
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '4');
SELECT hash ~ '^\$2b\$04\$[./A-Za-z0-9]{53}$' AS form, authmeter.password_verify('correct horse', hash),
	authmeter.password_verify('correct horsf', hash), hash = authmeter.password_hash('correct horse') AS equal
FROM authmeter.password_hash('correct horse') hash;
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '5');
SELECT left(authmeter.password_hash('correct horse'), 7);
-- pgcrypto itself, given the variant it knows, agrees.
SELECT crypt('Äpfel', '$2a$' || substr(hash, 5)) = '$2a$' || substr(hash, 5)
FROM authmeter.password_hash('Äpfel') hash;
SELECT authmeter.password_hash('');
SELECT authmeter.password_hash(:'p72') IS NOT NULL;
SELECT authmeter.password_hash(:'p72' || 'r');
SELECT authmeter.password_hash(repeat('x', 1048576));

-- The cost is bounded by the environment.
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '16');
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '3');

-- Rules of a new password: length in characters from below, in bytes from above.
SELECT p, authmeter.password_check(p)
FROM unnest(ARRAY['', 'seven77', 'eight888', 'ééééééé', 'éééééééé', '        ', 'пароль77']) p;
SELECT authmeter.password_check(:'p72'), authmeter.password_check(:'p72' || 'r'),
	authmeter.password_check(repeat('é', 36)), authmeter.password_check(repeat('é', 35) || 'xé'),
	authmeter.password_check(repeat('x', 1048576));
SELECT authmeter.password_check('x', 1), authmeter.password_check('', 0), authmeter.password_check('', -5),
	authmeter.password_check('12345', 6), authmeter.password_check(NULL) IS NULL;

-- Cancelled in the midst of the work, and usable again at once.
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '14');
SET statement_timeout = '100ms';
SELECT authmeter.password_hash('correct horse');
RESET statement_timeout;
SELECT authmeter.password_verify('a', '$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe');
SELECT authmeter.setting_set('authmeter.bcrypt_cost', '4');

-- Neither search_path nor an object planted in pg_temp can take crypt()'s place.
CREATE FUNCTION pg_temp.crypt(text, text) RETURNS text LANGUAGE sql AS $$ SELECT $2 $$;
SET search_path = pg_temp, public;
SELECT authmeter.password_verify('wrong', '$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe');
RESET search_path;

SELECT authmeter.setting_set('authmeter.bcrypt_cost', NULL);
SELECT authmeter.setting_set('authmeter.environment', NULL);
