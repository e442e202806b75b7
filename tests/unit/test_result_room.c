/* Room for results: what is counted, who waits, who is next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/result_room.h"

#define SMALL RESULT_ROOM_FREE_BYTES
#define MAX   1000000u

static void
test_small_ones_never_wait(void **state)
{
	struct result_room room;
	struct result_place one = {0}, two = {0};
	(void)state;
	result_room_init(&room, MAX);
	assert_true(result_room_enter(&room, &one, MAX, false));
	assert_true(result_room_enter(&room, &two, SMALL, false));
	assert_int_equal(two.bytes, 0);
	assert_int_equal(room.used_bytes, MAX);
	result_room_leave(&room, two.bytes);
	result_room_leave(&room, one.bytes);
	assert_int_equal(room.used_bytes, 0);
}

static void
test_one_byte_too_many_waits(void **state)
{
	struct result_room room;
	struct result_place one = {0}, two = {0}, three = {0};
	(void)state;
	result_room_init(&room, MAX);
	assert_true(result_room_enter(&room, &one, MAX - SMALL - 1, false));
	assert_true(result_room_enter(&room, &two, SMALL + 1, false));
	assert_false(result_room_enter(&room, &three, SMALL + 1, false));
	assert_null(result_room_next(&room));
	result_room_leave(&room, two.bytes);
	assert_ptr_equal(result_room_next(&room), &three);
	assert_null(result_room_next(&room));
	assert_int_equal(room.used_bytes, MAX);
}

static void
test_a_large_one_goes_alone_and_is_not_overtaken(void **state)
{
	struct result_room room;
	struct result_place one = {0}, huge = {0}, last = {0};
	(void)state;
	result_room_init(&room, MAX);
	assert_true(result_room_enter(&room, &one, SMALL + 1, false));
	assert_false(result_room_enter(&room, &huge, UINT64_MAX, false));
	assert_false(result_room_enter(&room, &last, SMALL + 1, false)); /* there would be room */
	assert_null(result_room_next(&room));
	result_room_leave(&room, one.bytes);
	assert_ptr_equal(result_room_next(&room), &huge);
	assert_null(result_room_next(&room));
	result_room_leave(&room, huge.bytes);
	assert_ptr_equal(result_room_next(&room), &last);
}

static void
test_held(void **state)
{
	struct result_room room;
	struct result_place one = {0}, two = {0}, small = {0};
	(void)state;
	result_room_init(&room, MAX);
	assert_false(result_room_enter(&room, &one, MAX / 2, true));
	assert_false(result_room_enter(&room, &two, MAX / 2, false)); /* behind it */
	assert_true(result_room_enter(&room, &small, SMALL, true));
	assert_ptr_equal(result_room_next(&room), &one);
	assert_ptr_equal(result_room_next(&room), &two);
	assert_null(result_room_next(&room));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_small_ones_never_wait),
	    cmocka_unit_test(test_one_byte_too_many_waits),
	    cmocka_unit_test(test_a_large_one_goes_alone_and_is_not_overtaken),
	    cmocka_unit_test(test_held),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
