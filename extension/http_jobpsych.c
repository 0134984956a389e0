/*
 * http_jobpsych.c
 *
 * What the jobpsych API tells about the secret that signs its access tokens (contract section 6):
 * its ends and its length, or the ends of a keyed fingerprint, so that two services can see whether
 * they share it. In C so that SQL never holds the secret as a value. The endpoints are in
 * install/53_api_jobpsych*.sql.
 */
#include "compat.h"

#include "access/htup_details.h"
#include "mb/pg_wchar.h"

#include "clock.h"
#include "core/utf8.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "keyring.h"
#include "row.h"

#define RING                "jobpsych"
#define FINGERPRINT_MESSAGE "authmeter jwt-info"
#define FINGERPRINT_CHARS   (2 * AM_SHA256_BYTES) /* lower-case hex */
#define SHOWN_CHARS         10                    /* at each end */
/* A secret shorter than this is never shown: both ends would be too much of it. */
#define SECRET_CHARS_MIN 40

PG_FUNCTION_INFO_V1(authmeter_http_jobpsych_secret);
PG_FUNCTION_INFO_V1(authmeter_http_jobpsych_secret_length);

/* What may be told: a text and its length in characters. Wiped after use. */
typedef struct Secret
{
	char *text;
	Size len;
	int characters;
} Secret;

static AmKey *
signer(void)
{
	AmKey *key = am_ring_signer(am_ring_get(RING, strlen(RING)), am_clock_now());

	if (key == NULL || key->alg != AMC_ALG_HS256)
		ereport(ERROR, errcode(ERRCODE_AM_KEY_UNKNOWN),
				errmsg("ring \"%s\" has no shared secret in force", RING),
				errhint("Import it with authmeter.key_import."));
	return key;
}

static void
secret_open(Secret *secret)
{
	secret->text = (char *) am_key_unseal(signer(), &secret->len);
	secret->characters = amc_utf8_valid(secret->text, secret->len)
							 ? (int) amc_utf8_count(secret->text, secret->len)
							 : (int) secret->len;
}

static void
secret_wipe(Secret *secret)
{
	am_secret_wipe(secret->text, secret->len);
}

/* Text that every database can hold, and that shows no control characters to a terminal. */
static bool
is_printable_ascii(const Secret *secret)
{
	Size i;

	for (i = 0; i < secret->len; i++)
		if (secret->text[i] < 0x20 || secret->text[i] > 0x7e)
			return false;
	return true;
}

/* May its own ends be shown? Text beyond ASCII only where the database holds it unchanged. */
static bool
is_showable(const Secret *secret)
{
	if (secret->characters < SECRET_CHARS_MIN)
		return false;
	return is_printable_ascii(secret) ||
		   (GetDatabaseEncoding() == PG_UTF8 && amc_utf8_valid(secret->text, secret->len) &&
			memchr(secret->text, '\0', secret->len) == NULL);
}

/* Puts the fingerprint in the secret's place. */
static void
fingerprint(Secret *secret)
{
	AmHmac *hmac = am_hmac_new(CurrentMemoryContext, secret->text, secret->len);
	char *hex = palloc(FINGERPRINT_CHARS);
	uint8 mac[AM_SHA256_BYTES];

	am_hmac(hmac, FINGERPRINT_MESSAGE, strlen(FINGERPRINT_MESSAGE), mac);
	hex_encode((const char *) mac, sizeof(mac), hex);
	secret_wipe(secret);
	*secret = (Secret){hex, FINGERPRINT_CHARS, FINGERPRINT_CHARS};
}

/* The bytes before the character of this number; the text is valid UTF-8. */
static Size
offset_of(const Secret *secret, int character)
{
	Size offset = 0;

	while (character-- > 0 && offset < secret->len)
		offset += amc_utf8_sequence(secret->text + offset, secret->len - offset);
	return offset;
}

/* authmeter_http.jobpsych_secret(masked): length, and the characters at both ends. */
Datum
authmeter_http_jobpsych_secret(PG_FUNCTION_ARGS)
{
	bool nulls[3] = {false, false, false};
	Datum row[3];
	Secret secret;
	Size last;

	secret_open(&secret);
	if (PG_GETARG_BOOL(0) || !is_showable(&secret))
		fingerprint(&secret);
	last = offset_of(&secret, secret.characters - SHOWN_CHARS);
	row[0] = Int32GetDatum(secret.characters);
	row[1] = PointerGetDatum(
		cstring_to_text_with_len(secret.text, (int) offset_of(&secret, SHOWN_CHARS)));
	row[2] =
		PointerGetDatum(cstring_to_text_with_len(secret.text + last, (int) (secret.len - last)));
	secret_wipe(&secret);
	return am_row(fcinfo, row, nulls);
}

/* authmeter_http.jobpsych_secret_length(masked): of the secret, or of a fingerprint. */
Datum
authmeter_http_jobpsych_secret_length(PG_FUNCTION_ARGS)
{
	Secret secret;

	if (PG_GETARG_BOOL(0))
		PG_RETURN_INT32(FINGERPRINT_CHARS);
	secret_open(&secret);
	secret_wipe(&secret);
	PG_RETURN_INT32(secret.characters);
}
