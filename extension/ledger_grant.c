/*
 * ledger_grant.c
 *
 * Dated grants of a locked account; see ledger_grant.h for the order of burning.
 *
 * What becomes due by time alone (a grant begins or ends, a hold expires) is booked by the next
 * change of the account, each at its own moment and in the order of time, so that the books say
 * the same as if somebody had watched the clock. Readers add what is due and not booked yet, see
 * authmeter.ledger_due_sum.
 */
#include "compat.h"

#include "id.h"
#include "ledger_grant.h"
#include "ledger_hold.h"
#include "spi.h"

/* What became due, in the order in which it is booked within one moment. */
typedef enum Due
{
	DUE_HOLD_ENDS,
	DUE_GRANT_BEGINS,
	DUE_GRANT_ENDS
} Due;

static AmPlan free_plan = {
	"SELECT g.id, g.remaining" AM_MINUS "g.reserved, g.priority FROM authmeter.credit_grant g "
	"WHERE g.account_id" AM_EQ "$1 AND g.open AND g.posted AND g.remaining" AM_GT "g.reserved "
	"ORDER BY g.priority, g.expires_at, g.granted_at, g.id",
	1,
	{UUIDOID},
	NULL};

/* A grant that is used up is closed; one that gets credit back is open again. */
static AmPlan burn_plan = {
	"WITH b AS (INSERT INTO authmeter.grant_burn (account_id, version, grant_id, amount) "
	"VALUES ($1, $3, $2, $4)) UPDATE authmeter.credit_grant SET remaining = remaining" AM_MINUS
	"$4, open = remaining" AM_GT "$4 WHERE account_id" AM_EQ "$1 AND id" AM_EQ "$2",
	4,
	{UUIDOID, UUIDOID, INT8OID, INT8OID},
	NULL};

static AmPlan due_plan = {
	"SELECT d.what, d.at, d.id, d.amount FROM ("
	"SELECT 0 AS what, h.expires_at AS at, h.id, 0::bigint AS amount FROM authmeter.hold h "
	"WHERE h.account_id" AM_EQ "$1 AND h.state" AM_EQ "'open' AND h.expires_at" AM_LE "$2 "
	"UNION ALL SELECT 1, g.effective_at, g.id, g.remaining FROM authmeter.credit_grant g "
	"WHERE g.account_id" AM_EQ "$1 AND g.open AND NOT g.posted AND g.effective_at" AM_LE "$2 "
	"UNION ALL SELECT 2, g.expires_at, g.id, g.remaining" AM_MINUS "g.reserved "
	"FROM authmeter.credit_grant g WHERE g.account_id" AM_EQ "$1 AND g.open AND g.posted "
	"AND g.expires_at" AM_LE "$2 AND g.remaining" AM_GT "g.reserved) d "
	"ORDER BY d.at, d.what, d.id LIMIT 1",
	2,
	{UUIDOID, TIMESTAMPTZOID},
	NULL};

static AmPlan begin_plan = {"UPDATE authmeter.credit_grant SET posted = true WHERE account_id" AM_EQ
							"$1 AND id" AM_EQ "$2 RETURNING source, reference",
							2,
							{UUIDOID, UUIDOID},
							NULL};

AmGrantShares
am_grant_shares_read(uint64 rows)
{
	AmGrantShares shares = {.count = (int) rows};
	uint64 i;

	shares.shares = palloc0(sizeof(AmGrantShare) * Max(rows, 1));
	for (i = 0; i < rows; i++)
	{
		shares.shares[i].grant = am_spi_uuid(i, 1);
		shares.shares[i].free = am_spi_int64(i, 2);
		shares.shares[i].priority = am_spi_int32(i, 3);
	}
	return shares;
}

AmGrantShares
am_grant_free(const AmAccount *account)
{
	Datum value = UUIDPGetDatum(&account->id);

	if (!account->has_grants)
		return (AmGrantShares){0};
	return am_grant_shares_read(am_spi_run(&free_plan, &value, NULL, 0));
}

int64
am_grant_shares_sum(const AmGrantShares *shares)
{
	int64 sum = 0;
	int i;

	for (i = 0; i < shares->count; i++)
		sum += shares->shares[i].free;
	return sum;
}

void
am_grant_allocate(AmGrantShares *shares, int64 plain, int64 amount)
{
	bool plain_done = false;
	int i;

	for (i = 0; i < shares->count && amount > 0; i++)
	{
		AmGrantShare *share = &shares->shares[i];

		if (share->priority > AM_GRANT_PRIORITY && !plain_done)
		{
			amount -= Min(amount, Max(plain, 0));
			plain_done = true;
		}
		share->take = Min(amount, share->free);
		amount -= share->take;
	}
}

void
am_grant_burn_one(AmAccount *account, const pg_uuid_t *grant, int64 amount)
{
	Datum values[4] = {UUIDPGetDatum(&account->id), UUIDPGetDatum(grant),
					   Int64GetDatum(account->version), Int64GetDatum(amount)};

	am_spi_run(&burn_plan, values, NULL, 0);
	account->reschedule = true;
}

void
am_grant_burn(AmAccount *account, const AmGrantShares *shares)
{
	int i;

	for (i = 0; i < shares->count; i++)
		if (shares->shares[i].take > 0)
			am_grant_burn_one(account, &shares->shares[i].grant, shares->shares[i].take);
}

static void
grant_begin(AmAccount *account, const pg_uuid_t *grant, TimestampTz at, int64 amount)
{
	AmEntry entry = {
		.transaction = *grant, .kind = "grant", .amount = amount, .counter = "issued", .at = at};
	Datum values[2] = {UUIDPGetDatum(&account->id), UUIDPGetDatum(grant)};

	am_spi_run(&begin_plan, values, NULL, 0);
	entry.source = DatumGetTextPP(am_spi_datum(0, 1));
	if (!am_spi_null(0, 2))
		entry.reference = DatumGetTextPP(am_spi_datum(0, 2));
	am_account_book(account, &entry);
	account->reschedule = true;
}

static void
grant_end(AmAccount *account, const pg_uuid_t *grant, TimestampTz at, int64 amount)
{
	AmEntry entry = {.transaction = am_id_new(am_id_partition(&account->user)),
					 .kind = "expire",
					 .amount = -amount,
					 .counter = "expired",
					 .related = grant,
					 .at = at};

	am_account_book(account, &entry);
	am_grant_burn_one(account, grant, amount);
}

bool
am_grant_settle(AmAccount *account, TimestampTz now)
{
	Datum values[2] = {UUIDPGetDatum(&account->id), TimestampTzGetDatum(now)};
	int64 version = account->version;

	while (am_spi_run(&due_plan, values, NULL, 1) == 1)
	{
		Due what = (Due) am_spi_int32(0, 1);
		TimestampTz at = am_spi_timestamptz(0, 2);
		pg_uuid_t id = am_spi_uuid(0, 3);
		int64 amount = am_spi_int64(0, 4);

		CHECK_FOR_INTERRUPTS();
		if (what == DUE_HOLD_ENDS)
			am_hold_expire(account, &id, at);
		else if (what == DUE_GRANT_BEGINS)
			grant_begin(account, &id, at, amount);
		else
			grant_end(account, &id, at, amount);
	}
	account->reschedule = true;
	return account->version != version;
}
