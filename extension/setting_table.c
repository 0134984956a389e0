/*
 * setting_table.c
 *
 * The settings as an array, and one parser a type.
 */
#include "compat.h"

#include "utils/varlena.h"

#include "setting_table.h"

/* A misspelt name further away than this gets no suggestion. */
#define NEAREST_DISTANCE_MAX 6

const AmSettingDef am_setting_table[AM_SETTING_COUNT] = {
#define X(id, name, type, dflt, devel, minimum, maximum, meaning) \
	{name, AM_TYPE_##type, dflt, devel, minimum, maximum, meaning},
	AM_SETTINGS(X)
#undef X
};

const char *
am_setting_type_name(AmSettingType type)
{
	static const char *const names[] = {
		"server",   "bool",        "integer", "duration", "rate",    "policy", "environment",
		"samesite", "error_style", "domain",  "networks", "origins", "line",   "url"};

	return names[type];
}

/* words are separated by |; the value's number is the place of the one given. */
static const char *
parse_words(const char *text, const char *words, AmSettingValue *value)
{
	size_t len = strlen(text);
	const char *word = words;

	for (value->number = 0; *word != '\0'; value->number++)
	{
		size_t word_len = strcspn(word, "|");

		if (word_len == len && strncmp(word, text, len) == 0)
			return NULL;
		word += word_len + (word[word_len] == '|' ? 1 : 0);
	}
	return psprintf("The value must be one of %s.", words);
}

static const char *
parse_int(const AmSettingDef *def, const char *text, AmSettingValue *value)
{
	char *end;

	errno = 0;
	value->number = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || !isdigit((unsigned char) end[-1]) ||
		value->number < def->minimum || value->number > def->maximum)
		return psprintf("The value must be an integer from " INT64_FORMAT " to " INT64_FORMAT ".",
						def->minimum, def->maximum);
	return NULL;
}

static const char *
parse_duration(const AmSettingDef *def, const char *text, AmSettingValue *value)
{
	char minimum[AMC_DURATION_TEXT_BYTES];
	char maximum[AMC_DURATION_TEXT_BYTES];

	if (amc_duration_parse(text, strlen(text), &value->number) && value->number >= def->minimum &&
		value->number <= def->maximum)
		return NULL;
	amc_duration_format(def->minimum, minimum);
	amc_duration_format(def->maximum, maximum);
	return psprintf(
		"The value must be a duration from %s to %s, such as 250ms, 10s, 15m, 1h or 30d.", minimum,
		maximum);
}

static const char *
parse_rate(const AmSettingDef *def, const char *text, AmSettingValue *value)
{
	bool takes_auto = strcmp(def->dflt, "auto") == 0;

	value->automatic = takes_auto && strcmp(text, "auto") == 0;
	if (value->automatic || amc_rate_parse(text, strlen(text), &value->rate))
		return NULL;
	return psprintf("The value must be count/window such as 10/15m%s or off.",
					takes_auto ? ", auto" : "");
}

static const char *
parse_policy(const char *text, AmSettingValue *value)
{
	value->automatic = strcmp(text, "auto") == 0;
	if (value->automatic || parse_words(text, "documented|strict", value) == NULL)
		return NULL;
	return "The value must be documented, strict or auto.";
}

static const char *
parse_networks(const char *text, AmSettingValue *value)
{
	size_t error_at = 0;

	value->networks = palloc(sizeof(amc_net_prefix) * AM_SETTING_NETWORKS_MAX);
	if (amc_net_list_parse(text, strlen(text), value->networks, AM_SETTING_NETWORKS_MAX,
						   &value->networks_count, &error_at))
		return NULL;
	return psprintf("The value must be at most %d comma-separated addresses or networks in CIDR "
					"form; the entry at offset %d is not one.",
					AM_SETTING_NETWORKS_MAX, (int) error_at);
}

/* What may stand in the Domain attribute of a cookie. */
static const char *
parse_domain(const char *text)
{
	size_t len = strlen(text);

	if (len <= AM_SETTING_DOMAIN_BYTES_MAX &&
		strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.-") == len)
		return NULL;
	return "The value must be a host name in lower case, such as app.example, or empty.";
}

/* One origin is scheme://host[:port] in lower case, as a browser sends it. */
static bool
origin_valid(const char *origin, size_t len)
{
	size_t scheme = len > 8 && strncmp(origin, "https://", 8) == 0  ? 8
					: len > 7 && strncmp(origin, "http://", 7) == 0 ? 7
																	: 0;
	size_t i;

	if (scheme == 0)
		return false;
	for (i = scheme; i < len; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789.-:[]", origin[i]) == NULL)
			return false;
	return true;
}

static const char *
parse_origins(const char *text)
{
	const char *p = text;

	while (*p != '\0')
	{
		size_t len = strcspn(p, ",");
		size_t skip = strspn(p, " ");
		size_t used = len;

		while (used > skip && p[used - 1] == ' ')
			used--;
		if (skip >= used || !origin_valid(p + skip, used - skip))
			return "The value must be comma-separated origins such as https://app.example, in lower "
				   "case and without a path; * is refused.";
		p += len + (p[len] == ',' ? 1 : 0);
	}
	return NULL;
}

/* Shown to people: not empty, and nothing that could begin another line. */
static const char *
parse_line(const char *text)
{
	size_t len = strlen(text);
	size_t i;

	for (i = 0; i < len; i++)
		if ((unsigned char) text[i] < ' ' || text[i] == 0x7f)
			break;
	if (len > 0 && i == len && len <= AM_SETTING_LINE_BYTES_MAX)
		return NULL;
	return psprintf("The value must be one line of 1 to %d bytes.", AM_SETTING_LINE_BYTES_MAX);
}

/* Where a link of a mail leads: nothing in it may end an attribute or a line. */
static const char *
parse_url(const char *text)
{
	size_t len = strlen(text);
	size_t scheme = strncmp(text, "https://", 8) == 0  ? 8
					: strncmp(text, "http://", 7) == 0 ? 7
													   : 0;
	const char *token = strstr(text, "{token}");
	size_t i;

	if (len == 0)
		return NULL;
	for (i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~' || strchr("\"'<>\\^`|", text[i]) != NULL)
			break;
	if (i == len && len <= AM_SETTING_URL_BYTES_MAX && scheme > 0 &&
		isalnum((unsigned char) text[scheme]) &&
		(token == NULL ? strpbrk(text, "{}#") == NULL : strstr(token + 1, "{token}") == NULL))
		return NULL;
	return psprintf("The value must be empty or an address such as https://app.example/reset or "
					"https://app.example/reset#token={token}, of at most %d bytes.",
					AM_SETTING_URL_BYTES_MAX);
}

const char *
am_setting_parse(const AmSettingDef *def, const char *text, AmSettingValue *value)
{
	memset(value, 0, sizeof(*value));
	value->text = pstrdup(text);
	if (strlen(text) > AM_SETTING_VALUE_BYTES_MAX)
		return psprintf("The value must have at most %d bytes.", AM_SETTING_VALUE_BYTES_MAX);
	switch (def->type)
	{
		case AM_TYPE_SERVER:
			return NULL;
		case AM_TYPE_BOOL:
			return parse_words(text, "off|on", value);
		case AM_TYPE_INT:
			return parse_int(def, text, value);
		case AM_TYPE_DURATION:
			return parse_duration(def, text, value);
		case AM_TYPE_RATE:
			return parse_rate(def, text, value);
		case AM_TYPE_POLICY:
			return parse_policy(text, value);
		case AM_TYPE_ENVIRONMENT:
			return parse_words(text, "production|development", value);
		case AM_TYPE_SAMESITE:
			return parse_words(text, "lax|strict|none", value);
		case AM_TYPE_ERROR_STYLE:
			return parse_words(text, "code|text", value);
		case AM_TYPE_DOMAIN:
			return parse_domain(text);
		case AM_TYPE_NETWORKS:
			return parse_networks(text, value);
		case AM_TYPE_ORIGINS:
			return parse_origins(text);
		case AM_TYPE_LINE:
			return parse_line(text);
		case AM_TYPE_URL:
			return parse_url(text);
	}
	return "The setting has an unknown type.";
}

AmSettingId
am_setting_lookup(const char *name)
{
	int i;

	for (i = 0; i < AM_SETTING_COUNT; i++)
		if (strcmp(am_setting_table[i].name, name) == 0)
			return (AmSettingId) i;
	return AM_SETTING_COUNT;
}

const char *
am_setting_nearest(const char *name)
{
	const char *nearest = NULL;
	int distance_max = NEAREST_DISTANCE_MAX;
	int i;

	if (strlen(name) > NAMEDATALEN)
		return NULL;
	for (i = 0; i < AM_SETTING_COUNT; i++)
	{
		const char *candidate = am_setting_table[i].name;
		int distance = varstr_levenshtein_less_equal(
			name, strlen(name), candidate, strlen(candidate), 1, 1, 1, distance_max, true);

		if (distance < distance_max || (distance == distance_max && nearest == NULL))
		{
			nearest = candidate;
			distance_max = distance;
		}
	}
	return nearest;
}
