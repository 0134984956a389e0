/*
 * cache.c
 *
 * See cache.h for the protocol. Caches register themselves at their first use; one relation cache
 * callback serves them all.
 */
#include "compat.h"

#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "storage/sinval.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "cache.h"
#include "spi.h"

/* A load that is overtaken by an invalidation is repeated, but not for ever. */
#define LOAD_ATTEMPTS_MAX 3

PG_FUNCTION_INFO_V1(authmeter_cache_invalidate);

static AmCache *caches = NULL;

static void
relation_changed(Datum arg, Oid relid)
{
	AmCache *cache;

	for (cache = caches; cache != NULL; cache = cache->next)
		if (relid == InvalidOid || relid == cache->relid)
			cache->stale_count++;
}

static void
cache_register(AmCache *cache)
{
	if (caches == NULL)
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	cache->cxt = AllocSetContextCreate(TopMemoryContext, "authmeter cache", ALLOCSET_SMALL_SIZES);
	cache->stale_count = 1;
	cache->next = caches;
	caches = cache;
}

static Oid
relation_oid(const char *relation)
{
	Oid schema = get_namespace_oid("authmeter", true);
	Oid relid = OidIsValid(schema) ? get_relname_relid(relation, schema) : InvalidOid;

	if (!OidIsValid(relid))
		ereport(ERROR, errcode(ERRCODE_AM_NOT_INSTALLED),
				errmsg("extension \"authmeter\" is not installed in this database"),
				errhint("Run CREATE EXTENSION authmeter CASCADE."));
	return relid;
}

static void
cache_load(AmCache *cache)
{
	uint64 stale_count = cache->stale_count;

	cache->relid = relation_oid(cache->relation);
	MemoryContextReset(cache->cxt);
	am_spi_begin();
	cache->load(cache->cxt);
	am_spi_end();
	cache->loaded_count = stale_count;
}

void
am_cache_ensure(AmCache *cache)
{
	int attempt;

	if (cache->cxt == NULL)
		cache_register(cache);
	/* A change committed meanwhile counts even inside a long transaction; costs one comparison. */
	AcceptInvalidationMessages();
	for (attempt = 0; cache->loaded_count != cache->stale_count; attempt++)
	{
		if (attempt == LOAD_ATTEMPTS_MAX)
			break;
		cache_load(cache);
	}
}

/* authmeter.cache_invalidate() is the statement trigger of every cached table. */
Datum
authmeter_cache_invalidate(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("function \"cache_invalidate\" was not called by a trigger manager"));
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	return PointerGetDatum(NULL);
}
