/*
 * fuzz_payment_signature.c
 *		A header that is read is the same as the one written from what was read, but for
 *		the order of its items and other schemes; a copy of its items changes nothing but
 *		to make it refused.
 */
#include "core/hex.h"
#include "core/payment_signature.h"
#include "fuzz.h"

#define WRITTEN_BYTES_MAX \
	(2 + AMC_STRIPE_TIME_DIGITS_MAX + AMC_STRIPE_SIGNATURES_MAX * (4 + 2 * AMC_PAYMENT_MAC_BYTES))

/* Writes the header's own items in one order; returns the length. */
static size_t
write_header(const amc_stripe_header *header, char *out)
{
	size_t len = 2 + header->time_text.len;
	size_t i;

	memcpy(out, "t=", 2);
	memcpy(out + 2, header->time_text.ptr, header->time_text.len);
	for (i = 0; i < header->count; i++)
	{
		memcpy(out + len, ",v1=", 4);
		REQUIRE(amc_hex_encode(header->v1[i], AMC_PAYMENT_MAC_BYTES, out + len + 4,
							   2 * AMC_PAYMENT_MAC_BYTES));
		len += 4 + 2 * AMC_PAYMENT_MAC_BYTES;
	}
	REQUIRE(len <= WRITTEN_BYTES_MAX);
	return len;
}

static void
check_header(const char *text, size_t size)
{
	char written[WRITTEN_BYTES_MAX];
	amc_stripe_header header;
	amc_stripe_header again;
	char *twice;

	if (!amc_stripe_header_parse(text, size, &header))
		return;
	REQUIRE(header.count >= 1 && header.count <= AMC_STRIPE_SIGNATURES_MAX);
	REQUIRE(header.unix_s >= 0);
	REQUIRE(header.time_text.ptr >= text &&
			header.time_text.ptr + header.time_text.len <= text + size);
	REQUIRE(amc_stripe_header_parse(written, write_header(&header, written), &again));
	REQUIRE(again.unix_s == header.unix_s && again.count == header.count);
	REQUIRE(memcmp(again.v1, header.v1, header.count * AMC_PAYMENT_MAC_BYTES) == 0);
	/* Two times have two readings. */
	twice = malloc(2 * size + 1);
	REQUIRE(twice != NULL);
	memcpy(twice, text, size);
	twice[size] = ',';
	memcpy(twice + size + 1, text, size);
	REQUIRE(!amc_stripe_header_parse(twice, 2 * size + 1, &again));
	free(twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t mac[AMC_PAYMENT_MAC_BYTES];
	char digits[2 * AMC_PAYMENT_MAC_BYTES];

	check_header((const char *) data, size);
	if (amc_payment_mac_parse((const char *) data, size, mac))
	{
		REQUIRE(amc_hex_encode(mac, sizeof(mac), digits, sizeof(digits)));
		REQUIRE(size == sizeof(digits) && memcmp(digits, data, size) == 0);
	}
	if (amc_payment_reference_valid((const char *) data, size))
		REQUIRE(memchr(data, '|', size) == NULL);
	return 0;
}
