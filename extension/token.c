/*
 * token.c
 *
 * Issuing and verifying the session tokens of the HTTP APIs.
 *
 * A token proves that we signed it; whether it still counts is decided by the user's row and, for a
 * token with a sid, the session's row, both read at each verification under the newest snapshot:
 * the user exists, is not disabled, and has the token version that the token was made for; the
 * session exists and has not ended. Raising the version (new password, disabling, revocation) ends
 * all tokens of all APIs from its commit on. No list of tokens is kept.
 *
 * Two tokens outlive a raised version, as long as it is not raised again: the refresh token of a
 * session that was kept, and the one access token that was spared (session.h).
 *
 * This is the hot path of every authenticated request: one parse, one MAC, one look-up by primary
 * key (two in one statement within a session).
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
#include "session_row.h"
#include "token.h"
#include "user.h"

#define JTI_BYTES      16
#define JTI_TEXT_BYTES AMC_BASE64URL_ENCODED_LEN(JTI_BYTES)

/* {"alg":"HS256","typ":"JWT"} and the dot: the one header of our tokens (contract I5). */
#define TOKEN_HEADER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."

/* Behind the name of the API: the ring of its refresh tokens. */
#define REFRESH_RING_SUFFIX "-refresh"

/* The private claims, as far as they have been seen. */
typedef struct TokenClaims
{
	const amc_json_node *user_id;
	const amc_json_node *uid;
	const amc_json_node *api;
	const amc_json_node *use;
	const amc_json_node *version;
	const amc_json_node *jti;
	const amc_json_node *session_id;
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
				  {AMC_SPAN("ver"), offsetof(TokenClaims, version)},
				  {AMC_SPAN("jti"), offsetof(TokenClaims, jti)},
				  {AMC_SPAN("sid"), offsetof(TokenClaims, session_id)}};
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

/* An escaped spelling is never ours; it does not parse. */
static bool
uuid_read(const amc_json *doc, const amc_json_node *node, pg_uuid_t *id)
{
	amc_span text;

	if (node == NULL || node->type != AMC_JSON_STRING)
		return false;
	text = amc_json_string_raw(doc, node);
	return amc_uuid_parse(text.ptr, text.len, id->data);
}

/*
 * userId is the user's id, unless the API writes another name of the user there and the id in uid.
 */
static bool
ids_read(const amc_json *doc, const TokenClaims *claims, AmTokenVerdict *verdict)
{
	verdict->in_session = claims->session_id != NULL;
	if (verdict->in_session && !uuid_read(doc, claims->session_id, &verdict->session_id))
		return false;
	verdict->jti = (amc_span){NULL, 0};
	if (claims->jti != NULL && (claims->jti->flags & AMC_JSON_FLAG_ESCAPED) == 0)
		verdict->jti = amc_json_string_raw(doc, claims->jti);
	return uuid_read(doc, claims->uid != NULL ? claims->uid : claims->user_id, &verdict->user_id);
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

static void
claims_check(const amc_json *doc, amc_span api, AmTokenUse use, AmTokenVerdict *verdict)
{
	TokenClaims claims;

	claims_find(doc, &claims);
	if (!string_is(doc, claims.api, api.ptr, api.len))
		verdict_set(verdict, AM_TOKEN_INVALID, "api_mismatch");
	else if (!string_is(doc, claims.use, use_names[use], strlen(use_names[use])))
		verdict_set(verdict, AM_TOKEN_INVALID, "use_mismatch");
	else if (claims.version == NULL ||
			 amc_json_int64(doc, claims.version, &verdict->version) != AMC_JSON_INTEGER_OK ||
			 !ids_read(doc, &claims, verdict))
		verdict_set(verdict, AM_TOKEN_INVALID, "claims_invalid");
	else
	{
		verdict->claims = *doc;
		verdict_set(verdict, AM_TOKEN_OK, "ok");
	}
}

static amc_span
ring_name(amc_span api, AmTokenUse use)
{
	if (use != AM_TOKEN_USE_REFRESH)
		return api;
	return (amc_span){psprintf("%.*s" REFRESH_RING_SUFFIX, (int) api.len, api.ptr),
					  api.len + strlen(REFRESH_RING_SUFFIX)};
}

void
am_token_read(amc_span api, AmTokenUse use, const char *token, Size len, AmTokenVerdict *verdict)
{
	AmJwtRules rules = {.ring = ring_name(api, use), .token_bytes_max = AM_TOKEN_BYTES_MAX};
	AmJwt jwt;

	am_jwt_verify(token, len, &rules, &jwt);
	if (jwt.outcome == AM_JWT_EXPIRED)
		verdict_set(verdict, AM_TOKEN_EXPIRED, "expired");
	else if (jwt.outcome != AM_JWT_OK)
		verdict_set(verdict, AM_TOKEN_INVALID, am_jwt_outcome_name(jwt.outcome));
	else if (jwt.key->alg != AMC_ALG_HS256)
		verdict_set(verdict, AM_TOKEN_INVALID, "algorithm_refused");
	else
		claims_check(&jwt.doc, api, use, verdict);
}

/* Does the session vouch for a token of an older version? */
static bool
session_keeps(const AmTokenVerdict *verdict, AmTokenUse use, const AmUserState *user,
			  const AmSessionState *session)
{
	if (session->good_version != user->token_version)
		return false;
	return use == AM_TOKEN_USE_REFRESH ||
		   (verdict->jti.len > 0 &&
			amc_span_equals(verdict->jti, session->spared_jti, strlen(session->spared_jti)));
}

/* The state that is committed now, by primary key. */
static void
state_check(AmTokenVerdict *verdict, AmTokenUse use)
{
	AmSessionState session = {.found = false};
	AmUserState user;
	bool known = verdict->in_session
					 ? am_session_state(&verdict->user_id, &verdict->session_id, &user, &session)
					 : am_user_state(&verdict->user_id, &user);

	if (!known)
		verdict_set(verdict, AM_TOKEN_USER_UNKNOWN, "user_unknown");
	else if (user.disabled)
		verdict_set(verdict, AM_TOKEN_USER_DISABLED, "user_disabled");
	else if (verdict->in_session && !session.found)
		verdict_set(verdict, AM_TOKEN_INVALID, "session_unknown");
	else if (verdict->in_session && session.ended)
		verdict_set(verdict, AM_TOKEN_INVALID, "session_ended");
	else if (verdict->version != user.token_version &&
			 !(verdict->in_session && session_keeps(verdict, use, &user, &session)))
		verdict_set(verdict, AM_TOKEN_INVALID, "revoked");
}

void
am_token_verify(amc_span api, AmTokenUse use, const char *token, Size len, AmTokenVerdict *verdict)
{
	am_token_read(api, use, token, len, verdict);
	if (verdict->outcome == AM_TOKEN_OK)
		state_check(verdict, use);
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
	static const char *const reserved[] = {"iat", "exp", "jti", "api", "use", "ver",
										   "uid", "sid", "aud", "sub", "nbf"};
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
append_uuid(StringInfo json, const char *name, const pg_uuid_t *id)
{
	char text[AMC_UUID_TEXT_BYTES + 1] = "";

	amc_uuid_format(id->data, text);
	append_member(json, name, text);
}

static void
append_identity(StringInfo json, const AmTokenOrder *order, const char *email)
{
	append_uuid(json, has_member(order->claims, "userId") ? "uid" : "userId", order->user_id);
	if (email != NULL && order->use != AM_TOKEN_USE_REFRESH && !has_member(order->claims, "email"))
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
append_random_jti(StringInfo json)
{
	uint8 random[JTI_BYTES];
	char jti[JTI_TEXT_BYTES + 1] = "";
	size_t len;

	am_random_bytes(random, sizeof(random));
	(void) amc_base64url_encode(random, sizeof(random), jti, JTI_TEXT_BYTES, &len);
	append_member(json, "jti", jti);
}

static void
append_private(StringInfo json, const AmTokenOrder *order, const AmTokenStamp *stamp)
{
	appendStringInfo(json, ",\"iat\":" INT64_FORMAT ",\"exp\":" INT64_FORMAT, stamp->issued_s,
					 stamp->expires_s);
	if (stamp->jti != NULL)
		append_member(json, "jti", stamp->jti);
	else
		append_random_jti(json);
	append_member(json, "api", order->api);
	append_member(json, "use", use_names[order->use]);
	appendStringInfo(json, ",\"ver\":%d", stamp->version);
	if (order->session_id != NULL)
		append_uuid(json, "sid", order->session_id);
	appendStringInfoChar(json, '}');
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
am_token_make(const AmTokenOrder *order, const AmTokenStamp *stamp)
{
	amc_span api = {order->api, strlen(order->api)};
	StringInfoData json;
	char *token;
	Size len;

	claims_refuse_reserved(order->claims);
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	append_identity(&json, order, stamp->email);
	append_claims(&json, order->claims);
	append_private(&json, order, stamp);
	token = am_jwt_sign(ring_name(api, order->use), json.data, json.len, &len);
	token_check(token, len);
	return token;
}

static bool
session_is_live(const pg_uuid_t *user_id, const pg_uuid_t *session_id)
{
	AmSessionState session;
	AmUserState user;

	return am_session_state(user_id, session_id, &user, &session) && session.found &&
		   !session.ended;
}

char *
am_token_issue(const AmTokenOrder *order)
{
	AmTokenStamp stamp = {.issued_s = am_clock_unix_s(am_clock_now())};
	AmUserState state;
	char *email;

	/* Misuse is told whether or not there is a user. */
	claims_refuse_reserved(order->claims);
	if (!am_user_state_email(order->user_id, &state, &email) || state.disabled)
		return NULL;
	if (order->session_id != NULL && !session_is_live(order->user_id, order->session_id))
		return NULL;
	stamp.expires_s = stamp.issued_s + order->lifetime_s;
	stamp.version = state.token_version;
	stamp.email = email;
	return am_token_make(order, &stamp);
}
