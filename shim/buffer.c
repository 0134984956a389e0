/*-------------------------------------------------------------------------
 *
 * buffer.c
 *	  Bytes of one request (see buffer.h).
 *
 *-------------------------------------------------------------------------
 */
#include "buffer.h"

#include <stdlib.h>
#include <string.h>

#include "core/json.h"

#define AM_BUFFER_GROWTH_MIN 16384 /* first piece taken from the pool, bytes */

char *
am_pool_take(AmPool *pool, size_t bytes, bool forced)
{
	char *data;

	if (!forced && (bytes > pool->bytes_max || pool->bytes_used > pool->bytes_max - bytes))
		return NULL;
	data = malloc(bytes);
	if (data != NULL)
		pool->bytes_used += bytes;
	return data;
}

void
am_pool_give(AmPool *pool, char *data, size_t bytes, size_t wipe_bytes)
{
	if (data == NULL)
		return;
	explicit_bzero(data, wipe_bytes);
	free(data);
	pool->bytes_used -= bytes;
}

void
am_buffer_init(AmBuffer *buffer, char *inline_data, size_t inline_capacity, AmPool *pool)
{
	*buffer = (AmBuffer){
		.data = inline_data,
		.capacity = inline_capacity,
		.pool = pool,
		.inline_data = inline_data,
		.inline_capacity = inline_capacity,
	};
}

/* What was ever written, also beyond a cut. */
static size_t
buffer_written(const AmBuffer *buffer)
{
	return buffer->length > buffer->written ? buffer->length : buffer->written;
}

static void
buffer_release(AmBuffer *buffer)
{
	size_t written = buffer_written(buffer);

	if (buffer->data == buffer->inline_data)
		explicit_bzero(buffer->data, written);
	else
		am_pool_give(buffer->pool, buffer->data, buffer->capacity, written);
}

void
am_buffer_reset(AmBuffer *buffer)
{
	buffer_release(buffer);
	buffer->data = buffer->inline_data;
	buffer->capacity = buffer->inline_capacity;
	buffer->length = 0;
	buffer->written = 0;
	buffer->failed = false;
}

/* Capacities double, so that a body gathered in pieces is copied O(1) times a byte. */
static size_t
buffer_next_capacity(const AmBuffer *buffer, size_t needed)
{
	size_t capacity = buffer->capacity * 2;

	if (capacity < AM_BUFFER_GROWTH_MIN)
		capacity = AM_BUFFER_GROWTH_MIN;
	return capacity < needed ? needed : capacity;
}

bool
am_buffer_reserve(AmBuffer *buffer, size_t extra)
{
	size_t capacity;
	char *data;

	if (buffer->failed)
		return false;
	if (extra <= buffer->capacity - buffer->length)
		return true;
	if (buffer->pool == NULL || extra > SIZE_MAX / 4)
	{
		buffer->failed = true;
		return false;
	}
	capacity = buffer_next_capacity(buffer, buffer->length + extra);
	data = am_pool_take(buffer->pool, capacity, false);
	if (data == NULL)
	{
		buffer->failed = true;
		return false;
	}
	memcpy(data, buffer->data, buffer->length);
	buffer_release(buffer);
	buffer->data = data;
	buffer->capacity = capacity;
	buffer->written = buffer->length;
	return true;
}

void
am_buffer_add(AmBuffer *buffer, const char *data, size_t length)
{
	if (length == 0 || !am_buffer_reserve(buffer, length))
		return;
	memcpy(buffer->data + buffer->length, data, length);
	buffer->length += length;
}

void
am_buffer_puts(AmBuffer *buffer, const char *string)
{
	am_buffer_add(buffer, string, strlen(string));
}

void
am_buffer_putc(AmBuffer *buffer, char c)
{
	am_buffer_add(buffer, &c, 1);
}

void
am_buffer_json(AmBuffer *buffer, const char *text, size_t length)
{
	size_t written = 0;

	if (length > SIZE_MAX / 16 || !am_buffer_reserve(buffer, AMC_JSON_ESCAPED_MAX(length) + 2))
	{
		buffer->failed = true;
		return;
	}
	buffer->data[buffer->length++] = '"';
	(void) amc_json_escape(text, length, buffer->data + buffer->length,
						   buffer->capacity - buffer->length - 1, &written);
	buffer->length += written;
	buffer->data[buffer->length++] = '"';
}

void
am_buffer_cut(AmBuffer *buffer, size_t length)
{
	buffer->written = buffer_written(buffer);
	if (length < buffer->length)
		buffer->length = length;
	buffer->failed = false;
}
