/*-------------------------------------------------------------------------
 *
 * http_request.c
 *	  From the first handler call to the lane (see http.h).
 *
 * The handler is called for the head, for each piece of the body, once at the
 * end of the request, and once more after a resume.  Order of checks (R1): guard,
 * route and method, size and JSON syntax; the rest is the function's.  On routes
 * that count an address limit first, a bad body does not refuse the request: it
 * goes to the function as "fault", which counts and then refuses.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>
#include <sys/socket.h>

#include "http_internal.h"

/* A body that turns out too large while it is read is read on for so long, then cut off. */
#define AM_DISCARD_BYTES_MAX (1024 * 1024)

static enum MHD_Result
header_collected(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_length,
				 const char *value, size_t value_length)
{
	(void) kind;
	am_head_add(cls, name, name_length, value, value_length);
	return MHD_YES;
}

typedef struct QueryPairs
{
	AmHeader pair[AM_QUERY_PARAMETERS_MAX + 1];
	int count;
} QueryPairs;

static enum MHD_Result
query_collected(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_length,
				const char *value, size_t value_length)
{
	QueryPairs *pairs = cls;

	(void) kind;
	if (pairs->count > AM_QUERY_PARAMETERS_MAX)
		return MHD_NO;
	pairs->pair[pairs->count].name = (amc_span){name, name_length};
	pairs->pair[pairs->count].value = (amc_span){value == NULL ? "" : value, value_length};
	pairs->count++;
	return MHD_YES;
}

static void
vet_observe(const AmRequest *request, AmVetReason reason)
{
	AmObservation observation = am_obs_make(AM_OBS_VET_REFUSED);

	observation.reason = (int) reason;
	observation.request_id = request->id;
	observation.peer = request->client->peer_text;
	am_obs_emit(&request->engine->obs, &observation);
}

static void
limit_observe(const AmRequest *request, AmLimitId limit)
{
	AmObservation observation = am_obs_make(AM_OBS_LIMIT_REACHED);

	observation.reason = (int) limit;
	observation.request_id = request->id;
	am_obs_emit(&request->engine->obs, &observation);
}

/* R12: the peer, or behind trusted proxies what they say. */
static void
client_address(AmRequest *request, const AmHead *head)
{
	const AmCatalog *catalog = request->catalog;
	char joined[AMC_NET_FORWARDED_BYTES_MAX + 1];
	size_t length = 0;
	amc_net_address address = request->client->peer;

	for (int i = 0; catalog->proxy_count > 0 && i < head->forwarded_count; i++)
	{
		amc_span line = head->forwarded[i];

		/* too long counts as malformed: let the length say so */
		if (line.len + 1 > sizeof(joined) - length)
		{
			length = sizeof(joined);
			break;
		}
		if (length > 0)
			joined[length++] = ',';
		memcpy(joined + length, line.ptr, line.len);
		length += line.len;
	}
	if (length > 0)
		(void) amc_net_client(&request->client->peer, joined, length, catalog->proxy,
							  catalog->proxy_count, &address);
	(void) amc_net_format(&address, request->ip);
}

static void
request_identify(AmRequest *request, const AmHead *head, const char *method)
{
	AmEngine *engine = request->engine;

	request->start_us = request->client->since_us;
	request->method = am_method_of(method, strlen(method));
	if (am_request_id_valid(head->request_id))
	{
		memcpy(request->id, head->request_id.ptr, head->request_id.len);
		request->id[head->request_id.len] = '\0';
	}
	else
		am_request_id_make(&engine->requests, request->id);
	client_address(request, head);
}

/* Whose error style and CORS list hold, and under what name the request is counted. */
static void
request_belongs(AmRequest *request, const char *api, const AmHead *head)
{
	const AmConfig *config = request->engine->config;

	request->api = api;
	request->cors_origin = am_cors_match(am_catalog_cors(request->catalog, api), head->origin);
	request->route_label = AM_METRICS_UNMATCHED;
	for (int i = 0; i < config->api_count; i++)
	{
		if (strcmp(config->api[i], api) == 0)
			request->metrics_slot = request->preflight ? request->catalog->slot_preflight[i]
													   : request->catalog->slot_unmatched[i];
	}
	if (request->preflight)
		request->route_label = AM_METRICS_PREFLIGHT;
}

/* The API of a path that exists: of its route, or of any method it has. */
static const char *
node_api(const AmRequest *request, const AmRouteMatch *match)
{
	for (int i = 0; match->node != NULL && i < AM_METHOD_ROUTED; i++)
	{
		if (match->node->by_method[i] != NULL)
			return match->node->by_method[i]->api;
	}
	return request->place->api[0];
}

/* Everything of the argument but the body.  False if the query was refused. */
static bool
argument_build(AmRequest *request, const AmHead *head, const AmRouteMatch *match)
{
	AmBuffer *argument = &request->argument;
	const AmRoute *route = request->route;
	AmMethod method = request->method == AM_METHOD_HEAD ? AM_METHOD_GET : request->method;
	AmVetReason reason;
	QueryPairs pairs;

	am_argument_begin(argument, request->id, route, method, request->ip, request->place->prefix);
	am_argument_path(argument, match);
	pairs.count = 0;
	(void) MHD_get_connection_values_n(request->connection, MHD_GET_ARGUMENT_KIND, query_collected,
									   &pairs);
	if (!am_argument_query(argument, pairs.pair, pairs.count, &reason))
	{
		vet_observe(request, reason);
		return false;
	}
	am_argument_headers(argument, route, head);
	if (route->cookies)
		am_argument_cookies(argument, head);
	am_argument_bearer(argument, head);
	request->raw = route->body == AM_BODY_RAW;
	if (request->raw)
		am_argument_member(argument, "content_type", head->content_type);
	request->gather = request->raw ||
					  (route->body == AM_BODY_JSON && am_content_type_is_json(head->content_type));
	request->coded = (route->body == AM_BODY_JSON || route->body == AM_BODY_MULTIPART) &&
					 am_head_has_body(head) && am_content_encoding_is_coded(head->content_encoding);
	request->member_start = argument->length;
	if (route->body == AM_BODY_MULTIPART)
		am_request_multipart(request, head->content_type);
	if (request->gather)
		am_buffer_puts(argument, request->raw ? ",\"raw\":\"" : ",\"body\":");
	request->body_start = argument->length;
	return true;
}

static void
request_route(AmRequest *request, const AmHead *head, amc_span path, amc_span rest, bool fits)
{
	AmRouteMatch match;

	am_route_match(request->place, rest, request->method, &match);
	request_belongs(request, node_api(request, &match), head);
	if (!fits || match.node == NULL)
		am_request_refuse(request, AM_REFUSAL_NOT_FOUND, path);
	else if (match.route == NULL)
	{
		am_route_allow(match.allowed, request->allow);
		am_request_refuse(request, AM_REFUSAL_METHOD_NOT_ALLOWED, path);
	}
	else
	{
		request->route = match.route;
		request->route_label = match.route->path;
		request->metrics_slot = match.route->metrics_slot;
		request->too_large = head->body_length > match.route->body_bytes_max;
		if (!argument_build(request, head, &match))
			am_request_refuse(request, AM_REFUSAL_BAD_REQUEST, path);
		else if (request->too_large && !match.route->limited)
			am_request_refuse(request, AM_REFUSAL_BODY_TOO_LARGE, path);
	}
}

/* A preflight is answered for any path: it says nothing about what is there. */
static void
request_preflight(AmRequest *request, const AmHead *head, amc_span rest)
{
	AmRouteMatch match;
	AmMethod wanted = am_method_of(head->preflight_method.ptr, head->preflight_method.len);

	am_route_match(request->place, rest, wanted, &match);
	request->preflight = true;
	request_belongs(request, match.route != NULL ? match.route->api : node_api(request, &match),
					head);
	request->status = 204;
	request->body = "";
	request->body_length = 0;
	request->state = AM_REQUEST_ANSWERED;
}

/*
 * Turns a complete request into a call.  fault: what the function has to refuse
 * after it counted, NULL = nothing.
 */
static void
request_call(AmRequest *request, const char *fault)
{
	am_request_multipart_end(request, fault == NULL);
	if (fault != NULL)
	{
		am_buffer_cut(&request->argument, request->member_start);
		am_argument_member(&request->argument, "fault", (amc_span){fault, strlen(fault)});
	}
	am_argument_end(&request->argument);
	if (request->argument.failed)
	{
		limit_observe(request, AM_LIMIT_BODY_POOL);
		am_request_refuse(request, AM_REFUSAL_UNAVAILABLE, (amc_span){"", 0});
		return;
	}
	am_lane_call(&request->engine->lane[request->route->lane], request);
}

/* A body the contract refuses: by the function if it counts first, else by the shim. */
static void
request_body_refused(AmRequest *request, AmRefusalReason reason)
{
	bool too_large = reason == AM_REFUSAL_BODY_TOO_LARGE;

	if (too_large)
		vet_observe(request, AM_VET_BODY_TOO_LARGE);
	else
		vet_observe(request, request->coded ? AM_VET_CONTENT_ENCODING : AM_VET_BODY_INVALID);
	if (request->route->limited)
		request_call(request, too_large ? "body_too_large" : "body_invalid");
	else
		am_request_refuse(request, reason, (amc_span){"", 0});
}

static AmBodyOutcome
request_body_check(AmRequest *request)
{
	if (request->coded && request->body_bytes > 0)
		return AM_BODY_INVALID;
	if (!request->gather)
		return AM_BODY_EMPTY;
	if (request->raw)
		return am_argument_body_raw(&request->argument, request->member_start, request->body_start);
	return am_argument_body_json(&request->argument, request->member_start, request->body_start,
								 &request->engine->scratch);
}

/* The request is complete. */
static void
request_complete(AmRequest *request)
{
	AmBodyOutcome outcome;

	if (request->too_large)
	{
		request_body_refused(request, AM_REFUSAL_BODY_TOO_LARGE);
		return;
	}
	outcome = request_body_check(request);
	if (outcome == AM_BODY_INVALID)
		request_body_refused(request, AM_REFUSAL_BODY_INVALID);
	else if (outcome == AM_BODY_NO_MEMORY)
	{
		limit_observe(request, AM_LIMIT_BODY_POOL);
		am_request_refuse(request, AM_REFUSAL_UNAVAILABLE, (amc_span){"", 0});
	}
	else
		request_call(request, NULL);
}

/* Waits for the lane, or answers. */
static enum MHD_Result
request_wait(AmRequest *request)
{
	if (request->state == AM_REQUEST_ANSWERED)
		return am_http_reply(request);
	request->suspended = true;
	am_client_phase(request->engine, request->client, AM_PHASE_DATABASE);
	MHD_suspend_connection(request->connection);
	return MHD_YES;
}

/* The guard, then the route.  False if the guard refused. */
static bool
request_examine(AmRequest *request, AmHead *head, const char *url, const char *method,
				const char *version)
{
	amc_span path = {url, strlen(url)};
	amc_span rest;
	bool fits;
	AmVetReason reason;

	request->place = am_place_find(request->catalog->place, request->catalog->place_count,
								   request->listener->index, path, &rest, &fits);
	if (!am_head_vet(head, method, version, path, &reason))
	{
		request_belongs(request, request->place->api[0], head);
		vet_observe(request, reason);
		am_request_refuse(request, AM_REFUSAL_BAD_REQUEST, path);
		return false;
	}
	if (am_cors_is_preflight(head, request->method))
		request_preflight(request, head, rest);
	else
		request_route(request, head, path, rest, fits);
	return true;
}

/* The body is awaited: a file may take longer than a form. */
static void
request_await(AmRequest *request, const AmHead *head)
{
	const AmRoute *route = request->route;

	am_client_phase(request->engine, request->client, AM_PHASE_BODY);
	if (request->state == AM_REQUEST_READING && route != NULL && !request->too_large &&
		(route->body == AM_BODY_MULTIPART || route->body == AM_BODY_RAW))
		am_client_allow(request->engine, request->client,
						head->has_length ? head->body_length : route->body_bytes_max);
}

static enum MHD_Result
first_call(AmListener *listener, struct MHD_Connection *connection, const char *url,
		   const char *method, const char *version, void **state)
{
	AmEngine *engine = listener->engine;
	AmClient *client = am_http_client(connection);
	AmRequest *request;
	AmHead head;

	request = client == NULL ? NULL : am_request_take(&engine->requests, engine->catalog);
	if (request == NULL)
		return MHD_NO;
	*state = request;
	request->listener = listener;
	request->connection = connection;
	request->client = client;
	am_head_init(&head);
	(void) MHD_get_connection_values_n(connection, MHD_HEADER_KIND, header_collected, &head);
	request_identify(request, &head, method);
	if (!request_examine(request, &head, url, method, version))
		request->close = true;
	request_await(request, &head);
	/* refused with a body still to come: answer now, and do not read it */
	request->close =
		request->close ||
		(am_head_has_body(&head) && (request->state == AM_REQUEST_ANSWERED || request->too_large));
	if (!request->close)
		return MHD_YES;
	am_client_linger(engine, client);
	if (request->state != AM_REQUEST_ANSWERED)
		request_complete(request);
	return request_wait(request);
}

/* One piece of the body. */
static enum MHD_Result
body_call(AmRequest *request, const char *upload, size_t *upload_size)
{
	size_t size = *upload_size;
	size_t limit = request->route == NULL ? 0 : request->route->body_bytes_max;

	*upload_size = 0;
	request->body_bytes += size;
	if (request->body_bytes > limit)
	{
		request->too_large = true;
		am_request_multipart_end(request, false);
		am_buffer_cut(&request->argument, request->member_start);
		request->gather = false;
	}
	if (request->gather)
		am_buffer_add(&request->argument, upload, size);
	else if (request->multipart != NULL)
		am_multipart_add(request->multipart, upload, size);
	if (request->body_bytes <= (uint64_t) limit + AM_DISCARD_BYTES_MAX)
		return MHD_YES;
	vet_observe(request, AM_VET_BODY_TOO_LARGE);
	am_client_linger(request->engine, request->client);
	am_request_refuse(request, AM_REFUSAL_BODY_TOO_LARGE, (amc_span){"", 0});
	am_http_reply_raw(request);
	return MHD_NO;
}

enum MHD_Result
am_http_handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
			   const char *version, const char *upload, size_t *upload_size, void **state)
{
	AmRequest *request = *state;

	if (request == NULL)
		return first_call(cls, connection, url, method, version, state);
	if (*upload_size > 0)
		return body_call(request, upload, upload_size);
	if (request->state == AM_REQUEST_READING)
		request_complete(request);
	return request_wait(request);
}
