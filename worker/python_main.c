/*
 * Runs one program as __main__. No frame, name or object of ours is between the program and the
 * interpreter: its code is evaluated straight from C. Called by python_run. A failure of the
 * program goes to python_failure; a value that cannot be given back is a failure too.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_main.h"

#include "worker/meter_fresh.h"
#include "worker/meter_rewrite.h"
#include "worker/python_code.h"
#include "worker/python_compiled.h"
#include "worker/python_finder.h"
#include "worker/python_input.h"
#include "worker/python_source.h"
#include "worker/python_value.h"

#include <stdio.h>
#include <string.h>

#define MAIN_VALUE_ERROR_TYPE "UnsupportedValue"
#define MAIN_VALUE_LIMIT_TYPE "ValueTooLarge"

static PyObject *
main_str(struct job_text text)
{
	return PyUnicode_DecodeUTF8(text.bytes, (Py_ssize_t)text.size, "surrogateescape");
}

static PyObject *
main_globals(void)
{
	PyObject *module = PyImport_AddModule("__main__"); /* borrowed */

	return module ? PyModule_GetDict(module) : NULL;
}

/* Borrowed. */
static PyObject *
main_builtins(void)
{
	return PyDict_GetItemString(PyImport_GetModuleDict(), "builtins");
}

/* ---- set-up ---------------------------------------------------------------------------------- */

static int
main_set_argv(const struct python_job *job)
{
	PyObject *argv = PyList_New((Py_ssize_t)job->arg_count + 1);
	int code = -1;

	if (argv == NULL)
		return -1;
	PyList_SET_ITEM(argv, 0, main_str(job->name));
	for (size_t i = 0; i < job->arg_count; i++)
		PyList_SET_ITEM(argv, (Py_ssize_t)i + 1, main_str(job->args[i]));
	if (!PyErr_Occurred())
		code = PySys_SetObject("argv", argv);
	Py_DECREF(argv);
	return code;
}

/*
 * A new module: the one that the interpreter was started with is frozen, and what hangs on it would
 * never be collected. Names in the order that python3 has them in.
 */
static int
main_set_names(void)
{
	const struct source_entry *entry = python_source_main();
	PyObject *module = PyModule_NewObject(entry->module), *globals, *loader, *annotations;
	int code = -1;

	if (module == NULL)
		return -1;
	globals = PyModule_GetDict(module); /* borrowed */
	loader = python_source_loader(entry);
	annotations = PyDict_New();
	if (loader != NULL && annotations != NULL &&
	    PyDict_SetItemString(globals, "__loader__", loader) == 0 &&
	    PyDict_SetItemString(globals, "__annotations__", annotations) == 0 &&
	    PyDict_SetItemString(globals, "__builtins__", main_builtins()) == 0 &&
	    PyDict_SetItemString(globals, "__file__", entry->file) == 0 &&
	    PyDict_SetItemString(globals, "__cached__", Py_None) == 0)
		code = PyDict_SetItem(PyImport_GetModuleDict(), entry->module, module);
	Py_XDECREF(loader);
	Py_XDECREF(annotations);
	Py_DECREF(module);
	return code;
}

static int
main_set_inputs(const struct python_job *job)
{
	PyObject *inputs;
	int code;

	if (job->inputs.bytes == NULL)
		return 0;
	inputs = python_value_parse(job->inputs.bytes, job->inputs.size);
	if (inputs == NULL)
		return -1;
	code = PyDict_Update(main_globals(), inputs);
	Py_DECREF(inputs);
	return code;
}

int
python_main_premake(const char *file, struct error *err)
{
	const struct python_job job = {.name = {file, strlen(file)}};

	if (python_source_premake(file) == 0 && main_set_argv(&job) == 0 && main_set_names() == 0 &&
	    python_source_seed(python_source_main()) == 0)
		return 0;
	PyErr_Clear();
	return error_set(err, ERROR_SYSTEM, "the module __main__ cannot be made");
}

int
python_main_setup(const struct python_job *job)
{
	if (python_source_load(job) < 0)
		return -1;
	if (!python_source_is_premade() &&
	    (main_set_names() < 0 || python_source_seed(python_source_main()) < 0))
		return -1;
	if ((!python_source_is_premade() || job->arg_count > 0) && main_set_argv(job) < 0)
		return -1;
	if (python_input_install() < 0)
		return -1;
	if (job->module_count > 0 && python_finder_install() < 0)
		return -1;
	return main_set_inputs(job);
}

/* ---- run ------------------------------------------------------------------------------------- */

static bool
main_is_blank(struct job_text text)
{
	for (size_t i = 0; i < text.size; i++)
		if (strchr(" \t\r\n\f", text.bytes[i]) == NULL || text.bytes[i] == '\0')
			return false;
	return true;
}

/* The byte code of a .pyc, metered, or NULL with the failure filled in. */
static PyObject *
main_load(const struct python_job *job, struct pack *result, struct python_failure *ret_failure)
{
	char why[ERROR_TEXT_BYTES];
	PyObject *code = python_code_load(job->code, why, sizeof(why)), *metered;

	if (code == NULL) {
		python_failure_say(REASON_COMPILE_ERROR, PYTHON_CODE_ERROR_TYPE, why, true, result,
				   ret_failure);
		return NULL;
	}
	metered = meter_fresh(code);
	if (metered == NULL)
		python_failure_take(true, result, ret_failure);
	return metered;
}

/* The main program's code, metered: what another worker left of it, or else compiled. */
static PyObject *
main_get_code(const struct python_job *job)
{
	PyObject *code = meter_fresh(python_compiled_load(job));

	if (code != NULL)
		return code;
	PyErr_Clear();
	code = python_compiled_make(job);
	if (code != NULL)
		Py_SETREF(code, meter_rewrite((PyCodeObject *)(void *)code));
	return code;
}

/*
 * New code object, metered, or NULL with the failure filled in. The collector rests, then begins
 * anew: it counts allocations, and those that free lists serve are none. So the program's
 * collections come at the same instructions whether its source was compiled or not.
 */
static PyObject *
main_compile(const struct python_job *job, struct pack *result, struct python_failure *ret_failure)
{
	PyObject *code;

	if (job->code.bytes != NULL)
		return main_load(job, result, ret_failure);
	(void)PyGC_Disable();
	code = main_get_code(job);
	(void)PyGC_Enable();
	if (code == NULL)
		python_failure_take(true, result, ret_failure);
	else
		(void)PyGC_Collect();
	return code;
}

/* Array and object of the call, or their empty forms; 0, or -1 with an exception. */
static int
main_entry_arguments(const struct python_job *job, PyObject **ret_args, PyObject **ret_kwargs)
{
	PyObject *list = NULL, *args = NULL, *kwargs = NULL;

	if (job->entry_args.bytes != NULL)
		list = python_value_parse(job->entry_args.bytes, job->entry_args.size);
	else
		list = PyList_New(0);
	if (list != NULL)
		args = PySequence_Tuple(list);
	if (args != NULL && job->entry_kwargs.bytes != NULL)
		kwargs = python_value_parse(job->entry_kwargs.bytes, job->entry_kwargs.size);
	else if (args != NULL)
		kwargs = PyDict_New();
	Py_XDECREF(list);
	if (kwargs == NULL) {
		Py_XDECREF(args);
		return -1;
	}
	*ret_args = args;
	*ret_kwargs = kwargs;
	return 0;
}

/* Call globals[entry](*args, **kwargs): new reference, or NULL with an exception. */
static PyObject *
main_call_entry(const struct python_job *job)
{
	PyObject *name = main_str(job->entry), *args, *kwargs, *function, *value;

	if (name == NULL)
		return NULL;
	function = PyDict_GetItemWithError(main_globals(), name); /* borrowed */
	Py_XINCREF(function);
	if (function == NULL && !PyErr_Occurred())
		PyErr_Format(PyExc_NameError, "name '%U' is not defined: it is the job's entry",
			     name);
	else if (function != NULL && !PyCallable_Check(function))
		PyErr_Format(PyExc_TypeError,
			     "the job's entry '%U' is not callable: it is of type %.200s", name,
			     Py_TYPE(function)->tp_name);
	Py_DECREF(name);
	if (PyErr_Occurred() || main_entry_arguments(job, &args, &kwargs) < 0) {
		Py_XDECREF(function);
		return NULL;
	}
	value = PyObject_Call(function, args, kwargs);
	Py_DECREF(function);
	Py_DECREF(args);
	Py_DECREF(kwargs);
	return value;
}

/* The body, then the entry function: new reference to the value, or NULL with an exception. */
static PyObject *
main_evaluate(const struct python_job *job, PyObject *code)
{
	PyObject *globals = main_globals(), *value;

	if (globals == NULL)
		return NULL;
	Py_INCREF(globals); /* a program may throw its module away */
	value = PyEval_EvalCode(code, globals, globals);
	if (value != NULL && job->entry.bytes != NULL) {
		Py_DECREF(value);
		value = main_call_entry(job);
	}
	Py_DECREF(globals);
	return value;
}

/* ---- what the client gets back --------------------------------------------------------------- */

static void
main_value_failed(int code, const struct value_writer *writer, uint64_t limit, struct pack *result,
		  struct python_failure *ret_failure)
{
	char text[128];

	switch (code) {
	case PYTHON_VALUE_REFUSED:
		python_failure_say(REASON_VALUE_ERROR, MAIN_VALUE_ERROR_TYPE, writer->reason, false,
				   result, ret_failure);
		break;
	case PYTHON_VALUE_TOO_LARGE:
		(void)snprintf(text, sizeof(text),
			       "value and vars have more than %llu bytes of JSON",
			       (unsigned long long)limit);
		python_failure_say(REASON_VALUE_LIMIT, MAIN_VALUE_LIMIT_TYPE, text, false, result,
				   ret_failure);
		break;
	default:
		python_failure_say(REASON_MEMORY_ERROR, "MemoryError",
				   "no memory for value and vars", false, result, ret_failure);
		break;
	}
}

/* A dict of the outputs that exist; the first that does not is named in ret_missing (borrowed). */
static PyObject *
main_outputs(const struct python_job *job, const struct job_text **ret_missing)
{
	PyObject *globals = main_globals(), *vars = PyDict_New();

	for (size_t i = 0; vars != NULL && globals != NULL && i < job->output_count; i++) {
		PyObject *name = main_str(job->outputs[i]);
		PyObject *value =
		    name ? PyDict_GetItemWithError(globals, name) : NULL; /* borrowed */

		if (value == NULL && !PyErr_Occurred() && *ret_missing == NULL)
			*ret_missing = &job->outputs[i];
		else if (value != NULL)
			(void)PyDict_SetItem(vars, name, value);
		Py_XDECREF(name);
		PyErr_Clear();
	}
	return vars;
}

/* One JSON text of at most `max` bytes as the field `tag`; returns its size, or a negative code. */
static long long
main_put_json(PyObject *value, const char *root, uint32_t tag, uint64_t max,
	      struct value_writer *ret_writer, struct pack *result)
{
	int code;

	python_value_writer_init(ret_writer, root, (size_t)max);
	code = value ? python_value_write(value, ret_writer) : PYTHON_VALUE_NO_MEMORY;
	if (code == PYTHON_VALUE_OK)
		pack_put(result, tag, ret_writer->bytes, ret_writer->size);
	python_value_writer_deinit(ret_writer);
	return code == PYTHON_VALUE_OK ? (long long)ret_writer->size : code;
}

static void
main_missing(const struct job_text *missing, struct pack *result,
	     struct python_failure *ret_failure)
{
	char text[NAME_BYTES_MAX + 64];

	(void)snprintf(text, sizeof(text), "name '%.*s' is not defined: it is in the job's outputs",
		       (int)missing->size, missing->bytes);
	python_failure_say(REASON_VALUE_ERROR, "NameError", text, false, result, ret_failure);
}

/* `value` may be NULL: none is owed. */
static void
main_put_results(const struct python_job *job, const struct worker_terms *terms, PyObject *value,
		 struct pack *result, struct python_failure *ret_failure)
{
	uint64_t limit = terms->limits.value_bytes;
	const struct job_text *missing = NULL;
	struct value_writer writer;
	long long used = 0;
	PyObject *vars;

	if (value != NULL)
		used = main_put_json(value, "value", RESULT_VALUE, limit, &writer, result);
	if (used < 0) {
		main_value_failed((int)used, &writer, limit, result, ret_failure);
		return;
	}
	if (job->output_count == 0)
		return;
	vars = main_outputs(job, &missing);
	used = main_put_json(vars, "vars", RESULT_VARS, limit - (uint64_t)used, &writer, result);
	Py_XDECREF(vars);
	if (used < 0)
		main_value_failed((int)used, &writer, limit, result, ret_failure);
	else if (missing != NULL && ret_failure->reason == REASON_NONE)
		main_missing(missing, result, ret_failure);
}

void
python_main_run(const struct python_job *job, const struct worker_terms *terms,
		void (*release_reserve)(void), struct pack *result,
		struct python_failure *ret_failure)
{
	bool owes_value = job->mode_eval || job->entry.bytes != NULL;
	PyObject *code, *value;

	if (job->mode_eval && job->source.bytes != NULL && main_is_blank(job->source)) {
		value = Py_None;
		Py_INCREF(value);
	} else {
		code = main_compile(job, result, ret_failure);
		python_compiled_close();
		if (code == NULL) {
			release_reserve();
			return;
		}
		value = main_evaluate(job, code);
		Py_DECREF(code);
	}
	release_reserve();
	python_failure_flush();
	if (value == NULL)
		python_failure_take(false, result, ret_failure);
	/* A program that leaves with sys.exit() has its outputs still; its value it has not. */
	if (ret_failure->reason == REASON_NONE || ret_failure->reason == REASON_EXIT)
		main_put_results(job, terms, owes_value ? value : NULL, result, ret_failure);
	Py_XDECREF(value);
}
