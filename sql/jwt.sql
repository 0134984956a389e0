-- JSON Web Tokens: the vectors of the RFCs, what is signed, and what a verification answers.
SELECT authmeter.setting_set('authmeter.environment', 'production');
CREATE FUNCTION pg_temp.at(moment timestamptz) RETURNS void LANGUAGE sql AS $$
	SELECT set_config('authmeter.clock_offset_s', extract(epoch FROM moment - clock_timestamp())::text, false)
$$;
CREATE FUNCTION pg_temp.b64(bytes bytea) RETURNS text LANGUAGE sql AS $$
	SELECT translate(encode(bytes, 'base64'), E'+/=\n', '-_')
$$;
CREATE FUNCTION pg_temp.unb64(segment text) RETURNS bytea LANGUAGE sql AS $$
	SELECT decode(rpad(translate(segment, '-_', '+/'), (length(segment) + 3) / 4 * 4, '='), 'base64')
$$;
-- A token of any header and claims under a shared secret, made without authmeter.
CREATE FUNCTION pg_temp.mint(claims text, header text DEFAULT '{"alg":"HS256","typ":"JWT"}', secret text DEFAULT 'Tq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA')
RETURNS text LANGUAGE sql AS $$
	SELECT input || '.' || pg_temp.b64(public.hmac(input, secret, 'sha256'))
	FROM (SELECT pg_temp.b64(convert_to(header, 'UTF8')) || '.' || pg_temp.b64(convert_to(claims, 'UTF8'))) t(input)
$$;

-- RFC 7515 A.1, which is also RFC 7519 3.1: HS256, a second before its expiry and at it.
SELECT authmeter.key_import('rfc7515-a1', pg_temp.unb64('AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow'), kid => 'a1');
\set a1 'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
SELECT pg_temp.at('2011-03-22 18:42:59+00');
SELECT * FROM authmeter.jwt_verify(:'a1', 'rfc7515-a1');
SELECT pg_temp.at('2011-03-22 18:43:00+00');
SELECT * FROM authmeter.jwt_verify(:'a1', 'rfc7515-a1');
SELECT * FROM authmeter.jwt_verify(:'a1', 'rfc7515-a1', '1 minute', 'joe');
SELECT * FROM authmeter.jwt_decode(:'a1');
-- A.2: RS256.
SELECT authmeter.key_import('rfc7515-a2', '{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}', 'RS256');
\set a2 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw'
SELECT pg_temp.at('2011-03-22 18:42:59+00');
SELECT outcome, claims FROM authmeter.jwt_verify(:'a2', 'rfc7515-a2');
-- A.3: ES256.
SELECT authmeter.key_import('rfc7515-a3', '{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}', 'ES256') IS NOT NULL AS imported;
\set a3 'eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q'
SELECT outcome, claims FROM authmeter.jwt_verify(:'a3', 'rfc7515-a3');
-- A.5 and RFC 7519 6.1, unsecured; A.6, JSON serialization; A.4 and RFC 7520 4.3, an algorithm we do not know.
SELECT outcome FROM authmeter.jwt_verify('eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.', 'rfc7515-a1');
SELECT outcome FROM authmeter.jwt_verify('{"payload":"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ","protected":"eyJhbGciOiJFUzI1NiJ9","signature":"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"}', 'rfc7515-a3');
SELECT outcome FROM authmeter.jws_verify('eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn', 'rfc7515-a3');
-- RFC 8037 A.4: Ed25519 over bytes.
SELECT authmeter.key_import('rfc8037', '{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}', 'EdDSA', kid_in_header => false);
SELECT outcome, convert_from(payload, 'UTF8'), kid FROM authmeter.jws_verify('eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg', 'rfc8037');
-- The signature of Ed25519 is deterministic, so ours is that of the RFC.
SELECT authmeter.jws_sign('Example of Ed25519 signing', 'rfc8037');
-- RFC 7520 4.1 (RS256) and 4.4 (HS256), with kid in the header.
SELECT authmeter.key_import('rfc7520', '{"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","n":"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw","e":"AQAB"}', 'RS256');
SELECT authmeter.key_import('rfc7520', '{"kty":"oct","kid":"018c0ae5-4d9b-471b-bfd6-eef314bc7037","use":"sig","alg":"HS256","k":"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"}', kid_in_header => true);
\set frodo 'SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4'
SELECT outcome, left(convert_from(payload, 'UTF8'), 28) AS payload, kid FROM authmeter.jws_verify('eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.' || :'frodo' || '.MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg', 'rfc7520');
SELECT outcome, kid FROM authmeter.jws_verify('eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9.' || :'frodo' || '.s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0', 'rfc7520');
SELECT authmeter.jws_sign(pg_temp.unb64(:'frodo'), 'rfc7520') = 'eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9.' || :'frodo' || '.s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0' AS same_token;

-- What is signed: exact bytes, by the contract's header, equal to what another implementation makes.
RESET authmeter.clock_offset_s;
SELECT authmeter.key_import('jwt', 'Tq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA', kid => 'k');
SELECT pg_temp.at('2030-01-01 00:00:00.5+00');
SELECT authmeter.jwt_sign('{"sub":"u1","n":12.50,"list":[1,"é",null,true,{"a":{}}]}', 'jwt', '1 hour') AS token \gset
SELECT convert_from(pg_temp.unb64(split_part(:'token', '.', 1)), 'UTF8') AS header, convert_from(pg_temp.unb64(split_part(:'token', '.', 2)), 'UTF8') AS claims;
SELECT :'token' = pg_temp.mint('{"n":12.50,"sub":"u1","list":[1,"é",null,true,{"a":{}}],"iat":1893456000,"exp":1893459600}') AS same_token;
SELECT * FROM authmeter.jwt_verify(:'token', 'jwt');
SELECT claims FROM authmeter.jwt_verify(authmeter.jwt_sign('{}', 'jwt', '1 month'), 'jwt');
SELECT claims FROM authmeter.jwt_verify(authmeter.jwt_sign('{"exp":1893459600,"nbf":1893456000,"iat":0,"iss":"i","sub":"","jti":"j"}', 'jwt'), 'jwt');
SELECT claims FROM authmeter.jwt_verify(authmeter.jwt_sign(jsonb_build_object('quote', E'"\\/\b\f\n\r\t\u0001\u007f', 'emoji', '😀', 'ü ©™', '''; DROP TABLE x'), 'jwt', '1 second'), 'jwt');
-- What cannot be signed.
CREATE FUNCTION pg_temp.refused(claims jsonb, lifetime interval DEFAULT NULL, ring text DEFAULT 'jwt') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	RETURN length(authmeter.jwt_sign(claims, ring, lifetime)) || ' characters';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE, SQLERRM, nullif('- ' || detail, '- '));
END
$$;
SELECT left(claims::text, 40) AS claims, pg_temp.refused(claims)
FROM unnest(ARRAY[NULL, '[]', '"x"', '1', 'null', '{}', '{"exp":"1893459600"}', '{"exp":1893459600.5}', '{"exp":-1}', '{"exp":1e300}',
	'{"exp":9223372036854775808}', '{"exp":253402300800}', '{"exp":null}', '{"exp":true}', '{"exp":[1]}',
	'{"exp":1893459600,"nbf":"x"}', '{"exp":1893459600,"iat":{}}', '{"exp":1893459600,"iss":1}', '{"exp":1893459600,"sub":null}',
	'{"exp":1893459600,"jti":[]}', '{"exp":1893459600,"aud":1}', '{"exp":1893459600,"aud":["a",1]}',
	jsonb_build_object('exp', 1893459600, 'x', repeat('x', 12200)), jsonb_build_object('exp', 1893459600, 'x', repeat('x', 11000)),
	jsonb_build_object('exp', 1893459600, 'x', repeat('x', 100000)),
	jsonb_build_object('exp', 1893459600, 'deep', (repeat('[', 40) || repeat(']', 40))::jsonb)]::jsonb[]) claims;
SELECT lifetime, pg_temp.refused('{}', lifetime) FROM unnest(ARRAY['0', '999 ms', '-1 hour', '8000 years', '300000 years', '1 second']::interval[]) lifetime;
SELECT pg_temp.refused('{"exp":1893459600}', '1 hour'), pg_temp.refused('{"iat":1893456000}', '1 hour'), pg_temp.refused('{}', '1 hour', 'jwt-none'), pg_temp.refused('{}', '1 hour', NULL);
SELECT authmeter.jws_sign('', 'jwt');
SELECT authmeter.jws_sign(NULL, 'jwt');
SELECT length(authmeter.jws_sign(convert_to(repeat('x', 12100), 'UTF8'), 'jwt'));
SELECT authmeter.jws_sign(convert_to(repeat('x', 12300), 'UTF8'), 'jwt');

-- Times, exact at the edge.
CREATE FUNCTION pg_temp.outcome_at(moment timestamptz, token text, leeway interval DEFAULT '0') RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.at(moment);
	SELECT (authmeter.jwt_verify(token, 'jwt', leeway)).outcome
$$;
SELECT pg_temp.mint('{"exp":1893456010,"nbf":1893456000,"iat":1893456005}') AS timed \gset
SELECT moment AT TIME ZONE 'UTC' AS moment, leeway, pg_temp.outcome_at(moment, :'timed', leeway)
FROM (VALUES
	('2029-12-31 23:59:59.5+00'::timestamptz, '0'::interval),
	('2029-12-31 23:59:59.5+00', '999 ms'),
	('2029-12-31 23:59:59.5+00', '1 second'),
	('2029-12-31 23:59:58.5+00', '1 second'),
	('2030-01-01 00:00:00+00', '0'),
	('2030-01-01 00:00:09.5+00', '0'),
	('2030-01-01 00:00:10+00', '0'),
	('2030-01-01 00:00:10.5+00', '1 second'),
	('2030-01-01 00:00:11+00', '1 second'),
	('2030-01-01 01:00:09.5+00', '1 hour'),
	('2030-01-01 01:00:10+00', '1 hour'),
	('2030-01-01 00:00:05+00', NULL)) t(moment, leeway);
SELECT authmeter.jwt_verify(:'timed', 'jwt', '-1 second');
SELECT authmeter.jwt_verify(:'timed', 'jwt', '61 minutes');
SELECT authmeter.jwt_verify(:'timed', 'jwt', '1 day');
-- Expiry counts inside a transaction that began before it: the real clock decides, not now().
RESET authmeter.clock_offset_s;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT authmeter.jwt_sign('{}', 'jwt', '1 second') AS brief \gset
SELECT outcome FROM authmeter.jwt_verify(:'brief', 'jwt');
DO $$ BEGIN WHILE clock_timestamp() < now() + interval '2.1 seconds' LOOP PERFORM pg_sleep(0.1); END LOOP; END $$;
SELECT outcome FROM authmeter.jwt_verify(:'brief', 'jwt');
COMMIT;

-- Issuer and audience; a token that names an audience is for nobody else (RFC 7519 4.1.3).
SELECT issuer, audience, claims, (authmeter.jwt_verify(pg_temp.mint(claims), 'jwt', issuer => issuer, audience => audience)).outcome
FROM (VALUES
	(NULL, NULL, '{"exp":4102444800}'),
	('me', NULL, '{"exp":4102444800}'),
	('me', NULL, '{"exp":4102444800,"iss":"me"}'),
	('me', NULL, '{"exp":4102444800,"iss":"m\u0065"}'),
	('me', NULL, '{"exp":4102444800,"iss":"Me"}'),
	('me', NULL, '{"exp":4102444800,"iss":"me "}'),
	(NULL, NULL, '{"exp":4102444800,"iss":"anybody"}'),
	('', NULL, '{"exp":4102444800,"iss":"anybody"}'),
	(NULL, 'a', '{"exp":4102444800}'),
	(NULL, 'a', '{"exp":4102444800,"aud":"a"}'),
	(NULL, 'a', '{"exp":4102444800,"aud":["b","a"]}'),
	(NULL, 'a', '{"exp":4102444800,"aud":["b"]}'),
	(NULL, 'a', '{"exp":4102444800,"aud":[]}'),
	(NULL, NULL, '{"exp":4102444800,"aud":"a"}'),
	('me', 'a', '{"exp":4102444800,"iss":"me","aud":"a"}')) t(issuer, audience, claims);

-- Bytes: any payload, any token back.
SELECT outcome, payload FROM authmeter.jws_verify(authmeter.jws_sign('\x00ff0a', 'jwt'), 'jwt');
SELECT convert_from(pg_temp.unb64(split_part(authmeter.jws_sign('\x00', 'jwt'), '.', 1)), 'UTF8');
SELECT outcome, payload, kid FROM authmeter.jws_verify(NULL, 'jwt');
SELECT outcome, payload, kid FROM authmeter.jws_verify(authmeter.jws_sign('x', 'jwt') || 'A', 'jwt');

-- Looking at a token: nothing is verified, garbage is NULL, never an error.
SELECT * FROM authmeter.jwt_decode(pg_temp.mint('{"sub":"x"}', '{"alg":"none"}'));
SELECT token, header, claims FROM unnest(ARRAY[NULL, '', 'x', 'a.b.c', '..', 'e30.e30.e30', 'e30.e30', 'e30.W10.e30', 'e30.e30.e30.e30', 'eyJhIjox.e30.e30']) token,
	LATERAL authmeter.jwt_decode(token);
SELECT * FROM authmeter.jwt_decode(repeat('x', 1048576));

-- Claims become the same jsonb as by PostgreSQL's own parser, also where its form has corners: offsets every
-- 32 entries, keys sorted by length, numbers and containers aligned, escapes decoded.
SELECT label, d.claims = doc::jsonb AS equal, d.claims::text = doc::jsonb::text AS same_text
FROM (VALUES
	('empty', '{"a":{},"b":[],"":""}'),
	('numbers', '{"a":0,"bb":-1,"ccc":9223372036854775807,"d":-9223372036854775808,"e":1.50,"f":1e20,"g":12345678901234567890,"h":1E-7,"i":-0.0,"j":1e999}'),
	('escapes', '{"b\u0061":"\ud83d\ude00\n\"\\\/\u00e9","é":"é"}'),
	('literals', '{"a":true,"b":false,"c":null,"d":[true,[false,[null]]]}'),
	('many keys', (SELECT '{' || string_agg(format('"%s":%s', repeat('k', i % 7) || i, i), ',' ORDER BY md5(i::text)) || '}' FROM generate_series(1, 100) i)),
	('long array', (SELECT '{"a":[' || string_agg(CASE i % 3 WHEN 0 THEN '"x"' WHEN 1 THEN i::text ELSE '{"y":[1]}' END, ',') || ']}' FROM generate_series(1, 200) i)),
	('alignment', '{"a":"x","b":1,"c":"xx","d":[1],"e":"zzz","f":{"g":1},"h":""}')) t(label, doc),
	LATERAL authmeter.jwt_decode('e30.' || pg_temp.b64(convert_to(doc, 'UTF8')) || '.AA') d;
SELECT d.claims -> 'a' -> 150 AS element, d.claims #>> '{a,199}' AS last
FROM authmeter.jwt_decode('e30.' || pg_temp.b64(convert_to((SELECT '{"a":[' || string_agg((i * 2)::text, ',') || ']}' FROM generate_series(0, 199) i), 'UTF8')) || '.AA') d;

-- Rings are apart; a ring that does not exist is a fault of the caller, not of the token.
SELECT outcome FROM authmeter.jwt_verify(pg_temp.mint('{"exp":4102444800}'), 'rfc7515-a1');
SELECT authmeter.jwt_verify(pg_temp.mint('{"exp":4102444800}'), 'jwt-none');
SELECT authmeter.jwt_verify(pg_temp.mint('{"exp":4102444800}'), NULL);
SELECT outcome, claims, kid FROM authmeter.jwt_verify(NULL, 'jwt');
-- A prepared statement keeps working over a change of the keys.
PREPARE verify AS SELECT outcome FROM authmeter.jwt_verify($1, 'jwt');
EXECUTE verify(pg_temp.mint('{"exp":4102444800}'));
SELECT authmeter.key_retire('k', 'jwt');
EXECUTE verify(pg_temp.mint('{"exp":4102444800}'));
SELECT authmeter.setting_set('authmeter.environment', NULL);
