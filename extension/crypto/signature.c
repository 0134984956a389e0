/*
 * signature.c
 *
 * Signatures of RS256, ES256 and EdDSA in their JOSE form.
 *
 * RSA and ECDSA work on the SHA-256 digest with a kept EVP_PKEY_CTX, so that no algorithm is looked
 * up in a call. Ed25519 hashes the message by itself and wants a new EVP_MD_CTX each time.
 */
#include "compat.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#include "crypto/hash.h"
#include "crypto/openssl.h"
#include "crypto/pkey.h"

/* SEQUENCE of two INTEGERs of up to 33 bytes. */
#define P256_DER_BYTES_MAX 72

/* Order of P-256 (FIPS 186-4, D.1.2.3), big-endian. */
static const uint8 p256_order[AM_P256_BYTES] = {
	0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};

static void
pkey_ctx_release(void *object)
{
	EVP_PKEY_CTX_free((EVP_PKEY_CTX *) object);
}

static bool
pkey_ctx_configure(const AmPkey *key, EVP_PKEY_CTX *ctx)
{
	if (key->alg == AMC_ALG_RS256 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) != 1)
		return false;
	return EVP_PKEY_CTX_set_signature_md(ctx, am_openssl_sha256()) == 1;
}

/* Returns the context kept in *slot, making it at the first use. */
static EVP_PKEY_CTX *
pkey_ctx_get(AmPkey *key, AmGuard **slot, int (*init)(EVP_PKEY_CTX *ctx))
{
	AmGuard *guard = *slot;

	if (guard != NULL)
		return (EVP_PKEY_CTX *) guard->object;
	guard = am_guard_new(key->cxt, pkey_ctx_release);
	guard->object = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	if (guard->object == NULL || init(guard->object) != 1 ||
		!pkey_ctx_configure(key, guard->object))
		am_openssl_fail("prepare a signing key");
	*slot = guard;
	return (EVP_PKEY_CTX *) guard->object;
}

static bool
p256_in_range(const uint8 number[AM_P256_BYTES])
{
	static const uint8 zero[AM_P256_BYTES] = {0};

	return memcmp(number, zero, AM_P256_BYTES) != 0 &&
		   memcmp(number, p256_order, AM_P256_BYTES) < 0;
}

/* Writes an INTEGER (X.690 section 8.3): no leading zeros, but one before a set top bit. */
static uint8 *
der_integer(uint8 *out, const uint8 number[AM_P256_BYTES])
{
	int skip = 0;
	int pad;

	while (skip < AM_P256_BYTES - 1 && number[skip] == 0)
		skip++;
	pad = number[skip] >> 7;
	*out++ = 0x02;
	*out++ = (uint8) (AM_P256_BYTES - skip + pad);
	if (pad)
		*out++ = 0;
	memcpy(out, number + skip, AM_P256_BYTES - skip);
	return out + AM_P256_BYTES - skip;
}

/* r || s to DER; 0 when r or s is not within 1 .. order - 1. */
static Size
p256_to_der(const uint8 *raw, uint8 der[P256_DER_BYTES_MAX])
{
	uint8 *end;

	if (!p256_in_range(raw) || !p256_in_range(raw + AM_P256_BYTES))
		return 0;
	end = der_integer(der + 2, raw);
	end = der_integer(end, raw + AM_P256_BYTES);
	der[0] = 0x30;
	der[1] = (uint8) (end - der - 2);
	return end - der;
}

/* DER as OpenSSL wrote it to r || s. */
static bool
p256_from_der(const uint8 *der, Size len, uint8 *raw)
{
	ECDSA_SIG *parsed = d2i_ECDSA_SIG(NULL, &der, (long) len);
	bool ok =
		parsed != NULL &&
		BN_bn2binpad(ECDSA_SIG_get0_r(parsed), raw, AM_P256_BYTES) == AM_P256_BYTES &&
		BN_bn2binpad(ECDSA_SIG_get0_s(parsed), raw + AM_P256_BYTES, AM_P256_BYTES) == AM_P256_BYTES;

	ECDSA_SIG_free(parsed);
	return ok;
}

static bool
ed25519_sign(AmPkey *key, const void *data, Size len, uint8 *signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t signature_len = AM_ED25519_SIGN_BYTES;
	bool ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
			  EVP_DigestSign(ctx, signature, &signature_len, data, len) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

static bool
ed25519_verify(AmPkey *key, const void *data, Size len, const uint8 *signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
			  EVP_DigestVerify(ctx, signature, AM_ED25519_SIGN_BYTES, data, len) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

Size
am_pkey_sign(AmPkey *key, const void *data, Size len, uint8 signature[AM_SIGNATURE_BYTES_MAX])
{
	uint8 digest[AM_SHA256_BYTES];
	uint8 raw[AM_SIGNATURE_BYTES_MAX];
	size_t raw_len = sizeof(raw);

	if (key->alg == AMC_ALG_EDDSA)
	{
		if (!ed25519_sign(key, data, len, signature))
			am_openssl_fail("sign with an Ed25519 key");
		return AM_ED25519_SIGN_BYTES;
	}
	am_sha256(data, len, digest);
	if (EVP_PKEY_sign(pkey_ctx_get(key, &key->sign, EVP_PKEY_sign_init), raw, &raw_len, digest,
					  sizeof(digest)) != 1)
		am_openssl_fail("sign");
	if (key->alg == AMC_ALG_RS256)
	{
		memcpy(signature, raw, raw_len);
		return raw_len;
	}
	if (!p256_from_der(raw, raw_len, signature))
		am_openssl_fail("encode a signature");
	return 2 * AM_P256_BYTES;
}

static bool
digest_verify(AmPkey *key, const void *data, Size len, const uint8 *signature, Size signature_len)
{
	EVP_PKEY_CTX *ctx = pkey_ctx_get(key, &key->verify, EVP_PKEY_verify_init);
	uint8 digest[AM_SHA256_BYTES];

	am_sha256(data, len, digest);
	return EVP_PKEY_verify(ctx, signature, signature_len, digest, sizeof(digest)) == 1;
}

/* The length is part of the form: DER, a short RSA number or a trailing byte is no signature. */
bool
am_pkey_verify(AmPkey *key, const void *data, Size len, const uint8 *signature, Size signature_len)
{
	uint8 der[P256_DER_BYTES_MAX];
	Size der_len;
	bool good = false;

	switch (key->alg)
	{
		case AMC_ALG_RS256:
			good = signature_len == (Size) EVP_PKEY_get_size(key->pkey) &&
				   digest_verify(key, data, len, signature, signature_len);
			break;
		case AMC_ALG_ES256:
			der_len = signature_len == 2 * AM_P256_BYTES ? p256_to_der(signature, der) : 0;
			good = der_len != 0 && digest_verify(key, data, len, der, der_len);
			break;
		case AMC_ALG_EDDSA:
			good =
				signature_len == AM_ED25519_SIGN_BYTES && ed25519_verify(key, data, len, signature);
			break;
		default:
			break;
	}
	if (!good)
		am_openssl_errors_clear();
	return good;
}
