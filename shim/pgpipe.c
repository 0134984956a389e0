/*-------------------------------------------------------------------------
 *
 * pgpipe.c
 *	  A pipelined connection of a lane (see pgpipe.h).
 *
 *-------------------------------------------------------------------------
 */
#include "pgpipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

#define AM_JSONB_OID         3802
#define AM_STATEMENT_BYTES   256
#define AM_TURN_STATEMENT    "authmeter turn" /* a blank, so no function can have the name */
#define AM_SETUP_ENTRIES_MAX (AM_ROUTES_MAX + 16)

/* Key of the advisory lock that orders the groups of several loops: "authmetr" as a number. */
#define AM_TURN_SQL "SELECT pg_catalog.pg_advisory_xact_lock(7022364301936551026)"

static bool pipe_opened(AmPgConn *conn);
static bool pipe_readable(AmPgConn *conn);
static void pipe_lost(AmPgConn *conn);

static const AmPgConnOwner pipe_owner = {pipe_opened, pipe_readable, pipe_lost};

bool
am_pipe_init(AmPipe *pipe, AmLane *lane, bool side, int calls_max)
{
	unsigned size = 1;

	/* each call may have its own Sync; the set-up must fit as well */
	while (size < (unsigned) calls_max * 2 + 2 || size < AM_SETUP_ENTRIES_MAX)
		size *= 2;
	memset(pipe, 0, sizeof(*pipe));
	am_pgconn_init(&pipe->conn, lane->engine, lane->id, &pipe_owner, pipe);
	pipe->lane = lane;
	pipe->side = side;
	pipe->ring = calloc(size, sizeof(AmPipeEntry));
	pipe->ring_size = size;
	return pipe->ring != NULL;
}

void
am_pipe_free(AmPipe *pipe)
{
	am_pgconn_close(&pipe->conn);
	free(pipe->ring);
	pipe->ring = NULL;
}

AmPipeEntry *
am_pipe_entry(const AmPipe *pipe, unsigned position)
{
	return &pipe->ring[position & (pipe->ring_size - 1)];
}

static AmPipeEntry *
entry_push(AmPipe *pipe, AmPipeEntryKind kind, AmRequest *request)
{
	AmPipeEntry *entry = am_pipe_entry(pipe, pipe->tail);

	if (pipe->head == pipe->tail)
		pipe->batch_us = pipe->conn.engine->now_us;
	*entry = (AmPipeEntry){.kind = kind, .request = request, .pipe = pipe};
	pipe->tail++;
	return entry;
}

static bool
room_for(const AmPipe *pipe, unsigned entries)
{
	return pipe->tail - pipe->head + entries <= pipe->ring_size;
}

bool
am_pipe_usable(const AmPipe *pipe)
{
	return pipe->conn.state == AM_PGCONN_READY && !pipe->conn.stale && room_for(pipe, 3);
}

bool
am_pipe_send_call(AmPipe *pipe, AmRequest *request)
{
	const char *value = request->argument.data;

	if (PQsendQueryPrepared(pipe->conn.pg, request->route->function, 1, &value, NULL, NULL, 0) == 0)
		return false;
	request->entry = entry_push(pipe, AM_PIPE_CALL, request);
	pipe->calls++;
	return true;
}

bool
am_pipe_send_turn(AmPipe *pipe)
{
	if (PQsendQueryPrepared(pipe->conn.pg, AM_TURN_STATEMENT, 0, NULL, NULL, NULL, 0) == 0)
		return false;
	(void) entry_push(pipe, AM_PIPE_TURN, NULL);
	return true;
}

bool
am_pipe_send_sync(AmPipe *pipe)
{
	if (PQpipelineSync(pipe->conn.pg) == 0)
		return false;
	(void) entry_push(pipe, AM_PIPE_SYNC, NULL);
	return true;
}

/* A session setting in a transaction of its own, so that a refused one harms no other. */
static bool
send_setting(AmPipe *pipe, AmPipeEntryKind kind, const char *sql)
{
	if (PQsendQueryParams(pipe->conn.pg, sql, 0, NULL, NULL, NULL, NULL, 0) == 0)
		return false;
	(void) entry_push(pipe, kind, NULL);
	return am_pipe_send_sync(pipe);
}

static bool
send_settings(AmPipe *pipe)
{
	const AmLaneConfig *config = &pipe->conn.engine->tuning.lane[pipe->lane->id];
	/* a call on a side connection waits for the lock as long as its statement may take */
	int lock_ms = pipe->side ? config->statement_timeout_ms / 2 : config->lock_timeout_ms;
	char sql[AM_STATEMENT_BYTES];

	(void) snprintf(sql, sizeof(sql),
					"SELECT pg_catalog.set_config('search_path', 'pg_catalog', false), "
					"pg_catalog.set_config('statement_timeout', '%d', false), "
					"pg_catalog.set_config('lock_timeout', '%d', false)",
					config->statement_timeout_ms, lock_ms);
	if (!send_setting(pipe, AM_PIPE_SETUP, sql))
		return false;
	(void) snprintf(sql, sizeof(sql), "SET idle_in_transaction_session_timeout = %d",
					config->statement_timeout_ms * 2);
	return send_setting(pipe, AM_PIPE_SETUP, sql) &&
		   send_setting(pipe, AM_PIPE_OPTIONAL, "SET log_parameter_max_length = 0") &&
		   send_setting(pipe, AM_PIPE_OPTIONAL, "SET log_parameter_max_length_on_error = 0") &&
		   (pipe->lane->id != AM_LANE_SLOW ||
			send_setting(pipe, AM_PIPE_OPTIONAL, "SELECT authmeter_http.lane_enter('slow')"));
}

static bool
send_prepare(AmPipe *pipe, const char *name, const char *sql, int parameter_count)
{
	static const Oid types[1] = {AM_JSONB_OID};

	if (PQsendPrepare(pipe->conn.pg, name, sql, parameter_count, types) == 0)
		return false;
	(void) entry_push(pipe, AM_PIPE_SETUP, NULL);
	return true;
}

/* True if an earlier route of the lane has the same function (alias paths). */
static bool
function_prepared(const AmCatalog *catalog, int index)
{
	for (int i = 0; i < index; i++)
	{
		if (catalog->route[i].lane == catalog->route[index].lane &&
			strcmp(catalog->route[i].function, catalog->route[index].function) == 0)
			return true;
	}
	return false;
}

static bool
send_prepares(AmPipe *pipe, const AmCatalog *catalog)
{
	char sql[AM_STATEMENT_BYTES];

	if (!send_prepare(pipe, AM_TURN_STATEMENT, AM_TURN_SQL, 0))
		return false;
	for (int i = 0; i < catalog->route_count; i++)
	{
		const char *function = catalog->route[i].function;

		if (catalog->route[i].lane != pipe->lane->id || function_prepared(catalog, i))
			continue;
		(void) snprintf(sql, sizeof(sql),
						"SELECT status, headers, body FROM authmeter_http.%s($1::jsonb)", function);
		if (!send_prepare(pipe, function, sql, 1))
			return false;
	}
	pipe->functions_hash = catalog->functions_hash;
	return am_pipe_send_sync(pipe);
}

static bool
pipe_opened(AmPgConn *conn)
{
	AmPipe *pipe = conn->owner_state;
	AmCatalog *catalog = conn->engine->catalog;

	pipe->head = pipe->at = pipe->tail = 0;
	pipe->calls = 0;
	return catalog != NULL && PQenterPipelineMode(conn->pg) != 0 && send_settings(pipe) &&
		   send_prepares(pipe, catalog);
}

static void
keep_sqlstate(char sqlstate[6], const PGresult *result)
{
	const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	(void) snprintf(sqlstate, 6, "%s", code == NULL ? "XX000" : code);
}

/* 0 = no number; the range is checked where the result is kept. */
static int
status_parse(const char *text)
{
	char *end;
	long status = strtol(text, &end, 10);

	return *end == '\0' && status > 0 && status < 1000 ? (int) status : 0;
}

/* Exactly one row of three columns, the first of them not NULL; anything else is a fault. */
static void
call_row(AmPipe *pipe, AmPipeEntry *entry, const PGresult *result)
{
	if (PQntuples(result) != 1 || PQnfields(result) != 3 || PQgetisnull(result, 0, 0) != 0)
	{
		am_lane_row(pipe, entry, 0, "", 0, "", 0);
		return;
	}
	am_lane_row(pipe, entry, status_parse(PQgetvalue(result, 0, 0)), PQgetvalue(result, 0, 1),
				(size_t) PQgetlength(result, 0, 1), PQgetvalue(result, 0, 2),
				(size_t) PQgetlength(result, 0, 2));
}

static void
entry_result(AmPipe *pipe, AmPipeEntry *entry, const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
	{
		entry->state = AM_CALL_DONE;
		if (entry->kind == AM_PIPE_CALL && entry->request != NULL)
			call_row(pipe, entry, result);
	}
	else if (status == PGRES_PIPELINE_ABORTED)
		entry->state = AM_CALL_ABORTED;
	else
	{
		entry->state = AM_CALL_RAISED;
		keep_sqlstate(entry->sqlstate, result);
	}
}

/* The set-up ends with the Sync behind the last prepared statement. */
static bool
setup_batch(AmPipe *pipe, unsigned last)
{
	char reason[64];

	for (unsigned i = pipe->head; i != last; i++)
	{
		const AmPipeEntry *entry = am_pipe_entry(pipe, i);

		if (entry->kind != AM_PIPE_SETUP || entry->state == AM_CALL_DONE)
			continue;
		(void) snprintf(reason, sizeof(reason), "session set-up failed with SQLSTATE %s",
						entry->sqlstate);
		am_pgconn_drop(&pipe->conn, reason, false);
		return false;
	}
	pipe->head = last + 1;
	if (pipe->head == pipe->tail)
		am_pgconn_ready(&pipe->conn);
	return true;
}

static bool
batch_done(AmPipe *pipe)
{
	unsigned first = pipe->head;
	unsigned last = pipe->at;

	pipe->at++;
	pipe->batch_us = pipe->conn.engine->now_us;
	if (pipe->conn.state == AM_PGCONN_OPEN)
		return setup_batch(pipe, last);
	am_lane_batch(pipe, first, last);
	for (unsigned i = first; i != last; i++)
		pipe->calls -= am_pipe_entry(pipe, i)->kind == AM_PIPE_CALL;
	pipe->head = last + 1;
	return true;
}

/* Takes one result; false if the connection was dropped or the order is broken. */
static bool
result_take(AmPipe *pipe, const PGresult *result)
{
	AmPipeEntry *entry = am_pipe_entry(pipe, pipe->at);
	bool sync = PQresultStatus(result) == PGRES_PIPELINE_SYNC;

	if (pipe->at == pipe->tail)
		return false;
	if (entry->kind == AM_PIPE_SYNC)
	{
		/* an error here is the commit's */
		if (sync)
			return batch_done(pipe);
		entry->state = AM_CALL_RAISED;
		keep_sqlstate(entry->sqlstate, result);
		return true;
	}
	if (sync)
		return false;
	entry_result(pipe, entry, result);
	pipe->at++;
	return true;
}

static bool
pipe_readable(AmPgConn *conn)
{
	AmPipe *pipe = conn->owner_state;
	int nothing = 0;

	/* without a call in flight only notices and parameter changes can have come: parse them away */
	if (pipe->head == pipe->tail)
		(void) PQisBusy(conn->pg);
	/* NULL ends one statement, not the queue; twice in a row means libpq has lost its place */
	while (pipe->head != pipe->tail && nothing < 2 && PQisBusy(conn->pg) == 0)
	{
		PGresult *result = PQgetResult(conn->pg);
		bool taken;

		nothing = result == NULL ? nothing + 1 : 0;
		if (result == NULL)
			continue;
		taken = result_take(pipe, result);
		PQclear(result);
		if (!taken)
			return false;
	}
	return nothing < 2;
}

static void
pipe_lost(AmPgConn *conn)
{
	AmPipe *pipe = conn->owner_state;
	unsigned first = pipe->head;
	unsigned last = pipe->tail;

	pipe->calls = 0;
	am_lane_pipe_lost(pipe, first, last);
	pipe->head = pipe->at = pipe->tail = 0;
}
