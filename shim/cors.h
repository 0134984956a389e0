/*-------------------------------------------------------------------------
 *
 * cors.h
 *	  Cross-origin requests (contract, section 11; Fetch standard, CORS protocol).
 *
 * An API has an exact-match list of origins.  An origin of the list gets the
 * three headers, spelt as in the list; any other gets none of them.  An origin
 * is never reflected.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_CORS_H
#define AM_SHIM_CORS_H

#include <stdbool.h>

#include "core/span.h"
#include "head.h"

#define AM_CORS_ORIGINS_MAX 32 /* of one API */

#define AM_CORS_ALLOW_METHODS "GET,POST,PUT,DELETE,OPTIONS"
#define AM_CORS_ALLOW_HEADERS "Content-Type,Authorization"

typedef struct AmCors
{
	const char *api;
	const char *origin[AM_CORS_ORIGINS_MAX];
	int origin_count;
} AmCors;

/* False for "*", "null", the empty string, or characters no origin has. */
extern bool am_cors_origin_valid(const char *origin);

/* The entry equal to origin (scheme, host and port, byte by byte), or NULL. */
extern const char *am_cors_match(const AmCors *cors, amc_span origin);

/* True for OPTIONS with Origin and Access-Control-Request-Method. */
extern bool am_cors_is_preflight(const AmHead *head, AmMethod method);

#endif /* AM_SHIM_CORS_H */
