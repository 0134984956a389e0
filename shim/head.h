/*-------------------------------------------------------------------------
 *
 * head.h
 *	  The head of a request, read once and vetted.
 *
 * libmicrohttpd 0.9.75 accepts much that a second parser in front of it may
 * read in another way (request smuggling: RFC 9112, sections 6.1, 6.3 and 11.2)
 * or that later code must not meet.  The guard here runs in the first handler
 * call, before routing; what it refuses is answered 400 and the connection is
 * closed.  Pure: knows neither libmicrohttpd nor the database.
 *
 * Spans point into memory of the HTTP library and live as long as the request's
 * head does: until the request is completed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_HEAD_H
#define AM_SHIM_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/span.h"
#include "names.h"

#define AM_HEADERS_MAX          64 /* header lines of one request */
#define AM_COOKIE_LINES_MAX     4  /* Cookie lines; HTTP/2 gateways split them */
#define AM_FORWARDED_LINES_MAX  8  /* X-Forwarded-For lines */
#define AM_REQUEST_ID_BYTES_MAX 64

/* Methods with a meaning here; others are matched against no route. */
typedef enum AmMethod
{
	AM_METHOD_GET,
	AM_METHOD_POST,
	AM_METHOD_PUT,
	AM_METHOD_PATCH,
	AM_METHOD_DELETE,
	AM_METHOD_ROUTED, /* number of methods a route can have */
	AM_METHOD_HEAD = AM_METHOD_ROUTED,
	AM_METHOD_OPTIONS,
	AM_METHOD_OTHER
} AmMethod;

typedef struct AmHeader
{
	amc_span name;
	amc_span value;
} AmHeader;

typedef struct AmHead
{
	AmHeader header[AM_HEADERS_MAX];
	int header_count;
	bool overflow; /* more than AM_HEADERS_MAX */

	int host_count;
	int length_count;
	int encoding_count;
	bool name_bad;
	bool value_bad;
	amc_span content_length;
	amc_span transfer_encoding;
	amc_span content_type;
	amc_span content_encoding;
	amc_span authorization;
	int authorization_count;
	amc_span origin;
	amc_span preflight_method; /* Access-Control-Request-Method */
	amc_span request_id;
	amc_span expect;
	amc_span cookie[AM_COOKIE_LINES_MAX];
	int cookie_count;
	amc_span forwarded[AM_FORWARDED_LINES_MAX];
	int forwarded_count;

	/* after am_head_vet */
	bool chunked;
	bool has_length;
	uint64_t body_length; /* declared; 0 without Content-Length */
} AmHead;

/* Empties the head without touching the whole of it. */
extern void am_head_init(AmHead *head);

/* Takes one header line as the HTTP library gives it. */
extern void am_head_add(AmHead *head, const char *name, size_t name_length, const char *value,
						size_t value_length);

/*
 * The guard: framing, Host, header names and values, method, version, target.
 * target is the raw path without the query.  True = may be served; otherwise
 * *reason says why not.
 */
extern bool am_head_vet(AmHead *head, const char *method, const char *version, amc_span target,
						AmVetReason *reason);

/* A header by its lower-case name; .ptr NULL if absent.  The first of several counts. */
extern amc_span am_head_find(const AmHead *head, const char *name, size_t name_length);

/* True if a body may follow the head. */
extern bool am_head_has_body(const AmHead *head);

/* The method, matched exactly (methods are case-sensitive: RFC 9110, section 9.1). */
extern AmMethod am_method_of(const char *name, size_t length);

/* "GET" ...; "" for AM_METHOD_OTHER. */
extern const char *am_method_name(AmMethod method);

/*
 * The token of `Authorization: Bearer <token>` (R10): exactly "Bearer ", then
 * at least one character.  .ptr NULL for anything else, also for two lines.
 */
extern amc_span am_head_bearer(const AmHead *head);

/* True for application/json and application/<anything>+json, with or without parameters (R2). */
extern bool am_content_type_is_json(amc_span content_type);

/* True if a Content-Encoding asks for decompression, which is refused (R3). */
extern bool am_content_encoding_is_coded(amc_span content_encoding);

/* True for 1 to AM_REQUEST_ID_BYTES_MAX characters of A-Z a-z 0-9 . _ : - */
extern bool am_request_id_valid(amc_span id);

/* True if every byte may stand in a header name (token, RFC 9110, section 5.6.2); not empty. */
extern bool am_token_valid(const char *text, size_t length);

/* True if no byte is a control character (HTAB is none). */
extern bool am_field_value_valid(const char *text, size_t length);

#endif /* AM_SHIM_HEAD_H */
