/*
 * What the spawner reads back: id maps, and a process that has nothing of a zygote's.
 */
#define _GNU_SOURCE
#include "tests/unit/cmocka_headers.h"
#include "worker/spawner_layers.h"

#include <unistd.h>

static void
only_the_map_that_was_asked_for(void **state)
{
	assert_true(spawner_layers_map("         0 1900000000      65536\n", 1900000000, 65536));
	assert_false(spawner_layers_map("         0 1900000000      65535\n", 1900000000, 65536));
	assert_false(spawner_layers_map("         1 1900000000      65536\n", 1900000000, 65536));
	assert_false(spawner_layers_map("         0          0      65536\n", 1900000000, 65536));
	assert_false(spawner_layers_map("0 1900000000 65536\n70000 0 1\n", 1900000000, 65536));
	assert_false(spawner_layers_map("0 1900000000", 1900000000, 65536));
	assert_false(spawner_layers_map("", 1900000000, 65536));
}

/* In our own namespaces, in no group of ours: no layer at all. */
static void
this_process_has_no_layer(void **state)
{
	const struct cgroup_trees none = {.count = 0};
	const struct cgroup_trees wrong = {
	    .count = 1, .trees = {{.roles = CGROUP_ROLE_MEMORY, .service_fd = -1}}};

	assert_int_equal(spawner_layers_find(&none, "gen-1", getpid(), 1900000000, 65536), 0);
	assert_int_equal(spawner_layers_find(&wrong, "gen-1", getpid(), 1900000000, 65536), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_the_map_that_was_asked_for),
	    cmocka_unit_test(this_process_has_no_layer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
