/*
 * A store in a directory of its own, and operations on it that wait for their answer.
 */
#ifndef STINT_TESTS_UNIT_STORE_FIXTURE_H
#define STINT_TESTS_UNIT_STORE_FIXTURE_H

#include "daemon/store.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct store_fixture {
	char directory[64];
	uv_loop_t loop;
	struct store *store;
	struct store_settings settings;
	struct error err; /* of the last failed start */
	unsigned answered;
	struct store_op *last; /* owned: the last answer */
};

/* cmocka's set-up and tear-down; *state is the fixture. */
int store_fixture_setup(void **state);
int store_fixture_teardown(void **state);
/* Start, and end, the store; what is in the directory stays. Returns store_new's code. */
int store_fixture_start(struct store_fixture *fixture);
void store_fixture_stop(struct store_fixture *fixture);
/* Post, without waiting; it must be taken. */
void store_fixture_post(struct store_fixture *fixture, struct store_op *op);
/* The same; false: it was not taken, and is the caller's. */
bool store_fixture_try(struct store_fixture *fixture, struct store_op *op);
/* The same of one that the store may not refuse. */
void store_fixture_must(struct store_fixture *fixture, struct store_op *op);
/* Wait until so many have been answered since the start. */
void store_fixture_wait(struct store_fixture *fixture, unsigned answered);
/* Post and wait; the answer is the fixture's, until the next one. */
struct store_op *store_fixture_do(struct store_fixture *fixture, struct store_op *op);
/* Operations on a job of that tenant. */
struct store_op *store_fixture_submit(const char *tenant, const char *id, const char *text);
struct store_op *store_fixture_result(const char *tenant, const char *id, const char *out);
struct store_op *store_fixture_on(enum store_kind kind, const char *tenant, const char *id);
/* Path of a file in the directory; static. */
const char *store_fixture_path(const struct store_fixture *fixture, const char *name);
/* Number of files there whose names begin so. */
unsigned store_fixture_files(const struct store_fixture *fixture, const char *prefix);

#endif
