/*
 * mail.h
 *
 * The mail outbox: what is to be sent, to whom. Sending is another program's work.
 */
#ifndef AM_MAIL_H
#define AM_MAIL_H

#include "compat.h"

#define AM_MAIL_PARAMS_BYTES_MAX 4096

typedef struct AmMail
{
	const pg_uuid_t *user_id; /* NULL = nobody's */
	const char *recipient;    /* canonical e-mail address */
	const char *template;     /* name of the text, such as vsplugin-signup */
	const char *params;       /* JSON object, sealed at rest: codes and links */
	int64 lifetime_ms;        /* not worth sending later */
	bool decoy;               /* do all the work, but never send */
} AmMail;

/*
 * Puts a mail into authmeter.mail_outbox, in the caller's transaction; the caller never waits for
 * delivery. A decoy costs the same and differs in its state alone. The calling SQL function must be
 * SECURITY DEFINER. Raises AM_MASTER_KEY_MISSING, AM_LIMIT_EXCEEDED.
 */
extern void am_mail_enqueue(const AmMail *mail);

#endif
