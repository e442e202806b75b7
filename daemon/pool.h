/*
 * The workers of the live generations: one list per state, how many are wanted, and the start of
 * new ones.
 */
#ifndef STINT_DAEMON_POOL_H
#define STINT_DAEMON_POOL_H

#include "daemon/worker.h"
#include "daemon/zygote_link.h"
#include "protocol/base_list.h"
#include "protocol/error.h"
#include "protocol/limits.h"

#include <stdbool.h>
#include <stdint.h>

#define POOL_STARTS_PER_TURN 2u /* forks asked for in one turn of the loop */
#define POOL_HELLO_MAX_MS    5000u

/* The starts of one class of workers: what one class lacks does not hold the other up. */
struct pool_starts {
	unsigned failures;      /* in a row */
	uint64_t not_before_ns; /* no start before that: back-off */
};

struct pool {
	struct list workers[WORKER_STATE_COUNT];
	struct worker *slots[WORKERS_MAX]; /* borrowed: who has which watchdog slot */
	uint64_t last_serial;
	uint64_t generation; /* that new workers are of */
	uint32_t last_uid, uid_count;
	unsigned target;     /* workers to keep ready */
	unsigned starts_max; /* plain workers that are made at once */
	struct pool_starts starts[WORKER_CLASS_COUNT];
	uint64_t failed_total;
};

void pool_init(struct pool *ret_pool, unsigned target, unsigned starts_max);
const char *pool_state_name(enum worker_state state);
/* The only function that changes a worker's state; a forbidden move aborts. */
void pool_move(struct pool *pool, struct worker *worker, enum worker_state state);
/* Live worker of that serial, or NULL. */
struct worker *pool_find(const struct pool *pool, uint64_t serial);
/* First ready worker of that kind, or NULL. */
struct worker *pool_ready(const struct pool *pool, struct worker_kind kind);
/* There are two or more of that kind. */
bool pool_has_two_ready(const struct pool *pool, struct worker_kind kind);
/* The core of each busy worker; their number. */
size_t pool_held_cores(const struct pool *pool, uint16_t ret_held[WORKERS_MAX]);
size_t pool_count(const struct pool *pool, enum worker_state state);

/* Those of the generation that new workers are of. */
size_t pool_fresh(const struct pool *pool, enum worker_state state);
/* No worker can be started before one is gone. */
bool pool_is_full(const struct pool *pool);

/* Plain workers that should be started now; 0 during their back-off. */
unsigned pool_wanted(const struct pool *pool, uint64_t now_ns);
/* Whether one more of that class may be started now. */
bool pool_may_start(const struct pool *pool, enum worker_class class, uint64_t now_ns);
/* When the first back-off that is on at now_ns ends, or 0: none is. */
uint64_t pool_backoff_end_ns(const struct pool *pool, uint64_t now_ns);
/* So few plain ones are ready that starting more cannot wait until a job has ended. */
bool pool_is_low(const struct pool *pool);
/* Make one worker, ask the zygote for it and wait for its hello. */
int pool_start(struct pool *pool, struct worker_kind kind, uv_loop_t *loop,
	       struct leaf_root *root, struct zygote_link *zygote, uint64_t generation,
	       uint64_t now_ns,
	       void (*hello)(void *context, uint64_t serial, int code, pid_t pid,
			     const struct error *err),
	       void *context, struct error *err);
/* A start failed: count it and begin a back-off of its class. A start succeeded: end it. */
void pool_note_failure(struct pool *pool, enum worker_class class, uint64_t now_ns);
void pool_note_success(struct pool *pool, enum worker_class class);
/* Give back the slot and free the worker, which must be dead. */
void pool_drop(struct pool *pool, struct worker *worker);

#endif
