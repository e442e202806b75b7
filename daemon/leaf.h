/*
 * A worker's control group, one directory in each hierarchy: made before the fork, limits in and
 * counters out through descriptors that stay open, removed after the worker is reaped.
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

/* The directories of one generation in which leaves are made. */
struct leaf_root {
	int dirs[CGROUP_DIRS_MAX]; /* owned */
	uint32_t roles[CGROUP_DIRS_MAX];
	uint32_t dir_count;
	gid_t gid; /* of the zygote outside its namespace: may attach to a leaf; -1: is the owner */
};

struct leaf {
	uint64_t serial;
	uint32_t made; /* bit i: our directory in dirs[i] exists */
	bool v2;       /* of the memory files */
	/* owned descriptors, -1 when there is no such file */
	int memory_max, memory_swap, memory_peak, memory_events, cpu_usage, pids_max, kill;
	bool cpu_v2;
	uint64_t memory_set_bytes, pids_set; /* limits in force; 0: none yet */
};

void leaf_root_init(struct leaf_root *ret_root);
void leaf_root_deinit(struct leaf_root *root);
/* All roles of the root's directories together. */
uint32_t leaf_root_roles(const struct leaf_root *root);

void leaf_init(struct leaf *ret_leaf);
/* Make the directories, open the files, let the root's gid attach. On failure nothing is left. */
int leaf_create(struct leaf *leaf, const struct leaf_root *root, uint64_t serial,
		struct error *err);
/* Write what differs and read it back. ERROR_SYSTEM, or ERROR_INVALID when the kernel disagrees. */
int leaf_limit(struct leaf *leaf, uint64_t memory_bytes, uint64_t pids, struct error *err);
/* What a job's limits come to for the memory controller, in whole pages. */
uint64_t leaf_memory_bytes(const struct limits *limits);

/* Counters; 0 when the machine does not have them. */
uint64_t leaf_memory_peak_bytes(const struct leaf *leaf);
uint64_t leaf_oom_kills(const struct leaf *leaf);
uint64_t leaf_cpu_us(const struct leaf *leaf);

/* Close the descriptors; the directories stay. */
void leaf_close(struct leaf *leaf);
/* Remove the directories that *made names. ERROR_BUSY: try again later; *made says what is left. */
int leaf_remove(const struct leaf_root *root, uint64_t serial, uint32_t *made, struct error *err);

#endif
