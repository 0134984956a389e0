/*
 * test_json.c
 *		Must hold: exactly the documents of RFC 8259 are accepted, less the ones that
 *		two parsers could understand differently; the nodes describe the document.
 */
#include "core/json.h"
#include "core/test/test.h"

#define NODES 100

static const amc_json_limits limits = {.bytes_max = 4096, .depth_max = 8, .nodes_max = NODES};
static amc_json_node nodes[NODES];

static amc_json_status
parse(const char *text, size_t len, amc_json *doc)
{
	return amc_json_parse(test_copy(text, len), len, &limits, nodes, doc);
}

static void
accepted(void)
{
	static const char *const texts[] = {
		"null",
		"true",
		"false",
		"0",
		"-0",
		"1",
		"-1",
		"10",
		"1.5",
		"0.0",
		"1e3",
		"1E+3",
		"1e-3",
		"-0.1e-1",
		"123456789012345678901234567890",
		"\"\"",
		"\"a\"",
		"[]",
		"{}",
		" [ ] ",
		"\t\r\n {} \t\r\n",
		"[1,2,3]",
		"[[],[[]],{}]",
		"{\"a\":1}",
		"{ \"a\" : [ { } ] , \"b\" : 2 }",
		"{\"\":0}",
		"{\"a\":{\"a\":{\"a\":1}}}",
		"[{\"a\":1},{\"a\":1}]",
		"{\"a\":1,\"A\":2}",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
		"\"\\u0001\\u001f\\u00e9\\uFFFF\\ud83d\\ude00\"",
		"\"\x7f\"",
		"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
		"\"\xef\xbb\xbf\"",
		"[[[[[[[[]]]]]]]]",
		"\"0123456789abcdef0123456789abcdef\"",
		"\"\\u005C\\u0022\"",
		"[1,\"a\",null,true,false,{},[]]",
	};
	size_t i;

	for (i = 0; i < LENGTH_OF(texts); i++)
	{
		amc_json doc;

		test_case(texts[i]);
		CHECK_INT(AMC_JSON_OK, parse(texts[i], strlen(texts[i]), &doc));
	}
}

static const struct
{
	const char *text;
	size_t len;
	amc_json_status status;
} refusals[] = {
#define REFUSED(text, status)          \
	{                                  \
		text, sizeof(text) - 1, status \
	}
	REFUSED("", AMC_JSON_TRUNCATED),
	REFUSED("  ", AMC_JSON_TRUNCATED),
	REFUSED("[", AMC_JSON_TRUNCATED),
	REFUSED("{", AMC_JSON_TRUNCATED),
	REFUSED("{\"a\"", AMC_JSON_TRUNCATED),
	REFUSED("{\"a\":", AMC_JSON_TRUNCATED),
	REFUSED("{\"a\":1", AMC_JSON_TRUNCATED),
	REFUSED("{\"a\":1,", AMC_JSON_TRUNCATED),
	REFUSED("[1,", AMC_JSON_TRUNCATED),
	REFUSED("[1", AMC_JSON_TRUNCATED),
	REFUSED("\"", AMC_JSON_TRUNCATED),
	REFUSED("\"abcdefgh", AMC_JSON_TRUNCATED),
	REFUSED("\"\\", AMC_JSON_TRUNCATED),
	REFUSED("\"\\u00", AMC_JSON_TRUNCATED),
	REFUSED("tru", AMC_JSON_TRUNCATED),
	REFUSED("-", AMC_JSON_TRUNCATED),
	REFUSED("1.", AMC_JSON_TRUNCATED),
	REFUSED("1e", AMC_JSON_TRUNCATED),
	REFUSED("1e+", AMC_JSON_TRUNCATED),
	REFUSED("[,]", AMC_JSON_SYNTAX),
	REFUSED("[1,]", AMC_JSON_SYNTAX),
	REFUSED("[1 2]", AMC_JSON_SYNTAX),
	REFUSED("[1}", AMC_JSON_SYNTAX),
	REFUSED("{\"a\":1]", AMC_JSON_SYNTAX),
	REFUSED("{,}", AMC_JSON_SYNTAX),
	REFUSED("{\"a\":1,}", AMC_JSON_SYNTAX),
	REFUSED("{\"a\",1}", AMC_JSON_SYNTAX),
	REFUSED("{\"a\" 1}", AMC_JSON_SYNTAX),
	REFUSED("{\"a\":}", AMC_JSON_SYNTAX),
	REFUSED("{a:1}", AMC_JSON_SYNTAX),
	REFUSED("{1:1}", AMC_JSON_SYNTAX),
	REFUSED("{'a':1}", AMC_JSON_SYNTAX),
	REFUSED("{\"a\":1,,\"b\":2}", AMC_JSON_SYNTAX),
	REFUSED("{\"a\":1 \"b\":2}", AMC_JSON_SYNTAX),
	REFUSED("'a'", AMC_JSON_SYNTAX),
	REFUSED("]", AMC_JSON_SYNTAX),
	REFUSED(":", AMC_JSON_SYNTAX),
	REFUSED("True", AMC_JSON_SYNTAX),
	REFUSED("nul1", AMC_JSON_SYNTAX),
	REFUSED("NaN", AMC_JSON_SYNTAX),
	REFUSED("Infinity", AMC_JSON_SYNTAX),
	REFUSED("undefined", AMC_JSON_SYNTAX),
	REFUSED("// comment\n1", AMC_JSON_SYNTAX),
	REFUSED("/**/1", AMC_JSON_SYNTAX),
	REFUSED("\xef\xbb\xbf{}", AMC_JSON_SYNTAX),
	REFUSED("\xc2\xa0{}", AMC_JSON_SYNTAX),
	REFUSED("\x0c{}", AMC_JSON_SYNTAX),
	REFUSED("\0", AMC_JSON_SYNTAX),
	REFUSED("{}\0", AMC_JSON_TRAILING),
	REFUSED("{} {}", AMC_JSON_TRAILING),
	REFUSED("{}x", AMC_JSON_TRAILING),
	REFUSED("1 2", AMC_JSON_TRAILING),
	REFUSED("nulll", AMC_JSON_TRAILING),
	REFUSED("[]]", AMC_JSON_TRAILING),
	REFUSED("1,", AMC_JSON_TRAILING),
	REFUSED("01", AMC_JSON_NUMBER),
	REFUSED("-01", AMC_JSON_NUMBER),
	REFUSED("00", AMC_JSON_NUMBER),
	REFUSED("+1", AMC_JSON_NUMBER),
	REFUSED(".5", AMC_JSON_NUMBER),
	REFUSED("[1.]", AMC_JSON_NUMBER),
	REFUSED("[1.e1]", AMC_JSON_NUMBER),
	REFUSED("[1e]", AMC_JSON_NUMBER),
	REFUSED("[1e+]", AMC_JSON_NUMBER),
	REFUSED("[-]", AMC_JSON_NUMBER),
	REFUSED("[-a]", AMC_JSON_NUMBER),
	REFUSED("0x10", AMC_JSON_TRAILING),
	REFUSED("1_000", AMC_JSON_TRAILING),
	REFUSED("\"\x01\"", AMC_JSON_CONTROL),
	REFUSED("\"\n\"", AMC_JSON_CONTROL),
	REFUSED("\"abcdefgh\t\"", AMC_JSON_CONTROL),
	REFUSED("\"\x1f\"", AMC_JSON_CONTROL),
	REFUSED("\"\\x41\"", AMC_JSON_ESCAPE),
	REFUSED("\"\\'\"", AMC_JSON_ESCAPE),
	REFUSED("\"\\0\"", AMC_JSON_ESCAPE),
	REFUSED("\"\\U0041\"", AMC_JSON_ESCAPE),
	REFUSED("\"\\u00g0\"", AMC_JSON_ESCAPE),
	REFUSED("\"\\u 041\"", AMC_JSON_ESCAPE),
	REFUSED("\"\\u00\"  ", AMC_JSON_ESCAPE),
#undef REFUSED
};

static void
refused(void)
{
	size_t i;

	for (i = 0; i < LENGTH_OF(refusals); i++)
	{
		amc_json doc;

		test_case(refusals[i].text);
		CHECK_INT(refusals[i].status, parse(refusals[i].text, refusals[i].len, &doc));
		CHECK(doc.error_at <= refusals[i].len);
	}
}

/* No prefix of a document with every kind of node is a document, nor read beyond. */
static void
prefixes(void)
{
	static const char text[] =
		"{\"a\":[1,-2.5e+3,true,false,null,\"x\\u00e9\\ud83d\\ude00\xc3\xa9\"],\"b\":{\"c\":{}}}";
	amc_json doc;
	size_t len;

	test_case("every prefix is refused");
	for (len = 0; len < sizeof(text) - 1; len++)
		CHECK(parse(text, len, &doc) != AMC_JSON_OK);
	CHECK_INT(AMC_JSON_OK, parse(text, sizeof(text) - 1, &doc));
}

static void
node_layout(void)
{
	static const char text[] = " {\"a\":[1,{}],\"b\\n\":\"c\"} ";
	const amc_json_node *root;
	const amc_json_node *node;
	amc_json doc;

	test_case("nodes in document order");
	CHECK_INT(AMC_JSON_OK, parse(text, sizeof(text) - 1, &doc));
	CHECK_INT(7, doc.count);
	root = amc_json_root(&doc);
	CHECK_INT(AMC_JSON_OBJECT, root->type);
	CHECK_INT(2, root->count);
	CHECK_INT(7, root->next);
	CHECK_INT(AMC_JSON_NO_PARENT, root->parent);
	CHECK_TEXT("{\"a\":[1,{}],\"b\\n\":\"c\"}", amc_json_text(&doc, root).ptr,
			   amc_json_text(&doc, root).len);

	node = amc_json_first(&doc, root);
	CHECK_INT(AMC_JSON_FLAG_KEY, node->flags);
	CHECK_INT(2, node->next);
	CHECK_TEXT("\"a\"", amc_json_text(&doc, node).ptr, amc_json_text(&doc, node).len);
	node = amc_json_after(&doc, node);
	CHECK_INT(AMC_JSON_ARRAY, node->type);
	CHECK_INT(2, node->count);
	CHECK_INT(5, node->next);
	CHECK_INT(AMC_JSON_OBJECT, doc.nodes[4].type);
	CHECK(amc_json_first(&doc, &doc.nodes[4]) == NULL);
	CHECK(amc_json_after(&doc, &doc.nodes[3]) == &doc.nodes[4]);
	CHECK(amc_json_after(&doc, &doc.nodes[4]) == NULL);
	node = amc_json_after(&doc, node);
	CHECK_INT(AMC_JSON_FLAG_KEY | AMC_JSON_FLAG_ESCAPED, node->flags);
	node = amc_json_after(&doc, node);
	CHECK_INT(0, node->parent);
	CHECK(amc_json_after(&doc, node) == NULL);
	CHECK(amc_json_after(&doc, root) == NULL);
}

static void
members(void)
{
	static const char text[] = "{\"a\":1,\"\\u0062\\u00e9\":2,\"c\":{\"d\":3},\"\":4}";
	const amc_json_node *root;
	const amc_json_node *node;
	amc_json doc;

	test_case("members");
	CHECK_INT(AMC_JSON_OK, parse(text, sizeof(text) - 1, &doc));
	root = amc_json_root(&doc);
	node = amc_json_member(&doc, root, AMC_LITERAL("a"));
	CHECK(node != NULL && amc_span_equals(amc_json_text(&doc, node), "1", 1));
	node = amc_json_member(&doc, root, AMC_LITERAL("b\xc3\xa9"));
	CHECK(node != NULL && amc_span_equals(amc_json_text(&doc, node), "2", 1));
	node = amc_json_member(&doc, root, AMC_LITERAL(""));
	CHECK(node != NULL && amc_span_equals(amc_json_text(&doc, node), "4", 1));
	CHECK(amc_json_member(&doc, root, AMC_LITERAL("b")) == NULL);
	CHECK(amc_json_member(&doc, root, AMC_LITERAL("b\xc3\xa9x")) == NULL);
	CHECK(amc_json_member(&doc, root, AMC_LITERAL("d")) == NULL);
	node = amc_json_member(&doc, root, AMC_LITERAL("c"));
	CHECK(node != NULL && amc_json_member(&doc, node, AMC_LITERAL("d")) != NULL);
	CHECK(node != NULL && amc_json_member(&doc, node + 1, AMC_LITERAL("d")) == NULL);
}

static void
strings(void)
{
	static const char text[] =
		"[\"plain\",\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\ud83d\\ude00!\",\"\",1]";
	static const char decoded[] = "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80!";
	amc_json doc;
	amc_span value;
	char buffer[64];
	size_t len;
	size_t size;

	test_case("strings");
	CHECK_INT(AMC_JSON_OK, parse(text, sizeof(text) - 1, &doc));
	CHECK(amc_json_string(&doc, &doc.nodes[1], NULL, 0, &value));
	CHECK_TEXT("plain", value.ptr, value.len);
	CHECK(amc_json_string_decode(&doc, &doc.nodes[1], buffer, 5, &len));
	CHECK_TEXT("plain", buffer, len);
	CHECK(!amc_json_string_decode(&doc, &doc.nodes[1], buffer, 4, &len));
	CHECK(amc_json_string(&doc, &doc.nodes[2], buffer, sizeof(buffer), &value));
	CHECK_TEXT(decoded, value.ptr, value.len);
	CHECK(amc_json_string_equals(&doc, &doc.nodes[2], decoded, sizeof(decoded) - 1));
	CHECK(!amc_json_string_equals(&doc, &doc.nodes[2], decoded, sizeof(decoded) - 2));
	CHECK(!amc_json_string_equals(&doc, &doc.nodes[2], decoded, 0));
	for (size = 0; size < sizeof(decoded) - 1; size++)
		CHECK(!amc_json_string_decode(&doc, &doc.nodes[2], test_alloc(size), size, &len));
	CHECK(amc_json_string_decode(&doc, &doc.nodes[3], buffer, 0, &len));
	CHECK_INT(0, len);

	test_case("a number is no string");
	CHECK(!amc_json_string(&doc, &doc.nodes[4], buffer, sizeof(buffer), &value));
	CHECK(!amc_json_string_decode(&doc, &doc.nodes[4], buffer, sizeof(buffer), &len));
	CHECK(!amc_json_string_equals(&doc, &doc.nodes[4], "1", 1));
}

static void
escaping(void)
{
	static const struct
	{
		const char *text;
		size_t len;
		const char *escaped;
	} cases[] = {
		{"", 0, ""},
		{"plain text /path?a=b", 20, "plain text /path?a=b"},
		{"\"\\/", 3, "\\\"\\\\/"},
		{"\b\f\n\r\t", 5, "\\b\\f\\n\\r\\t"},
		{"a\0b\x1f\x7f", 5, "a\\u0000b\\u001f\x7f"},
		{"\xc3\xa9\xf0\x9f\x98\x80", 6, "\xc3\xa9\xf0\x9f\x98\x80"},
		{"\xff"
		 "a\xc3",
		 3,
		 "\xef\xbf\xbd"
		 "a\xef\xbf\xbd"},
		{"\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"01234567\"01234567\\", 18, "01234567\\\"01234567\\\\"},
	};
	char out[128];
	size_t len;
	size_t i;

	for (i = 0; i < LENGTH_OF(cases); i++)
	{
		size_t needed = strlen(cases[i].escaped);
		size_t size;

		test_case(cases[i].escaped);
		CHECK(amc_json_escape(test_copy(cases[i].text, cases[i].len), cases[i].len, out, needed,
							  &len));
		CHECK_TEXT(cases[i].escaped, out, len);
		CHECK(needed <= AMC_JSON_ESCAPED_MAX(cases[i].len));
		for (size = 0; size < needed; size++)
			CHECK(!amc_json_escape(cases[i].text, cases[i].len, test_alloc(size), size, &len));
	}
}

void
test_json(void)
{
	size_t status;

	accepted();
	refused();
	prefixes();
	node_layout();
	members();
	strings();
	escaping();
	test_case("every status has its own text");
	for (status = 1; status <= AMC_JSON_NODES; status++)
		CHECK(strcmp(amc_json_status_text((amc_json_status) status),
					 amc_json_status_text((amc_json_status) (status - 1))) != 0);
	CHECK_TEXT("unknown status", amc_json_status_text((amc_json_status) 99), 14);
}
