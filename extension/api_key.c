/*
 * api_key.c
 *
 * API keys: 256 random bits, shown once, stored as SHA-256. A digest of so much randomness cannot
 * be searched, so it needs no salt and no slow hash, and finding it in an index tells nothing by
 * its time. The first digits of the key are the partition of its owner (see id.h) and a few random
 * ones; lists show them, so that a person can tell keys apart.
 *
 * Making, replacing and ending keys is SQL (49_api_key.sql); here is what happens at every request.
 * Verification reads one row by the digest, with the owner's state, each time anew.
 *
 * The last use has a table of its own that nothing else ever locks: it is written with SKIP LOCKED,
 * so that neither a verification waits for the transaction of another nor a revocation for both.
 * The statement itself leaves a row alone that was written within the last minute; uses_noted only
 * saves most of these statements. It belongs to this backend, a collision costs a statement, and a
 * rolled back note is missing until the next minute.
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/xact.h"

#include "api_key.h"
#include "clock.h"
#include "core/base64url.h"
#include "core/hex.h"
#include "core/uuid7.h"
#include "crypto/hash.h"
#include "crypto/openssl.h"
#include "crypto/secret.h"
#include "id.h"
#include "ratelimit.h"
#include "row.h"
#include "spi.h"

#define KEY_START        "am_"
#define KEY_START_BYTES  (sizeof(KEY_START) - 1)
#define KEY_HINT_BYTES   4 /* shown as twice as many digits */
#define KEY_PREFIX_BYTES (KEY_START_BYTES + 2 * KEY_HINT_BYTES)
#define KEY_RANDOM_BYTES 32
#define KEY_SECRET_BYTES AMC_BASE64URL_ENCODED_LEN(KEY_RANDOM_BYTES)

#define RATE_POLICY  "api_key"
#define LAST_USED_US USECS_PER_MINUTE     /* the last use is this precise */
#define USE_RETRY_US (10 * USECS_PER_SEC) /* after a row that was recent or locked */
#define USES_NOTED   256

StaticAssertDecl(AM_API_KEY_BYTES == KEY_PREFIX_BYTES + 1 + KEY_SECRET_BYTES,
				 "a key has one length");

PG_FUNCTION_INFO_V1(authmeter_api_key_make);
PG_FUNCTION_INFO_V1(authmeter_api_key_verify);

static AmPlan find_plan = {
	"SELECT k.id, k.family_id, k.user_id, k.service, k.scopes, k.revoked_at IS NOT NULL, "
	"k.expires_at" AM_LE "$2, u.disabled_at IS NOT NULL, k.rate, k.burst, "
	"$3 IS NULL OR $3" AM_EQ "ANY (k.scopes) "
	"FROM authmeter.api_key k LEFT JOIN authmeter.user u ON u.id" AM_EQ "k.user_id "
	"WHERE k.key_hash" AM_EQ "$1",
	3,
	{BYTEAOID, TIMESTAMPTZOID, TEXTOID},
	NULL};
static AmPlan use_plan = {"UPDATE authmeter.api_key_use SET last_used_at = $2 WHERE key_id" AM_EQ
						  "(SELECT o.key_id FROM authmeter.api_key_use o WHERE o.key_id" AM_EQ
						  "$1 AND (o.last_used_at IS NULL OR o.last_used_at" AM_LE
						  "$3) FOR NO KEY UPDATE SKIP LOCKED)",
						  3,
						  {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
						  NULL};

/* The columns of find_plan. */
enum
{
	FIND_ID = 1,
	FIND_FAMILY,
	FIND_USER,
	FIND_SERVICE,
	FIND_SCOPES,
	FIND_REVOKED,
	FIND_EXPIRED,
	FIND_DISABLED,
	FIND_RATE,
	FIND_BURST,
	FIND_SCOPE
};

/* Until when a key's use needs no statement; a slot belongs to the key that noted last. */
static struct UseNoted
{
	pg_uuid_t id;
	TimestampTz from;
	TimestampTz until;
} uses_noted[USES_NOTED];

static bytea *
key_hash(const char *key)
{
	uint8 digest[AM_SHA256_BYTES];

	am_sha256(key, AM_API_KEY_BYTES, digest);
	return am_bytea_new(digest, sizeof(digest));
}

/* ---- verification ---------------------------------------------------------------------------- */

/* A column of the row found, false when it is NULL. */
static bool
found_true(int column)
{
	return !am_spi_null(0, column) && am_spi_bool(0, column);
}

static AmApiKeyOutcome
found_outcome(void)
{
	if (found_true(FIND_REVOKED))
		return AM_API_KEY_REVOKED;
	if (found_true(FIND_EXPIRED))
		return AM_API_KEY_EXPIRED;
	if (found_true(FIND_DISABLED))
		return AM_API_KEY_USER_DISABLED;
	if (!found_true(FIND_SCOPE))
		return AM_API_KEY_SCOPE_MISSING;
	return AM_API_KEY_OK;
}

static void
found_owner(AmApiKey *found, MemoryContext caller)
{
	found->id = am_spi_uuid(0, FIND_ID);
	found->family_id = am_spi_uuid(0, FIND_FAMILY);
	found->has_user = !am_spi_null(0, FIND_USER);
	if (found->has_user)
		found->user_id = am_spi_uuid(0, FIND_USER);
	else
		found->service = am_spi_text(0, FIND_SERVICE, caller);
	found->scopes = SPI_datumTransfer(am_spi_datum(0, FIND_SCOPES), false, -1);
}

/* The limit of the key; count 0 = none. What is stored was checked when it was written. */
static amc_limit
found_limit(void)
{
	amc_limit limit = {{0, 0}, 0};
	const char *rate;

	if (am_spi_null(0, FIND_RATE))
		return limit;
	rate = am_spi_text(0, FIND_RATE, NULL);
	if (!amc_rate_parse(rate, strlen(rate), &limit.rate))
		ereport(ERROR, errcode(ERRCODE_AM_API_KEY_INVALID),
				errmsg("the stored rate of an API key is malformed"),
				errhint("Do not write authmeter.api_key but by authmeter's functions."));
	limit.burst = am_spi_int64(0, FIND_BURST);
	return limit;
}

/* Replacements of a key count under the first of them, so that a rotation doubles no limit. */
static void
limit_take(AmApiKey *found, const amc_limit *limit, int64 cost)
{
	char key[AMC_UUID_TEXT_BYTES + 1] = "";
	AmRateVerdict verdict;

	amc_uuid_format(found->family_id.data, key);
	verdict = am_ratelimit_limit_take(RATE_POLICY, key, limit, cost);
	found->remaining = verdict.remaining;
	found->retry_after_ms = verdict.retry_after_ms;
	if (!verdict.allowed)
		found->outcome = AM_API_KEY_RATE_LIMITED;
}

/*
 * A use that this transaction may not write, or could write only by failing when another one wrote
 * it meanwhile, is left to the next verification.
 */
static void
use_note(const AmApiKey *found, TimestampTz now)
{
	/* The last byte of an id is random. */
	struct UseNoted *noted = &uses_noted[found->id.data[UUID_LEN - 1] % USES_NOTED];
	Datum values[3] = {UUIDPGetDatum(&found->id), TimestampTzGetDatum(now),
					   TimestampTzGetDatum(now - LAST_USED_US)};
	bool written;

	if (XactReadOnly || IsolationUsesXactSnapshot())
		return;
	if (memcmp(&noted->id, &found->id, sizeof(noted->id)) == 0 && now >= noted->from &&
		now < noted->until)
		return;
	written = am_spi_run(&use_plan, values, NULL, 0) == 1;
	noted->id = found->id;
	noted->from = now;
	noted->until = now + (written ? LAST_USED_US : USE_RETRY_US);
}

static void
key_verify(const char *key, const char *scope, int64 cost, MemoryContext caller, AmApiKey *found)
{
	TimestampTz now = am_clock_now();
	Datum values[3] = {PointerGetDatum(key_hash(key)), TimestampTzGetDatum(now),
					   scope == NULL ? (Datum) 0 : CStringGetTextDatum(scope)};
	amc_limit limit;

	if (am_spi_read_latest(&find_plan, values, scope == NULL ? "  n" : "   ", 1) == 0)
		return;
	found_owner(found, caller);
	found->outcome = found_outcome();
	limit = found_limit();
	if (found->outcome == AM_API_KEY_OK && limit.rate.count > 0)
		limit_take(found, &limit, cost);
	if (found->outcome == AM_API_KEY_OK)
		use_note(found, now);
}

void
am_api_key_verify(const char *key, Size key_bytes, const char *scope, int64 cost, AmApiKey *found)
{
	MemoryContext caller = CurrentMemoryContext;

	memset(found, 0, sizeof(*found));
	found->outcome = AM_API_KEY_UNKNOWN;
	found->remaining = PG_INT64_MAX;
	if (key == NULL || key_bytes != AM_API_KEY_BYTES ||
		memcmp(key, KEY_START, KEY_START_BYTES) != 0)
		return;
	am_spi_begin();
	key_verify(key, scope, cost, caller, found);
	am_spi_end();
}

/* ---- SQL ------------------------------------------------------------------------------------- */

static int64
cost_argument(FunctionCallInfo fcinfo, int number)
{
	if (PG_ARGISNULL(number) || PG_GETARG_INT64(number) < 0)
		ereport(ERROR, errcode(ERRCODE_AM_API_KEY_INVALID),
				errmsg("cost of a call must not be negative"),
				errhint("Give 1 or more units, or 0 to look without counting."));
	return PG_GETARG_INT64(number);
}

static Datum
verify_row(FunctionCallInfo fcinfo, const AmApiKey *found)
{
	static const char *const reasons[] = {[AM_API_KEY_UNKNOWN] = "unknown",
										  [AM_API_KEY_REVOKED] = "revoked",
										  [AM_API_KEY_EXPIRED] = "expired",
										  [AM_API_KEY_USER_DISABLED] = "user_disabled",
										  [AM_API_KEY_SCOPE_MISSING] = "scope_missing",
										  [AM_API_KEY_RATE_LIMITED] = "rate_limited"};
	bool ok = found->outcome == AM_API_KEY_OK;
	bool known = ok || found->outcome == AM_API_KEY_RATE_LIMITED;
	Datum values[9] = {CStringGetTextDatum(ok ? "ok" : known ? "rate_limited" : "refused")};
	bool nulls[9] = {false, ok, !known, !known, true, true, !known, true, true};

	if (!ok)
		values[1] = CStringGetTextDatum(reasons[found->outcome]);
	if (!known)
		return am_row(fcinfo, values, nulls);
	values[2] = UUIDPGetDatum(&found->id);
	values[3] = UUIDPGetDatum(&found->family_id);
	values[4] = UUIDPGetDatum(&found->user_id);
	nulls[4] = !found->has_user;
	if (found->service != NULL)
		values[5] = CStringGetTextDatum(found->service);
	nulls[5] = found->service == NULL;
	values[6] = found->scopes;
	values[7] = Int64GetDatum(found->remaining);
	nulls[7] = found->remaining == PG_INT64_MAX;
	values[8] = Int64GetDatum(found->retry_after_ms);
	nulls[8] = ok || found->retry_after_ms == AMC_RATE_NEVER;
	return am_row(fcinfo, values, nulls);
}

/* authmeter.api_key_verify(key, scope, cost): whose key is it, and is it good for this? */
Datum
authmeter_api_key_verify(PG_FUNCTION_ARGS)
{
	text *key = PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0);
	char *scope = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	int64 cost = cost_argument(fcinfo, 2);
	AmApiKey found;

	if (key == NULL)
		am_api_key_verify(NULL, 0, scope, cost, &found);
	else
		am_api_key_verify(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), scope, cost, &found);
	return verify_row(fcinfo, &found);
}

/* Writes what lists show: the start, 3 digits of the partition and 5 random ones. */
static void
prefix_write(const pg_uuid_t *id, char out[KEY_PREFIX_BYTES])
{
	unsigned partition = amc_uuid7_partition(id->data);
	uint8 hint[KEY_HINT_BYTES];

	am_random_bytes(hint, sizeof(hint));
	hint[0] = (uint8) (partition >> 4);
	hint[1] = (uint8) ((partition & 0x0f) << 4 | (hint[1] & 0x0f));
	memcpy(out, KEY_START, KEY_START_BYTES);
	(void) amc_hex_encode(hint, sizeof(hint), out + KEY_START_BYTES, 2 * sizeof(hint));
}

/* A new key as text; the random bytes behind it are wiped. */
static text *
key_new(const pg_uuid_t *id)
{
	text *key = palloc(VARHDRSZ + AM_API_KEY_BYTES);
	uint8 random[KEY_RANDOM_BYTES];
	size_t len;

	SET_VARSIZE(key, VARHDRSZ + AM_API_KEY_BYTES);
	prefix_write(id, VARDATA(key));
	VARDATA(key)[KEY_PREFIX_BYTES] = '_';
	am_random_bytes(random, sizeof(random));
	(void) amc_base64url_encode(random, sizeof(random), VARDATA(key) + KEY_PREFIX_BYTES + 1,
								KEY_SECRET_BYTES, &len);
	am_secret_wipe(random, sizeof(random));
	return key;
}

/* authmeter.api_key_make(user_id): a key_id, the key itself, and what is stored of it. */
Datum
authmeter_api_key_make(PG_FUNCTION_ARGS)
{
	pg_uuid_t id =
		am_id_new(PG_ARGISNULL(0) ? AM_ID_PARTITION_ANY : am_id_partition(PG_GETARG_UUID_P(0)));
	text *key = key_new(&id);
	Datum values[4] = {UUIDPGetDatum(&id), PointerGetDatum(key),
					   PointerGetDatum(cstring_to_text_with_len(VARDATA(key), KEY_PREFIX_BYTES)),
					   PointerGetDatum(key_hash(VARDATA(key)))};
	bool nulls[4] = {false};

	return am_row(fcinfo, values, nulls);
}
