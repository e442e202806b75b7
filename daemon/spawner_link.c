/*
 * Requests to the spawner and its reports. Checks type, number of descriptors and ranges; whether a
 * report fits the moment is the generation's to judge. Never names a process, a path or a user:
 * only numbers of generations. Called by generation.c. Any surprise closes the link, which ends
 * stintd.
 */
#define _GNU_SOURCE
#include "daemon/spawner_link.h"

#include "daemon/message_link.h"
#include "protocol/base_assert.h"
#include "protocol/limits.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define SPAWNER_LINK_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

struct spawner_link {
	struct message_link *messages; /* owned */
	struct spawner_link_callbacks callbacks;
};

static int
spawner_link_on_started(struct spawner_link *link, const struct message *message, int *fds,
			size_t fd_count, struct error *err)
{
	const struct message_generation *about = &message->body.generation;
	if (about->dir_count > CGROUP_DIRS_MAX)
		return error_set(err, ERROR_INVALID, "a generation with %u cgroup directories",
				 about->dir_count);
	size_t expected = about->error != 0 ? 0 : 1 + (size_t)about->dir_count;
	if (fd_count != expected)
		return error_set(err, ERROR_INVALID, "a generation with %zu descriptors, not %zu",
				 fd_count, expected);
	if (about->error == 0 && about->uid_count != MESSAGE_UID_SHARED &&
	    about->uid_count <= WORKERS_MAX + 1)
		return error_set(err, ERROR_INVALID, "a generation with %u uids for workers",
				 about->uid_count);
	link->callbacks.started(link->callbacks.context, about, fds);
	return 0;
}

static int
spawner_link_on_config(struct spawner_link *link, const struct message *message, const int *fds,
		       size_t fd_count, struct error *err)
{
	struct message expected;
	message_init(&expected, MESSAGE_CONFIG);
	if (memcmp(&expected, message, sizeof(expected)) != 0)
		return error_set(err, ERROR_INVALID, "a configuration with unexpected content");
	if (fd_count != 1)
		return error_set(err, ERROR_INVALID, "a configuration with %zu descriptors",
				 fd_count);
	if (fcntl(fds[0], F_GET_SEALS) != SPAWNER_LINK_SEALS)
		return error_set(err, ERROR_INVALID, "a configuration that is not sealed");
	return link->callbacks.config(link->callbacks.context, fds[0], err);
}

static int
spawner_link_on_message(void *context, const struct message *message, int *fds, size_t fd_count,
			struct error *err)
{
	struct spawner_link *link = context;
	if (message->type == MESSAGE_GENERATION_STARTED)
		return spawner_link_on_started(link, message, fds, fd_count, err);
	if (message->type == MESSAGE_CONFIG)
		return spawner_link_on_config(link, message, fds, fd_count, err);
	if (fd_count != 0)
		return error_set(err, ERROR_INVALID, "%s with %zu descriptors",
				 message_name(message->type), fd_count);
	if (message->type == MESSAGE_GENERATION_ENDED)
		link->callbacks.ended(link->callbacks.context, &message->body.generation);
	else if (message->type == MESSAGE_DRAIN)
		link->callbacks.drain(link->callbacks.context);
	else
		return error_set(err, ERROR_INVALID, "message of type %u from the spawner",
				 message->type);
	return 0;
}

static void
spawner_link_on_closed(void *context, const struct error *err)
{
	struct spawner_link *link = context;
	link->callbacks.closed(link->callbacks.context, err);
}

int
spawner_link_new(uv_loop_t *loop, int fd, const struct spawner_link_callbacks *callbacks,
		 struct spawner_link **ret_link, struct error *err)
{
	struct spawner_link *link = calloc(1, sizeof(*link));
	require(link);
	link->callbacks = *callbacks;
	struct message_link_callbacks inner = {spawner_link_on_message, spawner_link_on_closed,
					       link};
	int code = message_link_new(loop, fd, 1 + CGROUP_DIRS_MAX, &inner, &link->messages, err);
	if (code < 0) {
		free(link);
		return error_wrap(err, "spawner link");
	}
	*ret_link = link;
	return 0;
}

void
spawner_link_close(struct spawner_link **link)
{
	if (!*link)
		return;
	message_link_close(&(*link)->messages);
	free(*link);
	*link = NULL;
}

static int
spawner_link_send(struct spawner_link *link, enum message_type type, uint64_t number,
		  struct error *err)
{
	struct message message;
	message_init(&message, type);
	message.body.generation.number = number;
	int code = message_link_send(link->messages, &message, NULL, 0, err);
	return code < 0 ? error_wrap(err, "tell the spawner %s", message_name(type)) : 0;
}

int
spawner_link_start_generation(struct spawner_link *link, uint64_t number, struct error *err)
{
	return spawner_link_send(link, MESSAGE_GENERATION_START, number, err);
}

int
spawner_link_end_generation(struct spawner_link *link, uint64_t number, struct error *err)
{
	return spawner_link_send(link, MESSAGE_GENERATION_END, number, err);
}

int
spawner_link_daemon_ready(struct spawner_link *link, struct error *err)
{
	return spawner_link_send(link, MESSAGE_DAEMON_READY, 0, err);
}

int
spawner_link_daemon_drain(struct spawner_link *link, struct error *err)
{
	return spawner_link_send(link, MESSAGE_DAEMON_DRAIN, 0, err);
}

int
spawner_link_daemon_alive(struct spawner_link *link, struct error *err)
{
	return spawner_link_send(link, MESSAGE_DAEMON_ALIVE, 0, err);
}
