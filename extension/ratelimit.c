/*
 * ratelimit.c
 *
 * Rate limits by name and key. Preloaded, the counters are those of ratetable.c. Not preloaded,
 * each key is a row of authmeter.rate_window: INSERT ... ON CONFLICT DO UPDATE creates or locks
 * it, the arithmetic of core/gcra.h decides, and the lock lasts to the end of the transaction, so
 * calls of one key count one after the other.
 *
 * A row can be rolled back where shared memory cannot. Counting is therefore refused inside an
 * explicit transaction block or a subtransaction when the library is not preloaded. What cannot be
 * seen from here (a DO block or a pipeline that fails later) remains: authmeter.status() reports
 * such a server as degraded.
 */
#include "compat.h"

#include "access/xact.h"

#include "clock.h"
#include "crypto/hash.h"
#include "ratelimit.h"
#include "ratetable.h"
#include "spi.h"

#define WINDOW_KEY_BYTES 16

/* Added to the length of the name of a limit by GCRA. */
#define KIND_GCRA 0x80

/* Rows removed for each row made: the table shrinks faster than calls can fill it. */
#define PURGE_ROWS 2

static AmPlan peek_plan = {"SELECT since_ns, level FROM authmeter.rate_window WHERE key_hash" AM_EQ
						   "$1",
						   1,
						   {BYTEAOID},
						   NULL};
/*
 * A new row has the end that its first count gives it, so that counting in a fixed window moves no
 * index entry.
 */
static AmPlan lock_plan = {
	"INSERT INTO authmeter.rate_window AS w (key_hash, since_ns, end_ms, level) "
	"VALUES ($1, $2, $3, 0) ON CONFLICT (key_hash) DO UPDATE SET level = w.level "
	"RETURNING since_ns, level",
	3,
	{BYTEAOID, INT8OID, INT8OID},
	NULL};
static AmPlan count_plan = {
	"UPDATE authmeter.rate_window SET since_ns = $2, end_ms = $3, level = $4 WHERE key_hash" AM_EQ
	"$1",
	4,
	{BYTEAOID, INT8OID, INT8OID, INT8OID},
	NULL};
static AmPlan purge_plan = {
	"DELETE FROM authmeter.rate_window w USING (SELECT o.key_hash FROM authmeter.rate_window o "
	"WHERE o.end_ms" AM_LE "$1 ORDER BY o.end_ms LIMIT $2 FOR UPDATE SKIP LOCKED) old "
	"WHERE w.key_hash" AM_EQ "old.key_hash",
	2,
	{INT8OID, INT8OID},
	NULL};

/*
 * What is hashed: the name's length and the kind, the name, then the key, so that no two counters
 * are alike.
 */
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
key_text(const char *policy, const char *key, const amc_limit *limit)
{
	Size policy_len = strlen(policy);
	Size key_len = strlen(key);
	KeyText text;

	length_check("name", policy_len, AM_RATE_POLICY_BYTES_MAX);
	length_check("key", key_len, AM_RATE_KEY_BYTES_MAX);
	text.bytes[0] = (uint8) policy_len | (limit->burst > 0 ? KIND_GCRA : 0);
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

/* The stored state of a key, locked by the caller's statement. */
static amc_limit_state
state_of_row(void)
{
	amc_limit_state state;

	state.since_ns = am_spi_int64(0, 1);
	state.level = am_spi_int64(0, 2);
	return state;
}

static amc_rate_result
row_peek(Datum *values, const amc_limit *limit, TimestampTz now)
{
	amc_limit_state state = {0, 0};

	if (am_spi_read_latest(&peek_plan, values, NULL, 1) == 1)
		state = state_of_row();
	return amc_limit_step(&state, am_clock_unix_ns(now), limit, 0);
}

static Datum
end_datum(TimestampTz now, const amc_rate_result *result)
{
	return Int64GetDatum(am_ratetable_end_ms(am_clock_unix_ms(now), result->reset_ms));
}

static int64
rows_purge(TimestampTz now, int64 rows_max)
{
	Datum values[2] = {Int64GetDatum(am_clock_unix_ms(now)), Int64GetDatum(rows_max)};

	return (int64) am_spi_run(&purge_plan, values, NULL, 0);
}

int64
am_ratelimit_purge(int64 rows_max)
{
	int64 purged;

	am_spi_begin();
	purged = rows_purge(am_clock_now(), rows_max);
	am_spi_end();
	return purged;
}

static amc_rate_result
row_count(Datum *values, const amc_limit *limit, int64 cost, TimestampTz now)
{
	int64 now_ns = am_clock_unix_ns(now);
	amc_limit_state state = {0, 0};
	amc_rate_result result = amc_limit_step(&state, now_ns, limit, cost);

	(void) rows_purge(now, PURGE_ROWS);
	values[1] = Int64GetDatum(now_ns);
	values[2] = end_datum(now, &result);
	am_spi_run(&lock_plan, values, NULL, 1);
	state = state_of_row();
	result = amc_limit_step(&state, now_ns, limit, cost);
	if (result.allowed)
	{
		values[1] = Int64GetDatum(state.since_ns);
		values[2] = end_datum(now, &result);
		values[3] = Int64GetDatum(state.level);
		am_spi_run(&count_plan, values, NULL, 0);
	}
	return result;
}

/* The counter as a row, for a server that did not preload the library. */
static amc_rate_result
row_step(const KeyText *text, const amc_limit *limit, int64 cost)
{
	TimestampTz now = am_clock_now();
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
	result = cost > 0 ? row_count(values, limit, cost, now) : row_peek(values, limit, now);
	am_spi_end();
	pfree(key);
	return result;
}

AmRateVerdict
am_ratelimit_limit_take(const char *policy, const char *key, const amc_limit *limit, int64 cost)
{
	amc_limit_state nothing = {0, 0};
	KeyText text;
	AmRateKey hashed;

	/* Off, or a cost that the arithmetic refuses whatever was counted. */
	if (limit->rate.count == 0 || cost < 0)
		return amc_limit_step(&nothing, 0, limit, cost);
	text = key_text(policy, key, limit);
	if (!am_shmem_available())
		return row_step(&text, limit, cost);
	hashed = am_ratetable_key(text.bytes, text.len);
	return am_ratetable_step(&hashed, limit, cost);
}

AmRateVerdict
am_ratelimit_take(const char *policy, const char *key, const amc_rate *rate, int64 cost)
{
	amc_limit limit = {*rate, 0};

	return am_ratelimit_limit_take(policy, key, &limit, cost);
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
