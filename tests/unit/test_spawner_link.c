/* A configuration that comes over the spawner link: one kind of message is right, others end it. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/spawner_link.h"
#include "protocol/base_sys.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

struct fixture {
	uv_loop_t loop;
	struct spawner_link *link;
	int peer;
	unsigned configs, closed;
	bool refuse;
	char text[16];
};

static int
on_config(void *context, int fd, struct error *err)
{
	struct fixture *fixture = context;
	fixture->configs++;
	if (fixture->refuse)
		return error_set(err, ERROR_INVALID, "not this one");
	return base_pread_full(fd, fixture->text, 4, 0, err);
}

static void
on_closed(void *context, const struct error *err)
{
	(void)err;
	((struct fixture *)context)->closed++;
}

static int
setup(void **state)
{
	static struct fixture fixture;
	struct spawner_link_callbacks callbacks = {
	    .config = on_config, .closed = on_closed, .context = &fixture};
	int ends[2];
	memset(&fixture, 0, sizeof(fixture));
	assert_int_equal(uv_loop_init(&fixture.loop), 0);
	assert_int_equal(base_socketpair(ends, NULL), 0);
	fixture.peer = ends[1];
	assert_int_equal(spawner_link_new(&fixture.loop, ends[0], &callbacks, &fixture.link, NULL),
			 0);
	*state = &fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;
	spawner_link_close(&fixture->link);
	assert_int_equal(uv_run(&fixture->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&fixture->loop), 0);
	base_close(&fixture->peer);
	return 0;
}

/* A memory file of "text", with those seals. */
static int
memory(int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "text", 4), 4);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void
send_config(struct fixture *fixture, const struct message *message, int seals, size_t count)
{
	int fds[2] = {memory(seals), memory(seals)};
	assert_int_equal(
	    base_send_fds(fixture->peer, message, sizeof(*message), fds, count, 0, NULL), 0);
	base_close(&fds[0]);
	base_close(&fds[1]);
	(void)uv_run(&fixture->loop, UV_RUN_NOWAIT);
}

static void
test_any_number_of_right_ones(void **state)
{
	struct fixture *fixture = *state;
	struct message message;
	message_init(&message, MESSAGE_CONFIG);
	for (unsigned i = 1; i <= 3; i++) {
		send_config(fixture, &message, SEALS, 1);
		assert_int_equal(fixture->configs, i);
		assert_string_equal(fixture->text, "text");
	}
	assert_int_equal(fixture->closed, 0);
}

static void
test_one_that_is_refused_ends_the_link(void **state)
{
	struct fixture *fixture = *state;
	struct message message;
	message_init(&message, MESSAGE_CONFIG);
	fixture->refuse = true;
	send_config(fixture, &message, SEALS, 1);
	assert_int_equal(fixture->configs, 1);
	assert_int_equal(fixture->closed, 1);
}

static void
wrong(void **state, size_t byte, int seals, size_t count)
{
	struct fixture *fixture = *state;
	struct message message;
	message_init(&message, MESSAGE_CONFIG);
	if (byte > 0)
		((uint8_t *)&message)[byte] = 1;
	send_config(fixture, &message, seals, count);
	assert_int_equal(fixture->configs, 0);
	assert_int_equal(fixture->closed, 1);
}

static void
test_a_first_byte_of_a_body(void **state)
{
	wrong(state, offsetof(struct message, body), SEALS, 1);
}

static void
test_a_last_byte_of_a_body(void **state)
{
	wrong(state, sizeof(struct message) - 1, SEALS, 1);
}

static void
test_no_descriptor(void **state)
{
	wrong(state, 0, SEALS, 0);
}

static void
test_two_descriptors(void **state)
{
	wrong(state, 0, SEALS, 2);
}

static void
test_one_that_can_be_written(void **state)
{
	wrong(state, 0, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, 1);
}

static void
test_one_that_can_shrink(void **state)
{
	wrong(state, 0, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SEAL, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_any_number_of_right_ones),
	    TEST(test_one_that_is_refused_ends_the_link),
	    TEST(test_a_first_byte_of_a_body),
	    TEST(test_a_last_byte_of_a_body),
	    TEST(test_no_descriptor),
	    TEST(test_two_descriptors),
	    TEST(test_one_that_can_be_written),
	    TEST(test_one_that_can_shrink),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
