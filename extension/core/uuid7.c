/*
 * uuid7.c
 *		UUID version 7 with a partition in rand_a (RFC 9562 section 5.7).
 */
#include "core/uuid7.h"

bool
amc_uuid7_make(uint64_t unix_ms, unsigned partition, const uint8_t random[8],
			   uint8_t out[AMC_UUID_BYTES])
{
	int i;

	if (unix_ms > AMC_UUID7_UNIX_MS_MAX || partition >= AMC_PARTITION_COUNT)
		return false;
	for (i = 0; i < 6; i++)
		out[i] = (uint8_t) (unix_ms >> (40 - 8 * i));
	out[6] = (uint8_t) (0x70 | partition >> 8);
	out[7] = (uint8_t) partition;
	memcpy(out + 8, random, 8);
	out[8] = (uint8_t) (0x80 | (out[8] & 0x3f));
	return true;
}

bool
amc_uuid7_valid(const uint8_t uuid[AMC_UUID_BYTES])
{
	return uuid[6] >> 4 == 7 && uuid[8] >> 6 == 2;
}

unsigned
amc_uuid7_partition(const uint8_t uuid[AMC_UUID_BYTES])
{
	return (unsigned) (uuid[6] & 0x0f) << 8 | uuid[7];
}

uint64_t
amc_uuid7_unix_ms(const uint8_t uuid[AMC_UUID_BYTES])
{
	uint64_t unix_ms = 0;
	int i;

	for (i = 0; i < 6; i++)
		unix_ms = unix_ms << 8 | uuid[i];
	return unix_ms;
}

/* A hyphen stands before these bytes. */
static bool
hyphen_before(int byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void
amc_uuid_format(const uint8_t uuid[AMC_UUID_BYTES], char out[AMC_UUID_TEXT_BYTES])
{
	static const char digits[16] = "0123456789abcdef";
	int i;

	for (i = 0; i < AMC_UUID_BYTES; i++)
	{
		if (hyphen_before(i))
			*out++ = '-';
		*out++ = digits[uuid[i] >> 4];
		*out++ = digits[uuid[i] & 15];
	}
}

/* Value of a digit of either case, or -1. */
static int
digit_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

bool
amc_uuid_parse(const char *text, size_t len, uint8_t out[AMC_UUID_BYTES])
{
	uint8_t uuid[AMC_UUID_BYTES];
	int i;

	if (len != AMC_UUID_TEXT_BYTES)
		return false;
	for (i = 0; i < AMC_UUID_BYTES; i++)
	{
		int high;
		int low;

		if (hyphen_before(i) && *text++ != '-')
			return false;
		high = digit_value(*text++);
		low = digit_value(*text++);
		if (high < 0 || low < 0)
			return false;
		uuid[i] = (uint8_t) (high << 4 | low);
	}
	memcpy(out, uuid, AMC_UUID_BYTES);
	return true;
}

unsigned
amc_partition_of(const char *canonical_email, size_t len)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ (uint8_t) canonical_email[i]) * UINT64_C(0x100000001b3);
	hash ^= hash >> 32;
	hash ^= hash >> 16;
	hash ^= hash >> 12;
	return (unsigned) (hash & (AMC_PARTITION_COUNT - 1));
}
