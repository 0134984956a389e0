/*-------------------------------------------------------------------------
 *
 * http_reply.c
 *	  Replies (see http.h; contract, section 4).
 *
 * The body stays where it is (request slot or catalog) until the library has
 * completed the request, so it is not copied here.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "http_internal.h"
#include "reply.h"

#define AM_REPLY_RAW_BYTES 8192

#define CONTENT_TYPE_JSON "application/json; charset=utf-8"

static void
reply_observe(const AmRequest *request)
{
	AmEngine *engine = request->engine;
	AmObservation observation = am_obs_make(AM_OBS_REQUEST);

	observation.lane = request->queued_us == 0 ? AM_LANE_NONE : request->lane;
	observation.route_slot = request->metrics_slot;
	observation.status = request->status;
	observation.group_size = request->group_size;
	observation.bytes = (int64_t) request->body_length;
	observation.total_us = engine->now_us - request->start_us;
	if (request->sent_us != 0)
		observation.queue_us = request->sent_us - request->queued_us;
	if (request->sent_us != 0 && request->answered_us != 0)
		observation.database_us = request->answered_us - request->sent_us;
	observation.api = request->api;
	observation.method =
		request->method == AM_METHOD_OTHER ? "OTHER" : am_method_name(request->method);
	observation.route = request->route_label;
	observation.request_id = request->id;
	observation.sqlstate = request->sqlstate[0] == '\0' ? NULL : request->sqlstate;
	observation.peer = request->ip;
	am_obs_emit(&engine->obs, &observation);
}

/* The headers the function gave; false = they break a rule, and the reply is a fault. */
static bool
reply_headers_take(AmRequest *request, AmReplyHeaders *headers)
{
	AmObservation observation;

	headers->owner = NULL;
	headers->count = 0;
	if (request->headers_length == 0)
		return true;
	if (am_reply_headers_read(request->reply.data + request->headers_start, request->headers_length,
							  request->route->cookies, headers))
		return true;
	observation = am_obs_make(AM_OBS_REPLY_INVALID);
	observation.lane = request->lane;
	observation.request_id = request->id;
	observation.route = request->route->path;
	observation.message = "A function returned headers that cannot be sent.";
	am_obs_emit(&request->engine->obs, &observation);
	am_request_refuse(request, AM_REFUSAL_FAULT, (amc_span){"", 0});
	return false;
}

static void
add(struct MHD_Response *response, const char *name, const char *value)
{
	/* only memory can be missing; a reply without one header is better than none */
	(void) MHD_add_response_header(response, name, value);
}

static void
add_default(struct MHD_Response *response, const AmReplyHeaders *headers, const char *name,
			const char *value)
{
	if (headers->count == 0 || am_reply_headers_find(headers, name) < 0)
		add(response, name, value);
}

static void
add_cors(struct MHD_Response *response, const AmRequest *request)
{
	if (request->cors_origin != NULL)
	{
		add(response, "Access-Control-Allow-Origin", request->cors_origin);
		add(response, "Access-Control-Allow-Credentials", "true");
		add(response, "Vary", "Origin");
	}
	if (request->preflight)
	{
		add(response, "Access-Control-Allow-Methods", AM_CORS_ALLOW_METHODS);
		add(response, "Access-Control-Allow-Headers", AM_CORS_ALLOW_HEADERS);
	}
}

static void
add_by_status(struct MHD_Response *response, const AmRequest *request,
			  const AmReplyHeaders *headers)
{
	if (request->status == 503)
		add_default(response, headers, "Retry-After", "1");
	else if (request->status == 401)
		add_default(response, headers, "WWW-Authenticate", "Bearer");
	if (request->allow[0] != '\0')
		add(response, "Allow", request->allow);
	if (request->unknown && request->status == 503)
		add(response, "Authmeter-Outcome", "unknown");
}

static void
reply_headers_add(struct MHD_Response *response, const AmRequest *request,
				  const AmReplyHeaders *headers)
{
	if (request->body_length > 0)
		add_default(response, headers, "Content-Type", CONTENT_TYPE_JSON);
	add(response, "X-Content-Type-Options", "nosniff");
	add_default(response, headers, "Cache-Control", "no-store");
	add(response, "X-Request-Id", request->id);
	add_by_status(response, request, headers);
	add_cors(response, request);
	for (int i = 0; i < headers->count; i++)
		add(response, headers->header[i].name, headers->header[i].value);
	if (request->close || request->engine->state == AM_ENGINE_DRAINING)
		add(response, "Connection", "close");
}

enum MHD_Result
am_http_reply(AmRequest *request)
{
	struct MHD_Response *response;
	AmReplyHeaders headers;
	enum MHD_Result result;

	if (!reply_headers_take(request, &headers))
		headers.count = 0;
	response = MHD_create_response_from_buffer(request->body_length, (void *) request->body,
											   MHD_RESPMEM_PERSISTENT);
	if (response == NULL)
	{
		am_reply_headers_free(&headers);
		return MHD_NO;
	}
	reply_headers_add(response, request, &headers);
	am_reply_headers_free(&headers);
	request->state = AM_REQUEST_REPLIED;
	am_client_phase(request->engine, request->client, AM_PHASE_REPLY);
	result = MHD_queue_response(request->connection, (unsigned) request->status, response);
	MHD_destroy_response(response);
	reply_observe(request);
	return result;
}

void
am_http_reply_raw(AmRequest *request)
{
	char text[AM_REPLY_RAW_BYTES];
	int length = snprintf(text, sizeof(text),
						  "HTTP/1.1 %d Content Too Large\r\n"
						  "Connection: close\r\n"
						  "Content-Type: " CONTENT_TYPE_JSON "\r\n"
						  "X-Content-Type-Options: nosniff\r\n"
						  "Cache-Control: no-store\r\n"
						  "X-Request-Id: %s\r\n"
						  "Content-Length: %zu\r\n\r\n%.*s",
						  request->status, request->id, request->body_length,
						  (int) request->body_length, request->body);

	/* nothing of this reply has been sent yet, so the socket's buffer has room; if not, so be it */
	if (length > 0 && (size_t) length < sizeof(text) &&
		send(request->client->fd, text, (size_t) length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		am_obs_tell(&request->engine->obs, AM_OBS_NOTE, "413", "the answer could not be sent");
	request->close = true;
	reply_observe(request);
}
