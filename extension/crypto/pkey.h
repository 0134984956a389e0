/*
 * pkey.h
 *
 * Asymmetric signing keys: RS256 (RFC 7518 section 3.3), ES256 (section 3.4) and EdDSA with Ed25519
 * (RFC 8037). A key is checked once, when it comes in; signing and verifying then run on kept
 * contexts.
 */
#ifndef AM_CRYPTO_PKEY_H
#define AM_CRYPTO_PKEY_H

#include "compat.h"

#include <openssl/evp.h>

#include "core/jws.h"
#include "crypto/secret.h"

#define AM_RSA_BITS_MIN        2048
#define AM_RSA_BITS_MAX        8192 /* bounds the time one verification may take */
#define AM_SIGNATURE_BYTES_MAX (AM_RSA_BITS_MAX / 8)
#define AM_PKEY_TEXT_BYTES_MAX 16384 /* PEM or JWK text of one key */
#define AM_P256_BYTES          32    /* of a coordinate, of r and of s */
#define AM_ED25519_BYTES       32    /* of a public or private key */
#define AM_ED25519_SIGN_BYTES  64

typedef struct AmPkey
{
	amc_alg alg; /* RS256, ES256 or EdDSA */
	bool has_private;
	EVP_PKEY *pkey;
	AmGuard *pkey_guard;
	AmGuard *sign; /* kept contexts, made at their first use */
	AmGuard *verify;
	MemoryContext cxt;
} AmPkey;

/* Makes a new key pair (RSA: 2048 bits) that lives until cxt is reset. */
extern AmPkey *am_pkey_generate(MemoryContext cxt, amc_alg alg);

/*
 * Reads a private or public key from PEM (PKCS#8, PKCS#1, SEC1, SubjectPublicKeyInfo; not
 * encrypted) or from a JWK (RFC 7517) and checks that it is sound and fits alg. NULL when refused,
 * with *refusal a sentence that says why and holds nothing of the key.
 */
extern AmPkey *am_pkey_import(MemoryContext cxt, amc_alg alg, const char *text, Size len,
							  const char **refusal);

/* The private key as PKCS#8 DER in wiped memory of cxt, and back (trusted: not checked again). */
extern uint8 *am_pkey_to_der(MemoryContext cxt, const AmPkey *key, Size *len);
extern AmPkey *am_pkey_from_der(MemoryContext cxt, amc_alg alg, const uint8 *der, Size len);

/*
 * Signs data and writes the JOSE form of the signature (ES256: r || s of 32 bytes each, RFC 7518
 * section 3.4); returns its length. Raises AM_CRYPTO_FAILED.
 */
extern Size am_pkey_sign(AmPkey *key, const void *data, Size len,
						 uint8 signature[AM_SIGNATURE_BYTES_MAX]);

/* True when signature is a good one of data in the JOSE form. Never raises for bad input. */
extern bool am_pkey_verify(AmPkey *key, const void *data, Size len, const uint8 *signature,
						   Size signature_len);

/* Takes over an OpenSSL key; for the files of crypto/ only. */
extern AmPkey *am_pkey_wrap(AmGuard *guard, MemoryContext cxt, amc_alg alg, bool has_private);

/* A guard in cxt for an EVP_PKEY that is about to be made. */
extern AmGuard *am_pkey_guard(MemoryContext cxt);

#endif
