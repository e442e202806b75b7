/*
 * See the header. The answers come through a loop of the fixture's own, as in stintd.
 */
#include "tests/unit/store_fixture.h"

#include "protocol/base_assert.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
on_done(void *context, struct store_op *op)
{
	struct store_fixture *fixture = context;
	store_op_free(&fixture->last);
	fixture->last = op;
	fixture->answered++;
}

int
store_fixture_setup(void **state)
{
	struct store_fixture *fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	(void)snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/stint-store.XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	fixture->settings.bytes_max = 64u << 20;
	fixture->settings.rules.tenant_bytes_max = 32u << 20;
	fixture->settings.rules.results_keep_jobs = 1000;
	*state = fixture;
	return store_fixture_start(fixture);
}

int
store_fixture_start(struct store_fixture *fixture)
{
	assert_int_equal(uv_loop_init(&fixture->loop), 0);
	fixture->settings.dir_fd = open(fixture->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fixture->settings.dir_fd >= 0);
	fixture->answered = 0;
	int rc = store_new(&fixture->loop, &fixture->settings, &fixture->store, &fixture->err);
	if (rc < 0)
		assert_int_equal(uv_loop_close(&fixture->loop), 0);
	return rc;
}

void
store_fixture_stop(struct store_fixture *fixture)
{
	store_op_free(&fixture->last);
	if (fixture->store == NULL)
		return;
	store_close(&fixture->store);
	(void)uv_run(&fixture->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&fixture->loop), 0);
}

int
store_fixture_teardown(void **state)
{
	struct store_fixture *fixture = *state;
	store_fixture_stop(fixture);
	DIR *directory = opendir(fixture->directory);
	struct dirent *entry;
	while (directory != NULL && (entry = readdir(directory)) != NULL)
		(void)unlink(store_fixture_path(fixture, entry->d_name));
	if (directory != NULL)
		(void)closedir(directory);
	int rc = rmdir(fixture->directory);
	free(fixture);
	return rc;
}

bool
store_fixture_try(struct store_fixture *fixture, struct store_op *op)
{
	op->done = on_done;
	op->context = fixture;
	return store_post(fixture->store, op, false);
}

void
store_fixture_must(struct store_fixture *fixture, struct store_op *op)
{
	op->done = on_done;
	op->context = fixture;
	assert_true(store_post(fixture->store, op, true));
}

void
store_fixture_post(struct store_fixture *fixture, struct store_op *op)
{
	assert_true(store_fixture_try(fixture, op));
}

void
store_fixture_wait(struct store_fixture *fixture, unsigned answered)
{
	while (fixture->answered < answered)
		(void)uv_run(&fixture->loop, UV_RUN_ONCE);
}

struct store_op *
store_fixture_do(struct store_fixture *fixture, struct store_op *op)
{
	unsigned before = fixture->answered;
	store_fixture_post(fixture, op);
	store_fixture_wait(fixture, before + 1);
	return fixture->last;
}

struct store_op *
store_fixture_on(enum store_kind kind, const char *tenant, const char *id)
{
	struct store_op *op = store_op_new(kind, NULL, NULL);
	(void)snprintf(op->row.tenant, sizeof(op->row.tenant), "%s", tenant);
	(void)snprintf(op->row.id, sizeof(op->row.id), "%s", id);
	return op;
}

struct store_op *
store_fixture_submit(const char *tenant, const char *id, const char *text)
{
	struct store_op *op = store_fixture_on(STORE_SUBMIT, tenant, id);
	static uint64_t time_us = 1000;
	op->row.text = strdup(text);
	op->row.limits = strdup("{}");
	require(op->row.text != NULL && op->row.limits != NULL);
	op->row.text_size = strlen(text);
	op->row.submitted_us = ++time_us;
	return op;
}

struct store_op *
store_fixture_result(const char *tenant, const char *id, const char *out)
{
	struct store_op *op = store_fixture_on(STORE_RESULT, tenant, id);
	op->result = calloc(1, sizeof(*op->result));
	require(op->result != NULL);
	(void)snprintf(op->result->job, sizeof(op->result->job), "%s", id);
	op->result->out.data = (uint8_t *)strdup(out);
	op->result->out.size = strlen(out);
	op->result->attempts = op->row.attempts = 1;
	op->row.ended_us = 5000;
	return op;
}

const char *
store_fixture_path(const struct store_fixture *fixture, const char *name)
{
	static char path[512];
	(void)snprintf(path, sizeof(path), "%s/%s", fixture->directory, name);
	return path;
}

unsigned
store_fixture_files(const struct store_fixture *fixture, const char *prefix)
{
	DIR *directory = opendir(fixture->directory);
	struct dirent *entry;
	unsigned count = 0;
	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL)
		count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	(void)closedir(directory);
	return count;
}
