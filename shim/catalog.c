/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  Routes, refusals, proxies and CORS as rows (see catalog.h).
 *
 * What comes from the database is checked here once, so that the hot path can
 * trust it: names that become SQL, paths, numbers, header names, origins.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define AM_BODY_BYTES_LIMIT (64 * 1024 * 1024) /* no route may take more */

static const struct
{
	const char *name;
	int status;
	const char *body;
} refusal_defaults[AM_REFUSAL_COUNT] = {
#define AM_REFUSAL_DEFAULT(id, name, status, text) {name, status, "{\"error\":\"" text "\"}"},
	AM_REFUSAL_REASONS(AM_REFUSAL_DEFAULT)
#undef AM_REFUSAL_DEFAULT
};

AmCatalog *
am_catalog_create(void)
{
	AmCatalog *catalog = calloc(1, sizeof(*catalog));

	if (catalog == NULL)
		return NULL;
	catalog->references = 1;
	catalog->route = calloc(AM_ROUTES_MAX, sizeof(AmRoute));
	catalog->refusal = calloc(AM_REFUSALS_MAX, sizeof(AmRefusal));
	catalog->place = calloc(AM_PLACES_MAX, sizeof(AmPlace));
	catalog->cors = calloc(AM_MOUNTS_MAX, sizeof(AmCors));
	if (catalog->route != NULL && catalog->refusal != NULL && catalog->place != NULL &&
		catalog->cors != NULL)
		return catalog;
	am_catalog_release(catalog);
	return NULL;
}

AmCatalog *
am_catalog_reference(AmCatalog *catalog)
{
	catalog->references++;
	return catalog;
}

void
am_catalog_release(AmCatalog *catalog)
{
	if (catalog == NULL || --catalog->references > 0)
		return;
	for (int i = 0; i < catalog->place_count; i++)
		am_place_clear(&catalog->place[i]);
	for (size_t i = 0; i < catalog->text_count; i++)
		free(catalog->text[i]);
	free(catalog->text);
	free(catalog->route);
	free(catalog->refusal);
	free(catalog->place);
	free(catalog->cors);
	free(catalog);
}

/* A copy that lives as long as the catalog; NULL = out of memory. */
static const char *
catalog_text(AmCatalog *catalog, const char *text)
{
	char *copy;

	if (catalog->text_count == catalog->text_capacity)
	{
		size_t capacity = catalog->text_capacity == 0 ? 256 : catalog->text_capacity * 2;
		char **list = realloc(catalog->text, capacity * sizeof(*list));

		if (list == NULL)
			return NULL;
		catalog->text = list;
		catalog->text_capacity = capacity;
	}
	copy = strdup(text);
	if (copy != NULL)
		catalog->text[catalog->text_count++] = copy;
	return copy;
}

static bool
fail(AmText *error, const char *what, const char *api, const char *value)
{
	am_text_printf(error, "%s (API \"%s\", value \"%s\")", what, api == NULL ? "" : api,
				   value == NULL ? "NULL" : value);
	return false;
}

/* A plain lower-case SQL name: it goes into the prepared statement as it is. */
static bool
function_name_valid(const char *name)
{
	size_t length = name == NULL ? 0 : strlen(name);

	if (length == 0 || length > AM_FUNCTION_BYTES_MAX || (name[0] >= '0' && name[0] <= '9'))
		return false;
	for (size_t i = 0; i < length; i++)
	{
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
			return false;
	}
	return true;
}

static bool
number_parse(const char *text, long minimum, long maximum, long *number)
{
	char *end;

	if (text == NULL || !isdigit((unsigned char) text[0]))
		return false;
	errno = 0;
	*number = strtol(text, &end, 10);
	return errno == 0 && *end == '\0' && *number >= minimum && *number <= maximum;
}

static bool
body_kind_parse(const char *name, AmBodyKind *kind)
{
	static const char *const names[] = {
		[AM_BODY_NONE] = "none",
		[AM_BODY_JSON] = "json",
		[AM_BODY_RAW] = "raw",
		[AM_BODY_MULTIPART] = "multipart",
	};

	for (int i = 0; name != NULL && i <= AM_BODY_MULTIPART; i++)
	{
		if (strcmp(name, names[i]) == 0)
		{
			*kind = (AmBodyKind) i;
			return true;
		}
	}
	return false;
}

static bool
route_headers_parse(AmCatalog *catalog, AmRoute *route, const char *json)
{
	json_t *list = json == NULL ? json_array() : json_loads(json, 0, NULL);
	size_t index;
	const json_t *name;
	bool valid = json_is_array(list);

	json_array_foreach(list, index, name)
	{
		const char *text = json_string_value(name);

		valid = valid && text != NULL && am_token_valid(text, strlen(text)) &&
				route->header_count < AM_ROUTE_HEADERS_MAX;
		if (!valid)
			break;
		route->header[route->header_count] = catalog_text(catalog, text);
		valid = route->header[route->header_count++] != NULL;
	}
	json_decref(list);
	return valid;
}

/* The checks that need no memory. */
static bool
route_row_parse(AmRoute *route, const AmRouteRow *row, AmText *error)
{
	long bytes_max;

	if (row->api == NULL || row->method == NULL || row->path == NULL)
		return fail(error, "route without API, method or path", row->api, row->path);
	route->method = am_method_of(row->method, strlen(row->method));
	if (route->method >= AM_METHOD_ROUTED)
		return fail(error, "route with a method the shim does not route", row->api, row->method);
	if (!am_route_path_valid(row->path))
		return fail(error, "route with a malformed path", row->api, row->path);
	if (!function_name_valid(row->function))
		return fail(error, "route with a malformed function name", row->api, row->function);
	route->lane = am_lane_by_name(row->lane == NULL ? "" : row->lane);
	if (route->lane == AM_LANE_NONE || route->lane >= AM_LANE_SERVING_COUNT)
		return fail(error, "route with an unknown lane", row->api, row->lane);
	if (!body_kind_parse(row->body, &route->body))
		return fail(error, "route with an unknown kind of body", row->api, row->body);
	if (!number_parse(row->body_bytes_max, 0, AM_BODY_BYTES_LIMIT, &bytes_max))
		return fail(error, "route with a body limit out of range", row->api, row->body_bytes_max);
	route->body_bytes_max = (size_t) bytes_max;
	route->limited = row->limited != NULL && row->limited[0] == 't';
	route->cookies = row->cookies != NULL && row->cookies[0] == 't';
	return true;
}

/* FNV-1a, 64 bits; order matters, and route_list has a fixed order. */
static uint64_t
hash_text(uint64_t hash, const char *text)
{
	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char) *text) * UINT64_C(1099511628211);
	return (hash ^ 0xff) * UINT64_C(1099511628211);
}

bool
am_catalog_add_route(AmCatalog *catalog, const AmRouteRow *row, AmText *error)
{
	AmRoute *route = &catalog->route[catalog->route_count];

	if (catalog->route_count == AM_ROUTES_MAX)
		return fail(error, "too many routes", row->api, row->path);
	memset(route, 0, sizeof(*route));
	if (!route_row_parse(route, row, error))
		return false;
	route->api = catalog_text(catalog, row->api);
	route->path = catalog_text(catalog, row->path);
	route->function = catalog_text(catalog, row->function);
	if (route->api == NULL || route->path == NULL || route->function == NULL)
		return fail(error, "out of memory", row->api, row->path);
	if (!route_headers_parse(catalog, route, row->headers))
		return fail(error, "route with malformed request headers", row->api, row->headers);
	catalog->functions_hash = hash_text(catalog->functions_hash, am_lane_name(route->lane));
	catalog->functions_hash = hash_text(catalog->functions_hash, route->function);
	catalog->route_count++;
	return true;
}

static int
reason_by_name(const char *name)
{
	for (int i = 0; name != NULL && i < AM_REFUSAL_COUNT; i++)
	{
		if (strcmp(name, refusal_defaults[i].name) == 0)
			return i;
	}
	return -1;
}

bool
am_catalog_add_refusal(AmCatalog *catalog, const AmRefusalRow *row, AmText *error)
{
	AmRefusal *refusal = &catalog->refusal[catalog->refusal_count];
	int reason = reason_by_name(row->reason);
	long status;

	if (catalog->refusal_count == AM_REFUSALS_MAX)
		return fail(error, "too many refusals", row->api, row->reason);
	if (row->api == NULL || reason < 0)
		return fail(error, "refusal with an unknown reason", row->api, row->reason);
	if (!number_parse(row->status, 400, 599, &status))
		return fail(error, "refusal with a status that is none of an error", row->api, row->status);
	if (row->body == NULL || strlen(row->body) > AM_REFUSAL_BYTES_MAX)
		return fail(error, "refusal without a body, or with a very long one", row->api,
					row->reason);
	*refusal = (AmRefusal){
		.api = catalog_text(catalog, row->api),
		.reason = (AmRefusalReason) reason,
		.path = catalog_text(catalog, row->path == NULL ? "" : row->path),
		.status = (int) status,
		.body = catalog_text(catalog, row->body),
		.body_length = strlen(row->body),
		.placeholders = strstr(row->body, "{{") != NULL,
	};
	if (refusal->api == NULL || refusal->path == NULL || refusal->body == NULL)
		return fail(error, "out of memory", row->api, row->reason);
	catalog->refusal_count++;
	return true;
}

const AmRefusal *
am_catalog_refusal(const AmCatalog *catalog, const char *api, AmRefusalReason reason,
				   const char *path)
{
	static AmRefusal built_in[AM_REFUSAL_COUNT] = {
#define AM_REFUSAL_BUILT_IN(id, name, code, text)              \
	[AM_REFUSAL_##id] = {                                      \
		.api = "",                                             \
		.reason = AM_REFUSAL_##id,                             \
		.path = "",                                            \
		.status = (code),                                      \
		.body = "{\"error\":\"" text "\"}",                    \
		.body_length = sizeof("{\"error\":\"" text "\"}") - 1, \
	},
		AM_REFUSAL_REASONS(AM_REFUSAL_BUILT_IN)
#undef AM_REFUSAL_BUILT_IN
	};
	const AmRefusal *found = &built_in[reason];

	for (int i = 0; catalog != NULL && api != NULL && i < catalog->refusal_count; i++)
	{
		const AmRefusal *refusal = &catalog->refusal[i];

		if (refusal->reason != reason || strcmp(refusal->api, api) != 0)
			continue;
		if (refusal->path[0] == '\0')
			found = refusal;
		else if (strcmp(refusal->path, path) == 0)
			return refusal;
	}
	return found;
}

static bool
proxies_take(AmCatalog *catalog, const json_t *list, AmText *error)
{
	size_t index;
	const json_t *entry;

	json_array_foreach(list, index, entry)
	{
		const char *text = json_string_value(entry);

		if (catalog->proxy_count == AM_PROXIES_MAX)
			return fail(error, "too many trusted proxies", NULL, text);
		if (text == NULL ||
			!amc_net_prefix_parse(text, strlen(text), &catalog->proxy[catalog->proxy_count]))
			return fail(error, "trusted proxy is no network", NULL, text);
		catalog->proxy_count++;
	}
	return true;
}

static bool
origins_take(AmCatalog *catalog, const char *api, const json_t *list, AmText *error)
{
	AmCors *cors = &catalog->cors[catalog->cors_count];
	size_t index;
	const json_t *entry;

	if (catalog->cors_count == AM_MOUNTS_MAX || !json_is_array(list))
		return fail(error, "CORS list is no array, or there are too many", api, NULL);
	cors->api = catalog_text(catalog, api);
	json_array_foreach(list, index, entry)
	{
		const char *text = json_string_value(entry);

		if (text == NULL || cors->origin_count == AM_CORS_ORIGINS_MAX ||
			!am_cors_origin_valid(text))
			return fail(error, "CORS origin is malformed, \"*\", or one too many", api, text);
		cors->origin[cors->origin_count] = catalog_text(catalog, text);
		if (cors->api == NULL || cors->origin[cors->origin_count++] == NULL)
			return fail(error, "out of memory", api, text);
	}
	catalog->cors_count++;
	return true;
}

bool
am_catalog_set_gateway(AmCatalog *catalog, const char *json, AmText *error)
{
	json_t *config = json == NULL ? NULL : json_loads(json, JSON_REJECT_DUPLICATES, NULL);
	const char *api;
	json_t *list;
	bool valid = json_is_object(config);

	if (!valid)
		(void) fail(error, "gateway_config returned no object", NULL, NULL);
	valid = valid && proxies_take(catalog, json_object_get(config, "trusted_proxies"), error);
	json_object_foreach(json_object_get(config, "cors"), api, list)
		valid = valid && origins_take(catalog, api, list, error);
	json_decref(config);
	return valid;
}

const AmCors *
am_catalog_cors(const AmCatalog *catalog, const char *api)
{
	for (int i = 0; i < catalog->cors_count; i++)
	{
		if (strcmp(catalog->cors[i].api, api) == 0)
			return &catalog->cors[i];
	}
	return NULL;
}
