/* What the engine tells of a tenant: its jobs, what they used, what was refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine_fixture.h"

static struct engine_tenant_usage
usage_of(struct fixture *fixture, const char *tenant)
{
	struct engine_tenant_usage usage;
	engine_tenant_usage(fixture->engine, tenant, &usage);
	return usage;
}

static int
submit_as(struct fixture *fixture, const char *tenant, const char *script, uint64_t ticket)
{
	struct run_request request;
	struct tenant_terms terms = TEST_TERMS;
	char id[JOB_ID_CHARS + 1];
	(void)snprintf(terms.name, sizeof(terms.name), "%s", tenant);
	struct engine_owner owner = {1, ticket, &terms, NULL, NULL};
	make_request(&request, script);
	struct engine_refusal refusal;
	int code = engine_submit(fixture->engine, &request, &owner, id, &refusal, NULL);
	run_request_deinit(&request);
	return code;
}

static void
test_usage_is_the_tenants_own(void **state)
{
	struct fixture *fixture = *state;
	engine_fixture_start(fixture);
	assert_int_equal(submit_as(fixture, "a", "count 1234", 0), 0);
	assert_int_equal(usage_of(fixture, "a").queued, 1);
	assert_true(usage_of(fixture, "a").queue_bytes > 0);
	assert_int_equal(usage_of(fixture, "b").queued, 0);
	RUN_UNTIL(fixture->told[0]);
	struct engine_tenant_usage usage = usage_of(fixture, "a");
	assert_int_equal(usage.queued, 0);
	assert_int_equal(usage.running, 0);
	assert_int_equal(usage.queue_bytes, 0);
	assert_int_equal(usage.jobs_total, 1);
	assert_int_equal(usage.refused_total, 0);
	assert_int_equal(usage.cpu_us_total, fixture->results[0].usage.cpu_us);
	assert_int_equal(usage.opcodes_total, fixture->results[0].usage.opcodes);
	assert_int_equal(usage.opcodes_total, 1234);
	assert_int_equal(usage_of(fixture, "b").jobs_total, 0);
}

static void
test_running_and_refused(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(config_set(&fixture->config, "queue_jobs_max=1", NULL), 0);
	engine_fixture_start(fixture);
	assert_int_equal(submit_as(fixture, "a", "pause", 0), 0);
	RUN_UNTIL(usage_of(fixture, "a").running == 1);
	assert_int_equal(usage_of(fixture, "a").queued, 0);
	assert_int_equal(submit_as(fixture, "b", "exit 0", 1), 0);
	assert_int_equal(submit_as(fixture, "c", "exit 0", 2), ERROR_LIMIT);
	assert_int_equal(usage_of(fixture, "c").refused_total, 1);
	assert_int_equal(usage_of(fixture, "c").jobs_total, 0);
	assert_int_equal(usage_of(fixture, "b").refused_total, 0);
	engine_forget_session(fixture->engine, 1);
	RUN_UNTIL(usage_of(fixture, "a").running == 0 && usage_of(fixture, "b").queued == 0);
	assert_int_equal(usage_of(fixture, "a").jobs_total, 1);
}

static void
test_too_many_tenants(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(config_set(&fixture->config, "tenants_max=1", NULL), 0);
	engine_fixture_start(fixture);
	assert_int_equal(submit_as(fixture, "uid-1", "exit 0", 0), 0);
	assert_int_equal(submit_as(fixture, "uid-2", "exit 0", 1), ERROR_LIMIT);
	assert_int_equal(submit_as(fixture, "uid-1", "exit 0", 1), 0);
	RUN_UNTIL(fixture->told[0] && fixture->told[1]);
	assert_int_equal(submit_as(fixture, "uid-2", "exit 0", 2), 0);
	RUN_UNTIL(fixture->told[2]);
	assert_int_equal(usage_of(fixture, "uid-2").jobs_total, 1);
	assert_int_equal(usage_of(fixture, "uid-1").jobs_total, 0); /* forgotten */
}

int
main(void)
{
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, engine_fixture_setup, engine_fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_usage_is_the_tenants_own),
	    TEST(test_running_and_refused),
	    TEST(test_too_many_tenants),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
