/*
 * row.c
 *
 * Results of SQL functions that return one row.
 */
#include "compat.h"

#include "row.h"

static TupleDesc
row_desc(FunctionCallInfo fcinfo)
{
	TupleDesc desc = (TupleDesc) fcinfo->flinfo->fn_extra;
	MemoryContext old;

	if (desc != NULL)
		return desc;
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR), errmsg("return type must be a row type"));
	desc = BlessTupleDesc(desc);
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = desc;
	return desc;
}

Datum
am_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	return HeapTupleGetDatum(heap_form_tuple(row_desc(fcinfo), values, nulls));
}
