/*
 * Leaves: mkdirat, openat, pwrite and pread below directory descriptors that the spawner gave us.
 * Never follows a path from outside: the only names are ours and the kernel's. Limits are read
 * back, since a limit that silently did not take is worse than a job refused. Called by worker.c
 * (take, close), dispatch.c (limit), finish.c (counters), refill.c (give) and sweep.c (remove), all
 * on the loop.
 * Fails with an error that names the file; a half-made leaf is undone.
 */
#include "daemon/leaf.h"

#include "protocol/base_assert.h"
#include "protocol/base_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEAF_NAME_BYTES 24
#define LEAF_PAGE_BYTES 4096u
#define LEAF_NS_PER_US  1000u
#define LEAF_SHARES     1024u /* LEAF_WEIGHT, of v1 */
/*
 * What may be charged to a leaf that is empty: pages that the kernel has charged in advance, on
 * each core up to 256 KiB, and what it keeps of files. A sixteenth of what a job is given above its
 * limit.
 */
#define LEAF_REMAINDER_BYTES (1u << 20)
/* The value is in the page file and, while it is made, in the heap of the worker's C code. */
#define LEAF_VALUE_SHARES 2u

void
leaf_root_init(struct leaf_root *ret_root)
{
	memset(ret_root, 0, sizeof(*ret_root));
	for (size_t i = 0; i < CGROUP_DIRS_MAX; i++)
		ret_root->dirs[i] = -1;
}

void
leaf_root_deinit(struct leaf_root *root)
{
	for (size_t i = 0; i < CGROUP_DIRS_MAX; i++)
		base_close(&root->dirs[i]);
	root->dir_count = 0;
	while (root->spare_count > 0)
		leaf_close(&root->spares[--root->spare_count]);
	root->spare_least = 0;
}

uint32_t
leaf_root_roles(const struct leaf_root *root)
{
	uint32_t roles = 0;
	for (uint32_t i = 0; i < root->dir_count; i++)
		roles |= root->roles[i];
	return roles;
}

void
leaf_init(struct leaf *ret_leaf)
{
	memset(ret_leaf, 0, sizeof(*ret_leaf));
	ret_leaf->memory_max = ret_leaf->memory_swap = ret_leaf->memory_peak = -1;
	ret_leaf->memory_usage = ret_leaf->memory_events = ret_leaf->cpu_usage = -1;
	ret_leaf->cpu_weight = -1;
	ret_leaf->weight = LEAF_WEIGHT;
	ret_leaf->pids_max = ret_leaf->pids_usage = -1;
	ret_leaf->kill = ret_leaf->freeze = -1;
}

static void
leaf_name(uint64_t serial, char ret_name[LEAF_NAME_BYTES])
{
	(void)snprintf(ret_name, LEAF_NAME_BYTES, CGROUP_LEAF_FORMAT, (unsigned long long)serial);
}

/* One kernel file of the leaf; a missing optional one leaves *ret_fd at -1. */
static int
leaf_open_file(int dir, const char *file, int flags, bool optional, int *ret_fd, struct error *err)
{
	int fd = openat(dir, file, flags | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		if (optional && errno == ENOENT)
			return 0;
		return error_errno(err, "cgroup file %s", file);
	}
	base_close(ret_fd);
	*ret_fd = fd;
	return 0;
}

/* Let the zygote, whose gid outside is `gid`, put a process into the leaf. */
static int
leaf_open_attach(int dir, bool v2, gid_t gid, struct error *err)
{
	const char *file = v2 ? "cgroup.procs" : "tasks";
	if (fchownat(dir, file, (uid_t)-1, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, "give cgroup file %s to group %u", file, (unsigned)gid);
	if (fchmodat(dir, file, 0660, 0) < 0)
		return error_errno(err, "let a group write cgroup file %s", file);
	return 0;
}

/* Writing makes it begin anew: v1, and v2 from Linux 6.12 on. */
static int
leaf_open_peak(struct leaf *leaf, int dir, struct error *err)
{
	const char *file = leaf->v2 ? "memory.peak" : "memory.max_usage_in_bytes";
	leaf->renews = leaf_open_file(dir, file, O_RDWR, false, &leaf->memory_peak, NULL) == 0;
	return leaf->renews ? 0
			    : leaf_open_file(dir, file, O_RDONLY, true, &leaf->memory_peak, err);
}

static int
leaf_open_memory(struct leaf *leaf, int dir, bool v2, struct error *err)
{
	int code;
	leaf->v2 = v2;
	code = leaf_open_file(dir, v2 ? "memory.max" : "memory.limit_in_bytes", O_RDWR, false,
			      &leaf->memory_max, err);
	if (code == 0)
		code = leaf_open_file(dir, v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes",
				      O_RDWR, true, &leaf->memory_swap, err);
	if (code == 0)
		code = leaf_open_peak(leaf, dir, err);
	if (code == 0)
		code = leaf_open_file(dir, v2 ? "memory.current" : "memory.usage_in_bytes",
				      O_RDONLY, false, &leaf->memory_usage, err);
	if (code == 0)
		code = leaf_open_file(dir, v2 ? "memory.events" : "memory.oom_control", O_RDONLY,
				      false, &leaf->memory_events, err);
	return code;
}

/* The files of one directory, as its roles say. */
static int
leaf_open_dir(struct leaf *leaf, int dir, uint32_t roles, gid_t gid, struct error *err)
{
	bool v2 = (roles & CGROUP_ROLE_V2) != 0;
	int code = leaf_open_attach(dir, v2, gid, err);
	if (code == 0 && (roles & CGROUP_ROLE_MEMORY))
		code = leaf_open_memory(leaf, dir, v2, err);
	if (code == 0 && (roles & CGROUP_ROLE_CPU)) {
		leaf->cpu_v2 = v2;
		code = leaf_open_file(dir, v2 ? "cpu.stat" : "cpuacct.usage", O_RDONLY, false,
				      &leaf->cpu_usage, err);
	}
	if (code == 0 && (roles & CGROUP_ROLE_WEIGHT)) {
		leaf->weight_v2 = v2;
		code = leaf_open_file(dir, v2 ? "cpu.weight" : "cpu.shares", O_WRONLY, true,
				      &leaf->cpu_weight, err);
	}
	if (code == 0 && (roles & CGROUP_ROLE_PIDS))
		code = leaf_open_file(dir, "pids.max", O_RDWR, false, &leaf->pids_max, err);
	if (code == 0 && (roles & CGROUP_ROLE_PIDS))
		code = leaf_open_file(dir, "pids.current", O_RDONLY, false, &leaf->pids_usage, err);
	if (code == 0 && (roles & CGROUP_ROLE_KILL))
		code = leaf_open_file(dir, "cgroup.kill", O_WRONLY, false, &leaf->kill, err);
	if (code == 0 && v2)
		code = leaf_open_file(dir, "cgroup.freeze", O_WRONLY, true, &leaf->freeze, err);
	return code;
}

int
leaf_create(struct leaf *leaf, const struct leaf_root *root, uint64_t serial, struct error *err)
{
	char name[LEAF_NAME_BYTES];
	int code = 0;

	leaf->serial = serial;
	leaf_name(serial, name);
	for (uint32_t i = 0; i < root->dir_count && code == 0; i++) {
		if (mkdirat(root->dirs[i], name, 0755) < 0) {
			code = error_errno(err, "make cgroup %s", name);
			break;
		}
		leaf->made |= 1u << i;
		int dir autoclose =
		    openat(root->dirs[i], name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (dir < 0)
			code = error_errno(err, "open cgroup %s", name);
		else if (fchmod(dir, 0755) < 0) /* the zygote passes through, whatever our umask */
			code = error_errno(err, "open cgroup %s to the zygote", name);
		else
			code = leaf_open_dir(leaf, dir, root->roles[i], root->gid, err);
	}
	if (code < 0) {
		leaf_close(leaf);
		(void)leaf_remove(root, serial, &leaf->made, NULL);
	}
	return code;
}

int
leaf_take(struct leaf *leaf, struct leaf_root *root, uint64_t serial, struct error *err)
{
	if (root->spare_count == 0)
		return leaf_create(leaf, root, serial, err);
	*leaf = root->spares[--root->spare_count];
	if (root->spare_count < root->spare_least)
		root->spare_least = root->spare_count;
	return 0;
}

void
leaf_root_clear(struct leaf_root *root)
{
	while (root->spare_count > 0) {
		struct leaf *spare = &root->spares[--root->spare_count];
		leaf_close(spare);
		(void)leaf_remove(root, spare->serial, &spare->made, NULL);
	}
	root->spare_least = 0;
}

bool
leaf_trim(struct leaf_root *root, uint64_t *ret_serial, uint32_t *ret_made)
{
	if (root->spare_least == 0) {
		root->spare_least = root->spare_count;
		return false;
	}
	require(root->spare_least <= root->spare_count);
	root->spare_least--;
	struct leaf *spare = &root->spares[--root->spare_count];
	*ret_serial = spare->serial;
	*ret_made = spare->made;
	leaf_close(spare);
	return true;
}

static int
leaf_write_checked(int fd, uint64_t value, const char *what, struct error *err)
{
	uint64_t seen;
	int code = base_file_write_u64(fd, value, err);
	if (code == 0)
		code = base_file_read_u64(fd, &seen, err);
	if (code < 0)
		return error_wrap(err, "limit of %s", what);
	if (seen != value)
		return error_set(err, ERROR_INVALID, "limit of %s: wrote %llu, the kernel has %llu",
				 what, (unsigned long long)value, (unsigned long long)seen);
	return 0;
}

/* v1 keeps memory <= memory + swap at every moment, so the order depends on the direction. */
static int
leaf_limit_memory(struct leaf *leaf, uint64_t bytes, struct error *err)
{
	bool raising = leaf->memory_set_bytes != 0 && bytes > leaf->memory_set_bytes;
	int code = 0;

	if (leaf->v2) {
		if (leaf->memory_swap >= 0 && leaf->memory_set_bytes == 0)
			code = leaf_write_checked(leaf->memory_swap, 0, "swap", err);
		if (code == 0)
			code = leaf_write_checked(leaf->memory_max, bytes, "memory", err);
		return code;
	}
	if (raising && leaf->memory_swap >= 0)
		code = leaf_write_checked(leaf->memory_swap, bytes, "memory and swap", err);
	if (code == 0)
		code = leaf_write_checked(leaf->memory_max, bytes, "memory", err);
	if (code == 0 && !raising && leaf->memory_swap >= 0)
		code = leaf_write_checked(leaf->memory_swap, bytes, "memory and swap", err);
	return code;
}

int
leaf_limit(struct leaf *leaf, uint64_t memory_bytes, uint64_t pids, struct error *err)
{
	int code;
	if (leaf->memory_max >= 0 && leaf->memory_set_bytes != memory_bytes) {
		code = leaf_limit_memory(leaf, memory_bytes, err);
		if (code < 0)
			return code;
		leaf->memory_set_bytes = memory_bytes;
	}
	if (leaf->pids_max >= 0 && leaf->pids_set != pids) {
		code = leaf_write_checked(leaf->pids_max, pids, "processes", err);
		if (code < 0)
			return code;
		leaf->pids_set = pids;
	}
	return 0;
}

void
leaf_weigh(struct leaf *leaf, unsigned weight)
{
	uint64_t value = leaf->weight_v2 ? weight : (uint64_t)weight * LEAF_SHARES / LEAF_WEIGHT;

	if (leaf->cpu_weight >= 0 && leaf->weight != weight &&
	    base_file_write_u64(leaf->cpu_weight, value, NULL) == 0)
		leaf->weight = weight;
}

bool
leaf_pause(struct leaf *leaf, bool on)
{
	if (leaf->paused != on && leaf->freeze >= 0 &&
	    base_file_write_u64(leaf->freeze, on ? 1 : 0, NULL) == 0)
		leaf->paused = on;
	return leaf->paused == on;
}

uint64_t
leaf_memory_bytes(const struct limits *limits)
{
	uint64_t bytes = limits->memory_bytes + limits->stdout_bytes + limits->stderr_bytes +
			 LEAF_VALUE_SHARES * limits->value_bytes + MEMORY_HEADROOM_BYTES +
			 (limits->threads - 1) * (uint64_t)THREAD_STACK_BYTES;
	/* A full scratch directory is ENOSPC and not the job's memory. What is collected is there
	 * and in the page. */
	if (limits->scratch_bytes > 0)
		bytes += limits_scratch_room(limits) + limits->scratch_files * SCRATCH_INODE_BYTES +
			 limits->collected_bytes;
	return (bytes + LEAF_PAGE_BYTES - 1) / LEAF_PAGE_BYTES * LEAF_PAGE_BYTES;
}

uint64_t
leaf_memory_peak_bytes(const struct leaf *leaf)
{
	uint64_t value = 0;
	if (leaf->memory_peak >= 0)
		(void)base_file_read_u64(leaf->memory_peak, &value, NULL);
	return value;
}

/* The next two: of all its workers; 0 without such a file. */
static int
leaf_read_oom_kills(const struct leaf *leaf, uint64_t *ret_kills)
{
	*ret_kills = 0;
	if (leaf->memory_events < 0)
		return 0;
	return base_file_read_key(leaf->memory_events, "oom_kill", ret_kills, NULL);
}

static int
leaf_read_cpu_us(const struct leaf *leaf, uint64_t *ret_us)
{
	*ret_us = 0;
	if (leaf->cpu_usage < 0)
		return 0;
	if (leaf->cpu_v2)
		return base_file_read_key(leaf->cpu_usage, "usage_usec", ret_us, NULL);
	int code = base_file_read_u64(leaf->cpu_usage, ret_us, NULL);
	*ret_us /= LEAF_NS_PER_US;
	return code;
}

void
leaf_settle(struct leaf *leaf)
{
	if (!leaf->settled)
		leaf->settled = leaf_read_oom_kills(leaf, &leaf->oom_kills_after) == 0 &&
				leaf_read_cpu_us(leaf, &leaf->cpu_us_after) == 0;
}

uint64_t
leaf_oom_kills(const struct leaf *leaf)
{
	uint64_t value = leaf->oom_kills_after;
	if (!leaf->settled)
		(void)leaf_read_oom_kills(leaf, &value);
	return value > leaf->oom_kills_before ? value - leaf->oom_kills_before : 0;
}

uint64_t
leaf_cpu_us(const struct leaf *leaf)
{
	uint64_t value = leaf->cpu_us_after;
	if (!leaf->settled)
		(void)leaf_read_cpu_us(leaf, &value);
	return value > leaf->cpu_us_before ? value - leaf->cpu_us_before : 0;
}

/* Empty, next to nothing charged to it, the peak forgotten. What cannot be seen is not so. */
static bool
leaf_is_clean(const struct leaf *leaf)
{
	uint64_t processes = 1, bytes = UINT64_MAX;

	if (leaf->killed || !leaf->renews || leaf->pids_usage < 0 || leaf->memory_usage < 0)
		return false;
	if (base_file_read_u64(leaf->pids_usage, &processes, NULL) < 0 || processes != 0)
		return false;
	if (base_file_read_u64(leaf->memory_usage, &bytes, NULL) < 0 ||
	    bytes > LEAF_REMAINDER_BYTES)
		return false;
	return base_file_write_u64(leaf->memory_peak, 0, NULL) == 0;
}

bool
leaf_give(struct leaf *leaf, struct leaf_root *root)
{
	/* What its worker did must be known: it would be the next one's. */
	leaf_settle(leaf);
	if (root->spare_count == LEAF_SPARES_MAX || !leaf->settled || !leaf_pause(leaf, false) ||
	    !leaf_is_clean(leaf))
		return false;
	leaf->oom_kills_before += leaf_oom_kills(leaf);
	leaf->cpu_us_before += leaf_cpu_us(leaf);
	leaf->settled = false;
	root->spares[root->spare_count++] = *leaf;
	leaf_init(leaf);
	return true;
}

/*
 * The kernel counts kills of a group, and compares at a fork whether there was one meanwhile. It
 * takes the count from the parent's group and compares it with the child's (cgroup_css_set_fork,
 * seen in Linux 6.18): CLONE_INTO_CGROUP into a group that was ever killed gives a dead child.
 */
int
leaf_killer(struct leaf *leaf)
{
	leaf->killed = true;
	return leaf->kill;
}

void
leaf_close(struct leaf *leaf)
{
	base_close(&leaf->memory_max);
	base_close(&leaf->memory_swap);
	base_close(&leaf->memory_peak);
	base_close(&leaf->memory_usage);
	base_close(&leaf->memory_events);
	base_close(&leaf->cpu_usage);
	base_close(&leaf->cpu_weight);
	base_close(&leaf->pids_max);
	base_close(&leaf->pids_usage);
	base_close(&leaf->kill);
	base_close(&leaf->freeze);
}

void
leaf_kill(const struct leaf_root *root, uint64_t serial)
{
	char path[LEAF_NAME_BYTES + sizeof("/cgroup.kill")];

	(void)snprintf(path, sizeof(path), CGROUP_LEAF_FORMAT "/cgroup.kill",
		       (unsigned long long)serial);
	for (uint32_t i = 0; i < root->dir_count; i++) {
		autoclose int fd = -1;

		if (!(root->roles[i] & CGROUP_ROLE_KILL))
			continue;
		fd = openat(root->dirs[i], path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0)
			(void)!write(fd, "1", 1); /* removal says whether it helped */
	}
}

int
leaf_remove(const struct leaf_root *root, uint64_t serial, uint32_t *made, struct error *err)
{
	char name[LEAF_NAME_BYTES];
	int code = 0;

	leaf_name(serial, name);
	for (uint32_t i = 0; i < root->dir_count; i++) {
		if (!(*made & (1u << i)))
			continue;
		if (unlinkat(root->dirs[i], name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			*made &= ~(1u << i);
		else if (errno == EBUSY || errno == ENOTEMPTY)
			code = error_set(err, ERROR_BUSY, "cgroup %s is busy", name);
		else
			code = error_errno(err, "remove cgroup %s", name);
	}
	return code;
}
