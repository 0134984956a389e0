/*
 * quota.h
 *
 * Consuming quotas in C: quota_consume, and calls that do more in one step.
 *
 * Whoever consumes several quotas in one transaction finds all of them first (am_quota_find), sorts
 * them by am_quota_compare, and takes them in that order, or parallel callers may deadlock.
 * Idempotency keys are claimed before, ledger accounts after. SPI is connected for all of this.
 */
#ifndef AM_QUOTA_H
#define AM_QUOTA_H

#include "compat.h"

#include "plan.h"

typedef struct AmQuota
{
	/* The question: set by the caller. */
	pg_uuid_t user;
	int64 amount; /* 0 or more */

	/* Set by am_quota_find. */
	AmSubscription subscription;
	AmFeature feature;
	amc_period period;

	/* The answer. */
	const char *outcome; /* NULL = not decided yet */
	bool counted;        /* the figures below are set */
	bool limited;        /* false: unlimited, allowance is 0 */
	int64 used;
	int64 allowance; /* limit of the plan and what rolled over */
	TimestampTz resets_at;
	bool replayed;
	int crossed_count;
	int32 crossed[AM_FEATURE_THRESHOLDS_MAX]; /* percent */
} AmQuota;

/*
 * Finds the subscription, the feature and its period at that time. Sets outcome when the answer is
 * known by that: amount_invalid, no_subscription, user_unknown, feature_unknown, not_metered.
 */
extern void am_quota_find(AmQuota *quota, const text *feature, TimestampTz at);

/* Order in which counters are locked: by user, meter, period and its start. */
extern int am_quota_compare(const AmQuota *a, const AmQuota *b);

/*
 * Consumes what was found, in one conditional statement, and sets outcome: ok, soft_over (counted,
 * above the allowance), over (nothing counted), overflow, user_unknown. Records thresholds.
 */
extern void am_quota_take(AmQuota *quota);

/* Says what am_quota_take would answer; changes nothing and locks nothing. */
extern void am_quota_look(AmQuota *quota);

/* Gives back: ok, not_consumed (more than is used), period_over (unused units have rolled over). */
extern void am_quota_give(AmQuota *quota);

/* What is left, 0 or more; only when counted and limited. */
extern int64 am_quota_remaining(const AmQuota *quota);

#endif
