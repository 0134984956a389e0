/*
 * meter.c
 *
 * The backend's copy of authmeter.meter, a hash by name. See cache.h for what invalidates it.
 */
#include "compat.h"

#include "utils/array.h"
#include "utils/hsearch.h"

#include "cache.h"
#include "meter.h"
#include "spi.h"

static void meters_load(MemoryContext cxt);

static AmCache cache = {.relation = "meter", .load = meters_load};
static HTAB *meters = NULL;
static AmPlan load_plan = {"SELECT id, name, thresholds FROM authmeter.meter", 0, {0}, NULL};

static void
thresholds_copy(AmMeter *meter, ArrayType *array)
{
	Datum *values;
	int i;

	deconstruct_array(array, INT8OID, 8, FLOAT8PASSBYVAL, 'd', &values, NULL,
					  &meter->thresholds_count);
	if (meter->thresholds_count > AM_METER_THRESHOLDS_MAX)
		meter->thresholds_count = AM_METER_THRESHOLDS_MAX;
	for (i = 0; i < meter->thresholds_count; i++)
		meter->thresholds[i] = DatumGetInt64(values[i]);
}

static void
meters_load(MemoryContext cxt)
{
	HASHCTL ctl = {
		.keysize = AM_METER_NAME_BYTES_MAX + 1, .entrysize = sizeof(AmMeter), .hcxt = cxt};
	uint64 rows;
	uint64 i;

	meters = NULL;
	rows = am_spi_read_latest(&load_plan, NULL, NULL, 0);
	meters = hash_create("authmeter meters", 64, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	for (i = 0; i < rows; i++)
	{
		AmMeter *meter = hash_search(meters, am_spi_text(i, 2, NULL), HASH_ENTER, NULL);

		meter->id = am_spi_int32(i, 1);
		thresholds_copy(meter, DatumGetArrayTypeP(am_spi_datum(i, 3)));
	}
}

bool
am_meter_find(const char *name, Size name_bytes, AmMeter *meter)
{
	char key[AM_METER_NAME_BYTES_MAX + 1];
	const AmMeter *found;

	if (name_bytes == 0 || name_bytes > AM_METER_NAME_BYTES_MAX)
		return false;
	memcpy(key, name, name_bytes);
	key[name_bytes] = '\0';
	am_cache_ensure(&cache);
	found = meters == NULL ? NULL : hash_search(meters, key, HASH_FIND, NULL);
	if (found != NULL)
		*meter = *found;
	return found != NULL;
}

int
am_meter_crossed(const AmMeter *meter, int64 value, int64 amount, int64 *crossed)
{
	int count = 0;
	int i;

	for (i = 0; i < meter->thresholds_count; i++)
		if (meter->thresholds[i] > value - amount && meter->thresholds[i] <= value)
			crossed[count++] = meter->thresholds[i];
	return count;
}
