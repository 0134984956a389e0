/*
 * ledger.c
 *
 * Bookings on accounts: spend, grant, adjust, credit limit, refund, transfer. Holds are in
 * ledger_hold.c, dated grants in ledger_grant.c, arguments and idempotency in ledger_sql.c.
 *
 * The hot path is a spend from an account without dated grants and with nothing due: one UPDATE
 * decides and takes (WHERE it is allowed RETURNING), one INSERT records both sides. Parallel
 * spenders of one account wait for each other at that UPDATE and each decides by what the one
 * before left. A spend that is refused there is decided again by a plain read, which takes no lock
 * and writes nothing, and only what may yet succeed locks the account and looks at its grants.
 */
#include "compat.h"

#include "clock.h"
#include "id.h"
#include "ledger.h"
#include "ledger_account.h"
#include "ledger_book.h"
#include "ledger_grant.h"
#include "spi.h"

static AmPlan spend_plan = {
	"UPDATE authmeter.account a SET balance = a.balance" AM_MINUS "$3, version = a.version" AM_PLUS
	"1, updated_at = GREATEST(a.updated_at, $4) "
	"WHERE a.user_id" AM_EQ "$1 AND a.unit" AM_EQ "$2 AND a.closed_at IS NULL "
	"AND NOT a.has_grants AND a.due_at" AM_GT "$4 "
	"AND (a.balance" AM_MINUS "a.held" AM_PLUS "a.credit_limit)" AM_GE "$3 "
	"RETURNING " AM_ACCOUNT_COLUMNS,
	4,
	{UUIDOID, TEXTOID, INT8OID, TIMESTAMPTZOID},
	NULL};

static AmPlan peek_plan = {"SELECT " AM_ACCOUNT_COLUMNS " FROM authmeter.account a WHERE "
						   "a.user_id" AM_EQ "$1 AND a.unit" AM_EQ "$2",
						   2,
						   {UUIDOID, TEXTOID},
						   NULL};

static AmPlan grant_plan = {
	"INSERT INTO authmeter.credit_grant (account_id, id, amount, remaining, priority, "
	"effective_at, expires_at, granted_at, posted, source, reference) "
	"VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8, $9, $10)",
	10,
	{UUIDOID, UUIDOID, INT8OID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID,
	 TEXTOID, TEXTOID},
	NULL};

static AmPlan open_plan = {"SELECT pg_catalog.count(*) FROM authmeter.credit_grant g "
						   "WHERE g.account_id" AM_EQ "$1 AND g.open",
						   1,
						   {UUIDOID},
						   NULL};

static AmPlan origin_plan = {
	"SELECT a.unit, OPERATOR(pg_catalog.-) e.amount, e.version FROM authmeter.entry e "
	"JOIN authmeter.account a ON a.id" AM_EQ "e.account_id WHERE e.transaction_id" AM_EQ
	"$1 AND a.user_id" AM_EQ "$2 AND e.kind" AM_EQ "ANY (ARRAY['spend', 'capture'])",
	2,
	{UUIDOID, UUIDOID},
	NULL};

static AmPlan refunded_plan = {
	"SELECT COALESCE(pg_catalog.sum(e.amount), 0)::bigint FROM authmeter.entry e "
	"WHERE e.related_id" AM_EQ "$1 AND e.account_id" AM_EQ "$2 AND e.kind" AM_EQ "'refund'",
	2,
	{UUIDOID, UUIDOID},
	NULL};

/* What grants in force paid of an entry and did not get back yet, last burnt first. */
static AmPlan paid_plan = {
	"SELECT g.id, n.amount, g.priority FROM (SELECT b.grant_id, pg_catalog.sum(b.amount)::bigint "
	"AS amount FROM authmeter.grant_burn b WHERE b.account_id" AM_EQ "$1 AND b.version" AM_EQ
	"ANY (ARRAY(SELECT e.version FROM authmeter.entry e WHERE e.related_id" AM_EQ
	"$3 AND e.account_id" AM_EQ "$1 AND e.kind" AM_EQ
	"'refund' UNION ALL SELECT $2)) GROUP BY b.grant_id) n "
	"JOIN authmeter.credit_grant g ON g.account_id" AM_EQ "$1 AND g.id" AM_EQ "n.grant_id "
	"WHERE n.amount" AM_GT "0 AND g.voided_at IS NULL AND g.expires_at" AM_GT "$4 "
	"ORDER BY g.priority DESC, g.expires_at DESC, g.granted_at DESC, g.id DESC",
	4,
	{UUIDOID, INT8OID, UUIDOID, TIMESTAMPTZOID},
	NULL};

/* Both accounts of a transfer, locked by ascending id. */
static AmPlan two_plan = {"SELECT " AM_ACCOUNT_COLUMNS " FROM authmeter.account a WHERE "
						  "a.unit" AM_EQ "$3 AND a.user_id" AM_EQ
						  "ANY (ARRAY[$1, $2]) ORDER BY a.id FOR UPDATE",
						  3,
						  {UUIDOID, UUIDOID, TEXTOID},
						  NULL};

static AmEntry
entry_of(const AmLedgerCall *call, const char *kind, int64 amount, const char *counter,
		 TimestampTz now)
{
	return (AmEntry){.transaction = call->transaction,
					 .kind = kind,
					 .amount = amount,
					 .counter = counter,
					 .description = call->description,
					 .reference = call->reference,
					 .at = now};
}

/* The hot path; false leaves the call undecided. */
static bool
spend_direct(AmLedgerCall *call, const char *kind, const char *counter, TimestampTz now)
{
	Datum values[4] = {UUIDPGetDatum(&call->user), PointerGetDatum(call->unit),
					   Int64GetDatum(call->amount), TimestampTzGetDatum(now)};
	AmEntry entry = entry_of(call, kind, -call->amount, counter, now);
	AmAccount account;

	if (am_spi_run(&spend_plan, values, NULL, 0) == 0)
		return false;
	am_account_read(0, &account);
	am_account_record(&account, &entry);
	am_account_done(&account, call, call->amount);
	return true;
}

/* A refusal that needs no lock: nothing is due and the credit is not there. */
static bool
spend_refused(AmLedgerCall *call, TimestampTz now)
{
	Datum values[2] = {UUIDPGetDatum(&call->user), PointerGetDatum(call->unit)};
	AmAccount account;

	if (am_spi_run(&peek_plan, values, NULL, 1) == 0)
		return false;
	am_account_read(0, &account);
	if (account.closed || account.due_at <= now || am_account_available(&account) >= call->amount)
		return false;
	call->outcome = "insufficient";
	am_account_tell(&account, call);
	return true;
}

static void
spend_locked(AmLedgerCall *call, AmAccount *account, AmEntry *entry)
{
	AmGrantShares shares = am_grant_free(account);
	int64 plain = account->balance - account->held - am_grant_shares_sum(&shares);

	am_grant_allocate(&shares, plain, call->amount);
	am_account_book(account, entry);
	am_grant_burn(account, &shares);
	am_account_done(account, call, call->amount);
}

void
am_ledger_spend_locked(AmLedgerCall *call, AmAccount *account, TimestampTz now)
{
	AmEntry entry = entry_of(call, "spend", -call->amount, "revenue", now);

	spend_locked(call, account, &entry);
}

static void
debit(AmLedgerCall *call, const char *kind, const char *counter)
{
	TimestampTz now = am_clock_now();
	AmEntry entry = entry_of(call, kind, -call->amount, counter, now);
	AmAccount account;

	if (spend_direct(call, kind, counter, now) || spend_refused(call, now) ||
		!am_account_open(call, false, now, &account))
		return;
	if (am_account_available(&account) >= call->amount)
		spend_locked(call, &account, &entry);
	else
		call->outcome = "insufficient";
	am_account_save(&account);
	am_account_tell(&account, call);
}

void
am_ledger_spend(AmLedgerCall *call)
{
	debit(call, "spend", "revenue");
}

/* Adds plain credit to an open account, if it fits. */
static void
credit(AmLedgerCall *call, AmAccount *account, const AmEntry *entry)
{
	if (entry->amount > am_account_room(account))
	{
		call->outcome = "overflow";
		am_account_tell(account, call);
		return;
	}
	am_account_book(account, entry);
	am_account_done(account, call, entry->amount);
}

void
am_ledger_adjust(AmLedgerCall *call)
{
	TimestampTz now = am_clock_now();
	AmAccount account;
	AmEntry entry;

	if (call->amount < 0)
	{
		call->amount = -call->amount;
		debit(call, "adjust", "adjustment");
		return;
	}
	if (!am_account_open(call, true, now, &account))
		return;
	entry = entry_of(call, "adjust", call->amount, "adjustment", now);
	credit(call, &account, &entry);
	am_account_save(&account);
}

static void
grant_insert(const AmLedgerCall *call, AmAccount *account, const AmGrantTerms *terms,
			 TimestampTz now)
{
	Datum values[10] = {UUIDPGetDatum(&account->id),
						UUIDPGetDatum(&call->transaction),
						Int64GetDatum(call->amount),
						Int32GetDatum(terms->priority),
						TimestampTzGetDatum(terms->effective_at),
						TimestampTzGetDatum(terms->expires_at),
						TimestampTzGetDatum(now),
						BoolGetDatum(terms->effective_at <= now),
						PointerGetDatum(terms->source),
						PointerGetDatum(call->reference)};

	am_spi_run(&grant_plan, values, call->reference == NULL ? "         n" : NULL, 0);
	account->reschedule = account->has_grants = true;
}

static bool
grants_full(const AmAccount *account)
{
	Datum value = UUIDPGetDatum(&account->id);

	if (!account->has_grants)
		return false;
	am_spi_run(&open_plan, &value, NULL, 1);
	return am_spi_int64(0, 1) >= AM_GRANTS_OPEN_MAX;
}

/* A grant that begins later: recorded now, booked then. */
static void
grant_later(AmLedgerCall *call, AmAccount *account, const AmGrantTerms *terms, TimestampTz now)
{
	if (call->amount > am_account_room(account))
		call->outcome = "overflow";
	else
	{
		grant_insert(call, account, terms, now);
		am_account_done(account, call, call->amount);
		call->booked = false;
	}
}

void
am_ledger_grant(AmLedgerCall *call, AmGrantTerms *terms)
{
	TimestampTz now = am_clock_now();
	AmEntry entry = entry_of(call, "grant", call->amount, "issued", now);
	AmAccount account;
	bool dated;

	entry.source = terms->source;
	if (terms->effective_at == DT_NOBEGIN)
		terms->effective_at = now;
	dated = terms->effective_at > now || terms->expires_at != DT_NOEND ||
			terms->priority != AM_GRANT_PRIORITY;
	if (terms->expires_at <= now || terms->expires_at <= terms->effective_at)
	{
		call->outcome = "dates_invalid";
		return;
	}
	if (!am_account_open(call, true, now, &account))
		return;
	if (dated && grants_full(&account))
		call->outcome = "grants_many";
	else if (terms->effective_at > now)
		grant_later(call, &account, terms, now);
	else
	{
		credit(call, &account, &entry);
		if (dated && call->booked)
			grant_insert(call, &account, terms, now);
	}
	am_account_save(&account);
	am_account_tell(&account, call);
}

void
am_ledger_credit_limit_set(AmLedgerCall *call)
{
	TimestampTz now = am_clock_now();
	AmEntry entry = entry_of(call, "limit", 0, NULL, now);
	AmGrantShares shares;
	AmAccount account;

	if (!am_account_open(call, true, now, &account))
		return;
	/* What grants still give does not count: the debt beneath shows when they end. */
	shares = am_grant_free(&account);
	if (account.balance - account.held - am_grant_shares_sum(&shares) < -call->amount)
		call->outcome = "insufficient";
	else
	{
		account.credit_limit = call->amount;
		am_account_book(&account, &entry);
		am_account_done(&account, call, 0);
	}
	am_account_save(&account);
	am_account_tell(&account, call);
}

/* Gives amount back to the grants that paid the entry of that version, as far as they did. */
static void
grants_restore(AmAccount *account, const pg_uuid_t *origin, int64 version, int64 amount,
			   TimestampTz now)
{
	Datum values[4] = {UUIDPGetDatum(&account->id), Int64GetDatum(version), UUIDPGetDatum(origin),
					   TimestampTzGetDatum(now)};
	AmGrantShares shares = am_grant_shares_read(am_spi_run(&paid_plan, values, NULL, 0));
	int i;

	for (i = 0; i < shares.count && amount > 0; i++)
	{
		int64 back = Min(amount, shares.shares[i].free);

		am_grant_burn_one(account, &shares.shares[i].grant, -back);
		amount -= back;
	}
}

static void
refund_locked(AmLedgerCall *call, AmAccount *account, const pg_uuid_t *origin, int64 spent,
			  int64 version, TimestampTz now)
{
	Datum values[2] = {UUIDPGetDatum(origin), UUIDPGetDatum(&account->id)};
	AmEntry entry;
	int64 left;

	am_spi_run(&refunded_plan, values, NULL, 1);
	left = spent - am_spi_int64(0, 1);
	entry = entry_of(call, "refund", call->amount == 0 ? left : call->amount, "revenue", now);
	entry.related = origin;
	if (left == 0)
		call->outcome = "already_refunded";
	else if (entry.amount > left)
		call->outcome = "amount_invalid";
	else
	{
		credit(call, account, &entry);
		if (call->booked)
			grants_restore(account, origin, version, entry.amount, now);
	}
}

void
am_ledger_refund(AmLedgerCall *call, const pg_uuid_t *origin)
{
	TimestampTz now = am_clock_now();
	Datum values[2] = {UUIDPGetDatum(origin), UUIDPGetDatum(&call->user)};
	AmAccount account;
	int64 spent;
	int64 version;

	if (am_spi_run(&origin_plan, values, NULL, 1) == 0)
	{
		call->outcome = "transaction_unknown";
		return;
	}
	call->unit = DatumGetTextPP(am_spi_datum(0, 1));
	spent = am_spi_int64(0, 2);
	version = am_spi_int64(0, 3);
	if (!am_account_open(call, false, now, &account))
		return;
	refund_locked(call, &account, origin, spent, version, now);
	am_account_save(&account);
	am_account_tell(&account, call);
}

/* The giver has enough plain credit of its own. */
static bool
transfer_allowed(const AmAccount *giver, int64 amount)
{
	AmGrantShares shares = am_grant_free(giver);

	return giver->balance - giver->held - am_grant_shares_sum(&shares) >= amount;
}

static void
transfer_book(AmLedgerCall *call, AmAccount *giver, AmAccount *taker, TimestampTz now)
{
	AmEntry given = entry_of(call, "transfer", -call->amount, NULL, now);
	AmEntry taken = entry_of(call, "transfer", call->amount, NULL, now);

	given.peer = &taker->id;
	taken.peer = &giver->id;
	if (!transfer_allowed(giver, call->amount))
		call->outcome = "insufficient";
	else if (call->amount > am_account_room(taker))
		call->outcome = "overflow";
	else
	{
		am_account_book(giver, &given);
		am_account_book(taker, &taken);
		am_account_done(giver, call, call->amount);
	}
}

/* Makes the receiver's account at need; false: the outcome says why nothing can be moved. */
static bool
transfer_prepare(AmLedgerCall *call, const pg_uuid_t *receiver, TimestampTz now)
{
	Datum values[2] = {UUIDPGetDatum(&call->user), PointerGetDatum(call->unit)};

	if (am_spi_run(&peek_plan, values, NULL, 1) == 0)
	{
		call->outcome = am_account_missing(&call->user, call->unit);
		return false;
	}
	values[0] = UUIDPGetDatum(receiver);
	if (am_spi_run(&peek_plan, values, NULL, 1) == 1)
		return true;
	if (!am_account_make(receiver, call->unit, now) &&
		strcmp(am_account_missing(receiver, call->unit), "user_unknown") == 0)
		call->outcome = "receiver_unknown";
	return call->outcome == NULL;
}

void
am_ledger_transfer(AmLedgerCall *call, const pg_uuid_t *receiver)
{
	TimestampTz now = am_clock_now();
	Datum values[3] = {UUIDPGetDatum(&call->user), UUIDPGetDatum(receiver),
					   PointerGetDatum(call->unit)};
	AmAccount both[2];
	AmAccount *giver;
	AmAccount *taker;
	int i;

	if (!transfer_prepare(call, receiver, now))
		return;
	if (am_spi_run(&two_plan, values, NULL, 0) != 2)
		ereport(ERROR, errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				errmsg("could not lock both accounts of a transfer"));
	am_account_read(0, &both[0]);
	am_account_read(1, &both[1]);
	giver = &both[memcmp(&both[0].user, &call->user, sizeof(pg_uuid_t)) == 0 ? 0 : 1];
	taker = giver == &both[0] ? &both[1] : &both[0];
	if (giver->closed)
		call->outcome = "user_unknown";
	else if (taker->closed)
		call->outcome = "receiver_unknown";
	if (call->outcome != NULL)
		return;
	for (i = 0; i < 2; i++)
		if (both[i].due_at <= now)
			(void) am_grant_settle(&both[i], now);
	transfer_book(call, giver, taker, now);
	am_account_save(giver);
	am_account_save(taker);
	am_account_tell(giver, call);
}
