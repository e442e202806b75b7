/* Who stands still for whom, for how long, and that nobody is left. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/pause.h"
#include "makeway_fixture.h"
#include "protocol/base_sys.h"

/* What the kernel would be told of the groups of a's two jobs. */
static int freeze_fds[2];

static void
begin_with_groups(struct fixture *fixture, char for_whom)
{
	unsigned i = 0;

	begin(fixture, 'a');
	engine_forget_session(fixture->engine, 'a');
	RUN_UNTIL(running(fixture) == 0 && info(fixture).workers_ready == READY);
	submit_of(fixture, 'a');
	submit_of(fixture, 'a');
	RUN_UNTIL(running(fixture) == 2 && info(fixture).workers_ready == READY);
	LIST_FOREACH (&fixture->engine->pool.workers[WORKER_BUSY], link) {
		struct worker *worker = list_item(link, struct worker, link);

		assert_true(i < 2);
		freeze_fds[i] = memfd_create("freeze", MFD_CLOEXEC);
		assert_int_equal(fcntl(freeze_fds[i], F_SETFL, O_APPEND), 0);
		worker->leaf.freeze = fcntl(freeze_fds[i++], F_DUPFD_CLOEXEC, 3);
	}
	assert_int_equal(i, 2);
	if (for_whom == '-')
		return;
	submit_of(fixture, for_whom);
	RUN_UNTIL(running(fixture) == 3);
	keep(fixture);
}

static void
end_with_groups(struct fixture *fixture)
{
	end(fixture);
	for (unsigned i = 0; i < 2; i++)
		base_close(&freeze_fds[i]);
}

/* All that it was told, '1': to stand still, '0': to go on. */
static const char *
told_of(unsigned i)
{
	static char text[16];
	char lines[16];
	size_t used = 0;
	ssize_t size = pread(freeze_fds[i], lines, sizeof(lines), 0);

	for (ssize_t at = 0; at < size; at++) {
		if (lines[at] != '\n')
			text[used++] = lines[at];
	}
	text[used] = '\0';
	return text;
}

static void
jobs_stand_still_until_it_has_its_answer(void **state)
{
	struct fixture *fixture = *state;

	begin_with_groups(fixture, 'b');
	assert_int_equal(*told_of(0), '1');
	assert_int_equal(*told_of(1), '1');
	engine_forget_session(fixture->engine, 'b');
	RUN_UNTIL(running(fixture) == 2);
	fixture->engine->makeway.since_ns = engine_now_ns();
	RUN_UNTIL(fixture->engine->makeway.serial == 0);
	assert_string_equal(told_of(0), "10");
	assert_string_equal(told_of(1), "10");
	assert_int_equal(fixture->engine->paused.since_ns, 0);
	end_with_groups(fixture);
}

static void
jobs_stand_still_for_less_long(void **state)
{
	struct fixture *fixture = *state;

	begin_with_groups(fixture, 'b');
	fixture->engine->makeway.since_ns = engine_now_ns() - PAUSE_MS * NS_PER_MS;
	assert_false(makeway_expire(fixture->engine));
	keep(fixture);
	assert_string_equal(told_of(0), "10");
	assert_string_equal(told_of(1), "10");
	assert_true(makeway_holds_starts(fixture->engine));
	assert_true(makeway_holds_results(fixture->engine));
	end_with_groups(fixture);
}

/* Of a's two, as many as there are cores less two; and not the one whose wall time is over soon. */
static void
those_that_go_on(void **state)
{
	struct fixture *fixture = *state;

	begin_with_groups(fixture, '-');
	fixture->engine->cores = 3;
	submit_of(fixture, 'b');
	RUN_UNTIL(running(fixture) == 3);
	assert_int_equal(*told_of(0), '\0');
	assert_int_equal(*told_of(1), '1');
	pause_end(fixture->engine);
	fixture->engine->paused.free_ns = 0;
	fixture->engine->cores = 2;
	list_item(fixture->engine->pool.workers[WORKER_BUSY].head.next, struct worker, link)
	    ->job->request.limits.wall_ms = 0;
	pause_begin(fixture->engine, &(struct pick_tenant){0}, 1e9);
	assert_int_equal(*told_of(0), '\0');
	assert_string_equal(told_of(1), "101");
	end_with_groups(fixture);
}

static void
for_a_sixth_of_the_time_at_most(void **state)
{
	struct fixture *fixture = *state;
	struct paused *paused;

	begin_with_groups(fixture, '-');
	paused = &fixture->engine->paused;
	pause_begin(fixture->engine, &(struct pick_tenant){0}, 1e9);
	uint64_t now_ns = engine_now_ns();
	paused->since_ns = now_ns - NS_PER_S;
	pause_end(fixture->engine);
	assert_true(paused->free_ns >= now_ns + PAUSE_FREE_TIMES * NS_PER_S);
	assert_true(paused->free_ns < now_ns + 3600 * NS_PER_S);
	pause_begin(fixture->engine, &(struct pick_tenant){0}, 1e9);
	assert_string_equal(told_of(0), "10");
	assert_int_equal(paused->since_ns, 0);
	end_with_groups(fixture);
}

static void
not_for_who_sleeps(void **state)
{
	struct fixture *fixture = *state;
	struct pick_tenant tenant = {0};
	struct engine *engine;

	begin_with_groups(fixture, '-');
	engine = fixture->engine;
	pause_judge(engine, &tenant, UINT64_MAX); /* nobody was paused for it */
	assert_int_equal(tenant.unpaused_ns, 0);
	pause_begin(engine, &tenant, 1e9);
	engine->paused.since_ns = engine_now_ns() - 8 * NS_PER_MS;
	pause_judge(engine, &tenant, 1000000);
	assert_int_equal(tenant.unpaused_ns, 0);
	pause_judge(engine, &tenant, 1900);
	assert_true(tenant.unpaused_ns > engine_now_ns());
	tenant.unpaused_ns = 0;
	pause_judge(engine, &tenant, UINT64_MAX);
	assert_true(tenant.unpaused_ns > engine_now_ns());
	pause_end(engine);
	engine->paused.free_ns = 0;
	pause_begin(engine, &tenant, 1e9);
	assert_int_equal(engine->paused.since_ns, 0);
	end_with_groups(fixture);
}

/* Each costs the loop a little. */
static void
not_where_they_are_too_many(void **state)
{
	struct fixture *fixture = *state;
	struct leaf *leaf;

	assert_int_equal(config_set(&fixture->config, "running_max=32", NULL), 0);
	engine_fixture_start(fixture);
	fixture->engine->cores = 2;
	for (unsigned i = 0; i < PAUSE_JOBS_MAX; i++)
		submit_of(fixture, 'a');
	submit_of(fixture, 'c');
	RUN_UNTIL(running(fixture) == PAUSE_JOBS_MAX + 1);
	leaf = &list_item(fixture->engine->pool.workers[WORKER_BUSY].head.next, struct worker, link)
		    ->leaf;
	freeze_fds[0] = memfd_create("freeze", MFD_CLOEXEC);
	leaf->freeze = fcntl(freeze_fds[0], F_DUPFD_CLOEXEC, 3);
	pause_begin(fixture->engine, &(struct pick_tenant){0}, 1e9);
	assert_int_equal(fixture->engine->paused.since_ns, 0);
	engine_forget_session(fixture->engine, 'c');
	RUN_UNTIL(running(fixture) == PAUSE_JOBS_MAX);
	pause_begin(fixture->engine, &(struct pick_tenant){0}, 1e9);
	assert_int_not_equal(fixture->engine->paused.since_ns, 0);
	assert_int_equal(*told_of(0), '1');
	pause_end(fixture->engine);
	assert_int_equal(*told_of(0), '0');
	end(fixture);
	base_close(&freeze_fds[0]);
}

/* One that the kernel does not let go on: the house tries again. */
static void
nobody_is_left_standing(void **state)
{
	struct fixture *fixture = *state;
	struct leaf *leaf;
	int writable;

	begin_with_groups(fixture, 'b');
	leaf = &list_item(fixture->engine->pool.workers[WORKER_BUSY].head.next, struct worker, link)
		    ->leaf;
	writable = leaf->freeze;
	leaf->freeze = open("/dev/null", O_RDONLY | O_CLOEXEC);
	wait_long_enough(fixture);
	RUN_UNTIL(fixture->engine->makeway.serial == 0);
	assert_int_equal((strlen(told_of(0)) == 2) + (strlen(told_of(1)) == 2), 1);
	assert_int_not_equal(fixture->engine->paused.since_ns, 0);
	base_close(&leaf->freeze);
	leaf->freeze = writable;
	RUN_UNTIL(fixture->engine->paused.since_ns == 0);
	assert_int_equal((strlen(told_of(0)) == 2) + (strlen(told_of(1)) == 2), 2);
	end_with_groups(fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(jobs_stand_still_until_it_has_its_answer,
					    engine_fixture_setup, engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(jobs_stand_still_for_less_long, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(those_that_go_on, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(for_a_sixth_of_the_time_at_most, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(not_for_who_sleeps, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(not_where_they_are_too_many, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(nobody_is_left_standing, engine_fixture_setup,
					    engine_fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
