/*-------------------------------------------------------------------------
 *
 * process.c
 *	  Figures of the process itself; see process.h.
 *
 *-------------------------------------------------------------------------
 */
#include "process.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* The second number of /proc/self/statm is the resident size in pages (proc(5)). */
static int64_t
resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long page_bytes = sysconf(_SC_PAGESIZE);
	char line[256];
	char *total_end;
	char *resident_end;
	long long resident;
	bool read;

	if (file == NULL)
		return -1;
	read = fgets(line, sizeof(line), file) != NULL;
	(void) fclose(file);
	if (!read || page_bytes <= 0)
		return -1;
	(void) strtoll(line, &total_end, 10);
	resident = strtoll(total_end, &resident_end, 10);
	return resident_end > total_end ? resident * page_bytes : -1;
}

static int64_t
time_us(const struct timeval *time)
{
	return (int64_t) time->tv_sec * 1000000 + time->tv_usec;
}

static int64_t
cpu_us(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return -1;
	return time_us(&usage.ru_utime) + time_us(&usage.ru_stime);
}

static int64_t
open_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	const struct dirent *entry;
	int64_t count = 0;

	if (directory == NULL)
		return -1;
	while ((entry = readdir(directory)) != NULL)
	{
		if (entry->d_name[0] != '.')
			count++;
	}
	(void) closedir(directory);
	return count - 1; /* the directory's own */
}

static int64_t
max_fds(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return -1;
	return (int64_t) limit.rlim_cur;
}

AmProcessFigures
am_process_figures(void)
{
	AmProcessFigures figures = {
		.resident_bytes = resident_bytes(),
		.cpu_us = cpu_us(),
		.open_fds = open_fds(),
		.max_fds = max_fds(),
	};

	return figures;
}
