/*
 * Tries at the start what every generation will need, so that the failure has one clear line and
 * the service does not come up to fail at its first job.
 *
 * A child is made in all new namespaces and ends at once; that is the kernel's own answer, under
 * whatever container, security module or limit this runs. Only when it says no are files read, to
 * find the reason. Called by spawner_main.c, before sockets and control groups. Leaves nothing.
 */
#define _GNU_SOURCE
#include "worker/spawner_preflight.h"

#include "protocol/base_sys.h"
#include "protocol/isolation.h"
#include "worker/spawner_layers.h"
#include "worker/spawner_rootless.h"
#include "worker/spawner_zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPAWNER_PREFLIGHT_PATH_BYTES 128
#define SPAWNER_PREFLIGHT_MAP_BYTES  4096

static const char *const SPAWNER_PREFLIGHT_SPACES[] = {"user", "pid", "mnt", "net", "ipc", "uts"};

/* The kind of namespace whose limit is 0, or NULL. *ret_absent: one that the kernel has not. */
static const char *
spawner_preflight_limit(const char *limits, const char **ret_absent)
{
	for (size_t i = 0;
	     i < sizeof(SPAWNER_PREFLIGHT_SPACES) / sizeof(SPAWNER_PREFLIGHT_SPACES[0]); i++) {
		char path[SPAWNER_PREFLIGHT_PATH_BYTES];
		autoclose int fd = -1;
		uint64_t limit;

		(void)snprintf(path, sizeof(path), "%s/max_%s_namespaces", limits,
			       SPAWNER_PREFLIGHT_SPACES[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			*ret_absent = SPAWNER_PREFLIGHT_SPACES[i];
		else if (fd >= 0 && base_file_read_u64(fd, &limit, NULL) == 0 && limit == 0)
			return SPAWNER_PREFLIGHT_SPACES[i];
	}
	return NULL;
}

int
spawner_preflight_explain(int sys, const char *limits, struct error *err)
{
	const char *absent = NULL, *zero = spawner_preflight_limit(limits, &absent);

	if (zero)
		return error_set(err, ERROR_UNSUPPORTED,
				 "no %s namespaces: user.max_%s_namespaces is 0 (remedy: sysctl -w "
				 "user.max_%s_namespaces=16384)",
				 zero, zero, zero);
	if (sys == EINVAL && absent)
		return error_set(err, ERROR_UNSUPPORTED,
				 "no %s namespaces: this kernel has none (remedy: a kernel with "
				 "them, as Debian's linux-image)",
				 absent);
	if (sys == ENOSPC || sys == EUSERS)
		return error_set(err, ERROR_LIMIT,
				 "no more namespaces: all that the limits allow are in use or "
				 "nested too deep (remedy: raise user.max_*_namespaces by sysctl)");
	if (sys == EPERM || sys == EACCES)
		return error_set(
		    err, ERROR_PERMISSION,
		    "not permitted to make namespaces: this root lacks CAP_SYS_ADMIN, or a "
		    "container or security module forbids it (remedy: start the service on the "
		    "host, or give the container CAP_SYS_ADMIN and an unconfined seccomp and "
		    "AppArmor profile)");
	errno = sys;
	return error_errno(err, "cannot make namespaces");
}

/* errno of a clone with those namespaces, or 0. */
static int
spawner_preflight_clone(uint64_t namespaces)
{
	struct clone_args args = {.flags = namespaces, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return errno;
	while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

bool
spawner_preflight_covers(const char *map, uint64_t base, uint64_t count)
{
	for (const char *line = map; line; line = strchr(line, '\n')) {
		unsigned long long inside, outside, size;

		line += *line == '\n';
		if (sscanf(line, "%llu %llu %llu", &inside, &outside, &size) == 3 &&
		    inside <= base && base + count <= inside + size)
			return true;
	}
	return false;
}

/* Inside a container the ids of workers may be ids of nobody. */
static int
spawner_preflight_ids(const struct config *config, struct error *err)
{
	static const char *const FILES[] = {"/proc/self/uid_map", "/proc/self/gid_map"};
	uint64_t base = config_number(config, uid_base);
	uint64_t count = SPAWNER_GENERATIONS_MAX * config_number(config, uid_count);

	for (size_t i = 0; i < sizeof(FILES) / sizeof(FILES[0]); i++) {
		autoclose int fd = open(FILES[i], O_RDONLY | O_CLOEXEC);
		char map[SPAWNER_PREFLIGHT_MAP_BYTES];
		ssize_t size = fd < 0 ? -1 : read(fd, map, sizeof(map) - 1);

		if (size < 0)
			return error_errno(err, "cannot read %s (is /proc mounted?)", FILES[i]);
		map[size] = '\0';
		if (!spawner_preflight_covers(map, base, count))
			return error_set(
			    err, ERROR_UNSUPPORTED,
			    "the ids of workers, %" PRIu64 " to %" PRIu64 ", are not in %s: this "
			    "is a user namespace (remedy: start the service on the host, or set "
			    "uid_base and uid_count to what is in that file)",
			    base, base + count - 1, FILES[i]);
	}
	return 0;
}

int
spawner_preflight(const struct config *config, bool rootless, struct error *err)
{
	enum isolation_level level = (enum isolation_level)config_number(config, isolation);
	const struct isolation_row *landlock = &ISOLATION_LAYERS[ISOLATION_LAYER_landlock];
	int sys = spawner_preflight_clone(SPAWNER_ZYGOTE_NAMESPACES), rc;

	/* The spawner's own: not a right of everybody, as one below a user namespace is. */
	if (sys == 0 && !rootless)
		sys = spawner_preflight_clone(CLONE_NEWNS);
	if (rootless && (sys == EPERM || sys == EACCES))
		return spawner_rootless_forbidden(sys, err);
	if (sys != 0)
		return spawner_preflight_explain(sys, "/proc/sys/user", err);
	rc = rootless ? 0 : spawner_preflight_ids(config, err);
	if (rc < 0)
		return rc;
	if ((isolation_needed(level) & ISOLATION_BIT(landlock)) && !spawner_layers_has_landlock())
		return error_set(err, ERROR_UNSUPPORTED,
				 "isolation = %s needs landlock, which this kernel has not "
				 "(remedy: %s)",
				 isolation_level_name(level), landlock->remedy);
	return 0;
}
