-- The other side of a comparison: the check of a JWT as it is written without authmeter, with
-- pgcrypto's hmac(): split, algorithm, signature, claims as jsonb, exp and nbf. Twice, because the
-- two differ in speed: composed of small SQL functions, the usual way (that of pgjwt), and in one
-- PL/pgSQL function that was tuned as far as the language goes. Both return the claims, or NULL.

CREATE FUNCTION bench.base64url_encode(data bytea) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT translate(encode(data, 'base64'), E'+/=\n', '-_')
$$;

CREATE FUNCTION bench.base64url_decode(data text) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT decode(rpad(translate(data, '-_', '+/'), (length(data) + 3) / 4 * 4, '='), 'base64')
$$;

CREATE FUNCTION bench.jwt_signature(signing_input text, secret text, algorithm text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT bench.base64url_encode(public.hmac(signing_input, secret,
    CASE algorithm WHEN 'HS256' THEN 'sha256' WHEN 'HS384' THEN 'sha384' WHEN 'HS512' THEN 'sha512' END))
$$;

CREATE FUNCTION bench.jwt_verify_composed(
  token text, secret text, algorithm text DEFAULT 'HS256',
  OUT header jsonb, OUT claims jsonb, OUT valid boolean)
LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
  SELECT t.header, t.claims,
         t.signature_right AND t.header ->> 'alg' = algorithm
         AND tstzrange(to_timestamp((t.claims ->> 'nbf')::float8),
                       to_timestamp((t.claims ->> 'exp')::float8)) @> clock_timestamp()
    FROM (SELECT convert_from(bench.base64url_decode(part[1]), 'UTF8')::jsonb AS header,
                 convert_from(bench.base64url_decode(part[2]), 'UTF8')::jsonb AS claims,
                 part[3] = bench.jwt_signature(part[1] || '.' || part[2], secret, algorithm)
                   AS signature_right
            FROM regexp_split_to_array(token, '\.') AS part) AS t
$$;

CREATE FUNCTION bench.jwt_verify_tuned(token text, secret text) RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
DECLARE
  part text[] := string_to_array(token, '.');
  claims jsonb;
  unix_now bigint;
BEGIN
  IF array_length(part, 1) <> 3
     OR convert_from(bench.base64url_decode(part[1]), 'UTF8')::jsonb ->> 'alg' <> 'HS256'
     OR public.hmac(part[1] || '.' || part[2], secret, 'sha256')
        <> bench.base64url_decode(part[3]) THEN
    RETURN NULL;
  END IF;
  claims := convert_from(bench.base64url_decode(part[2]), 'UTF8')::jsonb;
  unix_now := extract(epoch FROM clock_timestamp());
  IF (claims ->> 'exp')::bigint <= unix_now
     OR coalesce((claims ->> 'nbf')::bigint, 0) > unix_now THEN
    RETURN NULL;
  END IF;
  RETURN claims;
END $$;
