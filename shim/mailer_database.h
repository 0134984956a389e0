/*-------------------------------------------------------------------------
 *
 * mailer_database.h
 *	  The mailer's one connection to the database: claims and reports.
 *
 * Every call has a deadline; a connection that does not keep it is given up, as
 * is one that is lost.  The caller connects again when it pleases.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_MAILER_DATABASE_H
#define AM_MAILER_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

#define AM_DATABASE_ERROR_BYTES 300
#define AM_SQLSTATE_BYTES       6
#define AM_UUID_TEXT_BYTES      37

typedef struct AmDatabase AmDatabase;

/* One claimed mail; the texts live as long as the claims they came in. */
typedef struct AmClaimedMail
{
	const char *id;
	const char *claim;
	const char *recipient;
	const char *subject;
	const char *text;
	const char *html; /* NULL = none */
	int attempt;      /* from 1 */
	int64_t created_s;
	int64_t good_for_ms; /* worth sending, from when the claim was asked for */
} AmClaimedMail;

typedef struct AmClaims
{
	int count;
	AmClaimedMail *mail;
	void *result; /* what the texts belong to */
} AmClaims;

typedef enum AmDatabaseOutcome
{
	AM_DATABASE_OK,
	AM_DATABASE_REFUSED, /* the call raised an error; the connection is good */
	AM_DATABASE_LOST     /* no connection any more, and what became of the call is unknown */
} AmDatabaseOutcome;

/* What the mailer reports of a mail. */
typedef enum AmMailOutcome
{
	AM_MAIL_SENT,
	AM_MAIL_DEFERRED,
	AM_MAIL_REJECTED,
	AM_MAIL_RELEASED
} AmMailOutcome;

/* NULL = out of memory.  Not connected yet. */
extern AmDatabase *am_database_new(void);

/* Closes and frees; NULL is harmless. */
extern void am_database_free(AmDatabase *database);

/* Connects within connect_timeout_ms, and listens for new mail.  False: am_database_error(). */
extern bool am_database_connect(AmDatabase *database, const AmConfig *config);
extern bool am_database_connected(const AmDatabase *database);

/* Socket to wait on while nothing is asked, -1 = not connected. */
extern int am_database_socket(const AmDatabase *database);

/* Takes what came in by itself; true if there was word of new mail.  May lose the connection. */
extern bool am_database_notified(AmDatabase *database);

/* Claims up to batch mails for lease_ms.  claims is to be freed after AM_DATABASE_OK. */
extern AmDatabaseOutcome am_database_claim(AmDatabase *database, const AmConfig *config,
										   AmClaims *claims);

/* Wipes and frees. */
extern void am_claims_free(AmClaims *claims);

/*
 * Reports what became of a mail; error may be NULL.  state (16 bytes) receives what the
 * outbox says of it now.
 */
extern AmDatabaseOutcome am_database_done(AmDatabase *database, const AmConfig *config,
										  const char *id, const char *claim, AmMailOutcome outcome,
										  const char *error, char state[16]);

/* Of the last failure: one line, and the SQLSTATE ("" = none). */
extern const char *am_database_error(const AmDatabase *database);
extern const char *am_database_sqlstate(const AmDatabase *database);

#endif /* AM_MAILER_DATABASE_H */
