/*
 * test_gcra.c
 *		Must hold (invariant I10): in any stretch w of the clock at most
 *		count * w / window + burst units are granted, up to 10^9 a second and whatever
 *		the clock does; what is refused costs nothing, cost 0 peeks; who waits as told
 *		is granted, a nanosecond earlier is not; a changed limit acts at once; rounding
 *		withholds less than 2^-32 unit for each call that was granted.
 */
#include "core/gcra.h"
#include "core/test/test.h"

#define SECOND_NS INT64_C(1000000000)
#define MINUTE_NS (60 * SECOND_NS)
#define HISTORY   2048

__extension__ typedef __int128 int128;

static const amc_limit ten_a_minute = {{10, 60000}, 4};

/* One step and what must come of it. */
typedef struct step
{
	int64_t now_ns;
	int64_t cost;
	bool allowed;
	int64_t remaining;
	int64_t retry_after_ms;
	int64_t reset_ms;
} step;

static void
play(const amc_limit *limit, const step *steps, size_t count)
{
	amc_limit_state state = {0, 0};
	size_t i;

	for (i = 0; i < count; i++)
	{
		amc_limit_state before = state;
		amc_rate_result result = amc_limit_step(&state, steps[i].now_ns, limit, steps[i].cost);

		CHECK_INT(steps[i].allowed, result.allowed);
		CHECK_INT(steps[i].remaining, result.remaining);
		CHECK_INT(steps[i].retry_after_ms, result.retry_after_ms);
		CHECK_INT(steps[i].reset_ms, result.reset_ms);
		if (!result.allowed || steps[i].cost == 0)
			CHECK(state.since_ns == before.since_ns && state.level == before.level);
	}
}

static void
worked_examples(void)
{
	/* Ten a minute is one each six seconds; four at once. */
	static const step ordinary[] = {
		{0, 0, true, 4, 0, 0},
		{0, 1, true, 3, 0, 6000},
		{0, 3, true, 0, 0, 24000},
		{0, 1, false, 0, 6000, 24000},
		{1, 1, false, 0, 6000, 24000},
		{6 * SECOND_NS - 1, 1, false, 0, 1, 18001},
		{6 * SECOND_NS, 0, true, 1, 0, 18000},
		{6 * SECOND_NS, 1, true, 0, 0, 24000},
		{6 * SECOND_NS, 2, false, 0, 12000, 24000},
		{9 * SECOND_NS, 2, false, 0, 9000, 21000},
		{18 * SECOND_NS, 2, true, 0, 0, 24000},
		{100 * SECOND_NS, 4, true, 0, 0, 24000},
	};
	static const step costs[] = {
		{7, 5, false, 4, AMC_RATE_NEVER, 0},
		{7, INT64_MAX, false, 4, AMC_RATE_NEVER, 0},
		{7, -1, false, 4, AMC_RATE_NEVER, 0},
		{7, INT64_MIN, false, 4, AMC_RATE_NEVER, 0},
		{7, 4, true, 0, 0, 24000},
		{7, 5, false, 0, AMC_RATE_NEVER, 24000},
	};
	static const step clock_back[] = {
		{MINUTE_NS, 2, true, 2, 0, 12000},     {MINUTE_NS - 1, 1, true, 1, 0, 18001},
		{0, 2, false, 1, 66000, 78000},        {-MINUTE_NS, 1, true, 0, 0, 144000},
		{MINUTE_NS, 1, false, 0, 6000, 24000}, {MINUTE_NS + 6 * SECOND_NS, 1, true, 0, 0, 24000},
	};
	static const step clock_ends[] = {
		{INT64_MAX, 4, true, 0, 0, 24000},
		{INT64_MIN, 1, false, 0, INT64_C(18446744079710), INT64_C(18446744097710)},
		{INT64_MAX, 1, false, 0, 6000, 24000},
	};

	test_case("a burst, then one unit each emission interval");
	play(&ten_a_minute, ordinary, LENGTH_OF(ordinary));
	test_case("what can never fit is told so, and changes nothing");
	play(&ten_a_minute, costs, LENGTH_OF(costs));
	test_case("nothing leaks while the clock has run back");
	play(&ten_a_minute, clock_back, LENGTH_OF(clock_back));
	test_case("ends of the clock");
	play(&ten_a_minute, clock_ends, LENGTH_OF(clock_ends));
}

/* The fixed window through the same door. */
static void
windows(void)
{
	static const amc_limit three_a_minute = {{3, 60000}, 0};
	static const step steps[] = {
		{1000000, 1, true, 2, 0, 60000},
		{1999999, 2, true, 0, 0, 60000},
		{MINUTE_NS + 999999, 1, false, 0, 1, 1},
		{MINUTE_NS + 1000000, 0, true, 3, 0, 0},
		{MINUTE_NS + 1000000, 4, false, 3, 60000, 0},
		{MINUTE_NS + 1000000, 3, true, 0, 0, 60000},
		{-1, 1, false, 0, 120002, 120002},
	};

	test_case("burst 0 is the fixed window, by whole milliseconds");
	play(&three_a_minute, steps, LENGTH_OF(steps));
}

static void
changed_limits(void)
{
	amc_limit limit = {{1, 3600000}, 1};
	amc_limit_state state = {0, 0};

	test_case("a raised limit acts at once");
	CHECK(amc_gcra_step(&state, 0, &limit, 1).allowed);
	CHECK(!amc_gcra_step(&state, 0, &limit, 1).allowed);
	limit.burst = 100;
	CHECK_INT(99, amc_gcra_step(&state, 0, &limit, 0).remaining);
	limit.burst = 1;
	limit.rate.count = 3600;
	CHECK_INT(1000, amc_gcra_step(&state, 0, &limit, 1).retry_after_ms);
	CHECK(amc_gcra_step(&state, SECOND_NS, &limit, 1).allowed);
	test_case("a lowered limit acts at once");
	limit.burst = 100;
	CHECK(amc_gcra_step(&state, SECOND_NS, &limit, 99).allowed);
	limit.burst = 50;
	CHECK_INT(0, amc_gcra_step(&state, SECOND_NS, &limit, 0).remaining);
	CHECK_INT(51000, amc_gcra_step(&state, SECOND_NS, &limit, 1).retry_after_ms);
	limit.rate.count = 1;
	CHECK_INT(51 * 3600000, amc_gcra_step(&state, SECOND_NS, &limit, 1).retry_after_ms);
	test_case("off");
	limit.rate = (amc_rate){0, 0};
	CHECK(amc_limit_step(&state, 0, &limit, 1000).allowed);
	CHECK_INT(INT64_MAX, amc_limit_step(&state, 0, &limit, 1).remaining);
	limit.burst = 0;
	CHECK(amc_limit_step(&state, 0, &limit, 1000).allowed);
	CHECK_INT(100 * AMC_GCRA_UNIT, state.level);
}

static uint64_t seed = 42;

static int64_t
random_below(int64_t bound)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (int64_t) ((seed >> 1) % (uint64_t) bound);
}

/* What was granted, by the highest time the clock had shown by then. */
typedef struct history
{
	int64_t at_ns[HISTORY];
	int64_t cost[HISTORY];
	int count;
} history;

/* The number of stretches between two grants in which more was granted than promised. */
static unsigned
overruns(const history *granted, const amc_limit *limit)
{
	int128 window_ns = (int128) limit->rate.window_ms * 1000000;
	unsigned found = 0;
	int first;

	for (first = 0; first < granted->count; first++)
	{
		int64_t sum = 0;
		int last;

		for (last = first; last < granted->count; last++)
		{
			int128 stretch = (int128) granted->at_ns[last] - granted->at_ns[first];

			sum += granted->cost[last];
			found += (sum - limit->burst) * window_ns > stretch * limit->rate.count;
		}
	}
	return found;
}

/* The exact level, as a multiple of 1 / window_ns unit. */
typedef struct model
{
	int128 level;
	int64_t at_ns;
} model;

static void
model_leak(model *m, int64_t at_ns, const amc_rate *rate)
{
	int128 leaked = (int128) (at_ns - m->at_ns) * rate->count;

	m->level = leaked >= m->level ? 0 : m->level - leaked;
	m->at_ns = at_ns;
}

/*
 * Random calls against one limit, dense enough to be refused often; the clock runs back now and
 * then. Whatever is granted the exact model must grant too; what the model would have granted may
 * be withheld only within the rounding of the calls granted before.
 */
static void
promise_kept(const amc_limit *limit)
{
	static history granted;
	const int128 window_ns = (int128) limit->rate.window_ms * 1000000;
	const int64_t gap_ns = (int64_t) (window_ns * (1 + limit->burst / 64) / limit->rate.count) + 2;
	amc_limit_state state = {0, 0};
	model exact = {0, 0};
	unsigned too_much = 0;
	unsigned withheld = 0;
	int64_t now_ns = 0;
	int64_t high_ns = 0;
	int refused = 0;
	int i;

	for (i = granted.count = 0; i < 6000 && granted.count < HISTORY; i++)
	{
		int64_t cost = 1 + random_below(random_below(limit->burst) + 1);
		int128 wanted = (int128) cost * window_ns;
		amc_rate_result result;

		now_ns += random_below(gap_ns) - (random_below(50) == 0 ? random_below(40) * gap_ns : 0);
		high_ns = now_ns > high_ns ? now_ns : high_ns;
		model_leak(&exact, high_ns, &limit->rate);
		/* Asked under the running clock: a step back may never gain anything. */
		result = amc_gcra_step(&state, now_ns, limit, cost);
		if (result.allowed)
		{
			too_much += exact.level + wanted > limit->burst * window_ns;
			exact.level += wanted;
			granted.at_ns[granted.count] = high_ns;
			granted.cost[granted.count++] = cost;
		}
		else if (now_ns == high_ns)
		{
			int128 rounding = window_ns * (granted.count + 1) / AMC_GCRA_UNIT + 1;

			refused++;
			withheld += exact.level + wanted + rounding <= limit->burst * window_ns;
		}
	}
	CHECK_INT(0, too_much);
	CHECK_INT(0, withheld);
	CHECK_INT(0, overruns(&granted, limit));
	CHECK(granted.count > 500);
	CHECK(refused > 500);
}

/* To wait as told is enough, and a nanosecond less is not. */
static void
waits_are_exact(const amc_limit *limit)
{
	const int128 window_ns = (int128) limit->rate.window_ms * 1000000;
	amc_limit_state state = {0, 0};
	int64_t now_ns = 0;
	unsigned wrong = 0;
	int i;

	for (i = 0; i < 300; i++)
	{
		int64_t cost = 1 + random_below(limit->burst);
		amc_limit_state before;
		amc_rate_result result;

		(void) amc_gcra_step(&state, now_ns, limit,
							 amc_gcra_step(&state, now_ns, limit, 0).remaining);
		before = state;
		result = amc_gcra_step(&state, now_ns, limit, cost);
		wrong += result.allowed || result.retry_after_ms < 1;
		now_ns += result.retry_after_ms * 1000000;
		/* Milliseconds are rounded up: a millisecond before, it was too early. */
		wrong += amc_gcra_step(&state, now_ns - 1000000, limit, cost).allowed;
		wrong += !amc_gcra_step(&state, now_ns, limit, cost).allowed;
		wrong += amc_gcra_step(&before, now_ns + result.reset_ms * 1000000, limit, 0).remaining <
				 limit->burst;
	}
	CHECK_INT(0, wrong);
	/* At one unit the wait is the emission interval, rounded up, to the nanosecond. */
	if (limit->burst == 1)
	{
		int64_t interval_ns = (int64_t) ((window_ns + limit->rate.count - 1) / limit->rate.count);

		state = (amc_limit_state){0, 0};
		CHECK(amc_gcra_step(&state, 0, limit, 1).allowed);
		CHECK(!amc_gcra_step(&state, interval_ns - 1, limit, 1).allowed);
		CHECK(amc_gcra_step(&state, interval_ns, limit, 1).allowed);
	}
}

/* Calls at exactly the rate are all granted, for ever: the rounding does not add up. */
static void
steady_pace(int64_t count, int64_t window_ms, int64_t interval_ns)
{
	amc_limit limit = {{count, window_ms}, 1};
	amc_limit_state state = {0, 0};
	unsigned refused = 0;
	int64_t i;

	for (i = 0; i < 100000; i++)
		refused += !amc_gcra_step(&state, i * interval_ns, &limit, 1).allowed;
	CHECK_INT(0, refused);
}

void
test_gcra(void)
{
	static const struct
	{
		const char *name;
		amc_limit limit;
	} limits[] = {
		{"property: 10^9 a second, burst 1", {{1000000000, 1000}, 1}},
		{"property: 10^9 a second, burst 1000", {{1000000000, 1000}, 1000}},
		{"property: 10^9 a second, burst 10^9", {{1000000000, 1000}, 1000000000}},
		{"property: 999999937 a second, burst 7", {{999999937, 1000}, 7}},
		{"property: 700000001 in 1 ms", {{700000001, 1}, 100000}},
		{"property: 10 a minute, burst 4", {{10, 60000}, 4}},
		{"property: 7 an hour, burst 1", {{7, 3600000}, 1}},
		{"property: 100 in 15 minutes, burst 100", {{100, 900000}, 100}},
		{"property: 3 a second, burst 2", {{3, 1000}, 2}},
		{"property: 1 a day, burst 5", {{1, 86400000}, 5}},
	};
	size_t i;

	worked_examples();
	windows();
	changed_limits();
	for (i = 0; i < LENGTH_OF(limits); i++)
	{
		test_case(limits[i].name);
		promise_kept(&limits[i].limit);
		if ((int128) limits[i].limit.rate.window_ms * 1000000 > limits[i].limit.rate.count)
			waits_are_exact(&limits[i].limit);
	}
	test_case("a steady pace is never refused");
	steady_pace(1000000000, 1000, 1);
	steady_pace(3, 1000, 333333334);
	steady_pace(7, 3600000, INT64_C(514285714286));
	steady_pace(10, 60000, 6 * SECOND_NS);
	test_case("the longest window and the largest count do not overflow");
	play(&(amc_limit){{AMC_RATE_COUNT_MAX, AMC_DURATION_MS_MAX}, AMC_RATE_COUNT_MAX},
		 (const step[]){{0, AMC_RATE_COUNT_MAX, true, 0, 0, AMC_DURATION_MS_MAX},
						{INT64_MAX, AMC_RATE_COUNT_MAX, true, 0, 0, AMC_DURATION_MS_MAX},
						{INT64_MIN, 1, false, 0, INT64_C(18446744076866), INT64_C(21602504073710)}},
		 3);
}
