/*
 * A sound database with rows that this program never wrote: it is moved aside as a corrupt one, and
 * nothing of such a row is believed.
 */
#include "tests/unit/store_disk.h"
#include "tests/unit/store_fixture.h"

#include "daemon/store_vfs.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define A "0123456789abcdef0123456789abcdea"
#define B "0123456789abcdef0123456789abcdeb"

static struct store_disk *disk;

/* Change the database of a store that is stopped, as another program could. */
static void
alter(const struct store_fixture *fixture, const char *sql)
{
	sqlite3 *handle = NULL;
	assert_int_equal(sqlite3_open(store_fixture_path(fixture, STORE_VFS_FILE), &handle),
			 SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_true(sqlite3_changes(handle) > 0);
	assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static struct store_op *
look(void)
{
	struct store_op *op = store_fixture_on(STORE_FETCH, "t", A);
	op->want_text = true;
	return op;
}

static struct store_op *
list(void)
{
	struct store_op *op = store_fixture_on(STORE_LIST, "t", "");
	op->filter.count_max = 10;
	return op;
}

static struct store_op *
feed(void)
{
	struct store_op *op = store_fixture_on(STORE_FEED, "", "");
	op->count_max = 10;
	op->bytes_max = 1u << 20;
	op->want_text = true;
	return op;
}

static struct store_op *
cancel(void)
{
	return store_fixture_on(STORE_CANCEL, "t", A);
}

static struct store_op *
result(void)
{
	return store_fixture_result("t", A, "made");
}

static struct store_op *
purge(void)
{
	struct store_op *op = store_fixture_on(STORE_PURGE, "", "");
	op->now_us = 1000;
	return op;
}

static struct store_op *
again(void)
{
	struct store_op *op = store_fixture_submit("t", A, "{}");
	(void)snprintf(op->row.key, sizeof(op->row.key), "k");
	return op;
}

static struct store_op *
load(void)
{
	return store_fixture_on(STORE_SCRIPT_LOAD, "", "");
}

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* Of "{}", the request of all cases. */
#define HASH "'44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'"
#define SCRIPT(tenant, id)                                                                         \
	"INSERT INTO script (tenant, id, name, is_code, hidden, content) VALUES (" tenant ", " id  \
	", '', 0, 0, x'31')"

static const struct {
	const char *sql;
	struct store_op *(*meets)(void);
	enum store_outcome then; /* in the new database */
} CASES[] = {
    {"UPDATE job SET state = 4", look, STORE_NOT_FOUND},
    {"UPDATE job SET state = -1", look, STORE_NOT_FOUND},
    {"UPDATE job SET state = 1 << 40", look, STORE_NOT_FOUND},
    {"UPDATE job SET state = 4", cancel, STORE_NOT_FOUND},
    {"UPDATE job SET state = 4", result, STORE_DONE},
    {"UPDATE job SET state = 3", look, STORE_NOT_FOUND}, /* ended, without a result */
    {"UPDATE job SET id = 'short'", list, STORE_DONE},
    {"UPDATE job SET id = id || 'a'", list, STORE_DONE},
    {"UPDATE job SET id = 'short'", feed, STORE_DONE},
    {"UPDATE job SET id = id || 'a'", feed, STORE_DONE},
    {"UPDATE job SET tenant = 't t'", feed, STORE_DONE},
    {"UPDATE job SET tenant = '" X64 "x'", feed, STORE_DONE},
    {"UPDATE job SET tenant = '" X64 X64 "'", feed, STORE_DONE},
    {"UPDATE job SET tenant = 't' || char(0) || 'u'", feed, STORE_DONE},
    {"UPDATE job SET script = '" X64 "x'", feed, STORE_DONE},
    {"UPDATE job SET tag = hex(zeroblob(128))", list, STORE_DONE},
    {"UPDATE job SET tag = CAST(x'ff' AS TEXT)", list, STORE_DONE},
    {"UPDATE job SET status = '" X64 "'", look, STORE_NOT_FOUND},
    {"UPDATE job SET attempts = -1", look, STORE_NOT_FOUND},
    {"UPDATE job SET attempts = 1 << 33", look, STORE_NOT_FOUND},
    {"UPDATE job SET submitted_us = -1", look, STORE_NOT_FOUND},
    {"UPDATE job SET ended_us = -1", look, STORE_NOT_FOUND},
    {"UPDATE job SET state = 3, tenant = '" X64 "x'", purge, STORE_DONE},
    {"INSERT INTO tenant VALUES ('" X64 "x', 1, 10000000)", purge, STORE_DONE},
    {"UPDATE job SET id = 'short', idempotency_key = 'k', request_hash = " HASH, again, STORE_DONE},
    {SCRIPT("'" X64 "x'", "'id'"), load, STORE_DONE},
    {SCRIPT("'t t'", "'id'"), load, STORE_DONE},
    {SCRIPT("'t'", "'" X64 "x'"), load, STORE_DONE},
};

static void
an_altered_row_is_refused(void **state)
{
	struct store_fixture *fixture = *state;
	struct store_health health;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct store_op *op = store_fixture_submit("t", A, "{}");
		assert_int_equal(store_fixture_do(fixture, op)->outcome, STORE_DONE);
		store_fixture_stop(fixture);
		alter(fixture, CASES[i].sql);
		assert_int_equal(store_fixture_start(fixture), 0);
		store_health(fixture->store, &health);
		assert_int_equal(health.aside_count, 0); /* it is a sound database */
		op = store_fixture_do(fixture, CASES[i].meets());
		store_health(fixture->store, &health);
		if (op->outcome != CASES[i].then || op->row_count != 0 || health.aside_count != 1)
			print_error("%s: outcome %d, %zu rows, %u moved aside\n", CASES[i].sql,
				    (int)op->outcome, op->row_count, health.aside_count);
		assert_int_equal(op->outcome, CASES[i].then);
		assert_int_equal(op->row_count, 0);
		assert_int_equal(health.aside_count, 1);
		/* The next case begins with nothing. */
		store_fixture_stop(fixture);
		assert_int_equal(unlink(store_fixture_path(fixture, STORE_VFS_FILE)), 0);
		assert_int_equal(store_fixture_start(fixture), 0);
	}
}

/* Numbers of a tenant that are not those of its rows: nothing to do, now or ever. */
static void
altered_numbers_are_met_once(void **state)
{
	struct store_fixture *fixture = *state;
	store_fixture_stop(fixture);
	alter(fixture, "INSERT INTO tenant VALUES ('t', 1, 10000000)");
	assert_int_equal(store_fixture_start(fixture), 0);
	struct store_op *op = store_fixture_do(fixture, purge());
	assert_int_equal(op->outcome, STORE_DONE);
	assert_false(op->more);
}

static struct store_op *
handed_out(const char *id)
{
	struct store_op *op = store_fixture_submit("t", id, "{}");
	op->row.state = STORE_HANDED_OUT;
	return op;
}

/* A store that serves, in whose database a look at A finds damage. */
static void
damage_a_row(struct store_fixture *fixture)
{
	(void)store_fixture_do(fixture, store_fixture_submit("t", A, "{}"));
	store_fixture_stop(fixture);
	alter(fixture, "UPDATE job SET state = 4");
	assert_int_equal(store_fixture_start(fixture), 0);
	struct store_op *op = store_fixture_do(fixture, feed());
	assert_int_equal(op->row_count, 0);
	assert_true(op->recovers);
}

/* What is handed out is handed out once in this life, though the new database could not be opened
 * at first. */
static void
nothing_runs_twice_in_a_new_database(void **state)
{
	struct store_fixture *fixture = *state;
	damage_a_row(fixture);
	disk->write_errno = EIO;
	assert_int_equal(store_fixture_do(fixture, look())->outcome, STORE_FAILED);
	disk->write_errno = 0;
	assert_int_equal(store_fixture_do(fixture, handed_out(B))->outcome, STORE_DONE);
	struct store_health health;
	store_health(fixture->store, &health);
	assert_int_equal(health.aside_count, 1);
	struct store_op *op = store_fixture_do(fixture, feed());
	assert_false(op->recovers);
	assert_int_equal(op->row_count, 0);
}

/* Nor in the old one, when it could not be moved away: it has all of its log. */
static void
nothing_runs_twice_in_the_old_database(void **state)
{
	struct store_fixture *fixture = *state;
	damage_a_row(fixture);
	static const char ENDED[] = "0123456789abcdef0123456789abcdec";
	(void)store_fixture_do(fixture, handed_out(B));
	(void)store_fixture_do(fixture, store_fixture_submit("t", ENDED, "{}"));
	(void)store_fixture_do(fixture, store_fixture_result("t", ENDED, "out"));
	disk->write_errno = disk->rename_errno = EIO;
	assert_int_equal(store_fixture_do(fixture, look())->outcome, STORE_FAILED);
	disk->write_errno = disk->rename_errno = 0;
	struct store_op *op = store_fixture_do(fixture, feed());
	assert_int_equal(op->outcome, STORE_DONE);
	assert_false(op->recovers);
	assert_int_equal(op->row_count, 0);
	assert_int_equal(store_fixture_files(fixture, STORE_VFS_FILE ".corrupt-"), 0);
	op = store_fixture_do(fixture, store_fixture_on(STORE_FETCH, "t", ENDED));
	assert_int_equal(op->row.state, STORE_ENDED);
}

/* A store whose database could not be opened at the start has an earlier life all the same. */
static void
a_late_opening_recovers(void **state)
{
	struct store_fixture *fixture = *state;
	(void)store_fixture_do(fixture, feed());
	(void)store_fixture_do(fixture, handed_out(B));
	store_fixture_stop(fixture);
	disk->write_errno = EIO;
	assert_int_equal(store_fixture_start(fixture), 0);
	assert_int_equal(store_fixture_do(fixture, feed())->outcome, STORE_FAILED);
	disk->write_errno = 0;
	struct store_op *op = store_fixture_do(fixture, feed());
	assert_true(op->recovers);
	assert_int_equal(op->row_count, 1);
	assert_int_equal(store_fixture_do(fixture, feed())->row_count, 0);
}

static int
teardown(void **state)
{
	disk = store_disk_reset(); /* a test that failed may have left it failing */
	return store_fixture_teardown(state);
}

int
main(void)
{
	disk = store_disk_reset();
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_fixture_setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(an_altered_row_is_refused),
	    TEST(altered_numbers_are_met_once),
	    TEST(nothing_runs_twice_in_a_new_database),
	    TEST(nothing_runs_twice_in_the_old_database),
	    TEST(a_late_opening_recovers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
