/*
 * jwk_read.c
 *
 * Reads JWKs (RFC 7517; members by RFC 7518 section 6 and RFC 8037 section 2).
 *
 * Numbers go from base64url to OpenSSL as byte arrays in machine order, so that no BIGNUM has to be
 * freed when something raises; the buffers are wiped memory.
 */
#include "compat.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "core/base64url.h"
#include "crypto/jwk.h"
#include "crypto/openssl.h"

#define RSA_NUMBERS 8 /* n, e, and six private ones */

typedef struct Octets
{
	uint8 *data;
	Size len;
} Octets;

static const amc_json_node *
member(const AmJwk *jwk, const char *name)
{
	return amc_json_member(&jwk->doc, amc_json_root(&jwk->doc), name, strlen(name));
}

static bool
member_is(const AmJwk *jwk, const char *name, const char *value)
{
	const amc_json_node *node = member(jwk, name);

	return node != NULL && amc_json_string_equals(&jwk->doc, node, value, strlen(value));
}

static bool
key_ops_fit(const AmJwk *jwk)
{
	const amc_json_node *ops = member(jwk, "key_ops");
	const amc_json_node *op;

	if (ops == NULL)
		return true;
	if (ops->type != AMC_JSON_ARRAY)
		return false;
	for (op = amc_json_first(&jwk->doc, ops); op != NULL; op = amc_json_after(&jwk->doc, op))
		if (!amc_json_string_equals(&jwk->doc, op, AMC_LITERAL("sign")) &&
			!amc_json_string_equals(&jwk->doc, op, AMC_LITERAL("verify")))
			return false;
	return true;
}

static bool
document_parse(const char *text, Size len, AmJwk *jwk)
{
	amc_json_limits limits = {AM_PKEY_TEXT_BYTES_MAX, AM_JWK_DEPTH_MAX, AM_JWK_NODES_MAX};

	return amc_json_parse(text, len, &limits, jwk->nodes, &jwk->doc) == AMC_JSON_OK &&
		   amc_json_root(&jwk->doc)->type == AMC_JSON_OBJECT && member(jwk, "kty") != NULL;
}

bool
am_jwk_is(const char *text, Size len)
{
	AmJwk jwk;

	return document_parse(text, len, &jwk);
}

const char *
am_jwk_parse(const char *text, Size len, amc_alg alg, AmJwk *jwk)
{
	if (!document_parse(text, len, jwk))
		return "The text is no JSON object with a \"kty\".";
	if (member(jwk, "alg") != NULL && !member_is(jwk, "alg", amc_alg_name(alg)))
		return "The JWK's \"alg\" is another algorithm.";
	if (member(jwk, "use") != NULL && !member_is(jwk, "use", "sig"))
		return "The JWK's \"use\" is not \"sig\".";
	if (!key_ops_fit(jwk))
		return "The JWK's \"key_ops\" hold more than \"sign\" and \"verify\".";
	return NULL;
}

char *
am_jwk_kid(MemoryContext cxt, const AmJwk *jwk)
{
	const amc_json_node *node = member(jwk, "kid");
	char buffer[AMC_JWS_KID_BYTES_MAX + 1];
	size_t len;
	size_t i;

	if (node == NULL ||
		!amc_json_string_decode(&jwk->doc, node, buffer, AMC_JWS_KID_BYTES_MAX, &len) || len == 0)
		return NULL;
	for (i = 0; i < len; i++)
		if (buffer[i] < 0x20 || buffer[i] > 0x7e)
			return NULL;
	buffer[len] = '\0';
	return MemoryContextStrdup(cxt, buffer);
}

/* Decodes a base64url member; false when absent or malformed. */
static bool
octets_get(MemoryContext cxt, const AmJwk *jwk, const char *name, Octets *out)
{
	const amc_json_node *node = member(jwk, name);
	amc_span raw;

	if (node == NULL || node->type != AMC_JSON_STRING || (node->flags & AMC_JSON_FLAG_ESCAPED) != 0)
		return false;
	raw = amc_json_string_raw(&jwk->doc, node);
	out->data = am_secret_alloc(cxt, raw.len + 1);
	return raw.len > 0 && amc_base64url_decode(raw.ptr, raw.len, out->data, raw.len, &out->len);
}

uint8 *
am_jwk_secret(MemoryContext cxt, const AmJwk *jwk, Size *len, const char **refusal)
{
	Octets secret;

	*refusal = NULL;
	if (!member_is(jwk, "kty", "oct"))
		*refusal = "HS256 takes a JWK of \"kty\" \"oct\"; a public or private key is no secret.";
	else if (!octets_get(cxt, jwk, "k", &secret))
		*refusal = "The JWK's \"k\" is missing or not base64url.";
	if (*refusal != NULL)
		return NULL;
	*len = secret.len;
	return secret.data;
}

/* A big-endian number as a parameter in machine order; turns the bytes round in place. */
static OSSL_PARAM
number_param(const char *name, Octets number)
{
#ifndef WORDS_BIGENDIAN
	Size i;

	for (i = 0; i < number.len / 2; i++)
	{
		uint8 byte = number.data[i];

		number.data[i] = number.data[number.len - 1 - i];
		number.data[number.len - 1 - i] = byte;
	}
#endif
	return OSSL_PARAM_construct_BN(name, number.data, number.len);
}

static const char *
pkey_from_params(const char *type, OSSL_PARAM *params, bool has_private, AmGuard *guard)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;
	bool ok = ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
			  EVP_PKEY_fromdata(ctx, &pkey, has_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
								params) == 1;

	EVP_PKEY_CTX_free(ctx);
	guard->object = pkey;
	am_openssl_errors_clear();
	return ok ? NULL : "The JWK's members do not make a key.";
}

static const char *
rsa_from_jwk(MemoryContext cxt, const AmJwk *jwk, AmGuard *guard, bool *has_private)
{
	static const struct
	{
		const char *member;
		const char *param;
	} numbers[RSA_NUMBERS] = {
		{"n", OSSL_PKEY_PARAM_RSA_N},          {"e", OSSL_PKEY_PARAM_RSA_E},
		{"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
		{"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
		{"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
	};
	OSSL_PARAM params[RSA_NUMBERS + 1];
	Octets number;
	int count;
	int i;

	*has_private = member(jwk, "d") != NULL;
	if (member(jwk, "oth") != NULL)
		return "RSA keys of more than two primes are not supported.";
	count = *has_private ? RSA_NUMBERS : 2;
	for (i = 0; i < count; i++)
	{
		if (!octets_get(cxt, jwk, numbers[i].member, &number) ||
			number.len > AM_RSA_BITS_MAX / 8 + 1)
			return "A number of the RSA JWK is missing, too long or not base64url.";
		params[i] = number_param(numbers[i].param, number);
	}
	params[count] = OSSL_PARAM_construct_end();
	return pkey_from_params("RSA", params, *has_private, guard);
}

static const char *
ec_from_jwk(MemoryContext cxt, const AmJwk *jwk, AmGuard *guard, bool *has_private)
{
	char group[] = "prime256v1";
	uint8 point[1 + 2 * AM_P256_BYTES];
	OSSL_PARAM params[4];
	Octets x;
	Octets y;
	Octets d;
	int count = 0;

	*has_private = member(jwk, "d") != NULL;
	if (!member_is(jwk, "crv", "P-256"))
		return "ES256 needs a JWK of \"crv\" \"P-256\".";
	if (!octets_get(cxt, jwk, "x", &x) || !octets_get(cxt, jwk, "y", &y) ||
		x.len != AM_P256_BYTES || y.len != AM_P256_BYTES)
		return "The JWK's \"x\" and \"y\" must be 32 bytes in base64url.";
	if (*has_private && (!octets_get(cxt, jwk, "d", &d) || d.len != AM_P256_BYTES))
		return "The JWK's \"d\" must be 32 bytes in base64url.";
	point[0] = 0x04;
	memcpy(point + 1, x.data, AM_P256_BYTES);
	memcpy(point + 1 + AM_P256_BYTES, y.data, AM_P256_BYTES);
	params[count++] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
	params[count++] =
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point));
	if (*has_private)
		params[count++] = number_param(OSSL_PKEY_PARAM_PRIV_KEY, d);
	params[count] = OSSL_PARAM_construct_end();
	return pkey_from_params("EC", params, *has_private, guard);
}

static bool
ed25519_public_is(EVP_PKEY *pkey, const uint8 x[AM_ED25519_BYTES])
{
	uint8 derived[AM_ED25519_BYTES];
	size_t len = sizeof(derived);

	return EVP_PKEY_get_raw_public_key(pkey, derived, &len) == 1 && len == sizeof(derived) &&
		   memcmp(derived, x, sizeof(derived)) == 0;
}

static const char *
okp_from_jwk(MemoryContext cxt, const AmJwk *jwk, AmGuard *guard, bool *has_private)
{
	Octets x;
	Octets d;

	*has_private = member(jwk, "d") != NULL;
	if (!member_is(jwk, "crv", "Ed25519"))
		return "EdDSA needs a JWK of \"crv\" \"Ed25519\".";
	if (!octets_get(cxt, jwk, "x", &x) || x.len != AM_ED25519_BYTES)
		return "The JWK's \"x\" must be 32 bytes in base64url.";
	if (*has_private && (!octets_get(cxt, jwk, "d", &d) || d.len != AM_ED25519_BYTES))
		return "The JWK's \"d\" must be 32 bytes in base64url.";
	guard->object = *has_private
						? EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, d.data, d.len)
						: EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, x.data, x.len);
	am_openssl_errors_clear();
	if (guard->object == NULL || !ed25519_public_is(guard->object, x.data))
		return "The JWK's \"x\" and \"d\" do not belong together.";
	return NULL;
}

const char *
am_jwk_to_pkey(const AmJwk *jwk, amc_alg alg, AmGuard *guard, bool *has_private)
{
	MemoryContext cxt = CurrentMemoryContext;

	if (alg == AMC_ALG_RS256 && member_is(jwk, "kty", "RSA"))
		return rsa_from_jwk(cxt, jwk, guard, has_private);
	if (alg == AMC_ALG_ES256 && member_is(jwk, "kty", "EC"))
		return ec_from_jwk(cxt, jwk, guard, has_private);
	if (alg == AMC_ALG_EDDSA && member_is(jwk, "kty", "OKP"))
		return okp_from_jwk(cxt, jwk, guard, has_private);
	return "The JWK's \"kty\" does not fit the algorithm.";
}
