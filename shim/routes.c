/*-------------------------------------------------------------------------
 *
 * routes.c
 *	  Routes, places and their matching (see routes.h).
 *
 *-------------------------------------------------------------------------
 */
#include "routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

static bool
path_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		   (c != '\0' && strchr("-._~", c) != NULL);
}

bool
am_route_path_valid(const char *path)
{
	size_t length = strlen(path);
	int parameters = 0;

	if (strcmp(path, "/") == 0)
		return true;
	if (length > AM_ROUTE_PATH_BYTES_MAX || path[0] != '/' || path[length - 1] == '/')
		return false;
	for (size_t i = 1; i < length; i++)
	{
		bool at_start = path[i - 1] == '/';

		if (path[i] == ':' && at_start)
			parameters++;
		else if (path[i] == '/' ? at_start || path[i - 1] == ':' : !path_character(path[i]))
			return false;
	}
	return path[length - 1] != ':' && parameters <= AM_ROUTE_PARAMETERS_MAX;
}

static int
parameters_of(const char *path)
{
	int count = 0;

	for (; *path != '\0'; path++)
		count += *path == ':';
	return count;
}

/* FNV-1a, 32 bits: paths are short and the table is ours, so nothing stronger is needed. */
static unsigned
path_bucket(const char *path, size_t length)
{
	uint32_t hash = UINT32_C(2166136261);

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char) path[i]) * UINT32_C(16777619);
	return (hash ^ (hash >> 16)) & (AM_ROUTE_BUCKETS - 1);
}

static AmRouteNode *
static_node(const AmPlace *place, const char *path, size_t length)
{
	AmRouteNode *node = place->bucket[path_bucket(path, length)];

	while (node != NULL && (node->path_length != length || memcmp(node->path, path, length) != 0))
		node = node->next;
	return node;
}

static AmRouteNode *
template_node(const AmPlace *place, const char *path)
{
	AmRouteNode *node = place->with_parameters;

	while (node != NULL && strcmp(node->path, path) != 0)
		node = node->next;
	return node;
}

static AmRouteNode *
node_add(AmPlace *place, const char *path)
{
	AmRouteNode *node = calloc(1, sizeof(*node));
	AmRouteNode **list = &place->with_parameters;

	if (node == NULL)
		return NULL;
	node->path = path;
	node->path_length = strlen(path);
	node->parameter_count = parameters_of(path);
	if (node->parameter_count == 0)
		list = &place->bucket[path_bucket(path, node->path_length)];
	/* templates keep the order of the route list: the first that fits wins */
	while (node->parameter_count > 0 && *list != NULL)
		list = &(*list)->next;
	node->next = *list;
	*list = node;
	return node;
}

/* Every API has these two; on a shared place the first API answers (contract, section 1). */
static bool
is_common(const AmRoute *route)
{
	return route->method == AM_METHOD_GET &&
		   (strcmp(route->path, "/") == 0 || strcmp(route->path, "/health") == 0);
}

AmRouteAddOutcome
am_place_add(AmPlace *place, const AmRoute *route, const AmRoute **other)
{
	AmRouteNode *node;

	*other = NULL;
	if (route->method >= AM_METHOD_ROUTED || !am_route_path_valid(route->path))
		return AM_ROUTE_INVALID;
	node = parameters_of(route->path) > 0 ? template_node(place, route->path)
										  : static_node(place, route->path, strlen(route->path));
	if (node == NULL)
		node = node_add(place, route->path);
	if (node == NULL)
		return AM_ROUTE_NO_MEMORY;
	if (node->by_method[route->method] != NULL)
	{
		*other = node->by_method[route->method];
		return is_common(route) && strcmp((*other)->api, route->api) != 0 ? AM_ROUTE_SHADOWED
																		  : AM_ROUTE_COLLIDES;
	}
	node->by_method[route->method] = route;
	return AM_ROUTE_ADDED;
}

static void
nodes_free(AmRouteNode *node)
{
	while (node != NULL)
	{
		AmRouteNode *next = node->next;

		free(node);
		node = next;
	}
}

void
am_place_clear(AmPlace *place)
{
	for (int i = 0; i < AM_ROUTE_BUCKETS; i++)
		nodes_free(place->bucket[i]);
	nodes_free(place->with_parameters);
	memset(place->bucket, 0, sizeof(place->bucket));
	place->with_parameters = NULL;
}

static bool
prefix_fits(const AmPlace *place, amc_span path)
{
	return place->prefix_length <= path.len &&
		   memcmp(place->prefix, path.ptr, place->prefix_length) == 0 &&
		   (place->prefix_length == path.len || path.ptr[place->prefix_length] == '/');
}

const AmPlace *
am_place_find(const AmPlace *place, int place_count, int listener, amc_span path, amc_span *rest,
			  bool *fits)
{
	const AmPlace *first = NULL;
	const AmPlace *best = NULL;

	for (int i = 0; i < place_count; i++)
	{
		if (place[i].listener != listener)
			continue;
		if (first == NULL)
			first = &place[i];
		if (prefix_fits(&place[i], path) &&
			(best == NULL || place[i].prefix_length > best->prefix_length))
			best = &place[i];
	}
	*fits = best != NULL;
	*rest = path;
	if (best != NULL)
	{
		rest->ptr += best->prefix_length;
		rest->len -= best->prefix_length;
	}
	if (rest->len == 0)
		*rest = AMC_SPAN("/");
	return best != NULL ? best : first;
}

/* Compares segment by segment; on success the raw parameter values are in match. */
static bool
template_fits(const AmRouteNode *node, amc_span path, AmRouteMatch *match)
{
	const char *t = node->path;
	const char *t_end = t + node->path_length;
	const char *p = path.ptr;
	const char *p_end = p + path.len;
	int count = 0;

	while (t < t_end && p < p_end)
	{
		if (*t == ':')
		{
			const char *name = ++t;
			const char *value = p;

			while (t < t_end && *t != '/')
				t++;
			while (p < p_end && *p != '/')
				p++;
			if (p == value)
				return false;
			match->name[count] = (amc_span){name, (size_t) (t - name)};
			match->value[count] = (amc_span){value, (size_t) (p - value)};
			count++;
		}
		else if (*t++ != *p++)
			return false;
	}
	if (t != t_end || p != p_end)
		return false;
	match->parameter_count = count;
	return true;
}

/* Notes the node's methods; true if it has the one asked for. */
static bool
node_take(const AmRouteNode *node, AmMethod method, AmRouteMatch *match)
{
	for (int i = 0; i < AM_METHOD_ROUTED; i++)
	{
		if (node->by_method[i] != NULL)
			match->allowed |= 1u << i;
	}
	if (match->node == NULL)
		match->node = node;
	if (method >= AM_METHOD_ROUTED || node->by_method[method] == NULL)
		return false;
	match->node = node;
	match->route = node->by_method[method];
	return true;
}

void
am_route_match(const AmPlace *place, amc_span rest, AmMethod method, AmRouteMatch *match)
{
	amc_span path = rest;
	const AmRouteNode *node;

	match->route = NULL;
	match->node = NULL;
	match->allowed = 0;
	match->parameter_count = 0;
	if (path.len > 1 && path.ptr[path.len - 1] == '/')
		path.len--;
	if (method == AM_METHOD_HEAD)
		method = AM_METHOD_GET;
	node = static_node(place, path.ptr, path.len);
	if (node != NULL && node_take(node, method, match))
		return;
	for (node = place->with_parameters; node != NULL; node = node->next)
	{
		if (template_fits(node, path, match) && node_take(node, method, match))
			return;
	}
	match->parameter_count = 0;
}

void
am_route_allow(unsigned allowed, char out[AM_ALLOW_BYTES])
{
	size_t length = 0;

	out[0] = '\0';
	for (int i = 0; i < AM_METHOD_ROUTED; i++)
	{
		if ((allowed & (1u << i)) == 0)
			continue;
		/* all names together are shorter than the buffer */
		length += (size_t) snprintf(out + length, AM_ALLOW_BYTES - length, "%s%s%s",
									length > 0 ? ", " : "", am_method_name((AmMethod) i),
									i == AM_METHOD_GET ? ", HEAD" : "");
	}
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
am_percent_decode(amc_span text, char *out, size_t out_bytes, size_t *out_length)
{
	size_t length = 0;

	if (out_bytes < text.len)
		return false;
	for (size_t i = 0; i < text.len; i++)
	{
		int c = (unsigned char) text.ptr[i];

		if (c == '%')
		{
			int high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
			int low = high >= 0 ? hex_value(text.ptr[i + 2]) : -1;

			if (low < 0)
				return false;
			c = high * 16 + low;
			i += 2;
		}
		if (c == '\0')
			return false;
		out[length++] = (char) c;
	}
	*out_length = length;
	return amc_utf8_valid(out, length);
}
