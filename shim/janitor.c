/*-------------------------------------------------------------------------
 *
 * janitor.c
 *	  Client connections and their deadlines (see janitor.h).
 *
 *-------------------------------------------------------------------------
 */
#include "janitor.h"

#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine.h"

bool
am_clients_init(AmClients *clients, int count)
{
	memset(clients, 0, sizeof(*clients));
	clients->slot = calloc((size_t) count, sizeof(AmClient));
	clients->lingerer = calloc(AM_LINGERERS_MAX, sizeof(AmLingerer));
	if (clients->slot == NULL || clients->lingerer == NULL)
		return false;
	for (int i = count - 1; i >= 0; i--)
	{
		clients->slot[i].next = clients->free;
		clients->free = &clients->slot[i];
	}
	for (int i = 0; i < AM_LINGERERS_MAX; i++)
		clients->lingerer[i].watch.fd = -1;
	return true;
}

void
am_clients_free(AmClients *clients)
{
	for (int i = 0; clients->lingerer != NULL && i < AM_LINGERERS_MAX; i++)
	{
		if (clients->lingerer[i].watch.fd >= 0)
			(void) close(clients->lingerer[i].watch.fd);
	}
	free(clients->lingerer);
	free(clients->slot);
	memset(clients, 0, sizeof(*clients));
}

static void
limit_observe(const AmEngine *engine, AmLimitId limit)
{
	AmObservation observation = am_obs_make(AM_OBS_LIMIT_REACHED);

	observation.reason = (int) limit;
	am_obs_emit(&engine->obs, &observation);
}

static void
peer_take(AmClient *client, const struct sockaddr *peer)
{
	bool known = false;

	if (peer != NULL && peer->sa_family == AF_INET)
	{
		struct sockaddr_in ipv4;

		memcpy(&ipv4, peer, sizeof(ipv4));
		known = amc_net_from_bytes(&ipv4.sin_addr, sizeof(ipv4.sin_addr), &client->peer);
	}
	else if (peer != NULL && peer->sa_family == AF_INET6)
	{
		struct sockaddr_in6 ipv6;

		memcpy(&ipv6, peer, sizeof(ipv6));
		known = amc_net_from_bytes(&ipv6.sin6_addr, sizeof(ipv6.sin6_addr), &client->peer);
	}
	/* an address that cannot be had falls into one shared bucket: the unspecified one */
	if (!known)
		client->peer = (amc_net_address){.family = 4};
	(void) amc_net_format(&client->peer, client->peer_text);
}

AmClient *
am_client_open(AmEngine *engine, int fd, const struct sockaddr *peer)
{
	AmClients *clients = &engine->clients;
	AmClient *client = clients->free;

	if (client == NULL)
	{
		(void) shutdown(fd, SHUT_RDWR);
		limit_observe(engine, AM_LIMIT_CONNECTIONS);
		return NULL;
	}
	clients->free = client->next;
	client->previous = NULL;
	client->next = clients->open;
	if (clients->open != NULL)
		clients->open->previous = client;
	clients->open = client;
	clients->open_count++;
	if (clients->open_count > clients->open_peak)
		clients->open_peak = clients->open_count;
	client->fd = fd;
	client->doomed = false;
	peer_take(client, peer);
	am_client_phase(engine, client, AM_PHASE_HEADER);
	return client;
}

void
am_client_close(AmEngine *engine, AmClient *client)
{
	AmClients *clients = &engine->clients;

	if (client->previous != NULL)
		client->previous->next = client->next;
	else
		clients->open = client->next;
	if (client->next != NULL)
		client->next->previous = client->previous;
	client->next = clients->free;
	clients->free = client;
	clients->open_count--;
}

void
am_client_phase(AmEngine *engine, AmClient *client, AmPhase phase)
{
	client->phase = phase;
	client->since_us = engine->now_us;
	client->extra_ms = 0;
}

void
am_client_allow(AmEngine *engine, AmClient *client, uint64_t bytes)
{
	/* bytes are at most the limit of a route, which is far from any overflow */
	client->extra_ms = (int) (bytes * 1000 / (uint64_t) engine->tuning.upload_bytes_per_s_min);
}

static int
phase_limit_ms(const AmEngine *engine, AmPhase phase)
{
	const AmTuning *tuning = &engine->tuning;

	switch (phase)
	{
		case AM_PHASE_HEADER:
			return tuning->header_timeout_ms;
		case AM_PHASE_BODY:
			return tuning->body_timeout_ms;
		case AM_PHASE_REPLY:
			return AM_REPLY_TIMEOUT_MS;
		case AM_PHASE_IDLE:
			/* a drain leaves idle connections a moment, for requests already under way */
			return engine->state == AM_ENGINE_DRAINING ? AM_DRAIN_LINGER_MS
													   : tuning->idle_timeout_ms;
		case AM_PHASE_DATABASE:
		case AM_PHASE_DRAIN:
		case AM_PHASE_COUNT:
			break;
	}
	return -1;
}

static void
client_late(AmEngine *engine, AmClient *client)
{
	AmObservation observation =
		am_obs_make(client->phase == AM_PHASE_IDLE ? AM_OBS_IDLE_CLOSED : AM_OBS_DEADLINE_KILLED);

	if (client->phase != AM_PHASE_IDLE)
		observation.reason = (int) client->phase;
	observation.peer = client->peer_text;
	am_obs_emit(&engine->obs, &observation);
	client->doomed = true;
	(void) shutdown(client->fd, SHUT_RDWR);
}

static void
lingerer_end(AmEngine *engine, AmLingerer *lingerer)
{
	int fd = lingerer->watch.fd;

	am_loop_unwatch(&engine->loop, &lingerer->watch);
	(void) close(fd);
}

/* After a flood the allocator would keep the memory of thousands of connections for ever. */
static void
memory_trim(AmEngine *engine)
{
	AmClients *clients = &engine->clients;

	if (clients->open_peak - clients->open_count < AM_TRIM_CLIENTS_MIN ||
		engine->now_us - clients->trim_us < (int64_t) AM_TRIM_INTERVAL_MS * 1000)
		return;
	(void) malloc_trim(0);
	clients->trim_us = engine->now_us;
	clients->open_peak = clients->open_count;
}

void
am_clients_janitor(AmEngine *engine)
{
	for (AmClient *client = engine->clients.open; client != NULL; client = client->next)
	{
		int limit_ms = phase_limit_ms(engine, client->phase);
		int64_t since_us = client->since_us;

		if (engine->state == AM_ENGINE_DRAINING && client->phase == AM_PHASE_IDLE &&
			since_us < engine->state_us)
			since_us = engine->state_us;
		if (!client->doomed && limit_ms >= 0 &&
			engine->now_us - since_us > ((int64_t) limit_ms + client->extra_ms) * 1000)
			client_late(engine, client);
	}
	for (int i = 0; i < AM_LINGERERS_MAX; i++)
	{
		AmLingerer *lingerer = &engine->clients.lingerer[i];

		if (lingerer->watch.fd >= 0 &&
			engine->now_us - lingerer->since_us > (int64_t) AM_LINGER_MS * 1000)
			lingerer_end(engine, lingerer);
	}
	memory_trim(engine);
	am_metrics_gauge_set(engine->metrics, AM_GAUGE_CONNECTIONS_OPEN, engine->clients.open_count);
}

/* Throws input away until the client has closed, or has had enough. */
static void
lingerer_called(void *state, unsigned events)
{
	AmLingerer *lingerer = state;
	char waste[16384];
	ssize_t got = recv(lingerer->watch.fd, waste, sizeof(waste), MSG_DONTWAIT);

	(void) events;
	if (got > 0)
		lingerer->bytes += (size_t) got;
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR) ||
		lingerer->bytes > AM_LINGER_BYTES_MAX)
		lingerer_end(lingerer->engine, lingerer);
}

void
am_client_linger(AmEngine *engine, const AmClient *client)
{
	AmLingerer *lingerer = NULL;
	int fd;

	for (int i = 0; i < AM_LINGERERS_MAX && lingerer == NULL; i++)
	{
		if (engine->clients.lingerer[i].watch.fd < 0)
			lingerer = &engine->clients.lingerer[i];
	}
	/* when too many linger already, this one is closed hard */
	fd = lingerer == NULL ? -1 : dup(client->fd);
	if (fd < 0)
		return;
	lingerer->engine = engine;
	lingerer->since_us = engine->now_us;
	lingerer->bytes = 0;
	am_watch_init(&lingerer->watch, lingerer_called, lingerer);
	if (!am_loop_watch(&engine->loop, &lingerer->watch, fd, AM_WATCH_READ))
		(void) close(fd);
}
