/*
 * test_request.c
 *	  A slot is clean when it is taken, whatever the request before it left, and
 *	  there are never more than configured.
 */
#include "test.h"

#include "request.h"

#define SLOTS 4

static AmRequests requests;
static AmCatalog *catalog;

static void
bounded_number(void)
{
	AmRequest *taken[SLOTS];

	for (int i = 0; i < SLOTS; i++)
	{
		taken[i] = am_request_take(&requests, catalog);
		CHECK(taken[i] != NULL && taken[i]->state == AM_REQUEST_READING);
	}
	CHECK_INT(SLOTS, requests.in_use);
	CHECK_INT(SLOTS + 1, catalog->references);
	CHECK(am_request_take(&requests, catalog) == NULL);
	am_request_release(&requests, taken[1]);
	CHECK(am_request_take(&requests, catalog) == taken[1]);
	for (int i = 0; i < SLOTS; i++)
		am_request_release(&requests, taken[i]);
	CHECK_INT(0, requests.in_use);
	CHECK_INT(1, catalog->references);
}

static bool
holds(const void *memory, size_t bytes, const char *text)
{
	return memmem(memory, bytes, text, strlen(text)) != NULL;
}

static void
nothing_stays(void)
{
	static char large[20000];
	AmRequest *request = am_request_take(&requests, catalog);
	const AmRequest *slot = request;

	am_buffer_puts(&request->argument, "{\"bearer\":\"topsecret\"}");
	CHECK(am_request_keep(request, 200, "", 0, "{\"sessionToken\":\"topsecret\"}", 28));
	CHECK(holds(slot, sizeof(*slot), "topsecret"));
	am_request_release(&requests, request);
	CHECK(!holds(slot, sizeof(*slot), "topsecret"));
	memset(large, 'x', sizeof(large));
	request = am_request_take(&requests, catalog);
	am_buffer_puts(&request->argument, "topsecret");
	am_buffer_add(&request->argument, large, sizeof(large));
	CHECK(am_request_keep(request, 200, "", 0, large, sizeof(large)));
	CHECK(requests.pool.bytes_used > sizeof(large));
	CHECK(!holds(slot, sizeof(*slot), "topsecret"));
	am_request_release(&requests, request);
	CHECK_INT(0, requests.pool.bytes_used);
}

static void
kept_results(void)
{
	AmRequest *request = am_request_take(&requests, catalog);

	CHECK(!am_request_keep(request, 199, "", 0, "{}", 2));
	CHECK(!am_request_keep(request, 600, "", 0, "{}", 2));
	CHECK(am_request_keep(request, 200, "{\"A\":\"b\"}", 9, "{}", 2));
	CHECK_INT(9, request->headers_length);
	CHECK(amc_span_equals((amc_span){request->body, request->body_length}, "{}", 2));
	am_request_unkeep(request);
	CHECK_INT(0, request->status);
	CHECK_INT(0, request->headers_length);
	CHECK(am_request_keep(request, 201, "", 0, "[]", 2));
	CHECK(amc_span_equals((amc_span){request->body, request->body_length}, "[]", 2));
	am_request_release(&requests, request);
}

static void
refused_with_placeholders(void)
{
	AmRequest *request = am_request_take(&requests, catalog);

	request->api = "one";
	am_request_refuse(request, AM_REFUSAL_NOT_FOUND, AMC_SPAN("/a\"b"));
	CHECK_INT(AM_REQUEST_ANSWERED, request->state);
	CHECK_INT(404, request->status);
	am_buffer_putc(&request->reply, '\0');
	CHECK_CONTAINS(request->reply.data, "{\"p\":\"/a\\\"b\",\"{\":\"{{x}}\",\"t\":\"20");
	CHECK_CONTAINS(request->reply.data, "Z\"}");
	am_request_release(&requests, request);
}

static void
ids_differ(void)
{
	char first[AM_REQUEST_ID_BYTES_MAX + 1];
	char second[AM_REQUEST_ID_BYTES_MAX + 1];

	am_request_id_make(&requests, first);
	am_request_id_make(&requests, second);
	CHECK_INT(32, strlen(first));
	CHECK(strcmp(first, second) != 0);
	CHECK(am_request_id_valid((amc_span){first, strlen(first)}));
}

int
main(void)
{
	AmRefusalRow row = {"one", "not_found", "", "404",
						"{\"p\":\"{{path}}\",\"{\":\"{{x}}\",\"t\":\"{{timestamp}}\"}"};
	AmText error;

	am_text_init(&error, 1024);
	catalog = am_catalog_create();
	if (catalog == NULL || !am_requests_init(&requests, NULL, SLOTS, 1024 * 1024) ||
		!am_catalog_add_refusal(catalog, &row, &error))
		return 1;
	TEST_RUN(bounded_number);
	TEST_RUN(nothing_stays);
	TEST_RUN(kept_results);
	TEST_RUN(refused_with_placeholders);
	TEST_RUN(ids_differ);
	am_requests_free(&requests);
	am_catalog_release(catalog);
	am_text_free(&error);
	return test_end("shim request");
}
