/*
 * Scripts of tenants, kept in memory and, where there is a store, on the disk: put, told of,
 * deleted, and put into jobs that name them.
 */
#ifndef STINT_DAEMON_SCRIPT_KEEP_H
#define STINT_DAEMON_SCRIPT_KEEP_H

#include "daemon/reply.h"
#include "daemon/script_table.h"
#include "daemon/store.h"
#include "protocol/config.h"
#include "protocol/jsonrpc.h"
#include "protocol/request.h"

struct script_keep {
	struct script_table table;
	struct reply *reply; /* borrowed */
	struct store *store; /* borrowed; NULL: in memory only */
	void (*done)(void *context);
	void *context;
	bool loaded;
};

void script_keep_init(struct script_keep *ret_keep, const struct config *config,
		      struct reply *reply);
/* From now on on the disk too; read what is there. The store must be closed before the keep is.
 * done: called when the store has done something for it, and is answered. */
void script_keep_start(struct script_keep *keep, struct store *store, void (*done)(void *context),
		       void *context);
void script_keep_deinit(struct script_keep *keep);

/* Takes the content over, also when it is refused. The request with that ticket is answered. */
void script_keep_put(struct script_keep *keep, const char *tenant, uint64_t ticket, const char *id,
		     const char *name, bool is_code, char *content, size_t size);
void script_keep_get(struct script_keep *keep, const char *tenant, uint64_t ticket,
		     const char *id);
void script_keep_delete(struct script_keep *keep, const char *tenant, uint64_t ticket,
			const char *id);
/* What is kept of its compiled code, borrowed for the moment; NULL: there is no such script, or
 * nothing to compile. */
struct compiled *script_keep_compiled(const struct script_keep *keep, const char *tenant,
				      const char *id);
/* Put the program into a request that names a script. False: the fault. */
bool script_keep_fill(const struct script_keep *keep, const char *tenant,
		      struct run_request *request, struct rpc_error *ret_fault);

#endif
