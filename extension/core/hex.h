/*
 * hex.h
 *		Lower-case hexadecimal text.
 */
#ifndef AMC_HEX_H
#define AMC_HEX_H

#include "core/span.h"

/*
 * amc_hex_encode: write in_len bytes as 2 * in_len lower-case digits.
 *
 * No terminator is written.  Returns false, and writes nothing, if out_size is
 * below 2 * in_len.
 */
extern bool amc_hex_encode(const void *in, size_t in_len, char *out, size_t out_size);

/*
 * amc_hex_decode: read exactly in_len digits into in_len / 2 bytes.
 *
 * Only 0-9 and a-f are digits: one byte string has one spelling.  Returns false
 * for an odd length, another character, or out_size below in_len / 2.
 */
extern bool amc_hex_decode(const char *in, size_t in_len, void *out, size_t out_size);

#endif /* AMC_HEX_H */
