/*-------------------------------------------------------------------------
 *
 * request.h
 *	  Request slots: one HTTP request from its head to its reply.
 *
 * A loop has as many slots as connections.  One is taken when the head of a request
 * has come and given back when the HTTP library has completed it; how many of them
 * may be with the lanes at the same time is bounded there (requests_in_flight_max),
 * so that slow senders keep nobody else out.  Everything a request needs lies in its
 * slot; only large arguments and replies go to the bounded pool.  A slot costs memory
 * from its first use on, and is wiped when it is given back.
 *
 *	 FREE -> READING -> QUEUED -> SENT -> ANSWERED -> REPLIED -> FREE
 *				   \----------------------^   (refusals need no database)
 *
 * QUEUED and SENT belong to the lanes: the HTTP connection is suspended (or about
 * to be), and exactly one list or pipeline entry refers to the slot.  A call that
 * is sent again goes from SENT back to QUEUED.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_REQUEST_H
#define AM_SHIM_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "catalog.h"
#include "core/net.h"
#include "head.h"
#include "multipart.h"
#include "names.h"
#include "routes.h"

#define AM_REQUEST_ARGUMENT_BYTES 2048 /* inline part of the argument */
#define AM_REQUEST_REPLY_BYTES    1024 /* inline part of the reply */

struct MHD_Connection;
struct AmEngine;
struct AmClient;
struct AmListener;
struct AmPipeEntry;

typedef enum AmRequestState
{
	AM_REQUEST_FREE,
	AM_REQUEST_READING,
	AM_REQUEST_QUEUED,
	AM_REQUEST_SENT,
	AM_REQUEST_ANSWERED,
	AM_REQUEST_REPLIED
} AmRequestState;

typedef struct AmRequest
{
	AmRequestState state;
	struct AmEngine *engine;
	struct AmRequest *next; /* in the free list or a lane's list */
	struct AmRequest *previous;

	/* HTTP side */
	struct AmClient *client;
	struct AmListener *listener;
	struct MHD_Connection *connection;
	bool suspended;
	bool close; /* the connection ends with this reply */

	/* what was asked */
	AmCatalog *catalog; /* referenced for the lifetime of the request */
	const AmPlace *place;
	const AmRoute *route; /* NULL = refused before or by routing */
	const char *api;      /* whose error style applies */
	AmMethod method;
	int metrics_slot;
	const char *route_label; /* template or one of AM_METRICS_... */
	char id[AM_REQUEST_ID_BYTES_MAX + 1];
	char ip[AMC_NET_TEXT_BYTES];
	const char *cors_origin; /* from the allow-list, NULL = none */

	/* body */
	bool gather; /* the body goes into the argument */
	bool raw;    /* as base64 instead of JSON */
	bool too_large;
	bool coded;             /* Content-Encoding: refused if there is a body */
	uint64_t body_bytes;    /* received so far */
	AmMultipart *multipart; /* reads the body; in the pool.  NULL = it is not streamed */
	size_t member_start;
	size_t body_start;
	AmBuffer argument;

	/* lane side */
	AmLaneId lane;
	struct AmPipeEntry *entry; /* while SENT */
	int tries;
	bool resent; /* a read was sent once more after a lost connection */
	int group_size;
	char sqlstate[6]; /* of the last error, "" = none */

	/* what is answered */
	int status;
	const char *body; /* in reply, the catalog, or static */
	size_t body_length;
	size_t headers_start; /* text of the headers value in reply; length 0 = none */
	size_t headers_length;
	bool unknown; /* Authmeter-Outcome: unknown */
	bool preflight;
	char allow[AM_ALLOW_BYTES]; /* "" = no Allow header */
	AmBuffer reply;

	/* times, CLOCK_MONOTONIC in us; 0 = not yet */
	int64_t start_us;
	int64_t queued_us;
	int64_t sent_us;
	int64_t answered_us;

	char argument_inline[AM_REQUEST_ARGUMENT_BYTES];
	char reply_inline[AM_REQUEST_REPLY_BYTES];
} AmRequest;

typedef struct AmRequests
{
	AmRequest *slot;
	int count;
	AmRequest *free;
	int in_use;
	AmPool pool;
	uint64_t id_state[2]; /* generator of request ids */
} AmRequests;

/* Allocates count slots and seeds the ids.  False = out of memory or no randomness. */
extern bool am_requests_init(AmRequests *requests, struct AmEngine *engine, int count,
							 size_t pool_bytes_max);

extern void am_requests_free(AmRequests *requests);

/* A slot in state READING that holds a reference to catalog; NULL = all are in use. */
extern AmRequest *am_request_take(AmRequests *requests, AmCatalog *catalog);

/* Wipes the slot and gives it back. */
extern void am_request_release(AmRequests *requests, AmRequest *request);

/* A new request id: 32 hexadecimal digits, unique but not secret. */
extern void am_request_id_make(AmRequests *requests, char id[AM_REQUEST_ID_BYTES_MAX + 1]);

/*
 * Answers with a refusal of the API's table: state becomes ANSWERED.  The
 * placeholders of the body are filled in; path is the raw path of the request.
 */
extern void am_request_refuse(AmRequest *request, AmRefusalReason reason, amc_span path);

/*
 * Keeps a function's result: status, headers (text of a JSON object, or length 0)
 * and body are copied.  False if there is no memory or status is not 200..599.
 */
extern bool am_request_keep(AmRequest *request, int status, const char *headers,
							size_t headers_length, const char *body, size_t body_length);

/*
 * Reads the body as multipart/form-data from here on: its parts become members of
 * the argument.  Without memory the argument is marked failed.
 */
extern void am_request_multipart(AmRequest *request, amc_span content_type);

/* Completes the members, if finished, and ends the reading; nothing if there is none. */
extern void am_request_multipart_end(AmRequest *request, bool finished);

/* Forgets a kept result, because its transaction did not happen. */
extern void am_request_unkeep(AmRequest *request);

#endif /* AM_SHIM_REQUEST_H */
