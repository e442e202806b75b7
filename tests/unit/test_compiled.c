/*
 * What is kept of compiled code: by key, one that is asked at a time, within both rooms, no longer
 * than its script.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "daemon/compiled.h"
#include "protocol/pack.h"
#include "protocol/worker_abi.h"

struct world {
	struct compiled_room tenant, all;
	struct compiled *compiled;
};

static int
setup(void **state)
{
	static struct world world;
	world = (struct world){{0, 100}, {0, 150}, NULL};
	world.compiled = compiled_new(&world.tenant, &world.all, 10);
	*state = &world;
	return 0;
}

static int
teardown(void **state)
{
	struct world *world = *state;
	compiled_end(world->compiled);
	compiled_release(&world->compiled);
	assert_null(world->compiled);
	assert_int_equal(world->tenant.bytes, 0);
	return 0;
}

static struct compiled_key
key_of(const char *name, uint64_t generation, uint64_t depth, bool evaluates)
{
	struct run_request request = {.evaluates = evaluates};
	struct compiled_key key;
	struct pack pack;
	request.limits.call_depth = depth;
	pack_init(&pack, 10000);
	pack_put(&pack, JOB_SOURCE, "1", 1);
	if (name)
		pack_put(&pack, JOB_NAME, name, strlen(name));
	request.blob = pack.bytes;
	request.blob_bytes = pack.size;
	memset(&key, 0xaa, sizeof(key));
	compiled_make_key(&request, generation, &key);
	pack_deinit(&pack);
	return key;
}

static void
fill(struct compiled *compiled, const struct compiled_key *key, size_t size)
{
	char *bytes = malloc(size);
	assert_non_null(bytes);
	memset(bytes, 'c', size);
	compiled_fill(compiled, key, bytes, size);
}

static size_t
found(const struct compiled *compiled, const struct compiled_key *key)
{
	size_t size = 0;
	const char *bytes = compiled_find(compiled, key, &size);
	if (bytes)
		assert_int_equal(bytes[size - 1], 'c');
	return size;
}

static void
test_keys(void **state)
{
	struct world *world = *state;
	char longest[NAME_BYTES_MAX + 1] = {0};
	memset(longest, 'n', NAME_BYTES_MAX);
	const struct compiled_key keys[] = {
	    key_of("a", 1, 1000, false),  key_of("b", 1, 1000, false),
	    key_of("a", 2, 1000, false),  key_of("a", 1, 999, false),
	    key_of("a", 1, 1000, true),   key_of(NULL, 1, 1000, false),
	    key_of("aa", 1, 1000, false), key_of(longest, 1, 10, false),
	};
	struct compiled_key same = key_of("a", 1, 1000, false), deep = key_of("a", 1, 5000, false);
	assert_memory_equal(&same, &keys[0], sizeof(same));
	assert_memory_equal(&deep, &keys[0], sizeof(deep)); /* CPython's limit is not raised */
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		assert_int_equal(found(world->compiled, &keys[i]), 0);
		assert_true(compiled_ask(world->compiled));
		fill(world->compiled, &keys[i], 20 + i);
		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			assert_int_equal(found(world->compiled, &keys[k]), k == i ? 20 + i : 0);
		assert_int_equal(world->tenant.bytes, 20 + i);
	}
}

static void
test_one_is_asked(void **state)
{
	struct world *world = *state;
	const struct compiled_key key = key_of("a", 1, 1000, false);
	assert_true(compiled_ask(world->compiled));
	assert_false(compiled_ask(world->compiled));
	compiled_fill(world->compiled, NULL, NULL, 0);
	assert_true(compiled_ask(world->compiled));
	fill(world->compiled, &key, 30);
	assert_true(compiled_ask(world->compiled)); /* for another key */
	compiled_fill(world->compiled, NULL, NULL, 0);
	assert_int_equal(found(world->compiled, &key), 30);
	compiled_refuse(world->compiled);
	assert_false(compiled_ask(world->compiled));
	assert_int_equal(found(world->compiled, &key), 30);
}

static void
test_rooms(void **state)
{
	struct world *world = *state;
	const struct compiled_key key = key_of("a", 1, 1000, false);
	struct compiled_room other_tenant = {0, 100};
	struct compiled *other = compiled_new(&other_tenant, &world->all, 10);
	assert_true(compiled_ask(world->compiled));
	fill(world->compiled, &key, 101);
	assert_int_equal(found(world->compiled, &key), 0);
	assert_int_equal(world->tenant.bytes, 0);
	assert_false(compiled_ask(world->compiled)); /* it is known how large it is */
	assert_true(compiled_ask(other));
	fill(other, &key, 100);
	assert_int_equal(world->all.bytes, 100);
	assert_true(compiled_ask(other)); /* what it has would go */
	fill(other, &key, 99);
	assert_int_equal(world->all.bytes, 99);
	compiled_end(other);
	compiled_release(&other);
	assert_int_equal(world->all.bytes, 0);

	struct compiled_room none = {0, 0};
	other = compiled_new(&none, &none, 0);
	assert_false(compiled_ask(other));
	compiled_end(other);
	compiled_release(&other);
}

/* A job holds it longer than its script does. */
static void
test_after_the_script(void **state)
{
	struct world *world = *state;
	const struct compiled_key key = key_of("a", 1, 1000, false);
	struct compiled *mine = compiled_new(&world->tenant, &world->all, 10);
	struct compiled *held = compiled_hold(mine);
	assert_true(compiled_ask(mine));
	fill(mine, &key, 50);
	assert_true(compiled_ask(held));
	compiled_end(mine);
	compiled_release(&mine);
	assert_int_equal(world->tenant.bytes, 0);
	assert_int_equal(found(held, &key), 0);
	fill(held, &key, 50);
	assert_int_equal(found(held, &key), 0);
	assert_false(compiled_ask(held));
	assert_int_equal(world->all.bytes, 0);
	compiled_release(&held);
	compiled_release(&held);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_is_asked, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_rooms, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_after_the_script, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
