/*
 * test_config.c
 *		Must hold: a configuration is either taken over exactly as its sources say, the stronger
 *		source winning, or refused as a whole with every error and its place.
 */
#include "config_load.h"

/* ---- the table itself ---- */

static bool
is_plain_sentence(const char *text)
{
	for (const char *c = text; *c != '\0'; c++)
	{
		if (*c < ' ' || *c > '~')
			return false;
	}
	return text[strlen(text) - 1] == '.';
}

/* True if an earlier row writes to the same member. */
static bool
shares_a_member(int row)
{
	for (int other = 0; other < row; other++)
	{
		if (am_settings[other].type != AM_SETTING_LISTEN &&
			am_settings[other].type != AM_SETTING_MOUNT &&
			am_settings[other].offset == am_settings[row].offset)
			return true;
	}
	return false;
}

static void
table_is_sound(void)
{
	for (int i = 0; i < am_setting_count; i++)
	{
		const AmSetting *setting = &am_settings[i];
		size_t length = strlen(setting->name);

		test_case(setting->name);
		CHECK_INT(i, am_setting_find(setting->name, length));
		CHECK(length <= AM_SETTING_NAME_BYTES_MAX);
		CHECK(is_plain_sentence(setting->meaning));
		if (setting->type == AM_SETTING_LISTEN || setting->type == AM_SETTING_MOUNT)
			continue;
		CHECK(!shares_a_member(i));
		CHECK(setting->offset < sizeof(AmConfig));
		CHECK_INT(setting->type == AM_SETTING_INTEGER, setting->minimum < setting->maximum);
	}
}

static void
defaults_are_as_documented(void)
{
	Load load;

	load_all(&load, NULL, NULL, NULL);
	CHECK_INT(AM_CONFIG_RUN, load.outcome);
	CHECK_STRING("", am_text_string(&load.output));
	CHECK_STRING("", load.config.database);
	CHECK_STRING("stdout", load.config.log_file);
	CHECK_INT(AM_LEVEL_INFO, load.config.log_level);
	CHECK_INT(1, load.config.loops);
	CHECK_INT(1024, load.config.requests_in_flight_max);
	CHECK_INT(5000, load.config.header_timeout_ms);
	CHECK_INT(10000, load.config.body_timeout_ms);
	CHECK_INT(60000, load.config.idle_timeout_ms);
	CHECK_STRING("127.0.0.1", load.config.admin.address);
	CHECK_INT(9464, load.config.admin.port);
	CHECK_INT(4, load.config.mount_count);
	CHECK_STRING("autoverse", load.config.mount[0].api);
	CHECK_STRING("/", load.config.mount[0].prefix);
	CHECK_STRING("127.0.0.1", load.config.listener[0].address);
	CHECK_INT(3000, load.config.listener[0].port);
	CHECK_INT(0, load.config.warning_count);
	load_end(&load);
}

static void
lanes_have_their_starting_values(void)
{
	const long processors = sysconf(_SC_NPROCESSORS_ONLN);
	Load load;
	const AmLaneConfig *lane = load.config.lane;

	load_all(&load, NULL, NULL, NULL);
	CHECK_INT(2, lane[AM_LANE_FAST].connections);
	CHECK_INT(64, lane[AM_LANE_FAST].depth);
	CHECK_INT(2000, lane[AM_LANE_FAST].queue_wait_ms);
	CHECK_INT(2000, lane[AM_LANE_FAST].statement_timeout_ms);
	CHECK_INT(1, lane[AM_LANE_WRITE].connections);
	CHECK_INT(1, lane[AM_LANE_WRITE].side_connections);
	CHECK_INT(2000, lane[AM_LANE_WRITE].queue_wait_ms);
	CHECK_INT(200, lane[AM_LANE_WRITE].lock_timeout_ms);
	CHECK_INT(processors > 2 ? processors - 1 : 1, lane[AM_LANE_SLOW].connections);
	CHECK_INT(1, lane[AM_LANE_SLOW].depth);
	CHECK_INT(64, lane[AM_LANE_SLOW].queue_max);
	CHECK_INT(10000, lane[AM_LANE_SLOW].queue_wait_ms);
	CHECK_INT(10000, lane[AM_LANE_SLOW].statement_timeout_ms);
	load_end(&load);
}

/* ---- mounts by default ---- */

/* The mounts as "port=api" in their order. */
static const char *
mounts_text(const AmConfig *config)
{
	static char text[256];
	size_t length = 0;

	text[0] = '\0';
	for (int i = 0; i < config->mount_count; i++)
		length += (size_t) snprintf(
			text + length, sizeof(text) - length, "%s%d=%s", i == 0 ? "" : " ",
			config->listener[config->mount[i].listener].port, config->mount[i].api);
	return text;
}

static void
usual_ports(void)
{
	static const char *const all = "AUTHMETER_APIS=autoverse,vsplugin,quizzer, jobpsych";
	static const struct
	{
		const char *environment[5];
		const char *mounts;
		int warnings;
	} cases[] = {
		{{all, NULL}, "3000=autoverse 3000=vsplugin 3001=quizzer 5000=jobpsych", 0},
		{{all, "PORT=8080", NULL}, "3000=autoverse 3000=vsplugin 3001=quizzer 5000=jobpsych", 1},
		{{all, "JOBPSYCH_PORT=5001", "VSPLUGIN_PORT=3003", "AUTH_SERVICE_PORT=3002", NULL},
		 "3000=autoverse 3003=vsplugin 3002=quizzer 5001=jobpsych",
		 0},
		{{all, "LISTEN=8080=quizzer", NULL}, "8080=quizzer", 0},
		{{"AUTHMETER_APIS=jobpsych", NULL}, "5000=jobpsych", 0},
		{{"AUTHMETER_APIS=jobpsych", "PORT=8080", NULL}, "8080=jobpsych", 0},
		{{"AUTHMETER_APIS=quizzer", "QUIZZER_PORT=1", "AUTH_SERVICE_PORT=2", NULL}, "1=quizzer", 0},
		{{"AUTHMETER_APIS=vsplugin", "REDIS_HOST=r", "MONGODB_URI=m", "NODE_ENV=production", NULL},
		 "3000=vsplugin",
		 0},
	};
	static const char *const wrong[] = {"AUTHMETER_APIS=other", "AUTHMETER_APIS=,",
										"AUTHMETER_APIS=quizzer,quizzer"};
	Load load;

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].mounts);
		load_all(&load, NULL, NULL, cases[i].environment);
		CHECK_INT(AM_CONFIG_RUN, load.outcome);
		CHECK_STRING(cases[i].mounts, mounts_text(&load.config));
		CHECK_INT(cases[i].warnings, load.config.warning_count);
		load_end(&load);
	}
	for (size_t i = 0; i < LENGTH_OF(wrong); i++)
	{
		const char *const environment[] = {wrong[i], NULL};

		test_case(wrong[i]);
		load_all(&load, NULL, NULL, environment);
		CHECK_INT(AM_CONFIG_FAILED, load.outcome);
		CHECK_CONTAINS(am_text_string(&load.output), "apis");
		load_end(&load);
	}
}

/* ---- sources ---- */

static void
stronger_sources_win(void)
{
	static const char *const arguments[] = {"--loops", "4", "--idle-timeout-ms=4s", NULL};
	static const char *const environment[] = {"AUTHMETER_LOOPS=3", "AUTHMETER_FAST_DEPTH=3",
											  "AUTHMETER_LOG_LEVEL=", "PORT=", NULL};
	Load load;

	load_all(&load, "loops = 2\nfast_depth = 2\nslow_queue_max = 2\nlog_level = debug\n", arguments,
			 environment);
	CHECK_INT(AM_CONFIG_RUN, load.outcome);
	CHECK_STRING("", am_text_string(&load.output));
	CHECK_INT(4, load.config.loops);
	CHECK_INT(3, load.config.lane[AM_LANE_FAST].depth);
	CHECK_INT(2, load.config.lane[AM_LANE_SLOW].queue_max);
	CHECK_INT(4000, load.config.idle_timeout_ms);
	CHECK_INT(AM_LEVEL_DEBUG, load.config.log_level);
	CHECK_INT(0, load.config.port);
	CHECK_STRING(load.path, load.config.file);
	load_end(&load);
}

#define USUAL_MOUNTS                                        \
	"127.0.0.1:3000 autoverse /;127.0.0.1:3000 vsplugin /;" \
	"127.0.0.1:3001 quizzer /;127.0.0.1:5000 jobpsych /;"

static void
second_names_of_the_environment(void)
{
	static const struct
	{
		const char *environment[4];
		const char *database;
		const char *mounts;
	} cases[] = {
		{{"DATABASE_URL=postgresql:///a"}, "postgresql:///a", USUAL_MOUNTS},
		{{"DATABASE_URL=x", "AUTHMETER_DATABASE=y"}, "y", USUAL_MOUNTS},
		{{"DATABASE_URL=x", "AUTHMETER_DATABASE="}, "x", USUAL_MOUNTS},
		{{"PORT=8000", "AUTHMETER_APIS=vsplugin"}, "", "127.0.0.1:8000 vsplugin /;"},
		{{"PORT=8000", "LISTEN=9000=a"}, "", "127.0.0.1:9000 a /;"},
		{{"LISTEN=9000=a", "AUTHMETER_LISTEN=9001=b"}, "", "127.0.0.1:9001 b /;"},
		{{"LISTEN=9000=a", "AUTHMETER_MOUNT=b 9001 /x"},
		 "",
		 "127.0.0.1:9000 a /;127.0.0.1:9001 b /x;"},
		{{"NODE_ENV=x", "REDIS_URL=r", "MONGODB_URI=m"}, "", USUAL_MOUNTS},
		{{"LISTENER=1", "XPORT=5", "MONGO_URI=m"}, "", USUAL_MOUNTS},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		Load load;
		char text[512];

		test_case(cases[i].environment[0]);
		load_all(&load, NULL, NULL, cases[i].environment);
		CHECK_INT(AM_CONFIG_RUN, load.outcome);
		CHECK_STRING(cases[i].database, load.config.database);
		describe_mounts(&load.config, text, sizeof(text));
		CHECK_STRING(cases[i].mounts, text);
		CHECK_INT(0, load.config.warning_count);
		load_end(&load);
	}
}

static void
mounts_of_a_stronger_source_replace(void)
{
	static const char *const arguments[] = {"--listen", "1=a", "--mount=b 2 /x", NULL};
	static const char *const environment[] = {"LISTEN=3=c", NULL};
	static const char file[] = "listen = 4=d\nlisten = 5=e\nmount = f 6\n";
	Load load;
	char text[512];

	load_all(&load, file, NULL, NULL);
	describe_mounts(&load.config, text, sizeof(text));
	CHECK_STRING("127.0.0.1:4 d /;127.0.0.1:5 e /;127.0.0.1:6 f /;", text);
	CHECK_INT(3, load.config.api_count);
	load_end(&load);

	load_all(&load, file, NULL, environment);
	describe_mounts(&load.config, text, sizeof(text));
	CHECK_STRING("127.0.0.1:3 c /;", text);
	CHECK_INT(1, load.config.api_count);
	load_end(&load);

	load_all(&load, file, arguments, environment);
	describe_mounts(&load.config, text, sizeof(text));
	CHECK_STRING("127.0.0.1:1 a /;127.0.0.1:2 b /x;", text);
	CHECK_INT(2, load.config.listener_count);
	load_end(&load);
}

static void
file_syntax(void)
{
	static const struct
	{
		const char *content;
		const char *database; /* NULL = refused */
	} cases[] = {
		{"database=a b", "a b"},
		{"  database\t=  a b  \n", "a b"},
		{"database = a # c\n", "a"},
		{"database = a#c\n", "a#c"},
		{"database = # c\n", ""},
		{"database =\n", ""},
		{"# database = x\n\n   # y\ndatabase = z", "z"},
		{"database = 'a # b '  # c\n", "a # b "},
		{"database = \"a 'b'\"\n", "a 'b'"},
		{"database = 'a ''b'''\n", "a 'b'"},
		{"database = host='a b' dbname=c\n", "host='a b' dbname=c"},
		{"database = ''\n", ""},
		{"database = a\r\nloops = 2\r\n", "a"},
		{"database = 'a\n", NULL},
		{"database = 'a' b\n", NULL},
		{"database a\n", NULL},
		{"= a\n", NULL},
		{"database\n", NULL},
		{"data base = a\n", NULL},
		{"database = a\001b\n", NULL},
		{"database = a\ndatabase = b\n", NULL},
		{"[section]\n", NULL},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		Load load;
		bool wanted = cases[i].database != NULL;

		test_case(cases[i].content);
		load_all(&load, cases[i].content, NULL, NULL);
		CHECK_INT(wanted ? AM_CONFIG_RUN : AM_CONFIG_FAILED, load.outcome);
		if (wanted)
			CHECK_STRING(cases[i].database, load.config.database);
		else
			CHECK_CONTAINS(am_text_string(&load.output), load.path);
		load_end(&load);
	}
}

/* A file of exactly these bytes. */
static void
load_bytes(Load *load, const char *content, size_t length)
{
	const char *arguments[] = {"--config", load->path, NULL};

	memset(load, 0, sizeof(*load));
	write_file(load, content, length);
	load_words(load, arguments, NULL);
}

static void
hostile_files(void)
{
	static const char nul[] = "loops = 1\0 2\n";
	static char longest[AM_CONFIG_LINE_BYTES_MAX + 1];
	static char large[AM_CONFIG_FILE_BYTES_MAX + 1];
	static const char *const missing[] = {"--config", "/nonexistent/shim.conf", NULL};
	static const char *const folder[] = {"--config", "/tmp", NULL};
	Load load;

	load_bytes(&load, nul, sizeof(nul) - 1);
	CHECK_INT(AM_CONFIG_FAILED, load.outcome);
	CHECK_CONTAINS(am_text_string(&load.output), ":1: the line holds a NUL");
	load_end(&load);

	memset(longest, '#', sizeof(longest));
	load_bytes(&load, longest, AM_CONFIG_LINE_BYTES_MAX - 1);
	CHECK_INT(AM_CONFIG_RUN, load.outcome);
	load_end(&load);
	load_bytes(&load, longest, AM_CONFIG_LINE_BYTES_MAX);
	CHECK_INT(AM_CONFIG_FAILED, load.outcome);
	CHECK_CONTAINS(am_text_string(&load.output), "longer than 4095 bytes");
	load_end(&load);

	memset(large, '\n', sizeof(large));
	load_bytes(&load, large, AM_CONFIG_FILE_BYTES_MAX);
	CHECK_INT(AM_CONFIG_RUN, load.outcome);
	load_end(&load);
	load_bytes(&load, large, AM_CONFIG_FILE_BYTES_MAX + 1);
	CHECK_INT(AM_CONFIG_FAILED, load.outcome);
	CHECK_CONTAINS(am_text_string(&load.output), "larger than");
	load_end(&load);

	load_all(&load, NULL, missing, NULL);
	CHECK_INT(AM_CONFIG_FAILED, load.outcome);
	CHECK_CONTAINS(am_text_string(&load.output), "/nonexistent/shim.conf: could not open");
	load_end(&load);
	load_all(&load, NULL, folder, NULL);
	CHECK_INT(AM_CONFIG_FAILED, load.outcome);
	CHECK_CONTAINS(am_text_string(&load.output), "/tmp: could not read");
	load_end(&load);
}

static void
file_from_the_environment(void)
{
	Load first;
	Load second;
	char variable[96];
	const char *environment[] = {variable, NULL};
	const char *arguments[] = {"-c", first.path, NULL};

	load_all(&first, "loops = 7\n", NULL, NULL);
	(void) snprintf(variable, sizeof(variable), "AUTHMETER_CONFIG=%s", first.path);
	load_all(&second, NULL, NULL, environment);
	CHECK_INT(AM_CONFIG_RUN, second.outcome);
	CHECK_INT(7, second.config.loops);
	CHECK_STRING(first.path, second.config.file);
	load_end(&second);

	/* the command line is stronger */
	(void) snprintf(variable, sizeof(variable), "AUTHMETER_CONFIG=/nonexistent");
	load_all(&second, NULL, arguments, environment);
	CHECK_INT(AM_CONFIG_RUN, second.outcome);
	CHECK_INT(7, second.config.loops);
	load_end(&second);
	load_end(&first);
}

/* ---- errors ---- */

static void
errors_name_their_origin(void)
{
	static const struct
	{
		const char *file;
		const char *argument;
		const char *environment;
		const char *expected; /* in the output */
	} cases[] = {
		{"\nloops = x\n", NULL, NULL, ":2: loops: \"x\" is not a whole number\n"},
		{"loops = 65\n", NULL, NULL, ":1: loops: \"65\" is out of range: 1 to 64\n"},
		{"lops = 1\n", NULL, NULL, "hint: Perhaps you meant \"loops\"."},
		{"fast_dpeth = 1\n", NULL, NULL, "hint: Perhaps you meant \"fast_depth\"."},
		{"zzzzzzzzzz = 1\n", NULL, NULL, ":1: there is no setting \"zzzzzzzzzz\"\n"},
		{"loops = 1\n\nloops = 1\n", NULL, NULL, "hint: It is given first in line 1."},
		{NULL, "--loops=x", NULL, "--loops: \"x\" is not a whole number"},
		{NULL, "--loops", NULL, "--loops: the option needs a value"},
		{NULL, "--config", NULL, "--config: the option needs a value"},
		{NULL, "--lopps=1", NULL, "hint: Perhaps you meant --loops."},
		{NULL, "--halp", NULL, "hint: Perhaps you meant --help."},
		{NULL, "--check=1", NULL, "--check: the option takes no value"},
		{NULL, "-x", NULL, "argument 1 is not an option"},
		{NULL, "-", NULL, "argument 1 is not an option"},
		{NULL, "--", NULL, "--: there is no such option"},
		{NULL, "", NULL, "argument 1 is not an option"},
		{NULL, NULL, "AUTHMETER_LOOPS=x", "AUTHMETER_LOOPS: \"x\" is not a whole number"},
		{NULL, NULL, "PORT=x", "PORT: \"x\" is not a whole number"},
		{NULL, NULL, "AUTHMETER_LOG_LEVEL=loud", "hint: Levels are"},
		{NULL, NULL, "AUTHMETER_ADMIN=never", "AUTHMETER_ADMIN: \"never\" is not a port"},
		{"reconnect_min_ms = 2s\n", NULL, NULL, "2000 is more than reconnect_max_ms (1000)"},
		{"write_lock_timeout_ms = 2s\n", NULL, NULL, "not less than write_statement_timeout_ms"},
		{"admin = 3000\n", NULL, NULL, "port 3000 serves APIs already"},
		/* a stronger source does not hide an error of a weaker one */
		{"loops = x\n", "--loops=2", "AUTHMETER_LOOPS=2", ":1: loops: \"x\""},
		{NULL, "--loops=2", "AUTHMETER_LOOPS=x", "AUTHMETER_LOOPS: \"x\""},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		const char *arguments[] = {cases[i].argument, NULL};
		const char *environment[] = {cases[i].environment, NULL};
		Load load;

		test_case(cases[i].expected);
		load_all(&load, cases[i].file, arguments, environment);
		CHECK_INT(AM_CONFIG_FAILED, load.outcome);
		CHECK_CONTAINS(am_text_string(&load.output), cases[i].expected);
		CHECK(strncmp(am_text_string(&load.output), "authmeter-shim: ", 16) == 0);
		load_end(&load);
	}
}

static void
errors_are_told_together_and_bounded(void)
{
	char content[2048] = "loops = x\nfast_depth = y\n";
	Load load;

	load_all(&load, content, NULL, NULL);
	CHECK_CONTAINS(am_text_string(&load.output), ":1: loops");
	CHECK_CONTAINS(am_text_string(&load.output), ":2: fast_depth");
	load_end(&load);

	for (int i = 2; i < AM_CONFIG_ERRORS_MAX; i++)
		strcat(content, "nonsense\n");
	load_all(&load, content, NULL, NULL);
	CHECK_CONTAINS(am_text_string(&load.output), ":20: the line is not a setting");
	CHECK_LACKS(am_text_string(&load.output), "more errors");
	load_end(&load);

	strcat(content, "nonsense\nnonsense\n");
	load_all(&load, content, NULL, NULL);
	CHECK_CONTAINS(am_text_string(&load.output), "and 2 more errors\n");
	load_end(&load);
}

static void
assignments_are_bounded(void)
{
	static char content[32 * 300];
	size_t length = 0;
	Load load;

	for (int i = 0; i < 300; i++)
		length +=
			(size_t) snprintf(content + length, sizeof(content) - length, "listen = %d=a\n", 1 + i);
	load_all(&load, content, NULL, NULL);
	CHECK_INT(AM_CONFIG_FAILED, load.outcome);
	CHECK_CONTAINS(am_text_string(&load.output), ":257: listen: there are more than 256 settings");
	load_end(&load);
}

static void
bounds_may_be_equal(void)
{
	static const char *const arguments[] = {"--reconnect_min_ms=1s", "--reconnect_max_ms=1s",
											"--write_lock_timeout_ms=1999", NULL};
	Load load;

	load_all(&load, NULL, arguments, NULL);
	CHECK_INT(AM_CONFIG_RUN, load.outcome);
	load_end(&load);
}

static void
misspelt_variables_are_warned_about(void)
{
	static const char *const arguments[] = {"--check", NULL};
	static const char *const environment[] = {"AUTHMETER_LOPS=3", "AUTHMETER_SOMETHING_ELSE=1",
											  "AUTHMETER_EMPTY=", "AUTHMETER_CONFIG=", NULL};
	Load load;

	load_all(&load, NULL, NULL, environment);
	CHECK_INT(AM_CONFIG_RUN, load.outcome);
	CHECK_INT(2, load.config.warning_count);
	CHECK_STRING("environment variable AUTHMETER_LOPS names no setting; perhaps AUTHMETER_LOOPS "
				 "was meant",
				 load.config.warning[0]);
	CHECK_STRING("environment variable AUTHMETER_SOMETHING_ELSE names no setting",
				 load.config.warning[1]);
	load_end(&load);

	load_all(&load, NULL, arguments, environment);
	CHECK_INT(AM_CONFIG_CHECKED, load.outcome);
	CHECK_CONTAINS(am_text_string(&load.output),
				   "authmeter-shim: warning: environment variable AUTHMETER_LOPS names no");
	load_end(&load);
}

int
main(void)
{
	TEST_RUN(table_is_sound);
	TEST_RUN(defaults_are_as_documented);
	TEST_RUN(lanes_have_their_starting_values);
	TEST_RUN(usual_ports);
	TEST_RUN(stronger_sources_win);
	TEST_RUN(second_names_of_the_environment);
	TEST_RUN(mounts_of_a_stronger_source_replace);
	TEST_RUN(file_syntax);
	TEST_RUN(hostile_files);
	TEST_RUN(file_from_the_environment);
	TEST_RUN(errors_name_their_origin);
	TEST_RUN(errors_are_told_together_and_bounded);
	TEST_RUN(assignments_are_bounded);
	TEST_RUN(bounds_may_be_equal);
	TEST_RUN(misspelt_variables_are_warned_about);
	return test_end("shim config");
}
