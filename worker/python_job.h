/*
 * The job blob (worker_abi.h) taken apart. Everything points into the blob; nothing is copied and
 * nothing is NUL terminated.
 */
#ifndef STINT_WORKER_PYTHON_JOB_H
#define STINT_WORKER_PYTHON_JOB_H

#include "protocol/error.h"
#include "protocol/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PYTHON_JOB_NAME "main.py" /* shown in tracebacks when the job has no name */

/* Borrowed from the blob; bytes is NULL when the field is not there. */
struct job_text {
	const char *bytes;
	size_t size;
};

struct job_module {
	struct job_text name, source;
};

struct job_file {
	struct job_text name, content;
};

struct python_job {
	struct job_text source, code, name;
	struct job_text compiled; /* of the source, from another worker; see python_compiled.h */
	struct job_text inputs, entry, entry_args, entry_kwargs;
	bool mode_eval;
	uint8_t trace; /* enum trace_kind */
	size_t arg_count, output_count, module_count, file_count, collect_count;
	/* in this allocation: */
	struct job_text *args, *outputs, *collect;
	struct job_module *modules;
	struct job_file *files;
};

/*
 * New job on the heap. ERROR_INVALID for a broken blob, an unknown field, too many of one kind, a
 * module without its source, a file without its content, neither or both of source and code, or
 * compiled code without its source:
 * stintd's fault, not the tenant's.
 */
int python_job_new(const void *blob, size_t size, struct python_job **ret_job, struct error *err);
void python_job_free(struct python_job **job);

#endif
