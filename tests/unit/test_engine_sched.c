/*
 * Who may enter the engine and who runs next, with the fake workers: rates and caps of a tenant,
 * its share of the places, priorities, deadlines. Two jobs run at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "daemon/quota.h"
#include "engine_fixture.h"

static struct tenant_terms
make_terms(const char *name)
{
	struct tenant_terms terms = TEST_TERMS;
	(void)snprintf(terms.name, sizeof(terms.name), "%s", name);
	return terms;
}

/* The refusal's code; 0: it is taken. */
static int
try_submit(struct fixture *fixture, const struct tenant_terms *terms, const char *id,
	   struct engine_refusal *ret_refusal, struct error *err)
{
	static uint64_t ticket = 100;
	struct run_request request;
	struct engine_owner owner = {1, ticket++, terms, id, NULL};
	char job[JOB_ID_CHARS + 1];
	make_request(&request, "count 500");
	int code = engine_submit(fixture->engine, &request, &owner, job, ret_refusal, err);
	run_request_deinit(&request);
	return code;
}

static void
submit_as(struct fixture *fixture, const struct tenant_terms *terms, const char *script,
	  uint64_t ticket, int priority, uint64_t deadline_ms)
{
	struct run_request request;
	struct engine_owner owner = {1, ticket, terms, NULL, NULL};
	struct engine_refusal refusal;
	char id[JOB_ID_CHARS + 1];
	make_request(&request, script);
	request.priority = (int8_t)priority;
	request.deadline_ms = deadline_ms;
	assert_int_equal(engine_submit(fixture->engine, &request, &owner, id, &refusal, NULL), 0);
}

static void
wait_all(struct fixture *fixture)
{
	RUN_UNTIL(info(fixture).jobs_queued + info(fixture).jobs_running == 0);
}

static void
test_rate_of_jobs(void **state)
{
	struct fixture *fixture = *state;
	struct tenant_terms terms = make_terms("a"), other = make_terms("b");
	struct engine_refusal refusal;
	struct error err = ERROR_INIT;
	terms.values[TENANT_SETTING_jobs_per_minute] = 1;
	assert_int_equal(try_submit(fixture, &terms, NULL, &refusal, NULL), 0);
	assert_int_equal(try_submit(fixture, &terms, NULL, &refusal, &err), ERROR_LIMIT);
	assert_int_equal(refusal.reason, ENGINE_QUOTA);
	assert_in_range(refusal.retry_after_ms, 1, 60000);
	assert_non_null(strstr(err.text, "tenant a has used up its jobs_per_minute (1)"));
	assert_int_equal(try_submit(fixture, &other, NULL, &refusal, NULL), 0);
	/* One of an earlier life was counted then. */
	const char *id = "0123456789abcdef0123456789abcdef";
	assert_int_equal(try_submit(fixture, &terms, id, &refusal, NULL), 0);
	terms.values[TENANT_SETTING_jobs_per_minute] = 0; /* a reload */
	assert_int_equal(try_submit(fixture, &terms, NULL, &refusal, NULL), 0);
	wait_all(fixture);
}

static void
test_rate_of_opcodes_and_cpu(void **state)
{
	struct fixture *fixture = *state;
	struct tenant_terms terms = make_terms("a");
	struct engine_refusal refusal;
	struct error err = ERROR_INIT;
	terms.values[TENANT_SETTING_opcodes_per_minute] = 100;
	assert_int_equal(try_submit(fixture, &terms, NULL, &refusal, NULL), 0);
	wait_all(fixture); /* 500: four minutes' worth of debt */
	assert_int_equal(try_submit(fixture, &terms, NULL, &refusal, &err), ERROR_LIMIT);
	assert_int_equal(refusal.reason, ENGINE_QUOTA);
	assert_in_range(refusal.retry_after_ms, 1, 241000);
	assert_non_null(strstr(err.text, "opcodes_per_minute (100)"));
	/* Each job is charged QUOTA_JOB_US at least: with ten it owes nine minutes' worth. */
	terms = make_terms("b");
	terms.values[TENANT_SETTING_cpu_per_minute] = QUOTA_JOB_US / 1000;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(try_submit(fixture, &terms, NULL, &refusal, NULL), 0);
	wait_all(fixture);
	assert_int_equal(try_submit(fixture, &terms, NULL, &refusal, &err), ERROR_LIMIT);
	assert_int_equal(refusal.reason, ENGINE_QUOTA);
	assert_non_null(strstr(err.text, "cpu_per_minute (1 ms)"));
}

static void
test_caps_of_a_tenant(void **state)
{
	struct fixture *fixture = *state;
	struct tenant_terms terms = make_terms("a"), other = make_terms("b");
	struct engine_refusal refusal;
	struct error err = ERROR_INIT;
	terms.values[TENANT_SETTING_queue_jobs_max] = 1;
	assert_int_equal(try_submit(fixture, &terms, NULL, &refusal, NULL), 0);
	assert_int_equal(try_submit(fixture, &terms, NULL, &refusal, &err), ERROR_LIMIT);
	assert_int_equal(refusal.reason, ENGINE_QUEUE_FULL);
	assert_int_equal(refusal.retry_after_ms, ADMISSION_FULL_RETRY_MS);
	assert_non_null(strstr(err.text, "queue_jobs_max of tenant a (1 jobs)"));
	terms.values[TENANT_SETTING_queue_bytes_max] = 1;
	assert_int_equal(try_submit(fixture, &terms, NULL, &refusal, &err), ERROR_LIMIT);
	assert_int_equal(refusal.reason, ENGINE_TOO_LARGE);
	assert_int_equal(refusal.retry_after_ms, 0);
	assert_int_equal(try_submit(fixture, &other, NULL, &refusal, NULL), 0);
	wait_all(fixture);
}

static void
test_running_max_of_a_tenant(void **state)
{
	struct fixture *fixture = *state;
	struct tenant_terms terms = make_terms("a"), other = make_terms("b");
	terms.values[TENANT_SETTING_running_max] = 1;
	for (unsigned i = 0; i < 3; i++)
		submit_as(fixture, &terms, "pause", i, 0, 0);
	submit_as(fixture, &other, "out b", 3, 0, 0);
	RUN_UNTIL(fixture->told[3] && info(fixture).jobs_running == 1);
	assert_int_equal(info(fixture).jobs_queued, 2);
	engine_forget_session(fixture->engine, 1);
	wait_all(fixture);
}

/* Two places are held by the jobs of one tenant, which wait; another one's jobs need none. */
static void
test_guests(void **state)
{
	struct fixture *fixture = *state;
	struct tenant_terms terms = make_terms("a"), other = make_terms("b");
	for (unsigned i = 0; i < 4; i++)
		submit_as(fixture, &terms, "pause", i, 0, 0);
	RUN_UNTIL(info(fixture).jobs_running == 2);
	for (unsigned i = 4; i < 8; i++) {
		submit_as(fixture, &other, "out b", i, 0, 0);
		RUN_UNTIL(fixture->told[i]);
	}
	assert_int_equal(info(fixture).jobs_running, 2);
	assert_int_equal(info(fixture).jobs_queued, 2);
	engine_forget_session(fixture->engine, 1);
	wait_all(fixture);
}

/* All dispatching of one turn of the loop is done before a new worker can come. */
static void
test_last_worker_is_for_who_has_none(void **state)
{
	struct fixture *fixture = *state;
	struct tenant_terms terms = make_terms("a"), other = make_terms("b");
	assert_int_equal(config_set(&fixture->config, "running_max=8", NULL), 0);
	assert_int_equal(config_set(&fixture->config, "workers_ready=4", NULL), 0);
	engine_fixture_start(fixture);
	RUN_UNTIL(info(fixture).workers_ready == 4);
	for (unsigned i = 0; i < 4; i++)
		submit_as(fixture, &terms, "pause", i, 0, 0);
	RUN_UNTIL(info(fixture).jobs_running > 0);
	assert_int_equal(info(fixture).jobs_running, 4); /* there is nobody else */
	engine_forget_session(fixture->engine, 1);
	wait_all(fixture);
	submit_as(fixture, &other, "out b", 7, 0, 0);
	RUN_UNTIL(fixture->told[7] && info(fixture).workers_ready == 4);
	for (unsigned i = 0; i < 6; i++)
		submit_as(fixture, &terms, "pause", i, 0, 0);
	RUN_UNTIL(info(fixture).jobs_running > 0);
	assert_int_equal(info(fixture).jobs_running, 3);
	assert_int_equal(info(fixture).workers_ready, 1);
	submit_as(fixture, &other, "out b", 6, 0, 0);
	RUN_UNTIL(fixture->told[6]);
	RUN_UNTIL(info(fixture).jobs_running == 6); /* it is not kept from them for long */
	engine_forget_session(fixture->engine, 1);
	wait_all(fixture);
}

static void
test_priorities_and_deadlines(void **state)
{
	struct fixture *fixture = *state;
	struct tenant_terms terms = make_terms("a");
	submit_as(fixture, &terms, "pause", 0, 10, 0);
	submit_as(fixture, &terms, "pause", 1, 10, 0);
	submit_as(fixture, &terms, "out late", 2, 0, 0);
	submit_as(fixture, &terms, "pause", 3, 5, 0);
	submit_as(fixture, &terms, "pause", 4, 5, 100000);
	submit_as(fixture, &terms, "out never", 5, 9, 1);
	submit_as(fixture, &terms, "out never", 6, -9, 5);
	RUN_UNTIL(fixture->told[5] && fixture->told[6]); /* while both places are taken */
	for (unsigned i = 5; i < 7; i++) {
		assert_int_equal(fixture->results[i].status, STATUS_CANCELLED);
		assert_text(&fixture->results[i].error_type, "DeadlineExceeded");
		assert_int_equal(fixture->results[i].out.size, 0);
	}
	assert_text(&fixture->results[5].error_message,
		    "the job had not started within its deadline_ms of 1");
	RUN_UNTIL(info(fixture).jobs_running == 2);
	assert_int_equal(info(fixture).jobs_queued, 3);
	assert_int_equal(fixture->results_count, 2);
	engine_forget_session(fixture->engine, 1);
	wait_all(fixture);
}

static void
test_closing_with_jobs_everywhere(void **state)
{
	struct fixture *fixture = *state;
	struct tenant_terms terms = make_terms("a"), other = make_terms("b");
	for (unsigned i = 0; i < 8; i++)
		submit_as(fixture, i % 2 ? &terms : &other, "pause", i, (int)i, i % 3 * 100000);
	RUN_UNTIL(info(fixture).jobs_running == 2); /* the teardown closes the engine */
}

int
main(void)
{
#define STARTED(name)                                                                              \
	cmocka_unit_test_setup_teardown(name, engine_fixture_setup_started, engine_fixture_teardown)
	const struct CMUnitTest tests[] = {
	    STARTED(test_rate_of_jobs),
	    STARTED(test_rate_of_opcodes_and_cpu),
	    STARTED(test_caps_of_a_tenant),
	    STARTED(test_running_max_of_a_tenant),
	    STARTED(test_guests),
	    cmocka_unit_test_setup_teardown(test_last_worker_is_for_who_has_none,
					    engine_fixture_setup, engine_fixture_teardown),
	    STARTED(test_priorities_and_deadlines),
	    STARTED(test_closing_with_jobs_everywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
