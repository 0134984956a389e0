/*
 * key_report.c
 *
 * The SQL functions that only look at the signing keys.
 */
#include "compat.h"

#include "clock.h"
#include "crypto/secret.h"
#include "key_material.h"
#include "seal.h"

#define LIST_COLUMNS 11

PG_FUNCTION_INFO_V1(authmeter_key_list);
PG_FUNCTION_INFO_V1(authmeter_key_compare);

static void
key_put(ReturnSetInfo *rsinfo, const AmKey *key, bool signs, TimestampTz now)
{
	bool retires = key->retires_at != DT_NOEND;
	bool sealed = key->sealed != NULL;
	Datum values[LIST_COLUMNS] = {
		CStringGetTextDatum(key->ring),
		CStringGetTextDatum(key->kid),
		CStringGetTextDatum(amc_alg_name(key->alg)),
		CStringGetTextDatum(am_key_state_name(am_key_state(key, now))),
		BoolGetDatum(signs),
		BoolGetDatum(key->kid_in_header),
		BoolGetDatum(key->verify_only),
		TimestampTzGetDatum(key->created_at),
		TimestampTzGetDatum(key->activates_at),
		TimestampTzGetDatum(key->retires_at),
		Int32GetDatum(sealed ? (int32) am_seal_version(key->sealed) : 0),
	};
	bool nulls[LIST_COLUMNS] = {[LIST_COLUMNS - 2] = !retires, [LIST_COLUMNS - 1] = !sealed};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* authmeter.key_list() */
Datum
authmeter_key_list(PG_FUNCTION_ARGS)
{
	TimestampTz now = am_clock_now();
	AmRing *rings;
	int count;
	int i;
	int k;

	am_compat_srf_begin(fcinfo);
	rings = am_ring_all(&count);
	for (i = 0; i < count; i++)
	{
		const AmKey *signer = am_ring_signer(&rings[i], now);

		for (k = 0; k < rings[i].count; k++)
			key_put((ReturnSetInfo *) fcinfo->resultinfo, &rings[i].keys[k],
					&rings[i].keys[k] == signer, now);
	}
	return (Datum) 0;
}

static bool
has_live_key(const AmRing *ring, TimestampTz now)
{
	int i;

	for (i = 0; ring != NULL && i < ring->count; i++)
		if (am_key_verifies(&ring->keys[i], now))
			return true;
	return false;
}

/* authmeter.key_compare(ring, secret, alg) */
Datum
authmeter_key_compare(PG_FUNCTION_ARGS)
{
	TimestampTz now = am_clock_now();
	AmKeyMaterial material;
	text *ring_name;
	text *secret;
	text *alg;
	AmRing *ring;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("ring, secret and alg must not be null"));
	ring_name = PG_GETARG_TEXT_PP(0);
	secret = PG_GETARG_TEXT_PP(1);
	alg = PG_GETARG_TEXT_PP(2);
	if ((Pointer) secret != PG_GETARG_POINTER(1))
		am_secret_watch(CurrentMemoryContext, secret, VARSIZE_ANY(secret));
	am_key_material_read(amc_alg_parse(VARDATA_ANY(alg), VARSIZE_ANY_EXHDR(alg)),
						 VARDATA_ANY(secret), VARSIZE_ANY_EXHDR(secret), &material);
	ring = am_ring_find(VARDATA_ANY(ring_name), VARSIZE_ANY_EXHDR(ring_name));
	if (!has_live_key(ring, now))
		return CStringGetTextDatum("absent");
	return CStringGetTextDatum(am_key_material_find(&material, ring, now) != NULL ? "present"
																				  : "differs");
}
