/*
 * authmeter.c
 *
 * Module load: server settings first, then shared memory and the background worker when the library
 * is preloaded. Nothing here touches a table, so loading the library into a database without the
 * extension is harmless.
 */
#include "compat.h"

#include "guc.h"
#include "housekeeper.h"
#include "shmem.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	am_guc_define();
	am_shmem_define();
	am_housekeeper_define();
}

#if PG_VERSION_NUM < 150000
void
am_compat_srf_begin(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR), errmsg("return type must be a row type"));
	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setResult = tuplestore_begin_heap(true, false, work_mem);
	rsinfo->setDesc = CreateTupleDescCopy(desc);
	MemoryContextSwitchTo(old);
}
#endif
