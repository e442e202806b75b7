/* Reading a worker's page: copies of what is there, whatever it is, and the one word that is
 * written. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/page_read.h"
#include "protocol/base_sys.h"

#include <string.h>
#include <sys/mman.h>

/* The file, and the worker's own side of it. */
struct world {
	int fd;
	struct worker_page *page;
};

static int
set_up(void **state)
{
	static struct world world;

	assert_int_equal(base_memfd("page", PAGE_FILE_BYTES, &world.fd, NULL), 0);
	world.page = mmap(NULL, PAGE_MAPPED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, world.fd, 0);
	assert_true(world.page != MAP_FAILED);
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *world = *state;

	(void)munmap(world->page, PAGE_MAPPED_BYTES);
	base_close(&world->fd);
	return 0;
}

static void
opcodes_of_any_page(void **state)
{
	static const struct {
		int64_t granted, left;
		uint64_t count;
	} CASES[] = {
	    {0, 0, 0},
	    {1000, 400, 600},
	    {1000, -5, 1005}, /* about to stop */
	    {-1, -9, 0},
	    {1000, 1001, 0},
	    {INT64_MAX, INT64_MIN, INT64_MAX},
	    {INT64_MAX, 0, INT64_MAX},
	};
	struct worker_page page = {0};
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		page.meter =
		    (struct page_meter){.granted = CASES[i].granted, .left = CASES[i].left};
		assert_int_equal(page_opcodes(&page), CASES[i].count);
	}
}

/* A hostile page cannot have slept for longer than the job took. */
static void
sleep_of_any_page(void **state)
{
	static const struct {
		uint64_t slept_ns, most_us, us;
	} CASES[] = {
	    {0, 50, 0},      {999, 50, 0},         {49999, 50, 49},
	    {50000, 50, 50}, {UINT64_MAX, 50, 50}, {5000, 0, 0},
	};
	struct worker_page page = {0};
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		page.meter.slept_ns = CASES[i].slept_ns;
		assert_int_equal(page_throttled_us(&page, CASES[i].most_us), CASES[i].us);
	}
}

static void
a_copy_does_not_change(void **state)
{
	struct world *world = *state;
	struct worker_page copy;

	world->page->phase = PHASE_RUNNING;
	world->page->result_bytes = UINT64_MAX;
	assert_int_equal(page_read(world->fd, &copy, NULL), 0);
	world->page->phase = PHASE_ENDED;
	assert_int_equal(copy.phase, PHASE_RUNNING);
	assert_true(copy.result_bytes == UINT64_MAX);
}

static void
what_cannot_be_read_is_empty(void **state)
{
	struct error err = ERROR_INIT;
	struct worker_page copy;

	(void)state;
	memset(&copy, 0xff, sizeof(copy));
	assert_int_equal(page_read(-1, &copy, &err), ERROR_SYSTEM);
	assert_int_equal(copy.phase, 0);
	assert_int_equal(copy.stop, 0);
	assert_int_equal(page_read_opcodes(-1), 0);
	page_write_stop(-1, PAGE_STOP_CPU);
}

static void
opcodes_while_it_runs(void **state)
{
	struct world *world = *state;

	world->page->meter.granted = 1000;
	world->page->meter.left = 1;
	assert_int_equal(page_read_opcodes(world->fd), 999);
	world->page->meter.left = INT64_MAX;
	assert_int_equal(page_read_opcodes(world->fd), 0);
}

static void
only_the_stop_is_written(void **state)
{
	struct world *world = *state;
	struct worker_page expected;

	memset(world->page, 0x5a, PAGE_MAPPED_BYTES);
	memcpy(&expected, world->page, sizeof(expected));
	expected.stop = PAGE_STOP_WALL;
	page_write_stop(world->fd, PAGE_STOP_WALL);
	assert_memory_equal(world->page, &expected, sizeof(expected));
}

static void
a_failed_step_is_named(void **state)
{
	struct worker_page page = {.setup_step = 3, .setup_errno = 13, .setup_name = "mounts"};
	char text[192];

	(void)state;
	assert_string_equal(page_setup_text(&page, text, sizeof(text)),
			    "step 3 (mounts): Permission denied");
	memset(page.setup_name, '\n', sizeof(page.setup_name));
	page.setup_errno = UINT32_MAX;
	assert_null(strchr(page_setup_text(&page, text, sizeof(text)), '\n'));
	assert_non_null(strstr(text, "no errno"));
	page.setup_step = 0;
	assert_string_equal(page_setup_text(&page, text, sizeof(text)), "no step named");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(opcodes_of_any_page),
	    cmocka_unit_test(sleep_of_any_page),
	    cmocka_unit_test_setup_teardown(a_copy_does_not_change, set_up, tear_down),
	    cmocka_unit_test(what_cannot_be_read_is_empty),
	    cmocka_unit_test_setup_teardown(opcodes_while_it_runs, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(only_the_stop_is_written, set_up, tear_down),
	    cmocka_unit_test(a_failed_step_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
