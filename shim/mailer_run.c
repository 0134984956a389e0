/*-------------------------------------------------------------------------
 *
 * mailer_run.c
 *	  The turns of the mailer; see mailer.h.
 *
 *-------------------------------------------------------------------------
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "mailer.h"

#define TELL_MS        10000 /* one log line about repeated failures in so long */
#define CALL_PAUSE_MIN 1000  /* after the database refused a call */
#define CALL_PAUSE_MAX 30000
#define SEND_SPARE_MS  1000 /* a claim must outlast its mail by this */
#define STOP_RETRY_MS  100
#define STATE_BYTES    16
#define JITTER_STEPS   1000u

/* ---- time ---- */

static int64_t
now_ms(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static unsigned
jitter(void)
{
	unsigned bits = 0;

	if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != sizeof(bits))
		bits = (unsigned) now_ms();
	return bits % JITTER_STEPS;
}

void
am_pause_begin(AmPause *pause, int minimum_ms, int maximum_ms, int64_t now, unsigned jitter_steps)
{
	int length_ms = pause->length_ms < minimum_ms ? minimum_ms : pause->length_ms * 2;

	if (pause->length_ms > maximum_ms / 2 || length_ms > maximum_ms)
		length_ms = maximum_ms;
	pause->length_ms = length_ms;
	pause->failures++;
	pause->until_ms =
		now + length_ms - (int64_t) length_ms * (int64_t) jitter_steps / (2 * JITTER_STEPS);
}

void
am_pause_end(AmPause *pause)
{
	memset(pause, 0, sizeof(*pause));
}

static bool
pausing(const AmPause *pause)
{
	return pause->until_ms > now_ms();
}

/* May this failure be told, or was the last one told just now? */
static bool
may_tell(AmPause *pause)
{
	if (pause->told_ms != 0 && now_ms() - pause->told_ms < TELL_MS)
		return false;
	pause->told_ms = now_ms();
	return true;
}

/* ---- signals, waiting, telling ---- */

void
am_mailer_tell(AmMailer *mailer, const AmObservation *observation)
{
	am_obs_emit(&mailer->obs, observation);
	(void) am_log_flush(&mailer->log);
}

bool
am_mailer_signals(AmMailer *mailer)
{
	struct signalfd_siginfo taken;

	while (read(mailer->signal_fd, &taken, sizeof(taken)) == sizeof(taken))
	{
		if (taken.ssi_signo == SIGHUP)
			mailer->reload_asked = true;
		else
			mailer->stops_asked++;
	}
	return mailer->stops_asked > 1;
}

/* Sleeps up to wait_ms; signals, and with watch_database word from the database, end it. */
static void
wait_a_while(AmMailer *mailer, int64_t wait_ms, bool watch_database)
{
	struct pollfd watched[2] = {
		{.fd = mailer->signal_fd, .events = POLLIN},
		{.fd = watch_database ? am_database_socket(mailer->database) : -1, .events = POLLIN},
	};

	(void) am_log_flush(&mailer->log);
	if (wait_ms > 0)
		(void) poll(watched, 2, (int) wait_ms);
}

/* False with --once, which waits for nothing. */
static bool
wait_pause(AmMailer *mailer, const AmPause *pause)
{
	if (!mailer->config.once)
		wait_a_while(mailer, pause->until_ms - now_ms(), false);
	return !mailer->config.once;
}

/* ---- the database ---- */

static void
database_failed(AmMailer *mailer, AmObsId id)
{
	AmObservation failed = am_obs_make(id);

	if (id == AM_OBS_DATABASE_DOWN)
		mailer->figures.database_losses++;
	mailer->figures.database_down = true;
	failed.message = am_database_error(mailer->database);
	if (id == AM_OBS_DATABASE_DOWN || may_tell(&mailer->database_pause))
		am_mailer_tell(mailer, &failed);
}

/* True when connected; else one attempt was made, or the time for it has not come. */
static bool
database_ready(AmMailer *mailer)
{
	AmObservation up = am_obs_make(AM_OBS_DATABASE_UP);

	if (am_database_connected(mailer->database))
		return true;
	if (pausing(&mailer->database_pause))
	{
		(void) wait_pause(mailer, &mailer->database_pause);
		return false;
	}
	if (am_database_connect(mailer->database, &mailer->config))
	{
		am_pause_end(&mailer->database_pause);
		mailer->figures.database_down = false;
		up.message = "Connected to the database.";
		am_mailer_tell(mailer, &up);
		return true;
	}
	am_pause_begin(&mailer->database_pause, mailer->config.reconnect_min_ms,
				   mailer->config.reconnect_max_ms, now_ms(), jitter());
	database_failed(mailer, AM_OBS_DATABASE_RECONNECT);
	mailer->failed_once = true;
	return false;
}

/* A call raised an error: something is set up wrong, so it will do so again for a while. */
static void
call_refused(AmMailer *mailer, const char *subject)
{
	AmObservation fault = am_obs_make(AM_OBS_DATABASE_FAULT);

	am_pause_begin(&mailer->database_pause, CALL_PAUSE_MIN, CALL_PAUSE_MAX, now_ms(), jitter());
	mailer->failed_once = true;
	fault.subject = subject;
	fault.sqlstate = am_database_sqlstate(mailer->database);
	fault.message = am_database_error(mailer->database);
	if (strcmp(fault.sqlstate, "42501") == 0 || strcmp(fault.sqlstate, "3F000") == 0 ||
		strcmp(fault.sqlstate, "42883") == 0)
		fault.hint = "The role needs authmeter.grant_access(role, 'mailer') in this database.";
	if (may_tell(&mailer->database_pause))
		am_mailer_tell(mailer, &fault);
}

/* What a call came to, told when it failed; true if it did not. */
static bool
call_succeeded(AmMailer *mailer, AmDatabaseOutcome outcome, const char *subject)
{
	if (outcome == AM_DATABASE_OK)
		am_pause_end(&mailer->database_pause);
	else if (outcome == AM_DATABASE_LOST)
		database_failed(mailer, AM_OBS_DATABASE_DOWN);
	else
		call_refused(mailer, subject);
	return outcome == AM_DATABASE_OK;
}

static bool
report(AmMailer *mailer, const char *id, const char *claim, AmMailOutcome outcome,
	   const char *error)
{
	char state[STATE_BYTES];

	return call_succeeded(
		mailer,
		am_database_done(mailer->database, &mailer->config, id, claim, outcome, error, state),
		"mail_done");
}

/* ---- what was handed over ---- */

static void
delivered_remember(AmMailer *mailer, const AmClaimedMail *mail)
{
	AmDelivered *delivered = &mailer->delivered;

	(void) snprintf(delivered->id, sizeof(delivered->id), "%s", mail->id);
	(void) snprintf(delivered->claim, sizeof(delivered->claim), "%s", mail->claim);
	delivered->waiting = true;
	mailer->figures.unrecorded = true;
}

/* True when nothing is left to record. */
static bool
delivered_record(AmMailer *mailer)
{
	AmDelivered *delivered = &mailer->delivered;

	if (delivered->waiting && report(mailer, delivered->id, delivered->claim, AM_MAIL_SENT, NULL))
	{
		delivered->waiting = false;
		mailer->figures.unrecorded = false;
	}
	return !delivered->waiting;
}

/* ---- one mail ---- */

static AmObservation
mail_seen(AmObsId id, const AmClaimedMail *mail, const AmSendResult *result)
{
	AmObservation seen = am_obs_make(id);

	seen.request_id = mail->id;
	seen.count = mail->attempt;
	seen.status = result != NULL ? result->code : 0;
	return seen;
}

static void
mail_release(AmMailer *mailer, const AmClaimedMail *mail)
{
	AmObservation seen = mail_seen(AM_OBS_MAIL_RELEASED, mail, NULL);

	mailer->figures.released++;
	am_mailer_tell(mailer, &seen);
	(void) report(mailer, mail->id, mail->claim, AM_MAIL_RELEASED, NULL);
}

static void
server_back(AmMailer *mailer)
{
	AmObservation up = am_obs_make(AM_OBS_MAIL_SERVER_UP);

	if (mailer->figures.server_down)
		am_mailer_tell(mailer, &up);
	mailer->figures.server_down = false;
	am_pause_end(&mailer->server_pause);
}

static void
server_trouble(AmMailer *mailer, const AmSendResult *result)
{
	AmObservation down = am_obs_make(AM_OBS_MAIL_SERVER_DOWN);

	am_pause_begin(&mailer->server_pause, mailer->config.mailer.smtp_pause_min_ms,
				   mailer->config.mailer.smtp_pause_max_ms, now_ms(), jitter());
	mailer->figures.server_troubles++;
	mailer->figures.server_down = true;
	mailer->failed_once = true;
	down.status = result->code;
	down.subject = result->reason;
	if (may_tell(&mailer->server_pause))
		am_mailer_tell(mailer, &down);
}

static void
mail_delivered(AmMailer *mailer, const AmClaimedMail *mail, const AmSendResult *result,
			   int64_t took_ms)
{
	AmObservation seen = mail_seen(AM_OBS_MAIL_SENT, mail, result);

	/* First of all: from here on it must not be sent again. */
	delivered_remember(mailer, mail);
	mailer->figures.sent++;
	seen.total_us = took_ms * 1000;
	if (mailer->config.mailer.smtp_host[0] == '\0')
		seen.subject = result->reason;
	am_mailer_tell(mailer, &seen);
	server_back(mailer);
}

static void
mail_refused(AmMailer *mailer, const AmClaimedMail *mail, const AmSendResult *result)
{
	bool rejected = result->verdict == AM_SEND_REJECTED;
	AmObservation seen =
		mail_seen(rejected ? AM_OBS_MAIL_REJECTED : AM_OBS_MAIL_DEFERRED, mail, result);

	if (rejected)
		mailer->figures.rejected++;
	else
		mailer->figures.deferred++;
	seen.subject = result->reason;
	am_mailer_tell(mailer, &seen);
	if (result->verdict == AM_SEND_TROUBLE)
		server_trouble(mailer, result);
	else if (result->verdict != AM_SEND_STOPPED && result->code != 0)
		server_back(mailer);
	/* Lost on the way, it is as if the claim had run out. */
	(void) report(mailer, mail->id, mail->claim, rejected ? AM_MAIL_REJECTED : AM_MAIL_DEFERRED,
				  result->error);
}

static bool
stop_at_once(void *state)
{
	return am_mailer_signals(state);
}

static void
hand_over(AmMailer *mailer, const AmEnvelope *envelope, AmSendResult *result)
{
	memset(result, 0, sizeof(*result));
	if (mailer->config.mailer.smtp_host[0] == '\0')
	{
		am_folder_send(mailer->config.mailer.mail_folder, envelope, result);
		return;
	}
	if (mailer->smtp == NULL)
		mailer->smtp = am_smtp_open(&mailer->config, stop_at_once, mailer, result->error,
									sizeof(result->error));
	if (mailer->smtp != NULL)
	{
		am_smtp_send(mailer->smtp, envelope, result);
		return;
	}
	result->verdict = AM_SEND_TROUBLE;
	(void) snprintf(result->reason, sizeof(result->reason), "%.*s",
					(int) sizeof(result->reason) - 1, result->error);
}

/* Writes the message and hands it over. */
static void
mail_send(AmMailer *mailer, const AmClaimedMail *mail, const char *recipient, AmSendResult *result)
{
	AmMailMessage message = {.id = mail->id,
							 .created_s = mail->created_s,
							 .recipient = recipient,
							 .subject = mail->subject,
							 .text = mail->text,
							 .html = mail->html};
	AmEnvelope envelope = {.id = mail->id, .sender = mailer->from.address, .recipient = recipient};
	AmText text;

	am_text_init(&text, AM_MAIL_MESSAGE_BYTES_MAX);
	am_mail_message_write(&text, &message, &mailer->from,
						  mailer->reply_to.address[0] != '\0' ? &mailer->reply_to : NULL,
						  mailer->domain);
	envelope.message = am_text_string(&text);
	envelope.message_bytes = text.length;
	if (text.failed)
	{
		memset(result, 0, sizeof(*result));
		result->verdict = AM_SEND_REJECTED;
		(void) snprintf(result->error, sizeof(result->error), "the message is too large");
		(void) snprintf(result->reason, sizeof(result->reason), "%s", result->error);
	}
	else
		hand_over(mailer, &envelope, result);
	am_text_free(&text);
}

/* Is there time to send it, by its claim and by its own end? */
static bool
mail_has_time(const AmMailer *mailer, const AmClaimedMail *mail)
{
	int64_t age_ms = now_ms() - mailer->claimed_ms;

	return mailer->config.mailer.lease_ms - age_ms >=
			   mailer->config.mailer.smtp_timeout_ms + SEND_SPARE_MS &&
		   mail->good_for_ms > age_ms;
}

static void
mail_next(AmMailer *mailer)
{
	const AmClaimedMail *mail = &mailer->claims.mail[mailer->next++];
	char recipient[AM_MAIL_ADDRESS_BYTES];
	AmSendResult result = {.verdict = AM_SEND_REJECTED,
						   .error = "no mail can be sent to such an address",
						   .reason = "no mail can be sent to such an address"};
	int64_t begun_ms = now_ms();

	if (pausing(&mailer->server_pause) || !mail_has_time(mailer, mail))
	{
		mail_release(mailer, mail);
		return;
	}
	if (am_mail_address(mail->recipient, recipient, sizeof(recipient)))
		mail_send(mailer, mail, recipient, &result);
	if (result.verdict == AM_SEND_DELIVERED)
		mail_delivered(mailer, mail, &result, now_ms() - begun_ms);
	else
		mail_refused(mailer, mail, &result);
}

/* ---- claims ---- */

static void
claims_drop(AmMailer *mailer)
{
	am_claims_free(&mailer->claims);
	mailer->next = 0;
}

/* True if something was claimed. */
static bool
claim_more(AmMailer *mailer)
{
	claims_drop(mailer);
	mailer->claimed_ms = now_ms();
	return call_succeeded(mailer,
						  am_database_claim(mailer->database, &mailer->config, &mailer->claims),
						  "mail_claim") &&
		   mailer->claims.count > 0;
}

/* Nothing is due: waits for word, or for time to pass.  False with --once. */
static bool
idle(AmMailer *mailer)
{
	if (mailer->config.once)
		return false;
	if (am_database_connected(mailer->database) && !am_database_notified(mailer->database))
	{
		if (am_database_connected(mailer->database))
			wait_a_while(mailer, mailer->config.mailer.poll_ms, true);
		else
			database_failed(mailer, AM_OBS_DATABASE_DOWN);
	}
	return true;
}

/* ---- reload and stop ---- */

void
am_mailer_configure(AmMailer *mailer)
{
	const AmMailerConfig *config = &mailer->config.mailer;

	if (!am_mailbox_parse(config->mail_from, &mailer->from))
		(void) am_mailbox_parse("authmeter@localhost", &mailer->from);
	if (!am_mailbox_parse(config->mail_reply_to, &mailer->reply_to))
		memset(&mailer->reply_to, 0, sizeof(mailer->reply_to));
	mailer->domain =
		config->mail_domain[0] != '\0' ? config->mail_domain : am_mail_domain(mailer->from.address);
}

static void
reload(AmMailer *mailer)
{
	AmObservation seen = am_obs_make(AM_OBS_RELOAD_DONE);
	AmConfig next;
	AmText output;
	char error[AM_DATABASE_ERROR_BYTES];

	mailer->reload_asked = false;
	if (!am_log_sink_reopen(&mailer->sink, error, sizeof(error)))
		am_obs_tell(&mailer->obs, AM_OBS_RELOAD_FAILED, "log_file", error);
	am_text_init(&output, AM_CONFIG_OUTPUT_BYTES_MAX);
	if (am_config_reload(&mailer->config, &next, &output))
	{
		am_smtp_close(mailer->smtp);
		mailer->smtp = NULL;
		am_config_free(&mailer->config);
		mailer->config = next;
		am_mailer_configure(mailer);
		am_log_configure(&mailer->log, mailer->config.log_level, 0, 1);
		am_pause_end(&mailer->server_pause);
		mailer->figures.reloads++;
		seen.subject = "configuration";
		for (int i = 0; i < mailer->config.warning_count; i++)
			am_obs_tell(&mailer->obs, AM_OBS_CONFIG_WARNING, NULL, mailer->config.warning[i]);
		am_mailer_tell(mailer, &seen);
	}
	else
	{
		seen = am_obs_make(AM_OBS_RELOAD_FAILED);
		seen.subject = "configuration";
		seen.message = am_text_string(&output);
		am_mailer_tell(mailer, &seen);
	}
	am_text_free(&output);
}

/* Gives back what was claimed and not tried, while the database is there. */
static void
claims_release(AmMailer *mailer)
{
	while (mailer->next < mailer->claims.count && am_database_connected(mailer->database))
		mail_release(mailer, &mailer->claims.mail[mailer->next++]);
	claims_drop(mailer);
}

/* The last that must not be lost: that a mail was handed over. */
static AmMailerExit
finish(AmMailer *mailer)
{
	int64_t deadline_ms = now_ms() + mailer->config.mailer.drain_timeout_ms;
	AmObservation unrecorded = am_obs_make(AM_OBS_MAIL_UNRECORDED);

	while (mailer->delivered.waiting && now_ms() < deadline_ms && !am_mailer_signals(mailer))
	{
		if (!am_database_connected(mailer->database) &&
			!am_database_connect(mailer->database, &mailer->config))
			wait_a_while(mailer, STOP_RETRY_MS, false);
		else if (!delivered_record(mailer))
			wait_a_while(mailer, STOP_RETRY_MS, false);
	}
	claims_release(mailer);
	if (mailer->delivered.waiting)
	{
		unrecorded.request_id = mailer->delivered.id;
		am_mailer_tell(mailer, &unrecorded);
		return AM_MAILER_FAULT;
	}
	return mailer->config.once && mailer->failed_once ? AM_MAILER_FAULT : AM_MAILER_OK;
}

/* ---- the turns ---- */

static void
metrics(AmMailer *mailer, int64_t now)
{
	const char *path = mailer->config.mailer.metrics_file;

	if (!am_mailer_metrics_write(&mailer->figures, path, now) && may_tell(&mailer->figures_pause))
		am_obs_tell(&mailer->obs, AM_OBS_INTERNAL_FAULT, path,
					"The figures could not be written to metrics_file.");
}

/* One step of work; false when there is no more to do, ever. */
static bool
turn(AmMailer *mailer)
{
	if (!database_ready(mailer))
		return !mailer->config.once;
	if (pausing(&mailer->database_pause))
		return wait_pause(mailer, &mailer->database_pause);
	if (!delivered_record(mailer))
		return true;
	if (mailer->next < mailer->claims.count)
	{
		mail_next(mailer);
		return true;
	}
	if (pausing(&mailer->server_pause))
		return wait_pause(mailer, &mailer->server_pause);
	return claim_more(mailer) || idle(mailer);
}

AmMailerExit
am_mailer_run(AmMailer *mailer)
{
	AmMailerExit status;

	(void) am_mailer_signals(mailer);
	while (mailer->stops_asked == 0 && turn(mailer))
	{
		metrics(mailer, now_ms());
		(void) am_mailer_signals(mailer);
		if (mailer->reload_asked)
			reload(mailer);
		(void) am_log_flush(&mailer->log);
	}
	status = finish(mailer);
	am_smtp_close(mailer->smtp);
	mailer->smtp = NULL;
	metrics(mailer, 0);
	return status;
}
