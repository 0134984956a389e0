/*
 * test_log.c
 *		Must hold: every line is one whole, bounded JSON object that says what was observed and
 *		nothing else; levels and sampling leave out exactly what they should.
 */
#include "test.h"

#include <jansson.h>
#include <stdlib.h>

#include "log.h"

/* 2026-01-31T09:15:00.123456Z */
#define FIXED_TIME_US INT64_C(1769850900123456)

static AmLog log_state;
static char line[AM_LOG_LINE_BYTES_MAX + 1];

/* What holds for every line: bounded, one newline at its end, one JSON object. */
static bool
is_whole_line(size_t length)
{
	json_t *parsed = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	bool whole = json_is_object(parsed) && length <= AM_LOG_LINE_BYTES_MAX &&
				 strlen(line) == length && strchr(line, '\n') == line + length - 1;

	json_decref(parsed);
	return whole;
}

/* Formats into line, NUL-terminated; false if it is not what every line must be. */
static bool
format_quietly(const AmObservation *observation, int sampled)
{
	size_t length = am_log_format(&log_state, observation, sampled, line);

	line[length] = '\0';
	return is_whole_line(length);
}

static void
format(const AmObservation *observation, int sampled)
{
	if (!CHECK(format_quietly(observation, sampled)))
		printf("\tline: %s", line);
}

static AmObservation
request(int status)
{
	AmObservation seen = am_obs_make(AM_OBS_REQUEST);

	seen.time_us = FIXED_TIME_US;
	seen.status = status;
	return seen;
}

static void
request_line_is_literal(void)
{
	AmObservation seen = request(200);

	seen.request_id = "r-1";
	seen.api = "vsplugin";
	seen.method = "POST";
	seen.route = "/trackUsage";
	seen.bytes = 0;
	seen.total_us = 1234;
	seen.queue_us = 0;
	seen.database_us = 800;
	seen.lane = AM_LANE_WRITE;
	seen.group_size = 17;
	seen.sqlstate = "40001";
	seen.peer = "192.0.2.1";
	format(&seen, 1);
	CHECK_STRING(
		"{\"time\":\"2026-01-31T09:15:00.123Z\",\"level\":\"info\",\"event\":\"request\","
		"\"id\":\"r-1\",\"api\":\"vsplugin\",\"method\":\"POST\",\"route\":\"/trackUsage\","
		"\"status\":200,\"bytes\":0,\"total_us\":1234,\"queue_us\":0,\"database_us\":800,"
		"\"lane\":\"write\",\"group\":17,\"sqlstate\":\"40001\",\"peer\":\"192.0.2.1\"}\n",
		line);
}

static void
absent_members_are_left_out(void)
{
	AmObservation seen = request(204);

	format(&seen, 1);
	CHECK_STRING("{\"time\":\"2026-01-31T09:15:00.123Z\",\"level\":\"info\",\"event\":\"request\","
				 "\"status\":204}\n",
				 line);
	format(&seen, 100);
	CHECK_STRING("{\"time\":\"2026-01-31T09:15:00.123Z\",\"level\":\"info\",\"event\":\"request\","
				 "\"sampled\":100,\"status\":204}\n",
				 line);
}

static void
weak_behaviour_is_literal(void)
{
	AmObservation seen = am_obs_make(AM_OBS_WEAK_BEHAVIOUR);

	seen.time_us = FIXED_TIME_US;
	seen.message = "authmeter: weak behaviour active: vsplugin.signup_proof = documented (a known "
				   "e-mail alone returns a token)";
	format(&seen, 1);
	CHECK_STRING("{\"time\":\"2026-01-31T09:15:00.123Z\",\"level\":\"warning\",\"event\":"
				 "\"weak_behaviour\",\"message\":\"authmeter: weak behaviour active: "
				 "vsplugin.signup_proof = documented (a known e-mail alone returns a token)\"}\n",
				 line);
}

static void
reasons_and_counts(void)
{
	AmObservation seen = am_obs_make(AM_OBS_CALL_RETRIED);

	seen.time_us = FIXED_TIME_US;
	seen.lane = AM_LANE_WRITE;
	seen.reason = AM_RETRY_DEADLOCK;
	seen.count = 3;
	seen.subject = "s";
	seen.hint = "h";
	format(&seen, 1);
	CHECK_CONTAINS(line, "\"lane\":\"write\",\"cause\":\"40P01\",\"count\":3,\"subject\":\"s\","
						 "\"message\":\"Calls sent to the database again.\",\"hint\":\"h\"}\n");

	seen.reason = AM_RETRY_COUNT;
	seen.lane = AM_LANE_COUNT;
	format(&seen, 1);
	CHECK_CONTAINS(line, "\"lane\":\"none\",\"cause\":\"none\"");

	seen = am_obs_make(AM_OBS_VET_REFUSED);
	seen.reason = AM_VET_HOST_MISSING;
	format(&seen, 1);
	CHECK_CONTAINS(line, "\"reason\":\"host_missing\"");
}

static void
every_observation_can_be_logged(void)
{
	for (int id = 0; id < AM_OBS_COUNT; id++)
	{
		const AmObsRow *row = am_obs_row((AmObsId) id);
		AmObservation seen = am_obs_make((AmObsId) id);
		char event[64];

		test_case(row->event);
		format(&seen, 1);
		(void) snprintf(event, sizeof(event), "\"event\":\"%s\"", row->event);
		CHECK_CONTAINS(line, event);
	}
}

static void
times(void)
{
	static const struct
	{
		int64_t time_us;
		const char *text;
	} cases[] = {
		{INT64_C(1), "1970-01-01T00:00:00.000Z"},
		{INT64_C(999999), "1970-01-01T00:00:00.999Z"},
		{INT64_C(1000000), "1970-01-01T00:00:01.000Z"},
		{INT64_C(1709210096007000), "2024-02-29T12:34:56.007Z"},
		{INT64_C(1709210096008000), "2024-02-29T12:34:56.008Z"},
		{INT64_C(4102444799999999), "2099-12-31T23:59:59.999Z"},
		{INT64_C(1709210096007000), "2024-02-29T12:34:56.007Z"},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		AmObservation seen = am_obs_make(AM_OBS_NOTE);

		test_case(cases[i].text);
		seen.time_us = cases[i].time_us;
		format(&seen, 1);
		CHECK_CONTAINS(line, cases[i].text);
	}
}

static void
hostile_values_are_escaped(void)
{
	static const struct
	{
		const char *value;
		const char *escaped;
	} cases[] = {
		{"", ""},
		{"a\"b\\c/", "a\\\"b\\\\c/"},
		{"a\nb\tc\rd", "a\\u000ab\\u0009c\\u000dd"},
		{"\x01\x1f\x7f", "\\u0001\\u001f\\u007f"},
		{"\",\"level\":\"x", "\\\",\\\"level\\\":\\\"x"},
		{"\x1b[31m", "\\u001b[31m"},
		{"é €😀", "é €😀"},
		{"\xef\xbf\xbf", "\xef\xbf\xbf"},
		{"\x80", "\\ufffd"},
		{"\xff\xfe", "\\ufffd\\ufffd"},
		{"\xc0\xaf", "\\ufffd\\ufffd"},
		{"\xe0\x80\xaf", "\\ufffd\\ufffd\\ufffd"},
		{"\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd"},
		{"\xe0\xa0\x80", "\xe0\xa0\x80"},
		{"\xed\x9f\xbf", "\xed\x9f\xbf"},
		{"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"},
		{"\xf0\x8f\xbf\xbf", "\\ufffd\\ufffd\\ufffd\\ufffd"},
		{"\xf0\x90\x80\x80", "\xf0\x90\x80\x80"},
		{"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
		{"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"},
		{"\xf5\x80\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"},
		{"\xe2\x82", "\\ufffd\\ufffd"},
		{"\xe2\x82z", "\\ufffd\\ufffdz"},
		{"\xf0\x9f\x98", "\\ufffd\\ufffd\\ufffd"},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		AmObservation seen = request(400);
		char expected[256];
		char *exact = strdup(cases[i].value); /* so that a read past its end is seen */

		test_case(cases[i].escaped);
		seen.request_id = exact;
		format(&seen, 1);
		(void) snprintf(expected, sizeof(expected), "\"id\":\"%s\",\"status\":400}\n",
						cases[i].escaped);
		CHECK_CONTAINS(line, expected);
		free(exact);
	}
}

static void
long_values_end_in_dots(void)
{
	static char value[AM_LOG_VALUE_BYTES_MAX + 8];
	AmObservation seen = request(200);

	seen.peer = value;
	memset(value, 'x', AM_LOG_VALUE_BYTES_MAX);
	format(&seen, 1);
	CHECK_CONTAINS(line, "xx\"}\n");
	value[AM_LOG_VALUE_BYTES_MAX] = 'y';
	format(&seen, 1);
	CHECK_CONTAINS(line, "xx...\"}\n");
	CHECK_LACKS(line, "y");

	/* a character that lies across the bound is taken whole */
	memcpy(value + AM_LOG_VALUE_BYTES_MAX - 1, "\xc3\xa9z", 4);
	format(&seen, 1);
	CHECK_CONTAINS(line, "xx\xc3\xa9...\"}\n");
}

/* Fills every string member with copies of one piece. */
static void
fill_strings(AmObservation *seen, char *value, size_t value_bytes, const char *piece, size_t count)
{
	size_t length = 0;

	for (size_t i = 0; i < count && length + strlen(piece) < value_bytes; i++)
		length += (size_t) snprintf(value + length, value_bytes - length, "%s", piece);
	seen->request_id = seen->api = seen->method = seen->route = seen->sqlstate = value;
	seen->peer = seen->subject = seen->message = seen->hint = value;
	seen->bytes = seen->total_us = seen->queue_us = seen->database_us = INT64_MAX;
	seen->lane = AM_LANE_CONTROL;
	seen->group_size = INT32_MAX;
	seen->reason = 0;
	seen->count = INT64_MAX;
}

static void
lines_are_bounded_and_whole(void)
{
	static const char *const pieces[] = {"x", "\"", "\x01", "\xff", "é", "😀"};
	static char value[8192];

	for (size_t piece = 0; piece < LENGTH_OF(pieces); piece++)
	{
		bool cut = false;
		int broken = 0;

		test_case(pieces[piece]);
		for (size_t count = 0; count < 1100; count++)
		{
			AmObservation seen = am_obs_make(AM_OBS_VET_REFUSED);

			value[0] = '\0';
			fill_strings(&seen, value, sizeof(value), pieces[piece], count);
			broken += format_quietly(&seen, 1000000) ? 0 : 1;
			/* a value of which nothing fits is left out, not shown as dots */
			broken += strstr(line, ":\"...\"") != NULL ? 1 : 0;
			cut = cut || strstr(line, ",\"cut\":true}\n") != NULL;
		}
		CHECK(cut);
		CHECK_INT(0, broken);
	}
}

static void
short_lines_are_not_marked_as_cut(void)
{
	static char value[512];
	AmObservation seen = am_obs_make(AM_OBS_VET_REFUSED);

	fill_strings(&seen, value, sizeof(value), "x", 300);
	format(&seen, 1);
	CHECK_LACKS(line, "\"cut\"");
	CHECK_LACKS(line, "...");
}

/* ---- what is left out ---- */

/* A sink that is never written to: what is observed stays in the buffer. */
static AmLogSink no_sink = {.fd = -1, .kind = AM_LOG_SINK_POLLED};

/* Lines in the buffer. */
static int
buffered_lines(const AmLog *log)
{
	int count = 0;

	for (size_t i = 0; i < log->length; i++)
		count += log->buffer[i] == '\n' ? 1 : 0;
	return count;
}

static void
levels_filter(void)
{
	static const AmObsId ids[] = {AM_OBS_DATABASE_FAULT, AM_OBS_DATABASE_DOWN, AM_OBS_STARTED,
								  AM_OBS_GROUP_SENT};

	for (int level = AM_LEVEL_ERROR; level <= AM_LEVEL_DEBUG; level++)
	{
		AmLog log;

		test_case(am_obs_level_name((AmObsLevel) level));
		CHECK(am_log_init(&log, &no_sink, NULL, (AmObsLevel) level, 0, 1));
		for (size_t i = 0; i < LENGTH_OF(ids); i++)
		{
			AmObservation seen = am_obs_make(ids[i]);

			am_log_observe(&log, &seen);
		}
		CHECK_INT(level + 1, buffered_lines(&log));
		am_log_close(&log, 0);
	}
}

/* Lines that count requests of a status leave in the buffer, all within one second. */
static int
lines_of(AmLog *log, int status, int count, int64_t time_us)
{
	int before = buffered_lines(log);

	for (int i = 0; i < count; i++)
	{
		AmObservation seen = request(status);

		seen.time_us = time_us;
		am_log_observe(log, &seen);
	}
	return buffered_lines(log) - before;
}

static void
successes_above_the_rate_are_sampled(void)
{
	AmLog log;

	CHECK(am_log_init(&log, &no_sink, NULL, AM_LEVEL_INFO, 10, 5));
	CHECK_INT(10, lines_of(&log, 200, 10, FIXED_TIME_US));
	CHECK_INT(0, lines_of(&log, 200, 4, FIXED_TIME_US));
	CHECK_INT(1, lines_of(&log, 201, 1, FIXED_TIME_US));
	CHECK(memmem(log.buffer, log.length, "\"sampled\":5,", 12) != NULL);
	CHECK_INT(20, lines_of(&log, 299, 100, FIXED_TIME_US + 1000));
	CHECK_INT(3, lines_of(&log, 300, 3, FIXED_TIME_US));
	CHECK_INT(3, lines_of(&log, 199, 3, FIXED_TIME_US));
	CHECK_INT(3, lines_of(&log, 503, 3, FIXED_TIME_US));
	/* the next second starts anew */
	CHECK_INT(10, lines_of(&log, 200, 14, FIXED_TIME_US + 1000000));

	am_log_configure(&log, AM_LEVEL_INFO, 0, 5);
	CHECK_INT(50, lines_of(&log, 200, 50, FIXED_TIME_US + 1000000));
	am_log_configure(&log, AM_LEVEL_INFO, 1, 0);
	CHECK_INT(50, lines_of(&log, 200, 50, FIXED_TIME_US + 2000000));
	am_log_close(&log, 0);
}

int
main(void)
{
	TEST_RUN(request_line_is_literal);
	TEST_RUN(absent_members_are_left_out);
	TEST_RUN(weak_behaviour_is_literal);
	TEST_RUN(reasons_and_counts);
	TEST_RUN(every_observation_can_be_logged);
	TEST_RUN(times);
	TEST_RUN(hostile_values_are_escaped);
	TEST_RUN(long_values_end_in_dots);
	TEST_RUN(lines_are_bounded_and_whole);
	TEST_RUN(short_lines_are_not_marked_as_cut);
	TEST_RUN(levels_filter);
	TEST_RUN(successes_above_the_rate_are_sampled);
	return test_end("shim log");
}
