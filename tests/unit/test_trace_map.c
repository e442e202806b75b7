/*
 * Where instructions of metered code stood: every code object of some modules of the standard
 * library, metered, must map back to the offsets and jump targets that it had.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "worker/meter_count.h"
#include "worker/meter_rewrite.h"
#include "worker/trace_map.h"
#include "worker/trace_opcode.h"

static size_t codes, instructions, moved;

static int
setup(void **state)
{
	Py_InitializeEx(0);
	return meter_count_prepare() < 0 || meter_rewrite_prepare() < 0 ? -1 : 0;
}

static const uint8_t *
text_of(PyCodeObject *code)
{
	return (const uint8_t *)code->co_code_adaptive;
}

/* Unit that a jump leads to, or UINT32_MAX. */
static uint32_t
target_of(const struct trace_step *step)
{
	switch (trace_opcode_argument(step->opcode)) {
	case TRACE_ARGUMENT_JUMP:
		return step->next + step->arg;
	case TRACE_ARGUMENT_JUMP_BACK:
		return step->next - step->arg;
	default:
		return UINT32_MAX;
	}
}

static void
check_code(PyCodeObject *plain, PyCodeObject *metered)
{
	struct trace_map *map = trace_map_new(metered, meter_count_is_constant);
	uint32_t units = (uint32_t)Py_SIZE(plain), at = 0;

	assert_non_null(map);
	assert_int_equal(map->units, Py_SIZE(metered));
	for (uint32_t unit = 0; unit < map->units; unit++) {
		struct trace_step was, is;
		if (map->offsets[unit] == TRACE_MAP_HIDDEN)
			continue;
		trace_map_step(text_of(plain), units, at, &was);
		trace_map_step(text_of(metered), map->units, unit, &is);
		assert_int_equal(map->offsets[unit], 2 * at);
		assert_int_equal(is.opcode, was.opcode);
		if (target_of(&was) != UINT32_MAX)
			assert_int_equal(trace_map_target(map, target_of(&is)),
					 2 * target_of(&was));
		else
			assert_int_equal(is.arg, was.arg);
		moved += unit != at;
		at = was.next;
		instructions++;
	}
	assert_int_equal(at, units);
	PyMem_RawFree(map);
}

static void
check_tree(PyCodeObject *plain, PyCodeObject *metered)
{
	codes++;
	check_code(plain, metered);
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(plain->co_consts); i++) {
		PyObject *constant = PyTuple_GET_ITEM(plain->co_consts, i);
		if (PyCode_Check(constant))
			check_tree((PyCodeObject *)constant,
				   (PyCodeObject *)PyTuple_GET_ITEM(metered->co_consts, i));
	}
}

static void
check_source(const char *source)
{
	PyObject *plain = Py_CompileString(source, "test.py", Py_file_input);
	assert_non_null(plain);
	PyObject *metered = meter_rewrite((PyCodeObject *)plain);
	assert_non_null(metered);
	check_tree((PyCodeObject *)plain, (PyCodeObject *)metered);
	Py_DECREF(metered);
	Py_DECREF(plain);
}

static void
modules_of_the_standard_library(void **state)
{
	static const char *const NAMES[] = {"argparse",     "ast",     "dataclasses", "decimal",
					    "difflib",      "doctest", "inspect",     "pickle",
					    "subprocess",   "tarfile", "turtle",      "typing",
					    "unittest/mock"};

	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
		char path[128], *source = NULL;
		size_t size = 0;
		(void)snprintf(path, sizeof(path), "/usr/lib/python3.11/%s.py", NAMES[i]);
		FILE *file = fopen(path, "r");
		if (file == NULL)
			continue;
		assert_true(getdelim(&source, &size, '\0', file) > 0);
		(void)fclose(file);
		check_source(source);
		free(source);
	}
	assert_true(codes > 1000);
	assert_true(moved > instructions / 2);
}

/* Bodies around the length at which a jump needs a prefix. */
static void
jumps_of_all_lengths(void **state)
{
	for (int length = 90; length < 150; length++) {
		char *source = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&source, &size);
		assert_non_null(out);
		(void)fputs("while x:\n  for i in x:\n    if i: continue\n", out);
		for (int i = 0; i < length; i++)
			(void)fputs(i % 7 == 6 ? "    if y: x = y\n" : "    x = y\n", out);
		assert_int_equal(fclose(out), 0);
		check_source(source);
		free(source);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(modules_of_the_standard_library),
	    cmocka_unit_test(jumps_of_all_lengths),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
