/*
 * When a stintd that says nothing is given up: in which states, at which nanosecond, and not when
 * the spawner itself looked late.
 */
#define _GNU_SOURCE
#include "protocol/base_clock.h"
#include "protocol/base_sys.h"
#include "worker/spawner_silence.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define START_NS (1000 * NS_PER_S)
#define MAX_NS   (30 * NS_PER_S)

static void
setup(struct spawner *spawner, enum spawner_daemon_state state)
{
	memset(spawner, 0, sizeof(*spawner));
	config_init(&spawner->config);
	assert_int_equal(config_set(&spawner->config, "silence_max=30s", NULL), 0);
	spawner->daemon.state = state;
	spawner->daemon.pidfd = -1;
	spawner->daemon.link_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(spawner->daemon.link_fd >= 0);
	spawner_silence_begin(spawner, START_NS);
}

static void
teardown(struct spawner *spawner)
{
	base_close(&spawner->daemon.link_fd);
	config_deinit(&spawner->config);
}

/* Whether a look at that time condemns it: nothing more is heard from a condemned one. */
static bool
condemned_at(struct spawner *spawner, uint64_t now_ns)
{
	spawner_silence_check(spawner, now_ns);
	return spawner->daemon.link_fd < 0;
}

static void
to_the_nanosecond(void **state)
{
	struct spawner spawner;

	setup(&spawner, SPAWNER_DAEMON_SERVING);
	assert_false(condemned_at(&spawner, START_NS));
	assert_false(condemned_at(&spawner, START_NS + MAX_NS - 1));
	spawner_silence_begin(&spawner, START_NS + 1);
	assert_false(condemned_at(&spawner, START_NS + MAX_NS));
	assert_true(condemned_at(&spawner, START_NS + MAX_NS + 1));
	teardown(&spawner);
}

static void
only_while_it_serves(void **state)
{
	for (uint32_t bit = SPAWNER_DAEMON_DOWN; bit <= SPAWNER_DAEMON_DRAINING; bit <<= 1) {
		struct spawner spawner;
		bool serves = bit == SPAWNER_DAEMON_SERVING;

		setup(&spawner, (enum spawner_daemon_state)bit);
		assert_int_equal(spawner_silence_is_counted(&spawner), serves);
		assert_int_equal(condemned_at(&spawner, START_NS + MAX_NS), serves);
		assert_false(spawner_silence_is_counted(&spawner)); /* not twice */
		teardown(&spawner);
		setup(&spawner, (enum spawner_daemon_state)bit);
		spawner.stopping = true;
		assert_false(condemned_at(&spawner, START_NS + MAX_NS));
		teardown(&spawner);
	}
}

static void
a_late_look_grants_the_time_once_more(void **state)
{
	uint64_t late_ns = START_NS + MAX_NS + NS_PER_S;
	struct spawner spawner;

	setup(&spawner, SPAWNER_DAEMON_SERVING);
	assert_false(condemned_at(&spawner, late_ns));
	assert_false(condemned_at(&spawner, late_ns + MAX_NS - 1));
	assert_true(condemned_at(&spawner, late_ns + MAX_NS));
	teardown(&spawner);
}

static void
a_closed_link_gives_a_moment(void **state)
{
	for (uint32_t bit = SPAWNER_DAEMON_STARTING; bit <= SPAWNER_DAEMON_SERVING; bit <<= 1) {
		struct spawner spawner;

		setup(&spawner, (enum spawner_daemon_state)bit);
		base_close(&spawner.daemon.link_fd);
		spawner_silence_leave(&spawner, START_NS);
		spawner_silence_check(&spawner, START_NS + 2 * NS_PER_S - 1);
		assert_true(spawner.daemon.leave_ns != 0);
		/* However late the look is: it has had its time, and nobody hears from it. */
		spawner_silence_check(&spawner, START_NS + MAX_NS + NS_PER_S);
		assert_int_equal(spawner.daemon.leave_ns, 0); /* condemned, once */
		teardown(&spawner);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(to_the_nanosecond),
	    cmocka_unit_test(only_while_it_serves),
	    cmocka_unit_test(a_late_look_grants_the_time_once_more),
	    cmocka_unit_test(a_closed_link_gives_a_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
