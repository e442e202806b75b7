/*
 * Fault injection for test-only builds of stint-spawner and stint-zygote (stint-spawner-fault,
 * stint-zygote-fault): the memory that the driver (fault_plan.py, to the byte) and the programs
 * share. It is the file named like the program with ".fault" after it; without that file the
 * program is as the real one.
 */
#ifndef STINT_TESTS_FAULT_FAULT_H
#define STINT_TESTS_FAULT_FAULT_H

#include <stdint.h>

#define FAULT_MAGIC       0x746c6661u
#define FAULT_RECORDS_MAX 4096u

/* What a process is at the moment; fork, clone and the first poll change it. Calls are counted from
 * the beginning of a role, in a *_TURN from each poll on. */
enum fault_role {
	FAULT_SPAWNER,      /* start, up to its main loop */
	FAULT_SPAWNER_TURN, /* one turn of its main loop */
	FAULT_GUARDIAN,
	FAULT_LAUNCH_STINTD, /* between clone and exec */
	FAULT_LAUNCH_ZYGOTE,
	FAULT_ZYGOTE, /* start, up to its loop */
	FAULT_ZYGOTE_TURN,
	FAULT_WORKER, /* from its birth until the interpreter gets the job */
	FAULT_JOB,    /* a job's own code: nothing is injected */
	FAULT_TRIAL,  /* the zygote's child that shows what jobs touch */
	FAULT_ROLE_COUNT
};

enum fault_action { FAULT_DIE = -1, FAULT_SHORT = -2 }; /* above 0: an errno */

struct fault_record {
	uint32_t role, call, nth; /* nth call of this function in this role, from 1 */
	uint32_t site;            /* of the return address, from __executable_start */
	int64_t tag;              /* syscall number, option of prctl, resource of setrlimit */
};

struct fault_page {
	uint32_t magic, recording; /* driver */
	uint32_t role, call, nth;  /* driver: where */
	int32_t action;            /* driver: enum fault_action, or an errno */
	uint32_t times;            /* driver: how often yet; the programs count down */
	uint32_t fired;            /* programs: how often it was */
	uint32_t record_count;
	uint32_t padding;
	struct fault_record records[FAULT_RECORDS_MAX];
};

/* From here on a worker's calls are its job's. */
void fault_job_begins(void);

#endif
