/*
 * multipart.c
 *		multipart/form-data that arrives in pieces: delimiters and data.
 *
 * Why not MHD_PostProcessor of libmicrohttpd, which the shim is linked with
 * anyway: of a list of hostile and of ordinary bodies it (0.9.75) cut a header at a
 * NUL, ended a file name at its first escaped quote, did not see `name=file` (which
 * .NET sends), `FORM-DATA` or a header without a blank behind its colon, refused
 * blanks behind a boundary and an epilogue, though RFC 2046 allows both, took the
 * first of two Content-Disposition or Content-Type headers, gave the files of a
 * nested multipart/mixed as if they were the form's own, and has no limit of parts.
 * It also says "malformed" only at the end and allocates as it goes.
 *
 * Where the standards leave room, a body that two readers could understand in two
 * ways is malformed: bare LF, folded headers, repeated headers or parameters, a
 * line that begins with the boundary and goes on, text behind the close delimiter.
 *
 * The delimiter begins with CR and has no other CR.  So when a match fails, no
 * shorter match can be under way but one that begins with the byte that failed,
 * and the bytes that had matched are known without being kept: they are the
 * beginning of the delimiter.
 */
#include "core/multipart.h"

#include "core/multipart_header.h"

#define PREFIX_LEN 4 /* CR LF - - */
#define BREAK_LEN  2 /* CR LF */

/* The delimiter may follow at once: the line break before it is one that was read already. */
static void
data_start(amc_multipart *reader, amc_multipart_phase phase)
{
	reader->phase = phase;
	reader->matched = BREAK_LEN;
	reader->borrowed = BREAK_LEN;
}

void
amc_multipart_init(amc_multipart *reader, const char *boundary, size_t boundary_len,
				   const amc_multipart_sink *sink)
{
	memset(reader, 0, sizeof(*reader));
	reader->sink = *sink;
	memcpy(reader->delimiter, "\r\n--", PREFIX_LEN);
	memcpy(reader->delimiter + PREFIX_LEN, boundary, boundary_len);
	reader->delimiter_len = PREFIX_LEN + boundary_len;
	data_start(reader, AMC_MULTIPART_PREAMBLE);
}

static void
data_give(amc_multipart *reader, const char *bytes, size_t len)
{
	if (len > 0 && reader->phase == AMC_MULTIPART_DATA)
		reader->sink.data(reader->sink.state, bytes, len);
}

/* What looked like a delimiter was data. */
static void
match_failed(amc_multipart *reader)
{
	data_give(reader, reader->delimiter + reader->borrowed, reader->matched - reader->borrowed);
	reader->matched = 0;
	reader->borrowed = 0;
}

/* Preamble or data up to a delimiter, or all of it; returns the bytes taken. */
static size_t
data_take(amc_multipart *reader, const char *bytes, size_t len)
{
	size_t at = 0;

	while (at < len && reader->matched < reader->delimiter_len)
	{
		const char *stop;

		if (bytes[at] == reader->delimiter[reader->matched])
		{
			reader->matched++;
			at++;
			continue;
		}
		if (reader->matched > 0)
		{
			match_failed(reader);
			continue;
		}
		stop = memchr(bytes + at, '\r', len - at);
		if (stop == NULL)
			stop = bytes + len;
		data_give(reader, bytes + at, (size_t) (stop - bytes) - at);
		at = (size_t) (stop - bytes);
	}
	if (reader->matched == reader->delimiter_len)
	{
		if (reader->phase == AMC_MULTIPART_DATA)
			reader->sink.end(reader->sink.state);
		reader->phase = AMC_MULTIPART_DELIMITED;
	}
	return at;
}

static void
part_start(amc_multipart *reader)
{
	reader->phase = AMC_MULTIPART_HEADER;
	reader->line_len = 0;
	reader->has_disposition = false;
	reader->has_type = false;
	reader->has_filename = false;
	if (++reader->part_count > AMC_MULTIPART_PARTS_MAX)
		reader->phase = AMC_MULTIPART_MALFORMED;
}

static void
part_begin(amc_multipart *reader)
{
	amc_multipart_part part = {
		.name = {reader->name, reader->name_len},
		.filename = {reader->has_filename ? reader->filename : NULL, reader->filename_len},
		.type = {reader->type, reader->type_len},
	};

	/* RFC 7578 sections 4.2 and 4.4: the name is required, the type has a default */
	if (!reader->has_disposition)
	{
		reader->phase = AMC_MULTIPART_MALFORMED;
		return;
	}
	if (!reader->has_type)
		part.type = AMC_SPAN("text/plain");
	if (!reader->has_filename)
		part.filename.len = 0;
	data_start(reader, AMC_MULTIPART_DATA);
	reader->sink.begin(reader->sink.state, &part);
}

static void
header_line_end(amc_multipart *reader)
{
	if (reader->line_len == 0)
	{
		part_begin(reader);
		return;
	}
	reader->phase =
		amc_multipart_header_take(reader) ? AMC_MULTIPART_HEADER : AMC_MULTIPART_MALFORMED;
	reader->line_len = 0;
}

/*
 * One byte of a header line that is not its end. Control characters may stand in a file name:
 * who keeps the name removes them. What would end a line or a C string may not.
 */
static void
header_byte(amc_multipart *reader, char c)
{
	bool refused = c == '\0' || c == '\n';

	if (c == '\r')
		reader->phase = AMC_MULTIPART_HEADER_FEED;
	else if (refused || reader->line_len == sizeof(reader->line) ||
			 ++reader->header_bytes > AMC_MULTIPART_HEADER_BYTES_MAX)
		reader->phase = AMC_MULTIPART_MALFORMED;
	else
		reader->line[reader->line_len++] = c;
}

static amc_multipart_phase
delimited_next(char c)
{
	switch (c)
	{
		case '-':
			return AMC_MULTIPART_CLOSING;
		case '\r':
			return AMC_MULTIPART_LINE_FEED;
		case ' ':
		case '\t':
			return AMC_MULTIPART_PADDING;
		default:
			return AMC_MULTIPART_MALFORMED;
	}
}

static amc_multipart_phase
closed_next(char c)
{
	if (c == ' ' || c == '\t')
		return AMC_MULTIPART_CLOSED;
	return c == '\r' ? AMC_MULTIPART_CLOSED_FEED : AMC_MULTIPART_MALFORMED;
}

/* One byte outside of data. */
static void
byte_take(amc_multipart *reader, char c)
{
	bool fits = true;

	switch (reader->phase)
	{
		case AMC_MULTIPART_DELIMITED:
			reader->phase = delimited_next(c);
			break;
		case AMC_MULTIPART_PADDING:
			fits = c != '-';
			reader->phase = delimited_next(c);
			break;
		case AMC_MULTIPART_LINE_FEED:
			fits = c == '\n';
			part_start(reader);
			break;
		case AMC_MULTIPART_HEADER:
			header_byte(reader, c);
			break;
		case AMC_MULTIPART_HEADER_FEED:
			fits = c == '\n';
			if (fits)
				header_line_end(reader);
			break;
		case AMC_MULTIPART_CLOSING:
			fits = c == '-';
			reader->phase = AMC_MULTIPART_CLOSED;
			break;
		case AMC_MULTIPART_CLOSED:
			reader->phase = closed_next(c);
			break;
		case AMC_MULTIPART_CLOSED_FEED:
			fits = c == '\n';
			reader->phase = AMC_MULTIPART_EPILOGUE;
			break;
		case AMC_MULTIPART_PREAMBLE:
		case AMC_MULTIPART_DATA:
		case AMC_MULTIPART_EPILOGUE:
		case AMC_MULTIPART_MALFORMED:
			break;
	}
	if (!fits)
		reader->phase = AMC_MULTIPART_MALFORMED;
}

bool
amc_multipart_add(amc_multipart *reader, const char *bytes, size_t len)
{
	size_t at = 0;

	while (at < len && reader->phase < AMC_MULTIPART_EPILOGUE)
	{
		if (reader->phase == AMC_MULTIPART_DATA || reader->phase == AMC_MULTIPART_PREAMBLE)
			at += data_take(reader, bytes + at, len - at);
		else
			byte_take(reader, bytes[at++]);
	}
	return reader->phase != AMC_MULTIPART_MALFORMED;
}

bool
amc_multipart_end(const amc_multipart *reader)
{
	return reader->phase == AMC_MULTIPART_CLOSED || reader->phase == AMC_MULTIPART_EPILOGUE;
}
