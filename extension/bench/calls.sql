-- Run when bench.token and bench.secret are filled: the calls for SQL and the users of the peers, and
-- the proof that all three ways to check a token accept every one of them.

INSERT INTO bench.call
  SELECT n, jsonb_build_object('id', format('bench-%s', n), 'api', 'vsplugin', 'method', 'POST',
                               'ip', '127.0.0.1', 'bearer', token,
                               'body', '{"usage":1,"tokenCount":250}'::jsonb)
    FROM bench.token;

INSERT INTO bench.peer_user
  SELECT (claims ->> 'userId')::uuid, claims ->> 'email', (claims ->> 'ver')::integer
    FROM bench.token, bench.secret, bench.jwt_verify_tuned(token, secret) AS claims;

DO $$
BEGIN
  ASSERT (SELECT count(*) FROM bench.peer_user u JOIN bench.usr USING (id)
           WHERE u.email = format('bench-%s@example.com', usr.n))
         = (SELECT count(*) FROM bench.token), 'jwt_verify_tuned refuses a token';
  ASSERT (SELECT count(*) FROM bench.token, bench.secret,
                 bench.jwt_verify_composed(token, secret) AS v WHERE v.valid)
         = (SELECT count(*) FROM bench.token), 'jwt_verify_composed refuses a token';
  ASSERT (SELECT count(*) FROM bench.token
           WHERE (authmeter.jwt_verify(token, 'vsplugin')).outcome = 'ok')
         = (SELECT count(*) FROM bench.token), 'jwt_verify refuses a token';
END $$;

-- Not the tables of authmeter: their statistics are taken when they have been filled, in the warm-up.
ANALYZE bench.token, bench.call, bench.peer_user;
