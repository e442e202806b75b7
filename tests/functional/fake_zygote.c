/*
 * A stand-in for stint-zygote: answers a word on its link with a report of what it was given. Only
 * tests run it.
 *
 *   args | self | cgroup | tree | NAME of a leaf: is born into it | exit
 */
#define _GNU_SOURCE
#include "protocol/message.h"
#include "worker/zygote_args.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct fake {
	char **argv;
	const char *root, *roles;
	char answer[8000];
	size_t used;
};

static void fake_say(struct fake *fake, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
fake_say(struct fake *fake, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(fake->answer + fake->used, sizeof(fake->answer) - fake->used, format, args);
	va_end(args);
	if (n > 0 && fake->used + (size_t)n < sizeof(fake->answer))
		fake->used += (size_t)n;
}

static void
fake_file(struct fake *fake, const char *path)
{
	char text[2048];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = ';';
	fake_say(fake, "%s", text);
	(void)close(fd);
}

static void
fake_self(struct fake *fake)
{
	extern char **environ;
	struct rlimit stack, core;
	char host[65] = "", cwd[64] = "";
	int open_fds = 0, death = 0;
	sigset_t blocked;

	for (int fd = 0; fd < 1024; fd++)
		open_fds += fcntl(fd, F_GETFD) >= 0;
	(void)getrlimit(RLIMIT_STACK, &stack);
	(void)getrlimit(RLIMIT_CORE, &core);
	(void)gethostname(host, sizeof(host));
	(void)prctl(PR_GET_PDEATHSIG, &death);
	(void)sigprocmask(SIG_BLOCK, NULL, &blocked);
	if (!getcwd(cwd, sizeof(cwd)))
		*cwd = '\0';
	fake_say(fake,
		 "pid=%d ppid=%d uid=%u gid=%u groups=%d host=%s stack=%llu core=%llu fds=%d "
		 "death=%d cwd=%s term_blocked=%d env=%s,%s",
		 (int)getpid(), (int)getppid(), getuid(), getgid(), getgroups(0, NULL), host,
		 (unsigned long long)stack.rlim_cur, (unsigned long long)core.rlim_max, open_fds,
		 death, cwd, sigismember(&blocked, SIGTERM), environ[0],
		 environ[0] && environ[1] ? "more" : "");
	fake_say(fake, " map=");
	fake_file(fake, "/proc/self/uid_map");
}

/* Names in root/path, and whether something can be made there. */
static void
fake_list(struct fake *fake, const char *path)
{
	char full[512];
	struct dirent *entry;
	size_t count = 0;
	DIR *dir;

	(void)snprintf(full, sizeof(full), "%s%s", fake->root, path);
	dir = opendir(full);
	fake_say(fake, "%s=", path);
	while (dir && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (++count <= 8)
			fake_say(fake, "%s,", entry->d_name);
	}
	(void)snprintf(full, sizeof(full), "%s%s/new", fake->root, path);
	fake_say(fake, "(%zu)", dir ? count : 9999);
	errno = 0;
	(void)mkdir(full, 0700);
	fake_say(fake, "%s ", strerrorname_np(errno));
	if (dir)
		(void)closedir(dir);
}

/* As a worker's birth: into the v2 leaf by clone3, into each v1 leaf by a write of "0". */
static void
fake_birth(struct fake *fake, const char *leaf)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	char path[128], *rest = strdup(fake->roles);
	int into = -1, pipes[2], status = -1;
	long pid;

	int fd = ZYGOTE_ARGS_FD_DIRS;
	for (char *role = strtok(rest, ","); role; role = strtok(NULL, ","), fd++)
		if (strtoul(role, NULL, 10) & CGROUP_ROLE_V2)
			into = openat(fd, leaf, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (into >= 0) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)into;
	}
	if (pipe(pipes) < 0)
		exit(1);
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		fake_say(fake, "clone3=%s ", strerrorname_np(errno));
	if (pid == 0) {
		(void)strcpy(rest, fake->roles);
		fd = ZYGOTE_ARGS_FD_DIRS;
		for (char *role = strtok(rest, ","); role; role = strtok(NULL, ","), fd++) {
			int tasks;

			if (strtoul(role, NULL, 10) & CGROUP_ROLE_V2)
				continue;
			(void)snprintf(path, sizeof(path), "%s/tasks", leaf);
			tasks = openat(fd, path, O_WRONLY | O_CLOEXEC);
			if (tasks < 0 || write(tasks, "0", 1) != 1)
				fake_say(fake, "tasks=%s ", strerrorname_np(errno));
		}
		if (setresgid(7, 7, 7) < 0 || setresuid(7, 7, 7) < 0)
			fake_say(fake, "ids=%s ", strerrorname_np(errno));
		fake_file(fake, "/proc/self/cgroup");
		(void)!write(pipes[1], fake->answer, fake->used);
		_exit(5);
	}
	(void)close(pipes[1]);
	if (pid > 0) {
		ssize_t n = read(pipes[0], fake->answer, sizeof(fake->answer) - 1);

		fake->used = n > 0 ? (size_t)n : 0;
		(void)waitpid((pid_t)pid, &status, 0);
		fake_say(fake, " exit=%d", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	}
	(void)close(pipes[0]);
	(void)close(into);
	free(rest);
}

static void
fake_answer(struct fake *fake, const char *word)
{
	fake->used = 0;
	if (strcmp(word, "args") == 0) {
		for (char **arg = fake->argv; *arg; arg++)
			fake_say(fake, "[%s]", *arg);
	} else if (strcmp(word, "self") == 0) {
		fake_self(fake);
	} else if (strcmp(word, "cgroup") == 0) {
		fake_file(fake, "/proc/self/cgroup");
	} else if (strcmp(word, "tree") == 0) {
		fake_list(fake, "");
		fake_list(fake, "/dev");
		fake_list(fake, "/tmp");
		fake_list(fake, "/usr/lib/python3.11");
		fake_list(fake, "/usr/lib/python3.11/lib-dynload");
		fake_list(fake, "/usr/lib/python3.11/json");
		fake_list(fake, "/usr/share/zoneinfo/Europe");
	} else if (strcmp(word, "exit") == 0) {
		_exit(9);
	} else {
		fake_birth(fake, word);
	}
}

int
main(int argc, char **argv)
{
	static struct fake fake;
	char word[64];
	ssize_t n;

	fake.argv = argv;
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], ZYGOTE_ARGS_ROOT) == 0)
			fake.root = argv[i + 1];
		if (strcmp(argv[i], ZYGOTE_ARGS_ROLES) == 0)
			fake.roles = argv[i + 1];
	}
	while ((n = recv(ZYGOTE_ARGS_FD_LINK, word, sizeof(word) - 1, 0)) > 0) {
		word[n] = '\0';
		fake_answer(&fake, word);
		(void)send(ZYGOTE_ARGS_FD_LINK, fake.answer, fake.used, MSG_NOSIGNAL);
	}
	/* The other end is gone; the spawner's kill has to end this process all the same. */
	for (;;)
		(void)pause();
}
