/*
 * pkey_check.h
 *
 * Whether an asymmetric key is fit for use, asked once when it comes in.
 */
#ifndef AM_CRYPTO_PKEY_CHECK_H
#define AM_CRYPTO_PKEY_CHECK_H

#include "compat.h"

#include <openssl/evp.h>

#include "core/jws.h"

/*
 * NULL when the key fits alg and is sound, else a sentence that says what is wrong and holds
 * nothing of the key:
 *		RS256	RSA (not RSA-PSS), 2048 to 8192 bits, odd exponent of 17 to 64 bits, modulus
 *				composite without small factors (NIST SP 800-56B); a private key fits together
 *		ES256	P-256 by name, point on the curve; a private key that belongs to the point
 *		EdDSA	Ed25519, canonical point (RFC 8032 section 5.1.3) that is not of small order
 */
extern const char *am_pkey_refusal(amc_alg alg, EVP_PKEY *pkey, bool has_private);

#endif
