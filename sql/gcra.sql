-- Rate limits without windows (GCRA): in any stretch w at most count * w / window + burst units; what
-- is refused costs nothing, cost 0 peeks, a changed limit acts at once, nothing is taken back.

-- A burst of three, then one an hour.
SELECT allowed, remaining, retry_after_ms, reset_ms FROM authmeter.gcra_take('gcra.plain', 'ana', '1/1h', 3);
SELECT n, allowed, remaining FROM generate_series(1, 2) n, authmeter.gcra_take('gcra.plain', left('ana' || n, 3), '1/1h', 3);
SELECT allowed, remaining, retry_after_ms BETWEEN 3590000 AND 3600000 AS in_an_hour, reset_ms BETWEEN 10790000 AND 10800000 AS in_three
FROM authmeter.gcra_take('gcra.plain', 'ana', '1/1h', 3);
-- Another key, another limit and the fixed window of the same name count for themselves.
SELECT allowed, remaining FROM authmeter.gcra_take('gcra.plain', 'bob', '1/1h', 3);
SELECT allowed, remaining FROM authmeter.gcra_take('gcra.other', 'ana', '1/1h', 3);
SELECT allowed, remaining FROM authmeter.rate_take('gcra.plain', 'ana', '1/1h');

-- Looking counts nothing.
SELECT allowed, remaining, reset_ms FROM generate_series(1, 3) n, authmeter.gcra_peek('gcra.peek', left('ana' || n, 3), '2/1h', 2);
SELECT allowed, remaining FROM authmeter.gcra_take('gcra.peek', 'ana', '2/1h', 2, 2);
SELECT allowed, remaining, retry_after_ms BETWEEN 1790000 AND 1800000 AS in_half_an_hour FROM authmeter.gcra_peek('gcra.peek', 'ana', '2/1h', 2);

-- A cost that does not fit is refused whole and costs nothing; one above the burst never fits.
SELECT allowed, remaining FROM authmeter.gcra_take('gcra.cost', 'ana', '5/1h', 5, 3);
SELECT allowed, remaining, retry_after_ms BETWEEN 710000 AND 720000 AS in_12_minutes FROM authmeter.gcra_take('gcra.cost', 'ana', '5/1h', 5, 3);
SELECT allowed, remaining FROM authmeter.gcra_take('gcra.cost', 'ana', '5/1h', 5, 2);
SELECT * FROM authmeter.gcra_take('gcra.cost', 'eve', '5/1h', 5, 6);
SELECT * FROM authmeter.gcra_take('gcra.cost', 'eve', '5/1h', 5, 9223372036854775807);

-- Units come back steadily. A clock that runs back gives nothing, and takes nothing.
SELECT allowed, remaining FROM authmeter.gcra_take('gcra.clock', 'ana', '6/1h', 4, 4);
SET authmeter.clock_offset_s = 595;
SELECT allowed FROM authmeter.gcra_take('gcra.clock', 'ana', '6/1h', 4);
SET authmeter.clock_offset_s = 605;
SELECT allowed, remaining FROM authmeter.gcra_take('gcra.clock', 'ana', '6/1h', 4);
SELECT allowed FROM authmeter.gcra_take('gcra.clock', 'ana', '6/1h', 4);
SET authmeter.clock_offset_s = 1210;
SELECT allowed, remaining FROM authmeter.gcra_take('gcra.clock', 'ana', '6/1h', 4);
SET authmeter.clock_offset_s = 0;
SELECT allowed, remaining FROM authmeter.gcra_take('gcra.clock', 'ana', '6/1h', 4);
SET authmeter.clock_offset_s = 1210;
SELECT allowed, remaining FROM authmeter.gcra_peek('gcra.clock', 'ana', '6/1h', 4);
SET authmeter.clock_offset_s = 100000;
SELECT allowed, remaining, reset_ms FROM authmeter.gcra_peek('gcra.clock', 'ana', '6/1h', 4);
RESET authmeter.clock_offset_s;

-- A changed rate or burst acts at once.
SELECT allowed, remaining FROM authmeter.gcra_take('gcra.change', 'ana', '1/1d', 1);
SELECT allowed, remaining FROM authmeter.gcra_peek('gcra.change', 'ana', '1/1d', 10);
SELECT allowed, retry_after_ms BETWEEN 55000 AND 60000 AS in_a_minute FROM authmeter.gcra_peek('gcra.change', 'ana', '1/1m', 1);
SELECT allowed, remaining FROM authmeter.gcra_take('gcra.change', 'ana', '1/1d', 10, 9);
SELECT allowed, remaining FROM authmeter.gcra_peek('gcra.change', 'ana', '1/1d', 5);
-- Off is no limit; the largest figures are no fault.
SELECT * FROM authmeter.gcra_take('gcra.change', 'ana', 'off', 1, 1000000);
SELECT allowed, remaining FROM authmeter.gcra_take('gcra.large', 'ana', '1000000000/1ms', 1000000000, 1000000000);
SELECT allowed, remaining, reset_ms FROM authmeter.gcra_take('gcra.larger', 'ana', '1/36525d', 1000000000, 1000000000);
SELECT allowed, remaining, retry_after_ms BETWEEN 3155759990000 AND 3155760000000 AS in_a_century FROM authmeter.gcra_take('gcra.larger', 'ana', '1/36525d', 1000000000);

-- No rollback takes a count back: it survives, or (library not preloaded) was refused.
CREATE FUNCTION test_undone(key text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM authmeter.gcra_take('gcra.undo', key, '5/1h', 5);
	RAISE EXCEPTION 'undo';
EXCEPTION
	WHEN raise_exception THEN
		RETURN CASE (authmeter.gcra_peek('gcra.undo', key, '5/1h', 5)).remaining WHEN 4 THEN 'safe' END;
	WHEN SQLSTATE 'MA008' THEN
		RETURN 'safe';
END
$$;
SELECT test_undone('ana');
DROP FUNCTION test_undone(text);

-- Misuse.
SELECT authmeter.gcra_take(NULL, 'ana', '5/1h', 5);
SELECT authmeter.gcra_take('gcra', '', '5/1h', 5);
SELECT authmeter.gcra_take('gcra', 'ana', '5', 5);
SELECT authmeter.gcra_take('gcra', 'ana', '5/1h', 0);
SELECT authmeter.gcra_take('gcra', 'ana', '5/1h', NULL);
SELECT authmeter.gcra_take('gcra', 'ana', '5/1h', 1000000001);
SELECT authmeter.gcra_take('gcra', 'ana', '5/1h', 5, 0);
SELECT authmeter.gcra_take(repeat('x', 64), 'ana', '5/1h', 5);
SELECT allowed FROM authmeter.gcra_take(repeat('x', 63), repeat('y', 512), '5/1h', 5);

-- A flood of new keys does not push out a counter that is about to refuse.
SELECT allowed, remaining FROM authmeter.gcra_take('gcra.flood', 'victim', '5/1h', 5, 5);
SELECT count(*) FILTER (WHERE allowed) AS allowed FROM generate_series(1, 80000) n,
	authmeter.gcra_take('gcra.flood', n::text, '5/1h', 5);
SELECT allowed FROM authmeter.gcra_peek('gcra.flood', 'victim', '5/1h', 5);
