/*-------------------------------------------------------------------------
 *
 * config_table.h
 *	  The table of settings and the table of command-line options.
 *
 * A setting exists by being a row of am_settings[]; the parsers and the
 * manual know nothing but the rows.  Each program of this directory is linked
 * with its own tables: config_table.c for the shim, mailer_table.c for the mailer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_CONFIG_TABLE_H
#define AM_SHIM_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>

/* Prefix of every environment variable that names a setting. */
#define AM_ENVIRONMENT_PREFIX "AUTHMETER_"

/* Longest name of a setting, for buffers. */
#define AM_SETTING_NAME_BYTES_MAX 40

typedef enum AmSettingType
{
	AM_SETTING_INTEGER,  /* int at offset */
	AM_SETTING_TEXT,     /* char * at offset, allocated */
	AM_SETTING_LEVEL,    /* AmObsLevel at offset */
	AM_SETTING_ENDPOINT, /* AmEndpoint at offset, or "off" */
	AM_SETTING_LISTEN,   /* mounts in the short form */
	AM_SETTING_MOUNT     /* mounts in the long form */
} AmSettingType;

typedef enum AmSettingUnit
{
	AM_UNIT_NONE,
	AM_UNIT_MS,   /* takes ms, s, min, h */
	AM_UNIT_S,    /* takes s, min, h, d */
	AM_UNIT_BYTES /* takes B, kB, MB, GB (powers of 1024) */
} AmSettingUnit;

typedef enum AmSettingSection
{
	AM_SECTION_DATABASE,
	AM_SECTION_LISTENERS,
	AM_SECTION_LIMITS,
	AM_SECTION_FAST,
	AM_SECTION_WRITE,
	AM_SECTION_SLOW,
	AM_SECTION_SMTP,
	AM_SECTION_MAIL,
	AM_SECTION_LOG,
	AM_SECTION_COUNT
} AmSettingSection;

#define AM_SETTING_REPEATABLE 0x01 /* several values add up */
#define AM_SETTING_SECRET     0x02 /* may hold a password: never printed */
#define AM_SETTING_RELOADABLE 0x04 /* SIGHUP takes over a new value */

typedef struct AmSetting
{
	const char *name;
	AmSettingType type;
	AmSettingUnit unit;
	AmSettingSection section;
	unsigned flags;
	size_t offset;             /* into AmConfig */
	const char *default_value; /* as it would be written in the file */
	int minimum;               /* integers only */
	int maximum;
	const char *environment;      /* second name in the environment, NULL = none */
	const char *environment_also; /* third */
	const char *placeholder;      /* of the value in help */
	const char *meaning;          /* one paragraph; the manual adds the default */
} AmSetting;

extern const AmSetting am_settings[];
extern const int am_setting_count;

/* Options that are not settings. */
typedef enum AmOptionId
{
	AM_OPTION_CONFIG,
	AM_OPTION_CHECK,
	AM_OPTION_HELP,
	AM_OPTION_VERSION,
	AM_OPTION_MAN,
	AM_OPTION_MARKDOWN,
	AM_OPTION_ONCE, /* of the mailer */
	AM_OPTION_COUNT
} AmOptionId;

typedef struct AmOption
{
	const char *name;        /* without the dashes */
	char letter;             /* short form, 0 = none */
	const char *placeholder; /* NULL = takes no value */
	const char *meaning;
} AmOption;

extern const AmOption am_options[];
extern const int am_option_count; /* of this program: the first of AmOptionId */

/* What the manual says about the program beside its tables. */
typedef struct AmProgram
{
	const char *name;
	const char *help;      /* how --help begins: usage and purpose */
	const char *markdown;  /* how --settings-markdown begins */
	const char *man_start; /* roff up to the options */
	const char *man_end;   /* roff behind the settings */
} AmProgram;

extern const AmProgram am_program;

/* Row of that name, -1 if there is none.  length bytes of name; '-' equals '_'. */
extern int am_setting_find(const char *name, size_t length);

/*
 * The setting (or, with options, option) whose name is nearest to a misspelt
 * one, NULL if none is near enough to be meant.
 */
extern const char *am_setting_nearest(const char *name, size_t length, bool options);

/* Does the program have settings of this section? */
extern bool am_section_used(AmSettingSection section);

/* Title of a section, and one sentence about it. */
extern const char *am_section_title(AmSettingSection section);
extern const char *am_section_text(AmSettingSection section);

/* "ms", "s", "bytes" or "". */
extern const char *am_unit_name(AmSettingUnit unit);

/* Writes the name of the setting's variable, AUTHMETER_<NAME>, into name. */
extern void am_setting_environment(const AmSetting *setting, char *name, size_t name_bytes);

#endif /* AM_SHIM_CONFIG_TABLE_H */
