/*
 * period.c
 *		Periods of quotas.
 *
 * Days are numbered from 1970-01-01.  Inside, years begin in March, so that the leap
 * day is the last one of a year and the months before it have fixed offsets.
 */
#include "core/period.h"

#define HOUR_US     INT64_C(3600000000)
#define DAY_US      (24 * HOUR_US)
#define YEAR_MONTHS 12
#define ERA_YEARS   400
#define ERA_DAYS    146097             /* days of 400 years */
#define EPOCH_DAYS  719468             /* days from 0000-03-01 to 1970-01-01 */
#define PERIODS_MAX INT64_C(100000000) /* more hours than the range of times has */

typedef struct date
{
	int64_t year;
	int64_t month; /* 0..11 */
	int64_t day;   /* 1..31 */
} date;

static int64_t
divided_down(int64_t dividend, int64_t divisor)
{
	return dividend / divisor - (dividend % divisor < 0);
}

/* Days from March 1 to the first of the month that is months after March. */
static int64_t
days_since_march(int64_t months)
{
	return (months * 153 + 2) / 5;
}

static int64_t
day_of_date(const date *d)
{
	int64_t months = (d->month + 10) % YEAR_MONTHS;
	int64_t year = d->month < 2 ? d->year - 1 : d->year;
	int64_t era = divided_down(year, ERA_YEARS);
	int64_t of_era = year - era * ERA_YEARS;

	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + days_since_march(months) +
		   d->day - 1 - EPOCH_DAYS;
}

static date
date_of_day(int64_t day)
{
	int64_t shifted = day + EPOCH_DAYS;
	int64_t era = divided_down(shifted, ERA_DAYS);
	int64_t left = shifted - era * ERA_DAYS;
	/* The last day of 4, 100 and 400 years is taken out, so that every year has 365 days. */
	int64_t of_era = (left - left / 1460 + left / 36524 - left / (ERA_DAYS - 1)) / 365;
	int64_t of_year = left - (of_era * 365 + of_era / 4 - of_era / 100);
	int64_t months = (of_year * 5 + 2) / 153;
	date result = {era * ERA_YEARS + of_era, (months + 2) % YEAR_MONTHS,
				   of_year - days_since_march(months) + 1};

	if (result.month < 2)
		result.year++;
	return result;
}

static int64_t
month_days(int64_t year, int64_t month)
{
	date first = {year, month, 1};
	date next = {year + (month == YEAR_MONTHS - 1), (month + 1) % YEAR_MONTHS, 1};

	return day_of_date(&next) - day_of_date(&first);
}

/* months after the anchor; a day that the month lacks becomes its last one. */
static int64_t
months_after(int64_t anchor_us, int64_t months)
{
	int64_t anchor_day = divided_down(anchor_us, DAY_US);
	date d = date_of_day(anchor_day);
	int64_t month = d.year * YEAR_MONTHS + d.month + months;
	int64_t days;

	d.year = divided_down(month, YEAR_MONTHS);
	d.month = month - d.year * YEAR_MONTHS;
	days = month_days(d.year, d.month);
	if (d.day > days)
		d.day = days;
	return day_of_date(&d) * DAY_US + (anchor_us - anchor_day * DAY_US);
}

static int64_t
unit_us(amc_period_unit unit)
{
	switch (unit)
	{
		case AMC_PERIOD_HOUR:
			return HOUR_US;
		case AMC_PERIOD_DAY:
			return DAY_US;
		case AMC_PERIOD_WEEK:
			return 7 * DAY_US;
		default:
			return 0;
	}
}

static int64_t
unit_months(amc_period_unit unit)
{
	return unit == AMC_PERIOD_YEAR ? YEAR_MONTHS : 1;
}

static int64_t
start_of(amc_period_unit unit, int64_t anchor_us, int64_t number)
{
	int64_t us = unit_us(unit);

	return us > 0 ? anchor_us + number * us : months_after(anchor_us, number * unit_months(unit));
}

/* The number of the period by the calendar months of the two times; may be one too high. */
static int64_t
number_guess(amc_period_unit unit, int64_t anchor_us, int64_t at_us)
{
	date anchor = date_of_day(divided_down(anchor_us, DAY_US));
	date at = date_of_day(divided_down(at_us, DAY_US));

	return divided_down((at.year - anchor.year) * YEAR_MONTHS + at.month - anchor.month,
						unit_months(unit));
}

static bool
in_range(int64_t us)
{
	return us >= AMC_PERIOD_US_MIN && us < AMC_PERIOD_US_END;
}

bool
amc_period_parse(amc_span text, amc_period_unit *unit)
{
	static const char *const names[] = {"hour", "day", "week", "month", "year", "lifetime"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (text.len == strlen(names[i]) && memcmp(text.ptr, names[i], text.len) == 0)
		{
			*unit = (amc_period_unit) i;
			return true;
		}
	return false;
}

bool
amc_period_nth(amc_period_unit unit, int64_t anchor_us, int64_t number, amc_period *period)
{
	if (!in_range(anchor_us) || number > PERIODS_MAX || number < -PERIODS_MAX)
		return false;
	if (unit == AMC_PERIOD_LIFETIME)
	{
		*period = (amc_period){0, anchor_us, AMC_PERIOD_NEVER};
		return number == 0;
	}
	period->number = number;
	period->start_us = start_of(unit, anchor_us, number);
	period->end_us = start_of(unit, anchor_us, number + 1);
	/* One period may stand out of the range at each end, because times in the range are in it. */
	return period->end_us > AMC_PERIOD_US_MIN && period->start_us < AMC_PERIOD_US_END;
}

bool
amc_period_at(amc_period_unit unit, int64_t anchor_us, int64_t at_us, amc_period *period)
{
	int64_t us = unit_us(unit);
	int64_t number = 0;

	if (!in_range(anchor_us) || !in_range(at_us))
		return false;
	if (us > 0)
		number = divided_down(at_us - anchor_us, us);
	else if (unit != AMC_PERIOD_LIFETIME)
	{
		number = number_guess(unit, anchor_us, at_us);
		if (start_of(unit, anchor_us, number) > at_us)
			number--;
	}
	return amc_period_nth(unit, anchor_us, number, period);
}
