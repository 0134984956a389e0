/*-------------------------------------------------------------------------
 *
 * catalog_result.c
 *	  Results of the control connection (see catalog_control.h).
 *
 *-------------------------------------------------------------------------
 */
#include "catalog_result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

#define AM_WEAK_LINE_BYTES 512

static const char *
cell(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) != 0 ? NULL : PQgetvalue(result, row, column);
}

static void
tell(const AmEngine *engine, AmObsId id, const char *subject, const char *message, const char *hint)
{
	AmObservation observation = am_obs_make(id);

	observation.subject = subject;
	observation.message = message;
	observation.hint = hint;
	am_obs_emit(&engine->obs, &observation);
}

void
am_control_refuse(AmEngine *engine, const char *message, const char *hint)
{
	if (engine->control.loaded)
	{
		tell(engine, AM_OBS_RELOAD_FAILED, "tables", message, hint);
		return;
	}
	tell(engine, AM_OBS_CHECK_FAILED, "start", message, hint);
	am_engine_fail(engine, AM_EXIT_REFUSED);
}

/* Looks the variable up; found ones wait for their import. */
static bool
deployment_look_up(AmEngine *engine, const char *api, const char *name)
{
	AmControl *control = &engine->control;
	AmControlSecret *secret = &control->secret[control->secret_count];
	AmSecretOutcome outcome;

	if (control->secret_count == AM_CONTROL_SECRETS_MAX)
		return false;
	outcome = am_config_deployment_secret(engine->config, api, name, &secret->secret);
	if (am_config_deployment_ambiguous(engine->config, name))
		tell(engine, AM_OBS_CHECK_WARNING, name,
			 "The variable is ignored, because several APIs are mounted and each may mean its own.",
			 "Set the variable with the name of the API in front of it.");
	if (outcome == AM_SECRET_FAILED)
		return false;
	if (outcome != AM_SECRET_FOUND)
		return true;
	secret->api = strdup(api);
	secret->name = strdup(name);
	secret->imported = false;
	control->secret_count++;
	return secret->api != NULL && secret->name != NULL;
}

/* The first secret from index on that was not imported by an earlier connection. */
static int
next_secret(const AmControl *control, int index)
{
	while (index < control->secret_count && control->secret[index].imported)
		index++;
	return index;
}

bool
am_control_take_deployments(AmEngine *engine, const PGresult *result)
{
	AmControl *control = &engine->control;

	/* found values were taken out of the environment: after a loss the list goes on as it was */
	for (int i = 0; i < PQntuples(result); i++)
	{
		const char *api = cell(result, i, 0);
		const char *name = cell(result, i, 1);

		if (api == NULL || name == NULL || !deployment_look_up(engine, api, name))
		{
			am_control_refuse(engine, "a variable of the deployment could not be read", NULL);
			return false;
		}
	}
	control->secret_at = next_secret(control, 0);
	return true;
}

bool
am_control_take_import(AmEngine *engine, const PGresult *result)
{
	AmControl *control = &engine->control;
	AmControlSecret *secret = &control->secret[control->secret_at];
	const char *outcome = PQntuples(result) == 1 ? cell(result, 0, 0) : NULL;

	control->secret_at = next_secret(control, control->secret_at + 1);
	if (outcome == NULL)
		outcome = "refused:no outcome";
	if (strncmp(outcome, "refused", 7) == 0)
	{
		tell(engine, AM_OBS_CHECK_FAILED, secret->secret.variable, outcome,
			 "The database refused the value of this variable.");
		am_engine_fail(engine, AM_EXIT_REFUSED);
		return false;
	}
	if (strcmp(outcome, "differs") == 0)
		tell(engine, AM_OBS_CHECK_WARNING, secret->secret.variable,
			 "The database has another value than the environment; the database's is used.",
			 "Rotate the key or set the setting in the database, or correct the variable.");
	else
		tell(engine, AM_OBS_DEPLOYMENT_SECRET, secret->secret.variable, outcome, NULL);
	am_secret_wipe(&secret->secret);
	secret->imported = true;
	return true;
}

bool
am_control_take_check(AmEngine *engine, const PGresult *result)
{
	bool passed = true;

	for (int i = 0; i < PQntuples(result); i++)
	{
		const char *severity = cell(result, i, 0);
		bool error = severity == NULL || strcmp(severity, "warning") != 0;

		tell(engine, error ? AM_OBS_CHECK_FAILED : AM_OBS_CHECK_WARNING, "start",
			 cell(result, i, 1), cell(result, i, 2));
		passed = passed && !error;
	}
	if (!passed)
		am_engine_fail(engine, AM_EXIT_REFUSED);
	return passed;
}

/* Ends the load with the reason in error. */
static bool
load_refuse(AmEngine *engine, AmText *error)
{
	am_control_refuse(engine, am_text_string(error), NULL);
	am_text_free(error);
	if (engine->control.loaded)
	{
		am_catalog_release(engine->control.next);
		engine->control.next = NULL;
		engine->control.step = AM_CONTROL_IDLE;
		return true;
	}
	return false;
}

bool
am_control_take_gateway(AmEngine *engine, const PGresult *result)
{
	AmText error;

	am_text_init(&error, AM_CONTROL_APIS_BYTES);
	if (!am_catalog_set_gateway(engine->control.next,
								PQntuples(result) == 1 ? cell(result, 0, 0) : NULL, &error))
		return load_refuse(engine, &error);
	return true;
}

bool
am_control_take_routes(AmEngine *engine, const PGresult *result)
{
	AmText error;

	am_text_init(&error, AM_CONTROL_APIS_BYTES);
	for (int i = 0; i < PQntuples(result); i++)
	{
		AmRouteRow row = {
			.api = cell(result, i, 0),
			.method = cell(result, i, 1),
			.path = cell(result, i, 2),
			.function = cell(result, i, 3),
			.lane = cell(result, i, 4),
			.body = cell(result, i, 5),
			.body_bytes_max = cell(result, i, 6),
			.limited = cell(result, i, 7),
			.headers = cell(result, i, 8),
			.cookies = cell(result, i, 9),
		};

		if (!am_catalog_add_route(engine->control.next, &row, &error))
			return load_refuse(engine, &error);
	}
	return true;
}

bool
am_control_take_refusals(AmEngine *engine, const PGresult *result)
{
	AmText error;

	am_text_init(&error, AM_CONTROL_APIS_BYTES);
	for (int i = 0; i < PQntuples(result); i++)
	{
		AmRefusalRow row = {
			.api = cell(result, i, 0),
			.reason = cell(result, i, 1),
			.path = cell(result, i, 2),
			.status = cell(result, i, 3),
			.body = cell(result, i, 4),
		};

		if (!am_catalog_add_refusal(engine->control.next, &row, &error))
			return load_refuse(engine, &error);
	}
	return true;
}

static uint64_t
result_hash(const PGresult *result)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (int i = 0; i < PQntuples(result) * PQnfields(result); i++)
	{
		const char *text = PQgetvalue(result, i / PQnfields(result), i % PQnfields(result));

		for (; *text != '\0'; text++)
			hash = (hash ^ (unsigned char) *text) * UINT64_C(1099511628211);
		hash = (hash ^ 0xff) * UINT64_C(1099511628211);
	}
	return hash;
}

/* Told at start, and again whenever the list has changed. */
bool
am_control_take_weak(AmEngine *engine, const PGresult *result)
{
	uint64_t hash = result_hash(result);
	char line[AM_WEAK_LINE_BYTES];

	if (hash == engine->control.weak_hash)
		return true;
	engine->control.weak_hash = hash;
	for (int i = 0; i < PQntuples(result); i++)
	{
		(void) snprintf(line, sizeof(line), "authmeter: weak behaviour active: %s = %s (%s)",
						PQgetvalue(result, i, 0), PQgetvalue(result, i, 1),
						PQgetvalue(result, i, 2));
		tell(engine, AM_OBS_WEAK_BEHAVIOUR, PQgetvalue(result, i, 0), line, NULL);
	}
	return true;
}
