/*-------------------------------------------------------------------------
 *
 * multipart.c
 *	  Parts of a streamed body as JSON (see multipart.h).
 *
 *-------------------------------------------------------------------------
 */
#include "multipart.h"

#include <inttypes.h>
#include <stdio.h>

#include "argument.h"

static void
number_member(AmBuffer *argument, const char *key, uint64_t number)
{
	char text[24];

	am_buffer_puts(argument, key);
	(void) snprintf(text, sizeof(text), "%" PRIu64, number);
	am_buffer_puts(argument, text);
}

static void
part_begin(void *state, const amc_multipart_part *part)
{
	AmMultipart *multipart = state;
	AmBuffer *argument = multipart->argument;

	am_buffer_puts(argument, multipart->part_count++ == 0 ? "{\"name\":" : ",{\"name\":");
	am_buffer_json(argument, part->name.ptr, part->name.len);
	am_argument_member(argument, "filename", part->filename);
	am_argument_member(argument, "type", part->type);
	amc_text_stats_init(&multipart->stats);
	multipart->part_bytes = 0;
}

static void
part_data(void *state, const char *bytes, size_t length)
{
	AmMultipart *multipart = state;

	multipart->part_bytes += length;
	amc_text_stats_add(&multipart->stats, bytes, length);
}

static void
part_end(void *state)
{
	AmMultipart *multipart = state;
	AmBuffer *argument = multipart->argument;
	const amc_text_stats *stats = &multipart->stats;

	number_member(argument, ",\"size\":", multipart->part_bytes);
	if (amc_text_stats_end(stats))
	{
		number_member(argument, ",\"text\":{\"words\":", stats->words);
		number_member(argument, ",\"lines\":", stats->newlines + 1);
		number_member(argument, ",\"characters\":", stats->characters);
		am_buffer_puts(argument, "}}");
	}
	else
		am_buffer_puts(argument, ",\"text\":null}");
}

bool
am_multipart_begin(AmMultipart *multipart, AmBuffer *argument, amc_span content_type)
{
	const amc_multipart_sink sink = {multipart, part_begin, part_data, part_end};
	char boundary[AMC_MULTIPART_BOUNDARY_BYTES_MAX];
	size_t length = amc_multipart_boundary(content_type.ptr, content_type.len, boundary);

	if (length == 0)
	{
		am_argument_member(argument, "multipart", AMC_SPAN("absent"));
		return false;
	}
	amc_multipart_init(&multipart->reader, boundary, length, &sink);
	multipart->argument = argument;
	multipart->member_start = argument->length;
	multipart->part_count = 0;
	am_buffer_puts(argument, ",\"parts\":[");
	return true;
}

void
am_multipart_add(AmMultipart *multipart, const char *bytes, size_t length)
{
	(void) amc_multipart_add(&multipart->reader, bytes, length);
}

void
am_multipart_end(AmMultipart *multipart)
{
	AmBuffer *argument = multipart->argument;

	if (amc_multipart_end(&multipart->reader))
	{
		am_buffer_putc(argument, ']');
		am_argument_member(argument, "multipart", AMC_SPAN("ok"));
		return;
	}
	am_buffer_cut(argument, multipart->member_start);
	am_argument_member(argument, "multipart", AMC_SPAN("malformed"));
}
