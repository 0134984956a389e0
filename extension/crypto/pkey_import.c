/*
 * pkey_import.c
 *
 * Reads a foreign key from PEM or JWK text. A pass phrase is never asked for: OpenSSL would prompt
 * on the server's terminal.
 */
#include "compat.h"

#include <openssl/bio.h>
#include <openssl/pem.h>

#include "crypto/jwk.h"
#include "crypto/openssl.h"
#include "crypto/pkey.h"
#include "crypto/pkey_check.h"

/* memmem is no part of C11 or POSIX; texts are short. */
static bool
contains(const char *text, Size len, const char *needle)
{
	Size needle_len = strlen(needle);
	Size i;

	for (i = 0; i + needle_len <= len; i++)
		if (memcmp(text + i, needle, needle_len) == 0)
			return true;
	return false;
}

static int
no_pass_phrase(char *buffer, int size, int writing, void *arg)
{
	return -1;
}

static const char *
pem_to_pkey(const char *text, Size len, AmGuard *guard, bool *has_private)
{
	BIO *bio = BIO_new_mem_buf(text, (int) len);

	*has_private = contains(text, len, "PRIVATE KEY-----");
	if (bio != NULL && *has_private)
		guard->object = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
	else if (bio != NULL)
		guard->object = PEM_read_bio_PUBKEY(bio, NULL, no_pass_phrase, NULL);
	BIO_free(bio);
	am_openssl_errors_clear();
	if (guard->object != NULL)
		return NULL;
	if (contains(text, len, "ENCRYPTED"))
		return "The PEM text is encrypted; decrypt it first.";
	return "The PEM text holds no readable private or public key.";
}

static const char *
jwk_to_pkey(const char *text, Size len, amc_alg alg, AmGuard *guard, bool *has_private)
{
	AmJwk jwk;
	const char *refusal = am_jwk_parse(text, len, alg, &jwk);

	return refusal != NULL ? refusal : am_jwk_to_pkey(&jwk, alg, guard, has_private);
}

AmPkey *
am_pkey_import(MemoryContext cxt, amc_alg alg, const char *text, Size len, const char **refusal)
{
	AmGuard *guard = am_pkey_guard(cxt);
	bool has_private = false;

	if (len > AM_PKEY_TEXT_BYTES_MAX)
		*refusal = "The key text is longer than 16384 bytes.";
	else if (am_jwk_is(text, len))
		*refusal = jwk_to_pkey(text, len, alg, guard, &has_private);
	else if (contains(text, len, "-----BEGIN "))
		*refusal = pem_to_pkey(text, len, guard, &has_private);
	else
		*refusal = "The text is neither PEM nor JWK.";
	if (*refusal == NULL)
		*refusal = am_pkey_refusal(alg, (EVP_PKEY *) guard->object, has_private);
	if (*refusal == NULL)
		return am_pkey_wrap(guard, cxt, alg, has_private);
	am_guard_release(guard);
	return NULL;
}
