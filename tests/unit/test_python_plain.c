/*
 * What a program leaves, and whether it is seen that taking that apart would show: each program
 * runs in a module of its own, in an interpreter whose own objects are frozen as in the zygote.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "worker/python_plain.h"

/* Nothing would be seen. */
static const char *const PLAIN[] = {
    "pass",
    "x = [1, 2.5, 3j, 'text', b'bytes', None, True, ..., range(3), slice(1, 2), {4}, frozenset()]",
    "def f(n, m=(1, 2), *, k={}): return lambda: n + m[0]\ng = f(3)",
    "class A:\n    y = 1\n    def __init__(self): self.me = self\nx = [A() for i in range(10)]",
    "class A(int):\n    __slots__ = ()\nx = (((A(3),),),)",
    "class A(dict):\n    pass\nclass B(A, list.__class__ and object):\n    pass\nx = B(k=B())",
    "class E(ValueError):\n    pass\ntry:\n    raise E(1)\nexcept E as e:\n    kept = e",
    "import collections\nx = collections.deque([1]), collections.defaultdict(list, a=[1]), "
    "collections.Counter('abc'), collections.OrderedDict(a=1)",
    "import decimal, datetime, re\nx = decimal.Decimal(1) / 3, datetime.datetime(2020, 1, 1), "
    "re.compile('a').match('a')",
    "import functools, itertools\nx = functools.partial(print), itertools.count()\n"
    "@functools.lru_cache\ndef f(n): return n\nf(1)",
    "x = map(str, [1]), zip([1], [2]), enumerate('a'), filter(None, []), reversed([1]), iter({})",
    "import weakref\nclass A: pass\nx = A(); y = weakref.ref(x)",
    "class M(type):\n    pass\nclass A(metaclass=M):\n    pass\nx = A()",
    "import io\nx = io.StringIO(), io.BytesIO(b'a')",
    "import sys\nread = sys.stdin.readline; x = sys.stdin",
    "d = {1: {2: {3: (4, (5, (6,)))}}}",
    "def f(): raise ValueError\ntry:\n    f()\nexcept ValueError as e:\n    t = e.__traceback__",
};

/* Something would, or nobody knows. */
static const char *const SEEN[] = {
    "class A:\n    def __del__(self): pass\nx = A()",
    "class A:\n    def __del__(self): pass\n", /* instances may be in no list */
    "class A(int):\n    __slots__ = ()\n    def __del__(self): pass\nx = {1: (A(3),)}",
    "class A:\n    pass\nclass B(A):\n    def __del__(self): pass\nclass C(B):\n    pass\nx = "
    "[C()]",
    "def g():\n    yield 1\nx = g(); next(x)",
    "async def f(): pass\nx = f()",
    "async def f():\n    yield 1\nx = f()",
    "import weakref\nclass A: pass\nx = A(); y = weakref.ref(x, print)",
    "import weakref\nclass A: pass\nx = A(); y = weakref.proxy(x)",
    "import weakref\nclass A: pass\nx = A(); y = weakref.WeakValueDictionary(a=x)",
    "x = open('/dev/null')",
    "import os\nx = {1: os.scandir('/')}",
    "import os\nx = [((os.scandir('/'),),)]",
    "import gc\ngc.callbacks.append(print)",
    "import gc\ngc.garbage.append(1)",
    "import gc\ngc.set_debug(gc.DEBUG_STATS)",
    "import sys\nx = sys.stdout",
    "import mmap\nx = mmap.mmap(-1, 4096)",
    "import sqlite3\nx = sqlite3.connect(':memory:')",
    "x = ()\nfor i in range(40): x = (x,)\nimport gc\nfor i in range(60): gc.collect()\ny = "
    "[x]", /* too deep */
};

static int
set_up(void **state)
{
	static const char WARM[] =
	    "import collections, decimal, datetime, re, functools, itertools, weakref, gc\n"
	    "import random, operator, os, sqlite3, mmap, io, warnings\n"
	    "warnings.simplefilter('ignore')\n";

	Py_InitializeEx(0);
	if (PyRun_SimpleString(WARM) < 0 || python_plain_prepare(NULL) < 0)
		return -1;
	python_plain_keep(NULL);
	python_plain_keep(PySys_GetObject("stdin"));
	(void)PyGC_Collect();
	if (PyRun_SimpleString("gc.freeze()") < 0)
		return -1;
	python_plain_begin();
	return 0;
}

static void
check(const char *program, bool expected)
{
	PyObject *names = PyDict_New(), *result;

	assert_non_null(names);
	assert_int_equal(PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()), 0);
	assert_int_equal(PyDict_SetItemString(names, "__name__", Py_None), 0);
	result = PyRun_String(program, Py_file_input, names, names);
	if (result == NULL)
		PyErr_Print();
	assert_non_null(result);
	Py_DECREF(result);
	if (python_plain() != expected)
		fail_msg("%s: is %splain", program, expected ? "not " : "");
	/* Again, with what the collector does to dictionaries and tuples. */
	(void)PyGC_Collect();
	if (python_plain() != expected)
		fail_msg("%s: is %splain when collected", program, expected ? "not " : "");
	PyDict_Clear(names);
	Py_DECREF(names);
	assert_int_equal(
	    PyRun_SimpleString("gc.set_debug(0); gc.callbacks.clear(); gc.garbage.clear()"), 0);
	(void)PyGC_Collect();
	/* Or what comes next would be told by what this has left. */
	if (!python_plain())
		fail_msg("%s: leaves something", program);
}

static void
plain_programs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(PLAIN) / sizeof(PLAIN[0]); i++)
		check(PLAIN[i], true);
}

static void
programs_whose_end_is_seen(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(SEEN) / sizeof(SEEN[0]); i++)
		check(SEEN[i], false);
}

/* A graph of tuples that is small, and endless when it is walked like a tree. */
static void
does_not_walk_for_ever(void **state)
{
	(void)state;
	/* By hours, if each reference is followed. */
	check("t = {i: i for i in range(100000)}\nclass N:\n    def __init__(self): self.t = t\n"
	      "x = [N() for i in range(100000)]",
	      false);
	check("r = (0,) * 1000000\nx = [r] * 1000000\nimport gc\ngc.collect()", false);
	check("x = 1, 2\nfor i in range(15): x = x, x, x, x, x, x, x, x\nimport gc\n"
	      "for i in range(20): gc.collect()\ny = [x]",
	      false);
}

/* Last: from here on there is more that is frozen than the interpreter's. */
static void
what_a_program_freezes_is_seen(void **state)
{
	(void)state;
	check("x = 1", true);
	assert_int_equal(
	    PyRun_SimpleString("class A:\n    def __del__(self): pass\nx = A()\ngc.collect()\n"
			       "gc.freeze()"),
	    0);
	assert_false(python_plain());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plain_programs),
	    cmocka_unit_test(programs_whose_end_is_seen),
	    cmocka_unit_test(does_not_walk_for_ever),
	    cmocka_unit_test(what_a_program_freezes_is_seen),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
