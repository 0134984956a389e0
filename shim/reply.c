/*-------------------------------------------------------------------------
 *
 * reply.c
 *	  Headers returned by functions (see reply.h).
 *
 *-------------------------------------------------------------------------
 */
#include "reply.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "head.h"

/* Framing, connection handling and what the shim itself sets. */
static const char *const reserved_names[] = {
	"connection",
	"content-length",
	"date",
	"keep-alive",
	"te",
	"trailer",
	"transfer-encoding",
	"upgrade",
	"x-content-type-options",
	"x-request-id",
	"access-control-allow-origin",
	"access-control-allow-credentials",
};

static bool
name_allowed(const char *name, bool cookies)
{
	if (!am_token_valid(name, strlen(name)))
		return false;
	if (strcasecmp(name, "set-cookie") == 0)
		return cookies;
	for (size_t i = 0; i < sizeof(reserved_names) / sizeof(reserved_names[0]); i++)
	{
		if (strcasecmp(name, reserved_names[i]) == 0)
			return false;
	}
	return true;
}

static bool
header_take(AmReplyHeaders *headers, const char *name, const json_t *value)
{
	const char *text = json_string_value(value);

	if (text == NULL || headers->count == AM_REPLY_HEADERS_MAX ||
		!am_field_value_valid(text, json_string_length(value)))
		return false;
	headers->header[headers->count].name = name;
	headers->header[headers->count].value = text;
	headers->count++;
	return true;
}

static bool
member_take(AmReplyHeaders *headers, const char *name, const json_t *value)
{
	size_t index;
	const json_t *element;

	if (!json_is_array(value))
		return header_take(headers, name, value);
	json_array_foreach(value, index, element)
	{
		if (!header_take(headers, name, element))
			return false;
	}
	return true;
}

bool
am_reply_headers_read(const char *text, size_t length, bool cookies, AmReplyHeaders *headers)
{
	json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	const char *name;
	json_t *value;

	headers->owner = object;
	headers->count = 0;
	if (!json_is_object(object))
	{
		am_reply_headers_free(headers);
		return false;
	}
	json_object_foreach(object, name, value)
	{
		if (!name_allowed(name, cookies) || !member_take(headers, name, value))
		{
			am_reply_headers_free(headers);
			return false;
		}
	}
	return true;
}

void
am_reply_headers_free(AmReplyHeaders *headers)
{
	json_decref(headers->owner);
	headers->owner = NULL;
	headers->count = 0;
}

int
am_reply_headers_find(const AmReplyHeaders *headers, const char *name)
{
	for (int i = 0; i < headers->count; i++)
	{
		if (strcasecmp(headers->header[i].name, name) == 0)
			return i;
	}
	return -1;
}
