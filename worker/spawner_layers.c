/*
 * The spawner's share of the proof: namespaces, ids and control groups of a zygote, read back from
 * the kernel.
 *
 * A namespace counts when the zygote is in another than this process, an id map when the kernel
 * shows the range that was asked for, a controller when it has counted something of the zygote in
 * its group. Never writes anything; takes no number and no path from another process. Called by
 * spawner_zygote.c. Cannot fail: what cannot be read is missing, and stintd, which knows the
 * configured level, refuses to serve.
 */
#define _GNU_SOURCE
#include "worker/spawner_layers.h"

#include "protocol/base_sys.h"
#include "protocol/isolation.h"
#include "worker/cgroup_file.h"
#include "worker/cgroup_tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPAWNER_LAYERS_PATH_BYTES       64
#define SPAWNER_LAYERS_TEXT_BYTES       4096
#define SPAWNER_LAYERS_OVERFLOW         65534
#define SPAWNER_LAYERS_LANDLOCK_VERSION 1u /* flag: ask for the version */

static uint64_t
spawner_layers_namespaces(pid_t pid)
{
	static const struct {
		const char *name;
		uint64_t layer;
	} SPACES[] = {
	    {"user", ISOLATION_BIT(user_namespace)}, {"pid", ISOLATION_BIT(pid_namespace)},
	    {"mnt", ISOLATION_BIT(mount_namespace)}, {"net", ISOLATION_BIT(net_namespace)},
	    {"ipc", ISOLATION_BIT(ipc_namespace)},   {"uts", ISOLATION_BIT(uts_namespace)},
	};
	char path[SPAWNER_LAYERS_PATH_BYTES];
	struct stat own, other;
	uint64_t layers = 0;

	for (size_t i = 0; i < sizeof(SPACES) / sizeof(SPACES[0]); i++) {
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", SPACES[i].name);
		if (stat(path, &own) < 0)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, SPACES[i].name);
		if (stat(path, &other) == 0 && other.st_ino != own.st_ino)
			layers |= SPACES[i].layer;
	}
	return layers;
}

/* The beginning of a small file below a directory, NUL terminated; empty when it cannot be read. */
static void
spawner_layers_read(int dir_fd, const char *path, char ret[SPAWNER_LAYERS_TEXT_BYTES])
{
	autoclose int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, SPAWNER_LAYERS_TEXT_BYTES - 1);

	ret[n > 0 ? n : 0] = '\0';
}

bool
spawner_layers_map(const char *text, uint32_t base, uint32_t count)
{
	unsigned long long inside, outside, number;
	int used = 0;

	return sscanf(text, " %llu %llu %llu %n", &inside, &outside, &number, &used) == 3 &&
	       text[used] == '\0' && inside == 0 && outside == base && number == count;
}

/* Ids of its own, of which none is root's or means "nobody in particular" on the host. */
static bool
spawner_layers_ids(pid_t pid, uint32_t base, uint32_t count)
{
	static const char *const FILES[] = {"uid_map", "gid_map"};
	char path[SPAWNER_LAYERS_PATH_BYTES], text[SPAWNER_LAYERS_TEXT_BYTES];

	if (base <= SPAWNER_LAYERS_OVERFLOW || count < 2)
		return false;
	for (size_t i = 0; i < sizeof(FILES) / sizeof(FILES[0]); i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, FILES[i]);
		spawner_layers_read(AT_FDCWD, path, text);
		if (!spawner_layers_map(text, base, count))
			return false;
	}
	return true;
}

/* Whether a line of the file is the number. */
static bool
spawner_layers_member(int dir_fd, const char *file, pid_t pid)
{
	char text[SPAWNER_LAYERS_TEXT_BYTES], *save = NULL;

	spawner_layers_read(dir_fd, file, text);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strtol(line, NULL, 10) == (long)pid)
			return true;
	return false;
}

/* The first number of the file, behind a key when there is one, is above 0. */
static bool
spawner_layers_counts(int dir_fd, const char *file)
{
	char text[SPAWNER_LAYERS_TEXT_BYTES];

	spawner_layers_read(dir_fd, file, text);
	return strtoull(text + strcspn(text, "0123456789"), NULL, 10) > 0;
}

static uint64_t
spawner_layers_tree(const struct cgroup_tree *tree, int dir_fd, pid_t pid)
{
	bool v2 = (tree->roles & CGROUP_ROLE_V2) != 0;
	uint64_t layers = 0;

	if (!spawner_layers_member(dir_fd, v2 ? "cgroup.procs" : "tasks", pid))
		return 0;
	if ((tree->roles & CGROUP_ROLE_MEMORY) &&
	    spawner_layers_counts(dir_fd, v2 ? "memory.current" : "memory.usage_in_bytes"))
		layers |= ISOLATION_BIT(cgroup_memory);
	if ((tree->roles & CGROUP_ROLE_CPU) &&
	    spawner_layers_counts(dir_fd, v2 ? "cpu.stat" : "cpuacct.usage"))
		layers |= ISOLATION_BIT(cgroup_cpu);
	if ((tree->roles & CGROUP_ROLE_PIDS) && spawner_layers_counts(dir_fd, "pids.current"))
		layers |= ISOLATION_BIT(cgroup_pids);
	if ((tree->roles & CGROUP_ROLE_KILL) && faccessat(dir_fd, "cgroup.kill", W_OK, 0) == 0)
		layers |= ISOLATION_BIT(cgroup_kill);
	return layers;
}

bool
spawner_layers_has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, SPAWNER_LAYERS_LANDLOCK_VERSION) > 0;
}

bool
spawner_layers_wants_landlock(const struct config *config)
{
	uint64_t needed = isolation_needed((enum isolation_level)config_number(config, isolation));

	return (needed & ISOLATION_BIT(landlock)) || spawner_layers_has_landlock();
}

uint64_t
spawner_layers_find(const struct cgroup_trees *trees, const char *name, pid_t pid,
		    uint32_t map_base, uint32_t map_count)
{
	uint64_t layers = spawner_layers_namespaces(pid);
	char group[CGROUP_TREE_GENERATION_BYTES + 8];

	if (spawner_layers_ids(pid, map_base, map_count))
		layers |= ISOLATION_BIT(own_uid);
	(void)snprintf(group, sizeof(group), "%s/zygote", name);
	for (size_t i = 0; i < trees->count; i++) {
		autoclose int fd = cgroup_file_open_dir(trees->trees[i].service_fd, group);

		if (fd >= 0)
			layers |= spawner_layers_tree(&trees->trees[i], fd, pid);
	}
	return layers;
}
