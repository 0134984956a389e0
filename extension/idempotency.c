/*
 * idempotency.c
 *
 * Claims and answers in authmeter.idempotency; see idempotency.h for the protocol. The owner's row
 * is locked FOR KEY SHARE by the claim, so that a user cannot vanish under it.
 */
#include "compat.h"

#include "clock.h"
#include "idempotency.h"
#include "row.h"
#include "setting.h"
#include "spi.h"

#define CLAIM_ATTEMPTS_MAX 2

PG_FUNCTION_INFO_V1(authmeter_idempotency_claim);
PG_FUNCTION_INFO_V1(authmeter_idempotency_purge);
PG_FUNCTION_INFO_V1(authmeter_idempotency_store);

static AmPlan claim_plan = {
	"INSERT INTO authmeter.idempotency (user_id, key, request, created_at, "
	"transaction_id) SELECT u.id, $2, $3, $4, $5 FROM authmeter.user u WHERE u.id" AM_EQ
	"$1 FOR KEY SHARE "
	"ON CONFLICT (user_id, key) DO NOTHING RETURNING true",
	5,
	{UUIDOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, UUIDOID},
	NULL};

static AmPlan find_plan = {"SELECT i.request" AM_EQ
						   "$3, i.reply, i.transaction_id FROM authmeter.idempotency i "
						   "WHERE i.user_id" AM_EQ "$1 AND i.key" AM_EQ "$2",
						   3,
						   {UUIDOID, TEXTOID, TEXTOID},
						   NULL};

static AmPlan store_plan = {"UPDATE authmeter.idempotency SET reply = $3 WHERE user_id" AM_EQ
							"$1 AND key" AM_EQ "$2",
							3,
							{UUIDOID, TEXTOID, JSONBOID},
							NULL};

static AmPlan purge_plan = {
	"DELETE FROM authmeter.idempotency WHERE ctid" AM_EQ "ANY (ARRAY(SELECT i.ctid "
	"FROM authmeter.idempotency i WHERE i.created_at" AM_LT "$1 LIMIT GREATEST($2, 0) "
	"FOR UPDATE SKIP LOCKED))",
	2,
	{TIMESTAMPTZOID, INT8OID},
	NULL};

/* What a key that is there says about this request. */
static AmClaim
claim_found(pg_uuid_t *transaction, Datum *reply)
{
	if (!am_spi_bool(0, 1))
		return AM_CLAIM_CONFLICT;
	*reply = (Datum) 0;
	if (transaction != NULL && am_spi_null(0, 2))
		*transaction = am_spi_uuid(0, 3);
	else
		*reply = am_spi_datum(0, 2);
	return AM_CLAIM_REPLAY;
}

AmClaim
am_idempotency_claim_booking(const pg_uuid_t *user, text *key, const char *request,
							 pg_uuid_t *transaction, Datum *reply)
{
	Size key_bytes = VARSIZE_ANY_EXHDR(key);
	const char *nulls = transaction == NULL ? "    n" : NULL;
	Datum values[5] = {UUIDPGetDatum(user), PointerGetDatum(key), CStringGetTextDatum(request),
					   TimestampTzGetDatum(am_clock_now()), UUIDPGetDatum(transaction)};
	int attempt;

	if (key_bytes == 0 || key_bytes > AM_IDEMPOTENCY_KEY_BYTES_MAX)
		return AM_CLAIM_KEY_INVALID;
	/* A key that is purged between the two statements is claimed at the second attempt. */
	for (attempt = 0; attempt < CLAIM_ATTEMPTS_MAX; attempt++)
	{
		if (am_spi_run(&claim_plan, values, nulls, 1) == 1)
			return AM_CLAIM_NEW;
		if (am_spi_run(&find_plan, values, NULL, 1) == 1)
			return claim_found(transaction, reply);
	}
	return AM_CLAIM_USER_UNKNOWN;
}

AmClaim
am_idempotency_claim(const pg_uuid_t *user, text *key, const char *request, Datum *reply)
{
	return am_idempotency_claim_booking(user, key, request, NULL, reply);
}

void
am_idempotency_store(const pg_uuid_t *user, text *key, Datum reply)
{
	Datum values[3] = {UUIDPGetDatum(user), PointerGetDatum(key), reply};

	am_spi_run(&store_plan, values, NULL, 0);
}

int64
am_idempotency_purge(int64 rows_max)
{
	int64 retention_ms = am_setting_int(AM_SETTING_IDEMPOTENCY_RETENTION);
	Datum values[2] = {TimestampTzGetDatum(am_clock_now() - retention_ms * 1000),
					   Int64GetDatum(rows_max)};
	int64 purged;

	am_spi_begin();
	purged = (int64) am_spi_run(&purge_plan, values, NULL, 0);
	am_spi_end();
	return purged;
}

const char *
am_idempotency_refusal(AmClaim claim)
{
	switch (claim)
	{
		case AM_CLAIM_CONFLICT:
			return "key_conflict";
		case AM_CLAIM_USER_UNKNOWN:
			return "user_unknown";
		case AM_CLAIM_KEY_INVALID:
			return "key_invalid";
		default:
			return NULL;
	}
}

/* Copied out of the SPI context, which ends before the function does. */
static AmClaim
claim_argument(FunctionCallInfo fcinfo, Datum *reply)
{
	MemoryContext cxt = CurrentMemoryContext;
	AmClaim claim;

	if (PG_ARGISNULL(0))
		return AM_CLAIM_USER_UNKNOWN;
	am_spi_begin();
	claim =
		am_idempotency_claim(PG_GETARG_UUID_P(0), PG_GETARG_TEXT_PP(1),
							 PG_ARGISNULL(2) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(2)), reply);
	if (claim == AM_CLAIM_REPLAY)
	{
		MemoryContext old = MemoryContextSwitchTo(cxt);

		*reply = PointerGetDatum(PG_DETOAST_DATUM_COPY(*reply));
		MemoryContextSwitchTo(old);
	}
	am_spi_end();
	return claim;
}

/* authmeter.idempotency_claim(user_id, key, request) is for functions in PL/pgSQL. */
Datum
authmeter_idempotency_claim(PG_FUNCTION_ARGS)
{
	const char *state = "none";
	Datum row[2] = {(Datum) 0, (Datum) 0};
	bool nulls[2] = {false, true};

	if (!PG_ARGISNULL(1))
	{
		AmClaim claim = claim_argument(fcinfo, &row[1]);

		nulls[1] = claim != AM_CLAIM_REPLAY;
		state = am_idempotency_refusal(claim);
		if (state == NULL)
			state = claim == AM_CLAIM_NEW ? "new" : "replay";
	}
	row[0] = CStringGetTextDatum(state);
	return am_row(fcinfo, row, nulls);
}

/* authmeter.idempotency_store(user_id, key, reply) */
Datum
authmeter_idempotency_store(PG_FUNCTION_ARGS)
{
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1) && !PG_ARGISNULL(2))
	{
		am_spi_begin();
		am_idempotency_store(PG_GETARG_UUID_P(0), PG_GETARG_TEXT_PP(1), PG_GETARG_DATUM(2));
		am_spi_end();
	}
	PG_RETURN_VOID();
}

/* authmeter.idempotency_purge(rows_max) deletes keys past their retention. */
Datum
authmeter_idempotency_purge(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(am_idempotency_purge(PG_GETARG_INT32(0)));
}
