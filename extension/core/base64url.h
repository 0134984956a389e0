/*
 * base64url.h
 *		Strict base64url without padding (RFC 4648 section 5, RFC 7515 section 2).
 *
 * One byte string has exactly one accepted spelling, so a token cannot be
 * rewritten into another text with the same meaning.
 */
#ifndef AMC_BASE64URL_H
#define AMC_BASE64URL_H

#include "core/span.h"

/* Exact text length of n bytes, and exact byte count of a text of n characters. */
#define AMC_BASE64URL_ENCODED_LEN(n) ((n) / 3 * 4 + ((n) % 3 == 0 ? 0 : (n) % 3 + 1))
#define AMC_BASE64URL_DECODED_LEN(n) ((n) / 4 * 3 + ((n) % 4 == 0 ? 0 : (n) % 4 - 1))

/*
 * amc_base64url_encode: write in_len bytes as base64url text.
 *
 * out_size is the capacity in bytes; no terminator is written.  Returns false,
 * and writes nothing, if out_size < AMC_BASE64URL_ENCODED_LEN(in_len).
 */
extern bool amc_base64url_encode(const void *in, size_t in_len, char *out, size_t out_size,
								 size_t *out_len);

/*
 * amc_base64url_decode: read base64url text into bytes.
 *
 * Refused (false): padding, '+', '/', blanks and every other character outside
 * the alphabet, a length of 4n + 1, non-zero bits after the last byte, and
 * out_size < AMC_BASE64URL_DECODED_LEN(in_len).  The empty text is the empty
 * byte string.  After a refusal the content of out is unspecified.  out may not
 * overlap in.  The table look-ups are not constant time.
 */
extern bool amc_base64url_decode(const char *in, size_t in_len, void *out, size_t out_size,
								 size_t *out_len);

#endif /* AMC_BASE64URL_H */
