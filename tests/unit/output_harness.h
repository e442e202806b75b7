/*
 * For tests of the output streams and of value conversion: an embedded interpreter that forks one
 * process per program, as the zygote does, and python3 as it comes with the system, to compare
 * with.
 */
#ifndef STINT_TESTS_OUTPUT_HARNESS_H
#define STINT_TESTS_OUTPUT_HARNESS_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include "protocol/run_result.h"
#include "protocol/worker_abi.h"

#include <stdbool.h>
#include <sys/types.h>

#define HARNESS_CAP_BYTES (4u << 20)

struct harness_run {
	struct bytes out, err; /* owned */
	bool out_truncated, err_truncated;
	uint64_t file_bytes; /* of stdout's file alone */
	int status;          /* of waitpid */
	uint32_t reason, detail;
	uint64_t progress; /* see struct harness_job, at its end */
};

/* A program that runs, for a test that ends it. */
struct harness_job {
	int out, err, page_fd; /* owned */
	void *base;   /* owned: the mapped page */
	pid_t pid;
	volatile uint64_t *progress; /* what the program gave to _probe.step last */
};

/* cmocka group set-up and tear-down: start the interpreter and make the types. */
int harness_start(void **state);
int harness_end(void **state);

/* One program with our streams. The caps are those of stdout and stderr. */
void harness_run(const char *source, uint64_t out_cap, uint64_t err_cap, uint32_t terms_flags,
		 struct harness_run *ret_run);
/* The same with /usr/bin/python3. */
void harness_run_reference(const char *source, struct harness_run *ret_run);
void harness_run_deinit(struct harness_run *run);

void harness_job_start(const char *source, uint64_t out_cap, uint32_t terms_flags,
		       struct harness_job *ret_job);
/* Kill it, reap it, read what it printed. */
void harness_job_kill(struct harness_job *job, struct harness_run *ret_run);

#endif
