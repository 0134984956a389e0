/*-------------------------------------------------------------------------
 *
 * mailer.h
 *	  The mailer: from the outbox to the mail server.
 *
 * One thread, one database connection, one mail server connection, one mail at
 * a time.  A turn does the first of these that there is to do:
 *
 *	 connect to the database; record what was handed over; hand over the next mail
 *	 of the claim; claim more; wait
 *
 * so nothing is handed over while something handed over is not recorded, and no
 * mail is begun that its claim does not cover to the end.  A mail is at risk of
 * being sent twice only between the server's answer and the database's, and only
 * when the process dies there, or the database is away for longer than the claim
 * holds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_MAILER_H
#define AM_MAILER_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "log.h"
#include "mailer_database.h"
#include "mailer_message.h"
#include "mailer_metrics.h"
#include "mailer_send.h"

typedef enum AmMailerExit
{
	AM_MAILER_OK = 0,
	AM_MAILER_FAULT = 1, /* with --once also: not everything could be tried */
	AM_MAILER_CONFIG = AM_CONFIG_EXIT_STATUS
} AmMailerExit;

/* A pause that doubles from failure to failure. */
typedef struct AmPause
{
	int64_t until_ms; /* monotonic; 0 = none */
	int length_ms;    /* of the last one; 0 = the next is the shortest */
	int failures;     /* since the last success */
	int64_t told_ms;  /* when a failure was last logged */
} AmPause;

/* A mail that was handed over, which the database does not know yet. */
typedef struct AmDelivered
{
	bool waiting;
	char id[AM_UUID_TEXT_BYTES];
	char claim[AM_UUID_TEXT_BYTES];
} AmDelivered;

typedef struct AmMailer
{
	AmConfig config;
	AmLogSink sink;
	AmLog log;
	AmObs obs;
	AmMailerFigures figures;
	AmPause figures_pause; /* of telling that they cannot be written */

	int signal_fd;
	int stops_asked; /* 1 = after the mail in flight, 2 = at once */
	bool reload_asked;

	AmDatabase *database;
	AmPause database_pause;
	AmSmtp *smtp; /* NULL = to be set up */
	AmPause server_pause;

	AmMailbox from;
	AmMailbox reply_to;
	const char *domain;

	AmClaims claims;
	int next;           /* of the claims */
	int64_t claimed_ms; /* when they were asked for */
	AmDelivered delivered;
	bool failed_once; /* --once: something could not be tried */
} AmMailer;

/* Takes pending signals; true if the process is to end at once. */
extern bool am_mailer_signals(AmMailer *mailer);

/* Works until told to stop, or with --once until nothing is due. */
extern AmMailerExit am_mailer_run(AmMailer *mailer);

/* Sender, domain and the like anew from the configuration. */
extern void am_mailer_configure(AmMailer *mailer);

/* Emits and writes. */
extern void am_mailer_tell(AmMailer *mailer, const AmObservation *observation);

/* The next pause after a failure, begun now.  jitter is 0..999: up to half is left out. */
extern void am_pause_begin(AmPause *pause, int minimum_ms, int maximum_ms, int64_t now_ms,
						   unsigned jitter);

/* Success: the next pause is the shortest again. */
extern void am_pause_end(AmPause *pause);

#endif /* AM_MAILER_H */
