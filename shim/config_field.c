/*-------------------------------------------------------------------------
 *
 * config_field.c
 *	  Members of AmConfig by their row of the table: reach, keep, print.
 *
 *-------------------------------------------------------------------------
 */
#include "config_field.h"

#include <stdlib.h>
#include <string.h>

#include "config_source.h"

void *
am_config_field(AmConfig *config, const AmSetting *setting)
{
	return (char *) config + setting->offset;
}

const void *
am_config_field_const(const AmConfig *config, const AmSetting *setting)
{
	return (const char *) config + setting->offset;
}

bool
am_setting_is_mounts(const AmSetting *setting)
{
	return setting->type == AM_SETTING_LISTEN || setting->type == AM_SETTING_MOUNT;
}

bool
am_config_set_text(char **field, const char *value)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return false;
	am_config_free_text(*field);
	*field = copy;
	return true;
}

void
am_config_free_text(char *text)
{
	if (text == NULL)
		return;
	explicit_bzero(text, strlen(text));
	free(text);
}

/* ---- keeping what cannot change ---- */

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
	const void *old = am_config_field_const(running, setting);
	void *new = am_config_field(next, setting);

	if (setting->type == AM_SETTING_TEXT)
	{
		const char *old_text = *(char *const *) old;
		char **new_text = new;

		if (strcmp(old_text, *new_text) == 0)
			return false;
		return am_config_set_text(new_text, old_text);
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

void
am_config_keep_fixed(const AmConfig *running, AmConfig *next)
{
	for (int i = 0; i < am_setting_count; i++)
	{
		const AmSetting *setting = &am_settings[i];

		if ((setting->flags & AM_SETTING_RELOADABLE) != 0 || am_setting_is_mounts(setting))
			continue;
		if (keep_value(running, next, setting))
			am_config_warn(next, "a change of %s needs a restart; the old value is kept",
						   setting->name);
	}
	keep_mounts(running, next);
}

/* ---- printing ---- */

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
	const void *field = am_config_field_const(config, setting);
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
			am_text_puts(output, (setting->flags & AM_SETTING_SECRET) != 0 && *text != '\0'
									 ? "(hidden)"
									 : text);
			break;
	}
}

void
am_config_describe(const AmConfig *config, AmText *output)
{
	for (int i = 0; i < am_setting_count; i++)
	{
		if (am_setting_is_mounts(&am_settings[i]))
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
