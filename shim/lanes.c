/*-------------------------------------------------------------------------
 *
 * lanes.c
 *	  Lanes: sending (see lanes.h).  lanes_result.c takes what comes back.
 *
 * A request is in exactly one place: one of the lists of its lane (QUEUED), or
 * an entry of a pipe (SENT).  The order in which the write lane sends is: first
 * the calls whose group failed, each alone; then the next group.
 *
 *-------------------------------------------------------------------------
 */
#include "lanes.h"

#include <string.h>

#include "engine.h"
#include "lanes_list.h"

static bool
lane_init(AmEngine *engine, AmLaneId id)
{
	AmLane *lane = &engine->lane[id];
	const AmLaneConfig *config = &engine->tuning.lane[id];
	int connections = id == AM_LANE_WRITE ? 1 : config->connections;
	int calls_max = id == AM_LANE_FAST ? config->depth : 1;

	if (id == AM_LANE_WRITE)
		calls_max = config->group_calls_max > AM_RECOVERY_DEPTH ? config->group_calls_max
																: AM_RECOVERY_DEPTH;
	memset(lane, 0, sizeof(*lane));
	lane->engine = engine;
	lane->id = id;
	lane->side_count = id == AM_LANE_WRITE ? config->side_connections : 0;
	lane->down_since_us = am_loop_now_us();
	for (int i = 0; i < connections + lane->side_count && i < AM_LANE_PIPES_MAX; i++)
	{
		if (!am_pipe_init(&lane->pipe[i], lane, i >= connections, calls_max))
			return false;
		lane->pipe_count++;
	}
	return true;
}

bool
am_lanes_init(AmEngine *engine)
{
	for (int i = 0; i < AM_LANE_SERVING_COUNT; i++)
	{
		if (!lane_init(engine, (AmLaneId) i))
			return false;
	}
	return true;
}

void
am_lanes_free(AmEngine *engine)
{
	for (int i = 0; i < AM_LANE_SERVING_COUNT; i++)
	{
		for (int j = 0; j < engine->lane[i].pipe_count; j++)
			am_pipe_free(&engine->lane[i].pipe[j]);
		engine->lane[i].pipe_count = 0;
	}
}

/* A connection that is being replaced on purpose comes back within milliseconds. */
static bool
pipe_serves(const AmPipe *pipe)
{
	return pipe->conn.state == AM_PGCONN_READY ||
		   (pipe->conn.state != AM_PGCONN_DOWN && pipe->conn.down_since_us == 0 &&
			pipe->conn.pause_ms == 0) ||
		   (pipe->conn.state == AM_PGCONN_DOWN && pipe->conn.retry_us == 0);
}

bool
am_lane_serves(const AmLane *lane)
{
	for (int i = 0; i < lane->pipe_count - lane->side_count; i++)
	{
		if (pipe_serves(&lane->pipe[i]))
			return true;
	}
	return false;
}

static void
lane_refused(const AmLane *lane, AmLaneRefusal reason)
{
	AmObservation observation = am_obs_make(AM_OBS_LANE_REFUSED);

	observation.lane = lane->id;
	observation.reason = (int) reason;
	am_obs_emit(&lane->engine->obs, &observation);
}

void
am_lane_refuse(AmLane *lane, AmRequest *request, AmLaneRefusal reason)
{
	lane_refused(lane, reason);
	am_request_refuse(request, AM_REFUSAL_UNAVAILABLE, (amc_span){"", 0});
	am_engine_answered(lane->engine, request);
}

/* Calls that wait or are in flight, of all lanes. */
static int
calls_in_flight(const AmEngine *engine)
{
	int count = 0;

	for (int i = 0; i < AM_LANE_SERVING_COUNT; i++)
	{
		const AmLane *lane = &engine->lane[i];

		count += lane->queue.count + lane->again.count + lane->aside.count + lane->sent;
	}
	return count;
}

static void
flood_observe(const AmEngine *engine)
{
	AmObservation observation = am_obs_make(AM_OBS_LIMIT_REACHED);

	observation.reason = AM_LIMIT_REQUESTS_IN_FLIGHT;
	am_obs_emit(&engine->obs, &observation);
}

void
am_lane_call(AmLane *lane, AmRequest *request)
{
	request->lane = lane->id;
	request->queued_us = lane->engine->now_us;
	if (!am_lane_serves(lane))
		am_lane_refuse(lane, request, AM_LANE_REFUSAL_DATABASE_DOWN);
	else if (lane->queue.count >= lane->engine->tuning.lane[lane->id].queue_max)
		am_lane_refuse(lane, request, AM_LANE_REFUSAL_QUEUE_FULL);
	else if (calls_in_flight(lane->engine) >= lane->engine->config->requests_in_flight_max)
	{
		flood_observe(lane->engine);
		am_lane_refuse(lane, request, AM_LANE_REFUSAL_QUEUE_FULL);
	}
	else
	{
		request->state = AM_REQUEST_QUEUED;
		am_list_append(&lane->queue, request);
	}
}

/* Takes the head of a list and sends it; false if the pipe was dropped (the call is back). */
static bool
send_head(AmPipe *pipe, AmCallList *list)
{
	AmLane *lane = pipe->lane;
	AmRequest *request = list->head;

	am_list_remove(list, request);
	if (!am_pipe_send_call(pipe, request))
	{
		am_list_prepend(list, request);
		am_pgconn_drop(&pipe->conn, NULL, false);
		return false;
	}
	request->state = AM_REQUEST_SENT;
	request->sent_us = lane->engine->now_us;
	request->tries++;
	request->group_size = 1;
	lane->sent++;
	return true;
}

static bool
send_alone(AmPipe *pipe, AmCallList *list)
{
	if (!send_head(pipe, list))
		return false;
	if (am_pipe_send_sync(pipe))
		return true;
	am_pgconn_drop(&pipe->conn, NULL, false);
	return false;
}

/* Fast and slow: the least busy connection, until all are at their depth. */
static void
lane_pump_single(AmLane *lane)
{
	int depth = lane->id == AM_LANE_FAST ? lane->engine->tuning.lane[lane->id].depth : 1;

	while (lane->queue.head != NULL)
	{
		AmPipe *best = NULL;

		for (int i = 0; i < lane->pipe_count; i++)
		{
			AmPipe *pipe = &lane->pipe[i];

			if (am_pipe_usable(pipe) && pipe->calls < depth &&
				(best == NULL || pipe->calls < best->calls))
				best = pipe;
		}
		if (best == NULL || !send_alone(best, &lane->queue))
			return;
	}
}

static void
group_observe(const AmLane *lane, int size)
{
	AmObservation observation = am_obs_make(AM_OBS_GROUP_SENT);

	observation.lane = lane->id;
	observation.group_size = size;
	am_obs_emit(&lane->engine->obs, &observation);
}

/* Fills in the size in the calls of the group just sent, for the log. */
static void
group_mark(const AmPipe *pipe, int size)
{
	for (unsigned i = pipe->head; i != pipe->tail; i++)
	{
		const AmPipeEntry *entry = am_pipe_entry(pipe, i);

		if (entry->kind == AM_PIPE_CALL && entry->request != NULL)
			entry->request->group_size = size;
	}
}

/* One group: what has gathered, bounded in calls and bytes, with one Sync at its end. */
static void
send_group(AmPipe *pipe)
{
	AmLane *lane = pipe->lane;
	const AmLaneConfig *config = &lane->engine->tuning.lane[lane->id];
	size_t bytes = 0;
	int size = 0;

	if (lane->engine->loop_count > 1 && !am_pipe_send_turn(pipe))
	{
		am_pgconn_drop(&pipe->conn, NULL, false);
		return;
	}
	while (lane->queue.head != NULL && size < config->group_calls_max)
	{
		bytes += lane->queue.head->argument.length;
		if (size > 0 && bytes > (size_t) config->group_bytes_max)
			break;
		if (!send_head(pipe, &lane->queue))
			return;
		size++;
	}
	if (!am_pipe_send_sync(pipe))
	{
		am_pgconn_drop(&pipe->conn, NULL, false);
		return;
	}
	group_mark(pipe, size);
	group_observe(lane, size);
}

static void
pump_again(AmPipe *pipe)
{
	while (pipe->lane->again.head != NULL && pipe->calls < AM_RECOVERY_DEPTH &&
		   am_pipe_usable(pipe))
	{
		if (!send_alone(pipe, &pipe->lane->again))
			return;
	}
}

/*
 * The main connection works off what has to be sent again before it takes the
 * next group; groups never overlap.
 */
static void
lane_pump_write(AmLane *lane)
{
	AmPipe *main_pipe = &lane->pipe[0];

	if (lane->again.head != NULL)
		pump_again(main_pipe);
	else if (lane->queue.head != NULL && main_pipe->calls == 0 && am_pipe_usable(main_pipe))
		send_group(main_pipe);
	for (int i = lane->pipe_count - lane->side_count; i < lane->pipe_count; i++)
	{
		AmPipe *pipe = &lane->pipe[i];

		if (lane->aside.head != NULL && pipe->calls == 0 && am_pipe_usable(pipe))
			(void) send_alone(pipe, &lane->aside);
	}
}

/* A stale connection is replaced when nothing is in flight on it. */
static void
pipe_replace(AmPipe *pipe)
{
	if (pipe->conn.stale && pipe->conn.state == AM_PGCONN_READY && pipe->head == pipe->tail)
	{
		am_pgconn_drop(&pipe->conn, "replaced", true);
		am_pgconn_tick(&pipe->conn);
	}
}

void
am_lanes_pump(AmEngine *engine)
{
	for (int i = 0; i < AM_LANE_SERVING_COUNT; i++)
	{
		AmLane *lane = &engine->lane[i];

		if (lane->id == AM_LANE_WRITE)
			lane_pump_write(lane);
		else
			lane_pump_single(lane);
		for (int j = 0; j < lane->pipe_count; j++)
		{
			if (lane->pipe[j].head != lane->pipe[j].tail)
				am_pgconn_flush(&lane->pipe[j].conn);
			pipe_replace(&lane->pipe[j]);
		}
	}
}

/* Idle connections of a great age are replaced, so that backends do not grow for ever. */
static void
pipe_age(AmPipe *pipe)
{
	int64_t age_max_us = (int64_t) pipe->conn.engine->tuning.connection_age_max_s * 1000000;

	if (age_max_us > 0 && pipe->conn.state == AM_PGCONN_READY && pipe->head == pipe->tail &&
		pipe->conn.engine->now_us - pipe->conn.since_us > age_max_us)
		pipe->conn.stale = true;
}

/* A server that does not answer within all its own time-outs hangs, or the network does. */
static void
pipe_stall(AmPipe *pipe)
{
	const AmLaneConfig *config = &pipe->conn.engine->tuning.lane[pipe->lane->id];
	int64_t limit_us = ((int64_t) config->deadline_ms + AM_STALL_EXTRA_MS) * 1000;

	if (pipe->conn.state == AM_PGCONN_READY && pipe->head != pipe->tail &&
		pipe->conn.engine->now_us - pipe->batch_us > limit_us)
		am_pgconn_drop(&pipe->conn, "the server does not answer", false);
}

/* Waiting calls past their queue time, and sent calls past their deadline. */
static void
list_expire(AmLane *lane, AmCallList *list)
{
	const AmLaneConfig *config = &lane->engine->tuning.lane[lane->id];
	int64_t now_us = lane->engine->now_us;
	AmRequest *request = list->head;

	while (request != NULL)
	{
		AmRequest *next = request->next;
		bool first_wait = request->tries == 0;
		int64_t limit_ms = first_wait ? config->queue_wait_ms : config->deadline_ms;

		if (now_us - request->queued_us > limit_ms * 1000)
		{
			am_list_remove(list, request);
			am_lane_refuse(lane, request,
						   first_wait ? AM_LANE_REFUSAL_QUEUE_WAIT : AM_LANE_REFUSAL_DEADLINE);
		}
		request = next;
	}
}

static void
pipe_expire(AmPipe *pipe)
{
	AmLane *lane = pipe->lane;
	int64_t limit_us = (int64_t) lane->engine->tuning.lane[lane->id].deadline_ms * 1000;

	for (unsigned i = pipe->head; i != pipe->tail; i++)
	{
		AmPipeEntry *entry = am_pipe_entry(pipe, i);
		AmRequest *request = entry->request;

		if (request == NULL || lane->engine->now_us - request->queued_us <= limit_us)
			continue;
		entry->request = NULL;
		am_lane_abandon(lane, request, AM_LANE_REFUSAL_DEADLINE);
	}
}

static void
list_refuse_all(AmLane *lane, AmCallList *list, AmLaneRefusal reason)
{
	while (list->head != NULL)
	{
		AmRequest *request = list->head;

		am_list_remove(list, request);
		am_lane_refuse(lane, request, reason);
	}
}

static void
lane_refuse_waiting(AmLane *lane, AmLaneRefusal reason)
{
	list_refuse_all(lane, &lane->queue, reason);
	list_refuse_all(lane, &lane->again, reason);
	list_refuse_all(lane, &lane->aside, reason);
}

/* Without a connection nobody waits longer than a moment: 503 with Retry-After. */
static void
lane_starve(AmLane *lane)
{
	if (am_lane_serves(lane))
		lane->down_since_us = 0;
	else if (lane->down_since_us == 0)
		lane->down_since_us = lane->engine->now_us;
	else if (lane->engine->now_us - lane->down_since_us > AM_LANE_STARVED_MS * 1000)
		lane_refuse_waiting(lane, AM_LANE_REFUSAL_DATABASE_DOWN);
}

static void
lane_gauges(const AmLane *lane)
{
	AmMetrics *metrics = lane->engine->metrics;
	int up = 0;

	for (int i = 0; i < lane->pipe_count; i++)
		up += lane->pipe[i].conn.state == AM_PGCONN_READY;
	am_metrics_lane_gauge_set(metrics, AM_LANE_GAUGE_CONNECTIONS_UP, lane->id, up);
	am_metrics_lane_gauge_set(metrics, AM_LANE_GAUGE_CONNECTIONS_WANTED, lane->id,
							  lane->pipe_count);
	am_metrics_lane_gauge_set(metrics, AM_LANE_GAUGE_QUEUE_DEPTH, lane->id,
							  lane->queue.count + lane->again.count + lane->aside.count);
	am_metrics_lane_gauge_set(metrics, AM_LANE_GAUGE_CALLS_SENT, lane->id, lane->sent);
}

void
am_lanes_tick(AmEngine *engine)
{
	for (int i = 0; i < AM_LANE_SERVING_COUNT; i++)
	{
		AmLane *lane = &engine->lane[i];

		for (int j = 0; engine->catalog != NULL && j < lane->pipe_count; j++)
		{
			pipe_age(&lane->pipe[j]);
			pipe_stall(&lane->pipe[j]);
			pipe_expire(&lane->pipe[j]);
			am_pgconn_tick(&lane->pipe[j].conn);
		}
		list_expire(lane, &lane->queue);
		list_expire(lane, &lane->again);
		list_expire(lane, &lane->aside);
		lane_starve(lane);
		lane_gauges(lane);
	}
}

void
am_lanes_catalog_changed(AmEngine *engine)
{
	for (int i = 0; i < AM_LANE_SERVING_COUNT; i++)
	{
		for (int j = 0; j < engine->lane[i].pipe_count; j++)
		{
			AmPipe *pipe = &engine->lane[i].pipe[j];

			if (pipe->functions_hash != engine->catalog->functions_hash)
				pipe->conn.stale = pipe->conn.state >= AM_PGCONN_OPEN;
		}
	}
}

bool
am_lanes_ready(const AmEngine *engine)
{
	for (int i = 0; i < AM_LANE_SERVING_COUNT; i++)
	{
		const AmLane *lane = &engine->lane[i];
		bool ready = false;

		for (int j = 0; j < lane->pipe_count - lane->side_count; j++)
			ready = ready || lane->pipe[j].conn.state == AM_PGCONN_READY;
		if (!ready)
			return false;
	}
	return true;
}

void
am_lanes_give_up(AmEngine *engine)
{
	for (int i = 0; i < AM_LANE_SERVING_COUNT; i++)
	{
		AmLane *lane = &engine->lane[i];

		lane_refuse_waiting(lane, AM_LANE_REFUSAL_DRAINING);
		for (int j = 0; j < lane->pipe_count; j++)
		{
			AmPipe *pipe = &lane->pipe[j];

			for (unsigned k = pipe->head; k != pipe->tail; k++)
			{
				AmPipeEntry *entry = am_pipe_entry(pipe, k);
				AmRequest *request = entry->request;

				entry->request = NULL;
				if (request != NULL)
					am_lane_abandon(lane, request, AM_LANE_REFUSAL_DRAINING);
			}
		}
	}
}
