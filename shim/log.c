/*-------------------------------------------------------------------------
 *
 * log.c
 *	  From an observation to a line of JSON in the buffer of its thread.
 *
 * A line is built from members, each appended whole or not at all: what would
 * pass the line's bound is left out and "cut":true says so, therefore every line
 * is a complete JSON object (RFC 8259) whatever the values hold.  Bytes that are not
 * UTF-8 become U+FFFD.
 *
 * The destination is log_sink.c.
 *
 *-------------------------------------------------------------------------
 */
#include "log.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log_sink.h"

/* A line under construction; room for the closing part is kept back. */
typedef struct Line
{
	char *data;
	size_t length;
	size_t bytes_max;
	bool cut; /* a member was left out */
} Line;

static const char cut_member[] = ",\"cut\":true";

/* "}\n" and the mark that something was left out. */
#define LINE_END_BYTES (sizeof(cut_member) - 1 + 2)

static_assert(AM_LOG_LINE_BYTES_MAX <= PIPE_BUF, "a line must fit into one write to a pipe");

/* ---- characters ---- */

/*
 * Bytes of the UTF-8 character at text (RFC 3629, section 4), 0 if there is
 * none.  text is NUL-terminated, and NUL is no continuation byte.
 */
static int
utf8_length(const unsigned char *text)
{
	int length;
	unsigned char low = 0x80;
	unsigned char high = 0xbf;

	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	length = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	if (text[0] == 0xe0)
		low = 0xa0;
	else if (text[0] == 0xed)
		high = 0x9f;
	else if (text[0] == 0xf0)
		low = 0x90;
	else if (text[0] == 0xf4)
		high = 0x8f;
	if (text[1] < low || text[1] > high)
		return 0;
	for (int i = 2; i < length; i++)
	{
		if (text[i] < 0x80 || text[i] > 0xbf)
			return 0;
	}
	return length;
}

/*
 * Writes the escaped form of the character at text to out (at most 6 bytes);
 * sets the bytes taken and returns the bytes written.
 */
static int
escape_character(const unsigned char *text, char *out, int *taken)
{
	static const char hex[] = "0123456789abcdef";
	int length = utf8_length(text);

	*taken = length > 0 ? length : 1;
	if (length == 0)
	{
		memcpy(out, "\\ufffd", 6);
		return 6;
	}
	if (length > 1)
	{
		memcpy(out, text, (size_t) length);
		return length;
	}
	if (*text == '"' || *text == '\\')
	{
		out[0] = '\\';
		out[1] = (char) *text;
		return 2;
	}
	if (*text >= 0x20 && *text != 0x7f)
	{
		out[0] = (char) *text;
		return 1;
	}
	memcpy(out, "\\u00", 4);
	out[4] = hex[*text >> 4];
	out[5] = hex[*text & 0x0f];
	return 6;
}

/* ---- members ---- */

static size_t
line_room(const Line *line)
{
	return line->bytes_max - LINE_END_BYTES - line->length;
}

static void line_printf(Line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends a short formatted member, whole or not at all. */
static void
line_printf(Line *line, const char *format, ...)
{
	char member[160];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(member, sizeof(member), format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t) length >= sizeof(member) || (size_t) length > line_room(line))
	{
		line->cut = true;
		return;
	}
	memcpy(line->data + line->length, member, (size_t) length);
	line->length += (size_t) length;
}

static void
line_number(Line *line, const char *name, int64_t value, int64_t absent)
{
	if (value != absent)
		line_printf(line, ",\"%s\":%" PRId64, name, value);
}

/*
 * Appends a string member.  A value over AM_LOG_VALUE_BYTES_MAX is cut at a
 * character border and ends in "...".
 */
static void
line_string(Line *line, const char *name, const char *value)
{
	static const char dots[] = "...";
	const unsigned char *text = (const unsigned char *) value;
	size_t start = line->length;
	size_t taken_bytes = 0;
	bool fits = true;

	if (value == NULL)
		return;
	if (strlen(name) + sizeof(",\"\":\"") + sizeof(dots) > line_room(line))
	{
		line->cut = true;
		return;
	}
	line_printf(line, ",\"%s\":\"", name);
	while (fits && text[taken_bytes] != '\0' && taken_bytes < AM_LOG_VALUE_BYTES_MAX)
	{
		char escaped[8];
		int taken;
		int length = escape_character(text + taken_bytes, escaped, &taken);

		fits = (size_t) length + sizeof(dots) <= line_room(line);
		if (fits)
		{
			memcpy(line->data + line->length, escaped, (size_t) length);
			line->length += (size_t) length;
			taken_bytes += (size_t) taken;
		}
	}
	if (!fits && taken_bytes == 0)
	{
		line->length = start;
		line->cut = true;
		return;
	}
	line_printf(line, "%s\"", text[taken_bytes] != '\0' ? dots : "");
}

/* ---- the line ---- */

static int64_t
now_us(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return 0;
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Writes "2026-01-31T09:15:00.123Z"; the part up to the second is kept for the next line. */
static void
line_time(AmLog *log, Line *line, int64_t time_us)
{
	int64_t second = time_us / 1000000;
	time_t calendar = (time_t) second;
	struct tm parts;

	if (second != log->stamp_second || log->stamp[0] == '\0')
	{
		if (gmtime_r(&calendar, &parts) == NULL ||
			strftime(log->stamp, sizeof(log->stamp), "%Y-%m-%dT%H:%M:%S", &parts) == 0)
			(void) snprintf(log->stamp, sizeof(log->stamp), "1970-01-01T00:00:00");
		log->stamp_second = second;
	}
	line_printf(line, "{\"time\":\"%s.%03dZ\"", log->stamp, (int) (time_us % 1000000 / 1000));
}

static void
line_members(Line *line, const AmObservation *seen, const AmObsRow *row)
{
	line_string(line, "id", seen->request_id);
	line_string(line, "api", seen->api);
	line_string(line, "method", seen->method);
	line_string(line, "route", seen->route);
	line_number(line, "status", seen->status, 0);
	line_number(line, "bytes", seen->bytes, -1);
	line_number(line, "total_us", seen->total_us, -1);
	line_number(line, "queue_us", seen->queue_us, -1);
	line_number(line, "database_us", seen->database_us, -1);
	if (seen->lane != AM_LANE_NONE)
		line_string(line, "lane", am_lane_name(seen->lane));
	line_number(line, "group", seen->group_size, 0);
	line_string(line, "sqlstate", seen->sqlstate);
	line_string(line, "peer", seen->peer);
	if (seen->reason >= 0 && row->reason_kind != AM_REASON_NONE)
		line_string(line, am_reason_label(row->reason_kind),
					am_reason_name(row->reason_kind, seen->reason));
	line_number(line, "count", seen->count, 1);
	line_string(line, "subject", seen->subject);
	if (seen->message != NULL)
		line_string(line, "message", seen->message);
	else if (row->metric != AM_METRIC_REQUEST)
		line_string(line, "message", row->help);
	line_string(line, "hint", seen->hint);
}

size_t
am_log_format(AmLog *log, const AmObservation *observation, int sampled, char *line_data)
{
	const AmObsRow *row = am_obs_row(observation->id);
	Line line = {.data = line_data, .bytes_max = AM_LOG_LINE_BYTES_MAX};

	line_time(log, &line, observation->time_us > 0 ? observation->time_us : now_us());
	line_printf(&line, ",\"level\":\"%s\",\"event\":\"%s\"", am_obs_level_name(row->level),
				row->event);
	if (sampled > 1)
		line_number(&line, "sampled", sampled, 0);
	line_members(&line, observation, row);

	if (line.cut)
	{
		memcpy(line.data + line.length, cut_member, sizeof(cut_member) - 1);
		line.length += sizeof(cut_member) - 1;
	}
	memcpy(line.data + line.length, "}\n", 2);
	return line.length + 2;
}

/* ---- the buffer ---- */

bool
am_log_init(AmLog *log, AmLogSink *sink, AmObs *obs, AmObsLevel level, int sample_above_per_s,
			int sample_one_in)
{
	memset(log, 0, sizeof(*log));
	log->sink = sink;
	log->obs = obs;
	log->buffer = malloc(AM_LOG_BUFFER_BYTES);
	am_log_configure(log, level, sample_above_per_s, sample_one_in);
	return log->buffer != NULL;
}

void
am_log_configure(AmLog *log, AmObsLevel level, int sample_above_per_s, int sample_one_in)
{
	log->level = level;
	log->sample_above_per_s = sample_above_per_s;
	log->sample_one_in = sample_one_in < 1 ? 1 : sample_one_in;
}

/*
 * How the observation is to be logged: 0 not at all, 1 as itself, n as one that
 * stands for n.  Only successful requests are ever left out.
 */
static int
sample(AmLog *log, const AmObservation *observation)
{
	int64_t time_us = observation->time_us > 0 ? observation->time_us : now_us();
	int above;

	if (am_obs_row(observation->id)->metric != AM_METRIC_REQUEST || log->sample_above_per_s == 0 ||
		observation->status < 200 || observation->status > 299)
		return 1;
	if (time_us / 1000000 != log->second)
	{
		log->second = time_us / 1000000;
		log->second_lines = 0;
	}
	if (log->second_lines < INT32_MAX)
		log->second_lines++;
	above = log->second_lines - log->sample_above_per_s;
	if (above <= 0)
		return 1;
	return above % log->sample_one_in == 0 ? log->sample_one_in : 0;
}

static bool
has_room(const AmLog *log)
{
	return AM_LOG_BUFFER_BYTES - log->length >= AM_LOG_LINE_BYTES_MAX;
}

void
am_log_observe(void *state, const AmObservation *observation)
{
	AmLog *log = state;
	int sampled;

	/* Its line is written by the flush, when lines can be written again. */
	if (observation->id == AM_OBS_LOG_DROPPED)
	{
		log->untold += (uint64_t) observation->count;
		return;
	}
	if (am_obs_row(observation->id)->level > log->level)
		return;
	sampled = sample(log, observation);
	if (sampled == 0)
		return;
	if (!has_room(log))
		(void) am_log_sink_drain(log);
	if (has_room(log))
		log->length += am_log_format(log, observation, sampled, log->buffer + log->length);
	else
		log->dropped++;
}

/*
 * Tells how many lines were lost: at once to the metrics, and in the log only
 * after a write has succeeded, because the line about lost lines would be lost too
 * and count itself for ever.
 */
static void
tell_dropped(AmLog *log)
{
	AmObservation lost = am_obs_make(AM_OBS_LOG_DROPPED);

	if (log->dropped > 0)
	{
		lost.count = (int64_t) log->dropped;
		log->dropped = 0;
		if (log->obs != NULL)
			am_obs_emit(log->obs, &lost);
		else
			am_log_observe(log, &lost);
	}
	if (log->untold == 0 || log->broken || !has_room(log) ||
		am_obs_row(AM_OBS_LOG_DROPPED)->level > log->level)
		return;
	lost.count = (int64_t) log->untold;
	log->untold = 0;
	log->length += am_log_format(log, &lost, 1, log->buffer + log->length);
	(void) am_log_sink_drain(log);
}

size_t
am_log_flush(AmLog *log)
{
	if (log->length > 0)
		(void) am_log_sink_drain(log);
	tell_dropped(log);
	return log->length;
}

void
am_log_close(AmLog *log, int wait_ms)
{
	if (log->buffer == NULL)
		return;
	while (am_log_flush(log) > 0 && wait_ms > 0)
		wait_ms -= am_log_sink_wait(log->sink, wait_ms);
	free(log->buffer);
	log->buffer = NULL;
	log->length = 0;
}
