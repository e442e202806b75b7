/*
 * What is concluded from a status file: each line that is wrong or absent costs its layer, and that
 * one only. The parts of the proof that try something are tested where there is a sandbox
 * (test_isolation.py) and where there is none (here).
 */
#define _GNU_SOURCE
#include "protocol/isolation.h"
#include "tests/unit/cmocka_headers.h"
#include "worker/sandbox_proof.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char GOOD[] = "Name:\tstint-zygote\n"
			   "Uid:\t7\t7\t7\t7\n"
			   "Gid:\t7\t7\t7\t7\n"
			   "CapInh:\t0000000000000000\n"
			   "CapPrm:\t0000000000000000\n"
			   "CapEff:\t0000000000000000\n"
			   "CapBnd:\t0000000000000000\n"
			   "CapAmb:\t0000000000000000\n"
			   "NoNewPrivs:\t1\n"
			   "Seccomp:\t2\n"
			   "Seccomp_filters:\t2\n";
#define ALL                                                                                        \
	(ISOLATION_BIT(no_capabilities) | ISOLATION_BIT(no_new_privs) | ISOLATION_BIT(seccomp) |   \
	 ISOLATION_BIT(seccomp_job))

static void
all_is_well(void **state)
{
	assert_int_equal(sandbox_proof_status(GOOD), ALL);
}

/* GOOD with the first `from` replaced. */
static uint64_t
with(const char *from, const char *to)
{
	char text[1024];
	const char *at = strstr(GOOD, from);

	assert_non_null(at);
	(void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - GOOD), GOOD, to,
		       at + strlen(from));
	return sandbox_proof_status(text);
}

static void
each_fault_costs_its_layer(void **state)
{
	static const struct {
		const char *from, *to;
		uint64_t lost;
	} FAULTS[] = {
	    {"Uid:\t7\t7\t7\t7", "Uid:\t0\t0\t0\t0", ISOLATION_BIT(no_capabilities)},
	    {"Uid:\t7\t7\t7\t7", "Uid:\t7\t7\t0\t7", ISOLATION_BIT(no_capabilities)},
	    {"Gid:\t7\t7\t7\t7", "Gid:\t7\t7\t7\t0", ISOLATION_BIT(no_capabilities)},
	    {"CapInh:\t0000000000000000", "CapInh:\t0000000000000001",
	     ISOLATION_BIT(no_capabilities)},
	    {"CapPrm:\t0000000000000000", "CapPrm:\t8000000000000000",
	     ISOLATION_BIT(no_capabilities)},
	    {"CapEff:\t0000000000000000", "CapEff:\t00000000000000c0",
	     ISOLATION_BIT(no_capabilities)},
	    {"CapBnd:\t0000000000000000", "CapBnd:\t000001ffffffffff",
	     ISOLATION_BIT(no_capabilities)},
	    {"CapAmb:\t0000000000000000\n", "", ISOLATION_BIT(no_capabilities)},
	    {"NoNewPrivs:\t1", "NoNewPrivs:\t0", ISOLATION_BIT(no_new_privs)},
	    {"NoNewPrivs:\t1\n", "", ISOLATION_BIT(no_new_privs)},
	    {"Seccomp:\t2", "Seccomp:\t0", ISOLATION_BIT(seccomp) | ISOLATION_BIT(seccomp_job)},
	    {"Seccomp:\t2", "Seccomp:\t1", ISOLATION_BIT(seccomp) | ISOLATION_BIT(seccomp_job)},
	    {"Seccomp_filters:\t2", "Seccomp_filters:\t1", ISOLATION_BIT(seccomp_job)},
	    {"Seccomp_filters:\t2\n", "", ISOLATION_BIT(seccomp_job)},
	};

	for (size_t i = 0; i < sizeof(FAULTS) / sizeof(FAULTS[0]); i++)
		assert_int_equal(with(FAULTS[i].from, FAULTS[i].to), ALL & ~FAULTS[i].lost);
	assert_int_equal(sandbox_proof_status(""), 0);
	assert_int_equal(sandbox_proof_status("Uid\nSeccomp"), 0);
}

/* An ordinary process: whatever its status says, what is tried succeeds and so proves nothing. */
static void
an_unconfined_process_proves_nothing(void **state)
{
	struct worker_terms terms = {.cpu_backstop_s = 60};
	const struct sandbox sandbox = {.uid = 1};
	char path[] = "/tmp/stint-proof-XXXXXX";
	int status = mkstemp(path), proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	limits_defaults(&terms.limits);
	assert_true(status >= 0 && proc >= 0);
	(void)unlink(path);
	assert_int_equal(write(status, GOOD, sizeof(GOOD) - 1), (ssize_t)sizeof(GOOD) - 1);
	/* The text is believed on what cannot be tried; nothing else is there. */
	assert_int_equal(sandbox_proof_worker(status, proc, &sandbox, &terms),
			 ISOLATION_BIT(no_capabilities) | ISOLATION_BIT(no_new_privs));
	assert_false(sandbox_proof_root("/tmp"));
	(void)close(status);
	(void)close(proc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_is_well),
	    cmocka_unit_test(each_fault_costs_its_layer),
	    cmocka_unit_test(an_unconfined_process_proves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
