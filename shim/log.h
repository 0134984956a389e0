/*-------------------------------------------------------------------------
 *
 * log.h
 *	  The log: one JSON object a line, one write a turn of the loop.
 *
 * AmLogSink is the open destination, shared by all loops and opened once by
 * main.  AmLog is the buffer of one thread; it subscribes to that thread's
 * AmObs (am_obs_subscribe(&obs, am_log_observe, &log)).  The engine calls
 * am_log_flush() once at the end of every turn.
 *
 * A destination that does not take the bytes (full pipe, full disk) never
 * stops a loop: lines are kept up to AM_LOG_BUFFER_BYTES, further ones are
 * dropped and counted.  The count is emitted as AM_OBS_LOG_DROPPED by the flush,
 * and written as a line as soon as a write succeeds again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_LOG_H
#define AM_SHIM_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "obs.h"

#define AM_LOG_LINE_BYTES_MAX  4096 /* with the newline; = PIPE_BUF, so a line is never torn */
#define AM_LOG_BUFFER_BYTES    (256 * 1024)
#define AM_LOG_VALUE_BYTES_MAX 1024 /* of one string value before escaping */

typedef enum AmLogSinkKind
{
	AM_LOG_SINK_FILE,   /* regular file, appended to */
	AM_LOG_SINK_PIPE,   /* pipe or terminal through an own non-blocking description */
	AM_LOG_SINK_SOCKET, /* socket (the journal): sent without waiting */
	AM_LOG_SINK_POLLED  /* anything else: written only while poll() says it can be */
} AmLogSinkKind;

typedef struct AmLogSink
{
	int fd; /* -1 = closed */
	AmLogSinkKind kind;
	bool owned;       /* close it at the end */
	bool whole_lines; /* several loops write: at most PIPE_BUF bytes a write to pipes */
	char *path;       /* NULL for stdout and stderr */
} AmLogSink;

typedef struct AmLog
{
	AmLogSink *sink;
	AmObs *obs;             /* told about dropped lines; may be NULL */
	AmObsLevel level;       /* lines above it are not written */
	int sample_above_per_s; /* 2xx request lines a second written in full; 0 = all */
	int sample_one_in;      /* of those above the rate, one in so many is written */
	int64_t second;         /* the second being counted, and its 2xx lines */
	int second_lines;
	int64_t stamp_second; /* cached calendar text of one second */
	char stamp[24];
	uint64_t dropped; /* lines lost since the last flush */
	uint64_t untold;  /* lines lost and not yet told in the log */
	bool broken;      /* the last write failed */
	size_t length;    /* bytes waiting in buffer */
	char *buffer;     /* AM_LOG_BUFFER_BYTES */
} AmLog;

/*
 * Opens a destination: "stdout", "stderr", or the path of a file that is
 * created (mode 0640) or appended to.  loops is the number of threads that will
 * share it.  False with a one-line reason in error (error_bytes > 0) otherwise.
 */
extern bool am_log_sink_open(AmLogSink *sink, const char *destination, int loops, char *error,
							 size_t error_bytes);

/*
 * Opens the file anew under the same descriptor, for log rotation (SIGHUP).
 * May run while other threads write: each line goes to the old or the new file.
 * True without effect for stdout and stderr.  False keeps the old file.
 */
extern bool am_log_sink_reopen(AmLogSink *sink, char *error, size_t error_bytes);

/* Closes what was opened.  No thread may write any more. */
extern void am_log_sink_close(AmLogSink *sink);

/*
 * Prepares the buffer of one thread.  level: least important level written.
 * sample_above_per_s: 2xx request lines a second before sampling, 0 = write all.
 * sample_one_in: 1 or more.  False = out of memory.
 */
extern bool am_log_init(AmLog *log, AmLogSink *sink, AmObs *obs, AmObsLevel level,
						int sample_above_per_s, int sample_one_in);

/* Takes over reloaded settings. */
extern void am_log_configure(AmLog *log, AmObsLevel level, int sample_above_per_s,
							 int sample_one_in);

/* Waits up to wait_ms for the destination to take what is left, then frees the buffer. */
extern void am_log_close(AmLog *log, int wait_ms);

/* Subscriber: formats the line into the buffer.  state is the AmLog. */
extern void am_log_observe(void *state, const AmObservation *observation);

/*
 * Writes what the turn gathered, normally with one write().  Never blocks.
 * Returns the bytes still waiting (0 normally); call again next turn.
 */
extern size_t am_log_flush(AmLog *log);

/*
 * Formats one line, newline included, into line (at least
 * AM_LOG_LINE_BYTES_MAX bytes) without level or sampling; sampled > 1 adds the
 * member "sampled".  Returns its length.  Over-long values are cut at a
 * character border and end in "...", and the line is always a whole JSON object.
 */
extern size_t am_log_format(AmLog *log, const AmObservation *observation, int sampled, char *line);

#endif /* AM_SHIM_LOG_H */
