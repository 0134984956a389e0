/*
 * totp.c
 *
 * Two-factor authentication: a secret shared with an authenticator app. A user enrols (a secret is
 * made and shown once), confirms with a first code (the factor becomes active, recovery codes are
 * shown once), and from then on proves the factor with codes. An enrolment that is under way leaves
 * an active factor untouched until it is confirmed.
 *
 * At rest the secret is sealed for its user (seal.h). One row a user; whoever changes it names what
 * it read, so that a factor that was replaced meanwhile proves nothing.
 *
 * Single use. One UPDATE raises last_step to the step of the code: a step is good for one caller,
 * and no earlier one is good any more (RFC 6238 section 5.2). A recovery code is taken out of its
 * row's array by one UPDATE. A code that was good before is refused and costs nothing: who knows it
 * did not guess.
 *
 * Guesses. A million codes with three of them good: wrong ones are counted for the user
 * (authmeter.two_factor_failures) where no rollback reaches, and no more verdicts are told than the
 * limit allows, whatever runs in parallel: the count is looked at before the work and, for a code
 * that fits, again before the verdict; a wrong one is told as far as it could be counted.
 */
#include "compat.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "lib/stringinfo.h"

#include "audit.h"
#include "clock.h"
#include "core/base32.h"
#include "core/hotp.h"
#include "core/uuid7.h"
#include "crypto/hash.h"
#include "crypto/openssl.h"
#include "crypto/secret.h"
#include "ratelimit.h"
#include "row.h"
#include "seal.h"
#include "setting.h"
#include "spi.h"
#include "totp.h"
#include "user.h"

#define LIMIT_POLICY     "authmeter.two_factor_failures"
#define CONFIRM_KEY      "confirm " /* the guesses at an enrolment are counted apart */
#define PENDING_US       USECS_PER_HOUR
#define ISSUER_BYTES_MAX 64
#define CODE_BYTES_MAX   64 /* of what a user types; longer text is no code */
#define NO_STEP          (-1)

/* Enrolments that were never confirmed, removed for each one begun. */
#define PURGE_ROWS 2

PG_FUNCTION_INFO_V1(authmeter_hotp);
PG_FUNCTION_INFO_V1(authmeter_totp_enroll);
PG_FUNCTION_INFO_V1(authmeter_totp_confirm);
PG_FUNCTION_INFO_V1(authmeter_totp_verify);
PG_FUNCTION_INFO_V1(authmeter_totp_recovery_renew);

static AmPlan purge_plan = {
	"DELETE FROM authmeter.totp d USING (SELECT o.user_id FROM authmeter.totp o "
	"WHERE o.secret IS NULL AND o.pending_expires_at" AM_LE
	"$1 ORDER BY o.pending_expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) old "
	"WHERE d.user_id" AM_EQ "old.user_id AND d.secret IS NULL",
	2,
	{TIMESTAMPTZOID, INT8OID},
	NULL};
/* The user's row is locked against its deletion, as a foreign key does, but before this row. */
static AmPlan enroll_plan = {
	"INSERT INTO authmeter.totp AS t (user_id, pending, pending_expires_at) "
	"SELECT u.id, $2, $3 FROM authmeter.user u WHERE u.id" AM_EQ "$1 FOR KEY SHARE "
	"ON CONFLICT (user_id) DO UPDATE "
	"SET pending = EXCLUDED.pending, pending_expires_at = EXCLUDED.pending_expires_at",
	3,
	{UUIDOID, BYTEAOID, TIMESTAMPTZOID},
	NULL};
static AmPlan pending_plan = {"SELECT pending FROM authmeter.totp WHERE user_id" AM_EQ
							  "$1 AND pending_expires_at" AM_GT "$2 AND pending IS NOT NULL",
							  2,
							  {UUIDOID, TIMESTAMPTZOID},
							  NULL};
static AmPlan confirm_plan = {
	"UPDATE authmeter.totp SET secret = pending, pending = NULL, pending_expires_at = NULL, "
	"last_step = $3, recovery = $4, recovery_key = $5, confirmed_at = $6 "
	"WHERE user_id" AM_EQ "$1 AND pending" AM_EQ "$2",
	6,
	{UUIDOID, BYTEAOID, INT8OID, BYTEAARRAYOID, INT4OID, TIMESTAMPTZOID},
	NULL};
static AmPlan find_plan = {"SELECT secret, last_step, recovery_key FROM authmeter.totp "
						   "WHERE user_id" AM_EQ "$1 AND secret IS NOT NULL",
						   1,
						   {UUIDOID},
						   NULL};
static AmPlan step_plan = {"UPDATE authmeter.totp SET last_step = $3 WHERE user_id" AM_EQ
						   "$1 AND secret" AM_EQ "$2 "
						   "AND last_step" AM_LT "$3",
						   3,
						   {UUIDOID, BYTEAOID, INT8OID},
						   NULL};
static AmPlan recovery_plan = {
	"UPDATE authmeter.totp SET recovery = pg_catalog.array_remove(recovery, $3) "
	"WHERE user_id" AM_EQ "$1 AND secret" AM_EQ "$2 AND $3" AM_EQ "ANY (recovery)",
	3,
	{UUIDOID, BYTEAOID, BYTEAOID},
	NULL};
static AmPlan renew_plan = {"UPDATE authmeter.totp SET recovery = $2, recovery_key = $3 "
							"WHERE user_id" AM_EQ "$1 AND secret IS NOT NULL",
							3,
							{UUIDOID, BYTEAARRAYOID, INT4OID},
							NULL};

/* What a user typed. */
typedef enum CodeKind
{
	CODE_MALFORMED,
	CODE_TOTP,
	CODE_RECOVERY
} CodeKind;

typedef struct Code
{
	CodeKind kind;
	char digits[AM_TOTP_DIGITS];
	uint8 recovery[AM_RECOVERY_BYTES];
} Code;

/* One attempt to prove the factor. */
typedef struct Proof
{
	const pg_uuid_t *user_id;
	Code code;
	amc_rate rate; /* of failures; count 0 = off */
	const char *rate_key;
	int64 retry_after_ms; /* set when the limit is reached */

	bytea *sealed; /* the secret, as it was read */
	int64 last_step;
	int32 recovery_key;
} Proof;

/* ---- codes ----------------------------------------------------------------------------------- */

static void
totp_digits(const uint8 *secret, Size secret_len, uint64 counter, int digits, char *code)
{
	uint8 message[AMC_HOTP_COUNT_BYTES];
	uint8 mac[AM_SHA1_BYTES];

	amc_hotp_message(counter, message);
	am_hmac_sha1(secret, secret_len, message, sizeof(message), mac);
	(void) amc_hotp_code(mac, digits, code);
	am_secret_wipe(mac, sizeof(mac));
}

/*
 * The earliest step after `after` whose code this is, within the window around now, or NO_STEP; all
 * are computed, whichever fits. *replayed is set when it is the code of a step before that.
 */
static int64
step_match(bytea *sealed, const pg_uuid_t *user_id, const char *digits, int64 after, bool *replayed)
{
	char owner[AMC_UUID_TEXT_BYTES + 1] = "";
	AmSealName name = {"totp", owner, "secret"};
	int64 now = (int64) amc_totp_step(am_clock_unix_s(am_clock_now()));
	int64 found = NO_STEP;
	char code[AM_TOTP_DIGITS];
	uint8 *secret;
	int64 step;
	Size len;

	amc_uuid_format(user_id->data, owner);
	secret = am_unseal(&name, sealed, &len);
	*replayed = false;
	for (step = now + AM_TOTP_WINDOW; step >= now - AM_TOTP_WINDOW; step--)
	{
		totp_digits(secret, len, (uint64) step, AM_TOTP_DIGITS, code);
		if (!am_secret_equal(code, digits, AM_TOTP_DIGITS))
			continue;
		if (step > after)
			found = step;
		else
			*replayed = true;
	}
	am_secret_wipe(secret, len);
	am_secret_wipe(code, sizeof(code));
	return found;
}

/* Blanks and hyphens are how people group digits; the case of letters does not count. */
static Code
code_argument(FunctionCallInfo fcinfo, int number)
{
	Code code = {.kind = CODE_MALFORMED};
	char kept[CODE_BYTES_MAX];
	size_t len = 0;
	size_t bytes;
	text *typed;
	int i;

	if (PG_ARGISNULL(number) ||
		toast_raw_datum_size(PG_GETARG_DATUM(number)) - VARHDRSZ > CODE_BYTES_MAX)
		return code;
	typed = PG_GETARG_TEXT_PP(number);
	for (i = 0; i < VARSIZE_ANY_EXHDR(typed); i++)
		if (VARDATA_ANY(typed)[i] != ' ' && VARDATA_ANY(typed)[i] != '-')
			kept[len++] = VARDATA_ANY(typed)[i];
	if (len == AM_TOTP_DIGITS)
	{
		memcpy(code.digits, kept, AM_TOTP_DIGITS);
		code.kind = CODE_TOTP; /* what is no digit equals no code */
	}
	else if (len == AM_RECOVERY_CHARACTERS &&
			 amc_base32_decode(kept, len, code.recovery, sizeof(code.recovery), &bytes))
		code.kind = CODE_RECOVERY;
	am_secret_wipe(kept, sizeof(kept));
	return code;
}

/* ---- the limit ------------------------------------------------------------------------------- */

static void
limit_prepare(Proof *proof, const char *prefix)
{
	char id[AMC_UUID_TEXT_BYTES + 1] = "";

	amc_uuid_format(proof->user_id->data, id);
	proof->rate_key = psprintf("%s%s", prefix, id);
	(void) am_setting_rate(AM_SETTING_TWO_FACTOR_FAILURES, &proof->rate);
	if (proof->rate.count > 0)
		am_ratelimit_require_countable();
}

/* Counts cost failures (0 = looks only); false when the limit is reached. */
static bool
limit_allows(Proof *proof, int64 cost)
{
	AmRateVerdict verdict = am_ratelimit_take(LIMIT_POLICY, proof->rate_key, &proof->rate, cost);

	proof->retry_after_ms = verdict.allowed ? 0 : verdict.retry_after_ms;
	return verdict.allowed;
}

static void
proof_audit(const Proof *proof, const char *action, const char *reason, const char *address,
			const char *request_id)
{
	AmAuditEvent event = {.action = action,
						  .outcome = reason,
						  .user_id = proof->user_id,
						  .address = address,
						  .request_id = request_id};

	am_audit_append(&event);
}

/* A reason is ok with these two alone. */
static const char *
reason_outcome(const char *reason)
{
	if (strcmp(reason, "totp") == 0 || strcmp(reason, "recovery") == 0)
		return "ok";
	return strcmp(reason, "rate_limited") == 0 ? "rate_limited" : "refused";
}

static const char *
wrong(Proof *proof)
{
	return limit_allows(proof, 1) ? "wrong" : "rate_limited";
}

/* ---- proving --------------------------------------------------------------------------------- */

static bool
factor_read(Proof *proof, MemoryContext cxt)
{
	Datum arg = UUIDPGetDatum(proof->user_id);

	if (am_spi_read_latest(&find_plan, &arg, NULL, 1) != 1)
		return false;
	proof->sealed = am_spi_bytea(0, 1, cxt);
	proof->last_step = am_spi_int64(0, 2);
	proof->recovery_key = am_spi_int32(0, 3);
	return true;
}

static const char *
totp_decide(Proof *proof)
{
	bool replayed;
	int64 step =
		step_match(proof->sealed, proof->user_id, proof->code.digits, proof->last_step, &replayed);
	Datum values[3] = {UUIDPGetDatum(proof->user_id), PointerGetDatum(proof->sealed),
					   Int64GetDatum(step)};

	if (step == NO_STEP)
		return replayed ? "replayed" : wrong(proof);
	if (!limit_allows(proof, 0))
		return "rate_limited";
	return am_spi_run(&step_plan, values, NULL, 0) == 1 ? "totp" : "replayed";
}

static const char *
recovery_decide(Proof *proof)
{
	Datum values[3] = {UUIDPGetDatum(proof->user_id), PointerGetDatum(proof->sealed)};

	values[2] = PointerGetDatum(
		am_recovery_hash(proof->user_id, proof->code.recovery, proof->recovery_key));
	return am_spi_run(&recovery_plan, values, NULL, 0) == 1 ? "recovery" : wrong(proof);
}

/* The reason, which tells the outcome. */
static const char *
proof_decide(Proof *proof)
{
	const char *reason = "not_enabled";

	if (!limit_allows(proof, 0))
		return "rate_limited";
	am_spi_begin();
	if (factor_read(proof, CurrentMemoryContext))
	{
		if (proof->code.kind == CODE_TOTP)
			reason = totp_decide(proof);
		else if (proof->code.kind == CODE_RECOVERY)
			reason = recovery_decide(proof);
		else
			reason = wrong(proof);
	}
	am_spi_end();
	return reason;
}

static char *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

/* authmeter.totp_verify(user_id, code, address, request_id) */
Datum
authmeter_totp_verify(PG_FUNCTION_ARGS)
{
	Proof proof = {.user_id = PG_ARGISNULL(0) ? NULL : PG_GETARG_UUID_P(0),
				   .code = code_argument(fcinfo, 1)};
	const char *reason = "not_enabled";
	bool nulls[3] = {false};
	Datum row[3];

	if (proof.user_id != NULL)
	{
		limit_prepare(&proof, "");
		reason = proof_decide(&proof);
		proof_audit(&proof, "totp_verify", reason, text_argument(fcinfo, 2),
					text_argument(fcinfo, 3));
	}
	am_secret_wipe(&proof.code, sizeof(proof.code));
	row[0] = CStringGetTextDatum(reason_outcome(reason));
	row[1] = CStringGetTextDatum(reason);
	row[2] = Int64GetDatum(amc_rate_retry_after_s(proof.retry_after_ms));
	nulls[2] = strcmp(reason, "rate_limited") != 0;
	return am_row(fcinfo, row, nulls);
}

/* ---- enrolling ------------------------------------------------------------------------------- */

/* Percent-encoding (RFC 3986 section 2.1). */
static void
append_encoded(StringInfo out, const char *value)
{
	for (; *value != '\0'; value++)
	{
		unsigned char c = (unsigned char) *value;

		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", c) != NULL)
			appendStringInfoChar(out, (char) c);
		else
			appendStringInfo(out, "%%%02X", c);
	}
}

/* What authenticator apps read from a QR code (the "Key Uri Format" that all of them follow). */
static text *
enrolment_uri(const char *issuer, const char *email, const char *secret)
{
	StringInfoData uri;

	initStringInfo(&uri);
	appendStringInfoString(&uri, "otpauth://totp/");
	append_encoded(&uri, issuer);
	appendStringInfoChar(&uri, ':');
	append_encoded(&uri, email);
	appendStringInfo(&uri, "?secret=%s&issuer=", secret);
	append_encoded(&uri, issuer);
	appendStringInfo(&uri, "&algorithm=SHA1&digits=%d&period=%d", AM_TOTP_DIGITS, AMC_TOTP_STEP_S);
	return cstring_to_text_with_len(uri.data, uri.len);
}

static char *
issuer_argument(FunctionCallInfo fcinfo, int number)
{
	Size len = PG_ARGISNULL(number) ? 0 : VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(number));

	if (len == 0 || len > ISSUER_BYTES_MAX ||
		memchr(VARDATA_ANY(PG_GETARG_TEXT_PP(number)), ':', len) != NULL)
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("invalid issuer of a two-factor secret"),
				errhint("Name the service in 1 to %d bytes, without a colon.", ISSUER_BYTES_MAX));
	return text_to_cstring(PG_GETARG_TEXT_PP(number));
}

int64
am_totp_purge(TimestampTz now, int64 rows_max)
{
	Datum values[2] = {TimestampTzGetDatum(now), Int64GetDatum(rows_max)};
	int64 purged;

	am_spi_begin();
	purged = (int64) am_spi_run(&purge_plan, values, NULL, 0);
	am_spi_end();
	return purged;
}

/* Seals and stores a new secret; false when there is no such user. */
static bool
secret_store(const pg_uuid_t *user_id, const uint8 *secret)
{
	char owner[AMC_UUID_TEXT_BYTES + 1] = "";
	AmSealName name = {"totp", owner, "secret"};
	TimestampTz now = am_clock_now();
	Datum values[3] = {UUIDPGetDatum(user_id), (Datum) 0, TimestampTzGetDatum(now + PENDING_US)};
	bool stored;

	amc_uuid_format(user_id->data, owner);
	values[1] = PointerGetDatum(am_seal(&name, secret, AM_TOTP_SECRET_BYTES));
	(void) am_totp_purge(now, PURGE_ROWS);
	am_spi_begin();
	stored = am_spi_run(&enroll_plan, values, NULL, 0) == 1;
	am_spi_end();
	return stored;
}

/* authmeter.totp_enroll(user_id, issuer) */
Datum
authmeter_totp_enroll(PG_FUNCTION_ARGS)
{
	pg_uuid_t *user_id = PG_ARGISNULL(0) ? NULL : PG_GETARG_UUID_P(0);
	char *issuer = issuer_argument(fcinfo, 1);
	char spelling[AMC_BASE32_ENCODED_LEN(AM_TOTP_SECRET_BYTES) + 1] = "";
	uint8 secret[AM_TOTP_SECRET_BYTES];
	AmAuditEvent event = {.action = "totp_enroll", .outcome = "pending", .user_id = user_id};
	bool nulls[2] = {true, true};
	Datum row[2] = {0};
	AmUserState state;
	char *email;
	size_t len;

	if (user_id == NULL || !am_user_state_email(user_id, &state, &email))
		return am_row(fcinfo, row, nulls);
	am_random_bytes(secret, sizeof(secret));
	if (secret_store(user_id, secret))
	{
		(void) amc_base32_encode(secret, sizeof(secret), spelling, sizeof(spelling) - 1, &len);
		row[0] = CStringGetTextDatum(spelling);
		row[1] = PointerGetDatum(enrolment_uri(issuer, email, spelling));
		nulls[0] = nulls[1] = false;
		am_audit_append(&event);
	}
	am_secret_wipe(secret, sizeof(secret));
	am_secret_wipe(spelling, sizeof(spelling));
	return am_row(fcinfo, row, nulls);
}

/* The reason; *set is filled with "totp". */
static const char *
confirm_decide(Proof *proof, MemoryContext cxt, AmRecoverySet *set)
{
	TimestampTz now = am_clock_now();
	Datum values[6] = {UUIDPGetDatum(proof->user_id), TimestampTzGetDatum(now)};
	MemoryContext old;
	bool replayed;
	int64 step;

	if (am_spi_read_latest(&pending_plan, values, NULL, 1) != 1)
		return "not_pending";
	proof->sealed = am_spi_bytea(0, 1, NULL);
	step = step_match(proof->sealed, proof->user_id, proof->code.digits, NO_STEP, &replayed);
	if (proof->code.kind != CODE_TOTP || step == NO_STEP)
		return wrong(proof);
	if (!limit_allows(proof, 0))
		return "rate_limited";
	old = MemoryContextSwitchTo(cxt);
	*set = am_recovery_new(proof->user_id);
	MemoryContextSwitchTo(old);
	values[1] = PointerGetDatum(proof->sealed);
	values[2] = Int64GetDatum(step);
	values[3] = PointerGetDatum(set->hashes);
	values[4] = Int32GetDatum(set->key_version);
	values[5] = TimestampTzGetDatum(now);
	return am_spi_run(&confirm_plan, values, NULL, 0) == 1 ? "totp" : "not_pending";
}

/* authmeter.totp_confirm(user_id, code) */
Datum
authmeter_totp_confirm(PG_FUNCTION_ARGS)
{
	Proof proof = {.user_id = PG_ARGISNULL(0) ? NULL : PG_GETARG_UUID_P(0),
				   .code = code_argument(fcinfo, 1)};
	MemoryContext caller = CurrentMemoryContext;
	const char *reason = "not_pending";
	bool nulls[2] = {false, true};
	AmRecoverySet set = {NULL};
	Datum row[2];

	if (proof.user_id != NULL)
	{
		limit_prepare(&proof, CONFIRM_KEY);
		if (limit_allows(&proof, 0))
		{
			am_spi_begin();
			reason = confirm_decide(&proof, caller, &set);
			am_spi_end();
		}
		else
			reason = "rate_limited";
		proof_audit(&proof, "totp_confirm", reason, NULL, NULL);
	}
	row[0] = CStringGetTextDatum(reason_outcome(reason));
	row[1] = PointerGetDatum(set.codes);
	nulls[1] = strcmp(reason, "totp") != 0;
	return am_row(fcinfo, row, nulls);
}

/* authmeter.totp_recovery_renew(user_id) */
Datum
authmeter_totp_recovery_renew(PG_FUNCTION_ARGS)
{
	AmAuditEvent event = {.action = "totp_recovery_renew", .outcome = "renewed"};
	AmRecoverySet set;
	Datum values[3];
	bool renewed;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	event.user_id = PG_GETARG_UUID_P(0);
	set = am_recovery_new(event.user_id);
	values[0] = UUIDPGetDatum(event.user_id);
	values[1] = PointerGetDatum(set.hashes);
	values[2] = Int32GetDatum(set.key_version);
	am_spi_begin();
	renewed = am_spi_run(&renew_plan, values, NULL, 0) == 1;
	am_spi_end();
	if (!renewed)
		PG_RETURN_NULL();
	am_audit_append(&event);
	PG_RETURN_ARRAYTYPE_P(set.codes);
}

/* authmeter.hotp(secret, counter, digits): RFC 4226, for the vectors of the two RFCs. */
Datum
authmeter_hotp(PG_FUNCTION_ARGS)
{
	bytea *secret = PG_GETARG_BYTEA_PP(0);
	int64 counter = PG_GETARG_INT64(1);
	int32 digits = PG_GETARG_INT32(2);
	char code[AMC_HOTP_DIGITS_MAX];

	if (VARSIZE_ANY_EXHDR(secret) == 0 || counter < 0 || digits < AMC_HOTP_DIGITS_MIN ||
		digits > AMC_HOTP_DIGITS_MAX)
		ereport(
			ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
			errmsg("a one-time password needs a secret, a counter from 0 on and %d to %d digits",
				   AMC_HOTP_DIGITS_MIN, AMC_HOTP_DIGITS_MAX));
	totp_digits((const uint8 *) VARDATA_ANY(secret), VARSIZE_ANY_EXHDR(secret), (uint64) counter,
				digits, code);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(code, digits));
}
