/*
 * usage.h
 *
 * Counting for endpoints in C, below the SQL functions of usage.c.
 */
#ifndef AM_USAGE_H
#define AM_USAGE_H

#include "compat.h"

/*
 * Adds amount (0 or more; 0 only reads) to a user's counter, which gets a row if it has none, and
 * sets *value to the new total. Returns NULL, or the refusal: user_unknown, overflow. SPI is
 * connected. Whoever counts several meters of one user does so in ascending order of their ids, or
 * parallel callers may deadlock.
 */
extern const char *am_usage_counter_add(const pg_uuid_t *user, int32 meter_id, int64 amount,
										int64 *value);

#endif
