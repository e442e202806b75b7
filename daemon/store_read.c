/*
 * What is read of durable jobs: one, a list, the next ones to run; and the scripts at start.
 *
 * A feed takes one job of each tenant in turn, oldest first, so that no tenant's backlog stands
 * before another's. It also changes: what it returns is handed out. Called by store_job.c; fails
 * with the disk's error.
 */
#include "daemon/store_job.h"

#include "protocol/base_assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct store_row *
add_row(struct store_op *op)
{
	/* Powers of two, so that a long list is not copied for each row. */
	if ((op->row_count & (op->row_count - 1)) == 0) {
		size_t capacity = op->row_count == 0 ? 1 : 2 * op->row_count;
		op->rows = realloc(op->rows, capacity * sizeof(*op->rows));
		require(op->rows != NULL);
	}
	struct store_row *row = &op->rows[op->row_count++];
	memset(row, 0, sizeof(*row));
	return row;
}

static int
run_fetch(struct store_db *db, struct store_op *op, struct error *err)
{
	uint64_t bytes = 0;
	int64_t seq = 0;
	int rc = store_job_find(db, &op->row, &seq, &bytes, err);
	op->outcome = rc == 0 ? STORE_NOT_FOUND : STORE_DONE;
	if (rc != 1 || !op->want_text || op->row.state != STORE_ENDED)
		return rc < 0 ? rc : 0;
	sqlite3_stmt *text = store_db_statement(db, STORE_SQL_RESULT_TEXT, err);
	if (text == NULL)
		return err->code;
	(void)sqlite3_bind_int64(text, 1, seq);
	rc = store_db_step(db, text, err);
	if (rc == 1) {
		free(op->row.text);
		op->row.text = store_job_copy(text, 0, &op->row.text_size);
	}
	(void)sqlite3_reset(text);
	if (rc == 0)
		return error_set(err, ERROR_INVALID, "the job store is corrupt: no result");
	return rc < 0 ? rc : 0;
}

static int
run_list(struct store_db *db, struct store_op *op, struct error *err)
{
	const struct store_filter *filter = &op->filter;
	sqlite3_stmt *list = store_db_statement(db, STORE_SQL_JOB_LIST, err);
	int lowest = STORE_WAITING, highest = STORE_ENDED, rc;
	if (list == NULL)
		return err->code;
	if (filter->by_state) {
		lowest = filter->state == STORE_HANDED_OUT ? STORE_WAITING : (int)filter->state;
		highest = filter->state == STORE_WAITING ? STORE_HANDED_OUT : (int)filter->state;
	}
	store_job_bind(list, 1, op->row.tenant);
	(void)sqlite3_bind_int64(list, 2,
				 filter->before_us == 0 ? INT64_MAX : (int64_t)filter->before_us);
	store_job_bind(list, 3, filter->before_id);
	(void)sqlite3_bind_int(list, 4, lowest);
	(void)sqlite3_bind_int(list, 5, highest);
	store_job_bind(list, 6, filter->by_tag ? filter->tag : NULL);
	/* One more tells whether there are more. */
	(void)sqlite3_bind_int64(list, 7, (int64_t)filter->count_max + 1);
	while ((rc = store_db_step(db, list, err)) == 1) {
		if (op->row_count == filter->count_max) {
			op->more = true;
			break;
		}
		rc = store_job_read(list, add_row(op), err);
		if (rc < 0)
			break;
	}
	(void)sqlite3_reset(list);
	op->outcome = STORE_DONE;
	return rc < 0 ? rc : 0;
}

static bool
is_left_out(const struct store_op *op, const char *tenant)
{
	for (unsigned i = 0; i < op->except_count; i++) {
		if (strcmp(op->except[i], tenant) == 0)
			return true;
	}
	return false;
}

/* The next tenant behind `tenant` that has a job waiting; 1: it is there now. */
static int
next_tenant(struct store_db *db, char tenant[TENANT_NAME_MAX + 1], struct error *err)
{
	sqlite3_stmt *next = store_db_statement(db, STORE_SQL_FEED_TENANT, err);
	char after[TENANT_NAME_MAX + 1];
	if (next == NULL)
		return err->code;
	memcpy(after, tenant, sizeof(after));
	store_job_bind(next, 1, after);
	int rc = store_db_step(db, next, err);
	/* A longer one would be cut, and come again for ever. */
	if (rc == 1 && (!store_job_column(next, 0, tenant, TENANT_NAME_MAX + 1) ||
			!tenant_name_valid(tenant, strlen(tenant))))
		rc = error_set(err, ERROR_INVALID, "the job store is corrupt: a tenant's name");
	(void)sqlite3_reset(next);
	return rc;
}

/* The content of the job's script, which is kept as long as a job needs it. */
static int
add_program(struct store_db *db, struct store_row *row, struct error *err)
{
	sqlite3_stmt *find = store_db_statement(db, STORE_SQL_FEED_SCRIPT, err);
	if (find == NULL)
		return err->code;
	store_job_bind(find, 1, row->tenant);
	store_job_bind(find, 2, row->script);
	int rc = store_db_step(db, find, err);
	if (rc == 1) {
		row->is_code = sqlite3_column_int(find, 0) != 0;
		row->program = (uint8_t *)store_job_copy(find, 1, &row->program_size);
		if (!store_job_column(find, 2, row->name, sizeof(row->name)))
			rc = error_set(err, ERROR_INVALID, "the job store is corrupt: a script");
	}
	(void)sqlite3_reset(find);
	return rc < 0 ? rc : 0;
}

static int
take(struct store_db *db, struct store_op *op, const char *tenant, size_t *bytes, struct error *err)
{
	sqlite3_stmt *next = store_db_statement(db, STORE_SQL_FEED_NEXT, err);
	if (next == NULL)
		return err->code;
	store_job_bind(next, 1, tenant);
	int rc = store_db_step(db, next, err);
	if (rc != 1) {
		(void)sqlite3_reset(next);
		return rc;
	}
	int64_t seq = sqlite3_column_int64(next, 0);
	size_t unused;
	struct store_row *row = add_row(op);
	rc = store_job_read(next, row, err);
	row->limits = store_job_copy(next, 12, &unused);
	row->text = store_job_copy(next, 13, &row->text_size);
	(void)sqlite3_reset(next);
	if (rc == 0 && row->script[0] != '\0')
		rc = add_program(db, row, err);
	*bytes += row->text_size + row->program_size;
	sqlite3_stmt *taken = rc == 0 ? store_db_statement(db, STORE_SQL_FEED_TAKE, err) : NULL;
	if (taken == NULL)
		return err->code;
	(void)sqlite3_bind_int64(taken, 1, seq);
	rc = store_db_step(db, taken, err);
	row->state = STORE_HANDED_OUT;
	return rc < 0 ? rc : 1;
}

/* op->row.tenant: behind whom the round begins, and where it has come to. */
static int
run_feed(struct store_db *db, struct store_op *op, struct error *err)
{
	char *tenant = op->row.tenant;
	size_t bytes = 0, before_round = 0;
	bool wrapped = false;
	int rc;
	op->outcome = STORE_DONE;
	if (!db->recovered) {
		rc = store_db_run(db, STORE_SQL_RECOVER, err);
		if (rc < 0)
			return rc;
		op->recovers = true;
	}
	while (op->row_count < op->count_max && bytes < op->bytes_max) {
		rc = next_tenant(db, tenant, err);
		if (rc < 0)
			return rc;
		if (rc == 0) {
			/* Once around, and nobody had one: done. */
			if (wrapped && op->row_count == before_round)
				break;
			wrapped = true;
			before_round = op->row_count;
			tenant[0] = '\0';
			continue;
		}
		if (is_left_out(op, tenant))
			continue;
		rc = take(db, op, tenant, &bytes, err);
		if (rc < 0)
			return rc;
	}
	return op->want_text ? store_db_number(db, STORE_SQL_WAITING, &op->waiting, err) : 0;
}

static int
run_script_load(struct store_db *db, struct store_op *op, struct error *err)
{
	sqlite3_stmt *all = store_db_statement(db, STORE_SQL_SCRIPT_ALL, err);
	int rc;
	if (all == NULL)
		return err->code;
	while ((rc = store_db_step(db, all, err)) == 1) {
		struct store_row *row = add_row(op);
		bool sound = store_job_column(all, 0, row->tenant, sizeof(row->tenant)) &&
			     tenant_name_valid(row->tenant, strlen(row->tenant));
		sound &= store_job_column(all, 1, row->script, sizeof(row->script));
		sound &= store_job_column(all, 2, row->name, sizeof(row->name));
		if (!sound) {
			rc = error_set(err, ERROR_INVALID, "the job store is corrupt: a script");
			break;
		}
		row->is_code = sqlite3_column_int(all, 3) != 0;
		row->text = store_job_copy(all, 4, &row->text_size);
	}
	(void)sqlite3_reset(all);
	op->outcome = STORE_DONE;
	return rc;
}

int
store_read_run(struct store_db *db, struct store_op *op, struct error *err)
{
	switch (op->kind) {
	case STORE_FETCH:
		return run_fetch(db, op, err);
	case STORE_LIST:
		return run_list(db, op, err);
	case STORE_FEED:
		return run_feed(db, op, err);
	default:
		return run_script_load(db, op, err);
	}
}
