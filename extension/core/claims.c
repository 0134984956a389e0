/*
 * claims.c
 *		Registered claims of a JWT payload, and the check of their times.
 */
#include "core/claims.h"

/* All registered names have three letters, so a key is one number to compare. */
#define NAME_LEN 3
#define PACKED(a, b, c) \
	((uint32_t) (uint8_t) (a) << 16 | (uint32_t) (uint8_t) (b) << 8 | (uint8_t) (c))

typedef struct claim_name
{
	uint32_t packed;
	uint32_t claim;
	char name[NAME_LEN + 1];
} claim_name;

static const claim_name claim_names[] = {
	{PACKED('e', 'x', 'p'), AMC_CLAIM_EXP, "exp"}, {PACKED('i', 'a', 't'), AMC_CLAIM_IAT, "iat"},
	{PACKED('n', 'b', 'f'), AMC_CLAIM_NBF, "nbf"}, {PACKED('i', 's', 's'), AMC_CLAIM_ISS, "iss"},
	{PACKED('s', 'u', 'b'), AMC_CLAIM_SUB, "sub"}, {PACKED('a', 'u', 'd'), AMC_CLAIM_AUD, "aud"},
	{PACKED('j', 't', 'i'), AMC_CLAIM_JTI, "jti"},
};

#define CLAIM_COUNT (sizeof(claim_names) / sizeof(claim_names[0]))

const char *
amc_claims_status_text(amc_claims_status status)
{
	static const char *const texts[] = {
		[AMC_CLAIMS_OK] = "valid",
		[AMC_CLAIMS_NOT_OBJECT] = "payload is not a JSON object",
		[AMC_CLAIMS_STRING] = "claim is not a string",
		[AMC_CLAIMS_AUDIENCE] = "audience is neither a string nor a list of strings",
		[AMC_CLAIMS_DATE] = "claim is not a time in whole seconds",
		[AMC_CLAIMS_MISSING] = "required claim is missing",
		[AMC_CLAIMS_EXPIRED] = "token has expired",
		[AMC_CLAIMS_NOT_YET_VALID] = "token is not yet valid",
		[AMC_CLAIMS_ISSUED_LATER] = "token was issued in the future",
	};

	if ((size_t) status >= sizeof(texts) / sizeof(texts[0]))
		return "unknown status";
	return texts[status];
}

const char *
amc_claim_name(uint32_t claim)
{
	size_t i;

	for (i = 0; i < CLAIM_COUNT; i++)
		if (claim_names[i].claim == claim)
			return claim_names[i].name;
	return "";
}

/* Which registered claim a key names, or 0. */
static uint32_t
claim_of_key(const amc_json *doc, const amc_json_node *key)
{
	char buffer[NAME_LEN];
	amc_span name;
	uint32_t packed;
	size_t i;

	if (!amc_json_string(doc, key, buffer, sizeof(buffer), &name) || name.len != NAME_LEN)
		return 0;
	packed = PACKED(name.ptr[0], name.ptr[1], name.ptr[2]);
	for (i = 0; i < CLAIM_COUNT; i++)
		if (claim_names[i].packed == packed)
			return claim_names[i].claim;
	return 0;
}

static amc_claims_status
read_string(const amc_json_node *node, const amc_json_node **claim)
{
	if (node->type != AMC_JSON_STRING)
		return AMC_CLAIMS_STRING;
	*claim = node;
	return AMC_CLAIMS_OK;
}

static amc_claims_status
read_date(const amc_json *doc, const amc_json_node *node, int64_t *date)
{
	int64_t value;

	if (amc_json_int64(doc, node, &value) != AMC_JSON_INTEGER_OK || value < 0 ||
		value > AMC_NUMERIC_DATE_MAX)
		return AMC_CLAIMS_DATE;
	*date = value;
	return AMC_CLAIMS_OK;
}

static amc_claims_status
read_audience(const amc_json *doc, const amc_json_node *node, const amc_json_node **audience)
{
	const amc_json_node *element;

	if (node->type != AMC_JSON_STRING && node->type != AMC_JSON_ARRAY)
		return AMC_CLAIMS_AUDIENCE;
	if (node->type == AMC_JSON_ARRAY)
		for (element = amc_json_first(doc, node); element != NULL;
			 element = amc_json_after(doc, element))
			if (element->type != AMC_JSON_STRING)
				return AMC_CLAIMS_AUDIENCE;
	*audience = node;
	return AMC_CLAIMS_OK;
}

static amc_claims_status
read_claim(const amc_json *doc, const amc_json_node *node, uint32_t claim, amc_claims *claims)
{
	switch (claim)
	{
		case AMC_CLAIM_ISS:
			return read_string(node, &claims->iss);
		case AMC_CLAIM_SUB:
			return read_string(node, &claims->sub);
		case AMC_CLAIM_JTI:
			return read_string(node, &claims->jti);
		case AMC_CLAIM_AUD:
			return read_audience(doc, node, &claims->aud);
		case AMC_CLAIM_EXP:
			return read_date(doc, node, &claims->exp);
		case AMC_CLAIM_NBF:
			return read_date(doc, node, &claims->nbf);
		default:
			return read_date(doc, node, &claims->iat);
	}
}

amc_claims_status
amc_claims_read(const amc_json *doc, amc_claims *claims)
{
	const amc_json_node *root = amc_json_root(doc);
	const amc_json_node *key;

	memset(claims, 0, sizeof(*claims));
	if (root->type != AMC_JSON_OBJECT)
		return AMC_CLAIMS_NOT_OBJECT;
	for (key = amc_json_first(doc, root); key != NULL; key = amc_json_after(doc, key + 1))
	{
		uint32_t claim = claim_of_key(doc, key);
		amc_claims_status status;

		if (claim == 0)
			continue;
		status = read_claim(doc, key + 1, claim, claims);
		if (status != AMC_CLAIMS_OK)
		{
			claims->faulty = claim;
			return status;
		}
		claims->present |= claim;
	}
	return AMC_CLAIMS_OK;
}

static amc_claims_status
refuse(amc_claims *claims, uint32_t claim, amc_claims_status status)
{
	claims->faulty = claim;
	return status;
}

amc_claims_status
amc_claims_check(amc_claims *claims, const amc_claims_policy *policy)
{
	int64_t now = policy->now_s;
	int64_t leeway = policy->leeway_s;
	uint32_t missing = policy->required & ~claims->present;

	if (leeway < 0)
		leeway = 0;
	if (leeway > AMC_LEEWAY_S_MAX)
		leeway = AMC_LEEWAY_S_MAX;

	if (missing != 0)
		return refuse(claims, missing & (~missing + 1), AMC_CLAIMS_MISSING);
	/* Dates are small, so adding the leeway to them cannot overflow; to now it could. */
	if ((claims->present & AMC_CLAIM_EXP) != 0 && now >= claims->exp + leeway)
		return refuse(claims, AMC_CLAIM_EXP, AMC_CLAIMS_EXPIRED);
	if ((claims->present & AMC_CLAIM_NBF) != 0 && now < claims->nbf - leeway)
		return refuse(claims, AMC_CLAIM_NBF, AMC_CLAIMS_NOT_YET_VALID);
	if (policy->check_iat && (claims->present & AMC_CLAIM_IAT) != 0 && now < claims->iat - leeway)
		return refuse(claims, AMC_CLAIM_IAT, AMC_CLAIMS_ISSUED_LATER);
	return AMC_CLAIMS_OK;
}

bool
amc_claims_audience_has(const amc_json *doc, const amc_claims *claims, const char *audience,
						size_t len)
{
	const amc_json_node *element;

	if (claims->aud == NULL)
		return false;
	if (claims->aud->type == AMC_JSON_STRING)
		return amc_json_string_equals(doc, claims->aud, audience, len);
	for (element = amc_json_first(doc, claims->aud); element != NULL;
		 element = amc_json_after(doc, element))
		if (amc_json_string_equals(doc, element, audience, len))
			return true;
	return false;
}
