/*-------------------------------------------------------------------------
 *
 * config_source.h
 *	  Where values come from: file, environment, command line.
 *
 * The readers turn each source into assignments, that is, pairs of a setting
 * and the text of a value, and know nothing of what values mean.  Assignments
 * of command line and environment outlive the load: a reload needs them again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_CONFIG_SOURCE_H
#define AM_SHIM_CONFIG_SOURCE_H

#include <stdbool.h>

#include "config.h"
#include "config_table.h"
#include "text.h"

#define AM_ASSIGNMENTS_MAX 256

/* In ascending order of precedence. */
typedef enum AmSource
{
	AM_SOURCE_DEFAULT,
	AM_SOURCE_FILE,
	AM_SOURCE_ENVIRONMENT,
	AM_SOURCE_COMMAND_LINE
} AmSource;

typedef struct AmAssignment
{
	int setting; /* index in am_settings */
	AmSource source;
	int line;             /* of the file */
	const char *variable; /* of the environment: another name of the row, or NULL */
	char *value;
} AmAssignment;

struct AmConfigStore
{
	int count;
	AmAssignment item[AM_ASSIGNMENTS_MAX];
};

/* What a load gathers besides the values. */
typedef struct AmConfigReading
{
	AmConfigStore *store;
	AmConfig *config; /* gets the warnings */
	AmText *output;   /* gets the errors */
	int error_count;
	char *file;                   /* from --config or AUTHMETER_CONFIG, NULL = none */
	bool option[AM_OPTION_COUNT]; /* options seen */
} AmConfigReading;

/* One error line, and a hint line unless hint is empty or NULL. */
extern void am_reading_error(AmConfigReading *reading, const char *origin, const char *hint,
							 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Adds a warning to the configuration; past AM_CONFIG_WARNINGS_MAX it is left out. */
extern void am_config_warn(AmConfig *config, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Where an assignment was made, for messages: "FILE:3: loops", "AUTHMETER_LOOPS", "--loops". */
extern void am_assignment_origin(const AmConfigReading *reading, const AmAssignment *assignment,
								 char *origin, size_t origin_bytes);

/* Adds an assignment; the value is copied.  Errors go to the reading. */
extern void am_store_add(AmConfigReading *reading, const AmAssignment *assignment);

/* Copies the assignments of all sources but the file. */
extern bool am_store_copy_lasting(const AmConfigStore *from, AmConfigStore *to);

/* Wipes and frees the values and the store itself. */
extern void am_store_free(AmConfigStore *store);

/*
 * What a program checks and fills in when every setting has its value: what
 * contradicts itself goes to am_reading_error(), what is derived into reading->config.
 * Each program has its own: config_shim.c, mailer_config.c.
 */
extern void am_config_complete(AmConfigReading *reading);

/* The readers. */
extern void am_read_command_line(AmConfigReading *reading, int argc, char **argv);
extern void am_read_environment(AmConfigReading *reading, char **environment);
extern void am_read_file(AmConfigReading *reading);

#endif /* AM_SHIM_CONFIG_SOURCE_H */
