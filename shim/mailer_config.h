/*-------------------------------------------------------------------------
 *
 * mailer_config.h
 *	  The settings of the mailer; see mailer_table.c for what they mean.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_MAILER_CONFIG_H
#define AM_MAILER_CONFIG_H

typedef enum AmSmtpSecurity
{
	AM_SMTP_NONE,     /* clear text */
	AM_SMTP_STARTTLS, /* the server must offer it */
	AM_SMTP_TLS       /* from the first byte */
} AmSmtpSecurity;

typedef struct AmMailerConfig
{
	/* mail server */
	char *smtp_host; /* "" = write to mail_folder */
	int smtp_port;   /* resolved: never 0 */
	char *smtp_security;
	char *smtp_user; /* "" = no authentication */
	char *smtp_pass;
	char *smtp_pass_file; /* read when a connection is set up */
	char *smtp_ca_file;   /* "" = the system's */
	char *smtp_name;      /* in EHLO, "" = the host's */
	int smtp_connect_timeout_ms;
	int smtp_timeout_ms; /* of one mail, connecting included */
	int smtp_pause_min_ms;
	int smtp_pause_max_ms;
	char *mail_folder;

	/* mail */
	char *mail_from; /* "name <address>" or an address */
	char *mail_reply_to;
	char *mail_domain; /* of Message-ID, "" = that of mail_from */
	int batch;
	int lease_ms;
	int poll_ms;
	int drain_timeout_ms;
	int database_timeout_ms;

	char *metrics_file; /* "" = none */

	AmSmtpSecurity security; /* what smtp_security and the port come to */
} AmMailerConfig;

/* The whole of a claim must cover one mail and what surrounds it. */
#define AM_MAILER_LEASE_SPARE_MS 10000

#endif /* AM_MAILER_CONFIG_H */
