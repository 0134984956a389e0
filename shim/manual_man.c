/*-------------------------------------------------------------------------
 *
 * manual_man.c
 *	  The manual page of a program, macro package man(7).
 *
 * Fixed text is written in roff; text from the tables goes through roff_text(),
 * which protects it from being taken for requests or escapes.
 *
 *-------------------------------------------------------------------------
 */
#include "manual.h"

#include <string.h>

#include "config.h"
#include "config_table.h"
#include "manual_text.h"

#define PARAGRAPH_BYTES_MAX 8192

/* clang-format off */

static const char man_settings[] =
	".SH SETTINGS\n"
	"Every setting can be given as\n"
	".BI \\-\\- \"name value\"\n"
	"or\n"
	".BI \\-\\- name = value\n"
	"on the command line, as an environment variable, or as a line of the file. The command\n"
	"line comes first, then the environment, then the file, then the default. Numbers that are\n"
	"times may have the units ms, s, min and h; sizes B, kB, MB and GB.\n";

/* clang-format on */

/*
 * Appends text as one roff line: a backslash would start an escape, a dash would
 * become a hyphen that cannot be copied, and a leading dot or quote a request.
 */
static void
roff_text(AmText *output, const char *text)
{
	if (*text == '.' || *text == '\'')
		am_text_puts(output, "\\&");
	for (; *text != '\0'; text++)
	{
		switch (*text)
		{
			case '\\':
				am_text_puts(output, "\\e");
				break;
			case '-':
				am_text_puts(output, "\\-");
				break;
			case '\'':
				am_text_puts(output, "\\(aq");
				break;
			default:
				am_text_putc(output, *text);
				break;
		}
	}
}

/* "\fB--name\fR \fIPLACEHOLDER\fR" as the tag of a paragraph. */
static void
roff_tag(AmText *output, char letter, const char *name, const char *placeholder)
{
	am_text_puts(output, ".TP\n");
	if (letter != 0)
		am_text_printf(output, "\\fB\\-%c\\fR, ", letter);
	am_text_puts(output, "\\fB\\-\\-");
	roff_text(output, name);
	am_text_puts(output, "\\fR");
	if (placeholder != NULL)
	{
		am_text_puts(output, " \\fI");
		roff_text(output, placeholder);
		am_text_puts(output, "\\fR");
	}
	am_text_putc(output, '\n');
}

static void
roff_setting(AmText *output, const AmSetting *setting)
{
	AmText paragraph;

	am_text_init(&paragraph, PARAGRAPH_BYTES_MAX);
	am_manual_paragraph(setting, &paragraph);
	roff_tag(output, 0, setting->name, setting->placeholder);
	roff_text(output, am_text_string(&paragraph));
	am_text_putc(output, '\n');
	output->failed = output->failed || paragraph.failed;
	am_text_free(&paragraph);
}

void
am_manual_man(AmText *output)
{
	am_text_puts(output, am_program.man_start);
	for (int i = 0; i < am_option_count; i++)
	{
		roff_tag(output, am_options[i].letter, am_options[i].name, am_options[i].placeholder);
		roff_text(output, am_options[i].meaning);
		am_text_putc(output, '\n');
	}
	am_text_puts(output, man_settings);
	for (int section = 0; section < AM_SECTION_COUNT; section++)
	{
		if (!am_section_used((AmSettingSection) section))
			continue;
		am_text_puts(output, ".SS ");
		roff_text(output, am_section_title((AmSettingSection) section));
		am_text_putc(output, '\n');
		roff_text(output, am_section_text((AmSettingSection) section));
		am_text_putc(output, '\n');
		for (int i = 0; i < am_setting_count; i++)
		{
			if ((int) am_settings[i].section == section)
				roff_setting(output, &am_settings[i]);
		}
	}
	am_text_puts(output, am_program.man_end);
}
