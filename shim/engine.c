/*-------------------------------------------------------------------------
 *
 * engine.c
 *	  One loop thread (see engine.h).
 *
 *-------------------------------------------------------------------------
 */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define AM_LOG_CLOSE_WAIT_MS 200

AmTuning
am_tuning_of(const AmConfig *config)
{
	AmTuning tuning = {
		.connect_timeout_ms = config->connect_timeout_ms,
		.reconnect_min_ms = config->reconnect_min_ms,
		.reconnect_max_ms = config->reconnect_max_ms,
		.connection_age_max_s = config->connection_age_max_s,
		.header_timeout_ms = config->header_timeout_ms,
		.body_timeout_ms = config->body_timeout_ms,
		.upload_bytes_per_s_min = config->upload_bytes_per_s_min,
		.idle_timeout_ms = config->idle_timeout_ms,
		.drain_timeout_ms = config->drain_timeout_ms,
		.log_level = config->log_level,
		.log_sample_above = config->log_sample_above,
		.log_sample_one_in = config->log_sample_one_in,
	};

	memcpy(tuning.lane, config->lane, sizeof(tuning.lane));
	return tuning;
}

unsigned
am_engine_jitter(AmEngine *engine)
{
	engine->jitter = engine->jitter * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned) (engine->jitter >> 33) % 1000;
}

static void
state_enter(AmEngine *engine, AmEngineState state)
{
	engine->state = state;
	engine->state_us = am_loop_now_us();
}

static void
waiting_tick(AmEngine *engine)
{
	bool ready = am_lanes_ready(engine);
	int64_t waited_us = engine->now_us - engine->state_us;

	if (engine->state != AM_ENGINE_STARTING ||
		(!ready && waited_us < (int64_t) AM_LANES_WAIT_MS * 1000))
		return;
	if (!am_http_open(engine))
	{
		am_engine_fail(engine, AM_EXIT_LISTEN);
		return;
	}
	state_enter(engine, AM_ENGINE_SERVING);
	am_obs_tell(&engine->obs, AM_OBS_STARTED, NULL, NULL);
}

/* Everything was answered and written, or the drain time is over. */
static void
draining_tick(AmEngine *engine)
{
	int64_t waited_us = engine->now_us - engine->state_us;

	if (engine->state != AM_ENGINE_DRAINING)
		return;
	if (waited_us >= (int64_t) engine->tuning.drain_timeout_ms * 1000)
		am_engine_order_stop(engine);
	else if (engine->requests.in_use == 0 && engine->clients.open_count == 0)
		state_enter(engine, AM_ENGINE_STOPPED);
}

static void
engine_tick(void *state, unsigned events)
{
	AmEngine *engine = state;

	(void) events;
	engine->now_us = am_loop_now_us();
	am_control_tick(engine);
	am_lanes_tick(engine);
	am_clients_janitor(engine);
	waiting_tick(engine);
	draining_tick(engine);
	am_metrics_gauge_set(engine->metrics, AM_GAUGE_REQUESTS_IN_FLIGHT, engine->requests.in_use);
	am_metrics_gauge_set(engine->metrics, AM_GAUGE_BODY_POOL_BYTES,
						 (int64_t) engine->requests.pool.bytes_used);
	am_metrics_tick(engine->metrics, engine->now_us);
}

static bool
observers_init(AmEngine *engine, AmLogSink *sink)
{
	am_obs_init(&engine->obs);
	engine->metrics = am_metrics_create(engine->registry);
	return engine->metrics != NULL &&
		   am_log_init(&engine->log, sink, &engine->obs, engine->tuning.log_level,
					   engine->tuning.log_sample_above, engine->tuning.log_sample_one_in) &&
		   am_obs_subscribe(&engine->obs, am_metrics_observe, engine->metrics) &&
		   am_obs_subscribe(&engine->obs, am_log_observe, &engine->log);
}

static bool
stores_init(AmEngine *engine)
{
	const AmConfig *config = engine->config;
	/* a connection has one request at a time, so slots never run out before connections do */
	int connections = config->connections_max / config->loops + 1;

	engine->scratch.nodes = calloc(AM_JSON_NODES_MAX, sizeof(amc_json_node));
	return engine->scratch.nodes != NULL &&
		   am_requests_init(&engine->requests, engine, connections,
							(size_t) config->body_pool_bytes_max) &&
		   am_clients_init(&engine->clients, connections);
}

bool
am_engine_init(AmEngine *engine, const AmConfig *config, int index, AmMetricsRegistry *registry,
			   AmLogSink *sink, const int *sockets, int admin_socket)
{
	memset(engine, 0, sizeof(*engine));
	engine->config = config;
	engine->tuning = am_tuning_of(config);
	engine->index = index;
	engine->loop_count = config->loops;
	engine->registry = registry;
	engine->now_us = am_loop_now_us();
	am_loop_init(&engine->loop);
	am_http_init(engine, sockets, admin_socket);
	state_enter(engine, AM_ENGINE_LOADING);
	if (pthread_mutex_init(&engine->mailbox.mutex, NULL) != 0 ||
		getrandom(&engine->jitter, sizeof(engine->jitter), 0) != (ssize_t) sizeof(engine->jitter))
		return false;
	am_control_init(engine);
	engine->database_host = am_pgconn_database_host(config->database);
	return am_loop_open(&engine->loop) && observers_init(engine, sink) && stores_init(engine) &&
		   am_lanes_init(engine) &&
		   am_loop_tick_every(&engine->loop, AM_TICK_MS, engine_tick, engine);
}

static void
drain_begin(AmEngine *engine)
{
	if (engine->state >= AM_ENGINE_DRAINING)
		return;
	am_metrics_draining_set(engine->registry, true);
	am_obs_tell(&engine->obs, AM_OBS_DRAINING, NULL, NULL);
	if (engine->state != AM_ENGINE_SERVING)
	{
		state_enter(engine, AM_ENGINE_STOPPED);
		return;
	}
	am_http_quiesce(engine);
	state_enter(engine, AM_ENGINE_DRAINING);
}

static void
mailbox_take(AmEngine *engine)
{
	AmMailbox *mailbox = &engine->mailbox;
	bool stop;
	bool drain;
	bool reload;

	(void) pthread_mutex_lock(&mailbox->mutex);
	stop = mailbox->stop;
	drain = mailbox->drain;
	reload = mailbox->reload;
	if (mailbox->tuned)
		engine->tuning = mailbox->tuning;
	mailbox->drain = mailbox->stop = mailbox->reload = mailbox->tuned = false;
	(void) pthread_mutex_unlock(&mailbox->mutex);
	if (reload)
	{
		am_log_configure(&engine->log, engine->tuning.log_level, engine->tuning.log_sample_above,
						 engine->tuning.log_sample_one_in);
		am_control_reload(engine);
	}
	if (drain)
		drain_begin(engine);
	if (stop)
	{
		/* whoever still waits gets 503; one more run of the HTTP side writes it */
		am_lanes_give_up(engine);
		am_http_run(engine);
		state_enter(engine, AM_ENGINE_STOPPED);
	}
}

static void
engine_turn(AmEngine *engine)
{
	bool due = am_http_due(engine);

	if (!am_loop_wait(&engine->loop, due ? 0 : AM_TICK_MS))
	{
		am_engine_fail(engine, AM_EXIT_FAULT);
		return;
	}
	engine->now_us = am_loop_now_us();
	am_lanes_pump(engine);
	am_http_run(engine);
	am_lanes_pump(engine);
	mailbox_take(engine);
	am_metrics_gauge_set(engine->metrics, AM_GAUGE_LOG_BUFFER_BYTES,
						 (int64_t) am_log_flush(&engine->log));
}

void
am_engine_run(AmEngine *engine, void (*serving)(void))
{
	bool told = false;

	if (!am_http_open_admin(engine))
		am_engine_fail(engine, AM_EXIT_LISTEN);
	while (engine->state != AM_ENGINE_STOPPED)
	{
		engine_turn(engine);
		if (serving != NULL && !told && engine->state == AM_ENGINE_SERVING)
		{
			told = true;
			serving();
		}
	}
	am_obs_tell(&engine->obs, AM_OBS_STOPPED, NULL, NULL);
}

void
am_engine_free(AmEngine *engine)
{
	if (am_loop_is_open(&engine->loop))
		am_http_close(engine);
	am_lanes_free(engine);
	am_control_free(engine);
	am_resolve_close(&engine->resolver);
	free(engine->database_host);
	am_requests_free(&engine->requests);
	am_clients_free(&engine->clients);
	am_catalog_release(engine->catalog);
	free(engine->scratch.nodes);
	am_loop_close(&engine->loop);
	if (engine->log.buffer != NULL)
		am_log_close(&engine->log, AM_LOG_CLOSE_WAIT_MS);
	(void) pthread_mutex_destroy(&engine->mailbox.mutex);
}

void
am_engine_answered(AmEngine *engine, AmRequest *request)
{
	request->answered_us = engine->now_us;
	am_http_resume(request);
}

void
am_engine_catalog(AmEngine *engine, AmCatalog *catalog)
{
	AmCatalog *old = engine->catalog;

	engine->catalog = catalog;
	if (old != NULL)
		am_lanes_catalog_changed(engine);
	am_catalog_release(old);
	am_metrics_tables_loaded_set(engine->metrics, true);
	if (engine->state == AM_ENGINE_LOADING)
		state_enter(engine, AM_ENGINE_STARTING);
}

void
am_engine_fail(AmEngine *engine, AmExit status)
{
	engine->exit = status;
	am_engine_order_stop(engine);
}

static void
order_begin(AmEngine *engine)
{
	(void) pthread_mutex_lock(&engine->mailbox.mutex);
}

static void
order_end(AmEngine *engine)
{
	(void) pthread_mutex_unlock(&engine->mailbox.mutex);
	am_loop_wake(&engine->loop);
}

void
am_engine_order_drain(AmEngine *engine)
{
	order_begin(engine);
	engine->mailbox.drain = true;
	order_end(engine);
}

void
am_engine_order_stop(AmEngine *engine)
{
	order_begin(engine);
	engine->mailbox.stop = true;
	order_end(engine);
}

void
am_engine_order_reload(AmEngine *engine, const AmTuning *tuning)
{
	order_begin(engine);
	engine->mailbox.reload = true;
	if (tuning != NULL)
	{
		engine->mailbox.tuning = *tuning;
		engine->mailbox.tuned = true;
	}
	order_end(engine);
}
