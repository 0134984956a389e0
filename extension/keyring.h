/*
 * keyring.h
 *
 * The backend's copy of the signing keys, by ring. A ring is a named set of keys with one purpose:
 * the newest activated one signs, all that have not reached retires_at verify.
 *
 * Pointers are valid until the next call that may read a table (am_ring_get itself included). Keys
 * are unsealed and parsed at their first use, so a missing master key disturbs nobody who needs it
 * not.
 */
#ifndef AM_KEYRING_H
#define AM_KEYRING_H

#include "compat.h"

#include "core/jws.h"
#include "crypto/hash.h"
#include "crypto/pkey.h"

#define AM_RING_NAME_BYTES_MAX 63
#define AM_RING_KEYS_MAX       8 /* of a ring that have not retired; bounds what a token may cost */

typedef enum AmKeyState
{
	AM_KEY_PENDING,  /* activates_at has not come */
	AM_KEY_ACTIVE,   /* verifies and has no end; the newest that can sign does */
	AM_KEY_RETIRING, /* verifies until retires_at */
	AM_KEY_RETIRED   /* does nothing any more */
} AmKeyState;

typedef struct AmKey
{
	const char *ring;
	const char *kid;
	Size kid_len;
	amc_alg alg;
	bool kid_in_header;
	bool verify_only;
	TimestampTz created_at;
	TimestampTz activates_at;
	TimestampTz retires_at; /* DT_NOEND = none set */
	bytea *sealed;          /* secret or PKCS#8 of the private key; NULL = public key only */
	char *public_jwk;       /* NULL for HS256 */
	char *jwt_header;       /* encoded header, and its length, of a JWT and of a plain JWS */
	Size jwt_header_len;
	char *jws_header;
	Size jws_header_len;
	/* Made at the first use. */
	AmHmac *hmac;
	AmPkey *public_key;
	AmPkey *private_key;
	uint8 (*good)[AM_SHA256_BYTES]; /* signatures found good lately; see am_key_verify */
	Size secret_len;                /* of an opened HS256 secret */
} AmKey;

typedef struct AmRing
{
	const char *name;
	Size name_len;
	int count;
	AmKey *keys; /* by activates_at, newest first */
} AmRing;

/* The ring, or NULL when no key was ever put into it. Makes the copy fresh. */
extern AmRing *am_ring_find(const char *name, Size len);

/* The same, but raises AM_KEY_UNKNOWN. */
extern AmRing *am_ring_get(const char *name, Size len);

/* All rings in the order of their names. */
extern AmRing *am_ring_all(int *count);

/* The key that signs at this time, or NULL. */
extern AmKey *am_ring_signer(AmRing *ring, TimestampTz now);

/* The key of this id, or NULL. */
extern AmKey *am_ring_key(AmRing *ring, const char *kid, Size kid_len);

extern AmKeyState am_key_state(const AmKey *key, TimestampTz now);
extern const char *am_key_state_name(AmKeyState state);

/* False once retires_at has come. */
static inline bool
am_key_verifies(const AmKey *key, TimestampTz now)
{
	return now < key->retires_at;
}

/*
 * True when signature is a good one over data. Raises only for a key that cannot be opened.
 *
 * For asymmetric keys the last good signatures are remembered by the digest of data and signature,
 * in the copy of the key and no longer than it. Only that the signature is good is remembered:
 * whether the key is in force, and every claim, is looked at each time.
 */
extern bool am_key_verify(AmKey *key, const void *data, Size len, const uint8 *signature,
						  Size signature_len);

/* Signs and returns the signature's length. Raises for a key that cannot be opened. */
extern Size am_key_sign(AmKey *key, const void *data, Size len,
						uint8 signature[AM_SIGNATURE_BYTES_MAX]);

/* The opened secret (HS256) or PKCS#8 in wiped memory of the current context. */
extern uint8 *am_key_unseal(const AmKey *key, Size *len);

/* The public half of an asymmetric key. */
extern AmPkey *am_key_public(AmKey *key);

/* Seals a secret for the row of this ring, kid and algorithm. */
extern bytea *am_key_seal(const char *ring, const char *kid, amc_alg alg, const void *secret,
						  Size len);

#endif
