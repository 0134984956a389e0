/*
 * housekeeper.h
 *
 * The background worker that does housekeeping in every database that has the extension.
 */
#ifndef AM_HOUSEKEEPER_H
#define AM_HOUSEKEEPER_H

#include "compat.h"

#include "shmem.h"

extern AmShmemPart am_housekeeper_shmem;

/* Registers the worker when the library is being preloaded; called once from _PG_init. */
extern void am_housekeeper_define(void);

#endif
