/*
 * session_refresh_token.c
 *
 * Deriving the refresh tokens of a session.
 *
 * The jti of a refresh token is base64url of
 *		bytes 0-1		version of the master key, big-endian
 *		bytes 2-7		generation, big-endian
 *		bytes 8-23		the first half of HMAC-SHA256(subkey "session"; user id, session id, bytes 0-7)
 * and the rest of the token comes from the session's row. So the token is stored nowhere, yet
 * the answer to a lost reply can be made again, byte by byte; and a token that we never issued is
 * told from an old one of ours without a list, also when somebody else holds the signing secret.
 */
#include "compat.h"

#include "clock.h"
#include "core/base64url.h"
#include "crypto/secret.h"
#include "master_key.h"
#include "session_refresh_token.h"
#include "token.h"

#define VERSION_BYTES    2
#define GENERATION_BYTES 6
#define HEAD_BYTES       (VERSION_BYTES + GENERATION_BYTES)
#define MAC_BYTES        16
#define JTI_BYTES        (HEAD_BYTES + MAC_BYTES)
#define JTI_TEXT_BYTES   AMC_BASE64URL_ENCODED_LEN(JTI_BYTES)

static void
put_big_endian(uint8 *at, int bytes, uint64 value)
{
	while (bytes-- > 0)
	{
		at[bytes] = (uint8) value;
		value >>= 8;
	}
}

static uint64
get_big_endian(const uint8 *at, int bytes)
{
	uint64 value = 0;
	int i;

	for (i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

/* Fills the MAC behind the head, which names the version of the key. */
static void
jti_seal(const pg_uuid_t *user_id, const pg_uuid_t *session_id, uint8 jti[JTI_BYTES])
{
	uint32 version = (uint32) get_big_endian(jti, VERSION_BYTES);
	uint8 data[2 * UUID_LEN + HEAD_BYTES];
	uint8 mac[AM_SHA256_BYTES];

	memcpy(data, user_id->data, UUID_LEN);
	memcpy(data + UUID_LEN, session_id->data, UUID_LEN);
	memcpy(data + 2 * UUID_LEN, jti, HEAD_BYTES);
	am_keyed_hmac_at(version, "session", data, sizeof(data), mac);
	memcpy(jti + HEAD_BYTES, mac, MAC_BYTES);
	am_secret_wipe(mac, sizeof(mac));
}

char *
am_session_refresh_token(const pg_uuid_t *user_id, const pg_uuid_t *session_id,
						 const AmSession *session)
{
	AmTokenOrder order = {.user_id = user_id,
						  .session_id = session_id,
						  .api = session->api,
						  .use = AM_TOKEN_USE_REFRESH,
						  .claims = session->claims};
	AmTokenStamp stamp = {.issued_s = am_clock_unix_s(session->rotated_at),
						  .expires_s = am_clock_unix_s(session->expires_at),
						  .version = session->token_version};
	char text[JTI_TEXT_BYTES + 1] = "";
	uint8 jti[JTI_BYTES];
	size_t len;

	if (session->generation > AM_SESSION_GENERATION_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
				errmsg("a session was refreshed too often"));
	put_big_endian(jti, VERSION_BYTES, am_master_key_newest());
	put_big_endian(jti + VERSION_BYTES, GENERATION_BYTES, (uint64) session->generation);
	jti_seal(user_id, session_id, jti);
	(void) amc_base64url_encode(jti, sizeof(jti), text, JTI_TEXT_BYTES, &len);
	stamp.jti = text;
	return am_token_make(&order, &stamp);
}

int64
am_session_generation(const pg_uuid_t *user_id, const pg_uuid_t *session_id, amc_span jti,
					  bool *proven)
{
	uint8 given[JTI_BYTES];
	uint8 ours[JTI_BYTES];
	size_t len;

	if (jti.len != JTI_TEXT_BYTES ||
		!amc_base64url_decode(jti.ptr, jti.len, given, sizeof(given), &len))
		return -1;
	*proven = am_master_key_has((uint32) get_big_endian(given, VERSION_BYTES));
	if (*proven)
	{
		memcpy(ours, given, HEAD_BYTES);
		jti_seal(user_id, session_id, ours);
		if (!am_secret_equal(ours, given, sizeof(ours)))
			return -1;
	}
	return (int64) get_big_endian(given + VERSION_BYTES, GENERATION_BYTES);
}
