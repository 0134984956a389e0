-- What an attacker does to a token, line by line; every case is refused by an outcome, none by an error.
SELECT authmeter.setting_set('authmeter.environment', 'production');
CREATE FUNCTION pg_temp.b64(bytes bytea) RETURNS text LANGUAGE sql AS $$
	SELECT translate(encode(bytes, 'base64'), E'+/=\n', '-_')
$$;
CREATE FUNCTION pg_temp.mint(claims bytea, header bytea, secret bytea) RETURNS text LANGUAGE sql AS $$
	SELECT input || '.' || pg_temp.b64(public.hmac(convert_to(input, 'UTF8'), secret, 'sha256'))
	FROM (SELECT pg_temp.b64(header) || '.' || pg_temp.b64(claims)) t(input)
$$;
CREATE FUNCTION pg_temp.mint(claims text DEFAULT '{"sub":"victim","exp":4102444800}', header text DEFAULT '{"alg":"HS256","typ":"JWT"}',
	secret text DEFAULT 'Sq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA')
RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.mint(convert_to(claims, 'UTF8'), convert_to(header, 'UTF8'), convert_to(secret, 'UTF8'))
$$;
CREATE FUNCTION pg_temp.outcome(token text, ring text DEFAULT 'attack') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (authmeter.jwt_verify(token, ring)).outcome;
EXCEPTION WHEN OTHERS THEN
	RETURN 'ERROR ' || SQLSTATE || ' ' || SQLERRM;
END
$$;
SELECT authmeter.key_import('attack', 'Sq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA', kid => 'k1');
SELECT authmeter.key_import('attack-rs', '{"kty":"RSA","e":"AQAB","kid":"r1","n":"sk5jkVKjLVYRFcvYOyUJ-cSahDTgtM9nmAcuzA2u27w2N9W1gDuIOXT2ZUY_k93-UKqJiZs1o8rcGjKusxp2Z9DjdsXxMmgmlWZ5MwYgPgdl3ozaINxOgVH15XDYcY9FjrQRgCcJLhNE9MROl3IAMo0AM-Ue-V13XTphFOL-qYYhQRp1v-2NWv_efooXhwvRmkCooMNac-KUbMd-M5PcJYU2bHjgT-GmvDadvkxuBG5tuju1rpnSgmQ98VqlHJM79z3Qs04iImPYTWZyWYwIyvsZDTV7a4JVteDsEwp4uC-JsJKRLbXBjnrJ3gMZuuES7gInbOeRGZWwLL1Ju6gFMQ"}', 'RS256');
SELECT authmeter.key_import('attack-es', '{"kty":"EC","crv":"P-256","kid":"e1","x":"MDUzAvDBhO3ZvOoijfsqtjeVKGez4ha_IhDy3Hah_fc","y":"SP-aAYIShCVBCAXv2z80A6q5fNS2Dk_25G0r4XJ0rnA"}', 'ES256');
SELECT authmeter.key_import('attack-ed', '{"kty":"OKP","crv":"Ed25519","kid":"d1","x":"o6NgTT5a2sLOQlKcq57X9HsRLc1tbVAa4g422u4fIAg"}', 'EdDSA');
-- The helper makes good tokens, so that each case below fails for its own reason.
SELECT pg_temp.outcome(pg_temp.mint());

-- 1. The algorithm is the key's: none in any spelling, other algorithms, and no algorithm.
SELECT alg, pg_temp.outcome(pg_temp.mint(header => '{"alg":' || alg || '}')) AS signed,
	pg_temp.outcome(pg_temp.b64(convert_to('{"alg":' || alg || '}', 'UTF8')) || '.eyJzdWIiOiJ2aWN0aW0iLCJleHAiOjQxMDI0NDQ4MDB9.') AS unsigned
FROM unnest(ARRAY['"none"', '"None"', '"NONE"', '"nOnE"', '"n\u006fne"', '""', '" HS256"', '"hs256"', '"HS256\u0000"', '"HS384"', '"HS512"', '"RS256"', '"PS256"',
	'"ES256"', '"EdDSA"', '"Ed25519"', 'null', 'true', '0', '["HS256"]', '{}', '"HS256","alg":"none"', '"none","alg":"HS256"']) alg;
SELECT header, pg_temp.outcome(pg_temp.mint(header => header)) FROM unnest(ARRAY['{}', '{"typ":"JWT"}', '{"ALG":"HS256"}', '[]', '"HS256"', 'null', '', '{"alg":"HS256"} ', '{"alg":"HS256"}x']) header;
-- A public key, as everybody can get it, taken for the shared secret.
SELECT label, ring, pg_temp.outcome(pg_temp.mint(convert_to('{"sub":"victim","exp":4102444800}', 'UTF8'), convert_to('{"alg":"HS256"' || kid || '}', 'UTF8'), secret), ring)
FROM (VALUES
	('PEM', 'attack-rs', E'-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsk5jkVKjLVYRFcvYOyUJ\n+cSahDTgtM9nmAcuzA2u27w2N9W1gDuIOXT2ZUY/k93+UKqJiZs1o8rcGjKusxp2\nZ9DjdsXxMmgmlWZ5MwYgPgdl3ozaINxOgVH15XDYcY9FjrQRgCcJLhNE9MROl3IA\nMo0AM+Ue+V13XTphFOL+qYYhQRp1v+2NWv/efooXhwvRmkCooMNac+KUbMd+M5Pc\nJYU2bHjgT+GmvDadvkxuBG5tuju1rpnSgmQ98VqlHJM79z3Qs04iImPYTWZyWYwI\nyvsZDTV7a4JVteDsEwp4uC+JsJKRLbXBjnrJ3gMZuuES7gInbOeRGZWwLL1Ju6gF\nMQIDAQAB\n-----END PUBLIC KEY-----\n'::bytea),
	('PEM without newline', 'attack-rs', E'-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsk5jkVKjLVYRFcvYOyUJ\n+cSahDTgtM9nmAcuzA2u27w2N9W1gDuIOXT2ZUY/k93+UKqJiZs1o8rcGjKusxp2\nZ9DjdsXxMmgmlWZ5MwYgPgdl3ozaINxOgVH15XDYcY9FjrQRgCcJLhNE9MROl3IA\nMo0AM+Ue+V13XTphFOL+qYYhQRp1v+2NWv/efooXhwvRmkCooMNac+KUbMd+M5Pc\nJYU2bHjgT+GmvDadvkxuBG5tuju1rpnSgmQ98VqlHJM79z3Qs04iImPYTWZyWYwI\nyvsZDTV7a4JVteDsEwp4uC+JsJKRLbXBjnrJ3gMZuuES7gInbOeRGZWwLL1Ju6gF\nMQIDAQAB\n-----END PUBLIC KEY-----'::bytea),
	('DER', 'attack-rs', decode('MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsk5jkVKjLVYRFcvYOyUJ+cSahDTgtM9nmAcuzA2u27w2N9W1gDuIOXT2ZUY/k93+UKqJiZs1o8rcGjKusxp2Z9DjdsXxMmgmlWZ5MwYgPgdl3ozaINxOgVH15XDYcY9FjrQRgCcJLhNE9MROl3IAMo0AM+Ue+V13XTphFOL+qYYhQRp1v+2NWv/efooXhwvRmkCooMNac+KUbMd+M5PcJYU2bHjgT+GmvDadvkxuBG5tuju1rpnSgmQ98VqlHJM79z3Qs04iImPYTWZyWYwIyvsZDTV7a4JVteDsEwp4uC+JsJKRLbXBjnrJ3gMZuuES7gInbOeRGZWwLL1Ju6gFMQIDAQAB', 'base64')),
	('JWK', 'attack-rs', convert_to(authmeter.jwks('attack-rs')::text, 'UTF8')),
	('modulus', 'attack-rs', decode('sk5jkVKjLVYRFcvYOyUJ+cSahDTgtM9nmAcuzA2u27w2N9W1gDuIOXT2ZUY/k93+UKqJiZs1o8rcGjKusxp2Z9DjdsXxMmgmlWZ5MwYgPgdl3ozaINxOgVH15XDYcY9FjrQRgCcJLhNE9MROl3IAMo0AM+Ue+V13XTphFOL+qYYhQRp1v+2NWv/efooXhwvRmkCooMNac+KUbMd+M5PcJYU2bHjgT+GmvDadvkxuBG5tuju1rpnSgmQ98VqlHJM79z3Qs04iImPYTWZyWYwIyvsZDTV7a4JVteDsEwp4uC+JsJKRLbXBjnrJ3gMZuuES7gInbOeRGZWwLL1Ju6gFMQ==', 'base64')),
	('point', 'attack-es', decode('MDUzAvDBhO3ZvOoijfsqtjeVKGez4ha/IhDy3Hah/fc=', 'base64')),
	('point', 'attack-ed', decode('o6NgTT5a2sLOQlKcq57X9HsRLc1tbVAa4g422u4fIAg=', 'base64')),
	('empty', 'attack-rs', ''::bytea)) t(label, ring, secret), (VALUES (''), (',"kid":"r1"'), (',"kid":"e1"'), (',"kid":"d1"')) k(kid)
ORDER BY ring, label, kid;

-- 2. A key inside the token is never looked at: signed with our key good, with the attacker's own bad.
SELECT member, pg_temp.outcome(pg_temp.mint(header => '{"alg":"HS256",' || member || '}')) AS by_us,
	pg_temp.outcome(pg_temp.mint(header => '{"alg":"HS256",' || member || '}', secret => 'attackers own key of thirty-two..')) AS by_attacker
FROM unnest(ARRAY['"jwk":{"kty":"oct","k":"YXR0YWNrZXJzIG93biBrZXkgb2YgdGhpcnR5LXR3by4u"}', '"jku":"https://attacker.example/jwks"',
	'"x5u":"https://attacker.example/cert"', '"x5c":["MIIB"]', '"x5t":"x"', '"cty":"JWT"', '"zip":"DEF"']) member;
SELECT member, pg_temp.outcome(pg_temp.mint(header => '{"alg":"HS256",' || member || '}'))
FROM unnest(ARRAY['"crit":["exp"]', '"crit":["x"],"x":1', '"crit":[]', '"crit":null', '"crit":"b64"', '"b64":false', '"b64":true', '"b64":false,"crit":["b64"]', '"b64":"false"',
	'"typ":1', '"typ":null', '"typ":"' || repeat('x', 100) || '"']) member;
SELECT left(kid, 50) AS kid, pg_temp.outcome(pg_temp.mint(header => '{"alg":"HS256","kid":' || kid || '}'))
FROM unnest(ARRAY['"k1"', '"K1"', '"k1 "', '" k1"', '"k"', '"\u006b1"', '"k1\u0000"', '"k1\u0000x"', '""', 'null', '1', 'true', '["k1"]', '{"k":"k1"}', '"''; DROP TABLE users; --"', '"k1'' OR ''1''=''1"',
	'"../../../../dev/null"', '"/proc/sys/kernel/randomize_va_space"', '"http://attacker.example/key"', '"k\n1"', '"ķ1"', '"' || repeat('k', 256) || '"', '"' || repeat('k', 257) || '"', '"' || repeat('k', 10000) || '"',
	'"k1","kid":"k2"', '"r1"']) kid;
-- A retired key verifies nothing, with or without its kid; a key of another ring neither.
SELECT authmeter.key_import('attack-retired', 'Rq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA', kid => 'old', verify_only => true);
SELECT pg_temp.outcome(pg_temp.mint(secret => 'Rq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA'), 'attack-retired');
SELECT authmeter.key_retire('old', 'attack-retired');
SELECT pg_temp.outcome(pg_temp.mint(secret => 'Rq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA'), 'attack-retired'),
	pg_temp.outcome(pg_temp.mint(header => '{"alg":"HS256","kid":"old"}', secret => 'Rq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA'), 'attack-retired');
SELECT pg_temp.outcome(pg_temp.mint(), 'attack-retired'), pg_temp.outcome(pg_temp.mint(header => '{"alg":"HS256","kid":"k1"}'), 'attack-retired');

-- 3. Times: missing, of another type, out of range, with an exponent.
SELECT name, value, pg_temp.outcome(pg_temp.mint('{' || CASE WHEN name = 'exp' THEN '' ELSE '"exp":4102444800,' END || '"' || name || '":' || value || '}'))
FROM unnest(ARRAY['exp', 'nbf', 'iat']) name, unnest(ARRAY['"4102444800"', 'null', 'true', '[4102444800]', '{}', '4102444800.5', '1e308', '-1e308', '1e400', '1e-400', '-1', '-0', '9223372036854775807', '9223372036854775808',
	'18446744073709551616', '253402300799', '253402300800', '4102444800000', '1e9', '41024448e2', '4102444800.000', '04102444800', '0x7fffffff', 'NaN', 'Infinity', '']) value
ORDER BY name, value COLLATE "C";
SELECT claims, pg_temp.outcome(pg_temp.mint(claims)) FROM unnest(ARRAY['{}', '{"Exp":4102444800}', '{"EXP":4102444800}', '{"exp ":4102444800}', '{"\u0065xp":4102444800}', '{"exp":4102444800,"iat":4102444799}', '{"a":{"exp":4102444800}}']) claims;

-- 4. JSON that parsers read differently, that is no text, or that is meant to exhaust.
SELECT label, pg_temp.outcome(pg_temp.mint(claims, convert_to('{"alg":"HS256"}', 'UTF8'), 'Sq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA')) AS claims,
	pg_temp.outcome(pg_temp.mint(convert_to('{"exp":4102444800}', 'UTF8'), '{"alg":"HS256","x":'::bytea || claims || '}'::bytea, 'Sq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA')) AS header
FROM (VALUES
	('good', '{"exp":4102444800}'::bytea),
	('duplicate key', '{"exp":4102444800,"sub":"a","sub":"b"}'),
	('duplicate exp', '{"exp":1,"exp":4102444800}'),
	('duplicate by escape', '{"exp":4102444800,"sub":"a","s\\u0075b":"b"}'),
	('duplicate deep', '{"exp":4102444800,"a":[{"b":1,"b":2}]}'),
	('invalid UTF-8', '{"exp":4102444800,"a":"\377"}'),
	('overlong UTF-8', '{"exp":4102444800,"a":"\300\257"}'),
	('UTF-8 surrogate', '{"exp":4102444800,"a":"\355\240\200"}'),
	('lone high surrogate', '{"exp":4102444800,"a":"\\ud800"}'),
	('lone low surrogate', '{"exp":4102444800,"a":"\\udc00x"}'),
	('surrogates reversed', '{"exp":4102444800,"a":"\\udc00\\ud800"}'),
	('pair of surrogates', '{"exp":4102444800,"a":"\\ud83d\\ude00"}'),
	('NUL escaped', '{"exp":4102444800,"a":"\\u0000"}'),
	('NUL in a key', '{"exp":4102444800,"a\\u0000":1}'),
	('NUL raw', '{"exp":4102444800,"a":"\000"}'),
	('control character', '{"exp":4102444800,"a":"\001"}'),
	('byte order mark', '\357\273\277{"exp":4102444800}'),
	('UTF-16', '{\000"\000e\000x\000p\000"\000:\0001\000}\000'),
	('comment', '{"exp":4102444800/**/}'),
	('trailing comma', '{"exp":4102444800,}'),
	('single quotes', '{''exp'':4102444800}'),
	('trailing text', '{"exp":4102444800}{"exp":1}'),
	('trailing NUL', '{"exp":4102444800}\000'),
	('cut off', '{"exp":4102444800'),
	('number 01', '{"exp":4102444800,"a":01}'),
	('wide number', '{"exp":4102444800,"a":1e100000}'),
	('wide negative exponent', '{"exp":4102444800,"a":1e-100000}'),
	('array', '[4102444800]'),
	('string', '"exp"'),
	('depth 31', convert_to('{"exp":4102444800,"a":' || repeat('[', 31) || repeat(']', 31) || '}', 'UTF8')),
	('depth 33', convert_to('{"exp":4102444800,"a":' || repeat('[', 33) || repeat(']', 33) || '}', 'UTF8')),
	('depth 5,000', convert_to('{"exp":4102444800,"a":' || repeat('[', 5000) || '}', 'UTF8')),
	('depth 10,000', convert_to('{"exp":4102444800,"a":' || repeat('{"a":', 10000) || '}', 'UTF8')),
	('500 claims', convert_to('{"exp":4102444800' || (SELECT string_agg(',"' || i || '":0', '') FROM generate_series(1, 500) i) || '}', 'UTF8')),
	('1,200 claims', convert_to('{"exp":4102444800' || (SELECT string_agg(',"' || i || '":0', '') FROM generate_series(1, 1200) i) || '}', 'UTF8')),
	('100,000 claims', convert_to('{"exp":4102444800' || (SELECT string_agg(',"' || i || '":0', '') FROM generate_series(1, 100000) i) || '}', 'UTF8')),
	('1,000 wide numbers', convert_to('{"exp":4102444800,"a":[1e9999' || repeat(',1e9999', 900) || ']}', 'UTF8')),
	('12,000 bytes', convert_to('{"exp":4102444800,"a":"' || repeat('x', 12000) || '"}', 'UTF8')),
	('1 MB', convert_to('{"exp":4102444800,"a":"' || repeat('x', 1048576) || '"}', 'UTF8'))) t(label, claims);
SELECT pg_temp.outcome(repeat('a', 1048576)), pg_temp.outcome(repeat('.', 1048576)), pg_temp.outcome(repeat('.', 16384)), pg_temp.outcome(repeat('e30.', 4096));
-- The longest token that is looked at, and one character more.
SELECT length(token), pg_temp.outcome(token)
FROM (SELECT pg_temp.mint('{"exp":4102444800,"a":"' || rpad('', bytes - 25, 'x') || '"}', '{"alg":"HS256"}') AS token FROM unnest(ARRAY[12239, 12240]) bytes) t;

-- 5. Form: strict base64url, three segments, nothing around them.
SELECT label, pg_temp.outcome(token) FROM (SELECT pg_temp.mint() AS good) g, LATERAL (VALUES
	('good', good),
	('padded', good || '='),
	('header padded', replace(good, '.eyJ', '=.eyJ')),
	('payload padded', regexp_replace(good, '\.([^.]*)$', '=.\1')),
	('standard alphabet +', overlay(good PLACING '+' FROM length(good) - 5 FOR 1)),
	('standard alphabet /', overlay(good PLACING '/' FROM length(good) - 5 FOR 1)),
	('blank before', ' ' || good), ('blank after', good || ' '), ('newline after', good || E'\n'), ('tab inside', replace(good, '.', E'.\t')),
	('blank in payload', overlay(good PLACING ' ' FROM 50 FOR 1)),
	('other last bits', left(good, -1) || translate(right(good, 1), 'AEIMQUYcgkosw048', 'BFJNRVZdhlptx159')),
	('letter beyond ASCII', overlay(good PLACING 'é' FROM 50 FOR 1)),
	('one segment', split_part(good, '.', 1)),
	('two segments', split_part(good, '.', 1) || '.' || split_part(good, '.', 2)),
	('no signature', split_part(good, '.', 1) || '.' || split_part(good, '.', 2) || '.'),
	('no header', '.' || split_part(good, '.', 2) || '.' || split_part(good, '.', 3)),
	('no payload', split_part(good, '.', 1) || '..' || split_part(good, '.', 3)),
	('four segments', good || '.'), ('four segments filled', good || '.e30'), ('five segments', good || '.e30.e30'),
	('dots', '..'), ('empty', ''), ('Bearer', 'Bearer ' || good),
	('JSON serialization', format('{"protected":"%s","payload":"%s","signature":"%s"}', split_part(good, '.', 1), split_part(good, '.', 2), split_part(good, '.', 3))),
	('signature cut', left(good, -1)), ('signature cut by 4', left(good, -4)), ('signature longer', good || 'AAAA'),
	('signature of zeros', regexp_replace(good, '\.[^.]*$', '.' || repeat('A', 43))),
	('signature of 1,500 bytes', regexp_replace(good, '\.[^.]*$', '.' || repeat('A', 2000))),
	('signature in hexadecimal', regexp_replace(good, '\.[^.]*$', '.' || encode(public.hmac('x', 'y', 'sha256'), 'hex'))),
	('header upper case', upper(split_part(good, '.', 1)) || '.' || split_part(good, '.', 2) || '.' || split_part(good, '.', 3)),
	('claims exchanged', split_part(good, '.', 1) || '.' || pg_temp.b64('{"sub":"admin","exp":4102444800}') || '.' || split_part(good, '.', 3)),
	('header exchanged', pg_temp.b64('{"alg":"HS256"}') || '.' || split_part(good, '.', 2) || '.' || split_part(good, '.', 3)),
	('other secret', pg_temp.mint(secret => 'Sq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuB')),
	('longer secret', pg_temp.mint(secret => 'Sq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA' || ' '))) t(label, token);
-- The same faults with a signature that fits them: two spellings of one token are never both good.
SELECT label, pg_temp.outcome(input || '.' || pg_temp.b64(public.hmac(input, 'Sq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA', 'sha256'))) FROM (VALUES
	('good', 'eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDB9'),
	('payload padded', 'eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDAsImEiOjF9=='),
	('header padded', 'eyJhbGciOiJIUzI1NiJ9==.eyJleHAiOjQxMDI0NDQ4MDB9'),
	('payload with other last bits', 'eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDAgfR'),
	('payload with blank at the end', 'eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDAgfQ'),
	('header with other last bits', 'eyJhbGciOiJIUzI1NiIgfR.eyJleHAiOjQxMDI0NDQ4MDB9'),
	('header with blank at the end', 'eyJhbGciOiJIUzI1NiIgfQ.eyJleHAiOjQxMDI0NDQ4MDB9'),
	('payload with blank', 'eyJhbGciOiJIUzI1NiJ9.eyJleHAi OjQxMDI0NDQ4MDB9'),
	('payload with newline', E'eyJhbGciOiJIUzI1NiJ9.eyJleHAi\nOjQxMDI0NDQ4MDB9'),
	('payload with /', 'eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDAsImEiOiLDvz/Dv8O/In0'),
	('payload with _', 'eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDAsImEiOiLDvz_Dv8O_In0'),
	('payload of 4n + 1', 'eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDB9A'),
	('JSON not encoded', 'eyJhbGciOiJIUzI1NiJ9.{"exp":4102444800}'),
	('header not encoded', '{"alg":"HS256"}.eyJleHAiOjQxMDI0NDQ4MDB9')) t(label, input);
-- The letter for letter neighbours of a good token: none is good, none is an error.
SELECT outcome, count(*) > 100 AS many FROM (SELECT pg_temp.mint() AS good) g, generate_series(1, length(good)) at, unnest(ARRAY['A', 'z', '_', '.', '=', ' ', '~']) letter,
	LATERAL pg_temp.outcome(overlay(good PLACING letter FROM at FOR 1)) outcome WHERE substr(good, at, 1) <> letter GROUP BY 1 ORDER BY 1;
SELECT outcome FROM (SELECT pg_temp.mint() AS good) g, generate_series(0, length(good) - 1) n, LATERAL pg_temp.outcome(left(good, n)) outcome GROUP BY 1 ORDER BY 1;

-- 6. Signatures in another form, out of range, or forged by their padding.
SELECT label, pg_temp.outcome('eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ2aWN0aW0iLCJleHAiOjQxMDI0NDQ4MDB9.' || signature, 'attack-rs') FROM (VALUES
	('good', 'nFaoL-QWzk_1RA9fnpWJ8zsqtt03589RA0SLJrWU__ZsfSjcOtbd5MMZ0AGDwhjJCtRvrhJyC1X05DGkvxCfdiwygROvsSTpOCdoSBqjHPaeOg48RIof2aLMX78X3Kajk5cEWbG3W6YxtDrkq9ip8QTlHJ14y0fkRp10M5dunH7L7wrfnNZk9kkUDpyV_VGhLNukBzM3AcFk_MFSrQmoVASzS0TqSaAkcDnzsN8G306XY-CA-yHvFGTCfFUa6EuCFO1KY_rUmX1GwcYC0J6P96RnHidtyywEQiUf3XsEXySYD8HgZkUY47WLnlZ6eINORnNDgByYN4gkBKJYQo_6ug'),
	('short padding', 'O2DpRELhM1Os0gpov2HG-I35MMUg8dNzgCdes3Aa4cCI_E-4N-agUrtgbmLIvQj19SfuoKajZm-hEJalCpeayoFSpyIt_sW5MRX5Ptwjs9mEKP8L3CfNUAqFYPROQTrd6VzvHpx8usQUAD82Or5DG0JHsJntpgo0PviWakiVz3BK2AmWaiWH49vaPfu5cPvqJvP2HLFiHVrBOS0DQlw920yiX5y8lmYe0lA6zsXwSY7zS1WHEdjg2S3jue8ZraTgKNr-ITcEGCwzFnE1nKrSaxLDQrK95-JMK5vy86B3jATpZMYCKgfo8VX5CPXPoIZULIy9VW1u0ZuoTu9DNRXH0A'),
	('garbage before', 'pn0MFOBsZ03NAAq-kKc4hPW_af6p9BC-66wESFblFElXj2OVx7RCjJjTZ5VSH_BPOuwQ306Sz0nk2HuxhWww-Z4j8vTyE7FPwvAnJygPSdkGToJaYXQSrA26tmhDbQK_72piF7CjWt0ACDKUPC4uLPTrFWavSGZkanJSOT1PD_XzmogsUkiLSsyT3AEYR5u8vJ4IMR3D560UzAIvEgnnbBBZ6xsyfKaWResukGWo3_wM1VhjaS7hD31DtFxvyESRMyjV9XTsv3rq8-9EKoIKuwuxNV6esEwLSxbYnr-bcAlM9pi9gkjNImQZyHrvwlUjBuTRepYYWlCCgqChpm_FLA'),
	('no null', 'jPvMnTirIreAvBYDJwIt9vjaXRjrU3oOR_x8NaOymkOfKznwNBAj9U4OQs_SBmUtgEPZWnnZ6Z_udayswWGBJxfS3n0opoHbVYSP85NTHa9lCcENIHHTNCKtkGH-UNV-cIr0OZuOR6Zsfp0n-M6ATu3-BwsQ2EglvyoppaWMQg88U-w7baAPlwq5YsuYT2CgbJ1piMGLJ1pv4_Bpf-VRpnnJamSjX7baVRPowNHmfx-bdyYRJc15yFvZNk4BobWQ_Hbpb1NCSGit86UyVdoAw-FvJxuJ-7AJU_f1TQvZRb1Au5r9S0SvmajOjxe5tUgRerCSNlFmvvg5MrijXR7dOA'),
	('bare hash', 'm_cH4PeLH66S8TN3ffg_I212kQ6KEZa3iCX99BSR51fN_uKBuiNEgPI4ba4B9qsf2LrOQOMwoB_CerKPMcal6vT7JhLOqv53YLNeeEWJP9sNKnH4flTXG7y0e9ojtAiv1ZmwzEdb1sGap5QP3JYh31jlnd0V3fDFRMVwTCfaenmZS3vg7d5C-3dxHn_s5Z1IrXpxAQrEdGPt9d3LTFMpOLsqXkXoobQ74Npn30UJzYBM2AsXIa6NSJOLM_51-fU-80bpX4hG6ICauBexrP66T6xDbK0JJSYvXPNGDWa-GJ-Vnx-BCC7VQnwHPy4D3eyxOhoo7MoXOTyHq-4jUQEo3g'),
	('sha1', 'qUmjnbKx0POIrXCI8H1HFzpxZ_H5kY_dlSxh6dK3Ge3826PYv-1u_4lIBjzLmRAom18LWKVFzF_UTbqVrkiZ9HHOCIXQhgm1GYJdQtMxx4XufKv48Gr9SsG0DG3hyacMq__7aDAOO_SbLuDmlxKwbjqjcY2dSxaLDNPi6S91_nXpgdoZmEk-zz-n8RYmys6pp33xjUoWJPP4wbeDo-H5kQuQT_aoqI7vdinNXFHINmQVgO5WE5Q6zCoOD2cXiNb-yuJ9ofydS9DiexwjEgBKeBYNxC6hzuPqPJYoynRAZSGFfE-TgOud-quE2L8ChRGLCcJ9mRPP9dfG4EwBLJtl9Q'),
	('sha512', 'l9mU9J-_RPzmlOksijDRLlRQZCG2TtFlyhBCWQ-zLevMSdr7lhdzgOnYWeoX6DGaIbIps_KwUwhfoP6Is-OuTzqwiujNVsYN89nsaK7RN_x0PIPfg9C_vA7-IuPCQWuw5MWwrXLIZF0YjRfanU3pmq3SaBTjgwnCSNlA1_zsO5PBRtMt7c1f-IzxzAFW1kP0Wp7DXhjitdPp1W4sYw0rtBOJWolatpNK_OHGX388fxsUodHj4QndxDaBpQuDZnjf87_hu49ojdRrKT-a6nYXWiJQff48YbMWGVip5RJItbWltjSgXH3YNoIsafGi7gaCWSmqPXFMpKl3NZby6dukew'),
	('pss', 'aKXEqPeWPKoWc7mCi-15HtNSWumuIVT4N7SuYgXolZ63HJR85Im1rz-FysRTFvaM4BVpvQ6hhKrpkNIRHVKHCGFokERfty8AhpUITezKF4TV_Zgb7nNexr0soyx38MszRTKLrIztMMttmdb_luleYInLfp4KPje_YSSoZvk8vKz_2BUuiX1zDXHjocvskFrwcxIwML89mqG-YZjpxcIzBfegGgvSOAKxhFo_iNOu3vkLZQ4i6a5Q9d5DfY9Px4MPdIkFPfbrWLaFuZl6HZ7Lf6HJyrudupAEmDL3-Q--fE2M5csmxCOIO_vN7Yztp7yHewDSTLiaR1I4kv_csqPSFQ'),
	('block type 2', 'j8OPp1-NKeFvxXyOUkTXY5rTwnS361Y2-bJih6zbesodb_tHKjZdwIKmG4ocXrXZrmcFQ49VjeJO2ucVYa2lSQcIpCK5I-Wy1T6APAy_dkotRO4P4vgTYFpLQmagD3SFXH7cYvPrvjl7NNTR9Wb_2J7JS1Xy9Xa_XNUIpXs9TYgdZGd5C6K89QKNzvrv1_crOu7nLacLcMR-k1CdUxrScBEcfgQR-74Gp3iE49E4xgqmwrKIzr4N8fwGnvuhsprO1S4r4keHv_gyICoiUcckXYbyzscB2WAYkGTTedEvsmlEeJUvahH9b1nqRd1tfM6ggAMOdqam-OnGOUjH6niPgA'),
	('longer', 'AJxWqC_kFs5P9UQPX56VifM7KrbdN-fPUQNEiya1lP_2bH0o3DrW3eTDGdABg8IYyQrUb64ScgtV9OQxpL8Qn3YsMoETr7Ek6TgnaEgaoxz2njoOPESKH9mizF-_F9ymo5OXBFmxt1umMbQ65KvYqfEE5RydeMtH5EaddDOXbpx-y-8K35zWZPZJFA6clf1RoSzbpAczNwHBZPzBUq0JqFQEs0tE6kmgJHA587DfBt9Ol2PggPsh7xRkwnxVGuhLghTtSmP61Jl9RsHGAtCej_ekZx4nbcssBEIlH917BF8kmA_B4GZFGOO1i55WeniDTkZzQ4AcmDeIJASiWEKP-ro'),
	('shorter', 'Vqgv5BbOT_VED1-elYnzOyq23Tfnz1EDRIsmtZT_9mx9KNw61t3kwxnQAYPCGMkK1G-uEnILVfTkMaS_EJ92LDKBE6-xJOk4J2hIGqMc9p46DjxEih_ZosxfvxfcpqOTlwRZsbdbpjG0OuSr2KnxBOUcnXjLR-RGnXQzl26cfsvvCt-c1mT2SRQOnJX9UaEs26QHMzcBwWT8wVKtCahUBLNLROpJoCRwOfOw3wbfTpdj4ID7Ie8UZMJ8VRroS4IU7Upj-tSZfUbBxgLQno_3pGceJ23LLARCJR_dewRfJJgPweBmRRjjtYueVnp4g05Gc0OAHJg3iCQEolhCj_q6'),
	('plus n', 'AU6lC8E2ufumBlnbN9m6k-z_xTsSGJyeuJtLufLDQ9uyorT-kbsSZh44EDVHw1X2x1t--Tetp68g0P5kU3IrFd39FffZoOOND82N4Xsgw1r-BBibFmVmblr0wkUv8E416SJLFdnYwIm5dqj_M0NKqiOR5VCCl8SlW6PX1Uh6bUYE7TAlVVzD8lFI8o0mrYRdcsccTKf2kXWj-WmI0OCdhHmJ6be9ypmByyxwkW8rdOO9BR4cNqm7wZbJAG2vwATevgwrGxdI9rvhHw8sdSoqmMKfgCtc6TauWfgGC_CFfRdUIcBUcZP62nIwVXxZlDNkYTR1au0EKVEd1DFfof43_-s'),
	('zero', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'),
	('one', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ'),
	('n minus 1', 'sk5jkVKjLVYRFcvYOyUJ-cSahDTgtM9nmAcuzA2u27w2N9W1gDuIOXT2ZUY_k93-UKqJiZs1o8rcGjKusxp2Z9DjdsXxMmgmlWZ5MwYgPgdl3ozaINxOgVH15XDYcY9FjrQRgCcJLhNE9MROl3IAMo0AM-Ue-V13XTphFOL-qYYhQRp1v-2NWv_efooXhwvRmkCooMNac-KUbMd-M5PcJYU2bHjgT-GmvDadvkxuBG5tuju1rpnSgmQ98VqlHJM79z3Qs04iImPYTWZyWYwIyvsZDTV7a4JVteDsEwp4uC-JsJKRLbXBjnrJ3gMZuuES7gInbOeRGZWwLL1Ju6gFMA')) t(label, signature);
SELECT label, pg_temp.outcome('eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ2aWN0aW0iLCJleHAiOjQxMDI0NDQ4MDB9.' || signature, 'attack-es') FROM (VALUES
	('good', 'Zb4jS1lvEnYfGe-b70hkq2uKKNiuAluhbwy_haEQN8lrshIugSv9MABsjslNIkIJmYax4_sHDFKfAsRmsbFrjQ'),
	('s negated, which JOSE allows', 'Zb4jS1lvEnYfGe-b70hkq2uKKNiuAluhbwy_haEQN8mUTe3QftQC0P-TcTay3b32I2BIyawQkjJUtwZcSrG5xA'),
	('DER', 'MEQCIGW-I0tZbxJ2Hxnvm-9IZKtriijYrgJboW8Mv4WhEDfJAiBrshIugSv9MABsjslNIkIJmYax4_sHDFKfAsRmsbFrjQ'),
	('63 bytes', 'Zb4jS1lvEnYfGe-b70hkq2uKKNiuAluhbwy_haEQN8lrshIugSv9MABsjslNIkIJmYax4_sHDFKfAsRmsbFr'),
	('65 bytes', 'Zb4jS1lvEnYfGe-b70hkq2uKKNiuAluhbwy_haEQN8lrshIugSv9MABsjslNIkIJmYax4_sHDFKfAsRmsbFrjQA'),
	('r = 0', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABrshIugSv9MABsjslNIkIJmYax4_sHDFKfAsRmsbFrjQ'),
	('s = 0', 'Zb4jS1lvEnYfGe-b70hkq2uKKNiuAluhbwy_haEQN8kAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'),
	('r = n', '_____wAAAAD__________7zm-q2nF56E87nKwvxjJVFrshIugSv9MABsjslNIkIJmYax4_sHDFKfAsRmsbFrjQ'),
	('s = n', 'Zb4jS1lvEnYfGe-b70hkq2uKKNiuAluhbwy_haEQN8n_____AAAAAP__________vOb6racXnoTzucrC_GMlUQ'),
	('r = s = 0', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'),
	('r = s = n', '_____wAAAAD__________7zm-q2nF56E87nKwvxjJVH_____AAAAAP__________vOb6racXnoTzucrC_GMlUQ')) t(label, signature);
SELECT label, pg_temp.outcome('eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ2aWN0aW0iLCJleHAiOjQxMDI0NDQ4MDB9.' || signature, 'attack-ed') FROM (VALUES
	('good', 'ugRcNOFH_i-i_YijAsCD5W-LRr6Bl97uhZJJTzd799nNgfhBJzmxeYm6jR1gjoy874RYecLkOvtpOlkCgpsRBw'),
	('s plus l', 'ugRcNOFH_i-i_YijAsCD5W-LRr6Bl97uhZJJTzd799m6Ve6eQZzD0V9XhcA-iGvR74RYecLkOvtpOlkCgpsRFw'),
	('zero', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'),
	('short', 'ugRcNOFH_i-i_YijAsCD5W-LRr6Bl97uhZJJTzd799nNgfhBJzmxeYm6jR1gjoy874RYecLkOvtpOlkCgpsR'),
	('long', 'ugRcNOFH_i-i_YijAsCD5W-LRr6Bl97uhZJJTzd799nNgfhBJzmxeYm6jR1gjoy874RYecLkOvtpOlkCgpsRBwA'),
	('identity r', 'AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')) t(label, signature);
-- One kind of signature under the key of another.
SELECT ring, pg_temp.outcome('eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ2aWN0aW0iLCJleHAiOjQxMDI0NDQ4MDB9.nFaoL-QWzk_1RA9fnpWJ8zsqtt03589RA0SLJrWU__ZsfSjcOtbd5MMZ0AGDwhjJCtRvrhJyC1X05DGkvxCfdiwygROvsSTpOCdoSBqjHPaeOg48RIof2aLMX78X3Kajk5cEWbG3W6YxtDrkq9ip8QTlHJ14y0fkRp10M5dunH7L7wrfnNZk9kkUDpyV_VGhLNukBzM3AcFk_MFSrQmoVASzS0TqSaAkcDnzsN8G306XY-CA-yHvFGTCfFUa6EuCFO1KY_rUmX1GwcYC0J6P96RnHidtyywEQiUf3XsEXySYD8HgZkUY47WLnlZ6eINORnNDgByYN4gkBKJYQo_6ug', ring), pg_temp.outcome('eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ2aWN0aW0iLCJleHAiOjQxMDI0NDQ4MDB9.Zb4jS1lvEnYfGe-b70hkq2uKKNiuAluhbwy_haEQN8lrshIugSv9MABsjslNIkIJmYax4_sHDFKfAsRmsbFrjQ', ring), pg_temp.outcome('eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ2aWN0aW0iLCJleHAiOjQxMDI0NDQ4MDB9.ugRcNOFH_i-i_YijAsCD5W-LRr6Bl97uhZJJTzd799nNgfhBJzmxeYm6jR1gjoy874RYecLkOvtpOlkCgpsRBw', ring)
FROM unnest(ARRAY['attack', 'attack-rs', 'attack-es', 'attack-ed']) ring;

-- 7. A token of one purpose used for another: other ring, other issuer, other audience.
SELECT authmeter.key_import('attack-other', 'Qq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA', kid => 'k1');
SELECT pg_temp.outcome(pg_temp.mint(), 'attack-other'), pg_temp.outcome(pg_temp.mint(header => '{"alg":"HS256","kid":"k1"}'), 'attack-other');
SELECT (authmeter.jwt_verify(pg_temp.mint('{"exp":4102444800,"iss":"api-a","aud":"access"}'), 'attack', issuer => 'api-b', audience => 'access')).outcome,
	(authmeter.jwt_verify(pg_temp.mint('{"exp":4102444800,"iss":"api-a","aud":"refresh"}'), 'attack', issuer => 'api-a', audience => 'access')).outcome,
	(authmeter.jwt_verify(pg_temp.mint('{"exp":4102444800,"iss":"api-a","aud":"refresh"}'), 'attack', issuer => 'api-a')).outcome;

-- Nothing of a refused token comes back, and jws_verify and jwt_decode take the same garbage.
SELECT v FROM authmeter.jwt_verify(pg_temp.mint('{"exp":1}'), 'attack') v;
SELECT v FROM authmeter.jwt_verify(pg_temp.mint(secret => 'Sq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuB'), 'attack') v;
SELECT v FROM authmeter.jws_verify(pg_temp.mint(secret => 'Sq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuB'), 'attack') v;
SELECT count(*) FILTER (WHERE v.outcome = 'ok') AS good, count(*) FILTER (WHERE d.claims IS NOT NULL) > 0 AS some_readable
FROM (SELECT pg_temp.mint() AS good) g, generate_series(1, length(good)) at, unnest(ARRAY['A', '.', '=', '~']) letter,
	LATERAL (SELECT overlay(good PLACING letter FROM at FOR 1) AS token OFFSET 0) t, LATERAL authmeter.jws_verify(token, 'attack') v, LATERAL authmeter.jwt_decode(token) d
WHERE substr(good, at, 1) <> letter;
SELECT authmeter.setting_set('authmeter.environment', NULL);
