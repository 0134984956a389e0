/*
 * jws.h
 *		Compact JWS: the split into segments and the protected header
 *		(RFC 7515 sections 3.1, 4 and 7.1; RFC 8725 section 3.1).
 *
 * Nothing here decides whether a signature is good.  The algorithm named by the
 * header is only a claim of the sender: the caller compares it with the one its
 * key row names and never lets it choose.
 */
#ifndef AMC_JWS_H
#define AMC_JWS_H

#include "core/span.h"

#define AMC_JWS_TOKEN_BYTES_MAX  (1024 * 1024) /* no caller's limit may exceed this */
#define AMC_JWS_HEADER_BYTES_MAX 4096          /* protected header, decoded */
#define AMC_JWS_HEADER_NODES_MAX 256           /* keys and values in it */
#define AMC_JWS_HEADER_DEPTH_MAX 8
#define AMC_JWS_KID_BYTES_MAX    256
#define AMC_JWS_TYP_BYTES_MAX    64

/* Algorithms of RFC 7518 section 3.1 and RFC 8037 that authmeter knows. */
typedef enum amc_alg
{
	AMC_ALG_NONE_OF_OURS = 0, /* includes "none" in any spelling */
	AMC_ALG_HS256,
	AMC_ALG_RS256,
	AMC_ALG_ES256,
	AMC_ALG_EDDSA
} amc_alg;

typedef enum amc_jws_status
{
	AMC_JWS_OK = 0,
	AMC_JWS_TOO_LONG,         /* token above the caller's limit */
	AMC_JWS_SEGMENTS,         /* not exactly three segments */
	AMC_JWS_EMPTY_SEGMENT,    /* a segment is empty (also an unsecured JWS) */
	AMC_JWS_HEADER_TOO_LARGE, /* AMC_JWS_HEADER_..._MAX */
	AMC_JWS_HEADER_BASE64URL, /* header is not strict base64url */
	AMC_JWS_HEADER_JSON,      /* header is not a JSON object by core/json.h */
	AMC_JWS_ALG_INVALID,      /* alg missing or not a string */
	AMC_JWS_ALG_UNKNOWN,      /* alg is none of ours */
	AMC_JWS_KID_INVALID,      /* not a string of 1..256 printable ASCII characters */
	AMC_JWS_TYP_INVALID,      /* not a string of at most AMC_JWS_TYP_BYTES_MAX bytes */
	AMC_JWS_CRIT,             /* "crit" present: we know no critical extension */
	AMC_JWS_B64               /* "b64" present (RFC 7797): not supported */
} amc_jws_status;

typedef struct amc_jws
{
	amc_span header; /* the three segments, still encoded */
	amc_span payload;
	amc_span signature;
	amc_span signing_input; /* header '.' payload: what was signed */
} amc_jws;

typedef struct amc_jws_header
{
	amc_alg alg;
	uint16_t kid_len;                /* 0 = no kid */
	uint16_t typ_len;                /* 0 = no typ, or an empty one */
	char kid[AMC_JWS_KID_BYTES_MAX]; /* decoded, not terminated */
	char typ[AMC_JWS_TYP_BYTES_MAX]; /* decoded, not terminated */
} amc_jws_header;

/* amc_jws_status_text: short lower-case English phrase, a static string. */
extern const char *amc_jws_status_text(amc_jws_status status);

/*
 * amc_jws_split: cut a compact JWS at its dots.
 *
 * bytes_max is the caller's limit in bytes.  The segments point into token and
 * are only known to be three and not empty; decoding them is what checks their
 * characters.  Outcomes: OK, TOO_LONG, SEGMENTS, EMPTY_SEGMENT.
 */
extern amc_jws_status amc_jws_split(const char *token, size_t len, size_t bytes_max, amc_jws *jws);

/*
 * amc_jws_header_parse: decode and check the protected header.
 *
 * encoded is jws.header.  jwk, jku, x5u, x5c, x5t, cty and members we do not
 * know are ignored, so a key inside a token is never looked at.  The content of
 * *header counts on AMC_JWS_OK only.
 */
extern amc_jws_status amc_jws_header_parse(const char *encoded, size_t len, amc_jws_header *header);

/* amc_alg_name: "HS256", "RS256", "ES256", "EdDSA"; "" for none of ours. */
extern const char *amc_alg_name(amc_alg alg);

/* amc_alg_parse: exact, case-sensitive name (RFC 7518 section 3.1). */
extern amc_alg amc_alg_parse(const char *name, size_t len);

#endif /* AMC_JWS_H */
