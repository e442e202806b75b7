/*
 * The layers by name: what each level insists on, who is heard on which layer, the setting.
 */
#define _GNU_SOURCE
#include "protocol/config.h"
#include "protocol/isolation.h"
#include "tests/unit/cmocka_headers.h"

#include <stdio.h>
#include <string.h>

static void
each_level_needs_what_the_weaker_needs(void **state)
{
	uint64_t development = isolation_needed(ISOLATION_DEVELOPMENT);
	uint64_t reduced = isolation_needed(ISOLATION_REDUCED);

	assert_int_equal(isolation_needed(ISOLATION_FULL), ISOLATION_ALL);
	assert_int_equal(reduced, ISOLATION_ALL & ~ISOLATION_BIT(landlock));
	assert_int_equal(development & ~reduced, 0);
	assert_true(development & ISOLATION_BIT(seccomp));
	assert_false(development & ISOLATION_BIT(own_uid));
}

static void
each_side_is_heard_on_its_own_layers_only(void **state)
{
	assert_int_equal(isolation_join(UINT64_MAX, UINT64_MAX), ISOLATION_ALL);
	assert_int_equal(isolation_join(UINT64_MAX, 0), ISOLATION_BY_SPAWNER);
	assert_int_equal(isolation_join(0, UINT64_MAX), ISOLATION_ALL & ~ISOLATION_BY_SPAWNER);
	assert_int_equal(isolation_join(0, ISOLATION_BIT(own_uid) | ISOLATION_BIT(seccomp)),
			 ISOLATION_BIT(seccomp));
}

static void
each_row_has_its_texts(void **state)
{
	for (unsigned i = 0; i < ISOLATION_LAYER_COUNT; i++) {
		assert_true(strlen(ISOLATION_LAYERS[i].name) > 2);
		assert_true(strlen(ISOLATION_LAYERS[i].sentence) > 5);
		assert_true(strlen(ISOLATION_LAYERS[i].remedy) > 4);
	}
}

static void
the_setting_takes_the_names_of_the_levels(void **state)
{
	struct config config;
	struct error err = ERROR_INIT;
	char text[64];

	config_init(&config);
	assert_int_equal(config_number(&config, isolation), ISOLATION_FULL);
	for (unsigned level = 0; level < ISOLATION_LEVEL_COUNT; level++) {
		(void)snprintf(text, sizeof(text), "isolation=%s",
			       isolation_level_name((enum isolation_level)level));
		assert_int_equal(config_set(&config, text, &err), 0);
		assert_int_equal(config_number(&config, isolation), level);
	}
	assert_true(config_set(&config, "isolation=none", &err) < 0);
	assert_non_null(strstr(err.text, "full, reduced or development"));
	assert_int_equal(config_number(&config, isolation), ISOLATION_FULL);
	config_deinit(&config);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_level_needs_what_the_weaker_needs),
	    cmocka_unit_test(each_side_is_heard_on_its_own_layers_only),
	    cmocka_unit_test(each_row_has_its_texts),
	    cmocka_unit_test(the_setting_takes_the_names_of_the_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
