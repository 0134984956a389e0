/*
 * hash.h
 *
 * SHA-256 (FIPS 180-4), HMAC-SHA256 (RFC 2104) with a kept key, and HKDF-SHA256 (RFC 5869).
 * HMAC-SHA-1 is for the one-time passwords of authenticator apps alone (RFC 4226).
 */
#ifndef AM_CRYPTO_HASH_H
#define AM_CRYPTO_HASH_H

#include "compat.h"

#define AM_SHA256_BYTES 32
#define AM_SHA1_BYTES   20

/* The digest of len bytes; raises AM_CRYPTO_FAILED if OpenSSL refuses. */
extern void am_sha256(const void *data, Size len, uint8 digest[AM_SHA256_BYTES]);

/* The digest of two pieces, told apart by the length of the first. */
extern void am_sha256_pair(const void *a, Size a_len, const void *b, Size b_len,
						   uint8 digest[AM_SHA256_BYTES]);

/* A keyed HMAC state; the key's two padded blocks are hashed once, at am_hmac_new. */
typedef struct AmHmac AmHmac;

/*
 * Keys an HMAC with len bytes (at least 1); lives until cxt is reset. The key is not kept in clear
 * by us, and the caller may wipe it at once.
 */
extern AmHmac *am_hmac_new(MemoryContext cxt, const void *key, Size len);

/* The HMAC of one piece of data. */
extern void am_hmac(AmHmac *hmac, const void *data, Size len, uint8 mac[AM_SHA256_BYTES]);

/* The same in pieces: begin, add as often as wanted, end. One message at a time. */
extern void am_hmac_begin(AmHmac *hmac);
extern void am_hmac_add(AmHmac *hmac, const void *data, Size len);
extern void am_hmac_end(AmHmac *hmac, uint8 mac[AM_SHA256_BYTES]);

/* HMAC-SHA-1 of data under a key of key_len bytes (at least 1). */
extern void am_hmac_sha1(const void *key, Size key_len, const void *data, Size len,
						 uint8 mac[AM_SHA1_BYTES]);

/* Derives out_len bytes (up to 255 * 32) from key; salt and info are C strings. */
extern void am_hkdf(const void *key, Size key_len, const char *salt, const char *info, uint8 *out,
					Size out_len);

#endif
