/*
 * json_bridge.c
 *
 * Conversion by PostgreSQL's own pushJsonbValue, which sorts keys and lays the bytes out. The
 * document has been validated by core/json (no duplicate keys, no U+0000, bounded depth), so none
 * of jsonb_in's errors, which print their input, can happen.
 */
#include "compat.h"

#include "mb/pg_wchar.h"
#include "utils/numeric.h"

#include "json_bridge.h"

#define NUMBER_SHORT_BYTES 64

typedef struct Build
{
	const amc_json *doc;
	JsonbParseState *state;
	JsonbValue *result;
	bool ascii_only; /* the database cannot take UTF-8 as it is */
	bool failed;
} Build;

static void build_value(Build *build, const amc_json_node *node, JsonbIteratorToken token);

static bool
is_ascii_text(const char *text, Size len)
{
	Size i;

	for (i = 0; i < len; i++)
		if ((text[i] & 0x80) != 0)
			return false;
	return true;
}

static void
build_string(Build *build, const amc_json_node *node, JsonbIteratorToken token)
{
	amc_span raw = amc_json_string_raw(build->doc, node);
	JsonbValue value;
	amc_span text = raw;

	if ((node->flags & AMC_JSON_FLAG_ESCAPED) != 0)
	{
		char *decoded = palloc(raw.len);

		if (!amc_json_string_decode(build->doc, node, decoded, raw.len, &text.len))
			build->failed = true;
		text.ptr = decoded;
	}
	if (build->ascii_only && !is_ascii_text(text.ptr, text.len))
		build->failed = true;
	value.type = jbvString;
	value.val.string.val = unconstify(char *, text.ptr);
	value.val.string.len = (int) text.len;
	build->result = pushJsonbValue(&build->state, token, &value);
}

/* A copy, because numeric_in wants a terminator. */
static Numeric
numeric_parse(amc_span text)
{
	char buffer[NUMBER_SHORT_BYTES];
	char *copy = text.len < sizeof(buffer) ? buffer : palloc(text.len + 1);

	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(copy),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

static void
build_number(Build *build, const amc_json_node *node, JsonbIteratorToken token)
{
	JsonbValue value;
	int64_t number;

	value.type = jbvNumeric;
	if ((node->flags & AMC_JSON_FLAG_WIDE) != 0)
	{
		build->failed = true;
		value.val.numeric = int64_to_numeric(0);
	}
	else if ((node->flags & AMC_JSON_FLAG_PLAIN_INT) != 0 &&
			 amc_json_int64(build->doc, node, &number) == AMC_JSON_INTEGER_OK)
		value.val.numeric = int64_to_numeric(number);
	else
		value.val.numeric = numeric_parse(amc_json_text(build->doc, node));
	build->result = pushJsonbValue(&build->state, token, &value);
}

static void
build_literal(Build *build, const amc_json_node *node, JsonbIteratorToken token)
{
	JsonbValue value;

	value.type = node->type == AMC_JSON_NULL ? jbvNull : jbvBool;
	value.val.boolean = node->type == AMC_JSON_TRUE;
	build->result = pushJsonbValue(&build->state, token, &value);
}

static void
build_array(Build *build, const amc_json_node *node)
{
	const amc_json_node *child;

	pushJsonbValue(&build->state, WJB_BEGIN_ARRAY, NULL);
	for (child = amc_json_first(build->doc, node); child != NULL && !build->failed;
		 child = amc_json_after(build->doc, child))
		build_value(build, child, WJB_ELEM);
	build->result = pushJsonbValue(&build->state, WJB_END_ARRAY, NULL);
}

static void
build_object(Build *build, const amc_json_node *node)
{
	const amc_json_node *child;

	pushJsonbValue(&build->state, WJB_BEGIN_OBJECT, NULL);
	for (child = amc_json_first(build->doc, node); child != NULL && !build->failed;
		 child = amc_json_after(build->doc, child))
		build_value(build, child, (child->flags & AMC_JSON_FLAG_KEY) != 0 ? WJB_KEY : WJB_VALUE);
	build->result = pushJsonbValue(&build->state, WJB_END_OBJECT, NULL);
}

static void
build_value(Build *build, const amc_json_node *node, JsonbIteratorToken token)
{
	check_stack_depth();
	switch (node->type)
	{
		case AMC_JSON_STRING:
			build_string(build, node, token);
			break;
		case AMC_JSON_NUMBER_VALUE:
			build_number(build, node, token);
			break;
		case AMC_JSON_ARRAY:
			build_array(build, node);
			break;
		case AMC_JSON_OBJECT:
			build_object(build, node);
			break;
		default:
			build_literal(build, node, token);
			break;
	}
}

Jsonb *
am_jsonb_from_node(const amc_json *doc, const amc_json_node *node)
{
	Build build = {.doc = doc};

	if (node->type != AMC_JSON_OBJECT && node->type != AMC_JSON_ARRAY)
		return NULL;
	build.ascii_only = GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII;
	build_value(&build, node, WJB_VALUE);
	return build.failed ? NULL : JsonbValueToJsonb(build.result);
}

static void
append_string(StringInfo out, const JsonbValue *value)
{
	size_t len;

	appendStringInfoChar(out, '"');
	enlargeStringInfo(out, (int) AMC_JSON_ESCAPED_MAX(value->val.string.len));
	if (amc_json_escape(value->val.string.val, value->val.string.len, out->data + out->len,
						out->maxlen - out->len, &len))
		out->len += (int) len;
	out->data[out->len] = '\0';
	appendStringInfoChar(out, '"');
}

static void
append_scalar(StringInfo out, const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			append_string(out, value);
			break;
		case jbvNumeric:
			appendStringInfoString(out, DatumGetCString(DirectFunctionCall1(
											numeric_out, NumericGetDatum(value->val.numeric))));
			break;
		case jbvBool:
			appendStringInfoString(out, value->val.boolean ? "true" : "false");
			break;
		default:
			appendStringInfoString(out, "null");
			break;
	}
}

/* A comma is due before everything but what follows an opening bracket or a key. */
static void
append_token(StringInfo out, JsonbIteratorToken token, const JsonbValue *value, bool *comma)
{
	bool opens = token == WJB_BEGIN_OBJECT || token == WJB_BEGIN_ARRAY;
	bool closes = token == WJB_END_OBJECT || token == WJB_END_ARRAY;

	if (*comma && !closes)
		appendStringInfoChar(out, ',');
	if (opens)
		appendStringInfoChar(out, token == WJB_BEGIN_OBJECT ? '{' : '[');
	else if (closes)
		appendStringInfoChar(out, token == WJB_END_OBJECT ? '}' : ']');
	else
		append_scalar(out, value);
	if (token == WJB_KEY)
		appendStringInfoChar(out, ':');
	*comma = !opens && token != WJB_KEY;
}

void
am_jsonb_append_compact(StringInfo out, JsonbContainer *container)
{
	JsonbIterator *iterator = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue value;
	bool comma = false;
	bool raw_scalar = JsonContainerIsScalar(container);

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
		if (!raw_scalar || token == WJB_ELEM)
			append_token(out, token, &value, &comma);
}
