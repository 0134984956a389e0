/*
 * row.h
 *
 * Results of SQL functions that return one row.
 */
#ifndef AM_ROW_H
#define AM_ROW_H

#include "compat.h"

/*
 * The row a function returns, from one value and one null flag a column. The descriptor is found
 * once a call site and kept in fn_extra, so a function that calls this has no other use for that.
 */
extern Datum am_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

#endif
