/*
 * one_time_token.c
 *
 * One-time tokens: 256 random bits, as base64url or hexadecimal text, or a JWT of the API's ring
 * with the use verify. At rest there is only the SHA-256 of the whole token, the key of the row:
 * nothing is compared, nothing can be tried faster offline, and whoever reads the table can redeem
 * nothing. A decoy's row is found by no token.
 *
 * The row decides, whatever the form. The signature of a JWT is verified in addition, so that a
 * retired key ends the tokens it made, and so that a JWT whose row has been purged is still told to
 * be expired instead of unknown.
 *
 * Single use. one_time_token_check locks the row until the transaction ends and consumes nothing;
 * one_time_token_use marks it by one UPDATE. Of parallel redemptions one checks, does its work and
 * uses; the others wait and find the token used. The user's row is locked first, because a password
 * change, which deletes the tokens of the address, takes the locks in this order.
 */
#include "compat.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "lib/stringinfo.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "clock.h"
#include "core/base64url.h"
#include "core/hex.h"
#include "crypto/hash.h"
#include "crypto/openssl.h"
#include "crypto/secret.h"
#include "interval.h"
#include "json_bridge.h"
#include "jwt.h"
#include "one_time_token.h"
#include "otp.h"
#include "row.h"
#include "spi.h"
#include "user.h"

#define RANDOM_BYTES    32
#define JTI_BYTES       16
#define API_BYTES_MAX   64
#define DETAIL_TEXT_MAX 8192
#define LIFETIME_US_MAX (INT64CONST(30) * USECS_PER_DAY)

/* Expired rows removed for each row made, once they are this long past their end. */
#define PURGE_ROWS   2
#define PURGE_AGE_US USECS_PER_HOUR

PG_FUNCTION_INFO_V1(authmeter_one_time_token_issue);
PG_FUNCTION_INFO_V1(authmeter_one_time_token_check);
PG_FUNCTION_INFO_V1(authmeter_one_time_token_use);

static AmPlan purge_plan = {"DELETE FROM authmeter.one_time_token d USING (SELECT o.token_hash "
							"FROM authmeter.one_time_token o WHERE o.expires_at" AM_LE
							"$1 ORDER BY o.expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) old "
							"WHERE d.token_hash" AM_EQ "old.token_hash",
							2,
							{TIMESTAMPTZOID, INT8OID},
							NULL};
static AmPlan store_plan = {
	"INSERT INTO authmeter.one_time_token "
	"(token_hash, api, purpose, address, user_id, detail, created_at, expires_at) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
	8,
	{BYTEAOID, TEXTOID, TEXTOID, TEXTOID, UUIDOID, JSONBOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
	NULL};
static AmPlan address_plan = {"SELECT address FROM authmeter.one_time_token "
							  "WHERE token_hash" AM_EQ "$1 AND api" AM_EQ "$2",
							  2,
							  {BYTEAOID, TEXTOID},
							  NULL};
static AmPlan lock_plan = {
	"SELECT used_at IS NOT NULL, expires_at" AM_LE "$3, purpose, address, user_id, detail "
	"FROM authmeter.one_time_token WHERE token_hash" AM_EQ "$1 AND api" AM_EQ "$2 FOR UPDATE",
	3,
	{BYTEAOID, TEXTOID, TIMESTAMPTZOID},
	NULL};
static AmPlan use_plan = {"UPDATE authmeter.one_time_token SET used_at = $2 WHERE token_hash" AM_EQ
						  "$1 AND used_at IS NULL AND expires_at" AM_GT "$2",
						  2,
						  {BYTEAOID, TIMESTAMPTZOID},
						  NULL};

typedef enum TokenOutcome
{
	TOKEN_OK,
	TOKEN_EXPIRED,
	TOKEN_USED,
	TOKEN_UNKNOWN
} TokenOutcome;

/* What a token is made for. */
typedef struct TokenOrder
{
	const char *api;
	const char *purpose;
	const char *address;
	const pg_uuid_t *user_id; /* or NULL */
	Jsonb *detail;            /* or NULL */
	bool decoy;
	TimestampTz created_at;
	TimestampTz expires_at;
} TokenOrder;

/* What a check found. */
typedef struct TokenRow
{
	TokenOutcome outcome;
	char *purpose;
	char *address;
	bool has_user;
	pg_uuid_t user_id;
	Datum detail; /* (Datum) 0 = none */
} TokenRow;

/* ---- making one ------------------------------------------------------------------------------ */

static char *
token_random(bool hex)
{
	uint8 random[RANDOM_BYTES];
	Size size = hex ? 2 * sizeof(random) : AMC_BASE64URL_ENCODED_LEN(sizeof(random));
	char *token = palloc0(size + 1);
	size_t len;

	am_random_bytes(random, sizeof(random));
	if (hex)
		(void) amc_hex_encode(random, sizeof(random), token, size);
	else
		(void) amc_base64url_encode(random, sizeof(random), token, size, &len);
	am_secret_wipe(random, sizeof(random));
	return token;
}

static int32
user_version(const pg_uuid_t *user_id)
{
	AmUserState state;

	return user_id != NULL && am_user_state(user_id, &state) ? state.token_version : 0;
}

/* The claims that the contract names, and our private ones (contract I6). */
static char *
token_jwt(const TokenOrder *order)
{
	char jti[AMC_BASE64URL_ENCODED_LEN(JTI_BYTES) + 1] = "";
	uint8 random[JTI_BYTES];
	StringInfoData json;
	size_t len;

	am_random_bytes(random, sizeof(random));
	(void) amc_base64url_encode(random, sizeof(random), jti, sizeof(jti) - 1, &len);
	initStringInfo(&json);
	appendStringInfoString(&json, "{\"email\":");
	escape_json(&json, order->address);
	appendStringInfo(&json, ",\"purpose\":\"%s\",\"verified\":true,\"timestamp\":" INT64_FORMAT,
					 order->purpose, am_clock_unix_ms(order->created_at));
	appendStringInfo(&json, ",\"iat\":" INT64_FORMAT ",\"exp\":" INT64_FORMAT ",\"jti\":\"%s\"",
					 am_clock_unix_s(order->created_at), am_clock_unix_s(order->expires_at), jti);
	appendStringInfoString(&json, ",\"api\":");
	escape_json(&json, order->api);
	appendStringInfo(&json, ",\"use\":\"verify\",\"ver\":%d}", user_version(order->user_id));
	return am_jwt_sign((amc_span){order->api, strlen(order->api)}, json.data, json.len, NULL);
}

static void
token_store(const TokenOrder *order, const char *token)
{
	uint8 hash[AM_SHA256_BYTES];
	char nulls[] = "        ";
	Datum values[8] = {(Datum) 0,
					   CStringGetTextDatum(order->api),
					   CStringGetTextDatum(order->purpose),
					   CStringGetTextDatum(order->address),
					   UUIDPGetDatum(order->user_id),
					   PointerGetDatum(order->detail),
					   TimestampTzGetDatum(order->created_at),
					   TimestampTzGetDatum(order->expires_at)};

	am_sha256(token, strlen(token), hash);
	if (order->decoy)
		am_random_bytes(hash, sizeof(hash));
	values[0] = PointerGetDatum(am_bytea_new(hash, sizeof(hash)));
	nulls[4] = order->user_id == NULL ? 'n' : ' ';
	nulls[5] = order->detail == NULL ? 'n' : ' ';
	(void) am_one_time_token_purge(order->created_at, PURGE_ROWS);
	am_spi_begin();
	am_spi_run(&store_plan, values, nulls, 0);
	am_spi_end();
}

int64
am_one_time_token_purge(TimestampTz now, int64 rows_max)
{
	Datum values[2] = {TimestampTzGetDatum(now - PURGE_AGE_US), Int64GetDatum(rows_max)};
	int64 purged;

	am_spi_begin();
	purged = (int64) am_spi_run(&purge_plan, values, NULL, 0);
	am_spi_end();
	return purged;
}

/* ---- redeeming one --------------------------------------------------------------------------- */

static bool
claim_is(const amc_json *doc, const char *name, const char *value)
{
	const amc_json_node *node = amc_json_member(doc, amc_json_root(doc), name, strlen(name));

	return node != NULL && amc_json_string_equals(doc, node, value, strlen(value));
}

/* Whether the signature is good, for this API and this use, and what the times of the JWT say. */
static TokenOutcome
jwt_outcome(amc_span token, const char *api)
{
	AmJwtRules rules = {.ring = {api, strlen(api)}, .token_bytes_max = AM_ONE_TIME_TOKEN_BYTES_MAX};
	AmJwt jwt;

	am_jwt_verify(token.ptr, token.len, &rules, &jwt);
	if (jwt.outcome != AM_JWT_OK && jwt.outcome != AM_JWT_EXPIRED)
		return TOKEN_UNKNOWN;
	if (jwt.key->alg != AMC_ALG_HS256 || !claim_is(&jwt.doc, "api", api) ||
		!claim_is(&jwt.doc, "use", "verify"))
		return TOKEN_UNKNOWN;
	return jwt.outcome == AM_JWT_OK ? TOKEN_OK : TOKEN_EXPIRED;
}

/* The two other forms have no dot in their alphabets. */
static bool
is_jwt(amc_span token)
{
	return memchr(token.ptr, '.', token.len) != NULL;
}

/* Locks the user's row, then the token's; false when there is none. */
static bool
row_lock(Datum *values, TokenRow *row)
{
	MemoryContext caller = CurrentMemoryContext;
	bool found = false;

	am_spi_begin();
	if (am_spi_read_latest(&address_plan, values, NULL, 1) == 1)
	{
		am_user_lock_address(am_spi_text(0, 1, NULL));
		found = am_spi_run(&lock_plan, values, NULL, 1) == 1;
	}
	if (found)
	{
		row->outcome = am_spi_bool(0, 1)   ? TOKEN_USED
					   : am_spi_bool(0, 2) ? TOKEN_EXPIRED
										   : TOKEN_OK;
		row->purpose = am_spi_text(0, 3, caller);
		row->address = am_spi_text(0, 4, caller);
		row->has_user = !am_spi_null(0, 5);
		if (row->has_user)
			row->user_id = am_spi_uuid(0, 5);
		if (!am_spi_null(0, 6))
			row->detail = SPI_datumTransfer(am_spi_datum(0, 6), false, -1);
	}
	am_spi_end();
	return found;
}

/* A token made for a user serves that user only, and only while the address is that user's. */
static bool
user_fits(const TokenRow *row)
{
	AmUserState state;
	char *email;

	return !row->has_user || (am_user_state_email(&row->user_id, &state, &email) &&
							  !state.disabled && strcmp(email, row->address) == 0);
}

static TokenRow
token_check(amc_span token, const char *api)
{
	uint8 hash[AM_SHA256_BYTES];
	TokenRow row = {.outcome = TOKEN_UNKNOWN};
	TokenOutcome signature = TOKEN_OK;
	Datum values[3];

	am_sha256(token.ptr, token.len, hash);
	values[0] = PointerGetDatum(am_bytea_new(hash, sizeof(hash)));
	values[1] = CStringGetTextDatum(api);
	values[2] = TimestampTzGetDatum(am_clock_now());
	if (is_jwt(token))
		signature = jwt_outcome(token, api);
	if (signature == TOKEN_UNKNOWN)
		return row;
	if (!row_lock(values, &row))
		row.outcome = signature == TOKEN_EXPIRED ? TOKEN_EXPIRED : TOKEN_UNKNOWN;
	else if (row.outcome == TOKEN_OK && !user_fits(&row))
		row.outcome = TOKEN_UNKNOWN;
	else if (row.outcome == TOKEN_OK)
		row.outcome = signature;
	return row;
}

/* ---- SQL ------------------------------------------------------------------------------------- */

static char *
api_argument(FunctionCallInfo fcinfo, int number)
{
	Size len = PG_ARGISNULL(number) ? 0 : VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(number));

	if (len == 0 || len > API_BYTES_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("invalid API of a one-time token"),
				errhint("Name the API, such as autoverse, in 1 to %d bytes.", API_BYTES_MAX));
	return text_to_cstring(PG_GETARG_TEXT_PP(number));
}

static TimestampTz
end_argument(FunctionCallInfo fcinfo, int number, TimestampTz from)
{
	TimestampTz end;

	if (PG_ARGISNULL(number) ||
		!am_interval_end(from, PG_GETARG_INTERVAL_P(number), USECS_PER_SEC, LIFETIME_US_MAX, &end))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("invalid lifetime of a one-time token"),
				errhint("Give an interval from 1 second to 30 days."));
	return end;
}

static Jsonb *
detail_argument(FunctionCallInfo fcinfo, int number)
{
	if (PG_ARGISNULL(number))
		return NULL;
	if (toast_raw_datum_size(PG_GETARG_DATUM(number)) > DETAIL_TEXT_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
				errmsg("detail of a one-time token is larger than %d bytes", DETAIL_TEXT_MAX));
	return PG_GETARG_JSONB_P(number);
}

static char *
token_make(const TokenOrder *order, const char *form)
{
	if (strcmp(form, "jwt") == 0)
		return token_jwt(order);
	if (strcmp(form, "base64url") == 0 || strcmp(form, "hex") == 0)
		return token_random(form[0] == 'h');
	ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
			errmsg("a one-time token has no form \"%.32s\"", form),
			errhint("The forms are base64url, hex and jwt."));
}

/*
 * authmeter.one_time_token_issue(api, purpose, address, user_id, lifetime, form, detail, decoy)
 */
Datum
authmeter_one_time_token_issue(PG_FUNCTION_ARGS)
{
	TokenOrder order = {.api = api_argument(fcinfo, 0),
						.purpose = PG_ARGISNULL(1) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(1)),
						.address = PG_ARGISNULL(2) ? NULL : am_user_email(PG_GETARG_DATUM(2)),
						.user_id = PG_ARGISNULL(3) ? NULL : PG_GETARG_UUID_P(3),
						.detail = detail_argument(fcinfo, 6),
						.decoy = !PG_ARGISNULL(7) && PG_GETARG_BOOL(7),
						.created_at = am_clock_now()};
	char *token;
	text *result;

	am_otp_purpose_check(order.purpose);
	if (order.address == NULL)
		ereport(ERROR, errcode(ERRCODE_AM_OTP_INVALID),
				errmsg("a one-time token needs an e-mail address"));
	order.expires_at = end_argument(fcinfo, 4, order.created_at);
	token = token_make(&order, PG_ARGISNULL(5) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(5)));
	token_store(&order, token);
	result = cstring_to_text(token);
	am_secret_wipe(token, strlen(token));
	PG_RETURN_TEXT_P(result);
}

/* The token in an argument; ptr NULL when it cannot be one. */
static amc_span
token_argument(FunctionCallInfo fcinfo, int number)
{
	text *token;

	if (PG_ARGISNULL(number) ||
		toast_raw_datum_size(PG_GETARG_DATUM(number)) - VARHDRSZ > AM_ONE_TIME_TOKEN_BYTES_MAX)
		return (amc_span){NULL, 0};
	token = PG_GETARG_TEXT_PP(number);
	return (amc_span){VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token)};
}

/* authmeter.one_time_token_check(token, api) */
Datum
authmeter_one_time_token_check(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {[TOKEN_OK] = "ok",
										[TOKEN_EXPIRED] = "expired",
										[TOKEN_USED] = "used",
										[TOKEN_UNKNOWN] = "unknown"};
	char *api = api_argument(fcinfo, 1);
	amc_span token = token_argument(fcinfo, 0);
	TokenRow row = {.outcome = TOKEN_UNKNOWN};
	bool nulls[5] = {false, true, true, true, true};
	Datum values[5] = {0};

	if (token.ptr != NULL)
		row = token_check(token, api);
	values[0] = CStringGetTextDatum(names[row.outcome]);
	if (row.outcome == TOKEN_OK)
	{
		values[1] = CStringGetTextDatum(row.purpose);
		values[2] = CStringGetTextDatum(row.address);
		values[3] = UUIDPGetDatum(&row.user_id);
		values[4] = row.detail;
		nulls[1] = nulls[2] = false;
		nulls[3] = !row.has_user;
		nulls[4] = row.detail == (Datum) 0;
	}
	return am_row(fcinfo, values, nulls);
}

/* authmeter.one_time_token_use(token) marks it used. */
Datum
authmeter_one_time_token_use(PG_FUNCTION_ARGS)
{
	amc_span token = token_argument(fcinfo, 0);
	uint8 hash[AM_SHA256_BYTES];
	Datum values[2];
	bool used;

	if (token.ptr == NULL)
		PG_RETURN_BOOL(false);
	am_sha256(token.ptr, token.len, hash);
	values[0] = PointerGetDatum(am_bytea_new(hash, sizeof(hash)));
	values[1] = TimestampTzGetDatum(am_clock_now());
	am_spi_begin();
	used = am_spi_run(&use_plan, values, NULL, 0) == 1;
	am_spi_end();
	PG_RETURN_BOOL(used);
}
