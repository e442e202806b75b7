/*
 * How many connections each tenant has.
 */
#ifndef STINT_DAEMON_SHARE_H
#define STINT_DAEMON_SHARE_H

#include "daemon/hash_table.h"
#include "protocol/tenant_terms.h"

#include <stddef.h>

struct share {
	struct hash_link link; /* in share_table.names */
	char tenant[TENANT_NAME_MAX + 1];
	size_t count; /* never 0 */
};

struct share_table {
	struct hash_table names;
};

void share_table_init(struct share_table *ret_table);
/* All connections must be gone. */
void share_table_deinit(struct share_table *table);
size_t share_count(const struct share_table *table, const char *tenant);
/* One more, or one less: *share is the one that share_enter gave, and becomes NULL. */
struct share *share_enter(struct share_table *table, const char *tenant);
void share_leave(struct share_table *table, struct share **share);

#endif
