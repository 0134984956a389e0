/*
 * ledger_sql.c
 *
 * The SQL functions of the ledger: arguments, idempotency keys, answers.
 *
 * What can be refused without a look at the books is refused before the key is claimed and leaves
 * no trace.
 */
#include "compat.h"

#include "lib/stringinfo.h"

#include "id.h"
#include "interval.h"
#include "ledger.h"
#include "ledger_book.h"
#include "ledger_call.h"
#include "ledger_grant.h"
#include "ledger_hold.h"
#include "row.h"
#include "spi.h"

PG_FUNCTION_INFO_V1(authmeter_ledger_grant);
PG_FUNCTION_INFO_V1(authmeter_ledger_grant_void);
PG_FUNCTION_INFO_V1(authmeter_ledger_settle);
PG_FUNCTION_INFO_V1(authmeter_ledger_spend);
PG_FUNCTION_INFO_V1(authmeter_ledger_refund);
PG_FUNCTION_INFO_V1(authmeter_ledger_transfer);
PG_FUNCTION_INFO_V1(authmeter_ledger_adjust);
PG_FUNCTION_INFO_V1(authmeter_ledger_credit_limit_set);
PG_FUNCTION_INFO_V1(authmeter_ledger_hold);
PG_FUNCTION_INFO_V1(authmeter_ledger_capture);
PG_FUNCTION_INFO_V1(authmeter_ledger_void);

/* A call with what its function adds to the common part. */
typedef struct SqlCall
{
	AmLedgerCall ledger;
	text *key;
	AmGrantTerms terms;
	pg_uuid_t other; /* receiver, origin or hold */
	int64 lifetime;  /* of a hold, microseconds */
	bool keep;       /* of a capture: the rest stays held */
	StringInfoData request;
} SqlCall;

static Datum
call_run(FunctionCallInfo fcinfo, SqlCall *c, void (*work)(SqlCall *c))
{
	AmLedgerCall *call = &c->ledger;
	bool claimed = false;
	Datum row[AM_LEDGER_COLUMNS];
	bool nulls[AM_LEDGER_COLUMNS];

	if (call->outcome == NULL)
	{
		am_spi_begin();
		call->transaction = am_id_new(am_id_partition(&call->user));
		if (c->key != NULL)
			claimed = am_ledger_claim(call, c->key, c->request.data);
		if (call->outcome == NULL)
			work(c);
		if (claimed && call->outcome != NULL && !call->booked)
			am_ledger_store(call, c->key);
		am_spi_end();
	}
	if (call->outcome == NULL)
		ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR), errmsg("a booking has no outcome"));
	am_ledger_row(call, row, nulls);
	return am_row(fcinfo, row, nulls);
}

/* The request in one text: the function's name, then each argument with its length before it. */
static void
request_text(SqlCall *c, text *value)
{
	if (value == NULL)
		appendStringInfoString(&c->request, " -");
	else
		appendStringInfo(&c->request, " %d:%.*s", (int) VARSIZE_ANY_EXHDR(value),
						 (int) VARSIZE_ANY_EXHDR(value), VARDATA_ANY(value));
}

static void
request_int(SqlCall *c, int64 value)
{
	appendStringInfo(&c->request, " " INT64_FORMAT, value);
}

static text *
text_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : PG_GETARG_TEXT_PP(n);
}

static text *
bounded_arg(FunctionCallInfo fcinfo, int n, const char *name, int bytes_max)
{
	text *value = text_arg(fcinfo, n);

	if (value != NULL && VARSIZE_ANY_EXHDR(value) > bytes_max)
		ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
				errmsg("%s must not be longer than %d bytes", name, bytes_max));
	return value;
}

/* What can be refused by the amount alone. */
static void
amount_check(AmLedgerCall *call, bool given, int64 least)
{
	if (!given || call->amount < least)
		call->outcome = "amount_invalid";
	else if (call->amount > AM_LEDGER_AMOUNT_MAX)
		call->outcome = "overflow";
}

/* Reads the user of argument n and begins the request. */
static void
call_begin(FunctionCallInfo fcinfo, SqlCall *c, const char *function, int n)
{
	initStringInfo(&c->request);
	appendStringInfoString(&c->request, function);
	if (PG_ARGISNULL(n))
		c->ledger.outcome = "user_unknown";
	else
		c->ledger.user = *PG_GETARG_UUID_P(n);
}

/* Reads unit and amount, arguments n and n + 1. */
static void
call_amount(FunctionCallInfo fcinfo, SqlCall *c, int n, int64 least)
{
	AmLedgerCall *call = &c->ledger;

	call->unit = text_arg(fcinfo, n);
	call->amount = PG_ARGISNULL(n + 1) ? 0 : PG_GETARG_INT64(n + 1);
	if (call->outcome == NULL && call->unit == NULL)
		call->outcome = "unit_unknown";
	if (call->outcome == NULL)
		amount_check(call, !PG_ARGISNULL(n + 1), least);
	request_text(c, call->unit);
	request_int(c, call->amount);
}

/* Reads description, reference and idempotency key, arguments n to n + 2. */
static void
call_texts(FunctionCallInfo fcinfo, SqlCall *c, int n)
{
	AmLedgerCall *call = &c->ledger;

	call->description = bounded_arg(fcinfo, n, "description", AM_LEDGER_DESCRIPTION_BYTES_MAX);
	call->reference = bounded_arg(fcinfo, n + 1, "reference", AM_LEDGER_REFERENCE_BYTES_MAX);
	c->key = text_arg(fcinfo, n + 2);
	request_text(c, call->description);
	request_text(c, call->reference);
}

/* Reads the id in argument n that the call is about; NULL is the given outcome. */
static void
call_other(FunctionCallInfo fcinfo, SqlCall *c, int n, const char *unknown)
{
	char *text;

	if (!PG_ARGISNULL(n))
	{
		c->other = *PG_GETARG_UUID_P(n);
		text = DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(n)));
		appendStringInfo(&c->request, " %s", text);
	}
	else if (c->ledger.outcome == NULL)
		c->ledger.outcome = unknown;
}

/* Reads an amount that may be NULL for all, argument n. */
static void
call_part(FunctionCallInfo fcinfo, SqlCall *c, int n)
{
	if (!PG_ARGISNULL(n))
	{
		c->ledger.amount = PG_GETARG_INT64(n);
		if (c->ledger.outcome == NULL)
			amount_check(&c->ledger, true, 1);
	}
	request_int(c, c->ledger.amount);
}

static void
spend_work(SqlCall *c)
{
	am_ledger_spend(&c->ledger);
}

/* authmeter.ledger_spend(user_id, unit, amount, description, reference, idempotency_key) */
Datum
authmeter_ledger_spend(PG_FUNCTION_ARGS)
{
	SqlCall c = {0};

	call_begin(fcinfo, &c, "ledger_spend", 0);
	call_amount(fcinfo, &c, 1, 1);
	call_texts(fcinfo, &c, 3);
	return call_run(fcinfo, &c, spend_work);
}

static void
adjust_work(SqlCall *c)
{
	am_ledger_adjust(&c->ledger);
}

/* authmeter.ledger_adjust(user_id, unit, amount, description, reference, idempotency_key) */
Datum
authmeter_ledger_adjust(PG_FUNCTION_ARGS)
{
	SqlCall c = {0};

	call_begin(fcinfo, &c, "ledger_adjust", 0);
	call_amount(fcinfo, &c, 1, -AM_LEDGER_AMOUNT_MAX);
	if (c.ledger.outcome == NULL && c.ledger.amount == 0)
		c.ledger.outcome = "amount_invalid";
	call_texts(fcinfo, &c, 3);
	return call_run(fcinfo, &c, adjust_work);
}

static void
limit_work(SqlCall *c)
{
	am_ledger_credit_limit_set(&c->ledger);
}

/* authmeter.ledger_credit_limit_set(user_id, unit, credit_limit, idempotency_key) */
Datum
authmeter_ledger_credit_limit_set(PG_FUNCTION_ARGS)
{
	SqlCall c = {0};

	call_begin(fcinfo, &c, "ledger_credit_limit_set", 0);
	call_amount(fcinfo, &c, 1, 0);
	c.key = text_arg(fcinfo, 3);
	return call_run(fcinfo, &c, limit_work);
}

/* The terms of a grant, arguments 3 to 6: source, priority, effective_at, expires_at. */
static void
grant_terms(FunctionCallInfo fcinfo, SqlCall *c)
{
	AmGrantTerms *terms = &c->terms;

	terms->source = bounded_arg(fcinfo, 3, "source", AM_GRANT_SOURCE_BYTES_MAX);
	if (terms->source == NULL || VARSIZE_ANY_EXHDR(terms->source) == 0)
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("source of a grant must not be empty"));
	terms->priority = PG_ARGISNULL(4) ? AM_GRANT_PRIORITY : PG_GETARG_INT32(4);
	terms->effective_at = PG_ARGISNULL(5) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(5);
	terms->expires_at = PG_ARGISNULL(6) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(6);
	if (c->ledger.outcome == NULL &&
		(terms->priority < 0 || terms->priority > AM_GRANT_PRIORITY_MAX))
		c->ledger.outcome = "priority_invalid";
	request_text(c, terms->source);
	request_int(c, terms->priority);
	request_int(c, terms->effective_at);
	request_int(c, terms->expires_at);
}

static void
grant_work(SqlCall *c)
{
	am_ledger_grant(&c->ledger, &c->terms);
}

/*
 * authmeter.ledger_grant(user_id, unit, amount, source, priority, effective_at, expires_at,
 * description, reference, idempotency_key)
 */
Datum
authmeter_ledger_grant(PG_FUNCTION_ARGS)
{
	SqlCall c = {0};

	call_begin(fcinfo, &c, "ledger_grant", 0);
	call_amount(fcinfo, &c, 1, 1);
	grant_terms(fcinfo, &c);
	call_texts(fcinfo, &c, 7);
	return call_run(fcinfo, &c, grant_work);
}

static void
grant_void_work(SqlCall *c)
{
	am_ledger_grant_void(&c->ledger, &c->other);
}

/* authmeter.ledger_grant_void(user_id, grant_id, description, reference, idempotency_key) */
Datum
authmeter_ledger_grant_void(PG_FUNCTION_ARGS)
{
	SqlCall c = {0};

	call_begin(fcinfo, &c, "ledger_grant_void", 0);
	call_other(fcinfo, &c, 1, "grant_unknown");
	call_texts(fcinfo, &c, 2);
	return call_run(fcinfo, &c, grant_void_work);
}

/* authmeter.ledger_settle(rows_max) books what time alone has made due. */
Datum
authmeter_ledger_settle(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(am_ledger_settle(PG_GETARG_INT32(0)));
}

static void
refund_work(SqlCall *c)
{
	am_ledger_refund(&c->ledger, &c->other);
}

/* authmeter.ledger_refund(user_id, transaction_id, amount, description, reference, key) */
Datum
authmeter_ledger_refund(PG_FUNCTION_ARGS)
{
	SqlCall c = {0};

	call_begin(fcinfo, &c, "ledger_refund", 0);
	call_other(fcinfo, &c, 1, "transaction_unknown");
	call_part(fcinfo, &c, 2);
	call_texts(fcinfo, &c, 3);
	return call_run(fcinfo, &c, refund_work);
}

static void
transfer_work(SqlCall *c)
{
	am_ledger_transfer(&c->ledger, &c->other);
}

/* authmeter.ledger_transfer(from_user, to_user, unit, amount, description, reference, key) */
Datum
authmeter_ledger_transfer(PG_FUNCTION_ARGS)
{
	SqlCall c = {0};

	call_begin(fcinfo, &c, "ledger_transfer", 0);
	call_other(fcinfo, &c, 1, "receiver_unknown");
	if (c.ledger.outcome == NULL && memcmp(&c.other, &c.ledger.user, sizeof(c.other)) == 0)
		c.ledger.outcome = "same_account";
	call_amount(fcinfo, &c, 2, 1);
	call_texts(fcinfo, &c, 4);
	return call_run(fcinfo, &c, transfer_work);
}

static void
hold_work(SqlCall *c)
{
	am_ledger_hold(&c->ledger, c->lifetime);
}

/* authmeter.ledger_hold(user_id, unit, amount, lifetime, description, reference, key) */
Datum
authmeter_ledger_hold(PG_FUNCTION_ARGS)
{
	SqlCall c = {0};

	call_begin(fcinfo, &c, "ledger_hold", 0);
	call_amount(fcinfo, &c, 1, 1);
	if ((PG_ARGISNULL(3) ||
		 !am_interval_us(PG_GETARG_INTERVAL_P(3), 1, AM_HOLD_LIFETIME_MAX, &c.lifetime)) &&
		c.ledger.outcome == NULL)
		c.ledger.outcome = "lifetime_invalid";
	request_int(&c, c.lifetime);
	call_texts(fcinfo, &c, 4);
	return call_run(fcinfo, &c, hold_work);
}

static void
capture_work(SqlCall *c)
{
	am_ledger_capture(&c->ledger, &c->other, c->keep);
}

/* authmeter.ledger_capture(hold_id, user_id, amount, keep, description, reference, key) */
Datum
authmeter_ledger_capture(PG_FUNCTION_ARGS)
{
	SqlCall c = {0};

	call_begin(fcinfo, &c, "ledger_capture", 1);
	call_other(fcinfo, &c, 0, "hold_unknown");
	call_part(fcinfo, &c, 2);
	c.keep = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	request_int(&c, c.keep);
	call_texts(fcinfo, &c, 4);
	return call_run(fcinfo, &c, capture_work);
}

static void
void_work(SqlCall *c)
{
	am_ledger_void(&c->ledger, &c->other);
}

/* authmeter.ledger_void(hold_id, user_id, description, reference, idempotency_key) */
Datum
authmeter_ledger_void(PG_FUNCTION_ARGS)
{
	SqlCall c = {0};

	call_begin(fcinfo, &c, "ledger_void", 1);
	call_other(fcinfo, &c, 0, "hold_unknown");
	call_texts(fcinfo, &c, 2);
	return call_run(fcinfo, &c, void_work);
}
