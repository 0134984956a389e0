/*
 * price.c
 *
 * What a request costs. Prices are rows that never change: a new one begins at its time, and what
 * was charged before can be computed again at any time. The arithmetic is core/price: integers,
 * rounded once for the whole request.
 */
#include "compat.h"

#include "access/htup_details.h"
#include "utils/array.h"

#include "clock.h"
#include "price.h"
#include "row.h"
#include "spi.h"

#define ITEM_ANY "*"

PG_FUNCTION_INFO_V1(authmeter_price_cost);

static AmPlan book_plan = {
	"SELECT unit FROM authmeter.price_book WHERE name" AM_EQ "$1", 1, {TEXTOID}, NULL};
/* The primary key read backwards. */
static AmPlan price_plan = {
	"SELECT p.price, p.per, p.valid_from FROM authmeter.price_table p WHERE p.book" AM_EQ
	"$1 AND p.item" AM_EQ "$2 AND p.kind" AM_EQ "$3 AND p.valid_from" AM_LE
	"$4 ORDER BY p.valid_from DESC LIMIT 1",
	4,
	{TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID},
	NULL};

/* Fills price and per of a line; false when there is none, or it has ended. */
static bool
line_price(Datum *values, amc_price_line *line, AmPriceAnswer *answer)
{
	if (am_spi_read_latest(&price_plan, values, NULL, 1) == 0)
	{
		values[1] = CStringGetTextDatum(ITEM_ANY);
		if (am_spi_read_latest(&price_plan, values, NULL, 1) == 0)
			return false;
	}
	if (am_spi_null(0, 1))
		return false;
	line->price = am_spi_int64(0, 1);
	line->per = am_spi_int64(0, 2);
	answer->since = Max(answer->since, am_spi_timestamptz(0, 3));
	return true;
}

/* The lines that cost something; NULL, or why there is no cost. SPI is connected. */
static const char *
lines_cost(const char *book, const char *item, const AmPriceLine *lines, int count, TimestampTz at,
		   AmPriceAnswer *answer)
{
	amc_price_line priced[AMC_PRICE_LINES_MAX];
	int used = 0;
	int i;

	for (i = 0; i < count; i++)
	{
		Datum values[4] = {CStringGetTextDatum(book), CStringGetTextDatum(item),
						   CStringGetTextDatum(lines[i].kind), TimestampTzGetDatum(at)};

		if (lines[i].quantity < 0 || lines[i].quantity > AMC_PRICE_QUANTITY_MAX)
			return "quantity_invalid";
		if (lines[i].quantity == 0)
			continue;
		priced[used].quantity = lines[i].quantity;
		if (!line_price(values, &priced[used++], answer))
			return "price_unknown";
	}
	return amc_price_cost(priced, used, &answer->cost) ? NULL : "overflow";
}

void
am_price_cost(const char *book, const char *item, const AmPriceLine *lines, int count,
			  TimestampTz at, AmPriceAnswer *answer)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum name;
	const char *refusal = "book_unknown";

	memset(answer, 0, sizeof(*answer));
	am_spi_begin();
	name = CStringGetTextDatum(book);
	if (am_spi_read_latest(&book_plan, &name, NULL, 1) == 1)
	{
		answer->unit = am_spi_text(0, 1, caller);
		refusal = lines_cost(book, item, lines, count, at, answer);
	}
	am_spi_end();
	answer->outcome = refusal != NULL ? refusal : "ok";
}

/* ---- SQL ------------------------------------------------------------------------------------- */

static _Noreturn void
refuse(const char *message, const char *hint)
{
	ereport(ERROR, errcode(ERRCODE_AM_PRICE_INVALID), errmsg("%s", message), errhint("%s", hint));
}

static char *
name_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? pstrdup("") : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

static int
array_argument(FunctionCallInfo fcinfo, int number, Oid type, int16 len, bool byval, char align,
			   Datum **values, bool **nulls)
{
	ArrayType *array;
	int count;

	if (PG_ARGISNULL(number))
		refuse("kinds and quantities of a price must not be null",
			   "Give one quantity for each kind, such as '{input,output}' and '{1200,300}'.");
	array = PG_GETARG_ARRAYTYPE_P(number);
	deconstruct_array(array, type, len, byval, align, values, nulls, &count);
	return count;
}

/* Fills the lines from the two arrays; a NULL quantity is an invalid one, a NULL kind no kind. */
static int
lines_argument(FunctionCallInfo fcinfo, AmPriceLine *lines)
{
	Datum *kinds;
	Datum *quantities;
	bool *no_kind;
	bool *no_quantity;
	int count = array_argument(fcinfo, 2, TEXTOID, -1, false, TYPALIGN_INT, &kinds, &no_kind);
	int i;

	if (array_argument(fcinfo, 3, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &quantities,
					   &no_quantity) != count)
		refuse("kinds and quantities of a price differ in number", "Give one for each.");
	if (count > AMC_PRICE_LINES_MAX)
		refuse("too many kinds in one price", "A request has at most 16.");
	for (i = 0; i < count; i++)
	{
		lines[i].kind = no_kind[i] ? "" : TextDatumGetCString(kinds[i]);
		lines[i].quantity = no_quantity[i] ? -1 : DatumGetInt64(quantities[i]);
	}
	return count;
}

/* authmeter.price_cost(book, item, kinds, quantities, at) */
Datum
authmeter_price_cost(PG_FUNCTION_ARGS)
{
	char *book = name_argument(fcinfo, 0);
	char *item = name_argument(fcinfo, 1);
	AmPriceLine lines[AMC_PRICE_LINES_MAX];
	int count = lines_argument(fcinfo, lines);
	AmPriceAnswer answer;
	Datum values[4] = {0};
	bool nulls[4] = {false, true, true, true};

	am_price_cost(book, item, lines, count,
				  PG_ARGISNULL(4) ? am_clock_now() : PG_GETARG_TIMESTAMPTZ(4), &answer);
	values[0] = CStringGetTextDatum(answer.outcome);
	if (strcmp(answer.outcome, "ok") == 0)
	{
		values[1] = Int64GetDatum(answer.cost);
		values[2] = CStringGetTextDatum(answer.unit);
		values[3] = TimestampTzGetDatum(answer.since);
		nulls[1] = nulls[2] = false;
		nulls[3] = answer.since == 0;
	}
	return am_row(fcinfo, values, nulls);
}
