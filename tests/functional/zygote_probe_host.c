/*
 * A stand-in for the interpreter: python_host.h without Python, for tests of the zygote and the
 * sandbox.
 *
 * Its "program" is one word in the blob: hello, state (what the process has and may), fatal (a call
 * that only native code makes), sleep, exit7, result, stdin. Output goes to fd 1, as a job's would.
 * Test code only; linked into zygote_probe, never installed.
 */
#define _GNU_SOURCE
#include "worker/python_host.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_GET_MDWE
#define PR_GET_MDWE 66
#endif

static int code_refused; /* what PR_GET_MDWE said after the set-up */

int
python_host_start(const struct python_host_options *options, struct error *err)
{
	return access(options->stdlib, R_OK) < 0 ? error_errno(err, "%s", options->stdlib) : 0;
}

const char *
python_host_version(void)
{
	return "probe";
}

const char *
python_host_meter_id(void)
{
	return "0123456789abcdef";
}

void
python_host_before_fork(void)
{
}

size_t
python_host_settle(bool first)
{
	(void)first;
	return 0;
}

void
python_host_after_fork_parent(void)
{
}

/* The one place where a worker is confined, but can still ask prctl(). */
void
python_host_after_fork(void)
{
	code_refused = prctl(PR_GET_MDWE, 0ul, 0ul, 0ul, 0ul);
}

static void
say_limits(void)
{
	static const struct {
		const char *name;
		__rlimit_resource_t resource;
	} SHOWN[] = {{"data", RLIMIT_DATA},   {"fsize", RLIMIT_FSIZE},    {"nofile", RLIMIT_NOFILE},
		     {"nproc", RLIMIT_NPROC}, {"cpu", RLIMIT_CPU},        {"core", RLIMIT_CORE},
		     {"stack", RLIMIT_STACK}, {"memlock", RLIMIT_MEMLOCK}};

	for (size_t i = 0; i < sizeof(SHOWN) / sizeof(SHOWN[0]); i++) {
		struct rlimit limit = {1, 2};

		(void)getrlimit(SHOWN[i].resource, &limit);
		dprintf(1, "%s %llu %d\n", SHOWN[i].name, (unsigned long long)limit.rlim_cur,
			limit.rlim_cur == limit.rlim_max);
	}
}

/* "call result errno" */
static void
say_call(const char *name, long result)
{
	dprintf(1, "%s %d %d\n", name, result < 0 ? -1 : 0, result < 0 ? errno : 0);
}

static void
say_state(void)
{
	pid_t own = getpid();

	dprintf(1, "uid %u %u %u %u %d\n", getuid(), geteuid(), getgid(), getegid(),
		getgroups(0, NULL));
	for (int fd = 0; fd < 300; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			dprintf(1, "fd %d\n", fd);
	dprintf(1, "tid_is_pid %d\n", gettid() == own);
	dprintf(1, "mdwe %d\n", code_refused);
	say_limits();
	say_call("kill_1", kill(1, SIGKILL));
	say_call("kill_all", kill(-1, SIGKILL));
	say_call("kill_own", kill(own, 0));
	say_call("raise", raise(SIGCHLD)); /* needs the right thread id in the C library */
	say_call("fork", fork());
	say_call("setuid", setuid(0));
	say_call("open_write", open("/tmp/x", O_WRONLY | O_CREAT, 0600));
	say_call("open_proc", open("/proc/self/status", O_RDONLY));
	say_call("open_above", open("/../../etc/passwd", O_RDONLY));
	say_call("socket", syscall(SYS_socket, 2, 1, 0));
	say_call("raise_limit", setrlimit(RLIMIT_NOFILE, &(struct rlimit){4096, 4096}));
}

int
python_host_run(const struct worker_terms *terms, struct worker_page *page, void *page_base,
		void *code, const void *blob, size_t blob_bytes)
{
	char word[32] = "";

	memcpy(word, blob, blob_bytes < sizeof(word) ? blob_bytes : sizeof(word) - 1);
	if (strcmp(word, "hello") == 0) {
		dprintf(1, "hello\n");
	} else if (strcmp(word, "state") == 0) {
		say_state();
	} else if (strcmp(word, "fatal") == 0) {
		(void)ptrace(PTRACE_TRACEME, 0, 0, 0);
	} else if (strcmp(word, "sleep") == 0) {
		(void)sleep(30);
	} else if (strcmp(word, "exit7") == 0) {
		return 7;
	} else if (strcmp(word, "result") == 0) {
		memcpy((char *)page_base + PAGE_RESULT_OFFSET + RESULT_BYTES_MAX - 4, "last", 4);
		__atomic_store_n(&page->result_bytes, (uint64_t)RESULT_BYTES_MAX, __ATOMIC_RELEASE);
	} else if (strcmp(word, "stdin") == 0) {
		char text[64];
		ssize_t size = read(0, text, sizeof(text));

		dprintf(1, "%.*s", size > 0 ? (int)size : 0, text);
	} else {
		dprintf(2, "%zu bytes, limits of %llu\n", blob_bytes,
			(unsigned long long)terms->limits.memory_bytes);
		return code == NULL ? 1 : 2;
	}
	return 0;
}
