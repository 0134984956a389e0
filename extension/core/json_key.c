/*
 * json_key.c
 *		Does an object hold a key twice?
 *
 * The keys are written by an attacker, and there may be 100,000 of them.  A hash
 * of each decoded key separates the usual few at once; where hashes are not
 * enough the keys are sorted by merging, so the work is O(b log n) in their
 * bytes whatever they are.  A hash that can be collided on purpose is good
 * enough, for it only ever saves comparisons.
 *
 * No memory is needed but the nodes: the field count of a key holds its hash,
 * and during a sort the field next of a key (always its own index + 1, so easily
 * restored) links the list.
 */
#include "core/json_internal.h"

#define PAIRS_MAX     16 /* up to this many keys, compare all pairs */
#define SORT_BINS     32 /* a bin i holds 2^i keys; indexes have 32 bits */
#define END_OF_LIST   UINT32_MAX
#define HASH_MULTIPLY UINT64_C(0x9e3779b97f4a7c15)

typedef struct key_sort
{
	const char *text;
	amc_json_node *nodes;
	bool duplicate;
} key_sort;

/* Up to eight bytes as a number; equal bytes give equal numbers, no more is asked. */
static uint64_t
load_tail(const char *bytes, size_t len)
{
	uint32_t low;
	uint32_t high;
	uint64_t whole;

	if (len == 8)
	{
		memcpy(&whole, bytes, 8);
		return whole;
	}
	if (len >= 4)
	{
		memcpy(&low, bytes, 4);
		memcpy(&high, bytes + len - 4, 4);
		return (uint64_t) high << 32 | low;
	}
	if (len == 0)
		return 0;
	return (uint64_t) (uint8_t) bytes[0] << 16 | (uint64_t) (uint8_t) bytes[len / 2] << 8 |
		   (uint8_t) bytes[len - 1];
}

static uint64_t
hash_step(uint64_t hash, const char *bytes, size_t len)
{
	hash = (hash ^ load_tail(bytes, len)) * HASH_MULTIPLY;
	return hash ^ hash >> 32;
}

/* Hash of a decoded key: groups of eight bytes, then the rest, then the length. */
static uint32_t
key_hash(const char *text, const amc_json_node *key)
{
	const char *at = text + key->start + 1;
	const char *end = text + key->end - 1;
	size_t decoded = 0;
	uint64_t hash = 0;
	char group[8 + 4];
	size_t group_len = 0;

	if ((key->flags & AMC_JSON_FLAG_ESCAPED) == 0)
	{
		decoded = (size_t) (end - at);
		for (; end - at >= 8; at += 8)
			hash = hash_step(hash, at, 8);
		hash = hash_step(hash, at, (size_t) (end - at));
		return (uint32_t) ((hash ^ decoded) * HASH_MULTIPLY >> 32);
	}
	while (at < end)
	{
		size_t unit_len;

		at += amc_json_string_unit(at, group + group_len, &unit_len);
		decoded += unit_len;
		group_len += unit_len;
		if (group_len >= 8)
		{
			hash = hash_step(hash, group, 8);
			group_len -= 8;
			memcpy(group, group + 8, group_len);
		}
	}
	hash = hash_step(hash, group, group_len);
	return (uint32_t) ((hash ^ decoded) * HASH_MULTIPLY >> 32);
}

/* Hash every key; true if the hashes alone prove that all keys differ. */
static bool
hash_keys(const char *text, amc_json_node *nodes, uint32_t object)
{
	uint32_t end = nodes[object].next;
	uint64_t seen = 0;
	bool differ = true;
	uint32_t key;

	for (key = object + 1; key < end; key = nodes[key + 1].next)
	{
		uint32_t hash = key_hash(text, &nodes[key]);
		uint64_t bit = UINT64_C(1) << (hash >> 26);

		nodes[key].count = hash;
		differ = differ && (seen & bit) == 0;
		seen |= bit;
	}
	return differ;
}

static bool
pairs_unique(const char *text, const amc_json_node *nodes, uint32_t object)
{
	uint32_t end = nodes[object].next;
	uint32_t a;
	uint32_t b;

	for (a = object + 1; a < end; a = nodes[a + 1].next)
		for (b = object + 1; b < a; b = nodes[b + 1].next)
			if (nodes[a].count == nodes[b].count &&
				amc_json_string_compare(text, &nodes[a], &nodes[b]) == 0)
				return false;
	return true;
}

/* By hash, then by value: any total order on values will do. */
static int
key_order(const char *text, const amc_json_node *a, const amc_json_node *b)
{
	if (a->count != b->count)
		return a->count < b->count ? -1 : 1;
	return amc_json_string_compare(text, a, b);
}

/* Merge two sorted lists.  Neighbours in the result have always been compared. */
static uint32_t
merge(key_sort *sort, uint32_t a, uint32_t b)
{
	amc_json_node *nodes = sort->nodes;
	uint32_t head = END_OF_LIST;
	uint32_t *tail = &head;

	while (a != END_OF_LIST && b != END_OF_LIST)
	{
		int order = key_order(sort->text, &nodes[a], &nodes[b]);

		if (order == 0)
			sort->duplicate = true;
		if (order <= 0)
		{
			*tail = a;
			tail = &nodes[a].next;
			a = *tail;
		}
		else
		{
			*tail = b;
			tail = &nodes[b].next;
			b = *tail;
		}
	}
	*tail = a != END_OF_LIST ? a : b;
	return head;
}

static bool
sorted_unique(const char *text, amc_json_node *nodes, uint32_t object)
{
	key_sort sort = {text, nodes, false};
	uint32_t end = nodes[object].next;
	uint32_t bins[SORT_BINS];
	uint32_t list = END_OF_LIST;
	uint32_t key;
	int bin;

	for (bin = 0; bin < SORT_BINS; bin++)
		bins[bin] = END_OF_LIST;
	for (key = object + 1; key < end && !sort.duplicate; key = nodes[key + 1].next)
	{
		nodes[key].next = END_OF_LIST;
		list = key;
		for (bin = 0; bins[bin] != END_OF_LIST; bin++)
		{
			list = merge(&sort, bins[bin], list);
			bins[bin] = END_OF_LIST;
		}
		bins[bin] = list;
	}
	list = END_OF_LIST;
	for (bin = 0; bin < SORT_BINS && !sort.duplicate; bin++)
		list = merge(&sort, bins[bin], list);
	if (sort.duplicate)
		return false;
	for (key = object + 1; key < end; key = nodes[key + 1].next)
		nodes[key].next = key + 1;
	return true;
}

bool
amc_json_keys_unique(const char *text, amc_json_node *nodes, uint32_t object)
{
	if (nodes[object].count < 2 || hash_keys(text, nodes, object))
		return true;
	if (nodes[object].count <= PAIRS_MAX)
		return pairs_unique(text, nodes, object);
	return sorted_unique(text, nodes, object);
}
