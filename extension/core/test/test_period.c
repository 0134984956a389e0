/*
 * test_period.c
 *		Must hold: every time of the range falls into exactly one period of an anchor;
 *		periods adjoin without a gap; a period of months begins on the anchor's day of the
 *		month, or on the last day of a month that lacks it, at the anchor's time of day,
 *		and never drifts.  The calendar is checked against one that counts day by day.
 */
#include "core/period.h"
#include "core/test/test.h"

#define SECOND_US   INT64_C(1000000)
#define DAY_US      (86400 * SECOND_US)
#define YEAR_FIRST  1600
#define YEAR_LAST   2420
#define DAYS_MAX    300000
#define DAY_OF_1600 (-135140) /* 1600-01-01 counted from 1970-01-01 */

typedef struct calendar_day
{
	int year;
	int month; /* 1..12 */
	int day;
} calendar_day;

static calendar_day *calendar;
static int calendar_days;

static int
days_in(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static void
calendar_write(void)
{
	int year;
	int month;
	int day;

	calendar = (calendar_day *) test_alloc(sizeof(calendar_day) * DAYS_MAX);
	calendar_days = 0;
	for (year = YEAR_FIRST; year < YEAR_LAST; year++)
		for (month = 1; month <= 12; month++)
			for (day = 1; day <= days_in(year, month); day++)
				calendar[calendar_days++] = (calendar_day){year, month, day};
}

static int64_t
us_of(int year, int month, int day, int64_t us)
{
	int i;

	for (i = (year - YEAR_FIRST) * 365; i < calendar_days; i++)
		if (calendar[i].year == year && calendar[i].month == month && calendar[i].day == day)
			return (i + DAY_OF_1600) * DAY_US + us;
	CHECK(false);
	return 0;
}

static calendar_day
day_of(int64_t us)
{
	return calendar[(us - DAY_OF_1600 * DAY_US) / DAY_US];
}

/* The start of period number of an anchor, as the calendar has it. */
static void
expect_month(int64_t anchor_us, int64_t months, int64_t start_us)
{
	calendar_day anchor = day_of(anchor_us);
	calendar_day start = day_of(start_us);
	int64_t month = anchor.year * INT64_C(12) + anchor.month - 1 + months;
	int days = days_in((int) (month / 12), (int) (month % 12) + 1);

	CHECK_INT(month, start.year * INT64_C(12) + start.month - 1);
	CHECK_INT(anchor.day < days ? anchor.day : days, start.day);
	CHECK_INT((anchor_us - DAY_OF_1600 * DAY_US) % DAY_US,
			  (start_us - DAY_OF_1600 * DAY_US) % DAY_US);
}

static void
worked_examples(void)
{
	static const struct
	{
		amc_period_unit unit;
		int anchor[3];
		int at[3];
		int64_t number;
		int start[3];
		int end[3];
	} examples[] = {
		{AMC_PERIOD_MONTH, {2024, 1, 31}, {2024, 1, 31}, 0, {2024, 1, 31}, {2024, 2, 29}},
		{AMC_PERIOD_MONTH, {2024, 1, 31}, {2024, 2, 29}, 1, {2024, 2, 29}, {2024, 3, 31}},
		{AMC_PERIOD_MONTH, {2024, 1, 31}, {2024, 4, 29}, 2, {2024, 3, 31}, {2024, 4, 30}},
		{AMC_PERIOD_MONTH, {2023, 1, 31}, {2023, 3, 1}, 1, {2023, 2, 28}, {2023, 3, 31}},
		{AMC_PERIOD_MONTH, {2023, 1, 29}, {2100, 2, 28}, 925, {2100, 2, 28}, {2100, 3, 29}},
		{AMC_PERIOD_MONTH, {2024, 3, 15}, {2024, 3, 14}, -1, {2024, 2, 15}, {2024, 3, 15}},
		{AMC_PERIOD_MONTH, {2024, 3, 31}, {2024, 2, 28}, -2, {2024, 1, 31}, {2024, 2, 29}},
		{AMC_PERIOD_YEAR, {2024, 2, 29}, {2025, 2, 27}, 0, {2024, 2, 29}, {2025, 2, 28}},
		{AMC_PERIOD_YEAR, {2024, 2, 29}, {2028, 2, 28}, 3, {2027, 2, 28}, {2028, 2, 29}},
		{AMC_PERIOD_YEAR, {2024, 2, 29}, {2028, 2, 29}, 4, {2028, 2, 29}, {2029, 2, 28}},
		{AMC_PERIOD_YEAR, {2024, 2, 29}, {2100, 3, 1}, 76, {2100, 2, 28}, {2101, 2, 28}},
		{AMC_PERIOD_YEAR, {1970, 1, 1}, {1969, 12, 31}, -1, {1969, 1, 1}, {1970, 1, 1}},
		{AMC_PERIOD_WEEK, {2024, 1, 1}, {2024, 3, 3}, 8, {2024, 2, 26}, {2024, 3, 4}},
		{AMC_PERIOD_DAY, {2024, 1, 1}, {2024, 12, 31}, 365, {2024, 12, 31}, {2025, 1, 1}},
		{AMC_PERIOD_DAY, {2000, 1, 1}, {1999, 12, 31}, -1, {1999, 12, 31}, {2000, 1, 1}},
	};
	const int64_t time_us = 13 * 3600 * SECOND_US + 1;
	size_t i;

	for (i = 0; i < LENGTH_OF(examples); i++)
	{
		const int *a = examples[i].anchor;
		const int *t = examples[i].at;
		const int *s = examples[i].start;
		const int *e = examples[i].end;
		amc_period period;

		CHECK(amc_period_at(examples[i].unit, us_of(a[0], a[1], a[2], time_us),
							us_of(t[0], t[1], t[2], time_us), &period));
		CHECK_INT(examples[i].number, period.number);
		CHECK_INT(us_of(s[0], s[1], s[2], time_us), period.start_us);
		CHECK_INT(us_of(e[0], e[1], e[2], time_us), period.end_us);
	}
}

static uint64_t
random_next(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 20;
}

static void
expect_partition(amc_period_unit unit, int64_t anchor_us, int64_t at_us)
{
	amc_period period;
	amc_period other;

	CHECK(amc_period_at(unit, anchor_us, at_us, &period));
	CHECK(period.start_us <= at_us && at_us < period.end_us);
	CHECK(amc_period_nth(unit, anchor_us, period.number, &other));
	CHECK(other.start_us == period.start_us && other.end_us == period.end_us);
	CHECK(amc_period_at(unit, anchor_us, period.start_us, &other));
	CHECK_INT(period.number, other.number);
	CHECK(amc_period_at(unit, anchor_us, period.end_us - 1, &other));
	CHECK_INT(period.number, other.number);
	CHECK(amc_period_at(unit, anchor_us, period.end_us, &other));
	CHECK_INT(period.number + 1, other.number);
	CHECK_INT(period.end_us, other.start_us);
	CHECK(amc_period_at(unit, anchor_us, anchor_us, &other));
	CHECK(other.number == 0 && other.start_us == anchor_us);
	if (unit == AMC_PERIOD_MONTH || unit == AMC_PERIOD_YEAR)
		expect_month(anchor_us, period.number * (unit == AMC_PERIOD_YEAR ? 12 : 1),
					 period.start_us);
}

static void
random_times(void)
{
	const int64_t first = us_of(1610, 1, 1, 0);
	const uint64_t span = (uint64_t) (us_of(2410, 1, 1, 0) - first);
	uint64_t state = 4;
	int unit;
	int i;

	for (unit = AMC_PERIOD_HOUR; unit <= AMC_PERIOD_YEAR; unit++)
		for (i = 0; i < 5000; i++)
		{
			int64_t anchor_us = first + (int64_t) ((random_next(&state) << 20) % span);
			int64_t at_us = first + (int64_t) ((random_next(&state) << 20) % span);

			expect_partition((amc_period_unit) unit, anchor_us, at_us);
		}
}

/* Every day of the month as an anchor, every month of eight years as a period. */
static void
month_ends(void)
{
	int day;
	int64_t number;

	for (day = 1; day <= 31; day++)
		for (number = -50; number < 50; number++)
		{
			int64_t anchor_us = us_of(2096, 1, day, DAY_US - 1);
			amc_period period;

			CHECK(amc_period_nth(AMC_PERIOD_MONTH, anchor_us, number, &period));
			expect_month(anchor_us, number, period.start_us);
			expect_month(anchor_us, number + 1, period.end_us);
		}
}

static void
the_range(void)
{
	amc_period period;
	int unit;

	for (unit = AMC_PERIOD_HOUR; unit <= AMC_PERIOD_LIFETIME; unit++)
	{
		amc_period_unit u = (amc_period_unit) unit;

		CHECK(amc_period_at(u, AMC_PERIOD_US_MIN, AMC_PERIOD_US_END - 1, &period));
		CHECK(amc_period_at(u, AMC_PERIOD_US_END - 1, AMC_PERIOD_US_MIN, &period));
		CHECK(!amc_period_at(u, AMC_PERIOD_US_MIN - 1, 0, &period));
		CHECK(!amc_period_at(u, AMC_PERIOD_US_END, 0, &period));
		CHECK(!amc_period_at(u, 0, AMC_PERIOD_US_MIN - 1, &period));
		CHECK(!amc_period_at(u, 0, AMC_PERIOD_US_END, &period));
		CHECK(!amc_period_nth(u, 0, INT64_MAX, &period));
		CHECK(!amc_period_nth(u, 0, INT64_MIN, &period));
	}
	CHECK(amc_period_at(AMC_PERIOD_LIFETIME, 77, 5, &period));
	CHECK(period.number == 0 && period.start_us == 77 && period.end_us == AMC_PERIOD_NEVER);
	CHECK(!amc_period_nth(AMC_PERIOD_LIFETIME, 77, 1, &period));
}

static void
names(void)
{
	amc_period_unit unit = AMC_PERIOD_HOUR;

	CHECK(amc_period_parse((amc_span){"lifetime", 8}, &unit) && unit == AMC_PERIOD_LIFETIME);
	CHECK(amc_period_parse((amc_span){"month", 5}, &unit) && unit == AMC_PERIOD_MONTH);
	CHECK(!amc_period_parse((amc_span){"months", 6}, &unit));
	CHECK(!amc_period_parse((amc_span){"mont", 4}, &unit));
	CHECK(!amc_period_parse((amc_span){"Day", 3}, &unit));
	CHECK(!amc_period_parse((amc_span){"", 0}, &unit));
}

void
test_period(void)
{
	calendar_write();
	test_case("period: worked examples");
	worked_examples();
	test_case("period: random times");
	random_times();
	test_case("period: month ends");
	month_ends();
	test_case("period: range");
	the_range();
	test_case("period: names");
	names();
}
