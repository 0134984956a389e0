/*-------------------------------------------------------------------------
 *
 * pgpipe.h
 *	  A pipelined connection of a lane: calls out, results in, batch by batch.
 *
 * A batch is what shares one Sync and therefore one transaction: a single call,
 * or a group of the write lane.  Results come strictly in the order sent, so one
 * ring per connection holds what is expected: an entry for each call, and one for
 * each Sync.  Entries stay in the ring until their Sync has been answered, since
 * only then the commit is known; then the lane gets the whole batch at once.
 *
 * An entry whose request gave up waiting keeps its place with request = NULL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_PGPIPE_H
#define AM_SHIM_PGPIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "pgconn.h"
#include "verdict.h"

struct AmLane;
struct AmPipe;
struct AmRequest;

typedef enum AmPipeEntryKind
{
	AM_PIPE_CALL,
	AM_PIPE_SETUP,    /* session setting or prepared statement: must succeed */
	AM_PIPE_OPTIONAL, /* session setting that the role may not be allowed to make */
	AM_PIPE_TURN,     /* lock that lets one group of several loops in at a time */
	AM_PIPE_SYNC
} AmPipeEntryKind;

typedef struct AmPipeEntry
{
	AmPipeEntryKind kind;
	AmCallState state;
	struct AmRequest *request; /* CALL: NULL = abandoned */
	struct AmPipe *pipe;
	char sqlstate[6]; /* of RAISED, or of the commit (SYNC) */
} AmPipeEntry;

typedef struct AmPipe
{
	AmPgConn conn;
	struct AmLane *lane;
	bool side; /* a side connection of the write lane */
	AmPipeEntry *ring;
	unsigned ring_size;      /* power of two */
	unsigned head;           /* oldest entry; indices only grow, and wrap by the mask */
	unsigned at;             /* entry the next result belongs to */
	unsigned tail;           /* one after the newest */
	int calls;               /* CALL entries in the ring */
	int64_t batch_us;        /* when the oldest batch became the oldest: for noticing a stall */
	uint64_t functions_hash; /* of the catalog the statements were prepared from */
} AmPipe;

/* Prepares a pipe for batches of up to calls_max calls in flight; false = out of memory. */
extern bool am_pipe_init(AmPipe *pipe, struct AmLane *lane, bool side, int calls_max);

extern void am_pipe_free(AmPipe *pipe);

/* True if it is ready, not stale, and has room for one more call with its Sync. */
extern bool am_pipe_usable(const AmPipe *pipe);

/* Sends one call, without a Sync.  False if libpq refused it: the pipe is then dropped. */
extern bool am_pipe_send_call(AmPipe *pipe, struct AmRequest *request);

/* Sends the statement that takes the turn among loops. */
extern bool am_pipe_send_turn(AmPipe *pipe);

/* Ends the batch. */
extern bool am_pipe_send_sync(AmPipe *pipe);

/* The entry at a ring position. */
extern AmPipeEntry *am_pipe_entry(const AmPipe *pipe, unsigned position);

#endif /* AM_SHIM_PGPIPE_H */
