/*
 * test_text_stats.c
 *		Must hold: the counts are those of the whole text, wherever it is cut.
 */
#include "core/text_stats.h"
#include "core/test/test.h"

typedef struct text_case
{
	const char *text;
	size_t len;
	int words;
	int newlines;
	int characters; /* -1 = no UTF-8 */
} text_case;

#define TEXT(literal) literal, sizeof(literal) - 1

static const text_case cases[] = {
	{TEXT(""), 0, 0, 0},
	{TEXT(" \t\r\n\v\f"), 0, 1, 6},
	{TEXT("one"), 1, 0, 3},
	{TEXT("  one two\nthree\n"), 3, 2, 16},
	{TEXT("a\r\nb\rc"), 3, 1, 6},
	{TEXT("nul\0inside"), 1, 0, 10},
	{TEXT("\0"), 1, 0, 1},
	{TEXT("caf\xc3\xa9 \xf0\x9f\x98\x80"), 2, 0, 6},
	/* every White_Space beyond ASCII separates */
	{TEXT("a\xc2\x85"
		  "b\xc2\xa0"
		  "c\xe1\x9a\x80"
		  "d\xe2\x80\x80"
		  "e\xe2\x80\x8a"
		  "f\xe2\x80\xa8"
		  "g\xe2\x80\xa9"
		  "h\xe2\x80\xaf"
		  "i\xe2\x81\x9f"
		  "j\xe3\x80\x80"
		  "k"),
	 11, 0, 21},
	/* zero width space, word joiner and byte order mark do not */
	{TEXT("a\xe2\x80\x8b"
		  "b\xe2\x81\xa0"
		  "c\xef\xbb\xbf"
		  "d"),
	 1, 0, 7},
	{TEXT("\xff"), 0, 0, -1},
	{TEXT("ok \x80"), 0, 0, -1},
	{TEXT("\xc0\xaf"), 0, 0, -1},
	{TEXT("\xe0\x80\x80"), 0, 0, -1},
	{TEXT("\xed\xa0\x80"), 0, 0, -1},
	{TEXT("\xf4\x90\x80\x80"), 0, 0, -1},
	{TEXT("cut \xe2\x82"), 0, 0, -1},
	{TEXT("cut \xe2\x82 more"), 0, 0, -1},
	{TEXT("\xf0\x9f\x98"), 0, 0, -1},
};

static void
check_cut(const text_case *expected, size_t first, size_t piece)
{
	amc_text_stats stats;
	size_t at = first;

	amc_text_stats_init(&stats);
	amc_text_stats_add(&stats, test_copy(expected->text, first), first);
	while (at < expected->len)
	{
		size_t len = expected->len - at < piece ? expected->len - at : piece;

		amc_text_stats_add(&stats, test_copy(expected->text + at, len), len);
		at += len;
	}
	CHECK_INT(expected->characters >= 0, amc_text_stats_end(&stats));
	if (expected->characters < 0)
		return;
	CHECK_INT(expected->words, stats.words);
	CHECK_INT(expected->newlines, stats.newlines);
	CHECK_INT(expected->characters, stats.characters);
}

void
test_text_stats(void)
{
	size_t i;
	size_t first;
	size_t piece;

	for (i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].text);
		for (first = 0; first <= cases[i].len; first++)
			for (piece = 1; piece <= 5; piece++)
				check_cut(&cases[i], first, piece);
	}
}
