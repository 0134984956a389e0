/*
 * ledger_hold.c
 *
 * Holds of a locked account. A hold keeps credit in the order in which a spend would burn it: its
 * parts of dated grants are reserved (authmeter.hold_grant), so they neither burn nor expire before
 * the hold ends; the rest is plain credit or credit limit.
 *
 * A hold is open until one of capture, void and expiry resolves it. From its expiry on it counts
 * as free whether or not that is booked, and a capture comes too late: am_account_open has booked
 * the expiry before the capture looks.
 */
#include "compat.h"

#include "clock.h"
#include "id.h"
#include "ledger_grant.h"
#include "ledger_hold.h"
#include "spi.h"

typedef struct Hold
{
	pg_uuid_t id;
	int64 rest;        /* still kept */
	const char *state; /* open, captured, voided, expired */
} Hold;

static AmPlan make_plan = {
	"INSERT INTO authmeter.hold (account_id, id, amount, created_at, expires_at) "
	"VALUES ($1, $2, $3, $4, $5)",
	5,
	{UUIDOID, UUIDOID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID},
	NULL};

static AmPlan reserve_plan = {
	"WITH r AS (INSERT INTO authmeter.hold_grant (account_id, hold_id, grant_id, amount) "
	"VALUES ($1, $2, $3, $4)) UPDATE authmeter.credit_grant SET reserved = reserved" AM_PLUS
	"$4 WHERE account_id" AM_EQ "$1 AND id" AM_EQ "$3",
	4,
	{UUIDOID, UUIDOID, UUIDOID, INT8OID},
	NULL};

static AmPlan unit_plan = {"SELECT a.unit FROM authmeter.account a JOIN authmeter.hold h "
						   "ON h.account_id" AM_EQ "a.id WHERE a.user_id" AM_EQ "$1 AND h.id" AM_EQ
						   "$2",
						   2,
						   {UUIDOID, UUIDOID},
						   NULL};

static AmPlan find_plan = {"SELECT h.amount" AM_MINUS "h.captured" AM_MINUS "h.released, h.state "
						   "FROM authmeter.hold h WHERE h.account_id" AM_EQ "$1 AND h.id" AM_EQ
						   "$2",
						   2,
						   {UUIDOID, UUIDOID},
						   NULL};

static AmPlan kept_plan = {"SELECT g.id, r.amount, g.priority FROM authmeter.hold_grant r "
						   "JOIN authmeter.credit_grant g ON g.account_id" AM_EQ
						   "r.account_id AND g.id" AM_EQ "r.grant_id WHERE r.account_id" AM_EQ
						   "$1 AND r.hold_id" AM_EQ "$2 AND r.amount" AM_GT "0 "
						   "ORDER BY g.priority, g.expires_at, g.granted_at, g.id",
						   2,
						   {UUIDOID, UUIDOID},
						   NULL};

static AmPlan unreserve_plan = {
	"WITH r AS (UPDATE authmeter.hold_grant SET amount = amount" AM_MINUS "$4 "
	"WHERE account_id" AM_EQ "$1 AND hold_id" AM_EQ "$2 AND grant_id" AM_EQ "$3) "
	"UPDATE authmeter.credit_grant SET reserved = reserved" AM_MINUS "$4 "
	"WHERE account_id" AM_EQ "$1 AND id" AM_EQ "$3",
	4,
	{UUIDOID, UUIDOID, UUIDOID, INT8OID},
	NULL};

static AmPlan change_plan = {
	"UPDATE authmeter.hold SET captured = captured" AM_PLUS "$3, released = released" AM_PLUS
	"$4, state = $5, resolved_at = CASE WHEN $5" AM_NE "'open' THEN $6 END "
	"WHERE account_id" AM_EQ "$1 AND id" AM_EQ "$2",
	6,
	{UUIDOID, UUIDOID, INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID},
	NULL};

static void
hold_move(AmPlan *plan, AmAccount *account, const pg_uuid_t *hold, const pg_uuid_t *grant,
		  int64 amount)
{
	Datum values[4] = {UUIDPGetDatum(&account->id), UUIDPGetDatum(hold), UUIDPGetDatum(grant),
					   Int64GetDatum(amount)};

	am_spi_run(plan, values, NULL, 0);
}

static void
hold_change(AmAccount *account, const Hold *hold, int64 captured, int64 released, const char *state)
{
	Datum values[6] = {UUIDPGetDatum(&account->id), UUIDPGetDatum(&hold->id),
					   Int64GetDatum(captured),     Int64GetDatum(released),
					   CStringGetTextDatum(state),  TimestampTzGetDatum(account->updated_at)};

	am_spi_run(&change_plan, values, NULL, 0);
	account->reschedule = true;
}

static AmGrantShares
hold_shares(const AmAccount *account, const Hold *hold)
{
	Datum values[2] = {UUIDPGetDatum(&account->id), UUIDPGetDatum(&hold->id)};

	if (!account->has_grants)
		return (AmGrantShares){0};
	return am_grant_shares_read(am_spi_run(&kept_plan, values, NULL, 0));
}

/* Gives all that the shares have left back to their grants. */
static void
shares_release(AmAccount *account, const Hold *hold, const AmGrantShares *shares)
{
	int i;

	for (i = 0; i < shares->count; i++)
	{
		const AmGrantShare *share = &shares->shares[i];

		if (share->free > share->take)
			hold_move(&unreserve_plan, account, &hold->id, &share->grant,
					  share->free - share->take);
	}
}

/* Ends a hold without spending: by void or by expiry. */
static void
hold_release(AmAccount *account, const Hold *hold, AmEntry *entry, const char *state)
{
	AmGrantShares shares = hold_shares(account, hold);

	entry->held_change = -hold->rest;
	entry->related = &hold->id;
	am_account_book(account, entry);
	shares_release(account, hold, &shares);
	hold_change(account, hold, 0, hold->rest, state);
}

static bool
hold_find(const AmAccount *account, const pg_uuid_t *id, Hold *hold)
{
	Datum values[2] = {UUIDPGetDatum(&account->id), UUIDPGetDatum(id)};

	if (am_spi_run(&find_plan, values, NULL, 1) == 0)
		return false;
	hold->id = *id;
	hold->rest = am_spi_int64(0, 1);
	hold->state = am_spi_text(0, 2, NULL);
	return true;
}

void
am_hold_expire(AmAccount *account, const pg_uuid_t *id, TimestampTz at)
{
	AmEntry entry = {
		.transaction = am_id_new(am_id_partition(&account->user)), .kind = "hold_expire", .at = at};
	Hold hold;

	if (hold_find(account, id, &hold))
		hold_release(account, &hold, &entry, "expired");
}

static void
hold_make(AmLedgerCall *call, AmAccount *account, TimestampTz now, int64 lifetime)
{
	AmGrantShares shares = am_grant_free(account);
	int64 plain = account->balance - account->held - am_grant_shares_sum(&shares);
	AmEntry entry = {.transaction = call->transaction,
					 .kind = "hold",
					 .held_change = call->amount,
					 .description = call->description,
					 .reference = call->reference,
					 .at = now};
	Datum values[5] = {UUIDPGetDatum(&account->id), UUIDPGetDatum(&call->transaction),
					   Int64GetDatum(call->amount), TimestampTzGetDatum(now),
					   TimestampTzGetDatum(now + lifetime)};
	int i;

	am_account_book(account, &entry);
	am_spi_run(&make_plan, values, NULL, 0);
	am_grant_allocate(&shares, plain, call->amount);
	for (i = 0; i < shares.count; i++)
		if (shares.shares[i].take > 0)
			hold_move(&reserve_plan, account, &call->transaction, &shares.shares[i].grant,
					  shares.shares[i].take);
	account->reschedule = true;
	am_account_done(account, call, call->amount);
}

void
am_ledger_hold(AmLedgerCall *call, int64 lifetime)
{
	TimestampTz now = am_clock_now();
	AmAccount account;

	if (!am_account_open(call, false, now, &account))
		return;
	if (am_account_available(&account) < call->amount)
		call->outcome = "insufficient";
	else
		hold_make(call, &account, now, lifetime);
	am_account_save(&account);
	am_account_tell(&account, call);
}

/* Locks the account of a hold and finds it open there; false: the outcome says why not. */
static bool
hold_open(AmLedgerCall *call, const pg_uuid_t *id, TimestampTz now, AmAccount *account, Hold *hold)
{
	Datum values[2] = {UUIDPGetDatum(&call->user), UUIDPGetDatum(id)};

	if (am_spi_run(&unit_plan, values, NULL, 1) == 0)
	{
		call->outcome = "hold_unknown";
		return false;
	}
	call->unit = DatumGetTextPP(am_spi_datum(0, 1));
	if (!am_account_open(call, false, now, account))
		return false;
	if (!hold_find(account, id, hold))
		call->outcome = "hold_unknown";
	else if (strcmp(hold->state, "expired") == 0)
		call->outcome = "hold_expired";
	else if (strcmp(hold->state, "open") != 0)
		call->outcome = "hold_resolved";
	if (call->outcome == NULL)
		return true;
	am_account_save(account);
	am_account_tell(account, call);
	return false;
}

/*
 * The answer of a capture or void. What it freed may belong to a grant that ended meanwhile; once
 * that is booked too, the entry of the call no longer tells the figures, so they are stored.
 */
static void
hold_done(AmAccount *account, AmLedgerCall *call, TimestampTz now, int64 moved)
{
	bool settled = account->has_grants && am_grant_settle(account, now);

	am_account_done(account, call, moved);
	call->booked = !settled;
}

void
am_ledger_void(AmLedgerCall *call, const pg_uuid_t *id)
{
	TimestampTz now = am_clock_now();
	AmEntry entry = {.transaction = call->transaction,
					 .kind = "void",
					 .description = call->description,
					 .reference = call->reference,
					 .at = now};
	AmAccount account;
	Hold hold;

	if (!hold_open(call, id, now, &account, &hold))
		return;
	hold_release(&account, &hold, &entry, "voided");
	hold_done(&account, call, now, hold.rest);
	am_account_save(&account);
}

/* Burns what a capture takes: first what the hold kept, then, for the excess, free credit. */
static void
capture_burn(AmAccount *account, const Hold *hold, AmGrantShares *kept, AmGrantShares *extra)
{
	int i;

	for (i = 0; i < kept->count; i++)
	{
		const AmGrantShare *share = &kept->shares[i];
		int64 more = 0;
		int j;

		for (j = 0; j < extra->count; j++)
			if (memcmp(&extra->shares[j].grant, &share->grant, sizeof(pg_uuid_t)) == 0)
			{
				more = extra->shares[j].take;
				extra->shares[j].take = 0;
			}
		if (share->take > 0)
			hold_move(&unreserve_plan, account, &hold->id, &share->grant, share->take);
		if (share->take + more > 0)
			am_grant_burn_one(account, &share->grant, share->take + more);
	}
	am_grant_burn(account, extra);
}

static void
hold_capture(AmLedgerCall *call, AmAccount *account, const Hold *hold, TimestampTz now, bool keep)
{
	int64 amount = call->amount == 0 ? hold->rest : call->amount;
	int64 from_hold = Min(amount, hold->rest);
	int64 freed = keep && from_hold < hold->rest ? 0 : hold->rest - from_hold;
	AmGrantShares kept = hold_shares(account, hold);
	AmGrantShares extra = am_grant_free(account);
	int64 plain = account->balance - account->held - am_grant_shares_sum(&extra);
	AmEntry entry = {.transaction = call->transaction,
					 .kind = "capture",
					 .amount = -amount,
					 .held_change = -from_hold - freed,
					 .counter = "revenue",
					 .related = &hold->id,
					 .description = call->description,
					 .reference = call->reference,
					 .at = now};

	am_grant_allocate(&kept, hold->rest - am_grant_shares_sum(&kept), from_hold);
	am_grant_allocate(&extra, plain, amount - from_hold);
	am_account_book(account, &entry);
	capture_burn(account, hold, &kept, &extra);
	if (from_hold + freed == hold->rest)
		shares_release(account, hold, &kept);
	hold_change(account, hold, from_hold, freed,
				from_hold + freed == hold->rest ? "captured" : "open");
	hold_done(account, call, now, amount);
}

void
am_ledger_capture(AmLedgerCall *call, const pg_uuid_t *id, bool keep)
{
	TimestampTz now = am_clock_now();
	AmAccount account;
	Hold hold;

	if (!hold_open(call, id, now, &account, &hold))
		return;
	if (call->amount > hold.rest && am_account_available(&account) < call->amount - hold.rest)
		call->outcome = "insufficient";
	else
		hold_capture(call, &account, &hold, now, keep);
	am_account_save(&account);
	am_account_tell(&account, call);
}
