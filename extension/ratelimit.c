/*
 * ratelimit.c
 *
 * Rate limits by name and key. Preloaded, the counters are those of ratetable.c. Not preloaded,
 * each key is a row of authmeter.rate_window: INSERT ... ON CONFLICT DO UPDATE creates or locks
 * it, the arithmetic of core/rate.h decides, and the lock lasts to the end of the transaction, so
 * calls of one key count one after the other.
 *
 * A row can be rolled back where shared memory cannot. Counting is therefore refused inside an
 * explicit transaction block or a subtransaction when the library is not preloaded. What cannot be
 * seen from here (a DO block or a pipeline that fails later) remains: authmeter.status() reports
 * such a server as degraded.
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/xact.h"

#include "clock.h"
#include "crypto/hash.h"
#include "ratelimit.h"
#include "ratetable.h"
#include "row.h"
#include "spi.h"

#define WINDOW_KEY_BYTES 16

/* Rows removed for each row made: the table shrinks faster than calls can fill it. */
#define WINDOW_PURGE_ROWS "2"

PG_FUNCTION_INFO_V1(authmeter_rate_address_key);
PG_FUNCTION_INFO_V1(authmeter_rate_peek);
PG_FUNCTION_INFO_V1(authmeter_rate_take);

static AmPlan peek_plan = {"SELECT start_ms, count FROM authmeter.rate_window WHERE key_hash" AM_EQ
						   "$1",
						   1,
						   {BYTEAOID},
						   NULL};
/* A new row has the end that its first count gives it, so that counting moves no index entry. */
static AmPlan lock_plan = {
	"INSERT INTO authmeter.rate_window AS w (key_hash, start_ms, end_ms, count) "
	"VALUES ($1, $2, $3, 0) ON CONFLICT (key_hash) DO UPDATE SET count = w.count "
	"RETURNING start_ms, count",
	3,
	{BYTEAOID, INT8OID, INT8OID},
	NULL};
static AmPlan count_plan = {
	"UPDATE authmeter.rate_window SET start_ms = $2, end_ms = $3, count = $4 WHERE key_hash" AM_EQ
	"$1",
	4,
	{BYTEAOID, INT8OID, INT8OID, INT8OID},
	NULL};
static AmPlan purge_plan = {
	"DELETE FROM authmeter.rate_window w USING (SELECT o.key_hash FROM authmeter.rate_window o "
	"WHERE o.end_ms" AM_LE "$1 ORDER BY o.end_ms LIMIT " WINDOW_PURGE_ROWS
	" FOR UPDATE SKIP LOCKED) old "
	"WHERE w.key_hash" AM_EQ "old.key_hash",
	1,
	{INT8OID},
	NULL};

/* What is hashed: the policy's length and name, then the key, so that no two pairs are alike. */
typedef struct KeyText
{
	uint8 bytes[1 + AM_RATE_POLICY_BYTES_MAX + AM_RATE_KEY_BYTES_MAX];
	Size len;
} KeyText;

static void
length_check(const char *what, Size len, Size len_max)
{
	if (len > len_max)
		ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
				errmsg("%s of a rate limit is longer than %zu bytes", what, len_max),
				errhint("Count under a shorter text, for example a hash of it."));
}

static KeyText
key_text(const char *policy, const char *key)
{
	Size policy_len = strlen(policy);
	Size key_len = strlen(key);
	KeyText text;

	length_check("name", policy_len, AM_RATE_POLICY_BYTES_MAX);
	length_check("key", key_len, AM_RATE_KEY_BYTES_MAX);
	text.bytes[0] = (uint8) policy_len;
	memcpy(text.bytes + 1, policy, policy_len);
	memcpy(text.bytes + 1 + policy_len, key, key_len);
	text.len = 1 + policy_len + key_len;
	return text;
}

void
am_ratelimit_require_countable(void)
{
	if (am_shmem_available() || !(IsTransactionBlock() || IsSubTransaction()))
		return;
	ereport(ERROR, errcode(ERRCODE_AM_TRANSACTION_BLOCK),
			errmsg("cannot count inside a transaction block that could take the count back"),
			errhint("Call the function outside a transaction block, or add authmeter to "
					"shared_preload_libraries."));
}

/* The stored window of a key, locked by the caller's statement. */
static amc_rate_window
window_of_row(void)
{
	amc_rate_window window;

	window.start_ms = am_spi_int64(0, 1);
	window.count = am_spi_int64(0, 2);
	return window;
}

static amc_rate_result
row_peek(Datum *values, const amc_rate *rate, int64 now_ms)
{
	amc_rate_window window = {0, 0};

	if (am_spi_read_latest(&peek_plan, values, NULL, 1) == 1)
		window = window_of_row();
	return amc_rate_step(&window, now_ms, rate, 0);
}

static amc_rate_result
row_count(Datum *values, const amc_rate *rate, int64 cost, int64 now_ms)
{
	Datum now = Int64GetDatum(now_ms);
	amc_rate_window window;
	amc_rate_result result;

	am_spi_run(&purge_plan, &now, NULL, 0);
	values[1] = now;
	values[2] = Int64GetDatum(now_ms + rate->window_ms);
	am_spi_run(&lock_plan, values, NULL, 1);
	window = window_of_row();
	result = amc_rate_step(&window, now_ms, rate, cost);
	if (result.allowed)
	{
		values[1] = Int64GetDatum(window.start_ms);
		values[2] = Int64GetDatum(window.start_ms + rate->window_ms);
		values[3] = Int64GetDatum(window.count);
		am_spi_run(&count_plan, values, NULL, 0);
	}
	return result;
}

/* The counter as a row, for a server that did not preload the library. */
static amc_rate_result
row_step(const KeyText *text, const amc_rate *rate, int64 cost)
{
	int64 now_ms = am_clock_unix_ms(am_clock_now());
	uint8 digest[AM_SHA256_BYTES];
	bytea *key = palloc(VARHDRSZ + WINDOW_KEY_BYTES);
	Datum values[4] = {PointerGetDatum(key)};
	amc_rate_result result;

	am_sha256(text->bytes, text->len, digest);
	SET_VARSIZE(key, VARHDRSZ + WINDOW_KEY_BYTES);
	memcpy(VARDATA(key), digest, WINDOW_KEY_BYTES);
	if (cost > 0)
		am_ratelimit_require_countable();
	am_spi_begin();
	result = cost > 0 ? row_count(values, rate, cost, now_ms) : row_peek(values, rate, now_ms);
	am_spi_end();
	pfree(key);
	return result;
}

AmRateVerdict
am_ratelimit_take(const char *policy, const char *key, const amc_rate *rate, int64 cost)
{
	amc_rate_window nothing = {0, 0};
	KeyText text;
	AmRateKey hashed;

	/* Off, or a cost that the arithmetic refuses whatever was counted. */
	if (rate->count == 0 || cost < 0)
		return amc_rate_step(&nothing, 0, rate, cost);
	text = key_text(policy, key);
	if (!am_shmem_available())
		return row_step(&text, rate, cost);
	hashed = am_ratetable_key(text.bytes, text.len);
	return am_ratetable_step(&hashed, rate, cost);
}

void
am_ratelimit_address_key(const char *address, char out[AMC_NET_KEY_BYTES])
{
	amc_net_address parsed;

	if (address != NULL && amc_net_parse(address, strlen(address), &parsed))
		amc_net_key(&parsed, out);
	else
		strlcpy(out, AM_RATE_ADDRESS_UNKNOWN, AMC_NET_KEY_BYTES);
}

void
am_attempt_open(const pg_uuid_t *id, int64 lifetime_ms)
{
	AmRateKey key;

	if (!am_shmem_available())
		return;
	key = am_ratetable_key(id->data, UUID_LEN);
	am_ratetable_attempt_open(&key, lifetime_ms);
}

int64
am_attempt_take(const pg_uuid_t *id, int64 attempts_max)
{
	AmRateKey key;

	if (!am_shmem_available())
		return 1;
	key = am_ratetable_key(id->data, UUID_LEN);
	return am_ratetable_attempt_take(&key, attempts_max);
}

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

static Datum
verdict_datum(FunctionCallInfo fcinfo, const AmRateVerdict *verdict)
{
	Datum row[3] = {BoolGetDatum(verdict->allowed), Int64GetDatum(verdict->remaining),
					Int64GetDatum(verdict->retry_after_ms)};
	bool nulls[3] = {false, verdict->remaining == PG_INT64_MAX, false};

	return am_row(fcinfo, row, nulls);
}

/* authmeter.rate_take(policy, key, rate, cost) counts cost units if they fit. */
Datum
authmeter_rate_take(PG_FUNCTION_ARGS)
{
	char *policy = text_arg(fcinfo, 0, "name");
	char *key = text_arg(fcinfo, 1, "key");
	amc_rate rate = rate_arg(fcinfo, 2);
	AmRateVerdict verdict;

	if (PG_ARGISNULL(3) || PG_GETARG_INT64(3) < 1)
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("cost of a rate limit must be at least 1"),
				errhint("authmeter.rate_peek looks without counting."));
	verdict = am_ratelimit_take(policy, key, &rate, PG_GETARG_INT64(3));
	return verdict_datum(fcinfo, &verdict);
}

/* authmeter.rate_peek(policy, key, rate) tells whether one more unit would fit. */
Datum
authmeter_rate_peek(PG_FUNCTION_ARGS)
{
	char *policy = text_arg(fcinfo, 0, "name");
	char *key = text_arg(fcinfo, 1, "key");
	amc_rate rate = rate_arg(fcinfo, 2);
	AmRateVerdict verdict = am_ratelimit_take(policy, key, &rate, 0);

	return verdict_datum(fcinfo, &verdict);
}

/* authmeter.rate_address_key(address) returns the key under which an address is counted. */
Datum
authmeter_rate_address_key(PG_FUNCTION_ARGS)
{
	char key[AMC_NET_KEY_BYTES];

	am_ratelimit_address_key(PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0)), key);
	PG_RETURN_TEXT_P(cstring_to_text(key));
}
