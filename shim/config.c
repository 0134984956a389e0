/*-------------------------------------------------------------------------
 *
 * config.c
 *	  The configuration of the shim; see config.h.
 *
 * A load has three steps: the sources become assignments (config_source.c,
 * config_file.c), the assignments are applied in ascending order of precedence,
 * each checked and each overwriting what was there, and the whole is checked
 * for settings that contradict each other.
 *
 *-------------------------------------------------------------------------
 */
#include "config.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config_source.h"
#include "config_table.h"
#include "config_value.h"
#include "manual.h"

#define ORIGIN_BYTES 512

/* More backends than this for one lane help nobody, whatever the machine. */
#define SLOW_CONNECTIONS_MAX 64

/* ---- one value ---- */

static void *
field_of(AmConfig *config, const AmSetting *setting)
{
	return (char *) config + setting->offset;
}

static const void *
field_of_const(const AmConfig *config, const AmSetting *setting)
{
	return (const char *) config + setting->offset;
}

static bool
is_mounts(const AmSetting *setting)
{
	return setting->type == AM_SETTING_LISTEN || setting->type == AM_SETTING_MOUNT;
}

/* Replaces a text; the old one is wiped because it may hold a password. */
static bool
set_text(char **field, const char *value)
{
	char	   *copy = strdup(value);

	if (copy == NULL)
		return false;
	if (*field != NULL)
	{
		explicit_bzero(*field, strlen(*field));
		free(*field);
	}
	*field = copy;
	return true;
}

/* Parses a value into its member of config. */
static bool
apply_value(AmConfig *config, const AmSetting *setting, const char *value, AmValueError *error)
{
	switch (setting->type)
	{
		case AM_SETTING_INTEGER:
			return am_value_integer(setting, value, field_of(config, setting), error);
		case AM_SETTING_LEVEL:
			return am_value_level(value, field_of(config, setting), error);
		case AM_SETTING_LISTEN:
			return am_value_listen(value, config, error);
		case AM_SETTING_MOUNT:
			return am_value_mount(value, config, error);
		case AM_SETTING_ENDPOINT:
			if (strcmp(value, "off") == 0)
			{
				memset(field_of(config, setting), 0, sizeof(AmEndpoint));
				return true;
			}
			return am_value_endpoint(value, field_of(config, setting), error);
		case AM_SETTING_TEXT:
			break;
	}
	if (set_text(field_of(config, setting), value))
		return true;
	(void) snprintf(error->message, sizeof(error->message), "out of memory");
	error->hint[0] = '\0';
	return false;
}

static void
clear_mounts(AmConfig *config)
{
	config->listener_count = 0;
	config->mount_count = 0;
	config->api_count = 0;
}

/* ---- applying the assignments ---- */

/* Line of the file that gave the same setting before assignment i, 0 if none did. */
static int
line_before(const AmConfigStore *store, int i)
{
	for (int before = 0; before < i; before++)
	{
		if (store->item[before].source == AM_SOURCE_FILE &&
			store->item[before].setting == store->item[i].setting)
			return store->item[before].line;
	}
	return 0;
}

static void
apply_assignment(AmConfigReading *reading, int i)
{
	const AmAssignment *assignment = &reading->store->item[i];
	const AmSetting *setting = &am_settings[assignment->setting];
	AmValueError error;
	char		origin[ORIGIN_BYTES];
	char		hint[64];

	am_assignment_origin(reading, assignment, origin, sizeof(origin));
	if (assignment->source == AM_SOURCE_FILE && (setting->flags & AM_SETTING_REPEATABLE) == 0 &&
		line_before(reading->store, i) > 0)
	{
		(void) snprintf(hint, sizeof(hint), "It is given first in line %d.",
						line_before(reading->store, i));
		am_reading_error(reading, origin, hint, "the setting is given twice");
		return;
	}
	if (!apply_value(reading->config, setting, assignment->value, &error))
		am_reading_error(reading, origin, error.hint, "%s", error.message);
}

static void
apply_source(AmConfigReading *reading, AmSource source)
{
	const AmConfigStore *store = reading->store;
	bool		mounts = false;

	for (int i = 0; i < store->count; i++)
	{
		if (store->item[i].source != source)
			continue;
		/* listen and mount add up within a source; a stronger source replaces both. */
		if (is_mounts(&am_settings[store->item[i].setting]) && !mounts)
		{
			clear_mounts(reading->config);
			mounts = true;
		}
		apply_assignment(reading, i);
	}
}

static void
apply_defaults(AmConfigReading *reading)
{
	AmValueError error;

	for (int i = 0; i < am_setting_count; i++)
	{
		const AmSetting *setting = &am_settings[i];

		if (!is_mounts(setting) &&
			!apply_value(reading->config, setting, setting->default_value, &error))
			am_reading_error(reading, setting->name, error.hint, "%s", error.message);
	}
}

/* Nothing was mounted by anybody: the default of listen, at the port set. */
static void
apply_default_mount(AmConfigReading *reading)
{
	const AmSetting *listen = &am_settings[am_setting_find("listen", strlen("listen"))];
	const char *apis = strchr(listen->default_value, '=');
	char		value[128];
	AmValueError error;

	if (reading->config->mount_count > 0)
		return;
	(void) snprintf(value, sizeof(value), "%d%s", reading->config->port, apis);
	if (!am_value_listen(value, reading->config, &error))
		am_reading_error(reading, "port", error.hint, "%s", error.message);
}

/* ---- the whole ---- */

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
		am_reading_error(reading, "reconnect_min_ms", NULL,
						 "%d is more than reconnect_max_ms (%d)", config->reconnect_min_ms,
						 config->reconnect_max_ms);
	if (write->lock_timeout_ms >= write->statement_timeout_ms)
		am_reading_error(reading, "write_lock_timeout_ms",
						 "A blocked call must be told from a slow one.",
						 "%d is not less than write_statement_timeout_ms (%d)",
						 write->lock_timeout_ms, write->statement_timeout_ms);
	check_admin(reading);
}

/* 0 of slow_connections means one a processor. */
static void
resolve(AmConfig *config)
{
	AmLaneConfig *slow = &config->lane[AM_LANE_SLOW];
	long		processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (slow->connections == 0)
		slow->connections = processors < 1 ? 1 :
			processors > SLOW_CONNECTIONS_MAX ? SLOW_CONNECTIONS_MAX : (int) processors;
	slow->depth = 1;
	config->lane[AM_LANE_WRITE].connections = 1;
}

static void
build(AmConfigReading *reading)
{
	apply_defaults(reading);
	apply_source(reading, AM_SOURCE_FILE);
	apply_source(reading, AM_SOURCE_ENVIRONMENT);
	apply_source(reading, AM_SOURCE_COMMAND_LINE);
	if (reading->error_count == 0)
		apply_default_mount(reading);
	if (reading->error_count == 0)
		check_together(reading);
	resolve(reading->config);
}

/* Hands the remembered parts to config, or throws everything away. */
static bool
finish(AmConfigReading *reading)
{
	AmConfig   *config = reading->config;

	config->store = reading->store;
	config->file = reading->file;
	if (reading->error_count == 0)
		return true;
	if (reading->error_count > AM_CONFIG_ERRORS_MAX)
		am_text_printf(reading->output, "%s: and %d more errors\n", AM_PROGRAM_NAME,
					   reading->error_count - AM_CONFIG_ERRORS_MAX);
	am_config_free(config);
	return false;
}

/* Prepares an empty reading; false = out of memory. */
static bool
begin(AmConfigReading *reading, AmConfig *config, AmText *output)
{
	memset(reading, 0, sizeof(*reading));
	memset(config, 0, sizeof(*config));
	reading->config = config;
	reading->output = output;
	reading->store = calloc(1, sizeof(AmConfigStore));
	if (reading->store != NULL)
		return true;
	am_reading_error(reading, "configuration", NULL, "out of memory");
	return false;
}

/* Prints what an option asks for; false if none does. */
static bool
print_asked(const AmConfigReading *reading)
{
	static const struct
	{
		AmOptionId	option;
		void		(*print) (AmText *output);
	}			pages[] = {
		{AM_OPTION_HELP, am_manual_help},
		{AM_OPTION_VERSION, am_manual_version},
		{AM_OPTION_MAN, am_manual_man},
		{AM_OPTION_MARKDOWN, am_manual_markdown},
	};

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
	{
		if (reading->option[pages[i].option])
		{
			am_text_reset(reading->output);
			pages[i].print(reading->output);
			return true;
		}
	}
	return false;
}

AmConfigOutcome
am_config_load(AmConfig *config, int argc, char **argv, char **environment, AmText *output)
{
	AmConfigReading reading;
	bool		check;

	if (!begin(&reading, config, output))
		return AM_CONFIG_FAILED;
	am_read_command_line(&reading, argc, argv);
	if (print_asked(&reading))
	{
		reading.error_count = 1;	/* nothing is kept */
		(void) finish(&reading);
		return AM_CONFIG_PRINTED;
	}
	am_read_environment(&reading, environment);
	am_read_file(&reading);
	build(&reading);
	check = reading.option[AM_OPTION_CHECK];
	if (!finish(&reading))
		return AM_CONFIG_FAILED;
	return check ? AM_CONFIG_CHECKED : AM_CONFIG_RUN;
}

/* ---- reload ---- */

static bool
mounts_equal(const AmConfig *a, const AmConfig *b)
{
	if (a->mount_count != b->mount_count || a->listener_count != b->listener_count)
		return false;
	for (int i = 0; i < a->listener_count; i++)
	{
		if (a->listener[i].port != b->listener[i].port ||
			strcmp(a->listener[i].address, b->listener[i].address) != 0)
			return false;
	}
	for (int i = 0; i < a->mount_count; i++)
	{
		if (a->mount[i].listener != b->mount[i].listener ||
			strcmp(a->mount[i].api, b->mount[i].api) != 0 ||
			strcmp(a->mount[i].prefix, b->mount[i].prefix) != 0)
			return false;
	}
	return true;
}

static void
keep_mounts(const AmConfig *running, AmConfig *next)
{
	if (mounts_equal(running, next))
		return;
	am_config_warn(next, "a change of listen or mount needs a restart; the old mounts are kept");
	memcpy(next->listener, running->listener, sizeof(next->listener));
	memcpy(next->mount, running->mount, sizeof(next->mount));
	memcpy(next->api, running->api, sizeof(next->api));
	next->listener_count = running->listener_count;
	next->mount_count = running->mount_count;
	next->api_count = running->api_count;
}

/* Copies the running value over the new one; true if they differed. */
static bool
keep_value(const AmConfig *running, AmConfig *next, const AmSetting *setting)
{
	const void *old = field_of_const(running, setting);
	void	   *new = field_of(next, setting);

	if (setting->type == AM_SETTING_TEXT)
	{
		const char *old_text = *(char *const *) old;
		char	  **new_text = new;

		if (strcmp(old_text, *new_text) == 0)
			return false;
		return set_text(new_text, old_text);
	}
	if (setting->type == AM_SETTING_ENDPOINT)
	{
		const AmEndpoint *old_endpoint = old;
		AmEndpoint *new_endpoint = new;

		if (old_endpoint->port == new_endpoint->port &&
			strcmp(old_endpoint->address, new_endpoint->address) == 0)
			return false;
		*new_endpoint = *old_endpoint;
		return true;
	}
	if (*(const int *) old == *(int *) new)
		return false;
	*(int *) new = *(const int *) old;
	return true;
}

/* What a running shim cannot change keeps its value, with a warning. */
static void
keep_fixed(const AmConfig *running, AmConfig *next)
{
	for (int i = 0; i < am_setting_count; i++)
	{
		const AmSetting *setting = &am_settings[i];

		if ((setting->flags & AM_SETTING_RELOADABLE) != 0 || is_mounts(setting))
			continue;
		if (keep_value(running, next, setting))
			am_config_warn(next, "a change of %s needs a restart; the old value is kept",
						   setting->name);
	}
	keep_mounts(running, next);
}

bool
am_config_reload(const AmConfig *running, AmConfig *next, AmText *output)
{
	AmConfigReading reading;

	if (!begin(&reading, next, output))
		return false;
	if (running->file != NULL)
		reading.file = strdup(running->file);
	if (!am_store_copy_lasting(running->store, reading.store) ||
		(running->file != NULL && reading.file == NULL))
		am_reading_error(&reading, "configuration", NULL, "out of memory");
	else
	{
		am_read_file(&reading);
		build(&reading);
	}
	if (!finish(&reading))
		return false;
	keep_fixed(running, next);
	return true;
}

/* ---- the end ---- */

static void
free_text(char *text)
{
	if (text == NULL)
		return;
	explicit_bzero(text, strlen(text));
	free(text);
}

void
am_config_free(AmConfig *config)
{
	for (int i = 0; i < am_setting_count; i++)
	{
		if (am_settings[i].type == AM_SETTING_TEXT)
			free_text(*(char **) field_of(config, &am_settings[i]));
	}
	for (int i = 0; i < config->warning_count; i++)
		free(config->warning[i]);
	free(config->file);
	am_store_free(config->store);
	memset(config, 0, sizeof(*config));
}

static void
describe_endpoint(const AmEndpoint *endpoint, AmText *output)
{
	if (endpoint->port == 0)
		am_text_puts(output, "off");
	else
		am_text_printf(output, endpoint->ipv6 ? "[%s]:%d" : "%s:%d", endpoint->address,
					   endpoint->port);
}

static void
describe_value(const AmConfig *config, const AmSetting *setting, AmText *output)
{
	const void *field = field_of_const(config, setting);
	const char *text;

	switch (setting->type)
	{
		case AM_SETTING_INTEGER:
			am_text_printf(output, "%d", *(const int *) field);
			break;
		case AM_SETTING_LEVEL:
			am_text_puts(output, am_obs_level_name(*(const AmObsLevel *) field));
			break;
		case AM_SETTING_ENDPOINT:
			describe_endpoint(field, output);
			break;
		default:
			text = *(char *const *) field;
			am_text_puts(output, (setting->flags & AM_SETTING_SECRET) != 0 && *text != '\0' ?
						 "(hidden)" : text);
			break;
	}
}

void
am_config_describe(const AmConfig *config, AmText *output)
{
	for (int i = 0; i < am_setting_count; i++)
	{
		if (is_mounts(&am_settings[i]))
			continue;
		am_text_printf(output, "%s = ", am_settings[i].name);
		describe_value(config, &am_settings[i], output);
		am_text_putc(output, '\n');
	}
	for (int i = 0; i < config->mount_count; i++)
	{
		am_text_printf(output, "mount = %s ", config->mount[i].api);
		describe_endpoint(&config->listener[config->mount[i].listener], output);
		am_text_printf(output, " %s\n", config->mount[i].prefix);
	}
}
