/*
 * test_jws.c
 *		Must hold: a token has one shape, and a header that is not fully understood is
 *		refused (RFC 7515, RFC 7797, RFC 8037, RFC 8725).
 */
#include "core/base64url.h"
#include "core/jws.h"
#include "core/test/test.h"

/* RFC 7515 appendix A.1. */
#define A1_HEADER "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
#define A1_PAYLOAD                                                                                 \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
	"fQ"
#define A1_SIGNATURE "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

static amc_jws_status
split(const char *token, size_t len, amc_jws *jws)
{
	return amc_jws_split(test_copy(token, len), len, 4096, jws);
}

static void
splitting(void)
{
	static const struct
	{
		const char *name;
		const char *token;
		amc_jws_status status;
	} cases[] = {
		{"security 5: empty", "", AMC_JWS_SEGMENTS},
		{"security 5: one segment", "abc", AMC_JWS_SEGMENTS},
		{"security 5: two segments", "abc.def", AMC_JWS_SEGMENTS},
		{"security 5: four segments", "a.b.c.d", AMC_JWS_SEGMENTS},
		{"security 5: four segments, last empty", "a.b.c.", AMC_JWS_SEGMENTS},
		{"security 5: five segments", "a.b.c.d.e", AMC_JWS_SEGMENTS},
		{"security 5: only dots", "..", AMC_JWS_EMPTY_SEGMENT},
		{"security 5: empty header", ".b.c", AMC_JWS_EMPTY_SEGMENT},
		{"security 5: empty payload", "a..c", AMC_JWS_EMPTY_SEGMENT},
		{"security 1: empty signature", "a.b.", AMC_JWS_EMPTY_SEGMENT},
		{"security 5: flattened JSON serialization",
		 "{\"payload\":\"e30\",\"protected\":\"e30\",\"signature\":\"AA\"}", AMC_JWS_SEGMENTS},
		{"three segments", "a.b.c", AMC_JWS_OK},
	};
	amc_jws jws;
	char *text;
	size_t len;
	size_t i;

	for (i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].name);
		CHECK_INT(cases[i].status, split(cases[i].token, strlen(cases[i].token), &jws));
	}
	test_case("RFC 7515 appendix A.1");
	CHECK_INT(AMC_JWS_OK, split(AMC_LITERAL(A1_HEADER "." A1_PAYLOAD "." A1_SIGNATURE), &jws));
	CHECK_TEXT(A1_HEADER, jws.header.ptr, jws.header.len);
	CHECK_TEXT(A1_PAYLOAD, jws.payload.ptr, jws.payload.len);
	CHECK_TEXT(A1_SIGNATURE, jws.signature.ptr, jws.signature.len);
	CHECK_TEXT(A1_HEADER "." A1_PAYLOAD, jws.signing_input.ptr, jws.signing_input.len);

	test_case("security 4: length limits");
	CHECK_INT(AMC_JWS_OK, amc_jws_split("a.b.c", 5, 5, &jws));
	CHECK_INT(AMC_JWS_TOO_LONG, amc_jws_split("a.b.cd", 6, 5, &jws));
	text = test_repeat("x", AMC_JWS_TOKEN_BYTES_MAX + 1, &len);
	CHECK_INT(AMC_JWS_TOO_LONG, amc_jws_split(text, len, SIZE_MAX, &jws));
	CHECK_INT(AMC_JWS_SEGMENTS, amc_jws_split(text, len - 1, SIZE_MAX, &jws));
}

static amc_jws_status
parse_encoded(const char *encoded, size_t len, amc_jws_header *header)
{
	return amc_jws_header_parse(test_copy(encoded, len), len, header);
}

/* Encode a header given as JSON, and parse it. */
static amc_jws_status
parse_json(const char *json, size_t len, amc_jws_header *header)
{
	size_t size = AMC_BASE64URL_ENCODED_LEN(len);
	char *encoded = test_alloc(size);

	if (!CHECK(amc_base64url_encode(json, len, encoded, size, &size)))
		return AMC_JWS_HEADER_BASE64URL;
	return amc_jws_header_parse(encoded, size, header);
}

static void
standard_headers(void)
{
	static const struct
	{
		const char *name;
		const char *encoded;
		amc_jws_status status;
		amc_alg alg;
		const char *typ;
	} cases[] = {
		{"RFC 7515 A.1", A1_HEADER, AMC_JWS_OK, AMC_ALG_HS256, "JWT"},
		{"RFC 7515 A.2", "eyJhbGciOiJSUzI1NiJ9", AMC_JWS_OK, AMC_ALG_RS256, ""},
		{"RFC 7515 A.3", "eyJhbGciOiJFUzI1NiJ9", AMC_JWS_OK, AMC_ALG_ES256, ""},
		{"RFC 7515 A.4", "eyJhbGciOiJFUzUxMiJ9", AMC_JWS_ALG_UNKNOWN, 0, ""},
		{"security 1: RFC 7515 A.5", "eyJhbGciOiJub25lIn0", AMC_JWS_ALG_UNKNOWN, 0, ""},
		{"RFC 8037 A.4", "eyJhbGciOiJFZERTQSJ9", AMC_JWS_OK, AMC_ALG_EDDSA, ""},
		{"security 2: RFC 7797 section 4",
		 "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19", AMC_JWS_CRIT, 0, ""},
		{"HS256 of most libraries", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", AMC_JWS_OK,
		 AMC_ALG_HS256, "JWT"},
		{"HS256 of the others", "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9", AMC_JWS_OK, AMC_ALG_HS256,
		 "JWT"},
		{"RS256, known", "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9", AMC_JWS_OK, AMC_ALG_RS256, "JWT"},
		{"RS256, typ first", "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9", AMC_JWS_OK, AMC_ALG_RS256,
		 "JWT"},
		{"ES256, known", "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9", AMC_JWS_OK, AMC_ALG_ES256, "JWT"},
		{"ES256, typ first", "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9", AMC_JWS_OK, AMC_ALG_ES256,
		 "JWT"},
		{"EdDSA, known", "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9", AMC_JWS_OK, AMC_ALG_EDDSA, "JWT"},
		{"EdDSA, typ first", "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSJ9", AMC_JWS_OK, AMC_ALG_EDDSA,
		 "JWT"},
		{"security 5: known header with padding",
		 "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9=", AMC_JWS_HEADER_BASE64URL, 0, ""},
		{"security 5: bits behind the last byte", "eyJhbGciOiJub25lIn1", AMC_JWS_HEADER_BASE64URL,
		 0, ""},
	};
	amc_jws_header header;
	size_t i;

	for (i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].name);
		CHECK_INT(cases[i].status,
				  parse_encoded(cases[i].encoded, strlen(cases[i].encoded), &header));
		if (cases[i].status != AMC_JWS_OK)
			continue;
		CHECK_INT(cases[i].alg, header.alg);
		CHECK_INT(0, header.kid_len);
		CHECK_TEXT(cases[i].typ, header.typ, header.typ_len);
	}
}

/* The table of known headers must say what the parser says. */
static void
known_headers_agree(void)
{
	static const char *const algs[] = {"HS256", "RS256", "ES256", "EdDSA"};
	static const char *const forms[] = {"{\"alg\":\"?????\",\"typ\":\"JWT\"}",
										"{\"typ\":\"JWT\",\"alg\":\"?????\"}"};
	amc_jws_header known;
	amc_jws_header parsed;
	size_t alg;
	size_t form;

	for (alg = 0; alg < LENGTH_OF(algs); alg++)
		for (form = 0; form < LENGTH_OF(forms); form++)
		{
			/* One blank more: not in the table, the same meaning. */
			char json[32] = " ";
			size_t len = strlen(forms[form]);

			test_case(algs[alg]);
			memcpy(json + 1, forms[form], len);
			memcpy(memchr(json, '?', len), algs[alg], 5);
			CHECK_INT(AMC_JWS_OK, parse_json(json + 1, len, &known));
			CHECK_INT(AMC_JWS_OK, parse_json(json, len + 1, &parsed));
			CHECK_INT(parsed.alg, known.alg);
			CHECK_TEXT(algs[alg], amc_alg_name(known.alg), 5);
			CHECK_INT(parsed.kid_len, known.kid_len);
			CHECK_TEXT("JWT", known.typ, known.typ_len);
			CHECK_TEXT("JWT", parsed.typ, parsed.typ_len);
		}
}

static const struct
{
	const char *name;
	const char *json;
	amc_jws_status status;
} header_cases[] = {
	{"alg missing", "{}", AMC_JWS_ALG_INVALID},
	{"alg null", "{\"alg\":null}", AMC_JWS_ALG_INVALID},
	{"alg number", "{\"alg\":256}", AMC_JWS_ALG_INVALID},
	{"alg list", "{\"alg\":[\"HS256\"]}", AMC_JWS_ALG_INVALID},
	{"alg empty", "{\"alg\":\"\"}", AMC_JWS_ALG_UNKNOWN},
	{"security 1: none", "{\"alg\":\"none\"}", AMC_JWS_ALG_UNKNOWN},
	{"security 1: None", "{\"alg\":\"None\"}", AMC_JWS_ALG_UNKNOWN},
	{"security 1: NONE", "{\"alg\":\"NONE\"}", AMC_JWS_ALG_UNKNOWN},
	{"security 1: nOnE", "{\"alg\":\"nOnE\"}", AMC_JWS_ALG_UNKNOWN},
	{"security 1: none, escaped", "{\"alg\":\"\\u006eone\"}", AMC_JWS_ALG_UNKNOWN},
	{"security 1: none with a blank", "{\"alg\":\"none \"}", AMC_JWS_ALG_UNKNOWN},
	{"hs256", "{\"alg\":\"hs256\"}", AMC_JWS_ALG_UNKNOWN},
	{"HS384", "{\"alg\":\"HS384\"}", AMC_JWS_ALG_UNKNOWN},
	{"HS512", "{\"alg\":\"HS512\"}", AMC_JWS_ALG_UNKNOWN},
	{"PS256", "{\"alg\":\"PS256\"}", AMC_JWS_ALG_UNKNOWN},
	{"HS256 and more", "{\"alg\":\"HS256x\"}", AMC_JWS_ALG_UNKNOWN},
	{"long alg, escaped", "{\"alg\":\"\\u0048S256012345678901234567890\"}", AMC_JWS_ALG_UNKNOWN},
	{"HS256, escaped", "{\"alg\":\"\\u0048S256\"}", AMC_JWS_OK},
	{"key in upper case is another member", "{\"ALG\":\"HS256\"}", AMC_JWS_ALG_INVALID},
	{"security 4: duplicate alg", "{\"alg\":\"HS256\",\"alg\":\"none\"}", AMC_JWS_HEADER_JSON},
	{"security 4: duplicate alg, escaped", "{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}",
	 AMC_JWS_HEADER_JSON},
	{"security 4: escaped NUL", "{\"alg\":\"HS256\\u0000\"}", AMC_JWS_HEADER_JSON},
	{"security 4: lone surrogate", "{\"alg\":\"HS256\",\"x\":\"\\ud800\"}", AMC_JWS_HEADER_JSON},
	{"security 4: invalid UTF-8", "{\"alg\":\"HS256\",\"x\":\"\xff\"}", AMC_JWS_HEADER_JSON},
	{"header is a list", "[\"HS256\"]", AMC_JWS_HEADER_JSON},
	{"header is a string", "\"HS256\"", AMC_JWS_HEADER_JSON},
	{"header is no JSON", "alg=HS256", AMC_JWS_HEADER_JSON},
	{"text after the header", "{\"alg\":\"HS256\"}{}", AMC_JWS_HEADER_JSON},
	{"header too deep", "{\"alg\":\"HS256\",\"x\":[[[[[[[[[]]]]]]]]]}", AMC_JWS_HEADER_JSON},
	{"security 2: RFC 7515 appendix E",
	 "{\"alg\":\"HS256\",\"crit\":[\"http://example.invalid/UNDEFINED\"],"
	 "\"http://example.invalid/UNDEFINED\":true}",
	 AMC_JWS_CRIT},
	{"security 2: crit empty", "{\"alg\":\"HS256\",\"crit\":[]}", AMC_JWS_CRIT},
	{"security 2: crit null", "{\"alg\":\"HS256\",\"crit\":null}", AMC_JWS_CRIT},
	{"security 2: crit of what we know", "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}",
	 AMC_JWS_CRIT},
	{"security 2: crit, escaped", "{\"alg\":\"HS256\",\"\\u0063rit\":[\"x\"]}", AMC_JWS_CRIT},
	{"security 2: b64 false", "{\"alg\":\"HS256\",\"b64\":false}", AMC_JWS_B64},
	{"security 2: b64 true", "{\"alg\":\"HS256\",\"b64\":true}", AMC_JWS_B64},
	{"security 2: embedded jwk is ignored",
	 "{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}}", AMC_JWS_OK},
	{"security 2: jku is ignored", "{\"alg\":\"RS256\",\"jku\":\"https://evil.example/k\"}",
	 AMC_JWS_OK},
	{"security 2: x5u is ignored", "{\"alg\":\"RS256\",\"x5u\":\"file:///etc/passwd\"}",
	 AMC_JWS_OK},
	{"security 2: x5c is ignored", "{\"alg\":\"RS256\",\"x5c\":[\"MIIB\"]}", AMC_JWS_OK},
	{"security 2: jwk of a wrong type is ignored", "{\"alg\":\"HS256\",\"jwk\":7}", AMC_JWS_OK},
	{"cty is ignored", "{\"alg\":\"HS256\",\"cty\":\"JWT\"}", AMC_JWS_OK},
	{"security 2: kid with SQL is text", "{\"alg\":\"HS256\",\"kid\":\"' OR 1=1 --\"}", AMC_JWS_OK},
	{"security 2: kid with a path is text", "{\"alg\":\"HS256\",\"kid\":\"../../dev/null\"}",
	 AMC_JWS_OK},
	{"security 2: kid empty", "{\"alg\":\"HS256\",\"kid\":\"\"}", AMC_JWS_KID_INVALID},
	{"security 2: kid number", "{\"alg\":\"HS256\",\"kid\":1}", AMC_JWS_KID_INVALID},
	{"security 2: kid null", "{\"alg\":\"HS256\",\"kid\":null}", AMC_JWS_KID_INVALID},
	{"security 2: kid object", "{\"alg\":\"HS256\",\"kid\":{}}", AMC_JWS_KID_INVALID},
	{"security 2: kid with NUL", "{\"alg\":\"HS256\",\"kid\":\"a\\u0000b\"}", AMC_JWS_HEADER_JSON},
	{"security 2: kid with a line break", "{\"alg\":\"HS256\",\"kid\":\"a\\nb\"}",
	 AMC_JWS_KID_INVALID},
	{"security 2: kid with DEL", "{\"alg\":\"HS256\",\"kid\":\"a\x7f\"}", AMC_JWS_KID_INVALID},
	{"security 2: kid beyond ASCII", "{\"alg\":\"HS256\",\"kid\":\"\xc3\xa9\"}",
	 AMC_JWS_KID_INVALID},
	{"typ number", "{\"alg\":\"HS256\",\"typ\":1}", AMC_JWS_TYP_INVALID},
	{"typ null", "{\"alg\":\"HS256\",\"typ\":null}", AMC_JWS_TYP_INVALID},
};

static void
headers(void)
{
	amc_jws_header header;
	size_t i;

	for (i = 0; i < LENGTH_OF(header_cases); i++)
	{
		test_case(header_cases[i].name);
		CHECK_INT(header_cases[i].status,
				  parse_json(header_cases[i].json, strlen(header_cases[i].json), &header));
	}
	test_case("kid and typ are decoded");
	CHECK_INT(AMC_JWS_OK,
			  parse_json(AMC_LITERAL("{\"kid\":\"\\u0061-\\/1\",\"typ\":\"at\\u002bjwt\","
									 "\"alg\":\"EdDSA\"}"),
						 &header));
	CHECK_TEXT("a-/1", header.kid, header.kid_len);
	CHECK_TEXT("at+jwt", header.typ, header.typ_len);
	CHECK_INT(AMC_ALG_EDDSA, header.alg);
}

/* A header whose kid or typ has count characters. */
static amc_jws_status
with_long(const char *member, size_t count, amc_jws_header *header)
{
	char *json = test_alloc(count + 64);
	size_t len = 0;

	memcpy(json, "{\"alg\":\"HS256\",\"", 16);
	memcpy(json + 16, member, 3);
	memcpy(json + 19, "\":\"", 3);
	memset(json + 22, 'k', count);
	memcpy(json + 22 + count, "\"}", 2);
	len = 24 + count;
	return parse_json(json, len, header);
}

static void
sizes(void)
{
	amc_jws_header header;
	char *text;
	size_t len;

	test_case("kid of 256 and 257 bytes");
	CHECK_INT(AMC_JWS_OK, with_long("kid", 256, &header));
	CHECK_INT(256, header.kid_len);
	CHECK_INT(AMC_JWS_KID_INVALID, with_long("kid", 257, &header));
	test_case("security 2: kid of 10 kB");
	CHECK_INT(AMC_JWS_HEADER_TOO_LARGE, with_long("kid", 10240, &header));
	test_case("typ of 64 and 65 bytes");
	CHECK_INT(AMC_JWS_OK, with_long("typ", 64, &header));
	CHECK_INT(64, header.typ_len);
	CHECK_INT(AMC_JWS_TYP_INVALID, with_long("typ", 65, &header));
	test_case("header of 4096 and 4097 bytes");
	CHECK_INT(AMC_JWS_OK, with_long("abc", 4096 - 24, &header));
	CHECK_INT(AMC_JWS_HEADER_TOO_LARGE, with_long("abc", 4097 - 24, &header));
	test_case("header of too many values");
	text = test_repeat("1,", 400, &len);
	memcpy(text, "{\"x\":[", 6);
	memcpy(text + len - 4, "1]} ", 4);
	CHECK_INT(AMC_JWS_HEADER_TOO_LARGE, parse_json(text, len, &header));
	test_case("empty header segment");
	CHECK_INT(AMC_JWS_HEADER_JSON, amc_jws_header_parse("", 0, &header));
}

static void
algorithms(void)
{
	test_case("names of algorithms");
	CHECK_INT(AMC_ALG_HS256, amc_alg_parse(AMC_LITERAL("HS256")));
	CHECK_INT(AMC_ALG_RS256, amc_alg_parse(AMC_LITERAL("RS256")));
	CHECK_INT(AMC_ALG_ES256, amc_alg_parse(AMC_LITERAL("ES256")));
	CHECK_INT(AMC_ALG_EDDSA, amc_alg_parse(AMC_LITERAL("EdDSA")));
	CHECK_INT(AMC_ALG_NONE_OF_OURS, amc_alg_parse(AMC_LITERAL("")));
	CHECK_INT(AMC_ALG_NONE_OF_OURS, amc_alg_parse(AMC_LITERAL("HS25")));
	CHECK_INT(AMC_ALG_NONE_OF_OURS, amc_alg_parse(AMC_LITERAL("EDDSA")));
	CHECK_TEXT("", amc_alg_name(AMC_ALG_NONE_OF_OURS), 0);
	CHECK_TEXT("", amc_alg_name((amc_alg) 99), 0);
}

void
test_jws(void)
{
	splitting();
	standard_headers();
	known_headers_agree();
	headers();
	sizes();
	algorithms();
	test_case("texts");
	CHECK_TEXT("algorithm not supported", amc_jws_status_text(AMC_JWS_ALG_UNKNOWN), 23);
	CHECK_TEXT("unknown status", amc_jws_status_text((amc_jws_status) 99), 14);
}
