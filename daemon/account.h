/*
 * One tenant as the engine sees it: its terms of the last time it gave a job, how many of its jobs
 * wait and run, and what it has used since this stintd began. Accounts are found by name. Those of
 * tenants that the configuration names stay. Of those that are made from user ids there are at most
 * count_max: when one more is needed, the one that has been without jobs for longest goes.
 */
#ifndef STINT_DAEMON_ACCOUNT_H
#define STINT_DAEMON_ACCOUNT_H

#include "daemon/admission.h"
#include "daemon/bucket.h"
#include "daemon/pick.h"
#include "protocol/base_list.h"
#include "protocol/error.h"
#include "protocol/run_result.h"
#include "protocol/tenant_terms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCOUNT_CHAINS 1024u

struct account {
	struct account *next_same; /* in the table's chain of names; borrowed */
	struct link idle;          /* in the table's list: made from a user id, and without a job */
	bool named;                /* by the configuration, as it is now: stays */
	struct account_table *table; /* borrowed; outlives its accounts */
	struct tenant_terms terms;
	uint64_t jobs;                        /* that hold it, in whatever state */
	uint64_t queued, running;             /* of them */
	uint64_t queue_bytes;                 /* of those queued */
	struct pick_tenant share;             /* its waiting jobs, its turns: queue.c's */
	struct bucket rates[ADMISSION_RATE_COUNT]; /* quota.c's */
	uint64_t jobs_total;                  /* taken */
	uint64_t refused_total;               /* not taken */
	uint64_t cpu_us_total, opcodes_total; /* of ended jobs */
};

struct account_table {
	struct account *chains[ACCOUNT_CHAINS]; /* owned */
	struct list idle;                       /* longest idle first */
	size_t count, count_max;                /* of accounts that are not named */
};

void account_table_init(struct account_table *ret_table, size_t count_max);
/* No job may hold an account any more. */
void account_table_deinit(struct account_table *table);
/* Another count_max; accounts above it go as they become idle. */
void account_table_resize(struct account_table *table, size_t count_max);
/* The tenant's account, made if need be, with these terms from now on. It stays at least until the
 * next call. ERROR_LIMIT: count_max users without a section have jobs. */
int account_get(struct account_table *table, const struct tenant_terms *terms,
		struct account **ret_account, struct error *err);
/* Visit all; none may come or go meanwhile. */
void account_table_each(struct account_table *table,
			void (*visit)(void *context, struct account *account), void *context);
/* Does the configuration name it now? Meant for reloads; nothing changes for one of a user id. */
void account_set_named(struct account *account, bool named);
/* NULL when there is none. */
struct account *account_find(const struct account_table *table, const char *name);

/* A job holds its account from its birth to its end. */
void account_hold(struct account *account);
void account_release(struct account *account);
/* What an ended job has used. */
void account_charge(struct account *account, const struct run_usage *usage);

#endif
