/*
 * password.h
 *
 * Passwords: the rules for a new one, bcrypt through pgcrypto, and the equal-work verification that
 * logins use. Lengths are bytes unless said otherwise; a password is never trimmed or normalised.
 */
#ifndef AM_PASSWORD_H
#define AM_PASSWORD_H

#include "compat.h"

#include "core/bcrypt_format.h"

/* Shortest new password in characters where the caller asks for nothing else (NIST 800-63B). */
#define AM_PASSWORD_CHARACTERS_MIN 8
/* Dearest hash that is evaluated or made: 15 takes about 2 s, each step doubles it. */
#define AM_PASSWORD_COST_MAX 15

typedef enum AmPasswordOutcome
{
	AM_PASSWORD_OUTCOME_OK,
	AM_PASSWORD_OUTCOME_TOO_SHORT, /* fewer characters than asked for */
	AM_PASSWORD_OUTCOME_TOO_LONG,  /* more than AMC_PASSWORD_BYTES_MAX bytes */
	AM_PASSWORD_OUTCOME_INVALID    /* NUL, or not well-formed UTF-8 */
} AmPasswordOutcome;

/* ok, too_short, too_long, invalid. */
extern const char *am_password_outcome_name(AmPasswordOutcome outcome);

/*
 * May a password be set? Nothing but length and well-formedness is asked (NIST 800-63B: no
 * composition rules). characters_min below 1 counts as 1.
 */
extern AmPasswordOutcome am_password_check(const char *password, size_t len, int characters_min);

/*
 * The password in an argument, or false when it is longer than bcrypt reads; that is found without
 * detoasting, so a megabyte costs nothing. A copy, where one must be made, is wiped with the
 * current memory context.
 */
extern bool am_password_argument(Datum argument, const char **password, size_t *len);

/*
 * Hash of a password that passed am_password_check: $2b$ with a fresh salt, terminated, palloc'd.
 * cost 4..AM_PASSWORD_COST_MAX; about 0.2 s at 12; interruptible. Raises AM_PASSWORD_INVALID for a
 * password that bcrypt would not read whole.
 */
extern char *am_password_hash(const char *password, size_t len, int cost);

/*
 * Cost of a hash that may be evaluated: $2a$, $2b$, $2y$, cost 4..AM_PASSWORD_COST_MAX, well formed
 * to the last character. Otherwise -1, and *wrong (may be NULL) says why.
 */
extern int am_password_hash_cost(const char *hash, size_t len, const char **wrong);

/* Does the password belong to the hash, which has a cost by the function above? */
extern bool am_password_verify(const char *password, size_t len, const char *hash);

/* The same for a login: hash may be NULL or malformed, which no password belongs to. */
extern bool am_password_matches(const char *password, size_t len, const char *hash);

/*
 * After am_password_matches on the same hash: adds what is missing to the work of exactly one hash
 * of cost work, which must be the highest cost of any stored hash, so that a refusal's time tells
 * nothing. Interruptible, so whatever counts the refusal must have counted it before.
 */
extern void am_password_level(const char *password, size_t len, const char *hash, int work);

#endif
