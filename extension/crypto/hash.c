/*
 * hash.c
 *
 * Bridges to OpenSSL's SHA-256, HMAC and HKDF. For HMAC one EVP_MAC_CTX is kept a key and started
 * again with EVP_MAC_init(ctx, NULL): a quarter of the time of OpenSSL's one-shot HMAC(), and half
 * of what EVP_MAC_CTX_dup() needs. A message left unfinished by an ERROR is harmless, because each
 * message starts anew.
 */
#include "compat.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "crypto/hash.h"
#include "crypto/openssl.h"
#include "crypto/secret.h"

struct AmHmac
{
	EVP_MAC_CTX *ctx;
};

static void
mac_release(void *object)
{
	EVP_MAC_CTX_free((EVP_MAC_CTX *) object);
}

void
am_sha256(const void *data, Size len, uint8 digest[AM_SHA256_BYTES])
{
	if (EVP_Digest(data, len, digest, NULL, am_openssl_sha256(), NULL) != 1)
		am_openssl_fail("compute a SHA-256 digest");
}

void
am_sha256_pair(const void *a, Size a_len, const void *b, Size b_len, uint8 digest[AM_SHA256_BYTES])
{
	static EVP_MD_CTX *ctx = NULL; /* kept; each use begins anew */
	EVP_MD *md = am_openssl_sha256();
	uint64 len = a_len;

	if (ctx == NULL && (ctx = EVP_MD_CTX_new()) == NULL)
		am_openssl_fail("compute a SHA-256 digest");
	if (EVP_DigestInit_ex2(ctx, md, NULL) != 1 || EVP_DigestUpdate(ctx, &len, sizeof(len)) != 1 ||
		EVP_DigestUpdate(ctx, a, a_len) != 1 || EVP_DigestUpdate(ctx, b, b_len) != 1 ||
		EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
		am_openssl_fail("compute a SHA-256 digest");
}

AmHmac *
am_hmac_new(MemoryContext cxt, const void *key, Size len)
{
	EVP_MAC *mac = am_openssl_hmac();
	AmHmac *hmac = MemoryContextAlloc(cxt, sizeof(AmHmac));
	AmGuard *guard = am_guard_new(cxt, mac_release);
	OSSL_PARAM params[2];

	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *) "SHA256", 0);
	params[1] = OSSL_PARAM_construct_end();
	guard->object = hmac->ctx = EVP_MAC_CTX_new(mac);
	if (hmac->ctx == NULL || EVP_MAC_init(hmac->ctx, key, len, params) != 1)
		am_openssl_fail("key an HMAC");
	return hmac;
}

void
am_hmac_begin(AmHmac *hmac)
{
	if (EVP_MAC_init(hmac->ctx, NULL, 0, NULL) != 1)
		am_openssl_fail("start an HMAC");
}

void
am_hmac_add(AmHmac *hmac, const void *data, Size len)
{
	if (EVP_MAC_update(hmac->ctx, data, len) != 1)
		am_openssl_fail("continue an HMAC");
}

void
am_hmac_end(AmHmac *hmac, uint8 mac[AM_SHA256_BYTES])
{
	size_t mac_len = 0;

	if (EVP_MAC_final(hmac->ctx, mac, &mac_len, AM_SHA256_BYTES) != 1 || mac_len != AM_SHA256_BYTES)
		am_openssl_fail("finish an HMAC");
}

void
am_hmac(AmHmac *hmac, const void *data, Size len, uint8 mac[AM_SHA256_BYTES])
{
	am_hmac_begin(hmac);
	am_hmac_add(hmac, data, len);
	am_hmac_end(hmac, mac);
}

void
am_hmac_sha1(const void *key, Size key_len, const void *data, Size len, uint8 mac[AM_SHA1_BYTES])
{
	size_t mac_len = 0;

	if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA1", NULL, key, key_len, data, len, mac, AM_SHA1_BYTES,
				  &mac_len) == NULL ||
		mac_len != AM_SHA1_BYTES)
		am_openssl_fail("compute an HMAC-SHA-1");
}

void
am_hkdf(const void *key, Size key_len, const char *salt, const char *info, uint8 *out, Size out_len)
{
	EVP_KDF *kdf = am_openssl_hkdf();
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[5];
	bool ok;

	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *) "SHA256", 0);
	params[1] =
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, unconstify(void *, key), key_len);
	params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, unconstify(char *, salt),
												  strlen(salt));
	params[3] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, unconstify(char *, info),
												  strlen(info));
	params[4] = OSSL_PARAM_construct_end();
	ok = ctx != NULL && EVP_KDF_derive(ctx, out, out_len, params) == 1;
	EVP_KDF_CTX_free(ctx);
	if (!ok)
		am_openssl_fail("derive a key");
}
