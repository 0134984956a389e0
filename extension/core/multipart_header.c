/*
 * multipart_header.c
 *		multipart/form-data that arrives in pieces: media types and header fields.
 *
 * What browsers and curl send decides where the standards leave room.  Both send
 * file names raw in UTF-8, inside quotes.  Browsers write a quote, CR and LF as %22,
 * %0D and %0A (WHATWG HTML, multipart/form-data encoding) and leave a backslash as it
 * is; older versions of curl escape quote and backslash with a backslash.  So these
 * three percent sequences and these two escapes are decoded, and any other percent
 * sign or backslash means itself (C:\cv.txt).  `filename*` is ignored: RFC 7578
 * section 4.2 forbids it, and two names for one file would be one too many.
 */
#include "core/multipart_header.h"

/* The rest of a field value that parameters are read from. */
typedef struct field_cursor
{
	const char *at;
	const char *end;
} field_cursor;

typedef struct parameter
{
	amc_span name;
	amc_span value; /* without its quotes, still escaped */
	bool quoted;
} parameter;

typedef enum parameter_outcome
{
	PARAMETER_TAKEN,
	PARAMETER_NONE, /* the field has ended */
	PARAMETER_MALFORMED
} parameter_outcome;

static bool
is_alphanumeric(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* RFC 9110 section 5.6.2 */
static bool
is_token_character(char c)
{
	return is_alphanumeric(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

/* Is the text this word, which is in lower case, whatever its case is? */
static bool
is_word(amc_span text, const char *word)
{
	size_t i;

	for (i = 0; i < text.len; i++)
		if (word[i] == '\0' || lower(text.ptr[i]) != word[i])
			return false;
	return word[i] == '\0';
}

static amc_span
trim(amc_span text)
{
	while (text.len > 0 && is_blank(text.ptr[0]))
	{
		text.ptr++;
		text.len--;
	}
	while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
		text.len--;
	return text;
}

static void
blanks_skip(field_cursor *cursor)
{
	while (cursor->at < cursor->end && is_blank(*cursor->at))
		cursor->at++;
}

/* What stands before the first semicolon; the cursor is left there. */
static amc_span
field_start(amc_span value, field_cursor *cursor)
{
	const char *stop = value.len == 0 ? NULL : memchr(value.ptr, ';', value.len);

	cursor->end = value.ptr + value.len;
	cursor->at = stop == NULL ? cursor->end : stop;
	return trim((amc_span){value.ptr, (size_t) (cursor->at - value.ptr)});
}

/* The cursor is behind the opening quote. */
static bool
quoted_take(field_cursor *cursor, amc_span *value)
{
	const char *start = cursor->at;

	while (cursor->at < cursor->end && *cursor->at != '"')
	{
		bool escaped = *cursor->at == '\\' && cursor->end - cursor->at > 1 &&
					   (cursor->at[1] == '"' || cursor->at[1] == '\\');

		cursor->at += escaped ? 2 : 1;
	}
	if (cursor->at == cursor->end)
		return false;
	*value = (amc_span){start, (size_t) (cursor->at - start)};
	cursor->at++;
	return true;
}

/* Anything but blanks, quotes and semicolons: boundaries hold more than token characters. */
static bool
unquoted_take(field_cursor *cursor, amc_span *value)
{
	const char *start = cursor->at;

	while (cursor->at < cursor->end && !is_blank(*cursor->at) && *cursor->at != ';' &&
		   *cursor->at != '"')
		cursor->at++;
	*value = (amc_span){start, (size_t) (cursor->at - start)};
	return value->len > 0;
}

/* The next `; name=value` (RFC 9110 section 5.6.6: an empty one is nothing). */
static parameter_outcome
parameter_next(field_cursor *cursor, parameter *found)
{
	const char *start;

	blanks_skip(cursor);
	if (cursor->at < cursor->end && *cursor->at != ';')
		return PARAMETER_MALFORMED;
	while (cursor->at < cursor->end && (*cursor->at == ';' || is_blank(*cursor->at)))
		cursor->at++;
	if (cursor->at == cursor->end)
		return PARAMETER_NONE;
	start = cursor->at;
	while (cursor->at < cursor->end && is_token_character(*cursor->at))
		cursor->at++;
	found->name = (amc_span){start, (size_t) (cursor->at - start)};
	if (found->name.len == 0 || cursor->at == cursor->end || *cursor->at++ != '=')
		return PARAMETER_MALFORMED;
	found->quoted = cursor->at < cursor->end && *cursor->at == '"';
	if (found->quoted)
	{
		cursor->at++;
		return quoted_take(cursor, &found->value) ? PARAMETER_TAKEN : PARAMETER_MALFORMED;
	}
	return unquoted_take(cursor, &found->value) ? PARAMETER_TAKEN : PARAMETER_MALFORMED;
}

/* RFC 2046 section 5.1.1: bchars, and no blank at the end. */
static bool
boundary_valid(amc_span boundary)
{
	size_t i;

	for (i = 0; i < boundary.len; i++)
	{
		char c = boundary.ptr[i];

		if (!is_alphanumeric(c) && (c == '\0' || strchr("'()+_,-./:=? ", c) == NULL))
			return false;
	}
	return boundary.len > 0 && boundary.len <= AMC_MULTIPART_BOUNDARY_BYTES_MAX &&
		   boundary.ptr[boundary.len - 1] != ' ';
}

size_t
amc_multipart_boundary(const char *content_type, size_t len,
					   char out[AMC_MULTIPART_BOUNDARY_BYTES_MAX])
{
	field_cursor cursor;
	parameter found;
	parameter_outcome outcome;
	amc_span boundary = {NULL, 0};

	if (!is_word(field_start((amc_span){content_type, len}, &cursor), "multipart/form-data"))
		return 0;
	while ((outcome = parameter_next(&cursor, &found)) == PARAMETER_TAKEN)
	{
		if (!is_word(found.name, "boundary"))
			continue;
		if (boundary.ptr != NULL)
			return 0;
		boundary = found.value;
	}
	if (outcome != PARAMETER_NONE || boundary.ptr == NULL || !boundary_valid(boundary))
		return 0;
	memcpy(out, boundary.ptr, boundary.len);
	return boundary.len;
}

/* The byte that a percent sequence of browsers stands for; 0 = it is none of them. */
static char
percent_byte(const char *at, const char *end)
{
	if (end - at < 3 || at[0] != '%')
		return '\0';
	if (at[1] == '2' && at[2] == '2')
		return '"';
	if (at[1] == '0' && lower(at[2]) == 'd')
		return '\r';
	return at[1] == '0' && lower(at[2]) == 'a' ? '\n' : '\0';
}

/* Decodes the value of a parameter; false if it is longer than out. */
static bool
value_decode(const parameter *found, char *out, size_t out_size, size_t *out_len)
{
	const char *at = found->value.ptr;
	const char *end = at + found->value.len;
	size_t len = 0;

	while (at < end)
	{
		char c = percent_byte(at, end);
		size_t step = c == '\0' ? 1 : 3;

		if (c == '\0' && found->quoted && *at == '\\' && end - at > 1 &&
			(at[1] == '"' || at[1] == '\\'))
			step = 2;
		if (c == '\0')
			c = at[step - 1];
		if (len == out_size)
			return false;
		out[len++] = c;
		at += step;
	}
	*out_len = len;
	return true;
}

/* RFC 7578 section 4.2 */
static bool
disposition_take(amc_multipart *reader, amc_span value)
{
	field_cursor cursor;
	parameter found;
	parameter_outcome outcome;

	if (reader->has_disposition || !is_word(field_start(value, &cursor), "form-data"))
		return false;
	while ((outcome = parameter_next(&cursor, &found)) == PARAMETER_TAKEN)
	{
		if (is_word(found.name, "name"))
		{
			if (reader->has_disposition ||
				!value_decode(&found, reader->name, sizeof(reader->name), &reader->name_len))
				return false;
			reader->has_disposition = true;
		}
		else if (is_word(found.name, "filename"))
		{
			if (reader->has_filename ||
				!value_decode(&found, reader->filename, sizeof(reader->filename),
							  &reader->filename_len))
				return false;
			reader->has_filename = true;
		}
	}
	return outcome == PARAMETER_NONE && reader->has_disposition;
}

/* The type without its parameters, which nothing here depends on; an empty field counts as none. */
static bool
type_take(amc_multipart *reader, amc_span value)
{
	field_cursor cursor;
	amc_span type = field_start(value, &cursor);
	size_t slashes = 0;
	size_t i;

	if (reader->has_type || type.len > sizeof(reader->type))
		return false;
	for (i = 0; i < type.len; i++)
	{
		bool slash = type.ptr[i] == '/';

		slashes += slash;
		if (slash ? i == 0 || i == type.len - 1 : !is_token_character(type.ptr[i]))
			return false;
		reader->type[i] = lower(type.ptr[i]);
	}
	reader->type_len = type.len;
	reader->has_type = type.len > 0;
	return type.len == 0 || slashes == 1;
}

/* RFC 7578 section 4.7: data are as they are; to decode anything is nobody's wish any more. */
static bool
transfer_encoding_fits(amc_span value)
{
	return is_word(value, "binary") || is_word(value, "8bit") || is_word(value, "7bit");
}

bool
amc_multipart_header_take(amc_multipart *reader)
{
	const char *colon = memchr(reader->line, ':', reader->line_len);
	amc_span name;
	amc_span value;
	size_t i;

	if (colon == NULL || colon == reader->line)
		return false;
	name = (amc_span){reader->line, (size_t) (colon - reader->line)};
	value = trim((amc_span){colon + 1, reader->line_len - name.len - 1});
	/* a blank before the colon or at the beginning (a folded line) is no token character */
	for (i = 0; i < name.len; i++)
		if (!is_token_character(name.ptr[i]))
			return false;
	if (is_word(name, "content-disposition"))
		return disposition_take(reader, value);
	if (is_word(name, "content-type"))
		return type_take(reader, value);
	if (is_word(name, "content-transfer-encoding"))
		return transfer_encoding_fits(value);
	return true;
}
