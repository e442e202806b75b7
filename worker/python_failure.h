/*
 * How a job fails: what python3 prints for an uncaught exception, and the structured error for the
 * client.
 */
#ifndef STINT_WORKER_PYTHON_FAILURE_H
#define STINT_WORKER_PYTHON_FAILURE_H

#include "protocol/error.h"
#include "protocol/pack.h"
#include "protocol/worker_abi.h"

#include <stdbool.h>

struct python_failure {
	enum worker_reason reason; /* REASON_NONE: none yet */
	int exit_code;
	bool interrupted; /* ended by KeyboardInterrupt: python3 then dies of SIGINT */
};

/* In the zygote: warm what printing needs. */
int python_failure_prepare(struct error *err);

/* Flush sys.stderr and sys.stdout, as CPython does when a file has been run. A pending exception
 * stays. */
void python_failure_flush(void);

/*
 * Take the pending exception: print it as python3 does (sys.excepthook, runs tenant code), or do
 * what SystemExit asks for, and put its type, message and frames into `result`. `compiling`: it
 * comes from compiling the main program. Leaves no exception set.
 */
void python_failure_take(bool compiling, struct pack *result, struct python_failure *ret_failure);

/*
 * A failure that is no exception of the program: "type: message" in `result`, and on sys.stderr
 * when `print`. Exit code 1.
 */
void python_failure_say(enum worker_reason reason, const char *type, const char *message,
			bool print, struct pack *result, struct python_failure *ret_failure);

#endif
