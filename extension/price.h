/*
 * price.h
 *
 * Prices: what a request costs by the price list of a book, so that a charge and its price are
 * decided in one statement.
 */
#ifndef AM_PRICE_H
#define AM_PRICE_H

#include "compat.h"

#include "core/price.h"

#define AM_PRICE_KIND_CALL "call" /* the kind of a price for one operation */

/* One line of a request; the texts are NUL-terminated. */
typedef struct AmPriceLine
{
	const char *kind;
	int64 quantity;
} AmPriceLine;

typedef struct AmPriceAnswer
{
	const char
		*outcome;      /* a constant: ok, book_unknown, price_unknown, quantity_invalid, overflow */
	int64 cost;        /* minor units, rounded half up */
	char *unit;        /* of the book; palloc'd in the caller's context */
	TimestampTz since; /* begin of the newest price that was used; 0 when none was */
} AmPriceAnswer;

/*
 * What the lines (up to AMC_PRICE_LINES_MAX) cost together by the prices in force at a time. A kind
 * that the item has no price for takes that of item '*'; without one the price is unknown, never
 * nothing. A quantity of 0 needs no price. cost, unit and since count only with outcome ok. The
 * calling SQL function must be SECURITY DEFINER.
 */
extern void am_price_cost(const char *book, const char *item, const AmPriceLine *lines, int count,
						  TimestampTz at, AmPriceAnswer *answer);

#endif
