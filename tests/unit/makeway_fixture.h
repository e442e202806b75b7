/* For test_makeway.c and test_pause.c: two tenants in an engine with the fake workers. The clock is
 * the machine's: where it would decide, the time at which the rule began is moved. */
#ifndef STINT_TESTS_MAKEWAY_FIXTURE_H
#define STINT_TESTS_MAKEWAY_FIXTURE_H

#include <stdio.h>

#include "daemon/engine_state.h"
#include "daemon/makeway.h"
#include "engine_fixture.h"
#include "protocol/base_clock.h"

#define READY 4u

/* A job that runs until it is cancelled, of a tenant and of the session that is named the same. */
static inline void
submit_of(struct fixture *fixture, char tenant)
{
	static uint64_t ticket;
	struct tenant_terms terms = TEST_TERMS;
	struct engine_owner owner = {(uint64_t)tenant, ticket++, &terms, NULL, NULL};
	struct engine_refusal refusal;
	struct run_request request;
	char id[JOB_ID_CHARS + 1];

	(void)snprintf(terms.name, sizeof(terms.name), "%c", tenant);
	terms.values[TENANT_SETTING_weight] = tenant == 'b' ? 3 : 1;
	make_request(&request, "pause");
	assert_int_equal(engine_submit(fixture->engine, &request, &owner, id, &refusal, NULL), 0);
	engine_later(fixture->engine); /* a turn of the loop, as after a client's message */
}

/* It does not end by the clock. */
static inline void
keep(struct fixture *fixture)
{
	assert_int_not_equal(fixture->engine->makeway.serial, 0);
	fixture->engine->makeway.since_ns = engine_now_ns() + 3600 * NS_PER_S;
}

static inline void
wait_long_enough(struct fixture *fixture)
{
	fixture->engine->makeway.since_ns = engine_now_ns() - MAKEWAY_MS * NS_PER_MS;
	alarm_set(fixture->engine->makeway_alarm, 0);
}

static inline unsigned
running(struct fixture *fixture)
{
	return (unsigned)info(fixture).jobs_running;
}

/* Two jobs of a's, and `for_whom` beside them: others make way. */
static inline void
begin(struct fixture *fixture, char for_whom)
{
	assert_int_equal(config_set(&fixture->config, "running_max=16", NULL), 0);
	assert_int_equal(config_set(&fixture->config, "workers_ready=4", NULL), 0);
	engine_fixture_start(fixture);
	fixture->engine->cores = 2;
	submit_of(fixture, 'a');
	submit_of(fixture, 'a');
	RUN_UNTIL(running(fixture) == 2 && info(fixture).workers_ready == READY);
	assert_int_equal(fixture->engine->makeway.serial, 0);
	submit_of(fixture, for_whom);
	RUN_UNTIL(running(fixture) == 3);
}

static inline void
end(struct fixture *fixture)
{
	for (char tenant = 'a'; tenant < 'a' + 8; tenant++)
		engine_forget_session(fixture->engine, (uint64_t)tenant);
	RUN_UNTIL(info(fixture).jobs_queued + info(fixture).jobs_running == 0);
}

#endif
