/*
 * rate_policy.c
 *
 * The backend's copy of authmeter.rate_policy. See cache.h for what invalidates it.
 */
#include "compat.h"

#include "cache.h"
#include "rate_policy.h"
#include "spi.h"

#define COUNTER_PREFIX "policy/"
#define ANY            "*"

static void policies_load(MemoryContext cxt);

static AmCache cache = {.relation = "rate_policy", .load = policies_load};
static AmRatePolicy *policies = NULL;
static int policies_count = 0;

static AmPlan load_plan = {"SELECT name, api, route_group, key, rate, burst "
						   "FROM authmeter.rate_policy ORDER BY name COLLATE pg_catalog.\"C\"",
						   0,
						   {0},
						   NULL};

AmLimitKey
am_limit_key_lookup(const char *name)
{
	static const char *const names[] = {
#define X(name, text) text,
		AM_LIMIT_KEYS(X)
#undef X
	};
	int key;

	for (key = 0; key < AM_LIMIT_KEY_COUNT; key++)
		if (strcmp(names[key], name) == 0)
			break;
	return (AmLimitKey) key;
}

/* False when this version cannot read the row, which rate_policy_set would not have stored. */
static bool
policy_read(uint64 row, AmRatePolicy *policy, MemoryContext cxt)
{
	const char *rate = am_spi_text(row, 5, NULL);
	MemoryContext old;

	policy->name = am_spi_text(row, 1, cxt);
	policy->api = am_spi_text(row, 2, cxt);
	policy->route_group = am_spi_text(row, 3, cxt);
	policy->key = am_limit_key_lookup(am_spi_text(row, 4, NULL));
	policy->limit.burst = am_spi_null(row, 6) ? 0 : am_spi_int64(row, 6);
	old = MemoryContextSwitchTo(cxt);
	policy->counter = psprintf(COUNTER_PREFIX "%s", policy->name);
	MemoryContextSwitchTo(old);
	return policy->key != AM_LIMIT_KEY_COUNT &&
		   amc_rate_parse(rate, strlen(rate), &policy->limit.rate);
}

static void
policies_load(MemoryContext cxt)
{
	uint64 rows;
	uint64 i;

	policies_count = 0;
	rows = am_spi_read_latest(&load_plan, NULL, NULL, 0);
	policies = MemoryContextAllocZero(cxt, sizeof(AmRatePolicy) * (rows + 1));
	for (i = 0; i < rows; i++)
	{
		if (policy_read(i, &policies[policies_count], cxt))
			policies_count++;
		else
			ereport(WARNING, errcode(ERRCODE_AM_SETTING_INVALID),
					errmsg("stored rate policy \"%s\" is ignored", policies[policies_count].name),
					errhint("Set it again with authmeter.rate_policy_set."));
	}
}

const AmRatePolicy *
am_rate_policies(int *count)
{
	am_cache_ensure(&cache);
	*count = policies_count;
	return policies;
}

bool
am_rate_policy_covers(const AmRatePolicy *policy, const char *api, const char *route_group)
{
	return (strcmp(policy->api, ANY) == 0 || strcmp(policy->api, api) == 0) &&
		   (strcmp(policy->route_group, ANY) == 0 || strcmp(policy->route_group, route_group) == 0);
}
