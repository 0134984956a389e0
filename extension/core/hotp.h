/*
 * hotp.h
 *		One-time passwords from an HMAC: the arithmetic of RFC 4226 (HOTP) and
 *		RFC 6238 (TOTP).  The HMAC itself is made by the caller.
 */
#ifndef AMC_HOTP_H
#define AMC_HOTP_H

#include "core/span.h"

#define AMC_HOTP_MAC_BYTES   20 /* HMAC-SHA-1 */
#define AMC_HOTP_DIGITS_MIN  6
#define AMC_HOTP_DIGITS_MAX  8
#define AMC_HOTP_COUNT_BYTES 8
#define AMC_TOTP_STEP_S      30

/* amc_hotp_message: the counter as the HMAC's message, big-endian (RFC 4226 section 5.2). */
extern void amc_hotp_message(uint64_t counter, uint8_t message[AMC_HOTP_COUNT_BYTES]);

/*
 * amc_hotp_code: the password of an HMAC (RFC 4226 section 5.3).
 *
 * digits: AMC_HOTP_DIGITS_MIN to AMC_HOTP_DIGITS_MAX; as many characters 0-9 and
 * no terminator are written.  Returns false, writing nothing, for other digits.
 */
extern bool amc_hotp_code(const uint8_t mac[AMC_HOTP_MAC_BYTES], int digits, char *code);

/* amc_totp_step: the time step of a Unix second (RFC 6238 section 4); below 1970: 0. */
extern uint64_t amc_totp_step(int64_t unix_s);

#endif /* AMC_HOTP_H */
