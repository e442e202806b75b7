/*
 * When the pool may start workers, by an injected time: each class has a back-off of its own.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "daemon/backoff.h"
#include "daemon/pool.h"
#include "protocol/base_clock.h"

#define NOW_NS   (1000 * NS_PER_S)
#define TARGET   4u
#define FIRST_NS (BACKOFF_FIRST_MS * NS_PER_MS)

static const enum worker_class CLASSES[] = {WORKER_CLASS_PLAIN, WORKER_CLASS_SCRATCH};

static void
start(struct pool *pool, struct worker *worker, enum worker_class class)
{
	memset(worker, 0, sizeof(*worker));
	worker->kind.scratch_bytes = class == WORKER_CLASS_SCRATCH ? 4096 : 0;
	worker->generation = pool->generation;
	list_append(&pool->workers[WORKER_STARTING], &worker->link);
}

static void
a_failure_holds_its_own_class_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < WORKER_CLASS_COUNT; i++) {
		enum worker_class failing = CLASSES[i], other = CLASSES[1 - i];
		struct pool pool;

		pool_init(&pool, TARGET, TARGET);
		assert_int_equal(pool_backoff_end_ns(&pool, NOW_NS), 0);
		for (unsigned failures = 1; failures < 20; failures++) {
			uint64_t delay_ns = backoff_delay_ms(failures) * NS_PER_MS;

			pool_note_failure(&pool, failing, NOW_NS);
			assert_false(pool_may_start(&pool, failing, NOW_NS + delay_ns - 1));
			assert_true(pool_may_start(&pool, failing, NOW_NS + delay_ns));
			assert_true(pool_may_start(&pool, other, NOW_NS));
			assert_int_equal(pool.failed_total, failures);
		}
		assert_int_equal(pool_wanted(&pool, NOW_NS),
				 failing == WORKER_CLASS_PLAIN ? 0 : TARGET);
		pool_note_success(&pool, other); /* says nothing about it */
		assert_false(pool_may_start(&pool, failing, NOW_NS));
		pool_note_success(&pool, failing);
		assert_true(pool_may_start(&pool, failing, NOW_NS));
		assert_int_equal(pool_wanted(&pool, NOW_NS), TARGET);
	}
}

static void
not_more_at_once(void **state)
{
	struct worker first, second, scratch;
	struct pool pool;

	(void)state;
	pool_init(&pool, TARGET, 2);
	assert_true(TARGET > 2);
	assert_int_equal(pool_wanted(&pool, NOW_NS), 2);
	start(&pool, &scratch, WORKER_CLASS_SCRATCH); /* a job waits for that one */
	assert_int_equal(pool_wanted(&pool, NOW_NS), 2);
	start(&pool, &first, WORKER_CLASS_PLAIN);
	assert_int_equal(pool_wanted(&pool, NOW_NS), 1);
	start(&pool, &second, WORKER_CLASS_PLAIN);
	assert_int_equal(pool_wanted(&pool, NOW_NS), 0);
	pool_move(&pool, &first, WORKER_READY);
	assert_int_equal(pool_wanted(&pool, NOW_NS), 1);
}

static void
after_a_failure_one_is_tried(void **state)
{
	struct worker plain, scratch;
	struct pool pool;

	(void)state;
	pool_init(&pool, TARGET, TARGET);
	pool_note_failure(&pool, WORKER_CLASS_PLAIN, NOW_NS);
	assert_int_equal(pool_wanted(&pool, NOW_NS + FIRST_NS), 1);
	start(&pool, &scratch, WORKER_CLASS_SCRATCH); /* is no trial of the others */
	assert_int_equal(pool_wanted(&pool, NOW_NS + FIRST_NS), 1);
	start(&pool, &plain, WORKER_CLASS_PLAIN);
	assert_int_equal(pool_wanted(&pool, NOW_NS + FIRST_NS), 0);
	assert_false(pool_may_start(&pool, WORKER_CLASS_PLAIN, NOW_NS + FIRST_NS));
	assert_true(pool_may_start(&pool, WORKER_CLASS_SCRATCH, NOW_NS + FIRST_NS));
	/* One of an earlier generation says nothing about this one's. */
	plain.generation++;
	assert_true(pool_may_start(&pool, WORKER_CLASS_PLAIN, NOW_NS + FIRST_NS));
}

static void
the_first_end_is_waited_for(void **state)
{
	struct pool pool;

	(void)state;
	pool_init(&pool, TARGET, TARGET);
	pool_note_failure(&pool, WORKER_CLASS_PLAIN, NOW_NS);
	assert_int_equal(pool_backoff_end_ns(&pool, NOW_NS), NOW_NS + FIRST_NS);
	pool_note_failure(&pool, WORKER_CLASS_SCRATCH, NOW_NS - 1);
	assert_int_equal(pool_backoff_end_ns(&pool, NOW_NS), NOW_NS + FIRST_NS - 1);
	assert_int_equal(pool_backoff_end_ns(&pool, NOW_NS + FIRST_NS - 1), NOW_NS + FIRST_NS);
	assert_int_equal(pool_backoff_end_ns(&pool, NOW_NS + FIRST_NS), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_failure_holds_its_own_class_up),
	    cmocka_unit_test(not_more_at_once),
	    cmocka_unit_test(after_a_failure_one_is_tried),
	    cmocka_unit_test(the_first_end_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
