/*-------------------------------------------------------------------------
 *
 * manual_text.c
 *	  Pieces that the three forms of the manual share; see manual_text.h.
 *
 *-------------------------------------------------------------------------
 */
#include "manual_text.h"

#include <stdlib.h>

#define KILOBYTE 1024
#define MEGABYTE (1024 * 1024)

void
am_manual_default(const AmSetting *setting, AmText *output)
{
	long bytes;

	if (setting->default_value[0] == '\0')
	{
		am_text_puts(output, "none");
		return;
	}
	am_text_puts(output, setting->default_value);
	if (setting->unit == AM_UNIT_NONE)
		return;
	am_text_printf(output, " %s", am_unit_name(setting->unit));
	if (setting->unit != AM_UNIT_BYTES)
		return;
	bytes = strtol(setting->default_value, NULL, 10);
	if (bytes % MEGABYTE == 0)
		am_text_printf(output, " (%ldMB)", bytes / MEGABYTE);
	else if (bytes % KILOBYTE == 0)
		am_text_printf(output, " (%ldkB)", bytes / KILOBYTE);
}

void
am_manual_range(const AmSetting *setting, AmText *output)
{
	const char *unit = am_unit_name(setting->unit);

	if (setting->type != AM_SETTING_INTEGER)
		return;
	am_text_printf(output, "%d to %d%s%s", setting->minimum, setting->maximum,
				   *unit != '\0' ? " " : "", unit);
}

void
am_manual_paragraph(const AmSetting *setting, AmText *output)
{
	char variable[sizeof(AM_ENVIRONMENT_PREFIX) + AM_SETTING_NAME_BYTES_MAX];

	am_setting_environment(setting, variable, sizeof(variable));
	am_text_printf(output, "%s Variable: %s", setting->meaning, variable);
	if (setting->environment != NULL)
		am_text_printf(output, ", or else %s", setting->environment);
	if (setting->environment_also != NULL)
		am_text_printf(output, ", or else %s", setting->environment_also);
	am_text_puts(output, ".");
	if (setting->type == AM_SETTING_INTEGER)
	{
		am_text_puts(output, " Range: ");
		am_manual_range(setting, output);
		am_text_puts(output, ".");
	}
	if ((setting->flags & AM_SETTING_RELOADABLE) != 0)
		am_text_puts(output, " SIGHUP takes over a change.");
	am_text_puts(output, " Default: ");
	am_manual_default(setting, output);
	am_text_putc(output, '.');
}
