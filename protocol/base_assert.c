/*
 * What happens when one of our own invariants is broken.
 *
 * base_assert_fail() writes one line to standard error and aborts, in every build.
 * base_check_note() logs, counts and lets the caller go on, but aborts under tests
 * (STINT_FATAL_CHECKS in the environment). Neither allocates; neither is for data from outside the
 * process.
 */
#include "protocol/base_assert.h"
#include "protocol/base_log.h"

#include <stdlib.h>

void
base_assert_fail(const char *expression, const char *file, int line, const char *function)
{
	base_log(LOG_LEVEL_ERROR, "assert", "%s:%d: %s: broken invariant: %s", file, line, function,
		 expression);
	abort();
}

bool
base_check_note(const char *expression, const char *file, int line, const char *function)
{
	/* Counts for the log line only; the counter is why this is a global. */
	static unsigned count;
	unsigned n = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);

	base_log(LOG_LEVEL_ERROR, "assert", "%s:%d: %s: check failed (%u so far): %s", file, line,
		 function, n, expression);
	if (getenv("STINT_FATAL_CHECKS") != NULL)
		abort();
	return true;
}
