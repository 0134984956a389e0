/*-------------------------------------------------------------------------
 *
 * config_file.c
 *	  The reader of the configuration file.
 *
 *		# a comment
 *		name = value
 *		name = 'a value with # or with blanks at its ends'	# a comment
 *
 * An unquoted value ends at the line's end or at a blank followed by '#'.  In
 * single or double quotes everything is literal; the quote itself is written
 * twice.  Lines may end in CR LF.
 *
 * The file may hold a password: messages never quote a value here, and the
 * buffers are wiped.
 *
 *-------------------------------------------------------------------------
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_source.h"

#define BLANKS " \t"

/* A line being read. */
typedef struct FileLine
{
	int number;
	char origin[512]; /* FILE:LINE */
} FileLine;

static char *
skip_blanks(char *text)
{
	return text + strspn(text, BLANKS);
}

/* Cuts an unquoted value at its comment and at trailing blanks. */
static void
cut_plain(char *value)
{
	size_t length;

	for (char *c = value; *c != '\0'; c++)
	{
		if (*c == '#' && (c == value || strchr(BLANKS, c[-1]) != NULL))
		{
			*c = '\0';
			break;
		}
	}
	length = strlen(value);
	while (length > 0 && strchr(BLANKS, value[length - 1]) != NULL)
		value[--length] = '\0';
}

/*
 * Takes the quotes off, in place.  False if the closing one is missing or
 * something other than a comment follows it.
 */
static bool
unquote(char *value)
{
	char quote = value[0];
	char *out = value;
	char *in = value + 1;

	for (;;)
	{
		if (*in == '\0')
			return false;
		if (*in == quote)
		{
			in++;
			if (*in != quote)
				break;
		}
		*out++ = *in++;
	}
	in = skip_blanks(in);
	*out = '\0';
	return *in == '\0' || *in == '#';
}

static void
name_unknown(AmConfigReading *reading, const FileLine *line, const char *name)
{
	const char *nearest = am_setting_nearest(name, strlen(name), false);
	char hint[128] = "";

	if (nearest != NULL)
		(void) snprintf(hint, sizeof(hint), "Perhaps you meant \"%s\".", nearest);
	am_reading_error(reading, line->origin, hint, "there is no setting \"%.60s\"", name);
}

/* Reads one line, which is cut up. */
static void
read_line(AmConfigReading *reading, const FileLine *line, char *text)
{
	AmAssignment assignment = {.source = AM_SOURCE_FILE, .line = line->number};
	char *name = skip_blanks(text);
	char *end = name;
	char *equals;

	if (*name == '\0' || *name == '#')
		return;
	while (isalnum((unsigned char) *end) || *end == '_' || *end == '-')
		end++;
	equals = skip_blanks(end);
	if (end == name || *equals != '=')
	{
		am_reading_error(reading, line->origin, "A line is: name = value.",
						 "the line is not a setting");
		return;
	}
	*end = '\0';
	assignment.value = skip_blanks(equals + 1);
	assignment.setting = am_setting_find(name, strlen(name));
	if (assignment.setting < 0)
	{
		name_unknown(reading, line, name);
		return;
	}
	if (*assignment.value == '\'' || *assignment.value == '"')
	{
		if (!unquote(assignment.value))
		{
			am_reading_error(reading, line->origin, "A quote inside quotes is written twice.",
							 "the quoted value of \"%s\" does not end as it should", name);
			return;
		}
	}
	else
		cut_plain(assignment.value);
	am_store_add(reading, &assignment);
}

/* Reads all lines of content, length bytes followed by a NUL. */
static void
read_lines(AmConfigReading *reading, char *content, size_t length)
{
	char *text = content;
	char *content_end = content + length;
	FileLine line = {.number = 0};

	while (text < content_end)
	{
		char *end = memchr(text, '\n', (size_t) (content_end - text));
		char *next = end != NULL ? end + 1 : content_end;

		if (end == NULL)
			end = content_end;
		line.number++;
		(void) snprintf(line.origin, sizeof(line.origin), "%s:%d", reading->file, line.number);
		if (end > text && end[-1] == '\r')
			end--;
		*end = '\0';
		if (end - text >= AM_CONFIG_LINE_BYTES_MAX)
			am_reading_error(reading, line.origin, NULL, "the line is longer than %d bytes",
							 AM_CONFIG_LINE_BYTES_MAX - 1);
		else if (strlen(text) != (size_t) (end - text))
			am_reading_error(reading, line.origin, NULL, "the line holds a NUL");
		else
			read_line(reading, &line, text);
		text = next;
	}
}

/*
 * Fills content (AM_CONFIG_FILE_BYTES_MAX + 1 bytes) from the descriptor.
 * Returns the length, -1 after an error.
 */
static ssize_t
read_content(AmConfigReading *reading, int fd, char *content)
{
	size_t length = 0;

	for (;;)
	{
		ssize_t got = read(fd, content + length, AM_CONFIG_FILE_BYTES_MAX + 1 - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
		{
			am_reading_error(reading, reading->file, NULL, "could not read the file: %s",
							 strerror(errno));
			return -1;
		}
		if (got == 0)
			return (ssize_t) length;
		length += (size_t) got;
		if (length > AM_CONFIG_FILE_BYTES_MAX)
		{
			am_reading_error(reading, reading->file, NULL, "the file is larger than %d bytes",
							 AM_CONFIG_FILE_BYTES_MAX);
			return -1;
		}
	}
}

/* A file with a password in it that everybody can read deserves a word. */
static void
check_mode(AmConfigReading *reading, int fd)
{
	struct stat status;
	bool secret = false;

	for (int i = 0; i < reading->store->count; i++)
	{
		const AmAssignment *item = &reading->store->item[i];

		if (item->source == AM_SOURCE_FILE &&
			(am_settings[item->setting].flags & AM_SETTING_SECRET) != 0)
			secret = true;
	}
	if (!secret || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		return;
	if ((status.st_mode & (S_IROTH | S_IWOTH)) != 0)
		am_config_warn(
			reading->config,
			"configuration file %s holds what may be a password and is open to everybody "
			"(mode %03o); 0640 or less is safer",
			reading->file, (unsigned) (status.st_mode & 0777));
}

void
am_read_file(AmConfigReading *reading)
{
	char *content;
	ssize_t length;
	int fd;

	if (reading->file == NULL)
		return;
	fd = open(reading->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
	{
		am_reading_error(reading, reading->file, NULL, "could not open the file: %s",
						 strerror(errno));
		return;
	}
	content = malloc(AM_CONFIG_FILE_BYTES_MAX + 2);
	if (content == NULL)
	{
		am_reading_error(reading, reading->file, NULL, "out of memory");
		(void) close(fd);
		return;
	}
	length = read_content(reading, fd, content);
	if (length >= 0)
	{
		content[length] = '\0';
		read_lines(reading, content, (size_t) length);
		check_mode(reading, fd);
	}
	explicit_bzero(content, AM_CONFIG_FILE_BYTES_MAX + 2);
	free(content);
	(void) close(fd);
}
