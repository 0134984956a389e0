/*
 * test_loop.c
 *	  The loop calls what is due, and nothing that was taken away.
 */
#include "test.h"

#include <fcntl.h>
#include <unistd.h>

#include "loop.h"

typedef struct Seen
{
	AmLoop *loop;
	AmWatch watch;
	AmWatch *other; /* taken away when called */
	int calls;
	unsigned events;
} Seen;

static void
seen_called(void *state, unsigned events)
{
	Seen *seen = state;

	seen->calls++;
	seen->events = events;
	if (seen->other != NULL)
		am_loop_unwatch(seen->loop, seen->other);
}

static void
seen_open(Seen *seen, AmLoop *loop, int fd[2])
{
	memset(seen, 0, sizeof(*seen));
	seen->loop = loop;
	am_watch_init(&seen->watch, seen_called, seen);
	CHECK(pipe2(fd, O_NONBLOCK) == 0);
	CHECK(am_loop_watch(loop, &seen->watch, fd[0], AM_WATCH_READ));
}

static void
pipes_close(int fd[2])
{
	(void) close(fd[0]);
	(void) close(fd[1]);
}

static void
readable_is_called(void)
{
	AmLoop loop;
	Seen seen;
	int fd[2];

	CHECK(am_loop_open(&loop));
	CHECK(am_loop_is_open(&loop));
	seen_open(&seen, &loop, fd);
	CHECK(am_loop_wait(&loop, 0));
	CHECK_INT(0, seen.calls);
	CHECK(write(fd[1], "x", 1) == 1);
	CHECK(am_loop_wait(&loop, 1000));
	CHECK_INT(1, seen.calls);
	CHECK_INT(AM_WATCH_READ, seen.events);
	test_case("hang-up is told");
	(void) close(fd[1]);
	CHECK(am_loop_wait(&loop, 1000));
	CHECK((seen.events & AM_WATCH_LOST) != 0);
	test_case("taken away");
	am_loop_unwatch(&loop, &seen.watch);
	CHECK(am_loop_wait(&loop, 0));
	CHECK_INT(2, seen.calls);
	am_loop_unwatch(&loop, &seen.watch);
	(void) close(fd[0]);
	am_loop_close(&loop);
	CHECK(!am_loop_is_open(&loop));
}

static void
taken_away_in_the_same_wait(void)
{
	AmLoop loop;
	Seen first;
	Seen second;
	int fd1[2];
	int fd2[2];

	CHECK(am_loop_open(&loop));
	seen_open(&first, &loop, fd1);
	seen_open(&second, &loop, fd2);
	first.other = &second.watch;
	second.other = &first.watch;
	CHECK(write(fd1[1], "x", 1) == 1 && write(fd2[1], "x", 1) == 1);
	CHECK(am_loop_wait(&loop, 1000));
	CHECK_INT(1, first.calls + second.calls);
	pipes_close(fd1);
	pipes_close(fd2);
	am_loop_close(&loop);
}

static void
ticks_and_wakes(void)
{
	AmLoop loop;
	Seen ticks = {0};

	CHECK(am_loop_open(&loop));
	am_loop_wake(&loop);
	am_loop_wake(&loop);
	CHECK(am_loop_wait(&loop, 10000));
	test_case("a wake-up is used up");
	CHECK(am_loop_wait(&loop, 0));
	CHECK(am_loop_tick_every(&loop, 5, seen_called, &ticks));
	while (ticks.calls < 2)
		CHECK(am_loop_wait(&loop, 10000));
	am_loop_close(&loop);
}

int
main(void)
{
	TEST_RUN(readable_is_called);
	TEST_RUN(taken_away_in_the_same_wait);
	TEST_RUN(ticks_and_wakes);
	return test_end("shim loop");
}
