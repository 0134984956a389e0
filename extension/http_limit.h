/*
 * http_limit.h
 *
 * The rate limits of one request: the one that the API's contract gives by a setting, and the rows
 * of authmeter.rate_policy that fit.
 */
#ifndef AM_HTTP_LIMIT_H
#define AM_HTTP_LIMIT_H

#include "compat.h"

#include "utils/jsonb.h"

#include "rate_policy.h"
#include "ratelimit.h"

/* Whom a request is counted for, and against what. */
typedef struct AmLimitOrder
{
	const char *api;
	const char *route_group;
	const char *setting;    /* of type rate; NULL = none */
	AmLimitKey setting_key; /* what the setting counts by */
	const char *automatic;  /* the rate that auto of the setting stands for; NULL = off */
	const char *address;    /* of the client; NULL or malformed = the unknown bucket */
	const char *email;      /* NULL = not known: limits by e-mail are left out */
	const char *user;       /* the user's id as text; NULL likewise */
} AmLimitOrder;

typedef struct AmLimitAnswer
{
	int64 retry_after_s; /* 0 = go on */
	Jsonb *headers;      /* NULL when nothing is limited */
	amc_limit own;       /* the setting's limit; own.rate.count 0 = none */
	AmRateVerdict own_verdict;
} AmLimitAnswer;

/*
 * Counts one unit against every limit of the order if all of them have room, else against none:
 * looks at all first, then counts one after the other. Between the two somebody else may take the
 * last unit of one; then the ones before it have counted a request that is refused.
 *
 * Limits by address count when the order has a setting by address, or neither email nor user, so
 * that a second call for the same request, once its user is known, does not count it twice.
 */
extern void am_http_limit_take(const AmLimitOrder *order, AmLimitAnswer *answer);

#endif
