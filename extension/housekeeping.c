/*
 * housekeeping.c
 *
 * The tasks of housekeeping, and authmeter.housekeeping() for any scheduler.
 *
 * A task works on a bounded number of rows, takes rows that nobody else has locked, and is safe to
 * run anywhere at any time, several at once too. Each runs in a subtransaction of its own: one that
 * fails does not keep the others from running. How a task went last stands in
 * authmeter.housekeeping_state, for status() and housekeeping_list().
 */
#include "compat.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "audit_chain.h"
#include "clock.h"
#include "housekeeping.h"
#include "idempotency.h"
#include "ledger_book.h"
#include "mail.h"
#include "master_key.h"
#include "one_time_token.h"
#include "otp.h"
#include "ratelimit.h"
#include "registration.h"
#include "session.h"
#include "spi.h"
#include "totp.h"

PG_FUNCTION_INFO_V1(authmeter_housekeeping);
PG_FUNCTION_INFO_V1(authmeter_housekeeping_list);

/* Without a master key there is no chain; status() tells. */
static int64
audit_chain_run(int64 rows_max)
{
	return am_master_key_problem() == NULL ? am_audit_chain_extend(rows_max, false) : 0;
}

static int64
audit_run(int64 rows_max)
{
	return am_master_key_problem() == NULL ? am_audit_purge(rows_max, false) : 0;
}

static int64
mail_run(int64 rows_max)
{
	return (int64) am_mail_purge(rows_max);
}

static int64
one_time_token_run(int64 rows_max)
{
	return am_one_time_token_purge(am_clock_now(), rows_max);
}

static int64
otp_run(int64 rows_max)
{
	return am_otp_purge(am_clock_now(), rows_max);
}

static int64
registration_run(int64 rows_max)
{
	return am_registration_purge(am_clock_now(), rows_max);
}

static int64
totp_run(int64 rows_max)
{
	return am_totp_purge(am_clock_now(), rows_max);
}

static const struct
{
	const char *name;
	int64 (*run)(int64 rows_max);
	const char *purpose;
} tasks[] = {
	{"audit_chain", audit_chain_run, "Chains audit events that have been committed."},
	{"audit", audit_run, "Removes audit events of months past authmeter.audit_retention_months."},
	{"session", am_session_purge, "Removes sessions a day after they expired or ended."},
	{"otp", otp_run, "Removes expired one-time codes."},
	{"one_time_token", one_time_token_run, "Removes expired one-time tokens."},
	{"registration", registration_run, "Removes registrations that were not confirmed in time."},
	{"totp", totp_run, "Removes enrolments of a second factor that were not confirmed in time."},
	{"mail", mail_run, "Closes mails that expired unsent, and removes those that are over."},
	{"rate_window", am_ratelimit_purge, "Removes counters of rate limits whose time is over."},
	{"ledger", am_ledger_settle, "Books grants and holds that ended, and grants that began."},
	{"idempotency", am_idempotency_purge,
	 "Removes idempotency keys past authmeter.idempotency_retention."},
};

static AmPlan record_plan = {
	"INSERT INTO authmeter.housekeeping_state AS s (task, ran_at, rows, problem) "
	"VALUES ($1, $2, $3, $4) ON CONFLICT (task) DO UPDATE "
	"SET ran_at = EXCLUDED.ran_at, rows = EXCLUDED.rows, problem = EXCLUDED.problem",
	4,
	{TEXTOID, TIMESTAMPTZOID, INT8OID, TEXTOID},
	NULL};
static AmPlan state_plan = {"SELECT ran_at, rows, problem FROM authmeter.housekeeping_state "
							"WHERE task" AM_EQ "$1",
							1,
							{TEXTOID},
							NULL};
static AmPlan last_plan = {"SELECT pg_catalog.max(ran_at), pg_catalog.max(task || ': ' || problem) "
						   "FROM authmeter.housekeeping_state",
						   0,
						   {0},
						   NULL};

int
am_housekeeping_tasks(void)
{
	return (int) lengthof(tasks);
}

/* These end the statement, or the backend, whatever it is doing. */
static bool
ends_statement(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_QUERY_CANCELED || sqlerrcode == ERRCODE_OUT_OF_MEMORY;
}

/* The rows worked on; or -1, and *problem. */
static int64
task_try(int task, int64 rows_max, const char **problem)
{
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile int64 rows = -1;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(cxt);
	PG_TRY();
	{
		rows = tasks[task].run(rows_max);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (ends_statement(error->sqlerrcode))
			ReThrowError(error);
		rows = -1;
		*problem = psprintf("%s (%s)", error->message, unpack_sql_state(error->sqlerrcode));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
	CurrentResourceOwner = owner;
	return rows;
}

static void
record(const AmHousekeeping *result)
{
	Datum values[4] = {CStringGetTextDatum(result->task), TimestampTzGetDatum(am_clock_now()),
					   Int64GetDatum(result->rows), (Datum) 0};

	if (result->problem != NULL)
		values[3] = CStringGetTextDatum(result->problem);
	am_spi_begin();
	am_spi_run(&record_plan, values, result->problem == NULL ? "   n" : NULL, 0);
	am_spi_end();
}

AmHousekeeping
am_housekeeping_run(int task, int64 rows_max)
{
	AmHousekeeping result = {.task = tasks[task].name};

	result.rows = task_try(task, rows_max, &result.problem);
	result.more = result.rows >= rows_max;
	if (result.rows < 0)
		result.rows = 0;
	record(&result);
	return result;
}

TimestampTz
am_housekeeping_last(char **problem)
{
	TimestampTz at;

	*problem = NULL;
	am_spi_read(&last_plan, NULL, NULL, 1);
	if (am_spi_null(0, 1))
		return 0;
	at = am_spi_timestamptz(0, 1);
	if (!am_spi_null(0, 2))
		*problem = am_spi_text(0, 2, NULL);
	return at;
}

static int64
rows_argument(FunctionCallInfo fcinfo, int number)
{
	if (PG_ARGISNULL(number) || PG_GETARG_INT32(number) < 1 ||
		PG_GETARG_INT32(number) > AM_HOUSEKEEPING_ROWS_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
				errmsg("number of rows for a task of housekeeping is out of range"),
				errhint("Give 1 to %d rows, and call again while a task says more.",
						AM_HOUSEKEEPING_ROWS_MAX));
	return PG_GETARG_INT32(number);
}

/* authmeter.housekeeping(rows_max) returns one row a task. */
Datum
authmeter_housekeeping(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int64 rows_max = rows_argument(fcinfo, 0);
	int i;

	am_compat_srf_begin(fcinfo);
	for (i = 0; i < am_housekeeping_tasks(); i++)
	{
		AmHousekeeping result = am_housekeeping_run(i, rows_max);
		Datum values[4] = {CStringGetTextDatum(result.task), Int64GetDatum(result.rows),
						   BoolGetDatum(result.more), (Datum) 0};
		bool nulls[4] = {false, false, false, result.problem == NULL};

		if (result.problem != NULL)
			values[3] = CStringGetTextDatum(result.problem);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* authmeter.housekeeping_list() returns one row a task: what it is for, and how it went last. */
Datum
authmeter_housekeeping_list(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int column;
	int i;

	am_compat_srf_begin(fcinfo);
	am_spi_begin();
	for (i = 0; i < am_housekeeping_tasks(); i++)
	{
		bool nulls[5] = {false, false, true, true, true};
		Datum values[5] = {CStringGetTextDatum(tasks[i].name),
						   CStringGetTextDatum(tasks[i].purpose)};

		if (am_spi_read(&state_plan, values, NULL, 1) == 1)
			for (column = 1; column <= 3; column++)
			{
				nulls[column + 1] = am_spi_null(0, column);
				if (!nulls[column + 1])
					values[column + 1] = am_spi_datum(0, column);
			}
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	am_spi_end();
	return (Datum) 0;
}
