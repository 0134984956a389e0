/*
 * claims.h
 *		Registered claims of a JWT payload (RFC 7519 section 4.1) and the check of
 *		their times.
 *
 * Stricter than the RFC: a NumericDate must be an integer number of seconds from
 * 0 to the end of the year 9999, so that a string, a fraction, milliseconds
 * taken for seconds, 1e308 or 2^63 cannot become an
 * expiry that never comes.
 */
#ifndef AMC_CLAIMS_H
#define AMC_CLAIMS_H

#include "core/json.h"

#define AMC_NUMERIC_DATE_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z, in seconds */
#define AMC_LEEWAY_S_MAX     3600                  /* a larger leeway counts as this */

/* Bits of amc_claims.present and amc_claims_policy.required */
#define AMC_CLAIM_ISS 0x01
#define AMC_CLAIM_SUB 0x02
#define AMC_CLAIM_AUD 0x04
#define AMC_CLAIM_EXP 0x08
#define AMC_CLAIM_NBF 0x10
#define AMC_CLAIM_IAT 0x20
#define AMC_CLAIM_JTI 0x40

typedef enum amc_claims_status
{
	AMC_CLAIMS_OK = 0,
	AMC_CLAIMS_NOT_OBJECT,    /* the payload is not a JSON object */
	AMC_CLAIMS_STRING,        /* iss, sub or jti is not a string */
	AMC_CLAIMS_AUDIENCE,      /* aud is neither a string nor an array of strings */
	AMC_CLAIMS_DATE,          /* exp, nbf or iat is not a NumericDate as above */
	AMC_CLAIMS_MISSING,       /* a required claim is absent */
	AMC_CLAIMS_EXPIRED,       /* exp has come */
	AMC_CLAIMS_NOT_YET_VALID, /* nbf has not come */
	AMC_CLAIMS_ISSUED_LATER   /* iat lies in the future */
} amc_claims_status;

typedef struct amc_claims
{
	uint32_t present;         /* AMC_CLAIM_... bits */
	uint32_t faulty;          /* after a refusal: the bit of the claim it is about */
	const amc_json_node *iss; /* string nodes of the document, or NULL */
	const amc_json_node *sub;
	const amc_json_node *jti;
	const amc_json_node *aud; /* string or array node, or NULL */
	int64_t exp;              /* seconds since 1970; 0 if absent */
	int64_t nbf;
	int64_t iat;
} amc_claims;

typedef struct amc_claims_policy
{
	int64_t now_s;     /* real clock, seconds since 1970, rounded down */
	int64_t leeway_s;  /* 0..AMC_LEEWAY_S_MAX; a negative one counts as 0 */
	uint32_t required; /* AMC_CLAIM_... bits that must be present */
	bool check_iat;    /* refuse a token issued in the future */
} amc_claims_policy;

/* amc_claims_status_text: short lower-case English phrase, a static string. */
extern const char *amc_claims_status_text(amc_claims_status status);

/* amc_claim_name: "exp" for AMC_CLAIM_EXP and so on; "" for anything but one bit. */
extern const char *amc_claim_name(uint32_t claim);

/*
 * amc_claims_read: find and type-check the registered claims in a parsed payload.
 *
 * One pass over the members.  Outcomes: OK, NOT_OBJECT, STRING, AUDIENCE, DATE.
 * A registered claim that is JSON null has the wrong type.
 */
extern amc_claims_status amc_claims_read(const amc_json *doc, amc_claims *claims);

/*
 * amc_claims_check: presence and times.
 *
 * Exact at the edge, with L = leeway (RFC 7519 sections 4.1.4 to 4.1.6):
 *		exp		good while now < exp + L	(at now = exp the token has expired)
 *		nbf		good from now >= nbf - L on
 *		iat		good from now >= iat - L on, looked at with check_iat only
 * As all three are integers, rounding now down to seconds changes no answer.
 * Outcomes: OK, MISSING, EXPIRED, NOT_YET_VALID, ISSUED_LATER; claims->faulty
 * names the claim.
 */
extern amc_claims_status amc_claims_check(amc_claims *claims, const amc_claims_policy *policy);

/*
 * amc_claims_audience_has: is this audience the aud string, or one of the array?
 * False if aud is absent.
 */
extern bool amc_claims_audience_has(const amc_json *doc, const amc_claims *claims,
									const char *audience, size_t len);

#endif /* AMC_CLAIMS_H */
