/*
 * user.h
 *
 * The user pool: one row a person in authmeter.user, found by id or by canonical e-mail address.
 */
#ifndef AM_USER_H
#define AM_USER_H

#include "compat.h"

#include "core/email.h"

#define AM_USER_NAME_CHARACTERS_MAX 255

/* What every statement that honours or mints a token must look at. */
typedef struct AmUserState
{
	int32 token_version; /* tokens of a lower version are revoked */
	bool disabled;
} AmUserState;

/*
 * Reads the state as it is committed now, whatever snapshot the caller's transaction has, so that a
 * revocation holds from its commit on. False when the user does not exist.
 */
extern bool am_user_state(const pg_uuid_t *id, AmUserState *state);

/* The same with the canonical e-mail address, palloc'd. */
extern bool am_user_state_email(const pg_uuid_t *id, AmUserState *state, char **email);

/*
 * Canonical form of an address in an argument, palloc'd, or NULL when it is none (contract I1).
 * Raises only when memory is short.
 */
extern char *am_user_email(Datum argument);

/*
 * Locks the row of the user with this canonical address, if there is one, until the transaction
 * ends. Who will change a user on the strength of a code or token takes this lock before that of
 * the code's row: a password change takes them in the same order.
 */
extern void am_user_lock_address(const char *email);

/* A value of type authmeter.user_result; id NULL = no user. */
extern Datum am_user_result(FunctionCallInfo fcinfo, const char *outcome, const pg_uuid_t *id);

#endif
