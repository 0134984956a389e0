/*-------------------------------------------------------------------------
 *
 * lanes.h
 *	  Lanes: bounded queues in front of the database connections.
 *
 *	 fast	many calls in flight on each connection, one Sync each
 *	 write	one connection; the calls that arrive while a group is in flight form
 *			the next group, which has one Sync; side connections for calls that met
 *			a lock
 *	 slow	one call at a time on each connection
 *
 * A request given to a lane comes back through am_engine_answered(), once.
 * The group of the write lane is sent when the one before it has been answered:
 * no timer, no delay when idle.  Nothing is answered before its Sync.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_LANES_H
#define AM_SHIM_LANES_H

#include <stdbool.h>

#include "config.h"
#include "names.h"
#include "pgpipe.h"

#define AM_LANE_PIPES_MAX  80   /* connections of one lane, side ones included */
#define AM_RECOVERY_DEPTH  16   /* calls sent again alone that are in flight at once */
#define AM_STALL_EXTRA_MS  5000 /* beyond the lane's deadline: the server hangs */
#define AM_LANE_STARVED_MS 500  /* no connection for so long: what waits gets 503 */

struct AmEngine;
struct AmRequest;

typedef struct AmCallList
{
	struct AmRequest *head;
	struct AmRequest *tail;
	int count;
} AmCallList;

typedef struct AmLane
{
	struct AmEngine *engine;
	AmLaneId id;
	AmPipe pipe[AM_LANE_PIPES_MAX];
	int pipe_count; /* side ones are the last */
	int side_count;
	AmCallList queue;      /* in order of arrival */
	AmCallList again;      /* their group failed: alone, in order, before the queue */
	AmCallList aside;      /* met a lock: on a side connection */
	int sent;              /* calls in flight */
	int64_t down_since_us; /* no connection is ready since then; 0 = one is */
} AmLane;

/* Prepares the lanes of an engine; false = out of memory. */
extern bool am_lanes_init(struct AmEngine *engine);

extern void am_lanes_free(struct AmEngine *engine);

/* Takes a request, or answers it 503 at once. */
extern void am_lane_call(AmLane *lane, struct AmRequest *request);

/* Sends what can be sent and flushes; called twice a turn. */
extern void am_lanes_pump(struct AmEngine *engine);

/* Deadlines, reconnects, gauges; called every tick. */
extern void am_lanes_tick(struct AmEngine *engine);

/* The catalog changed: connections prepared from another one are replaced when idle. */
extern void am_lanes_catalog_changed(struct AmEngine *engine);

/* True if every lane has a ready connection. */
extern bool am_lanes_ready(const struct AmEngine *engine);

/* Answers everything that waits or is in flight with 503 (end of the drain time). */
extern void am_lanes_give_up(struct AmEngine *engine);

/* ---- for pgpipe.c ---- */

/* One row came for a call: keep it in the request. */
extern void am_lane_row(AmPipe *pipe, AmPipeEntry *entry, int status, const char *headers,
						size_t headers_length, const char *body, size_t body_length);

/* A batch has come to its Sync: entries first .. last (the Sync) in the ring. */
extern void am_lane_batch(AmPipe *pipe, unsigned first, unsigned last);

/* The connection is gone with entries first .. last - 1 unanswered. */
extern void am_lane_pipe_lost(AmPipe *pipe, unsigned first, unsigned last);

#endif /* AM_SHIM_LANES_H */
