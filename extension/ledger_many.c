/*
 * ledger_many.c
 *
 * ledger_spend_many: many spends in one call, as if they had been made one after the other.
 *
 * It works in passes, each in one fixed order, so that parallel callers queue and never deadlock:
 * idempotency keys by (user, key); all accounts locked by one statement, by ascending id; items of
 * an account in the order of the input. Decisions are made in memory under the locks. Entries of
 * accounts without dated grants are gathered and inserted by one statement, each account is
 * updated once; what dated grants pay is booked item by item.
 */
#include "compat.h"

#include "utils/array.h"

#include "array.h"
#include "clock.h"
#include "id.h"
#include "ledger_account.h"
#include "ledger_book.h"
#include "ledger_call.h"
#include "ledger_grant.h"
#include "spi.h"

PG_FUNCTION_INFO_V1(authmeter_ledger_spend_many);

typedef struct SpendItem
{
	int index;
	AmLedgerCall call;
	text *key;              /* NULL = none */
	struct SpendItem *twin; /* earlier item of this call with the same key, or NULL */
	bool claimed;
} SpendItem;

/* Gathered entries, one value of each column an entry. */
typedef struct Batch
{
	int count;
	Datum *columns[9];
} Batch;

static AmPlan lock_plan = {"SELECT " AM_ACCOUNT_COLUMNS
						   " FROM (SELECT DISTINCT k.user_id, k.unit FROM ROWS FROM ("
						   "pg_catalog.unnest($1), pg_catalog.unnest($2)) AS k (user_id, unit)) k "
						   "JOIN authmeter.account a ON a.user_id" AM_EQ
						   "k.user_id AND a.unit" AM_EQ "k.unit ORDER BY a.id FOR UPDATE OF a",
						   2,
						   {UUIDARRAYOID, TEXTARRAYOID},
						   NULL};

static AmPlan batch_plan = {
	"WITH t AS MATERIALIZED (SELECT * FROM ROWS FROM (pg_catalog.unnest($1), "
	"pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5), "
	"pg_catalog.unnest($6), pg_catalog.unnest($7), pg_catalog.unnest($8), pg_catalog.unnest($9)) "
	"AS t (account_id, version, transaction_id, amount, balance, held, credit_limit, at, unit)), "
	"s AS (INSERT INTO authmeter.system_entry (transaction_id, account, unit, amount, at) "
	"SELECT t.transaction_id, 'revenue', t.unit, t.amount, t.at FROM t) "
	"INSERT INTO authmeter.entry (account_id, version, transaction_id, kind, amount, held_change, "
	"balance_after, held_after, limit_after, at, counter_account) SELECT t.account_id, t.version, "
	"t.transaction_id, 'spend', OPERATOR(pg_catalog.-) t.amount, 0, t.balance, t.held, "
	"t.credit_limit, t.at, 'revenue' FROM t",
	9,
	{UUIDARRAYOID, INT8ARRAYOID, UUIDARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
	 INT8ARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID},
	NULL};

static int
compare_text(const text *a, const text *b)
{
	Size a_bytes = VARSIZE_ANY_EXHDR(a);
	Size b_bytes = VARSIZE_ANY_EXHDR(b);
	int order = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(a_bytes, b_bytes));

	if (order == 0 && a_bytes != b_bytes)
		order = a_bytes < b_bytes ? -1 : 1;
	return order;
}

static int
compare_user(const SpendItem *a, const SpendItem *b)
{
	return memcmp(a->call.user.data, b->call.user.data, UUID_LEN);
}

static int
compare_key(const SpendItem *a, const SpendItem *b)
{
	int order = compare_user(a, b);

	return order != 0 ? order : compare_text(a->key, b->key);
}

static int
compare_account(const SpendItem *a, const SpendItem *b)
{
	int order = compare_user(a, b);

	return order != 0 ? order : compare_text(a->call.unit, b->call.unit);
}

static int
compare_by_key(const void *pa, const void *pb)
{
	const SpendItem *a = *(SpendItem *const *) pa;
	const SpendItem *b = *(SpendItem *const *) pb;
	int order = compare_key(a, b);

	return order != 0 ? order : a->index - b->index;
}

static int
compare_by_account(const void *pa, const void *pb)
{
	const SpendItem *a = *(SpendItem *const *) pa;
	const SpendItem *b = *(SpendItem *const *) pb;
	int order = compare_account(a, b);

	return order != 0 ? order : a->index - b->index;
}

/* The text that ledger_spend uses for the same request, so that either may repeat the other. */
static char *
item_request(const SpendItem *item)
{
	const text *unit = item->call.unit;

	return psprintf("ledger_spend %d:%.*s " INT64_FORMAT " - -", (int) VARSIZE_ANY_EXHDR(unit),
					(int) VARSIZE_ANY_EXHDR(unit), VARDATA_ANY(unit), item->call.amount);
}

/* Claims all keys in key order; the later items of a key wait for the first one's answer. */
static void
keys_claim(SpendItem *items, int count, SpendItem **sorted)
{
	int keyed = 0;
	int i;

	for (i = 0; i < count; i++)
		if (items[i].call.outcome == NULL && items[i].key != NULL)
			sorted[keyed++] = &items[i];
	qsort(sorted, keyed, sizeof(SpendItem *), compare_by_key);
	for (i = 0; i < keyed; i++)
	{
		SpendItem *item = sorted[i];

		CHECK_FOR_INTERRUPTS();
		if (i > 0 && compare_key(sorted[i - 1], item) == 0)
			item->twin = sorted[i - 1]->twin != NULL ? sorted[i - 1]->twin : sorted[i - 1];
		else
			item->claimed = am_ledger_claim(&item->call, item->key, item_request(item));
	}
}

/* A later item with the key of an earlier one of the same call: a replay of it, or a conflict. */
static void
twin_answer(SpendItem *item)
{
	const AmLedgerCall *first = &item->twin->call;

	if (item->call.amount != first->amount || compare_text(item->call.unit, first->unit) != 0 ||
		strcmp(first->outcome, "key_conflict") == 0)
	{
		item->call.outcome = "key_conflict";
		return;
	}
	item->call = *first;
	if (first->outcome == first->outcome_text)
		item->call.outcome = item->call.outcome_text;
	item->call.replayed = true;
}

static ArrayType *
array_of(Datum *values, int count, Oid type)
{
	if (type == UUIDOID)
		return construct_array(values, count, UUIDOID, UUID_LEN, false, 'c');
	if (type == TEXTOID)
		return construct_array(values, count, TEXTOID, -1, false, 'i');
	return construct_array(values, count, type, 8, FLOAT8PASSBYVAL, 'd');
}

/* Locks the accounts of the items; returns them by ascending id. */
static AmAccount *
accounts_lock(SpendItem **sorted, int count, uint64 *found)
{
	Datum *users = palloc(sizeof(Datum) * count);
	Datum *units = palloc(sizeof(Datum) * count);
	AmAccount *accounts;
	Datum values[2];
	int distinct = 0;
	uint64 i;

	for (i = 0; i < (uint64) count; i++)
		if (i == 0 || compare_account(sorted[i - 1], sorted[i]) != 0)
		{
			users[distinct] = UUIDPGetDatum(&sorted[i]->call.user);
			units[distinct++] = PointerGetDatum(sorted[i]->call.unit);
		}
	values[0] = PointerGetDatum(array_of(users, distinct, UUIDOID));
	values[1] = PointerGetDatum(array_of(units, distinct, TEXTOID));
	*found = am_spi_run(&lock_plan, values, NULL, 0);
	accounts = palloc(sizeof(AmAccount) * Max(*found, 1));
	for (i = 0; i < *found; i++)
		am_account_read(i, &accounts[i]);
	return accounts;
}

static void
batch_add(Batch *batch, const AmAccount *account, const AmLedgerCall *call)
{
	int i = batch->count++;

	batch->columns[0][i] = UUIDPGetDatum(&account->id);
	batch->columns[1][i] = Int64GetDatum(account->version);
	batch->columns[2][i] = UUIDPGetDatum(&call->transaction);
	batch->columns[3][i] = Int64GetDatum(call->amount);
	batch->columns[4][i] = Int64GetDatum(account->balance);
	batch->columns[5][i] = Int64GetDatum(account->held);
	batch->columns[6][i] = Int64GetDatum(account->credit_limit);
	batch->columns[7][i] = TimestampTzGetDatum(account->updated_at);
	batch->columns[8][i] = PointerGetDatum(account->unit);
}

static void
batch_insert(Batch *batch)
{
	static const Oid types[9] = {UUIDOID, INT8OID, UUIDOID,        INT8OID, INT8OID,
								 INT8OID, INT8OID, TIMESTAMPTZOID, TEXTOID};
	Datum values[9];
	int i;

	if (batch->count == 0)
		return;
	for (i = 0; i < 9; i++)
		values[i] = PointerGetDatum(array_of(batch->columns[i], batch->count, types[i]));
	am_spi_run(&batch_plan, values, NULL, 0);
}

static void
item_spend(SpendItem *item, AmAccount *account, Batch *batch, TimestampTz now)
{
	AmLedgerCall *call = &item->call;

	if (account->closed)
		call->outcome = "user_unknown";
	else if (am_account_available(account) < call->amount)
	{
		call->outcome = "insufficient";
		am_account_tell(account, call);
	}
	else if (account->has_grants)
		am_ledger_spend_locked(call, account, now);
	else
	{
		account->balance -= call->amount;
		account->version++;
		account->updated_at = Max(account->updated_at, now);
		batch_add(batch, account, call);
		am_account_done(account, call, call->amount);
	}
}

static int
compare_owner(const AmAccount *account, const AmLedgerCall *call)
{
	int order = memcmp(account->user.data, call->user.data, UUID_LEN);

	return order != 0 ? order : compare_text(account->unit, call->unit);
}

static int
compare_by_owner(const void *pa, const void *pb)
{
	const AmAccount *a = *(AmAccount *const *) pa;
	const AmAccount *b = *(AmAccount *const *) pb;
	int order = memcmp(a->user.data, b->user.data, UUID_LEN);

	return order != 0 ? order : compare_text(a->unit, b->unit);
}

/* The accounts in the order of the items. */
static AmAccount **
accounts_sort(AmAccount *accounts, uint64 count)
{
	AmAccount **sorted = palloc(sizeof(AmAccount *) * Max(count, 1));
	uint64 i;

	for (i = 0; i < count; i++)
		sorted[i] = &accounts[i];
	qsort(sorted, count, sizeof(AmAccount *), compare_by_owner);
	return sorted;
}

/* Decides the items that are left, which stand in the order of accounts. */
static void
accounts_spend(SpendItem **sorted, int count, TimestampTz now, Batch *batch)
{
	AmAccount **by_owner;
	AmAccount *accounts;
	uint64 found;
	uint64 a;
	int i;

	accounts = accounts_lock(sorted, count, &found);
	for (a = 0; a < found; a++)
		if (!accounts[a].closed && accounts[a].due_at <= now)
			(void) am_grant_settle(&accounts[a], now);
	by_owner = accounts_sort(accounts, found);
	for (i = 0, a = 0; i < count; i++)
	{
		AmLedgerCall *call = &sorted[i]->call;

		CHECK_FOR_INTERRUPTS();
		while (a < found && compare_owner(by_owner[a], call) < 0)
			a++;
		if (a < found && compare_owner(by_owner[a], call) == 0)
			item_spend(sorted[i], by_owner[a], batch, now);
		else
			call->outcome = am_account_missing(&call->user, call->unit);
	}
	batch_insert(batch);
	for (a = 0; a < found; a++)
		am_account_save(&accounts[a]);
}

static void
items_spend(SpendItem *items, int count)
{
	SpendItem **sorted = palloc(sizeof(SpendItem *) * Max(count, 1));
	Batch batch = {0};
	int open = 0;
	int i;

	keys_claim(items, count, sorted);
	for (i = 0; i < count; i++)
		if (items[i].call.outcome == NULL && items[i].twin == NULL)
			sorted[open++] = &items[i];
	for (i = 0; i < 9; i++)
		batch.columns[i] = palloc(sizeof(Datum) * Max(open, 1));
	qsort(sorted, open, sizeof(SpendItem *), compare_by_account);
	if (open > 0)
		accounts_spend(sorted, open, am_clock_now(), &batch);
	for (i = 0; i < count; i++)
		if (items[i].claimed && !items[i].call.booked)
			am_ledger_store(&items[i].call, items[i].key);
	for (i = 0; i < count; i++)
		if (items[i].twin != NULL)
			twin_answer(&items[i]);
}

static void
item_fill(SpendItem *item, int i, const AmArray *args, bool keyed)
{
	AmLedgerCall *call = &item->call;

	item->index = i + 1;
	call->amount = args[2].nulls[i] ? 0 : DatumGetInt64(args[2].values[i]);
	item->key = !keyed || args[3].nulls[i] ? NULL : DatumGetTextPP(args[3].values[i]);
	if (args[0].nulls[i])
		call->outcome = "user_unknown";
	else if (args[1].nulls[i])
		call->outcome = "unit_unknown";
	else if (call->amount <= 0)
		call->outcome = "amount_invalid";
	else if (call->amount > AM_LEDGER_AMOUNT_MAX)
		call->outcome = "overflow";
	if (call->outcome != NULL)
		return;
	call->user = *DatumGetUUIDP(args[0].values[i]);
	call->unit = DatumGetTextPP(args[1].values[i]);
	call->transaction = am_id_new(am_id_partition(&call->user));
}

/* authmeter.ledger_spend_many(user_ids, units, amounts, idempotency_keys): one row an item. */
Datum
authmeter_ledger_spend_many(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool keyed = !PG_ARGISNULL(3);
	AmArray args[4];
	SpendItem *items;
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
	count = am_array_same_length("ledger_spend_many", args, keyed ? 4 : 3);
	items = palloc0(sizeof(SpendItem) * Max(count, 1));
	for (i = 0; i < count; i++)
		item_fill(&items[i], i, args, keyed);
	am_spi_begin();
	items_spend(items, count);
	am_spi_end();
	for (i = 0; i < count; i++)
	{
		Datum row[AM_LEDGER_COLUMNS + 1] = {Int32GetDatum(items[i].index)};
		bool nulls[AM_LEDGER_COLUMNS + 1] = {false};

		am_ledger_row(&items[i].call, row + 1, nulls + 1);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row, nulls);
	}
	return (Datum) 0;
}
