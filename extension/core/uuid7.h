/*
 * uuid7.h
 *		UUID version 7 (RFC 9562 section 5.7) whose 12 bits rand_a carry a partition.
 *
 *		 0                   1                   2                   3
 *		|                          unix_ts_ms (48)                      |
 *		| ver = 7 (4) |   partition (12)   | var = 10 |  random (62)    |
 *
 * The partition of a user is a hash of the canonical e-mail address at creation.
 * It is copied into every id that belongs to the user, so that an id alone tells
 * where its rows live.
 */
#ifndef AMC_UUID7_H
#define AMC_UUID7_H

#include "core/span.h"

#define AMC_UUID_BYTES        16
#define AMC_UUID_TEXT_BYTES   36
#define AMC_PARTITION_COUNT   4096
#define AMC_UUID7_UNIX_MS_MAX ((UINT64_C(1) << 48) - 1)

/*
 * amc_uuid7_make: compose an id.
 *
 * unix_ms: milliseconds since 1970, at most AMC_UUID7_UNIX_MS_MAX; partition: 0
 * to 4095; random: 8 bytes of a CSPRNG, of which 62 bits are used.  Returns
 * false, writing nothing, if a number is out of range.
 */
extern bool amc_uuid7_make(uint64_t unix_ms, unsigned partition, const uint8_t random[8],
						   uint8_t out[AMC_UUID_BYTES]);

/* amc_uuid7_valid: version 7 and the RFC 9562 variant? */
extern bool amc_uuid7_valid(const uint8_t uuid[AMC_UUID_BYTES]);

/* amc_uuid7_partition: 0..4095; meaningful for an id made by us only. */
extern unsigned amc_uuid7_partition(const uint8_t uuid[AMC_UUID_BYTES]);

/* amc_uuid7_unix_ms: the time of creation, milliseconds since 1970. */
extern uint64_t amc_uuid7_unix_ms(const uint8_t uuid[AMC_UUID_BYTES]);

/* amc_uuid_format: lower-case text form (RFC 9562 section 4), no terminator. */
extern void amc_uuid_format(const uint8_t uuid[AMC_UUID_BYTES], char out[AMC_UUID_TEXT_BYTES]);

/*
 * amc_uuid_parse: read the text form of any UUID.
 *
 * Exactly 36 characters, hyphens in their four places, digits of either case.
 * Braces, "urn:uuid:", blanks or missing hyphens: false.
 */
extern bool amc_uuid_parse(const char *text, size_t len, uint8_t out[AMC_UUID_BYTES]);

/*
 * amc_partition_of: partition (0..4095) of a canonical e-mail address.
 *
 * FNV-1a with 64 bits over the bytes (offset basis cbf29ce484222325, prime
 * 100000001b3), folded by exclusive or: h ^= h >> 32, h ^= h >> 16, h ^= h >> 12,
 * low 12 bits.  This function is part of the stored data: it can never change.
 */
extern unsigned amc_partition_of(const char *canonical_email, size_t len);

#endif /* AMC_UUID7_H */
