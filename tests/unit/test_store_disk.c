/*
 * The store and its disk: one commit for many, a full or broken disk, a corrupt or cut database, a
 * newer schema, a process that is killed. Calls of the C library fail, or wait, as a test says.
 */
#include "tests/unit/store_disk.h"
#include "tests/unit/store_fixture.h"

#include "daemon/store_vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define A "0123456789abcdef0123456789abcdea"
#define B "0123456789abcdef0123456789abcdeb"

static struct store_disk *disk;

static enum store_outcome
submit(struct store_fixture *fixture, const char *id)
{
	return store_fixture_do(fixture, store_fixture_submit("t", id, "{}"))->outcome;
}

static enum store_outcome
fetch(struct store_fixture *fixture, const char *id)
{
	return store_fixture_do(fixture, store_fixture_on(STORE_FETCH, "t", id))->outcome;
}

static void
all_that_wait_are_one_commit(void **state)
{
	struct store_fixture *fixture = *state;
	struct store_health before, after;
	char id[JOB_ID_CHARS + 1];
	assert_int_equal(submit(fixture, A), STORE_DONE);
	store_health(fixture->store, &before);
	disk->sync_waits = true;
	store_fixture_post(fixture, store_fixture_submit("t", B, "{}"));
	store_disk_entered();
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(id, sizeof(id), "%032u", i);
		store_fixture_post(fixture, store_fixture_submit("t", id, "{}"));
	}
	/* None is told before it is on the disk. */
	(void)uv_run(&fixture->loop, UV_RUN_NOWAIT);
	assert_int_equal(fixture->answered, 1);
	store_disk_go();
	store_fixture_wait(fixture, 102);
	store_health(fixture->store, &after);
	assert_int_equal(after.operations - before.operations, 101);
	assert_int_equal(after.commits - before.commits, 2);
}

static void
a_disk_that_fails_refuses_and_recovers(void **state)
{
	struct store_fixture *fixture = *state;
	const struct {
		_Atomic int *where;
		int code;
		const char *text;
	} CASES[] = {
	    {&disk->write_errno, ENOSPC, "the disk that holds state_dir is full"},
	    {&disk->write_errno, EIO, "Input/output error"},
	    {&disk->sync_errno, EIO, "Input/output error"},
	};
	char id[JOB_ID_CHARS + 1];
	assert_int_equal(submit(fixture, A), STORE_DONE);
	for (unsigned i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct store_health health;
		(void)snprintf(id, sizeof(id), "%032u", i);
		store_health(fixture->store, &health);
		*CASES[i].where = CASES[i].code;
		assert_int_equal(submit(fixture, id), STORE_FAILED);
		assert_non_null(strstr(fixture->last->err.text, CASES[i].text));
		uint64_t failures = health.failures;
		store_health(fixture->store, &health);
		assert_true(health.failing);
		assert_int_equal(health.failures, failures + 1);
		/* Reading goes on, and nothing of the refused one is there. */
		assert_int_equal(fetch(fixture, A), STORE_DONE);
		assert_int_equal(fetch(fixture, id), STORE_NOT_FOUND);
		/* A result that cannot be stored can be tried again. */
		struct store_op *op =
		    store_fixture_do(fixture, store_fixture_result("t", A, "late"));
		assert_int_equal(op->outcome, i == 0 ? STORE_FAILED : op->outcome);
		*CASES[i].where = 0;
		assert_int_equal(submit(fixture, id), STORE_DONE);
		store_health(fixture->store, &health);
		assert_false(health.failing);
	}
	assert_int_equal(store_fixture_do(fixture, store_fixture_result("t", A, "late"))->outcome,
			 STORE_DONE);
	store_fixture_stop(fixture);
	assert_int_equal(store_fixture_start(fixture), 0);
	assert_int_equal(fetch(fixture, A), STORE_DONE);
	assert_int_equal(fixture->last->row.state, STORE_ENDED);
	assert_int_equal(fetch(fixture, id), STORE_DONE);
}

static void
one_without_room_does_not_take_others_along(void **state)
{
	struct store_fixture *fixture = *state;
	fixture->settings.rules.tenant_bytes_max = 8000;
	store_fixture_stop(fixture);
	assert_int_equal(store_fixture_start(fixture), 0);
	char *large = malloc(10000);
	assert_non_null(large);
	memset(large, 'x', 9999);
	large[9999] = '\0';
	disk->sync_waits = true;
	store_fixture_post(fixture, store_fixture_submit("t", A, "{}"));
	store_disk_entered();
	store_fixture_post(fixture, store_fixture_submit("t", B, large));
	store_fixture_post(fixture,
			   store_fixture_submit("t", "00000000000000000000000000000001", "{}"));
	store_disk_go();
	store_fixture_wait(fixture, 3);
	assert_int_equal(fixture->last->outcome, STORE_DONE);
	assert_int_equal(fetch(fixture, B), STORE_NOT_FOUND);
	assert_int_equal(store_fixture_do(fixture, store_fixture_submit("t", B, large))->outcome,
			 STORE_QUOTA);
	/* Another tenant has room, and a result larger than the share comes without its parts. */
	assert_int_equal(store_fixture_do(fixture, store_fixture_submit("u", B, "{}"))->outcome,
			 STORE_DONE);
	struct store_op *op = store_fixture_do(fixture, store_fixture_result("t", A, large));
	assert_int_equal(op->outcome, STORE_DONE);
	assert_non_null(strstr(op->row.text, "\"stdout_truncated\":true"));
	assert_non_null(strstr(op->row.text, "more than the job store keeps"));
	free(large);
}

static void
a_full_store_keeps_room_for_results(void **state)
{
	struct store_fixture *fixture = *state;
	char id[JOB_ID_CHARS + 1], *text = calloc(1, 20001);
	unsigned stored = 0;
	assert_non_null(text);
	memset(text, 'x', 20000);
	fixture->settings.bytes_max = 1u << 20;
	store_fixture_stop(fixture);
	assert_int_equal(store_fixture_start(fixture), 0);
	for (;; stored++) {
		(void)snprintf(id, sizeof(id), "%032u", stored);
		struct store_op *op =
		    store_fixture_do(fixture, store_fixture_submit("t", id, text));
		if (op->outcome != STORE_DONE) {
			assert_int_equal(op->outcome, STORE_FULL);
			assert_non_null(strstr(op->err.text, "store_bytes_max"));
			break;
		}
		assert_true(stored < 100);
	}
	assert_true(stored > 20);
	for (unsigned i = 0; i < stored; i++) {
		(void)snprintf(id, sizeof(id), "%032u", i);
		assert_int_equal(
		    store_fixture_do(fixture, store_fixture_result("t", id, text))->outcome,
		    STORE_DONE);
	}
	/* The oldest results make room for a new job. */
	assert_int_equal(store_fixture_do(fixture, store_fixture_submit("t", A, text))->outcome,
			 STORE_DONE);
	struct stat status;
	assert_int_equal(stat(store_fixture_path(fixture, STORE_VFS_FILE), &status), 0);
	assert_true(status.st_size <= 1 << 20);
	free(text);
}

static void
damage(const struct store_fixture *fixture, off_t offset, const char *bytes, off_t cut)
{
	int fd = open(store_fixture_path(fixture, STORE_VFS_FILE), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	if (bytes != NULL)
		assert_int_equal(pwrite(fd, bytes, strlen(bytes), offset), strlen(bytes));
	else
		assert_int_equal(ftruncate(fd, cut), 0);
	(void)close(fd);
}

static void
a_damaged_database_is_moved_aside(void **state)
{
	struct store_fixture *fixture = *state;
	char junk[2048];
	memset(junk, 'J', sizeof(junk) - 1);
	junk[sizeof(junk) - 1] = '\0';
	for (unsigned i = 0; i < 3; i++) {
		struct store_health health;
		assert_int_equal(submit(fixture, A), STORE_DONE);
		store_fixture_stop(fixture);
		if (i == 0)
			damage(fixture, 0, junk, 0);
		else if (i == 1)
			damage(fixture, 4096 * 2 + 5, junk, 0);
		else
			damage(fixture, 0, NULL, 4096 * 3 + 100);
		assert_int_equal(store_fixture_start(fixture), 0);
		assert_int_equal(store_fixture_files(fixture, STORE_VFS_FILE ".corrupt-"), i + 1);
		assert_int_equal(fetch(fixture, A), STORE_NOT_FOUND);
		store_health(fixture->store, &health);
		assert_int_equal(health.aside_count, 1);
		assert_int_equal(strncmp(health.aside, STORE_VFS_FILE ".corrupt-", 17), 0);
	}
}

/* Found out while it runs: the operation that met it is done on the new one. */
static void
damage_is_met_in_the_middle(void **state)
{
	struct store_fixture *fixture = *state;
	struct store_health health;
	char junk[4097], id[JOB_ID_CHARS + 1], text[2001];
	memset(junk, 'J', 4096);
	/* More than SQLite has in memory. */
	memset(text, 'x', 2000);
	text[2000] = '\0';
	junk[4096] = '\0';
	for (unsigned i = 0; i < 3000; i++) {
		(void)snprintf(id, sizeof(id), "%032u", i);
		store_fixture_post(fixture, store_fixture_submit("t", id, text));
		if (i % 500 == 499) /* a tenant has no room for all at once */
			store_fixture_wait(fixture, i + 1);
	}
	store_fixture_stop(fixture);
	assert_int_equal(store_fixture_start(fixture), 0);
	struct stat status;
	assert_int_equal(stat(store_fixture_path(fixture, STORE_VFS_FILE), &status), 0);
	for (off_t at = 4096; at < status.st_size; at += 4096)
		damage(fixture, at, junk, 0);
	for (unsigned i = 0; i < 3000; i++) {
		(void)snprintf(id, sizeof(id), "%032u", i);
		(void)fetch(fixture, id);
		store_health(fixture->store, &health);
		if (health.aside_count > 0)
			break;
	}
	assert_int_equal(health.aside_count, 1);
	/* A result of a job that ran meanwhile brings its row along. */
	assert_int_equal(store_fixture_do(fixture, store_fixture_result("t", A, "kept"))->outcome,
			 STORE_DONE);
	assert_int_equal(fetch(fixture, A), STORE_DONE);
}

static void
a_newer_schema_is_refused(void **state)
{
	struct store_fixture *fixture = *state;
	struct stat before, after;
	assert_int_equal(submit(fixture, A), STORE_DONE);
	store_fixture_stop(fixture);
	/* user_version, in the file's header. */
	damage(fixture, 62, "\x01\x07", 0);
	assert_int_equal(stat(store_fixture_path(fixture, STORE_VFS_FILE), &before), 0);
	assert_int_equal(store_fixture_start(fixture), ERROR_UNSUPPORTED);
	assert_non_null(strstr(fixture->err.text, "has schema 263"));
	assert_non_null(strstr(fixture->err.text, "remedy"));
	assert_int_equal(store_fixture_files(fixture, STORE_VFS_FILE ".corrupt-"), 0);
	assert_int_equal(stat(store_fixture_path(fixture, STORE_VFS_FILE), &after), 0);
	assert_int_equal(before.st_size, after.st_size);
}

static void
what_was_told_survives_a_kill(void **state)
{
	struct store_fixture *fixture = *state;
	int status;
	store_fixture_stop(fixture);
	pid_t child = fork();
	if (child == 0) {
		char id[JOB_ID_CHARS + 1];
		if (store_fixture_start(fixture) != 0)
			_exit(1);
		for (unsigned i = 0; i < 20; i++) {
			(void)snprintf(id, sizeof(id), "%032u", i);
			if (submit(fixture, id) != STORE_DONE)
				_exit(2);
		}
		_exit(0); /* with the log as it is: nothing is closed */
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(store_fixture_files(fixture, STORE_VFS_FILE "-wal"), 1);
	assert_int_equal(store_fixture_files(fixture, STORE_VFS_FILE "-shm"), 0);
	assert_int_equal(store_fixture_start(fixture), 0);
	struct store_op *op = store_fixture_on(STORE_LIST, "t", "");
	op->filter.count_max = 100;
	assert_int_equal(store_fixture_do(fixture, op)->row_count, 20);
}

static int
teardown(void **state)
{
	disk = store_disk_reset(); /* a test that failed may have left it held */
	return store_fixture_teardown(state);
}

int
main(void)
{
	disk = store_disk_reset();
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, store_fixture_setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(all_that_wait_are_one_commit),
	    TEST(a_disk_that_fails_refuses_and_recovers),
	    TEST(one_without_room_does_not_take_others_along),
	    TEST(a_full_store_keeps_room_for_results),
	    TEST(a_damaged_database_is_moved_aside),
	    TEST(damage_is_met_in_the_middle),
	    TEST(a_newer_schema_is_refused),
	    TEST(what_was_told_survives_a_kill),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
