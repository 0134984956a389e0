/*
 * id.c
 *
 * Ids of users and of everything that belongs to them. An id is made here from the clock, a
 * partition and 62 random bits, without a sequence: no id is a bottleneck and none can be guessed.
 */
#include "compat.h"

#include "clock.h"
#include "core/uuid7.h"
#include "id.h"

PG_FUNCTION_INFO_V1(authmeter_id_new);
PG_FUNCTION_INFO_V1(authmeter_id_partition);

StaticAssertDecl(UUID_LEN == AMC_UUID_BYTES, "a UUID has one size");

pg_uuid_t
am_id_new(int partition)
{
	uint8 random[10];
	int64 unix_ms = am_clock_unix_ms(am_clock_now());
	pg_uuid_t id;

	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR, errcode(ERRCODE_AM_CRYPTO_FAILED),
				errmsg("could not generate random bytes for an id"));
	if (partition == AM_ID_PARTITION_ANY)
		partition = (random[8] << 8 | random[9]) % AMC_PARTITION_COUNT;
	if (unix_ms < 0 || !amc_uuid7_make((uint64_t) unix_ms, (unsigned) partition, random, id.data))
		ereport(ERROR, errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				errmsg("time or partition of an id is out of range"));
	return id;
}

int
am_id_partition(const pg_uuid_t *id)
{
	if (id == NULL || !amc_uuid7_valid(id->data))
		return AM_ID_PARTITION_ANY;
	return (int) amc_uuid7_partition(id->data);
}

/* authmeter.id_new(user_id) returns an id that lives where the user lives. */
Datum
authmeter_id_new(PG_FUNCTION_ARGS)
{
	pg_uuid_t *id = palloc(sizeof(*id));

	*id = am_id_new(am_id_partition(PG_ARGISNULL(0) ? NULL : PG_GETARG_UUID_P(0)));
	PG_RETURN_UUID_P(id);
}

/* authmeter.id_partition(id) returns 0..4095, or NULL for an id that authmeter did not make. */
Datum
authmeter_id_partition(PG_FUNCTION_ARGS)
{
	int partition = am_id_partition(PG_GETARG_UUID_P(0));

	if (partition == AM_ID_PARTITION_ANY)
		PG_RETURN_NULL();
	PG_RETURN_INT32(partition);
}
