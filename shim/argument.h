/*-------------------------------------------------------------------------
 *
 * argument.h
 *	  The one jsonb argument of an endpoint function, built as text.
 *
 *	 {"id":..., "api":..., "method":..., "ip":..., "path":{}, "query":{},
 *	  "headers":{}, "cookies":{}, "bearer":..., "prefix":..., "fault":...,
 *	  "body":{...}, "multipart":..., "parts":[...]}
 *
 * Members that would be empty are left out.  The JSON body is copied through as
 * it came, after it was checked; raw bodies become "raw" (base64, RFC 4648
 * section 4) and "content_type"; multipart.h describes the last two.  Nothing
 * here knows the HTTP library or the database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_ARGUMENT_H
#define AM_SHIM_ARGUMENT_H

#include <stdbool.h>

#include "buffer.h"
#include "core/json.h"
#include "head.h"
#include "routes.h"

#define AM_QUERY_PARAMETERS_MAX 64
#define AM_COOKIES_MAX          64     /* different names looked at */
#define AM_COOKIE_VALUES_MAX    4      /* of one name (R11) */
#define AM_JSON_DEPTH_MAX       64     /* R3 */
#define AM_JSON_NODES_MAX       262144 /* values and keys of one body */

/* The scratch array of one loop for checking bodies. */
typedef struct AmJsonScratch
{
	amc_json_node *nodes; /* AM_JSON_NODES_MAX */
} AmJsonScratch;

/* Opens the object with the members every call has. */
extern void am_argument_begin(AmBuffer *argument, const char *id, const AmRoute *route,
							  AmMethod method, const char *ip, const char *prefix);

/* "path": a parameter with a bad encoding is left out, which is the route's own 400 (R6). */
extern void am_argument_path(AmBuffer *argument, const AmRouteMatch *match);

/*
 * "query" from name and value pairs that are still percent-encoded.  False with
 * *reason for a bad encoding, a repeated name or too many of them.
 */
extern bool am_argument_query(AmBuffer *argument, const AmHeader *pair, int pair_count,
							  AmVetReason *reason);

/* "headers" as the route declares them. */
extern void am_argument_headers(AmBuffer *argument, const AmRoute *route, const AmHead *head);

/* "cookies" (RFC 6265, section 5.4 order kept), at most AM_COOKIE_VALUES_MAX values a name. */
extern void am_argument_cookies(AmBuffer *argument, const AmHead *head);

/* "bearer", if there is one. */
extern void am_argument_bearer(AmBuffer *argument, const AmHead *head);

/* A further string member; nothing if value is NULL. */
extern void am_argument_member(AmBuffer *argument, const char *name, amc_span value);

typedef enum AmBodyOutcome
{
	AM_BODY_ACCEPTED,
	AM_BODY_EMPTY,
	AM_BODY_INVALID, /* R3 */
	AM_BODY_NO_MEMORY
} AmBodyOutcome;

/*
 * The body was gathered at the end of argument, from body_start on, behind the
 * text `,"body":`.  Checks it and closes the object; on any outcome but ACCEPTED
 * everything from member_start on has been cut away and the object is open.
 */
extern AmBodyOutcome am_argument_body_json(AmBuffer *argument, size_t member_start,
										   size_t body_start, const AmJsonScratch *scratch);

/* The same for raw bytes, behind the text `,"raw":"`: turned into base64 in place. */
extern AmBodyOutcome am_argument_body_raw(AmBuffer *argument, size_t member_start,
										  size_t body_start);

/* Closes the object and ends the text with a NUL that is not counted. */
extern void am_argument_end(AmBuffer *argument);

#endif /* AM_SHIM_ARGUMENT_H */
