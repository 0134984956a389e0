/*
 * ratetable.c
 *
 * Two tables of counters in shared memory, one for rate limits and one for attempts, so that a
 * flood of addresses cannot push out the counters of pending codes. Both have authmeter.rate_slots
 * slots and never grow.
 *
 * Layout: a slot belongs to one of PARTITIONS partitions, chosen by the key; within it a key may
 * lie in either of two buckets of BUCKET_SLOTS slots. A look-up reads those 32 slots, no more. A
 * new key takes an empty slot, else an expired one. Else it pushes out, of the limits, the counter
 * with the least counted (a flood of new keys pushes out its own kind, not the counter that is
 * about to refuse somebody), the oldest of several; of the attempts the oldest, whose secret is
 * unusable from then on.
 *
 * Locks: one LWLock a partition, shared by both tables; a slot is read and written only under its
 * partition's lock. Nothing is allocated, raised or read from a table while it is held, so a
 * cancel cannot leave a slot half written. The secret is written once, before any backend exists.
 *
 * Keys carry the database's OID: the memory belongs to the whole server.
 */
#include "compat.h"

#include "clock.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "guc.h"
#include "ratelimit.h"
#include "ratetable.h"

#define PARTITIONS    64
#define BUCKET_SLOTS  16
#define BUCKETS_A_KEY 2
#define SECRET_BYTES  32

typedef struct RateSlot
{
	AmRateKey key;         /* all zero = empty */
	amc_limit_state state; /* of an attempt: when it was opened, and the number of tries */
	int64 end_ms;          /* when nothing will be counted any more, if nothing is added */
} RateSlot;

typedef enum RateKind
{
	KIND_LIMIT,
	KIND_ATTEMPT,
	KIND_COUNT
} RateKind;

typedef struct RateMemory
{
	uint8 secret[SECRET_BYTES];
	RateSlot slots[FLEXIBLE_ARRAY_MEMBER]; /* KIND_COUNT tables of PARTITIONS partitions */
} RateMemory;

static Size memory_size(void);
static void memory_init(void *part);

AmShmemPart am_ratelimit_shmem = {
	.name = "authmeter ratelimit", .locks = PARTITIONS, .size = memory_size, .init = memory_init};

static uint32
partition_buckets(void)
{
	return Max(am_guc_rate_slots / (PARTITIONS * BUCKET_SLOTS), 1);
}

static Size
table_slots(void)
{
	return (Size) partition_buckets() * BUCKET_SLOTS * PARTITIONS;
}

static Size
memory_size(void)
{
	return add_size(offsetof(RateMemory, slots),
					mul_size(KIND_COUNT * table_slots(), sizeof(RateSlot)));
}

static void
memory_init(void *part)
{
	RateMemory *memory = part;

	memset(memory, 0, memory_size());
	if (!pg_strong_random(memory->secret, SECRET_BYTES))
		ereport(FATAL, errcode(ERRCODE_AM_CRYPTO_FAILED),
				errmsg("could not get random bytes for the rate limits"));
}

AmRateKey
am_ratetable_key(const void *data, Size data_bytes)
{
	RateMemory *memory = am_ratelimit_shmem.memory;
	uint8 input[SECRET_BYTES + sizeof(Oid) + AM_RATE_POLICY_BYTES_MAX + 1 + AM_RATE_KEY_BYTES_MAX];
	uint8 digest[AM_SHA256_BYTES];
	AmRateKey key;

	Assert(data_bytes <= sizeof(input) - SECRET_BYTES - sizeof(Oid));
	memcpy(input, memory->secret, SECRET_BYTES);
	memcpy(input + SECRET_BYTES, &MyDatabaseId, sizeof(Oid));
	memcpy(input + SECRET_BYTES + sizeof(Oid), data, data_bytes);
	am_sha256(input, SECRET_BYTES + sizeof(Oid) + data_bytes, digest);
	memcpy(&key, digest, sizeof(key));
	key.word[1] |= 1; /* never the empty key */
	am_secret_wipe(input, SECRET_BYTES);
	return key;
}

static LWLock *
partition_lock(const AmRateKey *key)
{
	return &am_ratelimit_shmem.lock[key->word[0] % PARTITIONS].lock;
}

/* The first slot of one of the key's buckets. The two may be the same; that only costs room. */
static RateSlot *
bucket_of(RateKind kind, const AmRateKey *key, int which)
{
	RateMemory *memory = am_ratelimit_shmem.memory;
	uint32 buckets = partition_buckets();
	uint64 hash = which == 0 ? key->word[0] / PARTITIONS : key->word[1] >> 1;
	Size partition = key->word[0] % PARTITIONS;

	return memory->slots + kind * table_slots() +
		   (partition * buckets + hash % buckets) * BUCKET_SLOTS;
}

static bool
slot_free(const RateSlot *slot, int64 now_ms)
{
	return slot->key.word[1] == 0 || slot->end_ms <= now_ms;
}

/* Is a the better one to push out? Neither is free. */
static bool
slot_dispensable(RateKind kind, const RateSlot *a, const RateSlot *b)
{
	if (kind == KIND_LIMIT && a->state.level != b->state.level)
		return a->state.level < b->state.level;
	return a->state.since_ns < b->state.since_ns;
}

static RateSlot *
slot_find(RateKind kind, const AmRateKey *key)
{
	int which;
	int i;

	for (which = 0; which < BUCKETS_A_KEY; which++)
	{
		RateSlot *bucket = bucket_of(kind, key, which);

		for (i = 0; i < BUCKET_SLOTS; i++)
			if (bucket[i].key.word[0] == key->word[0] && bucket[i].key.word[1] == key->word[1])
				return &bucket[i];
	}
	return NULL;
}

/* The slot of a key that has none yet, emptied. */
static RateSlot *
slot_claim(RateKind kind, const AmRateKey *key, int64 now_ms)
{
	RateSlot *victim = NULL;
	int i;

	for (i = 0; i < BUCKETS_A_KEY * BUCKET_SLOTS; i++)
	{
		RateSlot *slot = bucket_of(kind, key, i / BUCKET_SLOTS) + i % BUCKET_SLOTS;

		if (slot_free(slot, now_ms))
		{
			victim = slot;
			break;
		}
		if (victim == NULL || slot_dispensable(kind, slot, victim))
			victim = slot;
	}
	memset(victim, 0, sizeof(*victim));
	victim->key = *key;
	return victim;
}

amc_rate_result
am_ratetable_step(const AmRateKey *key, const amc_limit *limit, int64 cost)
{
	TimestampTz now = am_clock_now();
	int64 now_ms = am_clock_unix_ms(now);
	LWLock *lock = partition_lock(key);
	amc_limit_state state = {0, 0};
	amc_rate_result result;
	RateSlot *slot;

	LWLockAcquire(lock, cost == 0 ? LW_SHARED : LW_EXCLUSIVE);
	slot = slot_find(KIND_LIMIT, key);
	if (slot != NULL)
		state = slot->state;
	result = amc_limit_step(&state, am_clock_unix_ns(now), limit, cost);
	if (cost > 0 && result.allowed)
	{
		if (slot == NULL)
			slot = slot_claim(KIND_LIMIT, key, now_ms);
		slot->state = state;
		slot->end_ms = am_ratetable_end_ms(now_ms, result.reset_ms);
	}
	LWLockRelease(lock);
	return result;
}

void
am_ratetable_attempt_open(const AmRateKey *key, int64 lifetime_ms)
{
	TimestampTz now = am_clock_now();
	int64 now_ms = am_clock_unix_ms(now);
	LWLock *lock = partition_lock(key);
	RateSlot *slot;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	slot = slot_find(KIND_ATTEMPT, key);
	if (slot == NULL)
		slot = slot_claim(KIND_ATTEMPT, key, now_ms);
	slot->state.since_ns = am_clock_unix_ns(now);
	slot->state.level = 0;
	slot->end_ms = now_ms + lifetime_ms;
	LWLockRelease(lock);
}

int64
am_ratetable_attempt_take(const AmRateKey *key, int64 attempts_max)
{
	LWLock *lock = partition_lock(key);
	int64 number = 0;
	RateSlot *slot;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	slot = slot_find(KIND_ATTEMPT, key);
	if (slot != NULL && slot->state.level < attempts_max)
		number = ++slot->state.level;
	LWLockRelease(lock);
	return number;
}
