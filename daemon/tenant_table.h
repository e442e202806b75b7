/*
 * One configuration as it holds for clients: its settings, its tenants and who they are. Never
 * changed once it is made: a reload makes another one, and who holds this one goes on with it. Held
 * and released on the loop's thread only; looked up on any.
 */
#ifndef STINT_DAEMON_TENANT_TABLE_H
#define STINT_DAEMON_TENANT_TABLE_H

#include "protocol/config.h"
#include "protocol/error.h"
#include "protocol/tenant_terms.h"
#include "protocol/token.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tenant {
	struct tenant_terms terms;
	bool gateway;
	struct token_digest *digests; /* owned by the table: digest_count of its tokens */
	size_t digest_count;
};

struct tenant_table;

/* All names in config must be numbers (config_resolve): ERROR_INVALID names one that is not. */
int tenant_table_new(const struct config *config, struct tenant_table **ret_table,
		     struct error *err);
struct tenant_table *tenant_table_hold(struct tenant_table *table);
/* NULL is harmless; *table becomes NULL. */
void tenant_table_release(struct tenant_table **table);

/* The configuration that it was made of, without the sections; the table's. */
const struct config *tenant_table_config(const struct tenant_table *table);

/* Each NULL when there is none. Of groups, the first section that has one of them. */
const struct tenant *tenant_table_of_user(const struct tenant_table *table, uid_t uid);
const struct tenant *tenant_table_of_groups(const struct tenant_table *table, const gid_t *groups,
					    size_t count);
/* Terms of users that no section names; their name is another for each. */
const struct tenant_terms *tenant_table_other(const struct tenant_table *table);
bool tenant_table_has_operator(const struct tenant_table *table, uid_t uid, const gid_t *groups,
			       size_t count);
/* A section by its name. */
const struct tenant *tenant_table_find(const struct tenant_table *table, const char *name,
				       size_t size);
/* The tenant of that name, if this is one of its tokens. The same work is done for a wrong token
 * and for a name that is no tenant's. */
const struct tenant *tenant_table_by_token(const struct tenant_table *table, const char *name,
					   size_t name_size, const char *token, size_t token_size);

#endif
