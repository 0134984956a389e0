/*
 * utf8.c
 *		Strict UTF-8 (RFC 3629).
 */
#include "core/utf8.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)

/*
 * Table 3-7 of the Unicode standard: only the second byte has a range that
 * depends on the first, which is how overlong forms (after E0, F0), surrogates
 * (after ED) and values above U+10FFFF (after F4) are kept out.
 */
static bool
second_byte_fits(uint8_t first, uint8_t second)
{
	switch (first)
	{
		case 0xe0:
			return second >= 0xa0 && second <= 0xbf;
		case 0xed:
			return second >= 0x80 && second <= 0x9f;
		case 0xf0:
			return second >= 0x90 && second <= 0xbf;
		case 0xf4:
			return second >= 0x80 && second <= 0x8f;
		default:
			return (second & 0xc0) == 0x80;
	}
}

size_t
amc_utf8_sequence(const char *text, size_t len)
{
	const uint8_t *at = (const uint8_t *) text;
	size_t need;
	size_t i;

	if (len == 0)
		return 0;
	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	need = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	if (len < need || !second_byte_fits(at[0], at[1]))
		return 0;
	for (i = 2; i < need; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

size_t
amc_utf8_decode(const char *text, size_t len, uint32_t *code_point)
{
	static const uint8_t first_mask[AMC_UTF8_BYTES_MAX + 1] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	size_t count = amc_utf8_sequence(text, len);
	uint32_t value;
	size_t i;

	if (count == 0)
		return 0;
	value = (uint8_t) text[0] & first_mask[count];
	for (i = 1; i < count; i++)
		value = value << 6 | ((uint8_t) text[i] & 63);
	*code_point = value;
	return count;
}

bool
amc_utf8_valid(const char *text, size_t len)
{
	const char *at = text;
	const char *end = text + len;

	while (at < end)
	{
		uint64_t word;
		size_t step;

		if (end - at >= 8)
		{
			memcpy(&word, at, 8);
			if ((word & HIGH_BITS) == 0)
			{
				at += 8;
				continue;
			}
		}
		step = amc_utf8_sequence(at, (size_t) (end - at));
		if (step == 0)
			return false;
		at += step;
	}
	return true;
}

size_t
amc_utf8_count(const char *text, size_t len)
{
	size_t count = 0;
	size_t i;

	for (i = 0; i < len; i++)
		count += ((uint8_t) text[i] & 0xc0) != 0x80;
	return count;
}

size_t
amc_utf8_encode(uint32_t code_point, char out[AMC_UTF8_BYTES_MAX])
{
	if (code_point < 0x80)
	{
		out[0] = (char) code_point;
		return 1;
	}
	if (code_point < 0x800)
	{
		out[0] = (char) (0xc0 | code_point >> 6);
		out[1] = (char) (0x80 | (code_point & 63));
		return 2;
	}
	if (code_point < 0x10000)
	{
		if (code_point >= 0xd800 && code_point <= 0xdfff)
			return 0;
		out[0] = (char) (0xe0 | code_point >> 12);
		out[1] = (char) (0x80 | (code_point >> 6 & 63));
		out[2] = (char) (0x80 | (code_point & 63));
		return 3;
	}
	if (code_point > 0x10ffff)
		return 0;
	out[0] = (char) (0xf0 | code_point >> 18);
	out[1] = (char) (0x80 | (code_point >> 12 & 63));
	out[2] = (char) (0x80 | (code_point >> 6 & 63));
	out[3] = (char) (0x80 | (code_point & 63));
	return 4;
}

bool
amc_utf8_is_space(uint32_t code_point)
{
	if (code_point < 0x80)
		return code_point == ' ' || (code_point >= 0x09 && code_point <= 0x0d);
	switch (code_point)
	{
		case 0x85:
		case 0xa0:
		case 0x1680:
		case 0x2028:
		case 0x2029:
		case 0x202f:
		case 0x205f:
		case 0x3000:
			return true;
		default:
			return code_point >= 0x2000 && code_point <= 0x200a;
	}
}
