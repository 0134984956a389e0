/*
 * interval.h
 *
 * Adding an interval that a caller chose to a time, within limits and without PostgreSQL's overflow
 * errors.
 */
#ifndef AM_INTERVAL_H
#define AM_INTERVAL_H

#include "compat.h"

#define AM_INTERVAL_YEARS_MAX 8000

/*
 * The time that lies span after from, if span is min_us to max_us long there (a month has no fixed
 * length). False, with *end untouched, otherwise; max_us is at most AM_INTERVAL_YEARS_MAX years.
 */
static inline bool
am_interval_end(TimestampTz from, const Interval *span, int64 min_us, int64 max_us,
				TimestampTz *end)
{
	const int64 years_us = AM_INTERVAL_YEARS_MAX * INT64CONST(366) * USECS_PER_DAY;
	TimestampTz sum;

	if (abs(span->month) > AM_INTERVAL_YEARS_MAX * 12 ||
		abs(span->day) > AM_INTERVAL_YEARS_MAX * 366 || span->time > years_us ||
		span->time < -years_us)
		return false;
	sum = DatumGetTimestampTz(DirectFunctionCall2(
		timestamptz_pl_interval, TimestampTzGetDatum(from), IntervalPGetDatum(span)));
	if (sum - from < min_us || sum - from > max_us)
		return false;
	*end = sum;
	return true;
}

/*
 * The length of a span in microseconds, min_us to max_us, where a day has 24 hours and a month 30
 * days whatever the calendar says: for lifetimes that a token states in seconds. False, with *us
 * untouched, otherwise.
 */
static inline bool
am_interval_us(const Interval *span, int64 min_us, int64 max_us, int64 *us)
{
	const int64 years_us = AM_INTERVAL_YEARS_MAX * INT64CONST(366) * USECS_PER_DAY;
	int64 sum;

	if (abs(span->month) > AM_INTERVAL_YEARS_MAX * 12 ||
		abs(span->day) > AM_INTERVAL_YEARS_MAX * 366 || span->time > years_us ||
		span->time < -years_us)
		return false;
	sum = ((int64) span->month * DAYS_PER_MONTH + span->day) * USECS_PER_DAY + span->time;
	if (sum < min_us || sum > max_us)
		return false;
	*us = sum;
	return true;
}

#endif
