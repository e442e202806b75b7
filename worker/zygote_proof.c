/*
 * Plays stintd for one worker of each class: a page, a channel, terms that were sent before the
 * fork; the worker goes through the same steps as each after it, both filters among them, and
 * answers what it finds in place of a job. No tenant byte exists yet. What can be done wrong for a
 * worker with a scratch directory (its namespace, its mount, its own Landlock rules) is seen here
 * and not by a tenant, whose jobs would make the pool's starts fail and so hold up the others.
 *
 * The worker stays in the zygote's own control group: its leaf would be stintd's to make. Called by
 * zygote_main.c. What is found missing is for stintd to judge, by the configured level; a worker
 * that fails or does not answer in time is an error, and the zygote ends.
 */
#define _GNU_SOURCE
#include "worker/zygote_proof.h"

#include "protocol/base_sys.h"
#include "protocol/isolation.h"
#include "protocol/worker_abi.h"
#include "worker/sandbox_proof.h"
#include "worker/scratch.h"
#include "worker/worker_main.h"
#include "worker/zygote_args.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROOF_TIMEOUT_MS 10000
#define PROOF_UID        ZYGOTE_ARGS_SHARED_UID /* any, but where there is one only */
#define PROOF_CPU_S      60

static void
proof_close(struct zygote_proof *proof)
{
	base_close(&proof->proc);
	for (unsigned i = 0; i < WORKER_CLASS_COUNT; i++) {
		base_close(&proof->workers[i].page);
		base_close(&proof->workers[i].channel[0]);
		base_close(&proof->workers[i].channel[1]);
	}
}

int
zygote_proof_open(const char *stdlib, bool scratch, int *proc, struct zygote_proof *ret_proof,
		  struct error *err)
{
	struct zygote_proof proof = ZYGOTE_PROOF_INIT;
	int result = 0;

	proof.proc = *proc;
	*proc = -1;
	proof.read_only_root = sandbox_proof_root(stdlib);
	for (unsigned i = 0; i < WORKER_CLASS_COUNT && result == 0; i++) {
		if (i == WORKER_CLASS_SCRATCH && !scratch)
			continue;
		result = base_memfd("page", PAGE_FILE_BYTES, &proof.workers[i].page, err);
		if (result == 0)
			result = base_socketpair(proof.workers[i].channel, err);
	}
	if (result < 0) {
		proof_close(&proof);
		return error_wrap(err, "proof");
	}
	*ret_proof = proof;
	return 0;
}

/* Ahead of the worker that will ask for them. */
static int
proof_send_terms(const struct zygote_proof_worker *worker, const struct sandbox *sandbox,
		 struct error *err)
{
	struct worker_terms terms = {.magic = WORKER_TERMS_MAGIC,
				     .blob_bytes = 1, /* none is ever read */
				     .cpu_backstop_s = PROOF_CPU_S};

	if (sandbox->pinning)
		terms.core = sandbox_core_first();
	limits_defaults(&terms.limits);
	if (sandbox->scratch_bytes > 0) {
		terms.flags |= TERMS_SCRATCH;
		terms.limits.scratch_bytes = sandbox->scratch_bytes;
		terms.limits.scratch_files = sandbox->scratch_files;
	}
	return base_send_fds(worker->channel[0], &terms, sizeof(terms), NULL, 0, 0, err);
}

/* One datagram of that size, or ERROR_CLOSED when the worker has died. */
static int
proof_receive(const struct zygote_proof_worker *worker, void *ret_bytes, size_t size,
	      struct error *err)
{
	struct pollfd polled = {.fd = worker->channel[0], .events = POLLIN};
	size_t got, fd_count;
	int result;

	result = poll(&polled, 1, PROOF_TIMEOUT_MS);
	if (result < 0)
		return error_errno(err, "poll");
	if (result == 0)
		return error_set(err, ERROR_SYSTEM, "no answer after %d s",
				 PROOF_TIMEOUT_MS / 1000);
	result = base_recv_fds(worker->channel[0], ret_bytes, size, &got, NULL, 0, &fd_count, NULL,
			       0, err);
	if (result == 0 && got != size)
		result = error_set(err, ERROR_INVALID, "an answer of %zu bytes", got);
	return result;
}

/* Why it did not answer, as far as it could say; `result` is of proof_listen, whose text is in err.
 */
static int
proof_failed(const struct zygote_proof_worker *worker, int result, int status, struct error *err)
{
	const struct worker_page *page =
	    mmap(NULL, PAGE_FILE_BYTES, PROT_READ, MAP_SHARED, worker->page, 0);

	if (page != MAP_FAILED && page->setup_step != 0) {
		errno = (int)page->setup_errno;
		return error_errno(err, "the first worker failed at its step \"%.31s\"",
				   page->setup_name);
	}
	if (result < 0 && result != ERROR_CLOSED)
		return error_wrap(err, "the first worker");
	if (WIFSIGNALED(status))
		return error_set(err, ERROR_SYSTEM, "the first worker died by signal %d",
				 WTERMSIG(status));
	return error_set(err, ERROR_SYSTEM, "the first worker ended with status %d",
			 WEXITSTATUS(status));
}

static int
proof_listen(const struct zygote_proof_worker *worker, uint64_t *ret_layers, struct error *err)
{
	struct worker_hello hello;
	uint64_t layers;
	int result = proof_receive(worker, &hello, sizeof(hello), err);

	if (result == 0 && (hello.magic != WORKER_HELLO_MAGIC || hello.abi != WORKER_ABI_VERSION))
		result = error_set(err, ERROR_INVALID, "a wrong hello");
	if (result == 0)
		result = proof_receive(worker, &layers, sizeof(layers), err);
	if (result == 0)
		*ret_layers = layers;
	return result;
}

/* The layers that hold in one worker, a fork that `sandbox` describes. */
static int
proof_run_one(struct zygote_proof_worker *worker, const struct zygote_loop *loop,
	      struct sandbox *sandbox, uint64_t *ret_layers, struct error *err)
{
	const struct zygote_fork plain = {.tid = loop->fork.tid}; /* without a leaf */
	autoclose int pidfd = -1;
	int status = 0, result = proof_send_terms(worker, sandbox, err);
	pid_t pid;

	if (result < 0)
		return result;
	pid = zygote_fork_make(&plain, sandbox, worker_prove, &pidfd);
	if (pid < 0) {
		errno = -pid;
		return error_errno(err, "the first worker's fork");
	}
	base_close(&worker->channel[1]); /* so that its death shows */
	result = proof_listen(worker, ret_layers, err);
	if (result < 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return result < 0 || status != 0 ? proof_failed(worker, result, status, err) : 0;
}

static int
proof_run_class(struct zygote_proof *proof, const struct zygote_loop *loop, enum worker_class class,
		uint64_t *ret_layers, struct error *err)
{
	struct zygote_proof_worker *worker = &proof->workers[class];
	struct sandbox sandbox = {
	    .uid = PROOF_UID,
	    .shared_account = loop->shared_account,
	    .fds = {[FORK_FD_CHANNEL] = worker->channel[1],
		    [FORK_FD_STDIN] = worker->page,
		    [FORK_FD_STDOUT] = proof->proc, /* as worker_prove wants it */
		    [FORK_FD_STDERR] = worker->page,
		    [FORK_FD_PAGE] = worker->page},
	    .landlock = loop->landlock,
	    .slice = &loop->slice,
	    .mdwe = loop->mdwe,
	    .pinning = loop->pinning,
	    .baseline_data_bytes = loop->baseline_data_bytes,
	    .baseline_size_bytes = loop->baseline_size_bytes};

	if (class == WORKER_CLASS_SCRATCH) {
		sandbox.scratch_bytes = SANDBOX_PROOF_SCRATCH_BYTES;
		sandbox.scratch_files = 1;
		sandbox.writable = SCRATCH_PATH;
	}
	return proof_run_one(worker, loop, &sandbox, ret_layers, err);
}

int
zygote_proof_run(struct zygote_proof *proof, const struct zygote_loop *loop, uint64_t *ret_layers,
		 struct error *err)
{
	const uint64_t ours = ISOLATION_BIT(no_capabilities) | ISOLATION_BIT(no_new_privs) |
			      ISOLATION_BIT(rlimits) | ISOLATION_BIT(seccomp) |
			      ISOLATION_BIT(seccomp_job);
	uint64_t layers = 0, more = 0;
	int result = proof_run_class(proof, loop, WORKER_CLASS_PLAIN, &layers, err);

	if (result < 0)
		result = error_wrap(err, "proof");
	/* Without one of these no level serves, and it is better named than what follows from it.
	 */
	if (result == 0 && loop->scratch && proof->read_only_root && (layers & ours) == ours) {
		result = proof_run_class(proof, loop, WORKER_CLASS_SCRATCH, &more, err);
		layers &= more;
		if (result < 0)
			result = error_wrap(err, "proof of a scratch directory (with "
						 "max_scratch_bytes = 0 there is none)");
	}
	if (result == 0)
		*ret_layers = layers | (proof->read_only_root ? ISOLATION_BIT(read_only_root) : 0);
	proof_close(proof);
	return result;
}
