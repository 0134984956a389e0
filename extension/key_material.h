/*
 * key_material.h
 *
 * The content of a signing key before it is a row: read from what a caller hands in, or generated.
 */
#ifndef AM_KEY_MATERIAL_H
#define AM_KEY_MATERIAL_H

#include "compat.h"

#include "core/jws.h"
#include "crypto/pkey.h"
#include "keyring.h"

/* Everything lives in the context that was current when it was made; secrets are wiped with it. */
typedef struct AmKeyMaterial
{
	amc_alg alg;
	const uint8 *secret; /* what is to be sealed; NULL = public key only */
	Size secret_len;
	AmPkey *pkey;    /* NULL for HS256 */
	const char *kid; /* that of the JWK, else the thumbprint, HS256: random */
} AmKeyMaterial;

/* HS256: 32 random bytes; else a new key pair. */
extern void am_key_material_generate(amc_alg alg, AmKeyMaterial *material);

/*
 * Reads a secret (HS256) or a key in PEM or JWK (else). Raises AM_KEY_REFUSED with the reason as
 * detail; in development a secret that is merely short passes with a WARNING.
 */
extern void am_key_material_read(amc_alg alg, const char *text, Size len, AmKeyMaterial *material);

/* Is this the key of the row? Opens the row's secret for HS256. */
extern bool am_key_material_is(const AmKeyMaterial *material, AmKey *key);

/* The key of the ring, not retired, that is this material; NULL when none is. */
extern AmKey *am_key_material_find(const AmKeyMaterial *material, AmRing *ring, TimestampTz now);

#endif
