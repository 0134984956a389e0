/*-------------------------------------------------------------------------
 *
 * admin.h
 *	  The pages of the admin listener: /live, /ready and /metrics.
 *
 * Pure functions from the registry and a clock to a status and a body; none
 * touches the database or waits.  The engine owns the listener and calls
 * am_admin_answer() with the raw path.
 *
 *	 /live	   200 if every loop turned within AM_ADMIN_LIVE_MS, else 503
 *	 /ready    200 if every loop has its tables and at least one connection in
 *			   every serving lane, and the process does not drain, else 503
 *	 /metrics  200, Prometheus text
 *	 /		   200, the list of the pages
 *	 others	   404; methods other than GET and HEAD 405
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_ADMIN_H
#define AM_SHIM_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "metrics.h"
#include "names.h"
#include "text.h"

#define AM_ADMIN_LIVE_MS 1000

typedef struct AmAdminLane
{
	int64_t up; /* connections ready, summed over the loops */
	int64_t wanted;
	int64_t queued;
	int64_t sent;
	int loops_without; /* loops that have no connection in this lane */
} AmAdminLane;

/* What the pages are made from; gathered in one go so that a page is consistent. */
typedef struct AmAdminState
{
	int loops;
	int loops_late; /* loops whose last turn is older than AM_ADMIN_LIVE_MS */
	int loops_without_tables;
	int64_t oldest_tick_ms; /* age of the oldest last turn, -1 = a loop never turned */
	bool draining;
	int64_t requests_in_flight;
	int64_t connections_open;
	AmAdminLane lane[AM_LANE_COUNT];
} AmAdminState;

typedef struct AmAdminAnswer
{
	int status;
	const char *content_type; /* static */
	const char *allow;        /* value of the Allow header on 405, else NULL */
} AmAdminAnswer;

/* Gathers the state; now_us is CLOCK_MONOTONIC, as given to am_metrics_tick. */
extern void am_admin_state_gather(const AmMetricsRegistry *registry, int64_t now_us,
								  AmAdminState *state);

/* True if every loop turned lately; at least one loop must exist. */
extern bool am_admin_live(const AmAdminState *state);

/* True if requests of every lane can be served and the process does not drain. */
extern bool am_admin_ready(const AmAdminState *state);

/* Append the JSON bodies. */
extern void am_admin_live_body(const AmAdminState *state, AmText *body);
extern void am_admin_ready_body(const AmAdminState *state, AmText *body);

/*
 * Answers one request of the admin listener.  path is the raw path without the
 * query; library_version as in am_metrics_render.  The body is appended to
 * body (an empty text with ceiling AM_METRICS_PAGE_BYTES_MAX); for HEAD the
 * engine sends the headers only.  A page that could not be built is a 500.
 */
extern AmAdminAnswer am_admin_answer(const AmMetricsRegistry *registry, int64_t now_us,
									 const char *method, const char *path,
									 const char *library_version, AmText *body);

#endif /* AM_SHIM_ADMIN_H */
