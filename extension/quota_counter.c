/*
 * quota_counter.c
 *
 * The counters of quotas: one row for a user, meter and period, made at the first touch. Nothing is
 * ever reset: a new period is a new row.
 *
 * Consuming is one conditional UPDATE, so what it decides is exact under any number of callers.
 * What rolls over is computed at the first touch of a period: the row before is made if it is
 * missing and marked closed, which waits for everybody who is consuming there; who comes later with
 * a clock read before the boundary finds it closed and consumes in the next period instead. Then
 * the new row is made with what was left, and never computed again. A row before is always locked
 * before the row after it.
 *
 * Thresholds are recorded in the transaction that reaches them, under the lock of the counter's
 * row, which remembers the highest one: each is recorded exactly once a period, also when units are
 * given back and consumed again, and not at all when the transaction rolls back.
 */
#include "compat.h"

#include "commands/async.h"

#include "clock.h"
#include "id.h"
#include "quota.h"
#include "spi.h"

/* First touches, closed periods and releases that come in between: each costs one attempt. */
#define TAKE_ATTEMPTS_MAX 8

#define COUNTER_IS \
	"user_id" AM_EQ "$1 AND meter_id" AM_EQ "$2 AND period" AM_EQ "$3 AND period_start" AM_EQ "$4 "
#define COUNTER_COLUMNS \
	"(user_id, meter_id, period, period_start, used, quota, carried, closed, crossed, updated_at) "
#define BIGINT_MAX "9223372036854775807"
#define CHANNEL    "authmeter_notification"

/* Two statements and no CASE: else the planner takes each call for one worth a plan of its own. */
#define ADD_WHERE(fits)                                                                         \
	"UPDATE authmeter.quota_counter SET used = used" AM_PLUS "$5, quota = $6, updated_at = $7 " \
	"WHERE " COUNTER_IS "AND NOT closed AND used" AM_LE fits " RETURNING used, carried, crossed"

static AmPlan add_hard_plan = {
	ADD_WHERE("($6" AM_PLUS "carried" AM_MINUS "$5)"),
	7,
	{UUIDOID, INT4OID, INT2OID, TIMESTAMPTZOID, INT8OID, INT8OID, TIMESTAMPTZOID},
	NULL};

static AmPlan add_soft_plan = {
	ADD_WHERE("(" BIGINT_MAX AM_MINUS "$5)"),
	7,
	{UUIDOID, INT4OID, INT2OID, TIMESTAMPTZOID, INT8OID, INT8OID, TIMESTAMPTZOID},
	NULL};

static AmPlan read_plan = {
	"SELECT used, carried, closed FROM authmeter.quota_counter WHERE " COUNTER_IS,
	4,
	{UUIDOID, INT4OID, INT2OID, TIMESTAMPTZOID},
	NULL};

static AmPlan give_plan = {
	"UPDATE authmeter.quota_counter SET used = used" AM_MINUS "$5, updated_at = $6 "
	"WHERE " COUNTER_IS "AND NOT closed AND used" AM_GE "$5 RETURNING used, carried",
	6,
	{UUIDOID, INT4OID, INT2OID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID},
	NULL};

/* The lock keeps the user from vanishing meanwhile. */
static AmPlan open_plan = {
	"INSERT INTO authmeter.quota_counter " COUNTER_COLUMNS
	"SELECT u.id, $2, $3, $4, 0, $5, $6, false, 0, $7 FROM authmeter.user u WHERE u.id" AM_EQ
	"$1 FOR KEY SHARE ON CONFLICT (user_id, meter_id, period, period_start) DO NOTHING",
	7,
	{UUIDOID, INT4OID, INT2OID, TIMESTAMPTZOID, INT8OID, INT8OID, TIMESTAMPTZOID},
	NULL};

static AmPlan close_plan = {
	"INSERT INTO authmeter.quota_counter " COUNTER_COLUMNS
	"SELECT u.id, $2, $3, $4, 0, $5, $6, true, 0, $7 FROM authmeter.user u WHERE u.id" AM_EQ
	"$1 FOR KEY SHARE ON CONFLICT (user_id, meter_id, period, period_start) "
	"DO UPDATE SET closed = true",
	7,
	{UUIDOID, INT4OID, INT2OID, TIMESTAMPTZOID, INT8OID, INT8OID, TIMESTAMPTZOID},
	NULL};

/* The latest period before $4 that was touched, but none that began before $5. */
static AmPlan before_plan = {
	"SELECT period_start, quota, carried, used FROM authmeter.quota_counter "
	"WHERE user_id" AM_EQ "$1 AND meter_id" AM_EQ "$2 AND period" AM_EQ "$3 "
	"AND period_start" AM_LT "$4 AND period_start" AM_GE "$5 ORDER BY period_start DESC LIMIT 1",
	5,
	{UUIDOID, INT4OID, INT2OID, TIMESTAMPTZOID, TIMESTAMPTZOID},
	NULL};

static AmPlan notify_plan = {
	"INSERT INTO authmeter.notification (id, user_id, feature, meter_id, period, period_start, "
	"threshold, used, allowance, created_at, next_attempt_at) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) "
	"ON CONFLICT (user_id, feature, period, period_start, threshold) DO NOTHING",
	10,
	{UUIDOID, UUIDOID, TEXTOID, INT4OID, INT2OID, TIMESTAMPTZOID, INT4OID, INT8OID, INT8OID,
	 TIMESTAMPTZOID},
	NULL};

static AmPlan crossed_plan = {"UPDATE authmeter.quota_counter SET crossed = $5 WHERE " COUNTER_IS,
							  5,
							  {UUIDOID, INT4OID, INT2OID, TIMESTAMPTZOID, INT2OID},
							  NULL};

static AmPlan user_plan = {
	"SELECT true FROM authmeter.user WHERE id" AM_EQ "$1", 1, {UUIDOID}, NULL};

/* Arguments $1 to $4 of every statement. */
static void
counter_key(const AmQuota *quota, const amc_period *period, Datum *values)
{
	values[0] = UUIDPGetDatum(&quota->user);
	values[1] = Int32GetDatum(quota->feature.meter_id);
	values[2] = Int16GetDatum((int16) quota->feature.period);
	values[3] = TimestampTzGetDatum(am_period_timestamp(period->start_us));
}

static void
figures_set(AmQuota *quota, int64 used, int64 carried)
{
	quota->counted = true;
	quota->used = used;
	quota->limited = quota->feature.limited;
	quota->allowance = quota->limited ? quota->feature.limit + carried : 0;
	quota->resets_at = am_period_timestamp(quota->period.end_us);
}

int64
am_quota_remaining(const AmQuota *quota)
{
	return Max(quota->allowance - quota->used, 0);
}

/* ---- what rolls over ---- */

static int64
period_number(const AmQuota *quota, TimestampTz at)
{
	amc_period period;

	if (!am_period_at(quota->feature.period, quota->subscription.anchor, at, &period))
		return PG_INT64_MAX;
	return period.number;
}

/* Unused units of count untouched periods, on top of what came into the first of them. */
static int64
carry_through(const AmFeature *feature, int64 carry, int64 count)
{
	int64 room = feature->rollover_max - Min(carry, feature->rollover_max);

	if (count <= 0 || feature->limit == 0)
		return Min(carry, feature->rollover_max);
	return count > room / feature->limit ? feature->rollover_max
										 : feature->rollover_max - room + count * feature->limit;
}

/* The row just read: the number of its period, and what it left; false when it is of no use. */
static bool
left_before(const AmQuota *quota, int64 *number, int64 *left)
{
	TimestampTz start = am_spi_timestamptz(0, 1);
	amc_period period;

	/* A row of another anchor, whose periods were others. */
	if (!am_period_at(quota->feature.period, quota->subscription.anchor, start, &period) ||
		am_period_timestamp(period.start_us) != start)
		return false;
	*number = period.number;
	*left = am_spi_null(0, 2)
				? 0
				: Max(am_spi_int64(0, 2) + am_spi_int64(0, 3) - am_spi_int64(0, 4), 0);
	return true;
}

/*
 * What rolls over into a period, by the rows before it: what the last touched one left, and the
 * limit of each untouched one since, as far as this plan version was in force.
 */
static int64
carried_into(const AmQuota *quota, const amc_period *period)
{
	const AmFeature *feature = &quota->feature;
	int64 counted_from = period_number(quota, quota->subscription.started_at);
	int64 number;
	int64 left;
	amc_period first;
	Datum values[5];

	if (feature->rollover_max == 0 ||
		!am_period_at(feature->period, quota->subscription.anchor, quota->subscription.since,
					  &first) ||
		period->number <= first.number)
		return 0;
	counter_key(quota, period, values);
	values[4] = TimestampTzGetDatum(am_period_timestamp(first.start_us));
	if (am_spi_run(&before_plan, values, NULL, 1) == 0 || !left_before(quota, &number, &left))
		return carry_through(feature, 0, period->number - Max(counted_from, first.number));
	return carry_through(feature, left, period->number - Max(counted_from, number + 1));
}

/* Ends the period before, so that what it left is final. */
static void
close_before(const AmQuota *quota)
{
	const AmFeature *feature = &quota->feature;
	amc_period before;
	Datum values[7];

	if (!amc_period_nth(feature->period, am_period_us(quota->subscription.anchor),
						quota->period.number - 1, &before) ||
		am_period_timestamp(before.end_us) <= quota->subscription.since)
		return;
	counter_key(quota, &before, values);
	/* A period that ended before this plan version began leaves nothing if nobody touched it. */
	values[4] = Int64GetDatum(
		am_period_timestamp(before.end_us) > quota->subscription.started_at ? feature->limit : 0);
	values[5] = Int64GetDatum(carried_into(quota, &before));
	values[6] = TimestampTzGetDatum(am_clock_now());
	am_spi_run(&close_plan, values, NULL, 0);
}

/* The first touch of a period; false when the user is gone. */
static bool
counter_open(const AmQuota *quota)
{
	const AmFeature *feature = &quota->feature;
	Datum values[7];

	if (feature->rollover_max > 0)
		close_before(quota);
	counter_key(quota, &quota->period, values);
	values[4] = Int64GetDatum(feature->limit);
	values[5] = Int64GetDatum(carried_into(quota, &quota->period));
	values[6] = TimestampTzGetDatum(am_clock_now());
	return am_spi_run(&open_plan, values, feature->limited ? NULL : "    n  ", 0) == 1 ||
		   am_spi_run(&user_plan, values, NULL, 1) == 1;
}

/* ---- thresholds ---- */

static bool
threshold_reached(const AmQuota *quota, int32 percent)
{
	return quota->used > 0 && (int128) quota->used * 100 >= (int128) quota->allowance * percent;
}

static void
threshold_record(AmQuota *quota, int32 percent)
{
	pg_uuid_t id = am_id_new(am_id_partition(&quota->user));
	Datum key[4];
	Datum values[10] = {UUIDPGetDatum(&id),
						UUIDPGetDatum(&quota->user),
						CStringGetTextDatum(quota->feature.key.name),
						Int32GetDatum(quota->feature.meter_id),
						(Datum) 0,
						(Datum) 0,
						Int32GetDatum(percent),
						Int64GetDatum(quota->used),
						Int64GetDatum(quota->allowance),
						TimestampTzGetDatum(am_clock_now())};

	counter_key(quota, &quota->period, key);
	values[4] = key[2];
	values[5] = key[3];
	if (am_spi_run(&notify_plan, values, NULL, 0) == 1)
		quota->crossed[quota->crossed_count++] = percent;
}

/* recorded: the highest threshold of the period that was recorded before. */
static void
thresholds_record(AmQuota *quota, int32 recorded)
{
	const AmFeature *feature = &quota->feature;
	int32 highest = recorded;
	Datum values[5];
	int i;

	for (i = 0; i < feature->thresholds_count && quota->limited; i++)
		if (feature->thresholds[i] > recorded && threshold_reached(quota, feature->thresholds[i]))
		{
			highest = feature->thresholds[i];
			threshold_record(quota, highest);
		}
	if (highest == recorded)
		return;
	counter_key(quota, &quota->period, values);
	values[4] = Int16GetDatum((int16) highest);
	am_spi_run(&crossed_plan, values, NULL, 0);
	Async_Notify(CHANNEL, "");
}

/* ---- consuming ---- */

/* True when the amount was counted. */
static bool
counter_add(AmQuota *quota)
{
	const AmFeature *feature = &quota->feature;
	AmPlan *plan = feature->limited && feature->hard ? &add_hard_plan : &add_soft_plan;
	int32 recorded;
	Datum values[7];

	counter_key(quota, &quota->period, values);
	values[4] = Int64GetDatum(quota->amount);
	values[5] = Int64GetDatum(feature->limit);
	values[6] = TimestampTzGetDatum(am_clock_now());
	if (am_spi_run(plan, values, feature->limited ? NULL : "     n ", 1) == 0)
		return false;
	figures_set(quota, am_spi_int64(0, 1), am_spi_int64(0, 2));
	recorded = DatumGetInt16(am_spi_datum(0, 3));
	quota->outcome = quota->limited && quota->used > quota->allowance ? "soft_over" : "ok";
	thresholds_record(quota, recorded);
	return true;
}

/* By the figures just read: would the amount be counted, and what is the answer? */
static const char *
verdict(const AmQuota *quota)
{
	if (quota->limited && quota->feature.hard)
		return quota->used <= quota->allowance - quota->amount ? "ok" : "over";
	if (quota->used > PG_INT64_MAX - quota->amount)
		return "overflow";
	return quota->limited && quota->used + quota->amount > quota->allowance ? "soft_over" : "ok";
}

void
am_quota_look(AmQuota *quota)
{
	Datum values[4];

	counter_key(quota, &quota->period, values);
	if (am_spi_run(&read_plan, values, NULL, 1) == 1)
		figures_set(quota, am_spi_int64(0, 1), am_spi_int64(0, 2));
	else
		figures_set(quota, 0, carried_into(quota, &quota->period));
	quota->outcome = verdict(quota);
}

/* What was not counted: one more attempt is worth it when there is no verdict. */
static void
refusal_find(AmQuota *quota)
{
	Datum values[4];

	counter_key(quota, &quota->period, values);
	if (am_spi_run(&read_plan, values, NULL, 1) == 0)
	{
		if (!counter_open(quota))
			quota->outcome = "user_unknown";
		return;
	}
	figures_set(quota, am_spi_int64(0, 1), am_spi_int64(0, 2));
	if (!am_spi_bool(0, 3))
		quota->outcome = verdict(quota);
	else if (!amc_period_nth(quota->feature.period, am_period_us(quota->subscription.anchor),
							 quota->period.number + 1, &quota->period))
		quota->outcome = "over";
	/* A release came in between. */
	if (quota->outcome != NULL && strcmp(quota->outcome, "ok") == 0)
		quota->outcome = NULL;
}

void
am_quota_take(AmQuota *quota)
{
	int attempt;

	if (quota->amount == 0)
	{
		am_quota_look(quota);
		return;
	}
	for (attempt = 0; attempt < TAKE_ATTEMPTS_MAX; attempt++)
	{
		if (counter_add(quota))
			return;
		refusal_find(quota);
		if (quota->outcome != NULL)
			return;
	}
	quota->outcome = "over";
}

void
am_quota_give(AmQuota *quota)
{
	Datum values[6];

	counter_key(quota, &quota->period, values);
	values[4] = Int64GetDatum(quota->amount);
	values[5] = TimestampTzGetDatum(am_clock_now());
	if (am_spi_run(&give_plan, values, NULL, 1) == 1)
	{
		quota->outcome = "ok";
		figures_set(quota, am_spi_int64(0, 1), am_spi_int64(0, 2));
		return;
	}
	quota->outcome = "not_consumed";
	if (am_spi_run(&read_plan, values, NULL, 1) == 0)
		return;
	figures_set(quota, am_spi_int64(0, 1), am_spi_int64(0, 2));
	if (am_spi_bool(0, 3))
		quota->outcome = "period_over";
}
