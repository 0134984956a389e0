/*
 * test.c
 *		Runs every test file and prints the totals as the last line.
 */
#include "core/test/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BLOCKS_MAX 100000

static const char *current_case = "";
static unsigned long passed_count;
static unsigned long failed_count;
static char *blocks[BLOCKS_MAX];
static size_t block_count;

void
test_case(const char *name)
{
	current_case = name;
}

static void
report(const char *file, int line, const char *text)
{
	printf("%s:%d: [%s] failed: %s\n", file, line, current_case, text);
}

bool
test_check(bool passed, const char *text, const char *file, int line)
{
	if (passed)
		passed_count++;
	else
	{
		failed_count++;
		report(file, line, text);
	}
	return passed;
}

bool
test_check_int(int64_t expected, int64_t actual, const char *text, const char *file, int line)
{
	if (!test_check(expected == actual, text, file, line))
	{
		printf("\texpected %" PRId64 ", got %" PRId64 "\n", expected, actual);
		return false;
	}
	return true;
}

bool
test_check_text(const char *expected, size_t expected_len, const char *actual, size_t actual_len,
				const char *text, const char *file, int line)
{
	bool equal = expected_len == actual_len &&
				 (actual_len == 0 || memcmp(expected, actual, actual_len) == 0);

	if (!test_check(equal, text, file, line))
	{
		printf("\texpected \"%.*s\", got \"%.*s\"\n", (int) expected_len, expected,
			   (int) actual_len, actual);
		return false;
	}
	return true;
}

char *
test_alloc(size_t size)
{
	char *block = malloc(size == 0 ? 1 : size);

	if (block == NULL || block_count == BLOCKS_MAX)
	{
		printf("core: out of memory for tests\n");
		exit(2);
	}
	blocks[block_count++] = block;
	/* No byte of an empty block may be read: hand out its end. */
	return size == 0 ? block + 1 : block;
}

char *
test_copy(const void *bytes, size_t len)
{
	char *copy = test_alloc(len);

	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

char *
test_repeat(const char *piece, size_t count, size_t *len)
{
	size_t piece_len = strlen(piece);
	char *text = test_alloc(piece_len * count);
	size_t i;

	for (i = 0; i < count; i++)
		memcpy(text + i * piece_len, piece, piece_len);
	*len = piece_len * count;
	return text;
}

int64_t
test_clock_ms(void)
{
	return (int64_t) clock() * 1000 / CLOCKS_PER_SEC;
}

static void
run(void (*test)(void))
{
	test();
	while (block_count > 0)
		free(blocks[--block_count]);
	current_case = "";
}

int
main(void)
{
	static void (*const tests[])(void) = {
		test_base32,     test_base64url, test_bcrypt_format, test_claims,
		test_duration,   test_email,     test_gcra,          test_hex,
		test_hotp,       test_json,      test_json_hostile,  test_json_number,
		test_jws,        test_multipart, test_net,           test_payment_signature,
		test_period,     test_price,     test_rate,          test_template,
		test_text_stats, test_utf8,      test_uuid7,
	};
	size_t i;

	/* A line a check, also when the output is a file and a sanitizer ends the run. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; i < LENGTH_OF(tests); i++)
		run(tests[i]);
	printf("core: %lu passed, %lu failed\n", passed_count, failed_count);
	return failed_count == 0 ? 0 : 1;
}
