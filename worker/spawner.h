/*
 * The spawner's whole state: made by spawner_main.c, passed down to the rest. There is nothing
 * global.
 */
#ifndef STINT_WORKER_SPAWNER_H
#define STINT_WORKER_SPAWNER_H

#include "protocol/config.h"
#include "worker/cgroup_tree.h"
#include "worker/spawner_backoff.h"
#include "worker/spawner_rate.h"
#include "worker/spawner_socket.h"
#include "worker/spawner_usage.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SPAWNER_GENERATIONS_MAX 2 /* the new one is ready before the old one drains */
#define SPAWNER_GRACE_MS        30000 /* from MESSAGE_DRAIN to SIGKILL */

/* One value per bit: a permit names the states in which it holds. */
enum spawner_daemon_state {
	SPAWNER_DAEMON_DOWN = 1u << 0,     /* not running; due_ns says when it is started */
	SPAWNER_DAEMON_STARTING = 1u << 1, /* runs, has not said READY */
	SPAWNER_DAEMON_SERVING = 1u << 2,
	SPAWNER_DAEMON_DRAINING = 1u << 3, /* was told to stop */
};

struct spawner_daemon {
	enum spawner_daemon_state state;
	int pidfd;           /* owned, or -1 when DOWN */
	int link_fd;         /* owned, our end of the spawner link, or -1 */
	uint32_t seen;       /* permits used up, by bit */
	uint64_t due_ns;     /* DOWN: of the next start; STARTING: when patience ends */
	uint64_t silence_ns; /* SERVING: until then a sign of life is expected */
	uint64_t leave_ns;   /* it closed its link: until then it should end; 0: it did not */
	struct spawner_rate rate;
	struct spawner_backoff backoff;
};

struct spawner_generation {
	uint64_t number; /* 0: free */
	int pidfd;       /* owned: of the zygote */
	bool ending;     /* killed already */
};

struct spawner {
	struct config config;
	int config_fd;            /* owned: as stintd gets it (spawner_config.h), or -1 */
	int stintd_fd, zygote_fd; /* owned: the programs, O_PATH */
	const char *root;         /* borrowed: the prepared tree */
	bool rootless;            /* started by an ordinary user, who asked for it */
	uid_t uid;                /* of stintd */
	gid_t gid;
	struct spawner_socket socket;
	int state_fd; /* owned: the state directory, locked; -1: no durable jobs */
	struct spawner_socket metrics; /* fd -1: metrics are not served */
	struct spawner_usage usage;
	struct cgroup_trees trees;
	int guardian_fd;    /* owned: write end of the guardian's pipe, or -1 */
	int guardian_pidfd; /* owned, or -1 */
	pid_t guardian_pid;
	struct spawner_daemon daemon;
	struct spawner_generation generations[SPAWNER_GENERATIONS_MAX]; /* index = uid range */
	uint64_t generation_last; /* highest number that this stintd has used */
	bool stopping;
	uint64_t stop_ns; /* when patience ends */
};

#endif
