/*
 * test_reply.c
 *	  No header a function returns can split a response or change its framing.
 */
#include "test.h"

#include "reply.h"

static bool
read_text(const char *text, bool cookies, AmReplyHeaders *headers)
{
	return am_reply_headers_read(text, strlen(text), cookies, headers);
}

static void
refused(void)
{
	static const char *const cases[] = {
		"",
		"[]",
		"null",
		"\"x\"",
		"{\"A\":1}",
		"{\"A\":null}",
		"{\"A\":{\"b\":\"c\"}}",
		"{\"A\":[1]}",
		"{\"A\":[[\"b\"]]}",
		"{\"A\":\"b\\r\\nX: y\"}",
		"{\"A\":\"b\\nc\"}",
		"{\"A\":\"b\\u0000c\"}",
		"{\"A\":\"b\\u007f\"}",
		"{\"A b\":\"c\"}",
		"{\"\":\"c\"}",
		"{\"A:\":\"c\"}",
		"{\"A\":\"b\",\"A\":\"c\"}",
		"{\"Content-Length\":\"1\"}",
		"{\"transfer-encoding\":\"chunked\"}",
		"{\"Connection\":\"close\"}",
		"{\"Access-Control-Allow-Origin\":\"*\"}",
		"{\"X-Request-Id\":\"x\"}",
		"{\"Set-Cookie\":\"a=b\"}",
		"{\"A\":\"b\"} x",
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		AmReplyHeaders headers;

		test_case(cases[i]);
		CHECK(!read_text(cases[i], false, &headers));
		CHECK_INT(0, headers.count);
		CHECK(headers.owner == NULL);
	}
}

static void
taken(void)
{
	AmReplyHeaders headers;

	CHECK(read_text("{\"Retry-After\":\"30\",\"Set-Cookie\":[\"a=1\",\"b=2\"],\"Location\":\"/x\"}",
					true, &headers));
	CHECK_INT(4, headers.count);
	CHECK(am_reply_headers_find(&headers, "retry-after") >= 0);
	CHECK(am_reply_headers_find(&headers, "Vary") < 0);
	CHECK_STRING("30", headers.header[am_reply_headers_find(&headers, "RETRY-AFTER")].value);
	am_reply_headers_free(&headers);
	CHECK(read_text("{}", false, &headers));
	CHECK_INT(0, headers.count);
	am_reply_headers_free(&headers);
}

static void
bounded(void)
{
	char text[1024];
	AmReplyHeaders headers;

	for (int count = AM_REPLY_HEADERS_MAX; count <= AM_REPLY_HEADERS_MAX + 1; count++)
	{
		int length = sprintf(text, "{\"A\":[\"0\"");

		for (int i = 1; i < count; i++)
			length += sprintf(text + length, ",\"%d\"", i);
		(void) sprintf(text + length, "]}");
		CHECK(read_text(text, false, &headers) == (count <= AM_REPLY_HEADERS_MAX));
		am_reply_headers_free(&headers);
	}
}

int
main(void)
{
	TEST_RUN(refused);
	TEST_RUN(taken);
	TEST_RUN(bounded);
	return test_end("shim reply");
}
