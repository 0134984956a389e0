/*-------------------------------------------------------------------------
 *
 * http.h
 *	  The HTTP side: listeners and handlers on libmicrohttpd.
 *
 * Only http*.c knows libmicrohttpd.  One daemon a listener, in external epoll mode
 * without a thread: its internal epoll threads stall when one wait returns exactly
 * 128 events, and nothing here shall need a lock.  The daemon's own epoll
 * descriptor is watched by the loop.
 *
 * Protocol with the library:
 *	 - a connection is suspended inside the access handler only, and its reply is
 *	   queued only when the handler is called again after the resume;
 *	 - after a resume the daemon runs in the same turn (nothing else would wake it);
 *	 - no daemon is stopped while one of its connections is suspended;
 *	 - the library does not unescape anything: paths and queries stay raw.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_HTTP_H
#define AM_SHIM_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "loop.h"

#define AM_ADMIN_CONNECTIONS_MAX 64
#define AM_LISTEN_BACKLOG        4096

struct AmEngine;
struct AmRequest;
struct MHD_Daemon;

typedef struct AmListener
{
	struct AmEngine *engine;
	struct MHD_Daemon *daemon; /* NULL until opened */
	AmWatch watch;
	int index;  /* in AmConfig.listener; -1 = the admin listener */
	int socket; /* bound; -1 once handed over or closed */
	bool due;   /* has something to do in this turn */
} AmListener;

typedef struct AmHttp
{
	AmListener listener[AM_LISTENERS_MAX + 1]; /* the last one in use may be the admin's */
	int listener_count;
} AmHttp;

/*
 * A bound, not yet listening socket for an endpoint; -1 with a reason in error.
 * shared: other loops will bind the same address (SO_REUSEPORT).
 */
extern int am_http_bind(const AmEndpoint *endpoint, bool shared, char *error, size_t error_bytes);

/* Takes the sockets over; admin_socket may be -1. */
extern void am_http_init(struct AmEngine *engine, const int *sockets, int admin_socket);

/* Opens the admin listener, or all the others.  False with the reason logged. */
extern bool am_http_open_admin(struct AmEngine *engine);
extern bool am_http_open(struct AmEngine *engine);

/* Lets every daemon work that has something to do. */
extern void am_http_run(struct AmEngine *engine);

/* True if a daemon has left something undone: do not wait. */
extern bool am_http_due(const struct AmEngine *engine);

/* Continues the suspended connection of an answered request. */
extern void am_http_resume(struct AmRequest *request);

/* Takes what still waits at the listeners, then closes them; the admin's stays open. */
extern void am_http_quiesce(struct AmEngine *engine);

/* Stops everything.  No connection may be suspended. */
extern void am_http_close(struct AmEngine *engine);

#endif /* AM_SHIM_HTTP_H */
