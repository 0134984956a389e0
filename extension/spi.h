/*
 * spi.h
 *
 * All table access of the extension: kept plans and typed getters. Statements name every table
 * and every operator with its schema, so that no search_path matters: write AM_EQ and its friends,
 * never a bare operator.
 */
#ifndef AM_SPI_H
#define AM_SPI_H

#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"

#define AM_EQ    " OPERATOR(pg_catalog.=) "
#define AM_NE    " OPERATOR(pg_catalog.<>) "
#define AM_LT    " OPERATOR(pg_catalog.<) "
#define AM_LE    " OPERATOR(pg_catalog.<=) "
#define AM_GT    " OPERATOR(pg_catalog.>) "
#define AM_GE    " OPERATOR(pg_catalog.>=) "
#define AM_PLUS  " OPERATOR(pg_catalog.+) "
#define AM_MINUS " OPERATOR(pg_catalog.-) "

#define AM_SPI_ARGS_MAX 16

/* One statement, prepared at its first use and kept for the backend's life. Declare it static. */
typedef struct AmPlan
{
	const char *sql;
	int nargs;
	Oid argtypes[AM_SPI_ARGS_MAX];
	SPIPlanPtr plan; /* NULL until prepared */
} AmPlan;

/* Connects; everything palloc'd until am_spi_end is freed by it. Nesting is allowed. */
extern void am_spi_begin(void);
extern void am_spi_end(void);

/*
 * Runs a plan between begin and end, at most max_rows rows (0 = all), and returns the number of
 * rows processed or returned. nulls is NULL or one character a parameter ('n' = NULL). Raises
 * AM_NOT_INSTALLED when the extension's tables are gone.
 */
extern uint64 am_spi_run(AmPlan *plan, Datum *values, const char *nulls, int max_rows);

/* The same, read-only. Sees this transaction's snapshot, so use it only for reading in one call. */
extern uint64 am_spi_read(AmPlan *plan, Datum *values, const char *nulls, int max_rows);

/* Reads under the newest snapshot whatever the isolation level: what is committed now. */
extern uint64 am_spi_read_latest(AmPlan *plan, Datum *values, const char *nulls, int max_rows);

/*
 * Writes under the newest snapshot, as a cascading foreign key does: a row that the transaction's
 * own snapshot could not have seen raises a serialization failure instead of being missed.
 */
extern uint64 am_spi_run_newest(AmPlan *plan, Datum *values, const char *nulls);

/* Getters of the last result: row from 0, column from 1. All but am_spi_null raise on NULL. */
extern bool am_spi_null(uint64 row, int column);
extern Datum am_spi_datum(uint64 row, int column);
extern int64 am_spi_int64(uint64 row, int column);
extern int32 am_spi_int32(uint64 row, int column);
extern bool am_spi_bool(uint64 row, int column);
extern TimestampTz am_spi_timestamptz(uint64 row, int column);

/* A bytea argument of len bytes, in the current context. */
extern bytea *am_bytea_new(const void *bytes, Size len);

/* Copies into cxt (NULL = the current context): NUL-terminated text, bytea, uuid. */
extern char *am_spi_text(uint64 row, int column, MemoryContext cxt);
extern bytea *am_spi_bytea(uint64 row, int column, MemoryContext cxt);
extern pg_uuid_t am_spi_uuid(uint64 row, int column);

#endif
