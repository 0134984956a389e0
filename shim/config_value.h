/*-------------------------------------------------------------------------
 *
 * config_value.h
 *	  From the text of a value to its meaning, with a reason when there is none.
 *
 * Every function returns true and sets its result, or returns false and fills
 * the AmValueError; the result is then untouched.  Values are NUL-terminated,
 * without control characters and trimmed; the callers have seen to that.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_CONFIG_VALUE_H
#define AM_SHIM_CONFIG_VALUE_H

#include <stdbool.h>

#include "config.h"
#include "config_table.h"

typedef struct AmValueError
{
	char message[256]; /* lower case, no period */
	char hint[256];    /* a sentence, or empty */
} AmValueError;

/*
 * A whole number, with an optional unit that suits the setting's ("5s" for
 * milliseconds, "64kB" for bytes), within the setting's range.
 */
extern bool am_value_integer(const AmSetting *setting, const char *value, int *result,
							 AmValueError *error);

/* error, warning, info or debug. */
extern bool am_value_level(const char *value, AmObsLevel *result, AmValueError *error);

/* "[ADDRESS:]PORT"; the address is numeric or localhost and defaults to 127.0.0.1. */
extern bool am_value_endpoint(const char *value, AmEndpoint *result, AmValueError *error);

/* Adds the mounts of "[ADDRESS:]PORT[/PREFIX]=API[,API]...", blank-separated, to config. */
extern bool am_value_listen(const char *value, AmConfig *config, AmValueError *error);

/* Adds the mounts of "API ADDRESS:PORT [PREFIX]", separated by semicolons, to config. */
extern bool am_value_mount(const char *value, AmConfig *config, AmValueError *error);

#endif /* AM_SHIM_CONFIG_VALUE_H */
