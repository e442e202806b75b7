/*
 * Texts of values: what repr() says of exact built-in types, and nothing that runs code.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "worker/trace_value.h"

static PyObject *globals;

static int
setup(void **state)
{
	Py_InitializeEx(0);
	globals = PyDict_New();
	return PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins());
}

static PyObject *
evaluate(const char *text, int start)
{
	PyObject *value = PyRun_String(text, start, globals, globals);

	if (value == NULL)
		PyErr_Print();
	assert_non_null(value);
	return value;
}

static void
assert_shows(const char *expression, const char *shown)
{
	PyObject *value = evaluate(expression, Py_eval_input);
	struct trace_value text;

	trace_value_repr(value, &text);
	assert_null(PyErr_Occurred());
	text.text[text.size < sizeof(text.text) ? text.size : sizeof(text.text) - 1] = '\0';
	assert_string_equal(text.text, shown);
	Py_DECREF(value);
}

/* The same as repr(). */
static void
assert_repr(const char *expression)
{
	PyObject *value = evaluate(expression, Py_eval_input), *repr = PyObject_Repr(value);

	assert_shows(expression, PyUnicode_AsUTF8(repr));
	Py_DECREF(repr);
	Py_DECREF(value);
}

static void
plain_values_are_as_repr_has_them(void **state)
{
	static const char *const EXPRESSIONS[] = {
	    "None",
	    "True",
	    "...",
	    "0",
	    "-7",
	    "2**239",
	    "-2**239",
	    "1.5",
	    "1e300",
	    "float('-inf')",
	    "-0.0",
	    "''",
	    "'a'",
	    "'it\\'s'",
	    "'\"'",
	    "'\"\\''",
	    "'\\n\\t\\r\\x00\\x7f\\x85\\xad'",
	    "'\\ud800\\u200b\\U000e0001'",
	    "'\\u00e4\\u6f22'",
	    "b''",
	    "b'a\\n\\xff\\\\'",
	    "()",
	    "(1,)",
	    "(1, 'a', None)",
	    "[]",
	    "[1, [2]]",
	    "{}",
	    "{'a': 1, 2: (3,)}",
	    "set()",
	    "{1}",
	    "frozenset()",
	    "frozenset({1})",
	    "range(3)",
	    "range(1, 9)",
	    "range(1, 9, 2)",
	    "ValueError('x', 1)",
	    "KeyError()",
	};

	for (size_t i = 0; i < sizeof(EXPRESSIONS) / sizeof(EXPRESSIONS[0]); i++) {
		/* repr() writes the start of every range. */
		if (strcmp(EXPRESSIONS[i], "range(3)") == 0)
			assert_shows("range(3)", "range(0, 3)");
		else
			assert_repr(EXPRESSIONS[i]);
	}
}

static void
what_is_not_plain_shows_its_type(void **state)
{
	Py_DECREF(evaluate("class A:\n"
			   "    def __repr__(self): raise SystemExit\n"
			   "    def m(self): pass\n"
			   "class L(list): __iter__ = __len__ = __repr__ = A.__repr__\n"
			   "class S(str): __repr__ = A.__repr__\n"
			   "class I(int): __repr__ = A.__repr__\n"
			   "class E(Exception): __repr__ = __str__ = A.__repr__\n"
			   "loop = []; loop.append(loop)\n",
			   Py_file_input));
	assert_shows("A()", "<A object>");
	assert_shows("L()", "<L object>");
	assert_shows("S('x')", "<S object>");
	assert_shows("I(1)", "<I object>");
	assert_shows("E(A())", "E(<A object>)");
	assert_shows("A", "<class A>");
	assert_shows("A.m", "<function A.m>");
	assert_shows("A().m", "<bound method A.m>");
	assert_shows("len", "<built-in function len>");
	assert_shows("__builtins__['__import__']('sys')", "<module sys>");
	assert_shows("[A(), {A(): S()}]", "[<A object>, {<A object>: <S object>}]");
	assert_shows("loop", "[[...]]");
	assert_shows("[[[1]]]", "[[...]]");
	assert_shows("10 ** 500", "<int of 1661 bits>");
}

static void
long_values_are_cut(void **state)
{
	static const char *const EXPRESSIONS[] = {
	    "'a' * 10**6",
	    "'\\u6f22' * 500",
	    "b'\\xff' * 500",
	    "list(range(10**6))",
	    "{i: i for i in range(1000)}",
	    "set(range(1000))",
	    "('x' * 70, 'y' * 70)",
	    "type('T' * 500, (), {})",
	    "type('\\u6f22' * 500, (), {})()",
	};

	for (size_t i = 0; i < sizeof(EXPRESSIONS) / sizeof(EXPRESSIONS[0]); i++) {
		PyObject *value = evaluate(EXPRESSIONS[i], Py_eval_input);
		struct trace_value text;

		trace_value_repr(value, &text);
		assert_true(text.cut);
		assert_true(text.size <= sizeof(text.text));
		assert_memory_equal(text.text + text.size - 3, "...", 3);
		Py_DECREF(value);
	}
}

static void
empty_slots_and_odd_names(void **state)
{
	PyObject *tuple = PyTuple_New(2), *name;
	struct trace_value text;

	trace_value_repr(tuple, &text);
	assert_memory_equal(text.text, "(<empty>, <empty>)", text.size);
	Py_DECREF(tuple);
	trace_value_repr(NULL, &text);
	assert_memory_equal(text.text, "<empty>", text.size);
	name = evaluate("'a\\ud800\\u00e4'", Py_eval_input);
	trace_value_name(name, &text);
	assert_int_equal(text.size, 4);
	assert_memory_equal(text.text, "a?\xc3\xa4", 4);
	Py_DECREF(name);
	trace_value_name(Py_None, &text);
	assert_memory_equal(text.text, "?", text.size);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plain_values_are_as_repr_has_them),
	    cmocka_unit_test(what_is_not_plain_shows_its_type),
	    cmocka_unit_test(long_values_are_cut),
	    cmocka_unit_test(empty_slots_and_odd_names),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
