/*
 * price.c
 *		See price.h.  Every "per" divides a million, so that all lines have one
 *		denominator; 16 lines of 10^12 * 10^15 * 10^6 stay below 2^127.
 */
#include "core/price.h"

__extension__ typedef unsigned __int128 uint128;

#define DENOMINATOR ((uint128) AMC_PRICE_PARTS * AMC_PRICE_PARTS)

bool
amc_price_per_valid(int64_t per)
{
	return per == 1 || per == 1000 || per == AMC_PRICE_PARTS;
}

static bool
line_valid(const amc_price_line *line)
{
	return line->quantity >= 0 && line->quantity <= AMC_PRICE_QUANTITY_MAX && line->price >= 0 &&
		   line->price <= AMC_PRICE_MAX && amc_price_per_valid(line->per);
}

bool
amc_price_cost(const amc_price_line *lines, size_t count, int64_t *cost)
{
	uint128 sum = 0;
	size_t i;

	if (count > AMC_PRICE_LINES_MAX)
		return false;
	for (i = 0; i < count; i++)
	{
		if (!line_valid(&lines[i]))
			return false;
		sum += (uint128) lines[i].quantity * (uint128) lines[i].price *
			   (uint128) (AMC_PRICE_PARTS / lines[i].per);
	}
	sum = (sum + DENOMINATOR / 2) / DENOMINATOR;
	if (sum > INT64_MAX)
		return false;
	*cost = (int64_t) sum;
	return true;
}
