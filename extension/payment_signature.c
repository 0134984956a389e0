/*
 * payment_signature.c
 *
 * Whether a payment event or a checkout comes from the payment provider: HMAC-SHA-256 over the very
 * bytes that arrived, before anybody parses them. core/payment_signature reads the headers.
 *
 *		stripe				webhook: header t=...,v1=..., over "t.body", with a tolerance of time
 *		razorpay			webhook: header of 64 digits, over the body; no time is signed, so only
 *							the event's id stops a replay
 *		razorpay-checkout	what the buyer's browser brings back: over "order id|payment id"
 *
 * An API may have several secrets a provider, all of which count, so that one can be replaced
 * without losing an event: those of authmeter.payment_secret, and the one it was deployed with.
 * Each is opened for the call and wiped after it. Every signature is compared with every secret's,
 * in constant time and to the end, so the time tells only how many there are.
 */
#include "compat.h"

#include "access/detoast.h"
#include "access/htup_details.h"

#include "clock.h"
#include "core/payment_signature.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "row.h"
#include "seal.h"
#include "spi.h"

#define BODY_BYTES_MAX   (1024 * 1024)
#define SECRETS_MAX      9 /* 8 rows of authmeter.payment_secret, and the deployment's */
#define TOLERANCE_US_MAX USECS_PER_DAY

PG_FUNCTION_INFO_V1(authmeter_payment_checkout_verify);
PG_FUNCTION_INFO_V1(authmeter_payment_event_verify);

StaticAssertDecl(AMC_PAYMENT_MAC_BYTES == AM_SHA256_BYTES, "a signature is an HMAC-SHA-256");

static AmPlan secrets_plan = {
	"SELECT 'payment', pg_catalog.concat(s.provider, '/', s.id), s.sealed FROM authmeter.payment_secret s WHERE s.api" AM_EQ
	"$1 AND s.provider" AM_EQ "$2 UNION ALL "
	"SELECT 'deployment', d.name, d.sealed FROM authmeter.deployment_secret d "
	"JOIN authmeter.payment_provider p ON p.variable" AM_EQ "d.name "
	"WHERE d.api" AM_EQ "$1 AND p.name" AM_EQ "$2 LIMIT $3",
	3,
	{TEXTOID, TEXTOID, INT8OID},
	NULL};

/* What was signed, in up to three pieces, and the signatures that came with it. */
typedef struct Signed
{
	amc_span pieces[3];
	const uint8 (*macs)[AM_SHA256_BYTES];
	size_t macs_count;
} Signed;

typedef enum SignatureOutcome
{
	SIGNATURE_OK,
	SIGNATURE_MALFORMED,
	SIGNATURE_INVALID,
	SIGNATURE_EXPIRED,
	SIGNATURE_NOT_YET_VALID,
	SIGNATURE_NO_SECRET
} SignatureOutcome;

static const char *const outcome_names[] = {[SIGNATURE_OK] = "ok",
											[SIGNATURE_MALFORMED] = "malformed",
											[SIGNATURE_INVALID] = "signature_invalid",
											[SIGNATURE_EXPIRED] = "expired",
											[SIGNATURE_NOT_YET_VALID] = "not_yet_valid",
											[SIGNATURE_NO_SECRET] = "no_secret"};

/* Opens the secret of a row of secrets_plan and computes what it would have signed. */
static void
secret_mac(uint64 row, const char *api, const Signed *message, uint8 mac[AM_SHA256_BYTES])
{
	AmSealName name = {am_spi_text(row, 1, NULL), api, am_spi_text(row, 2, NULL)};
	Size len;
	uint8 *secret = am_unseal(&name, am_spi_bytea(row, 3, NULL), &len);
	AmHmac *hmac = am_hmac_new(CurrentMemoryContext, secret, len);
	int i;

	am_secret_wipe(secret, len);
	am_hmac_begin(hmac);
	for (i = 0; i < (int) lengthof(message->pieces); i++)
		if (message->pieces[i].len > 0)
			am_hmac_add(hmac, message->pieces[i].ptr, message->pieces[i].len);
	am_hmac_end(hmac, mac);
}

static bool
any_mac_equal(const Signed *message, const uint8 mac[AM_SHA256_BYTES])
{
	bool equal = false;
	size_t i;

	for (i = 0; i < message->macs_count; i++)
		equal |= am_secret_equal(message->macs[i], mac, AM_SHA256_BYTES);
	return equal;
}

/* Whether one of the secrets of (api, provider) made one of the signatures. */
static SignatureOutcome
message_check(const char *api, const char *provider, const Signed *message)
{
	Datum values[3] = {CStringGetTextDatum(api), CStringGetTextDatum(provider),
					   Int64GetDatum(SECRETS_MAX)};
	uint8 mac[AM_SHA256_BYTES];
	bool equal = false;
	uint64 secrets;
	uint64 row;

	am_spi_begin();
	secrets = am_spi_read_latest(&secrets_plan, values, NULL, SECRETS_MAX);
	for (row = 0; row < secrets; row++)
	{
		secret_mac(row, api, message, mac);
		equal |= any_mac_equal(message, mac);
	}
	am_spi_end();
	am_secret_wipe(mac, sizeof(mac));
	if (secrets == 0)
		return SIGNATURE_NO_SECRET;
	return equal ? SIGNATURE_OK : SIGNATURE_INVALID;
}

/* ---- webhooks -------------------------------------------------------------------------------- */

static SignatureOutcome
razorpay_check(const char *api, const char *provider, amc_span body, amc_span header)
{
	uint8 mac[1][AM_SHA256_BYTES];
	Signed message = {.pieces = {body}, .macs = mac, .macs_count = 1};

	if (!amc_payment_mac_parse(header.ptr, header.len, mac[0]))
		return SIGNATURE_MALFORMED;
	return message_check(api, provider, &message);
}

/* The time is looked at when the signature is known to be good: until then it is anybody's. */
static SignatureOutcome
stripe_check(const char *api, amc_span body, amc_span header, int64 tolerance_us, int64 *signed_s)
{
	amc_stripe_header parsed;
	Signed message;
	SignatureOutcome outcome;
	TimestampTz at;
	TimestampTz now = am_clock_now();

	if (!amc_stripe_header_parse(header.ptr, header.len, &parsed))
		return SIGNATURE_MALFORMED;
	message = (Signed){.pieces = {parsed.time_text, AMC_SPAN("."), body},
					   .macs = (const uint8(*)[AM_SHA256_BYTES]) parsed.v1,
					   .macs_count = parsed.count};
	outcome = message_check(api, "stripe", &message);
	if (outcome != SIGNATURE_OK)
		return outcome;
	at = am_clock_from_unix_s(parsed.unix_s);
	if (at < now - tolerance_us)
		return SIGNATURE_EXPIRED;
	if (at > now + tolerance_us)
		return SIGNATURE_NOT_YET_VALID;
	*signed_s = parsed.unix_s;
	return SIGNATURE_OK;
}

/* ---- SQL ------------------------------------------------------------------------------------- */

static _Noreturn void
refuse(const char *message, const char *hint)
{
	ereport(ERROR, errcode(ERRCODE_AM_PAYMENT_INVALID), errmsg("%s", message), errhint("%s", hint));
}

static char *
name_argument(FunctionCallInfo fcinfo, int number)
{
	if (PG_ARGISNULL(number))
		refuse("API and provider of a payment must not be null",
			   "For example authmeter.payment_event_verify('autoverse', 'stripe', $1, $2).");
	return text_to_cstring(PG_GETARG_TEXT_PP(number));
}

static int64
tolerance_argument(FunctionCallInfo fcinfo, int number)
{
	Interval *span = PG_ARGISNULL(number) ? NULL : PG_GETARG_INTERVAL_P(number);

	if (span == NULL || span->month != 0 || span->day < 0 || span->day > 1 || span->time < 0 ||
		span->time > TOLERANCE_US_MAX || span->day * USECS_PER_DAY + span->time > TOLERANCE_US_MAX)
		refuse("tolerance of a payment signature is out of range",
			   "Give an interval of 0 to 1 day; 5 minutes is usual.");
	return span->day * USECS_PER_DAY + span->time;
}

/* What an outsider sent: ptr NULL when it is missing or longer than bytes_max. */
static amc_span
outside_argument(FunctionCallInfo fcinfo, int number, Size bytes_max)
{
	struct varlena *value;

	if (PG_ARGISNULL(number) ||
		toast_raw_datum_size(PG_GETARG_DATUM(number)) - VARHDRSZ > bytes_max)
		return (amc_span){NULL, 0};
	value = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(number));
	return (amc_span){VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

/* authmeter.payment_event_verify(api, provider, body, header, tolerance) */
Datum
authmeter_payment_event_verify(PG_FUNCTION_ARGS)
{
	char *api = name_argument(fcinfo, 0);
	char *provider = name_argument(fcinfo, 1);
	amc_span body = outside_argument(fcinfo, 2, BODY_BYTES_MAX);
	amc_span header = outside_argument(fcinfo, 3, AMC_STRIPE_HEADER_BYTES_MAX);
	int64 tolerance_us = tolerance_argument(fcinfo, 4);
	SignatureOutcome outcome = SIGNATURE_MALFORMED;
	int64 signed_s = -1;
	Datum values[2];
	bool nulls[2] = {false, false};

	if (strcmp(provider, "stripe") != 0 && strcmp(provider, "razorpay") != 0)
		refuse("unknown provider of payment events", "The providers are stripe and razorpay.");
	if (body.ptr != NULL && header.ptr != NULL)
		outcome = provider[0] == 's' ? stripe_check(api, body, header, tolerance_us, &signed_s)
									 : razorpay_check(api, provider, body, header);
	values[0] = CStringGetTextDatum(outcome_names[outcome]);
	nulls[1] = signed_s < 0;
	values[1] = nulls[1] ? (Datum) 0 : TimestampTzGetDatum(am_clock_from_unix_s(signed_s));
	return am_row(fcinfo, values, nulls);
}

/* authmeter.payment_checkout_verify(api, order_id, payment_id, signature) */
Datum
authmeter_payment_checkout_verify(PG_FUNCTION_ARGS)
{
	char *api = name_argument(fcinfo, 0);
	amc_span order = outside_argument(fcinfo, 1, AMC_PAYMENT_REFERENCE_BYTES_MAX);
	amc_span payment = outside_argument(fcinfo, 2, AMC_PAYMENT_REFERENCE_BYTES_MAX);
	amc_span signature = outside_argument(fcinfo, 3, 2 * AMC_PAYMENT_MAC_BYTES);
	uint8 mac[1][AM_SHA256_BYTES];
	Signed message = {.pieces = {order, AMC_SPAN("|"), payment}, .macs = mac, .macs_count = 1};
	SignatureOutcome outcome = SIGNATURE_MALFORMED;

	if (amc_payment_reference_valid(order.ptr, order.len) &&
		amc_payment_reference_valid(payment.ptr, payment.len) &&
		amc_payment_mac_parse(signature.ptr, signature.len, mac[0]))
		outcome = message_check(api, "razorpay-checkout", &message);
	PG_RETURN_TEXT_P(cstring_to_text(outcome_names[outcome]));
}
