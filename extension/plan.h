/*
 * plan.h
 *
 * What a user may use: the subscription in force and the features of its plan version.
 */
#ifndef AM_PLAN_H
#define AM_PLAN_H

#include "compat.h"

#include "core/period.h"

#define AM_FEATURE_NAME_BYTES_MAX 63
#define AM_FEATURE_THRESHOLDS_MAX 16

/* Largest limit and largest roll-over: their sum is still a bigint. */
#define AM_QUOTA_MAX INT64CONST(4611686018427387903)

typedef struct AmSubscription
{
	int32 plan_version_id;
	TimestampTz anchor;     /* where periods count from */
	TimestampTz since;      /* nothing rolls over from before */
	TimestampTz started_at; /* this version has been in force since */
} AmSubscription;

/* Key of the backend's copies: zeroed before it is filled. */
typedef struct AmFeatureKey
{
	int32 plan_version_id;
	char name[AM_FEATURE_NAME_BYTES_MAX + 1];
} AmFeatureKey;

typedef struct AmFeature
{
	AmFeatureKey key; /* hash key */
	bool metered;     /* else nothing below is set */
	int32 meter_id;
	bool limited; /* false: unlimited, limit is 0 */
	int64 limit;  /* units a period, 0..AM_QUOTA_MAX */
	bool hard;    /* refuse what is above */
	amc_period_unit period;
	int64 rollover_max;
	int thresholds_count;
	int32 thresholds[AM_FEATURE_THRESHOLDS_MAX]; /* percent of the allowance, ascending */
} AmFeature;

/* The user's subscription in force at that time, as committed now, if any. SPI is connected. */
extern bool am_subscription_find(const pg_uuid_t *user, TimestampTz at, AmSubscription *found);

/*
 * Copies the feature of that name (not NUL-terminated) of a plan version; false when it has none.
 * SPI is connected.
 */
extern bool am_feature_find(int32 plan_version_id, const char *name, Size name_bytes,
							AmFeature *feature);

/*
 * The period of a feature that a time falls into, in microseconds since 1970; false when it lies
 * outside the years 1 to 9999.
 */
extern bool am_period_at(amc_period_unit unit, TimestampTz anchor, TimestampTz at,
						 amc_period *period);

/* A time of core/period.h; AMC_PERIOD_NEVER is infinity. am_period_us is the inverse. */
extern TimestampTz am_period_timestamp(int64 us);
extern int64 am_period_us(TimestampTz at);

#endif
