/*
 * totp_recovery.c
 *
 * Recovery codes, for who has lost the device with the authenticator: 80 random bits each, shown
 * once, in base32. At rest a code is an HMAC under a key derived from the master key, over the
 * user's id and the code, so that neither a copy of the table nor a row moved to another user helps
 * anybody. The version of the master key stands beside the hashes, because they must outlive a
 * change of it.
 */
#include "compat.h"

#include "catalog/pg_type.h"

#include "core/base32.h"
#include "crypto/openssl.h"
#include "crypto/secret.h"
#include "master_key.h"
#include "spi.h"
#include "totp.h"

#define GROUP 4 /* characters between hyphens */

bytea *
am_recovery_hash(const pg_uuid_t *user_id, const uint8 code[AM_RECOVERY_BYTES], int32 key_version)
{
	uint8 data[UUID_LEN + AM_RECOVERY_BYTES];
	uint8 mac[AM_SHA256_BYTES];

	memcpy(data, user_id->data, UUID_LEN);
	memcpy(data + UUID_LEN, code, AM_RECOVERY_BYTES);
	am_keyed_hmac_at((uint32) key_version, "totp recovery", data, sizeof(data), mac);
	am_secret_wipe(data, sizeof(data));
	return am_bytea_new(mac, sizeof(mac));
}

/* Four groups in lower case: easier to read and to type than what RFC 4648 writes. */
static text *
code_text(const uint8 code[AM_RECOVERY_BYTES])
{
	char digits[AM_RECOVERY_CHARACTERS];
	StringInfoData spelling;
	text *result;
	size_t len;
	size_t i;

	(void) amc_base32_encode(code, AM_RECOVERY_BYTES, digits, sizeof(digits), &len);
	initStringInfo(&spelling);
	for (i = 0; i < len; i++)
	{
		if (i > 0 && i % GROUP == 0)
			appendStringInfoChar(&spelling, '-');
		appendStringInfoChar(&spelling, pg_ascii_tolower((unsigned char) digits[i]));
	}
	am_secret_wipe(digits, sizeof(digits));
	result = cstring_to_text_with_len(spelling.data, spelling.len);
	am_secret_watch(CurrentMemoryContext, result, VARSIZE(result));
	am_secret_wipe(spelling.data, spelling.len);
	return result;
}

AmRecoverySet
am_recovery_new(const pg_uuid_t *user_id)
{
	AmRecoverySet set = {.key_version = (int32) am_master_key_newest()};
	Datum codes[AM_RECOVERY_CODES];
	Datum hashes[AM_RECOVERY_CODES];
	uint8 code[AM_RECOVERY_BYTES];
	int i;

	for (i = 0; i < AM_RECOVERY_CODES; i++)
	{
		am_random_bytes(code, sizeof(code));
		codes[i] = PointerGetDatum(code_text(code));
		hashes[i] = PointerGetDatum(am_recovery_hash(user_id, code, set.key_version));
	}
	am_secret_wipe(code, sizeof(code));
	set.codes = construct_array(codes, AM_RECOVERY_CODES, TEXTOID, -1, false, TYPALIGN_INT);
	set.hashes = construct_array(hashes, AM_RECOVERY_CODES, BYTEAOID, -1, false, TYPALIGN_INT);
	return set;
}
