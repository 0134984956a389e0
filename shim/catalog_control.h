/*-------------------------------------------------------------------------
 *
 * catalog_control.h
 *	  The control connection: reads the tables at start, and when they change.
 *
 * One query after the other, in this order:
 *	 session settings, LISTEN,
 *	 (first load of the main loop only) secrets of the deployment, start_check,
 *	 gateway_config, route_list, refusal_list, weak_behaviour_list.
 * A NOTIFY on authmeter_gateway, a SIGHUP or a new connection starts again at
 * gateway_config.  The last good catalog stays in use until a new one is whole.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_CATALOG_CONTROL_H
#define AM_SHIM_CATALOG_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "catalog.h"
#include "config.h"
#include "pgconn.h"

#define AM_CONTROL_CHANNEL        "authmeter_gateway"
#define AM_CONTROL_SECRETS_MAX    32
#define AM_CONTROL_QUERY_LIMIT_MS 15000 /* one query of a load */
#define AM_CONTROL_APIS_BYTES     2048

typedef enum AmControlStep
{
	AM_CONTROL_IDLE, /* loaded; waiting for a notification */
	AM_CONTROL_SESSION,
	AM_CONTROL_LOG_BINDS,
	AM_CONTROL_LOG_ERROR_BINDS,
	AM_CONTROL_LISTEN,
	AM_CONTROL_DEPLOYMENTS,
	AM_CONTROL_IMPORT,
	AM_CONTROL_CHECK,
	AM_CONTROL_GATEWAY,
	AM_CONTROL_ROUTES,
	AM_CONTROL_REFUSALS,
	AM_CONTROL_WEAK,
	AM_CONTROL_STEPS
} AmControlStep;

/* A secret of the environment that waits to be imported. */
typedef struct AmControlSecret
{
	char *api;
	char *name;
	AmSecret secret;
	bool imported;
} AmControlSecret;

typedef struct AmControl
{
	AmPgConn conn;
	AmControlStep step;
	int64_t step_us;
	bool loaded;   /* at least once */
	bool prepared; /* secrets imported and checks passed: never repeated */
	bool reload_wanted;
	AmCatalog *next; /* being built */
	AmControlSecret secret[AM_CONTROL_SECRETS_MAX];
	int secret_count;
	int secret_at;                    /* being imported */
	uint64_t weak_hash;               /* of the weak behaviours told last */
	char apis[AM_CONTROL_APIS_BYTES]; /* array literal of the mounted APIs */
} AmControl;

struct AmEngine;

extern void am_control_init(struct AmEngine *engine);

/* Connects, notices hanging queries.  Called every tick. */
extern void am_control_tick(struct AmEngine *engine);

/* Reads the tables again. */
extern void am_control_reload(struct AmEngine *engine);

extern void am_control_free(struct AmEngine *engine);

#endif /* AM_SHIM_CATALOG_CONTROL_H */
