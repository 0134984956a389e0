/*
 * idempotency.h
 *
 * Idempotency keys of metering and money functions: one key of a user has one effect, and a repeat
 * gets the first answer again.
 *
 * Protocol: claim the key before anything else, in the same transaction as the effect. The unique
 * index makes a second caller wait for the first one's commit, after which it finds the stored
 * answer. Then do the work and store the answer. When the transaction rolls back, the claim goes
 * with it.
 */
#ifndef AM_IDEMPOTENCY_H
#define AM_IDEMPOTENCY_H

#include "compat.h"

#define AM_IDEMPOTENCY_KEY_BYTES_MAX 255

typedef enum AmClaim
{
	AM_CLAIM_NEW,          /* the caller does the work, then calls am_idempotency_store */
	AM_CLAIM_REPLAY,       /* *reply is the stored answer (jsonb) */
	AM_CLAIM_CONFLICT,     /* the key was used for another request */
	AM_CLAIM_USER_UNKNOWN, /* no such user */
	AM_CLAIM_KEY_INVALID   /* empty or longer than the limit */
} AmClaim;

/*
 * Claims a key for a request, given as text that is equal exactly when the request is. SPI is
 * connected; *reply lives in the SPI context.
 */
extern AmClaim am_idempotency_claim(const pg_uuid_t *user, text *key, const char *request,
									Datum *reply);

/*
 * The same for a caller whose answer is an entry of the ledger and need not be stored: transaction
 * is the id that the caller will book. After AM_CLAIM_REPLAY, *reply is the stored answer, or 0 and
 * *transaction the id that was booked.
 */
extern AmClaim am_idempotency_claim_booking(const pg_uuid_t *user, text *key, const char *request,
											pg_uuid_t *transaction, Datum *reply);

/* The outcome of a claim that ends the call: key_conflict, user_unknown, key_invalid; else NULL. */
extern const char *am_idempotency_refusal(AmClaim claim);

/* Stores the answer of a claimed key. */
extern void am_idempotency_store(const pg_uuid_t *user, text *key, Datum reply);

/*
 * Housekeeping: removes at most rows_max keys past authmeter.idempotency_retention; their number.
 */
extern int64 am_idempotency_purge(int64 rows_max);

#endif
