/*
 * token.h
 *
 * Session tokens of the HTTP APIs: JWT HS256 with the claims of the API and the private claims jti,
 * api, use, ver and, within a login session, sid (contract I5 to I8). Refresh tokens are signed by
 * the ring <api>-refresh, all others by the ring named like the API.
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
	int64 version;      /* with OK: claim ver */
	amc_span jti;       /* with OK: claim jti, into claims; ptr NULL = none, or no plain string */
	bool in_session;    /* with OK: there is a claim sid */
	pg_uuid_t session_id;
} AmTokenVerdict;

/* What a token is to say. */
typedef struct AmTokenOrder
{
	const pg_uuid_t *user_id;
	const pg_uuid_t *session_id; /* NULL = of no session */
	const char *api;
	AmTokenUse use;
	Jsonb *claims;    /* an object of further claims, or NULL */
	int64 lifetime_s; /* 1 or more */
} AmTokenOrder;

/* What am_token_make is told besides the order, whose lifetime_s it does not look at. */
typedef struct AmTokenStamp
{
	int64 issued_s;    /* iat */
	int64 expires_s;   /* exp */
	int32 version;     /* ver */
	const char *email; /* not for refresh tokens, which never have it; NULL = none */
	const char *jti;   /* NULL = a random one */
} AmTokenStamp;

/*
 * Verifies what the token itself can answer: form, signature, times, API and use. Whatever it
 * holds, the result is a verdict (OK, INVALID or EXPIRED); raises AM_KEY_UNKNOWN when the ring has
 * no key at all, and what unsealing the key may raise.
 */
extern void am_token_read(amc_span api, AmTokenUse use, const char *token, Size len,
						  AmTokenVerdict *verdict);

/*
 * The same, and looks up its user and session as they are committed now, so that a revocation
 * holds from its commit on. A refresh token is measured as one of its session, not whether it is
 * the session's current one: see session.h.
 */
extern void am_token_verify(amc_span api, AmTokenUse use, const char *token, Size len,
							AmTokenVerdict *verdict);

/*
 * Makes a token, palloc'd, or returns NULL when the user does not exist or is disabled, or the
 * session does not exist or has ended. Claims: userId and email unless order->claims has them,
 * those of order->claims, iat, exp, jti, api, use, ver, and sid within a session; uid in addition
 * when order->claims gives another userId; no email in a refresh token. Raises AM_CLAIMS_INVALID
 * when order->claims holds one of the others or aud, sub or nbf; AM_LIMIT_EXCEEDED for a token
 * above AM_TOKEN_BYTES_MAX; AM_KEY_STATE when the ring's key would add to the header.
 */
extern char *am_token_issue(const AmTokenOrder *order);

/* The same for a caller who has looked at user and session: equal input makes equal bytes if a jti
 * is given and the ring's signing key stays. */
extern char *am_token_make(const AmTokenOrder *order, const AmTokenStamp *stamp);

/* ok, invalid, expired, user_unknown, user_disabled. */
extern const char *am_token_outcome_name(AmTokenOutcome outcome);

#endif
