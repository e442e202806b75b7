/*
 * What the spawner does about each request of stintd, with stand-ins for births, deaths and control
 * groups: each step can be made to fail, and what was opened before it must be closed.
 */
#define _GNU_SOURCE
#include "spawner_fixture.h"

#include "protocol/base_clock.h"
#include "protocol/base_sys.h"
#include "worker/spawner_monitor.h"
#include "worker/spawner_zygote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

static int
setup(void **state)
{
	*state = spawner_fixture_setup();
	return 0;
}

static int
teardown(void **state)
{
	spawner_fixture_teardown(*state);
	return 0;
}

static void
say(struct spawner_fixture *fixture, enum message_type type, uint64_t number)
{
	struct message message;

	message_init(&message, type);
	message.body.generation.number = number;
	assert_int_equal(
	    base_send_fds(fixture->peer_fd, &message, sizeof(message), NULL, 0, 0, NULL), 0);
}

static void
ask(struct spawner_fixture *fixture, enum message_type type, uint64_t number)
{
	say(fixture, type, number);
	spawner_monitor_read(&fixture->spawner);
}

/* The spawner's next message; its descriptors are closed. False: there is none. */
static bool
answer(struct spawner_fixture *fixture, struct message *ret_message, size_t *ret_fds)
{
	int fds[FDS_PER_MESSAGE_MAX];
	size_t size;

	if (base_recv_fds(fixture->peer_fd, ret_message, sizeof(*ret_message), &size, fds,
			  FDS_PER_MESSAGE_MAX, ret_fds, NULL, MSG_DONTWAIT, NULL) < 0)
		return false;
	assert_int_equal(size, sizeof(*ret_message));
	for (size_t i = 0; i < *ret_fds; i++)
		base_close(&fds[i]);
	return true;
}

static bool
is_condemned(const struct spawner_fixture *fixture)
{
	return fixture->spawner.daemon.link_fd < 0 && fixture->daemon_kills > 0;
}

static void
a_start_fails_at_any_step(void **state)
{
	struct spawner_fixture *fixture = *state;
	unsigned before = spawner_fixture_open_fds();

	for (int sys = 0; sys <= ENOSPC; sys += ENOSPC)
		for (enum spawner_fixture_step step = FIXTURE_GROUPS; step <= FIXTURE_EXEC;
		     step++) {
			uint64_t number = ++fixture->spawner.generation_last + 1;
			struct message message;
			size_t fds;

			fixture->fail = step;
			fixture->fail_sys = sys;
			fixture->removed = 0;
			ask(fixture, MESSAGE_GENERATION_START, number);
			assert_false(fixture->failed == FIXTURE_NONE);
			assert_true(answer(fixture, &message, &fds));
			assert_int_equal(message.type, MESSAGE_GENERATION_STARTED);
			assert_int_equal(message.body.generation.number, number);
			assert_int_equal(message.body.generation.error, sys ? sys : EIO);
			assert_int_equal(fds, 0);
			assert_int_equal(fixture->removed, 1);
			assert_int_equal(spawner_zygote_live(&fixture->spawner), 0);
			assert_int_equal(spawner_fixture_open_fds(), before);
			assert_false(is_condemned(fixture));
			fixture->spawner.daemon.rate = (struct spawner_rate){0};
		}
}

static void
a_start_gives_link_and_directories(void **state)
{
	struct spawner_fixture *fixture = *state;
	unsigned before = spawner_fixture_open_fds();
	struct message message;
	size_t fds;

	for (uint64_t number = 1; number <= SPAWNER_GENERATIONS_MAX; number++) {
		ask(fixture, MESSAGE_GENERATION_START, number);
		assert_true(answer(fixture, &message, &fds));
		assert_int_equal(fds, 1 + FIXTURE_TREES);
		assert_int_equal(message.body.generation.error, 0);
		assert_int_equal(message.body.generation.uid_base,
				 FIXTURE_UID_BASE + number % 2 * FIXTURE_UID_COUNT);
		assert_int_equal(message.body.generation.uid_count, FIXTURE_UID_COUNT);
		assert_int_equal(message.body.generation.dir_count, FIXTURE_TREES);
		assert_int_equal(message.body.generation.roles[0], CGROUP_ROLE_MEMORY);
		assert_int_equal(message.body.generation.layers, FIXTURE_LAYERS);
		assert_int_equal(fixture->plan.map_base, message.body.generation.uid_base);
		assert_int_equal(fixture->plan.namespaces, SPAWNER_ZYGOTE_NAMESPACES);
		assert_int_equal(fixture->group_owner, message.body.generation.uid_base);
	}
	/* What stays is the pidfds. */
	assert_int_equal(spawner_fixture_open_fds(), before + SPAWNER_GENERATIONS_MAX);
	assert_int_equal(spawner_zygote_live(&fixture->spawner), SPAWNER_GENERATIONS_MAX);
	/* A third has no range to be in: the monitor refuses it before, and this would be a defect.
	 */
	FIXTURE_ABORTS(fixture, spawner_zygote_start(&fixture->spawner, 3, &message.body.generation,
						     (int[1 + CGROUP_DIRS_MAX]){0}, &fds, NULL));
}

static void
a_zygote_is_told_what_is_set(void **state)
{
	static const struct {
		const char *set, *option, *value;
		bool rootless, landlock;
	} ROWS[] = {
	    {"asyncio=yes", "--asyncio", "yes", false, true},
	    {"asyncio=no", "--asyncio", "no", false, true},
	    {"pin_cores=yes", "--pin-cores", "yes", false, true},
	    {"pin_cores=no", "--pin-cores", "no", false, true},
	    {"max_scratch_bytes=0", "--scratch", "no", false, true},
	    {"max_scratch_bytes=1M", "--scratch", "yes", false, true},
	    {"hash_seed=77", "--hash-seed", "77", false, true},
	    {"log_level=debug", "--log-level", "debug", false, true},
	    {"hash_seed=77", "--landlock", "on", false, true},
	    {"hash_seed=77", "--landlock", "off", false, false},
	    {"hash_seed=77", "--ids", "own", false, true},
	    {"hash_seed=77", "--ids", "shared", true, true},
	    {"hash_seed=77", "--roles", "1,24", false, true},
	};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct spawner_fixture *fixture = spawner_fixture_setup();
		struct message message;
		size_t fds;

		assert_int_equal(config_set(&fixture->spawner.config, ROWS[i].set, NULL), 0);
		fixture->spawner.rootless = ROWS[i].rootless;
		fixture->landlock = ROWS[i].landlock;
		ask(fixture, MESSAGE_GENERATION_START, 1);
		assert_true(answer(fixture, &message, &fds));
		assert_string_equal(spawner_fixture_argument(fixture, ROWS[i].option),
				    ROWS[i].value);
		spawner_fixture_teardown(fixture);
	}
	(void)state;
}

static void
without_root_all_is_the_users(void **state)
{
	struct spawner_fixture *fixture = *state;
	struct message message;
	size_t fds;

	fixture->spawner.rootless = true;
	ask(fixture, MESSAGE_GENERATION_START, 1);
	assert_true(answer(fixture, &message, &fds));
	assert_int_equal(message.body.generation.uid_base, FIXTURE_UID);
	assert_int_equal(message.body.generation.uid_count, 1);
	assert_int_equal(fixture->plan.map_base, FIXTURE_UID);
	assert_int_equal(fixture->plan.map_count, 1);
	assert_int_equal(fixture->group_owner, CGROUP_TREE_OWN);
}

static void
an_end_kills_once(void **state)
{
	struct spawner_fixture *fixture = *state;
	struct message message;
	size_t fds;

	ask(fixture, MESSAGE_GENERATION_START, 4);
	assert_true(answer(fixture, &message, &fds));
	ask(fixture, MESSAGE_GENERATION_END, 4);
	assert_int_equal(fixture->group_kills, 1);
	assert_int_equal(fixture->zygote_kills, 1);
	ask(fixture, MESSAGE_GENERATION_END, 4);
	spawner_zygote_kill_all(&fixture->spawner);
	assert_int_equal(fixture->zygote_kills, 1);
	spawner_zygote_ended(&fixture->spawner, spawner_zygote_find(&fixture->spawner, 4));
	assert_int_equal(fixture->removed, 1);
	ask(fixture, MESSAGE_GENERATION_END, 4); /* crossed with the report of its end */
	assert_int_equal(fixture->zygote_kills, 1);
	assert_null(spawner_zygote_find(&fixture->spawner, 4));
	assert_null(spawner_zygote_find(&fixture->spawner, 0)); /* no free slot is one */
	assert_false(is_condemned(fixture));
	spawner_monitor_generation_ended(&fixture->spawner, 4, 9);
	assert_true(answer(fixture, &message, &fds));
	assert_int_equal(message.type, MESSAGE_GENERATION_ENDED);
	assert_int_equal(message.body.generation.wait_status, 9);
}

static void
groups_that_stay_are_its_fault_when_there_are_too_many(void **state)
{
	for (int sys = EBUSY; sys; sys = sys == EBUSY ? E2BIG : 0) {
		struct spawner_fixture *fixture = spawner_fixture_setup();
		struct message message;
		size_t fds;

		ask(fixture, MESSAGE_GENERATION_START, 1);
		assert_true(answer(fixture, &message, &fds));
		fixture->fail = FIXTURE_REMOVE;
		fixture->fail_sys = sys;
		spawner_zygote_ended(&fixture->spawner, spawner_zygote_find(&fixture->spawner, 1));
		assert_int_equal(is_condemned(fixture), sys == E2BIG);
		assert_int_equal(spawner_zygote_live(&fixture->spawner), 0);
		spawner_fixture_teardown(fixture);
	}
	(void)state;
}

static void
ready_and_signs_of_life(void **state)
{
	struct spawner_fixture *fixture = *state;
	struct spawner_daemon *daemon = &fixture->spawner.daemon;

	ask(fixture, MESSAGE_DAEMON_READY, 0);
	assert_int_equal(daemon->state, SPAWNER_DAEMON_SERVING);
	assert_true(daemon->backoff.ever_ready && daemon->silence_ns != 0);
	daemon->silence_ns = 0;
	ask(fixture, MESSAGE_DAEMON_ALIVE, 0);
	assert_true(daemon->silence_ns != 0);
	/* It crossed with a drain: it still has worked once. */
	daemon->state = SPAWNER_DAEMON_DRAINING;
	daemon->backoff.ever_ready = false;
	daemon->seen = 0;
	ask(fixture, MESSAGE_DAEMON_READY, 0);
	assert_int_equal(daemon->state, SPAWNER_DAEMON_DRAINING);
	assert_true(daemon->backoff.ever_ready);
	assert_false(is_condemned(fixture));
}

/* It is a first SIGTERM, and never a second one. */
/* It says that it is ready and ends at once: seen is the end, the message lies in the link yet. */
static void
ready_counts_for_one_that_has_ended(void **state)
{
	struct spawner_fixture *fixture = *state;
	struct spawner_daemon *daemon = &fixture->spawner.daemon;

	spawner_monitor_read_last(&fixture->spawner); /* it has said nothing */
	assert_false(daemon->backoff.ever_ready);
	say(fixture, MESSAGE_GENERATION_START, 1);
	say(fixture, MESSAGE_DAEMON_READY, 0);
	base_close(&fixture->peer_fd);
	spawner_monitor_read_last(&fixture->spawner);
	assert_true(daemon->backoff.ever_ready);
	assert_int_equal(daemon->state, SPAWNER_DAEMON_STARTING);
	assert_int_equal(spawner_zygote_live(&fixture->spawner), 0);
	base_close(&daemon->link_fd);
	spawner_monitor_read_last(&fixture->spawner);
}

static void
last_words_that_are_a_breach(void **state)
{
	struct spawner_fixture *fixture = *state;

	say(fixture, MESSAGE_GENERATION_END, 9);
	say(fixture, MESSAGE_DAEMON_READY, 0);
	base_close(&fixture->peer_fd);
	spawner_monitor_read_last(&fixture->spawner);
	assert_false(fixture->spawner.daemon.backoff.ever_ready);
}

static void
an_operator_has_it_drain(void **state)
{
	struct spawner_fixture *fixture = *state;
	struct spawner *spawner = &fixture->spawner;
	struct message message;
	size_t fds;

	spawner->daemon.state = SPAWNER_DAEMON_SERVING;
	ask(fixture, MESSAGE_DAEMON_DRAIN, 0);
	assert_true(spawner->stopping);
	assert_int_equal(spawner->daemon.state, SPAWNER_DAEMON_DRAINING);
	assert_true(answer(fixture, &message, &fds));
	assert_int_equal(message.type, MESSAGE_DRAIN);
	assert_int_equal(fds, 0);
	assert_false(is_condemned(fixture));
	/* One that crosses a signal's drain. */
	spawner->daemon.seen = 0;
	spawner->stop_ns = UINT64_MAX;
	ask(fixture, MESSAGE_DAEMON_DRAIN, 0);
	assert_int_equal(spawner->stop_ns, UINT64_MAX);
	assert_false(is_condemned(fixture));
	ask(fixture, MESSAGE_DAEMON_DRAIN, 0); /* again: a breach */
	assert_true(is_condemned(fixture));
}

static void
a_breach_ends_it(void **state)
{
	struct spawner_fixture *fixture = *state;

	spawner_monitor_read(&fixture->spawner); /* nothing there: nothing happens */
	assert_false(is_condemned(fixture));
	ask(fixture, MESSAGE_DAEMON_ALIVE, 0); /* before READY */
	assert_true(is_condemned(fixture));
	/* And nobody is told anything any more. */
	spawner_monitor_generation_ended(&fixture->spawner, 1, 0);
	assert_int_equal(fixture->daemon_kills, 1);
}

static void
too_many_requests_end_it(void **state)
{
	struct spawner_fixture *fixture = *state;

	fixture->spawner.daemon.state = SPAWNER_DAEMON_SERVING;
	fixture->spawner.daemon.rate.full_ns = clock_now_ns(&CLOCK_SYSTEM) + 3600 * NS_PER_S;
	ask(fixture, MESSAGE_DAEMON_ALIVE, 0);
	assert_true(is_condemned(fixture));
}

static void
one_that_does_not_read_is_ended(void **state)
{
	struct spawner_fixture *fixture = *state;

	for (unsigned i = 0; i < 100000 && !is_condemned(fixture); i++)
		spawner_monitor_generation_ended(&fixture->spawner, 1, 0);
	assert_true(is_condemned(fixture));
}

static void
a_closed_link_is_a_leave(void **state)
{
	for (uint32_t bit = SPAWNER_DAEMON_STARTING; bit <= SPAWNER_DAEMON_DRAINING; bit <<= 1) {
		struct spawner_fixture *fixture = spawner_fixture_setup();
		struct spawner_daemon *daemon = &fixture->spawner.daemon;

		daemon->state = (enum spawner_daemon_state)bit;
		base_close(&fixture->peer_fd);
		spawner_monitor_read(&fixture->spawner);
		assert_int_equal(daemon->link_fd, -1);
		assert_int_equal(daemon->state, bit);
		assert_int_equal(daemon->leave_ns != 0, bit != SPAWNER_DAEMON_DRAINING);
		assert_int_equal(fixture->daemon_kills, 0);
		spawner_fixture_teardown(fixture);
	}
	(void)state;
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_start_fails_at_any_step),
	    TEST(a_start_gives_link_and_directories),
	    cmocka_unit_test(a_zygote_is_told_what_is_set),
	    TEST(without_root_all_is_the_users),
	    TEST(an_end_kills_once),
	    cmocka_unit_test(groups_that_stay_are_its_fault_when_there_are_too_many),
	    TEST(ready_and_signs_of_life),
	    TEST(ready_counts_for_one_that_has_ended),
	    TEST(last_words_that_are_a_breach),
	    TEST(an_operator_has_it_drain),
	    TEST(a_breach_ends_it),
	    TEST(too_many_requests_end_it),
	    TEST(one_that_does_not_read_is_ended),
	    cmocka_unit_test(a_closed_link_is_a_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
