/*
 * test_base32.c
 *		Must hold: bytes and their base32 text correspond one to one, but for the
 *		case of letters.
 */
#include "core/base32.h"
#include "core/test/test.h"

static void
round_trip(const void *bytes, size_t len)
{
	size_t size = AMC_BASE32_ENCODED_LEN(len);
	char *text = test_alloc(size + 1);
	char *back = test_alloc(len + 1);
	size_t written = 99;

	CHECK(amc_base32_encode(test_copy(bytes, len), len, text, size, &written));
	CHECK_INT(size, written);
	CHECK(size == 0 || !amc_base32_encode(bytes, len, text, size - 1, &written));
	CHECK(amc_base32_decode(test_copy(text, size), size, back, len, &written));
	CHECK_INT(len, written);
	CHECK(memcmp(bytes, back, len) == 0);
	CHECK(len == 0 || !amc_base32_decode(text, size, back, len - 1, &written));
}

/* RFC 4648 section 10, without padding. */
static void
vectors(void)
{
	static const struct
	{
		const char *bytes;
		const char *text;
	} cases[] = {{"", ""},
				 {"f", "MY"},
				 {"fo", "MZXQ"},
				 {"foo", "MZXW6"},
				 {"foob", "MZXW6YQ"},
				 {"fooba", "MZXW6YTB"},
				 {"foobar", "MZXW6YTBOI"},
				 {"12345678901234567890", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}};
	char text[64];
	char bytes[64];
	size_t len;
	size_t i;

	for (i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].text);
		CHECK(amc_base32_encode(cases[i].bytes, strlen(cases[i].bytes), text, sizeof(text), &len));
		CHECK_TEXT(cases[i].text, text, len);
		CHECK(amc_base32_decode(cases[i].text, strlen(cases[i].text), bytes, sizeof(bytes), &len));
		CHECK_TEXT(cases[i].bytes, bytes, len);
		round_trip(cases[i].bytes, strlen(cases[i].bytes));
	}
	test_case("lower case is read");
	CHECK(amc_base32_decode("mzxw6YTboi", 10, bytes, sizeof(bytes), &len));
	CHECK_TEXT("foobar", bytes, len);
}

void
test_base32(void)
{
	/* Lengths no byte string has, foreign characters, and bits left over. */
	static const char *const refused[] = {
		"M",     "MZX",  "MZXW6Y", "MZXW6YTBO", "MY======", "MY=", "M1",   "M0", "M8",
		"M9",    "MZ-X", "MZ X",   "MZ\nX",     "M@",       "M[",  "M`",   "M{", "\xC3\xA9",
		"M\x80", "MZ",   "MZXR",   "MZXW7",     "MZXW6YR",  "M/",  "M\x1a"};
	unsigned char bytes[256];
	char back[64];
	size_t len;
	size_t i;

	vectors();
	test_case("every byte, every length");
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char) (i * 37 + 11);
	for (i = 0; i <= sizeof(bytes); i++)
		round_trip(bytes, i);
	for (i = 0; i < LENGTH_OF(refused); i++)
	{
		test_case(refused[i]);
		CHECK(!amc_base32_decode(test_copy(refused[i], strlen(refused[i])), strlen(refused[i]),
								 back, sizeof(back), &len));
	}
	test_case("NUL is no digit");
	CHECK(!amc_base32_decode("M\0", 2, back, sizeof(back), &len));
	test_case("too long");
	CHECK(!amc_base32_encode(bytes, AMC_BASE32_BYTES_MAX + 1, back, SIZE_MAX, &len));
	CHECK(!amc_base32_decode(back, SIZE_MAX / 8 * 8, back, SIZE_MAX, &len));
}
