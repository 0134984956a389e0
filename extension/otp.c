/*
 * otp.c
 *
 * One-time codes. A code belongs to a purpose and an address, known or not, so that a sign-in for
 * an unknown address does the same work as for a known one (a decoy: its row holds random bytes
 * where the hash of the code would stand).
 *
 * At rest a code is an HMAC under a key derived from the master key, over the code's own id,
 * purpose, address and subject: a million codes are searched in no time without that key, and a row
 * copied to another address or subject fits nothing.
 *
 * Guessing. A try is counted before it is evaluated, under the code's id: in shared memory, which
 * no rollback, cancel or savepoint takes back, and in the row. The stricter count wins. A code
 * whose shared count is gone (server restart) is dead. Not preloaded, the row alone counts, and
 * trying is refused inside a transaction block.
 *
 * Single use. One UPDATE compares, counts and marks; its row lock lets one caller win. A caller who
 * consumes only after its own work keeps that lock until its transaction ends; it takes the lock of
 * the user's row first, because a password change takes the two in this order.
 */
#include "compat.h"

#include "access/htup_details.h"

#include "clock.h"
#include "core/uuid7.h"
#include "crypto/hash.h"
#include "crypto/openssl.h"
#include "crypto/secret.h"
#include "id.h"
#include "mail.h"
#include "master_key.h"
#include "otp.h"
#include "ratelimit.h"
#include "row.h"
#include "spi.h"
#include "user.h"

#define CODE_COUNT 1000000
#define NO_CODE    "      "

/* Expired rows removed for each row made. */
#define PURGE_ROWS 2

PG_FUNCTION_INFO_V1(authmeter_digest_equal);
PG_FUNCTION_INFO_V1(authmeter_otp_issue);
PG_FUNCTION_INFO_V1(authmeter_otp_use);
PG_FUNCTION_INFO_V1(authmeter_otp_verify);

static AmPlan purge_plan = {
	"DELETE FROM authmeter.otp d USING (SELECT o.purpose, o.address FROM authmeter.otp o "
	"WHERE o.expires_at" AM_LE "$1 ORDER BY o.expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) old "
	"WHERE d.purpose" AM_EQ "old.purpose AND d.address" AM_EQ "old.address",
	2,
	{TIMESTAMPTZOID, INT8OID},
	NULL};
static AmPlan store_plan = {
	"INSERT INTO authmeter.otp "
	"(purpose, address, id, subject, code_hash, attempts, created_at, expires_at) "
	"VALUES ($1, $2, $3, $4, $5, 0, $6, $7) ON CONFLICT (purpose, address) DO UPDATE "
	"SET id = EXCLUDED.id, subject = EXCLUDED.subject, code_hash = EXCLUDED.code_hash, "
	"attempts = 0, used_at = NULL, created_at = EXCLUDED.created_at, "
	"expires_at = EXCLUDED.expires_at",
	7,
	{TEXTOID, TEXTOID, UUIDOID, UUIDOID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
	NULL};
static AmPlan find_plan = {"SELECT id, subject, code_hash, attempts, expires_at" AM_LE
						   "$3, used_at IS NOT NULL FROM authmeter.otp "
						   "WHERE purpose" AM_EQ "$1 AND address" AM_EQ "$2",
						   3,
						   {TEXTOID, TEXTOID, TIMESTAMPTZOID},
						   NULL};
static AmPlan decide_plan = {
	"UPDATE authmeter.otp SET attempts = attempts" AM_PLUS "1, used_at = "
	"CASE WHEN $7 AND authmeter.digest_equal(code_hash, $4) THEN $5 END "
	"WHERE purpose" AM_EQ "$1 AND address" AM_EQ "$2 AND id" AM_EQ "$3 AND used_at IS NULL "
	"AND attempts" AM_LT "$6 AND expires_at" AM_GT "$5 "
	"RETURNING authmeter.digest_equal(code_hash, $4)",
	7,
	{TEXTOID, TEXTOID, UUIDOID, BYTEAOID, TIMESTAMPTZOID, INT4OID, BOOLOID},
	NULL};
static AmPlan use_plan = {"UPDATE authmeter.otp SET used_at = $3 WHERE purpose" AM_EQ "$1 "
						  "AND address" AM_EQ "$2 AND used_at IS NULL AND expires_at" AM_GT "$3",
						  3,
						  {TEXTOID, TEXTOID, TIMESTAMPTZOID},
						  NULL};

/* One try. */
typedef struct OtpTry
{
	const char *purpose;
	const char *address;
	Datum purpose_datum;
	Datum address_datum;
	const char *code; /* AM_OTP_DIGITS characters, NO_CODE when not well formed */
	bool well_formed;
	bool consume;
	TimestampTz at;
} OtpTry;

/* The row it is tried against. */
typedef struct OtpRow
{
	pg_uuid_t id;
	pg_uuid_t subject; /* zero = none */
	bytea *hash;
	bool found;
	bool expired;
	bool used;
	bool spent;
} OtpRow;

/* A uniform code: numbers above the last full million are drawn again. */
static void
code_draw(char code[AM_OTP_DIGITS + 1])
{
	uint32 number;

	do
		am_random_bytes(&number, sizeof(number));
	while (number >= PG_UINT32_MAX / CODE_COUNT * CODE_COUNT);
	snprintf(code, AM_OTP_DIGITS + 1, "%06u", number % CODE_COUNT);
	number = 0;
}

static bool
code_well_formed(const char *code, Size code_bytes)
{
	Size i;

	if (code == NULL || code_bytes != AM_OTP_DIGITS)
		return false;
	for (i = 0; i < code_bytes; i++)
		if (code[i] < '0' || code[i] > '9')
			return false;
	return true;
}

/* The keyed hash of a code: over id, subject, purpose and address (both end in NUL), digits. */
static void
code_hash(const OtpRow *row, const char *purpose, const char *address, const char *code,
		  uint8 mac[AM_SHA256_BYTES])
{
	StringInfoData data;

	initStringInfo(&data);
	appendBinaryStringInfo(&data, (const char *) row->id.data, UUID_LEN);
	appendBinaryStringInfo(&data, (const char *) row->subject.data, UUID_LEN);
	appendBinaryStringInfo(&data, purpose, strlen(purpose) + 1);
	appendBinaryStringInfo(&data, address, strlen(address) + 1);
	appendBinaryStringInfo(&data, code, AM_OTP_DIGITS);
	am_keyed_hmac("otp", data.data, data.len, mac);
	am_secret_wipe(data.data, data.len);
	pfree(data.data);
}

void
am_otp_purpose_check(const char *purpose)
{
	Size len = strlen(purpose);

	if (len == 0 || len > AM_OTP_PURPOSE_BYTES_MAX ||
		strspn(purpose, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
		ereport(ERROR, errcode(ERRCODE_AM_OTP_INVALID),
				errmsg("invalid purpose of a one-time code or token"),
				errhint("A purpose has 1 to %d characters a-z 0-9 and hyphens.",
						AM_OTP_PURPOSE_BYTES_MAX));
}

int64
am_otp_purge(TimestampTz now, int64 rows_max)
{
	Datum values[2] = {TimestampTzGetDatum(now), Int64GetDatum(rows_max)};
	int64 purged;

	am_spi_begin();
	purged = (int64) am_spi_run(&purge_plan, values, NULL, 0);
	am_spi_end();
	return purged;
}

static void
code_store(const AmOtpOrder *order, const pg_uuid_t *id, const uint8 *hash)
{
	TimestampTz now = am_clock_now();
	Datum values[7] = {CStringGetTextDatum(order->purpose),
					   CStringGetTextDatum(order->address),
					   UUIDPGetDatum(id),
					   UUIDPGetDatum(order->subject),
					   PointerGetDatum(am_bytea_new(hash, AM_SHA256_BYTES)),
					   TimestampTzGetDatum(now),
					   TimestampTzGetDatum(now + AM_OTP_LIFETIME_MS * 1000)};

	(void) am_otp_purge(now, PURGE_ROWS);
	am_spi_begin();
	am_spi_run(&store_plan, values, order->subject == NULL ? "   n   " : NULL, 0);
	am_spi_end();
}

static void
code_mail(const AmOtpOrder *order, const char *code)
{
	char params[64];
	AmMail mail = {.user_id = order->user_id,
				   .recipient = order->address,
				   .template = order->template,
				   .params = params,
				   .lifetime_ms = AM_OTP_LIFETIME_MS,
				   .decoy = order->decoy};

	snprintf(params, sizeof(params), "{\"code\":\"%s\",\"minutes\":" INT64_FORMAT "}", code,
			 AM_OTP_LIFETIME_MS / 60000);
	am_mail_enqueue(&mail);
	am_secret_wipe(params, sizeof(params));
}

bool
am_otp_issue(const AmOtpOrder *order)
{
	char policy[AM_RATE_POLICY_BYTES_MAX + 1];
	char code[AM_OTP_DIGITS + 1];
	uint8 hash[2][AM_SHA256_BYTES];
	OtpRow row = {.found = false};

	am_ratelimit_require_countable();
	snprintf(policy, sizeof(policy), "otp %s", order->purpose);
	if (!am_ratelimit_take(policy, order->address, &order->rate, 1).allowed)
		return false;
	row.id = am_id_new(amc_partition_of(order->address, strlen(order->address)));
	if (order->subject != NULL)
		row.subject = *order->subject;
	code_draw(code);
	code_hash(&row, order->purpose, order->address, code, hash[0]);
	am_random_bytes(hash[1], AM_SHA256_BYTES);
	am_attempt_open(&row.id, AM_OTP_LIFETIME_MS);
	code_store(order, &row.id, hash[order->decoy ? 1 : 0]);
	code_mail(order, code);
	am_secret_wipe(code, sizeof(code));
	return true;
}

/* The row as it is committed now. */
static OtpRow
row_find(const OtpTry *try)
{
	Datum values[3] = {try->purpose_datum, try->address_datum, TimestampTzGetDatum(try->at)};
	OtpRow row = {.found = false};

	row.found = am_spi_read_latest(&find_plan, values, NULL, 1) == 1;
	if (!row.found)
		return row;
	row.id = am_spi_uuid(0, 1);
	if (!am_spi_null(0, 2))
		row.subject = am_spi_uuid(0, 2);
	row.hash = am_spi_bytea(0, 3, NULL);
	row.spent = am_spi_int32(0, 4) >= AM_OTP_ATTEMPTS_MAX;
	row.expired = am_spi_bool(0, 5);
	row.used = am_spi_bool(0, 6);
	return row;
}

/* Why the row took no part in the decision: it is not there or not live any more. */
static AmOtpOutcome
row_refusal(const OtpTry *try, const OtpRow *tried)
{
	OtpRow row = row_find(try);

	if (!row.found)
		return AM_OTP_NONE;
	if (memcmp(&row.id, &tried->id, sizeof(row.id)) != 0)
		return AM_OTP_REPLACED;
	if (row.used)
		return AM_OTP_USED;
	return row.expired && !row.spent ? AM_OTP_EXPIRED : AM_OTP_SPENT;
}

static bool
hash_equals(const bytea *stored, const uint8 hash[AM_SHA256_BYTES])
{
	return stored != NULL && VARSIZE_ANY_EXHDR(stored) == AM_SHA256_BYTES &&
		   am_secret_equal(VARDATA_ANY(stored), hash, AM_SHA256_BYTES);
}

/*
 * Counts the try and, if it is one of those allowed, lets the row decide. A malformed code is
 * compared with random bytes: the same work, and never a match. The user's row is locked for a code
 * that fits alone, so that a guess learns nothing from the time it takes.
 */
static AmOtpOutcome
row_decide(const OtpTry *try, const OtpRow *row)
{
	uint8 hash[2][AM_SHA256_BYTES];
	const uint8 *tried = hash[try->well_formed ? 0 : 1];
	Datum values[7] = {try->purpose_datum, try->address_datum, UUIDPGetDatum(&row->id)};

	if (am_attempt_take(&row->id, AM_OTP_ATTEMPTS_MAX) == 0)
		return row_refusal(try, row);
	code_hash(row, try->purpose, try->address, try->code, hash[0]);
	am_random_bytes(hash[1], AM_SHA256_BYTES);
	if (!try->consume && hash_equals(row->hash, tried))
		am_user_lock_address(try->address);
	values[3] = PointerGetDatum(am_bytea_new(tried, AM_SHA256_BYTES));
	values[4] = TimestampTzGetDatum(try->at);
	values[5] = Int32GetDatum(AM_OTP_ATTEMPTS_MAX);
	values[6] = BoolGetDatum(try->consume);
	if (am_spi_run(&decide_plan, values, NULL, 1) == 0)
		return row_refusal(try, row);
	return am_spi_bool(0, 1) ? AM_OTP_OK : AM_OTP_WRONG;
}

AmOtpOutcome
am_otp_verify(const char *purpose, const char *address, amc_span code, bool consume,
			  pg_uuid_t *subject)
{
	OtpTry try = {.purpose = purpose,
				  .address = address,
				  .purpose_datum = CStringGetTextDatum(purpose),
				  .address_datum = CStringGetTextDatum(address),
				  .well_formed = code_well_formed(code.ptr, code.len),
				  .consume = consume,
				  .at = am_clock_now()};
	AmOtpOutcome outcome;
	OtpRow row;

	am_ratelimit_require_countable();
	try.code = try.well_formed ? code.ptr : NO_CODE;
	am_spi_begin();
	row = row_find(&try);
	outcome = row_decide(&try, &row);
	am_spi_end();
	*subject = row.subject;
	return outcome;
}

bool
am_otp_use(const char *purpose, const char *address)
{
	Datum values[3] = {CStringGetTextDatum(purpose), CStringGetTextDatum(address),
					   TimestampTzGetDatum(am_clock_now())};
	bool used;

	am_spi_begin();
	used = am_spi_run(&use_plan, values, NULL, 0) == 1;
	am_spi_end();
	return used;
}

/* authmeter.digest_equal(a, b) compares in a time that depends on the lengths alone. */
Datum
authmeter_digest_equal(PG_FUNCTION_ARGS)
{
	bytea *a = PG_GETARG_BYTEA_PP(0);
	bytea *b = PG_GETARG_BYTEA_PP(1);

	PG_RETURN_BOOL(VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
				   am_secret_equal(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)));
}

static char *
purpose_arg(FunctionCallInfo fcinfo, int number)
{
	char *purpose = PG_ARGISNULL(number) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(number));

	am_otp_purpose_check(purpose);
	return purpose;
}

/* authmeter.otp_issue(purpose, address, user_id, decoy, rate, subject, template) */
Datum
authmeter_otp_issue(PG_FUNCTION_ARGS)
{
	AmOtpOrder order = {.purpose = purpose_arg(fcinfo, 0)};
	char *rate = PG_ARGISNULL(4) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(4));

	order.address = PG_ARGISNULL(1) ? NULL : am_user_email(PG_GETARG_DATUM(1));
	if (order.address == NULL)
		ereport(ERROR, errcode(ERRCODE_AM_OTP_INVALID),
				errmsg("a one-time code needs an e-mail address"));
	order.user_id = PG_ARGISNULL(2) ? NULL : PG_GETARG_UUID_P(2);
	order.decoy = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	order.subject = PG_ARGISNULL(5) ? NULL : PG_GETARG_UUID_P(5);
	order.template = PG_ARGISNULL(6) ? order.purpose : purpose_arg(fcinfo, 6);
	if (!amc_rate_parse(rate, strlen(rate), &order.rate))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("invalid rate of one-time codes"),
				errhint("Write count/window, for example 5/1h, or off."));
	PG_RETURN_TEXT_P(cstring_to_text(am_otp_issue(&order) ? "issued" : "limited"));
}

/* authmeter.otp_verify(purpose, address, code, consume) tries a code. */
Datum
authmeter_otp_verify(PG_FUNCTION_ARGS)
{
	static const char *const reasons[] = {[AM_OTP_OK] = "ok",
										  [AM_OTP_NONE] = "none",
										  [AM_OTP_EXPIRED] = "expired",
										  [AM_OTP_USED] = "used",
										  [AM_OTP_SPENT] = "spent",
										  [AM_OTP_WRONG] = "wrong",
										  [AM_OTP_REPLACED] = "replaced"};
	static const pg_uuid_t nobody = {{0}};
	char *purpose = purpose_arg(fcinfo, 0);
	char *address = PG_ARGISNULL(1) ? NULL : am_user_email(PG_GETARG_DATUM(1));
	text *code = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
	AmOtpOutcome outcome = AM_OTP_NONE;
	pg_uuid_t subject = nobody;
	bool nulls[3] = {false};
	amc_span given = {NULL, 0};
	Datum row[3];

	if (code != NULL)
		given = (amc_span){VARDATA_ANY(code), VARSIZE_ANY_EXHDR(code)};
	if (address != NULL)
		outcome =
			am_otp_verify(purpose, address, given, PG_ARGISNULL(3) || PG_GETARG_BOOL(3), &subject);
	row[0] = CStringGetTextDatum(outcome == AM_OTP_OK ? "ok" : "refused");
	row[1] = CStringGetTextDatum(reasons[outcome]);
	row[2] = UUIDPGetDatum(&subject);
	nulls[2] = outcome != AM_OTP_OK || memcmp(&subject, &nobody, sizeof(subject)) == 0;
	return am_row(fcinfo, row, nulls);
}

/* authmeter.otp_use(purpose, address) marks a code used. */
Datum
authmeter_otp_use(PG_FUNCTION_ARGS)
{
	char *purpose = purpose_arg(fcinfo, 0);
	char *address = PG_ARGISNULL(1) ? NULL : am_user_email(PG_GETARG_DATUM(1));

	PG_RETURN_BOOL(address != NULL && am_otp_use(purpose, address));
}
