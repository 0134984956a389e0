-- Prices: the cost of a request is exact, rounded once, by the prices in force at its time; what has no price is not free.
\set SHOW_CONTEXT never
SELECT authmeter.price_book_create('test', 'credit'), authmeter.price_book_create('test', 'credit'), authmeter.price_book_create('test2', 'no-unit');
SELECT authmeter.price_set('test', 'post', 'call', 150000000), authmeter.price_set('test', 'free', 'call', 0),
	authmeter.price_set('test', 'cheap', 'call', 300000), authmeter.price_set('none', 'post', 'call', 1);
SELECT item, outcome, cost, unit, priced_from IS NOT NULL AS since
FROM unnest(ARRAY['post', 'free', 'cheap', 'unknown', '', NULL]) WITH ORDINALITY i (item, n), authmeter.price_cost('test', item) ORDER BY n;
SELECT outcome, cost, unit FROM authmeter.price_cost('none', 'post');

-- Half up, and once for all lines.
SELECT q, outcome, cost FROM generate_series(0, 6) q, authmeter.price_cost('test', 'cheap', quantities => ARRAY[q]::bigint[]) ORDER BY q;
SELECT outcome, cost FROM authmeter.price_cost('test', 'cheap', '{call,call}', '{1,1}');

-- Tokens: 3 credits a million of input, 15 of output, 0.3 of cached ones; the rest as the default says.
SELECT authmeter.price_set('test', 'vendor/model-1', 'input', 300000000, 1000000), authmeter.price_set('test', 'vendor/model-1', 'output', 1500000000, 1000000),
	authmeter.price_set('test', 'vendor/model-1', 'cached_read', 30000000, 1000000);
SELECT outcome, cost FROM authmeter.price_cost('test', 'vendor/model-1', '{input,output,cached_read}', '{1000000,1000000,1000000}');
SELECT outcome, cost FROM authmeter.price_cost('test', 'vendor/model-1', '{input,output,cached_read}', '{1200,300,0}');
SELECT outcome, cost FROM authmeter.price_cost('test', 'vendor/model-1', '{input,output}', '{3333,1}');
SELECT outcome, cost FROM authmeter.price_cost('test', 'vendor/model-1', '{input,cached_write}', '{1200,0}');
SELECT outcome, cost FROM authmeter.price_cost('test', 'vendor/model-1', '{input,cached_write}', '{1200,1}');
SELECT outcome, cost FROM authmeter.price_cost('test', 'vendor/model-2', '{input,output}', '{1000,1000}');
SELECT authmeter.price_set('test', '*', 'input', 1000000, 1000), authmeter.price_set('test', '*', 'cached_write', 5000000, 1);
SELECT outcome, cost FROM authmeter.price_cost('test', 'vendor/model-1', '{input,cached_write}', '{1000000,1}');
SELECT outcome, cost FROM authmeter.price_cost('test', 'vendor/model-2', '{input,cached_write}', '{1500,1}');
SELECT outcome, cost FROM authmeter.price_cost('test', 'vendor/model-2', '{input,output}', '{1000,1000}');
-- The same by numeric arithmetic, for many quantities.
SELECT count(*) AS checked, count(*) FILTER (WHERE c.cost IS DISTINCT FROM
	trunc((i * 7919::numeric * 300 + o * 104729::numeric * 1500 + r * 31::numeric * 30) / 1000000 + 0.5)) AS wrong
FROM generate_series(1, 20) i, generate_series(1, 20) o, generate_series(0, 4) r,
	authmeter.price_cost('test', 'vendor/model-1', '{input,output,cached_read}', ARRAY[i * 7919, o * 104729, r * 31]::bigint[]) c;

-- Versions: each in force from its time on; history stays.
SELECT authmeter.clock() + interval '1 hour' AS later, authmeter.clock() + interval '2 hours' AS last, authmeter.clock() AS before \gset
SELECT authmeter.price_set('test', 'post', 'call', 200000000, 1, :'later'), authmeter.price_set('test', 'post', 'call', 1, 1, :'later'),
	authmeter.price_set('test', 'post', 'call', NULL, 1, :'last');
SELECT cost FROM authmeter.price_cost('test', 'post');
SELECT n, outcome, cost FROM (VALUES (1, timestamptz '-infinity'), (2, timestamptz '2000-01-01'), (3, timestamptz :'before'),
	(4, timestamptz :'later' - interval '1 us'), (5, timestamptz :'later'), (6, timestamptz :'last'), (7, timestamptz 'infinity')) v (n, at),
	authmeter.price_cost('test', 'post', at => v.at) ORDER BY n;
SET authmeter.clock_offset_s = 3601;
SELECT outcome, cost FROM authmeter.price_cost('test', 'post');
SET authmeter.clock_offset_s = 7201;
-- An end is an end: the default does not step in.
SELECT authmeter.price_set('test', '*', 'call', 7000000);
SELECT outcome, cost FROM authmeter.price_cost('test', 'post');
SELECT outcome, cost FROM authmeter.price_cost('test', 'something else');
SELECT item, kind, price, per, valid_to FROM authmeter.price_list('test');
RESET authmeter.clock_offset_s;
SELECT item, kind, price, per, valid_to = :'later' AS until_later FROM authmeter.price_list('test') WHERE item = 'post';
SELECT item, price, per FROM authmeter.price_history('test', 'post');
SELECT count(*) FROM authmeter.price_history('test');
UPDATE authmeter.price_table SET price = 0;
DELETE FROM authmeter.price_table;
TRUNCATE authmeter.price_book CASCADE;
UPDATE authmeter.price_book SET unit = 'other';

-- Nothing wraps.
SELECT authmeter.price_set('test', 'dear', 'call', 1000000000000000);
SELECT q, outcome, cost FROM unnest(ARRAY[-1, 0, 1, 9223372036, 9223372037, 1000000000000, 1000000000001, 9223372036854775807, NULL]::bigint[]) WITH ORDINALITY v (q, n),
	authmeter.price_cost('test', 'dear', quantities => ARRAY[q]) ORDER BY n;

-- Misuse.
SELECT authmeter.price_book_create('Test', 'credit');
SELECT authmeter.price_book_create('test', NULL);
SELECT authmeter.price_set('test', '', 'call', 1);
SELECT authmeter.price_set('test', NULL, 'call', 1);
SELECT authmeter.price_set('test', 'a b', 'call', 1);
SELECT authmeter.price_set('test', 'a', 'Call', 1);
SELECT authmeter.price_set('test', 'a', NULL, 1);
SELECT authmeter.price_set('test', 'a', 'call', -1);
SELECT authmeter.price_set('test', 'a', 'call', 1000000000000001);
SELECT authmeter.price_set('test', 'a', 'call', 1, 10);
SELECT authmeter.price_set('test', 'a', 'call', 1, NULL);
SELECT authmeter.price_set('test', 'a', 'call', 1, 1, now() - interval '1 s');
SELECT authmeter.price_set('test', 'a', 'call', 1, 1, 'infinity');
SELECT authmeter.price_cost('test', 'post', NULL);
SELECT authmeter.price_cost('test', 'post', '{call}', NULL);
SELECT authmeter.price_cost('test', 'post', '{call}', '{1,2}');
SELECT authmeter.price_cost('test', 'post', array_fill('call'::text, ARRAY[17]), array_fill(1::bigint, ARRAY[17]));
SELECT (authmeter.price_cost('test', 'post', '{NULL}', '{1}')).outcome, (authmeter.price_cost('test', 'post', '{}', '{}')).*;

-- Who may.
CREATE ROLE regress_price_service;
CREATE ROLE regress_price_reader;
SELECT authmeter.grant_access('regress_price_service', 'service') > 0 AND authmeter.grant_access('regress_price_reader', 'reader') > 0 AS granted;
SET ROLE regress_price_service;
SELECT outcome, cost FROM authmeter.price_cost('test', 'post');
SELECT authmeter.price_set('test', 'post', 'call', 0);
SET ROLE regress_price_reader;
SELECT count(*) > 0 AS prices FROM authmeter.price_list('test');
SELECT outcome FROM authmeter.price_cost('test', 'post');
RESET ROLE;
DROP OWNED BY regress_price_service, regress_price_reader;
DROP ROLE regress_price_service, regress_price_reader;
