/*
 * hotp.c
 *		The arithmetic of RFC 4226 and RFC 6238.
 */
#include "core/hotp.h"

void
amc_hotp_message(uint64_t counter, uint8_t message[AMC_HOTP_COUNT_BYTES])
{
	int i;

	for (i = AMC_HOTP_COUNT_BYTES - 1; i >= 0; i--)
	{
		message[i] = (uint8_t) counter;
		counter >>= 8;
	}
}

bool
amc_hotp_code(const uint8_t mac[AMC_HOTP_MAC_BYTES], int digits, char *code)
{
	size_t offset = mac[AMC_HOTP_MAC_BYTES - 1] & 15;
	uint32_t number = (uint32_t) (mac[offset] & 0x7f) << 24 | (uint32_t) mac[offset + 1] << 16 |
					  (uint32_t) mac[offset + 2] << 8 | mac[offset + 3];
	int i;

	if (digits < AMC_HOTP_DIGITS_MIN || digits > AMC_HOTP_DIGITS_MAX)
		return false;
	for (i = digits - 1; i >= 0; i--)
	{
		code[i] = (char) ('0' + number % 10);
		number /= 10;
	}
	return true;
}

uint64_t
amc_totp_step(int64_t unix_s)
{
	return unix_s < 0 ? 0 : (uint64_t) unix_s / AMC_TOTP_STEP_S;
}
