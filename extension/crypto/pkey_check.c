/*
 * pkey_check.c
 *
 * The checks of incoming keys. OpenSSL accepts more than is safe: RSA of 512 bits, e = 1, and
 * Ed25519 points under which anybody can sign (small order). Nothing here raises, so no OpenSSL
 * object can be lost.
 */
#include "compat.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>

#include "crypto/openssl.h"
#include "crypto/pkey.h"
#include "crypto/pkey_check.h"

#define RSA_EXPONENT_BITS_MIN 17 /* odd and of 17 bits: 65537 and above */
#define RSA_EXPONENT_BITS_MAX 64
#define GROUP_NAME_BYTES_MAX  32

/* The y coordinates (sign bit cleared, little-endian) of the eight points of small order. */
static const uint8 small_order[][AM_ED25519_BYTES] = {
	{0},
	{1},
	{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
	 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
	 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
	{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
	 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
	 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
};

static bool
rsa_exponent_fits(EVP_PKEY *pkey)
{
	BIGNUM *exponent = NULL;
	bool fits = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 &&
				BN_is_odd(exponent) && BN_num_bits(exponent) >= RSA_EXPONENT_BITS_MIN &&
				BN_num_bits(exponent) <= RSA_EXPONENT_BITS_MAX;

	BN_free(exponent);
	return fits;
}

static const char *
rsa_refusal(EVP_PKEY *pkey)
{
	if (!EVP_PKEY_is_a(pkey, "RSA"))
		return "RS256 needs an RSA key.";
	if (EVP_PKEY_get_bits(pkey) < AM_RSA_BITS_MIN)
		return "The RSA modulus has fewer than 2048 bits.";
	if (EVP_PKEY_get_bits(pkey) > AM_RSA_BITS_MAX)
		return "The RSA modulus has more than 8192 bits.";
	if (!rsa_exponent_fits(pkey))
		return "The RSA exponent is even, below 65537 or longer than 64 bits.";
	return NULL;
}

static const char *
p256_refusal(EVP_PKEY *pkey)
{
	char group[GROUP_NAME_BYTES_MAX];

	if (!EVP_PKEY_is_a(pkey, "EC"))
		return "ES256 needs an elliptic curve key.";
	if (EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) != 1 ||
		strcmp(group, "prime256v1") != 0)
		return "ES256 needs a key on the named curve P-256.";
	return NULL;
}

/* RFC 8032 section 5.1.3 step 1: y below p = 2^255 - 19. */
static bool
ed25519_canonical(const uint8 y[AM_ED25519_BYTES])
{
	int i;

	if (y[31] != 0x7f || y[0] < 0xed)
		return true;
	for (i = 1; i < AM_ED25519_BYTES - 1; i++)
		if (y[i] != 0xff)
			return true;
	return false;
}

static const char *
ed25519_refusal(EVP_PKEY *pkey)
{
	uint8 y[AM_ED25519_BYTES];
	size_t len = sizeof(y);
	int i;

	if (!EVP_PKEY_is_a(pkey, "ED25519"))
		return "EdDSA needs an Ed25519 key.";
	if (EVP_PKEY_get_raw_public_key(pkey, y, &len) != 1 || len != sizeof(y))
		return "The key has no public part.";
	y[31] &= 0x7f;
	if (!ed25519_canonical(y))
		return "The Ed25519 point is not in canonical form.";
	for (i = 0; i < (int) lengthof(small_order); i++)
		if (memcmp(y, small_order[i], sizeof(y)) == 0)
			return "The Ed25519 point is of small order.";
	return NULL;
}

/* OpenSSL's own check: on the curve, composite modulus, private part belongs to the public one. */
static bool
parts_fit(EVP_PKEY *pkey, bool has_private)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	bool fit = ctx != NULL && (has_private ? EVP_PKEY_check(ctx) : EVP_PKEY_public_check(ctx)) == 1;

	EVP_PKEY_CTX_free(ctx);
	return fit;
}

static const char *
kind_refusal(amc_alg alg, EVP_PKEY *pkey)
{
	switch (alg)
	{
		case AMC_ALG_RS256:
			return rsa_refusal(pkey);
		case AMC_ALG_ES256:
			return p256_refusal(pkey);
		case AMC_ALG_EDDSA:
			return ed25519_refusal(pkey);
		default:
			return "The algorithm takes no key pair.";
	}
}

const char *
am_pkey_refusal(amc_alg alg, EVP_PKEY *pkey, bool has_private)
{
	const char *refusal = kind_refusal(alg, pkey);

	if (refusal == NULL && !parts_fit(pkey, has_private))
		refusal = "The parts of the key are malformed or do not belong together.";
	am_openssl_errors_clear();
	return refusal;
}
