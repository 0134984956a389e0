/*-------------------------------------------------------------------------
 *
 * mailer_smtp.c
 *	  A mail to a mail server, through libcurl.
 *
 * libcurl speaks SMTP; what became of the mail is decided by the replies it
 * shows us, because its error codes do not tell what a mail's fate depends on:
 *
 *	 the reply to the message itself	2xx: delivered, whatever happens to the
 *										connection after it; 4xx: later; 5xx: never
 *	 the reply to RCPT					4xx: later; 5xx: never
 *	 no reply, or a refusal of anything	nobody's mail would get through: not the
 *	 else (greeting, TLS, login, MAIL)	mail's fault, it stays, and sending pauses
 *
 * A connection that is lost between the message and its reply leaves open
 * whether the server has it (RFC 5321, section 4.5.3.2.6); it is sent again then, with
 * the same Message-ID.
 *
 *-------------------------------------------------------------------------
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mailer_send.h"

#define URL_BYTES       640
#define PASSWORD_BYTES  512
#define REPLY_BYTES_MAX 300
#define CODE_DIGITS     3

struct AmSmtp
{
	CURL *curl;
	AmStopAsked stop;
	void *stop_state;
	char curl_error[CURL_ERROR_SIZE];

	/* of the mail on its way */
	const AmEnvelope *envelope;
	size_t read_bytes;
	AmSmtpStage stage;
	bool leaving; /* QUIT was said: what follows is about no mail */
	int code;     /* of the last whole reply of the stage */
	char reply[REPLY_BYTES_MAX + 1];
};

/* ---- where the conversation is ---- */

static bool
begins_with(const char *line, size_t length, const char *start)
{
	size_t bytes = strlen(start);

	return length >= bytes && strncasecmp(line, start, bytes) == 0;
}

AmSmtpStage
am_smtp_after_command(AmSmtpStage stage, const char *line, size_t length)
{
	/* Lines of a login hold no blank, so none of them can be taken for these. */
	if (begins_with(line, length, "MAIL FROM:"))
		return AM_STAGE_MAIL;
	if (begins_with(line, length, "RCPT TO:") && stage == AM_STAGE_MAIL)
		return AM_STAGE_RCPT;
	if (begins_with(line, length, "DATA\r\n") && stage == AM_STAGE_RCPT)
		return AM_STAGE_DATA;
	if (begins_with(line, length, "AUTH ") && stage < AM_STAGE_AUTH)
		return AM_STAGE_AUTH;
	return stage;
}

AmSmtpStage
am_smtp_after_reply(AmSmtpStage stage, const char *line, size_t length, int *code)
{
	int number = 0;

	if (length < CODE_DIGITS)
		return stage;
	for (int i = 0; i < CODE_DIGITS; i++)
	{
		if (line[i] < '0' || line[i] > '9')
			return stage;
		number = number * 10 + (line[i] - '0');
	}
	/* "250-..." goes on (RFC 5321, section 4.2.1). */
	if (length > CODE_DIGITS && line[CODE_DIGITS] == '-')
		return stage;
	*code = number;
	if (stage == AM_STAGE_DATA && number == 354)
		return AM_STAGE_BODY;
	if (stage == AM_STAGE_BODY)
		return AM_STAGE_END;
	return stage;
}

AmSendVerdict
am_smtp_verdict(AmSmtpStage stage, int code)
{
	bool about_mail = stage == AM_STAGE_RCPT || stage == AM_STAGE_DATA || stage == AM_STAGE_END;

	if (stage == AM_STAGE_END && code / 100 == 2)
		return AM_SEND_DELIVERED;
	/* Too large for this server (RFC 1870): nobody else's mail is. */
	if (stage == AM_STAGE_MAIL && code == 552)
		return AM_SEND_REJECTED;
	/* Going down, or: log in first (RFC 5321 section 3.8, RFC 4954 section 6). */
	if (!about_mail || code == 421 || code == 454 || code == 530 || code == 535 || code == 538)
		return AM_SEND_TROUBLE;
	if (code / 100 == 4)
		return AM_SEND_DEFERRED;
	return code / 100 == 5 ? AM_SEND_REJECTED : AM_SEND_TROUBLE;
}

static const char *
stage_name(AmSmtpStage stage)
{
	static const char *const names[] = {
		[AM_STAGE_CONNECT] = "connecting", [AM_STAGE_AUTH] = "login",
		[AM_STAGE_MAIL] = "MAIL FROM",     [AM_STAGE_RCPT] = "RCPT TO",
		[AM_STAGE_DATA] = "DATA",          [AM_STAGE_BODY] = "the message",
		[AM_STAGE_END] = "the message",
	};

	return names[stage];
}

/* ---- what libcurl calls ---- */

static size_t
message_read(char *to, size_t size, size_t count, void *state)
{
	AmSmtp *smtp = state;
	size_t left = smtp->envelope->message_bytes - smtp->read_bytes;
	size_t bytes = size * count < left ? size * count : left;

	memcpy(to, smtp->envelope->message + smtp->read_bytes, bytes);
	smtp->read_bytes += bytes;
	return bytes;
}

/* Replies come line by line. */
static size_t
reply_taken(char *line, size_t size, size_t count, void *state)
{
	AmSmtp *smtp = state;
	size_t length = size * count;
	size_t kept = 0;

	/* What comes behind the answer to the message is about nothing of ours. */
	if (smtp->stage == AM_STAGE_END || smtp->leaving)
		return length;
	smtp->stage = am_smtp_after_reply(smtp->stage, line, length, &smtp->code);
	while (kept < length && kept < REPLY_BYTES_MAX && line[kept] != '\r' && line[kept] != '\n')
		kept++;
	memcpy(smtp->reply, line, kept);
	smtp->reply[kept] = '\0';
	return length;
}

/* Only the commands matter here; nothing of this is kept or logged: it holds passwords. */
static int
command_seen(CURL *curl, curl_infotype type, char *data, size_t size, void *state)
{
	AmSmtp *smtp = state;
	AmSmtpStage stage = smtp->stage;

	(void) curl;
	if (type != CURLINFO_HEADER_OUT || stage == AM_STAGE_END)
		return 0;
	smtp->leaving = smtp->leaving || begins_with(data, size, "QUIT\r\n");
	smtp->stage = am_smtp_after_command(stage, data, size);
	if (smtp->stage != stage)
	{
		smtp->code = 0;
		smtp->reply[0] = '\0';
	}
	return 0;
}

static int
progress_made(void *state, curl_off_t download_total, curl_off_t download, curl_off_t upload_total,
			  curl_off_t upload)
{
	const AmSmtp *smtp = state;

	(void) download_total;
	(void) download;
	(void) upload_total;
	(void) upload;
	return smtp->stop(smtp->stop_state) ? 1 : 0;
}

/* ---- setting up ---- */

/* The first line of a file; true also when it is empty. */
static bool
password_read(const char *path, char *password, size_t password_bytes)
{
	FILE *file = fopen(path, "re");
	bool read;

	password[0] = '\0';
	if (file == NULL)
		return false;
	(void) setvbuf(file, NULL, _IONBF, 0); /* no copy of it in a buffer */
	read = fgets(password, (int) password_bytes, file) != NULL || feof(file) != 0;
	(void) fclose(file);
	password[strcspn(password, "\r\n")] = '\0';
	return read;
}

static bool
login_set(CURL *curl, const AmMailerConfig *mailer, char *error, size_t error_bytes)
{
	char password[PASSWORD_BYTES] = "";
	bool set;

	if (mailer->smtp_user[0] == '\0')
		return true;
	if (mailer->smtp_pass_file[0] != '\0' &&
		!password_read(mailer->smtp_pass_file, password, sizeof(password)))
	{
		(void) snprintf(error, error_bytes, "could not read smtp_pass_file");
		return false;
	}
	set = curl_easy_setopt(curl, CURLOPT_USERNAME, mailer->smtp_user) == CURLE_OK &&
		  curl_easy_setopt(curl, CURLOPT_PASSWORD,
						   mailer->smtp_pass_file[0] != '\0' ? password : mailer->smtp_pass) ==
			  CURLE_OK;
	explicit_bzero(password, sizeof(password));
	if (!set)
		(void) snprintf(error, error_bytes, "out of memory");
	return set;
}

static bool
server_set(CURL *curl, const AmMailerConfig *mailer)
{
	char url[URL_BYTES];
	bool brackets = strchr(mailer->smtp_host, ':') != NULL;
	bool tls = mailer->security != AM_SMTP_NONE;

	(void) snprintf(url, sizeof(url), "%s://%s%s%s:%d/%s",
					mailer->security == AM_SMTP_TLS ? "smtps" : "smtp", brackets ? "[" : "",
					mailer->smtp_host, brackets ? "]" : "", mailer->smtp_port, mailer->smtp_name);
	return curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_USE_SSL,
							(long) (tls ? CURLUSESSL_ALL : CURLUSESSL_NONE)) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
		   (mailer->smtp_ca_file[0] == '\0' ||
			curl_easy_setopt(curl, CURLOPT_CAINFO, mailer->smtp_ca_file) == CURLE_OK) &&
		   curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
							(long) mailer->smtp_connect_timeout_ms) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long) mailer->smtp_timeout_ms) == CURLE_OK;
}

static bool
callbacks_set(AmSmtp *smtp)
{
	CURL *curl = smtp->curl;

	return curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_READFUNCTION, message_read) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_READDATA, smtp) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, reply_taken) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_HEADERDATA, smtp) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, command_seen) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_DEBUGDATA, smtp) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, progress_made) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_XFERINFODATA, smtp) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
		   curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, smtp->curl_error) == CURLE_OK;
}

bool
am_smtp_library_begin(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

void
am_smtp_library_end(void)
{
	curl_global_cleanup();
}

AmSmtp *
am_smtp_open(const AmConfig *config, AmStopAsked stop, void *stop_state, char *error,
			 size_t error_bytes)
{
	AmSmtp *smtp = calloc(1, sizeof(*smtp));

	(void) snprintf(error, error_bytes, "could not set up the connection to the mail server");
	if (smtp == NULL)
		return NULL;
	smtp->stop = stop;
	smtp->stop_state = stop_state;
	smtp->curl = curl_easy_init();
	if (smtp->curl != NULL && callbacks_set(smtp) && server_set(smtp->curl, &config->mailer) &&
		login_set(smtp->curl, &config->mailer, error, error_bytes))
		return smtp;
	am_smtp_close(smtp);
	return NULL;
}

/* libcurl says QUIT and waits two minutes for an answer; with reading shut it need not wait. */
static void
answers_refuse(CURL *curl)
{
	curl_socket_t socket = CURL_SOCKET_BAD;

	if (curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &socket) == CURLE_OK &&
		socket != CURL_SOCKET_BAD)
		(void) shutdown(socket, SHUT_RD);
}

void
am_smtp_close(AmSmtp *smtp)
{
	if (smtp == NULL)
		return;
	if (smtp->curl != NULL)
	{
		answers_refuse(smtp->curl);
		curl_easy_cleanup(smtp->curl);
	}
	free(smtp);
}

/* ---- sending ---- */

static void
result_fill(const AmSmtp *smtp, CURLcode code, AmSendResult *result)
{
	const char *what = smtp->curl_error[0] != '\0' ? smtp->curl_error : curl_easy_strerror(code);

	memset(result, 0, sizeof(*result));
	result->code = smtp->code;
	result->verdict = am_smtp_verdict(smtp->stage, smtp->code);
	if (code == CURLE_ABORTED_BY_CALLBACK && result->verdict != AM_SEND_DELIVERED)
		result->verdict = AM_SEND_STOPPED;
	if (smtp->code / 100 == 4 || smtp->code / 100 == 5)
	{
		(void) snprintf(result->error, sizeof(result->error), "at %s: %s", stage_name(smtp->stage),
						smtp->reply);
		(void) snprintf(result->reason, sizeof(result->reason), "refused at %s",
						stage_name(smtp->stage));
		return;
	}
	(void) snprintf(result->error, sizeof(result->error), "at %s: %s", stage_name(smtp->stage),
					what);
	(void) snprintf(result->reason, sizeof(result->reason), "at %s: %s", stage_name(smtp->stage),
					what);
}

static CURLcode
perform(AmSmtp *smtp, const AmEnvelope *envelope, bool fresh)
{
	struct curl_slist *recipients = curl_slist_append(NULL, envelope->recipient);
	CURLcode code = CURLE_OUT_OF_MEMORY;

	smtp->envelope = envelope;
	smtp->read_bytes = 0;
	smtp->stage = AM_STAGE_CONNECT;
	smtp->leaving = false;
	smtp->code = 0;
	smtp->reply[0] = '\0';
	smtp->curl_error[0] = '\0';
	if (recipients != NULL &&
		curl_easy_setopt(smtp->curl, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L) == CURLE_OK &&
		curl_easy_setopt(smtp->curl, CURLOPT_MAIL_FROM, envelope->sender) == CURLE_OK &&
		curl_easy_setopt(smtp->curl, CURLOPT_MAIL_RCPT, recipients) == CURLE_OK &&
		curl_easy_setopt(smtp->curl, CURLOPT_INFILESIZE_LARGE,
						 (curl_off_t) envelope->message_bytes) == CURLE_OK)
		code = curl_easy_perform(smtp->curl);
	(void) curl_easy_setopt(smtp->curl, CURLOPT_MAIL_RCPT, NULL);
	curl_slist_free_all(recipients);
	return code;
}

/* Was it an old connection that the server had closed meanwhile? Nothing was handed over then. */
static bool
connection_was_stale(const AmSmtp *smtp, CURLcode code)
{
	long connects = 1;

	return code != CURLE_OK && code != CURLE_ABORTED_BY_CALLBACK && smtp->stage <= AM_STAGE_RCPT &&
		   (smtp->code == 0 || smtp->code == 421) &&
		   curl_easy_getinfo(smtp->curl, CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK &&
		   connects == 0;
}

void
am_smtp_send(AmSmtp *smtp, const AmEnvelope *envelope, AmSendResult *result)
{
	CURLcode code = perform(smtp, envelope, false);

	if (connection_was_stale(smtp, code))
		code = perform(smtp, envelope, true);
	result_fill(smtp, code, result);
}
