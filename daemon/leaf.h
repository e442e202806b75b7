/*
 * A worker's control group, one directory in each hierarchy: made before the fork, limits in and
 * counters out through descriptors that stay open. After the worker is reaped it is given to the
 * next one, when it is seen to be empty and its counters can begin anew; else it is removed.
 * A hierarchy that a root does not have (role missing) is skipped: its limit is then not enforced
 * and its counter reads as "none". Whether that is acceptable is decided where the root is taken
 * over.
 */
#ifndef STINT_DAEMON_LEAF_H
#define STINT_DAEMON_LEAF_H

#include "protocol/error.h"
#include "protocol/limits.h"
#include "protocol/message.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LEAF_SPARES_MAX 8u
#define LEAF_WEIGHT     100u /* what a group weighs in the kernel, if nobody says otherwise */

struct leaf {
	uint64_t serial; /* names it: of the worker that it was made for */
	uint32_t made;   /* bit i: our directory in dirs[i] exists */
	bool v2;         /* of the memory files */
	/* owned descriptors, -1 when there is no such file */
	int memory_max, memory_swap, memory_peak, memory_usage, memory_events;
	int cpu_usage, cpu_weight, pids_max, pids_usage, kill, freeze;
	bool cpu_v2, weight_v2;
	bool renews;                         /* the kernel lets the peak begin anew */
	bool killed;                         /* through `kill` */
	bool paused;                         /* through `freeze` */
	uint64_t memory_set_bytes, pids_set; /* limits in force; 0: none yet */
	unsigned weight;
	uint64_t oom_kills_before, cpu_us_before; /* of earlier workers */
	bool settled;                             /* the next two are its worker's last */
	uint64_t oom_kills_after, cpu_us_after;
};

/* The directories of one generation in which leaves are made. */
struct leaf_root {
	int dirs[CGROUP_DIRS_MAX]; /* owned */
	uint32_t roles[CGROUP_DIRS_MAX];
	uint32_t dir_count;
	gid_t gid; /* of the zygote outside its namespace: may attach to a leaf; -1: is the owner */
	struct leaf spares[LEAF_SPARES_MAX]; /* owned: empty, for the next workers */
	unsigned spare_count;
	unsigned spare_least; /* of spare_count since the last leaf_trim; <= spare_count */
};

void leaf_root_init(struct leaf_root *ret_root);
void leaf_root_deinit(struct leaf_root *root);
/* Remove the spares: no more workers come. What is left is its generation's, and goes with it. */
void leaf_root_clear(struct leaf_root *root);
/* All roles of the root's directories together. */
uint32_t leaf_root_roles(const struct leaf_root *root);

void leaf_init(struct leaf *ret_leaf);
/* Make the directories, open the files, let the root's gid attach. On failure nothing is left. */
int leaf_create(struct leaf *leaf, const struct leaf_root *root, uint64_t serial,
		struct error *err);
/* One that is there, or a new one with that serial. */
int leaf_take(struct leaf *leaf, struct leaf_root *root, uint64_t serial, struct error *err);
/*
 * Of a worker that was reaped, when its counters have been read: keep it for the next one. False:
 * it was killed through, something is left in it, it cannot begin anew, or there are enough. True:
 * `leaf` is as after leaf_init.
 */
bool leaf_give(struct leaf *leaf, struct leaf_root *root);
/* One that nobody has needed since the last call: closed, its name for leaf_remove. False: none. */
bool leaf_trim(struct leaf_root *root, uint64_t *ret_serial, uint32_t *ret_made);
/* Write what differs and read it back. ERROR_SYSTEM, or ERROR_INVALID when the kernel disagrees. */
int leaf_limit(struct leaf *leaf, uint64_t memory_bytes, uint64_t pids, struct error *err);
/* Its part of the cores beside the generation's other leaves, 1 .. 10000; where the machine does
 * not share them out by groups, or the kernel does not take it, nothing. */
void leaf_weigh(struct leaf *leaf, unsigned weight);
/*
 * Its processes stand still, or go on (cgroup.freeze: they can be killed meanwhile, their clocks of
 * CPU time stand still as well). False: the kernel did not take it, or there is no such file; it is
 * as before then. What is so already is not written.
 */
bool leaf_pause(struct leaf *leaf, bool on);
/* What a job's limits come to for the memory controller, in whole pages. */
uint64_t leaf_memory_bytes(const struct limits *limits);

/* Its worker was reaped: what the last two counters below say now is what they say from here on. */
void leaf_settle(struct leaf *leaf);
/* Counters, of its present worker; 0 when the machine does not have them. */
uint64_t leaf_memory_peak_bytes(const struct leaf *leaf);
uint64_t leaf_oom_kills(const struct leaf *leaf);
uint64_t leaf_cpu_us(const struct leaf *leaf);

/* cgroup.kill, or -1, for a kill at once: the leaf is not for another worker then. */
int leaf_killer(struct leaf *leaf);
/* Close the descriptors; the directories stay. */
void leaf_close(struct leaf *leaf);
/* Kill what is in it, where there is cgroup.kill: after its worker was reaped nothing should be. */
void leaf_kill(const struct leaf_root *root, uint64_t serial);
/* Remove the directories that *made names. ERROR_BUSY: try again later; *made says what is left. */
int leaf_remove(const struct leaf_root *root, uint64_t serial, uint32_t *made, struct error *err);

#endif
