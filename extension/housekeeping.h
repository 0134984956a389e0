/*
 * housekeeping.h
 *
 * What is done now and then so that tables do not grow for ever: rows past their time are removed,
 * the audit trail is chained. The tasks are declared once, in housekeeping.c; they are run by
 * authmeter.housekeeping() and, preloaded, by the background worker of housekeeper.c.
 */
#ifndef AM_HOUSEKEEPING_H
#define AM_HOUSEKEEPING_H

#include "compat.h"

#define AM_HOUSEKEEPING_ROWS_MAX 100000

/* How a task went. */
typedef struct AmHousekeeping
{
	const char *task;
	int64 rows;          /* removed or worked on */
	bool more;           /* it stopped at the limit */
	const char *problem; /* of an error, which took only this task back; NULL = none */
} AmHousekeeping;

/* Number of tasks; they are numbered from 0. */
extern int am_housekeeping_tasks(void);

/*
 * Runs a task on at most rows_max rows in a subtransaction, and records how it went. An error is an
 * answer (problem, palloc'd), but for one that ends the statement: cancel, or out of memory.
 */
extern AmHousekeeping am_housekeeping_run(int task, int64 rows_max);

/* When housekeeping last ran here (0 = never), and the problem of a task of that round or NULL. */
extern TimestampTz am_housekeeping_last(char **problem);

#endif
