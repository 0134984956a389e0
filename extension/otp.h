/*
 * otp.h
 *
 * One-time codes by mail (contract I10).
 */
#ifndef AM_OTP_H
#define AM_OTP_H

#include "compat.h"

#include "core/rate.h"
#include "core/span.h"

#define AM_OTP_DIGITS            6
#define AM_OTP_ATTEMPTS_MAX      5
#define AM_OTP_LIFETIME_MS       INT64CONST(600000)
#define AM_OTP_PURPOSE_BYTES_MAX 40

typedef enum AmOtpOutcome
{
	AM_OTP_OK,
	AM_OTP_NONE, /* no code was issued */
	AM_OTP_EXPIRED,
	AM_OTP_USED,
	AM_OTP_SPENT,   /* too many wrong tries, or the count of tries was lost */
	AM_OTP_WRONG,   /* another code, malformed ones included */
	AM_OTP_REPLACED /* while it was tried; the try is of no code */
} AmOtpOutcome;

typedef struct AmOtpOrder
{
	const char *purpose; /* what the code is good for: 1 to AM_OTP_PURPOSE_BYTES_MAX of a-z 0-9 - */
	const char *address; /* canonical e-mail address */
	const pg_uuid_t *user_id; /* whom it concerns, or NULL */
	const pg_uuid_t *subject; /* what the code is about, told to who proves it; or NULL */
	const char *template;     /* of the mail */
	bool decoy;               /* do all the work, but let no code be good and send nothing */
	amc_rate rate;            /* codes per purpose and address; count 0 = off */
} AmOtpOrder;

/*
 * Makes a code, stores its keyed hash in place of the former one of this purpose and address, and
 * queues the mail. False when the rate is used up: then nothing changes, the former code lives on.
 * The calling SQL function must be SECURITY DEFINER. Raises AM_TRANSACTION_BLOCK, see ratelimit.h.
 */
extern bool am_otp_issue(const AmOtpOrder *order);

/*
 * Tries a code. Each call that meets a live code counts as one of its tries, whatever becomes of
 * the caller's transaction; AM_OTP_OK is answered to one caller only. code need not be well
 * formed; ptr NULL is a wrong code. To the client all refusals are one; which it was is for the
 * audit trail.
 *
 * Without consume the code stays alive and its row locked until the transaction ends, so that the
 * caller can first do what the code is for and then call am_otp_use, in this transaction; others
 * with the right code wait. *subject is that of the code, zero without one.
 */
extern AmOtpOutcome am_otp_verify(const char *purpose, const char *address, amc_span code,
								  bool consume, pg_uuid_t *subject);

/* Marks the code of a purpose and address used; false when there is no live one. */
extern bool am_otp_use(const char *purpose, const char *address);

/* Raises AM_OTP_INVALID unless purpose has the form that AmOtpOrder asks for. */
extern void am_otp_purpose_check(const char *purpose);

/* Removes up to rows_max codes that expired at now or before; returns their number. */
extern int64 am_otp_purge(TimestampTz now, int64 rows_max);

#endif
