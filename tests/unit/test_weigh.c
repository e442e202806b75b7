/* What running jobs weigh beside each other: the rule, and in an engine with the fake workers. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/mman.h>

#include "daemon/engine_state.h"
#include "daemon/weigh.h"
#include "engine_fixture.h"

#define LONG_AGO_NS (2 * UINT64_C(1000000000))

static void
equal_parts_weigh_the_same(void **state)
{
	(void)state;
	assert_int_equal(weigh_of(1, 1, 0), LEAF_WEIGHT);
	assert_int_equal(weigh_of(0.25, 0.25, 0.25), LEAF_WEIGHT);
	assert_int_equal(weigh_of(1.0 / 3, 1.0 / 3, 1.0 / 3), LEAF_WEIGHT);
}

static void
as_parts_are(void **state)
{
	(void)state;
	assert_int_equal(weigh_of(1, 2, 0), 50);
	assert_int_equal(weigh_of(0.5, 2, 0.5), 25); /* young ones with no greater part */
	assert_int_equal(weigh_of(0.5, 2, 0.25), 25);
	assert_int_equal(weigh_of(3, 4, 3), 75);
}

static void
young_ones_come_first(void **state)
{
	(void)state;
	assert_int_equal(weigh_of(1, 1, 1), LEAF_WEIGHT);
	assert_int_equal(weigh_of(1, 2, 2), 25);
	assert_int_equal(weigh_of(0.25, 1, 1), 6);
	assert_int_equal(weigh_of(0.25, 1, 0.5), 13); /* the greatest part is of an old one */
}

static void
there_is_a_least(void **state)
{
	(void)state;
	assert_int_equal(weigh_of(1, 1000, 0), WEIGH_LEAST);
	assert_int_equal(weigh_of(1.0 / 128, 1000, 1000), WEIGH_LEAST);
}

static void
submit_of(struct fixture *fixture, const char *tenant, const char *script)
{
	static uint64_t ticket;
	struct tenant_terms terms = TEST_TERMS;
	struct engine_owner owner = {1, ticket++, &terms, NULL, NULL};
	struct engine_refusal refusal;
	struct run_request request;
	char id[JOB_ID_CHARS + 1];

	(void)snprintf(terms.name, sizeof(terms.name), "%s", tenant);
	make_request(&request, script);
	assert_int_equal(engine_submit(fixture->engine, &request, &owner, id, &refusal, NULL), 0);
}

/* Fake groups have no such file. */
static void
give_files(struct fixture *fixture, enum worker_state state)
{
	LIST_FOREACH (&fixture->engine->pool.workers[state], link) {
		struct worker *worker = list_item(link, struct worker, link);

		if (worker->leaf.cpu_weight < 0)
			worker->leaf.cpu_weight = memfd_create("weight", MFD_CLOEXEC);
	}
}

static void
make_old(struct fixture *fixture)
{
	LIST_FOREACH (&fixture->engine->pool.workers[WORKER_BUSY], link)
		list_item(link, struct worker, link)->job->started_ns -= LONG_AGO_NS;
}

/* How many running jobs weigh that after another look. */
static unsigned
weighing(struct fixture *fixture, unsigned weight)
{
	unsigned count = 0;

	give_files(fixture, WORKER_BUSY);
	weigh_run(fixture->engine);
	LIST_FOREACH (&fixture->engine->pool.workers[WORKER_BUSY], link)
		count += list_item(link, struct worker, link)->leaf.weight == weight;
	return count;
}

static void
start_with_three(struct fixture *fixture)
{
	assert_int_equal(config_set(&fixture->config, "running_max=8", NULL), 0);
	assert_int_equal(config_set(&fixture->config, "workers_ready=4", NULL), 0);
	engine_fixture_start(fixture);
	for (unsigned i = 0; i < 3; i++)
		submit_of(fixture, "a", "pause");
	RUN_UNTIL(info(fixture).jobs_running == 3 && info(fixture).workers_ready == 4);
}

static void
end_all(struct fixture *fixture)
{
	engine_forget_session(fixture->engine, 1);
	RUN_UNTIL(info(fixture).jobs_queued + info(fixture).jobs_running == 0);
}

static void
running_jobs_get_them(void **state)
{
	struct fixture *fixture = *state;

	start_with_three(fixture);
	assert_int_equal(weighing(fixture, LEAF_WEIGHT), 3);
	make_old(fixture);
	submit_of(fixture, "b", "pause");
	RUN_UNTIL(info(fixture).jobs_running == 4);
	assert_int_equal(weighing(fixture, 11), 3); /* b's is young */
	assert_int_equal(weighing(fixture, LEAF_WEIGHT), 1);
	make_old(fixture);
	assert_int_equal(weighing(fixture, 33), 3);
	assert_int_equal(weighing(fixture, LEAF_WEIGHT), 1);
	assert_int_equal(config_set(&fixture->config, "share_cores=no", NULL), 0);
	assert_int_equal(weighing(fixture, LEAF_WEIGHT), 4);
	assert_int_equal(config_set(&fixture->config, "share_cores=yes", NULL), 0);
	assert_int_equal(weighing(fixture, 33), 3);
	end_all(fixture);
}

/* They keep it while they are ready, and a job weighs what it is to at once. */
static void
workers_that_are_made_weigh_little(void **state)
{
	struct fixture *fixture = *state;
	const struct list *starting;

	start_with_three(fixture);
	starting = &fixture->engine->pool.workers[WORKER_STARTING];
	make_old(fixture);
	submit_of(fixture, "b", "pause");
	RUN_UNTIL(pool_count(&fixture->engine->pool, WORKER_STARTING) > 0);
	give_files(fixture, WORKER_STARTING);
	give_files(fixture, WORKER_READY);
	weigh_run(fixture->engine);
	LIST_FOREACH (starting, link)
		assert_int_equal(list_item(link, struct worker, link)->leaf.weight, WEIGH_STARTING);
	RUN_UNTIL(info(fixture).workers_ready == 4);
	make_old(fixture);
	weigh_run(fixture->engine);
	submit_of(fixture, "b", "pause"); /* half of the part of the first */
	RUN_UNTIL(info(fixture).jobs_running == 5);
	LIST_FOREACH (&fixture->engine->pool.workers[WORKER_BUSY], link)
		assert_int_not_equal(list_item(link, struct worker, link)->leaf.weight,
				     WEIGH_STARTING);
	end_all(fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(equal_parts_weigh_the_same),
	    cmocka_unit_test(as_parts_are),
	    cmocka_unit_test(young_ones_come_first),
	    cmocka_unit_test(there_is_a_least),
	    cmocka_unit_test_setup_teardown(running_jobs_get_them, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(workers_that_are_made_weigh_little,
					    engine_fixture_setup, engine_fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
