/*
 * Test-only: a metered CPython with everything that /usr/bin/python3 has, so that CPython's own
 * tests can run in it: files, processes, signals, site. No stintd, no sandbox, no budget: births
 * and charges as in a worker, nothing else of one. Driven by functional/test_cpython_suite.py.
 * Every failure ends the program with a line on standard error.
 *
 *   suite_runner MODULE ARGUMENT...     as python3 -S -B -m MODULE ARGUMENT...
 *
 * Processes that a test starts by sys.executable are the plain interpreter.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/meter_alive.h"
#include "worker/meter_birth.h"
#include "worker/meter_count.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RUNNER_PYTHON "/usr/bin/python3"

/* What CPython's own charges take from; every process that a test forks counts in its copy. */
static struct page_meter runner_counter;

static void
runner_die(const char *what)
{
	if (PyErr_Occurred())
		PyErr_Print();
	(void)fprintf(stderr, "suite_runner: %s\n", what);
	exit(2);
}

static void
runner_stopped(uint64_t count, bool asked)
{
	(void)count;
	(void)asked;
	_exit(3);
}

static void
runner_start(int argc, char **argv)
{
	PyConfig config;

	PyConfig_InitPythonConfig(&config);
	config.parse_argv = 0;
	config.site_import = 0;
	config.write_bytecode = 0;
	if (PyStatus_Exception(
		PyConfig_SetBytesString(&config, &config.program_name, RUNNER_PYTHON)) ||
	    PyStatus_Exception(PyConfig_SetBytesArgv(&config, argc - 1, argv + 1)) ||
	    PyStatus_Exception(Py_InitializeFromConfig(&config)))
		runner_die("CPython does not start");
	PyConfig_Clear(&config);
}

int
main(int argc, char **argv)
{
	struct meter_terms terms = {.counter = &runner_counter, .stopped = runner_stopped};
	struct error err = ERROR_INIT;
	PyObject *runpy, *done;

	if (argc < 2)
		runner_die("no module is named");
	runner_start(argc, argv);
	if (meter_birth_prepare(&err) < 0 || meter_alive_check(&err) < 0)
		runner_die(err.text);
	meter_count_begin(&terms);
	runpy = PyImport_ImportModule("runpy");
	if (runpy == NULL)
		runner_die("runpy");
	done = PyObject_CallMethod(runpy, "_run_module_as_main", "s", argv[1]);
	if (done == NULL)
		PyErr_Print(); /* ends the process where it is a SystemExit */
	if (meter_count_now() == 0)
		runner_die("nothing was counted");
	return done == NULL;
}
