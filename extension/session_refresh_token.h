/*
 * session_refresh_token.h
 *
 * The refresh token of a session, a function of the session's row and the master key.
 */
#ifndef AM_SESSION_REFRESH_TOKEN_H
#define AM_SESSION_REFRESH_TOKEN_H

#include "compat.h"

#include "core/span.h"
#include "session_row.h"

#define AM_SESSION_GENERATION_MAX ((INT64CONST(1) << 48) - 1)

/*
 * The token of session->generation: claims, token_version, rotated_at and expires_at are the row's.
 * Equal rows make equal tokens as long as the newest master key and the signing key of the ring
 * stay. palloc'd.
 */
extern char *am_session_refresh_token(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
									  const AmSession *session);

/*
 * The generation of a token that we issued for this session, from its jti; -1 when we did not, even
 * if the token's signature is good. *proven is false when the master key of then is gone: the
 * generation is then only what the token says.
 */
extern int64 am_session_generation(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
								   amc_span jti, bool *proven);

#endif
