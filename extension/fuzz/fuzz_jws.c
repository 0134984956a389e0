/*
 * fuzz_jws.c
 *		A token that splits joins to itself; a header that is accepted names an
 *		algorithm of ours, no critical extension, and a printable kid.  The first byte
 *		of the input tells whether the rest is a token, or the JSON of a header.
 */
#include "core/base64url.h"
#include "core/claims.h"
#include "core/jws.h"
#include "fuzz.h"

#define BYTES_MAX 8192
#define NODES_MAX 512

static const amc_json_limits limits = {
	.bytes_max = BYTES_MAX, .depth_max = 16, .nodes_max = NODES_MAX};
static amc_json_node nodes[NODES_MAX];

static void
check_header(const char *encoded, size_t len)
{
	static char json[BYTES_MAX];
	amc_jws_header header;
	amc_json doc;
	size_t json_len;
	size_t i;

	if (amc_jws_header_parse(encoded, len, &header) != AMC_JWS_OK)
		return;
	REQUIRE(amc_alg_parse(amc_alg_name(header.alg), strlen(amc_alg_name(header.alg))) ==
			header.alg);
	REQUIRE(header.alg != AMC_ALG_NONE_OF_OURS);
	REQUIRE(header.kid_len <= AMC_JWS_KID_BYTES_MAX && header.typ_len <= AMC_JWS_TYP_BYTES_MAX);
	for (i = 0; i < header.kid_len; i++)
		REQUIRE(header.kid[i] >= 0x20 && header.kid[i] <= 0x7e);
	REQUIRE(amc_base64url_decode(encoded, len, json, sizeof(json), &json_len));
	REQUIRE(amc_json_parse(json, json_len, &limits, nodes, &doc) == AMC_JSON_OK);
	REQUIRE(amc_json_member(&doc, nodes, AMC_LITERAL("crit")) == NULL);
	REQUIRE(amc_json_member(&doc, nodes, AMC_LITERAL("b64")) == NULL);
	REQUIRE((amc_json_member(&doc, nodes, AMC_LITERAL("kid")) != NULL) == (header.kid_len > 0));
}

static void
check_claims(const char *json, size_t len)
{
	amc_claims_policy policy = {1000000000, 0, 0, true};
	amc_claims claims;
	amc_json doc;

	if (amc_json_parse(json, len, &limits, nodes, &doc) != AMC_JSON_OK ||
		amc_claims_read(&doc, &claims) != AMC_CLAIMS_OK)
		return;
	REQUIRE(claims.exp >= 0 && claims.exp <= AMC_NUMERIC_DATE_MAX);
	if (amc_claims_check(&claims, &policy) == AMC_CLAIMS_OK)
		REQUIRE((claims.present & AMC_CLAIM_EXP) == 0 || claims.exp > policy.now_s);
}

static void
check_token(const char *token, size_t len)
{
	static char bytes[BYTES_MAX];
	size_t bytes_len;
	amc_jws jws;

	if (amc_jws_split(token, len, BYTES_MAX, &jws) != AMC_JWS_OK)
		return;
	REQUIRE(jws.header.ptr == token && jws.header.len > 0);
	REQUIRE(jws.payload.ptr == token + jws.header.len + 1 && jws.payload.len > 0);
	REQUIRE(jws.signature.ptr == jws.payload.ptr + jws.payload.len + 1);
	REQUIRE(jws.signature.ptr + jws.signature.len == token + len && jws.signature.len > 0);
	REQUIRE(jws.signing_input.len == jws.header.len + 1 + jws.payload.len);
	check_header(jws.header.ptr, jws.header.len);
	if (amc_base64url_decode(jws.payload.ptr, jws.payload.len, bytes, sizeof(bytes), &bytes_len))
		check_claims(bytes, bytes_len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char encoded[AMC_BASE64URL_ENCODED_LEN(BYTES_MAX)];
	const char *text = (const char *) data + 1;
	size_t len;

	if (size == 0 || size > BYTES_MAX)
		return 0;
	if (data[0] % 2 == 0)
	{
		check_token(text, size - 1);
		return 0;
	}
	REQUIRE(amc_base64url_encode(text, size - 1, encoded, sizeof(encoded), &len));
	check_header(encoded, len);
	check_claims(text, size - 1);
	return 0;
}
