/*
 * test_catalog.c
 *	  What the database says is checked once: a catalog holds only routes,
 *	  refusals, networks and origins the hot path can trust.
 */
#include "test.h"

#include "catalog.h"

static AmText error;

static const AmRouteRow good_route = {
	.api = "one",
	.method = "POST",
	.path = "/signup",
	.function = "one_signup",
	.lane = "slow",
	.body = "json",
	.body_bytes_max = "102400",
	.limited = "t",
	.headers = "[\"x-service-token\"]",
	.cookies = "f",
};

static void
good_row(void)
{
	AmCatalog *catalog = am_catalog_create();

	CHECK(am_catalog_add_route(catalog, &good_route, &error));
	CHECK_INT(1, catalog->route_count);
	CHECK_STRING("one_signup", catalog->route[0].function);
	CHECK_INT(AM_LANE_SLOW, catalog->route[0].lane);
	CHECK_INT(AM_BODY_JSON, catalog->route[0].body);
	CHECK_INT(102400, catalog->route[0].body_bytes_max);
	CHECK(catalog->route[0].limited && !catalog->route[0].cookies);
	CHECK_STRING("x-service-token", catalog->route[0].header[0]);
	am_catalog_release(catalog);
}

static void
bad_route(const char *what, AmRouteRow row)
{
	AmCatalog *catalog = am_catalog_create();

	test_case(what);
	am_text_reset(&error);
	CHECK(!am_catalog_add_route(catalog, &row, &error));
	CHECK(error.length > 0);
	CHECK_INT(0, catalog->route_count);
	am_catalog_release(catalog);
}

#define BAD_ROUTE(member, value)               \
	do                                         \
	{                                          \
		AmRouteRow row_ = good_route;          \
		row_.member = (value);                 \
		bad_route(#member " = " #value, row_); \
	} while (0)

static void
bad_rows(void)
{
	BAD_ROUTE(api, NULL);
	BAD_ROUTE(method, NULL);
	BAD_ROUTE(method, "post");
	BAD_ROUTE(method, "HEAD");
	BAD_ROUTE(method, "OPTIONS");
	BAD_ROUTE(path, "signup");
	BAD_ROUTE(path, "/a b");
	BAD_ROUTE(function, NULL);
	BAD_ROUTE(function, "");
	BAD_ROUTE(function, "one; DROP TABLE x");
	BAD_ROUTE(function, "One");
	BAD_ROUTE(function, "1one");
	BAD_ROUTE(function, "a23456789012345678901234567890123456789012345678901234567890123x");
	BAD_ROUTE(lane, "control");
	BAD_ROUTE(lane, "quick");
	BAD_ROUTE(lane, NULL);
	BAD_ROUTE(body, "xml");
	BAD_ROUTE(body, NULL);
	BAD_ROUTE(body_bytes_max, "-1");
	BAD_ROUTE(body_bytes_max, "1x");
	BAD_ROUTE(body_bytes_max, "99999999999999999999");
	BAD_ROUTE(headers, "{}");
	BAD_ROUTE(headers, "[1]");
	BAD_ROUTE(headers, "[\"a b\"]");
	BAD_ROUTE(headers, "[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\"]");
}

static void
refusals(void)
{
	AmCatalog *catalog = am_catalog_create();
	AmRefusalRow general = {"one", "fault", "", "500", "{\"error\":\"general\"}"};
	AmRefusalRow special = {"one", "fault", "/x", "500", "{\"error\":\"special\"}"};
	AmRefusalRow path = {"one", "not_found", NULL, "404", "{\"path\":\"{{path}}\"}"};
	AmRefusalRow bad_status = {"one", "fault", "", "200", "{}"};
	AmRefusalRow bad_reason = {"one", "sorry", "", "500", "{}"};

	CHECK(am_catalog_add_refusal(catalog, &special, &error));
	CHECK(am_catalog_add_refusal(catalog, &general, &error));
	CHECK(am_catalog_add_refusal(catalog, &path, &error));
	CHECK(!am_catalog_add_refusal(catalog, &bad_status, &error));
	CHECK(!am_catalog_add_refusal(catalog, &bad_reason, &error));
	CHECK_STRING(special.body, am_catalog_refusal(catalog, "one", AM_REFUSAL_FAULT, "/x")->body);
	CHECK_STRING(general.body, am_catalog_refusal(catalog, "one", AM_REFUSAL_FAULT, "/y")->body);
	CHECK_STRING(general.body, am_catalog_refusal(catalog, "one", AM_REFUSAL_FAULT, "")->body);
	CHECK(am_catalog_refusal(catalog, "one", AM_REFUSAL_NOT_FOUND, "")->placeholders);
	test_case("built-in");
	CHECK_STRING("{\"error\":\"Service unavailable\"}",
				 am_catalog_refusal(catalog, "two", AM_REFUSAL_UNAVAILABLE, "")->body);
	CHECK_INT(503, am_catalog_refusal(NULL, NULL, AM_REFUSAL_UNAVAILABLE, "")->status);
	am_catalog_release(catalog);
}

static void
gateway(void)
{
	static const char *const bad[] = {
		"[]",
		"{",
		"{\"trusted_proxies\":[\"10.0.0.1/8\"]}",
		"{\"trusted_proxies\":[\"proxy\"]}",
		"{\"trusted_proxies\":[1]}",
		"{\"cors\":{\"one\":[\"*\"]}}",
		"{\"cors\":{\"one\":\"https://a.example\"}}",
		"{\"cors\":{\"one\":[\"https://a.example/\"]}}",
	};
	AmCatalog *catalog = am_catalog_create();

	CHECK(
		am_catalog_set_gateway(catalog,
							   "{\"environment\":\"production\",\"trusted_proxies\":"
							   "[\"10.0.0.0/8\",\"::1\"],\"cors\":{\"one\":[\"https://a.example\"],"
							   "\"two\":[]}}",
							   &error));
	CHECK_INT(2, catalog->proxy_count);
	CHECK_STRING("https://a.example", am_catalog_cors(catalog, "one")->origin[0]);
	CHECK_INT(0, am_catalog_cors(catalog, "two")->origin_count);
	CHECK(am_catalog_cors(catalog, "three") == NULL);
	am_catalog_release(catalog);
	for (size_t i = 0; i < LENGTH_OF(bad); i++)
	{
		catalog = am_catalog_create();
		test_case(bad[i]);
		CHECK(!am_catalog_set_gateway(catalog, bad[i], &error));
		am_catalog_release(catalog);
	}
	catalog = am_catalog_create();
	CHECK(!am_catalog_set_gateway(catalog, NULL, &error));
	am_catalog_release(catalog);
}

static void
config_mount(AmConfig *config, const char *api, const char *prefix)
{
	AmMount *mount = &config->mount[config->mount_count++];

	(void) snprintf(mount->api, sizeof(mount->api), "%s", api);
	(void) snprintf(mount->prefix, sizeof(mount->prefix), "%s", prefix);
	(void) snprintf(config->api[config->api_count++], sizeof(config->api[0]), "%s", api);
	config->listener_count = 1;
}

/* The outcome of mounting APIs one and two, which share POST /signup, and the message. */
static bool
mounted(const char *second, const char *prefix, const char **message)
{
	static AmMetricsRegistry registry;
	AmCatalog *catalog = am_catalog_create();
	AmRouteRow row = good_route;
	AmConfig config = {0};
	bool done;

	(void) am_catalog_add_route(catalog, &row, &error);
	row.api = "two";
	row.function = "two_signup";
	(void) am_catalog_add_route(catalog, &row, &error);
	config_mount(&config, "one", "/");
	config_mount(&config, second, prefix);
	am_text_reset(&error);
	CHECK(am_metrics_registry_init(&registry));
	done = am_catalog_mount(catalog, &config, &registry, &error);
	am_metrics_registry_free(&registry);
	am_catalog_release(catalog);
	*message = am_text_string(&error);
	return done;
}

static void
colliding_mounts(void)
{
	const char *message;

	CHECK(!mounted("two", "/", &message));
	CHECK_CONTAINS(message, "POST /signup");
	CHECK_CONTAINS(message, "\"one\"");
	CHECK_CONTAINS(message, "\"two\"");
	CHECK(mounted("two", "/s/two", &message));
	CHECK(!mounted("three", "/s/three", &message));
	CHECK_CONTAINS(message, "\"three\"");
}

static void
references(void)
{
	AmCatalog *catalog = am_catalog_create();

	CHECK(am_catalog_reference(catalog) == catalog);
	am_catalog_release(catalog);
	CHECK(am_catalog_add_route(catalog, &good_route, &error));
	am_catalog_release(catalog);
	am_catalog_release(NULL);
}

int
main(void)
{
	am_text_init(&error, 65536);
	TEST_RUN(good_row);
	TEST_RUN(bad_rows);
	TEST_RUN(refusals);
	TEST_RUN(gateway);
	TEST_RUN(colliding_mounts);
	TEST_RUN(references);
	am_text_free(&error);
	return test_end("shim catalog");
}
