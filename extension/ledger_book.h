/*
 * ledger_book.h
 *
 * The bookings behind the SQL functions of ledger_sql.c. SPI is connected, amounts are checked,
 * idempotency is the caller's; each sets the answer in call.
 */
#ifndef AM_LEDGER_BOOK_H
#define AM_LEDGER_BOOK_H

#include "compat.h"

#include "ledger.h"
#include "ledger_account.h"

typedef struct AmGrantTerms
{
	text *source;
	int32 priority;
	TimestampTz effective_at; /* DT_NOBEGIN = at once */
	TimestampTz expires_at;   /* DT_NOEND = never */
} AmGrantTerms;

/* A spend that the open account allows. */
extern void am_ledger_spend_locked(AmLedgerCall *call, AmAccount *account, TimestampTz now);

extern void am_ledger_grant(AmLedgerCall *call, AmGrantTerms *terms);

/* Takes back what is left of a grant; see ledger_grant_void in SQL for the outcomes. */
extern void am_ledger_grant_void(AmLedgerCall *call, const pg_uuid_t *grant);

/* Connects to SPI itself: books what is due on up to rows_max accounts; returns on how many. */
extern int64 am_ledger_settle(int64 rows_max);

/* call->amount may be negative: a correction downwards. */
extern void am_ledger_adjust(AmLedgerCall *call);

/* call->amount is the new credit limit, 0 or more. */
extern void am_ledger_credit_limit_set(AmLedgerCall *call);

/* call->amount 0 = all that was not given back yet. */
extern void am_ledger_refund(AmLedgerCall *call, const pg_uuid_t *origin);

/* receiver is another user than call->user. */
extern void am_ledger_transfer(AmLedgerCall *call, const pg_uuid_t *receiver);

#endif
