/*-------------------------------------------------------------------------
 *
 * manual_shim.c
 *	  What the manual says about the shim beside its tables.
 *
 *-------------------------------------------------------------------------
 */
#include "config.h"
#include "config_table.h"

#define NAME "authmeter-shim"

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
	"What an API was deployed with, for example VSPLUGIN_JWT_SECRET or JOBPSYCH_CORS_ORIGINS: at the\n"
	"start secrets are imported into the key ring of the database, others become settings that have\n"
	"no value yet. The bare name (JWT_SECRET) works only while exactly one API is mounted.\n"
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

const AmProgram am_program = {
	.name = NAME,
	.help = "Usage: " NAME " [OPTION | SETTING]...\n"
			"Serve the REST APIs of authmeter from a PostgreSQL database.\n",
	.markdown = "# Settings of authmeter-shim\n"
				"\n"
				"This page is made by `authmeter-shim --settings-markdown`; do not edit it.\n"
				"\n"
				"A setting is given on the command line (`--name value`), in the environment, or "
				"in the file named by `--config` (`name = value`, comments with `#`). The command "
				"line comes first, then the environment, then the file, then the default. "
				"Settings marked SIGHUP take over a changed file while the shim runs.\n",
	.man_start = man_start,
	.man_end = man_end,
};
