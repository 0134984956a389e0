/*
 * test_claims.c
 *		Must hold: a claim has its type or the token is refused, and times are exact
 *		to the second at the edge (RFC 7519 section 4.1).
 */
#include "core/claims.h"
#include "core/test/test.h"

#define NODES 64

static const amc_json_limits limits = {.bytes_max = 4096, .depth_max = 8, .nodes_max = NODES};
static amc_json_node nodes[NODES];
static amc_json doc;

static amc_claims_status
read(const char *text, amc_claims *claims)
{
	size_t len = strlen(text);

	if (!CHECK_INT(AMC_JSON_OK, amc_json_parse(test_copy(text, len), len, &limits, nodes, &doc)))
		return AMC_CLAIMS_NOT_OBJECT;
	return amc_claims_read(&doc, claims);
}

static const struct
{
	const char *name;
	const char *payload;
	amc_claims_status status;
	uint32_t claim; /* present if OK, faulty otherwise */
} cases[] = {
	{"empty", "{}", AMC_CLAIMS_OK, 0},
	{"list", "[]", AMC_CLAIMS_NOT_OBJECT, 0},
	{"string", "\"exp\"", AMC_CLAIMS_NOT_OBJECT, 0},
	{"null", "null", AMC_CLAIMS_NOT_OBJECT, 0},
	{"private claims of any type", "{\"api\":1,\"use\":null,\"ver\":[],\"uid\":{}}", AMC_CLAIMS_OK,
	 0},
	{"nested names are not registered", "{\"x\":{\"exp\":\"never\"}}", AMC_CLAIMS_OK, 0},
	{"case matters", "{\"EXP\":\"never\",\"Sub\":1}", AMC_CLAIMS_OK, 0},
	{"strings", "{\"iss\":\"i\",\"sub\":\"\",\"jti\":\"j\"}", AMC_CLAIMS_OK,
	 AMC_CLAIM_ISS | AMC_CLAIM_SUB | AMC_CLAIM_JTI},
	{"iss number", "{\"iss\":1}", AMC_CLAIMS_STRING, AMC_CLAIM_ISS},
	{"sub null", "{\"sub\":null}", AMC_CLAIMS_STRING, AMC_CLAIM_SUB},
	{"jti list", "{\"jti\":[\"j\"]}", AMC_CLAIMS_STRING, AMC_CLAIM_JTI},
	{"aud string", "{\"aud\":\"a\"}", AMC_CLAIMS_OK, AMC_CLAIM_AUD},
	{"aud list", "{\"aud\":[\"a\",\"b\"]}", AMC_CLAIMS_OK, AMC_CLAIM_AUD},
	{"aud empty list", "{\"aud\":[]}", AMC_CLAIMS_OK, AMC_CLAIM_AUD},
	{"aud number", "{\"aud\":1}", AMC_CLAIMS_AUDIENCE, AMC_CLAIM_AUD},
	{"aud list with a number", "{\"aud\":[\"a\",1]}", AMC_CLAIMS_AUDIENCE, AMC_CLAIM_AUD},
	{"aud list in a list", "{\"aud\":[[\"a\"]]}", AMC_CLAIMS_AUDIENCE, AMC_CLAIM_AUD},
	{"aud object", "{\"aud\":{\"a\":1}}", AMC_CLAIMS_AUDIENCE, AMC_CLAIM_AUD},
	{"exp 0", "{\"exp\":0}", AMC_CLAIMS_OK, AMC_CLAIM_EXP},
	{"exp as 1.0", "{\"exp\":1300819380.0}", AMC_CLAIMS_OK, AMC_CLAIM_EXP},
	{"exp with an exponent", "{\"exp\":1.30081938e9}", AMC_CLAIMS_OK, AMC_CLAIM_EXP},
	{"exp, escaped name", "{\"\\u0065xp\":1}", AMC_CLAIMS_OK, AMC_CLAIM_EXP},
	{"security 3: exp string", "{\"exp\":\"1300819380\"}", AMC_CLAIMS_DATE, AMC_CLAIM_EXP},
	{"security 3: exp string, escaped name", "{\"e\\u0078p\":\"1\"}", AMC_CLAIMS_DATE,
	 AMC_CLAIM_EXP},
	{"security 3: exp null", "{\"exp\":null}", AMC_CLAIMS_DATE, AMC_CLAIM_EXP},
	{"security 3: exp true", "{\"exp\":true}", AMC_CLAIMS_DATE, AMC_CLAIM_EXP},
	{"security 3: exp list", "{\"exp\":[1]}", AMC_CLAIMS_DATE, AMC_CLAIM_EXP},
	{"security 3: exp 1e308", "{\"exp\":1e308}", AMC_CLAIMS_DATE, AMC_CLAIM_EXP},
	{"security 3: exp 1e309", "{\"exp\":1e309}", AMC_CLAIMS_DATE, AMC_CLAIM_EXP},
	{"security 3: exp negative", "{\"exp\":-1}", AMC_CLAIMS_DATE, AMC_CLAIM_EXP},
	{"security 3: exp 2^63", "{\"exp\":9223372036854775808}", AMC_CLAIMS_DATE, AMC_CLAIM_EXP},
	{"security 3: exp 2^63 - 1", "{\"exp\":9223372036854775807}", AMC_CLAIMS_DATE, AMC_CLAIM_EXP},
	{"security 3: exp 2^64 + 1", "{\"exp\":18446744073709551617}", AMC_CLAIMS_DATE, AMC_CLAIM_EXP},
	{"security 3: exp with a fraction", "{\"exp\":1300819380.5}", AMC_CLAIMS_DATE, AMC_CLAIM_EXP},
	{"exp at the end of 9999", "{\"exp\":253402300799}", AMC_CLAIMS_OK, AMC_CLAIM_EXP},
	{"exp after it", "{\"exp\":253402300800}", AMC_CLAIMS_DATE, AMC_CLAIM_EXP},
	{"exp in milliseconds", "{\"exp\":1767225600000}", AMC_CLAIMS_DATE, AMC_CLAIM_EXP},
	{"security 3: nbf string", "{\"nbf\":\"0\"}", AMC_CLAIMS_DATE, AMC_CLAIM_NBF},
	{"security 3: nbf negative", "{\"nbf\":-5}", AMC_CLAIMS_DATE, AMC_CLAIM_NBF},
	{"security 3: iat string", "{\"iat\":\"0\"}", AMC_CLAIMS_DATE, AMC_CLAIM_IAT},
	{"security 3: iat 1e308", "{\"iat\":1e308}", AMC_CLAIMS_DATE, AMC_CLAIM_IAT},
};

static void
types(void)
{
	size_t i;

	for (i = 0; i < LENGTH_OF(cases); i++)
	{
		amc_claims claims;

		test_case(cases[i].name);
		CHECK_INT(cases[i].status, read(cases[i].payload, &claims));
		CHECK_INT(cases[i].claim,
				  cases[i].status == AMC_CLAIMS_OK ? claims.present : claims.faulty);
	}
}

static void
values(void)
{
	amc_claims claims;

	test_case("RFC 7519 section 3.1");
	CHECK_INT(AMC_CLAIMS_OK, read("{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n "
								  "\"http://example.com/is_root\":true}",
								  &claims));
	CHECK_INT(AMC_CLAIM_ISS | AMC_CLAIM_EXP, claims.present);
	CHECK_INT(1300819380, claims.exp);
	CHECK(claims.iss != NULL && amc_json_string_equals(&doc, claims.iss, "joe", 3));
	CHECK(claims.sub == NULL && claims.aud == NULL && claims.jti == NULL);

	test_case("all claims");
	CHECK_INT(AMC_CLAIMS_OK, read("{\"jti\":\"j\",\"iat\":3,\"nbf\":2,\"exp\":4,\"aud\":\"a\","
								  "\"sub\":\"s\",\"iss\":\"i\"}",
								  &claims));
	CHECK_INT(0x7f, claims.present);
	CHECK(claims.exp == 4 && claims.nbf == 2 && claims.iat == 3);
	CHECK(claims.sub != NULL && amc_json_string_equals(&doc, claims.sub, "s", 1));
	CHECK(claims.jti != NULL && amc_json_string_equals(&doc, claims.jti, "j", 1));
}

static void
audiences(void)
{
	amc_claims claims;

	test_case("audience");
	CHECK_INT(AMC_CLAIMS_OK, read("{\"aud\":\"ab\"}", &claims));
	CHECK(amc_claims_audience_has(&doc, &claims, "ab", 2));
	CHECK(!amc_claims_audience_has(&doc, &claims, "a", 1));
	CHECK(!amc_claims_audience_has(&doc, &claims, "abc", 3));
	CHECK(!amc_claims_audience_has(&doc, &claims, "AB", 2));
	CHECK_INT(AMC_CLAIMS_OK, read("{\"aud\":[\"x\",\"\\u0061b\",\"\"]}", &claims));
	CHECK(amc_claims_audience_has(&doc, &claims, "ab", 2));
	CHECK(amc_claims_audience_has(&doc, &claims, "", 0));
	CHECK(!amc_claims_audience_has(&doc, &claims, "y", 1));
	CHECK_INT(AMC_CLAIMS_OK, read("{\"aud\":[]}", &claims));
	CHECK(!amc_claims_audience_has(&doc, &claims, "", 0));
	CHECK_INT(AMC_CLAIMS_OK, read("{}", &claims));
	CHECK(!amc_claims_audience_has(&doc, &claims, "", 0));
}

static void
times(void)
{
	static const struct
	{
		const char *name;
		const char *payload;
		int64_t now_s;
		int64_t leeway_s;
		amc_claims_status status;
	} times[] = {
		{"one second before exp", "{\"exp\":1000}", 999, 0, AMC_CLAIMS_OK},
		{"security 3: at exp", "{\"exp\":1000}", 1000, 0, AMC_CLAIMS_EXPIRED},
		{"security 3: last second of leeway", "{\"exp\":1000}", 1029, 30, AMC_CLAIMS_OK},
		{"security 3: leeway used up", "{\"exp\":1000}", 1030, 30, AMC_CLAIMS_EXPIRED},
		{"exp 0", "{\"exp\":0}", 0, 0, AMC_CLAIMS_EXPIRED},
		{"at nbf", "{\"nbf\":1000}", 1000, 0, AMC_CLAIMS_OK},
		{"security 3: one second before nbf", "{\"nbf\":1000}", 999, 0, AMC_CLAIMS_NOT_YET_VALID},
		{"nbf with leeway", "{\"nbf\":1000}", 970, 30, AMC_CLAIMS_OK},
		{"security 3: nbf beyond leeway", "{\"nbf\":1000}", 969, 30, AMC_CLAIMS_NOT_YET_VALID},
		{"at iat", "{\"iat\":1000}", 1000, 0, AMC_CLAIMS_OK},
		{"issued in a second", "{\"iat\":1000}", 999, 0, AMC_CLAIMS_ISSUED_LATER},
		{"iat with leeway", "{\"iat\":1000}", 970, 30, AMC_CLAIMS_OK},
		{"iat beyond leeway", "{\"iat\":1000}", 969, 30, AMC_CLAIMS_ISSUED_LATER},
		{"negative leeway is none", "{\"exp\":1000}", 999, -30, AMC_CLAIMS_OK},
		{"leeway is bounded", "{\"exp\":1000}", 1000 + AMC_LEEWAY_S_MAX, INT64_MAX,
		 AMC_CLAIMS_EXPIRED},
		{"leeway at its bound", "{\"exp\":1000}", 999 + AMC_LEEWAY_S_MAX, INT64_MAX, AMC_CLAIMS_OK},
		{"exp reported first", "{\"exp\":5,\"nbf\":1000}", 10, 0, AMC_CLAIMS_EXPIRED},
		{"clock at its end", "{\"exp\":253402300799}", INT64_MAX, 3600, AMC_CLAIMS_EXPIRED},
		{"clock before 1970", "{\"nbf\":0}", INT64_MIN, 3600, AMC_CLAIMS_NOT_YET_VALID},
	};
	size_t i;

	for (i = 0; i < LENGTH_OF(times); i++)
	{
		amc_claims_policy policy = {times[i].now_s, times[i].leeway_s, 0, true};
		amc_claims claims;

		test_case(times[i].name);
		CHECK_INT(AMC_CLAIMS_OK, read(times[i].payload, &claims));
		CHECK_INT(times[i].status, amc_claims_check(&claims, &policy));
	}
}

static void
required(void)
{
	amc_claims_policy policy = {100, 0, AMC_CLAIM_EXP, false};
	amc_claims claims;

	test_case("security 3: exp missing");
	CHECK_INT(AMC_CLAIMS_OK, read("{\"nbf\":1}", &claims));
	CHECK_INT(AMC_CLAIMS_MISSING, amc_claims_check(&claims, &policy));
	CHECK_INT(AMC_CLAIM_EXP, claims.faulty);
	test_case("security 3: nbf and iat missing");
	policy.required = AMC_CLAIM_NBF | AMC_CLAIM_IAT;
	CHECK_INT(AMC_CLAIMS_OK, read("{\"exp\":1000}", &claims));
	CHECK_INT(AMC_CLAIMS_MISSING, amc_claims_check(&claims, &policy));
	CHECK_TEXT("nbf", amc_claim_name(claims.faulty), 3);
	test_case("future iat without the check");
	policy.required = AMC_CLAIM_IAT;
	CHECK_INT(AMC_CLAIMS_OK, read("{\"iat\":1000}", &claims));
	CHECK_INT(AMC_CLAIMS_OK, amc_claims_check(&claims, &policy));
	test_case("names");
	CHECK_TEXT("jti", amc_claim_name(AMC_CLAIM_JTI), 3);
	CHECK_TEXT("", amc_claim_name(0), 0);
	CHECK_TEXT("", amc_claim_name(AMC_CLAIM_JTI | AMC_CLAIM_EXP), 0);
	CHECK_TEXT("token has expired", amc_claims_status_text(AMC_CLAIMS_EXPIRED), 17);
	CHECK_TEXT("unknown status", amc_claims_status_text((amc_claims_status) 99), 14);
}

void
test_claims(void)
{
	types();
	values();
	audiences();
	times();
	required();
}
