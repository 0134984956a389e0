/*-------------------------------------------------------------------------
 *
 * process.h
 *	  Figures of the process itself, for the metrics page.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_PROCESS_H
#define AM_SHIM_PROCESS_H

#include <stdint.h>

/* -1 = not to be had on this system. */
typedef struct AmProcessFigures
{
	int64_t resident_bytes;
	int64_t cpu_us; /* user and system time of all threads */
	int64_t open_fds;
	int64_t max_fds; /* soft limit of open files */
} AmProcessFigures;

/* Reads the figures from the kernel (getrusage, /proc/self); does not wait. */
extern AmProcessFigures am_process_figures(void);

#endif /* AM_SHIM_PROCESS_H */
