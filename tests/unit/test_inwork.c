/*
 * inwork.c on hash_table.c: requests are found by ticket, job and id, for their own client only,
 * and are gone with it.
 */
#include "cmocka_headers.h"
#include "daemon/inwork.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 5000

static void
job_name(unsigned number, char ret_name[JOB_ID_CHARS + 1])
{
	(void)snprintf(ret_name, JOB_ID_CHARS + 1, "%032x", number);
}

static void
test_find_by_all_three(void **state)
{
	(void)state;
	struct inwork inwork;
	struct inwork_client one = {.session = 0}, two = {.session = 0};
	inwork_init(&inwork);
	inwork_client_add(&inwork, &one, 7);
	inwork_client_add(&inwork, &two, 8);
	struct inwork_request *a = inwork_add(&inwork, &one, "1", "test");
	struct inwork_request *b = inwork_add(&inwork, &two, "1", "test");
	struct inwork_request *c = inwork_add(&inwork, &one, "\"1\"", "test");
	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(c);
	assert_null(inwork_add(&inwork, &one, "1", "test"));
	char job[JOB_ID_CHARS + 1];
	job_name(1, job);
	inwork_set_job(&inwork, a, job);
	assert_ptr_equal(inwork_find(&inwork, a->ticket), a);
	assert_ptr_equal(inwork_find(&inwork, b->ticket), b);
	assert_ptr_equal(inwork_find_job(&inwork, job), a);
	assert_ptr_equal(inwork_find_id(&inwork, &two, "1"), b);
	assert_ptr_equal(inwork_find_id(&inwork, &one, "\"1\""), c);
	assert_null(inwork_find_id(&inwork, &two, "\"1\""));
	assert_null(inwork_find_job(&inwork, "nothing"));
	assert_ptr_equal(inwork_client_find(&inwork, 8), &two);
	assert_null(inwork_client_find(&inwork, 9));
	uint64_t ticket = a->ticket;
	inwork_remove(&inwork, &a);
	assert_null(a);
	assert_null(inwork_find(&inwork, ticket));
	assert_null(inwork_find_job(&inwork, job));
	a = inwork_add(&inwork, &one, "1", "test");
	assert_non_null(a);
	assert_true(a->ticket != ticket);
	inwork_client_remove(&inwork, &one);
	inwork_client_remove(&inwork, &one);
	assert_null(inwork_client_find(&inwork, 7));
	assert_ptr_equal(inwork_find(&inwork, b->ticket), b);
	inwork_client_remove(&inwork, &two);
	inwork_deinit(&inwork);
}

static void
test_many(void **state)
{
	(void)state;
	struct inwork inwork;
	struct inwork_client client = {.session = 0};
	inwork_init(&inwork);
	inwork_client_add(&inwork, &client, 1);
	char text[JOB_ID_CHARS + 1];
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(text, sizeof(text), "%u", i);
		struct inwork_request *request = inwork_add(&inwork, &client, text, "test");
		assert_non_null(request);
		job_name(i, text);
		inwork_set_job(&inwork, request, text);
	}
	assert_int_equal(client.requests.count, MANY);
	for (unsigned i = 0; i < MANY; i += 2) {
		job_name(i, text);
		struct inwork_request *request = inwork_find_job(&inwork, text);
		assert_non_null(request);
		inwork_remove(&inwork, &request);
	}
	for (unsigned i = 0; i < MANY; i++) {
		job_name(i, text);
		assert_int_equal(inwork_find_job(&inwork, text) != NULL, i % 2);
	}
	inwork_client_remove(&inwork, &client);
	assert_int_equal(inwork.tickets.count, 0);
	inwork_deinit(&inwork);
}

static void
test_hash_depends_on_key_salt_and_bytes(void **state)
{
	(void)state;
	struct hash_table one, two;
	hash_table_init(&one);
	hash_table_init(&two);
	uint64_t plain = hash_table_hash(&one, 0, "12345678abc", 11);
	assert_true(plain == hash_table_hash(&one, 0, "12345678abc", 11));
	assert_true(plain != hash_table_hash(&one, 1, "12345678abc", 11));
	assert_true(plain != hash_table_hash(&two, 0, "12345678abc", 11));
	assert_true(plain != hash_table_hash(&one, 0, "12345678abd", 11));
	assert_true(plain != hash_table_hash(&one, 0, "12345678abc", 10));
	assert_true(hash_table_hash(&one, 0, "", 0) != hash_table_hash(&one, 0, "\0", 1));
	hash_table_deinit(&one);
	hash_table_deinit(&two);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_find_by_all_three),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_hash_depends_on_key_salt_and_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
