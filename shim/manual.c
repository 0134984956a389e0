/*-------------------------------------------------------------------------
 *
 * manual.c
 *	  --help, --version and --settings-markdown; the man page is manual_man.c.
 *
 *-------------------------------------------------------------------------
 */
#include "manual.h"

#include <string.h>

#include "config.h"
#include "config_table.h"
#include "manual_text.h"

#define HELP_COLUMNS 80
#define HELP_INDENT  8

/* Ceiling of one paragraph. */
#define PARAGRAPH_BYTES_MAX 8192

void
am_manual_version(AmText *output)
{
	am_text_printf(output, "%s %s\n", am_program.name, AM_SHIM_VERSION);
}

/* ---- help ---- */

/* Appends words of a paragraph in lines of HELP_COLUMNS, indented. */
static void
wrap(AmText *output, const char *paragraph)
{
	size_t column = 0;

	while (*paragraph != '\0')
	{
		size_t word = strcspn(paragraph, " ");

		if (column > 0 && column + 1 + word > HELP_COLUMNS)
		{
			am_text_putc(output, '\n');
			column = 0;
		}
		if (column == 0)
		{
			am_text_printf(output, "%*s", HELP_INDENT, "");
			column = HELP_INDENT;
		}
		else
		{
			am_text_putc(output, ' ');
			column++;
		}
		am_text_add(output, paragraph, word);
		column += word;
		paragraph += word;
		paragraph += strspn(paragraph, " ");
	}
	am_text_putc(output, '\n');
}

static void
help_options(AmText *output)
{
	am_text_puts(output, "\nOptions:\n");
	for (int i = 0; i < am_option_count; i++)
	{
		const AmOption *option = &am_options[i];

		if (option->letter != 0)
			am_text_printf(output, "  -%c, --%s", option->letter, option->name);
		else
			am_text_printf(output, "  --%s", option->name);
		am_text_printf(output, "%s%s\n", option->placeholder != NULL ? " " : "",
					   option->placeholder != NULL ? option->placeholder : "");
		wrap(output, option->meaning);
	}
}

static void
help_setting(AmText *output, const AmSetting *setting)
{
	AmText paragraph;

	am_text_init(&paragraph, PARAGRAPH_BYTES_MAX);
	am_manual_paragraph(setting, &paragraph);
	am_text_printf(output, "  --%s %s\n", setting->name, setting->placeholder);
	wrap(output, am_text_string(&paragraph));
	output->failed = output->failed || paragraph.failed;
	am_text_free(&paragraph);
}

void
am_manual_help(AmText *output)
{
	am_text_puts(output, am_program.help);
	am_text_puts(output,
				 "\n"
				 "Every setting can be given as --name VALUE, as an environment variable, or as\n"
				 "\"name = VALUE\" in the file named by --config. The command line comes first,\n"
				 "then the environment, then the file, then the default.\n");
	help_options(output);
	for (int section = 0; section < AM_SECTION_COUNT; section++)
	{
		if (!am_section_used((AmSettingSection) section))
			continue;
		am_text_printf(output, "\n%s:\n", am_section_title((AmSettingSection) section));
		for (int i = 0; i < am_setting_count; i++)
		{
			if ((int) am_settings[i].section == section)
				help_setting(output, &am_settings[i]);
		}
	}
}

/* ---- markdown ---- */

/* A table cell: the bar would end it, angle brackets would be markup. */
static void
cell(AmText *output, const char *text)
{
	for (; *text != '\0'; text++)
	{
		if (*text == '|')
			am_text_putc(output, '\\');
		if (*text == '<')
			am_text_puts(output, "&lt;");
		else
			am_text_putc(output, *text);
	}
}

static void
markdown_setting(AmText *output, const AmSetting *setting)
{
	char variable[sizeof(AM_ENVIRONMENT_PREFIX) + AM_SETTING_NAME_BYTES_MAX];

	am_setting_environment(setting, variable, sizeof(variable));
	am_text_printf(output, "| `%s` | `%s`", setting->name, variable);
	if (setting->environment != NULL)
		am_text_printf(output, ", `%s`", setting->environment);
	if (setting->environment_also != NULL)
		am_text_printf(output, ", `%s`", setting->environment_also);
	am_text_puts(output, " | ");
	am_manual_default(setting, output);
	am_text_puts(output, " | ");
	if (setting->type == AM_SETTING_INTEGER)
		am_manual_range(setting, output);
	else
	{
		am_text_putc(output, '`');
		cell(output, setting->placeholder);
		am_text_putc(output, '`');
	}
	am_text_printf(output, " | %s | ",
				   (setting->flags & AM_SETTING_RELOADABLE) != 0 ? "SIGHUP" : "restart");
	cell(output, setting->meaning);
	am_text_puts(output, " |\n");
}

void
am_manual_markdown(AmText *output)
{
	am_text_puts(output, am_program.markdown);
	for (int section = 0; section < AM_SECTION_COUNT; section++)
	{
		if (!am_section_used((AmSettingSection) section))
			continue;
		am_text_printf(output, "\n## %s\n\n%s\n\n", am_section_title((AmSettingSection) section),
					   am_section_text((AmSettingSection) section));
		am_text_puts(output, "| Setting | Environment | Default | Range or form | Change | Meaning "
							 "|\n|---|---|---|---|---|---|\n");
		for (int i = 0; i < am_setting_count; i++)
		{
			if ((int) am_settings[i].section == section)
				markdown_setting(output, &am_settings[i]);
		}
	}
}
