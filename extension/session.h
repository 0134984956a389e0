/*
 * session.h
 *
 * Login sessions: one row a session, one refresh token at a time, and how they end.
 */
#ifndef AM_SESSION_H
#define AM_SESSION_H

#include "compat.h"

#include "utils/jsonb.h"

#define AM_SESSION_DEVICE_BYTES_MAX 255 /* a longer one is cut */
#define AM_SESSION_REASON_BYTES_MAX 40
#define AM_SESSION_GRACE_US_MAX     USECS_PER_DAY
#define AM_SESSION_PURGE_ROWS_MAX   100000
/* How long the row of a session that expired or ended is kept, so that its end can be seen. */
#define AM_SESSION_KEEP_US USECS_PER_DAY

/* What an older refresh token does to its session beyond being refused. */
typedef enum AmSessionReuse
{
	AM_SESSION_REUSE_END,   /* the session ends, its access tokens with it */
	AM_SESSION_REUSE_CLOSE, /* no refresh token is good any more; access tokens live on */
	AM_SESSION_REUSE_REFUSE /* nothing */
} AmSessionReuse;

/* How a call about one session ended. */
typedef struct AmSessionResult
{
	bool ok;
	const char *reason; /* ok, replayed, or why not; for logs only; a static string */
	bool user_known;
	pg_uuid_t user_id;
	bool session_known;
	pg_uuid_t session_id;
	char *access_token; /* palloc'd; NULL = none */
	char *refresh_token;
	bool replayed;
} AmSessionResult;

/* Who calls, for the audit trail and for the list of sessions; NULL = not known. */
typedef struct AmSessionCaller
{
	const char *address;
	const char *request_id;
} AmSessionCaller;

typedef struct AmSessionLifetimes
{
	int64 access_s; /* both 1 or more; no access token outlives its session */
	int64 refresh_s;
} AmSessionLifetimes;

typedef struct AmSessionStart
{
	const pg_uuid_t *user_id;
	const char *api;
	Jsonb *claims;      /* an object of further claims of both tokens */
	const char *device; /* NULL = not known */
	AmSessionLifetimes lifetimes;
	AmSessionCaller caller;
	bool single; /* closes every other session of the user and API */
} AmSessionStart;

typedef struct AmSessionRefresh
{
	const char *token;
	Size token_bytes;
	const char *api;
	AmSessionLifetimes lifetimes;
	int64 grace_us; /* 0 to AM_SESSION_GRACE_US_MAX, as tolerance_us */
	int64 tolerance_us;
	AmSessionReuse reuse;
	AmSessionCaller caller;
} AmSessionRefresh;

/*
 * Starts a session. Locks the user's row FOR SHARE until the transaction ends, so that a password
 * change or disabling either comes first and is seen, or waits and ends this session too; who is to
 * write that row in the same transaction locks it before (FOR NO KEY UPDATE), or two such callers
 * wait for each other. Reasons of refusal: user_unknown, user_disabled. Raises what am_token_issue
 * raises. Audited.
 */
extern void am_session_start(const AmSessionStart *order, AmSessionResult *result);

/*
 * Exchanges a refresh token. Reasons: ok, replayed; invalid, expired, session_unknown,
 * session_ended, session_closed, reused, superseded, user_unknown, user_disabled, revoked. Refusals
 * and replays are audited, ordinary exchanges are not. Raises a serialization failure when the
 * caller's snapshot is older than the session's row.
 */
extern void am_session_refresh(const AmSessionRefresh *order, AmSessionResult *result);

/* Is this the current refresh token of a live session? Same reasons, no tokens, nothing rotates. */
extern void am_session_check(const char *token, Size token_bytes, const char *api,
							 AmSessionResult *result);

/*
 * New tokens for a session whose user has just proved itself in another way; the former refresh
 * token is not replayable. Reasons as those of am_session_refresh that name user or session.
 */
extern void am_session_renew(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
							 const AmSessionLifetimes *lifetimes, AmSessionResult *result);

/*
 * Ends one session, or all of a user but one (except NULL = all) and returns how many. Newest rows
 * whatever the isolation level. The caller holds the user's row when sessions may be starting.
 */
extern bool am_session_end(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
						   const char *reason);
extern int64 am_session_end_all(const pg_uuid_t *user_id, const pg_uuid_t *except,
								const char *reason);

/*
 * Makes a session that has not ended good for a raised token version of its user; its access tokens
 * are not. False when there is none.
 */
extern bool am_session_keep(const pg_uuid_t *user_id, const pg_uuid_t *session_id, int32 version);

/*
 * Removes up to limit (1 to AM_SESSION_PURGE_ROWS_MAX) rows of sessions that expired or ended
 * AM_SESSION_KEEP_US ago or earlier, skipping locked ones; returns how many.
 */
extern int64 am_session_purge(int64 limit);

#endif
