/*
 * key_material.c
 *
 * Reading, checking and generating keys. A kid of a shared secret is random: anything computed from
 * the secret would let a guess be tested offline (RFC 7638 section 7).
 */
#include "compat.h"

#include "core/base64url.h"
#include "crypto/jwk.h"
#include "crypto/openssl.h"
#include "crypto/secret.h"
#include "key_material.h"
#include "key_secret.h"
#include "setting.h"

#define KID_RANDOM_BYTES 16

static _Noreturn void
refuse(const char *reason)
{
	ereport(ERROR, errcode(ERRCODE_AM_KEY_REFUSED), errmsg("the key was refused"),
			errdetail("%s", reason),
			errhint("Let authmeter.key_generate make one, or \"openssl rand -base64 48\" for a "
					"secret that other services share."));
}

static char *
kid_random(void)
{
	uint8 random[KID_RANDOM_BYTES];
	char *kid = palloc(AMC_BASE64URL_ENCODED_LEN(sizeof(random)) + 1);
	size_t len = 0;

	am_random_bytes(random, sizeof(random));
	(void) amc_base64url_encode(random, sizeof(random), kid,
								AMC_BASE64URL_ENCODED_LEN(sizeof(random)), &len);
	kid[len] = '\0';
	return kid;
}

static void
secret_take(AmKeyMaterial *material, const void *bytes, Size len)
{
	uint8 *copy = am_secret_alloc(CurrentMemoryContext, len + 1);

	memcpy(copy, bytes, len);
	material->secret = copy;
	material->secret_len = len;
}

static void
pkey_take(AmKeyMaterial *material, AmPkey *pkey)
{
	material->pkey = pkey;
	if (pkey->has_private)
		material->secret = am_pkey_to_der(CurrentMemoryContext, pkey, &material->secret_len);
	if (material->kid == NULL)
		material->kid = am_jwk_thumbprint(CurrentMemoryContext, pkey);
}

void
am_key_material_generate(amc_alg alg, AmKeyMaterial *material)
{
	uint8 random[AM_HS256_BYTES_MIN];

	memset(material, 0, sizeof(*material));
	material->alg = alg;
	if (alg != AMC_ALG_HS256)
	{
		pkey_take(material, am_pkey_generate(CurrentMemoryContext, alg));
		return;
	}
	am_random_bytes(random, sizeof(random));
	secret_take(material, random, sizeof(random));
	am_secret_wipe(random, sizeof(random));
	material->kid = kid_random();
}

/* A text that is a JWK is read as one, never taken as the secret itself. */
static void
secret_read(AmKeyMaterial *material, const char *text, Size len)
{
	const char *refusal;
	uint8 *secret;
	Size secret_len;
	AmJwk jwk;

	if (!am_jwk_is(text, len))
	{
		secret_take(material, text, len);
		return;
	}
	refusal = am_jwk_parse(text, len, AMC_ALG_HS256, &jwk);
	secret =
		refusal == NULL ? am_jwk_secret(CurrentMemoryContext, &jwk, &secret_len, &refusal) : NULL;
	if (secret == NULL)
		refuse(refusal);
	material->secret = secret;
	material->secret_len = secret_len;
	material->kid = am_jwk_kid(CurrentMemoryContext, &jwk);
}

static void
secret_check(const AmKeyMaterial *material)
{
	const char *refusal = am_key_secret_refusal(material->secret, material->secret_len);

	if (refusal != NULL)
		refuse(refusal);
	if (material->secret_len > AM_HS256_BYTES_MAX)
		refuse("The secret is longer than 4096 bytes.");
	if (material->secret_len >= AM_HS256_BYTES_MIN)
		return;
	if (!am_setting_development())
		refuse("The secret is shorter than 32 bytes.");
	ereport(WARNING, errcode(ERRCODE_AM_KEY_REFUSED),
			errmsg("the HS256 secret is shorter than %d bytes", AM_HS256_BYTES_MIN),
			errhint("It works in development only."));
}

static void
pkey_read(AmKeyMaterial *material, const char *text, Size len)
{
	const char *refusal = NULL;
	AmPkey *pkey = am_pkey_import(CurrentMemoryContext, material->alg, text, len, &refusal);
	AmJwk jwk;

	if (pkey == NULL)
		refuse(refusal);
	if (am_jwk_is(text, len) && am_jwk_parse(text, len, material->alg, &jwk) == NULL)
		material->kid = am_jwk_kid(CurrentMemoryContext, &jwk);
	pkey_take(material, pkey);
}

void
am_key_material_read(amc_alg alg, const char *text, Size len, AmKeyMaterial *material)
{
	memset(material, 0, sizeof(*material));
	material->alg = alg;
	if (alg != AMC_ALG_HS256)
	{
		pkey_read(material, text, len);
		return;
	}
	secret_read(material, text, len);
	secret_check(material);
	if (material->kid == NULL)
		material->kid = kid_random();
}

static bool
secret_is(const AmKeyMaterial *material, const AmKey *key)
{
	Size len;
	uint8 *secret = am_key_unseal(key, &len);
	bool same = len == material->secret_len && am_secret_equal(secret, material->secret, len);

	am_secret_wipe(secret, len);
	return same;
}

bool
am_key_material_is(const AmKeyMaterial *material, AmKey *key)
{
	if (key->alg != material->alg)
		return false;
	if (material->alg == AMC_ALG_HS256)
		return secret_is(material, key);
	return EVP_PKEY_eq(am_key_public(key)->pkey, material->pkey->pkey) == 1;
}

AmKey *
am_key_material_find(const AmKeyMaterial *material, AmRing *ring, TimestampTz now)
{
	int i;

	for (i = 0; ring != NULL && i < ring->count; i++)
		if (am_key_verifies(&ring->keys[i], now) && am_key_material_is(material, &ring->keys[i]))
			return &ring->keys[i];
	return NULL;
}
