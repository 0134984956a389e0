/*
 * guc.c
 *
 * Definition of the server settings. A setting holds a path, a size or a switch, never a secret:
 * SHOW would print it.
 */
#include "compat.h"

#include "utils/guc.h"

#include "guc.h"
#include "setting.h"

/* One day short of 100 years either way: far enough for every expiry test. */
#define CLOCK_OFFSET_S_MAX 3155587200.0

char *am_guc_master_key_file = NULL;
double am_guc_clock_offset_s = 0.0;
int am_guc_housekeeping_interval_s = 0;
int am_guc_rate_slots = 0;

void
am_guc_define(void)
{
	/* A late load may not add a PGC_POSTMASTER setting; this one is idle then. */
	GucContext context = process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP;

	DefineCustomRealVariable("authmeter.clock_offset_s",
							 am_setting_meaning(AM_SETTING_CLOCK_OFFSET_S), NULL,
							 &am_guc_clock_offset_s, 0.0, -CLOCK_OFFSET_S_MAX, CLOCK_OFFSET_S_MAX,
							 PGC_SUSET, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
	DefineCustomIntVariable("authmeter.housekeeping_interval_s",
							am_setting_meaning(AM_SETTING_HOUSEKEEPING_INTERVAL_S), NULL,
							&am_guc_housekeeping_interval_s, 60, 0, 86400, PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomStringVariable(
		"authmeter.master_key_file", am_setting_meaning(AM_SETTING_MASTER_KEY_FILE), NULL,
		&am_guc_master_key_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomIntVariable("authmeter.rate_slots", am_setting_meaning(AM_SETTING_RATE_SLOTS), NULL,
							&am_guc_rate_slots, 65536, 1024, 16777216, context, 0, NULL, NULL,
							NULL);
	am_compat_guc_prefix_reserve("authmeter");
}
