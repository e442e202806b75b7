/*
 * Every job by its id and by its session, whatever its state.
 */
#ifndef STINT_DAEMON_JOB_TABLE_H
#define STINT_DAEMON_JOB_TABLE_H

#include "daemon/job.h"

#include <stddef.h>

#define JOB_TABLE_SESSION_LISTS 1024u

struct job_table {
	struct job **chains; /* owned; the jobs are borrowed */
	size_t chain_count;  /* a power of two */
	size_t count;
	struct list sessions[JOB_TABLE_SESSION_LISTS]; /* by session number */
};

int job_table_init(struct job_table *ret_table, struct error *err);
void job_table_deinit(struct job_table *table);
void job_table_add(struct job_table *table, struct job *job);
void job_table_remove(struct job_table *table, struct job *job);
/* NULL when there is none; session 0: of any session. */
struct job *job_table_find(const struct job_table *table, const char *id, uint64_t session);
/* Jobs that share a list with those of `session`; look at job->session. */
struct list *job_table_session(struct job_table *table, uint64_t session);

#endif
