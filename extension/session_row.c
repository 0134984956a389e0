/*
 * session_row.c
 *
 * Reading rows of authmeter.session. Always under the newest snapshot: a session that ended after
 * the caller's snapshot was taken must not be seen alive.
 */
#include "compat.h"

#include "session_row.h"
#include "spi.h"

static AmPlan state_plan = {
	"SELECT u.token_version, u.disabled_at, s.ended_at, s.good_version, s.spared_jti "
	"FROM authmeter.user u LEFT JOIN authmeter.session s ON s.user_id" AM_EQ "$1 AND s.id" AM_EQ
	"$2 WHERE u.id" AM_EQ "$1",
	2,
	{UUIDOID, UUIDOID},
	NULL};
static AmPlan read_plan = {
	"SELECT u.token_version, u.disabled_at, u.email, s.api, s.generation, s.refresh_hash, "
	"s.claims, s.token_version, s.good_version, s.replayable, s.rotated_at, s.parent_at, "
	"s.last_used_at, s.expires_at, s.ended_at "
	"FROM authmeter.user u LEFT JOIN authmeter.session s ON s.user_id" AM_EQ "$1 AND s.id" AM_EQ
	"$2 WHERE u.id" AM_EQ "$1",
	2,
	{UUIDOID, UUIDOID},
	NULL};

static bool
row_find(AmPlan *plan, const pg_uuid_t *user_id, const pg_uuid_t *session_id, AmUserState *user)
{
	Datum values[2] = {UUIDPGetDatum(user_id), UUIDPGetDatum(session_id)};

	if (am_spi_read_latest(plan, values, NULL, 1) != 1)
		return false;
	user->token_version = am_spi_int32(0, 1);
	user->disabled = !am_spi_null(0, 2);
	return true;
}

bool
am_session_state(const pg_uuid_t *user_id, const pg_uuid_t *session_id, AmUserState *user,
				 AmSessionState *session)
{
	bool found;

	memset(session, 0, sizeof(*session));
	am_spi_begin();
	found = row_find(&state_plan, user_id, session_id, user);
	if (found && !am_spi_null(0, 4))
	{
		session->found = true;
		session->ended = !am_spi_null(0, 3);
		session->good_version = am_spi_int32(0, 4);
		if (!am_spi_null(0, 5))
			strlcpy(session->spared_jti, am_spi_text(0, 5, NULL), sizeof(session->spared_jti));
	}
	am_spi_end();
	return found;
}

static void
hash_read(AmSession *session, int column)
{
	bytea *hash;

	session->closed = am_spi_null(0, column);
	if (session->closed)
		return;
	hash = am_spi_bytea(0, column, NULL);
	/* The table's check holds the length. */
	memcpy(session->refresh_hash, VARDATA(hash), AM_SHA256_BYTES);
}

static void
columns_read(AmSession *session, MemoryContext cxt)
{
	MemoryContext old;

	session->api = am_spi_text(0, 4, cxt);
	session->generation = am_spi_int64(0, 5);
	hash_read(session, 6);
	old = MemoryContextSwitchTo(cxt);
	session->claims = DatumGetJsonbPCopy(am_spi_datum(0, 7));
	MemoryContextSwitchTo(old);
	session->token_version = am_spi_int32(0, 8);
	session->good_version = am_spi_int32(0, 9);
	session->replayable = am_spi_bool(0, 10);
	session->rotated_at = am_spi_timestamptz(0, 11);
	session->parent_at = am_spi_null(0, 12) ? DT_NOBEGIN : am_spi_timestamptz(0, 12);
	session->last_used_at = am_spi_timestamptz(0, 13);
	session->expires_at = am_spi_timestamptz(0, 14);
	session->ended = !am_spi_null(0, 15);
}

void
am_session_read(const pg_uuid_t *user_id, const pg_uuid_t *session_id, AmSession *session)
{
	MemoryContext caller = CurrentMemoryContext;

	memset(session, 0, sizeof(*session));
	am_spi_begin();
	session->user_found = row_find(&read_plan, user_id, session_id, &session->user);
	if (session->user_found)
	{
		session->email = am_spi_text(0, 3, caller);
		session->found = !am_spi_null(0, 4);
		if (session->found)
			columns_read(session, caller);
	}
	am_spi_end();
}
