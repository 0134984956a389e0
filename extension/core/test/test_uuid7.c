/*
 * test_uuid7.c
 *		Must hold: an id carries its time, its partition and 62 random bits; the
 *		partition of an address never changes (RFC 9562 section 5.7, appendix A.6).
 */
#include "core/test/test.h"
#include "core/uuid7.h"

static void
standard_vector(void)
{
	static const uint8_t random[8] = {0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f};
	static const uint8_t high_random[8] = {0xd8, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f};
	uint8_t uuid[16];
	char text[36];

	test_case("RFC 9562 appendix A.6");
	CHECK(amc_uuid7_make(UINT64_C(0x017f22e279b0), 0xcc3, random, uuid));
	amc_uuid_format(uuid, text);
	CHECK_TEXT("017f22e2-79b0-7cc3-98c4-dc0c0c07398f", text, 36);
	CHECK(amc_uuid7_valid(uuid));
	CHECK_INT(0xcc3, amc_uuid7_partition(uuid));
	CHECK_INT(INT64_C(1645557742000), amc_uuid7_unix_ms(uuid));

	test_case("the variant wins over random bits");
	CHECK(amc_uuid7_make(UINT64_C(0x017f22e279b0), 0xcc3, high_random, uuid));
	amc_uuid_format(uuid, text);
	CHECK_TEXT("017f22e2-79b0-7cc3-98c4-dc0c0c07398f", text, 36);
}

static void
ranges(void)
{
	static const uint8_t random[8] = {255, 255, 255, 255, 255, 255, 255, 255};
	uint8_t uuid[16] = {0};
	unsigned partition;
	unsigned good = 0;

	test_case("ranges");
	CHECK(!amc_uuid7_make(AMC_UUID7_UNIX_MS_MAX + 1, 0, random, uuid));
	CHECK(!amc_uuid7_make(0, 4096, random, uuid));
	CHECK(!amc_uuid7_valid(uuid));
	CHECK(amc_uuid7_make(AMC_UUID7_UNIX_MS_MAX, 4095, random, uuid));
	CHECK(amc_uuid7_valid(uuid));
	CHECK_INT(AMC_UUID7_UNIX_MS_MAX, amc_uuid7_unix_ms(uuid));

	test_case("every partition");
	for (partition = 0; partition < AMC_PARTITION_COUNT; partition++)
		good += amc_uuid7_make(1, partition, random, uuid) && amc_uuid7_valid(uuid) &&
				amc_uuid7_partition(uuid) == partition && amc_uuid7_unix_ms(uuid) == 1;
	CHECK_INT(AMC_PARTITION_COUNT, good);
}

static void
parsing(void)
{
	static const char *const refused[] = {
		"",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398ff",
		"017f22e279b07cc398c4dc0c0c07398f",
		"017f22e279b07cc398c4dc0c0c07398f----",
		"{17f22e2-79b0-7cc3-98c4-dc0c0c07398}",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398 ",
		"017f22e27-9b0-7cc3-98c4-dc0c0c07398f",
		"017f22e2_79b0_7cc3_98c4_dc0c0c07398f",
		"+17f22e2-79b0-7cc3-98c4-dc0c0c07398f",
		"0x7f22e2-79b0-7cc3-98c4-dc0c0c07398f",
	};
	uint8_t uuid[16];
	char text[36];
	size_t i;

	test_case("either case is read, lower case is written");
	CHECK(amc_uuid_parse("017F22E2-79B0-7CC3-98C4-DC0C0C07398F", 36, uuid));
	amc_uuid_format(uuid, text);
	CHECK_TEXT("017f22e2-79b0-7cc3-98c4-dc0c0c07398f", text, 36);
	for (i = 0; i < LENGTH_OF(refused); i++)
	{
		size_t len = strlen(refused[i]);

		test_case(refused[i]);
		CHECK(!amc_uuid_parse(test_copy(refused[i], len), len, uuid));
	}
	test_case("other versions are UUIDs, but not ours");
	CHECK(amc_uuid_parse("00000000-0000-0000-0000-000000000000", 36, uuid));
	CHECK(!amc_uuid7_valid(uuid));
	CHECK(amc_uuid_parse("919108f7-52d1-4320-9bac-f847db4148a8", 36, uuid));
	CHECK(!amc_uuid7_valid(uuid));
	CHECK(amc_uuid_parse("017f22e2-79b0-7cc3-d8c4-dc0c0c07398f", 36, uuid));
	CHECK(!amc_uuid7_valid(uuid));
}

/* Written down once; if these change, ids no longer lead to their rows. */
static void
partitions(void)
{
	unsigned counts[AMC_PARTITION_COUNT] = {0};
	unsigned fullest = 0;
	unsigned i;

	test_case("partitions never change");
	CHECK_INT(862, amc_partition_of("", 0));
	CHECK_INT(3442, amc_partition_of(AMC_LITERAL("ana@example.com")));
	CHECK_INT(1785, amc_partition_of(AMC_LITERAL("j\xc3\xb6rg@b\xc3\xbc"
												 "cher.example")));

	test_case("partitions are even");
	for (i = 0; i < 64 * AMC_PARTITION_COUNT; i++)
	{
		char email[] = "user-000000@example.com";
		unsigned rest = i;
		int digit;
		unsigned *count;

		for (digit = 10; digit > 4; digit--, rest /= 10)
			email[digit] = (char) ('0' + rest % 10);
		count = &counts[amc_partition_of(email, sizeof(email) - 1)];
		*count += 1;
		fullest = *count > fullest ? *count : fullest;
	}
	/* Mean 64, deviation 8: six deviations above would be odd. */
	CHECK(fullest < 64 + 6 * 8);
}

void
test_uuid7(void)
{
	standard_vector();
	ranges();
	parsing();
	partitions();
}
