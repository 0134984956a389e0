/*
 * fuzz_base64url.c
 *		Text that decodes is what its bytes encode to; bytes come back from their text.
 */
#include "core/base64url.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t bytes_size = AMC_BASE64URL_DECODED_LEN(size);
	size_t text_size = AMC_BASE64URL_ENCODED_LEN(size);
	char *bytes = malloc(size + 1);
	char *text = malloc(text_size + 1);
	size_t len;

	REQUIRE(bytes != NULL && text != NULL);
	if (amc_base64url_decode((const char *) data, size, bytes, bytes_size, &len))
	{
		REQUIRE(len == bytes_size);
		REQUIRE(amc_base64url_encode(bytes, len, text, size, &len));
		REQUIRE(len == size && memcmp(text, data, size) == 0);
	}
	REQUIRE(amc_base64url_encode(data, size, text, text_size, &len));
	REQUIRE(len == text_size);
	REQUIRE(amc_base64url_decode(text, len, bytes, size, &len));
	REQUIRE(len == size && memcmp(bytes, data, size) == 0);
	free(bytes);
	free(text);
	return 0;
}
