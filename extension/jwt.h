/*
 * jwt.h
 *
 * JSON Web Tokens (RFC 7519) in compact serialisation under the keys of a ring.
 *
 * A token is verified in this order: form, header, algorithm (that of the key, never the token's
 * choice), signature, and only then the claims are parsed. Whatever a token holds, the result is an
 * outcome; only a fault of the server raises (no such ring, master key missing).
 */
#ifndef AM_JWT_H
#define AM_JWT_H

#include "compat.h"

#include "core/claims.h"
#include "core/jws.h"
#include "keyring.h"

#define AM_JWT_TOKEN_BYTES_MAX 16384
#define AM_JWT_NODES_MAX       1024 /* keys and values in the claims */
#define AM_JWT_DEPTH_MAX       32

/* AM_JWT_OUTCOMES(X) calls X(NAME, text, meaning). */
/* clang-format off */
#define AM_JWT_OUTCOMES(X) \
	X(OK, "ok", "signature and claims are good") \
	X(TOO_LONG, "too_long", "the token is longer than 16384 bytes (or the caller's limit)") \
	X(MALFORMED, "malformed", "no compact JWS of three segments with a sound header") \
	X(ALGORITHM_REFUSED, "algorithm_refused", "the header names another algorithm than the key has") \
	X(KEY_UNKNOWN, "key_unknown", "the ring has no key in force for the token") \
	X(SIGNATURE_INVALID, "signature_invalid", "no key of the ring made this signature") \
	X(CLAIMS_INVALID, "claims_invalid", "the claims are no strict JSON object, a registered claim has the wrong type, or exp is missing") \
	X(EXPIRED, "expired", "exp has come") \
	X(NOT_YET_VALID, "not_yet_valid", "nbf has not come") \
	X(ISSUER_MISMATCH, "issuer_mismatch", "iss is not the issuer asked for") \
	X(AUDIENCE_MISMATCH, "audience_mismatch", "aud does not hold the audience asked for, or names one and none was asked for")
/* clang-format on */

typedef enum AmJwtOutcome
{
#define X(name, text, meaning) AM_JWT_##name,
	AM_JWT_OUTCOMES(X)
#undef X
	AM_JWT_OUTCOME_COUNT
} AmJwtOutcome;

/* What a token is measured by. Zero everything, then set what is wanted. */
typedef struct AmJwtRules
{
	amc_span ring;        /* required */
	Size token_bytes_max; /* 0 = AM_JWT_TOKEN_BYTES_MAX; more counts as that */
	int64 leeway_s;       /* 0 to AMC_LEEWAY_S_MAX */
	amc_span issuer;      /* ptr NULL = any */
	amc_span audience;    /* ptr NULL = the token must have none (RFC 7519 section 4.1.3) */
} AmJwtRules;

typedef struct AmJwt
{
	AmJwtOutcome outcome;
	const AmKey *key; /* that made the signature; NULL before; valid until a table is read */
	amc_json doc;     /* the claims, parsed; in the caller's context, set when outcome is OK */
	amc_claims claims;
} AmJwt;

/* The SQL text of an outcome. */
extern const char *am_jwt_outcome_name(AmJwtOutcome outcome);

/*
 * Verifies signature, times, issuer and audience. doc and what it points to are palloc'd in the
 * current context. Raises AM_KEY_UNKNOWN for a ring that does not exist, and what unsealing its key
 * may raise.
 */
extern void am_jwt_verify(const char *token, Size len, const AmJwtRules *rules, AmJwt *jwt);

/*
 * Signs claims given as JSON text with the ring's signing key; the header is {"alg","typ":"JWT"}
 * and, if the key says so, "kid". Returns the token, NUL-terminated, in the current context, and its
 * length in *token_len (may be NULL). Raises AM_CLAIMS_INVALID unless the text is a strict JSON
 * object whose registered claims have the right types and which has exp; AM_KEY_UNKNOWN when
 * nothing can sign; AM_LIMIT_EXCEEDED above AM_JWT_TOKEN_BYTES_MAX.
 */
extern char *am_jwt_sign(amc_span ring, const char *claims, Size len, Size *token_len);

/* The same for any payload, with header {"alg"} and "kid" if the key says so (RFC 7515). */
extern char *am_jws_sign(amc_span ring, const void *payload, Size len, Size *token_len);

/*
 * Verifies the signature alone; *payload (palloc'd) counts on OK only. Outcomes up to
 * SIGNATURE_INVALID.
 */
extern AmJwtOutcome am_jws_verify(const char *token, Size len, const AmJwtRules *rules,
								  amc_span *payload, const AmKey **key);

/* Why claims given as JSON text cannot be signed: NULL, or a sentence. Fills doc and claims. */
extern const char *am_jwt_claims_refusal(const char *text, Size len, amc_json *doc,
										 amc_claims *claims);

#endif
