/*
 * Hash table of members that carry their own link; see the header for what it is for.
 *
 * It never copies, frees or compares a member: the caller walks the members of one hash and
 * compares what it knows. It doubles when there are as many members as buckets and never shrinks:
 * its size is bounded by the most requests ever in work at one time. Called by the registries of
 * the outer half (requests in work, outbox). Fails only for lack of memory, which ends the process.
 */
#include "daemon/hash_table.h"

#include "protocol/base_assert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define HASH_TABLE_FIRST_BUCKETS 64u

void
hash_table_init(struct hash_table *ret_table)
{
	memset(ret_table, 0, sizeof(*ret_table));
	ssize_t got;
	do {
		got = getrandom(ret_table->key, sizeof(ret_table->key), 0);
	} while (got < 0 && errno == EINTR);
	require(got == (ssize_t)sizeof(ret_table->key));
}

void
hash_table_deinit(struct hash_table *table)
{
	require(table->count == 0);
	free(table->buckets);
	table->buckets = NULL;
	table->bucket_count = 0;
}

static inline uint64_t
rotate(uint64_t value, int bits)
{
	return (value << bits) | (value >> (64 - bits));
}

static inline void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

uint64_t
hash_table_hash(const struct hash_table *table, uint64_t salt, const void *bytes, size_t size)
{
	uint64_t k0 = table->key[0], k1 = table->key[1] ^ salt;
	uint64_t v[4] = {k0 ^ 0x736f6d6570736575ull, k1 ^ 0x646f72616e646f6dull,
			 k0 ^ 0x6c7967656e657261ull, k1 ^ 0x7465646279746573ull};
	const uint8_t *at = bytes;
	size_t left = size;
	while (left >= 8) {
		uint64_t word;
		memcpy(&word, at, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
		at += 8;
		left -= 8;
	}
	uint64_t tail = (uint64_t)size << 56;
	for (size_t i = 0; i < left; i++)
		tail |= (uint64_t)at[i] << (8 * i);
	v[3] ^= tail;
	sip_round(v);
	v[0] ^= tail;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void
grow(struct hash_table *table)
{
	size_t count = table->bucket_count > 0 ? table->bucket_count * 2 : HASH_TABLE_FIRST_BUCKETS;
	struct hash_link **buckets = calloc(count, sizeof(*buckets));
	require(buckets != NULL);
	for (size_t i = 0; i < table->bucket_count; i++) {
		struct hash_link *link = table->buckets[i];
		while (link != NULL) {
			struct hash_link *next = link->next;
			struct hash_link **bucket = &buckets[link->hash & (count - 1)];
			link->next = *bucket;
			*bucket = link;
			link = next;
		}
	}
	free(table->buckets);
	table->buckets = buckets;
	table->bucket_count = count;
}

void
hash_table_add(struct hash_table *table, struct hash_link *link, uint64_t hash)
{
	if (table->count == table->bucket_count)
		grow(table);
	struct hash_link **bucket = &table->buckets[hash & (table->bucket_count - 1)];
	link->hash = hash;
	link->next = *bucket;
	*bucket = link;
	table->count++;
}

void
hash_table_remove(struct hash_table *table, struct hash_link *link)
{
	require(table->count > 0);
	struct hash_link **at = &table->buckets[link->hash & (table->bucket_count - 1)];
	while (*at != NULL && *at != link)
		at = &(*at)->next;
	require(*at == link);
	*at = link->next;
	link->next = NULL;
	table->count--;
}

static struct hash_link *
same_hash(struct hash_link *link, uint64_t hash)
{
	while (link != NULL && link->hash != hash)
		link = link->next;
	return link;
}

struct hash_link *
hash_table_first(const struct hash_table *table, uint64_t hash)
{
	if (table->count == 0)
		return NULL;
	return same_hash(table->buckets[hash & (table->bucket_count - 1)], hash);
}

struct hash_link *
hash_table_next(const struct hash_link *link)
{
	return same_hash(link->next, link->hash);
}
