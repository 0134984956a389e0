/*-------------------------------------------------------------------------
 *
 * config_value.c
 *	  From the text of a value to its meaning; see config_value.h.
 *
 *-------------------------------------------------------------------------
 */
#include "config_value.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BLANKS " \t"

/* Longest piece of a value that an error message quotes. */
#define QUOTED_BYTES_MAX 60

typedef struct UnitFactor
{
	AmSettingUnit unit;
	const char *suffix;
	int factor;
} UnitFactor;

static const UnitFactor unit_factors[] = {
	{AM_UNIT_MS, "ms", 1},
	{AM_UNIT_MS, "s", 1000},
	{AM_UNIT_MS, "min", 60 * 1000},
	{AM_UNIT_MS, "h", 60 * 60 * 1000},
	{AM_UNIT_S, "s", 1},
	{AM_UNIT_S, "min", 60},
	{AM_UNIT_S, "h", 60 * 60},
	{AM_UNIT_S, "d", 24 * 60 * 60},
	{AM_UNIT_BYTES, "B", 1},
	{AM_UNIT_BYTES, "kB", 1024},
	{AM_UNIT_BYTES, "MB", 1024 * 1024},
	{AM_UNIT_BYTES, "GB", 1024 * 1024 * 1024},
};

static const char *const unit_hints[] = {
	[AM_UNIT_NONE] = "The value is a plain number.",
	[AM_UNIT_MS] = "Units are ms, s, min and h; without one the number is milliseconds.",
	[AM_UNIT_S] = "Units are s, min, h and d; without one the number is seconds.",
	[AM_UNIT_BYTES] = "Units are B, kB, MB and GB; without one the number is bytes.",
};

static bool refuse(AmValueError *error, const char *hint, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Fills the error and returns false, so that callers can return refuse(...). */
static bool
refuse(AmValueError *error, const char *hint, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void) vsnprintf(error->message, sizeof(error->message), format, arguments);
	va_end(arguments);
	(void) snprintf(error->hint, sizeof(error->hint), "%s", hint);
	return false;
}

/* The factor of a unit's suffix for this setting, 0 if it does not take it. */
static int
unit_factor(AmSettingUnit unit, const char *suffix)
{
	if (*suffix == '\0')
		return 1;
	for (size_t i = 0; i < sizeof(unit_factors) / sizeof(unit_factors[0]); i++)
	{
		if (unit_factors[i].unit == unit && strcmp(unit_factors[i].suffix, suffix) == 0)
			return unit_factors[i].factor;
	}
	return 0;
}

bool
am_value_integer(const AmSetting *setting, const char *value, int *result, AmValueError *error)
{
	const char *c = value;
	bool negative = *c == '-';
	long long number = 0;
	int factor;

	if (negative)
		c++;
	if (*c < '0' || *c > '9')
		return refuse(error, unit_hints[setting->unit], "\"%.*s\" is not a whole number",
					  QUOTED_BYTES_MAX, value);
	for (; *c >= '0' && *c <= '9'; c++)
	{
		/* Past every range it stays where it is, so that neither this nor the factor wraps. */
		if (number <= INT32_MAX)
			number = number * 10 + (*c - '0');
		if (number > INT32_MAX)
			number = INT32_MAX + 1LL;
	}
	c += strspn(c, BLANKS);
	factor = unit_factor(setting->unit, c);
	if (factor == 0)
		return refuse(error, unit_hints[setting->unit], "\"%.*s\" is not a whole number",
					  QUOTED_BYTES_MAX, value);
	if (negative)
		number = -number;
	if (number * factor < setting->minimum || number * factor > setting->maximum)
	{
		const char *unit = am_unit_name(setting->unit);

		return refuse(error, "", "\"%.*s\" is out of range: %d to %d%s%s", QUOTED_BYTES_MAX, value,
					  setting->minimum, setting->maximum, *unit != '\0' ? " " : "", unit);
	}
	*result = (int) (number * factor);
	return true;
}

bool
am_value_level(const char *value, AmObsLevel *result, AmValueError *error)
{
	/* the word that services written for Node.js are deployed with */
	const char *name = strcmp(value, "warn") == 0 ? "warning" : value;

	for (int level = AM_LEVEL_ERROR; level <= AM_LEVEL_DEBUG; level++)
	{
		if (strcmp(name, am_obs_level_name((AmObsLevel) level)) == 0)
		{
			*result = (AmObsLevel) level;
			return true;
		}
	}
	return refuse(error, "Levels are error, warning, info and debug.", "\"%.*s\" is not a level",
				  QUOTED_BYTES_MAX, value);
}

/* ---- endpoints ---- */

/* A port number of 1 to 5 digits, 1..65535. */
static bool
parse_port(const char *text, int *port)
{
	size_t length = strlen(text);
	int number = 0;

	if (length == 0 || length > 5 || strspn(text, "0123456789") != length)
		return false;
	for (const char *c = text; *c != '\0'; c++)
		number = number * 10 + (*c - '0');
	if (number < 1 || number > 65535)
		return false;
	*port = number;
	return true;
}

/* Sets the address in its canonical spelling, so that equal addresses compare equal. */
static bool
parse_address(const char *text, bool ipv6, AmEndpoint *endpoint)
{
	unsigned char binary[sizeof(struct in6_addr)];
	int family = ipv6 ? AF_INET6 : AF_INET;

	if (!ipv6 && strcmp(text, "localhost") == 0)
		text = "127.0.0.1";
	if (inet_pton(family, text, binary) != 1)
		return false;
	endpoint->ipv6 = ipv6;
	return inet_ntop(family, binary, endpoint->address, sizeof(endpoint->address)) != NULL;
}

/*
 * Cuts "[v6]:port", "v4:port" or "port" in two, in place.  False if the brackets
 * or the colon are missing where they must be.
 */
static bool
split_endpoint(char *text, char **address, char **port, bool *ipv6)
{
	char *end;

	*ipv6 = text[0] == '[';
	if (*ipv6)
	{
		end = strchr(text, ']');
		if (end == NULL || end[1] != ':')
			return false;
		*end = '\0';
		*address = text + 1;
		*port = end + 2;
		return true;
	}
	end = strrchr(text, ':');
	if (end == NULL)
	{
		*address = NULL;
		*port = text;
		return true;
	}
	*end = '\0';
	*address = text;
	*port = end + 1;
	return true;
}

bool
am_value_endpoint(const char *value, AmEndpoint *result, AmValueError *error)
{
	static const char hint[] =
		"Write ADDRESS:PORT with a numeric address, [ADDRESS]:PORT for IPv6, or PORT alone.";
	char copy[AM_ADDRESS_BYTES + 16];
	char *address;
	char *port;
	AmEndpoint endpoint = {.address = "127.0.0.1"};
	bool ipv6;

	if (strlen(value) >= sizeof(copy))
		return refuse(error, hint, "\"%.*s...\" is too long for an address and port",
					  QUOTED_BYTES_MAX, value);
	(void) snprintf(copy, sizeof(copy), "%s", value);
	if (!split_endpoint(copy, &address, &port, &ipv6))
		return refuse(error, hint, "\"%.*s\" is not an address and port", QUOTED_BYTES_MAX, value);
	if (address != NULL && !parse_address(address, ipv6, &endpoint))
		return refuse(error, hint, "\"%s\" is not a numeric %s address", address,
					  ipv6 ? "IPv6" : "IPv4");
	if (!parse_port(port, &endpoint.port))
		return refuse(error, "A port is a number from 1 to 65535.", "\"%s\" is not a port", port);
	*result = endpoint;
	return true;
}

/* ---- mounts ---- */

/* API names are lower-case identifiers: they become parts of SQL function names. */
static bool
check_api(const char *api, AmValueError *error)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
	size_t length = strlen(api);

	if (length == 0)
		return refuse(error, "Write for example 3000=vsplugin.", "the name of the API is missing");
	if (length > AM_API_NAME_BYTES_MAX || strspn(api, allowed) != length || api[0] < 'a' ||
		api[0] > 'z')
		return refuse(error, "Names are lower-case letters, digits and underscores.",
					  "\"%.*s\" is not the name of an API", QUOTED_BYTES_MAX, api);
	return true;
}

/*
 * A prefix is "/" or segments of unreserved characters (RFC 3986, section 2.3), so
 * that it can be compared with the raw path byte by byte.
 */
static bool
check_prefix(const char *prefix, AmValueError *error)
{
	static const char hint[] = "A prefix is / or like /s/name, without a slash at its end.";
	static const char unreserved[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	const char *segment = prefix;

	if (strlen(prefix) > AM_PREFIX_BYTES_MAX)
		return refuse(error, hint, "the prefix is longer than %d bytes", AM_PREFIX_BYTES_MAX);
	if (strcmp(prefix, "/") == 0)
		return true;
	do
	{
		size_t length;

		if (*segment != '/')
			return refuse(error, hint, "\"%.*s\" is not a prefix", QUOTED_BYTES_MAX, prefix);
		segment++;
		length = strspn(segment, unreserved);
		if (length == 0 || strncmp(segment, "./", 2) == 0 || strncmp(segment, "../", 3) == 0 ||
			strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0)
			return refuse(error, hint, "\"%.*s\" is not a prefix", QUOTED_BYTES_MAX, prefix);
		segment += length;
	} while (*segment != '\0');
	return true;
}

/* Index of the listener, added if it is new; -1 if there are too many. */
static int
listener_index(AmConfig *config, const AmEndpoint *endpoint)
{
	for (int i = 0; i < config->listener_count; i++)
	{
		const AmEndpoint *known = &config->listener[i];

		if (known->port == endpoint->port && strcmp(known->address, endpoint->address) == 0)
			return i;
	}
	if (config->listener_count >= AM_LISTENERS_MAX)
		return -1;
	config->listener[config->listener_count] = *endpoint;
	return config->listener_count++;
}

static void
remember_api(AmConfig *config, const char *api)
{
	for (int i = 0; i < config->api_count; i++)
	{
		if (strcmp(config->api[i], api) == 0)
			return;
	}
	(void) snprintf(config->api[config->api_count], sizeof(config->api[0]), "%s", api);
	config->api_count++;
}

static bool
is_mounted(const AmConfig *config, const char *api, int listener, const char *prefix)
{
	for (int i = 0; i < config->mount_count; i++)
	{
		const AmMount *mount = &config->mount[i];

		if (mount->listener == listener && strcmp(mount->api, api) == 0 &&
			strcmp(mount->prefix, prefix) == 0)
			return true;
	}
	return false;
}

static bool
add_mount(AmConfig *config, const char *api, const AmEndpoint *endpoint, const char *prefix,
		  AmValueError *error)
{
	AmMount *mount;
	int listener;

	if (!check_api(api, error) || !check_prefix(prefix, error))
		return false;
	if (config->mount_count >= AM_MOUNTS_MAX)
		return refuse(error, "", "there are more than %d mounts", AM_MOUNTS_MAX);
	listener = listener_index(config, endpoint);
	if (listener < 0)
		return refuse(error, "", "there are more than %d listeners", AM_LISTENERS_MAX);
	if (is_mounted(config, api, listener, prefix))
		return refuse(error, "", "API \"%s\" is mounted twice at port %d, prefix %s", api,
					  endpoint->port, prefix);
	mount = &config->mount[config->mount_count++];
	mount->listener = listener;
	(void) snprintf(mount->api, sizeof(mount->api), "%s", api);
	(void) snprintf(mount->prefix, sizeof(mount->prefix), "%s", prefix);
	remember_api(config, api);
	return true;
}

/* One "[ADDRESS:]PORT[/PREFIX]=API[,API]"; item is cut up. */
static bool
listen_item(char *item, AmConfig *config, AmValueError *error)
{
	char prefix[AM_PREFIX_BYTES_MAX + 2] = "/";
	char *apis = strchr(item, '=');
	char *slash;
	AmEndpoint endpoint = {.address = ""};

	if (apis == NULL)
		return refuse(error, "Write for example 127.0.0.1:3000=vsplugin or 8080/s/x=vsplugin.",
					  "\"%.*s\" does not say which API to serve", QUOTED_BYTES_MAX, item);
	*apis++ = '\0';
	slash = strchr(item, '/');
	if (slash != NULL)
	{
		(void) snprintf(prefix, sizeof(prefix), "%s", slash);
		*slash = '\0';
	}
	if (!am_value_endpoint(item, &endpoint, error))
		return false;
	for (;;)
	{
		char *comma = strchr(apis, ',');

		if (comma != NULL)
			*comma = '\0';
		if (!add_mount(config, apis, &endpoint, prefix, error))
			return false;
		if (comma == NULL)
			return true;
		apis = comma + 1;
	}
}

/* One "API ADDRESS:PORT [PREFIX]"; item is cut up. */
static bool
mount_item(char *item, AmConfig *config, AmValueError *error)
{
	static const char hint[] = "Write for example: vsplugin 127.0.0.1:3000 /.";
	char *rest = NULL;
	const char *api = strtok_r(item, BLANKS, &rest);
	const char *where = strtok_r(NULL, BLANKS, &rest);
	const char *prefix = strtok_r(NULL, BLANKS, &rest);
	AmEndpoint endpoint = {.address = ""};

	if (api == NULL || where == NULL)
		return refuse(error, hint, "a mount needs an API and an address with a port");
	if (strtok_r(NULL, BLANKS, &rest) != NULL)
		return refuse(error, hint, "there is something after the prefix of the mount");
	if (!am_value_endpoint(where, &endpoint, error))
		return false;
	return add_mount(config, api, &endpoint, prefix != NULL ? prefix : "/", error);
}

typedef bool (*ItemParser)(char *item, AmConfig *config, AmValueError *error);

/* Gives each piece of a value to parse; at least one piece must be there. */
static bool
each_item(const char *value, const char *separators, ItemParser parse, AmConfig *config,
		  AmValueError *error)
{
	char copy[AM_CONFIG_LINE_BYTES_MAX];
	char *rest = NULL;
	char *item;

	if (strlen(value) >= sizeof(copy))
		return refuse(error, "", "the value is longer than %d bytes", AM_CONFIG_LINE_BYTES_MAX - 1);
	(void) snprintf(copy, sizeof(copy), "%s", value);
	item = strtok_r(copy, separators, &rest);
	if (item == NULL)
		return refuse(error, "", "the value is empty");
	for (; item != NULL; item = strtok_r(NULL, separators, &rest))
	{
		if (!parse(item, config, error))
			return false;
	}
	return true;
}

bool
am_value_listen(const char *value, AmConfig *config, AmValueError *error)
{
	return each_item(value, BLANKS, listen_item, config, error);
}

bool
am_value_mount(const char *value, AmConfig *config, AmValueError *error)
{
	return each_item(value, ";", mount_item, config, error);
}
