/*
 * spi.c
 *
 * Kept plans over SPI. A plan is prepared once a backend; PostgreSQL replans it after DDL. The
 * static pointer is set only after SPI_keepplan succeeded, so an ERROR in between leaves nothing
 * half made.
 */
#include "compat.h"

#include "access/xact.h"
#include "utils/snapmgr.h"

#include "spi.h"

void
am_spi_begin(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not connect to SPI"));
}

void
am_spi_end(void)
{
	if (SPI_finish() != SPI_OK_FINISH)
		ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not disconnect from SPI"));
}

static void
plan_prepare(AmPlan *plan)
{
	SPIPlanPtr prepared;

	if (plan->plan != NULL)
		return;
	prepared = SPI_prepare(plan->sql, plan->nargs, plan->argtypes);
	if (prepared == NULL || SPI_keepplan(prepared) != 0)
		ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR),
				errmsg("could not prepare a statement of authmeter: %s",
					   SPI_result_code_string(SPI_result)));
	plan->plan = prepared;
}

static uint64
run_result(int code)
{
	if (code < 0)
		ereport(
			ERROR, errcode(ERRCODE_INTERNAL_ERROR),
			errmsg("could not execute a statement of authmeter: %s", SPI_result_code_string(code)));
	return SPI_processed;
}

uint64
am_spi_run(AmPlan *plan, Datum *values, const char *nulls, int max_rows)
{
	plan_prepare(plan);
	return run_result(SPI_execute_plan(plan->plan, values, nulls, false, max_rows));
}

uint64
am_spi_read(AmPlan *plan, Datum *values, const char *nulls, int max_rows)
{
	plan_prepare(plan);
	return run_result(SPI_execute_plan(plan->plan, values, nulls, true, max_rows));
}

uint64
am_spi_read_latest(AmPlan *plan, Datum *values, const char *nulls, int max_rows)
{
	int code;

	plan_prepare(plan);
	code = SPI_execute_snapshot(plan->plan, values, nulls, GetLatestSnapshot(), InvalidSnapshot,
								true, false, max_rows);
	return run_result(code);
}

uint64
am_spi_run_newest(AmPlan *plan, Datum *values, const char *nulls)
{
	Snapshot newest = InvalidSnapshot;
	Snapshot crosscheck = InvalidSnapshot;

	plan_prepare(plan);
	if (IsolationUsesXactSnapshot())
	{
		CommandCounterIncrement();
		newest = GetLatestSnapshot();
		crosscheck = GetTransactionSnapshot();
	}
	return run_result(
		SPI_execute_snapshot(plan->plan, values, nulls, newest, crosscheck, false, true, 0));
}

static Datum
datum_get(uint64 row, int column, bool *isnull)
{
	if (SPI_tuptable == NULL || row >= SPI_tuptable->numvals)
		ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR),
				errmsg("a statement of authmeter returned too few rows"));
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

bool
am_spi_null(uint64 row, int column)
{
	bool isnull;

	datum_get(row, column, &isnull);
	return isnull;
}

Datum
am_spi_datum(uint64 row, int column)
{
	bool isnull;
	Datum value = datum_get(row, column, &isnull);

	if (isnull)
		ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("a statement of authmeter returned an unexpected null"));
	return value;
}

int64
am_spi_int64(uint64 row, int column)
{
	return DatumGetInt64(am_spi_datum(row, column));
}

int32
am_spi_int32(uint64 row, int column)
{
	return DatumGetInt32(am_spi_datum(row, column));
}

bool
am_spi_bool(uint64 row, int column)
{
	return DatumGetBool(am_spi_datum(row, column));
}

TimestampTz
am_spi_timestamptz(uint64 row, int column)
{
	return DatumGetTimestampTz(am_spi_datum(row, column));
}

char *
am_spi_text(uint64 row, int column, MemoryContext cxt)
{
	text *value = DatumGetTextPP(am_spi_datum(row, column));
	Size len = VARSIZE_ANY_EXHDR(value);
	char *copy = MemoryContextAlloc(cxt != NULL ? cxt : CurrentMemoryContext, len + 1);

	memcpy(copy, VARDATA_ANY(value), len);
	copy[len] = '\0';
	return copy;
}

bytea *
am_spi_bytea(uint64 row, int column, MemoryContext cxt)
{
	bytea *value = DatumGetByteaPP(am_spi_datum(row, column));
	Size len = VARSIZE_ANY_EXHDR(value);
	bytea *copy = MemoryContextAlloc(cxt != NULL ? cxt : CurrentMemoryContext, len + VARHDRSZ);

	SET_VARSIZE(copy, len + VARHDRSZ);
	memcpy(VARDATA(copy), VARDATA_ANY(value), len);
	return copy;
}

pg_uuid_t
am_spi_uuid(uint64 row, int column)
{
	return *DatumGetUUIDP(am_spi_datum(row, column));
}

bytea *
am_bytea_new(const void *bytes, Size len)
{
	bytea *value = palloc(VARHDRSZ + len);

	SET_VARSIZE(value, VARHDRSZ + len);
	memcpy(VARDATA(value), bytes, len);
	return value;
}
