/*
 * See the header. A tenant's share is there from its first operation to its last one. Called by
 * store.c, on the loop and on the store thread, with its mutex held. Ends the process when there is
 * no memory.
 */
#include "daemon/store_queue.h"

#include "protocol/base_assert.h"

#include <stdlib.h>
#include <string.h>

struct store_share {
	struct hash_link link; /* in queue->shares */
	struct link turn;      /* in queue->turns while something waits */
	struct list waiting;
	char tenant[TENANT_NAME_MAX + 1];
	size_t posted, bytes;
};

void
store_queue_init(struct store_queue *ret_queue)
{
	memset(ret_queue, 0, sizeof(*ret_queue));
	hash_table_init(&ret_queue->shares);
	list_init(&ret_queue->turns);
}

void
store_queue_deinit(struct store_queue *queue)
{
	require(queue->posted == 0 && queue->bytes == 0);
	hash_table_deinit(&queue->shares);
}

static uint64_t
share_hash(const struct store_queue *queue, const char *tenant)
{
	return hash_table_hash(&queue->shares, 0, tenant, strlen(tenant));
}

static struct store_share *
find(const struct store_queue *queue, const char *tenant)
{
	struct hash_link *link = hash_table_first(&queue->shares, share_hash(queue, tenant));
	for (; link != NULL; link = hash_table_next(link)) {
		struct store_share *share = hash_table_item(link, struct store_share, link);
		if (strcmp(share->tenant, tenant) == 0)
			return share;
	}
	return NULL;
}

/* A feed's is where the last one has ended; it is nobody's. */
static const char *
owner(const struct store_op *op)
{
	return op->kind == STORE_FEED ? "" : op->row.tenant;
}

static struct store_share *
make(struct store_queue *queue, const char *tenant)
{
	struct store_share *share = calloc(1, sizeof(*share));
	require(share != NULL);
	list_init(&share->waiting);
	memcpy(share->tenant, tenant, strlen(tenant) + 1);
	hash_table_add(&queue->shares, &share->link, share_hash(queue, tenant));
	return share;
}

/* What is alone always goes, and a tenant's only one while there is room for it. */
static bool
has_room(const struct store_queue *queue, const struct store_share *share, size_t bytes)
{
	if (queue->posted == 0)
		return true;
	if (queue->posted >= STORE_OPS_MAX || bytes > STORE_BYTES_MAX ||
	    queue->bytes > STORE_BYTES_MAX - bytes)
		return false;
	if (share == NULL)
		return true;
	return share->posted < (STORE_OPS_MAX - queue->posted) / STORE_SHARE_DIVISOR &&
	       share->bytes + bytes <= (STORE_BYTES_MAX - queue->bytes) / STORE_SHARE_DIVISOR;
}

bool
store_queue_put(struct store_queue *queue, struct store_op *op, bool must)
{
	struct store_share *share = find(queue, owner(op));
	size_t bytes = store_op_weigh(op);
	if (!must && !has_room(queue, share, bytes))
		return false;
	if (share == NULL)
		share = make(queue, owner(op));
	op->share = share;
	if (share->waiting.count == 0)
		list_append(&queue->turns, &share->turn);
	list_append(&share->waiting, &op->link);
	queue->waiting++;
	queue->posted++;
	share->posted++;
	queue->bytes += bytes;
	share->bytes += bytes;
	return true;
}

struct store_op *
store_queue_take(struct store_queue *queue)
{
	struct link *turn = list_first(&queue->turns);
	if (turn == NULL)
		return NULL;
	struct store_share *share = list_item(turn, struct store_share, turn);
	struct link *first = list_first(&share->waiting);
	list_remove(turn);
	list_remove(first);
	if (share->waiting.count > 0)
		list_append(&queue->turns, turn);
	queue->waiting--;
	return list_item(first, struct store_op, link);
}

void
store_queue_weigh(struct store_queue *queue, struct store_op *op)
{
	size_t before = op->bytes, after = store_op_weigh(op);
	queue->bytes = queue->bytes - before + after;
	op->share->bytes = op->share->bytes - before + after;
}

void
store_queue_told(struct store_queue *queue, struct store_op *op)
{
	struct store_share *share = op->share;
	require(share->posted > 0 && share->bytes >= op->bytes);
	op->share = NULL;
	queue->posted--;
	queue->bytes -= op->bytes;
	share->bytes -= op->bytes;
	if (--share->posted > 0)
		return;
	hash_table_remove(&queue->shares, &share->link);
	free(share);
}
