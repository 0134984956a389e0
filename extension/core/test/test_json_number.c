/*
 * test_json_number.c
 *		Must hold: a number is read exactly or not at all, and a copied document holds
 *		only numbers that PostgreSQL's numeric can hold.
 */
#include "core/json.h"
#include "core/test/test.h"

#define NODES 64

static const amc_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 8, .nodes_max = NODES};
static amc_json_node nodes[NODES];

static void
integers(void)
{
	static const struct
	{
		const char *text;
		amc_json_integer status;
		int64_t value;
	} cases[] = {
		{"0", AMC_JSON_INTEGER_OK, 0},
		{"-0", AMC_JSON_INTEGER_OK, 0},
		{"-0.000e5", AMC_JSON_INTEGER_OK, 0},
		{"0e999999999999999999999", AMC_JSON_INTEGER_OK, 0},
		{"0.0e-999999999999999999999", AMC_JSON_INTEGER_OK, 0},
		{"1", AMC_JSON_INTEGER_OK, 1},
		{"-1", AMC_JSON_INTEGER_OK, -1},
		{"1.0", AMC_JSON_INTEGER_OK, 1},
		{"1.000000000000000000000000000000", AMC_JSON_INTEGER_OK, 1},
		{"1e3", AMC_JSON_INTEGER_OK, 1000},
		{"1E+3", AMC_JSON_INTEGER_OK, 1000},
		{"1200e-2", AMC_JSON_INTEGER_OK, 12},
		{"0.0012e4", AMC_JSON_INTEGER_OK, 12},
		{"-12.5e1", AMC_JSON_INTEGER_OK, -125},
		{"10000000000000000000000e-20", AMC_JSON_INTEGER_OK, 100},
		{"123456789012345678", AMC_JSON_INTEGER_OK, INT64_C(123456789012345678)},
		{"9223372036854775807", AMC_JSON_INTEGER_OK, INT64_MAX},
		{"-9223372036854775807", AMC_JSON_INTEGER_OK, -INT64_MAX},
		{"-9223372036854775808", AMC_JSON_INTEGER_OK, INT64_MIN},
		{"9.223372036854775807e18", AMC_JSON_INTEGER_OK, INT64_MAX},
		{"9223372036854775808", AMC_JSON_INTEGER_RANGE, 0},
		{"-9223372036854775809", AMC_JSON_INTEGER_RANGE, 0},
		{"9999999999999999999", AMC_JSON_INTEGER_RANGE, 0},
		{"18446744073709551616", AMC_JSON_INTEGER_RANGE, 0},
		{"18446744073709551617", AMC_JSON_INTEGER_RANGE, 0},
		{"100000000000000000000", AMC_JSON_INTEGER_RANGE, 0},
		{"1e19", AMC_JSON_INTEGER_RANGE, 0},
		{"1e308", AMC_JSON_INTEGER_RANGE, 0},
		{"1e309", AMC_JSON_INTEGER_RANGE, 0},
		{"-1e99999999999999999999", AMC_JSON_INTEGER_RANGE, 0},
		{"1.5", AMC_JSON_INTEGER_FRACTION, 0},
		{"-0.1", AMC_JSON_INTEGER_FRACTION, 0},
		{"1e-1", AMC_JSON_INTEGER_FRACTION, 0},
		{"1.0000000000000000000000000001", AMC_JSON_INTEGER_FRACTION, 0},
		{"9007199254740993.5", AMC_JSON_INTEGER_FRACTION, 0},
		{"123456789012345678901234567890.5", AMC_JSON_INTEGER_FRACTION, 0},
		{"12345e-3", AMC_JSON_INTEGER_FRACTION, 0},
		{"1e-99999999999999999999", AMC_JSON_INTEGER_FRACTION, 0},
		{"\"1\"", AMC_JSON_INTEGER_TYPE, 0},
		{"true", AMC_JSON_INTEGER_TYPE, 0},
		{"null", AMC_JSON_INTEGER_TYPE, 0},
		{"[1]", AMC_JSON_INTEGER_TYPE, 0},
	};
	size_t i;

	for (i = 0; i < LENGTH_OF(cases); i++)
	{
		size_t len = strlen(cases[i].text);
		int64_t value = 0;
		amc_json doc;

		test_case(cases[i].text);
		CHECK_INT(AMC_JSON_OK,
				  amc_json_parse(test_copy(cases[i].text, len), len, &limits, nodes, &doc));
		CHECK_INT(cases[i].status, amc_json_int64(&doc, nodes, &value));
		CHECK_INT(cases[i].value, value);
	}
}

/* Copies text and checks the copy; NULL = nothing in it is wide. */
static void
check_copy(const char *text, size_t len, const char *expected)
{
	char *out = test_alloc(len);
	size_t out_len = 0;
	size_t again_len = 0;
	amc_json doc;

	CHECK_INT(AMC_JSON_OK, amc_json_parse(test_copy(text, len), len, &limits, nodes, &doc));
	CHECK_INT(expected != NULL, doc.wide_count != 0);
	CHECK(amc_json_copy(&doc, nodes, out, len, &out_len));
	if (expected != NULL)
		CHECK_TEXT(expected, out, out_len);
	else
		CHECK(out_len == len && memcmp(out, text, len) == 0);
	CHECK(!amc_json_copy(&doc, nodes, out, out_len - 1, &again_len));
	CHECK_INT(AMC_JSON_OK, amc_json_parse(out, out_len, &limits, nodes, &doc));
	CHECK_INT(0, doc.wide_count);
}

static void
copies(void)
{
	static const struct
	{
		const char *text;
		const char *copy;
	} cases[] = {
		{"[1, 2.5e10 ,\"1e999999\"]", NULL},
		{"1e10000", NULL},
		{"-1e-10000", NULL},
		{"9.5e10000", NULL},
		{"99e9999", NULL},
		{"100e9999", "1e10000"},
		{"1e10001", "1e10000"},
		{"-1e10001", "-1e10000"},
		{"-1e999999999999999999999999", "-1e10000"},
		{"1e-10001", "0"},
		{"-1e-999999999999999999999", "0"},
		{"0e10001", "0"},
		{"-0.0e999999999", "0"},
		{"0.1e10001", "1e10000"},
		{"12e-10001", "1e-10000"},
		{"105.5e-9999", NULL},
		{"105.55e-9999", "1055e-10000"},
		{"0.00015e10005", "1e10000"},
		{"[1e10001,{\"a\":-2e20000 , \"b\":3}, 4e-20000]",
		 "[1e10000,{\"a\":-1e10000 , \"b\":3}, 0]"},
	};
	size_t i;

	for (i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].text);
		check_copy(cases[i].text, strlen(cases[i].text), cases[i].copy);
	}
}

static void
long_numbers(void)
{
	char *text;
	size_t len;

	test_case("10,001 digits are kept, 10,002 are not");
	text = test_repeat("7", 10002, &len);
	check_copy(text, 10001, NULL);
	check_copy(text, 10002, "1e10000");
	test_case("digits behind the point: 10,000 are kept, 10,001 are not");
	text = test_repeat("0", 10004, &len);
	text[0] = '1';
	text[1] = '.';
	check_copy(text, 10002, NULL);
	check_copy(text, 10003, "1");
	test_case("a fraction stays a fraction when digits are cut off");
	text[10003] = '5';
	check_copy(text, 10004, "1000000000000000000000000000000000000001e-39");
	test_case("a hundred thousand digits of pi or so");
	text = test_repeat("3141592653", 10000, &len);
	text[1] = '.';
	check_copy(text, len, "3415926533141592653314159265331415926533e-39");
}

static void
subtree(void)
{
	static const char text[] = "{\"a\":{\"b\":[1e20000, 7]},\"c\":1e20000}";
	const amc_json_node *node;
	char out[64];
	size_t len = 0;
	amc_json doc;

	test_case("copy of a subtree");
	CHECK_INT(AMC_JSON_OK, amc_json_parse(text, sizeof(text) - 1, &limits, nodes, &doc));
	CHECK_INT(2, doc.wide_count);
	node = amc_json_member(&doc, nodes, AMC_LITERAL("a"));
	CHECK(node != NULL && amc_json_copy(&doc, node, out, sizeof(out), &len));
	CHECK_TEXT("{\"b\":[1e10000, 7]}", out, len);
}

void
test_json_number(void)
{
	integers();
	copies();
	long_numbers();
	subtree();
}
