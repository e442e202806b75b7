/*
 * The store's queue: what goes into one batch.
 */
#include "tests/unit/store_disk.h"
#include "tests/unit/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A     "0123456789abcdef0123456789abcdea"
#define B     "0123456789abcdef0123456789abcdeb"
#define LOOKS 10u

static struct store_disk *disk;

/* Until store_disk_go all that is posted waits behind this one. */
static void
hold(struct store_fixture *fixture)
{
	disk->sync_waits = true;
	store_fixture_post(fixture, store_fixture_submit("holder", B, "{}"));
	store_disk_entered();
}

/* Batches that LOOKS looks at an ended job, which wait together, are done in. */
static uint64_t
batches_of_looks(struct store_fixture *fixture, bool want_text)
{
	struct store_health before, after;
	unsigned answered = fixture->answered;
	hold(fixture);
	store_health(fixture->store, &before);
	for (unsigned i = 0; i < LOOKS; i++) {
		struct store_op *op = store_fixture_on(STORE_FETCH, "t", A);
		op->want_text = want_text;
		store_fixture_post(fixture, op);
	}
	store_disk_go();
	store_fixture_wait(fixture, answered + 1 + LOOKS);
	assert_int_equal(fixture->last->outcome, STORE_DONE);
	assert_int_equal(fixture->last->row.text != NULL, want_text);
	assert_int_equal(store_fixture_do(fixture, store_fixture_result("holder", B, ""))->outcome,
			 STORE_DONE);
	store_health(fixture->store, &after);
	return after.commits - before.commits - 2; /* the holder's own */
}

/* A result may be as large as it likes: each is given back before the next one is read. */
static void
a_result_that_is_read_ends_its_batch(void **state)
{
	struct store_fixture *fixture = *state;
	(void)store_fixture_do(fixture, store_fixture_submit("t", A, "{}"));
	(void)store_fixture_do(fixture, store_fixture_result("t", A, "text"));
	assert_int_equal(batches_of_looks(fixture, true), LOOKS);
}

/* Its row alone is small, and does not. */
static void
a_row_that_is_read_does_not(void **state)
{
	struct store_fixture *fixture = *state;
	(void)store_fixture_do(fixture, store_fixture_submit("t", A, "{}"));
	(void)store_fixture_do(fixture, store_fixture_result("t", A, "text"));
	assert_int_equal(batches_of_looks(fixture, false), 1);
}

int
main(void)
{
	disk = store_disk_reset();
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_result_that_is_read_ends_its_batch),
	    TEST(a_row_that_is_read_does_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
