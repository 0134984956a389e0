/*
 * test_base64url.c
 *		Must hold: every byte string has exactly one accepted text, and nothing else
 *		is accepted (RFC 4648 section 5, RFC 7515 section 2 and appendix C).
 */
#include "core/base64url.h"
#include "core/test/test.h"

static bool
decodes(const char *text, size_t len, char *out, size_t out_size, size_t *out_len)
{
	return amc_base64url_decode(test_copy(text, len), len, out, out_size, out_len);
}

static void
standard_vectors(void)
{
	static const struct
	{
		const char *bytes;
		size_t len;
		const char *text;
	} vectors[] = {
		{"", 0, ""},
		{"f", 1, "Zg"},
		{"fo", 2, "Zm8"},
		{"foo", 3, "Zm9v"},
		{"foob", 4, "Zm9vYg"},
		{"fooba", 5, "Zm9vYmE"},
		{"foobar", 6, "Zm9vYmFy"},
		{"\x03\xec\xff\xe0\xc1", 5, "A-z_4ME"},
		{"\0", 1, "AA"},
		{"\xff\xff\xff", 3, "____"},
		{"\xfb\xef\xbe", 3, "----"},
	};
	size_t i;

	for (i = 0; i < LENGTH_OF(vectors); i++)
	{
		char text[16];
		char bytes[16];
		size_t len = 99;

		test_case(vectors[i].text);
		CHECK(amc_base64url_encode(vectors[i].bytes, vectors[i].len, text, sizeof(text), &len));
		CHECK_TEXT(vectors[i].text, text, len);
		CHECK_INT(AMC_BASE64URL_ENCODED_LEN(vectors[i].len), len);
		CHECK(decodes(text, len, bytes, sizeof(bytes), &len));
		CHECK_INT(vectors[i].len, len);
		CHECK(memcmp(bytes, vectors[i].bytes, len) == 0);
	}
}

static void
refused_spellings(void)
{
	static const struct
	{
		const char *name;
		const char *text;
		size_t len;
	} refused[] = {
		{"security 5: padding", "Zg==", 4},
		{"security 5: padding of one", "Zm8=", 4},
		{"security 5: padding in a group", "Zm=v", 4},
		{"security 5: plus", "A+z_4ME", 7},
		{"security 5: slash", "A-z/4ME", 7},
		{"security 5: blank before", " Zm9v", 5},
		{"security 5: blank within", "Zm 9", 4},
		{"security 5: line break", "Zm9v\n", 5},
		{"security 5: line break in a group", "Zm9\n", 4},
		{"security 5: bits behind one byte", "Zh", 2},
		{"security 5: all bits behind one byte", "Zv", 2},
		{"security 5: bits behind two bytes", "Zm9", 3},
		{"security 5: bits behind two bytes, second bit", "Zm-", 3},
		{"length 1", "Z", 1},
		{"length 4n + 1", "Zm9vY", 5},
		{"NUL", "Zm9\0", 4},
		{"NUL in the tail", "Z\0", 2},
		{"byte above 127", "Zm9\xc3", 4},
		{"byte 255", "\xff\xff\xff\xff", 4},
		{"dot", "Zm9.", 4},
	};
	size_t i;

	for (i = 0; i < LENGTH_OF(refused); i++)
	{
		char bytes[16];
		size_t len;

		test_case(refused[i].name);
		CHECK(!decodes(refused[i].text, refused[i].len, bytes, sizeof(bytes), &len));
	}
}

/* All texts of two and three characters: as many are accepted as there are byte strings. */
static void
one_spelling_each(void)
{
	unsigned long one_byte = 0;
	unsigned long two_bytes = 0;
	unsigned a;
	unsigned b;
	unsigned c;
	size_t len;
	char bytes[3];

	test_case("security 5: one spelling of a byte string");
	for (a = 0; a < 256; a++)
		for (b = 0; b < 256; b++)
		{
			char text[3] = {(char) a, (char) b, 0};

			one_byte += amc_base64url_decode(text, 2, bytes, sizeof(bytes), &len);
			for (c = 0; c < 128; c++)
			{
				text[2] = (char) c;
				two_bytes += amc_base64url_decode(text, 3, bytes, sizeof(bytes), &len);
			}
		}
	CHECK_INT(256, one_byte);
	CHECK_INT(65536, two_bytes);
}

static void
capacities(void)
{
	char *exact = test_alloc(4);
	char *bytes = test_alloc(3);
	size_t len = 77;

	test_case("capacity");
	CHECK(amc_base64url_encode("abc", 3, exact, 4, &len));
	CHECK_INT(4, len);
	CHECK(!amc_base64url_encode("abc", 3, exact, 3, &len));
	CHECK(!amc_base64url_encode("abcd", 4, exact, 4, &len));
	CHECK(!amc_base64url_encode("a", SIZE_MAX, exact, 4, &len));
	CHECK(amc_base64url_decode("Zm9v", 4, bytes, 3, &len));
	CHECK_INT(3, len);
	CHECK(!amc_base64url_decode("Zm9v", 4, bytes, 2, &len));
	CHECK(!amc_base64url_decode("Zm9vYg", 6, bytes, 3, &len));
	CHECK(amc_base64url_decode("", 0, bytes, 0, &len));
	CHECK_INT(0, len);
}

static void
all_lengths(void)
{
	unsigned char bytes[100];
	char *text;
	char *back;
	size_t text_len;
	size_t back_len;
	size_t len;

	test_case("round trip of every length");
	for (len = 0; len < sizeof(bytes); len++)
	{
		bytes[len] = (unsigned char) (len * 151 + 13);
		text = test_alloc(AMC_BASE64URL_ENCODED_LEN(len));
		back = test_alloc(len);
		CHECK(amc_base64url_encode(bytes, len, text, AMC_BASE64URL_ENCODED_LEN(len), &text_len));
		CHECK_INT(len, AMC_BASE64URL_DECODED_LEN(text_len));
		CHECK(amc_base64url_decode(text, text_len, back, len, &back_len));
		CHECK(back_len == len && memcmp(back, bytes, len) == 0);
	}
}

void
test_base64url(void)
{
	standard_vectors();
	refused_spellings();
	one_spelling_each();
	capacities();
	all_lengths();
}
