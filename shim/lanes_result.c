/*-------------------------------------------------------------------------
 *
 * lanes_result.c
 *	  Lanes: what comes back from the database (see lanes.h).
 *
 * Results are kept in their requests until the batch's Sync has been answered:
 * CommandComplete comes before the commit, and the commit itself can fail.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "lanes_list.h"

void
am_list_append(AmCallList *list, AmRequest *request)
{
	request->next = NULL;
	request->previous = list->tail;
	if (list->tail != NULL)
		list->tail->next = request;
	else
		list->head = request;
	list->tail = request;
	list->count++;
}

void
am_list_prepend(AmCallList *list, AmRequest *request)
{
	request->previous = NULL;
	request->next = list->head;
	if (list->head != NULL)
		list->head->previous = request;
	else
		list->tail = request;
	list->head = request;
	list->count++;
}

void
am_list_remove(AmCallList *list, AmRequest *request)
{
	if (request->previous != NULL)
		request->previous->next = request->next;
	else
		list->head = request->next;
	if (request->next != NULL)
		request->next->previous = request->previous;
	else
		list->tail = request->previous;
	request->next = NULL;
	request->previous = NULL;
	list->count--;
}

/* A GET or HEAD of the fast lane reads; everything else may have written. */
static bool
only_reads(const AmLane *lane, const AmRequest *request)
{
	return lane->id == AM_LANE_FAST &&
		   (request->method == AM_METHOD_GET || request->method == AM_METHOD_HEAD);
}

/* The request has left its pipe entry. */
static void
call_detach(AmLane *lane, AmRequest *request)
{
	request->entry = NULL;
	lane->sent--;
}

void
am_lane_abandon(AmLane *lane, AmRequest *request, AmLaneRefusal reason)
{
	call_detach(lane, request);
	request->unknown = !only_reads(lane, request);
	am_lane_refuse(lane, request, reason);
}

static void
retry_observe(const AmLane *lane, const AmRequest *request, AmRetryCause cause)
{
	AmObservation observation = am_obs_make(AM_OBS_CALL_RETRIED);

	observation.lane = lane->id;
	observation.reason = (int) cause;
	observation.request_id = request->id;
	observation.route = request->route->path;
	am_obs_emit(&lane->engine->obs, &observation);
}

static void
fault_observe(const AmLane *lane, const AmRequest *request, AmObsId id)
{
	AmObservation observation = am_obs_make(id);

	observation.lane = lane->id;
	observation.request_id = request->id;
	observation.api = request->api;
	observation.route = request->route->path;
	observation.sqlstate = request->sqlstate[0] == '\0' ? NULL : request->sqlstate;
	am_obs_emit(&lane->engine->obs, &observation);
}

void
am_lane_row(AmPipe *pipe, AmPipeEntry *entry, int status, const char *headers,
			size_t headers_length, const char *body, size_t body_length)
{
	(void) pipe;
	/* a result the shim may not pass on leaves status 0, and becomes a fault at the Sync */
	if (!am_request_keep(entry->request, status, headers, headers_length, body, body_length))
		am_request_unkeep(entry->request);
}

static void
call_fault(AmLane *lane, AmRequest *request, AmObsId id)
{
	fault_observe(lane, request, id);
	am_request_refuse(request, AM_REFUSAL_FAULT, (amc_span){"", 0});
	am_engine_answered(lane->engine, request);
}

static void
call_answer(AmLane *lane, AmRequest *request)
{
	if (request->status == 0)
	{
		call_fault(lane, request, AM_OBS_REPLY_INVALID);
		return;
	}
	request->state = AM_REQUEST_ANSWERED;
	am_engine_answered(lane->engine, request);
}

/* The call waits again; its result, if there was one, did not happen. */
static void
call_again(AmLane *lane, AmRequest *request, AmCallList *list, AmRetryCause cause)
{
	retry_observe(lane, request, cause);
	am_request_unkeep(request);
	request->state = AM_REQUEST_QUEUED;
	am_list_append(list, request);
}

static AmRetryCause
retry_cause(const AmPipeEntry *entry)
{
	return entry->state == AM_CALL_RAISED ? am_sqlstate_cause(entry->sqlstate)
										  : AM_RETRY_GROUP_ABORTED;
}

static void
verdict_carry_out(AmLane *lane, AmRequest *request, AmVerdict verdict, AmRetryCause cause)
{
	/* lanes without groups have no recovery of their own: the call queues again */
	AmCallList *again = lane->id == AM_LANE_WRITE ? &lane->again : &lane->queue;
	AmCallList *aside = lane->id == AM_LANE_WRITE ? &lane->aside : &lane->queue;

	switch (verdict)
	{
		case AM_VERDICT_ANSWER:
			call_answer(lane, request);
			break;
		case AM_VERDICT_FAULT:
			call_fault(lane, request, AM_OBS_DATABASE_FAULT);
			break;
		case AM_VERDICT_UNAVAILABLE:
			am_lane_refuse(lane, request, AM_LANE_REFUSAL_RETRIES_SPENT);
			break;
		case AM_VERDICT_AGAIN:
			call_again(lane, request, again, cause);
			break;
		case AM_VERDICT_ASIDE:
			call_again(lane, request, aside, cause);
			break;
	}
}

/* One call of a batch whose Sync has come. */
static void
batch_call(AmPipe *pipe, AmPipeEntry *entry, const AmPipeEntry *sync, bool failed, bool alone)
{
	AmLane *lane = pipe->lane;
	AmRequest *request = entry->request;
	const char *sqlstate = entry->state == AM_CALL_RAISED ? entry->sqlstate : sync->sqlstate;
	AmVerdict verdict;

	if (request == NULL)
		return;
	entry->request = NULL;
	call_detach(lane, request);
	if (entry->state == AM_CALL_RAISED || (failed && alone))
		(void) snprintf(request->sqlstate, sizeof(request->sqlstate), "%s", sqlstate);
	else if (failed)
		request->tries--; /* not this call's own failure */
	verdict = am_call_verdict(entry->state, sqlstate, failed, alone, request->tries);
	verdict_carry_out(lane, request, verdict, retry_cause(entry));
}

void
am_lane_batch(AmPipe *pipe, unsigned first, unsigned last)
{
	AmPipeEntry *sync = am_pipe_entry(pipe, last);
	bool failed = sync->state == AM_CALL_RAISED;
	int calls = 0;

	for (unsigned i = first; i != last; i++)
	{
		const AmPipeEntry *entry = am_pipe_entry(pipe, i);

		calls += entry->kind == AM_PIPE_CALL;
		failed = failed || entry->state != AM_CALL_DONE;
		if (entry->state == AM_CALL_RAISED &&
			am_sqlstate_kind(entry->sqlstate) == AM_SQLSTATE_STALE)
			pipe->conn.stale = true;
	}
	for (unsigned i = first; i != last; i++)
	{
		AmPipeEntry *entry = am_pipe_entry(pipe, i);

		if (entry->kind == AM_PIPE_CALL)
			batch_call(pipe, entry, sync, failed, calls == 1);
	}
}

/* A call whose connection went away while it was in flight. */
static void
call_lost(AmLane *lane, AmRequest *request)
{
	if (only_reads(lane, request) && !request->resent)
	{
		call_detach(lane, request);
		request->resent = true;
		call_again(lane, request, &lane->queue, AM_RETRY_CONNECTION_LOST);
	}
	else
		am_lane_abandon(lane, request, AM_LANE_REFUSAL_OUTCOME_UNKNOWN);
}

void
am_lane_pipe_lost(AmPipe *pipe, unsigned first, unsigned last)
{
	for (unsigned i = first; i != last; i++)
	{
		AmPipeEntry *entry = am_pipe_entry(pipe, i);
		AmRequest *request = entry->request;

		entry->request = NULL;
		if (entry->kind == AM_PIPE_CALL && request != NULL)
			call_lost(pipe->lane, request);
	}
}
