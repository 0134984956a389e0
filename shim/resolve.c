/*-------------------------------------------------------------------------
 *
 * resolve.c
 *	  Addresses of the database host (see resolve.h).
 *
 *-------------------------------------------------------------------------
 */
#include "resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Shared by the loop and one thread; the mutex guards everything behind it. */
struct AmResolveJob
{
	char host[AM_RESOLVE_HOST_BYTES]; /* written before the thread starts */
	pthread_mutex_t mutex;
	int holders; /* loop and thread; the last one frees */
	bool done;
	int address_count; /* 0 = the look-up failed */
	char address[AM_RESOLVE_ADDRESSES_MAX][AM_RESOLVE_ADDRESS_BYTES];
};

bool
am_resolve_is_name(const char *host)
{
	unsigned char number[sizeof(struct in6_addr)];

	if (host == NULL || host[0] == '\0' || host[0] == '/' || host[0] == '@' ||
		strchr(host, ',') != NULL || strlen(host) >= AM_RESOLVE_HOST_BYTES)
		return false;
	return inet_pton(AF_INET, host, number) != 1 && inet_pton(AF_INET6, host, number) != 1;
}

static void
job_release(AmResolveJob *job)
{
	bool last;

	(void) pthread_mutex_lock(&job->mutex);
	last = --job->holders == 0;
	(void) pthread_mutex_unlock(&job->mutex);
	if (!last)
		return;
	(void) pthread_mutex_destroy(&job->mutex);
	free(job);
}

static void
job_take(AmResolveJob *job, const struct addrinfo *list)
{
	for (; list != NULL && job->address_count < AM_RESOLVE_ADDRESSES_MAX; list = list->ai_next)
	{
		if (getnameinfo(list->ai_addr, list->ai_addrlen, job->address[job->address_count],
						AM_RESOLVE_ADDRESS_BYTES, NULL, 0, NI_NUMERICHOST) == 0)
			job->address_count++;
	}
}

static void *
job_thread(void *state)
{
	AmResolveJob *job = state;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *list = NULL;
	int status = getaddrinfo(job->host, NULL, &hints, &list);

	(void) pthread_mutex_lock(&job->mutex);
	if (status == 0)
		job_take(job, list);
	job->done = true;
	(void) pthread_mutex_unlock(&job->mutex);
	if (status == 0)
		freeaddrinfo(list);
	job_release(job);
	return NULL;
}

static AmResolveJob *
job_start(const char *host)
{
	AmResolveJob *job = calloc(1, sizeof(*job));
	pthread_attr_t attributes;
	pthread_t thread;
	bool started;

	if (job == NULL || pthread_mutex_init(&job->mutex, NULL) != 0)
	{
		free(job);
		return NULL;
	}
	job->holders = 2;
	(void) snprintf(job->host, sizeof(job->host), "%s", host);
	started = pthread_attr_init(&attributes) == 0;
	if (started)
	{
		(void) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
		started = pthread_create(&thread, &attributes, job_thread, job) == 0;
		(void) pthread_attr_destroy(&attributes);
	}
	if (started)
		return job;
	job->holders = 1;
	job_release(job);
	return NULL;
}

/* "h,h" and "a,b" of the same length. */
static void
resolver_take(AmResolver *resolver, const AmResolveJob *job)
{
	size_t hosts = 0;
	size_t addresses = 0;

	for (int i = 0; i < job->address_count; i++)
	{
		const char *comma = i == 0 ? "" : ",";

		/* both buffers hold AM_RESOLVE_ADDRESSES_MAX of the longest */
		hosts += (size_t) snprintf(resolver->hosts + hosts, sizeof(resolver->hosts) - hosts, "%s%s",
								   comma, job->host);
		addresses += (size_t) snprintf(resolver->addresses + addresses,
									   sizeof(resolver->addresses) - addresses, "%s%s", comma,
									   job->address[i]);
	}
}

AmResolveOutcome
am_resolve(AmResolver *resolver, const char *host, int64_t now_us)
{
	bool done;
	bool found;

	if (!am_resolve_is_name(host))
		return AM_RESOLVE_NOT_NEEDED;
	if (resolver->done_us != 0 && now_us - resolver->done_us < (int64_t) AM_RESOLVE_FRESH_MS * 1000)
		return AM_RESOLVE_READY;
	if (resolver->job == NULL)
	{
		resolver->job = job_start(host);
		return resolver->job == NULL ? AM_RESOLVE_FAILED : AM_RESOLVE_PENDING;
	}
	(void) pthread_mutex_lock(&resolver->job->mutex);
	done = resolver->job->done;
	found = done && resolver->job->address_count > 0;
	if (found)
		resolver_take(resolver, resolver->job);
	(void) pthread_mutex_unlock(&resolver->job->mutex);
	if (!done)
		return AM_RESOLVE_PENDING;
	job_release(resolver->job);
	resolver->job = NULL;
	resolver->done_us = found ? now_us : 0;
	return found ? AM_RESOLVE_READY : AM_RESOLVE_FAILED;
}

void
am_resolve_close(AmResolver *resolver)
{
	if (resolver->job != NULL)
		job_release(resolver->job);
	resolver->job = NULL;
}
