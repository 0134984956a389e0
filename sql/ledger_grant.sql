-- Dated grants and holds: what burns in which order, what ends by time alone, and each hold resolved once.
\set SHOW_CONTEXT never
SELECT (authmeter.user_create('ledger-g@example.com')).user_id AS g \gset
SELECT (authmeter.user_create('ledger-h@example.com')).user_id AS h \gset
\set figures 'outcome, amount, balance, held, available, version, replayed'
SELECT authmeter.clock() AS t0 \gset
-- What each grant paid, by source.
CREATE VIEW burnt AS
	SELECT b.version, e.kind, g.source, b.amount FROM authmeter.grant_burn b
	JOIN authmeter.entry e USING (account_id, version)
	JOIN authmeter.credit_grant g ON g.account_id = b.account_id AND g.id = b.grant_id
	JOIN authmeter.account a ON a.id = b.account_id AND a.user_id = :'g';

-- Terms that make no sense.
SELECT outcome FROM authmeter.ledger_grant(:'g', 'credit', 1, 'x', 1001);
SELECT outcome FROM authmeter.ledger_grant(:'g', 'credit', 1, 'x', -1);
SELECT outcome FROM authmeter.ledger_grant(:'g', 'credit', 1, 'x', expires_at => :'t0'::timestamptz - '1 s'::interval);
SELECT outcome FROM authmeter.ledger_grant(:'g', 'credit', 1, 'x', effective_at => :'t0'::timestamptz + '2 h'::interval, expires_at => :'t0'::timestamptz + '1 h'::interval);

-- Burn order: priority, expiry, age; plain credit at 100 after dated grants of 100.
SELECT :figures FROM authmeter.ledger_grant(:'g', 'credit', 100, 'plain');
SELECT :figures FROM authmeter.ledger_grant(:'g', 'credit', 100, 'last', 200);
SELECT :figures FROM authmeter.ledger_grant(:'g', 'credit', 100, 'month', expires_at => :'t0'::timestamptz + '30 d'::interval);
SELECT :figures FROM authmeter.ledger_grant(:'g', 'credit', 100, 'day', expires_at => :'t0'::timestamptz + '1 d'::interval);
SELECT :figures FROM authmeter.ledger_grant(:'g', 'credit', 100, 'first', 1);
SELECT :figures FROM authmeter.ledger_grant(:'g', 'credit', 100, 'later', 1, :'t0'::timestamptz + '1 h'::interval, :'t0'::timestamptz + '2 d'::interval, 'soon', 'ref', 'later');
SELECT :figures FROM authmeter.ledger_grant(:'g', 'credit', 100, 'later', 1, :'t0'::timestamptz + '1 h'::interval, :'t0'::timestamptz + '2 d'::interval, 'soon', 'ref', 'later');
SELECT :figures FROM authmeter.ledger_spend(:'g', 'credit', 150);
SELECT * FROM burnt ORDER BY version, source;
SELECT * FROM authmeter.ledger_verify();
-- A balance of the future counts what begins and ends until then; nothing is booked for it.
SELECT x.h, b.balance, b.version FROM (VALUES (0), (1), (24), (48), (720)) x(h),
	authmeter.ledger_balance(:'g', 'credit', :'t0'::timestamptz + x.h * '1 h'::interval + '1 s'::interval) b ORDER BY x.h;
-- An hour later the next change books the beginning first.
SET authmeter.clock_offset_s = 3601;
SELECT balance, version FROM authmeter.ledger_balance(:'g');
SELECT :figures FROM authmeter.ledger_spend(:'g', 'credit', 60);
SELECT kind, amount, balance_after, reference FROM authmeter.ledger_statement(:'g', page_size => 2);
SELECT * FROM burnt WHERE version = 8;
-- A month later what was not used has ended, each at its own moment, and what may never end remains.
SET authmeter.clock_offset_s = 2592060;
SELECT balance FROM authmeter.ledger_balance(:'g');
SELECT :figures FROM authmeter.ledger_spend(:'g', 'credit', 201);
SELECT kind, amount, balance_after, e.at - :'t0'::timestamptz < '2591999 s' AS before_month FROM authmeter.ledger_statement(:'g', page_size => 3) e;
SELECT :figures FROM authmeter.ledger_spend(:'g', 'credit', 150, idempotency_key => 'both') ;
SELECT * FROM burnt WHERE version > 8 ORDER BY version, source;
SELECT source, amount, remaining, priority, expires_at IS NULL AS forever FROM authmeter.grant_info WHERE user_id = :'g' ORDER BY source;
SELECT * FROM authmeter.ledger_verify();
-- The statement's moments give the balances that were read at the time.
SELECT bool_and(b.balance = e.balance_after) FROM authmeter.ledger_statement(:'g', page_size => 100) e,
	authmeter.ledger_balance(:'g', 'credit', e.at) b WHERE e.kind = 'expire';

-- A refund goes back to the grants that paid and are in force, last burnt first.
SELECT transaction_id AS spent FROM authmeter.ledger_statement(:'g', kinds => '{spend}', page_size => 1) \gset
SELECT :figures FROM authmeter.ledger_refund(:'g', :'spent', 30);
SELECT :figures FROM authmeter.ledger_refund(:'g', :'spent');
SELECT * FROM burnt WHERE kind = 'refund' ORDER BY version, source;
SELECT source, remaining FROM authmeter.grant_info WHERE user_id = :'g' AND remaining > 0 ORDER BY source;
-- What dated grants paid cannot be moved to others.
SELECT :figures FROM authmeter.ledger_transfer(:'g', :'h', 'credit', 101);
SELECT :figures FROM authmeter.ledger_transfer(:'g', :'h', 'credit', 100);
SELECT * FROM authmeter.ledger_verify();
RESET authmeter.clock_offset_s;

-- Holds: set aside, then resolved once, in whole or in part.
SELECT :figures FROM authmeter.ledger_hold(:'h', 'credit', 60, '0');
SELECT :figures FROM authmeter.ledger_hold(:'h', 'credit', 60, '8 days');
SELECT :figures FROM authmeter.ledger_hold(:'h', 'credit', 60, NULL);
SELECT :figures FROM authmeter.ledger_hold(:'h', 'credit', 101);
SELECT :figures FROM authmeter.ledger_hold(:'h', 'credit', 0);
SELECT * FROM authmeter.ledger_hold(:'h', 'credit', 60, '1 h', 'work', 'r', 'h1') \gset x_
SELECT :figures, transaction_id = :'x_transaction_id' AS same FROM authmeter.ledger_hold(:'h', 'credit', 60, '1 h', 'work', 'r', 'h1');
SELECT :figures FROM authmeter.ledger_spend(:'h', 'credit', 41);
SELECT :figures FROM authmeter.ledger_spend(:'h', 'credit', 10);
SELECT * FROM authmeter.ledger_capture(:'x_transaction_id', :'g');
SELECT :figures FROM authmeter.ledger_capture(:'x_transaction_id', :'h', 0);
SELECT :figures FROM authmeter.ledger_capture(:'x_transaction_id', :'h', 91);
SELECT :figures FROM authmeter.ledger_capture(:'x_transaction_id', :'h', 20, true, idempotency_key => 'c1');
SELECT :figures FROM authmeter.ledger_capture(:'x_transaction_id', :'h', 20, true, idempotency_key => 'c1');
SELECT :figures FROM authmeter.ledger_capture(:'x_transaction_id', :'h', 15);
SELECT :figures FROM authmeter.ledger_capture(:'x_transaction_id', :'h', 1);
SELECT :figures FROM authmeter.ledger_void(:'x_transaction_id', :'h');
SELECT * FROM authmeter.ledger_verify();
-- More than is held, when the account has it.
SELECT * FROM authmeter.ledger_hold(:'h', 'credit', 10) \gset x_
SELECT :figures FROM authmeter.ledger_capture(:'x_transaction_id', :'h', 25);
-- Void.
SELECT * FROM authmeter.ledger_hold(:'h', 'credit', 30) \gset x_
SELECT :figures FROM authmeter.ledger_void(:'x_transaction_id', :'h', idempotency_key => 'v1');
SELECT :figures FROM authmeter.ledger_void(:'x_transaction_id', :'h', idempotency_key => 'v1');
SELECT :figures FROM authmeter.ledger_void(:'x_transaction_id', :'h');
SELECT outcome FROM authmeter.ledger_void(NULL, :'h');
-- A hold that has expired is free at once, and too late to capture.
SELECT * FROM authmeter.ledger_hold(:'h', 'credit', 30, '1 h') \gset x_
SELECT * FROM authmeter.ledger_balance(:'h');
SET authmeter.clock_offset_s = 3601;
SELECT * FROM authmeter.ledger_balance(:'h');
SELECT :figures FROM authmeter.ledger_capture(:'x_transaction_id', :'h');
SELECT :figures FROM authmeter.ledger_void(:'x_transaction_id', :'h');
SELECT :figures FROM authmeter.ledger_spend(:'h', 'credit', 30);
SELECT kind, amount, held_after FROM authmeter.ledger_statement(:'h', page_size => 3);
SELECT h.state, h.amount, h.captured, h.released FROM authmeter.hold h JOIN authmeter.account a ON a.id = h.account_id WHERE a.user_id = :'h' ORDER BY h.created_at;
RESET authmeter.clock_offset_s;
SELECT * FROM authmeter.ledger_verify();

-- What a hold keeps of a grant does not expire before the hold ends; what it then frees does.
SELECT (authmeter.user_create('ledger-k@example.com')).user_id AS k \gset
SELECT :figures FROM authmeter.ledger_grant(:'k', 'credit', 100, 'hour', expires_at => authmeter.clock() + '1 h'::interval);
SELECT :figures FROM authmeter.ledger_grant(:'k', 'credit', 10, 'plain');
SELECT * FROM authmeter.ledger_hold(:'k', 'credit', 70, '3 h') \gset x_
SELECT * FROM authmeter.ledger_hold(:'k', 'credit', 25, '3 h') \gset y_
SELECT b.* FROM authmeter.ledger_balance(:'k') b;
SET authmeter.clock_offset_s = 7200;
SELECT b.* FROM authmeter.ledger_balance(:'k') b;
SELECT :figures FROM authmeter.ledger_capture(:'x_transaction_id', :'k', 50, idempotency_key => 'late');
SELECT :figures FROM authmeter.ledger_capture(:'x_transaction_id', :'k', 50, idempotency_key => 'late');
SELECT kind, amount, balance_after, held_after FROM authmeter.ledger_statement(:'k', page_size => 3);
SELECT * FROM authmeter.ledger_verify();
SET authmeter.clock_offset_s = 10801;
SELECT b.* FROM authmeter.ledger_balance(:'k') b;
SELECT authmeter.ledger_settle() AS accounts, authmeter.ledger_settle() AS none_left;
SELECT kind, amount, balance_after, held_after FROM authmeter.ledger_statement(:'k', page_size => 2);
SELECT has_grants, due_at FROM authmeter.account WHERE user_id = :'k';
RESET authmeter.clock_offset_s;
SELECT * FROM authmeter.ledger_verify();

-- Taking a grant back: what is left of it and not held, once.
SELECT * FROM authmeter.ledger_grant(:'k', 'credit', 100, 'dated', expires_at => '2100-01-01') \gset d_
SELECT * FROM authmeter.ledger_grant(:'k', 'credit', 100, 'future', effective_at => '2100-01-01') \gset f_
SELECT * FROM authmeter.ledger_grant(:'k', 'credit', 100, 'plain') \gset p_
SELECT * FROM authmeter.ledger_hold(:'k', 'credit', 20) \gset x_
SELECT :figures FROM authmeter.ledger_spend(:'k', 'credit', 30);
SELECT :figures FROM authmeter.ledger_grant_void(:'k', :'d_transaction_id', idempotency_key => 'gv');
SELECT :figures FROM authmeter.ledger_grant_void(:'k', :'d_transaction_id', idempotency_key => 'gv');
SELECT :figures FROM authmeter.ledger_grant_void(:'k', :'d_transaction_id');
SELECT :figures FROM authmeter.ledger_grant_void(:'k', :'f_transaction_id');
SELECT :figures FROM authmeter.ledger_grant_void(:'k', :'x_transaction_id');
SELECT :figures FROM authmeter.ledger_grant_void(:'h', :'p_transaction_id');
SELECT :figures FROM authmeter.ledger_void(:'x_transaction_id', :'k');
SELECT :figures FROM authmeter.ledger_spend(:'k', 'credit', 60);
SELECT :figures FROM authmeter.ledger_grant_void(:'k', :'p_transaction_id');
SELECT :figures FROM authmeter.ledger_grant_void(:'k', :'p_transaction_id');
SELECT source, amount, remaining, voided_at IS NOT NULL AS voided FROM authmeter.grant_info WHERE user_id = :'k' ORDER BY source, amount;
SELECT * FROM authmeter.ledger_verify();

-- What verify() finds when grants and holds are tampered with.
BEGIN;
UPDATE authmeter.credit_grant SET remaining = remaining + 1 WHERE source = 'last';
UPDATE authmeter.hold SET released = released + 1 WHERE state = 'voided';
SELECT invariant, regexp_replace(detail, '[0-9a-f-]{36}', 'ID') AS detail FROM authmeter.ledger_verify() ORDER BY 1, 2;
ROLLBACK;
DROP VIEW burnt;
SELECT (authmeter.user_delete(u)).outcome FROM unnest(ARRAY[:'g', :'h', :'k']::uuid[]) u;
