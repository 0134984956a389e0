-- A route of the bench only: a login on the slow lane, as any API's, without that API's limits. The
-- gateway hears of it by the notification. Variables: users, password.
CREATE FUNCTION authmeter_http.vsplugin_bench_login(request jsonb) RETURNS authmeter_http.response
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	login record := authmeter.user_login(request->'body'->>'email', request->'body'->>'password',
		request->>'ip', request->>'id');
BEGIN
	RETURN ROW(CASE login.outcome WHEN 'ok' THEN 200 ELSE 401 END, NULL,
		json_build_object('outcome', login.outcome))::authmeter_http.response;
END $$;
GRANT EXECUTE ON FUNCTION authmeter_http.vsplugin_bench_login TO authmeter_shim;

INSERT INTO authmeter_http.route (api, method, path, function, lane, body, body_bytes_max)
VALUES ('vsplugin', 'POST', '/bench/login', 'vsplugin_bench_login', 'slow', 'json', 4096);
NOTIFY authmeter_gateway;

SELECT count(authmeter.user_password_set(id, :'password')) FROM bench.usr WHERE n <= :users;
