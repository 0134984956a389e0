/*-------------------------------------------------------------------------
 *
 * head.c
 *	  The head of a request (see head.h).
 *
 *-------------------------------------------------------------------------
 */
#include "head.h"

#include <string.h>
#include <strings.h>

/* Longest declared body we can count; far above every limit. */
#define AM_LENGTH_DIGITS_MAX 18

#define LITERAL_EQUALS(span, literal) amc_span_equals((span), AMC_LITERAL(literal))

static const char *const method_names[] = {
	[AM_METHOD_GET] = "GET",         [AM_METHOD_POST] = "POST",     [AM_METHOD_PUT] = "PUT",
	[AM_METHOD_PATCH] = "PATCH",     [AM_METHOD_DELETE] = "DELETE", [AM_METHOD_HEAD] = "HEAD",
	[AM_METHOD_OPTIONS] = "OPTIONS",
};

AmMethod
am_method_of(const char *name, size_t length)
{
	for (int i = 0; i < AM_METHOD_OTHER; i++)
	{
		if (strlen(method_names[i]) == length && memcmp(method_names[i], name, length) == 0)
			return (AmMethod) i;
	}
	return AM_METHOD_OTHER;
}

const char *
am_method_name(AmMethod method)
{
	return method < AM_METHOD_OTHER ? method_names[method] : "";
}

static bool
is_alphanumeric(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool
am_token_valid(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (!is_alphanumeric(c) && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
			return false;
	}
	return length > 0;
}

bool
am_field_value_valid(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

bool
am_request_id_valid(amc_span id)
{
	if (id.len == 0 || id.len > AM_REQUEST_ID_BYTES_MAX)
		return false;
	for (size_t i = 0; i < id.len; i++)
	{
		unsigned char c = (unsigned char) id.ptr[i];

		if (!is_alphanumeric(c) && (c == '\0' || strchr("._:-", c) == NULL))
			return false;
	}
	return true;
}

/* The header lines the shim itself reads, and where they go. */
typedef enum HeadField
{
	FIELD_HOST,
	FIELD_CONTENT_LENGTH,
	FIELD_TRANSFER_ENCODING,
	FIELD_CONTENT_TYPE,
	FIELD_CONTENT_ENCODING,
	FIELD_AUTHORIZATION,
	FIELD_ORIGIN,
	FIELD_PREFLIGHT_METHOD,
	FIELD_REQUEST_ID,
	FIELD_EXPECT,
	FIELD_COOKIE,
	FIELD_FORWARDED,
	FIELD_COUNT
} HeadField;

static const amc_span field_names[FIELD_COUNT] = {
	[FIELD_HOST] = {AMC_LITERAL("host")},
	[FIELD_CONTENT_LENGTH] = {AMC_LITERAL("content-length")},
	[FIELD_TRANSFER_ENCODING] = {AMC_LITERAL("transfer-encoding")},
	[FIELD_CONTENT_TYPE] = {AMC_LITERAL("content-type")},
	[FIELD_CONTENT_ENCODING] = {AMC_LITERAL("content-encoding")},
	[FIELD_AUTHORIZATION] = {AMC_LITERAL("authorization")},
	[FIELD_ORIGIN] = {AMC_LITERAL("origin")},
	[FIELD_PREFLIGHT_METHOD] = {AMC_LITERAL("access-control-request-method")},
	[FIELD_REQUEST_ID] = {AMC_LITERAL("x-request-id")},
	[FIELD_EXPECT] = {AMC_LITERAL("expect")},
	[FIELD_COOKIE] = {AMC_LITERAL("cookie")},
	[FIELD_FORWARDED] = {AMC_LITERAL("x-forwarded-for")},
};

static HeadField
field_of(const char *name, size_t length)
{
	for (int i = 0; i < FIELD_COUNT; i++)
	{
		if (field_names[i].len == length && strncasecmp(field_names[i].ptr, name, length) == 0)
			return (HeadField) i;
	}
	return FIELD_COUNT;
}

void
am_head_init(AmHead *head)
{
	/* the header array is written before it is read, so it need not be cleared */
	memset(&head->header_count, 0, sizeof(*head) - offsetof(AmHead, header_count));
}

static void
span_take_first(amc_span *span, amc_span value)
{
	if (span->ptr == NULL)
		*span = value;
}

static void
head_take(AmHead *head, HeadField field, amc_span value)
{
	switch (field)
	{
		case FIELD_HOST:
			head->host_count++;
			break;
		case FIELD_CONTENT_LENGTH:
			head->length_count++;
			head->content_length = value;
			break;
		case FIELD_TRANSFER_ENCODING:
			head->encoding_count++;
			head->transfer_encoding = value;
			break;
		case FIELD_CONTENT_TYPE:
			span_take_first(&head->content_type, value);
			break;
		case FIELD_CONTENT_ENCODING:
			span_take_first(&head->content_encoding, value);
			break;
		case FIELD_AUTHORIZATION:
			head->authorization_count++;
			head->authorization = value;
			break;
		case FIELD_ORIGIN:
			span_take_first(&head->origin, value);
			break;
		case FIELD_PREFLIGHT_METHOD:
			span_take_first(&head->preflight_method, value);
			break;
		case FIELD_REQUEST_ID:
			span_take_first(&head->request_id, value);
			break;
		case FIELD_EXPECT:
			span_take_first(&head->expect, value);
			break;
		case FIELD_COOKIE:
			if (head->cookie_count < AM_COOKIE_LINES_MAX)
				head->cookie[head->cookie_count++] = value;
			break;
		case FIELD_FORWARDED:
			/* the last lines are the nearest proxies': when there are too many, keep those */
			if (head->forwarded_count == AM_FORWARDED_LINES_MAX)
				memmove(&head->forwarded[0], &head->forwarded[1],
						sizeof(amc_span) * (AM_FORWARDED_LINES_MAX - 1));
			else
				head->forwarded_count++;
			head->forwarded[head->forwarded_count - 1] = value;
			break;
		case FIELD_COUNT:
			break;
	}
}

/* Blanks around a value are no part of it (RFC 9110 section 5.5). */
static amc_span
span_trim(amc_span text)
{
	while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
	{
		text.ptr++;
		text.len--;
	}
	while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
		text.len--;
	return text;
}

void
am_head_add(AmHead *head, const char *name, size_t name_length, const char *value,
			size_t value_length)
{
	amc_span span =
		span_trim((amc_span){value == NULL ? "" : value, value == NULL ? 0 : value_length});

	if (!am_token_valid(name, name_length))
		head->name_bad = true;
	if (!am_field_value_valid(span.ptr, span.len))
		head->value_bad = true;
	if (head->header_count == AM_HEADERS_MAX)
	{
		head->overflow = true;
		return;
	}
	head->header[head->header_count].name = (amc_span){name, name_length};
	head->header[head->header_count].value = span;
	head->header_count++;
	head_take(head, field_of(name, name_length), span);
}

/* Digits only (RFC 9110, section 8.6); no sign, no list, no blanks. */
static bool
length_parse(amc_span text, uint64_t *length)
{
	uint64_t value = 0;

	if (text.len == 0 || text.len > AM_LENGTH_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++)
	{
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		value = value * 10 + (uint64_t) (text.ptr[i] - '0');
	}
	*length = value;
	return true;
}

/* HTTP/1.0 knows no transfer codings: a message that has one is framed in two ways. */
static bool
framing_vet(AmHead *head, bool chunked_allowed, AmVetReason *reason)
{
	if (head->length_count > 0 && head->encoding_count > 0)
		*reason = AM_VET_LENGTH_AND_CHUNKED;
	else if (head->length_count > 1)
		*reason = AM_VET_LENGTH_REPEATED;
	else if (head->length_count == 1 && !length_parse(head->content_length, &head->body_length))
		*reason = AM_VET_LENGTH_INVALID;
	else if (head->encoding_count > (chunked_allowed ? 1 : 0) ||
			 (head->encoding_count == 1 &&
			  (head->transfer_encoding.len != 7 ||
			   strncasecmp(head->transfer_encoding.ptr, "chunked", 7) != 0)))
		*reason = AM_VET_TRANSFER_ENCODING;
	else
	{
		head->has_length = head->length_count == 1;
		head->chunked = head->encoding_count == 1;
		return true;
	}
	return false;
}

/* Printable ASCII after a leading slash: no absolute URI, no "*", no blank, no raw UTF-8. */
static bool
target_valid(amc_span target)
{
	if (target.len == 0 || target.ptr[0] != '/')
		return false;
	for (size_t i = 0; i < target.len; i++)
	{
		unsigned char c = (unsigned char) target.ptr[i];

		if (c <= 0x20 || c >= 0x7f)
			return false;
	}
	return true;
}

static bool
expect_valid(amc_span expect)
{
	return expect.ptr == NULL ||
		   (expect.len == 12 && strncasecmp(expect.ptr, "100-continue", 12) == 0);
}

bool
am_head_vet(AmHead *head, const char *method, const char *version, amc_span target,
			AmVetReason *reason)
{
	if (head->name_bad)
		*reason = AM_VET_HEADER_NAME;
	else if (head->value_bad)
		*reason = AM_VET_HEADER_VALUE;
	else if (head->overflow)
		*reason = AM_VET_HEADER_COUNT;
	else if (!framing_vet(head, strcmp(version, "HTTP/1.1") == 0, reason))
		return false;
	else if (head->host_count != 1)
		*reason = head->host_count == 0 ? AM_VET_HOST_MISSING : AM_VET_HOST_REPEATED;
	else if (!am_token_valid(method, strlen(method)))
		*reason = AM_VET_METHOD;
	else if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
		*reason = AM_VET_VERSION;
	else if (!target_valid(target))
		*reason = AM_VET_TARGET;
	else if (!expect_valid(head->expect))
		*reason = AM_VET_EXPECT;
	else
		return true;
	return false;
}

amc_span
am_head_find(const AmHead *head, const char *name, size_t name_length)
{
	for (int i = 0; i < head->header_count; i++)
	{
		if (head->header[i].name.len == name_length &&
			strncasecmp(head->header[i].name.ptr, name, name_length) == 0)
			return head->header[i].value;
	}
	return (amc_span){NULL, 0};
}

bool
am_head_has_body(const AmHead *head)
{
	return head->chunked || head->body_length > 0;
}

amc_span
am_head_bearer(const AmHead *head)
{
	amc_span value = head->authorization;

	if (head->authorization_count != 1 || value.len <= 7 || memcmp(value.ptr, "Bearer ", 7) != 0)
		return (amc_span){NULL, 0};
	return (amc_span){value.ptr + 7, value.len - 7};
}

bool
am_content_type_is_json(amc_span content_type)
{
	const char *semicolon;
	amc_span type = content_type;

	if (type.ptr == NULL)
		return false;
	semicolon = memchr(type.ptr, ';', type.len);
	if (semicolon != NULL)
		type.len = (size_t) (semicolon - type.ptr);
	type = span_trim(type);
	if (type.len < 16 || strncasecmp(type.ptr, "application/", 12) != 0 ||
		!am_token_valid(type.ptr + 12, type.len - 12))
		return false;
	if (type.len == 16 && strncasecmp(type.ptr + 12, "json", 4) == 0)
		return true;
	return type.len > 17 && strncasecmp(type.ptr + type.len - 5, "+json", 5) == 0;
}

bool
am_content_encoding_is_coded(amc_span content_encoding)
{
	amc_span coding = span_trim(content_encoding);

	if (content_encoding.ptr == NULL || coding.len == 0)
		return false;
	return !(coding.len == 8 && strncasecmp(coding.ptr, "identity", 8) == 0);
}
