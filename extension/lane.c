/*
 * lane.c
 *
 * What a backend does for the lane of the gateway that it serves. The slow lane hashes passwords,
 * 0.2 s of pure computation each; with the processors taken by logins, a metering call would wait
 * for its turn behind them. So backends of that lane give way: they lower their own priority,
 * which needs no privilege and cannot be taken back.
 *
 * A nice value, not SCHED_IDLE: a backend takes short locks in shared memory like any other, and
 * one that is never run while it holds one stops those it should give way to. At nice 10 it gets a
 * tenth of a processor that everybody else wants, so logins are slow under full load but not
 * starved.
 *
 * Linux with autogroups shares processors among sessions first, and every backend is a session of
 * its own: there the nice value of a process means nothing to other backends, and that of the
 * session's group has to be lowered as well (sched(7)). In a control group of its own, as under
 * systemd or in a container, the process's value counts.
 */
#include "compat.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "setting.h"
#include "sqlstate.h"

#define AUTOGROUP_FILE      "/proc/self/autogroup"
#define AUTOGROUP_TRIES_MAX 40 /* the kernel takes one change in 100 ms, of all processes */
#define AUTOGROUP_PAUSE_US  100000
#define NICE_BYTES          12

PG_FUNCTION_INFO_V1(authmeter_http_lane_enter);

/*
 * True unless the kernel asks to try again. Anything else that fails is no autogroups, or no
 * matter.
 */
static bool
autogroup_write(int nice_value)
{
	char text[NICE_BYTES];
	int length = snprintf(text, sizeof(text), "%d", nice_value);
	int fd = open(AUTOGROUP_FILE, O_WRONLY | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return true;
	done = write(fd, text, length) == length || errno != EAGAIN;
	close(fd);
	return done;
}

static void
autogroup_lower(int nice_value)
{
	/* somebody else's group, that of a server started by hand say, is not ours to change */
	if (getsid(0) != getpid())
		return;
	for (int i = 0; i < AUTOGROUP_TRIES_MAX && !autogroup_write(nice_value); i++)
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(AUTOGROUP_PAUSE_US);
	}
}

/* Returns the nice value that is in force. */
static int
priority_lower(int wanted)
{
	int present = getpriority(PRIO_PROCESS, 0);

	if (wanted <= present || setpriority(PRIO_PROCESS, 0, wanted) != 0)
		return present;
	autogroup_lower(wanted);
	return wanted;
}

/* authmeter_http.lane_enter(lane text) -> integer */
Datum
authmeter_http_lane_enter(PG_FUNCTION_ARGS)
{
	char *lane = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int wanted = 0;

	if (strcmp(lane, "slow") == 0)
		wanted = (int) am_setting_int(AM_SETTING_SLOW_LANE_NICE);
	else if (strcmp(lane, "fast") != 0 && strcmp(lane, "write") != 0)
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID), errmsg("unknown lane \"%s\"", lane),
				errhint("Lanes are fast, write and slow."));
	PG_RETURN_INT32(priority_lower(wanted));
}
