/*
 * payment_signature.c
 *		Readers of the headers described in payment_signature.h.
 *
 * One pass, nothing allocated, nothing tolerated that a provider does not send: a
 * header with a second t, for example, has two readings, and one of them might have
 * been signed.
 */
#include "core/payment_signature.h"

#include "core/hex.h"

/* Cuts the next item, up to a comma or the end, off the front of *rest. */
static amc_span
item_next(amc_span *rest)
{
	const char *comma = memchr(rest->ptr, ',', rest->len);
	size_t len = comma == NULL ? rest->len : (size_t) (comma - rest->ptr);
	amc_span item = {rest->ptr, len};
	size_t used = comma == NULL ? len : len + 1;

	rest->ptr += used;
	rest->len -= used;
	return item;
}

static bool
item_split(amc_span item, amc_span *name, amc_span *value)
{
	const char *equals = item.len == 0 ? NULL : memchr(item.ptr, '=', item.len);

	if (equals == NULL)
		return false;
	*name = (amc_span){item.ptr, (size_t) (equals - item.ptr)};
	*value = (amc_span){equals + 1, item.len - name->len - 1};
	return name->len > 0 && value->len > 0;
}

static bool
time_parse(amc_span value, amc_stripe_header *header)
{
	size_t i;

	if (header->time_text.ptr != NULL || value.len > AMC_STRIPE_TIME_DIGITS_MAX)
		return false;
	for (i = 0; i < value.len; i++)
	{
		if (value.ptr[i] < '0' || value.ptr[i] > '9')
			return false;
		header->unix_s = header->unix_s * 10 + (value.ptr[i] - '0');
	}
	header->time_text = value;
	return true;
}

static bool
signature_parse(amc_span value, amc_stripe_header *header)
{
	return header->count < AMC_STRIPE_SIGNATURES_MAX &&
		   amc_payment_mac_parse(value.ptr, value.len, header->v1[header->count++]);
}

bool
amc_stripe_header_parse(const char *text, size_t len, amc_stripe_header *header)
{
	amc_span rest = {text, len};
	amc_span name;
	amc_span value;

	header->time_text = (amc_span){NULL, 0};
	header->unix_s = 0;
	header->count = 0;
	/* A comma at the end would leave an empty item behind it. */
	if (len == 0 || len > AMC_STRIPE_HEADER_BYTES_MAX || text[len - 1] == ',')
		return false;
	while (rest.len > 0)
	{
		if (!item_split(item_next(&rest), &name, &value))
			return false;
		if (amc_span_equals(name, AMC_LITERAL("t")) && !time_parse(value, header))
			return false;
		if (amc_span_equals(name, AMC_LITERAL("v1")) && !signature_parse(value, header))
			return false;
	}
	return header->time_text.ptr != NULL && header->count > 0;
}

bool
amc_payment_mac_parse(const char *text, size_t len, uint8_t mac[AMC_PAYMENT_MAC_BYTES])
{
	return len == 2 * AMC_PAYMENT_MAC_BYTES &&
		   amc_hex_decode(text, len, mac, AMC_PAYMENT_MAC_BYTES);
}

static bool
reference_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
		   c == '-';
}

bool
amc_payment_reference_valid(const char *text, size_t len)
{
	size_t i;

	if (len == 0 || len > AMC_PAYMENT_REFERENCE_BYTES_MAX)
		return false;
	for (i = 0; i < len; i++)
		if (!reference_byte(text[i]))
			return false;
	return true;
}
