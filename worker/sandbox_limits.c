/*
 * Rlimits of a worker: those that are the same for every job, at set-up, and those that the terms
 * lower. Soft and hard limit are always equal, and a worker has no right to raise the hard one.
 * Each is read back: that the kernel took it is seen, not assumed.
 *
 * RLIMIT_DATA counts the warm interpreter too, so its share is added; it counts each thread's
 * stack, so those are added for the threads that were granted, and the copy of a small job blob.
 * RLIMIT_AS is not used: a sparse mapping costs nothing, and the cgroup counts what is touched.
 * RLIMIT_CPU is a backstop: the kernel samples it. Never allocates, never logs. Fails by -errno;
 * the caller ends.
 */
#define _GNU_SOURCE
#include "worker/sandbox.h"

#include <errno.h>
#include <sys/resource.h>

#define SETUP_FILES_MAX   256 /* until the terms come: the highest limit of open_files */
#define SETUP_THREADS_MAX 16
#define SIGNALS_MAX       32

static int
set_limit(int resource, uint64_t value)
{
	struct rlimit limit = {value, value}, found;

	if (setrlimit((__rlimit_resource_t)resource, &limit) < 0 ||
	    getrlimit((__rlimit_resource_t)resource, &found) < 0)
		return -errno;
	return found.rlim_cur == value && found.rlim_max == value ? 0 : -ERANGE;
}

struct fixed_limit {
	int resource;
	uint64_t value;
};

static int
set_limits(const struct fixed_limit *limits, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int result = set_limit(limits[i].resource, limits[i].value);

		if (result < 0)
			return result;
	}
	return 0;
}

int
sandbox_limits_fix(struct sandbox *sandbox)
{
	static const struct fixed_limit FIXED[] = {
	    {RLIMIT_CORE, 0},
	    {RLIMIT_NOFILE, SETUP_FILES_MAX},
	    {RLIMIT_NPROC, SETUP_THREADS_MAX},
	    {RLIMIT_MEMLOCK, 0},
	    {RLIMIT_MSGQUEUE, 0},
	    {RLIMIT_SIGPENDING, SIGNALS_MAX},
	    {RLIMIT_NICE, 0},
	    {RLIMIT_RTPRIO, 0},
	    {RLIMIT_LOCKS, 0},
	    {RLIMIT_STACK, MAIN_STACK_BYTES},
	};

	(void)sandbox;
	return set_limits(FIXED, sizeof(FIXED) / sizeof(FIXED[0]));
}

/* The terms have been checked against the built-in maxima: no sum here can overflow. */
int
sandbox_limits_lower(const struct sandbox *sandbox, const struct worker_terms *terms)
{
	const struct limits *limits = &terms->limits;
	uint64_t blob = terms->flags & TERMS_BLOB_FD ? 0 : BLOB_INLINE_BYTES_MAX;
	uint64_t data = sandbox->baseline_data_bytes + blob + limits->memory_bytes +
			(limits->threads - 1) * THREAD_STACK_BYTES;
	const struct fixed_limit lowered[] = {
	    {RLIMIT_DATA, data},
	    {RLIMIT_FSIZE, limits_file_bytes(limits)},
	    {RLIMIT_NOFILE, limits->open_files},
	    {RLIMIT_NPROC, limits->threads},
	    {RLIMIT_CPU, terms->cpu_backstop_s},
	};

	return set_limits(lowered, sizeof(lowered) / sizeof(lowered[0]));
}
