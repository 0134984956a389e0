/*
 * test_log_sink.c
 *		Must hold: a turn's lines go out in one write; a destination that takes nothing never
 *		stops the caller; every line is either delivered whole or counted as lost.
 */
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

static char folder[] = "/tmp/authmeter-test-log-XXXXXX";
static char path[64];
static char error[256];

/* What the destination received. */
static char received[4 * 1024 * 1024];
static size_t received_length;

static void
emit(AmLog *log, int number)
{
	AmObservation seen = am_obs_make(AM_OBS_STARTED);
	char subject[16];

	(void) snprintf(subject, sizeof(subject), "%d", number);
	seen.subject = subject;
	am_log_observe(log, &seen);
}

/* Appends what can be read now to received; returns the bytes. */
static size_t
drain(int fd)
{
	size_t before = received_length;
	struct pollfd poller = {.fd = fd, .events = POLLIN};

	while (poll(&poller, 1, 0) > 0 && received_length < sizeof(received) - 1)
	{
		ssize_t got = read(fd, received + received_length, sizeof(received) - 1 - received_length);

		if (got <= 0)
			break;
		received_length += (size_t) got;
	}
	received[received_length] = '\0';
	return received_length - before;
}

static void
forget(void)
{
	received_length = 0;
	received[0] = '\0';
}

/* Counts the received lines of an event; every received line must begin as one. */
static int
count_lines(const char *event)
{
	const char *text = received;
	const char *end;
	int count = 0;
	int malformed = 0;

	while ((end = strchr(text, '\n')) != NULL)
	{
		const char *found = strstr(text, event);

		malformed += strncmp(text, "{\"time\":\"", 9) != 0 || end[-1] != '}' ? 1 : 0;
		count += found != NULL && found < end ? 1 : 0;
		text = end + 1;
	}
	CHECK_INT(0, malformed);
	CHECK_STRING("", text);
	return count;
}

static void
read_file(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	forget();
	CHECK(fd >= 0);
	got = read(fd, received, sizeof(received) - 1);
	CHECK(got >= 0);
	received_length = got > 0 ? (size_t) got : 0;
	received[received_length] = '\0';
	(void) close(fd);
}

/* ---- files ---- */

static void
files_are_appended_to_and_reopened(void)
{
	char rotated[80];
	AmLogSink sink;
	AmLog log;
	struct stat status;
	int fd;

	CHECK(am_log_sink_open(&sink, path, 1, error, sizeof(error)));
	CHECK_INT(AM_LOG_SINK_FILE, sink.kind);
	CHECK_INT(0, stat(path, &status));
	CHECK_INT(0640, status.st_mode & 0777);
	CHECK(am_log_init(&log, &sink, NULL, AM_LEVEL_INFO, 0, 1));
	emit(&log, 1);
	CHECK_INT(0, am_log_flush(&log));
	fd = sink.fd;

	(void) snprintf(rotated, sizeof(rotated), "%s.1", path);
	CHECK_INT(0, rename(path, rotated));
	emit(&log, 2);
	CHECK_INT(0, am_log_flush(&log));
	CHECK(am_log_sink_reopen(&sink, error, sizeof(error)));
	CHECK_INT(fd, sink.fd);
	emit(&log, 3);
	am_log_close(&log, 100);
	am_log_sink_close(&sink);

	read_file(rotated);
	CHECK_INT(2, count_lines("\"event\":\"started\""));
	read_file(path);
	CHECK_INT(1, count_lines("\"subject\":\"3\""));

	/* a second start appends */
	CHECK(am_log_sink_open(&sink, path, 1, error, sizeof(error)));
	CHECK(am_log_init(&log, &sink, NULL, AM_LEVEL_INFO, 0, 1));
	emit(&log, 4);
	am_log_close(&log, 100);
	am_log_sink_close(&sink);
	read_file(path);
	CHECK_INT(2, count_lines("\"event\":\"started\""));
	CHECK_INT(0, unlink(rotated));
	CHECK_INT(0, unlink(path));
}

static void
failures_to_open_are_told(void)
{
	char inside[80];
	char moved[80];
	AmLogSink sink;
	AmLog log;

	CHECK(!am_log_sink_open(&sink, "/nonexistent/shim.log", 1, error, sizeof(error)));
	CHECK_STRING("could not open log file \"/nonexistent/shim.log\": No such file or directory",
				 error);
	CHECK(!am_log_sink_open(&sink, folder, 1, error, sizeof(error)));
	CHECK_CONTAINS(error, "Is a directory");

	/* a reopen that fails keeps the old file */
	(void) snprintf(inside, sizeof(inside), "%s/d", folder);
	(void) snprintf(moved, sizeof(moved), "%s/e", folder);
	CHECK_INT(0, mkdir(inside, 0700));
	(void) snprintf(inside, sizeof(inside), "%s/d/log", folder);
	CHECK(am_log_sink_open(&sink, inside, 1, error, sizeof(error)));
	CHECK(am_log_init(&log, &sink, NULL, AM_LEVEL_INFO, 0, 1));
	(void) snprintf(inside, sizeof(inside), "%s/d", folder);
	CHECK_INT(0, rename(inside, moved));
	error[0] = '\0';
	CHECK(!am_log_sink_reopen(&sink, error, sizeof(error)));
	CHECK_CONTAINS(error, "No such file");
	emit(&log, 7);
	am_log_close(&log, 100);
	am_log_sink_close(&sink);
	(void) snprintf(inside, sizeof(inside), "%s/e/log", folder);
	read_file(inside);
	CHECK_INT(1, count_lines("\"subject\":\"7\""));
	CHECK_INT(0, unlink(inside));
	CHECK_INT(0, rmdir(moved));
}

/* ---- one write ---- */

static void
a_turn_is_one_write(void)
{
	int ends[2];
	AmLogSink sink = {.kind = AM_LOG_SINK_SOCKET};
	AmLog log;
	ssize_t got;

	CHECK_INT(0, socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends));
	sink.fd = ends[0];
	CHECK(am_log_init(&log, &sink, NULL, AM_LEVEL_INFO, 0, 1));
	for (int i = 0; i < 100; i++)
		emit(&log, i);
	CHECK_INT(0, recv(ends[1], received, sizeof(received), MSG_DONTWAIT) > 0);
	CHECK_INT(0, am_log_flush(&log));
	got = recv(ends[1], received, sizeof(received) - 1, MSG_DONTWAIT);
	CHECK(got > 0);
	received[got > 0 ? got : 0] = '\0';
	CHECK_INT(100, count_lines("\"event\":\"started\""));
	CHECK_INT(-1, recv(ends[1], received, sizeof(received), MSG_DONTWAIT));
	/* and an empty turn is none */
	CHECK_INT(0, am_log_flush(&log));
	CHECK_INT(-1, recv(ends[1], received, sizeof(received), MSG_DONTWAIT));
	am_log_close(&log, 0);
	(void) close(ends[0]);
	(void) close(ends[1]);
}

static void
several_writers_write_whole_lines(void)
{
	int ends[2];
	AmLogSink sink = {.kind = AM_LOG_SINK_PIPE, .whole_lines = true};
	AmLog log;
	ssize_t got;
	int packets = 0;

	CHECK_INT(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
	sink.fd = ends[0];
	CHECK(am_log_init(&log, &sink, NULL, AM_LEVEL_INFO, 0, 1));
	for (int i = 0; i < 100; i++)
		emit(&log, i);
	CHECK_INT(0, am_log_flush(&log));
	forget();
	while ((got = read(ends[1], received + received_length, 65536)) > 0)
	{
		CHECK(got <= AM_LOG_LINE_BYTES_MAX);
		CHECK(received[received_length + (size_t) got - 1] == '\n');
		received_length += (size_t) got;
		packets++;
	}
	received[received_length] = '\0';
	CHECK_INT(100, count_lines("\"event\":\"started\""));
	CHECK_INT((int64_t) (received_length + 4095) / 4096 <= packets && packets < 100, true);
	am_log_close(&log, 0);
	(void) close(ends[0]);
	(void) close(ends[1]);
}

/* ---- destinations that do not take ---- */

/* Opens the sink on standard error while that is this descriptor; returns the saved one. */
static int
open_on_stderr(AmLogSink *sink, int fd)
{
	int saved = dup(STDERR_FILENO);

	CHECK(saved >= 0);
	CHECK_INT(STDERR_FILENO, dup2(fd, STDERR_FILENO));
	CHECK(am_log_sink_open(sink, "stderr", 1, error, sizeof(error)));
	return saved;
}

static void
close_on_stderr(AmLogSink *sink, int saved)
{
	am_log_sink_close(sink);
	CHECK_INT(STDERR_FILENO, dup2(saved, STDERR_FILENO));
	(void) close(saved);
}

/* Emits until lines are lost, reads, and compares the account. */
static void
fill_and_account(AmLogSink *sink, int reader)
{
	AmLog log;
	int emitted = 0;
	int delivered;
	char lost[32];

	forget();
	CHECK(am_log_init(&log, sink, NULL, AM_LEVEL_INFO, 0, 1));
	while (log.dropped == 0 && emitted < 100000)
		emit(&log, emitted++);
	for (int i = 0; i < 41; i++)
		emit(&log, emitted++);
	CHECK_INT(42, log.dropped);
	CHECK(am_log_flush(&log) > 0);
	for (int i = 0; i < 1000 && drain(reader) + am_log_flush(&log) > 0; i++)
		continue;
	(void) drain(reader);
	CHECK_INT(0, am_log_flush(&log));
	delivered = count_lines("\"event\":\"started\"");
	CHECK_INT(emitted - 42, delivered);
	CHECK_INT(1, count_lines("\"event\":\"log_dropped\""));
	(void) snprintf(lost, sizeof(lost), "\"count\":%d,", 42);
	CHECK_CONTAINS(received, lost);
	am_log_close(&log, 0);
}

static void
full_pipe_does_not_stop(void)
{
	int ends[2];
	int own;
	AmLogSink sink;
	int saved;

	CHECK_INT(0, pipe2(ends, O_CLOEXEC));
	saved = open_on_stderr(&sink, ends[1]);
	own = sink.fd;
	CHECK_INT(AM_LOG_SINK_PIPE, sink.kind);
	CHECK(own != STDERR_FILENO);
	CHECK(am_log_sink_reopen(&sink, error, sizeof(error)));
	CHECK_INT(own, sink.fd);
	/* the description that others share stays as it was */
	CHECK_INT(0, fcntl(ends[1], F_GETFL) & O_NONBLOCK);
	fill_and_account(&sink, ends[0]);
	close_on_stderr(&sink, saved);
	CHECK_INT(-1, fcntl(own, F_GETFD));
	(void) close(ends[0]);
	(void) close(ends[1]);
}

static void
full_socket_does_not_stop(void)
{
	int ends[2];
	AmLogSink sink;
	int saved;

	CHECK_INT(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	saved = open_on_stderr(&sink, ends[1]);
	CHECK_INT(AM_LOG_SINK_SOCKET, sink.kind);
	fill_and_account(&sink, ends[0]);
	close_on_stderr(&sink, saved);
	(void) close(ends[0]);
	(void) close(ends[1]);
}

static void
full_blocking_pipe_does_not_stop(void)
{
	int ends[2];
	AmLogSink sink = {.kind = AM_LOG_SINK_POLLED};

	CHECK_INT(0, pipe2(ends, O_CLOEXEC));
	sink.fd = ends[1];
	fill_and_account(&sink, ends[0]);
	(void) close(ends[0]);
	(void) close(ends[1]);
}

/* Subscriber: adds up the counts of lost lines. */
static int lost_told;

static void
count_lost(void *state, const AmObservation *observation)
{
	if (observation->id == AM_OBS_LOG_DROPPED)
	{
		*(int64_t *) state += observation->count;
		lost_told++;
	}
}

static void
full_disk_is_counted_and_told_later(void)
{
	AmLogSink full;
	AmLogSink good;
	AmObs obs;
	AmLog log;
	int64_t lost = 0;

	CHECK(am_log_sink_open(&full, "/dev/full", 1, error, sizeof(error)));
	CHECK(am_log_sink_open(&good, path, 1, error, sizeof(error)));
	CHECK(am_log_init(&log, &full, &obs, AM_LEVEL_INFO, 0, 1));
	am_obs_init(&obs);
	CHECK(am_obs_subscribe(&obs, am_log_observe, &log));
	CHECK(am_obs_subscribe(&obs, count_lost, &lost));
	emit(&log, 1);
	emit(&log, 2);
	CHECK_INT(0, am_log_flush(&log));
	CHECK_INT(2, lost);
	/* the account does not count itself */
	for (int i = 0; i < 10; i++)
		CHECK_INT(0, am_log_flush(&log));
	CHECK_INT(2, lost);
	CHECK_INT(1, lost_told);

	log.sink = &good;
	CHECK_INT(0, am_log_flush(&log));
	emit(&log, 3);
	CHECK_INT(0, am_log_flush(&log));
	read_file(path);
	CHECK_INT(1, count_lines("\"event\":\"started\""));
	CHECK_CONTAINS(received, "\"event\":\"log_dropped\",\"count\":2,");
	CHECK_INT(2, lost);
	am_log_close(&log, 0);
	am_log_sink_close(&full);
	am_log_sink_close(&good);
	CHECK_INT(0, unlink(path));
}

static void
reader_that_went_away_is_no_end(void)
{
	int ends[2];
	AmLogSink sink;
	AmLog log;
	int saved;

	CHECK_INT(0, pipe2(ends, O_CLOEXEC));
	saved = open_on_stderr(&sink, ends[1]);
	(void) close(ends[0]);
	CHECK(am_log_init(&log, &sink, NULL, AM_LEVEL_INFO, 0, 1));
	emit(&log, 1);
	CHECK_INT(0, am_log_flush(&log));
	CHECK_INT(1, log.untold);
	CHECK(log.broken);
	am_log_close(&log, 100);
	close_on_stderr(&sink, saved);
	(void) close(ends[1]);
}

static void
closing_waits_no_longer_than_told(void)
{
	int ends[2];
	AmLogSink sink;
	AmLog log;
	struct timespec before;
	struct timespec after;
	int64_t waited_ms;
	int saved;

	CHECK_INT(0, pipe2(ends, O_CLOEXEC));
	saved = open_on_stderr(&sink, ends[1]);
	CHECK(am_log_init(&log, &sink, NULL, AM_LEVEL_INFO, 0, 1));
	for (int i = 0; i < 2000; i++)
		emit(&log, i);
	CHECK(am_log_flush(&log) > 0);
	CHECK_INT(0, clock_gettime(CLOCK_MONOTONIC, &before));
	am_log_close(&log, 50);
	CHECK_INT(0, clock_gettime(CLOCK_MONOTONIC, &after));
	waited_ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
	CHECK(waited_ms >= 49 && waited_ms < 5000);
	close_on_stderr(&sink, saved);
	(void) close(ends[0]);
	(void) close(ends[1]);
}

int
main(void)
{
	(void) signal(SIGPIPE, SIG_IGN);
	(void) umask(022);
	if (mkdtemp(folder) == NULL)
		return 2;
	(void) snprintf(path, sizeof(path), "%s/shim.log", folder);
	TEST_RUN(files_are_appended_to_and_reopened);
	TEST_RUN(failures_to_open_are_told);
	TEST_RUN(a_turn_is_one_write);
	TEST_RUN(several_writers_write_whole_lines);
	TEST_RUN(full_pipe_does_not_stop);
	TEST_RUN(full_socket_does_not_stop);
	TEST_RUN(full_blocking_pipe_does_not_stop);
	TEST_RUN(full_disk_is_counted_and_told_later);
	TEST_RUN(reader_that_went_away_is_no_end);
	TEST_RUN(closing_waits_no_longer_than_told);
	CHECK_INT(0, rmdir(folder));
	return test_end("shim log_sink");
}
