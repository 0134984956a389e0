/*
 * bcrypt_format.h
 *		The guard in front of bcrypt: form of a stored hash, rules for a password.
 *
 * crypt() of pgcrypto falls back to traditional DES for a prefix it does not
 * know, which silently looks at eight characters only, and bcrypt itself ignores
 * everything behind byte 72 and behind a NUL.  So the form is checked here, in
 * full, before either is called.
 */
#ifndef AMC_BCRYPT_FORMAT_H
#define AMC_BCRYPT_FORMAT_H

#include "core/span.h"

#define AMC_BCRYPT_HASH_BYTES  60
#define AMC_BCRYPT_COST_MIN    4
#define AMC_BCRYPT_COST_MAX    31
#define AMC_PASSWORD_BYTES_MAX 72

typedef enum amc_bcrypt_status
{
	AMC_BCRYPT_OK = 0,
	AMC_BCRYPT_LENGTH,         /* not exactly 60 bytes */
	AMC_BCRYPT_PREFIX,         /* not $2a$, $2b$ or $2y$ */
	AMC_BCRYPT_VARIANT_X,      /* $2x$: made by a broken implementation */
	AMC_BCRYPT_COST,           /* not two digits from 04 to 31 */
	AMC_BCRYPT_COST_ABOVE_CAP, /* well formed, but dearer than the caller allows */
	AMC_BCRYPT_CHARACTER       /* salt or digest with a character outside ./A-Za-z0-9 */
} amc_bcrypt_status;

/* amc_bcrypt_status_text: short lower-case English phrase, a static string. */
extern const char *amc_bcrypt_status_text(amc_bcrypt_status status);

/*
 * amc_bcrypt_check: is this a bcrypt hash that we may evaluate?
 *
 * cost_max is the caller's cap (4..31).  *cost is set on AMC_BCRYPT_OK and on
 * AMC_BCRYPT_COST_ABOVE_CAP; cost may be NULL.  hash need not be terminated.
 */
extern amc_bcrypt_status amc_bcrypt_check(const char *hash, size_t len, int cost_max, int *cost);

/*
 * amc_bcrypt_to_pgcrypto: copy a hash that passed the check, spelt $2a$, the
 * only correct variant pgcrypto knows.  out holds 60 bytes, no terminator; hash
 * and out may be the same.
 */
extern void amc_bcrypt_to_pgcrypto(const char hash[AMC_BCRYPT_HASH_BYTES],
								   char out[AMC_BCRYPT_HASH_BYTES]);

/* amc_bcrypt_to_storage: the same, spelt $2b$, what the rest of the world writes. */
extern void amc_bcrypt_to_storage(const char hash[AMC_BCRYPT_HASH_BYTES],
								  char out[AMC_BCRYPT_HASH_BYTES]);

typedef enum amc_password_status
{
	AMC_PASSWORD_OK = 0,
	AMC_PASSWORD_EMPTY,
	AMC_PASSWORD_TOO_LONG, /* more than 72 bytes of UTF-8 */
	AMC_PASSWORD_NUL,      /* holds U+0000, where bcrypt would stop reading */
	AMC_PASSWORD_UTF8      /* not well-formed UTF-8 */
} amc_password_status;

/* amc_password_status_text: short lower-case English phrase, a static string. */
extern const char *amc_password_status_text(amc_password_status status);

/*
 * amc_password_check: may this password be hashed as it is?
 *
 * len in bytes.  The length is looked at first, so a megabyte costs nothing.
 * *characters (may be NULL) receives the number of code points on
 * AMC_PASSWORD_OK: minimum lengths are counted in characters, by the caller.
 */
extern amc_password_status amc_password_check(const char *password, size_t len, size_t *characters);

#endif /* AMC_BCRYPT_FORMAT_H */
