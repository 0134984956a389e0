/*
 * http.h
 *
 * Request and response values of the endpoint functions in schema authmeter_http. The request is
 * the jsonb that the gateway sends; its form is described at 50_http.sql. Nothing of it is trusted
 * but its shape: a member of another type than expected counts as absent.
 */
#ifndef AM_HTTP_H
#define AM_HTTP_H

#include "compat.h"

#include "utils/jsonb.h"

#include "core/span.h"

/* A string member of the request (bearer, ip, id, fault); false when absent or no string. */
extern bool am_http_text(Jsonb *request, const char *member, amc_span *value);

/* A header (lower-case name), or a field of the JSON body, likewise. */
extern bool am_http_header(Jsonb *request, const char *name, amc_span *value);
extern bool am_http_body_text(Jsonb *request, const char *field, amc_span *value);

/* A text without Unicode white space, or U+FEFF, at its ends; a span within the given one. */
extern amc_span am_http_trim(amc_span text);

/*
 * The first values_max values of the cookies of this name, in their order; returns how many there
 * are. A value points into request.
 */
extern int am_http_cookie_values(Jsonb *request, const char *name, amc_span *values,
								 int values_max);

/* A field of the JSON body whatever its type; false when absent. */
extern bool am_http_body_find(Jsonb *request, const char *field, JsonbValue *value);

/*
 * A count in the JSON body: a JSON number that is an integer from minimum to maximum (1.0 and 1e3
 * are integers); anything else is 0. Never raises.
 */
extern int64 am_http_body_count(Jsonb *request, const char *field, int64 minimum, int64 maximum);

/* A value of type authmeter_http.response; headers may be NULL, body is JSON text. */
extern Datum am_http_response(FunctionCallInfo fcinfo, int status, Jsonb *headers,
							  const char *body);

#endif
