/*
 * audit_purge.c
 *
 * Retention of the audit trail: whole past months go, and a checkpoint with a mac stays of each, so
 * that the rest of the chain is still anchored in what was removed.
 *
 * What goes is the oldest part of the chain as far as every event in it is older than the limit; an
 * event that was chained late goes with the next month. One call removes events of one month only,
 * and moves that month's checkpoint; a month may take several calls. Each link is checked before it
 * goes: evidence of a change is not removed by routine.
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
static AmPlan oldest_plan = {
	"SELECT c.seq, e.at IS NULL OR e.at" AM_LT "$2, c.key_version, c.hash, " AM_AUDIT_EVENT_COLUMNS
	", " MONTH_OF("e.at") "::pg_catalog.date FROM authmeter.audit_chain c "
						  "LEFT JOIN authmeter.audit_event e ON e.id" AM_EQ "c.event_id "
						  "WHERE c.seq" AM_GT "$1 ORDER BY c.seq LIMIT $3",
	3,
	{INT8OID, TIMESTAMPTZOID, INT8OID},
	NULL};
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

/* What one batch removes. */
typedef struct Purge
{
	bool unverified;   /* what does not verify goes too */
	bool found_broken; /* and something did not */
	AmAuditCheckpoint point;
	uint8 before[AM_SHA256_BYTES]; /* mac of the checkpoint of the month before */
	bool has_before;
	int64 count;
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
checkpoint_verifies(const Purge *purge)
{
	uint8 mac[AM_SHA256_BYTES];

	if (!am_master_key_has(purge->point.key_version))
		return false;
	am_audit_checkpoint_mac(&purge->point, purge->has_before ? purge->before : NULL, mac);
	return am_secret_equal(mac, purge->point.mac, AM_SHA256_BYTES);
}

/* The newest checkpoint, and the mac of the one before. */
static void
checkpoint_read(Purge *purge)
{
	uint64 rows = am_spi_run(&checkpoint_plan, NULL, NULL, 0);
	AmAuditCheckpoint before;

	purge->point.month = DATEVAL_NOBEGIN;
	if (rows == 0)
		return;
	checkpoint_take(0, &purge->point);
	if (rows > 1)
	{
		checkpoint_take(1, &before);
		memcpy(purge->before, before.mac, AM_SHA256_BYTES);
		purge->has_before = true;
	}
	purge->found_broken = !checkpoint_verifies(purge);
}

/* The links that follow are of a later month than the newest checkpoint: begin one for them. */
static void
checkpoint_begin(Purge *purge, DateADT month)
{
	if (!DATE_IS_NOBEGIN(purge->point.month))
	{
		memcpy(purge->before, purge->point.mac, AM_SHA256_BYTES);
		purge->has_before = true;
	}
	purge->point.month = month;
	purge->point.events = 0;
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

/* Whether the link in a row of the result goes with this batch. */
static bool
link_take(Purge *purge, uint64 row)
{
	const int month_column = EVENT_COLUMN + AM_AUDIT_COLUMNS;
	AmAuditLink link = {.seq = am_spi_int64(row, 1)};
	DateADT month = purge->point.month;

	if (!am_spi_bool(row, 2))
		return false;
	if (!am_audit_hash_read(row, 4, link.hash) || !link_verifies(&purge->point.last, row, &link))
	{
		purge->found_broken = true;
		if (!purge->unverified)
			return false;
	}
	if (!am_spi_null(row, month_column))
		month = Max(month, DatumGetDateADT(am_spi_datum(row, month_column)));
	if (month > purge->point.month)
	{
		if (purge->count > 0)
			return false;
		checkpoint_begin(purge, month);
	}
	/* Of a gap, too: the numbers of a month are what is no longer there. */
	purge->point.events += link.seq - purge->point.last.seq;
	purge->point.last = link;
	purge->count++;
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

/* Removes one batch of one month; SPI is connected. */
static int64
batch_purge(TimestampTz limit, int64 rows_max, bool unverified, bool first)
{
	Purge purge = {.unverified = unverified};
	Datum values[3];
	uint64 count;
	uint64 row;

	checkpoint_read(&purge);
	values[0] = Int64GetDatum(purge.point.last.seq);
	values[1] = TimestampTzGetDatum(limit);
	values[2] = Int64GetDatum(Min(rows_max, AM_AUDIT_BATCH));
	count = am_spi_run(&oldest_plan, values, NULL, 0);
	for (row = 0; row < count && (unverified || !purge.found_broken); row++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!link_take(&purge, row))
			break;
	}
	/* What was good before it goes, then the next call tells. */
	if (purge.count == 0 && purge.found_broken && first)
		ereport(ERROR, errcode(ERRCODE_AM_AUDIT_BROKEN),
				errmsg("the oldest part of the audit trail does not verify and is not removed"),
				errhint("See authmeter.audit_verify(); authmeter.audit_purge(unverified => true) "
						"removes it all the same."));
	if (purge.count == 0)
		return 0;
	values[0] = Int64GetDatum(purge.point.last.seq);
	am_audit_write(&delete_plan, values, NULL);
	checkpoint_store(&purge.point, purge.has_before ? purge.before : NULL);
	if (purge.found_broken && purge.unverified)
		unverified_report();
	return purge.count;
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
