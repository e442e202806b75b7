/* The table of verdicts: each rule alone, and which rule wins where two apply. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>

#include "daemon/verdict.h"
#include "protocol/worker_abi.h"

/* A job that ended well, and what differs: a later initializer wins. */
#pragma GCC diagnostic ignored "-Woverride-init"
#define FACTS(...)                                                                                 \
	{                                                                                          \
		.cpu_limit_us = 2000000, .wall_limit_us = 10000000, .cpu_used_us = 5,              \
		.blob = VERDICT_BLOB_COMPLETE, __VA_ARGS__                                         \
	}

struct row {
	const char *name;
	struct verdict_facts facts;
	enum job_status status;
};

static const struct row ROWS[] = {
    {"well", FACTS(.exit_code = 0), STATUS_OK},
    {"no result, none owed", FACTS(.blob = VERDICT_BLOB_NONE), STATUS_OK},
    {"no result, one owed", FACTS(.blob = VERDICT_BLOB_NONE, .wants_value = true),
     STATUS_RUNTIME_ERROR},
    {"half a result owed", FACTS(.blob = VERDICT_BLOB_PARTIAL, .wants_value = true),
     STATUS_RUNTIME_ERROR},
    {"half a result not owed", FACTS(.blob = VERDICT_BLOB_PARTIAL), STATUS_OK},
    {"result owed and there", FACTS(.wants_value = true), STATUS_OK},
    {"exit 7", FACTS(.exit_code = 7), STATUS_RUNTIME_ERROR},
    {"sys.exit(0)", FACTS(.reason = REASON_EXIT), STATUS_OK},
    {"sys.exit(7)", FACTS(.reason = REASON_EXIT, .exit_code = 7), STATUS_RUNTIME_ERROR},
    /* the worker's own words */
    {"exception", FACTS(.reason = REASON_EXCEPTION, .exit_code = 1), STATUS_RUNTIME_ERROR},
    {"syntax", FACTS(.reason = REASON_COMPILE_ERROR, .exit_code = 1), STATUS_COMPILE_ERROR},
    {"MemoryError", FACTS(.reason = REASON_MEMORY_ERROR, .exit_code = 1), STATUS_MEMORY_LIMIT},
    {"RecursionError", FACTS(.reason = REASON_RECURSION_ERROR, .exit_code = 1),
     STATUS_RECURSION_LIMIT},
    {"output stop", FACTS(.reason = REASON_OUTPUT_LIMIT, .exit_code = 1), STATUS_OUTPUT_LIMIT},
    {"opcode stop", FACTS(.reason = REASON_OPCODE_LIMIT, .exit_code = 1, .opcode_limit = 9),
     STATUS_OPCODE_LIMIT},
    {"opcode stop owes no value",
     FACTS(.reason = REASON_OPCODE_LIMIT, .exit_code = 1, .opcode_limit = 9, .wants_value = true,
	   .blob = VERDICT_BLOB_COMPLETE),
     STATUS_OPCODE_LIMIT},
    {"opcode stop without a budget", FACTS(.reason = REASON_OPCODE_LIMIT, .exit_code = 1),
     STATUS_RUNTIME_ERROR},
    {"killed past its budget",
     FACTS(.kill = WATCHDOG_OPCODES, .signal = SIGKILL, .exit_code = -1, .opcode_limit = 9),
     STATUS_OPCODE_LIMIT},
    {"killed past no budget", FACTS(.kill = WATCHDOG_OPCODES, .signal = SIGKILL, .exit_code = -1),
     STATUS_INTERNAL_ERROR},
    {"value too large", FACTS(.reason = REASON_VALUE_LIMIT, .exit_code = 1), STATUS_OUTPUT_LIMIT},
    {"bad value", FACTS(.reason = REASON_VALUE_ERROR, .exit_code = 1), STATUS_RUNTIME_ERROR},
    {"a reason that does not exist", FACTS(.reason = 4711, .exit_code = 0), STATUS_OK},
    /* signals */
    {"killed", FACTS(.signal = SIGKILL, .exit_code = -1), STATUS_RUNTIME_ERROR},
    {"aborted", FACTS(.signal = SIGABRT, .exit_code = -1), STATUS_RUNTIME_ERROR},
    {"filter", FACTS(.signal = SIGSYS, .exit_code = -1), STATUS_SECURITY_VIOLATION},
    {"file size", FACTS(.signal = SIGXFSZ, .exit_code = -1, .output_over = true),
     STATUS_OUTPUT_LIMIT},
    {"SIGXFSZ of its own", FACTS(.signal = SIGXFSZ, .exit_code = -1), STATUS_RUNTIME_ERROR},
    {"SIGXCPU of its own", FACTS(.signal = SIGXCPU, .exit_code = -1), STATUS_RUNTIME_ERROR},
    {"backstop", FACTS(.signal = SIGXCPU, .exit_code = -1, .cpu_used_us = 2000000),
     STATUS_CPU_LIMIT},
    {"a reason does not cover a signal",
     FACTS(.signal = SIGSEGV, .exit_code = -1, .reason = REASON_COMPILE_ERROR),
     STATUS_RUNTIME_ERROR},
    /* foreign code */
    {"spoke", FACTS(.spoke = true), STATUS_SECURITY_VIOLATION},
    {"hostile result", FACTS(.blob = VERDICT_BLOB_HOSTILE), STATUS_SECURITY_VIOLATION},
    {"spoke, says exception", FACTS(.spoke = true, .reason = REASON_EXCEPTION),
     STATUS_SECURITY_VIOLATION},
    /* output */
    {"too much output", FACTS(.output_over = true), STATUS_OUTPUT_LIMIT},
    {"too much output, exception",
     FACTS(.output_over = true, .reason = REASON_EXCEPTION, .exit_code = 1), STATUS_OUTPUT_LIMIT},
    /* the watchdog */
    {"cpu", FACTS(.kill = WATCHDOG_CPU, .cpu_used_us = 2000000, .signal = SIGKILL),
     STATUS_CPU_LIMIT},
    {"wall", FACTS(.kill = WATCHDOG_WALL, .wall_used_us = 10000000, .signal = SIGKILL),
     STATUS_WALL_LIMIT},
    {"cpu not reached", FACTS(.kill = WATCHDOG_CPU, .cpu_used_us = 1999999, .signal = SIGKILL),
     STATUS_INTERNAL_ERROR},
    {"wall not reached", FACTS(.kill = WATCHDOG_WALL, .wall_used_us = 9999999, .signal = SIGKILL),
     STATUS_INTERNAL_ERROR},
    {"over the limit at its end", FACTS(.cpu_used_us = 2000000), STATUS_CPU_LIMIT},
    {"cpu, and ended well meanwhile", FACTS(.kill = WATCHDOG_CPU, .cpu_used_us = 2000001),
     STATUS_CPU_LIMIT},
    {"cpu, and says syntax error",
     FACTS(.kill = WATCHDOG_CPU, .cpu_used_us = 2000001, .reason = REASON_COMPILE_ERROR),
     STATUS_CPU_LIMIT},
    /* in the grace between page.stop and the kill */
    {"cpu, stopped itself",
     FACTS(.kill = WATCHDOG_CPU, .cpu_used_us = 2000001, .reason = REASON_STOPPED, .exit_code = 1),
     STATUS_CPU_LIMIT},
    {"cpu, says so and exits 0 with a value",
     FACTS(.kill = WATCHDOG_CPU, .cpu_used_us = 2000001, .reason = REASON_STOPPED,
	   .wants_value = true),
     STATUS_CPU_LIMIT},
    {"cpu, then a forged result",
     FACTS(.kill = WATCHDOG_CPU, .cpu_used_us = 2000001, .blob = VERDICT_BLOB_HOSTILE),
     STATUS_CPU_LIMIT},
    {"cpu, then died otherwise",
     FACTS(.kill = WATCHDOG_CPU, .cpu_used_us = 2000001, .signal = SIGSEGV, .exit_code = -1),
     STATUS_CPU_LIMIT},
    {"wall, stopped itself",
     FACTS(.kill = WATCHDOG_WALL, .wall_used_us = 10000000, .reason = REASON_STOPPED,
	   .exit_code = 1),
     STATUS_WALL_LIMIT},
    {"wall, then memory",
     FACTS(.kill = WATCHDOG_WALL, .wall_used_us = 10000000, .oom_kills = 1, .signal = SIGKILL,
	   .exit_code = -1),
     STATUS_WALL_LIMIT},
    {"cancelled, stopped itself",
     FACTS(.cancelled = true, .kill = WATCHDOG_CANCEL, .reason = REASON_STOPPED, .exit_code = 1),
     STATUS_CANCELLED},
    {"says it was stopped, and was not", FACTS(.reason = REASON_STOPPED, .exit_code = 1),
     STATUS_RUNTIME_ERROR},
    /* memory */
    {"oom", FACTS(.oom_kills = 1, .signal = SIGKILL, .exit_code = -1), STATUS_MEMORY_LIMIT},
    {"oom, then spoke", FACTS(.oom_kills = 1, .spoke = true), STATUS_MEMORY_LIMIT},
    /* cancelled */
    {"cancelled", FACTS(.cancelled = true, .kill = WATCHDOG_CANCEL, .signal = SIGKILL),
     STATUS_CANCELLED},
    {"cancelled and cpu", FACTS(.cancelled = true, .kill = WATCHDOG_CPU, .cpu_used_us = 2000000),
     STATUS_CANCELLED},
    {"cancelled before it took the job", FACTS(.cancelled = true, .unread = true),
     STATUS_CANCELLED},
    /* ours */
    {"lost", FACTS(.lost = true, .exit_code = -1), STATUS_INTERNAL_ERROR},
    {"lost and cancelled", FACTS(.lost = true, .cancelled = true), STATUS_INTERNAL_ERROR},
    {"result unreadable", FACTS(.failed = true), STATUS_INTERNAL_ERROR},
    {"never took the job", FACTS(.unread = true, .exit_code = WORKER_EXIT_SETUP),
     STATUS_INTERNAL_ERROR},
    {"never took the job: wall",
     FACTS(.unread = true, .kill = WATCHDOG_WALL, .wall_used_us = 10000000), STATUS_WALL_LIMIT},
    {"never took the job: oom", FACTS(.unread = true, .oom_kills = 1), STATUS_MEMORY_LIMIT},
    {"forged set-up failure", FACTS(.exit_code = WORKER_EXIT_SETUP), STATUS_RUNTIME_ERROR},
    {"exit 126 of the tenant", FACTS(.exit_code = WORKER_EXIT_SETUP), STATUS_RUNTIME_ERROR},
};

static void
test_table(void **state)
{
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct verdict verdict = verdict_decide(&ROWS[i].facts);
		if (verdict.status != ROWS[i].status)
			print_error("%s: %s by rule \"%s\"\n", ROWS[i].name,
				    status_name(verdict.status), verdict.why);
		assert_int_equal(verdict.status, ROWS[i].status);
		assert_non_null(verdict.why);
	}
}

/* Whatever a worker writes into its page and exits with, it never becomes a defect of ours. */
static void
test_no_page_makes_internal_error(void **state)
{
	for (uint32_t reason = 0; reason < REASON_COUNT + 3; reason++)
		for (int code = 0; code < 256; code++) {
			struct verdict_facts facts = FACTS(.reason = reason, .exit_code = code);
			assert_int_not_equal(verdict_decide(&facts).status, STATUS_INTERNAL_ERROR);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_no_page_makes_internal_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
