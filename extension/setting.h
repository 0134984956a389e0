/*
 * setting.h
 *
 * Typed reading of the settings that are rows of authmeter.setting. Every getter serves from the
 * backend's cache, which is renewed after any commit that changed the table; a value is therefore
 * in force from its commit on. A getter of the wrong type is a programming error (Assert).
 */
#ifndef AM_SETTING_H
#define AM_SETTING_H

#include "compat.h"

#include "core/rate.h"
#include "setting_list.h"

typedef enum AmSettingId
{
#define X(id, name, type, dflt, devel, minimum, maximum, meaning) AM_SETTING_##id,
	AM_SETTINGS(X)
#undef X
	AM_SETTING_COUNT
} AmSettingId;

/* The setting's meaning as it stands in the table. */
extern const char *am_setting_meaning(AmSettingId id);

/* Integer, or milliseconds of a duration. */
extern int64 am_setting_int(AmSettingId id);

/* True when authmeter.environment is development. */
extern bool am_setting_development(void);

/* A policy with auto resolved: true = strict, false = documented. */
extern bool am_setting_strict(AmSettingId id);

/*
 * A rate: false for auto (the caller decides), else true with *rate filled; rate->count is 0 when
 * the limit is off.
 */
extern bool am_setting_rate(AmSettingId id, amc_rate *rate);

/* True when the textual address lies in the list; a malformed address never does. */
extern bool am_setting_in_networks(AmSettingId id, const char *address);

/* The value in force as text; valid until the next call that may read a table. */
extern const char *am_setting_text(AmSettingId id);

#endif
