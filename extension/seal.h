/*
 * seal.h
 *
 * Secrets at rest: AES-256-GCM under a subkey of the master key that belongs to one purpose, bound
 * to its owner and object, so that sealed bytes copied to another row do not open.
 *
 * Sealed form (bytea):
 *		byte 0			format, 1
 *		bytes 1-2		version of the master key, big-endian
 *		bytes 3-14		nonce, random
 *		then			ciphertext, as long as the secret
 *		last 16			tag
 * Additional data: bytes 0-2, then purpose, owner and object, each after its length in 4 bytes.
 */
#ifndef AM_SEAL_H
#define AM_SEAL_H

#include "compat.h"

#define AM_SEAL_BYTES_MAX 65536 /* of a secret */
#define AM_SEAL_NAME_MAX  512   /* bytes of an owner or object */
#define AM_SEAL_OVERHEAD  31    /* bytes that sealing adds */

/* What a secret belongs to: C strings, such as ids in text form. */
typedef struct AmSealName
{
	const char *purpose; /* a constant of the code, at most 40 bytes */
	const char *owner;
	const char *object;
} AmSealName;

/*
 * Seals len bytes (0 to AM_SEAL_BYTES_MAX) under the newest master key. Raises what master_key.h
 * says, and AM_LIMIT_EXCEEDED.
 */
extern bytea *am_seal(const AmSealName *name, const void *secret, Size len);

/*
 * Opens a sealed value into wiped memory of the current context (never pfree it), with a NUL byte
 * after the len bytes. Raises AM_SEAL_BROKEN, naming purpose, object and key version, when it was
 * sealed under another key, for another owner or object, or was altered.
 */
extern uint8 *am_unseal(const AmSealName *name, const bytea *sealed, Size *len);

/* The version of the master key that sealed it; 0 when the form is not ours. */
extern uint32 am_seal_version(const bytea *sealed);

#endif
