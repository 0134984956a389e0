/*-------------------------------------------------------------------------
 *
 * pgconn.c
 *	  One connection to the database (see pgconn.h).
 *
 *-------------------------------------------------------------------------
 */
#include "pgconn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_table.h"
#include "engine.h"

static void watch_called(void *state, unsigned events);

void
am_pgconn_init(AmPgConn *conn, AmEngine *engine, AmLaneId lane, const AmPgConnOwner *owner,
			   void *owner_state)
{
	*conn = (AmPgConn){
		.engine = engine,
		.owner = owner,
		.owner_state = owner_state,
		.lane = lane,
	};
	am_watch_init(&conn->watch, watch_called, conn);
}

int
am_pgconn_next_pause_ms(int last_ms, int minimum_ms, int maximum_ms, bool eager, unsigned jitter)
{
	int64_t pause = last_ms <= 0 ? minimum_ms : (int64_t) last_ms * 2;

	if (eager && pause > AM_PGCONN_EAGER_PAUSE_MS)
		pause = AM_PGCONN_EAGER_PAUSE_MS;
	if (pause > maximum_ms)
		pause = maximum_ms;
	/* between 3/4 and the whole of it, so that many clients do not come at once */
	pause -= pause / 4 * (int64_t) (jitter % 1000) / 1000;
	return pause < 1 ? 1 : (int) pause;
}

static void
observe(const AmPgConn *conn, AmObsId id, const char *message, int count)
{
	AmObservation observation = am_obs_make(id);

	observation.lane = conn->lane;
	observation.message = message;
	observation.count = count;
	am_obs_emit(&conn->engine->obs, &observation);
}

/* Every failed attempt is counted, but an outage fills no log: a line now and then is enough. */
static void
observe_failure(AmPgConn *conn, const char *message)
{
	int64_t now_us = am_loop_now_us();

	conn->failures++;
	if (conn->failure_told_us != 0 &&
		now_us - conn->failure_told_us < (int64_t) AM_PGCONN_TELL_MS * 1000)
		return;
	observe(conn, AM_OBS_DATABASE_RECONNECT, message, conn->failures);
	conn->failures = 0;
	conn->failure_told_us = now_us;
}

/* libpq's message on one line; it names hosts and roles, never passwords. */
static void
libpq_reason(const AmPgConn *conn, char reason[AM_PGCONN_REASON_BYTES])
{
	const char *message = conn->pg == NULL ? "" : PQerrorMessage(conn->pg);
	size_t length = 0;

	for (; *message != '\0' && length < AM_PGCONN_REASON_BYTES - 1; message++)
		reason[length++] = (unsigned char) *message < 0x20 ? ' ' : *message;
	while (length > 0 && reason[length - 1] == ' ')
		length--;
	reason[length] = '\0';
}

static void
pause_begin(AmPgConn *conn)
{
	const AmTuning *tuning = &conn->engine->tuning;
	int64_t now_us = am_loop_now_us();
	bool eager;

	if (conn->down_since_us == 0)
		conn->down_since_us = now_us;
	eager = now_us - conn->down_since_us < (int64_t) AM_PGCONN_EAGER_MS * 1000;
	conn->pause_ms =
		am_pgconn_next_pause_ms(conn->pause_ms, tuning->reconnect_min_ms, tuning->reconnect_max_ms,
								eager, am_engine_jitter(conn->engine));
	conn->retry_us = now_us + (int64_t) conn->pause_ms * 1000;
}

static void
pg_finish(AmPgConn *conn)
{
	am_loop_unwatch(&conn->engine->loop, &conn->watch);
	PQfinish(conn->pg);
	conn->pg = NULL;
	conn->state = AM_PGCONN_DOWN;
	conn->unflushed = false;
	conn->stale = false;
}

void
am_pgconn_drop(AmPgConn *conn, const char *reason, bool at_once)
{
	char message[AM_PGCONN_REASON_BYTES];
	bool ready = conn->state == AM_PGCONN_READY;

	libpq_reason(conn, message);
	if (at_once)
	{
		observe(conn, AM_OBS_DATABASE_RECYCLED, reason, 1);
		conn->retry_us = 0;
	}
	else
	{
		if (ready)
			observe(conn, AM_OBS_DATABASE_DOWN, reason != NULL ? reason : message, 1);
		else if (conn->engine->exit == AM_EXIT_OK)
			observe_failure(conn, reason != NULL ? reason : message);
		pause_begin(conn);
	}
	pg_finish(conn);
	conn->owner->lost(conn);
}

void
am_pgconn_close(AmPgConn *conn)
{
	if (conn->engine != NULL)
		pg_finish(conn);
}

void
am_pgconn_ready(AmPgConn *conn)
{
	conn->state = AM_PGCONN_READY;
	conn->down_since_us = 0;
	conn->pause_ms = 0;
	conn->failure_told_us = 0;
	observe(conn, AM_OBS_DATABASE_UP, "A database connection is ready.", 1);
}

/* Messages of the server could quote input, so none is printed. */
static void
notice_ignore(void *state, const PGresult *result)
{
	(void) state;
	(void) result;
}

/* What stands before dbname can be overridden by the connection string, the rest cannot. */
static PGconn *
connect_start(const AmPgConn *conn, bool resolved)
{
	const AmEngine *engine = conn->engine;
	const char *database = engine->config->database;
	char name[64];
	const char *keywords[] = {"tcp_user_timeout", "keepalives_idle",
							  "dbname",           "application_name",
							  "client_encoding",  "host",
							  "hostaddr",         NULL};
	const char *values[] = {"10000",
							"30",
							database[0] == '\0' ? NULL : database,
							name,
							"UTF8",
							engine->resolver.hosts,
							engine->resolver.addresses,
							NULL};

	if (!resolved)
		keywords[5] = NULL;
	(void) snprintf(name, sizeof(name), "%s/%s", am_program.name, am_lane_name(conn->lane));
	return PQconnectStartParams(keywords, values, 1);
}

static void
connect_begin(AmPgConn *conn)
{
	AmEngine *engine = conn->engine;
	AmResolveOutcome outcome = am_resolve(&engine->resolver, engine->database_host, engine->now_us);

	if (outcome == AM_RESOLVE_PENDING)
		return;
	conn->since_us = am_loop_now_us();
	if (outcome == AM_RESOLVE_FAILED)
	{
		am_pgconn_drop(conn, "the database host could not be looked up", false);
		return;
	}
	conn->pg = connect_start(conn, outcome == AM_RESOLVE_READY);
	if (conn->pg == NULL || PQstatus(conn->pg) == CONNECTION_BAD)
	{
		am_pgconn_drop(conn, conn->pg == NULL ? "out of memory" : NULL, false);
		return;
	}
	(void) PQsetNoticeReceiver(conn->pg, notice_ignore, NULL);
	conn->state = AM_PGCONN_CONNECTING;
	if (!am_loop_watch(&engine->loop, &conn->watch, PQsocket(conn->pg), AM_WATCH_WRITE))
		am_pgconn_drop(conn, "could not watch the socket", false);
}

static void
connect_done(AmPgConn *conn)
{
	conn->state = AM_PGCONN_OPEN;
	if (PQsetnonblocking(conn->pg, 1) != 0 ||
		!am_loop_watch(&conn->engine->loop, &conn->watch, PQsocket(conn->pg), AM_WATCH_READ) ||
		!conn->owner->opened(conn))
		am_pgconn_drop(conn, NULL, false);
	else
		am_pgconn_flush(conn);
}

static void
connect_step(AmPgConn *conn)
{
	PostgresPollingStatusType status = PQconnectPoll(conn->pg);
	unsigned events = status == PGRES_POLLING_READING ? AM_WATCH_READ : AM_WATCH_WRITE;

	/* libpq may have gone on to another socket with the same number: watch it anew */
	am_loop_unwatch(&conn->engine->loop, &conn->watch);
	if (status == PGRES_POLLING_FAILED)
		am_pgconn_drop(conn, NULL, false);
	else if (status == PGRES_POLLING_OK)
		connect_done(conn);
	else if (!am_loop_watch(&conn->engine->loop, &conn->watch, PQsocket(conn->pg), events))
		am_pgconn_drop(conn, "could not watch the socket", false);
}

void
am_pgconn_flush(AmPgConn *conn)
{
	int left;

	if (conn->state < AM_PGCONN_OPEN)
		return;
	left = PQflush(conn->pg);
	if (left < 0)
	{
		am_pgconn_drop(conn, NULL, false);
		return;
	}
	if ((left > 0) == conn->unflushed)
		return;
	conn->unflushed = left > 0;
	if (!am_loop_watch(&conn->engine->loop, &conn->watch, PQsocket(conn->pg),
					   AM_WATCH_READ | (left > 0 ? AM_WATCH_WRITE : 0)))
		am_pgconn_drop(conn, "could not watch the socket", false);
}

static void
watch_called(void *state, unsigned events)
{
	AmPgConn *conn = state;

	if (conn->state == AM_PGCONN_DOWN)
		return;
	/* the loop has waited since the engine took the time */
	conn->engine->now_us = am_loop_now_us();
	if (conn->state == AM_PGCONN_CONNECTING)
	{
		connect_step(conn);
		return;
	}
	/* input is consumed also while output waits, else both ends could wait for each other */
	if ((events & (AM_WATCH_READ | AM_WATCH_LOST)) != 0)
	{
		bool alive = PQconsumeInput(conn->pg) != 0;

		/* results that came before the loss still count: take them first */
		if (!conn->owner->readable(conn) || !alive)
		{
			if (conn->state != AM_PGCONN_DOWN)
				am_pgconn_drop(conn, NULL, false);
			return;
		}
	}
	if (conn->unflushed)
		am_pgconn_flush(conn);
}

void
am_pgconn_tick(AmPgConn *conn)
{
	int64_t now_us = conn->engine->now_us;

	if (conn->state == AM_PGCONN_DOWN && now_us >= conn->retry_us)
		connect_begin(conn);
	else if ((conn->state == AM_PGCONN_CONNECTING || conn->state == AM_PGCONN_OPEN) &&
			 now_us - conn->since_us > (int64_t) conn->engine->tuning.connect_timeout_ms * 1000)
		am_pgconn_drop(conn, "connecting took too long", false);
}

const char *
am_pgconn_library_version(void)
{
	static _Thread_local char version[16];

	(void) snprintf(version, sizeof(version), "%d", PQlibVersion());
	return version;
}

char *
am_pgconn_database_host(const char *database)
{
	PQconninfoOption *options = PQconninfoParse(database, NULL);
	const char *host = getenv("PGHOST");
	const char *address = getenv("PGHOSTADDR");
	char *copy = NULL;

	for (const PQconninfoOption *option = options; option != NULL && option->keyword != NULL;
		 option++)
	{
		if (option->val == NULL)
			continue;
		if (strcmp(option->keyword, "host") == 0)
			host = option->val;
		else if (strcmp(option->keyword, "hostaddr") == 0)
			address = option->val;
	}
	if (host != NULL && am_resolve_is_name(host) && (address == NULL || address[0] == '\0'))
		copy = strdup(host);
	PQconninfoFree(options);
	return copy;
}
