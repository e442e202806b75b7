/*
 * Test-only: runs a program three times in forks of one warm interpreter, as it is, metered, and
 * under an opcode tracer, and says what each counted and took. No stintd, no sandbox, no worker:
 * the meter alone. Driven by tests/functional/test_meter_equal.py and bench/meter over fd 0 and 1:
 * a struct runner_request with its source, one struct runner_answer. Every failure ends the program
 * with a line on standard error.
 *
 *   meter_runner MODULE...     modules to import beforehand
 *
 * With METER_RUNNER_OUTPUT=DIRECTORY what the program writes is in DIRECTORY/0, 1 and 2, by mode.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <frameobject.h>
#include <opcode.h>

#include "protocol/base_sys.h"
#include "worker/meter_birth.h"
#include "worker/meter_count.h"
#include "worker/meter_rewrite.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUNNER_HASH_SEED 0

enum runner_mode { RUNNER_PLAIN, RUNNER_METERED, RUNNER_TRACED, RUNNER_MODE_COUNT };

struct runner_request {
	uint32_t modes; /* bits: 1 << enum runner_mode */
	uint32_t source_bytes;
};

struct runner_run {
	uint64_t opcodes;    /* counted; 0 for plain */
	uint64_t exceptions; /* that left a block of a Python frame; traced only */
	uint64_t cpu_ns;     /* of the program alone */
	uint32_t ran, failed;
};

struct runner_answer {
	struct runner_run runs[RUNNER_MODE_COUNT];
};

/* One program at a time; shared with the fork that runs it. */
static struct runner_answer *runner_shared;
static struct runner_run *runner_now;

static void
runner_die(const char *what)
{
	if (PyErr_Occurred())
		PyErr_Print();
	(void)fprintf(stderr, "meter_runner: %s\n", what);
	_exit(2);
}

static uint64_t
runner_cpu_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/*
 * FOR_ITER and SEND take the end of an iteration and go on with another instruction: to the tracer
 * an exception when the end comes as StopIteration (a generator that returns a value, a __next__ in
 * Python), but no way out of the frame's blocks, so nothing is overpaid. In all other places an
 * exception leaves the block in which it is raised: also where `async for` ends, by a handler.
 */
static bool
runner_end_of_iteration(PyFrameObject *frame, PyObject *argument)
{
	PyCodeObject *code = PyFrame_GetCode(frame);
	/* Neither has a specialised form. */
	int opcode = (unsigned char)code->co_code_adaptive[PyFrame_GetLasti(frame)];

	Py_DECREF(code);
	return (opcode == FOR_ITER || opcode == SEND) &&
	       PyErr_GivenExceptionMatches(PyTuple_GET_ITEM(argument, 0), PyExc_StopIteration);
}

/* Counts opcode events of every frame, and exceptions. */
static int
runner_trace(PyObject *unused, PyFrameObject *frame, int event, PyObject *argument)
{
	(void)unused;
	if (event == PyTrace_CALL) {
		PyObject *type, *value, *traceback;

		PyErr_Fetch(&type, &value, &traceback);
		(void)PyObject_SetAttrString((PyObject *)(void *)frame, "f_trace_opcodes", Py_True);
		PyErr_Restore(type, value, traceback);
	}
	runner_now->opcodes += event == PyTrace_OPCODE;
	runner_now->exceptions +=
	    event == PyTrace_EXCEPTION && !runner_end_of_iteration(frame, argument);
	return 0;
}

static void
runner_stopped(uint64_t count, bool asked)
{
	(void)count;
	(void)asked;
	_exit(3);
}

/* Standard output and error of the program: METER_RUNNER_OUTPUT/<mode>, or output to nowhere. */
static void
runner_output(enum runner_mode mode)
{
	const char *directory = getenv("METER_RUNNER_OUTPUT");
	char path[4096] = "/dev/null";
	int null = open("/dev/null", O_RDWR), out;

	if (directory != NULL)
		(void)snprintf(path, sizeof(path), "%s/%d", directory, (int)mode);
	out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (null < 0 || out < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 ||
	    (directory != NULL && dup2(out, 2) < 0))
		_exit(2);
}

/* Behind the count: what is left in the buffers, and an uncaught exception. */
static void
runner_flush(void)
{
	PyObject *type, *value, *traceback, *done;

	PyErr_Fetch(&type, &value, &traceback);
	done = PyObject_CallMethod(PySys_GetObject("stdout"), "flush", NULL);
	if (done == NULL)
		runner_die("flush");
	Py_DECREF(done);
	PyErr_Restore(type, value, traceback);
	if (type != NULL && getenv("METER_RUNNER_OUTPUT") != NULL)
		PyErr_Print();
}

/* In the fork: globals of a new __main__, code, run. */
static void
runner_execute(enum runner_mode mode, const char *source)
{
	static struct page_meter counter;
	struct meter_terms terms = {.counter = &counter, .stopped = runner_stopped};
	struct error err = ERROR_INIT;
	PyObject *globals, *code, *result;
	uint64_t start;

	if (mode == RUNNER_METERED && meter_birth_prepare(&err) < 0)
		runner_die(err.text);
	(void)PyGC_Collect();
	globals = PyModule_GetDict(PyImport_AddModule("__main__"));
	code = Py_CompileString(source, "main.py", Py_file_input);
	if (code != NULL && mode == RUNNER_METERED)
		Py_SETREF(code, meter_rewrite((PyCodeObject *)(void *)code));
	if (code == NULL)
		runner_die("the program does not compile");
	start = runner_cpu_ns();
	if (mode == RUNNER_METERED)
		meter_count_begin(&terms);
	if (mode == RUNNER_TRACED)
		PyEval_SetTrace(runner_trace, NULL);
	result = PyEval_EvalCode(code, globals, globals);
	if (mode == RUNNER_TRACED)
		PyEval_SetTrace(NULL, NULL);
	if (mode == RUNNER_METERED)
		runner_now->opcodes = meter_count_now();
	runner_now->cpu_ns = runner_cpu_ns() - start;
	runner_now->failed = result == NULL;
	runner_now->ran = 1;
	runner_flush();
	_exit(0);
}

static void
runner_fork(enum runner_mode mode, const char *source)
{
	int status;
	pid_t pid;

	PyOS_BeforeFork();
	pid = fork();
	if (pid == 0) {
		runner_output(mode);
		PyOS_AfterFork_Child();
		runner_now = &runner_shared->runs[mode];
		runner_execute(mode, source);
	}
	PyOS_AfterFork_Parent();
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		runner_die("fork");
}

static bool
runner_serve(int in, int out)
{
	struct runner_request request;
	struct error err = ERROR_INIT;
	char *source;

	if (base_read_full(in, &request, sizeof(request), &err) < 0)
		return false;
	source = calloc(1, (size_t)request.source_bytes + 1);
	if (source == NULL || (request.source_bytes > 0 &&
			       base_read_full(in, source, request.source_bytes, &err) < 0))
		runner_die("a request is cut off");
	memset(runner_shared, 0, sizeof(*runner_shared));
	for (int mode = 0; mode < RUNNER_MODE_COUNT; mode++)
		if (request.modes & 1u << mode)
			runner_fork((enum runner_mode)mode, source);
	free(source);
	return base_write_full(out, runner_shared, sizeof(*runner_shared), &err) == 0;
}

static void
runner_start(int count, char **modules)
{
	PyConfig config;

	PyConfig_InitIsolatedConfig(&config);
	config.site_import = 0;
	config.use_hash_seed = 1;
	config.hash_seed = RUNNER_HASH_SEED;
	if (PyStatus_Exception(Py_InitializeFromConfig(&config)))
		runner_die("CPython does not start");
	PyConfig_Clear(&config);
	/* What the births need is there in every mode, so that all start from the same. */
	for (int i = -4; i < count; i++) {
		static const char *const OWN[] = {"gc", "marshal", "_imp", "builtins"};

		if (PyImport_ImportModule(i < 0 ? OWN[i + 4] : modules[i]) == NULL)
			runner_die(i < 0 ? OWN[i + 4] : modules[i]);
	}
}

int
main(int argc, char **argv)
{
	int in = fcntl(0, F_DUPFD_CLOEXEC, 3), out = fcntl(1, F_DUPFD_CLOEXEC, 3);

	runner_shared = mmap(NULL, sizeof(*runner_shared), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (in < 0 || out < 0 || runner_shared == MAP_FAILED)
		runner_die("descriptors");
	runner_start(argc - 1, argv + 1);
	while (runner_serve(in, out))
		;
	_exit(0);
}
