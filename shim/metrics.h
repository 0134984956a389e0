/*-------------------------------------------------------------------------
 *
 * metrics.h
 *	  Counters, histograms and gauges, and their Prometheus text.
 *
 * AmMetricsRegistry is the one of the process: the names of the routes, and
 * the list of instances.  AmMetrics is the instance of one loop and is written
 * by that loop only, with relaxed atomics (a plain store on every machine we
 * know); whoever scrapes reads all instances and adds them up, without a lock.
 * A scrape may therefore see a request in the counter and not yet in the
 * histogram; the next scrape has both.
 *
 * Labels come from the route table and from names.h.  Route slots are given
 * out once and never taken back, so that counters survive a reload; when all
 * AM_METRICS_ROUTES_MAX are in use, further routes share slot 0.
 *
 * Registering (instances, routes) happens under a mutex, at start and reload
 * only.  The admin listener reads everything through am_metrics_gauge_sum and
 * am_metrics_render.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_METRICS_H
#define AM_SHIM_METRICS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "names.h"
#include "obs.h"
#include "text.h"

#define AM_METRICS_LOOPS_MAX        64
#define AM_METRICS_ROUTES_MAX       640 /* slot 0 is shared by all that have no slot of their own */
#define AM_METRICS_STATUS_MAX       48
#define AM_METRICS_DURATION_BUCKETS 14 /* and one for the rest */
#define AM_METRICS_SIZE_BUCKETS     11
#define AM_METRICS_PAGE_BYTES_MAX   (8 * 1024 * 1024)

/* Slot 0, and what requests without a route of the table are registered under. */
#define AM_METRICS_SLOT_OTHER 0
#define AM_METRICS_UNMATCHED  "(unmatched)"
#define AM_METRICS_PREFLIGHT  "(preflight)"
#define AM_METRICS_ANY_METHOD "*"

/* clang-format off */

/*
 * Gauges of one loop: X(id, metric name without prefix, help).
 * The owner sets the present value; a scrape shows the sum over the loops.
 */
#define AM_GAUGES(X) \
	X(REQUESTS_IN_FLIGHT, "requests_in_flight", "Requests being worked on.") \
	X(CONNECTIONS_OPEN, "connections_open", "Client connections open.") \
	X(BODY_POOL_BYTES, "body_pool_bytes", "Bytes held by request bodies.") \
	X(LOG_BUFFER_BYTES, "log_buffer_bytes", "Bytes of log lines waiting to be written.")

/* Gauges of one loop and lane. */
#define AM_LANE_GAUGES(X) \
	X(CONNECTIONS_UP, "database_connections_up", "Database connections that are ready.") \
	X(CONNECTIONS_WANTED, "database_connections_wanted", "Database connections configured.") \
	X(QUEUE_DEPTH, "lane_queue_depth", "Calls waiting in the lane.") \
	X(CALLS_SENT, "lane_calls_sent", "Calls sent and not yet answered.")

#define AM_METRICS_ENUM_GAUGE(id, name, help) AM_GAUGE_##id,
typedef enum AmGauge
{
	AM_GAUGES(AM_METRICS_ENUM_GAUGE)
	AM_GAUGE_COUNT
} AmGauge;
#undef AM_METRICS_ENUM_GAUGE

#define AM_METRICS_ENUM_GAUGE(id, name, help) AM_LANE_GAUGE_##id,
typedef enum AmLaneGauge
{
	AM_LANE_GAUGES(AM_METRICS_ENUM_GAUGE)
	AM_LANE_GAUGE_COUNT
} AmLaneGauge;
#undef AM_METRICS_ENUM_GAUGE

/* clang-format on */

typedef _Atomic uint64_t AmCounter;
typedef _Atomic int64_t AmLevel;

typedef struct AmMetricsRoute
{
	AmCounter status[AM_METRICS_STATUS_MAX];
	AmCounter duration[AM_METRICS_DURATION_BUCKETS + 1];
	AmCounter duration_us;
} AmMetricsRoute;

typedef struct AmMetricsSize
{
	AmCounter bucket[AM_METRICS_SIZE_BUCKETS + 1];
	AmCounter sum;
} AmMetricsSize;

/* One loop's instance; about 360 kB, allocated by am_metrics_create. */
typedef struct AmMetrics
{
	/* lane index is lane + 1, so that AM_LANE_NONE has a place; likewise reason */
	AmCounter counter[AM_OBS_COUNT][AM_LANE_COUNT + 1][AM_REASON_MAX + 1];
	AmMetricsSize size[AM_LANE_COUNT];
	AmLevel gauge[AM_GAUGE_COUNT];
	AmLevel lane_gauge[AM_LANE_GAUGE_COUNT][AM_LANE_COUNT];
	AmLevel tick_us;            /* monotonic time of the loop's last turn, 0 = never */
	_Atomic bool tables_loaded; /* the loop has a route table */
	AmMetricsRoute route[AM_METRICS_ROUTES_MAX];
} AmMetrics;

typedef struct AmMetricsRouteName
{
	char *api;
	char *method;
	char *path; /* template */
} AmMetricsRouteName;

typedef struct AmMetricsRegistry
{
	pthread_mutex_t mutex; /* guards registration, never a scrape */
	_Atomic int loop_count;
	AmMetrics *loop[AM_METRICS_LOOPS_MAX];
	_Atomic int route_count; /* slots in use, slot 0 included */
	AmMetricsRouteName route[AM_METRICS_ROUTES_MAX];
	_Atomic bool draining;
	int64_t start_time_us; /* since the epoch */
} AmMetricsRegistry;

/* Prepares the registry; false = out of memory or no mutex. */
extern bool am_metrics_registry_init(AmMetricsRegistry *registry);

/* Frees the registry and every instance.  No thread may use them any more. */
extern void am_metrics_registry_free(AmMetricsRegistry *registry);

/* A new, zeroed instance for one loop; NULL = out of memory or AM_METRICS_LOOPS_MAX reached. */
extern AmMetrics *am_metrics_create(AmMetricsRegistry *registry);

/*
 * The slot of a route, for AmObservation.route_slot; the same three names always
 * give the same slot.  Call when the route table is (re)loaded, never a request.
 * method and path may be AM_METRICS_ANY_METHOD / AM_METRICS_UNMATCHED (one for each
 * mounted API) and "OPTIONS" / AM_METRICS_PREFLIGHT.
 * Returns AM_METRICS_SLOT_OTHER when the table is full or memory is short.
 */
extern int am_metrics_route_add(AmMetricsRegistry *registry, const char *api, const char *method,
								const char *path);

/* Subscriber: counts.  state is the AmMetrics of the emitting thread. */
extern void am_metrics_observe(void *state, const AmObservation *observation);

/* Set, by the owning loop only. */
extern void am_metrics_gauge_set(AmMetrics *metrics, AmGauge gauge, int64_t value);
extern void am_metrics_lane_gauge_set(AmMetrics *metrics, AmLaneGauge gauge, AmLaneId lane,
									  int64_t value);

/*
 * Marks a turn of the loop; now_us is CLOCK_MONOTONIC, greater than 0.  To be
 * called at least twice a second, also when idle.
 */
extern void am_metrics_tick(AmMetrics *metrics, int64_t now_us);

/* Says whether this loop has its route table. */
extern void am_metrics_tables_loaded_set(AmMetrics *metrics, bool loaded);

/* Says that the process drains; shown by /ready. */
extern void am_metrics_draining_set(AmMetricsRegistry *registry, bool draining);

/* Sum of a gauge over all loops. */
extern int64_t am_metrics_gauge_sum(const AmMetricsRegistry *registry, AmGauge gauge);
extern int64_t am_metrics_lane_gauge_sum(const AmMetricsRegistry *registry, AmLaneGauge gauge,
										 AmLaneId lane);

/* Sum of a counter over all loops; lane AM_LANE_NONE and reason -1 where the row has none. */
extern uint64_t am_metrics_counter_sum(const AmMetricsRegistry *registry, AmObsId id, AmLaneId lane,
									   int reason);

/*
 * Appends the whole page in Prometheus text format 0.0.4.  library_version is
 * shown in authmeter_build_info (PQlibVersion() as text), NULL = left out.
 * False if the text failed (ceiling or memory).
 */
extern bool am_metrics_render(const AmMetricsRegistry *registry, const char *library_version,
							  AmText *page);

/* The version of the text format, for Content-Type. */
#define AM_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif /* AM_SHIM_METRICS_H */
