/*
 * The store's queue: what goes into one batch, who may have how much in it, and who is next.
 */
#include "tests/unit/store_disk.h"
#include "tests/unit/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A     "0123456789abcdef0123456789abcdea"
#define B     "0123456789abcdef0123456789abcdeb"
#define LOOKS 10u
#define LISTS 200u

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

/* Lists have memory for their most rows set apart in a batch. */
static uint64_t
batches_of_lists(struct store_fixture *fixture, unsigned count_max)
{
	struct store_health before, after;
	hold(fixture);
	store_health(fixture->store, &before);
	for (unsigned i = 0; i < LISTS; i++) {
		struct store_op *op = store_fixture_on(STORE_LIST, "t", "");
		op->filter.count_max = count_max;
		store_fixture_post(fixture, op);
	}
	store_disk_go();
	store_fixture_wait(fixture, fixture->answered + 1 + LISTS);
	store_health(fixture->store, &after);
	return after.commits - before.commits - 1; /* the holder's own */
}

static void
long_lists_end_their_batch(void **state)
{
	size_t rows = LISTS * 1000 * sizeof(struct store_row);
	assert_true(batches_of_lists(*state, 1000) >= rows / (2 * STORE_BATCH_BYTES));
	assert_true(rows / (2 * STORE_BATCH_BYTES) > 1);
}

static void
short_lists_do_not(void **state)
{
	assert_int_equal(batches_of_lists(*state, 1), 1);
}

static bool
try_list(struct store_fixture *fixture, const char *tenant)
{
	struct store_op *op = store_fixture_on(STORE_LIST, tenant, "");
	op->filter.count_max = 1;
	if (store_fixture_try(fixture, op))
		return true;
	store_op_free(&op);
	return false;
}

/* One that asks without end is refused, and whoever else comes, and however many, is not. */
static void
a_tenant_has_a_share(void **state)
{
	struct store_fixture *fixture = *state;
	char tenant[8];
	unsigned own = 0, sum = 1;
	hold(fixture);
	while (try_list(fixture, "t"))
		own++;
	assert_true(own >= STORE_OPS_MAX / 5 && own <= STORE_OPS_MAX / 3);
	sum += own;
	for (unsigned i = 0; i < 10; i++) {
		(void)snprintf(tenant, sizeof(tenant), "t%u", i);
		for (own = 0; try_list(fixture, tenant); own++)
			;
		assert_true(own >= 50);
		sum += own;
	}
	assert_true(sum < STORE_OPS_MAX);
	assert_false(try_list(fixture, "t"));
	store_disk_go();
	store_fixture_wait(fixture, sum);
	assert_true(try_list(fixture, "t"));
	store_fixture_wait(fixture, sum + 1);
}

/* The same of bytes; a tenant's only one has all the room there is. */
static void
a_tenant_has_a_share_of_bytes(void **state)
{
	struct store_fixture *fixture = *state;
	struct store_op *op[3];
	size_t large = STORE_BYTES_MAX / 2;
	hold(fixture);
	for (unsigned i = 0; i < 3; i++) {
		op[i] = store_fixture_on(STORE_FETCH, i < 2 ? "t" : "u", A);
		op[i]->row.text = calloc(1, i == 1 ? 1 : large - 100000);
		assert_non_null(op[i]->row.text);
		op[i]->row.text_size = i == 1 ? 1 : large - 100000;
	}
	assert_true(store_fixture_try(fixture, op[0]));
	assert_false(store_fixture_try(fixture, op[1]));
	assert_true(store_fixture_try(fixture, op[2]));
	store_op_free(&op[1]);
	/* What must go goes. */
	store_fixture_must(fixture, store_fixture_on(STORE_FETCH, "t", A));
	store_disk_go();
	store_fixture_wait(fixture, 4);
}

static const char *
take(struct store_queue *queue)
{
	static char id[JOB_ID_CHARS + 1];
	struct store_op *op = store_queue_take(queue);
	if (op == NULL)
		return "";
	memcpy(id, op->row.id, sizeof(id));
	store_queue_told(queue, op);
	store_op_free(&op);
	return id;
}

static void
tenants_take_turns(void **state)
{
	static const char *const POSTED[][2] = {{"t", "t1"}, {"t", "t2"}, {"t", "t3"},
						{"u", "u1"}, {"v", "v1"}, {"v", "v2"}};
	static const char *const TAKEN[] = {"t1", "u1", "v1", "t2", "v2", "t3", ""};
	struct store_queue queue;
	(void)state;
	store_queue_init(&queue);
	for (size_t i = 0; i < sizeof(POSTED) / sizeof(POSTED[0]); i++)
		assert_true(store_queue_put(
		    &queue, store_fixture_on(STORE_FETCH, POSTED[i][0], POSTED[i][1]), false));
	for (size_t i = 0; i < sizeof(TAKEN) / sizeof(TAKEN[0]); i++)
		assert_string_equal(take(&queue), TAKEN[i]);
	store_queue_deinit(&queue);
}

/* A feed says with a tenant's name where it goes on; that tenant does not pay for it. */
static void
a_feed_is_nobodys(void **state)
{
	struct store_queue queue;
	(void)state;
	store_queue_init(&queue);
	assert_true(store_queue_put(&queue, store_fixture_on(STORE_FETCH, "t", "t1"), false));
	assert_true(store_queue_put(&queue, store_fixture_on(STORE_FETCH, "t", "t2"), false));
	assert_true(store_queue_put(&queue, store_fixture_on(STORE_FEED, "t", "feed"), true));
	assert_string_equal(take(&queue), "t1");
	assert_string_equal(take(&queue), "feed");
	assert_string_equal(take(&queue), "t2");
	store_queue_deinit(&queue);
}

static int
teardown(void **state)
{
	disk = store_disk_reset(); /* a test that failed may have left it held */
	return store_fixture_teardown(state);
}

int
main(void)
{
	disk = store_disk_reset();
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, store_fixture_setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_result_that_is_read_ends_its_batch),
	    TEST(a_row_that_is_read_does_not),
	    TEST(long_lists_end_their_batch),
	    TEST(short_lists_do_not),
	    TEST(a_tenant_has_a_share),
	    TEST(a_tenant_has_a_share_of_bytes),
	    cmocka_unit_test(tenants_take_turns),
	    cmocka_unit_test(a_feed_is_nobodys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
