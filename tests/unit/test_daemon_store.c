/*
 * daemon.c and its store: a drain ends with whatever the store does last, and nothing of a durable
 * job comes to a request that happens to have its number.
 */
#include "daemon_fixture.h"
#include "store_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALL(id, method, params)                                                                   \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":" params "}\n"

static struct store_disk *disk;

/* Twice around: what the loop had to do when it was asked is done. */
static void
see_turns(int fd)
{
	for (int i = 0; i < 2; i++) {
		client_say(fd, CALL("99", "daemon.health", "{}"));
		client_require(client_hears(fd, "\"id\":99"));
	}
}

/* With an operation at the disk: the daemon drains, its engine has ended, and it waits. */
static void
drain_around(const struct place *place, int fd)
{
	client_require(kill(getppid(), SIGTERM) == 0);
	for (int other; (other = client_dial(place)) != -1;)
		(void)close(other);
	see_turns(fd);
	store_disk_go();
}

static void
client_last_is_a_put(const struct place *place)
{
	int fd = client_dial(place);
	client_say(fd, CALL("1", "script.put", "{\"source\":\"1\"}"));
	client_require(client_hears(fd, "\"script\""));
	disk->sync_waits = true;
	client_say(fd, CALL("2", "script.put", "{\"source\":\"2\"}"));
	store_disk_entered();
	drain_around(place, fd);
	client_require(client_hears(fd, "\"id\":2,\"result\""));
	client_require(client_hear(fd) == NULL);
}

static void
client_last_is_a_delete(const struct place *place)
{
	char script[65] = "", line[256];
	int fd = client_dial(place);
	client_say(fd, CALL("1", "script.put", "{\"source\":\"1\"}"));
	const char *answer = client_hear(fd);
	client_require(answer != NULL && sscanf(strstr(answer, "\"script\":\""),
						"\"script\":\"%64[0-9a-f]", script) == 1);
	disk->sync_waits = true;
	(void)snprintf(line, sizeof(line), CALL("2", "script.delete", "{\"script\":\"%s\"}"),
		       script);
	client_say(fd, line);
	store_disk_entered();
	drain_around(place, fd);
	client_require(client_hears(fd, "\"deleted\":true"));
	client_require(client_hear(fd) == NULL);
}

/* No database could be opened; the list, and whatever goes before it, finds that again. */
static void
client_last_is_a_failed_list(const struct place *place)
{
	int fd = client_dial(place);
	client_say(fd, CALL("1", "job.list", "{}"));
	client_require(client_hears(fd, "\"queue_full\""));
	disk->write_waits = true;
	client_say(fd, CALL("2", "job.list", "{}"));
	store_disk_entered();
	drain_around(place, fd);
	client_require(client_hears(fd, "\"queue_full\""));
	client_require(client_hear(fd) == NULL);
}

static void
client_streams_beside_a_durable_job(const struct place *place)
{
	int fd = client_dial(place);
	const char *line;
	client_say(fd, CALL("1", "job.run", "{\"source\":\"x\",\"stream\":true}"));
	client_require(client_hears(fd, "\"state\":\"queued\""));
	client_say(fd, CALL("2", "job.submit", "{\"source\":\"y\"}"));
	client_require(client_hears(fd, "{\"job\":\"d"));
	see_turns(fd);
	client_say(fd, CALL("3", "job.cancel", "{\"id\":1}"));
	do {
		line = client_hear(fd);
		client_require(line != NULL && strstr(line, "stray") == NULL);
	} while (strstr(line, "\"id\":1,\"result\"") == NULL);
	client_require(kill(getppid(), SIGTERM) == 0);
	client_require(client_hear(fd) == NULL);
}

/* A script of some 600 bytes, with the 512 that each costs. */
static void
put(int fd, const char *id, char letter)
{
	char line[1024], source[601];
	memset(source, letter, 600);
	source[600] = '\0';
	(void)snprintf(line, sizeof(line), CALL("%s", "script.put", "{\"source\":\"#%s\"}"), id,
		       source);
	client_say(fd, line);
}

/* There is room for one, and none for another, while the one is on its way to the disk too. */
static void
client_puts_at_one_time(const struct place *place)
{
	int fd = client_dial(place);
	see_turns(fd);
	disk->sync_waits = true;
	put(fd, "1", 'a');
	store_disk_entered();
	put(fd, "2", 'b');
	client_require(client_hears(fd, "scripts_tenant_max"));
	store_disk_go();
	client_require(client_hears(fd, "\"id\":1,\"result\""));
	put(fd, "3", 'b');
	client_require(client_hears(fd, "scripts_tenant_max"));
	client_require(kill(getppid(), SIGTERM) == 0);
	client_require(client_hear(fd) == NULL);
}

/* What was not stored takes no room. */
static void
client_puts_again(const struct place *place)
{
	int fd = client_dial(place);
	for (int i = 0; i < 3; i++) {
		disk->write_errno = ENOSPC;
		put(fd, "1", 'a');
		client_require(client_hears(fd, "not stored"));
	}
	disk->write_errno = 0;
	put(fd, "2", 'b');
	client_require(client_hears(fd, "\"id\":2,\"result\""));
	client_require(kill(getppid(), SIGTERM) == 0);
	client_require(client_hear(fd) == NULL);
}

/* The daemon ends at once, with one on its way. */
static void
client_puts_and_goes(const struct place *place)
{
	int fd = client_dial(place);
	see_turns(fd);
	disk->sync_waits = true;
	put(fd, "1", 'a');
	store_disk_entered();
	client_require(kill(getppid(), SIGTERM) == 0);
	for (int other; (other = client_dial(place)) != -1;)
		(void)close(other);
	client_require(kill(getppid(), SIGTERM) == 0);
	store_disk_go();
	client_require(client_hear(fd) == NULL);
}

static char directory[] = "/tmp/stint-daemon.XXXXXX";

static int
play(void (*client)(const struct place *place), const char *setting)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return daemon_play(client, fd, setting, NULL);
}

static int
setup(void **state)
{
	(void)state;
	disk = store_disk_reset();
	memcpy(strchr(directory, '.'), ".XXXXXX", 8);
	return mkdtemp(directory) == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	DIR *stream = opendir(directory);
	const struct dirent *entry;
	while (stream != NULL && (entry = readdir(stream)) != NULL)
		(void)unlinkat(dirfd(stream), entry->d_name, 0);
	if (stream != NULL)
		(void)closedir(stream);
	return rmdir(directory);
}

static void
a_drain_ends_with_a_put(void **state)
{
	(void)state;
	assert_int_equal(play(client_last_is_a_put, NULL), 0);
}

static void
a_drain_ends_with_a_delete(void **state)
{
	(void)state;
	assert_int_equal(play(client_last_is_a_delete, NULL), 0);
}

static void
a_drain_ends_with_a_failed_list(void **state)
{
	(void)state;
	disk->write_errno = EIO;
	assert_int_equal(play(client_last_is_a_failed_list, NULL), 0);
}

static void
a_durable_job_has_no_stream(void **state)
{
	(void)state;
	fake_engine_strays(true);
	assert_int_equal(play(client_streams_beside_a_durable_job, NULL), 0);
	fake_engine_strays(false);
}

static void
puts_on_their_way_count(void **state)
{
	(void)state;
	assert_int_equal(play(client_puts_at_one_time, "scripts_tenant_max=2000"), 0);
}

static void
puts_that_failed_do_not(void **state)
{
	(void)state;
	assert_int_equal(play(client_puts_again, "scripts_tenant_max=2000"), 0);
}

static void
a_put_may_never_come_back(void **state)
{
	(void)state;
	assert_int_equal(play(client_puts_and_goes, NULL), 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_drain_ends_with_a_put),         TEST(a_drain_ends_with_a_delete),
	    TEST(a_drain_ends_with_a_failed_list), TEST(a_durable_job_has_no_stream),
	    TEST(puts_on_their_way_count),         TEST(puts_that_failed_do_not),
	    TEST(a_put_may_never_come_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
