/*
 * test.h
 *		The harness of the unit tests: checks that count, and exact copies of inputs.
 *
 * Every failing check is printed with its place and the name of its case; the
 * run goes on.  Inputs travel through test_copy, a heap block of exactly their
 * length, so that AddressSanitizer sees a read of one byte too many.
 */
#ifndef AMC_TEST_H
#define AMC_TEST_H

#include "core/span.h"

#define CHECK(condition) test_check((condition), #condition, __FILE__, __LINE__)
#define CHECK_INT(expected, actual) \
	test_check_int((int64_t) (expected), (int64_t) (actual), #actual, __FILE__, __LINE__)
#define CHECK_TEXT(expected, ptr, len) \
	test_check_text((expected), strlen(expected), (ptr), (len), #ptr, __FILE__, __LINE__)
#define LENGTH_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The name under which the following checks are reported. */
extern void test_case(const char *name);

extern bool test_check(bool passed, const char *text, const char *file, int line);
extern bool test_check_int(int64_t expected, int64_t actual, const char *text, const char *file,
						   int line);
extern bool test_check_text(const char *expected, size_t expected_len, const char *actual,
							size_t actual_len, const char *text, const char *file, int line);

/* Heap memory that lives until the end of the present test file. */
extern char *test_alloc(size_t size);
extern char *test_copy(const void *bytes, size_t len);

/* The same text over and over, count times. */
extern char *test_repeat(const char *piece, size_t count, size_t *len);

/* Processor time in ms since the process began: bounds of hostile inputs. */
extern int64_t test_clock_ms(void);

extern void test_base32(void);
extern void test_base64url(void);
extern void test_bcrypt_format(void);
extern void test_claims(void);
extern void test_duration(void);
extern void test_email(void);
extern void test_gcra(void);
extern void test_hex(void);
extern void test_hotp(void);
extern void test_json(void);
extern void test_json_hostile(void);
extern void test_json_number(void);
extern void test_jws(void);
extern void test_multipart(void);
extern void test_net(void);
extern void test_payment_signature(void);
extern void test_period(void);
extern void test_price(void);
extern void test_rate(void);
extern void test_template(void);
extern void test_text_stats(void);
extern void test_utf8(void);
extern void test_uuid7(void);

#endif /* AMC_TEST_H */
