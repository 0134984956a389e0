-- What make bench puts into its own database, in the schema bench. Variable: users, their number.
SET client_min_messages = warning;

CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO authmeter_shim;

-- n of the users of the load, and their ids.
CREATE TABLE bench.usr AS
  SELECT n, authmeter.vsplugin_create_user(format('bench-%s@example.com', n), format('key-%s', n)) AS id
    FROM generate_series(1, :users) AS n;

-- The token of each user as POST /signup gave it, and the secret that signed it (of this database
-- only, which is thrown away).
CREATE TABLE bench.token (n integer PRIMARY KEY, token text NOT NULL);
CREATE TABLE bench.secret (secret text NOT NULL);

-- The argument of authmeter_http.vsplugin_track_usage for each user, ready to be read.
CREATE TABLE bench.call (n integer PRIMARY KEY, request jsonb NOT NULL);
GRANT SELECT ON bench.call TO authmeter_shim;

-- The same counters for the peers (PEERS=1); with room on the page, so that updates are HOT.
CREATE TABLE bench.peer_user (
  id uuid PRIMARY KEY,
  email text NOT NULL,
  token_version integer NOT NULL,
  prompt_count bigint NOT NULL DEFAULT 0,
  token_count bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
GRANT SELECT, UPDATE ON bench.peer_user TO authmeter_shim;

-- call_ns: nanoseconds of one evaluation of an expression over the column `token`, the loop over
-- the rows included. Every token is taken `passes` times.
CREATE FUNCTION bench.call_ns(expression text, passes integer) RETURNS numeric
LANGUAGE plpgsql VOLATILE
SET jit = off SET max_parallel_workers_per_gather = 0
AS $$
DECLARE
  begun timestamptz;
  calls bigint;
BEGIN
  begun := clock_timestamp();
  EXECUTE format('SELECT count(%s) FROM bench.token, generate_series(1, $1)', expression)
    INTO calls USING passes;
  RETURN extract(epoch FROM clock_timestamp() - begun) * 1e9 / calls;
END $$;

-- password_ns: nanoseconds of one password_verify. A password that does not match fails.
CREATE FUNCTION bench.password_ns(password text, hash text, calls integer) RETURNS numeric
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  begun timestamptz := clock_timestamp();
BEGIN
  FOR i IN 1..calls LOOP
    ASSERT authmeter.password_verify(password, hash), 'the password does not belong to the hash';
  END LOOP;
  RETURN extract(epoch FROM clock_timestamp() - begun) * 1e9 / calls;
END $$;
