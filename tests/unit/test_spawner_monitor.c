/*
 * The permit table of the spawner link: each request in each state, and every kind of surprise.
 */
#include "worker/spawner_monitor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static int
check(uint32_t state, uint32_t seen, uint64_t last, unsigned live, const struct message *message,
      size_t size)
{
	const struct spawner_monitor_view view = {
	    .state = (enum spawner_daemon_state)state,
	    .seen = seen,
	    .generation_last = last,
	    .live = live,
	};

	return spawner_monitor_check(&view, message, size, NULL);
}

static struct message
request(enum message_type type, uint64_t number)
{
	struct message message;

	message_init(&message, type);
	message.body.generation.number = number;
	return message;
}

static void
each_request_in_each_state(void **state)
{
	static const struct {
		enum message_type type;
		uint64_t number;
		uint32_t states;
	} ROWS[] = {
	    {MESSAGE_DAEMON_READY, 0, SPAWNER_DAEMON_STARTING | SPAWNER_DAEMON_DRAINING},
	    {MESSAGE_DAEMON_ALIVE, 0, SPAWNER_DAEMON_SERVING | SPAWNER_DAEMON_DRAINING},
	    {MESSAGE_DAEMON_DRAIN, 0,
	     SPAWNER_DAEMON_STARTING | SPAWNER_DAEMON_SERVING | SPAWNER_DAEMON_DRAINING},
	    {MESSAGE_GENERATION_START, 8,
	     SPAWNER_DAEMON_STARTING | SPAWNER_DAEMON_SERVING | SPAWNER_DAEMON_DRAINING},
	    {MESSAGE_GENERATION_END, 7,
	     SPAWNER_DAEMON_STARTING | SPAWNER_DAEMON_SERVING | SPAWNER_DAEMON_DRAINING},
	};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct message message = request(ROWS[i].type, ROWS[i].number);

		for (uint32_t bit = SPAWNER_DAEMON_DOWN; bit <= SPAWNER_DAEMON_DRAINING;
		     bit <<= 1) {
			int rc = check(bit, 0, 7, 1, &message, sizeof(message));

			if (ROWS[i].states & bit)
				assert_int_equal(rc, (int)i);
			else
				assert_int_equal(rc, ERROR_INVALID);
		}
	}
}

static void
other_types_are_refused(void **state)
{
	for (uint32_t type = 0; type < 64; type++) {
		struct message message = request(MESSAGE_GENERATION_END, 7);
		bool known = type == MESSAGE_DAEMON_READY || type == MESSAGE_DAEMON_ALIVE ||
			     type == MESSAGE_DAEMON_DRAIN || type == MESSAGE_GENERATION_START ||
			     type == MESSAGE_GENERATION_END;

		message.type = type;
		if (!known)
			assert_int_equal(
			    check(SPAWNER_DAEMON_SERVING, 0, 7, 1, &message, sizeof(message)),
			    ERROR_INVALID);
	}
}

static void
some_come_once(void **state)
{
	static const enum message_type ONCE[] = {MESSAGE_DAEMON_READY, MESSAGE_DAEMON_DRAIN};

	for (size_t i = 0; i < sizeof(ONCE) / sizeof(ONCE[0]); i++) {
		struct message message = request(ONCE[i], 0);
		int index = check(SPAWNER_DAEMON_STARTING, 0, 0, 0, &message, sizeof(message));

		assert_true(index >= 0);
		assert_int_equal(
		    check(SPAWNER_DAEMON_DRAINING, 1u << index, 0, 0, &message, sizeof(message)),
		    ERROR_INVALID);
		/* other permits that were used are of no concern */
		assert_int_equal(
		    check(SPAWNER_DAEMON_STARTING, ~(1u << index), 0, 0, &message, sizeof(message)),
		    index);
	}
}

static void
every_other_byte_counts(void **state)
{
	struct message message = request(MESSAGE_GENERATION_START, 8);
	size_t number = offsetof(struct message, body.generation.number);

	for (size_t i = 0; i < sizeof(message); i++) {
		struct message changed = message;

		if (i >= number && i < number + sizeof(uint64_t))
			continue;
		((unsigned char *)&changed)[i] ^= 0x80;
		assert_int_equal(check(SPAWNER_DAEMON_SERVING, 0, 7, 1, &changed, sizeof(changed)),
				 ERROR_INVALID);
	}
	for (size_t size = 0; size < sizeof(message); size++)
		assert_int_equal(check(SPAWNER_DAEMON_SERVING, 0, 7, 1, &message, size),
				 ERROR_INVALID);
	message = request(MESSAGE_DAEMON_READY, 1); /* it has no number */
	assert_int_equal(check(SPAWNER_DAEMON_STARTING, 0, 0, 0, &message, sizeof(message)),
			 ERROR_INVALID);
}

static void
numbers_rise_and_slots_are_counted(void **state)
{
	static const struct {
		enum message_type type;
		uint64_t number, last;
		unsigned live;
		bool permitted;
	} ROWS[] = {
	    {MESSAGE_GENERATION_START, 1, 0, 0, true},
	    {MESSAGE_GENERATION_START, 0, 0, 0, false},
	    {MESSAGE_GENERATION_START, 7, 7, 0, false},
	    {MESSAGE_GENERATION_START, 6, 7, 1, false},
	    {MESSAGE_GENERATION_START, 100, 7, 1, true},
	    {MESSAGE_GENERATION_START, 100, 7, 2, false},
	    {MESSAGE_GENERATION_START, UINT64_MAX, 7, 1, true},
	    {MESSAGE_GENERATION_START, 1, UINT64_MAX, 1, false},
	    {MESSAGE_GENERATION_END, 7, 7, 1, true},
	    {MESSAGE_GENERATION_END, 1, 7, 0, true}, /* has ended by itself meanwhile */
	    {MESSAGE_GENERATION_END, 8, 7, 2, false},
	    {MESSAGE_GENERATION_END, 0, 7, 2, false},
	};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct message message = request(ROWS[i].type, ROWS[i].number);
		int rc = check(SPAWNER_DAEMON_SERVING, 0, ROWS[i].last, ROWS[i].live, &message,
			       sizeof(message));

		assert_int_equal(rc >= 0, ROWS[i].permitted);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_request_in_each_state),
	    cmocka_unit_test(other_types_are_refused),
	    cmocka_unit_test(some_come_once),
	    cmocka_unit_test(every_other_byte_counts),
	    cmocka_unit_test(numbers_rise_and_slots_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
