/*
 * One generation: one zygote, its cgroup directories, its link. There are two of these objects;
 * each is used for one generation after another (succession.h).
 */
#ifndef STINT_DAEMON_GENERATION_H
#define STINT_DAEMON_GENERATION_H

#include "daemon/leaf.h"
#include "daemon/spawner_link.h"
#include "daemon/zygote_link.h"
#include "protocol/error.h"
#include "protocol/isolation.h"
#include "protocol/message.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum generation_state {
	GENERATION_NONE,     /* none */
	GENERATION_STARTING, /* the spawner was asked */
	GENERATION_WARMING,  /* the zygote runs and is not ready */
	GENERATION_SERVING,  /* the zygote forks */
	GENERATION_RETIRING, /* the last jobs run; it forks no more */
	GENERATION_LOST,     /* the zygote is not needed; the spawner has not said that it ended */
	GENERATION_STATE_COUNT
};

struct generation;

struct generation_callbacks {
	void (*serving)(void *context, struct generation *generation);
	/* Its workers are dead or about to be. Its zygote link is still open during the call. */
	void (*lost)(void *context, struct generation *generation, const char *why);
	void (*forked)(void *context, struct generation *generation,
		       const struct message_forked *about, int pidfd);
	void (*exited)(void *context, struct generation *generation,
		       const struct message_exited *about);
	void (*stopped)(void *context, struct generation *generation,
			const struct message_exited *about);
	/* One of its workers has forked. It goes on; a successor is due. */
	void (*tainted)(void *context, struct generation *generation);
	/* Nothing is left of it; its state is NONE. */
	void (*over)(void *context, struct generation *generation);
	void (*fatal)(void *context, const struct error *err);
	void *context;
};

/* State NONE. The spawner link is borrowed, and *served too, which says for all generations
 * together whether one has served: before that, lacking a layer of `isolation` is fatal. */
int generation_new(uv_loop_t *loop, struct spawner_link *spawner, enum isolation_level isolation,
		   bool *served, const struct generation_callbacks *callbacks,
		   struct generation **ret_generation, struct error *err);
/* No callback after it. */
void generation_free(struct generation **generation);

/* Ask the spawner for it; state NONE. */
void generation_start(struct generation *generation, uint64_t number);
/* The spawner's answers about this number; STARTING, and anything but NONE. fds taken become -1. */
void generation_started(struct generation *generation, const struct message_generation *about,
			int *fds);
void generation_ended(struct generation *generation, const struct message_generation *about);
/* Give it up: all its workers are lost. Does nothing when it has no zygote. */
void generation_abandon(struct generation *generation, const char *why);
/* SERVING: no new worker, no new job. */
void generation_retire(struct generation *generation);
/* RETIRING, and no worker lives: end it. `lost` is not called. */
void generation_dismiss(struct generation *generation);

enum generation_state generation_state(const struct generation *generation);
/* SERVING or RETIRING: there are workers, and the next ones may be asked for. */
bool generation_is_live(const struct generation *generation);
uint64_t generation_number(const struct generation *generation);
/* Borrowed; while it is live and during `lost`. */
struct zygote_link *generation_zygote(const struct generation *generation);
struct leaf_root *generation_root(struct generation *generation);
uint32_t generation_uid_count(const struct generation *generation);
/* What the last zygote that became ready said of itself; zeroes before the first. */
const struct message_zygote *generation_about(const struct generation *generation);
/* The layers that hold of it: bits of enum isolation_layer; 0 before the first. */
uint64_t generation_layers(const struct generation *generation);

/* A worker became ready: the generation is good. */
void generation_prove(struct generation *generation);
bool generation_is_proved(const struct generation *generation);
/* It was retired: its end is no failure. */
bool generation_is_orderly(const struct generation *generation);

#endif
