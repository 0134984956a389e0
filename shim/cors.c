/*-------------------------------------------------------------------------
 *
 * cors.c
 *	  Cross-origin requests (see cors.h).
 *
 *-------------------------------------------------------------------------
 */
#include "cors.h"

#include <string.h>

bool
am_cors_origin_valid(const char *origin)
{
	const char *host = strstr(origin, "://");

	if (host == NULL || host == origin || host[3] == '\0')
		return false;
	for (const char *c = origin; *c != '\0'; c++)
	{
		if ((unsigned char) *c <= 0x20 || (unsigned char) *c >= 0x7f || *c == '*' || *c == ',')
			return false;
	}
	return strchr(host + 3, '/') == NULL;
}

const char *
am_cors_match(const AmCors *cors, amc_span origin)
{
	if (cors == NULL || origin.ptr == NULL)
		return NULL;
	for (int i = 0; i < cors->origin_count; i++)
	{
		if (amc_span_equals(origin, cors->origin[i], strlen(cors->origin[i])))
			return cors->origin[i];
	}
	return NULL;
}

bool
am_cors_is_preflight(const AmHead *head, AmMethod method)
{
	return method == AM_METHOD_OPTIONS && head->origin.ptr != NULL &&
		   head->preflight_method.ptr != NULL;
}
