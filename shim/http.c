/*-------------------------------------------------------------------------
 *
 * http.c
 *	  Listeners and the life of connections (see http.h).
 *
 *-------------------------------------------------------------------------
 */
#include "http.h"

#include <errno.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin.h"
#include "http_internal.h"

#define AM_HTTP_PASSES_MAX      4 /* of one daemon in one turn: queue a reply, write it, read on */
#define AM_QUIESCE_PASSES_MAX   512
#define AM_ADMIN_IDLE_TIMEOUT_S 10

static int
bind_address(const AmEndpoint *endpoint, struct sockaddr_storage *address, socklen_t *length)
{
	memset(address, 0, sizeof(*address));
	if (endpoint->ipv6)
	{
		struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *) address;

		ipv6->sin6_family = AF_INET6;
		ipv6->sin6_port = htons((uint16_t) endpoint->port);
		*length = sizeof(*ipv6);
		return inet_pton(AF_INET6, endpoint->address, &ipv6->sin6_addr);
	}
	else
	{
		struct sockaddr_in *ipv4 = (struct sockaddr_in *) address;

		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons((uint16_t) endpoint->port);
		*length = sizeof(*ipv4);
		return inet_pton(AF_INET, endpoint->address, &ipv4->sin_addr);
	}
}

int
am_http_bind(const AmEndpoint *endpoint, bool shared, char *error, size_t error_bytes)
{
	struct sockaddr_storage address;
	socklen_t length;
	int on = 1;
	int fd = -1;

	if (bind_address(endpoint, &address, &length) != 1)
		errno = EINVAL;
	else
		fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		(!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
		(!endpoint->ipv6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
		bind(fd, (struct sockaddr *) &address, length) == 0)
		return fd;
	(void) snprintf(error, error_bytes, "could not bind %s port %d: %s", endpoint->address,
					endpoint->port, strerror(errno));
	if (fd >= 0)
		(void) close(fd);
	return -1;
}

static void
daemon_called(void *state, unsigned events)
{
	AmListener *listener = state;

	(void) events;
	listener->due = true;
}

static void
listener_init(AmEngine *engine, int index, int socket)
{
	AmListener *listener = &engine->http.listener[engine->http.listener_count++];

	*listener = (AmListener){.engine = engine, .index = index, .socket = socket};
	am_watch_init(&listener->watch, daemon_called, listener);
}

void
am_http_init(AmEngine *engine, const int *sockets, int admin_socket)
{
	engine->http.listener_count = 0;
	for (int i = 0; i < engine->config->listener_count; i++)
		listener_init(engine, i, sockets[i]);
	if (admin_socket >= 0)
		listener_init(engine, -1, admin_socket);
}

AmClient *
am_http_client(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info == NULL ? NULL : info->socket_context;
}

static void
connection_notified(void *cls, struct MHD_Connection *connection, void **context,
					enum MHD_ConnectionNotificationCode code)
{
	AmListener *listener = cls;

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
	{
		const union MHD_ConnectionInfo *fd =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		const union MHD_ConnectionInfo *peer =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

		*context = am_client_open(listener->engine, fd->connect_fd,
								  peer == NULL ? NULL : peer->client_addr);
	}
	else if (*context != NULL)
	{
		am_client_close(listener->engine, *context);
		*context = NULL;
	}
}

/* The request line has come: on a kept-alive connection the head's time begins. */
static void *
request_line_seen(void *cls, const char *uri, struct MHD_Connection *connection)
{
	AmListener *listener = cls;
	AmClient *client = am_http_client(connection);

	(void) uri;
	if (client != NULL && client->phase == AM_PHASE_IDLE)
		am_client_phase(listener->engine, client, AM_PHASE_HEADER);
	return NULL;
}

static void
request_completed(void *cls, struct MHD_Connection *connection, void **state,
				  enum MHD_RequestTerminationCode code)
{
	AmListener *listener = cls;
	AmEngine *engine = listener->engine;
	AmClient *client = am_http_client(connection);
	AmRequest *request = *state;

	*state = NULL;
	if (client != NULL)
		am_client_phase(engine, client, AM_PHASE_IDLE);
	if (request == NULL)
		return;
	if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK && !request->close)
	{
		AmObservation observation = am_obs_make(AM_OBS_CLIENT_GONE);

		observation.request_id = request->id;
		am_obs_emit(&engine->obs, &observation);
	}
	am_request_release(&engine->requests, request);
}

/* Paths and queries stay as they came: they are matched raw, and decoded once, by us. */
static size_t
unescape_nothing(void *cls, struct MHD_Connection *connection, char *text)
{
	(void) cls;
	(void) connection;
	return strlen(text);
}

__attribute__((format(printf, 2, 0))) static void
library_log(void *cls, const char *format, va_list arguments)
{
	AmListener *listener = cls;
	char message[256];

	(void) vsnprintf(message, sizeof(message), format, arguments);
	for (char *c = message; *c != '\0'; c++)
	{
		if (*c == '\n')
			*c = ' ';
	}
	am_obs_tell(&listener->engine->obs, AM_OBS_NOTE, "libmicrohttpd", message);
}

static enum MHD_Result
admin_handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
			 const char *version, const char *upload, size_t *upload_size, void **state)
{
	static char seen;
	AmListener *listener = cls;
	AmEngine *engine = listener->engine;
	struct MHD_Response *response;
	AmAdminAnswer answer;
	AmText body;
	enum MHD_Result result = MHD_NO;

	(void) version;
	(void) upload;
	if (*state == NULL || *upload_size != 0)
	{
		*state = &seen;
		*upload_size = 0;
		return MHD_YES;
	}
	am_text_init(&body, AM_METRICS_PAGE_BYTES_MAX);
	answer = am_admin_answer(engine->registry, am_loop_now_us(), method, url,
							 am_pgconn_library_version(), &body);
	response = MHD_create_response_from_buffer(body.length, (void *) am_text_string(&body),
											   MHD_RESPMEM_MUST_COPY);
	if (response != NULL)
	{
		(void) MHD_add_response_header(response, "Content-Type", answer.content_type);
		if (answer.allow != NULL)
			(void) MHD_add_response_header(response, "Allow", answer.allow);
		result = MHD_queue_response(connection, (unsigned) answer.status, response);
		MHD_destroy_response(response);
	}
	am_text_free(&body);
	am_obs_tell(&engine->obs, AM_OBS_ADMIN_REQUEST, NULL, NULL);
	return result;
}

static struct MHD_Daemon *
daemon_start_admin(AmListener *listener)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, admin_handle,
							listener, MHD_OPTION_EXTERNAL_LOGGER, library_log, listener,
							MHD_OPTION_LISTEN_SOCKET, listener->socket, MHD_OPTION_CONNECTION_LIMIT,
							(unsigned) AM_ADMIN_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
							(unsigned) AM_ADMIN_IDLE_TIMEOUT_S, MHD_OPTION_END);
}

static struct MHD_Daemon *
daemon_start(AmListener *listener)
{
	const AmConfig *config = listener->engine->config;
	unsigned connections = (unsigned) (config->connections_max / config->loops);

	if (connections == 0)
		connections = 1;
	return MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, am_http_handle,
		listener, MHD_OPTION_EXTERNAL_LOGGER, library_log, listener, MHD_OPTION_LISTEN_SOCKET,
		listener->socket, MHD_OPTION_CONNECTION_LIMIT, connections,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned) config->connections_per_ip_max,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) config->connection_memory_bytes,
		MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_NOTIFY_COMPLETED, request_completed, listener,
		MHD_OPTION_NOTIFY_CONNECTION, connection_notified, listener, MHD_OPTION_URI_LOG_CALLBACK,
		request_line_seen, listener, MHD_OPTION_UNESCAPE_CALLBACK, unescape_nothing, NULL,
#if MHD_VERSION >= 0x01000000
		MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,
#endif
		MHD_OPTION_END);
}

static void
listening_observe(const AmListener *listener)
{
	const AmConfig *config = listener->engine->config;
	const AmEndpoint *endpoint =
		listener->index < 0 ? &config->admin : &config->listener[listener->index];
	char subject[AM_ADDRESS_BYTES + 16];

	(void) snprintf(subject, sizeof(subject), endpoint->ipv6 ? "[%s]:%d" : "%s:%d",
					endpoint->address, endpoint->port);
	am_obs_tell(&listener->engine->obs, AM_OBS_LISTENING, subject,
				listener->index < 0 ? "The admin listener is open." : NULL);
}

static bool
listener_open(AmListener *listener)
{
	AmEngine *engine = listener->engine;
	const union MHD_DaemonInfo *info;

	if (listen(listener->socket, AM_LISTEN_BACKLOG) != 0)
	{
		am_obs_tell(&engine->obs, AM_OBS_INTERNAL_FAULT, "listen", strerror(errno));
		return false;
	}
	listener->daemon = listener->index < 0 ? daemon_start_admin(listener) : daemon_start(listener);
	info = listener->daemon == NULL
			   ? NULL
			   : MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (info == NULL ||
		!am_loop_watch(&engine->loop, &listener->watch, info->epoll_fd, AM_WATCH_READ))
	{
		am_obs_tell(&engine->obs, AM_OBS_INTERNAL_FAULT, "listen",
					"the HTTP library could not start");
		return false;
	}
	listener->socket = -1;
	listener->due = true;
	listening_observe(listener);
	return true;
}

bool
am_http_open_admin(AmEngine *engine)
{
	for (int i = 0; i < engine->http.listener_count; i++)
	{
		if (engine->http.listener[i].index < 0)
			return listener_open(&engine->http.listener[i]);
	}
	return true;
}

bool
am_http_open(AmEngine *engine)
{
	for (int i = 0; i < engine->http.listener_count; i++)
	{
		AmListener *listener = &engine->http.listener[i];

		if (listener->index >= 0 && !listener_open(listener))
			return false;
	}
	return true;
}

static bool
listener_due(const AmListener *listener)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	if (listener->daemon == NULL)
		return false;
	return listener->due ||
		   (MHD_get_timeout(listener->daemon, &timeout_ms) == MHD_YES && timeout_ms == 0);
}

bool
am_http_due(const AmEngine *engine)
{
	for (int i = 0; i < engine->http.listener_count; i++)
	{
		if (listener_due(&engine->http.listener[i]))
			return true;
	}
	return false;
}

void
am_http_run(AmEngine *engine)
{
	for (int i = 0; i < engine->http.listener_count; i++)
	{
		AmListener *listener = &engine->http.listener[i];

		for (int pass = 0; pass < AM_HTTP_PASSES_MAX && listener_due(listener); pass++)
		{
			listener->due = false;
			(void) MHD_run(listener->daemon);
		}
	}
}

void
am_http_resume(AmRequest *request)
{
	if (!request->suspended)
		return;
	request->suspended = false;
	request->listener->due = true;
	MHD_resume_connection(request->connection);
}

/* Connections that the kernel has accepted for us are clients like any other: take them in. */
static void
backlog_take(AmListener *listener)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_LISTEN_FD);
	struct pollfd waiting = {.fd = info == NULL ? -1 : info->listen_fd, .events = POLLIN};

	for (int pass = 0; pass < AM_QUIESCE_PASSES_MAX && poll(&waiting, 1, 0) > 0; pass++)
		(void) MHD_run(listener->daemon);
}

void
am_http_quiesce(AmEngine *engine)
{
	for (int i = 0; i < engine->http.listener_count; i++)
	{
		AmListener *listener = &engine->http.listener[i];
		int fd;

		if (listener->index < 0 || listener->daemon == NULL)
			continue;
		backlog_take(listener);
		fd = MHD_quiesce_daemon(listener->daemon);
		if (fd >= 0)
			(void) close(fd);
		listener->due = true;
	}
}

void
am_http_close(AmEngine *engine)
{
	for (int i = 0; i < engine->http.listener_count; i++)
	{
		AmListener *listener = &engine->http.listener[i];

		am_loop_unwatch(&engine->loop, &listener->watch);
		if (listener->daemon != NULL)
			MHD_stop_daemon(listener->daemon);
		else if (listener->socket >= 0)
			(void) close(listener->socket);
		listener->daemon = NULL;
		listener->socket = -1;
	}
}
