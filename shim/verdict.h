/*-------------------------------------------------------------------------
 *
 * verdict.h
 *	  What a failed call or a failed group means for each of its calls.  Pure.
 *
 * A call alone is its own transaction, so its error is its own.  A group shares
 * one: when one of its calls raises, nothing of the group has happened, and each
 * call is sent again alone, in order.  The one that raised may raise again (that
 * is its answer then); the one that met a lock time-out goes to a side
 * connection, so that it holds up nobody.  Nothing is ever dropped.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_VERDICT_H
#define AM_SHIM_VERDICT_H

#include <stdbool.h>

#include "names.h"

#define AM_CALL_TRIES_MAX 3 /* times one call is sent for its own errors (contract, section 2) */

/* Kinds of SQLSTATE as far as the shim tells them apart. */
typedef enum AmSqlstateKind
{
	AM_SQLSTATE_FAULT,       /* an internal fault: 500 */
	AM_SQLSTATE_RETRY,       /* 40001, 40P01: try again */
	AM_SQLSTATE_LOCKED,      /* 55P03: try again where it holds up nobody */
	AM_SQLSTATE_UNAVAILABLE, /* server away, full, cancelled: 503 */
	AM_SQLSTATE_STALE        /* 0A000, 26000: the prepared statement is worn out */
} AmSqlstateKind;

/* What came back for one call. */
typedef enum AmCallState
{
	AM_CALL_WAITING, /* nothing yet */
	AM_CALL_DONE,    /* one row */
	AM_CALL_RAISED,  /* an error of its own */
	AM_CALL_ABORTED  /* not run, because an earlier call of the group raised */
} AmCallState;

typedef enum AmVerdict
{
	AM_VERDICT_ANSWER,      /* the row is the answer */
	AM_VERDICT_FAULT,       /* 500 */
	AM_VERDICT_UNAVAILABLE, /* 503; nothing has happened */
	AM_VERDICT_AGAIN,       /* send again, alone, in order */
	AM_VERDICT_ASIDE        /* send again on a side connection */
} AmVerdict;

/* Kind of a five-character SQLSTATE; anything unknown is a fault. */
extern AmSqlstateKind am_sqlstate_kind(const char *sqlstate);

/* Cause to count for a retry of that kind. */
extern AmRetryCause am_sqlstate_cause(const char *sqlstate);

/*
 * Verdict for one call of a batch that has come to its Sync.
 *	 state		what came back for this call
 *	 sqlstate	its error, if it raised
 *	 failed		the batch did not commit
 *	 alone		the call was the only one of its batch
 *	 tries		how often this call has been sent and failed by itself, this time included
 */
extern AmVerdict am_call_verdict(AmCallState state, const char *sqlstate, bool failed, bool alone,
								 int tries);

#endif /* AM_SHIM_VERDICT_H */
