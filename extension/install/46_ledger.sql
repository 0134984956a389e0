-- Ledger: units, accounts, entries, grants, holds.

CREATE TABLE authmeter.unit (
	name text PRIMARY KEY CHECK (name OPERATOR(pg_catalog.~) '^[a-z0-9][a-z0-9._-]{0,62}$'),
	scale smallint NOT NULL CHECK (scale BETWEEN 0 AND 9),
	builtin boolean NOT NULL DEFAULT false,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE authmeter.unit IS
	'What accounts are kept in. Amounts are whole minor units: with scale 2, 150 means 1.50. A unit never changes. builtin marks those that authmeter itself brings.';
INSERT INTO authmeter.unit (name, scale, builtin) VALUES ('credit', 2, true);
SELECT pg_catalog.pg_extension_config_dump('authmeter.unit', 'WHERE NOT builtin');

CREATE TABLE authmeter.account (
	user_id uuid NOT NULL,
	unit text NOT NULL,
	id uuid NOT NULL UNIQUE,
	balance bigint NOT NULL DEFAULT 0,
	held bigint NOT NULL DEFAULT 0,
	credit_limit bigint NOT NULL DEFAULT 0,
	version bigint NOT NULL DEFAULT 0,
	has_grants boolean NOT NULL DEFAULT false,
	due_at timestamptz NOT NULL DEFAULT 'infinity',
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL,
	closed_at timestamptz,
	PRIMARY KEY (user_id, unit)
) WITH (fillfactor = 70);
CREATE INDEX account_due_at ON authmeter.account (due_at) WHERE due_at < 'infinity';
COMMENT ON TABLE authmeter.account IS
	'One account a user and unit, made by the first grant, transfer or credit limit. balance, held and credit_limit are minor units, version counts the entries. has_grants: some row of credit_grant is open; due_at: the next moment at which a grant begins or ends or a hold expires. Both let a spend that concerns neither be decided by this row alone. No index covers a column that a spend changes, and no key or check is evaluated again at each: the functions keep the invariants, authmeter.ledger_verify shows it. Its user may be deleted, which sets closed_at: accounts and entries are books and stay.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.account', '');

CREATE TABLE authmeter.entry (
	account_id uuid NOT NULL,
	version bigint NOT NULL,
	transaction_id uuid NOT NULL,
	kind text NOT NULL CHECK (kind IN ('grant', 'spend', 'hold', 'capture', 'void', 'hold_expire',
		'refund', 'transfer', 'expire', 'grant_void', 'adjust', 'limit')),
	amount bigint NOT NULL,
	held_change bigint NOT NULL,
	balance_after bigint NOT NULL,
	held_after bigint NOT NULL,
	limit_after bigint NOT NULL,
	at timestamptz NOT NULL,
	reference text,
	counter_account text,
	related_id uuid,
	source text,
	PRIMARY KEY (account_id, version)
);
CREATE INDEX entry_transaction_id ON authmeter.entry (transaction_id);
CREATE INDEX entry_related_id ON authmeter.entry (related_id) WHERE related_id IS NOT NULL;
COMMENT ON TABLE authmeter.entry IS
	'The side of a transaction that concerns a user''s account. version counts from 1 without a gap, at never runs back, balance_after is the one before plus amount, held_after the one before plus held_change. Kinds hold, void, hold_expire and limit move no money: their amount is 0. counter_account names the system account (issued, revenue, expired, adjustment) or the other account''s id, NULL where no money moves; related_id the hold of a capture, void or expiry, the origin of a refund, the grant of an expiry or void; source where a grant comes from. reference is the caller''s own id of the matter and must hold no personal data. Rows are never changed or deleted.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.entry', '');

CREATE TABLE authmeter.system_entry (
	transaction_id uuid NOT NULL,
	account text NOT NULL,
	unit text NOT NULL,
	amount bigint NOT NULL,
	at timestamptz NOT NULL,
	PRIMARY KEY (transaction_id, account)
);
COMMENT ON TABLE authmeter.system_entry IS
	'The other side of a transaction: a system account, without a running balance, so that nothing global is hot. issued: granted and taken back; revenue: spent and refunded; expired: ended grants; adjustment: corrections. The entries of a transaction sum to 0. Rows are never changed or deleted.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.system_entry', '');

CREATE TABLE authmeter.entry_note (
	account_id uuid NOT NULL,
	version bigint NOT NULL,
	description text NOT NULL,
	PRIMARY KEY (account_id, version)
);
COMMENT ON TABLE authmeter.entry_note IS
	'Descriptions of entries: free text that may be personal, hence beside the books and deleted with the user.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.entry_note', '');

CREATE TABLE authmeter.credit_grant (
	account_id uuid NOT NULL,
	id uuid NOT NULL,
	amount bigint NOT NULL,
	remaining bigint NOT NULL,
	reserved bigint NOT NULL DEFAULT 0,
	priority integer NOT NULL,
	effective_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	granted_at timestamptz NOT NULL,
	voided_at timestamptz,
	posted boolean NOT NULL,
	open boolean NOT NULL DEFAULT true,
	source text NOT NULL,
	reference text,
	PRIMARY KEY (account_id, id)
) WITH (fillfactor = 80);
CREATE INDEX credit_grant_open ON authmeter.credit_grant (account_id) WHERE open;
COMMENT ON TABLE authmeter.credit_grant IS
	'Grants with a date or a priority of their own. All other grants make up the plain credit of an account, which is its balance less what remains of these; it burns at priority 100, after dated grants of that priority, oldest first. id is the transaction of the grant. posted: in force, hence part of the balance; remaining: not spent, expired or voided; reserved: the part of it that open holds keep; voided_at: taken back by ledger_grant_void, so that it ends then; open: something may still happen to it.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.credit_grant', '');

CREATE TABLE authmeter.grant_burn (
	account_id uuid NOT NULL,
	version bigint NOT NULL,
	grant_id uuid NOT NULL,
	amount bigint NOT NULL,
	PRIMARY KEY (account_id, version, grant_id)
);
CREATE INDEX grant_burn_grant ON authmeter.grant_burn (account_id, grant_id);
COMMENT ON TABLE authmeter.grant_burn IS
	'Which grant paid how much of an entry; negative where a refund gave it back. What an entry took beyond these rows came from plain credit or the credit limit. Rows are never changed or deleted.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.grant_burn', '');

CREATE TABLE authmeter.hold (
	account_id uuid NOT NULL,
	id uuid NOT NULL,
	amount bigint NOT NULL,
	captured bigint NOT NULL DEFAULT 0,
	released bigint NOT NULL DEFAULT 0,
	state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'captured', 'voided', 'expired')),
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	resolved_at timestamptz,
	PRIMARY KEY (account_id, id)
) WITH (fillfactor = 80);
CREATE INDEX hold_open ON authmeter.hold (account_id) WHERE state = 'open';
COMMENT ON TABLE authmeter.hold IS
	'Amounts set aside until expires_at. Open ones keep amount less captured less released; from expires_at on that counts as free, whether or not the row says so yet. id is the transaction of the hold.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.hold', '');

CREATE TABLE authmeter.hold_grant (
	account_id uuid NOT NULL,
	hold_id uuid NOT NULL,
	grant_id uuid NOT NULL,
	amount bigint NOT NULL,
	PRIMARY KEY (account_id, hold_id, grant_id)
) WITH (fillfactor = 80);
COMMENT ON TABLE authmeter.hold_grant IS
	'What open holds keep of which grant; a reserved part does not expire before its hold ends.';
SELECT pg_catalog.pg_extension_config_dump('authmeter.hold_grant', '');

CREATE FUNCTION authmeter.ledger_append_only() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RAISE EXCEPTION 'rows of table "%" are never changed', TG_TABLE_NAME
		USING ERRCODE = 'MA055', HINT = 'Correct a booking by another one: ledger_refund or ledger_adjust.';
END
$$;
COMMENT ON FUNCTION authmeter.ledger_append_only() IS
	'Trigger that keeps the books append-only: raises MA055 (ledger_append_only).';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON authmeter.entry
	FOR EACH STATEMENT EXECUTE FUNCTION authmeter.ledger_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON authmeter.system_entry
	FOR EACH STATEMENT EXECUTE FUNCTION authmeter.ledger_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON authmeter.grant_burn
	FOR EACH STATEMENT EXECUTE FUNCTION authmeter.ledger_append_only();

CREATE TYPE authmeter.ledger_result AS (
	outcome text,
	transaction_id uuid,
	amount bigint,
	balance bigint,
	held bigint,
	available bigint,
	version bigint,
	replayed boolean
);
COMMENT ON TYPE authmeter.ledger_result IS
	'Answer of every function that changes the ledger. outcome: ok; insufficient (nothing moved); amount_invalid (NULL, zero, negative, or more than the matter allows); overflow (an amount or balance would pass 4 * 10^18); user_unknown (also deleted); unit_unknown; account_unknown (the user has none in this unit); key_invalid (idempotency key empty or over 255 bytes); key_conflict (the key was used for another request); and those that a function''s own comment adds. transaction_id and amount (minor units moved or held, never negative) tell what was booked and are NULL unless ok; balance, held, available (balance less held plus credit limit) and version are the account''s after the call, with insufficient its present ones. replayed: this is the answer of an earlier call with the same key.';

CREATE FUNCTION authmeter.unit_create(name text, scale integer) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF unit_create.name IS NULL OR unit_create.name !~ '^[a-z0-9][a-z0-9._-]{0,62}$'
		OR unit_create.scale IS NULL OR unit_create.scale NOT BETWEEN 0 AND 9 THEN
		RAISE EXCEPTION 'invalid unit' USING ERRCODE = 'MA056',
			HINT = 'A name has 1 to 63 characters a-z 0-9 . _ - and begins with a letter or digit; a scale is 0 to 9.';
	END IF;
	INSERT INTO authmeter.unit (name, scale) VALUES (unit_create.name, unit_create.scale) ON CONFLICT DO NOTHING;
	RETURN CASE WHEN FOUND THEN 'created' ELSE 'exists' END;
END
$$;
COMMENT ON FUNCTION authmeter.unit_create(text, integer) IS
	'Creates a unit: name of 1 to 63 characters a-z 0-9 . _ -, beginning with a letter or digit; scale 0 to 9, the decimals of its minor unit. Returns created, or exists (unchanged). Raises MA056 (unit_invalid).';

CREATE FUNCTION authmeter.unit_list() RETURNS TABLE (name text, scale smallint, builtin boolean, created_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT u.name, u.scale, u.builtin, u.created_at FROM authmeter.unit u ORDER BY u.name;
END;
COMMENT ON FUNCTION authmeter.unit_list() IS 'All units by name.';

CREATE FUNCTION authmeter.ledger_grant(
	user_id uuid, unit text, amount bigint, source text DEFAULT 'grant', priority integer DEFAULT 100,
	effective_at timestamptz DEFAULT NULL, expires_at timestamptz DEFAULT NULL,
	description text DEFAULT NULL, reference text DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS authmeter.ledger_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_ledger_grant';
COMMENT ON FUNCTION authmeter.ledger_grant(uuid, text, bigint, text, integer, timestamptz, timestamptz, text, text, text) IS
	'Gives a user credit (minor units, above 0), making the account at need. source (1 to 63 bytes) says where it comes from. Grants burn by priority (0 to 1000, lower first), then expiry, then age. A grant without dates and of priority 100 is plain credit, which costs nothing to spend from; effective_at in the future: it counts from then on and is booked by the first change after it; expires_at: what is left then, and not held, expires. A grant pays for what is spent while it is in force and repays no older debt. Further outcomes: dates_invalid (it would expire before it begins, or already has), priority_invalid, grants_many (1,000 dated grants are open). transaction_id is the grant''s id. Raises MA006 (limit_exceeded) for a description over 1,000 or a reference over 255 bytes, MA007 (argument_invalid) for a source of another length.';

CREATE FUNCTION authmeter.ledger_grant_void(
	user_id uuid, grant_id uuid, description text DEFAULT NULL, reference text DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS authmeter.ledger_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_ledger_grant_void';
COMMENT ON FUNCTION authmeter.ledger_grant_void(uuid, uuid, text, text, text) IS
	'Takes a grant back, once: of a dated one all that is left and not held, of plain credit up to the grant''s amount as far as plain credit is left. amount tells how much came back, 0 when all is used; a grant that has not begun never will. Further outcomes: grant_unknown (none of this user), grant_ended (voided, expired or used up before).';

CREATE FUNCTION authmeter.ledger_settle(rows_max integer DEFAULT 1000) RETURNS bigint
LANGUAGE c VOLATILE SECURITY DEFINER STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_ledger_settle';
COMMENT ON FUNCTION authmeter.ledger_settle(integer) IS
	'Books what has become due (grants that began or ended, holds that expired) on up to rows_max accounts that nobody is using at the moment, and returns on how many. Figures are right without it; it keeps the books themselves up to date.';

CREATE FUNCTION authmeter.ledger_spend(
	user_id uuid, unit text, amount bigint, description text DEFAULT NULL, reference text DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS authmeter.ledger_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_ledger_spend';
COMMENT ON FUNCTION authmeter.ledger_spend(uuid, text, bigint, text, text, text) IS
	'Takes amount (minor units, above 0) from a user''s account in one atomic step, in the caller''s transaction, if balance less held plus credit limit allows it. Exact under any number of parallel callers: of several for the last credit one wins. With an idempotency key (1 to 255 bytes, unique per user) a repeat changes nothing and returns the first answer with replayed = true. Every refusal is an outcome, see type authmeter.ledger_result. Raises MA006 (limit_exceeded) for a description over 1,000 or a reference over 255 bytes.';

CREATE FUNCTION authmeter.ledger_spend_many(
	user_ids uuid[], units text[], amounts bigint[], idempotency_keys text[] DEFAULT NULL,
	OUT index integer, OUT outcome text, OUT transaction_id uuid, OUT amount bigint, OUT balance bigint,
	OUT held bigint, OUT available bigint, OUT version bigint, OUT replayed boolean)
RETURNS SETOF record
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE ROWS 10
AS 'MODULE_PATHNAME', 'authmeter_ledger_spend_many';
COMMENT ON FUNCTION authmeter.ledger_spend_many(uuid[], text[], bigint[], text[]) IS
	'ledger_spend for up to 10,000 items given as parallel arrays, in one statement: one row an item, in the order of the input (index from 1), each with its own outcome, as if the items had been spent one after the other. Accounts are locked in a fixed order, so parallel callers never deadlock; an account named by many items is written once. Raises MA007 (argument_invalid) for arrays of unequal length and MA006 (limit_exceeded) for more items.';

CREATE FUNCTION authmeter.ledger_refund(
	user_id uuid, transaction_id uuid, amount bigint DEFAULT NULL, description text DEFAULT NULL,
	reference text DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS authmeter.ledger_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_ledger_refund';
COMMENT ON FUNCTION authmeter.ledger_refund(uuid, uuid, bigint, text, text, text) IS
	'Gives back a spend or capture of this user, whole or in parts, in total once: amount NULL is all that was not given back yet, a greater amount is amount_invalid. Grants that paid and are still in force get theirs back first, last burnt first; the rest becomes plain credit. Further outcomes: transaction_unknown (none of this user, or of another kind), already_refunded.';

CREATE FUNCTION authmeter.ledger_transfer(
	from_user uuid, to_user uuid, unit text, amount bigint, description text DEFAULT NULL,
	reference text DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS authmeter.ledger_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_ledger_transfer';
COMMENT ON FUNCTION authmeter.ledger_transfer(uuid, uuid, text, bigint, text, text, text) IS
	'Moves plain credit from one user to another, both sides in one transaction; dated grants and the credit limit cannot be moved, so insufficient may come with a higher balance. The figures are the giver''s, and so is the idempotency key. The receiver''s account is made at need. Further outcomes: receiver_unknown, same_account.';

CREATE FUNCTION authmeter.ledger_adjust(
	user_id uuid, unit text, amount bigint, description text DEFAULT NULL, reference text DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS authmeter.ledger_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_ledger_adjust';
COMMENT ON FUNCTION authmeter.ledger_adjust(uuid, text, bigint, text, text, text) IS
	'Corrects an account: a positive amount gives plain credit, a negative one takes as ledger_spend does. Booked against the system account adjustment.';

CREATE FUNCTION authmeter.ledger_credit_limit_set(
	user_id uuid, unit text, credit_limit bigint, idempotency_key text DEFAULT NULL)
RETURNS authmeter.ledger_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'authmeter_ledger_credit_limit_set';
COMMENT ON FUNCTION authmeter.ledger_credit_limit_set(uuid, text, bigint, text) IS
	'Lets an account go below 0 by up to credit_limit (minor units, 0 to 4 * 10^18), making the account at need. insufficient: more than that is used already. Recorded as an entry of kind limit.';

CREATE FUNCTION authmeter.ledger_hold(
	user_id uuid, unit text, amount bigint, lifetime interval DEFAULT '10 minutes',
	description text DEFAULT NULL, reference text DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS authmeter.ledger_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_ledger_hold';
COMMENT ON FUNCTION authmeter.ledger_hold(uuid, text, bigint, interval, text, text, text) IS
	'Sets amount aside for lifetime (above 0, up to 7 days), if a spend of it would be allowed now; transaction_id is the id of the hold. What it keeps of dated grants does not expire before the hold ends. ledger_capture spends it, ledger_void frees it, and from its expiry on it counts as free at once, without a job. Commit before you call anybody else, then capture: a hold is there so that no lock is. Further outcome: lifetime_invalid.';

CREATE FUNCTION authmeter.ledger_capture(
	hold_id uuid, user_id uuid, amount bigint DEFAULT NULL, keep_rest boolean DEFAULT false,
	description text DEFAULT NULL, reference text DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS authmeter.ledger_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_ledger_capture';
COMMENT ON FUNCTION authmeter.ledger_capture(uuid, uuid, bigint, boolean, text, text, text) IS
	'Spends a hold of this user: amount (NULL: all of it), and frees the rest unless keep_rest, which leaves it held for further captures. An amount above what is held takes the excess from the account, whole or not at all (insufficient leaves the hold as it is). The grants that the hold kept pay first. Further outcomes: hold_unknown (none of this user), hold_expired (too late: nothing is booked, a ledger_spend may be tried), hold_resolved (captured or voided before).';

CREATE FUNCTION authmeter.ledger_void(
	hold_id uuid, user_id uuid, description text DEFAULT NULL, reference text DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS authmeter.ledger_result
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authmeter_ledger_void';
COMMENT ON FUNCTION authmeter.ledger_void(uuid, uuid, text, text, text) IS
	'Frees what a hold of this user keeps; amount tells how much. Further outcomes: hold_unknown, hold_expired, hold_resolved.';

CREATE FUNCTION authmeter.ledger_balance(
	user_id uuid, unit text DEFAULT 'credit', at timestamptz DEFAULT NULL,
	OUT balance bigint, OUT held bigint, OUT available bigint, OUT credit_limit bigint, OUT version bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	a authmeter.account;
	moment timestamptz := coalesce(ledger_balance.at, authmeter.clock());
BEGIN
	balance := 0; held := 0; credit_limit := 0; version := 0;
	SELECT t.* INTO a FROM authmeter.account t
	WHERE t.user_id = ledger_balance.user_id AND t.unit = ledger_balance.unit;
	IF FOUND AND moment < a.updated_at AND ledger_balance.at IS NOT NULL THEN
		SELECT e.balance_after, e.held_after, e.limit_after, e.version INTO balance, held, credit_limit, version
		FROM authmeter.entry e WHERE e.account_id = a.id AND e.at <= moment
		ORDER BY e.version DESC LIMIT 1;
		balance := coalesce(balance, 0); held := coalesce(held, 0);
		credit_limit := coalesce(credit_limit, 0); version := coalesce(version, 0);
	ELSIF FOUND THEN
		balance := a.balance; held := a.held; credit_limit := a.credit_limit; version := a.version;
		IF a.due_at <= moment THEN
			SELECT a.balance + d.balance, a.held + d.held INTO balance, held
			FROM authmeter.ledger_due_sum(a.id, moment) d;
		END IF;
	END IF;
	available := balance - held + credit_limit;
END
$$;
COMMENT ON FUNCTION authmeter.ledger_balance(uuid, text, timestamptz) IS
	'An account''s figures in minor units, now or as of any moment, all from one snapshot; zeros for a user without that account. What has begun, ended or expired by then counts, booked or not. available = balance - held + credit_limit. A moment in the future tells what is left if nobody does anything.';

CREATE FUNCTION authmeter.ledger_due_sum(account_id uuid, moment timestamptz, OUT balance bigint, OUT held bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH ended AS (
		SELECT h.id, h.amount - h.captured - h.released AS rest FROM authmeter.hold h
		WHERE h.account_id = ledger_due_sum.account_id AND h.state = 'open' AND h.expires_at <= ledger_due_sum.moment)
	SELECT
		(SELECT coalesce(sum(CASE
			WHEN NOT g.posted AND g.effective_at <= ledger_due_sum.moment AND g.expires_at > ledger_due_sum.moment
				THEN g.remaining
			WHEN g.posted AND g.expires_at <= ledger_due_sum.moment
				THEN g.reserved - g.remaining - coalesce(
					(SELECT sum(r.amount)::bigint FROM authmeter.hold_grant r JOIN ended ON ended.id = r.hold_id
					WHERE r.account_id = g.account_id AND r.grant_id = g.id), 0)
			END), 0)::bigint
		FROM authmeter.credit_grant g WHERE g.account_id = ledger_due_sum.account_id AND g.open),
		(SELECT -coalesce(sum(ended.rest), 0)::bigint FROM ended);
END;
COMMENT ON FUNCTION authmeter.ledger_due_sum(uuid, timestamptz) IS
	'What grants that begin or end and holds that expire up to a moment, but are not booked yet, add to an account''s balance and held.';

CREATE FUNCTION authmeter.ledger_statement(
	user_id uuid, unit text DEFAULT 'credit', before_version bigint DEFAULT NULL, page_size integer DEFAULT 50,
	kinds text[] DEFAULT NULL)
RETURNS TABLE (version bigint, transaction_id uuid, kind text, amount bigint, balance_after bigint,
	held_after bigint, limit_after bigint, at timestamptz, description text, reference text,
	counter_account text, related_id uuid, source text)
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT e.version, e.transaction_id, e.kind, e.amount, e.balance_after, e.held_after, e.limit_after,
		e.at, n.description, e.reference, e.counter_account, e.related_id, e.source
	FROM authmeter.account a
	JOIN authmeter.entry e ON e.account_id = a.id
	LEFT JOIN authmeter.entry_note n ON n.account_id = e.account_id AND n.version = e.version
	WHERE a.user_id = ledger_statement.user_id AND a.unit = ledger_statement.unit
		AND e.version < coalesce(ledger_statement.before_version, 9223372036854775807)
		AND (ledger_statement.kinds IS NULL OR e.kind = ANY (ledger_statement.kinds))
	ORDER BY e.version DESC
	LIMIT greatest(1, least(coalesce(ledger_statement.page_size, 50), 1000));
END;
COMMENT ON FUNCTION authmeter.ledger_statement(uuid, text, bigint, integer, text[]) IS
	'Entries of an account, newest first, page_size (1 to 1,000) a page: pass the last version of a page as before_version of the next, so that a page costs the same wherever it lies and new entries shift nothing. kinds narrows to some kinds of entry. What is due but not booked is not in it.';

CREATE VIEW authmeter.account_info AS
	SELECT a.user_id, a.unit, a.id AS account_id, a.balance, a.held, a.balance - a.held + a.credit_limit AS available,
		a.credit_limit, a.version, u.scale, a.due_at, a.created_at, a.updated_at, a.closed_at
	FROM authmeter.account a JOIN authmeter.unit u ON u.name = a.unit;
COMMENT ON VIEW authmeter.account_info IS
	'Accounts with their booked figures; where due_at has passed, ledger_balance tells what they come to now.';

CREATE VIEW authmeter.grant_info AS
	WITH plain AS (
		SELECT e.account_id, e.version, e.transaction_id, coalesce(e.source, e.kind) AS source, e.kind, e.reference, e.at,
			e.amount + coalesce((SELECT sum(b.amount)::bigint FROM authmeter.grant_burn b
				WHERE b.account_id = e.account_id AND b.version = e.version), 0)
			- CASE WHEN e.kind = 'grant' THEN coalesce((SELECT g.amount FROM authmeter.credit_grant g
				WHERE g.account_id = e.account_id AND g.id = e.transaction_id), 0) ELSE 0 END AS amount
		FROM authmeter.entry e),
	flow AS (
		SELECT p.*,
			(sum(greatest(p.amount, 0)) OVER (PARTITION BY p.account_id ORDER BY p.version))::bigint AS filled,
			(sum(greatest(-p.amount, 0)) OVER (PARTITION BY p.account_id))::bigint AS drained
		FROM plain p)
	SELECT a.user_id, a.unit, g.account_id, g.id AS grant_id, g.source, g.amount, g.remaining, g.reserved,
		g.priority, g.effective_at, nullif(g.expires_at, 'infinity') AS expires_at, g.granted_at, g.voided_at, g.reference
	FROM authmeter.credit_grant g JOIN authmeter.account a ON a.id = g.account_id
	UNION ALL
	SELECT a.user_id, a.unit, f.account_id, f.transaction_id, f.source, f.amount,
		greatest(0, least(f.amount, f.filled - f.drained)), 0, 100, f.at, NULL, f.at, NULL, f.reference
	FROM flow f JOIN authmeter.account a ON a.id = f.account_id WHERE f.amount > 0;
COMMENT ON VIEW authmeter.grant_info IS
	'What credit came in and what is left of it: dated grants as recorded, plain credit (grants, refunds, transfers, corrections) burning oldest first. Give it a user_id or account_id: plain credit is computed from the account''s entries.';

CREATE FUNCTION authmeter.ledger_verify(user_id uuid DEFAULT NULL)
RETURNS TABLE (invariant text, account_id uuid, detail text)
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH a AS (
		SELECT t.* FROM authmeter.account t
		WHERE ledger_verify.user_id IS NULL OR t.user_id = ledger_verify.user_id),
	e AS (
		SELECT t.*, a.unit,
			lag(t.version, 1, 0::bigint) OVER w AS version_before, lag(t.balance_after, 1, 0::bigint) OVER w AS balance_before,
			lag(t.held_after, 1, 0::bigint) OVER w AS held_before, lag(t.at) OVER w AS at_before
		FROM a JOIN authmeter.entry t ON t.account_id = a.id
		WINDOW w AS (PARTITION BY t.account_id ORDER BY t.version)),
	side AS (
		SELECT t.transaction_id, b.unit, t.amount FROM authmeter.entry t JOIN authmeter.account b ON b.id = t.account_id
		WHERE ledger_verify.user_id IS NULL OR t.transaction_id IN (SELECT e.transaction_id FROM e)
		UNION ALL
		SELECT s.transaction_id, s.unit, s.amount FROM authmeter.system_entry s
		WHERE ledger_verify.user_id IS NULL OR s.transaction_id IN (SELECT e.transaction_id FROM e)),
	total AS (
		SELECT e.account_id, sum(e.amount) AS amount, max(e.version) AS version, max(e.at) AS at FROM e GROUP BY e.account_id),
	last AS (
		SELECT DISTINCT ON (e.account_id) e.account_id, e.balance_after, e.held_after, e.limit_after FROM e
		ORDER BY e.account_id, e.version DESC),
	burn AS (
		SELECT b.account_id, b.grant_id, sum(b.amount) AS amount FROM a JOIN authmeter.grant_burn b ON b.account_id = a.id
		GROUP BY b.account_id, b.grant_id),
	kept AS (
		SELECT r.account_id, r.grant_id, sum(r.amount) AS amount FROM a
		JOIN authmeter.hold_grant r ON r.account_id = a.id
		JOIN authmeter.hold h ON h.account_id = r.account_id AND h.id = r.hold_id AND h.state = 'open'
		GROUP BY r.account_id, r.grant_id),
	left_over AS (
		SELECT g.account_id, sum(g.remaining) FILTER (WHERE g.posted) AS remaining, sum(g.reserved) AS reserved,
			bool_or(g.open) AS open
		FROM a JOIN authmeter.credit_grant g ON g.account_id = a.id GROUP BY g.account_id),
	open_hold AS (
		SELECT h.account_id, sum(h.amount - h.captured - h.released) AS rest
		FROM a JOIN authmeter.hold h ON h.account_id = a.id WHERE h.state = 'open' GROUP BY h.account_id)
	SELECT 'I1', NULL::uuid, format('transaction %s sums to %s %s', side.transaction_id, sum(side.amount), side.unit)
	FROM side GROUP BY side.transaction_id, side.unit HAVING sum(side.amount) <> 0
	UNION ALL
	SELECT 'I2', a.id, format('balance %s, entries %s, last entry %s', a.balance, coalesce(total.amount, 0), coalesce(last.balance_after, 0))
	FROM a LEFT JOIN total ON total.account_id = a.id LEFT JOIN last ON last.account_id = a.id
	WHERE a.balance <> coalesce(total.amount, 0) OR a.balance <> coalesce(last.balance_after, 0)
		OR a.held <> coalesce(last.held_after, 0) OR a.credit_limit <> coalesce(last.limit_after, 0)
	UNION ALL
	SELECT 'I3', e.account_id, format('version %s follows %s, balance %s follows %s by %s',
		e.version, e.version_before, e.balance_after, e.balance_before, e.amount)
	FROM e WHERE e.version <> e.version_before + 1
		OR e.balance_after::numeric <> e.balance_before::numeric + e.amount
		OR e.held_after::numeric <> e.held_before::numeric + e.held_change
	UNION ALL
	SELECT 'I3', a.id, format('version %s, entries %s', a.version, coalesce(total.version, 0))
	FROM a LEFT JOIN total ON total.account_id = a.id WHERE a.version <> coalesce(total.version, 0)
	UNION ALL
	SELECT 'I4', e.account_id, format('version %s: balance %s, held %s, limit %s', e.version, e.balance_after, e.held_after, e.limit_after)
	FROM e WHERE e.balance_after::numeric - e.held_after < -e.limit_after::numeric OR e.held_after < 0 OR e.limit_after < 0
	UNION ALL
	SELECT 'I5', a.id, format('held %s, open holds %s', a.held, coalesce(open_hold.rest, 0))
	FROM a LEFT JOIN open_hold ON open_hold.account_id = a.id WHERE a.held <> coalesce(open_hold.rest, 0)
	UNION ALL
	SELECT 'I5', h.account_id, format('hold %s is %s: %s captured and %s released of %s', h.id, h.state, h.captured, h.released, h.amount)
	FROM a JOIN authmeter.hold h ON h.account_id = a.id
	WHERE h.captured < 0 OR h.released < 0 OR h.captured + h.released > h.amount
		OR (h.state <> 'open') <> (h.captured + h.released = h.amount AND h.resolved_at IS NOT NULL)
	UNION ALL
	SELECT 'I5', e.account_id, format('hold %s is resolved %s times', e.related_id, count(*))
	FROM e WHERE e.kind IN ('void', 'hold_expire') GROUP BY e.account_id, e.related_id HAVING count(*) > 1
	UNION ALL
	SELECT 'I7', g.account_id, format('grant %s of %s: %s burnt, %s remain, %s reserved', g.id, g.amount, coalesce(burn.amount, 0), g.remaining, g.reserved)
	FROM a JOIN authmeter.credit_grant g ON g.account_id = a.id
	LEFT JOIN burn ON burn.account_id = g.account_id AND burn.grant_id = g.id
	LEFT JOIN kept ON kept.account_id = g.account_id AND kept.grant_id = g.id
	WHERE g.amount <> g.remaining + coalesce(burn.amount, 0) OR g.remaining < g.reserved OR g.reserved < 0
		OR g.reserved <> coalesce(kept.amount, 0) OR (g.remaining > 0 AND NOT g.open)
	UNION ALL
	SELECT 'I7', a.id, format('plain credit %s, held of it %s, limit %s', a.balance - coalesce(left_over.remaining, 0),
		a.held - coalesce(left_over.reserved, 0), a.credit_limit)
	FROM a LEFT JOIN left_over ON left_over.account_id = a.id
	WHERE a.balance::numeric - coalesce(left_over.remaining, 0) - (a.held - coalesce(left_over.reserved, 0)) < -a.credit_limit::numeric
		OR a.has_grants <> coalesce(left_over.open, false)
	UNION ALL
	SELECT 'I7', b.account_id, format('entry %s of %s is paid by grants with %s', b.version, e.amount, sum(b.amount))
	FROM e JOIN authmeter.grant_burn b ON b.account_id = e.account_id AND b.version = e.version
	GROUP BY b.account_id, b.version, e.amount
	HAVING abs(sum(b.amount)) > abs(e.amount::numeric) OR sign(sum(b.amount)) = sign(e.amount::numeric)
	UNION ALL
	SELECT 'I7', e.account_id, format('transaction %s of %s is refunded with %s', e.transaction_id, e.amount, sum(r.amount))
	FROM e JOIN authmeter.entry r ON r.related_id = e.transaction_id AND r.account_id = e.account_id AND r.kind = 'refund'
	GROUP BY e.account_id, e.transaction_id, e.amount HAVING sum(r.amount) > -e.amount::numeric
	UNION ALL
	SELECT 'I14', e.account_id, format('version %s at %s follows %s', e.version, e.at, e.at_before)
	FROM e WHERE e.at < e.at_before
	UNION ALL
	SELECT 'I14', a.id, format('changed at %s, last entry at %s', a.updated_at, total.at)
	FROM a JOIN total ON total.account_id = a.id WHERE a.updated_at < total.at;
END;
COMMENT ON FUNCTION authmeter.ledger_verify(uuid) IS
	'Checks the books, of one user or of all: one row a violation, none when all is well. I1: entries of a transaction sum to 0; I2: balance, held and limit are those of the last entry, the balance is the sum of entries; I3: versions without a gap, each balance is the one before plus the amount; I4: never below the credit limit; I5: held is the sum of open holds, each hold is resolved once and in full; I7: what remains of a grant is what was not burnt, plain credit is never below the limit, no refund above its origin; I14: time never runs back. Reads every entry it is asked about.';

INSERT INTO authmeter.access_rule VALUES
	('service', 'function', 'authmeter', 'ledger_grant'),
	('service', 'function', 'authmeter', 'ledger_grant_void'),
	('service', 'function', 'authmeter', 'ledger_spend'),
	('service', 'function', 'authmeter', 'ledger_spend_many'),
	('service', 'function', 'authmeter', 'ledger_hold'),
	('service', 'function', 'authmeter', 'ledger_capture'),
	('service', 'function', 'authmeter', 'ledger_void'),
	('service', 'function', 'authmeter', 'ledger_refund'),
	('service', 'function', 'authmeter', 'ledger_transfer'),
	('service', 'function', 'authmeter', 'ledger_balance'),
	('service', 'function', 'authmeter', 'ledger_statement'),
	('service', 'function', 'authmeter', 'unit_list'),
	('reader', 'function', 'authmeter', 'ledger_balance'),
	('reader', 'function', 'authmeter', 'ledger_statement'),
	('reader', 'function', 'authmeter', 'ledger_verify'),
	('reader', 'function', 'authmeter', 'unit_list'),
	('reader', 'view', 'authmeter', 'account_info'),
	('reader', 'view', 'authmeter', 'grant_info'),
	('admin', 'function', 'authmeter', 'ledger_adjust'),
	('admin', 'function', 'authmeter', 'ledger_credit_limit_set'),
	('admin', 'function', 'authmeter', 'ledger_settle'),
	('admin', 'function', 'authmeter', 'unit_create');
