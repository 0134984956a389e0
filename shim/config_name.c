/*-------------------------------------------------------------------------
 *
 * config_name.c
 *	  Names of settings, sections and units: found, spelt, guessed.
 *
 * What every program does with its tables; the tables are config_table.c and
 * mailer_table.c.
 *
 *-------------------------------------------------------------------------
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "config_table.h"

typedef struct Section
{
	const char *title;
	const char *text;
} Section;

static const Section sections[AM_SECTION_COUNT] = {
	[AM_SECTION_DATABASE] =
		{"Database",
		 "The link to PostgreSQL. A Unix socket with peer authentication is the default link."},
	[AM_SECTION_LISTENERS] = {"Listeners", "Where the APIs and the admin pages are served."},
	[AM_SECTION_LIMITS] = {"Process and limits",
						   "Bounds of the process. Nothing in the shim grows without one."},
	[AM_SECTION_FAST] =
		{"Lane fast",
		 "Reads and token verification: many calls in flight, each its own transaction."},
	[AM_SECTION_WRITE] =
		{"Lane write",
		 "Metering and money: the calls that gather while a group is in flight share the next "
		 "commit."},
	[AM_SECTION_SLOW] =
		{"Lane slow",
		 "Password hashing: one call at a time on each connection, so that logins slow nobody else."},
	[AM_SECTION_SMTP] = {"Mail server",
						 "Where mail goes: an SMTP server, or in development a folder."},
	[AM_SECTION_MAIL] = {"Mail", "What is written on every mail, and how many are taken at once."},
	[AM_SECTION_LOG] =
		{"Log",
		 "One JSON object a line; never a body, a query, a cookie or an Authorization header."},
};

bool
am_section_used(AmSettingSection section)
{
	for (int i = 0; i < am_setting_count; i++)
	{
		if (am_settings[i].section == section)
			return true;
	}
	return false;
}

const char *
am_section_title(AmSettingSection section)
{
	return sections[section].title;
}

const char *
am_section_text(AmSettingSection section)
{
	return sections[section].text;
}

const char *
am_unit_name(AmSettingUnit unit)
{
	static const char *const names[] = {
		[AM_UNIT_NONE] = "",
		[AM_UNIT_MS] = "ms",
		[AM_UNIT_S] = "s",
		[AM_UNIT_BYTES] = "bytes",
	};

	return names[unit];
}

void
am_setting_environment(const AmSetting *setting, char *name, size_t name_bytes)
{
	(void) snprintf(name, name_bytes, "%s%s", AM_ENVIRONMENT_PREFIX, setting->name);
	for (char *c = name; *c != '\0'; c++)
		*c = (char) toupper((unsigned char) *c);
}

/* On the command line people write dashes where the file has underscores. */
static char
name_fold(char c)
{
	return c == '-' ? '_' : c;
}

/* True if setting, which has at least length bytes, begins with name. */
static bool
name_begins(const char *setting, const char *name, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		if (name_fold(setting[i]) != name_fold(name[i]))
			return false;
	}
	return true;
}

static bool
name_equals(const char *setting, const char *name, size_t length)
{
	return strlen(setting) == length && name_begins(setting, name, length);
}

int
am_setting_find(const char *name, size_t length)
{
	for (int i = 0; i < am_setting_count; i++)
	{
		if (name_equals(am_settings[i].name, name, length))
			return i;
	}
	return -1;
}

static int
least(int a, int b)
{
	return a < b ? a : b;
}

/*
 * Number of edits (insert, delete, replace, swap of neighbours) between two
 * names of at most AM_SETTING_NAME_BYTES_MAX bytes: the optimal string alignment
 * distance, with three rows of its matrix.
 */
static int
name_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	int rows[3][AM_SETTING_NAME_BYTES_MAX + 1] = {{0}};

	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = (int) j;
	for (size_t i = 1; i <= a_length; i++)
	{
		int *row = rows[i % 3];
		const int *above = rows[(i - 1) % 3];
		const int *above2 = rows[(i + 1) % 3];

		row[0] = (int) i;
		for (size_t j = 1; j <= b_length; j++)
		{
			bool same = name_fold(a[i - 1]) == name_fold(b[j - 1]);

			row[j] = least(above[j - 1] + (same ? 0 : 1), least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && name_fold(a[i - 1]) == name_fold(b[j - 2]) &&
				name_fold(a[i - 2]) == name_fold(b[j - 1]))
				row[j] = least(row[j], above2[j - 2] + 1);
		}
	}
	return rows[a_length % 3][b_length];
}

/* Keeps candidate if it is nearer than the best so far; a forgotten unit counts as one edit. */
static void
nearest_consider(const char *candidate, const char *name, size_t length, int *best,
				 const char **nearest)
{
	bool begins = length >= 3 && strlen(candidate) > length && name_begins(candidate, name, length);
	int distance = begins ? 1 : name_distance(name, length, candidate, strlen(candidate));

	if (distance < *best)
	{
		*best = distance;
		*nearest = candidate;
	}
}

const char *
am_setting_nearest(const char *name, size_t length, bool options)
{
	const char *nearest = NULL;
	int best = 3 + (int) length / 6; /* one edit past what a slip of the finger makes */

	if (length == 0 || length > AM_SETTING_NAME_BYTES_MAX)
		return NULL;
	if (best > (int) length)
		best = (int) length;
	for (int i = 0; i < am_setting_count; i++)
		nearest_consider(am_settings[i].name, name, length, &best, &nearest);
	for (int i = 0; options && i < am_option_count; i++)
		nearest_consider(am_options[i].name, name, length, &best, &nearest);
	return nearest;
}
