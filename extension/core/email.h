/*
 * email.h
 *		The canonical form of an e-mail address: what is stored, looked up, hashed
 *		and unique.
 *
 * Steps: trim Unicode white space; NFKC; lower case without a locale; NFKC again
 * until nothing changes; labels of the domain given as A-labels (xn--...) become
 * Unicode (RFC 5891), and the ideographic full stop in it a '.'; then the form
 * is checked: ^[^\s@]+@[^\s@]+\.[^\s@]+$ with \s = Unicode White_Space and U+FEFF,
 * no control characters, at most 254 bytes (RFC 5321 section 4.5.3.1.3).
 *
 * canonical(canonical(x)) = canonical(x) for every x.
 */
#ifndef AMC_EMAIL_H
#define AMC_EMAIL_H

#include "core/span.h"

#define AMC_EMAIL_BYTES_MAX       254  /* canonical form */
#define AMC_EMAIL_INPUT_BYTES_MAX 1024 /* longer input is refused unread */

typedef enum amc_email_status
{
	AMC_EMAIL_OK = 0,
	AMC_EMAIL_BLANK,    /* empty, or white space only */
	AMC_EMAIL_TOO_LONG, /* input or canonical form above its limit */
	AMC_EMAIL_UTF8,     /* not well-formed UTF-8 */
	AMC_EMAIL_FORM,     /* not of the form above */
	AMC_EMAIL_MEMORY    /* a Unicode library could not allocate */
} amc_email_status;

/* amc_email_status_text: short lower-case English phrase, a static string. */
extern const char *amc_email_status_text(amc_email_status status);

/*
 * amc_email_canonical: canonical form of an address given by a user.
 *
 * out receives *out_len bytes on AMC_EMAIL_OK, no terminator.  in and out may
 * not overlap.  Plain ASCII without an A-label is handled without a library
 * call; the rest uses libunistring and libidn2, whose memory is freed before
 * the return.  AMC_EMAIL_MEMORY is a fault, all other outcomes are refusals.
 */
extern amc_email_status amc_email_canonical(const char *in, size_t in_len,
											char out[AMC_EMAIL_BYTES_MAX], size_t *out_len);

#endif /* AMC_EMAIL_H */
