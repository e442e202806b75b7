/*
 * The pool: who is there, in which state, how many more are wanted. Starts workers one at a time
 * when told to; when that is (never between a job and its answer) is the engine's to say. Never
 * touches a job. Serials rise and are never used twice; uids go round the generation's range and
 * are never shared by two live workers. Called by engine parts on the loop. A failed start is
 * undone entirely.
 */
#include "daemon/pool.h"

#include "daemon/backoff.h"
#include "protocol/base_assert.h"
#include "protocol/base_clock.h"
#include "protocol/base_sys.h"

#include <string.h>

static const char *const POOL_STATE_NAMES[WORKER_STATE_COUNT] = {
    [WORKER_STARTING] = "starting",
    [WORKER_READY] = "ready",
    [WORKER_BUSY] = "busy",
    [WORKER_ENDED] = "ended",
    [WORKER_DEAD] = "dead",
};

/* Which states a worker may go to from each. */
static const unsigned POOL_MOVES[WORKER_STATE_COUNT] = {
    [WORKER_STARTING] = 1u << WORKER_READY | 1u << WORKER_DEAD,
    [WORKER_READY] = 1u << WORKER_BUSY | 1u << WORKER_DEAD,
    [WORKER_BUSY] = 1u << WORKER_ENDED | 1u << WORKER_DEAD,
    [WORKER_ENDED] = 1u << WORKER_DEAD,
    [WORKER_DEAD] = 0,
};

void
pool_init(struct pool *ret_pool, unsigned target, unsigned starts_max)
{
	memset(ret_pool, 0, sizeof(*ret_pool));
	for (size_t i = 0; i < WORKER_STATE_COUNT; i++)
		list_init(&ret_pool->workers[i]);
	ret_pool->target = target;
	ret_pool->starts_max = starts_max;
}

const char *
pool_state_name(enum worker_state state)
{
	return state < WORKER_STATE_COUNT ? POOL_STATE_NAMES[state] : "unknown";
}

void
pool_move(struct pool *pool, struct worker *worker, enum worker_state state)
{
	require(state < WORKER_STATE_COUNT);
	require(worker->link.owner == &pool->workers[worker->state]);
	require(POOL_MOVES[worker->state] & 1u << state);
	list_remove(&worker->link);
	worker->state = state;
	list_append(&pool->workers[state], &worker->link);
}

struct worker *
pool_find(const struct pool *pool, uint64_t serial)
{
	for (size_t i = 0; i < WORKERS_MAX; i++) {
		struct worker *worker = pool->slots[i];
		if (worker && worker->serial == serial && worker->state != WORKER_DEAD)
			return worker;
	}
	return NULL;
}

struct worker *
pool_ready(const struct pool *pool, struct worker_kind kind)
{
	LIST_FOREACH (&pool->workers[WORKER_READY], link) {
		struct worker *worker = list_item(link, struct worker, link);
		if (worker_kind_equal(worker->kind, kind))
			return worker;
	}
	return NULL;
}

bool
pool_has_two_ready(const struct pool *pool, struct worker_kind kind)
{
	unsigned count = 0;
	LIST_FOREACH (&pool->workers[WORKER_READY], link) {
		struct worker *worker = list_item(link, struct worker, link);
		count += worker_kind_equal(worker->kind, kind) ? 1 : 0;
		if (count == 2)
			return true;
	}
	return false;
}

size_t
pool_held_cores(const struct pool *pool, uint16_t ret_held[WORKERS_MAX])
{
	size_t count = 0;
	LIST_FOREACH (&pool->workers[WORKER_BUSY], link) {
		require(count < WORKERS_MAX);
		ret_held[count++] = list_item(link, struct worker, link)->core;
	}
	return count;
}

/* Workers of the running generation in that state, of one class. */
static size_t
pool_of_class(const struct pool *pool, enum worker_state state, enum worker_class class)
{
	size_t count = 0;
	LIST_FOREACH (&pool->workers[state], link) {
		const struct worker *worker = list_item(link, struct worker, link);
		count += worker_kind_class(worker->kind) == class &&
			 worker->generation == pool->generation;
	}
	return count;
}

static size_t
pool_plain(const struct pool *pool, enum worker_state state)
{
	return pool_of_class(pool, state, WORKER_CLASS_PLAIN);
}

size_t
pool_count(const struct pool *pool, enum worker_state state)
{
	return pool->workers[state].count;
}

size_t
pool_fresh(const struct pool *pool, enum worker_state state)
{
	size_t count = 0;
	LIST_FOREACH (&pool->workers[state], link) {
		count +=
		    list_item(link, struct worker, link)->generation == pool->generation ? 1 : 0;
	}
	return count;
}

static size_t
pool_used(const struct pool *pool)
{
	size_t used = 0;
	for (size_t i = 0; i < WORKER_STATE_COUNT; i++)
		used += pool->workers[i].count;
	return used;
}

bool
pool_is_full(const struct pool *pool)
{
	return pool_used(pool) >= WORKERS_MAX;
}

bool
pool_may_start(const struct pool *pool, enum worker_class class, uint64_t now_ns)
{
	const struct pool_starts *starts = &pool->starts[class];
	if (now_ns < starts->not_before_ns || pool_is_full(pool))
		return false;
	/* After a failure one start is a trial for all of the class. */
	return starts->failures == 0 || pool_of_class(pool, WORKER_STARTING, class) == 0;
}

unsigned
pool_wanted(const struct pool *pool, uint64_t now_ns)
{
	size_t starting = pool_plain(pool, WORKER_STARTING);
	size_t coming = pool_plain(pool, WORKER_READY) + starting;
	if (coming >= pool->target || starting >= pool->starts_max ||
	    !pool_may_start(pool, WORKER_CLASS_PLAIN, now_ns))
		return 0;
	size_t wanted = pool->target - coming, room = WORKERS_MAX - pool_used(pool);
	if (room > pool->starts_max - starting)
		room = pool->starts_max - starting;
	if (pool->starts[WORKER_CLASS_PLAIN].failures > 0)
		return 1;
	return (unsigned)(wanted < room ? wanted : room);
}

bool
pool_is_low(const struct pool *pool)
{
	return 2 * pool_plain(pool, WORKER_READY) < pool->target;
}

static bool
pool_uid_in_use(const struct pool *pool, uint32_t uid)
{
	for (size_t i = 0; i < WORKERS_MAX; i++) {
		if (pool->slots[i] && pool->slots[i]->uid == uid)
			return true;
	}
	return false;
}

/* The next uid in the round 1 .. uid_count - 1 that no worker has; or the only one there is. */
static uint32_t
pool_next_uid(struct pool *pool)
{
	if (pool->uid_count == MESSAGE_UID_SHARED)
		return 1;
	require(pool->uid_count > WORKERS_MAX + 1);
	do {
		pool->last_uid++;
		if (pool->last_uid >= pool->uid_count)
			pool->last_uid = 1;
	} while (pool_uid_in_use(pool, pool->last_uid));
	return pool->last_uid;
}

static unsigned
pool_free_slot(const struct pool *pool)
{
	unsigned slot = 0;
	while (slot < WORKERS_MAX && pool->slots[slot])
		slot++;
	require(slot < WORKERS_MAX);
	return slot;
}

int
pool_start(struct pool *pool, struct worker_kind kind, uv_loop_t *loop,
	   struct leaf_root *root, struct zygote_link *zygote, uint64_t generation,
	   uint64_t now_ns,
	   void (*hello)(void *context, uint64_t serial, int code, pid_t pid,
			 const struct error *err),
	   void *context, struct error *err)
{
	struct worker *worker = NULL;
	int fds[FORK_FD_COUNT];
	int code = worker_new(++pool->last_serial, pool_next_uid(pool), pool_free_slot(pool), root,
			      &worker, fds, err);
	if (code < 0)
		return code;
	struct message_fork what = {.serial = worker->serial,
				    .class = worker_kind_class(kind),
				    .uid = worker->uid,
				    .scratch_bytes = kind.scratch_bytes,
				    .scratch_files = kind.scratch_files,
				    .leaf = worker->leaf.serial};
	worker->kind = kind;
	worker->born_ns = now_ns;
	worker->generation = generation;
	code = worker_link_watch(loop, worker->channel, worker->serial, hello, context,
				 &worker->watch, err);
	if (code == 0)
		code = zygote_link_fork(zygote, &what, fds, err);
	base_close(&fds[FORK_FD_CHANNEL]);
	base_close(&fds[FORK_FD_STDIN]);
	if (code < 0) {
		leaf_close(&worker->leaf);
		(void)leaf_remove(root, worker->leaf.serial, &worker->leaf.made, NULL);
		worker_free(&worker);
		return code;
	}
	pool->slots[worker->slot] = worker;
	list_append(&pool->workers[WORKER_STARTING], &worker->link);
	return 0;
}

uint64_t
pool_backoff_end_ns(const struct pool *pool, uint64_t now_ns)
{
	uint64_t end_ns = 0;
	for (size_t i = 0; i < WORKER_CLASS_COUNT; i++) {
		uint64_t at_ns = pool->starts[i].not_before_ns;
		if (at_ns > now_ns && (end_ns == 0 || at_ns < end_ns))
			end_ns = at_ns;
	}
	return end_ns;
}

void
pool_note_failure(struct pool *pool, enum worker_class class, uint64_t now_ns)
{
	struct pool_starts *starts = &pool->starts[class];
	starts->failures++;
	pool->failed_total++;
	starts->not_before_ns = now_ns + backoff_delay_ms(starts->failures) * NS_PER_MS;
}

void
pool_note_success(struct pool *pool, enum worker_class class)
{
	pool->starts[class] = (struct pool_starts){0};
}

void
pool_drop(struct pool *pool, struct worker *worker)
{
	require(worker->state == WORKER_DEAD && pool->slots[worker->slot] == worker);
	pool->slots[worker->slot] = NULL;
	worker_free(&worker);
}
