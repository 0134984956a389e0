/*
 * json_bridge.c
 *
 * Writes jsonb's stored form straight from the parsed nodes: one pass over them into one buffer of
 * a size known beforehand. PostgreSQL's pushJsonbValue builds the same bytes by way of a tree of
 * JsonbValues, a generic sort and a growing buffer, which took half of the time of a verification.
 *
 * The form (utils/jsonb.h) is that on disk since 9.4: a container is a count with a flag, one
 * JEntry a child (keys first, sorted by length and then bytes; their values in the same order),
 * then the data of the children. A JEntry holds the length of its child, every JB_OFFSET_STRIDE'th
 * one the offset of its end instead. Numerics and containers start at a multiple of 4.
 */
#include "compat.h"

#include "mb/pg_wchar.h"
#include "utils/numeric.h"

#include "json_bridge.h"

#define NUMBER_SHORT_BYTES 64
#define MEMBERS_ON_STACK   32
#define INSERTION_SORT_MAX 16 /* members; claims rarely have more */
/* Of a node beside its own text: JEntry, container header or numeric's header, alignment. */
#define NODE_OVERHEAD_BYTES 32

typedef struct Build
{
	const amc_json *doc;
	char *start;
	char *at;        /* next byte to write */
	bool ascii_only; /* the database cannot take UTF-8 as it is */
	bool failed;
} Build;

typedef struct Member
{
	amc_span key;
	const amc_json_node *value;
} Member;

static JEntry put_value(Build *build, const amc_json_node *node);

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
put_padding(Build *build)
{
	while (((build->at - build->start) & 3) != 0)
		*build->at++ = 0;
}

/* The decoded value of a string node. */
static amc_span
string_value(Build *build, const amc_json_node *node)
{
	amc_span text = amc_json_string_raw(build->doc, node);

	if ((node->flags & AMC_JSON_FLAG_ESCAPED) != 0)
	{
		char *decoded = palloc(text.len);

		if (!amc_json_string_decode(build->doc, node, decoded, text.len, &text.len))
			build->failed = true;
		text.ptr = decoded;
	}
	if (build->ascii_only && !is_ascii_text(text.ptr, text.len))
		build->failed = true;
	return text;
}

static JEntry
put_string(Build *build, amc_span text)
{
	memcpy(build->at, text.ptr, text.len);
	build->at += text.len;
	return JENTRY_ISSTRING | (JEntry) text.len;
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

static JEntry
put_number(Build *build, const amc_json_node *node)
{
	char *from = build->at;
	Numeric numeric;
	int64_t number;

	if ((node->flags & AMC_JSON_FLAG_PLAIN_INT) != 0 &&
		amc_json_int64(build->doc, node, &number) == AMC_JSON_INTEGER_OK)
		numeric = int64_to_numeric(number);
	else
		numeric = numeric_parse(amc_json_text(build->doc, node));
	put_padding(build);
	memcpy(build->at, numeric, VARSIZE_ANY(numeric));
	build->at += VARSIZE_ANY(numeric);
	return JENTRY_ISNUMERIC | (JEntry) (build->at - from);
}

/* Begins a container with room for its JEntries. */
static JsonbContainer *
put_container(Build *build, uint32 header, uint32 children)
{
	JsonbContainer *container;

	put_padding(build);
	container = (JsonbContainer *) build->at;
	container->header = header;
	build->at += offsetof(JsonbContainer, children) + children * sizeof(JEntry);
	return container;
}

static void
entry_set(JsonbContainer *container, uint32 i, JEntry entry, uint32 *end)
{
	*end += JBE_OFFLENFLD(entry);
	if (i % JB_OFFSET_STRIDE == 0)
		entry = (entry & JENTRY_TYPEMASK) | *end | JENTRY_HAS_OFF;
	container->children[i] = entry;
}

static JEntry
put_array(Build *build, const amc_json_node *node)
{
	char *from = build->at;
	JsonbContainer *container = put_container(build, node->count | JB_FARRAY, node->count);
	const amc_json_node *child = amc_json_first(build->doc, node);
	uint32 end = 0;
	uint32 i;

	for (i = 0; i < node->count; i++)
	{
		entry_set(container, i, put_value(build, child), &end);
		child = amc_json_after(build->doc, child);
	}
	return JENTRY_ISCONTAINER | (JEntry) (build->at - from);
}

/* jsonb's order of keys: shorter first, then by bytes. No two are equal. */
static int
member_compare(const void *a, const void *b)
{
	const amc_span *x = &((const Member *) a)->key;
	const amc_span *y = &((const Member *) b)->key;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->ptr, y->ptr, x->len);
}

static void
members_sort(Member *members, uint32 count)
{
	uint32 i;
	uint32 k;

	if (count > INSERTION_SORT_MAX)
	{
		qsort(members, count, sizeof(Member), member_compare);
		return;
	}
	for (i = 1; i < count; i++)
	{
		Member member = members[i];

		for (k = i; k > 0 && member_compare(&members[k - 1], &member) > 0; k--)
			members[k] = members[k - 1];
		members[k] = member;
	}
}

static void
members_collect(Build *build, const amc_json_node *node, Member *members)
{
	const amc_json_node *child = amc_json_first(build->doc, node);
	uint32 i;

	for (i = 0; i < node->count; i++)
	{
		members[i].key = string_value(build, child);
		members[i].value = amc_json_after(build->doc, child);
		child = amc_json_after(build->doc, members[i].value);
	}
	members_sort(members, node->count);
}

static JEntry
put_object(Build *build, const amc_json_node *node)
{
	uint32 count = node->count;
	char *from = build->at;
	JsonbContainer *container = put_container(build, count | JB_FOBJECT, 2 * count);
	Member on_stack[MEMBERS_ON_STACK];
	Member *members = count <= MEMBERS_ON_STACK ? on_stack : palloc(count * sizeof(Member));
	uint32 end = 0;
	uint32 i;

	members_collect(build, node, members);
	for (i = 0; i < count; i++)
		entry_set(container, i, put_string(build, members[i].key), &end);
	for (i = 0; i < count; i++)
		entry_set(container, count + i, put_value(build, members[i].value), &end);
	return JENTRY_ISCONTAINER | (JEntry) (build->at - from);
}

static JEntry
put_value(Build *build, const amc_json_node *node)
{
	switch (node->type)
	{
		case AMC_JSON_STRING:
			return put_string(build, string_value(build, node));
		case AMC_JSON_NUMBER_VALUE:
			return put_number(build, node);
		case AMC_JSON_ARRAY:
			check_stack_depth();
			return put_array(build, node);
		case AMC_JSON_OBJECT:
			check_stack_depth();
			return put_object(build, node);
		case AMC_JSON_TRUE:
			return JENTRY_ISBOOL_TRUE;
		case AMC_JSON_FALSE:
			return JENTRY_ISBOOL_FALSE;
		default:
			return JENTRY_ISNULL;
	}
}

/*
 * No node needs more than its text and NODE_OVERHEAD_BYTES: strings shrink by decoding, and a
 * numeric packs four digits into two bytes behind a header of 8 and up to two bytes at either end.
 */
static Size
size_bound(const amc_json *doc, const amc_json_node *node)
{
	Size nodes = node->next - (Size) (node - doc->nodes);

	return VARHDRSZ + (node->end - node->start) + nodes * NODE_OVERHEAD_BYTES;
}

Jsonb *
am_jsonb_from_node(const amc_json *doc, const amc_json_node *node)
{
	Build build = {.doc = doc};

	if ((node->type != AMC_JSON_OBJECT && node->type != AMC_JSON_ARRAY) || doc->wide_count > 0)
		return NULL;
	build.ascii_only = GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII;
	build.start = palloc(size_bound(doc, node));
	build.at = build.start + VARHDRSZ;
	(void) put_value(&build, node);
	if (build.failed)
		return NULL;
	Assert(build.at <= build.start + size_bound(doc, node));
	SET_VARSIZE(build.start, build.at - build.start);
	return (Jsonb *) build.start;
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
