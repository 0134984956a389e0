-- Ledger: exact balances, one effect a key, every refusal a value, and books that verify() after each part.
\set SHOW_CONTEXT never
SELECT (authmeter.user_create('ledger-a@example.com')).user_id AS a \gset
SELECT (authmeter.user_create('ledger-b@example.com')).user_id AS b \gset
\set nobody '''018f0000-0000-7000-8000-000000000000'''
\set figures 'outcome, amount, balance, held, available, version, replayed'

-- Units.
SELECT authmeter.unit_create('ledger.token', 0), authmeter.unit_create('ledger.token', 3);
SELECT authmeter.unit_create('Bad', 0);
SELECT authmeter.unit_create('ledger.bad', 10);
SELECT name, scale, builtin FROM authmeter.unit_list() WHERE name IN ('credit', 'ledger.token');

-- Accounts are made by what gives credit, not by what takes it.
SELECT * FROM authmeter.ledger_balance(:'a');
SELECT * FROM authmeter.ledger_spend(:'a', 'credit', 1);
SELECT * FROM authmeter.ledger_spend(:'a', 'nothing', 1);
SELECT * FROM authmeter.ledger_spend(:nobody, 'credit', 1);
SELECT * FROM authmeter.ledger_spend(NULL, 'credit', 1);
SELECT * FROM authmeter.ledger_spend(:'a', NULL, 1);
SELECT * FROM authmeter.ledger_grant(:'a', 'nothing', 1);
SELECT * FROM authmeter.ledger_grant(:nobody, 'credit', 1);
SELECT count(*) FROM authmeter.account WHERE user_id IN (:'a', :'b');

-- Grant, spend, and what the answer tells.
SELECT :figures FROM authmeter.ledger_grant(:'a', 'credit', 1000, 'purchase', description => 'first', reference => 'order-1');
SELECT :figures FROM authmeter.ledger_spend(:'a', 'credit', 300, 'a post', 'call-1');
SELECT :figures FROM authmeter.ledger_spend(:'a', 'credit', 701);
SELECT :figures FROM authmeter.ledger_spend(:'a', 'credit', 700);
SELECT :figures FROM authmeter.ledger_spend(:'a', 'credit', 1);
SELECT * FROM authmeter.ledger_balance(:'a');
SELECT s.amount, s.account, s.unit FROM authmeter.system_entry s JOIN authmeter.ledger_statement(:'a') e USING (transaction_id) ORDER BY s.amount;

-- Amounts that are none.
SELECT * FROM authmeter.ledger_spend(:'a', 'credit', 0);
SELECT * FROM authmeter.ledger_spend(:'a', 'credit', -1);
SELECT * FROM authmeter.ledger_spend(:'a', 'credit', NULL);
SELECT * FROM authmeter.ledger_spend(:'a', 'credit', 9223372036854775807);
SELECT * FROM authmeter.ledger_grant(:'a', 'credit', 0);
SELECT * FROM authmeter.ledger_grant(:'a', 'credit', -5);
SELECT * FROM authmeter.ledger_grant(:'a', 'credit', 4000000000000000001);
SELECT :figures FROM authmeter.ledger_grant(:'a', 'credit', 4000000000000000000);
SELECT :figures FROM authmeter.ledger_grant(:'a', 'credit', 1);
SELECT :figures FROM authmeter.ledger_adjust(:'a', 'credit', 1);
SELECT :figures FROM authmeter.ledger_adjust(:'a', 'credit', -4000000000000000000, 'typing error');
SELECT :figures FROM authmeter.ledger_adjust(:'a', 'credit', -1);
SELECT :figures FROM authmeter.ledger_adjust(:'a', 'credit', 0);
SELECT authmeter.ledger_spend(:'a', 'credit', 1, repeat('x', 1001));
SELECT authmeter.ledger_spend(:'a', 'credit', 1, NULL, repeat('x', 256));
SELECT authmeter.ledger_grant(:'a', 'credit', 1, '');
SELECT * FROM authmeter.ledger_verify();

-- A key has one effect and one answer, refusals too; another request under it is refused.
SELECT * FROM authmeter.ledger_grant(:'a', 'credit', 100, idempotency_key => 'g1') \gset g_
SELECT :figures, transaction_id = :'g_transaction_id' AS same FROM authmeter.ledger_grant(:'a', 'credit', 100, idempotency_key => 'g1');
SELECT :figures FROM authmeter.ledger_grant(:'a', 'credit', 101, idempotency_key => 'g1');
SELECT :figures FROM authmeter.ledger_grant(:'a', 'credit', 100, priority => 5, idempotency_key => 'g1');
SELECT :figures FROM authmeter.ledger_spend(:'a', 'credit', 100, idempotency_key => 'g1');
SELECT :figures FROM authmeter.ledger_spend(:'a', 'credit', 60, 'x', 'y', 's1');
SELECT :figures FROM authmeter.ledger_spend(:'a', 'credit', 60, 'x', 'y', 's1');
SELECT :figures FROM authmeter.ledger_spend(:'a', 'credit', 60, 'xy', '', 's1');
SELECT :figures FROM authmeter.ledger_spend(:'a', 'credit', 60, NULL, NULL, 's2');
SELECT :figures FROM authmeter.ledger_grant(:'a', 'credit', 100);
SELECT :figures FROM authmeter.ledger_spend(:'a', 'credit', 60, NULL, NULL, 's2');
SELECT :figures FROM authmeter.ledger_spend(:'a', 'credit', 60, NULL, NULL, 's1');
SELECT * FROM authmeter.ledger_spend(:'a', 'credit', 1, NULL, NULL, '');
SELECT * FROM authmeter.ledger_spend(:'a', 'credit', 1, NULL, NULL, repeat('k', 256));
SELECT * FROM authmeter.ledger_spend(:nobody, 'credit', 1, NULL, NULL, 'k');
SELECT * FROM authmeter.ledger_spend(:'b', 'credit', 1, NULL, NULL, 'k');
SELECT * FROM authmeter.ledger_spend(:'b', 'credit', 1, NULL, NULL, 'k');
-- A rolled back call has not happened, and its key is free again.
BEGIN;
SELECT :figures FROM authmeter.ledger_spend(:'a', 'credit', 5, idempotency_key => 'back');
ROLLBACK;
SELECT :figures FROM authmeter.ledger_spend(:'a', 'credit', 6, idempotency_key => 'back');
SELECT * FROM authmeter.ledger_verify();

-- Refunds: in parts, in total once, of this user's spends only.
SELECT * FROM authmeter.ledger_spend(:'a', 'credit', 50) \gset s_
SELECT * FROM authmeter.ledger_refund(:'b', :'s_transaction_id');
SELECT * FROM authmeter.ledger_refund(:'a', :'g_transaction_id');
SELECT * FROM authmeter.ledger_refund(:'a', NULL);
SELECT :figures FROM authmeter.ledger_refund(:'a', :'s_transaction_id', 51);
SELECT :figures FROM authmeter.ledger_refund(:'a', :'s_transaction_id', 0);
SELECT :figures FROM authmeter.ledger_refund(:'a', :'s_transaction_id', 20, idempotency_key => 'r1');
SELECT :figures FROM authmeter.ledger_refund(:'a', :'s_transaction_id', 20, idempotency_key => 'r1');
SELECT :figures FROM authmeter.ledger_refund(:'a', :'s_transaction_id', 31);
SELECT :figures FROM authmeter.ledger_refund(:'a', :'s_transaction_id');
SELECT :figures FROM authmeter.ledger_refund(:'a', :'s_transaction_id');
SELECT :figures FROM authmeter.ledger_refund(:'a', :'s_transaction_id', 1);
SELECT kind, amount, related_id = :'s_transaction_id' AS linked FROM authmeter.ledger_statement(:'a', page_size => 2);

-- Transfers: both sides or none.
SELECT :figures FROM authmeter.ledger_transfer(:'a', :'b', 'credit', 1000);
SELECT :figures FROM authmeter.ledger_transfer(:'a', :'a', 'credit', 1);
SELECT :figures FROM authmeter.ledger_transfer(:'a', :nobody, 'credit', 1);
SELECT :figures FROM authmeter.ledger_transfer(:nobody, :'a', 'credit', 1);
SELECT :figures FROM authmeter.ledger_transfer(:'a', :'b', 'nothing', 1);
SELECT :figures FROM authmeter.ledger_transfer(:'b', :'a', 'ledger.token', 1);
SELECT :figures FROM authmeter.ledger_transfer(:'a', :'b', 'credit', 34, 'gift', 't', 't1');
SELECT :figures FROM authmeter.ledger_transfer(:'a', :'b', 'credit', 34, 'gift', 't', 't1');
SELECT :figures FROM authmeter.ledger_transfer(:'b', :'a', 'credit', 4);
SELECT * FROM authmeter.ledger_balance(:'b');
SELECT e.kind, e.amount, e.balance_after, o.user_id = :'a' AS with_a
FROM authmeter.ledger_statement(:'b') e JOIN authmeter.account o ON o.id::text = e.counter_account;
SELECT * FROM authmeter.ledger_verify();

-- The credit limit, which a debt keeps from falling below it.
SELECT :figures FROM authmeter.ledger_credit_limit_set(:'b', 'credit', 100, 'l1');
SELECT :figures FROM authmeter.ledger_credit_limit_set(:'b', 'credit', 100, 'l1');
SELECT :figures FROM authmeter.ledger_spend(:'b', 'credit', 131);
SELECT :figures FROM authmeter.ledger_spend(:'b', 'credit', 130);
SELECT :figures FROM authmeter.ledger_credit_limit_set(:'b', 'credit', 99);
SELECT :figures FROM authmeter.ledger_credit_limit_set(:'b', 'credit', -1);
SELECT :figures FROM authmeter.ledger_transfer(:'b', :'a', 'credit', 1);
SELECT :figures FROM authmeter.ledger_grant(:'b', 'credit', 70);
SELECT :figures FROM authmeter.ledger_credit_limit_set(:'b', 'credit', 30);
SELECT * FROM authmeter.ledger_verify();

-- Statements: pages by key; a balance as of any moment is that of the last entry before it.
SELECT version, kind, amount, balance_after, description, reference, length(counter_account) AS counter FROM authmeter.ledger_statement(:'a', page_size => 4);
SELECT version, kind, amount FROM authmeter.ledger_statement(:'a', before_version => 3, page_size => 4);
SELECT version, kind FROM authmeter.ledger_statement(:'a', before_version => 1);
SELECT version, kind FROM authmeter.ledger_statement(:'a', page_size => -1);
SELECT count(*) FROM authmeter.ledger_statement(:'a', kinds => '{grant,refund}');
SELECT count(*) AS entries, bool_and(x.balance = e.balance_after AND x.version = e.version) AS balances_agree
FROM authmeter.ledger_statement(:'a', page_size => 1000) e, authmeter.ledger_balance(:'a', 'credit', e.at) x;
SELECT * FROM authmeter.ledger_balance(:'a', 'credit', '-infinity');

-- Units do not mix.
SELECT :figures FROM authmeter.ledger_grant(:'a', 'ledger.token', 7);
SELECT :figures FROM authmeter.ledger_spend(:'a', 'ledger.token', 8);
SELECT unit, balance, scale FROM authmeter.account_info WHERE user_id = :'a' ORDER BY unit;

-- Time never runs back in the books.
SET authmeter.clock_offset_s = -3600;
SELECT :figures FROM authmeter.ledger_spend(:'a', 'ledger.token', 1);
SELECT :figures FROM authmeter.ledger_grant(:'a', 'ledger.token', 1);
RESET authmeter.clock_offset_s;
SELECT * FROM authmeter.ledger_verify(:'a');

-- The books are append-only, and verify() finds what a superuser breaks nevertheless.
UPDATE authmeter.entry SET amount = amount + 1;
DELETE FROM authmeter.system_entry;
TRUNCATE authmeter.grant_burn;
BEGIN;
UPDATE authmeter.account SET balance = balance + 1, version = version + 1, held = 1, updated_at = '-infinity'
WHERE user_id = :'a' AND unit = 'ledger.token';
SELECT invariant, regexp_replace(detail, 'last entry at .*', 'last entry later') AS detail FROM authmeter.ledger_verify(:'a');
ROLLBACK;
BEGIN;
ALTER TABLE authmeter.entry DISABLE TRIGGER append_only;
ALTER TABLE authmeter.system_entry DISABLE TRIGGER append_only;
UPDATE authmeter.entry SET amount = amount - 100 WHERE version = 2 AND account_id IN (SELECT id FROM authmeter.account WHERE user_id = :'a');
SELECT invariant, regexp_replace(detail, '[0-9a-f-]{36}', 'ID') AS detail FROM authmeter.ledger_verify(:'a') ORDER BY 1, 2;
ROLLBACK;
SELECT * FROM authmeter.ledger_verify();

-- The books outlive their user, without what was told about it; nothing more can be booked.
SELECT (authmeter.user_delete(:'b')).outcome;
SELECT * FROM authmeter.ledger_grant(:'b', 'credit', 1);
SELECT * FROM authmeter.ledger_spend(:'b', 'credit', 1);
SELECT * FROM authmeter.ledger_credit_limit_set(:'b', 'credit', 1);
SELECT :figures FROM authmeter.ledger_transfer(:'a', :'b', 'credit', 1);
SELECT :figures FROM authmeter.ledger_transfer(:'b', :'a', 'credit', 1);
SELECT * FROM authmeter.ledger_balance(:'b');
SELECT count(*) AS entries, count(description) AS descriptions FROM authmeter.ledger_statement(:'b');
SELECT closed_at IS NOT NULL AS closed FROM authmeter.account_info WHERE user_id = :'b';
SELECT * FROM authmeter.ledger_verify();

-- A service role books and reads, and touches no table.
CREATE ROLE regress_authmeter_service;
SELECT authmeter.grant_access('regress_authmeter_service', 'service') > 0 AS granted;
SET ROLE regress_authmeter_service;
SELECT :figures FROM authmeter.ledger_grant(:'a', 'credit', 2);
SELECT balance FROM authmeter.ledger_balance(:'a', 'ledger.token');
SELECT * FROM authmeter.account;
SELECT authmeter.ledger_adjust(:'a', 'credit', 2);
SELECT * FROM authmeter.ledger_verify();
RESET ROLE;
DROP OWNED BY regress_authmeter_service;
DROP ROLE regress_authmeter_service;
SELECT (authmeter.user_delete(:'a')).outcome;

-- Many spends in one call: one row each, in order, as if made one after the other.
SELECT (authmeter.user_create('ledger-m@example.com')).user_id AS m \gset
SELECT (authmeter.user_create('ledger-n@example.com')).user_id AS n \gset
SELECT :figures FROM authmeter.ledger_grant(:'m', 'credit', 100);
SELECT :figures FROM authmeter.ledger_grant(:'n', 'credit', 30, expires_at => '2100-01-01');
SELECT :figures FROM authmeter.ledger_grant(:'n', 'credit', 30);
SELECT index, :figures FROM authmeter.ledger_spend_many(
	ARRAY[:'m', :'n', :'m', :nobody, :'m', :'m', NULL, :'n', :'m', :'m', :'m']::uuid[],
	ARRAY['credit', 'credit', 'credit', 'credit', 'nothing', 'ledger.token', 'credit', 'credit', NULL, 'credit', 'credit'],
	ARRAY[60, 40, 41, 1, 1, 1, 1, 30, 1, 40, -1]);
SELECT kind, amount, balance_after FROM authmeter.ledger_statement(:'m');
SELECT b.version, b.amount FROM authmeter.grant_burn b JOIN authmeter.account a ON a.id = b.account_id WHERE a.user_id = :'n';
-- Keys: a repeat inside one call, by another call, and by ledger_spend.
SELECT (authmeter.ledger_grant(:'m', 'credit', 100)).balance;
SELECT index, :figures FROM authmeter.ledger_spend_many(
	array_fill(:'m'::uuid, ARRAY[5]), array_fill('credit'::text, ARRAY[5]), ARRAY[10, 10, 11, 200, 10], ARRAY['m1', 'm1', 'm1', 'm2', '']);
SELECT index, :figures FROM authmeter.ledger_spend_many(
	ARRAY[:'m', :'m', :'n']::uuid[], ARRAY['credit', 'credit', 'credit'], ARRAY[200, 10, 1], ARRAY['m2', 'm1', 'm1']);
SELECT :figures FROM authmeter.ledger_spend(:'m', 'credit', 10, idempotency_key => 'm1');
SELECT count(*) FROM authmeter.ledger_spend_many('{}', '{}', '{}');
SELECT count(*) FROM authmeter.ledger_spend_many(NULL, '{}', '{}');
SELECT * FROM authmeter.ledger_spend_many(ARRAY[:'m']::uuid[], '{}', '{1}');
SELECT count(*) FROM authmeter.ledger_spend_many(
	array_fill(:'m'::uuid, ARRAY[10001]), array_fill('x'::text, ARRAY[10001]), array_fill(1::bigint, ARRAY[10001]));
SELECT outcome, count(*), min(balance), max(version) FROM authmeter.ledger_spend_many(
	array_fill(:'m'::uuid, ARRAY[10000]), array_fill('credit'::text, ARRAY[10000]), array_fill(1::bigint, ARRAY[10000])) GROUP BY 1 ORDER BY 1;
SELECT * FROM authmeter.ledger_verify();
SELECT (authmeter.user_delete(u)).outcome FROM unnest(ARRAY[:'m', :'n']::uuid[]) u;
