/*
 * registration.h
 *
 * Registrations that wait for the proof of their mailbox (contract: autoverse section 2).
 */
#ifndef AM_REGISTRATION_H
#define AM_REGISTRATION_H

#include "compat.h"

/*
 * Removes up to rows_max registrations that expired at now or before; returns their number. The
 * calling SQL function must be SECURITY DEFINER.
 */
extern int64 am_registration_purge(TimestampTz now, int64 rows_max);

#endif
