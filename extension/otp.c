/*
 * otp.c
 *
 * One-time codes. A code belongs to a purpose and an address, known or not, so that a sign-in for
 * an unknown address does the same work as for a known one (a decoy: its row holds random bytes
 * where the hash of the code would stand).
 *
 * At rest a code is an HMAC under a key derived from the master key, over the code's own id,
 * purpose and address: a million codes are searched in no time without that key, and a row copied
 * to another address fits nothing.
 *
 * Guessing. A try is counted before it is evaluated, under the code's id: in shared memory, which
 * no rollback, cancel or savepoint takes back, and in the row. The stricter count wins. A code
 * whose shared count is gone (server restart) is dead. Not preloaded, the row alone counts, and
 * trying is refused inside a transaction block.
 *
 * Single use. One UPDATE compares, counts and marks; its row lock lets one caller win.
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
#define PURGE_ROWS "2"

PG_FUNCTION_INFO_V1(authmeter_digest_equal);
PG_FUNCTION_INFO_V1(authmeter_otp_issue);
PG_FUNCTION_INFO_V1(authmeter_otp_verify);

static AmPlan purge_plan = {
	"DELETE FROM authmeter.otp d USING (SELECT o.purpose, o.address FROM authmeter.otp o "
	"WHERE o.expires_at" AM_LE "$1 ORDER BY o.expires_at LIMIT " PURGE_ROWS
	" FOR UPDATE SKIP LOCKED) old "
	"WHERE d.purpose" AM_EQ "old.purpose AND d.address" AM_EQ "old.address",
	1,
	{TIMESTAMPTZOID},
	NULL};
static AmPlan store_plan = {
	"INSERT INTO authmeter.otp (purpose, address, id, code_hash, attempts, created_at, expires_at) "
	"VALUES ($1, $2, $3, $4, 0, $5, $6) ON CONFLICT (purpose, address) DO UPDATE "
	"SET id = EXCLUDED.id, code_hash = EXCLUDED.code_hash, attempts = 0, used_at = NULL, "
	"created_at = EXCLUDED.created_at, expires_at = EXCLUDED.expires_at",
	6,
	{TEXTOID, TEXTOID, UUIDOID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
	NULL};
static AmPlan find_plan = {"SELECT id, attempts, expires_at" AM_LE
						   "$3, used_at IS NOT NULL FROM authmeter.otp "
						   "WHERE purpose" AM_EQ "$1 AND address" AM_EQ "$2",
						   3,
						   {TEXTOID, TEXTOID, TIMESTAMPTZOID},
						   NULL};
static AmPlan decide_plan = {
	"UPDATE authmeter.otp SET attempts = attempts" AM_PLUS "1, used_at = "
	"CASE WHEN authmeter.digest_equal(code_hash, $4) THEN $5 END "
	"WHERE purpose" AM_EQ "$1 AND address" AM_EQ "$2 AND id" AM_EQ "$3 AND used_at IS NULL "
	"AND attempts" AM_LT "$6 AND expires_at" AM_GT "$5 RETURNING used_at IS NOT NULL",
	6,
	{TEXTOID, TEXTOID, UUIDOID, BYTEAOID, TIMESTAMPTZOID, INT4OID},
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
	TimestampTz at;
} OtpTry;

/* The row it is tried against. */
typedef struct OtpRow
{
	pg_uuid_t id;
	bool found;
	bool expired;
	bool used;
	bool spent;
} OtpRow;

static bytea *
bytea_of(const uint8 *bytes, Size len)
{
	bytea *value = palloc(VARHDRSZ + len);

	SET_VARSIZE(value, VARHDRSZ + len);
	memcpy(VARDATA(value), bytes, len);
	return value;
}

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

/* The keyed hash of a code: over id, purpose and address (both end in NUL) and the digits. */
static void
code_hash(const pg_uuid_t *id, const char *purpose, const char *address, const char *code,
		  uint8 mac[AM_SHA256_BYTES])
{
	StringInfoData data;

	initStringInfo(&data);
	appendBinaryStringInfo(&data, (const char *) id->data, UUID_LEN);
	appendBinaryStringInfo(&data, purpose, strlen(purpose) + 1);
	appendBinaryStringInfo(&data, address, strlen(address) + 1);
	appendBinaryStringInfo(&data, code, AM_OTP_DIGITS);
	am_keyed_hmac("otp", data.data, data.len, mac);
	am_secret_wipe(data.data, data.len);
	pfree(data.data);
}

static void
purpose_check(const char *purpose)
{
	Size len = strlen(purpose);

	if (len == 0 || len > AM_OTP_PURPOSE_BYTES_MAX ||
		strspn(purpose, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
		ereport(ERROR, errcode(ERRCODE_AM_OTP_INVALID),
				errmsg("invalid purpose of a one-time code"),
				errhint("A purpose has 1 to %d characters a-z 0-9 and hyphens.",
						AM_OTP_PURPOSE_BYTES_MAX));
}

static void
code_store(const AmOtpOrder *order, const pg_uuid_t *id, const uint8 *hash)
{
	TimestampTz now = am_clock_now();
	Datum values[6] = {CStringGetTextDatum(order->purpose),
					   CStringGetTextDatum(order->address),
					   UUIDPGetDatum(id),
					   PointerGetDatum(bytea_of(hash, AM_SHA256_BYTES)),
					   TimestampTzGetDatum(now),
					   TimestampTzGetDatum(now + AM_OTP_LIFETIME_MS * 1000)};

	am_spi_begin();
	am_spi_run(&purge_plan, &values[4], NULL, 0);
	am_spi_run(&store_plan, values, NULL, 0);
	am_spi_end();
}

static void
code_mail(const AmOtpOrder *order, const char *code)
{
	char params[64];
	AmMail mail = {.user_id = order->user_id,
				   .recipient = order->address,
				   .template = order->purpose,
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
	pg_uuid_t id;

	am_ratelimit_require_countable();
	snprintf(policy, sizeof(policy), "otp %s", order->purpose);
	if (!am_ratelimit_take(policy, order->address, &order->rate, 1).allowed)
		return false;
	id = am_id_new(amc_partition_of(order->address, strlen(order->address)));
	code_draw(code);
	code_hash(&id, order->purpose, order->address, code, hash[0]);
	am_random_bytes(hash[1], AM_SHA256_BYTES);
	am_attempt_open(&id, AM_OTP_LIFETIME_MS);
	code_store(order, &id, hash[order->decoy ? 1 : 0]);
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
	row.spent = am_spi_int32(0, 2) >= AM_OTP_ATTEMPTS_MAX;
	row.expired = am_spi_bool(0, 3);
	row.used = am_spi_bool(0, 4);
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
		return AM_OTP_WRONG; /* another code has replaced the one that was tried */
	if (row.used)
		return AM_OTP_USED;
	return row.expired && !row.spent ? AM_OTP_EXPIRED : AM_OTP_SPENT;
}

/*
 * Counts the try and, if it is one of those allowed, lets the row decide. A malformed code is
 * compared with random bytes: the same work, and never a match.
 */
static AmOtpOutcome
row_decide(const OtpTry *try, const OtpRow *row)
{
	uint8 hash[2][AM_SHA256_BYTES];
	Datum values[6] = {try->purpose_datum, try->address_datum, UUIDPGetDatum(&row->id)};

	if (am_attempt_take(&row->id, AM_OTP_ATTEMPTS_MAX) == 0)
		return row_refusal(try, row);
	code_hash(&row->id, try->purpose, try->address, try->code, hash[0]);
	am_random_bytes(hash[1], AM_SHA256_BYTES);
	values[3] = PointerGetDatum(bytea_of(hash[try->well_formed ? 0 : 1], AM_SHA256_BYTES));
	values[4] = TimestampTzGetDatum(try->at);
	values[5] = Int32GetDatum(AM_OTP_ATTEMPTS_MAX);
	if (am_spi_run(&decide_plan, values, NULL, 1) == 0)
		return row_refusal(try, row);
	return am_spi_bool(0, 1) ? AM_OTP_OK : AM_OTP_WRONG;
}

AmOtpOutcome
am_otp_verify(const char *purpose, const char *address, const char *code, Size code_bytes)
{
	OtpTry try = {.purpose = purpose,
				  .address = address,
				  .purpose_datum = CStringGetTextDatum(purpose),
				  .address_datum = CStringGetTextDatum(address),
				  .well_formed = code_well_formed(code, code_bytes),
				  .at = am_clock_now()};
	AmOtpOutcome outcome;
	OtpRow row;

	am_ratelimit_require_countable();
	try.code = try.well_formed ? code : NO_CODE;
	am_spi_begin();
	row = row_find(&try);
	outcome = row_decide(&try, &row);
	am_spi_end();
	return outcome;
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
purpose_arg(FunctionCallInfo fcinfo)
{
	char *purpose = PG_ARGISNULL(0) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(0));

	purpose_check(purpose);
	return purpose;
}

/* authmeter.otp_issue(purpose, address, user_id, decoy, rate) makes and mails a code. */
Datum
authmeter_otp_issue(PG_FUNCTION_ARGS)
{
	AmOtpOrder order = {.purpose = purpose_arg(fcinfo)};
	char *rate = PG_ARGISNULL(4) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(4));

	order.address = PG_ARGISNULL(1) ? NULL : am_user_email(PG_GETARG_DATUM(1));
	if (order.address == NULL)
		ereport(ERROR, errcode(ERRCODE_AM_OTP_INVALID),
				errmsg("a one-time code needs an e-mail address"));
	order.user_id = PG_ARGISNULL(2) ? NULL : PG_GETARG_UUID_P(2);
	order.decoy = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	if (!amc_rate_parse(rate, strlen(rate), &order.rate))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("invalid rate of one-time codes"),
				errhint("Write count/window, for example 5/1h, or off."));
	PG_RETURN_TEXT_P(cstring_to_text(am_otp_issue(&order) ? "issued" : "limited"));
}

/* authmeter.otp_verify(purpose, address, code) tries a code. */
Datum
authmeter_otp_verify(PG_FUNCTION_ARGS)
{
	static const char *const reasons[] = {
		[AM_OTP_OK] = "ok",     [AM_OTP_NONE] = "none",   [AM_OTP_EXPIRED] = "expired",
		[AM_OTP_USED] = "used", [AM_OTP_SPENT] = "spent", [AM_OTP_WRONG] = "wrong"};
	char *purpose = purpose_arg(fcinfo);
	char *address = PG_ARGISNULL(1) ? NULL : am_user_email(PG_GETARG_DATUM(1));
	text *code = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
	AmOtpOutcome outcome = AM_OTP_NONE;
	Datum row[2];
	bool nulls[2] = {false, false};

	if (address != NULL)
		outcome = am_otp_verify(purpose, address, code != NULL ? VARDATA_ANY(code) : NULL,
								code != NULL ? VARSIZE_ANY_EXHDR(code) : 0);
	row[0] = CStringGetTextDatum(outcome == AM_OTP_OK ? "ok" : "refused");
	row[1] = CStringGetTextDatum(reasons[outcome]);
	return am_row(fcinfo, row, nulls);
}
