/*
 * Runs programs in forked children of one embedded interpreter, over memfds and a shared page, and
 * collects their output as stintd does; or in /usr/bin/python3 over the same kind of files.
 * Every failure of the harness itself is an abort: a test cannot go on after it.
 */
#include "tests/unit/output_harness.h"

#include "daemon/output_read.h"
#include "protocol/base_assert.h"
#include "protocol/base_sys.h"
#include "worker/python_output.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRESS_OFFSET PAGE_MAPPED_BYTES
#define MAP_BYTES       (PAGE_MAPPED_BYTES + 4096u)

#if defined(__SANITIZE_ADDRESS__)
/* The interpreter ends without giving its memory back. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

static volatile uint64_t *probe_progress; /* a C function of a module gets no other context */

static PyObject *
probe_step(PyObject *module, PyObject *arg)
{
	*probe_progress = PyLong_AsUnsignedLongLong(arg);
	Py_RETURN_NONE;
}

static PyMethodDef probe_methods[] = {
    {"step", probe_step, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef probe_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_probe",
    .m_size = -1,
    .m_methods = probe_methods,
};

static PyObject *
probe_create(void)
{
	return PyModule_Create(&probe_module);
}

int
harness_start(void **state)
{
	PyPreConfig before;
	PyConfig config;
	PyStatus status;
	struct error err = ERROR_INIT;

	PyPreConfig_InitIsolatedConfig(&before);
	before.utf8_mode = 1;
#if defined(__SANITIZE_ADDRESS__)
	before.allocator = PYMEM_ALLOCATOR_MALLOC;
#endif
	require(!PyStatus_Exception(Py_PreInitialize(&before)));
	require(PyImport_AppendInittab("_probe", probe_create) == 0);
	PyConfig_InitIsolatedConfig(&config);
	config.install_signal_handlers = 0;
	config.site_import = 0;
	status = PyConfig_SetBytesString(&config, &config.program_name, "/usr/bin/python3");
	require(!PyStatus_Exception(status));
	status = Py_InitializeFromConfig(&config);
	require(!PyStatus_Exception(status));
	PyConfig_Clear(&config);
	require(python_output_prepare(&err) == 0);
	return 0;
}

int
harness_end(void **state)
{
	return 0;
}

static void
make_files(struct harness_job *ret_job)
{
	struct error err = ERROR_INIT;

	require(base_memfd("out", 0, &ret_job->out, &err) == 0);
	require(base_memfd("err", 0, &ret_job->err, &err) == 0);
	require(base_memfd("page", MAP_BYTES, &ret_job->page_fd, &err) == 0);
	ret_job->base =
	    mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, ret_job->page_fd, 0);
	require(ret_job->base != MAP_FAILED);
	ret_job->progress = (volatile uint64_t *)((char *)ret_job->base + PROGRESS_OFFSET);
}

static void
take_files(const struct harness_job *job)
{
	int null = open("/dev/null", O_RDONLY);

	require(dup2(null, 0) == 0 && dup2(job->out, 1) == 1 && dup2(job->err, 2) == 2);
}

/* Run the program in __main__ as `python3 -c` does; its exit code. */
static int
run_main(const char *source)
{
	PyObject *main = PyImport_AddModule("__main__");
	PyObject *globals = PyModule_GetDict(main), *code, *result = NULL;
	int rc = 0;

	code = Py_CompileString(source, "<string>", Py_file_input);
	if (code)
		result = PyEval_EvalCode(code, globals, globals);
	if (result == NULL && PyErr_ExceptionMatches(PyExc_SystemExit)) {
		PyErr_Clear();
		rc = 3;
	} else if (result == NULL) {
		PyErr_Print();
		rc = 1;
	}
	Py_XDECREF(result);
	Py_XDECREF(code);
	return rc;
}

static void
run_call(const char *module, const char *function)
{
	PyObject *loaded = PyDict_GetItemString(PyImport_GetModuleDict(), module), *result;

	if (loaded == NULL)
		return;
	result = PyObject_CallMethod(loaded, function, NULL);
	if (result == NULL)
		PyErr_WriteUnraisable(loaded);
	Py_XDECREF(result);
}

static void __attribute__((noreturn)) child(const struct harness_job *job, const char *source,
					    uint64_t out_cap, uint64_t err_cap, uint32_t flags)
{
	struct worker_terms terms = {.flags = flags};
	struct error err = ERROR_INIT;
	int rc;

	terms.limits.stdout_bytes = out_cap;
	terms.limits.stderr_bytes = err_cap;
	take_files(job);
	PyOS_AfterFork_Child();
	probe_progress = job->progress;
	if (python_output_install(job->base, job->base, &terms, &err) < 0) {
		dprintf(2, "install: %s\n", err.text);
		_exit(WORKER_EXIT_SETUP);
	}
	rc = run_main(source);
	run_call("threading", "_shutdown");
	run_call("atexit", "_run_exitfuncs");
	if (python_output_finish() < 0 && rc == 0)
		rc = PYTHON_OUTPUT_EXIT_FLUSH;
	python_output_restore();
	PyDict_Clear(PyModule_GetDict(PyImport_AddModule("__main__")));
	PyGC_Collect();
	python_output_settle();
	_exit(rc);
}

static void
start(const char *source, uint64_t out_cap, uint64_t err_cap, uint32_t flags,
      struct harness_job *ret_job)
{
	make_files(ret_job);
	ret_job->pid = fork();
	require(ret_job->pid >= 0);
	if (ret_job->pid == 0)
		child(ret_job, source, out_cap, err_cap, flags);
}

static void
collect(struct harness_job *job, uint64_t out_cap, uint64_t err_cap, struct harness_run *ret_run)
{
	const struct worker_page *page = job->base;
	const struct page_stage *stages = page->stages;
	struct error err = ERROR_INIT;

	ret_run->reason = page->reason;
	ret_run->detail = page->detail;
	ret_run->progress = *job->progress;
	ret_run->file_bytes = (uint64_t)lseek(job->out, 0, SEEK_END);
	require(output_read(job->out, &stages[PAGE_STREAM_STDOUT], job->page_fd, PAGE_STREAM_STDOUT,
			    0, out_cap, &ret_run->out, &ret_run->out_truncated, &err) == 0);
	require(output_read(job->err, &stages[PAGE_STREAM_STDERR], job->page_fd, PAGE_STREAM_STDERR,
			    0, err_cap, &ret_run->err, &ret_run->err_truncated, &err) == 0);
	close(job->out);
	close(job->err);
	close(job->page_fd);
	munmap(job->base, MAP_BYTES);
}

void
harness_run(const char *source, uint64_t out_cap, uint64_t err_cap, uint32_t terms_flags,
	    struct harness_run *ret_run)
{
	struct harness_job job;

	memset(ret_run, 0, sizeof(*ret_run));
	start(source, out_cap, err_cap, terms_flags, &job);
	require(waitpid(job.pid, &ret_run->status, 0) == job.pid);
	collect(&job, out_cap, err_cap, ret_run);
}

void
harness_job_start(const char *source, uint64_t out_cap, uint32_t terms_flags,
		  struct harness_job *ret_job)
{
	start(source, out_cap, HARNESS_CAP_BYTES, terms_flags, ret_job);
}

void
harness_job_kill(struct harness_job *job, struct harness_run *ret_run)
{
	memset(ret_run, 0, sizeof(*ret_run));
	require(kill(job->pid, SIGKILL) == 0);
	require(waitpid(job->pid, &ret_run->status, 0) == job->pid);
	collect(job, UINT32_MAX, UINT32_MAX, ret_run);
}

void
harness_run_reference(const char *source, struct harness_run *ret_run)
{
	char *const environment[] = {(char[]){"LC_ALL=C.UTF-8"}, NULL};
	struct harness_job job;

	memset(ret_run, 0, sizeof(*ret_run));
	make_files(&job);
	job.pid = fork();
	require(job.pid >= 0);
	if (job.pid == 0) {
		take_files(&job);
		execle("/usr/bin/python3", "python3", "-S", "-c", source, (char *)NULL,
		       environment);
		_exit(127);
	}
	require(waitpid(job.pid, &ret_run->status, 0) == job.pid);
	collect(&job, UINT32_MAX, UINT32_MAX, ret_run);
}

void
harness_run_deinit(struct harness_run *run)
{
	free(run->out.data);
	free(run->err.data);
	memset(run, 0, sizeof(*run));
}
