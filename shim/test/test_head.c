/*
 * test_head.c
 *	  The guard accepts what one parser alone can mean, and refuses the rest
 *	  with the reason that fits.
 */
#include "test.h"

#include "head.h"

typedef struct Line
{
	const char *name;
	const char *value;
} Line;

typedef struct VetCase
{
	const char *what;
	const char *method;
	const char *version;
	const char *target;
	Line line[5];
	int reason; /* -1 = accepted */
} VetCase;

static const VetCase vet_cases[] = {
	{"plain", "GET", "HTTP/1.1", "/a", {{"Host", "x"}}, -1},
	{"HTTP/1.0", "GET", "HTTP/1.0", "/a", {{"Host", "x"}}, -1},
	{"body", "POST", "HTTP/1.1", "/a", {{"Host", "x"}, {"Content-Length", "3"}}, -1},
	{"chunked", "POST", "HTTP/1.1", "/a", {{"Host", "x"}, {"transfer-encoding", "Chunked"}}, -1},
	{"length and chunked",
	 "POST",
	 "HTTP/1.1",
	 "/a",
	 {{"Host", "x"}, {"Content-Length", "3"}, {"Transfer-Encoding", "chunked"}},
	 AM_VET_LENGTH_AND_CHUNKED},
	{"two lengths",
	 "POST",
	 "HTTP/1.1",
	 "/a",
	 {{"Host", "x"}, {"Content-Length", "3"}, {"Content-Length", "3"}},
	 AM_VET_LENGTH_REPEATED},
	{"list of lengths",
	 "POST",
	 "HTTP/1.1",
	 "/a",
	 {{"Host", "x"}, {"Content-Length", "3, 3"}},
	 AM_VET_LENGTH_INVALID},
	{"sign",
	 "POST",
	 "HTTP/1.1",
	 "/a",
	 {{"Host", "x"}, {"Content-Length", "+3"}},
	 AM_VET_LENGTH_INVALID},
	{"empty length",
	 "POST",
	 "HTTP/1.1",
	 "/a",
	 {{"Host", "x"}, {"Content-Length", ""}},
	 AM_VET_LENGTH_INVALID},
	{"huge length",
	 "POST",
	 "HTTP/1.1",
	 "/a",
	 {{"Host", "x"}, {"Content-Length", "9999999999999999999"}},
	 AM_VET_LENGTH_INVALID},
	{"xchunked",
	 "POST",
	 "HTTP/1.1",
	 "/a",
	 {{"Host", "x"}, {"Transfer-Encoding", "xchunked"}},
	 AM_VET_TRANSFER_ENCODING},
	{"gzip, chunked",
	 "POST",
	 "HTTP/1.1",
	 "/a",
	 {{"Host", "x"}, {"Transfer-Encoding", "gzip, chunked"}},
	 AM_VET_TRANSFER_ENCODING},
	{"identity",
	 "POST",
	 "HTTP/1.1",
	 "/a",
	 {{"Host", "x"}, {"Transfer-Encoding", "identity"}},
	 AM_VET_TRANSFER_ENCODING},
	{"chunked with HTTP/1.0",
	 "POST",
	 "HTTP/1.0",
	 "/a",
	 {{"Host", "x"}, {"Transfer-Encoding", "chunked"}},
	 AM_VET_TRANSFER_ENCODING},
	{"two encodings",
	 "POST",
	 "HTTP/1.1",
	 "/a",
	 {{"Host", "x"}, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}},
	 AM_VET_TRANSFER_ENCODING},
	{"no host", "GET", "HTTP/1.1", "/a", {{"X", "y"}}, AM_VET_HOST_MISSING},
	{"two hosts", "GET", "HTTP/1.1", "/a", {{"Host", "x"}, {"HOST", "x"}}, AM_VET_HOST_REPEATED},
	{"blank in name",
	 "GET",
	 "HTTP/1.1",
	 "/a",
	 {{"Host", "x"}, {"Content-Length ", "3"}},
	 AM_VET_HEADER_NAME},
	{"bracket in name",
	 "GET",
	 "HTTP/1.1",
	 "/a",
	 {{"Host", "x"}, {"A(b)", "3"}},
	 AM_VET_HEADER_NAME},
	{"CR in value", "GET", "HTTP/1.1", "/a", {{"Host", "x"}, {"A", "b\rc"}}, AM_VET_HEADER_VALUE},
	{"DEL in value", "GET", "HTTP/1.1", "/a", {{"Host", "x"}, {"A", "b\x7f"}}, AM_VET_HEADER_VALUE},
	{"tab in value", "GET", "HTTP/1.1", "/a", {{"Host", "x"}, {"A", "b\tc"}}, -1},
	{"UTF-8 in value", "GET", "HTTP/1.1", "/a", {{"Host", "x"}, {"A", "\xc3\xa9"}}, -1},
	{"bad method", "G(T", "HTTP/1.1", "/a", {{"Host", "x"}}, AM_VET_METHOD},
	{"unknown method", "BREW", "HTTP/1.1", "/a", {{"Host", "x"}}, -1},
	{"HTTP/1.2", "GET", "HTTP/1.2", "/a", {{"Host", "x"}}, AM_VET_VERSION},
	{"no version", "GET", "", "/a", {{"Host", "x"}}, AM_VET_VERSION},
	{"absolute URI", "GET", "HTTP/1.1", "http://x/a", {{"Host", "x"}}, AM_VET_TARGET},
	{"asterisk", "OPTIONS", "HTTP/1.1", "*", {{"Host", "x"}}, AM_VET_TARGET},
	{"empty target", "GET", "HTTP/1.1", "", {{"Host", "x"}}, AM_VET_TARGET},
	{"blank in target", "GET", "HTTP/1.1", "/a b", {{"Host", "x"}}, AM_VET_TARGET},
	{"raw UTF-8 in target", "GET", "HTTP/1.1", "/\xc3\xa9", {{"Host", "x"}}, AM_VET_TARGET},
	{"expectation", "POST", "HTTP/1.1", "/a", {{"Host", "x"}, {"Expect", "200-ok"}}, AM_VET_EXPECT},
	{"100-continue", "POST", "HTTP/1.1", "/a", {{"Host", "x"}, {"Expect", "100-Continue"}}, -1},
};

static void
head_fill(AmHead *head, const Line *line, int count)
{
	am_head_init(head);
	for (int i = 0; i < count && line[i].name != NULL; i++)
		am_head_add(head, line[i].name, strlen(line[i].name), line[i].value, strlen(line[i].value));
}

static void
vet_table(void)
{
	for (size_t i = 0; i < LENGTH_OF(vet_cases); i++)
	{
		const VetCase *c = &vet_cases[i];
		AmHead head;
		AmVetReason reason = AM_VET_COUNT;
		bool accepted;

		test_case(c->what);
		head_fill(&head, c->line, 5);
		accepted = am_head_vet(&head, c->method, c->version,
							   (amc_span){c->target, strlen(c->target)}, &reason);
		CHECK(accepted == (c->reason < 0));
		if (!accepted)
			CHECK_INT(c->reason, reason);
	}
}

static void
too_many_headers(void)
{
	AmHead head;
	AmVetReason reason;

	am_head_init(&head);
	am_head_add(&head, "Host", 4, "x", 1);
	for (int i = 1; i < AM_HEADERS_MAX; i++)
		am_head_add(&head, "A", 1, "b", 1);
	CHECK(am_head_vet(&head, "GET", "HTTP/1.1", AMC_SPAN("/"), &reason));
	am_head_add(&head, "A", 1, "b", 1);
	CHECK(!am_head_vet(&head, "GET", "HTTP/1.1", AMC_SPAN("/"), &reason));
	CHECK_INT(AM_VET_HEADER_COUNT, reason);
}

static void
nul_in_value_is_seen(void)
{
	AmHead head;
	AmVetReason reason;

	am_head_init(&head);
	am_head_add(&head, "Host", 4, "x", 1);
	am_head_add(&head, "A", 1, "b\0c", 3);
	CHECK(!am_head_vet(&head, "GET", "HTTP/1.1", AMC_SPAN("/"), &reason));
	CHECK_INT(AM_VET_HEADER_VALUE, reason);
}

static void
bearer_is_exact(void)
{
	static const struct
	{
		const char *value;
		const char *token;
	} cases[] = {
		{"Bearer abc", "abc"}, {"Bearer abc \t ", "abc"}, {"Bearer   ", NULL}, {"Bearer ", NULL},
		{"Bearer", NULL},      {"bearer abc", NULL},      {"Basic abc", NULL}, {"Bearerabc", NULL},
		{"Bearer\tabc", NULL}, {"Bearer a b", "a b"},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		Line line = {"Authorization", cases[i].value};
		AmHead head;
		amc_span token;

		test_case(cases[i].value);
		head_fill(&head, &line, 1);
		token = am_head_bearer(&head);
		CHECK((token.ptr != NULL) == (cases[i].token != NULL));
		if (token.ptr != NULL)
			CHECK(amc_span_equals(token, cases[i].token, strlen(cases[i].token)));
	}
}

static void
two_authorizations_are_none(void)
{
	Line line[2] = {{"Authorization", "Bearer a"}, {"authorization", "Bearer b"}};
	AmHead head;

	head_fill(&head, line, 2);
	CHECK(am_head_bearer(&head).ptr == NULL);
}

static void
json_content_types(void)
{
	static const struct
	{
		const char *type;
		bool json;
	} cases[] = {
		{"application/json", true},
		{"Application/JSON; charset=utf-8", true},
		{"application/json;charset=utf-8", true},
		{" application/json ", true},
		{"application/problem+json", true},
		{"application/vnd.api+JSON;v=1", true},
		{"application/+json", false},
		{"application/jsonx", false},
		{"application/x-json", false},
		{"text/json", false},
		{"text/plain", false},
		{"application/json text", false},
		{"", false},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].type);
		CHECK(am_content_type_is_json((amc_span){cases[i].type, strlen(cases[i].type)}) ==
			  cases[i].json);
	}
	CHECK(!am_content_type_is_json((amc_span){NULL, 0}));
}

static void
content_encodings(void)
{
	CHECK(!am_content_encoding_is_coded((amc_span){NULL, 0}));
	CHECK(!am_content_encoding_is_coded(AMC_SPAN("identity")));
	CHECK(!am_content_encoding_is_coded(AMC_SPAN("")));
	CHECK(am_content_encoding_is_coded(AMC_SPAN("gzip")));
	CHECK(am_content_encoding_is_coded(AMC_SPAN("identity, gzip")));
}

static void
request_ids(void)
{
	char longest[AM_REQUEST_ID_BYTES_MAX + 1];

	memset(longest, 'a', sizeof(longest));
	CHECK(am_request_id_valid(AMC_SPAN("3f2a-b_c.d:E")));
	CHECK(am_request_id_valid((amc_span){longest, AM_REQUEST_ID_BYTES_MAX}));
	CHECK(!am_request_id_valid((amc_span){longest, AM_REQUEST_ID_BYTES_MAX + 1}));
	CHECK(!am_request_id_valid(AMC_SPAN("")));
	CHECK(!am_request_id_valid(AMC_SPAN("a b")));
	CHECK(!am_request_id_valid(AMC_SPAN("a\"b")));
	CHECK(!am_request_id_valid(AMC_SPAN("a\0b")));
	CHECK(!am_request_id_valid(AMC_SPAN("\xc3\xa9")));
}

static void
methods_are_case_sensitive(void)
{
	CHECK_INT(AM_METHOD_GET, am_method_of("GET", 3));
	CHECK_INT(AM_METHOD_HEAD, am_method_of("HEAD", 4));
	CHECK_INT(AM_METHOD_OPTIONS, am_method_of("OPTIONS", 7));
	CHECK_INT(AM_METHOD_OTHER, am_method_of("get", 3));
	CHECK_INT(AM_METHOD_OTHER, am_method_of("GETX", 4));
	CHECK_INT(AM_METHOD_OTHER, am_method_of("", 0));
}

static void
nearest_forwarded_lines_are_kept(void)
{
	AmHead head;
	char value[2] = "0";

	am_head_init(&head);
	for (int i = 0; i < AM_FORWARDED_LINES_MAX + 3; i++)
	{
		static char kept[AM_FORWARDED_LINES_MAX + 3][2];

		value[0] = (char) ('a' + i);
		memcpy(kept[i], value, sizeof(value));
		am_head_add(&head, "X-Forwarded-For", 15, kept[i], 1);
	}
	CHECK_INT(AM_FORWARDED_LINES_MAX, head.forwarded_count);
	CHECK(head.forwarded[0].ptr[0] == 'd');
	CHECK(head.forwarded[AM_FORWARDED_LINES_MAX - 1].ptr[0] == value[0]);
}

int
main(void)
{
	TEST_RUN(vet_table);
	TEST_RUN(too_many_headers);
	TEST_RUN(nul_in_value_is_seen);
	TEST_RUN(bearer_is_exact);
	TEST_RUN(two_authorizations_are_none);
	TEST_RUN(json_content_types);
	TEST_RUN(content_encodings);
	TEST_RUN(request_ids);
	TEST_RUN(methods_are_case_sensitive);
	TEST_RUN(nearest_forwarded_lines_are_kept);
	return test_end("shim head");
}
