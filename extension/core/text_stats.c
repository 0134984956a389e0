/*
 * text_stats.c
 *		Words, lines and characters of a text that arrives in pieces.
 */
#include "core/text_stats.h"

void
amc_text_stats_init(amc_text_stats *stats)
{
	*stats = (amc_text_stats){0};
}

static void
count(amc_text_stats *stats, uint32_t code_point)
{
	bool space = amc_utf8_is_space(code_point);

	stats->characters++;
	stats->newlines += code_point == '\n';
	stats->words += !space && !stats->in_word;
	stats->in_word = !space;
}

/* How many bytes a sequence with this first byte has; 0 = none begins so. */
static size_t
sequence_length(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Completes the sequence that the last piece cut; returns the bytes taken from this one. */
static size_t
pending_complete(amc_text_stats *stats, const char *text, size_t len)
{
	size_t need = sequence_length((uint8_t) stats->pending[0]);
	size_t taken = 0;
	uint32_t code_point = 0;

	while (stats->pending_len < need && taken < len)
		stats->pending[stats->pending_len++] = text[taken++];
	if (stats->pending_len < need)
		return taken;
	if (amc_utf8_decode(stats->pending, need, &code_point) == need)
		count(stats, code_point);
	else
		stats->invalid = true;
	stats->pending_len = 0;
	return taken;
}

/* A sequence of more than one byte; returns its length. */
static size_t
sequence_take(amc_text_stats *stats, const char *text, size_t len)
{
	size_t need = sequence_length((uint8_t) text[0]);
	uint32_t code_point = 0;

	if (need > len)
	{
		memcpy(stats->pending, text, len);
		stats->pending_len = (uint8_t) len;
		return len;
	}
	if (need == 0 || amc_utf8_decode(text, len, &code_point) == 0)
		stats->invalid = true;
	else
		count(stats, code_point);
	return need;
}

void
amc_text_stats_add(amc_text_stats *stats, const char *text, size_t len)
{
	size_t at = 0;

	if (stats->pending_len > 0 && !stats->invalid)
		at = pending_complete(stats, text, len);
	while (at < len && !stats->invalid)
	{
		if ((uint8_t) text[at] < 0x80)
			count(stats, (uint8_t) text[at++]);
		else
			at += sequence_take(stats, text + at, len - at);
	}
}

bool
amc_text_stats_end(const amc_text_stats *stats)
{
	return !stats->invalid && stats->pending_len == 0;
}
