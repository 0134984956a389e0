/*-------------------------------------------------------------------------
 *
 * mailer_config.c
 *	  What the mailer makes of its settings as a whole.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "config_source.h"
#include "mailer_message.h"

#define PORT_TLS      465
#define PORT_STARTTLS 587
#define PORT_NONE     25

static bool
is_loopback(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
		   strncmp(host, "127.", 4) == 0;
}

/* A host stands in a URL between slashes: nothing in it may end it. */
static bool
is_host(const char *host)
{
	return strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:_") ==
			   strlen(host) &&
		   strlen(host) <= AM_HOST_BYTES_MAX;
}

static void
resolve_security(AmConfigReading *reading)
{
	static const struct
	{
		const char *name;
		AmSmtpSecurity security;
		int port;
	} words[] = {
		{"none", AM_SMTP_NONE, PORT_NONE},
		{"starttls", AM_SMTP_STARTTLS, PORT_STARTTLS},
		{"tls", AM_SMTP_TLS, PORT_TLS},
	};
	AmMailerConfig *mailer = &reading->config->mailer;
	const char *word = mailer->smtp_security;

	if (strcmp(word, "auto") == 0)
		word = mailer->smtp_port == PORT_TLS ? "tls" : "starttls";
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		if (strcmp(words[i].name, word) != 0)
			continue;
		mailer->security = words[i].security;
		if (mailer->smtp_port == 0)
			mailer->smtp_port = words[i].port;
		return;
	}
	am_reading_error(reading, "smtp_security", "The words are auto, starttls, tls and none.",
					 "\"%.60s\" is no way to secure a connection", word);
}

static void
check_server(AmConfigReading *reading)
{
	const AmMailerConfig *mailer = &reading->config->mailer;

	if (mailer->smtp_host[0] == '\0' && mailer->mail_folder[0] == '\0')
		am_reading_error(reading, "smtp_host",
						 "For development, mail_folder takes the mails as files instead.",
						 "there is no mail server");
	if (!is_host(mailer->smtp_host))
		am_reading_error(reading, "smtp_host",
						 "Give a name or an address, without port or brackets.",
						 "\"%.60s\" is no host", mailer->smtp_host);
	if (!is_host(mailer->smtp_name))
		am_reading_error(reading, "smtp_name", NULL, "\"%.60s\" is no host name",
						 mailer->smtp_name);
	if (mailer->smtp_user[0] != '\0' && mailer->security == AM_SMTP_NONE &&
		!is_loopback(mailer->smtp_host))
		am_reading_error(reading, "smtp_user", "Set smtp_security to starttls or tls.",
						 "a password is not sent in clear text to another machine");
	if (mailer->smtp_pass[0] != '\0' && mailer->smtp_pass_file[0] != '\0')
		am_reading_error(reading, "smtp_pass_file", "Leave smtp_pass out.",
						 "there are two passwords");
	if (mailer->smtp_user[0] != '\0' && mailer->smtp_pass[0] == '\0' &&
		mailer->smtp_pass_file[0] == '\0')
		am_reading_error(reading, "smtp_user", "Set smtp_pass_file.", "the user has no password");
}

static void
check_mailbox(AmConfigReading *reading, const char *setting, const char *value)
{
	AmMailbox mailbox;

	if (!am_mailbox_parse(value, &mailbox))
		am_reading_error(reading, setting,
						 "Write noreply@example.com, or Example <noreply@example.com>.",
						 "\"%.60s\" is no e-mail address", value);
}

static void
check_mail(AmConfigReading *reading)
{
	const AmMailerConfig *mailer = &reading->config->mailer;

	if (mailer->mail_from[0] == '\0' && mailer->smtp_host[0] != '\0')
		am_reading_error(reading, "mail_from", "Example: Example <noreply@example.com>.",
						 "the mails have no sender");
	if (mailer->mail_from[0] != '\0')
		check_mailbox(reading, "mail_from", mailer->mail_from);
	if (mailer->mail_reply_to[0] != '\0')
		check_mailbox(reading, "mail_reply_to", mailer->mail_reply_to);
	if (!is_host(mailer->mail_domain))
		am_reading_error(reading, "mail_domain", NULL, "\"%.60s\" is no domain",
						 mailer->mail_domain);
}

static void
check_times(AmConfigReading *reading)
{
	const AmConfig *config = reading->config;
	const AmMailerConfig *mailer = &config->mailer;

	if (config->reconnect_min_ms > config->reconnect_max_ms)
		am_reading_error(reading, "reconnect_min_ms", NULL, "%d is more than reconnect_max_ms (%d)",
						 config->reconnect_min_ms, config->reconnect_max_ms);
	if (mailer->smtp_pause_min_ms > mailer->smtp_pause_max_ms)
		am_reading_error(reading, "smtp_pause_min_ms", NULL,
						 "%d is more than smtp_pause_max_ms (%d)", mailer->smtp_pause_min_ms,
						 mailer->smtp_pause_max_ms);
	if (mailer->lease_ms < mailer->smtp_timeout_ms + AM_MAILER_LEASE_SPARE_MS)
		am_reading_error(reading, "lease_ms",
						 "A claim that ends while its mail is being sent lets another mailer send "
						 "it again.",
						 "%d is less than smtp_timeout_ms (%d) and %d", mailer->lease_ms,
						 mailer->smtp_timeout_ms, AM_MAILER_LEASE_SPARE_MS);
}

void
am_config_complete(AmConfigReading *reading)
{
	if (reading->error_count > 0)
		return;
	resolve_security(reading);
	check_server(reading);
	check_mail(reading);
	check_times(reading);
	if (reading->config->mailer.smtp_host[0] != '\0' &&
		reading->config->mailer.security == AM_SMTP_NONE &&
		!is_loopback(reading->config->mailer.smtp_host))
		am_config_warn(reading->config,
					   "smtp_security is none: codes and links travel in clear text to %s",
					   reading->config->mailer.smtp_host);
	if (reading->config->mailer.smtp_host[0] == '\0')
		am_config_warn(reading->config,
					   "there is no smtp_host: mails, with their codes, are written to %s",
					   reading->config->mailer.mail_folder);
}
