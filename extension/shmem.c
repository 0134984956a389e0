/*
 * shmem.c
 *
 * Requests and attaches the shared memory of every part. Not being preloaded is a supported state:
 * nothing is hooked then, part->memory stays NULL and am_shmem_available() says so. A crash of any
 * backend makes the postmaster start afresh with empty memory, so what must outlast that has its
 * durable count in a table.
 */
#include "compat.h"

#include "storage/ipc.h"
#include "storage/shmem.h"

#include "housekeeper.h"
#include "ratelimit.h"
#include "shmem.h"

static AmShmemPart *const parts[] = {&am_housekeeper_shmem, &am_ratelimit_shmem};

static bool attached = false;
static shmem_startup_hook_type previous_startup = NULL;
#if AM_HAVE_SHMEM_REQUEST_HOOK
static shmem_request_hook_type previous_request = NULL;
#endif

static void
parts_request(void)
{
	int i;

	for (i = 0; i < (int) lengthof(parts); i++)
	{
		RequestAddinShmemSpace(MAXALIGN(parts[i]->size()));
		RequestNamedLWLockTranche(parts[i]->name, parts[i]->locks);
	}
}

#if AM_HAVE_SHMEM_REQUEST_HOOK
static void
shmem_request(void)
{
	if (previous_request != NULL)
		previous_request();
	parts_request();
}
#endif

static void
shmem_startup(void)
{
	int i;

	if (previous_startup != NULL)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (i = 0; i < (int) lengthof(parts); i++)
	{
		bool found;

		parts[i]->memory = ShmemInitStruct(parts[i]->name, parts[i]->size(), &found);
		parts[i]->lock = GetNamedLWLockTranche(parts[i]->name);
		if (!found)
			parts[i]->init(parts[i]->memory);
	}
	LWLockRelease(AddinShmemInitLock);
	attached = true;
}

void
am_shmem_define(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
#if AM_HAVE_SHMEM_REQUEST_HOOK
	previous_request = shmem_request_hook;
	shmem_request_hook = shmem_request;
#else
	parts_request();
#endif
}

bool
am_shmem_available(void)
{
	return attached;
}
