/*
 * Where the job's run and its scratch directory meet: TMPDIR, files in before its code, files out
 * after it.
 *
 * Called by python_run.c in this order, with the interpreter's lock held. Calls into Python for
 * os.environ only. Files go straight from their descriptors into the shared page, so that a job
 * that has used up its memory gets them back too. A job that ends before its own end (a limit, a
 * signal, _exit) returns none.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_scratch.h"

#include "worker/scratch.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRATCH_ERROR_TYPE "ScratchError"
#define SCRATCH_LIMIT_TYPE "FilesTooLarge"
#define SCRATCH_TEXT_BYTES 160
/* The field of a warning. */
#define SCRATCH_TAIL_BYTES (SCRATCH_TEXT_BYTES + 8)

/* Forced by signal(2): read in the handler. RLIMIT_FSIZE. */
static uint64_t scratch_file_bytes;

/* At the size limit: an output file that is there has passed its cap, and that is the end. Any
 * other file is the program's to deal with: the call fails with EFBIG. */
static void
scratch_on_large_file(int number)
{
	for (int fd = 1; fd <= 2; fd++) {
		struct stat status;

		if (fstat(fd, &status) < 0 || (uint64_t)status.st_size < scratch_file_bytes)
			continue;
		(void)signal(number, SIG_DFL);
		(void)kill(getpid(), number);
		return;
	}
}

void
python_scratch_begin(const struct worker_terms *terms)
{
	struct sigaction action = {.sa_handler = scratch_on_large_file, .sa_flags = SA_RESTART};

	if (terms->limits.scratch_bytes == 0)
		return;
	scratch_file_bytes = limits_file_bytes(&terms->limits);
	(void)sigaction(SIGXFSZ, &action, NULL);
}

/* Through os.environ, which is a copy that the zygote's import made. */
int
python_scratch_set_environment(const struct worker_terms *terms)
{
	PyObject *os, *environ = NULL, *path = NULL;
	int code = -1;

	if (terms->limits.scratch_bytes == 0)
		return 0;
	os = PyImport_ImportModule("os");
	if (os != NULL)
		environ = PyObject_GetAttrString(os, "environ");
	if (environ != NULL)
		path = PyUnicode_FromString(SCRATCH_PATH);
	if (path != NULL)
		code = PyMapping_SetItemString(environ, "TMPDIR", path);
	Py_XDECREF(path);
	Py_XDECREF(environ);
	Py_XDECREF(os);
	return code;
}

int
python_scratch_write(const struct python_job *job, struct pack *result,
		     struct python_failure *ret_failure)
{
	struct error err = ERROR_INIT;

	if (scratch_write(job->files, job->file_count, &err) == 0)
		return 0;
	python_failure_say(REASON_EXCEPTION, SCRATCH_ERROR_TYPE, err.text, true, result,
			   ret_failure);
	return -1;
}

/* A warning as a field of its own behind the files: `result` is before them. */
static size_t
scratch_warn(uint8_t *to, const char *text)
{
	struct pack pack;
	size_t size;

	pack_init(&pack, SCRATCH_TAIL_BYTES);
	pack_put(&pack, RESULT_WARNING, text, strlen(text));
	size = pack.failed ? 0 : pack.size;
	if (size > 0)
		memcpy(to, pack.bytes, size);
	pack_deinit(&pack);
	return size;
}

/* Nothing comes back: the failure of a job that had none, else a warning. */
static void
scratch_refuse(const struct error *why, int code, uint64_t limit, struct pack *result,
	       struct python_failure *failure)
{
	char text[SCRATCH_TEXT_BYTES];
	bool failed = failure->reason != REASON_NONE && failure->reason != REASON_EXIT;

	if (code == ERROR_LIMIT)
		(void)snprintf(text, sizeof(text),
			       "collect: %.64s: collected_bytes is %llu; no file is returned",
			       why->text, (unsigned long long)limit);
	else
		(void)snprintf(text, sizeof(text), "collect: %.100s", why->text);
	if (failed)
		pack_put(result, RESULT_WARNING, text, strlen(text));
	else if (code == ERROR_LIMIT)
		python_failure_say(REASON_FILES_LIMIT, SCRATCH_LIMIT_TYPE, text, false, result,
				   failure);
	else
		python_failure_say(REASON_EXCEPTION, SCRATCH_ERROR_TYPE, text, false, result,
				   failure);
}

size_t
python_scratch_collect(const struct python_job *job, const struct worker_terms *terms,
		       void *page_base, struct pack *result, struct python_failure *failure)
{
	uint8_t *to = (uint8_t *)page_base + PAGE_RESULT_OFFSET + result->size;
	struct scratch_found found = {0, 0, 0};
	struct error err = ERROR_INIT;
	char text[SCRATCH_TEXT_BYTES];
	int code;

	if (terms->limits.scratch_bytes == 0 || job->collect_count == 0 || result->failed)
		return 0;
	/* What the job has left open could keep us from opening anything. */
	for (int fd = 3; fd < (int)terms->limits.open_files; fd++)
		(void)close(fd);
	code = scratch_collect(job->collect, job->collect_count, terms->limits.collected_bytes, to,
			       RESULT_BYTES_MAX - result->size - SCRATCH_TAIL_BYTES, &found, &err);
	if (code < 0) {
		scratch_refuse(&err, code, terms->limits.collected_bytes, result, failure);
		return 0;
	}
	if (found.left_out > 0) {
		(void)snprintf(text, sizeof(text),
			       "collect: %zu names that are not UTF-8 or too long: left out",
			       found.left_out);
		found.blob_bytes += scratch_warn(to + found.blob_bytes, text);
	}
	return found.blob_bytes;
}
