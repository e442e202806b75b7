/* The queue and the life of a job: order, bytes, positions, moves, the table of ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/job_table.h"
#include "daemon/queue.h"

struct fixture {
	struct job_lists lists;
	struct queue queue;
	struct job_table table;
	struct account_table accounts;
	struct account *account;
};

static struct job *
make_job(struct fixture *fixture, uint64_t session, size_t blob_bytes)
{
	struct run_request request;
	struct job *job = NULL;
	memset(&request, 0, sizeof(request));
	request.blob = calloc(1, blob_bytes + 1);
	request.blob_bytes = blob_bytes;
	struct job_owner owner = {fixture->account, session, 7, NULL, NULL};
	assert_int_equal(job_new(&request, &owner, 0, &job, NULL), 0);
	assert_null(request.blob); /* moved from */
	job_table_add(&fixture->table, job);
	queue_put(&fixture->queue, job);
	return job;
}

static void
end_job(struct fixture *fixture, struct job *job)
{
	job_table_remove(&fixture->table, job);
	queue_forget(&fixture->queue, job);
	job_free(&job);
}

static int
setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	job_lists_init(&fixture->lists);
	queue_init(&fixture->queue, &fixture->lists, 2);
	assert_int_equal(job_table_init(&fixture->table, NULL), 0);
	struct tenant_terms terms = {.name = "test"};
	account_table_init(&fixture->accounts, 1);
	assert_int_equal(account_get(&fixture->accounts, &terms, &fixture->account, NULL), 0);
	*state = fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;
	for (size_t i = 0; i < JOB_STATE_COUNT; i++) {
		LIST_FOREACH_SAFE (&fixture->lists.of[i], link, next) {
			end_job(fixture, list_item(link, struct job, link));
		}
	}
	job_table_deinit(&fixture->table);
	queue_deinit(&fixture->queue);
	account_table_deinit(&fixture->accounts);
	free(fixture);
	return 0;
}

/* The job that is called next, alone. */
static struct job *
call(struct fixture *fixture)
{
	struct job *last = NULL;
	queue_call(&fixture->queue);
	for (struct job *job = queue_called(&fixture->queue); job;
	     job = queue_called_after(&fixture->queue, job))
		last = job;
	return last;
}

static void
test_first_in_first_out(void **state)
{
	struct fixture *fixture = *state;
	struct job *a = make_job(fixture, 1, 0), *b = make_job(fixture, 1, 0);
	struct job *c = make_job(fixture, 1, 0);
	assert_null(queue_called(&fixture->queue));
	assert_int_equal(queue_position(&fixture->queue, c), 3);
	assert_ptr_equal(call(fixture), b); /* two may run */
	assert_ptr_equal(queue_called(&fixture->queue), a);
	assert_ptr_equal(queue_called_after(&fixture->queue, a), b);
	assert_null(queue_called_after(&fixture->queue, b));
	queue_start(&fixture->queue, a);
	assert_int_equal(a->state, JOB_RUNNING);
	assert_int_equal(queue_position(&fixture->queue, a), 0);
	assert_int_equal(queue_position(&fixture->queue, c), 2);
	queue_start(&fixture->queue, b);
	assert_null(call(fixture));
	queue_end(&fixture->queue, a, 1);
	assert_int_equal(a->state, JOB_ENDED);
	assert_ptr_equal(call(fixture), c);
}

static void
test_returns_to_the_front(void **state)
{
	struct fixture *fixture = *state;
	struct job *a = make_job(fixture, 1, 10), *b = make_job(fixture, 1, 10);
	uint64_t bytes = fixture->queue.bytes;
	queue_call(&fixture->queue);
	queue_start(&fixture->queue, a);
	queue_return(&fixture->queue, a);
	assert_int_equal(a->state, JOB_QUEUED);
	assert_ptr_equal(queue_called(&fixture->queue), a);
	assert_int_equal(queue_position(&fixture->queue, b), 2);
	assert_int_equal(fixture->queue.bytes, bytes);
	assert_int_equal(queue_count(&fixture->queue), 2);
	/* alone */
	queue_start(&fixture->queue, a);
	queue_start(&fixture->queue, b);
	queue_return(&fixture->queue, b);
	assert_ptr_equal(queue_called(&fixture->queue), b);
}

static void
test_priority_and_deadline_are_the_requests(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request = {.priority = 3, .deadline_ms = 5};
	struct job_owner owner = {fixture->account, 1, 7, NULL, NULL};
	struct job *urgent, *plain = make_job(fixture, 1, 0);
	assert_int_equal(job_new(&request, &owner, 1000, &urgent, NULL), 0);
	job_table_add(&fixture->table, urgent);
	queue_put(&fixture->queue, urgent);
	assert_int_equal(urgent->deadline_ns, 5001000);
	assert_int_equal(queue_position(&fixture->queue, plain), 2);
	assert_null(queue_expired(&fixture->queue, 5000999));
	assert_ptr_equal(queue_expired(&fixture->queue, 5001000), urgent);
	queue_call(&fixture->queue);
	assert_ptr_equal(queue_called(&fixture->queue), urgent);
	queue_leave(&fixture->queue, urgent);
	assert_null(queue_expired(&fixture->queue, 5001000));
}

static void
test_bytes_come_back_to_zero(void **state)
{
	struct fixture *fixture = *state;
	struct job *a = make_job(fixture, 1, 100), *b = make_job(fixture, 1, 200);
	assert_int_equal(fixture->queue.bytes, a->bytes + b->bytes);
	queue_leave(&fixture->queue, b);
	queue_call(&fixture->queue);
	queue_start(&fixture->queue, a);
	assert_int_equal(fixture->queue.bytes, 0);
	assert_int_equal(fixture->lists.of[JOB_ENDED].count, 1);
	assert_int_equal(fixture->lists.of[JOB_RUNNING].count, 1);
}

static void
test_table_finds_by_id_and_session(void **state)
{
	struct fixture *fixture = *state;
	struct job *a = make_job(fixture, 1, 0), *b = make_job(fixture, 1 + 1024, 0);
	assert_int_equal(strlen(a->id), JOB_ID_CHARS);
	assert_string_not_equal(a->id, b->id);
	assert_ptr_equal(job_table_find(&fixture->table, a->id, 0), a);
	assert_ptr_equal(job_table_find(&fixture->table, a->id, 1), a);
	assert_null(job_table_find(&fixture->table, a->id, 2));
	assert_null(job_table_find(&fixture->table, "", 0));
	assert_null(
	    job_table_find(&fixture->table, "\xff\xff not an id of any job whatever it is", 0));
	/* Two sessions may share a list: both jobs are in it. */
	assert_int_equal(job_table_session(&fixture->table, 1)->count, 2);
	end_job(fixture, b);
	assert_int_equal(job_table_session(&fixture->table, 1)->count, 1);
}

static void
test_table_grows(void **state)
{
	struct fixture *fixture = *state;
	enum { COUNT = 5000 };
	struct job **jobs = calloc(COUNT, sizeof(struct job *));
	assert_non_null(jobs);
	for (size_t i = 0; i < COUNT; i++)
		jobs[i] = make_job(fixture, i, 0);
	assert_true(fixture->table.chain_count > 1024);
	for (size_t i = 0; i < COUNT; i++)
		assert_ptr_equal(job_table_find(&fixture->table, jobs[i]->id, 0), jobs[i]);
	for (size_t i = 0; i < COUNT; i += 2)
		end_job(fixture, jobs[i]);
	for (size_t i = 1; i < COUNT; i += 2)
		assert_ptr_equal(job_table_find(&fixture->table, jobs[i]->id, i), jobs[i]);
	assert_int_equal(fixture->table.count, COUNT / 2);
	free(jobs);
}

static void
test_conclusion_has_an_error(void **state)
{
	struct fixture *fixture = *state;
	struct job *a = make_job(fixture, 1, 0);
	queue_leave(&fixture->queue, a);
	job_conclude(a, STATUS_CANCELLED, "Cancelled", "gone");
	job_conclude(a, STATUS_INTERNAL_ERROR, "X", "again"); /* frees the first */
	assert_string_equal(a->result->job, a->id);
	assert_int_equal(a->result->exit_code, -1);
	assert_true(a->result->has_error);
	assert_int_equal(a->result->error_message.size, 5);
}

/* Whether moving the job there aborts the process; tried in a child. */
static bool
move_aborts(struct fixture *fixture, struct job *job, enum job_state state)
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)signal(SIGABRT, SIG_DFL);
		(void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		job_move(&fixture->lists, job, state);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void
test_forbidden_moves_abort(void **state)
{
	struct fixture *fixture = *state;
	struct job *job = make_job(fixture, 1, 0);
	assert_true(move_aborts(fixture, job, JOB_QUEUED));
	assert_true(move_aborts(fixture, job, JOB_STATE_COUNT));
	assert_false(move_aborts(fixture, job, JOB_RUNNING));
	assert_false(move_aborts(fixture, job, JOB_ENDED));
	queue_call(&fixture->queue);
	queue_start(&fixture->queue, job);
	assert_true(move_aborts(fixture, job, JOB_RUNNING));
	assert_false(move_aborts(fixture, job, JOB_QUEUED));
	queue_end(&fixture->queue, job, 1);
	assert_true(move_aborts(fixture, job, JOB_QUEUED));
	assert_true(move_aborts(fixture, job, JOB_RUNNING));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_first_in_first_out),
	    TEST(test_returns_to_the_front),
	    TEST(test_priority_and_deadline_are_the_requests),
	    TEST(test_forbidden_moves_abort),
	    TEST(test_bytes_come_back_to_zero),
	    TEST(test_table_finds_by_id_and_session),
	    TEST(test_table_grows),
	    TEST(test_conclusion_has_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
