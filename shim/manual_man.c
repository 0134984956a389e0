/*-------------------------------------------------------------------------
 *
 * manual_man.c
 *	  The manual page authmeter-shim(1), macro package man(7).
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

static const char man_start[] =
	".TH AUTHMETER\\-SHIM 1 \"\" \"authmeter " AM_SHIM_VERSION "\" \"authmeter\"\n"
	".SH NAME\n"
	"authmeter\\-shim \\- serve the REST APIs of authmeter from a PostgreSQL database\n"
	".SH SYNOPSIS\n"
	".B authmeter\\-shim\n"
	".RI [ OPTION \" | \" SETTING ]...\n"
	".SH DESCRIPTION\n"
	"The shim turns each REST request into one call of one function of the extension\n"
	"authmeter. It holds no state of its own: routes, answers, limits of the APIs and\n"
	"policies come from the database and are reloaded when they change.\n"
	".PP\n"
	"Calls travel in lanes: fast (reads and token verification), write (metering and money,\n"
	"whose calls share commits) and slow (password hashing). Each lane has its own database\n"
	"connections, a bounded queue and a deadline; what does not fit is answered with 503 and\n"
	"Retry\\-After.\n"
	".PP\n"
	"There is no TLS. Serve other machines through a proxy that speaks HTTP strictly.\n"
	".SH OPTIONS\n";

static const char man_settings[] =
	".SH SETTINGS\n"
	"Every setting can be given as\n"
	".BI \\-\\- \"name value\"\n"
	"or\n"
	".BI \\-\\- name = value\n"
	"on the command line, as an environment variable, or as a line of the file. The command\n"
	"line comes first, then the environment, then the file, then the default. Numbers that are\n"
	"times may have the units ms, s, min and h; sizes B, kB, MB and GB.\n";

static const char man_end[] =
	".SH FILE FORMAT\n"
	"One setting a line:\n"
	".PP\n"
	".nf\n"
	"# a comment\n"
	"database = host=/run/postgresql dbname=app user=authmeter_shim\n"
	"listen = 0.0.0.0:3000=vsplugin\n"
	"log_level = info\t# a comment\n"
	".fi\n"
	".PP\n"
	"A value ends at the line\\(aqs end or at a blank followed by #. In single or double quotes\n"
	"everything is literal; the quote itself is written twice. A setting that is not repeatable\n"
	"may be given once.\n"
	".SH ENVIRONMENT\n"
	".TP\n"
	".BI AUTHMETER_ NAME\n"
	"Each setting, its name in upper case. Empty variables count as not set.\n"
	".TP\n"
	".B AUTHMETER_CONFIG\n"
	"The configuration file, if \\-\\-config is not given.\n"
	".TP\n"
	".BR DATABASE_URL \", \" LISTEN \", \" PORT\n"
	"Second names of the settings database, listen and port.\n"
	".TP\n"
	".BI PG *\n"
	"The variables of libpq; they fill in what the setting database leaves out.\n"
	".TP\n"
	".IB API _ NAME\n"
	"Secrets of a deployment, for example VSPLUGIN_JWT_SECRET, imported into the key ring of the\n"
	"database at start. The bare name (JWT_SECRET) works only while exactly one API is mounted.\n"
	"They are wiped from the environment of the process.\n"
	".TP\n"
	".BR REDIS_* \", \" MONGODB_URI \", \" MONGO_URI\n"
	"Accepted and ignored. NODE_ENV is never read; the environment (production or development) is\n"
	"a setting in the database.\n"
	".SH SIGNALS\n"
	".TP\n"
	".B SIGTERM, SIGINT\n"
	"Drain: /ready turns to 503, no new connections, requests in flight are finished within\n"
	"drain_timeout_ms, then stop. A second one stops at once.\n"
	".TP\n"
	".B SIGHUP\n"
	"Read the file and the tables of the database again, and open the log file anew. A broken\n"
	"file leaves everything as it was and says why in the log.\n"
	".SH EXIT STATUS\n"
	".TP\n"
	".B 0\n"
	"Stopped on request, or the option that was asked for was printed.\n"
	".TP\n"
	".B 1\n"
	"The start or the service failed; the log says why.\n"
	".TP\n"
	".B 2\n"
	"The configuration is invalid.\n"
	".TP\n"
	".B 3\n"
	"The database did not answer, or has no authmeter, within database_start_wait_ms.\n"
	".TP\n"
	".B 4\n"
	"The database refused the start: a check failed, a secret was refused, or two APIs collide.\n"
	".TP\n"
	".B 5\n"
	"An address could not be bound.\n"
	".SH EXAMPLES\n"
	"Serve one API on the loopback:\n"
	".PP\n"
	".nf\n"
	"authmeter\\-shim \\-\\-database dbname=app \\-\\-listen 3000=vsplugin\n"
	".fi\n"
	".PP\n"
	"Check a file before a reload:\n"
	".PP\n"
	".nf\n"
	"authmeter\\-shim \\-\\-config /etc/authmeter/shim.conf \\-\\-check\n"
	".fi\n"
	".SH SEE ALSO\n"
	".BR psql (1),\n"
	"the PostgreSQL documentation about connection strings and environment variables.\n";

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
	am_text_puts(output, man_start);
	for (int i = 0; i < AM_OPTION_COUNT; i++)
	{
		roff_tag(output, am_options[i].letter, am_options[i].name, am_options[i].placeholder);
		roff_text(output, am_options[i].meaning);
		am_text_putc(output, '\n');
	}
	am_text_puts(output, man_settings);
	for (int section = 0; section < AM_SECTION_COUNT; section++)
	{
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
	am_text_puts(output, man_end);
}
