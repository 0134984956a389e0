/*-------------------------------------------------------------------------
 *
 * mailer_main.c
 *	  The process of the mailer: start, signals, exit status.
 *
 *	 SIGTERM, SIGINT	finish the mail on its way; a second one ends at once
 *	 SIGHUP				read the configuration file again, reopen the log
 *	 SIGPIPE			ignored
 *
 *-------------------------------------------------------------------------
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "config_table.h"
#include "mailer.h"

#define ERROR_BYTES  512
#define LOG_CLOSE_MS 1000

static AmMailer mailer;

/* Prints what the configuration has to say; true if the program goes on. */
static bool
config_load(int argc, char **argv, AmMailerExit *status)
{
	AmText output;
	AmConfigOutcome outcome;

	am_text_init(&output, AM_CONFIG_OUTPUT_BYTES_MAX);
	outcome = am_config_load(&mailer.config, argc, argv, environ, &output);
	(void) fputs(am_text_string(&output), outcome == AM_CONFIG_FAILED ? stderr : stdout);
	am_text_free(&output);
	*status = outcome == AM_CONFIG_FAILED ? AM_MAILER_CONFIG : AM_MAILER_OK;
	if (outcome == AM_CONFIG_CHECKED)
		am_config_free(&mailer.config);
	return outcome == AM_CONFIG_RUN;
}

static int
signals_take(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t taken;

	(void) sigemptyset(&taken);
	(void) sigaddset(&taken, SIGTERM);
	(void) sigaddset(&taken, SIGINT);
	(void) sigaddset(&taken, SIGHUP);
	if (sigaction(SIGPIPE, &ignore, NULL) != 0 || sigprocmask(SIG_BLOCK, &taken, NULL) != 0)
		return -1;
	return signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC);
}

static bool
print_error(const char *message)
{
	(void) fprintf(stderr, "%s: %s\n", am_program.name, message);
	return false;
}

static bool
start(void)
{
	char error[ERROR_BYTES];

	if (!am_log_sink_open(&mailer.sink, mailer.config.log_file, 1, error, sizeof(error)))
		return print_error(error);
	am_obs_init(&mailer.obs);
	mailer.signal_fd = signals_take();
	mailer.database = am_database_new();
	if (mailer.signal_fd < 0 || mailer.database == NULL || !am_smtp_library_begin() ||
		!am_log_init(&mailer.log, &mailer.sink, NULL, mailer.config.log_level, 0, 1) ||
		!am_obs_subscribe(&mailer.obs, am_log_observe, &mailer.log))
		return print_error("could not start: out of memory or descriptors");
	mailer.figures.started_s = (int64_t) time(NULL);
	am_mailer_configure(&mailer);
	for (int i = 0; i < mailer.config.warning_count; i++)
		am_obs_tell(&mailer.obs, AM_OBS_CONFIG_WARNING, NULL, mailer.config.warning[i]);
	return true;
}

static AmMailerExit
run(void)
{
	AmMailerExit status;
	const char *to = mailer.config.mailer.smtp_host[0] != '\0' ? mailer.config.mailer.smtp_host
															   : mailer.config.mailer.mail_folder;

	am_obs_tell(&mailer.obs, AM_OBS_STARTED, to, "The mailer works.");
	status = am_mailer_run(&mailer);
	am_obs_tell(&mailer.obs, AM_OBS_STOPPED, NULL, "The mailer has stopped.");
	return status;
}

static void
stop(void)
{
	am_log_close(&mailer.log, LOG_CLOSE_MS);
	am_log_sink_close(&mailer.sink);
	am_database_free(mailer.database);
	am_smtp_library_end();
	am_config_free(&mailer.config);
}

int
main(int argc, char **argv)
{
	AmMailerExit status;

	/* No core file and no debugger of the same user may see codes. */
	(void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	mailer.sink.fd = -1;
	if (!config_load(argc, argv, &status))
		return (int) status;
	status = start() ? run() : AM_MAILER_FAULT;
	stop();
	return (int) status;
}
