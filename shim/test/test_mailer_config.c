/*
 * test_mailer_config.c
 *		Must hold: the mailer starts only with settings that name a way for mail to go, and no
 *		password goes over a wire in clear text; its tables are as whole as the shim's.
 */
#include "test.h"

#include "config_load.h"
#include "manual.h"

#define SERVER "smtp_host = smtp.example.com\nmail_from = a@example.com\n"

static void
ways_to_secure(void)
{
	static const struct
	{
		const char *content;
		AmSmtpSecurity security;
		int port;
	} cases[] = {
		{SERVER, AM_SMTP_STARTTLS, 587},
		{SERVER "smtp_security = auto\nsmtp_port = 2525\n", AM_SMTP_STARTTLS, 2525},
		{SERVER "smtp_port = 465\n", AM_SMTP_TLS, 465},
		{SERVER "smtp_security = tls\n", AM_SMTP_TLS, 465},
		{SERVER "smtp_security = starttls\nsmtp_port = 465\n", AM_SMTP_STARTTLS, 465},
		{SERVER "smtp_security = none\n", AM_SMTP_NONE, 25},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		Load load;

		test_case(cases[i].content);
		load_all(&load, cases[i].content, NULL, NULL);
		CHECK_INT(AM_CONFIG_RUN, load.outcome);
		CHECK_INT(cases[i].security, load.config.mailer.security);
		CHECK_INT(cases[i].port, load.config.mailer.smtp_port);
		CHECK(!load.config.once);
		load_end(&load);
	}
}

static void
refused(void)
{
	static const struct
	{
		const char *content;
		const char *error;
	} cases[] = {
		{"", "smtp_host: there is no mail server"},
		{"smtp_host = x\n", "mail_from: the mails have no sender"},
		{SERVER "smtp_host = y\n", "the setting is given twice"},
		{"smtp_host = a/b\nmail_from = a@example.com\n", "smtp_host: \"a/b\" is no host"},
		{"smtp_host = 'a b'\nmail_from = a@example.com\n", "smtp_host: \"a b\" is no host"},
		{"smtp_host = user@host\nmail_from = a@example.com\n", "is no host"},
		{SERVER "smtp_name = a/b\n", "smtp_name: \"a/b\" is no host name"},
		{SERVER "smtp_security = ssl\n", "smtp_security: \"ssl\" is no way"},
		{SERVER "smtp_user = u\n", "smtp_user: the user has no password"},
		{SERVER "smtp_user = u\nsmtp_pass = p\nsmtp_security = none\n",
		 "smtp_user: a password is not sent in clear text to another machine"},
		{SERVER "smtp_user = u\nsmtp_pass = p\nsmtp_pass_file = f\n",
		 "smtp_pass_file: there are two passwords"},
		{"smtp_host = h\nmail_from = nobody\n", "mail_from: \"nobody\" is no e-mail address"},
		{SERVER "mail_reply_to = a@b.c, d@e.f\n", "mail_reply_to: "},
		{SERVER "mail_domain = a>b\n", "mail_domain: \"a>b\" is no domain"},
		{SERVER "lease_ms = 69999\n", "lease_ms: 69999 is less than smtp_timeout_ms (60000)"},
		{SERVER "smtp_pause_min_ms = 2s\nsmtp_pause_max_ms = 1s\n", "smtp_pause_min_ms: 2000"},
		{SERVER "reconnect_min_ms = 2s\nreconnect_max_ms = 1s\n", "reconnect_min_ms: 2000"},
		{SERVER "batch = 101\n", "out of range: 1 to 100"},
		{SERVER "listen = 3000=vsplugin\n", "there is no setting \"listen\""},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		Load load;

		test_case(cases[i].content);
		load_all(&load, cases[i].content, NULL, NULL);
		CHECK_INT(AM_CONFIG_FAILED, load.outcome);
		CHECK_CONTAINS(am_text_string(&load.output), cases[i].error);
		CHECK_CONTAINS(am_text_string(&load.output), "authmeter-mailer: ");
		load_end(&load);
	}
}

static void
allowed(void)
{
	static const struct
	{
		const char *content;
		const char *warning; /* NULL = none */
	} cases[] = {
		{"mail_folder = /tmp/mails\n", "with their codes, are written to /tmp/mails"},
		{"smtp_host = 127.0.0.1\nmail_from = a@b.c\nsmtp_security = none\nsmtp_user = u\nsmtp_pass_file "
		 "= p\n",
		 NULL},
		{"smtp_host = ::1\nmail_from = a@b.c\nsmtp_security = none\n", NULL},
		{SERVER "smtp_security = none\n", "in clear text to smtp.example.com"},
		{SERVER "lease_ms = 70s\n", NULL},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		Load load;

		test_case(cases[i].content);
		load_all(&load, cases[i].content, NULL, NULL);
		CHECK_INT(AM_CONFIG_RUN, load.outcome);
		CHECK_INT(cases[i].warning != NULL ? 1 : 0, load.config.warning_count);
		if (cases[i].warning != NULL && load.config.warning_count == 1)
			CHECK_CONTAINS(load.config.warning[0], cases[i].warning);
		load_end(&load);
	}
}

/* The names that other programs use count, and less than our own. */
static void
environment(void)
{
	static const char *const variables[] = {
		"SMTP_HOST=one.example", "AUTHMETER_SMTP_HOST=two.example",
		"SMTP_PORT=2525",        "SMTP_USER=u",
		"SMTP_PASS=p",           "MAIL_FROM=Example <a@example.com>",
		"DATABASE_URL=dbname=x", NULL};
	static const char *const once[] = {"--once", NULL};
	Load load;
	AmText text;

	load_all(&load, NULL, once, variables);
	CHECK_INT(AM_CONFIG_RUN, load.outcome);
	CHECK_STRING("two.example", load.config.mailer.smtp_host);
	CHECK_INT(2525, load.config.mailer.smtp_port);
	CHECK_STRING("u", load.config.mailer.smtp_user);
	CHECK_STRING("p", load.config.mailer.smtp_pass);
	CHECK_STRING("Example <a@example.com>", load.config.mailer.mail_from);
	CHECK_STRING("dbname=x", load.config.database);
	CHECK(load.config.once);
	am_text_init(&text, AM_CONFIG_OUTPUT_BYTES_MAX);
	am_config_describe(&load.config, &text);
	CHECK_CONTAINS(am_text_string(&text), "smtp_pass = (hidden)\n");
	CHECK_CONTAINS(am_text_string(&text), "database = (hidden)\n");
	am_text_free(&text);
	load_end(&load);
}

/* SIGHUP takes over all but the database and the log's place. */
static void
reload(void)
{
	Load load;
	AmConfig next;
	AmText output;
	FILE *file;

	load_all(&load, SERVER, NULL, NULL);
	CHECK_INT(AM_CONFIG_RUN, load.outcome);
	file = fopen(load.path, "w");
	CHECK(file != NULL);
	if (file == NULL)
		return;
	(void) fputs(
		"smtp_host = other.example\nmail_from = b@example.com\nsmtp_port = 465\nbatch = 3\n"
		"database = dbname=other\n",
		file);
	(void) fclose(file);
	am_text_init(&output, AM_CONFIG_OUTPUT_BYTES_MAX);
	CHECK(am_config_reload(&load.config, &next, &output));
	CHECK_STRING("other.example", next.mailer.smtp_host);
	CHECK_STRING("b@example.com", next.mailer.mail_from);
	CHECK_INT(AM_SMTP_TLS, next.mailer.security);
	CHECK_INT(3, next.mailer.batch);
	CHECK_STRING("", next.database);
	CHECK_CONTAINS(next.warning_count > 0 ? next.warning[next.warning_count - 1] : "",
				   "a change of database needs a restart");
	am_config_free(&next);
	am_text_free(&output);
	load_end(&load);
}

static void
manual(void)
{
	AmText page;
	int rows = 0;

	am_text_init(&page, AM_CONFIG_OUTPUT_BYTES_MAX);
	am_manual_help(&page);
	CHECK(!page.failed);
	CHECK_CONTAINS(am_text_string(&page), "Usage: authmeter-mailer ");
	CHECK_CONTAINS(am_text_string(&page), "\n  --once\n");
	CHECK_LACKS(am_text_string(&page), "Lane ");
	for (const char *line = am_text_string(&page); *line != '\0'; line += strcspn(line, "\n") + 1)
		CHECK(strcspn(line, "\n") <= 80);
	am_text_reset(&page);
	am_manual_markdown(&page);
	for (const char *line = am_text_string(&page); *line != '\0'; line += strcspn(line, "\n") + 1)
		rows += *line == '|' ? 1 : 0;
	/* The sections database, mail server, mail and log, each with two lines above its rows. */
	CHECK_INT(am_setting_count + 2 * 4, rows);
	am_text_reset(&page);
	am_manual_man(&page);
	CHECK(!page.failed);
	CHECK_CONTAINS(am_text_string(&page), ".TH AUTHMETER\\-MAILER 1");
	am_text_free(&page);
}

int
main(void)
{
	TEST_RUN(ways_to_secure);
	TEST_RUN(refused);
	TEST_RUN(allowed);
	TEST_RUN(environment);
	TEST_RUN(reload);
	TEST_RUN(manual);
	return test_end("mailer config");
}
