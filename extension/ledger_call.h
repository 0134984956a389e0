/*
 * ledger_call.h
 *
 * Idempotency keys and answers of ledger calls. After a claim every answer belongs to the key: a
 * booking is told by its own entry, so the hot path stores nothing more; every other answer is
 * stored with the key.
 */
#ifndef AM_LEDGER_CALL_H
#define AM_LEDGER_CALL_H

#include "compat.h"

#include "ledger.h"

/* The columns of type authmeter.ledger_result. */
#define AM_LEDGER_COLUMNS 8

/*
 * Claims the key for the request, to book under call->transaction. true: it is new; do the work,
 * then am_ledger_store unless call->booked. false: call has its answer.
 */
extern bool am_ledger_claim(AmLedgerCall *call, text *key, const char *request);

extern void am_ledger_store(const AmLedgerCall *call, text *key);

/* The answer as a row of authmeter.ledger_result. */
extern void am_ledger_row(const AmLedgerCall *call, Datum *row, bool *nulls);

#endif
