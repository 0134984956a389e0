/*
 * jws.c
 *		Compact JWS: the split, and the protected header.
 *
 * Nearly all tokens carry one of a few headers, byte for byte; their encoded
 * form is compared first.  Whatever is not in that table takes the long way
 * through base64url and JSON, with the same result.
 */
#include "core/jws.h"

#include "core/base64url.h"
#include "core/json.h"

typedef struct known_header
{
	amc_span encoded;
	amc_alg alg;
} known_header;

/* {"alg":A,"typ":"JWT"} and {"typ":"JWT","alg":A}: what libraries write without a kid. */
#define KNOWN(text, alg)               \
	{                                  \
		{text, sizeof(text) - 1}, alg, \
	}
static const known_header known_headers[] = {
	KNOWN("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", AMC_ALG_HS256),
	KNOWN("eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9", AMC_ALG_HS256),
	KNOWN("eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9", AMC_ALG_RS256),
	KNOWN("eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9", AMC_ALG_RS256),
	KNOWN("eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9", AMC_ALG_ES256),
	KNOWN("eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9", AMC_ALG_ES256),
	KNOWN("eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9", AMC_ALG_EDDSA),
	KNOWN("eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSJ9", AMC_ALG_EDDSA),
};
#undef KNOWN

static const char *const alg_names[] = {
	[AMC_ALG_NONE_OF_OURS] = "", [AMC_ALG_HS256] = "HS256", [AMC_ALG_RS256] = "RS256",
	[AMC_ALG_ES256] = "ES256",   [AMC_ALG_EDDSA] = "EdDSA",
};

#define ALG_COUNT (sizeof(alg_names) / sizeof(alg_names[0]))

const char *
amc_jws_status_text(amc_jws_status status)
{
	static const char *const texts[] = {
		[AMC_JWS_OK] = "valid",
		[AMC_JWS_TOO_LONG] = "token too long",
		[AMC_JWS_SEGMENTS] = "token does not have three segments",
		[AMC_JWS_EMPTY_SEGMENT] = "token has an empty segment",
		[AMC_JWS_HEADER_TOO_LARGE] = "header too large",
		[AMC_JWS_HEADER_BASE64URL] = "header is not base64url",
		[AMC_JWS_HEADER_JSON] = "header is not a valid JSON object",
		[AMC_JWS_ALG_INVALID] = "header has no valid \"alg\"",
		[AMC_JWS_ALG_UNKNOWN] = "algorithm not supported",
		[AMC_JWS_KID_INVALID] = "header has an invalid \"kid\"",
		[AMC_JWS_TYP_INVALID] = "header has an invalid \"typ\"",
		[AMC_JWS_CRIT] = "critical header extension not supported",
		[AMC_JWS_B64] = "header parameter \"b64\" not supported",
	};

	if ((size_t) status >= sizeof(texts) / sizeof(texts[0]))
		return "unknown status";
	return texts[status];
}

const char *
amc_alg_name(amc_alg alg)
{
	return (size_t) alg < ALG_COUNT ? alg_names[alg] : "";
}

amc_alg
amc_alg_parse(const char *name, size_t len)
{
	size_t i;

	for (i = AMC_ALG_NONE_OF_OURS + 1; i < ALG_COUNT; i++)
		if (len == strlen(alg_names[i]) && memcmp(name, alg_names[i], len) == 0)
			return (amc_alg) i;
	return AMC_ALG_NONE_OF_OURS;
}

amc_jws_status
amc_jws_split(const char *token, size_t len, size_t bytes_max, amc_jws *jws)
{
	const char *end = token + len;
	const char *first;
	const char *second;

	if (len > bytes_max || len > AMC_JWS_TOKEN_BYTES_MAX)
		return AMC_JWS_TOO_LONG;
	if (len == 0)
		return AMC_JWS_SEGMENTS;
	first = memchr(token, '.', len);
	if (first == NULL)
		return AMC_JWS_SEGMENTS;
	second = memchr(first + 1, '.', (size_t) (end - (first + 1)));
	if (second == NULL || memchr(second + 1, '.', (size_t) (end - (second + 1))) != NULL)
		return AMC_JWS_SEGMENTS;

	jws->header = (amc_span){token, (size_t) (first - token)};
	jws->payload = (amc_span){first + 1, (size_t) (second - (first + 1))};
	jws->signature = (amc_span){second + 1, (size_t) (end - (second + 1))};
	jws->signing_input = (amc_span){token, (size_t) (second - token)};
	if (jws->header.len == 0 || jws->payload.len == 0 || jws->signature.len == 0)
		return AMC_JWS_EMPTY_SEGMENT;
	return AMC_JWS_OK;
}

static bool
is_known_header(const char *encoded, size_t len, amc_jws_header *header)
{
	size_t i;

	for (i = 0; i < sizeof(known_headers) / sizeof(known_headers[0]); i++)
		if (amc_span_equals(known_headers[i].encoded, encoded, len))
		{
			header->alg = known_headers[i].alg;
			header->kid_len = 0;
			header->typ_len = 3;
			memcpy(header->typ, "JWT", 3);
			return true;
		}
	return false;
}

static amc_jws_status
read_alg(const amc_json *doc, amc_jws_header *header)
{
	const amc_json_node *node = amc_json_member(doc, amc_json_root(doc), AMC_LITERAL("alg"));
	char buffer[16]; /* longer than any name of ours */
	amc_span name;

	header->alg = AMC_ALG_NONE_OF_OURS;
	if (node == NULL || node->type != AMC_JSON_STRING)
		return AMC_JWS_ALG_INVALID;
	if (amc_json_string(doc, node, buffer, sizeof(buffer), &name))
		header->alg = amc_alg_parse(name.ptr, name.len);
	return header->alg == AMC_ALG_NONE_OF_OURS ? AMC_JWS_ALG_UNKNOWN : AMC_JWS_OK;
}

static bool
is_printable(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	return true;
}

static amc_jws_status
read_kid(const amc_json *doc, amc_jws_header *header)
{
	const amc_json_node *node = amc_json_member(doc, amc_json_root(doc), AMC_LITERAL("kid"));
	size_t len;

	header->kid_len = 0;
	if (node == NULL)
		return AMC_JWS_OK;
	if (!amc_json_string_decode(doc, node, header->kid, sizeof(header->kid), &len) || len == 0 ||
		!is_printable(header->kid, len))
		return AMC_JWS_KID_INVALID;
	header->kid_len = (uint16_t) len;
	return AMC_JWS_OK;
}

static amc_jws_status
read_typ(const amc_json *doc, amc_jws_header *header)
{
	const amc_json_node *node = amc_json_member(doc, amc_json_root(doc), AMC_LITERAL("typ"));
	size_t len;

	header->typ_len = 0;
	if (node == NULL)
		return AMC_JWS_OK;
	if (!amc_json_string_decode(doc, node, header->typ, sizeof(header->typ), &len))
		return AMC_JWS_TYP_INVALID;
	header->typ_len = (uint16_t) len;
	return AMC_JWS_OK;
}

static amc_jws_status
read_parameters(const amc_json *doc, amc_jws_header *header)
{
	const amc_json_node *root = amc_json_root(doc);
	amc_jws_status status;

	if (root->type != AMC_JSON_OBJECT)
		return AMC_JWS_HEADER_JSON;
	if (amc_json_member(doc, root, AMC_LITERAL("crit")) != NULL)
		return AMC_JWS_CRIT;
	if (amc_json_member(doc, root, AMC_LITERAL("b64")) != NULL)
		return AMC_JWS_B64;
	status = read_alg(doc, header);
	if (status == AMC_JWS_OK)
		status = read_kid(doc, header);
	if (status == AMC_JWS_OK)
		status = read_typ(doc, header);
	return status;
}

amc_jws_status
amc_jws_header_parse(const char *encoded, size_t len, amc_jws_header *header)
{
	static const amc_json_limits limits = {
		.bytes_max = AMC_JWS_HEADER_BYTES_MAX,
		.depth_max = AMC_JWS_HEADER_DEPTH_MAX,
		.nodes_max = AMC_JWS_HEADER_NODES_MAX,
	};
	amc_json_node nodes[AMC_JWS_HEADER_NODES_MAX];
	char text[AMC_JWS_HEADER_BYTES_MAX];
	size_t text_len;
	amc_json doc;

	if (is_known_header(encoded, len, header))
		return AMC_JWS_OK;
	if (AMC_BASE64URL_DECODED_LEN(len) > sizeof(text))
		return AMC_JWS_HEADER_TOO_LARGE;
	if (!amc_base64url_decode(encoded, len, text, sizeof(text), &text_len))
		return AMC_JWS_HEADER_BASE64URL;
	switch (amc_json_parse(text, text_len, &limits, nodes, &doc))
	{
		case AMC_JSON_OK:
			return read_parameters(&doc, header);
		case AMC_JSON_NODES:
			return AMC_JWS_HEADER_TOO_LARGE;
		default:
			return AMC_JWS_HEADER_JSON;
	}
}
