/*
 * gcra.h
 *		Rate limits without windows: the generic cell rate algorithm, in its form as
 *		a leaking bucket ("continuous-state leaky bucket", ITU-T I.371 annex A).
 *
 * A key has a level: units counted and not yet leaked.  It leaks count units each
 * window, steadily, and burst is the most it may hold.  Hence the promise: in any
 * stretch w of the clock at most count * w / window + burst units are granted.
 *
 * The level is kept in 2^-32 units and the time in nanoseconds; what leaks is
 * rounded down, so rounding never grants anything, and withholds less than 2^-32
 * unit for each call that was granted.  The level, unlike the customary time of
 * arrival, does not depend on the rate: a changed rate or burst acts at once.
 *
 * Whoever keeps the state (shared memory or a row) holds its lock around a step.
 */
#ifndef AMC_GCRA_H
#define AMC_GCRA_H

#include "core/rate.h"

#define AMC_GCRA_UNIT (INT64_C(1) << 32) /* level of one unit */

/* The rate of a limit and the most that may be taken at once. */
typedef struct amc_limit
{
	amc_rate rate;
	int64_t burst; /* 1..AMC_RATE_COUNT_MAX: GCRA; 0 = the fixed window of rate.h */
} amc_limit;

/* State of one key; all zero = nothing counted yet. */
typedef struct amc_limit_state
{
	int64_t since_ns; /* GCRA: when level was right; window: its start */
	int64_t level;    /* what is counted, in AMC_GCRA_UNIT */
} amc_limit_state;

/*
 * amc_gcra_step: ask for cost units at now_ns (nanoseconds since any epoch), and
 * count them if they fit.
 *
 * cost 0 peeks: allowed tells whether one more unit would be, and nothing
 * changes.  A negative cost is refused, and so is one above the burst, which can
 * never succeed: retry_after_ms is then AMC_RATE_NEVER.  A refused call changes
 * nothing.  retry_after_ms is the time until the same call would succeed if
 * nobody else came; reset_ms the time until everything has leaked.  While the
 * clock has run back nothing leaks until it has passed the latest counted call
 * again.  Of the limit rate.count 0 is off; burst must be 1 or more.
 */
extern amc_rate_result amc_gcra_step(amc_limit_state *state, int64_t now_ns, const amc_limit *limit,
									 int64_t cost);

/* amc_limit_step: amc_gcra_step, or amc_rate_step by milliseconds if the burst is 0. */
extern amc_rate_result amc_limit_step(amc_limit_state *state, int64_t now_ns,
									  const amc_limit *limit, int64_t cost);

#endif /* AMC_GCRA_H */
