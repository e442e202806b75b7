/* Accounts of tenants: found by name, bounded, counted by the states of their jobs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/account.h"
#include "daemon/job.h"

static struct account *
get(struct account_table *table, const char *name)
{
	struct tenant_terms terms = {.values = {[TENANT_SETTING_weight] = 1}};
	struct account *account = NULL;
	(void)snprintf(terms.name, sizeof(terms.name), "%s", name);
	assert_int_equal(account_get(table, &terms, &account, NULL), 0);
	return account;
}

static void
test_one_by_name(void **state)
{
	struct account_table table;
	(void)state;
	account_table_init(&table, 10);
	assert_null(account_find(&table, "a"));
	struct account *a = get(&table, "a");
	assert_ptr_not_equal(a, get(&table, "b"));
	assert_ptr_equal(a, get(&table, "a"));
	assert_ptr_equal(a, account_find(&table, "a"));
	assert_null(account_find(&table, ""));
	assert_int_equal(table.count, 0); /* of users */
	account_table_deinit(&table);
}

static void
test_new_terms_counters_stay(void **state)
{
	struct account_table table;
	struct tenant_terms terms = {.name = "a", .values = {[TENANT_SETTING_weight] = 7}};
	struct run_usage usage = {.cpu_us = 5, .opcodes = 11};
	struct account *account;
	(void)state;
	account_table_init(&table, 10);
	account_charge(get(&table, "a"), &usage);
	account_charge(get(&table, "a"), &usage);
	assert_int_equal(account_get(&table, &terms, &account, NULL), 0);
	assert_int_equal(tenant_number(&account->terms, weight), 7);
	assert_int_equal(account->cpu_us_total, 10);
	assert_int_equal(account->opcodes_total, 22);
	account_table_deinit(&table);
}

static void
test_the_longest_idle_goes(void **state)
{
	struct account_table table;
	(void)state;
	account_table_init(&table, 2);
	struct account *a = get(&table, "uid-1");
	(void)get(&table, "uid-2");
	account_hold(a);
	account_release(a); /* now b is idle for longer */
	(void)get(&table, "uid-3");
	assert_non_null(account_find(&table, "uid-1"));
	assert_null(account_find(&table, "uid-2"));
	assert_non_null(account_find(&table, "uid-3"));
	assert_int_equal(table.count, 2);
	/* Named ones need no place, and keep theirs. */
	(void)get(&table, "shop");
	(void)get(&table, "uid-4");
	(void)get(&table, "uid-5");
	assert_non_null(account_find(&table, "shop"));
	assert_null(account_find(&table, "uid-1"));
	account_table_deinit(&table);
}

static void
test_full_of_busy_ones(void **state)
{
	struct account_table table;
	struct tenant_terms terms = {.name = "uid-3"};
	struct account *account = NULL;
	struct error err = ERROR_INIT;
	(void)state;
	account_table_init(&table, 2);
	struct account *a = get(&table, "uid-1"), *b = get(&table, "uid-2");
	account_hold(a);
	account_hold(b);
	assert_int_equal(account_get(&table, &terms, &account, &err), ERROR_LIMIT);
	assert_non_null(strstr(err.text, "2 users without a section"));
	assert_ptr_equal(get(&table, "uid-1"), a); /* one that is there is still served */
	account_table_resize(&table, 1);           /* too many, but none is idle */
	assert_int_equal(table.count, 2);
	account_release(a);
	assert_null(account_find(&table, "uid-1"));
	account_release(b);
	assert_non_null(account_find(&table, "uid-2"));
	account_table_deinit(&table);
}

static void
test_a_section_goes_and_comes(void **state)
{
	struct account_table table;
	(void)state;
	account_table_init(&table, 1);
	struct account *idle = get(&table, "idle"), *busy = get(&table, "busy");
	struct account *user = get(&table, "uid-1");
	account_hold(busy);
	account_hold(user);
	account_set_named(idle, false);
	account_set_named(busy, false);
	account_set_named(busy, false);
	account_set_named(user, true); /* never by its name */
	assert_int_equal(table.count, 3);
	account_table_resize(&table, 1);
	assert_null(account_find(&table, "idle"));
	assert_ptr_equal(account_find(&table, "busy"), busy); /* it has a job */
	account_set_named(busy, true);
	account_release(busy);
	account_release(user);
	assert_ptr_equal(account_find(&table, "busy"), busy); /* and is back */
	account_set_named(busy, false);
	account_table_resize(&table, 0);
	assert_null(account_find(&table, "busy"));
	assert_int_equal(table.count, 0);
	account_table_deinit(&table);
}

static void
count_one(void *context, struct account *account)
{
	assert_non_null(account);
	++*(size_t *)context;
}

static void
test_each_once(void **state)
{
	struct account_table table;
	char name[16];
	size_t count = 0;
	(void)state;
	account_table_init(&table, 10);
	for (unsigned i = 0; i < 3 * ACCOUNT_CHAINS; i++) {
		(void)snprintf(name, sizeof(name), "t%u", i);
		(void)get(&table, name);
	}
	account_table_each(&table, count_one, &count);
	assert_int_equal(count, 3 * ACCOUNT_CHAINS);
	account_table_deinit(&table);
}

/* What the account says is what its jobs' lists say, whatever the way. */
static void
test_counts_follow_the_states(void **state)
{
	struct account_table table;
	struct job_lists lists;
	struct job *jobs[2];
	(void)state;
	account_table_init(&table, 1);
	job_lists_init(&lists);
	struct job_owner owner = {get(&table, "a"), 1, 1, NULL, NULL};
	struct account *account = owner.account;
	for (size_t i = 0; i < 2; i++) {
		struct run_request request;
		memset(&request, 0, sizeof(request));
		assert_int_equal(job_new(&request, &owner, 0, &jobs[i], NULL), 0);
		job_enter(&lists, jobs[i]);
	}
	assert_int_equal(account->jobs, 2);
	assert_int_equal(account->queued, 2);
	assert_int_equal(account->queue_bytes, jobs[0]->bytes + jobs[1]->bytes);
	job_move(&lists, jobs[0], JOB_RUNNING);
	assert_int_equal(account->queued, 1);
	assert_int_equal(account->running, 1);
	assert_int_equal(account->queue_bytes, jobs[1]->bytes);
	job_move(&lists, jobs[0], JOB_QUEUED);
	assert_int_equal(account->queued, 2);
	assert_int_equal(account->running, 0);
	job_move(&lists, jobs[1], JOB_ENDED);
	assert_int_equal(account->queued, 1);
	job_free(&jobs[0]); /* as when the engine closes: still queued */
	job_free(&jobs[1]);
	assert_int_equal(account->queued, 0);
	assert_int_equal(account->queue_bytes, 0);
	assert_int_equal(account->jobs, 0);
	assert_int_equal(account->jobs_total, 2);
	account_table_deinit(&table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_by_name),
	    cmocka_unit_test(test_new_terms_counters_stay),
	    cmocka_unit_test(test_the_longest_idle_goes),
	    cmocka_unit_test(test_full_of_busy_ones),
	    cmocka_unit_test(test_a_section_goes_and_comes),
	    cmocka_unit_test(test_each_once),
	    cmocka_unit_test(test_counts_follow_the_states),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
