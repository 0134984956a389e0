/*
 * fuzz_json.c
 *		Of every accepted document: the nodes are nested and in order, keys differ,
 *		strings survive decoding and escaping, integers survive printing, and the copy
 *		is a document of the same shape without wide numbers.
 */
#include <inttypes.h>

#include "core/json.h"
#include "core/utf8.h"
#include "fuzz.h"

#define BYTES_MAX     65536
#define NODES_MAX     4096
#define PAIR_KEYS_MAX 64 /* check all pairs of keys up to here */

static const amc_json_limits limits = {
	.bytes_max = BYTES_MAX, .depth_max = 64, .nodes_max = NODES_MAX};
static amc_json_node nodes[NODES_MAX];
static amc_json_node copy_nodes[NODES_MAX];
static amc_json_node string_nodes[1];

static void
check_nesting(const amc_json *doc, const amc_json_node *node)
{
	uint32_t index = (uint32_t) (node - doc->nodes);

	REQUIRE(node->start < node->end && node->end <= doc->len);
	REQUIRE(node->next > index && node->next <= doc->count);
	if (index == 0)
		REQUIRE(node->parent == AMC_JSON_NO_PARENT && node->next == doc->count);
	else
	{
		const amc_json_node *parent = &doc->nodes[node->parent];

		REQUIRE(node->parent < index && index < parent->next && node->next <= parent->next);
		REQUIRE(parent->start < node->start && node->end < parent->end);
		REQUIRE(node->start >= (node - 1)->start);
	}
}

static void
check_string(const amc_json *doc, const amc_json_node *node)
{
	static char decoded[BYTES_MAX];
	static char escaped[AMC_JSON_ESCAPED_MAX(BYTES_MAX) + 2];
	static const amc_json_limits one = {
		.bytes_max = sizeof(escaped), .depth_max = 0, .nodes_max = 1};
	size_t raw_len = amc_json_string_raw(doc, node).len;
	amc_json again;
	size_t decoded_len;
	size_t len;

	REQUIRE(amc_json_string_decode(doc, node, decoded, raw_len, &decoded_len));
	REQUIRE(amc_utf8_valid(decoded, decoded_len));
	REQUIRE(memchr(decoded, '\0', decoded_len) == NULL);
	REQUIRE(amc_json_string_equals(doc, node, decoded, decoded_len));
	escaped[0] = '"';
	REQUIRE(amc_json_escape(decoded, decoded_len, escaped + 1, sizeof(escaped) - 2, &len));
	escaped[len + 1] = '"';
	REQUIRE(amc_json_parse(escaped, len + 2, &one, string_nodes, &again) == AMC_JSON_OK);
	REQUIRE(amc_json_string_equals(&again, string_nodes, decoded, decoded_len));
}

static void
check_keys(const amc_json *doc, const amc_json_node *object)
{
	static char decoded[BYTES_MAX];
	const amc_json_node *a;
	const amc_json_node *b;
	size_t len;

	if (object->count > PAIR_KEYS_MAX)
		return;
	for (a = amc_json_first(doc, object); a != NULL; a = amc_json_after(doc, a + 1))
	{
		REQUIRE((a->flags & AMC_JSON_FLAG_KEY) != 0);
		REQUIRE(amc_json_string_decode(doc, a, decoded, sizeof(decoded), &len));
		REQUIRE(amc_json_member(doc, object, decoded, len) == a + 1);
		for (b = amc_json_first(doc, object); b != a; b = amc_json_after(doc, b + 1))
			REQUIRE(!amc_json_string_equals(doc, b, decoded, len));
	}
}

static void
check_number(const amc_json *doc, const amc_json_node *node)
{
	char text[32];
	amc_json again;
	int64_t value;
	int64_t same;
	int len;

	if (amc_json_int64(doc, node, &value) != AMC_JSON_INTEGER_OK)
		return;
	len = snprintf(text, sizeof(text), "%" PRId64, value);
	REQUIRE(amc_json_parse(text, (size_t) len, &limits, string_nodes, &again) == AMC_JSON_OK);
	REQUIRE(amc_json_int64(&again, string_nodes, &same) == AMC_JSON_INTEGER_OK && same == value);
}

static void
check_copy(const amc_json *doc)
{
	static char text[BYTES_MAX];
	amc_json copy;
	size_t len;
	uint32_t i;

	REQUIRE(amc_json_copy(doc, amc_json_root(doc), text, doc->len, &len));
	REQUIRE(len <= doc->len);
	REQUIRE(amc_json_parse(text, len, &limits, copy_nodes, &copy) == AMC_JSON_OK);
	REQUIRE(copy.count == doc->count && copy.wide_count == 0);
	for (i = 0; i < copy.count; i++)
	{
		int64_t before = 0;
		int64_t after = 0;

		REQUIRE(copy_nodes[i].type == nodes[i].type && copy_nodes[i].next == nodes[i].next);
		/* What was an integer of 64 bits is the same one in the copy, and nothing becomes one. */
		if (nodes[i].type == AMC_JSON_NUMBER_VALUE && (nodes[i].flags & AMC_JSON_FLAG_WIDE) != 0 &&
			amc_json_int64(&copy, &copy_nodes[i], &after) == AMC_JSON_INTEGER_OK && after != 0)
			REQUIRE(amc_json_int64(doc, &nodes[i], &before) == AMC_JSON_INTEGER_OK &&
					before == after);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	amc_json doc;
	uint32_t i;

	if (amc_json_parse((const char *) data, size, &limits, nodes, &doc) != AMC_JSON_OK)
	{
		REQUIRE(doc.error_at <= size);
		return 0;
	}
	for (i = 0; i < doc.count; i++)
	{
		check_nesting(&doc, &nodes[i]);
		if (nodes[i].type == AMC_JSON_STRING)
			check_string(&doc, &nodes[i]);
		else if (nodes[i].type == AMC_JSON_OBJECT)
			check_keys(&doc, &nodes[i]);
		else
			check_number(&doc, &nodes[i]);
	}
	check_copy(&doc);
	return 0;
}
