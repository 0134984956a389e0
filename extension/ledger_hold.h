/*
 * ledger_hold.h
 *
 * Holds: amounts set aside for a while, then captured, voided or expired, once.
 */
#ifndef AM_LEDGER_HOLD_H
#define AM_LEDGER_HOLD_H

#include "compat.h"

#include "ledger_account.h"

/* The longest life of a hold, seven days. */
#define AM_HOLD_LIFETIME_MAX (7 * USECS_PER_DAY)

/*
 * Sets call->amount aside until now + lifetime (microseconds, above 0, checked by the caller), as
 * hold call->transaction.
 */
extern void am_ledger_hold(AmLedgerCall *call, int64 lifetime);

/*
 * Spends call->amount (0 = all that is held) of a hold of call->user; what is left of it is free
 * again, unless keep. More than is held is taken too if the account has it. Outcomes beyond those
 * of a spend: hold_unknown, hold_expired, hold_resolved.
 */
extern void am_ledger_capture(AmLedgerCall *call, const pg_uuid_t *hold, bool keep);

/* Frees what a hold of call->user keeps; the same outcomes. */
extern void am_ledger_void(AmLedgerCall *call, const pg_uuid_t *hold);

/* Books the end of an open hold of a locked account. */
extern void am_hold_expire(AmAccount *account, const pg_uuid_t *hold, TimestampTz at);

#endif
