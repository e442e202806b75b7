/*
 * stintd's birth, drain and end, with the stand-ins of spawner_fixture.c: a birth that fails at any
 * step leaves nothing open and stintd down.
 */
#define _GNU_SOURCE
#include "spawner_fixture.h"

#include "protocol/base_clock.h"
#include "protocol/base_sys.h"
#include "protocol/message.h"
#include "worker/spawner_daemon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#define NOW_NS (1000 * NS_PER_S)

/* Down, as before its first start. */
static int
setup(void **state)
{
	struct spawner_fixture *fixture = spawner_fixture_setup();

	base_close(&fixture->peer_fd);
	base_close(&fixture->spawner.daemon.link_fd);
	base_close(&fixture->spawner.daemon.pidfd);
	fixture->spawner.daemon.state = SPAWNER_DAEMON_DOWN;
	*state = fixture;
	return 0;
}

static int
teardown(void **state)
{
	spawner_fixture_teardown(*state);
	return 0;
}

static void
a_start_fails_at_any_step(void **state)
{
	static const enum spawner_fixture_step STEPS[] = {FIXTURE_LINK, FIXTURE_ENTRANCE,
							  FIXTURE_EXEC};
	struct spawner_fixture *fixture = *state;
	unsigned before = spawner_fixture_open_fds();

	for (size_t i = 0; i < sizeof(STEPS) / sizeof(STEPS[0]); i++) {
		struct error err = ERROR_INIT;

		fixture->fail = STEPS[i];
		fixture->fail_sys = EMFILE;
		assert_true(spawner_daemon_start(&fixture->spawner, &err) < 0);
		assert_int_equal(fixture->failed, STEPS[i]);
		assert_int_equal(err.sys, EMFILE);
		assert_int_equal(fixture->spawner.daemon.state, SPAWNER_DAEMON_DOWN);
		assert_int_equal(spawner_fixture_open_fds(), before);
	}
}

static void
a_start_begins_anew(void **state)
{
	struct spawner_fixture *fixture = *state;
	struct spawner_daemon *daemon = &fixture->spawner.daemon;

	daemon->seen = 7;
	daemon->rate.full_ns = UINT64_MAX;
	fixture->spawner.generation_last = 9;
	assert_int_equal(spawner_daemon_start(&fixture->spawner, NULL), 0);
	assert_int_equal(daemon->state, SPAWNER_DAEMON_STARTING);
	assert_true(daemon->link_fd >= 0 && daemon->pidfd >= 0 && daemon->due_ns != 0);
	assert_int_equal(daemon->seen, 0);
	assert_int_equal(daemon->rate.full_ns, 0);
	assert_int_equal(fixture->spawner.generation_last, 0);
	assert_int_equal(fixture->removed_children, 1);
	assert_int_equal(fixture->plan.uid, FIXTURE_UID);
	assert_true(fixture->plan.no_new_privs && !fixture->plan.keep_groups);
	assert_int_equal(fixture->plan.fd_count, 2);
	assert_string_equal(spawner_fixture_argument(fixture, "--listen-fd"), "3");
	assert_string_equal(spawner_fixture_argument(fixture, "--spawner-fd"), "4");
	/* Never two, and never beside a generation of the one before. */
	FIXTURE_ABORTS(fixture, spawner_daemon_start(&fixture->spawner, NULL));
	daemon->state = SPAWNER_DAEMON_DOWN;
	fixture->spawner.generations[1].number = 1;
	FIXTURE_ABORTS(fixture, spawner_daemon_start(&fixture->spawner, NULL));
}

static void
a_start_hands_over_what_there_is(void **state)
{
	struct spawner_fixture *fixture = *state;
	struct spawner *spawner = &fixture->spawner;

	spawner->config_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(spawner_daemon_start(spawner, NULL), 0);
	assert_int_equal(fixture->plan.fd_count, 3);
	assert_string_equal(spawner_fixture_argument(fixture, "--config-fd"), "5");
	assert_string_equal(spawner_fixture_argument(fixture, "--metrics-fd"), "");
}

static void
a_drain_is_asked_for_once(void **state)
{
	struct spawner_fixture *fixture = *state;
	struct spawner *spawner = &fixture->spawner;

	spawner_daemon_drain(spawner, NOW_NS); /* nobody to ask */
	assert_true(spawner->stopping);
	assert_int_equal(spawner->daemon.state, SPAWNER_DAEMON_DOWN);
	assert_int_equal(spawner->stop_ns, NOW_NS + SPAWNER_GRACE_MS * NS_PER_MS);
	spawner_daemon_drain(spawner, NOW_NS + 1);
	assert_int_equal(spawner->stop_ns, NOW_NS + 1); /* the second signal */
	assert_true(spawner_daemon_ended(spawner, NOW_NS));
	assert_int_equal(spawner->daemon.due_ns, 0); /* and no restart is planned */
}

static void
a_drain_reaches_it_or_ends_it(void **state)
{
	enum { GOES, HAS_NO_LINK, LINK_IS_FULL, CASES };

	for (int which = 0; which < CASES; which++) {
		struct spawner_fixture *fixture = spawner_fixture_setup();
		struct spawner_daemon *daemon = &fixture->spawner.daemon;
		struct message message;
		size_t size, fds;

		memset(&message, 0, sizeof(message));
		if (which == HAS_NO_LINK)
			base_close(&daemon->link_fd);
		while (which == LINK_IS_FULL &&
		       send(daemon->link_fd, &message, sizeof(message), MSG_DONTWAIT) > 0)
			continue;
		daemon->leave_ns = which == HAS_NO_LINK ? 1 : 0;
		spawner_daemon_drain(&fixture->spawner, NOW_NS);
		assert_int_equal(fixture->daemon_kills, which != GOES);
		assert_int_equal(daemon->leave_ns, 0);
		assert_int_equal(daemon->link_fd >= 0, which == GOES);
		if (which == GOES) {
			assert_int_equal(daemon->state, SPAWNER_DAEMON_DRAINING);
			assert_int_equal(base_recv_fds(fixture->peer_fd, &message, sizeof(message),
						       &size, NULL, 0, &fds, NULL, 0, NULL),
					 0);
			assert_int_equal(message.type, MESSAGE_DRAIN);
		}
		spawner_fixture_teardown(fixture);
	}
	(void)state;
}

static void
its_end_ends_all(void **state)
{
	struct spawner_fixture *fixture = *state;
	struct spawner *spawner = &fixture->spawner;

	assert_int_equal(spawner_daemon_start(spawner, NULL), 0);
	spawner->generations[0].number = 8;
	spawner->generations[0].pidfd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	spawner->daemon.leave_ns = NOW_NS;
	assert_true(spawner_daemon_ended(spawner, NOW_NS));
	assert_int_equal(spawner->daemon.state, SPAWNER_DAEMON_DOWN);
	assert_int_equal(spawner->daemon.link_fd, -1);
	assert_int_equal(spawner->daemon.pidfd, -1);
	assert_int_equal(spawner->daemon.leave_ns, 0);
	assert_int_equal(spawner->daemon.due_ns, NOW_NS);
	assert_int_equal(fixture->zygote_kills, 1);
	assert_true(spawner->generations[0].ending);
	for (unsigned i = 2; i < SPAWNER_BACKOFF_ATTEMPTS; i++)
		assert_true(spawner_daemon_ended(spawner, NOW_NS));
	assert_true(spawner->daemon.due_ns > NOW_NS);
	assert_false(spawner_daemon_ended(spawner, NOW_NS)); /* it never worked */
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_start_fails_at_any_step),
	    TEST(a_start_begins_anew),
	    TEST(a_start_hands_over_what_there_is),
	    TEST(a_drain_is_asked_for_once),
	    cmocka_unit_test(a_drain_reaches_it_or_ends_it),
	    TEST(its_end_ends_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
