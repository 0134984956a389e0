/*
 * session_row.h
 *
 * Reading rows of authmeter.session beside the user they belong to, as they are committed now.
 */
#ifndef AM_SESSION_ROW_H
#define AM_SESSION_ROW_H

#include "compat.h"

#include "utils/jsonb.h"

#include "crypto/hash.h"
#include "user.h"

#define AM_SESSION_JTI_BYTES_MAX 64 /* of an access token that is to be spared */

/* What the verification of an access token asks of a session. */
typedef struct AmSessionState
{
	bool found;
	bool ended;
	int32 good_version; /* the user's token version that the session is good for */
	char spared_jti[AM_SESSION_JTI_BYTES_MAX + 1]; /* empty = none */
} AmSessionState;

/* A session with its user; the members from api on count when found. Pointers are palloc'd. */
typedef struct AmSession
{
	bool user_found;
	AmUserState user;
	char *email;

	bool found;
	char *api;
	int64 generation;
	bool closed; /* no refresh token is good */
	uint8 refresh_hash[AM_SHA256_BYTES];
	Jsonb *claims;
	int32 token_version;
	int32 good_version;
	bool replayable;
	TimestampTz rotated_at;
	TimestampTz parent_at; /* DT_NOBEGIN before the first rotation */
	TimestampTz last_used_at;
	TimestampTz expires_at;
	bool ended;
} AmSession;

/* False when the user does not exist; then session is not set. */
extern bool am_session_state(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
							 AmUserState *user, AmSessionState *session);

/* The same with all columns; always sets session. */
extern void am_session_read(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
							AmSession *session);

#endif
