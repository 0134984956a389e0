/*-------------------------------------------------------------------------
 *
 * metrics_table.h
 *	  What metrics_page.c and admin.c need from metrics.c to read the counts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_METRICS_TABLE_H
#define AM_SHIM_METRICS_TABLE_H

#include "metrics.h"

/* Upper bounds of the buckets, inclusive, ascending; one more bucket takes the rest. */
extern const int64_t am_metrics_duration_bounds_us[AM_METRICS_DURATION_BUCKETS];
extern const int am_metrics_size_bounds[AM_METRICS_SIZE_BUCKETS];

/* The status of each counter, ascending; the first, 0, stands for all others. */
extern const int am_metrics_statuses[AM_METRICS_STATUS_MAX];

/* Plain sums over all loops. */
typedef struct AmMetricsRouteSum
{
	uint64_t status[AM_METRICS_STATUS_MAX];
	uint64_t duration[AM_METRICS_DURATION_BUCKETS + 1];
	uint64_t duration_us;
} AmMetricsRouteSum;

typedef struct AmMetricsSizeSum
{
	uint64_t bucket[AM_METRICS_SIZE_BUCKETS + 1];
	uint64_t sum;
} AmMetricsSizeSum;

extern void am_metrics_route_sum(const AmMetricsRegistry *registry, int slot,
								 AmMetricsRouteSum *sum);
extern void am_metrics_size_sum(const AmMetricsRegistry *registry, AmLaneId lane,
								AmMetricsSizeSum *sum);

/* Instances and slots in use. */
extern int am_metrics_loops(const AmMetricsRegistry *registry);
extern int am_metrics_routes(const AmMetricsRegistry *registry);

/* Loops that have no database connection ready in the lane. */
extern int am_metrics_loops_without(const AmMetricsRegistry *registry, AmLaneId lane);

#endif /* AM_SHIM_METRICS_TABLE_H */
