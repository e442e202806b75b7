/* Admission as a table: what is full or used up, what the client is told, and what not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "daemon/admission.h"

#define MS 1000000ull

struct row {
	const char *what;
	struct admission_facts facts;
	enum admission_outcome outcome;
	uint64_t retry_after_ms;
	const char *says; /* the cap and whose it is */
};

#define FACTS(...)                                                                                 \
	{                                                                                          \
		.tenant = "acme", .bytes = 100, __VA_ARGS__                                        \
	}

static const struct row ROWS[] = {
    {"nothing is set", FACTS(.service = {0}), ADMISSION_ENTER, 0, ""},
    {"below all caps",
     FACTS(.service = {9, 10, 900, 1000}, .own = {4, 5, 400, 500}, .rates = {1, 1, 1}),
     ADMISSION_ENTER, 0, ""},
    {"no caps of its own", FACTS(.service = {9, 10, 0, 1000}, .own = {999, 0, 1ull << 60, 0}),
     ADMISSION_ENTER, 0, ""},
    {"jobs of the service", FACTS(.service = {10, 10, 0, 1000}, .own = {.jobs = 2}),
     ADMISSION_QUEUE_FULL, 1000, "queue_jobs_max of the service (10 jobs)"},
    {"more than that", FACTS(.service = {11, 10, 0, 1000}, .own = {.jobs = 11}),
     ADMISSION_QUEUE_FULL, 1000, "queue_jobs_max of the service (10 jobs)"},
    {"bytes of the service", FACTS(.service = {0, 10, 901, 1000}, .own = {.bytes = 26}),
     ADMISSION_QUEUE_FULL, 1000, "queue_bytes_max of the service (1000 bytes)"},
    {"more bytes than that", FACTS(.service = {0, 10, 2000, 1000}, .own = {.bytes = 500}),
     ADMISSION_QUEUE_FULL, 1000, "queue_bytes_max of the service (1000 bytes)"},
    {"full of others' jobs", FACTS(.service = {16, 16, 0, 1000}, .own = {.jobs = 1}),
     ADMISSION_ENTER, 0, ""},
    {"the last place above", FACTS(.service = {19, 16, 0, 1000}, .own = {.jobs = 1}),
     ADMISSION_ENTER, 0, ""},
    {"none is left above", FACTS(.service = {20, 16, 0, 1000}, .own = {.jobs = 1}),
     ADMISSION_QUEUE_FULL, 1000, "queue_jobs_max of the service (20 jobs)"},
    {"an eighth is its own", FACTS(.service = {16, 16, 0, 1000}, .own = {.jobs = 2}),
     ADMISSION_QUEUE_FULL, 1000, "queue_jobs_max of the service (16 jobs)"},
    {"a small queue has no more", FACTS(.service = {7, 7, 0, 1000}), ADMISSION_QUEUE_FULL, 1000,
     "(7 jobs)"},
    {"full of others' bytes", FACTS(.service = {1, 16, 1150, 1000}, .own = {.bytes = 25}),
     ADMISSION_ENTER, 0, ""},
    {"none of those is left", FACTS(.service = {1, 16, 1151, 1000}, .own = {.bytes = 25}),
     ADMISSION_QUEUE_FULL, 1000, "queue_bytes_max of the service (1250 bytes)"},
    {"no overflow", FACTS(.service = {1, UINT64_MAX, 1, UINT64_MAX}), ADMISSION_ENTER, 0, ""},
    {"jobs of its own", FACTS(.service = {7, 10, 0, 1000}, .own = {5, 5, 0, 0}),
     ADMISSION_QUEUE_FULL, 1000, "queue_jobs_max of tenant acme (5 jobs)"},
    {"bytes of its own", FACTS(.service = {7, 10, 0, 1000}, .own = {0, 0, 401, 500}),
     ADMISSION_QUEUE_FULL, 1000, "queue_bytes_max of tenant acme (500 bytes)"},
    {"its own are named first", FACTS(.service = {10, 10, 0, 1000}, .own = {5, 5, 0, 0}),
     ADMISSION_QUEUE_FULL, 1000, "of tenant acme"},
    {"too large for itself", FACTS(.own = {5, 5, 0, 99}), ADMISSION_TOO_LARGE, 0,
     "the job has 100 bytes, queue_bytes_max of tenant acme is 99"},
    {"too large for all", FACTS(.service = {10, 10, 0, 99}), ADMISSION_TOO_LARGE, 0,
     "queue_bytes_max of the service is 99"},
    {"the largest there is",
     {.tenant = "acme", .bytes = UINT64_MAX, .service = {0, 10, 5, 99}},
     ADMISSION_TOO_LARGE,
     0,
     "18446744073709551615 bytes"},
    {"jobs in a minute", FACTS(.rates = {60}, .wait_ns = {250 * MS}), ADMISSION_QUOTA, 250,
     "tenant acme has used up its jobs_per_minute (60): try again in 250 ms"},
    {"a part of a millisecond", FACTS(.rates = {60}, .wait_ns = {1}), ADMISSION_QUOTA, 1,
     "in 1 ms"},
    {"one nanosecond more", FACTS(.rates = {60}, .wait_ns = {250 * MS + 1}), ADMISSION_QUOTA, 251,
     "in 251 ms"},
    {"CPU time in a minute", FACTS(.rates = {0, 5000}, .wait_ns = {0, 9 * MS}), ADMISSION_QUOTA, 9,
     "cpu_per_minute (5000 ms)"},
    {"opcodes in a minute", FACTS(.rates = {0, 0, 77}, .wait_ns = {0, 0, 9 * MS}), ADMISSION_QUOTA,
     9, "opcodes_per_minute (77)"},
    {"the longest wait", FACTS(.rates = {1, 2, 3}, .wait_ns = {5 * MS, 9 * MS, 7 * MS}),
     ADMISSION_QUOTA, 9, "cpu_per_minute (2 ms)"},
    {"for ever", FACTS(.rates = {1}, .wait_ns = {UINT64_MAX}), ADMISSION_QUOTA, UINT64_MAX / MS + 1,
     "jobs_per_minute"},
    {"a full queue before a rate", FACTS(.own = {5, 5, 0, 0}, .rates = {1}, .wait_ns = {MS}),
     ADMISSION_QUEUE_FULL, 1000, "queue_jobs_max"},
};

static void
test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const struct row *row = &ROWS[i];
		struct admission_answer answer = {ADMISSION_QUOTA, 12345};
		struct error err = ERROR_INIT;
		int code = admission_decide(&row->facts, &answer, &err);
		if (code != (row->outcome == ADMISSION_ENTER ? 0 : ERROR_LIMIT) ||
		    answer.outcome != row->outcome || !strstr(err.text, row->says) ||
		    answer.retry_after_ms != row->retry_after_ms)
			fail_msg("%s: %d, outcome %d, %llu ms: %s", row->what, code, answer.outcome,
				 (unsigned long long)answer.retry_after_ms, err.text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
