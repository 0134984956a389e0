/*-------------------------------------------------------------------------
 *
 * text.h
 *	  A growing piece of text with a ceiling.
 *
 * Used where the size of an output is not known beforehand (metrics page,
 * help, error list).  A text that would pass its ceiling, or for which no
 * memory is left, is marked failed and ignores further appends, so that
 * callers check once, at the end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_TEXT_H
#define AM_SHIM_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct AmText
{
	char *data;    /* NUL-terminated once something was appended, else NULL */
	size_t length; /* bytes without the NUL */
	size_t capacity;
	size_t bytes_max; /* ceiling of length */
	bool failed;      /* ceiling reached or out of memory */
} AmText;

/* Prepares an empty text that may grow to bytes_max bytes.  Allocates nothing. */
extern void am_text_init(AmText *text, size_t bytes_max);

/* Wipes and frees the text; it may be used again afterwards (same ceiling). */
extern void am_text_free(AmText *text);

/* Empties the text and clears the failure mark, keeping its memory. */
extern void am_text_reset(AmText *text);

/* The text as a C string, "" when empty.  Never NULL. */
extern const char *am_text_string(const AmText *text);

/* Append length bytes; a C string; one character; printf style. */
extern void am_text_add(AmText *text, const char *data, size_t length);
extern void am_text_puts(AmText *text, const char *string);
extern void am_text_putc(AmText *text, char c);
extern void am_text_printf(AmText *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
extern void am_text_vprintf(AmText *text, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

#endif /* AM_SHIM_TEXT_H */
