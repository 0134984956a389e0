/*
 * json_number.c
 *		Numbers of a parsed document: exact integers, and numbers so wide that
 *		PostgreSQL's numeric cannot, or should not, hold them.
 *
 * No floating point: a number is its digits and a power of ten.
 */
#include "core/json_internal.h"

/* The digits that count, and what they are worth: d.ddd times 10^magnitude. */
typedef struct significant
{
	size_t first;      /* index of the first digit that is not 0 */
	size_t count;      /* digits from there to the last that is not 0; 0 = the number is 0 */
	int64_t magnitude; /* power of ten of the first */
} significant;

/* Exponent digits as a number that saturates. */
static int64_t
read_exponent(const char *at, const char *end)
{
	bool negative = *at == '-';
	int64_t value = 0;

	if (*at == '-' || *at == '+')
		at++;
	for (; at < end; at++)
		if (value < AMC_JSON_EXPONENT_CAP)
			value = value * 10 + (*at - '0');
	if (value > AMC_JSON_EXPONENT_CAP)
		value = AMC_JSON_EXPONENT_CAP;
	return negative ? -value : value;
}

static size_t
digit_run(const char *at, const char *end)
{
	const char *start = at;

	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return (size_t) (at - start);
}

void
amc_json_number_split(const char *text, size_t len, amc_json_number *number)
{
	const char *at = text;
	const char *end = text + len;

	number->negative = *at == '-';
	if (number->negative)
		at++;
	number->integer = at;
	number->integer_len = digit_run(at, end);
	at += number->integer_len;
	number->fraction = at;
	number->fraction_len = 0;
	if (at < end && *at == '.')
	{
		number->fraction = ++at;
		number->fraction_len = digit_run(at, end);
		at += number->fraction_len;
	}
	number->exponent = at < end ? read_exponent(at + 1, end) : 0;
}

bool
amc_json_number_is_wide(const amc_json_number *number)
{
	const int64_t limit = AMC_JSON_NUMBER_EXPONENT_MAX;
	int64_t before = (int64_t) number->integer_len;
	int64_t after = (int64_t) number->fraction_len;

	return number->exponent > limit || number->exponent < -limit || before > limit + 1 ||
		   after > limit || before + number->exponent > limit + 1 ||
		   after - number->exponent > limit;
}

static char
digit_at(const amc_json_number *number, size_t index)
{
	if (index < number->integer_len)
		return number->integer[index];
	return number->fraction[index - number->integer_len];
}

static void
find_significant(const amc_json_number *number, significant *digits)
{
	size_t end = number->integer_len + number->fraction_len;
	size_t first = 0;

	while (first < end && digit_at(number, first) == '0')
		first++;
	while (end > first && digit_at(number, end - 1) == '0')
		end--;
	digits->first = first;
	digits->count = end - first;
	digits->magnitude = (int64_t) number->integer_len - 1 - (int64_t) first + number->exponent;
}

/* With its sign, if it fits. */
static amc_json_integer
signed_value(uint64_t magnitude, bool negative, int64_t *value)
{
	if (magnitude > (uint64_t) INT64_MAX + negative)
		return AMC_JSON_INTEGER_RANGE;
	if (!negative)
		*value = (int64_t) magnitude;
	else
		*value = magnitude == 0 ? 0 : -(int64_t) (magnitude - 1) - 1;
	return AMC_JSON_INTEGER_OK;
}

/* Fast way for what nearly every integer is: at most 18 digits and nothing else. */
static int64_t
short_plain_value(const char *at, const char *end)
{
	bool negative = *at == '-';
	int64_t value = 0;

	for (at += negative; at < end; at++)
		value = value * 10 + (*at - '0');
	return negative ? -value : value;
}

amc_json_integer
amc_json_int64(const amc_json *doc, const amc_json_node *node, int64_t *value)
{
	amc_json_number number;
	significant digits;
	amc_span text = amc_json_text(doc, node);
	uint64_t magnitude = 0;
	int64_t i;

	if (node->type != AMC_JSON_NUMBER_VALUE)
		return AMC_JSON_INTEGER_TYPE;
	if ((node->flags & AMC_JSON_FLAG_PLAIN_INT) != 0 && text.len <= 18)
	{
		*value = short_plain_value(text.ptr, text.ptr + text.len);
		return AMC_JSON_INTEGER_OK;
	}
	amc_json_number_split(text.ptr, text.len, &number);
	find_significant(&number, &digits);
	if (digits.count == 0)
		return signed_value(0, false, value);
	if (digits.magnitude < (int64_t) digits.count - 1)
		return AMC_JSON_INTEGER_FRACTION;
	if (digits.magnitude >= 19)
		return AMC_JSON_INTEGER_RANGE;
	/* At most 19 digits: below 10^19, which uint64 holds. */
	for (i = 0; i <= digits.magnitude; i++)
	{
		magnitude *= 10;
		if (i < (int64_t) digits.count)
			magnitude += (uint64_t) (digit_at(&number, digits.first + (size_t) i) - '0');
	}
	return signed_value(magnitude, number.negative, value);
}

/* Write a small integer; returns its length. */
static size_t
write_integer(int64_t value, char *out)
{
	uint64_t rest = (uint64_t) (value < 0 ? -value : value);
	char reversed[20];
	size_t count = 0;
	size_t len = 0;

	do
	{
		reversed[count++] = (char) ('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		out[len++] = '-';
	while (count > 0)
		out[len++] = reversed[--count];
	return len;
}

/*
 * Out of reach above: 1e10000; below: 0.  Otherwise the spelling alone was too
 * wide, and up to 40 digits keep the value.  If digits other than 0 are cut off,
 * the last one kept is not 0 either, so a fraction never turns into an integer.
 */
size_t
amc_json_number_clamp(const char *text, size_t len, char out[AMC_JSON_CLAMPED_BYTES_MAX])
{
	const int64_t limit = AMC_JSON_NUMBER_EXPONENT_MAX;
	amc_json_number number;
	significant digits;
	int64_t keep;
	int64_t exponent;
	size_t to = 0;
	int64_t i;

	amc_json_number_split(text, len, &number);
	find_significant(&number, &digits);
	if (digits.count == 0 || digits.magnitude < -limit)
	{
		out[0] = '0';
		return 1;
	}
	if (number.negative)
		out[to++] = '-';
	if (digits.magnitude > limit)
	{
		out[to++] = '1';
		out[to++] = 'e';
		return to + write_integer(limit, out + to);
	}
	keep =
		digits.count < AMC_JSON_CLAMPED_DIGITS ? (int64_t) digits.count : AMC_JSON_CLAMPED_DIGITS;
	if (keep > digits.magnitude + limit + 1)
		keep = digits.magnitude + limit + 1;
	for (i = 0; i < keep; i++)
		out[to++] = digit_at(&number, digits.first + (size_t) i);
	if (keep < (int64_t) digits.count && out[to - 1] == '0')
		out[to - 1] = '1';
	exponent = digits.magnitude - keep + 1;
	if (exponent != 0)
	{
		out[to++] = 'e';
		to += write_integer(exponent, out + to);
	}
	return to;
}
