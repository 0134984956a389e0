/*-------------------------------------------------------------------------
 *
 * mailer_table.c
 *	  The settings of the mailer, each written once; see config_table.c.
 *
 *-------------------------------------------------------------------------
 */
#include "config.h"
#include "config_table.h"

/* clang-format off */

#define ROW(setting, kind, part, where, value, how) \
	.name = (setting), .type = AM_SETTING_##kind, .section = AM_SECTION_##part, .flags = (how), \
	.offset = offsetof(AmConfig, where), .default_value = (value)

#define NUMBER(setting, part, where, value, low, high, in, how, text) \
	{ \
		ROW(setting, INTEGER, part, where, value, how), .unit = AM_UNIT_##in, \
		.minimum = (low), .maximum = (high), .placeholder = "N", .meaning = (text) \
	}

#define WORDS(setting, part, member, value, how, second, form, text) \
	{ \
		ROW(setting, TEXT, part, mailer.member, value, how), \
		.environment = (second), .placeholder = (form), .meaning = (text) \
	}

#define RELOAD AM_SETTING_RELOADABLE
#define SECRET (AM_SETTING_RELOADABLE | AM_SETTING_SECRET)
#define MINUTE_MS 60000
#define HOUR_MS 3600000

const AmSetting am_settings[] = {
	{
		ROW("database", TEXT, DATABASE, database, "", AM_SETTING_SECRET),
		.environment = "DATABASE_URL",
		.placeholder = "CONNINFO",
		.meaning = "Where the database is: a libpq connection string "
		"(host=/run/postgresql dbname=app user=authmeter_mailer) or a URL "
		"(postgresql://user@host/app). Parameters left out are taken from libpq's variables "
		"(PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD, PGPASSFILE, PGSERVICE, PGSSLMODE and so "
		"on). The role needs grant_access 'mailer' and nothing else.",
	},
	NUMBER("connect_timeout_ms", DATABASE, connect_timeout_ms, "5000", 100, 300000, MS, RELOAD,
		"How long one attempt to connect to the database may take."),
	NUMBER("database_timeout_ms", DATABASE, mailer.database_timeout_ms, "30000",
		1000, 10 * MINUTE_MS, MS, RELOAD,
		"How long one call of the database may take; past it the connection is given up."),
	NUMBER("reconnect_min_ms", DATABASE, reconnect_min_ms, "100", 10, 60000, MS, RELOAD,
		"Pause before the first attempt to connect again after a loss; it doubles, with jitter, "
		"up to reconnect_max_ms."),
	NUMBER("reconnect_max_ms", DATABASE, reconnect_max_ms, "5000", 10, HOUR_MS, MS, RELOAD,
		"Longest pause between two attempts to connect."),

	WORDS("smtp_host", SMTP, smtp_host, "", RELOAD, "SMTP_HOST", "HOST",
		"The mail server that takes the mails and delivers them: a name, or a numeric address. "
		"Without it mails are written to mail_folder."),
	{
		ROW("smtp_port", INTEGER, SMTP, mailer.smtp_port, "0", RELOAD),
		.maximum = 65535,
		.environment = "SMTP_PORT",
		.placeholder = "N",
		.meaning = "Its port. 0 stands for the usual one: 465 with smtp_security tls, 587 with starttls, "
		"25 with none.",
	},
	WORDS("smtp_security", SMTP, smtp_security, "auto", RELOAD, "SMTP_SECURITY",
		"auto|starttls|tls|none",
		"starttls: the connection must change to TLS before anything is said, or no mail is sent; "
		"tls: TLS from the first byte; none: clear text, for a server on the same machine. auto is "
		"tls on port 465, else starttls. With TLS the server's certificate must be valid for "
		"smtp_host."),
	WORDS("smtp_user", SMTP, smtp_user, "", RELOAD, "SMTP_USER", "NAME",
		"Who logs in to the mail server; without it nobody does. Needs TLS, unless smtp_host is "
		"this machine."),
	WORDS("smtp_pass", SMTP, smtp_pass, "", SECRET, "SMTP_PASS", "PASSWORD",
		"The password of smtp_user. Prefer smtp_pass_file."),
	WORDS("smtp_pass_file", SMTP, smtp_pass_file, "", RELOAD, "SMTP_PASS_FILE", "PATH",
		"A file with the password of smtp_user in its first line. It is read whenever the mailer "
		"begins to talk to the server anew."),
	WORDS("smtp_ca_file", SMTP, smtp_ca_file, "", RELOAD, "SMTP_CA_FILE", "PATH",
		"Certificates (PEM) of the authorities that may vouch for the server, in place of the "
		"system's."),
	WORDS("smtp_name", SMTP, smtp_name, "", RELOAD, NULL, "NAME",
		"The name this machine gives itself in EHLO. Without it, its host name."),
	NUMBER("smtp_connect_timeout_ms", SMTP, mailer.smtp_connect_timeout_ms, "10000",
		100, 5 * MINUTE_MS, MS, RELOAD,
		"Time to connect to the mail server, TLS included."),
	NUMBER("smtp_timeout_ms", SMTP, mailer.smtp_timeout_ms, "60000", 100, 30 * MINUTE_MS, MS, RELOAD,
		"Time for one mail, from connecting to the server's last answer. A server that takes "
		"longer may have taken the mail all the same, and gets it again: do not choose it short."),
	NUMBER("smtp_pause_min_ms", SMTP, mailer.smtp_pause_min_ms, "1000", 10, HOUR_MS, MS, RELOAD,
		"Pause after the mail server could not be reached, cut the connection or refused everything; "
		"it doubles, with jitter, up to smtp_pause_max_ms until a mail is taken again."),
	NUMBER("smtp_pause_max_ms", SMTP, mailer.smtp_pause_max_ms, "60000", 10, HOUR_MS, MS, RELOAD,
		"Longest of these pauses."),
	WORDS("mail_folder", SMTP, mail_folder, "", RELOAD, "MAIL_FOLDER", "PATH",
		"For development: each mail becomes a file <id>.eml in this directory, which is made if need "
		"be, and its path is logged. Counts only without smtp_host."),

	WORDS("mail_from", MAIL, mail_from, "", RELOAD, "MAIL_FROM", "[NAME] ADDRESS",
		"The sender of every mail: an address, or a name and an address in angle brackets, such as "
		"Example <noreply@example.com>. The mail server must accept it."),
	WORDS("mail_reply_to", MAIL, mail_reply_to, "", RELOAD, "MAIL_REPLY_TO", "[NAME] ADDRESS",
		"Where answers go, if not to mail_from."),
	WORDS("mail_domain", MAIL, mail_domain, "", RELOAD, "MAIL_DOMAIN", "DOMAIN",
		"The domain in Message-ID. Without it, that of mail_from."),
	NUMBER("batch", MAIL, mailer.batch, "10", 1, 100, NONE, RELOAD,
		"Mails claimed at once. They are sent one after the other; for more at a time run more "
		"mailers."),
	NUMBER("lease_ms", MAIL, mailer.lease_ms, "180000", 1000, HOUR_MS, MS, RELOAD,
		"How long a claim holds: if the mailer dies, its mails are due again after that. Must be 10 "
		"seconds longer than smtp_timeout_ms; a mail is begun only while its claim covers that."),
	NUMBER("poll_ms", MAIL, mailer.poll_ms, "2000", 10, 10 * MINUTE_MS, MS, RELOAD,
		"How often to look for due mail when nothing is heard. New mail is heard of at once, except "
		"through a pooler that shares connections between transactions."),
	NUMBER("drain_timeout_ms", MAIL, mailer.drain_timeout_ms, "10000", 0, HOUR_MS, MS, RELOAD,
		"How long a stop waits for the database to record what was sent."),

	{
		ROW("log_level", LEVEL, LOG, log_level, "info", RELOAD),
		.placeholder = "error|warning|info|debug",
		.meaning = "Least important lines that are written. Mails are told by their ids: no line holds "
		"an address, a code or a link.",
	},
	{
		ROW("log_file", TEXT, LOG, log_file, "stderr", 0),
		.placeholder = "stdout|stderr|PATH",
		.meaning = "Where the log goes. A file is appended to, created with mode 0640, and opened "
		"anew by SIGHUP.",
	},
	WORDS("metrics_file", LOG, metrics_file, "", RELOAD, NULL, "PATH",
		"A file that holds the mailer's figures in Prometheus's text format, written anew every 15 "
		"seconds at most, for the textfile collector of a node exporter. Several mailers need "
		"several files."),
};

const int	am_setting_count = (int) (sizeof(am_settings) / sizeof(am_settings[0]));

const AmOption am_options[] = {
	[AM_OPTION_CONFIG] = {"config", 'c', "FILE",
		"Read settings from FILE, one \"name = value\" a line. Without it AUTHMETER_CONFIG names the "
		"file; without that none is read."},
	[AM_OPTION_CHECK] = {"check", 0, NULL,
	"Check the configuration, say what is wrong with it, and exit."},
	[AM_OPTION_HELP] = {"help", 'h', NULL, "Print this help and exit."},
	[AM_OPTION_VERSION] = {"version", 'V', NULL, "Print the version and exit."},
	[AM_OPTION_MAN] = {"man", 0, NULL, "Print the manual page in roff and exit."},
	[AM_OPTION_MARKDOWN] = {"settings-markdown", 0, NULL,
	"Print the table of settings in Markdown and exit."},
	[AM_OPTION_ONCE] = {"once", 0, NULL,
	"Send what is due now, and exit: with 1 if the database or the mail server did not let it."},
};

const int	am_option_count = (int) (sizeof(am_options) / sizeof(am_options[0]));

/* clang-format on */
