/*
 * key_secret.h
 *
 * Whether a shared secret (HS256) is fit for use.
 */
#ifndef AM_KEY_SECRET_H
#define AM_KEY_SECRET_H

#include "compat.h"

#define AM_HS256_BYTES_MIN 32 /* RFC 7518 section 3.2: as long as the hash */
#define AM_HS256_BYTES_MAX 4096

/*
 * NULL when the secret may be used, else a sentence that says why not and holds nothing of it:
 * published examples, placeholders ("change-me"), repeated or counted characters, and public or
 * private keys in PEM, DER or JWK form (an attacker knows the public key, RFC 8725 section 2.1).
 * Length is the caller's business.
 */
extern const char *am_key_secret_refusal(const uint8 *secret, Size len);

#endif
