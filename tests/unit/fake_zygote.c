/*
 * The fake spawner and zygote (fake_zygote.h). Test code: any surprise ends the process. Every
 * process dies with its parent, so a failed test leaves none behind.
 */
#include "config.h"

#include "fake_zygote.h"

#include "fake_worker.h"

#include "protocol/base_assert.h"
#include "protocol/base_sys.h"
#include "protocol/isolation.h"
#include "protocol/message.h"
#include "protocol/worker_abi.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAKE_WORKERS_MAX 512

struct fake_child {
	uint64_t serial;
	pid_t pid;
	bool stopped; /* was, once */
};

static int
fake_child_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	require(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	require(fd >= 0);
	return fd;
}

static void
fake_send(int link, const struct message *message, const int *fds, size_t count)
{
	if (base_send_fds(link, message, sizeof(*message), fds, count, 0, NULL) < 0)
		_exit(3);
}

/* Wait for a message or a child; false: a child. Ends the process with its link. */
static bool
fake_wait(int link, int signals, struct message *message, int *fds, size_t *fd_count)
{
	struct pollfd polled[2] = {{.fd = link, .events = POLLIN},
				   {.fd = signals, .events = POLLIN}};
	struct signalfd_siginfo info;
	size_t size;
	while (poll(polled, 2, -1) < 0)
		require(errno == EINTR);
	if (polled[1].revents) {
		(void)!read(signals, &info, sizeof(info));
		return false;
	}
	if (base_recv_fds(link, message, sizeof(*message), &size, fds, FDS_PER_MESSAGE_MAX,
			  fd_count, NULL, 0, NULL) < 0)
		_exit(0);
	require(size == sizeof(*message));
	return true;
}

static void
fake_fork_worker(struct fake_shared *shared, uint64_t number, int link, int signals,
		 const struct message *request, int *fds, struct fake_child *children)
{
	struct message answer;
	message_init(&answer, MESSAGE_FORKED);
	answer.body.forked.serial = request->body.fork.serial;
	const struct message_fork *wanted = &request->body.fork;
	bool scratch = wanted->class == WORKER_CLASS_SCRATCH;
	require(scratch == (wanted->scratch_bytes > 0));
	if (scratch) {
		shared->scratch_forks++;
		shared->scratch_bytes = wanted->scratch_bytes;
		shared->scratch_files = wanted->scratch_files;
	}
	bool refused = scratch && shared->fail_scratch > 0;
	if (refused)
		shared->fail_scratch--;
	if (refused || shared->fail_forks > 0 || number == shared->barren) {
		shared->fail_forks -= !refused && shared->fail_forks > 0;
		answer.body.forked.error = EAGAIN;
		fake_send(link, &answer, NULL, 0);
		return;
	}
	/* Stands for the pidfd, which valgrind does not know: its end hangs up with the worker. */
	int life[2];
	require(pipe2(life, O_CLOEXEC) == 0);
	pid_t pid = fork();
	require(pid >= 0);
	if (pid == 0) {
		sigset_t none;
		sigemptyset(&none);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		require(sigprocmask(SIG_SETMASK, &none, NULL) == 0);
		base_close(&link);
		base_close(&signals);
		base_close(&life[0]);
		fake_worker_main(shared, request->body.fork.serial, fds);
	}
	shared->forks++;
	for (size_t i = 0; i < FAKE_WORKERS_MAX; i++) {
		if (children[i].pid != 0)
			continue;
		children[i] = (struct fake_child){request->body.fork.serial, pid, false};
		break;
	}
	answer.body.forked.pid = (uint32_t)pid;
	base_close(&life[1]);
	fake_send(link, &answer, &life[0], 1);
	base_close(&life[0]);
}

/* Dead, or stopped for the first time. */
static void
fake_report(const struct fake_shared *shared, int link, struct fake_child *child, int status,
	    const struct rusage *usage)
{
	struct message message;
	bool stopped = WIFSTOPPED(status);
	if (stopped && child->stopped)
		return;
	message_init(&message, stopped ? MESSAGE_STOPPED : MESSAGE_EXITED);
	struct message_exited *about = &message.body.exited;
	about->serial = child->serial;
	about->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	about->signal = WIFSIGNALED(status) ? WTERMSIG(status) : stopped ? WSTOPSIG(status) : 0;
	about->user_us =
	    (uint64_t)usage->ru_utime.tv_sec * 1000000 + (uint64_t)usage->ru_utime.tv_usec;
	about->system_us =
	    (uint64_t)usage->ru_stime.tv_sec * 1000000 + (uint64_t)usage->ru_stime.tv_usec;
	about->max_rss_bytes = stopped ? shared->rss_bytes : 0;
	if (stopped)
		child->stopped = true;
	else
		child->pid = 0;
	fake_send(link, &message, NULL, 0);
}

static void
fake_reap(const struct fake_shared *shared, int link, struct fake_child *children)
{
	struct rusage usage;
	int status;
	pid_t pid;
	while ((pid = wait4(-1, &status, WNOHANG | WUNTRACED, &usage)) > 0) {
		for (size_t i = 0; i < FAKE_WORKERS_MAX; i++) {
			if (children[i].pid == pid)
				fake_report(shared, link, &children[i], status, &usage);
		}
	}
}

/* As often as the test wants it does not hear. */
static void
fake_kill(struct fake_shared *shared, const struct fake_child *children, uint64_t serial)
{
	if (shared->deaf_zygote > 0) {
		shared->deaf_zygote--;
		return;
	}
	for (size_t i = 0; i < FAKE_WORKERS_MAX; i++) {
		if (children[i].pid && children[i].serial == serial)
			(void)kill(children[i].pid, SIGKILL);
	}
}

static void __attribute__((noreturn))
fake_zygote_main(struct fake_shared *shared, uint64_t number, int link)
{
	static struct fake_child children[FAKE_WORKERS_MAX];
	struct message message;
	int signals = fake_child_signals(), fds[FDS_PER_MESSAGE_MAX];
	size_t fd_count;

	message_init(&message, MESSAGE_ZYGOTE_READY);
	message.body.zygote.version = MESSAGE_VERSION;
	message.body.zygote.abi = WORKER_ABI_VERSION;
	message.body.zygote.baseline_rss_bytes = 4711;
	message.body.zygote.layers = ISOLATION_ALL & ~shared->lacking;
	strcpy(message.body.zygote.python, "3.11.fake");
	fake_send(link, &message, NULL, 0);
	for (;;) {
		if (!fake_wait(link, signals, &message, fds, &fd_count)) {
			fake_reap(shared, link, children);
			continue;
		}
		if (message.type == MESSAGE_FORK && shared->lying_zygote) {
			shared->lying_zygote--;
			(void)send(link, "rubbish", 7, MSG_NOSIGNAL);
			for (;;)
				(void)pause();
		}
		for (; message.type == MESSAGE_FORK && shared->orphans > 0; shared->orphans--) {
			struct message orphan;
			message_init(&orphan, MESSAGE_ORPHAN);
			fake_send(link, &orphan, NULL, 0);
		}
		if (message.type == MESSAGE_FORK)
			fake_fork_worker(shared, number, link, signals, &message, fds, children);
		for (size_t i = 0; i < fd_count; i++)
			base_close(&fds[i]);
		if (message.type == MESSAGE_KILL)
			fake_kill(shared, children, message.body.worker.serial);
	}
}

static void
fake_start_generation(struct fake_shared *shared, int link, uint64_t number)
{
	struct message message;
	int ends[2];
	message_init(&message, MESSAGE_GENERATION_STARTED);
	message.body.generation.number = number;
	message.body.generation.uid_base = 100000;
	message.body.generation.uid_count = 1024;
	message.body.generation.layers = ISOLATION_ALL & ~shared->lacking;
	if (shared->fail_starts > 0) {
		shared->fail_starts--;
		message.body.generation.error = ENOMEM;
		fake_send(link, &message, NULL, 0);
		return;
	}
	require(base_socketpair(ends, NULL) == 0);
	pid_t pid = fork();
	require(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		base_close(&link);
		base_close(&ends[0]);
		fake_zygote_main(shared, number, ends[1]);
	}
	shared->zygote = pid;
	shared->zygotes[number % FAKE_GENERATIONS_MAX] = pid;
	shared->generations++;
	shared->live++;
	if (shared->live > shared->live_max)
		shared->live_max = shared->live;
	base_close(&ends[1]);
	fake_send(link, &message, &ends[0], 1);
	base_close(&ends[0]);
}

static void __attribute__((noreturn)) fake_spawner_main(struct fake_shared *shared, int link)
{
	struct message message;
	int signals = fake_child_signals(), fds[FDS_PER_MESSAGE_MAX], status;
	size_t fd_count;
	pid_t pid;
	for (;;) {
		if (fake_wait(link, signals, &message, fds, &fd_count)) {
			if (message.type == MESSAGE_GENERATION_START) {
				fake_start_generation(shared, link, message.body.generation.number);
			} else if (message.type == MESSAGE_GENERATION_END) {
				uint64_t number = message.body.generation.number;
				pid = shared->zygotes[number % FAKE_GENERATIONS_MAX];
				if (pid > 0)
					(void)kill(pid, SIGKILL);
			} else if (message.type == MESSAGE_DAEMON_READY) {
				shared->daemon_ready++;
				message_init(&message, MESSAGE_DRAIN);
				if (shared->send_drain)
					fake_send(link, &message, NULL, 0);
			} else if (message.type == MESSAGE_DAEMON_DRAIN) {
				shared->drains_asked++;
				message_init(&message, MESSAGE_DRAIN);
				if (!shared->hold_drain)
					fake_send(link, &message, NULL, 0);
			}
		}
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			uint64_t number = 0;
			while (number < FAKE_GENERATIONS_MAX && shared->zygotes[number] != pid)
				number++;
			require(number < FAKE_GENERATIONS_MAX);
			shared->zygotes[number] = 0;
			shared->live--;
			message_init(&message, MESSAGE_GENERATION_ENDED);
			message.body.generation.number = number;
			message.body.generation.wait_status = status;
			fake_send(link, &message, NULL, 0);
		}
	}
}

void
fake_zygote_start(struct fake *ret_fake)
{
	int ends[2];
	void *shared = mmap(NULL, sizeof(struct fake_shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	require(shared != MAP_FAILED);
	ret_fake->shared = shared;
	require(base_socketpair(ends, NULL) == 0);
	ret_fake->spawner = fork();
	require(ret_fake->spawner >= 0);
	if (ret_fake->spawner == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		base_close(&ends[0]);
		fake_spawner_main(shared, ends[1]);
	}
	base_close(&ends[1]);
	ret_fake->link = ends[0];
}

void
fake_zygote_stop(struct fake *fake)
{
	(void)kill(fake->spawner, SIGKILL);
	(void)waitpid(fake->spawner, NULL, 0);
	(void)munmap(fake->shared, sizeof(*fake->shared));
}
