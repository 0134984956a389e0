/*
 * text_stats.h
 *		Words, lines and characters of a text that arrives in pieces.
 *
 * A word is a run of characters that are not white space (Unicode property
 * White_Space), a line ends with U+000A, a character is a code point.  Pieces may
 * be cut anywhere, also inside a UTF-8 sequence; the counts do not depend on it.
 */
#ifndef AMC_TEXT_STATS_H
#define AMC_TEXT_STATS_H

#include "core/span.h"
#include "core/utf8.h"

typedef struct amc_text_stats
{
	uint64_t words;
	uint64_t newlines;
	uint64_t characters;
	bool in_word;
	bool invalid;                     /* is no UTF-8: the counts mean nothing */
	char pending[AMC_UTF8_BYTES_MAX]; /* beginning of a sequence that the last piece cut */
	uint8_t pending_len;
} amc_text_stats;

/* amc_text_stats_init: the statistics of the empty text. */
extern void amc_text_stats_init(amc_text_stats *stats);

/* amc_text_stats_add: count the next piece of the text. */
extern void amc_text_stats_add(amc_text_stats *stats, const char *text, size_t len);

/*
 * amc_text_stats_end: was all of it well-formed UTF-8 (RFC 3629)?
 *
 * True: words and characters are final, the number of lines is newlines + 1.
 */
extern bool amc_text_stats_end(const amc_text_stats *stats);

#endif /* AMC_TEXT_STATS_H */
