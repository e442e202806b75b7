/* Leaves that are kept for later workers: how many, and until when; what they weigh. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/leaf.h"
#include "protocol/base_sys.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void
rewrite(int fd, const char *text)
{
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

static int
text_file(const char *text)
{
	int fd = memfd_create("counter", MFD_CLOEXEC);

	assert_true(fd >= 0);
	rewrite(fd, text);
	return fd;
}

/* A file as the kernel shows an empty group's. */
static int
zero_file(void)
{
	return text_file("0\n");
}

static struct leaf
empty_leaf(uint64_t serial)
{
	struct leaf leaf;
	leaf_init(&leaf);
	leaf.serial = serial;
	leaf.renews = true;
	leaf.pids_usage = zero_file();
	leaf.memory_usage = zero_file();
	leaf.memory_peak = zero_file();
	return leaf;
}

static void
give(struct leaf_root *root, uint64_t serial)
{
	struct leaf leaf = empty_leaf(serial);
	assert_true(leaf_give(&leaf, root));
	assert_int_equal(leaf.pids_usage, -1);
}

static void
take(struct leaf_root *root, uint64_t expected)
{
	struct leaf leaf;
	leaf_init(&leaf);
	assert_int_equal(leaf_take(&leaf, root, 99, NULL), 0);
	assert_int_equal(leaf.serial, expected);
	leaf_close(&leaf);
}

static int
make_root(void **state)
{
	static struct leaf_root root;
	leaf_root_init(&root);
	*state = &root;
	return 0;
}

static int
end_root(void **state)
{
	leaf_root_deinit(*state);
	return 0;
}

static void
what_was_never_needed_is_trimmed(void **state)
{
	struct leaf_root *root = *state;
	uint64_t serial = 0;
	uint32_t made;

	assert_false(leaf_trim(root, &serial, &made));
	for (uint64_t i = 1; i <= 3; i++)
		give(root, i);
	assert_false(leaf_trim(root, &serial, &made)); /* a time begins */
	take(root, 3);
	give(root, 4);
	assert_true(leaf_trim(root, &serial, &made)); /* two of three lay there all the time */
	assert_int_equal(serial, 4);
	assert_true(leaf_trim(root, &serial, &made));
	assert_int_equal(serial, 2);
	assert_false(leaf_trim(root, &serial, &made));
	take(root, 1);
	take(root, 99); /* none is left: a new one */
}

static void
there_is_a_maximum(void **state)
{
	struct leaf_root *root = *state;

	for (uint64_t i = 1; i <= LEAF_SPARES_MAX; i++)
		give(root, i);
	struct leaf leaf = empty_leaf(9);
	assert_false(leaf_give(&leaf, root));
	leaf_close(&leaf);
}

/* A generation that is lost or retires: the alarm that trims comes later all the same. */
static void
after_its_end_nothing_is_trimmed(void **state)
{
	struct leaf_root *root = *state;
	uint64_t serial;
	uint32_t made;

	for (int lost = 0; lost < 2; lost++) {
		leaf_root_init(root);
		for (uint64_t i = 1; i <= 3; i++)
			give(root, i);
		assert_false(leaf_trim(root, &serial, &made));
		if (lost)
			leaf_root_deinit(root);
		else
			leaf_root_clear(root);
		assert_false(leaf_trim(root, &serial, &made));
		assert_int_equal(root->spare_count, 0);
	}
}

/* The kernel gives a dead child into a group that was killed through its file. */
static void
one_that_was_killed_is_not_kept(void **state)
{
	struct leaf_root *root = *state;
	struct leaf leaf = empty_leaf(1);

	assert_int_equal(leaf_killer(&leaf), -1);
	assert_false(leaf_give(&leaf, root));
	leaf_close(&leaf);
}

/* The next one would stand still in it. */
static void
one_that_stands_still_is_not_kept(void **state)
{
	struct leaf_root *root = *state;
	struct leaf leaf = empty_leaf(1);
	char text[16] = "";

	assert_true(leaf_pause(&leaf, false));
	assert_false(leaf_pause(&leaf, true)); /* there is no such file */
	leaf.freeze = zero_file();
	assert_true(leaf_pause(&leaf, true));
	assert_true(pread(leaf.freeze, text, sizeof(text) - 1, 0) > 0);
	assert_int_equal(text[0], '1');
	int writable = leaf.freeze;
	leaf.freeze = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_false(leaf_give(&leaf, root));
	base_close(&leaf.freeze);
	leaf.freeze = writable;
	assert_true(leaf_give(&leaf, root));
	assert_int_equal(root->spare_count, 1);
	assert_false(root->spares[0].paused);
	assert_true(pread(root->spares[0].freeze, text, sizeof(text) - 1, 0) > 0);
	assert_int_equal(text[0], '0');
}

/* What is counted after its worker was reaped is the next one's. */
static void
counters_end_with_the_worker(void **state)
{
	struct leaf_root *root = *state;
	struct leaf leaf = empty_leaf(1);

	leaf.cpu_v2 = true;
	leaf.cpu_usage = text_file("usage_usec 500\nuser_usec 1\n");
	leaf.memory_events = text_file("oom 9\noom_kill 1\n");
	assert_int_equal(leaf_cpu_us(&leaf), 500);
	leaf_settle(&leaf);
	rewrite(leaf.cpu_usage, "usage_usec 700\n");
	rewrite(leaf.memory_events, "oom_kill 3\n");
	leaf_settle(&leaf);
	assert_int_equal(leaf_cpu_us(&leaf), 500);
	assert_int_equal(leaf_oom_kills(&leaf), 1);
	assert_true(leaf_give(&leaf, root));
	assert_int_equal(leaf_take(&leaf, root, 2, NULL), 0);
	assert_int_equal(leaf_cpu_us(&leaf), 200);
	assert_int_equal(leaf_oom_kills(&leaf), 2);
	/* One that nobody has asked, of a worker without a job. */
	assert_true(leaf_give(&leaf, root));
	assert_int_equal(leaf_take(&leaf, root, 3, NULL), 0);
	assert_int_equal(leaf_cpu_us(&leaf), 0);
	assert_int_equal(leaf_oom_kills(&leaf), 0);
	rewrite(leaf.memory_events, "nothing of that name 1\n");
	assert_false(leaf_give(&leaf, root));
	leaf_close(&leaf);
}

static void
expect_text(int fd, const char *expected)
{
	char text[32] = "";
	assert_true(pread(fd, text, sizeof(text) - 1, 0) >= (ssize_t)strlen(expected));
	text[strcspn(text, "\n")] = '\0';
	assert_string_equal(text, expected);
}

static void
weights_are_written_when_they_change(void **state)
{
	struct leaf leaf;

	(void)state;
	for (int v2 = 0; v2 < 2; v2++) {
		leaf_init(&leaf);
		leaf.cpu_weight = memfd_create("weight", MFD_CLOEXEC);
		leaf.weight_v2 = v2 != 0;
		leaf_weigh(&leaf, LEAF_WEIGHT); /* what the kernel begins with */
		expect_text(leaf.cpu_weight, "");
		leaf_weigh(&leaf, 25);
		expect_text(leaf.cpu_weight, v2 ? "25" : "256");
		assert_int_equal(leaf.weight, 25);
		assert_int_equal(ftruncate(leaf.cpu_weight, 0), 0);
		leaf_weigh(&leaf, 25);
		expect_text(leaf.cpu_weight, "");
		leaf_weigh(&leaf, LEAF_WEIGHT);
		expect_text(leaf.cpu_weight, v2 ? "100" : "1024");
		leaf_close(&leaf);
	}
}

/* The next worker's group weighs what the last one's did until somebody says otherwise. */
static void
a_kept_leaf_keeps_its_weight(void **state)
{
	struct leaf_root *root = *state;
	struct leaf leaf = empty_leaf(1);

	leaf.cpu_weight = memfd_create("weight", MFD_CLOEXEC);
	leaf_weigh(&leaf, 11);
	assert_true(leaf_give(&leaf, root));
	assert_int_equal(leaf.cpu_weight, -1);
	assert_int_equal(leaf_take(&leaf, root, 2, NULL), 0);
	leaf_weigh(&leaf, LEAF_WEIGHT);
	assert_int_equal(leaf.weight, LEAF_WEIGHT);
	expect_text(leaf.cpu_weight, "1024");
	leaf_close(&leaf);
}

/* A machine without it, and a kernel that does not take it: tried again the next time. */
static void
weights_may_fail(void **state)
{
	struct leaf leaf;

	(void)state;
	leaf_init(&leaf);
	leaf_weigh(&leaf, 25);
	assert_int_equal(leaf.weight, LEAF_WEIGHT);
	leaf.cpu_weight = open("/dev/null", O_RDONLY | O_CLOEXEC);
	leaf_weigh(&leaf, 25);
	assert_int_equal(leaf.weight, LEAF_WEIGHT);
	leaf_close(&leaf);
	assert_int_equal(leaf.cpu_weight, -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_was_never_needed_is_trimmed, make_root, end_root),
	    cmocka_unit_test_setup_teardown(there_is_a_maximum, make_root, end_root),
	    cmocka_unit_test_setup_teardown(after_its_end_nothing_is_trimmed, make_root, end_root),
	    cmocka_unit_test_setup_teardown(one_that_stands_still_is_not_kept, make_root, end_root),
	    cmocka_unit_test_setup_teardown(one_that_was_killed_is_not_kept, make_root, end_root),
	    cmocka_unit_test_setup_teardown(counters_end_with_the_worker, make_root, end_root),
	    cmocka_unit_test(weights_are_written_when_they_change),
	    cmocka_unit_test_setup_teardown(a_kept_leaf_keeps_its_weight, make_root, end_root),
	    cmocka_unit_test(weights_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
