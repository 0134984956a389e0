/*
 * json_string.c
 *		Strings of a parsed document: decoding, comparing; and escaping of text.
 *
 * Everything but amc_json_escape works on strings the parser has accepted, so
 * escapes are complete and surrogates come in pairs.
 */
#include "core/json_internal.h"
#include "core/utf8.h"

/* The single character that an escape other than \u stands for. */
static char
short_escape(char letter)
{
	switch (letter)
	{
		case 'b':
			return '\b';
		case 'f':
			return '\f';
		case 'n':
			return '\n';
		case 'r':
			return '\r';
		case 't':
			return '\t';
		default:
			return letter; /* quote, backslash, slash */
	}
}

size_t
amc_json_string_unit(const char *at, char out[4], size_t *out_len)
{
	uint32_t code_point;

	if (at[0] != '\\' || at[1] != 'u')
	{
		out[0] = at[0] == '\\' ? short_escape(at[1]) : at[0];
		*out_len = 1;
		return at[0] == '\\' ? 2 : 1;
	}
	code_point = (uint32_t) amc_json_hex4(at + 2);
	if (code_point < 0xd800 || code_point > 0xdbff)
	{
		*out_len = amc_utf8_encode(code_point, out);
		return 6;
	}
	code_point = (code_point - 0xd800) << 10;
	code_point += 0x10000 + (uint32_t) amc_json_hex4(at + 8) - 0xdc00;
	*out_len = amc_utf8_encode(code_point, out);
	return 12;
}

bool
amc_json_string_decode(const amc_json *doc, const amc_json_node *node, char *out, size_t out_size,
					   size_t *out_len)
{
	amc_span raw;
	size_t from = 0;
	size_t to = 0;

	if (node->type != AMC_JSON_STRING)
		return false;
	raw = amc_json_string_raw(doc, node);
	while (from < raw.len)
	{
		size_t run = raw.len - from;
		const char *slash = memchr(raw.ptr + from, '\\', run);
		char unit[4];
		size_t unit_len;

		if (slash != NULL)
			run = (size_t) (slash - (raw.ptr + from));
		if (run > out_size - to)
			return false;
		memcpy(out + to, raw.ptr + from, run);
		to += run;
		from += run;
		if (slash == NULL)
			break;
		from += amc_json_string_unit(raw.ptr + from, unit, &unit_len);
		if (unit_len > out_size - to)
			return false;
		memcpy(out + to, unit, unit_len);
		to += unit_len;
	}
	*out_len = to;
	return true;
}

bool
amc_json_string(const amc_json *doc, const amc_json_node *node, char *buffer, size_t buffer_size,
				amc_span *value)
{
	if (node->type != AMC_JSON_STRING)
		return false;
	if ((node->flags & AMC_JSON_FLAG_ESCAPED) == 0)
	{
		*value = amc_json_string_raw(doc, node);
		return true;
	}
	value->ptr = buffer;
	return amc_json_string_decode(doc, node, buffer, buffer_size, &value->len);
}

bool
amc_json_string_equals(const amc_json *doc, const amc_json_node *node, const char *ptr, size_t len)
{
	amc_span raw;
	size_t from = 0;
	size_t matched = 0;

	if (node->type != AMC_JSON_STRING)
		return false;
	raw = amc_json_string_raw(doc, node);
	if ((node->flags & AMC_JSON_FLAG_ESCAPED) == 0)
		return amc_span_equals(raw, ptr, len);
	while (from < raw.len)
	{
		char unit[4];
		size_t unit_len;

		from += amc_json_string_unit(raw.ptr + from, unit, &unit_len);
		if (unit_len > len - matched || memcmp(ptr + matched, unit, unit_len) != 0)
			return false;
		matched += unit_len;
	}
	return matched == len;
}

/* A decoded string read byte by byte. */
typedef struct byte_reader
{
	const char *at;
	const char *end;
	char unit[4];
	size_t unit_len;
	size_t unit_at;
} byte_reader;

/* The next byte, or -1 at the end. */
static int
next_byte(byte_reader *reader)
{
	if (reader->unit_at == reader->unit_len)
	{
		if (reader->at == reader->end)
			return -1;
		reader->at += amc_json_string_unit(reader->at, reader->unit, &reader->unit_len);
		reader->unit_at = 0;
	}
	return (uint8_t) reader->unit[reader->unit_at++];
}

int
amc_json_string_compare(const char *text, const amc_json_node *a, const amc_json_node *b)
{
	byte_reader reader_a = {.at = text + a->start + 1, .end = text + a->end - 1};
	byte_reader reader_b = {.at = text + b->start + 1, .end = text + b->end - 1};
	int byte_a;
	int byte_b;

	if (((a->flags | b->flags) & AMC_JSON_FLAG_ESCAPED) == 0)
	{
		size_t len_a = (size_t) (reader_a.end - reader_a.at);
		size_t len_b = (size_t) (reader_b.end - reader_b.at);
		int order = memcmp(reader_a.at, reader_b.at, len_a < len_b ? len_a : len_b);

		return order != 0 ? order : (len_a > len_b) - (len_a < len_b);
	}
	do
	{
		byte_a = next_byte(&reader_a);
		byte_b = next_byte(&reader_b);
	} while (byte_a == byte_b && byte_a >= 0);
	return byte_a - byte_b;
}

/* The escape of one byte that may not stand in a string; returns its length (2 or 6). */
static size_t
escape_byte(uint8_t byte, char out[6])
{
	static const char digits[16] = "0123456789abcdef";
	static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	size_t i;

	out[0] = '\\';
	for (i = 0; i + 1 < sizeof(letters); i += 2)
		if (letters[i] == (char) byte)
		{
			out[1] = letters[i + 1];
			return 2;
		}
	memcpy(out + 1, "u00", 3);
	out[4] = digits[byte >> 4];
	out[5] = digits[byte & 15];
	return 6;
}

bool
amc_json_escape(const char *text, size_t len, char *out, size_t out_size, size_t *out_len)
{
	size_t from = 0;
	size_t to = 0;

	while (from < len)
	{
		size_t run = amc_json_plain_run(text + from, len - from);
		const char *piece = text + from;
		size_t piece_len = run;
		char escape[6];

		if (run == 0)
		{
			piece_len = run = amc_utf8_sequence(piece, len - from);
			if (run == 0)
			{
				piece = "\xef\xbf\xbd"; /* U+FFFD */
				piece_len = 3;
				run = 1;
			}
			else if (run == 1)
			{
				piece_len = escape_byte((uint8_t) *piece, escape);
				piece = escape;
			}
		}
		if (piece_len > out_size - to)
			return false;
		memcpy(out + to, piece, piece_len);
		to += piece_len;
		from += run;
	}
	*out_len = to;
	return true;
}
