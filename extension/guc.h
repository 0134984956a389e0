/*
 * guc.h
 *
 * Server settings: the few that must be known before a table can be read, or that only a superuser
 * may touch. Their names, ranges and meanings stand in setting_list.h with all the others.
 */
#ifndef AM_GUC_H
#define AM_GUC_H

#include "compat.h"

extern char *am_guc_master_key_file;
extern double am_guc_clock_offset_s;
extern int am_guc_housekeeping_interval_s;
extern int am_guc_rate_slots;

/* Defines all server settings; called once from _PG_init. */
extern void am_guc_define(void);

#endif
