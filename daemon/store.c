/*
 * The store thread and its two queues.
 *
 * The loop puts into `queue`; the thread takes what is there as one batch, runs it in one
 * transaction, and moves it to `told`, from where the loop calls back. When a batch fails, nothing
 * of it has happened, and each of its operations is tried alone, so that one which finds no room
 * does not take others with it. What fails alone is told as failed, with the disk's error; the next
 * one tries again: there is no state of having given up. A database that turns out to be corrupt is
 * replaced, once per operation. The queue is bounded by who posts (see `must`), for each tenant and
 * for all, the way back by the thread's waiting. Called by the loop; only store_new can fail.
 */
#include "daemon/store.h"

#include "daemon/store_vfs.h"
#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"

#include <stdlib.h>
#include <string.h>

#define STORE_LOG_LINES_MINUTE 4u

struct store {
	uv_thread_t thread;
	uv_mutex_t mutex; /* of all between here and `db` */
	uv_cond_t wake;
	struct store_queue queue;
	struct list told;
	size_t told_bytes;
	bool stopping;
	struct store_health health;

	/* The thread's. */
	struct store_db db;
	struct store_rules rules;
	int dir_fd; /* owned */
	uint64_t bytes_max;

	uv_async_t tell; /* the loop's */
};

/* ---- the thread ---- */

static void
reset(struct store_op *op)
{
	for (size_t i = 0; i < op->row_count; i++)
		store_row_deinit(&op->rows[i]);
	op->row_count = 0;
	op->more = op->recovers = false;
	op->err = (struct error)ERROR_INIT;
	op->outcome = STORE_FAILED;
}

static void
undo(struct store *store)
{
	struct error ignored = ERROR_INIT;
	if (store->db.handle != NULL && !sqlite3_get_autocommit(store->db.handle))
		(void)store_db_run(&store->db, STORE_SQL_ROLLBACK, &ignored);
}

/* One transaction over the list, or none. */
static int
run_all(struct store *store, const struct list *batch, struct error *err)
{
	int rc = store_db_run(&store->db, STORE_SQL_BEGIN, err);
	LIST_FOREACH (batch, link) {
		struct store_op *op = list_item(link, struct store_op, link);
		if (rc < 0)
			break;
		reset(op);
		rc = store_job_run(&store->db, &store->rules, op, err);
	}
	if (rc == 0)
		rc = store_db_run(&store->db, STORE_SQL_COMMIT, err);
	if (rc < 0) {
		undo(store);
		return rc;
	}
	LIST_FOREACH (batch, link)
		store->db.recovered |= list_item(link, struct store_op, link)->recovers;
	return 0;
}

static int
open_again(struct store *store, struct error *err)
{
	if (store->db.handle != NULL)
		return 0;
	return store_db_open(&store->db, store->dir_fd, store->bytes_max, err);
}

/* Alone; with what can be done about its failure. */
static void
run_alone(struct store *store, struct store_op *op)
{
	struct error err = ERROR_INIT, ignored = ERROR_INIT;
	struct list one;
	list_init(&one);
	list_append(&one, &op->link);
	store_vfs_clear();
	int rc = open_again(store, &err);
	if (rc == 0)
		rc = run_all(store, &one, &err);
	if (rc == ERROR_LIMIT && store->db.handle != NULL) {
		/* What is in the log can go to its place, and the log begin anew. */
		store_vfs_clear();
		if (store_db_run(&store->db, STORE_SQL_CHECKPOINT, &ignored) == 0)
			rc = run_all(store, &one, &err);
	} else if (rc == ERROR_INVALID && store->db.handle != NULL) {
		log_error("store", "%s", err.text);
		rc = store_db_replace(&store->db, &err);
		if (rc == 0)
			rc = run_all(store, &one, &err);
	}
	list_remove(&op->link);
	if (rc == 0)
		return;
	reset(op);
	op->err = err;
	op->err.code = rc;
	log_limited(LOG_LEVEL_ERROR, "store", STORE_LOG_LINES_MINUTE, "%s", err.text);
}

static void
note_health(struct store *store, const struct list *batch)
{
	struct store_health *health = &store->health;
	struct error ignored = ERROR_INIT;
	uint64_t used = health->bytes, file = 0;
	if (store->db.handle != NULL)
		(void)store_db_size(&store->db, &used, &file, &ignored);
	uv_mutex_lock(&store->mutex);
	health->bytes = used;
	health->failing = false;
	health->commits++;
	health->operations += batch->count;
	health->aside_count = store->db.aside_count;
	memcpy(health->aside, store->db.aside, sizeof(health->aside));
	LIST_FOREACH (batch, link) {
		const struct store_op *op = list_item(link, struct store_op, link);
		if (op->outcome != STORE_FAILED)
			continue;
		health->failing = true;
		health->failures++;
		memcpy(health->why, op->err.text, sizeof(health->why));
	}
	uv_mutex_unlock(&store->mutex);
}

static void
run_batch(struct store *store, struct list *batch)
{
	struct error err = ERROR_INIT;
	store_vfs_clear();
	int rc = open_again(store, &err);
	if (rc == 0 && batch->count > 1)
		rc = run_all(store, batch, &err);
	else
		rc = ERROR_BUSY; /* not tried */
	for (size_t i = batch->count; rc < 0 && i > 0; i--) {
		struct link *first = list_first(batch);
		list_remove(first);
		run_alone(store, list_item(first, struct store_op, link));
		list_append(batch, first);
	}
	note_health(store, batch);
}

/* What is read may be large: a list has its most, and a result, whose size nobody knows before,
 * ends the batch, so that it is given back, and counted, before the next one. */
static size_t
take_bytes(const struct store_op *op)
{
	if (op->kind == STORE_LIST)
		return op->bytes + op->filter.count_max * sizeof(*op->rows);
	return op->kind == STORE_FETCH && op->want_text ? STORE_BATCH_BYTES : op->bytes;
}

/* What is next, or nothing when it is time to end. The mutex is held. */
static void
take_batch(struct store *store, struct list *ret_batch)
{
	size_t bytes = 0;
	list_init(ret_batch);
	while (!store->stopping &&
	       (store->queue.waiting == 0 || store->told_bytes > STORE_DONE_BYTES))
		uv_cond_wait(&store->wake, &store->mutex);
	while (ret_batch->count < STORE_BATCH_OPS && bytes < STORE_BATCH_BYTES) {
		struct store_op *op = store_queue_take(&store->queue);
		if (op == NULL)
			break;
		list_append(ret_batch, &op->link);
		bytes += take_bytes(op);
	}
}

static void
give_back(struct store *store, struct list *batch)
{
	struct link *first;
	uv_mutex_lock(&store->mutex);
	while ((first = list_first(batch)) != NULL) {
		struct store_op *op = list_item(first, struct store_op, link);
		list_remove(first);
		store_queue_weigh(&store->queue, op);
		store->told_bytes += op->bytes;
		list_append(&store->told, first);
	}
	uv_mutex_unlock(&store->mutex);
	(void)uv_async_send(&store->tell);
}

static void
on_thread(void *context)
{
	struct store *store = context;
	for (;;) {
		struct list batch;
		uv_mutex_lock(&store->mutex);
		take_batch(store, &batch);
		uv_mutex_unlock(&store->mutex);
		if (batch.count == 0)
			break;
		run_batch(store, &batch);
		give_back(store, &batch);
	}
	store_db_close(&store->db);
}

/* ---- the loop ---- */

static struct store_op *
take_told(struct store *store)
{
	struct store_op *op = NULL;
	uv_mutex_lock(&store->mutex);
	struct link *first = list_first(&store->told);
	if (first != NULL) {
		op = list_item(first, struct store_op, link);
		list_remove(first);
		store->told_bytes -= op->bytes;
		store_queue_told(&store->queue, op);
		uv_cond_signal(&store->wake);
	}
	uv_mutex_unlock(&store->mutex);
	return op;
}

static void
on_tell(uv_async_t *async)
{
	struct store *store = async->data;
	struct store_op *op;
	while (!store->stopping && (op = take_told(store)) != NULL)
		op->done(op->context, op);
}

bool
store_post(struct store *store, struct store_op *op, bool must)
{
	uv_mutex_lock(&store->mutex);
	bool taken = store_queue_put(&store->queue, op, must);
	if (taken)
		uv_cond_signal(&store->wake);
	uv_mutex_unlock(&store->mutex);
	return taken;
}

bool
store_is_idle(struct store *store)
{
	uv_mutex_lock(&store->mutex);
	bool idle = store->queue.posted == 0;
	uv_mutex_unlock(&store->mutex);
	return idle;
}

void
store_health(struct store *store, struct store_health *ret_health)
{
	uv_mutex_lock(&store->mutex);
	*ret_health = store->health;
	ret_health->waiting = store->queue.posted;
	uv_mutex_unlock(&store->mutex);
}

int
store_new(uv_loop_t *loop, const struct store_settings *settings, struct store **ret_store,
	  struct error *err)
{
	struct error why = ERROR_INIT;
	struct store *store = calloc(1, sizeof(*store));
	require(store != NULL);
	store->rules = settings->rules;
	store->dir_fd = settings->dir_fd;
	store->bytes_max = settings->bytes_max;
	store->health.bytes_max = settings->bytes_max;
	store_queue_init(&store->queue);
	list_init(&store->told);
	int rc = store_vfs_register(store->dir_fd, err);
	if (rc == 0 && store_db_open(&store->db, store->dir_fd, store->bytes_max, &why) < 0) {
		if (why.code == ERROR_UNSUPPORTED) {
			store_vfs_unregister();
			rc = error_set(err, why.code, "%s", why.text);
		} else {
			log_error("store", "%s; jobs are not stored until this is mended",
				  why.text);
		}
	}
	if (rc < 0) {
		base_close(&store->dir_fd);
		store_queue_deinit(&store->queue);
		free(store);
		return rc;
	}
	require(uv_mutex_init(&store->mutex) == 0 && uv_cond_init(&store->wake) == 0);
	require(uv_async_init(loop, &store->tell, on_tell) == 0);
	store->tell.data = store;
	require(uv_thread_create(&store->thread, on_thread, store) == 0);
	*ret_store = store;
	return 0;
}

static void
on_closed(uv_handle_t *handle)
{
	struct store *store = handle->data;
	struct link *first;
	while ((first = list_first(&store->told)) != NULL) {
		struct store_op *op = list_item(first, struct store_op, link);
		list_remove(first);
		store_queue_told(&store->queue, op);
		store_op_free(&op);
	}
	store_queue_deinit(&store->queue);
	store_vfs_unregister();
	uv_cond_destroy(&store->wake);
	uv_mutex_destroy(&store->mutex);
	base_close(&store->dir_fd);
	free(store);
}

void
store_close(struct store **store)
{
	struct store *gone = *store;
	if (gone == NULL)
		return;
	*store = NULL;
	uv_mutex_lock(&gone->mutex);
	gone->stopping = true;
	uv_cond_signal(&gone->wake);
	uv_mutex_unlock(&gone->mutex);
	(void)uv_thread_join(&gone->thread);
	uv_close((uv_handle_t *)&gone->tell, on_closed);
}
