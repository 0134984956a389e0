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
#define OWN_BYTES_MIN      12 /* beside the words of templates */
#define PERIOD_BYTES_MAX   16 /* a secret that repeats a shorter block is only worth that block */

/*
 * Phrases of templates that nobody leaves in a secret of his own. Compared without case, with - and
 * blanks taken as _.
 */
static const char *const template_phrases[] = {
	"changeme",     "change_me",    "change_this", "changethis", "change_in_prod", "replace_me",
	"replace_this", "replace_with", "your_secret", "yoursecret", "your_jwt",       "your_super",
	"your_key",     "placeholder",  "insert_here", "secret_here"};

/*
 * Words that templates and tutorials are made of. One of them proves nothing ("prod-jwt-secret-"
 * and a random rest is a good secret), so they are only left out when the rest is measured.
 */
static const char *const template_words[] = {
	"secret",     "jsonwebtoken", "jwt",     "token",      "super",      "your",    "long",
	"very",       "test",         "testing", "example",    "sample",     "demo",    "default",
	"dev",        "development",  "prod",    "production", "this",       "that",    "should",
	"must",       "change",       "changed", "please",     "least",      "minimum", "character",
	"characters", "chars",        "bits",    "bytes",      "string",     "random",  "strong",
	"secure",     "private",      "shared",  "signing",    "signature",  "auth",    "access",
	"refresh",    "session",      "user",    "password",   "passphrase", "the",     "key",
	"for",        "and",          "not",     "use",        "with",       "app",     "api",
	"only",       "purposes",     "really",  "safe",       "hs256",      "256",     "512",
	"123",        "456",          "789",     "abc",        "local",      "here",    "enough",
	"hmac",       "sha256"};

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
has_template_phrase(const uint8 *secret, Size len)
{
	int i;

	for (i = 0; i < (int) lengthof(template_phrases); i++)
		if (contains_folded(secret, len, template_phrases[i]))
			return true;
	return false;
}

/* Length of the longest template word at the start of the text, 0 if there is none. */
static Size
template_word_at(const uint8 *text, Size len)
{
	Size longest = 0;
	int i;

	for (i = 0; i < (int) lengthof(template_words); i++)
	{
		Size word_len = strlen(template_words[i]);

		if (word_len > longest && word_len <= len &&
			contains_folded(text, word_len, template_words[i]))
			longest = word_len;
	}
	return longest;
}

/* What the secret has beside the words of templates and the signs between them. */
static bool
is_mostly_template(const uint8 *secret, Size len)
{
	Size own = 0;
	Size i = 0;

	while (i < len && own < OWN_BYTES_MIN)
	{
		Size word_len = template_word_at(secret + i, len - i);

		if (word_len == 0 && fold(secret[i]) != '_' && secret[i] != '.' && secret[i] != '!')
			own++;
		i += word_len > 0 ? word_len : 1;
	}
	return own < OWN_BYTES_MIN && own < len;
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
	if (len == 0)
		return "The secret is empty.";
	if (is_published(secret, len))
		return "The secret was published as an example.";
	if (is_other_key(secret, len))
		return "The secret is a public or private key of another algorithm.";
	if (has_template_phrase(secret, len) || is_mostly_template(secret, len))
		return "The secret is a placeholder of a template.";
	if (is_pattern(secret, len))
		return "The secret is a pattern, not random.";
	return NULL;
}
