/*
 * Who a client is: its account and groups from the kernel, the tenant that follows from them, and
 * for whom each of its requests is run.
 */
#ifndef STINT_DAEMON_IDENTITY_H
#define STINT_DAEMON_IDENTITY_H

#include "daemon/tenant_table.h"
#include "protocol/error.h"
#include "protocol/tenant_terms.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* For whom a request is run; a value of its own, whatever a reload brings. */
struct caller {
	struct tenant_terms terms;
	bool operates; /* an operator: may see and change what is everyone's */
};

struct identity {
	uid_t uid;
	pid_t pid;
	gid_t *groups; /* owned: group_count, the primary one first */
	size_t group_count;
	struct tenant_table *table; /* held; NULL until it is settled */
	struct caller own;
	bool gateway;
};

/* groups: the supplementary ones; copied. The identity is not settled yet. */
void identity_init(struct identity *ret_identity, uid_t uid, gid_t gid, const gid_t *groups,
		   size_t count);
/* The same from a connected socket: whoever connected it. ERROR_SYSTEM. */
int identity_of_peer(int fd, struct identity *ret_identity, struct error *err);
/* Harmless when it is all zero. */
void identity_deinit(struct identity *identity);

/* Find its tenant in this table, which is held from here on, in the place of an earlier one. Users
 * hold before groups, groups before "uid-<number>". On the loop's thread only. */
void identity_settle(struct identity *identity, struct tenant_table *table);
/*
 * For whom a settled client acts by naming a tenant and a token. ERROR_PERMISSION: it is no
 * gateway, or there is no such tenant, or it has not this token; the last two look the same. A
 * caller of this kind is never an operator.
 */
int identity_act(const struct identity *identity, const char *tenant, size_t tenant_size,
		 const char *token, size_t token_size, struct caller *ret_caller,
		 struct error *err);
/* Does what belongs to the tenant of that name exist for the caller? */
bool caller_sees(const struct caller *caller, const char *tenant);

#endif
