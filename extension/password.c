/*
 * password.c
 *
 * bcrypt through pgcrypto's C functions, whatever schema pgcrypto is in and whatever search_path
 * is set. pgcrypto's crypt() takes every prefix it does not know for traditional DES and knows only
 * $2a$ of the correct variants, so each hash passes core/bcrypt_format first, is spelt $2a$ for the
 * call and $2b$, as the rest of the world writes it, in the table.
 *
 * Secrets: pgcrypto copies its arguments and frees the copies unwiped. Each call therefore runs in
 * a memory context of its own, whose first block is overwritten before it is given back, also when
 * the call is cancelled.
 */
#include "compat.h"

#include "access/detoast.h"
#include "catalog/pg_collation.h"
#include "utils/memutils.h"

#include "core/bcrypt_format.h"
#include "crypto/secret.h"
#include "password.h"
#include "setting.h"

/* "$2a$12$" and 22 characters of salt. */
#define SETTING_BYTES 29
/* One call's arguments, work area and result are well below this; a block is 8 kB. */
#define SCRUB_BYTES 2048

/* The salt of work that is done for its duration only; the result is thrown away. */
#define DUMMY_SALT "$2a$%02d$authmeterauthmeterauth"

PG_FUNCTION_INFO_V1(authmeter_password_check);
PG_FUNCTION_INFO_V1(authmeter_password_hash);
PG_FUNCTION_INFO_V1(authmeter_password_verify);

static PGFunction
pgcrypto_function(PGFunction *kept, const char *name)
{
	if (*kept == NULL)
		*kept = (PGFunction) load_external_function("$libdir/pgcrypto", name, true, NULL);
	return *kept;
}

/*
 * After a reset the context hands out its first block from the start again, so one request of
 * SCRUB_BYTES covers all that the call left there.
 */
static void
context_scrub(MemoryContext cxt)
{
	MemoryContextReset(cxt);
	am_secret_wipe(MemoryContextAlloc(cxt, SCRUB_BYTES), SCRUB_BYTES);
	MemoryContextDelete(cxt);
}

/* crypt(password, setting) of pgcrypto; setting is $2a$ and at least SETTING_BYTES long. */
static void
bcrypt_call(const char *password, size_t len, const char *setting, size_t setting_len,
			char hash[AMC_BCRYPT_HASH_BYTES])
{
	static PGFunction kept = NULL;
	PGFunction pg_crypt = pgcrypto_function(&kept, "pg_crypt");
	MemoryContext old = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(old, "authmeter password", ALLOCSET_DEFAULT_SIZES);
	bool made = false;

	PG_TRY();
	{
		text *result;

		MemoryContextSwitchTo(cxt);
		result = DatumGetTextPP(DirectFunctionCall2Coll(
			pg_crypt, DEFAULT_COLLATION_OID,
			PointerGetDatum(cstring_to_text_with_len(password, (int) len)),
			PointerGetDatum(cstring_to_text_with_len(setting, (int) setting_len))));
		made = VARSIZE_ANY_EXHDR(result) == AMC_BCRYPT_HASH_BYTES;
		if (made)
			memcpy(hash, VARDATA_ANY(result), AMC_BCRYPT_HASH_BYTES);
	}
	PG_FINALLY();
	{
		MemoryContextSwitchTo(old);
		context_scrub(cxt);
	}
	PG_END_TRY();
	if (!made)
		ereport(ERROR, errcode(ERRCODE_AM_CRYPTO_FAILED),
				errmsg("pgcrypto returned no bcrypt hash"));
}

static text *
salt_new(int cost)
{
	static PGFunction kept = NULL;
	text *salt = DatumGetTextPP(DirectFunctionCall2Coll(
		pgcrypto_function(&kept, "pg_gen_salt_rounds"), DEFAULT_COLLATION_OID,
		CStringGetTextDatum("bf"), Int32GetDatum(cost)));

	if (VARSIZE_ANY_EXHDR(salt) != SETTING_BYTES)
		ereport(ERROR, errcode(ERRCODE_AM_CRYPTO_FAILED),
				errmsg("pgcrypto returned no bcrypt salt"));
	return salt;
}

/* Spends the time of one hash of this cost. */
static void
work_spend(const char *password, size_t len, int cost)
{
	char setting[SETTING_BYTES + 1];
	char hash[AMC_BCRYPT_HASH_BYTES];

	snprintf(setting, sizeof(setting), DUMMY_SALT, cost);
	bcrypt_call(password, len, setting, SETTING_BYTES, hash);
	am_secret_wipe(hash, sizeof(hash));
}

const char *
am_password_outcome_name(AmPasswordOutcome outcome)
{
	static const char *const names[] = {"ok", "too_short", "too_long", "invalid"};

	return names[outcome];
}

AmPasswordOutcome
am_password_check(const char *password, size_t len, int characters_min)
{
	size_t characters = 0;

	switch (amc_password_check(password, len, &characters))
	{
		case AMC_PASSWORD_OK:
			return characters < (size_t) Max(characters_min, 1) ? AM_PASSWORD_OUTCOME_TOO_SHORT
																: AM_PASSWORD_OUTCOME_OK;
		case AMC_PASSWORD_EMPTY:
			return AM_PASSWORD_OUTCOME_TOO_SHORT;
		case AMC_PASSWORD_TOO_LONG:
			return AM_PASSWORD_OUTCOME_TOO_LONG;
		case AMC_PASSWORD_NUL:
		case AMC_PASSWORD_UTF8:
			break;
	}
	return AM_PASSWORD_OUTCOME_INVALID;
}

bool
am_password_argument(Datum argument, const char **password, size_t *len)
{
	text *value;

	*password = NULL;
	*len = 0;
	if (toast_raw_datum_size(argument) - VARHDRSZ > AMC_PASSWORD_BYTES_MAX)
		return false;
	value = DatumGetTextPP(argument);
	if ((Pointer) value != DatumGetPointer(argument))
		am_secret_watch(CurrentMemoryContext, value, VARSIZE_ANY(value));
	*password = VARDATA_ANY(value);
	*len = VARSIZE_ANY_EXHDR(value);
	return true;
}

char *
am_password_hash(const char *password, size_t len, int cost)
{
	amc_password_status status = amc_password_check(password, len, NULL);
	char *hash = palloc0(AMC_BCRYPT_HASH_BYTES + 1);
	text *salt;

	if (status != AMC_PASSWORD_OK)
		ereport(ERROR, errcode(ERRCODE_AM_PASSWORD_INVALID),
				errmsg("could not hash the password: %s", amc_password_status_text(status)),
				errhint("A password has 1 to %d bytes of UTF-8.", AMC_PASSWORD_BYTES_MAX));
	salt = salt_new(cost);
	bcrypt_call(password, len, VARDATA_ANY(salt), SETTING_BYTES, hash);
	if (am_password_hash_cost(hash, AMC_BCRYPT_HASH_BYTES, NULL) != cost)
		ereport(ERROR, errcode(ERRCODE_AM_CRYPTO_FAILED),
				errmsg("pgcrypto returned no bcrypt hash of cost %d", cost));
	amc_bcrypt_to_storage(hash, hash);
	return hash;
}

int
am_password_hash_cost(const char *hash, size_t len, const char **wrong)
{
	int cost = -1;
	amc_bcrypt_status status = amc_bcrypt_check(hash, len, AM_PASSWORD_COST_MAX, &cost);

	if (wrong != NULL)
		*wrong = amc_bcrypt_status_text(status);
	return status == AMC_BCRYPT_OK ? cost : -1;
}

bool
am_password_verify(const char *password, size_t len, const char *hash)
{
	char expected[AMC_BCRYPT_HASH_BYTES];
	char found[AMC_BCRYPT_HASH_BYTES];
	bool equal;

	amc_bcrypt_to_pgcrypto(hash, expected);
	bcrypt_call(password, len, expected, sizeof(expected), found);
	/* Only the digest: pgcrypto clears the four unused bits of the salt's last character. */
	equal = am_secret_equal(expected + SETTING_BYTES, found + SETTING_BYTES,
							AMC_BCRYPT_HASH_BYTES - SETTING_BYTES);
	am_secret_wipe(found, sizeof(found));
	/* A hash of the empty password may have been imported; it opens nothing. */
	return equal && amc_password_check(password, len, NULL) == AMC_PASSWORD_OK;
}

static int
hash_cost_or_none(const char *hash)
{
	return hash == NULL ? -1 : am_password_hash_cost(hash, strlen(hash), NULL);
}

bool
am_password_matches(const char *password, size_t len, const char *hash)
{
	return hash_cost_or_none(hash) >= 0 && am_password_verify(password, len, hash);
}

/*
 * A hash of cost c takes time 2^c. When it is cheaper than work, hashes of cost c, c+1, ...,
 * work-1 are added: 2^c + 2^c + 2^(c+1) + ... + 2^(work-1) = 2^work exactly.
 */
void
am_password_level(const char *password, size_t len, const char *hash, int work)
{
	int cost = hash_cost_or_none(hash);

	if (cost < 0)
		work_spend(password, len, work);
	else
		for (; cost < work; cost++)
			work_spend(password, len, cost);
}

/* authmeter.password_check(password, length_min) names what is wrong with a new password. */
Datum
authmeter_password_check(PG_FUNCTION_ARGS)
{
	AmPasswordOutcome outcome = AM_PASSWORD_OUTCOME_TOO_LONG;
	const char *password;
	size_t len;

	if (am_password_argument(PG_GETARG_DATUM(0), &password, &len))
		outcome = am_password_check(password, len, PG_GETARG_INT32(1));
	PG_RETURN_TEXT_P(cstring_to_text(am_password_outcome_name(outcome)));
}

/* authmeter.password_hash(password) returns a bcrypt hash of the configured cost. */
Datum
authmeter_password_hash(PG_FUNCTION_ARGS)
{
	const char *password;
	size_t len;

	if (!am_password_argument(PG_GETARG_DATUM(0), &password, &len))
		ereport(ERROR, errcode(ERRCODE_AM_PASSWORD_INVALID),
				errmsg("password is longer than %d bytes", AMC_PASSWORD_BYTES_MAX),
				errhint("bcrypt would ignore the rest; authmeter refuses instead."));
	PG_RETURN_TEXT_P(cstring_to_text(
		am_password_hash(password, len, (int) am_setting_int(AM_SETTING_BCRYPT_COST))));
}

/* authmeter.password_verify(password, hash): too long a password belongs to no hash. */
Datum
authmeter_password_verify(PG_FUNCTION_ARGS)
{
	text *hash = PG_GETARG_TEXT_PP(1);
	const char *wrong;
	const char *password;
	size_t len;

	if (am_password_hash_cost(VARDATA_ANY(hash), VARSIZE_ANY_EXHDR(hash), &wrong) < 0)
		ereport(
			ERROR, errcode(ERRCODE_AM_PASSWORD_HASH_INVALID),
			errmsg("password hash is not accepted: %s", wrong),
			errhint("Accepted are $2a$, $2b$ and $2y$ with cost 4 to %d.", AM_PASSWORD_COST_MAX));
	if (!am_password_argument(PG_GETARG_DATUM(0), &password, &len))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(am_password_verify(password, len, VARDATA_ANY(hash)));
}
