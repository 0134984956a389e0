/*
 * compat.h
 *
 * The one header that knows PostgreSQL's versions (14 to 18). Every other file of the extension
 * includes this instead of postgres.h, and no other file tests PG_VERSION_NUM.
 */
#ifndef AM_COMPAT_H
#define AM_COMPAT_H

#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "sqlstate.h"

#if PG_VERSION_NUM < 140000 || PG_VERSION_NUM >= 190000
#error "authmeter is written for PostgreSQL 14 to 18"
#endif

/* 15 moved requests for shared memory into a hook of their own; before, _PG_init made them. */
#define AM_HAVE_SHMEM_REQUEST_HOOK (PG_VERSION_NUM >= 150000)

/* 15 renamed EmitWarningsOnPlaceholders. */
#if PG_VERSION_NUM >= 150000
#define am_compat_guc_prefix_reserve(prefix) MarkGUCPrefixReserved(prefix)
#else
#define am_compat_guc_prefix_reserve(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* SetSingleFuncCall came with 15.0, was renamed InitMaterializedSRF, and 14 has neither. */
#if PG_VERSION_NUM >= 150000
#define am_compat_srf_begin(fcinfo) InitMaterializedSRF((fcinfo), 0)
#else
extern void am_compat_srf_begin(FunctionCallInfo fcinfo);
#endif

/* One enum constant per error code: ERRCODE_AM_<NAME>. */
enum AmErrcode
{
#define X(name, d3, d4, d5, http, public, meaning) ERRCODE_AM_##name = AM_SQLSTATE(d3, d4, d5),
	AM_SQLSTATES(X)
#undef X
};

#endif
