/*-------------------------------------------------------------------------
 *
 * config.c
 *	  The configuration of a program; see config.h.
 *
 * A load has three steps: the sources become assignments (config_source.c,
 * config_file.c), the assignments are applied in ascending order of precedence,
 * each checked and each overwriting what was there, and the program checks the
 * whole (am_config_complete).
 *
 *-------------------------------------------------------------------------
 */
#include "config.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "config_field.h"
#include "config_source.h"
#include "config_table.h"
#include "config_value.h"
#include "manual.h"

#define ORIGIN_BYTES 512

/* ---- one value ---- */

/* Parses a value into its member of config. */
static bool
apply_value(AmConfig *config, const AmSetting *setting, const char *value, AmValueError *error)
{
	switch (setting->type)
	{
		case AM_SETTING_INTEGER:
			return am_value_integer(setting, value, am_config_field(config, setting), error);
		case AM_SETTING_LEVEL:
			return am_value_level(value, am_config_field(config, setting), error);
		case AM_SETTING_LISTEN:
			return am_value_listen(value, config, error);
		case AM_SETTING_MOUNT:
			return am_value_mount(value, config, error);
		case AM_SETTING_ENDPOINT:
			if (strcmp(value, "off") == 0)
			{
				memset(am_config_field(config, setting), 0, sizeof(AmEndpoint));
				return true;
			}
			return am_value_endpoint(value, am_config_field(config, setting), error);
		case AM_SETTING_TEXT:
			break;
	}
	if (am_config_set_text(am_config_field(config, setting), value))
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
	char origin[ORIGIN_BYTES];
	char hint[64];

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
	bool mounts = false;

	for (int i = 0; i < store->count; i++)
	{
		if (store->item[i].source != source)
			continue;
		/* listen and mount add up within a source; a stronger source replaces both. */
		if (am_setting_is_mounts(&am_settings[store->item[i].setting]) && !mounts)
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

		if (!am_setting_is_mounts(setting) &&
			!apply_value(reading->config, setting, setting->default_value, &error))
			am_reading_error(reading, setting->name, error.hint, "%s", error.message);
	}
}

static void
build(AmConfigReading *reading)
{
	apply_defaults(reading);
	apply_source(reading, AM_SOURCE_FILE);
	apply_source(reading, AM_SOURCE_ENVIRONMENT);
	apply_source(reading, AM_SOURCE_COMMAND_LINE);
	am_config_complete(reading);
}

/* Hands the remembered parts to config, or throws everything away. */
static bool
finish(AmConfigReading *reading)
{
	AmConfig *config = reading->config;

	config->store = reading->store;
	config->file = reading->file;
	if (reading->error_count == 0)
		return true;
	if (reading->error_count > AM_CONFIG_ERRORS_MAX)
		am_text_printf(reading->output, "%s: and %d more errors\n", am_program.name,
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
		AmOptionId option;
		void (*print)(AmText *output);
	} pages[] = {
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

/* The answer to --check. */
static void
print_checked(const AmConfig *config, AmText *output)
{
	for (int i = 0; i < config->warning_count; i++)
		am_text_printf(output, "%s: warning: %s\n", am_program.name, config->warning[i]);
	am_text_printf(output, "%s: the configuration is valid\n", am_program.name);
}

AmConfigOutcome
am_config_load(AmConfig *config, int argc, char **argv, char **environment, AmText *output)
{
	AmConfigReading reading;
	bool check;

	if (!begin(&reading, config, output))
		return AM_CONFIG_FAILED;
	am_read_command_line(&reading, argc, argv);
	if (print_asked(&reading))
	{
		reading.error_count = 1; /* nothing is kept */
		(void) finish(&reading);
		return AM_CONFIG_PRINTED;
	}
	am_read_environment(&reading, environment);
	am_read_file(&reading);
	build(&reading);
	check = reading.option[AM_OPTION_CHECK];
	config->once = reading.option[AM_OPTION_ONCE];
	if (!finish(&reading))
		return AM_CONFIG_FAILED;
	if (!check)
		return AM_CONFIG_RUN;
	print_checked(config, output);
	return AM_CONFIG_CHECKED;
}

/* ---- reload ---- */

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
	am_config_keep_fixed(running, next);
	return true;
}

/* ---- the end ---- */

void
am_config_free(AmConfig *config)
{
	for (int i = 0; i < am_setting_count; i++)
	{
		if (am_settings[i].type == AM_SETTING_TEXT)
			am_config_free_text(*(char **) am_config_field(config, &am_settings[i]));
	}
	for (int i = 0; i < config->warning_count; i++)
		free(config->warning[i]);
	free(config->file);
	am_store_free(config->store);
	memset(config, 0, sizeof(*config));
}
