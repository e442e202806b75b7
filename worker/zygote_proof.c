/*
 * Plays stintd for one worker: a page, a channel, terms that were sent before the fork; the worker
 * goes through the same steps as each after it, both filters among them, and answers what it finds
 * in place of a job. No tenant byte exists yet.
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
	base_close(&proof->page);
	base_close(&proof->channel[0]);
	base_close(&proof->channel[1]);
}

int
zygote_proof_open(const char *stdlib, int *proc, struct zygote_proof *ret_proof, struct error *err)
{
	struct zygote_proof proof = ZYGOTE_PROOF_INIT;
	int result;

	proof.proc = *proc;
	*proc = -1;
	proof.read_only_root = sandbox_proof_root(stdlib);
	result = base_memfd("page", PAGE_FILE_BYTES, &proof.page, err);
	if (result == 0)
		result = base_socketpair(proof.channel, err);
	if (result < 0) {
		proof_close(&proof);
		return error_wrap(err, "proof");
	}
	*ret_proof = proof;
	return 0;
}

/* Ahead of the worker that will ask for them. */
static int
proof_send_terms(const struct zygote_proof *proof, struct error *err)
{
	struct worker_terms terms = {.magic = WORKER_TERMS_MAGIC,
				     .blob_bytes = 1, /* none is ever read */
				     .cpu_backstop_s = PROOF_CPU_S};

	limits_defaults(&terms.limits);
	return base_send_fds(proof->channel[0], &terms, sizeof(terms), NULL, 0, 0, err);
}

/* One datagram of that size, or ERROR_CLOSED when the worker has died. */
static int
proof_receive(const struct zygote_proof *proof, void *ret_bytes, size_t size, struct error *err)
{
	struct pollfd polled = {.fd = proof->channel[0], .events = POLLIN};
	size_t got, fd_count;
	int result;

	result = poll(&polled, 1, PROOF_TIMEOUT_MS);
	if (result < 0)
		return error_errno(err, "poll");
	if (result == 0)
		return error_set(err, ERROR_SYSTEM, "no answer after %d s",
				 PROOF_TIMEOUT_MS / 1000);
	result = base_recv_fds(proof->channel[0], ret_bytes, size, &got, NULL, 0, &fd_count, NULL,
			       0, err);
	if (result == 0 && got != size)
		result = error_set(err, ERROR_INVALID, "an answer of %zu bytes", got);
	return result;
}

/* Why it did not answer, as far as it could say; `result` is of proof_listen, whose text is in err.
 */
static int
proof_failed(const struct zygote_proof *proof, int result, int status, struct error *err)
{
	const struct worker_page *page =
	    mmap(NULL, PAGE_FILE_BYTES, PROT_READ, MAP_SHARED, proof->page, 0);

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
proof_listen(const struct zygote_proof *proof, uint64_t *ret_layers, struct error *err)
{
	struct worker_hello hello;
	uint64_t layers;
	int result = proof_receive(proof, &hello, sizeof(hello), err);

	if (result == 0 && (hello.magic != WORKER_HELLO_MAGIC || hello.abi != WORKER_ABI_VERSION))
		result = error_set(err, ERROR_INVALID, "a wrong hello");
	if (result == 0)
		result = proof_receive(proof, &layers, sizeof(layers), err);
	if (result == 0)
		*ret_layers = layers;
	return result;
}

int
zygote_proof_run(struct zygote_proof *proof, const struct zygote_loop *loop, uint64_t *ret_layers,
		 struct error *err)
{
	const struct zygote_fork plain = {.tid = loop->fork.tid}; /* without a leaf */
	struct sandbox sandbox = {
	    .uid = PROOF_UID,
	    .shared_account = loop->shared_account,
	    .fds = {[FORK_FD_CHANNEL] = proof->channel[1],
		    [FORK_FD_STDIN] = proof->page,
		    [FORK_FD_STDOUT] = proof->proc, /* as worker_prove wants it */
		    [FORK_FD_STDERR] = proof->page,
		    [FORK_FD_PAGE] = proof->page},
	    .landlock = loop->landlock,
	    .mdwe = loop->mdwe,
	    .baseline_data_bytes = loop->baseline_data_bytes,
	    .baseline_size_bytes = loop->baseline_size_bytes};
	autoclose int pidfd = -1;
	uint64_t layers = 0;
	int status = 0, result = proof_send_terms(proof, err);
	pid_t pid;

	if (result < 0)
		goto out;
	pid = zygote_fork_make(&plain, &sandbox, worker_prove, &pidfd);
	if (pid < 0) {
		errno = -pid;
		result = error_errno(err, "the first worker's fork");
		goto out;
	}
	base_close(&proof->channel[1]); /* so that its death shows */
	result = proof_listen(proof, &layers, err);
	if (result < 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (result < 0 || status != 0)
		result = proof_failed(proof, result, status, err);
	else
		*ret_layers = layers | (proof->read_only_root ? ISOLATION_BIT(read_only_root) : 0);
out:
	proof_close(proof);
	return result < 0 ? error_wrap(err, "proof") : 0;
}
