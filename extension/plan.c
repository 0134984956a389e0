/*
 * plan.c
 *
 * Subscriptions and features, for functions in C, and period_at for SQL.
 *
 * Features of published versions never change, so each backend keeps copies of those it has met, by
 * version and name. Another backend only ever adds rows; the copies are dropped nevertheless when
 * the table is touched (cache.h), which also covers an extension that is dropped and made anew.
 * Subscriptions are read each time: one index look-up.
 */
#include "compat.h"

#include "utils/array.h"
#include "utils/hsearch.h"

#include "cache.h"
#include "plan.h"
#include "row.h"
#include "spi.h"

/* Copies a backend keeps; beyond, it begins anew. */
#define FEATURES_MAX 4096

#define UNIX_EPOCH_US ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

PG_FUNCTION_INFO_V1(authmeter_period_at);

static void features_reset(MemoryContext cxt);

static AmCache cache = {.relation = "plan_feature", .load = features_reset};
static HTAB *features = NULL;

static AmPlan subscription_plan = {
	"SELECT s.plan_version_id, s.anchor, s.since, s.started_at FROM authmeter.subscription s "
	"WHERE s.user_id" AM_EQ "$1 AND s.started_at" AM_LE "$2 AND s.ends_at" AM_GT "$2 "
	"ORDER BY s.started_at DESC LIMIT 1",
	2,
	{UUIDOID, TIMESTAMPTZOID},
	NULL};

static AmPlan feature_plan = {
	"SELECT f.kind" AM_EQ "'metered', f.meter_id, f.quota, f.enforcement" AM_EQ "'hard', f.period, "
	"f.rollover_max, f.thresholds FROM authmeter.plan_feature f "
	"WHERE f.plan_version_id" AM_EQ "$1 AND f.feature" AM_EQ "$2",
	2,
	{INT4OID, TEXTOID},
	NULL};

bool
am_subscription_find(const pg_uuid_t *user, TimestampTz at, AmSubscription *found)
{
	Datum values[2] = {UUIDPGetDatum(user), TimestampTzGetDatum(at)};

	if (am_spi_read_latest(&subscription_plan, values, NULL, 1) == 0)
		return false;
	found->plan_version_id = am_spi_int32(0, 1);
	found->anchor = am_spi_timestamptz(0, 2);
	found->since = am_spi_timestamptz(0, 3);
	found->started_at = am_spi_timestamptz(0, 4);
	return true;
}

static void
features_reset(MemoryContext cxt)
{
	HASHCTL ctl = {.keysize = sizeof(AmFeatureKey), .entrysize = sizeof(AmFeature), .hcxt = cxt};

	features = NULL;
	features = hash_create("authmeter features", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
thresholds_copy(AmFeature *feature, ArrayType *array)
{
	Datum *values;
	int i;

	deconstruct_array(array, INT4OID, 4, true, 'i', &values, NULL, &feature->thresholds_count);
	feature->thresholds_count = Min(feature->thresholds_count, AM_FEATURE_THRESHOLDS_MAX);
	for (i = 0; i < feature->thresholds_count; i++)
		feature->thresholds[i] = DatumGetInt32(values[i]);
}

/* The row that was just read. */
static void
feature_fill(AmFeature *feature)
{
	char *period;

	feature->metered = am_spi_bool(0, 1);
	if (!feature->metered)
		return;
	feature->meter_id = am_spi_int32(0, 2);
	feature->limited = !am_spi_null(0, 3);
	feature->limit = feature->limited ? am_spi_int64(0, 3) : 0;
	feature->hard = am_spi_bool(0, 4);
	period = am_spi_text(0, 5, NULL);
	if (!amc_period_parse((amc_span){period, strlen(period)}, &feature->period))
		ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR), errmsg("unknown period of a feature"));
	feature->rollover_max = am_spi_int64(0, 6);
	thresholds_copy(feature, DatumGetArrayTypeP(am_spi_datum(0, 7)));
}

bool
am_feature_find(int32 plan_version_id, const char *name, Size name_bytes, AmFeature *feature)
{
	AmFeature *kept;
	Datum values[2] = {Int32GetDatum(plan_version_id), (Datum) 0};

	if (name_bytes == 0 || name_bytes > AM_FEATURE_NAME_BYTES_MAX)
		return false;
	memset(feature, 0, sizeof(*feature));
	feature->key.plan_version_id = plan_version_id;
	memcpy(feature->key.name, name, name_bytes);
	am_cache_ensure(&cache);
	kept = hash_search(features, &feature->key, HASH_FIND, NULL);
	if (kept != NULL)
	{
		*feature = *kept;
		return true;
	}
	values[1] = CStringGetTextDatum(feature->key.name);
	if (am_spi_read_latest(&feature_plan, values, NULL, 1) == 0)
		return false;
	feature_fill(feature);
	if (hash_get_num_entries(features) >= FEATURES_MAX)
	{
		MemoryContextReset(cache.cxt);
		features_reset(cache.cxt);
	}
	kept = hash_search(features, &feature->key, HASH_ENTER, NULL);
	*kept = *feature;
	return true;
}

TimestampTz
am_period_timestamp(int64 us)
{
	return us == AMC_PERIOD_NEVER ? DT_NOEND : us - UNIX_EPOCH_US;
}

int64
am_period_us(TimestampTz at)
{
	/* Infinity stays out of every range instead of wrapping into it. */
	return at > PG_INT64_MAX - UNIX_EPOCH_US ? PG_INT64_MAX : at + UNIX_EPOCH_US;
}

bool
am_period_at(amc_period_unit unit, TimestampTz anchor, TimestampTz at, amc_period *period)
{
	return amc_period_at(unit, am_period_us(anchor), am_period_us(at), period);
}

/* authmeter.period_at(period, anchor, at) */
Datum
authmeter_period_at(PG_FUNCTION_ARGS)
{
	text *name = PG_GETARG_TEXT_PP(0);
	amc_span span = {VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)};
	bool nulls[3] = {false};
	Datum row[3];
	amc_period_unit unit;
	amc_period period;

	if (!amc_period_parse(span, &unit))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID), errmsg("unknown period"),
				errhint("The periods are hour, day, week, month, year and lifetime."));
	if (!am_period_at(unit, PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_TIMESTAMPTZ(2), &period))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID), errmsg("time is out of range"),
				errhint("Periods are computed for the years 1 to 9999."));
	row[0] = Int64GetDatum(period.number);
	row[1] = TimestampTzGetDatum(am_period_timestamp(period.start_us));
	row[2] = TimestampTzGetDatum(am_period_timestamp(period.end_us));
	return am_row(fcinfo, row, nulls);
}
