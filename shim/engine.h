/*-------------------------------------------------------------------------
 *
 * engine.h
 *	  One loop thread with everything it needs; loops share nothing but the log
 *	  destination, the metrics registry and the configuration, which is read-only.
 *
 * One turn of the loop:
 *	 1. wait for the HTTP library's descriptors, libpq's sockets, ticker, signals;
 *		results of the database are taken here, and their requests resumed
 *	 2. send what the lanes have gathered, so that the database works while
 *	 3. the HTTP library writes replies, reads requests and calls the handlers
 *	 4. send again what these brought; flush the log
 *
 * An engine goes through these states:
 *
 *	 LOADING -> STARTING -> SERVING -> DRAINING -> STOPPED
 *		\________\____________________________________^
 *
 * LOADING: the control connection reads the tables.  STARTING: the lanes connect.
 * SERVING: the listeners are open.  DRAINING: no new connections; replies close
 * theirs; what is left at the end of the drain time gets 503.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_ENGINE_H
#define AM_SHIM_ENGINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "argument.h"
#include "catalog.h"
#include "config.h"
#include "catalog_control.h"
#include "http.h"
#include "lanes.h"
#include "janitor.h"
#include "log.h"
#include "loop.h"
#include "metrics.h"
#include "obs.h"
#include "request.h"
#include "resolve.h"

#define AM_TICK_MS         100  /* janitor, reconnects, deadlines */
#define AM_LANES_WAIT_MS   5000 /* STARTING: longest wait for the lanes */
#define AM_DRAIN_LINGER_MS 500  /* DRAINING: how long idle connections may still send a request */

/* Exit statuses of the program. */
typedef enum AmExit
{
	AM_EXIT_OK = 0,
	AM_EXIT_FAULT = 1,    /* a fault of the shim or the system */
	AM_EXIT_CONFIG = 2,   /* = AM_CONFIG_EXIT_STATUS */
	AM_EXIT_DATABASE = 3, /* no database within database_start_wait_ms */
	AM_EXIT_REFUSED = 4,  /* the database refused the start: checks, secrets, colliding routes */
	AM_EXIT_LISTEN = 5    /* an address could not be bound */
} AmExit;

typedef enum AmEngineState
{
	AM_ENGINE_LOADING,
	AM_ENGINE_STARTING,
	AM_ENGINE_SERVING,
	AM_ENGINE_DRAINING,
	AM_ENGINE_STOPPED
} AmEngineState;

/* The settings that SIGHUP can change, copied so that a reload pulls no rug away. */
typedef struct AmTuning
{
	int connect_timeout_ms;
	int reconnect_min_ms;
	int reconnect_max_ms;
	int connection_age_max_s;
	int header_timeout_ms;
	int body_timeout_ms;
	int upload_bytes_per_s_min;
	int idle_timeout_ms;
	int drain_timeout_ms;
	AmLaneConfig lane[AM_LANE_SERVING_COUNT];
	AmObsLevel log_level;
	int log_sample_above;
	int log_sample_one_in;
} AmTuning;

/* Orders from another thread, taken at the next turn; guarded by mutex. */
typedef struct AmMailbox
{
	pthread_mutex_t mutex;
	bool drain;
	bool stop;
	bool reload;
	bool tuned;
	AmTuning tuning;
} AmMailbox;

typedef struct AmEngine
{
	const AmConfig *config; /* as at start: listeners, mounts, sizes */
	AmTuning tuning;
	int index; /* 0 = the main thread's, which alone imports secrets and runs the checks */
	int loop_count;
	AmEngineState state;
	AmExit exit;
	int64_t now_us;   /* CLOCK_MONOTONIC, taken once a turn */
	int64_t state_us; /* when the present state began */
	uint64_t jitter;

	AmLoop loop;
	AmObs obs;
	AmLog log;
	AmMetricsRegistry *registry;
	AmMetrics *metrics;

	AmCatalog *catalog; /* NULL until loaded */
	AmControl control;
	AmResolver resolver;
	char *database_host; /* of the connection string, NULL = none or not to be looked up */
	AmLane lane[AM_LANE_SERVING_COUNT];
	AmRequests requests;
	AmJsonScratch scratch;
	AmClients clients;
	AmHttp http;
	AmMailbox mailbox;
} AmEngine;

/* Copies the reloadable settings. */
extern AmTuning am_tuning_of(const AmConfig *config);

/*
 * Prepares an engine.  sockets has one bound descriptor for each listener of the
 * configuration, which become the engine's; admin_socket is -1 or the admin's.
 */
extern bool am_engine_init(AmEngine *engine, const AmConfig *config, int index,
						   AmMetricsRegistry *registry, AmLogSink *sink, const int *sockets,
						   int admin_socket);

/* Runs until STOPPED; serving (may be NULL) is called once, when the listeners are open. */
extern void am_engine_run(AmEngine *engine, void (*serving)(void));

extern void am_engine_free(AmEngine *engine);

/* Orders; each may be given by any thread. */
extern void am_engine_order_drain(AmEngine *engine);
extern void am_engine_order_stop(AmEngine *engine);
extern void am_engine_order_reload(AmEngine *engine, const AmTuning *tuning);

/* ---- for the modules of the engine ---- */

/* A lane has answered a request: continue its HTTP connection. */
extern void am_engine_answered(AmEngine *engine, AmRequest *request);

/* The control connection has a new catalog; takes over the reference. */
extern void am_engine_catalog(AmEngine *engine, AmCatalog *catalog);

/* Ends an engine that cannot serve. */
extern void am_engine_fail(AmEngine *engine, AmExit status);

/* A random number below 1000. */
extern unsigned am_engine_jitter(AmEngine *engine);

#endif /* AM_SHIM_ENGINE_H */
