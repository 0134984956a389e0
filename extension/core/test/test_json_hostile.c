/*
 * test_json_hostile.c
 *		Must hold: documents made to confuse, to exhaust or to slow down are refused
 *		with their own status, or parsed within bounded time and memory.
 */
#include "core/json.h"
#include "core/test/test.h"

#include <stdio.h>

#define MANY   100000
#define MS_MAX 4000 /* under sanitizers; an n-squared algorithm needs minutes */
#define BIG_LIMITS(nodes_count)                                            \
	&(amc_json_limits)                                                     \
	{                                                                      \
		.bytes_max = 64 << 20, .depth_max = 64, .nodes_max = (nodes_count) \
	}

static amc_json_status
parse(const char *text, size_t len, uint32_t nodes_max)
{
	amc_json_node *nodes = (amc_json_node *) (void *) test_alloc(nodes_max * sizeof(amc_json_node));
	amc_json doc;

	return amc_json_parse(test_copy(text, len), len, BIG_LIMITS(nodes_max), nodes, &doc);
}

static const struct
{
	const char *name;
	const char *text;
	size_t len;
	amc_json_status status;
} cases[] = {
#define HOSTILE(name, text, status)          \
	{                                        \
		name, text, sizeof(text) - 1, status \
	}
	HOSTILE("security 4: duplicate key", "{\"a\":1,\"a\":2}", AMC_JSON_DUPLICATE_KEY),
	HOSTILE("security 4: duplicate key, equal values", "{\"a\":1,\"a\":1}", AMC_JSON_DUPLICATE_KEY),
	HOSTILE("security 4: duplicate key deep down", "[[{\"b\":{\"a\":1,\"c\":[],\"a\":2}}]]",
			AMC_JSON_DUPLICATE_KEY),
	HOSTILE("security 4: duplicate in an outer object after an inner one",
			"{\"a\":{\"b\":1},\"b\":2,\"a\":3}", AMC_JSON_DUPLICATE_KEY),
	HOSTILE("security 4: duplicate empty key", "{\"\":1,\"\":2}", AMC_JSON_DUPLICATE_KEY),
	HOSTILE("security 4: duplicate hidden by an escape", "{\"alg\":1,\"\\u0061lg\":2}",
			AMC_JSON_DUPLICATE_KEY),
	HOSTILE("security 4: duplicate, both escaped differently", "{\"\\u0061lg\":1,\"a\\u006Cg\":2}",
			AMC_JSON_DUPLICATE_KEY),
	HOSTILE("security 4: duplicate, escaped slash", "{\"a/b\":1,\"a\\/b\":2}",
			AMC_JSON_DUPLICATE_KEY),
	HOSTILE("security 4: duplicate, surrogate pair against UTF-8",
			"{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}", AMC_JSON_DUPLICATE_KEY),
	HOSTILE("security 4: duplicate of 16 bytes, escaped at the eighth",
			"{\"0123456789abcdef\":1,\"0123456\\u0037"
			"89abcdef\":2}",
			AMC_JSON_DUPLICATE_KEY),
	HOSTILE("security 4: duplicate of 8 bytes, all escaped",
			"{\"abcdefgh\":1,\"\\u0061\\u0062\\u0063\\u0064\\u0065\\u0066\\u0067\\u0068\":2}",
			AMC_JSON_DUPLICATE_KEY),
	HOSTILE("security 4: duplicate of 9 bytes with letters of three",
			"{\"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\":1,\"\\u20ac\\u20AC\xe2\x82\xac\":2}",
			AMC_JSON_DUPLICATE_KEY),
	HOSTILE("no duplicate: escaped backslash before the letter",
			"{\"\\\\u0061\":1,\"a\":2,\"\\\\\":3}", AMC_JSON_OK),
	HOSTILE("no duplicate: one is a prefix of the other", "{\"ab\":1,\"a\":2,\"abc\":3,\"\":4}",
			AMC_JSON_OK),
	HOSTILE("no duplicate: composed and decomposed letter", "{\"\xc3\xa9\":1,\"e\xcc\x81\":2}",
			AMC_JSON_OK),
	HOSTILE("security 4: overlong UTF-8", "\"\xc0\xaf\"", AMC_JSON_UTF8),
	HOSTILE("security 4: byte FF", "\"abcdefgh\xff\"", AMC_JSON_UTF8),
	HOSTILE("security 4: UTF-8 cut by the quote", "\"\xc3\"", AMC_JSON_UTF8),
	HOSTILE("security 4: UTF-8 cut by the end", "\"\xf0\x9f\x98", AMC_JSON_UTF8),
	HOSTILE("security 4: raw surrogate", "\"\xed\xa0\xbd\"", AMC_JSON_UTF8),
	HOSTILE("security 4: invalid UTF-8 in a key", "{\"\xff\":1}", AMC_JSON_UTF8),
	HOSTILE("security 4: lone high surrogate", "\"\\ud83d\"", AMC_JSON_SURROGATE),
	HOSTILE("security 4: lone high surrogate, text after", "\"\\ud83dabcdefgh\"",
			AMC_JSON_SURROGATE),
	HOSTILE("security 4: lone low surrogate", "\"\\ude00\"", AMC_JSON_SURROGATE),
	HOSTILE("security 4: pair in the wrong order", "\"\\ude00\\ud83d\"", AMC_JSON_SURROGATE),
	HOSTILE("security 4: two high surrogates", "\"\\ud83d\\ud83d\"", AMC_JSON_SURROGATE),
	HOSTILE("security 4: high surrogate before another escape", "\"\\ud83d\\n123456\"",
			AMC_JSON_SURROGATE),
	HOSTILE("security 4: high surrogate before a bad escape", "\"\\ud83d\\uzzzz\"",
			AMC_JSON_SURROGATE),
	HOSTILE("security 4: lone surrogate in a key", "{\"\\udfff\":1}", AMC_JSON_SURROGATE),
	HOSTILE("security 4: escaped NUL", "\"abc\\u0000x\"", AMC_JSON_NUL),
	HOSTILE("security 4: escaped NUL in a key", "{\"a\\u0000\":1}", AMC_JSON_NUL),
	HOSTILE("security 4: raw NUL", "\"abc\0x\"", AMC_JSON_NUL),
	HOSTILE("security 4: raw NUL in the ninth place", "\"12345678\0\"", AMC_JSON_NUL),
#undef HOSTILE
};

static void
named_cases(void)
{
	size_t i;

	for (i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].name);
		CHECK_INT(cases[i].status, parse(cases[i].text, cases[i].len, 100));
	}
}

static void
limits(void)
{
	amc_json_limits tight = {.bytes_max = 10, .depth_max = 2, .nodes_max = 4};
	amc_json_node *nodes = (amc_json_node *) (void *) test_alloc(4 * sizeof(amc_json_node));
	amc_json doc;

	test_case("limits are exact");
	CHECK_INT(AMC_JSON_OK, amc_json_parse("[1, 2, 34]", 10, &tight, nodes, &doc));
	CHECK_INT(AMC_JSON_BYTES, amc_json_parse("[1, 2, 345]", 11, &tight, nodes, &doc));
	CHECK_INT(AMC_JSON_NODES, amc_json_parse("[1,2,3,4]", 9, &tight, nodes, &doc));
	CHECK_INT(AMC_JSON_NODES, amc_json_parse("{\"a\":[1,2", 9, &tight, nodes, &doc));
	CHECK_INT(AMC_JSON_NODES, amc_json_parse("[1,2,3,\"\"", 9, &tight, nodes, &doc));
	CHECK_INT(AMC_JSON_NODES, amc_json_parse("[1,2,3,{", 8, &tight, nodes, &doc));
	CHECK_INT(AMC_JSON_NODES, amc_json_parse("[[1,2,true", 10, &tight, nodes, &doc));
	CHECK_INT(AMC_JSON_OK, amc_json_parse("[[],[]]", 7, &tight, nodes, &doc));
	CHECK_INT(AMC_JSON_DEPTH, amc_json_parse("[[[]]]", 6, &tight, nodes, &doc));
	tight.depth_max = 0;
	CHECK_INT(AMC_JSON_DEPTH, amc_json_parse("[]", 2, &tight, nodes, &doc));
	CHECK_INT(AMC_JSON_OK, amc_json_parse("1", 1, &tight, nodes, &doc));
	tight.nodes_max = 0;
	CHECK_INT(AMC_JSON_NODES, amc_json_parse("1", 1, &tight, nodes, &doc));
	tight.bytes_max = SIZE_MAX;
	CHECK_INT(AMC_JSON_BYTES, amc_json_parse("1", AMC_JSON_BYTES_LIMIT + 1, &tight, nodes, &doc));
}

static void
deep(void)
{
	char *text;
	size_t len;

	test_case("security 4: depth 10,000");
	text = test_repeat("[", 10000, &len);
	CHECK_INT(AMC_JSON_DEPTH, parse(text, len, 20000));
	text = test_repeat("{\"a\":", 10000, &len);
	CHECK_INT(AMC_JSON_DEPTH, parse(text, len, 30000));
	test_case("depth 64 and 65");
	text = test_repeat("[", 130, &len);
	memset(text + 64, ']', 64);
	CHECK_INT(AMC_JSON_OK, parse(text, 128, 100));
	memset(text, '[', 65);
	memset(text + 65, ']', 65);
	CHECK_INT(AMC_JSON_DEPTH, parse(text, 130, 100));
	test_case("depth counts what is open, not what was");
	text = test_repeat("[],", 1000, &len);
	text[0] = '[';
	text[1] = '[';
	text[2] = ']';
	memcpy(text + len - 3, "]  ", 3);
	text[3] = ',';
	text[4] = '[';
	text[5] = ']';
	text[6] = ',';
	CHECK_INT(AMC_JSON_SYNTAX, parse(text, len, 2000));
}

/* {"PREFIX000000":0, ...}: count keys; two_equal makes the last equal to the first. */
static char *
many_keys(const char *prefix, unsigned count, bool two_equal, size_t *len)
{
	size_t size = count * (strlen(prefix) + 16) + 2;
	char *text = test_alloc(size);
	size_t at = 0;
	unsigned i;

	text[at++] = '{';
	for (i = 0; i < count; i++)
		at += (size_t) snprintf(text + at, size - at, "%s\"%s%06u\":0", i == 0 ? "" : ",", prefix,
								two_equal && i == count - 1 ? 0 : i * 7919 % count);
	text[at++] = '}';
	*len = at;
	return text;
}

static void
many(void)
{
	static const char long_prefix[] =
		"a-rather-long-prefix-that-all-of-the-keys-share-so-that-comparing-them-is-slow-";
	int64_t start = test_clock_ms();
	char *text;
	size_t len;

	test_case("security 4: 100,000 claims");
	text = many_keys("k", MANY, false, &len);
	CHECK_INT(AMC_JSON_OK, parse(text, len, 2 * MANY + 1));
	CHECK_INT(AMC_JSON_NODES, parse(text, len, 256));
	test_case("security 4: 100,000 claims, the last a duplicate of the first");
	text = many_keys("k", MANY, true, &len);
	CHECK_INT(AMC_JSON_DUPLICATE_KEY, parse(text, len, 2 * MANY + 1));
	text = many_keys(long_prefix, MANY, true, &len);
	CHECK_INT(AMC_JSON_DUPLICATE_KEY, parse(text, len, 2 * MANY + 1));
	text = many_keys("\\u0041", MANY, true, &len);
	CHECK_INT(AMC_JSON_DUPLICATE_KEY, parse(text, len, 2 * MANY + 1));
	test_case("16, 17 and 18 keys");
	text = many_keys("k", 16, false, &len);
	CHECK_INT(AMC_JSON_OK, parse(text, len, 100));
	text = many_keys("k", 16, true, &len);
	CHECK_INT(AMC_JSON_DUPLICATE_KEY, parse(text, len, 100));
	text = many_keys("k", 17, true, &len);
	CHECK_INT(AMC_JSON_DUPLICATE_KEY, parse(text, len, 100));
	text = many_keys("k", 18, false, &len);
	CHECK_INT(AMC_JSON_OK, parse(text, len, 100));
	test_case("bounded time");
	CHECK(test_clock_ms() - start < MS_MAX);
}

/* A printable 16-byte key whose hash meets target: the hash of json_key.c, solved for it. */
static bool
colliding_key(uint64_t *seed, uint64_t target, char key[16])
{
	const uint64_t multiplier = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t word;
	uint64_t hash;
	int i;

	for (i = 0; i < 8; i++)
	{
		*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		key[i] = (char) ('0' + (*seed >> 33) % 64);
	}
	memcpy(&word, key, 8);
	hash = word * multiplier;
	hash ^= hash >> 32;
	hash ^= target;
	memcpy(key + 8, &hash, 8);
	for (i = 0; i < 16; i++)
		if (key[i] < 0x20 || key[i] > 0x7e || key[i] == '"' || key[i] == '\\')
			return false;
	return true;
}

static void
collisions(void)
{
	const unsigned wanted = 2000;
	uint64_t target;
	uint64_t seed = 1;
	char *text = test_alloc(wanted * 21 + 2);
	int64_t start;
	size_t len = 0;
	unsigned found = 0;

	test_case("keys of one hash");
	memset(&target, 'M', sizeof(target));
	text[len++] = '{';
	while (found < wanted)
	{
		char *at = text + len + (found > 0);

		if (!colliding_key(&seed, target, at + 1))
			continue;
		if (found++ > 0)
			text[len] = ',';
		at[0] = '"';
		memcpy(at + 17, "\":0", 3);
		len = (size_t) (at + 20 - text);
	}
	text[len++] = '}';
	start = test_clock_ms();
	CHECK_INT(AMC_JSON_OK, parse(text, len, 2 * wanted + 1));
	memcpy(text + len - 20, text + 2, 16);
	CHECK_INT(AMC_JSON_DUPLICATE_KEY, parse(text, len, 2 * wanted + 1));
	CHECK(test_clock_ms() - start < MS_MAX);
}

/* After a sort the nodes must lead through the document as before. */
static void
nodes_survive_the_sort(void)
{
	amc_json_node *nodes = (amc_json_node *) (void *) test_alloc(401 * sizeof(amc_json_node));
	const amc_json_node *key;
	unsigned count = 0;
	char *text;
	size_t len;
	amc_json doc;

	test_case("nodes survive the sort of their keys");
	text = many_keys("k", 200, false, &len);
	CHECK_INT(AMC_JSON_OK, amc_json_parse(text, len, BIG_LIMITS(401), nodes, &doc));
	for (key = amc_json_first(&doc, nodes); key != NULL; key = amc_json_after(&doc, key + 1))
	{
		char expected[] = "k000000";

		snprintf(expected, sizeof(expected), "k%06u", count * 7919 % 200);
		if (key->next == (uint32_t) (key - nodes) + 1 && (key->flags & AMC_JSON_FLAG_KEY) != 0 &&
			amc_json_string_equals(&doc, key, expected, sizeof(expected) - 1))
			count++;
	}
	CHECK_INT(200, count);
}

static void
large(void)
{
	int64_t start = test_clock_ms();
	char *text;
	size_t len;

	test_case("security 4: a megabyte of one string");
	text = test_repeat("a", 1 << 20, &len);
	text[0] = '"';
	CHECK_INT(AMC_JSON_TRUNCATED, parse(text, len, 10));
	text[len - 1] = '"';
	CHECK_INT(AMC_JSON_OK, parse(text, len, 10));
	test_case("a megabyte of digits");
	memset(text, '7', len);
	CHECK_INT(AMC_JSON_OK, parse(text, len, 10));
	test_case("a megabyte of blanks");
	memset(text, ' ', len);
	CHECK_INT(AMC_JSON_TRUNCATED, parse(text, len, 10));
	test_case("a megabyte of backslashes");
	memset(text, '\\', len);
	text[0] = '"';
	CHECK(parse(text, len, 10) != AMC_JSON_OK);
	test_case("bounded time");
	CHECK(test_clock_ms() - start < MS_MAX);
}

void
test_json_hostile(void)
{
	named_cases();
	limits();
	deep();
	many();
	collisions();
	nodes_survive_the_sort();
	large();
}
