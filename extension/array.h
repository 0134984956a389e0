/*
 * array.h
 *
 * Parallel arrays: the arguments of functions that take many items at once.
 */
#ifndef AM_ARRAY_H
#define AM_ARRAY_H

#include "compat.h"

#define AM_ARRAY_ITEMS_MAX 10000

typedef struct AmArray
{
	Datum *values;
	bool *nulls;
	int count;
} AmArray;

/* Argument n, which is not NULL. Raises AM_ARGUMENT_INVALID for more than one dimension. */
extern AmArray am_array_uuid(FunctionCallInfo fcinfo, int n);
extern AmArray am_array_text(FunctionCallInfo fcinfo, int n);
extern AmArray am_array_int64(FunctionCallInfo fcinfo, int n);

/*
 * The length of all of them. Raises AM_ARGUMENT_INVALID when they differ, AM_LIMIT_EXCEEDED above
 * AM_ARRAY_ITEMS_MAX; function is the name for the message.
 */
extern int am_array_same_length(const char *function, const AmArray *arrays, int count);

#endif
