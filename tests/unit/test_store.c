/*
 * The store of durable jobs: what is kept, for whom, in which order, and for how long.
 */
#include "tests/unit/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A "0123456789abcdef0123456789abcdea"
#define B "0123456789abcdef0123456789abcdeb"

static void
a_job_is_stored_and_ends_once(void **state)
{
	struct store_fixture *fixture = *state;
	assert_int_equal(store_fixture_do(fixture, store_fixture_submit("t", A, "{}"))->outcome,
			 STORE_DONE);
	struct store_op *op = store_fixture_do(fixture, store_fixture_on(STORE_FETCH, "t", A));
	assert_int_equal(op->outcome, STORE_DONE);
	assert_int_equal(op->row.state, STORE_WAITING);
	op = store_fixture_do(fixture, store_fixture_result("t", A, "first"));
	assert_int_equal(op->outcome, STORE_DONE);
	assert_non_null(strstr(op->row.text, "\"stdout\":\"first\""));
	assert_non_null(strstr(op->row.text, "\"attempts\":1"));
	op = store_fixture_do(fixture, store_fixture_result("t", A, "second"));
	assert_int_equal(op->outcome, STORE_NOT_FOUND);
	op = store_fixture_on(STORE_FETCH, "t", A);
	op->want_text = true;
	op = store_fixture_do(fixture, op);
	assert_int_equal(op->row.state, STORE_ENDED);
	assert_string_equal(op->row.status, "ok");
	assert_non_null(strstr(op->row.text, "\"stdout\":\"first\""));
}

static void
another_tenants_job_is_not_there(void **state)
{
	struct store_fixture *fixture = *state;
	(void)store_fixture_do(fixture, store_fixture_submit("t", A, "{}"));
	static const enum store_kind KINDS[] = {STORE_FETCH, STORE_CANCEL, STORE_STARTED};
	for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++)
		assert_int_equal(
		    store_fixture_do(fixture, store_fixture_on(KINDS[i], "u", A))->outcome,
		    STORE_NOT_FOUND);
	struct store_op *op = store_fixture_on(STORE_LIST, "u", "");
	op->filter.count_max = 10;
	assert_int_equal(store_fixture_do(fixture, op)->row_count, 0);
	op = store_fixture_on(STORE_FETCH, "t", A);
	assert_int_equal(store_fixture_do(fixture, op)->row.state, STORE_WAITING);
}

static struct store_op *
keyed(const char *tenant, const char *id, const char *text, const char *key)
{
	struct store_op *op = store_fixture_submit(tenant, id, text);
	(void)snprintf(op->row.key, sizeof(op->row.key), "%s", key);
	return op;
}

static void
a_key_gives_the_first_job(void **state)
{
	struct store_fixture *fixture = *state;
	assert_int_equal(store_fixture_do(fixture, keyed("t", A, "{1}", "k"))->outcome, STORE_DONE);
	struct store_op *op = store_fixture_do(fixture, keyed("t", B, "{1}", "k"));
	assert_int_equal(op->outcome, STORE_REPEATED);
	assert_string_equal(op->found_id, A);
	assert_string_equal(op->row.id, B); /* tried again, it would be itself */
	assert_int_equal(store_fixture_do(fixture, keyed("t", B, "{2}", "k"))->outcome,
			 STORE_OTHER_REQUEST);
	/* Also when it has ended; and another tenant has keys of its own. */
	(void)store_fixture_do(fixture, store_fixture_result("t", A, ""));
	assert_int_equal(store_fixture_do(fixture, keyed("t", B, "{1}", "k"))->outcome,
			 STORE_REPEATED);
	assert_int_equal(store_fixture_do(fixture, keyed("u", B, "{2}", "k"))->outcome, STORE_DONE);
}

static struct store_op *
feed(struct store_fixture *fixture, unsigned count)
{
	struct store_op *op = store_fixture_on(STORE_FEED, "", "");
	op->count_max = count;
	op->bytes_max = 1u << 20;
	op->want_text = true;
	return store_fixture_do(fixture, op);
}

static void
feeding_goes_round_the_tenants(void **state)
{
	struct store_fixture *fixture = *state;
	char id[JOB_ID_CHARS + 1];
	for (unsigned i = 0; i < 6; i++) {
		(void)snprintf(id, sizeof(id), "a%031u", i);
		(void)store_fixture_do(fixture, store_fixture_submit("a", id, "{}"));
	}
	(void)store_fixture_do(fixture, store_fixture_submit("b", A, "{\"b\":1}"));
	struct store_op *op = feed(fixture, 4);
	assert_int_equal(op->row_count, 4);
	assert_int_equal(op->waiting, 3);
	static const char *const ORDER[] = {"a", "b", "a", "a"};
	for (unsigned i = 0; i < 4; i++)
		assert_string_equal(op->rows[i].tenant, ORDER[i]);
	assert_string_equal(op->rows[0].id, "a0000000000000000000000000000000");
	assert_string_equal(op->rows[1].text, "{\"b\":1}");
	assert_string_equal(op->rows[1].limits, "{}");
	/* What was handed out does not come again; who is left out waits. */
	op = store_fixture_on(STORE_FEED, "", "");
	op->count_max = 100;
	op->bytes_max = 1u << 20;
	op->except_count = 1;
	(void)snprintf(op->except[0], sizeof(op->except[0]), "a");
	assert_int_equal(store_fixture_do(fixture, op)->row_count, 0);
	assert_int_equal(feed(fixture, 100)->row_count, 3);
}

static void
after_a_restart_all_wait_again(void **state)
{
	struct store_fixture *fixture = *state;
	(void)feed(fixture, 1);
	struct store_op *op = store_fixture_submit("t", A, "{}");
	op->row.state = STORE_HANDED_OUT;
	(void)store_fixture_do(fixture, op);
	assert_int_equal(feed(fixture, 100)->row_count, 0);
	op = store_fixture_on(STORE_STARTED, "t", A);
	op->row.attempts = 2;
	assert_int_equal(store_fixture_do(fixture, op)->outcome, STORE_DONE);
	(void)store_fixture_do(fixture, store_fixture_submit("t", B, "{}"));
	assert_int_equal(
	    store_fixture_do(fixture, store_fixture_on(STORE_CANCEL, "t", A))->row.state,
	    STORE_RUNNING);
	store_fixture_stop(fixture);
	assert_int_equal(store_fixture_start(fixture), 0);
	op = feed(fixture, 100);
	assert_true(op->recovers);
	assert_int_equal(op->row_count, 2);
	assert_string_equal(op->rows[0].id, A);
	assert_int_equal(op->rows[0].attempts, 2);
	assert_true(op->rows[0].cancelled);
	assert_int_equal(op->rows[1].attempts, 0);
	assert_int_equal(feed(fixture, 100)->row_count, 0);
}

static void
a_waiting_job_is_cancelled_here(void **state)
{
	struct store_fixture *fixture = *state;
	(void)store_fixture_do(fixture, store_fixture_submit("t", A, "{}"));
	struct store_op *op = store_fixture_result("t", A, "");
	op->kind = STORE_CANCEL;
	op->result->status = STATUS_CANCELLED;
	op = store_fixture_do(fixture, op);
	assert_int_equal(op->outcome, STORE_DONE);
	assert_int_equal(op->row.state, STORE_ENDED);
	assert_int_equal(feed(fixture, 10)->row_count, 0);
	op = store_fixture_do(fixture, store_fixture_on(STORE_FETCH, "t", A));
	assert_string_equal(op->row.status, "cancelled");
	op = store_fixture_do(fixture, store_fixture_on(STORE_CANCEL, "t", A));
	assert_int_equal(op->outcome, STORE_NOT_FOUND);
}

static void
lists_go_on_where_they_ended(void **state)
{
	struct store_fixture *fixture = *state;
	char id[JOB_ID_CHARS + 1];
	unsigned seen = 0;
	for (unsigned i = 0; i < 25; i++) {
		(void)snprintf(id, sizeof(id), "%032u", i);
		struct store_op *op = store_fixture_submit("t", id, "{}");
		op->row.submitted_us = 7; /* the same for all: the id decides */
		(void)snprintf(op->row.tag, sizeof(op->row.tag), "%s", i % 5 == 0 ? "five" : "");
		(void)store_fixture_do(fixture, op);
	}
	struct store_filter filter = {.count_max = 10};
	for (bool more = true; more;) {
		struct store_op *op = store_fixture_on(STORE_LIST, "t", "");
		op->filter = filter;
		op = store_fixture_do(fixture, op);
		for (size_t i = 0; i < op->row_count; i++, seen++) {
			(void)snprintf(id, sizeof(id), "%032u", 24 - seen);
			assert_string_equal(op->rows[i].id, id);
		}
		more = op->more;
		filter.before_us = op->rows[op->row_count - 1].submitted_us;
		memcpy(filter.before_id, op->rows[op->row_count - 1].id, sizeof(filter.before_id));
	}
	assert_int_equal(seen, 25);
	(void)store_fixture_do(fixture, store_fixture_result("t", id, ""));
	struct store_op *op = store_fixture_on(STORE_LIST, "t", "");
	op->filter = (struct store_filter){
	    .count_max = 100, .by_tag = true, .by_state = true, .state = STORE_HANDED_OUT};
	(void)snprintf(op->filter.tag, sizeof(op->filter.tag), "five");
	assert_int_equal(store_fixture_do(fixture, op)->row_count, 4);
	op = store_fixture_on(STORE_LIST, "t", "");
	op->filter =
	    (struct store_filter){.count_max = 100, .by_state = true, .state = STORE_ENDED};
	assert_int_equal(store_fixture_do(fixture, op)->row_count, 1);
}

static struct store_op *
script(enum store_kind kind, const char *id, size_t size)
{
	struct store_op *op = store_fixture_on(kind, "t", "");
	(void)snprintf(op->row.script, sizeof(op->row.script), "%s", id);
	if (size > 0) {
		op->row.text = malloc(size);
		assert_non_null(op->row.text);
		memset(op->row.text, 'x', size);
		op->row.text_size = size;
	}
	return op;
}

/* A script that was deleted is its tenant's until it is gone from the disk. */
static void
scripts_count_as_their_tenants(void **state)
{
	struct store_fixture *fixture = *state;
	store_fixture_stop(fixture);
	fixture->settings.rules.tenant_bytes_max = 100000;
	assert_int_equal(store_fixture_start(fixture), 0);
	assert_int_equal(store_fixture_do(fixture, script(STORE_SCRIPT_PUT, "a", 60000))->outcome,
			 STORE_DONE);
	(void)store_fixture_do(fixture, script(STORE_SCRIPT_DELETE, "a", 0));
	assert_int_equal(store_fixture_do(fixture, script(STORE_SCRIPT_PUT, "b", 60000))->outcome,
			 STORE_QUOTA);
	assert_int_equal(store_fixture_do(fixture, store_fixture_on(STORE_PURGE, "", ""))->outcome,
			 STORE_DONE);
	assert_int_equal(store_fixture_do(fixture, script(STORE_SCRIPT_PUT, "b", 60000))->outcome,
			 STORE_DONE);
	/* Shown again, it is not counted twice. */
	(void)store_fixture_do(fixture, script(STORE_SCRIPT_DELETE, "b", 0));
	assert_int_equal(store_fixture_do(fixture, script(STORE_SCRIPT_PUT, "b", 60000))->outcome,
			 STORE_DONE);
	assert_int_equal(store_fixture_do(fixture, script(STORE_SCRIPT_PUT, "c", 30000))->outcome,
			 STORE_DONE);
}

static void
scripts_live_as_long_as_their_jobs(void **state)
{
	struct store_fixture *fixture = *state;
	static const char SCRIPT[] = "5ca1ab1e";
	struct store_op *op = store_fixture_submit("t", "", "print(1)");
	op->kind = STORE_SCRIPT_PUT;
	(void)snprintf(op->row.script, sizeof(op->row.script), "%s", SCRIPT);
	assert_int_equal(store_fixture_do(fixture, op)->outcome, STORE_DONE);
	op = store_fixture_submit("t", A, "{}");
	(void)snprintf(op->row.script, sizeof(op->row.script), "%s", SCRIPT);
	(void)store_fixture_do(fixture, op);
	op = store_fixture_on(STORE_SCRIPT_DELETE, "u", "");
	(void)snprintf(op->row.script, sizeof(op->row.script), "%s", SCRIPT);
	assert_int_equal(store_fixture_do(fixture, op)->outcome, STORE_NOT_FOUND);
	op = store_fixture_on(STORE_SCRIPT_DELETE, "t", "");
	(void)snprintf(op->row.script, sizeof(op->row.script), "%s", SCRIPT);
	assert_int_equal(store_fixture_do(fixture, op)->outcome, STORE_DONE);
	assert_int_equal(
	    store_fixture_do(fixture, store_fixture_on(STORE_SCRIPT_LOAD, "", ""))->row_count, 0);
	(void)store_fixture_do(fixture, store_fixture_on(STORE_PURGE, "", ""));
	op = feed(fixture, 1);
	assert_int_equal(op->row_count, 1);
	assert_int_equal(op->rows[0].program_size, 8);
	assert_memory_equal(op->rows[0].program, "print(1)", 8);
	(void)store_fixture_do(fixture, store_fixture_result("t", A, ""));
	assert_true(store_fixture_do(fixture, store_fixture_on(STORE_PURGE, "", ""))->more);
	assert_false(store_fixture_do(fixture, store_fixture_on(STORE_PURGE, "", ""))->more);
}

static void
old_results_go(void **state)
{
	struct store_fixture *fixture = *state;
	char id[JOB_ID_CHARS + 1];
	fixture->settings.rules.results_keep_jobs = 5;
	store_fixture_stop(fixture);
	assert_int_equal(store_fixture_start(fixture), 0);
	for (unsigned i = 0; i < 12; i++) {
		(void)snprintf(id, sizeof(id), "%032u", i);
		(void)store_fixture_do(fixture, store_fixture_submit("t", id, "{}"));
		struct store_op *op = store_fixture_result("t", id, "");
		op->row.ended_us = 1000 + i;
		(void)store_fixture_do(fixture, op);
	}
	/* By number: the newest stay. */
	struct store_op *op = store_fixture_on(STORE_LIST, "t", "");
	op->filter.count_max = 100;
	op = store_fixture_do(fixture, op);
	assert_int_equal(op->row_count, 5);
	assert_string_equal(op->rows[0].id, id);
	/* By time. */
	op = store_fixture_on(STORE_PURGE, "", "");
	op->now_us = 1110;
	op->keep_us = 100;
	op = store_fixture_do(fixture, op);
	assert_false(op->more);
	op = store_fixture_on(STORE_LIST, "t", "");
	op->filter.count_max = 100;
	assert_int_equal(store_fixture_do(fixture, op)->row_count, 2);
}

int
main(void)
{
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_job_is_stored_and_ends_once),  TEST(another_tenants_job_is_not_there),
	    TEST(a_key_gives_the_first_job),      TEST(feeding_goes_round_the_tenants),
	    TEST(after_a_restart_all_wait_again), TEST(a_waiting_job_is_cancelled_here),
	    TEST(lists_go_on_where_they_ended),   TEST(scripts_live_as_long_as_their_jobs),
	    TEST(scripts_count_as_their_tenants), TEST(old_results_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
