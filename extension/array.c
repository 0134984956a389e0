/*
 * array.c
 *
 * Parallel arrays: the arguments of functions that take many items at once.
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

#include "array.h"

static AmArray
array_read(FunctionCallInfo fcinfo, int n, Oid type, int16 len, bool byval, char align)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(n);
	AmArray read;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("arrays of items must have one dimension"));
	deconstruct_array(array, type, len, byval, align, &read.values, &read.nulls, &read.count);
	return read;
}

AmArray
am_array_uuid(FunctionCallInfo fcinfo, int n)
{
	return array_read(fcinfo, n, UUIDOID, UUID_LEN, false, 'c');
}

AmArray
am_array_text(FunctionCallInfo fcinfo, int n)
{
	return array_read(fcinfo, n, TEXTOID, -1, false, 'i');
}

AmArray
am_array_int64(FunctionCallInfo fcinfo, int n)
{
	return array_read(fcinfo, n, INT8OID, 8, FLOAT8PASSBYVAL, 'd');
}

int
am_array_same_length(const char *function, const AmArray *arrays, int count)
{
	int i;

	for (i = 1; i < count; i++)
		if (arrays[i].count != arrays[0].count)
			ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
					errmsg("arrays of %s differ in length", function),
					errhint("Give one value (or NULL) for each item in every array."));
	if (arrays[0].count > AM_ARRAY_ITEMS_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
				errmsg("%s takes at most %d items", function, AM_ARRAY_ITEMS_MAX),
				errhint("Split the items over several calls."));
	return arrays[0].count;
}
