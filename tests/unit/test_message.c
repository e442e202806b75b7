/*
 * Internal messages: zeroed, versioned, named.
 */
#include "protocol/message.h"
#include "tests/unit/cmocka_headers.h"

#include <string.h>

static void
init_leaves_no_old_byte(void **state)
{
	struct message message;
	uint8_t zero[sizeof(message.body)] = {0};

	memset(&message, 0xaa, sizeof(message));
	message_init(&message, MESSAGE_FORK);
	assert_int_equal(message.type, MESSAGE_FORK);
	assert_int_equal(message.version, MESSAGE_VERSION);
	assert_memory_equal(&message.body, zero, sizeof(zero));
}

static void
every_type_has_a_name_of_its_own(void **state)
{
	static const uint32_t TYPES[] = {MESSAGE_DAEMON_READY,
					 MESSAGE_DAEMON_ALIVE,
					 MESSAGE_DAEMON_DRAIN,
					 MESSAGE_GENERATION_START,
					 MESSAGE_GENERATION_END,
					 MESSAGE_GENERATION_STARTED,
					 MESSAGE_GENERATION_ENDED,
					 MESSAGE_DRAIN,
					 MESSAGE_CONFIG,
					 MESSAGE_FORK,
					 MESSAGE_KILL,
					 MESSAGE_ZYGOTE_READY,
					 MESSAGE_FORKED,
					 MESSAGE_EXITED,
					 MESSAGE_ORPHAN};
	const size_t count = sizeof(TYPES) / sizeof(TYPES[0]);

	for (size_t i = 0; i < count; i++) {
		assert_string_not_equal(message_name(TYPES[i]), "unknown");
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(message_name(TYPES[i]), message_name(TYPES[j]));
	}
	assert_string_equal(message_name(0), "unknown");
	assert_string_equal(message_name(UINT32_MAX), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(init_leaves_no_old_byte),
	    cmocka_unit_test(every_type_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
