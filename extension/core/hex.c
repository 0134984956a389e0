/*
 * hex.c
 *		Lower-case hexadecimal text.
 */
#include "core/hex.h"

bool
amc_hex_encode(const void *in, size_t in_len, char *out, size_t out_size)
{
	static const char digits[16] = "0123456789abcdef";
	const uint8_t *from = in;
	size_t i;

	if (in_len > out_size / 2)
		return false;
	for (i = 0; i < in_len; i++)
	{
		out[2 * i] = digits[from[i] >> 4];
		out[2 * i + 1] = digits[from[i] & 15];
	}
	return true;
}

/* Value of a lower-case digit, or -1. */
static int
digit_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return -1;
}

bool
amc_hex_decode(const char *in, size_t in_len, void *out, size_t out_size)
{
	uint8_t *to = out;
	size_t i;

	if (in_len % 2 != 0 || in_len / 2 > out_size)
		return false;
	for (i = 0; i < in_len / 2; i++)
	{
		int high = digit_value(in[2 * i]);
		int low = digit_value(in[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		to[i] = (uint8_t) (high * 16 + low);
	}
	return true;
}
