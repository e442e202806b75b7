/*
 * Watches the workers of a zygote and prints which rows of the golden table their jobs reach.
 *
 *   seccomp_watch PID       PID: of the zygote, on the host
 *
 * A line "watching" when it is attached; then for each row the first time that a job reaches it
 * "JOB CALL ROW", where JOB counts the workers that put their narrow filter on, from 0, and ROW is
 * the index of the condition that held, "-" for a call without conditions, "refused" when it is
 * refused by a line of the table, "none" when it has no line. It stops each system call of a worker
 * by ptrace, sees the arguments before any filter and changes nothing. Ends when the zygote does.
 * Used by test_seccomp_coverage.py.
 */
#define _GNU_SOURCE
#include "../unit/seccomp_golden.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MACHINE "x86_64"
#else
#define MACHINE "aarch64"
#endif

#define TASKS_MAX 4096
#define ROWS      (GOLDEN_CONDITIONS_MAX + 3) /* conditions, whole call, refused, no line */
#define OPTIONS                                                                                    \
	(PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACESYSGOOD)

struct worker {
	pid_t pid;
	int job; /* negative: still in its set-up */
	uint32_t own;
	unsigned who;
	bool seen[GOLDEN_NUMBERS][ROWS];
};

struct watch {
	pid_t zygote;
	int jobs;
	struct golden golden;
	struct worker *workers[TASKS_MAX]; /* owned */
	size_t count;
};

/* Lines of /proc/PID/status: "Tgid:" and the pid in the innermost namespace. */
static pid_t
field(pid_t pid, const char *name)
{
	char path[64], text[256];
	pid_t value = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (value == 0 && fgets(text, sizeof(text), file)) {
		const char *last = strrchr(text, '\t');

		if (strncmp(text, name, strlen(name)) == 0 && last)
			value = (pid_t)strtol(last + 1, NULL, 10);
	}
	(void)fclose(file);
	return value;
}

static struct worker *
worker_of(struct watch *watch, pid_t pid)
{
	pid_t group = field(pid, "Tgid:");

	for (size_t i = watch->count; i-- > 0;)
		if (watch->workers[i]->pid == group)
			return watch->workers[i];
	if (group == 0 || watch->count == TASKS_MAX)
		return NULL;
	watch->workers[watch->count] = calloc(1, sizeof(struct worker));
	if (!watch->workers[watch->count])
		abort();
	*watch->workers[watch->count] =
	    (struct worker){.pid = group, .job = -1, .own = (uint32_t)field(group, "NStgid:")};
	return watch->workers[watch->count++];
}

/* Which of a line's conditions the arguments meet. */
static size_t
find_row(const struct watch *watch, const struct worker *worker, int number, const uint64_t args[6])
{
	const struct golden_line *line =
	    number < GOLDEN_NUMBERS ? watch->golden.of[worker->who][number] : NULL;
	size_t row = 0;

	if (!line)
		return GOLDEN_CONDITIONS_MAX + 2;
	if (golden_expect(&watch->golden, worker->who, number, args, worker->own) !=
	    SECCOMP_RET_ALLOW)
		return GOLDEN_CONDITIONS_MAX + 1;
	if (line->count == 0)
		return GOLDEN_CONDITIONS_MAX;
	while (row < line->count && !golden_holds(&line->conditions[row], args, worker->own))
		row++;
	return row;
}

static void
record(struct watch *watch, struct worker *worker, int number, const uint64_t args[6])
{
	static const char *const NAMES[] = {"-", "refused", "none"};
	const struct golden_line *line =
	    number >= 0 && number < GOLDEN_NUMBERS ? watch->golden.of[0][number] : NULL;
	size_t row = find_row(watch, worker, number, args);
	char call[32];

	if (number < 0 || number >= GOLDEN_NUMBERS || worker->seen[number][row])
		return;
	worker->seen[number][row] = true;
	(void)snprintf(call, sizeof(call), "%d", number);
	if (row < GOLDEN_CONDITIONS_MAX)
		printf("%d %s %zu\n", worker->job, line->call, row);
	else
		printf("%d %s %s\n", worker->job, line ? line->call : call,
		       NAMES[row - GOLDEN_CONDITIONS_MAX]);
	(void)fflush(stdout);
}

static void
look(struct watch *watch, pid_t pid)
{
	struct __ptrace_syscall_info info;
	struct worker *worker;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	worker = worker_of(watch, pid);
	if (!worker)
		return;
	if (worker->job >= 0) {
		uint64_t args[6];

		for (unsigned i = 0; i < 6; i++)
			args[i] = info.entry.args[i];
		record(watch, worker, (int)info.entry.nr, args);
	} else if (info.entry.nr == SYS_seccomp) {
		worker->job = watch->jobs++;
		worker->who = GOLDEN_JOBS - 1;
	}
}

/* One stop of one task; the zygote's own calls are not looked at. */
static void
resume(struct watch *watch, pid_t pid, int status)
{
	int stop = WSTOPSIG(status), event = status >> 16, pass = 0;
	enum __ptrace_request how = pid == watch->zygote ? PTRACE_CONT : PTRACE_SYSCALL;

	if (stop == (SIGTRAP | 0x80))
		look(watch, pid);
	else if (event == PTRACE_EVENT_STOP && (stop == SIGSTOP || stop == SIGTSTP))
		how = PTRACE_LISTEN;
	else if (event == 0)
		pass = stop;
	(void)ptrace(how, pid, 0, pass);
}

int
main(int argc, char **argv)
{
	static struct watch watch;
	int status;
	pid_t pid;

	if (argc != 2 || golden_load(MACHINE, &watch.golden) < 0)
		return 2;
	watch.zygote = (pid_t)strtol(argv[1], NULL, 10);
	if (ptrace(PTRACE_SEIZE, watch.zygote, 0, OPTIONS) < 0) {
		perror("seccomp_watch: PTRACE_SEIZE");
		return 1;
	}
	puts("watching");
	(void)fflush(stdout);
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (WIFSTOPPED(status))
			resume(&watch, pid, status);
		else if (pid == watch.zygote)
			break;
	}
	for (size_t i = 0; i < watch.count; i++)
		free(watch.workers[i]);
	return 0;
}
