/*
 * Intrusive chained hash table that grows: for things that are looked up by a number or a text that
 * a client may choose. The hash is keyed with random bits of this process, so that nobody outside
 * can make chains long. The table owns its buckets, never its members.
 */
#ifndef STINT_DAEMON_HASH_TABLE_H
#define STINT_DAEMON_HASH_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct hash_link {
	struct hash_link *next; /* borrowed: next member of the bucket */
	uint64_t hash;
};

struct hash_table {
	struct hash_link **buckets; /* owned; NULL until the first member */
	size_t bucket_count;        /* a power of two, or 0 */
	size_t count;
	uint64_t key[2];
};

#define hash_table_item(link_pointer, type, member)                                                \
	((type *)(void *)((char *)(link_pointer)-offsetof(type, member)))

void hash_table_init(struct hash_table *ret_table);
/* The table must be empty. */
void hash_table_deinit(struct hash_table *table);

/* SipHash-1-3 of the bytes under the table's key, mixed with `salt`. */
uint64_t hash_table_hash(const struct hash_table *table, uint64_t salt, const void *bytes,
			 size_t size);
/* Members may share a hash. Aborts the process when there is no memory. */
void hash_table_add(struct hash_table *table, struct hash_link *link, uint64_t hash);
/* The link must be in the table. */
void hash_table_remove(struct hash_table *table, struct hash_link *link);
/* Members of exactly this hash, one after the other; NULL at the end. */
struct hash_link *hash_table_first(const struct hash_table *table, uint64_t hash);
struct hash_link *hash_table_next(const struct hash_link *link);

#endif
