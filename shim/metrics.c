/*-------------------------------------------------------------------------
 *
 * metrics.c
 *	  Counting: the registry, the instances, and the sums over them.
 *
 * Who writes what: an instance by its loop alone; the registry's names and list
 * by whoever holds the mutex, each entry being complete before the count that
 * publishes it is raised (release; readers load it with acquire).  Nothing is
 * ever removed before am_metrics_registry_free().
 *
 * The page itself is metrics_page.c.
 *
 *-------------------------------------------------------------------------
 */
#include "metrics.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "metrics_table.h"

const int64_t am_metrics_duration_bounds_us[AM_METRICS_DURATION_BUCKETS] = {
	500,    1000,   2500,   5000,    10000,   25000,   50000,
	100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};

const int am_metrics_size_bounds[AM_METRICS_SIZE_BUCKETS] = {1,  2,   4,   8,   16,  32,
															 64, 128, 256, 512, 1024};

/* Status codes with a counter of their own (RFC 9110, section 15, and RFC 6585); 0 is "other". */
const int am_metrics_statuses[AM_METRICS_STATUS_MAX] = {
	0,   200, 201, 202, 203, 204, 205, 206, 207, 300, 301, 302, 303, 304, 307, 308,
	400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415,
	416, 417, 421, 422, 423, 424, 425, 426, 428, 429, 431, 500, 501, 502, 503, 504};

/* ---- atomics ---- */

/* The only writer is the owner, hence no read-modify-write instruction. */
static void
counter_add(AmCounter *counter, uint64_t amount)
{
	uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, value + amount, memory_order_relaxed);
}

static uint64_t
counter_read(const AmCounter *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void
level_set(AmLevel *level, int64_t value)
{
	atomic_store_explicit(level, value, memory_order_relaxed);
}

static int64_t
level_read(const AmLevel *level)
{
	return atomic_load_explicit(level, memory_order_relaxed);
}

/* ---- registry ---- */

static char *
copy_name(const char *name)
{
	return strdup(name != NULL ? name : "");
}

static void
route_name_free(AmMetricsRouteName *name)
{
	free(name->api);
	free(name->method);
	free(name->path);
	memset(name, 0, sizeof(*name));
}

static bool
route_name_set(AmMetricsRouteName *name, const char *api, const char *method, const char *path)
{
	name->api = copy_name(api);
	name->method = copy_name(method);
	name->path = copy_name(path);
	if (name->api != NULL && name->method != NULL && name->path != NULL)
		return true;
	route_name_free(name);
	return false;
}

bool
am_metrics_registry_init(AmMetricsRegistry *registry)
{
	struct timespec now;

	memset(registry, 0, sizeof(*registry));
	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return false;
	registry->start_time_us = (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
	if (pthread_mutex_init(&registry->mutex, NULL) != 0)
		return false;
	if (!route_name_set(&registry->route[AM_METRICS_SLOT_OTHER], "none", AM_METRICS_ANY_METHOD,
						AM_METRICS_UNMATCHED))
	{
		(void) pthread_mutex_destroy(&registry->mutex);
		return false;
	}
	atomic_store_explicit(&registry->route_count, 1, memory_order_release);
	return true;
}

void
am_metrics_registry_free(AmMetricsRegistry *registry)
{
	for (int i = 0; i < atomic_load(&registry->loop_count); i++)
		free(registry->loop[i]);
	for (int i = 0; i < atomic_load(&registry->route_count); i++)
		route_name_free(&registry->route[i]);
	(void) pthread_mutex_destroy(&registry->mutex);
	memset(registry, 0, sizeof(*registry));
}

AmMetrics *
am_metrics_create(AmMetricsRegistry *registry)
{
	AmMetrics *metrics = calloc(1, sizeof(AmMetrics));
	int count;

	if (metrics == NULL)
		return NULL;
	(void) pthread_mutex_lock(&registry->mutex);
	count = atomic_load_explicit(&registry->loop_count, memory_order_relaxed);
	if (count < AM_METRICS_LOOPS_MAX)
	{
		registry->loop[count] = metrics;
		atomic_store_explicit(&registry->loop_count, count + 1, memory_order_release);
	}
	else
	{
		free(metrics);
		metrics = NULL;
	}
	(void) pthread_mutex_unlock(&registry->mutex);
	return metrics;
}

static bool
route_name_equals(const AmMetricsRouteName *name, const char *api, const char *method,
				  const char *path)
{
	return strcmp(name->api, api) == 0 && strcmp(name->method, method) == 0 &&
		   strcmp(name->path, path) == 0;
}

/* The route's slot, added if it is new and there is room; the mutex is held. */
static int
route_slot(AmMetricsRegistry *registry, const char *api, const char *method, const char *path)
{
	int count = atomic_load_explicit(&registry->route_count, memory_order_relaxed);

	for (int slot = 0; slot < count; slot++)
	{
		if (route_name_equals(&registry->route[slot], api, method, path))
			return slot;
	}
	if (count >= AM_METRICS_ROUTES_MAX ||
		!route_name_set(&registry->route[count], api, method, path))
		return AM_METRICS_SLOT_OTHER;
	atomic_store_explicit(&registry->route_count, count + 1, memory_order_release);
	return count;
}

int
am_metrics_route_add(AmMetricsRegistry *registry, const char *api, const char *method,
					 const char *path)
{
	int slot;

	(void) pthread_mutex_lock(&registry->mutex);
	slot = route_slot(registry, api, method, path);
	(void) pthread_mutex_unlock(&registry->mutex);
	return slot;
}

/* ---- counting ---- */

static int
status_index(int status)
{
	int low = 1;
	int high = AM_METRICS_STATUS_MAX - 1;

	while (low <= high)
	{
		int middle = (low + high) / 2;

		if (am_metrics_statuses[middle] == status)
			return middle;
		if (am_metrics_statuses[middle] < status)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return 0;
}

static void
count_request(AmMetrics *metrics, const AmObservation *seen)
{
	int slot = seen->route_slot;
	AmMetricsRoute *route;
	int bucket = 0;

	if (slot < 0 || slot >= AM_METRICS_ROUTES_MAX)
		slot = AM_METRICS_SLOT_OTHER;
	route = &metrics->route[slot];
	counter_add(&route->status[status_index(seen->status)], 1);
	if (seen->total_us < 0)
		return;
	while (bucket < AM_METRICS_DURATION_BUCKETS &&
		   seen->total_us > am_metrics_duration_bounds_us[bucket])
		bucket++;
	counter_add(&route->duration[bucket], 1);
	counter_add(&route->duration_us, (uint64_t) seen->total_us);
}

static void
count_size(AmMetrics *metrics, const AmObservation *seen)
{
	AmMetricsSize *size;
	int bucket = 0;

	if ((int) seen->lane < 0 || seen->lane >= AM_LANE_COUNT || seen->group_size < 1)
		return;
	size = &metrics->size[seen->lane];
	while (bucket < AM_METRICS_SIZE_BUCKETS && seen->group_size > am_metrics_size_bounds[bucket])
		bucket++;
	counter_add(&size->bucket[bucket], 1);
	counter_add(&size->sum, (uint64_t) seen->group_size);
}

/* Places in the counter table; 0 is "absent". */
static int
lane_place(const AmObsRow *row, AmLaneId lane)
{
	return row->by_lane && (int) lane >= 0 && lane < AM_LANE_COUNT ? (int) lane + 1 : 0;
}

static int
reason_place(const AmObsRow *row, int reason)
{
	return reason >= 0 && reason < am_reason_count(row->reason_kind) ? reason + 1 : 0;
}

void
am_metrics_observe(void *state, const AmObservation *observation)
{
	AmMetrics *metrics = state;
	const AmObsRow *row = am_obs_row(observation->id);

	switch (row->metric)
	{
		case AM_METRIC_REQUEST:
			count_request(metrics, observation);
			break;
		case AM_METRIC_SIZE:
			count_size(metrics, observation);
			break;
		case AM_METRIC_COUNTER:
			if (observation->count > 0)
				counter_add(&metrics->counter[observation->id][lane_place(row, observation->lane)]
											 [reason_place(row, observation->reason)],
							(uint64_t) observation->count);
			break;
		case AM_METRIC_NONE:
			break;
	}
}

/* ---- gauges ---- */

void
am_metrics_gauge_set(AmMetrics *metrics, AmGauge gauge, int64_t value)
{
	level_set(&metrics->gauge[gauge], value);
}

void
am_metrics_lane_gauge_set(AmMetrics *metrics, AmLaneGauge gauge, AmLaneId lane, int64_t value)
{
	if ((int) lane >= 0 && lane < AM_LANE_COUNT)
		level_set(&metrics->lane_gauge[gauge][lane], value);
}

void
am_metrics_tick(AmMetrics *metrics, int64_t now_us)
{
	level_set(&metrics->tick_us, now_us);
}

void
am_metrics_tables_loaded_set(AmMetrics *metrics, bool loaded)
{
	atomic_store_explicit(&metrics->tables_loaded, loaded, memory_order_relaxed);
}

void
am_metrics_draining_set(AmMetricsRegistry *registry, bool draining)
{
	atomic_store_explicit(&registry->draining, draining, memory_order_relaxed);
}

/* ---- sums ---- */

int
am_metrics_loops(const AmMetricsRegistry *registry)
{
	return atomic_load_explicit(&registry->loop_count, memory_order_acquire);
}

int
am_metrics_routes(const AmMetricsRegistry *registry)
{
	return atomic_load_explicit(&registry->route_count, memory_order_acquire);
}

int64_t
am_metrics_gauge_sum(const AmMetricsRegistry *registry, AmGauge gauge)
{
	int64_t sum = 0;

	for (int i = 0; i < am_metrics_loops(registry); i++)
		sum += level_read(&registry->loop[i]->gauge[gauge]);
	return sum;
}

int64_t
am_metrics_lane_gauge_sum(const AmMetricsRegistry *registry, AmLaneGauge gauge, AmLaneId lane)
{
	int64_t sum = 0;

	for (int i = 0; i < am_metrics_loops(registry); i++)
		sum += level_read(&registry->loop[i]->lane_gauge[gauge][lane]);
	return sum;
}

uint64_t
am_metrics_counter_sum(const AmMetricsRegistry *registry, AmObsId id, AmLaneId lane, int reason)
{
	const AmObsRow *row = am_obs_row(id);
	int by_lane = lane_place(row, lane);
	int by_reason = reason_place(row, reason);
	uint64_t sum = 0;

	for (int i = 0; i < am_metrics_loops(registry); i++)
		sum += counter_read(&registry->loop[i]->counter[id][by_lane][by_reason]);
	return sum;
}

void
am_metrics_route_sum(const AmMetricsRegistry *registry, int slot, AmMetricsRouteSum *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (int i = 0; i < am_metrics_loops(registry); i++)
	{
		const AmMetricsRoute *route = &registry->loop[i]->route[slot];

		for (int status = 0; status < AM_METRICS_STATUS_MAX; status++)
			sum->status[status] += counter_read(&route->status[status]);
		for (int bucket = 0; bucket <= AM_METRICS_DURATION_BUCKETS; bucket++)
			sum->duration[bucket] += counter_read(&route->duration[bucket]);
		sum->duration_us += counter_read(&route->duration_us);
	}
}

void
am_metrics_size_sum(const AmMetricsRegistry *registry, AmLaneId lane, AmMetricsSizeSum *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (int i = 0; i < am_metrics_loops(registry); i++)
	{
		const AmMetricsSize *size = &registry->loop[i]->size[lane];

		for (int bucket = 0; bucket <= AM_METRICS_SIZE_BUCKETS; bucket++)
			sum->bucket[bucket] += counter_read(&size->bucket[bucket]);
		sum->sum += counter_read(&size->sum);
	}
}

int
am_metrics_loops_without(const AmMetricsRegistry *registry, AmLaneId lane)
{
	int without = 0;

	for (int i = 0; i < am_metrics_loops(registry); i++)
	{
		if (level_read(&registry->loop[i]->lane_gauge[AM_LANE_GAUGE_CONNECTIONS_UP][lane]) < 1)
			without++;
	}
	return without;
}
