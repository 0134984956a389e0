/*
 * http_vsplugin.c
 *
 * POST /trackUsage of the vsplugin API, the one endpoint in C: PL/pgSQL with its pinned search_path
 * and the records passed about would cost as much again as all the work below. The other endpoints
 * of the API are in install/52_api_vsplugin.sql.
 *
 * Both counters of a call are rows of one user, taken in the order of their ids, so that calls for
 * one user queue at the first and see totals that belong together.
 */
#include "compat.h"

#include "utils/numeric.h"

#include "http.h"
#include "http_limit.h"
#include "idempotency.h"
#include "setting.h"
#include "spi.h"
#include "token.h"
#include "usage.h"

/* The builtin meters vsplugin.prompt and vsplugin.token. */
#define METER_PROMPT 1
#define METER_TOKEN  2

#define BODY_BYTES_MAX 256

PG_FUNCTION_INFO_V1(authmeter_http_vsplugin_track_usage);

/* What a call adds; once counted, the totals. */
typedef struct Counts
{
	int64 prompt;
	int64 token;
} Counts;

/* One request, and the header fields of its answer. */
typedef struct Call
{
	FunctionCallInfo fcinfo;
	Jsonb *request; /* may be NULL */
	Jsonb *headers;
} Call;

static Datum
refuse(const Call *call, int status, const char *message)
{
	return am_http_response(call->fcinfo, status, call->headers,
							psprintf("{\"error\":\"%s\"}", message));
}

static Datum
answer(const Call *call, const Counts *totals)
{
	char body[BODY_BYTES_MAX];

	snprintf(body, sizeof(body),
			 "{\"message\":\"Usage tracked successfully\",\"currentPromptCount\":" INT64_FORMAT
			 ",\"currentTokenCount\":" INT64_FORMAT ",\"threshold\":" INT64_FORMAT "}",
			 totals->prompt, totals->token, am_setting_int(AM_SETTING_VSPLUGIN_THRESHOLD));
	return am_http_response(call->fcinfo, 200, call->headers, body);
}

/*
 * Counts the call against the policies of its client's address, or, once the user is known, of the
 * user; true when one refused it. Costs next to nothing while there are none.
 */
static bool
call_limited(Call *call, const pg_uuid_t *user)
{
	AmLimitOrder order = {.api = "vsplugin", .route_group = "usage"};
	AmLimitAnswer limit;
	amc_span address;

	if (user != NULL)
		order.user = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(user)));
	else if (call->request != NULL && am_http_text(call->request, "ip", &address))
		order.address = pnstrdup(address.ptr, address.len);
	am_http_limit_take(&order, &limit);
	if (limit.headers != NULL)
		call->headers = limit.headers;
	return limit.retry_after_s > 0;
}

/* Adds to one counter; false when the user is gone. A total beyond 63 bits is a fault. */
static bool
counter_add(const pg_uuid_t *user, int32 meter_id, int64 *count)
{
	const char *refusal = am_usage_counter_add(user, meter_id, *count, count);

	if (refusal != NULL && strcmp(refusal, "overflow") == 0)
		ereport(ERROR, errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				errmsg("total of a usage counter is out of range"));
	return refusal == NULL;
}

static bool
counters_add(const pg_uuid_t *user, Counts *counts)
{
	bool found;

	am_spi_begin();
	found = counter_add(user, METER_PROMPT, &counts->prompt) &&
			counter_add(user, METER_TOKEN, &counts->token);
	am_spi_end();
	return found;
}

static Datum
track(const Call *call, const pg_uuid_t *user, Counts *counts)
{
	if (!counters_add(user, counts))
		return refuse(call, 404, "User not found");
	return answer(call, counts);
}

static Datum
stored_of_counts(const Counts *totals)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(psprintf("{\"prompt\":" INT64_FORMAT
																  ",\"token\":" INT64_FORMAT "}",
																  totals->prompt, totals->token)));
}

static int64
stored_count(Jsonb *stored, const char *name)
{
	JsonbValue value;

	if (getKeyJsonValueFromContainer(&stored->root, name, strlen(name), &value) == NULL ||
		value.type != jbvNumeric)
		return 0;
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value.val.numeric)));
}

/* Claims the key; what to do next, and for a replay the totals of then. */
static AmClaim
key_claim(const pg_uuid_t *user, text *key, Counts *counts)
{
	Datum reply = (Datum) 0;
	AmClaim claim;

	am_spi_begin();
	claim = am_idempotency_claim(user, key,
								 psprintf("vsplugin_track_usage " INT64_FORMAT " " INT64_FORMAT,
										  counts->prompt, counts->token),
								 &reply);
	if (claim == AM_CLAIM_REPLAY)
	{
		Jsonb *stored = DatumGetJsonbP(reply);

		counts->prompt = stored_count(stored, "prompt");
		counts->token = stored_count(stored, "token");
	}
	am_spi_end();
	return claim;
}

/* The same for a call with an idempotency key. */
static Datum
track_once(const Call *call, const pg_uuid_t *user, amc_span key_span, Counts *counts)
{
	text *key = cstring_to_text_with_len(key_span.ptr, key_span.len);

	switch (key_claim(user, key, counts))
	{
		case AM_CLAIM_NEW:
			if (!counters_add(user, counts))
				break;
			am_spi_begin();
			am_idempotency_store(user, key, stored_of_counts(counts));
			am_spi_end();
			return answer(call, counts);
		case AM_CLAIM_REPLAY:
			return answer(call, counts);
		case AM_CLAIM_CONFLICT:
			return refuse(call, 409, "Idempotency key was used for another request");
		case AM_CLAIM_KEY_INVALID:
			return refuse(call, 400, "Invalid idempotency key");
		case AM_CLAIM_USER_UNKNOWN:
			break;
	}
	return refuse(call, 404, "User not found");
}

/* authmeter_http.vsplugin_track_usage(request) */
Datum
authmeter_http_vsplugin_track_usage(PG_FUNCTION_ARGS)
{
	Call call = {.fcinfo = fcinfo, .request = PG_ARGISNULL(0) ? NULL : PG_GETARG_JSONB_P(0)};
	int64 most = am_setting_int(AM_SETTING_VSPLUGIN_MAX_INCREMENT);
	AmTokenVerdict verdict;
	Counts counts;
	amc_span token;
	amc_span key;

	if (call_limited(&call, NULL))
		return refuse(&call, 429, "Too many requests");
	if (call.request == NULL || !am_http_text(call.request, "bearer", &token) || token.len == 0)
		return refuse(&call, 401, "Authorization header missing or malformed");
	am_token_verify(AMC_SPAN("vsplugin"), AM_TOKEN_USE_ACCESS, token.ptr, token.len, &verdict);
	if (verdict.outcome == AM_TOKEN_USER_UNKNOWN)
		return refuse(&call, 404, "User not found");
	if (verdict.outcome != AM_TOKEN_OK)
		return refuse(&call, 403, "Invalid or expired token");
	if (call_limited(&call, &verdict.user_id))
		return refuse(&call, 429, "Too many requests");
	counts.prompt = am_http_body_count(call.request, "usage", 1, most);
	counts.token = am_http_body_count(call.request, "tokenCount", 0, most);
	if (am_http_header(call.request, "idempotency-key", &key))
		return track_once(&call, &verdict.user_id, key, &counts);
	return track(&call, &verdict.user_id, &counts);
}
