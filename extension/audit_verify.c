/*
 * audit_verify.c
 *
 * authmeter.audit_verify(): walks the chain in batches, under one snapshot and with memory for one
 * batch, and tells what does not fit.
 *
 * What a link that does not fit means is known one link later. Link n is an HMAC of the stored link
 * n - 1 and event n. If link n + 1 follows from the stored link n, the link is what we made and the
 * event was changed; if it follows from what link n should be, the link itself was changed and the
 * event is what it was. At the end of the chain the head stands in for link n + 1.
 *
 * What no chain can tell by itself: a trail that was put back as a whole to what it was earlier.
 * For that a place of the chain is kept elsewhere (the summary gives it) and handed in later.
 */
#include "compat.h"

#include "utils/jsonb.h"

#include "audit_chain.h"
#include "clock.h"
#include "core/hex.h"
#include "crypto/secret.h"
#include "master_key.h"

PG_FUNCTION_INFO_V1(authmeter_audit_verify);

/* Violations told; the summary has the number of all. */
#define VIOLATIONS_MAX 1000

/* Chaining is late when it has not happened for so long. */
#define UNCHAINED_MAX_US (INT64CONST(3600) * USECS_PER_SEC)

/* First column of the event in a result of links_plan. */
#define EVENT_COLUMN 5

static AmPlan links_plan = {
	"SELECT c.seq, c.event_id, c.key_version, c.hash, " AM_AUDIT_EVENT_COLUMNS
	" FROM authmeter.audit_chain c LEFT JOIN authmeter.audit_event e ON e.id" AM_EQ "c.event_id "
	"WHERE c.seq" AM_GT "$1 ORDER BY c.seq LIMIT $2",
	2,
	{INT8OID, INT8OID},
	NULL};
static AmPlan checkpoints_plan = {
	"SELECT month, seq, hash, events, key_version, mac FROM authmeter.audit_checkpoint "
	"ORDER BY month",
	0,
	{0},
	NULL};
static AmPlan link_plan = {
	"SELECT hash FROM authmeter.audit_chain WHERE seq" AM_EQ "$1", 1, {INT8OID}, NULL};
/* Events that the chain does not have: late ones, and those that authmeter has not appended. */
static AmPlan unchained_plan = {
	"SELECT e.id, p.event_id IS NULL FROM authmeter.audit_event e "
	"LEFT JOIN authmeter.audit_pending p ON p.event_id" AM_EQ "e.id WHERE NOT EXISTS (SELECT FROM "
	"authmeter.audit_chain c WHERE c.event_id" AM_EQ "e.id) AND (p.event_id IS NULL OR e.at" AM_LT
	"$1) ORDER BY e.id LIMIT $2",
	2,
	{TIMESTAMPTZOID, INT8OID},
	NULL};
/* The same of the ids that wait; those without an event too. */
static AmPlan pending_plan = {
	"SELECT p.event_id, e.id IS NULL FROM authmeter.audit_pending p LEFT JOIN authmeter.audit_event "
	"e ON e.id" AM_EQ "p.event_id WHERE e.id IS NULL OR ($3 AND e.at" AM_LT
	"$1) ORDER BY p.event_id LIMIT $2",
	3,
	{TIMESTAMPTZOID, INT8OID, BOOLOID},
	NULL};
static AmPlan waiting_plan = {
	"SELECT pg_catalog.count(*) FROM authmeter.audit_pending", 0, {0}, NULL};

typedef struct Walk
{
	ReturnSetInfo *result;
	int64 violations;
	int64 checked;         /* links */
	int64 purged;          /* events that checkpoints stand for */
	AmAuditLink stored;    /* the newest link as it is stored */
	AmAuditLink computed;  /* as it should be, if suspect */
	bool based;            /* what precedes is known: the next link can be checked */
	bool suspect;          /* the newest link is not what it should be */
	bool suspect_computed; /* and computed holds what it should be */
	pg_uuid_t suspect_event;
	uint32 missing_version; /* of the master key, told already; 0 = none */
	AmAuditLink head;
	AmAuditHeadState head_state;
} Walk;

static JsonbValue *
push_text(JsonbParseState **state, JsonbIteratorToken token, const char *text)
{
	JsonbValue value = {.type = jbvString};

	value.val.string.val = pstrdup(text);
	value.val.string.len = (int) strlen(text);
	return pushJsonbValue(state, token, &value);
}

static void
push_pair(JsonbParseState **state, const char *name, const char *value)
{
	push_text(state, WJB_KEY, name);
	push_text(state, WJB_VALUE, value);
}

static void
push_number(JsonbParseState **state, const char *name, int64 number)
{
	JsonbValue value = {.type = jbvNumeric, .val.numeric = int64_to_numeric(number)};

	push_text(state, WJB_KEY, name);
	pushJsonbValue(state, WJB_VALUE, &value);
}

static void
row_put(Walk *walk, const char *kind, int64 seq, const pg_uuid_t *event_id, Jsonb *detail)
{
	Datum values[4] = {CStringGetTextDatum(kind), Int64GetDatum(seq), UUIDPGetDatum(event_id),
					   PointerGetDatum(detail)};
	bool nulls[4] = {false, seq < 0, event_id == NULL, detail == NULL};

	tuplestore_putvalues(walk->result->setResult, walk->result->setDesc, values, nulls);
}

/* seq < 0, event_id NULL, name NULL: not told. */
static void
violation(Walk *walk, const char *kind, int64 seq, const pg_uuid_t *event_id, const char *name,
		  const char *value)
{
	JsonbParseState *state = NULL;
	Jsonb *detail = NULL;

	if (walk->violations++ >= VIOLATIONS_MAX)
		return;
	if (name != NULL)
	{
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_pair(&state, name, value);
		detail = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	}
	row_put(walk, kind, seq, event_id, detail);
}

/* ---- links ----------------------------------------------------------------------------------- */

/* The newest link did not fit: what follows it has told why. */
static void
suspect_settle(Walk *walk, bool link_changed)
{
	if (walk->suspect)
		violation(walk, link_changed ? "link_changed" : "event_changed", walk->stored.seq,
				  &walk->suspect_event, NULL, NULL);
	walk->suspect = false;
	walk->suspect_computed = false;
}

static void
gap_tell(Walk *walk, int64 to)
{
	suspect_settle(walk, false);
	violation(walk, "gap", walk->stored.seq + 1, NULL, "to", psprintf(INT64_FORMAT, to));
	walk->based = false;
}

/* The link's key; false when the master key file lacks it, which is told once a version. */
static bool
version_usable(Walk *walk, int64 seq, uint32 version)
{
	if (am_master_key_has(version))
		return true;
	if (walk->missing_version != version)
		violation(walk, "key_missing", seq, NULL, "master_key_version", psprintf("%u", version));
	walk->missing_version = version;
	return false;
}

/* Whether the link in a row of the result is what follows from the one before. */
static void
link_compare(Walk *walk, uint64 row, uint32 version, const AmAuditLink *link)
{
	AmAuditLink expected;
	AmAuditLink other;

	am_audit_link(version, &walk->stored, row, EVENT_COLUMN, &expected);
	if (am_secret_equal(expected.hash, link->hash, AM_SHA256_BYTES))
	{
		suspect_settle(walk, false);
		return;
	}
	if (walk->suspect && walk->suspect_computed)
	{
		am_audit_link(version, &walk->computed, row, EVENT_COLUMN, &other);
		if (am_secret_equal(other.hash, link->hash, AM_SHA256_BYTES))
		{
			suspect_settle(walk, true);
			return;
		}
	}
	suspect_settle(walk, false);
	walk->suspect = true;
	walk->suspect_computed = true;
	walk->computed = expected;
}

static void
link_check(Walk *walk, uint64 row)
{
	AmAuditLink link = {.seq = am_spi_int64(row, 1)};
	pg_uuid_t event_id = am_spi_uuid(row, 2);
	uint32 version = (uint32) am_spi_int32(row, 3);
	bool whole = am_audit_hash_read(row, 4, link.hash);

	if (link.seq != walk->stored.seq + 1)
		gap_tell(walk, link.seq - 1);
	if (am_spi_null(row, EVENT_COLUMN))
	{
		suspect_settle(walk, false);
		violation(walk, "event_missing", link.seq, &event_id, NULL, NULL);
	}
	else if (!version_usable(walk, link.seq, version))
		suspect_settle(walk, false);
	else if (!whole)
	{
		suspect_settle(walk, false);
		violation(walk, "link_changed", link.seq, &event_id, NULL, NULL);
	}
	else if (walk->based)
		link_compare(walk, row, version, &link);
	walk->based = whole;
	walk->stored = link;
	walk->suspect_event = event_id;
	walk->checked++;
}

static void
links_check(Walk *walk)
{
	uint64 count = AM_AUDIT_BATCH;
	uint64 row;

	while (count == AM_AUDIT_BATCH)
	{
		Datum values[2] = {Int64GetDatum(walk->stored.seq), Int64GetDatum(AM_AUDIT_BATCH)};

		am_spi_begin();
		count = am_spi_read(&links_plan, values, NULL, 0);
		for (row = 0; row < count; row++)
		{
			CHECK_FOR_INTERRUPTS();
			link_check(walk, row);
		}
		am_spi_end();
	}
}

/* ---- beginning and end ----------------------------------------------------------------------- */

/* Where the chain begins: behind the newest checkpoint. SPI is connected. */
static void
checkpoints_check(Walk *walk)
{
	uint64 count = am_spi_read(&checkpoints_plan, NULL, NULL, 0);
	uint8 previous[AM_SHA256_BYTES];
	uint64 row;

	for (row = 0; row < count; row++)
	{
		AmAuditCheckpoint point = {.month = DatumGetDateADT(am_spi_datum(row, 1)),
								   .last.seq = am_spi_int64(row, 2),
								   .events = am_spi_int64(row, 4),
								   .key_version = (uint32) am_spi_int32(row, 5)};
		uint8 mac[AM_SHA256_BYTES];
		bool whole = am_audit_hash_read(row, 3, point.last.hash) &&
					 am_audit_hash_read(row, 6, point.mac) &&
					 walk->purged + point.events == point.last.seq;

		if (version_usable(walk, point.last.seq, point.key_version))
		{
			am_audit_checkpoint_mac(&point, row > 0 ? previous : NULL, mac);
			if (!whole || !am_secret_equal(mac, point.mac, AM_SHA256_BYTES))
				violation(walk, "checkpoint_changed", point.last.seq, NULL, NULL, NULL);
		}
		memcpy(previous, point.mac, AM_SHA256_BYTES);
		walk->purged += point.events;
		walk->stored = point.last;
	}
	walk->based = true;
}

/* First of all, because many other violations may follow. SPI is connected. */
static void
head_check(Walk *walk)
{
	walk->head_state = am_audit_head_read(&walk->head);
	if (walk->head_state == AM_AUDIT_HEAD_FORGED)
		violation(walk, "head_changed", walk->head.seq, NULL, NULL, NULL);
	else if (walk->head_state == AM_AUDIT_HEAD_UNKNOWN_KEY)
		violation(walk, "key_missing", walk->head.seq, NULL, "of", "head");
}

/* The end of the chain against the head. */
static void
end_check(Walk *walk)
{
	const AmAuditLink *head = &walk->head;

	if (head->seq > walk->stored.seq)
		gap_tell(walk, head->seq);
	suspect_settle(walk, walk->suspect_computed && walk->head_state == AM_AUDIT_HEAD_GOOD &&
							 memcmp(head->hash, walk->computed.hash, AM_SHA256_BYTES) == 0);
	if (walk->head_state == AM_AUDIT_HEAD_ABSENT && walk->stored.seq > 0)
		violation(walk, "head_missing", -1, NULL, NULL, NULL);
	else if (walk->head_state == AM_AUDIT_HEAD_GOOD && head->seq < walk->stored.seq)
		violation(walk, "head_changed", head->seq, NULL, NULL, NULL);
}

/* A place that the caller knows: if the chain goes through it, it is checked from there on. */
static void
anchor_check(Walk *walk, const AmAuditLink *anchor)
{
	Datum seq = Int64GetDatum(anchor->seq);
	uint8 hash[AM_SHA256_BYTES];
	bool found;

	if (anchor->seq < walk->stored.seq)
		return;
	found = anchor->seq == walk->stored.seq;
	memcpy(hash, walk->stored.hash, AM_SHA256_BYTES);
	if (!found)
		found = am_spi_read(&link_plan, &seq, NULL, 1) == 1 && am_audit_hash_read(0, 1, hash);
	if (found && memcmp(hash, anchor->hash, AM_SHA256_BYTES) == 0)
		walk->stored = *anchor;
	else
		violation(walk, "anchor_missed", anchor->seq, NULL, NULL, NULL);
}

/* Events and ids outside of the chain; all events only when the whole trail is checked. */
static void
unchained_check(Walk *walk, bool whole)
{
	Datum values[3] = {TimestampTzGetDatum(am_clock_now() - UNCHAINED_MAX_US),
					   Int64GetDatum(VIOLATIONS_MAX), BoolGetDatum(!whole)};
	uint64 count;
	uint64 row;

	am_spi_begin();
	count = am_spi_read(&pending_plan, values, NULL, 0);
	for (row = 0; row < count; row++)
	{
		pg_uuid_t id = am_spi_uuid(row, 1);

		violation(walk, am_spi_bool(row, 2) ? "event_missing" : "event_unchained", -1, &id, NULL,
				  NULL);
	}
	count = whole ? am_spi_read(&unchained_plan, values, NULL, 0) : 0;
	for (row = 0; row < count; row++)
	{
		pg_uuid_t id = am_spi_uuid(row, 1);

		violation(walk, am_spi_bool(row, 2) ? "event_foreign" : "event_unchained", -1, &id, NULL,
				  NULL);
	}
	am_spi_end();
}

static void
summary_put(Walk *walk)
{
	JsonbParseState *state = NULL;
	char hash[AM_SHA256_BYTES * 2 + 1] = "";
	int64 waiting;

	am_spi_begin();
	am_spi_read(&waiting_plan, NULL, NULL, 1);
	waiting = am_spi_int64(0, 1);
	am_spi_end();
	(void) amc_hex_encode(walk->stored.hash, AM_SHA256_BYTES, hash, sizeof(hash));
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_number(&state, "checked", walk->checked);
	push_number(&state, "purged", walk->purged);
	push_number(&state, "waiting", waiting);
	push_number(&state, "violations", walk->violations);
	push_pair(&state, "hash", hash);
	row_put(walk, "summary", walk->stored.seq, NULL,
			JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/* Both arguments, or false for neither. */
static bool
anchor_argument(FunctionCallInfo fcinfo, AmAuditLink *anchor)
{
	bytea *hash = PG_ARGISNULL(1) ? NULL : PG_GETARG_BYTEA_PP(1);

	if (PG_ARGISNULL(0) && hash == NULL)
		return false;
	if (PG_ARGISNULL(0) || hash == NULL || PG_GETARG_INT64(0) < 1 ||
		VARSIZE_ANY_EXHDR(hash) != AM_SHA256_BYTES)
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("invalid place in the chain of the audit trail"),
				errhint("Give the number and the 32 bytes of a link as a summary of "
						"audit_verify() told them, or neither."));
	anchor->seq = PG_GETARG_INT64(0);
	memcpy(anchor->hash, VARDATA_ANY(hash), AM_SHA256_BYTES);
	return true;
}

/* authmeter.audit_verify(after_seq, after_hash) */
Datum
authmeter_audit_verify(PG_FUNCTION_ARGS)
{
	Walk walk = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	AmAuditLink anchor;
	bool anchored = anchor_argument(fcinfo, &anchor);

	am_compat_srf_begin(fcinfo);
	am_spi_begin();
	head_check(&walk);
	checkpoints_check(&walk);
	if (anchored)
		anchor_check(&walk, &anchor);
	am_spi_end();
	links_check(&walk);
	end_check(&walk);
	unchained_check(&walk, !anchored);
	summary_put(&walk);
	return (Datum) 0;
}
