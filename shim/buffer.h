/*-------------------------------------------------------------------------
 *
 * buffer.h
 *	  Bytes of one request: an inline part, and a bounded pool behind it.
 *
 * Every request slot owns one AmBuffer whose first bytes lie in the slot, so
 * that an ordinary request allocates nothing.  What does not fit moves to the
 * heap; all such memory of a loop is accounted in one AmPool, whose ceiling is
 * the setting body_pool_bytes_max.  Buffers hold tokens and passwords: whatever
 * was written is wiped before the memory is given back or used again.
 *
 * A buffer that could not grow is marked failed and ignores further appends,
 * so that callers check once, at the end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_BUFFER_H
#define AM_SHIM_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/span.h"

typedef struct AmPool
{
	size_t bytes_max;  /* ceiling of bytes_used */
	size_t bytes_used; /* handed out now */
} AmPool;

typedef struct AmBuffer
{
	char *data;
	size_t length;   /* bytes in use */
	size_t capacity; /* bytes data can hold */
	size_t written;  /* high-water mark: what has to be wiped */
	bool failed;
	AmPool *pool; /* NULL = never grows */
	char *inline_data;
	size_t inline_capacity;
} AmBuffer;

/*
 * Takes bytes (> 0) from the pool.  NULL = over the ceiling or out of memory.
 * With forced the ceiling is passed: for answers that already exist and are
 * bounded by the number of requests in flight.
 */
extern char *am_pool_take(AmPool *pool, size_t bytes, bool forced);

/* Wipes the first wipe_bytes and gives the whole piece of bytes back. */
extern void am_pool_give(AmPool *pool, char *data, size_t bytes, size_t wipe_bytes);

/* Prepares a buffer on inline memory; pool may be NULL. */
extern void am_buffer_init(AmBuffer *buffer, char *inline_data, size_t inline_capacity,
						   AmPool *pool);

/* Wipes what was written, gives pool memory back, and empties the buffer. */
extern void am_buffer_reset(AmBuffer *buffer);

/* Makes room for extra more bytes; false (and failed) if there is none. */
extern bool am_buffer_reserve(AmBuffer *buffer, size_t extra);

/* Appends length bytes; a C string; one byte. */
extern void am_buffer_add(AmBuffer *buffer, const char *data, size_t length);
extern void am_buffer_puts(AmBuffer *buffer, const char *string);
extern void am_buffer_putc(AmBuffer *buffer, char c);

/* Appends text as a JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
extern void am_buffer_json(AmBuffer *buffer, const char *text, size_t length);

/* Cuts the buffer back to length bytes and clears the failure mark. */
extern void am_buffer_cut(AmBuffer *buffer, size_t length);

#endif /* AM_SHIM_BUFFER_H */
