/*
 * jwk_write.c
 *
 * Writes the public JWK of a key pair (RFC 7517) and its thumbprint (RFC 7638): the digest of the
 * required members alone, in the order of their names and without blanks.
 */
#include "compat.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>

#include "core/base64url.h"
#include "core/json.h"
#include "crypto/hash.h"
#include "crypto/jwk.h"
#include "crypto/openssl.h"

static void
append_base64url(StringInfo out, const uint8 *data, Size len)
{
	size_t text_len;

	enlargeStringInfo(out, AMC_BASE64URL_ENCODED_LEN(len));
	if (!amc_base64url_encode(data, len, out->data + out->len, out->maxlen - out->len, &text_len))
		am_openssl_fail("encode a public key");
	out->len += (int) text_len;
	out->data[out->len] = '\0';
}

/* Appends "name":"<number>", padded to width bytes or in as few as it takes when width is 0. */
static void
append_number(StringInfo out, const AmPkey *key, const char *name, const char *param, int width)
{
	uint8 bytes[AM_RSA_BITS_MAX / 8];
	BIGNUM *number = NULL;
	int len = -1;

	if (EVP_PKEY_get_bn_param(key->pkey, param, &number) == 1 &&
		BN_num_bytes(number) <= (int) sizeof(bytes))
		len = BN_bn2binpad(number, bytes, width != 0 ? width : BN_num_bytes(number));
	BN_free(number);
	if (len < 0)
		am_openssl_fail("export a public key");
	appendStringInfo(out, "\"%s\":\"", name);
	append_base64url(out, bytes, len);
	appendStringInfoChar(out, '"');
}

static void
append_rsa(StringInfo out, const AmPkey *key)
{
	append_number(out, key, "e", OSSL_PKEY_PARAM_RSA_E, 0);
	appendStringInfoString(out, ",\"kty\":\"RSA\",");
	append_number(out, key, "n", OSSL_PKEY_PARAM_RSA_N, 0);
}

static void
append_ec(StringInfo out, const AmPkey *key)
{
	appendStringInfoString(out, "\"crv\":\"P-256\",\"kty\":\"EC\",");
	append_number(out, key, "x", OSSL_PKEY_PARAM_EC_PUB_X, AM_P256_BYTES);
	appendStringInfoChar(out, ',');
	append_number(out, key, "y", OSSL_PKEY_PARAM_EC_PUB_Y, AM_P256_BYTES);
}

static void
append_okp(StringInfo out, const AmPkey *key)
{
	uint8 x[AM_ED25519_BYTES];
	size_t len = sizeof(x);

	if (EVP_PKEY_get_raw_public_key(key->pkey, x, &len) != 1)
		am_openssl_fail("export a public key");
	appendStringInfoString(out, "\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"");
	append_base64url(out, x, len);
	appendStringInfoChar(out, '"');
}

/* The required members, without the braces, in the order RFC 7638 section 3.2 asks for. */
static void
append_required(StringInfo out, const AmPkey *key)
{
	switch (key->alg)
	{
		case AMC_ALG_RS256:
			append_rsa(out, key);
			break;
		case AMC_ALG_ES256:
			append_ec(out, key);
			break;
		default:
			append_okp(out, key);
			break;
	}
}

void
am_jwk_append(StringInfo out, const AmPkey *key, const char *kid)
{
	char escaped[AMC_JSON_ESCAPED_MAX(AMC_JWS_KID_BYTES_MAX)];
	size_t len;

	if (!amc_json_escape(kid, strlen(kid), escaped, sizeof(escaped), &len))
		am_openssl_fail("export a public key");
	appendStringInfoChar(out, '{');
	append_required(out, key);
	appendStringInfo(out, ",\"alg\":\"%s\",\"use\":\"sig\",\"kid\":\"%.*s\"}",
					 amc_alg_name(key->alg), (int) len, escaped);
}

char *
am_jwk_thumbprint(MemoryContext cxt, const AmPkey *key)
{
	char *thumbprint = MemoryContextAlloc(cxt, AM_JWK_THUMBPRINT_BYTES + 1);
	uint8 digest[AM_SHA256_BYTES];
	StringInfoData json;
	size_t len;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	append_required(&json, key);
	appendStringInfoChar(&json, '}');
	am_sha256(json.data, json.len, digest);
	pfree(json.data);
	if (!amc_base64url_encode(digest, sizeof(digest), thumbprint, AM_JWK_THUMBPRINT_BYTES, &len))
		am_openssl_fail("compute a thumbprint");
	thumbprint[AM_JWK_THUMBPRINT_BYTES] = '\0';
	return thumbprint;
}
