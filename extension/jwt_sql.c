/*
 * jwt_sql.c
 *
 * The SQL functions of tokens. jwt_verify is written for speed: the row descriptor and the outcome
 * texts are made once, and a token is measured before it is detoasted.
 */
#include "compat.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "clock.h"
#include "core/base64url.h"
#include "interval.h"
#include "json_bridge.h"
#include "jwt.h"
#include "row.h"

PG_FUNCTION_INFO_V1(authmeter_jwt_sign);
PG_FUNCTION_INFO_V1(authmeter_jwt_verify);
PG_FUNCTION_INFO_V1(authmeter_jwt_decode);
PG_FUNCTION_INFO_V1(authmeter_jws_sign);
PG_FUNCTION_INFO_V1(authmeter_jws_verify);

static amc_span
text_span(text *value)
{
	amc_span span = {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};

	return span;
}

static amc_span
arg_ring(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("the key ring must not be null"));
	return text_span(PG_GETARG_TEXT_PP(n));
}

/* NULL stays a span without pointer, which asks for nothing. */
static amc_span
arg_span_or_none(FunctionCallInfo fcinfo, int n)
{
	amc_span none = {NULL, 0};

	return PG_ARGISNULL(n) ? none : text_span(PG_GETARG_TEXT_PP(n));
}

/* Whole seconds of an interval of at most an hour, rounded down. */
static int64
arg_leeway_s(FunctionCallInfo fcinfo, int n)
{
	const Interval *leeway;

	if (PG_ARGISNULL(n))
		return 0;
	leeway = PG_GETARG_INTERVAL_P(n);
	if (leeway->month != 0 || leeway->day != 0 || leeway->time < 0 ||
		leeway->time > AMC_LEEWAY_S_MAX * USECS_PER_SEC)
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID), errmsg("the leeway is out of range"),
				errhint("Use an interval from 0 to 1 hour."));
	return leeway->time / USECS_PER_SEC;
}

/* The token, or false when it is NULL or too long even to look at. */
static bool
arg_token(FunctionCallInfo fcinfo, amc_span *token, AmJwtOutcome *outcome)
{
	*outcome = PG_ARGISNULL(0) ? AM_JWT_MALFORMED : AM_JWT_TOO_LONG;
	if (PG_ARGISNULL(0) ||
		toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ > AM_JWT_TOKEN_BYTES_MAX)
		return false;
	*token = text_span(PG_GETARG_TEXT_PP(0));
	return true;
}

static Datum
outcome_datum(AmJwtOutcome outcome)
{
	static text *texts[AM_JWT_OUTCOME_COUNT];
	MemoryContext old;

	if (texts[outcome] == NULL)
	{
		old = MemoryContextSwitchTo(TopMemoryContext);
		texts[outcome] = cstring_to_text(am_jwt_outcome_name(outcome));
		MemoryContextSwitchTo(old);
	}
	return PointerGetDatum(texts[outcome]);
}

static Datum
verification_row(FunctionCallInfo fcinfo, AmJwtOutcome outcome, Datum content, const AmKey *key)
{
	bool ok = outcome == AM_JWT_OK;
	bool nulls[3] = {false, !ok, !ok};
	Datum values[3];

	values[0] = outcome_datum(outcome);
	values[1] = content;
	values[2] =
		ok ? PointerGetDatum(cstring_to_text_with_len(key->kid, (int) key->kid_len)) : (Datum) 0;
	return am_row(fcinfo, values, nulls);
}

/* authmeter.jwt_verify(token, ring, leeway, issuer, audience) */
Datum
authmeter_jwt_verify(PG_FUNCTION_ARGS)
{
	AmJwtRules rules = {.ring = arg_ring(fcinfo, 1)};
	Jsonb *claims = NULL;
	amc_span token;
	AmJwt jwt;

	rules.leeway_s = arg_leeway_s(fcinfo, 2);
	rules.issuer = arg_span_or_none(fcinfo, 3);
	rules.audience = arg_span_or_none(fcinfo, 4);
	jwt.key = NULL;
	if (arg_token(fcinfo, &token, &jwt.outcome))
		am_jwt_verify(token.ptr, token.len, &rules, &jwt);
	if (jwt.outcome == AM_JWT_OK)
	{
		claims = am_jsonb_from_node(&jwt.doc, amc_json_root(&jwt.doc));
		if (claims == NULL)
			jwt.outcome = AM_JWT_CLAIMS_INVALID;
	}
	return verification_row(fcinfo, jwt.outcome, PointerGetDatum(claims), jwt.key);
}

/* authmeter.jws_verify(token, ring) */
Datum
authmeter_jws_verify(PG_FUNCTION_ARGS)
{
	AmJwtRules rules = {.ring = arg_ring(fcinfo, 1)};
	AmJwtOutcome outcome;
	const AmKey *key = NULL;
	Datum content = (Datum) 0;
	amc_span payload;
	amc_span token;

	if (arg_token(fcinfo, &token, &outcome))
		outcome = am_jws_verify(token.ptr, token.len, &rules, &payload, &key);
	if (outcome == AM_JWT_OK)
		content = PointerGetDatum(cstring_to_text_with_len(payload.ptr, (int) payload.len));
	return verification_row(fcinfo, outcome, content, key);
}

static Jsonb *
object_decode(amc_span segment, amc_json_node *nodes)
{
	amc_json_limits limits = {AM_JWT_TOKEN_BYTES_MAX, AM_JWT_DEPTH_MAX, AM_JWT_NODES_MAX};
	char *decoded = palloc(segment.len + 1);
	size_t len;
	amc_json doc;

	if (!amc_base64url_decode(segment.ptr, segment.len, decoded, segment.len, &len) ||
		amc_json_parse(decoded, len, &limits, nodes, &doc) != AMC_JSON_OK ||
		amc_json_root(&doc)->type != AMC_JSON_OBJECT)
		return NULL;
	return am_jsonb_from_node(&doc, amc_json_root(&doc));
}

/* authmeter.jwt_decode(token) */
Datum
authmeter_jwt_decode(PG_FUNCTION_ARGS)
{
	amc_json_node *nodes = palloc(AM_JWT_NODES_MAX * sizeof(amc_json_node));
	bool nulls[2] = {true, true};
	Datum values[2] = {0};
	AmJwtOutcome outcome;
	Jsonb *header = NULL;
	Jsonb *claims = NULL;
	amc_span token;
	amc_jws jws;

	if (arg_token(fcinfo, &token, &outcome) &&
		amc_jws_split(token.ptr, token.len, AM_JWT_TOKEN_BYTES_MAX, &jws) == AMC_JWS_OK)
	{
		header = object_decode(jws.header, nodes);
		claims = object_decode(jws.payload, nodes);
	}
	if (header != NULL && claims != NULL)
	{
		values[0] = PointerGetDatum(header);
		values[1] = PointerGetDatum(claims);
		nulls[0] = nulls[1] = false;
	}
	return am_row(fcinfo, values, nulls);
}

static _Noreturn void
claims_refuse(const char *reason)
{
	ereport(ERROR, errcode(ERRCODE_AM_CLAIMS_INVALID), errmsg("the claims cannot be signed"),
			errdetail("%s", reason));
}

static int64
lifetime_end(const Interval *lifetime, TimestampTz now)
{
	int64 max_us = am_clock_from_unix_s(AMC_NUMERIC_DATE_MAX) - now;
	TimestampTz end;

	if (!am_interval_end(now, lifetime, USECS_PER_SEC, max_us, &end))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID), errmsg("the lifetime is out of range"),
				errhint("Use an interval of at least 1 second that ends before the year 10000."));
	return am_clock_unix_s(end);
}

/* Puts iat and exp at the end of the object. */
static void
times_append(StringInfo claims, const Interval *lifetime)
{
	TimestampTz now = am_clock_now();
	amc_claims registered;
	amc_json doc;
	const char *refusal = am_jwt_claims_refusal(claims->data, claims->len, &doc, &registered);

	if (refusal != NULL)
		claims_refuse(refusal);
	if ((registered.present & (AMC_CLAIM_IAT | AMC_CLAIM_EXP)) != 0)
		claims_refuse("\"iat\" and \"exp\" are set by the lifetime; give either them or it.");
	claims->len--; /* the closing brace */
	appendStringInfo(claims, "%s\"iat\":" INT64_FORMAT ",\"exp\":" INT64_FORMAT "}",
					 amc_json_root(&doc)->count > 0 ? "," : "", am_clock_unix_s(now),
					 lifetime_end(lifetime, now));
}

/* authmeter.jwt_sign(claims, ring, lifetime) */
Datum
authmeter_jwt_sign(PG_FUNCTION_ARGS)
{
	amc_span ring = arg_ring(fcinfo, 1);
	StringInfoData claims;
	Size token_len;
	char *token;
	Jsonb *given;

	if (PG_ARGISNULL(0))
		claims_refuse("The claims must be a JSON object.");
	given = PG_GETARG_JSONB_P(0);
	initStringInfo(&claims);
	am_jsonb_append_compact(&claims, &given->root);
	if (!PG_ARGISNULL(2))
		times_append(&claims, PG_GETARG_INTERVAL_P(2));
	token = am_jwt_sign(ring, claims.data, claims.len, &token_len);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(token, (int) token_len));
}

/* authmeter.jws_sign(payload, ring) */
Datum
authmeter_jws_sign(PG_FUNCTION_ARGS)
{
	amc_span ring = arg_ring(fcinfo, 1);
	Size token_len;
	bytea *payload;
	char *token;

	if (PG_ARGISNULL(0))
		ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID),
				errmsg("the payload must not be null"));
	payload = PG_GETARG_BYTEA_PP(0);
	token = am_jws_sign(ring, VARDATA_ANY(payload), VARSIZE_ANY_EXHDR(payload), &token_len);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(token, (int) token_len));
}
