/*
 * load_answer.c: what it takes out of a line does not depend on how the bytes come, nor on what a
 * program has printed; what is no answer is said to be none.
 */
#include "cmocka_headers.h"
#include "bench/load_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "{\"jsonrpc\":\"2.0\",\"id\":"
#define OK_HEAD                                                                                    \
	HEAD "17,\"result\":{\"job\":\"0123456789abcdef0123456789abcdef\",\"status\":\"ok\","      \
	     "\"verdict\":\"OK\",\"stdout\":\""
#define OK_TAIL                                                                                    \
	"\",\"error\":null,\"usage\":{\"cpu_us\":321,\"wall_us\":9,\"queue_us\":45},"              \
	"\"meter_id\":\"0123456789abcdef\"}}\n"

/* Whole in pieces of `piece` bytes; the number of lines. */
static size_t
take(const char *text, size_t size, size_t piece, struct load_answer *ret_answer)
{
	struct load_lines *lines = calloc(1, sizeof(*lines));
	size_t whole_lines = 0;
	assert_non_null(lines);
	while (size > 0) {
		size_t now = size < piece ? size : piece;
		while (now > 0) {
			bool whole;
			size_t taken = load_lines_take(lines, text, now, &whole, ret_answer);
			assert_true(taken > 0 && taken <= now);
			text += taken;
			now -= taken;
			size -= taken;
			whole_lines += whole;
		}
	}
	free(lines);
	return whole_lines;
}

static void
assert_is_ok(const struct load_answer *answer, size_t size)
{
	assert_int_equal(answer->kind, LOAD_ANSWER_RESULT);
	assert_int_equal(answer->id, 17);
	assert_string_equal(answer->word, "ok");
	assert_int_equal(answer->cpu_us, 321);
	assert_int_equal(answer->queue_us, 45);
	assert_int_equal(answer->bytes, size - 1);
}

static void
test_results_of_all_sizes(void **state)
{
	static const size_t SIZES[] = {0, 1, 500, 700, 1024, 1500, 5000, 100000};
	static const size_t PIECES[] = {1, 7, 1000, 1023, 1024, 1025, 65536};
	static char text[200000];
	struct load_answer answer;
	for (size_t s = 0; s < sizeof(SIZES) / sizeof(SIZES[0]); s++) {
		size_t size = (size_t)sprintf(text, "%s", OK_HEAD);
		memset(text + size, 'x', SIZES[s]);
		size += SIZES[s];
		size += (size_t)sprintf(text + size, "%s", OK_TAIL);
		for (size_t p = 0; p < sizeof(PIECES) / sizeof(PIECES[0]); p++) {
			assert_int_equal(take(text, size, PIECES[p], &answer), 1);
			assert_is_ok(&answer, size);
		}
	}
}

static void
test_output_that_looks_like_an_answer(void **state)
{
	static const char TEXT[] =
	    OK_HEAD "\\\"status\\\":\\\"bad\\\",\\\"usage\\\":{\\\"cpu_us\\\":7,"
		    "\\\"queue_us\\\":8}" OK_TAIL;
	struct load_answer answer;
	assert_int_equal(take(TEXT, sizeof(TEXT) - 1, 64, &answer), 1);
	assert_is_ok(&answer, sizeof(TEXT) - 1);
}

static void
test_many_lines(void **state)
{
	static const char TEXT[] = OK_HEAD OK_TAIL HEAD "1,\"result\":{\"job\":\"a\"}}\n";
	struct load_answer answer;
	assert_int_equal(take(TEXT, sizeof(TEXT) - 1, sizeof(TEXT), &answer), 2);
	assert_int_equal(answer.kind, LOAD_ANSWER_RESULT);
	assert_int_equal(answer.id, 1);
	assert_string_equal(answer.word, "");
	assert_int_equal(answer.cpu_us, 0);
}

static void
test_errors(void **state)
{
	static const char TEXT[] =
	    HEAD "9,\"error\":{\"code\":-32000,\"message\":\"the \\\"reason\\\":\\\"x\\\"\","
		 "\"data\":{\"reason\":\"queue_full\",\"retry_after_ms\":1000}}}\n";
	static const char NOBODY[] = HEAD "null,\"error\":{\"code\":-32001,\"message\":\"m\","
					  "\"data\":{\"reason\":\"quota_exceeded\"}}}\n";
	static const char BARE[] = HEAD "3,\"error\":{\"code\":-32602,\"message\":\"m\"}}\n";
	struct load_answer answer;
	(void)take(TEXT, sizeof(TEXT) - 1, 10, &answer);
	assert_int_equal(answer.kind, LOAD_ANSWER_ERROR);
	assert_int_equal(answer.id, 9);
	assert_string_equal(answer.word, "queue_full");
	(void)take(NOBODY, sizeof(NOBODY) - 1, 10, &answer);
	assert_int_equal(answer.kind, LOAD_ANSWER_ERROR);
	assert_int_equal(answer.id, 0);
	assert_string_equal(answer.word, "quota_exceeded");
	(void)take(BARE, sizeof(BARE) - 1, 10, &answer);
	assert_int_equal(answer.kind, LOAD_ANSWER_ERROR);
	assert_string_equal(answer.word, "");
}

static void
test_what_is_no_answer(void **state)
{
	static const char *const TEXTS[] = {
	    "\n",
	    "{}\n",
	    "x\n",
	    HEAD "\n",
	    HEAD "5}\n",
	    HEAD "\"5\",\"result\":{}}\n",
	    HEAD "5,\"result\":{\"status\":\"a status of more than thirty-one bytes\"}}\n",
	    HEAD "5,\"error\":{\"reason\":\"a reason of more than thirty-one bytes.\"}}\n",
	};
	static const char PROGRESS[] = "{\"jsonrpc\":\"2.0\",\"method\":\"job.progress\"}\n";
	struct load_answer answer;
	for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
		assert_int_equal(take(TEXTS[i], strlen(TEXTS[i]), 100, &answer), 1);
		assert_int_equal(answer.kind, LOAD_ANSWER_UNREADABLE);
	}
	assert_int_equal(take(PROGRESS, sizeof(PROGRESS) - 1, 100, &answer), 1);
	assert_int_equal(answer.kind, LOAD_ANSWER_NOTIFICATION);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_results_of_all_sizes),
	    cmocka_unit_test(test_output_that_looks_like_an_answer),
	    cmocka_unit_test(test_many_lines),
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_what_is_no_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
