/*
 * See front_fixture.h.
 */
#include "front_fixture.h"

#include "protocol/base_assert.h"
#include "protocol/base_sys.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRONT_STUCK_MS 120000

static void
on_result(void *context, uint64_t session, uint64_t ticket, struct run_result *result)
{
	struct front *front = context;
	(void)session;
	reply_result(&front->reply, ticket, result);
}

static void
on_output(void *context, uint64_t session, uint64_t ticket, const char *job, int stream,
	  const void *bytes, size_t size)
{
	struct front *front = context;
	(void)session;
	(void)job;
	reply_output(&front->reply, ticket, stream, bytes, size);
}

static void
on_gone(void *context)
{
	struct front *front = context;
	front->gone++;
}

static void
on_result_gone(void *context, uint64_t held_bytes)
{
	struct front *front = context;
	if (front->engine != NULL)
		engine_result_gone(front->engine, held_bytes);
}

struct front *
front_new(const char *const *settings)
{
	return front_new_with("", settings);
}

struct front *
front_new_with(const char *text, const char *const *settings)
{
	struct front *front = calloc(1, sizeof(*front));
	assert_non_null(front);
	config_init(&front->config);
	assert_int_equal(config_read_text(&front->config, text, strlen(text), "text", NULL), 0);
	for (; settings != NULL && *settings != NULL; settings++)
		assert_int_equal(config_set(&front->config, *settings, NULL), 0);
	assert_int_equal(uv_loop_init(&front->loop), 0);
	inwork_init(&front->inwork);
	size_t output_max = config_number(&front->config, connection_output_max);
	assert_int_equal(outbox_init(&front->outbox, &front->loop, output_max, output_max * 4), 0);
	reply_init(&front->reply, &front->loop, &front->inwork, &front->outbox);
	front->reply.gone = on_result_gone;
	front->reply.context = front;
	assert_int_equal(rpc_init(&front->rpc, &front->config, &front->inwork, &front->outbox,
				  &front->loop, NULL),
			 0);
	struct engine_callbacks callbacks = {
	    .result = on_result, .output = on_output, .context = front};
	assert_int_equal(
	    engine_new(&front->loop, &front->config, -1, &callbacks, &front->engine, NULL), 0);
	front->rpc.engine = front->engine;
	script_keep_init(&front->scripts, &front->config, &front->reply);
	front->rpc.scripts = &front->scripts;
	assert_int_equal(tenant_table_new(&front->config, &front->tenants, NULL), 0);
	front->rpc.tenants = front->tenants;
	front->host.loop = &front->loop;
	front->host.rpc = &front->rpc;
	front->host.inwork = &front->inwork;
	front->host.outbox = &front->outbox;
	front->host.budget.max = config_number(&front->config, queue_bytes_max);
	front->host.line_max = config_number(&front->config, request_bytes_max);
	front->host.jobs_max = config_number(&front->config, connection_jobs_max);
	front->host.backlog_max = output_max / 4;
	list_init(&front->host.open);
	share_table_init(&front->host.shares);
	front->host.gone = on_gone;
	front->host.context = front;
	return front;
}

void
front_free(struct front **front_)
{
	struct front *front = *front_;
	*front_ = NULL;
	LIST_FOREACH_SAFE (&front->host.open, link, next)
		connection_close(list_item(link, struct connection, link));
	outbox_close(&front->outbox);
	engine_close(&front->engine);
	(void)uv_run(&front->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&front->loop), 0);
	assert_int_equal(front->host.open.count, 0);
	assert_int_equal(front->host.budget.used, 0);
	script_keep_deinit(&front->scripts);
	outbox_deinit(&front->outbox);
	inwork_deinit(&front->inwork);
	share_table_deinit(&front->host.shares);
	tenant_table_release(&front->tenants);
	config_deinit(&front->config);
	free(front);
}

struct client *
front_connect(struct front *front, uid_t uid)
{
	return front_connect_as(front, uid, NULL, 0);
}

struct client *
front_connect_as(struct front *front, uid_t uid, const gid_t *groups, size_t count)
{
	int fds[2];
	struct identity identity;
	struct client *client = calloc(1, sizeof(*client));
	assert_non_null(client);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	client->fd = fds[1];
	identity_init(&identity, uid, uid, groups, count);
	connection_open(&front->host, fds[0], ++front->last_session, &identity);
	return client;
}

void
client_free(struct client **client)
{
	base_close(&(*client)->fd);
	free((*client)->bytes);
	free(*client);
	*client = NULL;
}

void
front_turn(struct front *front)
{
	(void)uv_run(&front->loop, UV_RUN_NOWAIT);
}

/* Run the loop; when it has nothing to do, wait for it or for the client's descriptor. */
static void
wait_turn(struct front *front, int fd, short events)
{
	struct pollfd pollfds[2] = {{.fd = uv_backend_fd(&front->loop), .events = POLLIN},
				    {.fd = fd, .events = events}};
	uv_update_time(&front->loop);
	int timeout = uv_backend_timeout(&front->loop);
	int found = poll(pollfds, fd >= 0 ? 2 : 1, timeout < 0 ? FRONT_STUCK_MS : timeout);
	assert_true(found > 0 || timeout >= 0);
	front_turn(front);
}

void
client_send(struct front *front, struct client *client, const void *bytes, size_t size)
{
	const char *at = bytes;
	while (size > 0) {
		ssize_t done = send(client->fd, at, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (done > 0) {
			at += done;
			size -= (size_t)done;
			continue;
		}
		assert_true(errno == EAGAIN);
		wait_turn(front, client->fd, POLLOUT);
	}
}

void
client_say(struct front *front, struct client *client, const char *text)
{
	client_send(front, client, text, strlen(text));
}

void
client_half_close(struct client *client)
{
	assert_int_equal(shutdown(client->fd, SHUT_WR), 0);
}

/* False at end of file. */
static bool
receive_more(struct front *front, struct client *client)
{
	for (;;) {
		size_t room = client->size < 65536 ? 65536 : client->size;
		client->bytes = realloc(client->bytes, client->size + room);
		assert_non_null(client->bytes);
		ssize_t got = recv(client->fd, client->bytes + client->size, room, MSG_DONTWAIT);
		if (got > 0) {
			client->size += (size_t)got;
			return true;
		}
		if (got == 0 || errno != EAGAIN)
			return false;
		wait_turn(front, client->fd, POLLIN);
	}
}

char *
client_line(struct front *front, struct client *client)
{
	size_t scanned = 0;
	for (;;) {
		char *end = client->size > scanned
				? memchr(client->bytes + scanned, '\n', client->size - scanned)
				: NULL;
		if (end != NULL) {
			size_t length = (size_t)(end - client->bytes);
			char *line = malloc(length + 1);
			assert_non_null(line);
			memcpy(line, client->bytes, length);
			line[length] = '\0';
			client->size -= length + 1;
			memmove(client->bytes, end + 1, client->size);
			return line;
		}
		scanned = client->size;
		if (!receive_more(front, client))
			return NULL;
	}
}

json_t *
client_json(struct front *front, struct client *client)
{
	char *line = client_line(front, client);
	assert_non_null(line);
	json_t *value = json_loads(line, JSON_ALLOW_NUL, NULL);
	if (value == NULL)
		print_error("not JSON: %.200s\n", line);
	assert_non_null(value);
	free(line);
	return value;
}

char *
client_rest(struct front *front, struct client *client)
{
	while (receive_more(front, client))
		;
	char *rest = malloc(client->size + 1);
	assert_non_null(rest);
	if (client->size > 0)
		memcpy(rest, client->bytes, client->size);
	rest[client->size] = '\0';
	client->size = 0;
	return rest;
}

void
client_expect_error(struct front *front, struct client *client, int code, const char *reason,
		    const char *id)
{
	json_t *answer = client_json(front, client);
	json_t *error = json_object_get(answer, "error");
	char *id_text = json_dumps(json_object_get(answer, "id"), JSON_ENCODE_ANY | JSON_COMPACT);
	assert_non_null(error);
	assert_int_equal(json_integer_value(json_object_get(error, "code")), code);
	assert_true(json_string_length(json_object_get(error, "message")) > 0);
	json_t *data = json_object_get(error, "data");
	if (reason == NULL)
		assert_null(data);
	else
		assert_string_equal(json_string_value(json_object_get(data, "reason")), reason);
	assert_string_equal(id_text, id);
	free(id_text);
	json_decref(answer);
}

char *
client_result_text(struct front *front, struct client *client, const char *member)
{
	json_t *answer = client_json(front, client);
	json_t *value = json_object_get(json_object_get(answer, "result"), member);
	assert_non_null(json_string_value(value));
	char *text = strdup(json_string_value(value));
	json_decref(answer);
	return text;
}

void
front_wait_jobs(struct front *front, size_t count)
{
	while (front->engine->count < count)
		wait_turn(front, -1, 0);
}
