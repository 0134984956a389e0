/*-------------------------------------------------------------------------
 *
 * main.c
 *	  The process of the shim: start, threads, signals, exit status.
 *
 * The main thread is loop 0.  It alone reads the configuration, takes signals,
 * imports secrets and runs the database's checks; further loops are started when
 * it serves, and each of them loads its own tables.
 *
 *	 SIGTERM, SIGINT	drain; a second one ends at once
 *	 SIGHUP				read the configuration file and the tables again, reopen the log
 *	 SIGPIPE			ignored
 *
 * Exit statuses: see AmExit in engine.h.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "config_table.h"
#include "engine.h"

#define AM_FDS_BESIDE_CLIENTS 256 /* listeners, database, log, lingering */
#define AM_ERROR_BYTES        512

typedef struct Process
{
	AmConfig config;
	AmMetricsRegistry registry;
	AmLogSink sink;
	AmEngine *engine;  /* one a loop */
	pthread_t *thread; /* of engine 1 and up */
	int threads_started;
	bool term_seen;
} Process;

static Process process;

static void
print_error(const char *message)
{
	(void) fprintf(stderr, "%s: %s\n", am_program.name, message);
}

/* Prints what the configuration has to say; true if the program goes on. */
static bool
config_load(int argc, char **argv, AmExit *status)
{
	AmText output;
	AmConfigOutcome outcome;

	am_text_init(&output, AM_CONFIG_OUTPUT_BYTES_MAX);
	outcome = am_config_load(&process.config, argc, argv, environ, &output);
	(void) fputs(am_text_string(&output), outcome == AM_CONFIG_FAILED ? stderr : stdout);
	am_text_free(&output);
	*status = outcome == AM_CONFIG_FAILED ? AM_EXIT_CONFIG : AM_EXIT_OK;
	if (outcome == AM_CONFIG_CHECKED)
		am_config_free(&process.config);
	return outcome == AM_CONFIG_RUN;
}

/* Raises the limit of open files as far as needed and allowed; tells what came of it. */
static void
files_raise(const AmConfig *config)
{
	struct rlimit limit;
	rlim_t wanted = (rlim_t) config->connections_max + AM_FDS_BESIDE_CLIENTS;
	char message[AM_ERROR_BYTES];
	const AmObs *obs = &process.engine[0].obs;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	if (limit.rlim_cur < wanted)
	{
		limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &limit);
		(void) getrlimit(RLIMIT_NOFILE, &limit);
	}
	(void) snprintf(message, sizeof(message), "The limit of open files is %llu; %llu are wanted.",
					(unsigned long long) limit.rlim_cur, (unsigned long long) wanted);
	am_obs_tell(obs, limit.rlim_cur < wanted ? AM_OBS_CONFIG_WARNING : AM_OBS_NOTE,
				"connections_max", message);
}

static void
warnings_tell(const AmConfig *config)
{
	for (int i = 0; i < config->warning_count; i++)
		am_obs_tell(&process.engine[0].obs, AM_OBS_CONFIG_WARNING, NULL, config->warning[i]);
}

static void
reload(void)
{
	AmEngine *engine = process.engine;
	AmConfig next;
	AmText output;
	AmTuning tuning;
	char error[AM_ERROR_BYTES];
	bool loaded;

	if (!am_log_sink_reopen(&process.sink, error, sizeof(error)))
		am_obs_tell(&engine->obs, AM_OBS_RELOAD_FAILED, "log_file", error);
	am_text_init(&output, AM_CONFIG_OUTPUT_BYTES_MAX);
	loaded = am_config_reload(&process.config, &next, &output);
	if (loaded)
	{
		tuning = am_tuning_of(&next);
		warnings_tell(&next);
		am_obs_tell(&engine->obs, AM_OBS_RELOAD_DONE, "configuration", NULL);
		/* the engines keep to the configuration of the start, which outlives them */
		am_config_free(&next);
	}
	else
		am_obs_tell(&engine->obs, AM_OBS_RELOAD_FAILED, "configuration", am_text_string(&output));
	for (int i = 0; i <= process.threads_started; i++)
		am_engine_order_reload(&process.engine[i], loaded ? &tuning : NULL);
	am_text_free(&output);
}

static void
stop_or_drain(void)
{
	for (int i = 0; i <= process.threads_started; i++)
	{
		if (process.term_seen)
			am_engine_order_stop(&process.engine[i]);
		else
			am_engine_order_drain(&process.engine[i]);
	}
	process.term_seen = true;
}

static void
signal_taken(void *state, unsigned number)
{
	(void) state;
	if (number == SIGHUP)
		reload();
	else
		stop_or_drain();
}

/* Binds every listener for every loop before anything else can fail. */
static bool
sockets_bind(const AmConfig *config, int loop, int *sockets, int *admin_socket)
{
	char error[AM_ERROR_BYTES];
	bool bound = true;

	*admin_socket = -1;
	for (int i = 0; i < config->listener_count; i++)
	{
		sockets[i] = am_http_bind(&config->listener[i], config->loops > 1, error, sizeof(error));
		if (sockets[i] < 0)
			print_error(error);
		bound = bound && sockets[i] >= 0;
	}
	if (loop == 0 && config->admin.port != 0)
	{
		*admin_socket = am_http_bind(&config->admin, false, error, sizeof(error));
		if (*admin_socket < 0)
			print_error(error);
		bound = bound && *admin_socket >= 0;
	}
	return bound;
}

static bool
engines_init(AmExit *status)
{
	const AmConfig *config = &process.config;
	int sockets[AM_LISTENERS_MAX];
	int admin_socket;

	process.engine = calloc((size_t) config->loops, sizeof(AmEngine));
	process.thread = calloc((size_t) config->loops, sizeof(pthread_t));
	for (int i = 0; process.engine != NULL && process.thread != NULL && i < config->loops; i++)
	{
		if (!sockets_bind(config, i, sockets, &admin_socket))
		{
			*status = AM_EXIT_LISTEN;
			return false;
		}
		if (!am_engine_init(&process.engine[i], config, i, &process.registry, &process.sink,
							sockets, admin_socket))
		{
			print_error("could not set up the event loop: out of memory or descriptors");
			return false;
		}
	}
	return process.engine != NULL && process.thread != NULL;
}

static void *
loop_thread(void *state)
{
	AmEngine *engine = state;

	am_engine_run(engine, NULL);
	/* a loop that cannot serve ends the process: half of it would look healthy */
	if (engine->exit != AM_EXIT_OK)
		am_engine_order_stop(&process.engine[0]);
	return NULL;
}

/* Called when loop 0 serves: the tables are known to be good, so the others may begin. */
static void
loops_start(void)
{
	for (int i = 1; i < process.config.loops; i++)
	{
		if (pthread_create(&process.thread[i], NULL, loop_thread, &process.engine[i]) != 0)
		{
			am_obs_tell(&process.engine[0].obs, AM_OBS_INTERNAL_FAULT, "loops",
						"A further event loop could not be started.");
			return;
		}
		process.threads_started = i;
	}
}

/* Runs loop 0 in this thread until it ends; joins the others. */
static AmExit
process_run(void)
{
	AmExit status;

	am_engine_run(&process.engine[0], loops_start);
	for (int i = 1; i <= process.threads_started; i++)
	{
		if (!process.term_seen)
			am_engine_order_stop(&process.engine[i]);
		(void) pthread_join(process.thread[i], NULL);
	}
	status = process.engine[0].exit;
	for (int i = 1; i <= process.threads_started && status == AM_EXIT_OK; i++)
		status = process.engine[i].exit;
	return status;
}

static bool
process_init(AmExit *status)
{
	char error[AM_ERROR_BYTES];

	*status = AM_EXIT_FAULT;
	if (!am_log_sink_open(&process.sink, process.config.log_file, process.config.loops, error,
						  sizeof(error)))
	{
		print_error(error);
		return false;
	}
	if (!am_metrics_registry_init(&process.registry) || !engines_init(status))
		return false;
	if (!am_loop_take_signals(&process.engine[0].loop, signal_taken, NULL))
	{
		print_error("could not take signals");
		return false;
	}
	files_raise(&process.config);
	warnings_tell(&process.config);
	return true;
}

static void
process_free(void)
{
	for (int i = 0; process.engine != NULL && i < process.config.loops; i++)
	{
		if (process.engine[i].config != NULL)
			am_engine_free(&process.engine[i]);
	}
	free(process.engine);
	free(process.thread);
	am_metrics_registry_free(&process.registry);
	am_log_sink_close(&process.sink);
	am_config_free(&process.config);
}

int
main(int argc, char **argv)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	AmExit status;

	/* no core file and no debugger of the same user may see secrets */
	(void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	process.sink.fd = -1;
	if (!config_load(argc, argv, &status))
		return (int) status;
	if (sigaction(SIGPIPE, &ignore, NULL) != 0 || !am_loop_signals_block())
		return AM_EXIT_FAULT;
	if (process_init(&status))
		status = process_run();
	process_free();
	return (int) status;
}
