-- One-time codes: good once, for one purpose and one address, for ten minutes, for five tries; and no
-- refusal tells more than that it is one.
CREATE FUNCTION test_code(address text, purpose text DEFAULT 'test') RETURNS text LANGUAGE sql AS $$
	SELECT authmeter.mail_params(m.id)->>'code' FROM authmeter.mail_outbox m
	WHERE m.recipient = address AND m.template = purpose ORDER BY m.created_at DESC LIMIT 1 $$;
-- A code that is not the one.
CREATE FUNCTION test_other(code text, step integer DEFAULT 1) RETURNS text LANGUAGE sql AS $$
	SELECT lpad(((code::integer + step) % 1000000)::text, 6, '0') $$;

-- Good once.
SELECT authmeter.otp_issue('test', ' OTP-Ana@Example.com ');
SELECT test_code('otp-ana@example.com') AS code \gset
SELECT :'code' ~ '^[0-9]{6}$' AS six_digits;
SELECT * FROM authmeter.otp_verify('test', 'otp-ana@example.com', test_other(:'code'));
SELECT * FROM authmeter.otp_verify('test', 'otp-ana@example.com', :'code');
SELECT * FROM authmeter.otp_verify('test', 'otp-ana@example.com', :'code');
-- All digits occur, and leading zeros stay.
SELECT count(*) FROM generate_series(1, 300) n, authmeter.otp_issue('test-digits', 'otp-' || n || '@example.com') i;
SELECT count(DISTINCT d.c) FROM authmeter.mail_outbox m,
	regexp_split_to_table(authmeter.mail_params(m.id)->>'code', '') d (c) WHERE m.template = 'test-digits';
SELECT count(DISTINCT substr(authmeter.mail_params(m.id)->>'code', 1, 1)) FROM authmeter.mail_outbox m
WHERE m.template = 'test-digits';

-- For its purpose and its address only.
SELECT authmeter.otp_issue('test', 'otp-bob@example.com');
SELECT test_code('otp-bob@example.com') AS code \gset
SELECT * FROM authmeter.otp_verify('test-other', 'otp-bob@example.com', :'code');
SELECT * FROM authmeter.otp_verify('test', 'otp-eve@example.com', :'code');
SELECT * FROM authmeter.otp_verify('test', 'no address', :'code');
SELECT * FROM authmeter.otp_verify('test', NULL, :'code');
-- A row moved to another address or purpose fits nothing there.
INSERT INTO authmeter.otp (purpose, address, id, subject, code_hash, attempts, created_at, expires_at)
SELECT 'test', 'otp-eve@example.com', id, subject, code_hash, attempts, created_at, expires_at FROM authmeter.otp WHERE address = 'otp-bob@example.com';
SELECT * FROM authmeter.otp_verify('test', 'otp-eve@example.com', :'code');
SELECT * FROM authmeter.otp_verify('test', 'otp-bob@example.com', :'code');

-- Five tries kill it; malformed codes are tries like all others.
SELECT authmeter.otp_issue('test', 'otp-five@example.com');
SELECT test_code('otp-five@example.com') AS code \gset
SELECT n, v.* FROM (VALUES (1, test_other(:'code')), (2, NULL), (3, ''), (4, left(:'code', 5)), (5, :'code' || '0'), (6, :'code'))
	t (n, try), authmeter.otp_verify('test', left('otp-five@example.com' || n, 20), try) v ORDER BY n;
-- The fifth try may be the right one.
SELECT authmeter.otp_issue('test', 'otp-fifth@example.com');
SELECT test_code('otp-fifth@example.com') AS code \gset
SELECT n, v.* FROM generate_series(1, 5) n, authmeter.otp_verify('test', 'otp-fifth@example.com',
	CASE WHEN n < 5 THEN test_other(:'code', n) ELSE :'code' END) v ORDER BY n;
-- What only looks like six digits.
SELECT authmeter.otp_issue('test', 'otp-odd@example.com', rate => 'off') FROM generate_series(1, 1);
SELECT test_code('otp-odd@example.com') AS code \gset
SELECT v.* FROM unnest(ARRAY['+' || right(:'code', 5), ' ' || :'code', translate(:'code', '0123456789', '٠١٢٣٤٥٦٧٨٩'),
	repeat('1', 100000)]) try, authmeter.otp_verify('test', 'otp-odd@example.com', try) v;

-- A rollback gives no try back: the tries survive, or (library not preloaded) were refused.
CREATE FUNCTION test_undone(address text, try text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM authmeter.otp_verify('test', address, try);
	RAISE EXCEPTION 'undo';
EXCEPTION
	WHEN raise_exception THEN RETURN 'undone';
	WHEN SQLSTATE 'MA008' THEN RETURN 'refused';
END
$$;
SELECT authmeter.otp_issue('test', 'otp-undo@example.com');
SELECT test_code('otp-undo@example.com') AS code \gset
SELECT CASE string_agg(test_undone('otp-undo@example.com', test_other(:'code', n)), ',')
	WHEN 'undone,undone,undone,undone,undone' THEN
		(SELECT attempts FROM authmeter.otp WHERE address = 'otp-undo@example.com') = 0
		AND (authmeter.otp_verify('test', 'otp-undo@example.com', :'code')).reason = 'spent'
	WHEN 'refused,refused,refused,refused,refused' THEN true END AS safe
FROM generate_series(1, 5) n;

-- Ten minutes.
SELECT authmeter.otp_issue('test', 'otp-late@example.com');
SELECT test_code('otp-late@example.com') AS code \gset
SET authmeter.clock_offset_s = 601;
SELECT * FROM authmeter.otp_verify('test', 'otp-late@example.com', :'code');
SET authmeter.clock_offset_s = 595;
SELECT * FROM authmeter.otp_verify('test', 'otp-late@example.com', :'code');
RESET authmeter.clock_offset_s;

-- A new code ends the old one, starts its own five tries, and draws on the same budget of five an hour;
-- when that is used up, the last code lives on.
SELECT authmeter.otp_issue('test', 'otp-again@example.com');
SELECT test_code('otp-again@example.com') AS first \gset
SELECT authmeter.otp_issue('test', 'otp-again@example.com');
SELECT test_code('otp-again@example.com') AS second \gset
SELECT v.* FROM authmeter.otp_verify('test', 'otp-again@example.com', :'first') v WHERE :'first' <> :'second';
SELECT n, authmeter.otp_issue('test', left('OTP-again@example.com' || n, 21)) FROM generate_series(3, 7) n;
SELECT test_code('otp-again@example.com') AS last \gset
SELECT * FROM authmeter.otp_verify('test', 'otp-again@example.com', :'last');
SELECT authmeter.otp_issue('test', 'otp-again@example.com');
SELECT authmeter.otp_issue('test-other', 'otp-again@example.com');
SET authmeter.clock_offset_s = 3605;
SELECT authmeter.otp_issue('test', 'otp-again@example.com');
RESET authmeter.clock_offset_s;

-- A decoy looks the same at rest but for the state of its mail, and no code is good.
SELECT authmeter.otp_issue('test', 'otp-decoy@example.com', decoy => true);
SELECT authmeter.otp_issue('test', 'otp-real@example.com');
SELECT o.address, octet_length(o.code_hash) AS hash_bytes, o.attempts, o.expires_at - o.created_at AS life, o.used_at,
	m.state, octet_length(m.params) AS params_bytes, m.expires_at - m.created_at AS mail_life
FROM authmeter.otp o JOIN authmeter.mail_outbox m ON m.recipient = o.address AND m.template = o.purpose
WHERE o.address IN ('otp-decoy@example.com', 'otp-real@example.com') ORDER BY 1;
SELECT * FROM authmeter.otp_verify('test', 'otp-decoy@example.com', test_code('otp-decoy@example.com'));

-- At rest there is no code, nor a hash that could be searched without the key.
SELECT test_code('otp-real@example.com') AS code \gset
SELECT count(*) AS found FROM authmeter.otp o WHERE position(sha256(convert_to(:'code', 'UTF8')) IN o.code_hash) > 0
	OR position(convert_to(:'code', 'UTF8') IN o.code_hash) > 0;
SELECT count(*) AS found FROM authmeter.mail_outbox m
WHERE m.recipient LIKE 'otp-%' AND (position(convert_to(authmeter.mail_params(m.id)->>'code', 'UTF8') IN m.params) > 0
	OR m::text LIKE '%"code"%');

-- Expired rows go as new ones come.
SET authmeter.clock_offset_s = 7200;
SELECT count(*) FROM generate_series(1, 400) n, authmeter.otp_issue('test-purge', 'otp-purge-' || n || '@example.com') i;
SELECT count(*) AS left_over FROM authmeter.otp WHERE expires_at <= authmeter.clock();
RESET authmeter.clock_offset_s;

-- What a code is about is told to who proves it, and to nobody else.
SELECT authmeter.otp_issue('test', 'otp-subject@example.com', subject => '018f0000-0000-7000-8000-00000000000a');
SELECT test_code('otp-subject@example.com') AS code \gset
SELECT * FROM authmeter.otp_verify('test', 'otp-subject@example.com', test_other(:'code'));
SELECT * FROM authmeter.otp_verify('test', 'otp-subject@example.com', :'code');
SELECT * FROM authmeter.otp_verify('test', 'otp-subject@example.com', :'code');
-- A stored code with another subject fits nothing.
SELECT authmeter.otp_issue('test', 'otp-moved@example.com', subject => '018f0000-0000-7000-8000-00000000000a');
SELECT test_code('otp-moved@example.com') AS code \gset
UPDATE authmeter.otp SET subject = '018f0000-0000-7000-8000-00000000000b' WHERE address = 'otp-moved@example.com';
SELECT * FROM authmeter.otp_verify('test', 'otp-moved@example.com', :'code');
-- A new code without a subject has none.
SELECT authmeter.otp_issue('test', 'otp-moved@example.com');
SELECT * FROM authmeter.otp_verify('test', 'otp-moved@example.com', test_code('otp-moved@example.com'));
-- The mail may have another template than the purpose.
SELECT authmeter.otp_issue('test-two', 'otp-template@example.com', template => 'test-mail');
SELECT template FROM authmeter.mail_outbox WHERE recipient = 'otp-template@example.com';
SELECT outcome FROM authmeter.otp_verify('test-two', 'otp-template@example.com', test_code('otp-template@example.com', 'test-mail'));

-- Not consumed, a code lives on until its operation has succeeded; the tries count all the same.
SELECT authmeter.otp_issue('test', 'otp-later@example.com', subject => '018f0000-0000-7000-8000-00000000000c');
SELECT test_code('otp-later@example.com') AS code \gset
SELECT * FROM authmeter.otp_verify('test', 'otp-later@example.com', test_other(:'code'), consume => false);
SELECT * FROM authmeter.otp_verify('test', 'otp-later@example.com', :'code', consume => false);
SELECT * FROM authmeter.otp_verify('test', 'otp-later@example.com', :'code', consume => false);
SELECT attempts, used_at FROM authmeter.otp WHERE address = 'otp-later@example.com';
SELECT authmeter.otp_use('test-other', 'otp-later@example.com'), authmeter.otp_use('test', 'nobody'), authmeter.otp_use('test', NULL);
SELECT authmeter.otp_use('test', ' OTP-later@example.com');
SELECT authmeter.otp_use('test', 'otp-later@example.com');
SELECT * FROM authmeter.otp_verify('test', 'otp-later@example.com', :'code', consume => false);
-- Five tries in all, right ones included.
SELECT authmeter.otp_issue('test', 'otp-later@example.com');
SELECT test_code('otp-later@example.com') AS code \gset
SELECT n, v.* FROM generate_series(1, 6) n, authmeter.otp_verify('test', left('otp-later@example.com' || n, 21), :'code', consume => false) v;
-- Expired, it can no longer be used.
SELECT authmeter.otp_issue('test', 'otp-later@example.com');
SET authmeter.clock_offset_s = 601;
SELECT authmeter.otp_use('test', 'otp-later@example.com');
RESET authmeter.clock_offset_s;

-- All codes of an address end together, and no other.
SELECT authmeter.otp_issue(p, a) FROM unnest(ARRAY['test-a', 'test-b']) p, unnest(ARRAY['otp-drop@example.com', 'otp-keep@example.com']) a;
SELECT authmeter.otp_drop(' OTP-Drop@example.com'), authmeter.otp_drop('nobody'), authmeter.otp_drop(NULL);
SELECT purpose, address FROM authmeter.otp WHERE address IN ('otp-drop@example.com', 'otp-keep@example.com') ORDER BY 1;
SELECT * FROM authmeter.otp_verify('test-a', 'otp-drop@example.com', test_code('otp-drop@example.com', 'test-a'));

-- Misuse.
SELECT authmeter.otp_issue('Test', 'otp-ana@example.com');
SELECT authmeter.otp_issue('', 'otp-ana@example.com');
SELECT authmeter.otp_issue(NULL, 'otp-ana@example.com');
SELECT authmeter.otp_issue(repeat('x', 41), 'otp-ana@example.com');
SELECT authmeter.otp_issue('test', 'nobody');
SELECT authmeter.otp_issue('test', NULL);
SELECT authmeter.otp_issue('test', 'otp-ana@example.com', rate => 'often');
SELECT authmeter.otp_issue('test', 'otp-ana@example.com', rate => NULL);
SELECT authmeter.otp_issue('test', 'otp-ana@example.com', template => 'Test');
SELECT authmeter.otp_verify('Test', 'otp-ana@example.com', '123456');
SELECT authmeter.otp_use('Test', 'otp-ana@example.com');

-- Services may issue and try codes; nobody may read them, and the gateway may do neither.
CREATE ROLE regress_otp_gateway;
CREATE ROLE regress_otp_service;
CREATE ROLE regress_otp_admin;
SELECT authmeter.grant_access(r::regrole, l) > 0 AS granted
FROM (VALUES ('regress_otp_gateway', 'gateway'), ('regress_otp_service', 'service'), ('regress_otp_admin', 'admin')) t (r, l);
SET ROLE regress_otp_service;
SELECT authmeter.otp_issue('test', 'otp-role@example.com');
SELECT * FROM authmeter.otp_verify('test', 'otp-role@example.com', 'x');
SET ROLE regress_otp_admin;
SELECT code_hash FROM authmeter.otp;
SELECT authmeter.mail_params(gen_random_uuid());
SELECT authmeter.digest_equal('', '');
SET ROLE regress_otp_gateway;
SELECT authmeter.otp_verify('test', 'otp-role@example.com', 'x');
RESET ROLE;
DROP OWNED BY regress_otp_gateway, regress_otp_service, regress_otp_admin;
DROP ROLE regress_otp_gateway, regress_otp_service, regress_otp_admin;
DROP FUNCTION test_code(text, text), test_other(text, integer), test_undone(text, text);
