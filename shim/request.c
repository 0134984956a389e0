/*-------------------------------------------------------------------------
 *
 * request.c
 *	  Request slots (see request.h).
 *
 *-------------------------------------------------------------------------
 */
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "core/json.h"

bool
am_requests_init(AmRequests *requests, struct AmEngine *engine, int count, size_t pool_bytes_max)
{
	memset(requests, 0, sizeof(*requests));
	requests->pool.bytes_max = pool_bytes_max;
	if (getrandom(requests->id_state, sizeof(requests->id_state), 0) !=
		(ssize_t) sizeof(requests->id_state))
		return false;
	/* calloc of this size comes from untouched pages: a slot costs memory when it is first used */
	requests->slot = calloc((size_t) count, sizeof(AmRequest));
	if (requests->slot == NULL)
		return false;
	requests->count = count;
	for (int i = count - 1; i >= 0; i--)
	{
		requests->slot[i].engine = engine;
		requests->slot[i].next = requests->free;
		requests->free = &requests->slot[i];
	}
	return true;
}

void
am_requests_free(AmRequests *requests)
{
	for (int i = 0; i < requests->count; i++)
	{
		if (requests->slot[i].state != AM_REQUEST_FREE)
			am_request_release(requests, &requests->slot[i]);
	}
	free(requests->slot);
	requests->slot = NULL;
	requests->count = 0;
}

AmRequest *
am_request_take(AmRequests *requests, AmCatalog *catalog)
{
	AmRequest *request = requests->free;

	if (request == NULL)
		return NULL;
	requests->free = request->next;
	requests->in_use++;
	request->next = NULL;
	request->state = AM_REQUEST_READING;
	request->catalog = am_catalog_reference(catalog);
	am_buffer_init(&request->argument, request->argument_inline, sizeof(request->argument_inline),
				   &requests->pool);
	am_buffer_init(&request->reply, request->reply_inline, sizeof(request->reply_inline),
				   &requests->pool);
	return request;
}

void
am_request_release(AmRequests *requests, AmRequest *request)
{
	struct AmEngine *engine = request->engine;

	am_request_multipart_end(request, false);
	am_buffer_reset(&request->argument);
	am_buffer_reset(&request->reply);
	am_catalog_release(request->catalog);
	/* the inline parts were wiped as far as they were written */
	memset(request, 0, offsetof(AmRequest, argument_inline));
	request->engine = engine;
	request->next = requests->free;
	requests->free = request;
	requests->in_use--;
}

/* splitmix64: a bijection of a counter, so ids of one process never repeat. */
static uint64_t
mix64(uint64_t value)
{
	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

void
am_request_id_make(AmRequests *requests, char id[AM_REQUEST_ID_BYTES_MAX + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t part[2];

	requests->id_state[0] += UINT64_C(0x9e3779b97f4a7c15);
	part[0] = mix64(requests->id_state[0]);
	part[1] = mix64(requests->id_state[0] ^ requests->id_state[1]);
	for (int i = 0; i < 32; i++)
		id[i] = digits[(part[i / 16] >> (60 - (i % 16) * 4)) & 0xf];
	id[32] = '\0';
}

/* 2026-01-31T09:15:00.123Z */
static void
add_timestamp(AmBuffer *buffer)
{
	struct timespec now;
	struct tm parts;
	char text[40];
	size_t length;

	(void) clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &parts) == NULL)
		return;
	length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
	(void) snprintf(text + length, sizeof(text) - length, ".%03ldZ", now.tv_nsec / 1000000);
	am_buffer_puts(buffer, text);
}

/* The path as the inside of a JSON string. */
static void
add_path(AmBuffer *buffer, amc_span path)
{
	size_t written = 0;

	if (!am_buffer_reserve(buffer, AMC_JSON_ESCAPED_MAX(path.len)))
		return;
	(void) amc_json_escape(path.ptr, path.len, buffer->data + buffer->length,
						   AMC_JSON_ESCAPED_MAX(path.len), &written);
	buffer->length += written;
}

static void
placeholders_fill(AmBuffer *buffer, const AmRefusal *refusal, amc_span path)
{
	const char *at = refusal->body;

	while (*at != '\0')
	{
		const char *brace = strstr(at, "{{");
		size_t plain = brace == NULL ? strlen(at) : (size_t) (brace - at);

		am_buffer_add(buffer, at, plain);
		at += plain;
		if (strncmp(at, "{{path}}", 8) == 0)
		{
			add_path(buffer, path);
			at += 8;
		}
		else if (strncmp(at, "{{timestamp}}", 13) == 0)
		{
			add_timestamp(buffer);
			at += 13;
		}
		else if (*at != '\0')
			am_buffer_putc(buffer, *at++);
	}
}

void
am_request_refuse(AmRequest *request, AmRefusalReason reason, amc_span path)
{
	const char *template = request->route == NULL ? "" : request->route->path;
	const AmRefusal *refusal = am_catalog_refusal(request->catalog, request->api, reason, template);

	am_request_unkeep(request);
	if (refusal->placeholders)
		placeholders_fill(&request->reply, refusal, path);
	request->state = AM_REQUEST_ANSWERED;
	request->status = refusal->status;
	request->body = refusal->body;
	request->body_length = refusal->body_length;
	/* without memory for the path the answer goes out with the placeholder in it */
	if (refusal->placeholders && !request->reply.failed)
	{
		request->body = request->reply.data;
		request->body_length = request->reply.length;
	}
}

/* Replies exist already, so they may pass the pool's ceiling: slots bound their number. */
static bool
reply_reserve(AmRequest *request, size_t bytes)
{
	AmBuffer *reply = &request->reply;
	char *data;

	if (bytes <= reply->capacity)
		return true;
	data = am_pool_take(reply->pool, bytes, true);
	if (data == NULL)
		return false;
	am_buffer_reset(reply);
	reply->data = data;
	reply->capacity = bytes;
	return true;
}

bool
am_request_keep(AmRequest *request, int status, const char *headers, size_t headers_length,
				const char *body, size_t body_length)
{
	AmBuffer *reply = &request->reply;

	am_request_unkeep(request);
	if (status < 200 || status > 599 || !reply_reserve(request, headers_length + body_length + 1))
		return false;
	request->status = status;
	request->headers_start = 0;
	request->headers_length = headers_length;
	am_buffer_add(reply, headers, headers_length);
	am_buffer_add(reply, body, body_length);
	request->body = reply->data + headers_length;
	request->body_length = body_length;
	return true;
}

void
am_request_unkeep(AmRequest *request)
{
	am_buffer_cut(&request->reply, 0);
	request->status = 0;
	request->body = NULL;
	request->body_length = 0;
	request->headers_length = 0;
}

void
am_request_multipart(AmRequest *request, amc_span content_type)
{
	AmPool *pool = request->argument.pool;

	request->multipart = (AmMultipart *) (void *) am_pool_take(pool, sizeof(AmMultipart), false);
	if (request->multipart == NULL)
		request->argument.failed = true;
	else if (!am_multipart_begin(request->multipart, &request->argument, content_type))
		am_request_multipart_end(request, false);
}

void
am_request_multipart_end(AmRequest *request, bool finished)
{
	if (request->multipart == NULL)
		return;
	if (finished)
		am_multipart_end(request->multipart);
	am_pool_give(request->argument.pool, (char *) request->multipart, sizeof(AmMultipart),
				 sizeof(AmMultipart));
	request->multipart = NULL;
}
