/*
 * gcra.c
 *		Rate limits without windows.
 *
 * Products of a time, a rate and a level need up to 125 bits; every one of them
 * is computed in 128.  The bounds are those of the header: time below 2^63 ns,
 * count below 2^30, level at most 2^30 units of 2^32.
 */
#include "core/gcra.h"

#define NS_A_MS INT64_C(1000000)

__extension__ typedef __int128 int128;

static int64_t
saturated(int128 value)
{
	return value > INT64_MAX ? INT64_MAX : (int64_t) value;
}

static int128
divided_up(int128 dividend, int128 divisor)
{
	return (dividend + divisor - 1) / divisor;
}

/* What is left of the level after elapsed_ns; an elapsed time below 0 counts as none. */
static int64_t
level_after(int64_t level, int128 elapsed_ns, const amc_rate *rate)
{
	int128 window_ns = (int128) rate->window_ms * NS_A_MS;
	int128 leaked;

	if (elapsed_ns <= 0 || level <= 0)
		return level > 0 ? level : 0;
	if (elapsed_ns > INT64_MAX)
		elapsed_ns = INT64_MAX;
	leaked = elapsed_ns * rate->count * AMC_GCRA_UNIT / window_ns;
	return leaked >= level ? 0 : level - (int64_t) leaked;
}

/*
 * Milliseconds from now until at most target of the level at since_ns is left.
 * The inverse of level_after: one nanosecond less would leave more.
 */
static int64_t
wait_ms(const amc_limit_state *state, int64_t now_ns, const amc_rate *rate, int64_t target)
{
	int128 window_ns = (int128) rate->window_ms * NS_A_MS;
	int128 excess = (int128) state->level - target;
	int128 due_ns;

	if (excess <= 0)
		return 0;
	due_ns = state->since_ns + divided_up(excess * window_ns, (int128) rate->count * AMC_GCRA_UNIT);
	return due_ns <= now_ns ? 0 : saturated(divided_up(due_ns - now_ns, NS_A_MS));
}

amc_rate_result
amc_gcra_step(amc_limit_state *state, int64_t now_ns, const amc_limit *limit, int64_t cost)
{
	amc_rate_result result = {true, INT64_MAX, 0, 0};
	int64_t level = level_after(state->level, (int128) now_ns - state->since_ns, &limit->rate);
	int64_t free_level = limit->burst * AMC_GCRA_UNIT - level;
	int64_t wanted = cost == 0 ? 1 : cost;

	if (limit->rate.count == 0)
		return result;
	result.remaining = free_level > 0 ? free_level / AMC_GCRA_UNIT : 0;
	if (wanted < 0 || wanted > limit->burst)
	{
		result.allowed = false;
		result.retry_after_ms = AMC_RATE_NEVER;
	}
	else if (wanted > result.remaining)
	{
		result.allowed = false;
		result.retry_after_ms =
			wait_ms(state, now_ns, &limit->rate, (limit->burst - wanted) * AMC_GCRA_UNIT);
	}
	else if (cost > 0)
	{
		state->level = level + cost * AMC_GCRA_UNIT;
		/* Not back: what has leaked once would leak again. */
		if (now_ns > state->since_ns || level == 0)
			state->since_ns = now_ns;
		result.remaining -= cost;
	}
	result.reset_ms = wait_ms(state, now_ns, &limit->rate, 0);
	return result;
}

/* Rounded down, also before the epoch. */
static int64_t
ms_of_ns(int64_t ns)
{
	return ns / NS_A_MS - (ns % NS_A_MS < 0);
}

static int64_t
ns_of_ms(int64_t ms)
{
	int128 ns = (int128) ms * NS_A_MS;

	return ns < INT64_MIN ? INT64_MIN : saturated(ns);
}

amc_rate_result
amc_limit_step(amc_limit_state *state, int64_t now_ns, const amc_limit *limit, int64_t cost)
{
	amc_rate_window window = {ms_of_ns(state->since_ns), state->level / AMC_GCRA_UNIT};
	amc_rate_result result;

	if (limit->burst > 0)
		return amc_gcra_step(state, now_ns, limit, cost);
	result = amc_rate_step(&window, ms_of_ns(now_ns), &limit->rate, cost);
	if (result.allowed && cost > 0 && limit->rate.count > 0)
	{
		state->since_ns = ns_of_ms(window.start_ms);
		state->level = window.count * AMC_GCRA_UNIT;
	}
	return result;
}
