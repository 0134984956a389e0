/*
 * keyring.c
 *
 * Copy of authmeter.signing_key in this backend; see cache.h for what invalidates it. Everything of
 * one copy, the OpenSSL objects included, lives in the cache's context and is wiped with it.
 */
#include "compat.h"

#include "utils/memutils.h"

#include "cache.h"
#include "clock.h"
#include "core/base64url.h"
#include "core/json.h"
#include "crypto/secret.h"
#include "key_secret.h"
#include "keyring.h"
#include "lib/stringinfo.h"
#include "seal.h"
#include "setting.h"
#include "spi.h"

#define GOOD_PLACES 256 /* 8 kB a key that is used */

static void keys_load(MemoryContext cxt);

static AmCache cache = {.relation = "signing_key", .load = keys_load};
static AmRing *rings = NULL;
static int ring_count = 0;

static AmPlan load_plan = {
	"SELECT ring, kid, alg, secret, public_jwk::pg_catalog.text, kid_in_header, verify_only, "
	"created_at, activates_at, retires_at FROM authmeter.signing_key "
	"ORDER BY ring COLLATE pg_catalog.\"C\", activates_at DESC, created_at DESC, "
	"kid COLLATE pg_catalog.\"C\"",
	0,
	{0},
	NULL};

static char *
header_encode(MemoryContext cxt, const AmKey *key, const char *typ, Size *len)
{
	char kid[AMC_JSON_ESCAPED_MAX(AMC_JWS_KID_BYTES_MAX)];
	StringInfoData json;
	size_t kid_len;
	char *encoded;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"alg\":\"%s\"%s", amc_alg_name(key->alg), typ);
	if (key->kid_in_header && amc_json_escape(key->kid, key->kid_len, kid, sizeof(kid), &kid_len))
		appendStringInfo(&json, ",\"kid\":\"%.*s\"", (int) kid_len, kid);
	appendStringInfoChar(&json, '}');
	encoded = MemoryContextAlloc(cxt, AMC_BASE64URL_ENCODED_LEN(json.len));
	(void) amc_base64url_encode(json.data, json.len, encoded, AMC_BASE64URL_ENCODED_LEN(json.len),
								len);
	return encoded;
}

static void
key_load(MemoryContext cxt, uint64 row, AmKey *key)
{
	const char *alg = am_spi_text(row, 3, NULL);

	key->ring = am_spi_text(row, 1, cxt);
	key->kid = am_spi_text(row, 2, cxt);
	key->kid_len = strlen(key->kid);
	key->alg = amc_alg_parse(alg, strlen(alg));
	key->sealed = am_spi_null(row, 4) ? NULL : am_spi_bytea(row, 4, cxt);
	key->public_jwk = am_spi_null(row, 5) ? NULL : am_spi_text(row, 5, cxt);
	key->kid_in_header = am_spi_bool(row, 6);
	key->verify_only = am_spi_bool(row, 7);
	key->created_at = am_spi_timestamptz(row, 8);
	key->activates_at = am_spi_timestamptz(row, 9);
	key->retires_at = am_spi_null(row, 10) ? DT_NOEND : am_spi_timestamptz(row, 10);
	key->jwt_header = header_encode(cxt, key, ",\"typ\":\"JWT\"", &key->jwt_header_len);
	key->jws_header = header_encode(cxt, key, "", &key->jws_header_len);
}

/* Rows come in the order of their rings: each change of the name begins a new one. */
static void
keys_load(MemoryContext cxt)
{
	uint64 rows;
	uint64 i;
	AmKey *keys;

	rings = NULL;
	ring_count = 0;
	rows = am_spi_read_latest(&load_plan, NULL, NULL, 0);
	keys = MemoryContextAllocZero(cxt, (rows + 1) * sizeof(AmKey));
	rings = MemoryContextAllocZero(cxt, (rows + 1) * sizeof(AmRing));
	for (i = 0; i < rows; i++)
	{
		key_load(cxt, i, &keys[i]);
		if (i == 0 || strcmp(keys[i].ring, keys[i - 1].ring) != 0)
		{
			rings[ring_count].name = keys[i].ring;
			rings[ring_count].name_len = strlen(keys[i].ring);
			rings[ring_count].keys = &keys[i];
			ring_count++;
		}
		rings[ring_count - 1].count++;
	}
}

static int
name_compare(const AmRing *ring, const char *name, Size len)
{
	int order = memcmp(ring->name, name, Min(ring->name_len, len));

	return order != 0 ? order : (ring->name_len > len) - (ring->name_len < len);
}

AmRing *
am_ring_find(const char *name, Size len)
{
	int low = 0;
	int high;

	am_cache_ensure(&cache);
	high = ring_count;
	while (low < high)
	{
		int middle = low + (high - low) / 2;
		int order = name_compare(&rings[middle], name, len);

		if (order == 0)
			return &rings[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

AmRing *
am_ring_get(const char *name, Size len)
{
	AmRing *ring = am_ring_find(name, len);

	if (ring == NULL)
		ereport(ERROR, errcode(ERRCODE_AM_KEY_UNKNOWN),
				errmsg("key ring \"%.*s\" does not exist", (int) Min(len, AM_RING_NAME_BYTES_MAX),
					   name),
				errhint("Make its first key with authmeter.key_generate or key_import."));
	return ring;
}

AmRing *
am_ring_all(int *count)
{
	am_cache_ensure(&cache);
	*count = ring_count;
	return rings;
}

/*
 * The newest activated key that has not retired. One with retires_at set still signs while its
 * successor is pending, and again when the successor was retired before its time.
 */
AmKey *
am_ring_signer(AmRing *ring, TimestampTz now)
{
	int i;

	for (i = 0; i < ring->count; i++)
	{
		AmKey *key = &ring->keys[i];

		if (!key->verify_only && key->sealed != NULL && key->activates_at <= now &&
			am_key_verifies(key, now))
			return key;
	}
	return NULL;
}

AmKey *
am_ring_key(AmRing *ring, const char *kid, Size kid_len)
{
	int i;

	for (i = 0; i < ring->count; i++)
		if (ring->keys[i].kid_len == kid_len && memcmp(ring->keys[i].kid, kid, kid_len) == 0)
			return &ring->keys[i];
	return NULL;
}

AmKeyState
am_key_state(const AmKey *key, TimestampTz now)
{
	if (!am_key_verifies(key, now))
		return AM_KEY_RETIRED;
	if (now < key->activates_at)
		return AM_KEY_PENDING;
	return key->retires_at == DT_NOEND ? AM_KEY_ACTIVE : AM_KEY_RETIRING;
}

const char *
am_key_state_name(AmKeyState state)
{
	static const char *const names[] = {"pending", "active", "retiring", "retired"};

	return names[state];
}

static AmSealName
seal_name(char object[AM_SEAL_NAME_MAX], const char *ring, const char *kid, amc_alg alg)
{
	AmSealName name = {"signing_key", ring, object};

	snprintf(object, AM_SEAL_NAME_MAX, "%s:%s", amc_alg_name(alg), kid);
	return name;
}

bytea *
am_key_seal(const char *ring, const char *kid, amc_alg alg, const void *secret, Size len)
{
	char object[AM_SEAL_NAME_MAX];
	AmSealName name = seal_name(object, ring, kid, alg);

	return am_seal(&name, secret, len);
}

uint8 *
am_key_unseal(const AmKey *key, Size *len)
{
	char object[AM_SEAL_NAME_MAX];
	AmSealName name = seal_name(object, key->ring, key->kid, key->alg);

	return am_unseal(&name, key->sealed, len);
}

/*
 * A short secret may have come in while the environment was development (contract I13). It is
 * refused at each use once that is over; am_setting_development costs a comparison.
 */
static void
secret_len_check(const AmKey *key)
{
	if (key->secret_len < AM_HS256_BYTES_MIN && !am_setting_development())
		ereport(ERROR, errcode(ERRCODE_AM_KEY_REFUSED),
				errmsg("the HS256 secret of key ring \"%s\" is shorter than %d bytes", key->ring,
					   AM_HS256_BYTES_MIN),
				errhint("Such a secret is accepted in development only; rotate it with "
						"authmeter.key_rotate."));
}

static AmHmac *
hmac_open(AmKey *key)
{
	uint8 *secret;

	if (key->hmac == NULL)
	{
		secret = am_key_unseal(key, &key->secret_len);
		key->hmac = am_hmac_new(cache.cxt, secret, key->secret_len);
		am_secret_wipe(secret, key->secret_len);
	}
	secret_len_check(key);
	return key->hmac;
}

AmPkey *
am_key_public(AmKey *key)
{
	const char *refusal = NULL;

	if (key->public_key == NULL)
		key->public_key =
			am_pkey_import(cache.cxt, key->alg, key->public_jwk, strlen(key->public_jwk), &refusal);
	if (key->public_key == NULL)
		ereport(ERROR, errcode(ERRCODE_AM_KEY_REFUSED),
				errmsg("public key \"%s\" of key ring \"%s\" is broken", key->kid, key->ring),
				errdetail("%s", refusal));
	return key->public_key;
}

static AmPkey *
private_open(AmKey *key)
{
	Size len;
	uint8 *der;

	if (key->private_key == NULL)
	{
		der = am_key_unseal(key, &len);
		key->private_key = am_pkey_from_der(cache.cxt, key->alg, der, len);
		am_secret_wipe(der, len);
	}
	return key->private_key;
}

/* One place a digest: a newer signature takes it, so the memory is bounded. */
static uint8 *
good_place(AmKey *key, const uint8 digest[AM_SHA256_BYTES])
{
	if (key->good == NULL)
		key->good = MemoryContextAllocZero(cache.cxt, GOOD_PLACES * AM_SHA256_BYTES);
	return key->good[digest[0] % GOOD_PLACES];
}

static bool
pkey_verify(AmKey *key, const void *data, Size len, const uint8 *signature, Size signature_len)
{
	uint8 digest[AM_SHA256_BYTES];
	uint8 *place;

	am_sha256_pair(data, len, signature, signature_len, digest);
	place = good_place(key, digest);
	if (am_secret_equal(place, digest, sizeof(digest)))
		return true;
	if (!am_pkey_verify(am_key_public(key), data, len, signature, signature_len))
		return false;
	memcpy(place, digest, sizeof(digest));
	return true;
}

bool
am_key_verify(AmKey *key, const void *data, Size len, const uint8 *signature, Size signature_len)
{
	uint8 mac[AM_SHA256_BYTES];

	if (key->alg != AMC_ALG_HS256)
		return pkey_verify(key, data, len, signature, signature_len);
	am_hmac(hmac_open(key), data, len, mac);
	return signature_len == sizeof(mac) && am_secret_equal(mac, signature, sizeof(mac));
}

Size
am_key_sign(AmKey *key, const void *data, Size len, uint8 signature[AM_SIGNATURE_BYTES_MAX])
{
	if (key->alg != AMC_ALG_HS256)
		return am_pkey_sign(private_open(key), data, len, signature);
	am_hmac(hmac_open(key), data, len, signature);
	return AM_SHA256_BYTES;
}
