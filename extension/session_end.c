/*
 * session_end.c
 *
 * How sessions end, and what is left of them. Ending sees the newest rows whatever the isolation
 * level; a row that the transaction's own snapshot could not have seen raises a serialization
 * failure instead of being left alive.
 */
#include "compat.h"

#include "clock.h"
#include "session.h"
#include "spi.h"

#define END_SET                                                                          \
	"UPDATE authmeter.session SET ended_at = $3, end_reason = $4, refresh_hash = NULL, " \
	"expires_at = LEAST(expires_at, $3) WHERE user_id" AM_EQ "$1 AND ended_at IS NULL "

static AmPlan end_plan = {
	END_SET "AND id" AM_EQ "$2", 4, {UUIDOID, UUIDOID, TIMESTAMPTZOID, TEXTOID}, NULL};
static AmPlan end_all_plan = {END_SET "AND ($2 IS NULL OR id" AM_NE "$2)",
							  4,
							  {UUIDOID, UUIDOID, TIMESTAMPTZOID, TEXTOID},
							  NULL};
static AmPlan keep_plan = {
	"UPDATE authmeter.session SET good_version = $3, spared_jti = NULL WHERE user_id" AM_EQ
	"$1 AND id" AM_EQ "$2 AND ended_at IS NULL",
	3,
	{UUIDOID, UUIDOID, INT4OID},
	NULL};
static AmPlan purge_plan = {
	"DELETE FROM authmeter.session d USING (SELECT s.user_id, s.id FROM authmeter.session s "
	"WHERE s.expires_at" AM_LE "$1 ORDER BY s.expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) old "
	"WHERE d.user_id" AM_EQ "old.user_id AND d.id" AM_EQ "old.id",
	2,
	{TIMESTAMPTZOID, INT8OID},
	NULL};

static uint64
sessions_end(AmPlan *plan, const pg_uuid_t *user_id, const pg_uuid_t *session_id,
			 const char *reason)
{
	Datum values[4] = {UUIDPGetDatum(user_id)};
	const char *nulls = session_id != NULL ? "    " : " n  ";
	uint64 count;

	if (session_id != NULL)
		values[1] = UUIDPGetDatum(session_id);
	values[2] = TimestampTzGetDatum(am_clock_now());
	values[3] = CStringGetTextDatum(reason);
	am_spi_begin();
	count = am_spi_run_newest(plan, values, nulls);
	am_spi_end();
	return count;
}

bool
am_session_end(const pg_uuid_t *user_id, const pg_uuid_t *session_id, const char *reason)
{
	return sessions_end(&end_plan, user_id, session_id, reason) == 1;
}

int64
am_session_end_all(const pg_uuid_t *user_id, const pg_uuid_t *except, const char *reason)
{
	return (int64) sessions_end(&end_all_plan, user_id, except, reason);
}

bool
am_session_keep(const pg_uuid_t *user_id, const pg_uuid_t *session_id, int32 version)
{
	Datum values[3] = {UUIDPGetDatum(user_id), UUIDPGetDatum(session_id), Int32GetDatum(version)};
	bool kept;

	am_spi_begin();
	kept = am_spi_run_newest(&keep_plan, values, NULL) == 1;
	am_spi_end();
	return kept;
}

int64
am_session_purge(int64 limit)
{
	Datum values[2] = {TimestampTzGetDatum(am_clock_now() - AM_SESSION_KEEP_US),
					   Int64GetDatum(limit)};
	uint64 count;

	am_spi_begin();
	count = am_spi_run(&purge_plan, values, NULL, 0);
	am_spi_end();
	return (int64) count;
}
