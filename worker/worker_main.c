/*
 * Theory of operation of a worker.
 *
 * It is a fork of the zygote, so the interpreter is warm and nothing is exec'd. First the steps of
 * sandbox.c take everything away that no job may have. Then it wakes the interpreter, says hello
 * and waits. That is the ready worker of the pool: it has seen no tenant byte. When the terms come
 * it lowers its rlimits to them, gives back its short turns, binds itself to its core, installs the
 * narrow filter and only then reads the job. From there on the process belongs to the tenant:
 * assume native code. What counts is outside already.
 *
 * Never returns to the zygote's code, never logs, never allocates before the interpreter runs. A
 * step that fails ends it with WORKER_EXIT_SETUP and is named in the page; when stintd goes away
 * while it waits, it ends by the same way with EPIPE.
 */
#define _GNU_SOURCE
#include "worker/worker_main.h"

#include "protocol/base_slice.h"
#include "protocol/base_sys.h"
#include "worker/python_host.h"
#include "worker/sandbox_proof.h"
#include "worker/seccomp_narrow.h"
#include "worker/seccomp_wide.h"
#include "worker/worker_terms.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* What the steps after the confinement share. */
struct worker {
	struct sandbox *sandbox; /* borrowed from worker_main's caller */
	struct worker_terms terms;
	struct worker_terms_fds fds;
	const void *blob;
	void *code; /* room for the compiled code, mapped; NULL: it is not asked for */
};

static void
set_phase(struct sandbox *sandbox, enum worker_phase phase)
{
	__atomic_store_n(&sandbox->page->phase, (uint32_t)phase, __ATOMIC_RELEASE);
}

static int
wake_interpreter(struct worker *worker)
{
	(void)worker;
	python_host_after_fork();
	return 0;
}

static int
say_hello(struct worker *worker)
{
	const struct worker_hello hello = {WORKER_HELLO_MAGIC, WORKER_ABI_VERSION,
					   worker->sandbox->serial};
	struct error err = ERROR_INIT;

	set_phase(worker->sandbox, PHASE_READY);
	if (base_send_fds(SANDBOX_FD_CHANNEL, &hello, sizeof(hello), NULL, 0, 0, &err) < 0)
		return err.code == ERROR_BUSY ? -EAGAIN : err.sys > 0 ? -err.sys : -EPIPE;
	return 0;
}

/* The directory is there already: the terms must be of the job that it was made for. */
static int
check_scratch(const struct worker *worker)
{
	const struct limits *limits = &worker->terms.limits;

	if (limits->scratch_bytes != worker->sandbox->scratch_bytes)
		return -EINVAL;
	return limits->scratch_bytes == 0 || limits->scratch_files == worker->sandbox->scratch_files
		   ? 0
		   : -EINVAL;
}

/* Each job has a core, or none has: what the filters grant is decided before the terms come. */
static int
check_core(const struct worker *worker)
{
	return worker->sandbox->pinning == (worker->terms.core != 0) ? 0 : -EINVAL;
}

static int
receive_terms(struct worker *worker)
{
	int result = worker_terms_receive(SANDBOX_FD_CHANNEL, &worker->terms, &worker->fds);

	if (result == 0)
		result = worker_terms_check(&worker->terms, worker->sandbox->serial);
	if (result == 0)
		result = check_scratch(worker);
	if (result == 0)
		result = check_core(worker);
	if (result == 0)
		set_phase(worker->sandbox, PHASE_TERMS);
	return result;
}

static int
take_stdin(struct worker *worker)
{
	if (worker->fds.stdin_fd < 0)
		return 0;
	if (dup2(worker->fds.stdin_fd, STDIN_FILENO) < 0)
		return -errno;
	base_close(&worker->fds.stdin_fd);
	return 0;
}

/* Before the filter and the job: from then on the mapping alone reaches the file. */
static int
map_code(struct worker *worker)
{
	return worker_terms_map_code(&worker->fds, &worker->code);
}

static int
lower_limits(struct worker *worker)
{
	return sandbox_limits_lower(worker->sandbox, &worker->terms);
}

/* Short turns are for who waits: the job gets those that the zygote has noted for jobs. */
static int
take_slice(struct worker *worker)
{
	return base_slice_restore(worker->sandbox->slice);
}

static int
take_core(struct worker *worker)
{
	return sandbox_core_take(worker->terms.core);
}

static int
install_filter(struct worker *worker)
{
	struct seccomp_narrow narrow;
	struct error err = ERROR_INIT;
	unsigned grants = 0;

	if (worker->terms.flags & TERMS_ASYNCIO)
		grants |= SECCOMP_NARROW_ASYNCIO;
	if (worker->terms.flags & TERMS_THREADS)
		grants |= SECCOMP_NARROW_THREADS;
	if (worker->terms.flags & TERMS_SCRATCH)
		grants |= SECCOMP_NARROW_SCRATCH;
	if (worker->sandbox->pinning)
		grants |= SECCOMP_NARROW_PINNING;
	seccomp_narrow_build(getpid(), grants, &narrow);
	if (seccomp_wide_install(narrow.instructions, narrow.count, &err) < 0)
		return err.sys > 0 ? -err.sys : -EINVAL;
	return 0;
}

/* The job's code then sees descriptors 0, 1 and 2 only. */
static int
read_blob(struct worker *worker)
{
	int channel = SANDBOX_FD_CHANNEL;
	int result = worker_terms_read_blob(channel, &worker->terms, &worker->fds, &worker->blob);

	base_close(&channel);
	if (result == 0)
		set_phase(worker->sandbox, PHASE_RUNNING);
	return result;
}

static const struct worker_step {
	const char *name;
	int (*run)(struct worker *);
} STEPS[] = {
    {"interpreter", wake_interpreter},
    {"hello", say_hello},
    {"terms", receive_terms},
    {"stdin", take_stdin},
    {"compiled", map_code},
    {"limits", lower_limits},
    {"slice", take_slice},
    {"core", take_core},
    {"filter", install_filter},
    {"blob", read_blob},
};
#define STEP_COUNT       (sizeof(STEPS) / sizeof(STEPS[0]))
#define STEP_COUNT_PROOF (STEP_COUNT - 1) /* all but the job */

static void
take_steps(struct worker *worker, size_t count)
{
	sandbox_run(worker->sandbox);
	for (size_t i = 0; i < count; i++) {
		int result = STEPS[i].run(worker);

		if (result < 0)
			sandbox_fail(worker->sandbox, SANDBOX_STEP_COUNT + i + 1, STEPS[i].name,
				     -result);
	}
}

void
worker_prove(struct sandbox *sandbox)
{
	struct worker worker = {.sandbox = sandbox, .fds = {-1, -1, -1}};
	uint64_t layers;
	int status_fd =
	    openat(sandbox->fds[FORK_FD_STDOUT], "self/status", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (status_fd < 0)
		_exit(WORKER_EXIT_SETUP);
	sandbox->fds[FORK_FD_STDIN] = status_fd;
	take_steps(&worker, STEP_COUNT_PROOF);
	layers = sandbox_proof_worker(STDIN_FILENO, STDOUT_FILENO, sandbox, &worker.terms);
	if (sandbox->scratch_bytes > 0 && !sandbox_proof_scratch())
		_exit(WORKER_EXIT_SETUP);
	if (write(SANDBOX_FD_CHANNEL, &layers, sizeof(layers)) != (ssize_t)sizeof(layers))
		_exit(WORKER_EXIT_SETUP);
	_exit(0);
}

/*
 * Taking a process apart is half of what its end costs, and who waits for its result need not wait
 * for that: stopped, it can do nothing more, as the kernel tells the zygote. Comes back only when
 * nobody killed it.
 */
static void
stop(struct worker_page *page, int code)
{
	/* As _exit() takes it. */
	__atomic_store_n(&page->ended, 1u + ((uint32_t)code & 0xff), __ATOMIC_RELEASE);
	(void)kill(getpid(), SIGSTOP);
}

void
worker_main(struct sandbox *sandbox)
{
	struct worker worker = {.sandbox = sandbox, .fds = {-1, -1, -1}};
	int code;

	take_steps(&worker, STEP_COUNT);
	code = python_host_run(&worker.terms, sandbox->page, sandbox->page_base, worker.code,
			       worker.blob, (size_t)worker.terms.blob_bytes);
	set_phase(sandbox, PHASE_ENDED);
	if (worker.terms.flags & TERMS_STOPS)
		stop(sandbox->page, code);
	_exit(code);
}
