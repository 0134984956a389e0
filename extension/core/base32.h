/*
 * base32.h
 *		Base32 without padding (RFC 4648 section 6): the spelling of secrets that
 *		people and authenticator apps copy.
 *
 * It is written in upper case and read in either case.  Apart from that, one
 * byte string has exactly one accepted spelling.
 */
#ifndef AMC_BASE32_H
#define AMC_BASE32_H

#include "core/span.h"

/* Exact text length of n bytes, and exact byte count of a text of n characters. */
#define AMC_BASE32_ENCODED_LEN(n) (((n) *8 + 4) / 5)
#define AMC_BASE32_DECODED_LEN(n) ((n) *5 / 8)

/* More bytes are neither written nor read. */
#define AMC_BASE32_BYTES_MAX ((size_t) 1 << 20)

/*
 * amc_base32_encode: write in_len bytes as base32 text.
 *
 * out_size is the capacity in bytes; no terminator is written.  Returns false,
 * and writes nothing, if in_len is above AMC_BASE32_BYTES_MAX or out_size below
 * AMC_BASE32_ENCODED_LEN(in_len).
 */
extern bool amc_base32_encode(const void *in, size_t in_len, char *out, size_t out_size,
							  size_t *out_len);

/*
 * amc_base32_decode: read base32 text into bytes.
 *
 * Refused (false): padding, blanks, hyphens and every other character outside
 * the alphabet, a length that no byte string has (8n + 1, 3 or 6), non-zero bits
 * after the last byte, more than AMC_BASE32_BYTES_MAX bytes, and out_size <
 * AMC_BASE32_DECODED_LEN(in_len).  The empty text is the empty byte string.
 * After a refusal the content of out is unspecified.
 */
extern bool amc_base32_decode(const char *in, size_t in_len, void *out, size_t out_size,
							  size_t *out_len);

#endif /* AMC_BASE32_H */
