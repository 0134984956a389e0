/*-------------------------------------------------------------------------
 *
 * text.c
 *	  A growing piece of text with a ceiling; see text.h.
 *
 *-------------------------------------------------------------------------
 */
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_CAPACITY_MIN 256

void
am_text_init(AmText *text, size_t bytes_max)
{
	memset(text, 0, sizeof(*text));
	text->bytes_max = bytes_max;
}

void
am_text_free(AmText *text)
{
	size_t bytes_max = text->bytes_max;

	if (text->data != NULL)
	{
		explicit_bzero(text->data, text->capacity);
		free(text->data);
	}
	am_text_init(text, bytes_max);
}

void
am_text_reset(AmText *text)
{
	text->length = 0;
	text->failed = false;
	if (text->data != NULL)
		text->data[0] = '\0';
}

const char *
am_text_string(const AmText *text)
{
	return text->data != NULL ? text->data : "";
}

/*
 * Makes room for length more bytes and the NUL.  Grown by doubling, into new
 * memory, because realloc would leave an unwiped copy of what may be a secret.
 */
static bool
text_reserve(AmText *text, size_t length)
{
	size_t capacity = text->capacity > 0 ? text->capacity : TEXT_CAPACITY_MIN;
	char *data;

	if (text->failed || length > text->bytes_max - text->length)
	{
		text->failed = true;
		return false;
	}
	if (text->length + length < text->capacity)
		return true;
	while (capacity <= text->length + length)
		capacity *= 2;
	data = malloc(capacity);
	if (data == NULL)
	{
		text->failed = true;
		return false;
	}
	data[0] = '\0';
	if (text->data != NULL)
	{
		memcpy(data, text->data, text->length + 1);
		explicit_bzero(text->data, text->capacity);
		free(text->data);
	}
	text->data = data;
	text->capacity = capacity;
	return true;
}

void
am_text_add(AmText *text, const char *data, size_t length)
{
	if (length == 0 || !text_reserve(text, length))
		return;
	memcpy(text->data + text->length, data, length);
	text->length += length;
	text->data[text->length] = '\0';
}

void
am_text_puts(AmText *text, const char *string)
{
	am_text_add(text, string, strlen(string));
}

void
am_text_putc(AmText *text, char c)
{
	am_text_add(text, &c, 1);
}

void
am_text_vprintf(AmText *text, const char *format, va_list arguments)
{
	va_list measured;
	int length;

	va_copy(measured, arguments);
	length = vsnprintf(NULL, 0, format, measured);
	va_end(measured);
	if (length < 0)
	{
		text->failed = true;
		return;
	}
	if (!text_reserve(text, (size_t) length))
		return;
	(void) vsnprintf(text->data + text->length, (size_t) length + 1, format, arguments);
	text->length += (size_t) length;
}

void
am_text_printf(AmText *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	am_text_vprintf(text, format, arguments);
	va_end(arguments);
}
