/*
 * test_payment_signature.c
 *		Must hold: what Stripe and Razorpay send is read, anything with two readings is refused.
 */
#include "core/payment_signature.h"
#include "core/test/test.h"

#define MAC_A "5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd"
#define MAC_B "00000000000000000000000000000000000000000000000000000000000000ff"

static bool
parses(const char *text, size_t len, amc_stripe_header *header)
{
	return amc_stripe_header_parse(test_copy(text, len), len, header);
}

static void
test_accepted(void)
{
	amc_stripe_header header;

	test_case("one signature");
	CHECK(parses(AMC_LITERAL("t=1492774577,v1=" MAC_A), &header));
	CHECK_INT(1492774577, header.unix_s);
	CHECK_TEXT("1492774577", header.time_text.ptr, header.time_text.len);
	CHECK_INT(1, header.count);
	CHECK_INT(0x52, header.v1[0][0]);
	CHECK_INT(0xbd, header.v1[0][31]);

	test_case("two signatures, another scheme, any order");
	CHECK(parses(AMC_LITERAL("v0=6ffb,v1=" MAC_A ",t=0012,v1=" MAC_B ",x=1"), &header));
	CHECK_INT(12, header.unix_s);
	CHECK_TEXT("0012", header.time_text.ptr, header.time_text.len);
	CHECK_INT(2, header.count);
	CHECK_INT(0xff, header.v1[1][31]);

	test_case("longest time");
	CHECK(parses(AMC_LITERAL("t=999999999999,v1=" MAC_A), &header));
	CHECK_INT(INT64_C(999999999999), header.unix_s);
}

static void
test_refused(void)
{
	static const char *const refused[] = {"",
										  ",",
										  "t=1",
										  "v1=" MAC_A,
										  "t=1,v0=" MAC_A,
										  "t=1,v1=" MAC_A ",",
										  ",t=1,v1=" MAC_A,
										  "t=1,,v1=" MAC_A,
										  "t=1,t=1,v1=" MAC_A,
										  "t=1,v1=" MAC_A ",t=2",
										  "t=,v1=" MAC_A,
										  "t=-1,v1=" MAC_A,
										  "t=+1,v1=" MAC_A,
										  "t=1.5,v1=" MAC_A,
										  "t= 1,v1=" MAC_A,
										  "t=1, v1=" MAC_A,
										  "t=1000000000000,v1=" MAC_A,
										  "t=1,v1=",
										  "t=1,v1",
										  "t=1,=" MAC_A,
										  "t=1,v1=" MAC_A "0",
										  "t=1,v1=" MAC_A "00",
										  "t=1,v1=5257A869" MAC_B,
										  "t=1,v1=" MAC_A ",v1=00",
										  "t=1;v1=" MAC_A,
										  "T=1,V1=" MAC_A};
	amc_stripe_header header;
	size_t i;

	for (i = 0; i < LENGTH_OF(refused); i++)
	{
		test_case(refused[i]);
		CHECK(!parses(refused[i], strlen(refused[i]), &header));
	}
}

static void
test_limits(void)
{
	amc_stripe_header header;
	size_t len;
	size_t count;

	test_case("as many signatures as allowed, and one more");
	for (count = AMC_STRIPE_SIGNATURES_MAX; count <= AMC_STRIPE_SIGNATURES_MAX + 1; count++)
	{
		char *text = test_repeat("v1=" MAC_A ",", count, &len);
		char *whole = test_alloc(len + 3);

		memcpy(whole, text, len);
		memcpy(whole + len, "t=1", 3);
		CHECK(amc_stripe_header_parse(whole, len + 3, &header) ==
			  (count == AMC_STRIPE_SIGNATURES_MAX));
	}

	test_case("header above its limit");
	CHECK(!parses(test_repeat("a=bc,", 1000, &len), len, &header));
}

static void
test_parts(void)
{
	uint8_t mac[AMC_PAYMENT_MAC_BYTES];
	size_t len;
	char *longest = test_repeat("x", AMC_PAYMENT_REFERENCE_BYTES_MAX + 1, &len);

	test_case("mac");
	CHECK(amc_payment_mac_parse(AMC_LITERAL(MAC_A), mac));
	CHECK(!amc_payment_mac_parse(AMC_LITERAL(MAC_A "0"), mac));
	CHECK(!amc_payment_mac_parse(MAC_A, 62, mac));
	CHECK(!amc_payment_mac_parse(AMC_LITERAL(""), mac));

	test_case("reference");
	CHECK(amc_payment_reference_valid(AMC_LITERAL("order_Ab-9")));
	CHECK(amc_payment_reference_valid(longest, len - 1));
	CHECK(!amc_payment_reference_valid(longest, len));
	CHECK(!amc_payment_reference_valid(AMC_LITERAL("")));
	CHECK(!amc_payment_reference_valid(AMC_LITERAL("a|b")));
	CHECK(!amc_payment_reference_valid(AMC_LITERAL("a b")));
	CHECK(!amc_payment_reference_valid(AMC_LITERAL("a\0b")));
}

void
test_payment_signature(void)
{
	test_accepted();
	test_refused();
	test_limits();
	test_parts();
}
