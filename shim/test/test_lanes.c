/*
 * test_lanes.c
 *	  Every call of a batch gets exactly one fate: answered after its commit,
 *	  refused, or waiting again in the right list and order.
 *
 * The pipe's ring is filled by hand, as if the results had come; no server.
 */
#include "test.h"

#include <stdlib.h>

#include "engine.h"
#include "lanes_list.h"

#define CALLS_MAX 8

static AmEngine engine;
static const AmRoute read_route = {
	.api = "one", .method = AM_METHOD_GET, .path = "/r", .function = "r", .lane = AM_LANE_FAST};
static const AmRoute write_route = {
	.api = "one", .method = AM_METHOD_POST, .path = "/w", .function = "w", .lane = AM_LANE_WRITE};

static AmRequest *
request_sent(AmPipe *pipe, const AmRoute *route, AmCallState state, const char *sqlstate)
{
	AmRequest *request = am_request_take(&engine.requests, engine.catalog);
	AmPipeEntry *entry = am_pipe_entry(pipe, pipe->tail++);

	request->route = route;
	request->api = route->api;
	request->method = route->method;
	request->lane = route->lane;
	request->state = AM_REQUEST_SENT;
	request->tries = 1;
	*entry = (AmPipeEntry){.kind = AM_PIPE_CALL, .state = state, .request = request, .pipe = pipe};
	(void) snprintf(entry->sqlstate, sizeof(entry->sqlstate), "%s", sqlstate);
	request->entry = entry;
	if (state == AM_CALL_DONE)
		am_lane_row(pipe, entry, 200, "", 0, "{}", 2);
	pipe->calls++;
	pipe->lane->sent++;
	return request;
}

static unsigned
sync_sent(AmPipe *pipe, const char *sqlstate)
{
	AmPipeEntry *entry = am_pipe_entry(pipe, pipe->tail);

	*entry = (AmPipeEntry){.kind = AM_PIPE_SYNC, .pipe = pipe};
	if (sqlstate != NULL)
	{
		entry->state = AM_CALL_RAISED;
		(void) snprintf(entry->sqlstate, sizeof(entry->sqlstate), "%s", sqlstate);
	}
	return pipe->tail++;
}

/* What a batch does to the pipe's bookkeeping, as pgpipe.c does it. */
static void
batch_end(AmPipe *pipe, unsigned last)
{
	am_lane_batch(pipe, pipe->head, last);
	pipe->calls = 0;
	pipe->head = pipe->at = pipe->tail;
}

static void
list_clear(AmCallList *list)
{
	while (list->head != NULL)
	{
		AmRequest *request = list->head;

		am_list_remove(list, request);
		am_request_release(&engine.requests, request);
	}
}

static void
all_clear(AmRequest **request, int count)
{
	AmLane *lane = &engine.lane[AM_LANE_WRITE];

	CHECK_INT(0, lane->sent);
	list_clear(&lane->again);
	list_clear(&lane->aside);
	list_clear(&engine.lane[AM_LANE_FAST].queue);
	for (int i = 0; i < count; i++)
	{
		if (request[i]->state == AM_REQUEST_ANSWERED)
			am_request_release(&engine.requests, request[i]);
	}
	CHECK_INT(0, engine.requests.in_use);
}

static void
group_committed(void)
{
	AmPipe *pipe = &engine.lane[AM_LANE_WRITE].pipe[0];
	AmRequest *request[3];

	for (int i = 0; i < 3; i++)
		request[i] = request_sent(pipe, &write_route, AM_CALL_DONE, "");
	for (int i = 0; i < 3; i++)
		CHECK_INT(AM_REQUEST_SENT, request[i]->state);
	batch_end(pipe, sync_sent(pipe, NULL));
	for (int i = 0; i < 3; i++)
	{
		CHECK_INT(AM_REQUEST_ANSWERED, request[i]->state);
		CHECK_INT(200, request[i]->status);
		CHECK(request[i]->entry == NULL);
	}
	all_clear(request, 3);
}

static void
raise_in_the_middle(void)
{
	AmLane *lane = &engine.lane[AM_LANE_WRITE];
	AmPipe *pipe = &lane->pipe[0];
	AmRequest *request[4];
	const AmRequest *at;

	request[0] = request_sent(pipe, &write_route, AM_CALL_DONE, "");
	request[1] = request_sent(pipe, &write_route, AM_CALL_RAISED, "P0001");
	request[2] = request_sent(pipe, &write_route, AM_CALL_ABORTED, "");
	request[3] = request_sent(pipe, &write_route, AM_CALL_ABORTED, "");
	batch_end(pipe, sync_sent(pipe, NULL));
	CHECK_INT(4, lane->again.count);
	at = lane->again.head;
	for (int i = 0; i < 4; i++)
	{
		CHECK(at == request[i]);
		CHECK_INT(AM_REQUEST_QUEUED, request[i]->state);
		test_case("a result that did not happen is forgotten");
		CHECK_INT(0, request[i]->status);
		at = at->next;
	}
	test_case("only the one that raised has used up a try");
	CHECK_INT(0, request[0]->tries);
	CHECK_INT(1, request[1]->tries);
	CHECK_INT(0, request[3]->tries);
	all_clear(request, 4);
}

static void
lock_goes_aside(void)
{
	AmLane *lane = &engine.lane[AM_LANE_WRITE];
	AmPipe *pipe = &lane->pipe[0];
	AmRequest *request[3];

	request[0] = request_sent(pipe, &write_route, AM_CALL_DONE, "");
	request[1] = request_sent(pipe, &write_route, AM_CALL_RAISED, "55P03");
	request[2] = request_sent(pipe, &write_route, AM_CALL_ABORTED, "");
	batch_end(pipe, sync_sent(pipe, NULL));
	CHECK_INT(2, lane->again.count);
	CHECK_INT(1, lane->aside.count);
	CHECK(lane->aside.head == request[1]);
	all_clear(request, 3);
}

static void
commit_fails(void)
{
	AmLane *lane = &engine.lane[AM_LANE_WRITE];
	AmPipe *pipe = &lane->pipe[0];
	AmRequest *request[2];

	request[0] = request_sent(pipe, &write_route, AM_CALL_DONE, "");
	request[1] = request_sent(pipe, &write_route, AM_CALL_DONE, "");
	batch_end(pipe, sync_sent(pipe, "23514"));
	CHECK_INT(2, lane->again.count);
	all_clear(request, 2);
	test_case("alone");
	request[0] = request_sent(pipe, &write_route, AM_CALL_DONE, "");
	batch_end(pipe, sync_sent(pipe, "23514"));
	CHECK_INT(AM_REQUEST_ANSWERED, request[0]->state);
	CHECK_INT(500, request[0]->status);
	CHECK_STRING("23514", request[0]->sqlstate);
	all_clear(request, 1);
}

static void
alone_and_spent(void)
{
	AmPipe *pipe = &engine.lane[AM_LANE_WRITE].pipe[0];
	AmRequest *request = request_sent(pipe, &write_route, AM_CALL_RAISED, "40001");

	request->tries = AM_CALL_TRIES_MAX;
	batch_end(pipe, sync_sent(pipe, NULL));
	CHECK_INT(AM_REQUEST_ANSWERED, request->state);
	CHECK_INT(503, request->status);
	CHECK(!request->unknown);
	all_clear(&request, 1);
}

static void
abandoned_calls_keep_their_place(void)
{
	AmLane *lane = &engine.lane[AM_LANE_WRITE];
	AmPipe *pipe = &lane->pipe[0];
	AmRequest *request[2];
	AmPipeEntry *entry;

	request[0] = request_sent(pipe, &write_route, AM_CALL_WAITING, "");
	request[1] = request_sent(pipe, &write_route, AM_CALL_WAITING, "");
	entry = request[0]->entry;
	entry->request = NULL;
	am_lane_abandon(lane, request[0], AM_LANE_REFUSAL_DEADLINE);
	CHECK_INT(503, request[0]->status);
	CHECK(request[0]->unknown);
	entry->state = AM_CALL_DONE;
	am_pipe_entry(pipe, pipe->head + 1)->state = AM_CALL_DONE;
	am_lane_row(pipe, am_pipe_entry(pipe, pipe->head + 1), 200, "", 0, "{}", 2);
	batch_end(pipe, sync_sent(pipe, NULL));
	CHECK_INT(200, request[1]->status);
	all_clear(request, 2);
}

static void
invalid_rows_are_faults(void)
{
	AmPipe *pipe = &engine.lane[AM_LANE_WRITE].pipe[0];
	AmRequest *request = request_sent(pipe, &write_route, AM_CALL_DONE, "");

	am_lane_row(pipe, request->entry, 99, "", 0, "{}", 2);
	batch_end(pipe, sync_sent(pipe, NULL));
	CHECK_INT(500, request->status);
	all_clear(&request, 1);
}

static void
lost_connection(void)
{
	AmPipe *write_pipe = &engine.lane[AM_LANE_WRITE].pipe[0];
	AmPipe *read_pipe = &engine.lane[AM_LANE_FAST].pipe[0];
	AmRequest *request = request_sent(write_pipe, &write_route, AM_CALL_DONE, "");

	am_lane_pipe_lost(write_pipe, write_pipe->head, write_pipe->tail);
	write_pipe->head = write_pipe->tail;
	CHECK_INT(503, request->status);
	CHECK(request->unknown);
	all_clear(&request, 1);
	test_case("a read is sent once more, and then refused");
	request = request_sent(read_pipe, &read_route, AM_CALL_WAITING, "");
	am_lane_pipe_lost(read_pipe, read_pipe->head, read_pipe->tail);
	read_pipe->head = read_pipe->tail;
	CHECK(engine.lane[AM_LANE_FAST].queue.head == request);
	am_list_remove(&engine.lane[AM_LANE_FAST].queue, request);
	request->entry = am_pipe_entry(read_pipe, read_pipe->tail++);
	*request->entry = (AmPipeEntry){.kind = AM_PIPE_CALL, .request = request, .pipe = read_pipe};
	engine.lane[AM_LANE_FAST].sent++;
	am_lane_pipe_lost(read_pipe, read_pipe->head, read_pipe->tail);
	read_pipe->head = read_pipe->tail;
	CHECK_INT(503, request->status);
	CHECK(!request->unknown);
	all_clear(&request, 1);
}

static void
worn_out_statement(void)
{
	AmLane *lane = &engine.lane[AM_LANE_WRITE];
	AmPipe *pipe = &lane->pipe[0];
	AmRequest *request = request_sent(pipe, &write_route, AM_CALL_RAISED, "0A000");

	batch_end(pipe, sync_sent(pipe, NULL));
	CHECK(pipe->conn.stale);
	CHECK(lane->again.head == request);
	pipe->conn.stale = false;
	all_clear(&request, 1);
}

static void
lists(void)
{
	AmCallList list = {0};
	AmRequest request[3];

	memset(request, 0, sizeof(request));
	am_list_append(&list, &request[1]);
	am_list_append(&list, &request[2]);
	am_list_prepend(&list, &request[0]);
	CHECK_INT(3, list.count);
	CHECK(list.head == &request[0] && list.tail == &request[2]);
	am_list_remove(&list, &request[1]);
	CHECK(request[0].next == &request[2] && request[2].previous == &request[0]);
	am_list_remove(&list, &request[2]);
	am_list_remove(&list, &request[0]);
	CHECK(list.head == NULL && list.tail == NULL);
	CHECK_INT(0, list.count);
}

int
main(void)
{
	static AmConfig config = {.loops = 1};

	engine.config = &config;
	engine.catalog = am_catalog_create();
	for (int i = 0; i < AM_LANE_SERVING_COUNT; i++)
		engine.tuning.lane[i] = (AmLaneConfig){.connections = 1,
											   .side_connections = 1,
											   .depth = CALLS_MAX,
											   .group_calls_max = CALLS_MAX};
	if (engine.catalog == NULL || !am_requests_init(&engine.requests, &engine, CALLS_MAX, 65536) ||
		!am_lanes_init(&engine))
		return 1;
	TEST_RUN(lists);
	TEST_RUN(group_committed);
	TEST_RUN(raise_in_the_middle);
	TEST_RUN(lock_goes_aside);
	TEST_RUN(commit_fails);
	TEST_RUN(alone_and_spent);
	TEST_RUN(abandoned_calls_keep_their_place);
	TEST_RUN(invalid_rows_are_faults);
	TEST_RUN(lost_connection);
	TEST_RUN(worn_out_statement);
	am_lanes_free(&engine);
	am_requests_free(&engine.requests);
	am_catalog_release(engine.catalog);
	return test_end("shim lanes");
}
