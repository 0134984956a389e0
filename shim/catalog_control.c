/*-------------------------------------------------------------------------
 *
 * catalog_control.c
 *	  The control connection (see catalog_control.h).  catalog_result.c reads the results.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog_control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_result.h"
#include "engine.h"

static bool control_opened(AmPgConn *conn);
static bool control_readable(AmPgConn *conn);
static void control_lost(AmPgConn *conn);

static const AmPgConnOwner control_owner = {control_opened, control_readable, control_lost};

typedef struct StepRow
{
	const char *sql;
	bool optional;  /* an error does no harm: the role may lack the privilege */
	int parameters; /* 0, 1 = the APIs, 3 = a secret */
	bool (*take)(AmEngine *engine, const PGresult *result); /* false = the load failed */
} StepRow;

static const StepRow step_rows[AM_CONTROL_STEPS] = {
	[AM_CONTROL_SESSION] = {"SELECT pg_catalog.set_config('search_path', 'pg_catalog', false), "
							"pg_catalog.set_config('statement_timeout', '10000', false)",
							false, 0, NULL},
	/* the secrets below are bind values: no log of the server may show them */
	[AM_CONTROL_LOG_BINDS] = {"SET log_parameter_max_length = 0", true, 0, NULL},
	[AM_CONTROL_LOG_ERROR_BINDS] = {"SET log_parameter_max_length_on_error = 0", true, 0, NULL},
	[AM_CONTROL_LISTEN] = {"LISTEN " AM_CONTROL_CHANNEL, false, 0, NULL},
	[AM_CONTROL_DEPLOYMENTS] = {"SELECT api, name FROM authmeter_http.deployment_list($1::text[])",
								false, 1, am_control_take_deployments},
	[AM_CONTROL_IMPORT] = {"SELECT authmeter_http.deployment_import($1::text, $2::text, $3::text)",
						   false, 3, am_control_take_import},
	[AM_CONTROL_CHECK] =
		{"SELECT severity, message, hint FROM authmeter_http.start_check($1::text[])", false, 1,
		 am_control_take_check},
	[AM_CONTROL_GATEWAY] = {"SELECT authmeter_http.gateway_config($1::text[])", false, 1,
							am_control_take_gateway},
	[AM_CONTROL_ROUTES] =
		{"SELECT api, method, path, function, lane, body, body_bytes_max, limited, "
		 "pg_catalog.array_to_json(headers), cookies "
		 "FROM authmeter_http.route_list($1::text[])",
		 false, 1, am_control_take_routes},
	[AM_CONTROL_REFUSALS] =
		{"SELECT api, reason, path, status, body FROM authmeter_http.refusal_list($1::text[])",
		 false, 1, am_control_take_refusals},
	[AM_CONTROL_WEAK] =
		{"SELECT policy, value, consequence FROM authmeter_http.weak_behaviour_list($1::text[])",
		 false, 1, am_control_take_weak},
};

/* API names were checked by the configuration: lower-case letters, digits, underscores. */
static void
apis_literal(AmControl *control, const AmConfig *config)
{
	size_t length = 0;

	for (int i = 0; i < config->api_count && length < sizeof(control->apis); i++)
		length += (size_t) snprintf(control->apis + length, sizeof(control->apis) - length, "%c%s",
									i == 0 ? '{' : ',', config->api[i]);
	if (length < sizeof(control->apis) - 1)
	{
		control->apis[length] = '}';
		control->apis[length + 1] = '\0';
	}
}

void
am_control_init(AmEngine *engine)
{
	AmControl *control = &engine->control;

	memset(control, 0, sizeof(*control));
	am_pgconn_init(&control->conn, engine, AM_LANE_CONTROL, &control_owner, engine);
	apis_literal(control, engine->config);
}

static void
secrets_wipe(AmControl *control)
{
	for (int i = 0; i < control->secret_count; i++)
	{
		am_secret_wipe(&control->secret[i].secret);
		free(control->secret[i].api);
		free(control->secret[i].name);
	}
	control->secret_count = 0;
}

void
am_control_free(AmEngine *engine)
{
	AmControl *control = &engine->control;

	am_pgconn_close(&control->conn);
	am_catalog_release(control->next);
	control->next = NULL;
	secrets_wipe(control);
}

/* Sends the query of the present step. */
static bool
step_send(AmEngine *engine)
{
	AmControl *control = &engine->control;
	const StepRow *row = &step_rows[control->step];
	const AmControlSecret *secret = &control->secret[control->secret_at];
	const char *values[3] = {control->apis, NULL, NULL};

	if (row->parameters == 3)
	{
		values[0] = secret->api;
		values[1] = secret->name;
		values[2] = secret->secret.value;
	}
	control->step_us = am_loop_now_us();
	if (PQsendQueryParams(control->conn.pg, row->sql, row->parameters, NULL, values, NULL, NULL,
						  0) == 0)
		return false;
	am_pgconn_flush(&control->conn);
	return control->conn.pg != NULL;
}

/* The step to go to from here; a load begins at GATEWAY. */
static AmControlStep
step_after(const AmEngine *engine)
{
	const AmControl *control = &engine->control;

	if (control->step == AM_CONTROL_IMPORT && control->secret_at < control->secret_count)
		return AM_CONTROL_IMPORT;
	if (control->step == AM_CONTROL_LISTEN && (engine->index != 0 || control->prepared))
		return AM_CONTROL_GATEWAY;
	if (control->step == AM_CONTROL_DEPLOYMENTS && control->secret_at == control->secret_count)
		return AM_CONTROL_CHECK;
	/* warnings are for the process, so one loop tells them */
	if (control->step == AM_CONTROL_REFUSALS && engine->index != 0)
		return AM_CONTROL_IDLE;
	return control->step == AM_CONTROL_WEAK ? AM_CONTROL_IDLE : (AmControlStep) (control->step + 1);
}

static void
load_finished(AmEngine *engine)
{
	AmControl *control = &engine->control;
	AmCatalog *catalog = control->next;
	AmText error;

	control->next = NULL;
	am_text_init(&error, AM_CONTROL_APIS_BYTES);
	if (am_catalog_mount(catalog, engine->config, engine->registry, &error))
	{
		if (control->loaded && engine->index == 0)
			am_obs_tell(&engine->obs, AM_OBS_RELOAD_DONE, "tables", NULL);
		control->loaded = true;
		control->prepared = true;
		am_engine_catalog(engine, catalog);
		if (control->conn.state == AM_PGCONN_OPEN)
			am_pgconn_ready(&control->conn);
	}
	else
	{
		am_catalog_release(catalog);
		am_control_refuse(engine, am_text_string(&error), NULL);
	}
	am_text_free(&error);
}

static bool
step_begin(AmEngine *engine, AmControlStep step)
{
	AmControl *control = &engine->control;

	control->step = step;
	if (step == AM_CONTROL_GATEWAY)
	{
		control->reload_wanted = false;
		am_catalog_release(control->next);
		control->next = am_catalog_create();
		if (control->next == NULL)
			return false;
	}
	if (step != AM_CONTROL_IDLE)
		return step_send(engine);
	load_finished(engine);
	if (control->reload_wanted && engine->state != AM_ENGINE_STOPPED)
		return step_begin(engine, AM_CONTROL_GATEWAY);
	return true;
}

static bool
control_opened(AmPgConn *conn)
{
	return step_begin(conn->engine, AM_CONTROL_SESSION);
}

void
am_control_reload(AmEngine *engine)
{
	AmControl *control = &engine->control;

	control->reload_wanted = true;
	if (control->step == AM_CONTROL_IDLE && control->conn.state == AM_PGCONN_READY &&
		!step_begin(engine, AM_CONTROL_GATEWAY))
		am_pgconn_drop(&control->conn, NULL, false);
}

/* The error of a step.  A bind value could be a secret, so only the import's code is told. */
static void
step_failed(AmEngine *engine, const PGresult *result)
{
	AmControl *control = &engine->control;
	const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	char message[AM_PGCONN_REASON_BYTES];

	if (control->step == AM_CONTROL_IMPORT || primary == NULL)
		primary = "a variable of the deployment could not be imported";
	(void) snprintf(message, sizeof(message), "the tables could not be read: %s (SQLSTATE %s)",
					primary, code == NULL ? "none" : code);
	if (control->loaded)
		am_obs_tell(&engine->obs, AM_OBS_RELOAD_FAILED, "tables", message);
	am_pgconn_drop(&control->conn, message, false);
}

/* False if the connection was given up. */
static bool
step_result(AmEngine *engine, const PGresult *result)
{
	const StepRow *row = &step_rows[engine->control.step];
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
	{
		if (row->optional)
			return true;
		step_failed(engine, result);
		return false;
	}
	return row->take == NULL || row->take(engine, result);
}

static bool
notifications_take(AmEngine *engine)
{
	PGnotify *notification;
	bool any = false;

	while ((notification = PQnotifies(engine->control.conn.pg)) != NULL)
	{
		any = true;
		PQfreemem(notification);
	}
	return any;
}

static bool
control_readable(AmPgConn *conn)
{
	AmEngine *engine = conn->engine;
	AmControl *control = &engine->control;

	while (PQisBusy(conn->pg) == 0)
	{
		PGresult *result = PQgetResult(conn->pg);
		bool taken;

		if (result != NULL)
		{
			taken = control->step == AM_CONTROL_IDLE || step_result(engine, result);
			PQclear(result);
			if (!taken || conn->pg == NULL)
				return conn->pg == NULL;
			continue;
		}
		if (control->step == AM_CONTROL_IDLE)
			break;
		if (!step_begin(engine, step_after(engine)))
			return false;
		if (conn->pg == NULL || control->step == AM_CONTROL_IDLE)
			break;
	}
	if (conn->pg != NULL && notifications_take(engine))
		am_control_reload(engine);
	return true;
}

static void
control_lost(AmPgConn *conn)
{
	AmEngine *engine = conn->engine;
	AmControl *control = &engine->control;
	int64_t waited_us = am_loop_now_us() - engine->state_us;

	am_catalog_release(control->next);
	control->next = NULL;
	control->step = AM_CONTROL_IDLE;
	if (engine->state == AM_ENGINE_LOADING && engine->index == 0 &&
		waited_us >= (int64_t) engine->config->database_start_wait_ms * 1000)
	{
		am_obs_tell(&engine->obs, AM_OBS_CHECK_FAILED, "database",
					"The database did not answer within database_start_wait_ms.");
		am_engine_fail(engine, AM_EXIT_DATABASE);
	}
}

void
am_control_tick(AmEngine *engine)
{
	AmControl *control = &engine->control;

	am_pgconn_tick(&control->conn);
	if (control->step != AM_CONTROL_IDLE && control->conn.state == AM_PGCONN_READY &&
		engine->now_us - control->step_us > (int64_t) AM_CONTROL_QUERY_LIMIT_MS * 1000)
		am_pgconn_drop(&control->conn, "reading the tables took too long", false);
	am_metrics_lane_gauge_set(engine->metrics, AM_LANE_GAUGE_CONNECTIONS_UP, AM_LANE_CONTROL,
							  control->conn.state == AM_PGCONN_READY);
	am_metrics_lane_gauge_set(engine->metrics, AM_LANE_GAUGE_CONNECTIONS_WANTED, AM_LANE_CONTROL,
							  1);
}
