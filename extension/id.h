/*
 * id.h
 *
 * Ids: UUID version 7 (RFC 9562 section 5.7) with the user's partition in rand_a. See core/uuid7.h
 * for the layout.
 */
#ifndef AM_ID_H
#define AM_ID_H

#include "compat.h"

/* For an id that belongs to no user. */
#define AM_ID_PARTITION_ANY (-1)

/*
 * A new id with the time of am_clock_now(). partition is 0..4095, or AM_ID_PARTITION_ANY for a
 * random one. Ids of one millisecond are in no particular order. Raises AM_CRYPTO_FAILED when no
 * random bytes can be had.
 */
extern pg_uuid_t am_id_new(int partition);

/* Partition of a user's id, 0..4095; AM_ID_PARTITION_ANY when it is NULL or no UUIDv7. */
extern int am_id_partition(const pg_uuid_t *id);

#endif
