-- Payment signatures: good under any secret of the API and provider, over the very bytes, within the tolerance; else refused.
SELECT authmeter.payment_secret_add('shop', 'stripe', 'whsec_first_secret_of_the_shop') AS first \gset
SELECT authmeter.payment_secret_add('shop', 'razorpay', 'razorpay-webhook-secret') AS razorpay \gset
SELECT authmeter.payment_secret_add('shop', 'razorpay-checkout', 'razorpay-key-secret-1') AS checkout \gset
SELECT authmeter.payment_secret_add('other', 'stripe', 'whsec_secret_of_another_shop') AS other \gset

-- Signatures by another implementation of HMAC, pgcrypto's.
CREATE FUNCTION pg_temp.stripe(body text, secret text, age integer DEFAULT 0, scheme text DEFAULT 'v1') RETURNS text LANGUAGE sql AS $$
	SELECT format('t=%s,%s=%s', t, scheme, encode(hmac(t || '.' || body, secret, 'sha256'), 'hex'))
	FROM (SELECT floor(extract(epoch FROM authmeter.clock()))::bigint - age) x (t)
$$;
CREATE FUNCTION pg_temp.hex(body text, secret text) RETURNS text LANGUAGE sql AS $$ SELECT encode(hmac(body, secret, 'sha256'), 'hex') $$;
CREATE FUNCTION pg_temp.verify(provider text, body text, header text, tolerance interval DEFAULT '5 minutes') RETURNS text LANGUAGE sql AS $$
	SELECT outcome || CASE WHEN signed_at IS NULL THEN '' ELSE ' signed' END
	FROM authmeter.payment_event_verify('shop', provider, convert_to(body, 'UTF8'), header, tolerance)
$$;
\set body '{"id":"evt_1","object":"event","text":"für 10 €"}'
\set secret 'whsec_first_secret_of_the_shop'

-- A vector that is fixed: the time is long past, so the signature is good and the event too old.
SELECT pg_temp.verify('stripe', '{"id":"evt_1"}',
	't=1492774577,v1=' || encode(hmac('1492774577.{"id":"evt_1"}', :'secret', 'sha256'), 'hex'));
SELECT n, pg_temp.verify('stripe', body, header) FROM (VALUES
	(1, :'body', pg_temp.stripe(:'body', :'secret')),
	(2, '', pg_temp.stripe('', :'secret')),
	(3, :'body' || ' ', pg_temp.stripe(:'body', :'secret')),
	(4, replace(:'body', '10', '11'), pg_temp.stripe(:'body', :'secret')),
	(5, :'body', pg_temp.stripe(:'body', 'whsec_secret_of_another_shop')),
	(6, :'body', pg_temp.stripe(:'body', :'secret', scheme => 'v0')),
	(7, :'body', 'v0=00,' || pg_temp.stripe(:'body', :'secret') || ',v1=' || repeat('0', 64)),
	(8, :'body', replace(pg_temp.stripe(:'body', :'secret'), 't=', 't=0')),
	(9, :'body', pg_temp.stripe(:'body', :'secret') || ',' || pg_temp.stripe(:'body', :'secret')),
	(10, :'body', upper(pg_temp.stripe(:'body', :'secret'))),
	(11, :'body', pg_temp.hex(:'body', :'secret')),
	(12, :'body', ''), (13, :'body', NULL), (14, NULL, pg_temp.stripe(:'body', :'secret')),
	(15, :'body', repeat('a=b,', 2000) || pg_temp.stripe(:'body', :'secret')),
	(16, repeat('x', 1048577), pg_temp.stripe(:'body', :'secret')),
	(17, repeat('x', 1048576), pg_temp.stripe(repeat('x', 1048576), :'secret'))) v (n, body, header) ORDER BY n;

-- Every digit of a signature and every digit of the time counts.
SELECT pg_temp.verify('stripe', :'body', overlay(h PLACING CASE substr(h, p, 1) WHEN '0' THEN '1' ELSE '0' END FROM p)) AS outcome, count(*)
FROM (SELECT pg_temp.stripe(:'body', :'secret')) s (h), generate_series(3, length(h)) p WHERE substr(h, p, 1) ~ '[0-9a-f]' AND p NOT BETWEEN 13 AND 16 GROUP BY 1;

-- The tolerance, to both sides. A bad signature is told first, whatever the time.
SELECT age, tolerance, pg_temp.verify('stripe', :'body', pg_temp.stripe(:'body', :'secret', age), tolerance)
FROM (VALUES (290, interval '5 min'), (302, '5 min'), (-290, '5 min'), (-302, '5 min'), (302, '10 min'), (5, '0'), (86390, '1 day'), (86402, '24:00')) v (age, tolerance);
SELECT pg_temp.verify('stripe', :'body', pg_temp.stripe(:'body', 'another', 10000));

-- Rotation: both count until the old one is dropped; each is sealed, and bound to its place.
SELECT authmeter.payment_secret_add('shop', 'stripe', 'whsec_second_secret_of_the_shop') AS second \gset
SELECT pg_temp.verify('stripe', :'body', pg_temp.stripe(:'body', :'secret')), pg_temp.verify('stripe', :'body', pg_temp.stripe(:'body', 'whsec_second_secret_of_the_shop'));
SELECT authmeter.payment_secret_drop('shop', 'stripe', :'other'), authmeter.payment_secret_drop('shop', 'razorpay', :'first'), authmeter.payment_secret_drop('shop', 'stripe', :'first');
SELECT pg_temp.verify('stripe', :'body', pg_temp.stripe(:'body', :'secret')), pg_temp.verify('stripe', :'body', pg_temp.stripe(:'body', 'whsec_second_secret_of_the_shop'));
SELECT count(*) AS found FROM authmeter.payment_secret s WHERE encode(s.sealed, 'escape') LIKE '%whsec%';
SELECT count(*) AS found FROM authmeter.audit_event e WHERE e::text LIKE '%whsec%' OR e::text LIKE '%razorpay-key%';
SELECT api, provider, source, secret_id IS NOT NULL AS id FROM authmeter.payment_secret_list();

-- Razorpay: webhook and checkout have secrets of their own, and the one is not good for the other.
SELECT n, pg_temp.verify('razorpay', :'body', header) FROM (VALUES
	(1, pg_temp.hex(:'body', 'razorpay-webhook-secret')), (2, pg_temp.hex(:'body', 'razorpay-key-secret-1')),
	(3, pg_temp.hex(:'body' || ' ', 'razorpay-webhook-secret')), (4, upper(pg_temp.hex(:'body', 'razorpay-webhook-secret'))),
	(5, pg_temp.hex(:'body', 'razorpay-webhook-secret') || '0'), (6, ''), (7, NULL),
	(8, pg_temp.stripe(:'body', 'razorpay-webhook-secret'))) v (n, header) ORDER BY n;
SELECT n, authmeter.payment_checkout_verify('shop', o, p, s) FROM (VALUES
	(1, 'order_1', 'pay_1', pg_temp.hex('order_1|pay_1', 'razorpay-key-secret-1')),
	(2, 'order_1', 'pay_2', pg_temp.hex('order_1|pay_1', 'razorpay-key-secret-1')),
	(3, 'order_2', 'pay_1', pg_temp.hex('order_1|pay_1', 'razorpay-key-secret-1')),
	(4, 'order_1', 'pay_1', pg_temp.hex('order_1|pay_1', 'razorpay-webhook-secret')),
	(5, 'order_1', 'pay_1', upper(pg_temp.hex('order_1|pay_1', 'razorpay-key-secret-1'))),
	(6, 'a|b', 'c', pg_temp.hex('a|b|c', 'razorpay-key-secret-1')),
	(7, 'a', 'b|c', pg_temp.hex('a|b|c', 'razorpay-key-secret-1')),
	(8, '', 'pay_1', pg_temp.hex('|pay_1', 'razorpay-key-secret-1')),
	(9, 'order_1', NULL, pg_temp.hex('order_1|', 'razorpay-key-secret-1')),
	(10, 'order_1', 'pay_1', NULL), (11, repeat('x', 65), 'pay_1', repeat('0', 64))) v (n, o, p, s) ORDER BY n;

-- Without a secret nothing can be good; the deployment's counts as one, and can be dropped like one.
SELECT authmeter.payment_enabled('none', 'stripe'), authmeter.payment_enabled('shop', 'stripe'),
	authmeter.payment_enabled('none', 'razorpay-checkout');
SELECT outcome FROM authmeter.payment_event_verify('none', 'stripe', 'x', pg_temp.stripe('x', ''));
SELECT authmeter.payment_checkout_verify('none', 'order_1', 'pay_1', repeat('0', 64));
INSERT INTO authmeter.deployment_secret
VALUES ('none', 'RAZORPAY_KEY_SECRET', authmeter.secret_seal('deployment', 'none', 'RAZORPAY_KEY_SECRET', 'deployed-key-secret'), now());
SELECT authmeter.payment_enabled('none', 'razorpay-checkout'),
	authmeter.payment_checkout_verify('none', 'order_1', 'pay_1', pg_temp.hex('order_1|pay_1', 'deployed-key-secret'));
SELECT source, secret_id FROM authmeter.payment_secret_list() WHERE api = 'none';
SELECT authmeter.payment_secret_drop('none', 'razorpay-checkout', NULL), authmeter.payment_secret_drop('none', 'razorpay-checkout', NULL);
SELECT authmeter.payment_checkout_verify('none', 'order_1', 'pay_1', pg_temp.hex('order_1|pay_1', 'deployed-key-secret'));

-- A sealed secret in another place does not open.
\set SHOW_CONTEXT never
\set VERBOSITY terse
INSERT INTO authmeter.payment_secret SELECT 'moved', 'stripe', id, sealed, created_at FROM authmeter.payment_secret WHERE api = 'other';
INSERT INTO authmeter.payment_secret SELECT 'other', 'razorpay', id, sealed, created_at FROM authmeter.payment_secret WHERE api = 'other';
DO $$ BEGIN PERFORM authmeter.payment_event_verify('moved', 'stripe', 'x', 't=1,v1=' || repeat('0', 64)); EXCEPTION WHEN SQLSTATE 'MA012' THEN RAISE NOTICE 'sealed for another API'; END $$;
DO $$ BEGIN PERFORM authmeter.payment_event_verify('other', 'razorpay', 'x', repeat('0', 64)); EXCEPTION WHEN SQLSTATE 'MA012' THEN RAISE NOTICE 'sealed for another provider'; END $$;
\set VERBOSITY default

-- Misuse.
SELECT authmeter.payment_event_verify('shop', 'paypal', 'x', 'x');
SELECT authmeter.payment_event_verify('shop', 'razorpay-checkout', 'x', 'x');
SELECT authmeter.payment_event_verify(NULL, 'stripe', 'x', 'x');
SELECT authmeter.payment_event_verify('shop', NULL, 'x', 'x');
SELECT authmeter.payment_event_verify('shop', 'stripe', 'x', 'x', NULL);
SELECT authmeter.payment_event_verify('shop', 'stripe', 'x', 'x', '-1 s');
SELECT authmeter.payment_event_verify('shop', 'stripe', 'x', 'x', '1 day 1 s');
SELECT authmeter.payment_event_verify('shop', 'stripe', 'x', 'x', '1 month');
SELECT authmeter.payment_checkout_verify(NULL, 'order_1', 'pay_1', 'x');
SELECT authmeter.payment_secret_add('shop', 'paypal', 'a secret of paypal');
SELECT authmeter.payment_secret_add('Shop', 'stripe', 'whsec_of_nowhere');
SELECT authmeter.payment_secret_add('shop', 'stripe', 'whsec_too_short');
SELECT authmeter.payment_secret_add('shop', 'stripe', 'whsec_with a blank in it');
SELECT authmeter.payment_secret_add('shop', 'stripe', NULL);
SELECT count(authmeter.payment_secret_add('many', 'stripe', 'whsec_of_many_secrets_' || g)) FROM generate_series(1, 8) g;
SELECT authmeter.payment_secret_add('many', 'stripe', 'whsec_one_too_many');

-- Only an administrator handles secrets.
CREATE ROLE regress_payment_service;
SELECT authmeter.grant_access('regress_payment_service', 'service') > 0 AS granted;
SET ROLE regress_payment_service;
SELECT outcome FROM authmeter.payment_event_verify('shop', 'stripe', 'x', 't=1,v1=' || repeat('0', 64));
SELECT authmeter.payment_secret_add('shop', 'stripe', 'whsec_by_a_service');
SELECT authmeter.payment_secret_list();
SELECT sealed FROM authmeter.payment_secret;
RESET ROLE;
DROP OWNED BY regress_payment_service;
DROP ROLE regress_payment_service;
DELETE FROM authmeter.payment_secret;
