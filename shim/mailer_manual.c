/*-------------------------------------------------------------------------
 *
 * mailer_manual.c
 *	  What the manual says about the mailer beside its tables.
 *
 *-------------------------------------------------------------------------
 */
#include "config.h"
#include "config_table.h"

#define NAME "authmeter-mailer"

/* clang-format off */

static const char man_start[] =
	".TH AUTHMETER\\-MAILER 1 \"\" \"authmeter " AM_SHIM_VERSION "\" \"authmeter\"\n"
	".SH NAME\n"
	"authmeter\\-mailer \\- send the mails that authmeter has queued\n"
	".SH SYNOPSIS\n"
	".B authmeter\\-mailer\n"
	".RI [ OPTION \" | \" SETTING ]...\n"
	".SH DESCRIPTION\n"
	"The extension authmeter writes its mails into an outbox, in the transaction that wants\n"
	"them. The mailer claims them there, hands them over to a mail server by SMTP, and records\n"
	"what became of them. Any number of mailers may run beside each other.\n"
	".PP\n"
	"A mail is sent again after a refusal for the time being, with growing pauses, until it\n"
	"expires. A mail that is refused for good, or that expired, is a dead letter: the SQL function\n"
	"authmeter.mail_dead_list() shows it. Server troubles (unreachable, no TLS, login refused)\n"
	"are nobody\\(aqs fault: mails stay queued, and sending pauses.\n"
	".PP\n"
	"A mail that the server has taken is recorded before anything else is sent. It is sent twice\n"
	"only if the mailer dies between the server\\(aqs answer and the database\\(aqs, if the database is\n"
	"away for longer than lease_ms, or if the server\\(aqs answer is lost on its way. Message\\-ID and\n"
	"all else stay the same then.\n"
	".SH OPTIONS\n";

static const char man_end[] =
	".SH FILE FORMAT\n"
	"One setting a line:\n"
	".PP\n"
	".nf\n"
	"# a comment\n"
	"database = host=/run/postgresql dbname=app user=authmeter_mailer\n"
	"smtp_host = smtp.example.com\n"
	"smtp_user = app\n"
	"smtp_pass_file = /etc/authmeter/smtp.password\n"
	"mail_from = Example <noreply@example.com>\n"
	".fi\n"
	".PP\n"
	"A value ends at the line\\(aqs end or at a blank followed by #. In single or double quotes\n"
	"everything is literal; the quote itself is written twice. A setting may be given once.\n"
	".SH ENVIRONMENT\n"
	".TP\n"
	".BI AUTHMETER_ NAME\n"
	"Each setting, its name in upper case.\n"
	".TP\n"
	".B AUTHMETER_CONFIG\n"
	"The configuration file, if \\-\\-config is not given.\n"
	".TP\n"
	".BR DATABASE_URL \", \" SMTP_* \", \" MAIL_*\n"
	"Second names of settings.\n"
	".TP\n"
	".BI PG *\n"
	"The variables of libpq; they fill in what the setting database leaves out.\n"
	".SH SIGNALS\n"
	".TP\n"
	".B SIGTERM, SIGINT\n"
	"Finish the mail on its way, record it, give the others back, and stop. A second one stops\n"
	"at once.\n"
	".TP\n"
	".B SIGHUP\n"
	"Read the file again, and open the log file anew. A broken file leaves everything as it was and\n"
	"says why in the log.\n"
	".SH EXIT STATUS\n"
	".TP\n"
	".B 0\n"
	"Stopped on request, everything due was tried (\\-\\-once), or what was asked for was printed.\n"
	".TP\n"
	".B 1\n"
	"The start failed; or database or mail server did not let it try everything (\\-\\-once); or a\n"
	"mail that was handed over could not be recorded. The log says which.\n"
	".TP\n"
	".B 2\n"
	"The configuration is invalid.\n"
	".SH EXAMPLES\n"
	"Mails into a folder, for development:\n"
	".PP\n"
	".nf\n"
	"authmeter\\-mailer \\-\\-database dbname=app \\-\\-mail_folder mails\n"
	".fi\n"
	".SH SEE ALSO\n"
	".BR authmeter\\-shim (1),\n"
	"the PostgreSQL documentation about connection strings and environment variables.\n";

/* clang-format on */

const AmProgram am_program = {
	.name = NAME,
	.help = "Usage: " NAME " [OPTION | SETTING]...\n"
			"Send the mails that authmeter has queued in a PostgreSQL database.\n",
	.markdown = "# Settings of authmeter-mailer\n"
				"\n"
				"This page is made by `authmeter-mailer --settings-markdown`; do not edit it. "
				"[mail.md](mail.md) tells how mail works.\n"
				"\n"
				"A setting is given on the command line (`--name value`), in the environment, or "
				"in the file named by `--config` (`name = value`, comments with `#`). The command "
				"line comes first, then the environment, then the file, then the default. "
				"Settings marked SIGHUP take over a changed file while the mailer runs.\n",
	.man_start = man_start,
	.man_end = man_end,
};
