/*
 * test_utf8.c
 *		Must hold: exactly the well-formed sequences of RFC 3629 are accepted, and
 *		encoding and decoding are inverse for every code point.
 */
#include "core/test/test.h"
#include "core/utf8.h"

static bool
valid(const char *text)
{
	size_t len = strlen(text);

	return amc_utf8_valid(test_copy(text, len), len);
}

static void
accepted(void)
{
	static const char *const texts[] = {
		"",
		"a",
		"plain ASCII of more than eight bytes",
		"\x7f",
		"\xc2\x80",
		"\xdf\xbf",
		"\xe0\xa0\x80",
		"\xed\x9f\xbf",
		"\xee\x80\x80",
		"\xef\xbf\xbf",
		"\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf",
		"1234567\xc3\xa9",
		"12345678\xc3\xa9"
		"12345678",
		"\xef\xbb\xbf"
		"byte order mark",
	};
	size_t i;

	test_case("accepted");
	for (i = 0; i < LENGTH_OF(texts); i++)
		CHECK(valid(texts[i]));
	CHECK(amc_utf8_valid("a\0b", 3));
}

static void
refused(void)
{
	static const struct
	{
		const char *name;
		const char *text;
	} texts[] = {
		{"continuation alone", "\x80"},
		{"continuation in ASCII", "1234567\xbf"
								  "9"},
		{"overlong slash, two bytes", "\xc0\xaf"},
		{"overlong, C1", "\xc1\xbf"},
		{"overlong, three bytes", "\xe0\x9f\xbf"},
		{"overlong, four bytes", "\xf0\x8f\xbf\xbf"},
		{"overlong NUL", "\xc0\x80"},
		{"first surrogate", "\xed\xa0\x80"},
		{"last surrogate", "\xed\xbf\xbf"},
		{"surrogate pair (CESU-8)", "\xed\xa0\xbd\xed\xb8\x80"},
		{"above U+10FFFF", "\xf4\x90\x80\x80"},
		{"F5", "\xf5\x80\x80\x80"},
		{"five bytes", "\xf8\x88\x80\x80\x80"},
		{"FE", "\xfe"},
		{"FF", "\xff"},
		{"cut after one of two", "abc\xc3"},
		{"cut after one of three", "abc\xe2"},
		{"cut after two of three", "abc\xe2\x82"},
		{"cut after three of four", "abc\xf0\x9f\x98"},
		{"second byte missing", "\xc3"
								"a"},
		{"third byte wrong", "\xe2\x82"
							 "a"},
		{"fourth byte wrong", "\xf0\x9f\x98"
							  "a"},
	};
	size_t i;

	for (i = 0; i < LENGTH_OF(texts); i++)
	{
		test_case(texts[i].name);
		CHECK(!valid(texts[i].text));
	}
}

static void
every_code_point(void)
{
	unsigned long good = 0;
	uint32_t code_point;

	test_case("every code point");
	for (code_point = 0; code_point <= 0x110000; code_point++)
	{
		char text[AMC_UTF8_BYTES_MAX];
		uint32_t back = 0;
		size_t len = amc_utf8_encode(code_point, text);

		if (len != 0 && amc_utf8_valid(text, len) && amc_utf8_sequence(text, len) == len &&
			amc_utf8_decode(text, len, &back) == len && back == code_point &&
			amc_utf8_sequence(text, len - 1) == 0)
			good++;
	}
	CHECK_INT(0x110000 - 0x800, good);
	CHECK_INT(0, amc_utf8_encode(0xd800, (char[4]){0}));
	CHECK_INT(0, amc_utf8_encode(0xdfff, (char[4]){0}));
	CHECK_INT(0, amc_utf8_encode(UINT32_MAX, (char[4]){0}));
}

void
test_utf8(void)
{
	accepted();
	refused();
	every_code_point();
	test_case("count");
	CHECK_INT(0, amc_utf8_count("", 0));
	CHECK_INT(4, amc_utf8_count("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10));
}
