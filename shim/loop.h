/*-------------------------------------------------------------------------
 *
 * loop.h
 *	  One event loop: descriptors, a ticker, signals, a wake-up.
 *
 * Only loop.c knows epoll.  An AmWatch is memory of the caller that must stay
 * where it is while it is watched; a watch that is taken away during a wait is
 * not called any more in that wait.  Calls may come without cause (another
 * descriptor of the same number), so callees use non-blocking calls only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_LOOP_H
#define AM_SHIM_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#define AM_WATCH_READ  0x1u
#define AM_WATCH_WRITE 0x2u
#define AM_WATCH_LOST  0x4u /* error or hang-up; told also when not asked for */

typedef void (*AmWatchCall)(void *state, unsigned events);

typedef struct AmWatch
{
	int fd; /* -1 = not watched */
	unsigned events;
	AmWatchCall call;
	void *state;
} AmWatch;

typedef struct AmLoop
{
	int epoll_fd;
	AmWatch ticker;  /* owns its timerfd */
	AmWatch signals; /* owns its signalfd; fd -1 in loops without signals */
	AmWatch waker;   /* owns its eventfd */
	AmWatchCall signal_call;
	AmWatchCall tick_call;
	void *tick_state;
	void *signal_state;
} AmLoop;

/* Initial value of a watch. */
extern void am_watch_init(AmWatch *watch, AmWatchCall call, void *state);

/* A loop that is closed: am_loop_close is harmless. */
extern void am_loop_init(AmLoop *loop);

/* Opens the loop with its waker.  False with errno otherwise. */
extern bool am_loop_open(AmLoop *loop);

extern bool am_loop_is_open(const AmLoop *loop);

/* Closes everything the loop owns; watched descriptors stay open. */
extern void am_loop_close(AmLoop *loop);

/* Watches fd (>= 0) for events, or changes what an active watch waits for. */
extern bool am_loop_watch(AmLoop *loop, AmWatch *watch, int fd, unsigned events);

/* Ends a watch; harmless when there is none.  The descriptor may be closed already. */
extern void am_loop_unwatch(AmLoop *loop, AmWatch *watch);

/* Calls call every interval_ms. */
extern bool am_loop_tick_every(AmLoop *loop, int interval_ms, AmWatchCall call, void *state);

/*
 * Takes SIGTERM, SIGINT, SIGHUP from now on: call gets the number as events.
 * They must be blocked in every thread (am_loop_signals_block).
 */
extern bool am_loop_take_signals(AmLoop *loop, AmWatchCall call, void *state);
extern bool am_loop_signals_block(void);

/* Makes am_loop_wait return; may be called by any thread. */
extern void am_loop_wake(AmLoop *loop);

/*
 * Waits up to timeout_ms (0 = look only) and calls what is due.  False only if
 * epoll itself fails.
 */
extern bool am_loop_wait(AmLoop *loop, int timeout_ms);

/* CLOCK_MONOTONIC in microseconds. */
extern int64_t am_loop_now_us(void);

#endif /* AM_SHIM_LOOP_H */
