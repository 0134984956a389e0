/*
 * ratetable.h
 *
 * The fixed-size tables of counters in shared memory, behind ratelimit.h.
 */
#ifndef AM_RATETABLE_H
#define AM_RATETABLE_H

#include "compat.h"

#include "core/gcra.h"

/* A keyed hash of what is counted: nobody outside can choose keys that fall into one bucket. */
typedef struct AmRateKey
{
	uint64 word[2];
} AmRateKey;

/* Derives the key of data under the server start's secret. Only when preloaded. */
extern AmRateKey am_ratetable_key(const void *data, Size data_bytes);

/* The time at which a counter is empty again; what can never be is at the edge of int64. */
static inline int64
am_ratetable_end_ms(int64 now_ms, int64 reset_ms)
{
	return now_ms > PG_INT64_MAX - reset_ms ? PG_INT64_MAX : now_ms + reset_ms;
}

/* amc_limit_step on the counter of key, atomically. */
extern amc_rate_result am_ratetable_step(const AmRateKey *key, const amc_limit *limit, int64 cost);

/* Starts an attempt counter at 0 for lifetime_ms. */
extern void am_ratetable_attempt_open(const AmRateKey *key, int64 lifetime_ms);

/* Counts one attempt; its number, or 0 when attempts_max are spent or the counter is not there. */
extern int64 am_ratetable_attempt_take(const AmRateKey *key, int64 attempts_max);

#endif
