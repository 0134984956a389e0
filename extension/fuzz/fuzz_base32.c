/*
 * fuzz_base32.c
 *		Text that decodes is, in upper case, what its bytes encode to; bytes come
 *		back from their text.
 */
#include "core/base32.h"
#include "fuzz.h"

static char
upper(char c)
{
	return (char) (c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t bytes_size = AMC_BASE32_DECODED_LEN(size);
	size_t text_size = AMC_BASE32_ENCODED_LEN(size);
	char *bytes = malloc(size + 1);
	char *text = malloc(text_size + 1);
	size_t len;
	size_t i;

	REQUIRE(bytes != NULL && text != NULL);
	if (amc_base32_decode((const char *) data, size, bytes, bytes_size, &len))
	{
		REQUIRE(len == bytes_size);
		REQUIRE(amc_base32_encode(bytes, len, text, size, &len));
		REQUIRE(len == size);
		for (i = 0; i < size; i++)
			REQUIRE(text[i] == upper((char) data[i]));
	}
	REQUIRE(amc_base32_encode(data, size, text, text_size, &len));
	REQUIRE(len == text_size);
	REQUIRE(amc_base32_decode(text, len, bytes, size, &len));
	REQUIRE(len == size && memcmp(bytes, data, size) == 0);
	free(bytes);
	free(text);
	return 0;
}
