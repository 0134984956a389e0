/*
 * email.c
 *		The canonical form of an e-mail address.
 *
 * Two texts that reach the same mailbox by the rules of Unicode and IDNA must
 * end as the same bytes, or one person has two accounts, and a ban or a limit is
 * passed by typing the address differently.  Unicode data come from libunistring
 * and libidn2; both get a buffer on our stack that is large enough for every
 * address that could pass, so what they allocate themselves is short-lived.
 */
#include "core/email.h"

#include <idn2.h>
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>

#include "core/utf8.h"

#define WORK_BYTES     4096
#define LABEL_BYTES    63 /* of an A-label (RFC 1035 section 2.3.4) */
#define FOLD_PASSES    4  /* the first changes, the second confirms; no known text needs more */
#define ACE_PREFIX     "xn--"
#define ACE_PREFIX_LEN 4

typedef struct work_text
{
	char bytes[WORK_BYTES];
	size_t len;
} work_text;

const char *
amc_email_status_text(amc_email_status status)
{
	static const char *const texts[] = {
		[AMC_EMAIL_OK] = "valid",
		[AMC_EMAIL_BLANK] = "e-mail address is empty",
		[AMC_EMAIL_TOO_LONG] = "e-mail address is too long",
		[AMC_EMAIL_UTF8] = "e-mail address is not valid UTF-8",
		[AMC_EMAIL_FORM] = "e-mail address is malformed",
		[AMC_EMAIL_MEMORY] = "out of memory",
	};

	if ((size_t) status >= sizeof(texts) / sizeof(texts[0]))
		return "unknown status";
	return texts[status];
}

/* Unicode property White_Space, and U+FEFF, which ECMAScript's \s counts as well. */
static bool
is_white_space(uint32_t code_point)
{
	return amc_utf8_is_space(code_point) || code_point == 0xfeff;
}

static bool
is_control(uint32_t code_point)
{
	return code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f);
}

/* The text without white space at either end; it must be valid UTF-8. */
static amc_span
trim(const char *text, size_t len)
{
	size_t start = len;
	size_t end = 0;
	size_t at = 0;

	while (at < len)
	{
		uint32_t code_point = 0;
		size_t step = amc_utf8_decode(text + at, len - at, &code_point);

		if (!is_white_space(code_point))
		{
			if (end == 0)
				start = at;
			end = at + step;
		}
		at += step;
	}
	return end == 0 ? (amc_span){text, 0} : (amc_span){text + start, end - start};
}

static bool
is_ascii(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((uint8_t) text[i] >= 0x80)
			return false;
	return true;
}

static bool
append(work_text *work, const char *text, size_t len)
{
	if (len > sizeof(work->bytes) - work->len)
		return false;
	memcpy(work->bytes + work->len, text, len);
	work->len += len;
	return true;
}

/*
 * A library's result is in our buffer, or it did not fit and is its own.  Its length
 * comes by pointer: the call that sets it is an argument of the same call.
 */
static amc_email_status
library_result(uint8_t *result, const size_t *len, work_text *work)
{
	if (result == NULL)
		return AMC_EMAIL_MEMORY;
	if (result != (uint8_t *) work->bytes)
	{
		free(result);
		return AMC_EMAIL_TOO_LONG;
	}
	work->len = *len;
	return AMC_EMAIL_OK;
}

/*
 * NFKC, then lower case with NFKC after it, until the text no longer changes:
 * lower-casing may undo the normal form, and the reverse.
 */
static amc_email_status
fold_unicode(const char *text, size_t len, work_text *folded)
{
	work_text lower;
	amc_email_status status;
	size_t result_len = sizeof(folded->bytes);
	int pass;

	status = library_result(u8_normalize(UNINORM_NFKC, (const uint8_t *) text, len,
										 (uint8_t *) folded->bytes, &result_len),
							&result_len, folded);
	for (pass = 0; status == AMC_EMAIL_OK && pass < FOLD_PASSES; pass++)
	{
		result_len = sizeof(lower.bytes);
		status = library_result(u8_tolower((const uint8_t *) folded->bytes, folded->len, NULL,
										   UNINORM_NFKC, (uint8_t *) lower.bytes, &result_len),
								&result_len, &lower);
		if (status != AMC_EMAIL_OK)
			break;
		if (amc_span_equals((amc_span){lower.bytes, lower.len}, folded->bytes, folded->len))
			return AMC_EMAIL_OK;
		memcpy(folded->bytes, lower.bytes, lower.len);
		folded->len = lower.len;
	}
	return status == AMC_EMAIL_OK ? AMC_EMAIL_FORM : status;
}

static amc_email_status
fold(const char *text, size_t len, work_text *folded)
{
	size_t i;

	if (!is_ascii(text, len))
		return fold_unicode(text, len, folded);
	folded->len = len;
	for (i = 0; i < len; i++)
		folded->bytes[i] = (char) (text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20 : text[i]);
	return AMC_EMAIL_OK;
}

/*
 * Does this U-label encode to that A-label by the rules of IDNA 2008, and is it
 * in our folded form already?
 */
static amc_email_status
check_u_label(const char *u_label, const char *a_label, bool *good)
{
	work_text folded;
	char *encoded = NULL;
	amc_email_status status;
	int result;

	*good = false;
	result = idn2_to_ascii_8z(u_label, &encoded, IDN2_NO_TR46 | IDN2_NFC_INPUT);
	if (result == IDN2_MALLOC)
		return AMC_EMAIL_MEMORY;
	if (result != IDN2_OK)
		return AMC_EMAIL_OK;
	*good = strcmp(encoded, a_label) == 0;
	idn2_free(encoded);
	if (!*good)
		return AMC_EMAIL_OK;
	status = fold(u_label, strlen(u_label), &folded);
	*good = status == AMC_EMAIL_OK &&
			amc_span_equals((amc_span){folded.bytes, folded.len}, u_label, strlen(u_label));
	return status == AMC_EMAIL_MEMORY ? status : AMC_EMAIL_OK;
}

/* Append a label, as Unicode if it is a valid A-label and as it is otherwise. */
static amc_email_status
append_label(work_text *work, const char *label, size_t len)
{
	char a_label[LABEL_BYTES + 1];
	char *u_label = NULL;
	amc_email_status status;
	bool good;
	int result;

	if (len <= ACE_PREFIX_LEN || len > LABEL_BYTES ||
		memcmp(label, ACE_PREFIX, ACE_PREFIX_LEN) != 0 || !is_ascii(label, len) ||
		memchr(label, '\0', len) != NULL)
		return append(work, label, len) ? AMC_EMAIL_OK : AMC_EMAIL_TOO_LONG;

	memcpy(a_label, label, len);
	a_label[len] = '\0';
	result = idn2_to_unicode_8z8z(a_label, &u_label, 0);
	if (result == IDN2_MALLOC)
		return AMC_EMAIL_MEMORY;
	if (result != IDN2_OK)
		return append(work, label, len) ? AMC_EMAIL_OK : AMC_EMAIL_TOO_LONG;
	status = check_u_label(u_label, a_label, &good);
	if (status == AMC_EMAIL_OK &&
		!append(work, good ? u_label : label, good ? strlen(u_label) : len))
		status = AMC_EMAIL_TOO_LONG;
	idn2_free(u_label);
	return status;
}

/*
 * Length of the label separator here: '.', or the ideographic full stop U+3002
 * (the two other dots of RFC 3490 section 3.1 are gone after NFKC); 0 = none.
 */
static size_t
separator_len(const char *text, size_t len)
{
	if (len >= 1 && text[0] == '.')
		return 1;
	return len >= 3 && memcmp(text, "\xe3\x80\x82", 3) == 0 ? 3 : 0;
}

/* Everything up to the first '@' as it is, then the labels of the domain. */
static amc_email_status
unify_domain(const work_text *folded, work_text *work)
{
	const char *text = folded->bytes;
	const char *sign = folded->len == 0 ? NULL : memchr(text, '@', folded->len);
	size_t at = sign == NULL ? folded->len : (size_t) (sign - text) + 1;

	work->len = 0;
	if (!append(work, text, at))
		return AMC_EMAIL_TOO_LONG;
	while (at < folded->len)
	{
		size_t start = at;
		size_t separator = 0;
		amc_email_status status;

		while (at < folded->len && separator == 0)
		{
			separator = separator_len(text + at, folded->len - at);
			at += separator == 0;
		}
		status = append_label(work, text + start, at - start);
		if (status != AMC_EMAIL_OK)
			return status;
		if (separator != 0 && !append(work, ".", 1))
			return AMC_EMAIL_TOO_LONG;
		at += separator;
	}
	return AMC_EMAIL_OK;
}

/* ^[^\s@]+@[^\s@]+\.[^\s@]+$ without control characters. */
static bool
has_form(const char *text, size_t len)
{
	const char *sign = memchr(text, '@', len);
	size_t domain = sign == NULL ? len : (size_t) (sign - text) + 1;
	bool dotted = false;
	size_t at = 0;

	if (domain <= 1 || domain >= len)
		return false;
	while (at < len)
	{
		uint32_t code_point = 0;
		size_t step = amc_utf8_decode(text + at, len - at, &code_point);

		if (step == 0 || is_white_space(code_point) || is_control(code_point) ||
			(code_point == '@' && at + 1 != domain))
			return false;
		if (code_point == '.' && at > domain && at + 1 < len)
			dotted = true;
		at += step;
	}
	return dotted;
}

amc_email_status
amc_email_canonical(const char *in, size_t in_len, char out[AMC_EMAIL_BYTES_MAX], size_t *out_len)
{
	work_text folded;
	work_text work;
	amc_email_status status;
	amc_span trimmed;

	if (in_len > AMC_EMAIL_INPUT_BYTES_MAX)
		return AMC_EMAIL_TOO_LONG;
	if (!amc_utf8_valid(in, in_len))
		return AMC_EMAIL_UTF8;
	trimmed = trim(in, in_len);
	if (trimmed.len == 0)
		return AMC_EMAIL_BLANK;
	status = fold(trimmed.ptr, trimmed.len, &folded);
	if (status == AMC_EMAIL_OK)
		status = unify_domain(&folded, &work);
	if (status != AMC_EMAIL_OK)
		return status;
	if (work.len == 0 || !has_form(work.bytes, work.len))
		return AMC_EMAIL_FORM;
	if (work.len > AMC_EMAIL_BYTES_MAX)
		return AMC_EMAIL_TOO_LONG;
	memcpy(out, work.bytes, work.len);
	*out_len = work.len;
	return AMC_EMAIL_OK;
}
