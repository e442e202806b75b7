/*
 * A stand-in for stintd that does over the client socket what a test tells it, one line at a time,
 * and answers one line each. It knows the spawner link and nothing else. Only tests run it.
 *
 *   ready | start N | end N | next | zygote N TEXT | leaf N NAME | rmleaf N NAME | id | exit N
 *   hangup                                (closes the spawner link and lives on)
 *   short | unknown | withfd | dirty      (breaches of the protocol)
 *   raw COUNT TYPE,VERSION,SIZE,FDS,NUMBER       (any message, so many times)
 *   nest N DEPTH | fill N COUNT                  (groups where they can be made below generation N)
 * A start whose configuration sets hash_seed to 4000000000 ends at once with status 3.
 */
#define _GNU_SOURCE
#include "protocol/base_sys.h"
#include "protocol/message.h"

#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FAKE_GENERATIONS 64

struct fake {
	int spawner_fd;
	int links[FAKE_GENERATIONS];
	int dirs[FAKE_GENERATIONS][CGROUP_DIRS_MAX];
	struct message_generation bodies[FAKE_GENERATIONS];
	char answer[8192];
};

static void fake_say(struct fake *fake, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
fake_say(struct fake *fake, const char *format, ...)
{
	size_t used = strlen(fake->answer);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(fake->answer + used, sizeof(fake->answer) - used, format, args);
	va_end(args);
}

static void
fake_send(struct fake *fake, enum message_type type, uint64_t number)
{
	struct error err = ERROR_INIT;
	struct message message;

	message_init(&message, type);
	message.body.generation.number = number;
	if (base_send_fds(fake->spawner_fd, &message, sizeof(message), NULL, 0, 0, &err) < 0)
		fake_say(fake, "error=%s ", err.text);
}

/* Receive one message of the spawner and describe it. */
static void
fake_next(struct fake *fake)
{
	struct error err = ERROR_INIT;
	struct message message;
	struct message_generation *body = &message.body.generation;
	int fds[FDS_PER_MESSAGE_MAX];
	size_t size, count;

	if (base_recv_fds(fake->spawner_fd, &message, sizeof(message), &size, fds,
			  FDS_PER_MESSAGE_MAX, &count, NULL, 0, &err) < 0) {
		fake_say(fake, "error=%s", err.text);
		return;
	}
	fake_say(fake, "type=%s number=%" PRIu64 " error=%d status=%d fds=%zu base=%u count=%u",
		 message_name(message.type), body->number, body->error, body->wait_status, count,
		 body->uid_base, body->uid_count);
	for (size_t i = 0; i < count; i++) {
		struct stat st;

		if (i == 0) {
			fake->links[body->number % FAKE_GENERATIONS] = fds[0];
			continue;
		}
		fake->dirs[body->number % FAKE_GENERATIONS][i - 1] = fds[i];
		if (fstat(fds[i], &st) == 0)
			fake_say(fake, " dir=%u:%u:%u:%o", body->roles[i - 1], st.st_uid, st.st_gid,
				 st.st_mode & 07777);
	}
	fake->bodies[body->number % FAKE_GENERATIONS] = *body;
}

static void
fake_zygote(struct fake *fake, unsigned number, const char *text)
{
	int fd = fake->links[number % FAKE_GENERATIONS];
	ssize_t n;

	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0) {
		fake_say(fake, "error=send");
		return;
	}
	n = recv(fd, fake->answer, sizeof(fake->answer) - 1, 0);
	fake->answer[n > 0 ? n : 0] = '\0';
}

/* Make a leaf as stintd does: the zygote's gid may write its member list. */
static void
fake_leaf(struct fake *fake, unsigned number, const char *name, int make)
{
	const struct message_generation *body = &fake->bodies[number % FAKE_GENERATIONS];
	char path[128];

	for (uint32_t i = 0; i < body->dir_count; i++) {
		int dir = fake->dirs[number % FAKE_GENERATIONS][i];
		const char *file = body->roles[i] & CGROUP_ROLE_V2 ? "cgroup.procs" : "tasks";

		(void)snprintf(path, sizeof(path), "%s/%s", name, file);
		if (!make) {
			if (unlinkat(dir, name, AT_REMOVEDIR) < 0)
				fake_say(fake, "rmdir=%m ");
			continue;
		}
		if (mkdirat(dir, name, 0750) < 0 ||
		    fchownat(dir, name, (uid_t)-1, body->uid_base, 0) < 0 ||
		    fchownat(dir, path, (uid_t)-1, body->uid_base, 0) < 0 ||
		    fchmodat(dir, path, 0660, 0) < 0)
			fake_say(fake, "leaf=%m ");
	}
	fake_say(fake, "done");
}

static void
fake_breach(struct fake *fake, const char *how)
{
	struct message message;
	int fd = STDIN_FILENO, count = strcmp(how, "withfd") == 0;

	message_init(&message, MESSAGE_GENERATION_END);
	message.body.generation.number = 1;
	if (strcmp(how, "unknown") == 0)
		message.type = 40;
	if (strcmp(how, "dirty") == 0)
		message.body.bytes[100] = 1;
	(void)base_send_fds(fake->spawner_fd, &message,
			    strcmp(how, "short") == 0 ? 17 : sizeof(message), &fd, (size_t)count, 0,
			    NULL);
	fake_say(fake, "sent");
}

/* `count` messages of any shape; the first that cannot be sent ends it. */
static void
fake_raw(struct fake *fake, unsigned count, const char *spec)
{
	unsigned type = 0, version = 0, size = 0, fd_count = 0, number = 0, sent = 0;
	int fds[FDS_PER_MESSAGE_MAX] = {0};
	struct {
		struct message message;
		char more[4096];
	} any;

	(void)sscanf(spec, "%u,%u,%u,%u,%u", &type, &version, &size, &fd_count, &number);
	memset(&any, 0, sizeof(any));
	message_init(&any.message, (enum message_type)type);
	any.message.version = version;
	any.message.body.generation.number = number;
	if (size == 0) { /* reads like an end of file */
		fake_say(fake, "sent=%zd", send(fake->spawner_fd, "", 0, MSG_NOSIGNAL));
		return;
	}
	while (sent < count &&
	       base_send_fds(fake->spawner_fd, &any, size, fds, fd_count, 0, NULL) == 0)
		sent++;
	fake_say(fake, "sent=%u", sent);
}

/* Groups in a row, one below the other; the names would hide from a careless listing. */
static void
fake_nest(struct fake *fake, unsigned number, unsigned depth)
{
	for (uint32_t i = 0; i < fake->bodies[number % FAKE_GENERATIONS].dir_count; i++) {
		int at = dup(fake->dirs[number % FAKE_GENERATIONS][i]);
		unsigned made = 0;

		while (made < depth && mkdirat(at, ".n", 0755) == 0) {
			int next = openat(at, ".n", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			(void)close(at);
			at = next;
			made++;
		}
		(void)close(at);
		fake_say(fake, "%u:%u ", fake->bodies[number % FAKE_GENERATIONS].roles[i], made);
	}
}

static void
fake_fill(struct fake *fake, unsigned number, unsigned count)
{
	for (uint32_t i = 0; i < fake->bodies[number % FAKE_GENERATIONS].dir_count; i++) {
		unsigned made = 0;
		char name[16];

		do
			(void)snprintf(name, sizeof(name), "f%u", made);
		while (made < count &&
		       mkdirat(fake->dirs[number % FAKE_GENERATIONS][i], name, 0755) == 0 &&
		       ++made);
		fake_say(fake, "%u:%u ", fake->bodies[number % FAKE_GENERATIONS].roles[i], made);
	}
}

static void
fake_id(struct fake *fake)
{
	gid_t groups[8];
	int count = getgroups(8, groups), open_fds = 0;
	struct rlimit files;

	for (int fd = 0; fd < 1024; fd++)
		open_fds += fcntl(fd, F_GETFD) >= 0;
	(void)getrlimit(RLIMIT_NOFILE, &files);
	fake_say(fake, "pid=%d uid=%u gid=%u fds=%d files_full=%d groups=", (int)getpid(), getuid(),
		 getgid(), open_fds, files.rlim_cur == files.rlim_max);
	for (int i = 0; i < count; i++)
		fake_say(fake, "%u,", groups[i]);
}

static void
fake_command(struct fake *fake, char *line)
{
	char word[16] = "", text[64] = "";
	unsigned number = 0;

	line[strcspn(line, "\n")] = '\0';
	(void)sscanf(line, "%15s %u %63s", word, &number, text);
	if (strcmp(word, "ready") == 0)
		fake_send(fake, MESSAGE_DAEMON_READY, 0);
	else if (strcmp(word, "start") == 0)
		fake_send(fake, MESSAGE_GENERATION_START, number);
	else if (strcmp(word, "end") == 0)
		fake_send(fake, MESSAGE_GENERATION_END, number);
	else if (strcmp(word, "next") == 0)
		fake_next(fake);
	else if (strcmp(word, "zygote") == 0)
		fake_zygote(fake, number, text);
	else if (strcmp(word, "leaf") == 0 || strcmp(word, "rmleaf") == 0)
		fake_leaf(fake, number, text, *word == 'l');
	else if (strcmp(word, "raw") == 0)
		fake_raw(fake, number, text);
	else if (strcmp(word, "nest") == 0)
		fake_nest(fake, number, (unsigned)atoi(text));
	else if (strcmp(word, "fill") == 0)
		fake_fill(fake, number, (unsigned)atoi(text));
	else if (strcmp(word, "id") == 0)
		fake_id(fake);
	else if (strcmp(word, "hangup") == 0)
		(void)close(fake->spawner_fd);
	else if (strcmp(word, "exit") == 0)
		_exit((int)number);
	else
		fake_breach(fake, word);
	if (*fake->answer == '\0')
		fake_say(fake, "ok");
	fake_say(fake, "\n");
}

static bool
fake_is_to_fail(int config_fd)
{
	char text[16384];
	ssize_t size = pread(config_fd, text, sizeof(text) - 1, 0);

	text[size > 0 ? size : 0] = '\0';
	return strstr(text, "hash_seed = 4000000000\n") != NULL;
}

int
main(int argc, char **argv)
{
	static struct fake fake;
	int listen_fd = -1;
	char line[256];
	FILE *client;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--listen-fd") == 0)
			listen_fd = atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--spawner-fd") == 0)
			fake.spawner_fd = atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--config-fd") == 0 && fake_is_to_fail(atoi(argv[i + 1])))
			return 3;
	}
	(void)fcntl(listen_fd, F_SETFL, 0);
	for (;;) {
		int fd = accept(listen_fd, NULL, NULL);

		if (fd < 0)
			return 4;
		client = fdopen(fd, "r+");
		while (client && fgets(line, sizeof(line), client)) {
			*fake.answer = '\0';
			fake_command(&fake, line);
			if (write(fd, fake.answer, strlen(fake.answer)) < 0)
				break;
		}
		if (client)
			(void)fclose(client);
	}
}
