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

/* Nothing was mounted by anybody: the default of listen, at the port set. */
static void
apply_default_mount(AmConfigReading *reading)
{
	const AmSetting *listen = &am_settings[am_setting_find("listen", strlen("listen"))];
	const char *apis = strchr(listen->default_value, '=');
	char value[128];
	AmValueError error;

	if (reading->config->mount_count > 0)
		return;
	(void) snprintf(value, sizeof(value), "%d%s", reading->config->port, apis);
	if (!am_value_listen(value, reading->config, &error))
		am_reading_error(reading, "port", error.hint, "%s", error.message);
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
		apply_default_mount(reading);
	if (reading->error_count == 0)
		check_together(reading);
	resolve(reading->config);
}
