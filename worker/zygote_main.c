/*
 * stint-zygote. Theory of operation.
 *
 * The spawner has exec'd it as pid 1 of a pid namespace, root of a user namespace, with nothing of
 * the host hidden yet. It starts the interpreter while files can still be read, and then gives
 * things up in this order: the file system but for the prepared tree, descriptors, capabilities,
 * system calls. Then it says READY and forks a worker whenever stintd asks. Since all its workers
 * die with it, its answer to anything unexpected is to end.
 *
 * It has one thread, never sees a client's descriptor or a byte that a tenant wrote, and opens no
 * file after READY but those of its cgroup directories.
 * Exit codes are in zygote_args.h; the log line before says what and why. 0: the link was closed.
 */
#define _GNU_SOURCE
#include "protocol/base_log.h"
#include "protocol/base_slice.h"
#include "protocol/base_sys.h"
#include "worker/python_host.h"
#include "worker/python_job.h"
#include "worker/sandbox.h"
#include "worker/sandbox_fs.h"
#include "worker/seccomp_wide.h"
#include "worker/zygote_args.h"
#include "worker/zygote_loop.h"
#include "worker/zygote_options.h"
#include "worker/zygote_proof.h"
#include "worker/zygote_text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_GET_MDWE
#define PR_GET_MDWE 66
#endif

/* As the kernel itself has it on machines with eight cores; with two it is half of that, and a
 * shorter difference puts fewer of those who wake before a running job (ARCHITECTURE). */
#define JOB_SLICE_NS 3000000u

/* Numbers follow those of zygote_args.h without a gap, so that what is above can be closed. The
 * first one stays: what becomes free is above those that a worker's set-up makes. */
struct descriptors {
	int signals, statm, proc, tree;
};

/* All signals blocked but those that an error of our own raises: pid 1 gets none by mistake, no
 * handler of the interpreter runs here, and a pending signal is not inherited. */
static int
quiet_signals(struct error *err)
{
	static const int OWN[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
	sigset_t blocked;

	sigfillset(&blocked);
	for (size_t i = 0; i < sizeof(OWN) / sizeof(OWN[0]); i++)
		sigdelset(&blocked, OWN[i]);
	return sigprocmask(SIG_SETMASK, &blocked, NULL) < 0 ? error_errno(err, "sigprocmask") : 0;
}

/* One heap, since a worker's threads would each reserve 64 MiB of RLIMIT_DATA; stacks as promised.
 */
static int
tune_library(struct error *err)
{
	pthread_attr_t attributes;
	int error;

	if (mallopt(M_ARENA_MAX, 1) != 1)
		return error_set(err, ERROR_UNSUPPORTED, "mallopt: M_ARENA_MAX");
	error = pthread_attr_init(&attributes);
	if (error == 0)
		error = pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	if (error == 0)
		error = pthread_setattr_default_np(&attributes);
	if (error != 0)
		return error_set(err, ERROR_UNSUPPORTED, "default stack of a thread: %s",
				 strerror(error));
	(void)pthread_attr_destroy(&attributes);
	return 0;
}

static int
open_descriptors(int first, const char *root, struct descriptors *ret_descriptors,
		 struct error *err)
{
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	ret_descriptors->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	ret_descriptors->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ret_descriptors->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ret_descriptors->tree = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ret_descriptors->statm < 0 || ret_descriptors->signals < 0 ||
	    ret_descriptors->proc < 0 || ret_descriptors->tree < 0)
		return error_errno(err, "descriptors: statm, signalfd, /proc, root");
	if (ret_descriptors->signals != first || ret_descriptors->tree != first + 3)
		return error_set(err, ERROR_INVALID, "descriptors: %d is open, or one below is not",
				 first);
	for (int fd = ZYGOTE_ARGS_FD_LINK; fd < first; fd++)
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
			return error_errno(err, "descriptors: %d", fd);
	return 0;
}

/* Pages of "size resident shared text lib data dt": data is what RLIMIT_DATA counts, and the stack.
 */
static int
measure(int statm, uint64_t *ret_data_bytes, uint64_t *ret_rss_bytes, uint64_t *ret_size_bytes,
	struct error *err)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	unsigned long long total, resident, data;
	char text[256];
	ssize_t size = pread(statm, text, sizeof(text) - 1, 0);

	if (size <= 0)
		return error_errno(err, "read of /proc/self/statm");
	text[size] = '\0';
	if (sscanf(text, "%llu %llu %*u %*u %*u %llu", &total, &resident, &data) != 3)
		return error_set(err, ERROR_INVALID, "statm: %.64s", text);
	*ret_data_bytes = data * page;
	*ret_rss_bytes = resident * page;
	*ret_size_bytes = total * page;
	return 0;
}

/* What workers put on, found or made once. Closes the tree. */
static int
prepare_workers(const struct zygote_options *options, int *tree,
		struct sandbox_landlock *ret_landlock, struct zygote_loop *loop, struct error *err)
{
	int result;

	loop->mdwe = prctl(PR_GET_MDWE, 0ul, 0ul, 0ul, 0ul) >= 0;
	if (!loop->mdwe)
		log_info("zygote", "no PR_SET_MDWE (Linux 6.3): new code is refused by the filter");
	if (!options->landlock) {
		log_warning("zygote", "Landlock is switched off: workers go without it");
		base_close(tree);
		return 0;
	}
	result = sandbox_landlock_open(*tree, ret_landlock, err);
	base_close(tree);
	if (result == 0)
		loop->landlock = ret_landlock;
	return result;
}

/* From the whole host to what a worker may see. The filter is installed last. */
static int
confine(const struct zygote_options *options, const struct seccomp_wide *wide,
	struct descriptors *descriptors, struct sandbox_landlock *landlock,
	struct zygote_loop *loop, struct zygote_proof *ret_proof, struct error *err)
{
	int result = sandbox_fs_enter(options->root, descriptors->proc, err);

	if (result == 0 &&
	    syscall(SYS_close_range, (unsigned)descriptors->tree + 1, UINT_MAX, 0) < 0)
		result = error_errno(err, "close_range");
	if (result == 0)
		result = zygote_proof_open(options->stdlib, options->scratch, &descriptors->proc,
					   ret_proof, err);
	if (result == 0)
		result = prepare_workers(options, &descriptors->tree, landlock, loop, err);
	if (result == 0) {
		int error = sandbox_ids_confine_zygote(options->shared_account, options->scratch);

		errno = -error;
		if (error < 0)
			result = error_errno(err, "capabilities");
	}
	if (result == 0)
		result = seccomp_wide_install(wide->instructions, wide->count, err);
	return result;
}

static bool
has_role(const struct zygote_fork *fork, uint32_t role)
{
	uint32_t roles = 0;

	for (unsigned i = 0; i < fork->dir_count; i++)
		roles |= fork->roles[i];
	return (roles & role) != 0;
}

static int
say_ready(const struct zygote_options *options, int statm, struct zygote_proof *proof,
	  struct zygote_loop *loop, struct error *err)
{
	struct message ready;
	struct message_zygote *body = &ready.body.zygote;
	uint64_t size_bytes = 0;
	int result;

	message_init(&ready, MESSAGE_ZYGOTE_READY);
	body->version = MESSAGE_VERSION;
	body->abi = WORKER_ABI_VERSION;
	body->hash_seed = options->hash_seed;
	(void)snprintf(body->python, sizeof(body->python), "%s", python_host_version());
	(void)snprintf(body->meter_id, sizeof(body->meter_id), "%s", python_host_meter_id());
	result =
	    measure(statm, &body->baseline_data_bytes, &body->baseline_rss_bytes, &size_bytes, err);
	if (result < 0)
		return result;
	loop->baseline_data_bytes = body->baseline_data_bytes;
	if (!has_role(&loop->fork, CGROUP_ROLE_MEMORY))
		loop->baseline_size_bytes = size_bytes;
	result = zygote_proof_run(proof, loop, &body->layers, err);
	if (result < 0)
		return result;
	log_info("zygote", "ready: Python %s, %llu KiB resident", body->python,
		 (unsigned long long)body->baseline_rss_bytes / 1024);
	return base_send_fds(loop->link_fd, &ready, sizeof(ready), NULL, 0, 0, err);
}

static int
start(int argc, char **argv, struct sandbox_landlock *landlock, struct zygote_loop *loop,
      struct error *err)
{
	struct python_host_options python;
	struct descriptors descriptors;
	struct zygote_proof proof = ZYGOTE_PROOF_INIT;
	struct zygote_options options;
	struct seccomp_wide_options filter;
	struct seccomp_wide wide = {NULL, 0};
	size_t text, objects;
	int result = zygote_options_parse(argc, argv, &options, err);

	if (result < 0)
		return result;
	base_log_init("stint-zygote", options.log_level);
	(void)umask(077);
	loop->link_fd = ZYGOTE_ARGS_FD_LINK;
	loop->shared_account = options.shared_account;
	loop->scratch = options.scratch;
	loop->pinning = options.pin_cores;
	loop->fork.dir_count = options.dir_count;
	for (unsigned i = 0; i < options.dir_count; i++) {
		loop->fork.dirs[i] = ZYGOTE_ARGS_FD_DIRS + (int)i;
		loop->fork.roles[i] = options.roles[i];
	}
	filter = (struct seccomp_wide_options){.asyncio = options.asyncio,
					       .pinning = options.pin_cores};
	python = (struct python_host_options){.stdlib = options.stdlib,
					      .preload = options.preload,
					      .hash_seed = options.hash_seed,
					      .main_file = PYTHON_JOB_NAME};
	/* It hears of ends, and a ready worker of its job, while jobs have all cores. */
	base_slice_shorten(&loop->slice);
	if (loop->slice.runtime_ns < JOB_SLICE_NS)
		loop->slice.runtime_ns = JOB_SLICE_NS;
	text = zygote_text_settle();
	if ((result = quiet_signals(err)) < 0 || (result = tune_library(err)) < 0 ||
	    (result = open_descriptors(ZYGOTE_ARGS_FD_DIRS + (int)options.dir_count, options.root,
				       &descriptors, err)) < 0 ||
	    (result = python_host_start(&python, err)) < 0 ||
	    (result = zygote_fork_init(&loop->fork, err)) < 0)
		return result;
	/* The filter's making leaves holes in the heap, so it comes before; what it takes stays,
	 * since the trial has not seen the hole that would be there. */
	if ((result = seccomp_wide_build(&filter, &wide, err)) < 0)
		return result;
	objects = python_host_settle(true);
	log_info("zygote", "in huge pages: %zu KiB of code and constants, %zu KiB of objects",
		 text / 1024, objects / 1024);
	if ((result = confine(&options, &wide, &descriptors, landlock, loop, &proof, err)) < 0)
		return result;
	loop->signal_fd = descriptors.signals;
	result = say_ready(&options, descriptors.statm, &proof, loop, err);
	base_close(&descriptors.statm);
	return result;
}

int
main(int argc, char **argv)
{
	struct sandbox_landlock landlock = {.ruleset = -1};
	struct zygote_loop loop = {.link_fd = -1};
	struct error err = ERROR_INIT;

	base_log_init("stint-zygote", LOG_LEVEL_INFO);
	if (getpid() != 1) {
		log_error("zygote", "is started by stint-spawner only, as pid 1 of its namespace");
		_exit(ZYGOTE_ARGS_EXIT_SETUP);
	}
	if (start(argc, argv, &landlock, &loop, &err) < 0) {
		log_error("zygote", "start: %s", err.text);
		_exit(ZYGOTE_ARGS_EXIT_SETUP);
	}
	(void)python_host_settle(false);
	if (zygote_loop_run(&loop, &err) < 0) {
		log_error("zygote", "%s", err.text);
		_exit(ZYGOTE_ARGS_EXIT_PROTOCOL);
	}
	_exit(0);
}
