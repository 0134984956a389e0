/*
 * test_argument.c
 *	  The argument is always one valid JSON object that says what the request
 *	  said, whatever bytes the request had.
 */
#include "test.h"

#include <stdlib.h>

#include "argument.h"

#define INLINE_BYTES 128 /* small, so that most cases move to the pool */

static AmPool pool = {.bytes_max = 4 * 1024 * 1024};
static char inline_data[INLINE_BYTES];
static AmBuffer argument;
static AmJsonScratch scratch;

static const AmRoute route = {
	.api = "one",
	.method = AM_METHOD_POST,
	.path = "/x/:name",
	.header = {"x-service-token", "x-other"},
	.header_count = 2,
	.cookies = true,
};

static void
start(void)
{
	am_buffer_init(&argument, inline_data, sizeof(inline_data), &pool);
}

static const char *
text(void)
{
	return argument.failed ? "(failed)" : argument.data;
}

static void
finish(const char *expected)
{
	am_argument_end(&argument);
	CHECK_STRING(expected, text());
	am_buffer_reset(&argument);
	CHECK_INT(0, pool.bytes_used);
}

static void
members_every_call_has(void)
{
	start();
	am_argument_begin(&argument, "id-1", &route, AM_METHOD_POST, "192.0.2.1", "/");
	finish("{\"id\":\"id-1\",\"api\":\"one\",\"method\":\"POST\",\"ip\":\"192.0.2.1\"}");
	start();
	am_argument_begin(&argument, "id-1", &route, AM_METHOD_GET, "::1", "/s/x");
	finish(
		"{\"id\":\"id-1\",\"api\":\"one\",\"method\":\"GET\",\"ip\":\"::1\",\"prefix\":\"/s/x\"}");
}

static void
path_parameters(void)
{
	AmRouteMatch match = {
		.name = {AMC_SPAN("a"), AMC_SPAN("b"), AMC_SPAN("c")},
		.value = {AMC_SPAN("x%20y"), AMC_SPAN("%zz"), AMC_SPAN("%22%C3%A9%5C")},
		.parameter_count = 3,
	};

	start();
	am_buffer_putc(&argument, '{');
	am_argument_path(&argument, &match);
	finish("{,\"path\":{\"a\":\"x y\",\"c\":\"\\\"\xc3\xa9\\\\\"}}");
	match.parameter_count = 2;
	match.value[0] = AMC_SPAN("%00");
	start();
	am_argument_path(&argument, &match);
	finish("}");
}

static void
query_parameters(void)
{
	AmHeader pair[3] = {
		{AMC_SPAN("a"), AMC_SPAN("1%2B2")},
		{AMC_SPAN("b%20c"), AMC_SPAN("")},
		{AMC_SPAN("%61"), AMC_SPAN("2")},
	};
	AmVetReason reason;

	start();
	CHECK(am_argument_query(&argument, pair, 2, &reason));
	finish(",\"query\":{\"a\":\"1+2\",\"b c\":\"\"}}");
	start();
	test_case("the same name, spelt otherwise");
	CHECK(!am_argument_query(&argument, pair, 3, &reason));
	CHECK_INT(AM_VET_QUERY, reason);
	am_buffer_reset(&argument);
	pair[1].value = AMC_SPAN("%4");
	start();
	CHECK(!am_argument_query(&argument, pair, 2, &reason));
	CHECK_INT(AM_VET_PERCENT_ENCODING, reason);
	am_buffer_reset(&argument);
	start();
	CHECK(am_argument_query(&argument, pair, 0, &reason));
	finish("}");
}

static void
headers_bearer_and_bad_bytes(void)
{
	AmHead head;

	am_head_init(&head);
	am_head_add(&head, "X-Service-Token", 15, "t\"\xff", 3);
	am_head_add(&head, "X-Unknown", 9, "no", 2);
	am_head_add(&head, "Authorization", 13, "Bearer a.b.c", 12);
	start();
	am_argument_headers(&argument, &route, &head);
	am_argument_bearer(&argument, &head);
	finish(",\"headers\":{\"x-service-token\":\"t\\\"\xef\xbf\xbd\"},\"bearer\":\"a.b.c\"}");
}

static void
cookies(void)
{
	AmHead head;

	am_head_init(&head);
	am_head_add(&head, "Cookie", 6, "a=1; b=\"2\";a=3;;=x; (=1; c", 26);
	am_head_add(&head, "Cookie", 6, "a=4; a=5; a=6", 13);
	start();
	am_argument_cookies(&argument, &head);
	finish(",\"cookies\":{\"a\":[\"1\",\"3\",\"4\",\"5\"],\"b\":[\"2\"]}}");
	am_head_init(&head);
	start();
	am_argument_cookies(&argument, &head);
	finish("}");
}

typedef struct BodyCase
{
	const char *body;
	AmBodyOutcome outcome;
} BodyCase;

static const BodyCase body_cases[] = {
	{"{}", AM_BODY_ACCEPTED},
	{" {\"a\" : [1, 2.5, \"x\"]} ", AM_BODY_ACCEPTED},
	{"{\"a\":\"\xc3\xa9\xf0\x9f\x98\x80\"}", AM_BODY_ACCEPTED},
	{"", AM_BODY_EMPTY},
	{"[]", AM_BODY_INVALID},
	{"\"x\"", AM_BODY_INVALID},
	{"null", AM_BODY_INVALID},
	{"{", AM_BODY_INVALID},
	{"{} x", AM_BODY_INVALID},
	{"{\"a\":1,\"a\":2}", AM_BODY_INVALID},
	{"{\"a\":{\"b\":1,\"\\u0062\":2}}", AM_BODY_INVALID},
	{"{\"a\":\"\\u0000\"}", AM_BODY_INVALID},
	{"{\"a\":\"\\ud800\"}", AM_BODY_INVALID},
	{"{\"a\":\"\xff\"}", AM_BODY_INVALID},
	{"\xef\xbb\xbf{}", AM_BODY_INVALID},
};

static AmBodyOutcome
body_put(const char *body, size_t length)
{
	size_t member;
	size_t from;

	start();
	am_buffer_puts(&argument, "{\"k\":1");
	member = argument.length;
	am_buffer_puts(&argument, ",\"body\":");
	from = argument.length;
	am_buffer_add(&argument, body, length);
	return am_argument_body_json(&argument, member, from, &scratch);
}

static void
json_bodies(void)
{
	for (size_t i = 0; i < LENGTH_OF(body_cases); i++)
	{
		const BodyCase *c = &body_cases[i];
		char expected[128];

		test_case(c->body);
		CHECK_INT(c->outcome, body_put(c->body, strlen(c->body)));
		(void) snprintf(expected, sizeof(expected), "{\"k\":1%s%s}",
						c->outcome == AM_BODY_ACCEPTED ? ",\"body\":" : "",
						c->outcome == AM_BODY_ACCEPTED ? c->body : "");
		finish(expected);
	}
	test_case("raw NUL");
	CHECK_INT(AM_BODY_INVALID, body_put("{\"a\":\"x\0y\"}", 11));
	finish("{\"k\":1}");
}

static void
depth_limit(void)
{
	char body[2 * AM_JSON_DEPTH_MAX + 16];

	for (int depth = AM_JSON_DEPTH_MAX; depth <= AM_JSON_DEPTH_MAX + 1; depth++)
	{
		size_t length = 0;

		length += (size_t) sprintf(body, "{\"a\":");
		memset(body + length, '[', (size_t) depth - 1);
		length += (size_t) depth - 1;
		memset(body + length, ']', (size_t) depth - 1);
		length += (size_t) depth - 1;
		body[length++] = '}';
		CHECK_INT(depth <= AM_JSON_DEPTH_MAX ? AM_BODY_ACCEPTED : AM_BODY_INVALID,
				  body_put(body, length));
		am_buffer_reset(&argument);
	}
}

static void
wide_numbers_are_narrowed(void)
{
	const char *body = "{\"a\":1e400000,\"b\":2}";

	CHECK_INT(AM_BODY_ACCEPTED, body_put(body, strlen(body)));
	am_argument_end(&argument);
	CHECK_LACKS(text(), "400000");
	CHECK_CONTAINS(text(), "\"b\":2}");
	am_buffer_reset(&argument);
	CHECK_INT(0, pool.bytes_used);
}

static void
raw_bodies_become_base64(void)
{
	static const char *const expected[] = {
		"}",
		",\"raw\":\"AA==\"}",
		",\"raw\":\"AP8=\"}",
		",\"raw\":\"AP9h\"}",
		",\"raw\":\"AP9hYg==\"}",
	};

	for (size_t length = 0; length < LENGTH_OF(expected); length++)
	{
		size_t from;

		start();
		am_buffer_puts(&argument, ",\"raw\":\"");
		from = argument.length;
		am_buffer_add(&argument,
					  "\0\xff"
					  "abc",
					  length);
		CHECK_INT(length == 0 ? AM_BODY_EMPTY : AM_BODY_ACCEPTED,
				  am_argument_body_raw(&argument, 0, from));
		finish(expected[length]);
	}
}

static void
pool_exhausted(void)
{
	static char body[100000];
	AmPool small = {.bytes_max = 20000};

	memset(body, ' ', sizeof(body));
	am_buffer_init(&argument, inline_data, sizeof(inline_data), &small);
	am_buffer_add(&argument, body, sizeof(body));
	CHECK_INT(AM_BODY_NO_MEMORY, am_argument_body_json(&argument, 0, 8, &scratch));
	am_buffer_reset(&argument);
	CHECK_INT(0, small.bytes_used);
}

int
main(void)
{
	scratch.nodes = calloc(AM_JSON_NODES_MAX, sizeof(*scratch.nodes));
	if (scratch.nodes == NULL)
		return 1;
	TEST_RUN(members_every_call_has);
	TEST_RUN(path_parameters);
	TEST_RUN(query_parameters);
	TEST_RUN(headers_bearer_and_bad_bytes);
	TEST_RUN(cookies);
	TEST_RUN(json_bodies);
	TEST_RUN(depth_limit);
	TEST_RUN(wide_numbers_are_narrowed);
	TEST_RUN(raw_bodies_become_base64);
	TEST_RUN(pool_exhausted);
	free(scratch.nodes);
	return test_end("shim argument");
}
