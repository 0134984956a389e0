-- Whatever a role passes to a function that it may call, the answer is a value or an error of ours (or
-- of PostgreSQL about a value): no crash, no internal error, no error of a statement underneath. Every
-- function is called with nothing but NULL, and with each argument in turn hostile beside NULLs or
-- beside good values.
CREATE FUNCTION test_hostile(type regtype, form text) RETURNS text[] LANGUAGE sql AS $$
	SELECT CASE
		WHEN form = 'good' THEN CASE type::text
			WHEN 'text' THEN ARRAY['''vsplugin'''] WHEN 'jsonb' THEN ARRAY['''{}'''] WHEN 'bigint' THEN ARRAY['1']
			WHEN 'integer' THEN ARRAY['1'] WHEN 'boolean' THEN ARRAY['true'] WHEN 'interval' THEN ARRAY['''1 hour''']
			WHEN 'uuid' THEN ARRAY['''018f0000-0000-7000-8000-000000000000'''] ELSE ARRAY['NULL'] END
		ELSE CASE type::text
			WHEN 'text' THEN ARRAY['''''', 'repeat(''x'', 1000000)', 'repeat(''.'', 5000)', 'E''\\x01\\u0301%s''',
				'repeat(''{"a":'', 5000)', '''${jndi}''''";--''']
			WHEN 'bytea' THEN ARRAY['''''', 'decode(repeat(''00'', 1000000), ''hex'')', '''\x01ffff''']
			WHEN 'jsonb' THEN ARRAY['''[]''', '''"x"''', '''1e1000''', '(repeat(''['', 900) || repeat('']'', 900))::jsonb',
				'''{"bearer":{},"body":[],"headers":7,"ip":[]}''', '''{"bearer":"a.b.c","body":{"usage":1e400}}''',
				'(SELECT jsonb_object_agg(''k'' || n, n) FROM generate_series(1, 100000) n)']
			WHEN 'bigint' THEN ARRAY['0', '-1', '9223372036854775807', '-9223372036854775808']
			WHEN 'integer' THEN ARRAY['0', '-1', '2147483647', '-2147483648']
			WHEN 'interval' THEN ARRAY['''0''', '''-1 second''', '''178000000 years''', '''-178000000 years''', '''1000000000 days''']
			WHEN 'timestamp with time zone' THEN ARRAY['''infinity''', '''-infinity''', '''4714-11-24 BC''', '''294276-12-31''']
			WHEN 'uuid' THEN ARRAY['''00000000-0000-0000-0000-000000000000''', '''ffffffff-ffff-ffff-ffff-ffffffffffff''']
			WHEN 'text[]' THEN ARRAY['''{}''', '''{NULL}''', '''{{a},{b}}''', 'array_fill(''x''::text, ARRAY[100000])']
			WHEN 'bigint[]' THEN ARRAY['''{}''', '''{NULL}''', '''{{1},{2}}''', 'array_fill(1::bigint, ARRAY[100000])']
			WHEN 'uuid[]' THEN ARRAY['''{}''', '''{NULL}''', 'array_fill(NULL::uuid, ARRAY[100000])']
			ELSE ARRAY['NULL'] END
		END $$;
-- The calls: all NULL, and each argument hostile among NULLs and among good values.
CREATE FUNCTION test_calls(function regprocedure) RETURNS SETOF text LANGUAGE sql AS $$
	WITH a AS (
		SELECT t.type::regtype AS type, t.n::integer AS n, p.provariadic <> 0 AND t.n = p.pronargs AS variadic
		FROM pg_proc p, unnest(p.proargtypes::oid[]) WITH ORDINALITY t (type, n) WHERE p.oid = function),
	bad AS (
		SELECT 0 AS n, NULL AS value, 'null' AS form
		UNION ALL
		SELECT a.n, v, form FROM a, unnest(test_hostile(a.type, 'hostile')) v, unnest(ARRAY['null', 'good']) form)
	SELECT format('SELECT count(*) FROM %s(%s) r WHERE r IS NULL OR r IS NOT NULL', function::regproc,
		(SELECT string_agg(CASE WHEN a.variadic THEN 'VARIADIC ' ELSE '' END
			|| CASE WHEN a.n = bad.n THEN value WHEN form = 'good' THEN (test_hostile(a.type, 'good'))[1]
			ELSE 'NULL' END || '::' || a.type, ', ' ORDER BY a.n) FROM a))
	FROM bad $$;
CREATE FUNCTION test_state(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE call;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	-- 23502, 23514: of functions for the owner alone, whose table says NOT NULL or CHECK.
	RETURN CASE WHEN SQLSTATE ~ '^(MA|22|23502|23514)' THEN 'refused' ELSE SQLSTATE || ' ' || SQLERRM END;
END
$$;
BEGIN;
SET LOCAL client_min_messages = error;
SELECT authmeter.setting_set('authmeter.environment', 'development'), authmeter.setting_set('authmeter.bcrypt_cost', '4');
CREATE TABLE test_states AS
SELECT p.oid::regproc AS function, state
FROM pg_proc p, test_calls(p.oid) c, test_state(c) state
WHERE p.pronamespace IN ('authmeter'::regnamespace, 'authmeter_http'::regnamespace)
	AND p.pronargs > 0 AND p.prorettype NOT IN ('trigger'::regtype, 'internal'::regtype);
SELECT count(*) > 500 AS enough, count(*) FILTER (WHERE state = 'ok') > 100 AS answered,
	count(*) FILTER (WHERE state = 'refused') > 100 AS refused
FROM test_states;
SELECT DISTINCT function, state FROM test_states WHERE state NOT IN ('ok', 'refused') ORDER BY 1, 2;
ROLLBACK;
-- The gateway's hottest call, outside of everything: NULL took the server down once.
SELECT status, body FROM authmeter_http.vsplugin_track_usage(NULL);
SELECT authmeter_http.network_trusted(NULL, NULL), authmeter_http.network_trusted('vsplugin.trusted_networks', NULL);
-- In a parallel plan nobody may read what is committed now: a function that does so says UNSAFE, or it
-- would fail in the midst of somebody's query, a policy for example.
SELECT p.oid::regprocedure AS fails_in_a_parallel_plan
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace IN ('authmeter'::regnamespace, 'authmeter_http'::regnamespace)
	AND l.lanname = 'c' AND p.prosecdef AND p.proparallel <> 'u';
SELECT authmeter.key_generate('attack-plan', 'HS256', false) IS NOT NULL AS made;
SELECT authmeter.token_issue(user_id, 'attack-plan', 'access') AS token FROM authmeter.user_create('attack-plan@example.com') \gset
CREATE TABLE test_many AS SELECT n FROM generate_series(1, 20000) n;
ANALYZE test_many;
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SELECT n, v.outcome FROM test_many, authmeter.token_verify(:'token', 'attack-plan', 'access') v WHERE n % 10000 = 0 ORDER BY n;
SELECT n, (authmeter.token_user(:'token', 'attack-plan', 'access')).outcome FROM test_many WHERE n % 10000 = 0 ORDER BY n;
COMMIT;
DROP TABLE test_many;
SELECT outcome FROM authmeter.user_find('attack-plan@example.com') f, authmeter.user_delete(f.user_id);
SELECT authmeter.key_retire(kid) FROM authmeter.key_list() WHERE ring = 'attack-plan';
DROP FUNCTION test_state(text), test_calls(regprocedure), test_hostile(regtype, text);
