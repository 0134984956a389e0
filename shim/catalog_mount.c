/*-------------------------------------------------------------------------
 *
 * catalog_mount.c
 *	  Routes meet the configuration: which API answers where (see catalog.h).
 *
 * Two APIs that share listener, prefix, method and path cannot be told apart,
 * and guessing by the body is forbidden; so the start is refused.  The only
 * exceptions are GET / and GET /health, which the first API answers.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog.h"

#include <string.h>

static AmPlace *
place_of(AmCatalog *catalog, const AmMount *mount)
{
	AmPlace *place;

	for (int i = 0; i < catalog->place_count; i++)
	{
		place = &catalog->place[i];
		if (place->listener == mount->listener && strcmp(place->prefix, mount->prefix) == 0)
			return place;
	}
	place = &catalog->place[catalog->place_count++];
	place->listener = mount->listener;
	place->prefix = mount->prefix;
	place->prefix_length = strcmp(mount->prefix, "/") == 0 ? 0 : strlen(mount->prefix);
	return place;
}

static bool
route_refused(AmRouteAddOutcome outcome, const AmPlace *place, const AmRoute *route,
			  const AmRoute *other, AmText *error)
{
	if (outcome == AM_ROUTE_ADDED || outcome == AM_ROUTE_SHADOWED)
		return false;
	if (outcome == AM_ROUTE_COLLIDES)
		am_text_printf(error,
					   "%s %s belongs to the APIs \"%s\" and \"%s\", which are mounted at the "
					   "same port and prefix %s",
					   am_method_name(route->method), route->path, other->api, route->api,
					   place->prefix);
	else
		am_text_printf(error, "route %s of API \"%s\" could not be added", route->path, route->api);
	return true;
}

static bool
api_mount(AmCatalog *catalog, AmPlace *place, const char *api, AmText *error)
{
	int count = 0;

	for (int i = 0; i < catalog->route_count; i++)
	{
		const AmRoute *route = &catalog->route[i];
		const AmRoute *other;
		AmRouteAddOutcome outcome;

		if (strcmp(route->api, api) != 0)
			continue;
		outcome = am_place_add(place, route, &other);
		if (route_refused(outcome, place, route, other, error))
			return false;
		count++;
	}
	if (count == 0)
	{
		am_text_printf(error, "API \"%s\" is mounted, but the database has no route of it", api);
		return false;
	}
	place->api[place->api_count++] = api;
	return true;
}

static void
slots_register(AmCatalog *catalog, const AmConfig *config, AmMetricsRegistry *registry)
{
	for (int i = 0; i < catalog->route_count; i++)
	{
		AmRoute *route = &catalog->route[i];

		route->metrics_slot =
			am_metrics_route_add(registry, route->api, am_method_name(route->method), route->path);
	}
	for (int i = 0; i < config->api_count; i++)
	{
		catalog->slot_unmatched[i] = am_metrics_route_add(
			registry, config->api[i], AM_METRICS_ANY_METHOD, AM_METRICS_UNMATCHED);
		catalog->slot_preflight[i] =
			am_metrics_route_add(registry, config->api[i], "OPTIONS", AM_METRICS_PREFLIGHT);
	}
}

bool
am_catalog_mount(AmCatalog *catalog, const AmConfig *config, AmMetricsRegistry *registry,
				 AmText *error)
{
	for (int i = 0; i < config->mount_count; i++)
	{
		if (!api_mount(catalog, place_of(catalog, &config->mount[i]), config->mount[i].api, error))
			return false;
	}
	slots_register(catalog, config, registry);
	return true;
}
