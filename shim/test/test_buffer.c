/*
 * test_buffer.c
 *	  The pool's ceiling holds, and nothing a request wrote stays in memory.
 */
#include "test.h"

#include "buffer.h"

static void
stays_inline_while_it_fits(void)
{
	AmPool pool = {.bytes_max = 1024 * 1024};
	char inline_data[16];
	AmBuffer buffer;

	am_buffer_init(&buffer, inline_data, sizeof(inline_data), &pool);
	am_buffer_add(&buffer, "0123456789abcdef", 16);
	CHECK(buffer.data == inline_data);
	CHECK_INT(0, pool.bytes_used);
	am_buffer_putc(&buffer, '!');
	CHECK(buffer.data != inline_data);
	CHECK_INT(17, buffer.length);
	CHECK(memcmp(buffer.data, "0123456789abcdef!", 17) == 0);
	CHECK_INT(buffer.capacity, pool.bytes_used);
	am_buffer_reset(&buffer);
	CHECK_INT(0, pool.bytes_used);
	CHECK(buffer.data == inline_data);
}

static void
inline_part_is_wiped(void)
{
	AmPool pool = {.bytes_max = 1024 * 1024};
	static const char zero[32];
	char inline_data[32];
	AmBuffer buffer;

	memset(inline_data, 0, sizeof(inline_data));
	am_buffer_init(&buffer, inline_data, sizeof(inline_data), &pool);
	am_buffer_puts(&buffer, "secret secret");
	am_buffer_cut(&buffer, 3);
	am_buffer_reset(&buffer);
	test_case("reset, also behind a cut");
	CHECK(memcmp(inline_data, zero, sizeof(zero)) == 0);
	am_buffer_puts(&buffer, "secret secret");
	CHECK(am_buffer_reserve(&buffer, 100));
	test_case("moved to the pool");
	CHECK(memcmp(inline_data, zero, sizeof(zero)) == 0);
	am_buffer_reset(&buffer);
}

static void
ceiling(void)
{
	AmPool pool = {.bytes_max = 40000};
	char inline_data[16];
	char *held;
	AmBuffer buffer;

	held = am_pool_take(&pool, 30000, false);
	CHECK(held != NULL);
	CHECK(am_pool_take(&pool, 10001, false) == NULL);
	am_buffer_init(&buffer, inline_data, sizeof(inline_data), &pool);
	am_buffer_add(&buffer, "0123456789", 10);
	CHECK(!am_buffer_reserve(&buffer, 20000));
	CHECK(buffer.failed);
	test_case("a failed buffer takes nothing more");
	am_buffer_add(&buffer, "x", 1);
	CHECK_INT(10, buffer.length);
	am_buffer_reset(&buffer);
	CHECK(!buffer.failed);
	am_pool_give(&pool, held, 30000, 30000);
	CHECK(am_buffer_reserve(&buffer, 20000));
	am_buffer_reset(&buffer);
	CHECK_INT(0, pool.bytes_used);
	test_case("forced");
	held = am_pool_take(&pool, 50000, true);
	CHECK(held != NULL);
	CHECK_INT(50000, pool.bytes_used);
	am_pool_give(&pool, held, 50000, 0);
}

static void
absurd_sizes(void)
{
	AmPool pool = {.bytes_max = SIZE_MAX};
	char inline_data[16];
	AmBuffer buffer;

	am_buffer_init(&buffer, inline_data, sizeof(inline_data), &pool);
	CHECK(!am_buffer_reserve(&buffer, SIZE_MAX));
	am_buffer_reset(&buffer);
	am_buffer_json(&buffer, "x", SIZE_MAX / 2);
	CHECK(buffer.failed);
	am_buffer_reset(&buffer);
	CHECK_INT(0, pool.bytes_used);
}

static void
json_strings(void)
{
	AmPool pool = {.bytes_max = 1024 * 1024};
	char inline_data[8];
	AmBuffer buffer;

	am_buffer_init(&buffer, inline_data, sizeof(inline_data), &pool);
	am_buffer_json(&buffer, "a\"\\\n\xff\xc3\xa9", 7);
	am_buffer_putc(&buffer, '\0');
	CHECK_STRING("\"a\\\"\\\\\\n\xef\xbf\xbd\xc3\xa9\"", buffer.data);
	am_buffer_reset(&buffer);
}

int
main(void)
{
	TEST_RUN(stays_inline_while_it_fits);
	TEST_RUN(inline_part_is_wiped);
	TEST_RUN(ceiling);
	TEST_RUN(absurd_sizes);
	TEST_RUN(json_strings);
	return test_end("shim buffer");
}
