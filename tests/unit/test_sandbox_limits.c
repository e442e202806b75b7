/*
 * The two rlimits that depend on whether a worker has an account and a control group of its own.
 */
#include "worker/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/resource.h>

#define MIB (UINT64_C(1) << 20)

static void
processes(void **state)
{
	const struct sandbox own = {.uid = 7}, shared = {.uid = 1, .shared_account = true};

	assert_int_equal(sandbox_limits_processes(&own, 1), 1);
	assert_int_equal(sandbox_limits_processes(&own, 16), 16);
	/* All workers that there can be, and the zygote, are no reason to refuse a thread. */
	assert_int_equal(sandbox_limits_processes(&shared, 4), 4 + WORKERS_MAX + 1);
}

static void
size(void **state)
{
	struct sandbox sandbox = {.uid = 1};
	struct worker_terms terms = {.blob_bytes = 100 * MIB};
	uint64_t least;

	limits_defaults(&terms.limits);
	/* A control group counts what is touched: sparse mappings are free. */
	assert_true(sandbox_limits_size(&sandbox, &terms) == RLIM_INFINITY);
	sandbox.baseline_size_bytes = 30 * MIB;
	least = 30 * MIB + PAGE_FILE_BYTES + terms.limits.memory_bytes + MAIN_STACK_BYTES;
	assert_true(sandbox_limits_size(&sandbox, &terms) >= least);
	assert_true(sandbox_limits_size(&sandbox, &terms) < least + 2 * MIB);
	/* A job that comes by descriptor is mapped whole; each thread has a stack. */
	terms.flags = TERMS_BLOB_FD;
	terms.limits.threads = 3;
	least += 100 * MIB + 2 * THREAD_STACK_BYTES;
	assert_true(sandbox_limits_size(&sandbox, &terms) >= least);
	assert_true(sandbox_limits_size(&sandbox, &terms) < least + 2 * MIB);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(processes),
	    cmocka_unit_test(size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
