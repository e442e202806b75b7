/*
 * The proof of a worker's layers, from inside one.
 *
 * Each check does something that only its layer prevents, with an errno that nothing else gives,
 * or asks the kernel what it holds of this process. A check that could be answered by another
 * layer says nothing of its own: so the root is tried before the filter is there, and Landlock by
 * an open for reading, which the filters and the mounts allow.
 *
 * Called by worker_main.c in the worker that a zygote makes for it, and by zygote_proof.c. Never
 * runs in a worker that gets a job; never allocates. Cannot fail: what is not proved is missing.
 */
#define _GNU_SOURCE
#include "worker/sandbox_proof.h"

#include "protocol/isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define PAGE_BYTES   4096
#define FILTERS_MIN  2 /* the wide one and the narrow one */
#define PATH_BYTES   512
#define MODE_FILTER  2
#define LIMIT_EITHER UINT64_MAX /* the value depends on the interpreter: it must be there */

/* True when `result` is a failure with that errno. */
static bool
failed_with(long result, int error)
{
	return result < 0 && errno == error;
}

static bool
root_is_read_only(const char *directory)
{
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof(path), "%s/stint-proof", directory);
	if (failed_with(mkdir(path, 0700), EROFS))
		return true;
	(void)rmdir(path);
	return false;
}

/* A mount with noexec refuses the mapping; the zygote may still map memory for execution. */
static bool
root_is_not_executable(const char *stdlib)
{
	char path[PATH_BYTES];
	bool refused;
	void *code;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/os.py", stdlib);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	code = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	refused = code == MAP_FAILED && errno == EPERM;
	if (code != MAP_FAILED)
		(void)munmap(code, PAGE_BYTES);
	(void)close(fd);
	return refused;
}

bool
sandbox_proof_root(const char *stdlib)
{
	return root_is_read_only("") && root_is_read_only("/tmp") && root_is_read_only("/dev") &&
	       root_is_read_only(stdlib) && root_is_not_executable(stdlib);
}

/* What follows "name:" at the start of a line, or NULL. */
static const char *
status_field(const char *text, const char *name)
{
	size_t length = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			return line + length + 1;
	}
	return NULL;
}

/* The field is there and its first number, of that base, is at least and at most. */
static bool
status_is(const char *text, const char *name, int base, unsigned long long least,
	  unsigned long long most)
{
	const char *field = status_field(text, name);
	char *end;
	unsigned long long value;

	if (!field)
		return false;
	errno = 0;
	value = strtoull(field, &end, base);
	return errno == 0 && end != field && value >= least && value <= most;
}

/* All four ids of the field are the same and not 0. */
static bool
status_has_own_id(const char *text, const char *name)
{
	const char *field = status_field(text, name);
	unsigned real, effective, saved, filesystem;

	return field && sscanf(field, "%u %u %u %u", &real, &effective, &saved, &filesystem) == 4 &&
	       real != 0 && effective == real && saved == real && filesystem == real;
}

uint64_t
sandbox_proof_status(const char *text)
{
	static const char *const SETS[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
	bool capable = !status_has_own_id(text, "Uid") || !status_has_own_id(text, "Gid");
	uint64_t layers = 0;

	for (size_t i = 0; i < sizeof(SETS) / sizeof(SETS[0]); i++)
		capable = capable || !status_is(text, SETS[i], 16, 0, 0);
	if (!capable)
		layers |= ISOLATION_BIT(no_capabilities);
	if (status_is(text, "NoNewPrivs", 10, 1, 1))
		layers |= ISOLATION_BIT(no_new_privs);
	if (status_is(text, "Seccomp", 10, MODE_FILTER, MODE_FILTER)) {
		layers |= ISOLATION_BIT(seccomp);
		if (status_is(text, "Seccomp_filters", 10, FILTERS_MIN, UINT64_MAX))
			layers |= ISOLATION_BIT(seccomp_job);
	}
	return layers;
}

/* Calls that the kernel would grant, and that only the wide filter refuses so. */
static bool
wide_filter_holds(void)
{
	struct sysinfo info;
	void *page =
	    mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page != MAP_FAILED &&
	       failed_with(mprotect(page, PAGE_BYTES, PROT_READ | PROT_EXEC), EPERM) &&
	       mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
	       errno == EPERM && failed_with(syscall(SYS_sysinfo, &info), EPERM) &&
	       failed_with(syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0), EAFNOSUPPORT);
}

/* Calls that the wide filter grants: the last one where jobs are pinned, or it proves nothing. */
static bool
narrow_filter_holds(const struct sandbox *sandbox)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return failed_with(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), EPERM) &&
	       failed_with(syscall(SYS_capget, &header, data), EPERM) &&
	       failed_with(syscall(SYS_close_range, 100, 100, 0), ENOSYS) &&
	       (!sandbox->pinning ||
		failed_with(syscall(SYS_sched_setaffinity, 0, 0, NULL), EPERM));
}

/* A file that everybody may read, through a way out of the tree such as no job has: neither the
 * mounts nor the filters refuse it. */
static bool
landlock_holds(int outside_fd)
{
	int fd = openat(outside_fd, "uptime", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == EACCES;
	(void)close(fd);
	return false;
}

/* As set, the hard limits too; and two of them by what they prevent. */
static bool
rlimits_hold(const struct sandbox *sandbox, const struct worker_terms *terms)
{
	const struct limits *limits = &terms->limits;
	const struct {
		__rlimit_resource_t resource;
		uint64_t value;
	} expected[] = {
	    {RLIMIT_CORE, 0},
	    {RLIMIT_NOFILE, limits->open_files},
	    {RLIMIT_NPROC, sandbox_limits_processes(sandbox, limits->threads)},
	    {RLIMIT_MEMLOCK, 0},
	    {RLIMIT_MSGQUEUE, 0},
	    {RLIMIT_NICE, 0},
	    {RLIMIT_RTPRIO, 0},
	    {RLIMIT_STACK, MAIN_STACK_BYTES},
	    {RLIMIT_FSIZE, limits_file_bytes(limits)},
	    {RLIMIT_CPU, terms->cpu_backstop_s},
	    {RLIMIT_DATA, LIMIT_EITHER},
	};
	const uint64_t size = sandbox_limits_size(sandbox, terms);
	struct rlimit limit;

	if (size != RLIM_INFINITY &&
	    (getrlimit(RLIMIT_AS, &limit) < 0 || limit.rlim_cur != size || limit.rlim_max != size))
		return false;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		if (getrlimit(expected[i].resource, &limit) < 0 ||
		    limit.rlim_cur != limit.rlim_max || limit.rlim_cur == RLIM_INFINITY)
			return false;
		if (expected[i].value != LIMIT_EITHER && limit.rlim_cur != expected[i].value)
			return false;
	}
	/* `limit` is RLIMIT_DATA's now. */
	return failed_with(fcntl(0, F_DUPFD, (int)limits->open_files), EINVAL) &&
	       mmap(NULL, limit.rlim_cur, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED &&
	       errno == ENOMEM;
}

bool
sandbox_proof_scratch(void)
{
	static const char bytes[SANDBOX_PROOF_SCRATCH_BYTES];
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
	int fd = open("stint-proof", flags, 0600);
	bool holds =
	    fd >= 0 && write(fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes) &&
	    failed_with(write(fd, bytes, 1), ENOSPC) &&
	    failed_with(open("stint-proof-2", flags, 0600), ENOSPC) &&
	    open("/tmp/stint-proof", flags, 0600) < 0 &&
	    mmap(NULL, sizeof(bytes), PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED;

	if (fd >= 0)
		(void)close(fd);
	return holds;
}

uint64_t
sandbox_proof_worker(int status_fd, int outside_fd, const struct sandbox *sandbox,
		     const struct worker_terms *terms)
{
	char text[SANDBOX_PROOF_STATUS_BYTES];
	ssize_t size = pread(status_fd, text, sizeof(text) - 1, 0);
	uint64_t layers;

	if (size <= 0)
		return 0;
	text[size] = '\0';
	layers = sandbox_proof_status(text);
	if (!wide_filter_holds())
		layers &= ~ISOLATION_BIT(seccomp);
	if (!narrow_filter_holds(sandbox))
		layers &= ~ISOLATION_BIT(seccomp_job);
	if (landlock_holds(outside_fd))
		layers |= ISOLATION_BIT(landlock);
	if (rlimits_hold(sandbox, terms))
		layers |= ISOLATION_BIT(rlimits);
	return layers;
}
