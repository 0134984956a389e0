/*
 * base32.c
 *		Base32 without padding (RFC 4648 section 6).
 *
 * Both directions move bits through a small window, most significant first.  The
 * value of a character is computed, not looked up, so that no memory is read at
 * an address that depends on a secret.
 */
#include "core/base32.h"

#define FOREIGN 32 /* no value of a digit */

static char
digit_of(unsigned value)
{
	return (char) (value < 26 ? 'A' + value : '2' + (value - 26));
}

bool
amc_base32_encode(const void *in, size_t in_len, char *out, size_t out_size, size_t *out_len)
{
	const uint8_t *from = in;
	uint32_t window = 0;
	unsigned bits = 0;
	size_t written = 0;
	size_t i;

	if (in_len > AMC_BASE32_BYTES_MAX || out_size < AMC_BASE32_ENCODED_LEN(in_len))
		return false;
	for (i = 0; i < in_len; i++)
	{
		window = window << 8 | from[i];
		for (bits += 8; bits >= 5; bits -= 5)
			out[written++] = digit_of(window >> (bits - 5) & 31);
	}
	if (bits > 0)
		out[written++] = digit_of(window << (5 - bits) & 31);
	*out_len = written;
	return true;
}

/* Value of a digit of either case, or FOREIGN. */
static unsigned
digit_value(char digit)
{
	unsigned letter = ((unsigned char) digit | 0x20u) - 'a';
	unsigned number = (unsigned char) digit - '2';

	if (letter < 26)
		return letter;
	return number < 6 ? 26 + number : FOREIGN;
}

static bool
length_possible(size_t len)
{
	size_t rest = len % 8;

	return rest != 1 && rest != 3 && rest != 6 &&
		   len <= AMC_BASE32_ENCODED_LEN(AMC_BASE32_BYTES_MAX);
}

bool
amc_base32_decode(const char *in, size_t in_len, void *out, size_t out_size, size_t *out_len)
{
	uint8_t *to = out;
	uint32_t window = 0;
	unsigned bits = 0;
	size_t written = 0;
	size_t i;

	if (!length_possible(in_len) || out_size < AMC_BASE32_DECODED_LEN(in_len))
		return false;
	for (i = 0; i < in_len; i++)
	{
		unsigned value = digit_value(in[i]);

		if (value == FOREIGN)
			return false;
		window = window << 5 | value;
		bits += 5;
		if (bits >= 8)
		{
			bits -= 8;
			to[written++] = (uint8_t) (window >> bits);
		}
	}
	*out_len = written;
	return (window & ((1u << bits) - 1)) == 0;
}
