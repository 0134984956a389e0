/*
 * token.h
 *
 * Session tokens of the HTTP APIs: JWT HS256 with the claims of the API and the private claims jti,
 * api, use and ver (contract I5 to I8). The ring has the name of the API.
 */
#ifndef AM_TOKEN_H
#define AM_TOKEN_H

#include "compat.h"

#include "utils/jsonb.h"

#include "core/json.h"
#include "core/span.h"

#define AM_TOKEN_BYTES_MAX 4096

/* AM_TOKEN_USES(X) calls X(NAME, text): what a token may be used for. */
#define AM_TOKEN_USES(X) X(ACCESS, "access") X(REFRESH, "refresh") X(VERIFY, "verify")

typedef enum AmTokenUse
{
#define X(name, text) AM_TOKEN_USE_##name,
	AM_TOKEN_USES(X)
#undef X
	AM_TOKEN_USE_COUNT
} AmTokenUse;

typedef enum AmTokenOutcome
{
	AM_TOKEN_OK,
	AM_TOKEN_INVALID,      /* form, signature, claims, other API or use, revoked */
	AM_TOKEN_EXPIRED,      /* good otherwise, as far as was looked */
	AM_TOKEN_USER_UNKNOWN, /* good, but the user is deleted */
	AM_TOKEN_USER_DISABLED
} AmTokenOutcome;

typedef struct AmTokenVerdict
{
	AmTokenOutcome outcome;
	const char *reason; /* finer than the outcome, for logs only; a static string */
	pg_uuid_t user_id;  /* from OK, USER_UNKNOWN and USER_DISABLED on */
	amc_json claims;    /* with OK: the claims, in the current context */
} AmTokenVerdict;

/* What a token is to say. */
typedef struct AmTokenOrder
{
	const pg_uuid_t *user_id;
	const char *api;
	AmTokenUse use;
	Jsonb *claims;    /* an object of further claims, or NULL */
	int64 lifetime_s; /* 1 or more */
} AmTokenOrder;

/*
 * Verifies a token for one API and one use, and looks up its user as it is committed now, so that a
 * revocation holds from its commit on. Whatever the token holds, the result is a verdict; raises
 * AM_KEY_UNKNOWN when the API has no key at all, and what unsealing the key may raise.
 */
extern void am_token_verify(amc_span api, AmTokenUse use, const char *token, Size len,
							AmTokenVerdict *verdict);

/*
 * Makes a token, palloc'd, or returns NULL when the user does not exist or is disabled. Claims:
 * userId and email unless order->claims has them, those of order->claims, iat, exp, jti, api, use,
 * ver; uid in addition when order->claims gives another userId. Raises AM_CLAIMS_INVALID when
 * order->claims holds one of the others or aud, sub or nbf; AM_LIMIT_EXCEEDED for a token above
 * AM_TOKEN_BYTES_MAX; AM_KEY_STATE when the ring's key would add to the header.
 */
extern char *am_token_issue(const AmTokenOrder *order);

/* ok, invalid, expired, user_unknown, user_disabled. */
extern const char *am_token_outcome_name(AmTokenOutcome outcome);

#endif
