/*
 * clock.h
 *
 * The one source of time.
 */
#ifndef AM_CLOCK_H
#define AM_CLOCK_H

#include "compat.h"

/*
 * The real clock (not the transaction's start) plus authmeter.clock_offset_s, which only a
 * superuser may set and which exists for tests. Safe anywhere.
 */
extern TimestampTz am_clock_now(void);

/*
 * The same instant as milliseconds since 1970-01-01 UTC, as whole seconds (rounded down), and as
 * nanoseconds (beyond the year 2262: the edge of int64).
 */
extern int64 am_clock_unix_ms(TimestampTz at);
extern int64 am_clock_unix_ns(TimestampTz at);
extern int64 am_clock_unix_s(TimestampTz at);

/* The timestamp of a Unix second; the caller has checked that it is within timestamptz's range. */
extern TimestampTz am_clock_from_unix_s(int64 unix_s);

#endif
