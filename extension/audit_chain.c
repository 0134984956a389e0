/*
 * audit_chain.c
 *
 * Makes the chain of the audit trail.
 *
 * Appending an event writes its id into authmeter.audit_pending in the same transaction. The
 * chainer takes ids from there, gives them the next numbers, and stores one link each in
 * authmeter.audit_chain. So no committed event is ever missed, whatever its transaction's age, and
 * nobody waits: the order of the chain is the order of chaining, which within a batch is that of
 * time.
 *
 * authmeter.audit_head holds the newest link with a mac of its own, so that links cut off at the
 * end are missed. Its row lock makes the chainer the only one; who does not get it does nothing.
 *
 * Append-only: a statement trigger on each table refuses UPDATE, DELETE and TRUNCATE for everybody,
 * the owner, superusers and replication included. Only am_audit_write opens the door, in this
 * backend and for one statement. Who takes the trigger away can change rows, but makes no link.
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

#include "audit.h"
#include "audit_chain.h"
#include "crypto/secret.h"
#include "master_key.h"

PG_FUNCTION_INFO_V1(authmeter_audit_guard);
PG_FUNCTION_INFO_V1(authmeter_audit_chain_extend);

static AmPlan head_lock_plan = {"SELECT seq, hash, key_version, mac FROM authmeter.audit_head "
								"FOR UPDATE SKIP LOCKED",
								0,
								{0},
								NULL};
static AmPlan head_read_plan = {
	"SELECT seq, hash, key_version, mac FROM authmeter.audit_head", 0, {0}, NULL};
static AmPlan newest_plan = {
	"(SELECT seq, hash FROM authmeter.audit_chain ORDER BY seq DESC LIMIT 1) UNION ALL "
	"(SELECT seq, hash FROM authmeter.audit_checkpoint ORDER BY seq DESC LIMIT 1) "
	"ORDER BY seq DESC LIMIT 1",
	0,
	{0},
	NULL};
static AmPlan head_make_plan = {
	"INSERT INTO authmeter.audit_head (seq, hash, key_version, mac) VALUES ($1, $2, $3, $4) "
	"ON CONFLICT (one) DO NOTHING",
	4,
	{INT8OID, BYTEAOID, INT4OID, BYTEAOID},
	NULL};
static AmPlan head_store_plan = {
	"UPDATE authmeter.audit_head SET seq = $1, hash = $2, key_version = $3, mac = $4",
	4,
	{INT8OID, BYTEAOID, INT4OID, BYTEAOID},
	NULL};
/*
 * An id whose event is gone stays, for audit_verify() to tell. Only behind the last batch of the
 * same transaction: what that took is still in the index.
 */
static AmPlan take_plan = {
	"WITH taken AS (DELETE FROM authmeter.audit_pending d USING (SELECT p.event_id "
	"FROM authmeter.audit_pending p JOIN authmeter.audit_event e ON e.id" AM_EQ "p.event_id "
	"WHERE p.event_id" AM_GT "$2 ORDER BY p.event_id LIMIT $1) old WHERE d.event_id" AM_EQ
	"old.event_id "
	"RETURNING d.event_id) SELECT " AM_AUDIT_EVENT_COLUMNS " FROM taken "
	"JOIN authmeter.audit_event e ON e.id" AM_EQ "taken.event_id ORDER BY e.at, e.id",
	2,
	{INT8OID, UUIDOID},
	NULL};
static AmPlan store_plan = {
	"INSERT INTO authmeter.audit_chain (seq, event_id, key_version, hash) "
	"SELECT l.seq, l.event_id, $4, l.hash FROM ROWS FROM (pg_catalog.unnest($1), "
	"pg_catalog.unnest($2), pg_catalog.unnest($3)) l (seq, event_id, hash)",
	4,
	{INT8ARRAYOID, UUIDARRAYOID, BYTEAARRAYOID, INT4OID},
	NULL};

static bool door_open = false;

uint64
am_audit_write(AmPlan *plan, Datum *values, const char *nulls)
{
	uint64 rows = 0;

	door_open = true;
	PG_TRY();
	{
		rows = am_spi_run(plan, values, nulls, 0);
	}
	PG_FINALLY();
	{
		door_open = false;
	}
	PG_END_TRY();
	return rows;
}

/* authmeter.audit_guard() is the trigger before UPDATE, DELETE, TRUNCATE of the trail's tables. */
Datum
authmeter_audit_guard(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("function \"audit_guard\" was not called by a trigger manager"));
	if (!door_open)
		ereport(ERROR, errcode(ERRCODE_AM_AUDIT_APPEND_ONLY),
				errmsg("table \"%s\" of the audit trail is append-only",
					   RelationGetRelationName(((TriggerData *) fcinfo->context)->tg_relation)),
				errhint("Months past authmeter.audit_retention_months are removed by "
						"authmeter.audit_purge()."));
	return PointerGetDatum(NULL);
}

/* ---- the form of a link ---------------------------------------------------------------------- */

static void
put_int64(StringInfo data, int64 number)
{
	uint64 big = pg_hton64((uint64) number);

	appendBinaryStringInfo(data, (const char *) &big, sizeof(big));
}

/* Presence, length, bytes: no two lists of columns have the same form. */
static void
put_bytes(StringInfo data, const void *bytes, Size len)
{
	appendStringInfoChar(data, 1);
	put_int64(data, (int64) len);
	appendBinaryStringInfo(data, bytes, len);
}

/* In UTF-8, so that a restored copy has the same form whatever its encoding. */
static void
put_text(StringInfo data, const char *text, int len)
{
	char *utf8 = pg_server_to_any(text, len, PG_UTF8);

	put_bytes(data, utf8, utf8 == text ? (Size) len : strlen(utf8));
}

static void
put_column(StringInfo data, uint64 row, int column)
{
	Datum value;

	if (am_spi_null(row, column))
	{
		appendStringInfoChar(data, 0);
		return;
	}
	value = am_spi_datum(row, column);
	switch (SPI_gettypeid(SPI_tuptable->tupdesc, column))
	{
		case UUIDOID:
			put_bytes(data, DatumGetUUIDP(value)->data, UUID_LEN);
			break;
		case TIMESTAMPTZOID:
			appendStringInfoChar(data, 1);
			put_int64(data, DatumGetTimestampTz(value));
			break;
		case JSONBOID:
		{
			Jsonb *json = DatumGetJsonbP(value);
			char *text = JsonbToCString(NULL, &json->root, VARSIZE(json));

			put_text(data, text, (int) strlen(text));
			break;
		}
		default:
		{
			text *string = DatumGetTextPP(value);

			put_text(data, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
			break;
		}
	}
}

void
am_audit_link(uint32 key_version, const AmAuditLink *previous, uint64 row, int column,
			  AmAuditLink *link)
{
	StringInfoData data;
	int i;

	initStringInfo(&data);
	appendBinaryStringInfo(&data, (const char *) previous->hash, AM_SHA256_BYTES);
	put_int64(&data, previous->seq + 1);
	for (i = 0; i < AM_AUDIT_COLUMNS; i++)
		put_column(&data, row, column + i);
	link->seq = previous->seq + 1;
	am_keyed_hmac_at(key_version, "audit chain", data.data, data.len, link->hash);
	pfree(data.data);
}

void
am_audit_checkpoint_mac(const AmAuditCheckpoint *checkpoint, const uint8 *previous,
						uint8 mac[AM_SHA256_BYTES])
{
	static const uint8 first[AM_SHA256_BYTES] = {0};
	StringInfoData data;

	initStringInfo(&data);
	appendBinaryStringInfo(&data, (const char *) (previous != NULL ? previous : first),
						   AM_SHA256_BYTES);
	put_int64(&data, checkpoint->month);
	put_int64(&data, checkpoint->last.seq);
	appendBinaryStringInfo(&data, (const char *) checkpoint->last.hash, AM_SHA256_BYTES);
	put_int64(&data, checkpoint->events);
	am_keyed_hmac_at(checkpoint->key_version, "audit checkpoint", data.data, data.len, mac);
	pfree(data.data);
}

bool
am_audit_hash_read(uint64 row, int column, uint8 hash[AM_SHA256_BYTES])
{
	bytea *value = DatumGetByteaPP(am_spi_datum(row, column));

	memset(hash, 0, AM_SHA256_BYTES);
	if (VARSIZE_ANY_EXHDR(value) != AM_SHA256_BYTES)
		return false;
	memcpy(hash, VARDATA_ANY(value), AM_SHA256_BYTES);
	return true;
}

/* ---- the head -------------------------------------------------------------------------------- */

static void
head_mac(uint32 key_version, const AmAuditLink *head, uint8 mac[AM_SHA256_BYTES])
{
	uint8 data[sizeof(uint64) + AM_SHA256_BYTES];
	uint64 seq = pg_hton64((uint64) head->seq);

	memcpy(data, &seq, sizeof(seq));
	memcpy(data + sizeof(seq), head->hash, AM_SHA256_BYTES);
	am_keyed_hmac_at(key_version, "audit head", data, sizeof(data), mac);
}

/* Of the head's row in the last result. */
static AmAuditHeadState
head_take(AmAuditLink *head)
{
	uint32 key_version = (uint32) am_spi_int32(0, 3);
	uint8 stored[AM_SHA256_BYTES];
	uint8 mac[AM_SHA256_BYTES];
	bool whole;

	head->seq = am_spi_int64(0, 1);
	whole = am_audit_hash_read(0, 2, head->hash) && am_audit_hash_read(0, 4, stored);
	if (!am_master_key_has(key_version))
		return AM_AUDIT_HEAD_UNKNOWN_KEY;
	head_mac(key_version, head, mac);
	return whole && am_secret_equal(mac, stored, AM_SHA256_BYTES) ? AM_AUDIT_HEAD_GOOD
																  : AM_AUDIT_HEAD_FORGED;
}

AmAuditHeadState
am_audit_head_read(AmAuditLink *head)
{
	memset(head, 0, sizeof(*head));
	if (am_spi_read(&head_read_plan, NULL, NULL, 1) == 0)
		return AM_AUDIT_HEAD_ABSENT;
	return head_take(head);
}

static uint64
head_write(AmPlan *plan, const AmAuditLink *head)
{
	uint32 key_version = am_master_key_newest();
	uint8 mac[AM_SHA256_BYTES];
	Datum values[4];

	head_mac(key_version, head, mac);
	values[0] = Int64GetDatum(head->seq);
	values[1] = PointerGetDatum(am_bytea_new(head->hash, AM_SHA256_BYTES));
	values[2] = Int32GetDatum((int32) key_version);
	values[3] = PointerGetDatum(am_bytea_new(mac, AM_SHA256_BYTES));
	return am_audit_write(plan, values, NULL);
}

static _Noreturn void
head_refuse(AmAuditHeadState state)
{
	static const char *const details[] = {
		[AM_AUDIT_HEAD_ABSENT] = "Its head is gone.",
		[AM_AUDIT_HEAD_FORGED] = "Its head was changed, or made under another master key.",
		[AM_AUDIT_HEAD_UNKNOWN_KEY] =
			"Its head was made under a version of the master key that the file does not hold."};

	ereport(ERROR, errcode(ERRCODE_AM_AUDIT_BROKEN),
			errmsg("the chain of the audit trail cannot be continued"),
			errdetail("%s", details[state]),
			errhint("See authmeter.audit_verify(); authmeter.audit_chain_extend(repair => true) "
					"makes a new head from the newest link."));
}

/* The newest link there is; the beginning when there is none. */
static void
newest_read(AmAuditLink *newest)
{
	memset(newest, 0, sizeof(*newest));
	if (am_spi_run(&newest_plan, NULL, NULL, 1) == 0)
		return;
	newest->seq = am_spi_int64(0, 1);
	(void) am_audit_hash_read(0, 2, newest->hash);
}

static void
repair_report(AmAuditHeadState state)
{
	AmAuditPair pair = {"head", state == AM_AUDIT_HEAD_ABSENT ? "absent" : "invalid"};
	AmAuditEvent event = {
		.action = "audit_repair", .outcome = "ok", .detail = am_audit_detail(&pair, 1)};

	am_audit_append(&event);
}

/* Not locked by us: it is another's, or there is none yet, or somebody has removed it. */
static bool
head_lock_absent(bool repair, AmAuditLink *head)
{
	if (am_spi_run(&head_read_plan, NULL, NULL, 1) > 0)
		return false;
	newest_read(head);
	if (head->seq > 0 && !repair)
		head_refuse(AM_AUDIT_HEAD_ABSENT);
	if (head_write(&head_make_plan, head) == 0)
		return false;
	if (head->seq > 0)
		repair_report(AM_AUDIT_HEAD_ABSENT);
	return true;
}

bool
am_audit_head_lock(bool repair, AmAuditLink *head)
{
	AmAuditHeadState state;

	if (am_spi_run(&head_lock_plan, NULL, NULL, 1) == 0)
		return head_lock_absent(repair, head);
	state = head_take(head);
	if (state == AM_AUDIT_HEAD_GOOD)
		return true;
	if (!repair)
		head_refuse(state);
	newest_read(head);
	head_write(&head_store_plan, head);
	repair_report(state);
	return true;
}

/* ---- extending ------------------------------------------------------------------------------- */

static void
links_store(uint32 key_version, Datum *seqs, Datum *ids, Datum *hashes, int count)
{
	Datum values[4] = {
		PointerGetDatum(construct_array(seqs, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, 'd')),
		PointerGetDatum(construct_array(ids, count, UUIDOID, UUID_LEN, false, 'c')),
		PointerGetDatum(construct_array(hashes, count, BYTEAOID, -1, false, 'i')),
		Int32GetDatum((int32) key_version)};

	am_spi_run(&store_plan, values, NULL, 0);
}

/*
 * Chains one batch of ids greater than *last behind *head and moves both; returns the number of
 * links.
 */
static int64
batch_chain(int64 rows_max, AmAuditLink *head, pg_uuid_t *last)
{
	uint32 key_version = am_master_key_newest();
	Datum values[2] = {Int64GetDatum(Min(rows_max, AM_AUDIT_BATCH)), UUIDPGetDatum(last)};
	Datum seqs[AM_AUDIT_BATCH];
	Datum ids[AM_AUDIT_BATCH];
	Datum hashes[AM_AUDIT_BATCH];
	int64 count = (int64) am_audit_write(&take_plan, values, NULL);
	int64 i;

	for (i = 0; i < count; i++)
	{
		AmAuditLink link;

		CHECK_FOR_INTERRUPTS();
		am_audit_link(key_version, head, (uint64) i, 1, &link);
		seqs[i] = Int64GetDatum(link.seq);
		ids[i] = am_spi_datum((uint64) i, 1);
		hashes[i] = PointerGetDatum(am_bytea_new(link.hash, AM_SHA256_BYTES));
		if (memcmp(DatumGetUUIDP(ids[i])->data, last->data, UUID_LEN) > 0)
			*last = *DatumGetUUIDP(ids[i]);
		*head = link;
	}
	if (count > 0)
	{
		links_store(key_version, seqs, ids, hashes, (int) count);
		head_write(&head_store_plan, head);
	}
	return count;
}

int64
am_audit_chain_extend(int64 rows_max, bool repair)
{
	AmAuditLink head;
	pg_uuid_t last = {{0}};
	int64 chained = 0;
	int64 count = AM_AUDIT_BATCH;
	bool locked;

	am_spi_begin();
	locked = am_audit_head_lock(repair, &head);
	am_spi_end();
	while (locked && count == AM_AUDIT_BATCH && chained < rows_max)
	{
		am_spi_begin();
		count = batch_chain(rows_max - chained, &head, &last);
		am_spi_end();
		chained += count;
	}
	return chained;
}

int64
am_audit_rows_argument(FunctionCallInfo fcinfo, int number)
{
	if (PG_ARGISNULL(number) || PG_GETARG_INT32(number) < 1 ||
		PG_GETARG_INT32(number) > AM_AUDIT_ROWS_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
				errmsg("number of audit events is out of range"),
				errhint("Ask for 1 to %d events.", AM_AUDIT_ROWS_MAX));
	return PG_GETARG_INT32(number);
}

/* authmeter.audit_chain_extend(rows_max, repair) */
Datum
authmeter_audit_chain_extend(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(am_audit_chain_extend(am_audit_rows_argument(fcinfo, 0),
										  !PG_ARGISNULL(1) && PG_GETARG_BOOL(1)));
}
