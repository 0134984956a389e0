/*
 * test_admin.c
 *		Must hold: /live and /ready say yes only when every loop turns, and can serve every lane;
 *		the pages are valid JSON or Prometheus text whatever the state.
 */
#include "test.h"

#include <jansson.h>
#include <stdlib.h>

#include "admin.h"

#define NOW_US INT64_C(5000000000)

static AmMetricsRegistry registry;

/* A registry of ready loops that turned just now. */
static void
begin(int loops)
{
	CHECK(am_metrics_registry_init(&registry));
	for (int i = 0; i < loops; i++)
	{
		AmMetrics *metrics = am_metrics_create(&registry);

		am_metrics_tick(metrics, NOW_US);
		am_metrics_tables_loaded_set(metrics, true);
		for (int lane = 0; lane < AM_LANE_COUNT; lane++)
			am_metrics_lane_gauge_set(metrics, AM_LANE_GAUGE_CONNECTIONS_UP, (AmLaneId) lane, 1);
	}
}

static void
end(void)
{
	am_metrics_registry_free(&registry);
}

/* Status of a page; its body is parsed into parsed unless that is NULL. */
static int
get(const char *path, json_t **parsed)
{
	AmText body;
	AmAdminAnswer answer;

	am_text_init(&body, AM_METRICS_PAGE_BYTES_MAX);
	answer = am_admin_answer(&registry, NOW_US, "GET", path, NULL, &body);
	if (parsed != NULL)
	{
		*parsed = json_loads(am_text_string(&body), JSON_REJECT_DUPLICATES, NULL);
		CHECK(*parsed != NULL);
		CHECK_STRING("application/json; charset=utf-8", answer.content_type);
		CHECK(strpbrk(am_text_string(&body), " \n\t") == NULL ||
			  strstr(am_text_string(&body), "\"error\"") != NULL);
	}
	CHECK(answer.allow == NULL);
	am_text_free(&body);
	return answer.status;
}

static bool
is_true(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	CHECK(json_is_boolean(value));
	return json_is_true(value);
}

/* ---- live ---- */

static void
live_needs_every_loop_to_turn(void)
{
	static const struct
	{
		int64_t second_tick_us; /* of the second loop; the first turned now */
		bool live;
		int oldest_ms;
	} cases[] = {
		{NOW_US, true, 0},
		{NOW_US - 1000 * AM_ADMIN_LIVE_MS, true, AM_ADMIN_LIVE_MS},
		{NOW_US - 1000 * AM_ADMIN_LIVE_MS - 999, true, AM_ADMIN_LIVE_MS},
		{NOW_US - 1000 * (AM_ADMIN_LIVE_MS + 1), false, AM_ADMIN_LIVE_MS + 1},
		{1, false, 4999999},
		{0, false, -1},
		{NOW_US + 500, true, 0},
		{NOW_US + 5000000, true, 0},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		json_t *body;

		begin(2);
		am_metrics_tick(registry.loop[1], cases[i].second_tick_us);
		CHECK_INT(cases[i].live ? 200 : 503, get("/live", &body));
		CHECK_INT(cases[i].live, is_true(body, "live"));
		CHECK_INT(2, json_integer_value(json_object_get(body, "loops")));
		CHECK_INT(cases[i].live ? 0 : 1, json_integer_value(json_object_get(body, "loops_late")));
		CHECK_INT(cases[i].oldest_ms, json_integer_value(json_object_get(body, "oldest_turn_ms")));
		json_decref(body);
		end();
	}
}

static void
late_loop_is_late_wherever_it_stands(void)
{
	AmAdminState state;

	begin(3);
	am_metrics_tick(registry.loop[0], 0);
	am_admin_state_gather(&registry, NOW_US, &state);
	CHECK_INT(-1, state.oldest_tick_ms);
	CHECK_INT(1, state.loops_late);
	CHECK(!am_admin_live(&state));
	end();
}

/* ---- ready ---- */

static void
nothing_is_ready_without_loops(void)
{
	json_t *body;

	begin(0);
	CHECK_INT(503, get("/live", &body));
	json_decref(body);
	CHECK_INT(503, get("/ready", &body));
	CHECK(!is_true(body, "ready"));
	CHECK(!is_true(body, "tables_loaded"));
	CHECK(!is_true(json_object_get(json_object_get(body, "lanes"), "fast"), "up"));
	json_decref(body);
	end();
}

static void
ready_needs_every_serving_lane_in_every_loop(void)
{
	for (int lane = 0; lane < AM_LANE_COUNT; lane++)
	{
		bool serving = lane < AM_LANE_SERVING_COUNT;
		json_t *body;
		const json_t *detail;

		test_case(am_lane_name((AmLaneId) lane));
		begin(2);
		CHECK_INT(200, get("/ready", NULL));
		am_metrics_lane_gauge_set(registry.loop[1], AM_LANE_GAUGE_CONNECTIONS_UP, (AmLaneId) lane,
								  0);
		CHECK_INT(serving ? 503 : 200, get("/ready", &body));
		CHECK_INT(!serving, is_true(body, "ready"));
		CHECK(is_true(body, "tables_loaded"));
		detail = json_object_get(json_object_get(body, "lanes"), am_lane_name((AmLaneId) lane));
		CHECK(!is_true(detail, "up"));
		CHECK_INT(1, json_integer_value(json_object_get(detail, "connections_up")));
		json_decref(body);
		end();
	}
}

static void
ready_needs_tables(void)
{
	json_t *body;

	begin(2);
	am_metrics_tables_loaded_set(registry.loop[1], false);
	CHECK_INT(503, get("/ready", &body));
	CHECK(!is_true(body, "ready"));
	CHECK(!is_true(body, "tables_loaded"));
	json_decref(body);
	end();
}

static void
draining_is_live_and_not_ready(void)
{
	json_t *body;

	begin(1);
	am_metrics_draining_set(&registry, true);
	CHECK_INT(200, get("/live", NULL));
	CHECK_INT(503, get("/ready", &body));
	CHECK(is_true(body, "draining"));
	CHECK(!is_true(body, "ready"));
	json_decref(body);
	am_metrics_draining_set(&registry, false);
	CHECK_INT(200, get("/ready", &body));
	CHECK(!is_true(body, "draining"));
	json_decref(body);
	end();
}

static void
ready_body_is_literal(void)
{
	static const char expected[] =
		"{\"ready\":true,\"draining\":false,\"tables_loaded\":true,\"requests_in_flight\":4,"
		"\"connections_open\":9,\"lanes\":{"
		"\"fast\":{\"up\":true,\"connections_up\":1,\"connections_wanted\":2,\"queued\":3,\"sent\":5},"
		"\"write\":{\"up\":true,\"connections_up\":1,\"connections_wanted\":0,\"queued\":0,\"sent\":0},"
		"\"slow\":{\"up\":true,\"connections_up\":1,\"connections_wanted\":0,\"queued\":0,\"sent\":0},"
		"\"control\":{\"up\":true,\"connections_up\":1,\"connections_wanted\":0,\"queued\":0,"
		"\"sent\":0}}}";
	AmText body;

	begin(1);
	am_metrics_gauge_set(registry.loop[0], AM_GAUGE_REQUESTS_IN_FLIGHT, 4);
	am_metrics_gauge_set(registry.loop[0], AM_GAUGE_CONNECTIONS_OPEN, 9);
	am_metrics_lane_gauge_set(registry.loop[0], AM_LANE_GAUGE_CONNECTIONS_WANTED, AM_LANE_FAST, 2);
	am_metrics_lane_gauge_set(registry.loop[0], AM_LANE_GAUGE_QUEUE_DEPTH, AM_LANE_FAST, 3);
	am_metrics_lane_gauge_set(registry.loop[0], AM_LANE_GAUGE_CALLS_SENT, AM_LANE_FAST, 5);
	am_text_init(&body, AM_METRICS_PAGE_BYTES_MAX);
	CHECK_INT(200, am_admin_answer(&registry, NOW_US, "GET", "/ready", NULL, &body).status);
	CHECK_STRING(expected, am_text_string(&body));
	am_text_free(&body);
	end();
}

/* ---- paths and methods ---- */

static void
paths_and_methods(void)
{
	static const struct
	{
		const char *method;
		const char *path;
		int status;
	} cases[] = {
		{"GET", "/live", 200},     {"HEAD", "/live", 200},       {"GET", "/ready", 200},
		{"GET", "/metrics", 200},  {"HEAD", "/metrics", 200},    {"GET", "/", 200},
		{"POST", "/live", 405},    {"OPTIONS", "/metrics", 405}, {"get", "/ready", 405},
		{"GET", "", 404},          {"GET", "/live/", 404},       {"GET", "/Live", 404},
		{"GET", "//metrics", 404}, {"GET", "/metrics?x=1", 404}, {"POST", "/other", 404},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		AmText body;
		AmAdminAnswer answer;

		test_case(cases[i].path);
		begin(1);
		am_text_init(&body, AM_METRICS_PAGE_BYTES_MAX);
		answer =
			am_admin_answer(&registry, NOW_US, cases[i].method, cases[i].path, "150020", &body);
		CHECK_INT(cases[i].status, answer.status);
		CHECK_STRING(cases[i].status == 405 ? "GET, HEAD" : NULL, answer.allow);
		CHECK(body.length > 0);
		CHECK_STRING(strcmp(cases[i].path, "/metrics") == 0 && cases[i].status == 200
						 ? AM_METRICS_CONTENT_TYPE
						 : "application/json; charset=utf-8",
					 answer.content_type);
		am_text_free(&body);
		end();
	}
}

static void
page_that_does_not_fit_is_a_500(void)
{
	AmText body;
	AmAdminAnswer answer;

	begin(1);
	am_text_init(&body, 500);
	answer = am_admin_answer(&registry, NOW_US, "GET", "/metrics", NULL, &body);
	CHECK_INT(500, answer.status);
	CHECK_STRING("{\"error\":\"Internal server error\"}", am_text_string(&body));
	CHECK_STRING("application/json; charset=utf-8", answer.content_type);
	am_text_free(&body);
	end();
}

int
main(void)
{
	TEST_RUN(live_needs_every_loop_to_turn);
	TEST_RUN(late_loop_is_late_wherever_it_stands);
	TEST_RUN(nothing_is_ready_without_loops);
	TEST_RUN(ready_needs_every_serving_lane_in_every_loop);
	TEST_RUN(ready_needs_tables);
	TEST_RUN(draining_is_live_and_not_ready);
	TEST_RUN(ready_body_is_literal);
	TEST_RUN(paths_and_methods);
	TEST_RUN(page_that_does_not_fit_is_a_500);
	return test_end("shim admin");
}
