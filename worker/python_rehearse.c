/*
 * A forked worker has none of the interpreter's pages: the first use of each costs a fault, some
 * 100 in the smallest program. This runs a program of ours in a namespace of its own while the
 * worker is idle, so that they are not paid on a job's time. Leaves nothing behind but touched
 * memory. Called by python_host_after_fork(); whatever fails here will fail in the job and is
 * reported there.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_rehearse.h"

#include "worker/meter_rewrite.h"
#include "worker/python_output.h"

const char PYTHON_REHEARSE_SOURCE[] = "class A:\n"
				      "    def __init__(self, n):\n"
				      "        self.n = n\n"
				      "def f(n):\n"
				      "    return [A(i).n * 2.5 for i in range(n)]\n"
				      "x = {str(k): k for k in f(5)}\n"
				      "try:\n"
				      "    raise ValueError(f'{x}')\n"
				      "except ValueError as e:\n"
				      "    y = str(e).split(',')\n"
				      "z = sorted(y, key=lambda v: v[::-1]) + [10 ** 30]\n"
				      "print(end='')\n";

static void
rehearse_program(void)
{
	PyObject *module = PyModule_New("rehearsal"), *globals, *code, *result = NULL;

	if (module == NULL)
		return;
	globals = PyModule_GetDict(module); /* borrowed */
	code = Py_CompileString(PYTHON_REHEARSE_SOURCE, "rehearsal", Py_file_input);
	if (code != NULL)
		Py_SETREF(code, meter_rewrite((PyCodeObject *)(void *)code));
	if (code != NULL &&
	    PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins()) == 0)
		result = PyEval_EvalCode(code, globals, globals);
	Py_XDECREF(result);
	Py_XDECREF(code);
	Py_DECREF(module);
}

void
python_rehearse(void)
{
	rehearse_program();
	python_output_rehearse();
	PyErr_Clear();
	(void)PyGC_Collect();
}
