/*-------------------------------------------------------------------------
 *
 * config_table.c
 *	  The settings of the shim, each written once.
 *
 * The meaning of a row is one paragraph of whole sentences in ASCII, without
 * its default: the manual appends that from default_value, so that the two
 * cannot differ.  A new member of AmConfig needs a row here and nothing else.
 *
 *-------------------------------------------------------------------------
 */
#include "config_table.h"

#include "config.h"

#define FIELD(member) offsetof(AmConfig, member)
#define LANE_MEMBER(id, member)                                        \
	(offsetof(AmConfig, lane) + (size_t) (id) * sizeof(AmLaneConfig) + \
	 offsetof(AmLaneConfig, member))

/* clang-format off */

#define INTEGER(setting, part, where, value, low, high, in, how, text) \
	{ \
		.name = (setting), .type = AM_SETTING_INTEGER, .unit = AM_UNIT_##in, \
		.section = AM_SECTION_##part, .flags = (how), .offset = (where), \
		.default_value = (value), .minimum = (low), .maximum = (high), \
		.placeholder = "N", .meaning = (text) \
	}

#define USUAL_PORT(api, which, value, variable, variable_also) \
	{ \
		.name = api "_port", .type = AM_SETTING_INTEGER, .section = AM_SECTION_LISTENERS, \
		.offset = FIELD(usual_port) + (which) * sizeof(int), .default_value = (value), \
		.minimum = 1, .maximum = 65535, .environment = (variable), \
		.environment_also = (variable_also), .placeholder = "N", \
		.meaning = "Port of the API " api " when it is served because of apis.", \
	}

#define FIXED 0
#define RELOAD AM_SETTING_RELOADABLE
#define HOUR_MS 3600000
#define GIGABYTE (1024 * 1024 * 1024)

const AmSetting am_settings[] = {
	{
		.name = "database",
		.type = AM_SETTING_TEXT,
		.section = AM_SECTION_DATABASE,
		.flags = AM_SETTING_SECRET,
		.offset = FIELD(database),
		.default_value = "",
		.environment = "DATABASE_URL",
		.placeholder = "CONNINFO",
		.meaning = "Where the database is: a libpq connection string "
		"(host=/run/postgresql dbname=app user=authmeter_shim) or a URL "
		"(postgresql://user@host/app). Parameters left out are taken from libpq's variables "
		"(PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD, PGPASSFILE, PGSERVICE, PGSSLMODE and so "
		"on). The role needs grant_access 'gateway'. Prefer peer authentication on the socket or a "
		"password file to a password in this value.",
	},
	INTEGER("database_start_wait_ms", DATABASE, FIELD(database_start_wait_ms), "30000",
			0, HOUR_MS, MS, FIXED,
			"How long the start waits for a database that does not answer yet. The shim listens "
			"only when it has its route table; past this time it gives up and exits. 0 tries once."),
	INTEGER("connect_timeout_ms", DATABASE, FIELD(connect_timeout_ms), "5000",
			100, 300000, MS, RELOAD,
			"How long one attempt to connect may take, from the first packet to the last prepared "
			"statement."),
	INTEGER("reconnect_min_ms", DATABASE, FIELD(reconnect_min_ms), "100",
			10, 60000, MS, RELOAD,
			"Pause before the first attempt to connect again after a loss; it doubles, with jitter, "
			"up to reconnect_max_ms."),
	INTEGER("reconnect_max_ms", DATABASE, FIELD(reconnect_max_ms), "1000",
			10, HOUR_MS, MS, RELOAD,
			"Longest pause between two attempts to connect; it bounds the time to recover after a "
			"restart of the server."),
	INTEGER("connection_age_max_s", DATABASE, FIELD(connection_age_max_s), "3600",
			0, 604800, S, RELOAD,
			"Age after which an idle database connection is replaced, so that backends do not grow "
			"for ever. 0 never replaces one."),

	{
		.name = "listen",
		.type = AM_SETTING_LISTEN,
		.section = AM_SECTION_LISTENERS,
		.flags = AM_SETTING_REPEATABLE,
		.default_value = "",
		.environment = "LISTEN",
		.placeholder = "[ADDRESS:]PORT[/PREFIX]=API[,API]",
		.meaning = "Where the APIs are served, in the short form; several, separated by blanks, may "
		"stand in one value. The address is numeric (IPv6 in brackets: [::1]:3000) or localhost; "
		"without one it is 127.0.0.1. If several APIs share a port and prefix, the first answers "
		"unknown paths. There is no TLS: put a proxy in front for other machines. listen and mount "
		"add up, but values of the command line replace those of the environment, and these "
		"replace those of the file.",
	},
	{
		.name = "mount",
		.type = AM_SETTING_MOUNT,
		.section = AM_SECTION_LISTENERS,
		.flags = AM_SETTING_REPEATABLE,
		.default_value = "",
		.placeholder = "API ADDRESS:PORT PREFIX",
		.meaning = "Where one API is served, in the long form: mount = vsplugin 0.0.0.0:3000 / or "
		"mount = vsplugin 127.0.0.1:8080 /s/vsplugin. The prefix may be left out (/). Several in "
		"one value are separated by semicolons.",
	},
	{
		.name = "apis",
		.type = AM_SETTING_TEXT,
		.section = AM_SECTION_LISTENERS,
		.offset = FIELD(apis),
		.default_value = "autoverse,vsplugin,quizzer,jobpsych",
		.placeholder = "API[,API]",
		.meaning = "The APIs that are served when neither listen nor mount is given, each at its usual "
		"port of the loopback. If several share a port, the first answers unknown paths.",
	},
	USUAL_PORT("autoverse", AM_USUAL_AUTOVERSE, "3000", "AUTOVERSE_PORT", NULL),
	USUAL_PORT("vsplugin", AM_USUAL_VSPLUGIN, "3000", "VSPLUGIN_PORT", NULL),
	USUAL_PORT("quizzer", AM_USUAL_QUIZZER, "3001", "QUIZZER_PORT", "AUTH_SERVICE_PORT"),
	USUAL_PORT("jobpsych", AM_USUAL_JOBPSYCH, "5000", "JOBPSYCH_PORT", NULL),
	{
		.name = "port",
		.type = AM_SETTING_INTEGER,
		.section = AM_SECTION_LISTENERS,
		.offset = FIELD(port),
		.default_value = "0",
		.minimum = 0,
		.maximum = 65535,
		.environment = "PORT",
		.placeholder = "N",
		.meaning = "Port of the API when apis names a single one; with several it could be anybody's "
		"and is ignored with a warning. 0 is the usual port.",
	},
	{
		.name = "admin",
		.type = AM_SETTING_ENDPOINT,
		.section = AM_SECTION_LISTENERS,
		.offset = FIELD(admin),
		.default_value = "127.0.0.1:9464",
		.placeholder = "[ADDRESS:]PORT|off",
		.meaning = "Listener of the pages /live, /ready and /metrics. It has no authentication: keep "
		"it on the loopback or a private network.",
	},

	INTEGER("loops", LIMITS, FIELD(loops), "1", 1, 64, NONE, FIXED,
			"Event loops, one thread each, that share the listeners. Every loop has its own database "
			"connections."),
	INTEGER("connections_max", LIMITS, FIELD(connections_max), "4096", 1, 1000000, NONE, FIXED,
			"Client connections the process holds open; further ones are closed at once. The limit of "
			"open files is raised to match where the system allows."),
	INTEGER("connections_per_ip_max", LIMITS, FIELD(connections_per_ip_max), "1024",
			0, 1000000, NONE, FIXED,
			"Client connections of one address. 0 switches the bound off; do so behind a proxy, where "
			"all clients have the proxy's address."),
	INTEGER("connection_memory_bytes", LIMITS, FIELD(connection_memory_bytes), "16384",
			4096, 1048576, BYTES, FIXED,
			"Memory of one client connection for the request line and the headers; longer ones get "
			"414 or 431."),
	INTEGER("requests_in_flight_max", LIMITS, FIELD(requests_in_flight_max), "1024",
			1, 65536, NONE, FIXED,
			"Requests one loop works on at the same time, waiting ones included; further ones get 503."),
	INTEGER("body_pool_bytes_max", LIMITS, FIELD(body_pool_bytes_max), "67108864",
			65536, GIGABYTE, BYTES, FIXED,
			"Memory for request bodies of one loop, all requests together; a body that does not fit "
			"gets 503."),
	INTEGER("header_timeout_ms", LIMITS, FIELD(header_timeout_ms), "5000",
			100, HOUR_MS, MS, RELOAD,
			"Time for the request line and all headers, from the first byte. An absolute deadline: "
			"slow drips do not extend it."),
	INTEGER("body_timeout_ms", LIMITS, FIELD(body_timeout_ms), "10000",
			100, HOUR_MS, MS, RELOAD,
			"Time for the request body, from the last header. An absolute deadline."),
	INTEGER("upload_bytes_per_s_min", LIMITS, FIELD(upload_bytes_per_s_min), "65536",
			1024, GIGABYTE, BYTES, RELOAD,
			"Slowest line that an upload (multipart/form-data, or a raw body) is served on: its declared "
			"length, or without one the limit of its route, at so many bytes a second is added to "
			"body_timeout_ms."),
	INTEGER("idle_timeout_ms", LIMITS, FIELD(idle_timeout_ms), "60000",
			100, HOUR_MS, MS, RELOAD,
			"Time an idle keep-alive connection stays open."),
	INTEGER("drain_timeout_ms", LIMITS, FIELD(drain_timeout_ms), "10000",
			0, HOUR_MS, MS, RELOAD,
			"Time given to the requests in flight after SIGTERM; the rest gets 503. A second SIGTERM "
			"ends at once."),

	INTEGER("fast_connections", FAST, LANE_MEMBER(AM_LANE_FAST, connections), "2",
			1, 64, NONE, FIXED,
			"Database connections of the lane, a loop."),
	INTEGER("fast_depth", FAST, LANE_MEMBER(AM_LANE_FAST, depth), "64", 1, 1024, NONE, FIXED,
			"Calls in flight on one connection. Each is its own transaction; they run one after the "
			"other."),
	INTEGER("fast_queue_max", FAST, LANE_MEMBER(AM_LANE_FAST, queue_max), "1024",
			1, 65536, NONE, FIXED,
			"Calls that may wait for a connection of the lane; further ones get 503."),
	INTEGER("fast_queue_wait_ms", FAST, LANE_MEMBER(AM_LANE_FAST, queue_wait_ms), "2000",
			10, HOUR_MS, MS, RELOAD,
			"Longest wait in the queue of the lane, then 503."),
	INTEGER("fast_deadline_ms", FAST, LANE_MEMBER(AM_LANE_FAST, deadline_ms), "5000",
			10, HOUR_MS, MS, RELOAD,
			"Time from entering the queue to the database's answer, then 503."),
	INTEGER("fast_statement_timeout_ms", FAST, LANE_MEMBER(AM_LANE_FAST, statement_timeout_ms),
			"2000", 10, HOUR_MS, MS, FIXED,
			"statement_timeout of the lane's sessions."),
	INTEGER("fast_lock_timeout_ms", FAST, LANE_MEMBER(AM_LANE_FAST, lock_timeout_ms),
			"1000", 0, HOUR_MS, MS, FIXED,
			"lock_timeout of the lane's sessions; 0 is none."),

	INTEGER("write_side_connections", WRITE, LANE_MEMBER(AM_LANE_WRITE, side_connections), "1",
			1, 16, NONE, FIXED,
			"Database connections, a loop, for calls that are sent again alone after their group "
			"failed. The lane itself has exactly one connection a loop: more are slower."),
	INTEGER("write_group_calls_max", WRITE, LANE_MEMBER(AM_LANE_WRITE, group_calls_max), "256",
			1, 1024, NONE, FIXED,
			"Calls that may share one commit. 1 gives every call its own."),
	INTEGER("write_group_bytes_max", WRITE, LANE_MEMBER(AM_LANE_WRITE, group_bytes_max), "1048576",
			1024, 67108864, BYTES, FIXED,
			"Bytes of arguments of the calls that may share one commit. A larger call goes alone."),
	INTEGER("write_queue_max", WRITE, LANE_MEMBER(AM_LANE_WRITE, queue_max), "1024",
			1, 65536, NONE, FIXED,
			"Calls that may wait for the next group; further ones get 503."),
	INTEGER("write_queue_wait_ms", WRITE, LANE_MEMBER(AM_LANE_WRITE, queue_wait_ms), "2000",
			10, HOUR_MS, MS, RELOAD,
			"Longest wait in the queue of the lane, then 503."),
	INTEGER("write_deadline_ms", WRITE, LANE_MEMBER(AM_LANE_WRITE, deadline_ms), "5000",
			10, HOUR_MS, MS, RELOAD,
			"Time from entering the queue to the commit's answer, then 503 with the code "
			"outcome_unknown if the call had been sent."),
	INTEGER("write_statement_timeout_ms", WRITE,
			LANE_MEMBER(AM_LANE_WRITE, statement_timeout_ms), "2000", 10, HOUR_MS, MS, FIXED,
			"statement_timeout of the lane's sessions."),
	INTEGER("write_lock_timeout_ms", WRITE, LANE_MEMBER(AM_LANE_WRITE, lock_timeout_ms), "200",
			1, HOUR_MS, MS, FIXED,
			"lock_timeout of the lane's sessions: how long a group waits for a row that somebody else "
			"holds before its calls are sent again one by one. It must be less than "
			"write_statement_timeout_ms."),

	INTEGER("slow_connections", SLOW, LANE_MEMBER(AM_LANE_SLOW, connections), "0",
			0, 64, NONE, FIXED,
			"Database connections of the lane, a loop, one call at a time on each. 0 means one less "
			"than processors, but at least one: hashing passwords keeps a processor busy, and one is "
			"left to the other lanes."),
	INTEGER("slow_queue_max", SLOW, LANE_MEMBER(AM_LANE_SLOW, queue_max), "64",
			1, 65536, NONE, FIXED,
			"Calls that may wait for a connection of the lane; further ones get 503."),
	INTEGER("slow_queue_wait_ms", SLOW, LANE_MEMBER(AM_LANE_SLOW, queue_wait_ms), "10000",
			10, HOUR_MS, MS, RELOAD,
			"Longest wait in the queue of the lane, then 503."),
	INTEGER("slow_deadline_ms", SLOW, LANE_MEMBER(AM_LANE_SLOW, deadline_ms), "15000",
			10, HOUR_MS, MS, RELOAD,
			"Time from entering the queue to the database's answer, then 503."),
	INTEGER("slow_statement_timeout_ms", SLOW, LANE_MEMBER(AM_LANE_SLOW, statement_timeout_ms),
			"10000", 10, HOUR_MS, MS, FIXED,
			"statement_timeout of the lane's sessions: longer than a hash takes, because they give way "
			"to the other lanes."),
	INTEGER("slow_lock_timeout_ms", SLOW, LANE_MEMBER(AM_LANE_SLOW, lock_timeout_ms),
			"1000", 0, HOUR_MS, MS, FIXED,
			"lock_timeout of the lane's sessions; 0 is none."),

	{
		.name = "log_level",
		.type = AM_SETTING_LEVEL,
		.section = AM_SECTION_LOG,
		.flags = AM_SETTING_RELOADABLE,
		.offset = FIELD(log_level),
		.default_value = "info",
		.environment = "LOG_LEVEL",
		.placeholder = "error|warning|info|debug",
		.meaning = "Least important level that is written. Requests are info. warn is another word for "
		"warning.",
	},
	{
		.name = "log_file",
		.type = AM_SETTING_TEXT,
		.section = AM_SECTION_LOG,
		.offset = FIELD(log_file),
		.default_value = "stdout",
		.placeholder = "stdout|stderr|PATH",
		.meaning = "Where the log goes, one JSON object a line. SIGHUP opens a file anew, for log "
		"rotation. Lines that a full pipe or disk does not take are dropped and counted; the loop "
		"never waits.",
	},
	INTEGER("log_sample_above", LOG, FIELD(log_sample_above), "1000", 0, 1000000, NONE, RELOAD,
			"Successful (2xx) requests a second and loop that are logged in full; above it only one "
			"in log_sample_one_in is, marked with the member \"sampled\". Everything else is always "
			"logged. 0 logs all."),
	INTEGER("log_sample_one_in", LOG, FIELD(log_sample_one_in), "100", 1, 1000000, NONE, RELOAD,
			"One in so many successful requests above log_sample_above is logged."),
};

const int	am_setting_count = (int) (sizeof(am_settings) / sizeof(am_settings[0]));

const AmOption am_options[] = {
	[AM_OPTION_CONFIG] = {"config", 'c', "FILE",
		"Read settings from FILE, one \"name = value\" a line. Without it AUTHMETER_CONFIG names the "
		"file; without that none is read."},
	[AM_OPTION_CHECK] = {"check", 0, NULL,
	"Check the configuration, say what is wrong with it, and exit."},
	[AM_OPTION_HELP] = {"help", 'h', NULL, "Print this help and exit."},
	[AM_OPTION_VERSION] = {"version", 'V', NULL, "Print the version and exit."},
	[AM_OPTION_MAN] = {"man", 0, NULL, "Print the manual page in roff and exit."},
	[AM_OPTION_MARKDOWN] = {"settings-markdown", 0, NULL,
	"Print the table of settings in Markdown and exit."},
};

const int	am_option_count = (int) (sizeof(am_options) / sizeof(am_options[0]));

/* clang-format on */
