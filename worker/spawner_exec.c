/*
 * One clone, the steps of the child in their order, one exec.
 *
 * Between clone and exec the child only makes system calls: no allocation, no stdio, no log. It
 * talks to the parent over a close-on-exec socket pair: it waits there for its id maps, reports the
 * name and errno of a failed step there, and the end of file after the exec says that all went
 * well. It never runs the program with a step left out.
 *
 * Called by spawner_daemon.c and spawner_zygote.c from the spawner's only thread. Blocks for some
 * milliseconds, at most SPAWNER_EXEC_TIMEOUT_S; on failure the child is dead and reaped.
 */
#define _GNU_SOURCE
#include "worker/spawner_exec.h"

#include "protocol/base_assert.h"
#include "protocol/base_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPAWNER_EXEC_HIGH_FD          64 /* above every final number */
#define SPAWNER_EXEC_STEP_BYTES       28
#define SPAWNER_EXEC_CAPABILITIES_MAX 64
#define SPAWNER_EXEC_IOPRIO_PROCESS   1 /* the kernel's IOPRIO_WHO_PROCESS: no header has it */

struct spawner_exec_report {
	int32_t sys;
	char step[SPAWNER_EXEC_STEP_BYTES];
};

static __attribute__((noreturn)) void
spawner_exec_fail(int report_fd, const char *step)
{
	struct spawner_exec_report report = {.sys = errno};
	size_t length = strlen(step);

	memcpy(report.step, step, length < sizeof(report.step) ? length : sizeof(report.step) - 1);
	(void)send(report_fd, &report, sizeof(report), MSG_NOSIGNAL);
	_exit(SPAWNER_EXEC_EXIT_FAILED);
}

#define STEP(name, call)                                                                           \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			spawner_exec_fail(report_fd, name);                                        \
	} while (0)

static void
spawner_exec_limits(const struct spawner_exec *plan, int report_fd)
{
	struct rlimit limit = {.rlim_cur = 0, .rlim_max = 0};

	STEP("core limit", setrlimit(RLIMIT_CORE, &limit));
	if (plan->stack_bytes) {
		STEP("stack limit", getrlimit(RLIMIT_STACK, &limit));
		limit.rlim_cur = plan->stack_bytes;
		STEP("stack limit", setrlimit(RLIMIT_STACK, &limit));
	}
	if (plan->files_max) {
		STEP("file limit", getrlimit(RLIMIT_NOFILE, &limit));
		limit.rlim_cur = limit.rlim_max;
		STEP("file limit", setrlimit(RLIMIT_NOFILE, &limit));
	}
}

/* Standard descriptors, then the plan's from 3 on; everything else closes at the exec. */
static void
spawner_exec_descriptors(const struct spawner_exec *plan, int report_fd)
{
	int high[SPAWNER_EXEC_FDS_MAX], null_fd;

	/* First out of the way, so that no final number hits a descriptor that is still to be
	 * moved. */
	for (size_t i = 0; i < plan->fd_count; i++)
		STEP("move descriptor",
		     high[i] = fcntl(plan->fds[i], F_DUPFD_CLOEXEC, SPAWNER_EXEC_HIGH_FD));
	STEP("open /dev/null", null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC));
	STEP("standard input", dup2(null_fd, STDIN_FILENO));
	STEP("standard output", dup2(STDERR_FILENO, STDOUT_FILENO));
	STEP("close descriptors", close_range(SPAWNER_EXEC_FIRST_FD, ~0u, CLOSE_RANGE_CLOEXEC));
	for (size_t i = 0; i < plan->fd_count; i++)
		STEP("place descriptor", dup2(high[i], SPAWNER_EXEC_FIRST_FD + (int)i));
}

static void
spawner_exec_signals(int report_fd)
{
	const struct sigaction initial = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		if (sigaction(number, &initial, NULL) < 0 && errno != EINVAL)
			spawner_exec_fail(report_fd, "reset signal");
	STEP("empty signal set", sigemptyset(&none));
	STEP("unblock signals", sigprocmask(SIG_SETMASK, &none, NULL));
}

/*
 * Scheduling and personality of whoever started the service are not for workers: real-time classes
 * would let a job starve the host, a personality without address randomisation lasts over the exec.
 * A lower priority (nice) stays: it is the operator's wish.
 */
static void
spawner_exec_scheduling(int report_fd)
{
	const struct sched_param none = {.sched_priority = 0};
	int nice_now;

	STEP("scheduling class", sched_setscheduler(0, SCHED_OTHER, &none));
	errno = 0;
	nice_now = getpriority(PRIO_PROCESS, 0);
	if (nice_now == -1 && errno != 0)
		spawner_exec_fail(report_fd, "priority");
	if (nice_now < 0)
		STEP("priority", setpriority(PRIO_PROCESS, 0, 0));
	STEP("I/O priority", syscall(SYS_ioprio_set, SPAWNER_EXEC_IOPRIO_PROCESS, 0, 0));
	STEP("personality", personality(PER_LINUX));
}

/* All that it has in its namespace lasts over the exec, which by itself leaves only uid 0 any. */
static void
spawner_exec_ambient(int report_fd)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	STEP("capabilities", syscall(SYS_capget, &header, data));
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		data[i].inheritable = data[i].permitted;
	STEP("capabilities", syscall(SYS_capset, &header, data));
	for (unsigned i = 0; i < SPAWNER_EXEC_CAPABILITIES_MAX; i++)
		if (data[i / 32].permitted & (1u << i % 32))
			STEP("ambient capability",
			     prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0));
}

static __attribute__((noreturn)) void
spawner_exec_child(const struct spawner_exec *plan, int report_fd)
{
	static const char LOCALE[] = "LC_ALL=C.UTF-8";
	const char *const environment[] = {LOCALE, NULL};
	struct pollfd parent;
	int program_fd;
	char go;

	for (size_t i = 0; i < plan->task_count; i++)
		STEP("enter control group", write(plan->tasks[i], "0", 1));
	/* Wait for the id maps; an end of file means that the parent gave up or died. */
	if (recv(report_fd, &go, 1, 0) != 1)
		_exit(SPAWNER_EXEC_EXIT_FAILED);
	STEP("move report", report_fd = fcntl(report_fd, F_DUPFD_CLOEXEC, SPAWNER_EXEC_HIGH_FD));
	STEP("move program",
	     program_fd = fcntl(plan->program_fd, F_DUPFD_CLOEXEC, SPAWNER_EXEC_HIGH_FD));
	STEP("session", setsid());
	if (!plan->keep_groups)
		STEP("supplementary groups", setgroups(plan->group_count, plan->groups));
	STEP("group id", setresgid(plan->gid, plan->gid, plan->gid));
	STEP("user id", setresuid(plan->uid, plan->uid, plan->uid));
	spawner_exec_signals(report_fd);
	spawner_exec_limits(plan, report_fd);
	if (plan->namespaces & CLONE_NEWUTS)
		STEP("host name", sethostname("stint", strlen("stint")));
	STEP("working directory", chdir("/"));
	(void)umask(022);
	if (plan->namespaces & CLONE_NEWPID)
		spawner_exec_scheduling(report_fd);
	if (plan->keep_capabilities)
		spawner_exec_ambient(report_fd);
	spawner_exec_descriptors(plan, report_fd);
	if (plan->no_new_privs)
		STEP("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	/* After the change of ids, which clears it. Then make sure that the parent had not died
	 * before: getppid() says nothing across pid namespaces, the parent's end of the pair does.
	 */
	STEP("parent-death signal", prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
	parent = (struct pollfd){.fd = report_fd};
	STEP("look at parent", poll(&parent, 1, 0));
	if (parent.revents & (POLLHUP | POLLERR))
		_exit(SPAWNER_EXEC_EXIT_FAILED);
	(void)syscall(SYS_execveat, program_fd, "", plan->argv, environment, AT_EMPTY_PATH);
	spawner_exec_fail(report_fd, "exec");
}

static int
spawner_exec_map(pid_t pid, const struct spawner_exec *plan, struct error *err)
{
	static const char *const FILES[] = {"uid_map", "gid_map"};

	for (size_t i = 0; i < 2; i++) {
		char path[64], map[64];
		autoclose int fd = -1;
		int rc;

		/* The number cannot mean another process: the child is not reaped before we return.
		 */
		(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, FILES[i]);
		(void)snprintf(map, sizeof(map), "%u %u %u\n", plan->map_inside,
			       i == 0 ? plan->map_base : plan->map_gid_base, plan->map_count);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			return error_errno(err, "cannot open %s", FILES[i]);
		rc = base_write_full(fd, map, strlen(map), err);
		if (rc < 0)
			return error_wrap(err, "cannot map ids from %u on", plan->map_base);
	}
	return 0;
}

/*
 * A service that the kernel shall spare when memory runs out must not make workers that it cannot
 * kill: at its memory limit such a job would hang. Only upwards, which needs no right.
 */
static int
spawner_exec_spare_not(pid_t pid, struct error *err)
{
	char path[64], value[16];
	autoclose int fd = -1;
	ssize_t size;

	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, "cannot open oom_score_adj");
	size = read(fd, value, sizeof(value));
	if (size <= 0)
		return error_errno(err, "cannot read oom_score_adj");
	return value[0] == '-' ? base_write_full(fd, "0", 1, err) : 0;
}

/* Parent's side: maps, go, and wait for the end of file that the exec brings. */
static int
spawner_exec_follow(pid_t pid, const struct spawner_exec *plan, int fd, struct error *err)
{
	const struct timeval timeout = {.tv_sec = SPAWNER_EXEC_TIMEOUT_S};
	struct spawner_exec_report report;
	ssize_t n;
	int rc;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return error_errno(err, "cannot set a time limit");
	if (plan->namespaces & CLONE_NEWUSER) {
		rc = spawner_exec_map(pid, plan, err);
		if (rc == 0)
			rc = spawner_exec_spare_not(pid, err);
		if (rc < 0)
			return rc;
	}
	if (send(fd, "g", 1, MSG_NOSIGNAL) != 1 && errno != EPIPE)
		return error_errno(err, "cannot reach the child");
	n = recv(fd, &report, sizeof(report), MSG_WAITALL);
	if (n == 0)
		return 0;
	if (n < 0)
		return error_errno(err, "no answer from the child");
	if (n != (ssize_t)sizeof(report))
		return error_set(err, ERROR_INVALID, "broken answer from the child");
	errno = report.sys;
	return error_errno(err, "step \"%.*s\"", SPAWNER_EXEC_STEP_BYTES, report.step);
}

int
spawner_exec_start(const struct spawner_exec *plan, pid_t *ret_pid, int *ret_pidfd,
		   struct error *err)
{
	int pair[2], pidfd = -1, rc;
	struct clone_args args = {
	    .flags = plan->namespaces | CLONE_PIDFD,
	    .pidfd = (uint64_t)(uintptr_t)&pidfd,
	    .exit_signal = SIGCHLD,
	};
	long pid;

	require(plan->fd_count <= SPAWNER_EXEC_FDS_MAX);
	if (plan->cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)plan->cgroup_fd;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, "cannot make a socket pair");
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		(void)close(pair[0]);
		spawner_exec_child(plan, pair[1]);
	}
	rc = pid < 0 ? error_errno(err, "clone3") : 0;
	base_close(&pair[1]);
	if (rc == 0)
		rc = spawner_exec_follow((pid_t)pid, plan, pair[0], err);
	base_close(&pair[0]);
	if (rc < 0 && pid > 0) {
		siginfo_t info;

		spawner_exec_kill(pidfd);
		(void)waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED);
		base_close(&pidfd);
	}
	if (rc < 0)
		return error_wrap(err, "cannot start %s", plan->argv[0]);
	*ret_pid = (pid_t)pid;
	*ret_pidfd = pidfd;
	return 0;
}

void
spawner_exec_kill(int pidfd)
{
	if (pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

bool
spawner_exec_reap(int *pidfd, int *ret_status)
{
	siginfo_t info = {.si_pid = 0};

	if (*pidfd < 0 || waitid(P_PIDFD, (id_t)*pidfd, &info, WEXITED | WNOHANG) < 0 ||
	    info.si_pid == 0)
		return false;
	*ret_status = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
	base_close(pidfd);
	return true;
}
