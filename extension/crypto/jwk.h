/*
 * jwk.h
 *
 * JSON Web Keys (RFC 7517) of the kinds authmeter signs with, and their thumbprints (RFC 7638).
 */
#ifndef AM_CRYPTO_JWK_H
#define AM_CRYPTO_JWK_H

#include "compat.h"

#include "core/json.h"
#include "core/jws.h"
#include "crypto/pkey.h"
#include "lib/stringinfo.h"

#define AM_JWK_THUMBPRINT_BYTES 43 /* base64url of SHA-256 */
#define AM_JWK_NODES_MAX        128
#define AM_JWK_DEPTH_MAX        4

/* A parsed JWK; spans point into nodes or into memory of the context it was read in. */
typedef struct AmJwk
{
	amc_json doc;
	amc_json_node nodes[AM_JWK_NODES_MAX];
} AmJwk;

/* Is the text a JSON object with a "kty"? Such a text is never taken for a raw secret. */
extern bool am_jwk_is(const char *text, Size len);

/*
 * Parses the text and checks the members common to all kinds: "kty" present, "alg" and "use", if
 * present, alg's and "sig", "key_ops" only sign and verify. NULL, or a sentence that says why not.
 */
extern const char *am_jwk_parse(const char *text, Size len, amc_alg alg, AmJwk *jwk);

/* The decoded "kid" in cxt, or NULL when absent or not a string of 1 to 256 printable characters. */
extern char *am_jwk_kid(MemoryContext cxt, const AmJwk *jwk);

/* The secret of a JWK of kty "oct" in wiped memory; NULL, with *refusal set, if it is none. */
extern uint8 *am_jwk_secret(MemoryContext cxt, const AmJwk *jwk, Size *len, const char **refusal);

/*
 * Makes the OpenSSL key of a JWK of kty RSA, EC or OKP in guard->object and tells whether it holds
 * the private part. Returns NULL, or a sentence that says why not. Strength is not checked here.
 */
extern const char *am_jwk_to_pkey(const AmJwk *jwk, amc_alg alg, AmGuard *guard, bool *has_private);

/* Appends the public JWK: required members, "kid", "alg" and "use":"sig". */
extern void am_jwk_append(StringInfo out, const AmPkey *key, const char *kid);

/* RFC 7638 thumbprint with SHA-256 as base64url, NUL-terminated, in cxt. */
extern char *am_jwk_thumbprint(MemoryContext cxt, const AmPkey *key);

#endif
