/*
 * python_host_run(): one job from its blob to the exit code. Decides the order of things and owns
 * the page; the parts are in python_job, python_main, python_failure and python_end. Never trusts
 * that tenant code returns. Called once in a worker's life. A blob that does not parse is stintd's
 * defect and ends the worker with WORKER_EXIT_SETUP before anything ran.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_host.h"

#include "protocol/pack.h"
#include "worker/meter_count.h"
#include "worker/python_ceiling.h"
#include "worker/python_compiled.h"
#include "worker/python_end.h"
#include "worker/python_failure.h"
#include "worker/python_job.h"
#include "worker/python_main.h"
#include "worker/python_meter.h"
#include "worker/python_output.h"
#include "worker/python_scratch.h"
#include "worker/trace_run.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Address space that is given back when the body has ended: an arena of the allocator and some
 * room, so that a MemoryError can be shown under a spent RLIMIT_DATA. Never touched, so it costs no
 * memory.
 */
#define RUN_RESERVE_BYTES (2u << 20)
/* Exit code of a process that SIGINT should have ended but did not. */
#define RUN_EXIT_INTERRUPTED (128 + SIGINT)

/* One per process, like the job. */
static void *run_reserve = MAP_FAILED;

static void
run_release_reserve(void)
{
	if (run_reserve != MAP_FAILED)
		(void)munmap(run_reserve, RUN_RESERVE_BYTES);
	run_reserve = MAP_FAILED;
}

static void
run_setup_failed(struct worker_page *page, const char *name, const struct error *err)
{
	(void)snprintf(page->setup_name, sizeof(page->setup_name), "%s", name);
	page->setup_errno = (uint32_t)err->sys;
	page->setup_step = UINT32_MAX;
}

/* Copy the result blob before the fields of the files, which are in their place, then say so. */
static void
run_publish(struct worker_page *page, void *page_base, const struct pack *result,
	    const struct python_failure *failure, size_t file_fields)
{
	uint32_t reason = (uint32_t)failure->reason;

	if (result->failed)
		reason = REASON_MEMORY_ERROR;
	else if (result->size > 0)
		memcpy((char *)page_base + PAGE_RESULT_OFFSET, result->bytes, result->size);
	__atomic_store_n(&page->reason, reason, __ATOMIC_RELEASE);
	__atomic_store_n(&page->result_bytes, result->failed ? 0 : result->size + file_fields,
			 __ATOMIC_RELEASE);
	__atomic_store_n(&page->phase, PHASE_ENDED, __ATOMIC_RELEASE);
}

/* python3 ends by the signal itself, so that its parent can tell. */
static int
run_interrupted(void)
{
	(void)signal(SIGINT, SIG_DFL);
	(void)kill(getpid(), SIGINT);
	return RUN_EXIT_INTERRUPTED;
}

/* From here on what is executed is traced, if the job asks for it. */
static void
run_trace(const struct python_job *job, const struct worker_terms *terms, struct worker_page *page,
	  void *page_base)
{
	if (job->trace == TRACE_NONE ||
	    trace_run_begin((enum trace_kind)job->trace, terms->limits.trace_events, page,
			    page_base, meter_count_is_constant) == 0)
		return;
	PyErr_Clear();
	__atomic_store_n(&page->trace_truncated, 1, __ATOMIC_RELEASE);
}

int
python_host_run(const struct worker_terms *terms, struct worker_page *page, void *page_base,
		void *code, const void *blob, size_t blob_bytes)
{
	struct python_failure failure = {REASON_NONE, 0, false};
	struct error err = ERROR_INIT;
	struct python_job *job = NULL;
	struct pack result;
	size_t file_fields;
	int flushed;

	python_compiled_open(code);
	if (python_job_new(blob, blob_bytes, &job, &err) < 0 ||
	    python_output_install(page, page_base, terms, &err) < 0) {
		run_setup_failed(page, "job", &err);
		return WORKER_EXIT_SETUP;
	}
	/* CPython ignores SIGXFSZ; here the size limit is an output cap that ends the job. */
	(void)signal(SIGXFSZ, SIG_DFL);
	python_scratch_begin(terms);
	run_reserve = mmap(NULL, RUN_RESERVE_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	python_ceiling_set(terms);
	pack_init(&result, RESULT_BYTES_MAX);
	__atomic_store_n(&page->phase, PHASE_RUNNING, __ATOMIC_RELEASE);
	if (python_main_setup(job) < 0 || python_scratch_set_environment(terms) < 0) {
		python_meter_begin(terms, page, page_base);
		run_release_reserve();
		python_failure_take(false, &result, &failure);
	} else {
		python_meter_begin(terms, page, page_base);
		run_trace(job, terms, page, page_base);
		if (python_scratch_write(job, &result, &failure) < 0)
			run_release_reserve();
		else
			python_main_run(job, terms, run_release_reserve, &result, &failure);
	}
	python_compiled_close(); /* where nothing was compiled */
	flushed = python_end();
	trace_run_end();
	file_fields = python_scratch_collect(job, terms, page_base, &result, &failure);
	run_publish(page, page_base, &result, &failure, file_fields);
	if (failure.interrupted)
		return run_interrupted();
	return flushed < 0 ? PYTHON_OUTPUT_EXIT_FLUSH : failure.exit_code;
}
