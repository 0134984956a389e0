/*-------------------------------------------------------------------------
 *
 * loop.c
 *	  One event loop (see loop.h).
 *
 *-------------------------------------------------------------------------
 */
#include "loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define AM_LOOP_EVENTS_MAX 64 /* taken from the kernel at once; the rest comes with the next wait */

void
am_watch_init(AmWatch *watch, AmWatchCall call, void *state)
{
	*watch = (AmWatch){.fd = -1, .call = call, .state = state};
}

static void
waker_called(void *state, unsigned events)
{
	AmLoop *loop = state;
	uint64_t count;

	(void) events;
	/* only its being readable counts; a failed read means another wake came in between */
	if (read(loop->waker.fd, &count, sizeof(count)) < 0)
		return;
}

static void
ticker_called(void *state, unsigned events)
{
	AmLoop *loop = state;
	uint64_t count;

	if (read(loop->ticker.fd, &count, sizeof(count)) == (ssize_t) sizeof(count))
		loop->tick_call(loop->tick_state, events);
}

static void
signals_called(void *state, unsigned events)
{
	AmLoop *loop = state;
	struct signalfd_siginfo info;

	(void) events;
	while (read(loop->signals.fd, &info, sizeof(info)) == (ssize_t) sizeof(info))
		loop->signal_call(loop->signal_state, info.ssi_signo);
}

void
am_loop_init(AmLoop *loop)
{
	*loop = (AmLoop){.epoll_fd = -1};
	am_watch_init(&loop->ticker, ticker_called, loop);
	am_watch_init(&loop->signals, signals_called, loop);
	am_watch_init(&loop->waker, waker_called, loop);
}

bool
am_loop_is_open(const AmLoop *loop)
{
	return loop->epoll_fd >= 0;
}

bool
am_loop_open(AmLoop *loop)
{
	int fd;

	am_loop_init(loop);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return false;
	fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (fd >= 0 && am_loop_watch(loop, &loop->waker, fd, AM_WATCH_READ))
		return true;
	if (fd >= 0)
		(void) close(fd);
	am_loop_close(loop);
	return false;
}

static void
owned_close(AmWatch *watch)
{
	if (watch->fd >= 0)
		(void) close(watch->fd);
	watch->fd = -1;
}

void
am_loop_close(AmLoop *loop)
{
	owned_close(&loop->ticker);
	owned_close(&loop->signals);
	owned_close(&loop->waker);
	if (loop->epoll_fd >= 0)
		(void) close(loop->epoll_fd);
	loop->epoll_fd = -1;
}

bool
am_loop_watch(AmLoop *loop, AmWatch *watch, int fd, unsigned events)
{
	struct epoll_event event = {.data.ptr = watch};

	if (watch->fd == fd && watch->events == events)
		return true;
	if (watch->fd >= 0 && watch->fd != fd)
		am_loop_unwatch(loop, watch);
	if ((events & AM_WATCH_READ) != 0)
		event.events |= EPOLLIN;
	if ((events & AM_WATCH_WRITE) != 0)
		event.events |= EPOLLOUT;
	if (epoll_ctl(loop->epoll_fd, watch->fd < 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) != 0)
		return false;
	watch->fd = fd;
	watch->events = events;
	return true;
}

void
am_loop_unwatch(AmLoop *loop, AmWatch *watch)
{
	struct epoll_event unused = {0};

	/* a closed descriptor has left the set by itself: EBADF and ENOENT are fine */
	if (watch->fd >= 0)
		(void) epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, &unused);
	watch->fd = -1;
	watch->events = 0;
}

bool
am_loop_tick_every(AmLoop *loop, int interval_ms, AmWatchCall call, void *state)
{
	struct timespec interval = {
		.tv_sec = interval_ms / 1000,
		.tv_nsec = (long) (interval_ms % 1000) * 1000000,
	};
	struct itimerspec timer = {.it_interval = interval, .it_value = interval};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0)
		return false;
	loop->tick_call = call;
	loop->tick_state = state;
	if (timerfd_settime(fd, 0, &timer, NULL) == 0 &&
		am_loop_watch(loop, &loop->ticker, fd, AM_WATCH_READ))
		return true;
	(void) close(fd);
	return false;
}

static void
signals_taken(sigset_t *set)
{
	(void) sigemptyset(set);
	(void) sigaddset(set, SIGTERM);
	(void) sigaddset(set, SIGINT);
	(void) sigaddset(set, SIGHUP);
}

bool
am_loop_signals_block(void)
{
	sigset_t set;

	signals_taken(&set);
	return pthread_sigmask(SIG_BLOCK, &set, NULL) == 0;
}

bool
am_loop_take_signals(AmLoop *loop, AmWatchCall call, void *state)
{
	sigset_t set;
	int fd;

	signals_taken(&set);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return false;
	loop->signal_call = call;
	loop->signal_state = state;
	if (am_loop_watch(loop, &loop->signals, fd, AM_WATCH_READ))
		return true;
	(void) close(fd);
	return false;
}

void
am_loop_wake(AmLoop *loop)
{
	uint64_t one = 1;

	/* a full counter means that a wake-up is pending anyway */
	if (write(loop->waker.fd, &one, sizeof(one)) < 0)
		return;
}

static unsigned
events_of(uint32_t polled)
{
	unsigned events = 0;

	if ((polled & EPOLLIN) != 0)
		events |= AM_WATCH_READ;
	if ((polled & EPOLLOUT) != 0)
		events |= AM_WATCH_WRITE;
	if ((polled & (EPOLLERR | EPOLLHUP)) != 0)
		events |= AM_WATCH_LOST;
	return events;
}

bool
am_loop_wait(AmLoop *loop, int timeout_ms)
{
	struct epoll_event event[AM_LOOP_EVENTS_MAX];
	int count = epoll_wait(loop->epoll_fd, event, AM_LOOP_EVENTS_MAX, timeout_ms);

	if (count < 0)
		return errno == EINTR;
	for (int i = 0; i < count; i++)
	{
		AmWatch *watch = event[i].data.ptr;

		if (watch->fd >= 0)
			watch->call(watch->state, events_of(event[i].events));
	}
	return true;
}

int64_t
am_loop_now_us(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
