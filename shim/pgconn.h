/*-------------------------------------------------------------------------
 *
 * pgconn.h
 *	  One connection to the database: connect, lose, connect again.
 *
 * Everything is non-blocking; a host name is looked up beforehand (resolve.h),
 * because libpq would wait for it.
 *
 *	 DOWN -> CONNECTING -> OPEN -> READY -> DOWN ...
 *
 * OPEN means that the owner is still preparing it (session settings, prepared
 * statements); the owner says when it is READY.  A loss is told once, with
 * what had been sent still in the owner's hands, and the next attempt comes
 * after a pause that doubles, with jitter.  During the first
 * AM_PGCONN_EAGER_MS after a loss the pause stays below AM_PGCONN_EAGER_PAUSE_MS,
 * so that a restarted server is found quickly.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_PGCONN_H
#define AM_SHIM_PGCONN_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "loop.h"
#include "names.h"

#define AM_PGCONN_EAGER_MS       30000
#define AM_PGCONN_EAGER_PAUSE_MS 500
#define AM_PGCONN_TELL_MS        10000 /* one log line about failing attempts in so long */
#define AM_PGCONN_REASON_BYTES   256   /* of libpq's message, in the log */

struct AmEngine;
struct AmPgConn;

typedef enum AmPgConnState
{
	AM_PGCONN_DOWN,
	AM_PGCONN_CONNECTING,
	AM_PGCONN_OPEN,
	AM_PGCONN_READY
} AmPgConnState;

typedef struct AmPgConnOwner
{
	/* The connection is up: send what it needs.  False = give it up. */
	bool (*opened)(struct AmPgConn *conn);
	/* Input was consumed: take results.  False = give it up. */
	bool (*readable)(struct AmPgConn *conn);
	/* The connection is gone; conn->pg is NULL. */
	void (*lost)(struct AmPgConn *conn);
} AmPgConnOwner;

typedef struct AmPgConn
{
	struct AmEngine *engine;
	const AmPgConnOwner *owner;
	void *owner_state;
	AmLaneId lane;
	PGconn *pg; /* NULL while DOWN */
	AmPgConnState state;
	AmWatch watch;
	bool unflushed;          /* the socket did not take everything: waiting to write */
	bool stale;              /* to be replaced as soon as nothing is in flight */
	int64_t since_us;        /* of the present attempt or connection */
	int64_t down_since_us;   /* first failure since it was READY, 0 = none */
	int64_t retry_us;        /* DOWN: when to try */
	int pause_ms;            /* last pause */
	int failures;            /* attempts that failed and were not told yet */
	int64_t failure_told_us; /* 0 = none since it was READY */
} AmPgConn;

/* Prepares a connection that is DOWN and due at once. */
extern void am_pgconn_init(AmPgConn *conn, struct AmEngine *engine, AmLaneId lane,
						   const AmPgConnOwner *owner, void *owner_state);

/* Opens a connection that is due, and gives up one that takes too long.  Called every tick. */
extern void am_pgconn_tick(AmPgConn *conn);

/* The owner is done preparing. */
extern void am_pgconn_ready(AmPgConn *conn);

/* Pushes what libpq has buffered; arms the write event if the socket is full. */
extern void am_pgconn_flush(AmPgConn *conn);

/*
 * Ends the connection.  reason (NULL = libpq's own message) is logged.  With
 * at_once the next attempt comes immediately (planned replacement), else after
 * the pause.
 */
extern void am_pgconn_drop(AmPgConn *conn, const char *reason, bool at_once);

/* Ends the connection for good, without telling the owner. */
extern void am_pgconn_close(AmPgConn *conn);

/* The next pause in ms.  Pure: jitter is 0..999. */
extern int am_pgconn_next_pause_ms(int last_ms, int minimum_ms, int maximum_ms, bool eager,
								   unsigned jitter);

/*
 * The host that a connection string names (else PGHOST), if it may have to be looked
 * up; NULL if an address is given as well, or there is none.  The caller frees it.
 */
extern char *am_pgconn_database_host(const char *database);

/* PQlibVersion() as text, "150020". */
extern const char *am_pgconn_library_version(void);

#endif /* AM_SHIM_PGCONN_H */
