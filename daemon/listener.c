/*
 * Accepts clients on the socket that the spawner bound.
 *
 * A bounded number per turn, so that a flood of connects does not keep others waiting. Above
 * connections_max, or above the share of its tenant, or when the descriptors that are left are for
 * workers, a client is told so and closed at once.
 * Without a free descriptor the spare one is given up to accept and close what waits, for else the
 * ready socket would spin the loop; other failures of accept pause it for a moment. It never reads
 * a client's byte and never binds or unlinks a path: the socket belongs to the spawner and outlives
 * this process. Called by daemon.c and the loop. Fails only at start.
 */
#define _GNU_SOURCE
#include "daemon/listener.h"

#include "daemon/metrics.h"
#include "daemon/rpc.h"
#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "protocol/jsonrpc.h"
#include "protocol/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define LISTENER_TURN_ACCEPTS_MAX  64
#define LISTENER_SWEEP_MS          5000u
#define LISTENER_PAUSE_MS          100u
#define LISTENER_REFUSAL_BYTES_MAX 1024u
/* Descriptors that clients leave to the rest: a quarter, and never more than all workers need. */
#define LISTENER_RESERVE_MAX (WORKERS_MAX * LISTENER_WORKER_DESCRIPTORS)

static void on_ready(uv_poll_t *handle, int status, int events);

/*
 * The first descriptor that no client gets. The lowest free one is what accept gives, so that many
 * are left at least for workers and their control groups, whatever clients do: without one of those
 * a job that was taken could not be run.
 */
static int
descriptors_for_clients(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX)
		return INT_MAX;
	rlim_t reserve = limit.rlim_cur / 4;
	if (reserve > LISTENER_RESERVE_MAX)
		reserve = LISTENER_RESERVE_MAX;
	return (int)(limit.rlim_cur - reserve);
}

static void
turn_away(const struct listener *listener, int fd, const char *why)
{
	metrics_add(listener->host->rpc->metrics, METRIC_connections_refused, 1);
	struct rpc_error fault;
	struct text_buffer text;
	jsonrpc_error_reason(&fault, RPC_REASON_QUOTA_EXCEEDED, "%s", why);
	text_buffer_init(&text, LISTENER_REFUSAL_BYTES_MAX);
	jsonrpc_write_error(&text, NULL, 0, &fault);
	if (!text.failed)
		(void)send(fd, text.bytes, text.size, MSG_DONTWAIT | MSG_NOSIGNAL);
	text_buffer_deinit(&text);
	base_close(&fd);
}

/* How many connections the client's tenant may have; 0: as many as there are. */
static size_t
share_max(const struct connection_host *host, const struct identity *identity)
{
	size_t own = tenant_number(&identity->own.terms, connections_max);
	if (own > 0)
		return own;
	return identity->uid == 0 ? 0 : host->uid_max;
}

static void
welcome(struct listener *listener, int fd)
{
	struct connection_host *host = listener->host;
	struct identity identity;
	struct error err = ERROR_INIT;
	if (host->open.count >= listener->connections_max) {
		log_limited(LOG_LEVEL_WARNING, "listener", 6,
			    "a client was turned away: %zu connections are open", host->open.count);
		turn_away(listener, fd, "too many connections");
		return;
	}
	if (fd >= listener->fd_max) {
		log_limited(LOG_LEVEL_WARNING, "listener", 6,
			    "a client was turned away: the descriptors that are left are for "
			    "workers; raise the limit of open files, or lower connections_max");
		turn_away(listener, fd, "too many connections");
		return;
	}
	if (identity_of_peer(fd, &identity, &err) != 0) {
		log_limited(LOG_LEVEL_WARNING, "listener", 6, "a client was turned away: %s",
			    err.text);
		base_close(&fd);
		return;
	}
	identity_settle(&identity, host->rpc->tenants);
	size_t max = share_max(host, &identity);
	if (max > 0 && share_count(&host->shares, identity.own.terms.name) >= max) {
		log_limited(LOG_LEVEL_WARNING, "listener", 6,
			    "a client of tenant %s was turned away: it has %zu connections",
			    identity.own.terms.name, max);
		turn_away(listener, fd, "too many connections of this tenant");
		identity_deinit(&identity);
		return;
	}
	metrics_add(host->rpc->metrics, METRIC_connections_opened, 1);
	connection_open(host, fd, ++listener->last_session, &identity);
}

static void
on_pause_over(uv_timer_t *timer)
{
	struct listener *listener = timer->data;
	if (listener->spare_fd < 0)
		listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	require(uv_poll_start(&listener->poll, UV_READABLE, on_ready) == 0);
}

static void
pause_accepting(struct listener *listener)
{
	(void)uv_poll_stop(&listener->poll);
	require(uv_timer_start(&listener->pause, on_pause_over, LISTENER_PAUSE_MS, 0) == 0);
}

/* Turn away one waiting client with the descriptor that is kept for this. */
static void
accept_with_spare(struct listener *listener)
{
	log_limited(LOG_LEVEL_WARNING, "listener", 6,
		    "a client was turned away: no descriptor left");
	metrics_add(listener->host->rpc->metrics, METRIC_connections_refused, 1);
	base_close(&listener->spare_fd);
	int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	base_close(&fd);
	listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pause_accepting(listener);
}

static void
on_ready(uv_poll_t *handle, int status, int events)
{
	struct listener *listener = handle->data;
	(void)events;
	if (status < 0) {
		pause_accepting(listener);
		return;
	}
	for (int i = 0; i < LISTENER_TURN_ACCEPTS_MAX; i++) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			welcome(listener, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EMFILE || errno == ENFILE)
			accept_with_spare(listener);
		else if (errno != EAGAIN && errno != EWOULDBLOCK)
			pause_accepting(listener);
		return;
	}
}

static void
on_sweep(uv_timer_t *timer)
{
	struct listener *listener = timer->data;
	uint64_t now_ms = uv_now(listener->host->loop);
	LIST_FOREACH_SAFE (&listener->host->open, link, next)
		connection_expire(list_item(link, struct connection, link), now_ms);
}

int
listener_open(struct listener *ret_listener, struct connection_host *host, int fd,
	      size_t connections_max, struct error *err)
{
	int listening = 0;
	socklen_t size = sizeof(listening);
	autoclose int owned = fd;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || !listening)
		return error_set(err, ERROR_INVALID, "descriptor %d is not a listening socket", fd);
	autoclose int spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (spare_fd < 0)
		return error_errno(err, "open /dev/null");
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return error_errno(err, "descriptor %d of the socket", fd);
	memset(ret_listener, 0, sizeof(*ret_listener));
	int rc = uv_poll_init(host->loop, &ret_listener->poll, fd);
	if (rc != 0)
		return error_set(err, ERROR_SYSTEM, "poll of the socket: %s", uv_strerror(rc));
	require(uv_timer_init(host->loop, &ret_listener->sweep) == 0);
	require(uv_timer_init(host->loop, &ret_listener->pause) == 0);
	ret_listener->poll.data = ret_listener;
	ret_listener->sweep.data = ret_listener;
	ret_listener->pause.data = ret_listener;
	ret_listener->host = host;
	ret_listener->connections_max = connections_max;
	ret_listener->fd_max = descriptors_for_clients();
	ret_listener->fd = owned;
	ret_listener->spare_fd = spare_fd;
	owned = spare_fd = -1;
	require(uv_timer_start(&ret_listener->sweep, on_sweep, LISTENER_SWEEP_MS,
			       LISTENER_SWEEP_MS) == 0);
	uv_unref((uv_handle_t *)&ret_listener->sweep);
	require(uv_poll_start(&ret_listener->poll, UV_READABLE, on_ready) == 0);
	return 0;
}

void
listener_stop(struct listener *listener)
{
	if (listener->host == NULL || listener->closed)
		return;
	listener->closed = true;
	uv_close((uv_handle_t *)&listener->poll, NULL);
	uv_close((uv_handle_t *)&listener->pause, NULL);
	base_close(&listener->fd);
	base_close(&listener->spare_fd);
}

void
listener_close(struct listener *listener)
{
	if (listener->host == NULL)
		return;
	listener_stop(listener);
	if (!uv_is_closing((uv_handle_t *)&listener->sweep))
		uv_close((uv_handle_t *)&listener->sweep, NULL);
	LIST_FOREACH_SAFE (&listener->host->open, link, next)
		connection_close(list_item(link, struct connection, link));
}
