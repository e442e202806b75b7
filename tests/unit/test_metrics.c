/*
 * metrics.c: what is added where, and the text of it, line by line.
 */
#include "cmocka_headers.h"

#include "daemon/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct metrics metrics;

/* The whole text, NUL terminated, the caller's to free. */
static char *
written(void)
{
	struct text_buffer text;
	size_t size;
	text_buffer_init(&text, METRICS_TEXT_MAX);
	metrics_write(&metrics, &text);
	text_buffer_put(&text, "", 1);
	char *bytes = text_buffer_steal(&text, &size);
	assert_non_null(bytes);
	assert_int_equal(strlen(bytes), size - 1);
	return bytes;
}

static bool
has_line(const char *text, const char *line)
{
	char wanted[256];
	(void)snprintf(wanted, sizeof(wanted), "\n%s\n", line);
	return strstr(text, wanted) != NULL;
}

static void
expect_line(const char *line)
{
	char *text = written();
	if (!has_line(text, line)) {
		print_error("no line \"%s\" in:\n%s", line, text);
		fail();
	}
	free(text);
}

static void
end_job(const char *tenant, enum job_status status, struct run_usage usage, enum engine_kill kill,
	uint64_t overrun_us)
{
	struct engine_ended ended = {.job = "j",
				     .tenant = tenant,
				     .tag = "",
				     .status = status,
				     .usage = &usage,
				     .kill = kill,
				     .overrun_us = overrun_us};
	metrics_ended(&metrics, &ended);
}

static int
setup(void **state)
{
	(void)state;
	metrics_init(&metrics, 2);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	metrics_deinit(&metrics);
	return 0;
}

static void
test_a_job_is_counted(void **state)
{
	(void)state;
	end_job("alice", STATUS_OK,
		(struct run_usage){.cpu_us = 1500000,
				   .wall_us = 2000001,
				   .queue_us = 7,
				   .opcodes = 123,
				   .stdout_bytes = 10,
				   .stderr_bytes = 5},
		ENGINE_KILL_NONE, 0);
	expect_line("stint_jobs_ended_total{status=\"ok\"} 1");
	expect_line("stint_jobs_ended_total{status=\"cpu_limit\"} 0");
	expect_line("stint_jobs_cpu_seconds_total 1.500000");
	expect_line("stint_jobs_opcodes_total 123");
	expect_line("stint_jobs_output_bytes_total 15");
	expect_line("stint_job_wall_seconds_sum 2.000001");
	expect_line("stint_job_wall_seconds_count 1");
	expect_line("stint_job_kills_total{reason=\"cpu\"} 0");
	expect_line("stint_kill_overrun_seconds_count{limit=\"cpu\"} 0");
	expect_line("stint_tenant_jobs_ended_total{tenant=\"alice\",status=\"ok\"} 1");
	expect_line("stint_tenant_cpu_seconds_total{tenant=\"alice\"} 1.500000");
	expect_line("stint_tenant_opcodes_total{tenant=\"alice\"} 123");
	expect_line("stint_tenant_output_bytes_total{tenant=\"alice\"} 15");
	expect_line("stint_tenant_queue_seconds_total{tenant=\"alice\"} 0.000007");
	expect_line("stint_tenant_opcodes_total{tenant=\"_other\"} 0");
}

static void
test_kills(void **state)
{
	struct run_usage usage = {0};
	(void)state;
	end_job("a", STATUS_CPU_LIMIT, usage, ENGINE_KILL_CPU, 3000);
	end_job("a", STATUS_WALL_LIMIT, usage, ENGINE_KILL_WALL, 400000000);
	end_job("a", STATUS_MEMORY_LIMIT, usage, ENGINE_KILL_MEMORY, 0);
	end_job("a", STATUS_CANCELLED, usage, ENGINE_KILL_CANCEL, 0);
	expect_line("stint_job_kills_total{reason=\"cpu\"} 1");
	expect_line("stint_job_kills_total{reason=\"wall\"} 1");
	expect_line("stint_job_kills_total{reason=\"memory\"} 1");
	expect_line("stint_job_kills_total{reason=\"cancel\"} 1");
	expect_line("stint_job_kills_total{reason=\"opcodes\"} 0");
	expect_line("stint_kill_overrun_seconds_bucket{limit=\"cpu\",le=\"0.0025\"} 0");
	expect_line("stint_kill_overrun_seconds_bucket{limit=\"cpu\",le=\"0.005\"} 1");
	expect_line("stint_kill_overrun_seconds_bucket{limit=\"cpu\",le=\"+Inf\"} 1");
	expect_line("stint_kill_overrun_seconds_sum{limit=\"cpu\"} 0.003000");
	expect_line("stint_kill_overrun_seconds_bucket{limit=\"wall\",le=\"300\"} 0");
	expect_line("stint_kill_overrun_seconds_bucket{limit=\"wall\",le=\"+Inf\"} 1");
	expect_line("stint_kill_overrun_seconds_count{limit=\"wall\"} 1");
}

/* A value that equals a bound belongs to its bucket; buckets are cumulative. */
static void
test_bounds(void **state)
{
	(void)state;
	metrics_observe(&metrics, METRIC_job_queue, 0, 0);
	metrics_observe(&metrics, METRIC_job_queue, 0, 500);
	metrics_observe(&metrics, METRIC_job_queue, 0, 501);
	metrics_observe(&metrics, METRIC_job_queue, 0, 300000000);
	metrics_observe(&metrics, METRIC_job_queue, 0, 300000001);
	expect_line("stint_job_queue_seconds_bucket{le=\"0.0005\"} 2");
	expect_line("stint_job_queue_seconds_bucket{le=\"0.001\"} 3");
	expect_line("stint_job_queue_seconds_bucket{le=\"60\"} 3");
	expect_line("stint_job_queue_seconds_bucket{le=\"300\"} 4");
	expect_line("stint_job_queue_seconds_bucket{le=\"+Inf\"} 5");
	expect_line("stint_job_queue_seconds_count 5");
	expect_line("stint_job_queue_seconds_sum 600.001002");
}

/* Two have series of their own; the third and all after it are one. */
static void
test_tenants_are_bounded(void **state)
{
	struct run_usage usage = {.opcodes = 1};
	char name[32];
	(void)state;
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "tenant-%d", i);
		end_job(name, STATUS_OK, usage, ENGINE_KILL_NONE, 0);
	}
	end_job("tenant-1", STATUS_OK, usage, ENGINE_KILL_NONE, 0);
	expect_line("stint_tenant_opcodes_total{tenant=\"tenant-0\"} 1");
	expect_line("stint_tenant_opcodes_total{tenant=\"tenant-1\"} 2");
	expect_line("stint_tenant_opcodes_total{tenant=\"_other\"} 998");
	expect_line("stint_tenant_jobs_ended_total{tenant=\"_other\",status=\"ok\"} 998");
	expect_line("stint_jobs_opcodes_total 1001");
	char *text = written();
	assert_null(strstr(text, "tenant-2"));
	free(text);
}

static void
test_no_tenant_by_name(void **state)
{
	struct run_usage usage = {.opcodes = 5};
	(void)state;
	metrics_deinit(&metrics);
	metrics_init(&metrics, 0);
	end_job("alice", STATUS_OK, usage, ENGINE_KILL_NONE, 0);
	expect_line("stint_tenant_opcodes_total{tenant=\"_other\"} 5");
	char *text = written();
	assert_null(strstr(text, "alice"));
	free(text);
}

/* Tenants' names hold no such bytes; the text would be right if they did. */
static void
test_labels_are_escaped(void **state)
{
	struct run_usage usage = {.opcodes = 5};
	(void)state;
	end_job("a\"b\\c\nd", STATUS_OK, usage, ENGINE_KILL_NONE, 0);
	expect_line("stint_tenant_opcodes_total{tenant=\"a\\\"b\\\\c\\nd\"} 5");
}

/* A name longer than any tenant's is nobody's. */
static void
test_long_name(void **state)
{
	struct run_usage usage = {.opcodes = 5};
	char name[TENANT_NAME_MAX + 2];
	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	end_job(name, STATUS_OK, usage, ENGINE_KILL_NONE, 0);
	expect_line("stint_tenant_opcodes_total{tenant=\"_other\"} 5");
	end_job(name + 1, STATUS_OK, usage, ENGINE_KILL_NONE, 0);
	assert_int_equal(metrics.named_count, 1);
}

static void
test_refusals(void **state)
{
	(void)state;
	metrics_refused(&metrics, "alice", RPC_REASON_QUEUE_FULL);
	metrics_refused(&metrics, NULL, RPC_REASON_QUEUE_FULL);
	metrics_refused(&metrics, "alice", RPC_REASON_NONE);
	expect_line("stint_refusals_total{reason=\"queue_full\"} 2");
	expect_line("stint_refusals_total{reason=\"invalid_request\"} 1");
	expect_line("stint_refusals_total{reason=\"draining\"} 0");
	expect_line("stint_tenant_refusals_total{tenant=\"alice\",reason=\"queue_full\"} 1");
	char *text = written();
	assert_null(strstr(text, "tenant=\"alice\",reason=\"draining\""));
	free(text);
}

static void
test_events(void **state)
{
	(void)state;
	metrics_event(&metrics, ENGINE_EVENT_WORKER_STARTED, 1);
	metrics_event(&metrics, ENGINE_EVENT_WORKER_STARTED, 2);
	metrics_event(&metrics, ENGINE_EVENT_WORKER_READY, 6000);
	metrics_event(&metrics, ENGINE_EVENT_WORKER_FAILED, 1);
	metrics_event(&metrics, ENGINE_EVENT_GENERATION_STARTED, 1);
	metrics_event(&metrics, ENGINE_EVENT_GENERATION_LOST, 1);
	metrics_event(&metrics, ENGINE_EVENT_MADE_WAY, 20000);
	metrics_event(&metrics, ENGINE_EVENT_MADE_WAY, 1500);
	expect_line("stint_made_way_seconds_total 0.021500");
	metrics_event(&metrics, ENGINE_EVENT_PAUSED, 4000);
	metrics_event(&metrics, ENGINE_EVENT_PAUSED, 500);
	expect_line("stint_paused_seconds_total 0.004500");
	expect_line("stint_workers_started_total 2");
	expect_line("stint_workers_failed_total 1");
	expect_line("stint_generations_started_total 1");
	expect_line("stint_generations_lost_total 1");
	expect_line("stint_worker_start_seconds_bucket{le=\"0.005\"} 0");
	expect_line("stint_worker_start_seconds_bucket{le=\"0.01\"} 1");
}

/* No two metrics share a cell: each is set to a number of its own and read back. */
static void
test_cells_are_apart(void **state)
{
	(void)state;
	for (unsigned i = 0; i < METRIC_CELLS; i++)
		metrics.cells[i] = 1000000 + i;
	char line[128];
	(void)snprintf(line, sizeof(line), "stint_requests_total{method=\"_unknown\"} %u",
		       1000000 + METRIC_requests + METRICS_METHOD_UNKNOWN);
	expect_line(line);
	(void)snprintf(line, sizeof(line), "stint_refusals_total{reason=\"invalid_request\"} %u",
		       1000000 + METRIC_refusals);
	expect_line(line);
	(void)snprintf(line, sizeof(line), "stint_workers{state=\"busy\"} %u",
		       1000000 + METRIC_workers + 2);
	expect_line(line);
	(void)snprintf(line, sizeof(line), "stint_jobs_queued %u", 1000000 + METRIC_jobs_queued);
	expect_line(line);
	(void)snprintf(line, sizeof(line), "stint_store_failures_total %u",
		       1000000 + METRIC_store_failures);
	expect_line(line);
	(void)snprintf(line, sizeof(line), "stint_durable_jobs_held %u",
		       1000000 + METRIC_durable_held);
	expect_line(line);
	assert_int_equal(METRIC_requests_LAST + 1, METRIC_refusals);
}

static void
test_nobody_counts(void **state)
{
	struct run_usage usage = {0};
	struct engine_ended ended = {.job = "j", .tenant = "t", .tag = "", .usage = &usage};
	(void)state;
	metrics_add(NULL, METRIC_requests, 1);
	metrics_set(NULL, METRIC_requests, 1);
	metrics_observe(NULL, METRIC_job_cpu, 0, 1);
	metrics_ended(NULL, &ended);
	metrics_event(NULL, ENGINE_EVENT_WORKER_READY, 1);
	metrics_refused(NULL, "t", RPC_REASON_NONE);
	expect_line("stint_job_cpu_seconds_count 0");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_job_is_counted, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_kills, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_tenants_are_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_tenant_by_name, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_labels_are_escaped, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_long_name, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_events, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_cells_are_apart, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_nobody_counts, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
