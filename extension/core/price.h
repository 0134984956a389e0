/*
 * price.h
 *		The cost of what was used, exactly, in whole minor units.
 *
 * A price is an integer of millionths of a minor unit, for so many pieces: 3 credits
 * (300 minor units) a million tokens is 300,000,000 per 1,000,000.  All lines of a
 * request are added as fractions, and the sum is rounded once, half up.
 */
#ifndef AMC_PRICE_H
#define AMC_PRICE_H

#include "core/span.h"

#define AMC_PRICE_QUANTITY_MAX INT64_C(1000000000000)    /* pieces of one line: 10^12 */
#define AMC_PRICE_MAX          INT64_C(1000000000000000) /* millionths of a minor unit: 10^15 */
#define AMC_PRICE_LINES_MAX    16
#define AMC_PRICE_PARTS        INT64_C(1000000) /* of a minor unit; also the largest "per" */

typedef struct amc_price_line
{
	int64_t quantity; /* 0..AMC_PRICE_QUANTITY_MAX */
	int64_t price;    /* 0..AMC_PRICE_MAX, for this many pieces: */
	int64_t per;      /* 1, 1000 or AMC_PRICE_PARTS */
} amc_price_line;

/* amc_price_per_valid: may a price be for this many pieces? */
extern bool amc_price_per_valid(int64_t per);

/*
 * amc_price_cost: the sum of quantity * price / per over the lines, in minor units, rounded half
 * up.
 *
 * False, with *cost unchanged, for a line outside its limits, more than
 * AMC_PRICE_LINES_MAX of them, or a cost above INT64_MAX.
 */
extern bool amc_price_cost(const amc_price_line *lines, size_t count, int64_t *cost);

#endif /* AMC_PRICE_H */
