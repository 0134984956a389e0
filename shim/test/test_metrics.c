/*
 * test_metrics.c
 *		Must hold: the page says exactly what was observed, summed over the loops, in valid
 *		Prometheus text, and its number of series has a bound whatever is observed.
 */
#include "test.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>

#include "metrics.h"
#include "process.h"

static AmMetricsRegistry registry;
static AmText page;

static void
begin(void)
{
	CHECK(am_metrics_registry_init(&registry));
	am_text_init(&page, AM_METRICS_PAGE_BYTES_MAX);
}

static void
end(void)
{
	am_text_free(&page);
	am_metrics_registry_free(&registry);
}

static const char *
render(void)
{
	am_text_reset(&page);
	CHECK(am_metrics_render(&registry, "150020", &page));
	return am_text_string(&page);
}

static void
count_request(AmMetrics *metrics, int slot, int status, int64_t total_us)
{
	AmObservation seen = am_obs_make(AM_OBS_REQUEST);

	seen.route_slot = slot;
	seen.status = status;
	seen.total_us = total_us;
	am_metrics_observe(metrics, &seen);
}

/* ---- the text format ---- */

/* Length of a metric or label name, 0 if there is none. */
static size_t
name_length(const char *text)
{
	size_t length = 0;

	if (isdigit((unsigned char) *text))
		return 0;
	while (isalnum((unsigned char) text[length]) || text[length] == '_')
		length++;
	return length;
}

/* Skips one "name="value"" of a label set; NULL if it is malformed. */
static const char *
skip_label(const char *text)
{
	size_t length = name_length(text);

	if (length == 0 || strncmp(text + length, "=\"", 2) != 0)
		return NULL;
	for (text += length + 2; *text != '"'; text++)
	{
		if (*text == '\\')
		{
			text++;
			if (*text != '\\' && *text != '"' && *text != 'n')
				return NULL;
		}
		if (*text == '\0' || *text == '\n')
			return NULL;
	}
	return text + 1;
}

/* Checks one sample line, without its newline, against the family it stands in. */
static bool
is_sample_of(const char *sample, const char *family, size_t family_length)
{
	static const char *const suffixes[] = {"", "_bucket", "_sum", "_count"};
	size_t length = name_length(sample);
	bool known = false;
	char *rest;

	for (size_t i = 0; i < LENGTH_OF(suffixes); i++)
		known = known || (length == family_length + strlen(suffixes[i]) &&
						  strncmp(sample + family_length, suffixes[i], strlen(suffixes[i])) == 0);
	if (!known || strncmp(sample, family, family_length) != 0)
		return false;
	sample += length;
	if (*sample == '{')
	{
		do
			sample = skip_label(sample + 1);
		while (sample != NULL && *sample == ',');
		if (sample == NULL || *sample != '}')
			return false;
		sample++;
	}
	if (*sample != ' ')
		return false;
	(void) strtod(sample + 1, &rest);
	return rest != sample + 1 && *rest == '\0';
}

/*
 * Checks that the page is families of HELP, TYPE and samples, and that no series
 * and no family comes twice.  Returns the number of samples.
 */
static int
check_page(const char *text)
{
	static char *lines[20000];
	char *copy = strdup(text);
	char *rest = NULL;
	int count = 0;
	int samples = 0;
	const char *family = "";
	size_t family_length = 0;

	CHECK_INT('\n', text[strlen(text) - 1]);
	for (char *line = strtok_r(copy, "\n", &rest); line != NULL && count < 20000;
		 line = strtok_r(NULL, "\n", &rest))
		lines[count++] = line;
	for (int i = 0; i < count; i++)
	{
		test_case(lines[i]);
		if (strncmp(lines[i], "# HELP ", 7) == 0)
		{
			family = lines[i] + 7;
			family_length = name_length(family);
			CHECK(i + 1 < count && strncmp(lines[i + 1], "# TYPE ", 7) == 0 &&
				  strncmp(lines[i + 1] + 7, family, family_length + 1) == 0);
			CHECK(strlen(family) > family_length + 2);
			i++;
			continue;
		}
		CHECK(is_sample_of(lines[i], family, family_length));
		samples++;
		for (int other = 0; other < i; other++)
		{
			size_t series = (size_t) (strrchr(lines[i], ' ') - lines[i]);

			if (strncmp(lines[other], lines[i], series + 1) == 0)
				CHECK(!"a series comes twice");
		}
	}
	test_case("");
	free(copy);
	return samples;
}

/* ---- requests ---- */

static void
requests_are_counted_by_route_and_status(void)
{
	AmMetrics *loops[2];
	int track;
	int signup;
	const char *text;

	begin();
	loops[0] = am_metrics_create(&registry);
	loops[1] = am_metrics_create(&registry);
	track = am_metrics_route_add(&registry, "vsplugin", "POST", "/trackUsage");
	signup = am_metrics_route_add(&registry, "vsplugin", "POST", "/signup");
	for (int i = 0; i < 5; i++)
		count_request(loops[i % 2], track, 200, 1000);
	count_request(loops[1], track, 503, 1000);
	count_request(loops[0], signup, 201, 250000);
	count_request(loops[0], signup, 299, -1);
	count_request(loops[0], signup, 599, -1);
	text = render();
	CHECK_CONTAINS(text, "# TYPE authmeter_requests_total counter\n");
	CHECK_CONTAINS(text, "\nauthmeter_requests_total{api=\"vsplugin\",route=\"/trackUsage\","
						 "method=\"POST\",status=\"200\"} 5\n");
	CHECK_CONTAINS(text, "route=\"/trackUsage\",method=\"POST\",status=\"503\"} 1\n");
	CHECK_CONTAINS(text, "route=\"/signup\",method=\"POST\",status=\"201\"} 1\n");
	CHECK_CONTAINS(text, "route=\"/signup\",method=\"POST\",status=\"other\"} 2\n");
	CHECK_LACKS(text, "status=\"299\"");
	CHECK_CONTAINS(text, "authmeter_request_duration_seconds_count{api=\"vsplugin\","
						 "route=\"/signup\",method=\"POST\"} 1\n");
	CHECK_CONTAINS(text, "authmeter_request_duration_seconds_sum{api=\"vsplugin\","
						 "route=\"/signup\",method=\"POST\"} 0.250000\n");
	CHECK_LACKS(text, "(unmatched)");
	(void) check_page(text);
	end();
}

static void
durations_fall_into_their_buckets(void)
{
	static const struct
	{
		int64_t total_us;
		const char *first; /* the least bucket that has it */
		const char *before;
	} cases[] = {
		{0, "le=\"0.0005\"} 1\n", "no bucket is below"},
		{500, "le=\"0.0005\"} 1\n", "no bucket is below"},
		{501, "le=\"0.001\"} 1\n", "le=\"0.0005\"} 0\n"},
		{1000, "le=\"0.001\"} 1\n", "le=\"0.0005\"} 0\n"},
		{2500, "le=\"0.0025\"} 1\n", "le=\"0.001\"} 0\n"},
		{999999, "le=\"1\"} 1\n", "le=\"0.5\"} 0\n"},
		{10000000, "le=\"10\"} 1\n", "le=\"5\"} 0\n"},
		{10000001, "le=\"+Inf\"} 1\n", "le=\"10\"} 0\n"},
		{INT64_C(3600000000), "le=\"+Inf\"} 1\n", "le=\"10\"} 0\n"},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		const char *text;

		begin();
		count_request(am_metrics_create(&registry), 0, 200, cases[i].total_us);
		text = strstr(render(), "# HELP authmeter_request_duration_seconds");
		test_case(cases[i].first);
		CHECK_CONTAINS(text, cases[i].first);
		if (i > 1)
			CHECK_CONTAINS(text, cases[i].before);
		CHECK_CONTAINS(text, "le=\"+Inf\"} 1\n");
		end();
	}
}

static void
slots_are_bounded_and_lasting(void)
{
	AmMetrics *metrics;
	char route[32];
	int samples;

	begin();
	metrics = am_metrics_create(&registry);
	for (int i = 1; i < AM_METRICS_ROUTES_MAX; i++)
	{
		(void) snprintf(route, sizeof(route), "/r%d", i);
		test_case(route);
		CHECK_INT(i, am_metrics_route_add(&registry, "a", "GET", route));
	}
	test_case("full");
	CHECK_INT(AM_METRICS_SLOT_OTHER, am_metrics_route_add(&registry, "a", "GET", "/one-more"));
	CHECK_INT(7, am_metrics_route_add(&registry, "a", "GET", "/r7"));
	CHECK_INT(AM_METRICS_SLOT_OTHER, am_metrics_route_add(&registry, "a", "PUT", "/r7"));

	count_request(metrics, -1, 200, 1);
	count_request(metrics, AM_METRICS_ROUTES_MAX, 200, 1);
	count_request(metrics, 0, 200, 1);
	CHECK_CONTAINS(render(), "authmeter_requests_total{api=\"none\",route=\"(unmatched)\","
							 "method=\"*\",status=\"200\"} 3\n");

	/* whatever status is observed, the page does not grow */
	for (int status = -1; status < 1000; status++)
		count_request(metrics, 7, status, 1);
	samples = check_page(render());
	for (int status = -1; status < 1000; status++)
		count_request(metrics, 7, status, 1);
	CHECK_INT(samples, check_page(render()));
	end();
}

static void
route_names_are_escaped(void)
{
	begin();
	count_request(am_metrics_create(&registry),
				  am_metrics_route_add(&registry, "a", "GET", "/x\"y\\z\nw"), 200, 1);
	CHECK_CONTAINS(render(), "route=\"/x\\\"y\\\\z\\nw\",");
	(void) check_page(am_text_string(&page));
	end();
}

/* ---- counters ---- */

static void
every_observation_counts_under_its_labels(void)
{
	for (int id = 0; id < AM_OBS_COUNT; id++)
	{
		const AmObsRow *row = am_obs_row((AmObsId) id);
		AmMetrics *metrics;
		AmObservation seen = am_obs_make((AmObsId) id);
		char sample[256];

		test_case(row->event);
		CHECK_INT(row->metric == AM_METRIC_NONE, row->metric_name[0] == '\0');
		CHECK(row->help[0] != '\0');
		if (row->metric != AM_METRIC_COUNTER)
			continue;
		begin();
		metrics = am_metrics_create(&registry);
		seen.lane = AM_LANE_FAST;
		seen.reason = am_reason_count(row->reason_kind) - 1;
		seen.count = 3;
		am_metrics_observe(metrics, &seen);
		am_metrics_observe(metrics, &seen);
		(void) snprintf(sample, sizeof(sample), "\nauthmeter_%s%s%s%s%s%s%s%s%s 6\n",
						row->metric_name, row->by_lane || seen.reason >= 0 ? "{" : "",
						row->by_lane ? "lane=\"fast\"" : "",
						row->by_lane && seen.reason >= 0 ? "," : "",
						seen.reason >= 0 ? am_reason_label(row->reason_kind) : "",
						seen.reason >= 0 ? "=\"" : "",
						seen.reason >= 0 ? am_reason_name(row->reason_kind, seen.reason) : "",
						seen.reason >= 0 ? "\"" : "", row->by_lane || seen.reason >= 0 ? "}" : "");
		CHECK_CONTAINS(render(), sample);
		CHECK_LACKS(am_text_string(&page), "\"none\"");
		CHECK_INT(6,
				  am_metrics_counter_sum(&registry, (AmObsId) id,
										 row->by_lane ? AM_LANE_FAST : AM_LANE_NONE, seen.reason));
		end();
	}
}

static void
labels_out_of_range_are_none(void)
{
	static const int lanes[] = {-100, -1, AM_LANE_COUNT, 1000};
	static const int reasons[] = {-100, -1, AM_RETRY_COUNT, 1000};
	AmMetrics *metrics;

	begin();
	metrics = am_metrics_create(&registry);
	CHECK_LACKS(render(), "\"none\"");
	for (size_t i = 0; i < LENGTH_OF(lanes); i++)
	{
		AmObservation seen = am_obs_make(AM_OBS_CALL_RETRIED);

		seen.lane = (AmLaneId) lanes[i];
		seen.reason = reasons[i];
		am_metrics_observe(metrics, &seen);
		seen.id = AM_OBS_GROUP_SENT;
		seen.group_size = 1;
		am_metrics_observe(metrics, &seen);
	}
	CHECK_CONTAINS(render(), "\nauthmeter_retries_total{lane=\"none\",cause=\"none\"} 4\n");
	CHECK_CONTAINS(am_text_string(&page), "authmeter_group_calls_count{lane=\"write\"} 0\n");
	end();
}

static void
counts_below_one_are_ignored(void)
{
	AmMetrics *metrics;
	AmObservation seen = am_obs_make(AM_OBS_LOG_DROPPED);

	begin();
	metrics = am_metrics_create(&registry);
	seen.count = 0;
	am_metrics_observe(metrics, &seen);
	seen.count = -5;
	am_metrics_observe(metrics, &seen);
	CHECK_CONTAINS(render(), "\nauthmeter_log_lines_dropped_total 0\n");
	end();
}

static void
group_sizes_fall_into_their_buckets(void)
{
	static const int sizes[] = {0, -1, 1, 2, 3, 4, 256, 257, 1024, 1025, 5000};
	AmMetrics *metrics;
	const char *text;

	begin();
	metrics = am_metrics_create(&registry);
	for (size_t i = 0; i < LENGTH_OF(sizes); i++)
	{
		AmObservation seen = am_obs_make(AM_OBS_GROUP_SENT);

		seen.lane = AM_LANE_WRITE;
		seen.group_size = sizes[i];
		am_metrics_observe(metrics, &seen);
	}
	text = render();
	CHECK_CONTAINS(text, "# TYPE authmeter_group_calls histogram\n");
	CHECK_CONTAINS(text, "authmeter_group_calls_bucket{lane=\"write\",le=\"1\"} 1\n");
	CHECK_CONTAINS(text, "authmeter_group_calls_bucket{lane=\"write\",le=\"2\"} 2\n");
	CHECK_CONTAINS(text, "authmeter_group_calls_bucket{lane=\"write\",le=\"4\"} 4\n");
	CHECK_CONTAINS(text, "authmeter_group_calls_bucket{lane=\"write\",le=\"128\"} 4\n");
	CHECK_CONTAINS(text, "authmeter_group_calls_bucket{lane=\"write\",le=\"256\"} 5\n");
	CHECK_CONTAINS(text, "authmeter_group_calls_bucket{lane=\"write\",le=\"1024\"} 7\n");
	CHECK_CONTAINS(text, "authmeter_group_calls_bucket{lane=\"write\",le=\"+Inf\"} 9\n");
	CHECK_LACKS(text, "authmeter_group_calls_count{lane=\"fast\"}");
	CHECK_CONTAINS(text, "authmeter_group_calls_sum{lane=\"write\"} 7572\n");
	CHECK_CONTAINS(text, "authmeter_group_calls_count{lane=\"write\"} 9\n");
	end();
}

/* ---- gauges and the rest ---- */

static void
gauges_are_summed(void)
{
	AmMetrics *loops[3];
	const char *text;

	begin();
	CHECK_CONTAINS(render(), "\nauthmeter_database_up{lane=\"fast\"} 0\n"); /* no loop yet */
	for (int i = 0; i < 3; i++)
	{
		loops[i] = am_metrics_create(&registry);
		am_metrics_gauge_set(loops[i], AM_GAUGE_REQUESTS_IN_FLIGHT, 9);
		am_metrics_gauge_set(loops[i], AM_GAUGE_REQUESTS_IN_FLIGHT, 10 + i);
		am_metrics_lane_gauge_set(loops[i], AM_LANE_GAUGE_QUEUE_DEPTH, AM_LANE_SLOW, 5);
		am_metrics_lane_gauge_set(loops[i], AM_LANE_GAUGE_CONNECTIONS_UP, AM_LANE_FAST, 2);
		am_metrics_lane_gauge_set(loops[i], AM_LANE_GAUGE_CONNECTIONS_UP, AM_LANE_WRITE, i);
		am_metrics_lane_gauge_set(loops[i], AM_LANE_GAUGE_CONNECTIONS_UP, AM_LANE_COUNT, 1);
		am_metrics_lane_gauge_set(loops[i], AM_LANE_GAUGE_CONNECTIONS_UP, AM_LANE_NONE, 1);
	}
	am_metrics_draining_set(&registry, true);
	text = render();
	CHECK_CONTAINS(text, "\nauthmeter_requests_in_flight 33\n");
	CHECK_CONTAINS(text, "\nauthmeter_lane_queue_depth{lane=\"slow\"} 15\n");
	CHECK_CONTAINS(text, "\nauthmeter_database_connections_up{lane=\"fast\"} 6\n");
	CHECK_CONTAINS(text, "\nauthmeter_database_up{lane=\"fast\"} 1\n");
	CHECK_CONTAINS(text, "\nauthmeter_database_connections_up{lane=\"write\"} 3\n");
	CHECK_CONTAINS(text, "\nauthmeter_database_up{lane=\"write\"} 0\n"); /* one loop has none */
	CHECK_CONTAINS(text, "\nauthmeter_loops 3\n");
	CHECK_CONTAINS(text, "\nauthmeter_draining 1\n");
	(void) check_page(text);
	end();
}

static void
build_and_process_are_shown(void)
{
	AmProcessFigures figures = am_process_figures();
	const char *text;

	begin();
	text = render();
	CHECK_CONTAINS(text, "authmeter_build_info{version=\"1.0\",libpq=\"150020\"} 1\n");
	CHECK_CONTAINS(text, "# TYPE process_cpu_seconds_total counter\n");
	CHECK_CONTAINS(text, "\nprocess_resident_memory_bytes ");
	CHECK_CONTAINS(text, "\nprocess_open_fds ");
	CHECK_CONTAINS(text, "\nprocess_start_time_seconds 1");
	CHECK(figures.resident_bytes > 100 * 1024);
	CHECK(figures.cpu_us > 0);
	CHECK(figures.open_fds >= 3 && figures.open_fds < 100);
	am_text_reset(&page);
	CHECK(am_metrics_render(&registry, NULL, &page));
	CHECK_CONTAINS(am_text_string(&page), "authmeter_build_info{version=\"1.0\"} 1\n");
	end();
}

static void
loops_are_bounded(void)
{
	begin();
	for (int i = 0; i < AM_METRICS_LOOPS_MAX; i++)
		CHECK(am_metrics_create(&registry) != NULL);
	CHECK(am_metrics_create(&registry) == NULL);
	CHECK_CONTAINS(render(), "\nauthmeter_loops 64\n");
	end();
}

static void
page_has_a_ceiling(void)
{
	begin();
	(void) am_metrics_create(&registry);
	am_text_free(&page);
	am_text_init(&page, 1000);
	CHECK(!am_metrics_render(&registry, NULL, &page));
	CHECK(page.length <= 1000);
	end();
}

#define THREADS 4
#define ROUNDS  20000

static void *
count_in_thread(void *state)
{
	AmObservation seen = am_obs_make(AM_OBS_CLIENT_GONE);

	for (int i = 0; i < ROUNDS; i++)
	{
		am_metrics_observe(state, &seen);
		count_request(state, 1, 200, 100);
	}
	return NULL;
}

static void
scrapes_while_loops_count(void)
{
	pthread_t threads[THREADS];
	uint64_t last = 0;

	begin();
	CHECK_INT(1, am_metrics_route_add(&registry, "a", "GET", "/"));
	for (int i = 0; i < THREADS; i++)
		CHECK_INT(0,
				  pthread_create(&threads[i], NULL, count_in_thread, am_metrics_create(&registry)));
	for (int i = 0; i < 20; i++)
	{
		uint64_t sum = am_metrics_counter_sum(&registry, AM_OBS_CLIENT_GONE, AM_LANE_NONE, -1);

		CHECK(sum >= last);
		last = sum;
		(void) render();
	}
	for (int i = 0; i < THREADS; i++)
		CHECK_INT(0, pthread_join(threads[i], NULL));
	CHECK_CONTAINS(render(), "\nauthmeter_clients_gone_total 80000\n");
	CHECK_CONTAINS(am_text_string(&page), "method=\"GET\",status=\"200\"} 80000\n");
	end();
}

/* ---- observations ---- */

static void
note(void *state, const AmObservation *observation)
{
	*(int *) state = *(int *) state * 10 + (int) observation->count;
}

static void
subscribers_are_called_in_order(void)
{
	AmObs obs;
	AmObservation seen = am_obs_make(AM_OBS_NOTE);
	int calls[AM_OBS_SUBSCRIBERS_MAX] = {0};

	am_obs_init(&obs);
	am_obs_emit(&obs, &seen);
	am_obs_emit(NULL, &seen);
	for (int i = 0; i < AM_OBS_SUBSCRIBERS_MAX; i++)
		CHECK(am_obs_subscribe(&obs, note, &calls[i == 3 ? 0 : i]));
	CHECK(!am_obs_subscribe(&obs, note, &calls[0]));
	am_obs_tell(&obs, AM_OBS_NOTE, "s", "m");
	CHECK_INT(11, calls[0]);
	CHECK_INT(1, calls[1]);
	seen.id = AM_OBS_REQUEST;
	am_obs_emit(&obs, &seen);
	CHECK_INT(1111, calls[0]);
	seen.id = AM_OBS_COUNT;
	am_obs_emit(&obs, &seen);
	seen.id = (AmObsId) -1;
	am_obs_emit(&obs, &seen);
	CHECK_INT(1111, calls[0]);
}

static void
names_have_no_gaps(void)
{
	for (int lane = 0; lane < AM_LANE_COUNT; lane++)
		CHECK_INT(lane, am_lane_by_name(am_lane_name((AmLaneId) lane)));
	CHECK_INT(AM_LANE_NONE, am_lane_by_name("none"));
	CHECK_INT(AM_LANE_NONE, am_lane_by_name(""));
	CHECK_STRING("none", am_lane_name(AM_LANE_NONE));
	CHECK_STRING("none", am_lane_name(AM_LANE_COUNT));
	CHECK_INT(3, AM_LANE_SERVING_COUNT);
	CHECK_INT(0, am_reason_count(AM_REASON_NONE));
	CHECK_STRING("none", am_reason_name(AM_REASON_NONE, 0));
	CHECK_STRING("none", am_reason_name(AM_REASON_KIND_COUNT, 0));
	CHECK_STRING("header", am_reason_name(AM_REASON_PHASE, AM_PHASE_HEADER));
	CHECK_STRING("none", am_reason_name(AM_REASON_PHASE, -1));
}

int
main(void)
{
	TEST_RUN(requests_are_counted_by_route_and_status);
	TEST_RUN(durations_fall_into_their_buckets);
	TEST_RUN(slots_are_bounded_and_lasting);
	TEST_RUN(route_names_are_escaped);
	TEST_RUN(every_observation_counts_under_its_labels);
	TEST_RUN(labels_out_of_range_are_none);
	TEST_RUN(counts_below_one_are_ignored);
	TEST_RUN(group_sizes_fall_into_their_buckets);
	TEST_RUN(gauges_are_summed);
	TEST_RUN(build_and_process_are_shown);
	TEST_RUN(loops_are_bounded);
	TEST_RUN(page_has_a_ceiling);
	TEST_RUN(scrapes_while_loops_count);
	TEST_RUN(subscribers_are_called_in_order);
	TEST_RUN(names_have_no_gaps);
	return test_end("shim metrics");
}
