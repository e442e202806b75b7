/*
 * The client's own lines: whatever a daemon or a job has put into their text, they are one line and
 * hold nothing that steers a terminal.
 */
#define _GNU_SOURCE
#include "client/client_print.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

/* What it writes to standard error. */
static void
assert_printed(const char *text, const char *wanted)
{
	int file = memfd_create("stderr", MFD_CLOEXEC), kept = dup(STDERR_FILENO);
	char seen[256] = "";

	assert_true(file >= 0 && kept >= 0);
	assert_true(dup2(file, STDERR_FILENO) >= 0);
	client_print_error("%s", text);
	(void)fflush(stderr);
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	assert_true(pread(file, seen, sizeof(seen) - 1, 0) > 0);
	(void)close(file);
	(void)close(kept);
	assert_string_equal(seen, wanted);
}

static void
test_controls(void **state)
{
	(void)state;
	assert_printed("a name", "stint: a name\n");
	assert_printed("\x1b[2J\r\n\t\x7f\x01", "stint: ?[2J?????\n");
	assert_printed("\xc2\x9b"
		       "2J \xc2\x80\xc2\x9f",
		       "stint: ??2J ????\n");
	assert_printed("\xc2\xa0\xc3\xa4 \xe2\x82\xac \xc2",
		       "stint: \xc2\xa0\xc3\xa4 \xe2\x82\xac \xc2\n");
	assert_printed("", "stint: \n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_controls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
