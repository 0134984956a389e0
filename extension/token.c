/*
 * token.c
 *
 * Issuing and verifying the session tokens of the HTTP APIs.
 *
 * A token proves that we signed it; whether it still counts is decided by the user's row alone,
 * read at each verification under the newest snapshot: it exists, is not disabled, and has the
 * token version that the token was made for. Raising the version (new password, disabling,
 * revocation) ends all tokens of all APIs from its commit on. No list of tokens is kept.
 *
 * This is the hot path of every authenticated request: one parse, one MAC, one primary key look-up.
 */
#include "compat.h"

#include "lib/stringinfo.h"
#include "utils/json.h"

#include "clock.h"
#include "core/base64url.h"
#include "core/uuid7.h"
#include "crypto/openssl.h"
#include "json_bridge.h"
#include "jwt.h"
#include "token.h"
#include "user.h"

#define JTI_BYTES      16
#define JTI_TEXT_BYTES AMC_BASE64URL_ENCODED_LEN(JTI_BYTES)

/* {"alg":"HS256","typ":"JWT"} and the dot: the one header of our tokens (contract I5). */
#define TOKEN_HEADER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."

/* The private claims, as far as they have been seen. */
typedef struct TokenClaims
{
	const amc_json_node *user_id;
	const amc_json_node *uid;
	const amc_json_node *api;
	const amc_json_node *use;
	const amc_json_node *version;
} TokenClaims;

static const char *const use_names[] = {
#define X(name, text) text,
	AM_TOKEN_USES(X)
#undef X
};

const char *
am_token_outcome_name(AmTokenOutcome outcome)
{
	static const char *const names[] = {"ok", "invalid", "expired", "user_unknown",
										"user_disabled"};

	return names[outcome];
}

/* One pass over the members; the parser has refused doubled keys. */
static void
claims_find(const amc_json *doc, TokenClaims *claims)
{
	static const struct
	{
		amc_span name;
		size_t offset;
	} wanted[] = {{AMC_SPAN("userId"), offsetof(TokenClaims, user_id)},
				  {AMC_SPAN("uid"), offsetof(TokenClaims, uid)},
				  {AMC_SPAN("api"), offsetof(TokenClaims, api)},
				  {AMC_SPAN("use"), offsetof(TokenClaims, use)},
				  {AMC_SPAN("ver"), offsetof(TokenClaims, version)}};
	const amc_json_node *key;
	const amc_json_node *value;
	int i;

	memset(claims, 0, sizeof(*claims));
	for (key = amc_json_first(doc, amc_json_root(doc)); key != NULL;
		 key = amc_json_after(doc, value))
	{
		size_t len = amc_json_string_raw(doc, key).len;

		value = amc_json_after(doc, key);
		for (i = 0; i < (int) lengthof(wanted); i++)
			if (len >= wanted[i].name.len &&
				amc_json_string_equals(doc, key, wanted[i].name.ptr, wanted[i].name.len))
				*(const amc_json_node **) ((char *) claims + wanted[i].offset) = value;
	}
}

/*
 * userId is the user's id, unless the API writes another name of the user there and the id in uid.
 */
static bool
user_id_read(const amc_json *doc, const TokenClaims *claims, pg_uuid_t *id)
{
	const amc_json_node *node = claims->uid != NULL ? claims->uid : claims->user_id;
	amc_span text;

	if (node == NULL || node->type != AMC_JSON_STRING)
		return false;
	/* An escaped spelling is never ours; it does not parse. */
	text = amc_json_string_raw(doc, node);
	return amc_uuid_parse(text.ptr, text.len, id->data);
}

static bool
string_is(const amc_json *doc, const amc_json_node *node, const char *ptr, size_t len)
{
	return node != NULL && amc_json_string_equals(doc, node, ptr, len);
}

static void
verdict_set(AmTokenVerdict *verdict, AmTokenOutcome outcome, const char *reason)
{
	verdict->outcome = outcome;
	verdict->reason = reason;
}

/* The rules that the token itself can answer; true when only the user is left to ask. */
static bool
claims_check(const amc_json *doc, amc_span api, AmTokenUse use, AmTokenVerdict *verdict,
			 int64 *version)
{
	TokenClaims claims;

	claims_find(doc, &claims);
	if (!string_is(doc, claims.api, api.ptr, api.len))
		verdict_set(verdict, AM_TOKEN_INVALID, "api_mismatch");
	else if (!string_is(doc, claims.use, use_names[use], strlen(use_names[use])))
		verdict_set(verdict, AM_TOKEN_INVALID, "use_mismatch");
	else if (claims.version == NULL ||
			 amc_json_int64(doc, claims.version, version) != AMC_JSON_INTEGER_OK ||
			 !user_id_read(doc, &claims, &verdict->user_id))
		verdict_set(verdict, AM_TOKEN_INVALID, "claims_invalid");
	else
		return true;
	return false;
}

static void
user_check(AmTokenVerdict *verdict, int64 version)
{
	AmUserState state;

	if (!am_user_state(&verdict->user_id, &state))
		verdict_set(verdict, AM_TOKEN_USER_UNKNOWN, "user_unknown");
	else if (state.disabled)
		verdict_set(verdict, AM_TOKEN_USER_DISABLED, "user_disabled");
	else if (version != state.token_version)
		verdict_set(verdict, AM_TOKEN_INVALID, "revoked");
	else
		verdict_set(verdict, AM_TOKEN_OK, "ok");
}

void
am_token_verify(amc_span api, AmTokenUse use, const char *token, Size len, AmTokenVerdict *verdict)
{
	AmJwtRules rules = {.ring = api, .token_bytes_max = AM_TOKEN_BYTES_MAX};
	int64 version = 0;
	AmJwt jwt;

	am_jwt_verify(token, len, &rules, &jwt);
	if (jwt.outcome == AM_JWT_EXPIRED)
		verdict_set(verdict, AM_TOKEN_EXPIRED, "expired");
	else if (jwt.outcome != AM_JWT_OK)
		verdict_set(verdict, AM_TOKEN_INVALID, am_jwt_outcome_name(jwt.outcome));
	else if (jwt.key->alg != AMC_ALG_HS256)
		verdict_set(verdict, AM_TOKEN_INVALID, "algorithm_refused");
	else if (claims_check(&jwt.doc, api, use, verdict, &version))
	{
		verdict->claims = jwt.doc;
		user_check(verdict, version);
	}
}

static bool
has_member(Jsonb *object, const char *name)
{
	JsonbValue value;

	return object != NULL &&
		   getKeyJsonValueFromContainer(&object->root, name, (int) strlen(name), &value) != NULL;
}

/*
 * What authmeter writes itself, and what it never writes: other services decode our tokens with
 * plain JWT libraries, which would start to check aud, sub and nbf.
 */
static void
claims_refuse_reserved(Jsonb *claims)
{
	static const char *const reserved[] = {"iat", "exp", "jti", "api", "use",
										   "ver", "uid", "aud", "sub", "nbf"};
	int i;

	if (claims == NULL)
		return;
	if (!JB_ROOT_IS_OBJECT(claims))
		ereport(ERROR, errcode(ERRCODE_AM_CLAIMS_INVALID),
				errmsg("claims of a session token must be a JSON object"));
	for (i = 0; i < (int) lengthof(reserved); i++)
		if (has_member(claims, reserved[i]))
			ereport(ERROR, errcode(ERRCODE_AM_CLAIMS_INVALID),
					errmsg("claim \"%s\" cannot be given for a session token", reserved[i]));
}

static void
append_member(StringInfo json, const char *name, const char *value)
{
	if (json->len > 1)
		appendStringInfoChar(json, ',');
	escape_json(json, name);
	appendStringInfoChar(json, ':');
	escape_json(json, value);
}

static void
append_identity(StringInfo json, const AmTokenOrder *order, const char *email)
{
	char id[AMC_UUID_TEXT_BYTES + 1] = "";

	amc_uuid_format(order->user_id->data, id);
	append_member(json, has_member(order->claims, "userId") ? "uid" : "userId", id);
	if (!has_member(order->claims, "email"))
		append_member(json, "email", email);
}

/* The members of the caller's object, without its braces. */
static void
append_claims(StringInfo json, Jsonb *claims)
{
	StringInfoData object;

	if (claims == NULL || JB_ROOT_COUNT(claims) == 0)
		return;
	initStringInfo(&object);
	am_jsonb_append_compact(&object, &claims->root);
	appendStringInfoChar(json, ',');
	appendBinaryStringInfo(json, object.data + 1, object.len - 2);
}

static void
append_private(StringInfo json, const AmTokenOrder *order, int32 version)
{
	uint8 random[JTI_BYTES];
	char jti[JTI_TEXT_BYTES + 1] = "";
	int64 now_s = am_clock_unix_s(am_clock_now());
	size_t len;

	am_random_bytes(random, sizeof(random));
	(void) amc_base64url_encode(random, sizeof(random), jti, JTI_TEXT_BYTES, &len);
	appendStringInfo(json, ",\"iat\":" INT64_FORMAT ",\"exp\":" INT64_FORMAT, now_s,
					 now_s + order->lifetime_s);
	append_member(json, "jti", jti);
	append_member(json, "api", order->api);
	append_member(json, "use", use_names[order->use]);
	appendStringInfo(json, ",\"ver\":%d}", version);
}

static void
token_check(const char *token, Size len)
{
	if (len > AM_TOKEN_BYTES_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
				errmsg("session token would be longer than %d bytes", AM_TOKEN_BYTES_MAX),
				errhint("Give fewer claims."));
	if (strncmp(token, TOKEN_HEADER, strlen(TOKEN_HEADER)) != 0)
		ereport(ERROR, errcode(ERRCODE_AM_KEY_STATE),
				errmsg("signing key of the ring does not make HS256 tokens without kid"),
				errhint("Make it with authmeter.key_generate(ring, 'HS256', false)."));
}

char *
am_token_issue(const AmTokenOrder *order)
{
	amc_span ring = {order->api, strlen(order->api)};
	StringInfoData json;
	AmUserState state;
	char *email;
	char *token;
	Size len;

	claims_refuse_reserved(order->claims);
	if (!am_user_state_email(order->user_id, &state, &email) || state.disabled)
		return NULL;
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	append_identity(&json, order, email);
	append_claims(&json, order->claims);
	append_private(&json, order, state.token_version);
	token = am_jwt_sign(ring, json.data, json.len, &len);
	token_check(token, len);
	return token;
}
