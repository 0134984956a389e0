/*-------------------------------------------------------------------------
 *
 * log_sink.c
 *	  The destination of the log: a file, a pipe, a terminal or a socket.
 *
 * A loop must never wait for whoever reads the log, and O_NONBLOCK must not be
 * set on a descriptor that is shared with other processes (it belongs to the
 * open file description, so the shell that started us would get it too).  So a
 * pipe or terminal is opened a second time through /proc/self/fd, with an own
 * description; a socket is sent to with MSG_DONTWAIT; what can be neither is
 * written to only as much as poll() promises.  Regular files do not wait for a
 * reader and are written plainly.
 *
 * The descriptor's number never changes while the sink is open: reopening a
 * file puts the new one under the old number with dup3(), atomically, so that the
 * threads that write need no lock.
 *
 * When a destination takes only a part, the cut goes between two lines if it
 * can: with several writers a half line would be mixed with another's.
 *
 *-------------------------------------------------------------------------
 */
#include "log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_MODE 0640

/* ---- opening ---- */

static int
open_file(const char *path, char *error, size_t error_bytes)
{
	int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, FILE_MODE);

	if (fd < 0)
		(void) snprintf(error, error_bytes, "could not open log file \"%s\": %s", path,
						strerror(errno));
	return fd;
}

/* An own, non-blocking description of the pipe or terminal behind fd; -1 if not to be had. */
static int
open_again(int fd)
{
	char path[64];

	(void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

/* Settles how a standard stream is written to. */
static void
adopt_stream(AmLogSink *sink, int fd)
{
	struct stat status;
	int own;

	sink->fd = fd;
	sink->kind = AM_LOG_SINK_POLLED;
	if (fstat(fd, &status) != 0)
		return;
	if (S_ISSOCK(status.st_mode))
		sink->kind = AM_LOG_SINK_SOCKET;
	else if (S_ISREG(status.st_mode))
		sink->kind = AM_LOG_SINK_FILE;
	else
	{
		own = open_again(fd);
		if (own < 0)
			return;
		sink->fd = own;
		sink->owned = true;
		sink->kind = AM_LOG_SINK_PIPE;
	}
}

static AmLogSinkKind
file_kind(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? AM_LOG_SINK_FILE : AM_LOG_SINK_PIPE;
}

bool
am_log_sink_open(AmLogSink *sink, const char *destination, int loops, char *error,
				 size_t error_bytes)
{
	memset(sink, 0, sizeof(*sink));
	sink->fd = -1;
	sink->whole_lines = loops > 1;
	if (strcmp(destination, "stdout") == 0)
	{
		adopt_stream(sink, STDOUT_FILENO);
		return true;
	}
	if (strcmp(destination, "stderr") == 0)
	{
		adopt_stream(sink, STDERR_FILENO);
		return true;
	}
	sink->path = strdup(destination);
	if (sink->path == NULL)
	{
		(void) snprintf(error, error_bytes, "out of memory");
		return false;
	}
	sink->fd = open_file(sink->path, error, error_bytes);
	if (sink->fd < 0)
	{
		am_log_sink_close(sink);
		return false;
	}
	sink->owned = true;
	sink->kind = file_kind(sink->fd);
	return true;
}

bool
am_log_sink_reopen(AmLogSink *sink, char *error, size_t error_bytes)
{
	int fd;

	if (sink->path == NULL || sink->fd < 0)
		return true;
	fd = open_file(sink->path, error, error_bytes);
	if (fd < 0)
		return false;
	if (dup3(fd, sink->fd, O_CLOEXEC) < 0)
	{
		(void) snprintf(error, error_bytes, "could not replace log file \"%s\": %s", sink->path,
						strerror(errno));
		(void) close(fd);
		return false;
	}
	(void) close(fd);
	return true;
}

void
am_log_sink_close(AmLogSink *sink)
{
	if (sink->owned && sink->fd >= 0)
		(void) close(sink->fd);
	free(sink->path);
	sink->path = NULL;
	sink->fd = -1;
	sink->owned = false;
}

/* ---- writing ---- */

static bool
can_write(int fd, int wait_ms)
{
	struct pollfd poller = {.fd = fd, .events = POLLOUT};

	return poll(&poller, 1, wait_ms) > 0 && (poller.revents & POLLOUT) != 0;
}

/* One write, without waiting; -1 with errno EAGAIN if nothing can be taken now. */
static ssize_t
write_some(const AmLogSink *sink, const char *data, size_t length)
{
	switch (sink->kind)
	{
		case AM_LOG_SINK_SOCKET:
			return send(sink->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
		case AM_LOG_SINK_POLLED:
			if (!can_write(sink->fd, 0))
			{
				errno = EAGAIN;
				return -1;
			}
			return write(sink->fd, data, length);
		case AM_LOG_SINK_FILE:
		case AM_LOG_SINK_PIPE:
			break;
	}
	return write(sink->fd, data, length);
}

/* Bytes of whole lines at the start of data, at most bytes_max, at least one line. */
static size_t
whole_lines(const char *data, size_t length, size_t bytes_max)
{
	const char *end;

	if (length <= bytes_max)
		return length;
	end = memrchr(data, '\n', bytes_max);
	return end != NULL ? (size_t) (end - data) + 1 : bytes_max;
}

/* The most that may be given to one write. */
static size_t
write_bound(const AmLogSink *sink)
{
	if (sink->kind == AM_LOG_SINK_FILE)
		return AM_LOG_BUFFER_BYTES;
	if (sink->kind == AM_LOG_SINK_POLLED || sink->whole_lines)
		return PIPE_BUF;
	return AM_LOG_BUFFER_BYTES;
}

static uint64_t
count_lines(const char *data, size_t length)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < length; i++)
		lines += data[i] == '\n' ? 1 : 0;
	return lines;
}

static bool
is_not_now(int code)
{
	return code == EAGAIN || code == EWOULDBLOCK || code == ENOBUFS;
}

bool
am_log_sink_drain(AmLog *log)
{
	const AmLogSink *sink = log->sink;
	size_t done = 0;

	while (done < log->length)
	{
		const char *data = log->buffer + done;
		ssize_t written =
			write_some(sink, data, whole_lines(data, log->length - done, write_bound(sink)));

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && is_not_now(errno))
			break;
		if (written <= 0)
		{
			log->dropped += count_lines(data, log->length - done);
			log->broken = true;
			done = log->length;
			break;
		}
		log->broken = false;
		done += (size_t) written;
	}
	memmove(log->buffer, log->buffer + done, log->length - done);
	log->length -= done;
	return log->length == 0;
}

static int64_t
monotonic_ms(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		return 0;
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int
am_log_sink_wait(const AmLogSink *sink, int wait_ms)
{
	int64_t start = monotonic_ms();
	int64_t waited;

	(void) can_write(sink->fd, wait_ms);
	waited = monotonic_ms() - start;
	return waited < 1 ? 1 : (int) waited;
}
