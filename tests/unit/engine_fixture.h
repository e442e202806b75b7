/*
 * An engine on a loop with the fake spawner behind it, and what it called back with. For the tests
 * of the engine.
 */
#ifndef STINT_TESTS_ENGINE_FIXTURE_H
#define STINT_TESTS_ENGINE_FIXTURE_H

#include "daemon/engine.h"
#include "fake_zygote.h"

#define RESULTS_MAX 600

struct fixture {
	struct fake fake;
	uv_loop_t loop;
	struct config config;
	struct engine *engine;
	unsigned ready, draining, drained, fatal, started;
	int fatal_code;                         /* of the last */
	struct run_result results[RESULTS_MAX]; /* by ticket */
	unsigned told[RESULTS_MAX];
	unsigned all_told;               /* times that the last of a turn was given */
	uint64_t at_result, at_all_told; /* the newest worker's serial at the last of each */
	unsigned ways_begun, ways_over;
	size_t results_count;
	bool holds;          /* results are not given back */
	uint64_t held_bytes; /* of those */
	char streamed[2][256];
	bool streamed_after_result;
	uint64_t last_session;
};

/* Fixtures of cmocka: all but the engine; with the engine started; undo. */
int engine_fixture_setup(void **state);
int engine_fixture_setup_started(void **state);
int engine_fixture_teardown(void **state);
void engine_fixture_start(struct fixture *fixture);

#define RUN_UNTIL(condition)                                                                       \
	do {                                                                                       \
		while (!(condition))                                                               \
			(void)uv_run(&fixture->loop, UV_RUN_ONCE);                                 \
	} while (0)

struct engine_info info(struct fixture *fixture);
/* A job whose source is a script of the fake worker, with the built-in limits. */
extern const struct tenant_terms TEST_TERMS;
extern const struct engine_owner TEST_OWNER;
void make_request(struct run_request *ret_request, const char *script);
/* Static storage: the job's id. */
const char *submit_request(struct fixture *fixture, struct run_request *request, uint64_t session,
			   uint64_t ticket);
const char *submit(struct fixture *fixture, const char *script, uint64_t session, uint64_t ticket);
/* Submit with ticket 0 and wait for the result. */
const struct run_result *run_request(struct fixture *fixture, struct run_request *request);
const struct run_result *run(struct fixture *fixture, const char *script);
void assert_text(const struct bytes *bytes, const char *text);

#endif
