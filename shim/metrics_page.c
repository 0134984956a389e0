/*-------------------------------------------------------------------------
 *
 * metrics_page.c
 *	  The metrics in Prometheus' text format 0.0.4.
 *
 * Each family is one HELP line, one TYPE line and its samples.  Counters over
 * closed sets are shown with their zeros, so that a rate has something to start
 * from; routes appear once they have been used.
 *
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "metrics.h"
#include "metrics_table.h"
#include "process.h"

#define PREFIX "authmeter_"

static const char *const gauge_names[] = {
#define GAUGE_NAME(id, name, help) [AM_GAUGE_##id] = name,
	AM_GAUGES(GAUGE_NAME)
#undef GAUGE_NAME
};

static const char *const gauge_helps[] = {
#define GAUGE_HELP(id, name, help) [AM_GAUGE_##id] = help,
	AM_GAUGES(GAUGE_HELP)
#undef GAUGE_HELP
};

static const char *const lane_gauge_names[] = {
#define GAUGE_NAME(id, name, help) [AM_LANE_GAUGE_##id] = name,
	AM_LANE_GAUGES(GAUGE_NAME)
#undef GAUGE_NAME
};

static const char *const lane_gauge_helps[] = {
#define GAUGE_HELP(id, name, help) [AM_LANE_GAUGE_##id] = help,
	AM_LANE_GAUGES(GAUGE_HELP)
#undef GAUGE_HELP
};

static void
family(AmText *page, const char *prefix, const char *name, const char *type, const char *help)
{
	am_text_printf(page, "# HELP %s%s %s\n# TYPE %s%s %s\n", prefix, name, help, prefix, name,
				   type);
}

/* A label value: backslash, quote and newline are escaped. */
static void
label_value(AmText *page, const char *value)
{
	for (; *value != '\0'; value++)
	{
		if (*value == '\n')
			am_text_puts(page, "\\n");
		else
		{
			if (*value == '\\' || *value == '"')
				am_text_putc(page, '\\');
			am_text_putc(page, *value);
		}
	}
}

/* ---- routes ---- */

static void
route_labels(AmText *page, const AmMetricsRouteName *name)
{
	am_text_puts(page, "api=\"");
	label_value(page, name->api);
	am_text_puts(page, "\",route=\"");
	label_value(page, name->path);
	am_text_puts(page, "\",method=\"");
	label_value(page, name->method);
	am_text_putc(page, '"');
}

static void
requests_of_route(AmText *page, const AmMetricsRouteName *name, const AmMetricsRouteSum *sum)
{
	for (int i = 0; i < AM_METRICS_STATUS_MAX; i++)
	{
		if (sum->status[i] == 0)
			continue;
		am_text_puts(page, PREFIX "requests_total{");
		route_labels(page, name);
		if (am_metrics_statuses[i] == 0)
			am_text_puts(page, ",status=\"other\"");
		else
			am_text_printf(page, ",status=\"%d\"", am_metrics_statuses[i]);
		am_text_printf(page, "} %" PRIu64 "\n", sum->status[i]);
	}
}

static void
duration_line(AmText *page, const AmMetricsRouteName *name, const char *suffix)
{
	am_text_printf(page, PREFIX "request_duration_seconds_%s{", suffix);
	route_labels(page, name);
}

static void
durations_of_route(AmText *page, const AmMetricsRouteName *name, const AmMetricsRouteSum *sum)
{
	uint64_t count = 0;

	for (int i = 0; i <= AM_METRICS_DURATION_BUCKETS; i++)
		count += sum->duration[i];
	if (count == 0)
		return;
	count = 0;
	for (int i = 0; i < AM_METRICS_DURATION_BUCKETS; i++)
	{
		count += sum->duration[i];
		duration_line(page, name, "bucket");
		am_text_printf(page, ",le=\"%g\"} %" PRIu64 "\n",
					   (double) am_metrics_duration_bounds_us[i] / 1e6, count);
	}
	count += sum->duration[AM_METRICS_DURATION_BUCKETS];
	duration_line(page, name, "bucket");
	am_text_printf(page, ",le=\"+Inf\"} %" PRIu64 "\n", count);
	duration_line(page, name, "sum");
	am_text_printf(page, "} %" PRIu64 ".%06" PRIu64 "\n", sum->duration_us / 1000000,
				   sum->duration_us % 1000000);
	duration_line(page, name, "count");
	am_text_printf(page, "} %" PRIu64 "\n", count);
}

static void
routes(const AmMetricsRegistry *registry, AmText *page)
{
	int count = am_metrics_routes(registry);
	AmMetricsRouteSum sum;

	family(page, PREFIX, "requests_total", "counter", am_obs_row(AM_OBS_REQUEST)->help);
	for (int slot = 0; slot < count; slot++)
	{
		am_metrics_route_sum(registry, slot, &sum);
		requests_of_route(page, &registry->route[slot], &sum);
	}
	family(page, PREFIX, "request_duration_seconds", "histogram",
		   "Time from the first byte of a request to its reply.");
	for (int slot = 0; slot < count; slot++)
	{
		am_metrics_route_sum(registry, slot, &sum);
		durations_of_route(page, &registry->route[slot], &sum);
	}
}

/* ---- counters ---- */

static void
counter_sample(const AmMetricsRegistry *registry, AmText *page, AmObsId id, AmLaneId lane,
			   int reason)
{
	const AmObsRow *row = am_obs_row(id);
	uint64_t value = am_metrics_counter_sum(registry, id, lane, reason);
	bool by_reason = row->reason_kind != AM_REASON_NONE;

	/* "none" where the row has the label means that an emitter left it out; rare, so no zeros */
	if (value == 0 && ((row->by_lane && lane == AM_LANE_NONE) || (by_reason && reason < 0)))
		return;
	am_text_printf(page, PREFIX "%s", row->metric_name);
	if (row->by_lane)
		am_text_printf(page, "{lane=\"%s\"", am_lane_name(lane));
	if (by_reason)
		am_text_printf(page, "%c%s=\"%s\"", row->by_lane ? ',' : '{',
					   am_reason_label(row->reason_kind), am_reason_name(row->reason_kind, reason));
	am_text_printf(page, "%s %" PRIu64 "\n", row->by_lane || by_reason ? "}" : "", value);
}

static void
counter_family(const AmMetricsRegistry *registry, AmText *page, AmObsId id)
{
	const AmObsRow *row = am_obs_row(id);
	int lanes = row->by_lane ? AM_LANE_COUNT : 0;

	family(page, PREFIX, row->metric_name, "counter", row->help);
	for (int lane = AM_LANE_NONE; lane < lanes; lane++)
	{
		for (int reason = -1; reason < am_reason_count(row->reason_kind); reason++)
			counter_sample(registry, page, id, (AmLaneId) lane, reason);
	}
}

static void
counters(const AmMetricsRegistry *registry, AmText *page)
{
	for (int id = 0; id < AM_OBS_COUNT; id++)
	{
		if (am_obs_row((AmObsId) id)->metric == AM_METRIC_COUNTER)
			counter_family(registry, page, (AmObsId) id);
	}
}

/* ---- group sizes ---- */

static void
sizes_of_lane(AmText *page, const char *name, const char *lane, const AmMetricsSizeSum *sum)
{
	uint64_t count = 0;

	for (int i = 0; i < AM_METRICS_SIZE_BUCKETS; i++)
	{
		count += sum->bucket[i];
		am_text_printf(page, PREFIX "%s_bucket{lane=\"%s\",le=\"%d\"} %" PRIu64 "\n", name, lane,
					   am_metrics_size_bounds[i], count);
	}
	count += sum->bucket[AM_METRICS_SIZE_BUCKETS];
	am_text_printf(page, PREFIX "%s_bucket{lane=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, lane,
				   count);
	am_text_printf(page, PREFIX "%s_sum{lane=\"%s\"} %" PRIu64 "\n", name, lane, sum->sum);
	am_text_printf(page, PREFIX "%s_count{lane=\"%s\"} %" PRIu64 "\n", name, lane, count);
}

static void
group_sizes(const AmMetricsRegistry *registry, AmText *page)
{
	const AmObsRow *row = am_obs_row(AM_OBS_GROUP_SENT);

	family(page, PREFIX, row->metric_name, "histogram", row->help);
	for (int lane = 0; lane < AM_LANE_COUNT; lane++)
	{
		AmMetricsSizeSum sum;

		am_metrics_size_sum(registry, (AmLaneId) lane, &sum);
		if (sum.sum > 0 || lane == AM_LANE_WRITE)
			sizes_of_lane(page, row->metric_name, am_lane_name((AmLaneId) lane), &sum);
	}
}

/* ---- gauges ---- */

static void
gauge(AmText *page, const char *prefix, const char *name, const char *help, int64_t value)
{
	family(page, prefix, name, "gauge", help);
	am_text_printf(page, "%s%s %" PRId64 "\n", prefix, name, value);
}

static void
gauges(const AmMetricsRegistry *registry, AmText *page)
{
	for (int i = 0; i < AM_GAUGE_COUNT; i++)
		gauge(page, PREFIX, gauge_names[i], gauge_helps[i],
			  am_metrics_gauge_sum(registry, (AmGauge) i));
	for (int i = 0; i < AM_LANE_GAUGE_COUNT; i++)
	{
		family(page, PREFIX, lane_gauge_names[i], "gauge", lane_gauge_helps[i]);
		for (int lane = 0; lane < AM_LANE_COUNT; lane++)
			am_text_printf(page, PREFIX "%s{lane=\"%s\"} %" PRId64 "\n", lane_gauge_names[i],
						   am_lane_name((AmLaneId) lane),
						   am_metrics_lane_gauge_sum(registry, (AmLaneGauge) i, (AmLaneId) lane));
	}
}

static void
database_up(const AmMetricsRegistry *registry, AmText *page)
{
	bool loops = am_metrics_loops(registry) > 0;

	family(page, PREFIX, "database_up", "gauge",
		   "1 if every loop has a database connection ready in the lane.");
	for (int lane = 0; lane < AM_LANE_COUNT; lane++)
		am_text_printf(page, PREFIX "database_up{lane=\"%s\"} %d\n", am_lane_name((AmLaneId) lane),
					   loops && am_metrics_loops_without(registry, (AmLaneId) lane) == 0);
}

/* ---- the process ---- */

static void
build_info(const char *library_version, AmText *page)
{
	family(page, PREFIX, "build_info", "gauge", "Versions; the value is always 1.");
	am_text_puts(page, PREFIX "build_info{version=\"" AM_SHIM_VERSION "\"");
	if (library_version != NULL)
	{
		am_text_puts(page, ",libpq=\"");
		label_value(page, library_version);
		am_text_putc(page, '"');
	}
	am_text_puts(page, "} 1\n");
}

static void
process_gauge(AmText *page, const char *name, const char *help, int64_t value)
{
	if (value >= 0)
		gauge(page, "process_", name, help, value);
}

static void
process(const AmMetricsRegistry *registry, AmText *page)
{
	AmProcessFigures figures = am_process_figures();

	if (figures.cpu_us >= 0)
	{
		family(page, "process_", "cpu_seconds_total", "counter",
			   "User and system CPU time in seconds.");
		am_text_printf(page, "process_cpu_seconds_total %" PRId64 ".%06" PRId64 "\n",
					   figures.cpu_us / 1000000, figures.cpu_us % 1000000);
	}
	process_gauge(page, "resident_memory_bytes", "Resident memory in bytes.",
				  figures.resident_bytes);
	process_gauge(page, "open_fds", "Open file descriptors.", figures.open_fds);
	process_gauge(page, "max_fds", "Limit of open file descriptors.", figures.max_fds);
	process_gauge(page, "start_time_seconds", "Start time since the epoch in seconds.",
				  registry->start_time_us / 1000000);
}

bool
am_metrics_render(const AmMetricsRegistry *registry, const char *library_version, AmText *page)
{
	build_info(library_version, page);
	gauge(page, PREFIX, "loops", "Event loops.", am_metrics_loops(registry));
	gauge(page, PREFIX, "draining", "1 while the process drains before it stops.",
		  atomic_load_explicit(&registry->draining, memory_order_relaxed) ? 1 : 0);
	routes(registry, page);
	counters(registry, page);
	group_sizes(registry, page);
	database_up(registry, page);
	gauges(registry, page);
	process(registry, page);
	return !page->failed;
}
