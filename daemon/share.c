/*
 * Counts by tenant's name, made with the first connection and gone with the last. Decides nothing.
 * Called by listener.c and connection.c. Lack of memory ends the process: there are at most
 * connections_max of them.
 */
#include "daemon/share.h"

#include "protocol/base_assert.h"

#include <stdlib.h>
#include <string.h>

void
share_table_init(struct share_table *ret_table)
{
	hash_table_init(&ret_table->names);
}

void
share_table_deinit(struct share_table *table)
{
	hash_table_deinit(&table->names);
}

static uint64_t
share_hash(const struct share_table *table, const char *tenant)
{
	return hash_table_hash(&table->names, 0, tenant, strlen(tenant));
}

static struct share *
share_find(const struct share_table *table, const char *tenant)
{
	struct hash_link *link = hash_table_first(&table->names, share_hash(table, tenant));
	for (; link != NULL; link = hash_table_next(link)) {
		struct share *share = hash_table_item(link, struct share, link);
		if (strcmp(share->tenant, tenant) == 0)
			return share;
	}
	return NULL;
}

size_t
share_count(const struct share_table *table, const char *tenant)
{
	const struct share *share = share_find(table, tenant);
	return share != NULL ? share->count : 0;
}

struct share *
share_enter(struct share_table *table, const char *tenant)
{
	struct share *share = share_find(table, tenant);
	if (share == NULL) {
		size_t size = strlen(tenant);
		share = calloc(1, sizeof(*share));
		require(share != NULL && size <= TENANT_NAME_MAX);
		memcpy(share->tenant, tenant, size);
		hash_table_add(&table->names, &share->link, share_hash(table, tenant));
	}
	share->count++;
	return share;
}

void
share_leave(struct share_table *table, struct share **share)
{
	struct share *left = *share;
	*share = NULL;
	if (left == NULL || --left->count > 0)
		return;
	hash_table_remove(&table->names, &left->link);
	free(left);
}
