/*
 * The outer half of stintd in one process: real connections, rpc, reply and outbox over
 * socketpairs, a fake engine behind them, and clients that the test plays. Nothing sleeps: a
 * client's wait runs the loop, and blocks only on the loop's own descriptor.
 */
#ifndef STINT_TESTS_FRONT_FIXTURE_H
#define STINT_TESTS_FRONT_FIXTURE_H

#include "cmocka_headers.h"
#include "daemon/connection.h"
#include "daemon/inwork.h"
#include "daemon/outbox.h"
#include "daemon/reply.h"
#include "daemon/script_keep.h"
#include "daemon/rpc.h"
#include "fake_engine.h"
#include "protocol/config.h"

#include <jansson.h>
#include <uv.h>

#define FRONT_UID 1000

struct front {
	uv_loop_t loop;
	struct config config;
	struct inwork inwork;
	struct outbox outbox;
	struct reply reply;
	struct tenant_table *tenants;
	struct rpc rpc;
	struct script_keep scripts;
	struct connection_host host;
	struct engine *engine;
	uint64_t last_session;
	unsigned gone; /* connections whose memory is freed */
};

struct client {
	int fd;
	char *bytes; /* owned: received, not yet taken */
	size_t size;
};

/* settings: assignments as of --set, ended by NULL; may be NULL. */
struct front *front_new(const char *const *settings);
/* With a configuration file of this text. */
struct front *front_new_with(const char *text, const char *const *settings);
void front_free(struct front **front);

struct client *front_connect(struct front *front, uid_t uid);
/* The same of a user with these supplementary groups. */
struct client *front_connect_as(struct front *front, uid_t uid, const gid_t *groups, size_t count);
void client_free(struct client **client);
/* Run the loop once without waiting for anything. */
void front_turn(struct front *front);
/* Send all of it, running the loop while the socket is full. */
void client_send(struct front *front, struct client *client, const void *bytes, size_t size);
void client_say(struct front *front, struct client *client, const char *text);
/* End the sending side. */
void client_half_close(struct client *client);
/* Next line without its LF, NUL terminated, the caller's to free; NULL at end of file. */
char *client_line(struct front *front, struct client *client);
/* The same as JSON; fails the test when it is none. */
json_t *client_json(struct front *front, struct client *client);
/* Everything up to the end of file. */
char *client_rest(struct front *front, struct client *client);
/* The next line must be an error with this code and reason (NULL: none) and id (JSON text). */
void client_expect_error(struct front *front, struct client *client, int code, const char *reason,
			 const char *id);
/* Text at result.<member> of the next line, the caller's to free. */
char *client_result_text(struct front *front, struct client *client, const char *member);
/* Wait until jobs submitted so far are `count`. */
void front_wait_jobs(struct front *front, size_t count);

#endif
