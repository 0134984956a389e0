/*
 * fuzz_email.c
 *		The canonical form is its own canonical form, and that of the address in
 *		capitals or between blanks; it has one '@', no blank and no capital.
 */
#include "core/email.h"
#include "core/utf8.h"
#include "fuzz.h"

static void
check_same(const char *variant, size_t len, const char *canonical, size_t canonical_len)
{
	char out[AMC_EMAIL_BYTES_MAX];
	size_t out_len;

	REQUIRE(amc_email_canonical(variant, len, out, &out_len) == AMC_EMAIL_OK);
	REQUIRE(out_len == canonical_len && memcmp(out, canonical, out_len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char variant[AMC_EMAIL_INPUT_BYTES_MAX];
	char out[AMC_EMAIL_BYTES_MAX];
	size_t signs = 0;
	size_t len;
	size_t i;

	if (amc_email_canonical((const char *) data, size, out, &len) != AMC_EMAIL_OK)
		return 0;
	REQUIRE(len >= 5 && len <= sizeof(out));
	REQUIRE(amc_utf8_valid(out, len));
	for (i = 0; i < len; i++)
	{
		REQUIRE((uint8_t) out[i] > ' ' && out[i] != 0x7f);
		REQUIRE(out[i] < 'A' || out[i] > 'Z');
		signs += out[i] == '@';
	}
	REQUIRE(signs == 1);
	check_same(out, len, out, len);

	for (i = 0; i < size; i++)
		variant[i] = (char) (data[i] >= 'a' && data[i] <= 'z' ? data[i] & ~0x20 : data[i]);
	check_same(variant, size, out, len);
	if (size + 2 <= sizeof(variant))
	{
		variant[0] = ' ';
		memcpy(variant + 1, data, size);
		variant[size + 1] = '\n';
		check_same(variant, size + 2, out, len);
	}
	return 0;
}
