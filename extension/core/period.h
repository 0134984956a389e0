/*
 * period.h
 *		Periods of quotas: the hour, day, week, month or year of a subscription, counted
 *		from its anchor.
 *
 * Period n runs from anchor + n units to anchor + (n + 1) units, the end excluded; n
 * is negative before the anchor.  Every bound is computed from the anchor itself, so
 * nothing drifts: a subscription of January 31 renews on February 28 (29 in a leap
 * year), then on March 31.  Times are microseconds of Unix time, UTC: there is no
 * daylight saving and no leap second, and the calendar is the proleptic Gregorian.
 */
#ifndef AMC_PERIOD_H
#define AMC_PERIOD_H

#include "core/span.h"

/* The numbers are stored (quota_counter.period): never renumber. */
typedef enum amc_period_unit
{
	AMC_PERIOD_HOUR = 0,
	AMC_PERIOD_DAY = 1,
	AMC_PERIOD_WEEK = 2,
	AMC_PERIOD_MONTH = 3,
	AMC_PERIOD_YEAR = 4,
	AMC_PERIOD_LIFETIME = 5 /* one period, number 0: all time from the anchor on */
} amc_period_unit;

/* Anchors and times: from 0001-01-01 until 10000-01-01, UTC. */
#define AMC_PERIOD_US_MIN INT64_C(-62135596800000000)
#define AMC_PERIOD_US_END INT64_C(253402300800000000)

#define AMC_PERIOD_NEVER INT64_MAX /* end of a lifetime */

typedef struct amc_period
{
	int64_t number;
	int64_t start_us; /* included */
	int64_t end_us;   /* excluded */
} amc_period;

/* hour, day, week, month, year, lifetime; false for any other text. */
extern bool amc_period_parse(amc_span text, amc_period_unit *unit);

/*
 * The period that at_us falls into; false when a time is out of range.  A lifetime
 * holds any time, also one before its anchor.
 */
extern bool amc_period_at(amc_period_unit unit, int64_t anchor_us, int64_t at_us,
						  amc_period *period);

/* The period of that number; false when it is not within the range of times. */
extern bool amc_period_nth(amc_period_unit unit, int64_t anchor_us, int64_t number,
						   amc_period *period);

#endif /* AMC_PERIOD_H */
