-- Rate limits: a fixed window that starts with the first counted call, exact to the unit; what is
-- refused counts nothing; what was counted cannot be taken back.

-- Up to the count, then refused, with the time until the window ends.
SELECT allowed, remaining, retry_after_ms FROM generate_series(1, 3) n,
	authmeter.rate_take('test.plain', left('ana' || n, 3), '3/1h');
SELECT allowed, remaining, retry_after_ms BETWEEN 3590000 AND 3600000 AS within_the_hour
FROM authmeter.rate_take('test.plain', 'ana', '3/1h');
-- When the window ends: from its first call on, and of a key without one not at all.
SELECT allowed, remaining, reset_ms BETWEEN 3590000 AND 3600000 AS within_the_hour
FROM authmeter.rate_peek('test.plain', 'ana', '3/1h');
SELECT remaining, reset_ms FROM authmeter.rate_peek('test.plain', 'nobody', '3/1h');
SELECT remaining, reset_ms FROM authmeter.rate_take('test.plain', 'eve', '3/1h');
-- Another key and another limit count for themselves, also where the two texts run together.
SELECT allowed, remaining FROM authmeter.rate_take('test.plain', 'bob', '3/1h');
SELECT allowed, remaining FROM authmeter.rate_take('test.plai', 'nana', '3/1h');
SELECT allowed, remaining FROM authmeter.rate_take('test.other', 'ana', '3/1h');

-- Looking counts nothing.
SELECT allowed, remaining FROM generate_series(1, 5) n,
	authmeter.rate_peek('test.peek', left('ana' || n, 3), '2/1h');
SELECT allowed, remaining FROM authmeter.rate_take('test.peek', 'ana', '2/1h');
SELECT allowed, remaining FROM authmeter.rate_peek('test.peek', 'ana', '2/1h');

-- A cost that does not fit is refused whole; one above the count can never fit.
SELECT allowed, remaining FROM authmeter.rate_take('test.cost', 'ana', '5/1h', 3);
SELECT allowed, remaining FROM authmeter.rate_take('test.cost', 'ana', '5/1h', 3);
SELECT allowed, remaining FROM authmeter.rate_take('test.cost', 'ana', '5/1h', 2);
SELECT allowed, remaining, retry_after_ms FROM authmeter.rate_take('test.cost', 'eve', '5/1h', 6);
SELECT allowed, remaining, retry_after_ms FROM authmeter.rate_take('test.cost', 'eve', '5/1h', 9223372036854775807);
SELECT allowed, remaining FROM authmeter.rate_peek('test.cost', 'eve', '5/1h');

-- The window ends an hour after its first call, not after its last, and a refusal does not extend it.
SELECT allowed FROM authmeter.rate_take('test.window', 'ana', '2/1h');
SET authmeter.clock_offset_s = 3000;
SELECT allowed, remaining FROM generate_series(1, 2) n,
	authmeter.rate_take('test.window', left('ana' || n, 3), '2/1h');
SET authmeter.clock_offset_s = 3595;
SELECT allowed FROM authmeter.rate_take('test.window', 'ana', '2/1h');
SET authmeter.clock_offset_s = 3605;
SELECT allowed, remaining FROM authmeter.rate_take('test.window', 'ana', '2/1h');
-- A clock that runs back grants nothing.
SET authmeter.clock_offset_s = 0;
SELECT allowed, remaining FROM generate_series(1, 2) n,
	authmeter.rate_take('test.window', left('ana' || n, 3), '2/1h');
RESET authmeter.clock_offset_s;

-- A changed rate acts at once, both ways.
SELECT allowed, remaining FROM authmeter.rate_take('test.change', 'ana', '2/1h', 2);
SELECT allowed, remaining FROM authmeter.rate_take('test.change', 'ana', '3/1h');
SELECT allowed, remaining FROM authmeter.rate_peek('test.change', 'ana', '1/1h');
SELECT allowed, remaining FROM authmeter.rate_peek('test.change', 'ana', '10/1h');
-- Off is no limit.
SELECT * FROM authmeter.rate_take('test.change', 'ana', 'off', 1000000);

-- No rollback takes a count back: it survives, or (library not preloaded) was refused.
CREATE FUNCTION test_undone(key text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM authmeter.rate_take('test.undo', key, '5/1h');
	RAISE EXCEPTION 'undo';
EXCEPTION
	WHEN raise_exception THEN
		RETURN CASE (authmeter.rate_peek('test.undo', key, '5/1h')).remaining WHEN 4 THEN 'safe' END;
	WHEN SQLSTATE 'MA008' THEN
		RETURN 'safe';
END
$$;
SELECT test_undone('ana');
DROP FUNCTION test_undone(text);

-- Client addresses: an IPv6 network counts as one, all notations of one address are one, and what is
-- no address is one bucket.
SELECT left(address, 20) AS address, authmeter.rate_address_key(address) FROM unnest(ARRAY['192.0.2.1', '::ffff:192.0.2.1',
	'2001:db8:1:2:3:4:5:6', '2001:DB8:1:2::9', '2001:db8:1:3::9', '', 'unknown', '192.0.2.01', '192.0.2.1:80',
	'fe80::1%eth0', repeat('9', 5000), NULL]) address;

-- Misuse.
SELECT authmeter.rate_take(NULL, 'ana', '5/1h');
SELECT authmeter.rate_take('', 'ana', '5/1h');
SELECT authmeter.rate_take('test', NULL, '5/1h');
SELECT authmeter.rate_take(repeat('x', 64), 'ana', '5/1h');
SELECT authmeter.rate_take('test', repeat('x', 513), '5/1h');
SELECT authmeter.rate_take('test', 'ana', '5');
SELECT authmeter.rate_take('test', 'ana', '0/1h');
SELECT authmeter.rate_take('test', 'ana', '5/0s');
SELECT authmeter.rate_take('test', 'ana', '5/1h', 0);
SELECT authmeter.rate_take('test', 'ana', '5/1h', -1);
SELECT authmeter.rate_take('test', 'ana', '5/1h', NULL);
SELECT allowed FROM authmeter.rate_take(repeat('x', 63), repeat('y', 512), '5/1h');

-- More keys than there are slots: nothing grows, and a counter that is about to refuse is not the one
-- that gives way.
SELECT allowed, remaining FROM authmeter.rate_take('test.flood', 'victim', '5/1h', 5);
SELECT count(*) FILTER (WHERE allowed) AS allowed FROM generate_series(1, 80000) n,
	authmeter.rate_take('test.flood', n::text, '5/1h');
SELECT allowed FROM authmeter.rate_peek('test.flood', 'victim', '5/1h');

-- Only the levels that were given them may call these functions.
CREATE ROLE regress_ratelimit_gateway;
CREATE ROLE regress_ratelimit_service;
SELECT authmeter.grant_access('regress_ratelimit_gateway', 'gateway') > 0 AS granted;
SELECT authmeter.grant_access('regress_ratelimit_service', 'service') > 0 AS granted;
SET ROLE regress_ratelimit_gateway;
SELECT authmeter.rate_take('test.role', 'ana', '5/1h');
RESET ROLE;
SET ROLE regress_ratelimit_service;
SELECT allowed, remaining FROM authmeter.rate_take('test.role', 'ana', '5/1h');
SELECT * FROM authmeter.rate_window;
RESET ROLE;
DROP OWNED BY regress_ratelimit_gateway, regress_ratelimit_service;
DROP ROLE regress_ratelimit_gateway, regress_ratelimit_service;
