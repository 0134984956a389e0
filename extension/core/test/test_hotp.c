/*
 * test_hotp.c
 *		Must hold: the values of RFC 4226 appendix D, and the steps of RFC 6238
 *		appendix B.
 */
#include "core/hex.h"
#include "core/hotp.h"
#include "core/test/test.h"

/* The HMACs of the secret "12345678901234567890" and their passwords. */
static void
rfc4226(void)
{
	static const struct
	{
		const char *mac;
		const char *code;
	} cases[] = {{"cc93cf18508d94934c64b65d8ba7667fb7cde4b0", "755224"},
				 {"75a48a19d4cbe100644e8ac1397eea747a2d33ab", "287082"},
				 {"0bacb7fa082fef30782211938bc1c5e70416ff44", "359152"},
				 {"66c28227d03a2d5529262ff016a1e6ef76557ece", "969429"},
				 {"a904c900a64b35909874b33e61c5938a8e15ed1c", "338314"},
				 {"a37e783d7b7233c083d4f62926c7a25f238d0316", "254676"},
				 {"bc9cd28561042c83f219324d3c607256c03272ae", "287922"},
				 {"a4fb960c0bc06e1eabb804e5b397cdc4b45596fa", "162583"},
				 {"1b3c89f65e6c9e883012052823443f048b4332db", "399871"},
				 {"1637409809a679dc698207310c8c7fc07290d9e5", "520489"}};
	uint8_t mac[AMC_HOTP_MAC_BYTES];
	char code[AMC_HOTP_DIGITS_MAX];
	size_t i;

	for (i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].code);
		CHECK(amc_hex_decode(cases[i].mac, 2 * sizeof(mac), mac, sizeof(mac)));
		CHECK(amc_hotp_code(mac, 6, code));
		CHECK_TEXT(cases[i].code, code, 6);
	}
}

void
test_hotp(void)
{
	uint8_t mac[AMC_HOTP_MAC_BYTES] = {0};
	uint8_t message[AMC_HOTP_COUNT_BYTES];
	char *code = test_alloc(AMC_HOTP_DIGITS_MAX);

	rfc4226();
	test_case("leading zeros, and the top bit is no sign");
	CHECK(amc_hotp_code(mac, 8, code));
	CHECK_TEXT("00000000", code, 8);
	memset(mac, 0xff, sizeof(mac));
	CHECK(amc_hotp_code(mac, 8, code));
	CHECK_TEXT("47483647", code, 8); /* of 2^31 - 1 */
	test_case("other numbers of digits");
	CHECK(!amc_hotp_code(mac, 5, code));
	CHECK(!amc_hotp_code(mac, 9, code));
	CHECK(!amc_hotp_code(mac, -1, code));

	test_case("message");
	amc_hotp_message(UINT64_C(0x0102030405060708), message);
	CHECK(memcmp(message, "\1\2\3\4\5\6\7\10", sizeof(message)) == 0);

	test_case("RFC 6238 appendix B");
	CHECK_INT(0x1, amc_totp_step(59));
	CHECK_INT(0x23523EC, amc_totp_step(1111111109));
	CHECK_INT(0x23523ED, amc_totp_step(1111111111));
	CHECK_INT(0x273EF07, amc_totp_step(1234567890));
	CHECK_INT(0x3F940AA, amc_totp_step(2000000000));
	CHECK_INT(0x27BC86AA, amc_totp_step(INT64_C(20000000000)));
	test_case("edges");
	CHECK_INT(0, amc_totp_step(29));
	CHECK_INT(1, amc_totp_step(30));
	CHECK_INT(0, amc_totp_step(-1));
	CHECK_INT(0, amc_totp_step(INT64_MIN));
}
