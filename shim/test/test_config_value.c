/*
 * test_config_value.c
 *		Must hold: every value means exactly one thing or is refused, and no number wraps.
 */
#include "config_load.h"

/* ---- values ---- */

static void
integers(void)
{
	static const struct
	{
		const char *setting;
		const char *value;
		int expected; /* -1 = refused */
	} cases[] = {
		{"loops", "1", 1},
		{"loops", "64", 64},
		{"loops", "0", -1},
		{"loops", "65", -1},
		{"loops", "-1", -1},
		{"loops", "+1", -1},
		{"loops", "", -1},
		{"loops", "1.5", -1},
		{"loops", "0x10", -1},
		{"loops", "1 2", -1},
		{"loops", "1s", -1},
		{"loops", "4294967297", -1},
		{"loops", "18446744073709551617", -1},
		{"loops", "99999999999999999999999999999999999999", -1},
		{"idle_timeout_ms", "100", 100},
		{"idle_timeout_ms", "100ms", 100},
		{"idle_timeout_ms", "5s", 5000},
		{"idle_timeout_ms", "5 s", 5000},
		{"idle_timeout_ms", "2min", 120000},
		{"idle_timeout_ms", "1h", 3600000},
		{"idle_timeout_ms", "2h", -1},
		{"idle_timeout_ms", "1d", -1},
		{"idle_timeout_ms", "5S", -1},
		{"idle_timeout_ms", "5 kB", -1},
		{"idle_timeout_ms", "2147483647h", -1},
		{"connection_age_max_s", "7d", 604800},
		{"connection_age_max_s", "8d", -1},
		{"connection_age_max_s", "500ms", -1},
		{"connection_memory_bytes", "4096", 4096},
		{"connection_memory_bytes", "4096B", 4096},
		{"connection_memory_bytes", "16kB", 16384},
		{"connection_memory_bytes", "1MB", 1048576},
		{"connection_memory_bytes", "4095", -1},
		{"connection_memory_bytes", "1KB", -1},
		{"body_pool_bytes_max", "1GB", 1073741824},
		{"body_pool_bytes_max", "2GB", -1},
		{"body_pool_bytes_max", "2147483648GB", -1},
		{"body_pool_bytes_max", "9999999999GB", -1},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		const AmSetting *setting =
			&am_settings[am_setting_find(cases[i].setting, strlen(cases[i].setting))];
		AmValueError error = {.message = "", .hint = ""};
		int value = -1;

		test_case(cases[i].value);
		CHECK_INT(cases[i].expected >= 0,
				  am_value_integer(setting, cases[i].value, &value, &error));
		CHECK_INT(cases[i].expected, value);
		CHECK_INT(cases[i].expected >= 0, error.message[0] == '\0');
	}
}

static void
endpoints(void)
{
	static const struct
	{
		const char *value;
		const char *address; /* NULL = refused */
		int port;
		bool ipv6;
	} cases[] = {
		{"3000", "127.0.0.1", 3000, false},
		{"1", "127.0.0.1", 1, false},
		{"65535", "127.0.0.1", 65535, false},
		{"0.0.0.0:80", "0.0.0.0", 80, false},
		{"localhost:80", "127.0.0.1", 80, false},
		{"[::1]:3000", "::1", 3000, true},
		{"[0:0::1]:3000", "::1", 3000, true},
		{"[::ffff:10.0.0.1]:3000", "::ffff:10.0.0.1", 3000, true},
		{"0", NULL, 0, false},
		{"65536", NULL, 0, false},
		{"99999999999", NULL, 0, false},
		{"", NULL, 0, false},
		{":80", NULL, 0, false},
		{"80:", NULL, 0, false},
		{"127.0.0.1", NULL, 0, false},
		{"127.0.0.1:", NULL, 0, false},
		{"127.1:80", NULL, 0, false},
		{"256.0.0.1:80", NULL, 0, false},
		{"::1:3000", NULL, 0, false},
		{"[::1]", NULL, 0, false},
		{"[::1]3000", NULL, 0, false},
		{"[::1:3000", NULL, 0, false},
		{"[127.0.0.1]:80", NULL, 0, false},
		{"example.com:80", NULL, 0, false},
		{"127.0.0.1:80a", NULL, 0, false},
		{"127.0.0.1: 80", NULL, 0, false},
		{"127.0.0.1:-80", NULL, 0, false},
		{"1111111111111111111111111111111111111111111111111111111111111111:80", NULL, 0, false},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		AmEndpoint endpoint = {.address = "untouched", .port = -1};
		AmValueError error;
		bool wanted = cases[i].address != NULL;

		test_case(cases[i].value);
		CHECK_INT(wanted, am_value_endpoint(cases[i].value, &endpoint, &error));
		CHECK_STRING(wanted ? cases[i].address : "untouched", endpoint.address);
		CHECK_INT(wanted ? cases[i].port : -1, endpoint.port);
		CHECK_INT(cases[i].ipv6, endpoint.ipv6);
	}
}

static void
mounts(void)
{
	static const struct
	{
		bool (*parse)(const char *value, AmConfig *config, AmValueError *error);
		const char *value;
		const char *expected; /* NULL = refused */
		int listeners;
	} cases[] = {
		{am_value_listen, "3000=vsplugin", "127.0.0.1:3000 vsplugin /;", 1},
		{am_value_listen, "3000=a,b", "127.0.0.1:3000 a /;127.0.0.1:3000 b /;", 1},
		{am_value_listen, "127.0.0.1:13000=vsplugin", "127.0.0.1:13000 vsplugin /;", 1},
		{am_value_listen, "[::1]:8080/s/x=a", "::1:8080 a /s/x;", 1},
		{am_value_listen, "3000=a 3001/p=b\t0.0.0.0:3000=c",
		 "127.0.0.1:3000 a /;127.0.0.1:3001 b /p;0.0.0.0:3000 c /;", 3},
		{am_value_listen, "3000/=a", "127.0.0.1:3000 a /;", 1},
		{am_value_listen, "3000=a 3000/x=a", "127.0.0.1:3000 a /;127.0.0.1:3000 a /x;", 1},
		{am_value_listen, "3000", NULL, 0},
		{am_value_listen, "", NULL, 0},
		{am_value_listen, "  ", NULL, 0},
		{am_value_listen, "3000=", NULL, 0},
		{am_value_listen, "3000=a,", NULL, 0},
		{am_value_listen, "3000=,a", NULL, 0},
		{am_value_listen, "3000=A", NULL, 0},
		{am_value_listen, "3000=1a", NULL, 0},
		{am_value_listen, "3000=a-b", NULL, 0},
		{am_value_listen, "3000=a=b", NULL, 0},
		{am_value_listen, "3000=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, 0},
		{am_value_listen, "3000=a,a", NULL, 0},
		{am_value_listen, "3000=a 127.0.0.1:3000=a", NULL, 0},
		{am_value_listen, "3000/x/=a", NULL, 0},
		{am_value_listen, "3000//x=a", NULL, 0},
		{am_value_listen, "3000/../x=a", NULL, 0},
		{am_value_listen, "3000/x/.=a", NULL, 0},
		{am_value_listen, "3000/%41=a", NULL, 0},
		{am_value_listen, "http://localhost:3000=a", NULL, 0},
		{am_value_mount, "jobpsych 0.0.0.0:5000 /", "0.0.0.0:5000 jobpsych /;", 1},
		{am_value_mount, "quizzer 127.0.0.1:8080 /s/quizzer", "127.0.0.1:8080 quizzer /s/quizzer;",
		 1},
		{am_value_mount, "a [::1]:1", "::1:1 a /;", 1},
		{am_value_mount, "a 1 /x; b\t2", "127.0.0.1:1 a /x;127.0.0.1:2 b /;", 2},
		{am_value_mount, "a", NULL, 0},
		{am_value_mount, "a 1 / x", NULL, 0},
		{am_value_mount, "a 1 x", NULL, 0},
		{am_value_mount, "3000=a", NULL, 0},
		{am_value_mount, "a 1; ;b 2", NULL, 0},
		{am_value_mount, "a 1;a 1", NULL, 0},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		static AmConfig config;
		AmValueError error = {.message = "", .hint = ""};
		bool wanted = cases[i].expected != NULL;
		char text[512];

		test_case(cases[i].value);
		memset(&config, 0, sizeof(config));
		CHECK_INT(wanted, cases[i].parse(cases[i].value, &config, &error));
		CHECK_INT(wanted, error.message[0] == '\0');
		if (!wanted)
			continue;
		describe_mounts(&config, text, sizeof(text));
		CHECK_STRING(cases[i].expected, text);
		CHECK_INT(cases[i].listeners, config.listener_count);
	}
}

static void
mounts_are_bounded(void)
{
	static AmConfig config;
	AmValueError error;
	char value[64];

	memset(&config, 0, sizeof(config));
	for (int i = 0; i < AM_LISTENERS_MAX; i++)
	{
		(void) snprintf(value, sizeof(value), "%d=a", 3000 + i);
		CHECK(am_value_listen(value, &config, &error));
	}
	CHECK(!am_value_listen("2999=a", &config, &error));
	CHECK_CONTAINS(error.message, "listeners");
	for (int i = config.mount_count; i < AM_MOUNTS_MAX; i++)
	{
		(void) snprintf(value, sizeof(value), "3000/p%d=b%d", i, i);
		CHECK(am_value_listen(value, &config, &error));
	}
	CHECK(!am_value_listen("3000/q=c", &config, &error));
	CHECK_CONTAINS(error.message, "mounts");
	CHECK_INT(AM_MOUNTS_MAX, config.mount_count);
	CHECK_INT(1 + AM_MOUNTS_MAX - AM_LISTENERS_MAX, config.api_count);
}

static void
nearest_names(void)
{
	static const struct
	{
		const char *name;
		bool options;
		const char *nearest;
	} cases[] = {
		{"loop", false, "loops"},
		{"lopos", false, "loops"},
		{"olosp", false, "loops"},
		{"log-levle", false, "log_level"},
		{"databse", false, "database"},
		{"write_queue_wait", false, "write_queue_wait_ms"},
		{"listener", false, "listen"},
		{"hepl", true, "help"},
		{"hepl", false, NULL},
		{"settings-markdow", true, "settings-markdown"},
		{"x", true, NULL},
		{"", true, NULL},
		{"completely_different", true, NULL},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true, NULL},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		 true, NULL},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].name);
		CHECK_STRING(cases[i].nearest,
					 am_setting_nearest(cases[i].name, strlen(cases[i].name), cases[i].options));
	}
}

int
main(void)
{
	TEST_RUN(integers);
	TEST_RUN(endpoints);
	TEST_RUN(mounts);
	TEST_RUN(mounts_are_bounded);
	TEST_RUN(nearest_names);
	return test_end("shim config_value");
}
