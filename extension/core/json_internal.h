/*
 * json_internal.h
 *		What the parts of the JSON parser share; no business of anybody else.
 *
 *		json.c			the parser, members, copies
 *		json_string.c	decoding, comparing and escaping strings
 *		json_key.c		duplicate keys
 *		json_number.c	exact values and wide numbers
 */
#ifndef AMC_JSON_INTERNAL_H
#define AMC_JSON_INTERNAL_H

#include "core/json.h"

/* Digits and exponent of a number, as written. */
typedef struct amc_json_number
{
	bool negative;
	const char *integer;  /* digits before the point */
	size_t integer_len;   /* at least 1 */
	const char *fraction; /* digits after it */
	size_t fraction_len;
	int64_t exponent; /* larger magnitudes than AMC_JSON_EXPONENT_CAP become that */
} amc_json_number;

/* Beyond any length of a document, so that no digits can make up for it. */
#define AMC_JSON_EXPONENT_CAP INT64_C(1000000000000)

/* Longest text amc_json_number_clamp writes: sign, 40 digits, 'e', sign, 5 digits. */
#define AMC_JSON_CLAMPED_BYTES_MAX 48
#define AMC_JSON_CLAMPED_DIGITS    40

/* Take apart the text of a number that the parser has accepted. */
extern void amc_json_number_split(const char *text, size_t len, amc_json_number *number);

/* Beyond AMC_JSON_NUMBER_EXPONENT_MAX on either side? */
extern bool amc_json_number_is_wide(const amc_json_number *number);

/* The nearest number that is not wide, as text; returns its length. */
extern size_t amc_json_number_clamp(const char *text, size_t len,
									char out[AMC_JSON_CLAMPED_BYTES_MAX]);

/*
 * One decoded unit (a code point, or one byte of a raw one) of the inside of a
 * validated string: writes 1..4 bytes, returns how many characters it took.
 */
extern size_t amc_json_string_unit(const char *at, char out[4], size_t *out_len);

/* Compare the decoded values of two string nodes bytewise: below, equal to or above 0. */
extern int amc_json_string_compare(const char *text, const amc_json_node *a,
								   const amc_json_node *b);

/*
 * Are the keys of this object, whose members are complete, all different?  Uses
 * the keys' nodes as working memory; they are whole again if the answer is yes.
 */
extern bool amc_json_keys_unique(const char *text, amc_json_node *nodes, uint32_t object);

/* Value of the four hexadecimal digits of \uXXXX, or -1. */
static inline int32_t
amc_json_hex4(const char *digits)
{
	int32_t value = 0;
	int i;

	for (i = 0; i < 4; i++)
	{
		char digit = digits[i];

		if (digit >= '0' && digit <= '9')
			value = value << 4 | (digit - '0');
		else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
			value = value << 4 | ((digit | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return value;
}

/*
 * Number of bytes at the start of text that stand for themselves in a string:
 * ASCII, no control character, no quote, no backslash.  Eight at a time; each
 * term is exact for every byte of the word (no carry runs into the next one).
 */
static inline size_t
amc_json_plain_run(const char *text, size_t len)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	const uint64_t low7 = ones * 0x7f;
	size_t done = 0;

	while (len - done >= 8)
	{
		uint64_t word;
		uint64_t quote;
		uint64_t slash;
		uint64_t stop;

		memcpy(&word, text + done, 8);
		quote = word ^ ones * '"';
		slash = word ^ ones * '\\';
		quote = ~(((quote & low7) + low7) | quote);
		slash = ~(((slash & low7) + low7) | slash);
		stop = (word | ~((word & low7) + ones * 0x60) | quote | slash) & ~low7;
		if (stop != 0)
		{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
			return done + (size_t) __builtin_ctzll(stop) / 8;
#else
			return done + (size_t) __builtin_clzll(stop) / 8;
#endif
		}
		done += 8;
	}
	while (done < len && (uint8_t) text[done] >= 0x20 && (uint8_t) text[done] < 0x80 &&
		   text[done] != '"' && text[done] != '\\')
		done++;
	return done;
}

#endif /* AMC_JSON_INTERNAL_H */
