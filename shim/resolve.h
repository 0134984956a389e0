/*-------------------------------------------------------------------------
 *
 * resolve.h
 *	  The database host's addresses, looked up without stopping the loop.
 *
 * libpq resolves a host name inside PQconnectStart, and getaddrinfo() may wait
 * for seconds.  So a name is looked up by a short-lived thread first, and libpq
 * gets the addresses.  A Unix socket, a numeric address, a list of hosts or a
 * service file needs no look-up here (a list and a service file are left to
 * libpq).  A result is used for AM_RESOLVE_FRESH_MS, so that all connections of
 * one attempt share it and a moved host is found again.
 *
 * An AmResolver belongs to one loop.  Its thread works on an AmResolveJob of its
 * own, which whoever leaves last frees.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_RESOLVE_H
#define AM_SHIM_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>

#define AM_RESOLVE_FRESH_MS      2000
#define AM_RESOLVE_ADDRESSES_MAX 4
#define AM_RESOLVE_HOST_BYTES    256
#define AM_RESOLVE_ADDRESS_BYTES 46

typedef struct AmResolveJob AmResolveJob;

typedef struct AmResolver
{
	AmResolveJob *job; /* running, NULL = none */
	int64_t done_us;   /* when hosts and addresses were found; 0 = never */
	/* as libpq wants several addresses of one host: "h,h" and "192.0.2.1,2001:db8::1" */
	char hosts[AM_RESOLVE_ADDRESSES_MAX * AM_RESOLVE_HOST_BYTES];
	char addresses[AM_RESOLVE_ADDRESSES_MAX * AM_RESOLVE_ADDRESS_BYTES];
} AmResolver;

typedef enum AmResolveOutcome
{
	AM_RESOLVE_NOT_NEEDED,
	AM_RESOLVE_READY,   /* hosts and addresses are set */
	AM_RESOLVE_PENDING, /* ask again */
	AM_RESOLVE_FAILED
} AmResolveOutcome;

/* True for a single host that is neither a path, an abstract socket, nor a number. */
extern bool am_resolve_is_name(const char *host);

/* The addresses of host (NULL = none given) at now_us, CLOCK_MONOTONIC. */
extern AmResolveOutcome am_resolve(AmResolver *resolver, const char *host, int64_t now_us);

/* Leaves a running look-up to itself. */
extern void am_resolve_close(AmResolver *resolver);

#endif /* AM_SHIM_RESOLVE_H */
