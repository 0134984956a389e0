/*
 * meter_event.c
 *
 * event_record: usage with its own time and dimensions. The tables and their order are told in
 * install/48_meter_event.sql.
 *
 * The user's total is counted first and keeps its lock, so events of one user and meter follow each
 * other; the rows by day and minute come after it, in that order. What a day cannot hold any more
 * is taken back from the total: a day is at most as large as the total, unless that was reset.
 */
#include "compat.h"

#include "utils/array.h"
#include "utils/jsonb.h"

#include "clock.h"
#include "crypto/hash.h"
#include "id.h"
#include "idempotency.h"
#include "meter.h"
#include "row.h"
#include "spi.h"
#include "usage.h"

#define SUBJECT_HASH_BYTES 16
#define MINUTE_US          (INT64CONST(60) * USECS_PER_SEC)

PG_FUNCTION_INFO_V1(authmeter_event_record);

/* The numbers are stored (meter_rollup.grain). */
typedef enum Grain
{
	GRAIN_MINUTE = 0,
	GRAIN_DAY = 1
} Grain;

typedef struct Event
{
	pg_uuid_t user;
	text *meter_name;
	int64 value;
	TimestampTz at;
	Datum dimensions;
	text *subject; /* NULL = none */
	TimestampTz ingested_at;

	int32 meter_id;
	bool summed; /* kind sum: value counts, else one for the event */
	bool unique;
	bool logged;

	const char *outcome; /* NULL = not decided yet */
	int64 total;
	bool replayed;
	int crossed_count;
	int64 crossed[AM_METER_THRESHOLDS_MAX];
} Event;

static AmPlan meter_plan = {
	"SELECT id, kind, event_log, problem FROM authmeter.event_meter($1, $2, $3, $4, $5, $6)",
	6,
	{TEXTOID, INT8OID, TIMESTAMPTZOID, JSONBOID, TEXTOID, TIMESTAMPTZOID},
	NULL};

static AmPlan rollup_plan = {
	"INSERT INTO authmeter.meter_rollup AS r (user_id, meter_id, grain, bucket, dimensions, events, "
	"sum, max, latest, latest_at) VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $7, $8) "
	"ON CONFLICT (user_id, meter_id, grain, bucket, dimensions) DO UPDATE SET "
	"events = r.events" AM_PLUS "1, sum = r.sum" AM_PLUS "EXCLUDED.sum, "
	"max = GREATEST(r.max, EXCLUDED.max), "
	"latest = CASE WHEN EXCLUDED.latest_at" AM_GE
	"r.latest_at THEN EXCLUDED.latest ELSE r.latest END, "
	"latest_at = GREATEST(r.latest_at, EXCLUDED.latest_at) "
	"WHERE r.sum" AM_LE "(9223372036854775807" AM_MINUS "EXCLUDED.sum)",
	8,
	{UUIDOID, INT4OID, INT2OID, TIMESTAMPTZOID, JSONBOID, INT8OID, INT8OID, TIMESTAMPTZOID},
	NULL};

static AmPlan unique_plan = {
	"INSERT INTO authmeter.meter_unique (user_id, meter_id, grain, bucket, dimensions, subject_hash) "
	"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
	6,
	{UUIDOID, INT4OID, INT2OID, TIMESTAMPTZOID, JSONBOID, BYTEAOID},
	NULL};

static AmPlan log_plan = {
	"INSERT INTO authmeter.meter_event (user_id, event_at, id, meter_id, ingested_at, value, subject, "
	"dimensions) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
	8,
	{UUIDOID, TIMESTAMPTZOID, UUIDOID, INT4OID, TIMESTAMPTZOID, INT8OID, TEXTOID, JSONBOID},
	NULL};

static AmPlan take_back_plan = {"UPDATE authmeter.usage_counter SET value = value" AM_MINUS "$3 "
								"WHERE user_id" AM_EQ "$1 AND meter_id" AM_EQ "$2",
								3,
								{UUIDOID, INT4OID, INT8OID},
								NULL};

static AmPlan request_plan = {
	"SELECT pg_catalog.jsonb_build_array('event_record', $1, $2, $3, $4, $5)::text",
	5,
	{TEXTOID, INT8OID, INT8OID, JSONBOID, TEXTOID},
	NULL};

static AmPlan reply_plan = {
	"SELECT pg_catalog.jsonb_build_object('outcome', $1, 'value', $2, 'crossed', $3)",
	3,
	{TEXTOID, INT8OID, INT8ARRAYOID},
	NULL};

static AmPlan replay_plan = {
	"SELECT $1 OPERATOR(pg_catalog.->>) 'outcome', ($1 OPERATOR(pg_catalog.->>) 'value')::bigint, "
	"ARRAY(SELECT x::bigint FROM pg_catalog.jsonb_array_elements_text("
	"$1 OPERATOR(pg_catalog.->) 'crossed') x)",
	1,
	{JSONBOID},
	NULL};

/* The meter, and whether the event keeps its rules. */
static void
event_check(Event *event, MemoryContext cxt)
{
	Datum values[6] = {PointerGetDatum(event->meter_name), Int64GetDatum(event->value),
					   TimestampTzGetDatum(event->at),     event->dimensions,
					   PointerGetDatum(event->subject),    TimestampTzGetDatum(event->ingested_at)};
	const char *kind;

	if (am_spi_read_latest(&meter_plan, values, event->subject == NULL ? "    n " : NULL, 1) == 0)
	{
		event->outcome = "meter_unknown";
		return;
	}
	kind = am_spi_text(0, 2, NULL);
	event->meter_id = am_spi_int32(0, 1);
	event->summed = strcmp(kind, "sum") == 0;
	event->unique = strcmp(kind, "unique") == 0;
	event->logged = am_spi_bool(0, 3);
	if (!am_spi_null(0, 4))
		event->outcome = am_spi_text(0, 4, cxt);
}

/* ---- counting ---- */

static TimestampTz
bucket_start(TimestampTz at, Grain grain)
{
	int64 us = grain == GRAIN_DAY ? USECS_PER_DAY : MINUTE_US;

	/* PostgreSQL's epoch is a midnight in UTC; times before it are negative. */
	return at - ((at % us) + us) % us;
}

static void
bucket_key(const Event *event, Grain grain, Datum *values)
{
	values[0] = UUIDPGetDatum(&event->user);
	values[1] = Int32GetDatum(event->meter_id);
	values[2] = Int16GetDatum((int16) grain);
	values[3] = TimestampTzGetDatum(bucket_start(event->at, grain));
	values[4] = event->dimensions;
}

/* False when the sum would overflow. */
static bool
rollup_add(const Event *event, Grain grain)
{
	Datum values[8];

	bucket_key(event, grain, values);
	values[5] = Int64GetDatum(event->summed ? event->value : 0);
	values[6] = Int64GetDatum(event->value);
	values[7] = TimestampTzGetDatum(event->at);
	return am_spi_run(&rollup_plan, values, NULL, 0) == 1;
}

static void
subject_add(const Event *event, const uint8 *digest, Grain grain)
{
	Datum values[6];

	bucket_key(event, grain, values);
	values[5] = PointerGetDatum(am_bytea_new(digest, SUBJECT_HASH_BYTES));
	am_spi_run(&unique_plan, values, NULL, 0);
}

static void
subject_count(const Event *event)
{
	uint8 digest[AM_SHA256_BYTES];

	am_sha256(VARDATA_ANY(event->subject), VARSIZE_ANY_EXHDR(event->subject), digest);
	subject_add(event, digest, GRAIN_DAY);
	subject_add(event, digest, GRAIN_MINUTE);
}

static void
event_log(const Event *event)
{
	pg_uuid_t id = am_id_new(am_id_partition(&event->user));
	Datum values[8] = {UUIDPGetDatum(&event->user),
					   TimestampTzGetDatum(event->at),
					   UUIDPGetDatum(&id),
					   Int32GetDatum(event->meter_id),
					   TimestampTzGetDatum(event->ingested_at),
					   Int64GetDatum(event->value),
					   PointerGetDatum(event->subject),
					   event->dimensions};

	am_spi_run(&log_plan, values, event->subject == NULL ? "      n " : NULL, 0);
}

static void
event_count(Event *event)
{
	int64 amount = event->summed ? event->value : 1;
	Datum taken[3] = {UUIDPGetDatum(&event->user), Int32GetDatum(event->meter_id),
					  Int64GetDatum(amount)};
	AmMeter meter;

	event->outcome = am_usage_counter_add(&event->user, event->meter_id, amount, &event->total);
	if (event->outcome != NULL)
		return;
	if (!rollup_add(event, GRAIN_DAY))
	{
		am_spi_run(&take_back_plan, taken, NULL, 0);
		event->outcome = "overflow";
		return;
	}
	rollup_add(event, GRAIN_MINUTE);
	if (event->unique)
		subject_count(event);
	if (event->logged)
		event_log(event);
	event->outcome = "ok";
	if (am_meter_find(VARDATA_ANY(event->meter_name), VARSIZE_ANY_EXHDR(event->meter_name), &meter))
		event->crossed_count = am_meter_crossed(&meter, event->total, amount, event->crossed);
}

/* ---- answers ---- */

static bool
is_ok(const Event *event)
{
	return strcmp(event->outcome, "ok") == 0;
}

static ArrayType *
crossed_array(const Event *event)
{
	Datum values[AM_METER_THRESHOLDS_MAX];
	int i;

	for (i = 0; i < event->crossed_count; i++)
		values[i] = Int64GetDatum(event->crossed[i]);
	return construct_array(values, event->crossed_count, INT8OID, 8, FLOAT8PASSBYVAL, 'd');
}

/* Equal exactly when the request is; the time counts as it was given. */
static const char *
request_text(const Event *event, bool at_null)
{
	Datum values[5] = {PointerGetDatum(event->meter_name), Int64GetDatum(event->value),
					   Int64GetDatum(event->at), event->dimensions,
					   PointerGetDatum(event->subject)};
	char nulls[] = "     ";

	if (at_null)
		nulls[2] = 'n';
	if (event->subject == NULL)
		nulls[4] = 'n';
	am_spi_run(&request_plan, values, nulls, 1);
	return am_spi_text(0, 1, NULL);
}

static void
event_replay(Event *event, Datum reply, MemoryContext cxt)
{
	Datum *values;
	int i;

	am_spi_run(&replay_plan, &reply, NULL, 1);
	event->outcome = am_spi_text(0, 1, cxt);
	event->replayed = true;
	if (!am_spi_null(0, 2))
		event->total = am_spi_int64(0, 2);
	deconstruct_array(DatumGetArrayTypeP(am_spi_datum(0, 3)), INT8OID, 8, FLOAT8PASSBYVAL, 'd',
					  &values, NULL, &event->crossed_count);
	event->crossed_count = Min(event->crossed_count, AM_METER_THRESHOLDS_MAX);
	for (i = 0; i < event->crossed_count; i++)
		event->crossed[i] = DatumGetInt64(values[i]);
}

/* Claims the key; decides the call unless the key is new. True: the answer has to be stored. */
static bool
event_claim(Event *event, text *key, bool at_null, MemoryContext cxt)
{
	Datum reply = (Datum) 0;
	AmClaim claim = am_idempotency_claim(&event->user, key, request_text(event, at_null), &reply);

	event->outcome = am_idempotency_refusal(claim);
	if (claim == AM_CLAIM_REPLAY)
		event_replay(event, reply, cxt);
	return claim == AM_CLAIM_NEW;
}

static void
event_store(const Event *event, text *key)
{
	Datum values[3] = {CStringGetTextDatum(event->outcome), Int64GetDatum(event->total),
					   PointerGetDatum(crossed_array(event))};

	am_spi_run(&reply_plan, values, is_ok(event) ? NULL : " n ", 1);
	am_idempotency_store(&event->user, key, am_spi_datum(0, 1));
}

/* ---- the function ---- */

static void
arguments_read(FunctionCallInfo fcinfo, Event *event)
{
	memset(event, 0, sizeof(*event));
	event->ingested_at = am_clock_now();
	event->at = PG_ARGISNULL(3) ? event->ingested_at : PG_GETARG_TIMESTAMPTZ(3);
	event->subject = PG_ARGISNULL(5) ? NULL : PG_GETARG_TEXT_PP(5);
	if (PG_ARGISNULL(0))
		event->outcome = "user_unknown";
	else if (PG_ARGISNULL(1))
		event->outcome = "meter_unknown";
	else if (PG_ARGISNULL(2))
		event->outcome = "amount_invalid";
	else if (PG_ARGISNULL(4))
		event->outcome = "dimension_invalid";
	if (event->outcome != NULL)
		return;
	event->user = *PG_GETARG_UUID_P(0);
	event->meter_name = PG_GETARG_TEXT_PP(1);
	event->value = PG_GETARG_INT64(2);
	event->dimensions = PG_GETARG_DATUM(4);
}

/* authmeter.event_record(user_id, meter, value, event_at, dimensions, subject, idempotency_key) */
Datum
authmeter_event_record(PG_FUNCTION_ARGS)
{
	text *key = PG_ARGISNULL(6) ? NULL : PG_GETARG_TEXT_PP(6);
	MemoryContext cxt = CurrentMemoryContext;
	bool nulls[4] = {false};
	bool claimed = false;
	Datum row[4];
	Event event;

	arguments_read(fcinfo, &event);
	am_spi_begin();
	if (event.outcome == NULL && key != NULL)
		claimed = event_claim(&event, key, PG_ARGISNULL(3), cxt);
	if (event.outcome == NULL)
		event_check(&event, cxt);
	if (event.outcome == NULL)
		event_count(&event);
	if (claimed)
		event_store(&event, key);
	am_spi_end();
	row[0] = CStringGetTextDatum(event.outcome);
	row[1] = Int64GetDatum(event.total);
	row[2] = BoolGetDatum(event.replayed);
	row[3] = PointerGetDatum(crossed_array(&event));
	nulls[1] = !is_ok(&event);
	return am_row(fcinfo, row, nulls);
}
