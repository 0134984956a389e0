/*
 * ratelimit.h
 *
 * Rate limits, by the fixed window of the contracts (section 10) or by GCRA, and the counters of
 * guesses that must survive a caller's rollback. Both live in shared memory when the library is
 * preloaded; then nothing a transaction does can take a count back.
 */
#ifndef AM_RATELIMIT_H
#define AM_RATELIMIT_H

#include "compat.h"

#include "core/gcra.h"
#include "core/net.h"
#include "shmem.h"

#define AM_RATE_POLICY_BYTES_MAX 63
#define AM_RATE_KEY_BYTES_MAX    512

/* Key under which everything without a known client address is counted: one strict bucket. */
#define AM_RATE_ADDRESS_UNKNOWN "unknown"

extern AmShmemPart am_ratelimit_shmem;

typedef amc_rate_result AmRateVerdict;

/*
 * Counts cost units against (policy, key) and says whether they fitted. Cost 0 peeks and counts
 * nothing, a refused call counts nothing either. Atomic across backends.
 *
 * policy is the limit's name (1 to AM_RATE_POLICY_BYTES_MAX bytes), key what is limited (up to
 * AM_RATE_KEY_BYTES_MAX bytes). A rate with count 0 is off: always allowed, nothing kept.
 *
 * Preloaded: survives rollback, cancel and a terminated backend; lost when the server restarts.
 * Not preloaded: a row of authmeter.rate_window, and the call raises AM_TRANSACTION_BLOCK inside an
 * explicit transaction block or a subtransaction unless cost is 0.
 */
extern AmRateVerdict am_ratelimit_take(const char *policy, const char *key, const amc_rate *rate,
									   int64 cost);

/*
 * The same for a limit of either kind: GCRA when limit->burst is 1 or more. A name counts apart in
 * each of the two kinds.
 */
extern AmRateVerdict am_ratelimit_limit_take(const char *policy, const char *key,
											 const amc_limit *limit, int64 cost);

/* Writes the key of a client address (IPv6 by its /64); NULL or malformed: the unknown bucket. */
extern void am_ratelimit_address_key(const char *address, char out[AMC_NET_KEY_BYTES]);

/*
 * Raises AM_TRANSACTION_BLOCK when a guess could be taken back by rolling back: not preloaded and
 * inside an explicit transaction block or a subtransaction.
 */
extern void am_ratelimit_require_countable(void);

/*
 * Housekeeping: removes at most rows_max counters whose time is over from the table that a server
 * without preloading counts in; their number.
 */
extern int64 am_ratelimit_purge(int64 rows_max);

/*
 * Attempt counters, one for each secret that may be guessed. id is the secret's own id.
 *
 * am_attempt_open starts the count for lifetime_ms. am_attempt_take counts one attempt and returns
 * its number (from 1), or 0 when attempts_max are spent or no counter exists: a counter that was
 * lost (server restart, table full) makes its secret unusable instead of free to guess. Not
 * preloaded: open does nothing, take always returns 1, and the caller's table counts.
 */
extern void am_attempt_open(const pg_uuid_t *id, int64 lifetime_ms);
extern int64 am_attempt_take(const pg_uuid_t *id, int64 attempts_max);

#endif
