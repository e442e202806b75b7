/*
 * How long things are kept: results by time and number, scripts until they are deleted and no job
 * needs them; and the file's size after that.
 *
 * Each call takes away a few and says whether there is more, so that it never keeps a job's commit
 * waiting for long. Called by store_job.c; fails with the disk's error.
 */
#include "daemon/store_job.h"

#include "protocol/base_assert.h"

#include <string.h>

/* A tenant's name, to act on: one that is cut would be another's. */
static int
read_tenant(sqlite3_stmt *statement, int column, char ret_tenant[TENANT_NAME_MAX + 1],
	    struct error *err)
{
	if (store_job_column(statement, column, ret_tenant, TENANT_NAME_MAX + 1))
		return 1;
	return error_set(err, ERROR_INVALID, "the job store is corrupt: a tenant's name");
}

static int
delete_by(struct store_db *db, enum store_sql which, int64_t number, struct error *err)
{
	sqlite3_stmt *statement = store_db_statement(db, which, err);
	if (statement == NULL)
		return err->code;
	(void)sqlite3_bind_int64(statement, 1, number);
	return store_db_step(db, statement, err);
}

static int
delete_ended(struct store_db *db, int64_t seq, uint64_t bytes, const char *tenant,
	     struct error *err)
{
	int rc = delete_by(db, STORE_SQL_RESULT_DELETE, seq, err);
	if (rc == 0)
		rc = delete_by(db, STORE_SQL_JOB_DELETE, seq, err);
	if (rc == 0)
		rc = store_job_account(db, tenant, -(int64_t)bytes, -1, err);
	return rc;
}

int
store_keep_usage(struct store_db *db, const char *tenant, uint64_t *ret_bytes, uint64_t *ret_ended,
		 struct error *err)
{
	sqlite3_stmt *find = store_db_statement(db, STORE_SQL_TENANT_FIND, err);
	if (find == NULL)
		return err->code;
	store_job_bind(find, 1, tenant);
	int rc = store_db_step(db, find, err);
	*ret_bytes = rc == 1 ? (uint64_t)sqlite3_column_int64(find, 0) : 0;
	*ret_ended = rc == 1 ? (uint64_t)sqlite3_column_int64(find, 1) : 0;
	(void)sqlite3_reset(find);
	return rc < 0 ? rc : 0;
}

/* 1 when the tenant's oldest result went, 0 when it has none. */
static int
drop_oldest(struct store_db *db, const char *tenant, uint64_t *ret_bytes, struct error *err)
{
	sqlite3_stmt *oldest = store_db_statement(db, STORE_SQL_ENDED_OLDEST, err);
	if (oldest == NULL)
		return err->code;
	store_job_bind(oldest, 1, tenant);
	int rc = store_db_step(db, oldest, err);
	if (rc != 1)
		return rc;
	int64_t seq = sqlite3_column_int64(oldest, 0);
	*ret_bytes = (uint64_t)sqlite3_column_int64(oldest, 1);
	(void)sqlite3_reset(oldest);
	rc = delete_ended(db, seq, *ret_bytes, tenant, err);
	return rc < 0 ? rc : 1;
}

int
store_keep_trim(struct store_db *db, const struct store_rules *rules, const char *tenant,
		uint64_t bytes, struct error *err)
{
	uint64_t own = 0, ended = 0, gone = 0;
	uint64_t most = rules->tenant_bytes_max > bytes ? rules->tenant_bytes_max - bytes : 0;
	int rc = store_keep_usage(db, tenant, &own, &ended, err);
	for (unsigned i = 0; rc == 0 && i < STORE_PURGE_STEP && ended > 1 &&
			     (ended > rules->results_keep_jobs || own > most);
	     i++, ended--, own -= gone) {
		rc = drop_oldest(db, tenant, &gone, err);
		if (rc <= 0)
			return rc;
		rc = 0;
	}
	return rc;
}

int
store_keep_room(struct store_db *db, uint64_t used_max, uint64_t *ret_used, struct error *err)
{
	uint64_t file = 0, gone = 0;
	int rc = store_db_size(db, ret_used, &file, err);
	for (unsigned i = 0; rc == 0 && i<STORE_PURGE_STEP && * ret_used> used_max; i++) {
		sqlite3_stmt *largest = store_db_statement(db, STORE_SQL_TENANT_LARGEST, err);
		char tenant[TENANT_NAME_MAX + 1];
		if (largest == NULL)
			return err->code;
		rc = store_db_step(db, largest, err);
		if (rc != 1)
			return rc;
		rc = read_tenant(largest, 0, tenant, err);
		(void)sqlite3_reset(largest);
		if (rc == 1)
			rc = drop_oldest(db, tenant, &gone, err);
		if (rc <= 0)
			return rc;
		rc = store_db_size(db, ret_used, &file, err);
	}
	return rc;
}

/* Ended before then: 1 when one went, 0 when there is none. */
static int
drop_old(struct store_db *db, uint64_t before_us, struct error *err)
{
	sqlite3_stmt *oldest = store_db_statement(db, STORE_SQL_ENDED_BEFORE, err);
	char tenant[TENANT_NAME_MAX + 1];
	if (oldest == NULL)
		return err->code;
	(void)sqlite3_bind_int64(oldest, 1, (int64_t)before_us);
	int rc = store_db_step(db, oldest, err);
	if (rc != 1)
		return rc;
	int64_t seq = sqlite3_column_int64(oldest, 0);
	uint64_t bytes = (uint64_t)sqlite3_column_int64(oldest, 1);
	rc = read_tenant(oldest, 2, tenant, err);
	(void)sqlite3_reset(oldest);
	if (rc == 1)
		rc = delete_ended(db, seq, bytes, tenant, err);
	return rc < 0 ? rc : 1;
}

/* A tenant with more than is kept, after the setting was lowered: 1 when there was one. */
static int
drop_over(struct store_db *db, const struct store_rules *rules, struct error *err)
{
	sqlite3_stmt *over = store_db_statement(db, STORE_SQL_TENANT_OVER, err);
	char tenant[TENANT_NAME_MAX + 1];
	if (over == NULL)
		return err->code;
	(void)sqlite3_bind_int64(over, 1, (int64_t)rules->results_keep_jobs);
	int rc = store_db_step(db, over, err);
	if (rc != 1)
		return rc;
	uint64_t own, before, after = 0;
	rc = read_tenant(over, 0, tenant, err);
	(void)sqlite3_reset(over);
	if (rc == 1)
		rc = store_keep_usage(db, tenant, &own, &before, err);
	if (rc == 0)
		rc = store_keep_trim(db, rules, tenant, 0, err);
	if (rc == 0)
		rc = store_keep_usage(db, tenant, &own, &after, err);
	/* Numbers that are not those of the rows would be met again for ever. */
	return rc < 0 ? rc : after < before;
}

/* A deleted script that no job needs any more: 1 when one went. */
static int
drop_script(struct store_db *db, struct error *err)
{
	sqlite3_stmt *unused = store_db_statement(db, STORE_SQL_SCRIPT_UNUSED, err);
	if (unused == NULL)
		return err->code;
	int rc = store_db_step(db, unused, err);
	if (rc != 1)
		return rc;
	char tenant[TENANT_NAME_MAX + 1];
	int64_t row = sqlite3_column_int64(unused, 0);
	int64_t bytes = sqlite3_column_int64(unused, 2) + STORE_JOB_ROW_BYTES;
	rc = read_tenant(unused, 1, tenant, err);
	(void)sqlite3_reset(unused);
	if (rc == 1)
		rc = delete_by(db, STORE_SQL_SCRIPT_DELETE, row, err);
	if (rc == 0)
		rc = store_job_account(db, tenant, -bytes, 0, err);
	return rc < 0 ? rc : 1;
}

static int
run_purge(struct store_db *db, const struct store_rules *rules, struct store_op *op,
	  struct error *err)
{
	uint64_t before_us = op->now_us > op->keep_us ? op->now_us - op->keep_us : 0;
	int rc = 1;
	for (unsigned i = 0; i < STORE_PURGE_STEP && rc == 1; i++)
		rc = drop_old(db, before_us, err);
	op->more = rc == 1;
	if (rc >= 0)
		rc = drop_over(db, rules, err);
	op->more = op->more || rc == 1;
	if (rc >= 0)
		rc = drop_script(db, err);
	op->more = op->more || rc == 1;
	if (rc >= 0)
		rc = store_db_run(db, STORE_SQL_VACUUM, err);
	op->outcome = STORE_DONE;
	return rc;
}

/* Whether it is there: 1, and *ret_hidden. */
static int
find_script(struct store_db *db, const struct store_row *row, bool *ret_hidden, struct error *err)
{
	sqlite3_stmt *find = store_db_statement(db, STORE_SQL_SCRIPT_FIND, err);
	if (find == NULL)
		return err->code;
	store_job_bind(find, 1, row->tenant);
	store_job_bind(find, 2, row->script);
	int rc = store_db_step(db, find, err);
	if (rc == 1)
		*ret_hidden = sqlite3_column_int(find, 0) != 0;
	(void)sqlite3_reset(find);
	return rc;
}

static int
run_script_put(struct store_db *db, const struct store_rules *rules, struct store_op *op,
	       struct error *err)
{
	const struct store_row *row = &op->row;
	bool hidden = false;
	int rc = find_script(db, row, &hidden, err);
	if (rc == 0)
		rc = store_job_fits(db, rules, op, row->text_size + STORE_JOB_ROW_BYTES, err);
	else if (rc == 1)
		rc = 2;
	if (rc <= 0)
		return rc;
	sqlite3_stmt *put =
	    store_db_statement(db, rc == 2 ? STORE_SQL_SCRIPT_SHOW : STORE_SQL_SCRIPT_INSERT, err);
	if (put == NULL)
		return err->code;
	store_job_bind(put, 1, row->tenant);
	store_job_bind(put, 2, row->script);
	store_job_bind(put, 3, row->name);
	if (rc == 1) {
		(void)sqlite3_bind_int(put, 4, row->is_code);
		(void)sqlite3_bind_blob64(put, 5, row->text, row->text_size, SQLITE_STATIC);
	}
	op->outcome = STORE_DONE;
	int done = store_db_step(db, put, err);
	/* It counts until it is deleted from the disk, hidden or not. */
	if (done == 0 && rc == 1)
		done = store_job_account(db, row->tenant,
					 (int64_t)(row->text_size + STORE_JOB_ROW_BYTES), 0, err);
	return done;
}

static int
run_script_delete(struct store_db *db, struct store_op *op, struct error *err)
{
	sqlite3_stmt *hide = store_db_statement(db, STORE_SQL_SCRIPT_HIDE, err);
	if (hide == NULL)
		return err->code;
	store_job_bind(hide, 1, op->row.tenant);
	store_job_bind(hide, 2, op->row.script);
	int rc = store_db_step(db, hide, err);
	op->outcome = rc == 0 && sqlite3_changes(db->handle) == 0 ? STORE_NOT_FOUND : STORE_DONE;
	return rc;
}

int
store_keep_run(struct store_db *db, const struct store_rules *rules, struct store_op *op,
	       struct error *err)
{
	switch (op->kind) {
	case STORE_PURGE:
		return run_purge(db, rules, op, err);
	case STORE_SCRIPT_PUT:
		return run_script_put(db, rules, op, err);
	default:
		return run_script_delete(db, op, err);
	}
}
