/*
 * test_duration.c
 *		Must hold: a duration is digits and one unit, and is written as it is read.
 */
#include "core/duration.h"
#include "core/test/test.h"

static const struct
{
	const char *text;
	int64_t ms;
	const char *written;
} accepted[] = {
	{"0s", 0, "0s"},
	{"0d", 0, "0s"},
	{"1ms", 1, "1ms"},
	{"250ms", 250, "250ms"},
	{"10s", 10000, "10s"},
	{"15m", 900000, "15m"},
	{"1h", 3600000, "1h"},
	{"30d", INT64_C(2592000000), "30d"},
	{"60s", 60000, "1m"},
	{"1000ms", 1000, "1s"},
	{"90m", 5400000, "90m"},
	{"24h", 86400000, "1d"},
	{"007s", 7000, "7s"},
	{"36525d", AMC_DURATION_MS_MAX, "36525d"},
	{"3155760000000ms", AMC_DURATION_MS_MAX, "36525d"},
	{"3155759999999ms", AMC_DURATION_MS_MAX - 1, "3155759999999ms"},
};
static const char *const refused[] = {
	"",
	"s",
	"10",
	"0",
	"-1s",
	"+1s",
	" 1s",
	"1s ",
	"1 s",
	"1S",
	"1H",
	"1.5h",
	"1e3s",
	"1w",
	"1y",
	"1min",
	"1hd",
	"1h30m",
	"m5",
	"36526d",
	"3155760000001ms",
	"99999999999999999999s",
	"18446744073709551617ms",
	"9223372036854775807d",
	"1\xc2\xb5s",
};

void
test_duration(void)
{
	char out[AMC_DURATION_TEXT_BYTES];
	size_t i;

	for (i = 0; i < LENGTH_OF(accepted); i++)
	{
		size_t len = strlen(accepted[i].text);
		int64_t ms = -1;

		test_case(accepted[i].text);
		CHECK(amc_duration_parse(test_copy(accepted[i].text, len), len, &ms));
		CHECK_INT(accepted[i].ms, ms);
		len = amc_duration_format(ms, out);
		CHECK_TEXT(accepted[i].written, out, len);
		CHECK_INT('\0', out[len]);
	}
	for (i = 0; i < LENGTH_OF(refused); i++)
	{
		size_t len = strlen(refused[i]);
		int64_t ms = -1;

		test_case(refused[i]);
		CHECK(!amc_duration_parse(test_copy(refused[i], len), len, &ms));
		CHECK_INT(-1, ms);
	}
	test_case("NUL behind the unit");
	{
		int64_t ms = -1;

		CHECK(!amc_duration_parse("1s\0", 3, &ms));
	}
}
