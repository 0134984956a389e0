/*
 * openssl.c
 *
 * Fetched algorithms and error reporting. The statics are written once, by the first use in a
 * backend, and never freed; nothing is fetched in the postmaster, so no state is shared by fork.
 */
#include "compat.h"

#include <openssl/err.h>

#include "crypto/openssl.h"

void
am_openssl_fail(const char *action)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	ereport(ERROR, errcode(ERRCODE_AM_CRYPTO_FAILED), errmsg("could not %s", action),
			reason != NULL ? errdetail("OpenSSL reports: %s.", reason) : 0);
}

void
am_openssl_errors_clear(void)
{
	ERR_clear_error();
}

EVP_MD *
am_openssl_sha256(void)
{
	static EVP_MD *md = NULL;

	if (md == NULL && (md = EVP_MD_fetch(NULL, "SHA256", NULL)) == NULL)
		am_openssl_fail("fetch SHA-256");
	return md;
}

EVP_MAC *
am_openssl_hmac(void)
{
	static EVP_MAC *mac = NULL;

	if (mac == NULL && (mac = EVP_MAC_fetch(NULL, "HMAC", NULL)) == NULL)
		am_openssl_fail("fetch HMAC");
	return mac;
}

EVP_KDF *
am_openssl_hkdf(void)
{
	static EVP_KDF *kdf = NULL;

	if (kdf == NULL && (kdf = EVP_KDF_fetch(NULL, "HKDF", NULL)) == NULL)
		am_openssl_fail("fetch HKDF");
	return kdf;
}

EVP_CIPHER *
am_openssl_aes256gcm(void)
{
	static EVP_CIPHER *cipher = NULL;

	if (cipher == NULL && (cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL)) == NULL)
		am_openssl_fail("fetch AES-256-GCM");
	return cipher;
}

void
am_random_bytes(void *out, Size len)
{
	if (!pg_strong_random(out, len))
		ereport(ERROR, errcode(ERRCODE_AM_CRYPTO_FAILED),
				errmsg("could not generate random bytes"));
}
