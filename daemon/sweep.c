/*
 * Removal of leaves. A cgroup stays busy for a moment after its last process was reaped, so rmdir
 * is tried again on later turns, a bounded number of times; then it is logged and left to the
 * spawner, which removes the whole generation. Never walks a directory and never removes what it
 * was not told of. Called by refill.c after a result was told. Nothing it does can fail a job.
 */
#include "daemon/sweep.h"

#include "daemon/alarm.h"
#include "protocol/base_assert.h"
#include "protocol/base_list.h"
#include "protocol/base_log.h"

#include <stdlib.h>

#define SWEEP_RETRY_MS  20u
#define SWEEP_TRIES_MAX 250u

struct sweep_leaf {
	struct link link;
	const struct leaf_root *root; /* borrowed from its generation */
	uint64_t serial;
	uint32_t made;
	unsigned tries;
};

struct sweep {
	struct alarm *alarm; /* owned */
	struct list leaves;  /* owned */
};

/* One more try; true when the leaf needs no further one. */
static bool
sweep_try(struct sweep_leaf *leaf)
{
	struct error err = ERROR_INIT;
	int code = leaf_remove(leaf->root, leaf->serial, &leaf->made, &err);
	if (code == 0)
		return true;
	if (code == ERROR_BUSY && ++leaf->tries < SWEEP_TRIES_MAX)
		return false;
	log_limited(LOG_LEVEL_WARNING, "sweep", 10, "%s", err.text);
	return true;
}

static void
sweep_drop(struct sweep_leaf *leaf)
{
	list_remove(&leaf->link);
	free(leaf);
}

static void
sweep_on_alarm(void *context)
{
	struct sweep *sweep = context;
	LIST_FOREACH_SAFE (&sweep->leaves, link, next) {
		struct sweep_leaf *leaf = list_item(link, struct sweep_leaf, link);
		if (sweep_try(leaf))
			sweep_drop(leaf);
	}
	if (sweep->leaves.count > 0)
		alarm_set(sweep->alarm, SWEEP_RETRY_MS);
}

int
sweep_new(uv_loop_t *loop, struct sweep **ret_sweep, struct error *err)
{
	struct sweep *sweep = calloc(1, sizeof(*sweep));
	require(sweep);
	list_init(&sweep->leaves);
	int code = alarm_new(loop, sweep_on_alarm, sweep, &sweep->alarm, err);
	if (code < 0) {
		free(sweep);
		return code;
	}
	*ret_sweep = sweep;
	return 0;
}

void
sweep_free(struct sweep **sweep)
{
	struct sweep *gone = *sweep;
	if (!gone)
		return;
	*sweep = NULL;
	sweep_forget(gone, NULL);
	alarm_close(&gone->alarm);
	free(gone);
}

void
sweep_remove(struct sweep *sweep, const struct leaf_root *root, uint64_t serial, uint32_t made)
{
	if (made == 0)
		return;
	struct sweep_leaf *leaf = calloc(1, sizeof(*leaf));
	require(leaf);
	leaf->root = root;
	leaf->serial = serial;
	leaf->made = made;
	if (sweep_try(leaf)) {
		free(leaf);
		return;
	}
	list_append(&sweep->leaves, &leaf->link);
	if (!alarm_is_set(sweep->alarm))
		alarm_set(sweep->alarm, SWEEP_RETRY_MS);
}

void
sweep_forget(struct sweep *sweep, const struct leaf_root *root)
{
	LIST_FOREACH_SAFE (&sweep->leaves, link, next) {
		struct sweep_leaf *leaf = list_item(link, struct sweep_leaf, link);
		if (!root || leaf->root == root)
			sweep_drop(leaf);
	}
	if (sweep->leaves.count == 0)
		alarm_stop(sweep->alarm);
}

size_t
sweep_count(const struct sweep *sweep)
{
	return sweep->leaves.count;
}
