/*
 * Programs that mix print, the buffer, os.write and what streams can do, one by one under our
 * streams and under python3: stdout, stderr and the exit code must be the same to the byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/output_harness.h"

#include <string.h>
#include <sys/wait.h>

struct program {
	const char *name, *source;
};

static const struct program PROGRAMS[] = {
#define PROGRAM(name, source) {name, source},
#include "tests/unit/output_programs.def"
#undef PROGRAM
};

static void
same_bytes(const char *name, const char *what, const struct bytes *got, const struct bytes *wanted)
{
	size_t at = 0;

	while (at < got->size && at < wanted->size && got->data[at] == wanted->data[at])
		at++;
	if (at == got->size && at == wanted->size)
		return;
	print_error("%s: %s differs at byte %zu (%zu bytes, wanted %zu)\n", name, what, at,
		    got->size, wanted->size);
	print_error("got:    %.*s\n", got->size - at > 300 ? 300 : (int)(got->size - at),
		    got->data ? (const char *)got->data + at : "");
	print_error("wanted: %.*s\n", wanted->size - at > 300 ? 300 : (int)(wanted->size - at),
		    wanted->data ? (const char *)wanted->data + at : "");
	fail();
}

static void
test_program(void **state)
{
	const struct program *program = *state;
	struct harness_run ours, theirs;

	harness_run(program->source, HARNESS_CAP_BYTES, HARNESS_CAP_BYTES, 0, &ours);
	harness_run_reference(program->source, &theirs);
	same_bytes(program->name, "stdout", &ours.out, &theirs.out);
	same_bytes(program->name, "stderr", &ours.err, &theirs.err);
	assert_true(WIFEXITED(theirs.status));
	assert_int_equal(ours.status, theirs.status);
	harness_run_deinit(&ours);
	harness_run_deinit(&theirs);
}

int
main(void)
{
	enum { COUNT = sizeof(PROGRAMS) / sizeof(PROGRAMS[0]) };
	struct CMUnitTest tests[COUNT];

	for (size_t i = 0; i < COUNT; i++) {
		struct program *program = (struct program *)(uintptr_t)&PROGRAMS[i];

		tests[i] = (struct CMUnitTest){program->name, test_program, NULL, NULL, program};
	}
	return cmocka_run_group_tests_name("output order", tests, harness_start, harness_end);
}
