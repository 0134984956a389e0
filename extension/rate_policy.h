/*
 * rate_policy.h
 *
 * Rate limits that an administrator adds at run time: rows of authmeter.rate_policy, each for a
 * group of routes and one kind of key.
 */
#ifndef AM_RATE_POLICY_H
#define AM_RATE_POLICY_H

#include "compat.h"

#include "core/gcra.h"

/* AM_LIMIT_KEYS(X) calls X(NAME, text): what a limit counts by. */
#define AM_LIMIT_KEYS(X) X(ADDRESS, "address") X(EMAIL, "email") X(USER, "user")

typedef enum AmLimitKey
{
#define X(name, text) AM_LIMIT_KEY_##name,
	AM_LIMIT_KEYS(X)
#undef X
	AM_LIMIT_KEY_COUNT
} AmLimitKey;

typedef struct AmRatePolicy
{
	const char *name;
	const char *counter; /* the name it counts under: no setting's, no caller's by accident */
	const char *api;     /* or * */
	const char *route_group;
	AmLimitKey key;
	amc_limit limit;
} AmRatePolicy;

/*
 * All policies in the order of their names, from the backend's copy (see cache.h); *count is their
 * number. What is returned dies at the next call.
 */
extern const AmRatePolicy *am_rate_policies(int *count);

/* Is the policy one for this group of routes of this API? */
extern bool am_rate_policy_covers(const AmRatePolicy *policy, const char *api,
								  const char *route_group);

/* The key of that name, or AM_LIMIT_KEY_COUNT. */
extern AmLimitKey am_limit_key_lookup(const char *name);

#endif
