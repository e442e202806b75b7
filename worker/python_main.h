/*
 * The job's main program: __main__ as `python3 main.py` makes it, its run, and what it leaves for
 * the client.
 */
#ifndef STINT_WORKER_PYTHON_MAIN_H
#define STINT_WORKER_PYTHON_MAIN_H

#include "protocol/pack.h"
#include "protocol/worker_abi.h"
#include "worker/python_failure.h"
#include "worker/python_job.h"

/*
 * In the zygote, last, after the freeze: sys.argv, __main__ and what belongs to it, for jobs
 * without arguments whose main program is called `file`; python_main_setup replaces them for
 * others. ERROR_SYSTEM: not CPython 3.11's, or no memory.
 */
int python_main_premake(const char *file, struct error *err);

/* sys.argv, sys.stdin, __main__'s names, the job's modules, its inputs. 0 or -1 with an exception.
 */
int python_main_setup(const struct python_job *job);

/*
 * Compile and run the body, and the entry function; put value, vars or error into `result`.
 * `release_reserve` (called once, when the body has ended) gives memory back for that.
 */
void python_main_run(const struct python_job *job, const struct worker_terms *terms,
		     void (*release_reserve)(void), struct pack *result,
		     struct python_failure *ret_failure);

#endif
