/*
 * aead.h
 *
 * AES-256-GCM (NIST SP 800-38D) with a 96-bit nonce and a 128-bit tag. The bare primitive; what is
 * stored, and under which key, is the business of seal.h.
 */
#ifndef AM_CRYPTO_AEAD_H
#define AM_CRYPTO_AEAD_H

#include "compat.h"

#define AM_AEAD_KEY_BYTES   32
#define AM_AEAD_NONCE_BYTES 12
#define AM_AEAD_TAG_BYTES   16

typedef struct AmAead
{
	const uint8 *key;   /* AM_AEAD_KEY_BYTES */
	const uint8 *nonce; /* AM_AEAD_NONCE_BYTES, never twice under one key */
	const void *aad;    /* authenticated, not encrypted */
	Size aad_len;
} AmAead;

/* Encrypts len bytes into out (len bytes) and writes the tag; raises AM_CRYPTO_FAILED. */
extern void am_aead_encrypt(const AmAead *aead, const void *plain, Size len, uint8 *out,
							uint8 tag[AM_AEAD_TAG_BYTES]);

/*
 * Decrypts len bytes into out (len bytes). False when the tag does not fit: key, nonce, additional
 * data or ciphertext is another one; out is wiped then.
 */
extern bool am_aead_decrypt(const AmAead *aead, const uint8 *cipher, Size len,
							const uint8 tag[AM_AEAD_TAG_BYTES], uint8 *out);

#endif
