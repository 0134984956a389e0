/*
 * test_price.c
 *		Must hold: a cost is the exact sum of its lines, rounded once, half up; nothing wraps.
 */
#include "core/price.h"
#include "core/test/test.h"

#define PARTS AMC_PRICE_PARTS

static int64_t
cost_of(const amc_price_line *lines, size_t count)
{
	int64_t cost = -1;

	return amc_price_cost(lines, count, &cost) ? cost : -1;
}

static int64_t
cost_of_line(int64_t quantity, int64_t price, int64_t per)
{
	amc_price_line line = {quantity, price, per};

	return cost_of(&line, 1);
}

static void
test_rounding(void)
{
	amc_price_line lines[3] = {{1, 500000, 1}, {1, 500000, 1}, {1, 0, 1}};
	amc_price_line tokens[2] = {{999999, 1 * PARTS, PARTS}, {1, 1 * PARTS, PARTS}};

	test_case("half up");
	CHECK_INT(0, cost_of_line(1, 499999, 1));
	CHECK_INT(1, cost_of_line(1, 500000, 1));
	CHECK_INT(1, cost_of_line(1, 1499999, 1));
	CHECK_INT(2, cost_of_line(1, 1500000, 1));
	CHECK_INT(0, cost_of_line(499999, PARTS, PARTS));
	CHECK_INT(1, cost_of_line(500000, PARTS, PARTS));

	test_case("once, at the end");
	CHECK_INT(1, cost_of(lines, 2));
	CHECK_INT(1, cost_of(lines, 3));
	CHECK_INT(1, cost_of(tokens, 2));

	test_case("per thousand");
	CHECK_INT(3, cost_of_line(2500, PARTS, 1000));
	CHECK_INT(2, cost_of_line(2499, PARTS, 1000));

	test_case("nothing");
	CHECK_INT(0, cost_of(lines, 0));
	CHECK_INT(0, cost_of_line(0, AMC_PRICE_MAX, 1));
}

static void
test_limits(void)
{
	amc_price_line lines[AMC_PRICE_LINES_MAX + 1];
	size_t i;

	test_case("edges");
	CHECK_INT(AMC_PRICE_MAX, cost_of_line(AMC_PRICE_QUANTITY_MAX, AMC_PRICE_MAX, PARTS));
	CHECK_INT(AMC_PRICE_MAX / PARTS, cost_of_line(1, AMC_PRICE_MAX, 1));
	CHECK_INT(INT64_C(9223372036000000000), cost_of_line(9223372036, AMC_PRICE_MAX, 1));
	CHECK_INT(-1, cost_of_line(9223372037, AMC_PRICE_MAX, 1));
	CHECK_INT(-1, cost_of_line(AMC_PRICE_QUANTITY_MAX, AMC_PRICE_MAX, 1));

	test_case("outside");
	CHECK_INT(-1, cost_of_line(-1, 1, 1));
	CHECK_INT(-1, cost_of_line(1, -1, 1));
	CHECK_INT(-1, cost_of_line(AMC_PRICE_QUANTITY_MAX + 1, 0, 1));
	CHECK_INT(-1, cost_of_line(0, AMC_PRICE_MAX + 1, 1));
	CHECK_INT(-1, cost_of_line(INT64_MAX, INT64_MAX, 1));
	CHECK_INT(-1, cost_of_line(1, 1, 0));
	CHECK_INT(-1, cost_of_line(1, 1, -1));
	CHECK_INT(-1, cost_of_line(1, 1, 10));

	test_case("many lines");
	for (i = 0; i < LENGTH_OF(lines); i++)
		lines[i] = (amc_price_line){AMC_PRICE_QUANTITY_MAX, AMC_PRICE_MAX, PARTS};
	CHECK_INT(AMC_PRICE_LINES_MAX * AMC_PRICE_MAX, cost_of(lines, AMC_PRICE_LINES_MAX));
	CHECK_INT(-1, cost_of(lines, AMC_PRICE_LINES_MAX + 1));
	for (i = 0; i < LENGTH_OF(lines); i++)
		lines[i].per = 1;
	CHECK_INT(-1, cost_of(lines, AMC_PRICE_LINES_MAX));
}

void
test_price(void)
{
	test_rounding();
	test_limits();
}
