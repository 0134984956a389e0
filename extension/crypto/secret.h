/*
 * secret.h
 *
 * Memory for secrets, and OpenSSL objects that must not outlive an ERROR.
 *
 * ereport jumps over any free that follows, so both are bound to a memory context: when it is reset
 * or deleted (end of the statement, error, cancel), the secret is overwritten and the object freed.
 */
#ifndef AM_CRYPTO_SECRET_H
#define AM_CRYPTO_SECRET_H

#include "compat.h"

/*
 * Allocates len bytes in cxt that are overwritten before the context gives them up. Never pfree
 * the result: the context still points at it.
 */
extern void *am_secret_alloc(MemoryContext cxt, Size len);

/* Binds the overwriting of memory that exists already (a detoasted argument) to its context. */
extern void am_secret_watch(MemoryContext cxt, void *secret, Size len);

/* Overwrites now; the compiler cannot remove it. NULL is allowed. */
extern void am_secret_wipe(void *secret, Size len);

/* Compares in a time that depends on len alone. */
extern bool am_secret_equal(const void *a, const void *b, Size len);

/*
 * An object of another library, released when cxt ends. Make the guard first, then the object, so
 * that no failed allocation can lose it:
 *		guard = am_guard_new(cxt, release);
 *		guard->object = ...;
 */
typedef struct AmGuard
{
	MemoryContextCallback callback;
	void (*release)(void *object);
	void *object; /* NULL until made, and after am_guard_release */
} AmGuard;

extern AmGuard *am_guard_new(MemoryContext cxt, void (*release)(void *object));

/* Releases the object before its time; safe to repeat. */
extern void am_guard_release(AmGuard *guard);

#endif
