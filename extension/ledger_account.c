/*
 * ledger_account.c
 *
 * Accounts and their entries; see ledger_account.h for the protocol.
 *
 * The account's row is the one lock of a booking. Locks are taken in this order: idempotency keys,
 * the user's row (shared, only when an account is made), accounts by ascending id, then rows that
 * hang on a locked account, in any order.
 */
#include "compat.h"

#include "ledger_account.h"
#include "ledger_grant.h"
#include "spi.h"

static AmPlan lock_plan = {"SELECT " AM_ACCOUNT_COLUMNS " FROM authmeter.account a WHERE "
						   "a.user_id" AM_EQ "$1 AND a.unit" AM_EQ "$2 FOR UPDATE",
						   2,
						   {UUIDOID, TEXTOID},
						   NULL};

/* The lock keeps the user from vanishing meanwhile. */
static AmPlan make_plan = {
	"INSERT INTO authmeter.account (user_id, unit, id, created_at, updated_at) "
	"SELECT u.id, t.name, authmeter.id_new(u.id), $3, $3 FROM authmeter.user u, authmeter.unit t "
	"WHERE u.id" AM_EQ "$1 AND t.name" AM_EQ "$2 FOR KEY SHARE OF u "
	"ON CONFLICT DO NOTHING",
	3,
	{UUIDOID, TEXTOID, TIMESTAMPTZOID},
	NULL};

static AmPlan missing_plan = {"SELECT EXISTS (SELECT FROM authmeter.user u WHERE u.id" AM_EQ "$1), "
							  "EXISTS (SELECT FROM authmeter.unit t WHERE t.name" AM_EQ "$2)",
							  2,
							  {UUIDOID, TEXTOID},
							  NULL};

#define ENTRY_INSERT                                                                        \
	"INSERT INTO authmeter.entry (account_id, version, transaction_id, kind, amount, "      \
	"held_change, balance_after, held_after, limit_after, at, reference, counter_account, " \
	"related_id, source) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
#define ENTRY_TYPES                                                                  \
	UUIDOID, INT8OID, UUIDOID, TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, \
		TIMESTAMPTZOID, TEXTOID, TEXTOID, UUIDOID, TEXTOID

static AmPlan entry_plan = {ENTRY_INSERT, 14, {ENTRY_TYPES}, NULL};

/* Both sides at once. */
static AmPlan pair_plan = {
	"WITH s AS (INSERT INTO authmeter.system_entry (transaction_id, account, unit, amount, at) "
	"VALUES ($3, $12, $15, OPERATOR(pg_catalog.-) $5, $10)) " ENTRY_INSERT,
	15,
	{ENTRY_TYPES, TEXTOID},
	NULL};

static AmPlan note_plan = {
	"INSERT INTO authmeter.entry_note (account_id, version, description) VALUES ($1, $2, $3)",
	3,
	{UUIDOID, INT8OID, TEXTOID},
	NULL};

static AmPlan save_plan = {
	"UPDATE authmeter.account SET balance = $2, held = $3, credit_limit = $4, version = $5, "
	"has_grants = $6, due_at = $7, updated_at = $8 WHERE id" AM_EQ "$1",
	8,
	{UUIDOID, INT8OID, INT8OID, INT8OID, INT8OID, BOOLOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
	NULL};

static AmPlan schedule_plan = {
	"SELECT EXISTS (SELECT FROM authmeter.credit_grant g WHERE g.account_id" AM_EQ
	"$1 AND g.open), LEAST("
	"(SELECT pg_catalog.min(h.expires_at) FROM authmeter.hold h WHERE h.account_id" AM_EQ
	"$1 AND h.state" AM_EQ "'open'), "
	"(SELECT pg_catalog.min(CASE WHEN g.posted THEN g.expires_at ELSE g.effective_at END) "
	"FROM authmeter.credit_grant g WHERE g.account_id" AM_EQ
	"$1 AND g.open AND (NOT g.posted OR g.remaining" AM_GT "g.reserved)), 'infinity')",
	1,
	{UUIDOID},
	NULL};

static AmPlan pending_plan = {
	"SELECT pg_catalog.sum(g.remaining)::bigint FROM authmeter.credit_grant g "
	"WHERE g.account_id" AM_EQ "$1 AND g.open AND NOT g.posted",
	1,
	{UUIDOID},
	NULL};

void
am_account_read(uint64 row, AmAccount *account)
{
	account->id = am_spi_uuid(row, 1);
	account->user = am_spi_uuid(row, 2);
	account->unit = DatumGetTextPP(am_spi_datum(row, 3));
	account->balance = am_spi_int64(row, 4);
	account->held = am_spi_int64(row, 5);
	account->credit_limit = am_spi_int64(row, 6);
	account->version = account->saved_version = am_spi_int64(row, 7);
	account->has_grants = am_spi_bool(row, 8);
	account->closed = am_spi_bool(row, 9);
	account->due_at = am_spi_timestamptz(row, 10);
	account->updated_at = am_spi_timestamptz(row, 11);
	account->reschedule = false;
}

static bool
account_lock(const pg_uuid_t *user, text *unit, AmAccount *account)
{
	Datum values[2] = {UUIDPGetDatum(user), PointerGetDatum(unit)};

	if (am_spi_run(&lock_plan, values, NULL, 1) == 0)
		return false;
	am_account_read(0, account);
	return true;
}

bool
am_account_make(const pg_uuid_t *user, text *unit, TimestampTz now)
{
	Datum values[3] = {UUIDPGetDatum(user), PointerGetDatum(unit), TimestampTzGetDatum(now)};

	return am_spi_run(&make_plan, values, NULL, 0) == 1;
}

const char *
am_account_missing(const pg_uuid_t *user, text *unit)
{
	Datum values[2] = {UUIDPGetDatum(user), PointerGetDatum(unit)};

	am_spi_run(&missing_plan, values, NULL, 1);
	if (!am_spi_bool(0, 1))
		return "user_unknown";
	return am_spi_bool(0, 2) ? "account_unknown" : "unit_unknown";
}

bool
am_account_open(AmLedgerCall *call, bool make, TimestampTz now, AmAccount *account)
{
	bool found = account_lock(&call->user, call->unit, account);

	if (!found && make)
	{
		am_account_make(&call->user, call->unit, now);
		found = account_lock(&call->user, call->unit, account);
	}
	if (!found)
		call->outcome = am_account_missing(&call->user, call->unit);
	else if (account->closed)
		call->outcome = "user_unknown";
	else if (account->due_at <= now)
		(void) am_grant_settle(account, now);
	return call->outcome == NULL;
}

int64
am_account_available(const AmAccount *account)
{
	return account->balance - account->held + account->credit_limit;
}

int64
am_account_room(const AmAccount *account)
{
	Datum value = UUIDPGetDatum(&account->id);
	int64 pending = 0;

	if (account->has_grants)
	{
		am_spi_run(&pending_plan, &value, NULL, 1);
		pending = am_spi_null(0, 1) ? 0 : am_spi_int64(0, 1);
	}
	return AM_LEDGER_AMOUNT_MAX - Max(account->balance, 0) - pending;
}

static void
entry_note(const AmAccount *account, text *description)
{
	Datum values[3] = {UUIDPGetDatum(&account->id), Int64GetDatum(account->version),
					   PointerGetDatum(description)};

	am_spi_run(&note_plan, values, NULL, 0);
}

static Datum
entry_counter(const AmEntry *entry)
{
	if (entry->peer != NULL)
		return CStringGetTextDatum(
			DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(entry->peer))));
	return entry->counter == NULL ? (Datum) 0 : CStringGetTextDatum(entry->counter);
}

void
am_account_record(const AmAccount *account, const AmEntry *entry)
{
	Datum values[15] = {
		UUIDPGetDatum(&account->id),          Int64GetDatum(account->version),
		UUIDPGetDatum(&entry->transaction),   CStringGetTextDatum(entry->kind),
		Int64GetDatum(entry->amount),         Int64GetDatum(entry->held_change),
		Int64GetDatum(account->balance),      Int64GetDatum(account->held),
		Int64GetDatum(account->credit_limit), TimestampTzGetDatum(account->updated_at),
		PointerGetDatum(entry->reference),    entry_counter(entry),
		UUIDPGetDatum(entry->related),        PointerGetDatum(entry->source),
		PointerGetDatum(account->unit)};
	char nulls[16] = "               ";

	if (entry->reference == NULL)
		nulls[10] = 'n';
	if (entry->counter == NULL && entry->peer == NULL)
		nulls[11] = 'n';
	if (entry->related == NULL)
		nulls[12] = 'n';
	if (entry->source == NULL)
		nulls[13] = 'n';
	am_spi_run(entry->counter != NULL ? &pair_plan : &entry_plan, values, nulls, 0);
	if (entry->description != NULL)
		entry_note(account, entry->description);
}

void
am_account_book(AmAccount *account, const AmEntry *entry)
{
	account->balance += entry->amount;
	account->held += entry->held_change;
	account->version++;
	account->updated_at = Max(account->updated_at, entry->at);
	am_account_record(account, entry);
}

static void
account_schedule(AmAccount *account)
{
	Datum value = UUIDPGetDatum(&account->id);

	am_spi_run(&schedule_plan, &value, NULL, 1);
	account->has_grants = am_spi_bool(0, 1);
	account->due_at = am_spi_timestamptz(0, 2);
	account->reschedule = false;
}

void
am_account_save(AmAccount *account)
{
	Datum values[8];

	if (account->version == account->saved_version && !account->reschedule)
		return;
	if (account->reschedule)
		account_schedule(account);
	values[0] = UUIDPGetDatum(&account->id);
	values[1] = Int64GetDatum(account->balance);
	values[2] = Int64GetDatum(account->held);
	values[3] = Int64GetDatum(account->credit_limit);
	values[4] = Int64GetDatum(account->version);
	values[5] = BoolGetDatum(account->has_grants);
	values[6] = TimestampTzGetDatum(account->due_at);
	values[7] = TimestampTzGetDatum(account->updated_at);
	am_spi_run(&save_plan, values, NULL, 0);
	account->saved_version = account->version;
}

void
am_account_tell(const AmAccount *account, AmLedgerCall *call)
{
	call->known = true;
	call->balance = account->balance;
	call->held = account->held;
	call->credit_limit = account->credit_limit;
	call->version = account->version;
}

void
am_account_done(const AmAccount *account, AmLedgerCall *call, int64 moved)
{
	am_account_tell(account, call);
	call->outcome = "ok";
	call->booked = true;
	call->moved = moved;
}
