/*
 * pkey.c
 *
 * Key pairs: life cycle, and the way of private keys to and from PKCS#8. Signatures stand in
 * signature.c, reading foreign keys in pkey_import.c.
 */
#include "compat.h"

#include <openssl/x509.h>

#include "crypto/openssl.h"
#include "crypto/pkey.h"

#define RSA_BITS_GENERATED ((size_t) 2048)

static void
pkey_release(void *object)
{
	EVP_PKEY_free((EVP_PKEY *) object);
}

AmGuard *
am_pkey_guard(MemoryContext cxt)
{
	return am_guard_new(cxt, pkey_release);
}

AmPkey *
am_pkey_wrap(AmGuard *guard, MemoryContext cxt, amc_alg alg, bool has_private)
{
	AmPkey *key = MemoryContextAllocZero(cxt, sizeof(AmPkey));

	key->alg = alg;
	key->has_private = has_private;
	key->pkey = (EVP_PKEY *) guard->object;
	key->pkey_guard = guard;
	key->cxt = cxt;
	return key;
}

static EVP_PKEY *
keygen(amc_alg alg)
{
	switch (alg)
	{
		case AMC_ALG_RS256:
			return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", RSA_BITS_GENERATED);
		case AMC_ALG_ES256:
			return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
		case AMC_ALG_EDDSA:
			return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		default:
			return NULL;
	}
}

AmPkey *
am_pkey_generate(MemoryContext cxt, amc_alg alg)
{
	AmGuard *guard = am_pkey_guard(cxt);

	guard->object = keygen(alg);
	if (guard->object == NULL)
		am_openssl_fail("generate a key pair");
	return am_pkey_wrap(guard, cxt, alg, true);
}

static void
pkcs8_release(void *object)
{
	PKCS8_PRIV_KEY_INFO_free((PKCS8_PRIV_KEY_INFO *) object);
}

uint8 *
am_pkey_to_der(MemoryContext cxt, const AmPkey *key, Size *len)
{
	AmGuard *guard = am_guard_new(CurrentMemoryContext, pkcs8_release);
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key->pkey);
	int size;
	uint8 *der;
	uint8 *end;

	guard->object = info;
	size = info != NULL ? i2d_PKCS8_PRIV_KEY_INFO(info, NULL) : 0;
	if (size <= 0)
		am_openssl_fail("encode a private key");
	end = der = am_secret_alloc(cxt, size);
	if (i2d_PKCS8_PRIV_KEY_INFO(info, &end) != size)
		am_openssl_fail("encode a private key");
	am_guard_release(guard);
	*len = size;
	return der;
}

AmPkey *
am_pkey_from_der(MemoryContext cxt, amc_alg alg, const uint8 *der, Size len)
{
	AmGuard *guard = am_pkey_guard(cxt);
	const uint8 *end = der;

	guard->object = d2i_AutoPrivateKey(NULL, &end, (long) len);
	if (guard->object == NULL || end != der + len)
		am_openssl_fail("decode a private key");
	return am_pkey_wrap(guard, cxt, alg, true);
}
