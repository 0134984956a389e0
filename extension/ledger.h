/*
 * ledger.h
 *
 * Bookings for callers in C, below the SQL functions of ledger_sql.c.
 */
#ifndef AM_LEDGER_H
#define AM_LEDGER_H

#include "compat.h"

/* No amount, balance or credit limit passes this, so that no sum of two of them wraps. */
#define AM_LEDGER_AMOUNT_MAX            INT64CONST(4000000000000000000)
#define AM_LEDGER_DESCRIPTION_BYTES_MAX 1000
#define AM_LEDGER_REFERENCE_BYTES_MAX   255

/* One change of an account: what is asked, and the answer. */
typedef struct AmLedgerCall
{
	pg_uuid_t user;
	text *unit;
	int64 amount;          /* minor units */
	text *description;     /* NULL = none */
	text *reference;       /* NULL = none */
	pg_uuid_t transaction; /* the id to book under */

	const char *outcome;   /* NULL = not decided yet; see type authmeter.ledger_result */
	char outcome_text[32]; /* where outcome points for an answer read from a table */
	bool booked;           /* an entry of transaction tells this answer */
	bool replayed;
	int64 moved; /* with outcome ok: minor units moved or held */
	bool known;  /* the figures below are set */
	int64 balance;
	int64 held;
	int64 credit_limit;
	int64 version;
} AmLedgerCall;

/*
 * Takes call->amount (1 to AM_LEDGER_AMOUNT_MAX, checked by the caller) from the account and sets
 * the answer. SPI is connected; idempotency is the caller's. Whoever books on several accounts in
 * one transaction does so in ascending order of their ids, or parallel callers may deadlock.
 */
extern void am_ledger_spend(AmLedgerCall *call);

#endif
