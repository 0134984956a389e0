/*
 * template.c
 *		Texts with placeholders, as mails are written.
 */
#include "core/template.h"

#define MARK_BYTES 2 /* of "{{" and of "}}" */

typedef enum part_kind
{
	PART_END, /* nothing left */
	PART_TEXT,
	PART_VALUE,  /* {{name}} */
	PART_WITH,   /* {{#name}} */
	PART_UNLESS, /* {{^name}} */
	PART_CLOSE,  /* {{/name}} */
	PART_BROKEN  /* "{{" that begins no tag */
} part_kind;

/* Where rendered bytes go; those beyond size are only counted. */
typedef struct sink
{
	char *out;
	size_t size;
	size_t len;
} sink;

const char *
amc_template_fault_text(amc_template_fault fault)
{
	switch (fault)
	{
		case AMC_TEMPLATE_OK:
			return "nothing is wrong";
		case AMC_TEMPLATE_TAG:
			return "malformed placeholder";
		case AMC_TEMPLATE_UNKNOWN:
			return "unknown placeholder";
		case AMC_TEMPLATE_NESTED:
			return "conditional part inside another";
		case AMC_TEMPLATE_UNOPENED:
			return "end of a conditional part that is not open";
		case AMC_TEMPLATE_UNCLOSED:
			return "conditional part without an end";
		case AMC_TEMPLATE_TAGS:
			return "too many placeholders";
	}
	return "unknown fault";
}

/* ---- reading ---- */

static part_kind
kind_of(char sigil)
{
	switch (sigil)
	{
		case '#':
			return PART_WITH;
		case '^':
			return PART_UNLESS;
		case '/':
			return PART_CLOSE;
		default:
			return PART_VALUE;
	}
}

static size_t
name_bytes(amc_span text)
{
	size_t len = 0;

	while (len < text.len &&
		   ((text.ptr[len] >= 'a' && text.ptr[len] <= 'z') || text.ptr[len] == '_'))
		len++;
	return len;
}

static void
skip(amc_span *text, size_t bytes)
{
	text->ptr += bytes;
	text->len -= bytes;
}

static bool
at_mark(amc_span text, size_t at, char brace)
{
	return text.len - at >= MARK_BYTES && text.ptr[at] == brace && text.ptr[at + 1] == brace;
}

/* Reads the tag at the start of *rest; part receives its name. *rest moves only if it is one. */
static part_kind
tag_next(amc_span *rest, amc_span *part)
{
	amc_span text = *rest;
	part_kind kind;

	skip(&text, MARK_BYTES);
	kind = kind_of(text.len > 0 ? text.ptr[0] : '\0');
	if (kind != PART_VALUE)
		skip(&text, 1);
	*part = (amc_span){text.ptr, name_bytes(text)};
	if (part->len == 0 || part->len > AMC_TEMPLATE_NAME_BYTES_MAX || !at_mark(text, part->len, '}'))
		return PART_BROKEN;
	skip(&text, part->len + MARK_BYTES);
	*rest = text;
	return kind;
}

/* Takes the next part off *rest: part receives the text, or the name in the tag. */
static part_kind
part_next(amc_span *rest, amc_span *part)
{
	size_t len = 0;
	part_kind kind;

	if (rest->len == 0)
		return PART_END;
	while (len < rest->len && !at_mark(*rest, len, '{'))
		len++;
	if (len == 0)
	{
		kind = tag_next(rest, part);
		if (kind == PART_BROKEN)
			skip(rest, MARK_BYTES);
		return kind;
	}
	*part = (amc_span){rest->ptr, len};
	skip(rest, len);
	return PART_TEXT;
}

/* ---- checking ---- */

static size_t
name_find(amc_span name, const amc_span *names, size_t count)
{
	size_t i = 0;

	while (i < count && !amc_span_equals(names[i], name.ptr, name.len))
		i++;
	return i;
}

/* What the tag does to the open part; open->len is 0 when none is. */
static amc_template_fault
tag_check(part_kind kind, amc_span name, amc_span *open)
{
	if (kind == PART_WITH || kind == PART_UNLESS)
	{
		if (open->len > 0)
			return AMC_TEMPLATE_NESTED;
		*open = name;
	}
	else if (kind == PART_CLOSE)
	{
		if (!amc_span_equals(*open, name.ptr, name.len))
			return AMC_TEMPLATE_UNOPENED;
		open->len = 0;
	}
	return AMC_TEMPLATE_OK;
}

static amc_span
start_of(amc_span text)
{
	size_t most = AMC_TEMPLATE_NAME_BYTES_MAX + 1 + 2 * MARK_BYTES;
	size_t len = 0;

	while (len < text.len && len < most && !at_mark(text, len, '}') && text.ptr[len] >= ' ' &&
		   text.ptr[len] <= '~')
		len++;
	if (len + MARK_BYTES <= most && at_mark(text, len, '}'))
		len += MARK_BYTES;
	return (amc_span){text.ptr, len};
}

amc_template_fault
amc_template_check(amc_span text, const amc_span *names, size_t count, uint32_t *shown,
				   amc_span *where)
{
	amc_template_fault fault = AMC_TEMPLATE_OK;
	amc_span open = {NULL, 0};
	size_t tags = 0;
	amc_span part;
	part_kind kind;

	for (*shown = 0, *where = text; (kind = part_next(&text, &part)) != PART_END; *where = text)
	{
		size_t known;

		if (kind == PART_TEXT)
			continue;
		known = kind == PART_BROKEN ? count : name_find(part, names, count);
		if (kind == PART_BROKEN)
			fault = AMC_TEMPLATE_TAG;
		else if (known == count)
			fault = AMC_TEMPLATE_UNKNOWN;
		else if (++tags > AMC_TEMPLATE_TAGS_MAX)
			fault = AMC_TEMPLATE_TAGS;
		else
			fault = tag_check(kind, part, &open);
		if (fault != AMC_TEMPLATE_OK)
			break;
		if (kind == PART_VALUE)
			*shown |= UINT32_C(1) << known;
	}
	if (fault == AMC_TEMPLATE_OK && open.len > 0)
	{
		*where = open;
		return AMC_TEMPLATE_UNCLOSED;
	}
	*where = start_of(*where);
	return fault;
}

/* ---- rendering ---- */

static void
put(sink *to, const char *bytes, size_t len)
{
	if (to->len < to->size)
	{
		size_t room = to->size - to->len;

		memcpy(to->out + to->len, bytes, len < room ? len : room);
	}
	to->len += len;
}

static const char *
html_entity(char c)
{
	switch (c)
	{
		case '&':
			return "&amp;";
		case '<':
			return "&lt;";
		case '>':
			return "&gt;";
		case '"':
			return "&quot;";
		case '\'':
			return "&#39;";
		default:
			return NULL;
	}
}

static void
put_value(sink *to, amc_span value, amc_template_form form)
{
	size_t i;

	for (i = 0; i < value.len; i++)
	{
		unsigned char c = (unsigned char) value.ptr[i];
		const char *entity = form == AMC_TEMPLATE_HTML ? html_entity((char) c) : NULL;

		if (entity != NULL)
			put(to, entity, strlen(entity));
		else
			put(to, c < ' ' || c == 0x7f ? " " : &value.ptr[i], 1);
	}
}

static amc_span
value_of(amc_span name, const amc_template_value *values, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (amc_span_equals(values[i].name, name.ptr, name.len))
			return values[i].value;
	return (amc_span){NULL, 0};
}

size_t
amc_template_render(amc_span text, const amc_template_value *values, size_t count,
					amc_template_form form, char *out, size_t size)
{
	sink to = {out, size, 0};
	bool shown = true;
	amc_span part;
	part_kind kind;

	while ((kind = part_next(&text, &part)) != PART_END)
	{
		amc_span value = {NULL, 0};

		if (kind != PART_TEXT && kind != PART_BROKEN)
			value = value_of(part, values, count);
		if (kind == PART_WITH)
			shown = value.len > 0;
		else if (kind == PART_UNLESS)
			shown = value.len == 0;
		else if (kind == PART_CLOSE)
			shown = true;
		else if (kind == PART_TEXT && shown)
			put(&to, part.ptr, part.len);
		else if (kind == PART_VALUE && shown)
			put_value(&to, value, form);
	}
	return to.len;
}
