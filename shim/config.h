/*-------------------------------------------------------------------------
 *
 * config.h
 *	  The configuration of the shim, and of the mailer.
 *
 * One table (config_table.h) says everything about every setting; the
 * parsers of file, command line and environment, --help, the man page and the
 * markdown table are made from it.  Order of precedence: command line,
 * environment, file, default.
 *
 * am_config_load() collects assignments from all sources, checks every one of
 * them (also those that a stronger source overrides) and fills AmConfig.  All
 * errors are told at once, each with its origin.  Command line and environment
 * are remembered, so that am_config_reload() only reads the file anew.
 *
 * Not thread-safe: load, reload and the deployment secrets (which remove
 * variables from the environment) belong to the main thread.  AmConfig itself
 * is read-only afterwards and may be read by every thread.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_CONFIG_H
#define AM_SHIM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "mailer_config.h"
#include "names.h"
#include "obs.h"
#include "text.h"

#ifndef AM_SHIM_VERSION
#define AM_SHIM_VERSION "1.0"
#endif

#define AM_API_NAME_BYTES_MAX      31
#define AM_MOUNTS_MAX              32
#define AM_LISTENERS_MAX           16
#define AM_ADDRESS_BYTES           46 /* INET6_ADDRSTRLEN */
#define AM_PREFIX_BYTES_MAX        127
#define AM_CONFIG_FILE_BYTES_MAX   (1024 * 1024)
#define AM_CONFIG_LINE_BYTES_MAX   4096
#define AM_CONFIG_ERRORS_MAX       20
#define AM_CONFIG_WARNINGS_MAX     32
#define AM_CONFIG_OUTPUT_BYTES_MAX (256 * 1024)

/* A numeric address and a port. */
typedef struct AmEndpoint
{
	char address[AM_ADDRESS_BYTES]; /* numeric, without brackets */
	bool ipv6;
	int port; /* 1..65535; 0 = off (only AmConfig.admin) */
} AmEndpoint;

/* One API at one listener under one prefix. */
typedef struct AmMount
{
	char api[AM_API_NAME_BYTES_MAX + 1];
	char prefix[AM_PREFIX_BYTES_MAX + 1]; /* "/" or "/s/x", no slash at the end */
	int listener;                         /* index in AmConfig.listener */
} AmMount;

/* Settings of one lane; zero where the lane has no such setting. */
typedef struct AmLaneConfig
{
	int connections;      /* slow: 0 in the file means one a processor; resolved here */
	int side_connections; /* write: for calls sent again alone */
	int depth;            /* calls in flight on one connection, each with its own Sync */
	int group_calls_max;  /* write */
	int group_bytes_max;  /* write: of arguments */
	int queue_max;        /* calls waiting, beyond it 503 */
	int queue_wait_ms;    /* longest wait in the queue, beyond it 503 */
	int deadline_ms;      /* from enqueued to answered */
	int statement_timeout_ms;
	int lock_timeout_ms; /* 0 = none */
} AmLaneConfig;

/* The APIs with a usual port. */
typedef enum AmUsualApi
{
	AM_USUAL_AUTOVERSE,
	AM_USUAL_VSPLUGIN,
	AM_USUAL_QUIZZER,
	AM_USUAL_JOBPSYCH,
	AM_USUAL_COUNT
} AmUsualApi;

typedef struct AmConfigStore AmConfigStore; /* the remembered assignments */

typedef struct AmConfig
{
	/* database */
	char *database; /* conninfo string or URL, "" = libpq's PG* variables alone */
	int database_start_wait_ms;
	int connect_timeout_ms;
	int reconnect_min_ms;
	int reconnect_max_ms;
	int connection_age_max_s; /* 0 = never recycled */

	/* listeners and mounts */
	AmEndpoint listener[AM_LISTENERS_MAX];
	int listener_count;
	AmMount mount[AM_MOUNTS_MAX]; /* in the order given: the first of a prefix answers for it */
	int mount_count;
	AmEndpoint admin; /* port 0 = off */

	/* process */
	char *apis;                     /* what to mount if nothing is mounted explicitly */
	int usual_port[AM_USUAL_COUNT]; /* where */
	int port;                       /* of the only one of these; 0 = the usual one */
	int loops;
	int connections_max;        /* of the process */
	int connections_per_ip_max; /* 0 = no bound */
	int connection_memory_bytes;
	int requests_in_flight_max; /* of one loop */
	int body_pool_bytes_max;    /* of one loop */
	int header_timeout_ms;
	int body_timeout_ms;
	int upload_bytes_per_s_min;
	int idle_timeout_ms;
	int drain_timeout_ms;

	AmLaneConfig lane[AM_LANE_SERVING_COUNT];

	/* log */
	AmObsLevel log_level;
	char *log_file;       /* "stdout", "stderr" or a path */
	int log_sample_above; /* 2xx request lines a second and loop; 0 = all */
	int log_sample_one_in;

	AmMailerConfig mailer; /* of the mailer, which has none of the listeners and lanes above */

	/* told, not set */
	bool once;                                          /* --once was given */
	char *file;                                         /* configuration file in use, NULL = none */
	char api[AM_MOUNTS_MAX][AM_API_NAME_BYTES_MAX + 1]; /* the mounted APIs, each once */
	int api_count;
	char *warning[AM_CONFIG_WARNINGS_MAX]; /* to be emitted as AM_OBS_CONFIG_WARNING */
	int warning_count;
	AmConfigStore *store;
} AmConfig;

typedef enum AmConfigOutcome
{
	AM_CONFIG_RUN,     /* serve */
	AM_CONFIG_CHECKED, /* --check and all is valid: caller may check more, then exit 0 */
	AM_CONFIG_PRINTED, /* --help, --version, --man, --settings-markdown: print output, exit 0 */
	AM_CONFIG_FAILED   /* print output to stderr, exit AM_CONFIG_EXIT_STATUS */
} AmConfigOutcome;

#define AM_CONFIG_EXIT_STATUS 2

/*
 * Loads the configuration.  argv is main's (values of secret settings are
 * overwritten in it after they were copied); environment is environ.
 * What is to be printed (help, the answer to --check, or one "authmeter-shim: ..."
 * line an error, hints on lines of their own) is appended to output, which the caller prepared with
 * AM_CONFIG_OUTPUT_BYTES_MAX.  On PRINTED and FAILED config holds nothing.
 */
extern AmConfigOutcome am_config_load(AmConfig *config, int argc, char **argv, char **environment,
									  AmText *output);

/*
 * Reads the file again (SIGHUP) into next: command line and environment as they
 * were at start.  Settings that cannot change in a running shim keep the value of
 * running, and a warning in next names each that differs.  False: nothing is
 * loaded, running stays as it is, error lines in output.
 * The structures may be moved by assignment: the caller swaps them and frees the
 * old one with am_config_free().
 */
extern bool am_config_reload(const AmConfig *running, AmConfig *next, AmText *output);

/* Wipes and frees. */
extern void am_config_free(AmConfig *config);

/* Prints the effective configuration, one "name = value" a line, secrets as "(hidden)". */
extern void am_config_describe(const AmConfig *config, AmText *output);

/* ---- secrets of the deployment ---- */

typedef struct AmSecret
{
	char variable[64 + AM_API_NAME_BYTES_MAX + 2]; /* where it was found */
	char *value;                                   /* NULL = none */
	size_t length;
} AmSecret;

typedef enum AmSecretOutcome
{
	AM_SECRET_FOUND,
	AM_SECRET_ABSENT,
	AM_SECRET_FAILED /* out of memory or over AM_SECRET_BYTES_MAX */
} AmSecretOutcome;

#define AM_SECRET_BYTES_MAX 65536

/*
 * Looks up the deployment variable name (upper case, "JWT_SECRET") of api:
 * <API>_<NAME> first, the bare <NAME> only if exactly one API is mounted (contract,
 * section 12).  A found value is moved: copied into secret, wiped in the
 * environment and removed from it, so children and /proc do not show it; keep
 * secret until it was imported, then am_secret_wipe().  An empty value is absent.
 * variable names what was found.
 */
extern AmSecretOutcome am_config_deployment_secret(const AmConfig *config, const char *api,
												   const char *name, AmSecret *secret);

/*
 * True if the bare name is set while several APIs are mounted, so that nobody can
 * say whose it is: to be told once.  It is wiped and removed like one that is taken.
 */
extern bool am_config_deployment_ambiguous(const AmConfig *config, const char *name);

/* Wipes and frees the value; harmless when there is none. */
extern void am_secret_wipe(AmSecret *secret);

#endif /* AM_SHIM_CONFIG_H */
