/*
 * test_bcrypt_format.c
 *		Must hold: only a complete hash of a sound bcrypt variant within the cost cap
 *		reaches crypt(), and only a password that bcrypt reads to its end.
 */
#include "core/bcrypt_format.h"
#include "core/test/test.h"

/* Known answers with 8-bit characters, as crypt_blowfish and libxcrypt compute them. */
#define DIGEST "Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq" /* of the byte A3 */
#define SALT   "/OK.fbVrR/bpIqNJ5ianF."

static void
hashes(void)
{
	static const struct
	{
		const char *name;
		const char *hash;
		amc_bcrypt_status status;
		int cost;
	} cases[] = {
		{"security 9: $2a$", "$2a$05$" SALT DIGEST, AMC_BCRYPT_OK, 5},
		{"security 9: $2b$", "$2b$05$" SALT DIGEST, AMC_BCRYPT_OK, 5},
		{"security 9: $2y$", "$2y$05$" SALT DIGEST, AMC_BCRYPT_OK, 5},
		{"lowest cost", "$2b$04$" SALT DIGEST, AMC_BCRYPT_OK, 4},
		{"cost at the cap", "$2b$15$" SALT DIGEST, AMC_BCRYPT_OK, 15},
		{"cost above the cap", "$2b$16$" SALT DIGEST, AMC_BCRYPT_COST_ABOVE_CAP, 16},
		{"security 9: cost 31", "$2b$31$" SALT DIGEST, AMC_BCRYPT_COST_ABOVE_CAP, 31},
		{"security 9: $2x$", "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e",
		 AMC_BCRYPT_VARIANT_X, -1},
		{"$2$", "$2$05$" SALT DIGEST ".", AMC_BCRYPT_PREFIX, -1},
		{"$2c$", "$2c$05$" SALT DIGEST, AMC_BCRYPT_PREFIX, -1},
		{"$2B$", "$2B$05$" SALT DIGEST, AMC_BCRYPT_PREFIX, -1},
		{"$1b$", "$1b$05$" SALT DIGEST, AMC_BCRYPT_PREFIX, -1},
		{"no dollar", "22b$05$" SALT DIGEST, AMC_BCRYPT_PREFIX, -1},
		{"letter without dollar", "$2bb05$" SALT DIGEST, AMC_BCRYPT_PREFIX, -1},
		{"cost 03", "$2b$03$" SALT DIGEST, AMC_BCRYPT_COST, -1},
		{"cost 00", "$2b$00$" SALT DIGEST, AMC_BCRYPT_COST, -1},
		{"cost 32", "$2b$32$" SALT DIGEST, AMC_BCRYPT_COST, -1},
		{"cost 99", "$2b$99$" SALT DIGEST, AMC_BCRYPT_COST, -1},
		{"cost of one digit", "$2b$5$$" SALT DIGEST, AMC_BCRYPT_COST, -1},
		{"cost with a blank", "$2b$ 5$" SALT DIGEST, AMC_BCRYPT_COST, -1},
		{"cost with a sign", "$2b$+5$" SALT DIGEST, AMC_BCRYPT_COST, -1},
		{"no dollar after the cost", "$2b$055" SALT DIGEST, AMC_BCRYPT_COST, -1},
		{"59 bytes", "$2b$05$" SALT "Sa7shbm4.OzKpvFnX1pQLmQW96oUlC", AMC_BCRYPT_LENGTH, -1},
		{"61 bytes", "$2b$05$" SALT DIGEST "q", AMC_BCRYPT_LENGTH, -1},
		{"empty", "", AMC_BCRYPT_LENGTH, -1},
		{"traditional DES", "rl.3StKT.4T8M", AMC_BCRYPT_LENGTH, -1},
		{"plus in the digest", "$2b$05$" SALT "Sa7shbm4+OzKpvFnX1pQLmQW96oUlCq",
		 AMC_BCRYPT_CHARACTER, -1},
		{"line break at the end", "$2b$05$" SALT "Sa7shbm4.OzKpvFnX1pQLmQW96oUlC\n",
		 AMC_BCRYPT_CHARACTER, -1},
		{"dollar in the salt", "$2b$05$/OK$fbVrR/bpIqNJ5ianF." DIGEST, AMC_BCRYPT_CHARACTER, -1},
		{"8-bit byte", "$2b$05$\xa3OK.fbVrR/bpIqNJ5ianF." DIGEST, AMC_BCRYPT_CHARACTER, -1},
	};
	size_t i;

	for (i = 0; i < LENGTH_OF(cases); i++)
	{
		size_t len = strlen(cases[i].hash);
		int cost = -1;

		test_case(cases[i].name);
		CHECK_INT(cases[i].status, amc_bcrypt_check(test_copy(cases[i].hash, len), len, 15, &cost));
		CHECK_INT(cases[i].cost, cost);
	}

	test_case("NUL inside");
	{
		char hash[60];

		memcpy(hash, "$2b$05$" SALT DIGEST, 60);
		hash[40] = '\0';
		CHECK_INT(AMC_BCRYPT_CHARACTER, amc_bcrypt_check(hash, 60, 15, NULL));
	}
	CHECK_INT(AMC_BCRYPT_OK, amc_bcrypt_check("$2b$31$" SALT DIGEST, 60, 31, NULL));
}

static void
spellings(void)
{
	static const char letters[] = "aby";
	char hash[60];
	char out[60];
	size_t i;

	test_case("security 9: spelling for pgcrypto and for storage");
	memcpy(hash, "$2b$05$" SALT DIGEST, 60);
	for (i = 0; i < 3; i++)
	{
		hash[2] = letters[i];
		amc_bcrypt_to_pgcrypto(hash, out);
		CHECK_TEXT("$2a$05$" SALT DIGEST, out, 60);
		amc_bcrypt_to_storage(hash, out);
		CHECK_TEXT("$2b$05$" SALT DIGEST, out, 60);
	}
	amc_bcrypt_to_storage(out, out);
	CHECK_TEXT("$2b$05$" SALT DIGEST, out, 60);
}

static void
passwords(void)
{
	static const struct
	{
		const char *name;
		const char *text;
		size_t len;
		amc_password_status status;
		size_t characters;
	} cases[] = {
		{"empty", "", 0, AMC_PASSWORD_EMPTY, 0},
		{"one character", "x", 1, AMC_PASSWORD_OK, 1},
		{"blanks are kept", "  ", 2, AMC_PASSWORD_OK, 2},
		{"characters, not bytes", "p\xc3\xa4\xc3\x9f\xf0\x9f\x94\x91", 9, AMC_PASSWORD_OK, 4},
		{"security 8: NUL first", "\0secret", 7, AMC_PASSWORD_NUL, 0},
		{"security 8: NUL within", "abc\0def", 7, AMC_PASSWORD_NUL, 0},
		{"security 8: NUL last", "abc\0", 4, AMC_PASSWORD_NUL, 0},
		{"invalid UTF-8", "abc\xff", 4, AMC_PASSWORD_UTF8, 0},
		{"letter cut in two", "abc\xc3", 4, AMC_PASSWORD_UTF8, 0},
	};
	size_t characters;
	size_t len;
	char *text;
	size_t i;

	for (i = 0; i < LENGTH_OF(cases); i++)
	{
		characters = 0;
		test_case(cases[i].name);
		CHECK_INT(cases[i].status, amc_password_check(test_copy(cases[i].text, cases[i].len),
													  cases[i].len, &characters));
		CHECK_INT(cases[i].characters, characters);
	}
	test_case("security 8: 72 and 73 bytes");
	text = test_repeat("a", 73, &len);
	CHECK_INT(AMC_PASSWORD_OK, amc_password_check(text, 72, &characters));
	CHECK_INT(72, characters);
	CHECK_INT(AMC_PASSWORD_TOO_LONG, amc_password_check(text, 73, NULL));
	test_case("security 8: a letter of two bytes across byte 72");
	text[71] = '\xc3';
	text[72] = '\xa9';
	CHECK_INT(AMC_PASSWORD_TOO_LONG, amc_password_check(text, 73, NULL));
	test_case("security 8: 36 letters of two bytes");
	text = test_repeat("\xc3\xa9", 36, &len);
	CHECK_INT(AMC_PASSWORD_OK, amc_password_check(text, len, &characters));
	CHECK_INT(36, characters);
	test_case("security 8: a megabyte");
	text = test_repeat("x", 1 << 20, &len);
	CHECK_INT(AMC_PASSWORD_TOO_LONG, amc_password_check(text, len, NULL));
}

void
test_bcrypt_format(void)
{
	hashes();
	spellings();
	passwords();
	test_case("texts");
	CHECK_TEXT("bcrypt variant $2x$ is not supported", amc_bcrypt_status_text(AMC_BCRYPT_VARIANT_X),
			   36);
	CHECK_TEXT("unknown status", amc_bcrypt_status_text((amc_bcrypt_status) 99), 14);
	CHECK_TEXT("password is longer than 72 bytes", amc_password_status_text(AMC_PASSWORD_TOO_LONG),
			   32);
	CHECK_TEXT("unknown status", amc_password_status_text((amc_password_status) 99), 14);
}
