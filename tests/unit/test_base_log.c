/*
 * Log lines as they arrive on standard error: one line each, levels, quoting, the brake.
 */
#define _GNU_SOURCE
#include "protocol/base_log.h"
#include "protocol/error.h"
#include "tests/unit/cmocka_headers.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int pipe_fds[2], saved_stderr;

static int
capture(void **state)
{
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	saved_stderr = fcntl(2, F_DUPFD_CLOEXEC, 3);
	return dup2(pipe_fds[1], 2) < 0 ? -1 : 0;
}

static int
release(void **state)
{
	(void)dup2(saved_stderr, 2);
	(void)close(saved_stderr);
	(void)close(pipe_fds[0]);
	(void)close(pipe_fds[1]);
	return 0;
}

/* What has been logged since the last call. */
static size_t
logged(char *ret, size_t size)
{
	ssize_t n = read(pipe_fds[0], ret, size - 1);

	if (n < 0)
		n = 0;
	ret[n] = '\0';
	return (size_t)n;
}

/* A mount namespace of its own, so that the path can be the journal's. */
static int
journal_child(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX,
				      .sun_path = "/run/systemd/journal/stdout"};
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), writer, reader;
	char text[256];
	ssize_t n;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("run", "/run", "tmpfs", 0, NULL) < 0 || mkdir("/run/systemd", 0755) < 0 ||
	    mkdir("/run/systemd/journal", 0755) < 0)
		return 77;
	writer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listening, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listening, 1) < 0 ||
	    connect(writer, (struct sockaddr *)&address, sizeof(address)) < 0)
		return 1;
	reader = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	if (reader < 0 || dup2(writer, 2) < 0)
		return 2;
	base_log_init("prog", LOG_LEVEL_DEBUG);
	log_error("queue", "a\nb");
	log_warning("queue", "c");
	log_info("queue", "d");
	log_debug("queue", "e");
	n = read(reader, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	return strcmp(text, "<3>prog error queue: a?b\n<4>prog warning queue: c\n"
			    "<6>prog info queue: d\n<7>prog debug queue: e\n") == 0
		   ? 0
		   : 3;
}

static void
the_journal_gets_levels_in_its_form(void **state)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(journal_child());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* needs root */
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
line_has_time_program_level_group(void **state)
{
	char text[4096];

	base_log_init("prog", LOG_LEVEL_INFO);
	errno = EEXIST;
	log_info("queue", "%d jobs", 3);
	assert_int_equal(errno, EEXIST);
	assert_int_not_equal(logged(text, sizeof(text)), 0);
	assert_string_equal(text + 24, " prog info queue: 3 jobs\n");
	assert_int_equal(text[10], 'T');
	assert_int_equal(text[23], 'Z');
}

static void
levels_above_the_limit_are_silent(void **state)
{
	char text[4096];

	base_log_init("prog", LOG_LEVEL_WARNING);
	log_info("g", "no");
	log_debug("g", "no");
	assert_int_equal(logged(text, sizeof(text)), 0);
	log_warning("g", "yes");
	assert_int_not_equal(logged(text, sizeof(text)), 0);
}

static void
a_record_is_one_line_and_capped(void **state)
{
	char text[8192], big[5000];
	size_t length;

	base_log_init("prog", LOG_LEVEL_INFO);
	log_error("g", "a\nforged line\r\x1b[2J");
	length = logged(text, sizeof(text));
	assert_ptr_equal(strchr(text, '\n'), text + length - 1);
	assert_null(strchr(text, '\x1b'));
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_error("g", "%s", big);
	length = logged(text, sizeof(text));
	assert_int_equal(length, 2048);
	assert_int_equal(text[length - 1], '\n');
}

static void
level_names(void **state)
{
	enum log_level level = LOG_LEVEL_ERROR;

	assert_int_equal(base_log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(base_log_level_parse("Debug", &level), ERROR_INVALID);
	assert_int_equal(base_log_level_parse("", &level), ERROR_INVALID);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
}

static void
quote_escapes_and_stays_in_its_room(void **state)
{
	char text[16];

	assert_string_equal(base_log_quote("a\"\n", 3, text, sizeof(text)), "a\\x22\\x0a");
	assert_string_equal(base_log_quote("\xff\\", 2, text, sizeof(text)), "\\xff\\x5c");
	assert_string_equal(base_log_quote("abcdef", 6, text, 4), "abc");
	assert_string_equal(base_log_quote("\n", 1, text, 4), "");
	text[0] = 'z';
	(void)base_log_quote("abc", 3, text, 0);
	assert_int_equal(text[0], 'z');
}

static void
brake_lets_so_many_through(void **state)
{
	struct log_brake brake = {0, 0, 0};
	char text[4096];
	int passed = 0;

	for (int i = 0; i < 10; i++)
		passed += base_log_allowed(&brake, 3);
	assert_int_equal(passed, 3);
	assert_int_equal(brake.dropped, 7);
	brake.window_s -= 60; /* the minute is over */
	assert_int_equal(base_log_allowed(&brake, 3), 1);
	assert_int_not_equal(logged(text, sizeof(text)), 0);
	assert_non_null(strstr(text, "7 lines"));
	assert_int_equal(brake.dropped, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(line_has_time_program_level_group, capture, release),
	    cmocka_unit_test_setup_teardown(the_journal_gets_levels_in_its_form, capture, release),
	    cmocka_unit_test_setup_teardown(levels_above_the_limit_are_silent, capture, release),
	    cmocka_unit_test_setup_teardown(a_record_is_one_line_and_capped, capture, release),
	    cmocka_unit_test(level_names),
	    cmocka_unit_test(quote_escapes_and_stays_in_its_room),
	    cmocka_unit_test_setup_teardown(brake_lets_so_many_through, capture, release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
