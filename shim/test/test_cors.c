/*
 * test_cors.c
 *	  Only an origin of the list, byte by byte, is ever named in an answer.
 */
#include "test.h"

#include "cors.h"

static const AmCors list = {
	.api = "one",
	.origin = {"https://a.example", "http://localhost:3000"},
	.origin_count = 2,
};

static void
exact_match(void)
{
	static const char *const refused[] = {
		"",
		"null",
		"*",
		"https://a.example/",
		"https://A.example",
		"HTTPS://a.example",
		"http://a.example",
		"https://a.example.evil",
		"https://a.example:443",
		"http://localhost",
		"http://localhost:30000",
	};

	CHECK(am_cors_match(&list, AMC_SPAN("https://a.example")) == list.origin[0]);
	CHECK(am_cors_match(&list, AMC_SPAN("http://localhost:3000")) == list.origin[1]);
	for (size_t i = 0; i < LENGTH_OF(refused); i++)
	{
		test_case(refused[i]);
		CHECK(am_cors_match(&list, (amc_span){refused[i], strlen(refused[i])}) == NULL);
	}
	CHECK(am_cors_match(&list, (amc_span){NULL, 0}) == NULL);
	CHECK(am_cors_match(NULL, AMC_SPAN("https://a.example")) == NULL);
}

static void
configured_origins(void)
{
	static const struct
	{
		const char *origin;
		bool valid;
	} cases[] = {
		{"https://a.example", true},
		{"http://[::1]:8080", true},
		{"*", false},
		{"null", false},
		{"", false},
		{"https://", false},
		{"://a", false},
		{"https://a.example/", false},
		{"https://*.example", false},
		{"https://a b", false},
		{"https://a,https://b", false},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].origin);
		CHECK(am_cors_origin_valid(cases[i].origin) == cases[i].valid);
	}
}

static void
preflight_needs_both_headers(void)
{
	AmHead head;

	am_head_init(&head);
	CHECK(!am_cors_is_preflight(&head, AM_METHOD_OPTIONS));
	am_head_add(&head, "Origin", 6, "https://a.example", 17);
	CHECK(!am_cors_is_preflight(&head, AM_METHOD_OPTIONS));
	am_head_add(&head, "Access-Control-Request-Method", 29, "POST", 4);
	CHECK(am_cors_is_preflight(&head, AM_METHOD_OPTIONS));
	CHECK(!am_cors_is_preflight(&head, AM_METHOD_POST));
}

int
main(void)
{
	TEST_RUN(exact_match);
	TEST_RUN(configured_origins);
	TEST_RUN(preflight_needs_both_headers);
	return test_end("shim cors");
}
