/*
 * SIGHUP in the spawner: what is taken reaches stintd and later ones, what is not changes nothing
 * and leaves no descriptor.
 */
#define _GNU_SOURCE
#include "spawner_fixture.h"

#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "protocol/message.h"
#include "worker/spawner_reload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

static char path[64];
static struct spawner_options options;

static void
configure(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* The command line has what the fixture's configuration differs from the defaults in. */
static int
setup(void **state)
{
	int fd;

	(void)strcpy(path, "/tmp/stint-reload-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	base_close(&fd);
	base_log_init("test", LOG_LEVEL_ERROR);
	options = (struct spawner_options){
	    .config_path = path, .sets = {"uid_base=1000000", "uid_count=1024"}, .set_count = 2};
	*state = spawner_fixture_setup();
	return 0;
}

static int
teardown(void **state)
{
	spawner_fixture_teardown(*state);
	return unlink(path);
}

/* The descriptor that came with the one message on the link; the caller's to close. */
static int
received(struct spawner_fixture *fixture)
{
	struct message message, expected;
	size_t size, count;
	int fd = -1;

	message_init(&expected, MESSAGE_CONFIG);
	assert_int_equal(base_recv_fds(fixture->peer_fd, &message, sizeof(message), &size, &fd, 1,
				       &count, NULL, MSG_DONTWAIT, NULL),
			 0);
	assert_int_equal(size, sizeof(message));
	assert_memory_equal(&message, &expected, sizeof(message));
	assert_int_equal(count, 1);
	return fd;
}

static void
holds(int fd, uint64_t running_max)
{
	struct config config;

	assert_int_equal(fcntl(fd, F_GET_SEALS), SEALS);
	config_init(&config);
	assert_int_equal(config_read_fd(&config, fd, "memory", NULL), 0);
	assert_int_equal(config_number(&config, running_max), running_max);
	assert_int_equal(config_number(&config, uid_base), 1000000);
	assert_int_equal(config.tenant_count, 1);
	assert_string_equal(config.tenants[0].words[TENANT_IDENTITY_users], "0 77");
	config_deinit(&config);
}

static void
what_is_taken_reaches_stintd_and_later_ones(void **state)
{
	struct spawner_fixture *fixture = *state;
	struct spawner *spawner = &fixture->spawner;
	unsigned before = spawner_fixture_open_fds();

	for (uint64_t i = 1; i <= 3; i++) {
		char text[100];
		int fd;

		(void)snprintf(text, sizeof(text),
			       "running_max = %u\n[tenant a]\nusers = root 77\n", (unsigned)i);
		configure(text);
		spawner_reload(spawner, &options);
		fd = received(fixture);
		holds(fd, i);
		holds(spawner->config_fd, i);
		assert_int_equal(config_number(&spawner->config, running_max), i);
		base_close(&fd);
		assert_int_equal(spawner_fixture_open_fds(), before + 1);
	}
}

static void
what_is_not_taken_changes_nothing(void **state)
{
	static const char *const FAULTS[] = {
	    "running_max = 1\nno_such = 1\n", "running_max = 1\n[tenant a]\nusers = no-such-user\n",
	    "running_max = 1\nhash_seed = 1\n", "running_max = 1\npreload = json\n"};
	struct spawner_fixture *fixture = *state;
	struct spawner *spawner = &fixture->spawner;
	unsigned before = spawner_fixture_open_fds();
	char byte;

	for (size_t i = 0; i <= sizeof(FAULTS) / sizeof(FAULTS[0]); i++) {
		if (i < sizeof(FAULTS) / sizeof(FAULTS[0]))
			configure(FAULTS[i]);
		else
			options.config_path = "/no/such/file";
		spawner_reload(spawner, &options);
		assert_int_equal(config_number(&spawner->config, running_max), 0);
		assert_int_equal(spawner->config_fd, -1);
		assert_true(recv(fixture->peer_fd, &byte, 1, MSG_DONTWAIT) < 0);
		assert_int_equal(spawner_fixture_open_fds(), before);
	}
}

static void
a_stintd_that_does_not_read_keeps_the_old_one(void **state)
{
	struct spawner_fixture *fixture = *state;
	struct spawner *spawner = &fixture->spawner;
	struct message message;
	int room = 1;

	message_init(&message, MESSAGE_DRAIN);
	assert_int_equal(
	    setsockopt(spawner->daemon.link_fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	while (base_send_fds(spawner->daemon.link_fd, &message, sizeof(message), NULL, 0,
			     MSG_DONTWAIT, NULL) == 0)
		;
	configure("running_max = 1\n");
	spawner_reload(spawner, &options);
	assert_int_equal(config_number(&spawner->config, running_max), 0);
	assert_int_equal(spawner->config_fd, -1);
	assert_int_equal(fixture->daemon_kills, 0);
}

static void
without_a_stintd_it_is_for_the_next_one(void **state)
{
	struct spawner_fixture *fixture = *state;
	struct spawner *spawner = &fixture->spawner;

	configure("running_max = 1\n");
	base_close(&fixture->peer_fd); /* on its way out */
	spawner_reload(spawner, &options);
	assert_int_equal(config_number(&spawner->config, running_max), 1);
	base_close(&spawner->daemon.link_fd);
	spawner->daemon.state = SPAWNER_DAEMON_DOWN;
	configure("running_max = 2\n");
	spawner_reload(spawner, &options);
	assert_int_equal(config_number(&spawner->config, running_max), 2);
	assert_true(spawner->config_fd >= 0);
}

static void
a_service_that_stops_reads_nothing(void **state)
{
	struct spawner_fixture *fixture = *state;

	configure("running_max = 1\n");
	fixture->spawner.stopping = true;
	spawner_reload(&fixture->spawner, &options);
	assert_int_equal(config_number(&fixture->spawner.config, running_max), 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(what_is_taken_reaches_stintd_and_later_ones),
	    TEST(what_is_not_taken_changes_nothing),
	    TEST(a_stintd_that_does_not_read_keeps_the_old_one),
	    TEST(without_a_stintd_it_is_for_the_next_one),
	    TEST(a_service_that_stops_reads_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
