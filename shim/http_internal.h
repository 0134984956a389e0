/*-------------------------------------------------------------------------
 *
 * http_internal.h
 *	  What http.c, http_request.c and http_reply.c share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_HTTP_INTERNAL_H
#define AM_SHIM_HTTP_INTERNAL_H

#include <microhttpd.h>

#include "engine.h"

/* The access handler of an API listener; cls is the AmListener. */
extern enum MHD_Result am_http_handle(void *cls, struct MHD_Connection *connection, const char *url,
									  const char *method, const char *version, const char *upload,
									  size_t *upload_size, void **state);

/* Queues the reply of an ANSWERED request; MHD_NO closes the connection. */
extern enum MHD_Result am_http_reply(AmRequest *request);

/*
 * Writes the answer to the socket itself, for an answer that comes in the middle
 * of a body, where the library takes none.  The caller closes the connection.
 */
extern void am_http_reply_raw(AmRequest *request);

/* The record of a connection, NULL if it was refused. */
extern AmClient *am_http_client(struct MHD_Connection *connection);

#endif /* AM_SHIM_HTTP_INTERNAL_H */
