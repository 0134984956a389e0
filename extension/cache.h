/*
 * cache.h
 *
 * Backend-local copies of small tables (settings, signing keys, meters).
 *
 * Who writes: the backend that owns the copy, inside am_cache_ensure. What invalidates: a statement
 * trigger on the table sends a relation cache invalidation (authmeter.cache_invalidate()), which
 * reaches every backend at commit and this one at the end of the command. Loading reads the newest
 * committed rows, not the transaction's snapshot: under REPEATABLE READ an old snapshot would
 * otherwise be kept as if it were new.
 */
#ifndef AM_CACHE_H
#define AM_CACHE_H

#include "compat.h"

typedef struct AmCache
{
	const char *relation; /* table in schema authmeter */
	void (*load)(
		MemoryContext cxt); /* fills the owner's statics from the table; SPI is connected */
	MemoryContext cxt;      /* holds the copy; reset before each load */
	Oid relid;              /* table the copy came from */
	uint64 stale_count;     /* invalidations seen */
	uint64 loaded_count;    /* stale_count the copy answers to; equal = fresh */
	struct AmCache *next;
} AmCache;

/*
 * Makes the copy fresh. Pointers into an earlier copy die here, so hold none across a call that may
 * read a table. Raises AM_NOT_INSTALLED when the table does not exist.
 */
extern void am_cache_ensure(AmCache *cache);

#endif
