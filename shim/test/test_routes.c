/*
 * test_routes.c
 *	  Listener, longest prefix, path and method decide which route answers, and
 *	  nothing else does.
 */
#include "test.h"

#include "routes.h"

static AmRoute routes[] = {
	{.api = "one", .method = AM_METHOD_GET, .path = "/"},
	{.api = "one", .method = AM_METHOD_GET, .path = "/health"},
	{.api = "one", .method = AM_METHOD_POST, .path = "/signup"},
	{.api = "one", .method = AM_METHOD_GET, .path = "/item/:id"},
	{.api = "one", .method = AM_METHOD_DELETE, .path = "/item/:id"},
	{.api = "one", .method = AM_METHOD_POST, .path = "/item/list"},
	{.api = "one", .method = AM_METHOD_GET, .path = "/item/:id/part/:part"},
};

static void
place_fill(AmPlace *place)
{
	memset(place, 0, sizeof(*place));
	place->prefix = "/";
	place->api[place->api_count++] = "one";
	for (size_t i = 0; i < LENGTH_OF(routes); i++)
	{
		const AmRoute *other;

		CHECK_INT(AM_ROUTE_ADDED, am_place_add(place, &routes[i], &other));
	}
}

static void
paths_of_routes(void)
{
	static const struct
	{
		const char *path;
		bool valid;
	} cases[] = {
		{"/", true},
		{"/a", true},
		{"/a/:b", true},
		{"/:a/:b/c-d.e_f~g", true},
		{"", false},
		{"a", false},
		{"/a/", false},
		{"//a", false},
		{"/a//b", false},
		{"/a b", false},
		{"/a%20", false},
		{"/:", false},
		{"/:/a", false},
		{"/a:b", false},
		{"/a?b", false},
		{"/\xc3\xa9", false},
		{"/a/:b/", false},
		{"/:a/:b/:c/:d/:e/:f/:g/:h", true},
		{"/:a/:b/:c/:d/:e/:f/:g/:h/:i", false},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].path);
		CHECK(am_route_path_valid(cases[i].path) == cases[i].valid);
	}
}

typedef struct MatchCase
{
	const char *path;
	AmMethod method;
	int route;         /* index, -1 = wrong method, -2 = unknown path */
	const char *first; /* raw value of the first parameter */
} MatchCase;

static const MatchCase match_cases[] = {
	{"/", AM_METHOD_GET, 0, NULL},
	{"/", AM_METHOD_HEAD, 0, NULL},
	{"/", AM_METHOD_POST, -1, NULL},
	{"/health", AM_METHOD_GET, 1, NULL},
	{"/health/", AM_METHOD_GET, 1, NULL},
	{"/health//", AM_METHOD_GET, -2, NULL},
	{"//health", AM_METHOD_GET, -2, NULL},
	{"/Health", AM_METHOD_GET, -2, NULL},
	{"/healt%68", AM_METHOD_GET, -2, NULL},
	{"/x/../health", AM_METHOD_GET, -2, NULL},
	{"/health%2f", AM_METHOD_GET, -2, NULL},
	{"/signup", AM_METHOD_POST, 2, NULL},
	{"/signup", AM_METHOD_GET, -1, NULL},
	{"/signup", AM_METHOD_HEAD, -1, NULL},
	{"/signup", AM_METHOD_OTHER, -1, NULL},
	{"/item/7", AM_METHOD_GET, 3, "7"},
	{"/item/7/", AM_METHOD_GET, 3, "7"},
	{"/item/a%2Fb", AM_METHOD_GET, 3, "a%2Fb"},
	{"/item/7", AM_METHOD_DELETE, 4, "7"},
	{"/item/7", AM_METHOD_PUT, -1, NULL},
	{"/item/list", AM_METHOD_POST, 5, NULL},
	{"/item/list", AM_METHOD_GET, 3, "list"},
	{"/item//", AM_METHOD_GET, -2, NULL},
	{"/item", AM_METHOD_GET, -2, NULL},
	{"/item/7/part/x", AM_METHOD_GET, 6, "7"},
	{"/item/7/part", AM_METHOD_GET, -2, NULL},
	{"/item/7/part/x/y", AM_METHOD_GET, -2, NULL},
};

static void
matching(void)
{
	AmPlace place;

	place_fill(&place);
	for (size_t i = 0; i < LENGTH_OF(match_cases); i++)
	{
		const MatchCase *c = &match_cases[i];
		AmRouteMatch match;

		test_case(c->path);
		am_route_match(&place, (amc_span){c->path, strlen(c->path)}, c->method, &match);
		CHECK((match.route != NULL) == (c->route >= 0));
		CHECK((match.node != NULL) == (c->route != -2));
		if (match.route != NULL)
			CHECK(match.route == &routes[c->route]);
		CHECK((match.parameter_count > 0) == (c->first != NULL));
		if (match.parameter_count > 0 && c->first != NULL)
			CHECK(amc_span_equals(match.value[0], c->first, strlen(c->first)));
	}
	am_place_clear(&place);
}

static void
allow_lists_every_method_of_the_path(void)
{
	AmPlace place;
	AmRouteMatch match;
	char allow[AM_ALLOW_BYTES];

	place_fill(&place);
	am_route_match(&place, AMC_SPAN("/signup"), AM_METHOD_GET, &match);
	am_route_allow(match.allowed, allow);
	CHECK_STRING("POST", allow);
	am_route_match(&place, AMC_SPAN("/item/list"), AM_METHOD_PUT, &match);
	am_route_allow(match.allowed, allow);
	CHECK_STRING("GET, HEAD, POST, DELETE", allow);
	am_route_allow((1u << AM_METHOD_ROUTED) - 1, allow);
	CHECK_STRING("GET, HEAD, POST, PUT, PATCH, DELETE", allow);
	am_place_clear(&place);
}

static void
collisions(void)
{
	AmRoute same = {.api = "two", .method = AM_METHOD_POST, .path = "/signup"};
	AmRoute root = {.api = "two", .method = AM_METHOD_GET, .path = "/"};
	AmRoute health = {.api = "two", .method = AM_METHOD_GET, .path = "/health"};
	AmRoute twice = {.api = "one", .method = AM_METHOD_GET, .path = "/health"};
	AmRoute post = {.api = "two", .method = AM_METHOD_POST, .path = "/health"};
	const AmRoute *other;
	AmPlace place;

	place_fill(&place);
	CHECK_INT(AM_ROUTE_COLLIDES, am_place_add(&place, &same, &other));
	CHECK(other == &routes[2]);
	CHECK_INT(AM_ROUTE_SHADOWED, am_place_add(&place, &root, &other));
	CHECK_INT(AM_ROUTE_SHADOWED, am_place_add(&place, &health, &other));
	CHECK_INT(AM_ROUTE_COLLIDES, am_place_add(&place, &twice, &other));
	CHECK_INT(AM_ROUTE_ADDED, am_place_add(&place, &post, &other));
	am_place_clear(&place);
}

static void
longest_prefix_wins(void)
{
	static const struct
	{
		int listener;
		const char *path;
		int place;
		const char *rest;
		bool fits;
	} cases[] = {
		{0, "/", 0, "/", true},        {0, "/x", 0, "/x", true},
		{0, "/s", 1, "/", true},       {0, "/s/", 1, "/", true},
		{0, "/s/x", 1, "/x", true},    {0, "/sx", 0, "/sx", true},
		{0, "/s/t/y", 2, "/y", true},  {0, "/s/ty", 1, "/ty", true},
		{1, "/only/z", 3, "/z", true}, {1, "/other", 3, "/other", false},
	};
	AmPlace place[4] = {
		{.listener = 0, .prefix = "/", .prefix_length = 0},
		{.listener = 0, .prefix = "/s", .prefix_length = 2},
		{.listener = 0, .prefix = "/s/t", .prefix_length = 4},
		{.listener = 1, .prefix = "/only", .prefix_length = 5},
	};
	amc_span rest;
	bool fits;

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].path);
		CHECK(am_place_find(place, 4, cases[i].listener,
							(amc_span){cases[i].path, strlen(cases[i].path)}, &rest,
							&fits) == &place[cases[i].place]);
		CHECK(amc_span_equals(rest, cases[i].rest, strlen(cases[i].rest)));
		CHECK(fits == cases[i].fits);
	}
	CHECK(am_place_find(place, 4, 2, AMC_SPAN("/"), &rest, &fits) == NULL);
}

static void
percent_decoding(void)
{
	static const struct
	{
		const char *text;
		const char *decoded; /* NULL = refused */
	} cases[] = {
		{"", ""},         {"abc", "abc"}, {"a%20b", "a b"},    {"%41%6a", "Aj"},
		{"%252F", "%2F"}, {"a+b", "a+b"}, {"%", NULL},         {"%4", NULL},
		{"%4g", NULL},    {"%%41", NULL}, {"%00", NULL},       {"%c3%a9", "\xc3\xa9"},
		{"%c3", NULL},    {"%ff", NULL},  {"%ed%a0%80", NULL}, {"%C3%28", NULL},
	};
	char out[64];
	size_t length;

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		amc_span text = {cases[i].text, strlen(cases[i].text)};
		bool decoded = am_percent_decode(text, out, sizeof(out), &length);

		test_case(cases[i].text);
		CHECK(decoded == (cases[i].decoded != NULL));
		if (decoded && cases[i].decoded != NULL)
			CHECK(amc_span_equals((amc_span){out, length}, cases[i].decoded,
								  strlen(cases[i].decoded)));
	}
	CHECK(!am_percent_decode(AMC_SPAN("abc"), out, 2, &length));
}

int
main(void)
{
	TEST_RUN(paths_of_routes);
	TEST_RUN(matching);
	TEST_RUN(allow_lists_every_method_of_the_path);
	TEST_RUN(collisions);
	TEST_RUN(longest_prefix_wins);
	TEST_RUN(percent_decoding);
	return test_end("shim routes");
}
