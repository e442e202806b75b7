/*
 * One generation against a spawner and a zygote that the test plays: what comes when it is too late
 * for it changes nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "daemon/generation.h"
#include "daemon/spawner_link.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "protocol/isolation.h"
#include "protocol/worker_abi.h"

struct fixture {
	uv_loop_t loop;
	struct spawner_link *link;
	struct generation *generation;
	int spawner, zygote; /* our ends */
	bool served;
	unsigned serving, lost, over, fatal;
};

static void
on_serving(void *context, struct generation *generation)
{
	(void)generation;
	((struct fixture *)context)->serving++;
}

static void
on_lost(void *context, struct generation *generation, const char *why)
{
	(void)generation;
	(void)why;
	((struct fixture *)context)->lost++;
}

static void
on_over(void *context, struct generation *generation)
{
	(void)generation;
	((struct fixture *)context)->over++;
}

static void
on_fatal(void *context, const struct error *err)
{
	(void)err;
	((struct fixture *)context)->fatal++;
}

static int
setup(void **state)
{
	static struct fixture fixture;
	struct spawner_link_callbacks spawner = {.context = &fixture};
	struct generation_callbacks callbacks = {.serving = on_serving,
						 .lost = on_lost,
						 .over = on_over,
						 .fatal = on_fatal,
						 .context = &fixture};
	struct message_generation about = {.number = 1, .layers = ISOLATION_ALL};
	int ends[2], zygote[2];
	memset(&fixture, 0, sizeof(fixture));
	base_log_init("test", LOG_LEVEL_ERROR);
	assert_int_equal(uv_loop_init(&fixture.loop), 0);
	assert_int_equal(base_socketpair(ends, NULL), 0);
	assert_int_equal(base_socketpair(zygote, NULL), 0);
	fixture.spawner = ends[1];
	fixture.zygote = zygote[1];
	assert_int_equal(spawner_link_new(&fixture.loop, ends[0], &spawner, &fixture.link, NULL),
			 0);
	assert_int_equal(generation_new(&fixture.loop, fixture.link, ISOLATION_FULL,
					&fixture.served, &callbacks, &fixture.generation, NULL),
			 0);
	generation_start(fixture.generation, 1);
	generation_started(fixture.generation, &about, &zygote[0]);
	assert_int_equal(generation_state(fixture.generation), GENERATION_WARMING);
	*state = &fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;
	generation_free(&fixture->generation);
	spawner_link_close(&fixture->link);
	assert_int_equal(uv_run(&fixture->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&fixture->loop), 0);
	base_close(&fixture->spawner);
	base_close(&fixture->zygote);
	return 0;
}

static void
say_ready(struct fixture *fixture, uint64_t layers)
{
	struct message message;
	message_init(&message, MESSAGE_ZYGOTE_READY);
	message.body.zygote.version = MESSAGE_VERSION;
	message.body.zygote.abi = WORKER_ABI_VERSION;
	message.body.zygote.layers = layers;
	assert_int_equal(write(fixture->zygote, &message, sizeof(message)), sizeof(message));
	(void)uv_run(&fixture->loop, UV_RUN_NOWAIT);
}

static void
test_ready_in_time(void **state)
{
	struct fixture *fixture = *state;
	say_ready(fixture, ISOLATION_ALL);
	assert_int_equal(fixture->serving, 1);
	assert_int_equal(generation_state(fixture->generation), GENERATION_SERVING);
}

/* A machine that stood still for a minute: the time is over, and the zygote's message is there. */
static void
test_ready_too_late(void **state)
{
	struct fixture *fixture = *state;
	generation_abandon(fixture->generation, "the zygote does not get ready");
	say_ready(fixture, ISOLATION_ALL);
	assert_int_equal(fixture->serving, 0);
	assert_int_equal(fixture->lost, 1);
	assert_int_equal(fixture->fatal, 0);
	assert_int_equal(generation_state(fixture->generation), GENERATION_LOST);
}

/* Nor does one that lacks a layer end the service when it comes too late. */
static void
test_weak_and_too_late(void **state)
{
	struct fixture *fixture = *state;
	generation_abandon(fixture->generation, "the zygote does not get ready");
	say_ready(fixture, 0);
	assert_int_equal(fixture->fatal, 0);
	assert_int_equal(generation_state(fixture->generation), GENERATION_LOST);
}

static void
test_ready_twice(void **state)
{
	struct fixture *fixture = *state;
	say_ready(fixture, ISOLATION_ALL);
	say_ready(fixture, ISOLATION_ALL);
	assert_int_equal(fixture->serving, 1);
	assert_int_equal(fixture->lost, 1);
	assert_int_equal(fixture->fatal, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_ready_in_time),
	    TEST(test_ready_too_late),
	    TEST(test_weak_and_too_late),
	    TEST(test_ready_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
