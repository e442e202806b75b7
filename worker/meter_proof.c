/*
 * The frame evaluation hook (PEP 523) of proof builds: see the header. On a breach it writes the
 * code's name to fd 2 and ends the process; it never lets such a frame run. Called by
 * meter_birth.c.
 */
#include "config.h"

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/meter_proof.h"

#if STINT_METER_PROOF || defined(STINT_METER_PROOF_ON)

#define Py_BUILD_CORE
#include <internal/pycore_frame.h>

#include "worker/meter_rewrite.h"

#include <stdio.h>
#include <unistd.h>

static PyObject *
proof_evaluate(PyThreadState *thread, struct _PyInterpreterFrame *frame, int throwing)
{
	PyCodeObject *code = frame->f_code;

	if (!meter_registered(code)) {
		const char *name = PyUnicode_AsUTF8(code->co_qualname);

		dprintf(STDERR_FILENO, "meter proof: %s (%s) is not metered\n", name,
			PyUnicode_AsUTF8(code->co_filename));
		_exit(METER_PROOF_EXIT);
	}
	return _PyEval_EvalFrameDefault(thread, frame, throwing);
}

void
meter_proof_install(void)
{
	_PyInterpreterState_SetEvalFrameFunc(PyInterpreterState_Get(), proof_evaluate);
}

#else

void
meter_proof_install(void)
{
}

#endif
