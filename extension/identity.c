/*
 * identity.c
 *
 * Who the current transaction acts for: authmeter.authenticate() verifies an access token and binds
 * its user, authmeter.uid() and authmeter.claims() read it.
 *
 * The binding lives in this backend's memory and nowhere else: no setting, table or shared memory
 * holds it, so nothing that SQL can SET, write or plant forges it, and no other process sees it (a
 * parallel worker has none: what reads it is PARALLEL RESTRICTED). Written by authenticate and
 * identity_clear, and ended by
 *   - the end of the transaction, whatever its end is (commit, abort, PREPARE TRANSACTION), so a
 *     pooled connection hands nothing to the next client;
 *   - the rollback of a savepoint that was set before the binding was made. The earlier binding
 *     does not come back: between "nobody" and "somebody" an error must lead to nobody. What was
 *     ended stays ended too, whatever is rolled back.
 *   - the next authenticate, from its first step on, however it goes.
 * A binding older than the savepoint outlives its rollback. Subtransaction ids only grow within a
 * transaction, so "made after the savepoint" is a comparison, and released savepoints need no work.
 */
#include "compat.h"

#include "access/detoast.h"
#include "access/xact.h"
#include "utils/memutils.h"

#include "json_bridge.h"
#include "row.h"
#include "token.h"

PG_FUNCTION_INFO_V1(authmeter_authenticate);
PG_FUNCTION_INFO_V1(authmeter_identity_clear);
PG_FUNCTION_INFO_V1(authmeter_uid);
PG_FUNCTION_INFO_V1(authmeter_claims);

typedef struct Identity
{
	bool bound;
	SubTransactionId made_in;
	pg_uuid_t user_id;
	Jsonb *claims; /* in TopTransactionContext */
} Identity;

static Identity identity = {0};

static void
identity_clear(void)
{
	if (identity.claims != NULL)
		pfree(identity.claims);
	memset(&identity, 0, sizeof(identity));
}

/* Each event is of an end; the first comes after deferred triggers, which act for the user yet. */
static void
transaction_event(XactEvent event, void *arg)
{
	identity_clear();
}

static void
savepoint_event(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB && identity.bound && identity.made_in >= mine)
		identity_clear();
}

static void
callbacks_register(void)
{
	static bool registered = false;

	if (registered)
		return;
	RegisterXactCallback(transaction_event, NULL);
	RegisterSubXactCallback(savepoint_event, NULL);
	registered = true;
}

/* The user is bound last: an error before that leaves nobody. */
static void
identity_bind(const pg_uuid_t *user_id, Jsonb *claims)
{
	callbacks_register();
	identity.claims = MemoryContextAlloc(TopTransactionContext, VARSIZE(claims));
	memcpy(identity.claims, claims, VARSIZE(claims));
	identity.user_id = *user_id;
	identity.made_in = GetCurrentSubTransactionId();
	identity.bound = true;
}

static void
token_check(FunctionCallInfo fcinfo, AmTokenVerdict *verdict)
{
	text *api;
	text *token;

	if (PG_ARGISNULL(1))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID), errmsg("invalid API of a token"),
				errhint("Name the API whose access token it is."));
	verdict->outcome = AM_TOKEN_INVALID;
	if (PG_ARGISNULL(0) || toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ > AM_TOKEN_BYTES_MAX)
		return;
	api = PG_GETARG_TEXT_PP(1);
	token = PG_GETARG_TEXT_PP(0);
	am_token_verify((amc_span){VARDATA_ANY(api), VARSIZE_ANY_EXHDR(api)}, AM_TOKEN_USE_ACCESS,
					VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token), verdict);
}

/* authmeter.authenticate(token, api) */
Datum
authmeter_authenticate(PG_FUNCTION_ARGS)
{
	bool nulls[2] = {false, true};
	Datum values[2];
	AmTokenVerdict verdict;
	Jsonb *claims;

	identity_clear();
	token_check(fcinfo, &verdict);
	if (verdict.outcome == AM_TOKEN_OK)
	{
		claims = am_jsonb_from_node(&verdict.claims, amc_json_root(&verdict.claims));
		if (claims != NULL)
			identity_bind(&verdict.user_id, claims);
		else
			verdict.outcome = AM_TOKEN_INVALID;
	}
	values[0] = CStringGetTextDatum(am_token_outcome_name(verdict.outcome));
	values[1] = UUIDPGetDatum(&verdict.user_id);
	nulls[1] = !identity.bound;
	return am_row(fcinfo, values, nulls);
}

/* authmeter.identity_clear() */
Datum
authmeter_identity_clear(PG_FUNCTION_ARGS)
{
	identity_clear();
	PG_RETURN_VOID();
}

/* A copy: a query may bind somebody else while it still holds an earlier result. */
Datum
authmeter_uid(PG_FUNCTION_ARGS)
{
	pg_uuid_t *copy;

	if (!identity.bound)
		PG_RETURN_NULL();
	copy = palloc(sizeof(*copy));
	*copy = identity.user_id;
	PG_RETURN_UUID_P(copy);
}

Datum
authmeter_claims(PG_FUNCTION_ARGS)
{
	Jsonb *copy;

	if (!identity.bound)
		PG_RETURN_NULL();
	copy = palloc(VARSIZE(identity.claims));
	memcpy(copy, identity.claims, VARSIZE(identity.claims));
	PG_RETURN_JSONB_P(copy);
}
