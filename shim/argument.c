/*-------------------------------------------------------------------------
 *
 * argument.c
 *	  The jsonb argument of an endpoint function (see argument.h).
 *
 *-------------------------------------------------------------------------
 */
#include "argument.h"

#include <string.h>

static void
text_member(AmBuffer *argument, const char *key, const char *value)
{
	am_buffer_puts(argument, key);
	am_buffer_json(argument, value, strlen(value));
}

void
am_argument_begin(AmBuffer *argument, const char *id, const AmRoute *route, AmMethod method,
				  const char *ip, const char *prefix)
{
	text_member(argument, "{\"id\":", id);
	text_member(argument, ",\"api\":", route->api);
	text_member(argument, ",\"method\":", am_method_name(method));
	text_member(argument, ",\"ip\":", ip);
	if (strcmp(prefix, "/") != 0)
		text_member(argument, ",\"prefix\":", prefix);
}

void
am_argument_member(AmBuffer *argument, const char *name, amc_span value)
{
	if (value.ptr == NULL)
		return;
	am_buffer_putc(argument, ',');
	am_buffer_json(argument, name, strlen(name));
	am_buffer_putc(argument, ':');
	am_buffer_json(argument, value.ptr, value.len);
}

/* Opens `,"<name>":{` for the first member, writes a comma before each later one. */
static void
object_next(AmBuffer *argument, const char *opening, int *count)
{
	if (*count == 0)
		am_buffer_puts(argument, opening);
	else
		am_buffer_putc(argument, ',');
	(*count)++;
}

static void
object_close(AmBuffer *argument, int count)
{
	if (count > 0)
		am_buffer_putc(argument, '}');
}

/* Appends the decoded text as a JSON string; false if it cannot be decoded. */
static bool
add_decoded(AmBuffer *argument, amc_span text)
{
	size_t start = argument->length;
	size_t length;
	char *decoded;

	/* decode behind the place the escaped string will take, then escape from there */
	if (!am_buffer_reserve(argument, AMC_JSON_ESCAPED_MAX(text.len) + 2 + text.len))
		return true;
	decoded = argument->data + start + AMC_JSON_ESCAPED_MAX(text.len) + 2;
	if (!am_percent_decode(text, decoded, text.len, &length))
		return false;
	am_buffer_json(argument, decoded, length);
	if (argument->written < (size_t) (decoded - argument->data) + length)
		argument->written = (size_t) (decoded - argument->data) + length;
	return true;
}

void
am_argument_path(AmBuffer *argument, const AmRouteMatch *match)
{
	int count = 0;

	for (int i = 0; i < match->parameter_count; i++)
	{
		size_t start = argument->length;
		int before = count;

		object_next(argument, ",\"path\":{", &count);
		am_buffer_json(argument, match->name[i].ptr, match->name[i].len);
		am_buffer_putc(argument, ':');
		if (add_decoded(argument, match->value[i]))
			continue;
		if (!argument->failed)
			am_buffer_cut(argument, start);
		count = before;
	}
	object_close(argument, count);
}

/*
 * The decoded names of a query are compared as the escaped text that was
 * written: equal names have equal text.
 */
static bool
query_name_repeated(const AmBuffer *argument, const size_t *name_start, const size_t *name_end,
					int count)
{
	const char *name = argument->data + name_start[count];
	size_t length = name_end[count] - name_start[count];

	for (int i = 0; i < count; i++)
	{
		if (name_end[i] - name_start[i] == length &&
			memcmp(argument->data + name_start[i], name, length) == 0)
			return true;
	}
	return false;
}

bool
am_argument_query(AmBuffer *argument, const AmHeader *pair, int pair_count, AmVetReason *reason)
{
	size_t name_start[AM_QUERY_PARAMETERS_MAX];
	size_t name_end[AM_QUERY_PARAMETERS_MAX];
	int count = 0;

	*reason = AM_VET_QUERY;
	if (pair_count > AM_QUERY_PARAMETERS_MAX)
		return false;
	for (int i = 0; i < pair_count; i++)
	{
		object_next(argument, ",\"query\":{", &count);
		name_start[i] = argument->length;
		if (!add_decoded(argument, pair[i].name))
			*reason = AM_VET_PERCENT_ENCODING;
		name_end[i] = argument->length;
		am_buffer_putc(argument, ':');
		if (*reason == AM_VET_QUERY && !add_decoded(argument, pair[i].value))
			*reason = AM_VET_PERCENT_ENCODING;
		if (*reason == AM_VET_PERCENT_ENCODING)
			return false;
		if (!argument->failed && query_name_repeated(argument, name_start, name_end, i))
			return false;
	}
	object_close(argument, count);
	return true;
}

void
am_argument_headers(AmBuffer *argument, const AmRoute *route, const AmHead *head)
{
	int count = 0;

	for (int i = 0; i < route->header_count; i++)
	{
		const char *name = route->header[i];
		amc_span value = am_head_find(head, name, strlen(name));

		if (value.ptr == NULL)
			continue;
		object_next(argument, ",\"headers\":{", &count);
		am_buffer_json(argument, name, strlen(name));
		am_buffer_putc(argument, ':');
		am_buffer_json(argument, value.ptr, value.len);
	}
	object_close(argument, count);
}

typedef struct CookieList
{
	AmHeader cookie[AM_COOKIES_MAX];
	int count;
} CookieList;

static amc_span
cookie_trim(const char *start, const char *end)
{
	while (start < end && (*start == ' ' || *start == '\t'))
		start++;
	while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return (amc_span){start, (size_t) (end - start)};
}

/* Takes "name=value" if the name is a token; the quotes around a value are no part of it. */
static void
cookie_take(CookieList *list, amc_span text)
{
	const char *equals = text.len > 0 ? memchr(text.ptr, '=', text.len) : NULL;
	amc_span name;
	amc_span value;

	if (equals == NULL || list->count == AM_COOKIES_MAX)
		return;
	name = cookie_trim(text.ptr, equals);
	value = cookie_trim(equals + 1, text.ptr + text.len);
	if (!am_token_valid(name.ptr, name.len))
		return;
	if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
		value = (amc_span){value.ptr + 1, value.len - 2};
	list->cookie[list->count].name = name;
	list->cookie[list->count].value = value;
	list->count++;
}

static void
cookie_line_take(CookieList *list, amc_span line)
{
	const char *end = line.ptr + line.len;
	const char *at = line.ptr;

	while (at < end)
	{
		const char *stop = memchr(at, ';', (size_t) (end - at));

		if (stop == NULL)
			stop = end;
		cookie_take(list, cookie_trim(at, stop));
		at = stop + 1;
	}
}

/* Writes the values of the cookie at first and of its later namesakes. */
static void
cookie_values(AmBuffer *argument, const CookieList *list, int first)
{
	const AmHeader *cookie = &list->cookie[first];
	int values = 0;

	am_buffer_json(argument, cookie->name.ptr, cookie->name.len);
	am_buffer_puts(argument, ":[");
	for (int i = first; i < list->count && values < AM_COOKIE_VALUES_MAX; i++)
	{
		if (!amc_span_equals(list->cookie[i].name, cookie->name.ptr, cookie->name.len))
			continue;
		if (values++ > 0)
			am_buffer_putc(argument, ',');
		am_buffer_json(argument, list->cookie[i].value.ptr, list->cookie[i].value.len);
	}
	am_buffer_putc(argument, ']');
}

static bool
cookie_seen(const CookieList *list, int index)
{
	for (int i = 0; i < index; i++)
	{
		if (amc_span_equals(list->cookie[i].name, list->cookie[index].name.ptr,
							list->cookie[index].name.len))
			return true;
	}
	return false;
}

void
am_argument_cookies(AmBuffer *argument, const AmHead *head)
{
	CookieList list;
	int count = 0;

	list.count = 0;
	for (int i = 0; i < head->cookie_count; i++)
		cookie_line_take(&list, head->cookie[i]);
	for (int i = 0; i < list.count; i++)
	{
		if (cookie_seen(&list, i))
			continue;
		object_next(argument, ",\"cookies\":{", &count);
		cookie_values(argument, &list, i);
	}
	object_close(argument, count);
}

void
am_argument_bearer(AmBuffer *argument, const AmHead *head)
{
	am_argument_member(argument, "bearer", am_head_bearer(head));
}

/* Numbers that PostgreSQL cannot hold are replaced by the nearest it can (core/json.h). */
static bool
wide_numbers_replace(AmBuffer *argument, size_t body_start, const amc_json *doc)
{
	size_t bytes = argument->length - body_start;
	size_t length;
	char *copy = am_pool_take(argument->pool, bytes, false);
	bool copied;

	if (copy == NULL)
		return false;
	copied = amc_json_copy(doc, amc_json_root(doc), copy, bytes, &length);
	if (copied)
	{
		memcpy(argument->data + body_start, copy, length);
		am_buffer_cut(argument, body_start + length);
	}
	am_pool_give(argument->pool, copy, bytes, bytes);
	return copied;
}

AmBodyOutcome
am_argument_body_json(AmBuffer *argument, size_t member_start, size_t body_start,
					  const AmJsonScratch *scratch)
{
	amc_json_limits limits = {
		.bytes_max = AMC_JSON_BYTES_LIMIT,
		.depth_max = AM_JSON_DEPTH_MAX,
		.nodes_max = AM_JSON_NODES_MAX,
	};
	amc_json doc;
	AmBodyOutcome outcome = AM_BODY_INVALID;

	if (argument->failed)
		outcome = AM_BODY_NO_MEMORY;
	else if (argument->length == body_start)
		outcome = AM_BODY_EMPTY;
	else if (amc_json_parse(argument->data + body_start, argument->length - body_start, &limits,
							scratch->nodes, &doc) == AMC_JSON_OK &&
			 amc_json_root(&doc)->type == AMC_JSON_OBJECT)
	{
		if (doc.wide_count == 0 || wide_numbers_replace(argument, body_start, &doc))
			return AM_BODY_ACCEPTED;
		outcome = AM_BODY_NO_MEMORY;
	}
	am_buffer_cut(argument, member_start);
	return outcome;
}

/*
 * Base64 in place: the text of the last bytes goes to the end of the room it
 * needs, so working backwards never overwrites bytes that are still to be read.
 */
static void
base64_expand(char *data, size_t bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t groups = (bytes + 2) / 3;

	for (size_t i = groups; i-- > 0;)
	{
		size_t left = bytes - i * 3;
		unsigned char a = (unsigned char) data[i * 3];
		unsigned char b = left > 1 ? (unsigned char) data[i * 3 + 1] : 0;
		unsigned char c = left > 2 ? (unsigned char) data[i * 3 + 2] : 0;

		data[i * 4] = digits[a >> 2];
		data[i * 4 + 1] = digits[((a & 0x3) << 4) | (b >> 4)];
		data[i * 4 + 2] = left > 1 ? digits[((b & 0xf) << 2) | (c >> 6)] : '=';
		data[i * 4 + 3] = left > 2 ? digits[c & 0x3f] : '=';
	}
}

AmBodyOutcome
am_argument_body_raw(AmBuffer *argument, size_t member_start, size_t body_start)
{
	size_t bytes = argument->length - body_start;
	size_t encoded = (bytes + 2) / 3 * 4;

	if (argument->failed || bytes == 0 || !am_buffer_reserve(argument, encoded - bytes + 1))
	{
		AmBodyOutcome outcome = argument->failed ? AM_BODY_NO_MEMORY : AM_BODY_EMPTY;

		am_buffer_cut(argument, member_start);
		return outcome;
	}
	base64_expand(argument->data + body_start, bytes);
	argument->length = body_start + encoded;
	am_buffer_putc(argument, '"');
	return AM_BODY_ACCEPTED;
}

void
am_argument_end(AmBuffer *argument)
{
	am_buffer_putc(argument, '}');
	if (am_buffer_reserve(argument, 1))
		argument->data[argument->length] = '\0';
}
