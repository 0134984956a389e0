/*
 * key_secret.c
 *
 * The checks of shared secrets, in two groups: what everybody knows (published examples, words of
 * templates, patterns), and what is no secret at all but another kind of key.
 */
#include "compat.h"

#include <openssl/x509.h>

#include "core/hex.h"
#include "crypto/hash.h"
#include "crypto/jwk.h"
#include "crypto/openssl.h"
#include "crypto/secret.h"
#include "key_example.h"
#include "key_secret.h"

#define DIGEST_HEX_BYTES   (2 * AM_SHA256_BYTES)
#define DISTINCT_BYTES_MIN 8  /* 32 random hexadecimal digits have fewer with a chance below 1e-6 */
#define PERIOD_BYTES_MAX   16 /* a secret that repeats a shorter block is only worth that block */

/*
 * Words that stand in templates until somebody replaces them. Compared without case, with - and
 * blanks taken as _. Each is long enough that chance will not put it into a random secret.
 */
static const char *const placeholder_words[] = {
	"changeme",     "change_me",    "change_this", "changethis",    "change_in_prod", "replace_me",
	"replace_this", "replace_with", "your_secret", "your_jwt",      "your_super",     "yoursecret",
	"your_key",     "my_secret",    "mysecret",    "super_secret",  "supersecret",    "secret_key",
	"secretkey",    "jwt_secret",   "jwtsecret",   "placeholder",   "example_secret", "insert_here",
	"secret_here",  "test_secret",  "dev_secret",  "default_secret"};

static bool
is_published(const uint8 *secret, Size len)
{
	static const char *const examples[] = {
#define X(hex) hex,
		AM_KEY_EXAMPLES(X)
#undef X
	};
	uint8 digest[AM_SHA256_BYTES];
	char hex[DIGEST_HEX_BYTES];
	int i;

	am_sha256(secret, len, digest);
	if (!amc_hex_encode(digest, sizeof(digest), hex, sizeof(hex)))
		return true;
	for (i = 0; i < (int) lengthof(examples); i++)
		if (memcmp(hex, examples[i], sizeof(hex)) == 0)
			return true;
	return false;
}

static char
fold(uint8 byte)
{
	if (byte >= 'A' && byte <= 'Z')
		return (char) (byte - 'A' + 'a');
	return byte == '-' || byte == ' ' ? '_' : (char) byte;
}

static bool
contains_folded(const uint8 *secret, Size len, const char *word)
{
	Size word_len = strlen(word);
	Size i;
	Size k;

	for (i = 0; i + word_len <= len; i++)
	{
		for (k = 0; k < word_len && fold(secret[i + k]) == word[k]; k++)
			continue;
		if (k == word_len)
			return true;
	}
	return false;
}

static bool
has_placeholder_word(const uint8 *secret, Size len)
{
	int i;

	for (i = 0; i < (int) lengthof(placeholder_words); i++)
		if (contains_folded(secret, len, placeholder_words[i]))
			return true;
	return false;
}

static bool
repeats_with_period(const uint8 *secret, Size len, Size period)
{
	Size i;

	for (i = period; i < len; i++)
		if (secret[i] != secret[i - period])
			return false;
	return true;
}

/* True for the same step from each byte to the next, such as "abcdefgh". */
static bool
counts_on(const uint8 *secret, Size len)
{
	Size i;

	for (i = 2; i < len; i++)
		if ((uint8) (secret[i] - secret[i - 1]) != (uint8) (secret[1] - secret[0]))
			return false;
	return true;
}

static bool
has_few_bytes(const uint8 *secret, Size len)
{
	bool seen[256] = {false};
	int distinct = 0;
	Size i;

	for (i = 0; i < len; i++)
	{
		distinct += seen[secret[i]] ? 0 : 1;
		seen[secret[i]] = true;
	}
	am_secret_wipe(seen, sizeof(seen));
	return distinct < DISTINCT_BYTES_MIN;
}

static bool
is_pattern(const uint8 *secret, Size len)
{
	Size period;

	for (period = 1; period <= PERIOD_BYTES_MAX && period < len; period++)
		if (repeats_with_period(secret, len, period))
			return true;
	return counts_on(secret, len) || has_few_bytes(secret, len);
}

static bool
starts_with(const uint8 *secret, Size len, const char *prefix)
{
	return len >= strlen(prefix) && memcmp(secret, prefix, strlen(prefix)) == 0;
}

/* Public or private key in DER: SubjectPublicKeyInfo, PKCS#8, PKCS#1, SEC1. */
static bool
is_der(const uint8 *secret, Size len)
{
	const uint8 *at = secret;
	EVP_PKEY *pkey;
	bool found;

	if (len == 0 || secret[0] != 0x30)
		return false;
	pkey = d2i_PUBKEY(NULL, &at, (long) len);
	if (pkey == NULL)
	{
		at = secret;
		pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long) len);
	}
	if (pkey == NULL)
	{
		at = secret;
		pkey = d2i_AutoPrivateKey(NULL, &at, (long) len);
	}
	found = pkey != NULL;
	EVP_PKEY_free(pkey);
	am_openssl_errors_clear();
	return found;
}

static bool
is_other_key(const uint8 *secret, Size len)
{
	return starts_with(secret, len, "-----BEGIN") || starts_with(secret, len, "ssh-") ||
		   starts_with(secret, len, "ecdsa-sha2-") || is_der(secret, len) ||
		   am_jwk_is((const char *) secret, len);
}

const char *
am_key_secret_refusal(const uint8 *secret, Size len)
{
	if (is_published(secret, len))
		return "The secret was published as an example.";
	if (is_other_key(secret, len))
		return "The secret is a public or private key of another algorithm.";
	if (has_placeholder_word(secret, len))
		return "The secret is a placeholder of a template.";
	if (is_pattern(secret, len))
		return "The secret is a pattern, not random.";
	return NULL;
}
