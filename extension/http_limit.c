/*
 * http_limit.c
 *
 * The rate limits of one request, and the header fields that tell of them: `RateLimit-Policy` and
 * `RateLimit` as structured fields (draft-ietf-httpapi-ratelimit-headers-10), and Retry-After.
 *
 * Limits are looked at and counted in one order everywhere, the setting's first, then the policies
 * by name: without preloading they are rows, and two requests lock them in the same order.
 */
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"

#include "core/hex.h"
#include "crypto/hash.h"
#include "http.h"
#include "http_limit.h"
#include "row.h"
#include "setting_table.h"
#include "user.h"

#define MS_A_S 1000

#define HEX_BYTES (2 * AM_SHA256_BYTES + 1)

/* The largest integer of a structured field (RFC 9651 section 3.3.1). */
#define FIELD_INTEGER_MAX INT64CONST(999999999999999)

PG_FUNCTION_INFO_V1(authmeter_http_limit_take);

/* One limit that a request has to pass. */
typedef struct Check
{
	const char *name;    /* as the header shows it */
	const char *counter; /* as it is counted */
	const char *key;
	amc_limit limit;
	AmRateVerdict verdict;
} Check;

typedef struct Checks
{
	Check *check;
	int count;
	bool own; /* the first is the setting's */
} Checks;

static int64
seconds_up(int64 ms)
{
	return ms / MS_A_S + (ms % MS_A_S > 0);
}

/* By the stored form of an address; what is none (a user name) by a hash, being of any length. */
static const char *
email_key(const char *email)
{
	const char *canonical = am_user_email(CStringGetTextDatum(email));
	uint8 digest[AM_SHA256_BYTES];
	char *hex;

	if (canonical != NULL)
		return canonical;
	am_sha256(email, strlen(email), digest);
	hex = palloc(HEX_BYTES);
	amc_hex_encode(digest, AM_SHA256_BYTES, hex, HEX_BYTES);
	return hex;
}

/* What is counted by, or NULL when the order does not know it. */
static const char *
key_text(const AmLimitOrder *order, AmLimitKey key)
{
	char *address;

	switch (key)
	{
		case AM_LIMIT_KEY_ADDRESS:
			address = palloc(AMC_NET_KEY_BYTES);
			am_ratelimit_address_key(order->address, address);
			return address;
		case AM_LIMIT_KEY_EMAIL:
			return order->email != NULL ? email_key(order->email) : NULL;
		case AM_LIMIT_KEY_USER:
			return order->user;
		case AM_LIMIT_KEY_COUNT:
			break;
	}
	return NULL;
}

static bool
order_counts_by(const AmLimitOrder *order, AmLimitKey key)
{
	if (key != AM_LIMIT_KEY_ADDRESS)
		return true;
	return (order->setting != NULL && order->setting_key == AM_LIMIT_KEY_ADDRESS) ||
		   (order->email == NULL && order->user == NULL);
}

static void
check_add(Checks *checks, const AmLimitOrder *order, AmLimitKey key, const Check *proto)
{
	const char *text = proto->limit.rate.count > 0 ? key_text(order, key) : NULL;

	if (text == NULL)
		return;
	checks->check[checks->count] = *proto;
	checks->check[checks->count++].key = text;
}

static amc_rate
setting_rate(const AmLimitOrder *order)
{
	AmSettingId id = am_setting_lookup(order->setting);
	amc_rate rate = {0, 0};

	if (id == AM_SETTING_COUNT || am_setting_table[id].type != AM_TYPE_RATE)
		ereport(ERROR, errcode(ERRCODE_AM_SETTING_UNKNOWN),
				errmsg("setting \"%s\" does not exist or has another type", order->setting),
				errhint("authmeter.setting_list() shows all settings."));
	if (!am_setting_rate(id, &rate) && order->automatic != NULL &&
		!amc_rate_parse(order->automatic, strlen(order->automatic), &rate))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("invalid rate \"%.64s\"", order->automatic),
				errhint("Write count/window, for example 10/15m, or off."));
	return rate;
}

static void
checks_collect(const AmLimitOrder *order, Checks *checks)
{
	int policies_count;
	const AmRatePolicy *policies = am_rate_policies(&policies_count);
	int i;

	checks->check = palloc(sizeof(Check) * (policies_count + 1));
	checks->count = 0;
	if (order->setting != NULL)
		check_add(checks, order, order->setting_key,
				  &(Check){.name = order->setting,
						   .counter = order->setting,
						   .limit = {setting_rate(order), 0}});
	checks->own = checks->count > 0;
	for (i = 0; i < policies_count; i++)
		if (am_rate_policy_covers(&policies[i], order->api, order->route_group) &&
			order_counts_by(order, policies[i].key))
			check_add(checks, order, policies[i].key,
					  &(Check){.name = policies[i].name,
							   .counter = policies[i].counter,
							   .limit = policies[i].limit});
}

/* cost 0 looks. False when one was refused; those behind it were counted only if cost is 0. */
static bool
checks_run(Checks *checks, int64 cost)
{
	bool passed = true;
	int i;

	for (i = 0; i < checks->count && (passed || cost == 0); i++)
	{
		Check *check = &checks->check[i];

		check->verdict = am_ratelimit_limit_take(check->counter, check->key, &check->limit, cost);
		passed = passed && check->verdict.allowed;
	}
	return passed;
}

/* Does a press more than b? A refusal before a pass, then the longer wait or the lesser rest. */
static bool
check_presses(const Check *a, const Check *b)
{
	if (a->verdict.allowed != b->verdict.allowed)
		return b->verdict.allowed;
	if (!a->verdict.allowed)
		return a->verdict.retry_after_ms > b->verdict.retry_after_ms;
	if (a->verdict.remaining != b->verdict.remaining)
		return a->verdict.remaining < b->verdict.remaining;
	return a->verdict.reset_ms > b->verdict.reset_ms;
}

static const Check *
checks_nearest(const Checks *checks)
{
	const Check *nearest = &checks->check[0];
	int i;

	for (i = 1; i < checks->count; i++)
		if (check_presses(&checks->check[i], nearest))
			nearest = &checks->check[i];
	return nearest;
}

static void
header_push(JsonbParseState **state, const char *name, char *value)
{
	JsonbValue item = {.type = jbvString};

	item.val.string.val = pstrdup(name);
	item.val.string.len = (int) strlen(name);
	pushJsonbValue(state, WJB_KEY, &item);
	item.val.string.val = value;
	item.val.string.len = (int) strlen(value);
	pushJsonbValue(state, WJB_VALUE, &item);
}

/* The time in which a whole quota comes back. */
static int64
window_s_of(const amc_limit *limit)
{
	double refill_s;

	if (limit->burst == 0)
		return seconds_up(limit->rate.window_ms);
	refill_s =
		ceil((double) limit->burst * limit->rate.window_ms / limit->rate.count / (double) MS_A_S);
	return refill_s > FIELD_INTEGER_MAX ? FIELD_INTEGER_MAX : (int64) refill_s;
}

/*
 * q and w say what a whole quota is and how long it takes to come back; of GCRA these are the burst
 * and its refill, so that r never exceeds q and is q again after t.
 */
static Jsonb *
headers_of(const Check *check, int64 retry_after_s)
{
	int64 quota = check->limit.burst > 0 ? check->limit.burst : check->limit.rate.count;
	int64 wait_s = retry_after_s > 0 ? retry_after_s : seconds_up(check->verdict.reset_ms);
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	header_push(&state, "RateLimit-Policy",
				psprintf("\"%s\";q=" INT64_FORMAT ";w=" INT64_FORMAT, check->name, quota,
						 window_s_of(&check->limit)));
	header_push(&state, "RateLimit",
				psprintf("\"%s\";r=" INT64_FORMAT ";t=" INT64_FORMAT, check->name,
						 check->verdict.remaining, Min(wait_s, FIELD_INTEGER_MAX)));
	if (retry_after_s > 0)
		header_push(&state, "Retry-After", psprintf(INT64_FORMAT, retry_after_s));
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

void
am_http_limit_take(const AmLimitOrder *order, AmLimitAnswer *answer)
{
	const Check *nearest;
	Checks checks;

	memset(answer, 0, sizeof(*answer));
	checks_collect(order, &checks);
	if (checks.count == 0)
		return;
	/* One limit needs no look ahead. */
	if (checks.count == 1 || checks_run(&checks, 0))
		(void) checks_run(&checks, 1);
	nearest = checks_nearest(&checks);
	if (!nearest->verdict.allowed)
		answer->retry_after_s = amc_rate_retry_after_s(nearest->verdict.retry_after_ms);
	answer->headers = headers_of(nearest, answer->retry_after_s);
	if (checks.own)
	{
		answer->own = checks.check[0].limit;
		answer->own_verdict = checks.check[0].verdict;
	}
}

static char *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

static char *
name_argument(FunctionCallInfo fcinfo, int number, const char *what)
{
	char *value = text_argument(fcinfo, number);

	if (value == NULL)
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("%s of a request must not be null", what));
	return value;
}

static AmLimitKey
key_argument(FunctionCallInfo fcinfo, int number)
{
	AmLimitKey key = am_limit_key_lookup(name_argument(fcinfo, number, "key of the setting"));

	if (key == AM_LIMIT_KEY_COUNT)
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID), errmsg("invalid key of a rate limit"),
				errhint("The keys are address, email and user."));
	return key;
}

static Datum
answer_datum(FunctionCallInfo fcinfo, const AmLimitAnswer *answer)
{
	bool own = answer->own.rate.count > 0;
	bool nulls[6] = {answer->retry_after_s == 0, answer->headers == NULL, !own, !own, !own, !own};
	Datum row[6] = {Int64GetDatum(answer->retry_after_s),
					answer->headers != NULL ? JsonbPGetDatum(answer->headers) : (Datum) 0,
					Int64GetDatum(answer->own.rate.count),
					Int64GetDatum(seconds_up(answer->own.rate.window_ms)),
					Int64GetDatum(answer->own_verdict.remaining),
					Int64GetDatum(seconds_up(answer->own_verdict.reset_ms))};

	return am_row(fcinfo, row, nulls);
}

/* authmeter_http.limit_take(request, api, route_group, setting, automatic, email, user_id, key) */
Datum
authmeter_http_limit_take(PG_FUNCTION_ARGS)
{
	Jsonb *request = PG_ARGISNULL(0) ? NULL : PG_GETARG_JSONB_P(0);
	AmLimitOrder order = {.api = name_argument(fcinfo, 1, "API"),
						  .route_group = name_argument(fcinfo, 2, "route group"),
						  .setting = text_argument(fcinfo, 3),
						  .automatic = text_argument(fcinfo, 4),
						  .email = text_argument(fcinfo, 5),
						  .setting_key = key_argument(fcinfo, 7)};
	AmLimitAnswer answer;
	amc_span address;

	if (!PG_ARGISNULL(6))
		order.user = DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(6)));
	if (request != NULL && am_http_text(request, "ip", &address))
		order.address = pnstrdup(address.ptr, address.len);
	am_http_limit_take(&order, &answer);
	return answer_datum(fcinfo, &answer);
}
