/*
 * The listening socket, bound or inherited: what is refused, and with which words; and the lines to
 * the service manager.
 */
#define _GNU_SOURCE
#include "protocol/base_sys.h"
#include "worker/spawner_socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define INHERITED_FD 3

static char top[64];

static int
setup(void **state)
{
	(void)state;
	(void)snprintf(top, sizeof(top), "/tmp/stint-test-XXXXXX");
	return mkdtemp(top) ? 0 : -1;
}

static int
teardown(void **state)
{
	char command[96];

	(void)state;
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("NOTIFY_SOCKET");
	(void)snprintf(command, sizeof(command), "rm -r %s", top);
	return system(command);
}

static int
open_at(const char *path, const char *group, struct spawner_socket *ret_socket, struct error *err)
{
	struct config config;
	char setting[300];
	int rc;

	config_init(&config);
	(void)snprintf(setting, sizeof(setting), "socket=%s", path);
	assert_int_equal(config_set(&config, setting, NULL), 0);
	(void)snprintf(setting, sizeof(setting), "socket_group=%s", group);
	assert_int_equal(config_set(&config, setting, NULL), 0);
	rc = spawner_socket_open(&config, getegid(), ret_socket, err);
	config_deinit(&config);
	return rc;
}

/* It is there, of that group, and gone when it was let go. */
static void
assert_serves(const char *group, gid_t expected)
{
	struct spawner_socket socket;
	char path[96];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/run/s.sock", top);
	assert_int_equal(open_at(path, group, &socket, NULL), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_gid, expected);
	assert_string_equal(socket.path, path);
	spawner_socket_unlink(&socket);
	assert_int_equal(access(path, F_OK), -1);
	base_close(&socket.fd);
	base_close(&socket.dir_fd);
}

static void
assert_refused(const char *path, const char *group, const char *text)
{
	struct spawner_socket socket = {.fd = -1, .dir_fd = -1};
	struct error err = ERROR_INIT;

	assert_true(open_at(path, group, &socket, &err) < 0);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
	assert_int_equal(socket.fd, -1);
}

static void
groups_by_name_and_number(void **state)
{
	const struct group *own = getgrgid(getegid());
	char number[16];

	(void)state;
	assert_serves("", getegid());
	(void)snprintf(number, sizeof(number), "%u", (unsigned)getegid());
	assert_serves(number, getegid());
	if (own)
		assert_serves(own->gr_name, getegid());
}

static void
groups_that_are_none(void **state)
{
	static const char *const NAMES[] = {"no-such-group-here", "-1", "4294967295", "7x",
					    "99999999999999999999999"};
	char path[96], text[80];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/s.sock", top);
	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
		(void)snprintf(text, sizeof(text), "no group is named \"%s\"", NAMES[i]);
		assert_refused(path, NAMES[i], text);
		assert_int_equal(access(path, F_OK), -1);
	}
}

static void
paths_that_are_none(void **state)
{
	char path[300], plain[96];

	(void)state;
	assert_refused("relative/s.sock", "", "is not an absolute path");
	(void)snprintf(path, sizeof(path), "%s/", top);
	assert_refused(path, "", "is not an absolute path of a file");
	(void)snprintf(path, sizeof(path), "%s/a/b/s.sock", top);
	assert_refused(path, "", "cannot make the directory");
	(void)snprintf(plain, sizeof(plain), "%s/plain", top);
	base_close(&(int){open(plain, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)});
	assert_refused(plain, "", "is not a socket");
	(void)snprintf(path, sizeof(path), "%s/plain/s.sock", top);
	assert_refused(path, "", plain);
	/* It fits below its directory, but not with what stands for that. */
	(void)snprintf(path, sizeof(path), "/tmp/%0102d", 0);
	assert_refused(path, "", "is too long");
}

/* Put fd to 3, as a service manager does, and see what is made of it. */
static void
assert_inherited(int fd, const char *count, const char *refusal)
{
	int kept = fcntl(INHERITED_FD, F_DUPFD_CLOEXEC, 10);
	struct spawner_socket socket = {.fd = -1, .dir_fd = -1};
	struct error err = ERROR_INIT;
	char pid[16];

	if (fd >= 0 && fd != INHERITED_FD) {
		assert_int_equal(dup2(fd, INHERITED_FD), INHERITED_FD);
		(void)close(fd);
	} else if (fd < 0) {
		(void)close(INHERITED_FD);
	}
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	(void)setenv("LISTEN_PID", pid, 1);
	(void)setenv("LISTEN_FDS", count, 1);
	if (refusal) {
		assert_refused("/nowhere/s.sock", "", refusal);
	} else {
		assert_int_equal(open_at("/nowhere/s.sock", "", &socket, &err), 0);
		assert_int_equal(socket.fd, INHERITED_FD);
		assert_int_equal(socket.dir_fd, -1);
		assert_true(fcntl(INHERITED_FD, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(INHERITED_FD, F_GETFD) & FD_CLOEXEC);
		spawner_socket_unlink(&socket); /* is not ours */
	}
	(void)close(INHERITED_FD);
	if (kept >= 0) {
		assert_int_equal(dup2(kept, INHERITED_FD), INHERITED_FD);
		(void)close(kept);
	}
}

static int
bound(int family_type, bool listens, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, family_type | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", top, name);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (listens)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void
inherited(void **state)
{
	char path[96];
	int inet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_inherited(inet, "1", "not a listening Unix stream socket");
	assert_inherited(bound(SOCK_STREAM, false, "a"), "1", "not a listening Unix stream socket");
	assert_inherited(bound(SOCK_DGRAM, false, "b"), "1", "not a listening Unix stream socket");
	assert_inherited(bound(SOCK_SEQPACKET, true, "c"), "1",
			 "not a listening Unix stream socket");
	assert_inherited(open("/dev/null", O_RDONLY | O_CLOEXEC), "1", "is no socket");
	assert_inherited(-1, "1", "is no socket");
	assert_inherited(bound(SOCK_STREAM, true, "d"), "2", "LISTEN_FDS is \"2\"");
	assert_inherited(bound(SOCK_STREAM, true, "e"), "1", NULL);
	(void)snprintf(path, sizeof(path), "%s/e", top);
	assert_int_equal(access(path, F_OK), 0);
	/* Meant for another process: then it is no activation. */
	(void)setenv("LISTEN_PID", "1", 1);
	assert_serves("", getegid());
	(void)unsetenv("LISTEN_PID");
	assert_serves("", getegid());
}

static void
only_what_is_ours_is_removed(void **state)
{
	struct spawner_socket socket;
	char path[96];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/s.sock", top);
	assert_int_equal(open_at(path, "", &socket, NULL), 0);
	assert_int_equal(unlink(path), 0);
	spawner_socket_unlink(&socket); /* has gone */
	base_close(&(int){open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)});
	spawner_socket_unlink(&socket); /* is another's */
	assert_int_equal(access(path, F_OK), 0);
	base_close(&socket.fd);
	base_close(&socket.dir_fd);
}

/* What the manager got, or "" when nothing came. */
static void
assert_told(int manager, const char *where, const char *expected)
{
	char line[32] = "";
	ssize_t n;

	if (where)
		(void)setenv("NOTIFY_SOCKET", where, 1);
	else
		(void)unsetenv("NOTIFY_SOCKET");
	spawner_socket_notify("READY=1");
	n = recv(manager, line, sizeof(line) - 1, MSG_DONTWAIT);
	line[n > 0 ? n : 0] = '\0';
	assert_string_equal(line, expected);
}

static void
the_manager_is_told(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char where[300];
	int manager = bound(SOCK_DGRAM, false, "n"),
	    abstract = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	(void)snprintf(where, sizeof(where), "%s/n", top);
	assert_told(manager, where, "READY=1");
	assert_told(manager, NULL, "");
	assert_told(manager, "n", "");
	(void)snprintf(where, sizeof(where), "%s/absent", top);
	assert_told(manager, where, "");
	(void)snprintf(where, sizeof(where), "%s/%0200d", top, 0);
	assert_told(manager, where, "");
	(void)snprintf(where, sizeof(where), "@%s", top);
	memcpy(address.sun_path + 1, top, strlen(top));
	assert_int_equal(bind(abstract, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(where))),
			 0);
	assert_told(abstract, where, "READY=1");
	(void)close(manager);
	(void)close(abstract);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(groups_by_name_and_number),    TEST(groups_that_are_none),
	    TEST(paths_that_are_none),          TEST(inherited),
	    TEST(only_what_is_ours_is_removed), TEST(the_manager_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
