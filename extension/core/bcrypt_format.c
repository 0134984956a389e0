/*
 * bcrypt_format.c
 *		The form of bcrypt hashes, and which passwords bcrypt sees in full.
 */
#include "core/bcrypt_format.h"

#include "core/utf8.h"

#define SALT_OFFSET   7 /* behind "$2b$12$" */
#define LETTER_OFFSET 2

const char *
amc_bcrypt_status_text(amc_bcrypt_status status)
{
	static const char *const texts[] = {
		[AMC_BCRYPT_OK] = "valid",
		[AMC_BCRYPT_LENGTH] = "bcrypt hash is not 60 bytes long",
		[AMC_BCRYPT_PREFIX] = "hash is not bcrypt",
		[AMC_BCRYPT_VARIANT_X] = "bcrypt variant $2x$ is not supported",
		[AMC_BCRYPT_COST] = "bcrypt cost is malformed",
		[AMC_BCRYPT_COST_ABOVE_CAP] = "bcrypt cost is above the limit",
		[AMC_BCRYPT_CHARACTER] = "bcrypt hash has an invalid character",
	};

	if ((size_t) status >= sizeof(texts) / sizeof(texts[0]))
		return "unknown status";
	return texts[status];
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The alphabet of bcrypt's own base64. */
static bool
is_bcrypt_base64(char c)
{
	return c == '.' || c == '/' || is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* "$2b$12$", of a text that is long enough. */
static amc_bcrypt_status
check_prefix(const char *hash, int *cost)
{
	char letter = hash[LETTER_OFFSET];

	if (hash[0] != '$' || hash[1] != '2' || hash[3] != '$')
		return AMC_BCRYPT_PREFIX;
	if (letter == 'x')
		return AMC_BCRYPT_VARIANT_X;
	if (letter != 'a' && letter != 'b' && letter != 'y')
		return AMC_BCRYPT_PREFIX;
	if (!is_digit(hash[4]) || !is_digit(hash[5]) || hash[6] != '$')
		return AMC_BCRYPT_COST;
	*cost = (hash[4] - '0') * 10 + (hash[5] - '0');
	if (*cost < AMC_BCRYPT_COST_MIN || *cost > AMC_BCRYPT_COST_MAX)
		return AMC_BCRYPT_COST;
	return AMC_BCRYPT_OK;
}

amc_bcrypt_status
amc_bcrypt_check(const char *hash, size_t len, int cost_max, int *cost)
{
	amc_bcrypt_status status;
	int found_cost;
	size_t i;

	if (len != AMC_BCRYPT_HASH_BYTES)
		return AMC_BCRYPT_LENGTH;
	status = check_prefix(hash, &found_cost);
	if (status != AMC_BCRYPT_OK)
		return status;
	for (i = SALT_OFFSET; i < len; i++)
		if (!is_bcrypt_base64(hash[i]))
			return AMC_BCRYPT_CHARACTER;
	if (cost != NULL)
		*cost = found_cost;
	return found_cost > cost_max ? AMC_BCRYPT_COST_ABOVE_CAP : AMC_BCRYPT_OK;
}

void
amc_bcrypt_to_pgcrypto(const char hash[AMC_BCRYPT_HASH_BYTES], char out[AMC_BCRYPT_HASH_BYTES])
{
	memmove(out, hash, AMC_BCRYPT_HASH_BYTES);
	out[LETTER_OFFSET] = 'a';
}

void
amc_bcrypt_to_storage(const char hash[AMC_BCRYPT_HASH_BYTES], char out[AMC_BCRYPT_HASH_BYTES])
{
	memmove(out, hash, AMC_BCRYPT_HASH_BYTES);
	out[LETTER_OFFSET] = 'b';
}

const char *
amc_password_status_text(amc_password_status status)
{
	static const char *const texts[] = {
		[AMC_PASSWORD_OK] = "valid",
		[AMC_PASSWORD_EMPTY] = "password is empty",
		[AMC_PASSWORD_TOO_LONG] = "password is longer than 72 bytes",
		[AMC_PASSWORD_NUL] = "password contains a NUL character",
		[AMC_PASSWORD_UTF8] = "password is not valid UTF-8",
	};

	if ((size_t) status >= sizeof(texts) / sizeof(texts[0]))
		return "unknown status";
	return texts[status];
}

amc_password_status
amc_password_check(const char *password, size_t len, size_t *characters)
{
	if (len == 0)
		return AMC_PASSWORD_EMPTY;
	if (len > AMC_PASSWORD_BYTES_MAX)
		return AMC_PASSWORD_TOO_LONG;
	if (memchr(password, '\0', len) != NULL)
		return AMC_PASSWORD_NUL;
	if (!amc_utf8_valid(password, len))
		return AMC_PASSWORD_UTF8;
	if (characters != NULL)
		*characters = amc_utf8_count(password, len);
	return AMC_PASSWORD_OK;
}
