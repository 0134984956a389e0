/*
 * jwt.c
 *
 * Signing and verifying of tokens; jwt_sql.c puts the SQL functions on top.
 *
 * Static memory: the header parsed last (tokens of one key share their header byte for byte, so the
 * next token is usually compared instead of parsed) and one node array for the parser. Both are
 * overwritten by the next call; what a caller gets is a copy.
 */
#include "compat.h"

#include "clock.h"
#include "core/base64url.h"
#include "jwt.h"

#define HEADER_MEMO_BYTES_MAX 512

/* A header that was good, and what it says. Any backend-local call may replace it. */
static char memo_text[HEADER_MEMO_BYTES_MAX];
static size_t memo_len = 0;
static amc_jws_header memo_header;

static amc_json_node scratch_nodes[AM_JWT_NODES_MAX];

const char *
am_jwt_outcome_name(AmJwtOutcome outcome)
{
	static const char *const names[] = {
#define X(name, text, meaning) text,
		AM_JWT_OUTCOMES(X)
#undef X
	};

	return names[outcome];
}

static AmJwtOutcome
header_outcome(amc_jws_status status)
{
	switch (status)
	{
		case AMC_JWS_OK:
			return AM_JWT_OK;
		case AMC_JWS_TOO_LONG:
			return AM_JWT_TOO_LONG;
		case AMC_JWS_ALG_INVALID:
		case AMC_JWS_ALG_UNKNOWN:
			return AM_JWT_ALGORITHM_REFUSED;
		default:
			return AM_JWT_MALFORMED;
	}
}

/* Parses the header into memo_header, or finds it there. */
static AmJwtOutcome
header_read(amc_span encoded)
{
	amc_jws_status status;

	if (amc_span_equals(encoded, memo_text, memo_len))
		return AM_JWT_OK;
	memo_len = 0;
	status = amc_jws_header_parse(encoded.ptr, encoded.len, &memo_header);
	if (status == AMC_JWS_OK && encoded.len <= sizeof(memo_text))
	{
		memcpy(memo_text, encoded.ptr, encoded.len);
		memo_len = encoded.len;
	}
	return header_outcome(status);
}

/* A token with kid is measured by that key alone. */
static AmJwtOutcome
verify_by_kid(AmRing *ring, const amc_jws *jws, const uint8 *signature, Size signature_len,
			  const AmKey **good)
{
	AmKey *key = am_ring_key(ring, memo_header.kid, memo_header.kid_len);

	if (key == NULL || !am_key_verifies(key, am_clock_now()))
		return AM_JWT_KEY_UNKNOWN;
	if (key->alg != memo_header.alg)
		return AM_JWT_ALGORITHM_REFUSED;
	if (!am_key_verify(key, jws->signing_input.ptr, jws->signing_input.len, signature,
					   signature_len))
		return AM_JWT_SIGNATURE_INVALID;
	*good = key;
	return AM_JWT_OK;
}

/* A token without kid is tried on every key in force of its algorithm, newest first. */
static AmJwtOutcome
verify_by_any(AmRing *ring, const amc_jws *jws, const uint8 *signature, Size signature_len,
			  const AmKey **good)
{
	TimestampTz now = am_clock_now();
	AmJwtOutcome outcome = AM_JWT_KEY_UNKNOWN;
	int i;

	for (i = 0; i < ring->count; i++)
	{
		AmKey *key = &ring->keys[i];

		if (!am_key_verifies(key, now))
			continue;
		if (key->alg != memo_header.alg)
		{
			if (outcome == AM_JWT_KEY_UNKNOWN)
				outcome = AM_JWT_ALGORITHM_REFUSED;
			continue;
		}
		if (am_key_verify(key, jws->signing_input.ptr, jws->signing_input.len, signature,
						  signature_len))
		{
			*good = key;
			return AM_JWT_OK;
		}
		outcome = AM_JWT_SIGNATURE_INVALID;
	}
	return outcome;
}

static AmJwtOutcome
signature_check(const char *token, Size len, const AmJwtRules *rules, amc_jws *jws,
				const AmKey **good)
{
	Size limit = rules->token_bytes_max;
	uint8 signature[AM_SIGNATURE_BYTES_MAX];
	size_t signature_len;
	AmRing *ring = am_ring_get(rules->ring.ptr, rules->ring.len);
	AmJwtOutcome outcome;

	*good = NULL;
	if (limit == 0 || limit > AM_JWT_TOKEN_BYTES_MAX)
		limit = AM_JWT_TOKEN_BYTES_MAX;
	outcome = header_outcome(amc_jws_split(token, len, limit, jws));
	if (outcome == AM_JWT_OK)
		outcome = header_read(jws->header);
	if (outcome != AM_JWT_OK)
		return outcome;
	if (jws->signature.len > AMC_BASE64URL_ENCODED_LEN(sizeof(signature)))
		return AM_JWT_SIGNATURE_INVALID;
	if (!amc_base64url_decode(jws->signature.ptr, jws->signature.len, signature, sizeof(signature),
							  &signature_len))
		return AM_JWT_MALFORMED;
	return memo_header.kid_len > 0 ? verify_by_kid(ring, jws, signature, signature_len, good)
								   : verify_by_any(ring, jws, signature, signature_len, good);
}

/* False when the payload is not strict base64url. */
static bool
payload_decode(const amc_jws *jws, amc_span *payload)
{
	Size size = AMC_BASE64URL_DECODED_LEN(jws->payload.len);
	char *decoded = palloc(size + 1);

	payload->ptr = decoded;
	return amc_base64url_decode(jws->payload.ptr, jws->payload.len, decoded, size, &payload->len);
}

AmJwtOutcome
am_jws_verify(const char *token, Size len, const AmJwtRules *rules, amc_span *payload,
			  const AmKey **key)
{
	amc_jws jws;
	AmJwtOutcome outcome = signature_check(token, len, rules, &jws, key);

	if (outcome == AM_JWT_OK && !payload_decode(&jws, payload))
		outcome = AM_JWT_MALFORMED;
	return outcome;
}

static amc_json_status
claims_parse(const char *text, Size len, amc_json *doc)
{
	static const amc_json_limits limits = {AM_JWT_TOKEN_BYTES_MAX, AM_JWT_DEPTH_MAX,
										   AM_JWT_NODES_MAX};

	return amc_json_parse(text, len, &limits, scratch_nodes, doc);
}

/* Moves the nodes out of the scratch array, into the caller's context. */
static void
nodes_keep(amc_json *doc)
{
	Size size = doc->count * sizeof(amc_json_node);
	amc_json_node *nodes = palloc(size);

	memcpy(nodes, doc->nodes, size);
	doc->nodes = nodes;
}

static AmJwtOutcome
times_check(AmJwt *jwt, int64 leeway_s)
{
	amc_claims_policy policy = {am_clock_unix_s(am_clock_now()), leeway_s, AMC_CLAIM_EXP, false};

	switch (amc_claims_check(&jwt->claims, &policy))
	{
		case AMC_CLAIMS_OK:
			return AM_JWT_OK;
		case AMC_CLAIMS_EXPIRED:
			return AM_JWT_EXPIRED;
		case AMC_CLAIMS_NOT_YET_VALID:
			return AM_JWT_NOT_YET_VALID;
		default:
			return AM_JWT_CLAIMS_INVALID;
	}
}

static AmJwtOutcome
parties_check(const AmJwt *jwt, const AmJwtRules *rules)
{
	const amc_claims *claims = &jwt->claims;

	if (rules->issuer.ptr != NULL &&
		(claims->iss == NULL ||
		 !amc_json_string_equals(&jwt->doc, claims->iss, rules->issuer.ptr, rules->issuer.len)))
		return AM_JWT_ISSUER_MISMATCH;
	if (rules->audience.ptr == NULL)
		return claims->aud == NULL ? AM_JWT_OK : AM_JWT_AUDIENCE_MISMATCH;
	return amc_claims_audience_has(&jwt->doc, claims, rules->audience.ptr, rules->audience.len)
			   ? AM_JWT_OK
			   : AM_JWT_AUDIENCE_MISMATCH;
}

static AmJwtOutcome
claims_check(amc_span payload, const AmJwtRules *rules, AmJwt *jwt)
{
	AmJwtOutcome outcome;

	if (claims_parse(payload.ptr, payload.len, &jwt->doc) != AMC_JSON_OK)
		return AM_JWT_CLAIMS_INVALID;
	nodes_keep(&jwt->doc);
	if (amc_claims_read(&jwt->doc, &jwt->claims) != AMC_CLAIMS_OK)
		return AM_JWT_CLAIMS_INVALID;
	outcome = times_check(jwt, rules->leeway_s);
	return outcome == AM_JWT_OK ? parties_check(jwt, rules) : outcome;
}

void
am_jwt_verify(const char *token, Size len, const AmJwtRules *rules, AmJwt *jwt)
{
	amc_span payload;

	jwt->outcome = am_jws_verify(token, len, rules, &payload, &jwt->key);
	if (jwt->outcome == AM_JWT_OK)
		jwt->outcome = claims_check(payload, rules, jwt);
}

static AmKey *
signer_get(amc_span ring_name)
{
	AmRing *ring = am_ring_get(ring_name.ptr, ring_name.len);
	AmKey *key = am_ring_signer(ring, am_clock_now());

	if (key == NULL)
		ereport(ERROR, errcode(ERRCODE_AM_KEY_UNKNOWN),
				errmsg("key ring \"%s\" has no signing key in force", ring->name),
				errhint("Make one with authmeter.key_generate or key_import."));
	return key;
}

/* Appends base64url of data at *at; the caller has made room. */
static char *
put_base64url(char *at, const void *data, Size len)
{
	size_t written = 0;

	(void) amc_base64url_encode(data, len, at, AMC_BASE64URL_ENCODED_LEN(len), &written);
	return at + written;
}

static _Noreturn void
token_too_long(void)
{
	ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
			errmsg("a token would be longer than %d bytes", AM_JWT_TOKEN_BYTES_MAX));
}

static char *
sign(AmKey *key, const char *header, Size header_len, const void *payload, Size len,
	 Size *token_len)
{
	uint8 signature[AM_SIGNATURE_BYTES_MAX];
	Size signature_len;
	char *token;
	char *at;

	/* The payload alone is checked first, so that the sum below cannot be huge. */
	if (len > AM_JWT_TOKEN_BYTES_MAX)
		token_too_long();
	token = palloc(header_len + AMC_BASE64URL_ENCODED_LEN(len) +
				   AMC_BASE64URL_ENCODED_LEN(sizeof(signature)) + 3);
	memcpy(token, header, header_len);
	at = token + header_len;
	*at++ = '.';
	at = put_base64url(at, payload, len);
	signature_len = am_key_sign(key, token, at - token, signature);
	*at++ = '.';
	at = put_base64url(at, signature, signature_len);
	*at = '\0';
	if (at - token > AM_JWT_TOKEN_BYTES_MAX)
		token_too_long();
	if (token_len != NULL)
		*token_len = at - token;
	return token;
}

static const char *
claims_refusal(const amc_json *doc, amc_claims *claims)
{
	switch (amc_claims_read(doc, claims))
	{
		case AMC_CLAIMS_OK:
			return NULL;
		case AMC_CLAIMS_NOT_OBJECT:
			return "The claims must be a JSON object.";
		case AMC_CLAIMS_STRING:
			return "\"iss\", \"sub\" and \"jti\" must be strings.";
		case AMC_CLAIMS_AUDIENCE:
			return "\"aud\" must be a string or an array of strings.";
		default:
			return "\"exp\", \"nbf\" and \"iat\" must be whole seconds since 1970.";
	}
}

const char *
am_jwt_claims_refusal(const char *text, Size len, amc_json *doc, amc_claims *claims)
{
	amc_json_status status = claims_parse(text, len, doc);

	if (status == AMC_JSON_NODES || status == AMC_JSON_DEPTH || status == AMC_JSON_BYTES)
		return "The claims are too large or too deep.";
	if (status != AMC_JSON_OK)
		return "The claims are not strict JSON in UTF-8.";
	return claims_refusal(doc, claims);
}

char *
am_jwt_sign(amc_span ring, const char *claims, Size len, Size *token_len)
{
	AmKey *key = signer_get(ring);
	amc_claims registered;
	amc_json doc;
	const char *refusal = am_jwt_claims_refusal(claims, len, &doc, &registered);

	if (refusal == NULL && (registered.present & AMC_CLAIM_EXP) == 0)
		refusal = "\"exp\" is missing.";
	if (refusal != NULL)
		ereport(ERROR, errcode(ERRCODE_AM_CLAIMS_INVALID), errmsg("the claims cannot be signed"),
				errdetail("%s", refusal));
	return sign(key, key->jwt_header, key->jwt_header_len, claims, len, token_len);
}

char *
am_jws_sign(amc_span ring, const void *payload, Size len, Size *token_len)
{
	AmKey *key = signer_get(ring);

	if (len == 0)
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("the payload of a JWS must not be empty"));
	return sign(key, key->jws_header, key->jws_header_len, payload, len, token_len);
}
