-- One-time tokens: good once, for their API and purpose, until they expire; at rest there is nothing
-- that could be redeemed.
SELECT authmeter.key_generate('token-api', 'HS256', false) IS NOT NULL AS made;
SELECT authmeter.key_generate('token-api-refresh', 'HS256', false) IS NOT NULL AS made;
SELECT authmeter.key_generate('token-other', 'HS256', false) IS NOT NULL AS made;
SELECT (authmeter.user_create('token-ana@example.com')).user_id AS ana \gset
CREATE FUNCTION test_claims(token text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT convert_from(decode(rpad(translate(p, '-_', '+/'), (length(p) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb
	FROM split_part(token, '.', 2) p $$;

-- The three forms.
SELECT authmeter.one_time_token_issue('token-api', 'password-reset', ' Token-ANA@example.com ', :'ana', detail => '{"n": 1}') AS text \gset
SELECT authmeter.one_time_token_issue('token-api', 'session', 'token-ana@example.com', :'ana', form => 'hex', lifetime => '5 minutes') AS hex \gset
SELECT authmeter.one_time_token_issue('token-api', 'verification', 'token-new@example.com', form => 'jwt', lifetime => '1 hour') AS jwt \gset
SELECT :'text' ~ '^[A-Za-z0-9_-]{43}$' AS base64url, :'hex' ~ '^[0-9a-f]{64}$' AS hex, split_part(:'jwt', '.', 1) AS jwt_header;
SELECT c - 'jti' - 'iat' - 'exp' - 'timestamp' AS claims, (c->>'exp')::bigint - (c->>'iat')::bigint AS life,
	(c->>'timestamp')::bigint / 1000 = (c->>'iat')::bigint AS milliseconds,
	abs((c->>'iat')::bigint - extract(epoch FROM clock_timestamp())) < 60 AS now, c->>'jti' ~ '^[A-Za-z0-9_-]{22}$' AS jti
FROM test_claims(:'jwt') c;
SELECT c->>'ver' AS version FROM test_claims(authmeter.one_time_token_issue('token-api', 'verification', 'token-ana@example.com', :'ana', form => 'jwt')) c;
-- Looking consumes nothing.
SELECT c.outcome, purpose, address, user_id = :'ana' AS ana, detail
FROM unnest(ARRAY[:'text', :'text', :'hex', :'jwt']) t, authmeter.one_time_token_check(t, 'token-api') c;
-- Each is its own.
SELECT count(DISTINCT authmeter.one_time_token_issue('token-api', 'many', 'token-ana@example.com', form => f))
FROM unnest(ARRAY['base64url', 'hex', 'jwt']) f, generate_series(1, 100);

-- Good once.
SELECT authmeter.one_time_token_use(t) AS first, authmeter.one_time_token_use(t) AS second
FROM unnest(ARRAY[:'text', :'hex', :'jwt']) t;
SELECT c.* FROM unnest(ARRAY[:'text', :'hex', :'jwt']) t, authmeter.one_time_token_check(t, 'token-api') c;

-- For its API only; whatever else looks like a token is unknown.
SELECT authmeter.one_time_token_issue('token-api', 'test', 'token-ana@example.com') AS text \gset
SELECT authmeter.one_time_token_issue('token-api', 'test', 'token-ana@example.com', form => 'jwt') AS jwt \gset
SELECT c.outcome FROM unnest(ARRAY[:'text', :'jwt']) t, authmeter.one_time_token_check(t, 'token-other') c;
SELECT c.outcome FROM unnest(ARRAY[NULL, '', 'x', upper(:'text'), :'text' || ' ', :'text' || '=', left(:'text', 42),
	:'jwt' || '.', '.' || :'jwt', split_part(:'jwt', '.', 1) || '.' || split_part(:'jwt', '.', 2) || '.', 'a.b.c', repeat('x', 1000000),
	authmeter.token_issue(:'ana', 'token-api', 'verify'), authmeter.token_issue(:'ana', 'token-api', 'access')]) t,
	authmeter.one_time_token_check(t, 'token-api') c;
SELECT authmeter.one_time_token_use(NULL), authmeter.one_time_token_use(''), authmeter.one_time_token_use(repeat('x', 1000000));
SELECT c.outcome FROM unnest(ARRAY[:'text', :'jwt']) t, authmeter.one_time_token_check(t, 'token-api') c;
-- It is no session token.
SELECT use, v.outcome, v.reason FROM unnest(ARRAY['access', 'refresh', 'verify']) use, authmeter.token_verify(:'jwt', 'token-api', use) v;

-- Expiry to the second; until an hour later the rows are known, a JWT is for ever.
SELECT authmeter.one_time_token_issue('token-api', 'test', 'token-ana@example.com', lifetime => '10 minutes') AS text \gset
SELECT authmeter.one_time_token_issue('token-api', 'test', 'token-ana@example.com', form => 'jwt', lifetime => '10 minutes') AS jwt \gset
SET authmeter.clock_offset_s = 598;
SELECT c.outcome FROM unnest(ARRAY[:'text', :'jwt']) t, authmeter.one_time_token_check(t, 'token-api') c;
SET authmeter.clock_offset_s = 601;
SELECT c.outcome, purpose, authmeter.one_time_token_use(t) FROM unnest(ARRAY[:'text', :'jwt']) t, authmeter.one_time_token_check(t, 'token-api') c;
SET authmeter.clock_offset_s = 4300;
SELECT count(authmeter.one_time_token_issue('token-api', 'purge', 'token-bob@example.com')) FROM generate_series(1, 500);
SELECT count(*) AS left_over FROM authmeter.one_time_token WHERE expires_at <= authmeter.clock() - interval '1 hour';
SELECT c.outcome FROM unnest(ARRAY[:'text', :'jwt']) t, authmeter.one_time_token_check(t, 'token-api') c;
-- That is told of our own only: an access token that has expired is unknown.
SELECT authmeter.token_issue(:'ana', 'token-api', 'access', lifetime => '1 second') AS access \gset
SET authmeter.clock_offset_s = 4400;
SELECT outcome FROM authmeter.one_time_token_check(:'access', 'token-api');
RESET authmeter.clock_offset_s;

-- A retired key ends the tokens it made, though their rows are there.
SELECT authmeter.one_time_token_issue('token-api', 'test', 'token-ana@example.com', form => 'jwt') AS jwt \gset
SELECT authmeter.key_rotate('token-api', '1 hour') IS NOT NULL AS rotated;
SELECT outcome FROM authmeter.one_time_token_check(:'jwt', 'token-api');
SELECT count(authmeter.key_retire(kid, 'token-api')) AS retired FROM authmeter.key_list() WHERE ring = 'token-api' AND NOT signs;
SELECT outcome FROM authmeter.one_time_token_check(:'jwt', 'token-api');

-- A token of a user dies with the user, with its address, and while the user is disabled.
SELECT (authmeter.user_create('token-eve@example.com')).user_id AS eve \gset
SELECT authmeter.one_time_token_issue('token-api', 'test', 'token-eve@example.com', :'eve') AS text \gset
SELECT outcome FROM authmeter.one_time_token_check(:'text', 'token-api');
SELECT (authmeter.user_disable(:'eve')).outcome, (authmeter.one_time_token_check(:'text', 'token-api')).outcome;
SELECT (authmeter.user_enable(:'eve')).outcome, (authmeter.one_time_token_check(:'text', 'token-api')).outcome;
SELECT (authmeter.user_update(:'eve', 'token-eve-two@example.com')).outcome, (authmeter.one_time_token_check(:'text', 'token-api')).outcome;
SELECT (authmeter.user_update(:'eve', 'token-eve@example.com')).outcome, (authmeter.one_time_token_check(:'text', 'token-api')).outcome;
SELECT (authmeter.user_delete(:'eve')).outcome, (authmeter.one_time_token_check(:'text', 'token-api')).outcome;

-- All tokens of an address end together, and no other.
SELECT authmeter.one_time_token_issue('token-api', 'test', 'token-drop@example.com') AS one \gset
SELECT authmeter.one_time_token_issue('token-other', 'test', 'token-drop@example.com', form => 'hex') AS two \gset
SELECT authmeter.one_time_token_issue('token-api', 'test', 'token-keep@example.com') AS three \gset
SELECT authmeter.one_time_token_drop('TOKEN-drop@example.com '), authmeter.one_time_token_drop('nobody'), authmeter.one_time_token_drop(NULL);
SELECT (authmeter.one_time_token_check(:'one', 'token-api')).outcome AS one, (authmeter.one_time_token_check(:'two', 'token-other')).outcome AS two,
	(authmeter.one_time_token_check(:'three', 'token-api')).outcome AS three;

-- A decoy looks the same and is good for nothing.
SELECT authmeter.one_time_token_issue('token-api', 'test', 'token-decoy@example.com', decoy => true) AS decoy \gset
SELECT length(:'decoy'), (authmeter.one_time_token_check(:'decoy', 'token-api')).outcome, authmeter.one_time_token_use(:'decoy');
-- At rest there is the SHA-256 of the whole token and nothing of it.
SELECT t.token_hash = sha256(convert_to(:'three', 'UTF8')) AS sha256, position(:'three' IN t::text) AS found
FROM authmeter.one_time_token t WHERE address = 'token-keep@example.com';
SELECT octet_length(token_hash) AS hash_bytes, api, purpose, user_id, detail, expires_at - created_at AS life, used_at
FROM authmeter.one_time_token WHERE address = 'token-decoy@example.com';

-- Misuse.
SELECT authmeter.one_time_token_issue('', 'test', 'token-ana@example.com');
SELECT authmeter.one_time_token_issue(repeat('x', 65), 'test', 'token-ana@example.com');
SELECT authmeter.one_time_token_issue('token-api', 'Test', 'token-ana@example.com');
SELECT authmeter.one_time_token_issue('token-api', 'test', 'nobody');
SELECT authmeter.one_time_token_issue('token-api', 'test', 'token-ana@example.com', form => 'base64');
SELECT authmeter.one_time_token_issue('token-api', 'test', 'token-ana@example.com', lifetime => '0');
SELECT authmeter.one_time_token_issue('token-api', 'test', 'token-ana@example.com', lifetime => '31 days');
SELECT authmeter.one_time_token_issue('token-api', 'test', 'token-ana@example.com', detail => to_jsonb(repeat('x', 9000)));
SELECT authmeter.one_time_token_issue('token-none', 'test', 'token-ana@example.com', form => 'jwt');
SELECT authmeter.one_time_token_check(:'three', NULL);
-- Services may; nobody may read them, and the gateway may do nothing.
CREATE ROLE regress_one_time_gateway;
CREATE ROLE regress_one_time_service;
CREATE ROLE regress_one_time_admin;
SELECT authmeter.grant_access(r::regrole, l) > 0 AS granted
FROM (VALUES ('regress_one_time_gateway', 'gateway'), ('regress_one_time_service', 'service'), ('regress_one_time_admin', 'admin')) t (r, l);
SET ROLE regress_one_time_service;
SELECT outcome FROM authmeter.one_time_token_check(authmeter.one_time_token_issue('token-api', 'test', 'token-role@example.com'), 'token-api');
SET ROLE regress_one_time_admin;
SELECT token_hash FROM authmeter.one_time_token;
SET ROLE regress_one_time_gateway;
SELECT authmeter.one_time_token_use('x');
RESET ROLE;
DROP OWNED BY regress_one_time_gateway, regress_one_time_service, regress_one_time_admin;
DROP ROLE regress_one_time_gateway, regress_one_time_service, regress_one_time_admin;
DROP FUNCTION test_claims(text);
DELETE FROM authmeter.one_time_token;
SELECT (authmeter.user_delete(:'ana')).outcome;
DELETE FROM authmeter.signing_key WHERE ring IN ('token-api', 'token-other');
