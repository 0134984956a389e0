/*
 * payment_signature.h
 *		Signature headers of payment providers: what they say, not whether it is true.
 *
 * Stripe sends "t=<unix seconds>,v1=<hex>[,v1=<hex>...]": each v1 is the HMAC-SHA-256
 * of "<t>.<body>" under one secret of the endpoint, several while a secret is being
 * replaced.  Other schemes (v0) may stand beside them and prove nothing.  Razorpay
 * sends the HMAC-SHA-256 alone, as 64 digits.
 */
#ifndef AMC_PAYMENT_SIGNATURE_H
#define AMC_PAYMENT_SIGNATURE_H

#include "core/span.h"

#define AMC_PAYMENT_MAC_BYTES           32
#define AMC_STRIPE_HEADER_BYTES_MAX     4096
#define AMC_STRIPE_SIGNATURES_MAX       16
#define AMC_STRIPE_TIME_DIGITS_MAX      12
#define AMC_PAYMENT_REFERENCE_BYTES_MAX 64

typedef struct amc_stripe_header
{
	amc_span time_text; /* of t, as it was signed; points into the header */
	int64_t unix_s;
	size_t count; /* 1..AMC_STRIPE_SIGNATURES_MAX */
	uint8_t v1[AMC_STRIPE_SIGNATURES_MAX][AMC_PAYMENT_MAC_BYTES];
} amc_stripe_header;

/*
 * amc_stripe_header_parse: read a Stripe-Signature header.
 *
 * Refused, with *header undefined: more than AMC_STRIPE_HEADER_BYTES_MAX bytes, an
 * item without name, '=' or value, no or two t, a t of other than 1 to
 * AMC_STRIPE_TIME_DIGITS_MAX digits, a v1 of other than 64 lower-case hexadecimal
 * digits, no v1, or more than AMC_STRIPE_SIGNATURES_MAX.  Items of other names are
 * passed over.
 */
extern bool amc_stripe_header_parse(const char *text, size_t len, amc_stripe_header *header);

/* amc_payment_mac_parse: exactly 64 lower-case hexadecimal digits. */
extern bool amc_payment_mac_parse(const char *text, size_t len, uint8_t mac[AMC_PAYMENT_MAC_BYTES]);

/*
 * amc_payment_reference_valid: can this be the id of an order or payment?  1 to
 * AMC_PAYMENT_REFERENCE_BYTES_MAX letters, digits, '_' and '-'.  In particular no '|',
 * which stands between two ids in what is signed.
 */
extern bool amc_payment_reference_valid(const char *text, size_t len);

#endif /* AMC_PAYMENT_SIGNATURE_H */
