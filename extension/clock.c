/*
 * clock.c
 *
 * The one source of time: the real clock, shifted by a superuser-only offset for tests. Expiry must
 * count inside a long transaction, hence never now().
 */
#include "compat.h"

#include "clock.h"
#include "guc.h"

#define UNIX_EPOCH_S ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

PG_FUNCTION_INFO_V1(authmeter_clock);

TimestampTz
am_clock_now(void)
{
	TimestampTz now = GetCurrentTimestamp();

	if (am_guc_clock_offset_s != 0.0)
		now += (TimestampTz) (am_guc_clock_offset_s * USECS_PER_SEC);
	return now;
}

int64
am_clock_unix_ms(TimestampTz at)
{
	return at / 1000 + UNIX_EPOCH_S * 1000;
}

int64
am_clock_unix_ns(TimestampTz at)
{
	int64 us = at + UNIX_EPOCH_S * USECS_PER_SEC;

	if (us > PG_INT64_MAX / 1000)
		return PG_INT64_MAX;
	return us < PG_INT64_MIN / 1000 ? PG_INT64_MIN : us * 1000;
}

int64
am_clock_unix_s(TimestampTz at)
{
	int64 us = at + UNIX_EPOCH_S * USECS_PER_SEC;

	return us >= 0 ? us / USECS_PER_SEC : -((-us + USECS_PER_SEC - 1) / USECS_PER_SEC);
}

TimestampTz
am_clock_from_unix_s(int64 unix_s)
{
	return (unix_s - UNIX_EPOCH_S) * USECS_PER_SEC;
}

/* authmeter.clock() returns the time every function of authmeter decides by. */
Datum
authmeter_clock(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(am_clock_now());
}
