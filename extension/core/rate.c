/*
 * rate.c
 *		Rate limits in a fixed window.
 */
#include "core/rate.h"

#include <inttypes.h>
#include <stdio.h>

bool
amc_rate_parse(const char *text, size_t len, amc_rate *rate)
{
	int64_t count = 0;
	int64_t window_ms;
	size_t at = 0;

	if (amc_span_equals(AMC_SPAN("off"), text, len))
	{
		rate->count = 0;
		rate->window_ms = 0;
		return true;
	}
	while (at < len && text[at] >= '0' && text[at] <= '9')
	{
		count = count * 10 + (text[at++] - '0');
		if (count > AMC_RATE_COUNT_MAX)
			return false;
	}
	if (count == 0 || at == len || text[at] != '/')
		return false;
	at++;
	if (!amc_duration_parse(text + at, len - at, &window_ms) || window_ms == 0)
		return false;
	rate->count = count;
	rate->window_ms = window_ms;
	return true;
}

size_t
amc_rate_format(const amc_rate *rate, char out[AMC_RATE_TEXT_BYTES])
{
	char window[AMC_DURATION_TEXT_BYTES];

	if (rate->count == 0)
		return (size_t) snprintf(out, AMC_RATE_TEXT_BYTES, "off");
	amc_duration_format(rate->window_ms, window);
	return (size_t) snprintf(out, AMC_RATE_TEXT_BYTES, "%" PRId64 "/%s", rate->count, window);
}

/* a - b without overflow; what lies outside int64 becomes its edge. */
static int64_t
difference(int64_t a, int64_t b)
{
	if (b < 0 && a > INT64_MAX + b)
		return INT64_MAX;
	if (b > 0 && a < INT64_MIN + b)
		return INT64_MIN;
	return a - b;
}

amc_rate_result
amc_rate_step(amc_rate_window *window, int64_t now_ms, const amc_rate *rate, int64_t cost)
{
	amc_rate_result result = {true, INT64_MAX, 0, 0};
	int64_t age_ms = difference(now_ms, window->start_ms);
	int64_t used = window->count;
	int64_t wanted = cost == 0 ? 1 : cost;

	if (rate->count == 0)
		return result;
	/* A negative age, the clock having run back, keeps the window open. */
	if (used <= 0 || age_ms >= rate->window_ms)
	{
		used = 0;
		age_ms = 0;
	}
	result.remaining = used < rate->count ? rate->count - used : 0;
	result.reset_ms = used > 0 ? difference(rate->window_ms, age_ms) : 0;
	if (wanted < 0 || wanted > result.remaining)
	{
		result.allowed = false;
		result.retry_after_ms = difference(rate->window_ms, age_ms);
		return result;
	}
	if (cost > 0)
	{
		if (used == 0)
			window->start_ms = now_ms;
		window->count = used + cost;
		result.remaining -= cost;
		result.reset_ms = difference(rate->window_ms, age_ms);
	}
	return result;
}

int64_t
amc_rate_retry_after_s(int64_t retry_after_ms)
{
	if (retry_after_ms <= 1000)
		return 1;
	return retry_after_ms / 1000 + (retry_after_ms % 1000 != 0);
}
