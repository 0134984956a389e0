/*-------------------------------------------------------------------------
 *
 * test.h
 *	  The harness of the shim's unit tests: checks that count.
 *
 * A test program is a list of functions, one invariant each, run by TEST_RUN().
 * A failing check prints its place and the case it was about, and the run goes
 * on.  test_end() prints "NAME: N passed, N failed", counting checks, and gives
 * main its exit status.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AM_SHIM_TEST_H
#define AM_SHIM_TEST_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define LENGTH_OF(array) (sizeof(array) / sizeof((array)[0]))

#define CHECK(condition) test_check((condition), #condition, __FILE__, __LINE__)
#define CHECK_INT(expected, actual) \
	test_check_int((int64_t) (expected), (int64_t) (actual), #actual, __FILE__, __LINE__)
#define CHECK_STRING(expected, actual) \
	test_check_string((expected), (actual), #actual, __FILE__, __LINE__)
#define CHECK_CONTAINS(text, part) \
	test_check_contains((text), (part), true, #text, __FILE__, __LINE__)
#define CHECK_LACKS(text, part) \
	test_check_contains((text), (part), false, #text, __FILE__, __LINE__)
#define TEST_RUN(function) test_run(#function, function)

static unsigned long test_passed_count;
static unsigned long test_failed_count;
static const char *test_function = "";
static const char *test_current_case = "";

/* The name under which the following checks are reported. */
static inline void
test_case(const char *name)
{
	test_current_case = name;
}

static inline bool
test_check(bool passed, const char *text, const char *file, int line)
{
	if (passed)
		test_passed_count++;
	else
	{
		test_failed_count++;
		printf("%s:%d: %s [%s] failed: %s\n", file, line, test_function, test_current_case, text);
	}
	return passed;
}

static inline bool
test_check_int(int64_t expected, int64_t actual, const char *text, const char *file, int line)
{
	if (test_check(expected == actual, text, file, line))
		return true;
	printf("\texpected %" PRId64 ", got %" PRId64 "\n", expected, actual);
	return false;
}

static inline bool
test_check_string(const char *expected, const char *actual, const char *text, const char *file,
				  int line)
{
	bool equal =
		expected != NULL && actual != NULL ? strcmp(expected, actual) == 0 : expected == actual;

	if (test_check(equal, text, file, line))
		return true;
	printf("\texpected %s\n\t     got %s\n", expected != NULL ? expected : "NULL",
		   actual != NULL ? actual : "NULL");
	return false;
}

static inline bool
test_check_contains(const char *text, const char *part, bool wanted, const char *what,
					const char *file, int line)
{
	if (test_check((strstr(text, part) != NULL) == wanted, what, file, line))
		return true;
	printf("\t%s \"%s\" in: %s\n", wanted ? "missing" : "unwanted", part, text);
	return false;
}

static inline void
test_run(const char *name, void (*function)(void))
{
	test_function = name;
	test_case("");
	function();
}

static inline int
test_end(const char *name)
{
	printf("%s: %lu passed, %lu failed\n", name, test_passed_count, test_failed_count);
	return test_failed_count == 0 ? 0 : 1;
}

#endif /* AM_SHIM_TEST_H */
