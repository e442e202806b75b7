/*
 * From credentials to a tenant. What a client says of itself counts only with a token, and only
 * where its own tenant is a gateway. Tokens are neither kept nor quoted. Called by listener.c when
 * a client connects, by connection.c when the tenants have changed, by rpc.c for each request; the
 * last on any thread.
 */
#define _GNU_SOURCE
#include "daemon/identity.h"

#include "protocol/base_assert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif
#define IDENTITY_GROUPS_FIRST 64
#define IDENTITY_GROUPS_MAX   65536 /* of the kernel */

void
identity_init(struct identity *ret_identity, uid_t uid, gid_t gid, const gid_t *groups,
	      size_t count)
{
	memset(ret_identity, 0, sizeof(*ret_identity));
	ret_identity->uid = uid;
	ret_identity->groups = calloc(count + 1, sizeof(*groups));
	require(ret_identity->groups != NULL);
	ret_identity->groups[0] = gid;
	if (count > 0)
		memcpy(ret_identity->groups + 1, groups, count * sizeof(*groups));
	ret_identity->group_count = count + 1;
}

/* The peer's supplementary groups, the caller's to free. */
static int
peer_groups(int fd, gid_t **ret_groups, size_t *ret_count, struct error *err)
{
	socklen_t size = IDENTITY_GROUPS_FIRST * sizeof(gid_t);
	for (;;) {
		socklen_t room = size;
		gid_t *groups = malloc(room);
		require(groups != NULL);
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0) {
			*ret_groups = groups;
			*ret_count = size / sizeof(gid_t);
			return 0;
		}
		free(groups);
		/* Too small: the kernel says how much it is. */
		if (errno != ERANGE || size <= room || size > IDENTITY_GROUPS_MAX * sizeof(gid_t))
			return error_errno(err, "groups of a client");
	}
}

int
identity_of_peer(int fd, struct identity *ret_identity, struct error *err)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	gid_t *groups = NULL;
	size_t count = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || size != sizeof(peer))
		return error_errno(err, "credentials of a client");
	int rc = peer_groups(fd, &groups, &count, err);
	if (rc != 0)
		return rc;
	identity_init(ret_identity, peer.uid, peer.gid, groups, count);
	ret_identity->pid = peer.pid;
	free(groups);
	return 0;
}

void
identity_deinit(struct identity *identity)
{
	free(identity->groups);
	identity->groups = NULL;
	identity->group_count = 0;
	tenant_table_release(&identity->table);
}

void
identity_settle(struct identity *identity, struct tenant_table *table)
{
	(void)tenant_table_hold(table);
	tenant_table_release(&identity->table);
	identity->table = table;
	const struct tenant *tenant = tenant_table_of_user(table, identity->uid);
	if (tenant == NULL)
		tenant = tenant_table_of_groups(table, identity->groups, identity->group_count);
	identity->gateway = tenant != NULL && tenant->gateway;
	if (tenant != NULL) {
		identity->own.terms = tenant->terms;
	} else {
		identity->own.terms = *tenant_table_other(table);
		tenant_name_of_uid(identity->uid, identity->own.terms.name);
	}
	identity->own.operates = tenant_table_has_operator(table, identity->uid, identity->groups,
							   identity->group_count);
}

int
identity_act(const struct identity *identity, const char *tenant, size_t tenant_size,
	     const char *token, size_t token_size, struct caller *ret_caller, struct error *err)
{
	if (!identity->gateway)
		return error_set(err, ERROR_PERMISSION,
				 "tenant and token are for gateways, which this client is not");
	const struct tenant *found =
	    tenant_table_by_token(identity->table, tenant, tenant_size, token, token_size);
	if (found == NULL)
		return error_set(err, ERROR_PERMISSION,
				 "there is no such tenant, or this is not its token");
	ret_caller->terms = found->terms;
	ret_caller->operates = false;
	return 0;
}

bool
caller_sees(const struct caller *caller, const char *tenant)
{
	return caller->operates || strcmp(caller->terms.name, tenant) == 0;
}
