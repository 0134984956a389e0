/*-------------------------------------------------------------------------
 *
 * config_source.c
 *	  Command line and environment, and the store of assignments.
 *
 * The reader of the file is config_file.c.
 *
 *-------------------------------------------------------------------------
 */
#include "config_source.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longest piece of a misspelt name that a message quotes. */
#define QUOTED_BYTES_MAX 60

#define VARIABLE_BYTES (sizeof(AM_ENVIRONMENT_PREFIX) + AM_SETTING_NAME_BYTES_MAX)

static const char config_variable[] = AM_ENVIRONMENT_PREFIX "CONFIG";

/* ---- messages ---- */

void
am_reading_error(AmConfigReading *reading, const char *origin, const char *hint, const char *format,
				 ...)
{
	va_list arguments;

	reading->error_count++;
	if (reading->error_count > AM_CONFIG_ERRORS_MAX)
		return;
	am_text_printf(reading->output, "%s: %s: ", am_program.name, origin);
	va_start(arguments, format);
	am_text_vprintf(reading->output, format, arguments);
	va_end(arguments);
	am_text_putc(reading->output, '\n');
	if (hint != NULL && *hint != '\0')
		am_text_printf(reading->output, "%s: hint: %s\n", am_program.name, hint);
}

void
am_config_warn(AmConfig *config, const char *format, ...)
{
	va_list arguments;
	char *text = NULL;
	int length;

	if (config->warning_count >= AM_CONFIG_WARNINGS_MAX)
		return;
	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length >= 0)
		config->warning[config->warning_count++] = text;
}

void
am_assignment_origin(const AmConfigReading *reading, const AmAssignment *assignment, char *origin,
					 size_t origin_bytes)
{
	const AmSetting *setting = &am_settings[assignment->setting];

	switch (assignment->source)
	{
		case AM_SOURCE_COMMAND_LINE:
			(void) snprintf(origin, origin_bytes, "--%s", setting->name);
			break;
		case AM_SOURCE_ENVIRONMENT:
			if (assignment->variable != NULL)
				(void) snprintf(origin, origin_bytes, "%s", assignment->variable);
			else
				am_setting_environment(setting, origin, origin_bytes);
			break;
		case AM_SOURCE_FILE:
			(void) snprintf(origin, origin_bytes, "%s:%d: %s", reading->file, assignment->line,
							setting->name);
			break;
		case AM_SOURCE_DEFAULT:
			(void) snprintf(origin, origin_bytes, "default of %s", setting->name);
			break;
	}
}

/* ---- the store ---- */

static bool
has_control(const char *value)
{
	for (const char *c = value; *c != '\0'; c++)
	{
		if (iscntrl((unsigned char) *c) && *c != '\t')
			return true;
	}
	return false;
}

void
am_store_add(AmConfigReading *reading, const AmAssignment *assignment)
{
	AmConfigStore *store = reading->store;
	char origin[512];
	char *value;

	am_assignment_origin(reading, assignment, origin, sizeof(origin));
	if (has_control(assignment->value))
	{
		am_reading_error(reading, origin, NULL, "the value holds a control character");
		return;
	}
	if (store->count >= AM_ASSIGNMENTS_MAX)
	{
		am_reading_error(reading, origin, NULL, "there are more than %d settings",
						 AM_ASSIGNMENTS_MAX);
		return;
	}
	value = strdup(assignment->value);
	if (value == NULL)
	{
		am_reading_error(reading, origin, NULL, "out of memory");
		return;
	}
	store->item[store->count] = *assignment;
	store->item[store->count].value = value;
	store->count++;
}

bool
am_store_copy_lasting(const AmConfigStore *from, AmConfigStore *to)
{
	for (int i = 0; i < from->count; i++)
	{
		if (from->item[i].source == AM_SOURCE_FILE)
			continue;
		to->item[to->count] = from->item[i];
		to->item[to->count].value = strdup(from->item[i].value);
		if (to->item[to->count].value == NULL)
			return false;
		to->count++;
	}
	return true;
}

void
am_store_free(AmConfigStore *store)
{
	if (store == NULL)
		return;
	for (int i = 0; i < store->count; i++)
	{
		explicit_bzero(store->item[i].value, strlen(store->item[i].value));
		free(store->item[i].value);
	}
	free(store);
}

/* ---- command line ---- */

/* Position in the argument vector. */
typedef struct Arguments
{
	int count;
	int next;
	char **vector;
} Arguments;

static int
option_find(const char *name, size_t length)
{
	for (int i = 0; i < am_option_count; i++)
	{
		if (strlen(am_options[i].name) == length && strncmp(am_options[i].name, name, length) == 0)
			return i;
	}
	return -1;
}

static int
option_by_letter(char letter)
{
	for (int i = 0; i < am_option_count; i++)
	{
		if (letter != 0 && am_options[i].letter == letter)
			return i;
	}
	return -1;
}

/* The value after '=' or in the next argument; NULL after an error. */
static char *
option_value(AmConfigReading *reading, Arguments *arguments, const char *argument, char *attached)
{
	if (attached != NULL)
		return attached;
	if (arguments->next < arguments->count)
		return arguments->vector[arguments->next++];
	am_reading_error(reading, argument, NULL, "the option needs a value");
	return NULL;
}

static void
option_take(AmConfigReading *reading, Arguments *arguments, int option, const char *argument,
			char *attached)
{
	char *value;

	reading->option[option] = true;
	if (am_options[option].placeholder == NULL)
	{
		if (attached != NULL)
			am_reading_error(reading, argument, NULL, "the option takes no value");
		return;
	}
	value = option_value(reading, arguments, argument, attached);
	if (value == NULL)
		return;
	free(reading->file);
	reading->file = strdup(value);
	if (reading->file == NULL)
		am_reading_error(reading, argument, NULL, "out of memory");
}

static void
setting_take(AmConfigReading *reading, Arguments *arguments, int setting, const char *argument,
			 char *attached)
{
	AmAssignment assignment = {.setting = setting, .source = AM_SOURCE_COMMAND_LINE};

	assignment.value = option_value(reading, arguments, argument, attached);
	if (assignment.value == NULL)
		return;
	am_store_add(reading, &assignment);
	/* Arguments are readable by every user of the machine. */
	if ((am_settings[setting].flags & AM_SETTING_SECRET) != 0)
		memset(assignment.value, '*', strlen(assignment.value));
}

static void
long_option_take(AmConfigReading *reading, Arguments *arguments, char *argument)
{
	const char *name = argument + 2;
	char *attached = strchr(name, '=');
	size_t length = attached != NULL ? (size_t) (attached - name) : strlen(name);
	int option = option_find(name, length);
	int setting = am_setting_find(name, length);
	char hint[128] = "Try --help.";
	char origin[QUOTED_BYTES_MAX + 3];
	const char *nearest;

	if (attached != NULL)
		attached++;
	/* The origin names the option alone: what follows '=' may be a secret. */
	(void) snprintf(origin, sizeof(origin), "--%.*s",
					length > QUOTED_BYTES_MAX ? QUOTED_BYTES_MAX : (int) length, name);
	if (option >= 0)
		option_take(reading, arguments, option, origin, attached);
	else if (setting >= 0)
		setting_take(reading, arguments, setting, origin, attached);
	else
	{
		nearest = am_setting_nearest(name, length, true);
		if (nearest != NULL)
			(void) snprintf(hint, sizeof(hint), "Perhaps you meant --%s.", nearest);
		am_reading_error(reading, origin, hint, "there is no such option");
	}
}

void
am_read_command_line(AmConfigReading *reading, int argc, char **argv)
{
	Arguments arguments = {.count = argc, .next = 1, .vector = argv};

	while (arguments.next < arguments.count)
	{
		char *argument = argv[arguments.next++];
		int option;

		if (strncmp(argument, "--", 2) == 0)
		{
			long_option_take(reading, &arguments, argument);
			continue;
		}
		option = argument[0] == '-' && strlen(argument) == 2 ? option_by_letter(argument[1]) : -1;
		if (option >= 0)
			option_take(reading, &arguments, option, argument, NULL);
		else
			/* Not quoted: it may be the secret value of a misspelt option. */
			am_reading_error(reading, "command line", "Try --help.", "argument %d is not an option",
							 arguments.next - 1);
	}
}

/* ---- environment ---- */

/* Value of a variable, NULL if it is not set or empty. */
static char *
variable_value(char **environment, const char *name)
{
	size_t length = strlen(name);

	for (char **entry = environment; *entry != NULL; entry++)
	{
		if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
			return (*entry)[length + 1] != '\0' ? *entry + length + 1 : NULL;
	}
	return NULL;
}

/* Warns about AUTHMETER_ variables that name no setting: they are misspelt. */
static void
variable_check(AmConfigReading *reading, const char *entry)
{
	const char *name = entry + strlen(AM_ENVIRONMENT_PREFIX);
	const char *end = strchr(entry, '=');
	char lower[VARIABLE_BYTES];
	char variable[VARIABLE_BYTES];
	const char *nearest;
	size_t length;

	if (end == NULL || end < name || end[1] == '\0')
		return;
	length = (size_t) (end - name);
	if (length >= sizeof(lower))
		length = sizeof(lower) - 1;
	for (size_t i = 0; i < length; i++)
		lower[i] = (char) tolower((unsigned char) name[i]);
	lower[length] = '\0';
	if (strcmp(lower, "config") == 0 || am_setting_find(lower, length) >= 0)
		return;
	nearest = am_setting_nearest(lower, length, false);
	if (nearest == NULL)
	{
		am_config_warn(reading->config, "environment variable %.*s names no setting",
					   (int) (end - entry > QUOTED_BYTES_MAX ? QUOTED_BYTES_MAX : end - entry),
					   entry);
		return;
	}
	am_setting_environment(&am_settings[am_setting_find(nearest, strlen(nearest))], variable,
						   sizeof(variable));
	am_config_warn(reading->config,
				   "environment variable %s%.*s names no setting; perhaps %s was meant",
				   AM_ENVIRONMENT_PREFIX, (int) length, name, variable);
}

static void
setting_read_environment(AmConfigReading *reading, int setting, char **environment)
{
	const AmSetting *row = &am_settings[setting];
	const char *const others[] = {row->environment, row->environment_also};
	AmAssignment assignment = {.setting = setting, .source = AM_SOURCE_ENVIRONMENT};
	char name[VARIABLE_BYTES];

	am_setting_environment(row, name, sizeof(name));
	assignment.value = variable_value(environment, name);
	for (int i = 0; i < 2 && assignment.value == NULL && others[i] != NULL; i++)
	{
		assignment.variable = others[i];
		assignment.value = variable_value(environment, others[i]);
	}
	if (assignment.value != NULL)
		am_store_add(reading, &assignment);
}

void
am_read_environment(AmConfigReading *reading, char **environment)
{
	const char *file = variable_value(environment, config_variable);

	for (int setting = 0; setting < am_setting_count; setting++)
		setting_read_environment(reading, setting, environment);
	for (char **entry = environment; *entry != NULL; entry++)
	{
		if (strncmp(*entry, AM_ENVIRONMENT_PREFIX, strlen(AM_ENVIRONMENT_PREFIX)) == 0)
			variable_check(reading, *entry);
	}
	if (file == NULL || reading->file != NULL)
		return;
	reading->file = strdup(file);
	if (reading->file == NULL)
		am_reading_error(reading, config_variable, NULL, "out of memory");
}
