/*
 * audit_purge.c
 *
 * Retention of the audit trail: whole past months go, and a checkpoint with a mac stays of each, so
 * that the rest of the chain is still anchored in what was removed.
 *
 * What goes is the oldest part of the chain as far as every event in it is older than the limit; an
 * event that was chained late goes with the next month. One that lies in the future was written by
 * a clock that was wrong: it goes when one that was chained after it goes, and keeps nothing back.
 * A batch removes events of one month only, and moves that month's checkpoint. Each link is checked
 * before it goes: evidence of a change is not removed by routine.
 *
 * The head's row lock keeps chainer and purge apart.
 */
#include "compat.h"

#include "audit.h"
#include "audit_chain.h"
#include "clock.h"
#include "crypto/secret.h"
#include "master_key.h"
#include "setting.h"

#define EVENT_COLUMN 5

PG_FUNCTION_INFO_V1(authmeter_audit_purge);

/* The first moment that is kept, and the month of a time, by UTC. */
#define MONTH_OF(time) "pg_catalog.date_trunc('month', " time " AT TIME ZONE 'UTC')"

static AmPlan limit_plan = {"SELECT (" MONTH_OF("$1") AM_MINUS
							"pg_catalog.make_interval(months => $2)) AT TIME ZONE 'UTC'",
							2,
							{TIMESTAMPTZOID, INT4OID},
							NULL};
static AmPlan checkpoint_plan = {
	"SELECT month, seq, hash, events, key_version, mac FROM authmeter.audit_checkpoint "
	"ORDER BY month DESC LIMIT 2",
	0,
	{0},
	NULL};
/* clang-format off */
static AmPlan oldest_plan = {
	"SELECT c.seq, CASE WHEN e.at" AM_GT "$4 THEN 2 WHEN e.at" AM_GE "$2 THEN 0 ELSE 1 END, "
	"c.key_version, c.hash, " AM_AUDIT_EVENT_COLUMNS ", " MONTH_OF("e.at") "::pg_catalog.date "
	"FROM authmeter.audit_chain c LEFT JOIN authmeter.audit_event e ON e.id" AM_EQ "c.event_id "
	"WHERE c.seq" AM_GT "$1 ORDER BY c.seq LIMIT $3",
	4, {INT8OID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID}, NULL};
/* clang-format on */
static AmPlan delete_plan = {
	"WITH gone AS (DELETE FROM authmeter.audit_chain WHERE seq" AM_LE "$1 RETURNING event_id) "
	"DELETE FROM authmeter.audit_event e USING gone WHERE e.id" AM_EQ "gone.event_id",
	1,
	{INT8OID},
	NULL};
static AmPlan store_plan = {
	"INSERT INTO authmeter.audit_checkpoint (month, seq, hash, events, key_version, mac) "
	"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (month) DO UPDATE SET seq = $2, hash = $3, "
	"events = $4, key_version = $5, mac = $6",
	6,
	{DATEOID, INT8OID, BYTEAOID, INT8OID, INT4OID, BYTEAOID},
	NULL};

/* The age of an event, column 2 of oldest_plan. */
typedef enum Age
{
	AGE_KEPT,
	AGE_OLD, /* or gone */
	AGE_FUTURE
} Age;

/* As far as a batch has come. */
typedef struct Progress
{
	AmAuditCheckpoint point;
	uint8 before[AM_SHA256_BYTES]; /* mac of the checkpoint of the month before */
	bool has_before;
	int64 count;
} Progress;

/* What one batch removes. */
typedef struct Purge
{
	bool unverified;   /* what does not verify goes too */
	bool found_broken; /* and something did not */
	int64 first;       /* number of the link before the first */
	Progress now;
	Progress sure; /* at the newest link that is old for certain */
} Purge;

static void
checkpoint_take(uint64 row, AmAuditCheckpoint *point)
{
	point->month = DatumGetDateADT(am_spi_datum(row, 1));
	point->last.seq = am_spi_int64(row, 2);
	(void) am_audit_hash_read(row, 3, point->last.hash);
	point->events = am_spi_int64(row, 4);
	point->key_version = (uint32) am_spi_int32(row, 5);
	(void) am_audit_hash_read(row, 6, point->mac);
}

/* Else a purge would give a forged checkpoint a mac that is good. */
static bool
checkpoint_verifies(const Progress *at)
{
	uint8 mac[AM_SHA256_BYTES];

	if (!am_master_key_has(at->point.key_version))
		return false;
	am_audit_checkpoint_mac(&at->point, at->has_before ? at->before : NULL, mac);
	return am_secret_equal(mac, at->point.mac, AM_SHA256_BYTES);
}

/* The newest checkpoint, and the mac of the one before; false when it is forged. */
static bool
checkpoint_read(Progress *at)
{
	uint64 rows = am_spi_run(&checkpoint_plan, NULL, NULL, 0);
	AmAuditCheckpoint before;

	at->point.month = DATEVAL_NOBEGIN;
	if (rows == 0)
		return true;
	checkpoint_take(0, &at->point);
	if (rows > 1)
	{
		checkpoint_take(1, &before);
		memcpy(at->before, before.mac, AM_SHA256_BYTES);
		at->has_before = true;
	}
	return checkpoint_verifies(at);
}

/* The links that follow are of a later month than the newest checkpoint: begin one for them. */
static void
checkpoint_begin(Progress *at, DateADT month, int64 events)
{
	if (!DATE_IS_NOBEGIN(at->point.month))
	{
		memcpy(at->before, at->point.mac, AM_SHA256_BYTES);
		at->has_before = true;
	}
	at->point.month = month;
	at->point.events = events;
}

static bool
link_verifies(const AmAuditLink *previous, uint64 row, const AmAuditLink *link)
{
	uint32 version = (uint32) am_spi_int32(row, 3);
	AmAuditLink expected;

	if (link->seq != previous->seq + 1 || am_spi_null(row, EVENT_COLUMN) ||
		!am_master_key_has(version))
		return false;
	am_audit_link(version, previous, row, EVENT_COLUMN, &expected);
	return am_secret_equal(expected.hash, link->hash, AM_SHA256_BYTES);
}

/* The month of an event that is old; of any other that of the newest checkpoint. */
static DateADT
month_of(const Progress *at, uint64 row, Age age)
{
	const int month_column = EVENT_COLUMN + AM_AUDIT_COLUMNS;

	if (age == AGE_FUTURE || am_spi_null(row, month_column))
		return at->point.month;
	return Max(at->point.month, DatumGetDateADT(am_spi_datum(row, month_column)));
}

/* Whether the link in a row of the result goes with this batch, as far as can be told. */
static bool
link_take(Purge *purge, uint64 row)
{
	Progress *at = &purge->now;
	AmAuditLink link = {.seq = am_spi_int64(row, 1)};
	Age age = (Age) am_spi_int32(row, 2);
	DateADT month = month_of(at, row, age);

	if (age == AGE_KEPT || (month > at->point.month && purge->sure.count > 0))
		return false;
	if (!am_audit_hash_read(row, 4, link.hash) || !link_verifies(&at->point.last, row, &link))
	{
		purge->found_broken = true;
		if (!purge->unverified)
			return false;
	}
	/* With those of the future before it, which are of no month. */
	if (month > at->point.month)
		checkpoint_begin(at, month, at->point.last.seq - purge->first);
	/* Of a gap, too: the numbers of a month are what is no longer there. */
	at->point.events += link.seq - at->point.last.seq;
	at->point.last = link;
	at->count++;
	if (age == AGE_OLD)
		purge->sure = *at;
	return true;
}

static void
checkpoint_store(AmAuditCheckpoint *point, const uint8 *before)
{
	Datum values[6];

	point->key_version = am_master_key_newest();
	am_audit_checkpoint_mac(point, before, point->mac);
	values[0] = DateADTGetDatum(point->month);
	values[1] = Int64GetDatum(point->last.seq);
	values[2] = PointerGetDatum(am_bytea_new(point->last.hash, AM_SHA256_BYTES));
	values[3] = Int64GetDatum(point->events);
	values[4] = Int32GetDatum((int32) point->key_version);
	values[5] = PointerGetDatum(am_bytea_new(point->mac, AM_SHA256_BYTES));
	am_audit_write(&store_plan, values, NULL);
}

static void
unverified_report(void)
{
	AmAuditEvent event = {.action = "audit_purge", .outcome = "unverified"};

	am_audit_append(&event);
}

/* Removes what has been taken. */
static void
links_remove(Progress *at)
{
	Datum seq = Int64GetDatum(at->point.last.seq);

	am_audit_write(&delete_plan, &seq, NULL);
	checkpoint_store(&at->point, at->has_before ? at->before : NULL);
}

/* Takes what goes of the oldest links_max links; returns how many it has looked at. */
static int64
links_take(Purge *purge, TimestampTz limit, int64 links_max)
{
	Datum values[4];
	uint64 count;
	uint64 row;

	memset(&purge->now, 0, sizeof(purge->now));
	purge->found_broken = !checkpoint_read(&purge->now);
	purge->first = purge->now.point.last.seq;
	values[0] = Int64GetDatum(purge->first);
	values[1] = TimestampTzGetDatum(limit);
	values[2] = Int64GetDatum(links_max);
	values[3] = TimestampTzGetDatum(am_clock_now());
	count = am_spi_run(&oldest_plan, values, NULL, 0);
	for (row = 0; row < count && (purge->unverified || !purge->found_broken); row++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!link_take(purge, row))
			break;
	}
	return (int64) row;
}

/* Removes one batch of one month; SPI is connected. */
static int64
batch_purge(TimestampTz limit, int64 rows_max, bool unverified, bool first)
{
	Purge purge = {.unverified = unverified};
	int64 links_max = Min(rows_max, AM_AUDIT_BATCH);

	/* Of the future, all of them: what comes after? */
	if (links_take(&purge, limit, links_max) == links_max && purge.sure.count == 0)
		(void) links_take(&purge, limit, AM_AUDIT_ROWS_MAX);
	/* What was good before it goes, then the next call tells. */
	if (purge.sure.count == 0 && purge.found_broken && !unverified && first)
		ereport(ERROR, errcode(ERRCODE_AM_AUDIT_BROKEN),
				errmsg("the oldest part of the audit trail does not verify and is not removed"),
				errhint("See authmeter.audit_verify(); authmeter.audit_purge(unverified => true) "
						"removes it all the same."));
	if (purge.sure.count > 0)
		links_remove(&purge.sure);
	if (purge.sure.count > 0 && purge.found_broken && unverified)
		unverified_report();
	return purge.sure.count;
}

static TimestampTz
limit_of(int64 months)
{
	Datum values[2] = {TimestampTzGetDatum(am_clock_now()), Int32GetDatum((int32) months)};

	am_spi_run(&limit_plan, values, NULL, 1);
	return am_spi_timestamptz(0, 1);
}

int64
am_audit_purge(int64 rows_max, bool unverified)
{
	int64 months = am_setting_int(AM_SETTING_AUDIT_RETENTION_MONTHS);
	TimestampTz limit = 0;
	AmAuditLink head;
	int64 purged = 0;
	int64 count = 1;
	bool locked;

	if (months == 0)
		return 0;
	am_spi_begin();
	locked = am_audit_head_lock(false, &head);
	if (locked)
		limit = limit_of(months);
	am_spi_end();
	while (locked && count > 0 && purged < rows_max)
	{
		am_spi_begin();
		count = batch_purge(limit, rows_max - purged, unverified, purged == 0);
		am_spi_end();
		purged += count;
	}
	return purged;
}

/* authmeter.audit_purge(rows_max, unverified) */
Datum
authmeter_audit_purge(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(
		am_audit_purge(am_audit_rows_argument(fcinfo, 0), !PG_ARGISNULL(1) && PG_GETARG_BOOL(1)));
}
