/*
 * fuzz_bcrypt_format.c
 *		The guard agrees with a regular expression; rewriting the letter keeps a hash
 *		valid; an accepted password is text of at most 72 bytes without NUL.
 */
#include <regex.h>

#include "core/bcrypt_format.h"
#include "core/utf8.h"
#include "fuzz.h"

#define COST_MAX 15

static bool
matches(const char *text, size_t len)
{
	static bool compiled;
	static regex_t pattern;
	char terminated[AMC_BCRYPT_HASH_BYTES + 2];

	if (!compiled)
		REQUIRE(regcomp(&pattern, "^[$]2[aby][$](0[4-9]|1[0-5])[$][./A-Za-z0-9]{53}$",
						REG_EXTENDED) == 0);
	compiled = true;
	if (len >= sizeof(terminated) || memchr(text, '\0', len) != NULL)
		return false;
	memcpy(terminated, text, len);
	terminated[len] = '\0';
	return regexec(&pattern, terminated, 0, NULL, 0) == 0;
}

static void
check_hash(const char *text, size_t len)
{
	char out[AMC_BCRYPT_HASH_BYTES];
	int cost = -1;
	int same = -1;
	bool good = amc_bcrypt_check(text, len, COST_MAX, &cost) == AMC_BCRYPT_OK;

	REQUIRE(good == (len > 0 && matches(text, len)));
	if (!good)
		return;
	amc_bcrypt_to_pgcrypto(text, out);
	REQUIRE(memcmp(out, "$2a$", 4) == 0 && memcmp(out + 4, text + 4, 56) == 0);
	amc_bcrypt_to_storage(out, out);
	REQUIRE(amc_bcrypt_check(out, sizeof(out), COST_MAX, &same) == AMC_BCRYPT_OK && same == cost);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *) data;
	char framed[AMC_BCRYPT_HASH_BYTES];
	size_t characters = 0;
	size_t i;

	check_hash(text, size);
	/* The same bytes over a good hash, so that most of it is right. */
	memcpy(framed, "$2b$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq", sizeof(framed));
	for (i = 0; i + 1 < size; i += 2)
		framed[data[i] % sizeof(framed)] = text[i + 1];
	check_hash(framed, sizeof(framed));

	if (amc_password_check(text, size, &characters) == AMC_PASSWORD_OK)
	{
		REQUIRE(size > 0 && size <= AMC_PASSWORD_BYTES_MAX && memchr(text, 0, size) == NULL);
		REQUIRE(characters > 0 && characters <= size && amc_utf8_valid(text, size));
	}
	return 0;
}
