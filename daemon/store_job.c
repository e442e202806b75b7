/*
 * A durable job's life in the database: stored, running, cancelled, ended.
 *
 * A job gets one result, ever: a second one finds it ended and changes nothing. A result whose job
 * is not there (its database was moved aside while it ran) brings the job's row along. Called by
 * store.c on the store thread. Fails with the disk's error; the transaction is the caller's.
 */
#include "daemon/store_job.h"

#include "daemon/content_hash.h"
#include "protocol/base_assert.h"
#include "protocol/base_utf8.h"
#include "protocol/result_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A result's text: every byte may become six (\u0000), and there are caps on all of its parts. */
#define STORE_RESULT_BYTES_MAX (1000ull << 20) /* SQLite's own maximum is 10^9 */
#define STORE_WARNING_BYTES    192

void
store_job_bind(sqlite3_stmt *statement, int index, const char *text)
{
	if (text != NULL)
		(void)sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

bool
store_job_column(sqlite3_stmt *statement, int column, char *ret_text, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);
	size_t whole = (size_t)sqlite3_column_bytes(statement, column);
	(void)snprintf(ret_text, size, "%s", text != NULL ? text : "");
	return strlen(ret_text) == whole && base_utf8_valid(ret_text, whole);
}

char *
store_job_copy(sqlite3_stmt *statement, int column, size_t *ret_size)
{
	const void *bytes = sqlite3_column_blob(statement, column);
	size_t size = (size_t)sqlite3_column_bytes(statement, column);
	char *copy = malloc(size + 1);
	require(copy != NULL);
	if (size > 0)
		memcpy(copy, bytes, size);
	copy[size] = '\0';
	*ret_size = size;
	return copy;
}

/* A number from 0 to max; false: the row was never written by us. */
static bool
read_number(sqlite3_stmt *statement, int column, int64_t max, uint64_t *ret_number)
{
	int64_t number = sqlite3_column_int64(statement, column);
	*ret_number = (uint64_t)number;
	return number >= 0 && number <= max;
}

int
store_job_read(sqlite3_stmt *statement, struct store_row *ret_row, struct error *err)
{
	struct store_row *row = ret_row;
	uint64_t state, attempts;
	bool sound = store_job_column(statement, 1, row->id, sizeof(row->id)) &&
		     strlen(row->id) == JOB_ID_CHARS;
	sound &= store_job_column(statement, 2, row->tenant, sizeof(row->tenant)) &&
		 tenant_name_valid(row->tenant, strlen(row->tenant));
	sound &= read_number(statement, 3, STORE_ENDED, &state);
	sound &= store_job_column(statement, 4, row->status, sizeof(row->status));
	sound &= read_number(statement, 5, UINT32_MAX, &attempts);
	row->cancelled = sqlite3_column_int(statement, 6) != 0;
	sound &= read_number(statement, 7, INT64_MAX, &row->submitted_us);
	sound &= read_number(statement, 8, INT64_MAX, &row->ended_us);
	sound &= store_job_column(statement, 9, row->tag, sizeof(row->tag));
	sound &= store_job_column(statement, 10, row->script, sizeof(row->script));
	if (!sound)
		return error_set(err, ERROR_INVALID, "the job store is corrupt: a job's row");
	row->state = (enum store_state)state;
	row->attempts = (unsigned)attempts;
	return 0;
}

int
store_job_find(struct store_db *db, struct store_row *row, int64_t *ret_seq, uint64_t *ret_bytes,
	       struct error *err)
{
	sqlite3_stmt *find = store_db_statement(db, STORE_SQL_JOB_FIND, err);
	char id[sizeof(row->id)], tenant[sizeof(row->tenant)];
	if (find == NULL)
		return err->code;
	memcpy(id, row->id, sizeof(id));
	memcpy(tenant, row->tenant, sizeof(tenant));
	store_job_bind(find, 1, id);
	store_job_bind(find, 2, tenant);
	int rc = store_db_step(db, find, err);
	if (rc == 1) {
		*ret_seq = sqlite3_column_int64(find, 0);
		*ret_bytes = (uint64_t)sqlite3_column_int64(find, 11);
		rc = store_job_read(find, row, err) < 0 ? ERROR_INVALID : 1;
	}
	(void)sqlite3_reset(find);
	return rc;
}

int
store_job_account(struct store_db *db, const char *tenant, int64_t bytes, int64_t ended,
		  struct error *err)
{
	static const enum store_sql WHICH[] = {STORE_SQL_TENANT_ADD, STORE_SQL_TENANT_GONE};
	for (size_t i = 0; i < 2; i++) {
		sqlite3_stmt *statement = store_db_statement(db, WHICH[i], err);
		if (statement == NULL)
			return err->code;
		store_job_bind(statement, 1, tenant);
		if (i == 0) {
			(void)sqlite3_bind_int64(statement, 2, bytes);
			(void)sqlite3_bind_int64(statement, 3, ended);
		}
		int rc = store_db_step(db, statement, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int
store_job_fits(struct store_db *db, const struct store_rules *rules, struct store_op *op,
	       uint64_t bytes, struct error *err)
{
	uint64_t used = 0, own = 0, ended = 0;
	uint64_t most = db->bytes_max / 100 * STORE_JOB_SHARE_PERCENT;
	int rc = store_keep_trim(db, rules, op->row.tenant, bytes, err);
	if (rc == 0)
		rc = store_keep_room(db, most > bytes ? most - bytes : 0, &used, err);
	if (rc == 0)
		rc = store_keep_usage(db, op->row.tenant, &own, &ended, err);
	if (rc < 0)
		return rc;
	if (bytes > rules->tenant_bytes_max || own > rules->tenant_bytes_max - bytes) {
		op->outcome = STORE_QUOTA;
		(void)error_set(&op->err, ERROR_LIMIT,
				"%llu bytes of yours are stored, and with these %llu there would "
				"be more than %llu",
				(unsigned long long)own, (unsigned long long)bytes,
				(unsigned long long)rules->tenant_bytes_max);
		return 0;
	}
	if (bytes > most || used > most - bytes) {
		op->outcome = STORE_FULL;
		(void)error_set(&op->err, ERROR_LIMIT,
				"the job store is full: store_bytes_max is %llu bytes, a part of "
				"them kept for results",
				(unsigned long long)db->bytes_max);
		return 0;
	}
	return 1;
}

/* 1: this key is new. 0: it is not, and the outcome says the rest. */
static int
check_key(struct store_db *db, struct store_op *op, const char *hash, struct error *err)
{
	sqlite3_stmt *find = store_db_statement(db, STORE_SQL_JOB_BY_KEY, err);
	char before[CONTENT_HASH_CHARS + 1];
	if (find == NULL)
		return err->code;
	store_job_bind(find, 1, op->row.tenant);
	store_job_bind(find, 2, op->row.key);
	int rc = store_db_step(db, find, err);
	if (rc == 1) {
		bool sound = store_job_column(find, 1, before, sizeof(before));
		op->outcome = strcmp(before, hash) == 0 ? STORE_REPEATED : STORE_OTHER_REQUEST;
		if (op->outcome == STORE_REPEATED)
			sound &= store_job_column(find, 0, op->found_id, sizeof(op->found_id)) &&
				 strlen(op->found_id) == JOB_ID_CHARS;
		if (!sound)
			rc = error_set(err, ERROR_INVALID, "the job store is corrupt: a key");
	}
	(void)sqlite3_reset(find);
	return rc < 0 ? rc : rc == 0;
}

/* The job's row; a job without a request is one that has ended. */
static int
insert_row(struct store_db *db, const struct store_row *row, uint64_t bytes, const char *hash,
	   int64_t *ret_seq, struct error *err)
{
	sqlite3_stmt *insert = store_db_statement(db, STORE_SQL_JOB_INSERT, err);
	if (insert == NULL)
		return err->code;
	store_job_bind(insert, 1, row->id);
	store_job_bind(insert, 2, row->tenant);
	(void)sqlite3_bind_int(insert, 3, (int)row->state);
	(void)sqlite3_bind_int64(insert, 4, row->attempts);
	(void)sqlite3_bind_int64(insert, 5, (int64_t)row->submitted_us);
	(void)sqlite3_bind_int64(insert, 6, (int64_t)bytes);
	store_job_bind(insert, 7, row->tag);
	store_job_bind(insert, 8, row->script);
	store_job_bind(insert, 9, row->key[0] != '\0' ? row->key : NULL);
	store_job_bind(insert, 10, hash);
	int rc = store_db_step(db, insert, err);
	*ret_seq = sqlite3_last_insert_rowid(db->handle);
	return rc;
}

static int
run_submit(struct store_db *db, const struct store_rules *rules, struct store_op *op,
	   struct error *err)
{
	const struct store_row *row = &op->row;
	char hash[CONTENT_HASH_CHARS + 1] = "";
	uint64_t bytes = row->text_size + STORE_JOB_ROW_BYTES;
	int64_t seq = 0;
	int rc = 1;
	if (row->key[0] != '\0') {
		content_hash('\0', row->text, row->text_size, hash);
		rc = check_key(db, op, hash, err);
	}
	if (rc == 1)
		rc = store_job_fits(db, rules, op, bytes, err);
	if (rc != 1)
		return rc;
	rc = insert_row(db, row, bytes, row->key[0] != '\0' ? hash : NULL, &seq, err);
	if (rc < 0)
		return rc;
	sqlite3_stmt *request = store_db_statement(db, STORE_SQL_REQUEST_INSERT, err);
	if (request == NULL)
		return err->code;
	(void)sqlite3_bind_int64(request, 1, seq);
	store_job_bind(request, 2, row->limits != NULL ? row->limits : "");
	(void)sqlite3_bind_text64(request, 3, row->text, row->text_size, SQLITE_STATIC,
				  SQLITE_UTF8);
	rc = store_db_step(db, request, err);
	if (rc == 0)
		rc = store_job_account(db, row->tenant, (int64_t)bytes, 0, err);
	op->outcome = STORE_DONE;
	return rc;
}

static int
run_started(struct store_db *db, struct store_op *op, struct error *err)
{
	sqlite3_stmt *started = store_db_statement(db, STORE_SQL_JOB_STARTED, err);
	if (started == NULL)
		return err->code;
	store_job_bind(started, 1, op->row.id);
	store_job_bind(started, 2, op->row.tenant);
	(void)sqlite3_bind_int64(started, 3, op->row.attempts);
	int rc = store_db_step(db, started, err);
	op->outcome = rc == 0 && sqlite3_changes(db->handle) == 0 ? STORE_NOT_FOUND : STORE_DONE;
	return rc;
}

/* The result as JSON text, once, however often it is tried to be stored. */
static int
write_text(struct store_op *op, uint64_t bytes_max, struct error *err)
{
	struct text_buffer text;
	if (op->result == NULL)
		return 0;
	text_buffer_init(&text, STORE_RESULT_BYTES_MAX);
	result_json_write(op->result, &text);
	if (!text.failed && text.size > bytes_max) {
		/* What can never be kept in full is kept in part. */
		char why[STORE_WARNING_BYTES];
		(void)snprintf(why, sizeof(why),
			       "the result has %zu bytes, more than the job store keeps of one "
			       "tenant (%llu): output, value and files are left out",
			       text.size, (unsigned long long)bytes_max);
		text_buffer_clear(&text);
		run_result_leave_out(op->result, why);
		result_json_write(op->result, &text);
	}
	op->row.text = text_buffer_steal(&text, &op->row.text_size);
	text_buffer_deinit(&text);
	if (op->row.text == NULL)
		return error_set(err, ERROR_SYSTEM, "no memory for a result");
	(void)snprintf(op->row.status, sizeof(op->row.status), "%s",
		       status_name(op->result->status));
	run_result_deinit(op->result);
	free(op->result);
	op->result = NULL;
	return 0;
}

static int
run_simple(struct store_db *db, enum store_sql which, int64_t seq, struct error *err)
{
	sqlite3_stmt *statement = store_db_statement(db, which, err);
	if (statement == NULL)
		return err->code;
	(void)sqlite3_bind_int64(statement, 1, seq);
	return store_db_step(db, statement, err);
}

static int
put_result(struct store_db *db, const struct store_row *row, int64_t seq, uint64_t bytes,
	   struct error *err)
{
	sqlite3_stmt *ended = store_db_statement(db, STORE_SQL_JOB_ENDED, err);
	if (ended == NULL)
		return err->code;
	(void)sqlite3_bind_int64(ended, 1, seq);
	store_job_bind(ended, 2, row->status);
	(void)sqlite3_bind_int64(ended, 3, row->attempts);
	(void)sqlite3_bind_int64(ended, 4, (int64_t)row->ended_us);
	(void)sqlite3_bind_int64(ended, 5, (int64_t)bytes);
	int rc = store_db_step(db, ended, err);
	sqlite3_stmt *result =
	    rc == 0 ? store_db_statement(db, STORE_SQL_RESULT_INSERT, err) : NULL;
	if (result == NULL)
		return err->code;
	(void)sqlite3_bind_int64(result, 1, seq);
	(void)sqlite3_bind_text64(result, 2, row->text, row->text_size, SQLITE_STATIC, SQLITE_UTF8);
	return store_db_step(db, result, err);
}

static int
end_job(struct store_db *db, const struct store_rules *rules, struct store_op *op,
	const struct store_row *found, int64_t seq, uint64_t bytes_before, struct error *err)
{
	struct store_row *row = &op->row;
	int rc = write_text(op, rules->tenant_bytes_max, err);
	uint64_t bytes = row->text_size + STORE_JOB_ROW_BYTES;
	if (rc == 0 && found == NULL) {
		row->state = STORE_ENDED;
		row->key[0] = '\0';
		rc = insert_row(db, row, bytes, NULL, &seq, err);
	}
	if (rc == 0)
		rc = run_simple(db, STORE_SQL_REQUEST_DELETE, seq, err);
	if (rc == 0)
		rc = put_result(db, row, seq, bytes, err);
	if (rc == 0)
		rc = store_job_account(db, row->tenant, (int64_t)bytes - (int64_t)bytes_before, 1,
				       err);
	if (rc == 0)
		rc = store_keep_trim(db, rules, row->tenant, 0, err);
	op->outcome = STORE_DONE;
	return rc;
}

static int
run_result(struct store_db *db, const struct store_rules *rules, struct store_op *op,
	   struct error *err)
{
	struct store_row found = {0};
	uint64_t bytes = 0;
	int64_t seq = 0;
	memcpy(found.id, op->row.id, sizeof(found.id));
	memcpy(found.tenant, op->row.tenant, sizeof(found.tenant));
	int rc = store_job_find(db, &found, &seq, &bytes, err);
	if (rc < 0)
		return rc;
	if (rc == 1 && found.state == STORE_ENDED) {
		op->outcome = STORE_NOT_FOUND;
		return 0;
	}
	return end_job(db, rules, op, rc == 1 ? &found : NULL, seq, bytes, err);
}

/* One that was not handed out ends here; any other is marked, so that a restart does not run it. */
static int
run_cancel(struct store_db *db, const struct store_rules *rules, struct store_op *op,
	   struct error *err)
{
	struct store_row found = {0};
	uint64_t bytes = 0;
	int64_t seq = 0;
	memcpy(found.id, op->row.id, sizeof(found.id));
	memcpy(found.tenant, op->row.tenant, sizeof(found.tenant));
	int rc = store_job_find(db, &found, &seq, &bytes, err);
	if (rc < 0)
		return rc;
	op->outcome = rc == 0 || found.state == STORE_ENDED ? STORE_NOT_FOUND : STORE_DONE;
	if (op->outcome == STORE_NOT_FOUND)
		return 0;
	op->row.state = found.state;
	op->row.attempts = found.attempts;
	if (found.state != STORE_WAITING)
		return run_simple(db, STORE_SQL_JOB_CANCELLED, seq, err);
	op->row.state = STORE_ENDED;
	if (op->result != NULL)
		op->result->attempts = found.attempts;
	return end_job(db, rules, op, &found, seq, bytes, err);
}

int
store_job_run(struct store_db *db, const struct store_rules *rules, struct store_op *op,
	      struct error *err)
{
	switch (op->kind) {
	case STORE_SUBMIT:
		return run_submit(db, rules, op, err);
	case STORE_STARTED:
		return run_started(db, op, err);
	case STORE_RESULT:
		return run_result(db, rules, op, err);
	case STORE_CANCEL:
		return run_cancel(db, rules, op, err);
	case STORE_FETCH:
	case STORE_LIST:
	case STORE_FEED:
	case STORE_SCRIPT_LOAD:
		return store_read_run(db, op, err);
	case STORE_PURGE:
	case STORE_SCRIPT_PUT:
	case STORE_SCRIPT_DELETE:
		return store_keep_run(db, rules, op, err);
	case STORE_KIND_COUNT:
		break;
	}
	require(!"a kind of store_op");
	return ERROR_INVALID;
}
