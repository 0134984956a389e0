/*
 * utf8.h
 *		Strict UTF-8 (RFC 3629): no overlong form, no surrogate, nothing above
 *		U+10FFFF.  U+0000 is valid UTF-8; who cannot hold it must check.
 */
#ifndef AMC_UTF8_H
#define AMC_UTF8_H

#include "core/span.h"

#define AMC_UTF8_BYTES_MAX 4 /* of one code point */

/* amc_utf8_valid: are all len bytes well-formed UTF-8?  Empty text is. */
extern bool amc_utf8_valid(const char *text, size_t len);

/*
 * amc_utf8_sequence: length in bytes (1..4) of the well-formed sequence at the
 * start of text, or 0 if there is none within len bytes.
 */
extern size_t amc_utf8_sequence(const char *text, size_t len);

/*
 * amc_utf8_decode: the code point at the start of text, and its length as above;
 * *code_point is untouched if the answer is 0.
 */
extern size_t amc_utf8_decode(const char *text, size_t len, uint32_t *code_point);

/* amc_utf8_count: number of code points of text that is known to be valid. */
extern size_t amc_utf8_count(const char *text, size_t len);

/*
 * amc_utf8_encode: write one code point and return its length in bytes (1..4).
 *
 * Returns 0, writing nothing, for a surrogate or a value above U+10FFFF.
 */
extern size_t amc_utf8_encode(uint32_t code_point, char out[AMC_UTF8_BYTES_MAX]);

/* amc_utf8_is_space: has the code point the Unicode property White_Space? */
extern bool amc_utf8_is_space(uint32_t code_point);

#endif /* AMC_UTF8_H */
