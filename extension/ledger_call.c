/*
 * ledger_call.c
 *
 * Keys and answers of ledger calls; see ledger_call.h.
 */
#include "compat.h"

#include "idempotency.h"
#include "ledger_call.h"
#include "spi.h"

static AmPlan reply_plan = {
	"SELECT pg_catalog.jsonb_build_object('outcome', $1, 'transaction_id', $2, 'amount', $3, "
	"'balance', $4, 'held', $5, 'credit_limit', $6, 'version', $7)",
	7,
	{TEXTOID, UUIDOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID},
	NULL};

static AmPlan stored_plan = {
	"SELECT r.outcome, r.transaction_id, r.amount, r.balance, r.held, r.credit_limit, r.version "
	"FROM pg_catalog.jsonb_to_record($1) AS r (outcome text, transaction_id uuid, amount bigint, "
	"balance bigint, held bigint, credit_limit bigint, version bigint)",
	1,
	{JSONBOID},
	NULL};

static AmPlan booked_plan = {
	"SELECT 'ok'::text, e.transaction_id, pg_catalog.abs(CASE WHEN e.amount" AM_EQ
	"0 THEN e.held_change ELSE e.amount END), e.balance_after, e.held_after, e.limit_after, "
	"e.version FROM authmeter.entry e JOIN authmeter.account a ON a.id" AM_EQ
	"e.account_id WHERE e.transaction_id" AM_EQ "$1 AND a.user_id" AM_EQ "$2",
	2,
	{UUIDOID, UUIDOID},
	NULL};

static void
call_replay(AmLedgerCall *call, Datum reply)
{
	Datum values[2] = {UUIDPGetDatum(&call->transaction), UUIDPGetDatum(&call->user)};

	if (reply == (Datum) 0)
		am_spi_run(&booked_plan, values, NULL, 1);
	else
		am_spi_run(&stored_plan, &reply, NULL, 1);
	strlcpy(call->outcome_text, am_spi_text(0, 1, NULL), sizeof(call->outcome_text));
	call->outcome = call->outcome_text;
	call->replayed = true;
	if (!am_spi_null(0, 2))
		call->transaction = am_spi_uuid(0, 2);
	if (!am_spi_null(0, 3))
		call->moved = am_spi_int64(0, 3);
	call->known = !am_spi_null(0, 4);
	if (!call->known)
		return;
	call->balance = am_spi_int64(0, 4);
	call->held = am_spi_int64(0, 5);
	call->credit_limit = am_spi_int64(0, 6);
	call->version = am_spi_int64(0, 7);
}

bool
am_ledger_claim(AmLedgerCall *call, text *key, const char *request)
{
	Datum reply = (Datum) 0;

	switch (am_idempotency_claim_booking(&call->user, key, request, &call->transaction, &reply))
	{
		case AM_CLAIM_NEW:
			return true;
		case AM_CLAIM_REPLAY:
			call_replay(call, reply);
			return false;
		case AM_CLAIM_CONFLICT:
			call->outcome = "key_conflict";
			return false;
		case AM_CLAIM_USER_UNKNOWN:
			call->outcome = "user_unknown";
			return false;
		case AM_CLAIM_KEY_INVALID:
			call->outcome = "key_invalid";
			return false;
	}
	return false;
}

void
am_ledger_store(const AmLedgerCall *call, text *key)
{
	bool ok = strcmp(call->outcome, "ok") == 0;
	char nulls[8] = "       ";
	Datum values[7] = {CStringGetTextDatum(call->outcome), UUIDPGetDatum(&call->transaction),
					   Int64GetDatum(call->moved),         Int64GetDatum(call->balance),
					   Int64GetDatum(call->held),          Int64GetDatum(call->credit_limit),
					   Int64GetDatum(call->version)};

	if (!ok)
		nulls[1] = nulls[2] = 'n';
	if (!call->known)
		memset(nulls + 3, 'n', 4);
	am_spi_run(&reply_plan, values, nulls, 1);
	am_idempotency_store(&call->user, key, am_spi_datum(0, 1));
}

void
am_ledger_row(const AmLedgerCall *call, Datum *row, bool *nulls)
{
	bool ok = strcmp(call->outcome, "ok") == 0;

	row[0] = CStringGetTextDatum(call->outcome);
	row[1] = UUIDPGetDatum(&call->transaction);
	row[2] = Int64GetDatum(call->moved);
	row[3] = Int64GetDatum(call->balance);
	row[4] = Int64GetDatum(call->held);
	row[5] = Int64GetDatum(call->balance - call->held + call->credit_limit);
	row[6] = Int64GetDatum(call->version);
	row[7] = BoolGetDatum(call->replayed);
	memset(nulls, false, AM_LEDGER_COLUMNS);
	nulls[1] = nulls[2] = !ok;
	nulls[3] = nulls[4] = nulls[5] = nulls[6] = !call->known;
}
