/*
 * Bounded write queues of all clients.
 *
 * A put never writes: it queues and marks the channel; once per turn of the loop every marked
 * channel is written with sendmsg (short lines share a chunk) and its connection gets its turn. A
 * client that does not read keeps at most channel_max bytes beside two lines; all together keep
 * total_max, above which the fullest is given up, so that no put leaves more than that waiting. It
 * never blocks, never closes a descriptor and knows nothing of what a line says. Called by reply.c
 * and connection.c, and by daemon.c for the engine: what is short may be written earlier in a turn
 * (outbox_write_little), what is much later (outbox_hold). A failed write marks the channel broken;
 * its connection closes it in its turn.
 */
#include "daemon/outbox.h"

#include "protocol/base_assert.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define OUTBOX_CHUNK_BYTES 16384u /* short lines are collected up to this */
#define OUTBOX_IOV_MAX     64
/* In one turn: written to one client; and to all after which only those with little get more. */
#define OUTBOX_TURN_BYTES_MAX (1u << 18)
#define OUTBOX_LITTLE_BYTES   OUTBOX_CHUNK_BYTES
/* When so much has waited and nothing does any more, its memory goes back: the heap's end alone
 * would not, while a small block behind it stays. */
#define OUTBOX_TRIM_BYTES (8u << 20)

static void on_prepare(uv_prepare_t *handle);
static void on_idle(uv_idle_t *handle);

int
outbox_init(struct outbox *ret_outbox, uv_loop_t *loop, size_t channel_max, size_t total_max)
{
	memset(ret_outbox, 0, sizeof(*ret_outbox));
	hash_table_init(&ret_outbox->channels);
	list_init(&ret_outbox->changed);
	list_init(&ret_outbox->waiting);
	ret_outbox->channel_max = channel_max;
	ret_outbox->total_max = total_max;
	require(uv_prepare_init(loop, &ret_outbox->prepare) == 0);
	require(uv_idle_init(loop, &ret_outbox->idle) == 0);
	ret_outbox->prepare.data = ret_outbox;
	ret_outbox->idle.data = ret_outbox;
	require(uv_prepare_start(&ret_outbox->prepare, on_prepare) == 0);
	uv_unref((uv_handle_t *)&ret_outbox->prepare);
	return 0;
}

void
outbox_resize(struct outbox *outbox, size_t channel_max, size_t total_max)
{
	outbox->channel_max = channel_max;
	outbox->total_max = total_max;
}

void
outbox_close(struct outbox *outbox)
{
	uv_close((uv_handle_t *)&outbox->prepare, NULL);
	uv_close((uv_handle_t *)&outbox->idle, NULL);
}

void
outbox_deinit(struct outbox *outbox)
{
	require(outbox->changed.count + outbox->waiting.count == 0 && outbox->pending == 0);
	hash_table_deinit(&outbox->channels);
}

static uint64_t
session_hash(const struct outbox *outbox, uint64_t session)
{
	return hash_table_hash(&outbox->channels, 0, &session, sizeof(session));
}

static struct outbox_channel *
find(const struct outbox *outbox, uint64_t session)
{
	struct hash_link *link = hash_table_first(&outbox->channels, session_hash(outbox, session));
	for (; link != NULL; link = hash_table_next(link)) {
		struct outbox_channel *channel =
		    hash_table_item(link, struct outbox_channel, hash_link);
		if (channel->session == session)
			return channel;
	}
	return NULL;
}

void
outbox_channel_open(struct outbox *outbox, struct outbox_channel *channel)
{
	require(channel->session != 0 && channel->fd >= 0);
	list_init(&channel->chunks);
	hash_table_add(&outbox->channels, &channel->hash_link,
		       session_hash(outbox, channel->session));
}

static void
drop_chunk(struct outbox_channel *channel, struct outbox_chunk *chunk)
{
	list_remove(&chunk->link);
	free(chunk->bytes);
	free(chunk);
	channel->head_offset = 0;
}

static void
drop_all(struct outbox *outbox, struct outbox_channel *channel)
{
	struct link *link;
	while ((link = list_first(&channel->chunks)) != NULL)
		drop_chunk(channel, list_item(link, struct outbox_chunk, link));
	outbox->pending -= channel->pending;
	channel->pending = 0;
}

void
outbox_channel_close(struct outbox *outbox, struct outbox_channel *channel)
{
	if (channel->session == 0)
		return;
	drop_all(outbox, channel);
	list_remove(&channel->turn_link);
	hash_table_remove(&outbox->channels, &channel->hash_link);
	channel->session = 0;
	channel->fd = -1;
}

void
outbox_channel_touch(struct outbox *outbox, struct outbox_channel *channel)
{
	bool waits = channel->turn_link.owner == &outbox->waiting;
	if (channel->session == 0 || channel->turn_link.owner == &outbox->changed)
		return;
	/* It will have its turn; during a hold not soon enough for what else is to be done. */
	if (waits && !outbox->holds)
		return;
	list_remove(&channel->turn_link);
	list_append(&outbox->changed, &channel->turn_link);
	if (outbox->changed.count == 1)
		require(uv_idle_start(&outbox->idle, on_idle) == 0);
}

/* It does not read: its memory is free at once, its connection is closed in its turn. */
static void
give_up(struct outbox *outbox, struct outbox_channel *channel)
{
	channel->overfull = true;
	drop_all(outbox, channel);
	outbox_channel_touch(outbox, channel);
}

/* Memory for all clients is used up: the one that holds most of it has to go. */
static void
give_up_fullest(struct outbox *outbox)
{
	struct outbox_channel *fullest = NULL;
	for (size_t i = 0; i < outbox->channels.bucket_count; i++) {
		struct hash_link *link = outbox->channels.buckets[i];
		for (; link != NULL; link = link->next) {
			struct outbox_channel *channel =
			    hash_table_item(link, struct outbox_channel, hash_link);
			if (fullest == NULL || channel->pending > fullest->pending)
				fullest = channel;
		}
	}
	require(fullest != NULL && fullest->pending > 0);
	give_up(outbox, fullest);
}

static bool
join_last(struct outbox_channel *channel, const char *line, size_t size)
{
	if (channel->chunks.count == 0)
		return false;
	struct outbox_chunk *last = list_item(channel->chunks.head.prev, struct outbox_chunk, link);
	if (last->capacity - last->size < size)
		return false;
	memcpy(last->bytes + last->size, line, size);
	last->size += size;
	return true;
}

/* Another chunk follows: what this one has left over is not kept, for only its bytes are counted.
 */
static void
cut_last(struct outbox_channel *channel)
{
	if (channel->chunks.count == 0)
		return;
	struct outbox_chunk *last = list_item(channel->chunks.head.prev, struct outbox_chunk, link);
	if (last->capacity == last->size)
		return;
	char *bytes = realloc(last->bytes, last->size);
	if (bytes == NULL)
		return;
	last->bytes = bytes;
	last->capacity = last->size;
}

static void
add_chunk(struct outbox_channel *channel, char *line, size_t size)
{
	cut_last(channel);
	struct outbox_chunk *chunk = calloc(1, sizeof(*chunk));
	require(chunk != NULL);
	chunk->bytes = line;
	chunk->size = chunk->capacity = size;
	/* A second short line in the same turn: more are likely, so make room for them. */
	if (channel->chunks.count > 0 && size < OUTBOX_CHUNK_BYTES / 4) {
		chunk->bytes = malloc(OUTBOX_CHUNK_BYTES);
		require(chunk->bytes != NULL);
		chunk->capacity = OUTBOX_CHUNK_BYTES;
		memcpy(chunk->bytes, line, size);
		free(line);
	}
	list_append(&channel->chunks, &chunk->link);
}

/*
 * Whether no more may be put. The longest line does not count: it may be longer than channel_max,
 * and a client that is reading it must not be cut off because another of its jobs ends meanwhile.
 */
static bool
is_full(const struct outbox *outbox, const struct outbox_channel *channel)
{
	size_t sent = channel->head_offset; /* of the first one */

	if (channel->pending < outbox->channel_max)
		return false;
	LIST_FOREACH (&channel->chunks, link) {
		size_t size = list_item(link, struct outbox_chunk, link)->size - sent;
		if (channel->pending - size < outbox->channel_max)
			return false;
		sent = 0;
	}
	return true;
}

void
outbox_hold(struct outbox *outbox, bool holds)
{
	outbox->owes |= outbox->holds && !holds;
	outbox->holds = holds;
	if (!holds && outbox->waiting.count > 0)
		require(uv_idle_start(&outbox->idle, on_idle) == 0);
}

void
outbox_put(struct outbox *outbox, uint64_t session, char *line, size_t size)
{
	struct outbox_channel *channel = find(outbox, session);
	if (channel == NULL || channel->broken || channel->overfull) {
		free(line);
		return;
	}
	outbox_channel_touch(outbox, channel);
	if (is_full(outbox, channel)) {
		give_up(outbox, channel);
		free(line);
		return;
	}
	channel->pending += size;
	outbox->pending += size;
	if (outbox->pending > outbox->most)
		outbox->most = outbox->pending;
	if (join_last(channel, line, size))
		free(line);
	else
		add_chunk(channel, line, size);
	while (outbox->pending > outbox->total_max)
		give_up_fullest(outbox);
}

static void
sent(struct outbox *outbox, struct outbox_channel *channel, size_t size)
{
	require(size <= channel->pending);
	channel->pending -= size;
	outbox->pending -= size;
	while (size > 0) {
		struct outbox_chunk *chunk =
		    list_item(list_first(&channel->chunks), struct outbox_chunk, link);
		size_t left = chunk->size - channel->head_offset;
		if (size < left) {
			channel->head_offset += size;
			return;
		}
		size -= left;
		drop_chunk(channel, chunk);
	}
}

/* At most that many bytes: while a client reads, one call would go on for as long as there are any.
 */
static ssize_t
send_some(const struct outbox_channel *channel, size_t bytes_max)
{
	struct iovec iov[OUTBOX_IOV_MAX];
	struct msghdr message = {.msg_iov = iov};
	size_t offset = channel->head_offset;
	LIST_FOREACH (&channel->chunks, link) {
		if (message.msg_iovlen == OUTBOX_IOV_MAX || bytes_max == 0)
			break;
		struct outbox_chunk *chunk = list_item(link, struct outbox_chunk, link);
		size_t size = chunk->size - offset < bytes_max ? chunk->size - offset : bytes_max;
		iov[message.msg_iovlen].iov_base = chunk->bytes + offset;
		iov[message.msg_iovlen].iov_len = size;
		message.msg_iovlen++;
		bytes_max -= size;
		offset = 0;
	}
	ssize_t done;
	do {
		done = sendmsg(channel->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (done < 0 && errno == EINTR);
	return done;
}

/* How many bytes were written. */
static size_t
flush(struct outbox *outbox, struct outbox_channel *channel)
{
	size_t turn_bytes = 0;
	while (channel->pending > 0 && turn_bytes < OUTBOX_TURN_BYTES_MAX && !channel->broken) {
		ssize_t done = send_some(channel, OUTBOX_TURN_BYTES_MAX - turn_bytes);
		if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS))
			break;
		if (done < 0)
			channel->broken = true;
		else
			sent(outbox, channel, (size_t)done);
		turn_bytes += done > 0 ? (size_t)done : 0;
	}
	return turn_bytes;
}

/*
 * Each of them once; what is marked meanwhile waits for the next turn. When much was written, so
 * does who has much: an answer of some bytes is not to wait for megabytes of others. One that is
 * held has its turn, to look for no room meanwhile.
 */
static void
write_all(struct outbox *outbox, struct list *channels, bool holds, size_t *written)
{
	for (size_t left = channels->count; left > 0 && channels->count > 0; left--) {
		struct outbox_channel *channel =
		    list_item(list_first(channels), struct outbox_channel, turn_link);
		bool closes = channel->overfull || channel->broken;
		list_remove(&channel->turn_link);
		bool much = channel->pending > OUTBOX_LITTLE_BYTES && !closes;
		channel->held = much && holds;
		if (channel->held || (much && *written >= OUTBOX_TURN_BYTES_MAX))
			list_append(&outbox->waiting, &channel->turn_link);
		else
			*written += flush(outbox, channel);
		if (channel->held || channel->turn_link.owner == NULL)
			channel->turn(channel, channel->context);
	}
}

/* Their connections have their turns as ever. Who waits has more than little. */
void
outbox_write_little(struct outbox *outbox)
{
	LIST_FOREACH (&outbox->changed, link) {
		struct outbox_channel *channel = list_item(link, struct outbox_channel, turn_link);
		if (channel->pending > 0 && channel->pending <= OUTBOX_LITTLE_BYTES)
			(void)flush(outbox, channel);
	}
}

static void
on_prepare(uv_prepare_t *handle)
{
	struct outbox *outbox = handle->data;
	size_t written = 0;
	bool holds = outbox->holds && !outbox->owes;
	if (!holds)
		write_all(outbox, &outbox->waiting, false, &written);
	write_all(outbox, &outbox->changed, holds, &written);
	outbox->owes = false;
	if (outbox->pending == 0 && outbox->most >= OUTBOX_TRIM_BYTES) {
		(void)malloc_trim(0);
		outbox->most = 0;
	}
	if (outbox->changed.count == 0 && (outbox->holds || outbox->waiting.count == 0))
		(void)uv_idle_stop(&outbox->idle);
}

static void
on_idle(uv_idle_t *handle)
{
	(void)handle; /* its being active is all: the loop does not wait */
}
