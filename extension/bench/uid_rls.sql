-- Row-level security with uid() against the same policy with a constant: a million rows, each of which
-- the policy must look at. Run once to make them (make bench does); afterwards
--
--   CALL bench.rls_round(passes);
--
-- prints "uid_us|constant_us", the mean of so many passes taken in turns, one statement each, with
-- the planner's defaults (parallel workers too). Both must count the same rows, or it fails.
SET client_min_messages = warning;

CREATE ROLE bench_uid;
CREATE ROLE bench_constant;
SELECT authmeter.grant_access('bench_uid', 'identity');
GRANT USAGE ON SCHEMA bench TO bench_uid, bench_constant;

CREATE TABLE bench.rls AS
  SELECT n, CASE WHEN n % 10 = 0 THEN one.id ELSE other.id END AS owner, format('note %s', n) AS body
    FROM generate_series(1, 1000000) AS n,
         (SELECT id FROM bench.usr WHERE usr.n = 1) AS one,
         (SELECT id FROM bench.usr WHERE usr.n = 2) AS other;
ALTER TABLE bench.rls ENABLE ROW LEVEL SECURITY;
CREATE POLICY uid ON bench.rls TO bench_uid USING (owner = authmeter.uid());
SELECT format('CREATE POLICY constant ON bench.rls TO bench_constant USING (owner = %L::uuid)', id)
  FROM bench.usr WHERE n = 1 \gexec
GRANT SELECT ON bench.rls TO bench_uid, bench_constant;
VACUUM ANALYZE bench.rls;

-- rls_us: microseconds of one count as a role.
CREATE FUNCTION bench.rls_us(role name) RETURNS numeric
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  begun timestamptz;
  counted bigint;
  us numeric;
BEGIN
  PERFORM set_config('role', role, true);
  begun := clock_timestamp();
  EXECUTE 'SELECT count(*) FROM bench.rls' INTO counted;
  us := extract(epoch FROM clock_timestamp() - begun) * 1e6;
  RESET ROLE;
  ASSERT counted = 100000, format('%s sees %s rows', role, counted);
  RETURN us;
END $$;

CREATE PROCEDURE bench.rls_round(passes integer, INOUT uid_us numeric DEFAULT 0, INOUT constant_us numeric DEFAULT 0)
LANGUAGE plpgsql AS $$
BEGIN
  ASSERT (SELECT outcome FROM authmeter.authenticate((SELECT token FROM bench.token WHERE n = 1), 'vsplugin')) = 'ok',
    'the token is not good';
  FOR i IN 1..passes LOOP
    uid_us := uid_us + bench.rls_us('bench_uid') / passes;
    constant_us := constant_us + bench.rls_us('bench_constant') / passes;
  END LOOP;
END $$;
