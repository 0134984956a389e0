/*
 * test_hex.c
 *		Must hold: bytes and lower-case digits correspond one to one.
 */
#include "core/hex.h"
#include "core/test/test.h"

void
test_hex(void)
{
	static const char *const refused[] = {"0", "0g", "AB", "0X", " 0", "0 ", "a:", "a`", "/0"};
	unsigned char bytes[4] = {0x00, 0x1f, 0xa0, 0xff};
	unsigned char back[4];
	char text[8];
	size_t i;

	test_case("round trip");
	CHECK(amc_hex_encode(bytes, sizeof(bytes), text, sizeof(text)));
	CHECK_TEXT("001fa0ff", text, sizeof(text));
	CHECK(amc_hex_decode(test_copy(text, 8), 8, back, sizeof(back)));
	CHECK(memcmp(bytes, back, sizeof(bytes)) == 0);
	CHECK(amc_hex_decode("", 0, back, 0));
	CHECK(amc_hex_encode("", 0, text, 0));

	test_case("capacity");
	CHECK(!amc_hex_encode(bytes, 4, text, 7));
	CHECK(!amc_hex_encode(bytes, SIZE_MAX, text, 8));
	CHECK(!amc_hex_decode(text, 8, back, 3));

	for (i = 0; i < LENGTH_OF(refused); i++)
	{
		test_case(refused[i]);
		CHECK(!amc_hex_decode(refused[i], strlen(refused[i]), back, sizeof(back)));
	}
}
