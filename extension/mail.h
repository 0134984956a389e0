/*
 * mail.h
 *
 * The mail outbox: what is to be sent, to whom, and how it reads. Sending is another program's job.
 */
#ifndef AM_MAIL_H
#define AM_MAIL_H

#include "compat.h"

#include "core/template.h"

#define AM_MAIL_PARAMS_BYTES_MAX  4096
#define AM_MAIL_NAME_BYTES_MAX    63 /* of a template's name */
#define AM_MAIL_SUBJECT_BYTES_MAX 200
#define AM_MAIL_BODY_BYTES_MAX    65536 /* of a text or HTML template */
#define AM_MAIL_ERROR_BYTES_MAX   500

/*
 * What a template may show: X(NAME, text, secret). The service's name, the code, the address, the
 * link, how long code or link are good, the person's name, the token for those who have no link.
 * Secrets let somebody in, so they stand in no subject and no error text.
 */
#define AM_MAIL_VALUES(X)    \
	X(APP, "app", 0)         \
	X(CODE, "code", 1)       \
	X(EMAIL, "email", 0)     \
	X(LINK, "link", 1)       \
	X(MINUTES, "minutes", 0) \
	X(NAME, "name", 0)       \
	X(TOKEN, "token", 1)

typedef enum AmMailValue
{
#define X(name, text, secret) AM_MAIL_VALUE_##name,
	AM_MAIL_VALUES(X)
#undef X
	AM_MAIL_VALUE_COUNT
} AmMailValue;

/* The values of one mail, in the order of AmMailValue; length 0 = none. */
typedef struct AmMailValues
{
	amc_template_value value[AM_MAIL_VALUE_COUNT];
} AmMailValues;

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
 * Puts a mail into authmeter.mail_outbox, in the caller's transaction, and returns its id; the
 * caller never waits for delivery. A decoy costs the same and differs in its state alone. The
 * calling SQL function must be SECURITY DEFINER. Raises AM_MASTER_KEY_MISSING, AM_LIMIT_EXCEEDED.
 */
extern pg_uuid_t am_mail_enqueue(const AmMail *mail);

/*
 * Housekeeping, at most rows_max rows of each kind: closes mails that expired unsent, forgetting
 * what they said, and removes those whose time in the outbox is over. Returns the rows it touched.
 */
extern uint64 am_mail_purge(int64 rows_max);

/* What a mail says, in wiped memory (never pfree it); NULL when there is no such mail any more. */
extern char *am_mail_params(const pg_uuid_t *id, Size *len);

/*
 * Reads params (a JSON object of strings and numbers, see AmMailValue for the names) into values,
 * which point into params or into wiped memory. False when it is no such object; with a pointer to
 * why, that says what is wrong.
 */
extern bool am_mail_values_read(const char *params, Size len, AmMailValues *values,
								const char **why);

/* Is this name of a value one of the secrets? */
extern bool am_mail_value_secret(AmMailValue value);

#endif
