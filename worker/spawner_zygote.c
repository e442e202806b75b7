/*
 * Starts and ends generations.
 *
 * Two uid ranges take turns: the slot of a generation is its range, so two live generations never
 * share an id, whatever order they end in. The zygote dies with the spawner (parent-death signal)
 * and its workers with it (it is pid 1 of their pid namespace).
 *
 * Never takes a pid or a path from stintd: a generation is named by its number. Called by
 * spawner_monitor.c and spawner_main.c; fails with an error that goes to the log and, as an errno,
 * to stintd.
 */
#define _GNU_SOURCE
#include "worker/spawner_zygote.h"

#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "worker/cgroup_remove.h"
#include "worker/spawner_daemon.h"
#include "worker/spawner_exec.h"
#include "worker/spawner_layers.h"
#include "worker/spawner_rootless.h"
#include "worker/spawner_root.h"
#include "worker/zygote_args.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define SPAWNER_ZYGOTE_GROUP_BYTES (CGROUP_TREE_GENERATION_BYTES + 8)

/* Of the removal of a generation's groups: two for each of the most leaves there can be. */
#define SPAWNER_ZYGOTE_STEPS_MAX 4096u

static const char *const SPAWNER_ZYGOTE_LEVELS[] = {"error", "warning", "info", "debug"};

/* The command line of zygote_args.h, and one exec of it. */
static int
spawner_zygote_exec(struct spawner *spawner, const struct spawner_exec *how, pid_t *ret_pid,
		    int *ret_pidfd, struct error *err)
{
	const struct config *config = &spawner->config;
	char roles[CGROUP_DIRS_MAX * 12] = "", seed[24];
	struct spawner_exec plan = *how;
	size_t used = 0;
	const char *const argv[] = {
	    "stint-zygote",
	    ZYGOTE_ARGS_ROOT,
	    spawner->root,
	    ZYGOTE_ARGS_STDLIB,
	    SPAWNER_ROOT_STDLIB,
	    ZYGOTE_ARGS_ROLES,
	    roles,
	    ZYGOTE_ARGS_PRELOAD,
	    config_text(config, preload),
	    ZYGOTE_ARGS_HASH_SEED,
	    seed,
	    ZYGOTE_ARGS_ASYNCIO,
	    config_number(config, asyncio) ? "yes" : "no",
	    ZYGOTE_ARGS_PIN_CORES,
	    config_number(config, pin_cores) ? "yes" : "no",
	    ZYGOTE_ARGS_SCRATCHES,
	    config->limits_max.scratch_bytes ? "yes" : "no",
	    ZYGOTE_ARGS_LANDLOCK,
	    spawner_layers_wants_landlock(config) ? "on" : "off",
	    ZYGOTE_ARGS_IDS,
	    spawner->rootless ? "shared" : "own",
	    ZYGOTE_ARGS_LOG_LEVEL,
	    SPAWNER_ZYGOTE_LEVELS[config_number(config, log_level)],
	    NULL,
	};

	for (size_t i = 0; i < spawner->trees.count; i++)
		used += (size_t)snprintf(roles + used, sizeof(roles) - used, "%s%" PRIu32,
					 i ? "," : "", spawner->trees.trees[i].roles);
	(void)snprintf(seed, sizeof(seed), "%" PRIu64, config_number(config, hash_seed));
	plan.argv = argv;
	return spawner_exec_start(&plan, ret_pid, ret_pidfd, err);
}

static int
spawner_zygote_launch(struct spawner *spawner, const char *name, uint32_t uid_base, int link_fd,
		      int *ret_pidfd, uint64_t *ret_layers, struct error *err)
{
	pid_t pid;
	char group[SPAWNER_ZYGOTE_GROUP_BYTES];
	int fds[1 + CGROUP_DIRS_MAX], tasks[CGROUP_DIRS_MAX], into = -1, rc;
	struct spawner_exec plan = {
	    .program_fd = spawner->zygote_fd,
	    .fds = fds,
	    .fd_count = 1 + spawner->trees.count,
	    .tasks = tasks,
	    .namespaces = SPAWNER_ZYGOTE_NAMESPACES,
	    .map_base = uid_base,
	    .map_gid_base = uid_base,
	    .map_count = (uint32_t)config_number(&spawner->config, uid_count),
	    .stack_bytes = MAIN_STACK_BYTES,
	};

	if (spawner->rootless)
		spawner_rootless_plan(spawner, &plan);
	(void)snprintf(group, sizeof(group), "%s/zygote", name);
	fds[0] = link_fd;
	rc = cgroup_tree_directories(&spawner->trees, name, fds + 1, err);
	if (rc < 0)
		return rc;
	rc = cgroup_tree_entrance(&spawner->trees, group, &into, tasks, &plan.task_count, err);
	plan.cgroup_fd = into;
	if (rc == 0)
		rc = spawner_zygote_exec(spawner, &plan, &pid, ret_pidfd, err);
	if (rc == 0)
		*ret_layers =
		    spawner_layers_find(&spawner->trees, name, pid, plan.map_base, plan.map_count);
	while (plan.task_count > 0)
		base_close(&tasks[--plan.task_count]);
	base_close(&into);
	for (size_t i = 1; i < plan.fd_count; i++)
		base_close(&fds[i]);
	return rc;
}

/* The slot for `number`: the ranges take turns, but one that is in use is never shared. */
static struct spawner_generation *
spawner_zygote_slot(struct spawner *spawner, uint64_t number, uint32_t *ret_range)
{
	uint32_t range = (uint32_t)(number % SPAWNER_GENERATIONS_MAX);

	if (spawner->generations[range].number != 0)
		range = 1 - range;
	require(spawner->generations[range].number == 0);
	*ret_range = range;
	return &spawner->generations[range];
}

int
spawner_zygote_start(struct spawner *spawner, uint64_t number, struct message_generation *ret_body,
		     int ret_fds[1 + CGROUP_DIRS_MAX], size_t *ret_count, struct error *err)
{
	uint32_t count = (uint32_t)config_number(&spawner->config, uid_count), range;
	struct spawner_generation *slot = spawner_zygote_slot(spawner, number, &range);
	uint32_t base = (uint32_t)config_number(&spawner->config, uid_base) + range * count;
	struct message_generation body = {.number = number,
					  .uid_base = spawner->rootless ? spawner->uid : base,
					  .uid_count = spawner->rootless ? 1 : count};
	char name[CGROUP_TREE_GENERATION_BYTES];
	int link[2] = {-1, -1}, rc;

	cgroup_tree_generation_name(number, name);
	rc = cgroup_tree_generation(&spawner->trees, number, spawner->uid,
				    spawner->rootless ? CGROUP_TREE_OWN : base, err);
	if (rc == 0)
		rc = base_socketpair(link, err);
	if (rc == 0)
		rc = cgroup_tree_directories(&spawner->trees, name, ret_fds + 1, err);
	if (rc == 0) {
		rc = spawner_zygote_launch(spawner, name, base, link[1], &slot->pidfd, &body.layers,
					   err);
		for (size_t i = 0; rc < 0 && i < spawner->trees.count; i++)
			base_close(&ret_fds[1 + i]);
	}
	base_close(&link[1]);
	if (rc < 0) {
		base_close(&link[0]);
		(void)cgroup_remove(&spawner->trees, name, SPAWNER_ZYGOTE_STEPS_MAX, NULL);
		return rc;
	}
	slot->number = number;
	slot->ending = false;
	body.dir_count = (uint32_t)spawner->trees.count;
	for (size_t i = 0; i < spawner->trees.count; i++)
		body.roles[i] = spawner->trees.trees[i].roles;
	*ret_body = body;
	ret_fds[0] = link[0];
	*ret_count = 1 + spawner->trees.count;
	return 0;
}

struct spawner_generation *
spawner_zygote_find(struct spawner *spawner, uint64_t number)
{
	for (size_t i = 0; i < SPAWNER_GENERATIONS_MAX; i++)
		if (number != 0 && spawner->generations[i].number == number)
			return &spawner->generations[i];
	return NULL;
}

unsigned
spawner_zygote_live(const struct spawner *spawner)
{
	unsigned live = 0;

	for (size_t i = 0; i < SPAWNER_GENERATIONS_MAX; i++)
		live += spawner->generations[i].number != 0;
	return live;
}

void
spawner_zygote_kill(struct spawner *spawner, struct spawner_generation *generation)
{
	char name[CGROUP_TREE_GENERATION_BYTES];

	if (generation->number == 0 || generation->ending)
		return;
	generation->ending = true;
	/* Both: the groups also hold a worker whose zygote hangs, the pidfd needs no group. */
	cgroup_tree_generation_name(generation->number, name);
	cgroup_remove_kill(&spawner->trees, name);
	spawner_exec_kill(generation->pidfd);
}

void
spawner_zygote_kill_all(struct spawner *spawner)
{
	for (size_t i = 0; i < SPAWNER_GENERATIONS_MAX; i++)
		spawner_zygote_kill(spawner, &spawner->generations[i]);
}

void
spawner_zygote_ended(struct spawner *spawner, struct spawner_generation *generation)
{
	struct error err = ERROR_INIT;
	char name[CGROUP_TREE_GENERATION_BYTES];

	cgroup_tree_generation_name(generation->number, name);
	cgroup_remove_kill(&spawner->trees, name);
	if (cgroup_remove(&spawner->trees, name, SPAWNER_ZYGOTE_STEPS_MAX, &err) < 0) {
		log_error("spawner", "%s", err.text);
		/* More than workers can need, and perhaps more is being made: the rest goes when
		 * stintd is dead. */
		if (err.sys == E2BIG)
			spawner_daemon_condemn(spawner, "it fills the control groups");
	}
	base_close(&generation->pidfd);
	*generation = (struct spawner_generation){.pidfd = -1};
}
