/*
 * Rlimits of a worker: those that are the same for every job, at set-up, and those that the terms
 * lower. Soft and hard limit are always equal, and a worker has no right to raise the hard one.
 * Each is read back: that the kernel took it is seen, not assumed.
 *
 * RLIMIT_DATA counts the warm interpreter too, so its share is added; it counts each thread's
 * stack, so those are added for the threads that were granted, and the copy of a small job blob.
 * RLIMIT_AS is used only where no control group counts memory (rootless), since RLIMIT_DATA does
 * not see shared mappings; a sparse mapping then costs as much as a full one. RLIMIT_NPROC counts
 * the tasks of one account in the zygote's namespace: with an account of its own that is the
 * worker, with a shared one all workers, so there it only bounds what all of them together can
 * start. RLIMIT_CPU is a backstop: the kernel samples it. Never allocates, never logs. Fails by
 * -errno; the caller ends.
 */
#define _GNU_SOURCE
#include "worker/sandbox.h"

#include <errno.h>
#include <sys/resource.h>

#define SETUP_FILES_MAX   256 /* until the terms come: the highest limit of open_files */
#define SETUP_THREADS_MAX 16
#define SIGNALS_MAX       32
/* The main stack as it grows, ends of mappings in whole pages, gaps between threads' stacks. */
#define SIZE_SLACK_BYTES (MAIN_STACK_BYTES + (UINT64_C(1) << 20))

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
	const struct fixed_limit fixed[] = {
	    {RLIMIT_CORE, 0},
	    {RLIMIT_NOFILE, SETUP_FILES_MAX},
	    {RLIMIT_NPROC, sandbox_limits_processes(sandbox, SETUP_THREADS_MAX)},
	    {RLIMIT_MEMLOCK, 0},
	    {RLIMIT_MSGQUEUE, 0},
	    {RLIMIT_SIGPENDING, SIGNALS_MAX},
	    {RLIMIT_NICE, 0},
	    {RLIMIT_RTPRIO, 0},
	    {RLIMIT_LOCKS, 0},
	    {RLIMIT_STACK, MAIN_STACK_BYTES},
	};

	return set_limits(fixed, sizeof(fixed) / sizeof(fixed[0]));
}

/* One task for each worker that there can be, and the zygote. */
uint64_t
sandbox_limits_processes(const struct sandbox *sandbox, uint64_t threads)
{
	return threads + (sandbox->shared_account ? WORKERS_MAX + 1 : 0);
}

/* What the terms allow beyond the warm interpreter. They have been checked against the built-in
 * maxima: no sum here can overflow. */
static uint64_t
terms_bytes(const struct worker_terms *terms)
{
	const struct limits *limits = &terms->limits;

	return limits->memory_bytes + (limits->threads - 1) * THREAD_STACK_BYTES;
}

/* With the page, a job by descriptor and room for its code, which are mapped whole. */
uint64_t
sandbox_limits_size(const struct sandbox *sandbox, const struct worker_terms *terms)
{
	uint64_t blob = terms->flags & TERMS_BLOB_FD ? terms->blob_bytes : BLOB_INLINE_BYTES_MAX;

	if (sandbox->baseline_size_bytes == 0)
		return RLIM_INFINITY;
	if (terms->flags & TERMS_CODE_FD)
		blob += CODE_FILE_BYTES;
	return sandbox->baseline_size_bytes + PAGE_FILE_BYTES + blob + SIZE_SLACK_BYTES +
	       terms_bytes(terms);
}

int
sandbox_limits_lower(const struct sandbox *sandbox, const struct worker_terms *terms)
{
	const struct limits *limits = &terms->limits;
	uint64_t blob = terms->flags & TERMS_BLOB_FD ? 0 : BLOB_INLINE_BYTES_MAX;
	uint64_t data = sandbox->baseline_data_bytes + blob + terms_bytes(terms);
	const struct fixed_limit lowered[] = {
	    {RLIMIT_DATA, data},
	    {RLIMIT_FSIZE, limits_file_bytes(limits)},
	    {RLIMIT_NOFILE, limits->open_files},
	    {RLIMIT_NPROC, sandbox_limits_processes(sandbox, limits->threads)},
	    {RLIMIT_CPU, terms->cpu_backstop_s},
	};

	uint64_t size = sandbox_limits_size(sandbox, terms);
	int result = size == RLIM_INFINITY ? 0 : set_limit(RLIMIT_AS, size);

	return result < 0 ? result : set_limits(lowered, sizeof(lowered) / sizeof(lowered[0]));
}
