-- Housekeeping: what is over is removed, the audit trail is chained. The tasks stand in
-- extension/housekeeping.c.

CREATE TABLE authmeter.housekeeping_state (
	task text PRIMARY KEY,
	ran_at timestamptz NOT NULL,
	rows bigint NOT NULL,
	problem text
) WITH (fillfactor = 50);
COMMENT ON TABLE authmeter.housekeeping_state IS
	'How each task of housekeeping went when it last ran. State, not data: it is not dumped.';

CREATE FUNCTION authmeter.housekeeping(
	rows_max integer DEFAULT 10000, OUT task text, OUT rows bigint, OUT more boolean, OUT problem text)
RETURNS SETOF record
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE ROWS 10 AS 'MODULE_PATHNAME', 'authmeter_housekeeping';
COMMENT ON FUNCTION authmeter.housekeeping(integer) IS
	'Removes what is over and chains the audit trail: one row a task, with the number of rows it worked on (at most rows_max, 1 to 100000; mail twice that), whether there is more to do, and the problem of a task that failed, which keeps no other from running. With the library preloaded a background worker does the same every authmeter.housekeeping_interval_s seconds; without, call it from any scheduler, such as once a minute. Safe to call anywhere, several at once too. Raises MA006 (limit_exceeded).';

CREATE FUNCTION authmeter.housekeeping_list(
	OUT task text, OUT purpose text, OUT ran_at timestamptz, OUT rows bigint, OUT problem text)
RETURNS SETOF record
LANGUAGE c STABLE SECURITY DEFINER PARALLEL UNSAFE ROWS 10 AS 'MODULE_PATHNAME', 'authmeter_housekeeping_list';
COMMENT ON FUNCTION authmeter.housekeeping_list() IS
	'The tasks of housekeeping: what each is for, when it last ran (NULL: never), the rows it worked on in its last batch, and its problem if it failed.';

INSERT INTO authmeter.access_rule VALUES
	('admin', 'function', 'authmeter', 'housekeeping'),
	('admin', 'function', 'authmeter', 'housekeeping_list'),
	('reader', 'function', 'authmeter', 'housekeeping_list');
