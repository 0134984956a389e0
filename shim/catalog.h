/*-------------------------------------------------------------------------
 *
 * catalog.h
 *	  What the shim has learnt from the database: routes, refusals, proxies, CORS.
 *
 * A catalog is built once from the results of authmeter_http.route_list,
 * refusal_list and gateway_config and never changed afterwards.  A reload builds
 * a new one; requests in flight keep a reference to the one they began with.
 * Reference counts are not atomic: a catalog belongs to one loop.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_CATALOG_H
#define AM_SHIM_CATALOG_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "core/net.h"
#include "cors.h"
#include "metrics.h"
#include "routes.h"
#include "text.h"

#define AM_REFUSALS_MAX       256
#define AM_PROXIES_MAX        64
#define AM_FUNCTION_BYTES_MAX 63 /* NAMEDATALEN - 1 */
#define AM_REFUSAL_BYTES_MAX  4096

/* Answers the shim gives by itself. */
#define AM_REFUSAL_REASONS(X)                                              \
	X(BAD_REQUEST, "bad_request", 400, "Bad request")                      \
	X(BODY_INVALID, "body_invalid", 400, "Invalid request body")           \
	X(NOT_FOUND, "not_found", 404, "Not found")                            \
	X(METHOD_NOT_ALLOWED, "method_not_allowed", 405, "Method not allowed") \
	X(BODY_TOO_LARGE, "body_too_large", 413, "Request body too large")     \
	X(FAULT, "fault", 500, "Internal server error")                        \
	X(UNAVAILABLE, "unavailable", 503, "Service unavailable")

#define AM_REFUSAL_ENUM(id, name, status, text) AM_REFUSAL_##id,
typedef enum AmRefusalReason
{
	AM_REFUSAL_REASONS(AM_REFUSAL_ENUM) AM_REFUSAL_COUNT
} AmRefusalReason;
#undef AM_REFUSAL_ENUM

typedef struct AmRefusal
{
	const char *api;
	AmRefusalReason reason;
	const char *path; /* "" = the whole API, else a route path */
	int status;
	const char *body;
	size_t body_length;
	bool placeholders; /* body holds {{path}} or {{timestamp}} */
} AmRefusal;

typedef struct AmCatalog
{
	int references;
	AmRoute *route;
	int route_count;
	AmRefusal *refusal;
	int refusal_count;
	AmPlace *place;
	int place_count;
	AmCors *cors; /* one an API that has a list */
	int cors_count;
	amc_net_prefix proxy[AM_PROXIES_MAX];
	size_t proxy_count;
	char **text; /* every string of the catalog, freed with it */
	size_t text_count;
	size_t text_capacity;
	uint64_t functions_hash; /* over lane and name of all functions, for noticing a change */
	int slot_unmatched[AM_MOUNTS_MAX]; /* by index in AmConfig.api */
	int slot_preflight[AM_MOUNTS_MAX];
} AmCatalog;

/* One row of route_list and refusal_list as text; NULL = SQL NULL. */
typedef struct AmRouteRow
{
	const char *api;
	const char *method;
	const char *path;
	const char *function;
	const char *lane;
	const char *body;
	const char *body_bytes_max;
	const char *limited; /* "t" or "f" */
	const char *headers; /* JSON array of strings */
	const char *cookies; /* "t" or "f" */
} AmRouteRow;

typedef struct AmRefusalRow
{
	const char *api;
	const char *reason;
	const char *path;
	const char *status;
	const char *body;
} AmRefusalRow;

/* An empty catalog with one reference; NULL = out of memory. */
extern AmCatalog *am_catalog_create(void);

extern AmCatalog *am_catalog_reference(AmCatalog *catalog);

/* Gives a reference back; the last one frees.  NULL is allowed. */
extern void am_catalog_release(AmCatalog *catalog);

/* Add a row.  False with a one-line reason in error. */
extern bool am_catalog_add_route(AmCatalog *catalog, const AmRouteRow *row, AmText *error);
extern bool am_catalog_add_refusal(AmCatalog *catalog, const AmRefusalRow *row, AmText *error);

/* Takes over gateway_config: trusted_proxies and cors; other members are ignored. */
extern bool am_catalog_set_gateway(AmCatalog *catalog, const char *json, AmText *error);

/*
 * Mounts the routes at the places of the configuration, and registers the metric
 * slots.  False if two APIs of one place share a method and path (both are named),
 * or a mounted API has no route.
 */
extern bool am_catalog_mount(AmCatalog *catalog, const AmConfig *config,
							 AmMetricsRegistry *registry, AmText *error);

/*
 * The answer for a reason: that of the path if there is one, else that of the
 * API, else a plain built-in one.  Never NULL.
 */
extern const AmRefusal *am_catalog_refusal(const AmCatalog *catalog, const char *api,
										   AmRefusalReason reason, const char *path);

/* The CORS list of an API, NULL = none. */
extern const AmCors *am_catalog_cors(const AmCatalog *catalog, const char *api);

#endif /* AM_SHIM_CATALOG_H */
