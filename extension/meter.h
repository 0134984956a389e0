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

/*
 * The thresholds that a counter reached or passed when amount brought it to value, into crossed
 * (room for AM_METER_THRESHOLDS_MAX); returns their number.
 */
extern int am_meter_crossed(const AmMeter *meter, int64 value, int64 amount, int64 *crossed);

#endif
