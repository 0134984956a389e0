/*
 * ledger_grant.h
 *
 * Dated grants: what burns in which order, what begins, and what ends.
 *
 * Credit burns by priority, then expiry, then age. Plain credit (the balance less what remains of
 * dated grants) stands at priority AM_GRANT_PRIORITY, after the dated grants of that priority; the
 * credit limit comes last.
 */
#ifndef AM_LEDGER_GRANT_H
#define AM_LEDGER_GRANT_H

#include "compat.h"

#include "ledger_account.h"

#define AM_GRANT_PRIORITY         100
#define AM_GRANT_PRIORITY_MAX     1000
#define AM_GRANTS_OPEN_MAX        1000
#define AM_GRANT_SOURCE_BYTES_MAX 63

/* A part that a grant can give, and how much of it is taken. */
typedef struct AmGrantShare
{
	pg_uuid_t grant;
	int32 priority;
	int64 free;
	int64 take;
} AmGrantShare;

typedef struct AmGrantShares
{
	int count;
	AmGrantShare *shares; /* in the order of burning */
} AmGrantShares;

/* What grants in force can give: remaining and not reserved. Empty for an account without any. */
extern AmGrantShares am_grant_free(const AmAccount *account);

/* The shares in the last result: grant, free, priority in columns 1 to 3. */
extern AmGrantShares am_grant_shares_read(uint64 rows);

extern int64 am_grant_shares_sum(const AmGrantShares *shares);

/* Sets take of each share so that amount is met as far as shares and plain credit reach. */
extern void am_grant_allocate(AmGrantShares *shares, int64 plain, int64 amount);

/* Burns what is taken of each share, for the account's present version. */
extern void am_grant_burn(AmAccount *account, const AmGrantShares *shares);

/* The same for one grant; a negative amount gives back. */
extern void am_grant_burn_one(AmAccount *account, const pg_uuid_t *grant, int64 amount);

/* Books, in the order of time, everything that is due by now; false when there was nothing. */
extern bool am_grant_settle(AmAccount *account, TimestampTz now);

#endif
