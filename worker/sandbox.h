/*
 * Confinement of one worker, from the fork to the moment it may say hello: an ordered table of
 * named steps. The first step that fails is written into the page (number, name, errno) and ends
 * the worker with WORKER_EXIT_SETUP; no step is optional and none is repeated.
 */
#ifndef STINT_WORKER_SANDBOX_H
#define STINT_WORKER_SANDBOX_H

#include "protocol/base_slice.h"
#include "protocol/message.h"
#include "protocol/worker_abi.h"
#include "worker/sandbox_landlock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Descriptors of a worker between set-up and its job; 0, 1 and 2 are the job's. The rules close in
 * the step "landlock"; without Landlock they are not there. */
enum sandbox_fd { SANDBOX_FD_CHANNEL = 3, SANDBOX_FD_RULES = 4, SANDBOX_FD_FIRST_FREE = 5 };

/* What a worker is made of. The zygote fills it before the fork; the steps use it up. */
struct sandbox {
	uint64_t serial;
	uint64_t leaf; /* the serial that names its control group */
	uid_t uid;                  /* and gid; inside the user namespace, never 0 */
	bool shared_account;        /* rootless: uid is the only one there is, of all workers */
	int fds[FORK_FD_COUNT];     /* as they came with the message; numbers above 3 */
	int tasks[CGROUP_DIRS_MAX]; /* v1: open for writing; number of them: */
	size_t tasks_count;
	const struct sandbox_landlock *landlock; /* borrowed from the zygote; NULL: switched off */
	const struct base_slice *slice; /* borrowed from the zygote: that a job gets */
	const char *writable; /* static: a directory that the job may write to; NULL: none */
	bool mdwe;            /* the kernel can refuse new executable memory */
	bool pinning;         /* it binds itself to the core that its terms name */
	uint64_t scratch_bytes, scratch_files; /* 0: a plain worker */
	uint64_t baseline_data_bytes;          /* what RLIMIT_DATA counts before the job */
	/* The same of RLIMIT_AS; 0: a control group counts, and the limit is not used. */
	uint64_t baseline_size_bytes;
	void *page_base;          /* mapping of PAGE_FILE_BYTES; NULL before the first step */
	struct worker_page *page; /* its header */
};

/* The steps of the confinement, in order. Does not return when one fails. */
void sandbox_run(struct sandbox *sandbox);
extern const size_t SANDBOX_STEP_COUNT;
/* Name the step that failed in the page, when there is one, and end the process. Steps count from
 * 1; those after sandbox_run() go on after SANDBOX_STEP_COUNT. error: errno. */
void sandbox_fail(struct sandbox *sandbox, size_t step, const char *name, int error)
    __attribute__((noreturn));

/* sandbox_ids.c: own ids, then nothing that could give more rights. 0 or -errno. */
int sandbox_ids_take(struct sandbox *sandbox);
int sandbox_ids_drop_capabilities(struct sandbox *sandbox);
int sandbox_ids_lock(struct sandbox *sandbox);
/* The zygote's: keeps only what it needs to make workers, of the scratch class too or not, and to
 * kill them. 0 or -errno. */
int sandbox_ids_confine_zygote(bool shared_account, bool scratch);

/* sandbox_scratch.c: the scratch directory's tmpfs; then it is the working directory. 0 or -errno.
 * Both do nothing in a plain worker. */
int sandbox_scratch_mount(struct sandbox *sandbox);
int sandbox_scratch_enter(struct sandbox *sandbox);
/* The only ones that the filter lets pass. */
#define SANDBOX_SCRATCH_MOUNT_FLAGS                                                                \
	(MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | SANDBOX_MS_NOSYMFOLLOW)
#define SANDBOX_MS_NOSYMFOLLOW 256u /* glibc 2.36 has no name for it */

/* sandbox_core.c: run on that core only (its number + 1, as in the terms); 0: on any. 0 or -errno.
 */
int sandbox_core_take(uint64_t core);
/* The first that this process may run on, + 1; 0: that cannot be told. */
uint64_t sandbox_core_first(void);
/* sandbox_limits.c: rlimits that no job changes; then those of the terms. 0 or -errno. */
int sandbox_limits_fix(struct sandbox *sandbox);
int sandbox_limits_lower(const struct sandbox *sandbox, const struct worker_terms *terms);
/* The values of two of them: RLIMIT_NPROC, and RLIMIT_AS or RLIM_INFINITY. */
uint64_t sandbox_limits_processes(const struct sandbox *sandbox, uint64_t threads);
uint64_t sandbox_limits_size(const struct sandbox *sandbox, const struct worker_terms *terms);

#endif
