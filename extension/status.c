/*
 * status.c
 *
 * authmeter.status(): what is active, what is degraded, and why. One row a component; each is a
 * function of its own that fills in state, detail and hint.
 */
#include "compat.h"

#include "mb/pg_wchar.h"

#include "clock.h"
#include "guc.h"
#include "housekeeping.h"
#include "master_key.h"
#include "setting.h"
#include "shmem.h"
#include "spi.h"
#include "version.h"

/* No round for so long, or for three intervals, is a fault. */
#define HOUSEKEEPING_LATE_S INT64CONST(3600)

PG_FUNCTION_INFO_V1(authmeter_status);

typedef struct StatusRow
{
	const char *state; /* ok | degraded */
	const char *detail;
	const char *hint; /* NULL = nothing to do */
} StatusRow;

static StatusRow
row_ok(const char *detail)
{
	return (StatusRow){"ok", detail, NULL};
}

static StatusRow
row_degraded(const char *detail, const char *hint)
{
	return (StatusRow){"degraded", detail, hint};
}

static AmPlan version_plan = {"SELECT extversion FROM pg_catalog.pg_extension WHERE extname" AM_EQ
							  "'authmeter'",
							  0,
							  {0},
							  NULL};
/* clang-format off */
static AmPlan rings_plan = {
	"SELECT pg_catalog.string_agg(DISTINCT ring, ', ') FROM authmeter.signing_key "
	"WHERE NOT verify_only AND activates_at" AM_LE "$1 AND (retires_at IS NULL OR retires_at" AM_GT "$1)",
	1, {TIMESTAMPTZOID}, NULL};
/* clang-format on */

static StatusRow
status_version(void)
{
	const char *installed = "none";

	if (am_spi_read(&version_plan, NULL, NULL, 1) == 1)
		installed = am_spi_text(0, 1, NULL);
	if (strcmp(installed, AM_VERSION) == 0)
		return row_ok(psprintf("%s on PostgreSQL %s", installed, PG_VERSION));
	return row_degraded(psprintf("SQL %s, library %s", installed, AM_VERSION),
						"Run ALTER EXTENSION authmeter UPDATE.");
}

static StatusRow
status_preload(void)
{
	if (am_shmem_available())
		return row_ok(psprintf("%d rate-limit slots in shared memory", am_guc_rate_slots));
	return row_degraded("not preloaded: rate limits and guess counters are kept in tables, and "
						"guesses are refused inside a transaction block",
						"Add authmeter to shared_preload_libraries and restart the server.");
}

static StatusRow
status_master_key(void)
{
	const char *problem = am_master_key_problem();

	if (problem == NULL)
		return row_ok(psprintf("version %u seals", am_master_key_newest()));
	return row_degraded(psprintf("%s: nothing sealed can be made or opened", problem),
						"Set authmeter.master_key_file to a file of mode 0600 that the server's "
						"account owns.");
}

static StatusRow
status_signing_keys(void)
{
	Datum now = TimestampTzGetDatum(am_clock_now());

	if (am_spi_read(&rings_plan, &now, NULL, 1) == 1 && !am_spi_null(0, 1))
		return row_ok(psprintf("active in rings: %s", am_spi_text(0, 1, NULL)));
	return row_degraded("no active signing key: no token can be issued",
						"Use authmeter.key_import or authmeter.key_generate.");
}

static StatusRow
status_encoding(void)
{
	if (GetDatabaseEncoding() == PG_UTF8)
		return row_ok("UTF8");
	return row_degraded(psprintf("%s: tokens, passwords and addresses beyond ASCII are refused",
								 GetDatabaseEncodingName()),
						"Use a database with the encoding UTF8.");
}

static StatusRow
status_clock(void)
{
	if (am_guc_clock_offset_s == 0.0)
		return row_ok("real time");
	return row_degraded(psprintf("shifted by %.3f s", am_guc_clock_offset_s),
						"Reset authmeter.clock_offset_s; it is for tests.");
}

static StatusRow
status_environment(void)
{
	if (!am_setting_development())
		return row_ok("production");
	return row_degraded("development: policies left at auto behave as documented, not strict",
						"Use authmeter.setting_set('authmeter.environment', 'production').");
}

static StatusRow
status_housekeeping(void)
{
	bool worker = am_shmem_available() && am_guc_housekeeping_interval_s > 0;
	int64 late_s = Max(HOUSEKEEPING_LATE_S, 3 * (int64) am_guc_housekeeping_interval_s);
	char *problem;
	TimestampTz at = am_housekeeping_last(&problem);
	const char *last =
		at == 0 ? "no round yet" : psprintf("last round at %s", timestamptz_to_str(at));

	if (problem != NULL)
		return row_degraded(psprintf("%s: %s", last, problem),
							"See authmeter.housekeeping_list() and the server's log.");
	if (at == 0 ? !worker : (am_clock_now() - at) / USECS_PER_SEC > late_s)
		return row_degraded(last, "Call authmeter.housekeeping() from a scheduler, or preload the "
								  "library with authmeter.housekeeping_interval_s above 0.");
	return row_ok(last);
}

static const struct
{
	const char *component;
	StatusRow (*row)(void);
} components[] = {
	{"version", status_version},         {"preload", status_preload},
	{"master_key", status_master_key},   {"signing_keys", status_signing_keys},
	{"encoding", status_encoding},       {"clock", status_clock},
	{"environment", status_environment}, {"housekeeping", status_housekeeping},
};

/* authmeter.status() returns one row a component. */
Datum
authmeter_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int i;

	am_compat_srf_begin(fcinfo);
	am_spi_begin();
	for (i = 0; i < (int) lengthof(components); i++)
	{
		StatusRow row = components[i].row();
		bool nulls[4] = {false, false, false, row.hint == NULL};
		Datum values[4];

		values[0] = CStringGetTextDatum(components[i].component);
		values[1] = CStringGetTextDatum(row.state);
		values[2] = CStringGetTextDatum(row.detail);
		values[3] = nulls[3] ? (Datum) 0 : CStringGetTextDatum(row.hint);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	am_spi_end();
	return (Datum) 0;
}
