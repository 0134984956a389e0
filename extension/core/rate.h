/*
 * rate.h
 *		Rate limits: their spelling ('10/15m', 'off') and the fixed window.
 *
 * The window of a key starts with its first counted request and lasts window_ms.
 * Within it limit units are allowed; a refused request changes nothing, so it
 * neither extends the window nor counts.  Whoever keeps the state (shared memory
 * or a row) holds its lock around amc_rate_step.
 */
#ifndef AMC_RATE_H
#define AMC_RATE_H

#include "core/duration.h"

#define AMC_RATE_COUNT_MAX  INT64_C(1000000000)
#define AMC_RATE_TEXT_BYTES 40        /* enough for every formatted limit, terminated */
#define AMC_RATE_NEVER      INT64_MAX /* retry_after_ms of what can never succeed */

typedef struct amc_rate
{
	int64_t count;     /* 1..AMC_RATE_COUNT_MAX; 0 = off: everything is allowed */
	int64_t window_ms; /* 1..AMC_DURATION_MS_MAX; 0 if off */
} amc_rate;

/* State of one key; all zero = nothing counted yet. */
typedef struct amc_rate_window
{
	int64_t start_ms; /* clock at the first counted request */
	int64_t count;    /* units counted since; 0 = no window open */
} amc_rate_window;

typedef struct amc_rate_result
{
	bool allowed;
	int64_t remaining;      /* units left in the window after this call; INT64_MAX if off */
	int64_t retry_after_ms; /* 0 if allowed; else >= 1: time until the window ends */
	int64_t reset_ms;       /* time until nothing is counted any more; 0 if nothing is, or off */
} amc_rate_result;

/*
 * amc_rate_parse: read 'count/window' or 'off'.
 *
 * count 1..AMC_RATE_COUNT_MAX in digits, window a duration above 0.  Anything
 * else: false, *rate unchanged.
 */
extern bool amc_rate_parse(const char *text, size_t len, amc_rate *rate);

/* amc_rate_format: the spelling that parses back; returns the length, out is terminated. */
extern size_t amc_rate_format(const amc_rate *rate, char out[AMC_RATE_TEXT_BYTES]);

/*
 * amc_rate_step: ask for cost units at now_ms, and count them if they fit.
 *
 * cost 0 peeks: allowed tells whether one more unit would be, and nothing
 * changes.  A negative cost is refused.  A cost above the limit can never
 * succeed and is refused with retry_after_ms = the window.  A clock that runs
 * back (now_ms < start_ms) leaves the window open until the clock has passed
 * start_ms + window_ms again: it never grants extra.  Lowering or raising the
 * limit acts at once.  *window changes only if something was counted.
 */
extern amc_rate_result amc_rate_step(amc_rate_window *window, int64_t now_ms, const amc_rate *rate,
									 int64_t cost);

/* amc_rate_retry_after_s: whole seconds for Retry-After, rounded up, at least 1. */
extern int64_t amc_rate_retry_after_s(int64_t retry_after_ms);

#endif /* AMC_RATE_H */
