/*-------------------------------------------------------------------------
 *
 * config_shim.c
 *	  What the shim makes of its settings as a whole.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config_source.h"
#include "config_value.h"

/* More backends than this for one lane help nobody, whatever the machine. */
#define SLOW_CONNECTIONS_MAX 64

static const char *const usual_apis[AM_USUAL_COUNT] = {
	[AM_USUAL_AUTOVERSE] = "autoverse",
	[AM_USUAL_VSPLUGIN] = "vsplugin",
	[AM_USUAL_QUIZZER] = "quizzer",
	[AM_USUAL_JOBPSYCH] = "jobpsych",
};

/* One API at its usual port, or at the one given. */
static void
mount_usual(AmConfigReading *reading, const char *api, int port)
{
	char value[AM_API_NAME_BYTES_MAX + 16];
	AmValueError error;
	int known = 0;

	while (known < AM_USUAL_COUNT && strcmp(api, usual_apis[known]) != 0)
		known++;
	if (known == AM_USUAL_COUNT)
	{
		am_reading_error(reading, "apis", "Say with listen where it is served.",
						 "\"%.*s\" has no usual port", AM_API_NAME_BYTES_MAX, api);
		return;
	}
	(void) snprintf(value, sizeof(value), "%d=%s",
					port > 0 ? port : reading->config->usual_port[known], api);
	if (!am_value_listen(value, reading->config, &error))
		am_reading_error(reading, "apis", error.hint, "%s", error.message);
}

/*
 * Nothing was mounted by anybody: the APIs wanted, each at its usual port.  PORT
 * occurs in the deployment of every API, so it counts only for a single one.
 */
static void
mount_defaults(AmConfigReading *reading)
{
	AmConfig *config = reading->config;
	bool several = strpbrk(config->apis, ", \t") != NULL;
	char copy[AM_CONFIG_LINE_BYTES_MAX];
	char *rest = NULL;

	if (config->mount_count > 0)
		return;
	if (several && config->port > 0)
		am_config_warn(config, "port (PORT) is ignored, because apis names several APIs; set "
							   "<API>_PORT for each, or listen");
	(void) snprintf(copy, sizeof(copy), "%s", config->apis);
	for (char *api = strtok_r(copy, ", \t", &rest); api != NULL;
		 api = strtok_r(NULL, ", \t", &rest))
		mount_usual(reading, api, several ? 0 : config->port);
	if (config->mount_count == 0 && reading->error_count == 0)
		am_reading_error(reading, "apis", "Write for example vsplugin,jobpsych.",
						 "no API is named");
}

static void
check_admin(AmConfigReading *reading)
{
	const AmConfig *config = reading->config;

	for (int i = 0; i < config->listener_count; i++)
	{
		if (config->listener[i].port == config->admin.port &&
			strcmp(config->listener[i].address, config->admin.address) == 0)
			am_reading_error(reading, "admin", "Give the admin pages a port of their own, or off.",
							 "port %d serves APIs already", config->admin.port);
	}
}

static void
check_together(AmConfigReading *reading)
{
	const AmConfig *config = reading->config;
	const AmLaneConfig *write = &config->lane[AM_LANE_WRITE];

	if (config->reconnect_min_ms > config->reconnect_max_ms)
		am_reading_error(reading, "reconnect_min_ms", NULL, "%d is more than reconnect_max_ms (%d)",
						 config->reconnect_min_ms, config->reconnect_max_ms);
	if (write->lock_timeout_ms >= write->statement_timeout_ms)
		am_reading_error(reading, "write_lock_timeout_ms",
						 "A blocked call must be told from a slow one.",
						 "%d is not less than write_statement_timeout_ms (%d)",
						 write->lock_timeout_ms, write->statement_timeout_ms);
	check_admin(reading);
}

/* 0 of slow_connections leaves one processor to the other lanes, if there are two. */
static void
resolve(AmConfig *config)
{
	AmLaneConfig *slow = &config->lane[AM_LANE_SLOW];
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (slow->connections == 0)
		slow->connections = processors <= 2                         ? 1
							: processors - 1 > SLOW_CONNECTIONS_MAX ? SLOW_CONNECTIONS_MAX
																	: (int) processors - 1;
	slow->depth = 1;
	config->lane[AM_LANE_WRITE].connections = 1;
}

void
am_config_complete(AmConfigReading *reading)
{
	if (reading->error_count == 0)
		mount_defaults(reading);
	if (reading->error_count == 0)
		check_together(reading);
	resolve(reading->config);
}
