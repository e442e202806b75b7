/*
 * Packed fields: round trip, growth, maxima, and a reader on hostile bytes.
 */
#include "protocol/pack.h"
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

static void
fields_come_back_in_order(void **state)
{
	struct pack_reader reader;
	struct pack_field field;
	struct pack pack;
	char big[5000];

	memset(big, 'b', sizeof(big));
	pack_init(&pack, 1 << 20);
	pack_put(&pack, 1, "abc", 3);
	pack_put(&pack, 2, NULL, 0);
	pack_put(&pack, 3, big, sizeof(big));
	pack_put_u32(&pack, 0xfffffffe, 0x01020304);
	assert_false(pack.failed);
	assert_int_equal(pack.size, 4 * 8 + 3 + 5000 + 4);
	pack_reader_init(&reader, pack.bytes, pack.size);
	assert_int_equal(pack_next(&reader, &field, NULL), 1);
	assert_int_equal(field.tag, 1);
	assert_int_equal(field.length, 3);
	assert_memory_equal(field.bytes, "abc", 3);
	assert_int_equal(pack_next(&reader, &field, NULL), 1);
	assert_int_equal(field.length, 0);
	assert_int_equal(pack_next(&reader, &field, NULL), 1);
	assert_int_equal(field.length, 5000);
	assert_memory_equal(field.bytes, big, 5000);
	assert_int_equal(pack_next(&reader, &field, NULL), 1);
	assert_int_equal(field.tag, 0xfffffffe);
	assert_memory_equal(field.bytes, "\x04\x03\x02\x01", 4);
	assert_int_equal(pack_next(&reader, &field, NULL), 0);
	assert_int_equal(pack_next(&reader, &field, NULL), 0);
	pack_deinit(&pack);
	assert_null(pack.bytes);
}

static void
maximum_fails_for_good(void **state)
{
	struct pack pack;

	pack_init(&pack, 20);
	pack_put(&pack, 1, "0123456789ab", 12);
	assert_false(pack.failed);
	assert_int_equal(pack.size, 20);
	pack_put(&pack, 2, NULL, 0);
	assert_true(pack.failed);
	assert_int_equal(pack.size, 20);
	pack_deinit(&pack);
	pack_init(&pack, 30);
	pack_put(&pack, 1, "0123456789abcdefghijklm", 23);
	assert_true(pack.failed);
	pack_put(&pack, 1, "", 0); /* would fit, but comes after a failure */
	assert_int_equal(pack.size, 0);
	pack_deinit(&pack);
	pack_init(&pack, SIZE_MAX);
	pack_put(&pack, 1, "x", (size_t)UINT32_MAX + 1);
	assert_true(pack.failed);
	pack_deinit(&pack);
}

/* Reader's answer at the end of a heap copy of exactly `size` bytes, so that a sanitizer sees a
 * read past it. */
static int
read_all(const uint8_t *bytes, size_t size, int *ret_fields)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);
	struct error err = ERROR_INIT;
	struct pack_reader reader;
	struct pack_field field;
	int r;

	assert_non_null(copy);
	memcpy(copy, bytes, size);
	pack_reader_init(&reader, copy, size);
	*ret_fields = 0;
	while ((r = pack_next(&reader, &field, &err)) == 1) {
		assert_true(field.bytes >= copy && field.bytes + field.length <= copy + size);
		(*ret_fields)++;
	}
	if (r < 0)
		assert_true(strlen(err.text) > 0);
	free(copy);
	return r;
}

static void
truncation_anywhere_is_refused(void **state)
{
	struct pack pack;
	int fields;

	pack_init(&pack, 1000);
	pack_put(&pack, 1, "abcdef", 6);
	pack_put(&pack, 2, "xy", 2);
	for (size_t size = 0; size <= pack.size; size++) {
		int r = read_all(pack.bytes, size, &fields);

		if (size == 0 || size == 14 || size == pack.size)
			assert_int_equal(r, 0);
		else
			assert_int_equal(r, ERROR_INVALID);
	}
	assert_int_equal(fields, 2);
	pack_deinit(&pack);
}

static void
lying_lengths_are_refused(void **state)
{
	static const uint32_t LENGTHS[] = {1,          5,          0x7fffffff, 0x80000000,
					   0xfffffff7, 0xfffffff8, 0xffffffff};
	int fields;

	for (size_t i = 0; i < sizeof(LENGTHS) / sizeof(LENGTHS[0]); i++) {
		uint8_t bytes[12] = {1, 0, 0, 0};

		for (int b = 0; b < 4; b++)
			bytes[4 + b] = (uint8_t)(LENGTHS[i] >> (8 * b));
		assert_int_equal(read_all(bytes, LENGTHS[i] == 1 ? 8 : 12, &fields), ERROR_INVALID);
		assert_int_equal(fields, 0);
	}
}

static void
a_broken_buffer_stays_broken(void **state)
{
	uint8_t bytes[9] = {1, 0, 0, 0, 200, 0, 0, 0, 7};
	struct pack_reader reader;
	struct pack_field field;

	pack_reader_init(&reader, bytes, sizeof(bytes));
	assert_int_equal(pack_next(&reader, &field, NULL), ERROR_INVALID);
	assert_int_equal(pack_next(&reader, &field, NULL), ERROR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_come_back_in_order),
	    cmocka_unit_test(maximum_fails_for_good),
	    cmocka_unit_test(truncation_anywhere_is_refused),
	    cmocka_unit_test(lying_lengths_are_refused),
	    cmocka_unit_test(a_broken_buffer_stays_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
