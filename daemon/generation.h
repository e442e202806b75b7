/*
 * The generation that stintd works with: one zygote, its cgroup directories, its link. When it
 * ends, for whatever reason, the next one is started after a back-off. Owns the spawner link.
 */
#ifndef STINT_DAEMON_GENERATION_H
#define STINT_DAEMON_GENERATION_H

#include "daemon/leaf.h"
#include "daemon/zygote_link.h"
#include "protocol/error.h"
#include "protocol/isolation.h"
#include "protocol/message.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum generation_state {
	GENERATION_NONE,     /* none; the next start is waited for */
	GENERATION_STARTING, /* the spawner was asked */
	GENERATION_WARMING,  /* the zygote runs and is not ready */
	GENERATION_SERVING,  /* the zygote forks */
	GENERATION_LOST,     /* the zygote is of no use; the spawner has not said that it ended */
	GENERATION_STATE_COUNT
};

struct generation;

struct generation_callbacks {
	void (*serving)(void *context);
	/* Its workers are dead or about to be. Its zygote link is still open during the call. */
	void (*lost)(void *context, const char *why);
	void (*forked)(void *context, const struct message_forked *about, int pidfd);
	void (*exited)(void *context, const struct message_exited *about);
	void (*drain)(void *context);
	void (*fatal)(void *context, const struct error *err);
	void *context;
};

/* Asks for generation 1 at once. One that lacks a layer of `isolation` does not serve:
 * ERROR_UNSUPPORTED by `fatal` when none has served yet. spawner_fd is owned from here on, also on
 * failure. */
int generation_new(uv_loop_t *loop, int spawner_fd, enum isolation_level isolation,
		   const struct generation_callbacks *callbacks, struct generation **ret_generation,
		   struct error *err);
/* No callback after it. */
void generation_free(struct generation **generation);

enum generation_state generation_state(const struct generation *generation);
uint64_t generation_number(const struct generation *generation);
/* Borrowed; in SERVING and during `lost`. */
struct zygote_link *generation_zygote(const struct generation *generation);
const struct leaf_root *generation_root(const struct generation *generation);
uint32_t generation_uid_count(const struct generation *generation);
/* What the last zygote that became ready said of itself; zeroes before the first. */
const struct message_zygote *generation_about(const struct generation *generation);
/* The layers that hold of it: bits of enum isolation_layer; 0 before the first. */
uint64_t generation_layers(const struct generation *generation);

/* A worker became ready: the generation is good, its failures are forgotten. */
void generation_prove(struct generation *generation);
/* Give it up: kill all its workers and start the next. */
void generation_abandon(struct generation *generation, const char *why);
/* Tell the spawner that stintd serves. */
int generation_announce(struct generation *generation, struct error *err);

#endif
