/*
 * The HTTP side of the metrics: accept, read a request, judge it (scrape_request.c), write the
 * answer, close. Nothing is kept from one connection to the next but the text, for a moment, so
 * that a flood of requests costs no flood of snapshots.
 *
 * A connection is closed at once when its request was read to the end; otherwise what still comes
 * is read and thrown away until its time is over, since closing with bytes unread would tear the
 * answer down. It never waits, never trusts a length, and knows nothing of jobs. Called by daemon.c
 * and the loop. Fails only at start.
 */
#define _GNU_SOURCE
#include "daemon/scrape.h"

#include "daemon/metrics.h"
#include "daemon/metrics_gather.h"
#include "daemon/rpc.h"
#include "daemon/scrape_request.h"
#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SCRAPE_TURN_ACCEPTS_MAX 16
#define SCRAPE_SWEEP_MS         250u
#define SCRAPE_LINGER_MS        2000u
#define SCRAPE_HEAD_BYTES       512
#define SCRAPE_DROP_BYTES       4096

enum scrape_state { SCRAPE_READING, SCRAPE_WRITING, SCRAPE_LINGERING };

struct scrape_client {
	struct scrape *scrape; /* borrowed */
	struct link link;      /* in scrape->open; in none once it is being closed */
	uv_poll_t poll;
	int fd; /* owned */
	enum scrape_state state;
	uint64_t until_ms; /* loop time at which it is closed */
	char request[SCRAPE_REQUEST_BYTES_MAX];
	size_t request_size;
	bool read_all; /* nothing but the request has come */
	char *answer;  /* owned */
	size_t answer_size, sent;
};

static void scrape_on_client(uv_poll_t *handle, int status, int events);
static void scrape_write(struct scrape_client *client);

static void
scrape_on_closed(uv_handle_t *handle)
{
	struct scrape_client *client = handle->data;
	base_close(&client->fd);
	free(client->answer);
	free(client);
}

static void
scrape_drop(struct scrape_client *client)
{
	if (!client->link.owner)
		return;
	list_remove(&client->link);
	uv_close((uv_handle_t *)&client->poll, scrape_on_closed);
}

/* The text of now, or of a moment ago. */
static bool
scrape_refresh(struct scrape *scrape)
{
	uint64_t now_ms = uv_now(scrape->loop);
	if (scrape->text_ms != 0 && now_ms - scrape->text_ms < SCRAPE_FRESH_MS)
		return true;
	text_buffer_clear(&scrape->text);
	metrics_gather(scrape->rpc, &scrape->text);
	scrape->text_ms = scrape->text.failed ? 0 : now_ms;
	return !scrape->text.failed;
}

static void
scrape_answer(struct scrape_client *client, enum scrape_verdict verdict)
{
	struct scrape *scrape = client->scrape;
	char head[SCRAPE_HEAD_BYTES], problem[SCRAPE_HEAD_BYTES];
	if (verdict == SCRAPE_OK && !scrape_refresh(scrape))
		verdict = SCRAPE_UNAVAILABLE;
	bool good = verdict == SCRAPE_OK;
	metrics_add(scrape->rpc->metrics, good ? METRIC_scrapes : METRIC_scrapes_refused, 1);
	(void)snprintf(problem, sizeof(problem), "%s\n", scrape_reason(verdict));
	const char *body = good ? scrape->text.bytes : problem;
	size_t body_size = good ? scrape->text.size : strlen(problem);
	int head_size = snprintf(
	    head, sizeof(head),
	    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%sCache-Control: "
	    "no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
	    verdict, scrape_reason(verdict),
	    good ? METRICS_CONTENT_TYPE : "text/plain; charset=utf-8", body_size,
	    verdict == SCRAPE_METHOD_NOT_ALLOWED ? "Allow: GET\r\n" : "");
	require(head_size > 0 && head_size < SCRAPE_HEAD_BYTES);
	client->answer = malloc((size_t)head_size + body_size);
	if (!client->answer) {
		scrape_drop(client);
		return;
	}
	memcpy(client->answer, head, (size_t)head_size);
	memcpy(client->answer + head_size, body, body_size);
	client->answer_size = (size_t)head_size + body_size;
	client->state = SCRAPE_WRITING;
	require(uv_poll_start(&client->poll, UV_WRITABLE, scrape_on_client) == 0);
	scrape_write(client);
}

static void
scrape_read(struct scrape_client *client)
{
	ssize_t n = recv(client->fd, client->request + client->request_size,
			 sizeof(client->request) - client->request_size, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		scrape_drop(client);
		return;
	}
	client->request_size += (size_t)n;
	enum scrape_verdict verdict =
	    scrape_request(client->request, client->request_size, client->scrape->local);
	client->read_all = client->request_size >= 4 &&
			   memcmp(client->request + client->request_size - 4, "\r\n\r\n", 4) == 0;
	if (verdict != SCRAPE_MORE)
		scrape_answer(client, verdict);
}

static void
scrape_write(struct scrape_client *client)
{
	ssize_t n = send(client->fd, client->answer + client->sent,
			 client->answer_size - client->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		scrape_drop(client);
		return;
	}
	client->sent += (size_t)n;
	if (client->sent < client->answer_size)
		return;
	if (client->read_all) {
		scrape_drop(client);
		return;
	}
	client->state = SCRAPE_LINGERING;
	uint64_t until_ms = uv_now(client->scrape->loop) + SCRAPE_LINGER_MS;
	if (until_ms < client->until_ms)
		client->until_ms = until_ms;
	require(uv_poll_start(&client->poll, UV_READABLE, scrape_on_client) == 0);
}

/* Until it closes, or its time is over. */
static void
scrape_linger(struct scrape_client *client)
{
	char dropped[SCRAPE_DROP_BYTES];
	ssize_t n = recv(client->fd, dropped, sizeof(dropped), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		scrape_drop(client);
}

static void
scrape_on_client(uv_poll_t *handle, int status, int events)
{
	struct scrape_client *client = handle->data;
	(void)events;
	if (status < 0)
		scrape_drop(client);
	else if (client->state == SCRAPE_READING)
		scrape_read(client);
	else if (client->state == SCRAPE_WRITING)
		scrape_write(client);
	else
		scrape_linger(client);
}

static void scrape_on_ready(uv_poll_t *handle, int status, int events);

/* Tell one that was too slow to ask, if it can be told at once. */
static void
scrape_expire(struct scrape_client *client)
{
	static const char LATE[] = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n"
				   "Connection: close\r\n\r\n";
	if (client->state == SCRAPE_READING) {
		metrics_add(client->scrape->rpc->metrics, METRIC_scrapes_refused, 1);
		(void)send(client->fd, LATE, sizeof(LATE) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	scrape_drop(client);
}

static void
scrape_on_sweep(uv_timer_t *timer)
{
	struct scrape *scrape = timer->data;
	uint64_t now_ms = uv_now(scrape->loop);
	LIST_FOREACH_SAFE (&scrape->open, link, next) {
		struct scrape_client *client = list_item(link, struct scrape_client, link);
		if (now_ms >= client->until_ms)
			scrape_expire(client);
	}
	if (scrape->paused) {
		scrape->paused = false;
		require(uv_poll_start(&scrape->poll, UV_READABLE, scrape_on_ready) == 0);
	}
	if (scrape->open.count == 0)
		(void)uv_timer_stop(timer);
}

static void
scrape_sweep_soon(struct scrape *scrape)
{
	if (!uv_is_active((uv_handle_t *)&scrape->sweep))
		require(uv_timer_start(&scrape->sweep, scrape_on_sweep, SCRAPE_SWEEP_MS,
				       SCRAPE_SWEEP_MS) == 0);
}

static void
scrape_welcome(struct scrape *scrape, int fd)
{
	/* Who dawdles makes room. One that has asked already is answered below. */
	if (scrape->open.count >= SCRAPE_CONNECTIONS_MAX)
		scrape_expire(list_item(list_first(&scrape->open), struct scrape_client, link));
	struct scrape_client *client = calloc(1, sizeof(*client));
	if (!client || uv_poll_init(scrape->loop, &client->poll, fd) != 0) {
		free(client);
		base_close(&fd);
		return;
	}
	client->scrape = scrape;
	client->fd = fd;
	client->poll.data = client;
	client->until_ms = uv_now(scrape->loop) + SCRAPE_TIME_MS;
	list_append(&scrape->open, &client->link);
	require(uv_poll_start(&client->poll, UV_READABLE, scrape_on_client) == 0);
	scrape_sweep_soon(scrape);
	scrape_read(client); /* mostly it is all there */
}

static void
scrape_on_ready(uv_poll_t *handle, int status, int events)
{
	struct scrape *scrape = handle->data;
	(void)events;
	for (int i = 0; status >= 0 && i < SCRAPE_TURN_ACCEPTS_MAX; i++) {
		int fd = accept4(scrape->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			scrape_welcome(scrape, fd);
			continue;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		status = -errno;
	}
	if (status >= 0)
		return;
	/* Out of descriptors, most likely: the ready socket would spin the loop. */
	log_limited(LOG_LEVEL_WARNING, "scrape", 6, "cannot accept: %s", strerror(-status));
	(void)uv_poll_stop(&scrape->poll);
	scrape->paused = true;
	scrape_sweep_soon(scrape);
}

int
scrape_open(struct scrape *ret_scrape, uv_loop_t *loop, struct rpc *rpc, int fd, struct error *err)
{
	struct sockaddr_storage address = {0};
	socklen_t size = sizeof(address), size_of_int = sizeof(int);
	int listens = 0;
	autoclose int owned = fd;
	memset(ret_scrape, 0, sizeof(*ret_scrape));
	if (fd < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size_of_int) != 0 || !listens ||
	    getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		return error_set(err, ERROR_INVALID,
				 "descriptor %d for metrics is not a listening socket", fd);
	int rc = uv_poll_init(loop, &ret_scrape->poll, fd);
	if (rc != 0)
		return error_set(err, ERROR_SYSTEM, "poll of the metrics' socket: %s",
				 uv_strerror(rc));
	require(uv_timer_init(loop, &ret_scrape->sweep) == 0);
	ret_scrape->loop = loop;
	ret_scrape->rpc = rpc;
	ret_scrape->local = address.ss_family != AF_UNIX;
	ret_scrape->poll.data = ret_scrape->sweep.data = ret_scrape;
	ret_scrape->fd = owned;
	owned = -1;
	list_init(&ret_scrape->open);
	text_buffer_init(&ret_scrape->text, METRICS_TEXT_MAX);
	require(uv_poll_start(&ret_scrape->poll, UV_READABLE, scrape_on_ready) == 0);
	return 0;
}

void
scrape_close(struct scrape *scrape)
{
	if (!scrape->loop)
		return;
	LIST_FOREACH_SAFE (&scrape->open, link, next)
		scrape_drop(list_item(link, struct scrape_client, link));
	uv_close((uv_handle_t *)&scrape->poll, NULL);
	uv_close((uv_handle_t *)&scrape->sweep, NULL);
	base_close(&scrape->fd);
	text_buffer_deinit(&scrape->text);
	scrape->loop = NULL;
}
