/*
 * usage.c
 *
 * Counters of users: usage_add, usage_add_many, usage_reset.
 *
 * usage_add is usage_add_many with one item, so there is one way to count. A call works in three
 * passes over its items, each in one fixed order, so that parallel callers queue and never
 * deadlock: idempotency keys by (user, key), counters by (user, meter), answers by position.
 * Items of one counter are written by one UPDATE; each item's own total is computed from it. If
 * their sum would overflow, they are decided one by one instead.
 *
 * Every decision is a test in the deciding statement (UPDATE ... WHERE it still fits RETURNING),
 * never an exception: calls of many clients may share one transaction.
 */
#include "compat.h"

#include "common/int.h"
#include "utils/array.h"
#include "utils/jsonb.h"

#include "array.h"
#include "clock.h"
#include "idempotency.h"
#include "meter.h"
#include "row.h"
#include "spi.h"
#include "usage.h"

PG_FUNCTION_INFO_V1(authmeter_usage_add);
PG_FUNCTION_INFO_V1(authmeter_usage_add_many);
PG_FUNCTION_INFO_V1(authmeter_usage_reset);

/* One increment: what was asked, and what became of it. */
typedef struct UsageItem
{
	int index; /* position in the input */
	pg_uuid_t user;
	AmMeter meter; /* id 0 = unknown */
	int64 amount;
	text *key;              /* NULL = none */
	struct UsageItem *twin; /* earlier item of this call with the same key, or NULL */
	const char *outcome;    /* NULL = not decided yet */
	int64 value;
	bool replayed;
	bool claimed; /* its key waits for the answer */
	int crossed_count;
	int64 crossed[AM_METER_THRESHOLDS_MAX];
} UsageItem;

static const char *const outcome_ok = "ok";

static AmPlan add_plan = {"UPDATE authmeter.usage_counter SET value = value" AM_PLUS
						  "$3, updated_at = $4 "
						  "WHERE user_id" AM_EQ "$1 AND meter_id" AM_EQ "$2 "
						  "AND value" AM_LE "(9223372036854775807" AM_MINUS "$3) RETURNING value",
						  4,
						  {UUIDOID, INT4OID, INT8OID, TIMESTAMPTZOID},
						  NULL};

static AmPlan read_plan = {"SELECT value FROM authmeter.usage_counter WHERE user_id" AM_EQ
						   "$1 AND meter_id" AM_EQ "$2",
						   2,
						   {UUIDOID, INT4OID},
						   NULL};

static AmPlan user_plan = {
	"SELECT true FROM authmeter.user WHERE id" AM_EQ "$1", 1, {UUIDOID}, NULL};

/* The first use of a meter by a user. The lock keeps the user from vanishing meanwhile. */
static AmPlan first_plan = {
	"INSERT INTO authmeter.usage_counter AS c (user_id, meter_id, value, updated_at) "
	"SELECT u.id, $2, $3, $4 FROM authmeter.user u WHERE u.id" AM_EQ "$1 FOR KEY SHARE "
	"ON CONFLICT (user_id, meter_id) DO UPDATE SET value = c.value" AM_PLUS "EXCLUDED.value, "
	"updated_at = EXCLUDED.updated_at "
	"WHERE c.value" AM_LE "(9223372036854775807" AM_MINUS "EXCLUDED.value) RETURNING value",
	4,
	{UUIDOID, INT4OID, INT8OID, TIMESTAMPTZOID},
	NULL};

static AmPlan reset_plan = {
	"UPDATE authmeter.usage_counter c SET value = 0, updated_at = $3 "
	"FROM (SELECT o.user_id, o.meter_id, o.value FROM authmeter.usage_counter o "
	"WHERE o.user_id" AM_EQ "$1 AND o.meter_id" AM_EQ "$2 FOR UPDATE) old "
	"WHERE c.user_id" AM_EQ "old.user_id AND c.meter_id" AM_EQ "old.meter_id RETURNING old.value",
	3,
	{UUIDOID, INT4OID, TIMESTAMPTZOID},
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

static ArrayType *
crossed_array(const UsageItem *item)
{
	Datum values[AM_METER_THRESHOLDS_MAX];
	int i;

	for (i = 0; i < item->crossed_count; i++)
		values[i] = Int64GetDatum(item->crossed[i]);
	return construct_array(values, item->crossed_count, INT8OID, 8, FLOAT8PASSBYVAL, 'd');
}

/* The item is done: its total, and the thresholds that its amount reached or passed. */
static void
item_succeed(UsageItem *item, int64 value)
{
	item->outcome = outcome_ok;
	item->value = value;
	item->crossed_count = am_meter_crossed(&item->meter, value, item->amount, item->crossed);
}

/* The outcomes are few and constant, so a stored one is mapped back to the constant. */
static const char *
outcome_constant(const char *text)
{
	static const char *const known[] = {"overflow", "user_unknown"};
	int i;

	for (i = 0; i < (int) lengthof(known); i++)
		if (strcmp(text, known[i]) == 0)
			return known[i];
	return outcome_ok;
}

static void
item_replay(UsageItem *item, Datum reply)
{
	ArrayType *crossed;
	Datum *values;
	int i;

	am_spi_run(&replay_plan, &reply, NULL, 1);
	item->outcome = outcome_constant(am_spi_text(0, 1, NULL));
	item->replayed = true;
	if (!am_spi_null(0, 2))
		item->value = am_spi_int64(0, 2);
	crossed = DatumGetArrayTypeP(am_spi_datum(0, 3));
	deconstruct_array(crossed, INT8OID, 8, FLOAT8PASSBYVAL, 'd', &values, NULL,
					  &item->crossed_count);
	item->crossed_count = Min(item->crossed_count, AM_METER_THRESHOLDS_MAX);
	for (i = 0; i < item->crossed_count; i++)
		item->crossed[i] = DatumGetInt64(values[i]);
}

/* Claims the item's key; decides the item unless the key is new. */
static void
item_claim(UsageItem *item, const char *request)
{
	Datum reply = (Datum) 0;

	switch (am_idempotency_claim(&item->user, item->key, request, &reply))
	{
		case AM_CLAIM_NEW:
			item->claimed = true;
			return;
		case AM_CLAIM_REPLAY:
			item_replay(item, reply);
			return;
		case AM_CLAIM_CONFLICT:
			item->outcome = "key_conflict";
			return;
		case AM_CLAIM_USER_UNKNOWN:
			item->outcome = "user_unknown";
			return;
		case AM_CLAIM_KEY_INVALID:
			item->outcome = "key_invalid";
			return;
	}
}

static void
item_store(const UsageItem *item)
{
	Datum values[3] = {CStringGetTextDatum(item->outcome), Int64GetDatum(item->value),
					   PointerGetDatum(crossed_array(item))};
	Datum reply;

	am_spi_run(&reply_plan, values, item->outcome == outcome_ok ? "   " : " n ", 1);
	reply = am_spi_datum(0, 1);
	am_idempotency_store(&item->user, item->key, reply);
}

const char *
am_usage_counter_add(const pg_uuid_t *user, int32 meter_id, int64 amount, int64 *value)
{
	Datum values[4] = {UUIDPGetDatum(user), Int32GetDatum(meter_id), Int64GetDatum(amount),
					   TimestampTzGetDatum(am_clock_now())};

	*value = 0;
	if (am_spi_run(amount == 0 ? &read_plan : &add_plan, values, NULL, 1) == 1)
		*value = am_spi_int64(0, 1);
	else if (am_spi_run(&user_plan, values, NULL, 1) == 0)
		return "user_unknown";
	else if (amount > 0)
	{
		if (am_spi_run(&first_plan, values, NULL, 1) == 0)
			return "overflow";
		*value = am_spi_int64(0, 1);
	}
	return NULL;
}

static void
item_add_alone(UsageItem *item)
{
	int64 value;
	const char *refusal = am_usage_counter_add(&item->user, item->meter.id, item->amount, &value);

	if (refusal != NULL)
		item->outcome = refusal;
	else
		item_succeed(item, value);
}

/* Items first..last-1 concern one counter, in the order of the input. */
static void
group_add(UsageItem **items, int first, int last)
{
	int64 sum = 0;
	int64 value;
	bool fits = true;
	int i;

	for (i = first; i < last && fits; i++)
		fits = !pg_add_s64_overflow(sum, items[i]->amount, &sum);
	if (last - first == 1 || !fits ||
		am_usage_counter_add(&items[first]->user, items[first]->meter.id, sum, &value) != NULL)
	{
		for (i = first; i < last; i++)
			item_add_alone(items[i]);
		return;
	}
	value -= sum;
	for (i = first; i < last; i++)
	{
		value += items[i]->amount;
		item_succeed(items[i], value);
	}
}

static int
compare_uuid(const UsageItem *a, const UsageItem *b)
{
	return memcmp(a->user.data, b->user.data, UUID_LEN);
}

static int
compare_key(const UsageItem *a, const UsageItem *b)
{
	Size a_bytes = VARSIZE_ANY_EXHDR(a->key);
	Size b_bytes = VARSIZE_ANY_EXHDR(b->key);
	int order = compare_uuid(a, b);

	if (order == 0)
		order = memcmp(VARDATA_ANY(a->key), VARDATA_ANY(b->key), Min(a_bytes, b_bytes));
	if (order == 0 && a_bytes != b_bytes)
		order = a_bytes < b_bytes ? -1 : 1;
	return order;
}

/* By user, key, position: the order in which keys are claimed. */
static int
compare_by_key(const void *pa, const void *pb)
{
	const UsageItem *a = *(UsageItem *const *) pa;
	const UsageItem *b = *(UsageItem *const *) pb;
	int order = compare_key(a, b);

	return order != 0 ? order : a->index - b->index;
}

/* By user, meter, position: the order in which counters are locked. */
static int
compare_by_counter(const void *pa, const void *pb)
{
	const UsageItem *a = *(UsageItem *const *) pa;
	const UsageItem *b = *(UsageItem *const *) pb;
	int order = compare_uuid(a, b);

	if (order == 0 && a->meter.id != b->meter.id)
		order = a->meter.id < b->meter.id ? -1 : 1;
	return order != 0 ? order : a->index - b->index;
}

static char *
request_text(const UsageItem *item)
{
	return psprintf("usage_add %s " INT64_FORMAT, item->meter.name, item->amount);
}

/*
 * Claims all keys, in key order. A key that stands twice in one call is claimed by its first item,
 * and the later ones wait for that item's answer.
 */
static void
keys_claim(UsageItem *items, int count, UsageItem **sorted)
{
	int keyed = 0;
	int i;

	for (i = 0; i < count; i++)
		if (items[i].outcome == NULL && items[i].key != NULL)
			sorted[keyed++] = &items[i];
	if (keyed > 1)
		qsort(sorted, keyed, sizeof(UsageItem *), compare_by_key);
	for (i = 0; i < keyed; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i > 0 && compare_key(sorted[i - 1], sorted[i]) == 0)
			sorted[i]->twin = sorted[i - 1]->twin != NULL ? sorted[i - 1]->twin : sorted[i - 1];
		else
			item_claim(sorted[i], request_text(sorted[i]));
	}
}

/* A later item with the key of an earlier one of the same call: a replay of it, or a conflict. */
static void
twin_answer(UsageItem *item)
{
	const UsageItem *first = item->twin;

	if (item->meter.id != first->meter.id || item->amount != first->amount ||
		strcmp(first->outcome, "key_conflict") == 0)
	{
		item->outcome = "key_conflict";
		return;
	}
	item->outcome = first->outcome;
	item->value = first->value;
	item->replayed = true;
	item->crossed_count = first->crossed_count;
	memcpy(item->crossed, first->crossed, sizeof(item->crossed));
}

static void
counters_add(UsageItem *items, int count, UsageItem **sorted)
{
	int open = 0;
	int first;
	int i;

	for (i = 0; i < count; i++)
		if (items[i].outcome == NULL && items[i].twin == NULL)
			sorted[open++] = &items[i];
	if (open > 1)
		qsort(sorted, open, sizeof(UsageItem *), compare_by_counter);
	for (first = 0; first < open; first = i)
	{
		CHECK_FOR_INTERRUPTS();
		for (i = first + 1; i < open; i++)
			if (compare_uuid(sorted[i], sorted[first]) != 0 ||
				sorted[i]->meter.id != sorted[first]->meter.id)
				break;
		group_add(sorted, first, i);
	}
}

/* Decides every item; what is decided already stays. SPI is connected. */
static void
items_add(UsageItem *items, int count)
{
	UsageItem **sorted = palloc(sizeof(UsageItem *) * count);
	int i;

	keys_claim(items, count, sorted);
	counters_add(items, count, sorted);
	for (i = 0; i < count; i++)
		if (items[i].claimed)
			item_store(&items[i]);
	for (i = 0; i < count; i++)
		if (items[i].twin != NULL)
			twin_answer(&items[i]);
	pfree(sorted);
}

/* What can be refused without a look at any counter. */
static void
item_check(UsageItem *item, bool user_null, bool amount_null)
{
	if (user_null)
		item->outcome = "user_unknown";
	else if (item->meter.id == 0)
		item->outcome = "meter_unknown";
	else if (amount_null || item->amount < 0)
		item->outcome = "amount_invalid";
}

static void
item_row(const UsageItem *item, Datum *row, bool *nulls)
{
	bool ok = item->outcome == outcome_ok;

	row[0] = CStringGetTextDatum(item->outcome);
	row[1] = Int64GetDatum(item->value);
	row[2] = BoolGetDatum(item->replayed);
	row[3] = PointerGetDatum(crossed_array(item));
	nulls[0] = nulls[2] = nulls[3] = false;
	nulls[1] = !ok;
}

static Datum
result_datum(FunctionCallInfo fcinfo, const UsageItem *item)
{
	Datum row[4];
	bool nulls[4];

	item_row(item, row, nulls);
	return am_row(fcinfo, row, nulls);
}

/* Fills the item's meter; an unknown one leaves id 0. */
static void
item_meter(UsageItem *item, const text *name)
{
	(void) am_meter_find(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), &item->meter);
}

/* authmeter.usage_add(user_id, meter, amount, idempotency_key) adds and returns the new total. */
Datum
authmeter_usage_add(PG_FUNCTION_ARGS)
{
	UsageItem item = {.index = 1};

	if (!PG_ARGISNULL(0))
		item.user = *PG_GETARG_UUID_P(0);
	if (!PG_ARGISNULL(1))
		item_meter(&item, PG_GETARG_TEXT_PP(1));
	item.amount = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2);
	item.key = PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3);
	item_check(&item, PG_ARGISNULL(0), PG_ARGISNULL(2));
	am_spi_begin();
	items_add(&item, 1);
	am_spi_end();
	return result_datum(fcinfo, &item);
}

static void
item_fill(UsageItem *item, int i, const AmArray *args, bool keyed)
{
	item->index = i + 1;
	if (!args[0].nulls[i])
		item->user = *DatumGetUUIDP(args[0].values[i]);
	if (!args[1].nulls[i])
		item_meter(item, DatumGetTextPP(args[1].values[i]));
	item->amount = args[2].nulls[i] ? 0 : DatumGetInt64(args[2].values[i]);
	item->key = !keyed || args[3].nulls[i] ? NULL : DatumGetTextPP(args[3].values[i]);
	item_check(item, args[0].nulls[i], args[2].nulls[i]);
}

/* authmeter.usage_add_many(user_ids, meters, amounts, idempotency_keys): one row an item. */
Datum
authmeter_usage_add_many(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool keyed = !PG_ARGISNULL(3);
	AmArray args[4];
	UsageItem *items;
	int count;
	int i;

	am_compat_srf_begin(fcinfo);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	args[0] = am_array_uuid(fcinfo, 0);
	args[1] = am_array_text(fcinfo, 1);
	args[2] = am_array_int64(fcinfo, 2);
	if (keyed)
		args[3] = am_array_text(fcinfo, 3);
	count = am_array_same_length("usage_add_many", args, keyed ? 4 : 3);
	items = palloc0(sizeof(UsageItem) * Max(count, 1));
	for (i = 0; i < count; i++)
		item_fill(&items[i], i, args, keyed);
	am_spi_begin();
	items_add(items, count);
	am_spi_end();
	for (i = 0; i < count; i++)
	{
		Datum row[5] = {Int32GetDatum(items[i].index)};
		bool nulls[5] = {false};

		item_row(&items[i], row + 1, nulls + 1);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row, nulls);
	}
	return (Datum) 0;
}

static void
counter_reset(UsageItem *item)
{
	Datum values[3] = {UUIDPGetDatum(&item->user), Int32GetDatum(item->meter.id),
					   TimestampTzGetDatum(am_clock_now())};

	if (am_spi_run(&reset_plan, values, NULL, 1) == 1)
		item->value = am_spi_int64(0, 1);
	else if (am_spi_run(&user_plan, values, NULL, 1) == 0)
	{
		item->outcome = "user_unknown";
		return;
	}
	item->outcome = outcome_ok;
}

/* authmeter.usage_reset(user_id, meter, idempotency_key) clears and returns what was cleared. */
Datum
authmeter_usage_reset(PG_FUNCTION_ARGS)
{
	UsageItem item = {.index = 1};

	if (!PG_ARGISNULL(0))
		item.user = *PG_GETARG_UUID_P(0);
	if (!PG_ARGISNULL(1))
		item_meter(&item, PG_GETARG_TEXT_PP(1));
	item.key = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
	item_check(&item, PG_ARGISNULL(0), false);
	am_spi_begin();
	if (item.outcome == NULL && item.key != NULL)
		item_claim(&item, psprintf("usage_reset %s", item.meter.name));
	if (item.outcome == NULL)
		counter_reset(&item);
	if (item.claimed)
		item_store(&item);
	am_spi_end();
	return result_datum(fcinfo, &item);
}
