/*-------------------------------------------------------------------------
 *
 * test_multipart.c
 *	  Must hold: a streamed body becomes the members that multipart.h describes;
 *	  a malformed one leaves nothing of its parts behind; memory is given back.
 *
 *-------------------------------------------------------------------------
 */
#include "multipart.h"
#include "request.h"
#include "test.h"

#define TYPE "multipart/form-data; boundary=XX"
#define PART(disposition, more, data) \
	"--XX\r\nContent-Disposition: form-data; " disposition "\r\n" more "\r\n" data "\r\n"
#define END "--XX--\r\n"

static char inline_data[2048];
static AmPool pool = {.bytes_max = 1024 * 1024};

/* Reads a body in pieces; the argument as text, with what stood there before it. */
static const char *
read_body(AmBuffer *argument, const char *content_type, const char *body, size_t piece)
{
	AmMultipart multipart;
	size_t length = strlen(body);

	am_buffer_init(argument, inline_data, sizeof(inline_data), &pool);
	am_buffer_puts(argument, "{\"id\":\"1\"");
	if (am_multipart_begin(&multipart, argument, (amc_span){content_type, strlen(content_type)}))
	{
		for (size_t at = 0; at < length; at += piece)
			am_multipart_add(&multipart, body + at, length - at < piece ? length - at : piece);
		am_multipart_end(&multipart);
	}
	am_buffer_putc(argument, '\0');
	return argument->data + strlen("{\"id\":\"1\"");
}

static void
members(void)
{
	static const struct
	{
		const char *name;
		const char *type;
		const char *body;
		const char *expected;
	} cases[] = {
		{"text file", TYPE,
		 PART("name=\"file\"; filename=\"cv \\\"1\\\".txt\"",
			  "Content-Type: TEXT/plain; charset=utf-8\r\n", "one tw\xc3\xb6\nthree") END,
		 ",\"parts\":[{\"name\":\"file\",\"filename\":\"cv \\\"1\\\".txt\",\"type\":\"text/"
		 "plain\",\"size\":14,\"text\":{\"words\":3,\"lines\":2,\"characters\":13}}],"
		 "\"multipart\":\"ok\""},
		{"binary, field and empty file", TYPE,
		 PART("name=a", "Content-Type: image/png\r\n", "\x89PNG") PART("name=b", "", "") END,
		 ",\"parts\":[{\"name\":\"a\",\"type\":\"image/png\",\"size\":4,\"text\":null},"
		 "{\"name\":\"b\",\"type\":\"text/plain\",\"size\":0,\"text\":{\"words\":0,\"lines\":1,"
		 "\"characters\":0}}],\"multipart\":\"ok\""},
		{"name that is no UTF-8", TYPE, PART("name=\"\xff\"", "", "1") END,
		 ",\"parts\":[{\"name\":\"\xef\xbf\xbd\",\"type\":\"text/plain\",\"size\":1,\"text\":{"
		 "\"words\":1,\"lines\":1,\"characters\":1}}],\"multipart\":\"ok\""},
		{"no part", TYPE, END, ",\"parts\":[],\"multipart\":\"ok\""},
		{"malformed at the end", TYPE, PART("name=a", "", "1") PART("name=b", "", "2"),
		 ",\"multipart\":\"malformed\""},
		{"malformed in the middle", TYPE, PART("name=a", "", "1") PART("nme=b", "", "2") END,
		 ",\"multipart\":\"malformed\""},
		{"empty", TYPE, "", ",\"multipart\":\"malformed\""},
		{"other type", "application/json", "{}", ",\"multipart\":\"absent\""},
		{"no boundary", "multipart/form-data", END, ",\"multipart\":\"absent\""},
		{"no type", "", END, ",\"multipart\":\"absent\""},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		AmBuffer argument;

		test_case(cases[i].name);
		for (size_t piece = 1; piece < 9; piece++)
		{
			CHECK_STRING(cases[i].expected,
						 read_body(&argument, cases[i].type, cases[i].body, piece));
			am_buffer_reset(&argument);
		}
	}
}

/* Names that fill their limit grow the argument beyond its inline part; all of it comes back. */
static void
memory(void)
{
	static char body[32768];
	AmBuffer argument;
	size_t length = 0;

	for (int i = 0; i < 6; i++)
		length += (size_t) snprintf(body + length, sizeof(body) - length,
									PART("name=f; filename=%01000d", "", "1"), 0);
	(void) snprintf(body + length, sizeof(body) - length, END);
	CHECK_CONTAINS(read_body(&argument, TYPE, body, 1000), "}],\"multipart\":\"ok\"");
	CHECK(pool.bytes_used > 0 && pool.bytes_used <= 65536);
	am_buffer_reset(&argument);
	CHECK_INT(0, pool.bytes_used);
}

/* The reader of a request lives in the pool, and never longer than the request. */
static void
request_lifetime(void)
{
	AmRequests requests;
	AmCatalog *catalog = am_catalog_create();
	AmRequest *request;

	CHECK(am_requests_init(&requests, NULL, 1, sizeof(AmMultipart)));
	request = am_request_take(&requests, catalog);
	am_request_multipart(request, AMC_SPAN(TYPE));
	CHECK(request->multipart != NULL);
	CHECK_INT(sizeof(AmMultipart), requests.pool.bytes_used);
	am_request_release(&requests, request);
	CHECK_INT(0, requests.pool.bytes_used);

	request = am_request_take(&requests, catalog);
	am_request_multipart(request, AMC_SPAN(TYPE));
	am_multipart_add(request->multipart, AMC_LITERAL(END));
	am_request_multipart_end(request, true);
	CHECK(request->multipart == NULL && !request->argument.failed);
	CHECK_INT(0, requests.pool.bytes_used);

	requests.pool.bytes_max = sizeof(AmMultipart) - 1;
	am_request_multipart(request, AMC_SPAN(TYPE));
	CHECK(request->multipart == NULL && request->argument.failed);
	am_request_release(&requests, request);
	am_requests_free(&requests);
	am_catalog_release(catalog);
}

int
main(void)
{
	TEST_RUN(members);
	TEST_RUN(memory);
	TEST_RUN(request_lifetime);
	return test_end("shim multipart");
}
