/*
 * The scratch directory of a job: where it is, and the worker's own writing and collecting in it.
 * All of it is done by the worker, inside its sandbox and under its narrow filter; nobody outside
 * can see the directory, let alone follow a path in it.
 */
#ifndef STINT_WORKER_SCRATCH_H
#define STINT_WORKER_SCRATCH_H

#include "protocol/error.h"
#include "worker/python_job.h"
#include "worker/zygote_args.h"

#include <stddef.h>
#include <stdint.h>

/* An empty directory of the read-only tree; in a worker with scratch, a tmpfs of its own. */
#define SCRATCH_PATH ZYGOTE_ARGS_SCRATCH

/* Make the job's `files` and the directories on their way. Errors name the file. */
int scratch_write(const struct job_file *files, size_t count, struct error *err);

struct scratch_found {
	size_t blob_bytes; /* fields that were put at the place given */
	size_t files;
	size_t left_out; /* files that match and whose names cannot be given back */
};
/*
 * Put the regular files that a pattern matches as fields RESULT_FILE_* (pack.h) to `to`, sorted by
 * name. bytes_max: of all contents together; room: of all fields. ERROR_LIMIT when there is more,
 * or more than FILES_MAX files; ERROR_SYSTEM without memory or descriptors. On failure what stands
 * at `to` means nothing.
 */
int scratch_collect(const struct job_text *patterns, size_t count, uint64_t bytes_max, uint8_t *to,
		    size_t room, struct scratch_found *ret_found, struct error *err);

#endif
