/*
 * span.h
 *		Pointer-plus-length strings of the pure core.
 *
 * Everything in extension/core is plain C11: no postgres.h, no allocation on
 * behalf of the caller, no global state that is written.  Text that came from
 * outside is always a pointer with a length; it may hold any byte, including
 * NUL, and is never handed to a function that looks for a terminator.
 */
#ifndef AMC_SPAN_H
#define AMC_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct amc_span
{
	const char *ptr; /* not terminated; may be NULL if len is 0 */
	size_t len;      /* bytes */
} amc_span;

/* Span of a string literal (never of a pointer: sizeof is taken). */
#define AMC_SPAN(literal) ((amc_span){"" literal, sizeof(literal) - 1})

/* The two arguments "pointer, length" of a string literal. */
#define AMC_LITERAL(literal) ("" literal), (sizeof(literal) - 1)

/*
 * amc_span_equals: are these bytes equal?  Not constant time: use it for names,
 * never for secrets.
 */
static inline bool
amc_span_equals(amc_span a, const char *ptr, size_t len)
{
	return a.len == len && (len == 0 || memcmp(a.ptr, ptr, len) == 0);
}

#endif /* AMC_SPAN_H */
