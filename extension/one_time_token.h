/*
 * one_time_token.h
 *
 * Tokens that travel in a link or a body and are good once: password resets, proofs of a mailbox,
 * hand-over of a session (contract: autoverse section 2, jobpsych reset-password).
 */
#ifndef AM_ONE_TIME_TOKEN_H
#define AM_ONE_TIME_TOKEN_H

#include "compat.h"

/* Longer text is no token of ours. */
#define AM_ONE_TIME_TOKEN_BYTES_MAX 4096

/*
 * Removes up to rows_max tokens that expired an hour before now or earlier (until then they are
 * told from unknown ones); returns their number. The calling SQL function must be SECURITY DEFINER.
 */
extern int64 am_one_time_token_purge(TimestampTz now, int64 rows_max);

#endif
