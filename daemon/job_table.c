/*
 * Two indices over the jobs: chains by id, which double when they fill up, and a fixed number of
 * lists by session, so that a client that leaves costs no walk over everybody's jobs. The ids are
 * random numbers of ours, so their first digits are the hash and no client can choose them to
 * collide. Owns no job. Called by the engine. Only the first allocation can fail; growth that fails
 * is put off.
 */
#include "daemon/job_table.h"

#include "protocol/base_assert.h"

#include <stdlib.h>
#include <string.h>

#define JOB_TABLE_CHAINS_FIRST 1024u
#define JOB_TABLE_HASH_DIGITS  15

int
job_table_init(struct job_table *ret_table, struct error *err)
{
	memset(ret_table, 0, sizeof(*ret_table));
	ret_table->chains = calloc(JOB_TABLE_CHAINS_FIRST, sizeof(struct job *));
	if (!ret_table->chains)
		return error_errno(err, "memory for the job table");
	ret_table->chain_count = JOB_TABLE_CHAINS_FIRST;
	for (size_t i = 0; i < JOB_TABLE_SESSION_LISTS; i++)
		list_init(&ret_table->sessions[i]);
	return 0;
}

void
job_table_deinit(struct job_table *table)
{
	free(table->chains);
	table->chains = NULL;
	table->chain_count = 0;
}

/* Place of an id's chain; any text does, an id that is none of ours finds nothing. */
static size_t
job_table_chain(const struct job_table *table, const char *id)
{
	uint64_t hash = 0;
	for (size_t i = 0; i < JOB_TABLE_HASH_DIGITS && id[i]; i++) {
		uint64_t digit = (uint64_t)(unsigned char)id[i];
		hash = hash << 4 | ((digit & 15) + (digit >= 'a' ? 9 : 0));
	}
	return hash & (table->chain_count - 1);
}

static void
job_table_grow(struct job_table *table)
{
	size_t old_count = table->chain_count;
	struct job **old = table->chains;
	struct job **chains = calloc(2 * old_count, sizeof(struct job *));
	if (!chains)
		return;
	table->chains = chains;
	table->chain_count = 2 * old_count;
	for (size_t i = 0; i < old_count; i++) {
		while (old[i]) {
			struct job *job = old[i];
			old[i] = job->next_same;
			struct job **chain = &chains[job_table_chain(table, job->id)];
			job->next_same = *chain;
			*chain = job;
		}
	}
	free(old);
}

void
job_table_add(struct job_table *table, struct job *job)
{
	if (table->count >= table->chain_count)
		job_table_grow(table);
	struct job **chain = &table->chains[job_table_chain(table, job->id)];
	job->next_same = *chain;
	*chain = job;
	table->count++;
	list_append(job_table_session(table, job->session), &job->peers);
}

void
job_table_remove(struct job_table *table, struct job *job)
{
	struct job **at = &table->chains[job_table_chain(table, job->id)];
	while (*at && *at != job)
		at = &(*at)->next_same;
	require(*at == job);
	*at = job->next_same;
	job->next_same = NULL;
	table->count--;
	list_remove(&job->peers);
}

struct job *
job_table_find(const struct job_table *table, const char *id, uint64_t session)
{
	struct job *job = table->chains[job_table_chain(table, id)];
	while (job && strcmp(job->id, id) != 0)
		job = job->next_same;
	return job && (session == 0 || job->session == session) ? job : NULL;
}

struct list *
job_table_session(struct job_table *table, uint64_t session)
{
	return &table->sessions[session % JOB_TABLE_SESSION_LISTS];
}
