/*
 * test_rate.c
 *		Must hold: in a window that begins with the first counted request never more
 *		than the limit is granted, whatever the clock does; refusals change nothing
 *		(contract section 10).
 */
#include "core/rate.h"
#include "core/test/test.h"

#define MINUTE 60000

static const amc_rate three_a_minute = {3, MINUTE};

static void
spelling(void)
{
	static const struct
	{
		const char *text;
		amc_rate rate;
		const char *written;
	} accepted[] = {
		{"10/15m", {10, 900000}, "10/15m"},
		{"5/1h", {5, 3600000}, "5/1h"},
		{"20/900s", {20, 900000}, "20/15m"},
		{"1/1ms", {1, 1}, "1/1ms"},
		{"1000000000/36525d", {AMC_RATE_COUNT_MAX, AMC_DURATION_MS_MAX}, "1000000000/36525d"},
		{"off", {0, 0}, "off"},
	};
	static const char *const refused[] = {
		"",       "10",       "/15m",   "10/",      "0/15m",         "10/0s",
		"-1/1m",  "10 / 15m", "10/15",  "10/15m ",  "OFF",           "Off",
		"off ",   "none",     "1.5/1m", "10/15m/2", "1000000001/1m", "99999999999999999999/1m",
		"10//1m", "ten/1m",
	};
	char out[AMC_RATE_TEXT_BYTES];
	size_t i;

	for (i = 0; i < LENGTH_OF(accepted); i++)
	{
		size_t len = strlen(accepted[i].text);
		amc_rate rate = {-1, -1};

		test_case(accepted[i].text);
		CHECK(amc_rate_parse(test_copy(accepted[i].text, len), len, &rate));
		CHECK_INT(accepted[i].rate.count, rate.count);
		CHECK_INT(accepted[i].rate.window_ms, rate.window_ms);
		len = amc_rate_format(&rate, out);
		CHECK_TEXT(accepted[i].written, out, len);
	}
	for (i = 0; i < LENGTH_OF(refused); i++)
	{
		size_t len = strlen(refused[i]);
		amc_rate rate = {7, 7};

		test_case(refused[i]);
		CHECK(!amc_rate_parse(test_copy(refused[i], len), len, &rate));
		CHECK_INT(7, rate.count);
	}
}

/* One step and what must come of it. */
typedef struct step
{
	int64_t now_ms;
	int64_t cost;
	bool allowed;
	int64_t remaining;
	int64_t retry_after_ms;
} step;

static void
play(const amc_rate *rate, const step *steps, size_t count)
{
	amc_rate_window window = {0, 0};
	size_t i;

	for (i = 0; i < count; i++)
	{
		amc_rate_window before = window;
		amc_rate_result result = amc_rate_step(&window, steps[i].now_ms, rate, steps[i].cost);

		CHECK_INT(steps[i].allowed, result.allowed);
		CHECK_INT(steps[i].remaining, result.remaining);
		CHECK_INT(steps[i].retry_after_ms, result.retry_after_ms);
		if (!result.allowed || steps[i].cost == 0)
			CHECK(window.start_ms == before.start_ms && window.count == before.count);
	}
}

static void
windows(void)
{
	static const step ordinary[] = {
		{1000, 1, true, 2, 0},      {2000, 1, true, 1, 0},    {60000, 1, true, 0, 0},
		{60000, 1, false, 0, 1000}, {60999, 1, false, 0, 1},  {61000, 1, true, 2, 0},
		{120999, 2, true, 0, 0},    {120999, 1, false, 0, 1}, {121000, 1, true, 2, 0},
	};
	static const step peeks[] = {
		{0, 0, true, 3, 0},         {500, 3, true, 0, 0},
		{500, 0, false, 0, MINUTE}, {1500, 0, false, 0, MINUTE - 1000},
		{60500, 0, true, 3, 0},     {60600, 1, true, 2, 0},
	};
	static const step costs[] = {
		{0, 4, false, 3, MINUTE},
		{0, 2, true, 1, 0},
		{10, 2, false, 1, MINUTE - 10},
		{10, 1, true, 0, 0},
		{10, -1, false, 0, MINUTE - 10},
		{10, INT64_MAX, false, 0, MINUTE - 10},
		{10, INT64_MIN, false, 0, MINUTE - 10},
	};
	static const step clock_back[] = {
		{100000, 3, true, 0, 0},           {99999, 1, false, 0, MINUTE + 1},
		{0, 1, false, 0, 100000 + MINUTE}, {-5000, 0, false, 0, 105000 + MINUTE},
		{159999, 1, false, 0, 1},          {160000, 1, true, 2, 0},
	};
	static const step clock_ends[] = {
		{INT64_MAX, 3, true, 0, 0},
		{INT64_MAX, 1, false, 0, MINUTE},
		{INT64_MIN, 1, false, 0, INT64_MAX},
		{0, 1, false, 0, INT64_MAX},
	};

	test_case("a window begins with its first request and lasts its length");
	play(&three_a_minute, ordinary, LENGTH_OF(ordinary));
	test_case("cost 0 peeks");
	play(&three_a_minute, peeks, LENGTH_OF(peeks));
	test_case("costs");
	play(&three_a_minute, costs, LENGTH_OF(costs));
	test_case("a clock that runs back grants nothing");
	play(&three_a_minute, clock_back, LENGTH_OF(clock_back));
	test_case("ends of the clock");
	play(&three_a_minute, clock_ends, LENGTH_OF(clock_ends));
}

static void
changed_limits(void)
{
	amc_rate rate = {3, MINUTE};
	amc_rate_window window = {0, 0};

	test_case("a lowered limit acts at once");
	CHECK(amc_rate_step(&window, 0, &rate, 3).allowed);
	rate.count = 2;
	CHECK(!amc_rate_step(&window, 1, &rate, 1).allowed);
	CHECK_INT(0, amc_rate_step(&window, 1, &rate, 1).remaining);
	test_case("a raised limit acts at once");
	rate.count = 5;
	CHECK_INT(1, amc_rate_step(&window, 2, &rate, 1).remaining);
	test_case("a shortened window ends at once");
	rate.window_ms = 10;
	CHECK(amc_rate_step(&window, 10, &rate, 5).allowed);
	test_case("off");
	rate.count = 0;
	CHECK(amc_rate_step(&window, 11, &rate, INT64_MAX).allowed);
	CHECK_INT(INT64_MAX, amc_rate_step(&window, 11, &rate, 1).remaining);
	CHECK_INT(5, window.count);
}

/* Random calls with a clock that jumps about: count what each real window grants. */
static void
never_more_than_the_limit(void)
{
	uint64_t seed = 42;
	amc_rate_window window = {0, 0};
	int64_t window_start = 0;
	int64_t granted = 0;
	int64_t latest = 0;
	int64_t now = 0;
	unsigned overrun = 0;
	int i;

	test_case("property: a window grants at most its limit");
	for (i = 0; i < 200000; i++)
	{
		int64_t cost;

		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		now += (int64_t) (seed >> 40) % 9000 - (seed >> 58 == 0 ? 100000 : 0);
		cost = (int64_t) (seed >> 33) % 5;
		if (!amc_rate_step(&window, now, &three_a_minute, cost).allowed || cost == 0)
			continue;
		latest = now > latest ? now : latest;
		if (granted == 0 || now >= window_start + MINUTE)
		{
			window_start = now;
			granted = 0;
		}
		granted += cost;
		overrun += granted > 3;
	}
	CHECK_INT(0, overrun);
	CHECK(latest > 1000 * MINUTE);
}

void
test_rate(void)
{
	spelling();
	windows();
	changed_limits();
	never_more_than_the_limit();
	test_case("Retry-After in whole seconds, at least 1");
	CHECK_INT(1, amc_rate_retry_after_s(0));
	CHECK_INT(1, amc_rate_retry_after_s(1));
	CHECK_INT(1, amc_rate_retry_after_s(1000));
	CHECK_INT(2, amc_rate_retry_after_s(1001));
	CHECK_INT(900, amc_rate_retry_after_s(900000));
	CHECK_INT(INT64_MAX / 1000 + 1, amc_rate_retry_after_s(INT64_MAX));
}
