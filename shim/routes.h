/*-------------------------------------------------------------------------
 *
 * routes.h
 *	  Routes, places and their matching.  Pure.
 *
 * A route is a row of authmeter_http.route_list.  A place is a listener plus a
 * prefix with the APIs mounted there, in order; the first one answers what
 * belongs to nobody.  Listener, longest prefix, path and method decide alone;
 * the body never does.
 *
 * Paths are matched raw: a percent sign can only stand where a route declares a
 * parameter, and the parameter is decoded once, later (R6).  Paths are
 * case-sensitive, one trailing slash is tolerated, dot segments and "//" are
 * not normalised (R5).
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_ROUTES_H
#define AM_SHIM_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "core/span.h"
#include "head.h"
#include "names.h"

#define AM_ROUTES_MAX           512 /* of one catalog */
#define AM_ROUTE_PARAMETERS_MAX 8   /* ":name" segments of one path */
#define AM_ROUTE_HEADERS_MAX    8   /* request headers handed to one function */
#define AM_ROUTE_PATH_BYTES_MAX 255
#define AM_PLACES_MAX           AM_MOUNTS_MAX
#define AM_PLACE_APIS_MAX       AM_MOUNTS_MAX

typedef enum AmBodyKind
{
	AM_BODY_NONE,
	AM_BODY_JSON,
	AM_BODY_RAW,
	AM_BODY_MULTIPART
} AmBodyKind;

typedef struct AmRoute
{
	const char *api;
	AmMethod method;
	const char *path;     /* template */
	const char *function; /* in schema authmeter_http */
	AmLaneId lane;
	AmBodyKind body;
	size_t body_bytes_max;
	bool limited; /* the function counts the address limit before it refuses the body */
	bool cookies; /* the function reads and sets cookies */
	const char *header[AM_ROUTE_HEADERS_MAX]; /* lower case */
	int header_count;
	int metrics_slot;
} AmRoute;

/* All routes of one path template at one place. */
typedef struct AmRouteNode
{
	const char *path;
	size_t path_length;
	int parameter_count;
	const AmRoute *by_method[AM_METHOD_ROUTED];
	struct AmRouteNode *next; /* in its hash chain, or the list of paths with parameters */
} AmRouteNode;

#define AM_ROUTE_BUCKETS 256 /* power of two */

typedef struct AmPlace
{
	int listener;
	const char *prefix;   /* "/" or "/s/x" */
	size_t prefix_length; /* 0 for "/" */
	const char *api[AM_PLACE_APIS_MAX];
	int api_count;
	AmRouteNode *bucket[AM_ROUTE_BUCKETS]; /* paths without parameters */
	AmRouteNode *with_parameters;
} AmPlace;

typedef struct AmRouteMatch
{
	const AmRoute *route;                    /* NULL = no route for path and method */
	const AmRouteNode *node;                 /* NULL = unknown path */
	unsigned allowed;                        /* bit 1 << AmMethod of every method the path has */
	amc_span name[AM_ROUTE_PARAMETERS_MAX];  /* parameter names, into the template */
	amc_span value[AM_ROUTE_PARAMETERS_MAX]; /* raw, still percent-encoded */
	int parameter_count;
} AmRouteMatch;

typedef enum AmRouteAddOutcome
{
	AM_ROUTE_ADDED,
	AM_ROUTE_SHADOWED, /* "GET /" or "GET /health" of a later API: the first one answers */
	AM_ROUTE_COLLIDES, /* another API has this method and path: start refused */
	AM_ROUTE_INVALID,  /* malformed path or method */
	AM_ROUTE_NO_MEMORY
} AmRouteAddOutcome;

/* True for "/", or slash-separated segments of unreserved characters and ":name". */
extern bool am_route_path_valid(const char *path);

/*
 * Adds a route to a place.  On COLLIDES and SHADOWED *other is the route that is
 * there already.  Nodes are allocated; am_place_clear frees them.
 */
extern AmRouteAddOutcome am_place_add(AmPlace *place, const AmRoute *route, const AmRoute **other);

/* Frees the nodes. */
extern void am_place_clear(AmPlace *place);

/*
 * The place of a raw path on a listener: the longest prefix that is followed by
 * the end or a slash.  *rest is the path behind the prefix, at least "/".  When no
 * prefix fits, the listener's first place with *fits = false; NULL if the
 * listener has no place at all.
 */
extern const AmPlace *am_place_find(const AmPlace *place, int place_count, int listener,
									amc_span path, amc_span *rest, bool *fits);

/* Matches the rest of a path.  HEAD is matched as GET. */
extern void am_route_match(const AmPlace *place, amc_span rest, AmMethod method,
						   AmRouteMatch *match);

/* Value of the Allow header for a set of methods; out holds AM_ALLOW_BYTES. */
#define AM_ALLOW_BYTES 64
extern void am_route_allow(unsigned allowed, char out[AM_ALLOW_BYTES]);

/*
 * Decodes percent sequences once (RFC 3986, section 2.1).  False for a bad
 * sequence, a decoded NUL, or bytes that are no UTF-8.  out_bytes >= text.len.
 */
extern bool am_percent_decode(amc_span text, char *out, size_t out_bytes, size_t *out_length);

#endif /* AM_SHIM_ROUTES_H */
