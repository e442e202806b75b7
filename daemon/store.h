/*
 * The store thread: it alone touches the database. The loop posts operations and hears back, in the
 * order of its work, when what they did is on the disk. A tenant's are done in the order they were
 * posted in, and tenants take turns. All operations that wait are one transaction.
 */
#ifndef STINT_DAEMON_STORE_H
#define STINT_DAEMON_STORE_H

#include "daemon/store_db.h"
#include "daemon/store_job.h"
#include "daemon/store_op.h"
#include "daemon/store_queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* One transaction has at most so many, and stops growing at so many bytes. */
#define STORE_BATCH_OPS	  512u
#define STORE_BATCH_BYTES (16u << 20)
/* The thread waits while more than this waits for the loop. */
#define STORE_DONE_BYTES (64u << 20)

struct store;

struct store_settings {
	int dir_fd; /* the state directory; taken over */
	uint64_t bytes_max;
	struct store_rules rules;
};

struct store_health {
	bool failing;			/* the last operation could not be done */
	char why[ERROR_TEXT_BYTES];	/* failing: how */
	uint64_t bytes, bytes_max;	/* of pages in use */
	uint64_t waiting;		/* operations that the loop has not heard of */
	unsigned aside_count;		/* databases that were moved aside since the start */
	char aside[STORE_DB_ASIDE_MAX]; /* the last one */
	uint64_t commits, operations, failures; /* since the start */
};

/*
 * Open the database and start the thread. ERROR_UNSUPPORTED: its schema is newer than this program.
 * A disk that cannot be written now is no error: operations fail until it can.
 */
int store_new(uv_loop_t *loop, const struct store_settings *settings, struct store **ret_store,
	      struct error *err);
/* Finish what waits, without telling; the loop must run until the handle is closed. */
void store_close(struct store **store);

/* Takes the op over, and gives it back by its `done`, from the loop. False: too many of its tenant
 * or of all wait (see store_queue.h), and the op stays the caller's; never with `must`. */
bool store_post(struct store *store, struct store_op *op, bool must);
/* Nothing waits to be done or to be told. */
bool store_is_idle(struct store *store);
void store_health(struct store *store, struct store_health *ret_health);

#endif
