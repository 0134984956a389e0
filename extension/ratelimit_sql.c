/*
 * ratelimit_sql.c
 *
 * The SQL functions of rate limits: counting and looking, by fixed window and by GCRA.
 */
#include "compat.h"

#include "access/htup_details.h"

#include "ratelimit.h"
#include "row.h"

PG_FUNCTION_INFO_V1(authmeter_gcra_peek);
PG_FUNCTION_INFO_V1(authmeter_gcra_take);
PG_FUNCTION_INFO_V1(authmeter_rate_address_key);
PG_FUNCTION_INFO_V1(authmeter_rate_peek);
PG_FUNCTION_INFO_V1(authmeter_rate_take);

static char *
text_arg(FunctionCallInfo fcinfo, int n, const char *what)
{
	if (PG_ARGISNULL(n) || VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(n)) == 0)
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("%s of a rate limit must not be empty", what));
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static amc_rate
rate_arg(FunctionCallInfo fcinfo, int n)
{
	const char *spelling = text_arg(fcinfo, n, "rate");
	amc_rate rate;

	if (!amc_rate_parse(spelling, strlen(spelling), &rate))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("invalid rate \"%.64s\"", spelling),
				errhint("Write count/window, for example 10/15m, or off."));
	return rate;
}

static int64
burst_arg(FunctionCallInfo fcinfo, int n)
{
	int64 burst = PG_ARGISNULL(n) ? 0 : PG_GETARG_INT64(n);

	if (burst < 1 || burst > AMC_RATE_COUNT_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("burst of a rate limit must be from 1 to " INT64_FORMAT, AMC_RATE_COUNT_MAX),
				errhint("The burst is how many units may be taken at once."));
	return burst;
}

static int64
cost_arg(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n) || PG_GETARG_INT64(n) < 1)
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("cost of a rate limit must be at least 1"),
				errhint("authmeter.rate_peek and authmeter.gcra_peek look without counting."));
	return PG_GETARG_INT64(n);
}

/* Takes or looks, and makes the row: allowed, remaining, retry_after_ms, reset_ms. */
static Datum
limit_answer(FunctionCallInfo fcinfo, const amc_limit *limit, int64 cost)
{
	AmRateVerdict verdict = am_ratelimit_limit_take(text_arg(fcinfo, 0, "name"),
													text_arg(fcinfo, 1, "key"), limit, cost);
	Datum row[4] = {BoolGetDatum(verdict.allowed), Int64GetDatum(verdict.remaining),
					Int64GetDatum(verdict.retry_after_ms), Int64GetDatum(verdict.reset_ms)};
	bool off = limit->rate.count == 0;
	bool nulls[4] = {false, off, verdict.retry_after_ms == AMC_RATE_NEVER, off};

	return am_row(fcinfo, row, nulls);
}

/* authmeter.rate_take(policy, key, rate, cost) counts cost units if they fit. */
Datum
authmeter_rate_take(PG_FUNCTION_ARGS)
{
	amc_limit limit = {rate_arg(fcinfo, 2), 0};

	return limit_answer(fcinfo, &limit, cost_arg(fcinfo, 3));
}

/* authmeter.rate_peek(policy, key, rate) tells whether one more unit would fit. */
Datum
authmeter_rate_peek(PG_FUNCTION_ARGS)
{
	amc_limit limit = {rate_arg(fcinfo, 2), 0};

	return limit_answer(fcinfo, &limit, 0);
}

/* authmeter.gcra_take(policy, key, rate, burst, cost) counts cost units if they fit. */
Datum
authmeter_gcra_take(PG_FUNCTION_ARGS)
{
	amc_limit limit = {rate_arg(fcinfo, 2), burst_arg(fcinfo, 3)};

	return limit_answer(fcinfo, &limit, cost_arg(fcinfo, 4));
}

/* authmeter.gcra_peek(policy, key, rate, burst) tells whether one more unit would fit. */
Datum
authmeter_gcra_peek(PG_FUNCTION_ARGS)
{
	amc_limit limit = {rate_arg(fcinfo, 2), burst_arg(fcinfo, 3)};

	return limit_answer(fcinfo, &limit, 0);
}

/* authmeter.rate_address_key(address) returns the key under which an address is counted. */
Datum
authmeter_rate_address_key(PG_FUNCTION_ARGS)
{
	char key[AMC_NET_KEY_BYTES];

	am_ratelimit_address_key(PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0)), key);
	PG_RETURN_TEXT_P(cstring_to_text(key));
}
