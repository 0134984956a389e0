/*-------------------------------------------------------------------------
 *
 * catalog_result.h
 *	  What the control connection makes of the results (for catalog_control.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_CATALOG_RESULT_H
#define AM_SHIM_CATALOG_RESULT_H

#include <libpq-fe.h>
#include <stdbool.h>

struct AmEngine;

/* One result of a step; false = the load has been ended. */
extern bool am_control_take_deployments(struct AmEngine *engine, const PGresult *result);
extern bool am_control_take_import(struct AmEngine *engine, const PGresult *result);
extern bool am_control_take_check(struct AmEngine *engine, const PGresult *result);
extern bool am_control_take_gateway(struct AmEngine *engine, const PGresult *result);
extern bool am_control_take_routes(struct AmEngine *engine, const PGresult *result);
extern bool am_control_take_refusals(struct AmEngine *engine, const PGresult *result);
extern bool am_control_take_weak(struct AmEngine *engine, const PGresult *result);

/*
 * The database said something the shim cannot serve from: the start is refused;
 * a running shim keeps what it has.
 */
extern void am_control_refuse(struct AmEngine *engine, const char *message, const char *hint);

#endif /* AM_SHIM_CATALOG_RESULT_H */
