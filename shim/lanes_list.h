/*-------------------------------------------------------------------------
 *
 * lanes_list.h
 *	  What lanes.c and lanes_result.c share: lists of calls, and giving up.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_LANES_LIST_H
#define AM_SHIM_LANES_LIST_H

#include "lanes.h"
#include "request.h"

/* Lists of calls, linked through the requests themselves. */
extern void am_list_append(AmCallList *list, AmRequest *request);
extern void am_list_prepend(AmCallList *list, AmRequest *request);
extern void am_list_remove(AmCallList *list, AmRequest *request);

/* True if a connection is ready, or is being replaced and comes back at once. */
extern bool am_lane_serves(const AmLane *lane);

/* 503 for a call that has had no effect. */
extern void am_lane_refuse(AmLane *lane, AmRequest *request, AmLaneRefusal reason);

/*
 * 503 for a call that is in flight: its outcome is unknown, unless it only
 * reads.  Its pipe entry must have been cleared.
 */
extern void am_lane_abandon(AmLane *lane, AmRequest *request, AmLaneRefusal reason);

#endif /* AM_SHIM_LANES_LIST_H */
