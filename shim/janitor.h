/*-------------------------------------------------------------------------
 *
 * janitor.h
 *	  Client connections and their absolute deadlines.
 *
 * The HTTP library's time-out is about inactivity only, so one byte now and then
 * would hold a connection for ever.  Here every connection has a phase with an
 * absolute deadline; one janitor looks at all of them a few times a second.  A
 * late connection gets shutdown(), and the HTTP library cleans up by itself.
 * While a request is with the database the lanes' deadlines hold instead.
 *
 * A connection that is refused before its body was read is closed gently: a
 * duplicate of its descriptor is read from for a moment after the HTTP library
 * has closed its own, because closing with unread input would reset the
 * connection and could take the answer away from the client (RFC 9112, section
 * 9.6).
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_JANITOR_H
#define AM_SHIM_JANITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/net.h"
#include "loop.h"
#include "names.h"

#define AM_LINGERERS_MAX    256                /* closing gently at the same time */
#define AM_LINGER_MS        2000               /* each, at most */
#define AM_LINGER_BYTES_MAX (16 * 1024 * 1024) /* of each: a file that is too large, at least */
#define AM_REPLY_TIMEOUT_MS 30000              /* to write one reply to a slow reader */
#define AM_TRIM_INTERVAL_MS 10000              /* memory is given back at most so often ... */
#define AM_TRIM_CLIENTS_MIN 512                /* ... and when so many connections have gone */

struct AmEngine;

typedef struct AmClient
{
	struct AmClient *next; /* in the free list or the list of open ones */
	struct AmClient *previous;
	int fd;
	bool doomed; /* shutdown() was called */
	AmPhase phase;
	int64_t since_us;
	int extra_ms; /* added to the limit of the phase */
	amc_net_address peer;
	char peer_text[AMC_NET_TEXT_BYTES];
} AmClient;

typedef struct AmLingerer
{
	AmWatch watch; /* owns its descriptor; fd -1 = free */
	struct AmEngine *engine;
	int64_t since_us;
	size_t bytes;
} AmLingerer;

typedef struct AmClients
{
	AmClient *slot;
	AmClient *free;
	AmClient *open;
	int open_count;
	int open_peak; /* since memory was given back to the system last */
	int64_t trim_us;
	AmLingerer *lingerer;
} AmClients;

/* Allocates count connection records; false = out of memory. */
extern bool am_clients_init(AmClients *clients, int count);

extern void am_clients_free(AmClients *clients);

struct sockaddr;

/*
 * A connection was accepted.  NULL if there are connections_max already: the
 * descriptor was shut down then.
 */
extern AmClient *am_client_open(struct AmEngine *engine, int fd, const struct sockaddr *peer);

extern void am_client_close(struct AmEngine *engine, AmClient *client);

/* Enters a phase: its deadline counts from now. */
extern void am_client_phase(struct AmEngine *engine, AmClient *client, AmPhase phase);

/* Lets the present phase last longer, as long as bytes take at upload_bytes_per_s_min. */
extern void am_client_allow(struct AmEngine *engine, AmClient *client, uint64_t bytes);

/* Shuts late connections down; also idle ones if the engine drains.  Called every tick. */
extern void am_clients_janitor(struct AmEngine *engine);

/* The connection will be closed with input unread: read on for a moment. */
extern void am_client_linger(struct AmEngine *engine, const AmClient *client);

#endif /* AM_SHIM_JANITOR_H */
