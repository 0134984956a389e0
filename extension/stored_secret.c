/*
 * stored_secret.c
 *
 * Sealing for the SQL of the API files: what an API keeps for its users (an API key) or for itself
 * (a deployment secret) is sealed with what it belongs to as additional data, see seal.h. None of
 * these functions is open to any level of grant_access.
 */
#include "compat.h"

#include "core/base64url.h"
#include "crypto/secret.h"
#include "master_key.h"
#include "seal.h"

#define HANDLE_BYTES      18
#define HANDLE_TEXT_BYTES AMC_BASE64URL_ENCODED_LEN(HANDLE_BYTES)

PG_FUNCTION_INFO_V1(authmeter_secret_handle);
PG_FUNCTION_INFO_V1(authmeter_secret_open);
PG_FUNCTION_INFO_V1(authmeter_secret_seal);

static AmSealName
name_arguments(FunctionCallInfo fcinfo)
{
	return (AmSealName){text_to_cstring(PG_GETARG_TEXT_PP(0)),
						text_to_cstring(PG_GETARG_TEXT_PP(1)),
						text_to_cstring(PG_GETARG_TEXT_PP(2))};
}

/* authmeter.secret_seal(purpose, owner, object, secret) seals a text. */
Datum
authmeter_secret_seal(PG_FUNCTION_ARGS)
{
	AmSealName name = name_arguments(fcinfo);
	text *secret = PG_GETARG_TEXT_PP(3);

	PG_RETURN_BYTEA_P(am_seal(&name, VARDATA_ANY(secret), VARSIZE_ANY_EXHDR(secret)));
}

/* authmeter.secret_open(purpose, owner, object, sealed) opens it. */
Datum
authmeter_secret_open(PG_FUNCTION_ARGS)
{
	AmSealName name = name_arguments(fcinfo);
	Size len;
	uint8 *secret = am_unseal(&name, PG_GETARG_BYTEA_PP(3), &len);
	text *result = cstring_to_text_with_len((char *) secret, len);

	am_secret_wipe(secret, len);
	PG_RETURN_TEXT_P(result);
}

/*
 * authmeter.secret_handle(purpose, owner, secret) names a secret without telling it. The oldest
 * version of the master key is used, so that bringing in a new one changes no handle.
 */
Datum
authmeter_secret_handle(PG_FUNCTION_ARGS)
{
	char *purpose = text_to_cstring(PG_GETARG_TEXT_PP(0));
	text *owner = PG_GETARG_TEXT_PP(1);
	text *secret = PG_GETARG_TEXT_PP(2);
	text *handle = palloc(VARHDRSZ + HANDLE_TEXT_BYTES);
	uint8 mac[AM_SHA256_BYTES];
	StringInfoData data;
	size_t len;

	initStringInfo(&data);
	appendBinaryStringInfo(&data, VARDATA_ANY(owner), VARSIZE_ANY_EXHDR(owner));
	appendStringInfoChar(&data, '\0');
	appendBinaryStringInfo(&data, VARDATA_ANY(secret), VARSIZE_ANY_EXHDR(secret));
	am_keyed_hmac_at(am_master_key_oldest(), purpose, data.data, data.len, mac);
	am_secret_wipe(data.data, data.len);
	SET_VARSIZE(handle, VARHDRSZ + HANDLE_TEXT_BYTES);
	(void) amc_base64url_encode(mac, HANDLE_BYTES, VARDATA(handle), HANDLE_TEXT_BYTES, &len);
	PG_RETURN_TEXT_P(handle);
}
