/*
 * quota.c
 *
 * quota_consume, quota_peek and quota_release: the SQL side of quotas. What is allowed stands in
 * plan.c, what is counted in quota_counter.c.
 *
 * Whatever is not granted is refused: no subscription, no such feature and a feature that is not
 * metered each have an outcome of their own.
 */
#include "compat.h"

#include "utils/array.h"
#include "utils/jsonb.h"

#include "clock.h"
#include "idempotency.h"
#include "quota.h"
#include "row.h"
#include "spi.h"

#define ANSWER_COLUMNS 7

PG_FUNCTION_INFO_V1(authmeter_quota_consume);
PG_FUNCTION_INFO_V1(authmeter_quota_peek);
PG_FUNCTION_INFO_V1(authmeter_quota_release);

static AmPlan user_plan = {
	"SELECT true FROM authmeter.user WHERE id" AM_EQ "$1", 1, {UUIDOID}, NULL};

static AmPlan reply_plan = {
	"SELECT pg_catalog.jsonb_build_object('outcome', $1, 'used', $2, 'allowance', $3, "
	"'resets_us', $4, 'crossed', $5)",
	5,
	{TEXTOID, INT8OID, INT8OID, INT8OID, INT4ARRAYOID},
	NULL};

static AmPlan replay_plan = {
	"SELECT $1 OPERATOR(pg_catalog.->>) 'outcome', ($1 OPERATOR(pg_catalog.->>) 'used')::bigint, "
	"($1 OPERATOR(pg_catalog.->>) 'allowance')::bigint, "
	"($1 OPERATOR(pg_catalog.->>) 'resets_us')::bigint, "
	"ARRAY(SELECT x::integer FROM pg_catalog.jsonb_array_elements_text("
	"$1 OPERATOR(pg_catalog.->) 'crossed') x)",
	1,
	{JSONBOID},
	NULL};

void
am_quota_find(AmQuota *quota, const text *feature, TimestampTz at)
{
	Datum user = UUIDPGetDatum(&quota->user);

	if (quota->amount < 0)
		quota->outcome = "amount_invalid";
	else if (!am_subscription_find(&quota->user, at, &quota->subscription))
		quota->outcome = am_spi_read_latest(&user_plan, &user, NULL, 1) == 1 ? "no_subscription"
																			 : "user_unknown";
	else if (!am_feature_find(quota->subscription.plan_version_id, VARDATA_ANY(feature),
							  VARSIZE_ANY_EXHDR(feature), &quota->feature))
		quota->outcome = "feature_unknown";
	else if (!quota->feature.metered)
		quota->outcome = "not_metered";
	else if (!am_period_at(quota->feature.period, quota->subscription.anchor, at, &quota->period))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID), errmsg("time is out of range"),
				errhint("Periods are computed for the years 1 to 9999."));
}

int
am_quota_compare(const AmQuota *a, const AmQuota *b)
{
	int order = memcmp(a->user.data, b->user.data, UUID_LEN);

	if (order == 0 && a->feature.meter_id != b->feature.meter_id)
		order = a->feature.meter_id < b->feature.meter_id ? -1 : 1;
	if (order == 0)
		order = (int) a->feature.period - (int) b->feature.period;
	if (order == 0 && a->period.start_us != b->period.start_us)
		order = a->period.start_us < b->period.start_us ? -1 : 1;
	return order;
}

static ArrayType *
crossed_array(const AmQuota *quota)
{
	Datum values[AM_FEATURE_THRESHOLDS_MAX];
	int i;

	for (i = 0; i < quota->crossed_count; i++)
		values[i] = Int32GetDatum(quota->crossed[i]);
	return construct_array(values, quota->crossed_count, INT4OID, 4, true, 'i');
}

static Datum
answer_datum(FunctionCallInfo fcinfo, const AmQuota *quota)
{
	Datum row[ANSWER_COLUMNS];
	bool nulls[ANSWER_COLUMNS] = {false};

	row[0] = CStringGetTextDatum(quota->outcome);
	row[1] = Int64GetDatum(quota->used);
	row[2] = Int64GetDatum(quota->allowance);
	row[3] = Int64GetDatum(am_quota_remaining(quota));
	row[4] = TimestampTzGetDatum(quota->resets_at);
	row[5] = BoolGetDatum(quota->replayed);
	row[6] = PointerGetDatum(crossed_array(quota));
	nulls[1] = nulls[4] = !quota->counted;
	nulls[2] = nulls[3] = !quota->counted || !quota->limited;
	return am_row(fcinfo, row, nulls);
}

/* ---- idempotency keys ---- */

static void
answer_store(const AmQuota *quota, text *key)
{
	Datum values[5] = {CStringGetTextDatum(quota->outcome), Int64GetDatum(quota->used),
					   Int64GetDatum(quota->allowance), Int64GetDatum(quota->resets_at),
					   PointerGetDatum(crossed_array(quota))};
	char nulls[] = "     ";

	if (!quota->counted)
		nulls[1] = nulls[3] = 'n';
	if (!quota->counted || !quota->limited)
		nulls[2] = 'n';
	am_spi_run(&reply_plan, values, nulls, 1);
	am_idempotency_store(&quota->user, key, am_spi_datum(0, 1));
}

static void
answer_replay(AmQuota *quota, Datum reply, MemoryContext cxt)
{
	ArrayType *crossed;
	Datum *values;
	int i;

	am_spi_run(&replay_plan, &reply, NULL, 1);
	quota->outcome = am_spi_text(0, 1, cxt);
	quota->replayed = true;
	quota->counted = !am_spi_null(0, 2);
	quota->limited = !am_spi_null(0, 3);
	if (quota->counted)
	{
		quota->used = am_spi_int64(0, 2);
		quota->resets_at = (TimestampTz) am_spi_int64(0, 4);
	}
	if (quota->limited)
		quota->allowance = am_spi_int64(0, 3);
	crossed = DatumGetArrayTypeP(am_spi_datum(0, 5));
	deconstruct_array(crossed, INT4OID, 4, true, 'i', &values, NULL, &quota->crossed_count);
	quota->crossed_count = Min(quota->crossed_count, AM_FEATURE_THRESHOLDS_MAX);
	for (i = 0; i < quota->crossed_count; i++)
		quota->crossed[i] = DatumGetInt32(values[i]);
}

/* Claims the key; decides the call unless the key is new. True: the answer has to be stored. */
static bool
answer_claim(AmQuota *quota, text *key, const char *request, MemoryContext cxt)
{
	Datum reply = (Datum) 0;
	AmClaim claim = am_idempotency_claim(&quota->user, key, request, &reply);

	quota->outcome = am_idempotency_refusal(claim);
	if (claim == AM_CLAIM_REPLAY)
		answer_replay(quota, reply, cxt);
	return claim == AM_CLAIM_NEW;
}

/* ---- functions ---- */

/* Arguments 0 to 2: user, feature, amount. What is NULL is refused, not an error. */
static const text *
arguments_read(FunctionCallInfo fcinfo, AmQuota *quota)
{
	memset(quota, 0, sizeof(*quota));
	if (PG_ARGISNULL(0))
		quota->outcome = "user_unknown";
	else if (PG_ARGISNULL(1))
		quota->outcome = "feature_unknown";
	else if (PG_ARGISNULL(2))
		quota->outcome = "amount_invalid";
	if (quota->outcome != NULL)
		return NULL;
	quota->user = *PG_GETARG_UUID_P(0);
	quota->amount = PG_GETARG_INT64(2);
	return PG_GETARG_TEXT_PP(1);
}

/* authmeter.quota_consume(user_id, feature, amount, idempotency_key) */
Datum
authmeter_quota_consume(PG_FUNCTION_ARGS)
{
	AmQuota quota;
	const text *feature = arguments_read(fcinfo, &quota);
	text *key = PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3);
	MemoryContext cxt = CurrentMemoryContext;
	bool claimed = false;

	am_spi_begin();
	if (quota.outcome == NULL && key != NULL)
		claimed = answer_claim(
			&quota, key,
			psprintf("quota_consume %s " INT64_FORMAT, text_to_cstring(feature), quota.amount),
			cxt);
	if (quota.outcome == NULL)
		am_quota_find(&quota, feature, am_clock_now());
	if (quota.outcome == NULL)
		am_quota_take(&quota);
	if (claimed)
		answer_store(&quota, key);
	am_spi_end();
	return answer_datum(fcinfo, &quota);
}

/* authmeter.quota_peek(user_id, feature, amount) */
Datum
authmeter_quota_peek(PG_FUNCTION_ARGS)
{
	AmQuota quota;
	const text *feature = arguments_read(fcinfo, &quota);

	am_spi_begin();
	if (quota.outcome == NULL)
		am_quota_find(&quota, feature, am_clock_now());
	if (quota.outcome == NULL)
		am_quota_look(&quota);
	am_spi_end();
	return answer_datum(fcinfo, &quota);
}

/* authmeter.quota_release(user_id, feature, amount, idempotency_key, consumed_at) */
Datum
authmeter_quota_release(PG_FUNCTION_ARGS)
{
	AmQuota quota;
	const text *feature = arguments_read(fcinfo, &quota);
	text *key = PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3);
	TimestampTz at = PG_ARGISNULL(4) ? am_clock_now() : PG_GETARG_TIMESTAMPTZ(4);
	MemoryContext cxt = CurrentMemoryContext;
	bool claimed = false;

	am_spi_begin();
	if (quota.outcome == NULL && key != NULL)
		claimed = answer_claim(&quota, key,
							   psprintf("quota_release %s " INT64_FORMAT " " INT64_FORMAT,
										text_to_cstring(feature), quota.amount,
										PG_ARGISNULL(4) ? 0 : (int64) at),
							   cxt);
	if (quota.outcome == NULL)
		am_quota_find(&quota, feature, at);
	if (quota.outcome == NULL)
		am_quota_give(&quota);
	if (claimed)
		answer_store(&quota, key);
	am_spi_end();
	return answer_datum(fcinfo, &quota);
}
