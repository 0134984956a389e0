/*
 * service_token.c
 *
 * Service tokens: 256 random bits, shown once, stored as SHA-256. A digest of so much randomness
 * cannot be searched, so it needs no salt, and looking it up in an index tells nothing by its time.
 */
#include "compat.h"

#include "utils/array.h"

#include "audit.h"
#include "clock.h"
#include "core/base64url.h"
#include "crypto/hash.h"
#include "crypto/openssl.h"
#include "crypto/secret.h"
#include "id.h"
#include "service_token.h"
#include "spi.h"

#define TOKEN_PREFIX       "amst_"
#define TOKEN_PREFIX_BYTES (sizeof(TOKEN_PREFIX) - 1)
#define TOKEN_RANDOM_BYTES 32
#define TOKEN_BYTES        (TOKEN_PREFIX_BYTES + AMC_BASE64URL_ENCODED_LEN(TOKEN_RANDOM_BYTES))

#define NAME_BYTES_MAX    63
#define LIFETIME_DAYS_MAX 3650
#define NAME_CHARACTERS   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

PG_FUNCTION_INFO_V1(authmeter_create_service_token);
PG_FUNCTION_INFO_V1(authmeter_revoke_service_token);
PG_FUNCTION_INFO_V1(authmeter_service_token_allows);

/* Contract I12: every scope there is. */
static const char *const scopes_known[] = {
	"autoverse:byok",   "autoverse:credits", "autoverse:payments", "jobpsych:reset",
	"jobpsych:uploads", "quizzer:validate",  "vsplugin:signup"};

static AmPlan create_plan = {
	"INSERT INTO authmeter.service_token (id, name, scopes, token_hash, created_at, expires_at) "
	"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING",
	6,
	{UUIDOID, TEXTOID, TEXTARRAYOID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
	NULL};
static AmPlan revoke_plan = {"UPDATE authmeter.service_token SET revoked_at = $2 WHERE name" AM_EQ
							 "$1 AND revoked_at IS NULL",
							 2,
							 {TEXTOID, TIMESTAMPTZOID},
							 NULL};
static AmPlan allows_plan = {"SELECT 1 FROM authmeter.service_token WHERE token_hash" AM_EQ
							 "$1 AND revoked_at IS NULL "
							 "AND expires_at" AM_GT "$2 AND $3" AM_EQ "ANY (scopes)",
							 3,
							 {BYTEAOID, TIMESTAMPTZOID, TEXTOID},
							 NULL};

static _Noreturn void
refuse(const char *message, const char *hint)
{
	ereport(ERROR, errcode(ERRCODE_AM_SERVICE_TOKEN_INVALID), errmsg("%s", message),
			errhint("%s", hint));
}

static void
name_check(const char *name)
{
	Size len = strlen(name);

	if (len == 0 || len > NAME_BYTES_MAX || strspn(name, NAME_CHARACTERS) != len)
		refuse("invalid name of a service token",
			   "A name has 1 to 63 letters, digits, dots, hyphens and underscores.");
}

static bool
scope_known(const char *scope)
{
	int i;

	for (i = 0; i < (int) lengthof(scopes_known); i++)
		if (strcmp(scope, scopes_known[i]) == 0)
			return true;
	return false;
}

static char *
scopes_hint(void)
{
	StringInfoData hint;
	int i;

	initStringInfo(&hint);
	appendStringInfoString(&hint, "Give one or more of");
	for (i = 0; i < (int) lengthof(scopes_known); i++)
		appendStringInfo(&hint, "%s %s", i == 0 ? "" : ",", scopes_known[i]);
	appendStringInfoChar(&hint, '.');
	return hint.data;
}

static void
scopes_check(ArrayType *scopes)
{
	Datum *values;
	bool *nulls;
	int count;
	int i;

	deconstruct_array(scopes, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	if (count == 0 || count > (int) lengthof(scopes_known) || ARR_NDIM(scopes) != 1)
		refuse("a service token needs at least one scope, each once", scopes_hint());
	for (i = 0; i < count; i++)
		if (nulls[i] || !scope_known(TextDatumGetCString(values[i])))
			refuse("unknown scope of a service token", scopes_hint());
}

static TimestampTz
expiry(TimestampTz now, const Interval *lifetime)
{
	/* Bounded first, so that the addition cannot leave the range of a timestamp. */
	double days = lifetime->month * (double) DAYS_PER_MONTH + lifetime->day +
				  (double) lifetime->time / USECS_PER_DAY;
	TimestampTz at;

	if (days > 0 && days <= LIFETIME_DAYS_MAX)
	{
		at = DatumGetTimestampTz(DirectFunctionCall2(
			timestamptz_pl_interval, TimestampTzGetDatum(now), IntervalPGetDatum(lifetime)));
		if (at >= now + USECS_PER_SEC)
			return at;
	}
	refuse("lifetime of a service token is out of range",
		   "Give an interval of 1 second to 3650 days.");
}

static bytea *
token_hash(const char *token, Size len)
{
	bytea *hash = palloc(VARHDRSZ + AM_SHA256_BYTES);

	SET_VARSIZE(hash, VARHDRSZ + AM_SHA256_BYTES);
	am_sha256(token, len, (uint8 *) VARDATA(hash));
	return hash;
}

/* A new token as text; the random bytes behind it are wiped. */
static text *
token_new(void)
{
	text *token = palloc(VARHDRSZ + TOKEN_BYTES);
	uint8 random[TOKEN_RANDOM_BYTES];
	size_t len;

	SET_VARSIZE(token, VARHDRSZ + TOKEN_BYTES);
	am_random_bytes(random, sizeof(random));
	memcpy(VARDATA(token), TOKEN_PREFIX, TOKEN_PREFIX_BYTES);
	(void) amc_base64url_encode(random, sizeof(random), VARDATA(token) + TOKEN_PREFIX_BYTES,
								TOKEN_BYTES - TOKEN_PREFIX_BYTES, &len);
	am_secret_wipe(random, sizeof(random));
	return token;
}

static void
audit(const char *action, const char *outcome, const char *name)
{
	AmAuditPair pairs[1] = {{"name", name}};
	AmAuditEvent event = {.action = action, .outcome = outcome};

	event.detail = am_audit_detail(pairs, lengthof(pairs));
	am_audit_append(&event);
}

static void
token_store(const char *name, ArrayType *scopes, const Interval *lifetime, text *token)
{
	TimestampTz now = am_clock_now();
	pg_uuid_t id = am_id_new(AM_ID_PARTITION_ANY);
	Datum values[6] = {
		UUIDPGetDatum(&id),       CStringGetTextDatum(name),
		PointerGetDatum(scopes),  PointerGetDatum(token_hash(VARDATA(token), TOKEN_BYTES)),
		TimestampTzGetDatum(now), TimestampTzGetDatum(expiry(now, lifetime))};
	uint64 stored;

	am_spi_begin();
	stored = am_spi_run(&create_plan, values, NULL, 0);
	am_spi_end();
	if (stored == 0)
		refuse("a service token of this name exists",
			   "Choose another name, or revoke the other with authmeter.revoke_service_token.");
}

/* authmeter.create_service_token(name, scopes, lifetime) makes a token and returns it, once. */
Datum
authmeter_create_service_token(PG_FUNCTION_ARGS)
{
	char *name;
	text *token;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		refuse(
			"name, scopes and lifetime of a service token must not be null",
			"For example authmeter.create_service_token('plugin', '{vsplugin:signup}', '90 days').");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	name_check(name);
	scopes_check(PG_GETARG_ARRAYTYPE_P(1));
	token = token_new();
	token_store(name, PG_GETARG_ARRAYTYPE_P(1), PG_GETARG_INTERVAL_P(2), token);
	audit("create_service_token", "ok", name);
	PG_RETURN_TEXT_P(token);
}

/* authmeter.revoke_service_token(name) ends the live token of that name. */
Datum
authmeter_revoke_service_token(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Datum values[2] = {PG_GETARG_DATUM(0), TimestampTzGetDatum(am_clock_now())};
	const char *outcome;

	name_check(name);
	am_spi_begin();
	outcome = am_spi_run(&revoke_plan, values, NULL, 0) > 0 ? "revoked" : "unknown";
	am_spi_end();
	audit("revoke_service_token", outcome, name);
	PG_RETURN_TEXT_P(cstring_to_text(outcome));
}

bool
am_service_token_allows(const char *token, Size token_bytes, const char *scope)
{
	Datum values[3];
	bool allowed;

	if (token == NULL || token_bytes != TOKEN_BYTES)
		return false;
	values[0] = PointerGetDatum(token_hash(token, token_bytes));
	values[1] = TimestampTzGetDatum(am_clock_now());
	values[2] = CStringGetTextDatum(scope);
	am_spi_begin();
	allowed = am_spi_read_latest(&allows_plan, values, NULL, 1) == 1;
	am_spi_end();
	return allowed;
}

/* authmeter.service_token_allows(token, scope): is it live and of that scope? */
Datum
authmeter_service_token_allows(PG_FUNCTION_ARGS)
{
	text *token = PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0);

	if (token == NULL || PG_ARGISNULL(1))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(am_service_token_allows(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token),
										   text_to_cstring(PG_GETARG_TEXT_PP(1))));
}
