/*-------------------------------------------------------------------------
 *
 * log_sink.h
 *	  What log.c needs from log_sink.c; nobody else includes this.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_LOG_SINK_H
#define AM_SHIM_LOG_SINK_H

#include <stdbool.h>

#include "log.h"

/*
 * Writes as much of the log's buffer as the destination takes without waiting
 * and moves the rest to the front.  Lines that met a write error (other than "not
 * now") are dropped and counted.  True if the buffer is empty afterwards.
 */
extern bool am_log_sink_drain(AmLog *log);

/*
 * Waits up to wait_ms for the destination to take bytes; returns the milliseconds
 * to count against the caller's patience, at least 1.
 */
extern int am_log_sink_wait(const AmLogSink *sink, int wait_ms);

#endif /* AM_SHIM_LOG_SINK_H */
