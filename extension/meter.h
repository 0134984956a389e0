/*
 * meter.h
 *
 * Meters: what is counted. A row of authmeter.meter each, cached by every backend.
 */
#ifndef AM_METER_H
#define AM_METER_H

#include "compat.h"

#define AM_METER_NAME_BYTES_MAX 63
#define AM_METER_THRESHOLDS_MAX 16

typedef struct AmMeter
{
	char name[AM_METER_NAME_BYTES_MAX + 1]; /* hash key */
	int32 id;
	int thresholds_count;
	int64 thresholds[AM_METER_THRESHOLDS_MAX]; /* ascending, each above 0 */
} AmMeter;

/* Copies the meter of that name (not NUL-terminated); false when there is none. */
extern bool am_meter_find(const char *name, Size name_bytes, AmMeter *meter);

#endif
