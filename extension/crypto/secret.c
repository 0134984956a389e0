/*
 * secret.c
 *
 * Reset callbacks that overwrite secrets and release OpenSSL objects. They run before the context
 * frees its memory, so a callback may live in the very chunk it overwrites the rest of.
 */
#include "compat.h"

#include <openssl/crypto.h>

#include "crypto/secret.h"

typedef struct Wipe
{
	MemoryContextCallback callback;
	void *secret;
	Size len;
} Wipe;

static void
wipe_at_reset(void *arg)
{
	Wipe *wipe = (Wipe *) arg;

	OPENSSL_cleanse(wipe->secret, wipe->len);
}

static void
wipe_register(MemoryContext cxt, Wipe *wipe, void *secret, Size len)
{
	wipe->secret = secret;
	wipe->len = len;
	wipe->callback.func = wipe_at_reset;
	wipe->callback.arg = wipe;
	MemoryContextRegisterResetCallback(cxt, &wipe->callback);
}

void *
am_secret_alloc(MemoryContext cxt, Size len)
{
	Size head = MAXALIGN(sizeof(Wipe));
	char *chunk = MemoryContextAllocZero(cxt, head + len);

	wipe_register(cxt, (Wipe *) chunk, chunk + head, len);
	return chunk + head;
}

void
am_secret_watch(MemoryContext cxt, void *secret, Size len)
{
	wipe_register(cxt, MemoryContextAlloc(cxt, sizeof(Wipe)), secret, len);
}

void
am_secret_wipe(void *secret, Size len)
{
	if (secret != NULL)
		OPENSSL_cleanse(secret, len);
}

bool
am_secret_equal(const void *a, const void *b, Size len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

static void
guard_at_reset(void *arg)
{
	am_guard_release((AmGuard *) arg);
}

AmGuard *
am_guard_new(MemoryContext cxt, void (*release)(void *object))
{
	AmGuard *guard = MemoryContextAllocZero(cxt, sizeof(AmGuard));

	guard->release = release;
	guard->callback.func = guard_at_reset;
	guard->callback.arg = guard;
	MemoryContextRegisterResetCallback(cxt, &guard->callback);
	return guard;
}

void
am_guard_release(AmGuard *guard)
{
	void *object = guard->object;

	guard->object = NULL;
	if (object != NULL)
		guard->release(object);
}
