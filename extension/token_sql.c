/*
 * token_sql.c
 *
 * The SQL functions of session tokens. Arguments are measured before they are detoasted, and the
 * row descriptors are made once a call site: token_verify is part of every authenticated request.
 */
#include "compat.h"

#include "access/detoast.h"
#include "access/htup_details.h"

#include "clock.h"
#include "interval.h"
#include "json_bridge.h"
#include "row.h"
#include "token.h"

/* A lifetime beyond this is a mistake of units; the longest of the contracts is 30 days. */
#define LIFETIME_S_MAX (INT64_C(3650) * SECS_PER_DAY)

PG_FUNCTION_INFO_V1(authmeter_token_issue);
PG_FUNCTION_INFO_V1(authmeter_token_verify);
PG_FUNCTION_INFO_V1(authmeter_token_user);

static _Noreturn void
argument_refuse(const char *what, const char *hint)
{
	ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
			errmsg("invalid %s of a session token", what), errhint("%s", hint));
}

static amc_span
api_argument(FunctionCallInfo fcinfo, int number)
{
	text *value;

	if (PG_ARGISNULL(number))
		argument_refuse("API", "Name the API, such as vsplugin.");
	value = PG_GETARG_TEXT_PP(number);
	return (amc_span){VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

static AmTokenUse
use_argument(FunctionCallInfo fcinfo, int number)
{
	static const amc_span names[] = {
#define X(name, text) AMC_SPAN(text),
		AM_TOKEN_USES(X)
#undef X
	};
	text *value = PG_ARGISNULL(number) ? NULL : PG_GETARG_TEXT_PP(number);
	int i;

	for (i = 0; value != NULL && i < AM_TOKEN_USE_COUNT; i++)
		if (amc_span_equals(names[i], VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)))
			return (AmTokenUse) i;
	argument_refuse("use", "The uses are access, refresh and verify.");
}

static int64
lifetime_argument(FunctionCallInfo fcinfo, int number)
{
	TimestampTz now = am_clock_now();
	TimestampTz end;

	if (PG_ARGISNULL(number) || !am_interval_end(now, PG_GETARG_INTERVAL_P(number), USECS_PER_SEC,
												 LIFETIME_S_MAX * USECS_PER_SEC, &end))
		argument_refuse("lifetime", "Give an interval from 1 second to 3650 days.");
	return (end - now) / USECS_PER_SEC;
}

/* authmeter.token_issue(user_id, api, use, claims, lifetime, session_id) */
Datum
authmeter_token_issue(PG_FUNCTION_ARGS)
{
	amc_span api = api_argument(fcinfo, 1);
	AmTokenOrder order = {.user_id = PG_ARGISNULL(0) ? NULL : PG_GETARG_UUID_P(0),
						  .session_id = PG_ARGISNULL(5) ? NULL : PG_GETARG_UUID_P(5),
						  .api = pnstrdup(api.ptr, api.len),
						  .use = use_argument(fcinfo, 2),
						  .claims = PG_ARGISNULL(3) ? NULL : PG_GETARG_JSONB_P(3),
						  .lifetime_s = lifetime_argument(fcinfo, 4)};
	char *token = order.user_id != NULL ? am_token_issue(&order) : NULL;

	if (token == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(token));
}

/*
 * The verdict on the arguments (token, api, use) of both functions below; stateless = by what the
 * token says alone.
 */
static void
arguments_verify(FunctionCallInfo fcinfo, bool stateless, AmTokenVerdict *verdict)
{
	amc_span api = api_argument(fcinfo, 1);
	AmTokenUse use = use_argument(fcinfo, 2);
	text *token;

	verdict->outcome = AM_TOKEN_INVALID;
	verdict->reason = PG_ARGISNULL(0) ? "malformed" : "too_long";
	if (PG_ARGISNULL(0) || toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ > AM_TOKEN_BYTES_MAX)
		return;
	token = PG_GETARG_TEXT_PP(0);
	(stateless ? am_token_read : am_token_verify)(api, use, VARDATA_ANY(token),
												  VARSIZE_ANY_EXHDR(token), verdict);
}

/* The id is told only of a token that is ours and current as far as the user exists. */
static bool
verdict_names_user(const AmTokenVerdict *verdict)
{
	return verdict->outcome == AM_TOKEN_OK || verdict->outcome == AM_TOKEN_USER_UNKNOWN ||
		   verdict->outcome == AM_TOKEN_USER_DISABLED;
}

/* authmeter.token_verify(token, api, use, stateless) */
Datum
authmeter_token_verify(PG_FUNCTION_ARGS)
{
	bool nulls[4] = {false, true, true, false};
	Datum values[4] = {0};
	Jsonb *claims = NULL;
	AmTokenVerdict verdict;

	arguments_verify(fcinfo, !PG_ARGISNULL(3) && PG_GETARG_BOOL(3), &verdict);
	if (verdict.outcome == AM_TOKEN_OK)
	{
		claims = am_jsonb_from_node(&verdict.claims, amc_json_root(&verdict.claims));
		if (claims == NULL)
		{
			verdict.outcome = AM_TOKEN_INVALID;
			verdict.reason = "claims_invalid";
		}
	}
	values[0] = CStringGetTextDatum(am_token_outcome_name(verdict.outcome));
	nulls[1] = !verdict_names_user(&verdict);
	values[1] = UUIDPGetDatum(&verdict.user_id);
	nulls[2] = claims == NULL;
	values[2] = PointerGetDatum(claims);
	values[3] = CStringGetTextDatum(verdict.reason);
	return am_row(fcinfo, values, nulls);
}

/* authmeter.token_user(token, api, use) is the same without the claims. */
Datum
authmeter_token_user(PG_FUNCTION_ARGS)
{
	bool nulls[2] = {false, false};
	Datum values[2];
	AmTokenVerdict verdict;

	arguments_verify(fcinfo, false, &verdict);
	values[0] = CStringGetTextDatum(am_token_outcome_name(verdict.outcome));
	values[1] = UUIDPGetDatum(&verdict.user_id);
	nulls[1] = !verdict_names_user(&verdict);
	return am_row(fcinfo, values, nulls);
}
