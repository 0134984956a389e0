/*
 * ledger_grant_void.c
 *
 * Grants taken back by somebody, and what ended by itself booked by housekeeping.
 */
#include "compat.h"

#include "clock.h"
#include "ledger_account.h"
#include "ledger_book.h"
#include "ledger_grant.h"
#include "spi.h"

static AmPlan unit_plan = {
	"SELECT a.unit FROM authmeter.account a WHERE a.user_id" AM_EQ "$1 AND ("
	"EXISTS (SELECT FROM authmeter.credit_grant g WHERE g.account_id" AM_EQ "a.id AND g.id" AM_EQ
	"$2) OR EXISTS (SELECT FROM authmeter.entry e WHERE e.transaction_id" AM_EQ
	"$2 AND e.account_id" AM_EQ "a.id AND e.kind" AM_EQ "'grant'))",
	2,
	{UUIDOID, UUIDOID},
	NULL};

static AmPlan dated_plan = {
	"SELECT g.remaining" AM_MINUS "g.reserved, g.posted, g.voided_at IS NULL AND g.open "
	"FROM authmeter.credit_grant g WHERE g.account_id" AM_EQ "$1 AND g.id" AM_EQ "$2",
	2,
	{UUIDOID, UUIDOID},
	NULL};

static AmPlan plain_plan = {
	"SELECT e.amount, EXISTS (SELECT FROM authmeter.entry v WHERE v.related_id" AM_EQ
	"$2 AND v.account_id" AM_EQ "$1 AND v.kind" AM_EQ "'grant_void') "
	"FROM authmeter.entry e WHERE e.transaction_id" AM_EQ "$2 AND e.account_id" AM_EQ "$1",
	2,
	{UUIDOID, UUIDOID},
	NULL};

/*
 * What holds keep of the grant ends when they free it, as if it had expired now. A grant that never
 * began leaves no entry, so its amount goes with it.
 */
static AmPlan cancel_plan = {
	"UPDATE authmeter.credit_grant SET voided_at = $3, expires_at = LEAST(expires_at, $3), "
	"open = open AND posted, "
	"amount = CASE WHEN posted THEN amount ELSE 0 END, "
	"remaining = CASE WHEN posted THEN remaining ELSE 0 END "
	"WHERE account_id" AM_EQ "$1 AND id" AM_EQ "$2",
	3,
	{UUIDOID, UUIDOID, TIMESTAMPTZOID},
	NULL};

static AmPlan due_plan = {"SELECT " AM_ACCOUNT_COLUMNS " FROM authmeter.account a "
						  "WHERE a.due_at" AM_LE "$1 AND a.due_at" AM_LT
						  "'infinity' AND a.closed_at IS NULL "
						  "ORDER BY a.id LIMIT $2 FOR UPDATE SKIP LOCKED",
						  2,
						  {TIMESTAMPTZOID, INT8OID},
						  NULL};

static AmEntry
void_entry(const AmLedgerCall *call, const pg_uuid_t *grant, int64 amount, TimestampTz now)
{
	return (AmEntry){.transaction = call->transaction,
					 .kind = "grant_void",
					 .amount = -amount,
					 .counter = amount > 0 ? "issued" : NULL,
					 .related = grant,
					 .description = call->description,
					 .reference = call->reference,
					 .at = now};
}

/* The grant is the row in the last result of dated_plan. */
static void
void_dated(AmLedgerCall *call, AmAccount *account, const pg_uuid_t *grant, TimestampTz now)
{
	int64 left = am_spi_int64(0, 1);
	bool posted = am_spi_bool(0, 2);
	AmEntry entry = void_entry(call, grant, posted ? left : 0, now);
	Datum values[3] = {UUIDPGetDatum(&account->id), UUIDPGetDatum(grant), TimestampTzGetDatum(now)};

	if (!am_spi_bool(0, 3))
	{
		call->outcome = "grant_ended";
		return;
	}
	am_account_book(account, &entry);
	if (posted && left > 0)
		am_grant_burn_one(account, grant, left);
	am_spi_run(&cancel_plan, values, NULL, 0);
	account->reschedule = true;
	am_account_done(account, call, posted ? left : 0);
}

/* The grant is the row in the last result of plain_plan. */
static void
void_plain(AmLedgerCall *call, AmAccount *account, const pg_uuid_t *grant, TimestampTz now)
{
	int64 granted = am_spi_int64(0, 1);
	bool ended = am_spi_bool(0, 2);
	AmGrantShares shares = am_grant_free(account);
	int64 plain = account->balance - account->held - am_grant_shares_sum(&shares);
	int64 back = Min(granted, Max(plain, 0));
	AmEntry entry = void_entry(call, grant, back, now);

	if (ended)
	{
		call->outcome = "grant_ended";
		return;
	}
	am_account_book(account, &entry);
	am_account_done(account, call, back);
}

void
am_ledger_grant_void(AmLedgerCall *call, const pg_uuid_t *grant)
{
	TimestampTz now = am_clock_now();
	Datum values[2] = {UUIDPGetDatum(&call->user), UUIDPGetDatum(grant)};
	AmAccount account;

	if (am_spi_run(&unit_plan, values, NULL, 1) == 0)
	{
		call->outcome = "grant_unknown";
		return;
	}
	call->unit = DatumGetTextPP(am_spi_datum(0, 1));
	if (!am_account_open(call, false, now, &account))
		return;
	values[0] = UUIDPGetDatum(&account.id);
	if (am_spi_run(&dated_plan, values, NULL, 1) == 1)
		void_dated(call, &account, grant, now);
	else if (am_spi_run(&plain_plan, values, NULL, 1) == 1)
		void_plain(call, &account, grant, now);
	else
		call->outcome = "grant_unknown";
	am_account_save(&account);
	am_account_tell(&account, call);
}

int64
am_ledger_settle(int64 rows_max)
{
	TimestampTz now = am_clock_now();
	Datum values[2] = {TimestampTzGetDatum(now), Int64GetDatum(Max(rows_max, 1))};
	AmAccount *accounts;
	uint64 rows;
	uint64 i;

	am_spi_begin();
	rows = am_spi_run(&due_plan, values, NULL, 0);
	accounts = palloc(sizeof(AmAccount) * Max(rows, 1));
	for (i = 0; i < rows; i++)
		am_account_read(i, &accounts[i]);
	for (i = 0; i < rows; i++)
	{
		CHECK_FOR_INTERRUPTS();
		(void) am_grant_settle(&accounts[i], now);
		am_account_save(&accounts[i]);
	}
	am_spi_end();
	return (int64) rows;
}
