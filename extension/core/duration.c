/*
 * duration.c
 *		Durations as settings spell them.
 */
#include "core/duration.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct duration_unit
{
	amc_span name;
	int64_t ms;
} duration_unit;

/* Largest first: formatting takes the first that divides. */
static const duration_unit units[] = {
	{{"d", 1}, 86400000}, {{"h", 1}, 3600000}, {{"m", 1}, 60000}, {{"s", 1}, 1000}, {{"ms", 2}, 1},
};

#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))

bool
amc_duration_parse(const char *text, size_t len, int64_t *ms)
{
	int64_t value = 0;
	size_t at = 0;
	size_t i;

	while (at < len && text[at] >= '0' && text[at] <= '9')
	{
		value = value * 10 + (text[at++] - '0');
		if (value > AMC_DURATION_MS_MAX)
			return false;
	}
	if (at == 0)
		return false;
	for (i = 0; i < UNIT_COUNT; i++)
		if (amc_span_equals(units[i].name, text + at, len - at))
		{
			if (value > AMC_DURATION_MS_MAX / units[i].ms)
				return false;
			*ms = value * units[i].ms;
			return true;
		}
	return false;
}

size_t
amc_duration_format(int64_t ms, char out[AMC_DURATION_TEXT_BYTES])
{
	size_t i = 0;

	if (ms == 0)
		return (size_t) snprintf(out, AMC_DURATION_TEXT_BYTES, "0s");
	while (ms % units[i].ms != 0)
		i++;
	return (size_t) snprintf(out, AMC_DURATION_TEXT_BYTES, "%" PRId64 "%s", ms / units[i].ms,
							 units[i].name.ptr);
}
