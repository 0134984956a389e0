/*
 * shmem.h
 *
 * Shared memory, present only when the library is preloaded. Each noun that wants some declares an
 * AmShmemPart; this file asks for the space, attaches, and hands out locks.
 */
#ifndef AM_SHMEM_H
#define AM_SHMEM_H

#include "compat.h"

#include "storage/lwlock.h"

typedef struct AmShmemPart
{
	const char *name;         /* unique, shown in pg_shmem_allocations */
	int locks;                /* LWLocks wanted */
	Size (*size)(void);       /* bytes wanted; called after the server settings are known */
	void (*init)(void *part); /* fills fresh memory; called once a server start */
	void *memory;             /* set at attach; NULL when not preloaded */
	LWLockPadded *lock;       /* the part's locks, NULL when not preloaded */
} AmShmemPart;

/* Installs the hooks when the library is being preloaded; called once from _PG_init. */
extern void am_shmem_define(void);

/* True when the library was preloaded and shared memory is attached. */
extern bool am_shmem_available(void);

#endif
