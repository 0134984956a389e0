/*
 * master_key.h
 *
 * The master key: 256 bits in a file outside the database, named by authmeter.master_key_file.
 *
 * It is never used directly: each purpose gets its own subkey, HKDF-SHA256 (RFC 5869) of the
 * master key with the purpose as info. The file may hold several versions, so that a new key can be
 * brought in while what the old ones sealed still opens; the highest version seals.
 */
#ifndef AM_MASTER_KEY_H
#define AM_MASTER_KEY_H

#include "compat.h"

#include "crypto/hash.h"

#define AM_MASTER_KEY_BYTES       32
#define AM_MASTER_KEY_VERSION_MAX 65535
#define AM_PURPOSE_BYTES_MAX      48 /* of the name of a purpose */

/*
 * All functions read the file at their first use and again when it has changed. They raise
 * AM_MASTER_KEY_MISSING (no file configured, or it cannot be read) or AM_MASTER_KEY_INVALID (open
 * to others, not a regular file, malformed); no message holds anything of its content.
 */

/* The version that seals (highest) and the one that has been there longest (lowest). */
extern uint32 am_master_key_newest(void);
extern uint32 am_master_key_oldest(void);

/* True when the file holds this version. */
extern bool am_master_key_has(uint32 version);

/* The subkey of a version for a purpose; raises AM_SEAL_BROKEN when the file lacks the version. */
extern void am_master_key_derive(uint32 version, const char *purpose,
								 uint8 subkey[AM_MASTER_KEY_BYTES]);

/*
 * HMAC-SHA256 of len bytes under the purpose's subkey of the newest version. What must stay equal
 * over a change of the master key stores the version beside it, or uses the oldest one, and calls
 * am_keyed_hmac_at.
 */
extern void am_keyed_hmac(const char *purpose, const void *data, Size len,
						  uint8 mac[AM_SHA256_BYTES]);
extern void am_keyed_hmac_at(uint32 version, const char *purpose, const void *data, Size len,
							 uint8 mac[AM_SHA256_BYTES]);

/* NULL when a master key can be used now, else a short phrase that says why not. Never raises. */
extern const char *am_master_key_problem(void);

#endif
