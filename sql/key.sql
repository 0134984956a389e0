-- Signing keys: what may come in, how keys follow each other, and that no secret ever comes out.
SELECT authmeter.setting_set('authmeter.environment', 'production');
\set rsa_n 'sk5jkVKjLVYRFcvYOyUJ-cSahDTgtM9nmAcuzA2u27w2N9W1gDuIOXT2ZUY_k93-UKqJiZs1o8rcGjKusxp2Z9DjdsXxMmgmlWZ5MwYgPgdl3ozaINxOgVH15XDYcY9FjrQRgCcJLhNE9MROl3IAMo0AM-Ue-V13XTphFOL-qYYhQRp1v-2NWv_efooXhwvRmkCooMNac-KUbMd-M5PcJYU2bHjgT-GmvDadvkxuBG5tuju1rpnSgmQ98VqlHJM79z3Qs04iImPYTWZyWYwIyvsZDTV7a4JVteDsEwp4uC-JsJKRLbXBjnrJ3gMZuuES7gInbOeRGZWwLL1Ju6gFMQ'
\set rsa_n_1024 'tJ0OrVgloeroUOJLyl0M2LFMJqbCdeyo4KXkBL68w1e_tg1Edwag8l1r-v3Lc0ajkpt3fEu_JbAhpau7oLgk4edkLOpMYZUAvJ_eF0vY5G0_AAro0QSqP6YB1eHQWOKQLuOHyA4R5iR4XrzqjN4G_nfljs9ciJI0oaEBHSVfU28'
CREATE FUNCTION pg_temp.refused(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
	detail text;
BEGIN
	EXECUTE call INTO answer;
	RETURN 'taken: ' || answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE, SQLERRM, nullif('- ' || detail, '- '));
END
$$;
CREATE FUNCTION pg_temp.at(moment timestamptz) RETURNS void LANGUAGE sql AS $$
	SELECT set_config('authmeter.clock_offset_s', extract(epoch FROM moment - clock_timestamp())::text, false)
$$;
-- State and role of a ring's keys, without what is random.
CREATE FUNCTION pg_temp.ring(name text)
RETURNS TABLE (kid text, alg text, state text, signs boolean, kid_in_header boolean, verify_only boolean)
LANGUAGE sql AS $$
	SELECT kid, alg, state, signs, kid_in_header, verify_only FROM authmeter.key_list() WHERE ring = name
$$;

-- An existing HS256 secret: taken byte for byte, shown nowhere, header exactly as other services expect.
SELECT authmeter.key_import('key-hs', 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA', kid => 'hs-1');
SELECT * FROM pg_temp.ring('key-hs');
SELECT convert_from(decode(split_part(authmeter.jwt_sign('{"sub":"x"}', 'key-hs', '1 hour'), '.', 1), 'base64'), 'UTF8');
SELECT octet_length(secret) - 32 AS sealing_adds, position('Zq8v'::bytea IN secret) AS visible_at, public_jwk
FROM authmeter.signing_key WHERE ring = 'key-hs';
-- The same again is the same key; another one needs a rotation, or only verifies.
SELECT authmeter.key_import('key-hs', 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA');
SELECT authmeter.key_compare('key-hs', 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA'),
	authmeter.key_compare('key-hs', 'aq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA'),
	authmeter.key_compare('key-none', 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA');
SELECT authmeter.key_import('key-hs', 'Xq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA');
SELECT authmeter.key_import('key-hs', 'Xq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA', kid => 'hs-other', verify_only => true);
SELECT * FROM pg_temp.ring('key-hs');
-- Any bytes, and a JWK with its own kid.
SELECT authmeter.key_import('key-hs-bytes', '\x00ff01fe02fd03fc04fb05fa06f907f808f709f60af50bf40cf30df20ef10ff0'::bytea, kid => 'b');
SELECT authmeter.key_import('key-hs-jwk', '{"kty":"oct","k":"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg","kid":"018c0ae5","use":"sig","alg":"HS256"}');
SELECT authmeter.key_compare('key-hs-jwk', '{"kty":"oct","k":"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"}');

-- Secrets that are refused.
SELECT label, pg_temp.refused(format('SELECT authmeter.key_import(%L, %L)', 'key-refused', secret))
FROM (VALUES
	('published: jwt.io', 'your-256-bit-secret'),
	('published: jwt.io of today', 'a-string-secret-at-least-256-bits-long'),
	('published: local stack', 'super-secret-jwt-token-with-at-least-32-characters-long'),
	('published: PostgREST', 'reallyreallyreallyreallyverysafe'),
	('published: FastAPI', '09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7'),
	('published: Spring', '404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970'),
	('published: short', 'secret'),
	('placeholder', 'CHANGE-ME-8f3k2j5h6g7d8s9a0q1w2e3r4t5y'),
	('placeholder with blanks', 'please Change This value 7h3k2j5h6g7d8s'),
	('template', 'Your_Secret_Here_8f3k2j5h6g7d8s9a0q1w2'),
	('words of a template', 'my-super-secret-key-that-is-32-chars-long'),
	('words run together', 'thisIsAVeryLongSecretKeyForTestingPurposesOnly'),
	('one character', repeat('x', 64)),
	('repeated block', repeat('Zq8vT3nL', 8)),
	('counted', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdef'),
	('few characters', 'abcabdacbabcdabcdeabcdabecabdcabcde'),
	('empty', ''),
	('31 bytes', 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6Eu'),
	('too long', repeat('Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA.', 125) || 'x'),
	('far too long', repeat('Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA.', 1000)),
	('PEM', '-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsk5jkVKjLVYRFcvYOyUJ
+cSahDTgtM9nmAcuzA2u27w2N9W1gDuIOXT2ZUY/k93+UKqJiZs1o8rcGjKusxp2
Z9DjdsXxMmgmlWZ5MwYgPgdl3ozaINxOgVH15XDYcY9FjrQRgCcJLhNE9MROl3IA
Mo0AM+Ue+V13XTphFOL+qYYhQRp1v+2NWv/efooXhwvRmkCooMNac+KUbMd+M5Pc
JYU2bHjgT+GmvDadvkxuBG5tuju1rpnSgmQ98VqlHJM79z3Qs04iImPYTWZyWYwI
yvsZDTV7a4JVteDsEwp4uC+JsJKRLbXBjnrJ3gMZuuES7gInbOeRGZWwLL1Ju6gF
MQIDAQAB
-----END PUBLIC KEY-----'),
	('certificate', E'-----BEGIN CERTIFICATE-----\nMIIB8TCCAZegAwIBAgIUQ1'),
	('SSH', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFn2s8p3x7yq'),
	('JWK of a public key', '{"kty":"RSA","n":"' || :'rsa_n' || '","e":"AQAB"}'),
	('JWK short', '{"kty":"oct","k":"c2hvcnQ"}'),
	('JWK not base64url', '{"kty":"oct","k":"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG+Onbc6mxCcYg"}'),
	('JWK of another algorithm', '{"kty":"oct","k":"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg","alg":"HS512"}')) t(label, secret);
-- A word of templates does not condemn a secret that has enough of its own.
SELECT authmeter.key_import('key-word', 'prod-jwt-secret-9fK2mQ7xT4vB8nL5', kid => 'w');
-- The DER of a public key as bytes.
SELECT authmeter.key_import('key-refused', decode('MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsk5jkVKjLVYRFcvYOyUJ+cSahDTgtM9nmAcuzA2u27w2N9W1gDuIOXT2ZUY/k93+UKqJiZs1o8rcGjKusxp2Z9DjdsXxMmgmlWZ5MwYgPgdl3ozaINxOgVH15XDYcY9FjrQRgCcJLhNE9MROl3IAMo0AM+Ue+V13XTphFOL+qYYhQRp1v+2NWv/efooXhwvRmkCooMNac+KUbMd+M5PcJYU2bHjgT+GmvDadvkxuBG5tuju1rpnSgmQ98VqlHJM79z3Qs04iImPYTWZyWYwIyvsZDTV7a4JVteDsEwp4uC+JsJKRLbXBjnrJ3gMZuuES7gInbOeRGZWwLL1Ju6gFMQIDAQAB', 'base64'));
-- Nothing stayed; a short secret works in development and stops working when that is over.
SELECT count(*) FROM authmeter.signing_key WHERE ring = 'key-refused';
SELECT authmeter.setting_set('authmeter.environment', 'development');
SELECT authmeter.key_import('key-short', 'Zq8vT3nL5xKw', kid => 'short');
SELECT authmeter.key_import('key-refused', 'secret');
SELECT (authmeter.jwt_verify(authmeter.jwt_sign('{}', 'key-short', '1 hour'), 'key-short')).outcome;
SELECT authmeter.setting_set('authmeter.environment', NULL);
SELECT authmeter.jwt_sign('{}', 'key-short', '1 hour');

-- Key pairs: PEM and JWK; the kid is the RFC 7638 thumbprint.
SELECT authmeter.key_import('key-rfc7638', '{"kty":"RSA","e":"AQAB","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}', 'RS256');
SELECT authmeter.key_import('key-rfc8037', '{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}', 'EdDSA');
SELECT authmeter.key_import('key-rs', '-----BEGIN PRIVATE KEY-----
MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCyTmORUqMtVhEV
y9g7JQn5xJqENOC0z2eYBy7MDa7bvDY31bWAO4g5dPZlRj+T3f5QqomJmzWjytwa
Mq6zGnZn0ON2xfEyaCaVZnkzBiA+B2XejNog3E6BUfXlcNhxj0WOtBGAJwkuE0T0
xE6XcgAyjQAz5R75XXddOmEU4v6phiFBGnW/7Y1a/95+iheHC9GaQKigw1pz4pRs
x34zk9wlhTZseOBP4aa8Np2+TG4Ebm26O7WumdKCZD3xWqUckzv3PdCzTiIiY9hN
ZnJZjAjK+xkNNXtrglW14OwTCni4L4mwkpEttcGOesneAxm64RLuAids55EZlbAs
vUm7qAUxAgMBAAECggEAAJg0Q7vQck+dWiLkgmHBfEmVZjRJ7vhpE0UPhz9g/Pe/
8cEbQZO76Fsjkb7vv2PylKtxyz0WOWVXzEOQuNcb/6/Jp0UYa6g/MVsPpVeMXAez
c55FyHuLk5Rs6Vax2Z9PNKZcAVt42oDIcht+PiZsaelngWhZUIIMsZexjALPbIUd
E997Xypre9UhYN/j65Lts6yg+56J6+EORAFI5cxl8dozV5eMDt9BIPJjQsiez3dg
7hHOHjSkT/IQ+wJ8YKe4VTiv7eyJk7vyoG5JpEWATfmsF1JoKXJBH+Etif06z+SR
hf+9QLX3T8eFOfSo4RZY9XFL/ugF0TSm/uwiVrujdQKBgQDg5AqwkGVFt6MpqfMU
F56yDK53rtUFrg344ECaNkrCbUnsPKHYBtZBPTb/zccI+rjy21quyWzj6cEQSiYS
5fI4EK9O0d51dQx5ziUF0oHbc7ZQtq99RWc88ovAjvJk2mDBpNvwfAhdlFejBtJG
Pe88FF17ZyhpS1RHs4swkbWUJQKBgQDK+Kr/OoPXiBbaoyNgFrvoRomDiUlM9iXr
sPqXGF753IHfAxh94rHoZop8g64wQKT5F77d8i4uHInAtuWg62Chb14z2OJhWhrX
2sN4buwVzwv0DCMWTbVrtzsq3V1UcmZTRlZekGyj5Ji/hLPd55vYM9ceIip5YPQV
HQzTY5I5HQKBgQCu9zyJ2g2wjArZY2vG+glxpQQoAVGitaQROQeJ8yt+0OBud03D
cK5I24NqyYJMriQubhLDYdriBv852TZ+BYDJtdFulUFqSMKIEaYkPX7iacgyS6+E
2vZTKLEqAwz7Ahu9DLJBC37Gr57vK2N1WsJCD+YbGEsMgJr1ne5wvyxyMQKBgQCe
SYDpHBQXcJ0KErGSzQfro564Qsc0Sr3V6aXzUWE4EDwD1CE0gyblK5qScgrUvIUr
cNY7thNHiJ/w93FqpkUsgHKBkoExFJjcf1FzSWW5uEcFIrX2PdHe1/0/d3TCV5jv
FmpiwtTGl457xRyUUHwcBombiV+AWxjeolIPRJaTDQKBgHNgu+GqW9KNjsA0nJRd
y284GQghiPNL+llDo3FCeqtsVMswQuqFO2eDduM9ejTNAU7RT8MK5vEuxcC5IdAU
FndXwPwgDkweERwE4/S0RrJ8zP57wx+9+n+KJDBzT6fio3FBXA9n5F6VqZxlt75R
VRuG6wA7E4y0c3SIjRo6UoV2
-----END PRIVATE KEY-----', 'RS256');
SELECT authmeter.key_import('key-es', '-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIORPKq3c0xklB7b4KP9Sx5XE+p2soWUn/gm9A3E5zaPQoAoGCCqGSM49
AwEHoUQDQgAEMDUzAvDBhO3ZvOoijfsqtjeVKGez4ha/IhDy3Hah/fdI/5oBghKE
JUEIBe/bPzQDqrl81LYOT/bkbSvhcnSucA==
-----END EC PRIVATE KEY-----', 'ES256');
SELECT authmeter.key_import('key-ed', '-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIN+pDEhTFxKKp5I1NP71/SRrXn7dSMH6kfSrLjgtJcmL
-----END PRIVATE KEY-----', 'EdDSA', 'ed-1', false);
SELECT * FROM pg_temp.ring('key-rs') UNION ALL SELECT * FROM pg_temp.ring('key-es')
	UNION ALL SELECT * FROM pg_temp.ring('key-ed') UNION ALL SELECT * FROM pg_temp.ring('key-rfc7638');
SELECT ring, v.outcome, v.kid, d.header
FROM unnest(ARRAY['key-rs', 'key-es', 'key-ed']) ring,
	LATERAL (SELECT authmeter.jwt_sign('{"sub":"x"}', ring, '1 hour') AS token) t,
	LATERAL authmeter.jwt_verify(token, ring) v, LATERAL authmeter.jwt_decode(token) d;
-- A public key alone verifies and never signs.
SELECT authmeter.jwt_sign('{}', 'key-rfc7638', '1 hour');
-- The public JWK set holds no secret and no key of others.
SELECT authmeter.jwks('key-hs'), authmeter.jwks('key-rfc7638'), authmeter.jwks('key-none');
SELECT authmeter.jwks('key-es'), authmeter.jwks('key-ed');
SELECT DISTINCT jsonb_object_keys(k) FROM jsonb_array_elements(authmeter.jwks() -> 'keys') k ORDER BY 1;

-- Key pairs that are refused.
SELECT label, alg, pg_temp.refused(format('SELECT authmeter.key_import(%L, %L, %L)', 'key-refused', key, alg))
FROM (VALUES
	('RSA 1024 bits', 'RS256', '{"kty":"RSA","e":"AQAB","n":"' || :'rsa_n_1024' || '"}'),
	('RSA e = 1', 'RS256', '{"kty":"RSA","e":"AQ","n":"' || :'rsa_n' || '"}'),
	('RSA e = 3', 'RS256', '{"kty":"RSA","e":"Aw","n":"' || :'rsa_n' || '"}'),
	('RSA e even', 'RS256', '{"kty":"RSA","e":"AQAC","n":"' || :'rsa_n' || '"}'),
	('RSA e = 0', 'RS256', '{"kty":"RSA","e":"AA","n":"' || :'rsa_n' || '"}'),
	('RSA e huge', 'RS256', '{"kty":"RSA","e":"' || :'rsa_n' || '","n":"' || :'rsa_n' || '"}'),
	('RSA modulus even', 'RS256', '{"kty":"RSA","e":"AQAB","n":"' || left(:'rsa_n', 340) || 'AA"}'),
	('RSA modulus missing', 'RS256', '{"kty":"RSA","e":"AQAB"}'),
	('RSA 9000 bits', 'RS256', '{"kty":"RSA","e":"AQAB","n":"' || repeat('_', 1500) || '"}'),
	('RSA parts of two keys', 'RS256', '{"kty":"RSA","e":"AQAB","n":"' || :'rsa_n' || '","d":"AQAB","p":"AQAB","q":"AQAB","dp":"AQAB","dq":"AQAB","qi":"AQAB"}'),
	('RSA private incomplete', 'RS256', '{"kty":"RSA","e":"AQAB","n":"' || :'rsa_n' || '","d":"AQAB"}'),
	('RSA-PSS', 'RS256', '-----BEGIN PUBLIC KEY-----
MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBANPuDbY5suca//Nk6CfmDBV4
a4TdKBAlJ1a40jeGJhsjkPQyoGdlTJDhvswTA8Xboihrg0egOz7yM6IROXlwf3I4
YeR+YEne0fBGDGkqu68YGgfX9sSiwZuLeYzHCNY3GwK8XiHb6ODKAjfFYIFwCa3B
RcCMPtYe0xlReZzZfdfSJIzwn41eaIGxzQKHySAS+CcFqf4W3qGwrD2MItx44cPJ
f2xaCoOwTa1J5bCMMvQJ5/3cjBSl1EnOkA0lN/NfPT18fac6KyoxPOy9khjJzG7P
dWei24gmkyD9WvfNqcZcc8qVOdOQareORXA0e3EeW+3p2ahlPRBBTZ8HO+XOhHsC
AwEAAQ==
-----END PUBLIC KEY-----'),
	('RSA as ES256', 'ES256', '-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsk5jkVKjLVYRFcvYOyUJ
+cSahDTgtM9nmAcuzA2u27w2N9W1gDuIOXT2ZUY/k93+UKqJiZs1o8rcGjKusxp2
Z9DjdsXxMmgmlWZ5MwYgPgdl3ozaINxOgVH15XDYcY9FjrQRgCcJLhNE9MROl3IA
Mo0AM+Ue+V13XTphFOL+qYYhQRp1v+2NWv/efooXhwvRmkCooMNac+KUbMd+M5Pc
JYU2bHjgT+GmvDadvkxuBG5tuju1rpnSgmQ98VqlHJM79z3Qs04iImPYTWZyWYwI
yvsZDTV7a4JVteDsEwp4uC+JsJKRLbXBjnrJ3gMZuuES7gInbOeRGZWwLL1Ju6gF
MQIDAQAB
-----END PUBLIC KEY-----'),
	('P-384', 'ES256', '-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEi2G3nsa8q3xOeTOn34WkxP8/iP4mST+h
pmFNyKZFmz+wmtPhnuyWbyYW5qayAjIq7Abmn/bSuHMz0EtVImlozAfvC9sYzB9y
H1SgxY1Yz5GJ39SP2zaOEW7qYT4/wvD4
-----END PUBLIC KEY-----'),
	('secp256k1', 'ES256', '-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAErsP78FG1nPFdYVVRmmv8i0gJ60plMQ7f
D7SCwqVBxz+SOzjZZjuCjcspON1z7BTrNA+1t8LWiJQ4gURPSg8mWA==
-----END PUBLIC KEY-----'),
	('P-521 by JWK', 'ES256', '{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}'),
	('off the curve', 'ES256', '{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5bA"}'),
	('infinity', 'ES256', '{"kty":"EC","crv":"P-256","x":"' || repeat('A', 43) || '","y":"' || repeat('A', 43) || '"}'),
	('private of another point', 'ES256', '{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"5E8qrdzTGSUHtvgo_1LHlcT6nayhZSf-Cb0DcTnNo9A"}'),
	('31 bytes', 'ES256', '{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}'),
	('small order: 1', 'EdDSA', '{"kty":"OKP","crv":"Ed25519","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}'),
	('small order: 0', 'EdDSA', '{"kty":"OKP","crv":"Ed25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}'),
	('small order: -1', 'EdDSA', '{"kty":"OKP","crv":"Ed25519","x":"7P_______________________________________38"}'),
	('small order: 8', 'EdDSA', '{"kty":"OKP","crv":"Ed25519","x":"xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o"}'),
	('not canonical', 'EdDSA', '{"kty":"OKP","crv":"Ed25519","x":"7f_______________________________________38"}'),
	('X25519', 'EdDSA', '{"kty":"OKP","crv":"X25519","x":"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}'),
	('x of another key', 'EdDSA', '{"kty":"OKP","crv":"Ed25519","x":"o6NgTT5a2sLOQlKcq57X9HsRLc1tbVAa4g422u4fIAg","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}'),
	('encrypted PEM', 'EdDSA', '-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAj9jlEzC+HEbwICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEELnGvnEYRVNplH1+W1LohPUEQFhq
qLUga3otni/ISxMLMZ0rGD/9XKjRjmm8te0LKTObcmK92N9y/fNzvIbyy5jfaEJ4
Mc0whJed/qDM1Wbadp8=
-----END ENCRYPTED PRIVATE KEY-----'),
	('broken PEM', 'RS256', E'-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----'),
	('PEM certificate', 'RS256', E'-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----'),
	('secret', 'RS256', 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA'),
	('shared secret as JWK', 'RS256', '{"kty":"oct","k":"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"}'),
	('for encryption', 'EdDSA', '{"kty":"OKP","crv":"Ed25519","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'),
	('key_ops', 'EdDSA', '{"kty":"OKP","crv":"Ed25519","key_ops":["deriveKey"],"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'),
	('duplicate member', 'EdDSA', '{"kty":"OKP","crv":"Ed25519","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'),
	('huge', 'RS256', '-----BEGIN ' || repeat('x', 20000))) t(label, alg, key);

-- Arguments.
SELECT call, pg_temp.refused(call) FROM unnest(ARRAY[
	$$SELECT authmeter.key_import(NULL, 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA')$$,
	$$SELECT authmeter.key_import('', 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA')$$,
	$$SELECT authmeter.key_import('Upper', 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA')$$,
	$$SELECT authmeter.key_import('key-x', NULL::text)$$,
	$$SELECT authmeter.key_import('key-x', 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA', 'none')$$,
	$$SELECT authmeter.key_import('key-x', 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA', 'hs256')$$,
	$$SELECT authmeter.key_import('key-x', 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA', NULL)$$,
	$$SELECT authmeter.key_import('key-x', 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA', kid => '')$$,
	$$SELECT authmeter.key_import('key-x', 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA', kid => E'a\nb')$$,
	$$SELECT authmeter.key_import('key-x', 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA', kid => repeat('k', 257))$$,
	$$SELECT authmeter.key_generate('key-x', 'HS512')$$,
	$$SELECT authmeter.key_rotate('key-none')$$,
	$$SELECT authmeter.key_rotate('key-hs', NULL)$$,
	$$SELECT authmeter.key_rotate('key-hs', '-1 second')$$,
	$$SELECT authmeter.key_rotate('key-hs', '11 years')$$,
	$$SELECT authmeter.key_rotate('key-hs', activates_at => now() - interval '1 hour')$$,
	$$SELECT authmeter.key_rotate('key-hs', activates_at => 'infinity')$$,
	$$SELECT authmeter.key_rotate('key-rfc7638')$$,
	$$SELECT authmeter.key_rotate('key-hs', secret => 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA')$$,
	$$SELECT authmeter.key_retire(NULL)$$,
	$$SELECT authmeter.key_retire('no such kid')$$]) call;
SELECT count(*) FROM authmeter.signing_key WHERE ring IN ('key-x', 'key-refused');

-- Generation, one of each algorithm; a second key needs a rotation.
SELECT alg, length(authmeter.key_generate('key-gen-' || lower(alg), alg)) FROM unnest(ARRAY['HS256', 'RS256', 'ES256', 'EdDSA']) alg;
SELECT authmeter.key_generate('key-gen-es256', 'ES256');
SELECT ring, alg, state, signs, kid_in_header, v.outcome, v.kid = k.kid AS by_kid, v.claims ->> 'sub' AS sub
FROM authmeter.key_list() k, LATERAL (SELECT authmeter.jwt_sign('{"sub":"x"}', ring, '1 hour') AS token) t,
	LATERAL authmeter.jwt_verify(token, ring) v
WHERE ring LIKE 'key-gen-%' ORDER BY ring;

-- Rotation: the new key signs at once, the old one verifies until the overlap ends, exactly.
SELECT pg_temp.at('2030-01-01 00:00:00+00');
SELECT authmeter.key_import('key-rot', 'Zq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuA', kid => 'first');
SELECT authmeter.jwt_sign('{"sub":"x"}', 'key-rot', '1 year') AS by_first \gset
BEGIN;
SELECT authmeter.key_rotate('key-rot', '10 days', secret => 'Yq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuB') IS NOT NULL AS rotated;
ROLLBACK;
SELECT * FROM pg_temp.ring('key-rot');
SELECT authmeter.key_rotate('key-rot', '10 days', secret => '{"kty":"oct","k":"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg","kid":"second"}');
SELECT * FROM pg_temp.ring('key-rot');
SELECT authmeter.jwt_sign('{"sub":"x"}', 'key-rot', '1 year') AS by_second \gset
SELECT outcome, kid FROM authmeter.jwt_verify(:'by_first', 'key-rot') UNION ALL SELECT outcome, kid FROM authmeter.jwt_verify(:'by_second', 'key-rot');
SELECT pg_temp.at('2030-01-10 23:59:00+00');
SELECT outcome, kid FROM authmeter.jwt_verify(:'by_first', 'key-rot');
SELECT pg_temp.at('2030-01-11 00:01:00+00');
SELECT outcome, kid FROM authmeter.jwt_verify(:'by_first', 'key-rot') UNION ALL SELECT outcome, kid FROM authmeter.jwt_verify(:'by_second', 'key-rot');
SELECT * FROM pg_temp.ring('key-rot');
-- A rotation announced for later: published, not signing, not to be overtaken.
SELECT authmeter.key_rotate('key-gen-eddsa', '10 days', activates_at => '2030-02-01 00:00:00+00') IS NOT NULL AS announced;
SELECT state, signs FROM pg_temp.ring('key-gen-eddsa');
SELECT jsonb_array_length(authmeter.jwks('key-gen-eddsa') -> 'keys');
SELECT pg_temp.refused($$SELECT authmeter.key_rotate('key-gen-eddsa')$$) ~ '^MA022 a rotation of key ring "key-gen-eddsa" is pending' AS refused;
SELECT authmeter.jwt_sign('{"sub":"x"}', 'key-gen-eddsa', '1 year') AS before \gset
SELECT pg_temp.at('2030-02-01 00:01:00+00');
SELECT state, signs FROM pg_temp.ring('key-gen-eddsa');
SELECT outcome FROM authmeter.jwt_verify(:'before', 'key-gen-eddsa');
SELECT pg_temp.at('2030-02-11 00:01:00+00');
SELECT state, signs FROM pg_temp.ring('key-gen-eddsa');
SELECT outcome FROM authmeter.jwt_verify(:'before', 'key-gen-eddsa');
SELECT jsonb_array_length(authmeter.jwks('key-gen-eddsa') -> 'keys');
-- The algorithm may change with a rotation.
SELECT authmeter.key_rotate('key-gen-rs256', '1 day', 'ES256') IS NOT NULL AS rotated;
SELECT alg, state, signs FROM pg_temp.ring('key-gen-rs256');
-- Retirement ends a key at once; what remains signs; twice is refused.
SELECT authmeter.key_rotate('key-rot', '10 days', secret => '{"kty":"oct","k":"_JtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg","kid":"third"}');
SELECT authmeter.key_retire('third', 'key-rot');
SELECT * FROM pg_temp.ring('key-rot');
SELECT authmeter.key_retire('third');
SELECT authmeter.key_retire('second', 'key-rot');
SELECT outcome FROM authmeter.jwt_verify(:'by_second', 'key-rot');
SELECT authmeter.jwt_sign('{}', 'key-rot', '1 hour');
SELECT pg_temp.refused($$SELECT authmeter.key_rotate('key-rot')$$);
-- A kid is used once; a ring whose keys are all gone may begin again.
SELECT pg_temp.refused($$SELECT authmeter.key_import('key-rot', 'Wq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuB', kid => 'first')$$);
SELECT authmeter.key_import('key-rot', 'Wq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuB', kid => 'fourth');
-- One kid in two rings: the ring must be named.
SELECT authmeter.key_import('key-rot-2', 'Wq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuB', kid => 'fourth');
SELECT authmeter.key_retire('fourth');
SELECT authmeter.key_retire('fourth', 'key-rot-2');
-- At most 8 keys of a ring are in force.
SELECT n, pg_temp.refused(format('SELECT left(authmeter.key_import(%L, %L, kid => %L, verify_only => true), 2)',
	'key-full', 'Wq8vT3nL5xKw9RbY2mHc7JfD4sGp6Eu' || n, 'k' || n)) FROM generate_series(1, 9) n;
RESET authmeter.clock_offset_s;

-- Sealing: bytes moved to another key, altered or cut do not open, and the message holds nothing of them.
BEGIN;
UPDATE authmeter.signing_key SET secret = (SELECT secret FROM authmeter.signing_key WHERE ring = 'key-hs-jwk') WHERE ring = 'key-hs-bytes';
SELECT authmeter.jwt_sign('{}', 'key-hs-bytes', '1 hour');
ROLLBACK;
BEGIN;
UPDATE authmeter.signing_key SET secret = set_byte(secret, 20, get_byte(secret, 20) # 1) WHERE ring = 'key-hs-bytes';
SELECT authmeter.jwt_sign('{}', 'key-hs-bytes', '1 hour');
ROLLBACK;
BEGIN;
UPDATE authmeter.signing_key SET secret = substr(secret, 1, 20) WHERE ring = 'key-hs-bytes';
SELECT authmeter.jwt_sign('{}', 'key-hs-bytes', '1 hour');
ROLLBACK;
BEGIN;
UPDATE authmeter.signing_key SET secret = set_byte(secret, 2, 9) WHERE ring = 'key-hs-bytes';
SELECT authmeter.jwt_sign('{}', 'key-hs-bytes', '1 hour');
ROLLBACK;
-- The algorithm is part of what is sealed: an RSA key turned into a shared secret by hand does not open.
BEGIN;
UPDATE authmeter.signing_key SET alg = 'HS256', public_jwk = NULL WHERE ring = 'key-rs';
SELECT authmeter.jwt_sign('{}', 'key-rs', '1 hour');
ROLLBACK;
SELECT (authmeter.jwt_verify(authmeter.jwt_sign('{}', 'key-hs-bytes', '1 hour'), 'key-hs-bytes')).outcome;
SELECT authmeter.key_reseal();

-- Who may: administrators change keys, nobody reads them.
CREATE ROLE key_admin;
CREATE ROLE key_service;
CREATE ROLE key_nobody;
SELECT authmeter.grant_access('key_admin', 'admin') > 0 AS granted;
SELECT authmeter.grant_access('key_service', 'service') > 0 AS granted;
SET ROLE key_admin;
SELECT authmeter.key_import('key-admin', 'Vq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuB', kid => 'a');
SELECT * FROM authmeter.signing_key;
SET ROLE key_service;
SELECT (authmeter.jwt_verify(authmeter.jwt_sign('{}', 'key-admin', '1 hour'), 'key-admin')).outcome, authmeter.jwks('key-admin');
SELECT authmeter.key_import('key-admin', 'Uq8vT3nL5xKw9RbY2mHc7JfD4sGp6EuB', kid => 'b');
SELECT authmeter.key_list();
SELECT * FROM authmeter.signing_key;
SET ROLE key_nobody;
SELECT authmeter.jwks();
RESET ROLE;
DROP OWNED BY key_admin, key_service, key_nobody;
DROP ROLE key_admin, key_service, key_nobody;

-- Every change left its trace, without a secret.
SELECT action, outcome, detail FROM authmeter.audit_event WHERE detail ->> 'ring' = 'key-rot' AND detail ->> 'kid' IN ('first', 'second', 'third', 'fourth') ORDER BY at;
SELECT count(*) FROM authmeter.audit_event e WHERE e::text ~ '8vT3nL5xKw9RbY2mHc7JfD4sGp6Eu|JtXIZ2uSN5k';
