/*
 * totp.h
 *
 * The second factor: time-based one-time passwords (RFC 6238: SHA-1, 30 s, 6 digits, a window of
 * one step to either side) and recovery codes.
 */
#ifndef AM_TOTP_H
#define AM_TOTP_H

#include "compat.h"

#include "utils/array.h"

#define AM_TOTP_SECRET_BYTES 20
#define AM_TOTP_DIGITS       6
#define AM_TOTP_WINDOW       1 /* steps before and after the present one */

#define AM_RECOVERY_CODES      10
#define AM_RECOVERY_BYTES      10 /* of a recovery code: 80 bits */
#define AM_RECOVERY_CHARACTERS 16 /* in base32 */

/*
 * Removes up to rows_max enrolments that were begun and not confirmed in time; returns their
 * number. The calling SQL function must be SECURITY DEFINER.
 */
extern int64 am_totp_purge(TimestampTz now, int64 rows_max);

/* A fresh set of recovery codes. */
typedef struct AmRecoverySet
{
	ArrayType *codes;  /* text[]: what the user is shown once, xxxx-xxxx-xxxx-xxxx */
	ArrayType *hashes; /* bytea[]: what is kept */
	int32 key_version; /* of the master key that the hashes are keyed with */
} AmRecoverySet;

extern AmRecoverySet am_recovery_new(const pg_uuid_t *user_id);

/* What is kept of a code, under that version of the master key. */
extern bytea *am_recovery_hash(const pg_uuid_t *user_id, const uint8 code[AM_RECOVERY_BYTES],
							   int32 key_version);

#endif
