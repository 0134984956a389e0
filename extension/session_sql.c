/*
 * session_sql.c
 *
 * The SQL functions of login sessions. Arguments are measured before they are detoasted.
 */
#include "compat.h"

#include "access/detoast.h"

#include "audit.h"
#include "core/uuid7.h"
#include "crypto/hash.h"
#include "interval.h"
#include "row.h"
#include "session.h"
#include "spi.h"
#include "token.h"

#define LIFETIME_S_MAX (INT64_C(3650) * SECS_PER_DAY)

PG_FUNCTION_INFO_V1(authmeter_session_start);
PG_FUNCTION_INFO_V1(authmeter_session_refresh);
PG_FUNCTION_INFO_V1(authmeter_session_check);
PG_FUNCTION_INFO_V1(authmeter_session_renew);
PG_FUNCTION_INFO_V1(authmeter_session_end);
PG_FUNCTION_INFO_V1(authmeter_session_close);
PG_FUNCTION_INFO_V1(authmeter_session_end_all);
PG_FUNCTION_INFO_V1(authmeter_session_purge);

static AmPlan close_plan = {"UPDATE authmeter.session SET refresh_hash = NULL WHERE user_id" AM_EQ
							"$1 AND id" AM_EQ
							"$2 AND refresh_hash IS NOT NULL AND ended_at IS NULL "
							"AND ($3 IS NULL OR authmeter.digest_equal(refresh_hash, $3))",
							3,
							{UUIDOID, UUIDOID, BYTEAOID},
							NULL};

static _Noreturn void
argument_refuse(const char *what, const char *hint)
{
	ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID), errmsg("invalid %s of a session", what),
			errhint("%s", hint));
}

static pg_uuid_t *
uuid_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : PG_GETARG_UUID_P(number);
}

static char *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

static char *
api_argument(FunctionCallInfo fcinfo, int number)
{
	char *api = text_argument(fcinfo, number);

	if (api == NULL || api[0] == '\0' || strlen(api) > NAMEDATALEN)
		argument_refuse("API", "Name the API, such as jobpsych.");
	return api;
}

static int64
lifetime_argument(FunctionCallInfo fcinfo, int number)
{
	int64 us;

	if (PG_ARGISNULL(number) || !am_interval_us(PG_GETARG_INTERVAL_P(number), USECS_PER_SEC,
												LIFETIME_S_MAX * USECS_PER_SEC, &us))
		argument_refuse("lifetime", "Give an interval from 1 second to 3650 days.");
	return us / USECS_PER_SEC;
}

static AmSessionLifetimes
lifetimes_argument(FunctionCallInfo fcinfo, int number)
{
	return (AmSessionLifetimes){lifetime_argument(fcinfo, number),
								lifetime_argument(fcinfo, number + 1)};
}

static int64
span_argument(FunctionCallInfo fcinfo, int number, const char *what)
{
	int64 us;

	if (PG_ARGISNULL(number) ||
		!am_interval_us(PG_GETARG_INTERVAL_P(number), 0, AM_SESSION_GRACE_US_MAX, &us))
		argument_refuse(what, "Give an interval from 0 to 1 day.");
	return us;
}

static AmSessionReuse
reuse_argument(FunctionCallInfo fcinfo, int number)
{
	static const char *const names[] = {[AM_SESSION_REUSE_END] = "end",
										[AM_SESSION_REUSE_CLOSE] = "close",
										[AM_SESSION_REUSE_REFUSE] = "refuse"};
	char *value = text_argument(fcinfo, number);
	int i;

	for (i = 0; value != NULL && i < (int) lengthof(names); i++)
		if (strcmp(value, names[i]) == 0)
			return (AmSessionReuse) i;
	argument_refuse("reuse policy", "The policies are end, close and refuse.");
}

static char *
reason_argument(FunctionCallInfo fcinfo, int number)
{
	char *reason = text_argument(fcinfo, number);
	Size len = reason != NULL ? strlen(reason) : 0;

	if (len == 0 || len > AM_SESSION_REASON_BYTES_MAX ||
		strspn(reason, "abcdefghijklmnopqrstuvwxyz_") != len)
		argument_refuse("end reason", "A reason has 1 to 40 characters a-z and underscores.");
	return reason;
}

/* The token, or an empty one when it is NULL or longer than any of ours. */
static amc_span
token_argument(FunctionCallInfo fcinfo, int number)
{
	text *token;

	if (PG_ARGISNULL(number) ||
		toast_raw_datum_size(PG_GETARG_DATUM(number)) - VARHDRSZ > AM_TOKEN_BYTES_MAX)
		return (amc_span){"", 0};
	token = PG_GETARG_TEXT_PP(number);
	return (amc_span){VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token)};
}

static Datum
text_column(const char *value, bool *isnull)
{
	*isnull = value == NULL;
	return value != NULL ? CStringGetTextDatum(value) : (Datum) 0;
}

static Datum
result_row(FunctionCallInfo fcinfo, const AmSessionResult *result)
{
	bool nulls[7] = {false, false, !result->user_known, !result->session_known};
	Datum values[7] = {CStringGetTextDatum(result->ok ? "ok" : "refused"),
					   CStringGetTextDatum(result->reason), UUIDPGetDatum(&result->user_id),
					   UUIDPGetDatum(&result->session_id)};

	values[4] = text_column(result->access_token, &nulls[4]);
	values[5] = text_column(result->refresh_token, &nulls[5]);
	values[6] = BoolGetDatum(result->replayed);
	return am_row(fcinfo, values, nulls);
}

/*
 * authmeter.session_start(user_id, api, claims, access_lifetime, refresh_lifetime, device, address,
 * request_id, single)
 */
Datum
authmeter_session_start(PG_FUNCTION_ARGS)
{
	AmSessionStart order = {.user_id = uuid_argument(fcinfo, 0),
							.api = api_argument(fcinfo, 1),
							.lifetimes = lifetimes_argument(fcinfo, 3),
							.device = text_argument(fcinfo, 5),
							.caller = {text_argument(fcinfo, 6), text_argument(fcinfo, 7)},
							.single = !PG_ARGISNULL(8) && PG_GETARG_BOOL(8)};
	AmSessionResult result = {.ok = false, .reason = "user_unknown"};

	if (PG_ARGISNULL(2))
		argument_refuse("claims", "Give a JSON object.");
	order.claims = PG_GETARG_JSONB_P(2);
	if (order.user_id != NULL)
		am_session_start(&order, &result);
	return result_row(fcinfo, &result);
}

/*
 * authmeter.session_refresh(refresh_token, api, access_lifetime, refresh_lifetime, grace, reuse,
 * tolerance, address, request_id)
 */
Datum
authmeter_session_refresh(PG_FUNCTION_ARGS)
{
	amc_span token = token_argument(fcinfo, 0);
	AmSessionRefresh order = {.token = token.ptr,
							  .token_bytes = token.len,
							  .api = api_argument(fcinfo, 1),
							  .lifetimes = lifetimes_argument(fcinfo, 2),
							  .grace_us = span_argument(fcinfo, 4, "grace"),
							  .reuse = reuse_argument(fcinfo, 5),
							  .tolerance_us = span_argument(fcinfo, 6, "tolerance"),
							  .caller = {text_argument(fcinfo, 7), text_argument(fcinfo, 8)}};
	AmSessionResult result;

	am_session_refresh(&order, &result);
	return result_row(fcinfo, &result);
}

/* authmeter.session_check(refresh_token, api) */
Datum
authmeter_session_check(PG_FUNCTION_ARGS)
{
	amc_span token = token_argument(fcinfo, 0);
	AmSessionResult result;

	am_session_check(token.ptr, token.len, api_argument(fcinfo, 1), &result);
	return result_row(fcinfo, &result);
}

/* authmeter.session_renew(user_id, session_id, access_lifetime, refresh_lifetime) */
Datum
authmeter_session_renew(PG_FUNCTION_ARGS)
{
	AmSessionLifetimes lifetimes = lifetimes_argument(fcinfo, 2);
	AmSessionResult result = {.ok = false, .reason = "session_unknown"};

	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1))
		am_session_renew(PG_GETARG_UUID_P(0), PG_GETARG_UUID_P(1), &lifetimes, &result);
	return result_row(fcinfo, &result);
}

static void
end_audit(const char *action, const char *outcome, const pg_uuid_t *user_id,
		  const pg_uuid_t *session_id, const char *reason)
{
	char id[AMC_UUID_TEXT_BYTES + 1] = "";
	AmAuditPair pairs[2] = {{"session", NULL}, {"reason", reason}};
	AmAuditEvent event = {.action = action, .outcome = outcome, .user_id = user_id};

	if (session_id != NULL)
	{
		amc_uuid_format(session_id->data, id);
		pairs[0].value = id;
	}
	event.detail = am_audit_detail(pairs, reason != NULL ? 2 : 1);
	am_audit_append(&event);
}

/* authmeter.session_end(user_id, session_id, reason) */
Datum
authmeter_session_end(PG_FUNCTION_ARGS)
{
	pg_uuid_t *user_id = uuid_argument(fcinfo, 0);
	pg_uuid_t *session_id = uuid_argument(fcinfo, 1);
	char *reason = reason_argument(fcinfo, 2);

	if (user_id == NULL || session_id == NULL || !am_session_end(user_id, session_id, reason))
		PG_RETURN_TEXT_P(cstring_to_text("not_found"));
	end_audit("session_end", "ended", user_id, session_id, reason);
	PG_RETURN_TEXT_P(cstring_to_text("ended"));
}

static bool
session_close(const pg_uuid_t *user_id, const pg_uuid_t *session_id, const amc_span *token)
{
	Datum values[3] = {UUIDPGetDatum(user_id), UUIDPGetDatum(session_id)};
	uint8 hash[AM_SHA256_BYTES];
	bool closed;

	if (token != NULL)
	{
		am_sha256(token->ptr, token->len, hash);
		values[2] = PointerGetDatum(am_bytea_new(hash, sizeof(hash)));
	}
	am_spi_begin();
	closed = am_spi_run_newest(&close_plan, values, token != NULL ? NULL : "  n") == 1;
	am_spi_end();
	return closed;
}

/* authmeter.session_close(user_id, session_id, refresh_token) */
Datum
authmeter_session_close(PG_FUNCTION_ARGS)
{
	pg_uuid_t *user_id = uuid_argument(fcinfo, 0);
	pg_uuid_t *session_id = uuid_argument(fcinfo, 1);
	amc_span token = token_argument(fcinfo, 2);

	if (user_id == NULL || session_id == NULL ||
		!session_close(user_id, session_id, PG_ARGISNULL(2) ? NULL : &token))
		PG_RETURN_TEXT_P(cstring_to_text("not_found"));
	end_audit("session_close", "closed", user_id, session_id, NULL);
	PG_RETURN_TEXT_P(cstring_to_text("closed"));
}

/* authmeter.session_end_all(user_id, except_session, reason) */
Datum
authmeter_session_end_all(PG_FUNCTION_ARGS)
{
	pg_uuid_t *user_id = uuid_argument(fcinfo, 0);
	pg_uuid_t *except = uuid_argument(fcinfo, 1);
	char *reason = reason_argument(fcinfo, 2);
	int64 count = user_id != NULL ? am_session_end_all(user_id, except, reason) : 0;

	if (count > 0)
		end_audit("session_end_all", "ended", user_id, NULL, reason);
	PG_RETURN_INT64(count);
}

/* authmeter.session_purge(row_limit) */
Datum
authmeter_session_purge(PG_FUNCTION_ARGS)
{
	int32 limit = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT32(0);

	if (limit < 1 || limit > AM_SESSION_PURGE_ROWS_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
				errmsg("number of sessions to remove is out of range"),
				errhint("Give 1 to %d and repeat.", AM_SESSION_PURGE_ROWS_MAX));
	PG_RETURN_INT64(am_session_purge(limit));
}
