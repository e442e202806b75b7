/*
 * One client connection: reads a bounded amount per turn, cuts it into lines, has each line parsed
 * (small ones here, large ones on the pool thread, one at a time, order kept) and run.
 *
 * It owns the descriptor and its poll handle; the outbox writes through the descriptor and gives
 * the connection a turn whenever something was put or written. Whatever decides whether to read, to
 * ask for POLLOUT or to close is worked out afresh in refresh(), from the state alone. It never
 * looks into a line and never blocks. A client's fault is answered or ends this connection only.
 * Between poll phases it runs lines only when it makes sure that the loop does not wait after (the
 * engine dispatches after the poll phase). Called by listener.c and the loop.
 */
#include "daemon/connection.h"

#include "daemon/rpc.h"
#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECTION_MAGIC             0x434f4e4eu
#define CONNECTION_TURN_LINES_MAX    64u
#define CONNECTION_TURN_LINE_BYTES   262144u /* lines of one turn, after which others have theirs */
#define CONNECTION_RECEIVE_BYTES_MAX 262144u
#define CONNECTION_TRIM_BYTES        1048576u /* a line after which the heap is given back */

static void on_turn(struct outbox_channel *channel, void *context);
static void on_poll(uv_poll_t *handle, int status, int events);

static inline struct connection *
unpack(void *data)
{
	struct connection *c = data;
	require(c != NULL && c->magic == CONNECTION_MAGIC);
	return c;
}

static void
free_when_unused(struct connection *c)
{
	if (!c->handle_closed || c->parsing)
		return;
	struct connection_host *host = c->host;
	list_remove(&c->link);
	line_buffer_deinit(&c->lines);
	identity_deinit(&c->identity);
	c->magic = 0;
	free(c);
	if (host->gone != NULL)
		host->gone(host->context);
}

static void
on_closed(uv_handle_t *handle)
{
	struct connection *c = unpack(handle->data);
	c->handle_closed = true;
	free_when_unused(c);
}

void
connection_close(struct connection *c)
{
	if (c->lost)
		return;
	c->lost = true;
	share_leave(&c->host->shares, &c->share);
	rpc_forget(c->host->rpc, &c->client);
	outbox_channel_close(c->host->outbox, &c->channel);
	uv_close((uv_handle_t *)&c->poll, on_closed);
	base_close(&c->fd);
}

/* May another request of this client be taken? */
static bool
may_take(const struct connection *c)
{
	return !c->lost && !c->parsing && !c->channel.broken && !c->channel.overfull &&
	       c->client.requests.count < c->host->jobs_max &&
	       c->channel.pending <= c->host->backlog_max;
}

static void take_line(struct connection *c, const uint8_t *line, size_t length);

/* What was read of a line; a token does not stay where it stood. */
static void
forget_secret(struct connection *c, const struct rpc_call *call, const uint8_t *line, size_t length)
{
	if (call != NULL && call->secret)
		line_buffer_wipe(&c->lines, line, length);
}

/* Whose client it is now. */
static void
settle(struct connection *c)
{
	struct share_table *shares = &c->host->shares;
	if (c->identity.table == c->host->rpc->tenants)
		return;
	identity_settle(&c->identity, c->host->rpc->tenants);
	if (strcmp(c->share->tenant, c->identity.own.terms.name) == 0)
		return;
	share_leave(shares, &c->share);
	c->share = share_enter(shares, c->identity.own.terms.name);
}

static void
parse_off_loop(uv_work_t *work)
{
	struct connection *c = unpack(work->data);
	c->work_call = rpc_parse(c->host->rpc, &c->identity, c->work_line, c->work_length);
}

static void
on_parsed(uv_work_t *work, int status)
{
	struct connection *c = unpack(work->data);
	struct rpc_call *call = c->work_call;
	c->work_call = NULL;
	c->parsing = false;
	if (!c->lost && c->identity.table != c->host->rpc->tenants) {
		/* A reload came between: by the terms of now it may be another call. */
		rpc_call_free(&call);
		take_line(c, c->work_line, c->work_length);
		return;
	}
	forget_secret(c, call, c->work_line, c->work_length);
	if (c->lost) {
		rpc_call_free(&call);
		free_when_unused(c);
		return;
	}
	if (status == 0)
		rpc_run(c->host->rpc, &c->client, &call);
	if (c->work_length >= CONNECTION_TRIM_BYTES)
		(void)malloc_trim(
		    0); /* its values were many small blocks, up to 70 times as large */
	outbox_channel_touch(c->host->outbox, &c->channel);
}

static void
take_line(struct connection *c, const uint8_t *line, size_t length)
{
	c->line_since_ms = 0;
	if (length == 0)
		return;
	settle(c);
	if (length <= CONNECTION_INLINE_BYTES_MAX) {
		struct rpc_call *call = rpc_parse(c->host->rpc, &c->identity, line, length);
		forget_secret(c, call, line, length);
		rpc_run(c->host->rpc, &c->client, &call);
		return;
	}
	c->parsing = true;
	c->work_line = line;
	c->work_length = length;
	c->work.data = c;
	require(uv_queue_work(c->host->loop, &c->work, parse_off_loop, on_parsed) == 0);
}

/* Take one step through what has arrived. False when there is nothing more to do now. */
static bool
take_next(struct connection *c, size_t *taken_bytes)
{
	const uint8_t *line;
	size_t length;
	switch (line_buffer_next(&c->lines, &line, &length)) {
	case LINE_WHOLE:
		*taken_bytes += length;
		take_line(c, line, length);
		return true;
	case LINE_TOO_LONG:
		c->line_since_ms = 0;
		rpc_refuse(c->host->rpc, &c->client, RPC_REFUSED_TOO_LARGE, c->lines.line_max);
		return true;
	case LINE_NO_ROOM:
		c->line_since_ms = 0;
		rpc_refuse(c->host->rpc, &c->client, RPC_REFUSED_NO_ROOM, c->lines.line_max);
		return true;
	case LINE_ENDLESS:
		log_limited(LOG_LEVEL_DEBUG, "client", 30,
			    "session %llu: closed, its refused line does not end",
			    (unsigned long long)c->client.session);
		connection_close(c);
		return false;
	case LINE_NONE:
		break;
	}
	if (!c->at_end || !line_buffer_last(&c->lines, &line, &length))
		return false;
	take_line(c, line, length);
	return true;
}

/* Run the lines that are here, as far as the client may and its turn goes. True when any was. */
static bool
take_lines(struct connection *c)
{
	unsigned count = 0;
	size_t bytes = 0;
	while (count < CONNECTION_TURN_LINES_MAX && bytes < CONNECTION_TURN_LINE_BYTES &&
	       may_take(c) && take_next(c, &bytes))
		count++;
	if (c->lost)
		return false;
	/* The clock of an unfinished line runs only while we are ready to read the rest of it. */
	if (c->parsing || !may_take(c) || !line_buffer_has_partial(&c->lines))
		c->line_since_ms = 0;
	else if (c->line_since_ms == 0)
		c->line_since_ms = uv_now(c->host->loop);
	return count > 0;
}

static bool
all_done(const struct connection *c)
{
	return c->at_end && !c->parsing && c->client.requests.count == 0 &&
	       c->channel.pending == 0 && !line_buffer_has_partial(&c->lines);
}

/* Bring the watch on the descriptor into line with the state, or close when all is done. */
static void
refresh(struct connection *c)
{
	if (c->lost)
		return;
	if (c->channel.broken || c->channel.overfull) {
		if (c->channel.overfull)
			log_limited(LOG_LEVEL_INFO, "client", 30,
				    "session %llu: closed, it does not read its answers",
				    (unsigned long long)c->client.session);
		connection_close(c);
		return;
	}
	bool take = may_take(c);
	bool waiting = take && (line_buffer_has_line(&c->lines) ||
				(c->at_end && line_buffer_has_partial(&c->lines)));
	if (waiting)
		outbox_channel_touch(c->host->outbox, &c->channel);
	else if (all_done(c)) {
		connection_close(c);
		return;
	}
	/* PRIORITIZED never comes true here; watching it makes the loop report a hang-up even while
	 * nothing is read or written. */
	int events = UV_PRIORITIZED;
	if (take && !waiting && !c->at_end)
		events |= UV_READABLE;
	if (c->channel.pending > 0 && !c->channel.held)
		events |= UV_WRITABLE;
	if (events == c->watched)
		return;
	c->watched = events;
	require(uv_poll_start(&c->poll, events, on_poll) == 0);
}

static void
on_turn(struct outbox_channel *channel, void *context)
{
	(void)channel;
	struct connection *c = unpack(context);
	if (!c->channel.broken && !c->channel.overfull && take_lines(c)) {
		/* This is no poll phase: another turn without waiting lets the engine see them. */
		outbox_channel_touch(c->host->outbox, &c->channel);
	}
	refresh(c);
}

/* Did the peer close altogether (not only its sending side)? */
static bool
hung_up(const struct connection *c)
{
	struct pollfd pollfd = {.fd = c->fd};
	return poll(&pollfd, 1, 0) < 0 || (pollfd.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static void
receive(struct connection *c)
{
	size_t room;
	uint8_t *bytes = line_buffer_room(&c->lines, &room);
	if (bytes == NULL) {
		connection_close(c);
		return;
	}
	if (room > CONNECTION_RECEIVE_BYTES_MAX)
		room = CONNECTION_RECEIVE_BYTES_MAX;
	ssize_t got;
	do {
		got = recv(c->fd, bytes, room, MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (got < 0) {
		connection_close(c);
		return;
	}
	if (got == 0) {
		c->at_end = true;
		if (hung_up(c))
			connection_close(c);
		return;
	}
	line_buffer_added(&c->lines, (size_t)got);
	c->line_bytes = c->line_since_ms == 0 ? 0 : c->line_bytes + (uint64_t)got;
}

static void
on_poll(uv_poll_t *handle, int status, int events)
{
	struct connection *c = unpack(handle->data);
	if (c->lost)
		return;
	if (status < 0 || ((events & UV_PRIORITIZED) != 0 && hung_up(c))) {
		connection_close(c);
		return;
	}
	if ((events & UV_READABLE) != 0 && !c->at_end)
		receive(c);
	if (c->lost)
		return;
	if ((events & UV_WRITABLE) != 0)
		outbox_channel_touch(c->host->outbox, &c->channel);
	(void)take_lines(c);
	refresh(c);
}

void
connection_open(struct connection_host *host, int fd, uint64_t session, struct identity *identity)
{
	struct connection *c = calloc(1, sizeof(*c));
	if (c == NULL || uv_poll_init(host->loop, &c->poll, fd) != 0) {
		free(c);
		base_close(&fd);
		identity_deinit(identity);
		return;
	}
	c->magic = CONNECTION_MAGIC;
	c->host = host;
	c->fd = fd;
	c->identity = *identity;
	memset(identity, 0, sizeof(*identity));
	identity_settle(&c->identity, host->rpc->tenants);
	c->share = share_enter(&host->shares, c->identity.own.terms.name);
	c->poll.data = c;
	list_append(&host->open, &c->link);
	inwork_client_add(host->inwork, &c->client, session);
	line_buffer_init(&c->lines, host->line_max, &host->budget);
	c->channel.session = session;
	c->channel.fd = fd;
	c->channel.turn = on_turn;
	c->channel.context = c;
	outbox_channel_open(host->outbox, &c->channel);
	refresh(c);
}

void
connection_finish(struct connection *c)
{
	c->at_end = true;
	outbox_channel_touch(c->host->outbox, &c->channel);
}

void
connection_expire(struct connection *c, uint64_t now_ms)
{
	if (c->lost || c->line_since_ms == 0)
		return;
	uint64_t allowed_ms =
	    CONNECTION_LINE_WAIT_MAX_MS + c->line_bytes / CONNECTION_LINE_RATE_BYTES * 1000;
	if (now_ms - c->line_since_ms <= allowed_ms)
		return;
	log_limited(LOG_LEVEL_INFO, "client", 30, "session %llu: closed, its line took too long",
		    (unsigned long long)c->client.session);
	connection_close(c);
}
