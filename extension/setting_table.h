/*
 * setting_table.h
 *
 * The settings as an array, and the parsing of one value by its type. Between setting.c (the
 * backend's copy and the SQL functions) and setting_table.c (the types).
 */
#ifndef AM_SETTING_TABLE_H
#define AM_SETTING_TABLE_H

#include "setting.h"

#include "core/net.h"

#define AM_SETTING_VALUE_BYTES_MAX  8192
#define AM_SETTING_NETWORKS_MAX     64
#define AM_SETTING_DOMAIN_BYTES_MAX 253
#define AM_SETTING_LINE_BYTES_MAX   100
#define AM_SETTING_URL_BYTES_MAX    500

typedef enum AmSettingType
{
	AM_TYPE_SERVER,
	AM_TYPE_BOOL,
	AM_TYPE_INT,
	AM_TYPE_DURATION,
	AM_TYPE_RATE,
	AM_TYPE_POLICY,
	AM_TYPE_ENVIRONMENT,
	AM_TYPE_SAMESITE,
	AM_TYPE_ERROR_STYLE,
	AM_TYPE_DOMAIN,
	AM_TYPE_NETWORKS,
	AM_TYPE_ORIGINS,
	AM_TYPE_LINE,
	AM_TYPE_URL
} AmSettingType;

typedef struct AmSettingDef
{
	const char *name;
	AmSettingType type;
	const char *dflt;
	const char *development; /* NULL = as dflt */
	int64 minimum;
	int64 maximum;
	const char *meaning;
} AmSettingDef;

/* A parsed value; which member counts depends on the type. */
typedef struct AmSettingValue
{
	const char *text;
	bool automatic; /* RATE and POLICY: auto */
	int64 number;   /* INT; DURATION in ms; of the types with words the place of the word, from 0 */
	amc_rate rate;  /* RATE */
	size_t networks_count;
	amc_net_prefix *networks; /* NETWORKS */
} AmSettingValue;

extern const AmSettingDef am_setting_table[AM_SETTING_COUNT];

/* The type's name as documents show it. */
extern const char *am_setting_type_name(AmSettingType type);

/*
 * Parses text into *value (what it points to is palloc'd in the current context). Returns NULL, or
 * a sentence that says what the setting wants.
 */
extern const char *am_setting_parse(const AmSettingDef *def, const char *text,
									AmSettingValue *value);

/* The setting of that name, or AM_SETTING_COUNT. */
extern AmSettingId am_setting_lookup(const char *name);

/* The setting whose name is nearest to a misspelt one, or NULL when none is near. */
extern const char *am_setting_nearest(const char *name);

#endif
