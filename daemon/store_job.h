/*
 * What each store_op does to the database: jobs (store_job.c), what is read of them (store_read.c)
 * and scripts and the purge (store_keep.c). All inside a transaction of the caller's.
 */
#ifndef STINT_DAEMON_STORE_JOB_H
#define STINT_DAEMON_STORE_JOB_H

#include "daemon/store_db.h"
#include "daemon/store_op.h"

/* What a job costs beside its texts: its row, and its places in the indexes. */
#define STORE_JOB_ROW_BYTES 1024u
/* New jobs and scripts may fill this much of the store; the rest is for results. */
#define STORE_JOB_SHARE_PERCENT 75u
/* Results that are let go in one operation. */
#define STORE_PURGE_STEP 32u
/* Most rows of a list. */
#define STORE_LIST_MAX 1000u

struct store_rules {
	uint64_t tenant_bytes_max;  /* of one tenant's jobs and results */
	uint64_t results_keep_jobs; /* ended jobs of one tenant */
};

/*
 * 0: op->outcome says what came of it. Negative: the disk, with err filled (see store_db_fault);
 * the caller undoes what was begun, and may try again.
 */
int store_job_run(struct store_db *db, const struct store_rules *rules, struct store_op *op,
		  struct error *err);

/* ---- between these files ---- */
/* Bind a text, or NULL for none. Borrowed until the statement is reset. */
void store_job_bind(sqlite3_stmt *statement, int index, const char *text);
/* Find the job; *ret_seq and op->row. 1: there is one, 0: none. */
int store_job_find(struct store_db *db, struct store_row *row, int64_t *ret_seq,
		   uint64_t *ret_bytes, struct error *err);
/* A column's text into a field of that size; false: it does not fit, or we never wrote it. */
bool store_job_column(sqlite3_stmt *statement, int column, char *ret_text, size_t size);
/* The same into memory of its own. */
char *store_job_copy(sqlite3_stmt *statement, int column, size_t *ret_size);
/* The columns of JOB_COLUMNS. ERROR_INVALID: a row that this program never wrote. */
int store_job_read(sqlite3_stmt *statement, struct store_row *ret_row, struct error *err);
/* Account for a tenant's bytes and ended jobs. */
int store_job_account(struct store_db *db, const char *tenant, int64_t bytes, int64_t ended,
		      struct error *err);
int store_read_run(struct store_db *db, struct store_op *op, struct error *err);
int store_keep_run(struct store_db *db, const struct store_rules *rules, struct store_op *op,
		   struct error *err);
/* What a tenant has here. */
int store_keep_usage(struct store_db *db, const char *tenant, uint64_t *ret_bytes,
		     uint64_t *ret_ended, struct error *err);
/* A tenant's oldest results go until it has no more of them than results_keep_jobs and `bytes`
 * more fit into its share; a few at most, and never the last. */
int store_keep_trim(struct store_db *db, const struct store_rules *rules, const char *tenant,
		    uint64_t bytes, struct error *err);
/* The same of whoever has most, until less than `used_max` bytes of the store are in use. */
int store_keep_room(struct store_db *db, uint64_t used_max, uint64_t *ret_used,
		    struct error *err);
/* 1: a new job or script of that size fits; 0: op->outcome and op->err say why not. */
int store_job_fits(struct store_db *db, const struct store_rules *rules, struct store_op *op,
		   uint64_t bytes, struct error *err);

#endif
