/*
 * The embedded interpreter, as the zygote and its workers see it. Single thread: every function is
 * called from the process's main thread.
 *
 * Order in the zygote: python_host_start() once, while the host's file system and every system call
 * are still there; then for each worker python_host_before_fork(), the fork,
 * python_host_after_fork_parent(). Order in a worker: python_host_after_fork() when it is confined
 * (ids, rlimits, first filter), then python_host_run() once, under both filters.
 *
 * Signals: all but the synchronous ones are blocked in the zygote, from before python_host_start().
 * A worker has an empty mask; its dispositions are those that python_host_start() left.
 */
#ifndef STINT_WORKER_PYTHON_HOST_H
#define STINT_WORKER_PYTHON_HOST_H

#include "protocol/error.h"
#include "protocol/worker_abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct python_host_options {
	const char *stdlib;    /* borrowed: path of the standard library, the same before and after
				  the root changes */
	const char *preload;   /* borrowed: module names separated by blanks; may be empty */
	uint64_t hash_seed;    /* 0 .. 4294967295 */
	const char *main_file; /* borrowed: what jobs call their main program most of the time;
				  NULL: no such name. Those of that name start sooner */
};

/*
 * Start CPython, import what is preloaded, load every extension module that jobs may use, freeze.
 * Empties the process's environment; the time zone becomes UTC.
 */
int python_host_start(const struct python_host_options *options, struct error *err);
/* Version text, static: "3.11.2". */
const char *python_host_version(void);
/* What counts of opcodes depend on besides the job, static: 16 hex digits. */
const char *python_host_meter_id(void);

/*
 * In the zygote, so that workers share more of its memory. first: once, when nothing more is to be
 * allocated but for the workers, before data is measured; not first: before the first fork. How
 * many bytes it has put into huge pages.
 */
size_t python_host_settle(bool first);
/* In the zygote, around the fork. */
void python_host_before_fork(void);
void python_host_after_fork_parent(void);
/*
 * In the worker: PyOS_AfterFork_Child, new random seeds, and the page faults of a job's start: by
 * writing to the pages that are known, or by a rehearsal. No tenant byte has been read.
 */
void python_host_after_fork(void);
/* The first two of these. */
void python_host_wake(void);

/*
 * Run the job to its end, as CPython ends a program, and return the code for _exit().
 * fd 0, 1 and 2 are the job's; no other descriptor is open. Writing is bound by RLIMIT_FSIZE: the
 * result goes into the page by memory, not by pwrite.
 *   terms      borrowed, checked
 *   page       borrowed: the page's header; phase is PHASE_RUNNING on entry
 *   page_base  start of a shared mapping of the whole page file, PAGE_FILE_BYTES (sparse), so the
 *              result blob is at page_base + PAGE_RESULT_OFFSET, at most RESULT_BYTES_MAX
 *   code       room for the compiled code (struct worker_code), CODE_FILE_BYTES, mapped; unmapped
 *              before tenant code runs. NULL: it is not asked for
 *   blob       borrowed for the whole call: read-only job blob of blob_bytes
 */
int python_host_run(const struct worker_terms *terms, struct worker_page *page, void *page_base,
		    void *code, const void *blob, size_t blob_bytes);

#endif
