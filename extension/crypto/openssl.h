/*
 * openssl.h
 *
 * What all OpenSSL bridges share: algorithms fetched once a backend (an implicit fetch in each call
 * costs more than the hash itself), and one way to turn a failure into an ERROR.
 *
 * Rule for every file in crypto/: between making an OpenSSL object and freeing it nothing may
 * raise, or the object is held by an AmGuard. Errors are collected as a bool and raised at the end.
 */
#ifndef AM_CRYPTO_OPENSSL_H
#define AM_CRYPTO_OPENSSL_H

#include "compat.h"

#include <openssl/evp.h>
#include <openssl/kdf.h>

#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "authmeter needs OpenSSL 3.0 or later"
#endif

/*
 * Raises AM_CRYPTO_FAILED: "could not <action>", with OpenSSL's reason (a constant phrase, never
 * data) as detail, and empties the error queue.
 */
extern _Noreturn void am_openssl_fail(const char *action);

/* Empties OpenSSL's error queue after an expected refusal, so that TLS code finds it clean. */
extern void am_openssl_errors_clear(void);

/* Fetched algorithms, never NULL, kept for the life of the backend. */
extern EVP_MD *am_openssl_sha256(void);
extern EVP_MAC *am_openssl_hmac(void);
extern EVP_KDF *am_openssl_hkdf(void);
extern EVP_CIPHER *am_openssl_aes256gcm(void);

/* Fills out with len bytes of the operating system's CSPRNG through OpenSSL; raises on failure. */
extern void am_random_bytes(void *out, Size len);

#endif
