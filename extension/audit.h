/*
 * audit.h
 *
 * The audit trail: who did what to whom, and how it really ended. A refusal shows the client a
 * generic outcome and the administrator the true one, here.
 */
#ifndef AM_AUDIT_H
#define AM_AUDIT_H

#include "compat.h"

#include "utils/jsonb.h"

/* A longer request id is cut, not refused: the trail must not fail for what a client sent. */
#define AM_AUDIT_REQUEST_ID_BYTES_MAX 128

typedef struct AmAuditEvent
{
	const char *action;       /* SQL name of the function, such as user_login */
	const char *outcome;      /* how it ended, with the true reason */
	const pg_uuid_t *user_id; /* NULL = no user */
	const char *address;      /* of the client; NULL or malformed = not known */
	const char *request_id;   /* NULL = not called through the gateway */
	Jsonb *detail;            /* from am_audit_detail, or NULL */
} AmAuditEvent;

typedef struct AmAuditPair
{
	const char *name;
	const char *value; /* NULL = JSON null */
} AmAuditPair;

/*
 * Appends one event, with the time of am_clock_now() and the session's role as the actor. The
 * calling SQL function must be SECURITY DEFINER. No secret may be in an event: no password, token,
 * code, key or hash, and no text a user may have typed a password into.
 */
extern void am_audit_append(const AmAuditEvent *event);

/* A flat JSON object of text values, in the current context. Names must differ. */
extern Jsonb *am_audit_detail(const AmAuditPair *pairs, int count);

#endif
