/*
 * api_key.h
 *
 * API keys: what a program shows to prove whose it is. A key belongs to a user or to a service, has
 * scopes, may expire, may be limited, and can be replaced by a new one that overlaps with it.
 */
#ifndef AM_API_KEY_H
#define AM_API_KEY_H

#include "compat.h"

/* The key as text: "am_", 8 hex digits that are shown in lists, "_", 43 base64url characters. */
#define AM_API_KEY_BYTES 55

typedef enum AmApiKeyOutcome
{
	AM_API_KEY_OK,
	AM_API_KEY_UNKNOWN, /* also malformed */
	AM_API_KEY_REVOKED,
	AM_API_KEY_EXPIRED,
	AM_API_KEY_USER_DISABLED,
	AM_API_KEY_SCOPE_MISSING,
	AM_API_KEY_RATE_LIMITED
} AmApiKeyOutcome;

/* Who a key stands for. Unknown: outcome alone is set. */
typedef struct AmApiKey
{
	AmApiKeyOutcome outcome;
	pg_uuid_t id;
	pg_uuid_t family_id; /* id of the first key of its chain of replacements: count under this */
	bool has_user;
	pg_uuid_t user_id;
	char *service;        /* NULL for the key of a user; palloc'd */
	Datum scopes;         /* text[], palloc'd */
	int64 remaining;      /* units left in the key's limit; INT64_MAX without one */
	int64 retry_after_ms; /* when rate limited; AMC_RATE_NEVER: cost above the burst */
} AmApiKey;

/*
 * Verifies a key (not NUL-terminated; NULL allowed) as of what is committed now, for a scope (NULL:
 * any), and counts cost units (0 peeks) against its own limit when everything else is good: what is
 * refused costs nothing. An accepted key's last use is written down at most once a minute, without
 * waiting for anybody; not in a read-only transaction, nor under REPEATABLE READ or above. The
 * calling SQL function must be SECURITY DEFINER. Raises AM_TRANSACTION_BLOCK for a key with a limit
 * when the library is not preloaded, see ratelimit.h.
 */
extern void am_api_key_verify(const char *key, Size key_bytes, const char *scope, int64 cost,
							  AmApiKey *found);

#endif
