/*
 * What waits for the store, by tenant: who may have how much in it, and who is next. A tenant's
 * operations keep their order, and tenants take turns. "" is a tenant too: the daemon itself.
 *
 * An operation counts from its post until its answer was told. The caller locks.
 */
#ifndef STINT_DAEMON_STORE_QUEUE_H
#define STINT_DAEMON_STORE_QUEUE_H

#include "daemon/hash_table.h"
#include "daemon/store_op.h"
#include "protocol/base_list.h"

#include <stdbool.h>
#include <stddef.h>

/* Operations between the loop and the disk that the loop may refuse to make more of. */
#define STORE_OPS_MAX   4096u
#define STORE_BYTES_MAX (64u << 20)
/* Each tenant has as much as this part of what is free: there is always some for one more. */
#define STORE_SHARE_DIVISOR 3u

struct store_queue {
	struct hash_table shares; /* of tenants that have operations */
	struct list turns;        /* of those that have some waiting, the next one first */
	size_t waiting;
	size_t posted, bytes; /* between post and told, of all */
};

void store_queue_init(struct store_queue *ret_queue);
/* Everything must have been told. */
void store_queue_deinit(struct store_queue *queue);

/* False: its tenant, or all, have too many; never with `must`. */
bool store_queue_put(struct store_queue *queue, struct store_op *op, bool must);
/* The next one, which must be told one day; NULL: none waits. */
struct store_op *store_queue_take(struct store_queue *queue);
/* It has been worked on: weigh it again. */
void store_queue_weigh(struct store_queue *queue, struct store_op *op);
void store_queue_told(struct store_queue *queue, struct store_op *op);

#endif
