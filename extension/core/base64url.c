/*
 * base64url.c
 *		Strict base64url without padding (RFC 4648 section 5).
 *
 * Both directions work on whole groups (3 bytes, 4 characters) and treat the
 * last, short group apart.  Decoding looks characters up in a table whose entry
 * for a foreign character has the high bit set; these bits are gathered and
 * tested once at the end, so the loop has no branch on its data.
 */
#include "core/base64url.h"

static const char digits[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#define FOREIGN 0x80 /* no value of a digit has this bit */

/* clang-format off */
#define X 0xff
static const uint8_t values[256] = {
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  62, X,  X,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, X,  X,  X,  X,  X,  X,
	X,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, X,  X,  X,  X,  63,
	X,  26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, X,  X,  X,  X,  X,
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
	X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
};
#undef X
/* clang-format on */

bool
amc_base64url_encode(const void *in, size_t in_len, char *out, size_t out_size, size_t *out_len)
{
	const uint8_t *from = in;
	const uint8_t *groups_end;
	char *to = out;
	uint32_t group;

	if (in_len > SIZE_MAX / 2 || out_size < AMC_BASE64URL_ENCODED_LEN(in_len))
		return false;

	groups_end = from + in_len / 3 * 3;
	for (; from < groups_end; from += 3)
	{
		group = (uint32_t) from[0] << 16 | (uint32_t) from[1] << 8 | from[2];
		*to++ = digits[group >> 18];
		*to++ = digits[group >> 12 & 63];
		*to++ = digits[group >> 6 & 63];
		*to++ = digits[group & 63];
	}
	if (in_len % 3 != 0)
	{
		group = (uint32_t) from[0] << 16 | (in_len % 3 == 2 ? (uint32_t) from[1] << 8 : 0);
		*to++ = digits[group >> 18];
		*to++ = digits[group >> 12 & 63];
		if (in_len % 3 == 2)
			*to++ = digits[group >> 6 & 63];
	}
	*out_len = (size_t) (to - out);
	return true;
}

/*
 * The last two or three characters: one or two bytes.  The bits behind the last
 * byte must be zero, or the same bytes would have several spellings.
 */
static bool
decode_tail(const uint8_t *from, size_t len, uint8_t *to)
{
	uint8_t a = values[from[0]];
	uint8_t b = values[from[1]];
	uint8_t c = len == 3 ? values[from[2]] : 0;

	if ((a | b | c) & FOREIGN)
		return false;
	to[0] = (uint8_t) (a << 2 | b >> 4);
	if (len == 2)
		return (b & 0x0f) == 0;
	to[1] = (uint8_t) (b << 4 | c >> 2);
	return (c & 0x03) == 0;
}

bool
amc_base64url_decode(const char *in, size_t in_len, void *out, size_t out_size, size_t *out_len)
{
	const uint8_t *from = (const uint8_t *) in;
	const uint8_t *groups_end = from + in_len / 4 * 4;
	uint8_t *to = out;
	uint8_t foreign = 0;
	size_t tail = in_len % 4;

	if (tail == 1 || out_size < AMC_BASE64URL_DECODED_LEN(in_len))
		return false;

	for (; from < groups_end; from += 4)
	{
		uint8_t a = values[from[0]];
		uint8_t b = values[from[1]];
		uint8_t c = values[from[2]];
		uint8_t d = values[from[3]];

		foreign |= a | b | c | d;
		to[0] = (uint8_t) (a << 2 | b >> 4);
		to[1] = (uint8_t) (b << 4 | c >> 2);
		to[2] = (uint8_t) (c << 6 | d);
		to += 3;
	}
	if (foreign & FOREIGN)
		return false;
	if (tail != 0 && !decode_tail(from, tail, to))
		return false;
	*out_len = AMC_BASE64URL_DECODED_LEN(in_len);
	return true;
}
