/* The watchdog's decision, on facts with an invented clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/watchdog_look.h"

#define MS 1000000ull

static const struct watchdog_facts BASE = {
    .now_ns = 1000 * MS,
    .started_ns = 900 * MS,
    .wall_limit_ns = 10000 * MS,
    .cpu_limit_ns = 2000 * MS,
    .cpu_used_ns = 100 * MS,
    .cpu_known = true,
    .parallel = 1,
};

static struct watchdog_decision
look(struct watchdog_facts facts)
{
	return watchdog_look(&facts);
}

static void
test_waits_for_what_is_left(void **state)
{
	struct watchdog_decision decision = look(BASE);
	assert_int_equal(decision.reason, WATCHDOG_NONE);
	assert_int_equal(decision.next_ns, (1000 + 1900) * MS);
}

static void
test_threads_shorten_the_wait(void **state)
{
	struct watchdog_facts facts = BASE;
	facts.parallel = 4;
	assert_int_equal(look(facts).next_ns, 1000 * MS + 1900 * MS / 4);
	facts.parallel = 0; /* taken as one */
	assert_int_equal(look(facts).next_ns, (1000 + 1900) * MS);
}

static void
test_cpu_limit_is_reached_at_its_value(void **state)
{
	struct watchdog_facts facts = BASE;
	facts.cpu_used_ns = facts.cpu_limit_ns;
	assert_int_equal(look(facts).reason, WATCHDOG_CPU);
	facts.cpu_used_ns = facts.cpu_limit_ns - 1;
	assert_int_equal(look(facts).reason, WATCHDOG_NONE);
	assert_int_equal(look(facts).next_ns, facts.now_ns + WATCHDOG_LOOK_MIN_NS);
}

static void
test_unknown_cpu_is_no_reason(void **state)
{
	struct watchdog_facts facts = BASE;
	facts.cpu_used_ns = UINT64_MAX;
	facts.cpu_known = false;
	struct watchdog_decision decision = look(facts);
	assert_int_equal(decision.reason, WATCHDOG_NONE);
	assert_true(decision.next_ns > facts.now_ns);
	assert_true(decision.next_ns < facts.now_ns + 1000 * MS);
}

static void
test_wall_deadline(void **state)
{
	struct watchdog_facts facts = BASE;
	facts.wall_limit_ns = 100 * MS;
	assert_int_equal(look(facts).reason, WATCHDOG_WALL);
	facts.wall_limit_ns = 100 * MS + 1;
	assert_int_equal(look(facts).reason, WATCHDOG_NONE);
	/* The deadline comes before the CPU limit can be reached, and before the shortest wait. */
	assert_int_equal(look(facts).next_ns, 1000 * MS + 1);
}

static void
test_cancel_beats_all(void **state)
{
	struct watchdog_facts facts = BASE;
	facts.cancel = true;
	facts.cpu_used_ns = facts.cpu_limit_ns;
	assert_int_equal(look(facts).reason, WATCHDOG_CANCEL);
}

static void
test_cpu_beats_wall(void **state)
{
	struct watchdog_facts facts = BASE;
	facts.cpu_used_ns = facts.cpu_limit_ns;
	facts.wall_limit_ns = 1;
	assert_int_equal(look(facts).reason, WATCHDOG_CPU);
}

static void
test_budget_of_opcodes(void **state)
{
	struct watchdog_facts facts = BASE;
	facts.over = true; /* says nothing without a budget */
	assert_int_equal(look(facts).reason, WATCHDOG_NONE);
	facts.metered = true;
	assert_int_equal(look(facts).reason, WATCHDOG_OPCODES);
	facts.over = false;
	assert_int_equal(look(facts).reason, WATCHDOG_NONE);
	assert_int_equal(look(facts).next_ns, facts.now_ns + WATCHDOG_METER_NS);
	facts.cpu_used_ns = facts.cpu_limit_ns - 2 * WATCHDOG_LOOK_MIN_NS;
	assert_int_equal(look(facts).next_ns, facts.now_ns + 2 * WATCHDOG_LOOK_MIN_NS);
}

/* At a limit: ask, wait for the grace, kill; nothing that the worker does makes it later. */
static void
test_grace(void **state)
{
	struct watchdog_facts facts = BASE;
	facts.wall_limit_ns = 100 * MS;
	struct watchdog_decision decision = look(facts);
	assert_false(decision.kill);
	assert_int_equal(decision.next_ns, facts.now_ns + WATCHDOG_GRACE_NS);

	facts.asked = WATCHDOG_WALL;
	facts.asked_ns = facts.now_ns;
	facts.now_ns += WATCHDOG_GRACE_NS - 1;
	decision = look(facts);
	assert_false(decision.kill);
	assert_int_equal(decision.reason, WATCHDOG_WALL);
	assert_int_equal(decision.next_ns, facts.now_ns + 1);
	facts.now_ns++;
	facts.cancel = true;
	decision = look(facts);
	assert_true(decision.kill);
	assert_int_equal(decision.reason, WATCHDOG_WALL);
}

static void
test_grace_in_cpu_time(void **state)
{
	struct watchdog_facts facts = BASE;
	facts.cpu_used_ns = facts.cpu_limit_ns + 5;
	assert_false(look(facts).kill);
	assert_int_equal(look(facts).next_ns, facts.now_ns + WATCHDOG_GRACE_CPU_NS);
	facts.parallel = 4;
	assert_int_equal(look(facts).next_ns, facts.now_ns + WATCHDOG_GRACE_CPU_NS / 4);

	/* It has waited for a core since, and gets the rest. */
	facts.parallel = 1;
	facts.asked = WATCHDOG_CPU;
	facts.asked_ns = facts.now_ns;
	facts.asked_cpu_ns = facts.cpu_used_ns;
	facts.now_ns += 3 * MS;
	facts.cpu_used_ns += MS / 4;
	assert_false(look(facts).kill);
	assert_int_equal(look(facts).next_ns, facts.now_ns + WATCHDOG_GRACE_CPU_NS - MS / 4);
	facts.cpu_used_ns = facts.asked_cpu_ns + WATCHDOG_GRACE_CPU_NS;
	assert_true(look(facts).kill);

	/* It sleeps. */
	facts.cpu_used_ns = facts.asked_cpu_ns;
	facts.now_ns = facts.asked_ns + WATCHDOG_GRACE_CPU_MAX_NS - 1;
	assert_false(look(facts).kill);
	assert_int_equal(look(facts).next_ns, facts.now_ns + 1);
	facts.now_ns++;
	assert_true(look(facts).kill);

	/* Its clock cannot be read any more. */
	facts.cpu_known = false;
	facts.now_ns = facts.asked_ns + WATCHDOG_GRACE_NS;
	assert_true(look(facts).kill);
}

static void
test_grace_by_reason(void **state)
{
	struct watchdog_facts facts = BASE;
	facts.cancel = true;
	assert_false(look(facts).kill);
	assert_int_equal(look(facts).next_ns, facts.now_ns + WATCHDOG_GRACE_CPU_NS);
	/* A worker that has passed its budget did not heed its own counter. */
	facts = BASE;
	facts.metered = facts.over = true;
	assert_true(look(facts).kill);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_waits_for_what_is_left),
	    cmocka_unit_test(test_threads_shorten_the_wait),
	    cmocka_unit_test(test_cpu_limit_is_reached_at_its_value),
	    cmocka_unit_test(test_unknown_cpu_is_no_reason),
	    cmocka_unit_test(test_wall_deadline),
	    cmocka_unit_test(test_cancel_beats_all),
	    cmocka_unit_test(test_cpu_beats_wall),
	    cmocka_unit_test(test_budget_of_opcodes),
	    cmocka_unit_test(test_grace),
	    cmocka_unit_test(test_grace_in_cpu_time),
	    cmocka_unit_test(test_grace_by_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
