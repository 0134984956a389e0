/*
 * json.c
 *		The parser: one pass over the text, nodes written as values begin.
 *
 * There is no recursion and no stack: the container being filled is the parent
 * chain of the nodes themselves.  The loop alternates between "a value is due"
 * (read_value) and "a value has ended" (end_value), which climbs out of every
 * container that ends there.  Every read is preceded by a test against the end.
 */
#include "core/json_internal.h"
#include "core/utf8.h"

typedef struct parser
{
	const char *text;
	const char *at;
	const char *end;
	amc_json_node *nodes;
	uint32_t nodes_max;
	uint32_t count;
	uint32_t container; /* being filled, or AMC_JSON_NO_PARENT */
	uint32_t depth;
	uint32_t depth_max;
	uint32_t wide_count;
	bool value_due; /* else a value has just ended */
} parser;

const char *
amc_json_status_text(amc_json_status status)
{
	static const char *const texts[] = {
		[AMC_JSON_OK] = "valid",
		[AMC_JSON_SYNTAX] = "syntax error",
		[AMC_JSON_TRUNCATED] = "text ends too early",
		[AMC_JSON_TRAILING] = "text after the document",
		[AMC_JSON_UTF8] = "invalid UTF-8",
		[AMC_JSON_SURROGATE] = "lone surrogate",
		[AMC_JSON_NUL] = "NUL character in a string",
		[AMC_JSON_CONTROL] = "control character in a string",
		[AMC_JSON_ESCAPE] = "invalid escape sequence",
		[AMC_JSON_NUMBER] = "malformed number",
		[AMC_JSON_DUPLICATE_KEY] = "duplicate key",
		[AMC_JSON_DEPTH] = "nested too deeply",
		[AMC_JSON_BYTES] = "text too long",
		[AMC_JSON_NODES] = "too many values",
	};

	if ((size_t) status >= sizeof(texts) / sizeof(texts[0]))
		return "unknown status";
	return texts[status];
}

static inline void
skip_blanks(parser *p)
{
	while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t'))
		p->at++;
}

/* What is wrong when another character was expected here. */
static amc_json_status
unexpected(const parser *p)
{
	return p->at == p->end ? AMC_JSON_TRUNCATED : AMC_JSON_SYNTAX;
}

/* Begin a node at the present place; NULL if the array is full. */
static inline amc_json_node *
push_node(parser *p, amc_json_type type, uint8_t flags)
{
	amc_json_node *node;

	if (p->count == p->nodes_max)
		return NULL;
	node = &p->nodes[p->count++];
	node->start = (uint32_t) (p->at - p->text);
	node->next = p->count;
	node->parent = p->container;
	node->count = 0;
	node->type = (uint8_t) type;
	node->flags = flags;
	node->reserved = 0;
	if (p->container != AMC_JSON_NO_PARENT && (flags & AMC_JSON_FLAG_KEY) == 0)
		p->nodes[p->container].count++;
	return node;
}

/* \uXXXX, and its partner if it is the first half of a surrogate pair. */
static amc_json_status
read_unicode_escape(parser *p)
{
	int32_t unit;

	if (p->end - p->at < 6)
		return AMC_JSON_TRUNCATED;
	unit = amc_json_hex4(p->at + 2);
	if (unit < 0)
		return AMC_JSON_ESCAPE;
	if (unit == 0)
		return AMC_JSON_NUL;
	if (unit >= 0xdc00 && unit <= 0xdfff)
		return AMC_JSON_SURROGATE;
	if (unit >= 0xd800 && unit <= 0xdbff)
	{
		if (p->end - p->at < 12)
			return AMC_JSON_SURROGATE;
		if (p->at[6] != '\\' || p->at[7] != 'u')
			return AMC_JSON_SURROGATE;
		unit = amc_json_hex4(p->at + 8);
		if (unit < 0xdc00 || unit > 0xdfff)
			return AMC_JSON_SURROGATE;
		p->at += 6;
	}
	p->at += 6;
	return AMC_JSON_OK;
}

static amc_json_status
read_escape(parser *p)
{
	if (p->end - p->at < 2)
		return AMC_JSON_TRUNCATED;
	switch (p->at[1])
	{
		case '"':
		case '\\':
		case '/':
		case 'b':
		case 'f':
		case 'n':
		case 'r':
		case 't':
			p->at += 2;
			return AMC_JSON_OK;
		case 'u':
			return read_unicode_escape(p);
		default:
			return AMC_JSON_ESCAPE;
	}
}

/* A string from its opening quote on; flags are those of its node to be. */
static amc_json_status
read_string(parser *p, uint8_t flags)
{
	amc_json_node *node = push_node(p, AMC_JSON_STRING, flags);

	if (node == NULL)
		return AMC_JSON_NODES;
	p->at++;
	for (;;)
	{
		amc_json_status status;
		size_t step;

		p->at += amc_json_plain_run(p->at, (size_t) (p->end - p->at));
		if (p->at == p->end)
			return AMC_JSON_TRUNCATED;
		if (*p->at == '"')
			break;
		if (*p->at == '\\')
		{
			status = read_escape(p);
			if (status != AMC_JSON_OK)
				return status;
			node->flags |= AMC_JSON_FLAG_ESCAPED;
			continue;
		}
		if ((uint8_t) *p->at < 0x20)
			return *p->at == '\0' ? AMC_JSON_NUL : AMC_JSON_CONTROL;
		step = amc_utf8_sequence(p->at, (size_t) (p->end - p->at));
		if (step == 0)
			return AMC_JSON_UTF8;
		p->at += step;
	}
	p->at++;
	node->end = (uint32_t) (p->at - p->text);
	return AMC_JSON_OK;
}

static inline bool
is_digit(const parser *p)
{
	return p->at < p->end && *p->at >= '0' && *p->at <= '9';
}

/* One digit or more. */
static bool
read_digits(parser *p)
{
	if (!is_digit(p))
		return false;
	do
		p->at++;
	while (is_digit(p));
	return true;
}

/* The rest of a number that has a fraction or an exponent. */
static bool
read_fraction_and_exponent(parser *p)
{
	if (p->at < p->end && *p->at == '.')
	{
		p->at++;
		if (!read_digits(p))
			return false;
	}
	if (p->at < p->end && (*p->at == 'e' || *p->at == 'E'))
	{
		p->at++;
		if (p->at < p->end && (*p->at == '+' || *p->at == '-'))
			p->at++;
		if (!read_digits(p))
			return false;
	}
	return true;
}

static amc_json_status
malformed_number(const parser *p)
{
	return p->at == p->end ? AMC_JSON_TRUNCATED : AMC_JSON_NUMBER;
}

static amc_json_status
read_number(parser *p)
{
	const char *start = p->at;
	amc_json_node *node = push_node(p, AMC_JSON_NUMBER_VALUE, 0);
	amc_json_number number;

	if (node == NULL)
		return AMC_JSON_NODES;
	if (*p->at == '-')
		p->at++;
	if (p->at < p->end && *p->at == '0')
	{
		p->at++;
		if (is_digit(p))
			return AMC_JSON_NUMBER;
	}
	else if (!read_digits(p))
		return malformed_number(p);

	if (p->at < p->end && (*p->at == '.' || *p->at == 'e' || *p->at == 'E'))
	{
		if (!read_fraction_and_exponent(p))
			return malformed_number(p);
	}
	else
		node->flags |= AMC_JSON_FLAG_PLAIN_INT;
	node->end = (uint32_t) (p->at - p->text);

	/* Few digits and no exponent cannot be wide. */
	if ((node->flags & AMC_JSON_FLAG_PLAIN_INT) == 0 ||
		p->at - start > AMC_JSON_NUMBER_EXPONENT_MAX)
	{
		amc_json_number_split(start, (size_t) (p->at - start), &number);
		if (amc_json_number_is_wide(&number))
		{
			node->flags |= AMC_JSON_FLAG_WIDE;
			p->wide_count++;
		}
	}
	return AMC_JSON_OK;
}

static amc_json_status
read_word(parser *p, amc_json_type type, const char *word, size_t len)
{
	size_t left = (size_t) (p->end - p->at);
	amc_json_node *node;

	if (memcmp(p->at, word, left < len ? left : len) != 0)
		return AMC_JSON_SYNTAX;
	if (left < len)
		return AMC_JSON_TRUNCATED;
	node = push_node(p, type, 0);
	if (node == NULL)
		return AMC_JSON_NODES;
	p->at += len;
	node->end = (uint32_t) (p->at - p->text);
	return AMC_JSON_OK;
}

/* A key and its colon: a value is due after it. */
static amc_json_status
read_key(parser *p)
{
	amc_json_status status;

	if (p->at == p->end || *p->at != '"')
		return unexpected(p);
	status = read_string(p, AMC_JSON_FLAG_KEY);
	if (status != AMC_JSON_OK)
		return status;
	skip_blanks(p);
	if (p->at == p->end || *p->at != ':')
		return unexpected(p);
	p->at++;
	return AMC_JSON_OK;
}

/* The closing bracket of the present container. */
static amc_json_status
close_container(parser *p)
{
	amc_json_node *node = &p->nodes[p->container];

	p->at++;
	node->end = (uint32_t) (p->at - p->text);
	node->next = p->count;
	if (node->type == AMC_JSON_OBJECT && !amc_json_keys_unique(p->text, p->nodes, p->container))
	{
		p->at = p->text + node->start;
		return AMC_JSON_DUPLICATE_KEY;
	}
	p->container = node->parent;
	p->depth--;
	p->value_due = false;
	return AMC_JSON_OK;
}

/* An opening bracket; leaves a value due, unless the container is empty. */
static amc_json_status
open_container(parser *p, amc_json_type type, char closing)
{
	if (p->depth == p->depth_max)
		return AMC_JSON_DEPTH;
	if (push_node(p, type, 0) == NULL)
		return AMC_JSON_NODES;
	p->container = p->count - 1;
	p->depth++;
	p->at++;
	skip_blanks(p);
	if (p->at < p->end && *p->at == closing)
		return close_container(p);
	p->value_due = true;
	return type == AMC_JSON_OBJECT ? read_key(p) : AMC_JSON_OK;
}

/* The value that is due: a scalar, or the opening of a container. */
static amc_json_status
read_value(parser *p)
{
	p->value_due = false;
	skip_blanks(p);
	if (p->at == p->end)
		return AMC_JSON_TRUNCATED;
	switch (*p->at)
	{
		case '"':
			return read_string(p, 0);
		case '{':
			return open_container(p, AMC_JSON_OBJECT, '}');
		case '[':
			return open_container(p, AMC_JSON_ARRAY, ']');
		case 't':
			return read_word(p, AMC_JSON_TRUE, AMC_LITERAL("true"));
		case 'f':
			return read_word(p, AMC_JSON_FALSE, AMC_LITERAL("false"));
		case 'n':
			return read_word(p, AMC_JSON_NULL, AMC_LITERAL("null"));
		case '+':
		case '.':
			return AMC_JSON_NUMBER;
		default:
			if (*p->at != '-' && !is_digit(p))
				return AMC_JSON_SYNTAX;
			return read_number(p);
	}
}

/* After a value inside a container: a comma, or the end of the container. */
static amc_json_status
end_value(parser *p)
{
	bool object = p->nodes[p->container].type == AMC_JSON_OBJECT;

	skip_blanks(p);
	if (p->at == p->end)
		return AMC_JSON_TRUNCATED;
	if (*p->at == (object ? '}' : ']'))
		return close_container(p);
	if (*p->at != ',')
		return AMC_JSON_SYNTAX;
	p->at++;
	p->value_due = true;
	if (!object)
		return AMC_JSON_OK;
	skip_blanks(p);
	return read_key(p);
}

static amc_json_status
read_document(parser *p)
{
	amc_json_status status = read_value(p);

	while (status == AMC_JSON_OK && p->container != AMC_JSON_NO_PARENT)
		status = p->value_due ? read_value(p) : end_value(p);
	if (status != AMC_JSON_OK)
		return status;
	skip_blanks(p);
	return p->at == p->end ? AMC_JSON_OK : AMC_JSON_TRAILING;
}

amc_json_status
amc_json_parse(const char *text, size_t len, const amc_json_limits *limits, amc_json_node *nodes,
			   amc_json *doc)
{
	parser p = {
		.text = text,
		.at = text,
		.end = text + len,
		.nodes = nodes,
		.nodes_max = limits->nodes_max,
		.container = AMC_JSON_NO_PARENT,
		.depth_max = limits->depth_max,
	};
	amc_json_status status;

	doc->error_at = 0;
	if (len > limits->bytes_max || len > AMC_JSON_BYTES_LIMIT)
		return AMC_JSON_BYTES;
	status = read_document(&p);
	doc->text = text;
	doc->len = len;
	doc->nodes = nodes;
	doc->count = p.count;
	doc->wide_count = p.wide_count;
	doc->error_at = status == AMC_JSON_OK ? 0 : (size_t) (p.at - text);
	return status;
}

const amc_json_node *
amc_json_member(const amc_json *doc, const amc_json_node *object, const char *key, size_t key_len)
{
	const amc_json_node *node;

	if (object->type != AMC_JSON_OBJECT)
		return NULL;
	for (node = amc_json_first(doc, object); node != NULL; node = amc_json_after(doc, node + 1))
		if (amc_json_string_equals(doc, node, key, key_len))
			return node + 1;
	return NULL;
}

/* Append to a bounded buffer. */
static bool
append(char *out, size_t out_size, size_t *to, const char *piece, size_t len)
{
	if (len > out_size - *to)
		return false;
	memcpy(out + *to, piece, len);
	*to += len;
	return true;
}

bool
amc_json_copy(const amc_json *doc, const amc_json_node *node, char *out, size_t out_size,
			  size_t *out_len)
{
	const amc_json_node *end = &doc->nodes[node->next];
	const amc_json_node *at = doc->wide_count == 0 ? end : node;
	size_t from = node->start;
	size_t to = 0;

	for (; at < end; at++)
	{
		char clamped[AMC_JSON_CLAMPED_BYTES_MAX];
		size_t clamped_len;

		if ((at->flags & AMC_JSON_FLAG_WIDE) == 0)
			continue;
		clamped_len = amc_json_number_clamp(doc->text + at->start, at->end - at->start, clamped);
		if (!append(out, out_size, &to, doc->text + from, at->start - from) ||
			!append(out, out_size, &to, clamped, clamped_len))
			return false;
		from = at->end;
	}
	if (!append(out, out_size, &to, doc->text + from, node->end - from))
		return false;
	*out_len = to;
	return true;
}
